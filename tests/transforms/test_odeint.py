"""Differential equations with adaptive steps: against SciPy's solver and formulas, both modes."""

from __future__ import annotations

import pickle
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.odes import odeint_steps
from wengert.transforms.odes.dormand_prince import DENSE, A, B, Control, solve, solve_lanes

scipy_integrate = pytest.importorskip("scipy.integrate")
scipy_linalg = pytest.importorskip("scipy.linalg")

MODES = ["discrete", "adjoint"]
TIGHT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-11}


def close(found: Any, due: Any, rtol: float = 1e-6, atol: float = 1e-9) -> None:
    """Equal trees, to a tolerance, of the same shapes."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
        assert np.shape(a) == np.shape(b)


def differences(f: Callable[[Any], Any], x: Any, h: float = 1e-3) -> Any:
    """The gradient of a scalar function of a vector, by differences of order 6."""
    columns = []
    for e in h * np.eye(len(x)):
        near, far, farther = [f(x + k * e) - f(x - k * e) for k in (1, 2, 3)]
        columns.append((45 * near - 9 * far + farther) / (60 * h))
    return np.array(columns)


def decay(y: Any, t: Any, k: Any) -> Any:
    return -k * y


def lotka_volterra(y: Any, t: Any, p: Any) -> Any:
    return np.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def van_der_pol(y: Any, t: Any, mu: Any) -> Any:
    return np.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


def forced(y: Any, t: Any, p: Any) -> Any:
    return np.stack([y[1], p[0] * np.cos(p[1] * t) - y[0] - 0.1 * y[1]])


RATES = np.array([1.1, 0.4, 0.1, 0.4])
SYSTEMS: dict[str, tuple[Any, Any, Any, Any]] = {
    "lotka_volterra": (lotka_volterra, np.array([10.0, 5.0]), np.linspace(0, 8, 9), RATES),
    "van_der_pol": (van_der_pol, np.array([2.0, 0.0]), np.linspace(0, 6, 25), np.float64(5.0)),
    "forced": (forced, np.array([1.0, 0.0]), np.linspace(1, 4, 4), np.array([2.0, 1.5])),
    "backward": (forced, np.array([1.0, 0.0]), np.linspace(2, -1, 5), np.array([2.0, 1.5])),
    "one step": (forced, np.array([1.0, 0.0]), np.array([0.0, 1e-3]), np.array([2.0, 1.5])),
}


def by_scipy(func: Any, y0: Any, t: Any, *args: Any) -> Any:
    found = scipy_integrate.solve_ivp(
        lambda s, y: func(y, s, *args), (t[0], t[-1]), y0, "DOP853", t, rtol=3e-14, atol=1e-14
    )
    return found.y.T


# Values.


def test_the_coefficients_are_of_order_5_and_the_interpolant_joins_smoothly() -> None:
    c = np.array([0.0, *[sum(row) for row in A]])
    np.testing.assert_allclose([B @ c**k for k in range(5)], 1 / np.arange(1.0, 6), rtol=1e-14)
    np.testing.assert_allclose(np.sum(DENSE, axis=1), [*B, 0], atol=1e-15)  # the step itself
    slopes = np.arange(1.0, 5)
    np.testing.assert_allclose(DENSE @ (slopes * 0 ** (slopes - 1)), np.eye(7)[0], atol=1e-15)
    np.testing.assert_allclose(DENSE @ slopes, np.eye(7)[6], atol=1e-14)
    nodes = np.append(c, 1.0)
    for x in (0.25, 0.7):  # order 4 between the ends
        weights = DENSE @ x ** np.arange(1.0, 5)
        due = [x ** (k + 1) / (k + 1) for k in range(4)]
        np.testing.assert_allclose([weights @ nodes**k for k in range(4)], due, atol=1e-14)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("tol", [1e-5, 1.4e-8, 1e-11])
def test_values_are_scipys(name: str, tol: float) -> None:
    func, y0, t, p = SYSTEMS[name]
    found = wg.odeint(func, y0, t, p, rtol=tol, atol=tol)
    due = by_scipy(func, y0, t, p)
    np.testing.assert_allclose(found, due, rtol=300 * tol, atol=300 * tol)
    np.testing.assert_array_equal(found[0], y0)


def test_as_many_steps_as_scipys_method_of_the_same_order() -> None:
    func, y0, t, p = SYSTEMS["lotka_volterra"]
    count = 0

    def counted(y: Any, t: Any) -> Any:
        nonlocal count
        count += 1
        return func(y, t, p)

    wg.odeint(counted, y0, t, rtol=1e-8, atol=1e-8)
    due = scipy_integrate.solve_ivp(
        lambda s, y: func(y, s, p), (t[0], t[-1]), y0, rtol=1e-8, atol=1e-8
    )
    assert count <= 1.05 * due.nfev


def test_times() -> None:
    due = lambda t: np.exp(-0.5 * (t - t[0]))
    lists = ([0, 1, 3], [0, 1, 1, 1, 3, 3], [3, 3, 2, -1], [2], [2, 2, 2])
    for t in lists:
        found = wg.odeint(decay, 1.0, t, 0.5)
        assert found.shape == (len(t),)
        np.testing.assert_allclose(found, due(np.array(t, float)), rtol=1e-7)
    assert wg.odeint(decay, np.ones((2, 3)), [], 0.5).shape == (0, 2, 3)
    many = np.linspace(0, 3, 1000)
    np.testing.assert_allclose(wg.odeint(decay, 1.0, many, 0.5), due(many), rtol=1e-7)


def test_there_and_back_again() -> None:
    func, y0, t, p = SYSTEMS["lotka_volterra"]
    end = wg.odeint(func, y0, t[[0, -1]], p, **TIGHT)[-1]
    np.testing.assert_allclose(wg.odeint(func, end, t[[-1, 0]], p, **TIGHT)[-1], y0, rtol=1e-8)


def test_states_are_trees() -> None:
    t = np.linspace(0, 1, 3)
    y0 = {"a": np.ones((2, 2)), "b": (1.0, np.float32([2.0])), "c": 1 + 1j, "n": None, "i": 3}

    def func(y: Any, t: Any, k: Any, name: str) -> Any:
        assert name == "x"
        assert y["b"][1].dtype == np.float32
        assert y["a"].shape == (2, 2)
        return {
            "a": -y["a"], "b": (-2 * t * y["b"][0], -y["b"][1]), "c": 1j * k * y["c"], "n": None,
            "i": 0,
        }  # fmt: skip

    found = wg.odeint(func, y0, t, 2.0, "x")
    due = {
        "a": np.ones((2, 2)) * np.exp(-t)[:, None, None],
        "b": (np.exp(-(t**2)), 2 * np.exp(-t)[:, None]),
        "c": (1 + 1j) * np.exp(2j * t),
        "n": None,
        "i": np.full(3, 3.0),
    }
    close(found, due)
    dtypes = [x.dtype for x in wg.tree.leaves(found)]
    assert dtypes == [np.float64, np.float64, np.float32, np.complex128, np.float64]


def test_a_state_that_is_an_array_may_have_a_list_as_derivative() -> None:
    found = wg.odeint(lambda y, t: [y[1], -y[0]], np.array([0.0, 1.0]), [0, np.pi / 2])
    np.testing.assert_allclose(found[-1], [1, 0], atol=1e-7)
    turn = lambda y0: wg.odeint(lambda y, t: [y[1], -y[0]], y0, [0, np.pi / 2])[-1]
    close(wg.jacrev(turn)(np.array([0.0, 1.0])), np.array([[0, 1.0], [-1, 0]]), atol=1e-7)


def test_states_without_elements() -> None:
    assert wg.odeint(lambda y, t: y, np.zeros((0, 3)), [0, 1]).shape == (2, 0, 3)
    assert wg.odeint(lambda y, t: {}, {}, [0, 1]) == {}
    g = wg.grad(lambda y: np.sum(wg.odeint(lambda y, t: y, y, [0, 1])))(np.zeros((0, 3)))
    assert g.shape == (0, 3)


def test_hmax_and_mxstep() -> None:
    times: list[float] = []

    def func(y: Any, t: Any) -> Any:
        times.append(float(t))
        return 0 * y

    wg.odeint(func, 1.0, [0.0, 1.0], hmax=0.25)
    assert max(np.diff(np.unique(times))) <= 0.25
    wg.odeint(decay, 1.0, [0, 1, 2, 3], 1.0, mxstep=30)
    with pytest.raises(RuntimeError, match=r"mxstep=3 steps were not enough.*t=0\.\d+.*size"):
        wg.odeint(decay, 1.0, [0, 1], 1.0, mxstep=3)


# Derivatives by formulas.


def logistic(z: Any, t: Any) -> Any:
    r, k, y0 = z[0], z[1], z[2]
    return k / (1 + (k / y0 - 1) * np.exp(-r * (t - t[0])))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("t", [np.array([0.0, 0.7, 0.7, 2.0]), np.array([1.0, 0.3, -0.5])])
def test_logistic_growth(mode: str, t: Any) -> None:
    func = lambda y, t, r, k: r * y * (1 - y / k)
    weights = np.cos(np.arange(len(t)))

    def loss(z: Any, t: Any) -> Any:
        y = wg.odeint(func, z[2], t, z[0], z[1], derivative=mode, **TIGHT)
        return np.sum(weights * y**2)

    due = lambda z, t: np.sum(weights * logistic(z, t) ** 2)
    z, z_dot = np.array([1.5, 2.0, 0.5]), np.array([0.3, -1.0, 0.7])
    t_dot = np.sin(np.arange(len(t)))
    close(loss(z, t), due(z, t))
    both = (0, 1)
    close(wg.grad(loss, both)(z, t), wg.grad(due, both)(z, t))
    close(wg.jvp(loss, (z, t), (z_dot, t_dot))[1], wg.jvp(due, (z, t), (z_dot, t_dot))[1])
    joint = lambda f: lambda x: f(x[:3], x[3:])
    x = np.concatenate([z, t])
    close(wg.hessian(joint(loss))(x), wg.hessian(joint(due))(x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_orders_of_differentiation_agree(mode: str) -> None:
    """exp(-2k): all ways to the second derivative, and the third."""
    f = lambda k: wg.odeint(decay, 1.0, [0.0, 2.0], k, derivative=mode, **TIGHT)[-1]
    k, due = 0.5, 4 * np.exp(-1)
    slope = lambda x: wg.jvp(f, (x,), (1.0,))[1]
    for found in (
        wg.grad(wg.grad(f))(k),
        wg.jvp(wg.grad(f), (k,), (1.0,))[1],
        wg.grad(slope)(k),
        wg.jvp(slope, (k,), (1.0,))[1],
        wg.linearize(wg.grad(f), k)[1](1.0),
        wg.grad(lambda x: wg.linearize(f, x)[1](1.0))(k),
        wg.vjp(wg.grad(f), k)[1](1.0)[0],
    ):
        np.testing.assert_allclose(found, due, rtol=1e-7)
    np.testing.assert_allclose(wg.grad(wg.grad(wg.grad(f)))(k), -2 * due, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [3, 40])  # with matrices of the steps, and without
def test_linear_systems(mode: str, n: int, rng: np.random.Generator) -> None:
    a, e = rng.normal(size=(2, n, n)) / np.sqrt(n)
    y0, u = rng.normal(size=(2, n))
    t = np.array([0.0, 0.4, 1.0])
    solution = lambda a, y0: wg.odeint(lambda y, t: a @ y, y0, t, derivative=mode, **TIGHT)
    loss = lambda a, y0: solution(a, y0)[-1] @ u
    by_a, by_y0 = wg.grad(loss, argnums=(0, 1))(a, y0)
    flow, moved = scipy_linalg.expm_frechet(a, e)
    np.testing.assert_allclose(by_y0, flow.T @ u, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.sum(by_a * e), u @ moved @ y0, rtol=1e-8)
    y_dot = wg.jvp(solution, (a, y0), (e, u))[1]
    np.testing.assert_allclose(y_dot[-1], moved @ y0 + flow @ u, rtol=1e-7, atol=1e-9)
    second = wg.jvp(wg.grad(loss), (a, y0), (e, 0 * y0))[1]
    h = 1e-4
    near = [scipy_linalg.expm_frechet(a + s * h * e, e, compute_expm=False) for s in (1, -1)]
    due = u @ (near[0] - near[1]) @ y0 / (2 * h)
    np.testing.assert_allclose(np.sum(second * e), due, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 40])
def test_derivatives_by_what_matters_little_or_not_at_all(mode: str, n: int) -> None:
    y0 = np.linspace(0, 1, n)
    f = lambda y0, t, k: np.sum(wg.odeint(lambda y, t, k: np.ones(n), y0, t, k, derivative=mode))
    all_three = (0, 1, 2)
    for t in (np.array([0.0, 1, 3]), np.array([2.0]), np.array([1.0, 1.0]), np.array([0, 1e-9])):
        by_t = np.full(len(t), float(n))
        by_t[0] -= n * len(t)
        due = (np.full(n, float(len(t))), by_t, 0.0)
        close(wg.grad(f, all_three)(y0, t, 0.5), due)
        for i in range(3):
            close(wg.grad(f, i)(y0, t, 0.5), due[i])
            one = lambda x, i=i, t=t: f(*[x if j == i else v for j, v in enumerate((y0, t, 0.5))])
            x = (y0, t, 0.5)[i]
            y_dot = wg.jvp(one, (x,), (np.ones_like(x),))[1]
            np.testing.assert_allclose(y_dot, np.sum(due[i]), atol=1e-9)
            batch = np.stack([x] * 12)
            close(wg.vmap(wg.grad(one))(batch), np.stack([due[i]] * 12))
    flow = lambda t: np.sum(wg.odeint(lambda y, t: np.sin(y), y0, t, derivative=mode, **TIGHT)[-1])
    t = np.array([0.0, 1.0])
    end = np.sum(np.sin(wg.odeint(lambda y, t: np.sin(y), y0, t, **TIGHT)[-1]))
    np.testing.assert_allclose(wg.grad(flow)(t), [-end, end], rtol=1e-7)  # it knows no time


# Derivatives against differences of SciPy's solution.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SYSTEMS)
def test_gradients_are_differences_of_scipys_solution(name: str, mode: str) -> None:
    func, y0, t, p = SYSTEMS[name]
    m = len(np.atleast_1d(p))
    split = lambda x: (x[:2], x[2 : 2 + m] if np.ndim(p) else x[2], x[2 + m :])

    def loss(solver: Any, x: Any, **options: Any) -> Any:
        y0, p, t = split(x)
        y = solver(func, y0, t, p, **options)
        return np.sum(np.sin(y) * np.cos(np.arange(len(t)))[:, None])

    x = np.concatenate([y0, np.atleast_1d(p), t])
    ours = lambda x: loss(wg.odeint, x, derivative=mode, **TIGHT)
    h = 1e-4 if name == "one step" else 2e-4 if name == "van_der_pol" else 1e-3
    due = differences(lambda z: loss(by_scipy, np.append(z, t)), x[: 2 + m], h)
    found = wg.grad(ours)(x)
    scale = np.max(np.abs(due))
    np.testing.assert_allclose(found[: 2 + m], due, rtol=1e-6, atol=1e-6 * scale)
    if name in ("lotka_volterra", "forced", "backward"):
        by_times = differences(lambda t: loss(by_scipy, np.append(x[: 2 + m], t)), t, 3e-4)
        scale = np.max(np.abs(by_times))
        np.testing.assert_allclose(found[2 + m :], by_times, rtol=1e-6, atol=1e-6 * scale)
    x_dot = np.sin(1 + np.arange(len(x)))
    np.testing.assert_allclose(wg.jvp(ours, (x,), (x_dot,))[1], found @ x_dot, rtol=1e-6)


def test_second_derivatives_are_differences_of_gradients() -> None:
    func, y0, t, p = SYSTEMS["lotka_volterra"]
    x = np.concatenate([y0, p])

    def loss(x: Any, mode: str) -> Any:
        return np.sum(np.sin(wg.odeint(func, x[:2], t, x[2:], derivative=mode, **TIGHT)))

    gradient = wg.grad(lambda x: loss(x, "discrete"))
    due = differences(lambda x: gradient(x)[0], x, 1e-4)
    scale = np.max(np.abs(due))
    for mode in MODES:
        found = wg.hvp(lambda x, mode=mode: loss(x, mode), (x,), (np.eye(6)[0],))
        np.testing.assert_allclose(found, due, rtol=1e-6, atol=1e-6 * scale)
    found = wg.hessian(lambda x: loss(x, "discrete"))(x)
    np.testing.assert_allclose(found[0], due, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(found, found.T, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("n", [2, 40])
def test_the_discrete_derivative_is_that_of_the_steps(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with loose tolerances it is exact for what was computed: with the steps held fast."""
    func = lambda y, t, k: np.cos(k * t) - k * np.sin(y) * y[::-1]
    y0, t = np.linspace(0.5, 1.5, n), np.array([0.0, 0.3, 0.3, 1.7, 2.0])
    loose = Control(1e-2, 1e-2, np.inf, np.inf)

    def loss(x: Any) -> Any:
        y = wg.odeint(func, x[1:], t, x[0], rtol=1e-2, atol=1e-2)
        return np.sum(y**3)

    x = np.append(0.8, y0)
    path = solve(lambda y, t: func(y, t, 0.8), y0, t, loose, keep=True)
    assert len(path.states) > 2
    fixed = lambda x: np.sum(odeint_steps.replayed(path, func, (x[1:], t, x[0])) ** 3)
    assert fixed(x) == pytest.approx(loss(x), rel=1e-14)
    due = wg.grad(fixed)(x)
    np.testing.assert_allclose(wg.grad(loss)(x), due, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(wg.jacfwd(loss)(x), due, rtol=1e-11, atol=1e-12)
    x_dot = np.sin(1 + np.arange(n + 1))
    second = wg.jvp(wg.grad(fixed), (x,), (x_dot,))[1]
    scale = np.max(np.abs(second))
    np.testing.assert_allclose(
        wg.jvp(wg.grad(loss), (x,), (x_dot,))[1], second, rtol=1e-9, atol=1e-11 * scale
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 40])
def test_forward_and_reverse_mode_are_transposes(
    mode: str, n: int, rng: np.random.Generator
) -> None:
    y0, y0_dot = rng.normal(size=(2, n))
    t, t_dot = np.array([0.0, 0.3, 1.0]), rng.normal(size=3)
    f = lambda y, t, k: wg.odeint(
        lambda y, t, k: k * np.sin(y[::-1] + t), y, t, k, derivative=mode, **TIGHT
    )
    primals, tangents = (y0, t, 1.3), (y0_dot, t_dot, 0.7)
    y, pullback = wg.vjp(f, *primals)
    ct = rng.normal(size=y.shape)
    found = pullback(ct)
    y_dot = wg.jvp(f, primals, tangents)[1]
    rtol = 1e-12 if mode == "discrete" else 1e-7
    due = sum([np.sum(a * b) for a, b in zip(found, tangents, strict=True)])
    np.testing.assert_allclose(np.sum(ct * y_dot), due, rtol=rtol)
    np.testing.assert_allclose(wg.linearize(f, *primals)[1](*tangents), y_dot, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_trees(mode: str) -> None:
    def solution(p: Any, c: Any) -> Any:
        y0 = {"a": np.ones(2) * c, "b": (c, (1 + 1j) * c)}

        def func(y: Any, t: Any, p: Any) -> Any:
            a, (b, z) = y["a"], y["b"]
            return {"a": -p["k"] * a, "b": (-c * b * t, p["w"] * z)}

        y = wg.odeint(func, y0, np.linspace(0, 1, 3), p, derivative=mode, **TIGHT)
        return np.stack([np.sum(y["a"][-1]), y["b"][0][-1], np.real(y["b"][1][-1])])

    def due(p: Any, c: Any) -> Any:
        z = (1 + 1j) * c * np.exp(p["w"])
        return np.stack([2 * c * np.exp(-p["k"]), c * np.exp(-c / 2), np.real(z)])

    p, c = {"k": 0.5, "w": 0.3 + 0.2j}, 1.2
    close(solution(p, c), due(p, c))
    for i in range(3):
        one = lambda f, i=i: lambda p, c: f(p, c)[i]
        both = (0, 1)
        close(wg.grad(one(solution), both)(p, c), wg.grad(one(due), both)(p, c))
    p_dot = {"k": 1.0, "w": 0.5 - 1j}
    close(wg.jvp(solution, (p, c), (p_dot, 0.3))[1], wg.jvp(due, (p, c), (p_dot, 0.3))[1])


@pytest.mark.parametrize("mode", MODES)
def test_single_precision(mode: str) -> None:
    def func(y: Any, t: Any, k: Any) -> Any:
        assert y.dtype == np.float32
        return -k * y

    f = lambda y, k: wg.odeint(func, y, [0, 1], k, derivative=mode)
    y0, k = np.float32([1, 2]), np.float32(0.5)
    y = f(y0, k)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[1], y0 * np.exp(-0.5), rtol=1e-6)
    g = wg.grad(lambda y, k: f(y, k)[-1].sum(), argnums=(0, 1))(y0, k)
    assert [x.dtype for x in g] == [np.float32, np.float32]
    np.testing.assert_allclose(g[0], np.exp(-0.5) * np.ones(2), rtol=1e-5)
    np.testing.assert_allclose(g[1], -3 * np.exp(-0.5), rtol=1e-5)


