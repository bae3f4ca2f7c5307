"""What all samplers share: with nothing traced NumPy draws; sizes; operands of a draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..aval import Array, Shape, aval_of
from ..dispatch import is_traced
from ..errors import LeafTypeError, ShapeError
from ..primitives.elementwise import as_array
from ..primitives.random import lanes_of, noise_p
from ..tracing import Primitive, Tracer

__all__ = ["Rng", "Size", "check_generator", "draws", "noise", "operands_of", "sampler", "shape_of"]

Rng: TypeAlias = "np.random.Generator"  # a string: numpy.random takes long to import
Size: TypeAlias = int | Sequence[int] | None
_FREE: Mapping[int, str] = {}
F = TypeVar("F", bound=Callable[..., Any])


def check_generator(rng: Any, method: str) -> None:
    """LeafTypeError for what is no Generator."""
    if not isinstance(rng, np.random.Generator):
        raise LeafTypeError(
            f"wengert.random.{method}: the first argument must be a numpy.random.Generator.",
            got=type(rng).__name__,
            fix="rng = np.random.default_rng(seed)",
        )


def sampler(ours: F) -> F:
    """Decorator: with nothing traced, the generator's method of the same name draws, if it has
    one.
    """
    name = ours.__name__

    @wraps(ours)
    def function(rng: Rng, *args: Any, like: Any = None, **kwargs: Any) -> Any:
        check_generator(rng, name)
        traced = is_traced((*args, like)) or is_traced(kwargs.values())
        if traced or not hasattr(rng, name):
            return ours(rng, *args, like=like, **kwargs)
        return getattr(rng, name)(*args, **kwargs)

    return function  # type: ignore[return-value]  # the same signature


def shape_of(name: str, size: Size, params: Sequence[Array]) -> Shape:
    """The shape of the draws: `size`, or else what the parameters broadcast to."""
    shapes = [aval_of(p).shape for p in params]
    if size is None:
        return np.broadcast_shapes(*shapes)
    shape = (size,) if isinstance(size, int | np.integer) else tuple(size)
    if not _holds(shape, shapes):
        raise ShapeError(
            f"wengert.random.{name}: the parameters do not broadcast to size {shape}.",
            got=", ".join([str(s) for s in shapes]),
        )
    return shape


def _holds(shape: Shape, shapes: Sequence[Shape]) -> bool:
    """Shapes broadcast to a shape."""
    try:
        return np.broadcast_shapes(shape, *shapes) == shape
    except ValueError:
        return False


def operands_of(name: str, params: Sequence[Any], like: Any) -> tuple[list[Array], list[Array]]:
    """The parameters as arrays; and what says whether `like` is batched."""
    arrays = [as_array(p, f"wengert.random.{name}") for p in params]
    return arrays, [lanes_of(like)] if isinstance(like, Tracer) else []


def noise(
    name: str,
    method: str,
    rng: Rng,
    size: Size,
    params: Sequence[Any],
    like: Any,
    *,
    bounded: Mapping[int, str] = _FREE,
    **options: Any,
) -> Any:
    """Standard noise of the generator's `method`, and the parameters as arrays."""
    arrays, lanes = operands_of(name, params, like)
    z = noise_p.bind(
        *arrays,
        *lanes,
        rng=rng,
        name=name,
        method=method,
        shape=shape_of(name, size, arrays),
        bounded=bounded,
        **options,
    )
    return (z, *arrays)


def draws(
    primitive: Primitive,
    name: str,
    rng: Rng,
    size: Size,
    params: Sequence[Any],
    like: Any,
    **options: Any,
) -> Array:
    """Draws of a primitive whose parameters broadcast against them."""
    arrays, lanes = operands_of(name, params, like)
    shape = shape_of(name, size, arrays)
    return primitive.bind(
        *arrays, *lanes, rng=rng, name=name, shape=shape, count=len(arrays), **options
    )
