"""How the values of a program depend on its inputs: linearly, with a constant part, or otherwise;
and by which equation.

An interpreter of programs with a `Status` for each variable in the place of its value. It is
conservative: what it calls linear is linear; but `np.abs(x) * np.sign(x)` is called nonlinear,
since its operations are. Loops are followed until nothing changes. Read next: `check_linear.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.printing import _Names, equation_lines
from ...core.tracing import Tracer

__all__ = [
    "AFFINE",
    "LINEAR",
    "NONLINEAR",
    "REAL_LINEAR",
    "Cause",
    "Finding",
    "linearity_of_program",
]

LINEAR: Final = "linear"
REAL_LINEAR: Final = "linear over the reals alone"
AFFINE: Final = "affine"
NONLINEAR: Final = "nonlinear"


class Cause(NamedTuple):
    """The equation that breaks linearity, in its program, and why it does."""

    equation: Equation | None
    program: Program
    why: str

    @property
    def text(self) -> str:
        """The equation, with the names that it has when its program is printed."""
        if self.equation is None:
            return ""
        names = _Names()
        for var in (*self.program.inputs, *[v for v, _ in self.program.constants]):
            names.of(var)
        lines = equation_lines(self.program, names)
        line = lines[self.program.equations.index(self.equation)]
        return " ".join(line.partition("\n")[0].split())


class Status(NamedTuple):
    """What is known of a value. The last three say what made it so."""

    depends: bool = True
    zero: bool = False
    nonlinear: Cause | None = None
    affine: Cause | None = None
    real_only: Cause | None = None

    @property
    def flags(self) -> tuple[bool, ...]:
        """The status without the causes."""
        causes = (self.nonlinear, self.affine, self.real_only)
        return (self.depends, self.zero, *[c is not None for c in causes])


CONSTANT: Final = Status(depends=False)
ZERO: Final = Status(depends=False, zero=True)


class Finding(NamedTuple):
    """What a program is, what makes it so, and what is linear over the reals alone."""

    kind: str
    cause: Cause | None
    real_only: Cause | None = None


def linearity_of_program(program: Program, over: str) -> Finding:
    """Whether a program is linear in all of its inputs together, over "real" or "complex"
    numbers.
    """
    found = _run(program, [Status()] * len(program.inputs))
    real_only = None
    if over == "complex":
        real_only = next((s.real_only for s in found if s.real_only is not None), None)
    for status in found:
        if status.nonlinear is not None:
            return Finding(NONLINEAR, status.nonlinear, real_only)
    for i, status in enumerate(found):
        if status.affine is not None:
            return Finding(AFFINE, status.affine, real_only)
        if not status.depends and not status.zero:
            which = f"result {i}" if len(found) > 1 else "the result"
            why = f"{which} does not depend on the argument"
            cause = Cause(_maker(program, program.outputs[i]), program, why)
            return Finding(AFFINE, cause, real_only)
    return Finding(LINEAR if real_only is None else REAL_LINEAR, real_only, real_only)


def _maker(program: Program, atom: Atom) -> Equation | None:
    return next((e for e in program.equations if atom in e.outputs), None)


def _run(program: Program, given: Sequence[Status]) -> list[Status]:
    """The statuses of a program's outputs from those of its inputs."""
    known: dict[Var, Status] = dict(zip(program.inputs, given, strict=True))
    known.update({v: _of_constant(x) for v, x in program.constants})

    def read(atom: Atom) -> Status:
        return _of_constant(atom.value) if isinstance(atom, Literal) else known[atom]

    for equation in program.equations:
        statuses = [read(a) for a in equation.inputs]
        found = _step(equation, program, statuses)
        known.update(zip(equation.outputs, found, strict=True))
    return [read(a) for a in program.outputs]


def _of_constant(x: Array) -> Status:
    return CONSTANT if isinstance(x, Tracer) or np.any(x) else ZERO


def _step(equation: Equation, program: Program, given: Sequence[Status]) -> list[Status]:
    """The statuses of an equation's results."""
    n = len(equation.outputs)
    structured = _STRUCTURED.get(equation.primitive.name)
    if structured is not None:
        return structured(equation, program, given)
    if not any([s.depends for s in given]):
        return [_constant(equation, given)] * n
    for s in given:
        if s.nonlinear is not None:
            return [Status(nonlinear=s.nonlinear)] * n
    why = _what_breaks(equation, given)
    if why is not None:
        return [Status(nonlinear=Cause(equation, program, why))] * n
    if equation.primitive.linear == "separately":
        # A product with constants: the one operand that depends decides.
        status = next(s for s in given if s.depends)
    else:
        linear = equation.primitive.linear_in(equation.params)
        terms = [s for i, s in enumerate(given) if i in linear]
        status = _sum(terms, Cause(equation, program, "it adds a constant"))
    return [_over_reals(status, equation, program)] * n


def _constant(equation: Equation, given: Sequence[Status]) -> Status:
    """The status of what does not depend on the inputs: is it certainly zero?"""
    primitive = equation.primitive
    linear = primitive.linear_in(equation.params)
    zeros = [s.zero for i, s in enumerate(given) if i in linear]
    if primitive.linear == "jointly" and zeros and all(zeros):
        return ZERO
    return ZERO if primitive.linear == "separately" and any(zeros) else CONSTANT


