"""Inserting, deleting, repeating and choosing elements along an axis: insert, delete, resize,
trim_zeros, compress, extract; apply_along_axis and apply_over_axes; sliding windows.

What decides shapes (where to insert, which elements are zero) must have concrete values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.lib.stride_tricks import sliding_window_view as _numpys_windows

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..rules import linear
from ..tracing import Primitive
from ..views import read_only
from .creation import plain_value
from .elementwise import as_array, astype
from .indexing import getitem, scatter_sum_p
from .values import value_to_count

_ALL = slice(None)


def _flat_by_default(x: Array, axis: Any) -> tuple[Array, int]:
    """The array and a non-negative axis; NumPy's functions of this file flatten without one."""
    if axis is None:
        return np.ravel(x), 0
    return x, normalize_axis_index(axis, x.ndim)


def _places(obj: Any, what: str) -> Any:
    """Where to insert or delete, as NumPy takes it."""
    if isinstance(obj, slice):
        return obj
    found = plain_value(obj, what)
    return found if found.size or isinstance(obj, np.ndarray) else found.astype(np.intp)


@implements(np.delete)
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """`np.delete` on traced values."""
    x, axis = _flat_by_default(as_array(arr, "np.delete"), axis)
    n = x.shape[axis]
    kept = np.delete(np.arange(n), _places(obj, "which elements np.delete takes out"))
    if len(kept) == n - 1:
        at = int(np.argmax(np.append(kept, n) != np.arange(n)))
        return np.concatenate([_part(x, axis, 0, at), _part(x, axis, at + 1, n)], axis=axis)
    return getitem(x, (*[_ALL] * axis, kept))


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return getitem(x, (*[_ALL] * axis, slice(start, stop)))


@implements(np.insert)
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """`np.insert` on traced values."""
    x, axis = _flat_by_default(as_array(arr, "np.insert"), axis)
    new = astype(as_array(values, "np.insert"), x.dtype)
    shape, n = aval_of(x).shape, x.shape[axis]
    where = _places(obj, "where np.insert inserts")
    if isinstance(where, slice):
        where = np.arange(n)[where]
    # NumPy itself says where the new elements go, among the numbers of the old ones: what a mask
    # means depends on its version.
    is_mask = where.dtype.kind == "b"
    count = len(np.insert(np.arange(n), where, -1)) - n if is_mask else where.size
    if count == 1:
        new = np.reshape(new, (1,) * (len(shape) - np.ndim(new)) + np.shape(new))
        if where.ndim == 0:
            new = np.moveaxis(new, 0, axis)
        at = int(np.argmax(np.insert(np.arange(n), where.ravel(), -1) < 0))
        new = np.broadcast_to(new, (*shape[:axis], new.shape[axis], *shape[axis + 1 :]))
        parts = [_part(x, axis, 0, at), new, _part(x, axis, at, n)]
        return np.concatenate(parts, axis=axis)
    order = np.insert(np.arange(n), where, n + np.arange(count))
    new = np.broadcast_to(new, (*shape[:axis], count, *shape[axis + 1 :]))
    return getitem(np.concatenate([x, new], axis=axis), (*[_ALL] * axis, order))


