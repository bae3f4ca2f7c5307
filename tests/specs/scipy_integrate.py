"""Rows for `scipy.integrate`: integrals of samples, and differential equations."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert.scipy.integrate as integrate
from specs.table import (
    Array,
    Draw,
    Rng,
    S,
    Sample,
    Spec,
    const,
    cplx,
    ints,
    python,
    real,
    scipy_row,
)


def _rising(*shape: int, axis: int = -1, dtype: str = "f8") -> Draw:
    """Numbers that increase along an axis."""
    return lambda rng: np.cumsum(rng.uniform(0.3, 1, shape), axis=axis).astype(dtype)


def _samples(*lengths: int) -> list[Sample]:
    """Samples of functions of values `y`."""
    return [
        *[S(f"length-{n}", (real(n),)) for n in lengths],
        S("rows", (real(2, lengths[-1]),)),
        S("axis", (real(lengths[-1], 2),), {"axis": 0}),
        S("dx", (real(lengths[-1]),), {"dx": 0.5}),
        S("c16", (cplx(lengths[-1]),)),
        S("f4", (real(lengths[-1], dtype="f4"),)),
        S("f4-rows", (real(2, lengths[-1], dtype="f4"),)),
        S("f4-dx", (real(2, lengths[-1], dtype="f4"),), {"dx": np.float64(0.5)}),
        S("ints", (ints(lengths[-1]),)),
        S("no-rows", (real(0, lengths[-1]),)),
    ]


def _points(*lengths: int) -> tuple[Sample, ...]:
    """Samples of functions of values `y` at the points `x`."""
    return (
        *[S(f"length-{n}", (real(n), _rising(n))) for n in lengths],
        S("rows", (real(2, 5), _rising(5))),
        S("rows-of-both", (real(2, 4), _rising(2, 4))),
        S("axis", (real(5, 2), _rising(5)), {"axis": 0}),
        S("axis-of-both", (real(4, 2), _rising(4, 2, axis=0)), {"axis": -2}),
        S("f4", (real(5, dtype="f4"), _rising(5, dtype="f4"))),
        S("f4-even", (real(2, 4, dtype="f4"), _rising(4, dtype="f4"))),
        S("ints", (ints(5), _rising(5))),
        S("int-points", (real(4), const([0, 1, 3, 4]))),
    )


def _at(name: str, *samples: Sample) -> Spec:
    function = getattr(integrate, name)
    return Spec(
        f"integrate.{name}-x",
        lambda m, y, x, **static: function(y, x=x, **static),
        samples,
        of_numpy=False,
        ulps=32,
        tolerance=4,
    )


def _by(name: str, n: int) -> Spec:
    function = getattr(integrate, name)
    return Spec(
        f"integrate.{name}-dx",
        lambda m, y, dx: function(y, dx=dx),
        (
            S("scalar", (real(n), real(lo=0.5))),
            S("python", (real(n), python(lo=0.5))),
            S("f4", (real(n, dtype="f4"), real(lo=0.5, dtype="f4"))),
        ),
        of_numpy=False,
        ulps=32,
    )


_LENGTHS = {
    "trapezoid": (2, 3, 6),
    "cumulative_trapezoid": (1, 2, 6),
    "simpson": (2, 3, 4, 5, 6),
    "cumulative_simpson": (2, 3, 4, 5, 6),
}
_INITIAL = {
    "trapezoid": (),
    "cumulative_trapezoid": (S("initial", (real(2, 3),), {"initial": 0}),),
    "simpson": (S("one", (real(1),)),),
    "cumulative_simpson": (
        S("initial", (real(2, 4),), {"initial": 1.5}),
        S("initial-short", (real(2),), {"initial": 0}),
        S("initials", (real(2, 4),), {"initial": np.array([[1.0], [2.0]])}),
    ),
}

# Differential equations, in tolerances that leave finite differences something to compare.

_EXACT = {"rtol": 1e-12, "atol": 1e-12}
_TIMES = const([0.0, 0.4, 1.0])


def _decay(y: Array, t: Array, rate: Array) -> Array:
    return -rate * y


def _prey(y: Array, t: Array, p: Array, q: Array) -> Any:
    both = y[0] * y[1]
    return [p * y[0] - both, q[0] * both - q[1] * y[1] + np.sin(t)]


def _switched(y: Array, t: Array, rate: Array) -> Array:
    return -rate * y if t < 0.5 else -rate * y * (1 + (t - 0.5) ** 3)


def _rates(rng: Rng) -> Array:
    return rng.uniform(0.5, 1.0, 2)


def _equation(name: str, call: Any, *samples: Sample, **options: Any) -> Spec:
    return Spec(
        f"integrate.{name}",
        call,
        samples,
        of_numpy=False,
        **{"ulps": 64, "tolerance": 64, **options},
    )


INTEGRATE = (
    *[
        scipy_row(integrate, name, *_samples(*lengths), *_INITIAL[name], ulps=32, tolerance=4)
        for name, lengths in _LENGTHS.items()
    ],
    *[_at(name, *_points(*lengths)) for name, lengths in _LENGTHS.items()],
    *[_by(name, 5) for name in _LENGTHS],
    scipy_row(integrate, "romb", *_samples(2, 3, 5, 9), ulps=32, tolerance=4),
    _by("romb", 5),
    _equation(
        "odeint",
        lambda m, y0, rate: integrate.odeint(_decay, y0, [0.0, 0.5, 1.5], (rate,), **_EXACT),
        S("scalar", (real(lo=0.5), real(lo=0.5))),
        S("vector", (real(2), real(lo=0.5))),
        S("rates", (real(2), real(2, lo=0.5))),
        S("f4", (real(1, dtype="f4"), real(lo=0.5, dtype="f4"))),
        S("one-rate", (const([1.0, 2.0]), real(1, lo=0.5))),
    ),
    _equation(
        "odeint-times",
        lambda m, y0, t, rate: integrate.odeint(_decay, y0, t, rate, **_EXACT),
        S("rising", (real(1), _rising(3), real(lo=0.5))),
        S("falling", (real(1), const([1.0, 0.6, 0.1]), real(lo=0.5))),
        S("one", (real(1), real(1), real(lo=0.5))),
    ),
    _equation(
        "odeint-nonlinear",
        lambda m, y0, p, q: integrate.odeint(_prey, y0, [0.0, 0.7], (p, q), **_EXACT),
        S("plain", (real(2, lo=0.5), real(lo=0.5), _rates)),
        order=2,
    ),
    _equation(
        "odeint-closure",
        lambda m, y0, rate: integrate.odeint(
            lambda t, y: [-rate * y[1], y[0] * np.cos(t)], y0, [0.0, 0.8], tfirst=True, **_EXACT
        ),
        S("plain", (real(2), real(lo=0.5))),
        order=2,
    ),
    _equation(
        "odeint-switched",
        lambda m, y0, rate: integrate.odeint(
            _switched, y0, [0.0, 0.5, 1.0], (rate,), rtol=1e-11, atol=[1e-11, 1e-12]
        ),
        S("plain", (real(2), real(lo=0.5))),
        order=1,
    ),
    _equation(
        "solve_ivp",
        lambda m, y0, rate, *, method: (
            integrate.solve_ivp(
                lambda t, y, k: _decay(y, t, k),
                (0.0, 1.5),
                y0,
                method,
                [0.5, 1.5],
                args=(rate,),
                **_EXACT,
            ).y
        ),
        *[S(kind, (real(1), real(lo=0.5)), {"method": kind}) for kind in ("DOP853", "LSODA")],
    ),
)
