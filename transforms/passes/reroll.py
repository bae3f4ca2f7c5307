"""Re-rolling: a Python loop that tracing has written out, step after step, becomes one `scan`.

`repeats.py` finds the steps. Here the loop is built: what does not change is a constant of it, what
a step takes from the one before is carried, what comes from an item of an array (x[i]) or from a
step of an earlier loop is read from a stack, and results that are needed later are stacked. The
values are the same, bit for bit.

Short programs stay as they are: a straight line is read, and run, faster than a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.indexing import Place, getitem_p
from ...core.primitives.shaping import transpose_p
from ..control.bodies import strong
from ..control.scan import scan_p
from .dead_code import without_dead_code
from .repeats import Repeat, Table, find_repeats
from .rewriting import Rewriter, everywhere
from .rows import Rows, Unfit

__all__ = ["SHORTEST", "reroll"]

SHORTEST: Final = 2000
"""Programs of fewer equations are left alone."""

_MOVES: Final = frozenset(["transpose", "reshape", "broadcast_to"])

Slot = tuple[int, int]
"""A result of a step: the number of the equation, and of its output."""


def reroll(program: Program, shortest: int | None = None) -> Program:
    """The same program with loops for repeated equations, if it has so many (`SHORTEST`)."""
    least = SHORTEST if shortest is None else shortest

    @everywhere
    def rolled(program: Program) -> Program:
        while len(program.equations) >= least:
            table = Table(program)
            repeats = find_repeats(table)
            new = _Rolling(table).run(repeats) if repeats else program
            if len(new.equations) >= len(program.equations):
                break
            program = new
        return program

    return rolled(program)


class _Rolling:
    """A program that is written anew with loops in it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.program = table.program
        self.r = Rewriter(table.program)
        self.rows = Rows(self.r)

    def run(self, repeats: Sequence[Repeat]) -> Program:
        """The new program; the same object if no loop could be made."""
        equations = self.program.equations
        at = 0
        made = False
        for repeat in repeats:
            for e in equations[at : repeat.start]:
                self.rows.keep(e)
            try:
                _Loop(self.table, self.rows, repeat).build()
                at = repeat.stop
                made = True
            except Unfit:
                at = repeat.start
        if not made:
            return self.program
        try:
            for e in equations[at:]:
                self.rows.keep(e)
        except Unfit:
            return self.program
        for a in self.program.outputs:
            self.rows.read(a)
        return without_dead_code(self.r.finished())


