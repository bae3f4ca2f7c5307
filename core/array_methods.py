"""The methods and attributes that a tracer shares with ndarray.

Each method calls the NumPy function of the same name, which comes back through
`__array_function__`; operators are in `array_tracer.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .aval import Array, Shape
from .concrete import ConcreteTracer
from .primitives import elementwise as ew

__all__ = ["ArrayMethods"]


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
        return np.transpose(self)

    @property
    def mT(self: Array) -> Array:
        """The array with its last two axes swapped."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self: Array) -> Array:
        """The real part."""
        return np.real(self)

    @property
    def imag(self: Array) -> Array:
        """The imaginary part."""
        return np.imag(self)

    @property
    def flat(self: Array) -> Array:
        """The elements in C order."""
        return np.ravel(self)

    # Methods, each the NumPy function of its name.

    def all(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """`np.all` of this array."""
        return np.all(self, axis, out=out, keepdims=keepdims)

    def any(self: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
        """`np.any` of this array."""
        return np.any(self, axis, out=out, keepdims=keepdims)

    def argmax(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmax` of this array."""
        return np.argmax(self, axis, out=out, keepdims=keepdims)

    def argmin(self: Array, axis: Any = None, out: None = None, *, keepdims: bool = False) -> Array:
        """`np.argmin` of this array."""
        return np.argmin(self, axis, out=out, keepdims=keepdims)

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
        y = ew.astype(self, dtype)
        return np.copy(y) if copy and y is self and self.shape else y

    def clip(self: Array, min: Array = None, max: Array = None) -> Array:
        """`np.clip` of this array."""
        return np.clip(self, min, max)

    def conj(self: Array) -> Array:
        """The complex conjugate; of a real array the array itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    def conjugate(self: Array) -> Array:
        """The complex conjugate; of a real array the array itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self

    def copy(self: Array, order: Any = "C") -> Array:
        """A value that does not change with this one."""
        return np.copy(self)

    def cumprod(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumprod` of this array."""
        return np.cumprod(self, axis, dtype, out=out)

    def cumsum(self: Array, axis: Any = None, dtype: Any = None, out: None = None) -> Array:
        """`np.cumsum` of this array."""
        return np.cumsum(self, axis, dtype, out=out)

    def diagonal(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """`np.diagonal` of this array."""
        return np.diagonal(self, offset, axis1, axis2)

    def dot(self: Array, b: Array) -> Array:
        """`np.dot` of this array and `b`."""
        return np.dot(self, b)

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
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

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

    def trace(self: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
        """`np.trace` of this array."""
        return np.trace(self, offset, axis1, axis2)

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
