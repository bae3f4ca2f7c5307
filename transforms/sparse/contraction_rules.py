"""Patterns of products that are summed: matmul, einsum, convolutions; and of linear systems.

Where the other factor is known, its zeros leave elements out: a product with a sparse constant
matrix has its pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_letters
from typing import Final

import numpy as np

from ...core.aval import Array, Shape
from .index_sets import IndexSets, grouped, union
from .patterns import (
    Found,
    Step,
    all_of_operands,
    broadcast_places,
    pattern_rule,
    spread_axes,
)

TERMS_LIMIT: Final = 20_000_000
"""With more products than these the zeros of a known factor are not looked at."""


@pattern_rule("einsum")
def _einsum(step: Step) -> Found:
    inputs, _, output = step.params["subscripts"].partition("->")
    return _contraction(step, inputs.split(","), output)


@pattern_rule("matmul")
def _matmul(step: Step) -> Found:
    a, b = [v.shape for v in step.avals]
    rank = max(len(a) - 2, len(b) - 2, 0)
    stack, (i, j, k) = ascii_letters[:rank], list(ascii_letters[rank : rank + 3])
    left = k if len(a) == 1 else stack[rank - len(a) + 2 :] + i + k
    right = k if len(b) == 1 else stack[rank - len(b) + 2 :] + k + j
    output = stack + (i if len(a) > 1 else "") + (j if len(b) > 1 else "")
    return _contraction(step, [left, right], output)


def _contraction(step: Step, inputs: list[str], output: str) -> Found:
    parts = []
    for k in step.active:
        sharp = _by_known_factor(step, inputs, output, k)
        parts.append(_dense(step, inputs[k], output, k) if sharp is None else sharp)
    return [union(parts)]


def _dense(step: Step, letters: str, output: str, k: int) -> IndexSets:
    """Each element depends on all that are summed for it."""
    shape = step.avals[k].shape
    gone = [i for i, letter in enumerate(letters) if letter not in output]
    kept = [letter for letter in letters if letter in output]
    reduced = step.sets(k).reduced(shape, gone)
    places = np.arange(reduced.ids.size).reshape([shape[letters.index(c)] for c in kept])
    places = places.transpose([kept.index(c) for c in output if c in kept])
    wide = [shape[letters.index(c)] if c in kept else 1 for c in output]
    return reduced.take(np.broadcast_to(places.reshape(wide), step.out_avals[0].shape))


def _by_known_factor(step: Step, inputs: list[str], output: str, k: int) -> IndexSets | None:
    """The sets that stay where the one other factor is known and not zero; None if that does not
    pay.
    """
    if len(inputs) != 2 or step.operands[1 - k].value is None:
        return None
    value = np.asarray(step.operands[1 - k].value)
    mine, others = inputs[k], inputs[1 - k]
    lengths = dict(zip(mine, step.avals[k].shape, strict=True))
    # Axes of length 1 that are broadcast: the factor is the same, or the element is.
    flat = [i for i, c in enumerate(others) if value.shape[i] == 1 and lengths.get(c, 1) > 1]
    value = value.reshape([d for i, d in enumerate(value.shape) if i not in flat])
    others = "".join([c for i, c in enumerate(others) if i not in flat])
    stretched = [c for c, d in zip(others, value.shape, strict=True) if lengths.get(c, d) != d]
    free = [c for c in mine if c not in others]
    count = int(np.count_nonzero(value))
    width = math.prod([lengths[c] for c in free])
    if count == value.size or count * width > TERMS_LIMIT:
        return None
    where = dict(zip(others, [np.repeat(i, width) for i in np.nonzero(value)], strict=True))
    grid = np.indices([lengths[c] for c in free]).reshape(len(free), width)
    where.update(zip(free, [np.tile(g, count) for g in grid], strict=True))
    source = _number([c for c in mine if c not in stretched], where, lengths, count * width)
    lengths.update(zip(others, value.shape, strict=True))
    target = _number(output, where, lengths, count * width)
    return _grouped_by(step.sets(k), target, source, step.out_avals[0].size)


def _number(
    letters: Sequence[str], where: dict[str, Array], lengths: dict[str, int], size: int
) -> Array:
    found = np.zeros(size, np.intp)
    for c in letters:
        found = found * lengths[c] + where[c]
    return found


def _grouped_by(sets: IndexSets, target: Array, source: Array, size: int) -> IndexSets:
    """The unions of the sets `source` with the same `target`."""
    order = np.argsort(target, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(target, minlength=size))])
    return grouped(sets, starts, source[order])


@pattern_rule("convolve")
def _convolve(step: Step) -> Found:
    n, m = [v.shape[-1] for v in step.avals]
    least = min(n, m)
    start = {"full": 0, "same": (least - 1) // 2, "valid": least - 1}[step.params["mode"]]
    return [union([_convolution(step, k, (start,)) for k in step.active])]


@pattern_rule("convolve_nd")
def _convolve_nd(step: Step) -> Found:
    rank = step.params["rank"]
    core = step.avals[1].shape[-rank:]
    starts = tuple([d - 1 if step.params["mode"] == "valid" else 0 for d in core])
    return [union([_convolution(step, k, starts) for k in step.active])]


def _convolution(step: Step, k: int, starts: Sequence[int]) -> IndexSets:
    """Along the last axes, i meets j of the other operand in place i + j - start."""
    rank = len(starts)
    shape, out = step.avals[k].shape, step.out_avals[0].shape
    core, lead = out[-rank:], out[:-rank]
    kernel = step.operands[1 - k].value
    if kernel is None or kernel.ndim > rank:
        kernel = np.ones(step.avals[1 - k].shape[-rank:])
    taps = np.nonzero(kernel)
    lanes = broadcast_places(shape[:-rank], lead).ravel()
    if taps[0].size * math.prod(out) > TERMS_LIMIT:
        axes = list(range(len(shape) - rank, len(shape)))
        return spread_axes(step.sets(k), shape, axes, out)
    grid = np.indices(core).reshape(rank, -1, 1)
    source, inside = np.zeros((), np.intp), np.ones((), bool)
    for axis in range(rank):
        place = grid[axis] + starts[axis] - taps[axis]
        length = shape[len(shape) - rank + axis]
        inside = inside & (place >= 0) & (place < length)
        source = source * length + place
    row, tap = np.nonzero(inside)
    targets = np.arange(lanes.size)[:, None] * math.prod(core) + row
    members = lanes[:, None] * math.prod(shape[-rank:]) + source[row, tap]
    return _grouped_by(step.sets(k), targets.ravel(), members.ravel(), math.prod(out))


@pattern_rule("cross")
def _cross(step: Step) -> Found:
    """Each component depends on the two others of both vectors."""
    out = step.out_avals[0].shape
    parts = []
    for k in step.active:
        places = broadcast_places(step.avals[k].shape, out)
        parts += [step.sets(k).take(np.roll(places, by, -1)) for by in (1, 2)]
    return [union(parts)]


@pattern_rule("trapezoid")
def _trapezoid(step: Step) -> Found:
    """The sum over the axis of the heights, with which the widths are broadcast from the right."""
    out = step.out_avals[0].shape
    behind = len(step.avals[1].shape) - 1 - step.params["axis"]
    parts = []
    for k in step.active:
        shape, sets = step.avals[k].shape, step.sets(k)
        axis = len(shape) - 1 - behind
        if axis >= 0:
            sets = sets.reduced(shape, [axis])
            shape = (*shape[:axis], *shape[axis + 1 :])
        parts.append(sets.take(broadcast_places(shape, out)))
    return [union(parts)]


@pattern_rule("interp")
def _interp(step: Step) -> Found:
    """Between known points, the values on both sides."""
    x, points = step.operands[0].value, step.operands[1].value
    if x is None or points is None or step.active != [2]:
        return all_of_operands(step)
    left = np.clip(np.searchsorted(points, x, "right") - 1, 0, max(np.size(points) - 2, 0))
    right = np.minimum(left + 1, np.size(points) - 1)
    return [union([step.sets(2).take(left), step.sets(2).take(right)])]


@pattern_rule("solve", "solve_triangular", "solve_banded")
def _solve(step: Step) -> Found:
    """The inverse of a matrix counts as dense: each column of the result depends on the same column
    of the right side.
    """
    if step.active != [1]:
        return all_of_operands(step)
    shape: Shape = step.avals[1].shape
    out = step.out_avals[0].shape
    axis = max(len(shape) - 2, 0)
    kept = tuple([1 if i == axis else d for i, d in enumerate(shape)])
    reduced = step.sets(1).reduced(shape, [axis])
    if len(shape) == 1:
        return [reduced.take(np.zeros(step.out_avals[0].size, np.intp))]
    return [reduced.take(broadcast_places(kept, out))]


CORES: Final = {
    "by_sums": (2, 1),
    "cofactors": (2,) * 16,
    "expm_frechet": (2, 2),
    "lfilter": (1, 1, 1),
    "logm_frechet": (2, 2),
    "lyapunov": (2, 2),
    "outside": (2, 2, 1),
    "solve_continuous_lyapunov": (2, 2),
    "solve_sylvester": (2, 2, 2),
    "spectral_join": (2, 1),
    "spectral_split": (2, 1),
}
"""Of each operand, how many of the last axes one matrix, or vector, of a stack has."""


@pattern_rule(*CORES)
def _stacks(step: Step) -> Found:
    """Each matrix of a stack by itself: all of it depends on all of the operands' matrices."""
    cores = CORES[step.primitive.name][: len(step.avals)]
    if any([v.ndim < core for v, core in zip(step.avals, cores, strict=True)]):
        return all_of_operands(step)
    leads = [v.shape[: v.ndim - core] for v, core in zip(step.avals, cores, strict=True)]
    lead = np.broadcast_shapes(*leads)
    found = []
    for out in step.out_avals:
        parts = []
        for k in step.active:
            shape = step.avals[k].shape
            one = step.sets(k).reduced(shape, range(len(leads[k]), len(shape)))
            wide = (*leads[k], *[1] * (out.ndim - len(lead)))
            parts.append(one.take(broadcast_places(wide, out.shape)))
        found.append(union(parts))
    return found
