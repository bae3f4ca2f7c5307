"""`wg.jet`: its signature, trees, dtypes, special points, costs, errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

Array = Any


def nested(f: Callable[[Array], Array], x: Array, order: int, t: Array = 1.0) -> list[Array]:
    """f and its derivatives along a line, by nested jvp."""
    found = [f(x)]
    for _ in range(order):
        f = (lambda g: lambda x: wg.jvp(g, (x,), (t,))[1])(f)
        found.append(f(x))
    return found


# Values.


def test_derivatives_of_a_curve() -> None:
    """Faà di Bruno's formula, to third order."""
    x, (x1, x2, x3) = 0.3, (0.5, -0.2, 0.7)
    y, (y1, y2, y3) = wg.jet(np.sin, (x,), ((x1, x2, x3),))
    s, c = np.sin(x), np.cos(x)
    np.testing.assert_allclose(y, s)
    np.testing.assert_allclose(y1, c * x1)
    np.testing.assert_allclose(y2, -s * x1**2 + c * x2)
    np.testing.assert_allclose(y3, -c * x1**3 - 3 * s * x1 * x2 + c * x3)


def test_unscaled_coefficients() -> None:
    terms = [0.5, -0.2, 0.7, 0.1]
    plain = wg.jet(np.exp, (0.3,), (terms,))[1]
    scaled = [t / math.factorial(k) for k, t in enumerate(terms, 1)]
    found = wg.jet(np.exp, (0.3,), (scaled,), factorial_scaled=False)[1]
    for k, (a, b) in enumerate(zip(plain, found, strict=True), 1):
        np.testing.assert_allclose(a, b * math.factorial(k))


def test_high_orders_without_factorials() -> None:
    order = 200
    found = wg.jet(
        lambda x: 1 / (1 - x), (0.5,), ([1.0, *[None] * (order - 1)],), factorial_scaled=False
    )[1]
    np.testing.assert_allclose(found, 2.0 ** np.arange(2, order + 2), rtol=1e-12)


def test_several_arguments_and_results() -> None:
    def f(x: Array, y: Array) -> dict[str, Array]:
        return {"product": x @ y, "sum": np.sum(x) + y, "same": x}

    x, y = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    u, v = np.array([1.0, 0.0]), np.array([0.5, 1.0])
    out, series = wg.jet(f, (x, y), ([u, None], [v, None]))
    assert set(series) == {"product", "sum", "same"}
    np.testing.assert_allclose(out["product"], x @ y)
    np.testing.assert_allclose(series["product"], [u @ y + x @ v, 2 * u @ v])
    np.testing.assert_allclose(series["sum"], [np.sum(u) + v, np.zeros(2)])
    np.testing.assert_allclose(series["same"], [u, np.zeros(2)])


def test_trees() -> None:
    def f(p: dict[str, Any]) -> Array:
        return np.tanh(p["w"] @ p["more"][0] + p["b"])

    p = {"w": np.ones((2, 3)), "b": np.zeros(2), "more": (np.arange(3.0), "text", 4)}
    w1 = np.full((2, 3), 0.1)
    series = {"w": [w1, 0 * w1], "b": None, "more": ([np.ones(3), None], None, None)}
    y, (y1, y2) = wg.jet(f, (p,), (series,))

    def along(t: Array) -> Array:
        moved = (p["more"][0] + t, "text", 4)
        return f({"w": p["w"] + t * w1, "b": p["b"], "more": moved})

    want = nested(along, 0.0, 2)
    np.testing.assert_allclose([y, y1, y2], want)


def test_jets_compose() -> None:
    """A result and its series are arguments of the next jet: the chain rule of jets."""
    x = {"a": 0.3, "b": np.array([1.0, 2.0])}
    series = {"a": [1.0, 0.5, 0.1], "b": [np.ones(2), np.zeros(2), np.ones(2)]}
    f = lambda p: {"u": p["a"] * p["b"], "v": np.sin(p["b"])}
    g = lambda q: np.sum(q["u"] * np.exp(q["v"]))
    y, y_series = wg.jet(f, (x,), (series,))
    got = wg.jet(g, (y,), (y_series,))
    want = wg.jet(lambda p: g(f(p)), (x,), (series,))
    np.testing.assert_allclose([got[0], *got[1]], [want[0], *want[1]])


def test_integers_text_and_constants() -> None:
    f = lambda x, n, how: (x**n, np.floor(x), int(n) * 2, how, 3.0)
    y, series = wg.jet(f, (1.5, 3, "up"), ([1.0, 0.0], None, None))
    assert y[2:] == (6, "up", 3.0)
    np.testing.assert_allclose(series[0], [6.75, 9.0])
    assert series[1] == [0.0, 0.0]
    assert series[2] == [0, 0]
    assert series[3] is None
    assert series[4] == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["f4", "f8", "c8", "c16"])
