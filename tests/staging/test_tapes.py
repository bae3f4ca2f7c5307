"""Linear functions that run on emitted source."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

X, T = np.linspace(0.5, 1.5, 3), np.array([1.0, -2.0, 0.5])


def f(x: Any) -> Any:
    return np.sin(x) * x


def close(got: Any, want: Any) -> None:
    assert wg.tree.structure(got) == wg.tree.structure(want)
    for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        assert type(a) is type(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=1e-6 if np.asarray(b).dtype.itemsize < 8 else 1e-12)


def network(p: Any) -> Any:
    h = np.tanh(np.linspace(-1, 1, 32).reshape(8, 4) @ p["a"])
    return {"y": np.tanh(h @ p["b"]) @ p["c"], "n": 3, "mean": np.mean(h)}


def chain(x: Any) -> Any:
    for _ in range(30):
        x = np.sin(x) * 1.01
    return x


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "array": (f, (X,)),
    "number": (chain, (0.5,)),
    "numpy number": (chain, (np.float64(0.5),)),
    "float32": (f, (X.astype(np.float32),)),
    "complex": (f, (X + 1j,)),
    "tree": (network, ({"a": np.ones((4, 3)) * 0.1, "b": np.eye(3), "c": np.ones(3)},)),
    "static leaves": (lambda x, n, s: (x * n, s, np.floor(x)), (1.5, 2, "text")),
    "no derivative": (np.floor, (1.5,)),
    "the argument": (lambda x: x, (X,)),
    "twice": (lambda x: (x, x, x.T), (np.ones((2, 2)),)),
    "empty": (lambda x: x[:0] * 2, (X,)),
    "loop": (lambda x: wg.scan(lambda c, s: (np.sin(c) * s, c), x, np.ones(9))[0], (X,)),
    "solve": (lambda a: np.linalg.solve(a, X), (np.eye(3) + 0.1,)),
    "two arguments": (lambda x, y: np.outer(x, y) @ y, (X, X + 1)),
}


def tangent(primals: Any) -> Any:
    def one(x: Any) -> Any:
        kind = np.asarray(x).dtype.kind
        if kind not in "fc":
            return None
        return 0.7 if type(x) is float else (np.ones_like(x) * 0.7)[()]

    return tuple([wg.tree.map(one, x) if not isinstance(x, int | str) else None for x in primals])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_of_linear_functions(name: str) -> None:
    fun, primals = FUNCTIONS[name]
    _, f_lin = wg.linearize(fun, *primals)
    fast, dots = f_lin.staged(), tangent(primals)
    for _ in range(2):
        close(fast(*dots), f_lin(*dots))
        ct = wg.tree.map(lambda v: np.asarray(v)[()] if np.ndim(v) else v, f_lin(*dots))
        close(fast.transpose(ct), f_lin.transpose(ct))
    assert repr(fast) == repr(f_lin)
    same = fast.staged()
    close(same(*dots), f_lin(*dots))


@pytest.mark.parametrize("name", ["array", "number", "float32", "complex", "tree", "loop"])
def test_values_of_pullbacks(name: str) -> None:
    fun, primals = FUNCTIONS[name]
    y, pullback = wg.vjp(fun, *primals)
    ct = wg.tree.map(lambda v: v, y)
    if name == "tree":
        ct["n"] = None
    fast = pullback.staged()
    for _ in range(2):
        close(fast(ct), pullback(ct))
    assert "pullback of" in repr(fast)
    assert fast.__name__ == pullback.__name__


def test_of_linear_transpose() -> None:
    transpose = wg.linear_transpose(lambda x: 3.0 * x[1:], np.zeros(3))
    close(transpose.staged()(np.ones(2)), transpose(np.ones(2)))


def test_transformations_by_the_tangent() -> None:
    f_lin = wg.linearize(f, X)[1]
    pullback = wg.vjp(f, X)[1]
    for plain, fast in ((f_lin, f_lin.staged()), (pullback, pullback.staged())):
        first = lambda h: lambda t: wg.tree.leaves(h(t))[0]
        a, b = first(plain), first(fast)
        for transform in (
            lambda h: wg.vmap(h)(np.eye(3)),
            lambda h: wg.jvp(h, (T,), (X,)),
            lambda h: wg.grad(lambda t: np.sum(h(t) ** 2))(T),
            lambda h: wg.hessian(lambda t: np.sum(h(t) ** 2))(T),
            lambda h: wg.jacobian(h)(T),
            lambda h: wg.make_program(h)(T)(T),
            lambda h: wg.staged(h)(T),
            lambda h: wg.linearize(h, T)[1].staged()(X),
            lambda h: wg.linear_transpose(h, T)(X),
            lambda h: wg.vmap(wg.grad(lambda t: np.sum(h(t) ** 2)))(np.eye(3)),
        ):
            close(transform(b), transform(a))


@pytest.mark.parametrize(
    "transform",
    [
        lambda g: wg.grad(g)(X),
        lambda g: wg.hessian(g)(X),
        lambda g: wg.vmap(g)(np.stack([X, X + 1])),
        lambda g: wg.vmap(wg.grad(g))(np.stack([X, X + 1])),
        lambda g: wg.make_program(g)(X)(X),
        lambda g: wg.make_program(wg.grad(g))(X)(X),
        lambda g: wg.staged(wg.grad(g))(X),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_transformations_by_the_point(transform: Callable[..., Any], forward: bool) -> None:
    """The residuals are traced then."""

    def g(x: Any, staged: bool) -> Any:
        h = wg.linearize(f, x)[1] if forward else wg.vjp(f, x)[1]
        found = (h.staged() if staged else h)(T)
        return np.sum(found**2 if forward else found[0] ** 2)

    close(transform(lambda x: g(x, True)), transform(lambda x: g(x, False)))


def test_results_belong_to_the_caller() -> None:
    fast = wg.linearize(lambda x: (x, x), X)[1].staged()
    t = T.copy()
    a, b = fast(t)
    a[0] = 100.0
    assert b[0] == t[0] == 1.0
    (c,) = fast.transpose((t, np.zeros(3)))
    c[0] = 100.0
    assert t[0] == 1.0


def test_later_writes_do_not_change_it() -> None:
    w = np.ones(3)
    x = X.copy()
    f_lin = wg.linearize(lambda x: x * w * np.sin(x), x)[1]
    want = f_lin(T)
    fast = f_lin.staged()
    x[:] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            w[:] = 0.0
        except ValueError:
            pass
        else:
            np.testing.assert_array_equal(f_lin(T), want)
    np.testing.assert_allclose(fast(T), want)


def test_members_of_a_batch_that_communicate_keep_their_tape() -> None:
    def g(x: Any, staged: bool) -> Any:
        f_lin = wg.linearize(lambda x: x * wg.pmean(x, "i"), x)[1]
        return (f_lin.staged() if staged else f_lin)(1.0)

    got, want = [wg.vmap(lambda x, s=s: g(x, s), axis_name="i")(X) for s in (True, False)]
    np.testing.assert_allclose(got, want)


def test_errors_are_the_same() -> None:
    f_lin = wg.linearize(f, X)[1].staged()
    with pytest.raises(wg.errors.ShapeError, match="the linear map of f"):
        f_lin(np.ones(2))
    with pytest.raises(wg.errors.ShapeError, match="the pullback of f"):
        f_lin.transpose(np.ones(2))
