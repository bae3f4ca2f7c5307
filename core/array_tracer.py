"""The NumPy face of a tracer: operators, ndarray's methods and attributes, and NumPy's two
protocols.

Operators go straight to their primitive, for speed; methods call the NumPy function of the same
name, which comes back through `__array_function__`. What is here does not know how a tracer works
inside: see `Trace.process`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from .aval import Array, Shape
from .concrete import ConcreteTracer
from .conversions import refuse_array
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
from .errors import (
    ConcretizationError,
    InPlaceWriteError,
)
from .primitives import elementwise as ew
from .primitives.contractions import matmul
from .primitives.indexing import getitem
from .tracing import Primitive, Tracer
from .ufuncs import apply_ufunc, numpy_result, special_ufunc_call

__all__ = ["ArrayTracer"]

_ABSENT = object()

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


class ArrayTracer(ConcreteTracer):
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
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
        return getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise InPlaceWriteError(
            "a traced array cannot be changed in place.",
            got=f"x[{_index_text(index)}] = ... on {self!r}",
            fix="make a new array: np.where(mask, value, x), np.concatenate([...]) or "
            "np.stack([...])",
        )

    # Attributes.

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the elements."""
        return self.aval.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.aval.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.aval.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.aval.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.aval.size * self.aval.dtype.itemsize

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Array:
        """The array with its last two axes swapped."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Array:
        """The real part."""
        return np.real(self)

    @property
    def imag(self) -> Array:
        """The imaginary part."""
        return np.imag(self)

    @property
    def flat(self) -> Array:
        """The elements in C order."""
        return np.ravel(self)

    # Methods, each the NumPy function of its name.

    def all(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """`np.all` of this array."""
        return np.all(self, axis, out=out, keepdims=keepdims)

    def any(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """`np.any` of this array."""
        return np.any(self, axis, out=out, keepdims=keepdims)

    def argmax(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmax` of this array."""
        return np.argmax(self, axis, out=out, keepdims=keepdims)

    def argmin(self, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmin` of this array."""
        return np.argmin(self, axis, out=out, keepdims=keepdims)

    def argsort(
        self, axis: Any = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
    ) -> Array:
        """`np.argsort` of this array."""
        return np.argsort(self, axis, kind, order, stable=stable)

    def astype(
        self,
        dtype: Any,
        order: Any = "K",
        casting: Any = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Array:
        """The array cast to `dtype`."""
        return ew.astype(self, dtype)

    def clip(self, min: Array = None, max: Array = None) -> Array:
        """`np.clip` of this array."""
        return np.clip(self, min, max)

    def conj(self) -> Array:
        """The complex conjugate."""
        return np.conjugate(self)

    def conjugate(self) -> Array:
        """The complex conjugate."""
        return np.conjugate(self)

    def copy(self, order: Any = "C") -> Array:
        """A value that does not change with this one."""
        return np.copy(self)

    def cumprod(self, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumprod` of this array."""
        return np.cumprod(self, axis, dtype, out=out)

    def cumsum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumsum` of this array."""
        return np.cumsum(self, axis, dtype, out=out)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """`np.diagonal` of this array."""
        return np.diagonal(self, offset, axis1, axis2)

    def dot(self, b: Array) -> Array:
        """`np.dot` of this array and `b`."""
        return np.dot(self, b)

    def flatten(self, order: Any = "C") -> Array:
        """The elements in one axis."""
        return np.ravel(self, order)

    def max(
        self, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.max` of this array."""
        return np.max(self, axis, out=out, keepdims=keepdims, **kwargs)

    def mean(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.mean` of this array."""
        return np.mean(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def min(
        self, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.min` of this array."""
        return np.min(self, axis, out=out, keepdims=keepdims, **kwargs)

    def nonzero(self) -> Any:
        """`np.nonzero` of this array."""
        return np.nonzero(self)

    def prod(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.prod` of this array."""
        return np.prod(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def ravel(self, order: Any = "C") -> Array:
        """The elements in one axis."""
        return np.ravel(self, order)

    def repeat(self, repeats: Any, axis: Any = None) -> Array:
        """`np.repeat` of this array."""
        return np.repeat(self, repeats, axis)

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> Array:
        """The array with another shape; given as one tuple or as several ints."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def round(self, decimals: int = 0, out: None = None) -> Array:
        """`np.round` of this array."""
        return np.round(self, decimals, out=out)

    def searchsorted(self, v: Array, side: Any = "left", sorter: Any = None) -> Array:
        """`np.searchsorted` of this array."""
        return np.searchsorted(self, v, side, sorter)

    def sort(
        self, axis: int = -1, kind: Any = None, order: None = None, *, stable: bool | None = None
    ) -> NoReturn:
        """Refused: it would change the array in place."""
        raise InPlaceWriteError(
            "x.sort() would sort a traced array in place.",
            got=repr(self),
            fix="use the sorted copy: x = np.sort(x)",
        )

    def squeeze(self, axis: Any = None) -> Array:
        """`np.squeeze` of this array."""
        return np.squeeze(self, axis)

    def std(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.std` of this array."""
        return np.std(self, axis, dtype, out=out, ddof=ddof, keepdims=keepdims, **kwargs)

    def sum(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.sum` of this array."""
        return np.sum(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def swapaxes(self, axis1: int, axis2: int) -> Array:
        """`np.swapaxes` of this array."""
        return np.swapaxes(self, axis1, axis2)

    def take(self, indices: Any, axis: Any = None, out: None = None, mode: Any = "raise") -> Array:
        """`np.take` of this array."""
        return np.take(self, indices, axis, out=out, mode=mode)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """`np.trace` of this array."""
        return np.trace(self, offset, axis1, axis2)

    def transpose(self, *axes: Any) -> Array:
        """`np.transpose` of this array; axes given as one tuple or as several ints."""
        if len(axes) == 1 and not isinstance(axes[0], int | np.integer):
            axes = axes[0]
        return np.transpose(self, axes or None)

    def var(
        self,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.var` of this array."""
        return np.var(self, axis, dtype, out=out, ddof=ddof, keepdims=keepdims, **kwargs)

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


def _index_text(index: Any) -> str:
    if isinstance(index, slice):
        return ":".join(["" if v is None else str(v) for v in (index.start, index.stop)])
    return repr(index) if not isinstance(index, Tracer) else "i"
