"""Indexing: an index into what was just put together reads the part that it selects.

x[i] of a stack, of a concatenation, of a broadcast array, of an array after a write, or of a sum of
scattered values is found without making the whole; an index of an index becomes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.elementwise import add_p
from ...core.primitives.indexing import getitem_p
from ...core.primitives.shaping import broadcast_to_p, reshape_p
from .places import Axis, axes_of_index, disjoint, index_of, is_whole
from .rewriting import Found, Rewriter, Rules, everywhere, with_rules

__all__ = ["simplify_indexing"]


@everywhere
def simplify_indexing(program: Program) -> Program:
    """The same program, which reads from where values come from."""
    return Rewriter(program).run(_RULE)


def _getitem(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    if len(inputs) > 1:
        return None
    axes = axes_of_index(e.params["index"], x.aval.shape)
    if axes is None:
        return None
    if is_whole(axes, x.aval.shape):
        return [x] if x.aval == e.outputs[0].aval else None
    made = r.defined.get(x)  # type: ignore[arg-type]  # a Literal is in no dictionary
    if made is None:
        return None
    rule = _OF.get(made.primitive.name)
    return None if rule is None else rule(r, e, made, axes)


def _read(r: Rewriter, e: Equation, x: Atom, axes: Sequence[Axis]) -> Found:
    """The equation for the elements of `x` on these axes."""
    if is_whole(axes, x.aval.shape):
        return [x] if x.aval == e.outputs[0].aval else None
    return r.emit(getitem_p, [x], {"index": index_of(axes, x.aval.shape)}, e.source)


def _of_getitem(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    x = made.inputs[0]
    inner = axes_of_index(made.params["index"], x.aval.shape)
    if inner is None or len(made.inputs) > 1:
        return None
    outer = iter(axes)
    both = []
    for a in inner:
        if a.kept:
            b = next(outer)
            a = Axis(a.start + b.start * a.step, a.step * b.step, b.length, b.kept)
            if a.length < 2:
                a = Axis(a.start, 1, a.length, a.kept) if a.length else Axis(0, 1, 0)
        both.append(a)
    return _read(r, e, x, both)


def _of_stack(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    at = made.params["axis"]
    if axes[at].kept:
        return None
    x = made.inputs[axes[at].start]
    if x.aval.dtype != e.outputs[0].aval.dtype:
        return None
    return _read(r, e, x, [*axes[:at], *axes[at + 1 :]])


def _of_concatenate(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    at = made.params["axis"]
    mine = axes[at]
    if not mine.length:
        return None
    low, high = sorted([mine.start, mine.last()])
    start = 0
    for x in made.inputs:
        n = x.aval.shape[at]
        if start <= low and high < start + n:
            if x.aval.dtype != e.outputs[0].aval.dtype:
                return None
            part = mine._replace(start=mine.start - start)
            return _read(r, e, x, [*axes[:at], part, *axes[at + 1 :]])
        start += n
    return None


def _of_broadcast(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    x = made.inputs[0]
    lead = len(axes) - x.aval.ndim
    inner = []
    for a, d, full in zip(
        axes[lead:], x.aval.shape, made.outputs[0].aval.shape[lead:], strict=True
    ):
        if d == full:
            inner.append(a)
        elif a.kept:
            inner.append(Axis(0, 1, 1))
        else:
            inner.append(Axis(0, 1, 1, False))
    y = _read_any(r, e, x, inner)
    out = e.outputs[0].aval
    return [y] if y.aval == out else r.emit(broadcast_to_p, [y], {"shape": out.shape}, e.source)


def _read_any(r: Rewriter, e: Equation, x: Atom, axes: Sequence[Axis]) -> Atom:
    if is_whole(axes, x.aval.shape):
        return x
    return r.emit(getitem_p, [x], {"index": index_of(axes, x.aval.shape)}, e.source)[0]


def _of_reshape(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    """Through axes of length 1 that were added or taken away."""
    x = made.inputs[0]
    pairs = list(zip(axes, made.outputs[0].aval.shape, strict=True))
    if [d for d in x.aval.shape if d != 1] != [d for _, d in pairs if d != 1]:
        return None
    if not all([a.length == 1 for a, d in pairs if d == 1]):
        return None
    rest = iter([a for a, d in pairs if d != 1])
    inner = [Axis(0, 1, 1, False) if d == 1 else next(rest) for d in x.aval.shape]
    y = _read_any(r, e, x, inner)
    out = e.outputs[0].aval
    return [y] if y.aval == out else r.emit(reshape_p, [y], {"shape": out.shape}, e.source)


def _of_transpose(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    order = made.params["axes"]
    kept = [a.kept for a in axes]
    if sum(kept) > 1:
        return None
    inner: list[Axis] = [axes[list(order).index(i)] for i in range(len(order))]
    return _read(r, e, made.inputs[0], inner)


def _of_setitem(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    x, v = made.inputs[:2]
    written = axes_of_index(made.params["index"], x.aval.shape)
    if len(made.inputs) > 2 or written is None:
        return None
    if disjoint(axes, written):
        return _read(r, e, x, axes)
    if list(axes) != list(written):
        return None
    out = e.outputs[0].aval
    if v.aval == out:
        return [v]
    if v.aval.dtype == out.dtype and not v.aval.weak_type and v.aval.ndim <= out.ndim:
        return r.emit(broadcast_to_p, [v], {"shape": out.shape}, e.source)
    return None


def _of_scatter(r: Rewriter, e: Equation, made: Equation, axes: Sequence[Axis]) -> Found:
    """The values that were put at exactly these places, if all others are elsewhere."""
    shape, places = made.params["shape"], made.params["places"]
    out = e.outputs[0].aval
    mine = []
    for k, ((index, n), ct) in enumerate(zip(places, made.inputs, strict=False)):
        there = None if n else axes_of_index(index, shape)
        if there is None or ct.aval != out:
            return None
        if list(there) == list(axes):
            mine.append((k, ct))
        elif not disjoint(there, axes):
            return None
    if not mine:
        return [r.constant(np.broadcast_to(out.dtype.type(0), out.shape))]
    first, total = mine[0]
    for _, ct in mine[1:]:
        total = r.emit(add_p, [total, ct], {}, e.source)[0]
    if first:  # it was added to zeros, which makes 0.0 of -0.0
        total = r.emit(add_p, [total, Literal(_zero(out))], {}, e.source)[0]
    return [total] if total.aval == out else None


def _zero(aval: ShapedArray) -> object:
    return 0.0 if aval.dtype.kind in "fc" else 0


_OF: Final = {
    "getitem": _of_getitem,
    "stack": _of_stack,
    "concatenate": _of_concatenate,
    "broadcast_to": _of_broadcast,
    "reshape": _of_reshape,
    "transpose": _of_transpose,
    "setitem": _of_setitem,
    "scatter_sum": _of_scatter,
}
_RULES: Final[Rules] = {"getitem": _getitem}
_RULE: Final = with_rules(_RULES)
