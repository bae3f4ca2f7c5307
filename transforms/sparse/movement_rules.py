"""Patterns of operations that move and add elements: shapes, indexing, writing, joining, sums.

An operation that moves elements is applied to the numbers of the elements, which shows where each
one goes. Index arrays that are not known may be anything: then an element may come from, or go to,
every place along the axes that they index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, Shape
from ...core.primitives.indexing import Place, Template, fill
from .index_sets import IndexSets, grouped, joined, union
from .patterns import (
    Flow,
    Found,
    Step,
    all_of_operands,
    mixed,
    pattern_rule,
    places_of,
    spread_axes,
)

PREFIX_LIMIT: Final = 5_000_000
"""So many entries may the triangle of a cumulative sum have; else its whole axis is mixed."""


@pattern_rule("reshape", "copy", "name")
def _as_they_are(step: Step) -> Found:
    return [step.sets(0)]


@pattern_rule("transpose", "broadcast_to", "diagonal", "windows")
def _moved(step: Step) -> Found:
    """Each element of the result is one of the operand, or a zero that was put in."""
    numbers = places_of(step.avals[0].shape) + 1
    return [step.sets(0).take(np.asarray(step.primitive.impl(numbers, **step.params)) - 1)]


def _index_values(
    shape: Shape, index: Template, arrays: Sequence[Flow], shapes: Sequence[Shape]
) -> tuple[list[Array], list[int]]:
    """Index arrays, zeros where they are unknown; and the axes that such index."""
    values, axes, axis, k = [], [], 0, 0
    for item in _without_ellipsis(shape, index):
        if item is Place.ARRAY:
            value = arrays[k].value
            if value is None:
                axes.append(axis)
                value = np.zeros(shapes[k], np.intp)
            values.append(value)
            k += 1
        axis += item is not None
    return values, axes


def _without_ellipsis(shape: Shape, index: Template) -> list[Any]:
    items = list(index)
    at = [i for i, item in enumerate(items) if item is Ellipsis]
    if at:
        used = sum([item is not None for item in items]) - 1
        items[at[0] : at[0] + 1] = [slice(None)] * (len(shape) - used)
    return items


@pattern_rule("getitem")
def _getitem(step: Step) -> Found:
    if 0 not in step.active:
        return [None]
    shape, index = step.avals[0].shape, step.params["index"]
    shapes = [v.shape for v in step.avals[1:]]
    arrays, unknown = _index_values(shape, index, step.operands[1:], shapes)
    sets = step.sets(0)
    if unknown:
        sets = spread_axes(sets, shape, unknown)
    return [sets.take(np.asarray(places_of(shape)[fill(index, arrays)]))]


def _targets(
    shape: Shape, index: Template, arrays: Sequence[Array], like: Shape
) -> tuple[Array, Array]:
    """Where values of a shape go that are written at an index: (places, which value)."""
    board = np.asarray(places_of(shape)[fill(index, arrays)])
    values = places_of(like)
    values = values.reshape(values.shape[max(values.ndim - board.ndim, 0) :])
    return board.ravel(), np.broadcast_to(values, board.shape).ravel()


def _added(sets: IndexSets, places: Array, values: Array, size: int) -> IndexSets:
    """The unions of what goes to each place."""
    order = np.argsort(places, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=size))])
    if places.size == 0 or np.diff(starts).max() <= 1:
        source = np.full(size, -1)
        source[places] = values
        return sets.take(source)
    return grouped(sets, starts, values[order])


@pattern_rule("scatter_sum")
def _scatter_sum(step: Step) -> Found:
    shape: Shape = step.params["shape"]
    size, at = math.prod(shape), len(step.params["places"])
    sharp: list[tuple[IndexSets | None, int]] = []
    sources: list[Array] = [np.zeros(0, np.intp)]
    targets: list[Array] = [np.zeros(0, np.intp)]
    rest, start = [], 0
    for k, (index, n) in enumerate(step.params["places"]):
        arrays, shapes = step.operands[at : at + n], [v.shape for v in step.avals[at : at + n]]
        at += n
        if step.operands[k].sets is None:
            continue
        values, unknown = _index_values(shape, index, arrays, shapes)
        places, numbers = _targets(shape, index, values, step.avals[k].shape)
        if unknown:
            found = _added(step.sets(k), places, numbers, size)
            rest.append(spread_axes(found, shape, unknown))
        else:
            sharp.append((step.sets(k), step.avals[k].size))
            targets.append(places)
            sources.append(numbers + start)
            start += step.avals[k].size
    if sharp:
        together = joined(step.n, sharp)
        rest.append(_added(together, np.concatenate(targets), np.concatenate(sources), size))
    return [union(rest) if rest else None]


@pattern_rule("setitem")
def _setitem(step: Step) -> Found:
    shape, index = step.avals[0].shape, step.params["index"]
    shapes = [v.shape for v in step.avals[2:]]
    arrays, unknown = _index_values(shape, index, step.operands[2:], shapes)
    places, values = _targets(shape, index, arrays, step.avals[1].shape)
    size = math.prod(shape)
    parts = []
    if 0 in step.active:
        kept = np.ones(size, bool)
        kept[places] = bool(unknown)  # what is not known to be written over stays
        parts.append(step.sets(0).masked(kept))
    if 1 in step.active:
        if unknown:
            parts.append(spread_axes(_added(step.sets(1), places, values, size), shape, unknown))
        else:
            source = np.full(size, -1)
            source[places] = values  # of several values for one place the last one stays
            parts.append(step.sets(1).take(source))
    return [union(parts) if parts else None]


@pattern_rule("concatenate", "stack")
def _joined(step: Step) -> Found:
    sizes = [v.size for v in step.avals]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    numbers = [places_of(v.shape) + s for v, s in zip(step.avals, starts, strict=False)]
    together = joined(step.n, [(f.sets, d) for f, d in zip(step.operands, sizes, strict=True)])
    return [together.take(step.primitive.impl(*numbers, **step.params))]


@pattern_rule("choose")
def _choose(step: Step) -> Found:
    """By known numbers the element that is chosen, else any of them."""
    out = step.out_avals[0].shape
    which = step.operands[0].value
    parts = []
    for k in step.active:
        places = np.broadcast_to(places_of(step.avals[k].shape), out)
        if which is not None:
            places = np.where(np.broadcast_to(which, out) == k - 1, places, -1)
        parts.append(step.sets(k).take(places))
    return [union(parts)]


@pattern_rule("reduce_sum", "mean")
def _reduced(step: Step) -> Found:
    return [step.sets(0).reduced(step.avals[0].shape, step.params["axes"])]


@pattern_rule("cumsum")
def _cumsum(step: Step) -> Found:
    shape, axis = step.avals[0].shape, step.params["axis"]
    n = shape[axis]
    lanes = math.prod(shape) // n if n else 0
    if lanes * n * (n + 1) // 2 > PREFIX_LIMIT:
        return [mixed(step, 0, axis)]
    columns = np.tril_indices(n)[1]
    numbers = np.moveaxis(places_of(shape), axis, -1).reshape(lanes, n)
    starts = np.concatenate([[0], np.cumsum(np.tile(np.arange(1, n + 1), lanes))])
    found = grouped(step.sets(0), starts, numbers[:, columns].ravel())
    back = np.empty(lanes * n, np.intp)
    back[numbers.ravel()] = np.arange(lanes * n)
    return [found.take(back)]


@pattern_rule("bincount")
def _bincount(step: Step) -> Found:
    places = step.operands[1].value
    if places is None:
        return all_of_operands(step)
    numbers = np.arange(step.avals[0].size)
    return [_added(step.sets(0), np.ravel(places), numbers, step.params["length"])]


@pattern_rule("fft", "rfft", "irfft", "waves", "spline_filter")
def _along_axis(step: Step) -> Found:
    """Every element along an axis goes into every one of the result."""
    return [mixed(step, 0, step.params["axis"] % len(step.avals[0].shape))]
