"""Numbers of a linear map from products with it: estimates of the trace and the diagonal from
random vectors, and norms.

`Estimate(value, standard_error)`. The random vectors consist of signs, with which the estimate of a
diagonal map is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.errors import ConvergenceError, DtypeError, ShapeError
from ..stacks import chunks
from .dense import (
    ROOM,
    check_square,
    complex_or_real,
    dense_matrix,
    is_traced,
    products,
)
from .operators import Conjugated, Operator, Transposed

__all__ = ["Estimate", "estimated_diagonal", "estimated_trace", "norm_of"]

SMALL: Final = 32
"""Up to this many rows or columns, the spectral norm is that of the matrix."""


class Estimate(NamedTuple):
    """An estimate from random samples.

    Args:
        value: the mean of the samples.
        standard_error: the standard deviation of that mean: about two thirds of all estimates lie
            closer than this to what is estimated.
    """

    value: Any
    standard_error: Any


def estimated_trace(op: Operator, samples: int, rng: Any, chunk_size: int | None) -> Estimate:
    """Hutchinson's estimate: the mean of z^T A z over vectors z of random signs."""
    operation = f"trace of {op.formula}"
    found = _sampled(operation, op, samples, rng, chunk_size, lambda z, az: np.sum(z * az, axis=1))
    return _mean(found)


def estimated_diagonal(op: Operator, samples: int, rng: Any, chunk_size: int | None) -> Estimate:
    """The mean of z * (A z) over vectors z of random signs."""
    operation = f"diagonal of {op.formula}"
    found = _sampled(operation, op, samples, rng, chunk_size, lambda z, az: z * az)
    value, error = _mean(found)
    real = np.zeros(0, op.domain.dtype).real.dtype
    errors = op.domain.unflat(error.astype(op.domain.dtype))
    return Estimate(
        op.domain.tree(op.domain.unflat(value)),
        op.domain.tree([np.real(e) if real != op.domain.dtype else e for e in errors]),
    )


def _mean(found: Array) -> Estimate:
    n = found.shape[0]
    value = np.mean(found, axis=0)
    spread = np.sum(np.abs(found - value) ** 2, axis=0) / (n - 1)
    return Estimate(value, np.sqrt(spread / n))


