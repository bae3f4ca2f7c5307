"""Transposing functions that are linear themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.zeros(6)
W = np.arange(12.0).reshape(2, 6)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: W @ x,
        lambda x: x @ W.T,
        lambda x: 3.0 * x - x / 2.0,
        lambda x: -x + x[::-1],
        lambda x: x[1:4],
        lambda x: x[np.array([0, 0, 5])],
        lambda x: x[x.shape[0] - 1],
        lambda x: np.sum(x.reshape(2, 3), axis=1),
        lambda x: np.concatenate([x, 2 * x[:2]]),
        lambda x: np.stack([x, x])[:, 1],
        lambda x: np.cumsum(x),
        lambda x: np.where(np.arange(6) > 2, x, 0.0),
        lambda x: np.einsum("ij,j->i", W, x),
        lambda x: np.broadcast_to(x, (2, 6)).T,
        lambda x: np.linalg.solve(np.eye(6) * 2, x),
        lambda x: np.pad(x, 1)[2:],
        lambda x: np.roll(np.repeat(x, 2), 3),
        lambda x: {"a": x.mean(), "b": (x[0], None)},
        lambda x: np.diff(np.tile(x, 2)),
        lambda x: np.diag(x)[:2],
        lambda x: np.trace(x.reshape(2, 3)),
        lambda x: wg.jvp(np.sin, (np.ones(6),), (x,))[1],
        lambda x: wg.vjp(lambda v: v[np.array([1, 1, 2, 0, 3, 5])] ** 2, np.arange(6.0))[1](x)[0],
        lambda x: wg.vmap(lambda v: 2 * v)(x),
    ],
)
def test_the_transpose_of_the_matrix(fun: Any) -> None:
    unit = np.eye(6)
    columns = [wg.tree.leaves(fun(e)) for e in unit]
    matrix = np.stack([np.concatenate([np.ravel(v) for v in c]) for c in columns], axis=1)
    transpose = wg.linear_transpose(fun, X)
    shape_of = fun(np.zeros(6))
    for row in matrix[:6]:
        k = next(i for i, r in enumerate(matrix) if r is row or np.shares_memory(r, row))
        flat = np.zeros(len(matrix))
        flat[k] = 1.0
        leaves, start = [], 0
        for leaf in wg.tree.leaves(shape_of):
            size = np.size(leaf)
            leaves.append(flat[start : start + size].reshape(np.shape(leaf))[()])
            start += size
        (found,) = transpose(wg.tree.unflatten(wg.tree.structure(shape_of), leaves))
        np.testing.assert_allclose(found, row, atol=1e-14)


def test_several_arguments_jointly_linear() -> None:
    transpose = wg.linear_transpose(lambda p, y: p["a"] * 2.0 + W @ y, {"a": np.zeros(2)}, X)
    p_bar, y_bar = transpose(np.array([1.0, -1.0]))
    np.testing.assert_array_equal(p_bar["a"], [2.0, -2.0])
    np.testing.assert_array_equal(y_bar, W[0] - W[1])


def test_called_many_times_without_aliasing() -> None:
    transpose = wg.linear_transpose(lambda x: (x, x), X)
    ct = np.ones(6)
    (first,) = transpose((ct, ct))
    first[...] = 0.0
    np.testing.assert_array_equal(transpose((ct, ct))[0], np.full(6, 2.0))
    np.testing.assert_array_equal(ct, np.ones(6))


@dataclass(frozen=True)
class ShapeDtype:
    """A type without values."""

    shape: tuple[int, ...]
    dtype: Any


def test_arguments_may_be_types() -> None:
    transpose = wg.linear_transpose(lambda x: 2.0 * x, ShapeDtype((2,), np.float32))
    (found,) = transpose(np.ones(2, np.float32))
    assert found.dtype == np.float32


def test_the_transpose_of_the_transpose(rng: np.random.Generator) -> None:
    f = lambda x: np.cumsum(W @ x)
    once = wg.linear_transpose(f, X)
    twice = wg.linear_transpose(lambda ct: once(ct)[0], np.zeros(2))
    x = rng.normal(size=6)
    np.testing.assert_allclose(twice(x)[0], f(x))


def test_the_transpose_can_be_differentiated_and_batched() -> None:
    transpose = wg.linear_transpose(lambda x: W @ x, X)
    np.testing.assert_allclose(wg.vmap(transpose)(np.eye(2))[0], W)
    np.testing.assert_allclose(wg.jacobian(lambda ct: transpose(ct)[0])(np.ones(2)), W.T)
    np.testing.assert_allclose(
        wg.grad(lambda s: np.sum(wg.linear_transpose(lambda x: s * x, X)(np.ones(6))[0]))(2.0), 6.0
    )


def test_complex_transpose_is_not_conjugated() -> None:
    transpose = wg.linear_transpose(lambda z: 1j * z, np.zeros(2, complex))
    np.testing.assert_array_equal(transpose(np.array([1.0, 1j]))[0], [1j, -1.0])


def test_a_zero_function() -> None:
    np.testing.assert_array_equal(wg.linear_transpose(lambda x: 0.0 * x, X)(X)[0], X)
    np.testing.assert_array_equal(wg.linear_transpose(lambda x: np.zeros(2), X)(np.ones(2))[0], X)


@pytest.mark.parametrize("inner", ["grad", "linearize", "vjp", "jacrev", "program"])
@pytest.mark.parametrize(
    "f",
    [
        lambda w, x: np.einsum("i,i->", w, x),
        lambda w, x: np.sum(np.einsum("i,j->ij", w, x) * np.arange(9.0).reshape(3, 3)),
        lambda w, x: w @ x,
        lambda w, x: np.sum(w * x),
    ],
)
def test_an_inner_linear_program_with_residuals_of_an_outer_one(f: Any, inner: str) -> None:
    w, weights = np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 11.0])
    along = {
        "grad": lambda x: weights @ wg.grad(f)(w, x),
        "vjp": lambda x: weights @ wg.vjp(lambda v: f(v, x), w)[1](1.0)[0],
        "jacrev": lambda x: weights @ wg.jacrev(f)(w, x),
        "linearize": lambda x: wg.linearize(lambda v: f(v, x), w)[1](weights),
        "program": lambda x: wg.linearize(lambda v: f(v, x), w)[1].program(weights),
    }[inner]
    (found,) = wg.linear_transpose(along, np.zeros(3))(1.0)
    expected = [f(weights, unit) for unit in np.eye(3)]  # f is linear in each of its arguments
    np.testing.assert_allclose(found, expected, rtol=1e-12)
