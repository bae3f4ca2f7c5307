"""Batching: axes in and out, prefixes, sizes, nesting, keywords, and the same results as a loop."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

Point = namedtuple("Point", ["x", "y"])
A = np.arange(24.0).reshape(2, 3, 4)


def same(found: Any, due: Any) -> None:
    """Equal trees of arrays."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_in_axes_and_out_axes(axis: int) -> None:
    f = lambda m: np.cumsum(m, axis=1) @ np.arange(m.shape[1])
    members = [f(m) for m in np.moveaxis(A, axis, 0)]
    same(wg.vmap(f, in_axes=axis)(A), np.stack(members))
    for out in (0, 1, -1, -2):
        same(wg.vmap(f, in_axes=axis, out_axes=out)(A), np.stack(members, axis=out))


def test_several_arguments_with_their_own_axes() -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(2, 4)
    f = lambda a, b, c: a.sum() * b + c
    due = np.stack([f(x[:, i], y[i], 5.0) for i in range(2)])
    same(wg.vmap(f, in_axes=(1, 0, None))(x, y, 5.0), due)
    same(wg.vmap(f, in_axes=[-1, 0, None])(x, y, 5.0), due)


def test_in_axes_may_be_a_prefix_of_the_arguments() -> None:
    p = {"w": np.arange(6.0).reshape(3, 2), "b": [np.arange(2.0), np.float64(3.0)]}

    def f(p: Any, x: Any) -> Any:
        return p["w"].sum() + p["b"][0] * p["b"][1] + x

    due = [p["w"][:, i].sum() + p["b"][0][i] * 3.0 + 1.0 for i in range(2)]
    axes: Any = ({"w": 1, "b": [0, None]}, None)
    same(wg.vmap(f, in_axes=axes)(p, 1.0), np.array(due))
    shared = [p["w"].sum() + p["b"][0] * 3.0 + x for x in (1.0, 2.0)]
    same(wg.vmap(f, in_axes=(None, 0))(p, np.array([1.0, 2.0])), np.stack(shared))
    same(
        wg.vmap(lambda t: t.x * t.y, in_axes=(Point(0, None),))(Point(np.ones(2), 3.0)),
        np.full(2, 3.0),
    )


def test_out_axes_may_be_a_prefix_of_the_results() -> None:
    def f(x: Any) -> Any:
        return {"a": (x, x**2), "b": np.outer(x, x), "c": 7.0}

    found = wg.vmap(f, out_axes={"a": 1, "b": -1, "c": None})(A[0])
    same(found["a"][0], A[0].T)
    same(found["a"][1], A[0].T ** 2)
    same(found["b"], np.stack([np.outer(x, x) for x in A[0]], axis=-1))
    assert found["c"] == 7.0
    same(wg.vmap(lambda x: (x, x), out_axes=(0, 1))(A[0]), (A[0], A[0].T))
    same(wg.vmap(lambda x: [x, x], out_axes=[0, 1])(A[0]), [A[0], A[0].T])


def test_unbatched_results_are_repeated_and_writable() -> None:
    y = wg.vmap(lambda x: np.arange(3.0))(np.zeros(2))
    same(y, np.stack([np.arange(3.0)] * 2))
    y[0, 0] = 9.0
    assert y[1, 0] == 0.0
    z = wg.vmap(lambda x: 1.5)(np.zeros(2))
    same(z, np.full(2, 1.5))
    z[0] = 2.0


def test_results_are_writable_and_do_not_share_with_the_arguments_unless_they_are_them() -> None:
    x = A[0].copy()
    for out in (0, 1):
        y = wg.vmap(lambda v: v * 2, in_axes=1, out_axes=out)(x)
        assert y.flags.writeable
        y[...] = 0.0
    same(x, A[0])


def test_axis_size_without_batched_arguments() -> None:
    same(wg.vmap(lambda: np.ones(2), axis_size=3)(), np.ones((3, 2)))
    same(wg.vmap(lambda x: x * 2, in_axes=None, axis_size=2)(1.5), np.full(2, 3.0))
    same(wg.vmap(lambda x: x, axis_size=3)(np.arange(3.0)), np.arange(3.0))