# Python in the function, and closures.


def test_functions_with_python_control_flow() -> None:
    """The branch depends on a value, so the function cannot be written down."""

    def func(y: Any, t: Any, k: Any) -> Any:
        return -k * y if t < 0.5 else -2 * k * y

    due = lambda k: np.exp(-0.5 * k) * np.exp(-k)
    for mode in MODES:
        f = lambda k, mode=mode: wg.odeint(func, 1.0, [0.0, 0.5, 1.0], k, derivative=mode)[-1]
        np.testing.assert_allclose(wg.grad(f)(0.7), -1.5 * due(0.7), rtol=1e-5)
        np.testing.assert_allclose(wg.jvp(f, (0.7,), (2.0,))[1], -3 * due(0.7), rtol=1e-5)
        np.testing.assert_allclose(wg.grad(wg.grad(f))(0.7), 2.25 * due(0.7), rtol=1e-5)
        k = np.array([0.7, 0.2])
        np.testing.assert_allclose(wg.vmap(f)(k), due(k), rtol=1e-5)
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(k), -1.5 * due(k), rtol=1e-5)  # the adjoint
    steps = lambda k: wg.odeint(func, 1.0, [0.0, 1.0], k)[-1]
    with pytest.raises(wg.WengertError, match="one concrete value"):
        wg.vmap(wg.grad(steps))(k)
    with pytest.raises(wg.errors.UnsupportedError, match="needs values, so the steps of a batch"):
        wg.grad(lambda k: np.sum(wg.vmap(steps)(k)))(k)
    with pytest.raises(wg.errors.ConcretizationError, match="make_program"):
        wg.make_program(steps)(0.7)
    slope = wg.make_program(lambda x: x * wg.grad(steps)(0.7))(1.0)  # a constant of the program
    np.testing.assert_allclose(slope(2.0), -3 * due(0.7), rtol=1e-5)


