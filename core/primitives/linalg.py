"""Linear algebra on stacks of matrices: solve, inv, det, slogdet, cholesky, norm.

Derivatives after Giles, "Collected matrix derivative results for forward and reverse mode AD"
(2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..rules import unbroadcast
from ..tracing import Primitive
from .elementwise import as_array, astype, real_dtype
from .reductions import norm_p


def _mT(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _linalg_operand(x: Any, operation: str) -> Array:
    """NumPy's linear algebra computes in floating point: integers are cast."""
    x = as_array(x, operation)
    return x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64)


def _check_square(operation: str, aval: ShapedArray) -> None:
    if aval.ndim < 2 or aval.shape[-1] != aval.shape[-2]:
        raise np.linalg.LinAlgError(
            f"{operation}: needs square matrices in the last two axes; got {aval!r}"
        )


def _leading(size: int, batched: Sequence[bool], *args: Array, cores: Sequence[int]) -> list[Array]:
    """Line up the batch axes of operands whose last `cores[i]` axes are matrices or vectors."""
    stacks = [x.ndim - b - c for x, b, c in zip(args, batched, cores, strict=True)]
    rank = max(stacks)
    return [
        x[(slice(None), *[None] * (rank - s))] if b else x
        for x, b, s in zip(args, batched, stacks, strict=True)
    ]


# solve. A right-hand side with one axis is a vector; with more, a stack of matrices, as in NumPy 2.


def _solve_jvp_matrix(t: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim > 1:
        return np.linalg.solve(a, -(t @ y))
    return _solve_vectors(a, -np.matmul(t, y[..., None])[..., 0])


def _solve_vectors(a: Array, b: Array) -> Array:
    """Solve with a stack of vectors, which np.linalg.solve takes for one vector or for matrices."""
    return solve_p.bind(a, b) if b.ndim == 1 else np.linalg.solve(a, b[..., None])[..., 0]


def _solve_shape(a: ShapedArray, b: ShapedArray) -> ShapedArray:
    dtype = np.result_type(a.dtype, b.dtype)
    if b.ndim == 1:
        return ShapedArray(a.shape[:-1], dtype)
    return ShapedArray(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) + b.shape[-2:], dtype)


def _solve_batch(size: int, batched: Sequence[bool], a: Array, b: Array) -> Array:
    b_ndim = b.ndim - batched[1]
    if b_ndim == 1:
        if not batched[0] and a.ndim == 2:  # one factorisation for all right-hand sides
            return _mT(solve_p.bind(a, _mT(b)))
        if batched[1]:
            column = b[(slice(None), *[None] * (a.ndim - batched[0] - 2), slice(None), None)]
        else:
            column = b[:, None]
        return solve_p.bind(a, column)[..., 0]
    if not batched[0] and a.ndim == 2 and b_ndim == 2:
        n, k = b.shape[1:]
        wide = np.reshape(np.moveaxis(b, 0, 1), (n, size * k))
        return np.moveaxis(np.reshape(solve_p.bind(a, wide), (n, size, k)), 1, 0)
    return solve_p.bind(*_leading(size, batched, a, b, cores=(2, 2)))


solve_p: Primitive = Primitive(
    "solve",
    np.linalg.solve,
    shape=_solve_shape,
    jvps=(_solve_jvp_matrix, lambda t, y, a, b: solve_p.bind(a, t)),
    transposes=(None, lambda ct, a, b: _solve_ct(ct, a, b)),
    linear="separately",
    linear_args=(1,),
    batch=_solve_batch,
)


def _solve_ct(ct: Array, a: Array, b: Any) -> Array:
    if b.ndim == 1:
        return unbroadcast(_solve_vectors(_mT(a), ct), b)
    return unbroadcast(solve_p.bind(_mT(a), ct), b)


