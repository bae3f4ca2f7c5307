"""Symbolic differentiation as an engine: formulas by sympy, evaluated at the point."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ..symbolic.matrices import derivative_values
from .problem import Problem
from .table import Engine

__all__ = ["SYMBOLIC"]


def _values(problem: Problem, order: int) -> Array:
    problem.check_real("symbolic")

    def flat(x: Array) -> Array:
        """The function of the vector of all numbers."""
        leaves = list(problem.leaves)
        for i, aval, part in zip(problem.active, problem.in_avals, problem.parts, strict=True):
            leaves[i] = np.reshape(x[part], aval.shape) if aval.shape else x[part][0]
        found = problem.smooth_results(*tree.unflatten(problem.in_tree, leaves))
        return np.concatenate([np.reshape(v, -1) for v in found]) if found else np.zeros(0)

    return derivative_values(problem.operation, flat, problem.vector, problem.out_size, order)


def _matrix(problem: Problem) -> Array:
    return _values(problem, 1)


def _hessian(problem: Problem) -> Any:
    return problem.assemble_second(_values(problem, 2))


SYMBOLIC: Final = Engine("symbolic", _matrix, hessian=_hessian)
