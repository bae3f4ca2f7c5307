"""Cumulative sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray
from ..dispatch import implements
from ..rules import linear
from ..tracing import Primitive, Rule
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


def _cumulative_function(primitive: Primitive, name: str, start: int) -> Rule:
    def function(
        x: Array,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        out: None = None,
        include_initial: bool = False,
    ) -> Array:
        x = np.atleast_1d(as_array(x, name))
        if axis is None and x.ndim > 1:
            raise ValueError(f"{name}: `axis` must be given for more than one axis; got {x.ndim}")
        axis = normalize_axis_index(0 if axis is None else axis, x.ndim)
        y = _cumulative(primitive, x, axis, dtype)
        if not include_initial:
            return y
        shape = [1 if i == axis else d for i, d in enumerate(x.shape)]
        return np.concatenate([np.full(shape, start, y.dtype), y], axis=axis)

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values."
    return function


if hasattr(np, "cumulative_sum"):
    cumulative_sum = implements(np.cumulative_sum)(
        _cumulative_function(cumsum_p, "np.cumulative_sum", 0)
    )
    cumulative_prod = implements(np.cumulative_prod)(
        _cumulative_function(cumprod_p, "np.cumulative_prod", 1)
    )
