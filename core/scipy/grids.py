"""Interpolation of `scipy.interpolate` on traced values: on grids, and `interp1d`."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import scipy.interpolate
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, aval_of
from ..dispatch import is_traced, unsupported_argument
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype
from ..primitives.indexing import getitem, take
from .interpolate import Piecewise, known, place, reals
from .splines import BSpline, basis, interval, make_interp_spline

_DEGREES = {
    "slinear": 1, "cubic": 3, "quintic": 5,
    "slinear_legacy": 1, "cubic_legacy": 3, "quintic_legacy": 5,
}  # fmt: skip


def _inexact(x: Any, operation: str) -> Array:
    x = as_array(x, operation)
    return x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64)


class RegularGridInterpolator(Piecewise):
    """`scipy.interpolate.RegularGridInterpolator` for traced and plain values.

    The methods slinear, cubic and quintic solve for their splines exactly where something is
    traced; SciPy does so iteratively.

    Args:
        points: for each axis of the grid the places of its points, in rising order; falling order
            too where they are known.
        values: the values on the grid; it may have more axes.
        method: "linear", "nearest", "slinear", "cubic", "quintic"; where nothing is traced, any of
            SciPy's.
        bounds_error: whether a point outside is an error, where its place is known.
        fill_value: the value outside; None for extrapolation.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.interpolate import RegularGridInterpolator
        >>> f = RegularGridInterpolator(([0, 1], [0, 2]), np.array([[0.0, 1.0], [2.0, 5.0]]))
        >>> print(wg.grad(lambda p: f(p)[0])(np.array([0.5, 1.0])))
        [3. 1.]
    """

    traced_parts = ("grid", "values", "fill_value")

    def __init__(
        self,
        points: Any,
        values: Any,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
    ) -> None:
        name = "scipy.interpolate.RegularGridInterpolator"
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value
        self.grid = tuple([reals(p, name) for p in points])
        self.values = _inexact(values, name)
        if not is_traced([*points, values, fill_value]):
            self.plain()  # SciPy checks the arguments
        shape = aval_of(self.values).shape
        if len(self.grid) > len(shape) or any(
            [p.ndim != 1 or p.shape[0] != n for p, n in zip(self.grid, shape, strict=False)]
        ):
            raise ShapeError(
                f"{name}: the points do not fit the values.",
                got=f"{[p.shape for p in self.grid]} and {aval_of(self.values)!r}",
                needed="one axis for each of the points, as long as the values there",
            )
        for i, p in enumerate(self.grid):
            if known(p[1:] <= p[:-1]):
                if known(p[1:] >= p[:-1]):
                    raise ValueError(f"{name}: the points of axis {i} must rise or fall; got {p!r}")
                self.grid = (*self.grid[:i], p[::-1], *self.grid[i + 1 :])
                self.values = np.flip(self.values, i)

    def plain(self) -> Any:
        """SciPy's object."""
        return scipy.interpolate.RegularGridInterpolator(
            self.grid, self.values, self.method, self.bounds_error, self.fill_value
        )

    def __call__(self, xi: Any, method: str | None = None, *, nu: Any = None) -> Array:
        """The values at points, whose coordinates are along the last axis of `xi`."""
        if self.is_plain(xi):
            return self.plain()(xi, method, nu=nu)
        name = "scipy.interpolate.RegularGridInterpolator"
        if nu is not None:
            raise unsupported_argument(name, "nu", nu, "use wg.grad or wg.jvp for derivatives")
        method = self.method if method is None else method
        if method not in ("linear", "nearest") and method not in _DEGREES:
            raise unsupported_argument(
                name, "method", method, "use linear, nearest, slinear, cubic or quintic"
            )
        points = _coordinates(name, xi, len(self.grid))
        shape = aval_of(points).shape
        if shape[-1] != len(self.grid):
            raise ShapeError(
                f"{name}: the points have another number of coordinates than the grid.",
                got=str(shape[-1]),
                needed=str(len(self.grid)),
            )
        flat = np.reshape(points, (prod(shape[:-1]), shape[-1]))
        columns = [flat[:, i] for i in range(len(self.grid))]
        outside = self._outside(name, columns)
        y: Array
        if method in _DEGREES:
            y = self._by_splines(columns, _DEGREES[method])
        else:
            y = self._by_cells(columns, nearest=method == "nearest")
        ones = (1,) * (y.ndim - 1)
        if outside is not None:
            fill = astype(self.fill_value, aval_of(y).dtype)
            y = np.where(np.reshape(outside, (-1, *ones)), fill, y)
        missing = np.any(np.isnan(flat), axis=-1)
        y = np.where(np.reshape(missing, (-1, *ones)), astype(np.nan, aval_of(y).dtype), y)
        return np.reshape(y, (*shape[:-1], *y.shape[1:]))

    def _outside(self, name: str, columns: list[Array]) -> Array | None:
        """Which points lie outside, if these get the fill value; an error if there may be none."""
        beyond = [(q < p[0]) | (q > p[-1]) for p, q in zip(self.grid, columns, strict=True)]
        if self.bounds_error:
            for i, found in enumerate(beyond):
                if known(found):
                    raise ValueError(f"{name}: a point is out of bounds in dimension {i}")
            return None
        if self.fill_value is None:
            return None
        total = beyond[0]
        for found in beyond[1:]:
            total = total | found
        return total

    def _by_cells(self, columns: list[Array], nearest: bool) -> Array:
        """The mean of the corners of the cell, by their distances; or the nearest of them."""
        cells, shares = [], []
        for p, q in zip(self.grid, columns, strict=True):
            n = p.shape[0]
            if n == 1:
                i, share = np.zeros(q.shape, int), 0.0 * q
            else:
                i = np.clip(np.searchsorted(p, q, side="right") - 1, 0, n - 2)
                start = take(p, i)
                share = (q - start) / (take(p, i + 1) - start)
            cells.append(i)
            shares.append(share)
        if nearest:
            near = [np.where(s <= 0.5, i, i + 1) for i, s in zip(cells, shares, strict=True)]
            return getitem(self.values, tuple(near))
        ones = (1,) * (self.values.ndim - len(cells))
        total: Array = 0.0
        for corner in product((0, 1), repeat=len(cells)):
            if any([up and p.shape[0] == 1 for up, p in zip(corner, self.grid, strict=True)]):
                continue
            at = tuple([i + up for i, up in zip(cells, corner, strict=True)])
            weight: Array = np.ones(1)
            for share, up in zip(shares, corner, strict=True):
                weight = weight * (share if up else 1 - share)
            total = total + getitem(self.values, at) * np.reshape(weight, (-1, *ones))
        return total

    def _by_splines(self, columns: list[Array], k: int) -> Array:
        """The product of splines along each axis."""
        c = self.values
        at, weights = [], []
        d = len(columns)
        for axis, (p, q) in enumerate(zip(self.grid, columns, strict=True)):
            spline = make_interp_spline(p, np.moveaxis(c, axis, 0), k)
            c = np.moveaxis(spline.c, 0, axis)
            i = interval(spline.t, k, p.shape[0], q)
            spread = [len(q) if j == 0 else k + 1 if j == axis + 1 else 1 for j in range(d + 1)]
            at.append(np.reshape(i[:, None] + np.arange(-k, 1), spread))
            weights.append(np.reshape(basis(spline.t, k, q, i), spread))
        y = getitem(c, tuple(at))
        ones = (1,) * (y.ndim - d - 1)
        for w in weights:
            y = y * np.reshape(w, (*w.shape, *ones))
        return np.sum(y, axis=tuple(range(1, d + 1)))


