"""Values that are rows of stacks: what the steps of a loop have left, for the equations after it.

An equation that puts many of them together (stack, concatenate, a sum of scattered values) takes
the stacks themselves, or slices of them. Orders are kept, so values are the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Literal, Var
from ...core.primitives.elementwise import astype_p
from ...core.primitives.indexing import Place, getitem_p, scatter_sum_p
from ...core.primitives.joining import concatenate_p, stack_p
from ...core.primitives.shaping import broadcast_to_p, reshape_p, transpose_p
from .loop_parts import strong
from .repeats import Table, kind_of_template
from .rewriting import Rewriter

__all__ = ["Rows", "UnfitError"]

_MANY: Final = 8
_PIECES: Final = 4
_SMALL: Final = 64
"""Arrays of so many elements may be copied into a stack."""
_WIDEST: Final = 256
"""So many stacks may take turns."""
_TRIES: Final = 4


class UnfitError(Exception):
    """Raised where no loop can be made."""


class _Run(NamedTuple):
    """Rows of stacks that take turns: `turns` times the row `start` of each, then the next row.

    Without a step it is one value, the only one of `stacks`, `turns` times (0: once).
    """

    stacks: tuple[Atom, ...]
    starts: tuple[int, ...]
    step: int
    turns: int

    @property
    def count(self) -> int:
        """The number of values."""
        return max(1, self.turns * len(self.stacks))


_Group = tuple[Array, list[int], Array]
"""Terms of a sum of scattered values: their numbers, the positions of what moves in their indices,
and where that is.
"""


class Rows:
    """Which values are rows of which stacks."""

    def __init__(self, r: Rewriter, table: Table) -> None:
        self.r = r
        self.table = table
        self.rolled = bytearray(len(table.program.equations))
        """Whether equations are in a loop now: what they give is a row, or there no more."""
        self.of: dict[Var, tuple[Atom, int]] = {}
        self.items: dict[Var, tuple[Atom, int]] = {}
        """The same for what is read from an array by one int."""
        self.parts: dict[Any, Atom] = {}

    def put(self, v: Var, outer: Atom) -> None:
        """Note what stands for a value."""
        self.r.renamed[v] = outer

    def put_row(self, v: Var, stack: Atom, row: int) -> None:
        """Note that a value is a row of a stack."""
        self.of[v] = (stack, row)

    def direction(self, a: Atom, b: Atom) -> int:
        """1 for rows that follow one another upwards, -1 downwards, else 0."""
        x, y = self.row(a), self.row(b)
        if x is None or y is None or x[0] is not y[0] or x[1] == y[1]:
            return 0
        return 1 if y[1] > x[1] else -1

    def row(self, a: Atom) -> tuple[Atom, int] | None:
        """The stack and the row of a value."""
        return (self.of.get(a) or self.items.get(a)) if isinstance(a, Var) else None

    def known(self, a: Atom) -> Atom:
        """What stands for a value, as far as that is written already; rows stay."""
        return self.r.renamed.get(a, a) if isinstance(a, Var) else a

    def read(self, a: Atom) -> Atom:
        """What stands for a value of the old program."""
        if not isinstance(a, Var):
            return a
        found = self.r.renamed.get(a)
        if found is None:
            row = self.of.get(a)
            if row is None:
                at = self.table.position.get(a)
                if at is not None and self.rolled[at]:
                    raise UnfitError
                return a
            found = self.r.renamed[a] = self.index(row[0], (row[1],))
        return found

    def index(self, x: Atom, index: tuple[Any, ...]) -> Atom:
        """A part of an array; the same for the same part."""
        key = (x, repr(index))
        if key not in self.parts:
            self.parts[key] = self.r.emit(getitem_p, [x], {"index": index})[0]
        return self.parts[key]

    def keep(self, e: Equation) -> None:
        """An equation that is in no loop."""
        if len(e.inputs) >= _MANY and sum([self.row(a) is not None for a in e.inputs]) >= _MANY:
            y = self.together(e)
            if y is not None:
                self.put(e.outputs[0], y)
                return
        inputs = [self.read(a) for a in e.inputs]
        if e.primitive is getitem_p and len(inputs) == 1 and inputs[0].aval.shape:
            index = e.params["index"]
            if len(index) == 1 and type(index[0]) is int:
                self.items[e.outputs[0]] = (inputs[0], index[0] % inputs[0].aval.shape[0])
        if all([a is b for a, b in zip(inputs, e.inputs, strict=True)]):
            self.r.append(e)
            return
        new = e.replace(inputs=inputs)
        if [a.aval.weak_type for a in inputs] != [a.aval.weak_type for a in e.inputs]:
            assert e.primitive.shape is not None
            due = e.primitive.shape(*[a.aval for a in inputs], **e.params)
            avals = due if e.primitive.multiple_results else [due]
            if [strong(v) for v in avals] != [strong(v.aval) for v in e.outputs]:
                raise UnfitError
            new = new.replace(outputs=[Var(v) for v in avals])
            self.r.renamed.update(zip(e.outputs, new.outputs, strict=True))
        self.r.append(new)

    # Series of values.

    def runs(self, series: Sequence[Atom]) -> list[_Run]:
        """The values as few ranges of rows."""
        numbers: dict[Atom, int] = {}
        rows = [self.row(a) for a in series]
        n = len(series)
        which = np.fromiter(
            [-1 if r is None else numbers.setdefault(r[0], len(numbers)) for r in rows], np.intp, n
        )
        place = np.fromiter([0 if r is None else r[1] for r in rows], np.intp, n)
        found = []
        at = 0
        while at < n:
            row = rows[at]
            run = None if row is None else _longest(which[at:], place[at:])
            same = at + 1
            while same < n and series[same] is series[at]:
                same += 1
            if same - at > max(2, 0 if run is None else run[0] * run[2] - 1):
                found.append(_Run((series[at],), (0,), 0, same - at))
            elif run is None:
                found.append(_Run((series[at],), (0,), 0, 0))
            else:
                width, step, turns = run
                turn = [r for r in rows[at : at + width] if r is not None]
                stacks, starts = zip(*turn, strict=True)
                found.append(_Run(stacks, starts, step, turns))
            at += found[-1].count
        return found

    def slice(self, stack: Atom, start: int, step: int, count: int) -> Atom:
        """Rows of a stack."""
        if (start, step, count) == (0, 1, stack.aval.shape[0]):
            return stack
        stop: int | None = start + step * count
        if stop is not None and stop < 0:
            stop = None
        return self.index(stack, (slice(start, stop, None if step == 1 else step),))

    def of_run(self, run: _Run, at: int, merged: bool, flat: bool = True) -> Atom:
        """The values of a run along an axis `at` that is new, or `merged` into the one there;
        if not `flat`, along two new axes, for turns and for stacks.
        """
        if not run.turns:
            x = self.strong(run.stacks[0])
            s = x.aval.shape
            return x if merged else self.shaped(x, (*s[:at], 1, *s[at:]))
        parts = (
            [self.repeated(run)]
            if not run.step
            else [
                self.slice(stack, start, run.step, run.turns)
                for stack, start in zip(run.stacks, run.starts, strict=True)
            ]
        )
        if merged:
            x = self.moved(self.concatenated(parts, at + 1), at)
        elif len(parts) == 1:
            return self.moved(parts[0], at)
        else:
            x = self.r.emit(stack_p, parts, {"axis": 1})[0]
            axes = [*range(2, at + 2), 0, 1, *range(at + 2, x.aval.ndim)]
            x = self.r.emit(transpose_p, [x], {"axes": tuple(axes)})[0] if at else x
        s = x.aval.shape
        return self.shaped(x, (*s[:at], s[at] * s[at + 1], *s[at + 2 :])) if flat else x

    def repeated(self, run: _Run) -> Atom:
        """One value several times."""
        x = self.strong(run.stacks[0])
        shape = (run.turns, *x.aval.shape)
        return self.r.emit(broadcast_to_p, [x], {"shape": shape})[0]

    def concatenated(self, parts: Sequence[Atom], axis: int) -> Atom:
        """The parts one after the other."""
        return parts[0] if len(parts) == 1 else self.r.emit(concatenate_p, parts, {"axis": axis})[0]

    def joined(self, series: Sequence[Atom]) -> Atom:
        """One array, along whose first axis the values are."""
        if len({a.aval.dtype for a in series}) > 1:
            raise UnfitError
        if all([isinstance(a, Literal) for a in series]):
            if len({a.aval.weak_type for a in series}) > 1:
                raise UnfitError
            return self.r.constant(np.array([a.value for a in series], series[0].aval.dtype))  # type: ignore[union-attr]  # literals
        values = self.r.values
        if all([a in values for a in series]):
            return self.r.constant(np.stack([values[a] for a in series]))  # type: ignore[index]  # variables
        runs = self.runs(series)
        if len(runs) <= max(_PIECES, len(series) // 4):
            return self.concatenated([self.of_run(run, 0, False) for run in runs], 0)
        if series[0].aval.size > _SMALL:
            raise UnfitError
        return self.r.emit(stack_p, [self.strong(a) for a in series], {"axis": 0})[0]

    def strong(self, a: Atom) -> Atom:
        """What stands for a value; numbers with a type of their own."""
        a = self.read(a)
        if isinstance(a, Literal):
            return Literal(a.aval.dtype.type(a.value))
        if not a.aval.weak_type:
            return a
        key = (a, "strong")
        if key not in self.parts:
            self.parts[key] = self.r.emit(astype_p, [a], {"dtype": a.aval.dtype})[0]
        return self.parts[key]

    def shaped(self, x: Atom, shape: tuple[int, ...]) -> Atom:
        """The array in another shape."""
        return x if x.aval.shape == shape else self.r.emit(reshape_p, [x], {"shape": shape})[0]

    def moved(self, x: Atom, to: int) -> Atom:
        """The array with its first axis in another place."""
        if not to:
            return x
        axes = [*range(1, to + 1), 0, *range(to + 1, x.aval.ndim)]
        return self.r.emit(transpose_p, [x], {"axes": tuple(axes)})[0]

    # Equations that put many values together.

    def together(self, e: Equation) -> Atom | None:
        """The result of an equation of many rows; None if it needs them one by one."""
        out = e.outputs[0].aval
        name = e.primitive.name
        if name == "scatter_sum":
            values = e.inputs[: len(e.params["places"])]
            return self.scattered(e) if all([a.aval.dtype == out.dtype for a in values]) else None
        if any([a.aval.dtype != out.dtype for a in e.inputs]):
            return None
        if name not in ("stack", "concatenate") or set(e.params) != {"axis"}:
            return None
        runs = self.runs(e.inputs)
        if len(runs) > max(_PIECES, len(e.inputs) // 4):
            return None
        at = int(e.params["axis"])
        return self.concatenated([self.of_run(r, at, name == "concatenate") for r in runs], at)

    def scattered(self, e: Equation) -> Atom | None:
        """A sum of scattered values, with slices in the place of ints that follow one another.

        The first value is put into zeros, where a -0.0 stays what it is, so it stays apart. For
        each element the terms come in the order in which they came.
        """
        places_of = e.params["places"]
        indices = [index for index, _ in places_of]
        values, rest = e.inputs[: len(indices)], iter(e.inputs[len(indices) :])
        own = [[self.read(next(rest)) for _ in range(n)] for _, n in places_of]
        groups = self.grouped(values, indices, e.params["shape"])
        if groups is None:
            return None
        cts: list[Atom] = []
        arrays: list[Atom] = []
        new: list[tuple[Any, int]] = []
        for terms, positions, places in groups:
            if len(terms) == 1:
                cts.append(self.read(values[terms[0]]))
                arrays += own[terms[0]]
                new.append(places_of[terms[0]])
                continue
            axis = positions[0]
            runs = self.runs([values[k] for k in terms])
            if len(runs) > max(_PIECES, len(terms) // 4):
                return None
            solid = bool(places.ndim == 3 and (np.diff(places.ravel()) == 1).all())
            turns = runs[0].turns if len(runs) == 1 and places.ndim == 2 else 0
            if turns and len(runs[0].stacks) > 1:
                cts.append(self.of_run(runs[0], axis, False, flat=False))
                places = places.reshape(turns, -1, places.shape[1]).swapaxes(1, 2)
            else:
                cts.append(self.concatenated([self.of_run(run, axis, solid) for run in runs], axis))
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
                    arrays.append(self.r.constant(at.copy()))
                    used += 1
            new.append((tuple(index), used))
        params = {**e.params, "places": tuple(new)}
        return self.r.emit(scatter_sum_p, [*cts, *arrays], params, e.source)[0]

    def grouped(
        self, cts: Sequence[Atom], indices: Sequence[Any], shape: Sequence[int]
    ) -> list[_Group] | None:
        """The terms in groups that can be put in place at once. None if there are no such groups
        in an order that keeps the order of the terms of each element.
        """
        forms = [kind_of_template(i, shape) for i in indices]
        cuts = [0, *[k for k in range(1, len(forms)) if k == 1 or forms[k] != forms[k - 1]]]
        found: list[_Group] = []
        if len(cuts) <= max(_PIECES, len(cts) // 8):
            for low, high in zip(cuts, [*cuts[1:], len(cts)], strict=True):
                groups = self.of_one_form(range(low, high), cts, indices, shape)
                if groups is None:
                    return None
                found += groups
            return found
        if any([type(i[0]) is not int or Place.ARRAY in i for i in indices]):
            return None
        by_form: dict[Any, list[int]] = {}
        for k in range(1, len(indices)):
            row = self.row(cts[k])
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

    def of_one_form(
        self, terms: range, cts: Sequence[Atom], indices: Sequence[Any], shape: Sequence[int]
    ) -> list[_Group] | None:
        """The groups of terms that have the same between their brackets, but for the numbers."""
        if len(terms) < _PIECES or Place.ARRAY in indices[terms[0]]:
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
            groups = self.of_stacks([cts[k] for k in terms], places[:, 0])
            if groups is not None:
                return [(np.array(one) + terms[0], positions, places[one]) for one in groups]
        found: list[_Group] = []
        at = 0
        for run in self.runs([cts[k] for k in terms]):
            part = slice(at, at + run.count)
            found.append((np.array(terms[part]), positions, places[part]))
            at += run.count
        return found if len(found) <= max(_PIECES, len(terms) // 4) else None

    def of_stacks(self, cts: Sequence[Atom], places: Array) -> list[list[int]] | None:
        """The terms by the stack that they are rows of, in an order that may be; None where there
        is none, or where it is of no use.
        """
        groups: dict[Any, list[int]] = {}
        for k, ct in enumerate(cts):
            row = self.row(ct)
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


def _longest(which: Array, place: Array) -> tuple[int, int, int] | None:
    """How many stacks take turns at the start of a series, the step of their rows, and how often
    all of them have had their turn.
    """
    again = np.flatnonzero(which[1 : _WIDEST + 1] == which[0])[:_TRIES] + 1
    best = None
    for width in again:
        step = place[width] - place[0]
        if not step or (which[:width] < 0).any():
            continue
        good = (which[width:] == which[:-width]) & (place[width:] - place[:-width] == step)
        n = int(np.argmin(good)) if not good.all() else len(good)
        turns = n // int(width) + 1
        if turns > 1 and (best is None or turns * width > best[0] * best[2]):
            best = (int(width), int(step), turns)
    return best


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
