"""Fourier transforms: all of `numpy.fft`.

Three linear primitives, each along one axis: `fft` (forward or inverse, complex results), `rfft`
(half of the result for real operands) and `irfft` (real results). Their transposes are Fourier
transforms again. Whatever has several axes goes through them one by one, as in NumPy.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import DtypeError, ShapeError
from ..rules import convert, linear
from ..tracing import Primitive, Rule
from .elementwise import as_array, real_dtype
from .indexing import getitem

SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm that gives the inverse transform the scale of the forward one, and vice versa."""


@cache
def dtype_of(numpys: Callable[..., Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a transform's result, asked of NumPy."""
    found: np.dtype[Any] = numpys(np.zeros(2, dtype)).dtype
    return found


def resize(x: Array, axis: int, n: int) -> Array:
    """The operand cut, or filled up with zeros, to length `n` along an axis."""
    have = x.shape[axis]
    if n <= have:
        return x if n == have else getitem(x, (*[slice(None)] * axis, slice(0, n)))
    return np.pad(x, [(0, n - have if i == axis else 0) for i in range(x.ndim)])


def _resized(shape: Sequence[int], axis: int, n: int) -> tuple[int, ...]:
    return (*shape[:axis], n, *shape[axis + 1 :])


# The primitives. `n` is the number of points; `norm` has NumPy's names.


def _fft(x: Array, *, n: int, axis: int, norm: Any, inverse: bool) -> Array:
    return (np.fft.ifft if inverse else np.fft.fft)(x, n, axis, norm)


def _fft_transpose(
    ct: Array, x: Any, *, n: int, axis: int, norm: str, inverse: bool
) -> Array:  # the matrix is symmetric
    g = fft_p.bind(ct, n=n, axis=axis, norm=norm, inverse=inverse)
    return convert(resize(g, axis, x.shape[axis]), x.dtype)


fft_p: Primitive = linear(
    "fft",
    _fft,
    _fft_transpose,
    shape=lambda x, *, n, axis, norm, inverse: ShapedArray(
        _resized(x.shape, axis, n), dtype_of(np.fft.fft, x.dtype)
    ),
    batch=lambda size, batched, x, *, axis, **params: fft_p.bind(x, axis=axis + 1, **params),
)


def _multiplicity(n: int, axis: int, like: Array) -> Array:
    """How often each term of half a spectrum counts in the whole: once at both ends, else twice."""
    count = np.full(n // 2 + 1, 2, real_dtype(aval_of(like).dtype))
    count[0] = 1
    if n % 2 == 0:
        count[-1] = 1
    return count.reshape([-1 if i == axis else 1 for i in range(like.ndim)])


def _rfft_transpose(ct: Array, x: Any, *, n: int, axis: int, norm: str) -> Array:
    spectrum = np.conjugate(ct) / _multiplicity(n, axis, ct)
    g = irfft_p.bind(spectrum, n=n, axis=axis, norm=SWAPPED[norm])
    return convert(resize(g, axis, x.shape[axis]), x.dtype)


def _irfft_transpose(ct: Array, x: Any, *, n: int, axis: int, norm: str) -> Array:
    g = np.conjugate(rfft_p.bind(ct, n=n, axis=axis, norm=SWAPPED[norm]))
    g = g * _multiplicity(n, axis, g)
    return convert(resize(g, axis, x.shape[axis]), x.dtype)


rfft_p: Primitive = linear(
    "rfft",
    lambda x, *, n, axis, norm: np.fft.rfft(x, n, axis, norm),
    _rfft_transpose,
    shape=lambda x, *, n, axis, norm: ShapedArray(
        _resized(x.shape, axis, n // 2 + 1), dtype_of(np.fft.rfft, x.dtype)
    ),
    batch=lambda size, batched, x, *, axis, **params: rfft_p.bind(x, axis=axis + 1, **params),
)
irfft_p: Primitive = linear(
    "irfft",
    lambda x, *, n, axis, norm: np.fft.irfft(x, n, axis, norm),
    _irfft_transpose,
    shape=lambda x, *, n, axis, norm: ShapedArray(
        _resized(x.shape, axis, n), dtype_of(np.fft.irfft, x.dtype)
    ),
    batch=lambda size, batched, x, *, axis, **params: irfft_p.bind(x, axis=axis + 1, **params),
)


# Along one axis.


def norm_of(operation: str, norm: str | None) -> str:
    """NumPy's name of the scaling."""
    norm = "backward" if norm is None else norm
    if norm not in SWAPPED:
        raise ValueError(
            f'{operation}: norm must be "backward", "ortho", "forward" or None; got {norm!r}'
        )
    return norm


def number_of_points(operation: str, n: Any, default: int) -> int:
    """The length of a transform."""
    if n is None:
        points = default
    else:
        try:
            points = operator.index(n)
        except TypeError:
            raise DtypeError(
                f"{operation}: the number of points must be an int.", got=repr(n)
            ) from None
    if points < 1:
        raise ShapeError(
            f"{operation}: the number of points must be 1 or more.",
            got=str(points),
            fix="give n= (or s=), or an axis that is not empty",
        )
    return points


def along(
    operation: str, a: Array, n: Any, axis: int, norm: str | None, inverse: bool = False
) -> Array:
    """The transform along one axis."""
    x = as_array(a, operation)
    axis = normalize_axis_index(axis, x.ndim)
    points = number_of_points(operation, n, x.shape[axis])
    norm = norm_of(operation, norm)
    return fft_p.bind(x, n=points, axis=axis, norm=norm, inverse=inverse)


def half(operation: str, a: Array, n: Any, axis: int, norm: str | None) -> Array:
    """The first half of the transform of reals along one axis."""
    x = as_array(a, operation)
    axis = normalize_axis_index(axis, x.ndim)
    if aval_of(x).dtype.kind == "c":
        raise DtypeError(
            f"{operation}: the operand must be real.",
            got=repr(aval_of(x)),
            fix="use fft and ifft, or take np.real of it",
        )
    points = number_of_points(operation, n, x.shape[axis])
    return rfft_p.bind(x, n=points, axis=axis, norm=norm_of(operation, norm))


def whole(operation: str, a: Array, n: Any, axis: int, norm: str | None) -> Array:
    """The inverse of `half`."""
    x = as_array(a, operation)
    axis = normalize_axis_index(axis, x.ndim)
    points = number_of_points(operation, n, 2 * (x.shape[axis] - 1))
    return irfft_p.bind(x, n=points, axis=axis, norm=norm_of(operation, norm))


@implements(np.fft.fft)
def fft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.fft` on traced values."""
    return along("np.fft.fft", a, n, axis, norm)


@implements(np.fft.ifft)
def ifft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.ifft` on traced values."""
    return along("np.fft.ifft", a, n, axis, norm, inverse=True)


@implements(np.fft.rfft)
def rfft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.rfft` on traced values."""
    return half("np.fft.rfft", a, n, axis, norm)


@implements(np.fft.irfft)
def irfft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.irfft` on traced values."""
    return whole("np.fft.irfft", a, n, axis, norm)


@implements(np.fft.hfft)
def hfft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.hfft` on traced values."""
    swapped = SWAPPED[norm_of("np.fft.hfft", norm)]
    return whole("np.fft.hfft", np.conjugate(as_array(a, "np.fft.hfft")), n, axis, swapped)


@implements(np.fft.ihfft)
def ihfft(
    a: Array, n: int | None = None, axis: int = -1, norm: str | None = None, out: None = None
) -> Array:
    """`np.fft.ihfft` on traced values."""
    swapped = SWAPPED[norm_of("np.fft.ihfft", norm)]
    return np.conjugate(half("np.fft.ihfft", a, n, axis, swapped))


# Along several axes, which may repeat.

_LAST_TWO = (-2, -1)


def axes_and_lengths(
    operation: str, x: Array, s: Any, axes: Any, inverse_real: bool = False
) -> tuple[list[int], list[Any]]:
    """The axes, and the number of points along each; None for all that there are."""
    ndim = x.ndim
    if axes is None:
        axes = range(ndim) if s is None else range(ndim - len(s), ndim)
    found = [normalize_axis_index(i, ndim) for i in axes]
    if s is None:
        lengths = [x.shape[i] for i in found]
        if inverse_real and lengths:
            lengths[-1] = 2 * (lengths[-1] - 1)
        return found, lengths
    if len(s) != len(found):
        raise ShapeError(
            f"{operation}: s and axes have different lengths.",
            got=f"s={tuple(s)} and {len(found)} axes",
        )
    # As in NumPy, where None and -1 stand for what the axis has, also for irfftn.
    return found, [x.shape[i] if n is None or n == -1 else n for n, i in zip(s, found, strict=True)]


def each(operation: str, a: Array, s: Any, axes: Any, norm: str | None, inverse: bool) -> Array:
    """The transform along several axes."""
    x = as_array(a, operation)
    axes, lengths = axes_and_lengths(operation, x, s, axes)
    for axis, n in zip(axes[::-1], lengths[::-1], strict=True):
        x = along(operation, x, n, axis, norm, inverse)
    return x


def needs_axes(operation: str, axes: Sequence[int]) -> None:
    """Raise for a transform of reals along no axis."""
    if not axes:
        raise IndexError(f"{operation}: needs at least one axis to transform along")


def each_half(operation: str, a: Array, s: Any, axes: Any, norm: str | None) -> Array:
    """`half` along the last of several axes, and the transform along the others."""
    x = as_array(a, operation)
    axes, lengths = axes_and_lengths(operation, x, s, axes)
    needs_axes(operation, axes)
    x = half(operation, x, lengths[-1], axes[-1], norm)
    for axis, n in zip(axes[-2::-1], lengths[-2::-1], strict=True):
        x = along(operation, x, n, axis, norm)
    return x


def each_whole(operation: str, a: Array, s: Any, axes: Any, norm: str | None) -> Array:
    """The inverse of `each_half`."""
    x = as_array(a, operation)
    axes, lengths = axes_and_lengths(operation, x, s, axes, inverse_real=True)
    needs_axes(operation, axes)
    for axis, n in zip(axes[:-1], lengths[:-1], strict=True):
        x = along(operation, x, n, axis, norm, inverse=True)
    return whole(operation, x, lengths[-1], axes[-1], norm)


def _of_axes(operation: str, transform: Rule, default: Any, *options: Any) -> Rule:
    def function(
        a: Array, s: Any = None, axes: Any = default, norm: str | None = None, out: None = None
    ) -> Array:
        return transform(operation, a, s, axes, norm, *options)

    function.__name__ = operation.rpartition(".")[2]
    function.__doc__ = f"`{operation}` on traced values."
    return function


fftn = implements(np.fft.fftn)(_of_axes("np.fft.fftn", each, None, False))
ifftn = implements(np.fft.ifftn)(_of_axes("np.fft.ifftn", each, None, True))
fft2 = implements(np.fft.fft2)(_of_axes("np.fft.fft2", each, _LAST_TWO, False))
ifft2 = implements(np.fft.ifft2)(_of_axes("np.fft.ifft2", each, _LAST_TWO, True))
rfftn = implements(np.fft.rfftn)(_of_axes("np.fft.rfftn", each_half, None))
rfft2 = implements(np.fft.rfft2)(_of_axes("np.fft.rfft2", each_half, _LAST_TWO))
irfftn = implements(np.fft.irfftn)(_of_axes("np.fft.irfftn", each_whole, None))
irfft2 = implements(np.fft.irfft2)(_of_axes("np.fft.irfft2", each_whole, _LAST_TWO))

# Frequencies in another order.


def _shift(operation: str, x: Array, axes: Any, sign: int) -> Array:
    x = as_array(x, operation)
    if axes is None:
        axes = range(x.ndim)
    elif isinstance(axes, int | np.integer):
        axes = (axes,)
    axes = tuple([normalize_axis_index(i, x.ndim) for i in axes])
    return np.roll(x, [sign * (x.shape[i] // 2) for i in axes], axes) if axes else x


@implements(np.fft.fftshift)
def fftshift(x: Array, axes: Any = None) -> Array:
    """`np.fft.fftshift` on traced values."""
    return _shift("np.fft.fftshift", x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Array, axes: Any = None) -> Array:
    """`np.fft.ifftshift` on traced values."""
    return _shift("np.fft.ifftshift", x, axes, -1)
