"""Samplers with derivatives by their parameters: what `wengert.random` shows users.

Each takes a `numpy.random.Generator` first and then the arguments of its method of the same name.
With nothing traced the method itself draws. With traced parameters the same numbers come out, as
functions of the parameters: standard noise, moved and scaled; or, where that does not exist, draws
that move as quantiles do (see `primitives/random.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .aval import Array, Shape, aval_of
from .dispatch import is_traced, unsupported_argument
from .errors import LeafTypeError, ShapeError
from .primitives.elementwise import as_array
from .primitives.random import beta_p, dirichlet_p, f_p, gamma_p, lanes_of, noise_p, t_p
from .tracing import Primitive, Tracer

__all__ = [
    "beta",
    "cauchy",
    "chisquare",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "multivariate_normal",
    "normal",
    "pareto",
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

Rng = np.random.Generator
Size = int | Sequence[int] | None


def check_generator(rng: Any, method: str) -> None:
    """LeafTypeError for what is no Generator."""
    if not isinstance(rng, Rng):
        raise LeafTypeError(
            f"wengert.random.{method}: the first argument must be a numpy.random.Generator.",
            got=type(rng).__name__,
            fix="rng = np.random.default_rng(seed)",
        )


def shape_of(method: str, size: Size, params: Sequence[Array]) -> Shape:
    """The shape of the draws: `size`, or else what the parameters broadcast to."""
    shapes = [aval_of(p).shape for p in params]
    if size is None:
        return np.broadcast_shapes(*shapes)
    shape = (int(size),) if np.ndim(size) == 0 else tuple([int(n) for n in size])  # type: ignore[union-attr, arg-type]  # a sequence
    if np.broadcast_shapes(shape, *shapes) != shape:
        raise ShapeError(
            f"wengert.random.{method}: the parameters do not broadcast to size {shape}.",
            got=", ".join([str(s) for s in shapes]),
        )
    return shape


def operands_of(method: str, params: Sequence[Any], like: Any) -> tuple[list[Array], list[Array]]:
    """Parameters as arrays; and, for batching, what `like` has of it."""
    arrays = [as_array(p, f"wengert.random.{method}") for p in params]
    return arrays, [lanes_of(like)] if isinstance(like, Tracer) else []


def _noise(rng: Rng, method: str, size: Size, params: Sequence[Any], like: Any, **options: Any) -> Any:
    """Standard noise for parameters, and the parameters as arrays."""
    name, positive = options.pop("name", method), options.pop("positive", ())
    arrays, lanes = operands_of(name, params, like)
    shape = shape_of(name, size, arrays)
    z = noise_p.bind(
        *arrays, *lanes, rng=rng, method=method, shape=shape, positive=positive, **options
    )
    return (z, *arrays)
