"""cond and switch: only the branch taken runs: eagerly, in programs, for each row of a batch."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

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


def log_or_double(x: Any) -> Any:
    """log, which is not defined for the rows of the other branch."""
    return wg.cond(x > 0, np.log, lambda x: 2.0 * x, x)


def closing(p: Any, w: Any) -> Any:
    """The same with closures: what is closed over meets log of a negative number in the rows of
    the other branch.
    """
    return wg.cond(p > 0, lambda: np.log(w), lambda: w * p)


XS = np.array([2.0, -1.0, 0.0, 4.0])
W = np.array([1.0, -2.0, 0.0, 4.0])
P = np.array([1.0, -1.0, -1.0, 1.0])


# Eagerly.


@pytest.mark.parametrize("pred", [True, np.True_, 1, 2.5, np.array(3), np.float32(1)])
def test_cond_is_an_if(pred: Any) -> None:
    assert wg.cond(pred, lambda x: x + 1, lambda x: x - 1, 10) == 11
    assert wg.cond(pred == 0, lambda x: x + 1, lambda x: x - 1, 10) == 9
    assert wg.cond(pred, lambda: "yes", lambda: "no") == "yes"


@pytest.mark.parametrize(("index", "taken"), [(-5, 0), (0, 0), (1, 1), (2, 2), (9, 2), (True, 1)])
def test_switch_clamps_its_index(index: Any, taken: int) -> None:
    branches = [lambda x: (0, x), lambda x: (1, x), lambda x: (2, x)]
    for i in (index, np.int32(index), np.array(index)):
        assert wg.switch(i, branches, "x") == (taken, "x")
    assert wg.switch(iter([1]).__next__(), tuple(branches), None) == (1, None)


def test_only_the_branch_taken_runs_under_derivatives() -> None:
    ran: list[str] = []

    def yes(x: Any) -> Any:
        ran.append("yes")
        return np.sin(x) if x > 0.5 else x  # Python's if works inside

    def no(x: Any) -> Any:
        ran.append("no")
        return -x

    f = lambda x: wg.cond(x > 0, yes, no, x)
    for run in (
        lambda: f(1.0),
        lambda: wg.grad(f)(1.0),
        lambda: wg.jvp(f, (1.0,), (1.0,)),
        lambda: wg.linearize(f, 1.0),
        lambda: wg.vjp(f, 1.0),
        lambda: wg.grad(wg.grad(f))(1.0),
    ):
        run()
        assert ran == ["yes"]
        ran.clear()
    wg.grad(f)(-1.0)
    assert ran == ["no"]


def test_branches_may_return_different_things_eagerly() -> None:
    f = lambda p: wg.cond(p, lambda: (1.0, {"a": np.ones(2)}), lambda: None)
    assert f(False) is None
    assert f(True)[0] == 1.0


# Batches.


BATCHED: dict[str, Function] = {
    "vmap": lambda f, xs: wg.vmap(f)(xs),
    "of a program": lambda f, xs: wg.vmap(wg.make_program(f)(xs[0]))(xs),
    "program": lambda f, xs: wg.make_program(wg.vmap(f))(xs)(xs),
    "nested": lambda f, xs: wg.vmap(wg.vmap(f))(np.stack([xs, xs[::-1]]))[0],
    "nested program": lambda f, xs: wg.make_program(wg.vmap(wg.vmap(f)))(np.stack([xs, xs]))(
        np.stack([xs, xs[::-1]])
    )[1][::-1],
}


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_no_row_sees_the_other_branch(name: str, order: int) -> None:
    """Warnings are errors in the tests: log of a number that is not positive would raise."""
    f: Function = log_or_double
    for _ in range(order):
        f = wg.grad(f)
    positive = XS > 0
    x = np.where(positive, XS, 1.0)
    due = [
        np.where(positive, np.log(x), 2.0 * XS),
        np.where(positive, 1 / x, 2.0),
        np.where(positive, -1 / x**2, 0.0),
    ][order]
    np.testing.assert_allclose(BATCHED[name](f, XS), due, rtol=1e-14)


CLOSED: dict[str, tuple[Function, int]] = {
    "vmap(grad)": (lambda: wg.vmap(wg.grad(closing, 1))(P, W), 1),
    "grad(vmap)": (lambda: wg.grad(lambda w: np.sum(wg.vmap(closing)(P, w)))(W), 1),
    "vmap(jvp)": (
        lambda: wg.vmap(lambda p, w: wg.jvp(lambda w: closing(p, w), (w,), (1.0,))[1])(P, W),
        1,
    ),
    "jvp(vmap)": (lambda: wg.jvp(lambda w: wg.vmap(closing)(P, w), (W,), (np.ones(4),))[1], 1),
    "linearize(vmap)": (
        lambda: wg.linearize(lambda w: wg.vmap(closing)(P, w), W)[1](np.ones(4)),
        1,
    ),
    "vjp(vmap)": (lambda: wg.vjp(lambda w: wg.vmap(closing)(P, w), W)[1](np.ones(4))[0], 1),
    "make_program(vmap(grad))": (
        lambda: wg.make_program(wg.vmap(wg.grad(closing, 1)))(P, W)(P, W),
        1,
    ),
    "make_program(grad(vmap))": (
        lambda: wg.make_program(wg.grad(lambda w: np.sum(wg.vmap(closing)(P, w))))(W)(W),
        1,
    ),
    "vmap(make_program(grad))": (
        lambda: wg.vmap(wg.make_program(wg.grad(closing, 1))(1.0, 1.0))(P, W),
        1,
    ),
    "grad(vmap(make_program))": (
        lambda: wg.grad(lambda w: np.sum(wg.vmap(wg.make_program(closing)(1.0, 1.0))(P, w)))(W),
        1,
    ),
    "jacfwd(vmap)": (lambda: np.diag(wg.jacfwd(lambda w: wg.vmap(closing)(P, w))(W)), 1),
    "jacrev(vmap)": (lambda: np.diag(wg.jacrev(lambda w: wg.vmap(closing)(P, w))(W)), 1),
    "vmap(hessian)": (lambda: wg.vmap(wg.hessian(closing, 1))(P, W), 2),
    "hessian(vmap)": (
        lambda: np.diag(wg.hessian(lambda w: np.sum(wg.vmap(closing)(P, w)))(W)),
        2,
    ),
    "make_program(hessian)": (
        lambda: [
            wg.make_program(wg.hessian(closing, 1))(1.0, 1.0)(*a) for a in np.stack([P, W], 1)
        ],
        2,
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_no_nan_comes_from_the_branch_not_taken(name: str) -> None:
    run, order = CLOSED[name]
    due = [1.0, -1.0, -1.0, 0.25] if order == 1 else [-1.0, 0.0, 0.0, -1 / 16]
    found = run()
    np.testing.assert_allclose(found, due, rtol=1e-14)


def test_closures_that_are_not_batched() -> None:
    """All rows agree: the other branch does not run at all."""
    v = np.array([1.0, -1.0])
    f = lambda v: lambda x: wg.cond(x > 0, lambda: np.sum(np.log(v)), lambda: np.sum(v * x))
    rows = np.array([-1.0, -2.0])
    np.testing.assert_array_equal(wg.vmap(f(v))(rows), [0.0, 0.0])
    np.testing.assert_array_equal(wg.vmap(wg.grad(f(v)))(rows), [0.0, 0.0])
    total = lambda v: np.sum(wg.vmap(f(v))(rows))
    np.testing.assert_array_equal(wg.grad(total)(v), [-3.0, -3.0])
    np.testing.assert_array_equal(wg.make_program(wg.grad(total))(v)(v), [-3.0, -3.0])


def test_rows_that_agree_run_one_branch_once() -> None:
    ran = []

    def yes(x: Any) -> Any:
        ran.append(1)
        return x * x

    f = lambda x: wg.cond(x > 0, yes, lambda x: x / 0.0, x)
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.array([1.0, 2.0])), [2.0, 4.0])
    assert ran == [1]


@pytest.mark.parametrize("in_axes", [(0, 0, 0), (0, None, 0), (0, 0, None), (None, 0, 0)])
def test_switch_of_batches_with_every_mix_of_operands(in_axes: tuple[Any, ...]) -> None:
    branches = [
        lambda x, y: (x * y[0], y),
        lambda x, y: (x + 1.0, y * x),
        lambda x, y: (0.0, y - 1.0),
    ]
    f = lambda i, x, y: wg.switch(i, branches, x, y)
    full = (np.array([2, 0, 1, 5, -1]), np.arange(5.0), np.arange(10.0).reshape(5, 2))
    args = tuple([a if axis == 0 else a[1] for a, axis in zip(full, in_axes, strict=True)])
    rows = [
        tuple([a[k] if axis == 0 else a for a, axis in zip(args, in_axes, strict=True)])
        for k in range(5)
    ]
    due = [np.stack(column) for column in zip(*[f(*row) for row in rows], strict=True)]
    for found in (
        wg.vmap(f, in_axes=in_axes)(*args),
        wg.make_program(wg.vmap(f, in_axes=in_axes))(*args)(*args),
        wg.vmap(wg.make_program(f)(*rows[0]), in_axes=in_axes)(*args),
    ):
        for a, b in zip(found, due, strict=True):
            np.testing.assert_array_equal(a, b)


def test_batches_of_size_zero_and_arrays_without_elements() -> None:
    for f in (log_or_double, wg.grad(log_or_double)):
        assert wg.vmap(f)(np.zeros(0)).shape == (0,)
        assert wg.make_program(wg.vmap(f))(np.zeros(0))(np.zeros(0)).shape == (0,)
    g = lambda p, x: wg.cond(p, np.sin, np.cos, x)
    empty = np.zeros((2, 0))
    assert wg.vmap(g)(np.array([True, False]), empty).shape == (2, 0)
    assert wg.make_program(g)(True, empty)(False, empty).shape == (2, 0)


# Programs.


class Pair(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


@dataclasses.dataclass
class Box:
    """A dataclass with a field that is no array."""

    x: Any
    name: str = "box"


def on_trees(p: Any, z: Any) -> Any:
    """Trees in and out, with None and text in them."""
    return wg.cond(
        p,
        lambda z: (Pair(z["box"].x * 2.0, None), Box(z["n"] * 1.0), [z["text"]]),
        lambda z: (Pair(z["box"].x, None), Box(0.0), [z["text"]]),
        z,
    )


def test_trees_go_in_and_out() -> None:
    z = {"box": Box(np.array([1.0, 2.0])), "n": 3, "text": "hello", "none": None}
    for p in (True, False):
        pair, box, text = on_trees(p, z)
        program = wg.make_program(on_trees)(True, z)
        check_program(program)
        for found in (program(p, z), wg.vmap(on_trees, in_axes=(0, None))(np.array([p, not p]), z)):
            assert type(found[0]) is Pair
            assert found[0].b is None
            assert found[2] == text == ["hello"]
            assert found[1].name == "box"
        np.testing.assert_array_equal(program(p, z)[0].a, pair.a)
        assert program(p, z)[1].x == box.x


def test_types_of_the_branches_are_joined() -> None:
    f = lambda p, x: wg.cond(p, lambda: x * 2, lambda: 1.0)
    for x in (np.float32(3), np.float64(3), np.complex64(3)):
        program = wg.make_program(f)(True, x)
        assert program(True, x).dtype == program(False, x).dtype == x.dtype
    whole = wg.make_program(f)(True, 3)
    assert whole(True, 3) == 6.0
    assert type(whole(True, 3)) is np.float64
    mixed = wg.vmap(f, in_axes=(0, None))(np.array([True, False]), np.float32(3))
    assert mixed.dtype == np.float32


def everything(x: Any) -> Any:
    """cond and switch, nested, whose branches close over each other's values."""
    y = wg.cond(x > 1.0, lambda a: wg.cond(a > 2.0, np.sin, np.cos, a * x), lambda a: a**2, x)
    k = np.floor(x).astype(int)
    return wg.switch(
        k, [lambda: x * y, lambda: np.exp(y), lambda: wg.cond(y > 0, lambda: y, lambda: np.pi)]
    )


