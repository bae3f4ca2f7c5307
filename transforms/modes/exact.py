"""Forward and reverse mode as engines: for what another mode does by itself, as `vjp` in forward
mode.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.aval import Array
from ..jacobian import columns, rows
from ..linearize import LinearFunction, linear_transpose, record
from .problem import Problem, joined
from .table import Engine

__all__ = ["FORWARD", "REVERSE"]


def _recorded(problem: Problem) -> LinearFunction:
    args = problem.arguments()
    return record("jacobian", problem.operation, problem.fun, args, problem.has_aux)[1]


def _flat(problem: Problem, blocks: list[list[Array]], linear: LinearFunction) -> Array:
    """The blocks of all results that have a derivative as one matrix."""
    found = []
    for row, aval in zip(blocks, linear.out_avals, strict=True):
        if aval.dtype.kind in "fc":
            parts = [np.reshape(b, (aval.size, -1)) for b in row]
            found.append(np.concatenate(parts, axis=1) if parts else np.zeros((aval.size, 0)))
    return np.concatenate(found) if found else np.zeros((0, problem.size))


def _forward(problem: Problem) -> Array:
    linear = _recorded(problem)
    return _flat(problem, columns(linear, None), linear)


def _reverse(problem: Problem) -> Array:
    linear = _recorded(problem)
    return _flat(problem, rows(linear, None), linear)


def _transposed_twice(problem: Problem, direction: Array) -> Array:
    """The directional derivative as the transpose of the pullback."""
    linear = _recorded(problem)
    smooth = [aval.dtype.kind in "fc" for aval in linear.out_avals]

    def pullback(cts: list[Array]) -> Any:
        given = iter(cts)
        full = [
            next(given) if s else np.zeros(aval.shape, aval.dtype)
            for s, aval in zip(smooth, linear.out_avals, strict=True)
        ]
        return linear.pull_back(full)

    like = [aval for aval, s in zip(linear.out_avals, smooth, strict=True) if s]
    (y_dot,) = linear_transpose(pullback, like)(problem.cotangents(direction))
    return joined(y_dot)


FORWARD: Final = Engine("forward", _forward, traced=True, takes_complex=True)
REVERSE: Final = Engine("reverse", _reverse, jvp=_transposed_twice, traced=True, takes_complex=True)
