"""Median, quantiles and percentiles, with and without NaN, weighted or not.

NumPy computes them; the derivative finds the elements that they come from. Of a median, equal
elements share the derivative equally. Of a quantile, it goes to those that a stable sort puts at
its place; by `q`, it is the difference of the two neighbours times the rate at which the place
moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import asarray, implements
from ..errors import DtypeError, ShapeError
from ..rules import expand_reduced, lane_by_lane, reducer
from ..tracing import Primitive, Rule
from .elementwise import as_array, astype
from .indexing import getitem
from .reductions import axes_of
from .sorting import stable_order

# Median.


def rows(x: Array, axes: tuple[int, ...]) -> Array:
    """The array with the axes `axes` joined into one, the last."""
    if axes == (x.ndim - 1,):
        return x
    kept = [i for i in range(x.ndim) if i not in axes]
    shape = [x.shape[i] for i in kept]
    n = 1
    for i in axes:
        n *= x.shape[i]
    return np.reshape(np.transpose(x, (*kept, *axes)), (*shape, n))


def _in_the_middle(x: Array, nan: bool) -> list[Array]:
    """The one or two elements in the middle of each row, each in an axis of length 1."""
    n = x.shape[-1]
    if not nan:
        low, high = (n - 1) // 2, n // 2
        y = np.partition(x, (low, high), axis=-1)
        return [y[..., k : k + 1] for k in sorted({low, high})]
    count = np.sum(~np.isnan(x), axis=-1, keepdims=True)
    places = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, n - 1)
    y = np.sort(x, axis=-1)
    return [np.take_along_axis(y, k, -1) for k in places]


def _median_jvp(nan: bool) -> Rule:
    def jvp(
        t: Array, y: Array, x: Array, *, axes: tuple[int, ...], keepdims: bool = False
    ) -> Array:
        x, t = rows(x, axes), rows(t, axes)
        if not x.shape[-1]:
            return np.sum(t, axis=-1)
        found = _in_the_middle(x, nan)
        share = 0.0
        for v in found:
            hits = astype(x == v, aval_of(x).dtype)
            share = share + hits / np.maximum(np.sum(hits, axis=-1, keepdims=True), 1)
        return np.reshape(np.sum(t * share, axis=-1) / len(found), np.shape(y))

    return jvp


def _of_rows(numpys: Any) -> Rule:
    def impl(x: Array, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
        y = numpys(rows(x, axes), axis=-1)
        return expand_reduced(y, x, axes, not keepdims)

    return impl


median_p = reducer("median", _of_rows(np.median), _median_jvp(nan=False))
nanmedian_p = reducer("nanmedian", _of_rows(np.nanmedian), _median_jvp(nan=True))


def _median_function(primitive: Primitive) -> Rule:
    name = primitive.name

    def function(
        a: Array,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        keepdims: bool = False,
    ) -> Array:
        x = as_array(a, f"np.{name}")
        if aval_of(x).dtype.kind not in "fc":
            x = astype(x, np.float64)
        return primitive.bind(x, axes=axes_of(axis, x.ndim), keepdims=bool(keepdims))

    function.__name__ = name
    function.__doc__ = f"`np.{name}` on traced values; equal elements share the derivative."
    return function


median = implements(np.median)(_median_function(median_p))
nanmedian = implements(np.nanmedian)(_median_function(nanmedian_p))

# Where a quantile is found among n sorted elements, after Hyndman and Fan, "Sample quantiles in
# statistical packages" (1996). Their parameters, for the continuous ones:

_ALPHA_BETA = {
    "linear": (1.0, 1.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_METHODS = (
    *_ALPHA_BETA,
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "lower",
    "higher",
    "midpoint",
    "nearest",
)


def _place(method: str, n: Array, q: Array) -> Array:
    """The place of the quantile, counted from 0, before it is put between 0 and n - 1."""
    if method in ("linear", "lower", "higher", "nearest", "midpoint"):
        return (n - 1) * q
    if method in _ALPHA_BETA:
        alpha, beta = _ALPHA_BETA[method]
        return n * q + (alpha + q * (1 - alpha - beta)) - 1
    return n * q - (1.5 if method == "closest_observation" else 1)


def _neighbours(method: str, n: Array, q: Array) -> tuple[Array, Array, Array]:
    """The places of the elements below and above, and the weight of the one above."""
    last = np.maximum(n - 1, 0)
    at = _place(method, n, q)
    place = np.clip(at, 0, last)
    below = np.floor(place)
    if method in _ALPHA_BETA:
        # At the upper end the weight is 1, for the derivative by q to be that of the inside.
        below = np.minimum(below, np.maximum(last - 1, 0))
        weight = place - below
    elif method == "midpoint":
        weight = np.where(place == below, 0.0, 0.5)
    elif method == "averaged_inverted_cdf":
        weight = np.where(at < 0, 0.0, np.where(at == below, 0.5, 1.0))
    elif method == "closest_observation":
        even = (at == np.floor(at)) & (np.floor(at) % 2 == 1)
        below = np.where(even, np.floor(at), np.floor(at) + 1)
        weight = np.zeros_like(below)
    elif method == "lower":
        weight = np.zeros_like(below)
    elif method == "nearest":
        below, weight = np.round(place), np.zeros_like(below)
    else:  # higher, inverted_cdf
        below, weight = np.ceil(place), np.zeros_like(below)
    below = astype(np.clip(below, 0, last), np.intp)
    return below, np.minimum(below + 1, last), weight


def _rate(method: str, n: Array, q: Array) -> Array:
    """How fast the place moves with q: not at all beyond the first and the last element."""
    alpha, beta = _ALPHA_BETA[method]
    place = _place(method, n, q)
    return np.where((place >= 0) & (place <= n - 1), n + (1 - alpha - beta), 0.0)


def _sorted_pairs(
    v: Array, x: Array, q: Array, method: str, nan: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """What of `v` belongs to the elements below and above each quantile of x's rows, the weight of
    the latter, the number of elements, and q, with an axis of its own at the end.
    """
    order = stable_order(x, -1)
    q = np.reshape(q, (-1,))
    n: Any = np.sum(~np.isnan(x), axis=-1, keepdims=True) if nan else x.shape[-1]
    below, above, weight = _neighbours(method, n, q)
    first, second = [
        np.take_along_axis(
            v, np.take_along_axis(order, k, -1) if nan else getitem(order, (..., k)), -1
        )
        for k in (below, above)
    ]
    return first, second, weight, n, q


def _finish(y_dot: Array, y: Array) -> Array:
    return astype(np.reshape(y_dot, np.shape(y)), aval_of(y).dtype)


def _quantile_jvp_x(
    t: Array, y: Array, x: Array, q: Array, *, method: str, nan: bool = False
) -> Array:
    first, second, weight, _, _ = _sorted_pairs(t, x, q, method, nan)
    return _finish(first + weight * (second - first), y)


def _quantile_jvp_q(
    t: Array, y: Array, x: Array, q: Array, *, method: str, nan: bool = False
) -> Array:
    if method not in _ALPHA_BETA:
        return astype(np.broadcast_to(t, np.shape(y)), aval_of(y).dtype) * 0
    first, second, _, n, q = _sorted_pairs(x, x, q, method, nan)
    return _finish(np.reshape(t, (-1,)) * (second - first) * _rate(method, n, q), y)


def _quantile(x: Array, q: Array, *, method: str, nan: bool = False) -> Array:
    numpys: Any = np.nanquantile if nan else np.quantile
    y = numpys(x, q, axis=-1, method=method)
    return np.moveaxis(y, 0, -1) if np.ndim(q) else y


def _quantile_shape(
    x: ShapedArray, q: ShapedArray, *, method: str, nan: bool = False
) -> ShapedArray:
    some_q = 0.5 if q.weak_type else q.dtype.type(0.5)
    found = _quantile(np.ones(2, x.dtype), some_q, method=method)
    return ShapedArray(x.shape[:-1] + q.shape, found.dtype)


def _quantile_batch(
    size: int, batched: Sequence[bool], x: Array, q: Array, *, method: str, nan: bool = False
) -> Array:
    if not batched[1]:
        return quantile_p.bind(x, q, method=method, nan=nan)
    if batched[0]:
        return lane_by_lane(quantile_p, size, batched, x, q, method=method, nan=nan)
    y = quantile_p.bind(x, np.reshape(q, (-1,)), method=method, nan=nan)
    return np.moveaxis(np.reshape(y, (*x.shape[:-1], *q.shape)), x.ndim - 1, 0)


quantile_p: Primitive = Primitive(
    "quantile",
    _quantile,
    shape=_quantile_shape,
    jvps=(_quantile_jvp_x, _quantile_jvp_q),
    batch=_quantile_batch,
)
"""Quantiles of the last axis; those of several `q` in an axis at the end."""


# With weights: the first element up to which the weights make up the share q.


def _weighted_jvp(t: Array, y: Array, x: Array, w: Array, q: Array, *, nan: bool = False) -> Array:
    order = stable_order(x, -1)
    if nan:
        w = np.where(np.isnan(x), 0, w)
    total = np.cumsum(np.take_along_axis(w, order, -1), axis=-1, dtype=np.float64)
    share = total / total[..., -1:]
    share = np.where(share == 0, -1, share)
    q = np.reshape(q, (-1,))
    place = np.sum(share[..., None] < q, axis=-2)
    source = np.take_along_axis(order, np.minimum(place, x.shape[-1] - 1), -1)
    return _finish(np.take_along_axis(t, source, -1), y)


def _weighted_quantile(x: Array, w: Array, q: Array, *, nan: bool = False) -> Array:
    quantile_of = np.nanquantile if nan else np.quantile
    y = quantile_of(x, q, axis=-1, method="inverted_cdf", weights=w)
    return np.moveaxis(y, 0, -1) if np.ndim(q) else y


weighted_quantile_p: Primitive = Primitive(
    "weighted_quantile",
    _weighted_quantile,
    shape=lambda x, w, q, *, nan=False: ShapedArray(x.shape[:-1] + q.shape, x.dtype),
    jvps=(_weighted_jvp, None, None),
    batch=lambda size, batched, x, w, q, **params: (
        lane_by_lane(weighted_quantile_p, size, batched, x, w, q, **params)
        if batched[2]
        else weighted_quantile_p.bind(
            *[
                v if on else np.broadcast_to(v, (size, *v.shape))
                for v, on in zip((x, w), batched, strict=False)
            ],
            q,
            **params,
        )
    ),
)


def like_operand(operation: str, x: Array, weights: Array, axis: Any) -> Array:
    """Weights of the operand's shape, or of that of the axes reduced, to broadcast against it."""
    w = as_array(weights, operation)
    if w.shape == x.shape:
        return w
    if axis is None:
        raise TypeError(
            f"{operation}: `axis` must be given where weights and operand differ in shape; got "
            f"{aval_of(w)!r} for {aval_of(x)!r}"
        )
    axes = axes_of(axis, x.ndim)
    if w.shape != tuple([x.shape[i] for i in axes]):
        raise ShapeError(
            f"{operation}: the weights must have the shape of the operand along axis {axis}; got "
            f"{aval_of(w)!r} for {aval_of(x)!r}"
        )
    w = np.transpose(w, [int(i) for i in np.argsort(axes)])
    return np.reshape(w, [d if i in axes else 1 for i, d in enumerate(x.shape)])


