"""Samplers that move and scale standard noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array
from .sampler import Rng, Size, noise, sampler

__all__ = [
    "cauchy",
    "exponential",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "normal",
    "pareto",
    "power",
    "random",
    "rayleigh",
    "standard_cauchy",
    "standard_exponential",
    "standard_normal",
    "uniform",
    "weibull",
]


@sampler
def normal(
    rng: Rng, loc: Array = 0.0, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Normal draws, loc + scale * z.

    Args:
        rng: a NumPy generator.
        loc: the mean.
        scale: the standard deviation.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda loc: wg.random.normal(rng, loc, 2.0))(1.0)
        np.float64(1.0)
    """
    z, loc, scale = noise(
        "normal", "standard_normal", rng, size, (loc, scale), like, bounded={1: "scale"}
    )
    return loc + scale * z


@sampler
def uniform(
    rng: Rng, low: Array = 0.0, high: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Uniform draws between two ends.

    Args:
        rng: a NumPy generator.
        low: the lower end.
        high: the upper end.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda high: wg.random.uniform(rng, 0.0, high))(2.0).round(6)
        np.float64(0.636962)
    """
    u, low, high = noise("uniform", "random", rng, size, (low, high), like)
    return low + (high - low) * u


@sampler
def exponential(rng: Rng, scale: Array = 1.0, size: Size = None, *, like: Any = None) -> Array:
    """Exponential draws.

    Args:
        rng: a NumPy generator.
        scale: the mean.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda scale: wg.random.exponential(rng, scale))(2.0).round(6)
        np.float64(0.679932)
    """
    e, scale = noise(
        "exponential", "standard_exponential", rng, size, (scale,), like, bounded={0: "scale"}
    )
    return scale * e


@sampler
def laplace(
    rng: Rng, loc: Array = 0.0, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Laplace draws.

    Args:
        rng: a NumPy generator.
        loc: the location.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda loc: wg.random.laplace(rng, loc, 2.0))(1.0)
        np.float64(1.0)
    """
    z, loc, scale = noise("laplace", "laplace", rng, size, (loc, scale), like, bounded={1: "scale"})
    return loc + scale * z


@sampler
def logistic(
    rng: Rng, loc: Array = 0.0, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Logistic draws.

    Args:
        rng: a NumPy generator.
        loc: the location.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda loc: wg.random.logistic(rng, loc, 2.0))(1.0)
        np.float64(1.0)
    """
    z, loc, scale = noise(
        "logistic", "logistic", rng, size, (loc, scale), like, bounded={1: "scale"}
    )
    return loc + scale * z


@sampler
def gumbel(
    rng: Rng, loc: Array = 0.0, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Gumbel draws.

    Args:
        rng: a NumPy generator.
        loc: the location.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda loc: wg.random.gumbel(rng, loc, 2.0))(1.0)
        np.float64(1.0)
    """
    z, loc, scale = noise("gumbel", "gumbel", rng, size, (loc, scale), like, bounded={1: "scale"})
    return loc + scale * z


@sampler
def cauchy(
    rng: Rng, loc: Array = 0.0, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Cauchy draws: a generator's `standard_cauchy`, moved and scaled.

    Args:
        rng: a NumPy generator.
        loc: the location.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda loc: wg.random.cauchy(rng, loc, 2.0))(1.0)
        np.float64(1.0)
    """
    z, loc, scale = noise(
        "cauchy", "standard_cauchy", rng, size, (loc, scale), like, bounded={1: "scale"}
    )
    return loc + scale * z


@sampler
def lognormal(
    rng: Rng, mean: Array = 0.0, sigma: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Log-normal draws, exp of normal ones.

    Args:
        rng: a NumPy generator.
        mean: the mean of the logarithm.
        sigma: the standard deviation of the logarithm.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if sigma is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda mean: np.log(wg.random.lognormal(rng, mean)))(1.0)
        np.float64(1.0)
    """
    z, mean, sigma = noise(
        "lognormal", "standard_normal", rng, size, (mean, sigma), like, bounded={1: "sigma"}
    )
    return np.exp(mean + sigma * z)