def test_python_control_flow_at_all_times() -> None:
    def func(y: Any, t: Any) -> Any:
        return -y if float(y) > 0 else y

    t = np.array([0.0, 0.4, 0.4, 1.0, 3.0])
    f = lambda y0, t: wg.odeint(func, y0, t, **TIGHT)
    due = lambda y0, t: y0 * np.exp(t[0] - t)
    for g in (wg.jacrev, wg.jacfwd):
        close(g(f, argnums=(0, 1))(1.3, t), g(due, argnums=(0, 1))(1.3, t), atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
def test_closures_over_traced_values(mode: str) -> None:
    def f(k: Any) -> Any:
        return wg.odeint(lambda y, t: -k * y, 1.0, [0, 1.0], derivative=mode, **TIGHT)[-1]

    k = np.array([0.5, 0.1])
    np.testing.assert_allclose(wg.grad(f)(0.5), -np.exp(-0.5), rtol=1e-8)
    np.testing.assert_allclose(wg.grad(wg.grad(f))(0.5), np.exp(-0.5), rtol=1e-7)
    np.testing.assert_allclose(wg.vmap(f)(k), np.exp(-k), rtol=1e-8)
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(k), -np.exp(-k), rtol=1e-8)
    np.testing.assert_allclose(wg.make_program(f)(0.5)(0.3), np.exp(-0.3), rtol=1e-8)
    np.testing.assert_allclose(wg.grad(wg.make_program(f)(0.5))(0.3), -np.exp(-0.3), rtol=1e-8)


