"""Sparse derivatives as an engine: what they return is a matrix of SciPy's, and their plan is kept
with the function that computes them.
"""

from __future__ import annotations

from typing import Final

from ...core.aval import Array
from ..sparse.sparse import sparse_hessian, sparse_jacobian
from .problem import Problem
from .table import Engine

__all__ = ["SPARSE"]


def _matrix(problem: Problem) -> Array:
    args = problem.arguments()
    function = sparse_jacobian(problem.fun, tuple(range(len(args))), problem.has_aux)
    found = function(*args)
    return (found[0] if problem.has_aux else found).toarray()


SPARSE: Final = Engine("sparse", _matrix, jacobian_of=sparse_jacobian, hessian_of=sparse_hessian)
