"""The discrete distributions of `scipy.stats`: a row each.

A row's functions take the variable, a whole number, and then the shapes. Derivatives are by the
real parameters; numbers of trials are counts. Derivatives of probabilities are written as
differences of probabilities, which hold at the ends of the parameters' ranges too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sc

from ...aval import Array
from ...rules import elementwise
from ...tracing import Primitive
from .distribution import FLOAT, Discrete, Shape, Support
from .gamma_beta import partial_of

__all__ = ["bernoulli", "betabinom", "binom", "geom", "nbinom", "poisson"]

WHOLE = Support(0.0, closed=True)
COUNT = Shape("n", counts=True)


def _over(a: Array, b: Array) -> Array:
    """a / b, and a where b is 0: the quotient is not needed there, or a is 0."""
    return a / np.where(b == 0, 1.0, b)


def _probability(p: Array) -> Any:
    return (p >= 0) & (p <= 1)


# Binomial and Bernoulli.


def _binom_density(k: Array, n: Array, p: Array) -> Array:
    fewer = np.maximum(n - 1, 0)
    return n * (binom._density(k - 1, fewer, p) - binom._density(k, fewer, p))


binom: Discrete = Discrete(
    "binom",
    Support(0.0, lambda n, p: n, closed=True),
    (
        COUNT,
        Shape(
            "p",
            score=lambda k, n, p: _over(k, p) - _over(n - k, 1.0 - p),
            density=_binom_density,
            cdf=lambda k, n, p: -n * binom._density(k, np.maximum(n - 1, 0), p),
            default=0.5,
        ),
    ),
    valid=lambda n, p: (n >= 0) & (n == np.floor(n)) & _probability(p),
    mean_rule=lambda n, p: n * p,
    var_rule=lambda n, p: n * p * (1.0 - p),
)
bernoulli = Discrete(
    "bernoulli",
    Support(0.0, 1.0, closed=True),
    (
        Shape(
            "p",
            score=lambda k, p: _over(k, p) - _over(1.0 - k, 1.0 - p),
            density=lambda k, p: 2.0 * k - 1.0,
            cdf=lambda k, p: k - 1.0,
            entropy=lambda p: np.log1p(-p) - np.log(p),
            default=0.5,
        ),
    ),
    valid=_probability,
    mean_rule=lambda p: p,
    var_rule=lambda p: p * (1.0 - p),
)


def _betabinom_score(k: Array, n: Array, a: Array, b: Array) -> Array:
    return sc.psi(k + a) - sc.psi(n + a + b) - sc.psi(a) + sc.psi(a + b)


betabinom = Discrete(
    "betabinom",
    Support(0.0, lambda n, a, b: n, closed=True),
    (
        COUNT,
        Shape("a", score=_betabinom_score),
        Shape("b", score=lambda k, n, a, b: _betabinom_score(n - k, n, b, a)),
    ),
    valid=lambda n, a, b: (n >= 0) & (n == np.floor(n)) & (a > 0) & (b > 0),
    mean_rule=lambda n, a, b: n * a / (a + b),
    var_rule=lambda n, a, b: n * (a + b + n) * a * b / ((a + b) ** 2 * (a + b + 1.0)),
)

# Waiting times.


def _geom_density(k: Array, p: Array) -> Array:
    before = np.maximum(k - 2.0, 0.0)
    return (1.0 - p) ** (k - 1.0) - (k - 1.0) * p * (1.0 - p) ** before


geom = Discrete(
    "geom",
    Support(1.0, closed=True, within=1.0),
    (
        Shape(
            "p",
            score=lambda k, p: 1.0 / p - _over(k - 1.0, 1.0 - p),
            density=_geom_density,
            flow=lambda k, p: k / p,
            entropy=lambda p: _over(np.log1p(-np.where(p == 1, 0.5, p)), p * p),
            default=0.5,
        ),
    ),
    valid=lambda p: (p > 0) & (p <= 1),
    mean_rule=lambda p: 1.0 / p,
    var_rule=lambda p: (1.0 - p) / (p * p),
)


def _nbinom_density(k: Array, n: Array, p: Array) -> Array:
    return n / p * (nbinom._density(k, n, p) - nbinom._density(k - 1.0, n + 1.0, p))


nbinom: Discrete = Discrete(
    "nbinom",
    WHOLE,
    (
        Shape(
            "n",
            score=lambda k, n, p: sc.psi(n + k) - sc.psi(n) + np.log(p),
            cdf=lambda k, n, p: partial_of(sc.betainc, 0, n, k + 1.0, p),
        ),
        Shape(
            "p",
            score=lambda k, n, p: n / p - _over(k, 1.0 - p),
            density=_nbinom_density,
            flow=lambda k, n, p: (n + k) / p,
            default=0.5,
        ),
    ),
    valid=lambda n, p: (n > 0) & (n < np.inf) & (p > 0) & (p <= 1),
    mean_rule=lambda n, p: n * (1.0 - p) / p,
    var_rule=lambda n, p: n * (1.0 - p) / (p * p),
)

# Poisson. The derivative of its entropy is the mean of log(1 + k), less log(mu).


def _log_mean(mu: Array, *, order: int) -> Array:
    """The mean of the difference of that order of log(1 + k), for a Poisson variable k."""
    mu = np.asarray(mu, FLOAT)
    reach = float(np.max(mu, initial=0.0))
    k = np.arange(int(reach + 12.0 * np.sqrt(reach)) + 40.0)
    values = np.diff(np.log1p(np.append(k, k[-1] + 1.0 + np.arange(order))), n=order)
    weights = np.exp(sc.xlogy(k, mu[..., None]) - sc.gammaln(k + 1.0) - mu[..., None])
    return (weights @ values)[()]


log_mean_p: Primitive = elementwise(
    "poisson_log_mean",
    None,
    jvps=(lambda t, y, mu, *, order: t * log_mean_p.bind(mu, order=order + 1),),
    impl=_log_mean,
    dtype=lambda mu, **params: FLOAT,
)
poisson: Discrete = Discrete(
    "poisson",
    WHOLE,
    (
        Shape(
            "mu",
            score=lambda k, mu: _over(k, mu) - 1.0,
            density=lambda k, mu: poisson._density(k - 1.0, mu) - poisson._density(k, mu),
            flow=lambda k, mu: -1.0,
            entropy=lambda mu: log_mean_p.bind(mu, order=0) - np.log(mu),
        ),
    ),
    valid=lambda mu: (mu >= 0) & (mu < np.inf),
    mean_rule=lambda mu: mu,
    var_rule=lambda mu: mu,
)
