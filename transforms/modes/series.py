"""Taylor mode as an engine: first and second derivatives from series in one variable.

The second derivatives along a direction v are vᵀ H v, for all pairs of unit vectors and their sums:
then H[i, j] = (q(e_i + e_j) - q(e_i) - q(e_j)) / 2. No derivative of a derivative is taken.

Source: Griewank, Utke and Walther, "Evaluating higher derivative tensors by forward propagation of
univariate Taylor series", Mathematics of Computation 69 (2000).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ..taylor.jet import jet
from ..vmap import vmap
from .problem import Problem
from .table import Engine

__all__ = ["TAYLOR"]


def _terms(problem: Problem, directions: Array, order: int) -> Array:
    """The derivatives of one order of the results along each direction, a row each."""
    args = problem.arguments()

    def along(dots: Sequence[Array]) -> Any:
        lists: list[Any] = [None] * len(problem.leaves)
        for i, t in zip(problem.active, dots, strict=True):
            lists[i] = [t, *[np.zeros_like(t)] * (order - 1)]
        series = tree.unflatten(problem.in_tree, lists)

        _, terms = jet(problem.smooth_results, args, series)
        found = [np.reshape(t[order - 1], -1) for t in terms]
        return np.concatenate(found) if found else np.zeros(0)

    if not len(directions):
        return np.zeros((0, problem.out_size))
    dots = [
        directions[:, part].reshape((len(directions), *a.shape)).astype(a.dtype)
        for a, part in zip(problem.in_avals, problem.parts, strict=True)
    ]
    found: Array = vmap(along)(dots)
    return found


def _matrix(problem: Problem) -> Array:
    return _terms(problem, np.eye(problem.size), 1).T


def _along(problem: Problem, direction: Array) -> Array:
    return _terms(problem, direction[None], 1)[0]


def _hessian(problem: Problem) -> Any:
    problem.check_real("taylor")
    n = problem.size
    i, j = np.tril_indices(n)
    directions = np.zeros((len(i), n))
    pairs = np.arange(len(i))
    np.add.at(directions, (pairs, i), 1.0)
    directions[pairs, j] = 1.0
    q = _terms(problem, directions, 2)
    single = q[i == j]
    values = np.where((i == j)[:, None], q, (q - single[i] - single[j]) / 2).T
    places = np.zeros((n, n), int)
    places[i, j] = places[j, i] = pairs
    return problem.assemble_second(values[:, places])


TAYLOR: Final = Engine(
    "taylor", _matrix, jvp=_along, hessian=_hessian, traced=True, takes_complex=True
)