def _coordinates(name: str, xi: Any, d: int) -> Array:
    """Points with their coordinates along the last axis; given so, or as a tuple of coordinates."""
    if isinstance(xi, tuple):
        parts = np.broadcast_arrays(*[reals(v, name) for v in xi])
        return np.stack(parts, axis=-1)
    points = reals(xi, name)
    if points.ndim == 1:
        return np.reshape(points, (-1, 1 if d == 1 else aval_of(points).shape[0]))
    return points


def interpn(
    points: Any,
    values: Any,
    xi: Any,
    method: str = "linear",
    bounds_error: bool = True,
    fill_value: Any = np.nan,
) -> Array:
    """`scipy.interpolate.interpn` for traced and plain values.

    Args:
        points: for each axis of the grid the places of its points.
        values: the values on the grid.
        xi: where to interpolate.
        method: see `RegularGridInterpolator`.
        bounds_error: whether a point outside is an error.
        fill_value: the value outside; None for extrapolation.

    Returns:
        The values at `xi`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.interpolate import interpn
        >>> print(wg.grad(lambda v: interpn(([0, 1],), v, [0.25])[0])(np.array([1.0, 2.0])))
        [0.75 0.25]
    """
    if not is_traced([*points, values, xi, fill_value]):
        return scipy.interpolate.interpn(points, values, xi, method, bounds_error, fill_value)
    return RegularGridInterpolator(points, values, method, bounds_error, fill_value)(xi)


