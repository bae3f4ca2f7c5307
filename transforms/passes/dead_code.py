"""Dead code: equations of a program that no result needs are left out.

What loops and branches compute and nobody uses is left out by `unused.py`.
"""

from __future__ import annotations

from ...core.ir import Program, Var

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
    constants = [(v, x) for v, x in program.constants if v in needed]
    if len(kept) == len(program.equations) and len(constants) == len(program.constants):
        return program
    return program.replace(equations=kept[::-1], constants=constants)