def test_dtypes(kind: str) -> None:
    x = np.array([0.5, 1.5], kind)
    y, series = wg.jet(lambda x: np.exp(x) / (1 + x * x) ** 1.5, (x,), ([x, x, x],))
    for v in (y, *series):
        assert v.dtype == x.dtype
        assert v.shape == (2,)


def test_kinds_of_numbers() -> None:
    for x in (0.5, np.float64(0.5), np.array(0.5)):
        y, (y1, _) = wg.jet(lambda x: x * x, (x,), ([1.0, 0.0],))
        assert type(y) is np.float64
        assert type(y1) is np.float64


def test_empty_arrays_and_order_zero() -> None:
    y, series = wg.jet(lambda x: np.sin(x) * 2, (np.zeros((0, 3)),), ([np.zeros((0, 3))] * 2,))
    assert y.shape == (0, 3)
    assert [t.shape for t in series] == [(0, 3)] * 2
    assert wg.jet(np.sin, (0.0,), ([],)) == (0.0, [])


def test_results_are_the_users() -> None:
    x, t = np.ones(2), np.ones(2)
    y, (y1, y2) = wg.jet(lambda x: x, (x,), ([t, None],))
    for v in (y1, y2):
        v += 1
    np.testing.assert_array_equal(y, np.ones(2))
    np.testing.assert_array_equal(t, np.ones(2))


def test_python_control_flow_and_printing(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Array) -> Array:
        print(x)
        n = 0
        while x > 1:
            x = x / 2
            n += 1
        return x * n

    _, (y1,) = wg.jet(f, (5.0,), ([1.0],))
    assert y1 == 3 / 8
    assert "jet of f" in capsys.readouterr().out


def test_a_nested_jet_sees_its_own_variable_alone() -> None:
    """Perturbations are not confused: d/dx (x d/dy (x + y)) = 1."""
    inner = lambda x: wg.jet(lambda y: x + y, (1.0,), ([1.0],))[1][0]
    assert wg.jet(lambda x: x * inner(x), (1.0,), ([1.0, 0.0],))[1] == [1.0, 0.0]


def test_threads_and_errors_leave_nothing_behind() -> None:
    def broken(x: Array) -> Array:
        np.exp(x)
        raise RuntimeError("on purpose")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="on purpose"):
            wg.jet(broken, (1.0,), ([1.0, 0.0],))
    assert wg.core.tracing.RUNNING.traces == []
    np.testing.assert_allclose(wg.jet(np.exp, (0.0,), ([1.0, 0.0],))[1], [1, 1])


def test_a_custom_rule_that_closes_over_a_traced_value() -> None:
    def f(x: Array) -> Array:
        @wg.custom_jvp
        def scaled(y: Array) -> Array:
            return np.sin(y) * x

        scaled.defjvp(lambda p, t: (scaled(p[0]), 2 * np.cos(p[0]) * x * t[0]))
        return scaled(2.0 * wg.stop_gradient(x)) + 0 * x

    got = wg.jet(f, (0.5,), ([1.0, 0.0, 0.0],))[1]
    np.testing.assert_allclose(got, [np.sin(1.0), 0, 0], atol=1e-15)


def test_custom_rules_are_in_force() -> None:
    @wg.custom_jvp
    def f(x: Array) -> Array:
        return np.sin(x)

    f.defjvp(lambda p, t: (f(p[0]), 3.0 * p[0] * t[0]))
    np.testing.assert_allclose(wg.jet(f, (2.0,), ([1.0, 0.0, 0.0],))[1], [6.0, 3.0, 0.0])


# Special points: the same as nested jvp.

POINTS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "sqrt-0": (np.sqrt, 0.0),
    "cbrt-0": (np.cbrt, 0.0),
    "abs-0": (np.abs, 0.0),
    "abs-of-square": (lambda x: np.abs(x * x), 0.0),
    "maximum-tie": (lambda x: np.maximum(x, x * x), 1.0),
    "clip-edge": (lambda x: np.clip(x, 0.0, 1.0), 1.0),
    "x**0": (lambda x: x**0, 0.0),
    "x**0.0": (lambda x: np.power(x, 0.0), 0.0),
    "x**1": (lambda x: x**1, 0.0),
    "x**2": (lambda x: x**2, 0.0),
    "x**3": (lambda x: x**3, 0.0),
    "x**5": (lambda x: np.power(x, 5.0), 0.0),
    "x**20": (lambda x: x**20, 0.0),
    "x**20-negative": (lambda x: x**20, -1.5),
    "x**-3-negative": (lambda x: x**-3.0, -1.5),
    "x**2.5": (lambda x: x**2.5, 0.0),
    "x**0.5": (lambda x: x**0.5, 0.0),
    "x**-1": (lambda x: x**-1.0, 0.0),
    "negative**0.5": (lambda x: x**0.5, -1.0),
    "0**x": (lambda x: np.power(0.0, x), 2.0),
    "x**x": (lambda x: np.power(x, x), 0.5),
    "log-0": (np.log, 0.0),
    "log-negative": (np.log, -1.0),
    "1/0": (lambda x: 1 / x, 0.0),
    "0/0": (lambda x: x / x, 0.0),
    "sin/x": (lambda x: np.sin(x) / x, 0.0),
    "sinc": (np.sinc, 0.0),
    "arcsin-1": (np.arcsin, 1.0),
    "arctan2": (lambda x: np.arctan2(x, x), 0.0),
    "hypot": (lambda x: np.hypot(x, 2 * x), 0.0),
    "norm": (lambda x: np.linalg.norm(np.stack([x, 2 * x])), 0.0),
    "inf": (np.exp, np.inf),
    "tanh-far": (np.tanh, 400.0),
    "nan": (np.sin, np.nan),
    "x*log(x)": (lambda x: x * np.log(x), 0.0),
    "where-guard": (lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0), 0.0),
}


