"""What a loop adds up is computed at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names

import wengert as wg
from wengert.transforms.passes.accumulations import accumulate_at_once
from wengert.transforms.passes.pipeline import improve


def network(p: Any, xs: Any) -> Any:
    """A recurrent network."""
    w, u, b = p
    h = np.zeros(w.shape[0])
    for t in range(xs.shape[0]):
        h = np.tanh(h @ w + xs[t] @ u + b)
    return np.sum(h * h)


def arguments(n: int, batch: tuple[int, ...] = (4,)) -> Any:
    """Weights and inputs."""
    rng = np.random.default_rng(n)
    return (
        (rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), rng.normal(size=3)),
        rng.normal(size=(n, *batch, 2)),
    )


@pytest.mark.parametrize("batch", [(), (4,)])
def test_gradients_by_weights(batch: Any) -> None:
    p, xs = arguments(8, batch)
    program = wg.make_program(wg.grad(network))(p, xs)
    found = applied(improve, program, *p, xs, same=close)
    # One product for each step forward and backward, and three for the weights and inputs.
    assert names(found).count("matmul") <= 2 * 8 + 3
    assert names(program).count("matmul") > names(found).count("matmul")


def test_few_terms_are_left() -> None:
    p, xs = arguments(3)
    program = wg.make_program(wg.grad(network))(p, xs)
    found = applied(accumulate_at_once, program, *p, xs, same=close)
    assert "concatenate" not in names(found)


def test_sums_of_products() -> None:
    def fun(a: Any, b: Any) -> Any:
        total = np.zeros((3, 5))
        for k in range(6):
            total = total + (a[k] + 1.0) @ np.sin(b[k]) + 1.0
        return total

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3, 2)), rng.normal(size=(6, 2, 5))
    assert names(applied(accumulate_at_once, fun, a, b, same=close)).count("concatenate") == 2


def test_outer_products() -> None:
    def fun(a: Any, b: Any) -> Any:
        return sum([a[k][:, None] * np.cos(b[k]) for k in range(5)])

    rng = np.random.default_rng(0)
    found = applied(
        accumulate_at_once, fun, rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), same=close
    )
    assert names(found).count("concatenate") == 2


def test_products_with_one_matrix() -> None:
    def rows(x: Any, w: Any) -> Any:
        return [np.sin(x[i] @ w) for i in range(len(x))]

    def columns(x: Any, w: Any) -> Any:
        return [np.sin(w @ x[i]) for i in range(len(x))]

    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 3))
    for fun in (rows, columns):
        for shape in ((6, 3), (6, 3, 3)):
            x = rng.normal(size=shape)
            found = applied(accumulate_at_once, fun, x, w, same=close)
            assert names(found).count("matmul") == 1


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_other_dtypes_are_not_added_in_another_order(dtype: Any) -> None:
    def fun(a: Any, b: Any) -> Any:
        return sum([(a[k] * 2) @ (b[k] * 3) for k in range(6)])

    a, b = np.ones((6, 3, 2), dtype), np.ones((6, 2, 5), dtype)
    assert "concatenate" not in names(applied(accumulate_at_once, fun, a, b))


def test_what_is_used_elsewhere_is_left() -> None:
    def fun(a: Any, b: Any) -> Any:
        terms = [(a[k] * 2) @ (b[k] * 3) for k in range(6)]
        return sum(terms), terms

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 3, 2)), rng.normal(size=(6, 2, 5))
    assert "concatenate" not in names(applied(accumulate_at_once, fun, a, b))


def test_not_finite() -> None:
    p, xs = arguments(8)
    xs[3, 1, 0] = np.nan
    applied(improve, wg.make_program(wg.grad(network))(p, xs), *p, xs, same=close)


def test_large_terms_are_left() -> None:
    def fun(a: Any, b: Any) -> Any:
        return sum([(a + k) @ np.sin(b * k) for k in range(6)])

    a, b = np.ones((100, 100)), np.ones((100, 2))
    assert "concatenate" not in names(applied(accumulate_at_once, fun, a, b, same=close))
