"""Sums with scattered values: what becomes one, and the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names, same_bits, special

import wengert as wg
from wengert.core import Program
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.passes.scattered_sums import add_in_place

Function = Callable[..., Any]


def one(program: Program) -> Program:
    for _ in range(3):
        program = without_dead_code(add_in_place(program))
    return program


def put(x: Any, *pieces: tuple[Any, Any]) -> Any:
    """x with values added at places, by the derivative of indexing."""
    transpose = wg.linear_transpose(lambda y: [y[i] for i, _ in pieces], x)
    return transpose([p for _, p in pieces])[0]


def zeroed(x: Any, index: Any) -> Any:
    return x.at[index].set(0.0) if hasattr(x, "at") else wg.vjp(lambda y: y, x)[0]


INSIDE = slice(1, -1)
SUMS: dict[str, tuple[Function, int]] = {
    "array": (lambda x: np.sin(x) + put(x, (slice(2, 5), x[:3])), 1),
    "the other way": (lambda x: put(x, (slice(2, 5), x[:3])) + np.sin(x), 1),
    "disjoint": (lambda x: x * 2 + put(x, (slice(2), x[:2]), (slice(3, 6), x[:3])), 1),
    "ints": (lambda x: x * 2 + put(x, (0, x[1]), (-1, x[2])), 1),
    "index arrays": (lambda x: x * 2 + put(x, (np.array([0, 0, 3]), x[:3])), 1),
    "two": (lambda x: put(x, (slice(2), x[:2])) + put(x, (slice(1, 4), x[1:4])), 1),
    "used twice": (lambda x: (lambda s: (s + x, s))(put(x, (slice(2), x[:2]))), 1),
    "f4": (lambda x: x.astype("f4") + put(x.astype("f4"), (slice(2), x[:2].astype("f4"))), 1),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums(name: str) -> None:
    f, n = SUMS[name]
    x = np.random.default_rng(0).normal(size=20)
    found = applied(one, f, x, same=close)
    adds = names(found).count("add")
    assert adds == (1 if name in ("used twice", "f4") else 0), found
    assert names(found).count("scatter_sum") == n + (name == "two") * 0 or name == "two"


def same_but_zeros(a: Any, b: Any) -> bool:
    return same_bits(np.asarray(a) + 0.0, np.asarray(b) + 0.0)


def test_special_values() -> None:
    x = special()
    applied(one, SUMS["array"][0], x, same=same_but_zeros)
    applied(one, SUMS["disjoint"][0], x, same=same_but_zeros)
    applied(one, lambda x: x * 2 + put(x, (slice(3), x[:3])), x, same=same_but_zeros)


def write(x: Any, inner: Any) -> Any:
    y = x.copy()
    y[INSIDE] = inner
    return y


CODE: dict[str, Function] = {
    "heat": lambda x: write(x, x[1:-1] + 0.2 * (x[2:] - 2 * x[1:-1] + x[:-2])),
    "in place": lambda x: write(x, x[1:-1] * 3.0),
    "elsewhere": lambda x: write(x, np.sin(x[2:]) + x[:-2]),
    "constant": lambda x: write(x, 1.0),
    "product": lambda x: write(x, x[1:-1] * x[2:]),
}


@pytest.mark.parametrize("name", CODE)
def test_derivatives_of_code_that_writes(name: str) -> None:
    def f(x: Any) -> Any:
        for _ in range(3):
            x = CODE[name](x)
        return np.sum(x * x)

    x = np.random.default_rng(0).normal(size=12)
    program = wg.make_program(wg.grad(f))(x)
    found = improve(program)
    np.testing.assert_allclose(found(x), program(x), rtol=1e-12, atol=1e-14)
    if name == "heat":
        assert names(found).count("setitem") == 3, found
        assert "add" not in [
            e.primitive.name for e in found.equations if e.outputs[0].aval.shape == (12,)
        ]


def test_transforms_of_an_improved_program() -> None:
    """An array with values added to it has the same derivatives."""

    def f(x: Any) -> Any:
        return np.sum(wg.grad(lambda x: np.sum(CODE["heat"](np.sin(x)) ** 3))(x) ** 2)

    x = np.random.default_rng(0).normal(size=12)
    found = improve(wg.make_program(f)(x))
    np.testing.assert_allclose(wg.grad(found)(x), wg.grad(f)(x), rtol=1e-10)
    xs = np.stack([x, 2 * x])
    np.testing.assert_allclose(wg.vmap(found)(xs), wg.vmap(f)(xs), rtol=1e-10)
