"""What is changed in a program right before it is written, as it pays in Python's text alone.

`prepared : Program -> Program`. A sum of scattered values stands right before the equation that
adds it to an array; a stack that a loop takes apart into the same array each step is a constant of
the loop; and a small vector that is carried through a loop as numbers is carried as numbers.

Read next: `emit.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Program, Var
from ...core.primitives.indexing import getitem_p
from ...core.primitives.joining import stack_p
from ...core.primitives.shaping import transpose_p
from ..passes.dead_code import without_dead_code
from ..passes.loop_parts import Scan
from ..passes.rewriting import Found, Rewriter, everywhere
from .memory import is_late

__all__ = ["prepared"]

_LONGEST: Final = 8
"""Vectors up to so many numbers are carried as numbers."""


def prepared(program: Program) -> Program:
    """The program as it is written."""
    found = _in_loops(program)
    if found is not program:
        found = _alive(found)
    return _late(found)


_alive: Final = everywhere(without_dead_code)


@everywhere
def _late(program: Program) -> Program:
    """Sums of scattered values right before they are added to something."""
    if not any([e.primitive.name == "scatter_sum" for e in program.equations]):
        return program
    uses = Counter([a for e in program.equations for a in e.inputs])
    uses.update(program.outputs)
    waiting: dict[Atom, Equation] = {}
    equations: list[Equation] = []
    for e in program.equations:
        sums = [waiting.pop(a) for a in e.inputs if a in waiting]
        equations += sorted(sums, key=lambda s: is_late(s, e))
        if e.primitive.name == "scatter_sum" and uses[e.outputs[0]] == 1:
            waiting[e.outputs[0]] = e
        else:
            equations.append(e)
    equations += waiting.values()
    return program.replace(equations=equations)


@everywhere
def _in_loops(program: Program) -> Program:
    """Less for loops to take apart and to put together."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive.name != "scan" or not e.params["length"]:
            return None
        s = Scan(e, inputs)
        changed = _without_repeats(r, s)
        results = _split(r, s, e)
        if results is not None:
            return results
        return r.append(s.written()) if changed else None

    return Rewriter(program).run(rule)


def _without_repeats(r: Rewriter, s: Scan) -> bool:
    """Constants in the place of stacks of the same array."""
    xs = []
    for atom, v, linear in s.xs:
        same = None if v.aval.weak_type else _repeated(r, atom, s)
        if same is None or same.aval != v.aval:
            xs.append((atom, v, linear))
        else:
            s.consts.append((same, v, linear))
    changed = len(xs) < len(s.xs)
    s.xs = xs
    return changed


def _repeated(r: Rewriter, atom: Atom, s: Scan) -> Atom | None:
    """The array that a stack is made of."""
    e = r.defined.get(atom) if isinstance(atom, Var) else None
    if e is None:
        return None
    x = e.inputs[0]
    if e.primitive.name == "broadcast_to":
        return x if x.aval.shape == e.outputs[0].aval.shape[1:] else None
    if e.primitive.name == "transpose" and e.params["axes"][0] == 0:
        same = _repeated(r, x, s)
        if same is None:
            return None
        axes = tuple([k - 1 for k in e.params["axes"][1:]])
        return r.emit(transpose_p, [same], {"axes": axes}, e.source)[0]
    return None


def _split(r: Rewriter, s: Scan, e: Equation) -> Found:
    """The loop with numbers in the place of small vectors that it carries."""
    chosen = _taken_apart(s)
    if not chosen:
        return None
    numbers: dict[Atom, list[Var]] = {}
    operands, results, stacks = [], [], []
    for one, (out, result) in zip(s.carry, s.carry_out, strict=True):
        atom, v, linear = one
        parts = chosen.get(v)
        if parts is None:
            operands.append(one)
            results.append((out, result))
            stacks.append([result])
            continue
        numbers[v] = [Var(ShapedArray((), v.aval.dtype)) for _ in parts]
        for k, number in enumerate(numbers[v]):
            value = r.emit(getitem_p, [atom], {"index": (k,)}, e.source)[0]
            operands.append((value, number, linear))
        stacks.append([Var(number.aval) for number in numbers[v]])
        results += zip(parts, stacks[-1], strict=True)
    known: dict[Atom, Atom] = {}
    equations = []
    for q in s.equations:
        read = numbers.get(q.inputs[0]) if q.inputs else None
        if read is not None:
            known[q.outputs[0]] = read[q.params["index"][0]]
        elif known.keys().isdisjoint(q.inputs):
            equations.append(q)
        else:
            equations.append(q.replace(inputs=[known.get(a, a) for a in q.inputs]))
    s.equations, s.carry = equations, operands
    s.carry_out = [(known.get(a, a), v) for a, v in results]
    s.ys = [(known.get(a, a), v) for a, v in s.ys]
    r.append(s.written())
    found: list[Atom] = []
    for (_, v, _), parts, (_, result) in zip(
        Scan(e, e.inputs).carry, stacks, Scan(e, e.inputs).carry_out, strict=True
    ):
        joined = v in chosen
        found.append(r.emit(stack_p, parts, {"axis": 0}, e.source)[0] if joined else result)
    return [*found, *[v for _, v in s.ys]]


def _taken_apart(s: Scan) -> dict[Atom, Sequence[Atom]]:
    """The vectors that a step takes apart into numbers, and what it puts the next of together."""
    made = {v: q for q in s.equations for v in q.outputs}
    readers: dict[Atom, list[Equation]] = {}
    for q in s.equations:
        for a in q.inputs:
            readers.setdefault(a, []).append(q)
    outs = [a for a, _ in (*s.carry_out, *s.ys)]
    found: dict[Atom, Sequence[Atom]] = {}
    for (_, v, _), (out, _) in zip(s.carry, s.carry_out, strict=True):
        last = made.get(out) if isinstance(out, Var) else None
        shape = v.aval.shape
        if (
            last is not None
            and len(shape) == 1
            and 0 < shape[0] <= _LONGEST
            and v not in outs
            and last.primitive.name == "stack"
            and all([a.aval.dtype == np.float64 == v.aval.dtype for a in last.inputs])
            and not any([a.aval.shape for a in last.inputs])
            and all([_reads_number(q) for q in readers.get(v, ())])
        ):
            found[v] = last.inputs
    return found


def _reads_number(e: Equation) -> bool:
    if e.primitive.name != "getitem":
        return False
    index = e.params["index"]
    return len(e.inputs) == len(index) == 1 and type(index[0]) is int
