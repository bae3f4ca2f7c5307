"""Leaving out the equations of a program that no result needs."""

from __future__ import annotations

from .ir import Program, Var

__all__ = ["without_dead_code"]


def without_dead_code(program: Program) -> Program:
    """The same program without equations and constants that its outputs do not depend on.

    All inputs stay, used or not.
    """
    needed = {v for v in program.outputs if isinstance(v, Var)}
    kept = []
    for equation in reversed(program.equations):
        if not needed.isdisjoint(equation.outputs):
            kept.append(equation)
            needed.update([v for v in equation.inputs if isinstance(v, Var)])
    return Program(
        program.inputs,
        kept[::-1],
        program.outputs,
        [(v, x) for v, x in program.constants if v in needed],
        name=program.name,
        in_tree=program.in_tree,
        out_tree=program.out_tree,
    )
