"""What NumPy tells of an array: shape, ndim, size, dtypes, text, whether two are equal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..aval import Array, Shape, aval_of
from ..dispatch import asarray, implements
from ..errors import ConcretizationError, DtypeError
from ..tracing import Tracer
from .elementwise import as_array


def plain_value(x: Array, what: str) -> Any:
    """The plain array behind an argument that decides shapes; an error where it has none."""
    return np.asarray(x._value(what, "value") if isinstance(x, Tracer) else x)  # type: ignore[attr-defined]  # of all tracers


def known_value(x: Array) -> Any:
    """The plain array behind a value, or None where there is none, as under vmap."""
    if not isinstance(x, Tracer):
        return np.asarray(x)
    try:
        return np.asarray(x.concrete())
    except ConcretizationError:
        return None


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
    return math.prod([aval.shape[i] for i in normalize_axis_tuple(axis, aval.ndim)])


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


@implements(np.array_equiv)
def array_equiv(a1: Array, a2: Array) -> Array:
    """`np.array_equiv` on traced values."""
    a, b = asarray(a1, "np.array_equiv"), asarray(a2, "np.array_equiv")
    try:
        np.broadcast_shapes(np.shape(a), np.shape(b))
    except ValueError:
        return False
    same = np.all(a == b)
    return same if isinstance(same, Tracer) else bool(same)


@implements(np.iscomplex)
def iscomplex(x: Array) -> Array:
    """`np.iscomplex` on traced values."""
    return np.imag(as_array(x, "np.iscomplex")) != 0


@implements(np.isreal)
def isreal(x: Array) -> Array:
    """`np.isreal` on traced values."""
    return np.imag(as_array(x, "np.isreal")) == 0


# Dtypes.


def check_cast(operation: str, x: Array, dtype: Any, casting: Any) -> None:
    """Refuse a cast that NumPy's rule `casting` does not allow."""
    have = aval_of(x).dtype
    if not np.can_cast(have, dtype, casting):
        raise DtypeError(
            f"{operation}: {have} cannot be cast to {np.dtype(dtype)} by the rule {casting!r}.",
            fix="cast it first with x.astype(...), or give another casting=",
        )


def _of_dtype(x: Any) -> Any:
    return np.empty(0, x.aval.dtype) if isinstance(x, Tracer) else x


@implements(np.common_type)
def common_type(*arrays: Array) -> Any:
    """`np.common_type` where an array is traced."""
    return np.common_type(*[_of_dtype(x) for x in arrays])


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """`np.can_cast` from the dtype of a traced value."""
    return np.can_cast(from_.aval.dtype if isinstance(from_, Tracer) else from_, to, casting)


@implements(np.min_scalar_type)
def min_scalar_type(a: Array, /) -> Any:
    """`np.min_scalar_type`: the dtype; of a scalar what its concrete value needs."""
    x = as_array(a, "np.min_scalar_type")
    return x.dtype if x.ndim else np.min_scalar_type(plain_value(x, "np.min_scalar_type"))


# Text and memory.


def _shown(x: Array) -> Array:
    """The concrete value, or where there is none, the tracer."""
    value = known_value(x)
    return x if value is None else value


@implements(np.array2string)
def array2string(a: Array, *args: Any, **kwargs: Any) -> str:
    """`np.array2string` of the concrete value; where there is none, the text of the tracer."""
    x = _shown(a)
    return repr(x) if isinstance(x, Tracer) else np.array2string(x, *args, **kwargs)


@implements(np.array_repr)
def array_repr(arr: Array, *args: Any, **kwargs: Any) -> str:
    """`np.array_repr` of the concrete value; where there is none, the text of the tracer."""
    x = _shown(arr)
    return repr(x) if isinstance(x, Tracer) else np.array_repr(x, *args, **kwargs)


@implements(np.array_str)
def array_str(a: Array, *args: Any, **kwargs: Any) -> str:
    """`np.array_str` of the concrete value; where there is none, the text of the tracer."""
    x = _shown(a)
    return repr(x) if isinstance(x, Tracer) else np.array_str(x, *args, **kwargs)


@implements(np.shares_memory)
def shares_memory(a: Array, b: Array, /, max_work: int = -1) -> bool:
    """`np.shares_memory` of the concrete values; where there are none, whether both are one."""
    return _overlap(np.shares_memory, a, b, max_work)


@implements(np.may_share_memory)
def may_share_memory(a: Array, b: Array, /, max_work: int = 0) -> bool:
    """`np.may_share_memory` of the concrete values; where there are none, whether both are one."""
    return _overlap(np.may_share_memory, a, b, max_work)


def _overlap(numpys: Any, a: Array, b: Array, max_work: int) -> bool:
    if a is b:
        return True
    x, y = _shown(a), _shown(b)
    if isinstance(x, Tracer) or isinstance(y, Tracer):
        return False
    return bool(numpys(x, y, max_work))
