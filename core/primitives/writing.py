"""Writing to arrays: `setitem`, the array with other values at some places.

It is linear in the array and the values together: `x[index] = v` keeps the rest of `x`. Templates
are those of `indexing.py`; who decides to write to which array is `../storage.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..errors import ShapeError
from ..rules import convert, unbroadcast, variadic
from ..tracing import Primitive, Together, Tracer
from .indexing import Template, fill, getitem_p, getitem_shape, lanes_of_place

_ALL = slice(None)


def write_plain(x: Array, v: Array, arrays: Sequence[Array], index: Template) -> None:
    """`x[index] = v` for plain arrays."""
    x[fill(index, arrays)] = v


def _setitem(x: Array, v: Array, *arrays: Array, index: Template) -> Array:
    y = np.array(x)
    write_plain(y, v, arrays, index)
    return y


def _setitem_shape(
    x: ShapedArray, v: ShapedArray, *arrays: ShapedArray, index: Template
) -> ShapedArray:
    place = getitem_shape(x, *arrays, index=index)
    extra = max(v.ndim - place.ndim, 0)
    try:
        fits = np.broadcast_shapes(v.shape[extra:], place.shape) == place.shape
    except ValueError:
        fits = False
    if not fits or any([d != 1 for d in v.shape[:extra]]):
        raise ShapeError(
            f"x[...] = v: the value {v!r} does not fit the place of shape {place.shape}."
        )
    return ShapedArray(x.shape, x.dtype)


def winners(x: Any, arrays: Sequence[Array], index: Template) -> Array | None:
    """Which of the values written by index arrays stay: of those for the same place, the last.

    None if all do.
    """
    place = getitem_shape(aval_of(x), *[aval_of(a) for a in arrays], index=index).shape
    numbers = np.arange(math.prod(place)).reshape(place)
    if any([isinstance(a, Tracer) for a in arrays]):
        board = setitem_p.bind(np.zeros(x.shape, np.intp), numbers, *arrays, index=index)
        return getitem_p.bind(board, *arrays, index=index) == numbers
    board = np.empty(x.shape, np.intp)  # only what is written is read
    key = fill(index, arrays)
    board[key] = numbers
    kept: Array = board[key] == numbers
    return None if kept.all() else kept


def cotangent_of_value(ct: Array, v: Any, arrays: Sequence[Array], index: Template) -> Array:
    """The cotangent of a value that was written, from that of the array; it may be a view of it."""
    part = getitem_p.bind(ct, *arrays, index=index)
    kept = winners(ct, arrays, index) if arrays else None
    if kept is not None:
        part = np.where(kept, part, 0)
    extra = len(v.shape) - part.ndim
    if extra > 0:  # NumPy drops leading axes of length 1
        part = np.reshape(part, (1,) * extra + part.shape)
    return unbroadcast(part, v)


def _setitem_transpose(
    ct: Array, wanted: Sequence[bool], x: Any, v: Any, *arrays: Any, index: Template
) -> list[Array | None]:
    ct_x = ct_v = None
    if wanted[0]:
        ct_x = convert(setitem_p.bind(ct, ct.dtype.type(0), *arrays, index=index), x.dtype)
    if wanted[1]:
        ct_v = cotangent_of_value(ct, v, arrays, index)
    return [ct_x, ct_v]


def lanes_to_write(
    size: int, batched: Sequence[bool], x: Array, v: Array, arrays: Sequence[Array], index: Template
) -> tuple[Array, Array, list[Array], Template]:
    """Operands and template that write to all lanes at once."""
    if not batched[0]:
        x = np.broadcast_to(x, (size, *np.shape(x)))
    if not arrays:
        if batched[1]:
            rank = _place_ndim(x.ndim - 1, index)
            lane = np.shape(v)[1:]
            extra = max(len(lane) - rank, 0)
            v = np.reshape(v, (size, *(1,) * (rank - len(lane)), *lane[extra:]))
        return x, v, [], (_ALL, *index)
    lanes = [
        ShapedArray(a.shape[b:], a.dtype)
        for a, b in zip(map(aval_of, arrays), batched[2:], strict=True)
    ]
    aval = aval_of(x)
    place = getitem_shape(ShapedArray(aval.shape[1:], aval.dtype), *lanes, index=index).shape
    if batched[1]:
        lane = np.shape(v)[1:]
        extra = max(len(lane) - len(place), 0)
        v = np.reshape(v, (size, *(1,) * (len(place) - len(lane)), *lane[extra:]))
    v = np.broadcast_to(v, (size, *place))
    return x, *lanes_of_place(size, v, arrays, batched[2:], index)


def _place_ndim(ndim: int, index: Template) -> int:
    """The number of axes of what a template without index arrays selects."""
    return ndim - sum([type(i) is int for i in index]) + sum([i is None for i in index])


setitem_p: Primitive = variadic(
    "setitem",
    _setitem,
    Together(_setitem_transpose),
    linear="jointly",
    linear_args=(0, 1),
    shape=_setitem_shape,
    batch=lambda size, batched, x, v, *arrays, index: _setitem_lanes(
        *lanes_to_write(size, batched, x, v, arrays, index)
    ),
)


def _setitem_lanes(x: Array, v: Array, arrays: Sequence[Array], index: Template) -> Array:
    return setitem_p.bind(x, v, *arrays, index=index)


getitem_p.put_back = lambda x, y, *, index: setitem_p.bind(x, y, index=index)
