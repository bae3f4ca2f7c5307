"""Random straight-line programs of writes, views and copies mean what they mean in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

Array = Any
Step = Callable[[list[Array], Array, Array, float, np.random.Generator], None]


def _number(b: Array, c: float) -> Array:
    return np.sum(b) * c * 0.1


def _write_item(
    values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator
) -> None:
    a[rng.integers(a.shape[0])] = _number(b, c)


def _write_all(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    a[...] = np.tanh(a) * c


def _add(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    if a.shape == b.shape:
        a += b * c
    else:
        a += c


def _scale(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    a *= c + np.cos(np.sum(b))


def _write_at(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    index = rng.integers(0, a.shape[0], 3)
    a[index] = a[index] * c + _number(b, c)


def _column(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    if a.ndim > 1:
        a[:, 0] -= b.reshape(-1)[0] * c
    else:
        a[-1] = b.reshape(-1)[-1] * c


def _shift(values: list[Array], a: Array, b: Array, c: float, rng: np.random.Generator) -> None:
    flat = a.reshape(-1)  # a view or a copy, as the layout has it
    flat[1:] = flat[:-1] * 0.5


STEPS: list[Step] = [
    lambda values, a, b, c, rng: values.append(a.T),
    lambda values, a, b, c, rng: values.append(a.reshape(-1)),
    lambda values, a, b, c, rng: values.append(a[1:] if a.shape[0] > 1 else a[:]),
    lambda values, a, b, c, rng: values.append(a[::-1]),
    lambda values, a, b, c, rng: values.append(a[0] if a.ndim > 1 else a[:1]),
    lambda values, a, b, c, rng: values.append(np.sin(a) * c),
    lambda values, a, b, c, rng: values.append(a.copy()),
    lambda values, a, b, c, rng: values.append(np.ravel(a)),
    lambda values, a, b, c, rng: values.append(np.atleast_2d(a)),
    _write_item,
    _write_all,
    _add,
    _scale,
    _write_at,
    _column,
    _shift,
]


def random_program(seed: int) -> Callable[[Array], Array]:
    """A function of one matrix, which it also changes."""

    def f(x: Array) -> Array:
        rng = np.random.default_rng(seed)
        values = [x, x.copy(), np.zeros_like(x), np.ones((2, 3), like=x)]
        for _ in range(rng.integers(4, 14)):
            a, b = (values[i] for i in rng.integers(0, len(values), 2))
            step = STEPS[rng.integers(len(STEPS))]
            step(values, a, b, float(rng.uniform(-1, 1)), rng)
        return sum([np.sum(np.sin(v * (k + 1.0))) for k, v in enumerate(values)])

    return f


@pytest.mark.parametrize("seed", range(120))
def test_random_programs(seed: int) -> None:
    f = random_program(seed)
    rng = np.random.default_rng(seed + 10**6)
    x, t, h = rng.uniform(-1, 1, (2, 3)), rng.normal(size=(2, 3)), 1e-6
    want = f(x.copy())
    slope = (f(x + h * t) - f(x - h * t)) / (2 * h)
    y, y_dot = wg.jvp(f, (x,), (t,))
    np.testing.assert_allclose(y, want, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(y_dot, slope, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sum(wg.grad(f)(x) * t), y_dot, rtol=1e-9, atol=1e-9)
    xs = np.stack([x, 0.5 * x, -x])
    np.testing.assert_allclose(wg.vmap(f)(xs), [f(v.copy()) for v in xs], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(wg.make_program(f)(x)(x), want, rtol=1e-9, atol=1e-9)
    if seed % 4 == 0:
        each = [wg.grad(f)(v) for v in xs]
        np.testing.assert_allclose(wg.vmap(wg.grad(f))(xs), each, rtol=1e-9, atol=1e-9)
        forward = wg.jvp(wg.grad(f), (x,), (t,))[1]
        reverse = wg.grad(lambda x: np.sum(wg.grad(f)(x) * t))(x)
        np.testing.assert_allclose(forward, reverse, rtol=1e-7, atol=1e-9)