class interp1d(Piecewise):  # noqa: N801  # SciPy's name
    """`scipy.interpolate.interp1d` for traced and plain values.

    Args:
        x: the points.
        y: the values there.
        kind: "linear", "nearest", "nearest-up", "previous", "next", "zero", "slinear",
            "quadratic", "cubic", or the degree of a spline.
        axis: the axis of `y` that belongs to the points.
        copy: as SciPy's.
        bounds_error: whether a point outside is an error, where its place is known.
        fill_value: the value outside, a pair for below and above, or "extrapolate".
        assume_sorted: whether x rises.

    Example:
        >>> import wengert as wg
        >>> from wengert.scipy.interpolate import interp1d
        >>> print(wg.grad(interp1d([0, 1, 2], [0, 1, 4]))(1.5))
        3.0
    """

    traced_parts = ("x", "y", "fill_value")

    def __init__(
        self,
        x: Any,
        y: Any,
        kind: Any = "linear",
        axis: int = -1,
        copy: bool = True,
        bounds_error: bool | None = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
    ) -> None:
        name = "scipy.interpolate.interp1d"
        self.x, self.y = as_array(x, name), _inexact(y, name)
        self.kind, self.fill_value, self.bounds_error = kind, fill_value, bounds_error
        self.axis = normalize_axis_index(axis, self.y.ndim)
        self._spline: BSpline | None = None
        if self.x.ndim != 1 or self.x.shape[0] != self.y.shape[self.axis]:
            raise ShapeError(
                f"{name}: needs as many values as points.",
                got=f"x {aval_of(self.x)!r} and y {aval_of(self.y)!r}, axis {self.axis}",
            )
        if not assume_sorted:
            order = np.argsort(self.x, kind="stable")
            self.x, self.y = take(self.x, order), take(self.y, order, axis=self.axis)
        if self.is_plain():
            self.plain()  # SciPy checks the arguments
        elif _degree(kind) is None and kind not in _STEPS and kind != "linear":
            raise unsupported_argument(name, "kind", kind, "use one of interp1d's documentation")

    def plain(self) -> Any:
        """SciPy's object."""
        return scipy.interpolate.interp1d(
            self.x, self.y, self.kind, self.axis, True, self.bounds_error, self.fill_value, True
        )

    def __call__(self, x: Any) -> Array:
        """The values at the points x."""
        if self.is_plain(x):
            return self.plain()(x)
        q = as_array(x, "scipy.interpolate.interp1d")
        if aval_of(q).dtype.kind != "f":
            q = astype(q, np.float64)
        shape = aval_of(q).shape
        flat = np.reshape(q, (prod(shape),))
        rows = np.moveaxis(self.y, self.axis, 0)
        y = np.reshape(self._inside(flat, rows), (prod(shape), *rows.shape[1:]))
        y = self._filled(flat, y, rows)
        return place(np.reshape(y, (*shape, *rows.shape[1:])), self.axis, len(shape))

    def _inside(self, q: Array, rows: Array) -> Array:
        x, n = self.x, self.x.shape[0]
        degree = _degree(self.kind)
        if degree is not None:
            if self._spline is None:
                self._spline = make_interp_spline(x, rows, degree)
            return self._spline(q)
        if self.kind == "linear":
            i = np.clip(np.searchsorted(x, q), 1, n - 1)
            start, low = take(x, i - 1), take(rows, i - 1, axis=0)
            slope = (take(rows, i, axis=0) - low) / _column(take(x, i) - start, rows)
            return slope * _column(q - start, rows) + low
        side, middle, shift = _STEPS[self.kind]
        edges = (x[1:] + x[:-1]) / 2.0 if middle else x
        i = np.searchsorted(edges, q, side=side) + shift
        return take(rows, np.clip(i, 0, n - 1), axis=0)

    def _filled(self, q: Array, y: Array, rows: Array) -> Array:
        """The values, with what belongs outside put there."""
        fill = self.fill_value
        if isinstance(fill, str) and fill == "extrapolate":
            if self.kind not in ("previous", "next"):
                return y
            fill = (np.nan, rows[-1]) if self.kind == "previous" else (rows[0], np.nan)
        elif self.bounds_error or (self.bounds_error is None and _is_nan(fill)):
            if known((q < self.x[0]) | (q > self.x[-1])):
                raise ValueError("scipy.interpolate.interp1d: a point lies outside of the range")
            return y
        below, above = fill if isinstance(fill, tuple) else (fill, fill)
        dtype = aval_of(y).dtype
        below, above = [
            astype(as_array(v, "scipy.interpolate.interp1d"), dtype) for v in (below, above)
        ]
        y = np.where(_column(q < self.x[0], rows), below, y)
        return np.where(_column(q > self.x[-1], rows), above, y)


_STEPS: dict[str, tuple[Any, bool, int]] = {
    "nearest": ("left", True, 0), "nearest-up": ("right", True, 0),
    "previous": ("right", False, -1), "next": ("left", False, 0),
}  # fmt: skip
"""How to look a point up: the side for a point on an edge, whether the edges are in the middle
between points, and how far the value is from the index found.
"""


def _degree(kind: Any) -> int | None:
    if isinstance(kind, int):
        return kind
    return {"zero": 0, "slinear": 1, "quadratic": 2, "cubic": 3}.get(kind)


def _column(x: Array, rows: Array) -> Array:
    return np.reshape(x, (-1, *(1,) * (rows.ndim - 1)))


def _is_nan(fill: Any) -> bool:
    return isinstance(fill, float) and fill != fill
