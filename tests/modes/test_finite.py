"""`finite_difference`: accuracy, error estimates, and points without a derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

METHODS = {"forward": 1e-6, "central": 1e-8, "richardson": 1e-11}
every_method = pytest.mark.parametrize("method", METHODS)

FUNCTIONS: list[tuple[Callable[[Any], Any], Any]] = [
    (np.sin, np.array([1.0, 1e5, 1e-9, -3.0, 0.0])),
    (np.exp, np.array([0.0, 20.0, -30.0])),
    (lambda x: x**3 - 1e6 * x, np.array([1.0, 1e4, 1e-4])),
    (lambda x: 1 / x, np.array([1e-6, 1e6, -2.0])),
    (lambda x: np.log(x), np.array([1e-8, 1.0, 1e8])),
    (lambda x: np.tanh(50 * x), np.array([0.0, 0.01, 3.0])),
]


@every_method
@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
def test_the_error_estimate_is_one(method: str, k: int) -> None:
    """The true error is not far beyond the estimate, though components have different scales."""
    f, x = FUNCTIONS[k]
    for one in x:
        found = wg.finite_difference(f, method=method)(one)
        due = wg.grad(f)(one)
        assert abs(found.value - due) <= 10 * found.error + 1e-15 * abs(due)
        assert found.error <= METHODS[method] * max(1.0, abs(due)) * 100


@every_method
def test_accuracy(method: str) -> None:
    x = np.random.default_rng(1).normal(size=5)
    f = lambda x: np.sin(x) * np.sum(x * x)
    found = wg.finite_difference(f, method=method)(x)
    np.testing.assert_allclose(
        found.value, wg.jacfwd(f)(x), rtol=METHODS[method], atol=METHODS[method]
    )
    assert found.value.shape == found.error.shape == (5, 5)


def test_evaluations_are_counted() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return np.sin(x)

    for method in METHODS:
        calls = 0
        found = wg.finite_difference(f, method=method)(np.ones(3))
        assert found.evaluations == calls


def test_a_step() -> None:
    f = lambda x: x**3
    found = wg.finite_difference(f, method="central", step=0.5)(1.0)
    assert found.value == 3.25
    assert 0.25 <= found.error < 0.3


def test_functions_that_cannot_be_traced() -> None:
    assert abs(wg.finite_difference(math.sin)(1.0).value - math.cos(1.0)) < 1e-12


def test_trees_and_argnums() -> None:
    found = wg.finite_difference(lambda p, y: {"s": p["a"] * y}, argnums=(0, 1))({"a": 2.0}, 3.0)
    assert wg.tree.structure(found.value) == wg.tree.structure(found.error)
    np.testing.assert_allclose(found.value["s"][0]["a"], 3.0)
    np.testing.assert_allclose(found.value["s"][1], 2.0)


def test_single_precision() -> None:
    """Arguments are moved in double precision; the result has the function's."""
    j = wg.jacobian(np.sin, mode="finite")(np.float32(1.0))
    assert j.dtype == np.float32
    np.testing.assert_allclose(j, np.cos(1.0), rtol=1e-7)
    rough = wg.finite_difference(lambda x: np.sin(x).astype(np.float32))(1.0)
    assert abs(rough.value - math.cos(1.0)) <= rough.error < 1e-2


KINKS: list[tuple[Callable[[Any], Any], Any, str]] = [
    (np.abs, np.array([1.0, 0.0]), "abs a"),
    (lambda x: np.maximum(x, 0.5) * 2, np.array([0.5, 1.0]), "maximum a 0.5"),
    (lambda x: np.max(x), np.array([2.0, 1.0, 2.0]), "reduce_max"),
    (lambda x: np.sort(x)[0], np.array([2.0, 2.0]), "sort"),
    (np.floor, np.array([1.5, 2.0]), "floor"),
    (lambda x: np.where(x > 1, x * x, x), np.array([1.0, 3.0]), "greater a 1"),
    (np.linalg.norm, np.zeros(2), "norm"),
]


@pytest.mark.parametrize("k", range(len(KINKS)))
@pytest.mark.parametrize("method", ["central", "richardson"])
def test_kinks(method: str, k: int) -> None:
    f, x, text = KINKS[k]
    with pytest.raises(wg.errors.NonSmoothError, match="slopes that differ") as caught:
        wg.finite_difference(f, method=method)(x)
    assert text in str(caught.value)
    assert "test_finite.py" in str(caught.value)


def test_an_edge() -> None:
    with pytest.raises(wg.errors.NonSmoothError, match="no finite difference quotients"):
        wg.jacobian(np.sqrt, mode="finite")(np.array([0.0, 1.0]))


def test_beside_a_kink() -> None:
    """A kink that is not at the point is none."""
    found = wg.jacobian(lambda x: np.abs(x - 1), mode="finite")(np.array([1.0 + 1e-3, 0.9]))
    np.testing.assert_allclose(found, np.diag([1.0, -1.0]), atol=1e-9)


def test_smooth_but_bent() -> None:
    """Large second derivatives are no kinks."""
    for f in (
        lambda x: np.cosh(1e3 * x),
        lambda x: np.sqrt(x * x + 1e-8),
        lambda x: x * x * np.abs(x),
    ):
        found = wg.grad(f, mode="finite")(0.0)
        assert abs(found) < 1e-6


def test_bad_options() -> None:
    with pytest.raises(wg.errors.ModeError, match="no such method"):
        wg.finite_difference(np.sin, method="best")
    with pytest.raises(wg.errors.ModeError, match="must be a positive number"):
        wg.finite_difference(np.sin, step=0.0)


def test_shapes_that_change() -> None:
    def f(x: Any) -> Any:
        return x[x > 0.999999]

    with pytest.raises(wg.errors.ShapeError, match="something else near to the point"):
        wg.finite_difference(f)(np.array([1.0, 2.0]))


@pytest.mark.parametrize("offset", [0.0, 400.0, 1e4])
def test_numbers_that_cancel_are_no_kinks(offset: float) -> None:
    """Residuals of a model near to the data: their rounding errors are those of the data."""
    t = np.linspace(-20.0, 15.0, 300)
    data = offset + 1.3 * t + 2.8 * np.sin(6.0 * t)

    def residuals(q: Any) -> Any:
        return q[0] + q[1] * t + q[2] * np.sin(6.0 * t + q[3]) - data

    q = np.array([offset + 1e-3, 1.3004, 2.7, 1e-4])
    found = wg.finite_difference(residuals)(q)
    error = np.abs(found.value - wg.jacobian(residuals)(q))
    assert np.max(error) < 1e-9 * max(offset, 1.0)
    assert np.mean(error <= 10 * found.error + 1e-13) > 0.98
    with pytest.raises(wg.errors.NonSmoothError, match="abs"):
        wg.finite_difference(lambda x: (offset + 0.01 * np.abs(x)) - offset)(0.0)