def test_closures_in_python_control_flow() -> None:
    def f(k: Any, **options: Any) -> Any:
        def func(y: Any, t: Any) -> Any:
            return -k * y if t < 0.5 else -2 * k * y

        return wg.odeint(func, 1.0, [0.0, 0.5, 1.0], **options)[-1]

    np.testing.assert_allclose(wg.grad(f)(0.7), -1.5 * np.exp(-1.05), rtol=1e-6)
    np.testing.assert_allclose(wg.grad(wg.grad(f))(0.7), 2.25 * np.exp(-1.05), rtol=1e-6)
    with pytest.raises(wg.errors.UnsupportedError, match="traced value that is not one of its arg"):
        wg.grad(lambda k: f(k, derivative="adjoint"))(0.7)


def test_the_function_is_not_traced_where_nothing_is_differentiated() -> None:
    def func(y: Any, t: Any) -> Any:
        assert type(y) is np.ndarray
        return -y

    g = wg.grad(lambda x: x * wg.odeint(func, np.ones(2), [0, 1.0])[-1, 0])(3.0)
    np.testing.assert_allclose(g, np.exp(-1), rtol=1e-7)


# Other transformations inside.


@wg.custom_jvp
def product(k: Any, y: Any) -> Any:
    return k * y


product.defjvp(
    lambda primals, tangents: (
        primals[0] * primals[1],
        tangents[0] * primals[1] + primals[0] * tangents[1],
    )
)

