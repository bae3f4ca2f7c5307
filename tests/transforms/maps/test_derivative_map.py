"""`derivative_map` and `linear_map`: pushforward, pullback, the chain rule as an identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

W = np.random.default_rng(1).normal(size=(4, 3))


def f(x: Any) -> Any:
    return np.tanh(W @ x)


def g(y: Any) -> Any:
    return {"a": np.outer(y, y), "b": np.sum(y**3)}


def model(params: Any, x: Any, shift: Any = 0.0) -> Any:
    return np.sin(params["w"] @ x) + params["b"] + shift


PARAMS = {"w": np.arange(6.0).reshape(2, 3) / 5, "b": 0.5}


@pytest.fixture
def x(rng: np.random.Generator) -> Any:
    return rng.normal(size=3)


def test_pushes_forward_as_jvp_and_pulls_back_as_vjp(rng: Any, x: Any) -> None:
    D = wg.derivative_map(f, x)
    t, ct = rng.normal(size=3), rng.normal(size=4)
    np.testing.assert_array_equal(D(t), wg.jvp(f, (x,), (t,))[1])
    np.testing.assert_allclose(D.T(ct), wg.vjp(f, x)[1](ct)[0], rtol=1e-15)
    np.testing.assert_allclose(ct @ D(t), D.T(ct) @ t)
    np.testing.assert_array_equal(D @ t, D(t))
    np.testing.assert_array_equal(ct @ D, D.T(ct))


def test_chain_rule_is_composition(x: Any) -> None:
    whole = wg.derivative_map(lambda x: g(f(x)), x)
    parts = wg.derivative_map(g, f(x)) @ wg.derivative_map(f, x)
    assert whole.allclose(parts)
    assert not whole.allclose(1.0001 * parts)
    assert whole.T.allclose(wg.derivative_map(f, x).T @ wg.derivative_map(g, f(x)).T)
    assert (parts.T).allclose(whole.T)


def test_chain_rule_of_three_through_trees() -> None:
    h = lambda d: d["a"][0] * d["b"]
    x = np.array([0.1, -0.3, 0.7])
    y = f(x)
    z = g(y)
    whole = wg.derivative_map(lambda x: h(g(f(x))), x)
    assert whole.allclose(
        wg.derivative_map(h, z) @ (wg.derivative_map(g, y) @ wg.derivative_map(f, x))
    )
    assert whole.shape == (4, 3)


def test_several_arguments_are_a_tuple(x: Any) -> None:
    D = wg.derivative_map(model, PARAMS, x)
    t = {"w": np.ones((2, 3)), "b": 1.0}
    expected = wg.jvp(model, (PARAMS, x), (t, x))[1]
    np.testing.assert_allclose(D(t, x), expected)
    np.testing.assert_allclose(D((t, x)), expected)
    assert wg.tree.structure(D.T(np.ones(2))) == wg.tree.structure((PARAMS, x))


def test_arguments_are_chosen_as_elsewhere(x: Any) -> None:
    by_number = wg.derivative_map(model, PARAMS, x, argnums=1)
    by_name = wg.derivative_map(model, PARAMS, x, argnames="x")
    assert by_number.shape == by_name.shape == (2, 3)
    assert by_number.allclose(by_name)
    both = wg.derivative_map(model, PARAMS, x, argnums=(1, 0))
    assert both.shape == (2, 10)
    keyword = wg.derivative_map(model, PARAMS, x, argnames="shift", shift=2.0)
    np.testing.assert_array_equal(keyword.matrix(), np.ones(2))


def test_value_and_aux(x: Any) -> None:
    y, D = wg.value_and_derivative_map(f, x)
    np.testing.assert_array_equal(y, f(x))
    assert D.allclose(wg.derivative_map(f, x))
    D, aux = wg.derivative_map(lambda x: (f(x), "extra"), x, has_aux=True)
    assert aux == "extra" and D.shape == (4, 3)
    (y, aux), D = wg.value_and_derivative_map(lambda x: (f(x), x[0]), x, has_aux=True)
    assert aux == x[0] and y.shape == (4,)


def test_leaves_without_a_derivative_have_none() -> None:
    D = wg.derivative_map(lambda p, n: (p["x"] ** n, n, "text"), {"x": np.ones(2), "s": "t"}, 3)
    assert repr(D.domain) == "({'x': f64[2], 's': None}, None)"
    assert repr(D.codomain) == "(f64[2], None, None)"
    pushed = D({"x": np.ones(2), "s": None}, None)
    np.testing.assert_array_equal(pushed[0], [3.0, 3.0])
    assert pushed[1:] == (None, None)


def test_python_numbers_and_single_precision() -> None:
    D = wg.derivative_map(lambda x: x**3, 2.0)
    assert float(D(1)) == 12.0 and isinstance(D(1.0), np.float64)
    D = wg.derivative_map(np.sin, np.zeros(2, np.float32))
    assert D(np.ones(2, np.float32)).dtype == np.float32
    assert D(np.array([1, 2])).dtype == np.float32
    with pytest.raises(errors.DtypeError, match="another dtype than the map takes"):
        D(np.ones(2))


def test_results_are_the_users_own(x: Any) -> None:
    D = wg.derivative_map(lambda x: x, x)
    t = np.ones(3)
    D(t)[:] = 7.0
    np.testing.assert_array_equal(t, np.ones(3))
    np.testing.assert_array_equal(D(t), np.ones(3))


def test_what_the_map_needs_does_not_change_with_the_arguments(x: Any) -> None:
    D = wg.derivative_map(np.square, x)
    before = D(np.ones(3))
    x[:] = 100.0
    np.testing.assert_array_equal(D(np.ones(3)), before)


def test_result_that_does_not_depend_on_the_argument() -> None:
    D = wg.derivative_map(lambda x: (np.ones(2), x), np.ones(3))
    np.testing.assert_array_equal(D.matrix(flat=True), np.eye(5, 3, -2))
    np.testing.assert_array_equal(D.T((np.ones(2), np.zeros(3))), np.zeros(3))


def test_empty() -> None:
    D = wg.derivative_map(np.sin, np.zeros(0))
    assert D.shape == (0, 0) and D(np.zeros(0)).shape == (0,)
    assert D.matrix().shape == (0, 0) and D.trace() == 0.0 and D.norm() == 0.0
    assert D.norm("fro") == 0.0 and D.diagonal().shape == (0,)


# Linear functions.


def test_linear_map_has_all_of_a_linear_map(rng: Any) -> None:
    L = wg.linear_map(lambda p: np.cumsum(p["a"]) - p["b"], {"a": np.zeros(3), "b": 0.0})
    expected = np.hstack([np.tril(np.ones((3, 3))), -np.ones((3, 1))])
    np.testing.assert_array_equal(L.matrix(flat=True), expected)
    np.testing.assert_array_equal(L.T(np.ones(3))["a"], [3.0, 2.0, 1.0])


def test_linear_map_needs_only_types_and_takes_control_flow() -> None:
    steps = lambda x: wg.fori_loop(0, 3, lambda i, v: 2.0 * v + v[::-1], x)
    L = wg.linear_map(steps, wg.core.ShapedArray((2,), np.dtype(float)))
    np.testing.assert_allclose(L.matrix(), np.array([[2.0, 1.0], [1.0, 2.0]]) @ [[5, 4], [4, 5]])


def test_linear_map_of_a_bilinear_function() -> None:
    L = wg.linear_map(lambda a, b: a @ b, W, np.zeros(3), argnums=1)
    np.testing.assert_allclose(L.matrix(), W)


def test_linear_map_over_the_reals() -> None:
    z = np.array([1 + 2j, 3 - 1j])
    L = wg.linear_map(np.conj, z)
    np.testing.assert_array_equal(L(z), z.conj())
    np.testing.assert_array_equal(L.T(z), z.conj())
    np.testing.assert_array_equal(L.H(z), z.conj())


def test_linear_map_refuses_what_is_not_linear() -> None:
    def curve(x: Any) -> Any:
        return 2.0 * np.sin(x)  # bends

    with pytest.raises(errors.NonLinearError, match=r"'sin' is not linear[\s\S]*# bends"):
        wg.linear_map(curve, 1.0)
    with pytest.raises(errors.NonLinearError, match="is affine: it adds a constant"):
        wg.linear_map(lambda x: x + 1.0, 1.0)


def test_linear_map_refuses_rules_that_give_another_map() -> None:
    @wg.custom_jvp
    def double(x: Any) -> Any:
        return 2.0 * x

    double.defjvp(lambda primals, tangents: (double(*primals), 3.0 * tangents[0]))
    with pytest.raises(errors.NonLinearError, match="is another map than the function"):
        wg.linear_map(double, np.ones(2))


# Under transformations.


def test_maps_are_values_that_vmap_returns_and_takes(rng: Any) -> None:
    xs, ts = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    maps = wg.vmap(lambda x: wg.derivative_map(f, x))(xs)
    pushed = wg.vmap(lambda D, t: D(t))(maps, ts)
    expected = [wg.jvp(f, (x,), (t,))[1] for x, t in zip(xs, ts, strict=True)]
    np.testing.assert_allclose(pushed, expected)
    squares = wg.vmap(lambda D: (2.0 * D.T @ D).matrix())(maps)
    J = wg.jacobian(f)(xs[2])
    np.testing.assert_allclose(squares[2], 2 * J.T @ J)
    with pytest.raises(errors.ShapeError, match="not one map, but a batch"):
        maps(ts[0])


@pytest.mark.parametrize("through", ["jvp", "vjp", "grad", "linearize", "vmap", "staged"])
def test_maps_made_inside_of_transformations(through: str, rng: Any, x: Any) -> None:
    t = rng.normal(size=3)
    apply = lambda x: np.sum((wg.derivative_map(f, x).T @ wg.derivative_map(f, x))(t))
    plain = lambda x: np.sum(wg.jacobian(f)(x).T @ wg.jacobian(f)(x) @ t)
    run = {
        "jvp": lambda h: wg.jvp(h, (x,), (t,)),
        "vjp": lambda h: wg.vjp(h, x)[1](1.0)[0],
        "grad": lambda h: wg.grad(h)(x),
        "linearize": lambda h: wg.linearize(h, x)[1](t),
        "vmap": lambda h: wg.vmap(h)(np.stack([x, t])),
        "staged": lambda h: wg.staged(wg.grad(h))(x),
    }[through]
    for found, due in zip(wg.tree.leaves(run(apply)), wg.tree.leaves(run(plain)), strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-10)


def test_maps_applied_to_traced_values(rng: Any, x: Any) -> None:
    D = wg.derivative_map(f, x)
    J = wg.jacobian(f)(x)
    ts = rng.normal(size=(4, 3))
    np.testing.assert_allclose(wg.vmap(D)(ts), ts @ J.T)
    np.testing.assert_allclose(wg.jacobian(D)(ts[0]), J)
    np.testing.assert_allclose(wg.jacobian(D.T)(J[:, 0]), J.T)
    np.testing.assert_allclose(wg.make_program(D)(ts[0])(ts[1]), J @ ts[1])


def test_maps_as_arguments_of_loops_and_derivatives(x: Any) -> None:
    A = wg.derivative_map(lambda x: np.cumsum(x) * 0.5, x)
    power = wg.fori_loop(0, 4, lambda i, v: A(v), x)
    np.testing.assert_allclose(power, np.linalg.matrix_power(A.matrix(), 4) @ x)
    B = wg.LinearMap.from_matrix(W)
    slope = wg.grad(lambda B: np.sum(B(x) ** 2))(B)
    assert isinstance(slope, wg.LinearMap)
    np.testing.assert_allclose(slope.matrix(), 2 * np.outer(W @ x, x))


def test_maps_are_pickled(x: Any) -> None:
    import pickle

    D = 2.0 * wg.derivative_map(f, x).T
    again = pickle.loads(pickle.dumps(D))
    assert again.allclose(D)


def test_program_prints_and_runs(x: Any) -> None:
    D = wg.derivative_map(lambda x: 3.0 * np.sin(x), x)
    assert str(D.program) == (
        "program [b: f64[3]] (a: f64[3]) -> (f64[3]) {\n"
        "  c: f64[3] = mul a b\n"
        "  d: f64[3] = mul c 3.0\n"
        "  return d\n"
        "}"
    )
    np.testing.assert_array_equal(D.program(x), D(x))
    np.testing.assert_allclose((D.T @ D).program(x), D.T(D(x)))


def test_arguments_that_do_not_fit(x: Any) -> None:
    D = wg.derivative_map(model, PARAMS, x, argnums=0)
    with pytest.raises(errors.TreeError, match="the vector"):
        D(np.ones(3))
    with pytest.raises(errors.ShapeError, match=r"the vector\['w'\] has another shape"):
        D({"w": np.ones(3), "b": 1.0})
    with pytest.raises(errors.DtypeError, match="integers"):
        wg.derivative_map(f, np.arange(3))
    with pytest.raises(errors.ShapeError, match="out of range"):
        wg.derivative_map(f, x, argnums=3)
