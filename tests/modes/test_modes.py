"""`mode=`: every mode gives the same derivative, in the same tree, for all that takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.modes.table import Engine, add_mode, mode_names

NUMERICAL = ["finite", "complex-step"]
EVERY = ["auto", "forward", "reverse", *NUMERICAL, "taylor", "symbolic"]
every_mode = pytest.mark.parametrize("mode", EVERY)
X = np.array([0.3, -0.7, 1.9])


@pytest.fixture(autouse=True)
def needs_sympy(request: pytest.FixtureRequest) -> None:
    """Symbolic differentiation is an extra."""
    if "mode" in request.fixturenames and request.getfixturevalue("mode") == "symbolic":
        pytest.importorskip("sympy")


def vector(x: Any) -> Any:
    return np.sin(x) * x[0] + np.exp(x[1]) / (2.0 + x @ x)


def scalar(x: Any) -> Any:
    return np.sum(vector(x) ** 2)


@every_mode
def test_jacobian(mode: str) -> None:
    np.testing.assert_allclose(
        wg.jacobian(vector, mode=mode)(X), wg.jacfwd(vector)(X), rtol=1e-10, atol=1e-12
    )


@every_mode
def test_gradient(mode: str) -> None:
    value, g = wg.value_and_grad(scalar, mode=mode)(X)
    assert value == scalar(X)
    np.testing.assert_allclose(g, wg.grad(scalar)(X), rtol=1e-10)
    np.testing.assert_allclose(wg.grad(scalar, mode=mode)(X), g)


@every_mode
def test_hessian(mode: str) -> None:
    found = wg.hessian(scalar, mode=mode)(X)
    np.testing.assert_allclose(found, wg.hessian(scalar)(X), rtol=1e-8, atol=1e-9)


@every_mode
def test_products(mode: str) -> None:
    t = np.array([1.0, -2.0, 0.5])
    y, y_dot = wg.jvp(vector, (X,), (t,), mode=mode)
    np.testing.assert_array_equal(y, vector(X))
    np.testing.assert_allclose(y_dot, wg.jvp(vector, (X,), (t,))[1], rtol=1e-9)
    y, pullback = wg.vjp(vector, X, mode=mode)
    np.testing.assert_array_equal(y, vector(X))
    np.testing.assert_allclose(pullback(t)[0], wg.vjp(vector, X)[1](t)[0], rtol=1e-9)
    np.testing.assert_allclose(pullback(2 * t)[0], 2 * pullback(t)[0])


def tree_function(p: Any, factor: Any) -> Any:
    return {"a": p["u"] * factor, "n": 3, "b": (np.sum(p["v"]), "text")}


def same(a: Any, b: Any, dtypes: bool = True) -> None:
    """Trees of the same structure, types and numbers."""
    assert wg.tree.structure(a) == wg.tree.structure(b)
    for x, y in zip(wg.tree.leaves(a), wg.tree.leaves(b), strict=True):
        if isinstance(x, str):
            assert x == y
            continue
        assert np.shape(x) == np.shape(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype or not dtypes
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-12)


ARGUMENTS = (
    {"u": np.array([1.0, 2.0]), "v": np.ones((2, 2), np.float32), "k": 2, "t": "text"},
    3.0,
)


@every_mode
@pytest.mark.parametrize("argnums", [0, 1, (1, 0), (0,)])
def test_trees(mode: str, argnums: Any) -> None:
    """Static leaves, integers, single precision and argnums come out as in forward mode."""
    due = wg.jacfwd(tree_function, argnums)(*ARGUMENTS)
    # Reverse mode gives the dtypes of the arguments, the others those of the results.
    found = wg.jacobian(tree_function, argnums, mode=mode)(*ARGUMENTS)
    same(found, due, dtypes=mode not in ("reverse", "auto"))


@every_mode
def test_trees_in_products(mode: str) -> None:
    tangents = (
        {"u": np.array([1.0, 0.5]), "v": np.ones((2, 2), np.float32), "k": None, "t": None},
        1.0,
    )
    same(
        wg.jvp(tree_function, ARGUMENTS, tangents, mode=mode),
        wg.jvp(tree_function, ARGUMENTS, tangents),
    )
    ct = {"a": np.array([1.0, 2.0]), "n": None, "b": (np.float32(1.0), None)}
    same(
        wg.vjp(tree_function, *ARGUMENTS, mode=mode)[1](ct),
        wg.vjp(tree_function, *ARGUMENTS)[1](ct),
    )


@pytest.mark.parametrize("mode", NUMERICAL)
def test_has_aux_and_names(mode: str) -> None:
    def f(x: Any, *, scale: Any) -> Any:
        return scale * x**2, "aux"

    assert wg.grad(f, has_aux=True, argnames="scale", mode=mode)(3.0, scale=0.5)[1] == "aux"
    g = wg.grad(f, has_aux=True, argnames="scale", mode=mode)(3.0, scale=0.5)[0]
    np.testing.assert_allclose(g, 9.0)
    (y, aux), j = wg.value_and_jacobian(f, has_aux=True, mode=mode)(3.0, scale=0.5)
    assert (y, aux) == (4.5, "aux")
    np.testing.assert_allclose(j, 3.0)
    y, y_dot, aux = wg.jvp(lambda x: (x * x, "aux"), (2.0,), (1.0,), True, mode=mode)
    assert (y, aux) == (4.0, "aux")
    np.testing.assert_allclose(y_dot, 4.0)


@pytest.mark.parametrize("mode", NUMERICAL)
@pytest.mark.parametrize("shape", [(0,), (0, 2), (), (2, 3, 1)])
def test_shapes(mode: str, shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    found = wg.jacobian(lambda x: np.cos(x), mode=mode)(x)
    assert np.shape(found) == shape + shape
    np.testing.assert_allclose(found, wg.jacfwd(np.cos)(x), rtol=1e-9, atol=1e-12)


@every_mode
def test_inputs_and_results_are_apart(mode: str) -> None:
    """Nothing that is handed out is the user's memory, and nothing of his is changed."""
    x = X.copy()
    y, pullback = wg.vjp(lambda x: x, x, mode=mode)
    y[:] = 7.0
    g = pullback(np.ones(3))[0]
    g[:] = 5.0
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(pullback(np.ones(3))[0], 1.0)


