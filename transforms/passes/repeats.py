"""Finding repetitions: stretches of equations that are the steps of one loop, written out.

`find_repeats : Program -> [Repeat]`. Equations get a number by what they do, without the ints in
their indices. Where the sequence of these numbers is periodic, the operands are compared: over the
steps an operand is the same atom (invariant), or is defined at the same distance (in this step, or
some steps before: carried along), or comes from before the loop (one of a series). All of it is
done with arrays, in n log n time.

Read next: `reroll.py`, which makes loops of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Literal, Program, Var
from .rewriting import frozen

__all__ = ["LONGEST_LAG", "Repeat", "Table", "find_repeats", "kind_of_template", "templates"]

STEPS: Final = 8
"""A loop has so many steps, or more."""
SAVED: Final = 100
"""A loop saves so many equations, or more."""
_CANDIDATES: Final = 24
_NEAR: Final = 64
_WINDOWS: Final = (1, 4, 16, 64, 256)
LONGEST_LAG: Final = 6
_INT: Final = "any int"
_NONE: Final = type(None)
_MULTIPLES: Final = (1, 2, 3, 4, 6, 8)
"""Operands may repeat after several rounds only: x[i % 3]."""
_JUMPS: Final = 6
"""A series of operands is made by equations at one distance, but for so many jumps."""


class Repeat(NamedTuple):
    """Equations start, ..., start + period * steps - 1.

    Over the steps, the operands of the equations of one step are `fixed`, or `lags` steps old (0
    for this step), or neither: one of a series.
    """

    start: int
    period: int
    steps: int
    fixed: Array
    lags: Array

    @property
    def stop(self) -> int:
        """The equation after the last."""
        return self.start + self.period * self.steps


class Table:
    """A program in arrays. The operands of all equations stand one after the other."""

    def __init__(self, program: Program) -> None:
        self.program = program
        equations = program.equations
        self.kinds = _kinds(equations)
        n_in = np.array([len(e.inputs) for e in equations], np.intp)
        self.first = np.concatenate([[0], np.cumsum(n_in)])
        """The number of the first operand of each equation."""
        position: dict[Var, int] = {}
        later_result: dict[Var, int] = {}
        results: dict[int, int] = {}
        numbers: dict[Hashable, int] = {}
        made: list[int] = []
        atoms: list[int] = []
        for i, e in enumerate(equations):
            for a in e.inputs:
                if isinstance(a, Var):
                    if a in later_result:
                        results[len(made)] = later_result[a]
                    made.append(position.get(a, -1))
                    atoms.append(numbers.setdefault(a, len(numbers)))
                else:
                    made.append(-2)
                    key = (type(a.value), frozen(a.value))
                    atoms.append(numbers.setdefault(key, len(numbers)))
            for k, v in enumerate(e.outputs):
                position[v] = i
                if k:
                    later_result[v] = k
        self.position = position
        self.made = np.array(made, np.intp)
        """The equations that make the operands; -1 for inputs and constants, -2 for literals."""
        self.atoms = np.array(atoms, np.intp)
        """Numbers that are equal for equal operands."""
        self.results = np.zeros(len(made), np.intp)
        """Which of the results of their equations the operands are."""
        self.results[list(results)] = list(results.values())
        self.users = np.repeat(np.arange(len(equations)), n_in)
        """The equations that the operands are of."""

    def maker(self, a: Atom) -> Equation | None:
        """The equation that makes an operand."""
        at = self.position.get(a) if isinstance(a, Var) else None
        return None if at is None else self.program.equations[at]

    def steps(self, start: int, period: int, n: int) -> tuple[Array, Array, Array, Array]:
        """For the operands of n steps, a row each: their makers, which of the results of those
        they are, their numbers, their users.
        """
        low, high = self.first[start], self.first[start + period * n]
        found = [self.made, self.results, self.atoms, self.users]
        made, results, atoms, users = [x[low:high].reshape(n, -1) for x in found]
        return made, results, atoms, users


def templates(e: Equation) -> list[tuple[Any, ...]]:
    """What stands between the brackets, of an equation that reads or writes parts of arrays."""
    name = e.primitive.name
    if name in ("getitem", "setitem"):
        return [e.params["index"]]
    return [t for t, _ in e.params["places"]] if name == "scatter_sum" else []


def _kinds(equations: Sequence[Equation]) -> Array:
    """A number for each equation, equal for those that do the same."""
    numbers: dict[Hashable, int] = {}
    programs: dict[int, Hashable] = {}
    found = []
    for e in equations:
        key: list[Hashable] = [e.primitive, _params(e, programs) if e.params else None]
        for a in e.inputs:
            aval = a.aval
            key += (aval.shape, aval.dtype.num)
        for v in e.outputs:
            aval = v.aval
            key += (aval.shape, aval.dtype.num, aval.weak_type)
        found.append(numbers.setdefault(tuple(key), len(numbers)))
    return np.array(found, np.intp)


def _params(e: Equation, programs: dict[int, Hashable]) -> Hashable:
    places = templates(e)
    if places:
        shape = e.params.get("shape")
        whole = e.inputs[0].aval.shape if shape is None else shape
        return (shape, *[kind_of_template(t, whole) for t in places])
    return tuple([(k, _frozen(v, programs)) for k, v in e.params.items()])


def kind_of_template(index: tuple[Any, ...], shape: Sequence[int]) -> Hashable:
    """What stands between brackets, but for where: ints, and slices of some length, may move."""
    kinds = [type(i) for i in index]
    if kinds == [int]:
        return _INT
    if slice not in kinds or not all([k in (int, slice, _NONE) for k in kinds]):
        return tuple([_INT if type(i) is int else frozen(i) for i in index])
    sizes = iter(shape)
    found: list[Hashable] = []
    for i in index:
        if i is None:
            found.append(i)
            continue
        size = next(sizes)
        found.append(_INT if type(i) is int else (len(range(*i.indices(size))), i.step or 1))
    return tuple(found)


def _frozen(value: Any, programs: dict[int, Hashable]) -> Hashable:
    """A key that is equal for equal parameters; programs are equal if they do the same."""
    if isinstance(value, Program):
        if id(value) not in programs:
            programs[id(value)] = _of_program(value, programs)
        return programs[id(value)]
    if type(value) in (tuple, list) and any([isinstance(v, Program) for v in value]):
        return tuple([_frozen(v, programs) for v in value])
    return frozen(value)


def _of_program(program: Program, programs: dict[int, Hashable]) -> Hashable:
    names: dict[Var, int] = {v: i for i, v in enumerate(program.inputs)}
    constants = []
    for v, x in program.constants:
        names[v] = len(names)
        constants.append(frozen(x))

    def atom(a: Atom) -> Hashable:
        if isinstance(a, Literal):
            return (type(a.value), frozen(a.value))
        return names[a]

    lines = []
    for e in program.equations:
        operands = tuple([atom(a) for a in e.inputs])
        params = tuple([(k, _frozen(v, programs)) for k, v in e.params.items()])
        for v in e.outputs:
            names[v] = len(names)
        lines.append((e.primitive, operands, params))
    outputs = tuple([atom(a) for a in program.outputs])
    return (program.in_avals, tuple(constants), tuple(lines), outputs)


def find_repeats(table: Table) -> list[Repeat]:
    """The repetitions that are worth a loop, innermost ones, in order; no two overlap."""
    kinds = table.kinds
    if len(kinds) < SAVED:
        return []
    taken = np.zeros(len(kinds), bool)
    found = []
    for period in _periods(table):
        same = (kinds[:-period] == kinds[period:]) & ~taken[:-period] & ~taken[period:]
        low = 0
        for start, end in _stretches(same, max(period * (STEPS - 1), SAVED)):
            low, stop = max(low, start), end + period  # of two stretches a period may be in both
            while (repeat := _multiple(table, low, stop, period)) is not None:
                found.append(repeat)
                taken[repeat.start : repeat.stop] = True
                # The part after it may be another loop.
                low = repeat.stop
                if (stop - low) < max(period * STEPS, SAVED):
                    break
    return sorted(found, key=lambda r: r.start)


def _multiple(table: Table, low: int, high: int, period: int) -> Repeat | None:
    for k in _MULTIPLES:
        found = _repeat(table, low, high, k * period)
        if found is not None:
            return found
    return None


def _periods(table: Table) -> list[int]:
    """Likely periods, the short ones first: of what equations do, and of that together with where
    their operands come from, if from near.
    """
    codes = np.random.default_rng(0).integers(1, 1 << 62, (2, 1 << 16), dtype=np.uint64)
    kinds = codes[0][table.kinds & 0xFFFF]
    distance = table.users - table.made
    near = (table.made >= 0) & (distance <= _NEAR)
    place = np.arange(len(table.made)) - table.first[table.users]
    sums = np.cumsum(codes[1][np.where(near, 8 * distance + place % 8, 0)])
    at = np.concatenate([np.zeros(1, np.uint64), sums])[table.first]
    return sorted({*_likely(kinds), *_likely(kinds + np.diff(at))})


def _likely(codes: Array) -> list[int]:
    n = len(codes)
    gaps = np.zeros(n + 1, np.intp)
    width = 1
    factor = np.full(1, 0x9E3779B97F4A7C15, np.uint64)  # an array: it wraps around
    for wanted in _WINDOWS:
        while width < wanted and len(codes) > width:
            codes = codes[:-width] * factor + codes[width:]
            factor = factor * factor
            width *= 2
        if width != wanted:
            break
        order = np.argsort(codes, kind="stable")
        sorted_codes = codes[order]
        alike = sorted_codes[1:] == sorted_codes[:-1]
        gaps += np.bincount(np.diff(order)[alike], minlength=n + 1)[: n + 1]
    often = np.flatnonzero(gaps >= STEPS)
    often = often[(often > 0) & (often <= n // STEPS)]
    best = often[np.argsort(-gaps[often] * often, kind="stable")][:_CANDIDATES]
    return [int(p) for p in best]


def _stretches(same: Array, shortest: int) -> list[tuple[int, int]]:
    """The ranges of True values of some length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    long = pairs[pairs[:, 1] - pairs[:, 0] >= shortest]
    return [(int(a), int(b)) for a, b in long]