POINTS = [0.5, 1.5, 2.5]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_programs_hold_all_branches(order: int) -> None:
    f: Function = everything
    for _ in range(order):
        f = wg.grad(f)
    program = wg.make_program(f)(np.float64(0.5))
    check_program(program)
    again = pickle.loads(pickle.dumps(program))
    assert str(again) == str(program)
    due = [f(x) for x in POINTS]
    np.testing.assert_allclose([program(x) for x in POINTS], due, rtol=1e-12)
    np.testing.assert_allclose([again(x) for x in POINTS], due, rtol=1e-12)
    np.testing.assert_allclose(wg.vmap(program)(np.array(POINTS)), due, rtol=1e-12)
    if order < 3:
        slopes = [wg.grad(f)(x) for x in POINTS]
        np.testing.assert_allclose([wg.grad(program)(x) for x in POINTS], slopes, rtol=1e-12)
        pushed = [wg.jvp(program, (x,), (1.0,))[1] for x in POINTS]
        np.testing.assert_allclose(pushed, slopes, rtol=1e-12)


def test_equations_in_branches_know_their_lines() -> None:
    def branch(x: Any) -> Any:
        return np.sin(x)  # this line

    program = wg.make_program(lambda p, x: wg.cond(p, branch, np.cos, x))(True, 1.0)
    inner = program.equations[-1].programs["branches[1]"]
    assert "(branch): return np.sin(x)  # this line" in str(inner.equations[0].source)
    assert "# this line" in program.pretty(source=True)


