"""Programs that are evaluated by functions emitted for them, and what is derived from them.

A `StagedProgram` keeps its derivatives, batches and transposes, each by the flags that say of what:
they are staged programs too, so that a loop over `grad(staged(f))` traces nothing after its first
round. They are derived from the program as it was traced, not from the improved one, as a pass may
take away what only a derivative can see.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from ...core.aval import Array
from ...core.collecting import UNCOLLECTED
from ...core.ir import Atom, Equation, Program, Var, evaluate
from ...core.tracing import Tracer
from ..control.subprograms import (
    batch_program,
    jvp_program,
    linearize_program,
    rearranged,
    trace_flat,
    transpose_program,
)
from ..evaluators import install
from ..passes.dead_code import without_dead_code
from ..passes.pipeline import improve
from ..passes.uniform import broadcast_uniform_constants
from .blocks import fuse
from .emit import Emitted, emit

__all__ = ["Linearization", "StagedProgram"]

T = TypeVar("T")
Flags = tuple[bool, ...]

_MOST: Final = 64
"""How many derived programs one program keeps."""
_CHEAP: Final = frozenset(["transpose", "reshape", "broadcast_to"])
"""Operations that are made once more where their result is needed, instead of keeping it."""


class Linearization(NamedTuple):
    """A program taken apart: `forward` computes the results and then what `linear` needs besides.

    `linear` maps residuals and tangents of active inputs to tangents of the results with a flag in
    `found`. `residuals` says where each residual is: (True, i) for operand i of the program,
    (False, i) for result i of `forward`.
    """

    forward: StagedProgram
    linear: StagedProgram
    residuals: tuple[tuple[bool, int], ...]
    found: Flags


class StagedProgram:
    """A program, the function emitted for it, and the programs derived from it.

    Called with flat plain values, it returns the tuple of flat results. `names` are what the user
    calls the inputs.
    """

    __slots__ = ("_derived", "_emitted", "_improved", "_lock", "_numbers", "names", "program")

    def __init__(self, program: Program, names: Sequence[str] = ()) -> None:
        self.program = broadcast_uniform_constants(program)
        self.names = tuple(names)
        self._improved: Program | None = None
        self._emitted: Emitted | None = None
        self._derived: dict[Hashable, Any] = {}
        self._lock = Lock()
        self._numbers = [(i, v.aval) for i, v in enumerate(program.inputs) if not v.aval.shape]

    @property
    def improved(self) -> Program:
        """The program after all passes: what is evaluated."""
        if self._improved is None:
            with UNCOLLECTED:
                self._improved = improve(self.program)
        return self._improved

    @property
    def emitted(self) -> Emitted:
        """The function, of values that have the types of the inputs."""
        if self._emitted is None:
            with UNCOLLECTED:
                self._emitted = emit(fuse(self.improved), self.names)
        return self._emitted

    @property
    def held(self) -> dict[str, Program]:
        """The program, for printing and checking."""
        return {"program": self.program}

    @property
    def __name__(self) -> str:
        return self.program.name

    def __call__(self, *args: Array) -> tuple[Array, ...]:
        if self._numbers:
            args = tuple(self.typed(args))
        return (self._emitted or self.emitted)(*args)

    def typed(self, args: Sequence[Array]) -> list[Array]:
        """The operands; numbers are Python's where the program was made for Python's, and NumPy's
        where for NumPy's, as it makes a difference in promotion.
        """
        found = list(args)
        for i, aval in self._numbers:
            x = found[i]
            if type(x) is float or type(x) is int or type(x) is complex:
                if not aval.weak_type:
                    found[i] = aval.dtype.type(x)
            elif aval.weak_type and not isinstance(x, Tracer):
                found[i] = x.item()
        return found

    def __reduce__(self) -> tuple[object, ...]:
        return (StagedProgram, (self.program, self.names))

    def __repr__(self) -> str:
        return f"<staged program {self.program.name}>"

    def _derive(self, key: Hashable, make: Callable[[], T]) -> T:
        found: T | None = self._derived.get(key)
        if found is None:
            found = make()
            with self._lock:
                if len(self._derived) >= _MOST:
                    del self._derived[next(iter(self._derived))]
                self._derived[key] = found
        return found

    def derived(self, key: Hashable, make: Callable[[], StagedProgram]) -> StagedProgram:
        """A program made of this one in another way, which is kept with it under a key."""
        return self._derive(key, make)

    def _unforced(self) -> Flags:
        return (False,) * len(self.program.outputs)

    def jvp(self, active: Flags) -> tuple[StagedProgram, Flags]:
        """inputs, tangents of active inputs -> outputs, tangents of the outputs with a flag."""

        def make() -> tuple[StagedProgram, Flags]:
            program, found = jvp_program(self.program, active, self._unforced())
            return StagedProgram(program), tuple(found)

        return self._derive(("jvp", active), make)

    def batched(self, size: int, batched: Flags) -> tuple[StagedProgram, Flags]:
        """The same for stacked inputs; the outputs with a flag are stacked."""

        def make() -> tuple[StagedProgram, Flags]:
            program, found = batch_program(self.program, size, batched, self._unforced())
            return StagedProgram(program), tuple(found)

        return self._derive(("batched", size, batched), make)

    def linearized(self, active: Flags) -> Linearization:
        """The nonlinear and the linear part."""
        return self._derive(
            ("linearized", active), lambda: _linearize(self.program, active, self._unforced())
        )

    def transposed(self, linear: Flags, used: Flags) -> StagedProgram:
        """Other inputs, cotangents of the `used` outputs -> cotangents of the `linear` inputs."""

        def make() -> StagedProgram:
            p = self.program
            outputs = [v for v, u in zip(p.outputs, used, strict=True) if u]
            program = without_dead_code(rearranged(p, p.inputs, outputs))
            return StagedProgram(transpose_program(program, linear))

        return self._derive(("transposed", linear, used), make)


def _linearize(program: Program, active: Flags, force: Flags) -> Linearization:
    """Take a program apart, so that `forward` hands out no operand, nothing twice, and nothing that
    costs nothing to make again.
    """
    forward, linear, found = linearize_program(program, active, force)
    n = len(program.outputs)
    made = {v: e for e in forward.equations for v in e.outputs}
    outputs: list[Atom] = list(forward.outputs[:n])
    places: dict[Atom, int] = {}
    kept: list[Atom] = []
    steps: list[tuple[int, list[Equation]]] = []
    for atom in forward.outputs[n:]:
        again: list[Equation] = []
        while atom in made and made[atom].primitive.name in _CHEAP:
            e = made[atom]
            if not isinstance(e.inputs[0], Var) or len(e.inputs) > 1:
                break
            again.insert(0, e)
            atom = e.inputs[0]
        if atom not in places:
            places[atom] = len(kept)
            kept.append(atom)
        steps.append((places[atom], again))
    residuals: list[tuple[bool, int]] = []
    for atom in kept:
        if atom in forward.inputs:
            residuals.append((True, forward.inputs.index(atom)))
        else:
            # A result without a tangent comes out as a plain array, which may be written to.
            at = [i for i, v in enumerate(outputs) if v is atom and (i >= n or found[i])]
            if not at:
                at = [len(outputs)]
                outputs.append(atom)
            residuals.append((False, at[0]))

    def fun(*args: Array) -> list[Array]:
        values = []
        for k, again in steps:
            x = args[k]
            for e in again:
                x = e.primitive.bind(x, **e.params)
            values.append(x)
        return evaluate(linear, *values, *args[len(kept) :])

    avals = [*[a.aval for a in kept], *linear.in_avals[len(steps) :]]
    return Linearization(
        StagedProgram(without_dead_code(rearranged(forward, forward.inputs, outputs))),
        StagedProgram(trace_flat(linear.name, fun, avals)),
        tuple(residuals),
        tuple(found),
    )


install(StagedProgram)
