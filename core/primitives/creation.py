"""What NumPy tells of an array from its type alone: shape, ndim, size, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array, Shape, aval_of
from ..dispatch import asarray, implements
from ..tracing import Tracer


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