def test_closures_over_values_of_several_traces() -> None:
    def f(x: Any, y: Any, p: Any) -> Any:
        def inner(z: Any) -> Any:
            return wg.cond(p, lambda: x * y * z**2, lambda: np.sin(x) + z * y)

        return wg.grad(inner)(y * x)

    x, y = 1.3, 0.7
    for p, due in ((True, 2 * x * y * y * x), (False, y)):
        np.testing.assert_allclose(f(x, y, p), due)
        np.testing.assert_allclose(wg.make_program(f)(x, y, p)(x, y, p), due)
        g = wg.grad(f, (0, 1))
        np.testing.assert_allclose(wg.make_program(g)(x, y, p)(x, y, p), g(x, y, p), rtol=1e-14)
    both = wg.vmap(wg.grad(f, (0, 1)), in_axes=(0, None, 0))(np.full(2, x), y, np.array([1, 0]) > 0)
    for found, due in zip(both, zip(g(x, y, True), g(x, y, False), strict=True), strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-14)


def test_linear_transposes() -> None:
    f = lambda p: lambda x: wg.cond(p, lambda x: 2.0 * x, lambda x: x[::-1] * 3.0, x)
    ct = np.array([1.0, 10.0])
    for p, due in ((True, [2.0, 20.0]), (False, [30.0, 3.0])):
        np.testing.assert_array_equal(wg.linear_transpose(f(p), ct)(ct)[0], due)
        g = lambda p, ct: wg.linear_transpose(f(p), ct)(ct)[0]
        np.testing.assert_array_equal(wg.make_program(g)(True, ct)(p, ct), due)
    rows = wg.vmap(g)(np.array([True, False]), np.stack([ct, ct]))
    np.testing.assert_array_equal(rows, [[2.0, 20.0], [30.0, 3.0]])


