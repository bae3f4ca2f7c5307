"""Linear functions with a transpose of the user's: `linear_call`, `custom_transpose`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import MissingRuleError, NonLinearError, RuleDefinitionError, ShapeError


def same(found: Any, due: Any) -> None:
    """Compare trees."""
    wg.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), found, due)


M = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
V, C = np.array([0.3, 0.7]), np.array([1.0, -1.0, 2.0])


def product(r: Any, x: Any) -> Any:
    """r @ x, with three times its transpose."""
    return wg.linear_call(lambda r, x: {"y": r @ x}, lambda r, ct: 3 * (r.T @ ct["y"]), r, x)["y"]


def test_linear_call() -> None:
    same(product(M, V), M @ V)
    same(wg.vjp(product, M, V)[1](C), (np.outer(C, V), 3 * M.T @ C))
    same(wg.jvp(product, (M, V), (M, V))[1], 2 * M @ V)
    scaled = lambda x: 2 * product(M, 2 * x)
    same(wg.linear_transpose(scaled, V)(C)[0], 12 * M.T @ C)
    linear = wg.linearize(lambda x: product(M, x), V)[1]
    same((linear(V), linear.transpose(C)[0]), (M @ V, 3 * M.T @ C))
    assert "linear_map" in str(linear.program)


def test_linear_call_in_batches() -> None:
    matrices, vectors = np.stack([M, 2 * M]), np.stack([V, 3 * V])
    due = 3 * np.stack([m.T @ C for m in matrices])
    same(wg.vmap(lambda m, v: wg.vjp(product, m, v)[1](C)[1])(matrices, vectors), due)
    of_batch = lambda m, x: wg.vmap(product, (0, None))(m, x)
    cts = np.stack([C, C])
    same(wg.vjp(of_batch, matrices, V)[1](cts), (np.stack([np.outer(C, V)] * 2), due.sum(0)))
    program = wg.make_program(of_batch)(matrices, V)
    same(wg.vjp(program, matrices, V)[1](cts)[1], due.sum(0))
    same(wg.linear_transpose(partial(program, matrices), V)(cts)[0], due.sum(0))


def test_linear_call_in_programs() -> None:
    program = wg.make_program(product)(M, V)
    same(wg.vjp(program, M, V)[1](C), (np.outer(C, V), 3 * M.T @ C))
    same(wg.linear_transpose(partial(program, M), V)(C)[0], 3 * M.T @ C)
    pulled = wg.make_program(lambda m, v, c: wg.vjp(product, m, v)[1](c))(M, V, C)
    same(pulled(M, V, C), (np.outer(C, V), 3 * M.T @ C))


def test_linear_call_to_higher_order() -> None:
    def honest(r: Any, x: Any) -> Any:
        return np.sum(wg.linear_call(lambda r, x: r @ x, lambda r, ct: r.T @ ct, r, x) ** 3)

    due = wg.hessian(lambda r, x: np.sum((r @ x) ** 3), (0, 1))(M, V)
    for twice in (wg.hessian, lambda f, n: wg.jacrev(wg.jacrev(f, n), n)):
        same(twice(honest, (0, 1))(M, V), due)
    same(wg.jacfwd(wg.jacfwd(honest, (0, 1)), (0, 1))(M, V), due)


def test_linear_call_that_is_not_linear() -> None:
    f = lambda x: product(np.outer(C, x), x)
    with pytest.raises(NonLinearError, match="applies 'matmul'"):
        wg.linear_transpose(f, V)


def test_custom_transpose() -> None:
    @wg.custom_transpose
    def divided(r: Any, x: Any) -> Any:
        return x / r

    with pytest.raises(MissingRuleError, match="divided: no transpose was given"):
        divided(2.0, 1.0)
    divided.def_transpose(lambda r, ct: 3 * ct / r)
    assert divided(2.0, 1.0) == 0.5
    same(wg.grad(lambda x: divided(2.0, x))(1.0), 1.5)
    same(wg.grad(lambda x, f: f(2.0, x))(1.0, divided), 1.5)
    with pytest.raises(RuleDefinitionError, match="divided has a transpose already"):
        divided.def_transpose(lambda r, ct: ct / r)


def test_transposes_of_the_wrong_shape_are_refused() -> None:
    f = lambda x: np.sum(wg.linear_call(lambda r, x: r @ x, lambda r, ct: ct, M, x))
    with pytest.raises(ShapeError, match=r"the transpose <lambda> .* another shape"):
        wg.grad(f)(V)
