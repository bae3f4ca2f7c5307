"""The incomplete gamma and beta functions and their inverses, with all their derivatives.

By x the derivatives are the densities of the gamma and beta distributions; by the parameters they
are primitives of their own, closed under differentiation, which `incomplete.py` evaluates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betaln, rgamma

from ..aval import Array, aval_of
from ..primitives.elementwise import weight
from ..rules import elementwise
from ..tracing import Primitive
from .incomplete import (
    Table,
    betainc_by_ab,
    binomial_weight,
    exponential_table,
    gammainc_by_a,
    harmonic_table,
    poisson_weight,
    product_at,
)
from .special_base import in_precision, result_dtype, special
from .special_gamma import polygamma_p, psi

__all__ = [
    "BETA_DTYPE",
    "GAMMA_DTYPE",
    "beta_density",
    "betainc_by_a",
    "betainc_by_b",
    "gamma_by_shape",
    "gamma_density",
    "in_double",
]


GAMMA_DTYPE, BETA_DTYPE = result_dtype("gammainc"), result_dtype("betainc")
"""What SciPy makes of two, and of three, real operands."""


def in_double(dtype: Any, function: Any) -> Any:
    """Compute in double precision, and return SciPy's dtype for these operands."""

    def impl(*args: Array, **params: Any) -> Array:
        kind = dtype(*[aval_of(x) for x in args])
        with np.errstate(all="ignore"):
            y = function(*[np.asarray(x, np.float64) for x in args], **params)
        return np.asarray(y, kind)[()]

    return impl


def _log(x: Array, power: Array) -> Array:
    """log x, and 0 where x = 0 = x**power: there it counts nothing."""
    return np.log(np.where((x == 0) & (power > 0), 1.0, x))


# The gamma distribution.


def _gamma_density(a: Array, x: Array) -> Array:
    y = a * poisson_weight(a, np.where(x > 0, x, 1.0)) / x
    at_zero = np.where(a == 1, 1.0, np.where((a > 1) | (a == 0), 0.0, np.inf))
    y = np.where(x > 0, y, np.where(x == 0, at_zero, np.nan))
    y = np.where(x == np.inf, 0.0, y)
    return np.where(a > 0, y, np.where(a == 0, 0.0 * x, x ** (a - 1) * np.exp(-x) * rgamma(a)))


def _gamma_density_by_a(y: Array, a: Array, x: Array) -> Array:
    return _gamma_density_by_shape(y, a, x, 1)


def _gamma_density_by_x(y: Array, a: Array, x: Array) -> Array:
    low = a <= 1
    below = gamma_density(np.where(low, 1.0, a - 1), x)
    flat = a == 1
    return np.where(low, y * ((a - 1) / np.where(flat, 1.0, x)), below) - y


def _gamma_density_by_shape(y: Array, a: Array, x: Array, n: int) -> Array:
    """The n-th derivative of the density by `a`; nothing cancels for small `a`."""
    log: Table = {(1, 0): _log(x, a - 1) - psi(a + 1)}
    for i in range(2, n + 1):
        log[i, 0] = -polygamma_p.bind(i - 1, a + 1)
    e = exponential_table(log, n, 0)
    over_a = np.where(a == 0, np.exp(-x) / np.where(a == 0, x, 1.0), y / np.where(a == 0, 1.0, a))
    return y * e[n, 0] + n * over_a * e[n - 1, 0]


gamma_density_p: Primitive = elementwise(
    "gamma_density",
    None,
    in_precision(_gamma_density_by_a),
    in_precision(_gamma_density_by_x),
    impl=in_double(GAMMA_DTYPE, _gamma_density),
    dtype=GAMMA_DTYPE,
)
gamma_density = gamma_density_p.bind
"""x**(a - 1) exp(-x) / gamma(a): the derivative of gammainc(a, x) by x."""

gammainc_by_a_p: Primitive = elementwise(
    "gammainc_by_a",
    None,
    jvps=(
        lambda t, y, a, x, *, n: t * gammainc_by_a_p.bind(a, x, n=n + 1),
        lambda t, y, a, x, *, n: (
            t * weight(y, _gamma_density_by_shape(gamma_density(a, x), a, x, n))
        ),
    ),
    impl=in_double(GAMMA_DTYPE, gammainc_by_a),
    dtype=GAMMA_DTYPE,
)


def gamma_by_shape(a: Array, x: Array) -> Array:
    """The derivative of gammainc(a, x) by `a`, which can be differentiated again."""
    return gammainc_by_a_p.bind(a, x, n=1)


gammainc_p: Primitive = special(
    "gammainc",
    lambda y, a, x: gamma_by_shape(a, x),
    lambda y, a, x: gamma_density(a, x),
)
gammaincc_p: Primitive = special(
    "gammaincc",
    lambda y, a, x: -gamma_by_shape(a, x),
    lambda y, a, x: -gamma_density(a, x),
)
gammaincinv_p: Primitive = special(
    "gammaincinv",
    lambda y, a, p: -gamma_by_shape(a, y) / gamma_density(a, y),
    lambda y, a, p: 1.0 / gamma_density(a, y),
)
gammainccinv_p: Primitive = special(
    "gammainccinv",
    lambda y, a, p: -gamma_by_shape(a, y) / gamma_density(a, y),
    lambda y, a, p: -1.0 / gamma_density(a, y),
)

# The beta distribution.


