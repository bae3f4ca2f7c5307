"""Equations that put many rows of stacks together: stack, concatenate, a sum of scattered values.

They take the stacks themselves, or slices of them. Terms of a sum keep their order, so values are
the same bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Var
from ...core.primitives.indexing import Place, getitem_p, scatter_sum_p
from .loop_parts import strong
from .repeats import kind_of_template
from .rows import PIECES, Rows, UnfitError

__all__ = ["keep"]

_MANY: Final = 8
_LARGEST: Final = 1 << 20
"""So many elements may be put in place one by one."""

_Group = tuple[Array, list[int], Array]
"""Terms of a sum of scattered values: their numbers, the positions of what moves in their indices,
and where that is.
"""


def keep(rows: Rows, e: Equation) -> None:
    """An equation that is in no loop."""
    if len(e.inputs) >= _MANY and sum([rows.row(a) is not None for a in e.inputs]) >= _MANY:
        y = _together(rows, e)
        if y is not None:
            rows.put(e.outputs[0], y)
            return
    inputs = [rows.read(a) for a in e.inputs]
    if e.primitive is getitem_p and len(inputs) == 1 and inputs[0].aval.shape:
        index = e.params["index"]
        if len(index) == 1 and type(index[0]) is int:
            rows.items[e.outputs[0]] = (inputs[0], index[0] % inputs[0].aval.shape[0])
    if all([a is b for a, b in zip(inputs, e.inputs, strict=True)]):
        rows.r.append(e)
        return
    new = e.replace(inputs=inputs)
    if [a.aval.weak_type for a in inputs] != [a.aval.weak_type for a in e.inputs]:
        assert e.primitive.shape is not None
        due = e.primitive.shape(*[a.aval for a in inputs], **e.params)
        avals = due if e.primitive.multiple_results else [due]
        if [strong(v) for v in avals] != [strong(v.aval) for v in e.outputs]:
            raise UnfitError("a result of another dtype")
        new = new.replace(outputs=[Var(v) for v in avals])
        rows.r.renamed.update(zip(e.outputs, new.outputs, strict=True))
    rows.r.append(new)


def _together(rows: Rows, e: Equation) -> Atom | None:
    """The result of an equation of many rows; None if it needs them one by one."""
    out = e.outputs[0].aval
    name = e.primitive.name
    if name == "scatter_sum":
        values = e.inputs[: len(e.params["places"])]
        return _scattered(rows, e) if all([a.aval.dtype == out.dtype for a in values]) else None
    if any([a.aval.dtype != out.dtype for a in e.inputs]):
        return None
    if name not in ("stack", "concatenate") or set(e.params) != {"axis"}:
        return None
    runs = rows.runs(e.inputs)
    if len(runs) > max(PIECES, len(e.inputs) // 4):
        return None
    at = int(e.params["axis"])
    return rows.concatenated([rows.of_run(r, at, name == "concatenate") for r in runs], at)


def _scattered(rows: Rows, e: Equation) -> Atom | None:
    """A sum of scattered values, with slices in the place of ints that follow one another.

    The first value is put into zeros, where a -0.0 stays what it is, so it stays apart. For
    each element the terms come in the order in which they came.
    """
    places_of = e.params["places"]
    indices = [index for index, _ in places_of]
    values, rest = e.inputs[: len(indices)], iter(e.inputs[len(indices) :])
    own = [[rows.read(next(rest)) for _ in range(n)] for _, n in places_of]
    groups = _grouped(rows, values, indices, e.params["shape"])
    if groups is None:
        return None if any(own) else _flattened(rows, e, indices)
    cts: list[Atom] = []
    arrays: list[Atom] = []
    new: list[tuple[Any, int]] = []
    for terms, positions, places in groups:
        if len(terms) == 1:
            cts.append(rows.read(values[terms[0]]))
            arrays += own[terms[0]]
            new.append(places_of[terms[0]])
            continue
        axis = positions[0]
        runs = rows.runs([values[k] for k in terms])
        if len(runs) > max(PIECES, len(terms) // 4):
            return None
        solid = bool(places.ndim == 3 and (np.diff(places.ravel()) == 1).all())
        turns = runs[0].turns if len(runs) == 1 and places.ndim == 2 else 0
        if turns and len(runs[0].stacks) > 1:
            cts.append(rows.of_run(runs[0], axis, False, flat=False))
            places = places.reshape(turns, -1, places.shape[1]).swapaxes(1, 2)
        else:
            cts.append(rows.concatenated([rows.of_run(run, axis, solid) for run in runs], axis))
        index = list(indices[terms[0]])
        used = 0
        for j, k in enumerate(positions):
            at = places[:, j]
            alone = len(positions) == 1 and (solid or at.ndim == 1)
            part = _affine(at.ravel()) if alone else None
            if part is not None and part[1] > 0:
                stop = part[0] + part[1] * at.size
                index[k] = slice(part[0], stop, None if part[1] == 1 else part[1])
            elif j and (at == at.flat[0]).all():
                index[k] = int(at.flat[0])
            else:
                index[k] = Place.ARRAY
                arrays.append(rows.r.constant(at.copy()))
                used += 1
        new.append((tuple(index), used))
    params = {**e.params, "places": tuple(new)}
    return rows.r.emit(scatter_sum_p, [*cts, *arrays], params, e.source)[0]


def _flattened(rows: Rows, e: Equation, indices: Sequence[Any]) -> Atom | None:
    """A sum of scattered values of any kind, as one with index arrays into the flattened result."""
    shape = e.params["shape"]
    numbers = np.arange(math.prod(shape)).reshape(shape)
    targets = [numbers[i].ravel() for i in indices]
    first = targets[0]
    if not len(first) or (np.diff(first) != 1).any() or sum(map(len, targets)) > _LARGEST:
        return None
    runs = rows.runs(e.inputs[1:])
    if len(runs) > max(PIECES, len(e.inputs) // 4):
        return None
    cts: list[Atom] = [rows.shaped(rows.read(e.inputs[0]), first.shape)]
    arrays: list[Atom] = []
    places: list[tuple[Any, int]] = [((slice(int(first[0]), int(first[-1]) + 1, None),), 0)]
    at = 1
    for run in runs:
        part = targets[at : at + run.length]
        at += run.length
        if not run.turns:
            cts.append(rows.shaped(rows.read(run.stacks[0]), part[0].shape))
            arrays.append(rows.r.constant(part[0]))
        else:
            parts = [rows.shaped(x, (run.turns, x.aval.size // run.turns)) for x in rows.turns(run)]
            cts.append(rows.concatenated(parts, 1))
            arrays.append(rows.r.constant(np.concatenate(part).reshape(run.turns, -1)))
        places.append(((Place.ARRAY,), 1))
    params = {**e.params, "places": tuple(places), "shape": (numbers.size,)}
    y = rows.r.emit(scatter_sum_p, [*cts, *arrays], params, e.source)[0]
    return rows.shaped(y, shape)


def _grouped(
    rows: Rows, cts: Sequence[Atom], indices: Sequence[Any], shape: Sequence[int]
) -> list[_Group] | None:
    """The terms in groups that can be put in place at once. None if there are no such groups
    in an order that keeps the order of the terms of each element.
    """
    forms = [kind_of_template(i, shape) for i in indices]
    cuts = [0, *[k for k in range(1, len(forms)) if k == 1 or forms[k] != forms[k - 1]]]
    found: list[_Group] = []
    if len(cuts) <= max(PIECES, len(cts) // 8):
        for low, high in zip(cuts, [*cuts[1:], len(cts)], strict=True):
            groups = _of_one_form(rows, range(low, high), cts, indices, shape)
            if groups is None:
                return None
            found += groups
        return found
    if any([not i or type(i[0]) is not int or Place.ARRAY in i for i in indices]):
        return None
    by_form: dict[Any, list[int]] = {}
    for k in range(1, len(indices)):
        row = rows.row(cts[k])
        by_form.setdefault((forms[k], k if row is None else row[0]), []).append(k)
    first = np.array([i[0] for i in indices]) % shape[0]
    ordered = _in_order(list(by_form.values()), first)
    if ordered is None or 4 * len(ordered) > len(cts):
        return None
    for terms in [[0], *ordered]:
        one = _places([indices[k] for k in terms], shape)
        if one is None:
            return None
        found.append((np.array(terms), *one))
    return found


def _of_one_form(
    rows: Rows, terms: range, cts: Sequence[Atom], indices: Sequence[Any], shape: Sequence[int]
) -> list[_Group] | None:
    """The groups of terms that have the same between their brackets, but for the numbers."""
    if len(terms) < PIECES or Place.ARRAY in indices[terms[0]]:
        return [(np.array([k]), [], np.array([])) for k in terms]
    one_form = _places([indices[k] for k in terms], shape)
    if one_form is None:
        return None
    positions, places = one_form
    if places.ndim == 3:
        order = np.arange(len(terms))
        if len(np.unique(places)) == places.size:
            order = np.argsort(places[:, 0, 0], kind="stable")
        return [(order + terms[0], positions, places[order])]
    if places.shape[1] == 1:
        groups = _of_stacks(rows, [cts[k] for k in terms], places[:, 0])
        if groups is not None:
            return [(np.array(one) + terms[0], positions, places[one]) for one in groups]
    found: list[_Group] = []
    at = 0
    for run in rows.runs([cts[k] for k in terms]):
        part = slice(at, at + run.length)
        found.append((np.array(terms[part]), positions, places[part]))
        at += run.length
    return found if len(found) <= max(PIECES, len(terms) // 4) else None


def _of_stacks(rows: Rows, cts: Sequence[Atom], places: Array) -> list[list[int]] | None:
    """The terms by the stack that they are rows of, in an order that may be; None where there
    is none, or where it is of no use.
    """
    groups: dict[Any, list[int]] = {}
    for k, ct in enumerate(cts):
        row = rows.row(ct)
        groups.setdefault(k if row is None else row[0], []).append(k)
    if 4 * len(groups) > len(cts):
        return None
    ordered = _in_order(list(groups.values()), places)
    if ordered is None:
        return None
    found = []
    for terms in ordered:
        targets = places[terms]
        if len(terms) > 1 and (np.diff(targets) < 0).all():
            terms = terms[::-1]  # each element has one
        elif len(terms) > 1 and len(np.unique(targets)) * 4 < len(terms):
            return None
        found.append(terms)
    return found


def _places(indices: Sequence[Any], shape: Sequence[int]) -> tuple[list[int], Array] | None:
    """The positions of ints, or of the one slice that moves, and what they stand for: an array of
    ints with axes for the terms, the positions, and the elements of a slice.
    """
    first = indices[0]
    if any([len(i) != len(first) for i in indices]):
        return None
    ints = [k for k, i in enumerate(first) if type(i) is int]
    moving = [k for k, i in enumerate(first) if any([one[k] != i for one in indices])]
    moving = moving or [0]
    windows = not ints and len(moving) == 1 and type(first[moving[0]]) is slice
    positions = moving if windows else ints
    rest = _without(first, positions)
    kinds = {type(one[k]) for one in indices for k in positions}
    if kinds != {slice if windows else int} or positions[-1] - positions[0] >= len(positions):
        return None
    if any([type(i) is not slice for i in rest]):
        return None
    if any([_without(i, positions) != rest for i in indices]):
        return None
    axis = positions[0]
    if windows:
        parts = [range(*i[axis].indices(shape[axis])) for i in indices]
        same = len({len(p) for p in parts}) == 1
        return (positions, np.array(parts)[:, None]) if same and len(parts[0]) else None
    places = np.array([[i[k] for k in positions] for i in indices])
    return positions, places % np.array(shape[axis : axis + len(positions)])


def _without(index: Sequence[Any], positions: Sequence[int]) -> list[Any]:
    return [i for k, i in enumerate(index) if k not in positions]


def _affine(values: Array) -> tuple[int, int] | None:
    """The start and the step of values at one distance."""
    steps = np.diff(values)
    if not len(steps):
        return int(values[0]), 1
    return (int(values[0]), int(steps[0])) if steps[0] and (steps == steps[0]).all() else None


def _in_order(groups: Sequence[list[int]], places: Array) -> list[list[int]] | None:
    """The groups in an order in which the terms of each element come as they did; None if there is
    no such order.
    """
    group = {k: g for g, members in enumerate(groups) for k in members}
    last: dict[int, int] = {}
    before: dict[int, set[int]] = {g: set() for g in range(len(groups))}
    for k in sorted(group):
        g, i = group[k], int(places[k])
        if last.get(i, g) != g:
            before[g].add(last[i])
        last[i] = g
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        return None
    return [groups[g] for g in order]
