"""`plan`: what a derivative will cost, and why "auto" takes which mode."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.modes import choosing


def tall(x: Any) -> Any:
    y = np.sin(x)
    return np.outer(y, x)


def wide(x: Any) -> Any:
    h = np.tanh(x)
    return np.stack([np.sum(h * h), np.sum(x)])


def test_auto_says_why() -> None:
    found = wg.plan(wg.jacobian(tall), np.ones(10))
    assert found.chosen == "forward"
    assert found.passes == 10
    assert found.why == "10 passes, one for each number of the arguments; reverse would take 100"
    found = wg.plan(wg.jacobian(wide), np.ones(10))
    assert found.chosen == "reverse"
    assert found.why == "2 passes, one for each number of the result; forward would take 10"
    found = wg.plan(wg.grad(lambda x: np.sum(x)), np.ones(10))
    assert found.why == "1 pass, as the result is one number; forward would take 10"
    assert wg.plan(wg.jacobian(tall, mode="finite"), np.ones(10)).chosen == "finite"
    assert wg.plan(wg.hessian(lambda x: np.sum(x**3)), np.ones(4)).passes == 4


def test_the_plan_is_what_happens() -> None:
    """auto computes in the mode that the plan says."""
    for f in (tall, wide):
        x = np.linspace(0.1, 1.0, 10)
        chosen = wg.plan(wg.jacobian(f), x).chosen
        np.testing.assert_array_equal(wg.jacobian(f)(x), wg.jacobian(f, mode=chosen)(x))


def test_counts() -> None:
    found = wg.plan(wg.grad(lambda x: np.sum(np.sin(x) * x)), np.ones(100))
    assert found.equations == 3
    assert found.flops == 100 * 10 + 100 + 100
    assert found.residual_bytes == sum(
        [r.nbytes for r in wg.saved_residuals(lambda x: np.sum(np.sin(x) * x), np.ones(100))]
    )


def test_lines() -> None:
    found = wg.plan(wg.jacobian(tall), np.ones(100))
    texts = [line.source.text for line in found.lines if line.source is not None]
    assert texts == ["y = np.sin(x)", "return np.outer(y, x)"]
    assert found.lines[0].residual_bytes > 0
    text = repr(found)
    assert "y = np.sin(x)" in text
    assert "jacobian of tall: 100 numbers to 10,000" in text


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("f", [tall, lambda x: np.tanh(x) * x, lambda x: np.cumsum(x * x)])
def test_predicted_memory(f: Any, mode: str) -> None:
    """The prediction is right to a factor of three."""
    x = np.linspace(0.0, 1.0, 60 if f is tall else 400)
    derivative = wg.jacobian(f, mode=mode)
    due = wg.plan(derivative, x).peak_bytes
    derivative(x)
    tracemalloc.start()
    kept = derivative(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept.size
    assert peak / 3 < due < peak * 3


def test_chunks_take_less_memory() -> None:
    whole = wg.plan(wg.jacobian(tall), np.ones(50))
    parts = wg.plan(wg.jacobian(tall, chunk_size=5), np.ones(50))
    assert parts.peak_bytes < whole.peak_bytes


def test_python_control_flow() -> None:
    """The function runs with its values, so it may branch."""
    found = wg.plan(wg.grad(lambda x: x * x if x > 0 else np.sin(x)), 2.0)
    assert found.equations == 2  # the comparison, and the product


def test_a_wasteful_mode_warns_with_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choosing.is_wasteful("reverse", 3, 1_000_000)
    assert choosing.is_wasteful("forward", 1_000_000, 3)
    assert not choosing.is_wasteful("reverse", 1_000_000, 3)
    assert not choosing.is_wasteful("reverse", 1_000, 20_000)
    monkeypatch.setattr(choosing, "_MANY", 100)
    f = lambda x: np.sin(x * np.arange(200.0))
    with pytest.warns(wg.WastefulModeWarning, match='mode="auto" takes fewer') as caught:
        found = wg.jacobian(f, mode="reverse")(1.0)
    assert "200 passes, one for each number of the result" in str(caught[0].message)
    assert "forward       1" in str(caught[0].message)
    assert found.shape == (200,)
    wg.jacobian(f)(1.0)  # without a warning


def test_functions_that_are_no_derivatives() -> None:
    with pytest.raises(wg.errors.ModeError, match="none that knows"):
        wg.plan(np.sin, 1.0)


def heat(u: Any) -> Any:
    return u[2:] - 2 * u[1:-1] + u[:-2] + np.sin(u[1:-1])


def test_plans_of_modes_that_are_neither_forward_nor_reverse() -> None:
    pytest.importorskip("scipy")
    u = np.zeros(600)
    sparse = wg.plan(wg.jacobian(heat, mode="sparse"), u)
    assert sparse.chosen == "sparse"
    assert sparse.passes == 3
    assert sparse.peak_bytes < sparse.modes["forward"].peak_bytes / 50
    assert wg.plan(wg.hessian(lambda u: np.sum(heat(u) ** 2), mode="sparse"), u).passes == 5
    assert wg.plan(wg.grad(lambda u: np.sum(heat(u)), mode="sparse"), u).chosen == "sparse"
    finite = wg.plan(wg.jacobian(heat, mode="finite"), u)
    step = wg.plan(wg.jacobian(heat, mode="complex-step"), u)
    assert finite.passes == step.passes == 600
    assert finite.modes["finite"].flops > step.modes["complex-step"].flops > 600 * step.flops
    for mode in ("finite", "complex-step", "sparse"):
        derivative = wg.jacobian(heat, mode=mode)
        derivative(u)
        tracemalloc.start()
        derivative(u)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak / 3 < wg.plan(derivative, u).peak_bytes < peak * 3, mode
    symbolic = wg.plan(wg.jacobian(heat, mode="symbolic"), u)
    assert symbolic.passes == 600 * 598  # a formula for each entry


def test_sparse_derivatives_keep_their_sparse_plan() -> None:
    pytest.importorskip("scipy")
    assert wg.jacobian(heat, mode="sparse").plan(np.zeros(9)).forward_passes == 3  # type: ignore[attr-defined]
    assert wg.value_and_jacobian(heat, mode="sparse").plan(np.zeros(9)).forward_passes == 3  # type: ignore[attr-defined]


def test_reverse_mode_of_a_million_results_warns_before_it_starts() -> None:
    f = lambda t: np.sin(t * np.arange(1e6))
    with pytest.raises(wg.WastefulModeWarning, match=r"reverse: 1,000,000 passes") as caught:
        wg.jacobian(f, mode="reverse")(1.0)  # warnings are errors here
    text = str(caught.value)
    assert "1 number to 1,000,000" in text
    assert "TB" in text
    assert "np.sin(t * np.arange(1e6))" in text
