"""B-splines of `scipy.interpolate` on traced values: evaluation, and interpolation by them.

At a point of the interval number i between knots there are k + 1 basis functions that are not zero,
those from i - k to i. `basis` gives them as columns, by the recursion of Cox and de Boor.
"""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy as np
import scipy.interpolate
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, aval_of
from ..dispatch import is_traced, unsupported_argument
from ..errors import ShapeError
from ..primitives.indexing import Place, scatter, take
from .banded import solve_banded_p
from .cubic import interpolated
from .interpolate import Piecewise, floats, known, place, reals, wrapped


def _part(a: Array, b: Array) -> Array:
    """a / b, and 0 where knots coincide."""
    together = b == 0
    return np.where(together, 0.0, a / np.where(together, 1.0, b))


def interval(t: Array, k: int, n: int, q: Array) -> Array:
    """The numbers of the intervals that points lie in; the first and the last reach to infinity."""
    return np.clip(np.searchsorted(t, q, side="right") - 1, k, n - 1)


def basis(t: Array, k: int, q: Array, i: Array, nu: int = 0) -> Array:
    """The basis functions that are not zero at points in the intervals i, or their derivatives."""
    columns = [np.ones(aval_of(q).shape)]
    if nu > k:
        return np.zeros((*aval_of(q).shape, k + 1))
    for d in range(1, k + 1):
        # Of degree d - 1 there are d functions; the knots of the new ones are one interval longer.
        starts = [take(t, i + 1 - d + j) for j in range(d)]
        stops = [take(t, i + 1 + j) for j in range(d)]
        shares = [
            _part(b, stop - start) for b, start, stop in zip(columns, starts, stops, strict=True)
        ]
        if d <= k - nu:
            rising = [share * (q - start) for share, start in zip(shares, starts, strict=True)]
            falling = [share * (stop - q) for share, stop in zip(shares, stops, strict=True)]
        else:
            rising, falling = [d * share for share in shares], [-d * share for share in shares]
        middle = [up + down for up, down in zip(rising[:-1], falling[1:], strict=True)]
        columns = [falling[0], *middle, rising[-1]]
    return np.stack(columns, axis=-1)