class _Loop:
    """One loop: its body and operands, as they are found."""

    def __init__(self, table: Table, rows: Rows, repeat: Repeat) -> None:
        self.table, self.rows, self.repeat = table, rows, repeat
        self.n, self.period = repeat.steps, repeat.period
        self.body: list[Equation] = []
        self.consts: dict[Var, Var] = {}
        self.carry: list[tuple[Var, Atom, Callable[[], Atom]]] = []
        self.carried: dict[Any, Var] = {}
        self.xs: list[tuple[Var, Atom]] = []
        self.items: dict[Any, Var] = {}
        self.of: dict[Slot, Atom] = {}
        """What stands for the results of the step, in the body."""
        self.stacks: list[tuple[Slot, Atom]] = []
        """The results that are items of a stack anyway."""
        self.same: dict[Slot, Atom] = {}
        """The results that do not change, outside of the loop."""
        self.slots = {
            v: (c, k)
            for step in range(max(0, self.n - 5), self.n)
            for c, e in enumerate(self.step(step))
            for k, v in enumerate(e.outputs)
        }
        self.reverse = self.goes_down()

    def step(self, k: int) -> Sequence[Equation]:
        """The equations of one step."""
        start = self.repeat.start + k * self.period
        return self.table.program.equations[start : start + self.period]

    def operands(self, c: int, k: int) -> list[Atom]:
        """Operand k of equation c in all steps."""
        start, equations = self.repeat.start + c, self.table.program.equations
        return [equations[start + j * self.period].inputs[k] for j in range(self.n)]

    def in_rows(self, series: Sequence[Any]) -> list[Any]:
        """A series over the steps in the order of the rows of stacks."""
        return list(series[::-1]) if self.reverse else list(series)

    def goes_down(self) -> bool:
        """True if most of what is read is read from the end to the start."""
        votes = 0
        repeat = self.repeat
        low = self.table.first[repeat.start]
        for c, (e, other) in enumerate(zip(self.step(0), self.step(1), strict=True)):
            if e.params.get("index") != other.params.get("index"):
                votes += _direction(e.params["index"], other.params["index"])
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
            indices = [self.step(j)[c].params.get("index") for j in range(self.n)]
            moves = any([i != indices[0] for i in indices])
            if moves and e.primitive is getitem_p and fixed[0] and len(e.inputs) == 1:
                item = self.item_of_array(e, indices)
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
                if len(e.inputs) != (1 if e.primitive is getitem_p else 2):
                    raise Unfit
                index, arrays = self.moving_index(indices)
                inputs += arrays
                params = {**params, "index": index}
            self.add(c, e.replace(inputs=inputs, params=params))
        self.finish()

    def add(self, c: int, e: Equation) -> None:
        """An equation of the body."""
        assert e.primitive.shape is not None
        due = e.primitive.shape(*[a.aval for a in e.inputs], **e.params)
        avals = list(due) if e.primitive.multiple_results else [due]
        if [strong(v) for v in avals] != [strong(v.aval) for v in e.outputs]:
            raise Unfit
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
        made = self.rows.r.append(e.replace(inputs=inputs, outputs=[Var(v.aval) for v in e.outputs]))
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
        if first is None or first.primitive.name not in _MOVES or len(first.inputs) != 1:
            return self.item(series)
        inputs = []
        for e in makers:
            if e is None or e.primitive is not first.primitive or e.params != first.params:
                return self.item(series)
            inputs.append(e.inputs[0])
        if any([a.aval != inputs[0].aval for a in inputs]):
            return self.item(series)
        if (key := ("moved", *inputs)) not in self.items:
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
        key = (slot, *[a if isinstance(a, Var) else (type(a.value), repr(a.value)) for a in outer])
        if key not in self.carried:
            names = [Var(strong(a.aval)) for a in outer]
            self.carried[key] = names[0]
            for name, start, then in zip(names, outer, [*names[1:], None], strict=True):
                last = (lambda then=then: then) if then is not None else lambda: self.of[slot]
                self.carry.append((name, _number(start), last))
        return self.carried[key]

    def item(self, series: Sequence[Atom]) -> Atom:
        """The item of a step, of a series of atoms."""
        key = tuple([a if isinstance(a, Var) else (type(a.value), repr(a.value)) for a in series])
        if key not in self.items:
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
        """The item of x[i], of an array that does not change; None if the index is not like that."""
        moving = _moving(indices)
        if len(moving) != 1 or not isinstance(e.inputs[0], Var):
            return None
        x = self.rows.read(e.inputs[0])
        index = indices[0]
        kinds = [i if i in (None, Ellipsis) else type(i) for i in index]
        if not all([k in (None, int, slice) for k in kinds]):
            return None
        at = moving[0]
        axis = sum([i is not None for i in index[:at]])
        d = x.aval.shape[axis]
        places = self.in_rows([i[at] + d if i[at] < 0 else i[at] for i in indices])
        step = places[1] - places[0]
        if not step or places != list(range(places[0], places[0] + step * self.n, step)):
            return None
        stop = places[-1] + step
        part = slice(places[0], None if stop < 0 else stop, step)
        stack: Atom = self.rows.index(x, (*index[:at], part, *index[at + 1 :]))
        kept = sum([type(i) is not int for i in index[:at]])
        if kept:
            axes = (kept, *[i for i in range(stack.aval.ndim) if i != kept])
            stack = self.rows.r.emit(transpose_p, [stack], {"axes": axes})[0]
        item = self.add_item(stack)
        slot = self.slots[e.outputs[0]]
        self.stacks.append((slot, stack))
        return item

    def moving_index(self, indices: Sequence[Any]) -> tuple[tuple[Any, ...], list[Atom]]:
        """An index that is an operand: the template, and the items that are the ints in it."""
        index = list(indices[-1])
        arrays: list[Atom] = []
        if Place.ARRAY in index:
            raise Unfit
        for at in _moving(indices):
            places = np.array(self.in_rows([i[at] for i in indices]))
            key = ("index", places.tobytes())
            if key not in self.items:
                self.items[key] = self.add_item(self.rows.r.constant(places))
            index[at] = Place.ARRAY
            arrays.append(self.items[key])
        return tuple(index), arrays

    def finish(self) -> None:
        """Write the loop."""
        r = self.rows.r
        if not self.body:
            raise Unfit
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
                self.carry.append((Var(aval), r.constant(zeros), lambda end=end: end))
                known = [len(self.carry) - 1]
            ends[slot] = known[0]
        inputs = [*self.consts.values(), *[v for v, _, _ in self.carry], *[v for v, _ in self.xs]]
        outputs = [*[then() for _, _, then in self.carry], *[self.of[s] for s in ys]]
        body = Program(inputs, self.body, outputs, name="step")
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
        last = self.step(self.n - 1)
        for (c, k), i in ends.items():
            self.rows.put(last[c].outputs[k], found[i])
        for (c, k), one in self.same.items():
            for j in range(self.n):
                self.rows.put(self.step(j)[c].outputs[k], one)
        stacked.update(zip(ys, found[len(self.carry) :], strict=True))
        for (c, k), stack in stacked.items():
            for j in range(self.n):
                row = self.n - 1 - j if self.reverse else j
                self.rows.put_row(self.step(j)[c].outputs[k], stack, row)

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
        for a in dict.fromkeys(needed):
            at = table.position.get(a, -1) if isinstance(a, Var) else -1
            if repeat.start <= at < repeat.stop:
                step, c = divmod(at - repeat.start, repeat.period)
                k = equations[at].outputs.index(a)  # type: ignore[arg-type]  # a variable
                found.setdefault((c, k), set()).add(step)
        return found


def _number(a: Atom) -> Atom:
    """A carried value at the start, with a type of its own."""
    return Literal(a.aval.dtype.type(a.value)) if isinstance(a, Literal) else a


def _moving(indices: Sequence[Any]) -> list[int]:
    """The positions in an index at which it differs from step to step."""
    return [k for k in range(len(indices[0])) if any([i[k] != indices[0][k] for i in indices])]


def _direction(a: Sequence[Any], b: Sequence[Any]) -> int:
    """1 for an index that goes up, -1 for one that goes down."""
    for i, j in zip(a, b, strict=True):
        if type(i) is int and i != j:
            return 1 if j > i else -1
    return 0
