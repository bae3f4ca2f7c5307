"""Norms and condition numbers: norm, vector_norm, matrix_norm, cond.

Where a norm has a kink its derivative is the subgradient of least norm: 0 at 0, and at elements
that are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..rules import expand_reduced, reducer
from ..tracing import Primitive
from .elementwise import real_dtype
from .matrices import (
    check_square,
    linalg_operand,
    matrix_operand,
    stacked,
    typed,
)
from .reductions import norm_p
from .singular import polar_p, svdvals_p

Axes = tuple[int, ...]

# The norm of order p over axes: (sum |x|^p)^(1/p).


def _p_norm(x: Array, *, axes: Axes, p: Any, keepdims: bool = False) -> Array:
    size = np.abs(x)
    size **= p
    total = np.sum(size, axis=axes, keepdims=keepdims)
    total **= np.reciprocal(p, dtype=total.dtype)
    return total


def _p_norm_jvp(
    t: Array, y: Array, x: Array, *, axes: Axes, p: Any, keepdims: bool = False
) -> Array:
    # d y = sum (|x| / y)^(p - 1) d|x|, without the elements that are 0.
    whole = expand_reduced(y, x, axes, keepdims)
    size = np.abs(x)
    zero = (size == 0) | (whole == 0)
    share = np.where(zero, 1, size) / np.where(zero, 1, whole)
    slope = np.where(zero, 0, share ** (p - 1)) / np.where(zero, 1, size)
    moved = np.real(np.conjugate(x) * t)
    return np.sum(moved * slope, axis=axes, keepdims=keepdims)


p_norm_p = reducer("p_norm", _p_norm, _p_norm_jvp, dtype=real_dtype)


def _nuclear_jvp(t: Array, y: Array, x: Array) -> Array:
    return np.sum(np.real(np.conjugate(polar_p.bind(x, full=False)) * t), axis=(-2, -1))


nuclear_p: Primitive = Primitive(
    "nuclear_norm",
    lambda x: np.add.reduce(np.linalg.svd(x, compute_uv=False), axis=-1),
    shape=lambda x: typed(x.shape[:-2], real_dtype(x.dtype)),
    jvps=(_nuclear_jvp,),
    batch=stacked(lambda: nuclear_p),
)


@implements(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """`np.linalg.norm` on traced values: all norms of vectors and matrices.

    Equal largest values share the derivative of the norms 2, -2, inf, -inf, 1 and -1.
    """
    x = linalg_operand(x, "np.linalg.norm")
    ndim = x.ndim
    if axis is None:
        if ord is None:
            y = norm_p.bind(x, axes=tuple(range(ndim)))
            return np.reshape(y, (1,) * ndim) if keepdims else y
        if ndim not in (1, 2):
            raise ShapeError(
                "np.linalg.norm: with `ord`, x must have one or two axes, or `axis` be given.",
                got=repr(aval_of(x)),
                needed="one or two axes",
                fix="use np.linalg.vector_norm for the norm of all elements",
            )
        axis = tuple(range(ndim))
    axes = normalize_axis_tuple(axis, ndim)
    if len(axes) not in (1, 2):
        raise ShapeError(
            "np.linalg.norm: a norm is taken over one axis or two.", got=f"axis={axis}"
        )
    extra = {"keepdims": True} if keepdims else {}
    if ord is None or (len(axes) == 1 and ord == 2) or (len(axes) == 2 and ord in ("fro", "f")):
        return norm_p.bind(x, axes=axes, **extra)
    y = _vector_norm(x, ord, axes) if len(axes) == 1 else _matrix_norm(x, ord, axes)
    return expand_reduced(y, x, axes, False) if keepdims else y


def _vector_norm(x: Array, ord: Any, axes: Axes) -> Array:
    if isinstance(ord, str):
        raise ValueError(f"np.linalg.norm: {ord!r} is not a norm of vectors")
    size = np.abs(x)
    if ord == np.inf:
        return _largest(size, axes[0])
    if ord == -np.inf:
        return np.min(size, axis=axes)
    if ord == 0:
        return np.sum((x != 0).astype(size.dtype), axis=axes)
    if ord == 1:
        return np.sum(size, axis=axes)
    return p_norm_p.bind(x, axes=axes, p=ord)


def _largest(x: Array, axis: int) -> Array:
    """The maximum along an axis of what is not negative: 0 where there is nothing."""
    return np.max(x, axis=axis) if x.shape[axis] else np.sum(x, axis=axis)


def _matrix_norm(x: Array, ord: Any, axes: Axes) -> Array:
    row, column = axes
    if ord in (1, -1, np.inf, -np.inf):
        inner, outer = (row, column) if abs(ord) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=inner)
        outer -= outer > inner
        return _largest(sums, outer) if ord > 0 else np.min(sums, axis=outer)
    if ord not in (2, -2, "nuc"):
        raise ValueError(f"np.linalg.norm: {ord!r} is not a norm of matrices")
    x = np.moveaxis(x, axes, (-2, -1))
    if ord == "nuc":
        return nuclear_p.bind(x)
    s = svdvals_p.bind(x)
    return _largest(s, s.ndim - 1) if ord == 2 else np.min(s, axis=-1)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """`np.linalg.matrix_norm` on traced values."""
    return np.linalg.norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


@implements(np.linalg.vector_norm)
def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """`np.linalg.vector_norm` on traced values."""
    x = linalg_operand(x, "np.linalg.vector_norm")
    ndim = x.ndim
    axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)
    if len(axes) == 1:
        return np.linalg.norm(x, ord=ord, axis=axes[0], keepdims=keepdims)
    kept = [i for i in range(ndim) if i not in axes]
    count = 1
    for i in axes:
        count *= x.shape[i]
    flat = np.reshape(np.transpose(x, (*kept, *axes)), (*[x.shape[i] for i in kept], count))
    y = np.linalg.norm(flat, ord=ord, axis=-1)
    return expand_reduced(y, x, axes, False) if keepdims else y


# The condition number.


def _inv_or_nan(x: Array) -> Array:
    """The inverses; NaN for singular matrices. One after the other where there are some, since
    NumPy's inverse raises for the whole stack.
    """
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        if x.ndim == 2:
            return np.full_like(x, np.nan)
        return np.stack([_inv_or_nan(m) for m in x])


inv_or_nan_p: Primitive = Primitive(
    "inv_or_nan",
    _inv_or_nan,
    shape=lambda x: x,
    jvps=(lambda t, y, x: -(y @ (t @ y)),),
    batch=stacked(lambda: inv_or_nan_p),
)


def _ratio(a: Array, b: Array) -> Array:
    """a / b without a warning: inf where b is 0, and where both are."""
    zero = b == 0
    inverse = np.where(zero, np.inf, 1.0 / np.where(zero, 1, b))
    none = a == 0
    return np.where(none & zero, np.inf, np.where(none & zero, 1, a) * inverse)


@implements(np.linalg.cond)
def cond(x: Array, p: Any = None) -> Array:
    """`np.linalg.cond` on traced values; inf at singular matrices, without a finite derivative."""
    x = matrix_operand(x, "np.linalg.cond")
    if 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError("np.linalg.cond: not defined for empty matrices")
    if p is None or p in (2, -2):
        s = svdvals_p.bind(x)
        return _ratio(s[..., -1], s[..., 0]) if p == -2 else _ratio(s[..., 0], s[..., -1])
    check_square("np.linalg.cond", x)
    sizes = [np.linalg.norm(a, p, axis=(-2, -1)) for a in (x, inv_or_nan_p.bind(x))]
    y = sizes[0] * sizes[1]
    lost = np.isnan(y) & ~np.any(np.isnan(x), axis=(-2, -1))
    return np.where(lost, np.inf, y)
