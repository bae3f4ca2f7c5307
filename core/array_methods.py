"""The methods and attributes that a tracer shares with ndarray.

Each method calls the NumPy function of the same name, which comes back through
`__array_function__`; operators, and methods that write to the array, are in `array_tracer.py`. What
is refused is listed in `refused.py`.
"""

from __future__ import annotations

import builtins
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from .aval import Array, Shape
from .concrete import ConcreteTracer
from .errors import InPlaceWriteError, ShapeError, UnsupportedError
from .flat import FlatIterator
from .primitives import elementwise as ew
from .primitives.creation import check_cast, known_value
from .primitives.shaping import transpose
from .refused import METHODS
from .views import read_only

__all__ = ["ArrayMethods"]


class _RefusedAttributeError(UnsupportedError, AttributeError):
    """For attributes; an AttributeError, so that `hasattr` and `getattr` with a default work."""


def _refusal(name: str) -> str:
    return f"x.{name}: {METHODS[name][0]}."


def _refused_method(name: str) -> Any:
    """A method that raises the error of `refused.py`."""

    def method(self: Array, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(_refusal(name), got=repr(self), fix=METHODS[name][1])

    method.__name__ = name
    method.__doc__ = f"Refused: {METHODS[name][0]}."
    return method


def _refused_attribute(name: str) -> Any:
    """An attribute that raises the error of `refused.py`."""

    def attribute(self: Array) -> NoReturn:
        raise _RefusedAttributeError(_refusal(name), got=repr(self), fix=METHODS[name][1])

    return property(attribute, doc=f"Refused: {METHODS[name][0]}.")


def _removed(name: str, instead: str) -> Any:
    """An attribute that NumPy 2 has taken away."""

    def attribute(self: Array) -> NoReturn:
        raise AttributeError(f"ndarray has no method {name!r} since NumPy 2; use {instead}")

    return property(attribute, doc=f"Not there since NumPy 2: use `{instead}`.")


class ArrayMethods(ConcreteTracer):
    """A tracer with ndarray's methods and attributes."""

    __slots__ = ()

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
    def T(self: Array) -> Array:
        """The array with its axes reversed."""
        return transpose(self)

    @property
    def mT(self: Array) -> Array:
        """The array with its last two axes swapped."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self: Array) -> Array:
        """The real part."""
        return np.real(self)

    @real.setter
    def real(self: Array, value: Array) -> None:
        self[...] = value + 1j * np.imag(self) if self.dtype.kind == "c" else value

    @property
    def imag(self: Array) -> Array:
        """The imaginary part."""
        return np.imag(self)

    @imag.setter
    def imag(self: Array, value: Array) -> None:
        if self.dtype.kind != "c":
            raise TypeError("x.imag = v: a real array has no imaginary part to write to")
        self[...] = np.real(self) + 1j * value

    @property
    def flat(self) -> FlatIterator:
        """NumPy's iterator over the elements in C order."""
        return FlatIterator(self)

    @flat.setter
    def flat(self: Array, value: Array) -> None:
        FlatIterator(self)[:] = value

    @property
    def base(self) -> Array:
        """The array that this one is a view of, or None."""
        base = getattr(self, "_base", None)
        return base[0] if type(base) is tuple else None

    @property
    def device(self) -> str:
        """Where the array is: NumPy knows the "cpu" alone."""
        return "cpu"

    @property
    def flags(self) -> Any:
        """NumPy's flags of the concrete value; where there is none, those of a new array."""
        return self._layout().flags

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the concrete value; where there is none, those of a new array."""
        return self._layout().strides

    def _layout(self) -> np.ndarray[Any, Any]:
        """An array with the memory layout that the array would have in NumPy."""
        value = known_value(self)
        found: np.ndarray[Any, Any] = np.empty(self.shape, self.dtype) if value is None else value
        return found[...]

    ctypes = _refused_attribute("ctypes")
    data = _refused_attribute("data")
    itemset = _removed("itemset", "x[i] = v")
    newbyteorder = _removed("newbyteorder", "x.astype(x.dtype.newbyteorder())")
    ptp = _removed("ptp", "np.ptp(x)")

    # Methods, each the NumPy function of its name.

    __dlpack__ = _refused_method("__dlpack__")
    __dlpack_device__ = _refused_method("__dlpack_device__")
    byteswap = _refused_method("byteswap")
    dump = _refused_method("dump")
    dumps = _refused_method("dumps")
    getfield = _refused_method("getfield")
    setfield = _refused_method("setfield")
    setflags = _refused_method("setflags")
    tofile = _refused_method("tofile")

    def __array_namespace__(self, *, api_version: Any = None) -> ModuleType:
        namespace: ModuleType = np.empty(0).__array_namespace__(api_version=api_version)
        return namespace

    def __delitem__(self, index: Any) -> NoReturn:
        raise InPlaceWriteError(
            "elements of an array cannot be deleted in place.",
            got=repr(self),
            fix="make a new array: x = np.delete(x, i, axis)",
        )

    def all(
        self: Array, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.all` of this array."""
        return np.all(self, axis, out=out, keepdims=keepdims, **kwargs)

    def any(
        self: Array, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.any` of this array."""
        return np.any(self, axis, out=out, keepdims=keepdims, **kwargs)

    def argmax(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmax` of this array."""
        return np.argmax(self, axis, out=out, keepdims=keepdims)

    def argmin(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmin` of this array."""
        return np.argmin(self, axis, out=out, keepdims=keepdims)

    def argpartition(
        self: Array, kth: Any, axis: Any = -1, kind: Any = "introselect", order: None = None
    ) -> Array:
        """`np.argpartition` of this array."""
        return np.argpartition(self, kth, axis, kind, order)

    def argsort(
        self: Array,
        axis: Any = -1,
        kind: Any = None,
        order: None = None,
        *,
        stable: bool | None = None,
    ) -> Array:
        """`np.argsort` of this array."""
        return np.argsort(self, axis, kind, order, stable=stable)

    def astype(
        self: Array,
        dtype: Any,
        order: Any = "K",
        casting: Any = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Array:
        """The array cast to `dtype`."""
        dtype = np.dtype(dtype)
        if dtype.kind not in "biufc":
            raise UnsupportedError(
                f"x.astype: a traced value cannot be cast to {dtype}.",
                needed="a dtype of bools, integers, floats or complex numbers",
                fix="cast plain values, outside the transformed function",
            )
        check_cast("x.astype", self, dtype, casting)
        y = ew.astype(self, dtype)
        return np.copy(y) if copy and y is self and self.shape else y

    def choose(self: Array, choices: Any, out: None = None, mode: Any = "raise") -> Array:
        """`np.choose` by this array."""
        return np.choose(self, choices, out=out, mode=mode)

    def clip(
        self: Array, min: Array = None, max: Array = None, out: None = None, **kwargs: Any
    ) -> Array:
        """`np.clip` of this array."""
        return np.clip(self, min, max, out=out, **kwargs)

    def compress(self: Array, condition: Any, axis: Any = None, out: None = None) -> Array:
        """`np.compress` of this array."""
        return np.compress(condition, self, axis, out=out)

    def conj(self: Array) -> Array:
        """The complex conjugate; of a real array the array itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    def conjugate(self: Array) -> Array:
        """The complex conjugate; of a real array the array itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    def copy(self: Array, order: Any = "C") -> Array:
        """A value that does not change with this one."""
        return np.copy(self, order)

    def cumprod(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumprod` of this array."""
        return np.cumprod(self, axis, dtype, out=out)

    def cumsum(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumsum` of this array."""
        return np.cumsum(self, axis, dtype, out=out)

    def diagonal(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """`np.diagonal` of this array."""
        return np.diagonal(self, offset, axis1, axis2)

    def dot(self: Array, b: Array, out: None = None) -> Array:
        """`np.dot` of this array and `b`."""
        return np.dot(self, b, out=out)

    def flatten(self: Array, order: Any = "C") -> Array:
        """A copy of the elements in one axis."""
        return np.copy(np.ravel(self, order))

    def max(
        self: Array, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.max` of this array."""
        return np.max(self, axis, out=out, keepdims=keepdims, **kwargs)

    def mean(
        self: Array,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.mean` of this array."""
        return np.mean(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def min(
        self: Array, axis: Any = None, out: None = None, keepdims: bool = False, **kwargs: Any
    ) -> Array:
        """`np.min` of this array."""
        return np.min(self, axis, out=out, keepdims=keepdims, **kwargs)

    def nonzero(self: Array) -> Any:
        """`np.nonzero` of this array."""
        return np.nonzero(self)

    def prod(
        self: Array,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.prod` of this array."""
        return np.prod(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def ravel(self: Array, order: Any = "C") -> Array:
        """The elements in one axis."""
        return np.ravel(self, order)

    def repeat(self: Array, repeats: Any, axis: Any = None) -> Array:
        """`np.repeat` of this array."""
        return np.repeat(self, repeats, axis)

    def reshape(self: Array, *shape: Any, order: Any = "C", copy: bool | None = None) -> Array:
        """The array with another shape; given as one tuple or as several ints."""
        wanted = shape[0] if len(shape) == 1 else shape
        options = {} if copy is None else {"copy": copy}  # which NumPy 2.0 does not have
        return np.reshape(self, wanted, order=order, **options)

    def round(self: Array, decimals: int = 0, out: None = None) -> Array:
        """`np.round` of this array."""
        return np.round(self, decimals, out=out)

    def searchsorted(self: Array, v: Array, side: Any = "left", sorter: Any = None) -> Array:
        """`np.searchsorted` of this array."""
        return np.searchsorted(self, v, side, sorter)

    def squeeze(self: Array, axis: Any = None) -> Array:
        """`np.squeeze` of this array."""
        return np.squeeze(self, axis)

    def std(
        self: Array,
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
        self: Array,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.sum` of this array."""
        return np.sum(self, axis, dtype, out=out, keepdims=keepdims, **kwargs)

    def swapaxes(self: Array, axis1: int, axis2: int) -> Array:
        """`np.swapaxes` of this array."""
        return np.swapaxes(self, axis1, axis2)

    def take(
        self: Array, indices: Any, axis: Any = None, out: None = None, mode: Any = "raise"
    ) -> Array:
        """`np.take` of this array."""
        return np.take(self, indices, axis, out=out, mode=mode)

    def to_device(self: Array, device: Any, /, *, stream: None = None) -> Array:
        """The array itself, which is on the "cpu"."""
        if device != "cpu" or stream is not None:
            raise ValueError(f"x.to_device: NumPy's arrays are on the 'cpu' alone; got {device!r}")
        return self

    def tobytes(self, order: Any = "C") -> bytes:
        """The bytes of the concrete value."""
        return np.asarray(self._value("tobytes()")).tobytes(order)

    def trace(
        self: Array,
        offset: int = 0,
        axis1: int = 0,
        axis2: int = 1,
        dtype: Any = None,
        out: None = None,
    ) -> Array:
        """`np.trace` of this array."""
        return np.trace(self, offset, axis1, axis2, dtype, out=out)

    def transpose(self: Array, *axes: Any) -> Array:
        """`np.transpose` of this array; axes given as one tuple or as several ints."""
        if len(axes) == 1 and not isinstance(axes[0], int | np.integer):
            axes = axes[0]
        return np.transpose(self, axes or None)

    def var(
        self: Array,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kwargs: Any,
    ) -> Array:
        """`np.var` of this array."""
        return np.var(self, axis, dtype, out=out, ddof=ddof, keepdims=keepdims, **kwargs)

    def view(self: Array, dtype: Any = None, type: Any = None) -> Array:
        """The array itself, or complex numbers as pairs of floats and back; all else is refused."""
        if isinstance(dtype, builtins.type) and issubclass(dtype, np.ndarray):
            dtype, type = None, dtype
        kind = self.dtype if dtype is None else np.dtype(dtype)
        if type in (None, np.ndarray):
            if kind == self.dtype:
                return self
            pair, part = np.result_type(kind, np.complex64), ew.real_dtype(self.dtype)
            if self.dtype.kind == "c" and kind == part and self.shape:
                parts = np.stack([np.real(self), np.imag(self)], axis=-1)
                return read_only(np.reshape(parts, (*self.shape[:-1], 2 * self.shape[-1])))
            if self.dtype.kind == "f" and kind == pair and ew.real_dtype(kind) == self.dtype:
                if not self.shape or self.shape[-1] % 2:
                    raise ShapeError(
                        "x.view: complex numbers need pairs of floats along the last axis.",
                        got=repr(self.aval),
                    )
                return read_only(self[..., ::2] + np.array(1j, kind) * self[..., 1::2])
        raise UnsupportedError(
            _refusal("view"), got=f"{self.dtype} as {kind}", fix=METHODS["view"][1]
        )