INSIDE: dict[str, Any] = {
    "odeint": lambda y, t, k: wg.odeint(decay, y, [1.0, 1.5, 2.0], k)[-1] - y,
    "cond": lambda y, t, k: wg.cond(t < 2, lambda y: -k * y, lambda y: y, y),
    "scan": lambda y, t, k: -wg.scan(lambda c, x: (c + x * k, None), 0.0, np.ones(3))[0] * y / 3,
    "while_loop": lambda y, t, k: -wg.while_loop(lambda c: c < 1, lambda c: c + 1, 0 * k) * k * y,
    "custom_jvp": lambda y, t, k: -product(k, y),
    "jvp": lambda y, t, k: -wg.jvp(lambda k: 0.5 * k**2, (k,), (y,))[1],
    "grad": lambda y, t, k: -wg.grad(lambda y: 0.5 * k * y**2)(y),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", INSIDE)
def test_transformations_in_the_function(name: str, mode: str) -> None:
    """Most of these are the same: y' = -k y."""

    def f(k: Any) -> Any:
        return wg.odeint(INSIDE[name], 1.0, [0.0, 1.0], k, derivative=mode, **options)[-1]

    twice = name == "odeint"
    options = {"rtol": 1e-6, "atol": 1e-6} if twice else TIGHT
    due = lambda k: np.exp(np.exp(-k) - 1) if twice else np.exp(-k)
    near: dict[str, float] = {"rtol": 1e-4, "atol": 1e-4} if twice else {"rtol": 1e-7}
    k, many = 0.5, np.linspace(0.5, 0.6, 9 if twice else 12)
    np.testing.assert_allclose(wg.grad(f)(k), wg.grad(due)(k), **near)
    np.testing.assert_allclose(wg.jvp(f, (k,), (1.0,))[1], wg.grad(due)(k), **near)
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(many), wg.vmap(wg.grad(due))(many), **near)
    second = wg.jvp(wg.grad(f), (k,), (1.0,))[1]
    np.testing.assert_allclose(second, wg.grad(wg.grad(due))(k), **near)
    np.testing.assert_allclose(wg.make_program(wg.grad(f))(k)(0.7), wg.grad(due)(0.7), **near)


