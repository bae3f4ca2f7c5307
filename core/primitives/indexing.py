"""Indexing: `x[...]` in all of NumPy's forms, its transpose (adding into an array of zeros), and
what is made of the two.

A key is kept as a template: ints, slices and None, with `Place.ARRAY` where an index array goes.
The arrays are operands of the primitive, so they may be batched or traced. `scatter_sum` takes any
number of (template, cotangent) pairs, which is how the backward pass of a loop over `x[i]` stays
linear in time also when the cotangents are traced.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, Shape, ShapedArray, aval_of
from ..dispatch import implements, is_traced
from ..errors import ConcretizationError, ShapeError
from ..rules import align_batch, linear, ndim_of, variadic
from ..tracing import Primitive, Together, Tracer
from ..views import link, read_only, view
from .elementwise import as_array
from .masks import places_of, refused_mask

Template = tuple[Any, ...]


class Place(Enum):
    """Marks the place of an index array in a template."""

    ARRAY = "array"

    def __repr__(self) -> str:
        return "array"


_ALL = slice(None)
_float64 = np.float64


def fill(index: Template, arrays: Sequence[Array]) -> Template:
    """The key: the template with the index arrays in their places."""
    if not arrays:
        return index
    rest = iter(arrays)
    return tuple([next(rest) if i is Place.ARRAY else i for i in index])


def _getitem(x: Array, *arrays: Array, index: Template) -> Array:
    return x[fill(index, arrays)]


_ZERO = np.zeros(64, np.uint8)


def _sample(aval: ShapedArray) -> Array:
    """Zeros of a type, without memory for their elements; twenty times faster than broadcast_to."""
    return np.ndarray(aval.shape, aval.dtype, _ZERO, strides=(0,) * len(aval.shape))


def getitem_shape(x: ShapedArray, *arrays: ShapedArray, index: Template) -> ShapedArray:
    """The type of what an index selects."""
    n, i = x.shape[0] if x.shape else 0, index[0] if len(index) == 1 else None
    if type(i) is int and -n <= i < n:
        return ShapedArray(x.shape[1:], x.dtype)
    y = _getitem(_sample(x), *[_sample(a) for a in arrays], index=index)
    return ShapedArray(np.shape(y), x.dtype)


def _accumulate(acc: Array, ct: Array, x: Any, *arrays: Array, index: Template) -> None:
    if arrays:
        np.add.at(acc, fill(index, arrays), ct)
        return
    part = acc[index]
    if type(part) is np.ndarray:
        part += ct  # a view
    else:
        acc[index] = part + ct


def _advanced_positions(index: Template) -> list[int]:
    """The positions of index arrays, and of ints, which NumPy broadcasts with them."""
    return [k for k, i in enumerate(index) if i is Place.ARRAY or type(i) is int]


def _lane_position(index: Template) -> int:
    """The axis of one lane's result at which the axes of the broadcast index arrays begin."""
    positions = _advanced_positions(index)
    apart = positions[-1] - positions[0] >= len(positions)
    return (
        0 if apart else positions[0]
    )  # before the first there are only slices and None: one axis each


def _batched_key(
    size: int, x_batched: bool, arrays: Sequence[Array], batched: Sequence[bool], index: Template
) -> tuple[Template, list[Array]]:
    """Template and arrays that index all lanes at once, where some index arrays differ from lane to
    lane.
    """
    rank = max([ndim_of(a) - b for a, b in zip(arrays, batched, strict=True)])
    arrays = [align_batch(rank, a) if b else a for a, b in zip(arrays, batched, strict=True)]
    if x_batched:
        lanes = np.arange(size).reshape((size,) + (1,) * rank)
        return (Place.ARRAY, *index), [lanes, *arrays]
    return index, arrays


def _getitem_batch(
    size: int, batched: Sequence[bool], x: Array, *arrays: Array, index: Template
) -> Array:
    if not any(batched[1:]):
        y = getitem_p.bind(x, *arrays, index=(_ALL, *index))
        if arrays and _advanced_positions(index) and _is_apart(index):
            # NumPy moved the index axes to the front, past the batch axis.
            y = np.moveaxis(y, max([ndim_of(a) for a in arrays]), 0)
        return y
    key, arrays_now = _batched_key(size, batched[0], arrays, batched[1:], index)
    y = getitem_p.bind(x, *arrays_now, index=key)
    at = _lane_position(index)
    rank = max([ndim_of(a) for a in arrays_now]) - 1
    if not batched[0]:
        return np.moveaxis(y, at, 0)  # the batch axis leads the index axes, which begin at `at`
    if at == 0:
        return y
    # The batch index stands apart from the others, so all index axes went to the front: bring the
    # lanes' own back.
    return np.moveaxis(y, list(range(1, 1 + rank)), list(range(1 + at, 1 + at + rank)))