def test_keyword_arguments_are_batched_along_axis_0() -> None:
    def f(x: Any, *, scale: Any, shift: Any) -> Any:
        return x * scale + shift["s"]

    found = wg.vmap(f, in_axes=(None,))(2.0, scale=np.arange(3.0), shift={"s": np.ones(3)})
    same(found, 2 * np.arange(3.0) + 1)


def test_nested_vmap() -> None:
    x, y = np.arange(3.0), np.arange(4.0) + 1
    table = wg.vmap(wg.vmap(lambda a, b: a / b, (None, 0)), (0, None))(x, y)
    same(table, x[:, None] / y)
    same(wg.vmap(wg.vmap(wg.vmap(np.sin)))(A), np.sin(A))
    same(wg.vmap(wg.vmap(lambda v: v.sum(), in_axes=1), in_axes=2)(A), A.sum(0).T)
    pairs = wg.vmap(lambda a: wg.vmap(lambda b: np.dot(a, b))(A[1]))(A[0])
    same(pairs, A[0] @ A[1].T)


@pytest.mark.parametrize(
    "fun",
    [
        lambda m: m[1],
        lambda m: m[:, 2],
        lambda m: m[np.array([0, 2, 2])],
        lambda m: m[np.array([0, 2]), :][:, np.array([1, 3])],
        lambda m: m[np.array([0, 2]), None, np.array([1, 3])],
        lambda m: m[:, np.array([[0, 1], [2, 3]])],
        lambda m: m[..., 0],
        lambda m: m[np.argmax(m, axis=0), np.arange(4)],
        lambda m: m[np.argmax(m[:, 0])],
        lambda m: m[:, np.argmin(m[0])],
        lambda m: wnp.take(A[0], np.argmax(m[:, 0]), axis=0),
        lambda m: wnp.take(A[0], np.argsort(m[0]), axis=1),
        lambda m: np.take_along_axis(m, np.argsort(-m, axis=1), axis=1),
        lambda m: np.take(m, np.argmax(m, axis=0)),
        lambda m: np.sort(m, axis=0),
        lambda m: np.where(m > m.mean(), m, 0.0),
        lambda m: m @ m.T,
        lambda m: A[1] @ m.T,
        lambda m: m[0] @ A[0].T,
        lambda m: np.linalg.solve(m @ m.T + np.eye(3), m),
        lambda m: np.linalg.solve(np.eye(3) * 2, m[:, 0]),
        lambda m: np.linalg.inv(m[:, :3] + 20 * np.eye(3)),
        lambda m: np.linalg.slogdet(m @ m.T + np.eye(3)),
        lambda m: np.linalg.cholesky(m @ m.T + np.eye(3)),
        lambda m: np.linalg.norm(m, axis=1),
        lambda m: np.concatenate([m, A[0]], axis=1),
        lambda m: np.stack([m[0], np.ones(4), m[1]]),
        lambda m: np.einsum("ij,ik->jk", m, A[0]),
        lambda m: np.tensordot(m, A, ([0], [1])),
        lambda m: np.outer(m[0], m[:, 0]),
        lambda m: np.kron(m[:, :2], np.eye(2)),
        lambda m: np.cumprod(m, axis=0),
        lambda m: np.prod(m, axis=(0, 1)),
        lambda m: (np.max(m), np.min(m, axis=1), np.std(m, ddof=1), np.argmax(m)),
        lambda m: np.broadcast_to(m[0], (5, 4)),
        lambda m: m.reshape(2, 6).swapaxes(0, 1),
        lambda m: np.pad(m, 1),
        lambda m: np.roll(np.flip(m, 1), 2, axis=0),
        lambda m: np.repeat(np.tile(m, 2), 2, axis=0),
        lambda m: np.tril(m) + np.diag(m[0])[:3],
        lambda m: np.clip(m, 3.0, m.mean()),
        lambda m: (m + np.ones(4), np.ones((3, 1)) * m, m[0] + m[:, :1], 2.0 ** m[0, 0]),
        lambda m: np.select([m > 5, m > 2], [m, -m], 0.0),
        lambda m: m.astype(np.float32),
        lambda m: np.split(m, 2, axis=1),
        lambda m: np.diff(m, axis=0),
        lambda m: np.floor(m / 3),
    ],
)
@pytest.mark.parametrize("axis", [0, 2])
def test_vmap_is_the_stacked_loop(fun: Any, axis: int) -> None:
    batch = np.sin(np.arange(36.0) * 1.7).reshape(3, 3, 4) * 4
    batch = np.moveaxis(batch, 0, axis)
    members = [fun(m) for m in np.moveaxis(batch, axis, 0)]
    due = wg.tree.map(lambda *v: np.stack(v), *members)
    same(wg.vmap(fun, in_axes=axis)(batch), due)
    twice = wg.vmap(wg.vmap(fun, in_axes=axis))(np.stack([batch, batch + 0.125]))
    again = [fun(m) for m in np.moveaxis(batch + 0.125, axis, 0)]
    second = wg.tree.map(lambda *v: np.stack(v), *again)
    same(twice, wg.tree.map(lambda a, b: np.stack([a, b]), due, second))


