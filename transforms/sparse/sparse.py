"""Sparse Jacobians and Hessians for users: `sparse_jacobian : (a -> b) -> (a -> CSR matrix)`.

Rows are the elements of the results, columns those of the arguments, leaf by leaf in tree order and
each leaf in C order. How they are computed is in `evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.source import boundary
from .evaluation import Matrix, SparseFunction

__all__ = ["hessian_sparsity", "jacobian_sparsity", "sparse_hessian", "sparse_jacobian"]


def sparse_jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    sparsity: Any = None,
    chunk_size: int | None = None,
    check: bool = True,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun` as a sparse matrix.

    Where it can differ from zero is read off the program of `fun`, for all values of its arguments.
    Columns that meet in no row are computed in one forward pass, rows that meet in no column in one
    reverse pass: for a stencil that takes a few passes, however many unknowns there are. The plan
    is made in the first call for each signature (shapes, dtypes, and the values of integers), and
    kept with the function that is returned.

    Args:
        fun: a function of trees of arrays, real ones.
        argnums: positions of the arguments to differentiate: an int, or several. The first, if
            neither `argnums` nor `argnames` is given.
        has_aux: `fun` returns a pair `(y, aux)`.
        argnames: names of arguments to differentiate, passed by keyword or by position.
        sparsity: what may differ from zero, where you know it better: a sparse or dense matrix.
            Or "point": the pattern is read off the derivative at each point anew, which also works
            where `if` and `while` in `fun` depend on values.
        chunk_size: compute at most so many passes at once; left out, what is fast.
        check: compute the derivative in one more direction, a random one, and compare: a pattern
            that misses entries is found. It is then made anew, or an error is raised.

    Returns:
        A function of the same arguments that returns a `scipy.sparse.csr_array`; with `has_aux`,
        `(matrix, aux)`. Rows are the elements of the result, columns those of the arguments, leaf
        by leaf in tree order. Zeros of the values stay in the pattern. Its method `plan`, of the
        same arguments, returns the `SparsePlan`.

    Raises:
        DtypeError: for complex arguments, and arguments without floats.
        ShapeError: if `sparsity` has another shape, or misses entries.
        ConcretizationError: if the course of `fun` depends on values, without `sparsity`.
        UnsupportedError: without SciPy, and if an argument is traced by another transformation.

    Example:
        >>> import numpy as np, wengert as wg
        >>> heat = lambda u: u[2:] - 2 * u[1:-1] + u[:-2] + np.exp(u[1:-1])
        >>> f = wg.sparse_jacobian(heat)
        >>> f(np.zeros(5)).toarray()
        array([[ 1., -1.,  1.,  0.,  0.],
               [ 0.,  1., -1.,  1.,  0.],
               [ 0.,  0.,  1., -1.,  1.]])
        >>> f.plan(np.zeros(100_000))
        sparse plan: 99998 x 100000, 299994 entries (0.003 %), 3 forward passes
    """
    return SparseFunction(
        "sparse_jacobian", fun, argnums, argnames, has_aux, sparsity, chunk_size, check
    ).as_function()


def sparse_hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    sparsity: Any = None,
    chunk_size: int | None = None,
    check: bool = True,
) -> Callable[..., Any]:
    """Make a function that returns the second derivatives of `fun` as a sparse matrix.

    The pattern is that of the Jacobian of the gradient, read off its program. As the matrix is
    symmetric, each entry is computed in its column or in its row (a star colouring), which takes
    fewer passes than for a Jacobian: Hessians times vectors, forward mode over reverse mode.

    Args:
        fun: a function of trees of real arrays, with a scalar result.
        argnums: positions of the arguments to differentiate, as for `sparse_jacobian`.
        has_aux: `fun` returns a pair `(y, aux)`.
        argnames: names of arguments to differentiate, as for `sparse_jacobian`.
        sparsity: what may differ from zero, as for `sparse_jacobian`.
        chunk_size: compute at most so many passes at once; left out, what is fast.
        check: compute one more product and compare, as for `sparse_jacobian`.

    Returns:
        A function of the same arguments that returns a `scipy.sparse.csr_array`, with a row and a
        column for each element of the arguments, leaf by leaf in tree order; with `has_aux`,
        `(matrix, aux)`. Its method `plan`, of the same arguments, returns the `SparsePlan`.

    Raises:
        NonScalarOutputError: if the result is not one scalar.
        DtypeError: for complex arguments, and arguments without floats.
        ShapeError: if `sparsity` has another shape, or misses entries.
        ConcretizationError: if the course of `fun` depends on values, without `sparsity`.
        UnsupportedError: without SciPy, and if an argument is traced by another transformation.

    Example:
        >>> import numpy as np, wengert as wg
        >>> energy = lambda x: np.sum((x[1:] - x[:-1]) ** 2)
        >>> wg.sparse_hessian(energy)(np.zeros(4)).toarray()
        array([[ 2., -2.,  0.,  0.],
               [-2.,  4., -2.,  0.],
               [ 0., -2.,  4., -2.],
               [ 0.,  0., -2.,  2.]])
    """
    return SparseFunction(
        "sparse_hessian", fun, argnums, argnames, has_aux, sparsity, chunk_size, check, second=True
    ).as_function()


@boundary
def jacobian_sparsity(
    fun: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> Matrix:
    """Where the Jacobian of a function can differ from zero.

    No dependency is missed, whatever the values of floating point arguments are; they are not
    looked at. There may be entries that are zero all the same.

    Args:
        fun: a function of trees of arrays.
        args: its arguments; arrays of floats count with their shape and dtype alone.
        argnums: positions of the arguments to differentiate, the first if left out.
        argnames: their names.
        kwargs: keyword arguments of `fun`.

    Returns:
        A boolean `scipy.sparse.csr_array`, a row for each element of the result and a column for
        each element of the arguments.

    Raises:
        ConcretizationError: if the course of `fun` depends on values.
        UnsupportedError: without SciPy.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian_sparsity(lambda x: x[1:] * x[:-1], np.ones(4)).toarray().astype(int)
        array([[1, 1, 0, 0],
               [0, 1, 1, 0],
               [0, 0, 1, 1]])
    """
    return SparseFunction("jacobian_sparsity", fun, argnums, argnames).pattern(args, kwargs)


@boundary
def hessian_sparsity(
    fun: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> Matrix:
    """Where the second derivatives of a function can differ from zero.

    Args:
        fun: a function of trees of arrays, with a scalar result.
        args: its arguments; arrays of floats count with their shape and dtype alone.
        argnums: positions of the arguments to differentiate, the first if left out.
        argnames: their names.
        kwargs: keyword arguments of `fun`.

    Returns:
        A symmetric boolean `scipy.sparse.csr_array`, a row and a column for each element.

    Raises:
        NonScalarOutputError: if the result is not one scalar.
        ConcretizationError: if the course of `fun` depends on values.
        UnsupportedError: without SciPy.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rosenbrock = lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)
        >>> wg.hessian_sparsity(rosenbrock, np.ones(4)).toarray().astype(int)
        array([[1, 1, 0, 0],
               [1, 1, 1, 0],
               [0, 1, 1, 1],
               [0, 0, 1, 1]])
    """
    return SparseFunction("hessian_sparsity", fun, argnums, argnames, second=True).pattern(
        args, kwargs
    )