def test_an_unknown_mode() -> None:
    for make in (wg.jacobian, wg.grad, wg.hessian, wg.value_and_grad, wg.value_and_jacobian):
        with pytest.raises(wg.errors.ModeError, match="there is no such mode"):
            make(np.sin, mode="backward")
    with pytest.raises(wg.errors.ModeError, match=r"mode='backward'"):
        wg.jvp(np.sin, (1.0,), (1.0,), mode="backward")
    with pytest.raises(wg.errors.ModeError, match=r"needed: 'auto', 'forward'"):
        wg.vjp(np.sin, 1.0, mode="backward")


def test_a_second_mode_of_a_name() -> None:
    with pytest.raises(wg.errors.ModeError, match="a mode 'finite' already"):
        add_mode(Engine("finite", lambda problem: np.zeros(0)))
    assert mode_names()[:3] == ["auto", "forward", "reverse"]


@pytest.mark.parametrize("mode", NUMERICAL)
@pytest.mark.parametrize("transform", [wg.vmap, lambda f: lambda x: wg.jvp(f, (x,), (x,))])
def test_traced_arguments(mode: str, transform: Callable[..., Any]) -> None:
    with pytest.raises(wg.errors.ModeError, match="needs plain values"):
        transform(wg.jacobian(np.sin, mode=mode))(np.ones((2, 3)))


@pytest.mark.parametrize("mode", NUMERICAL)
def test_no_scalar_and_no_floats(mode: str) -> None:
    with pytest.raises(wg.errors.NonScalarOutputError, match="must return one scalar"):
        wg.grad(np.sin, mode=mode)(np.ones(2))
    with pytest.raises(wg.errors.DtypeError, match="consists of integers"):
        wg.grad(np.sin, mode=mode)(2)


def test_compare_modes() -> None:
    found = wg.compare_modes(vector, X)
    assert {"forward", "reverse", "finite", "complex-step"} <= set(found.results)
    for mode, result in found.results.items():
        if result.failed is None:
            assert result.error < 1e-10, mode
            assert result.seconds > 0
            assert result.memory > 0
    assert found["complex-step"].evaluations == 7  # the point, observed, two checks, three steps
    assert found["reverse"].evaluations == 1
    lines = repr(found).splitlines()
    assert lines[0] == "jacobian of vector"
    assert lines[1].split() == ["mode", "value", "error", "time", "evaluations", "memory"]
    assert len(lines) == 2 + len(found.results)


