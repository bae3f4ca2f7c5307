"""`scipy.stats`, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import scipy.stats as _scipy

from ..core.scipy.stats import (
    bernoulli,
    beta,
    betabinom,
    binom,
    cauchy,
    chi2,
    dirichlet,
    expon,
    f,
    gamma,
    gennorm,
    geom,
    gmean,
    gumbel_l,
    gumbel_r,
    halfnorm,
    hmean,
    invgamma,
    laplace,
    logistic,
    lognorm,
    mode,
    multinomial,
    multivariate_normal,
    nbinom,
    norm,
    pareto,
    poisson,
    sem,
    t,
    truncnorm,
    uniform,
    vonmises,
    weibull_min,
    wrapcauchy,
    zmap,
    zscore,
)

__all__ = [
    "bernoulli",
    "beta",
    "betabinom",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "f",
    "gamma",
    "gennorm",
    "geom",
    "gmean",
    "gumbel_l",
    "gumbel_r",
    "halfnorm",
    "hmean",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "mode",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "sem",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
    "weibull_min",
    "wrapcauchy",
    "zmap",
    "zscore",
]


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