def _beta_density(a: Array, b: Array, x: Array) -> Array:
    y = 1 - x
    inside, proper = (x > 0) & (x < 1), (a > 0) & (b > 0)
    a1, b1 = np.where(proper, a, 1.0), np.where(proper, b, 1.0)
    x1 = np.where(inside, x, 0.5)
    mass = a1 * (b1 / (a1 + b1)) * binomial_weight(a1, b1, x1, 1 - x1)
    # log of the other factor is small at the ends, and betaln exact enough
    edge = np.exp(-betaln(a1, b1))
    low = np.where(a1 == 1, edge, np.where(a1 > 1, 0.0, np.inf))
    high = np.where(b1 == 1, edge, np.where(b1 > 1, 0.0, np.inf))
    found = np.where(inside, mass / (x1 * (1 - x1)), np.where(x == 0, low, high))
    none = np.where(proper & (x >= 0) & (x <= 1), found, np.nan)
    return np.where(((a == 0) | (b == 0)) & inside, 0.0 * y, none)


def _beta_density_by_x(y: Array, a: Array, b: Array, x: Array) -> Array:
    low, high = a <= 1, b <= 1
    rise = np.where(low, y * ((a - 1) / np.where(a == 1, 1.0, x)), 0.0)
    rise = rise + np.where(low, 0.0, (a + b - 1) * beta_density(np.where(low, 1.0, a - 1), b, x))
    fall = np.where(high, y * ((b - 1) / np.where(b == 1, 1.0, 1 - x)), 0.0)
    fall = fall + np.where(high, 0.0, (a + b - 1) * beta_density(a, np.where(high, 1.0, b - 1), x))
    return rise - fall


def _beta_density_by_parameters(y: Array, a: Array, b: Array, x: Array, m: int, n: int) -> Array:
    """The derivative (m, n) of the density; nothing cancels for small parameters."""
    log: Table = {}
    for i in range(m + 1):
        for j in range(n + 1):
            k = i + j - 1
            if k >= 0:
                value = _polygamma(k, a + b + 1)
                if not j:
                    value = value - _polygamma(k, a + 1)
                if not i:
                    value = value - _polygamma(k, b + 1)
                log[i, j] = value
    if m:
        log[1, 0] = log[1, 0] + _log(x, a - 1)
    if n:
        log[0, 1] = log[0, 1] + _log(1 - x, b - 1)
    harmonic = harmonic_table(a, b, m, n)
    return y / harmonic[0, 0] * product_at(exponential_table(log, m, n), harmonic, m, n)


def _polygamma(k: int, z: Array) -> Array:
    return polygamma_p.bind(k, z) if k else psi(z)


beta_density_p: Primitive = elementwise(
    "beta_density",
    None,
    in_precision(lambda y, a, b, x: _beta_density_by_parameters(y, a, b, x, 1, 0)),
    in_precision(lambda y, a, b, x: _beta_density_by_parameters(y, a, b, x, 0, 1)),
    in_precision(_beta_density_by_x),
    impl=in_double(BETA_DTYPE, _beta_density),
    dtype=BETA_DTYPE,
)
beta_density = beta_density_p.bind
"""x**(a - 1) (1 - x)**(b - 1) / beta(a, b): the derivative of betainc(a, b, x) by x."""

betainc_by_ab_p: Primitive = elementwise(
    "betainc_by_ab",
    None,
    jvps=(
        lambda t, y, a, b, x, *, m, n: t * betainc_by_ab_p.bind(a, b, x, m=m + 1, n=n),
        lambda t, y, a, b, x, *, m, n: t * betainc_by_ab_p.bind(a, b, x, m=m, n=n + 1),
        lambda t, y, a, b, x, *, m, n: (
            t * weight(y, _beta_density_by_parameters(beta_density(a, b, x), a, b, x, m, n))
        ),
    ),
    impl=in_double(BETA_DTYPE, betainc_by_ab),
    dtype=BETA_DTYPE,
)


def betainc_by_a(a: Array, b: Array, x: Array) -> Array:
    """The derivative of betainc by its first parameter."""
    return betainc_by_ab_p.bind(a, b, x, m=1, n=0)


def betainc_by_b(a: Array, b: Array, x: Array) -> Array:
    """The derivative of betainc by its second parameter."""
    return betainc_by_ab_p.bind(a, b, x, m=0, n=1)


betainc_p: Primitive = special(
    "betainc",
    lambda y, a, b, x: betainc_by_a(a, b, x),
    lambda y, a, b, x: betainc_by_b(a, b, x),
    lambda y, a, b, x: beta_density(a, b, x),
)
betaincc_p: Primitive = special(
    "betaincc",
    lambda y, a, b, x: -betainc_by_a(a, b, x),
    lambda y, a, b, x: -betainc_by_b(a, b, x),
    lambda y, a, b, x: -beta_density(a, b, x),
)
betaincinv_p: Primitive = special(
    "betaincinv",
    lambda y, a, b, p: -betainc_by_a(a, b, y) / beta_density(a, b, y),
    lambda y, a, b, p: -betainc_by_b(a, b, y) / beta_density(a, b, y),
    lambda y, a, b, p: 1.0 / beta_density(a, b, y),
)
betainccinv_p: Primitive = special(
    "betainccinv",
    lambda y, a, b, p: -betainc_by_a(a, b, y) / beta_density(a, b, y),
    lambda y, a, b, p: -betainc_by_b(a, b, y) / beta_density(a, b, y),
    lambda y, a, b, p: -1.0 / beta_density(a, b, y),
)