def test_compare_modes_says_what_failed() -> None:
    found = wg.compare_modes(np.abs, X, modes=("forward", "complex-step"))
    assert found["complex-step"].value is None
    assert "abs is not analytic" in str(found["complex-step"].failed)
    assert "complex-step: jacobian of absolute: abs is not analytic" in repr(found)
    with pytest.raises(wg.errors.ModeError, match="there is no such mode"):
        wg.compare_modes(np.abs, X, modes=("fast",))


@pytest.mark.parametrize("oracle", ["central", "finite", "complex-step"])
def test_oracles_of_check_grads(oracle: str) -> None:
    f = lambda p: np.sum(np.sin(p["a"]) ** 2 * p["b"])
    args = ({"a": X, "b": 2.0},)
    wg.test_util.check_grads(f, args, order=2, oracle=oracle)

    @wg.custom_jvp
    def wrong(x: Any) -> Any:
        return x * x

    wrong.defjvp(lambda primals, tangents: (wrong(*primals), 2.1 * primals[0] * tangents[0]))
    with pytest.raises(AssertionError, match="disagrees with finite differences"):
        wg.test_util.check_grads(wrong, (1.5,), oracle="central")
    with pytest.raises(ValueError, match="oracle must be"):
        wg.test_util.check_grads(f, args, oracle="guess")
    if oracle != "central":
        with pytest.raises((wg.errors.NonSmoothError, wg.errors.NonAnalyticError)):
            wg.test_util.check_grads(np.abs, (0.0,), oracle=oracle)


def test_sparse_results() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    f = lambda u: u[1:] * u[:-1]
    j = wg.jacobian(f, mode="sparse")(X)
    assert sparse.issparse(j)
    np.testing.assert_allclose(j.toarray(), wg.jacfwd(f)(X))
    h = wg.hessian(lambda u: np.sum(f(u)), mode="sparse")(X)
    np.testing.assert_allclose(h.toarray(), wg.hessian(lambda u: np.sum(f(u)))(X))
    y, j = wg.value_and_jacobian(f, mode="sparse")(X)
    np.testing.assert_allclose(y, f(X))
    # Where a vector is asked for, it is one.
    np.testing.assert_allclose(wg.grad(scalar, mode="sparse")(X), wg.grad(scalar)(X))
    y, y_dot = wg.jvp(f, (X,), (X,), mode="sparse")
    np.testing.assert_allclose(y_dot, 2 * f(X))


def test_auto_sees_where_large_jacobians_are_zero() -> None:
    pytest.importorskip("scipy")
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    w = rng.normal(size=(600, 600))
    p = {"a": x, "b": rng.normal(size=(20, 30)).astype(np.float32)}
    cases: list[tuple[Any, Any, bool]] = [
        (lambda u: u[2:] - 2 * u[1:-1] + u[:-2] + np.sin(u[1:-1]), x, True),
        (lambda p: {"s": np.sin(p["a"]) * p["b"].ravel(), "t": np.sum(p["b"][0])}, p, True),
        (lambda u: np.sort(u), x, True),
        (lambda u: np.tanh(w @ u), x, False),
    ]
    for f, at, is_compressed in cases:
        found = wg.plan(wg.jacobian(f), at)
        assert (found.chosen == "compressed") == is_compressed
        a, b = wg.jacobian(f)(at), wg.jacobian(f, mode="forward")(at)
        assert wg.tree.structure(a) == wg.tree.structure(b)
        for v, u in zip(wg.tree.leaves(a), wg.tree.leaves(b), strict=True):
            assert v.shape == u.shape
            np.testing.assert_allclose(v, u, atol=1e-12)
    # A batch of Jacobians is traced, and goes the usual way.
    f = cases[0][0]
    batch = wg.vmap(wg.jacobian(f))(np.stack([x, x]))
    np.testing.assert_allclose(batch[1], wg.jacobian(f)(x))


