"""Iterative solvers of linear systems that users call: `cg` and `gmres`, with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.aval import Array
from ...core.errors import (
    ShapeError,
)
from ...core.source import boundary
from ..linear import LinearTracer
from .linear_maps import LinearProgram, check_leaves, recorded_map, unknowns
from .linear_solve import linear_solve_p
from .linear_solvers import (
    Krylov,
    check_options,
)

__all__ = ["cg", "gmres"]


def _iterative(
    operation: str,
    A: Any,
    b: Any,
    x0: Any,
    M: Any,
    solver: Callable[[LinearProgram | None, bool], Krylov],
) -> Any:
    right = unknowns(operation, b, "b", promote=True)
    matrix, a = recorded_map(operation, "A", _product("A", A), right)
    near: LinearProgram | None = None
    m: list[Array] = []
    if M is not None:
        near, m = recorded_map(operation, "M", _product("M", M), right)
    start: list[Array] = []
    if x0 is not None:
        start = check_leaves(operation, "x0", x0, right.treedef, right.avals, "b")
    if any([isinstance(v, LinearTracer) for v in start]):
        start = []  # a tangent has no value, and the solution does not depend on the start
    found = solver(near, bool(start))
    leaves = linear_solve_p.bind(
        *a, *m, *start, *m, *right.arrays,
        matrix=matrix, solver=found, transpose_solver=found.for_transpose(), levels=(),
        counts=(len(a), len(m) + len(start), len(m)), treedef=right.treedef, operation=operation,
    )  # fmt: skip
    return right.rebuilt(leaves)


def _product(name: str, A: Any) -> Callable[[Any], Any]:
    """A linear map as a function."""
    if callable(A):
        return A  # type: ignore[no-any-return]  # the user's

    def product(v: Any) -> Any:
        return A @ v

    product.__name__ = name
    return product


@boundary
def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: float | None = None,
    maxiter: int | None = None,
    M: Any = None,
    on_failure: str = "raise",
) -> Any:
    """Solve `A x = b` by conjugate gradients: A is symmetric (Hermitian) and positive definite, and
    known by its products with vectors alone.

    The derivatives are those of the solution, by another run for the tangents or cotangents.

    Args:
        A: a linear function of a tree like `b`, or a square array. It may close over traced values.
        b: a tree of arrays.
        x0: where to start, like `b`; zero when left out.
        tol: how small the residual is to be, beside `b`, in the Euclidean norm; when left out,
            1e-10, or 1e-5 for float32.
        maxiter: how many steps at most; when left out, 10 for each unknown.
        M: a linear function, or an array, near the inverse of A: a preconditioner.
        on_failure: "raise" an error if that is not enough, or give "nan".

    Returns:
        The solution, like `b`.

    Raises:
        ConvergenceError: if the residual does not become small, or A is seen not to be positive
            definite.

    Example:
        >>> import numpy as np, wengert as wg
        >>> b = np.array([1.0, 2.0])
        >>> solve = lambda d: wg.cg(lambda v: d * v, b)
        >>> solve(np.array([2.0, 4.0])), wg.jacobian(solve)(np.array([2.0, 4.0]))
        (array([0.5, 0.5]), array([[-0.25 ,  0.   ],
               [ 0.   , -0.125]]))
    """
    check_options("cg", tol, maxiter, on_failure)
    make = lambda near, start: Krylov("cg", tol, maxiter, 0, near, start, on_failure)
    return _iterative("cg", A, b, x0, M, make)


@boundary
def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: float | None = None,
    maxiter: int | None = None,
    restart: int = 30,
    M: Any = None,
    on_failure: str = "raise",
) -> Any:
    """Solve `A x = b` by GMRES: A is any invertible map, known by its products with vectors alone.

    The derivatives are those of the solution, by another run for the tangents or cotangents.

    Args:
        A: a linear function of a tree like `b`, or a square array. It may close over traced values.
        b: a tree of arrays.
        x0: where to start, like `b`; zero when left out.
        tol: how small the residual is to be, beside `b`, in the Euclidean norm; when left out,
            1e-10, or 1e-5 for float32.
        maxiter: how many products with A at most; when left out, 10 for each unknown.
        restart: how many vectors are kept; the more, the fewer products are needed.
        M: a linear function, or an array, near the inverse of A: a preconditioner.
        on_failure: "raise" an error if that is not enough, or give "nan".

    Returns:
        The solution, like `b`.

    Raises:
        ConvergenceError: if the residual does not become small.

    Example:
        >>> import numpy as np, wengert as wg
        >>> A, b = np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([1.0, 2.0])
        >>> wg.gmres(lambda v: A @ v, b).round(6)
        array([0.25, 0.5 ])
    """
    check_options("gmres", tol, maxiter, on_failure)
    if not isinstance(restart, int | np.integer) or restart < 1:
        raise ShapeError("gmres: restart must be a positive int.", got=repr(restart))
    make = lambda near, start: Krylov("gmres", tol, maxiter, int(restart), near, start, on_failure)
    return _iterative("gmres", A, b, x0, M, make)
