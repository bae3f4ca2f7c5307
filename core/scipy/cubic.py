"""Cubic interpolation of `scipy.interpolate` on traced values: cubic splines, PCHIP, Akima.

Between two points there is the cubic polynomial with the given values and slopes there; the
interpolators differ in the slopes that they choose.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import scipy.interpolate
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, aval_of
from ..dispatch import is_traced
from ..errors import DtypeError, ShapeError
from ..primitives.elementwise import astype
from .banded import solve_banded_p
from .interpolate import PPoly, floats, known, reals


def interpolated(name: str, x: Any, y: Any, axis: int) -> tuple[Array, Array, int]:
    """Points and values, the axis of the points in front; checked as far as values are known."""
    x, y = reals(x, name), floats(y, name)
    axis = normalize_axis_index(axis, y.ndim)
    if x.ndim != 1 or x.shape[0] < 2 or x.shape[0] != y.shape[axis]:
        raise ShapeError(
            f"{name}: needs two points or more, and as many values.",
            got=f"x {aval_of(x)!r} and y {aval_of(y)!r}, axis {axis}",
        )
    if known(x[1:] <= x[:-1]):
        raise ValueError(f"{name}: the points must rise; got {x!r}")
    if known(~np.isfinite(x)) or known(~np.isfinite(y)):
        raise ValueError(f"{name}: points and values must be finite")
    return x, np.moveaxis(y, axis, 0), axis


class CubicHermiteSpline(PPoly):
    """`scipy.interpolate.CubicHermiteSpline` for traced and plain values.

    Args:
        x: the points, in rising order.
        y: the values there.
        dydx: the slopes there.
        axis: the axis of `y` that belongs to the points.
        extrapolate: whether to go on beyond the points, or "periodic".

    Example:
        >>> import wengert as wg
        >>> from wengert.scipy.interpolate import CubicHermiteSpline
        >>> print(wg.grad(lambda d: CubicHermiteSpline([0, 1], [0, 0], [d, 0])(0.5))(1.0))
        0.125
    """

    def __init__(self, x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not is_traced([x, y, dydx]):
            self._take(scipy.interpolate.CubicHermiteSpline(x, y, dydx, axis, extrapolate))
            return
        name = "scipy.interpolate.CubicHermiteSpline"
        x, y, axis = interpolated(name, x, y, axis)
        slopes = np.moveaxis(floats(dydx, name), axis, 0)
        if aval_of(slopes).shape != aval_of(y).shape:
            raise ShapeError(
                f"{name}: needs a slope for each value.", got=f"{slopes.shape} for {y.shape}"
            )
        self._through(x, y, slopes, axis, extrapolate)

    def _through(self, x: Array, y: Array, slopes: Array, axis: int, extrapolate: Any) -> None:
        """Set the polynomials with these values and slopes; the axis of the points is in front."""
        h = _column(x[1:] - x[:-1], y)
        mean = (y[1:] - y[:-1]) / h
        bend = (slopes[:-1] + slopes[1:] - 2 * mean) / h
        self.c = np.stack([bend / h, (mean - slopes[:-1]) / h - bend, slopes[:-1], y[:-1]])
        self.x, self.axis = x, axis
        self.extrapolate = True if extrapolate is None else extrapolate

    def _take(self, theirs: Any) -> None:
        """Set the polynomials of SciPy's object."""
        self.c, self.x, self.axis = theirs.c, theirs.x, theirs.axis
        self.extrapolate = theirs.extrapolate


def _column(x: Array, y: Array) -> Array:
    """What belongs to the first axis of y, shaped to broadcast against it."""
    return np.reshape(x, (-1, *(1,) * (y.ndim - 1)))


# Splines: the slopes make the second derivative continuous.


class End(NamedTuple):
    """The condition at an end: "not-a-knot", "periodic", or the order of a derivative and its
    value.
    """

    kind: Any
    value: Array = None


class CubicSpline(CubicHermiteSpline):
    """`scipy.interpolate.CubicSpline` for traced and plain values.

    Args:
        x: the points, in rising order.
        y: the values there.
        axis: the axis of `y` that belongs to the points.
        bc_type: "not-a-knot", "periodic", "clamped", "natural"; or a pair, for the two ends, of
            such names (not "periodic") or of pairs (order, value) with the first or second
            derivative there, whose value may be traced.
        extrapolate: whether to go on beyond the points, or "periodic".

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.interpolate import CubicSpline
        >>> x = np.arange(4.0)
        >>> print(wg.grad(lambda y: CubicSpline(x, y)(1.5))(x**2))
        [-0.0625  0.5625  0.5625 -0.0625]
    """

    def __init__(
        self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
    ) -> None:
        if not is_traced([x, y, bc_type]):
            self._take(scipy.interpolate.CubicSpline(x, y, axis, bc_type, extrapolate))
            return
        name = "scipy.interpolate.CubicSpline"
        x, y, axis = interpolated(name, x, y, axis)
        shape = aval_of(y).shape
        first, last = _ends(name, bc_type, shape[1:])
        values = [end.value for end in (first, last) if end.value is not None]
        y = astype(y, np.result_type(*[aval_of(v).dtype for v in (y, *values)]))
        if first.kind == "periodic":
            if known(~np.isclose(y[0], y[-1], rtol=1e-15, atol=1e-15)):
                raise ValueError(f"{name}: for a periodic spline y must begin as it ends")
            extrapolate = "periodic" if extrapolate is None else extrapolate
        flat = np.reshape(y, (shape[0], prod(shape[1:])))
        slopes = _slopes(x[1:] - x[:-1], flat, first, last)
        self._through(x, y, np.reshape(slopes, shape), axis, extrapolate)


