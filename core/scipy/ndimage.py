"""`scipy.ndimage` on traced values: linear filters, and interpolation at coordinates.

SciPy computes in double precision and casts at the end, and so does this. Filters are convolutions
of an input that is extended beyond its edges; `map_coordinates` takes the product of B-splines.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ConcretizationError, DtypeError, ShapeError
from ..primitives.elementwise import as_array, astype
from ..primitives.indexing import getitem
from ..rules import linear
from ..tracing import Primitive, Tracer
from .signal import convolve_p

_PADDING: dict[str, Any] = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge",
    "wrap": "wrap", "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant",
}  # fmt: skip
"""NumPy's names for what SciPy finds beyond the edges."""


def _check_mode(operation: str, mode: Any) -> None:
    if mode not in _PADDING:
        raise RuntimeError(f"{operation}: unknown mode {mode!r}; needed one of {list(_PADDING)}")


def _wide(x: Array, operation: str) -> Array:
    """The operand in double precision."""
    x = as_array(x, operation)
    return astype(x, np.complex128 if aval_of(x).dtype.kind == "c" else np.float64)


def _result_dtype(operation: str, output: Any, like: Array, *more: Array) -> np.dtype[Any]:
    """The dtype of the result: that of the input, unless `output` says otherwise."""
    if isinstance(output, np.ndarray | Tracer):
        raise unsupported_argument(operation, "output", output, "give a dtype, or leave it out")
    dtype = aval_of(like).dtype if output is None else np.dtype(output)
    if dtype.kind != "c" and any([aval_of(x).dtype.kind == "c" for x in (like, *more)]):
        return np.result_type(dtype, np.complex64)
    return dtype


def _for_each(value: Any, n: int) -> list[Any]:
    """One item for each axis, of a sequence or of something that all share."""
    if isinstance(value, tuple | list):
        return list(value)
    if isinstance(value, np.ndarray | Tracer) and aval_of(value).ndim:
        return [getitem(value, i) for i in range(n)]
    return [value] * n


def extended(
    x: Array, width: Sequence[tuple[int, int]], operation: str, mode: str, cval: Any
) -> Array:
    """The input with more around it, as SciPy sees it beyond the edges."""
    _check_mode(operation, mode)
    if _PADDING[mode] != "constant":
        return np.pad(x, width, mode=_PADDING[mode])
    y = np.pad(x, width)
    if type(cval) in (int, float) and cval == 0:
        return y
    outside = np.pad(np.zeros(aval_of(x).shape, bool), width, constant_values=True)
    return np.where(outside, astype(cval, aval_of(y).dtype), y)


# Filters.


