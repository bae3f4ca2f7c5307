"""Linear systems with the same matrix: one solution for all right sides, side by side.

The matrix is factored once. Right sides are solved for column by column, so that results are the
same to rounding. What a right side needs is computed earlier, before the first system.
"""

from __future__ import annotations

from typing import Any, Final

from ...core.ir import Atom, Equation, Program, Var
from ...core.primitives.indexing import getitem_p
from ...core.primitives.joining import concatenate_p
from ...core.primitives.linalg import solve_p
from ...core.primitives.shaping import reshape_p
from .rewriting import everywhere

__all__ = ["join_solves"]

_NEAR: Final = 100
"""So many equations further another system with the matrix is looked for."""


@everywhere
def join_solves(program: Program) -> Program:
    """The same program with fewer systems to solve."""
    first: dict[Atom, int] = {}
    equations: list[Equation] = []
    joined = False
    for e in program.equations:
        equations.append(e)
        if e.primitive.name != "solve" or not _is_plain(e):
            continue
        i = first.get(e.inputs[0])
        if i is not None and len(equations) - i <= _NEAR:
            part = _joined(equations[i:])
            if part is not None:
                equations[i:] = part
                first = {a: k for a, k in first.items() if k <= i}
                systems = [(k, one) for k, one in enumerate(part, i) if one.primitive is solve_p]
                first.update({one.inputs[0]: k for k, one in systems if _is_plain(one)})
                joined = True
                continue
        first[e.inputs[0]] = len(equations) - 1
    return program.replace(equations=equations) if joined else program


def _is_plain(e: Equation) -> bool:
    """True for one matrix and one right side, of one dtype."""
    a, b = e.inputs
    return a.aval.ndim == 2 and 1 <= b.aval.ndim <= 2 and a.aval.dtype == b.aval.dtype


def _joined(part: list[Equation]) -> list[Equation] | None:
    """The equations from one system to another, as one; None if that needs this one's result."""
    start, end = part[0], part[-1]
    made: dict[Atom, int] = {v: k for k, e in enumerate(part) for v in e.outputs}
    needed: set[int] = set()
    open_ = [end.inputs[1]]
    while open_:
        k = made.get(open_.pop())  # a Literal is in no dictionary
        if k is not None and k not in needed:
            if k == 0:
                return None
            needed.add(k)
            open_ += part[k].inputs
    before = [part[k] for k in sorted(needed)]
    rest = [e for k, e in enumerate(part[1:-1], 1) if k not in needed]
    return [*before, *_one_system(start, end), *rest]


def _one_system(start: Equation, end: Equation) -> list[Equation]:
    found: list[Equation] = []

    def emit(primitive: Any, inputs: list[Atom], out: Var | None = None, **params: Any) -> Var:
        due = primitive.shape(*[a.aval for a in inputs], **params)
        y = Var(due) if out is None else out
        assert y.aval == due
        found.append(Equation(primitive, inputs, [y], params, start.source))
        return y

    sides = []
    for e in (start, end):
        b = e.inputs[1]
        column = (*b.aval.shape, 1)
        sides.append(b if b.aval.ndim == 2 else emit(reshape_p, [b], shape=column))
    both = emit(concatenate_p, sides, axis=1)
    y = emit(solve_p, [start.inputs[0], both])
    at = 0
    for e, b in zip((start, end), sides, strict=True):
        n = b.aval.shape[1]
        item = slice(at, at + n) if e.inputs[1].aval.ndim == 2 else at
        emit(getitem_p, [y], e.outputs[0], index=(slice(None), item))
        at += n
    return found
