"""Re-rolling: a Python loop that tracing has written out, step after step, becomes one `scan`.

`repeats.py` finds the steps. Here the loop is built: what does not change is a constant of it, what
a step takes from the one before is carried, what comes from an item of an array (x[i]) or from a
step of an earlier loop is read from a stack, and results that are needed later are stacked. The
values are the same, bit for bit.

Short programs stay as they are: a straight line is read, and run, faster than a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from ...core.aval import Array, ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.indexing import Place, getitem_p
from ...core.primitives.shaping import transpose_p
from ..control.scan_primitive import scan_p
from .dead_code import without_dead_code
from .joined_rows import keep
from .loop_parts import strong
from .repeats import LONGEST_LAG, Repeat, Table, find_repeats, templates
from .rewriting import Found, Rewriter, everywhere
from .rows import Rows, UnfitError

__all__ = ["SHORTEST", "reroll"]

SHORTEST: Final = 3000
"""Programs of less weight are left alone: a straight line of numbers runs up to twice as fast as a
loop, while it takes 30 us an equation to write and compile.
"""

_WEIGHT: Final = 3
"""What an equation of arrays weighs; one of numbers weighs 1."""

_LARGEST: Final = 1 << 16
"""Windows of an array are copied if they have so few elements in all."""
_MOVES: Final = frozenset(["transpose", "reshape", "broadcast_to"])

Slot = tuple[int, int]
"""A result of a step: the number of the equation, and of its output."""


def reroll(program: Program, shortest: int | None = None) -> Program:
    """The same program with loops for repeated equations, if it has so many (`SHORTEST`)."""
    least = SHORTEST if shortest is None else shortest

    @everywhere
    def rolled(program: Program) -> Program:
        if _weight(program) < least:
            return program
        # The first step often has no copies where others have.
        best, plain = program, Rewriter(program).run(_without_copies)
        while True:
            table = Table(plain)
            repeats = find_repeats(table)
            new = _Rolling(table).run(repeats) if repeats else plain
            if len(new.equations) >= len(plain.equations):
                return best
            best = plain = new

    return rolled(program)


def _weight(program: Program) -> int:
    arrays = sum([e.outputs[0].aval.shape != () for e in program.equations])
    return len(program.equations) + (_WEIGHT - 1) * arrays


def _without_copies(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    copies = e.primitive.name == "copy" and inputs[0].aval == e.outputs[0].aval
    return inputs if copies else None


class _Rolling:
    """A program that is written anew with loops in it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.program = table.program
        self.r = Rewriter(table.program)
        self.rows = Rows(self.r, table)

    def run(self, repeats: Sequence[Repeat]) -> Program:
        """The new program; the same object if no loop could be made."""
        try:
            if not self.rolled(repeats):
                return self.program
            for a in self.program.outputs:
                self.rows.read(a)
        except UnfitError:
            return self.program
        return without_dead_code(self.r.finished())

    def rolled(self, repeats: Sequence[Repeat]) -> bool:
        """Write all equations anew; whether a loop could be made."""
        equations = self.program.equations
        at, made = 0, False
        for repeat in repeats:
            for e in equations[at : repeat.start]:
                keep(self.rows, e)
            at = repeat.start
            try:
                _Loop(self.table, self.rows, repeat).build()
            except UnfitError:
                continue
            at, made = repeat.stop, True
        for e in equations[at:]:
            keep(self.rows, e)
        return made