def test_symbolic_derivatives_of_what_sympy_does_not_know() -> None:
    pytest.importorskip("sympy")
    x = np.array([-1.0, 0.2, 3.0])
    f = lambda x: np.abs(x) + np.floor(x) + np.maximum(x, 0.5)
    np.testing.assert_allclose(wg.jacobian(f, mode="symbolic")(x), wg.jacfwd(f)(x))

    @wg.custom_jvp
    def rule(x: Any) -> Any:
        return x * x

    rule.defjvp(lambda primals, tangents: (rule(*primals), 7.0 * tangents[0]))
    assert wg.grad(rule, mode="symbolic")(2.0) == 7.0
    with pytest.raises(wg.errors.MissingRuleError, match="no symbolic form") as caught:
        wg.jacobian(lambda x: np.linalg.eigvalsh(np.outer(x, x)), mode="symbolic")(x)
    assert "test_modes.py" in str(caught.value)
    with pytest.raises(wg.errors.ModeError, match="too many formulas"):
        wg.jacobian(lambda x: np.outer(x, x), mode="symbolic")(np.ones(30))


@pytest.mark.parametrize("mode", ["forward", "reverse", "taylor"])
def test_modes_of_rules_compose(mode: str) -> None:
    f = lambda x: np.sum(x**3) * x[0]
    of_gradient = lambda x: np.sum(wg.grad(f, mode=mode)(x) ** 2)
    expected = wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2))(X)
    np.testing.assert_allclose(wg.grad(of_gradient)(X), expected)
    np.testing.assert_allclose(wg.jvp(of_gradient, (X,), (X,))[1], expected @ X)
    stack = np.stack([X, 2 * X])
    found = wg.vmap(wg.grad(f, mode=mode))(stack)
    np.testing.assert_allclose(found, [wg.grad(f)(x) for x in stack])
    found = wg.staged(wg.hessian(f, mode=mode))(X)
    np.testing.assert_allclose(found, wg.hessian(f)(X))
    pull = lambda x: wg.vjp(np.sin, x, mode=mode)[1](x)[0]
    np.testing.assert_allclose(wg.jvp(pull, (X,), (X,))[1], (np.cos(X) - X * np.sin(X)) * X)
    push = lambda x: wg.jvp(np.sin, (x,), (x,), mode=mode)[1]
    np.testing.assert_allclose(wg.jvp(push, (X,), (X,))[1], (np.cos(X) - X * np.sin(X)) * X)


@every_mode
def test_pullbacks_take_stacks(mode: str) -> None:
    _, pullback = wg.vjp(lambda x, y: {"p": x * y, "s": np.sum(x)}, X, 2.0, mode=mode)
    cts = {"p": np.eye(4, 3), "s": np.eye(4)[:, 3]}
    xs, ys = pullback.many(cts)
    np.testing.assert_allclose(xs, [[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0], [1, 1, 1]], atol=1e-9)
    np.testing.assert_allclose(ys, [*X, 0.0], atol=1e-9)
    np.testing.assert_allclose(pullback.staged()({"p": X, "s": 0.0})[1], X @ X)


def test_compare_modes_compares_a_sparse_matrix_block_by_block() -> None:
    pytest.importorskip("scipy")
    f = lambda p: {"n": 3, "k": np.argmax(p["a"]), "y": p["a"] * p["b"], "z": np.sum(p["b"] ** 2)}
    found = wg.compare_modes(f, {"a": X, "b": 2 * X}, modes=("forward", "sparse", "reverse"))
    assert found["sparse"].error < 1e-14
    assert found["forward"].error < 1e-14


def test_compare_modes_needs_plain_values() -> None:
    with pytest.raises(wg.errors.ModeError, match="the arguments are traced"):
        wg.grad(lambda x: wg.compare_modes(np.sin, x)["forward"].value)(1.0)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "finite", "taylor"])
def test_results_of_integers_have_zeros_of_integers(mode: str) -> None:
    f = lambda x: {"y": x * 2.0, "k": np.argmax(x), "above": x > 0}
    found = wg.jacobian(f, mode=mode)(X)
    assert [found[k].dtype for k in ("y", "k", "above")] == [np.float64, np.int64, np.bool_]
    assert [found[k].shape for k in ("y", "k", "above")] == [(3, 3), (3,), (3, 3)]
    assert not np.any(found["k"])
    assert not np.any(found["above"])
