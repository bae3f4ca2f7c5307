"""Scattered values: a sum of arrays that are zero but at some places becomes one join of the
values, where the places are constant and make up the whole array.

This is how the gradient by x arrives of code that reads x[0], x[1], ... or x[:2], x[2:].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.elementwise import add_p
from ...core.primitives.joining import concatenate_p, stack_p
from ...core.primitives.shaping import reshape_p
from .places import Axis, axes_of_index, is_whole
from .rewriting import Found, Rewriter, everywhere

__all__ = ["join_scatters"]

_FEW: Final = 3
"""So many slices, and fewer, are added into zeros as fast as they are joined."""


class _Piece(NamedTuple):
    start: int
    stop: int
    terms: list[tuple[int, Atom]]


@everywhere
def join_scatters(program: Program) -> Program:
    """The same program with joins in the place of scattered sums."""
    return Rewriter(program).run(_rule)


def _rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    if e.primitive.name != "scatter_sum" or len(inputs) != len(e.params["places"]):
        return None
    out = e.outputs[0].aval
    if out.dtype.kind not in "fc" or not out.shape:
        return None
    located = []
    for (index, _), ct in zip(e.params["places"], inputs, strict=True):
        axes = axes_of_index(index, out.shape)
        if axes is None or ct.aval.dtype != out.dtype or ct.aval.weak_type:
            return None
        if ct.aval.shape != tuple([a.length for a in axes if a.kept]):
            return None
        located.append((axes, ct))
    if not located:
        return None
    if len(located) == 1 and is_whole(located[0][0], out.shape):
        return [located[0][1]] if located[0][1].aval == out else None
    at = _axis_of_parts([axes for axes, _ in located], out.shape)
    if at is None:
        return None
    pieces = _partition(at, located, out.shape[at])
    if pieces is None:
        return None
    single = all([p.stop - p.start == 1 for p in pieces])
    ints = all([not axes[at].kept for axes, _ in located])
    if single and ints:
        return _stacked(r, e, pieces, at, out)
    if len(pieces) <= _FEW or any([len(p.terms) > 1 for p in pieces]):
        return None
    parts = []
    for p in pieces:
        number, part = p.terms[0]
        if number:
            part = r.emit(add_p, [part, Literal(0.0)], {}, e.source)[0]
        if part.aval.ndim < out.ndim:
            shape = tuple([1 if i == at else d for i, d in enumerate(out.shape)])
            part = r.emit(reshape_p, [part], {"shape": shape}, e.source)[0]
        parts.append(part)
    return r.emit(concatenate_p, parts, {"axis": at}, e.source)


def _axis_of_parts(located: Sequence[Sequence[Axis]], shape: Sequence[int]) -> int | None:
    """The one axis along which the places differ; they are whole along all others."""
    found: set[int] = set()
    for axes in located:
        found.update([i for i, d in enumerate(shape) if axes[i] != Axis(0, 1, d)])
        if len(found) > 1:
            return None
    return found.pop() if found else None


def _partition(
    at: int, located: Sequence[tuple[Sequence[Axis], Atom]], n: int
) -> list[_Piece] | None:
    """The places in order, if they make up the axis and no two overlap without being equal."""
    pieces: dict[int, _Piece] = {}
    for k, (axes, ct) in enumerate(located):
        a = axes[at]
        if a.step != 1 or not a.length:
            return None
        piece = pieces.setdefault(a.start, _Piece(a.start, a.start + a.length, []))
        if piece.stop != a.start + a.length:
            return None
        piece.terms.append((k, ct))
    ordered = [pieces[k] for k in sorted(pieces)]
    ends = [0, *[p.stop for p in ordered]]
    return ordered if ends == [*[p.start for p in ordered], n] else None


def _stacked(
    r: Rewriter, e: Equation, pieces: Sequence[_Piece], at: int, out: ShapedArray
) -> Found:
    """All elements of an axis, each a sum."""
    parts: list[Atom] = []
    for p in pieces:
        total = p.terms[0][1]
        for _, ct in p.terms[1:]:
            total = r.emit(add_p, [total, ct], {}, e.source)[0]
        parts.append(total)
    y = r.emit(stack_p, parts, {"axis": at}, e.source)[0]
    # What was added to zeros is never -0.0; the first value was put, not added.
    shape = tuple([d if i == at else 1 for i, d in enumerate(out.shape)])
    zeros: Any = np.zeros(shape, out.dtype)
    first = next(i for i, p in enumerate(pieces) if p.terms[0][0] == 0)
    zeros[tuple([first if i == at else 0 for i in range(out.ndim)])] = -zeros.flat[0]
    return [y] if len(pieces) == 1 else r.emit(add_p, [y, r.constant(zeros)], {}, e.source)
