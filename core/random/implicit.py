"""Samplers whose draws move with the parameters as quantiles do: gamma, beta, t, and their kin.

Their derivatives need SciPy; drawing does not.
"""

from __future__ import annotations

from typing import Any

from ..aval import Array
from ..primitives.elementwise import as_array
from ..primitives.random import beta_p, f_p, gamma_p, t_p
from .sampler import Rng, Size, draws, sampler, shape_of

__all__ = [
    "beta",
    "chisquare",
    "f",
    "gamma",
    "standard_gamma",
    "standard_t",
]


@sampler
def standard_gamma(rng: Rng, shape: Array, size: Size = None, *, like: Any = None) -> Array:
    """Gamma draws of scale 1, with the derivative by the shape.

    Args:
        rng: a NumPy generator.
        shape: the shape.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if shape is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: np.mean(wg.random.standard_gamma(rng, a, 1000)))(3.0).round(6)
        np.float64(1.00132)
    """
    return draws(gamma_p, "standard_gamma", rng, size, (shape,), like)


@sampler
def gamma(
    rng: Rng, shape: Array, scale: Array = 1.0, size: Size = None, *, like: Any = None
) -> Array:
    """Gamma draws.

    Args:
        rng: a NumPy generator.
        shape: the shape.
        scale: the scale.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if shape is negative.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: np.mean(wg.random.gamma(rng, a, 2.0, 1000)))(3.0).round(6)
        np.float64(2.002639)
    """
    shape, scale = [as_array(p, "wengert.random.gamma") for p in (shape, scale)]
    size = shape_of("gamma", size, (shape, scale))
    return scale * draws(gamma_p, "standard_gamma", rng, size, (shape,), like)


@sampler
def chisquare(rng: Rng, df: Array, size: Size = None, *, like: Any = None) -> Array:
    """Chi-square draws.

    Args:
        rng: a NumPy generator.
        df: the degrees of freedom.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if df is not positive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda df: np.mean(wg.random.chisquare(rng, df, 1000)))(3.0).round(6)
        np.float64(1.003583)
    """
    df = as_array(df, "wengert.random.chisquare")
    return 2.0 * draws(gamma_p, "standard_gamma", rng, size, (df / 2,), like)


@sampler
def beta(rng: Rng, a: Array, b: Array, size: Size = None, *, like: Any = None) -> Array:
    """Beta draws.

    Args:
        rng: a NumPy generator.
        a: the first shape.
        b: the second shape.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if a or b is not positive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda a: np.mean(wg.random.beta(rng, a, 1.0, 1000)))(1.0).round(6)
        np.float64(0.251075)
    """
    return draws(beta_p, "beta", rng, size, (a, b), like)


@sampler
def standard_t(rng: Rng, df: Array, size: Size = None, *, like: Any = None) -> Array:
    """Draws of Student's t.

    Args:
        rng: a NumPy generator.
        df: the degrees of freedom.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if df is not positive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda df: np.var(wg.random.standard_t(rng, df, 1000)))(5.0).round(6)
        np.float64(-0.169403)
    """
    return draws(t_p, "standard_t", rng, size, (df,), like)


@sampler
def f(rng: Rng, dfnum: Array, dfden: Array, size: Size = None, *, like: Any = None) -> Array:
    """Draws of Fisher's F.

    Args:
        rng: a NumPy generator.
        dfnum: the degrees of freedom of the numerator.
        dfden: the degrees of freedom of the denominator.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Raises:
        ValueError: if a parameter is not positive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda m: np.mean(wg.random.f(rng, 3.0, m, 1000)))(8.0).round(6)
        np.float64(-0.055077)
    """
    return draws(f_p, "f", rng, size, (dfnum, dfden), like)
