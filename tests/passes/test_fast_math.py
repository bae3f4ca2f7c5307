"""What holds up to rounding is applied where it is asked for, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names

import wengert as wg
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.fast_math import relax
from wengert.transforms.passes.pipeline import improve

X = np.random.default_rng(0).normal(size=(5, 3))
Y = np.random.default_rng(1).normal(size=(5, 3))


@pytest.mark.parametrize(
    ("fun", "left"),
    [
        (lambda x, y: 0.03125 * (2.0 * x), ["mul"]),
        (lambda x, y: x * 1.1 * 1.3 * 0.7, ["mul"]),
        (lambda x, y: x / 3.0, ["mul"]),
        (lambda x, y: x / 3.0 * 2.0, ["mul"]),
        (lambda x, y: x + 1.0 + 2.0, ["add"]),
        (lambda x, y: x + 0.0, []),
        (lambda x, y: 0.0 - x, ["neg"]),
        (lambda x, y: -(x - y), ["sub"]),
        (lambda x, y: x**3, ["mul", "mul"]),
        (lambda x, y: x**4, ["mul", "mul"]),
        (lambda x, y: np.sum(-x, axis=0), ["reduce_sum", "neg"]),
        (lambda x, y: np.sum(2.5 * x), ["reduce_sum", "mul"]),
        (lambda x, y: np.sum(x * y[0], axis=0), ["getitem", "reduce_sum", "mul"]),
        (lambda x, y: np.sum(x * y[:, :1], axis=1), ["getitem", "reduce_sum", "reshape", "mul"]),
        (lambda x, y: x * y + x * 3.0, ["add", "mul"]),
        (lambda x, y: x * 3.0 - y * 3.0, ["sub", "mul"]),
        (lambda x, y: -x @ y.T, ["transpose", "matmul", "neg"]),
    ],
)
def test_relaxed(fun: Any, left: list[str]) -> None:
    found = names(without_dead_code(applied(relax, fun, X, Y, same=close)))
    assert found == left


def test_only_where_asked_for() -> None:
    program = wg.make_program(lambda x: x * 1.1 * 1.3 + 0.0)(X)
    assert len(improve(program).equations) == 3
    assert len(improve(program, fast_math=True).equations) == 1


@pytest.mark.parametrize(
    ("fun", "x"),
    [
        (lambda x: x * 1e200 * 1e200, np.array([1e-300])),  # the number would be infinite
        (lambda x: x * 1e-200 * 1e-200, np.array([1e300])),
        (lambda x: x * 1e-30 * 1e-30, np.array([1.0], np.float32)),
        (lambda x: x / 3.0, np.array([1j])),
        (lambda x: x * 3 * 5, np.array([2])),
    ],
)
def test_what_is_left(fun: Any, x: Any) -> None:
    program = wg.make_program(fun)(x)
    assert relax(program) is program


def test_a_shared_product_is_left() -> None:
    def fun(x: Any, y: Any) -> Any:
        p = x * y
        return p + x * 3.0, p

    assert names(applied(relax, fun, X, Y, same=close)) == ["mul", "mul", "add"]


def test_gradients() -> None:
    def loss(w: Any, x: Any, y: Any) -> Any:
        z = np.tanh(x @ w) - y
        return np.mean(z**2) + 1e-3 * np.sum(w**4)

    rng = np.random.default_rng(0)
    w, x, y = rng.normal(size=(3, 2)), rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    g = wg.make_program(wg.value_and_grad(loss))(w, x, y)
    found = applied(lambda p: improve(p, fast_math=True), g, w, x, y, same=close)
    assert len(found.equations) < len(improve(g).equations)
