"""Sparse derivatives as an engine: what they return is a matrix of SciPy's, and their plan is kept
with the function that computes them. "auto" takes the same way to a dense matrix, where the
structure of a large linear program allows for few passes.
"""

from __future__ import annotations

from typing import Final

from ...core.aval import Array
from ...core.errors import UnsupportedError
from ..linearize import LinearFunction
from ..sparse.compression import compressed
from ..sparse.evaluation import SparseFunction
from ..sparse.plans import SparsePlan, point_pattern
from ..sparse.sparse import sparse_hessian, sparse_jacobian
from .problem import Problem
from .table import Engine

__all__ = ["SPARSE"]

_FEWER: Final = 8
"""How many times fewer passes the structure must allow for."""


def _matrix(problem: Problem) -> Array:
    args = problem.arguments()
    function = sparse_jacobian(problem.fun, tuple(range(len(args))), problem.has_aux)
    found = function(*args)
    return (found[0] if problem.has_aux else found).toarray()


def passes_by_structure(linear: LinearFunction) -> SparsePlan | None:
    """The plan for a linear map of real numbers, if its structure allows for far fewer passes than
    it has rows or columns; None otherwise, and without SciPy.
    """
    if any([v.dtype.kind != "f" for v in (*linear.in_avals, *linear.out_avals)]):
        return None
    try:
        pattern = point_pattern(linear)
    except UnsupportedError:
        return None
    # No colouring has fewer colours than each row and each column have entries.
    if _FEWER * pattern.nnz > pattern.shape[0] * pattern.shape[1]:
        return None
    plan = SparsePlan(pattern, compressed(pattern))
    return plan if _FEWER * plan.compression.passes <= min(pattern.shape) else None


def _dense(linear: LinearFunction, plan: SparsePlan) -> Array | None:
    """The matrix of a linear map by a plan; None if the plan does not fit."""
    sparse = SparseFunction("jacobian", linear, None, None, sparsity="point")
    data, fits = sparse.entries(plan, linear)
    if not fits:
        return None
    matrix = plan.pattern.astype(data.dtype)
    matrix.data = data
    found: Array = matrix.toarray()
    return found


SPARSE: Final = Engine(
    "sparse",
    _matrix,
    jacobian_of=sparse_jacobian,
    hessian_of=sparse_hessian,
    structure=passes_by_structure,
    dense=_dense,
)