class BSpline(Piecewise):
    """`scipy.interpolate.BSpline` for traced and plain values.

    Args:
        t: the knots, which do not fall.
        c: the coefficients.
        k: the degree.
        extrapolate: whether the first and last polynomial continue beyond the base interval, or
            "periodic".
        axis: the axis of `c` that belongs to the basis functions.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.interpolate import BSpline
        >>> print(wg.grad(lambda c: BSpline([0, 0, 1, 1], c, 1)(0.25))(np.array([1.0, 2.0])))
        [0.75 0.25]
    """

    traced_parts = ("t", "c")

    def __init__(self, t: Any, c: Any, k: int, extrapolate: Any = True, axis: int = 0) -> None:
        name = "scipy.interpolate.BSpline"
        self.t, self.c, self.k = reals(t, name), floats(c, name), operator.index(k)
        self.extrapolate = extrapolate if extrapolate == "periodic" else bool(extrapolate)
        self.axis = normalize_axis_index(axis, self.c.ndim)
        self.c = np.moveaxis(self.c, self.axis, 0)
        n = self.t.shape[0] - self.k - 1 if self.t.ndim == 1 else 0
        if self.k < 0 or n < self.k + 1 or self.c.shape[0] < n:
            raise ShapeError(
                f"{name}: knots, coefficients and degree do not fit.",
                got=f"t {aval_of(self.t)!r}, c {aval_of(self.c)!r}, degree {self.k}",
                needed=f"at least {2 * self.k + 2} knots, and a coefficient for each but "
                f"{self.k + 1} of them",
            )
        if known(self.t[1:] < self.t[:-1]):
            raise ValueError(f"{name}: the knots must not fall; got {self.t!r}")

    def plain(self) -> Any:
        """SciPy's object."""
        make = scipy.interpolate.BSpline.construct_fast
        return make(self.t, self.c, self.k, self.extrapolate, self.axis)

    def like(self, t: Array, c: Array, k: int, extrapolate: Any) -> BSpline:
        """Another spline, of values along the same axis."""
        y = BSpline.__new__(BSpline)
        y.t, y.c, y.k, y.extrapolate, y.axis = t, c, k, extrapolate, self.axis
        return y

    @property
    def tck(self) -> tuple[Array, Array, int]:
        """Knots, coefficients and degree."""
        return self.t, self.c, self.k

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Array:
        """The values at the points x, or those of the derivative of order nu."""
        if extrapolate is None:
            extrapolate = self.extrapolate
        if self.is_plain(x):
            return self.plain()(x, nu, extrapolate)
        q = reals(x, "scipy.interpolate.BSpline")
        shape = aval_of(q).shape
        y = self._evaluate(np.reshape(q, (prod(shape),)), nu, extrapolate)
        return place(np.reshape(y, (*shape, *self.c.shape[1:])), self.axis, len(shape))

    def _bounds(self) -> tuple[Array, Array]:
        return self.t[self.k], self.t[self.t.shape[0] - self.k - 1]

    def _evaluate(self, q: Array, nu: int, extrapolate: Any) -> Array:
        first, last = self._bounds()
        if extrapolate == "periodic":
            q = wrapped(q, first, last)
        k, n = self.k, self.t.shape[0] - self.k - 1
        i = interval(self.t, k, n, q)
        weights = basis(self.t, k, q, i, nu)
        ones = (1,) * (self.c.ndim - 1)
        c = take(self.c, i[:, None] + np.arange(-k, 1), axis=0)
        y = np.sum(np.reshape(weights, (-1, k + 1, *ones)) * c, axis=1)
        if extrapolate:
            return y
        outside = np.reshape((q < first) | (q > last), (-1, *ones))
        return np.where(outside, np.nan, y)

    def derivative(self, nu: int = 1) -> BSpline:
        """The derivative of order nu, as a spline."""
        if nu < 0:
            return self.antiderivative(-nu)
        if self.is_plain():
            theirs = self.plain().derivative(nu)
            return self.like(theirs.t, theirs.c, theirs.k, self.extrapolate)
        t, k = self.t, self.k
        c = self.c[: t.shape[0] - k - 1]
        if nu > k:
            raise ValueError(f"a spline of degree {k} has no derivative spline of order {nu}")
        for _ in range(nu):
            length = np.reshape(t[k + 1 : -1] - t[1 : -k - 1], (-1, *(1,) * (c.ndim - 1)))
            c, t, k = _part((c[1:] - c[:-1]) * k, length), t[1:-1], k - 1
        return self.like(t, _filled(c, t.shape[0]), k, self.extrapolate)

    def antiderivative(self, nu: int = 1) -> BSpline:
        """The spline of which this is the derivative of order nu, and which begins with 0."""
        if nu <= 0:
            return self.derivative(-nu)
        extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        if self.is_plain():
            theirs = self.plain().antiderivative(nu)
            return self.like(theirs.t, theirs.c, theirs.k, extrapolate)
        t, k = self.t, self.k
        c = self.c[: t.shape[0] - k - 1]
        for _ in range(nu):
            length = np.reshape(t[k + 1 :] - t[: -k - 1], (-1, *(1,) * (c.ndim - 1)))
            total = np.cumsum(c * length / (k + 1), axis=0)
            c = np.concatenate([np.zeros((1, *c.shape[1:]), c.dtype), total])
            t, k = np.concatenate([t[:1], t, t[-1:]]), k + 1
        c = np.concatenate([c, np.broadcast_to(c[-1:], (k + 1, *c.shape[1:]))])
        return self.like(t, c, k, extrapolate)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Array:
        """The integral from a to b."""
        if extrapolate is None:
            extrapolate = self.extrapolate
        if self.is_plain(a, b):
            return self.plain().integrate(a, b, extrapolate)
        ends = np.stack([reals(v, "scipy.interpolate.BSpline.integrate") for v in (a, b)])
        first, last = self._bounds()
        if not extrapolate:
            ends = np.clip(ends, first, last)
        total = self.antiderivative()
        values = total._evaluate(ends, 0, extrapolate if extrapolate == "periodic" else True)
        if extrapolate == "periodic":
            span = total._evaluate(np.stack([first, last]), 0, True)
            periods = np.floor((ends - first) / (last - first))
            gain = np.reshape(periods, (2, *(1,) * (values.ndim - 1))) * (span[1] - span[0])
            values = values + gain
        return values[1] - values[0]


def _filled(c: Array, n: int) -> Array:
    """Coefficients with zeros behind them, as many as there are knots."""
    return np.pad(c, [(0, n - c.shape[0]), *[(0, 0)] * (c.ndim - 1)])


# Interpolation.


def _knots(x: Array, k: int, has_ends: bool) -> Array:
    """SciPy's choice of knots: not all points ("not a knot"), if there are no end conditions."""
    if has_ends:
        inner, times = x, k
    else:
        half = (k + 1) // 2 if k % 2 else k // 2
        inner = (x if k % 2 else (x[1:] + x[:-1]) / 2)[half:-half]
        times = k + 1
    repeated = [np.broadcast_to(end, (times,)) for end in (x[0], x[-1])]
    return np.concatenate([repeated[0], inner, repeated[1]])


