"""Samplers of integers, and of choices: no derivative by their parameters, but a draw per lane."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array
from ..primitives.elementwise import as_array
from ..primitives.indexing import take
from ..primitives.random import count_p, vector_p
from ..tracing import Tracer
from .sampler import Rng, Size, check_generator, draws, operands_of, sampler

__all__ = [
    "binomial",
    "choice",
    "geometric",
    "integers",
    "multinomial",
    "negative_binomial",
    "permutation",
    "poisson",
]


@sampler
def poisson(rng: Rng, lam: Array = 1.0, size: Size = None, *, like: Any = None) -> Array:
    """Poisson draws.

    Args:
        rng: a NumPy generator.
        lam: the mean.
        size: the shape of the draws; when left out, that of the parameter.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, integers.

    Raises:
        UnsupportedError: if a derivative by a parameter is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda lam: wg.random.poisson(rng, lam))(np.array([1.0, 100.0]))
        array([ 1, 75])
    """
    return draws(count_p, "poisson", rng, size, (lam,), like)


@sampler
def binomial(rng: Rng, n: Array, p: Array, size: Size = None, *, like: Any = None) -> Array:
    """Binomial draws.

    Args:
        rng: a NumPy generator.
        n: the number of trials.
        p: the probability of a hit.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, integers.

    Raises:
        UnsupportedError: if a derivative by a parameter is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda p: wg.random.binomial(rng, 100, p))(np.array([0.1, 0.9]))
        array([11, 92])
    """
    return draws(count_p, "binomial", rng, size, (n, p), like)


@sampler
def negative_binomial(
    rng: Rng, n: Array, p: Array, size: Size = None, *, like: Any = None
) -> Array:
    """Negative binomial draws.

    Args:
        rng: a NumPy generator.
        n: the number of hits to wait for.
        p: the probability of a hit.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, integers.

    Raises:
        UnsupportedError: if a derivative by a parameter is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda p: wg.random.negative_binomial(rng, 5, p))(np.array([0.1, 0.9]))
        array([28,  0])
    """
    return draws(count_p, "negative_binomial", rng, size, (n, p), like)


@sampler
def geometric(rng: Rng, p: Array, size: Size = None, *, like: Any = None) -> Array:
    """Geometric draws.

    Args:
        rng: a NumPy generator.
        p: the probability of a hit.
        size: the shape of the draws; when left out, that of the parameter.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws, integers.

    Raises:
        UnsupportedError: if a derivative by a parameter is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda p: wg.random.geometric(rng, p))(np.array([0.01, 0.9]))
        array([68,  1])
    """
    return draws(count_p, "geometric", rng, size, (p,), like)


@sampler
def integers(
    rng: Rng,
    low: Array,
    high: Any = None,
    size: Size = None,
    dtype: Any = np.int64,
    endpoint: bool = False,
    *,
    like: Any = None,
) -> Array:
    """Integers from a range, all equally likely.

    Args:
        rng: a NumPy generator.
        low: the smallest; or, without `high`, the end of a range that starts at 0.
        high: the end of the range, which is left out unless `endpoint`.
        size: the shape of the draws; when left out, what the parameters broadcast to.
        dtype: of the draws.
        endpoint: whether `high` can be drawn.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The draws.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: wg.random.integers(rng, 10, like=x))(np.zeros(5))
        array([8, 6, 5, 2, 3])
    """
    if high is None:
        low, high = 0, low
    options = {"dtype": np.dtype(dtype), "endpoint": endpoint}
    return draws(count_p, "integers", rng, size, (low, high), like, **options)


@sampler
def multinomial(rng: Rng, n: int, pvals: Array, size: Size = None, *, like: Any = None) -> Array:
    """Multinomial draws.

    Args:
        rng: a NumPy generator.
        n: the number of trials.
        pvals: the probabilities of the outcomes, a vector.
        size: the shape of the draws; one vector when left out.
        like: a value; where it is batched by `vmap`, every lane draws its own.

    Returns:
        The numbers of hits, along the last axis.

    Raises:
        UnsupportedError: if a derivative by a parameter is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda p: wg.random.multinomial(rng, 9, p))(np.array([[0.5, 0.5], [0.1, 0.9]]))
        array([[5, 4],
               [0, 9]])
    """
    arrays, lanes = operands_of("multinomial", (pvals,), like)
    draw = lambda rng, pvals: rng.multinomial(n, pvals, size)
    return vector_p.bind(*arrays, *lanes, rng=rng, name="multinomial", draw=draw, lanes=(), count=1)


def _positions(name: str, rng: Rng, n: int, p: Any, like: Any, **options: Any) -> Array:
    """Positions among n, of one lane or of all."""
    arrays, lanes = operands_of(name, () if p is None else (p,), like)
    if name == "permutation":
        draw = lambda rng: rng.permutation(n)
    else:
        draw = lambda rng, *p: rng.choice(n, p=p[0] if p else None, **options)
    return vector_p.bind(
        *arrays, *lanes, rng=rng, name=name, draw=draw, lanes=(), count=len(arrays)
    )


def choice(
    rng: Rng,
    a: Array,
    size: Size = None,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    shuffle: bool = True,
    *,
    like: Any = None,
) -> Array:
    """Elements picked at random, with derivatives by the elements.

    Args:
        rng: a NumPy generator.
        a: what to pick from; a number n stands for the integers below n.
        size: the shape of the draws; one when left out.
        replace: whether an element can be picked again.
        p: the probabilities of the elements; all the same when left out.
        axis: along which to pick.
        shuffle: as NumPy's.
        like: a value; where it is batched by `vmap`, every lane picks for itself.

    Returns:
        The elements.

    Raises:
        UnsupportedError: if a derivative by `p` is wanted.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.grad(lambda x: wg.random.choice(rng, x))(np.arange(3.0))
        array([0., 0., 1.])
    """
    check_generator(rng, "choice")
    options: dict[str, Any] = {"size": size, "replace": replace, "shuffle": shuffle}
    if not isinstance(a, Tracer):
        if not (isinstance(p, Tracer) or isinstance(like, Tracer)):
            return rng.choice(a, p=p, axis=axis, **options)
        if np.ndim(a) == 0:
            return _positions("choice", rng, int(a), p, like, **options)
    a = as_array(a, "wengert.random.choice")
    found = _positions("choice", rng, a.shape[axis], p, a if like is None else like, **options)
    return take(a, found, axis=axis)


def permutation(rng: Rng, x: Array, axis: int = 0, *, like: Any = None) -> Array:
    """The elements in a random order, with derivatives by the elements.

    Args:
        rng: a NumPy generator.
        x: what to put in order; a number n stands for the integers below n.
        axis: along which to permute.
        like: a value; where it is batched by `vmap`, every lane has its own order.

    Returns:
        The elements.

    Example:
        >>> import numpy as np, wengert as wg
        >>> rng = np.random.default_rng(0)
        >>> wg.vmap(lambda x: wg.random.permutation(rng, 4, like=x))(np.zeros(2))
        array([[2, 0, 1, 3],
               [3, 2, 1, 0]])
    """
    check_generator(rng, "permutation")
    if not isinstance(x, Tracer):
        if not isinstance(like, Tracer):
            return rng.permutation(x, axis=axis)
        if np.ndim(x) == 0:
            return _positions("permutation", rng, int(x), None, like)
    x = as_array(x, "wengert.random.permutation")
    found = _positions("permutation", rng, x.shape[axis], None, x if like is None else like)
    return take(x, found, axis=axis)
