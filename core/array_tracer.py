"""The NumPy face of a tracer: operators, and NumPy's two protocols.

Operators go straight to their primitive, for speed; ndarray's methods and attributes are in
`array_methods.py`. What is here does not know how a tracer works inside: see `Trace.process`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from .array_methods import ArrayMethods
from .aval import Array, ShapedArray, aval_of
from .conversions import is_in_arange, refuse_array
from .dispatch import (
    DEFER,
    FUNCTIONS,
    KNOWN,
    OUT_POSITIONS,
    UFUNCS,
    coerce,
    find_ufunc,
    name_of,
    refuse_out,
    unsupported,
)
from .errors import ConcretizationError, InPlaceWriteError
from .inplace import At, put, replace, setitem, update
from .primitives import elementwise as ew
from .primitives.contractions import matmul
from .primitives.indexing import getitem
from .selection import select, selecting_mask
from .storage import Storage
from .tracing import Primitive, Tracer
from .ufuncs import apply_ufunc, numpy_result, special_ufunc_call

__all__ = ["ArrayTracer", "WritableTracer"]

_ABSENT = object()
_float64 = np.float64

BinaryMethod = Callable[["ArrayTracer", Array], Array]


def _binary(primitive: Primitive) -> tuple[BinaryMethod, BinaryMethod]:
    """The methods `x op other` and `other op x` of a primitive."""

    def forward(self: ArrayTracer, other: Array) -> Array:
        if type(other) in KNOWN:
            return self._trace.process2(primitive, self, other)
        if isinstance(other, Tracer):
            mine, its = self._trace, other._trace
            return (mine if mine.number >= its.number else its).process2(primitive, self, other)
        other = coerce(other)
        return NotImplemented if other is DEFER else forward(self, other)

    def reflected(self: ArrayTracer, other: Array) -> Array:
        if type(other) in KNOWN:
            return self._trace.process2(primitive, other, self)
        other = coerce(other)
        return NotImplemented if other is DEFER else reflected(self, other)

    return forward, reflected


def _unary(primitive: Primitive) -> Callable[[ArrayTracer], Array]:
    def method(self: ArrayTracer) -> Array:
        return self._trace.process1(primitive, self)

    return method


def _through(ufunc: np.ufunc) -> tuple[BinaryMethod, BinaryMethod]:
    """The methods `x op other` and `other op x` of an operator that is not on the hot path."""

    def forward(self: ArrayTracer, other: Array) -> Array:
        return ufunc(self, other)

    def reflected(self: ArrayTracer, other: Array) -> Array:
        return ufunc(other, self)

    return forward, reflected


def _in_place(binary: BinaryMethod, operation: str) -> BinaryMethod:
    """The method for `x op= other`."""

    def method(self: ArrayTracer, other: Array) -> Array:
        y = binary(self, other)
        if type(self.primal) is _float64 or y is NotImplemented:
            return y
        return update(self, y, operation)

    return method


class ArrayTracer(ArrayMethods):
    """A tracer that behaves as the array, or NumPy scalar, that it stands for."""

    __slots__ = ()
    __array_priority__ = 1000
    # Equality is elementwise, so a tracer cannot be a dictionary key, as an array cannot.
    __hash__ = None  # type: ignore[assignment]  # the documented way to say so

    # What NumPy asks.

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, x: Any, y: Any = _ABSENT, /, *more: Any, **kwargs: Any
    ) -> Any:
        if kwargs or method != "__call__" or more:
            inputs = (x, *more) if y is _ABSENT else (x, y, *more)
            return special_ufunc_call(ufunc, method, inputs, kwargs)
        ours = UFUNCS.get(ufunc)
        if type(ours) is Primitive:
            if y is _ABSENT:
                z = self._trace.process1(ours, self)
            elif type(x) in KNOWN or (x is self and type(y) in KNOWN):
                z = self._trace.process2(ours, x, y)
            else:
                z = apply_ufunc(ours, (x, y))
            return z if ours.impl is ufunc else numpy_result(z)
        if ours is None:
            ours = find_ufunc(ufunc)
        elif y is self and type(x) in KNOWN:
            return ours(x, y)
        return apply_ufunc(ours, (x,) if y is _ABSENT else (x, y))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = FUNCTIONS.get(func)
        if ours is None:
            raise unsupported(func)
        for kind in types:
            if kind is not np.ndarray and not issubclass(kind, Tracer):
                return NotImplemented
        if (kwargs and kwargs.get("out") is not None) or (
            func in OUT_POSITIONS and (args[OUT_POSITIONS[func] :] or (None,))[0] is not None
        ):
            refuse_out(name_of(func))
        return ours(*args, **kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.decides and self.dtype.kind in "iu" and not self.shape and is_in_arange():
            return np.asarray(self._value("an end of np.arange", "value"), dtype)
        refuse_array(self)

    # Operators.

    __add__, __radd__ = _binary(ew.add_p)
    __sub__, __rsub__ = _binary(ew.subtract_p)
    __mul__, __rmul__ = _binary(ew.multiply_p)
    __truediv__, __rtruediv__ = _binary(ew.divide_p)
    __pow__, __rpow__ = _binary(ew.power_p)
    __lt__ = _binary(ew.less_p)[0]
    __le__ = _binary(ew.less_equal_p)[0]
    __gt__ = _binary(ew.greater_p)[0]
    __ge__ = _binary(ew.greater_equal_p)[0]
    __eq__ = _binary(ew.equal_p)[0]
    __ne__ = _binary(ew.not_equal_p)[0]
    __mod__, __rmod__ = _through(np.remainder)
    __floordiv__, __rfloordiv__ = _through(np.floor_divide)
    __and__, __rand__ = _through(np.bitwise_and)
    __or__, __ror__ = _through(np.bitwise_or)
    __xor__, __rxor__ = _through(np.bitwise_xor)
    __lshift__, __rlshift__ = _through(np.left_shift)
    __rshift__, __rrshift__ = _through(np.right_shift)
    __neg__ = _unary(ew.negative_p)
    __abs__ = _unary(ew.absolute_p)

    def __matmul__(self, other: Array) -> Array:
        if type(other) not in KNOWN:
            other = coerce(other)
        return NotImplemented if other is DEFER else matmul(self, other)

    def __rmatmul__(self, other: Array) -> Array:
        if type(other) not in KNOWN:
            other = coerce(other)
        return NotImplemented if other is DEFER else matmul(other, self)

    def __pos__(self) -> Array:
        return np.positive(self)

    def __invert__(self) -> Array:
        return np.invert(self)

    def __divmod__(self, other: Array) -> Any:
        return np.divmod(self, other)

    def __rdivmod__(self, other: Array) -> Any:
        return np.divmod(other, self)

    def __getitem__(self, index: Any) -> Array:
        if isinstance(index, Tracer):
            mask = selecting_mask(index)
            if mask is not None:
                return select(self, mask)
        return getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        setitem(self, index, value)

    @property
    def at(self) -> At:
        """`x.at[i].set(v)`, `.add(v)` and so on: new arrays, while this one stays as it is."""
        return At(self)

    __iadd__ = _in_place(__add__, "x += v")
    __isub__ = _in_place(__sub__, "x -= v")
    __imul__ = _in_place(__mul__, "x *= v")
    __itruediv__ = _in_place(__truediv__, "x /= v")
    __ifloordiv__ = _in_place(__floordiv__, "x //= v")
    __imod__ = _in_place(__mod__, "x %= v")
    __ipow__ = _in_place(__pow__, "x **= v")
    __imatmul__ = _in_place(__matmul__, "x @= v")
    __iand__ = _in_place(__and__, "x &= v")
    __ior__ = _in_place(__or__, "x |= v")
    __ixor__ = _in_place(__xor__, "x ^= v")
    __ilshift__ = _in_place(__lshift__, "x <<= v")
    __irshift__ = _in_place(__rshift__, "x >>= v")

    def fill(self, value: Array) -> None:
        """Write a value to all elements."""
        setitem(self, ..., value)

    def put(self, indices: Any, values: Array, mode: Any = "raise") -> None:
        """`np.put` on this array."""
        put(self, indices, values, mode)

    def sort(
        self, axis: int = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
    ) -> None:
        """Sort the array in place."""
        replace(self, np.sort(self, axis, kind, order, stable=stable), "x.sort()")

    def partition(
        self, kth: Any, axis: int = -1, kind: Any = "introselect", order: None = None
    ) -> None:
        """Partition the array in place."""
        replace(self, np.partition(self, kth, axis, kind, order), "x.partition()")

    def resize(self, *new_shape: Any, refcheck: bool = True) -> NoReturn:
        """Refused: a traced array keeps its shape."""
        raise InPlaceWriteError(
            "x.resize() would change the shape of a traced array in place.",
            got=repr(self),
            fix="make a new array: x = np.resize(x, shape)",
        )

    # What Python asks.

    def __len__(self) -> int:
        shape = self.aval.shape
        if not shape:
            raise ConcretizationError(
                "len() of a traced value without axes.",
                got=repr(self.aval),
                needed="one axis or more",
            )
        return shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.aval.shape:
            raise ConcretizationError(
                "a traced value without axes cannot be iterated over.",
                got=repr(self.aval),
                needed="one axis or more",
            )
        return iter([self[i] for i in range(self.aval.shape[0])])

    def __contains__(self, value: Array) -> bool:
        return bool(np.any(self == value))

    def __round__(self, digits: int = 0) -> Array:
        return np.round(self, digits)


class WritableTracer(ArrayTracer):
    """An array that was made to be written to: it has no value but that of its storage."""

    __slots__ = ()

    def __init__(self) -> None:  # its trace, a storage, is set by what makes it
        pass

    @property
    def aval(self) -> ShapedArray:
        return aval_of(self._trace.get())  # type: ignore[attr-defined]  # a Storage

    def concrete(self) -> Array:
        value = self._trace.read()  # type: ignore[attr-defined]  # a Storage
        return value.concrete() if isinstance(value, Tracer) else value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self._trace.read()  # type: ignore[attr-defined]  # a Storage
        if isinstance(value, Tracer):
            refuse_array(self)
        return np.array(value, dtype)


Storage.handle = WritableTracer
