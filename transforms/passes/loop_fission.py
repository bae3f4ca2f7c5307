"""Loops taken apart: what a scan computes in each step without need of the step before is computed
for all steps at once, before the loop or after it.

Before it goes what depends on the stacks and constants alone; after it what no carried value
depends on. A carried value that is only added to is a sum after the loop. In the backward pass of a
recurrent network, one product of matrices remains in the loop of what were five operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.elementwise import add_p
from ...core.primitives.indexing import getitem_p
from ...core.primitives.joining import concatenate_p
from ...core.primitives.reductions import reduce_sum_p
from ...core.primitives.shaping import reshape_p
from ...core.printing import subprograms
from ..control.subprograms import batch_program, batched_aval
from .branches import written_out
from .loop_parts import Scan, flat_program, needed_for
from .rewriting import Found, Rewriter, everywhere

__all__ = ["split_loops"]

SHORT: Final = 4
"""Loops of fewer steps are left alone."""

SMALL: Final = 1 << 16
"""Values of more bytes than this are computed in the loop, where they stay in the cache."""

MEMORY: Final = 1 << 26
"""All steps together may need so many bytes."""

_PRECISE: Final = (np.dtype(np.float64), np.dtype(np.complex128))


@everywhere
def split_loops(program: Program) -> Program:
    """The same program with less to compute in each step of its scans."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive.name != "scan" or e.params["length"] < SHORT:
            return None
        s = Scan(e, inputs)
        return None if s.is_linear else _Split(r, s).found()

    return Rewriter(program).run(rule)


def _bytes(aval: ShapedArray) -> int:
    return aval.size * aval.dtype.itemsize


def _movable(e: Equation) -> bool:
    """True for equations that can be computed for all steps at once."""
    if e.primitive.batch is None or e.primitive.multiple_results or subprograms(e.params):
        return False
    return all([_bytes(v.aval) <= SMALL and not v.aval.weak_type for v in e.outputs])


