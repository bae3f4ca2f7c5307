"""Sorting: sort, partition, their orders, lexsort, searchsorted, digitize.

An order is a constant of the derivative: each result is one of the operands, and gets its tangent.
Of equal elements, the first in the array counts as the smaller, as in a stable sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import asarray, implements
from ..rules import lane_by_lane, zero_derivative
from ..tracing import Primitive
from .elementwise import as_array, astype

_INTP = np.dtype(np.intp)


def _to_axis(operation: str, a: Array, axis: int | None, order: None) -> tuple[Array, int]:
    """The operand and a non-negative axis to work along; flat where `axis` is None."""
    x = as_array(a, operation)
    if order is not None:
        raise ValueError(f"{operation}: `order` is for arrays with fields; got {aval_of(x)!r}")
    if axis is None:
        return np.ravel(x), 0
    return x, normalize_axis_index(axis, x.ndim)


def _along(primitive_of: Any) -> Any:
    """The batching rule of what works along one axis."""

    def batch(size: int, batched: Sequence[bool], x: Array, *, axis: int, **params: Any) -> Array:
        return primitive_of().bind(x, axis=axis + 1, **params)

    return batch


argsort_p: Primitive = zero_derivative(
    "argsort",
    lambda x, *, axis, kind: np.argsort(x, axis=axis, kind=kind),
    shape=lambda x, *, axis, kind: ShapedArray(x.shape, _INTP),
    batch=_along(lambda: argsort_p),
)


def stable_order(x: Array, axis: int) -> Array:
    """The order of a stable sort."""
    return argsort_p.bind(x, axis=normalize_axis_index(axis, x.ndim), kind="stable")


@implements(np.argsort)
def argsort(
    a: Array,
    axis: int | None = -1,
    kind: Any = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Array:
    """`np.argsort` on traced values: plain integers."""
    x, i = _to_axis("np.argsort", np.atleast_1d(as_array(a, "np.argsort")), axis, order)
    return argsort_p.bind(x, axis=i, kind="stable" if stable else kind)


sort_p: Primitive = Primitive(
    "sort",
    lambda x, *, axis, kind: np.sort(x, axis=axis, kind=kind),
    shape=lambda x, *, axis, kind: x,
    jvps=(lambda t, y, x, *, axis, kind: np.take_along_axis(t, stable_order(x, axis), axis),),
    batch=_along(lambda: sort_p),
)


@implements(np.sort)
def sort(
    a: Array,
    axis: int | None = -1,
    kind: Any = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Array:
    """`np.sort` on traced values; equal elements keep their order."""
    x, i = _to_axis("np.sort", a, axis, order)
    return sort_p.bind(x, axis=i, kind="stable" if stable else kind)


@implements(np.sort_complex)
def sort_complex(a: Array) -> Array:
    """`np.sort_complex` on traced values."""
    y = np.sort(as_array(a, "np.sort_complex"))
    dtype = aval_of(y).dtype
    if dtype.kind == "c":
        return y
    wide = np.clongdouble if dtype.char == "g" else np.complex128
    return astype(y, np.complex64 if dtype.char in "bhBH" else wide)


# Partitions. The order inside of the parts is NumPy's secret, but equal ranks tell the permutation.


def _partition_jvp(t: Array, y: Array, x: Array, *, axis: int, **params: Any) -> Array:
    ranks = stable_order(stable_order(y, axis), axis)
    source = np.take_along_axis(stable_order(x, axis), ranks, axis)
    return np.take_along_axis(t, source, axis)


partition_p: Primitive = Primitive(
    "partition",
    lambda x, *, axis, kth, kind: np.partition(x, kth, axis, kind),
    shape=lambda x, **params: x,
    jvps=(_partition_jvp,),
    batch=_along(lambda: partition_p),
)
argpartition_p: Primitive = zero_derivative(
    "argpartition",
    lambda x, *, axis, kth, kind: np.argpartition(x, kth, axis, kind),
    shape=lambda x, **params: ShapedArray(x.shape, _INTP),
    batch=_along(lambda: argpartition_p),
)


def _kth(operation: str, kth: Any, n: int) -> tuple[int, ...]:
    places = tuple([int(k) for k in np.ravel(kth)])
    if any([not -n <= k < n for k in places]):
        raise ValueError(f"{operation}: kth={kth} is out of bounds for an axis of length {n}")
    return places


@implements(np.partition)
def partition(
    a: Array, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None
) -> Array:
    """`np.partition` on traced values."""
    x, i = _to_axis("np.partition", a, axis, order)
    return partition_p.bind(x, axis=i, kth=_kth("np.partition", kth, x.shape[i]), kind=kind)


@implements(np.argpartition)
def argpartition(
    a: Array, kth: Any, axis: int | None = -1, kind: Any = "introselect", order: None = None
) -> Array:
    """`np.argpartition` on traced values: plain integers."""
    x, i = _to_axis("np.argpartition", a, axis, order)
    return argpartition_p.bind(x, axis=i, kth=_kth("np.argpartition", kth, x.shape[i]), kind=kind)


def _lexsort_batch(size: int, batched: Sequence[bool], *keys: Array, axis: int) -> Array:
    wide = [
        k if on else np.broadcast_to(k, (size, *aval_of(k).shape))
        for k, on in zip(keys, batched, strict=True)
    ]
    return lexsort_p.bind(*wide, axis=axis + 1)


lexsort_p: Primitive = zero_derivative(
    "lexsort",
    lambda *keys, axis: np.lexsort(keys, axis=axis),
    shape=lambda *keys, axis: ShapedArray(keys[0].shape, _INTP),
    batch=_lexsort_batch,
)


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Array:
    """`np.lexsort` on traced values: plain integers."""
    xs = [as_array(k, "np.lexsort") for k in keys]
    return lexsort_p.bind(*xs, axis=normalize_axis_index(axis, max(xs[0].ndim, 1)))


# Places in a sorted array. NumPy looks them up in one array: a batch of arrays is a loop.


def _searchsorted_batch(
    size: int, batched: Sequence[bool], a: Array, v: Array, *sorter: Array, side: str
) -> Array:
    if batched[1] and not any([batched[0], *batched[2:]]):
        return searchsorted_p.bind(a, v, *sorter, side=side)
    return lane_by_lane(searchsorted_p, size, batched, a, v, *sorter, side=side)


searchsorted_p: Primitive = zero_derivative(
    "searchsorted",
    lambda a, v, *sorter, side: np.searchsorted(a, v, side, *sorter),
    shape=lambda a, v, *sorter, side: ShapedArray(v.shape, _INTP),
    batch=_searchsorted_batch,
)


@implements(np.searchsorted)
def searchsorted(a: Array, v: Array, side: Any = "left", sorter: Any = None) -> Array:
    """`np.searchsorted` on traced values: plain integers."""
    arrays = [as_array(a, "np.searchsorted"), asarray(v, "np.searchsorted")]
    if sorter is not None:
        arrays.append(as_array(sorter, "np.searchsorted"))
    return searchsorted_p.bind(*arrays, side=side)


def _digitize_batch(
    size: int, batched: Sequence[bool], x: Array, bins: Array, *, right: bool
) -> Array:
    if not batched[1]:
        return digitize_p.bind(x, bins, right=right)
    return lane_by_lane(digitize_p, size, batched, x, bins, right=right)


digitize_p: Primitive = zero_derivative(
    "digitize",
    lambda x, bins, *, right: np.digitize(x, bins, right),
    shape=lambda x, bins, *, right: ShapedArray(x.shape, _INTP),
    batch=_digitize_batch,
)


@implements(np.digitize)
def digitize(x: Array, bins: Array, right: bool = False) -> Array:
    """`np.digitize` on traced values: plain integers."""
    return digitize_p.bind(
        as_array(x, "np.digitize"), as_array(bins, "np.digitize"), right=bool(right)
    )
