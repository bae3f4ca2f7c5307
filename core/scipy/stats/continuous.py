"""The continuous distributions of `scipy.stats`: a row each.

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
from ...dispatch import find_ufunc
from .distribution import Continuous, Shape, Support, choose

__all__ = [
    "beta",
    "cauchy",
    "chi2",
    "expon",
    "f",
    "gamma",
    "gennorm",
    "gumbel_l",
    "gumbel_r",
    "halfnorm",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "norm",
    "pareto",
    "t",
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
UNIT = Support(0.0, 1.0, within=0.5)


def partial_of(ufunc: np.ufunc, i: int, *args: Array) -> Array:
    """The partial derivative of a function of scipy.special by its argument i."""
    return find_ufunc(ufunc).slopes[i](ufunc(*args), *args)


def _trigamma(x: Array) -> Array:
    return sc.zeta(2.0, x)


def _above(x: Array, bound: float) -> Array:
    """x - bound where that is positive, else 1: a denominator."""
    return np.where(x > bound, x - bound, 1.0)


# Without shapes.

norm = Continuous(
    "norm", LINE, score=lambda x: -x, mean_rule=lambda: 0.0, var_rule=lambda: 1.0
)
halfnorm = Continuous(
    "halfnorm",
    FROM_ZERO,
    score=lambda x: -x,
    mean_rule=lambda: math.sqrt(2 / math.pi),
    var_rule=lambda: 1 - 2 / math.pi,
)
expon = Continuous(
    "expon", FROM_ZERO, score=lambda x: -1.0, mean_rule=lambda: 1.0, var_rule=lambda: 1.0
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
    mean_rule=lambda: np.euler_gamma,
    var_rule=lambda: math.pi**2 / 6,
)
gumbel_l = Continuous(
    "gumbel_l",
    LINE,
    score=lambda x: -np.expm1(x),
    mean_rule=lambda: -np.euler_gamma,
    var_rule=lambda: math.pi**2 / 6,
)


def _over_square(x: Array) -> Array:
    """x / (1 + x^2), also for huge x."""
    big = np.abs(x) > 1.0
    y = np.where(big, 1.0 / np.where(big, x, 1.0), x)
    return y / (1.0 + y * y)


# The gamma family.


def _gamma_shape_score(x: Array, a: Array) -> Array:
    return np.log(x) - sc.psi(a)


gamma = Continuous(
    "gamma",
    POSITIVE,
    (
        Shape(
            "a",
            score=_gamma_shape_score,
            cdf=lambda x, a: partial_of(sc.gammainc, 0, a, x),
            entropy=lambda a: 1.0 + (1.0 - a) * _trigamma(a),
        ),
    ),
    score=lambda x, a: (a - 1.0 - x) / x,
    mean_rule=lambda a: a,
    var_rule=lambda a: a,
)
chi2 = Continuous(
    "chi2",
    POSITIVE,
    (
        Shape(
            "df",
            score=lambda x, df: 0.5 * _gamma_shape_score(x / 2, df / 2),
            cdf=lambda x, df: 0.5 * partial_of(sc.gammainc, 0, df / 2, x / 2),
            entropy=lambda df: 0.5 + (0.5 - 0.25 * df) * _trigamma(df / 2),
        ),
    ),
    score=lambda x, df: 0.5 * (df - 2.0 - x) / x,
    mean_rule=lambda df: df,
    var_rule=lambda df: 2.0 * df,
)
invgamma = Continuous(
    "invgamma",
    POSITIVE,
    (
        Shape(
            "a",
            score=lambda x, a: -np.log(x) - sc.psi(a),
            cdf=lambda x, a: partial_of(sc.gammaincc, 0, a, 1.0 / x),
            entropy=lambda a: 1.0 - (a + 1.0) * _trigamma(a),
        ),
    ),
    score=lambda x, a: (1.0 / x - (a + 1.0)) / x,
    mean_rule=lambda a: np.where(a > 1, 1.0 / _above(a, 1), np.inf),
    var_rule=lambda a: np.where(a > 2, 1.0 / (_above(a, 1) ** 2 * _above(a, 2)), np.inf),
)


def _gennorm_log(x: Array) -> Array:
    """log|x|, and 0 at 0, where it is multiplied by a power of x."""
    return np.log(choose(x != 0, np.abs(x), 1.0))


def _gennorm_score(x: Array, b: Array) -> Array:
    # |x|^b has a tip at 0 for b < 2: the slope of least norm there is 0.
    return -b * x * choose((x != 0) | (b >= 2), np.abs(x), 1.0) ** (b - 2.0)


def _gennorm_cdf(x: Array, b: Array) -> Array:
    p = 1.0 / b
    by_order = -0.5 * np.sign(x) * p * p * partial_of(sc.gammainc, 0, p, np.abs(x) ** b)
    return by_order + x * _gennorm_log(x) * p * gennorm._density(x, b)


gennorm = Continuous(
    "gennorm",
    LINE,
    (
        Shape(
            "beta",
            score=lambda x, b: (1.0 + sc.psi(1.0 / b) / b) / b - np.abs(x) ** b * _gennorm_log(x),
            cdf=_gennorm_cdf,
            entropy=lambda b: -(1.0 / b) * (1.0 + (1.0 + sc.psi(1.0 / b)) / b),
        ),
    ),
    score=_gennorm_score,
    mean_rule=lambda b: 0.0 * b,
    var_rule=lambda b: np.exp(sc.gammaln(3.0 / b) - sc.gammaln(1.0 / b)),
)

# The beta family.


def _beta_entropy(a: Array, b: Array) -> Array:
    return (a + b - 2.0) * _trigamma(a + b) - (a - 1.0) * _trigamma(a)


beta = Continuous(
    "beta",
    UNIT,
    (
        Shape(
            "a",
            score=lambda x, a, b: np.log(x) - sc.psi(a) + sc.psi(a + b),
            cdf=lambda x, a, b: partial_of(sc.betainc, 0, a, b, x),
            entropy=_beta_entropy,
        ),
        Shape(
            "b",
            score=lambda x, a, b: np.log1p(-x) - sc.psi(b) + sc.psi(a + b),
            cdf=lambda x, a, b: partial_of(sc.betainc, 1, a, b, x),
            entropy=lambda a, b: _beta_entropy(b, a),
        ),
    ),
    score=lambda x, a, b: (a - 1.0) / x - (b - 1.0) / (1.0 - x),
    mean_rule=lambda a, b: a / (a + b),
    var_rule=lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1.0)),
)


def _f_pull(x: Array, n: Array, m: Array) -> Array:
    """What both scores by the degrees of freedom share."""
    return sc.psi((n + m) / 2) - np.log1p(n * x / m)


def _f_score(x: Array, n: Array, m: Array) -> Array:
    r = n * x / m
    return 0.5 * (_f_pull(x, n, m) + np.log(r) - sc.psi(n / 2) + (1.0 - x) / (1.0 + r))


def _f_denominator_score(x: Array, n: Array, m: Array) -> Array:
    return 0.5 * (_f_pull(x, n, m) - sc.psi(m / 2) - (1.0 - x) * n / (m + n * x))


def _f_cdf(x: Array, n: Array, m: Array) -> Array:
    y = n * x / (m + n * x)
    return 0.5 * partial_of(sc.betainc, 0, n / 2, m / 2, y) + f._density(x, n, m) * x / n


def _f_denominator_cdf(x: Array, n: Array, m: Array) -> Array:
    y = n * x / (m + n * x)
    return 0.5 * partial_of(sc.betainc, 1, n / 2, m / 2, y) - f._density(x, n, m) * x / m


def _f_entropy_sum(n: Array, m: Array) -> Array:
    return 0.25 * (n + m) * _trigamma((n + m) / 2)


f = Continuous(
    "f",
    POSITIVE,
    (
        Shape(
            "dfn",
            score=_f_score,
            cdf=_f_cdf,
            entropy=lambda n, m: (0.5 - 0.25 * n) * _trigamma(n / 2)
            + _f_entropy_sum(n, m)
            - 1.0 / n,
        ),
        Shape(
            "dfd",
            score=_f_denominator_score,
            cdf=_f_denominator_cdf,
            entropy=lambda n, m: 1.0 / m
            - (0.5 + 0.25 * m) * _trigamma(m / 2)
            + _f_entropy_sum(n, m),
        ),
    ),
    score=lambda x, n, m: (n / 2 - 1.0) / x - (n + m) * n / (2.0 * (m + n * x)),
    mean_rule=lambda n, m: np.where(m > 2, m / _above(m, 2), np.inf),
    var_rule=lambda n, m: np.where(
        m > 4, 2.0 * m * m * (n + m - 2.0) / (n * _above(m, 2) ** 2 * _above(m, 4)), np.inf
    ),
)


def _t_degrees(formula: Any) -> Any:
    """A derivative by the degrees of freedom: 0 where they are infinite."""

    def rule(*args: Array) -> Array:
        *x, df = args
        finite = df < np.inf
        return choose(finite, formula(*x, choose(finite, df, 1.0)), 0.0)

    return rule


def _t_score(x: Array, df: Array) -> Array:
    r = x * x / df
    pull = (df + 1.0) / df * r / (1.0 + r)
    return 0.5 * (sc.psi((df + 1.0) / 2) - sc.psi(df / 2) - 1.0 / df - np.log1p(r) + pull)


def _t_entropy(df: Array) -> Array:
    return 0.25 * (df + 1.0) * (_trigamma((df + 1.0) / 2) - _trigamma(df / 2)) + 0.5 / df


t = Continuous(
    "t",
    LINE,
    (
        Shape(
            "df",
            score=_t_degrees(_t_score),
            cdf=_t_degrees(lambda x, df: partial_of(sc.stdtr, 0, df, x)),
            entropy=_t_degrees(_t_entropy),
        ),
    ),
    score=lambda x, df: -x * (1.0 + 1.0 / df) / (1.0 + x * x / df),
    valid=lambda df: df > 0,
    mean_rule=lambda df: np.where(df > 1, 0.0, np.inf),
    var_rule=lambda df: np.where(
        df > 2, 1.0 + 2.0 / _above(df, 2), np.where(df > 1, np.inf, np.nan)
    ),
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
    mean_rule=lambda b: np.where(b > 1, b / _above(b, 1), np.inf),
    var_rule=lambda b: np.where(b > 2, b / (_above(b, 1) ** 2 * _above(b, 2)), np.inf),
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


truncnorm = Continuous(
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
    var_rule=lambda a, b: 1.0
    + _end_times(a, a, b)
    - _end_times(b, a, b)
    - (_at_end(a, a, b) - _at_end(b, a, b)) ** 2,
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
            score=lambda x, c: -2.0 * c / ((1.0 - c) * (1.0 + c))
            - 2.0 * (c - np.cos(x)) / _wrap(x, c),
            flow=lambda x, c: 2.0 * np.sin(x) / ((1.0 - c) * (1.0 + c)),
            entropy=lambda c: -2.0 * c / ((1.0 - c) * (1.0 + c)),
            default=0.5,
        ),
    ),
    score=lambda x, c: -2.0 * c * np.sin(x) / _wrap(x, c),
    valid=lambda c: (c > 0) & (c < 1),
    mean_rule=lambda c: math.pi + 0.0 * c,
)