@implements(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    """`np.resize` on traced values: the elements, repeated as often as it takes."""
    x = np.ravel(as_array(a, "np.resize"))
    shape = (new_shape,) if isinstance(new_shape, int | np.integer) else tuple(new_shape)
    size = 1
    for d in shape:
        if d < 0:
            raise ValueError(f"np.resize: lengths must not be negative; got {new_shape}")
        size *= int(d)
    if not x.size or not size:
        return np.zeros_like(x, shape=shape)
    return np.reshape(np.tile(x, -(-size // x.size))[:size], shape)


@implements(np.trim_zeros)
def trim_zeros(filt: Array, trim: str = "fb", axis: Any = None) -> Array:
    """`np.trim_zeros` of a traced array with concrete values: they decide the shape."""
    x = as_array(filt, "np.trim_zeros")
    ends = trim.lower()
    if ends not in ("f", "b", "fb", "bf"):
        raise ValueError(f"np.trim_zeros: `trim` must be 'f', 'b' or 'fb'; got {trim!r}")
    ndim = x.ndim
    axes = range(ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    present = value_to_count(x != 0, "np.trim_zeros", "the shape of the result")
    parts = [_ALL] * ndim
    some = bool(np.any(present))
    for i in axes:
        along = np.any(present, axis=tuple([k for k in range(ndim) if k != i]))
        first = operator.index(np.argmax(along)) if some and "f" in ends else 0
        last = operator.index(np.argmax(along[::-1])) if some and "b" in ends else 0
        parts[i] = slice(first, x.shape[i] - last if some else 0)
    return getitem(x, tuple(parts))


@implements(np.compress)
def compress(condition: Array, a: Array, axis: int | None = None, out: None = None) -> Array:
    """`np.compress` on traced values."""
    mask = _condition(condition, "np.compress")
    if mask.ndim != 1:
        raise ValueError("np.compress: the condition must have one axis")
    x, axis = _flat_by_default(as_array(a, "np.compress"), axis)
    return _where(x, axis, mask)


def _condition(condition: Array, operation: str) -> Array:
    what = f"the condition of {operation}"
    return value_to_count(as_array(condition, operation), what, "the shape of the result")


def _where(x: Array, axis: int, mask: Array) -> Array:
    n = x.shape[axis]
    if np.any(mask[n:]):
        raise IndexError(f"the condition chooses an element behind an axis of length {n}")
    chosen = np.flatnonzero(mask[:n])
    return getitem(x, (*[_ALL] * axis, chosen))


@implements(np.extract)
def extract(condition: Array, arr: Array) -> Array:
    """`np.extract` on traced values."""
    mask = np.ravel(_condition(condition, "np.extract"))
    return _where(np.ravel(as_array(arr, "np.extract")), 0, mask)


# A function for each vector, or over axis after axis.


@implements(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **kwargs: Any
) -> Array:
    """`np.apply_along_axis` on traced values: a Python loop over the vectors, as NumPy's is."""
    x = as_array(arr, "np.apply_along_axis")
    axis = normalize_axis_index(axis, x.ndim)
    lines = np.moveaxis(x, axis, -1)
    lead = aval_of(lines).shape[:-1]
    found = [
        as_array(func1d(lines[(*i, ...)], *args, **kwargs), "np.apply_along_axis")
        for i in np.ndindex(*lead)
    ]
    if not found:
        raise ValueError("np.apply_along_axis: there is no vector to apply the function to")
    kind = found[0].dtype  # NumPy casts the other results to the first one's dtype
    stacked = np.stack([astype(y, kind) for y in found])
    rank = aval_of(found[0]).ndim
    y = np.reshape(stacked, (*lead, *aval_of(found[0]).shape))
    n = len(lead)
    return np.moveaxis(y, list(range(n, n + rank)), list(range(axis, axis + rank)))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: Array, axes: Any) -> Array:
    """`np.apply_over_axes` on traced values."""
    y = as_array(a, "np.apply_over_axes")
    ndim = y.ndim
    for axis in np.atleast_1d(plain_value(axes, "an axis of np.apply_over_axes")).tolist():
        axis = axis + ndim if axis < 0 else axis
        found = as_array(func(y, axis), "np.apply_over_axes")
        if aval_of(found).ndim != ndim:
            found = np.expand_dims(found, axis)
            if aval_of(found).ndim != ndim:
                raise ValueError(
                    "np.apply_over_axes: the function must return an array with as many axes as "
                    f"its argument, or one less; it returned {aval_of(found)!r}"
                )
        y = found
    return y


# Windows.


def _windows_transpose(ct: Array, x: Any, *, axis: int, width: int) -> Array:
    n = x.shape[axis] - width + 1
    lead = (_ALL,) * axis
    return scatter_sum_p.bind(
        *[ct[..., k] for k in range(width)],
        places=tuple([((*lead, slice(k, k + n)), 0) for k in range(width)]),
        shape=x.shape,
        dtype=x.dtype,
    )


windows_p: Primitive = linear(
    "windows",
    lambda x, *, axis, width: _numpys_windows(x, width, axis),
    _windows_transpose,
    shape=lambda x, *, axis, width: ShapedArray(
        (*x.shape[:axis], x.shape[axis] - width + 1, *x.shape[axis + 1 :], width), x.dtype
    ),
    batch=lambda size, batched, x, *, axis, width: windows_p.bind(x, axis=axis + 1, width=width),
)
"""The windows along an axis, in a new last one."""


@implements(_numpys_windows)
def sliding_window_view(
    x: Array,
    window_shape: Any,
    axis: Any = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Array:
    """`np.lib.stride_tricks.sliding_window_view` of a traced array; not to be written to."""
    name = "np.lib.stride_tricks.sliding_window_view"
    y = as_array(x, name)
    if writeable:
        raise unsupported_argument(name, "writeable", writeable, "write to the array itself")
    widths = tuple(window_shape) if isinstance(window_shape, Iterable) else (window_shape,)
    axes = range(y.ndim) if axis is None else normalize_axis_tuple(axis, y.ndim, None, True)
    if len(widths) != len(axes):
        raise ShapeError(
            f"{name}: window_shape and axis must be of the same number; got {window_shape} and "
            f"{axis}"
        )
    for i, width in zip(axes, widths, strict=True):
        if not 0 <= width <= y.shape[i]:
            raise ShapeError(f"{name}: a window of {width} does not fit axis {i} of {aval_of(x)!r}")
        y = windows_p.bind(y, axis=i, width=operator.index(width))
    return read_only(y)
