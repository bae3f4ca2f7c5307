"""Linearization: linear functions that are run many times, printed, transposed, transformed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Literal, check_program

X = np.array([0.1, 0.5, 0.9])


def f(x: Any, y: Any) -> Any:
    """A function of two arguments with a tree of results."""
    return {"a": np.sin(x) * y, "b": np.sum(x[1:] ** 2)}


def test_agrees_with_jvp(rng: np.random.Generator) -> None:
    y, f_lin = wg.linearize(f, X, 2.0)
    np.testing.assert_array_equal(y["a"], f(X, 2.0)["a"])
    for _ in range(5):
        t, s = rng.normal(size=3), rng.normal()
        found, due = f_lin(t, s), wg.jvp(f, (X, 2.0), (t, s))[1]
        np.testing.assert_allclose(found["a"], due["a"])
        np.testing.assert_allclose(found["b"], due["b"])


def test_the_function_is_run_once() -> None:
    calls = []

    def g(x: Any) -> Any:
        calls.append(1)
        return np.exp(x)

    _, g_lin = wg.linearize(g, X)
    for _ in range(10):
        g_lin(X)
        g_lin.transpose(X)
    assert len(calls) == 1


def test_results_of_two_calls_are_not_aliased() -> None:
    _, f_lin = wg.linearize(
        lambda x: (x, x + 0.0 * x, np.broadcast_to(x.sum(), (2,)), np.zeros(3)), X
    )
    t = np.ones(3)
    first, second = f_lin(t), f_lin(t)
    due = [np.array(v) for v in second]
    for v in first:
        v[...] = np.nan
    np.testing.assert_array_equal(t, np.ones(3))
    for a, b in zip(second, due, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(f_lin(t), due, strict=True):
        np.testing.assert_array_equal(a, b)


def test_changing_a_result_does_not_change_the_linear_function() -> None:
    y, f_lin = wg.linearize(np.exp, X)
    due = f_lin(np.ones(3))
    y[...] = 0.0
    np.testing.assert_array_equal(f_lin(np.ones(3)), due)


def test_transpose_is_the_transpose(rng: np.random.Generator) -> None:
    _, f_lin = wg.linearize(f, X, 2.0)
    ct = {"a": rng.normal(size=3), "b": rng.normal()}
    t, s = rng.normal(size=3), rng.normal()
    pushed, pulled = f_lin(t, s), f_lin.transpose(ct)
    np.testing.assert_allclose(
        ct["a"] @ pushed["a"] + ct["b"] * pushed["b"], pulled[0] @ t + pulled[1] * s
    )
    np.testing.assert_array_equal(pulled[0], wg.vjp(f, X, 2.0)[1](ct)[0])


def test_the_program_is_linear_and_checks() -> None:
    _, f_lin = wg.linearize(f, X, 2.0)
    program = f_lin.program
    check_program(program)
    found, due = program(np.ones(3), 1.0), f_lin(np.ones(3), 1.0)
    np.testing.assert_array_equal(found["a"], due["a"])
    assert found["b"] == due["b"]
    pulled = wg.linear_transpose(program, X, 2.0)({"a": np.ones(3), "b": 1.0})
    np.testing.assert_allclose(pulled[0], f_lin.transpose({"a": np.ones(3), "b": 1.0})[0])


def test_the_program_prints() -> None:
    _, f_lin = wg.linearize(lambda x: np.sum(x * x), np.array([1.0, 2.0]))
    assert str(f_lin.program) == (
        "program [b: f64[2]] (a: f64[2]) -> (f64[]) {\n"
        "  c: f64[2] = mul a b\n"
        "  d: f64[2] = mul a b\n"
        "  e: f64[2] = add c d\n"
        "  f: f64[]  = reduce_sum[axes=(0,)] e\n"
        "  return f\n"
        "}"
    )
    assert repr(f_lin).endswith("(f64[2],) -o (f64[],)>")


def test_scalars_are_literals_in_the_program() -> None:
    _, f_lin = wg.linearize(lambda x: np.sin(x) * 3.0, 0.0)
    assert f_lin.program.constants == ()
    values = [a.value for e in f_lin.program.equations for a in e.inputs if type(a) is Literal]
    assert values == [1.0, 3.0]


def test_zero_and_integer_outputs() -> None:
    y, f_lin = wg.linearize(lambda x: (np.floor(x), x.argmax(), 1.5, x), X)
    floor, arg, constant, x = f_lin(np.ones(3))
    np.testing.assert_array_equal(floor, np.zeros(3))
    assert arg == 0
    assert constant == 0.0
    np.testing.assert_array_equal(x, np.ones(3))
    assert y[1] == 2
    check_program(f_lin.program)


def test_has_aux() -> None:
    y, f_lin, aux = wg.linearize(lambda x: (x**2, (x, "note")), 3.0, has_aux=True)
    assert (y, f_lin(1.0), aux) == (9.0, 6.0, (3.0, "note"))


def test_the_linear_function_can_be_batched_and_differentiated() -> None:
    _, f_lin = wg.linearize(lambda x: np.sin(x) * x[0], X)
    jac = wg.vmap(f_lin)(np.eye(3)).T
    np.testing.assert_allclose(jac, wg.jacobian(lambda x: np.sin(x) * x[0])(X))
    np.testing.assert_allclose(wg.jacobian(f_lin)(X), jac)
    np.testing.assert_allclose(wg.make_program(f_lin)(X)(X), f_lin(X))
    np.testing.assert_allclose(wg.grad(lambda t: np.sum(f_lin(t)))(X), jac.sum(0))


def test_linearize_inside_a_derivative() -> None:
    def g(x: Any) -> Any:
        y, lin = wg.linearize(np.sin, x)
        return lin(x) * y  # x cos x sin x

    x = 0.7
    due = np.cos(2 * x) * x + np.sin(2 * x) / 2
    np.testing.assert_allclose(wg.grad(g)(x), due)
    np.testing.assert_allclose(wg.jvp(g, (x,), (1.0,))[1], due)
    np.testing.assert_allclose(wg.vmap(wg.grad(g))(np.array([x, x])), [due, due])


def test_tangents_may_be_python_floats_that_are_traced() -> None:
    assert wg.grad(lambda x: wg.linearize(lambda y: y**2, 3.0)[1](x))(2.0) == 6.0
    assert wg.grad(lambda x: wg.jvp(lambda y: y**2, (3.0,), (x,))[1])(2.0) == 6.0
    assert wg.grad(lambda x: wg.vjp(lambda y: y**2, 3.0)[1](x)[0])(2.0) == 6.0
    assert wg.grad(lambda x: wg.linear_transpose(lambda y: y * 6.0, 3.0)(x)[0])(2.0) == 6.0
    assert wg.make_program(lambda x: wg.jvp(np.square, (3.0,), (x,))[1])(2.0)(4.0) == 24.0


def test_linear_function_of_a_constant_function() -> None:
    y, f_lin = wg.linearize(lambda x: np.ones(2), X)
    np.testing.assert_array_equal(f_lin(X), np.zeros(2))
    np.testing.assert_array_equal(f_lin.transpose(np.ones(2))[0], np.zeros(3))
    np.testing.assert_array_equal(y, np.ones(2))
    f_lin(X)[0] = 1.0  # writable


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_dtypes(dtype: Any) -> None:
    x = np.ones(3, dtype)
    y, f_lin = wg.linearize(lambda v: np.exp(v) * 2, x)
    assert f_lin(x).dtype == f_lin.transpose(x)[0].dtype == y.dtype == dtype
