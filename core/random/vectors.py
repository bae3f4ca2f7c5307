"""Samplers of vectors: normal, and Dirichlet."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array
from ..dispatch import is_traced, unsupported_argument
from ..errors import ShapeError
from ..primitives.random import dirichlet_p, noise_p
from .sampler import Rng, Size, check_generator, operands_of, sampler, shape_of

__all__ = ["dirichlet", "multivariate_normal"]


@sampler
def dirichlet(rng: Rng, alpha: Array, size: Size = None, *, like: Any = None) -> Array:
    """Dirichlet draws: vectors of positive numbers that add up to 1.

    Args:
        rng: a NumPy generator.
        alpha: the shapes, a vector.
        size: the shape of the draws; one number when left out.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, along the last axis.

    Raises:
        ValueError: if an alpha is not positive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.jacobian(lambda a: wg.random.dirichlet(rng, a))(np.ones(3)).shape
        (3, 3)
    """
    arrays, lanes = operands_of("dirichlet", (alpha,), like)
    shape = shape_of("dirichlet", size, ())
    draw = lambda rng, alpha: rng.dirichlet(alpha, shape)
    return dirichlet_p.bind(
        *arrays, *lanes, rng=rng, name="dirichlet", draw=draw, lanes=(), count=1
    )


def multivariate_normal(
    rng: Rng,
    mean: Array,
    cov: Array,
    size: Size = None,
    check_valid: Any = "warn",
    tol: float = 1e-8,
    *,
    method: Any = "cholesky",
    like: Any = None,
) -> Array:
    """Normal vectors, mean + L z with the Cholesky factor L of the covariance.

    Args:
        rng: a NumPy generator.
        mean: the mean, a vector.
        cov: the covariance.
        size: the shape of the draws; one number when left out.
        check_valid: as NumPy's; a covariance that is not positive definite raises anyway.
        tol: as NumPy's.
        method: as NumPy's, but "cholesky" when left out: the one with derivatives.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, along the last axis.

    Raises:
        UnsupportedError: for another `method` than "cholesky" with traced values.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> draw = lambda cov: wg.random.multivariate_normal(rng, np.zeros(2), cov)
        >>> wg.jacobian(draw)(np.eye(2)).shape
        (2, 2, 2)
    """
    check_generator(rng, "multivariate_normal")
    if not is_traced((mean, cov, like)):
        return rng.multivariate_normal(mean, cov, size, check_valid, tol, method=method)
    if method != "cholesky":
        raise unsupported_argument(
            "wengert.random.multivariate_normal", "method", method, 'method="cholesky"'
        )
    shape = (*shape_of("multivariate_normal", size, ()), *np.shape(mean))
    (mean, cov), lanes = operands_of("multivariate_normal", (mean, cov), like)
    if mean.ndim != 1 or cov.shape != (*mean.shape, *mean.shape):
        raise ShapeError(
            "wengert.random.multivariate_normal: mean must be a vector, and cov a matrix of its "
            "size.",
            got=f"mean {mean.shape}, cov {cov.shape}",
        )
    name = "multivariate_normal"
    z = noise_p.bind(
        mean, cov, *lanes, rng=rng, name=name, method="standard_normal", shape=shape, bounded={}
    )
    return mean + z @ np.linalg.cholesky(cov).T
