"""while_loop: an unknown number of turns: in both modes, in programs, for each row of a batch."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program
from wengert.core.tracing import RUNNING
from wengert.errors import (
    DtypeError,
    EscapedTracerError,
    LeafTypeError,
    ShapeError,
    TreeError,
    UnsupportedError,
)

Function = Callable[..., Any]


def newton(a: Any) -> Any:
    """The square root."""
    return wg.while_loop(lambda x: np.abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def growing(x: Any) -> Any:
    """A tree, ints among it; the logarithm exists only while the loop goes on."""

    def turn(c: Any) -> Any:
        return {"y": c["y"] * 1.5 + np.log(11.0 - c["y"] + x * x), "n": c["n"] + 1}

    c = wg.while_loop(lambda c: c["y"] < 10.0, turn, {"y": x * 1.0, "n": 0})
    return c["y"] * c["n"]


def plainly_growing(x: Any) -> Any:
    """The same in Python."""
    y, n = x * 1.0, 0
    while y < 10.0:
        y, n = y * 1.5 + np.log(11.0 - y + x * x), n + 1
    return y * n


def plain_newton(a: Any) -> Any:
    """The same in Python."""
    x = a
    while abs(x * x - a) > 1e-12:
        x = (x + a / x) / 2
    return x


PAIRS = pytest.mark.parametrize(
    ("f", "plain"), [(newton, plain_newton), (growing, plainly_growing)]
)
XS = np.array([1.0, 2.0, 20.0, 5.0, 10.0])
RTOL = 1e-10


def times(transform: Function, order: int, f: Function) -> Function:
    """A transformation applied again and again."""
    for _ in range(order):
        f = transform(f)
    return f


def by_jvp(f: Function) -> Function:
    """The derivative by forward mode."""
    return lambda x: wg.jvp(f, (x,), (1.0,))[1]


@PAIRS
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_derivatives_of_every_order_everywhere(f: Function, plain: Function, order: int) -> None:
    due = [times(wg.grad, order, plain)(x) for x in XS]
    g = times(wg.grad, order, f)
    np.testing.assert_allclose([g(x) for x in XS], due, rtol=RTOL)
    np.testing.assert_allclose(wg.vmap(g)(XS), due, rtol=RTOL)
    program = wg.make_program(g)(1.5)
    check_program(program)
    again = pickle.loads(pickle.dumps(program))
    assert str(again) == str(program)
    np.testing.assert_allclose([again(x) for x in XS], due, rtol=RTOL)
    np.testing.assert_allclose(wg.vmap(program)(XS), due, rtol=RTOL)
    np.testing.assert_allclose(wg.make_program(wg.vmap(g))(XS)(XS), due, rtol=RTOL)
    rows = wg.vmap(wg.vmap(g))(np.stack([XS, XS[::-1]]))
    np.testing.assert_allclose(rows, np.stack([due, due[::-1]]), rtol=RTOL)
    pushed = times(by_jvp, order, f)
    np.testing.assert_allclose([pushed(x) for x in XS], due, rtol=RTOL)
    np.testing.assert_allclose(wg.vmap(pushed)(XS), due, rtol=RTOL)
    np.testing.assert_allclose([wg.make_program(pushed)(1.5)(x) for x in XS], due, rtol=RTOL)


@PAIRS
def test_derivatives_of_batches_and_of_programs(f: Function, plain: Function) -> None:
    first, second = wg.grad(plain), wg.grad(wg.grad(plain))
    slopes, curves = [first(x) for x in XS], [second(x) for x in XS]
    total = lambda f: lambda xs: np.sum(wg.vmap(f)(xs))
    program = wg.make_program(f)(1.5)
    for h in (f, program):
        np.testing.assert_allclose(wg.grad(total(h))(XS), slopes, rtol=RTOL)
        np.testing.assert_allclose(wg.make_program(wg.grad(total(h)))(XS)(XS), slopes, rtol=RTOL)
        np.testing.assert_allclose(wg.grad(total(wg.grad(h)))(XS), curves, rtol=RTOL)
        np.testing.assert_allclose(np.diag(wg.jacfwd(wg.vmap(h))(XS)), slopes, rtol=RTOL)
        np.testing.assert_allclose(np.diag(wg.jacrev(wg.vmap(h))(XS)), slopes, rtol=RTOL)
        np.testing.assert_allclose(np.diag(wg.hessian(total(h))(XS)), curves, rtol=RTOL)
        np.testing.assert_allclose(wg.vmap(wg.hessian(h))(XS), curves, rtol=RTOL)
        np.testing.assert_allclose(wg.linearize(wg.vmap(h), XS)[1](np.ones(5)), slopes, rtol=RTOL)
        np.testing.assert_allclose(wg.hessian(h)(2.0), second(2.0), rtol=RTOL)
        mixed = wg.vmap(lambda x, h=h: wg.jvp(wg.grad(h), (x,), (1.0,))[1])(XS)
        np.testing.assert_allclose(mixed, curves, rtol=RTOL)
    inner = lambda x: np.sum(wg.vmap(f)(x * np.array([1.0, 2.0])))
    due = [first(x) + 2.0 * first(2.0 * x) for x in XS[:2]]
    np.testing.assert_allclose(wg.vmap(wg.grad(inner))(XS[:2]), due, rtol=RTOL)


def test_rows_that_have_finished_stop_changing() -> None:
    """Each row counts its own turns; a further turn of the last row would overflow."""

    def f(x: Any, n: Any) -> Any:
        turn = lambda c: (c[0] + 1, c[1] * x, c[2] + 1.0)
        return wg.while_loop(lambda c: c[0] < n, turn, (0, 1.0, 0.0))

    x, n = np.array([2.0, 3.0, 1e200, 0.0]), np.array([5, 0, 1, 2])
    for run in (
        wg.vmap(f),
        wg.make_program(wg.vmap(f))(x, n),
        wg.vmap(wg.make_program(f)(1.0, 1)),
    ):
        i, y, turns = run(x, n)
        np.testing.assert_array_equal(i, n)
        np.testing.assert_array_equal(turns, n)
        np.testing.assert_array_equal(y, [32.0, 1.0, 1e200, 0.0])
    slope = wg.vmap(wg.grad(lambda x, n: f(x, n)[1]))(x, n)
    np.testing.assert_array_equal(slope, [80.0, 0.0, 1.0, 0.0])


def test_rows_never_meet_the_values_of_others() -> None:
    """A turn divides by what is zero in rows that have finished, closed over or carried."""

    def f(w: Any, k: Any) -> Any:
        turn = lambda c: (c[0] - 1.0, c[1] + 1.0 / (c[0] * w))
        return wg.while_loop(lambda c: c[0] > 0.5, turn, (k, 0.0))[1]

    w, k = np.array([1.0, 0.0, -2.0]), np.array([3.0, 0.0, 1.0])
    due = [-(1 + 1 / 2 + 1 / 3), 0.0, -0.25]
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(w, k), due)
    np.testing.assert_allclose(wg.make_program(wg.vmap(wg.grad(f)))(w, k)(w, k), due)
    total = lambda w: np.sum(wg.vmap(f)(w, k))
    np.testing.assert_allclose(wg.grad(total)(w), due)
    np.testing.assert_allclose(wg.make_program(wg.grad(total))(w)(w), due)
    second = [2 * (1 + 1 / 2 + 1 / 3), 0.0, -0.25]
    np.testing.assert_allclose(np.diag(wg.hessian(total)(w)), second)


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (0, 0)])
def test_batches_of_closures_and_of_starts(in_axes: Any) -> None:
    f = lambda a, x: wg.while_loop(lambda c: np.sum(c) < 30.0, lambda c: c * a + 1.0, x)
    full = (np.array([1.5, 2.0, 3.0]), np.arange(6.0).reshape(3, 2))
    args = tuple([v if axis == 0 else v[1] for v, axis in zip(full, in_axes, strict=True)])
    rows = [
        tuple([v[k] if axis == 0 else v for v, axis in zip(args, in_axes, strict=True)])
        for k in range(3)
    ]
    for g in (f, wg.jacrev(f), wg.jacfwd(f)):
        due = np.stack([g(*row) for row in rows])
        np.testing.assert_allclose(wg.vmap(g, in_axes=in_axes)(*args), due, rtol=1e-13)
        program = wg.make_program(wg.vmap(g, in_axes=in_axes))(*args)
        np.testing.assert_allclose(program(*args), due, rtol=1e-13)


def test_a_batch_whose_members_agree_runs_in_python() -> None:
    """Also the first turns, until members disagree."""
    turns = []

    def turn(x: Any) -> Any:
        turns.append(isinstance(x, wg.Tracer))
        return 2.0 * x

    f = lambda x: wg.while_loop(lambda x: x < 10.0, turn, x)
    np.testing.assert_array_equal(wg.vmap(f)(np.array([3.0, 4.0])), [12.0, 16.0])
    assert len(turns) == 2
    turns.clear()
    np.testing.assert_array_equal(wg.vmap(f)(np.array([1.0, 9.0, 20.0])), [16.0, 18.0, 20.0])
    assert len(turns) == 1


def test_empty_batches_and_arrays_without_elements() -> None:
    for f in (newton, wg.grad(newton)):
        assert wg.vmap(f)(np.zeros(0)).shape == (0,)
        assert wg.make_program(wg.vmap(f))(np.zeros(0))(np.zeros(0)).shape == (0,)
    g = lambda x: wg.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2.0), (0, x))[1]
    empty = np.zeros((2, 0))
    for found in (g(empty), wg.make_program(g)(empty)(empty), wg.vmap(g)(empty)):
        assert found.shape == (2, 0)


def test_no_turn_at_all() -> None:
    f = lambda x: wg.while_loop(lambda x: x < 0, lambda x: x / 0.0, x)
    assert f(3.0) == wg.make_program(f)(1.0)(3.0) == 3.0
    assert wg.grad(f)(3.0) == wg.make_program(wg.grad(f))(1.0)(3.0) == 1.0
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(XS), np.ones(5))


@pytest.mark.parametrize(
    ("start", "factor", "dtype"),
    [
        (1.0, np.float32(2), np.float32),
        (1, np.float32(2), np.float32),
        (1, 1.5, np.float64),
        (1, np.int32(2), np.int32),
        (np.float32(1), 1.5, np.float32),
        (1.0, np.complex64(2j), np.complex64),
    ],
)
def test_types_follow_numpy(start: Any, factor: Any, dtype: Any) -> None:
    f = lambda k: wg.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, c[1] * k), (0, start))
    for i, y in (f(factor), wg.make_program(f)(factor)(factor)):
        assert (int(i), np.asarray(y).dtype) == (4, dtype)
        assert y == factor**4


def test_in_place_writes_stay_in_the_loop() -> None:
    def turn(c: Any) -> Any:
        c[0] = c[0] * c[1]
        c[1] += 1.0
        return c

    def f(z: Any) -> Any:
        return np.sum(wg.while_loop(lambda c: c[0] < 20.0, turn, z)) + np.sum(z * z)

    z = np.array([1.0, 2.0])
    slope = np.array([24.0 + 2.0, (12 + 8 + 6) + 1.0 + 4.0])
    for found in (
        wg.grad(f)(z),
        wg.make_program(wg.grad(f))(z)(z),
        wg.vmap(wg.grad(f))(np.stack([z, 40 * z]))[0],
    ):
        np.testing.assert_allclose(found, slope)
    np.testing.assert_array_equal(z, [1.0, 2.0])


def test_a_loop_of_ten_to_the_five_turns() -> None:
    f = lambda x: wg.while_loop(lambda c: c[0] < 100_000, lambda c: (c[0] + 1, c[1] * x), (0, 1.0))[
        1
    ]
    x = 1.0 + 1e-6
    due = 100_000 * x**99_999
    assert wg.grad(f)(x) == pytest.approx(due)
    assert wg.make_program(wg.grad(f))(1.0)(x) == pytest.approx(due)


def test_linear_loops_are_transposed() -> None:
    a = np.array([[1.0, 2.0], [0.5, -1.0]])

    def f(n: Any) -> Function:
        turn = lambda c: (c[0] + 1, a @ c[1])
        return lambda x: wg.while_loop(lambda c: c[0] < n, turn, (0, x))[1]

    ct = np.array([1.0, 3.0])
    due = np.linalg.matrix_power(a.T, 3) @ ct
    np.testing.assert_allclose(wg.linear_transpose(f(3), ct)(ct)[0], due)
    program = wg.make_program(lambda n, ct: wg.linear_transpose(f(n), ct)(ct)[0])(1, ct)
    np.testing.assert_allclose(program(3, ct), due)


def test_closures_over_values_of_several_traces() -> None:
    def f(x: Any, y: Any) -> Any:
        def inner(z: Any) -> Any:
            turn = lambda c: (c[0] * x + z * y, c[1] + y)
            return wg.while_loop(lambda c: c[1] < 2.0 * x, turn, (z, 0.0))[0]

        return wg.grad(inner)(x * y)

    def plain(x: Any, y: Any) -> Any:
        slope, t = 1.0, 0.0
        while t < 2.0 * x:
            slope, t = slope * x + y, t + y
        return slope

    at, due = (1.3, 0.7), wg.grad(plain, (0, 1))(1.3, 0.7)
    np.testing.assert_allclose(wg.grad(f, (0, 1))(*at), due)
    np.testing.assert_allclose(wg.make_program(wg.grad(f, (0, 1)))(1.0, 1.0)(*at), due)
    many = (np.array([1.3, 0.4]), np.array([0.7, 0.9]))
    rows = wg.vmap(wg.grad(f, (0, 1)))(*many)
    np.testing.assert_allclose([r[0] for r in rows], due)
    np.testing.assert_allclose([r[1] for r in rows], wg.grad(plain, (0, 1))(0.4, 0.9))


def test_equations_in_the_loop_know_their_lines() -> None:
    program = wg.make_program(growing)(1.0)
    text = program.pretty(source=True)
    assert "(turn): return {" in text
    assert 'lambda c: c["y"] < 10.0' in text


# Mistakes.

ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda x: wg.while_loop(lambda c: c, lambda c: c, x), DtypeError, r"must return a bool"),
    (lambda x: wg.while_loop(lambda c: c * XS > 0, lambda c: c, x), ShapeError, r"bool\[5\]"),
    (lambda x: wg.while_loop(lambda c: (c > 0,), lambda c: c, x), ShapeError, r"one value"),
    (lambda x: wg.while_loop(lambda c: None, lambda c: c, x), ShapeError, r"one value"),
    (lambda x: wg.while_loop(lambda c: c > 0, lambda c: (c, c), x), TreeError, r"carried value"),
    (lambda x: wg.while_loop(lambda c: c > 0, lambda c: c * XS, x), ShapeError, r"another shape"),
    (
        lambda x: wg.while_loop(lambda c: True, lambda c: c, [x, {1}]),
        LeafTypeError,
        r"init_val\[1\]",
    ),
    (
        lambda x: wg.while_loop(lambda c: c[0] > 0, lambda c: (c[0], "b"), (x, "a")),
        TreeError,
        r"the value 'b'",
    ),
]


@pytest.mark.parametrize(("run", "kind", "match"), ERRORS)
def test_mistakes(run: Function, kind: type[Exception], match: str) -> None:
    for f in (run, wg.grad(run), wg.make_program(run)):
        with pytest.raises(kind, match=match):
            f(1.0)
    with pytest.raises(kind, match=match):
        wg.vmap(run)(np.array([1.0, -1.0]))
    assert RUNNING.traces == []


def test_an_exception_in_the_loop_leaves_nothing_behind() -> None:
    def fail(c: Any) -> Any:
        raise KeyError("mine")

    f = lambda x: wg.while_loop(lambda c: c > 0, fail, x)
    g = lambda x: wg.while_loop(fail, lambda c: c, x)
    for h in (f, g):
        for run in (h, wg.grad(h), wg.make_program(h), wg.make_program(wg.grad(h))):
            with pytest.raises(KeyError, match="mine"):
                run(1.0)
        with pytest.raises(KeyError, match="mine"):
            wg.vmap(wg.grad(h))(np.array([1.0, -1.0]))
        assert RUNNING.traces == []


def test_values_of_the_loop_that_escape() -> None:
    kept = []
    f = lambda x: wg.while_loop(lambda c: c < 9, lambda c: (kept.append(c), 2.0 * c)[1], x)
    wg.make_program(f)(1.0)
    with pytest.raises(EscapedTracerError, match="escaped from make_program of"):
        np.sin(kept[0])


def test_random_numbers_are_refused_where_the_loop_is_traced() -> None:
    generator = np.random.default_rng(0)
    f = lambda x: wg.while_loop(lambda c: c < 3.0, lambda c: c + generator.random(), x)
    assert f(0.0) != f(0.0)
    with pytest.raises(UnsupportedError, match="drew random numbers"):
        wg.make_program(f)(0.0)
    with pytest.raises(UnsupportedError, match="drew random numbers"):
        wg.vmap(f)(np.array([0.0, 5.0]))


def test_a_warning_in_the_loop_comes_from_a_row_that_is_in_it() -> None:
    f = lambda x: wg.while_loop(lambda c: c < 0.5, lambda c: np.sqrt(c) + 0.6, x)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        wg.vmap(f)(np.array([-1.0, 4.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(wg.vmap(f)(np.array([0.25, 4.0])), [1.1, 4.0])


def test_threads_do_not_meet() -> None:
    found: list[Any] = []

    def trace() -> None:
        found.extend([wg.make_program(wg.grad(growing))(1.0)(2.0) for _ in range(20)])

    def batch() -> None:
        found.extend([wg.vmap(wg.grad(growing))(XS)[1] for _ in range(20)])

    threads = [threading.Thread(target=work) for work in (trace, batch, trace, batch)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_allclose(found, [wg.grad(plainly_growing)(2.0)] * 80)
