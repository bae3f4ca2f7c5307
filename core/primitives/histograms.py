"""Histograms: which bin each value is in is a constant of the derivative, so counts have none; sums
of weights are linear in the weights, densities depend on the edges too, and edges on the extremes.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import asarray, implements
from ..errors import ConcretizationError, DtypeError, ShapeError
from ..rules import lane_by_lane, linear, zero_derivative
from ..tracing import Primitive, Tracer
from .elementwise import as_array, astype
from .indexing import getitem
from .values import certain, plain_value

# bincount. The length of the result is a parameter of the primitive; no place is beyond it.


def _bincount_batch(
    size: int, batched: Sequence[bool], w: Array, places: Array, *, length: int
) -> Array:
    """One count for all members: each has bins of its own."""
    places = _apart(size, places if batched[1] else places[None], length)
    w = np.broadcast_to(w, places.shape)
    y = bincount_p.bind(np.ravel(w), np.ravel(places), length=size * length)
    return np.reshape(y, (size, length))


def _apart(size: int, places: Array, length: int) -> Array:
    return places + np.arange(size)[:, None] * length


bincount_p: Primitive = linear(
    "bincount",
    # Of nothing, NumPy makes integers.
    lambda w, places, *, length: np.bincount(places, w, length).astype(np.float64, copy=False),
    lambda ct, w, places, *, length: getitem(ct, (places,)),
    shape=lambda w, places, *, length: ShapedArray((length,), np.dtype(np.float64)),
    batch=_bincount_batch,
)


counts_p: Primitive = zero_derivative(
    "counts",
    lambda places, *, length: np.bincount(places, None, length),
    shape=lambda places, *, length: ShapedArray((length,), np.dtype(np.intp)),
    batch=lambda size, batched, places, *, length: np.reshape(
        counts_p.bind(np.ravel(_apart(size, places, length)), length=size * length),
        (size, length),
    ),
)


def _sums(places: Array, weights: Array, length: int) -> Array:
    """The weights of each place, summed, in their dtype; the number of elements without weights."""
    if weights is None:
        return counts_p.bind(places, length=length)
    dtype = aval_of(weights).dtype
    if dtype.kind != "c":
        return astype(bincount_p.bind(astype(weights, np.float64), places, length=length), dtype)
    parts = [
        bincount_p.bind(astype(part, np.float64), places, length=length)
        for part in (np.real(weights), np.imag(weights))
    ]
    return astype(parts[0] + 1j * parts[1], dtype)


@implements(np.bincount)
def bincount(x: Array, /, weights: Any = None, minlength: int = 0) -> Array:
    """`np.bincount` on traced values: differentiable by the weights."""
    places = as_array(x, "np.bincount")
    if isinstance(places, Tracer) and not places.decides:
        raise ConcretizationError(
            "np.bincount needs concrete places: they decide the length of the result.",
            got=repr(x),
            fix=places.remedy()
            + "count with one comparison: np.sum(x[:, None] == np.arange(length), axis=0)",
        )
    if places.ndim != 1 or aval_of(places).dtype.kind not in "iub":
        raise DtypeError("np.bincount: needs a vector of ints.", got=repr(aval_of(places)))
    if certain(places < 0):
        raise ValueError("np.bincount: the places must not be negative")
    if weights is None:
        longest = np.max(places) + 1 if places.size else 0
        length = operator.index(np.maximum(longest, minlength))
        return counts_p.bind(places, length=length)
    w = as_array(weights, "np.bincount")
    if w.shape != places.shape:
        raise ShapeError(
            f"np.bincount: needs one weight for each place; got {aval_of(w)!r} for "
            f"{aval_of(places)!r}"
        )
    if aval_of(w).dtype.kind == "c":
        raise DtypeError("np.bincount: the weights must be real.", got=repr(aval_of(w)))
    if not places.size:
        return np.bincount(places, None, minlength)
    length = operator.index(np.maximum(np.max(places) + 1, minlength))
    return bincount_p.bind(astype(w, np.float64), places, length=length)


# Edges.


def _outer_edges(operation: str, x: Array, limits: Any) -> tuple[Array, Array]:
    if limits is not None:
        low, high = [asarray(v, operation) for v in limits]
        if certain(low > high):
            raise ValueError(f"{operation}: the range must not end before it begins; got {limits}")
    elif not aval_of(x).size:
        low, high = 0, 1
    else:
        low, high = np.min(x), np.max(x)
    if certain(~(np.isfinite(low) & np.isfinite(high))):
        raise ValueError(f"{operation}: the range from {low} to {high} is not finite")
    same = low == high
    unknown = isinstance(same, Tracer)
    if unknown:
        return np.where(same, low - 0.5, low), np.where(same, high + 0.5, high)
    return (low - 0.5, high + 0.5) if same else (low, high)


def _given_edges(operation: str, bins: Any) -> Array:
    edges = as_array(bins, operation)
    if edges.ndim != 1:
        raise ShapeError(f"{operation}: bins must be a number or a vector; got {aval_of(edges)!r}")
    if certain(edges[:-1] > edges[1:]):
        raise ValueError(f"{operation}: the edges in `bins` must increase")
    return edges


def _edges(operation: str, x: Array, bins: Any, limits: Any, weights: Any) -> tuple[Array, bool]:
    """The edges, and whether they are equally far apart."""
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError(f"{operation}: bins={bins!r} is not for weighted data")
        known = plain_value(x, operation, f"the number of bins, with bins={bins!r}")
        bins = len(np.histogram_bin_edges(known, bins, limits)) - 1
    elif np.ndim(bins):
        return _given_edges(operation, bins), False
    n = operator.index(bins)
    if n < 1:
        raise ValueError(f"{operation}: there must be at least one bin; got bins={n}")
    low, high = _outer_edges(operation, x, limits)
    dtype = np.result_type(low, high, x)
    if dtype.kind in "iu":
        dtype = np.result_type(dtype, float)
    edges = np.linspace(low, high, n + 1, dtype=dtype)
    if certain(edges[:-1] >= edges[1:]):
        raise ValueError(f"{operation}: {n} bins are too many for the range from {low} to {high}")
    return edges, True


def _values(operation: str, a: Array, weights: Any) -> tuple[Array, Array]:
    x = as_array(a, operation)
    if aval_of(x).dtype.kind == "b":
        x = astype(x, np.uint8)
    if weights is not None:
        weights = as_array(weights, operation)
        if weights.shape != x.shape:
            raise ShapeError(
                f"{operation}: needs one weight for each value; got {aval_of(weights)!r} for "
                f"{aval_of(x)!r}"
            )
        weights = np.ravel(weights)
    return np.ravel(x), weights


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Array, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    """`np.histogram_bin_edges` on traced values: differentiable by the least and largest value."""
    operation = "np.histogram_bin_edges"
    x, weights = _values(operation, a, weights)
    return _edges(operation, x, bins, range, weights)[0]


# Counting.


_BLOCK = 1 << 15
"""How many values are looked at at once, for what is computed to stay in the cache."""


def _even_bins(x: Array, edges: Array) -> Array:
    """Where edges equally far apart are: computed, and put right where rounding went wrong."""
    n = edges.size - 1
    low, high = edges[0], edges[-1]
    inside = (x >= low) & (x <= high)
    scaled = np.where(inside, x, low) - low
    k = np.minimum((scaled / (high - low) * n).astype(np.intp), n - 1)
    k -= x < edges[k]
    k += (x >= edges[k + 1]) & (k != n - 1)
    return np.where(inside, k, n)


def _bins(x: Array, edges: Array, *, even: bool) -> Array:
    """The bin of each value; the number of bins for those outside. The last edge is inside."""
    n = edges.size - 1
    k: Any
    if not even:
        k = np.searchsorted(edges, x, "right") - 1
        k[x == edges[-1]] = n - 1
        k[k < 0] = n
        return k
    flat = np.ravel(x)
    k = np.empty(flat.shape, np.intp)
    for i in range(0, flat.size, _BLOCK):
        k[i : i + _BLOCK] = _even_bins(flat[i : i + _BLOCK], edges)
    return np.reshape(k, x.shape)


def _bins_batch(size: int, batched: Sequence[bool], x: Array, edges: Array, *, even: bool) -> Array:
    if not batched[1]:
        return bins_p.bind(x, edges, even=even)
    return lane_by_lane(bins_p, size, batched, x, edges, even=even)


bins_p: Primitive = zero_derivative(
    "bins",
    _bins,
    shape=lambda x, edges, *, even: ShapedArray(x.shape, np.dtype(np.intp)),
    batch=_bins_batch,
)


@implements(np.histogram)
def histogram(
    a: Array, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, Array]:
    """`np.histogram` on traced values."""
    x, weights = _values("np.histogram", a, weights)
    edges, even = _edges("np.histogram", x, bins, range, weights)
    n = edges.shape[0] - 1
    counts = _sums(bins_p.bind(x, edges, even=even), weights, n + 1)[:n]
    if density:
        counts = counts / astype(np.diff(edges), np.float64) / np.sum(counts)
    return counts, edges


def _columns(sample: Any) -> list[Array]:
    """The coordinates of the points, one vector a dimension."""
    operation = "np.histogramdd"
    if isinstance(sample, list | tuple):
        found = [np.ravel(as_array(v, operation)) for v in sample]
        if len({v.shape for v in found}) > 1:
            raise ShapeError(f"{operation}: the coordinates must be equally many")
        return found
    points = as_array(sample, operation)
    if points.ndim == 1:
        return [points]
    if points.ndim != 2:
        raise ShapeError(f"{operation}: needs a row for each point; got {aval_of(points)!r}")
    return [points[:, i] for i in range(points.shape[1])]


def _several(bins: Any) -> bool:
    return isinstance(bins, list | tuple) or np.ndim(bins) > 0


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Array, list[Array]]:
    """`np.histogramdd` on traced values."""
    operation = "np.histogramdd"
    xs = _columns(sample)
    kinds = list(bins) if _several(bins) else [bins] * len(xs)
    limits = [None] * len(xs) if range is None else list(range)
    if len(kinds) != len(xs) or len(limits) != len(xs):
        raise ValueError(
            f"{operation}: needs bins and a range for each of {len(xs)} dimensions; got "
            f"{len(kinds)} and {len(limits)}"
        )
    edges: list[Array] = []
    even: list[bool] = []
    for x, b, limit in zip(xs, kinds, limits, strict=True):
        if np.ndim(b):
            edges.append(_given_edges(operation, b))
            even.append(False)
            continue
        n = operator.index(b)
        if n < 1:
            raise ValueError(f"{operation}: there must be at least one bin; got bins={n}")
        edges.append(np.linspace(*_outer_edges(operation, x, limit), n + 1))
        even.append(True)
    shape = [e.shape[0] - 1 for e in edges]
    total = 1
    for n in shape:
        total *= n
    place: Any = 0
    outside: Any = False
    for x, e, regular, n in zip(xs, edges, even, shape, strict=True):
        k = bins_p.bind(x, e, even=regular)
        place = place * n + np.minimum(k, n - 1)
        outside = outside | (k == n)
    place = np.where(outside, total, place)
    w = np.ones(xs[0].shape) if weights is None else as_array(weights, operation)
    if aval_of(w).dtype.kind == "c":
        raise DtypeError(f"{operation}: the weights must be real.", got=repr(aval_of(w)))
    counts = bincount_p.bind(astype(w, np.float64), place, length=total + 1)
    y = np.reshape(counts[:total], shape)
    if density:
        whole = np.sum(y)
        for i, e in enumerate(edges):
            y = y / np.reshape(np.diff(e), [-1 if j == i else 1 for j in np.arange(len(edges))])
        y = y / whole
    return y, edges


@implements(np.histogram2d)
def histogram2d(
    x: Array,
    y: Array,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> tuple[Array, Array, Array]:
    """`np.histogram2d` on traced values."""
    if _several(bins) and len(bins) not in (1, 2):
        bins = [bins, bins]
    points = [as_array(v, "np.histogram2d") for v in (x, y)]
    counts, edges = histogramdd(points, bins, range, density, weights)
    return counts, edges[0], edges[1]
