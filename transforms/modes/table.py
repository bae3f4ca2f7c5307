"""The table of modes: `mode= : name -> Engine`.

A mode that a transformation does not do by itself (as `grad` does "reverse") is an engine: it gets
a `Problem` and returns the Jacobian. `jacobian`, `grad`, `hessian`, `jvp` and `vjp` look engines up
here and know none by name; `engines.py` fills the table.

Read next: `problem.py`, `finite.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...core.aval import Array
from ...core.errors import DtypeError, ModeError
from .problem import Problem

__all__ = ["Engine", "add_mode", "engine_of", "mode_names"]


@dataclass(frozen=True)
class Engine:
    """How a mode finds derivatives.

    `matrix` returns the Jacobian as one matrix, a row for each number of the result and a column
    for each of the arguments. `jvp` gives the derivative in one direction, as one vector; without
    it the matrix is multiplied by it. `hessian` returns what the user gets for second derivatives;
    without it the mode is applied to the gradient, which `complex_gradient` says is to be taken of
    complex arguments too. Where an engine makes the whole function that a user gets, `jacobian_of`
    and `hessian_of` do. `structure` tells "auto" the plan for a linear function that takes far
    fewer passes than forward and reverse mode, or None; `dense` computes its matrix by that plan.
    `traced` says that the arguments may be traced, `takes_complex` that they may be complex.
    """

    name: str
    matrix: Callable[[Problem], Array]
    hessian: Callable[[Problem], Any] | None = None
    jvp: Callable[[Problem, Array], Array] | None = None
    complex_gradient: bool = False
    jacobian_of: Callable[..., Callable[..., Any]] | None = None
    hessian_of: Callable[..., Callable[..., Any]] | None = None
    structure: Callable[[Any], Any] | None = None
    dense: Callable[[Any, Any], Array | None] | None = None
    traced: bool = False
    takes_complex: bool = False

    def directional(self, problem: Problem, direction: Array) -> Array:
        """The derivative in one direction, as one vector."""
        if self.jvp is not None:
            return self.jvp(problem, direction)
        return self.matrix(problem) @ direction

    def rows(self, problem: Problem, holomorphic: bool = False) -> Array:
        """The Jacobian; of a real function of complex arguments, what pulls 1 back for each result.

        A complex function of complex arguments has no such matrix unless it is holomorphic.
        """
        if holomorphic or not (self.takes_complex and problem.is_complex):
            return self.matrix(problem)
        for aval in problem.out_avals:
            if aval.dtype.kind == "c":
                raise DtypeError(
                    f"{problem.operation}: the arguments or the result must be real without "
                    "holomorphic=True.",
                    got=repr(aval),
                    fix="holomorphic=True if the function is holomorphic; or split it into real "
                    "and imaginary parts",
                )
        return problem.from_parts(self.matrix(problem.of_parts()))

    def pullback(self, problem: Problem) -> Callable[[Array], Array]:
        """A function that takes a cotangent, as a vector, back to the arguments."""
        if not (self.takes_complex and problem.is_complex):
            matrix = self.matrix(problem)
            return lambda ct: ct @ matrix
        matrix = self.matrix(problem.of_parts())
        return lambda ct: problem.from_parts(np.real(ct @ matrix))


_ENGINES: Final[dict[str, Engine]] = {}


def add_mode(engine: Engine) -> None:
    """Make a mode known."""
    if engine.name in _ENGINES or engine.name == "auto":
        raise ModeError(f"add_mode: there is a mode {engine.name!r} already.")
    _ENGINES[engine.name] = engine


def mode_names() -> list[str]:
    """The names of all modes."""
    return ["auto", *_ENGINES]


def engine_of(operation: str, mode: str, own: Sequence[str]) -> Engine | None:
    """The engine of a mode; None for those that an operation does by itself."""
    if mode in own:
        return None
    found = _ENGINES.get(mode) if isinstance(mode, str) else None
    if found is None:
        raise ModeError(
            f"{operation}: there is no such mode.",
            got=f"mode={mode!r}",
            needed=", ".join([repr(m) for m in mode_names()]),
        )
    return found