def _is_apart(index: Template) -> bool:
    positions = _advanced_positions(index)
    return positions[-1] - positions[0] >= len(positions)


getitem_p = linear(
    "getitem",
    _getitem,
    lambda ct, x, *arrays, index: scatter_sum_p.bind(
        ct, *arrays, places=((index, len(arrays)),), shape=x.shape, dtype=x.dtype
    ),
    shape=getitem_shape,
    batch=_getitem_batch,
    accumulate=_accumulate,
)


# The transpose: place several cotangents into zeros, adding where they meet.

Places = tuple[tuple[Template, int], ...]


def _pieces(args: Sequence[Any], places: Places) -> list[tuple[Any, list[Any], Template]]:
    """(cotangent, index arrays, template) for each place; the arrays follow all cotangents."""
    at = len(places)
    found = []
    for ct, (index, n) in zip(args, places, strict=False):
        found.append((ct, list(args[at : at + n]), index))
        at += n
    return found


def _scatter_sum(*args: Array, places: Places, shape: Shape, dtype: np.dtype[Any]) -> Array:
    whole = places[:1] == (((), 0),) and np.shape(args[0]) == shape
    out = np.array(args[0], dtype) if whole else np.zeros(shape, dtype)
    for k, (ct, arrays, index) in enumerate(_pieces(args, places)):
        if whole and not k:
            continue
        if k or arrays:
            _accumulate(out, ct, None, *arrays, index=index)
        else:
            out[index] = ct  # nothing is there yet to be added to
    return out


def _scatter_transpose(
    ct: Array, wanted: Sequence[bool], *args: Any, places: Places, shape: Shape, dtype: Any
) -> list[Array | None]:
    return [
        getitem_p.bind(ct, *arrays, index=index) if needed else None
        for needed, (_, arrays, index) in zip(wanted, _pieces(args, places), strict=False)
    ]


def lanes_of_place(
    size: int, ct: Array, arrays: Sequence[Array], batched: Sequence[bool], index: Template
) -> tuple[Array, list[Array], Template]:
    """What to put where in a batched array, for values `ct` of all lanes."""
    if any(batched):
        at = _lane_position(index)
        rank = max([ndim_of(a) - b for a, b in zip(arrays, batched, strict=True)])
        key, arrays = _batched_key(size, True, arrays, batched, index)
        if at:
            ct = np.moveaxis(ct, list(range(1 + at, 1 + at + rank)), list(range(1, 1 + rank)))
        return ct, list(arrays), key
    if arrays and _is_apart(index):
        ct = np.moveaxis(ct, 0, max([ndim_of(a) for a in arrays]))
    return ct, list(arrays), (_ALL, *index)


def _scatter_batch(
    size: int,
    batched: Sequence[bool],
    *args: Array,
    places: Places,
    shape: Shape,
    dtype: np.dtype[Any],
) -> Array:
    cts, all_arrays, new_places = [], [], []
    flags = _pieces(batched, places)
    for (ct, arrays, index), (ct_batched, arrays_batched, _) in zip(
        _pieces(args, places), flags, strict=True
    ):
        if not ct_batched:
            ct = np.broadcast_to(ct, (size, *np.shape(ct)))
        ct, arrays, key = lanes_of_place(size, ct, arrays, arrays_batched, index)
        cts.append(ct)
        all_arrays += arrays
        new_places.append((key, len(arrays)))
    return scatter_sum_p.bind(
        *cts, *all_arrays, places=tuple(new_places), shape=(size, *shape), dtype=dtype
    )


scatter_sum_p: Primitive = variadic(
    "scatter_sum",
    _scatter_sum,
    Together(_scatter_transpose),
    linear="jointly",
    linear_args=lambda params: range(len(params["places"])),
    shape=lambda *avals, places, shape, dtype: ShapedArray(shape, dtype),
    batch=_scatter_batch,
)


def scatter(ct: Array, index: Template, shape: Shape, *arrays: Array) -> Array:
    """An array of zeros with `ct` at `index`: the transpose of indexing."""
    return scatter_sum_p.bind(
        ct, *arrays, places=((index, len(arrays)),), shape=shape, dtype=aval_of(ct).dtype
    )


