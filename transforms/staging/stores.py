"""Writing equations that put values into arrays: in place, where nothing else needs the array.

`memory.py` says where that is. A sum of scattered values that is added to an array is added to it
value by value, as the backward pass does when it runs without a program.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Var
from .memory import puts_whole
from .scope import Scope
from .templates import index_text

__all__ = [
    "write_broadcast",
    "write_late_sum",
    "write_scatter",
    "write_setitem",
    "write_stack",
]

_MOST: Final = 12
"""With more places than this, a sum of scattered values is a call."""
_SMALL: Final = 4096
"""So many elements are copied in the time that NumPy takes to make a broadcast view."""


def write_setitem(scope: Scope, i: int, e: Equation) -> bool:
    """`x[index] = v`, for x itself or a copy."""
    x, v = e.inputs[:2]
    if not isinstance(x, Var) or not x.aval.shape:
        return False
    index = index_text(e.params["index"], [scope.operand(a) for a in e.inputs[2:]])
    if index is None:
        index = scope.writer.refer("index_", e.params["index"])
        if len(e.inputs) > 2:
            return False
    out = e.outputs[0]
    if scope.places.get(out) is not None:
        return False
    plain = scope.float_text(v) if x.aval.dtype == np.float64 and _is_float(v) else scope.operand(v)
    place = scope.own(i, e, x)
    if v not in scope.placed:
        scope.writer.line(f"{place}[{index}] = {plain}")
    return True


def _is_float(a: Atom) -> bool:
    return not a.aval.shape and a.aval.dtype == np.float64


def write_scatter(scope: Scope, i: int, e: Equation) -> bool:
    """Zeros, to which the values are added where they belong."""
    if i in scope.memory.late:
        return True  # the next equation writes it
    places, out = e.params["places"], e.outputs[0]
    if not places or len(places) > _MOST or not out.aval.shape or out in scope.places:
        return False
    whole = puts_whole(e)
    lines = _additions(scope, e, first=True)
    if lines is None:
        return False
    writer = scope.writer
    if whole:
        y = e.inputs[0]
        assert isinstance(y, Var)
        place = scope.own(i, e, y)
        for line in lines[1:]:
            writer.line(line.replace("{y}", place))
        return True
    place = scope.buffers.take_new(out)
    if place is None:
        dtype = writer.refer("dtype_", out.aval.dtype)
        text = f"{writer.use('zeros', np.zeros)}({out.aval.shape}, {dtype})"
        writer.line(f"{scope.name(out)} = {text}")
    else:
        writer.line(f"{place}.fill(0)")
        writer.line(f"{scope.name(out)} = {place}")
    for line in lines:
        writer.line(line.replace("{y}", scope.of[out]))
    return True


def write_late_sum(scope: Scope, i: int, e: Equation) -> bool:
    """An array to which scattered values are added."""
    if i - 1 not in scope.memory.late:
        return False
    s = scope.program.equations[i - 1]
    y = e.inputs[1] if e.inputs[0] is s.outputs[0] else e.inputs[0]
    assert isinstance(y, Var)
    lines = _additions(scope, s, first=False)
    assert lines is not None
    place = scope.own(i, e, y)
    for line in lines:
        scope.writer.line(line.replace("{y}", place))
    return True


def _additions(scope: Scope, e: Equation, first: bool) -> list[str] | None:
    """The lines that add values to {y}; with `first`, the first is put, as there are zeros."""
    places = e.params["places"]
    at = len(places)
    found = []
    writer = scope.writer
    for k, (index, n) in enumerate(places):
        arrays = [scope.operand(a) for a in e.inputs[at : at + n]]
        at += n
        ct = e.inputs[k]
        value = scope.float_text(ct) if _is_float(ct) else scope.operand(ct)
        if arrays:
            text = index_text(index, arrays)
            if text is None:
                return None
            key = f"({text},)" if len(index) == 1 else f"({text})"
            if ":" in text or "None" in text or "..." in text:
                key = f"{writer.use('s_', np.s_)}[{text}]"
            add_at = writer.use("add_at", np.add.at)
            found.append(f"{add_at}({{y}}, {key}, {value})")
            continue
        text = index_text(index, ()) or writer.refer("index_", index)
        if k == 0 and first:
            found.append(f"{{y}}[{text}] = {value}")
        elif all([type(j) is int for j in index]) and len(index) == len(e.params["shape"]):
            found.append(f"{{y}}[{text}] += {value}")
        else:
            name = writer.names.short()
            found += [
                f"{name} = {{y}}[{text}]",
                f"{writer.use('add', np.add)}({name}, {value}, {name})",
            ]
            writer.names.release(name)
    return found


def write_stack(scope: Scope, i: int, e: Equation) -> bool:
    """Numbers, or arrays, joined without the functions of NumPy that look at them first."""
    out, writer = e.outputs[0], scope.writer
    if out in scope.places or out.aval.dtype != np.float64 or not e.inputs:
        return False
    if all([_is_float(a) for a in e.inputs]):
        if all([isinstance(a, Literal) for a in e.inputs]):
            return False
        args = [scope.float_or_scalar(a) for a in e.inputs]
        text = f"{writer.use('array', np.array)}([{', '.join(args)}])"
        writer.line(f"{scope.name(out, i, e)} = {text}")
        return True
    return False


def write_broadcast(scope: Scope, i: int, e: Equation) -> bool:
    """A small array that is repeated is copied."""
    out, x = e.outputs[0], e.inputs[0]
    if out in scope.places or not 0 < out.aval.size <= _SMALL or out.aval.weak_type:
        return False
    if x.aval.dtype != out.aval.dtype:
        return False
    text = scope.operand(x)
    place = scope.buffers.take_new(out)
    if place is None:
        return False
    scope.writer.line(f"{place}[...] = {text}")
    scope.writer.line(f"{scope.name(out, i, e)} = {place}")
    return True
