"""The complex step: accurate to rounding, and refused where it would be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

FINE: list[Callable[[Any], Any]] = [
    lambda x: np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3 + 2),
    lambda x: np.linalg.solve(np.outer(x, x) + np.eye(3), x),
    lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)),
    lambda x: np.einsum("i,j,k->ijk", x, np.sqrt(x), np.arctan(x)),
    lambda x: np.cumsum(x) * np.prod(x),
    lambda x: x[::-1] @ x + x**2.5,
    lambda x: np.where(np.array([True, False, True]), x, x * x),
    lambda x: np.linalg.det(np.outer(x, x) + np.eye(3)),
]
X = np.array([0.4, 1.3, 0.8])


@pytest.mark.parametrize("k", range(len(FINE)))
def test_analytic_functions(k: int) -> None:
    found = wg.jacobian(FINE[k], mode="complex-step")(X)
    np.testing.assert_allclose(found, wg.jacfwd(FINE[k])(X), rtol=1e-13, atol=1e-14)


WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: np.abs(x), "abs is not analytic"),
    (lambda x: np.conj(x) * x, "conjugate is not analytic"),
    (lambda x: np.real(x) * x, "real is not analytic"),
    (lambda x: x.imag + x, "imag is not analytic"),
    (lambda x: np.where(x > 0, x, -x), "greater is not analytic"),
    (lambda x: x if x[0] < 1 else -x, "less is not analytic"),
    (lambda x: np.maximum(x, 0.5), "maximum is not analytic"),
    (lambda x: np.sort(x), "sort is not analytic"),
    (lambda x: np.max(x), "reduce_max is not analytic"),
    (lambda x: np.linalg.norm(x), "norm is not analytic"),
    (lambda x: np.linalg.cholesky(np.outer(x, x) + np.eye(3)), "cholesky is not analytic"),
    (lambda x: np.vdot(x, x), "conjugate is not analytic"),
]


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_functions_that_are_not_analytic(k: int) -> None:
    f, text = WRONG[k]
    for make in (wg.jacobian, lambda f, mode: lambda x: wg.jvp(f, (x,), (x,), mode=mode)):
        with pytest.raises(wg.errors.NonAnalyticError, match=text) as caught:
            make(f, mode="complex-step")(X)
        assert "test_complex_step.py" in str(caught.value)


def test_functions_without_complex_numbers() -> None:
    special = pytest.importorskip("scipy.special")
    with pytest.raises(wg.errors.NonAnalyticError, match="does not take complex numbers"):
        wg.jacobian(lambda x: special.gammainc(2.0, x), mode="complex-step")(X)
    with pytest.raises(wg.errors.NonAnalyticError, match="ComplexWarning"):
        wg.grad(lambda x: math.sin(x), mode="complex-step")(1.0)


def test_a_buffer_of_floats() -> None:
    def f(x: Any) -> Any:
        out = np.zeros(3)
        out[0] = x[0] ** 2
        return out

    with pytest.raises(wg.errors.NonAnalyticError, match="where results are written") as caught:
        wg.jacobian(f, mode="complex-step")(X)
    assert "out[0] = x[0] ** 2" in str(caught.value)


def test_complex_arguments() -> None:
    with pytest.raises(wg.errors.DtypeError, match="is for real arguments"):
        wg.jacobian(np.exp, mode="complex-step")(1 + 2j)


def test_complex_results() -> None:
    with pytest.raises(wg.errors.NonAnalyticError, match="the result is complex"):
        wg.jacobian(np.fft.fft, mode="complex-step")(X)


def test_small_and_large_numbers() -> None:
    x = np.array([1e-150, 1e-8, 1.0, 1e8, 1e100])
    np.testing.assert_allclose(
        wg.jacobian(lambda x: x * x, mode="complex-step")(x), np.diag(2 * x), rtol=1e-14
    )


def test_custom_rules_are_looked_at() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return np.abs(x)

    f.defjvp(lambda primals, tangents: (f(*primals), np.real(tangents[0])))
    with pytest.raises(wg.errors.NonAnalyticError, match="not analytic"):
        wg.jacobian(f, mode="complex-step")(X)


@pytest.mark.parametrize(
    ("f", "x", "operation"),
    [
        (np.sqrt, 0.0, "sqrt"),
        (np.log, 0.0, "log"),
        (np.log, -1.0, "log"),
        (lambda x: 1 / x, np.float64(0.0), "div"),
        (lambda x: x**1.5, np.float64(-2.0), "pow"),
        (np.arcsin, 2.0, "arcsin"),
    ],
)
def test_singular_points_are_refused(f: Any, x: Any, operation: str) -> None:
    """The imaginary part is finite there, and has nothing to do with a derivative."""
    with np.errstate(all="ignore"):
        with pytest.raises(
            wg.errors.NonAnalyticError, match=f"a singular point in: .* {operation} "
        ):
            wg.grad(f, mode="complex-step")(x)
        with pytest.raises(wg.errors.NonAnalyticError, match="not analytic at this point"):
            wg.jvp(f, (x,), (1.0,), mode="complex-step")


def test_zero_derivatives_are_no_singular_points() -> None:
    x = np.array([0.0, 1.0])
    found = wg.jacobian(lambda x: x**3 - x[1] ** 3 * x[0] ** 2, mode="complex-step")(x)
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.0, 3.0]], atol=1e-50)
    found = wg.jacobian(lambda x: np.abs(0.0) + x[0] ** 2.5 + x[1], mode="complex-step")(x)
    np.testing.assert_allclose(found, [0.0, 1.0], atol=1e-40)