def _what_breaks(equation: Equation, given: Sequence[Status]) -> str | None:
    """Why an equation is not linear in the operands that depend on the inputs; None if it is."""
    primitive = equation.primitive
    name = primitive.name
    active = [i for i, s in enumerate(given) if s.depends]
    linear = primitive.linear_in(equation.params)
    if any([v.aval.dtype.kind not in "fc" for v in equation.outputs]):
        kinds = "bools" if equation.outputs[0].aval.dtype.kind == "b" else "integers"
        return f"{name!r} makes {kinds} of a value that depends on the argument"
    outside = [i for i in active if i not in linear]
    if primitive.linear == "separately" and len(active) > 1 and not outside:
        return f"{name!r} multiplies two values that both depend on the argument"
    if primitive.linear is None:
        return f"{name!r} is not linear"
    if outside:
        if name == "div":
            return "it divides by a value that depends on the argument"
        return f"{name!r} is not linear in operand {outside[0]}, which depends on the argument"
    return None


def _sum(terms: Sequence[Status], adds: Cause) -> Status:
    """The status of a sum; also of a value that may be any of these."""
    affine = next((s.affine for s in terms if s.affine is not None), None)
    if affine is None and any([not s.depends and not s.zero for s in terms]):
        affine = adds
    real_only = next((s.real_only for s in terms if s.real_only is not None), None)
    return Status(affine=affine, real_only=real_only)


def _over_reals(status: Status, equation: Equation, program: Program) -> Status:
    """The status after an operation on complex numbers that does not commute with i."""
    if status.real_only is not None:
        return status
    name = equation.primitive.name
    # What only leaves out the imaginary part shows in the types.
    of_complex = any([a.aval.dtype.kind == "c" for a in equation.inputs])
    makes_real = any([v.aval.dtype.kind != "c" for v in equation.outputs])
    if of_complex and (makes_real or name == "conjugate"):
        why = f"{name!r} does not commute with multiplication by i"
        return status._replace(real_only=Cause(equation, program, why))
    return status


# Equations that hold programs.


def _join(before: Status, after: Status, cause: Cause) -> Status:
    """The status of a value that may be either."""
    for s in (before, after):
        if s.nonlinear is not None:
            return Status(nonlinear=s.nonlinear)
    if not before.depends and not after.depends:
        return ZERO if before.zero and after.zero else CONSTANT
    return _sum([before, after], cause)


def _called(name: str) -> Callable[..., list[Status]]:
    def call(equation: Equation, program: Program, given: Sequence[Status]) -> list[Status]:
        return _run(equation.params[name], given)

    return call


def _cond(equation: Equation, program: Program, given: Sequence[Status]) -> list[Status]:
    which, *operands = given
    branches = [_run(b, operands) for b in equation.params["branches"]]
    if which.depends:
        cause = Cause(equation, program, "the choice of the branch depends on the argument")
        return [Status(nonlinear=which.nonlinear or cause)] * len(equation.outputs)
    cause = Cause(equation, program, "one of its branches gives a constant")
    found = branches[0]
    for other in branches[1:]:
        found = [_join(a, b, cause) for a, b in zip(found, other, strict=True)]
    return found


def _scan(equation: Equation, program: Program, given: Sequence[Status]) -> list[Status]:
    body: Program = equation.params["body"]
    n, k = equation.params["n_consts"], equation.params["n_carry"]
    cause = Cause(equation, program, "it carries a constant beside what depends on the argument")
    consts, carry, stacks = list(given[:n]), list(given[n : n + k]), list(given[n + k :])
    while True:
        found = _run(body, [*consts, *carry, *stacks])
        after = [_join(a, b, cause) for a, b in zip(carry, found[:k], strict=True)]
        if [s.flags for s in after] == [s.flags for s in carry]:
            return [*carry, *found[k:]]
        carry = after


def _while(equation: Equation, program: Program, given: Sequence[Status]) -> list[Status]:
    params = equation.params
    n, k = params["n_condition"], params["n_body"]
    cause = Cause(equation, program, "it carries a constant beside what depends on the argument")
    of_condition, of_body = list(given[:n]), list(given[n : n + k])
    carry = list(given[n + k :])
    while True:
        decides = _run(params["condition"], [*of_condition, *carry])[0]
        if decides.depends:
            why = "the number of steps of a loop depends on the argument"
            stop = decides.nonlinear or Cause(equation, program, why)
            return [Status(nonlinear=stop)] * len(carry)
        found = _run(params["body"], [*of_body, *carry])
        after = [_join(a, b, cause) for a, b in zip(carry, found, strict=True)]
        if [s.flags for s in after] == [s.flags for s in carry]:
            return carry
        carry = after


_STRUCTURED: Final[dict[str, Callable[..., list[Status]]]] = {
    "checkpoint": _called("body"),
    "cond": _cond,
    "custom_call": _called("program"),
    "scan": _scan,
    "while": _while,
}
