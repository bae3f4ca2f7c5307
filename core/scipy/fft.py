"""`scipy.fft` on traced values: Fourier transforms, and those of sines and cosines.

The Fourier transforms are NumPy's. Those of sines and cosines are one linear primitive along an
axis, whose transpose is itself with types 2 and 3 exchanged, up to weights at the ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype, real_dtype
from ..primitives.fft import (
    SWAPPED,
    along,
    axes_and_lengths,
    dtype_of,
    each,
    each_half,
    each_whole,
    half,
    needs_axes,
    norm_of,
    number_of_points,
    resize,
    whole,
)
from ..primitives.fft import fftshift as numpy_fftshift
from ..primitives.fft import ifftshift as numpy_ifftshift
from ..rules import linear
from ..tracing import Primitive, Rule


def _operand(operation: str, x: Array) -> Array:
    """SciPy computes half precision in single precision."""
    x = as_array(x, operation)
    return astype(x, np.float32) if aval_of(x).dtype.char == "e" else x


def _axes(operation: str, x: Array, s: Any, axes: Any) -> tuple[Any, Any]:
    """Lengths and axes as tuples; SciPy wants each axis once."""
    lengths = None if s is None else tuple(np.atleast_1d(s).tolist())
    if axes is None:
        return lengths, None
    found = tuple([normalize_axis_index(i, x.ndim) for i in np.atleast_1d(axes).tolist()])
    if len(set(found)) != len(found):
        raise ShapeError(f"{operation}: all axes must differ.", got=f"axes={axes}")
    return lengths, found


def _no_plan(operation: str, plan: Any) -> None:
    if plan is not None:
        raise unsupported_argument(operation, "plan", plan, "leave it out")


# Fourier transforms. `overwrite_x` and `workers` do not change results.


def _of_axis(numpys: Rule, *options: Any, conjugate: bool = False, hermitian: bool = False) -> Rule:
    """A transform along one axis; Hermitian ones are the others with the scales exchanged."""

    def make(name: str) -> Rule:
        operation = f"scipy.fft.{name}"

        def function(
            x: Array,
            n: int | None = None,
            axis: int = -1,
            norm: str | None = None,
            overwrite_x: bool = False,
            workers: int | None = None,
            *,
            plan: Any = None,
        ) -> Array:
            _no_plan(operation, plan)
            x = _operand(operation, x)
            scale = norm_of(operation, norm)
            if hermitian:
                scale = SWAPPED[scale]
                x = np.conjugate(x) if conjugate else x
            y = numpys(operation, x, n, axis, scale, *options)
            return np.conjugate(y) if hermitian and not conjugate else y

        return _named(function, name)

    return make


def _of_axes(numpys: Rule, default: Any, *options: Any) -> Rule:
    """A transform along several axes."""

    def make(name: str) -> Rule:
        operation = f"scipy.fft.{name}"

        def function(
            x: Array,
            s: Any = None,
            axes: Any = default,
            norm: str | None = None,
            overwrite_x: bool = False,
            workers: int | None = None,
            *,
            plan: Any = None,
        ) -> Array:
            _no_plan(operation, plan)
            x = _operand(operation, x)
            s, axes = _axes(operation, x, s, axes)
            return numpys(operation, x, s, axes, norm, *options)

        return _named(function, name)

    return make


def _named(function: Rule, name: str) -> Rule:
    function.__name__ = name
    function.__doc__ = f"`scipy.fft.{name}` on traced values."
    return implements(getattr(scipy.fft, name))(function)


def _each_hermitian(operation: str, x: Array, s: Any, axes: Any, norm: str | None) -> Array:
    axes, lengths = axes_and_lengths(operation, x, s, axes, inverse_real=True)
    needs_axes(operation, axes)
    for axis, n in zip(axes[:-1], lengths[:-1], strict=True):
        x = along(operation, x, n, axis, norm)
    scale = SWAPPED[norm_of(operation, norm)]
    return whole(operation, np.conjugate(x), lengths[-1], axes[-1], scale)


def _each_of_hermitian(operation: str, x: Array, s: Any, axes: Any, norm: str | None) -> Array:
    axes, lengths = axes_and_lengths(operation, x, s, axes)
    needs_axes(operation, axes)
    scale = SWAPPED[norm_of(operation, norm)]
    y = np.conjugate(half(operation, x, lengths[-1], axes[-1], scale))
    for axis, n in zip(axes[:-1], lengths[:-1], strict=True):
        y = along(operation, y, n, axis, norm, inverse=True)
    return y


_LAST_TWO = (-2, -1)
fft = _of_axis(along)("fft")
ifft = _of_axis(along, True)("ifft")
rfft = _of_axis(half)("rfft")
irfft = _of_axis(whole)("irfft")
hfft = _of_axis(whole, conjugate=True, hermitian=True)("hfft")
ihfft = _of_axis(half, hermitian=True)("ihfft")
fftn = _of_axes(each, None, False)("fftn")
ifftn = _of_axes(each, None, True)("ifftn")
fft2 = _of_axes(each, _LAST_TWO, False)("fft2")
ifft2 = _of_axes(each, _LAST_TWO, True)("ifft2")
rfftn = _of_axes(each_half, None)("rfftn")
rfft2 = _of_axes(each_half, _LAST_TWO)("rfft2")
irfftn = _of_axes(each_whole, None)("irfftn")
irfft2 = _of_axes(each_whole, _LAST_TWO)("irfft2")
hfftn = _of_axes(_each_hermitian, None)("hfftn")
hfft2 = _of_axes(_each_hermitian, _LAST_TWO)("hfft2")
ihfftn = _of_axes(_each_of_hermitian, None)("ihfftn")
ihfft2 = _of_axes(_each_of_hermitian, _LAST_TWO)("ihfft2")


@implements(scipy.fft.fftshift)
def fftshift(x: Array, axes: Any = None) -> Array:
    """`scipy.fft.fftshift` on traced values."""
    return numpy_fftshift(x, axes)


@implements(scipy.fft.ifftshift)
def ifftshift(x: Array, axes: Any = None) -> Array:
    """`scipy.fft.ifftshift` on traced values."""
    return numpy_ifftshift(x, axes)


# Transforms of cosines (`kind` "dct") and sines ("dst").

_TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}


def _waves(x: Array, *, kind: str, type: int, axis: int, norm: str, orthogonalize: bool) -> Array:
    function = scipy.fft.dct if kind == "dct" else scipy.fft.dst
    return function(x, type, None, axis, norm, orthogonalize=orthogonalize)


def _waves_transpose(
    ct: Array, x: Any, *, kind: str, type: int, axis: int, norm: str, orthogonalize: bool
) -> Array:
    before, after = _weights(ct, kind, type, axis, orthogonalize)
    ct = ct if before is None else ct * before
    y = waves_p.bind(
        ct, kind=kind, type=_TRANSPOSED[type], axis=axis, norm=norm, orthogonalize=orthogonalize
    )
    return y if after is None else y * after


def _weights(
    like: Array, kind: str, type: int, axis: int, orthogonalize: bool
) -> tuple[Array | None, Array | None]:
    """What the transpose multiplies by before and after, where it is not the other type itself."""
    if orthogonalize or type == 4 or (kind == "dst" and type == 1):
        return None, None
    n = like.shape[axis]
    w = np.ones(n, real_dtype(aval_of(like).dtype))
    if type == 1:
        w[[0, -1]] = 0.5
    else:
        w[0 if kind == "dct" else -1] = 2 if type == 2 else 0.5
    w = w.reshape([-1 if i == axis else 1 for i in range(like.ndim)])
    return {1: (1 / w, w), 2: (w, None), 3: (None, w)}[type]


waves_p: Primitive = linear(
    "waves",
    _waves,
    _waves_transpose,
    shape=lambda x, **params: ShapedArray(x.shape, dtype_of(scipy.fft.dct, x.dtype)),
    batch=lambda size, batched, x, *, axis, **params: waves_p.bind(x, axis=axis + 1, **params),
)


def _waves_along(
    operation: str, x: Array, type: int, n: Any, axis: int, norm: str, orthogonalize: bool | None
) -> Array:
    """The transform along one axis; an inverse one is the transpose with the other scale."""
    name = operation.rpartition(".")[2]
    inverse = name.startswith("i")
    if type not in _TRANSPOSED:
        raise ValueError(f"{operation}: type must be 1, 2, 3 or 4; got {type!r}")
    axis = normalize_axis_index(axis, x.ndim)
    x = resize(x, axis, number_of_points(operation, n, x.shape[axis]))
    kind = "dct" if "dct" in name else "dst"
    if kind == "dct" and type == 1 and x.shape[axis] < 2:
        raise ShapeError(f"{operation}: type 1 needs two points or more.", got="1")
    return waves_p.bind(
        x,
        kind=kind,
        type=_TRANSPOSED[type] if inverse else type,
        axis=axis,
        norm=SWAPPED[norm] if inverse else norm,
        orthogonalize=norm == "ortho" if orthogonalize is None else bool(orthogonalize),
    )


def _waves_of_axis(name: str) -> Rule:
    operation = f"scipy.fft.{name}"

    def function(
        x: Array,
        type: int = 2,
        n: int | None = None,
        axis: int = -1,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Array:
        x = _operand(operation, x)
        return _waves_along(operation, x, type, n, axis, norm_of(operation, norm), orthogonalize)

    return _named(function, name)


def _waves_of_axes(name: str) -> Rule:
    operation = f"scipy.fft.{name}"

    def function(
        x: Array,
        type: int = 2,
        s: Any = None,
        axes: Any = None,
        norm: str | None = None,
        overwrite_x: bool = False,
        workers: int | None = None,
        orthogonalize: bool | None = None,
    ) -> Array:
        x = _operand(operation, x)
        s, axes = _axes(operation, x, s, axes)
        found, lengths = axes_and_lengths(operation, x, s, axes)
        return _each_wave(operation, x, type, found, lengths, norm, orthogonalize)

    return _named(function, name)


def _each_wave(
    operation: str, x: Array, type: int, axes: Sequence[int], lengths: Sequence[Any],
    norm: str | None, orthogonalize: bool | None,
) -> Array:  # fmt: skip
    scale = norm_of(operation, norm)
    for axis, n in zip(axes, lengths, strict=True):
        x = _waves_along(operation, x, type, n, axis, scale, orthogonalize)
    return x


dct, idct, dst, idst = [_waves_of_axis(name) for name in ("dct", "idct", "dst", "idst")]
dctn, idctn, dstn, idstn = [_waves_of_axes(name) for name in ("dctn", "idctn", "dstn", "idstn")]
