"""Along which axes an equation's operands and results can be cut, so that it works block by block.

`part_of : equation, lengths, axes of its operands -> Part`. A value that is cut has one axis for
each of the lengths: the last of these is cut into blocks, those before it into single places.

Read next: `blocks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Shape
from ...core.ir import Atom, Equation, Var

__all__ = ["BLOCK", "COMBINE", "Axes", "Cut", "End", "Part", "lengths_of", "part_of"]

BLOCK: Final = 1 << 14
"""So many elements are in a block at least, where there are as many: calls of NumPy cost less than
the work then.
"""

Axes = tuple[int, ...]
"""For each length, the axis of a value that has it."""

Cut = tuple[int | None, ...]
"""The same for an operand; None where it is broadcast, or not cut."""

End = Axes | str
"""What becomes of a block's result: a part of the whole, or a share to combine with others."""

COMBINE: Final[dict[str, np.ufunc]] = {
    "reduce_sum": np.add,
    "reduce_prod": np.multiply,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_any": np.logical_or,
    "reduce_all": np.logical_and,
}

_ROW_BY_ROW: Final = frozenset([*COMBINE, "mean", "var", "std", "norm", "logsumexp"])
"""Reductions that may leave the axes that are cut."""


class Part(NamedTuple):
    """How an equation works on blocks: the cuts of its operands, and the end of its result."""

    operands: tuple[Cut, ...]
    end: End


def lengths_of(shape: Shape) -> tuple[Shape, Axes] | None:
    """How large arrays of a shape are cut: the lengths and their axes."""
    size = 1
    for d in shape:
        size *= d
    if size < 2:
        return None
    if shape[0] > 1 and size // shape[0] <= BLOCK:
        return shape[:1], (0,)
    for axis in range(len(shape)):  # a long one, with all others whole
        if shape[axis] > 1 and size // shape[axis] <= BLOCK // 64:
            return (shape[axis],), (axis,)
    row = size
    for axis, d in enumerate(shape):
        row //= d
        if row <= BLOCK and d > 1:
            axes = tuple([i for i in range(axis + 1) if shape[i] > 1])
            return tuple([shape[i] for i in axes]), axes
    return None


def part_of(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    """How an equation works on blocks; None if it does not.

    `known` are the axes of operands that exist in blocks only. Where there are none, the result of
    an elementwise equation, and the operand of another, is cut along the axes `start`.
    """
    if e.primitive.multiple_results:
        return None
    if e.primitive.elementwise:
        return _elementwise(e, lengths, known, start)
    rule = _RULES.get(e.primitive.name)
    return None if rule is None else rule(e, lengths, known, start)


def _axes(a: Atom, known: Mapping[Var, Axes], start: Axes | None) -> Axes | None:
    return known.get(a, start) if isinstance(a, Var) else None


def _elementwise(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    out = e.outputs[0].aval.shape
    axes = start
    for a in e.inputs:
        own = known.get(a) if isinstance(a, Var) else None
        if own is not None:
            mine = tuple([i + len(out) - len(a.aval.shape) for i in own])
            if axes is not None and axes != mine:
                return None
            axes = mine
    if axes is None or tuple([out[i] for i in axes]) != lengths:
        return None
    return Part(tuple([_aligned(a, len(out), axes, lengths) for a in e.inputs]), axes)


def _aligned(a: Atom, ndim: int, axes: Axes, lengths: Shape) -> Cut:
    """The cut of an operand, broadcast to so many axes."""
    shape = a.aval.shape
    own = [i - ndim + len(shape) for i in axes]
    return tuple([
        i if i >= 0 and shape[i] == n else None for i, n in zip(own, lengths, strict=True)
    ])  # fmt: skip


def _reduction(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    x = e.inputs[0]
    axes = _axes(x, known, start)
    if axes is None or len(e.inputs) != 1 or "axes" not in e.params:
        return None
    over = tuple(e.params["axes"])
    if not set(over) & set(axes):
        if e.params.get("keepdims"):
            return Part((axes,), axes)
        return Part((axes,), tuple([i - len([j for j in over if j < i]) for i in axes]))
    # NumPy adds half precision up in single precision: shares would be rounded.
    half = e.outputs[0].aval.dtype.kind == "f" and e.outputs[0].aval.dtype.itemsize < 4
    if e.primitive.name not in COMBINE or not set(axes) <= set(over) or half:
        return None
    return Part((axes,), e.primitive.name)


def _reshape(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    """The first axis, which is the one that is cut, stays."""
    x = e.inputs[0]
    axes = known.get(x) if isinstance(x, Var) else None
    if axes != (0,) or set(e.params) != {"shape"} or e.outputs[0].aval.shape[:1] != lengths:
        return None
    return Part(((0,),), (0,))


def _broadcast(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    x = e.inputs[0]
    axes = known.get(x) if isinstance(x, Var) else None
    if axes is None or set(e.params) != {"shape"}:
        return None
    out = e.outputs[0].aval.shape
    end = tuple([i + len(out) - len(x.aval.shape) for i in axes])
    return Part((axes,), end) if tuple([out[i] for i in end]) == lengths else None


def _getitem(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    """New axes only."""
    x, index = e.inputs[0], e.params.get("index")
    axes = known.get(x) if isinstance(x, Var) else None
    if axes is None or len(e.inputs) != 1 or not isinstance(index, tuple):
        return None
    places: list[int] = []
    for i, one in enumerate(index):
        if isinstance(one, slice) and one == slice(None):
            places.append(i)
        elif one is not None:
            return None
    left = len(x.aval.shape) - len(places)
    places += range(len(index), len(index) + left)
    return Part((axes,), tuple([places[i] for i in axes]))


def _einsum(
    e: Equation, lengths: Shape, known: Mapping[Var, Axes], start: Axes | None
) -> Part | None:
    """Each letter of an axis that is cut is cut in all operands."""
    text = e.params.get("subscripts")
    if not known or not isinstance(text, str) or "." in text or text.count("->") != 1:
        return None
    left, right = text.split("->")
    names = left.split(",")
    letters: list[str] | None = None
    for name, a in zip(names, e.inputs, strict=True):
        own = known.get(a) if isinstance(a, Var) else None
        if own is not None:
            mine = [name[i] for i in own]
            if letters is not None and letters != mine:
                return None
            letters = mine
    if letters is None or any([name.count(c) > 1 for name in names for c in letters]):
        return None
    for name, a in zip(names, e.inputs, strict=True):
        for c, n in zip(letters, lengths, strict=True):
            if c in name and a.aval.shape[name.index(c)] != n:
                return None  # broadcast
    cuts = tuple([tuple([n.index(c) if c in n else None for c in letters]) for n in names])
    kept = [c for c in letters if c in right]
    if len(kept) == len(letters):
        return Part(cuts, tuple([right.index(c) for c in letters]))
    if kept or e.outputs[0].aval.dtype.itemsize < 4 or e.outputs[0].aval.dtype.kind == "b":
        return None
    return Part(cuts, "reduce_sum")


Rule = Callable[[Equation, Shape, Mapping[Var, Axes], Any], Part | None]

_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(_ROW_BY_ROW, _reduction),
    "broadcast_to": _broadcast,
    "einsum": _einsum,
    "getitem": _getitem,
    "reshape": _reshape,
}