# From what the user writes between the brackets to a template.


def getitem(x: Array, index: Any) -> Array:
    """`x[index]` for a traced array, or a traced index.

    Args:
        x: array or tracer.
        index: anything that NumPy takes; traced index arrays must be of integers.

    Returns:
        The elements.
    """
    if (type(index) is int or type(index) is slice) and isinstance(x, Tracer):
        if type(index) is slice and (
            index.step is not None
            or isinstance(index.stop, Tracer)
            or isinstance(index.start, Tracer)
        ):
            index = plain_slice(index)
        params = {"index": (index,)}
        y = x._trace.process(getitem_p, (x,), params)
        if isinstance(y, Tracer) and type(y.primal) is not _float64:
            link(y, x, getitem_p, params)
        return y
    template, arrays = parse_index(x, index)
    if any([type(i) is _BooleanAxis for i in template]):
        return _with_boolean_axes(x, template, arrays)
    if arrays:
        return getitem_p.bind(x, *arrays, index=tuple(template))
    return view(getitem_p, x, index=tuple(template))


def parse_index(x: Array, index: Any) -> tuple[list[Any], list[Array]]:
    """What stands between the brackets as a template and index arrays."""
    items = index if type(index) is tuple else (index,)
    template: list[Any] = []
    arrays: list[Array] = []
    masks: list[tuple[int, bool, Shape]] = []
    axes_used = 0
    for item in items:
        kind = type(item)
        if kind is int or kind is slice:
            template.append(item if kind is int else plain_slice(item))
            axes_used += 1
        elif item is None or item is Ellipsis:
            template.append(item)
        elif kind is bool or kind is np.bool_:
            template.append(_BooleanAxis(bool(item)))
        elif isinstance(item, np.integer) and not isinstance(item, Tracer):
            template.append(int(item))
            axes_used += 1
        elif _is_mask(item) and not np.ndim(item) and isinstance(item, Tracer) and item.decides:
            template.append(_BooleanAxis(bool(item)))
        else:
            found = _index_arrays(x, item)
            if len(found) > 1 or _is_mask(item):
                masks.append((axes_used, any([i is Ellipsis for i in template]), np.shape(item)))
            arrays += found
            template += [Place.ARRAY] * len(found)
            axes_used += len(found)
    for axis, counts_from_end, shape in masks:
        _check_mask(x, axis + (x.ndim - axes_used if counts_from_end else 0), shape)
    if any([i is Ellipsis for i in template]):
        at = [i is Ellipsis for i in template].index(True)
        template[at : at + 1] = [_ALL] * (x.ndim - axes_used)
    return template, arrays


def _is_mask(item: Any) -> bool:
    found: Any = item if isinstance(item, Tracer) else np.asarray(item)
    return found.dtype.kind == "b"  # type: ignore[no-any-return]  # a bool


def plain_slice(s: slice) -> slice:
    """A slice whose ends are plain numbers: a traced one is decided now, as it decides a shape."""
    ends: list[Any] = [s.start, s.stop, s.step]
    if not is_traced(ends):
        return s
    start, stop, step = [operator.index(e) if is_traced([e]) else e for e in ends]
    return slice(start, stop, step)


def _check_mask(x: Array, axis: int, shape: Shape) -> None:
    for i, d in enumerate(shape):
        have = x.shape[axis + i] if axis + i < x.ndim else None
        if have != d:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis + i}; size of axis is "
                f"{have} but size of corresponding boolean axis is {d}"
            )


class _BooleanAxis:
    """A scalar True or False between the brackets: a new axis of length 1 or 0."""

    __slots__ = ("kept",)

    def __init__(self, kept: bool) -> None:
        self.kept = kept


def _with_boolean_axes(x: Array, template: list[Any], arrays: list[Array]) -> Array:
    at = [k for k, i in enumerate(template) if type(i) is _BooleanAxis]
    plain = tuple([i for i in template if type(i) is not _BooleanAxis])
    if len(at) > 1 or arrays:
        raise ConcretizationError(
            "a scalar bool next to index arrays is not supported between the brackets of a traced "
            "array.",
            fix="write x[None] for x[True], and x[:0] for x[False]",
        )
    y = x[None] if template[at[0]].kept else x[None][:0]
    return getitem_p.bind(y, index=(_ALL, *plain))  # a copy, as of index arrays


