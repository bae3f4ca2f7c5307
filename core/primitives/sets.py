"""Sets: unique and its kin, union, intersection, differences, isin.

Which elements stay is found from their plain values, so these need concrete values; the elements
themselves are then picked by index, and keep their derivative. Of equal ones, it is the first that
stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..rules import lane_by_lane, zero_derivative
from ..tracing import Primitive, Tracer
from .elementwise import as_array, astype
from .values import plain_value, value_to_count

_WHY = "the shape of the result"


def _in_order_of(wanted: Array, ordered: Array, places: Array) -> Array:
    """Where NumPy's values `wanted` are found, from the places of the same values in order."""
    found = np.empty_like(places)
    found[np.argsort(wanted, kind="stable")] = places
    return found if wanted.size == ordered.size else places


def _unique(
    operation: str, ar: Array, axis: int | None, equal_nan: bool, index: bool = True
) -> tuple[Array, list[Array]]:
    """The operand, flat without an axis; and the values, first places, inverse and counts that
    np.unique finds. (It tells several NaN apart in another order where no index is asked for.)
    """
    x = as_array(ar, operation)
    known = value_to_count(x, operation, _WHY) if axis is None else plain_value(x, operation, _WHY)
    if isinstance(known, Tracer):
        return np.ravel(x), _unique_of_members(known, equal_nan)
    find: Any = np.unique
    values, *first, inverse, counts = find(
        known,
        return_index=index,
        return_inverse=True,
        return_counts=True,
        axis=axis,
        equal_nan=equal_nan,
    )
    if first:
        places = first[0]
    else:
        places = np.empty(counts.shape, np.intp)
        which = np.ravel(inverse)
        places[which[::-1]] = np.arange(which.size)[::-1]
    return (np.ravel(x) if axis is None else x), [values, places, inverse, counts]


def _unique_of_members(x: Array, equal_nan: bool) -> list[Array]:
    """What `_unique` finds in vectors that are members of a batch; how many it is may differ."""
    x = np.ravel(x)
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    differs = ordered[1:] != ordered[:-1]
    if equal_nan and x.dtype.kind in "fc":
        differs = differs & ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    begins = np.concatenate([np.ones(min(1, x.size), bool), differs])
    starts = np.flatnonzero(begins)
    places = order[starts]
    inverse = (np.cumsum(begins) - 1)[np.argsort(order)]
    counts = np.diff(np.concatenate([starts, np.array([x.size])]))
    return [x[places], places, inverse, counts]


@implements(np.unique)
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """`np.unique` on traced values, where they are concrete."""
    index = return_index or not return_inverse
    x, (values, places, inverse, counts) = _unique("np.unique", ar, axis, equal_nan, index)
    wanted = [return_index, return_inverse, return_counts]
    if not sorted and not any(wanted) and axis is None:
        known = value_to_count(x, "np.unique", _WHY)
        if isinstance(known, Tracer):
            return np.take(x, places)
        places = _in_order_of(np.unique(known, equal_nan=equal_nan, sorted=False), values, places)
    y = np.take(x, places, axis=0 if axis is None else axis)
    extras = [v for v, on in zip((places, inverse, counts), wanted, strict=True) if on]
    return (y, *extras) if extras else y


_Result: Any = {
    f: type(f(np.zeros(1))) for f in (np.unique_all, np.unique_counts, np.unique_inverse)
}


@implements(np.unique_all)
def unique_all(x: Array, /) -> Any:
    """`np.unique_all` on traced values, where they are concrete."""
    flat, (_, places, inverse, counts) = _unique("np.unique_all", x, None, False)
    return _Result[np.unique_all](np.take(flat, places), places, inverse, counts)


@implements(np.unique_counts)
def unique_counts(x: Array, /) -> Any:
    """`np.unique_counts` on traced values, where they are concrete."""
    flat, (_, places, _, counts) = _unique("np.unique_counts", x, None, False)
    return _Result[np.unique_counts](np.take(flat, places), counts)