def _ends(name: str, bc_type: Any, shape: tuple[int, ...]) -> list[End]:
    pair = (bc_type, bc_type) if isinstance(bc_type, str) else tuple(bc_type)
    if len(pair) != 2 or (isinstance(bc_type, tuple | list) and "periodic" in _names(pair)):
        raise ValueError(f"{name}: bc_type must be a name, or a pair for the two ends; got {pair}")
    found: list[End] = []
    for end in pair:
        if isinstance(end, str) and end in ("not-a-knot", "periodic"):
            found.append(End(end))
            continue
        if isinstance(end, str):
            if end not in ("clamped", "natural"):
                raise ValueError(f"{name}: unknown bc_type {end!r}")
            end = (1 if end == "clamped" else 2, np.zeros(shape))
        order, value = end
        value = floats(value, name)
        if order not in (1, 2) or aval_of(value).shape != shape:
            raise ValueError(
                f"{name}: bc_type must give the first or second derivative, a value of shape "
                f"{shape}; got order {order}, {aval_of(value)!r}"
            )
        found.append(End(order, np.reshape(value, (-1,))))
    return found


def _names(pair: tuple[Any, ...]) -> list[str]:
    return [end for end in pair if isinstance(end, str)]


def _slopes(h: Array, y: Array, first: End, last: End) -> Array:
    """The slopes at the points: y is a matrix, with a row for each point."""
    n = y.shape[0]
    width = h[:, None]
    mean = (y[1:] - y[:-1]) / width
    if n == 2:
        first, last = [End(1, mean[0]) if e.value is None else e for e in (first, last)]
    if n == 3 and first.kind == last.kind == "not-a-knot":  # the parabola
        bend = (mean[1] - mean[0]) / (h[0] + h[1])
        return np.stack([mean[0] - bend * h[0], mean[0] + bend * h[0], mean[1] + bend * h[1]])
    if n == 3 and first.kind == "periodic":
        slope = np.sum(mean / width, axis=0) / np.sum(1.0 / width, axis=0)
        return np.broadcast_to(slope, aval_of(y).shape)
    if first.kind == "periodic":
        return _periodic_slopes(h, mean)
    start = _end_row(first, h, mean, y[1] - y[0], 1)
    end = _end_row(last, h[::-1], mean[::-1], y[-1] - y[-2], -1)
    inner = 3 * (width[1:] * mean[:-1] + width[:-1] * mean[1:])
    right = np.concatenate([start[2][None], inner, end[2][None]])
    bands = np.stack([
        np.concatenate([np.zeros(1), start[1][None], h[:-1]]),
        np.concatenate([start[0][None], 2 * (h[:-1] + h[1:]), end[0][None]]),
        np.concatenate([h[1:], end[1][None], np.zeros(1)]),
    ])  # fmt: skip
    return solve_banded_p.bind(bands, right, below=1, above=1)


def _end_row(end: End, h: Array, mean: Array, rise: Array, sign: int) -> tuple[Array, Array, Array]:
    """The equation at an end: the coefficients there and next to it, and the right-hand side."""
    if end.value is None:
        both = h[0] + h[1]
        right = ((h[0] + 2 * both) * h[1] * mean[0] + h[0] ** 2 * mean[1]) / both
        return h[1], both, right
    if end.kind == 1:
        return np.ones(()), np.zeros(()), end.value + 0 * rise
    return 2 * h[0], h[0], 3 * rise - sign * 0.5 * end.value * h[0] ** 2


def _periodic_slopes(h: Array, mean: Array) -> Array:
    """The system goes round in a circle: it is solved but for the last slope, and that is found."""
    before, before_mean = np.roll(h, 1), np.roll(mean, 1, axis=0)
    right = 3 * (h[:, None] * before_mean + before[:, None] * mean)
    main = 2 * (before + h)
    last = mean.shape[0] - 1
    bands = np.stack([
        np.concatenate([np.zeros(1), before[: last - 1]]),
        main[:last],
        np.concatenate([h[1:last], np.zeros(1)]),
    ])  # fmt: skip
    coupling = np.concatenate([-h[:1], np.zeros(last - 2), -before[last - 1 : last]])
    both = np.concatenate([right[:last], coupling[:, None]], axis=1)
    solved = solve_banded_p.bind(bands, both, below=1, above=1)
    free, by_last = solved[:, :-1], solved[:, -1:]
    top = right[last] - h[last] * free[-1] - before[last] * free[0]
    end = top / (main[last] + h[last] * by_last[-1] + before[last] * by_last[0])
    slopes = free + by_last * end
    return np.concatenate([slopes, end[None], slopes[:1]])


