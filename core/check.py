"""Type-checking programs: `check_program : Program -> None`, or an error that shows the faulty
equation in its place.
"""

from __future__ import annotations

from typing import NoReturn

from .aval import aval_of
from .errors import ProgramTypeError
from .ir import Atom, Program, Var
from .printing import _Names, equation_lines, subprograms

__all__ = ["check_program"]


def check_program(program: Program) -> None:
    """Check that a program obeys the rules of the IR.

    Args:
        program: what to check.

    Raises:
        ProgramTypeError: if a variable is used before it is assigned, or assigned twice, or an
            equation's result is not what the primitive's shape rule says, also in the programs
            that equations hold. The message shows the equation among its neighbours.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.check_program(wg.make_program(np.sin)(1.0))
    """
    known: set[Var] = set()

    def define(var: Var, at: int) -> None:
        if var in known:
            _refuse(
                program, at, "a variable is assigned twice", repr(var.aval), "single assignment"
            )
        known.add(var)

    def use(atom: Atom, at: int) -> None:
        if isinstance(atom, Var) and atom not in known:
            _refuse(
                program,
                at,
                "a variable is used before it is assigned",
                repr(atom.aval),
                "assignment first",
            )

    for var in (*program.inputs, *[v for v, _ in program.constants]):
        define(var, 0)
    for var, value in program.constants:
        if aval_of(value) != var.aval:
            found_type, due_type = repr(aval_of(value)), repr(var.aval)
            _refuse(
                program, 0, "a constant has another type than its variable", found_type, due_type
            )
    for i, equation in enumerate(program.equations):
        for atom in equation.inputs:
            use(atom, i)
        for _, inner in subprograms(equation.params):
            check_program(inner)
        primitive = equation.primitive
        if primitive.shape is None:
            primitive.missing("shape", "check_program")
        try:
            due = primitive.shape(*[a.aval for a in equation.inputs], **equation.params)
        except (TypeError, ValueError, IndexError) as error:
            types = ", ".join([repr(a.aval) for a in equation.inputs])
            _refuse(
                program, i, f"{primitive.name!r} does not take these operands", types, str(error)
            )
        due = tuple(due) if primitive.multiple_results else (due,)
        found = tuple([v.aval for v in equation.outputs])
        if due != found:
            _refuse(
                program,
                i,
                f"the result of {primitive.name!r} has the wrong type",
                str(found),
                str(due),
            )
        for var in equation.outputs:
            define(var, i)
    for atom in program.outputs:
        use(atom, len(program.equations))


def _refuse(program: Program, at: int, what: str, got: str, needed: str) -> NoReturn:
    names = _Names()
    for var in (*program.inputs, *[v for v, _ in program.constants]):
        names.of(var)
    lines = equation_lines(program, names)
    shown = [
        f"{'-->' if i == at else '   '} {lines[i]}"
        for i in range(max(0, at - 3), min(len(lines), at + 4))
    ]
    source = program.equations[at].source if at < len(program.equations) else None
    raise ProgramTypeError(
        f"check_program: {what}, in equation {at + 1} of {len(lines)} of {program.name}.",
        got=got,
        needed=needed,
        fix="correct the pass or the shape rule that made this equation:\n" + "\n".join(shown),
        source=source,
    )
