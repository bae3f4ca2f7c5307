"""Numerical derivatives of functions that cannot be traced: `numerical_rule`."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.differences import REACH, central, complex_step, reach, richardson

Array = Any
X = np.array([0.3, 1.2, -0.8])
METHODS = ("richardson", "central", "complex")
ACCURACY = {"richardson": 1e-11, "central": 1e-8, "complex": 1e-13}
SECOND = {"richardson": 1e-8, "central": 3e-5, "complex": 1e-9}


def inside(x: Array) -> Array:
    return np.sin(x) * x**2 + x[0] * x[-1]


def black_box(x: Array) -> Array:
    """The same in a form that refuses traced values."""
    assert type(x) is np.ndarray
    return inside(np.frombuffer(x.tobytes(), x.dtype))


def close(got: Array, want: Array, accuracy: float) -> None:
    np.testing.assert_allclose(got, want, rtol=accuracy, atol=accuracy)


TRANSFORMED: dict[str, tuple[Callable[[Any], Any], int]] = {
    "value": (lambda f: f(X), 0),
    "jvp": (lambda f: wg.jvp(f, (X,), (X + 1,)), 1),
    "vjp": (lambda f: wg.vjp(f, X)[1](X), 1),
    "grad": (lambda f: wg.grad(lambda x: np.sum(f(np.exp(x)) ** 2))(X), 1),
    "linearize": (lambda f: wg.linearize(f, X)[1](X), 1),
    "jacfwd": (lambda f: wg.jacfwd(f)(X), 1),
    "jacrev": (lambda f: wg.jacrev(f)(X), 1),
    "vmap": (lambda f: wg.vmap(f)(np.stack([X, 2 * X])), 0),
    "vmap-none": (lambda f: wg.vmap(f)(np.zeros((0, 3))), 0),
    "vmap(jvp)": (
        lambda f: wg.vmap(lambda x, t: wg.jvp(f, (x,), (t,))[1])(np.stack([X, X]), np.eye(3)[:2]),
        1,
    ),
    "vmap(jvp)-tangents": (lambda f: wg.vmap(lambda t: wg.jvp(f, (X,), (t,))[1])(np.eye(3)), 1),
    "vmap(grad)": (lambda f: wg.vmap(wg.grad(lambda x: f(x)[1]))(np.stack([X, 2 * X])), 1),
    "grad(vmap)": (
        lambda f: wg.grad(lambda x: np.sum(np.sin(wg.vmap(f)(x))))(np.stack([X, 2 * X])),
        1,
    ),
    "program": (lambda f: wg.make_program(f)(X)(X + 1), 0),
    "program(grad)": (lambda f: wg.make_program(wg.jacrev(f))(X)(X + 1), 1),
    "grad(program)": (lambda f: wg.jacrev(wg.make_program(f)(X))(X + 1), 1),
    "vmap(program)": (lambda f: wg.vmap(wg.make_program(f)(X))(np.stack([X, X + 1])), 0),
    "program(vmap)": (lambda f: wg.make_program(wg.vmap(f))(X[None])(X[None]), 0),
    "hessian": (lambda f: wg.hessian(lambda x: np.sum(np.sin(f(x))))(X), 2),
    "grad(grad)": (lambda f: wg.grad(lambda x: wg.grad(lambda x: f(x)[1])(x) @ X)(X), 2),
    "jvp(vjp)": (lambda f: wg.jvp(lambda x: wg.vjp(f, x)[1](X)[0], (X,), (X,))[1], 2),
    "vjp(jvp)": (lambda f: wg.vjp(lambda x: wg.jvp(f, (x,), (X,))[1], X)[1](X)[0], 2),
    "jvp(jvp)": (
        lambda f: wg.jvp(lambda x: wg.jvp(f, (x,), (X,))[1], (X,), (X + 1,))[1],
        2,
    ),
    "jacrev(jacrev)": (lambda f: wg.jacrev(wg.jacrev(f))(X), 2),
    "vmap(hessian)": (lambda f: wg.vmap(wg.hessian(lambda x: f(x)[1]))(np.stack([X, X + 1])), 2),
    "program(hessian)": (lambda f: wg.make_program(wg.hessian(lambda x: f(x)[1]))(X)(X + 1), 2),
    "of-tangent-and-point": (
        lambda f: wg.grad(lambda x, t: np.sum(wg.jvp(f, (x,), (t,))[1] ** 2), argnums=(0, 1))(X, X),
        2,
    ),
    "of-cotangent-and-point": (
        lambda f: wg.grad(
            lambda x, ct: np.sum(wg.vjp(f, x)[1](ct)[0] ** 2), argnums=(0, 1)
        )(X, X + 1),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TRANSFORMED)
def test_all_transforms(name: str, method: str) -> None:
    transformed, order = TRANSFORMED[name]
    box = inside if method == "complex" else black_box
    f = wg.numerical_rule(box, method=method)
    got, want = transformed(f), transformed(inside)
    accuracy = [1e-14, ACCURACY[method], SECOND[method]][order]
    for g, w in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        assert type(g) is type(w)
        close(g, w, accuracy)


def test_third_order() -> None:
    f = wg.numerical_rule(lambda x: np.exp(x) * np.sin(x), method="complex")
    d3 = wg.grad(wg.grad(wg.grad(f)))(0.5)
    close(d3, wg.grad(wg.grad(wg.grad(lambda x: np.exp(x) * np.sin(x))))(0.5), 1e-5)
    cube = wg.numerical_rule(lambda x: x**3, tolerance=np.inf)
    close(wg.grad(wg.grad(wg.grad(cube)))(0.5), 6.0, 1e-5)


# Trees, dtypes.


def tree_box(p: Any, k: Any, *, scale: Any, mode: str = "a") -> Any:
    assert mode == "b"
    y = p["w"] @ p["b"] * k
    return {"y": y.astype(np.float32), "n": k + 1, "z": [p["w"][0] * scale, None]}


def watched_tree_box(*args: Any, **kwargs: Any) -> Any:
    kinds = (np.ndarray, np.complex128, np.int64)
    assert all([type(v) in kinds for v in wg.tree.leaves((args, kwargs)) if type(v) is not str])
    return tree_box(*args, **kwargs)


def tree_loss(f: Callable[..., Any]) -> Callable[..., Any]:
    def loss(p: Any, scale: Any) -> Any:
        out = f(p, 3, scale=scale, mode="b")
        z = out["z"][0]
        assert out["z"][1] is None
        return np.sum(out["y"] ** 2) + np.sum(np.real(z * z * np.conj(z))) * float(out["n"])

    return loss


def test_trees_and_dtypes() -> None:
    p = {"w": np.arange(6.0).reshape(2, 3) + 1, "b": np.array([1.0, -2.0, 3.0], np.float32)}
    scale = 1.0 + 2.0j
    f = wg.numerical_rule(watched_tree_box)
    got = wg.grad(tree_loss(f), argnums=(0, 1))(p, scale)
    want = wg.grad(tree_loss(tree_box), argnums=(0, 1))(p, scale)
    assert wg.tree.structure(got) == wg.tree.structure(want)
    for g, w in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        assert type(g) is type(w) and g.dtype == w.dtype
        close(g, w, 1e-3)
    lanes = wg.vmap(lambda b: f({**p, "b": b}, 3, scale=scale, mode="b"))(np.stack([p["b"]] * 2))
    assert lanes["n"].tolist() == [4, 4]
    assert lanes["z"][0].shape == (2, 3)


def test_single_precision() -> None:
    x = X.astype(np.float32)
    f = wg.numerical_rule(lambda x: np.sin(x))
    got = wg.grad(lambda x: np.sum(f(x)))(x)
    assert got.dtype == np.float32
    close(got, np.cos(x), 1e-3)


def test_complex_arguments() -> None:
    f = wg.numerical_rule(lambda z: z * np.exp(z) * np.conj(z))
    z = np.array([0.3 + 1j, -0.5j])
    t = np.array([1.0 - 1j, 0.5 + 0j])
    want = wg.jvp(lambda z: z * np.exp(z) * np.conj(z), (z,), (t,))[1]
    close(wg.jvp(f, (z,), (t,))[1], want, 1e-10)
    g = lambda f: wg.grad(lambda z: np.real(np.sum(f(z) ** 2)))(z)
    close(g(f), g(lambda z: z * np.exp(z) * np.conj(z)), 1e-10)


def test_only_what_is_differentiated_costs_calls() -> None:
    calls = 0

    def f(x: Array, y: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.sum(x) * y[0]

    g = wg.numerical_rule(f, method="central")
    wg.grad(g)(np.ones(3), np.ones(50))
    assert calls == 1 + 2 * 3
    calls = 0
    wg.jvp(lambda y: g(np.ones(3), y), (np.ones(50),), (np.ones(50),))
    assert calls == 1 + 2
    calls = 0
    wg.jacrev(lambda x: np.stack([g(x, x)] * 4))(np.ones(3))
    assert calls == 1 + 2 * 6
    calls = 0
    outputs = wg.numerical_rule(lambda x: f(x, x) * np.ones(7), method="central")
    wg.jacrev(outputs)(np.ones(3))  # one Jacobian for seven cotangents
    assert calls == 1 + 2 * 3
    calls = 0
    wg.grad(wg.numerical_rule(lambda x: f(x, x), method="complex"))(np.ones(3))
    assert calls == 1 + 3
    calls = 0
    wg.jvp(wg.numerical_rule(lambda x: f(x, x)), (np.ones(3),), (np.ones(3),))
    assert 12 <= calls <= 20
    calls = 0
    unchecked = wg.numerical_rule(lambda x: f(x, x), tolerance=np.inf)
    wg.jvp(unchecked, (np.ones(3),), (np.ones(3),))
    assert calls <= 12


def test_without_traced_values_the_function_is_just_called() -> None:
    f = wg.numerical_rule(lambda x: [x])
    x = np.ones(2)
    assert f(x)[0] is x
    assert f(2.0) == [2.0]


def test_the_function_may_change_what_it_gets_and_what_it_returned() -> None:
    kept = np.zeros(3)

    def f(x: Array) -> Array:
        x *= 2
        kept[:] = x**2
        return kept

    x = X.copy()
    got = wg.jacrev(wg.numerical_rule(f))(x)
    np.testing.assert_array_equal(x, X)
    close(got, np.diag(8 * X), 1e-10)


# Names, decorators, pickles.


@wg.numerical_rule(method="complex")
def decorated(x: Array) -> Array:
    """What it does."""
    return np.exp(x)


def plain(x: Array) -> Array:
    return np.exp(x)


def test_it_can_be_a_decorator() -> None:
    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "What it does."
    assert decorated.__wrapped__(0.0) == 1.0
    assert repr(decorated) == "<numerical_rule of decorated, by differences: complex>"
    close(wg.grad(decorated)(1.0), math.e, 1e-14)


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    for f in (decorated, wg.numerical_rule(plain, tolerance=1e-3)):
        again = pickle.loads(pickle.dumps(f))
        close(wg.grad(again)(1.0), math.e, 1e-11)
        program = wg.make_program(wg.grad(f))(1.0)
        text = pickle.dumps(program)
        close(pickle.loads(text)(1.0), math.e, 1e-11)


def test_it_is_an_equation_of_programs() -> None:
    program = wg.make_program(wg.numerical_rule(plain))(X)
    wg.core.check_program(program)
    assert str(program).splitlines()[1] == "  b: f64[3] = numerical_call[call=plain] a"


# Shapes before values.


def positive(x: Array) -> Array:
    if np.any(x < 2):
        raise ArithmeticError("no root")
    return {"a": np.sqrt(x), "b": np.float32(1)}


LIKE = {"a": np.zeros(3), "b": np.float32(0)}


def test_result_like() -> None:
    x = X + 3
    with pytest.raises(wg.errors.ShapeError, match="fails when it is called with ones") as info:
        wg.make_program(wg.numerical_rule(positive))(x)
    assert "ArithmeticError: no root" in str(info.value)
    for like in (
        LIKE,
        {"a": wg.core.ShapedArray((3,), np.dtype(float)), "b": np.float32(0)},
        lambda x: {"a": x, "b": np.float32(0)},
    ):
        f = wg.numerical_rule(positive, result_like=like)
        program = wg.make_program(wg.jacrev(lambda x, f=f: f(x)["a"]))(x)
        close(program(x), np.diag(0.5 / np.sqrt(x)), 1e-10)
    wrong = wg.numerical_rule(positive, result_like={"a": np.zeros(2), "b": np.float32(0)})
    with pytest.raises(wg.errors.ShapeError, match="another structure, shape or"):
        wg.make_program(wrong)(x)(x)


def test_shapes_that_vary() -> None:
    f = wg.numerical_rule(lambda x: x[x > 0])
    with pytest.raises(wg.errors.ShapeError, match="another structure"):
        wg.jvp(f, (np.array([1e-9, 1.0]),), (np.array([-1.0, 0.0]),))


# How good it is.


def test_error_estimate() -> None:
    assert wg.numerical_rule(black_box).error_estimate(X) < 1e-10
    assert 1e-14 < wg.numerical_rule(black_box, method="central").error_estimate(X) < 1e-7
    assert wg.numerical_rule(inside, method="complex").error_estimate(X) < 1e-10
    rough = wg.numerical_rule(lambda x: np.round(np.sin(x), 3))
    assert rough.error_estimate(X) > 1e-4
    wrong = wg.numerical_rule(lambda x: np.real(x) + 0 * x, method="complex")
    assert wrong.error_estimate(X) > 0.5
    assert wg.numerical_rule(lambda x: x.tolist()).error_estimate(np.zeros(0)) == 0


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_bad_derivatives_warn(mode: str) -> None:
    take = wg.jacfwd if mode == "fwd" else wg.jacrev
    f = wg.numerical_rule(lambda x: np.round(np.sin(x), 4))
    with pytest.warns(wg.NumericalDerivativeWarning, match="estimated relative error") as caught:
        take(f)(X)
    assert caught[0].filename == __file__
    single = wg.numerical_rule(lambda x: np.float64(np.sin(np.float32(x))))
    with pytest.warns(wg.NumericalDerivativeWarning):
        take(wg.numerical_rule(single.f, tolerance=1e-11))(X[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take(wg.numerical_rule(f.f, tolerance=np.inf))(X)
        take(wg.numerical_rule(f.f, method="central"))(X)  # unchecked
        take(wg.numerical_rule(inside, method="complex", tolerance=1e-6))(X)
        take(wg.numerical_rule(lambda x: x * 0 + 3))(X)  # an exact zero is no error
    with pytest.warns(wg.NumericalDerivativeWarning):
        take(wg.numerical_rule(f.f, method="central", tolerance=1e-6))(X)


def test_jumps_warn() -> None:
    with pytest.warns(wg.NumericalDerivativeWarning):
        wg.grad(wg.numerical_rule(np.floor))(1.0)


def test_the_edge_of_a_domain() -> None:
    f = wg.numerical_rule(lambda x: math.log(x) if x > 0 else math.nan)
    for x in (1e-8, 0.01, 1.0, 1e8):
        close(wg.grad(f)(x) * x, 1.0, 1e-10)


def test_steps() -> None:
    f = lambda x: np.sin(1e6 * x)
    x = 1e-7
    for method, step in (("richardson", 1e-3), ("central", 1e-4), ("complex", 1e-30)):
        found = wg.grad(wg.numerical_rule(f, method=method, step=step))(x)
        close(found / 1e6, np.cos(0.1), 1e-6)
    assert abs(wg.grad(wg.numerical_rule(f, method="central", step=0.9))(x) / 1e6 - 1) > 1e-3


# Bad input.


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="method must be one of 'richardson'"):
        wg.numerical_rule(plain, method="magic")
    with pytest.raises(ValueError, match="step must be positive"):
        wg.numerical_rule(plain, step=0.0)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        wg.numerical_rule(tolerance=-1.0)
    with pytest.raises(TypeError, match="f must be a function"):
        wg.numerical_rule(3)


def test_bad_functions() -> None:
    with pytest.raises(wg.errors.UnsupportedError, match="closes over"):
        wg.grad(lambda x: wg.numerical_rule(lambda y: x * y)(x))(1.0)
    with pytest.raises(wg.errors.LeafTypeError, match="the result"):
        wg.grad(wg.numerical_rule(lambda x: object()))(1.0)
    with pytest.raises(wg.errors.LeafTypeError, match="the argument"):
        wg.grad(lambda x: wg.numerical_rule(lambda x, y: x)(x, object()))(1.0)
    with pytest.raises(ZeroDivisionError):
        wg.grad(wg.numerical_rule(lambda x: 1 / 0))(1.0)


def test_complex_steps_need_analytic_functions() -> None:
    with pytest.raises(wg.errors.DtypeError, match="needs an analytic function"):
        wg.grad(wg.numerical_rule(np.abs, method="complex"))(1.0)
    with pytest.raises(wg.errors.DtypeError, match="must be real"):
        wg.jvp(wg.numerical_rule(plain, method="complex"), (1j,), (1j,))


def test_it_is_not_linear() -> None:
    with pytest.raises(wg.errors.NonLinearError, match="numerical_call"):
        wg.linear_transpose(wg.numerical_rule(lambda x: 2 * x), X)


# The quotients themselves.


def along(f: Callable[[Any], Any], x: float) -> Callable[[Any], Any]:
    return lambda h: np.array([f(x + h)])


@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (np.sin, 0.7, np.cos(0.7)),
        (np.exp, 5.0, np.exp(5.0)),
        (lambda x: x**30, 1.0, 30.0),
        (np.log, 1e-9, 1e9),
        (lambda x: 1 / x, 1e-6, -1e12),
        (lambda x: np.sin(1e4 * x), 1.0, 1e4 * np.cos(1e4)),
        (lambda x: np.tanh(1e4 * x), 1e-6, 1e4 / np.cosh(0.01) ** 2),
        (lambda x: x * 0 + 3, 1.0, 0.0),
        (lambda x: x * x, 0.0, 0.0),
    ],
)
def test_error_bars_are_small_and_true(
    f: Callable[[Any], Any], x: float, derivative: float
) -> None:
    found = richardson(along(f, x), REACH * reach(np.array([x]), np.ones(1)))
    scale = max(abs(derivative), 1.0)
    assert found.error[0] < 1e-9 * scale
    assert abs(found.value[0] - derivative) <= 3 * found.error[0] + 1e-15 * scale


@pytest.mark.parametrize("digits", [5, 7, 9])
def test_error_bars_of_rounded_values(digits: int) -> None:
    trusted = 0
    for x in np.linspace(0.5, 1.5, 20):
        found = richardson(along(lambda x: np.round(np.sin(x), digits), x), REACH)
        trusted += abs(found.value[0] - np.cos(x)) <= 5 * found.error[0]
        assert found.noise[0] > 10.0 ** -(digits + 2)
    assert trusted >= 19


def test_one_sided() -> None:
    for side, slope in ((1, 1.0), (-1, -1.0)):
        found = richardson(along(np.abs, 0.0), REACH, side=side)
        close(found.value, slope, 1e-12)
    found = richardson(along(np.sqrt, 0.0), REACH, side=-1)
    assert np.isnan(found.value[0]) and found.error[0] == np.inf
    close(richardson(along(np.exp, 0.0), REACH, side=1).value, 1.0, 1e-9)


def test_central_and_complex() -> None:
    close(central(along(np.sin, 0.7), 1e-5), np.cos(0.7), 1e-9)
    close(complex_step(along(np.sin, 0.7), 1e-30), np.cos(0.7), 1e-15)


def test_reach_is_as_long_as_the_scales_allow() -> None:
    assert reach(np.array([1e6, 2.0]), np.array([1.0, 0.0])) == 1e6
    assert reach(np.array([1e6, 2.0]), np.array([0.0, 1.0])) == 1e3
    assert reach(np.array([0.0]), np.array([0.5])) == 2.0
    assert reach(np.zeros(2), np.zeros(2)) == 1.0
