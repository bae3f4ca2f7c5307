"""Random programs, and their derivatives: before and after all passes the values are the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from exactness import applied, close, same_bits, special

import wengert as wg
from wengert.core import Program, evaluate
from wengert.transforms.passes.accumulations import accumulate_at_once
from wengert.transforms.passes.contractions import contract
from wengert.transforms.passes.pipeline import PASSES, improve
from wengert.transforms.passes.scattered_sums import add_in_place
from wengert.transforms.passes.signs import move_negations
from wengert.transforms.passes.solves import join_solves

TO_ROUNDING = (accumulate_at_once, add_in_place, contract, join_solves, move_negations)
EXACT = [one for one in PASSES if one not in TO_ROUNDING]

UNARY: list[Any] = [
    np.negative, np.abs, np.square, np.sqrt, np.exp, np.tanh, np.sin, lambda x: x**2,
    lambda x: x**3, lambda x: x / 4, lambda x: 2.0 * x, lambda x: x * -1.0,
    lambda x: x * 100.0, lambda x: 0.1 * x, lambda x: x - 0.0,
    lambda x: x + 0.0, lambda x: -0.5 * x, lambda x: 1 - x, lambda x: 1.0 / x,
    lambda x: x**0.5, lambda x: x + -0.0, np.copy, lambda x: x * np.ones(x.shape),
    lambda x: np.where(x > 0, x, -x), lambda x: np.maximum(x, 0.0), np.ravel, np.transpose,
    lambda x: x[None], lambda x: x[::-1] if x.ndim else x, lambda x: x[..., 0] if x.ndim else x,
    lambda x: x[1:] if x.ndim and x.shape[0] > 1 else x, np.sum, lambda x: np.sum(x, axis=0)
    if x.ndim else x, lambda x: np.max(x, axis=-1, keepdims=True) if x.ndim and x.size else x,
    lambda x: np.broadcast_to(x, (2, *x.shape)), lambda x: np.stack([x, -x]),
    lambda x: np.concatenate([x, x * 2.0]) if x.ndim else x, lambda x: np.mean(x) if x.size else x,
    lambda x: x[0] if x.ndim else x, lambda x: np.reshape(x, (-1, 1)),
]  # fmt: skip
BINARY: list[Any] = [
    np.add, np.subtract, np.multiply, np.divide, np.maximum, lambda a, b: a - -b,
    lambda a, b: -a + b, lambda a, b: -a * b, lambda a, b: a / -b,
    lambda a, b: np.where(a < b, a, b),
    lambda a, b: np.stack(np.broadcast_arrays(a, b)), lambda a, b: np.sum(a * b, axis=-1)
    if np.ndim(a * b) else a * b,
]  # fmt: skip


def written(x: Any) -> Any:
    """The array after a write."""
    y = np.copy(x)
    if y.ndim and y.shape[0] > 1:
        y[1:] = y[:-1] * 2.0
        y[0] += 1.0
    return y


def function_of(seed: int, n: int) -> Any:
    """A function of two arrays made of n random operations."""

    def fun(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        pool = [x, y, np.float64(2.0) * x]
        for _ in range(n):
            a, b = [pool[rng.integers(len(pool))] for _ in range(2)]
            kind = rng.random()
            if kind < 0.45:
                new = UNARY[rng.integers(len(UNARY))](a)
            elif kind < 0.5:
                new = written(a)
            else:
                try:
                    np.broadcast_shapes(np.shape(a), np.shape(b))
                except ValueError:
                    continue
                new = BINARY[rng.integers(len(BINARY))](a, b)
            if np.size(new) <= 400 and np.ndim(new) < 5:
                pool.append(new)
        return [v for v in pool[-4:]]

    return fun


@pytest.mark.parametrize("seed", range(60))
def test_values_are_kept_bit_for_bit(seed: int) -> None:
    x = special()
    y = np.random.default_rng(seed).permutation(x)
    program = wg.make_program(function_of(seed, 25))(x, y)
    for one in EXACT * 2:
        program = applied(one, program, x, y)


@pytest.mark.parametrize("seed", range(40))
def test_small_vectors_and_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.choice(special(), 3), rng.choice(special(), 3)
    program = wg.make_program(function_of(100 + seed, 25))(x, y)
    for one in EXACT * 2:
        program = applied(one, program, x, y)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
@pytest.mark.parametrize("seed", range(12))
def test_other_dtypes(seed: int, dtype: Any) -> None:
    x = special(dtype)
    y = np.random.default_rng(seed).permutation(x)

    def fun(x: Any, y: Any) -> Any:
        return function_of(200 + seed, 15)(x, y)

    try:
        program = wg.make_program(fun)(x, y)
    except (TypeError, ValueError, wg.WengertError):
        pytest.skip("no function of complex numbers")
    for one in EXACT * 2:
        program = applied(one, program, x, y)


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 3), (0, 2), ()])
@pytest.mark.parametrize("seed", range(8))
def test_shapes(seed: int, shape: Any) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=shape), rng.normal(size=shape)
    with np.errstate(all="ignore"):
        try:
            function_of(300 + seed, 20)(x, y)
        except (ValueError, IndexError):
            pytest.skip("no function of such arrays")
        program = wg.make_program(function_of(300 + seed, 20))(x, y)
    applied(improve, program, x, y, same=close)


@pytest.mark.parametrize("seed", range(40))
def test_derivatives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0.5, 1.5, size=(2, 4, 3))
    fun = function_of(400 + seed, 15)

    def total(x: Any, y: Any) -> Any:
        return sum([np.sum(np.tanh(v)) for v in fun(x, y)])

    with np.errstate(all="ignore"):
        for g in (
            wg.grad(total, argnums=(0, 1)),
            wg.vmap(wg.grad(lambda r, s: total(r[None], s[None]))),
            lambda x, y: wg.hvp(partial(total, y=y), (x,), (y,)),
        ):
            try:
                program: Program = wg.make_program(g)(x, y)
            except (ValueError, IndexError):
                continue
            before = evaluate(program, x, y)
            if all([np.all(np.isfinite(v)) for v in before]):
                applied(improve, program, x, y, same=close)
            for one in EXACT:
                program = applied(one, program, x, y)


def test_the_comparison_can_fail() -> None:
    assert not same_bits(0.0, -0.0)
    assert not same_bits(np.float32(1), np.float64(1))
    assert not same_bits(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    assert not same_bits(complex(0.0, -0.0), complex(0.0, 0.0))
    assert same_bits(np.nan, -np.nan)
    assert not close(np.array([1.0]), np.array([1.0 + 1e-8]))
