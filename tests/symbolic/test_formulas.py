"""`to_sympy`, `to_latex` and `symbolic_derivative`, compared with numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import (
    ConcretizationError,
    DtypeError,
    MissingRuleError,
    ShapeError,
    TreeError,
)
from wengert.transforms.symbolic.extra import _module
from wengert.transforms.symbolic.numbers import exact

sympy = pytest.importorskip("sympy")
special = pytest.importorskip("wengert.scipy.special")

SCALAR: dict[str, Callable[..., Any]] = {
    "polynomial": lambda x: 3 * x**3 - x / 7.0 + 0.1,
    "gauss": lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "trigonometric": lambda x: np.sin(x) * np.cos(2 * x) + np.tan(x / 3) + np.arctan(x),
    "inverse": lambda x: np.arcsin(x / 5) + np.arccos(x / 5) * x + np.arcsinh(x),
    "hyperbolic": lambda x: np.tanh(x) * np.cosh(x) - np.sinh(x) + np.arctanh(x / 9),
    "logarithms": lambda x: np.log(x) + np.log2(x) * np.log10(x) + np.log1p(x) + np.expm1(x / 2),
    "powers": lambda x: x**1.5 + 2.0**x + np.cbrt(x) + np.sqrt(x) + np.reciprocal(x) + x**x,
    "kinks": lambda x: np.abs(x - 1) + np.maximum(x, 0.3) * np.minimum(x, 2.0) + np.sign(x) * x,
    "choice": lambda x: np.where(x > 0.5, x**2, np.sin(x)) + np.clip(x, 0.1, 3.0),
    "branch": lambda x: wg.cond(x > 0.5, lambda: np.exp(x), lambda: x),
    "switch": lambda x: wg.switch(np.floor(x).astype(int), [lambda: x, lambda: x * x, lambda: -x]),
    "loop": lambda x: wg.fori_loop(0, 4, lambda i, c: np.sin(c) + i * x, x),
    "scan": lambda x: np.sum(wg.scan(lambda c, a: (c * a, c + a), x, np.array([1.0, 0.5]))[1]),
    "while": lambda x: wg.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0, x))[1],
    "rounding": lambda x: x * np.floor(x) + np.ceil(x) + np.trunc(x),
    "remainder": lambda x: np.remainder(x, 0.7) + np.fmod(x, 0.3) * x,
    "sums": lambda x: np.sum(np.stack([x, x * x, np.cos(x)]) ** 2) / 3 + np.prod(np.stack([x, x])),
    "statistics": lambda x: np.var(np.stack([x, 1.0, x * x])) + np.std(np.stack([x, 2.0])),
    "norms": lambda x: np.linalg.norm(np.stack([x, 2 * x, 1.0])) + np.hypot(x, 1.0),
    "matrices": lambda x: np.linalg.det(np.array([[2.0, 0.3], [0.1, 1.0]]) * x),
    "solve": lambda x: np.linalg.solve(np.eye(2) * x + 0.3, np.ones(2)) @ np.ones(2),
    "logsumexp": lambda x: special.logsumexp(np.stack([x, 2 * x, 0.3])),
    "normal": lambda x: special.erf(x) + special.ndtr(x) * special.erfc(x),
    "gamma": lambda x: special.gamma(x) + special.gammaln(x) + special.psi(x),
    "bessel": lambda x: special.j0(x) + special.jv(2, x) + special.i1(x),
    "logistic": lambda x: special.expit(x) + special.xlogy(x, x) + np.logaddexp(x, 1.0),
    "checkpoint": lambda x: wg.checkpoint(lambda y: np.sin(np.cos(y)))(x),
    "staged": lambda x: wg.staged(np.sin)(x * x),
}  # fmt: skip
POINTS = np.array([0.31, 0.77, 1.9])


@pytest.mark.parametrize("fun", SCALAR.values(), ids=SCALAR)
def test_formulas_have_the_values_of_the_function(fun: Callable[..., Any]) -> None:
    x = sympy.Symbol("x", real=True)
    formula = wg.to_sympy(fun, x)
    for p in POINTS:
        assert float(formula.subs(x, p)) == pytest.approx(fun(p), rel=1e-12)


@pytest.mark.parametrize("fun", SCALAR.values(), ids=SCALAR)
def test_symbolic_derivatives_are_gradients(fun: Callable[..., Any]) -> None:
    d = wg.symbolic_derivative(fun)
    for p in POINTS:
        due = wg.grad(fun)(p)
        found = float(d.expression.subs(d.variables[0], p))
        assert found == pytest.approx(due, rel=1e-9), d
        assert d(p) == pytest.approx(due, rel=1e-9)
    of_grad = wg.to_sympy(wg.grad(fun), d.variables[0])
    assert float(of_grad.subs(d.variables[0], 0.77)) == pytest.approx(wg.grad(fun)(0.77), rel=1e-9)


def test_known_formulas() -> None:
    x, y = sympy.symbols("x y", real=True)
    assert wg.to_sympy(lambda x, y: x * np.sin(y)) == x * sympy.sin(y)
    assert wg.symbolic_derivative(lambda x: np.log(1.0 + x**2)).expression == 2 * x / (x**2 + 1)
    assert wg.symbolic_derivative(np.sin, order=3).variables[0].name == "x"
    assert repr(wg.symbolic_derivative(np.sin, order=3)) == "-cos(x)"
    both = wg.symbolic_derivative(lambda x, y: x**2 * y, (0, 1))
    assert both.expression == (2 * x * y, x**2)
    assert wg.to_sympy(lambda x: np.exp(1j * x)) == sympy.exp(sympy.I * x)


def test_arrays_of_symbols() -> None:
    A, x = np.ones((2, 2)), np.ones(2)
    found = wg.to_sympy(lambda A, x: A @ x, A, x)
    assert str(found) == "[A00*x0 + A01*x1, A10*x0 + A11*x1]"
    assert str(wg.to_sympy(np.linalg.inv, A).det().simplify()) == "1/(a00*a11 - a01*a10)"
    assert wg.to_sympy(lambda x: x.T, A).shape == (2, 2)
    assert wg.to_sympy(lambda x: x[None, None], x).shape == (1, 1, 2)
    assert str(wg.to_sympy(lambda x: x, np.ones((1, 12)))[0, 11]) == "x_0_11"
    assert str(wg.to_sympy(lambda x, x1: x * x1, x, 2.0)) == "[x1*x_0, x1*x_1]"


def test_trees_and_constants() -> None:
    params = {"w": np.ones(2), "b": 1.0}
    f = lambda params, labels: {
        "y": np.tanh(params["w"][labels] + params["b"]),
        "n": (params["b"],),
    }
    found = wg.to_sympy(f, params, np.array([1, 0]))
    assert str(found["y"]) == "[tanh(b + w1), tanh(b + w0)]"
    assert str(found["n"][0]) == "b"
    clash = wg.to_sympy(lambda p, q: p["a"] * q["a"], {"a": 1.0}, {"a": 1.0})
    assert str(clash) == "p_a*q_a"
    assert wg.to_sympy(lambda n, x: x**n, 3, 2.0).free_symbols == {
        sympy.Symbol("n", integer=True), sympy.Symbol("x", real=True)
    }  # fmt: skip


def test_symbols_of_the_callers_own() -> None:
    t = sympy.Symbol("t", positive=True)
    assert wg.to_sympy(lambda x: np.sqrt(x**2), t) == t
    inverse = wg.to_sympy(np.linalg.inv, sympy.Matrix([[t, 1], [0, 2]]))
    assert inverse == sympy.Matrix([[1 / t, -1 / (2 * t)], [0, sympy.Rational(1, 2)]])
    assert wg.to_sympy(lambda x: np.sum(x), np.array([t, 2 * t], object)) == 3 * t


@pytest.mark.parametrize(
    ("value", "due"),
    [(0.5, "1/2"), (0.1, "1/10"), (2.0, "2"), (np.pi / 2, "pi/2"), (np.log(2), "log(2)"),
     (np.sqrt(2), "sqrt(2)"), (np.inf, "oo"), (1 + 2j, "1 + 2*I"), (np.float32(0.1), "1/10"),
     (True, "True"), (7, "7"), (0.12345678901, "0.123456789010000")],
)  # fmt: skip
def test_numbers_become_exact_where_they_are(value: Any, due: str) -> None:
    assert str(exact(value)) == due


def test_exact_numbers_have_the_same_float() -> None:
    for value in np.random.default_rng(0).standard_normal(300) ** 3:
        assert float(exact(value)) == value


def test_derivatives_of_arrays() -> None:
    x, A = np.array([0.4, -0.7]), np.array([[1.5, 0.2], [0.3, 0.9]])
    f = lambda A, x: np.sum(np.linalg.solve(A, np.sin(x)) ** 2) + np.log(np.linalg.det(A))
    found = wg.to_sympy(wg.grad(f, (0, 1)), A, x)
    names = {f"A{i}{j}": A[i, j] for i in range(2) for j in range(2)}
    names |= {f"x{i}": x[i] for i in range(2)}
    at = lambda v: float(v.subs({s: names[s.name] for s in v.free_symbols}))
    due = wg.grad(f, (0, 1))(A, x)
    np.testing.assert_allclose([[at(found[0][i, j]) for j in range(2)] for i in range(2)], due[0])
    np.testing.assert_allclose([at(found[1][i]) for i in range(2)], due[1])
    hessian = wg.to_sympy(wg.hessian(lambda x: x[0] ** 2 * np.exp(x[1])), x)
    assert str(hessian[0, 1]) == "2*x0*exp(x1)"


def test_custom_rules_count_in_derivatives() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x**2

    f.defjvp(lambda primals, tangents: (primals[0] ** 2, 10 * primals[0] * tangents[0]))
    assert str(wg.symbolic_derivative(f)) == "10*x"
    assert str(wg.symbolic_derivative(lambda x: x * wg.stop_gradient(np.sin(x)))) == "sin(x)"


def test_derivatives_can_be_called_with_arrays() -> None:
    d = wg.symbolic_derivative(lambda x, y: 3.0 * x + np.sin(y), (0, 1))
    first, second = d(np.ones(3), np.zeros((2, 1)))
    np.testing.assert_array_equal(first, np.full((2, 3), 3.0))
    np.testing.assert_array_equal(second, np.ones((2, 3)))
    with pytest.raises(TreeError, match=r"(?s)wrong number of arguments.*needed: 2: x, y"):
        d(1.0)
    assert d._repr_latex_().startswith("$\\displaystyle")
    assert d.latex == r"\left( 3, \  \cos{\left(y \right)}\right)"


def test_latex() -> None:
    assert wg.to_latex(wg.grad(lambda theta: np.sin(theta) ** 2)) == r"\sin{\left(2 \theta \right)}"
    assert wg.to_latex(lambda sigma, mu: mu / sigma) == r"\frac{\mu}{\sigma}"
    assert "matrix" in wg.to_latex(lambda A: A.T, np.ones((2, 2)))
    assert wg.to_latex(lambda x: (x + 1.0) ** 2 - x**2, simplify=False).count("x") == 2


def test_operations_without_a_form_are_named() -> None:
    with pytest.raises(
        MissingRuleError, match=r"(?s)'svd' has no symbolic form.*at:.*np.linalg.svd"
    ):
        wg.to_sympy(lambda x: np.linalg.svd(x)[1], np.ones((2, 2)))
    with pytest.raises(MissingRuleError, match="how often it turns depends on a variable: while x"):
        wg.to_sympy(lambda x: wg.while_loop(lambda c: c < 10.0, lambda c: c * 2, x))
    with pytest.raises(MissingRuleError, match="an index depends on a variable"):
        wg.to_sympy(lambda x: x[np.floor(x[0]).astype(int)], np.ones(2))
    with pytest.raises(MissingRuleError, match="more than two variables"):
        wg.to_sympy(np.sort, np.ones(3))
    with pytest.raises(MissingRuleError, match="too long for a formula"):
        wg.to_sympy(lambda x: wg.fori_loop(0, 5000, lambda i, c: c * x, x))
    with pytest.raises(ConcretizationError, match="truth value"):
        wg.to_sympy(lambda x: x if x > 0 else -x)


def test_wrong_arguments() -> None:
    with pytest.raises(ShapeError, match="whose result is one number"):
        wg.symbolic_derivative(lambda x: np.stack([x, x]))
    with pytest.raises(ShapeError, match=r"(?s)argnums=3 is out of range.*got:    1 parameter"):
        wg.symbolic_derivative(np.sin, 3)
    with pytest.raises(DtypeError, match="order must be an int, 0 or more"):
        wg.symbolic_derivative(np.sin, order=-1)
    with pytest.raises(DtypeError, match="needs the values of integers"):
        wg.to_sympy(lambda i: i, wg.core.ShapedArray((2,), np.dtype(np.int64)))


def test_without_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    _module.cache_clear()
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r'to_sympy needs sympy: pip install "wengert\[sympy\]"'):
        wg.to_sympy(np.sin)
    _module.cache_clear()


def test_formulas_can_be_traced_and_called_with_all_numbers() -> None:
    slope = wg.symbolic_derivative(lambda x: np.exp(x) * x)
    np.testing.assert_allclose(wg.grad(slope)(1.0), 3 * np.e)
    np.testing.assert_allclose(wg.vmap(slope)(np.ones(2)), 2 * np.e)
    np.testing.assert_allclose(slope(1j), np.exp(1j) * (1 + 1j))
    np.testing.assert_allclose(slope([0, 1]), [1.0, 2 * np.e])
    assert slope(np.ones(2, np.float32)).dtype == np.float32
    piecewise = wg.symbolic_derivative(lambda x: np.where(x > 0, x**3, x))
    found = wg.grad(lambda x: np.sum(piecewise(x)))(np.array([1.0, -1.0]))
    np.testing.assert_allclose(found, [6.0, 0.0])
    with pytest.raises(DtypeError, match="numbers and arrays"):
        slope("a")


def test_star_parameters_need_examples() -> None:
    f = lambda *xs: xs[0] * xs[1]
    assert str(wg.to_sympy(f, 1.0, 2.0)) == "x0*x1"
    with pytest.raises(TreeError, match=r"how many arguments \*args stands for"):
        wg.to_sympy(f)
