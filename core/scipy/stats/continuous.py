"""The continuous distributions of `scipy.stats`: a row each; `gamma_beta.py` has more.

A row's functions take the variable and then the shapes, in standard form. `score` is the derivative
of the log-density; a shape's `flow` is that of the cdf by the shape, over the density (see `Shape`
in `distribution.py`). Values are SciPy's, so no density is written out here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sc

from ...aval import Array
from .common import choose
from .distribution import Continuous, Shape, Support

__all__ = [
    "cauchy",
    "expon",
    "gumbel_l",
    "gumbel_r",
    "halfnorm",
    "laplace",
    "logistic",
    "lognorm",
    "norm",
    "pareto",
    "truncnorm",
    "uniform",
    "vonmises",
    "weibull_min",
    "wrapcauchy",
]

LINE = Support()
POSITIVE = Support(0.0, within=1.0)
FROM_ZERO = Support(0.0, closed=True, within=1.0)
FROM_ONE = Support(1.0, closed=True, within=2.0)


def above(x: Array, bound: float) -> Array:
    """x - bound where that is positive, else 1: a denominator."""
    return np.where(x > bound, x - bound, 1.0)


# Without shapes.


def _normal_rate(x: Array) -> Array:
    """The normal density over its cdf: what a tail loses, relative to the tail."""
    tail = sc.erfcx(-np.minimum(x, 0.0) * math.sqrt(0.5))
    body = norm._density(x) / sc.ndtr(np.maximum(x, 0.0))
    return np.where(x < 0, math.sqrt(2 / math.pi) / tail, body)


def _over_square(x: Array) -> Array:
    """x / (1 + x^2), also for huge x."""
    big = np.abs(x) > 1.0
    y = np.where(big, 1.0 / np.where(big, x, 1.0), x)
    return y / (1.0 + y * y)


norm: Continuous = Continuous(
    "norm",
    LINE,
    score=lambda x: -x,
    over_cdf=_normal_rate,
    over_sf=lambda x: _normal_rate(-x),
    mean_rule=lambda: 0.0,
    var_rule=lambda: 1.0,
)
halfnorm = Continuous(
    "halfnorm",
    FROM_ZERO,
    score=lambda x: -x,
    mean_rule=lambda: math.sqrt(2 / math.pi),
    var_rule=lambda: 1 - 2 / math.pi,
)
expon = Continuous(
    "expon",
    FROM_ZERO,
    score=lambda x: -1.0,
    over_sf=lambda x: 1.0,
    mean_rule=lambda: 1.0,
    var_rule=lambda: 1.0,
)
uniform = Continuous(
    "uniform",
    Support(0.0, 1.0, closed=True, within=0.5),
    score=lambda x: 0.0,
    mean_rule=lambda: 0.5,
    var_rule=lambda: 1 / 12,
)
laplace = Continuous(
    "laplace",
    LINE,
    score=lambda x: -np.sign(x),
    mean_rule=lambda: 0.0,
    var_rule=lambda: 2.0,
)
logistic = Continuous(
    "logistic",
    LINE,
    score=lambda x: -np.tanh(x / 2),
    over_cdf=lambda x: sc.expit(-x),
    over_sf=lambda x: sc.expit(x),
    mean_rule=lambda: 0.0,
    var_rule=lambda: math.pi**2 / 3,
)
cauchy = Continuous(
    "cauchy",
    LINE,
    score=lambda x: -2.0 * _over_square(x),
    mean_rule=lambda: math.nan,
    var_rule=lambda: math.nan,
)
gumbel_r = Continuous(
    "gumbel_r",
    LINE,
    score=lambda x: np.expm1(-x),
    over_cdf=lambda x: np.exp(-x),
    mean_rule=lambda: np.euler_gamma,
    var_rule=lambda: math.pi**2 / 6,
)
gumbel_l = Continuous(
    "gumbel_l",
    LINE,
    score=lambda x: -np.expm1(x),
    over_sf=lambda x: np.exp(x),
    mean_rule=lambda: -np.euler_gamma,
    var_rule=lambda: math.pi**2 / 6,
)


# Powers and exponentials.

pareto = Continuous(
    "pareto",
    FROM_ONE,
    (
        Shape(
            "b",
            score=lambda x, b: 1.0 / b - np.log(x),
            flow=lambda x, b: x * np.log(x) / b,
            entropy=lambda b: -(1.0 + 1.0 / b) / b,
        ),
    ),
    score=lambda x, b: -(b + 1.0) / x,
    mean_rule=lambda b: np.where(b > 1, b / above(b, 1), np.inf),
    var_rule=lambda b: np.where(b > 2, b / (above(b, 1) ** 2 * above(b, 2)), np.inf),
)
lognorm = Continuous(
    "lognorm",
    POSITIVE,
    (
        Shape(
            "s",
            score=lambda x, s: ((np.log(x) / s) ** 2 - 1.0) / s,
            flow=lambda x, s: -x * np.log(x) / s,
            entropy=lambda s: 1.0 / s,
        ),
    ),
    score=lambda x, s: -(1.0 + np.log(x) / (s * s)) / x,
    over_cdf=lambda x, s: _normal_rate(np.log(x) / s) / (s * x),
    over_sf=lambda x, s: _normal_rate(-np.log(x) / s) / (s * x),
    mean_rule=lambda s: np.exp(s * s / 2),
    var_rule=lambda s: np.expm1(s * s) * np.exp(s * s),
)
weibull_min = Continuous(
    "weibull_min",
    POSITIVE,
    (
        Shape(
            "c",
            score=lambda x, c: 1.0 / c + np.log(x) * (1.0 - x**c),
            flow=lambda x, c: x * np.log(x) / c,
            entropy=lambda c: (np.euler_gamma / c - 1.0) / c,
        ),
    ),
    score=lambda x, c: (c - 1.0 - c * x**c) / x,
    over_sf=lambda x, c: c * x ** (c - 1.0),
    mean_rule=lambda c: sc.gamma(1.0 + 1.0 / c),
    var_rule=lambda c: sc.gamma(1.0 + 2.0 / c) - sc.gamma(1.0 + 1.0 / c) ** 2,
)

# The normal distribution between two points. Its density at an end says how its mass changes with
# that end.


def _at_end(end: Array, a: Array, b: Array) -> Array:
    return truncnorm._density(end, a, b)


def _end_times(end: Array, a: Array, b: Array) -> Array:
    """The density at an end times the end, which may be infinite."""
    finite = np.isfinite(end)
    return choose(finite, choose(finite, end, 0.0) * _at_end(end, a, b), 0.0)


def _truncnorm_flow(first: bool) -> Any:
    def flow(x: Array, a: Array, b: Array) -> Array:
        part = truncnorm.primitives["logsf" if first else "logcdf"].bind(x, a, b)
        log_ratio = part - truncnorm._logdensity(x, a, b)
        return -np.exp(log_ratio) * _at_end(a if first else b, a, b)

    return flow


def _truncnorm_entropy(first: bool) -> Any:
    def slope(a: Array, b: Array) -> Array:
        end = a if first else b
        finite = np.isfinite(end)
        square = choose(finite, end, 0.0) ** 2
        between = _end_times(a, a, b) - _end_times(b, a, b)
        half = 0.5 * _at_end(end, a, b) * (1.0 + square - between)
        return -half if first else half

    return slope


truncnorm: Continuous = Continuous(
    "truncnorm",
    Support(
        lambda a, b: a,
        lambda a, b: b,
        closed=True,
        within=lambda a, b: np.minimum(np.maximum(0.0, a), b),
    ),
    (
        Shape(
            "a",
            score=lambda x, a, b: _at_end(a, a, b),
            flow=_truncnorm_flow(True),
            entropy=_truncnorm_entropy(True),
            default=-1.0,
        ),
        Shape(
            "b",
            score=lambda x, a, b: -_at_end(b, a, b),
            flow=_truncnorm_flow(False),
            entropy=_truncnorm_entropy(False),
        ),
    ),
    score=lambda x, a, b: -x,
    valid=lambda a, b: a < b,
    mean_rule=lambda a, b: _at_end(a, a, b) - _at_end(b, a, b),
    var_rule=lambda a, b: (
        1.0 + _end_times(a, a, b) - _end_times(b, a, b) - (_at_end(a, a, b) - _at_end(b, a, b)) ** 2
    ),
)

# On the circle.


def _bessel_ratio(k: Array) -> Array:
    return sc.i1e(k) / sc.i0e(k)


def _vonmises_entropy(k: Array) -> Array:
    r = _bessel_ratio(k)
    return r - k * (1.0 - r * r)


vonmises = Continuous(
    "vonmises",
    LINE,
    (
        Shape(
            "kappa",
            score=lambda x, k: np.cos(x) - _bessel_ratio(k),
            entropy=_vonmises_entropy,
        ),
    ),
    score=lambda x, k: -k * np.sin(x),
    valid=lambda k: (k >= 0) & (k < np.inf),
)


def _wrap(x: Array, c: Array) -> Array:
    return 1.0 + c * c - 2.0 * c * np.cos(x)


wrapcauchy = Continuous(
    "wrapcauchy",
    Support(0.0, 2 * math.pi, closed=True, within=1.0),
    (
        Shape(
            "c",
            score=lambda x, c: (
                -2.0 * c / ((1.0 - c) * (1.0 + c)) - 2.0 * (c - np.cos(x)) / _wrap(x, c)
            ),
            flow=lambda x, c: 2.0 * np.sin(x) / ((1.0 - c) * (1.0 + c)),
            entropy=lambda c: -2.0 * c / ((1.0 - c) * (1.0 + c)),
            default=0.5,
        ),
    ),
    score=lambda x, c: -2.0 * c * np.sin(x) / _wrap(x, c),
    valid=lambda c: (c > 0) & (c < 1),
    mean_rule=lambda c: math.pi + 0.0 * c,
)
