"""Cumulative sums and products, and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray
from ..dispatch import implements
from ..rules import linear
from ..tracing import Primitive
from .elementwise import as_array, astype
from .reductions import sum_dtype

cumsum_p: Primitive = linear(
    "cumsum",
    lambda x, *, axis: np.cumsum(x, axis=axis),
    lambda ct, x, *, axis: np.flip(np.cumsum(np.flip(ct, axis), axis=axis), axis),
    shape=lambda x, *, axis: ShapedArray(x.shape, sum_dtype(x.dtype)),
    batch=lambda size, batched, x, *, axis: cumsum_p.bind(x, axis=axis + 1),
)


def _cumprod_jvp(t: Array, y: Array, x: Array, *, axis: int) -> Array:
    """A scan of (value, tangent) pairs by doubling, which is exact with zeros (Hillis and Steele,
    1986).
    """
    v, t = np.moveaxis(x, axis, 0), np.moveaxis(t, axis, 0)
    n, step = v.shape[0], 1
    while step < n:
        before, t_before, here, t_here = v[:-step], t[:-step], v[step:], t[step:]
        v = np.concatenate([v[:step], before * here])
        t = np.concatenate([t[:step], t_before * here + t_here * before])
        step *= 2
    return np.moveaxis(t, 0, axis)


cumprod_p: Primitive = Primitive(
    "cumprod",
    lambda x, *, axis: np.cumprod(x, axis=axis),
    shape=lambda x, *, axis: ShapedArray(x.shape, sum_dtype(x.dtype)),
    jvps=(_cumprod_jvp,),
    batch=lambda size, batched, x, *, axis: cumprod_p.bind(x, axis=axis + 1),
)


def _cumulative(primitive: Primitive, a: Array, axis: int | None, dtype: Any) -> Array:
    x = as_array(a, f"np.{primitive.name}")
    if dtype is not None:
        x = astype(x, dtype)
    if axis is None:
        x, axis = np.ravel(x), 0
    x = np.atleast_1d(x)
    return primitive.bind(x, axis=normalize_axis_index(axis, x.ndim))


@implements(np.cumsum)
def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """`np.cumsum` on traced values."""
    return _cumulative(cumsum_p, a, axis, dtype)


@implements(np.cumprod)
def cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """`np.cumprod` on traced values."""
    return _cumulative(cumprod_p, a, axis, dtype)


@implements(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """`np.diff` on traced values."""
    x = as_array(a, "np.diff")
    axis = normalize_axis_index(axis, x.ndim)
    ends = []
    for end in (prepend, append):
        if end is not None:
            end = as_array(end, "np.diff")
            if np.ndim(end) == 0:
                end = np.broadcast_to(end, [1 if i == axis else d for i, d in enumerate(x.shape)])
        ends.append(end)
    parts = [p for p in (ends[0], x, ends[1]) if p is not None]
    x = np.concatenate(parts, axis=axis) if len(parts) > 1 else x
    before, after = [(*[slice(None)] * axis, s) for s in (slice(None, -1), slice(1, None))]
    for _ in range(n):
        x = x[after] ^ x[before] if x.dtype.kind == "b" else x[after] - x[before]
    return x