class _Loop:
    """One loop: its body and operands, as they are found."""

    def __init__(self, table: Table, rows: Rows, repeat: Repeat) -> None:
        self.table, self.rows, self.repeat = table, rows, repeat
        self.n, self.period = repeat.steps, repeat.period
        self.body: list[Equation] = []
        self.consts: dict[Atom, Var] = {}
        self.carry: list[tuple[Var, Atom, Callable[[], Atom]]] = []
        self.carried: dict[Any, Var] = {}
        self.xs: list[tuple[Var, Atom]] = []
        self.items: dict[Any, Atom] = {}
        self.of: dict[Slot, Atom] = {}
        """What stands for the results of the step, in the body."""
        self.stacks: list[tuple[Slot, Atom]] = []
        """The results that are items of a stack anyway."""
        self.same: dict[Slot, Atom] = {}
        """The results that do not change, outside of the loop."""
        self.slots = {
            v: (c, k)
            for step in range(max(0, self.n - 1 - LONGEST_LAG), self.n)
            for c, e in enumerate(self.step(step))
            for k, v in enumerate(e.outputs)
        }
        self.reverse = self.goes_down()

    def step(self, k: int) -> Sequence[Equation]:
        """The equations of one step."""
        start = self.repeat.start + k * self.period
        return self.table.program.equations[start : start + self.period]

    def all_steps(self, c: int) -> Sequence[Equation]:
        """Equation c of the steps."""
        return self.table.program.equations[self.repeat.start + c : self.repeat.stop : self.period]

    def operands(self, c: int, k: int) -> list[Atom]:
        """Operand k of equation c in all steps."""
        return [e.inputs[k] for e in self.all_steps(c)]

    def in_rows(self, series: Sequence[Any]) -> list[Any]:
        """A series over the steps in the order of the rows of stacks."""
        return list(series[::-1]) if self.reverse else list(series)

    def goes_down(self) -> bool:
        """True if most of what is read is read from the end to the start."""
        votes = 0
        repeat = self.repeat
        low = self.table.first[repeat.start]
        for c, (e, other) in enumerate(zip(self.step(0), self.step(1), strict=True)):
            votes += sum(map(_direction, templates(e), templates(other)))
            at = self.table.first[repeat.start + c] - low
            for k, (a, b) in enumerate(zip(e.inputs, other.inputs, strict=True)):
                if not repeat.fixed[at + k] and repeat.lags[at + k] < 0:
                    votes += self.rows.direction(a, b)
        return votes < 0

    def build(self) -> None:
        """Make the loop, and note what stands for the results of the steps."""
        low = self.table.first[self.repeat.start]
        for c, e in enumerate(self.step(self.n - 1)):
            at = self.table.first[self.repeat.start + c] - low
            lags = self.repeat.lags[at : at + len(e.inputs)]
            fixed = self.repeat.fixed[at : at + len(e.inputs)]
            indices = [templates(one) for one in self.all_steps(c)] if templates(e) else []
            moves = any([i != indices[0] for i in indices])
            if moves and e.primitive is getitem_p and fixed[0] and len(e.inputs) == 1:
                item = self.item_of_array(e, [i for (i,) in indices])
                if item is not None:
                    self.of[c, 0] = item
                    continue
            if not moves and self.is_same(c, e, fixed, lags):
                continue
            inputs = [
                self.operand(c, k, a, bool(f), int(lag))
                for k, (a, f, lag) in enumerate(zip(e.inputs, fixed, lags, strict=True))
            ]
            params = e.params
            if moves:
                params, arrays = self.moving(e, indices)
                inputs += arrays
            self.add(c, e.replace(inputs=inputs, params=params))
        self.finish()

    def add(self, c: int, e: Equation) -> None:
        """An equation of the body."""
        assert e.primitive.shape is not None
        due = e.primitive.shape(*[a.aval for a in e.inputs], **e.params)
        avals = list(due) if e.primitive.multiple_results else [due]
        if [strong(v) for v in avals] != [strong(v.aval) for v in e.outputs]:
            raise UnfitError("a result of another dtype")
        made = [Var(v) for v in avals]
        self.body.append(e.replace(outputs=made))
        self.of.update({(c, k): v for k, v in enumerate(made)})

    def is_same(self, c: int, e: Equation, fixed: Sequence[bool], lags: Sequence[int]) -> bool:
        """Compute what is the same in all steps before the loop."""
        inputs = []
        for a, f, lag in zip(e.inputs, fixed, lags, strict=True):
            slot = self.slots.get(a) if isinstance(a, Var) and lag == 0 else None
            if slot is not None and slot in self.same:
                inputs.append(self.same[slot])
            elif f:
                inputs.append(self.rows.read(a))
            else:
                return False
        if [a.aval.weak_type for a in inputs] != [a.aval.weak_type for a in e.inputs]:
            return False
        made = self.rows.r.append(
            e.replace(inputs=inputs, outputs=[Var(v.aval) for v in e.outputs])
        )
        for k, v in enumerate(made):
            self.same[c, k] = v
            self.of[c, k] = self.outer(v)
        return True

    def operand(self, c: int, k: int, a: Atom, fixed: bool, lag: int) -> Atom:
        """What stands for an operand of the last step."""
        if fixed:
            return a if isinstance(a, Literal) else self.const(a)
        if lag < 0:
            return self.of_series(self.operands(c, k))
        slot = self.slots[a]  # type: ignore[index]  # a variable
        return self.of[slot] if lag == 0 else self.before(slot, lag, self.operands(c, k)[:lag])

    def of_series(self, series: Sequence[Atom]) -> Atom:
        """What stands for one of a series of atoms; moves of elements are done again here, instead
        of keeping what they give.
        """
        makers = [self.table.maker(a) for a in series]
        first = makers[0]
        if first is None or not is_move(first):
            return self.item(series)
        inputs = []
        for e in makers:
            if e is None or e.primitive is not first.primitive or e.params != first.params:
                return self.item(series)
            inputs.append(e.inputs[0])
        if any([a.aval != inputs[0].aval for a in inputs]):
            return self.item(series)
        key = (first.primitive, repr(first.params), *[_key(a) for a in inputs])
        if key not in self.items:
            same = all([a is inputs[0] for a in inputs])
            inner = self.outer(self.rows.read(inputs[0])) if same else self.of_series(inputs)
            made = [Var(v.aval) for v in first.outputs]
            self.body.append(first.replace(inputs=[inner], outputs=made))
            self.items[key] = made[0]
        return self.items[key]

    def const(self, a: Var) -> Atom:
        """A value that does not change."""
        return self.outer(self.rows.read(a))

    def outer(self, outer: Atom) -> Atom:
        """A value of the program around the loop."""
        if isinstance(outer, Literal):
            return outer
        if outer not in self.consts:
            self.consts[outer] = Var(outer.aval)
        return self.consts[outer]

    def before(self, slot: Slot, lag: int, starts: Sequence[Atom]) -> Atom:
        """The result of a step some steps before; `starts` is what stands for it at first."""
        outer = [self.rows.read(a) for a in starts]
        key = (slot, *[_key(a) for a in outer])
        if key not in self.carried:
            then: Callable[[], Atom] = lambda: self.of[slot]
            if lag > 1:
                later = self.before(slot, lag - 1, starts[1:])
                then = lambda: later
            self.carried[key] = name = Var(strong(outer[0].aval))
            self.carry.append((name, self.rows.strong(starts[0]), then))
        return self.carried[key]

    def item(self, series: Sequence[Atom]) -> Atom:
        """The item of a step, of a series of atoms."""
        known = [self.rows.known(a) for a in series]
        key = tuple([_key(a) for a in known])
        if key not in self.items:
            if len(set(key)) == 1 and self.rows.row(known[0]) is None:
                self.items[key] = self.outer(self.rows.read(known[0]))
            else:
                avals = {a.aval for a in series}
                aval = avals.pop() if len(avals) == 1 else strong(series[0].aval)
                self.items[key] = self.add_item(self.rows.joined(self.in_rows(series)), aval)
        return self.items[key]

    def add_item(self, stack: Atom, aval: ShapedArray | None = None) -> Var:
        """The item of a stack."""
        for item, known in self.xs:
            if known is stack:
                return item
        shape = stack.aval.shape[1:]
        found = Var(aval if aval is not None else ShapedArray(shape, stack.aval.dtype))
        self.xs.append((found, stack))
        return found

    def item_of_array(self, e: Equation, indices: Sequence[Any]) -> Atom | None:
        """The item of x[i], of an array that does not change; None if it is no such index."""
        moving = _moving(indices)
        index = indices[0]
        if len(moving) != 1 or not isinstance(e.inputs[0], Var):
            return None
        if not all([i is None or type(i) is int or type(i) is slice for i in index]):
            return None
        x = self.rows.read(e.inputs[0])
        at = moving[0]
        d = x.aval.shape[sum([i is not None for i in index[:at]])]
        axis = sum([type(i) is not int for i in index[:at]])

        def whole(part: slice) -> Atom:
            return self.rows.index(x, (*index[:at], part, *index[at + 1 :]))

        if type(index[at]) is slice:
            places = np.array(self.in_rows([range(*i[at].indices(d)) for i in indices]))
            stack = self.windows(whole, places, axis)
        else:
            places = np.array(self.in_rows([i[at] % d for i in indices]))
            steps = np.diff(places)
            if not steps[0] or (steps != steps[0]).any():
                return None
            stop = int(places[-1] + steps[0])
            stack = whole(slice(int(places[0]), None if stop < 0 else stop, int(steps[0])))
        if axis:
            axes = (axis, *[i for i in range(stack.aval.ndim) if i != axis])
            stack = self.rows.r.emit(transpose_p, [stack], {"axes": axes})[0]
        item = self.add_item(stack)
        self.stacks.append((self.slots[e.outputs[0]], stack))
        return item

    def windows(self, whole: Callable[[slice], Atom], places: Array, axis: int) -> Atom:
        """Parts of an array, one for each row of `places`, along a new axis."""
        n, width = places.shape
        if width and (np.diff(places.ravel()) == 1).all():
            x = whole(slice(int(places[0, 0]), int(places[-1, -1]) + 1, None))
            s = x.aval.shape
            return self.rows.shaped(x, (*s[:axis], n, width, *s[axis + 1 :]))
        x = whole(slice(None))
        if x.aval.size // max(x.aval.shape[axis], 1) * places.size > _LARGEST:
            raise UnfitError("windows that are too large")
        index = (*[slice(None)] * axis, Place.ARRAY)
        return self.rows.r.emit(getitem_p, [x, self.rows.r.constant(places)], {"index": index})[0]

    def moving(self, e: Equation, indices: Sequence[Any]) -> tuple[dict[str, Any], list[Atom]]:
        """Parameters with operands in the place of ints in indices, and the operands. Ints that
        do not move are operands too: they may differ in a loop around this one.
        """
        arrays: list[Atom] = []
        found = []
        whole = e.params.get("shape", e.inputs[0].aval.shape)
        for series in zip(*indices, strict=True):
            index = list(series[0])
            moving = [at for at in _moving(series) if type(index[at]) is slice]
            places = [at for at, i in enumerate(index) if type(i) is int or at in moving]
            apart = moving and places[-1] - places[0] >= len(places)
            if Place.ARRAY in index or Ellipsis in index or len(moving) > 1 or apart:
                raise UnfitError("an index of several parts that move")
            for at in places:
                d = whole[sum([i is not None for i in index[:at]])]
                arrays.append(self.place([i[at] for i in series], d))
                index[at] = Place.ARRAY
            found.append((tuple(index), len(places)))
        if "index" in e.params:
            return {**e.params, "index": found[0][0]}, arrays
        return {**e.params, "places": tuple(found)}, arrays

    def place(self, series: Sequence[Any], d: int) -> Atom:
        """What stands for one of a series of ints, or of slices of an axis of length `d`."""
        if type(series[0]) is slice:
            series = [range(*s.indices(d)) for s in series]
            if len(series[0]) * self.n > _LARGEST:
                raise UnfitError("windows that are too large")
        places = np.array(self.in_rows(series))
        key = ("index", places.shape, places.tobytes())
        if key not in self.items:
            if places.ndim == 1 and (places == places[0]).all():
                found = Var(ShapedArray((), places.dtype))
                self.consts[Literal(places[0])] = found
            else:
                found = self.add_item(self.rows.r.constant(places))
            self.items[key] = found
        return self.items[key]

    def finish(self) -> None:
        """Write the loop."""
        r = self.rows.r
        stacked = dict(self.stacks)
        ends: dict[Slot, int] = {}
        ys: list[Slot] = []
        for slot, steps in self.used_outside().items():
            if slot in stacked or slot in self.same:
                continue
            if steps != {self.n - 1}:
                ys.append(slot)
                continue
            known = [i for i, (_, _, then) in enumerate(self.carry) if then() is self.of[slot]]
            if not known:
                aval = strong(self.of[slot].aval)
                zeros: Any = np.broadcast_to(np.zeros((), aval.dtype), aval.shape)
                end = self.of[slot]
                self.carry.append((Var(aval), r.constant(zeros), partial(_itself, end)))
                known = [len(self.carry) - 1]
            ends[slot] = known[0]
        inputs = [*self.consts.values(), *[v for v, *_ in self.carry], *[v for v, _ in self.xs]]
        outputs = [*[then() for _, _, then in self.carry], *[self.of[s] for s in ys]]
        body = Program(inputs, self.body, outputs, name="step")
        found: Sequence[Atom] = ()
        if outputs:
            found = r.emit(
                scan_p,
                [*self.consts, *[a for _, a, _ in self.carry], *[a for _, a in self.xs]],
                {
                    "body": body,
                    "n_consts": len(self.consts),
                    "n_carry": len(self.carry),
                    "length": self.n,
                    "reverse": self.reverse,
                },
                self.step(0)[0].source,
            )
        self.rows.rolled[self.repeat.start : self.repeat.stop] = b"\1" * (self.n * self.period)
        last = self.step(self.n - 1)
        for (c, k), i in ends.items():
            self.rows.put(last[c].outputs[k], found[i])
        for (c, k), one in self.same.items():
            for e in self.all_steps(c):
                self.rows.put(e.outputs[k], one)
        stacked.update(zip(ys, found[len(self.carry) :], strict=True))
        for (c, k), stack in stacked.items():
            for j, e in enumerate(self.all_steps(c)):
                row = self.n - 1 - j if self.reverse else j
                self.rows.put_row(e.outputs[k], stack, row)

    def used_outside(self) -> dict[Slot, set[int]]:
        """The results that are needed after the loop, and those of which steps."""
        table, repeat = self.table, self.repeat
        later = table.first[repeat.stop]
        flat = np.flatnonzero(
            (table.made[later:] >= repeat.start) & (table.made[later:] < repeat.stop)
        )
        found: dict[Slot, set[int]] = {}
        equations = table.program.equations
        needed: list[Atom] = []
        for i in flat:
            user = int(table.users[later + i])
            needed.append(equations[user].inputs[int(later + i - table.first[user])])
        needed += table.program.outputs
        moves = [table.maker(a) for a in set(needed)]
        needed += [e.inputs[0] for e in moves if e is not None and is_move(e)]
        for a in dict.fromkeys(needed):
            at = table.position.get(a, -1) if isinstance(a, Var) else -1
            if repeat.start <= at < repeat.stop:
                step, c = divmod(at - repeat.start, repeat.period)
                k = equations[at].outputs.index(a)
                found.setdefault((c, k), set()).add(step)
        return found


def is_move(e: Equation) -> bool:
    """True for moves of elements, which are done again where their result is needed."""
    return e.primitive.name in _MOVES and len(e.inputs) == 1


def _itself(a: Atom) -> Atom:
    return a


def _key(a: Atom) -> Any:
    return a if isinstance(a, Var) else (type(a.value), repr(a.value))


def _moving(indices: Sequence[Any]) -> list[int]:
    """The positions in an index at which it differs from step to step."""
    return [k for k in range(len(indices[0])) if any([i[k] != indices[0][k] for i in indices])]


def _direction(a: Sequence[Any], b: Sequence[Any]) -> int:
    """1 for an index that goes up, -1 for one that goes down."""
    for i, j in zip(a, b, strict=True):
        if type(i) is int and i != j:
            return 1 if j > i else -1
        if type(i) is slice and i != j and type(i.start) is type(j.start) is int:
            return 1 if j.start > i.start else -1
    return 0
