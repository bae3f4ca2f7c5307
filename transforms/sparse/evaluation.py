"""Sparse derivatives at a point: `a -> CSR matrix`, with plans that are kept from call to call.

What is computed in a call are as many directional derivatives as the pattern has colours, some at a
time by vmap, and one more in a random direction: it shows whether the pattern is right, as it would
not be if values changed that the function closes over.

Read next: `sparse.py`.
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

__all__ = ["Matrix", "SparseFunction"]

KEPT: Final = 8
"""So many plans a function keeps, for calls of different shapes."""

ELEMENTS: Final = 100_000
"""So many elements of arguments and results are computed at once: more do not fit in caches."""

Matrix = Any
"""A sparse matrix of SciPy."""


class SparseFunction:
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
        if dtype == np.float16:
            dtype = np.dtype(np.float32)  # SciPy has no such matrices
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
