"""Reverse mode: the pullback, many times, of trees, with aux, and without aliasing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.1, 0.5, 0.9])


def test_the_pullback_returns_a_tuple() -> None:
    y, pullback = wg.vjp(np.sin, 0.0)
    assert y == 0.0
    assert pullback(2.0) == (2.0,)
    assert type(pullback(2.0)) is tuple


def test_several_arguments_and_trees() -> None:
    def f(p: Any, x: Any) -> Any:
        return [p["w"] @ x, {"b": p["b"] * 2.0}]

    w = np.arange(6.0).reshape(2, 3)
    y, pullback = wg.vjp(f, {"w": w, "b": np.ones(2)}, X)
    ct = [np.array([1.0, -1.0]), {"b": np.array([3.0, 4.0])}]
    p_bar, x_bar = pullback(ct)
    np.testing.assert_allclose(p_bar["w"], np.outer([1, -1], X))
    np.testing.assert_array_equal(p_bar["b"], [6.0, 8.0])
    np.testing.assert_allclose(x_bar, w[0] - w[1])
    np.testing.assert_array_equal(y[0], w @ X)


def test_the_pullback_may_be_called_many_times(rng: np.random.Generator) -> None:
    _, pullback = wg.vjp(lambda x: np.outer(x, x)[1:] + x, X)
    jac = wg.jacobian(lambda x: np.outer(x, x)[1:] + x)(X)
    for _ in range(5):
        ct = rng.normal(size=(2, 3))
        np.testing.assert_allclose(pullback(ct)[0], np.einsum("ij,ijk", ct, jac))


def test_cotangents_are_left_alone_and_not_shared() -> None:
    _, pullback = wg.vjp(lambda x, y, z: (x + y, x + z, z), X, X, X)
    cts = tuple(np.full(3, v) for v in (1.0, 2.0, 3.0))
    found = pullback(cts)
    due = [3.0, 1.0, 5.0]
    for g, value in zip(found, due, strict=True):
        np.testing.assert_array_equal(g, np.full(3, value))
        g[...] = np.nan
    for ct, value in zip(cts, (1.0, 2.0, 3.0), strict=True):
        np.testing.assert_array_equal(ct, np.full(3, value))
    for g, value in zip(pullback(cts), due, strict=True):
        np.testing.assert_array_equal(g, np.full(3, value))


def test_the_same_cotangent_array_for_two_results() -> None:
    ct = np.ones(3)
    _, pullback = wg.vjp(lambda x: (x, x, 2.0 * x), X)
    np.testing.assert_array_equal(pullback((ct, ct, ct))[0], np.full(3, 4.0))
    np.testing.assert_array_equal(ct, np.ones(3))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x,
        lambda x: x + x,
        lambda x: x[:],
        lambda x: x.reshape(3, 1),
        lambda x: x[::-1],
        lambda x: x.T,
        lambda x: np.concatenate([x, x]),
        lambda x: np.stack([x, x]),
        lambda x: np.broadcast_to(x, (2, 3)),
        lambda x: x.real,
        lambda x: 0 - (0 - x),
        lambda x: np.split(x, 3),
        lambda x: (x, x),
        lambda x: np.where(x > 0, x, 0.0),
    ],
)
def test_results_never_alias_cotangents(fun: Any) -> None:
    y, pullback = wg.vjp(fun, X)
    ct = wg.tree.map(np.ones_like, y)
    (first,) = pullback(ct)
    due = first.copy()
    assert first.flags.writeable
    for leaf in wg.tree.leaves(ct):
        assert not np.shares_memory(first, leaf)
    first[...] = np.nan
    np.testing.assert_array_equal(pullback(ct)[0], due)


def test_has_aux() -> None:
    y, pullback, aux = wg.vjp(lambda x: (x**2, {"x": x, "n": 3, "s": "text"}), 3.0, has_aux=True)
    assert (y, pullback(1.0)) == (9.0, (6.0,))
    assert aux == {"x": 3.0, "n": 3, "s": "text"}


def test_unused_arguments_and_constant_results_give_zeros() -> None:
    y, pullback = wg.vjp(lambda x, y, z: (2.0 * x, 5.0), X, np.ones((2, 2), np.float32), 1.0)
    x_bar, y_bar, z_bar = pullback((np.ones(3), 7.0))
    np.testing.assert_array_equal(x_bar, 2 * np.ones(3))
    np.testing.assert_array_equal(y_bar, np.zeros((2, 2)))
    assert y_bar.dtype == np.float32
    assert z_bar == 0.0
    assert type(z_bar) is np.float64
    y_bar[0, 0] = 1.0
    assert y[1] == 5.0


def test_integer_results_take_any_cotangent() -> None:
    y, pullback = wg.vjp(lambda x: (np.argmax(x), x), X)
    assert y[0] == 2
    np.testing.assert_array_equal(pullback((0, np.ones(3)))[0], np.ones(3))


def test_cotangents_may_be_python_numbers() -> None:
    _, pullback = wg.vjp(lambda x: x * 2, np.float32(1.0))
    for ct in (1, 1.0, np.float32(1.0)):
        (g,) = pullback(ct)
        assert g == 2.0
        assert g.dtype == np.float32


def test_the_pullback_is_linear_over_complex_numbers() -> None:
    z = np.array([1.0 + 2.0j, -0.5j])
    _, pullback = wg.vjp(lambda v: v**2 * 1j, z)
    ct = np.array([1.0 - 1.0j, 2.0])
    np.testing.assert_allclose(pullback(ct)[0], ct * 2 * z * 1j)
    np.testing.assert_allclose(pullback(1j * ct)[0], 1j * pullback(ct)[0])


def test_pullbacks_of_complex_parts() -> None:
    z = np.array([1.0 + 2.0j])
    np.testing.assert_array_equal(wg.vjp(np.real, z)[1](np.ones(1))[0], [1.0])
    np.testing.assert_array_equal(wg.vjp(np.imag, z)[1](np.ones(1))[0], [-1.0j])
    np.testing.assert_array_equal(wg.vjp(np.conj, z)[1](np.array([1.0j]))[0], [-1.0j])


def test_real_input_through_complex() -> None:
    x = np.array([0.3, 0.4])
    _, pullback = wg.vjp(lambda v: np.abs(np.exp(1j * v) + v) ** 2, x)
    due = -2 * x * np.sin(x) + 2 * np.cos(x) + 2 * x  # |e^ix + x|^2 = 1 + 2x cos x + x^2
    (g,) = pullback(np.ones(2))
    np.testing.assert_allclose(g, due)
    assert g.dtype == np.float64


def test_the_pullback_can_be_transformed() -> None:
    _, pullback = wg.vjp(lambda x: np.sin(x) * x[0], X)
    rows = wg.vmap(pullback)(np.eye(3))[0]
    np.testing.assert_allclose(rows, wg.jacobian(lambda x: np.sin(x) * x[0])(X))
    np.testing.assert_allclose(wg.jacobian(lambda ct: pullback(ct)[0])(X), rows.T)
    np.testing.assert_allclose(wg.make_program(pullback)(X)(X)[0], pullback(X)[0])


def test_the_pullback_s_cotangent_and_the_outer_variable_are_both_differentiated() -> None:
    def g(x: Any) -> Any:
        y, pullback = wg.vjp(np.exp, x)
        return pullback(x * y)[0]  # x e^2x

    np.testing.assert_allclose(wg.grad(g)(0.3), (1 + 0.6) * np.exp(0.6))
    np.testing.assert_allclose(wg.grad(wg.grad(g))(0.3), (4 + 1.2) * np.exp(0.6))


def test_changing_a_result_does_not_change_the_pullback() -> None:
    y, pullback = wg.vjp(np.exp, X)
    before = pullback(np.ones(3))[0]
    y[...] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], before)
