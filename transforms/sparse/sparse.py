"""Sparse Jacobians and Hessians for users: `sparse_jacobian : (a -> b) -> (a -> CSR matrix)`.

Rows are the elements of the results, columns those of the arguments, leaf by leaf in tree order and
each leaf in C order. What is computed in a call are as many directional derivatives as the pattern
has colours, all at once by vmap, and one more in a random direction: it shows whether the pattern
is right, as it would not be if values changed that the function closes over.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ...core.errors import DtypeError, ShapeError, UnsupportedError
from ...core.source import boundary, describe_function
from ...core.tracing import Tracer
from ..api import as_array_leaf, differentiable_leaves, flatten_arguments, is_array_leaf
from ..arguments import Choice
from ..linearize import LinearFunction, record
from ..vmap import vmap
from .compression import compressed, compressed_symmetric
from .extra import scipy_sparse
from .plans import (
    Signature,
    SparsePlan,
    TracedPattern,
    gradient_of,
    point_pattern,
    traced_pattern,
)

__all__ = ["hessian_sparsity", "jacobian_sparsity", "sparse_hessian", "sparse_jacobian"]

KEPT: Final = 8
"""So many plans a function keeps, for calls of different shapes."""

ELEMENTS: Final = 100_000
"""So many elements of arguments and results are computed at once: more do not fit in caches."""

Matrix = Any
"""A sparse matrix of SciPy."""


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
    return _Sparse(
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
    return _Sparse(
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
    return _Sparse("jacobian_sparsity", fun, argnums, argnames).pattern(args, kwargs)


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
    return _Sparse("hessian_sparsity", fun, argnums, argnames, second=True).pattern(args, kwargs)


class _Sparse:
    """A function, what is to be differentiated, and the plans that are known."""

    def __init__(
        self,
        label: str,
        fun: Callable[..., Any],
        argnums: int | Sequence[int] | None,
        argnames: str | Sequence[str] | None,
        has_aux: bool = False,
        sparsity: Any = None,
        chunk_size: int | None = None,
        check: bool = True,
        second: bool = False,
    ) -> None:
        self.label, self.name, self.fun = label, describe_function(fun), fun
        self.operation = f"{label} of {self.name}"
        self.choice = Choice(self.operation, fun, argnums, argnames)
        self.has_aux, self.check, self.second = has_aux, check, second
        self.sparsity = _given_pattern(self.operation, sparsity)
        self.chunk_size = chunk_size
        if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
            raise DtypeError(
                f"{self.operation}: chunk_size must be a positive int.", got=repr(chunk_size)
            )
        self.plans: list[tuple[Signature, bool, SparsePlan]] = []

    def as_function(self) -> Callable[..., Any]:
        """What users call."""

        @boundary
        @wraps(self.fun, updated=())
        def function(*args: Any, **kwargs: Any) -> Any:
            return self.evaluated(*self.checked(args, kwargs))

        @boundary
        def plan(*args: Any, **kwargs: Any) -> SparsePlan:
            return self.plan_for(*self.checked(args, kwargs))

        function.plan = plan  # type: ignore[attr-defined]  # a function with one method more
        return function

    def checked(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments, array-likes made arrays; an error for what has no sparse derivative."""
        scipy_sparse()
        args, kwargs = tree.map(self.as_array, (args, kwargs))
        _, chosen, places = self.choice.select(args, kwargs)
        leaves, treedef = flatten_arguments(self.operation, chosen, places)
        avals, _ = differentiable_leaves(self.operation, leaves, treedef, places, True)
        for aval in avals:
            if aval.dtype.kind == "c":
                raise DtypeError(
                    f"{self.operation}: sparse derivatives are those of real functions.",
                    got=f"an argument {aval!r}",
                    fix="split it into real and imaginary parts; or use wg.jacobian with "
                    "holomorphic=True",
                )
        return args, kwargs

    def as_array(self, x: Any) -> Any:
        """A leaf of the arguments as an array, if it is like one."""
        if isinstance(x, Tracer):
            raise UnsupportedError(
                f"{self.operation}: the result is a matrix of SciPy, which cannot hold values that "
                "are traced.",
                got=repr(x),
                needed="plain arrays",
                fix="use wg.jacobian, wg.hessian or wg.hvp inside of other transformations",
            )
        if tree.is_static_leaf(x) or is_array_leaf(x):
            return x
        return as_array_leaf(self.operation, "an argument", x)

    def pattern(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Matrix:
        """The pattern alone."""
        found = self.traced(*self.checked(args, kwargs)).matrix
        return _symmetric(found) if self.second else found

    def traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TracedPattern:
        """The pattern from the program."""
        return traced_pattern(self.operation, self.choice, args, kwargs, self.has_aux, self.second)

    def plan_for(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        linear: LinearFunction | None = None,
        anew: bool = False,
    ) -> SparsePlan:
        """The plan for a call, a known one if there is one; `anew`, one that was not known."""
        if self.sparsity is not None and not isinstance(self.sparsity, str) and self.plans:
            return self.plans[0][2]
        if self.sparsity is not None and linear is None:
            linear = self.recorded(args, kwargs)[0]
        if isinstance(self.sparsity, str):
            assert linear is not None
            return self.planned(point_pattern(linear), _has_complex(linear))
        k = self.known(args, kwargs)
        if k is not None:
            if not anew:
                return self.plans[k][2]
            del self.plans[k]
        values = False
        if self.sparsity is None:
            found = self.traced(args, kwargs)
            values = found.by_values
            plan = self.planned(found.matrix, found.is_complex)
        else:
            assert linear is not None
            plan = self.planned(self.sparsity, _has_complex(linear))
        self.plans.append((Signature.of(args, kwargs, values), values, plan))
        del self.plans[:-KEPT]
        return plan

    def known(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | None:
        """Which of the plans is for this call."""
        for k, (known, values, _) in enumerate(self.plans):
            if known.fits(Signature.of(args, kwargs, values)):
                return k
        return None

    def planned(self, pattern: Matrix, forward_only: bool) -> SparsePlan:
        """A plan for a pattern."""
        # A given pattern that is no square is refused by its shape, when the matrix is computed.
        if self.second and pattern.shape[0] == pattern.shape[1]:
            pattern = _symmetric(pattern)
            return self.worth_it(SparsePlan(pattern, compressed_symmetric(pattern)))
        return self.worth_it(SparsePlan(pattern, compressed(pattern, forward_only)))

    def worth_it(self, plan: SparsePlan) -> SparsePlan:
        """The plan, with a warning if it is wasteful."""
        if plan.is_wasteful:
            warnings.warn(
                f"{self.operation}: {plan.density:.0%} of {plan.pattern.shape[0]} x "
                f"{plan.pattern.shape[1]} entries may differ from zero. A sparse matrix takes more "
                "memory and time here than an array: see wg.jacobian and wg.hessian.",
                stacklevel=2,
            )
        return plan

    def recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[LinearFunction, Any]:
        """The derivative at a point, of the function or of its gradient."""
        selected, chosen, places = self.choice.select(args, kwargs)
        if self.second:
            selected = gradient_of(selected, len(chosen), self.has_aux)
        _, linear, aux = record(
            self.label, self.name, selected, chosen, self.has_aux, labels=places, each=True
        )
        return linear, aux

    def evaluated(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The matrix."""
        linear, aux = self.recorded(args, kwargs)
        plan = self.plan_for(args, kwargs, linear)
        shape = _shape_of(linear)
        if plan.pattern.shape != shape:
            raise ShapeError(
                f"{self.operation}: the sparsity pattern has another shape than the matrix.",
                got=repr(plan.pattern.shape),
                needed=repr(shape),
                fix="a row for each element of the result, a column for each of the arguments",
            )
        data, fits = self.entries(plan, linear)
        if not fits and self.sparsity is None:
            plan = self.plan_for(args, kwargs, linear, anew=True)
            data, fits = self.entries(plan, linear)
        if not fits:
            raise ShapeError(
                f"{self.operation}: the sparsity pattern misses entries that are not zero.",
                got=f"{plan.pattern.nnz} entries",
                fix="leave sparsity out, or add what is missing: wg.jacobian_sparsity and "
                "wg.hessian_sparsity find it",
            )
        where = (data, plan.pattern.indices.copy(), plan.pattern.indptr.copy())
        matrix = scipy_sparse().csr_array(where, shape=shape)
        return (matrix, aux) if self.has_aux else matrix

    def entries(self, plan: SparsePlan, linear: LinearFunction) -> tuple[Array, bool]:
        """The entries of the pattern; and False if others are missing."""
        m, n = plan.pattern.shape
        dtypes = [v.dtype for v in linear.out_avals if v.dtype.kind in "fc"]
        dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        if not m or not n:
            return np.zeros(0, dtype), True
        draws = np.random.default_rng(0)
        forward = _seeds(plan.column_colours, plan.forward_passes)
        reverse = _seeds(plan.row_colours, plan.reverse_passes)
        by_columns = plan.forward_passes > 0 or not plan.reverse_passes
        direction = draws.uniform(0.5, 1.5, (1, n if by_columns else m)) if self.check else None
        if direction is not None and by_columns:
            forward = np.concatenate([forward, direction])
        elif direction is not None:
            reverse = np.concatenate([reverse, direction])
        pushed = self.products(linear, forward, False)
        pulled = self.products(linear, reverse, True)
        k, j = plan.forward_passes, plan.reverse_passes
        products = np.concatenate([pushed[:k].ravel(), pulled[:j].ravel()]).astype(dtype)
        data = products[plan.compression.places]
        if direction is None:
            return data, True
        matrix = scipy_sparse().csr_array(
            (data, plan.pattern.indices, plan.pattern.indptr), shape=(m, n)
        )
        whole = matrix if by_columns else matrix.T
        return data, _agree(whole, direction[0], (pushed if by_columns else pulled)[-1])

    def products(self, linear: LinearFunction, seeds: Array, reverse: bool) -> Array:
        """The derivative, or its transpose, times each row of `seeds`."""
        avals, results = linear.in_avals, linear.out_avals
        if reverse:
            avals, results = results, avals
        if not len(seeds):
            return np.zeros((0, sum([v.size for v in results])))
        step = self.chunk_size or max(2, ELEMENTS // max(sum(_shape_of(linear)), 1))
        parts = []
        for first in range(0, len(seeds), step):
            some = seeds[first : first + step]
            blocks, start = [], 0
            for v in avals:
                block = some[:, start : start + v.size].astype(v.dtype)
                blocks.append(block.reshape(len(some), *v.shape))
                start += v.size
            if reverse:
                given = tree.unflatten(linear.out_tree, blocks)
                found = vmap(linear.transpose, axis_size=len(some))(given)
            else:
                given = tree.unflatten(linear.in_tree, blocks)
                found = vmap(linear, axis_size=len(some))(*given)
            flat = [np.reshape(y, (len(some), -1)) for y in tree.leaves(found)]
            parts.append(np.concatenate(flat, axis=1))
        return np.concatenate(parts)


def _shape_of(linear: LinearFunction) -> tuple[int, int]:
    """The shape of the matrix."""
    return sum([v.size for v in linear.out_avals]), sum([v.size for v in linear.in_avals])


def _has_complex(linear: LinearFunction) -> bool:
    return any([v.dtype.kind == "c" for v in linear.out_avals])


def _seeds(colours: Array, count: int) -> Array:
    """For each colour the sum of the unit vectors that have it."""
    seeds = np.zeros((count, colours.size))
    coloured = np.flatnonzero(colours >= 0)
    seeds[colours[coloured], coloured] = 1
    return seeds


def _agree(matrix: Matrix, direction: Array, product: Array) -> bool:
    """True if a matrix times a vector is what it should be, up to rounding."""
    with np.errstate(all="ignore"):
        found, size = matrix @ direction, abs(matrix) @ direction
        finite = np.isfinite(found) & np.isfinite(product)
        wide = np.abs(product[finite]).max(initial=0.0)
        eps = float(np.finfo(matrix.dtype).eps)
        allowed = eps**0.4 * size[finite] + 100 * eps * wide
        return bool(np.all(np.abs(found - product)[finite] <= allowed))


def _symmetric(pattern: Matrix) -> Matrix:
    found = (pattern + pattern.T).tocsr()
    found.sort_indices()
    return found


def _given_pattern(operation: str, sparsity: Any) -> Any:
    """The pattern that a user gives, as a boolean CSR matrix; "point"; or None."""
    if sparsity is None or sparsity == "point" if isinstance(sparsity, str | None) else False:
        return sparsity
    sparse = scipy_sparse()
    if not sparse.issparse(sparsity):
        dense = None if isinstance(sparsity, str) else np.asarray(sparsity)
        if dense is None or dense.dtype.kind not in "biuf" or dense.ndim != 2:
            raise DtypeError(
                f"{operation}: sparsity must be a matrix, or the word 'point'.",
                got=repr(sparsity) if dense is None else repr(type(sparsity).__name__),
                needed="a sparse matrix of SciPy, or a boolean array with two axes",
            )
        sparsity = dense != 0
    found = sparse.csr_array(sparsity).copy()
    found.sum_duplicates()
    found.data = np.ones(found.data.size, bool)  # explicit zeros are entries of the pattern
    return found
