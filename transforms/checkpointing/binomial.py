"""Binomial checkpointing: which states of a chain of steps to keep, so that its reversal computes
as few steps as possible again.

`snapshots` states may be kept at a time, the first one included. With b(s, r) = C(s + r, s), a
chain of up to b(s, r) steps is reversed by computing no step more than r times, and the least
number of steps is known in closed form.

Source: Griewank and Walther, "Algorithm 799: revolve" (ACM TOMS 26, 2000); Griewank, "Achieving
logarithmic growth of temporal and spatial complexity in reverse automatic differentiation" (1992).
"""

from __future__ import annotations

from math import comb

__all__ = ["fewest_steps", "first_states", "next_state"]


def _repetitions(steps: int, snapshots: int) -> int:
    """The smallest r for which b(snapshots, r) steps are enough."""
    r = 0
    while comb(snapshots + r, snapshots) < steps:
        r += 1
    return r


def fewest_steps(steps: int, snapshots: int) -> int:
    """How many steps are computed, at least, to have the states of all steps from last to first.

    The first sweep is counted, up to the state before the last step.
    """
    r = _repetitions(steps, snapshots)
    return r * steps - comb(snapshots + r, snapshots + 1)


def next_state(steps: int, snapshots: int) -> int:
    """How far to go from a state that is kept to the next one to keep.

    `snapshots`, 2 or more, counts the state itself. Any state will do for which neither of the two
    parts of the chain needs a repetition more than the optimum; this is the first of them.
    """
    r = _repetitions(steps, snapshots)
    before = comb(snapshots + r - 2, snapshots) if r > 1 else 0
    return max(1, before, steps - comb(snapshots - 1 + r, snapshots - 1))


def first_states(steps: int, snapshots: int) -> list[int]:
    """The states after the first that the first sweep keeps; at the end the one before the last
    step, which is needed next, and takes no snapshot.
    """
    found, at, left = [], 0, snapshots
    while left > 1 and steps - at > 1:
        at += next_state(steps - at, left)
        left -= 1
        found.append(at)
    if steps > 1 and at < steps - 1:
        found.append(steps - 1)
    return found
