"""Samplers with derivatives by their parameters: what `wengert.random` shows users.

Each takes a `numpy.random.Generator` first and then the arguments of its method of the same name.
With nothing traced the method itself draws. With traced parameters the same numbers come out, as
functions of the parameters: standard noise, moved and scaled (`noise.py`); or, where that does not
exist, draws that move as quantiles do (`implicit.py`); vectors of both kinds are in
`vectors.py`. Discrete draws (`discrete.py`) have no derivatives by their parameters.

The primitives are in `../primitives/random.py`.
"""

from .discrete import (
    binomial,
    choice,
    geometric,
    integers,
    multinomial,
    negative_binomial,
    permutation,
    poisson,
)
from .implicit import beta, chisquare, f, gamma, standard_gamma, standard_t
from .noise import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    lognormal,
    normal,
    pareto,
    power,
    random,
    rayleigh,
    standard_cauchy,
    standard_exponential,
    standard_normal,
    uniform,
    weibull,
)
from .vectors import dirichlet, multivariate_normal

__all__ = [
    "beta",
    "binomial",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "gumbel",
    "integers",
    "laplace",
    "logistic",
    "lognormal",
    "multinomial",
    "multivariate_normal",
    "negative_binomial",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "power",
    "random",
    "rayleigh",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "uniform",
    "weibull",
]
