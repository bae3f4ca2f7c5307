"""What can be computed from a linear map besides its products: matrix, diagonal, trace, norms,
solutions. The methods of `LinearMap` for these, which hand the work to `dense.py`, `estimators.py`
and `scipy_solvers.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import TreeError
from ...core.source import boundary
from ..api import plain_output
from .dense import blocks_of, dense_diagonal, dense_matrix, maps_agree
from .estimators import estimated_diagonal, estimated_trace, norm_of
from .operators import Operator
from .scipy_solvers import linear_operator, solved

__all__ = ["Measured"]


class Measured:
    """The part of `LinearMap` that computes numbers of it."""

    __slots__ = ("_operator",)
    _operator: Operator

    @boundary
    def matrix(self, *, flat: bool = False, chunk_size: int | None = None) -> Any:
        """The matrix of the map, by as many passes as it has columns or rows, whichever are fewer.

        Args:
            flat: one array of the shape `L.shape`, instead of blocks.
            chunk_size: compute at most so many columns or rows at once, which takes less memory.

        Returns:
            As `jacobian`: for each leaf of the result a tree like the argument, whose leaves have
            the shape of the result followed by that of the argument's leaf.

        Raises:
            DtypeError: for a map of complex vectors that is linear over the reals alone.

        Example:
            >>> import numpy as np, wengert as wg
            >>> D = wg.derivative_map(lambda p: p["a"] * p["b"], {"a": 2.0, "b": np.ones(2)})
            >>> D.matrix()
            {'a': array([1., 1.]), 'b': array([[2., 0.],
                   [0., 2.]])}
            >>> D.matrix(flat=True)
            array([[1., 2., 0.],
                   [1., 0., 2.]])
        """
        op = self._operator
        whole = dense_matrix(op, chunk_size)
        return whole if flat else blocks_of(whole, op.domain, op.codomain)

    @boundary
    def diagonal(
        self, *, samples: int | None = None, rng: Any = None, chunk_size: int | None = None
    ) -> Any:
        """The diagonal of the matrix, of a map from a space to itself.

        Args:
            samples: estimate it from so many random vectors, instead of from as many unit vectors
                as there are columns (Bekas, Kokiopoulou and Saad, 2007).
            rng: a `np.random.Generator` or a seed for the samples.
            chunk_size: compute at most so many columns at once, which takes less memory.

        Returns:
            A tree like the argument; with `samples`, an `Estimate` with such a tree as `value`, and
            one of standard errors.

        Raises:
            ShapeError: if the map does not go from a space to itself.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.derivative_map(lambda x: x**2, np.array([1.0, 2.0])).diagonal()
            array([2., 4.])
        """
        if samples is not None:
            return estimated_diagonal(self._operator, samples, rng, chunk_size)
        space = self._operator.domain
        return space.tree(space.unflat(dense_diagonal(self._operator, chunk_size)))

    @boundary
    def trace(
        self, *, samples: int | None = None, rng: Any = None, chunk_size: int | None = None
    ) -> Any:
        """The sum of the diagonal: exact, or estimated from random vectors.

        Args:
            samples: estimate it by Hutchinson's method from so many random vectors of signs.
            rng: a `np.random.Generator` or a seed for the samples.
            chunk_size: compute at most so many columns at once, which takes less memory.

        Returns:
            A number; with `samples`, an `Estimate` with the number as `value` and its
            `standard_error`.

        Raises:
            ShapeError: if the map does not go from a space to itself.

        Example:
            >>> import numpy as np, wengert as wg
            >>> D = wg.derivative_map(np.cumsum, np.zeros(100))
            >>> float(D.trace())
            100.0
            >>> estimate = D.trace(samples=200, rng=0)
            >>> bool(abs(estimate.value - 100.0) < 4 * estimate.standard_error)
            True

        Source: Hutchinson, "A stochastic estimator of the trace of the influence matrix" (1989).
        """
        if samples is not None:
            return estimated_trace(self._operator, samples, rng, chunk_size)
        return np.sum(dense_diagonal(self._operator, chunk_size))

    @boundary
    def norm(
        self,
        ord: int | str = 2,
        *,
        tol: float | None = None,
        maxiter: int | None = None,
        samples: int | None = None,
        rng: Any = None,
    ) -> Any:
        """A norm of the matrix; of that of `as_real()` for maps linear over the reals alone.

        Args:
            ord: 2, the largest singular value, by Lanczos's bidiagonalization from products with
                the map and its transpose; or "fro", the root of the sum of all squares.
            tol: for 2, a bound on the relative error, 1e-4 (float32: 1e-3) when left out. The error
                itself is about its square, where the largest singular values are well apart.
            maxiter: for 2, the number of products with each; 300 when left out.
            samples: for "fro", estimate it from so many random vectors.
            rng: a `np.random.Generator` or a seed for the start, or the samples.

        Returns:
            A number; with `samples`, an `Estimate`.

        Raises:
            ConvergenceError: if `maxiter` products are not enough.

        Example:
            >>> import numpy as np, wengert as wg
            >>> D = wg.derivative_map(lambda x: x * np.arange(1.0, 101.0), np.zeros(100))
            >>> print(f"{D.norm():.6f} {D.norm('fro'):.6f}")
            100.000000 581.678605

        Source: Golub and Kahan, "Calculating the singular values and pseudo-inverse of a matrix"
        (1965).
        """
        return norm_of(self._operator, ord, tol, maxiter, samples, rng)

    @boundary
    def allclose(
        self, other: Measured, rtol: float | None = None, atol: float = 0.0, rng: Any = 0
    ) -> bool:
        """True if two maps are the same, up to rounding: by their matrices where those are small,
        and by what they make of random vectors otherwise.

        Args:
            other: a LinearMap between the same spaces.
            rtol: the difference that is allowed, relative to the largest number of the two; the
                root of the precision of the dtype when left out.
            atol: the difference that is allowed anyway.
            rng: a `np.random.Generator` or a seed for the random vectors.

        Returns:
            True or False; False if the spaces differ.

        Example:
            >>> import numpy as np, wengert as wg
            >>> x, g = np.array([0.3, 0.4]), lambda y: np.outer(y, y)
            >>> whole = wg.derivative_map(lambda x: g(np.sin(x)), x)
            >>> whole.allclose(wg.derivative_map(g, np.sin(x)) @ wg.derivative_map(np.sin, x))
            True
        """
        if not isinstance(other, Measured):
            raise TreeError(
                "LinearMap.allclose: only maps can be compared with a map.",
                got=type(other).__name__,
                fix="compare matrices: np.allclose(L.matrix(flat=True), A)",
            )
        return maps_agree(self._operator, other._operator, rtol, atol, rng)

    # SciPy.

    @boundary
    def as_scipy(self) -> Any:
        """The map as a `scipy.sparse.linalg.LinearOperator` on flat vectors, for all of SciPy's
        solvers.

        Returns:
            A LinearOperator of the shape `L.shape`, with its adjoint.

        Raises:
            DtypeError: for a map that is linear over the reals alone; `as_real()` has one.

        Example:
            >>> import numpy as np, wengert as wg
            >>> D = wg.derivative_map(np.cumsum, np.zeros(3))
            >>> D.as_scipy().matvec(np.ones(3))
            array([1., 2., 3.])
        """
        return linear_operator(self._operator)

    @boundary
    def solve(
        self,
        b: Any,
        method: str = "gmres",
        *,
        tol: float | None = None,
        maxiter: int | None = None,
        x0: Any = None,
        M: Any = None,
    ) -> Any:
        """Find x with `L @ x = b`, by products with the map alone.

        With a traced `b`, or a map that depends on traced values, "cg" and "gmres" are `wengert.cg`
        and `wengert.gmres`, and the solution has derivatives. Otherwise SciPy's are used.

        Args:
            b: a tree like the result of the map.
            method: "gmres" for any invertible map; "cg" for one that is symmetric (Hermitian) and
                positive definite; "lsmr" for least squares, of a map of any shape.
            tol: how small the residual is to be, beside `b`; when left out, 1e-10, or 1e-5 for
                float32.
            maxiter: how many steps at most; when left out, 10 for each unknown.
            x0: where to start, a tree like the argument of the map; zero when left out.
            M: a LinearMap near the inverse, for "cg" and "gmres": a preconditioner.

        Returns:
            A tree like the argument of the map.

        Raises:
            ConvergenceError: if the residual does not become small. (With "lsmr": if the least
                squares solution is not reached.)
            ShapeError: for "cg" and "gmres", if the map has not as many numbers in as out.

        Example:
            >>> import numpy as np, wengert as wg
            >>> D = wg.derivative_map(lambda x: x**3 + x[::-1], np.array([1.0, 2.0]))
            >>> D.solve(D(np.array([1.0, -1.0]))).round(6)
            array([ 1., -1.])
        """
        op = self._operator
        operation = f"solve with {op.formula}"
        if M is not None and not isinstance(M, Measured):
            raise TreeError(
                f"{operation}: M must be a LinearMap.",
                got=type(M).__name__,
                fix="wg.LinearMap.from_matrix(A) makes one of a matrix",
            )
        right = op.codomain.leaves(operation, b, "b", "the result of the map")
        start = (
            None if x0 is None else op.domain.leaves(operation, x0, "x0", "the argument of the map")
        )
        near = None if M is None else M._operator
        found = solved(op, right, start, near, method, tol, maxiter)
        return op.domain.tree([plain_output(x) for x in found])