@sampler
def weibull(rng: Rng, a: Array, size: Size = None, *, like: Any = None) -> Array:
    """Weibull draws.

    Args:
        rng: a NumPy generator.
        a: the shape.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if a is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: wg.random.weibull(rng, a))(2.0).round(6)
        np.float64(0.079523)
    """
    e, a = noise("weibull", "standard_exponential", rng, size, (a,), like, bounded={0: "a"})
    return e ** (1.0 / a)


@sampler
def pareto(rng: Rng, a: Array, size: Size = None, *, like: Any = None) -> Array:
    """Pareto II (Lomax) draws.

    Args:
        rng: a NumPy generator.
        a: the shape.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if a is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: wg.random.pareto(rng, a))(2.0).round(6)
        np.float64(-0.238809)
    """
    e, a = noise("pareto", "standard_exponential", rng, size, (a,), like, bounded={0: "a"})
    return np.expm1(e / a)


@sampler
def power(rng: Rng, a: Array, size: Size = None, *, like: Any = None) -> Array:
    """Draws between 0 and 1 with the density a * x**(a - 1).

    Args:
        rng: a NumPy generator.
        a: the exponent of the cdf.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if a is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: wg.random.power(rng, a))(2.0).round(6)
        np.float64(0.124066)
    """
    e, a = noise("power", "standard_exponential", rng, size, (a,), like, bounded={0: "a"})
    return (-np.expm1(-e)) ** (1.0 / a)


@sampler
def rayleigh(rng: Rng, scale: Array = 1.0, size: Size = None, *, like: Any = None) -> Array:
    """Rayleigh draws.

    Args:
        rng: a NumPy generator.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if scale is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda scale: wg.random.rayleigh(rng, scale))(2.0).round(6)
        np.float64(1.166132)
    """
    e, scale = noise(
        "rayleigh", "standard_exponential", rng, size, (scale,), like, bounded={0: "scale"}
    )
    return scale * np.sqrt(2.0 * e)


@sampler
def standard_normal(
    rng: Rng, size: Size = None, dtype: Any = np.float64, *, like: Any = None
) -> Array:
    """Normal draws of mean 0 and variance 1.

    Args:
        rng: a NumPy generator.
        size: the shape of the draws; one number when left out.
        dtype: float64 or float32.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: x + wg.random.standard_normal(rng, like=x))(np.zeros(3)).shape
        (3,)
    """
    return noise("standard_normal", "standard_normal", rng, size, (), like, dtype=dtype)[0]


@sampler
def standard_exponential(
    rng: Rng, size: Size = None, dtype: Any = np.float64, *, like: Any = None
) -> Array:
    """Exponential draws of mean 1.

    Args:
        rng: a NumPy generator.
        size: the shape of the draws; one number when left out.
        dtype: float64 or float32.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: x + wg.random.standard_exponential(rng, like=x))(np.zeros(3)).shape
        (3,)
    """
    return noise("standard_exponential", "standard_exponential", rng, size, (), like, dtype=dtype)[
        0
    ]


@sampler
def random(rng: Rng, size: Size = None, dtype: Any = np.float64, *, like: Any = None) -> Array:
    """Uniform draws between 0 and 1.

    Args:
        rng: a NumPy generator.
        size: the shape of the draws; one number when left out.
        dtype: float64 or float32.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: x + wg.random.random(rng, like=x))(np.zeros(3)).shape
        (3,)
    """
    return noise("random", "random", rng, size, (), like, dtype=dtype)[0]


@sampler
def standard_cauchy(rng: Rng, size: Size = None, *, like: Any = None) -> Array:
    """Cauchy draws of location 0 and scale 1.

    Args:
        rng: a NumPy generator.
        size: the shape of the draws; one number when left out.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: x + wg.random.standard_cauchy(rng, like=x))(np.zeros(3)).shape
        (3,)
    """
    return noise("standard_cauchy", "standard_cauchy", rng, size, (), like)[0]
