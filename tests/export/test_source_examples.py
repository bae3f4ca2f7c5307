"""`to_numpy_source` of the functions of the examples, and of solvers."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_runs import check, function_of

import wengert as wg
from wengert.core.errors import MissingRuleError

EXAMPLES = Path(__file__).parents[2] / "examples"
RNG = np.random.default_rng(0)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports an example by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    known = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - known:
        if hasattr(sys.modules[name], "__file__") and str(EXAMPLES) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def test_digits(example: Any) -> None:
    digits = example("digits")
    train, _ = digits.load(RNG)
    args = digits.initial_params(RNG), train.images[:20], train.labels[:20]
    text = check(wg.value_and_grad(digits.loss), *args)
    assert 'W0 = params["W0"]' in text
    assert "hidden = np.tanh(" in text


def test_co2(example: Any) -> None:
    co2 = example("co2")
    train, _ = co2.load(co2.FORECAST - 3.0)
    data = co2.Series(train.times[:24], train.ppm[:24])
    logs = np.array(co2.GUESS, float)
    check(co2.loss, logs, data)
    check(wg.grad(co2.loss), logs, data)
    check(wg.hessian(co2.loss), logs, data)


def test_interval(example: Any) -> None:
    f = example("interval").f
    x = np.linspace(-3, 3, 7)
    for fun in (f, wg.vmap(wg.grad(f)), wg.vmap(wg.grad(wg.grad(f)))):
        check(fun, x)


def test_recurrence(example: Any) -> None:
    recurrence = example("recurrence")
    hares, lynxes = recurrence.load()
    steps = 4 * recurrence.YEARS
    logs = {
        "hares grow": -0.6, "hares are eaten": -3.6, "lynxes grow": -3.7, "lynxes die": -0.2,
        "hares in 1900": 3.5, "lynxes in 1900": 1.8,
    }  # fmt: skip
    for how in ({}, {"checkpoint_every": 10}):
        f = lambda logs, how=how: recurrence.misfit(logs, hares, lynxes, steps, **how)
        text = check(wg.grad(f), logs)
        assert "for i in range(" in text


def test_roots(example: Any) -> None:
    roots = example("roots")
    elements, times = np.array([0.6, 0.9, 2.0, 30.0]), np.linspace(1.9, 2.2, 5)
    check(roots.positions, elements, times)
    check(wg.jacobian(roots.positions), elements, times)
    check(wg.vmap(wg.value_and_grad(roots.anomaly), in_axes=(None, 0)), 0.6, np.linspace(0.1, 3, 4))


def test_hares_and_lynxes_are_refused(example: Any) -> None:
    example = example("hare_lynx")
    solution = lambda p: example.trajectory(p, np.arange(3.0), 1e-6)
    slope, one = wg.grad(lambda p: np.sum(solution(p))), np.zeros(8)
    for fun, point in ((solution, one), (slope, one), (wg.vmap(solution), np.zeros((2, 8)))):
        with pytest.raises(MissingRuleError, match=r"(?s)'odeint.* needs values while it runs"):
            wg.to_numpy_source(fun, point)


def test_linear_solvers_and_fixed_points() -> None:
    a, b = np.array([[3.0, 1.0], [0.5, 2.0]]), np.array([1.0, -1.0])
    solve = lambda a, b: wg.cg(lambda x: a @ a.T @ x, b, tol=1e-13)[0]
    check(solve, a, b)
    check(wg.grad(lambda a, b: np.sum(solve(a, b) ** 2), (0, 1)), a, b)
    check(wg.grad(lambda a: wg.fixed_point(lambda x: np.cos(a * x), 0.5)), 0.7)
    check(wg.hessian(lambda a: np.sum(wg.root(lambda x: x**3 + x * a - 1.0, np.ones(2)))), b + 2.0)


def test_a_root_that_is_not_found_is_nan() -> None:
    f = lambda a: wg.root(lambda x: x * x + a, 1.0)
    run = function_of(wg.to_numpy_source(f, -4.0, name="f"))
    assert run(-4.0) == pytest.approx(2.0)
    with np.errstate(all="ignore"):
        assert np.isnan(run(4.0))