@pytest.mark.parametrize("name", POINTS)
def test_special_points(name: str) -> None:
    f, x = POINTS[name][0], np.float64(POINTS[name][1])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        want = nested(f, x, 3)
        y, terms = wg.jet(f, (x,), ([1.0, None, None],))
        np.testing.assert_allclose([y, *terms], want, rtol=1e-12, atol=1e-300)


def test_whole_powers_at_zero() -> None:
    """Where a recurrence would divide by zero."""
    for p in (1, 2, 3, 7, 9, 12):
        got = wg.derivatives(lambda x, p=p: x**p, 0.0, 12)
        want = np.zeros(13)
        want[p] = math.factorial(p)
        np.testing.assert_array_equal(got, want)


# Costs.


def composed(x: Array) -> Array:
    return np.exp(np.sin(x)) / (1.0 + np.tanh(x) ** 2)


def equations_of(program: wg.Program) -> int:
    return len(program.equations)


def test_the_number_of_operations_is_quadratic() -> None:
    jets = [equations_of(wg.make_program(lambda x, n=n: wg.derivatives(composed, x, n))(0.4))
            for n in (4, 8, 12)]  # fmt: skip
    # Quadratic: equal differences of second order would be 32 c; far from doubling with each order.
    assert jets[2] < 3.2 * jets[1] < 3.2 * 4 * jets[0]
    doubling = []
    for n in (4, 5, 6):
        f: Any = composed
        for _ in range(n):
            f = (lambda g: lambda x: wg.jvp(g, (x,), (1.0,))[1])(f)
        doubling.append(equations_of(wg.make_program(f)(0.4)))
    assert doubling[2] > 1.8 * doubling[1] > 1.8 * 1.8 * doubling[0]
    # To order 12, nested jvp would take 64 times what they take to order 6.
    assert jets[2] < doubling[2] * 64 / 20


def test_order_12_against_nested_jvp() -> None:
    f = lambda x: x * np.exp(x)
    got = wg.derivatives(f, 0.4, 12)
    np.testing.assert_allclose(got, [np.exp(0.4) * (0.4 + k) for k in range(13)], rtol=1e-13)
    np.testing.assert_allclose(got[:8], nested(f, 0.4, 7), rtol=1e-13)


@pytest.mark.parametrize(
    "f", [np.exp, np.sin, np.tanh, np.log, np.sqrt, np.arctan, lambda x: x**0.3, np.tan]
)
def test_each_elementary_function_is_quadratic(f: Any) -> None:
    def count(n: int) -> int:
        return equations_of(wg.make_program(lambda x: wg.derivatives(f, 1.0 + x, n))(0.4))

    small, large = count(6), count(12)
    assert large < 4.8 * small


