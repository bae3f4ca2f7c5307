"""Laplacians, diagonals of Hessians, Gauss-Newton products, directional derivatives of any order,
Hessian-vector products and pullbacks of several vectors at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

_rng = np.random.default_rng(3)
N = 5
X = _rng.normal(size=N)
W = _rng.normal(size=(N, 6))


@wg.custom_jvp
def soft(x: Any) -> Any:
    return np.log1p(np.exp(x))


soft.defjvp(lambda primals, tangents: (soft(*primals), tangents[0] / (1.0 + np.exp(-primals[0]))))


@wg.custom_vjp
def cubed(x: Any) -> Any:
    return x**3


cubed.defvjp(lambda x: (x**3, x), lambda x, ct: (3.0 * x * x * ct,))


def writes(x: Any) -> Any:
    y = np.zeros_like(x)
    y[:2] = x[:2] ** 2
    y[2:] += np.sin(x[: N - 2])
    y *= x
    return y


def closing(x: Any) -> Any:
    """A function with a rule that closes over a traced value."""

    @wg.custom_jvp
    def times(y: Any) -> Any:
        return np.sin(y) * x[0]

    times.defjvp(lambda primals, t: (times(*primals), t[0] * np.cos(primals[0]) * x[0]))
    return np.sum(times(x * x))


def steps(x: Any) -> Any:
    """A loop and a choice that depends on the value."""
    for _ in range(3):
        x = np.sin(x) * x[0] if x[1] > -100 else x
    return x


MATRIX = lambda x: np.outer(x, np.sin(x)) + 4.0 * np.eye(N)
FUNCTIONS = {
    "network": lambda x: np.sum(np.tanh(np.tanh(x @ W) @ W.T) ** 2),
    "vector": lambda x: np.sin(x) * np.cumsum(x) ** 2 / np.linalg.norm(x),
    "products": lambda x: np.sum(np.outer(x, x) @ np.outer(np.sin(x), x)),
    "einsum": lambda x: np.einsum("i,i,j->j", x, np.sin(x), x * x),
    "solve": lambda x: np.linalg.solve(MATRIX(x), x),
    "determinant": lambda x: np.linalg.slogdet(MATRIX(x))[1],
    "eigenvalues": lambda x: np.linalg.eigvalsh(np.outer(x, x) + np.diag(np.arange(N)))[1],
    "quotient": lambda x: (x / (x * x + 1.0)) / (x[::-1] ** 2 + 2.0),
    "powers": lambda x: np.sum((x * x + 1.0) ** x + np.arctan2(x, x[::-1] + 5.0)),
    "kinks": lambda x: np.where(x > 0, x**3, np.exp(x)) + np.max(x) ** 2 + np.sort(x) ** 3,
    "broadcast": lambda x: x[:, None] * np.ones((2, 1, 1)) + x**2 * 2.0,
    "scalar": lambda x: 2.0 * np.sin(x[0]) + x[1] - 1.0,
    "complex": lambda x: np.sum(np.exp(1j * x * x)),
    "fft": lambda x: np.abs(np.fft.rfft(x * x)) ** 2,
    "writes": writes,
    "python": steps,
    "scan": lambda x: wg.scan(lambda c, a: (np.sin(c) * a, c * a), 1.0, x),
    "cond": lambda x: wg.cond(x[0] > 0, np.sin, lambda v: np.cos(v * v), x),
    "while": lambda x: wg.while_loop(lambda v: np.sum(v) > 0.1, lambda v: 0.5 * np.sin(v), x**2),
    "vmapped": lambda x: wg.vmap(lambda a: wg.cond(a > 0, np.sin, lambda v: v**3, a))(x),
    "checkpoint": lambda x: np.sum(wg.checkpoint(lambda v: np.sin(v) ** 2)(x)),
    "custom_jvp": lambda x: np.sum(soft(x) * x),
    "custom_vjp": lambda x: np.sum(cubed(np.sin(x))),
    "gradient": wg.grad(lambda v: np.sum(np.sin(v) ** 2 * v[0])),
    "root": lambda x: wg.root(lambda y: y**3 + y - np.sum(x**2), 1.0),
    "fixed_point": lambda x: wg.fixed_point(lambda y: 0.3 * np.sin(y + x), x),
    "cg": lambda x: wg.cg(lambda v: v * (x**2 + 1.0), x),
    "staged": lambda x: wg.staged(lambda v: np.sum(np.sin(v) ** 2))(x),
    "constant": lambda x: 3.0,
    "linear": lambda x: x[2:] * 3.0 + 1.0,
}


def second_derivatives(fun: Any, x: Any) -> Any:
    """d^2/dx_i^2 for each leaf of the result, by nested forward mode."""
    hessian = wg.jacfwd(wg.jacfwd(fun))(x)
    return wg.tree.map(lambda h: np.diagonal(h, axis1=-2, axis2=-1), hessian)


def same(found: Any, due: Any) -> None:
    pairs = zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True)
    for a, b in pairs:
        assert np.shape(a) == np.shape(b)
        scale = np.max(np.abs(b), initial=1e-300)
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10 * scale)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_laplacian_and_diagonal(name: str) -> None:
    fun = FUNCTIONS[name]
    due = second_derivatives(fun, X)
    traces = wg.tree.map(lambda d: np.sum(d, axis=-1), due)
    same(wg.hessian_diagonal(fun)(X), due)
    same(wg.laplacian(fun)(X), traces)
    same(wg.laplacian(fun, chunk_size=2)(X), traces)
    same(wg.hessian_diagonal(fun, chunk_size=3)(X), due)


@pytest.mark.parametrize("name", ["network", "vector", "linear", "constant", "scan"])
def test_value_and_jacobian_come_along(name: str) -> None:
    fun = FUNCTIONS[name]
    for chunk_size in (None, 2):
        found = wg.forward_laplacian(fun, chunk_size=chunk_size)(X)
        same(found.value, fun(X))
        same(found.jacobian, wg.jacobian(fun)(X))
        same(found.laplacian, wg.laplacian(fun)(X))


def test_trees_several_arguments_and_aux() -> None:
    fun = lambda p, s, kind, y=2.0: ({"v": p["a"] @ p["a"] * p["b"] ** 2 * s**3 * y}, kind)
    p = {"a": X, "b": 2.0}
    due = 2 * N * 4.0 * 27.0 * 2.0 + 2 * (X @ X) * 27.0 * 2.0
    found, aux = wg.laplacian(fun, has_aux=True)(p, 3.0, "kind")
    assert aux == "kind"
    np.testing.assert_allclose(found["v"], due)
    both = wg.laplacian(fun, argnums=(0, 1), has_aux=True)(p, 3.0, "kind")[0]
    np.testing.assert_allclose(both["v"], due + 6 * 3.0 * (X @ X) * 4.0 * 2.0)
    diagonal = wg.hessian_diagonal(lambda *a: fun(*a)[0]["v"], argnums=(0, 1))(p, 3.0, "kind")
    assert wg.tree.structure(diagonal) == wg.tree.structure((p, 3.0))
    np.testing.assert_allclose(diagonal[0]["a"], np.full(N, 2 * 4.0 * 27.0 * 2.0))
    by_name = wg.laplacian(lambda p, y: p * y**4, argnames="y")(1.0, y=2.0)
    assert float(by_name) == 48.0
    whole = wg.forward_laplacian(fun, has_aux=True)(p, 3.0, "kind")
    assert whole[1] == "kind" and set(whole[0].jacobian["v"]) == {"a", "b"}


def test_results_without_a_derivative() -> None:
    found = wg.forward_laplacian(lambda x: (x[0] ** 2, "text", 3))(X)
    assert found.value[1:] == ("text", 3)
    assert found.laplacian == (2.0, None, 0.0) and found.jacobian[1] is None


def test_results_are_the_users_own() -> None:
    constant, x = np.ones(N), X.copy()
    found = wg.forward_laplacian(lambda x: (x, x, constant, x * x, {"a": x[:2]}))(x)
    leaves = wg.tree.leaves(found)
    for i, leaf in enumerate(leaves):
        leaf[...] = 100.0 + i
    assert [np.unique(leaf).tolist() for leaf in leaves] == [[100.0 + i] for i in range(15)]
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(constant, np.ones(N))


def test_numbers_empty_arrays_and_single_precision() -> None:
    assert float(wg.laplacian(lambda x: x**3)(2.0)) == 12.0
    assert float(wg.hessian_diagonal(lambda x: x**3)(2.0)) == 12.0
    assert wg.laplacian(lambda x: np.sum(x**3))(np.zeros(0)) == 0.0
    assert wg.hessian_diagonal(lambda x: np.sum(x**3))(np.zeros(0)).shape == (0,)
    single = X.astype(np.float32)
    assert wg.laplacian(lambda x: np.sum(np.sin(x) * 2.0))(single).dtype == np.float32
    assert wg.hessian_diagonal(lambda x: np.sum(np.sin(x)))(single).dtype == np.float32


@pytest.mark.parametrize("name", ["network", "vector", "products", "writes", "custom_jvp"])
def test_nested_in_transformations(name: str) -> None:
    fun = FUNCTIONS[name]
    by_pass = lambda x: np.sum(wg.laplacian(fun)(x))
    by_hessian = lambda x: np.sum(second_derivatives(fun, x))
    v = _rng.normal(size=N)
    same(wg.grad(by_pass)(X), wg.jacfwd(by_hessian)(X))
    same(wg.jvp(by_pass, (X,), (v,)), wg.jvp(by_hessian, (X,), (v,)))
    same(wg.linearize(by_pass, X)[1](v), wg.jvp(by_hessian, (X,), (v,))[1])
    same(wg.vmap(by_pass)(np.stack([X, v])), np.stack([by_hessian(X), by_hessian(v)]))
    same(wg.make_program(by_pass)(X)(v), by_hessian(v))
    same(wg.staged(by_pass)(v), by_hessian(v))


def test_laplacian_of_the_laplacian() -> None:
    fun = lambda x: np.sum(np.sin(x) ** 3 * x[0])
    by_hessian = lambda x: np.sum(second_derivatives(fun, x))
    same(wg.laplacian(wg.laplacian(fun))(X), np.sum(second_derivatives(by_hessian, X)))


def test_harmonic_functions_and_heat_kernel() -> None:
    x = np.array([0.3, -0.4, 1.2])
    assert abs(wg.laplacian(lambda x: 1.0 / np.linalg.norm(x))(x)) < 1e-13
    assert abs(wg.laplacian(lambda x: x[0] ** 2 - x[1] ** 2)(x)) == 0.0
    heat = lambda t, x: t**-1.5 * np.exp(-(x @ x) / (4.0 * t))
    slope = wg.grad(heat)(0.7, x)
    np.testing.assert_allclose(wg.laplacian(heat, argnums=1)(0.7, x), slope)


def test_inputs_that_make_no_sense() -> None:
    with pytest.raises(errors.DtypeError, match=r"laplacian of .*: the arguments must be real"):
        wg.laplacian(lambda z: np.sum(z * z))(X + 0j)
    with pytest.raises(errors.DtypeError, match="argument 0 consists of integers"):
        wg.laplacian(lambda x: np.sum(x * x))(np.arange(3))
    with pytest.raises(errors.ShapeError, match="chunk_size must be positive"):
        wg.laplacian(np.sum, chunk_size=0)
    with pytest.raises(errors.TreeError, match="must return a pair"):
        wg.hessian_diagonal(lambda x: x, has_aux=True)(X)
    with pytest.raises(errors.UnsupportedError, match="times: its function or a rule closes over"):
        wg.laplacian(closing)(X)
    equation = lambda x: wg.root(lambda y: y - x[0] if y > 0 else y, 1.0)
    with pytest.raises(errors.ConcretizationError, match="root"):
        wg.laplacian(equation)(X)
    kept = []
    wg.laplacian(lambda x: kept.append(x * x) or np.sum(x))(X)
    with pytest.raises(errors.EscapedTracerError, match="laplacian of <lambda>"):
        kept[0] + 1.0


# Gauss-Newton.


def residual(x: Any) -> Any:
    return np.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0], np.sin(x[0] * x[1])])


def log_sum(y: Any) -> Any:
    return np.log(np.sum(np.exp(y)))


def test_gauss_newton_product() -> None:
    x, v = X[:2], np.array([1.0, -2.0])
    J = wg.jacobian(residual)(x)
    np.testing.assert_allclose(wg.gnvp(residual, (x,), (v,)), J.T @ J @ v)
    H = wg.hessian(log_sum)(residual(x))
    np.testing.assert_allclose(wg.gnvp(residual, (x,), (v,), loss=log_sum), J.T @ H @ J @ v)
    rows = wg.vmap(lambda v: wg.gnvp(residual, (x,), (v,), loss=log_sum))(np.eye(2))
    np.testing.assert_allclose(rows, J.T @ H @ J)
    quadratic = lambda y: 0.5 * np.sum(y * y)
    np.testing.assert_allclose(
        wg.gnvp(residual, (x,), (v,), loss=quadratic), wg.gnvp(residual, (x,), (v,))
    )


def test_gauss_newton_is_the_hessian_of_linear_models() -> None:
    v = _rng.normal(size=N)
    whole = wg.hvp(lambda x: log_sum(x @ W), (X,), (v,))
    np.testing.assert_allclose(wg.gnvp(lambda x: x @ W, (X,), (v,), loss=log_sum), whole)


def test_gauss_newton_of_trees() -> None:
    model = lambda p, x: ({"y": np.tanh(x @ p["w"]) + p["b"]}, "aux")
    p, t = {"w": W, "b": 0.5}, {"w": np.ones_like(W), "b": 1.0}
    loss = lambda out: np.sum(out["y"] ** 4)
    found, aux = wg.gnvp(model, (p, X), (t, np.zeros(N)), has_aux=True, loss=loss)
    assert aux == "aux"
    D = wg.derivative_map(lambda p: model(p, X)[0], p)
    y = model(p, X)[0]
    same(found, (D.T @ wg.derivative_map(wg.grad(loss), y) @ D)(t))
    both = wg.gnvp(model, (p, X), (t, np.zeros(N)), (0, 1), True, loss=loss)[0]
    same(both[0], found)
    assert both[1].shape == (N,)
    same(wg.gnvp(model, (p, X), (t, np.zeros(N)), None, True, loss=loss, argnames="x")[0], both[1])


def test_gauss_newton_of_complex_residuals() -> None:
    fun = lambda x: np.exp(1j * x) * x
    J = wg.derivative_map(fun, X).matrix()
    np.testing.assert_allclose(wg.gnvp(fun, (X,), (X,)), np.real(J.conj().T @ J @ X))
    half = lambda y: 0.5 * np.sum(np.abs(y) ** 2)
    np.testing.assert_allclose(wg.gnvp(fun, (X,), (X,), loss=half), np.real(J.conj().T @ J @ X))


def test_gauss_newton_under_transformations() -> None:
    fun = lambda x: np.sum(wg.gnvp(residual, (x,), (np.ones(2),), loss=log_sum))

    def dense(x: Any) -> Any:
        J = wg.jacobian(residual)(x)
        return np.sum(J.T @ (wg.hessian(log_sum)(residual(x)) @ (J @ np.ones(2))))

    same(wg.grad(fun)(X[:2]), wg.grad(dense)(X[:2]))
    same(wg.make_program(fun)(X[:2])(X[1:3]), dense(X[1:3]))


def test_gauss_newton_refuses() -> None:
    x = X[:2]
    with pytest.raises(errors.NonScalarOutputError, match="must return one scalar"):
        wg.gnvp(residual, (x,), (x,), loss=lambda y: y)
    with pytest.raises(errors.ShapeError, match="another shape than its primal"):
        wg.gnvp(residual, (x,), (x[:1],))
    with pytest.raises(errors.ShapeError, match="gnvp of residual: argnums=1 is out of range"):
        wg.gnvp(residual, (x,), (x,), 1)


# Directions.


def test_directional_derivatives() -> None:
    f = lambda t: np.exp(np.sin(t) * t)
    nested = f
    for n in range(6):
        np.testing.assert_allclose(
            wg.directional_derivative(f, 0.3, 1.0, n), nested(0.3), rtol=1e-10
        )
        nested = lambda t, g=nested: wg.jvp(g, (t,), (1.0,))[1]


def test_directional_derivatives_of_trees() -> None:
    fun = lambda p: {"y": np.sin(p["a"]) * p["b"], "kind": p["kind"]}
    p, v = {"a": X, "b": 2.0, "kind": "k"}, {"a": X[::-1].copy(), "b": 1.0, "kind": None}
    along = lambda t: np.sin(X + t * v["a"]) * (2.0 + t)
    line = along
    for n in range(4):
        found = wg.directional_derivative(fun, p, v, n)
        np.testing.assert_allclose(found["y"], line(0.0), rtol=1e-10)
        line = lambda t, g=line: wg.jvp(g, (t,), (1.0,))[1]
    assert found["kind"] is None


def test_directional_derivatives_under_transformations() -> None:
    third = lambda x: np.sum(wg.directional_derivative(np.sin, x, np.ones(N), 3))
    np.testing.assert_allclose(wg.grad(third)(X), np.sin(X))
    np.testing.assert_allclose(wg.vmap(third)(X[None]), [-np.sum(np.cos(X))])
    np.testing.assert_allclose(wg.make_program(third)(X)(X), -np.sum(np.cos(X)))


@pytest.mark.parametrize("order", [-1, 1.5, True, None])
def test_orders_that_make_no_sense(order: Any) -> None:
    with pytest.raises((errors.ShapeError, errors.DtypeError), match="order must"):
        wg.directional_derivative(np.sin, 0.0, 1.0, order)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_directions_that_do_not_fit(order: int) -> None:
    with pytest.raises(errors.ShapeError, match="another shape than its primal"):
        wg.directional_derivative(np.sin, X, X[:2], order)


# Hessian-vector products and pullbacks of several vectors.


def test_hvp_of_trees_with_aux_and_several_vectors() -> None:
    fun = lambda p, x: (np.sum(np.tanh(x @ p["w"]) ** 2) * p["b"] ** 2, {"n": 1})
    p = {"w": W, "b": 2.0, "name": "net"}
    rng = np.random.default_rng(0)
    ts = [{"w": rng.normal(size=W.shape), "b": rng.normal(), "name": None} for _ in range(3)]
    zero = np.zeros(N)
    slope = lambda p: wg.grad(fun, has_aux=True)(p, X)[0]
    due = [wg.jvp(slope, (p,), (t,))[1] for t in ts]
    for t, d in zip(ts, due, strict=True):
        found, aux = wg.hvp(fun, (p, X), (t, zero), has_aux=True)
        assert aux == {"n": 1}
        same(found, d)
    stack = wg.tree.map(lambda *xs: np.stack(xs), *ts)
    same(
        wg.vmap(lambda t: wg.hvp(fun, (p, X), (t, zero), has_aux=True)[0])(stack),
        wg.tree.map(lambda *xs: np.stack(xs), *due),
    )
    H = wg.derivative_map(slope, p)
    same(H.many(stack), wg.tree.map(lambda *xs: np.stack(xs), *due))
    assert H.allclose(H.T)


def test_pullback_of_several_cotangents() -> None:
    fun = lambda x, w: {"a": np.sin(x) @ w, "b": np.sum(x) ** 2}
    _, pullback = wg.vjp(fun, X, W)
    cts = {"a": _rng.normal(size=(4, 6)), "b": _rng.normal(size=4)}
    due = [pullback({"a": cts["a"][i], "b": cts["b"][i]}) for i in range(4)]
    for chunk_size in (None, 3):
        found = pullback.many(cts, chunk_size=chunk_size)
        same(found, wg.tree.map(lambda *xs: np.stack(xs), *due))
    _, f_lin = wg.linearize(fun, X, W)
    ts = (_rng.normal(size=(4, N)), _rng.normal(size=(4, N, 6)))
    pushed = [f_lin(ts[0][i], ts[1][i]) for i in range(4)]
    same(f_lin.many(*ts), wg.tree.map(lambda *xs: np.stack(xs), *pushed))
    assert pullback.many({"a": np.ones((0, 6)), "b": np.ones(0)})[0].shape == (0, N)
    with pytest.raises(errors.BatchError, match="sizes differ"):
        pullback.many({"a": np.ones((4, 6)), "b": np.ones(3)})
    with pytest.raises(errors.ShapeError, match="another shape than the result"):
        pullback.many({"a": np.ones((4, 5)), "b": np.ones(4)})
    with pytest.raises(errors.ShapeError, match="chunk_size must be positive"):
        pullback.many(cts, chunk_size=0)
