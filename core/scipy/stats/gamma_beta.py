"""The continuous distributions of `scipy.stats` whose cdf is an incomplete gamma or beta function.

A row each, as in `continuous.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sc

from ...aval import Array
from ...dispatch import find_ufunc
from .common import choose
from .continuous import LINE, POSITIVE, above
from .distribution import Continuous, Shape, Support

__all__ = ["beta", "chi2", "f", "gamma", "gennorm", "invgamma", "partial_of", "t"]

UNIT = Support(0.0, 1.0, within=0.5)


def partial_of(ufunc: np.ufunc, i: int, *args: Array) -> Array:
    """The partial derivative of a function of scipy.special by its argument i."""
    return find_ufunc(ufunc).slopes[i](ufunc(*args), *args)


def _trigamma(x: Array) -> Array:
    return sc.zeta(2.0, x)


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
    mean_rule=lambda a: np.where(a > 1, 1.0 / above(a, 1), np.inf),
    var_rule=lambda a: np.where(a > 2, 1.0 / (above(a, 1) ** 2 * above(a, 2)), np.inf),
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


gennorm: Continuous = Continuous(
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


f: Continuous = Continuous(
    "f",
    POSITIVE,
    (
        Shape(
            "dfn",
            score=_f_score,
            cdf=_f_cdf,
            entropy=lambda n, m: (
                (0.5 - 0.25 * n) * _trigamma(n / 2) + _f_entropy_sum(n, m) - 1.0 / n
            ),
        ),
        Shape(
            "dfd",
            score=_f_denominator_score,
            cdf=_f_denominator_cdf,
            entropy=lambda n, m: (
                1.0 / m - (0.5 + 0.25 * m) * _trigamma(m / 2) + _f_entropy_sum(n, m)
            ),
        ),
    ),
    score=lambda x, n, m: (n / 2 - 1.0) / x - (n + m) * n / (2.0 * (m + n * x)),
    mean_rule=lambda n, m: np.where(m > 2, m / above(m, 2), np.inf),
    var_rule=lambda n, m: np.where(
        m > 4, 2.0 * m * m * (n + m - 2.0) / (n * above(m, 2) ** 2 * above(m, 4)), np.inf
    ),
)


def _t_degrees(formula: Any) -> Any:
    """A derivative by the degrees of freedom: 0 where they are infinite."""

    def rule(*args: Array) -> Array:
        *x, df = args
        finite = df < np.inf
        return choose(finite, formula(*x, choose(finite, df, 1.0)), 0.0)

    return rule


# psi((df + 1) / 2) - psi(df / 2) - 1 / df as a series in 1 / df**2.
_PSI_STEP = (1 / 2, -1 / 4, 1 / 2, -17 / 8, 31 / 2, -691 / 4)


def _psi_step(df: Array) -> Array:
    large = df > 30.0
    s = 1.0 / np.where(large, df * df, 900.0)
    series: Any = 0.0
    for c in reversed(_PSI_STEP):
        series = (series + c) * s
    few = np.where(large, 1.0, df)
    return np.where(large, series, sc.psi((few + 1.0) / 2) - sc.psi(few / 2) - 1.0 / few)


def _t_score(x: Array, df: Array) -> Array:
    r = x * x / df
    share = r / (1.0 + r)
    return 0.5 * (_psi_step(df) + share - np.log1p(r) + share / df)


def _t_entropy(df: Array) -> Array:
    return 0.25 * (df + 1.0) * (_trigamma((df + 1.0) / 2) - _trigamma(df / 2)) + 0.5 / df


t: Continuous = Continuous(
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
        df > 2, 1.0 + 2.0 / above(df, 2), np.where(df > 1, np.inf, np.nan)
    ),
)