@implements(np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    """`np.linalg.solve` on traced values."""
    a, b = _linalg_operand(a, "np.linalg.solve"), _linalg_operand(b, "np.linalg.solve")
    _check_square("np.linalg.solve", aval_of(a))
    if a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        raise ShapeError(
            f"np.linalg.solve: the matrix {aval_of(a)!r} and the right-hand side {aval_of(b)!r} "
            "don't fit"
        )
    return solve_p.bind(a, b)


def _plain_batch(primitive_of: Any) -> Any:
    """The batching rule of what works on stacks of matrices anyway."""

    def batch(size: int, batched: Sequence[bool], x: Array, **params: Any) -> Array:
        return primitive_of().bind(x, **params)

    return batch


inv_p: Primitive = Primitive(
    "inv",
    np.linalg.inv,
    shape=lambda x: x,
    jvps=(lambda t, y, x: -(y @ (t @ y)),),
    batch=_plain_batch(lambda: inv_p),
)


@implements(np.linalg.inv)
def inv(a: Array) -> Array:
    """`np.linalg.inv` on traced values."""
    a = _linalg_operand(a, "np.linalg.inv")
    _check_square("np.linalg.inv", aval_of(a))
    return inv_p.bind(a)


def _trace_of_solve(a: Array, t: Array) -> Array:
    return np.trace(np.linalg.solve(a, t), axis1=-2, axis2=-1)


det_p: Primitive = Primitive(
    "det",
    np.linalg.det,
    shape=lambda x: ShapedArray(x.shape[:-2], x.dtype),
    jvps=(lambda t, y, x: _trace_of_solve(x, t) * y,),
    batch=_plain_batch(lambda: det_p),
)


@implements(np.linalg.det)
def det(a: Array) -> Array:
    """`np.linalg.det` on traced values; the derivative at a singular matrix raises NumPy's
    LinAlgError.
    """
    a = _linalg_operand(a, "np.linalg.det")
    _check_square("np.linalg.det", aval_of(a))
    return det_p.bind(a)


def _slogdet_jvp(t: Array, y: tuple[Array, Array], x: Array) -> tuple[Array | None, Array]:
    relative = _trace_of_solve(x, t)
    if aval_of(x).dtype.kind == "c":
        return y[0] * (1j * np.imag(relative)), np.real(relative)
    return None, relative


slogdet_p: Primitive = Primitive(
    "slogdet",
    lambda x: tuple(np.linalg.slogdet(x)),
    shape=lambda x: (
        ShapedArray(x.shape[:-2], x.dtype),
        ShapedArray(x.shape[:-2], real_dtype(x.dtype)),
    ),
    jvps=(_slogdet_jvp,),
    batch=_plain_batch(lambda: slogdet_p),
    multiple_results=True,
)
_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


@implements(np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    """`np.linalg.slogdet` on traced values: (sign, logabsdet)."""
    a = _linalg_operand(a, "np.linalg.slogdet")
    _check_square("np.linalg.slogdet", aval_of(a))
    return _SlogdetResult(*slogdet_p.bind(a))


# cholesky. Differentiated as a function of the symmetric (Hermitian) part of its argument.


def _cholesky_jvp(t: Array, y: Array, x: Array) -> Array:
    t = (t + np.conjugate(_mT(t))) * 0.5
    middle = np.linalg.solve(y, np.conjugate(_mT(np.linalg.solve(y, t))))
    n = x.shape[-1]
    half = np.tri(n, k=-1) + 0.5 * np.eye(n)
    return y @ (middle * half.astype(real_dtype(aval_of(x).dtype)))


cholesky_p: Primitive = Primitive(
    "cholesky",
    np.linalg.cholesky,
    shape=lambda x: x,
    jvps=(_cholesky_jvp,),
    batch=_plain_batch(lambda: cholesky_p),
)


@implements(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """`np.linalg.cholesky` on traced values.

    NumPy reads one triangle of the argument; the derivative is that of cholesky((a + a^H) / 2), so
    that the gradient of a symmetric matrix is symmetric.
    """
    a = _linalg_operand(a, "np.linalg.cholesky")
    _check_square("np.linalg.cholesky", aval_of(a))
    if upper:
        return np.conjugate(_mT(cholesky_p.bind(np.conjugate(_mT(a)))))
    return cholesky_p.bind(a)


# Norms.


@implements(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """`np.linalg.norm` on traced values: every vector norm, and the matrix norms fro, 1, -1, inf
    and -inf.
    """
    x = _linalg_operand(x, "np.linalg.norm")
    ndim = x.ndim
    if axis is None:
        if ord is None:
            y = norm_p.bind(x, axes=tuple(range(ndim)))
            return np.reshape(y, (1,) * ndim) if keepdims else y
        if ndim not in (1, 2):
            raise ShapeError(
                "np.linalg.norm: with `ord`, x must have one or two axes, or `axis` be given; "
                f"got {aval_of(x)!r}"
            )
        axis = tuple(range(ndim))
    axes = normalize_axis_tuple(axis, ndim)
    extra = {"keepdims": True} if keepdims else {}
    if ord is None or (len(axes) == 1 and ord == 2) or (len(axes) == 2 and ord in ("fro", "f")):
        return norm_p.bind(x, axes=axes, **extra)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        row, column = axes
        inner, outer = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=inner, keepdims=True)
        y = (np.max if ord > 0 else np.min)(sums, axis=outer, keepdims=True)
        return y if keepdims else np.squeeze(y, (inner, outer))
    raise unsupported_argument(
        "np.linalg.norm", "ord", ord, "use a vector norm, or 'fro', 1, -1, inf, -inf for matrices"
    )


def _vector_norm(x: Array, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum(astype(x != 0, size.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axes, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"np.linalg.norm: {ord!r} is not a norm of vectors")
    return np.sum(size**ord, axis=axes, keepdims=keepdims) ** (1 / ord)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """`np.linalg.matrix_norm` on traced values."""
    return np.linalg.norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """`np.linalg.vector_norm` on traced values."""
    x = _linalg_operand(x, "np.linalg.vector_norm")
    ndim = x.ndim
    axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)
    kept = [i for i in range(ndim) if i not in axes]
    flat = np.reshape(np.transpose(x, (*kept, *axes)), (*[x.shape[i] for i in kept], -1))
    y = np.linalg.norm(flat, ord=ord, axis=-1)
    return np.reshape(y, [1 if i in axes else d for i, d in enumerate(x.shape)]) if keepdims else y
