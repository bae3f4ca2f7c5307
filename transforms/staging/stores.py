"""Writing equations that put values into arrays: in place, where nothing else needs the array.

`memory.py` says where that is. A sum of scattered values that is added to an array is added to it
value by value, as the backward pass does when it runs without a program.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Var
from ...core.primitives.indexing import Place
from .memory import is_written_out, puts_whole
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
_FEW: Final = 6
"""So many arrays are put into a new one as fast as NumPy's stack does it."""
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
    if v not in scope.slotted:
        scope.writer.line(f"{place}[{index}] = {plain}")
    return True


def _is_float(a: Atom) -> bool:
    return not a.aval.shape and a.aval.dtype == np.float64


def write_scatter(scope: Scope, i: int, e: Equation) -> bool:
    """Zeros, or the first value, to which the others are added where they belong."""
    if i in scope.memory.late:
        return True  # the next equation writes it
    places, out = e.params["places"], e.outputs[0]
    if not places or len(places) > _MOST or not out.aval.shape or out in scope.places:
        return False
    if not is_written_out(e):
        return False
    if puts_whole(e):
        y = e.inputs[0]
        assert isinstance(y, Var)
        _add(scope, e, scope.own(i, e, y), range(1, len(places)))
        return True
    index, n = places[0]
    covers = not n and all([j is None or j is Ellipsis or j == slice(None) for j in index])
    name = _new(scope, e, "empty" if covers else "zeros")
    first = 0
    if not n:  # nothing is there yet to be added to
        text = index_text(index, ()) or scope.writer.refer("index_", index)
        scope.writer.line(f"{name}[{text}] = {_number_or_array(scope, e.inputs[0])}")
        first = 1
    _add(scope, e, name, range(first, len(places)))
    return True


def _new(scope: Scope, e: Equation, how: str) -> str:
    """The name of the result of an equation, which is zeros or "empty" at first."""
    out, writer = e.outputs[0], scope.writer
    place = scope.buffers.take_new(out)
    if place is None:
        make = writer.use(how, np.zeros if how == "zeros" else np.empty)
        place = f"{make}({out.aval.shape}, {writer.refer('dtype_', out.aval.dtype)})"
    elif how == "zeros":
        writer.line(f"{place}.fill(0)")
    name = scope.name(out)
    writer.line(f"{name} = {place}")
    return name


def write_late_sum(scope: Scope, i: int, e: Equation) -> bool:
    """An array to which scattered values are added."""
    if i - 1 not in scope.memory.late:
        return False
    s = scope.program.equations[i - 1]
    y = e.inputs[1] if e.inputs[0] is s.outputs[0] else e.inputs[0]
    assert isinstance(y, Var)
    _add(scope, s, scope.own(i, e, y), range(len(s.params["places"])))
    return True


def _number_or_array(scope: Scope, a: Atom) -> str:
    return scope.float_text(a) if _is_float(a) else scope.operand(a)


def _add(scope: Scope, e: Equation, y: str, which: range) -> None:
    """The lines that add some of the values of a scattered sum to an array."""
    places, writer = e.params["places"], scope.writer
    at = len(places)
    for k, (index, n) in enumerate(places):
        arrays = [scope.operand(a) for a in e.inputs[at : at + n]]
        at += n
        if k not in which:
            continue
        value = _number_or_array(scope, e.inputs[k])
        text = index_text(index, arrays) or writer.refer("index_", index)
        if arrays:
            if any([not isinstance(j, int | Place) for j in index]):
                key = f"{writer.use('s_', np.s_)}[{text}]"
            else:
                key = f"({text})"
            writer.line(f"{writer.use('add_at', np.add.at)}({y}, {key}, {value})")
        elif index and len(index) == len(e.params["shape"]) and {type(j) for j in index} == {int}:
            writer.line(f"{y}[{text}] += {value}")
        else:
            part = writer.names.short()
            writer.line(f"{part} = {y}[{text}]")
            writer.line(f"{writer.use('add', np.add)}({part}, {value}, {part})")
            writer.names.release(part)


def write_stack(scope: Scope, i: int, e: Equation) -> bool:
    """Numbers, or a few arrays, joined without the functions of NumPy that look at them first."""
    out, writer, axis = e.outputs[0], scope.writer, e.params["axis"]
    if out in scope.places or not e.inputs:
        return False
    if all([_is_float(a) for a in e.inputs]) and out.aval.dtype == np.float64:
        if all([isinstance(a, Literal) for a in e.inputs]):
            return False
        args = [scope.float_or_scalar(a) for a in e.inputs]
        text = f"{writer.use('array', np.array)}([{', '.join(args)}])"
        writer.line(f"{scope.name(out, i, e)} = {text}")
        return True
    same = [isinstance(a, Var) and a.aval.dtype == out.aval.dtype for a in e.inputs]
    if not all(same) or not e.inputs[0].aval.shape or len(e.inputs) > _FEW or axis < 0:
        return False
    args = [scope.operand(a) for a in e.inputs]
    name = _new(scope, e, "empty")
    for k, text in enumerate(args):
        writer.line(f"{name}[{':, ' * axis}{k}] = {text}")
    return True


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
