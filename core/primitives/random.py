"""Random draws as primitives: every lane of a batch has its own, and a program refuses them.

The operands of a draw are the parameters of its distribution, and further values (`lanes_of`) that
matter only by being batched. Three kinds:

- `noise_p` draws from a standard distribution, whatever its operands are: its derivative is zero.
- `implicit` ones draw from a distribution that no standard one can be moved and scaled to (gamma,
  beta, t). A draw moves with a parameter as a quantile does, by implicit differentiation
  (Figurnov, Mohamed and Mnih 2018); the formulas are the table of `scipy.stats`.
- `count_p` draws from a discrete distribution: derivatives by its parameters are refused.

`vector_p` is for parameters that are vectors, of which NumPy takes one at a time: it draws lane by
lane.

The users' functions are in `../random.py` and `../random_discrete.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ..aval import Array, Shape, ShapedArray
from ..errors import UnsupportedError
from ..generators import refuse_frozen
from ..rules import align_batch
from ..tracing import Every, Primitive

__all__ = [
    "beta_p",
    "count_p",
    "dirichlet_p",
    "f_p",
    "gamma_p",
    "lanes_of",
    "noise_p",
    "t_p",
    "vector_p",
]

Rng: TypeAlias = "np.random.Generator"  # a string: numpy.random takes long to import


def lanes_of(like: Array) -> Array:
    """A value without tangents that is batched where `like` is."""
    like = like[:0] if np.ndim(like) else like
    return like != 0


def _no_shape(*avals: ShapedArray, name: str, **params: Any) -> NoReturn:
    """The shape rule: only programs need one."""
    raise refuse_frozen("tracing a program", f"wengert.random.{name}")


def _no_derivatives(i: int) -> None:
    return None


# Standard noise.


def _noise(
    *operands: Array,
    rng: Rng,
    name: str,
    method: str,
    shape: Shape,
    bounded: Mapping[int, str],
    **options: Any,
) -> Array:
    for i, parameter in bounded.items():
        if np.any(np.less(operands[i], 0)):
            raise ValueError(f"wengert.random.{name}: {parameter} is negative")
    return np.asarray(getattr(rng, method)(size=shape, **options))[()]


def _noise_batch(
    size: int, batched: Sequence[bool], *operands: Array, shape: Shape, **params: Any
) -> Array:
    return noise_p.bind(*operands, shape=(size, *shape), **params)


noise_p: Primitive = Primitive(
    "random_noise",
    _noise,
    shape=_no_shape,
    jvps=Every(_no_derivatives),
    batch=_noise_batch,
)

# Parameters that broadcast against the draws.


def _draw(*operands: Array, rng: Rng, name: str, shape: Shape, count: int, **options: Any) -> Array:
    return np.asarray(getattr(rng, name)(*operands[:count], size=shape, **options))[()]


def _draw_batch(primitive_of: Callable[[], Primitive]) -> Any:
    def batch(
        size: int,
        batched: Sequence[bool],
        *operands: Array,
        shape: Shape,
        count: int,
        **params: Any,
    ) -> Array:
        aligned = [
            align_batch(len(shape), x) if on and i < count else x
            for i, (x, on) in enumerate(zip(operands, batched, strict=True))
        ]
        return primitive_of().bind(*aligned, shape=(size, *shape), count=count, **params)

    return batch


def _velocity(row: str, i: int, y: Array, *shapes: Array) -> Array:
    """How a draw moves with parameter i of a distribution of `scipy.stats`."""
    # SciPy is needed for a derivative only.
    table = import_module("..scipy.stats", __package__)
    return getattr(table, row).velocity(i, y, *shapes)


def _implicit(name: str, row: str) -> Primitive:
    def jvp(i: int) -> Any:
        def rule(t: Array, y: Array, *operands: Array, count: int, **params: Any) -> Array:
            return t * _velocity(row, i, y, *operands[:count])

        return rule

    primitive = Primitive(
        name, _draw, shape=_no_shape, jvps=Every(jvp), batch=_draw_batch(lambda: primitive)
    )
    return primitive


gamma_p = _implicit("random_gamma", "gamma")
beta_p = _implicit("random_beta", "beta")
t_p = _implicit("random_t", "t")
f_p = _implicit("random_f", "f")

# Discrete draws.


def _refusal(i: int) -> Any:
    def rule(t: Array, y: Array, *operands: Array, name: str, **params: Any) -> NoReturn:
        raise UnsupportedError(
            f"wengert.random.{name}: discrete draws have no derivative by their parameters.",
            fix="pass plain numbers, float(p), to treat the draws as constants;\n"
            "for the gradient of an expectation, differentiate the log-probability of the draws "
            "(score function estimator)",
        )

    return rule


count_p: Primitive = Primitive(
    "random_count",
    _draw,
    shape=_no_shape,
    jvps=Every(_refusal),
    batch=_draw_batch(lambda: count_p),
)

# Parameters that are vectors. Those that are batched have the axes `lanes` in front, or 1s there.


def _vectors(
    *operands: Array,
    rng: Rng,
    draw: Callable[..., Array],
    lanes: Shape,
    count: int,
    **params: Any,
) -> Array:
    """One call of the generator for each lane: NumPy takes one vector of parameters at a time."""
    vectors = operands[:count]
    if not lanes:
        return draw(rng, *vectors)
    spread = [np.broadcast_to(v, (*lanes, v.shape[-1])) for v in vectors]
    rows = [draw(rng, *[v[lane] for v in spread]) for lane in np.ndindex(*lanes)]
    return np.reshape(np.asarray(rows), (*lanes, *np.shape(rows[0])))


def _vectors_batch(primitive_of: Callable[[], Primitive]) -> Any:
    def batch(
        size: int,
        batched: Sequence[bool],
        *operands: Array,
        lanes: Shape,
        count: int,
        **params: Any,
    ) -> Array:
        aligned = list(operands)
        for i in range(count):
            x = operands[i]
            if not batched[i]:
                aligned[i] = x if x.ndim == 1 else x[None]
            elif x.ndim == 2:
                aligned[i] = x[(slice(None), *[None] * len(lanes))]
        return primitive_of().bind(*aligned, lanes=(size, *lanes), count=count, **params)

    return batch


vector_p: Primitive = Primitive(
    "random_vectors",
    _vectors,
    shape=_no_shape,
    jvps=Every(_refusal),
    batch=_vectors_batch(lambda: vector_p),
)


def _dirichlet_jvp(
    t: Array, y: Array, alpha: Array, *like: Array, lanes: Shape, **params: Any
) -> Array:
    """Each component moves as the beta variable that it is; the others make room for it, in
    proportion (Jankowiak and Obermeyer 2018).
    """
    fill = (1,) * (y.ndim - len(lanes) - 1)
    t, alpha = [np.reshape(a, (*a.shape[:-1], *fill, a.shape[-1])) for a in (t, alpha)]
    others = np.sum(alpha, axis=-1, keepdims=True) - alpha
    move = t * _velocity("beta", 0, y, alpha, others)
    # One component may have nearly everything. It is kept apart, since it would drown the others.
    large = y > 0.5
    rest = np.sum(np.where(large, 0.0, y), axis=-1, keepdims=True)
    push = move / np.where(large, np.where(rest > 0, rest, 1.0), 1.0 - y)
    small = np.where(large, 0.0, push)
    from_large = np.sum(np.where(large, push, 0.0), axis=-1, keepdims=True)
    from_small = np.sum(small, axis=-1, keepdims=True) - small
    return move - y * (from_small + np.where(large, 0.0, from_large))


dirichlet_p: Primitive = Primitive(
    "random_dirichlet",
    _vectors,
    shape=_no_shape,
    jvps=Every(lambda i: None if i else _dirichlet_jvp),
    batch=_vectors_batch(lambda: dirichlet_p),
)
