"""Jacobians and Hessians: all modes agree, for trees, aux, complex numbers, and every shape."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.1, 0.5, 0.9])
MODES = [wg.jacfwd, wg.jacrev, wg.jacobian]
every = pytest.mark.parametrize("jac", MODES, ids=lambda m: m.__name__)


@every
def test_of_vectors(jac: Any) -> None:
    found = jac(lambda x: np.stack([x[0] * x[1], x[1] ** 2]))(X)
    np.testing.assert_allclose(found, [[0.5, 0.1, 0.0], [0.0, 1.0, 0.0]])
    assert found.flags.writeable
    np.testing.assert_allclose(jac(np.sin)(X), np.diag(np.cos(X)))


@every
@pytest.mark.parametrize("out", [(), (1,), (2,), (2, 0), (2, 3)])
@pytest.mark.parametrize("inp", [(), (1,), (3,), (0,), (3, 2)])
def test_shapes(jac: Any, inp: tuple[int, ...], out: tuple[int, ...]) -> None:
    weights = np.arange(1.0, 1 + np.prod(out) * np.prod(inp)).reshape(out + inp)
    x = np.ones(inp)
    found = jac(lambda v: np.tensordot(weights, v**2, len(inp)))(x)
    assert np.shape(found) == out + inp
    np.testing.assert_allclose(found, 2 * weights)
    assert isinstance(found, np.ndarray) == bool(out + inp)


@every
def test_of_scalars(jac: Any) -> None:
    found = jac(lambda x: x**3)(2.0)
    assert found == 12.0
    assert type(found) is np.float64


@every
def test_trees_on_both_sides(jac: Any) -> None:
    def f(p: Any) -> Any:
        return {"u": p["a"] * p["b"], "v": (np.sum(p["a"]), p["b"])}

    found = jac(f)({"b": 2.0, "a": X})
    np.testing.assert_allclose(found["u"]["a"], 2 * np.eye(3))
    np.testing.assert_allclose(found["u"]["b"], X)
    np.testing.assert_allclose(found["v"][0]["a"], np.ones(3))
    assert found["v"][0]["b"] == 0.0
    np.testing.assert_array_equal(found["v"][1]["a"], np.zeros(3))
    assert found["v"][1]["b"] == 1.0
    assert list(found["u"]) == ["b", "a"]


@every
@pytest.mark.parametrize("argnums", [0, 1, -1, (0, 1), (1, 0), (0,)])
def test_argnums(jac: Any, argnums: Any) -> None:
    y = np.array([2.0, 3.0, 4.0])
    parts = [np.diag(y), np.diag(X)]
    found = jac(lambda a, b: a * b, argnums)(X, y)
    due = tuple(parts[i] for i in argnums) if isinstance(argnums, tuple) else parts[argnums]
    assert type(found) is type(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b)


@every
def test_has_aux_and_keywords(jac: Any) -> None:
    found, aux = jac(lambda x, *, k: (x**k, {"x": x, "k": k}), has_aux=True)(X, k=2)
    np.testing.assert_allclose(found, np.diag(2 * X))
    np.testing.assert_array_equal(aux["x"], X)
    assert type(aux["x"]) is np.ndarray
    assert aux["k"] == 2


@every
def test_holomorphic(jac: Any) -> None:
    z = np.array([1.0 + 2.0j, -0.5j])
    found = jac(lambda v: v**2 * v[0], holomorphic=True)(z)
    due = np.array([[3 * z[0] ** 2, 0], [z[1] ** 2, 2 * z[1] * z[0]]])
    np.testing.assert_allclose(found, due)


def test_complex_results_of_real_arguments_go_forward() -> None:
    found = wg.jacfwd(lambda x: np.exp(1j * x))(X)
    np.testing.assert_allclose(found, np.diag(1j * np.exp(1j * X)))


def test_real_results_of_complex_arguments_go_in_reverse() -> None:
    z = np.array([1.0 + 2.0j, -0.5j])
    np.testing.assert_allclose(wg.jacrev(lambda v: np.abs(v) ** 2)(z), np.diag(2 * np.conj(z)))


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(jac: Any, dtype: Any) -> None:
    x = X.astype(dtype)
    assert jac(lambda v: np.exp(v) * 2)(x).dtype == dtype


@every
def test_constant_and_integer_results(jac: Any) -> None:
    found = jac(lambda x: (np.ones(2), x > 0.3, np.argmax(x), x[:1]))(X)
    np.testing.assert_array_equal(found[0], np.zeros((2, 3)))
    np.testing.assert_array_equal(found[1], np.zeros((3, 3)))
    np.testing.assert_array_equal(found[2], np.zeros(3))
    np.testing.assert_array_equal(found[3], [[1.0, 0.0, 0.0]])


@every
def test_no_aliasing(jac: Any) -> None:
    found = jac(lambda x: (x, x, 2.0 * x))(X)
    found[0][...] = np.nan
    np.testing.assert_array_equal(found[1], np.eye(3))
    np.testing.assert_array_equal(found[2], 2 * np.eye(3))
    first, second = jac(lambda x, y: x + y, (0, 1))(X, X)
    first *= 2.0
    np.testing.assert_array_equal(second, np.eye(3))


@every
def test_modes_agree_on_a_network(jac: Any, rng: np.random.Generator) -> None:
    p = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    f = lambda p, x: np.tanh(x @ p["W"] + p["b"])
    found = jac(f, (0, 1))(p, X)
    h, k = 1e-6, (1, 2)
    e = np.zeros((3, 4))
    e[k] = h
    difference = (f({**p, "W": p["W"] + e}, X) - f({**p, "W": p["W"] - e}, X)) / (2 * h)
    np.testing.assert_allclose(found[0]["W"][:, *k], difference, atol=1e-9)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(wg.jacfwd(f, (0, 1))(p, X)), strict=True):
        np.testing.assert_allclose(a, b)


def test_jacobian_counts_passes() -> None:
    """Forward for few inputs, reverse for few outputs: seen in what complex is refused."""
    wide = lambda x: np.sum(x) * np.exp(1j * np.ones(5))
    np.testing.assert_allclose(wg.jacobian(wide)(X[:2]), wg.jacfwd(wide)(X[:2]))
    with pytest.raises(wg.errors.DtypeError, match="result must be real"):
        wg.jacobian(lambda x: np.sum(np.exp(1j * x)))(X)


# Hessians.


def test_hessian_of_a_vector_function_argument(rng: np.random.Generator) -> None:
    a = rng.normal(size=(3, 3))
    np.testing.assert_allclose(wg.hessian(lambda x: x @ a @ x)(X), a + a.T)


def test_hessian_of_a_tree() -> None:
    found = wg.hessian(lambda p: p["a"] @ p["a"] * p["b"])({"a": X, "b": 2.0})
    np.testing.assert_allclose(found["a"]["a"], 4 * np.eye(3))
    np.testing.assert_allclose(found["a"]["b"], 2 * X)
    np.testing.assert_allclose(found["b"]["a"], 2 * X)
    assert found["b"]["b"] == 0.0


def test_hessian_of_two_arguments() -> None:
    found = wg.hessian(lambda x, y: x**2 * y**3, (0, 1))(2.0, 3.0)
    assert found == ((54.0, 108.0), (108.0, 72.0))


def test_hessian_with_aux_and_of_vectors() -> None:
    found, aux = wg.hessian(lambda x: (np.sum(x**3), x * 2), has_aux=True)(X)
    np.testing.assert_allclose(found, np.diag(6 * X))
    np.testing.assert_array_equal(aux, 2 * X)
    second = wg.hessian(lambda x: x**2)(X)
    assert second.shape == (3, 3, 3)
    np.testing.assert_allclose(second, 2 * np.einsum("ij,ik->ijk", np.eye(3), np.eye(3)))


def test_holomorphic_hessian() -> None:
    found = wg.hessian(lambda z: z**3, holomorphic=True)(1.0 + 1.0j)
    np.testing.assert_allclose(found, 6 * (1 + 1j))


@pytest.mark.parametrize("outer", MODES, ids=lambda m: m.__name__)
@pytest.mark.parametrize("inner", MODES, ids=lambda m: m.__name__)
def test_all_orders_of_nesting_agree(outer: Any, inner: Any) -> None:
    f = lambda x: np.log(np.sum(np.exp(x * x[::-1])))
    np.testing.assert_allclose(outer(inner(f))(X), wg.hessian(f)(X), atol=1e-13)


def test_third_derivatives() -> None:
    found = wg.jacobian(wg.hessian(lambda x: np.prod(x)))(X)
    due = np.zeros((3, 3, 3))
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        due[i, j, k] = 1.0
    np.testing.assert_allclose(found, due, atol=1e-14)


# Value and derivative, and parts at a time.


def test_value_and_jacobian_run_the_function_once() -> None:
    calls = []

    def f(x: Any, k: float = 2.0) -> Any:
        calls.append(1)
        return {"y": k * x**2, "n": 3}

    value, found = wg.value_and_jacobian(f)(X, k=3.0)
    np.testing.assert_array_equal(value["y"], 3.0 * X**2)
    np.testing.assert_allclose(found["y"], np.diag(6 * X))
    assert value["n"] == 3
    assert calls == [1]
    (value, aux), found = wg.value_and_jacobian(lambda x: (f(x), "aux"), has_aux=True)(X)
    assert aux == "aux"
    np.testing.assert_allclose(found["y"], np.diag(4 * X))
    assert wg.value_and_jacobian(lambda x, y: x * y, (0, 1))(2.0, 3.0) == (6.0, (3.0, 2.0))


def test_value_and_hessian_run_the_function_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sum(x**3)

    value, found = wg.value_and_hessian(f)(X)
    assert value == np.sum(X**3)
    assert type(value) is np.float64
    np.testing.assert_allclose(found, np.diag(6 * X))
    assert calls == [1]
    (value, aux), found = wg.value_and_hessian(lambda x: (f(x), 2 * x), has_aux=True)(X)
    np.testing.assert_array_equal(aux, 2 * X)
    np.testing.assert_allclose(found, np.diag(6 * X))
    gradient, found = wg.value_and_jacobian(wg.grad(f))(X)
    np.testing.assert_allclose(gradient, 3 * X**2)
    np.testing.assert_allclose(found, np.diag(6 * X))
    assert wg.value_and_hessian(lambda z: z**3, holomorphic=True)(1j) == (-1j, 6j)


def test_a_returned_argument_is_copied() -> None:
    x = X.copy()
    value, _ = wg.value_and_jacobian(lambda x: x)(x)
    value[...] = 0.0
    np.testing.assert_array_equal(x, X)


def mixed(p: Any) -> Any:
    """Trees on both sides, with results and arguments of several sizes."""
    return {"u": np.outer(np.sin(p["a"]), p["a"])[:, :2], "v": (p["b"] * p["a"][1:], 7, "text")}


@every
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 100, np.int64(2)])
def test_parts_at_a_time_give_the_same(jac: Any, size: Any) -> None:
    p = {"b": 2.0, "a": X, "name": "text"}
    found, due = jac(mixed, chunk_size=size)(p), jac(mixed)(p)
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_array_equal(a, b)
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
    value, again = wg.value_and_jacobian(mixed, chunk_size=size)(p)
    np.testing.assert_array_equal(again["u"]["a"], due["u"]["a"])
    assert value["v"][2] == "text"


@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_at_a_time_of_traced_values_and_hessians(size: int) -> None:
    f = lambda x: np.log(np.sum(np.exp(x * x[::-1])))
    due = wg.hessian(f)(X)
    np.testing.assert_allclose(wg.hessian(f, chunk_size=size)(X), due)
    np.testing.assert_allclose(wg.value_and_hessian(f, chunk_size=size)(X)[1], due)
    np.testing.assert_allclose(wg.vmap(wg.hessian(f, chunk_size=size))(np.stack([X, X]))[1], due)
    np.testing.assert_allclose(wg.make_program(wg.hessian(f, chunk_size=size))(X)(X), due)
    third = wg.jacobian(wg.hessian(f, chunk_size=size), chunk_size=size)(X)
    np.testing.assert_allclose(third, wg.jacobian(wg.hessian(f))(X), atol=1e-13)


@pytest.mark.parametrize("shape", [(0,), (2, 0), ()])
def test_parts_at_a_time_of_small_arrays(shape: Any) -> None:
    for jac in MODES:
        found = jac(lambda x: 2.0 * x, chunk_size=2)(np.ones(shape))
        assert np.shape(found) == shape + shape


@pytest.mark.parametrize(
    ("kind", "match", "size"),
    [
        (wg.errors.ShapeError, "chunk_size must be positive", 0),
        (wg.errors.ShapeError, "chunk_size must be positive", -3),
        (wg.errors.DtypeError, "chunk_size must be an int", 2.0),
        (wg.errors.DtypeError, "chunk_size must be an int", "2"),
        (wg.errors.DtypeError, "chunk_size must be an int", True),
    ],
)
@pytest.mark.parametrize(
    "transform", [*MODES, wg.hessian, wg.value_and_jacobian, wg.value_and_hessian]
)
def test_sizes_of_parts_that_cannot_be(transform: Any, kind: Any, match: str, size: Any) -> None:
    with pytest.raises(kind, match=match) as info:
        transform(np.sin, chunk_size=size)
    assert transform.__name__ in str(info.value)


@pytest.mark.parametrize(("jac", "less"), [(wg.jacfwd, 5.0), (wg.jacrev, 1.5)])
def test_parts_at_a_time_take_less_memory(jac: Any, less: float, rng: np.random.Generator) -> None:
    w = rng.normal(size=(200, 200))

    def f(x: Any) -> Any:
        for _ in range(6):
            x = np.tanh(w @ x)
        return x

    x = rng.normal(size=200)
    peaks = []
    for size in (None, 10):
        tracemalloc.start()
        jac(f, chunk_size=size)(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > less * peaks[1]
    assert peaks[1] < 2.5 * x.size**2 * 8
