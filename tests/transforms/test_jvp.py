"""Forward mode: values, tangents, trees, dtypes, aux, functions without a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.1, 0.5, 0.9])


def test_values_and_tangents() -> None:
    y, y_dot = wg.jvp(lambda x: np.sin(x) * x, (X,), (np.array([1.0, 0.0, 2.0]),))
    np.testing.assert_array_equal(y, np.sin(X) * X)
    np.testing.assert_allclose(y_dot, (np.cos(X) * X + np.sin(X)) * [1, 0, 2])


def test_several_arguments() -> None:
    y, y_dot = wg.jvp(lambda x, y: x * y**2, (2.0, 3.0), (0.5, 0.25))
    assert y == 18.0
    assert y_dot == 0.5 * 9 + 0.25 * 12


def test_trees_in_and_out() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": p["w"] * x[0], "z": (p["b"], None)}

    y, y_dot = wg.jvp(f, ({"w": X, "b": 1.0}, [2.0]), ({"w": np.ones(3), "b": 5.0}, [0.0]))
    np.testing.assert_array_equal(y_dot["y"], [2.0, 2.0, 2.0])
    assert y_dot["z"] == (5.0, None)
    assert wg.tree.structure(y) == wg.tree.structure(y_dot)


def test_has_aux() -> None:
    y, y_dot, aux = wg.jvp(
        lambda x: (x**2, {"seen": x + 1, "note": "text"}), (3.0,), (1.0,), has_aux=True
    )
    assert (y, y_dot) == (9.0, 6.0)
    assert aux == {"seen": 4.0, "note": "text"}
    assert type(aux["seen"]) is np.float64


def test_results_without_a_derivative_have_zero_tangents() -> None:
    y, y_dot = wg.jvp(lambda x: (np.floor(x), x > 0.3, np.argmax(x), 7.0, x), (X,), (np.ones(3),))
    np.testing.assert_array_equal(y_dot[0], np.zeros(3))
    np.testing.assert_array_equal(y[1], [False, True, True])
    assert y[2] == 2
    assert y_dot[3] == 0.0
    for v, t in zip(y, y_dot, strict=True):
        assert np.shape(v) == np.shape(t)


def test_results_are_numpy_scalars_or_writable_arrays() -> None:
    y, y_dot = wg.jvp(lambda x: (np.broadcast_to(x[0], (2, 2)), x.sum(), x.T), (X,), (np.ones(3),))
    for v in (*y, *y_dot):
        assert isinstance(v, np.ndarray | np.float64)
        if isinstance(v, np.ndarray):
            v[...] = 0.0


def test_python_floats_give_numpy_scalars() -> None:
    for v in wg.jvp(lambda x: x, (1.0,), (1.0,)) + wg.jvp(lambda x: x * 2, (1.0,), (1,)):
        assert type(v) is np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtypes_are_kept(dtype: Any) -> None:
    x = np.array([0.5, 1.5], dtype)
    y, y_dot = wg.jvp(lambda v: np.exp(v) * 2.0 + v**2, (x,), (x,))
    assert y.dtype == y_dot.dtype == dtype
    s, s_dot = wg.jvp(lambda v: np.sum(np.sin(v)) / 3, (x,), (x,))
    assert s.dtype == s_dot.dtype == dtype


def test_mixed_dtypes_promote_as_the_values_do() -> None:
    x = np.ones(2, np.float32)
    y, y_dot = wg.jvp(lambda v: v * np.arange(2.0), (x,), (x,))
    assert y.dtype == y_dot.dtype == np.float64
    z, z_dot = wg.jvp(lambda v: v + np.zeros((3, 2)), (x,), (x,))
    assert z_dot.dtype == z.dtype == np.float64
    assert z_dot.shape == (3, 2)


def test_the_tangent_of_a_broadcast_sum_has_the_shape_of_the_result() -> None:
    y, y_dot = wg.jvp(lambda v: v + np.zeros((4, 1)), (X,), (X,))
    assert y.shape == y_dot.shape == (4, 3)


def test_tangents_may_be_given_as_lists_or_python_numbers() -> None:
    assert wg.jvp(lambda x: 2 * x, (3.0,), (1,))[1] == 2.0
    y_dot = wg.jvp(lambda x: 2 * x, (np.float32(3.0),), (1.0,))[1]
    assert y_dot == 2.0
    assert y_dot.dtype == np.float32


def test_a_complex_derivative_is_linear_over_the_reals() -> None:
    z, t = 1.0 + 2.0j, 0.3 - 0.4j
    _, y_dot = wg.jvp(lambda v: v * np.conj(v), (z,), (t,))
    np.testing.assert_allclose(y_dot, 2 * (z * np.conj(t)).real)
    _, a_dot = wg.jvp(np.abs, (z,), (t,))
    np.testing.assert_allclose(a_dot, (np.conj(z) * t).real / abs(z))
    assert np.asarray(a_dot).dtype == np.float64


def test_second_and_third_derivatives() -> None:
    f = lambda x: x**4
    d = lambda g: lambda x: wg.jvp(g, (x,), (1.0,))[1]
    assert d(d(f))(2.0) == 48.0
    assert d(d(d(f)))(2.0) == 48.0


def test_linear_in_the_tangent(rng: np.random.Generator) -> None:
    x, s, t = rng.normal(size=(3, 4))

    def push(v: Any) -> Any:
        return wg.jvp(lambda x: np.cumsum(np.tanh(x) * x), (x,), (v,))[1]

    np.testing.assert_allclose(push(2 * s - 3 * t), 2 * push(s) - 3 * push(t))
    np.testing.assert_array_equal(push(np.zeros(4)), np.zeros(4))


def test_control_flow_sees_values() -> None:
    def f(x: Any) -> Any:
        n = 0
        while x < 100.0:
            x, n = x * 3.0, n + 1
        return x * n

    assert wg.jvp(f, (2.0,), (1.0,)) == (162.0 * 4, 81.0 * 4)


def test_stray_results_are_constants() -> None:
    y, y_dot = wg.jvp(lambda x: [1.0, np.zeros(2), None], (1.0,), (1.0,))
    assert y[0] == 1.0
    assert y_dot[0] == 0.0
    np.testing.assert_array_equal(y_dot[1], np.zeros(2))


def test_no_arguments() -> None:
    assert wg.jvp(lambda: 2.0, (), ()) == (2.0, 0.0)


def test_tangents_are_the_caller_s_to_keep() -> None:
    t = np.ones(3)
    _, y_dot = wg.jvp(lambda v: v, (X,), (t,))
    y_dot[...] = 0.0
    np.testing.assert_array_equal(t, np.ones(3))


def test_derivatives_do_not_alias() -> None:
    g = wg.grad(lambda x, y: np.sum((x + y) ** 2), (0, 1))
    (a, b), (a_dot, b_dot) = wg.jvp(g, (X, X), (X, X))
    for first, second in ((a, b), (a_dot, b_dot)):
        first *= 2.0
        np.testing.assert_allclose(first, 2 * second)


def test_the_product_of_nothing_keeps_its_axes() -> None:
    x = np.ones((2, 0, 3))
    y, t = wg.jvp(lambda x: np.prod(x, axis=1, keepdims=True), (x,), (x,))
    assert y.shape == t.shape == (2, 1, 3)
    assert not t.any()