def _conditions(name: str, spec: Any, shape: tuple[int, ...]) -> list[tuple[int, Array]]:
    """Orders of derivatives and their values at one end."""
    if spec is None:
        return []
    if isinstance(spec, str):
        if spec not in ("clamped", "natural"):
            raise ValueError(f"{name}: unknown bc_type {spec!r}")
        spec = [(1 if spec == "clamped" else 2, np.zeros(shape))]
    return [(int(order), floats(value, name)) for order, value in spec]


def make_interp_spline(
    x: Any,
    y: Any,
    k: int = 3,
    t: Any = None,
    bc_type: Any = None,
    axis: int = 0,
    check_finite: bool = True,
) -> BSpline:
    """`scipy.interpolate.make_interp_spline` for traced and plain values.

    Args:
        x: the points, in rising order.
        y: the values there.
        k: the degree.
        t: the knots; SciPy's choice when left out.
        bc_type: the conditions at the ends, as SciPy's; "periodic" only where nothing is traced.
        axis: the axis of `y` that belongs to the points.
        check_finite: whether to check that numbers are finite, where nothing is traced.

    Returns:
        The spline.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.interpolate import make_interp_spline
        >>> x = np.arange(4.0)
        >>> print(wg.grad(lambda y: make_interp_spline(x, y)(1.5))(x**2).round(6))
        [-0.0625  0.5625  0.5625 -0.0625]
    """
    name = "scipy.interpolate.make_interp_spline"
    if not is_traced([x, y, t, bc_type]):
        theirs = scipy.interpolate.make_interp_spline(x, y, k, t, bc_type, axis, check_finite)
        spline = BSpline.__new__(BSpline)
        spline.t, spline.c, spline.k = theirs.t, theirs.c, theirs.k
        spline.extrapolate, spline.axis = theirs.extrapolate, theirs.axis
        return spline
    if isinstance(bc_type, str) and bc_type == "periodic":
        raise unsupported_argument(name, "bc_type", bc_type, "use CubicSpline(bc_type='periodic')")
    x, y, axis = interpolated(name, x, y, axis)
    k = operator.index(k)
    shape = aval_of(y).shape
    if isinstance(bc_type, str) or bc_type is None:
        bc_type = None if bc_type == "not-a-knot" else bc_type
        bc_type = (bc_type, bc_type)
    left, right = [_conditions(name, spec, shape[1:]) for spec in bc_type]
    spline = BSpline.__new__(BSpline)
    spline.k, spline.extrapolate, spline.axis = k, True, axis
    if k == 0 or (k == 1 and t is None):
        if left or right or (t is not None):
            raise ValueError(f"{name}: degree {k} takes neither t nor bc_type")
        spline.t = np.concatenate([*([x[:1]] if k else []), x, x[-1:]])
        spline.c = y
        return spline
    spline.t = _knots(x, k, bool(left or right)) if t is None else reals(t, name)
    n = spline.t.shape[0] - k - 1
    if n - shape[0] != len(left) + len(right):
        raise ShapeError(
            f"{name}: the number of end conditions does not fit.",
            got=f"{len(left)} and {len(right)}",
            needed=str(n - shape[0]),
        )
    values = [np.reshape(v, (1, -1)) for _, v in left] + [np.reshape(y, (shape[0], -1))]
    values += [np.reshape(v, (1, -1)) for _, v in right]
    matrix = _collocation(spline.t, k, x, [o for o, _ in left], [o for o, _ in right])
    c = solve_banded_p.bind(matrix, np.concatenate(values), below=k, above=k)
    spline.c = np.reshape(c, (n, *shape[1:]))
    return spline


def _collocation(t: Array, k: int, x: Array, left: list[int], right: list[int]) -> Array:
    """The basis functions at the points, and their derivatives at the ends, as bands."""
    n = t.shape[0] - k - 1
    points = interval(t, k, n, x)
    rows = [basis(t, k, x[:1], points[:1], order) for order in left]
    rows.append(basis(t, k, x, points))
    rows += [basis(t, k, x[-1:], points[-1:], order) for order in right]
    intervals = np.concatenate([*[points[:1]] * len(left), points, *[points[-1:]] * len(right)])
    column = intervals[:, None] + np.arange(-k, 1)
    band = k + np.arange(n)[:, None] - column
    # A basis function out of reach of its row is zero there: it may go anywhere in its column.
    inside = (band >= 0) & (band <= 2 * k)
    elements = np.where(inside, np.concatenate(rows), 0.0)
    places = (Place.ARRAY, Place.ARRAY)
    return scatter(elements, places, (2 * k + 1, n), np.where(inside, band, k), column)