def _sampled(
    operation: str,
    op: Operator,
    samples: int,
    rng: Any,
    chunk_size: int | None,
    of: Callable[[Array, Array], Array],
    square: bool = True,
) -> Array:
    """What `of` makes of random vectors and their products, stacked."""
    if not isinstance(samples, int | np.integer) or isinstance(samples, bool) or samples < 2:
        raise ShapeError(
            f"{operation}: samples must be an int, and at least 2, for there to be an error.",
            got=repr(samples),
        )
    if square:
        check_square(operation, op)
    draw = generator(operation, rng)
    n = op.domain.size
    size = max(1, ROOM // max(n, op.codomain.size, 1)) if chunk_size is None else chunk_size
    found = []
    for first, last in chunks(operation, int(samples), size):
        z = draw.choice(np.array([-1.0, 1.0]), (last - first, n)).astype(op.domain.dtype)
        found.append(of(z, products(op, z)))
    return np.concatenate(found)


def generator(operation: str, rng: Any) -> np.random.Generator:
    """A generator, from one or from a seed."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise DtypeError(
            f"{operation}: rng must be a np.random.Generator, or a seed for one.", got=repr(rng)
        ) from None


def norm_of(
    op: Operator,
    ord: int | str,
    tol: float | None,
    maxiter: int | None,
    samples: int | None,
    rng: Any,
) -> Any:
    """The spectral or the Frobenius norm."""
    operation = f"norm of {op.formula}"
    if ord not in (2, "fro"):
        raise ShapeError(
            f"{operation}: no such norm.",
            got=f"ord={ord!r}",
            needed='2 (the largest singular value) or "fro"',
            fix="np.linalg.norm(L.matrix(flat=True), ord) has others",
        )
    op = complex_or_real(op)
    if ord == "fro":
        if samples is None:
            return np.sqrt(_sum_of_squares(operation, op))
        squares = _sampled(
            operation, op, samples, rng, None, lambda z, az: np.sum(np.abs(az) ** 2, axis=1), False
        )
        mean, error = _mean(squares)
        root = np.sqrt(mean)
        return Estimate(root, error / (2 * root) if root else error)
    if samples is not None:
        raise ShapeError(
            f"{operation}: samples= is for the Frobenius norm.", got="ord=2", fix='ord="fro"'
        )
    smaller = min(op.domain.size, op.codomain.size)
    if smaller == 0:
        return op.codomain.dtype.type(0).real
    if smaller <= SMALL or is_traced(op):
        matrix = dense_matrix(op, None)
        if not is_traced(op) and not np.all(np.isfinite(matrix)):
            return matrix.dtype.type(np.nan).real
        if matrix.dtype == np.float16:  # which LAPACK has no routines for
            return np.linalg.norm(matrix.astype(np.float32), 2).astype(np.float16)
        return np.linalg.norm(matrix, 2)
    return _largest_singular_value(operation, op, tol, maxiter, generator(operation, rng or 0))


def _sum_of_squares(operation: str, op: Operator) -> Array:
    m, n = op.codomain.size, op.domain.size
    part = op if n <= m else Transposed(op)
    k, width = part.domain.size, part.codomain.size
    total: Array = np.zeros((), op.codomain.dtype).real.dtype.type(0)
    for first, last in chunks(operation, k, max(1, ROOM // max(width, 1))):
        rows = products(part, np.eye(last - first, k, first, part.domain.dtype))
        total = total + np.sum(np.abs(rows) ** 2)
    return total


def _largest_singular_value(
    operation: str, op: Operator, tol: float | None, maxiter: int | None, rng: np.random.Generator
) -> Array:
    """Golub-Kahan-Lanczos bidiagonalization, with both bases kept orthogonal.

    After k steps A V = U B with B bidiagonal, and A^H U = V B^H + a residual in one column: the
    largest singular value of B differs from one of A by no more than that residual's part in it.
    """
    adjoint = Conjugated(Transposed(op))
    single = op.codomain.dtype in (np.float32, np.complex64, np.float16)
    tol = (1e-3 if single else 1e-4) if tol is None else tol
    most = min(op.domain.size, op.codomain.size)
    steps = most if maxiter is None and most <= 300 else min(most, maxiter or 300)
    wide = np.dtype(np.complex128 if op.domain.kind == "complex" else np.float64)

    def times(part: Operator, v: Array) -> Array:
        return products(part, v[None].astype(part.domain.dtype))[0].astype(wide, copy=False)

    v = rng.normal(size=op.domain.size).astype(wide)
    if op.domain.kind == "complex":
        v = v + 1j * rng.normal(size=op.domain.size)
    right: list[Array] = [v / np.linalg.norm(v)]
    left: list[Array] = []
    bidiagonal = np.zeros((steps, steps))
    sigma = 0.0
    for k in range(steps):
        u = _orthogonal(times(op, right[k]), left)
        alpha = float(np.linalg.norm(u))
        if not np.isfinite(alpha):
            return op.codomain.dtype.type(np.nan).real
        bidiagonal[k, k] = alpha
        left.append(u / alpha if alpha else u)
        v = _orthogonal(times(adjoint, left[k]), right)
        beta = float(np.linalg.norm(v))
        last = alpha == 0 or k + 1 == most
        if last or k < 24 or k % 8 == 7 or k + 1 == steps or beta == 0:
            vectors, values, _ = np.linalg.svd(bidiagonal[: k + 1, : k + 1])
            sigma = float(values[0])
            if last or beta * abs(vectors[k, 0]) <= tol * sigma:
                return op.codomain.dtype.type(sigma).real
        if k + 1 < steps:
            bidiagonal[k, k + 1] = beta
            right.append(v / beta)
    raise ConvergenceError(
        f"{operation}: Lanczos's method did not reach the tolerance.",
        got=f"about {sigma:.6g} after {steps} products, tol={tol:g}",
        fix="give a larger tol or maxiter",
    )


def _orthogonal(x: Array, basis: list[Array]) -> Array:
    """What of a vector is orthogonal to an orthonormal basis; twice, against rounding."""
    if not basis:
        return x
    rows = np.stack(basis)
    for _ in range(2):
        x = x - rows.T @ (np.conj(rows) @ x)
    return x
