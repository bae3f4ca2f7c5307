"""Products that are linear in each of two operands: convolve, correlate, cross.

NumPy convolves one pair of vectors at a time, so a stack of pairs is a loop; many short ones are a
loop over the elements of the shorter vector, for all pairs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..rules import align_batch, bilinear, unbroadcast
from ..tracing import Primitive, Rule
from .elementwise import as_array
from .indexing import scatter


def _stacked_batch(primitive_of: Any) -> Rule:
    """The batching rule of what works on the last axis of stacks that broadcast."""

    def batch(size: int, batched: Sequence[bool], a: Array, b: Array, **params: Any) -> Array:
        rank = max(a.ndim - batched[0], b.ndim - batched[1])
        lined_up = [
            align_batch(rank, x) if on else x for x, on in zip((a, b), batched, strict=True)
        ]
        return primitive_of().bind(*lined_up, **params)

    return batch


# convolve. The modes are parts of the full convolution, which has n + m - 1 elements.


def _part(n: int, m: int, mode: str) -> tuple[int, int]:
    """Where the result begins in the full convolution, and its length."""
    if mode == "full":
        return 0, n + m - 1
    least, most = min(n, m), max(n, m)
    return ((least - 1) // 2, most) if mode == "same" else (least - 1, most - least + 1)


_MANY = 8000
"""From how many products on a call of np.convolve costs no more than its arithmetic."""


def _convolve(a: Array, v: Array, *, mode: Any) -> Array:
    if a.ndim == 1 == v.ndim:
        return np.convolve(a, v, mode)
    if v.shape[-1] > a.shape[-1]:
        a, v = v, a
    n, m = a.shape[-1], v.shape[-1]
    start, length = _part(n, m, mode)
    stack = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    y = np.zeros((*stack, length), np.result_type(a, v))
    if m > np.prod(stack) or m * n > _MANY:
        a, v = [np.broadcast_to(x, (*stack, x.shape[-1])) for x in (a, v)]
        for i in np.ndindex(*stack):
            y[i] = np.convolve(a[i], v[i], mode)
        return y
    for k in range(m):
        first, last = max(start - k, 0), min(start + length - k, n)
        y[..., first + k - start : last + k - start] += a[..., first:last] * v[..., k : k + 1]
    return y


def _convolve_shape(a: ShapedArray, v: ShapedArray, *, mode: str) -> ShapedArray:
    stack = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    _, length = _part(a.shape[-1], v.shape[-1], mode)
    return ShapedArray((*stack, length), np.result_type(a.dtype, v.dtype))


def _convolve_back(ct: Array, x: Any, other: Array, mode: str) -> Array:
    """The cotangent of one operand: the full cotangent, correlated with the other."""
    n, m = x.shape[-1], other.shape[-1]
    if mode != "full":
        start, length = _part(n, m, mode)
        ct = scatter(ct, (..., slice(start, start + length)), (*ct.shape[:-1], n + m - 1))
    return unbroadcast(convolve_p.bind(ct, other[..., ::-1], mode="valid"), x)


convolve_p: Primitive = bilinear(
    "convolve",
    _convolve,
    lambda ct, a, v, *, mode: _convolve_back(ct, a, v, mode),
    lambda ct, a, v, *, mode: _convolve_back(ct, v, a, mode),
    shape=_convolve_shape,
    batch=_stacked_batch(lambda: convolve_p),
)


def _vectors(operation: str, a: Array, v: Array, mode: str) -> list[Array]:
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{operation}: mode must be 'full', 'same' or 'valid'; got {mode!r}")
    found = [np.atleast_1d(as_array(x, operation)) for x in (a, v)]
    for x in found:
        if x.ndim != 1 or not x.shape[0]:
            raise ShapeError(f"{operation}: needs vectors that are not empty; got {aval_of(x)!r}")
    return found


@implements(np.convolve)
def convolve(a: Array, v: Array, mode: Any = "full") -> Array:
    """`np.convolve` on traced values."""
    x, y = _vectors("np.convolve", a, v, mode)
    return convolve_p.bind(x, y, mode=mode)


@implements(np.correlate)
def correlate(a: Array, v: Array, mode: Any = "valid") -> Array:
    """`np.correlate` on traced values."""
    x, y = _vectors("np.correlate", a, v, mode)
    if x.shape[0] < y.shape[0]:
        return np.conjugate(np.correlate(y, x, mode))[::-1]
    return convolve_p.bind(x, np.conjugate(y)[::-1], mode=mode)


# cross.


def _cross_shape(a: ShapedArray, b: ShapedArray) -> ShapedArray:
    return ShapedArray(np.broadcast_shapes(a.shape, b.shape), np.result_type(a.dtype, b.dtype))


cross_p: Primitive = bilinear(
    "cross",
    np.cross,
    lambda ct, a, b: unbroadcast(cross_p.bind(b, ct), a),
    lambda ct, a, b: unbroadcast(cross_p.bind(ct, a), b),
    shape=_cross_shape,
    batch=_stacked_batch(lambda: cross_p),
)


def _in_space(x: Array) -> Array:
    """A vector of the plane as one of space."""
    if x.shape[-1] == 3:
        return x
    return np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)


@implements(np.cross)
def cross(
    a: Array,
    b: Array,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Array:
    """`np.cross` on traced values."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = as_array(a, "np.cross"), as_array(b, "np.cross")
    if not x.ndim or not y.ndim:
        raise ShapeError(f"np.cross: needs vectors; got {aval_of(x)!r} and {aval_of(y)!r}")
    x = np.moveaxis(x, normalize_axis_index(axisa, x.ndim), -1)
    y = np.moveaxis(y, normalize_axis_index(axisb, y.ndim), -1)
    lengths = {x.shape[-1], y.shape[-1]}
    if not lengths <= {2, 3}:
        raise ShapeError(
            "np.cross: the vectors must have 3 elements, or 2; got "
            f"{aval_of(x)!r} and {aval_of(y)!r}"
        )
    if lengths == {2}:
        return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
    return np.moveaxis(cross_p.bind(_in_space(x), _in_space(y)), -1, axisc)