def _quantile_function(name: str, nan: bool) -> Rule:
    def function(
        a: Array,
        q: Array,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Array:
        x, q = as_array(a, name), asarray(q, name)
        if aval_of(x).dtype.kind == "c":
            raise DtypeError(f"{name}: complex numbers have no quantiles.", got=repr(aval_of(x)))
        if method not in _METHODS:
            raise ValueError(f"{name}: unknown method {method!r}; use one of {', '.join(_METHODS)}")
        axes = axes_of(axis, x.ndim)
        shape = np.shape(q)
        if len(shape) > 1:
            q = np.reshape(q, (-1,))
        if weights is None:
            y = quantile_p.bind(rows(x, axes), q, method=method, nan=nan)
        else:
            if method != "inverted_cdf":
                raise ValueError(
                    f"{name}: weights need method='inverted_cdf', as in NumPy; got {method!r}"
                )
            w = np.broadcast_to(like_operand(name, x, weights, axis), x.shape)
            y = weighted_quantile_p.bind(rows(x, axes), rows(w, axes), q, nan=nan)
        kept = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        if shape:
            y = np.moveaxis(y, -1, 0)
        return np.reshape(y, (*shape, *kept)) if keepdims or len(shape) > 1 else y

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values."
    return function


quantile = implements(np.quantile)(_quantile_function("np.quantile", nan=False))
nanquantile = implements(np.nanquantile)(_quantile_function("np.nanquantile", nan=True))


def _percentile_function(name: str, quantile_of: Any) -> Rule:
    def function(
        a: Array,
        q: Array,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: bool = False,
        *,
        weights: Any = None,
    ) -> Array:
        share = asarray(q, name) / 100
        return quantile_of(a, share, axis, None, False, method, keepdims, weights=weights)

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values."
    return function


percentile = implements(np.percentile)(_percentile_function("np.percentile", quantile))
nanpercentile = implements(np.nanpercentile)(_percentile_function("np.nanpercentile", nanquantile))
