"""Random draws inside traced functions: own draws for each lane of `vmap`, and derivatives by the
parameters of the distribution.

    rng = np.random.default_rng(0)
    wg.grad(lambda mu: np.mean(wg.random.normal(rng, mu, 1.0, size=100) ** 2))(0.5)

Functions have the names and arguments of the methods of `numpy.random.Generator`, which comes
first; with nothing traced, these methods draw.
"""

from .core.random import (
    beta,
    binomial,
    cauchy,
    chisquare,
    choice,
    dirichlet,
    exponential,
    f,
    gamma,
    geometric,
    gumbel,
    integers,
    laplace,
    logistic,
    lognormal,
    multinomial,
    multivariate_normal,
    negative_binomial,
    normal,
    pareto,
    permutation,
    poisson,
    power,
    random,
    rayleigh,
    standard_cauchy,
    standard_exponential,
    standard_gamma,
    standard_normal,
    standard_t,
    uniform,
    weibull,
)

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
