"""Values that are rows of stacks: what the steps of a loop have left, for the equations after it.

An equation that puts many of them together (stack, concatenate, a sum of scattered values) takes
the stack itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.ir import Atom, Equation, Literal, Var
from ...core.primitives.indexing import Place, getitem_p, scatter_sum_p
from ...core.primitives.joining import concatenate_p, stack_p
from ...core.primitives.shaping import reshape_p, transpose_p
from ..control.bodies import strong
from .rewriting import Rewriter

__all__ = ["Rows", "Unfit"]

_MANY: Final = 8
_PIECES: Final = 4
_SMALL: Final = 64
"""Arrays of so many elements may be copied into a stack."""


class Unfit(Exception):
    """Raised where no loop can be made."""


class _Run(NamedTuple):
    """Rows start, start + step, ... of a stack, or one other value."""

    stack: Atom
    start: int
    step: int
    count: int


class Rows:
    """Which values are rows of which stacks."""

    def __init__(self, r: Rewriter) -> None:
        self.r = r
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

    def read(self, a: Atom) -> Atom:
        """What stands for a value of the old program."""
        if not isinstance(a, Var):
            return a
        found = self.r.renamed.get(a)
        if found is None:
            row = self.of.get(a)
            if row is None:
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
                raise Unfit
        self.r.append(new)

    # Series of values.

    def runs(self, series: Sequence[Atom]) -> list[_Run]:
        """The values as few ranges of rows."""
        found: list[_Run] = []
        for a in series:
            row = self.row(a)
            if row is None:
                found.append(_Run(a, 0, 0, 0))
                continue
            stack, i = row
            last = found[-1] if found else None
            if last is not None and last.count and last.stack is stack:
                step = i - last.start if last.count == 1 else last.step
                if step and i == last.start + step * last.count:
                    found[-1] = last._replace(step=step, count=last.count + 1)
                    continue
            found.append(_Run(stack, i, 1, 1))
        return found

    def slice(self, run: _Run) -> Atom:
        """The rows of a run."""
        n = run.stack.aval.shape[0]
        if (run.start, run.step, run.count) == (0, 1, n):
            return run.stack
        stop: int | None = run.start + run.step * run.count
        if stop is not None and stop < 0:
            stop = None
        step = None if run.step == 1 else run.step
        return self.index(run.stack, (slice(run.start, stop, step),))

    def joined(self, series: Sequence[Atom]) -> Atom:
        """One array, along whose first axis the values are."""
        if all([isinstance(a, Literal) for a in series]):
            if len({(a.aval.dtype, a.aval.weak_type) for a in series}) > 1:
                raise Unfit
            return self.r.constant(np.array([a.value for a in series], series[0].aval.dtype))  # type: ignore[union-attr]
        values = self.r.values
        if all([a in values for a in series]):
            return self.r.constant(np.stack([values[a] for a in series]))  # type: ignore[index]
        runs = self.runs(series)
        if len(runs) <= _PIECES:
            parts = []
            for run in runs:
                if run.count:
                    parts.append(self.slice(run))
                else:
                    x = self.strong(run.stack)
                    parts.append(self.shaped(x, (1, *x.aval.shape)))
            return parts[0] if len(parts) == 1 else self.r.emit(concatenate_p, parts, {"axis": 0})[0]
        if series[0].aval.size > _SMALL:
            raise Unfit
        return self.r.emit(stack_p, [self.strong(a) for a in series], {"axis": 0})[0]

    def strong(self, a: Atom) -> Atom:
        """What stands for a value; numbers with a type of their own."""
        a = self.read(a)
        if isinstance(a, Literal):
            return Literal(a.aval.dtype.type(a.value))
        if a.aval.weak_type:
            raise Unfit
        return a

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
            return self.scattered(e)
        if name not in ("stack", "concatenate") or set(e.params) != {"axis"}:
            return None
        if any([a.aval.dtype != out.dtype or a.aval.weak_type for a in e.inputs]):
            return None
        runs = self.runs(e.inputs)
        if len(runs) > max(_PIECES, len(e.inputs) // 2):
            return None
        at = int(e.params["axis"])
        parts = []
        for run in runs:
            x = self.slice(run) if run.count else self.read(run.stack)
            if name == "stack":
                x = self.moved(x, at) if run.count else self.shaped(
                    x, (*x.aval.shape[:at], 1, *x.aval.shape[at:])
                )  # fmt: skip
            elif run.count:
                x = self.moved(x, at)
                s = x.aval.shape
                x = self.shaped(x, (*s[:at], s[at] * s[at + 1], *s[at + 2 :]))
            parts.append(x)
        if len(parts) == 1:
            return parts[0]
        return self.r.emit(concatenate_p, parts, {"axis": at}, e.source)[0]

    def scattered(self, e: Equation) -> Atom | None:
        """A sum of scattered values, with slices in the place of ints that follow one another."""
        places = e.params["places"]
        if len(places) != len(e.inputs):
            return None
        groups: dict[Any, list[tuple[int, int, int]]] = {}
        at: int | None = None
        for k, ((index, _), ct) in enumerate(zip(places, e.inputs, strict=True)):
            row = self.row(ct)
            ints = [q for q, i in enumerate(index) if type(i) is int]
            if len(ints) != 1 or index[ints[0]] < 0 or not all([type(i) in (int, slice) for i in index]):
                return None
            if at not in (None, ints[0]):
                return None
            at = ints[0]
            rest = repr((*index[:at], *index[at + 1 :]))
            key = (row[0], rest) if row is not None and k else (k, rest)
            groups.setdefault(key, []).append((k, index[at], 0 if row is None else row[1]))
        if at is None or len({rest for _, rest in groups}) > 1:
            return None
        ordered = _in_order(list(groups.values()))
        if ordered is None:
            return None
        cts: list[Atom] = []
        targets_of: list[Atom] = []
        new_places = []
        for members in ordered:
            index = places[members[0][0]][0]
            if len(members) < 3:
                for k, i, _ in members:
                    cts.append(self.read(e.inputs[k]))
                    new_places.append(((*index[:at], i, *index[at + 1 :]), 0))
                continue
            if len({i for _, i, _ in members}) == len(members):
                members.sort(key=lambda m: m[1])
            targets, rows = [m[1] for m in members], [m[2] for m in members]
            part, run = _affine(targets), _affine(rows)
            if run is None:
                return None
            stack = self.row(e.inputs[members[0][0]])[0]  # type: ignore[index]  # it has one
            ct = self.slice(_Run(stack, run[0], run[1], len(rows)))
            cts.append(self.moved(ct, at))
            where: Any = Place.ARRAY
            if part is None or part[1] < 0:
                targets_of.append(self.r.constant(np.array(targets)))
            else:
                where = slice(part[0], targets[-1] + 1, None if part[1] == 1 else part[1])
            new_places.append((
                (*index[:at], where, *index[at + 1 :]), int(where is Place.ARRAY)
            ))  # fmt: skip
        if 2 * len(cts) > len(e.inputs):
            return None
        params = {**e.params, "places": tuple(new_places)}
        return self.r.emit(scatter_sum_p, [*cts, *targets_of], params, e.source)[0]


def _affine(values: Sequence[int]) -> tuple[int, int] | None:
    """The start and the step of values at one distance."""
    step = values[1] - values[0]
    last = values[0] + step * len(values)
    return (values[0], step) if step and list(range(values[0], last, step)) == values else None


def _in_order(groups: Sequence[list[tuple[int, int, int]]]) -> list[list[tuple[int, int, int]]] | None:
    """The groups in an order in which the terms of each element come as they did; None if there is
    no such order.
    """
    terms = sorted([(k, i, g) for g, members in enumerate(groups) for k, i, _ in members])
    last: dict[int, int] = {}
    after: dict[int, set[int]] = {g: set() for g in range(len(groups))}
    for _, i, g in terms:
        if last.get(i, g) != g:
            after[last[i]].add(g)
        last[i] = g
    try:
        order = list(TopologicalSorter(after).static_order())[::-1]
    except CycleError:
        return None
    return [groups[g] for g in order]