# Slopes from the neighbours alone.


def _real_values(name: str, y: Array) -> None:
    if aval_of(y).dtype.kind == "c":
        raise DtypeError(f"{name}: the values must be real.", got=repr(aval_of(y)))


class PchipInterpolator(CubicHermiteSpline):
    """`scipy.interpolate.PchipInterpolator` for traced and plain values: as monotonic as the data.

    Args:
        x: the points, in rising order.
        y: the values there, reals.
        axis: the axis of `y` that belongs to the points.
        extrapolate: whether to go on beyond the points, or "periodic".

    Example:
        >>> import wengert as wg
        >>> from wengert.scipy.interpolate import PchipInterpolator
        >>> print(wg.grad(PchipInterpolator([0, 1, 2], [0, 1, 8]))(1.0))
        1.75
    """

    def __init__(self, x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> None:
        if not is_traced([x, y]):
            self._take(scipy.interpolate.PchipInterpolator(x, y, axis, extrapolate))
            return
        name = "scipy.interpolate.PchipInterpolator"
        x, y, axis = interpolated(name, x, y, axis)
        _real_values(name, y)
        self._through(x, y, _monotonic_slopes(x, y), axis, extrapolate)


def _monotonic_slopes(x: Array, y: Array) -> Array:
    h = _column(x[1:] - x[:-1], y)
    mean = (y[1:] - y[:-1]) / h
    if y.shape[0] == 2:
        return np.concatenate([mean, mean])
    # A weighted harmonic mean, where the slopes have the same sign; else 0.
    before, after = mean[:-1], mean[1:]
    apart = before * after <= 0
    first, second = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    a, b = np.where(apart, 1.0, before), np.where(apart, 1.0, after)
    inner = np.where(apart, 0.0, (first + second) / (first / a + second / b))
    start = _monotonic_end(h[0], h[1], mean[0], mean[1])
    end = _monotonic_end(h[-1], h[-2], mean[-1], mean[-2])
    return np.concatenate([start[None], inner, end[None]])


def _monotonic_end(h: Array, k: Array, mean: Array, following: Array) -> Array:
    slope = ((2 * h + k) * mean - h * following) / (h + k)
    turns = np.sign(slope) != np.sign(mean)
    steep = (np.sign(mean) != np.sign(following)) & (np.abs(slope) > 3.0 * np.abs(mean))
    return np.where(turns, 0.0, np.where(steep, 3.0 * mean, slope))


class Akima1DInterpolator(CubicHermiteSpline):
    """`scipy.interpolate.Akima1DInterpolator` for traced and plain values.

    Args:
        x: the points, in rising order.
        y: the values there, reals.
        axis: the axis of `y` that belongs to the points.
        method: "akima" or "makima".
        extrapolate: whether to go on beyond the points, or "periodic"; None means no.

    Example:
        >>> import wengert as wg
        >>> from wengert.scipy.interpolate import Akima1DInterpolator
        >>> print(wg.grad(Akima1DInterpolator([0, 1, 2], [0, 1, 4]))(1.0))
        2.0
    """

    def __init__(
        self, x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None
    ) -> None:
        if not is_traced([x, y]):
            theirs = scipy.interpolate.Akima1DInterpolator(
                x, y, axis, method=method, extrapolate=extrapolate
            )
            self._take(theirs)
            return
        name = "scipy.interpolate.Akima1DInterpolator"
        if method not in ("akima", "makima"):
            raise ValueError(f"{name}: method must be 'akima' or 'makima'; got {method!r}")
        x, y, axis = interpolated(name, x, y, axis)
        _real_values(name, y)
        slopes = _akima_slopes(x, y, modified=method == "makima")
        self._through(x, y, slopes, axis, False if extrapolate is None else extrapolate)


def _akima_slopes(x: Array, y: Array, modified: bool) -> Array:
    mean = (y[1:] - y[:-1]) / _column(x[1:] - x[:-1], y)
    if y.shape[0] == 2:
        return np.concatenate([mean, mean])
    ends = []
    for near, far in ((mean[:1], mean[1:2]), (mean[-1:], mean[-2:-1])):
        beyond = 2.0 * near - far
        ends.append([beyond, 2.0 * beyond - near])
    m = np.concatenate([ends[0][1], ends[0][0], mean, ends[1][0], ends[1][1]])
    change = np.abs(m[1:] - m[:-1])
    if modified:
        change = change + 0.5 * np.abs(m[1:] + m[:-1])
    after, before = change[2:], change[:-2]
    both = after + before
    clear = both > 1e-9 * np.max(both)
    share = before / np.where(clear, both, 1.0)
    return np.where(clear, m[1:-2] + share * (m[2:-1] - m[1:-2]), 0.5 * (m[3:] + m[:-3]))
