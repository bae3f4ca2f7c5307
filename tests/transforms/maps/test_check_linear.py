"""`check_linear`: what it calls linear, and which equation and line it blames otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

X = np.array([2.0, -1.0, 0.5])
Z = X + 1j * X[::-1]
A = np.arange(9.0).reshape(3, 3) + np.eye(3)


def shifted(x: Any) -> Any:
    y = np.zeros_like(x)
    y[1:] = x[:-1]
    y += 2.0 * x
    return y


LINEAR = {
    "product": lambda x: A @ x / 3.0,
    "tree": lambda x: {"a": x[::-1], "b": [np.sum(x), np.cumsum(x)]},
    "zero": lambda x: np.zeros(2),
    "cancels": lambda x: (x + 1.0) - 1.0,
    "writes": shifted,
    "solve": lambda x: np.linalg.solve(A + np.eye(3), x),
    "fft": lambda x: np.fft.rfft(x),
    "mask": lambda x: np.where(np.arange(3) > 0, x, 0.0),
    "scan": lambda x: wg.scan(lambda c, a: (c + a, 2.0 * c), 0.0, x),
    "fori": lambda x: wg.fori_loop(0, 3, lambda i, v: v * i + x, x),
    "while": lambda x: wg.while_loop(
        lambda v: v[0] < 3, lambda v: (v[0] + 1, 2.0 * v[1]), (0, x)
    )[1],
    "cond": lambda x: wg.cond(True, lambda v: v, lambda v: -v, x),
    "checkpoint": wg.checkpoint(lambda x: 3.0 * x),
    "gradient": wg.grad(lambda x: np.sum(x * (A @ x))),
    "vmap": wg.vmap(lambda a: 2.0 * a),
    "staged": wg.staged(lambda x: 2.0 * x),
    "derivative": lambda x: wg.jvp(np.sin, (X,), (x,))[1],
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_linear(name: str) -> None:
    report = wg.check_linear(LINEAR[name], X)
    assert report, report
    assert report.kind == "linear" and report.why == "" and "is linear" in repr(report)


BROKEN = {
    "sine": (lambda x: np.sin(2.0 * x), "'sin' is not linear", "sin"),
    "square": (lambda x: x * x, "multiplies two values that both depend", "mul"),
    "inner": (lambda x: x @ x, "multiplies two values that both depend", "matmul"),
    "abs": (lambda x: np.abs(x), "'abs' is not linear", "abs"),
    "sort": (lambda x: np.sort(x), "'sort' is not linear", "sort"),
    "max": (lambda x: np.max(x), "is not linear", "max"),
    "inverse": (lambda x: 1.0 / x, "divides by a value that depends on the argument", "div"),
    "compare": (lambda x: np.where(x > 0, x, 0.0), "makes bools of a value", "greater"),
    "round": (lambda x: x.astype(int), "makes integers of a value", "astype"),
    "branch": (
        lambda x: wg.cond(x[0] > 0, lambda v: v, lambda v: -v, x),
        "makes bools of a value",
        "greater",
    ),
    "scan": (lambda x: wg.scan(lambda c, a: (c * a, c), 1.0, x), "multiplies two values", "mul"),
    "while": (
        lambda x: wg.while_loop(lambda v: v[0] < 3, lambda v: v + 1.0, x),
        "makes bools of a value",
        "less",
    ),
    "norm": (lambda x: x / np.linalg.norm(x), "is not linear", "norm"),
    "one of several": (lambda x: (x, {"a": x, "b": x**3}), "'pow' is not linear", "pow"),
    "later": (lambda x: np.sum(2.0 * np.exp(x) + 1.0), "'exp' is not linear", "exp"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_names_the_equation_that_breaks_linearity(name: str) -> None:
    fun, why, operation = BROKEN[name]
    report = wg.check_linear(fun, X)
    assert not report and report.kind == "nonlinear"
    assert why in report.why
    assert operation in report.equation
    assert report.source is not None and report.source.place.startswith("test_check_linear.py")


def test_names_the_line() -> None:
    def function(x: Any) -> Any:
        y = 3.0 * x
        z = np.cos(y)  # here
        return y + z

    report = wg.check_linear(function, X)
    assert repr(report) == (
        "function is not linear: 'cos' is not linear.\n"
        "  equation: c: f64[3] = cos b\n"
        f"  at:       {report.source}"
    )
    assert "z = np.cos(y)  # here" in repr(report)
    assert str(report.program).splitlines()[2].split() == report.equation.split()


def test_only_what_reaches_the_result_counts() -> None:
    def function(x: Any) -> Any:
        np.sin(x)
        return 2.0 * x

    assert wg.check_linear(function, X)


AFFINE = {
    "adds": (lambda x: 2.0 * x + 1.0, np.ones(3)),
    "subtracts": (lambda x: x - A[0], -A[0]),
    "constant": (lambda x: np.arange(2.0), np.arange(2.0)),
    "concatenates": (lambda x: np.concatenate([x, np.ones(1)]), np.array([0.0, 0, 0, 1])),
    "writes": (lambda x: with_one(x), np.array([1.0, 0, 0])),
    "loop": (lambda x: wg.fori_loop(0, 2, lambda i, v: v + 1.0, x), np.full(3, 2.0)),
    "scan": (lambda x: wg.scan(lambda c, a: (c + a, None), 5.0, x)[0], np.float64(5.0)),
}


def with_one(x: Any) -> Any:
    y = x + 0.0
    y[0] = 1.0
    return y


@pytest.mark.parametrize("name", AFFINE)
def test_affine_functions_show_their_constant_part(name: str) -> None:
    fun, constant = AFFINE[name]
    report = wg.check_linear(fun, X)
    assert not report and report.kind == "affine"
    np.testing.assert_array_equal(report.constant, constant)
    assert f"the constant part is {constant!r}" in repr(report)


def test_affine_in_trees() -> None:
    report = wg.check_linear(lambda p: {"y": p["a"] @ X, "z": p["b"] + 2.0}, {"a": A, "b": 0.0})
    assert report.kind == "affine"
    assert report.constant["z"] == 2.0 and not np.any(report.constant["y"])


def test_constants_that_are_traced_are_not_known() -> None:
    reports = []

    def outer(c: Any) -> Any:
        reports.append(wg.check_linear(lambda x: x + c, X))
        reports.append(wg.check_linear(lambda x: x * c, X))
        return c

    wg.grad(outer)(1.0)
    assert reports[0].kind == "affine" and "constant part is not known" in repr(reports[0])
    assert reports[1]


@pytest.mark.parametrize(
    ("fun", "name"),
    [
        (np.conj, "conjugate"),
        (np.real, "real"),
        (np.imag, "imag"),
        (lambda z: z + z.conj(), "conj"),
    ],
)
def test_linear_over_the_reals_alone(fun: Any, name: str) -> None:
    report = wg.check_linear(fun, Z)
    assert not report and report.kind == "linear over the reals alone"
    assert name in report.equation and "does not commute with multiplication by i" in report.why
    assert wg.check_linear(fun, Z, over="real")
    assert wg.check_linear(fun, X)


def test_complex_linear() -> None:
    assert wg.check_linear(lambda z: 1j * A @ z + np.fft.fft(z), Z)
    assert wg.check_linear(lambda z: np.conj(np.conj(z)), Z)
    assert wg.check_linear(lambda z: np.real(z) + 1j * np.imag(z), Z)
    assert wg.check_linear(lambda z: np.abs(z), Z).kind == "nonlinear"
    assert wg.check_linear(lambda z: (np.conj(z) + 1.0) - 1.0, Z).kind.startswith("linear over")


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x if x[0] > 0 else 2.0 * x,
        lambda x: x * float(x[0]),
        lambda x: x[: int(x[0])],
        lambda x: [x for _ in range(int(x[0]))],
    ],
)
def test_functions_whose_course_depends_on_values(fun: Any) -> None:
    report = wg.check_linear(fun, X)
    assert not report and report.kind == "nonlinear"
    assert "depends on the value of the argument" in report.why
    assert report.source is not None


def test_operations_that_cannot_be_traced() -> None:
    report = wg.check_linear(lambda x: np.busday_count(x, x), X)
    assert not report and report.kind in ("not known to be linear", "nonlinear")


def test_in_some_of_the_arguments() -> None:
    fun = lambda a, x, n: a @ x * n
    assert not wg.check_linear(fun, A, X, 3)
    assert wg.check_linear(fun, A, X, 3, argnums=1)
    assert wg.check_linear(fun, A, X, 3, argnames="a")
    assert wg.check_linear(lambda x, *, scale: scale * x, X, scale=2.0)
    assert wg.check_linear(lambda x, s: x if s == "id" else -x, X, "id")


def test_types_are_enough() -> None:
    aval = wg.core.ShapedArray((3,), np.dtype(float))
    assert wg.check_linear(lambda x: A @ x, aval)


def test_faulty_questions() -> None:
    with pytest.raises(errors.DtypeError, match="floats or complex numbers"):
        wg.check_linear(lambda x: x, 3)
    with pytest.raises(errors.DtypeError, match="no such field"):
        wg.check_linear(lambda x: x, 3.0, over="quaternions")
    with pytest.raises(ValueError, match="matmul"):
        wg.check_linear(lambda x: A[:, :2] @ x, X)


def test_agrees_with_linear_transpose() -> None:
    for fun in LINEAR.values():
        report = wg.check_linear(fun, X)
        L = wg.linear_map(fun, X)
        assert bool(report)
        v = np.array([0.3, -0.7, 1.1])
        for got, due in zip(wg.tree.leaves(L(v)), wg.tree.leaves(fun(v)), strict=True):
            np.testing.assert_allclose(got, due, atol=1e-14)


def test_the_line_is_the_users_where_the_function_is_numpys() -> None:
    report = wg.check_linear(np.abs, X)
    assert "test_check_linear.py" in str(report)
    assert "contextlib" not in str(report)
