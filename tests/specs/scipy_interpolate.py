"""Rows for the interpolators of `scipy.interpolate`."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert.scipy.interpolate as interpolate
from specs.table import Draw, S, Sample, Spec, const, cplx, ints, real


def _rising(n: int, dtype: str = "f8") -> Draw:
    """Points from 0 to n - 1, roughly."""
    return lambda rng: np.asarray(np.arange(n) + rng.uniform(-0.3, 0.3, n), dtype)


def _at(*shape: int, lo: float = 0.4, hi: float = 2.6) -> Draw:
    return real(*shape, lo=lo, hi=hi)


def _row(name: str, call: Any, *samples: Sample, **options: Any) -> Spec:
    return Spec(
        f"interpolate.{name}",
        call,
        samples,
        of_numpy=False,
        **{"ulps": 512, "tolerance": 64, "order": 2, **options},
    )


def _through(name: str, *samples: Sample, **options: Any) -> Spec:
    """A row for a class of interpolators, made and called."""
    make = getattr(interpolate, name)
    return _row(name, lambda m, x, y, q, **static: make(x, y, **static)(q), *samples, **options)


_SMOOTH = (
    S("plain", (_rising(5), real(5), _at(3))),
    S("two-points", (_rising(2), real(2), _at(2))),
    S("three-points", (_rising(3), real(3), _at(2))),
    S("four-points", (_rising(4), real(4), _at(2))),
    S("scalar", (_rising(4), real(4), _at())),
    S("matrix", (_rising(4), real(4), _at(2, 2))),
    S("columns", (_rising(4), real(4, 2), _at(2))),
    S("axis", (_rising(4), real(2, 4), _at(2)), {"axis": 1}),
    S("middle-axis", (_rising(4), real(2, 4, 1), _at(2, 1)), {"axis": -2}),
    S("int-points", (const([0, 1, 3, 4]), real(4), _at(2))),
    S("f4", (_rising(4, "f4"), real(4, dtype="f4"), real(2, lo=0.5, dtype="f4"))),
    S("no-points", (_rising(4), real(4), _at(0))),
)
_BEYOND = (
    S("beyond", (_rising(4), real(4), _at(2, lo=4.0, hi=5.0)), {"extrapolate": True}),
    S("inside", (_rising(4), real(4), _at(3)), {"extrapolate": False}),
    S(
        "nothing-beyond",
        (_rising(4), real(4), const([-1.0, 1.0, 5.0, np.nan])),
        {"extrapolate": False},
        derivative=False,
    ),
)
_GRID = (_rising(3), _rising(4))
_PLACE = real(3, 2, lo=0.4, hi=1.6)


def _slopes(m: Any, x: Any, y: Any, slopes: Any, q: Any, **static: Any) -> Any:
    return interpolate.CubicHermiteSpline(x, y, slopes, **static)(q)


def _ends(m: Any, x: Any, y: Any, first: Any, last: Any, q: Any, *, orders: tuple[int, int]) -> Any:
    ends = ((orders[0], first), (orders[1], last))
    return interpolate.CubicSpline(x, y, bc_type=ends)(q)


def _methods(function: Any, q: Any, a: Any, b: Any) -> Any:
    """All that the objects can do, in one vector."""
    return np.concatenate([
        function(q, 1),
        function(q, 2),
        function(q, 3),
        function.derivative()(q),
        function.derivative(2)(q, 1),
        function.antiderivative()(q),
        function.antiderivative(2)(q),
        function(q + 7, extrapolate="periodic"),
        np.reshape(function.integrate(a, b), (1,)),
        np.reshape(function.integrate(a, b + 9, extrapolate="periodic"), (1,)),
    ])  # fmt: skip


def _grid(m: Any, p: Any, r: Any, v: Any, xi: Any, **static: Any) -> Any:
    return interpolate.RegularGridInterpolator((p, r), v, **static)(xi)


def _line(m: Any, x: Any, y: Any, q: Any, **static: Any) -> Any:
    return interpolate.interp1d(x, y, **static)(q)


def _spline(m: Any, x: Any, y: Any, q: Any, **static: Any) -> Any:
    return interpolate.make_interp_spline(x, y, **static)(q)


INTERPOLATE = (
    _through(
        "CubicSpline",
        *_SMOOTH,
        *_BEYOND,
        *[
            S(f"{kind}-{n}", (_rising(n), real(n), _at(2)), {"bc_type": kind})
            for kind in ("natural", "clamped", ("not-a-knot", "natural"), ("clamped", "not-a-knot"))
            for n in (3, 5)
        ],
        S("c16", (_rising(4), cplx(4), _at(2))),
        S("around", (_rising(5), real(5), _at(2, lo=-5.0, hi=9.0)), {"extrapolate": "periodic"}),
    ),
    _row(
        "CubicSpline-periodic",
        lambda m, x, y, q: interpolate.CubicSpline(x, np.append(y, y[:1]), bc_type="periodic")(q),
        *[S(f"length-{n}", (_rising(n + 1), real(n), _at(3))) for n in (2, 3, 4, 6)],
        S("beyond", (_rising(5), real(4), _at(2, lo=4.5, hi=9.0))),
    ),
    _row(
        "CubicSpline-ends",
        _ends,
        S("first", (_rising(4), real(4), real(), real(), _at(2)), {"orders": (1, 1)}),
        S("second", (_rising(4), real(4), real(), real(), _at(2)), {"orders": (2, 2)}),
        S("columns", (_rising(4), real(4, 2), real(2), real(2), _at(2)), {"orders": (1, 2)}),
        S("short", (_rising(2), real(2), real(), real(), _at(2)), {"orders": (2, 1)}),
    ),
    _row(
        "CubicSpline-methods",
        lambda m, x, y, q, a, b: _methods(interpolate.CubicSpline(x, y), q, a, b),
        S("plain", (_rising(5), real(5), _at(2), real(lo=0.3, hi=1.0), real(lo=2.0, hi=3.0))),
    ),
    _row(
        "CubicHermiteSpline",
        _slopes,
        S("plain", (_rising(4), real(4), real(4), _at(3))),
        S("columns", (_rising(3), real(2, 3), real(2, 3), _at(2)), {"axis": 1}),
        S("c16", (_rising(3), real(3), cplx(3), _at(2))),
        S("two", (_rising(2), real(2), real(2), _at(hi=0.6)), {"extrapolate": False}),
    ),
    _through("PchipInterpolator", *_SMOOTH, *_BEYOND),
    _through(
        "Akima1DInterpolator",
        *[s for s in _SMOOTH if "points" not in s.name],
        S("makima", (_rising(6), real(6), _at(3)), {"method": "makima"}),
        *_BEYOND,
    ),
    _row(
        "PPoly",
        lambda m, c, x, q, **static: interpolate.PPoly(c, x, **static)(q),
        S("plain", (real(3, 3), _rising(4), _at(3))),
        S("constant", (real(1, 3), _rising(4), _at(3))),
        S("axis", (real(2, 3, 3), _rising(4), _at(2)), {"axis": 1}),
        S("c16", (cplx(3, 3), _rising(4), _at(2))),
    ),
    _row(
        "BSpline",
        lambda m, t, c, q, *, k, **static: interpolate.BSpline(t, c, k, **static)(q),
        *[S(f"degree-{k}", (_rising(2 * k + 4), real(k + 3), _at(3)), {"k": k}) for k in range(4)],
        S("axis", (_rising(7), real(2, 4), _at(2, lo=2.5, hi=3.5)), {"k": 2, "axis": 1}),
        S("c16", (_rising(7), cplx(4), _at(2, lo=2.5, hi=3.5)), {"k": 2}),
        S("around", (_rising(8), real(5), _at(2)), {"k": 2, "extrapolate": "periodic"}),
        S("bounded", (_rising(8), real(5), _at(3, lo=2.4, hi=4.6)), {"k": 2, "extrapolate": False}),
    ),
    _row(
        "BSpline-repeated",
        lambda m, c, q: interpolate.BSpline([0, 0, 0, 1, 1, 2, 2, 2], c, 2)(q),
        S("plain", (real(5), _at(3, hi=1.8))),
        S("knots", (real(5), const([0.0, 1.0, 2.0])), derivative=False),
    ),
    _row(
        "BSpline-methods",
        lambda m, t, c, q, a, b: _methods(interpolate.BSpline(t, c, 3), q, a, b),
        S(
            "plain",
            (_rising(10), real(6), _at(2, lo=3.5, hi=5.5), real(lo=3.4, hi=4), real(lo=5, hi=5.6)),
        ),
    ),
    _row(
        "make_interp_spline",
        _spline,
        *[S(f"degree-{k}", (_rising(6), real(6), _at(3)), {"k": k}) for k in range(6)],
        *[
            S(f"{kind}", (_rising(5), real(5), _at(3)), {"bc_type": kind})
            for kind in ("natural", "clamped", ("natural", "clamped"), "not-a-knot")
        ],
        S("columns", (_rising(5), real(5, 2), _at(2))),
        S("axis", (_rising(5), real(2, 5), _at(2)), {"axis": -1}),
        S("c16", (_rising(5), cplx(5), _at(2))),
        S(
            "ends",
            (_rising(4), real(4), _at(2)),
            {"bc_type": ([(1, 0.5)], [(2, -1.0)])},
        ),
        S(
            "knots",
            (_rising(4), real(4), _at(2)),
            {"k": 2, "t": [-1.0, -1, -1, 1.5, 4, 4, 4]},
        ),
    ),
    _row(
        "RegularGridInterpolator",
        _grid,
        S("linear", (*_GRID, real(3, 4), _PLACE)),
        S("nearest", (*_GRID, real(3, 4), _PLACE), {"method": "nearest"}),
        S("slinear", (*_GRID, real(3, 4), _PLACE), {"method": "slinear_legacy"}),
        S(
            "cubic",
            (_rising(4), _rising(5), real(4, 5), _PLACE),
            {"method": "cubic_legacy"},
        ),
        S("more-axes", (*_GRID, real(3, 4, 2), _PLACE)),
        S("one-place", (*_GRID, real(3, 4), real(2, lo=0.4, hi=1.6))),
        S("stack", (*_GRID, real(3, 4), real(2, 1, 2, lo=0.4, hi=1.6))),
        S("single", (const([1.0]), _rising(4), real(1, 4), const([[1.0, 1.4]])), derivative=False),
        S("c16", (*_GRID, cplx(3, 4), _PLACE)),
        S("f4", (*_GRID, real(3, 4, dtype="f4"), _PLACE)),
        S("ints", (*_GRID, ints(3, 4), _PLACE)),
        S(
            "beyond",
            (*_GRID, real(3, 4), real(3, 2, lo=-2.0, hi=5.0)),
            {"bounds_error": False, "fill_value": None},
        ),
        S(
            "filled",
            (*_GRID, real(3, 4), real(4, 2, lo=-1.0, hi=5.0)),
            {"bounds_error": False, "fill_value": 1.5},
        ),
    ),
    _row(
        "RegularGridInterpolator-falling",
        lambda m, v, xi: interpolate.RegularGridInterpolator(([2.0, 1.0, 0.0],), v)(xi),
        S("plain", (real(3), real(2, 1, lo=0.2, hi=1.8))),
    ),
    _row(
        "interpn",
        lambda m, p, v, x, y, **static: interpolate.interpn((p, [0.0, 1, 2]), v, (x, y), **static),
        S("plain", (_rising(3), real(3, 3), _at(2, hi=1.6), _at(2, hi=1.6))),
        S(
            "nearest",
            (_rising(3), real(3, 3), _at(2, hi=1.6), _at(2, hi=1.6)),
            {"method": "nearest"},
        ),
    ),
    _row(
        "interp1d",
        _line,
        *[
            S(str(kind), (_rising(6), real(6), _at(3)), {"kind": kind})
            for kind in (
                "linear",
                "nearest",
                "nearest-up",
                "previous",
                "next",
                "zero",
                "slinear",
                "quadratic",
                "cubic",
                3,
            )
        ],
        S("axis", (_rising(4), real(4, 2), _at(2, hi=2.6)), {"axis": 0}),
        S("rows", (_rising(4), real(2, 4), _at(2, 1, hi=2.6))),
        S("scalar", (_rising(4), real(4), _at(hi=2.6))),
        S("c16", (_rising(4), cplx(4), _at(2, hi=2.6))),
        S("f4", (_rising(4), real(4, dtype="f4"), _at(2, hi=2.6))),
        S("beyond", (_rising(4), real(4), real(4, lo=-2, hi=5)), {"fill_value": "extrapolate"}),
        S(
            "filled",
            (_rising(4), real(4), real(4, lo=-2, hi=5)),
            {"bounds_error": False, "fill_value": (1.0, 2.0)},
        ),
        S("mixed", (const([2.0, 0.0, 1.0, 3.0]), real(4), _at(2, hi=2.6))),
    ),
)
