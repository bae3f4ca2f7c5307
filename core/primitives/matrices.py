"""What the files of linear algebra share: operands and their checks, transposes, batching rules,
the sizes below which numbers are rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..errors import ConcretizationError, ShapeError
from ..tracing import Primitive, Rule, Tracer
from .elementwise import as_array, astype, real_dtype
from .shaping import transpose_p


class MatrixShapeError(ShapeError, np.linalg.LinAlgError):
    """A ShapeError where NumPy raises its LinAlgError."""


def mT(x: Array) -> Array:
    """The transposes of a stack of matrices, for inner use: no view of `x` that writes reach."""
    if type(x) is np.ndarray:
        return x.swapaxes(-1, -2)
    n = x.ndim
    return transpose_p.bind(x, axes=(*range(n - 2), n - 1, n - 2))


def adjoint(x: Array) -> Array:
    """The conjugate transposes of a stack of matrices."""
    x = mT(x)
    return np.conjugate(x) if aval_of(x).dtype.kind == "c" else x


def hermitian(x: Array) -> Array:
    """The symmetric (Hermitian) parts of a stack of matrices."""
    return (x + adjoint(x)) * 0.5


def columns_dot(a: Array, b: Array) -> Array:
    """Column by column, the inner product of a and b: the diagonal of a^H b."""
    return np.sum(np.conjugate(a) * b, axis=-2)


def eye_like(x: Any) -> Array:
    """The identity of the size and dtype of a stack of square matrices."""
    return np.eye(x.shape[-1], dtype=x.dtype)


def linalg_operand(x: Any, operation: str) -> Array:
    """NumPy's linear algebra computes in floating point: integers are cast."""
    x = as_array(x, operation)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def check_matrices(operation: str, *arrays: Array) -> None:
    """Raise unless all have two axes or more."""
    for x in arrays:
        aval = aval_of(x)
        if aval.ndim < 2:
            raise MatrixShapeError(
                f"{operation}: works on matrices, in the last two axes.",
                got=repr(aval),
                needed="two axes or more",
            )


def check_square(operation: str, *arrays: Array) -> None:
    """Raise unless all are stacks of square matrices."""
    check_matrices(operation, *arrays)
    for x in arrays:
        aval = aval_of(x)
        if aval.shape[-1] != aval.shape[-2]:
            raise MatrixShapeError(
                f"{operation}: needs square matrices in the last two axes.",
                got=repr(aval),
                needed=f"shape (..., {aval.shape[-1]}, {aval.shape[-1]})",
            )


def square_operand(x: Any, operation: str) -> Array:
    """An operand as a stack of square matrices of floats or complex numbers."""
    x = linalg_operand(x, operation)
    shape = x.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        check_square(operation, x)
    return x


def matrix_operand(x: Any, operation: str) -> Array:
    """An operand as a stack of matrices of floats or complex numbers."""
    x = linalg_operand(x, operation)
    check_matrices(operation, x)
    return x


def value_or_none(x: Array) -> Any:
    """The plain value of an array or tracer; None where a tracer has none."""
    try:
        return x.concrete() if isinstance(x, Tracer) else x
    except ConcretizationError:
        return None


# Batching.


def lined_up(size: int, batched: Sequence[bool], *args: Array, cores: Sequence[int]) -> list[Array]:
    """Line up the batch axes of operands whose last `cores[i]` axes are matrices or vectors."""
    stacks = [x.ndim - b - c for x, b, c in zip(args, batched, cores, strict=True)]
    rank = max(stacks)
    return [
        x[(slice(None), *[None] * (rank - s))] if b else x
        for x, b, s in zip(args, batched, stacks, strict=True)
    ]


def stacked(primitive_of: Callable[[], Primitive], *cores: int) -> Rule:
    """The batching rule of what works on stacks of matrices anyway.

    `cores` says how many axes of each operand a matrix or vector takes, where there are several
    operands; all of them get the batch axis then.
    """

    def batch(size: int, batched: Sequence[bool], *args: Array, **params: Any) -> Any:
        if len(args) > 1:
            full = [
                x if b else np.broadcast_to(x, (size, *x.shape))
                for x, b in zip(args, batched, strict=True)
            ]
            args = tuple(lined_up(size, [True] * len(args), *full, cores=cores))
        return primitive_of().bind(*args, **params)

    return batch


# Linear systems: the right-hand side has one axis, or is a stack of matrices, as in NumPy 2.


def solve_shape(a: ShapedArray, b: ShapedArray, **params: Any) -> ShapedArray:
    """The type of the solution of a x = b."""
    dtype = np.result_type(a.dtype, b.dtype)
    if b.ndim == 1:
        return ShapedArray(a.shape[:-1], dtype)
    return ShapedArray(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], dtype)


def solve_batch(primitive_of: Callable[[], Primitive]) -> Rule:
    """The batching rule of what solves a x = b."""

    def batch(size: int, batched: Sequence[bool], a: Array, b: Array, **params: Any) -> Array:
        primitive = primitive_of()
        b_ndim = b.ndim - batched[1]
        if b_ndim == 1:
            if not batched[0] and a.ndim == 2:  # one factorisation for all right-hand sides
                return mT(primitive.bind(a, mT(b), **params))
            if batched[1]:
                column = b[(slice(None), *[None] * (a.ndim - batched[0] - 2), slice(None), None)]
            else:
                column = b[:, None]
            return primitive.bind(a, column, **params)[..., 0]
        if not batched[0] and a.ndim == 2 and b_ndim == 2:
            n, k = b.shape[1:]
            wide = np.reshape(np.moveaxis(b, 0, 1), (n, size * k))
            y = np.reshape(primitive.bind(a, wide, **params), (n, size, k))
            return np.moveaxis(y, 1, 0)
        return primitive.bind(*lined_up(size, batched, a, b, cores=(2, 2)), **params)

    return batch


# Rounding.


def epsilon(x: Any) -> float:
    """The machine precision of an array's dtype."""
    return float(np.finfo(real_dtype(x.dtype)).eps)


def peak(x: Array, axes: int) -> Array:
    """The largest absolute value over the last axes, which are kept; 0 where there is none."""
    return np.max(np.abs(x), axis=tuple(range(-axes, 0)), keepdims=True, initial=0.0)


def lanes(f: Callable[..., Any], cores: Sequence[int], *arrays: Array) -> list[Any]:
    """`f` of each matrix of stacks of them, one after the other, in C order: for functions that
    take no stacks.
    """
    stack = np.broadcast_shapes(
        *[x.shape[: x.ndim - c] for x, c in zip(arrays, cores, strict=True)]
    )
    full = [
        np.broadcast_to(x, stack + x.shape[x.ndim - c :])
        for x, c in zip(arrays, cores, strict=True)
    ]
    return [f(*[x[i] for x in full]) for i in np.ndindex(*stack)]


def typed(shape: Sequence[int], dtype: Any) -> ShapedArray:
    """The type of an array."""
    return ShapedArray(tuple(shape), np.dtype(dtype))