# Mistakes.

ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda: wg.cond(XS > 0, lambda: 1, lambda: 2), ShapeError, r"pred must be a scalar"),
    (lambda: wg.cond("a", lambda: 1, lambda: 2), LeafTypeError, r"pred is neither an array"),
    (lambda: wg.switch(1.5, [np.sin], 2.0), DtypeError, r"the index must be an int"),
    (lambda: wg.switch(1, [], 2.0), TreeError, r"there are no branches"),
    (lambda: wg.switch(np.array([0]), [np.sin], 2.0), ShapeError, r"index must be a scalar"),
    (
        lambda: wg.make_program(lambda p: wg.cond(p > XS, lambda: 1, lambda: 2))(1.0),
        ShapeError,
        r"pred must be a scalar[\s\S]*bool\[4\]",
    ),
    (
        lambda: wg.make_program(lambda i: wg.switch(i, [np.sin], 2.0))(1.0),
        DtypeError,
        r"the index must be an int",
    ),
]
UNLIKE: list[tuple[Function, type[Exception], str]] = [
    (lambda p: wg.cond(p, lambda: 1.0, lambda: (2.0,)), TreeError, r"structure of the result of"),
    (lambda p: wg.cond(p, lambda: 1.0, lambda: None), TreeError, r"structure of the result of"),
    (lambda p: wg.cond(p, lambda: "a", lambda: "b"), TreeError, r"the value 'a'"),
    (lambda p: wg.cond(p, lambda: 1.0, lambda: XS), ShapeError, r"has another shape than"),
    (lambda p: wg.switch(p * 1, [lambda: 1.0, lambda: XS]), ShapeError, r"another shape than"),
    (lambda p: wg.cond(p, lambda: object(), lambda: 1.0), LeafTypeError, r"the result is neither"),
    (lambda p: wg.cond(p, lambda x: x, lambda x: x, object()), LeafTypeError, r"neither"),
]


