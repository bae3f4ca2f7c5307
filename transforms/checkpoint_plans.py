"""Plans for loops that keep some of their states: `checkpoint_every`, `checkpoints` and
`memory_budget`, the arguments of `scan` and `fori_loop`.

Read `binomial.py` first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.errors import DtypeError, ShapeError, UnsupportedError
from .binomial import first_states, next_state

__all__ = ["Plan", "plan_of"]


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
