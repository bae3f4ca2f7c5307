"""`scipy.integrate` on traced values: integrals of samples.

Differential equations are in `../../transforms/odes/sensitivities.py`, since their derivatives need
those of a function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype
from ..tracing import Tracer


def _floats(x: Array, operation: str) -> Array:
    """The operand, integers as floats."""
    x = as_array(x, operation)
    return x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64)


def _spacing(operation: str, x: Any, dx: Any, y: Array) -> Array:
    """The lengths of the intervals, along the last axis of `y`; a number where all are alike."""
    if x is None:
        return dx
    x = as_array(x, operation)
    if x.ndim != 1 and x.ndim != y.ndim:
        raise ShapeError(
            f"{operation}: x must have one axis, or as many as y.",
            got=f"x {aval_of(x)!r} and y {aval_of(y)!r}",
        )
    return x


def _aligned(operation: str, x: Any, dx: Any, y: Array, axis: int) -> Array:
    """`_spacing` for an `x` whose axis of integration is moved to the end too."""
    x = _spacing(operation, x, dx, y)
    if x is dx:
        return dx
    x = x if x.ndim == 1 else np.moveaxis(x, axis, -1)
    if x.shape[-1] != y.shape[-1]:
        raise ShapeError(
            f"{operation}: x and y must be equally long along the axis of integration.",
            got=f"{x.shape[-1]} and {y.shape[-1]}",
        )
    return x[..., 1:] - x[..., :-1]


@implements(scipy.integrate.trapezoid)
def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """`scipy.integrate.trapezoid` on traced values."""
    operation = "scipy.integrate.trapezoid"
    y = _floats(y, operation)
    dtype = aval_of(y).dtype
    axis = normalize_axis_index(axis, y.ndim)
    if x is not None:
        x = as_array(x, operation)
        if x.ndim != 1:
            x = np.broadcast_to(x, aval_of(y).shape)
    y = np.moveaxis(y, axis, -1)
    d = _aligned(operation, x, dx, y, axis)
    return astype(np.sum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1), dtype)


@implements(scipy.integrate.cumulative_trapezoid)
def cumulative_trapezoid(
    y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None
) -> Array:
    """`scipy.integrate.cumulative_trapezoid` on traced values."""
    operation = "scipy.integrate.cumulative_trapezoid"
    y = as_array(y, operation)
    axis = normalize_axis_index(axis, y.ndim)
    y = np.moveaxis(y, axis, -1)
    if not y.shape[-1]:
        raise ShapeError(f"{operation}: needs at least one point.", got=repr(aval_of(y)))
    if not (initial is None or (np.isscalar(initial) and initial == 0)):
        raise ValueError(f"{operation}: initial must be None or 0; got {initial!r}")
    d = _aligned(operation, x, dx, y, axis)
    total = np.cumsum(d * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        total = np.pad(total, [(0, 0)] * (total.ndim - 1) + [(1, 0)])
    return np.moveaxis(total, -1, axis)


# Simpson's rule. A quotient by an interval of length 0 counts as 0, as in SciPy.


def _quotient(a: Array, b: Array) -> Array:
    zero = b == 0
    return np.where(zero, 0.0, a / np.where(zero, 1.0, b))


def _in_place(new: Array, old: Array) -> Array:
    """What SciPy computes in place, where it is an array: it keeps its dtype."""
    return astype(new, aval_of(old).dtype) if new.ndim else new


def _pairs(y: Array, d: Array, equal: bool) -> Array:
    """Simpson's rule for the intervals (0, 1), (2, 3) and so on, which are evenly many."""
    first, middle, last = y[..., :-2:2], y[..., 1:-1:2], y[..., 2::2]
    if equal:
        total = np.sum(first + 4.0 * middle + last, axis=-1)
        return _in_place(total * (d / 3.0), total)
    h, k = [astype(part, np.float64) for part in (d[..., ::2], d[..., 1::2])]
    both = h + k
    terms = (
        first * (2.0 - _quotient(k, h))
        + middle * (both * _quotient(both, h * k))
        + last * (2.0 - _quotient(h, k))
    )
    return np.sum(both / 6.0 * terms, axis=-1)


def _last_interval(y: Array, h: Array, k: Array) -> Array:
    """The integral over the last interval, by the parabola through the last three points."""
    weights = (
        _quotient(2 * k**2 + 3 * h * k, 6 * (k + h)),
        _quotient(k**2 + 3.0 * h * k, 6 * h),
        -_quotient(k**3, 6 * h * (h + k)),
    )
    return weights[0] * y[..., -1] + weights[1] * y[..., -2] + weights[2] * y[..., -3]