@pytest.mark.parametrize(("run", "kind", "match"), ERRORS)
def test_wrong_arguments(run: Function, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        run()


@pytest.mark.parametrize(("run", "kind", "match"), UNLIKE)
def test_branches_that_do_not_fit_where_both_are_traced(
    run: Function, kind: type[Exception], match: str
) -> None:
    with pytest.raises(kind, match=match):
        wg.make_program(run)(True)
    with pytest.raises(kind, match=match):
        wg.vmap(run)(np.array([True, False]))


def test_an_exception_in_a_branch_leaves_nothing_behind() -> None:
    def fail(x: Any) -> Any:
        raise KeyError("mine")

    f = lambda x: wg.cond(x > 0, np.sin, fail, x)
    for run in (
        lambda: wg.make_program(f)(1.0),
        lambda: wg.vmap(f)(XS),
        lambda: wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(XS),
        lambda: wg.make_program(wg.vmap(wg.grad(f)))(XS),
        lambda: wg.grad(f)(-1.0),
    ):
        with pytest.raises(KeyError, match="mine"):
            run()
        assert RUNNING.traces == []

    def survive(x: Any) -> Any:
        with pytest.raises(KeyError):
            wg.vmap(f)(np.stack([x, -x]))
        return x * x

    assert wg.grad(survive)(3.0) == 6.0  # its trace has its class again


def test_random_numbers_in_a_branch_are_refused_in_programs() -> None:
    generator = np.random.default_rng(0)
    f = lambda p, x: wg.cond(p, lambda x: x + generator.normal(), np.sin, x)
    assert f(True, 0.0) != f(True, 0.0)
    with pytest.raises(UnsupportedError, match="generator drew random numbers"):
        wg.make_program(f)(True, 0.0)


def test_writing_to_a_closed_over_array_is_refused_where_branches_are_traced() -> None:
    def f(x: Any) -> Any:
        w = x * 2.0

        def branch(y: Any) -> Any:
            w[0] = y
            return y

        return wg.cond(x[0] > 0, branch, lambda y: y, x[1]) + np.sum(w)

    np.testing.assert_array_equal(wg.grad(f)(np.array([1.0, 2.0])), [0.0, 4.0])
    with pytest.raises(EscapedTracerError, match=r"made at[\s\S]*w\[0\] = y"):
        wg.make_program(f)(np.array([1.0, 2.0]))


def test_threads_do_not_meet() -> None:
    """One thread traces branches, while another maps over them."""
    found: dict[str, list[Any]] = {"vmap": [], "program": []}

    def run(name: str, work: Function) -> None:
        for _ in range(40):
            found[name].append(work())

    calls = {
        "vmap": lambda: wg.vmap(wg.grad(log_or_double))(XS),
        "program": lambda: wg.make_program(wg.grad(everything))(0.5)(1.5),
    }
    threads = [threading.Thread(target=run, args=pair) for pair in calls.items()]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all([np.array_equal(y, [0.5, 2.0, 2.0, 0.25]) for y in found["vmap"]])
    np.testing.assert_allclose(found["program"], [wg.grad(everything)(1.5)] * 40)


def test_closures_in_a_batch_in_a_program() -> None:
    """What is closed over is of another trace than the branch, also in a second operation alike."""

    def f(x: Any, y: Any) -> Any:
        return wg.cond(
            np.sum(y) > 0, lambda: np.sin(np.cos(np.sin(x))) * 2.0, lambda: np.sin(x) * np.sin(y)
        )

    x, y = np.array([[0.3, 0.5], [0.7, -0.2]]), np.array([[1.0, 2.0], [-1.0, -2.0]])
    due = np.stack([f(*v) for v in zip(x, y, strict=True)])
    np.testing.assert_allclose(wg.make_program(wg.vmap(f))(x, y)(x, y), due, rtol=1e-14)
    np.testing.assert_allclose(wg.staged(wg.vmap(f))(x, y), due, rtol=1e-14)
