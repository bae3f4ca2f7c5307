"""Joining: concatenate, stack and the functions made of them; arrays from nested lists that hold
traced values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, is_traced, sets_arrays_of_tracers
from ..errors import ShapeError
from ..rules import variadic
from ..tracing import Every, Primitive, Together, Tracer
from .creation import check_cast
from .elementwise import as_array, astype


def _spread(size: int, batched: Sequence[bool], args: Sequence[Array]) -> list[Array]:
    """The operands, the unbatched among them repeated along a batch axis (as a view)."""
    return [
        a if b else np.broadcast_to(a, (size, *aval_of(a).shape))
        for a, b in zip(args, batched, strict=True)
    ]


def _result_dtype(avals: Sequence[ShapedArray]) -> np.dtype[Any]:
    return np.result_type(*[a.dtype_or_python_type(1) if a.weak_type else a.dtype for a in avals])


def _concatenate_shape(*avals: ShapedArray, axis: int) -> ShapedArray:
    shape = list(avals[0].shape)
    shape[axis] = sum([a.shape[axis] for a in avals])
    return ShapedArray(tuple(shape), _result_dtype(avals))


def _concatenate_transpose(
    ct: Array, wanted: Sequence[bool], *args: Any, axis: int
) -> list[Array | None]:
    lead = (slice(None),) * axis
    parts: list[Array | None] = []
    start = 0
    for x, needed in zip(args, wanted, strict=True):
        stop = start + aval_of(x).shape[axis]
        parts.append(_same_dtype(ct[(*lead, slice(start, stop))], x) if needed else None)
        start = stop
    return parts


def _same_dtype(ct: Array, x: Any) -> Array:
    if ct.dtype == x.dtype:
        return ct
    return astype(np.real(ct) if x.dtype.kind != "c" else ct, x.dtype)


concatenate_p: Primitive = variadic(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    Together(_concatenate_transpose),
    linear="jointly",
    linear_args=Every(lambda i: True),
    shape=_concatenate_shape,
    batch=lambda size, batched, *xs, axis: concatenate_p.bind(
        *_spread(size, batched, xs), axis=axis + 1
    ),
)


def _stack_shape(*avals: ShapedArray, axis: int) -> ShapedArray:
    shape = list(avals[0].shape)
    shape.insert(axis, len(avals))
    return ShapedArray(tuple(shape), _result_dtype(avals))


def _stack_transpose(
    ct: Array, wanted: Sequence[bool], *args: Any, axis: int
) -> list[Array | None]:
    lead = (slice(None),) * axis
    return [
        _same_dtype(ct[(*lead, i)], x) if needed else None
        for i, (x, needed) in enumerate(zip(args, wanted, strict=True))
    ]


stack_p: Primitive = variadic(
    "stack",
    lambda *xs, axis: np.stack(xs, axis=axis),
    Together(_stack_transpose),
    linear="jointly",
    linear_args=Every(lambda i: True),
    shape=_stack_shape,
    batch=lambda size, batched, *xs, axis: stack_p.bind(*_spread(size, batched, xs), axis=axis + 1),
)


def _arrays(operation: str, arrays: Any) -> list[Array]:
    """The operands of a joining function: a sequence of array-likes, or an array taken apart along
    its first axis.
    """
    if isinstance(arrays, Tracer):
        return [arrays[i] for i in range(arrays.aval.shape[0])]  # type: ignore[index]  # indexable
    found = [as_array(a, operation) for a in arrays]
    if not found:
        raise ShapeError(f"{operation}: need at least one array")
    return found


@implements(np.concatenate)
def concatenate(
    arrays: Any,
    /,
    axis: int | None = 0,
    out: None = None,
    *,
    dtype: Any = None,
    casting: Any = None,
) -> Array:
    """`np.concatenate` on traced values."""
    xs = _arrays("np.concatenate", arrays)
    if axis is None:
        xs, axis = [np.ravel(x) for x in xs], 0
    avals = [aval_of(x) for x in xs]
    axis = normalize_axis_index(axis, avals[0].ndim)
    for aval in avals[1:]:
        same = [
            a == b
            for i, (a, b) in enumerate(zip(avals[0].shape, aval.shape, strict=False))
            if i != axis
        ]
        if aval.ndim != avals[0].ndim or not all(same):
            raise ShapeError(
                f"np.concatenate: all shapes must agree except along axis {axis}; got "
                f"{', '.join(map(repr, avals))}"
            )
    return _cast_joined("np.concatenate", concatenate_p.bind(*xs, axis=axis), xs, dtype, casting)


def _cast_joined(
    operation: str, y: Array, parts: Sequence[Array], dtype: Any, casting: Any
) -> Array:
    if dtype is None and casting is None:
        return y
    dtype = y.dtype if dtype is None else dtype
    for x in parts:
        check_cast(operation, x, dtype, "same_kind" if casting is None else casting)
    return astype(y, dtype)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: Any = None
) -> Array:
    """`np.stack` on traced values."""
    xs = _arrays("np.stack", arrays)
    avals = [aval_of(x) for x in xs]
    if any([a.shape != avals[0].shape for a in avals]):
        raise ShapeError(
            f"np.stack: all shapes must be the same; got {', '.join(map(repr, avals))}"
        )
    y = stack_p.bind(*xs, axis=normalize_axis_index(axis, avals[0].ndim + 1))
    return _cast_joined("np.stack", y, xs, dtype, casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    """`np.hstack` on traced values."""
    xs = [np.atleast_1d(x) for x in _arrays("np.hstack", tup)]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = None) -> Array:
    """`np.vstack` on traced values."""
    xs = [np.atleast_2d(x) for x in _arrays("np.vstack", tup)]
    return concatenate(xs, 0, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Array:
    """`np.dstack` on traced values."""
    return np.concatenate([np.atleast_3d(x) for x in _arrays("np.dstack", tup)], axis=2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Array:
    """`np.column_stack` on traced values."""
    xs = _arrays("np.column_stack", tup)
    return np.concatenate([x if x.ndim >= 2 else np.reshape(x, (-1, 1)) for x in xs], axis=1)


@implements(np.append)
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """`np.append` on traced values."""
    return np.concatenate([as_array(arr, "np.append"), as_array(values, "np.append")], axis=axis)


@implements(np.block)
def block(arrays: Any) -> Array:
    """`np.block` on traced values."""
    levels = _depth(arrays, "arrays")
    if not levels:
        return np.copy(as_array(arrays, "np.block"))

    def leaves(x: Any) -> list[Array]:
        return (
            [v for item in x for v in leaves(item)]
            if isinstance(x, list)
            else [as_array(x, "np.block")]
        )

    ndim = max([levels, *[aval_of(v).ndim for v in leaves(arrays)]])

    def join(x: Any, level: int) -> Array:
        if not isinstance(x, list):
            x = as_array(x, "np.block")
            shape = aval_of(x).shape
            return np.reshape(x, (1,) * (ndim - len(shape)) + shape)
        return np.concatenate([join(v, level + 1) for v in x], axis=ndim - levels + level)

    return join(arrays, 0)


def _depth(x: Any, path: str) -> int:
    """How deeply the lists of np.block are nested."""
    if isinstance(x, tuple):
        raise TypeError(f"np.block: takes lists, but {path} is a tuple")
    if not isinstance(x, list):
        return 0
    depths = {_depth(v, f"{path}[{i}]") for i, v in enumerate(x)}
    if len(depths) != 1:
        raise ValueError(
            f"np.block: {path} is empty"
            if not x
            else f"np.block: the lists in {path} are not all nested equally deep"
        )
    return 1 + depths.pop()


@sets_arrays_of_tracers
def array(x: Any) -> Array:
    """An array of a nested list or tuple in which some elements are traced."""
    if isinstance(x, Tracer) or not isinstance(x, list | tuple):
        return as_array(x, "array")
    if not is_traced(x):
        return np.asarray(x)
    return np.stack([array(v) for v in x])