MATRIX = np.array([[3.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 5.0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.linalg.solve(MATRIX * x + np.eye(3), np.stack([x, x * x, 1.0])),
        lambda x: np.linalg.eigh(MATRIX * x + np.diag([1.0, 2.0, 3.0]) * x**2)[1] ** 2,
        lambda x: np.linalg.inv(MATRIX * x + np.eye(3)),
        lambda x: np.linalg.cholesky(MATRIX * x + np.eye(3)),
    ],
)
def test_linear_algebra_is_not_exponential(f: Any) -> None:
    count = lambda n: equations_of(wg.make_program(lambda x: wg.derivatives(f, x, n))(0.4))
    assert count(12) < 10 * count(6)
    np.testing.assert_allclose(wg.derivatives(f, 0.4, 4), nested(f, 0.4, 4), rtol=1e-9, atol=1e-9)


def test_functions_of_matrices_to_high_order() -> None:
    expm = pytest.importorskip("wengert.scipy").linalg.expm
    values, vectors = np.linalg.eigh(MATRIX)
    got = wg.derivatives(lambda x: expm(MATRIX * x), 0.1, 12)
    for k in (0, 1, 7, 12):
        want = (vectors * (values**k * np.exp(0.1 * values))) @ vectors.T
        np.testing.assert_allclose(got[k], want, rtol=1e-10)
    got = wg.derivatives(lambda x: np.linalg.det(MATRIX * np.exp(x)), 0.1, 12)
    np.testing.assert_allclose(got, np.linalg.det(MATRIX) * np.exp(0.3) * 3.0 ** np.arange(13))
    singular = lambda x: np.linalg.det(np.ones((3, 3)) * x)
    np.testing.assert_allclose(wg.derivatives(singular, 1.0, 3), np.zeros(4), atol=1e-12)


# Errors.


def test_series_that_do_not_fit() -> None:
    x = np.ones(3)
    f = lambda x: np.sum(x)
    with pytest.raises(wg.errors.TreeError, match="series must come as a tuple"):
        wg.jet(f, (x,), 1.0)  # type: ignore[arg-type]
    with pytest.raises(wg.errors.TreeError, match="a series for each argument") as caught:
        wg.jet(f, (x,), ([x], [x]))
    assert "2 for 1 arguments" in str(caught.value)
    with pytest.raises(wg.errors.TreeError, match=r"series\[0\] must be a list of terms"):
        wg.jet(np.sin, (1.0,), (1.0,))
    with pytest.raises(wg.errors.ShapeError, match="the same number of terms") as caught:
        wg.jet(np.add, (1.0, 2.0), ([1.0], [1.0, 0.0]))
    assert "1 in series[0], 2 in series[1]" in str(caught.value)
    with pytest.raises(wg.errors.TreeError, match="no argument has a series"):
        wg.jet(np.sin, (1.0,), (None,))
    with pytest.raises(wg.errors.ShapeError, match=r"term \[0\]\[1\] of the series"):
        wg.jet(f, (x,), ([x, np.ones(2)],))
    with pytest.raises(wg.errors.DtypeError, match="another dtype than its primal"):
        wg.jet(f, (x,), ([1j * x],))
    with pytest.raises(wg.errors.LeafTypeError, match="term"):
        wg.jet(f, (x,), (["text"],))
    with pytest.raises(wg.errors.TreeError, match="must come as a tuple"):
        wg.jet(f, x, ([x],))


def test_series_of_trees_that_do_not_fit() -> None:
    p = {"w": 1.0, "b": (2.0, 3.0)}
    f = lambda p: p["w"] * p["b"][0]
    with pytest.raises(wg.errors.TreeError, match="structure of its argument") as caught:
        wg.jet(f, (p,), ({"w": [1.0]},))
    assert "a list of terms for each leaf" in str(caught.value)
    with pytest.raises(wg.errors.TreeError, match=r"series\[0\]\['b'\]"):
        wg.jet(f, (p,), ({"w": [1.0], "b": [[1.0], [1.0]]},))
    with pytest.raises(wg.errors.TreeError, match="has no derivative"):
        wg.jet(lambda x, n: x * n, (1.0, 2), ([1.0], [1.0]))
    assert wg.jet(lambda x, n: x * n, (1.0, 2), ([1.0], [0]))[1] == [2.0]


def test_arguments_without_a_derivative() -> None:
    with pytest.raises(wg.errors.DtypeError, match="integers, which have no derivative"):
        wg.jet(np.sin, (1,), ([1.0],))


def test_factorials_that_overflow() -> None:
    many = [1.0, *[None] * 170]
    with pytest.raises(wg.errors.UnsupportedError, match="scaled by 171!") as caught:
        wg.jet(np.sin, (1.0,), (many,))
    assert "factorial_scaled=False" in str(caught.value)
    with pytest.raises(wg.errors.UnsupportedError, match="scaled by 40!"):
        wg.jet(np.sin, (np.float32(1),), ([np.float32(1), *[None] * 39],))


def test_functions_without_a_derivative_rule() -> None:
    only_impl = wg.core.Primitive(
        "test_jet_only_impl", np.sin, shape=lambda x: x, batch=lambda size, batched, x: x
    )
    with pytest.raises(wg.errors.MissingRuleError, match="jet: primitive 'test_jet_only_impl'"):
        wg.jet(only_impl.bind, (1.0,), ([1.0, 0.0],))
    wg.core.Primitive.registry.pop("test_jet_only_impl")


def test_escaped_tracers() -> None:
    kept: list[Any] = []
    wg.jet(lambda x: kept.append(x) or x, (1.0,), ([1.0],))  # type: ignore[func-returns-value]
    with pytest.raises(wg.errors.EscapedTracerError, match="escaped from jet"):
        np.sin(kept[0])
