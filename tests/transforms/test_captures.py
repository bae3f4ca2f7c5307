"""Arrays that are changed after they were used with traced values never corrupt a derivative."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InPlaceWriteError
from wengert.transforms.captures import SMALL

Function = Callable[..., Any]
LARGE = SMALL // 8 + 1
sizes = pytest.mark.parametrize("n", [3, LARGE])

# What keeps a plain array: each function of x and a captured w, with its derivative by x.
USES: dict[str, tuple[Function, Function]] = {
    "mul": (lambda x, w: x * w, lambda x, w: w),
    "reflected mul": (lambda x, w: w * x, lambda x, w: w),
    "div": (lambda x, w: x / w, lambda x, w: 1 / w),
    "power": (lambda x, w: x**w, lambda x, w: w * x ** (w - 1)),
    "matmul": (lambda x, w: x @ w, lambda x, w: w),
    "dot": (lambda x, w: np.dot(w, x), lambda x, w: w),
    "einsum": (lambda x, w: np.einsum("i,i", x, w), lambda x, w: w),
    "where": (lambda x, w: np.where(w > 0, x, 0.0), lambda x, w: w > 0),
    "maximum": (lambda x, w: np.maximum(x, w), lambda x, w: x > w),
    "of a view": (lambda x, w: x[1:] * w[1:], lambda x, w: np.where(np.arange(len(w)) > 0, w, 0)),
    "index": (
        lambda x, w: x[w.astype(int) * 0] * 1.0,
        lambda x, w: np.where(np.arange(len(w)) == 0, float(len(w)), 0.0),
    ),
}


@sizes
@pytest.mark.parametrize("name", USES)
def test_captured_arrays_may_change_before_the_pullback(name: str, n: int) -> None:
    use, derivative = USES[name]
    x, w = np.linspace(1.0, 2.0, n), np.linspace(0.5, 2.6, n)
    want = np.array(derivative(x, w), float)
    _, pullback = wg.vjp(lambda x: np.sum(use(x, w)), x)
    _, f_lin = wg.linearize(lambda x: np.sum(use(x, w)), x)
    w *= 7.0
    w -= 100.0
    np.testing.assert_allclose(pullback(1.0)[0], want, rtol=1e-14)
    np.testing.assert_allclose(f_lin(np.ones(n)), np.sum(want), rtol=1e-13)
    np.testing.assert_allclose(f_lin.program(np.ones(n)), np.sum(want), rtol=1e-13)


@sizes
def test_arguments_may_change_before_the_pullback(n: int) -> None:
    x = np.linspace(1.0, 2.0, n)
    want = 2 * x
    _, pullback = wg.vjp(lambda x: np.sum(x * x), x)
    _, f_lin = wg.linearize(lambda x: np.sum(x * x), x)
    x[...] = 5.0
    np.testing.assert_array_equal(pullback(1.0)[0], want)
    np.testing.assert_array_equal(f_lin(np.ones(n)), np.sum(want))
    x[...] = 1.0
    second = wg.vjp(lambda x: wg.grad(lambda y: np.sum(y**3))(x), x)[1]
    x[...] = 9.0
    np.testing.assert_allclose(second(np.ones(n))[0], np.full(n, 6.0))


def test_an_update_step_with_the_pullback_alive() -> None:
    w, data = np.ones(LARGE), np.linspace(0.0, 1.0, LARGE)
    for _ in range(3):
        _, pullback = wg.vjp(lambda w: np.sum((w * data) ** 2), w)
        before = w.copy()
        w -= 0.1 * pullback(1.0)[0]
        np.testing.assert_allclose(pullback(1.0)[0], 2 * before * data**2)


def test_a_small_buffer_that_is_filled_again() -> None:
    rows = np.arange(12.0).reshape(4, 3)

    def f(x: Any) -> Any:
        buffer, total = np.empty(3), 0.0
        for row in rows:
            buffer[...] = row
            total = total + np.sum(buffer * x)
        return total

    np.testing.assert_array_equal(wg.grad(f)(np.ones(3)), rows.sum(axis=0))
    np.testing.assert_array_equal(wg.vjp(f, np.ones(3))[1](1.0)[0], rows.sum(axis=0))
    program = wg.make_program(f)(np.ones(3))
    assert program(np.ones(3)) == rows.sum()
    transposed = wg.linear_transpose(f, np.ones(3))
    np.testing.assert_array_equal(transposed(1.0)[0], rows.sum(axis=0))


TRANSFORMS = [wg.grad, lambda f: lambda x: wg.vjp(f, x), lambda f: lambda x: wg.linearize(f, x)]


@pytest.mark.parametrize("part", ["whole", "view"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_large_buffer_that_is_filled_again_is_named(part: str, transform: Function) -> None:
    store = np.zeros(LARGE)

    def f(x: Any) -> Any:
        total = np.sum(store * x)
        target = {"whole": store, "view": store[:2]}[part]
        target[0] = 3.0
        return total

    with pytest.raises(InPlaceWriteError, match=r"x \* buffer\.copy\(\)[\s\S]*target\[0\] = 3\.0"):
        transform(f)(np.ones(LARGE))
    assert store.flags.writeable
    assert store[0] == 0.0


@pytest.mark.parametrize("part", ["whole", "view", "owner", "sibling"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_large_view_that_is_written_to_afterwards(part: str, transform: Function) -> None:
    """Its memory has other names, which cannot be made read-only: it is copied."""
    store = np.ones(2 * LARGE)
    sibling = store[:LARGE]

    def f(x: Any) -> Any:
        buffer = store[:LARGE]
        total = np.sum(buffer * x)
        target = {"whole": buffer, "view": store[:2], "owner": store, "sibling": sibling}[part]
        target[0] = 3.0
        return total

    found = transform(f)(np.ones(LARGE))
    if isinstance(found, tuple):
        found = (
            found[1](1.0)[0]
            if transform is TRANSFORMS[1]
            else found[1](np.where(np.arange(LARGE) == 0, 1.0, 0.0))
        )
        np.testing.assert_array_equal(np.ravel(found)[0], 1.0)
    else:
        np.testing.assert_array_equal(found, np.ones(LARGE))
    assert store.flags.writeable
    assert store[0] == 3.0


def test_arrays_are_given_back() -> None:
    w = np.ones(2 * LARGE)
    view, part = w[:LARGE], w[LARGE:]

    def f(x: Any) -> Any:
        y = np.sum(view * x) + np.sum(part * x) + np.sum(w * np.concatenate([x, x]))
        inner = wg.grad(lambda z: np.sum(view * z * x))(x)
        return y + np.sum(inner)

    x = np.ones(LARGE)
    wg.grad(f)(x)
    wg.hessian(f)(x[:1] * np.ones(LARGE))
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda x: np.sum(view * x) * (1 // 0))(x)
    for a in (w, view, part, x):
        assert a.flags.writeable
        a[0] = 1.0


def test_read_only_arrays_stay_so() -> None:
    w = np.ones(LARGE)
    w.flags.writeable = False
    wg.grad(lambda x: np.sum(w * x))(np.ones(LARGE))
    wg.vjp(lambda x: np.sum(w * x), np.ones(LARGE))[1](1.0)
    assert not w.flags.writeable


def test_threads_share_an_array() -> None:
    w, x = np.ones(LARGE), np.ones(LARGE)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                np.testing.assert_array_equal(wg.grad(lambda x: np.sum(w * x * w))(x), w)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    assert w.flags.writeable


@sizes
def test_constants_of_programs(n: int) -> None:
    w = np.ones(n)

    def f(x: Any) -> Any:
        y = x * w
        w[...] = 3.0
        z = x * w
        w[...] = 1.0
        return y + z

    program = wg.make_program(f)(np.ones(n))
    w[...] = 100.0
    np.testing.assert_array_equal(program(np.ones(n)), np.full(n, 4.0))
    same = wg.make_program(lambda x: x * w + x * w)(np.ones(n))
    assert len(same.constants) == 1


def test_errors_of_the_user_come_through() -> None:
    read_only = np.ones(3)
    read_only.flags.writeable = False

    def f(x: Any) -> Any:
        read_only[0] = 2.0
        return np.sum(x)

    with pytest.raises(ValueError, match="read-only") as caught:
        wg.grad(f)(np.ones(3))
    assert not isinstance(caught.value, InPlaceWriteError)
    w = np.ones(LARGE)
    with pytest.raises(ValueError, match="mine"):
        wg.grad(lambda x: np.sum(w * x) + _fail())(w)


def _fail() -> Any:
    raise ValueError("mine")
