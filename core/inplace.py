"""Writing to traced arrays: `x[i] = v`, `x *= 2`, `ufunc.at`, and NumPy's functions that change
their argument.

All of it ends in two operations of a `Storage`: `assign` at an index, `replace` for the whole.
What NumPy casts is cast, what does not fit raises; `storage.py` says how views follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .aval import Array, ShapedArray, aval_of
from .dispatch import UFUNC_METHODS, asarray, implements, is_traced
from .errors import ConcretizationError, DtypeError, InPlaceWriteError, ShapeError
from .primitives.elementwise import as_array, astype
from .primitives.indexing import (
    Place,
    along_axis,
    fill,
    getitem,
    getitem_p,
    parse_index,
    plain_slice,
    scatter,
)
from .primitives.masks import places_of, refused_mask
from .primitives.writing import setitem_p
from .selection import Selection, selecting_mask, whole_of
from .storage import View, current, peek, storage_of, twin
from .tracing import WRITTEN, Tracer

__all__ = ["At", "put", "replace", "setitem", "update"]


def _writable(x: Array, operation: str) -> Any:
    """The storage of an array that may be written to."""
    if not isinstance(x, Tracer):
        raise InPlaceWriteError(
            f"{operation}: a traced value cannot be written into a plain NumPy array.",
            fix="make the array accept traced values first: x = wengert.numpy.array(x)",
        )
    if x._trace.number != WRITTEN and not x.aval.shape:
        raise InPlaceWriteError(
            f"{operation}: a traced scalar cannot be changed in place, as NumPy's cannot.",
            got=repr(x),
            fix="give the name a new value: x = v",
        )
    return storage_of(x)


def _check_cast(operation: str, v: ShapedArray, x: ShapedArray) -> None:
    if v.dtype.kind == "c" and x.dtype.kind != "c":
        raise DtypeError(
            f"{operation}: complex values do not fit into a real array; the imaginary part would "
            "be lost.",
            got=repr(v),
            needed=repr(x),
            fix="write v.real, or make the array complex: x = x.astype(complex)",
        )


def setitem(x: Array, index: Any, value: Any) -> None:
    """`x[index] = value` for a traced array.

    Args:
        x: a tracer.
        index: anything that NumPy takes.
        value: an array, a number, a list or a tracer that broadcasts to `x[index]`.
    """
    operation = "x[...] = v"
    storage = _writable(x, operation)
    mask = selecting_mask(index)
    if (
        isinstance(value, Tracer)
        and type(value._trace) is View
        and _is_the_same_part(value._trace, storage, x, index)
    ):
        return  # `x[i] += v` has written to the view x[i] already
    if isinstance(value, Selection):
        same = mask is not None and value.mask.is_alike(mask) and not value.written
        if not same and value.chosen():
            setitem(x, index, value.elements(operation))
            return
        if mask is None:
            raise ConcretizationError(
                f"{operation}: elements that were selected by a mask without concrete values can "
                "be written only to a place that is selected by the same mask.",
                got=repr(value),
                fix=value.mask.remedy() + "write np.where(mask, a, b)",
            )
        whole = whole_of(operation, value, mask)
        _check_cast(operation, aval_of(whole), aval_of(x))
        storage.replace(_where(mask, whole, current(x)))
        return
    value = asarray(value, operation)
    v = peek(value)
    aval = aval_of(x)
    _check_cast(operation, aval_of(v), aval)
    if mask is not None and aval_of(v).ndim > x.ndim - mask.ndim and np.sum(mask).decides:
        index = places_of(mask, refused_mask)
        mask = None
    if mask is not None:
        storage.replace(_choose(operation, current(x), mask, v))
        return
    kind = type(index)
    if kind is int or kind is slice:
        template: Any = (index if kind is int else plain_slice(index),)
        arrays: list[Array] = []
    else:
        template, arrays = parse_index(x, index)
        template = tuple(template)
        if not all([i is None or type(i) in (int, slice, Place) for i in template]):
            raise InPlaceWriteError(
                f"{operation}: a single True or False between the brackets is not supported.",
                fix="write x[...] = v under an if",
            )
    try:
        storage.assign(v, [current(a) for a in arrays], template)
    except ValueError as error:
        if isinstance(error, ShapeError) or "broadcast" not in str(error):
            raise
        raise ShapeError(
            f"{operation}: the value does not fit the place.",
            got=repr(aval_of(v)),
            needed=f"what broadcasts to shape {np.shape(getitem(current(x), index))}",
        ) from None


def _is_the_same_part(view: View, storage: Any, x: Array, index: Any) -> bool:
    if view.base is not storage or view.primitive is not getitem_p:
        return False
    template, arrays = parse_index(x, index)
    same: bool = not arrays and view.params["index"] == tuple(template)
    return same and view.seen == view.version_now()


def _choose(operation: str, x: Array, mask: Array, v: Array) -> Array:
    """`x[mask] = v` where how many elements are written is not known."""
    aval, extra = aval_of(v), x.ndim - mask.ndim
    if extra < 0 or mask.shape != x.shape[: mask.ndim]:
        raise IndexError(
            f"{operation}: the mask {aval_of(mask)!r} does not fit the array {aval_of(x)!r}"
        )
    if aval.ndim > extra:
        raise ConcretizationError(
            f"{operation}: with a mask that has no concrete values, the value must be the same for "
            "all elements that it selects.",
            got=f"a value {aval!r} and a mask {mask!r}",
            fix=mask.remedy() + "write x[...] = np.where(mask, v, x), with v of the shape of x",
        )
    return _where(mask, v, x)


def _where(mask: Array, v: Array, x: Array) -> Array:
    mask = np.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
    return np.where(mask, astype(v, x.dtype), x)


def update(x: Array, y: Array, operation: str) -> Array:
    """The end of `x += v`: the result `y` of `x + v`, written to `x` where it is an array."""
    if not isinstance(y, Tracer | np.ndarray) or (x._trace.number != WRITTEN and not x.shape):
        return y
    aval, found = aval_of(x), aval_of(y)
    if found.dtype is not aval.dtype and not np.can_cast(found.dtype, aval.dtype, "same_kind"):
        raise DtypeError(
            f"{operation}: the result cannot be kept in the array, as in NumPy.",
            got=f"a result {found!r}",
            needed=repr(aval),
            fix=f"make a new array: x = x {operation.split()[1][:-1]} v; or cast x first",
        )
    if found.shape != aval.shape:
        raise ShapeError(
            f"{operation}: the result does not have the shape of the array.",
            got=f"a result {found!r}",
            needed=repr(aval),
            fix=f"make a new array: x = x {operation.split()[1][:-1]} v",
        )
    y = current(y)
    same = found.dtype is aval.dtype and not found.weak_type
    storage_of(x).replace(y if same else astype(y, aval.dtype))
    return x


def replace(x: Array, y: Array, operation: str) -> None:
    """Write all elements of `y`, which has the type of `x`, to `x`."""
    _writable(x, operation).replace(current(y))


# JAX's functional form: x.at[i].set(v).


class At:
    """`x.at[i]`: new arrays with some elements changed, while `x` stays as it is."""

    __slots__ = ("_array",)

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> AtIndex:
        return AtIndex(self._array, index)


class AtIndex:
    """The elements of an array at an index, to be changed in a new array."""

    __slots__ = ("_array", "_index")

    def __init__(self, array: Array, index: Any) -> None:
        self._array = array
        self._index = index

    def get(self) -> Array:
        """`x[i]`."""
        return self._array[self._index]

    def set(self, values: Array) -> Array:
        """`x` with `values` at the index; of several for one place the last counts."""
        y = twin(self._array)
        setitem(y, self._index, values)
        return y

    def apply(self, function: Any) -> Array:
        """`x` with `function(x[i])` at the index."""
        return self.set(function(self.get()))

    def _through(self, ufunc: np.ufunc, values: Array) -> Array:
        y = twin(self._array)
        ufunc_at(ufunc, y, self._index, values)
        return y

    def add(self, values: Array) -> Array:
        """`x` with `values` added; several for one place add up."""
        return self._through(np.add, values)

    def subtract(self, values: Array) -> Array:
        """`x` with `values` subtracted."""
        return self._through(np.subtract, values)

    def multiply(self, values: Array) -> Array:
        """`x` with elements multiplied by `values`; several for one place all count."""
        return self._through(np.multiply, values)

    def divide(self, values: Array) -> Array:
        """`x` with elements divided by `values`."""
        return self._through(np.divide, values)

    def power(self, values: Array) -> Array:
        """`x` with elements raised to `values`."""
        return self._through(np.power, values)

    def min(self, values: Array) -> Array:
        """`x` with the smaller of the elements and `values`."""
        return self._through(np.minimum, values)

    def max(self, values: Array) -> Array:
        """`x` with the larger of the elements and `values`."""
        return self._through(np.maximum, values)

    mul = multiply


def ufunc_at(ufunc: np.ufunc, a: Array, indices: Any, b: Any = None) -> None:
    """`ufunc.at(a, indices, b)`: unbuffered, so that an index that occurs twice counts twice."""
    operation = f"np.{ufunc.__name__}.at"
    _writable(a, operation)
    template, arrays = parse_index(a, indices)
    if b is not None:
        b = as_array(b, operation)
    if not arrays:
        part = getitem(a, indices)
        setitem(a, indices, ufunc(part) if b is None else ufunc(part, b))
        return
    key = tuple(template)
    shape = aval_of(getitem(current(a), indices)).shape
    if ufunc in (np.add, np.subtract) and b is not None:
        b = astype(np.broadcast_to(b, shape), a.dtype)
        total = scatter(b, key, a.shape, *[current(i) for i in arrays])
        storage_of(a).replace(ufunc(current(a), total))
        return
    if any([isinstance(current(i), Tracer) for i in arrays]):
        raise ConcretizationError(
            f"{operation}: whether an index occurs twice must be known, so the indices need "
            "concrete values.",
            got=", ".join([repr(i) for i in arrays]),
            fix="use np.add.at or x.at[i].add, which need none",
        )
    if b is not None:
        b = np.ravel(np.broadcast_to(b, shape))
    positions = np.ravel(np.arange(aval_of(a).size).reshape(a.shape)[fill(key, arrays)])
    y = np.reshape(current(a), -1)
    for k in _rounds(positions):
        at = positions[k]
        z = ufunc(y[at]) if b is None else ufunc(y[at], b[k])
        y = setitem_p.bind(y, astype(z, a.dtype), at, index=(Place.ARRAY,))
    storage_of(a).replace(np.reshape(y, a.shape))


def _rounds(positions: Array) -> Iterator[Array]:
    """Numbers of the positions in groups, none of which holds a position twice."""
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    starts = np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))
    rank = np.arange(len(ordered)) - starts
    for r in range(int(np.max(rank, initial=-1)) + 1):
        yield order[rank == r]


def _at_method(ufunc: np.ufunc) -> Any:
    def method(a: Array, indices: Any, b: Any = None, /) -> None:
        ufunc_at(ufunc, a, indices, b)

    return method


_UPDATES: tuple[np.ufunc, ...] = (
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.power,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.negative,
)
for _ufunc in _UPDATES:
    UFUNC_METHODS["at", _ufunc.__name__] = _at_method(_ufunc)


# NumPy's functions that write to their argument.


def _write_flat(a: Array, positions: Array, v: Array) -> None:
    if positions.size:
        setitem(a, np.unravel_index(positions, a.shape), v)


def _repeated(operation: str, v: Any, numbers: Array) -> Array:
    """The values number `numbers` of `v`, which begins again where it ends."""
    v = np.ravel(as_array(v, operation))
    if not v.size and numbers.size:
        raise ShapeError(f"{operation}: there are no values to write.", got=repr(aval_of(v)))
    return v[numbers % max(v.size, 1)]


def _concrete(operation: str, x: Any) -> Array:
    x = current(x)
    if isinstance(x, Tracer):
        raise ConcretizationError(
            f"{operation}: where to write must be concrete.",
            got=repr(x),
            fix="write x[...] = np.where(mask, v, x)",
        )
    return np.asarray(x)


@implements(np.put)
def put(a: Array, ind: Any, v: Any, mode: str = "raise") -> None:
    """`np.put` on a traced array."""
    _writable(a, "np.put")
    size = aval_of(a).size
    positions = np.ravel(_concrete("np.put", ind)).astype(np.intp)
    if mode == "wrap":
        positions = positions % size
    elif mode == "clip":
        positions = np.clip(positions, 0, size - 1)
    elif positions.size and (positions.min() < -size or positions.max() >= size):
        raise IndexError(f"np.put: an index is out of bounds for size {size}")
    numbers = np.arange(positions.size)
    _write_flat(a, positions % max(size, 1), _repeated("np.put", v, numbers))


@implements(np.place)
def place(arr: Array, mask: Any, vals: Any) -> None:
    """`np.place` on a traced array."""
    _writable(arr, "np.place")
    found = current(as_array(mask, "np.place"))
    decided = isinstance(found, Tracer) and found.decides
    positions = np.flatnonzero(mask if decided else _concrete("np.place", mask))
    _write_flat(arr, positions, _repeated("np.place", vals, np.arange(positions.size)))


@implements(np.putmask)
def putmask(a: Array, /, mask: Any, values: Any) -> None:
    """`np.putmask` on a traced array."""
    _writable(a, "np.putmask")
    if is_traced([mask]):
        mask = as_array(mask, "np.putmask")
        if mask.shape != a.shape:
            raise ValueError("np.putmask: mask and data must be the same size")
        if np.size(values):
            setitem(a, ..., np.where(mask != 0, astype(np.resize(values, a.shape), a.dtype), a))
        return
    positions = np.flatnonzero(_concrete("np.putmask", mask))
    _write_flat(a, positions, _repeated("np.putmask", values, positions))


@implements(np.copyto)
def copyto(dst: Array, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """`np.copyto` to a traced array."""
    _writable(dst, "np.copyto")
    src = as_array(src, "np.copyto")
    aval = aval_of(src)
    if not np.can_cast(aval.dtype, dst.dtype, casting):
        raise DtypeError(
            f"np.copyto: the values cannot be cast by the rule {casting!r}.",
            got=repr(aval),
            needed=repr(aval_of(dst)),
            fix="cast them first: src.astype(dst.dtype)",
        )
    setitem(dst, ..., src if where is True else np.where(where, src, current(dst)))


@implements(np.fill_diagonal)
def fill_diagonal(a: Array, val: Any, wrap: bool = False) -> None:
    """`np.fill_diagonal` on a traced array."""
    _writable(a, "np.fill_diagonal")
    shape = a.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(
            "np.fill_diagonal: needs a matrix, or more axes of the same length.",
            got=repr(aval_of(a)),
        )
    if len(shape) == 2:
        step = shape[1] + 1
        end = None if wrap else shape[1] * shape[1]
    else:
        step = 1 + int(np.cumprod(shape[:-1]).sum())
        end = None
    positions = np.arange(aval_of(a).size)[:end:step]
    numbers = np.arange(positions.size)
    _write_flat(a, positions, _repeated("np.fill_diagonal", val, numbers))


@implements(np.put_along_axis)
def put_along_axis(arr: Array, indices: Any, values: Any, axis: int | None) -> None:
    """`np.put_along_axis` on a traced array."""
    _writable(arr, "np.put_along_axis")
    flat = np.ravel(arr) if axis is None else arr
    setitem(flat, along_axis(flat.shape, indices, -1 if axis is None else axis), values)
