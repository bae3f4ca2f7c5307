"""Values that are rows of stacks: what the steps of a loop have left, for the equations after it.

An equation that puts many of them together (stack, concatenate, a sum of scattered values) takes
the stacks themselves, or slices of them. Orders are kept, so values are the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Literal, Var
from ...core.primitives.elementwise import astype_p
from ...core.primitives.indexing import getitem_p
from ...core.primitives.joining import concatenate_p, stack_p
from ...core.primitives.shaping import broadcast_to_p, reshape_p, transpose_p
from .repeats import Table
from .rewriting import Rewriter

__all__ = ["PIECES", "Rows", "Run", "UnfitError"]

PIECES: Final = 4
_SMALL: Final = 64
"""Arrays of so many elements may be copied into a stack."""
_WIDEST: Final = 256
"""So many stacks may take turns."""
_TRIES: Final = 4


class UnfitError(Exception):
    """Raised where no loop can be made."""


class Run(NamedTuple):
    """Rows of stacks that take turns: `turns` times the row `start` of each, then the next row.

    Without a step it is one value, the only one of `stacks`, `turns` times (0: once).
    """

    stacks: tuple[Atom, ...]
    starts: tuple[int, ...]
    step: int
    turns: int

    @property
    def length(self) -> int:
        """The number of values."""
        return max(1, self.turns * len(self.stacks))


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
                    raise UnfitError("a value that is only in a loop")
                return a
            found = self.r.renamed[a] = self.index(row[0], (row[1],))
        return found

    def index(self, x: Atom, index: tuple[Any, ...]) -> Atom:
        """A part of an array; the same for the same part."""
        key = (x, repr(index))
        if key not in self.parts:
            self.parts[key] = self.r.emit(getitem_p, [x], {"index": index})[0]
        return self.parts[key]

    # Series of values.

    def runs(self, series: Sequence[Atom]) -> list[Run]:
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
                found.append(Run((series[at],), (0,), 0, same - at))
            elif run is None:
                found.append(Run((series[at],), (0,), 0, 0))
            else:
                width, step, turns = run
                turn = [r for r in rows[at : at + width] if r is not None]
                stacks, starts = zip(*turn, strict=True)
                found.append(Run(stacks, starts, step, turns))
            at += found[-1].length
        return found

    def slice(self, stack: Atom, start: int, step: int, count: int) -> Atom:
        """Rows of a stack."""
        if (start, step, count) == (0, 1, stack.aval.shape[0]):
            return stack
        stop: int | None = start + step * count
        if stop is not None and stop < 0:
            stop = None
        return self.index(stack, (slice(start, stop, None if step == 1 else step),))

    def of_run(self, run: Run, at: int, merged: bool, flat: bool = True) -> Atom:
        """The values of a run along an axis `at` that is new, or `merged` into the one there;
        if not `flat`, along two new axes, for turns and for stacks.
        """
        if not run.turns:
            x = self.strong(run.stacks[0])
            s = x.aval.shape
            return x if merged else self.shaped(x, (*s[:at], 1, *s[at:]))
        parts = self.turns(run)
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

    def turns(self, run: Run) -> list[Atom]:
        """What takes turns: for each its values along a first axis."""
        if not run.step:
            x = self.strong(run.stacks[0])
            shape = (run.turns, *x.aval.shape)
            return [self.r.emit(broadcast_to_p, [x], {"shape": shape})[0]]
        return [
            self.slice(stack, start, run.step, run.turns)
            for stack, start in zip(run.stacks, run.starts, strict=True)
        ]

    def concatenated(self, parts: Sequence[Atom], axis: int) -> Atom:
        """The parts one after the other."""
        return parts[0] if len(parts) == 1 else self.r.emit(concatenate_p, parts, {"axis": axis})[0]

    def joined(self, series: Sequence[Atom]) -> Atom:
        """One array, along whose first axis the values are."""
        if len({a.aval.dtype for a in series}) > 1:
            raise UnfitError("items of several dtypes")
        if all([isinstance(a, Literal) for a in series]):
            if len({a.aval.weak_type for a in series}) > 1:
                raise UnfitError("Python's numbers among others")
            return self.r.constant(np.array([a.value for a in series], series[0].aval.dtype))  # type: ignore[union-attr]  # literals
        values = self.r.values
        if all([a in values for a in series]):
            return self.r.constant(np.stack([values[a] for a in series]))  # type: ignore[index]  # variables
        runs = self.runs(series)
        if len(runs) <= max(PIECES, len(series) // 4):
            return self.concatenated([self.of_run(run, 0, False) for run in runs], 0)
        if series[0].aval.size > _SMALL:
            raise UnfitError("too much to copy into a stack")
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
