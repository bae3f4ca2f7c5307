"""Programs that run many times: by functions emitted for them, where that pays.

`Often : (a -> b) -> (a -> b)` is a program as a function of flat values; `run_loop` does the same
for a loop as a whole. Evaluating a program equation by equation needs no preparation; an emitted
function takes a millisecond to make, and is kept with the program. Which of the two is a matter of
how often the program runs in one call, and of nothing else, so that equal calls give equal results,
bit for bit. Traced values, and types that the program was not made for, go equation by equation.

The `staging` package makes the functions; it is built on what is evaluated here, so it installs
its class with `install`. Read next: `staging/programs.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Any, Final

import numpy as np

from ..core.aval import SCALAR_AVALS, Array, ShapedArray
from ..core.ir import Equation, Program, Var, evaluate
from ..core.tracing import Primitive, Tracer
from .collectives.collective_rules import holds_collective

__all__ = ["Often", "can_stand_alone", "install", "run_loop", "runs_that_pay"]

Evaluator = Callable[..., Sequence[Array]]

_PROGRAM: Final = 1000.0
_EQUATION: Final = 100.0
"""Microseconds to improve and emit a program, and for each of its equations."""
_GAIN: Final = 1.0
"""Microseconds that an emitted equation saves, each time."""
_NEVER: Final = 1 << 62

_MAKERS: Final[list[Callable[[Program], Evaluator]]] = []


def install(make: Callable[[Program], Evaluator]) -> None:
    """Set what makes a function of a program."""
    _MAKERS[:] = [make]


def runs_that_pay(program: Program) -> int:
    """How many runs of a program are worth a function of its own."""
    found: int | None = program.derived.get("runs that pay")
    if found is None:
        n = _equations(program)
        found = _NEVER
        if n and _MAKERS and can_stand_alone(program):
            found = ceil((_PROGRAM / n + _EQUATION) / _GAIN)
        program.derived["runs that pay"] = found
    return found


def can_stand_alone(program: Program) -> bool:
    """True for a program whose meaning does not depend on the transformations around it."""
    return not (holds_collective({"program": program}) or _holds_tracer(program))


def _equations(program: Program) -> int:
    """How many equations there are, in all levels."""
    inside = [p for e in program.equations for p in e.programs.values()]
    return len(program.equations) + sum([_equations(p) for p in inside])


def _holds_tracer(program: Program) -> bool:
    if any([isinstance(x, Tracer) for _, x in program.constants]):
        return True
    return any([_holds_tracer(p) for e in program.equations for p in e.programs.values()])


def _fits(avals: Sequence[ShapedArray], args: Sequence[Array]) -> bool:
    """True for plain values of exactly these types."""
    for aval, x in zip(avals, args, strict=True):
        if type(x) in SCALAR_AVALS:
            x = SCALAR_AVALS[type(x)]
        elif type(x) is not np.ndarray:
            return False
        if x.shape != aval.shape or x.dtype != aval.dtype:
            return False
    return True


def _kept(program: Program, key: Hashable, make: Callable[[], Program]) -> Evaluator:
    """The function for a program that is made of another one, with which it is kept."""
    found: Evaluator | None = program.derived.get(key)
    if found is None:
        found = program.derived.setdefault(key, _MAKERS[0](make()))
    return found


class Often:
    """A program as a function of flat values that is called often.

    `runs` is how often, if that is known. If not, the first calls go equation by equation (or to
    `first`, if there is such a function), until as many are made as are worth a function.
    """

    __slots__ = ("_avals", "_fast", "_first", "_left", "program")

    def __init__(
        self,
        program: Program,
        runs: int | None = None,
        first: Callable[..., Sequence[Array]] | None = None,
    ) -> None:
        due = runs_that_pay(program)
        self.program = program
        self._first = first or partial(evaluate, program)
        self._avals = program.in_avals
        self._left = due if runs is None else 0 if runs >= due else _NEVER
        self._fast: Evaluator | None = None

    def __call__(self, *args: Array) -> Sequence[Array]:
        if self._left > 0:
            self._left -= 1
        elif _fits(self._avals, args):
            if self._fast is None:
                self._fast = _kept(self.program, "evaluator", lambda: self.program)
            return self._fast(*args)
        return self._first(*args)


def run_loop(
    primitive: Primitive,
    args: Sequence[Array],
    body: Program,
    avals: Sequence[ShapedArray],
    params: Mapping[str, Any],
) -> Sequence[Array] | None:
    """The results of a loop as a whole, by a function that is kept with its body; None for values
    that are not of these types. Its loop is written out too, with what does not change in it before
    it.
    """
    if not _fits(avals, args):
        return None

    def make() -> Program:
        assert primitive.shape is not None
        inputs = [Var(v) for v in avals]
        outputs = [Var(v) for v in primitive.shape(*avals, **params)]
        equation = Equation(primitive, inputs, outputs, params)
        return Program(inputs, [equation], outputs, name=body.name)

    return _kept(body, (primitive.name, *params.items()), make)(*args)
