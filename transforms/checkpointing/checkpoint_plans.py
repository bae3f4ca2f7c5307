"""Plans for loops that keep some of their states: `checkpoint_every`, `checkpoints` and
`memory_budget`, the arguments of `scan` and `fori_loop`.

Read `binomial.py` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from ...core.aval import ShapedArray
from ...core.errors import DtypeError, ShapeError, UnsupportedError
from ...core.ir import Program
from ..control.subprograms import linearize_program
from .binomial import first_states, next_state

__all__ = ["Plan", "fitted", "plan_of"]


class Plan(NamedTuple):
    """Which states a loop keeps: those after each `every` steps, or `snapshots` of them."""

    every: int | None
    snapshots: int | None
    budget: int | None = None

    def positions(self, length: int) -> list[int]:
        """The states besides the first that the forward pass keeps."""
        if self.every is not None:
            return list(range(self.every, length, self.every))
        assert self.snapshots is not None
        return first_states(length, self.snapshots)

    def next(self, start: int, stop: int, kept: int) -> int | None:
        """The state to go to and keep, while `kept` are; None to go on without keeping any."""
        free = 0 if self.snapshots is None else self.snapshots - kept
        return start + next_state(stop - start, free + 1) if free > 0 else None


def plan_of(
    operation: str,
    checkpoint_every: Any,
    checkpoints: Any,
    memory_budget: Any,
) -> Plan | None:
    """The plan that the user's arguments ask for."""
    given = {
        "checkpoint_every": checkpoint_every,
        "checkpoints": checkpoints,
        "memory_budget": memory_budget,
    }
    chosen = {k: v for k, v in given.items() if v is not None}
    if not chosen:
        return None
    if len(chosen) > 1:
        raise UnsupportedError(
            f"{operation}: {' and '.join(chosen)} were both given.",
            got=", ".join([f"{k}={v!r}" for k, v in chosen.items()]),
            needed="one of them: a segment length, a number of states, or bytes",
        )
    ((name, value),) = chosen.items()
    number = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not number and not (name == "memory_budget" and isinstance(value, float)):
        raise DtypeError(f"{operation}: {name} must be an int.", got=repr(value))
    if value < 1:
        raise ShapeError(f"{operation}: {name} must be 1 or more.", got=repr(value))
    return Plan(*[int(v) if v is not None else None for v in given.values()])


def fitted(
    operation: str, budget: int, n: int, carry: Sequence[ShapedArray], program: Program
) -> Plan:
    """The plan for n steps, and for so many bytes."""
    active = [v.dtype.kind in "fc" for v in program.in_avals]
    found = linearize_program(program, active, [False] * len(program.outputs))
    given = {*program.inputs, *found.forward.inputs}
    kept = {v for v in found.forward.outputs[len(program.outputs) :] if v not in given}
    per_step = sum([_bytes(v.aval) for v in kept]) + 1
    per_state = sum([_bytes(v) for v in carry]) + 1
    if n * per_step <= budget:
        return Plan(n, None)
    every = max(1, isqrt(max(1, n * per_state // per_step)))
    if every * per_step + n // every * per_state <= budget:
        return Plan(every, None)
    # The states of the forward pass are there until the end, beside those of the backward pass.
    snapshots = (budget - per_step) // (2 * per_state) - 2
    if snapshots < 1:
        raise ShapeError(
            f"{operation}: the memory budget is too small.",
            got=f"{budget} bytes",
            needed=f"{6 * per_state + per_step} bytes, for 6 states of {per_state} and the "
            "residuals of one step",
        )
    return Plan(None, snapshots)


def _bytes(aval: ShapedArray) -> int:
    return aval.size * aval.dtype.itemsize
