"""Writing to arrays: `x[index] = v` where x is not needed any more, else into a copy; and sums of
scattered values, by `+=` into zeros or into what they are added to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Var
from ...core.primitives.indexing import Place
from .scope import Scope
from .templates import index_text

__all__ = ["WRITERS_OF_STORES"]


def _target(index: Sequence[Any], arrays: Sequence[str]) -> str | None:
    """What stands between the brackets; None where it has no text."""
    rest = iter(arrays)
    parts = []
    for item in index:
        text = next(rest) if item is Place.ARRAY else index_text(item)
        if text is None:
            return None
        parts.append(text)
    return ", ".join(parts) + ("," if len(parts) == 1 and not arrays else "") if parts else "()"


def _setitem(scope: Scope, i: int, e: Equation) -> bool:
    """`x[index] = v`."""
    x, v = e.inputs[:2]
    out = e.outputs[0]
    if not out.aval.shape or not isinstance(x, Var):
        return False
    target = _target(e.params["index"], [scope.plain_text(a) for a in e.inputs[2:]])
    if target is None:
        return False
    value = (
        scope.float_text(v) if isinstance(v, Var) and v in scope.floats else scope.operand(v, False)
    )
    writer = scope.writer
    if scope.is_last(i, e, x) and out not in scope.places:
        writer.line(f"{scope.of[x]}[{target}] = {value}")
        scope.same_name(out, x)
        return True
    _copied(scope, x, out)
    writer.line(f"{scope.of[out]}[{target}] = {value}")
    return True


def _copied(scope: Scope, x: Atom, out: Var) -> None:
    """The line that makes a copy of an array, in the place for a result."""
    place = scope.places.get(out)
    if place is not None:
        scope.placed.add(out)
    else:
        place = scope.buffers.take_new(out)
    text = scope.operand(x, False)
    if place is None:
        scope.writer.line(f"{scope.name(out)} = {text}.copy()")
        return
    scope.writer.line(f"{scope.writer.use('copyto', np.copyto)}({place}, {text})")
    scope.writer.line(f"{scope.name(out)} = {place}")


def _scatter_sum(scope: Scope, i: int, e: Equation) -> bool:
    """Values added at places into zeros."""
    out = e.outputs[0]
    places = e.params["places"]
    if not out.aval.shape or len(places) > _MANY:
        return False
    pieces = _pieces(scope, e)
    if pieces is None:
        return False
    if _added_next(scope, i, e):
        scope.late = (i, e, pieces)
        scope.buffers.hold(e, i)
        return True
    writer = scope.writer
    place = scope.places.get(out)
    if place is not None:
        scope.placed.add(out)
    else:
        place = scope.buffers.take_new(out)
    if place is None:
        dtype = writer.refer("dtype_", out.aval.dtype)
        writer.line(
            f"{scope.name(out)} = {writer.use('zeros', np.zeros)}({out.aval.shape}, {dtype})"
        )
    else:
        writer.line(f"{place}.fill(0)")
        writer.line(f"{scope.name(out)} = {place}")
    for k, piece in enumerate(pieces):
        text = piece.format(scope.of[out])
        if not k and not places[0][1]:
            text = text.replace(" += ", " = ", 1)
        writer.line(text)
    return True


_MANY: Final = 64


def _pieces(scope: Scope, e: Equation) -> list[str] | None:
    places = e.params["places"]
    n = len(places)
    texts = [scope.plain_text(a) for a in e.inputs]
    at = n
    found = []
    for ct, (index, count) in zip(texts, places, strict=False):
        target = _target(index, texts[at : at + count])
        if target is None:
            return None
        if count:
            add_at = scope.writer.use("add_at", np.add.at)
            found.append(f"{add_at}({{0}}, ({target},), {ct})")
            if any([isinstance(item, slice) for item in index]):
                return None
        else:
            found.append(f"{{0}}[{target}] += {ct}")
        at += count
    return found


WRITERS_OF_STORES: Final[dict[str, Callable[[Scope, int, Equation], bool]]] = {
    "setitem": _setitem,
    "scatter_sum": _scatter_sum,
}