class _Split:
    """One scan, taken apart."""

    def __init__(self, r: Rewriter, s: Scan) -> None:
        self.r = r
        self.s = s
        self.consts = {v: a for a, v, _ in s.consts if a.aval == v.aval}
        self.stacks = {v: a for a, v, _ in s.xs if not v.aval.weak_type}
        self.fixed: set[Atom] = {*self.consts, *[v for v, _ in s.body.constants]}
        self.odd = {v for _, v, _ in (*s.consts, *s.xs)} - {*self.consts, *self.stacks}
        """Items and constants that stand for Python numbers: they are read in the loop alone."""
        self.uses = Counter([a for e in s.equations for a in e.inputs])
        self.uses.update([a for a, _ in (*s.carry_out, *s.ys)])

    def found(self) -> Found:
        """What stands for the results of the scan."""
        before, rest = self._independent()
        accumulators = self._accumulators(rest)
        while True:
            inside, later, core = self._parts(rest, accumulators)
            lost = [v for v, (t, _) in accumulators.items() if t in core]
            if not lost:
                break
            for v in lost:  # what is added is needed in the loop, so it is added there
                del accumulators[v]
        if not before and not later and not accumulators:
            return None
        sums = {self._sum_of(v) for v in accumulators}
        return self._written(before, inside, [e for e in later if e not in sums], accumulators)

    def _parts(
        self, rest: Sequence[Equation], accumulators: Container[Var]
    ) -> tuple[list[Equation], list[Equation], set[Atom]]:
        """What has to stay in the loop, what can go behind it, and what the first part reads."""
        core = needed_for(
            self.s.body, [a for a, v in self.s.carry_out if v not in accumulators]
        )  # what can't be moved stays, with all that it needs
        inside: list[Equation] = []
        later: list[Equation] = []
        for e in reversed(rest):
            if core.isdisjoint(e.outputs) and _movable(e) and self.odd.isdisjoint(e.inputs):
                later.append(e)
            else:
                core.update(e.inputs)
                inside.append(e)
        return inside[::-1], later[::-1], core

    def _sum_of(self, result: Var) -> Equation:
        out = next(a for a, v in self.s.carry_out if v is result)
        return next(e for e in self.s.equations if out in e.outputs)

    def _independent(self) -> tuple[list[Equation], list[Equation]]:
        """The equations that depend on stacks and constants alone; the others."""
        known: set[Atom] = {*self.stacks, *self.fixed}
        before, rest = [], []
        for e in self.s.equations:
            if _movable(e) and all([type(a) is Literal or a in known for a in e.inputs]):
                known.update(e.outputs)
                before.append(e)
            else:
                rest.append(e)
        return before, rest

    def _accumulators(self, rest: Sequence[Equation]) -> dict[Var, tuple[Atom, Atom]]:
        """Carried values that are only added to: result -> (what is added, start)."""
        made = {e.outputs[0]: e for e in rest}
        found = {}
        for (start, v, _), (out, result) in zip(self.s.carry, self.s.carry_out, strict=True):
            e = made.get(out)
            if e is None or e.primitive is not add_p or self.uses[v] != 1 or self.uses[out] != 1:
                continue
            terms = [a for a in e.inputs if a is not v]
            fits = len(terms) == 1 and terms[0].aval == v.aval == start.aval == result.aval
            if fits and v.aval.dtype in _PRECISE and self._varies(terms[0]):
                found[result] = (terms[0], start)
        return found

    def _varies(self, a: Atom) -> bool:
        """True for what differs from step to step."""
        return type(a) is Var and a not in self.fixed and a not in self.odd

    def _written(
        self,
        before: Sequence[Equation],
        inside: Sequence[Equation],
        later: Sequence[Equation],
        accumulators: dict[Var, tuple[Atom, Atom]],
    ) -> Found:
        s = self.s
        ys = [a for a, _ in s.ys]
        added = [t for t, _ in accumulators.values()]
        of_later = {v for e in later for v in e.outputs}
        of_before = {v for e in before for v in e.outputs}
        of_inside = {v for e in inside for v in e.outputs}
        read_inside = {a for e in inside for a in e.inputs}
        read_inside.update([a for a, v in s.carry_out if v not in accumulators])
        read_later = list(dict.fromkeys([a for e in later for a in e.inputs] + added + ys))
        carried = {v: i for i, (_, v, _) in enumerate(s.carry)}

        # Stacks that the loop has to keep, in addition to its results.
        kept = [a for a in read_later if a in of_inside or a in carried]
        asked: list[Atom] = [a for a in (*read_inside, *added, *ys) if a in of_before]
        asked += [a for a in read_later if a in of_before]
        known = {*kept, *of_before, *of_later, *self.stacks, *self.fixed}
        if any([type(a) is Var and a not in known for a in ys]):
            return None  # an item that stands for a Python number
        size = sum([_bytes(a.aval) for a in {*kept, *asked, *of_later}])
        if size * s.length > MEMORY or any([a.aval.weak_type for a in kept]):
            return None
        if any([a in carried and _bytes(a.aval) > SMALL for a in kept]):
            return None
        if not self._worth_it(before, later, accumulators):
            return None
        stacked: dict[Atom, Atom] = dict(self.stacks)
        found = self._at_once(before, list(dict.fromkeys(asked)), stacked)
        if found is None:
            return None
        stacked.update(found)

        # The loop.
        handed = [v for e in before for v in e.outputs if v in read_inside]
        made = self._loop(inside, kept, stacked, handed, accumulators, carried)
        stacked.update(made)
        wanted = [a for a in dict.fromkeys([*added, *ys]) if a in of_later]
        found = self._at_once(later, wanted, stacked)
        if found is None:
            return None
        stacked.update(found)
        return self._results(stacked, accumulators)

    def _worth_it(
        self,
        before: Sequence[Equation],
        later: Sequence[Equation],
        accumulators: dict[Var, Any],
    ) -> bool:
        moved = [e for e in (*before, *later) if e.primitive is not getitem_p]
        return bool(moved) or bool(accumulators)

    def _at_once(
        self, equations: Sequence[Equation], wanted: Sequence[Atom], stacked: dict[Atom, Atom]
    ) -> dict[Atom, Atom] | None:
        """Equations for all steps, written before or after the loop."""
        if not wanted:
            return {}
        body = self.s.body
        free = list(dict.fromkeys([a for e in equations for a in e.inputs if isinstance(a, Var)]))
        made = {v for e in equations for v in e.outputs}
        constants = {v: x for v, x in body.constants}
        inputs = [v for v in free if v not in made and v not in constants]
        program = flat_program(
            body,
            inputs=inputs,
            equations=equations,
            outputs=wanted,
            constants=[(v, x) for v, x in body.constants if v in free],
        )
        flags = [v in stacked for v in inputs]
        args = [stacked[v] if v in stacked else self.consts[v] for v in inputs]
        found, _ = batch_program(program, self.s.length, flags, [True] * len(wanted))
        due = [batched_aval(self.s.length, a.aval) for a in wanted]
        if list(found.out_avals) != due:
            return None
        e = self.s.equation.replace(outputs=[Var(v) for v in due])
        return dict(zip(wanted, written_out(self.r, found, args, e), strict=True))

    def _loop(
        self,
        inside: Sequence[Equation],
        kept: Sequence[Atom],
        stacked: dict[Atom, Atom],
        handed: Iterable[Atom],
        accumulators: dict[Var, Any],
        carried: dict[Var, int],
    ) -> dict[Atom, Atom]:
        """The loop itself; stacks of what it keeps."""
        s = self.s
        pairs = list(zip(s.carry, s.carry_out, strict=True))
        going = [(c, o) for c, o in pairs if o[1] not in accumulators]
        outs: dict[Atom, Var] = {}
        before: dict[Atom, tuple[Atom, Atom]] = {}
        for a in kept:
            i = carried.get(a)  # type: ignore[arg-type]
            if i is not None and isinstance(s.carry_out[i][0], Var):
                out = s.carry_out[i][0]
                if out in kept and out not in carried and s.carry[i][0].aval == a.aval:
                    before[a] = (out, s.carry[i][0])
                    continue
            outs[a] = Var(batched_aval(s.length, a.aval))
        new = Scan(s.equation, s.equation.inputs)
        new.consts, new.equations = s.consts, inside
        new.carry, new.carry_out = [c for c, _ in going], [o for _, o in going]
        new.xs = [*s.xs, *[(stacked[a], a, False) for a in handed]]
        plain = [(a, v) for a, v in s.ys if type(a) is Literal or a in self.fixed]
        new.ys = [*outs.items(), *plain]
        self.r.append(_without_idle_operands(new.written()))
        found: dict[Atom, Atom] = dict(outs)
        for a, (out, start) in before.items():
            found[a] = self._shifted(outs[out], start)
        return found

    def _shifted(self, stack: Atom, start: Atom) -> Atom:
        """Carried values before each step, from those after it."""
        r, s = self.r, self.s
        first = r.emit(reshape_p, [start], {"shape": (1, *start.aval.shape)})[0]
        part = slice(1, None) if s.reverse else slice(None, -1)
        rest = r.emit(getitem_p, [stack], {"index": (part,)})[0]
        both = [rest, first] if s.reverse else [first, rest]
        return r.emit(concatenate_p, both, {"axis": 0}, s.equation.source)[0]

    def _results(self, stacked: dict[Atom, Atom], accumulators: dict[Var, Any]) -> list[Atom]:
        r, s = self.r, self.s
        found: dict[Var, Atom] = {}
        for v, (t, start) in accumulators.items():
            total = r.emit(reduce_sum_p, [stacked[t]], {"axes": (0,)}, s.equation.source)[0]
            found[v] = r.emit(add_p, [start, total], {}, s.equation.source)[0]
        for a, v in s.ys:
            if a in stacked:
                found[v] = stacked[a]
        return [found.get(v, v) for v in s.equation.outputs]


def _without_idle_operands(e: Equation) -> Equation:
    """The scan without stacks that its body does not read."""
    s = Scan(e, e.inputs)
    read = {a for one in s.equations for a in one.inputs}
    read.update([a for a, _ in (*s.carry_out, *s.ys)])
    s.xs = [x for x in s.xs if x[1] in read]
    return s.written()
