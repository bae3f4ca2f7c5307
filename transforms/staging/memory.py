"""Which values share memory, until when it is needed, and what may be written in place.

`Memory` of a program says for each array in whose memory it may live, which memory is new (nothing
else refers to it), and after which equation it is not used any more. From that follows what is done
in place: an array that is changed at some places and not needed otherwise is changed itself, and a
value that a loop carries is written to where it came from.

Arguments and constants are never written to, and no two results share memory.

Read next: `buffers.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from ...core.ir import Atom, Equation, Program, Var
from ...core.primitives.indexing import getitem_shape
from .templates import index_text, makes_new_memory, template

__all__ = [
    "END",
    "Carried",
    "Memory",
    "is_late",
    "is_written_out",
    "memory_of_body",
    "own_rows",
    "puts_whole",
]

END: Final = 1 << 60
"""After all equations."""
_LARGE: Final = 2048
"""From so many bytes on it pays to write a carried value to where the last one was."""


class Carried(NamedTuple):
    """What a loop does with the arrays that it carries, by their positions.

    `own` are written in place: they begin as a copy, if the memory is not the loop's already.
    `new` are new memory when the loop ends.
    """

    own: frozenset[int] = frozenset()
    new: frozenset[int] = frozenset()


class Memory:
    """The memory of one program.

    `ours`: the inputs that may be written to. `copied`: results that are copied where they are
    made, so that they need not stay as they are. `pairs`: results that may be written to where an
    input is, if that is not needed any more.
    """

    def __init__(
        self,
        program: Program,
        ours: Iterable[Var] = (),
        copied: Iterable[Var] = (),
        pairs: Mapping[Var, Var] | None = None,
    ) -> None:
        self.program = program
        self.ours = frozenset(ours)
        self.copied = frozenset(copied)
        self.pairs = pairs or {}
        self.over: dict[Var, Var] = {}
        """Results that take the place of an operand."""
        self.slots: dict[Var, Equation] = {}
        """Values that are computed where an array is changed to them, and the change."""
        self.late = _late_sums(program)
        self.loops = {
            i: carried_by(e)
            for i, e in enumerate(program.equations)
            if e.primitive.name in ("scan", "while")
        }
        self._find()
        over = self._places()
        if over:
            self.over = over
            self._find_slots()
            self._find()

    def _find(self) -> None:
        """Walk over the equations: what shares memory, what is new, and what is used last where."""
        self.memory: dict[Var, frozenset[Var]] = {}
        """The variables in whose memory a value may live, where that is not just its own."""
        self.last: dict[Var, int] = {}
        """The equation after which the memory of a variable is not used any more."""
        self.new = set(self.ours)
        self.moved: dict[Var, Var] = {}
        """Arrays with the elements of another in another order or shape."""
        memory, last, new, late = self.memory, self.last, self.new, self.late
        for i, e in enumerate(self.program.equations):
            wide = [a for a in e.inputs if type(a) is Var and a.aval.shape]
            at = i + 1 if i in late else i
            for v in wide:
                for w in memory.get(v, (v,)):
                    last[w] = max(at, last.get(w, at))
            if not any([v.aval.shape for v in e.outputs]):
                continue
            shared: frozenset[Var] | None = None
            fresh = self.fresh(i, e)
            for v, is_new in zip(e.outputs, fresh, strict=True):
                if not v.aval.shape:
                    continue
                if v in self.over:
                    memory[v] = self.of(self.over[v])
                elif is_new:
                    new.add(v)
                else:
                    if shared is None:
                        shared = frozenset().union(*[self.of(w) for w in wide])
                        if e.primitive.name == "scan":  # a carried value may be a row of a stack
                            shared |= set(e.outputs[e.params["n_carry"] :])
                    memory[v] = shared | {v}
                    if e.primitive.name in ("transpose", "reshape") and len(wide) == 1:
                        self.moved[v] = wide[0]
                if v in self.copied:
                    for w in self.of(v):
                        last[w] = i
        for a in self.program.outputs:
            if isinstance(a, Var) and a not in self.copied:
                for w in self.of(a):
                    last[w] = END

    def fresh(self, i: int, e: Equation) -> list[bool]:
        """For each result of an equation, whether its memory is new."""
        carried = self.loops.get(i)
        if carried is None:
            return makes_new_memory(e)
        n = e.params["n_carry"] if e.primitive.name == "scan" else len(e.outputs)
        return [k >= n or k in carried.new for k in range(len(e.outputs))]

    def of(self, v: Var) -> frozenset[Var]:
        """The variables in whose memory a value may live."""
        return self.memory.get(v) or frozenset([v])

    def root(self, v: Var) -> Var | None:
        """The variable in whose memory a value lives for certain, and alone; None if unknown."""
        found = self.memory.get(v)
        if found is None:
            return v
        return next(iter(found)) if len(found) == 1 else None

    def is_new(self, v: Var) -> bool:
        """True if a result needs no copy: new memory, or all of it in another order."""
        while v not in self.new:
            if v in self.over:
                v = self.over[v]
            elif v in self.moved:
                v = self.moved[v]
            else:
                return False
        return True

    def alone(self, v: Var, e: Equation, but: Var) -> bool:
        """True if no operand besides `but` lives in the memory of `v`."""
        for a in e.inputs:
            if type(a) is Var and a is not but and a.aval.shape and v in self.of(a):
                return False
        return True

    def _places(self) -> dict[Var, Var]:
        """What is written in place."""
        found: dict[Var, Var] = {}
        taken: set[Atom] = set()
        for i, e in enumerate(self.program.equations):
            for out, x in self._candidates(i, e):
                if isinstance(x, Var) and x not in taken:
                    found[out] = x
                    taken.add(x)
        return found

    def _candidates(self, i: int, e: Equation) -> Iterator[tuple[Var, Atom]]:
        """The results of equation i that may take the place of something, and of what."""
        name = e.primitive.name
        if name == "setitem":
            # NumPy itself looks whether a value overlaps with the slice it is written to.
            if self._is_free(i, e.inputs[0], e if len(e.inputs) > 2 else None):
                yield e.outputs[0], e.inputs[0]
        elif name == "scatter_sum" and puts_whole(e) and is_written_out(e):
            if self._is_free(i, e.inputs[0], e):
                yield e.outputs[0], e.inputs[0]
        elif i - 1 in self.late:
            sum_ = self.program.equations[i - 1]
            y = e.inputs[1] if e.inputs[0] is sum_.outputs[0] else e.inputs[0]
            if self._is_free(i, y, sum_):
                yield e.outputs[0], y
        elif i in self.loops:
            n = len(e.inputs) - len(e.outputs) if name == "while" else e.params["n_consts"]
            for j in sorted(self.loops[i].own):
                if self._is_free(i, e.inputs[n + j], e):
                    yield e.outputs[j], e.inputs[n + j]
        elif e.outputs and e.outputs[0] in self.pairs:
            x = self.pairs[e.outputs[0]]
            if self._is_past(i, x, e):
                yield e.outputs[0], x

    def _find_slots(self) -> None:
        """Values that are read by nothing but the equation that writes them into an array."""
        equations = self.program.equations
        changes = [
            (i, e)
            for i, e in enumerate(equations)
            if e.primitive.name == "setitem" and len(e.inputs) == 2 and e.outputs[0] in self.over
        ]
        if not changes:
            return
        made: dict[Atom, int] = {v: i for i, e in enumerate(equations) for v in e.outputs}
        uses = Counter([a for e in equations for a in e.inputs])
        uses.update(self.program.outputs)
        for i, e in changes:
            x, v = e.inputs
            d = made.get(v, -1)
            if uses[v] != 1 or d <= made.get(x, -1) or not isinstance(v, Var):
                continue
            between = [a for q in equations[d + 1 : i] for a in q.inputs if isinstance(a, Var)]
            if any([x in self.of(a) for a in between]):
                continue
            place = getitem_shape(x.aval, index=e.params["index"])
            same = v.aval.shape == place.shape and v.aval.dtype == place.dtype
            found = template(equations[d])
            if same and v.aval.size and v.aval.shape and found is not None and found.in_place:
                self.slots[v] = e

    def _is_free(self, i: int, x: Atom, e: Equation | None) -> bool:
        """True if the memory of an operand of equation i is ours and used last there; and, if `e`
        is given, by no other operand of that.
        """
        return (
            isinstance(x, Var)
            and x in self.new
            and x not in self.memory
            and self.last.get(x) == i
            and (e is None or (self.alone(x, e, x) and e.inputs.count(x) < 2))
        )

    def _is_past(self, i: int, x: Var, e: Equation) -> bool:
        """True if equation i may write its result to where an input is."""
        aval = e.outputs[0].aval
        if x not in self.ours or x.aval.shape != aval.shape or x.aval.dtype != aval.dtype:
            return False
        found = template(e)
        last = self.last.get(x, -1)
        if found is None or not found.out or last > i:
            return False
        return last < i or (found.in_place and self.alone(x, e, x))


def _late_sums(program: Program) -> frozenset[int]:
    """The positions of sums of scattered values that the next equation adds to something."""
    equations = program.equations
    found = [
        i
        for i, (s, e) in enumerate(pairwise(equations))
        if s.primitive.name == "scatter_sum" and is_late(s, e)
    ]
    if not found:
        return frozenset()
    uses = Counter([a for e in equations for a in e.inputs])
    uses.update(program.outputs)
    return frozenset([i for i in found if uses[equations[i].outputs[0]] == 1])


def is_written_out(e: Equation) -> bool:
    """True for a sum of scattered values whose places can be written in Python."""
    places = e.params["places"]
    return not any([n and index_text(index, ["x"] * n) is None for index, n in places])


def is_late(s: Equation, e: Equation) -> bool:
    """True if an equation adds the sum of scattered values to an array of its type."""
    if e.primitive.name != "add" or e.inputs.count(s.outputs[0]) != 1:
        return False
    avals = [a.aval for a in e.inputs]
    due = e.outputs[0].aval
    if not is_written_out(s):
        return False
    same = avals[0] == avals[1] == due and due.dtype.kind in "fc"
    return same and all([isinstance(a, Var) for a in e.inputs]) and bool(due.shape)


def puts_whole(e: Equation) -> bool:
    """True for a sum of scattered values of which the first is an array of its type."""
    places, out, x = e.params["places"], e.outputs[0].aval, e.inputs[0] if e.inputs else None
    if not places or not isinstance(x, Var) or x.aval != out or not out.shape:
        return False
    return all([i is Ellipsis or i == slice(None) for i in places[0][0]])


def written_by_numpy(program: Program) -> set[Var]:
    """The results of a program that NumPy can write to where they are to be."""
    wanted = {v for v in program.outputs if isinstance(v, Var) and v.aval.shape and v.aval.size}
    found = set()
    for e in program.equations:
        if len(e.outputs) == 1 and e.outputs[0] in wanted and not e.primitive.multiple_results:
            text = template(e)
            if text is not None and text.out:
                found.add(e.outputs[0])
    return found


def own_rows(e: Equation) -> set[Var]:
    """The values that a step of a scan writes to its stacks at once; a while loop has none."""
    if e.primitive.name != "scan":
        return set()
    body, n = e.params["body"], e.params["n_carry"]
    return written_by_numpy(body).intersection(body.outputs[n:])


def memory_of_body(e: Equation, own: Iterable[int]) -> Memory:
    """The memory of a step of a loop that may write to some of the arrays that it carries."""
    body, first, n = _carried_inputs(e)
    rows = own_rows(e)
    before, after = body.inputs[first : first + n], body.outputs[:n]
    copied = [v for v in body.outputs[n:] if v not in rows and v not in after]
    pairs = {v: before[j] for j, v in enumerate(after) if j in own and isinstance(v, Var)}
    return Memory(
        body,
        [before[j] for j in own],
        [v for v in copied if isinstance(v, Var)],
        {v: x for v, x in pairs.items() if v.aval.size * v.aval.dtype.itemsize >= _LARGE},
    )


def _carried_inputs(e: Equation) -> tuple[Program, int, int]:
    """The body of a loop; from which of its inputs on it carries how many values."""
    p = e.params
    if e.primitive.name == "scan":
        return p["body"], p["n_consts"], p["n_carry"]
    return p["body"], p["n_body"], len(e.outputs)


def carried_by(e: Equation) -> Carried:
    """What a loop does with the arrays that it carries."""
    body, first, n = _carried_inputs(e)
    before, after, rows = body.inputs[first : first + n], body.outputs[:n], own_rows(e)
    own = [j for j, v in enumerate(after) if v.aval.shape and v not in rows]
    while True:
        memory = memory_of_body(e, own)
        found = [memory.of(v) if isinstance(v, Var) else frozenset() for v in after]
        stacked = [memory.of(v) for v in rows]
        good = []
        for j in own:
            others = [*found[:j], *found[j + 1 :], *stacked]
            ours = [w is before[j] or (w in memory.new - memory.ours) for w in found[j]]
            if ours and all(ours) and all([found[j].isdisjoint(o) for o in others]):
                good.append(j)
        if good == own:
            break
        own = good
    targets = set(memory.over.values())
    used = frozenset([j for j in own if before[j] in targets])
    least = e.params.get("length", 0)
    new = [j for j in own if j in used or (least > 0 and before[j] not in found[j])]
    return Carried(used, frozenset(new))