def _correlated(
    operation: str, x: Array, weights: Array, axes: Sequence[int], mode: str, cval: Any,
    origins: Sequence[int],
) -> Array:  # fmt: skip
    """The correlation with weights that have as many axes as there are `axes`; in x's dtype."""
    dtype = aval_of(x).dtype
    sizes = aval_of(weights).shape
    for size, origin in zip(sizes, origins, strict=True):
        if not -(size // 2) <= origin <= (size - 1) // 2:
            raise ShapeError(
                f"{operation}: the origin lies outside of the weights.", got=f"{origin} for {size}"
            )
    width = [(0, 0)] * x.ndim
    for axis, size, origin in zip(axes, sizes, origins, strict=True):
        before = size // 2 + origin
        width[axis] = (before, size - 1 - before)
    x = extended(_wide(x, operation), width, operation, mode, cval)
    last = tuple(range(-len(axes), 0))
    flipped = weights[(slice(None, None, -1),) * len(axes)]
    y = convolve_p.bind(
        np.moveaxis(x, axes, last), flipped, rank=len(axes), mode="valid", method="direct"
    )
    return _cast(np.moveaxis(y, last, axes), dtype)


def _cast(y: Array, dtype: np.dtype[Any]) -> Array:
    """A result in its dtype: a complex one stays complex."""
    if aval_of(y).dtype.kind == "c" and dtype.kind != "c":
        dtype = np.result_type(dtype, np.complex64)
    return astype(y, dtype)


@implements(scipy.ndimage.correlate1d)
def correlate1d(
    input: Array,
    weights: Array,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """`scipy.ndimage.correlate1d` on traced values."""
    operation = "scipy.ndimage.correlate1d"
    x = as_array(input, operation)
    w = np.conjugate(_wide(weights, operation))
    if w.ndim != 1 or not w.shape[0]:
        raise ShapeError(f"{operation}: the weights must be a vector.", got=repr(aval_of(w)))
    x = astype(x, _result_dtype(operation, output, x))
    axis = normalize_axis_index(axis, x.ndim)
    return _correlated(operation, x, w, (axis,), mode, cval, (origin,))


@implements(scipy.ndimage.convolve1d)
def convolve1d(
    input: Array,
    weights: Array,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """`scipy.ndimage.convolve1d` on traced values."""
    w = as_array(weights, "scipy.ndimage.convolve1d")
    late = 0 if w.shape[0] % 2 else 1
    flipped = np.conjugate(w[::-1])
    return correlate1d(input, flipped, axis, output, mode, cval, -origin - late)


def _many_axes(
    operation: str, input: Array, weights: Array, output: Any, mode: str, cval: Any, origin: Any,
    axes: Any, convolution: bool,
) -> Array:  # fmt: skip
    x, w = as_array(input, operation), _wide(weights, operation)
    axes = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim)
    if w.ndim != len(axes):
        raise ShapeError(f"{operation}: needs weights with {len(axes)} axes.", got=repr(aval_of(w)))
    origins = _for_each(origin, len(axes))
    if convolution:
        origins = [-o - (n % 2 == 0) for o, n in zip(origins, w.shape, strict=True)]
        w = w[(slice(None, None, -1),) * w.ndim]
    else:
        w = np.conjugate(w)
    x = astype(x, _result_dtype(operation, output, x))
    return _correlated(operation, x, w, axes, mode, cval, origins)


@implements(scipy.ndimage.correlate)
def correlate(
    input: Array,
    weights: Array,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """`scipy.ndimage.correlate` on traced values."""
    operation = "scipy.ndimage.correlate"
    return _many_axes(operation, input, weights, output, mode, cval, origin, axes, False)


@implements(scipy.ndimage.convolve)
def convolve(
    input: Array,
    weights: Array,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """`scipy.ndimage.convolve` on traced values."""
    operation = "scipy.ndimage.convolve"
    return _many_axes(operation, input, weights, output, mode, cval, origin, axes, True)


def _value(operation: str, sigma: Array) -> float:
    """The number behind sigma, which decides how many weights there are."""
    try:
        return float(np.asarray(sigma.concrete() if isinstance(sigma, Tracer) else sigma).item())
    except ConcretizationError:
        raise unsupported_argument(
            operation, "radius", None, "give radius=, since sigma has no one value here"
        ) from None


def _gaussian(operation: str, sigma: Array, order: int, truncate: float, radius: Any) -> Array:
    """The weights of a Gaussian, or of its derivative, for a correlation."""
    sigma = astype(sigma, np.float64)
    if radius is None:
        radius = int(truncate * _value(operation, sigma) + 0.5)
    if radius < 0 or order < 0:
        raise ValueError(f"{operation}: order and radius must not be negative")
    x = np.arange(-radius, radius + 1.0)
    inverse = 1 / (sigma * sigma)
    w = np.exp(-0.5 * inverse * x**2)
    w = w / np.sum(w)
    # The derivatives are polynomials times the Gaussian: p -> p' - p x / sigma^2.
    powers: list[Array] = [1.0]
    for _ in range(order):
        slope = [(k + 1) * c for k, c in enumerate(powers[1:])] + [0.0, 0.0]
        shifted = [0.0, *[-inverse * c for c in powers]]
        powers = [a + b for a, b in zip(slope, shifted, strict=True)]
    total: Array = 0.0
    for c in reversed(powers):
        total = total * x + c
    return (total * w)[::-1]


@implements(scipy.ndimage.gaussian_filter1d)
def gaussian_filter1d(
    input: Array,
    sigma: Any,
    axis: int = -1,
    order: int = 0,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Array:
    """`scipy.ndimage.gaussian_filter1d` on traced values, of sigma too; where its value is not
    known, as under vmap, `radius` must be given.
    """
    operation = "scipy.ndimage.gaussian_filter1d"
    w = _gaussian(operation, sigma, order, truncate, radius)
    return correlate1d(input, w, axis, output, mode, cval)


@implements(scipy.ndimage.gaussian_filter)
def gaussian_filter(
    input: Array,
    sigma: Any,
    order: Any = 0,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Array:
    """`scipy.ndimage.gaussian_filter` on traced values; see `gaussian_filter1d`."""
    operation = "scipy.ndimage.gaussian_filter"
    x = as_array(input, operation)
    x = astype(x, _result_dtype(operation, output, x))
    axes = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim)
    n = len(axes)
    sigmas = _for_each(sigma, n)
    settings = zip(
        axes, sigmas, _for_each(order, n), _for_each(mode, n), _for_each(radius, n), strict=True
    )
    for axis, s, o, m, r in settings:
        if isinstance(s, Tracer) or s > 1e-15:
            x = gaussian_filter1d(x, s, axis, o, None, m, cval, truncate, radius=r)
    return x


@implements(scipy.ndimage.uniform_filter1d)
def uniform_filter1d(
    input: Array,
    size: int,
    axis: int = -1,
    output: Any = None,
    mode: str = "reflect",
    cval: Any = 0.0,
    origin: int = 0,
) -> Array:
    """`scipy.ndimage.uniform_filter1d` on traced values."""
    if size < 1:
        raise ValueError(f"scipy.ndimage.uniform_filter1d: size must be positive; got {size}")
    return correlate1d(input, np.full(size, 1 / size), axis, output, mode, cval, origin)


@implements(scipy.ndimage.uniform_filter)
def uniform_filter(
    input: Array,
    size: Any = 3,
    output: Any = None,
    mode: Any = "reflect",
    cval: Any = 0.0,
    origin: Any = 0,
    *,
    axes: Any = None,
) -> Array:
    """`scipy.ndimage.uniform_filter` on traced values."""
    operation = "scipy.ndimage.uniform_filter"
    x = as_array(input, operation)
    x = astype(x, _result_dtype(operation, output, x))
    axes = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim)
    n = len(axes)
    settings = zip(axes, _for_each(size, n), _for_each(mode, n), _for_each(origin, n), strict=True)
    for axis, length, m, o in settings:
        if length > 1:
            x = uniform_filter1d(x, int(length), axis, None, m, cval, o)
    return x


# Spline coefficients: the inverse of a symmetric band matrix, except that the modes with a mirror
# at the last point count the ends half. For "reflect" SciPy computes it well on long axes only; the
# transpose is that of what SciPy computes.

_NEARLY_SYMMETRIC = ("reflect", "grid-mirror", "nearest")
_LONG = 32


def _spline_transpose(ct: Array, x: Any, *, order: int, axis: int, mode: str) -> Array:
    n = ct.shape[axis]
    if mode in _NEARLY_SYMMETRIC and n < _LONG:
        matrix = scipy.ndimage.spline_filter1d(np.eye(n), order, 0, mode=mode)
        return np.moveaxis(np.moveaxis(ct, axis, -1) @ matrix, -1, axis)
    if mode in (*_NEARLY_SYMMETRIC, "grid-wrap") or n < 2:
        return spline_filter_p.bind(ct, order=order, axis=axis, mode=mode)
    w = np.ones(n)
    w[[0, -1]] = 0.5
    w = w.reshape([-1 if i == axis else 1 for i in range(ct.ndim)])
    return spline_filter_p.bind(ct / w, order=order, axis=axis, mode=mode) * w


spline_filter_p: Primitive = linear(
    "spline_filter",
    lambda x, *, order, axis, mode: scipy.ndimage.spline_filter1d(
        x, order, axis, output=x.dtype, mode=mode
    ),
    _spline_transpose,
    shape=lambda x, *, order, axis, mode: ShapedArray(x.shape, x.dtype),
    batch=lambda size, batched, x, *, order, axis, mode: spline_filter_p.bind(
        x, order=order, axis=axis + 1, mode=mode
    ),
)


@implements(scipy.ndimage.spline_filter1d)
def spline_filter1d(
    input: Array, order: int = 3, axis: int = -1, output: Any = np.float64, mode: str = "mirror"
) -> Array:
    """`scipy.ndimage.spline_filter1d` on traced values."""
    operation = "scipy.ndimage.spline_filter1d"
    if order not in range(6):
        raise RuntimeError(f"{operation}: order must be 0 to 5; got {order}")
    _check_mode(operation, mode)
    x = _wide(input, operation)
    dtype = _result_dtype(operation, output, x)
    if order < 2:
        return astype(x, dtype)
    axis = normalize_axis_index(axis, x.ndim)
    return astype(spline_filter_p.bind(x, order=order, axis=axis, mode=mode), dtype)


@implements(scipy.ndimage.spline_filter)
def spline_filter(
    input: Array, order: int = 3, output: Any = np.float64, mode: str = "mirror"
) -> Array:
    """`scipy.ndimage.spline_filter` on traced values."""
    if order not in range(2, 6):
        raise RuntimeError(f"scipy.ndimage.spline_filter: order must be 2 to 5; got {order}")
    x = as_array(input, "scipy.ndimage.spline_filter")
    for axis in range(x.ndim):
        x = spline_filter1d(x, order, axis, output, mode)
    return x


# Interpolation at coordinates.


def _moved(c: Array, n: int, mode: str, order: int) -> Array:
    """Coordinates moved inside, where the grid does not just continue: "wrap" repeats it with the
    last point on the first, and between two points that are equally near SciPy chooses by that.
    """
    if mode == "wrap":
        if n == 1:
            return 0 * c
        ahead = np.where(c < 0, c + (n - 1) * (np.trunc(-c / (n - 1)) + 1), c)
        return np.where(c > n - 1, c - (n - 1) * np.trunc(c / (n - 1)), ahead)
    if order or n == 1 or mode not in ("mirror", "reflect", "grid-mirror"):
        return c
    lap, turn = (2 * n - 2, 0) if mode == "mirror" else (2 * n, 1)
    before = c + lap * np.trunc(-c / lap)
    far = before < -n if turn else before <= 1 - n
    before = np.where(far, before + lap, -before - turn)
    after = c - lap * np.trunc(c / lap)
    after = np.where(after >= n, lap - turn - after, after)
    return np.where(c < 0, before, np.where(c > n - 1, after, c))


def _mirrored(i: Array, n: int, mode: str) -> Array:
    """The numbers of grid points beyond the edges, as those of points inside."""
    if mode in ("nearest", "grid-constant"):
        return np.clip(i, 0, n - 1)
    if mode == "grid-wrap":
        return i % n
    if mode in ("reflect", "grid-mirror"):
        i = i % (2 * n)
        return np.where(i >= n, 2 * n - 1 - i, i)
    if n == 1:
        return 0 * i
    i = i % (2 * n - 2)
    return np.where(i >= n, 2 * n - 2 - i, i)


def _weights(c: Array, order: int) -> tuple[Array, list[Array]]:
    """The number of the first of order + 1 grid points around a coordinate, and their weights."""
    at = np.floor(c if order % 2 else c + 0.5)
    t = c - at if order % 2 else c + 0.5 - at
    w: list[Array] = [1.0 + 0 * t]
    for d in range(1, order + 1):
        above = [(t + d - 1 - j) / d * v for j, v in enumerate(w)]
        below = [(1 - t + j) / d * v for j, v in enumerate(w)]
        middle = [a + b for a, b in zip(above[:-1], below[1:], strict=True)]
        w = [below[0], *middle, above[-1]]
    return astype(at, np.int64) - order // 2, w


@implements(scipy.ndimage.map_coordinates)
def map_coordinates(
    input: Array,
    coordinates: Array,
    output: Any = None,
    order: int = 3,
    mode: str = "constant",
    cval: Any = 0.0,
    prefilter: bool = True,
) -> Array:
    """`scipy.ndimage.map_coordinates` on traced values, for every order and mode."""
    operation = "scipy.ndimage.map_coordinates"
    if order not in range(6):
        raise RuntimeError(f"{operation}: order must be 0 to 5; got {order}")
    _check_mode(operation, mode)
    x, places = as_array(input, operation), as_array(coordinates, operation)
    dtype = _result_dtype(operation, output, x)
    if aval_of(places).dtype.kind == "c":
        raise DtypeError(f"{operation}: coordinates must be real.", got=repr(aval_of(places)))
    places = astype(places, np.float64)
    if x.ndim < 1 or places.ndim < 2 or places.shape[0] != x.ndim:
        raise ShapeError(
            f"{operation}: needs a row of coordinates for each axis of the input.",
            got=f"{aval_of(x)!r} at {aval_of(places)!r}",
        )
    shape = aval_of(places).shape[1:]
    places = np.reshape(places, (x.ndim, prod(shape)))
    y = _interpolated(operation, _wide(x, operation), places, order, mode, cval, prefilter)
    if dtype.kind in "iu":
        y = np.trunc(np.where(y > 0, y + 0.5, y - 0.5))
    return astype(np.reshape(y, shape), dtype)


def _interpolated(
    operation: str, x: Array, places: Array, order: int, mode: str, cval: Any, prefilter: bool
) -> Array:
    d = x.ndim
    if mode == "constant":
        ends = np.reshape(np.array(aval_of(x).shape, np.float64) - 1, (d, 1))
        outside = np.any((places < 0) | (places > ends), axis=0)
        places = np.where(outside, 0.0, places)
    if prefilter and order > 1:
        if mode in ("nearest", "grid-constant"):
            # As SciPy does: far from the edges their treatment does not matter.
            x = extended(x, [(12, 12)] * d, operation, mode, cval)
            places = places + 12
        x = spline_filter(x, order, aval_of(x).dtype, mode)
    fill = astype(cval, aval_of(x).dtype)
    at, weights, inside = [], [], []
    for axis, n in enumerate(aval_of(x).shape):
        spread = [-1 if j == 0 else order + 1 if j == axis + 1 else 1 for j in range(d + 1)]
        first, w = _weights(_moved(places[axis], n, mode, order), order)
        i = first[:, None] + np.arange(order + 1)
        at.append(np.reshape(_mirrored(i, n, mode), spread))
        weights.append(np.reshape(np.stack(w, axis=1), spread))
        inside.append(np.reshape((i >= 0) & (i < n), spread))
    y = getitem(x, tuple(at))
    if mode == "grid-constant":
        for there in inside:
            y = np.where(there, y, fill)
    for v in weights:
        y = y * v
    y = np.sum(y, axis=tuple(range(1, d + 1)))
    return np.where(outside, fill, y) if mode == "constant" else y
