"""Values without derivative: `stop_gradient`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import wengert as wg

X = np.linspace(0.1, 1.0, 4)


def same(found: Any, due: Any) -> None:
    """Compare trees."""
    wg.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), found, due)


def test_stop_gradient() -> None:
    f = lambda x: x * wg.stop_gradient(x)
    total = lambda x: np.sum(f(x))
    same(wg.grad(total)(X), X)
    same(wg.jvp(f, (X,), (X,))[1], X * X)
    same(wg.linearize(f, X)[1](X), X * X)
    same(wg.vmap(wg.grad(f))(X), X)
    same(wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(X), X)
    same(wg.grad(wg.make_program(total)(X))(X), X)
    same(wg.make_program(wg.grad(total))(X)(X), X)
    same(wg.hessian(lambda x: np.sum(x * f(x)))(X), np.diag(2 * X))
    assert "stop_gradient" in str(wg.make_program(total)(X))


def test_stop_gradient_of_trees() -> None:
    tree = {"a": [1, "text", 2.0, None, X], "f": np.sin}
    found = wg.stop_gradient(tree)
    assert found["f"] is np.sin
    assert found["a"][:4] == [1, "text", 2.0, None]
    assert found["a"][4] is not X
    same(found["a"][4], X)
    counts = wg.make_program(wg.stop_gradient)(np.arange(3))
    assert counts.out_avals[0].dtype == np.int64


def test_stop_gradient_gives_an_array_of_its_own() -> None:
    def f(x: Any) -> Any:
        y = wg.stop_gradient(x)
        y += 100.0
        return np.sum(x * x)

    same(wg.grad(f)(X), 2 * X)