def test_batches_of_size_one_and_zero() -> None:
    f = lambda x: np.sin(x) @ x
    same(wg.vmap(f)(np.ones((1, 3))), np.array([f(np.ones(3))]))
    same(wg.vmap(f)(np.ones((0, 3))), np.zeros(0))
    same(wg.vmap(wg.grad(f))(np.ones((0, 3))), np.zeros((0, 3)))


def test_integers_and_bools_are_batched_too() -> None:
    i = np.array([2, 0, 1])
    same(wg.vmap(lambda k: wnp.take(A[0], k, axis=0))(i), A[0][i])
    same(wg.vmap(lambda m, x: np.where(m, x, -x))(i > 0, i), np.where(i > 0, i, -i))


def test_dtypes_are_numpys() -> None:
    x = np.ones(2, np.float32)
    assert wg.vmap(lambda v: v * 2.0 + 1)(x).dtype == np.float32
    assert wg.vmap(lambda v: v * np.float64(2.0))(x).dtype == np.float64
    assert wg.vmap(lambda v: v.sum())(np.ones((2, 3), np.int8)).dtype == np.int64


def test_per_example_gradients() -> None:
    w, xs, ys = np.array([0.3, -0.2, 0.5]), A[0, :, :3], np.arange(3.0)
    loss = lambda w, x, y: (np.tanh(x @ w) - y) ** 2
    found = wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))(w, xs, ys)
    same(found, np.stack([wg.grad(loss)(w, x, y) for x, y in zip(xs, ys, strict=True)]))


def test_gradients_of_a_batch_do_not_alias() -> None:
    x, y = A[0].copy(), A[1].copy()
    for fun in (lambda a, b: np.sum((a + b) ** 2), lambda a, b: np.sum(a + b)):
        g, h = wg.vmap(wg.grad(fun, (0, 1)))(x, y)
        assert not np.shares_memory(g, h)
        assert g.flags.writeable
        assert h.flags.writeable


def test_gradient_of_a_batched_function() -> None:
    w = np.array([0.3, -0.2, 0.5])
    f = lambda w: np.sum(wg.vmap(lambda x: np.sin(x @ w) ** 2)(A[0, :, :3]))
    g = lambda w: np.sum(np.sin(A[0, :, :3] @ w) ** 2)
    np.testing.assert_allclose(wg.grad(f)(w), wg.grad(g)(w))
    np.testing.assert_allclose(wg.hessian(f)(w), wg.hessian(g)(w))


def test_the_function_runs_once() -> None:
    calls = []
    wg.vmap(lambda x: calls.append(1) or x)(np.ones(100))
    assert calls == [1]


def test_a_closure_over_an_outer_batch() -> None:
    found = wg.vmap(lambda a: wg.vmap(lambda b: a[0] * b + a[1])(np.arange(3.0)))(A[0])
    same(found, A[0][:, :1] * np.arange(3.0) + A[0][:, 1:2])


def test_a_result_that_is_an_outer_batch_member() -> None:
    found = wg.vmap(lambda a: wg.vmap(lambda b: a)(np.arange(2.0)))(np.arange(3.0))
    same(found, np.stack([np.arange(3.0)] * 2, axis=1))
    out = wg.vmap(lambda a: wg.vmap(lambda b: a, out_axes=None)(np.arange(2.0)))(np.arange(3.0))
    same(out, np.arange(3.0))


def test_none_and_empty_trees() -> None:
    same(wg.vmap(lambda x, y: (x, y, ()))(np.ones(2), None), (np.ones(2), None, ()))