def _index_arrays(x: Array, item: Any) -> list[Array]:
    """The index arrays that one entry between the brackets stands for: a mask gives one for each of
    its axes.
    """
    if not isinstance(item, Tracer):
        if isinstance(item, list | tuple) and is_traced(item):
            item = as_array(item, "indexing")
        else:
            item = np.asarray(item)
            if item.size == 0 and item.dtype.kind == "f":
                item = item.astype(np.intp)  # x[[]] selects nothing
    kind = item.dtype.kind
    if kind == "b":
        return list(places_of(item, refused_mask))
    if kind not in "iu":
        raise IndexError(
            "indexing: arrays between the brackets must be of integers or bools; got "
            f"{aval_of(item)!r}."
            " Cast it: x[i.astype(int)]"
        )
    return [item]


# NumPy's functions that are indexing.


@implements(np.take)
def take(
    a: Array, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Array:
    """`np.take` on traced values."""
    a = as_array(a, "np.take")
    indices = as_array(indices, "np.take")
    if indices.dtype.kind not in "iu":
        indices = indices.astype(np.intp)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"np.take: `mode` must be 'raise', 'wrap' or 'clip'; got {mode!r}")
    if mode == "wrap":
        indices = indices % a.shape[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, a.shape[axis] - 1)
    return getitem(a, (*[_ALL] * axis, indices))


@implements(np.take_along_axis)
def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """`np.take_along_axis` on traced values."""
    arr = as_array(arr, "np.take_along_axis")
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return getitem(arr, along_axis(arr.shape, indices, axis))


def along_axis(shape: Shape, indices: Array, axis: int) -> tuple[Any, ...]:
    """The key for indices along one axis, of arrays that are indexed by themselves elsewhere."""
    ndim = len(shape)
    axis = normalize_axis_index(axis, ndim)
    if np.ndim(indices) != ndim:
        raise ValueError(
            f"indices along an axis must have as many axes as the array, {ndim}; they have "
            f"{np.ndim(indices)}"
        )
    return tuple(
        [
            indices
            if i == axis
            else np.arange(d).reshape([-1 if j == i else 1 for j in range(ndim)])
            for i, d in enumerate(shape)
        ]
    )


def _diagonal_transpose(ct: Array, x: Any, *, offset: int) -> Array:
    *lead, n, m = x.shape
    length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    # In the matrix as one row, the diagonal is every (m + 1)th element.
    start = max(offset, 0) - m * min(offset, 0)
    places = slice(start, start + length * (m + 1) - m, m + 1) if length else slice(0)
    y = scatter(ct, (*[_ALL] * len(lead), places), (*lead, n * m))
    return np.reshape(y, x.shape)


diagonal_p: Primitive = linear(
    "diagonal",
    lambda x, *, offset: np.diagonal(x, offset, -2, -1),
    _diagonal_transpose,
    batch=lambda size, batched, x, *, offset: diagonal_p.bind(x, offset=offset),
)


@implements(np.diagonal)
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """`np.diagonal` on traced values."""
    a = as_array(a, "np.diagonal")
    if a.ndim != 2 or axis1 != 0 or axis2 != 1:
        a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    return read_only(diagonal_p.bind(a, offset=offset))


@implements(np.trace)
def trace(
    a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Array:
    """`np.trace` on traced values."""
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.diag)
def diag(v: Array, k: int = 0) -> Array:
    """`np.diag` on traced values."""
    v = as_array(v, "np.diag")
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(f"np.diag: the input must have one or two axes, but is {aval_of(v)!r}")
    n = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    return scatter(v, (Place.ARRAY, Place.ARRAY), (n, n), i - min(k, 0), i + max(k, 0))


@implements(np.diagflat)
def diagflat(v: Array, k: int = 0) -> Array:
    """`np.diagflat` on traced values."""
    return np.diag(np.ravel(v), k)


def _lower(m: Array, k: int) -> Array:
    """The lower triangle as a mask; a vector counts as every row of a square matrix."""
    if not m.ndim:
        raise TypeError("np.tril and np.triu need an array with at least one axis")
    rows, columns = m.shape[-2:] if m.ndim > 1 else m.shape * 2
    return np.tri(rows, columns, k=k, dtype=bool)


@implements(np.tril)
def tril(m: Array, k: int = 0) -> Array:
    """`np.tril` on traced values."""
    m = as_array(m, "np.tril")
    return np.where(_lower(m, k), m, 0)


@implements(np.triu)
def triu(m: Array, k: int = 0) -> Array:
    """`np.triu` on traced values."""
    m = as_array(m, "np.triu")
    return np.where(_lower(m, k - 1), 0, m)
