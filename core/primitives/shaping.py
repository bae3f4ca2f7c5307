"""Shapes: reshape, transpose, broadcast_to and the functions made of them (and of indexing): flip,
roll, tile, repeat, split.

All are linear; each primitive's transpose is another of them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..aval import Array, Shape, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..rules import linear, unbroadcast
from ..tracing import Primitive, Tracer
from ..views import read_only, view
from .creation import known_value, plain_value
from .elementwise import as_array
from .indexing import getitem
from .joining import array as array_of

_ALL = slice(None)

reshape_p: Primitive = linear(
    "reshape",
    lambda x, *, shape: np.reshape(x, shape),
    lambda ct, x, *, shape: np.reshape(ct, x.shape),
    shape=lambda x, *, shape: ShapedArray(shape, x.dtype),
    batch=lambda size, batched, x, *, shape: reshape_p.bind(x, shape=(size, *shape)),
    put_back=lambda x, y, *, shape: np.reshape(y, x.shape),
)


def _inverse(axes: Sequence[int]) -> list[int]:
    """The permutation that undoes one."""
    return sorted(range(len(axes)), key=axes.__getitem__)


transpose_p: Primitive = linear(
    "transpose",
    lambda x, *, axes: np.transpose(x, axes),
    lambda ct, x, *, axes: np.transpose(ct, _inverse(axes)),
    shape=lambda x, *, axes: ShapedArray(tuple([x.shape[i] for i in axes]), x.dtype),
    batch=lambda size, batched, x, *, axes: transpose_p.bind(x, axes=(0, *[a + 1 for a in axes])),
    put_back=lambda x, y, *, axes: np.transpose(y, _inverse(axes)),
)


def _broadcast_batch(size: int, batched: Sequence[bool], x: Array, *, shape: Shape) -> Array:
    lane = x.shape[1:]
    x = np.reshape(x, (size, *[1] * (len(shape) - len(lane)), *lane))
    return broadcast_to_p.bind(x, shape=(size, *shape))


broadcast_to_p = linear(
    "broadcast_to",
    lambda x, *, shape: np.broadcast_to(x, shape),
    lambda ct, x, *, shape: unbroadcast(ct, x),
    shape=lambda x, *, shape: ShapedArray(shape, x.dtype),
    batch=_broadcast_batch,
)


def _resolve_shape(operation: str, aval: ShapedArray, shape: Any) -> Shape:
    wanted = list(map(operator.index, shape if isinstance(shape, Iterable) else [shape]))
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        wanted[wanted.index(-1)] = aval.size // known if known else -1
    if math.prod(wanted) != aval.size or any([d < 0 for d in wanted]):
        raise ShapeError(
            f"{operation}: cannot reshape {aval!r} of {aval.size} elements into "
            f"{tuple(shape) if isinstance(shape, Iterable) else shape}"
        )
    return tuple(wanted)


@implements(np.reshape)
def reshape(
    a: Array,
    /,
    shape: Any = None,
    order: str = "C",
    *,
    newshape: Any = None,
    copy: bool | None = None,
) -> Array:
    """`np.reshape` on traced values; order='A' counts what has no concrete value as C-ordered."""
    x = as_array(a, "np.reshape")
    aval = aval_of(x)
    wanted = _resolve_shape("np.reshape", aval, newshape if shape is None else shape)
    if copy is False:
        _check_no_copy(x, wanted, order)
    if order not in ("C", "F", "A"):
        raise ValueError(f"np.reshape: `order` must be 'C', 'F' or 'A'; got {order!r}")
    if order == "A":
        value = known_value(x)
        order = "F" if value is not None and value.flags.fnc else "C"
    if order == "F":
        y = np.transpose(view(reshape_p, np.transpose(x), shape=wanted[::-1]))
    else:
        y = x if wanted == aval.shape else view(reshape_p, x, shape=wanted)
    return np.copy(y) if copy else y


def _check_no_copy(x: Array, shape: Shape, order: Any) -> None:
    value = known_value(x)
    if value is None:
        value = np.empty(x.shape, x.dtype)
    if not np.may_share_memory(value, np.reshape(value, shape, order)):
        raise ValueError("np.reshape: a copy is needed, but copy=False forbids it")


@implements(np.ravel)
def ravel(a: Array, order: str = "C") -> Array:
    """`np.ravel` on traced values; for order='K' and 'A', what has no concrete value counts as
    C-ordered.
    """
    x = as_array(a, "np.ravel")
    if order != "K":
        return reshape(x, -1, order=order)
    value = known_value(x)
    if value is None or value.flags.c_contiguous:
        return reshape(x, -1)
    axes = sorted(range(value.ndim), key=lambda i: -abs(value.strides[i]))
    return reshape(np.transpose(x, axes), -1)


@implements(np.transpose, np.permute_dims)
def transpose(a: Array, axes: Any = None) -> Array:
    """`np.transpose` on traced values."""
    x = as_array(a, "np.transpose")
    ndim = x.ndim
    order = tuple(range(ndim))[::-1] if axes is None else normalize_axis_tuple(axes, ndim)
    if len(order) != ndim:
        raise ShapeError(f"np.transpose: axes {axes} don't match {aval_of(x)!r}")
    return view(transpose_p, x, axes=order) if ndim > 1 else x


@implements(np.matrix_transpose)
def matrix_transpose(x: Array, /) -> Array:
    """`np.matrix_transpose` on traced values."""
    return np.swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """`np.swapaxes` on traced values."""
    x = as_array(a, "np.swapaxes")
    order = list(range(x.ndim))
    i, j = normalize_axis_index(axis1, x.ndim), normalize_axis_index(axis2, x.ndim)
    order[i], order[j] = j, i
    return np.transpose(x, order)


@implements(np.moveaxis)
def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    """`np.moveaxis` on traced values."""
    x = as_array(a, "np.moveaxis")
    sources, destinations = (
        normalize_axis_tuple(source, x.ndim),
        normalize_axis_tuple(destination, x.ndim),
    )
    if len(sources) != len(destinations):
        raise ShapeError(
            "np.moveaxis: `source` and `destination` must have the same number of axes"
        )
    order = [i for i in range(x.ndim) if i not in sources]
    for d, s in sorted(zip(destinations, sources, strict=True)):
        order.insert(d, s)
    return np.transpose(x, order)


@implements(np.rollaxis)
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """`np.rollaxis` on traced values."""
    x = as_array(a, "np.rollaxis")
    axis = normalize_axis_index(axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    return np.moveaxis(x, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(a: Array, axis: Any) -> Array:
    """`np.expand_dims` on traced values."""
    x = as_array(a, "np.expand_dims")
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    new = normalize_axis_tuple(axes, x.ndim + len(axes))
    rest = iter(aval_of(x).shape)
    return np.reshape(x, tuple([1 if i in new else next(rest) for i in range(x.ndim + len(axes))]))


@implements(np.squeeze)
def squeeze(a: Array, axis: Any = None) -> Array:
    """`np.squeeze` on traced values."""
    x = as_array(a, "np.squeeze")
    shape = aval_of(x).shape
    gone = (
        [i for i, d in enumerate(shape) if d == 1]
        if axis is None
        else normalize_axis_tuple(axis, len(shape))
    )
    if any([shape[i] != 1 for i in gone]):
        raise ShapeError(f"np.squeeze: axis {axis} of {aval_of(x)!r} is not of length 1")
    return np.reshape(x, tuple([d for i, d in enumerate(shape) if i not in gone]))


@implements(np.broadcast_to)
def broadcast_to(array: Array, shape: Any, subok: bool = False) -> Array:
    """`np.broadcast_to` on traced values."""
    x = as_array(array, "np.broadcast_to")
    wanted = (
        (int(shape),) if isinstance(shape, int | np.integer) else tuple([int(d) for d in shape])
    )
    have = aval_of(x).shape
    pairs = zip(reversed(have), reversed(wanted), strict=False)
    if len(have) > len(wanted) or any([h not in (1, w) for h, w in pairs]):
        raise ShapeError(f"np.broadcast_to: cannot broadcast {aval_of(x)!r} to {wanted}")
    return x if have == wanted else read_only(broadcast_to_p.bind(x, shape=wanted))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Array, subok: bool = False) -> Any:
    """`np.broadcast_arrays` on traced values."""
    arrays = [as_array(a, "np.broadcast_arrays") for a in args]
    shape = np.broadcast_shapes(*[aval_of(a).shape for a in arrays])
    return tuple([np.broadcast_to(a, shape) for a in arrays])


@implements(np.atleast_1d)
def atleast_1d(*arys: Array) -> Any:
    """`np.atleast_1d` on traced values."""
    found = [
        np.reshape(a, 1) if a.ndim == 0 else a for a in [as_array(a, "np.atleast_1d") for a in arys]
    ]
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.atleast_2d)
def atleast_2d(*arys: Array) -> Any:
    """`np.atleast_2d` on traced values."""
    found = [
        a if a.ndim >= 2 else np.reshape(a, (1, -1))
        for a in [as_array(a, "np.atleast_2d") for a in arys]
    ]
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.atleast_3d)
def atleast_3d(*arys: Array) -> Any:
    """`np.atleast_3d` on traced values."""

    def lift(a: Array) -> Array:
        if a.ndim >= 3:
            return a
        return np.reshape(a, (1, -1, 1) if a.ndim < 2 else (*a.shape, 1))

    found = [lift(as_array(a, "np.atleast_3d")) for a in arys]
    return found[0] if len(found) == 1 else tuple(found)


# Reordering along axes.


@implements(np.flip)
def flip(m: Array, axis: Any = None) -> Array:
    """`np.flip` on traced values."""
    x = as_array(m, "np.flip")
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return getitem(x, tuple([slice(None, None, -1) if i in axes else _ALL for i in range(x.ndim)]))


@implements(np.flipud)
def flipud(m: Array) -> Array:
    """`np.flipud` on traced values."""
    return np.flip(m, 0)


@implements(np.fliplr)
def fliplr(m: Array) -> Array:
    """`np.fliplr` on traced values."""
    return np.flip(m, 1)


@implements(np.rot90)
def rot90(m: Array, k: int = 1, axes: Any = (0, 1)) -> Array:
    """`np.rot90` on traced values."""
    x = as_array(m, "np.rot90")
    first, second = normalize_axis_tuple(axes, x.ndim)
    k = k % 4
    if k == 0:
        return x
    if k == 2:
        return np.flip(x, (first, second))
    return (
        np.flip(np.swapaxes(x, first, second), first)
        if k == 1
        else np.swapaxes(np.flip(x, first), first, second)
    )


@implements(np.roll)
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    """`np.roll` on traced values."""
    x = as_array(a, "np.roll")
    if axis is None:
        return np.reshape(np.roll(np.ravel(x), shift, 0), aval_of(x).shape)
    y = x
    shifts, axes = np.broadcast_arrays(array_of(shift), axis)
    for s, i in zip(np.ravel(shifts), np.ravel(axes).tolist(), strict=True):
        i = normalize_axis_index(i, x.ndim)
        n = x.shape[i]
        if isinstance(s, Tracer):  # differs from lane to lane
            y = getitem(y, (*[_ALL] * i, (np.arange(n) - s) % n))
        elif n and s % n:
            at = n - operator.index(s) % n
            first, second = [
                getitem(y, (*[_ALL] * i, part)) for part in (slice(at, None), slice(None, at))
            ]
            y = np.concatenate([first, second], axis=i)
    return np.copy(x) if y is x else y


@implements(np.repeat)
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    """`np.repeat` on traced values."""
    x = as_array(a, "np.repeat")
    if axis is None:
        x, axis = np.ravel(x), 0
    axis = normalize_axis_index(axis, x.ndim)
    counts = plain_value(repeats, "the number of repeats in np.repeat")
    return getitem(x, (*[_ALL] * axis, np.repeat(np.arange(x.shape[axis]), counts)))


@implements(np.tile)
def tile(A: Array, reps: Any) -> Array:
    """`np.tile` on traced values."""
    x = as_array(A, "np.tile")
    times = tuple(reps) if isinstance(reps, tuple | list | np.ndarray) else (reps,)
    ndim = max(x.ndim, len(times))
    shape = (1,) * (ndim - x.ndim) + aval_of(x).shape
    times = (1,) * (ndim - len(times)) + times
    apart = [d for pair in zip([1] * ndim, shape, strict=True) for d in pair]
    full = [d for pair in zip(times, shape, strict=True) for d in pair]
    y = np.reshape(
        np.broadcast_to(np.reshape(x, apart), full),
        [t * d for t, d in zip(times, shape, strict=True)],
    )
    return np.copy(y)


# Splitting.


@implements(np.array_split)
def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """`np.array_split` on traced values."""
    x = as_array(ary, "np.array_split")
    axis = normalize_axis_index(axis, x.ndim)
    bounds = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    starts = [0, *np.cumsum([len(b) for b in bounds]).tolist()]
    if np.ndim(indices_or_sections) == 1:
        stops = [*np.asarray(indices_or_sections).tolist(), x.shape[axis]]
        parts = [slice(a, b) for a, b in zip([0, *stops[:-1]], stops, strict=True)]
    else:
        parts = [slice(a, b) for a, b in pairwise(starts)]
    return [getitem(x, (*[_ALL] * axis, part)) for part in parts]


@implements(np.split)
def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """`np.split` on traced values."""
    x = as_array(ary, "np.split")
    n = x.shape[normalize_axis_index(axis, x.ndim)]
    if np.ndim(indices_or_sections) == 0 and n % int(indices_or_sections):
        raise ShapeError(
            f"np.split: an axis of length {n} does not divide into {indices_or_sections} equal "
            "parts"
        )
    return np.array_split(x, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """`np.hsplit` on traced values."""
    x = _with_axes(ary, "np.hsplit", 1)
    return np.split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def _with_axes(x: Array, operation: str, least: int) -> Array:
    x = as_array(x, operation)
    if x.ndim < least:
        raise ShapeError(f"{operation}: needs at least {least} axes; got {aval_of(x)!r}")
    return x


@implements(np.vsplit)
def vsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """`np.vsplit` on traced values."""
    return np.split(_with_axes(ary, "np.vsplit", 2), indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """`np.dsplit` on traced values."""
    return np.split(_with_axes(ary, "np.dsplit", 3), indices_or_sections, 2)


if hasattr(np, "unstack"):

    @implements(np.unstack)
    def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
        """`np.unstack` on traced values."""
        x = np.moveaxis(as_array(x, "np.unstack"), axis, 0)
        return tuple([x[i] for i in range(x.shape[0])])