def _repeat(table: Table, low: int, high: int, period: int) -> Repeat | None:
    """The loop in a periodic range; None if the operands do not fit."""
    n = (high - low) // period
    if n < STEPS:
        return None
    low += _best_cut(table, low, n, period)
    n = (high - low) // period
    if n < STEPS:
        return None
    made, results, atoms, users = table.steps(low, period, n)
    mid = n // 2
    fixed = atoms[mid] == atoms[mid - 1]
    distance = users - made
    moving = ~fixed & (distance[mid] == distance[mid - 1]) & (made[mid] >= 0)
    steps_of = (made - low) // period
    moving &= mid - steps_of[mid] <= LONGEST_LAG
    lags = np.where(moving, mid - steps_of[mid], -1)
    series = ~fixed & ~moving
    start, stop = 0, n

    def narrow(bad: Array, slack: Array | int = 0) -> None:
        nonlocal start, stop
        rows, columns = np.nonzero(bad)
        extra = slack[columns] if isinstance(slack, np.ndarray) else slack
        before = (rows - extra)[rows < mid]
        if before.size:
            start = max(start, int(before.max()) + 1)
        after = rows[rows >= mid]
        if after.size:
            stop = min(stop, int(after.min()))

    narrow((atoms != atoms[mid]) & fixed)
    if fixed.any():
        start = max(start, -(-(int(made[mid, fixed].max()) + 1 - low) // period))
    moves = (distance != distance[mid]) | (results != results[mid])
    narrow(moves & moving, lags)
    for _ in range(3 * LONGEST_LAG):
        # What comes from before the loop, in the first steps or in all.
        before = low + start * period
        age = np.arange(n)[:, None] - start
        outer = (age >= 0) & ((age < lags) & moving | series)
        rows = np.nonzero(((made >= before) & outer).any(axis=1))[0]
        early, late = rows[rows < start + LONGEST_LAG], rows[rows >= start + LONGEST_LAG]
        if late.size:
            stop = min(stop, int(late.min()))
        if not early.size:
            break
        start += 1
    else:
        return None
    count = stop - start
    if count < STEPS or (count - 1) * period < SAVED:
        return None
    jumps = np.diff(made[start:stop, series], 2, axis=0) != 0
    if (jumps.sum(axis=0) > _JUMPS).any():
        return None
    for k in np.flatnonzero(series & (made[mid] == -1)):
        if 2 * len(np.unique(atoms[start:stop, k])) < count:
            return None
    return Repeat(low + start * period, period, count, fixed, lags)


def _best_cut(table: Table, low: int, n: int, period: int) -> int:
    """Where steps begin, so that the fewest values are carried from one to the next."""
    mid = n // 2
    made, _, atoms, users = table.steps(low, period, n)
    moving = (atoms[mid] != atoms[mid - 1]) & (made[mid] >= low)
    moving &= (users - made)[mid] == (users - made)[mid - 1]
    reach: dict[int, int] = {}
    for d, u in zip(made[mid, moving], users[mid, moving], strict=True):
        reach[int(d)] = max(reach.get(int(d), 0), int(u))
    crossing = np.zeros(period, np.intp)
    for d, u in reach.items():
        # The cuts between d and d + 1, ..., u - 1 and u.
        length = u - d
        crossing += length // period
        a = (d + 1 - low) % period
        b = a + length % period
        crossing[a : min(b, period)] += 1
        crossing[: max(b - period, 0)] += 1
    return int(np.argmin(crossing))