# Batches.


@pytest.fixture(params=["few lanes", "many lanes"])
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes that are solved one by one, or together."""
    monkeypatch.setattr(odeint_steps, "FEW", 100 if request.param == "few lanes" else 0)


def test_lanes_take_steps_of_their_own(lanes: None) -> None:
    """Each lane is what it is alone, to rounding, whatever the others are."""
    func, y0, _, p = SYSTEMS["lotka_volterra"]
    scale = np.array([1.0, 0.2, 3.0, 1.5, 0.7])
    ends = np.array([8.0, -2.0, 30.0, 0.0, 1e-3])
    t = np.linspace(0, 1, 6) * ends[:, None]
    t[4, 2] = t[4, 3]
    rates = p * np.linspace(0.5, 1.5, 5)[:, None]
    f = lambda y, t, p: wg.odeint(func, y, t, p)
    found = wg.vmap(f)(y0 * scale[:, None], t, rates)
    for i in range(5):
        due = f(y0 * scale[i], t[i], rates[i])
        np.testing.assert_allclose(found[i], due, rtol=1e-11)
    few = wg.vmap(f)(y0 * scale[:2, None], t[:2], rates[:2])
    np.testing.assert_allclose(few, found[:2], rtol=1e-13)


def test_paths_of_lanes_are_those_of_each_alone() -> None:
    control = Control(1e-6, 1e-6, np.inf, np.inf)
    y0 = np.array([[1.0, 2.0], [3.0, 0.1], [1.0, 1.0]])
    t = np.array([[0, 1, 5.0], [0, -0.1, -0.1], [2.0, 2, 2]])
    func = lambda y, t: np.sin(y) * np.cos(3 * t)[..., None] - y
    lanes = solve_lanes(lambda y, t, lanes: func(y, t), y0, t, control, keep=True)
    for i in range(3):
        one = solve(lambda y, t: func(y, np.asarray(t)), y0[i], t[i], control, keep=True)
        n, m = len(one.states), lanes.states.shape[1]
        np.testing.assert_allclose(lanes.states[i, :n], one.states, rtol=1e-7)
        inner = np.r_[0 : n - 1, m - 1 : m + 2]
        for a, b in zip(lanes[2:], one[2:], strict=True):
            np.testing.assert_allclose(a[i, inner], b, rtol=1e-5, atol=1e-12)
        assert not np.any(lanes.tau[i, n - 1 : m - 1])  # what is missing moves nothing


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 40])
def test_derivatives_of_batches(mode: str, n: int, lanes: None) -> None:
    func = lambda y, t, k: -k * y * (1 + 0.5 * np.sin(y[::-1]))
    t = np.array([0.0, 0.5, 2.0])
    y0 = np.linspace(0.5, 1.5, n)
    f = lambda k, y0: np.sum(wg.odeint(func, y0, t, k, derivative=mode, **TIGHT) ** 2)
    k = np.array([0.1, 5.0, 1.0])
    one = wg.grad(f, argnums=(0, 1))
    due = [np.stack(x) for x in zip(*[one(v, y0) for v in k], strict=True)]
    rtol = 1e-10 if mode == "discrete" else 1e-7
    found = wg.vmap(one, in_axes=(0, None))(k, y0)
    for a, b in zip(found, due, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)
    total = lambda k, y0: np.sum(wg.vmap(f, in_axes=(0, None))(k, y0))
    found = wg.grad(total, argnums=(0, 1))(k, y0)
    np.testing.assert_allclose(found[0], due[0], rtol=rtol)
    np.testing.assert_allclose(found[1], np.sum(due[1], axis=0), rtol=1e-7, atol=1e-9)
    slope = lambda k: wg.jvp(lambda k: f(k, y0), (k,), (1.0,))[1]
    np.testing.assert_allclose(wg.vmap(slope)(k), due[0], rtol=1e-7)
    pushed = wg.jvp(lambda k: wg.vmap(lambda k: f(k, y0))(k), (k,), (np.ones(3),))[1]
    np.testing.assert_allclose(pushed, due[0], rtol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_batches_of_batches_and_of_second_derivatives(mode: str) -> None:
    f = lambda k, y0: wg.odeint(decay, y0, [0.0, 2.0], k, derivative=mode, **TIGHT)[-1]
    k, y0 = np.array([0.5, 0.1, 2.0]), np.array([1.0, 2.0])
    table = wg.vmap(wg.vmap(f, in_axes=(0, None)), in_axes=(None, 0))
    due = y0[:, None] * np.exp(-2 * k)
    np.testing.assert_allclose(table(k, y0), due, rtol=1e-8)
    g = wg.grad(lambda k, y0: np.sum(table(k, y0)), argnums=(0, 1))(k, y0)
    np.testing.assert_allclose(g[0], -2 * np.sum(due, axis=0), rtol=1e-7)
    np.testing.assert_allclose(g[1], np.full(2, np.sum(np.exp(-2 * k))), rtol=1e-7)
    slopes = wg.vmap(wg.vmap(wg.grad(f), in_axes=(0, None)), in_axes=(None, 0))
    np.testing.assert_allclose(slopes(k, y0), -2 * due, rtol=1e-7)
    second = wg.vmap(wg.grad(wg.grad(f)), in_axes=(0, None))(k, 1.0)
    np.testing.assert_allclose(second, 4 * np.exp(-2 * k), rtol=1e-6)
    outer = wg.grad(lambda k: np.sum(wg.vmap(wg.grad(f), in_axes=(0, None))(k, 1.0)))(k)
    np.testing.assert_allclose(outer, 4 * np.exp(-2 * k), rtol=1e-6)


def test_empty_batches(lanes: None) -> None:
    f = lambda y: wg.odeint(decay, y, [0, 1.0], 0.5)
    assert wg.vmap(f)(np.zeros((0, 3))).shape == (0, 2, 3)
    python = lambda y, t: -y if np.sum(y) > 0 else y
    assert wg.vmap(lambda y: wg.odeint(python, y, [0, 1.0]))(np.zeros((0, 3))).shape == (0, 2, 3)


@pytest.mark.parametrize("mode", MODES)
def test_batched_times(mode: str, lanes: None) -> None:
    t = np.array([[0.0, 1.0, 2.0], [0.5, 0.5, -1.0]])
    f = lambda t: np.sum(wg.odeint(decay, 1.0, t, 0.5, derivative=mode, **TIGHT) ** 2)
    due = lambda t: np.sum(np.exp(t[0] - t))
    close(wg.vmap(f)(t), wg.vmap(due)(t))
    close(wg.vmap(wg.grad(f))(t), wg.vmap(wg.grad(due))(t), atol=1e-7)
    close(wg.grad(lambda t: wg.vmap(f)(t).sum())(t), wg.vmap(wg.grad(due))(t), atol=1e-7)


# Programs.


@pytest.mark.parametrize("mode", MODES)
def test_programs(mode: str) -> None:
    f = lambda y0, k: wg.odeint(decay, y0, [0.0, 1.0, 2.0], k, derivative=mode, **TIGHT)[-1]
    loss = lambda y0, k: np.sum(f(y0, k) ** 2)
    y0, k = np.array([1.0, 2.0]), 0.4
    program = wg.make_program(f)(y0, 0.5)
    assert len(re.findall(r"= odeint\[", str(program))) == 1
    np.testing.assert_allclose(program(y0, k), y0 * np.exp(-0.8), rtol=1e-8)
    copy = pickle.loads(pickle.dumps(program))
    np.testing.assert_array_equal(copy(y0, k), program(y0, k))
    wg.core.check_program(program)

    gradient = wg.make_program(wg.grad(loss, argnums=(0, 1)))(y0, 0.5)
    wg.core.check_program(gradient)
    due = wg.grad(loss, argnums=(0, 1))(y0, k)
    for found in (gradient, pickle.loads(pickle.dumps(gradient))):
        close(found(y0, k), due, rtol=1e-8)
    of_program = wg.grad(lambda y0, k: np.sum(program(y0, k) ** 2), argnums=(0, 1))
    close(of_program(y0, k), due, rtol=1e-8)
    second = wg.make_program(wg.grad(lambda k: wg.grad(loss, argnums=1)(y0, k)))(0.5)(k)
    np.testing.assert_allclose(second, 16 * 5 * np.exp(-1.6), rtol=1e-5)
    np.testing.assert_allclose(wg.grad(lambda k: gradient(y0, k)[1])(k), second, rtol=1e-6)
    tangent = wg.make_program(lambda k: wg.jvp(lambda k: loss(y0, k), (k,), (1.0,))[1])(0.5)
    np.testing.assert_allclose(tangent(k), due[1], rtol=1e-7)
    ks = np.array([0.4, 3.0])
    batch = wg.make_program(wg.vmap(wg.grad(loss, argnums=1), in_axes=(None, 0)))(y0, ks)
    one = [wg.grad(loss, argnums=1)(y0, v) for v in ks]
    np.testing.assert_allclose(batch(y0, ks), one, rtol=1e-6)
    np.testing.assert_allclose(wg.vmap(lambda k: gradient(y0, k)[1])(ks), one, rtol=1e-6)
    assert len(pullbacks := re.findall("= (?:pullback|pushforward)", str(gradient))) >= 1, pullbacks


def test_programs_with_parameters_that_are_known() -> None:
    program = wg.make_program(lambda y: wg.odeint(decay, y, np.array([0.0, 1.0]), 0.5))(1.0)
    np.testing.assert_allclose(program(2.0), [2, 2 * np.exp(-0.5)], rtol=1e-7)


# Memory.


def peak(f: Callable[[], Any]) -> int:
    tracemalloc.start()
    f()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_of_the_adjoint_does_not_grow_with_the_steps() -> None:
    func = lambda y, t, k: k * np.stack([y[1], -y[0]])
    y0 = np.array([0.0, 1.0])

    def run(end: float, mode: str) -> int:
        t = np.array([0.0, end])
        g = wg.grad(lambda k: wg.odeint(func, y0, t, k, derivative=mode, rtol=1e-7)[-1, 0])
        g(1.0)
        return peak(lambda: g(1.0))

    # Both run long enough for an emitted right side, which takes memory of its own.
    short, long = run(25.0, "adjoint"), run(100.0, "adjoint")
    assert long < 1.5 * short
    short, long = run(20.0, "discrete"), run(100.0, "discrete")
    assert 2.5 < long / short < 7.5


# Errors.


def test_what_the_function_returns_is_checked() -> None:
    cases: list[tuple[Any, Any, str]] = [
        (
            lambda y, t: np.ones(3),
            wg.errors.ShapeError,
            r"another shape than the state[\s\S]*f64\[3\]",
        ),
        (lambda y, t: {"a": y}, wg.errors.TreeError, "the structure of the result of"),
        (lambda y, t: None, wg.errors.TreeError, "the structure of the result of"),
        (lambda y, t: 1j * y, wg.errors.DtypeError, "is complex, and the state is not"),
        (lambda y, t: "up", wg.errors.LeafTypeError, "neither an array nor a number"),
    ]
    for func, error, message in cases:
        with pytest.raises(error, match=message):
            wg.odeint(func, np.ones(2), [0, 1.0])
        with pytest.raises(error, match=message):
            wg.grad(lambda y, func=func: wg.odeint(func, y, [0, 1.0]).sum())(np.ones(2))


def test_arguments_are_checked() -> None:
    with pytest.raises(wg.errors.LeafTypeError, match=r"initial state\['b'\] is neither"):
        wg.odeint(decay, {"a": 1.0, "b": "x"}, [0, 1], 1.0)
    with pytest.raises(wg.errors.ShapeError, match="the times must have one axis"):
        wg.odeint(decay, 1.0, [[0, 1]], 1.0)
    with pytest.raises(wg.errors.DtypeError, match="the times must be real"):
        wg.odeint(decay, 1.0, [0, 1j], 1.0)
    with pytest.raises(ValueError, match="the times must increase, or decrease"):
        wg.odeint(decay, 1.0, [0, 1, 0.5], 1.0)
    with pytest.raises(ValueError, match="the times must be finite"):
        wg.grad(lambda t: wg.odeint(decay, 1.0, t, 1.0).sum())(np.array([0, np.nan]))
    for name in ("rtol", "atol", "mxstep", "hmax"):
        for bad in (0, -1.0, np.nan, "x"):
            with pytest.raises(ValueError, match=f"{name} must be a positive number"):
                wg.odeint(decay, 1.0, [0, 1], 1.0, **{name: bad})
    with pytest.raises(ValueError, match="derivative must be 'discrete' or 'adjoint'"):
        wg.odeint(decay, 1.0, [0, 1], 1.0, derivative="both")


def test_steps_that_become_too_small(lanes: None) -> None:
    pole = lambda y, t: y * y
    message = (
        r"step size underflow{}: step \d+ at t=0?\.?\d+.* has come down to size \S+, and the sol"
    )
    with pytest.raises(RuntimeError, match=message.format("")):
        wg.odeint(pole, 1.0, [0, 2.0])
    with pytest.raises(RuntimeError, match=message.format("")):
        wg.grad(lambda y: wg.odeint(pole, y, [0, 2.0])[-1])(1.0)
    with pytest.raises(RuntimeError, match=message.format(" in lane 1 of the batch")):
        wg.vmap(lambda y: wg.odeint(pole, y, [0, 0.8]))(np.array([1.0, 2.0]))
    message = "step 1 at t=3 has come down to size 0, and the derivative is not finite there"
    with pytest.raises(RuntimeError, match=message):
        wg.odeint(lambda y, t: np.nan * y, 1.0, [3, 4])
    with pytest.raises(RuntimeError, match=r"in lane 1.*the derivative is not finite there"):
        wg.vmap(lambda k: wg.odeint(decay, 1.0, [3, 4], k))(np.array([1.0, np.nan]))
    with pytest.raises(RuntimeError, match=r"mxstep=2 steps.*in lane 0 of the batch"):
        wg.vmap(lambda k: wg.odeint(decay, 1.0, [3, 4], k, mxstep=2))(np.array([1.0, 1e-9]))


def test_a_step_may_fall_on_values_that_are_not_finite() -> None:
    """Trial steps beyond the domain are made smaller, and no warning tells of them."""
    due = np.exp(0.65)
    for bad in (np.inf, np.nan):
        func = lambda y, t, bad=bad: np.where(y > 2, bad, 5 * y)
        found = wg.odeint(func, np.ones(3), [0, 0.13])[-1]
        np.testing.assert_allclose(found, due, rtol=1e-7)
        batch = wg.vmap(lambda y, func=func: wg.odeint(func, y, [0, 0.13])[-1])(np.ones((20, 3)))
        np.testing.assert_allclose(batch, due, rtol=1e-7)
    blows_up = lambda y, t: 1e308 * y * (t > 0.1)
    for y0 in (np.ones(3), np.ones((20, 3))):
        f = lambda y: wg.odeint(blows_up, y, [0, 0.2])
        with pytest.raises(RuntimeError, match="step size underflow"):
            (f if y0.ndim == 1 else wg.vmap(f))(y0)
    root = wg.odeint(lambda y, t: -np.sqrt(y), 1.0, [0, 1.9])[-1]
    np.testing.assert_allclose(root, 0.05**2, rtol=1e-4)
