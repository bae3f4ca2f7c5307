"""What NumPy makes or tells of an array from its type alone: zeros_like and kin, shape, ndim, size,
dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array, Shape, aval_of
from ..dispatch import asarray, implements
from ..tracing import Tracer
from .elementwise import as_array, astype


def _of_type(a: Any, operation: str, dtype: Any, shape: Any) -> tuple[Any, Any]:
    aval = aval_of(asarray(a, operation))
    return aval.shape if shape is None else shape, aval.dtype if dtype is None else dtype


@implements(np.zeros_like)
def zeros_like(
    a: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.zeros_like` of a traced value: a plain array."""
    return np.zeros(*_of_type(a, "np.zeros_like", dtype, shape))


@implements(np.ones_like)
def ones_like(
    a: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.ones_like` of a traced value: a plain array."""
    return np.ones(*_of_type(a, "np.ones_like", dtype, shape))


@implements(np.empty_like)
def empty_like(
    prototype: Array,
    /,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.empty_like` of a traced value: a plain array."""
    return np.empty(*_of_type(prototype, "np.empty_like", dtype, shape))


@implements(np.full_like)
def full_like(
    a: Array,
    fill_value: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.full_like` where the array, the value, or both are traced."""
    shape, dtype = _of_type(a, "np.full_like", dtype, shape)
    if not isinstance(fill_value, Tracer):
        return np.full(shape, fill_value, dtype)
    return np.broadcast_to(astype(fill_value, dtype), shape)


@implements(np.shape)
def shape(a: Array) -> Shape:
    """`np.shape` of a traced value."""
    return aval_of(asarray(a, "np.shape")).shape


@implements(np.ndim)
def ndim(a: Array) -> int:
    """`np.ndim` of a traced value."""
    return aval_of(asarray(a, "np.ndim")).ndim


@implements(np.size)
def size(a: Array, axis: Any = None) -> int:
    """`np.size` of a traced value."""
    aval = aval_of(asarray(a, "np.size"))
    if axis is None:
        return aval.size
    n = 1
    for i in axis if isinstance(axis, tuple) else (axis,):
        n *= aval.shape[i]
    return n


@implements(np.copy)
def copy(a: Array, order: Any = "K", subok: bool = False) -> Array:
    """`np.copy` of a traced value: traced values never change, so it is the value itself."""
    return as_array(a, "np.copy")


@implements(np.iscomplexobj)
def iscomplexobj(x: Array) -> bool:
    """`np.iscomplexobj` of a traced value."""
    return aval_of(asarray(x, "np.iscomplexobj")).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Array) -> bool:
    """`np.isrealobj` of a traced value."""
    return not iscomplexobj(x)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """`np.result_type` where an argument is a traced value."""

    def kind(x: Any) -> Any:
        if not isinstance(x, Tracer):
            return x
        return x.aval.dtype_or_python_type(1) if x.aval.weak_type else x.aval.dtype

    return np.result_type(*[kind(x) for x in arrays_and_dtypes])


@implements(np.array_equal)
def array_equal(a1: Array, a2: Array, equal_nan: bool = False) -> Array:
    """`np.array_equal` on traced values."""
    a, b = asarray(a1, "np.array_equal"), asarray(a2, "np.array_equal")
    if np.shape(a) != np.shape(b):
        return False
    same = a == b
    same = np.all(same | (np.isnan(a) & np.isnan(b)) if equal_nan else same)
    return same if isinstance(same, Tracer) else bool(same)