@implements(np.unique_inverse)
def unique_inverse(x: Array, /) -> Any:
    """`np.unique_inverse` on traced values, where they are concrete."""
    flat, (_, places, inverse, _) = _unique("np.unique_inverse", x, None, False, False)
    return _Result[np.unique_inverse](np.take(flat, places), inverse)


@implements(np.unique_values)
def unique_values(x: Array, /) -> Array:
    """`np.unique_values` on traced values, where they are concrete."""
    flat, (values, places, _, _) = _unique("np.unique_values", x, None, False)
    known = value_to_count(flat, "np.unique_values", _WHY)
    if isinstance(known, Tracer):
        return np.take(flat, places)
    wanted = np.unique_values(known)
    return np.take(flat, _in_order_of(wanted, values, places))


# Two sets.


def _isin_batch(size: int, batched: Sequence[bool], x: Array, among: Array, **params: Any) -> Array:
    if batched[1]:
        return lane_by_lane(isin_p, size, batched, x, among, **params)
    # Unique in each member does not mean unique in all.
    return isin_p.bind(x, among, **{**params, "assume_unique": False})


isin_p: Primitive = zero_derivative(
    "isin",
    np.isin,
    shape=lambda x, among, **params: ShapedArray(x.shape, np.dtype(np.bool_)),
    batch=_isin_batch,
)


@implements(np.isin)
def isin(
    element: Array,
    test_elements: Array,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Array:
    """`np.isin` on traced values: plain bools."""
    x, among = as_array(element, "np.isin"), as_array(test_elements, "np.isin")
    return isin_p.bind(x, among, assume_unique=assume_unique, invert=invert, kind=kind)


@implements(np.intersect1d)
def intersect1d(
    ar1: Array, ar2: Array, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """`np.intersect1d` on traced values, where they are concrete: the elements of `ar1`."""
    operation = "np.intersect1d"
    x, other = as_array(ar1, operation), as_array(ar2, operation)
    if not return_indices:
        known = value_to_count(x, operation, _WHY), value_to_count(other, operation, _WHY)
        if isinstance(known[0], Tracer) or isinstance(known[1], Tracer):
            y = np.unique(x)
            y = np.take(y, np.flatnonzero(np.isin(y, known[1])))
            return astype(y, np.result_type(aval_of(x).dtype, aval_of(other).dtype))
    _, first, second = np.intersect1d(
        plain_value(x, operation, _WHY),
        plain_value(other, operation, _WHY),
        assume_unique,
        return_indices=True,
    )
    y = astype(np.ravel(x)[first], np.result_type(aval_of(x).dtype, aval_of(other).dtype))
    return (y, first, second) if return_indices else y


@implements(np.union1d)
def union1d(ar1: Array, ar2: Array) -> Array:
    """`np.union1d` on traced values, where they are concrete."""
    both = [as_array(v, "np.union1d") for v in (ar1, ar2)]
    return np.unique(np.concatenate(both, axis=None))


@implements(np.setdiff1d)
def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """`np.setdiff1d` on traced values, where they are concrete."""
    operation = "np.setdiff1d"
    x, other = as_array(ar1, operation), as_array(ar2, operation)
    x = np.ravel(x) if assume_unique else np.unique(x)
    known = value_to_count(x, operation, _WHY), value_to_count(other, operation, _WHY)
    return np.take(x, np.flatnonzero(~np.isin(*known)))


@implements(np.setxor1d)
def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """`np.setxor1d` on traced values, where they are concrete."""
    operation = "np.setxor1d"
    both = [as_array(v, operation) for v in (ar1, ar2)]
    x = np.concatenate([np.ravel(v) if assume_unique else np.unique(v) for v in both])
    known = value_to_count(x, operation, _WHY)
    order = np.argsort(known, kind="stable")
    changes = known[order][1:] != known[order][:-1]
    end = np.ones(1, bool)
    alone = np.concatenate([end, changes]) & np.concatenate([changes, end])
    return np.take(x, order[np.flatnonzero(alone[: len(order)])])