@implements(scipy.integrate.simpson)
def simpson(y: Array, x: Any = None, *, dx: Any = 1.0, axis: int = -1) -> Array:
    """`scipy.integrate.simpson` on traced values."""
    operation = "scipy.integrate.simpson"
    y = as_array(y, operation)
    axis = normalize_axis_index(axis, y.ndim)
    y = np.moveaxis(y, axis, -1)
    n = y.shape[-1]
    d = _aligned(operation, x, dx, y, axis)
    equal = x is None
    if n == 2:
        return 0.5 * (d if equal else d[..., 0]) * (y[..., -1] + y[..., -2]) + 0.0
    if n % 2:
        return _pairs(y, d, equal)
    if not n:
        raise ShapeError(f"{operation}: needs at least one point.", got=repr(aval_of(y)))
    total = _pairs(y[..., :-1], d if equal else d[..., :-1], equal)
    ends = (d, d) if equal else (d[..., -2], d[..., -1])
    rest = _last_interval(y, *[astype(v, np.float64) for v in ends])
    return _in_place(total + rest, total)


@implements(scipy.integrate.cumulative_simpson)
def cumulative_simpson(
    y: Array, *, x: Any = None, dx: Any = 1.0, axis: int = -1, initial: Any = None
) -> Array:
    """`scipy.integrate.cumulative_simpson` on traced values."""
    operation = "scipy.integrate.cumulative_simpson"
    y = _floats(y, operation)
    axis = normalize_axis_index(axis, y.ndim)
    y = np.moveaxis(y, axis, -1)
    n = y.shape[-1]
    if n < 3:
        total = np.moveaxis(cumulative_trapezoid(np.moveaxis(y, -1, axis), x, dx, axis), axis, -1)
    else:
        total = np.cumsum(_intervals(y, _steps(operation, x, dx, y, axis), x is None), axis=-1)
    if initial is not None:
        initial = _floats(initial, operation)
        if initial.ndim:
            initial = np.moveaxis(initial, axis, -1)
        start = np.broadcast_to(initial, (*aval_of(total).shape[:-1], 1))
        total = np.concatenate([start, total + initial], axis=-1)
    return np.moveaxis(total, -1, axis)


def _steps(operation: str, x: Any, dx: Any, y: Array, axis: int) -> Array:
    """The lengths of the intervals; with one for each where they are not given by a number."""
    if x is None:
        d = _floats(dx, operation)
        return np.moveaxis(d, axis, -1) if d.ndim else d
    d = _aligned(operation, _floats(x, operation), dx, y, axis)
    descends = d <= 0
    if not isinstance(descends, Tracer) and np.any(descends):
        raise ValueError(f"{operation}: x must increase from point to point")
    return d


def _intervals(y: Array, d: Array, equal: bool) -> Array:
    """The integral over each interval: by the parabola through three points, for the two intervals
    between them; the last one of an odd number is behind the last three points.
    """
    n = y.shape[-1] - 1
    first, middle, last = y[..., : n - 1 : 2], y[..., 1:n:2], y[..., 2 : n + 1 : 2]
    h, k = (d, d) if equal else (d[..., : n - 1 : 2], d[..., 1:n:2])
    pairs = [
        _by_parabola(first, middle, last, h, k, equal),
        _by_parabola(last, middle, first, k, h, equal),
    ]
    both = np.stack(pairs, axis=-1)
    both = np.reshape(both, (*both.shape[:-2], n - n % 2))
    if n % 2 == 0:
        return both
    ends = (d, d) if equal else (d[..., -1:], d[..., -2:-1])
    rest = _by_parabola(y[..., -1:], y[..., -2:-1], y[..., -3:-2], *ends, equal)
    return np.concatenate([both, rest], axis=-1)


def _by_parabola(
    first: Array, middle: Array, last: Array, h: Array, k: Array, equal: bool
) -> Array:
    """The integral from the first to the middle point."""
    if equal:
        return h / 3 * (5 * first / 4 + 2 * middle - last / 4)
    share = h / (h + k)
    product = share * (h / k)
    terms = (3 - share) * first + (3 + product + share) * middle - product * last
    return h / 6 * terms


@implements(scipy.integrate.romb)
def romb(y: Array, dx: Any = 1.0, axis: int = -1, show: Any = False) -> Array:
    """`scipy.integrate.romb` on traced values."""
    operation = "scipy.integrate.romb"
    if show:
        raise unsupported_argument(operation, "show", show, "leave it out")
    y = as_array(y, operation)
    y = np.moveaxis(y, normalize_axis_index(axis, y.ndim), -1)
    n = y.shape[-1] - 1
    if n < 1 or n & (n - 1):
        raise ShapeError(
            f"{operation}: the number of points must be 1 plus a power of 2.", got=str(n + 1)
        )
    h = n * astype(dx, np.float64)
    row = [(y[..., 0] + y[..., -1]) / 2.0 * h]
    step = n
    while step > 1:
        new = [0.5 * (row[0] + h * np.sum(y[..., step // 2 :: step], axis=-1))]
        for j, before in enumerate(row, 1):
            new.append(new[-1] + (new[-1] - before) / (4**j - 1))
        row, h, step = new, h / 2.0, step // 2
    return row[-1]
