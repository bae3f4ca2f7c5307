"""Gradients: argnums, aux, complex conventions, dtypes, trees, aliasing, memory, long chains."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Primitive

X = np.array([0.1, 0.5, 0.9])
Point = namedtuple("Point", ["x", "y"])


def f3(x: Any, y: Any, z: Any) -> Any:
    """A function of three numbers."""
    return x * y**2 * np.exp(z)


def test_grad_and_value_and_grad() -> None:
    g = wg.grad(lambda x: np.sum(x**2 * np.sin(x)))(X)
    due = 2 * X * np.sin(X) + X**2 * np.cos(X)
    np.testing.assert_allclose(g, due)
    value, g2 = wg.value_and_grad(lambda x: np.sum(x**2 * np.sin(x)))(X)
    np.testing.assert_array_equal(g, g2)
    assert value == np.sum(X**2 * np.sin(X))
    assert type(value) is np.float64


@pytest.mark.parametrize(
    ("argnums", "due"),
    [
        (0, 9.0),
        (1, 12.0),
        (2, 18.0),
        (-1, 18.0),
        (-3, 9.0),
        (np.int64(1), 12.0),
        ((0,), (9.0,)),
        ((2, 0), (18.0, 9.0)),
        ([0, 1], (9.0, 12.0)),
        ((0, -1), (9.0, 18.0)),
        ((), ()),
    ],
)
def test_argnums(argnums: Any, due: Any) -> None:
    assert wg.grad(f3, argnums)(2.0, 3.0, 0.0) == due
    assert wg.value_and_grad(f3, argnums)(2.0, 3.0, 0.0) == (18.0, due)


def test_keyword_arguments_pass_through() -> None:
    def f(x: Any, *, power: int, scale: Any = 1.0, mode: str = "a") -> Any:
        assert type(power) is int
        assert mode == "b"
        return scale * x**power

    assert wg.grad(f)(2.0, power=3, scale=np.float64(2.0), mode="b") == 24.0
    assert wg.value_and_grad(f)(2.0, power=3, mode="b") == (8.0, 12.0)


def test_arguments_that_are_not_differentiated_may_be_anything() -> None:
    def f(x: Any, text: str, i: int, obj: Any) -> Any:
        assert (text, i, obj) == ("text", 3, {1, 2})
        return x * i

    assert wg.grad(f)(2.0, "text", 3, {1, 2}) == 3.0


def test_has_aux() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return np.sum(y), {"y": y, "text": "note", "n": 3}

    g, aux = wg.grad(f, has_aux=True)(X)
    np.testing.assert_array_equal(g, np.cos(X))
    np.testing.assert_array_equal(aux["y"], np.sin(X))
    assert type(aux["y"]) is np.ndarray
    assert (aux["text"], aux["n"]) == ("note", 3)
    (value, aux2), g2 = wg.value_and_grad(f, has_aux=True)(X)
    assert value == np.sum(np.sin(X))
    np.testing.assert_array_equal(g2, g)
    np.testing.assert_array_equal(aux2["y"], aux["y"])


def test_aux_of_an_inner_gradient_carries_the_outer_derivative() -> None:
    def f(x: Any) -> Any:
        _, aux = wg.grad(lambda y: (x * y, x**2 * y), has_aux=True)(3.0)
        return aux

    assert wg.grad(f)(2.0) == 12.0


def test_trees() -> None:
    params = {
        "b": 1.0,
        "a": [np.ones(2), (np.float32(2.0), None)],
        "p": Point(np.ones((2, 2)), OrderedDict(z=3.0, y=4.0)),
    }

    def f(p: Any) -> Any:
        x, d = p["p"]
        return p["b"] * p["a"][0].sum() * p["a"][1][0] + np.sum(x**2) * d["z"] + d["y"]

    g = wg.grad(f)(params)
    assert wg.tree.structure(g) == wg.tree.structure(params)
    assert list(g) == ["b", "a", "p"]
    assert g["b"] == 4.0
    assert g["a"][1][0] == 2.0
    assert g["a"][1][0].dtype == np.float32
    np.testing.assert_array_equal(g["p"].x, np.full((2, 2), 6.0))
    assert list(g["p"].y.items()) == [("z", 4.0), ("y", 1.0)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_the_gradient_has_the_dtype_of_the_argument(dtype: Any) -> None:
    x = np.array([0.5, 1.5], dtype)
    for fun in (
        lambda v: np.sum(v**2),
        lambda v: np.sum(np.exp(v) * np.arange(2.0)),
        lambda v: np.mean(v * 2.0),
        lambda v: (v[0] * v[1]).astype(np.float64),
        lambda v: np.sum(v.astype(np.float64) + 1),
    ):
        g = wg.grad(fun)(x)
        assert g.dtype == dtype
        assert g.shape == (2,)
    assert type(wg.grad(lambda v: v * v)(dtype(2.0))) is dtype


def test_python_floats_give_float64() -> None:
    value, g = wg.value_and_grad(lambda x: x * x)(3.0)
    assert type(value) is type(g) is np.float64
    assert type(wg.grad(lambda x: x)(3.0)) is np.float64
    assert type(wg.grad(lambda x: 1.0)(3.0)) is np.float64
    assert type(wg.grad(lambda x: -x)(3.0)) is np.float64
    assert type(wg.grad(lambda p: p["a"] + p["a"])({"a": 3.0})["a"]) is np.float64


def test_zero_dimensional_arrays_give_scalars() -> None:
    g = wg.grad(lambda x: x**2)(np.array(3.0))
    assert g == 6.0
    assert type(g) is np.float64


def test_lists_of_numbers_are_trees_of_scalars() -> None:
    assert wg.grad(lambda v: v[0] * v[1])([2.0, 3.0]) == [3.0, 2.0]


def test_constant_functions_and_unused_arguments_give_zeros() -> None:
    np.testing.assert_array_equal(wg.grad(lambda x: 5.0)(X), np.zeros(3))
    np.testing.assert_array_equal(wg.grad(lambda x: np.float64(5))(X), np.zeros(3))
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.sign(x)))(X), np.zeros(3))
    np.testing.assert_array_equal(wg.grad(lambda x, y: y, 0)(X, 2.0), np.zeros(3))
    g = wg.grad(lambda x, y: np.sum(x), (0, 1))(X, np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(g[1], np.zeros((2, 2)))
    assert g[1].dtype == np.float32


def test_partly_used_arrays() -> None:
    np.testing.assert_array_equal(wg.grad(lambda x: x[1])(X), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(wg.grad(lambda x: x[1] + x[1] * x[2])(X), [0.0, 1.9, 0.5])


def test_empty_arrays() -> None:
    g = wg.grad(lambda x: np.sum(x))(np.zeros((0, 3)))
    assert g.shape == (0, 3)
    assert wg.grad(lambda x: 2.0)([]) == []
    assert wg.grad(lambda x, y: y, 1)(None, 2.0) == 1.0


@pytest.mark.parametrize(
    "fun",
    [
        lambda x, y: np.sum(x) + np.sum(y),
        lambda x, y: np.sum(x + y),
        lambda x, y: np.sum(x * y),
        lambda x, y: np.sum(np.concatenate([x, y])),
        lambda x, y: np.sum(np.stack([x, y])[::-1]),
        lambda x, y: np.mean(x.reshape(1, 3) - y),
        lambda x, y: np.sum((x + y)[:2]),
        lambda x, y: x[0] + y[1],
        lambda x, y: np.sum(np.where(True, x, y)),
        lambda x, y: np.sum(x) * 1.0 + y @ y,
        lambda x, y: 1.0,
    ],
)
def test_gradients_are_fresh_writable_arrays(fun: Any) -> None:
    x, y = X.copy(), X + 1
    first = wg.grad(fun, (0, 1))(x, y)
    due = [np.array(g) for g in first]
    for g in first:
        assert g.flags.writeable
        assert type(g) is np.ndarray
        assert not np.shares_memory(g, x)
        assert not np.shares_memory(g, y)
    assert not np.shares_memory(*first)
    first[0][...] = np.nan
    np.testing.assert_array_equal(first[1], due[1])
    for g, d in zip(wg.grad(fun, (0, 1))(x, y), due, strict=True):
        np.testing.assert_array_equal(g, d)
    np.testing.assert_array_equal(x, X)


def test_gradients_are_not_aliased_to_constants() -> None:
    table = np.array([1.0, 2.0, 3.0])
    g = wg.grad(lambda x: x @ table)(X)
    g[...] = 0.0
    g = wg.grad(lambda x: np.sum(x * table))(X)
    g[...] = 0.0
    np.testing.assert_array_equal(table, [1.0, 2.0, 3.0])


def test_the_same_array_as_two_arguments() -> None:
    g = wg.grad(lambda a, b: np.sum(a * b**2), (0, 1))(X, X)
    np.testing.assert_allclose(g[0], X**2)
    np.testing.assert_allclose(g[1], 2 * X * X)


def test_views_and_read_only_arrays_are_fine_as_inputs() -> None:
    base = np.arange(12.0).reshape(3, 4)
    view = base.T[::2]
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x**2))(view), 2 * view)
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(wg.grad(lambda v: np.sum(v**2))(x), 2 * X)
    np.testing.assert_array_equal(wg.grad(np.sum)(np.asfortranarray(base)), np.ones((3, 4)))


# Complex numbers, in JAX's conventions: df/dx - i df/dy for real functions of complex arguments.

Z = np.array([1.0 + 2.0j, -0.5 + 0.25j])


@pytest.mark.parametrize(
    ("fun", "due"),
    [
        (lambda z: np.sum(np.abs(z) ** 2), 2 * np.conj(Z)),
        (lambda z: np.sum((z * np.conj(z)).real), 2 * np.conj(Z)),
        (lambda z: np.sum(np.real(z)), np.ones(2)),
        (lambda z: np.sum(np.imag(z)), -1j * np.ones(2)),
        (lambda z: np.sum(np.real(z**2)), 2 * Z),
        (lambda z: np.sum(np.abs(z)), np.conj(Z) / np.abs(Z)),
        (lambda z: np.sum(np.angle(z)), -1j / Z),
        (lambda z: np.real(np.vdot(z, z)), 2 * np.conj(Z)),
        (lambda z: np.sum(np.real(np.exp(z))), np.exp(Z)),
        (lambda z: np.log(np.linalg.norm(z)), np.conj(Z) / np.sum(np.abs(Z) ** 2)),
    ],
)
def test_real_functions_of_complex_arguments(fun: Any, due: Any) -> None:
    g = wg.grad(fun)(Z)
    np.testing.assert_allclose(g, due, atol=1e-15)
    assert g.dtype == np.complex128
    x, y = Z.real.copy(), Z.imag.copy()
    by_parts = wg.grad(lambda a, b: fun(a + 1j * b), (0, 1))(x, y)
    np.testing.assert_allclose(by_parts[0] - 1j * by_parts[1], due, atol=1e-15)
    assert by_parts[0].dtype == np.float64


@pytest.mark.parametrize(
    ("fun", "derivative"),
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (lambda z: z**3, lambda z: 3 * z**2),
        (np.sqrt, lambda z: 0.5 / np.sqrt(z)),
        (np.log, lambda z: 1 / z),
        (lambda z: 1j * z, lambda z: 1j),
        (lambda z: 1 / z, lambda z: -1 / z**2),
    ],
)
def test_holomorphic_functions(fun: Any, derivative: Any) -> None:
    z = 0.7 + 0.4j
    found = wg.grad(fun, holomorphic=True)(z)
    np.testing.assert_allclose(found, derivative(z))
    assert type(found) is np.complex128
    second = wg.grad(wg.grad(fun, holomorphic=True), holomorphic=True)(z)
    h = 1e-6
    np.testing.assert_allclose(second, (derivative(z + h) - derivative(z - h)) / (2 * h), atol=1e-7)


def test_complex64() -> None:
    z = Z.astype(np.complex64)
    g = wg.grad(lambda v: np.sum(np.abs(v) ** 2))(z)
    assert g.dtype == np.complex64
    np.testing.assert_allclose(g, 2 * np.conj(z), rtol=1e-6)


def test_descending_along_the_conjugate_reduces_a_real_function() -> None:
    f = lambda z: np.sum(np.abs(z**2 - 1j) ** 2)
    z = Z
    before = f(z)
    for _ in range(50):
        z = z - 0.01 * np.conj(wg.grad(f)(z))
    assert f(z) < 0.1 * before


# Higher orders and hvp.


def test_hvp_agrees_with_the_hessian(rng: np.random.Generator) -> None:
    f = lambda x: np.sum(np.sin(x) * x[::-1] ** 2)
    v = rng.normal(size=3)
    np.testing.assert_allclose(wg.hvp(f, (X,), (v,)), wg.hessian(f)(X) @ v)


def test_hvp_with_trees_and_argnums() -> None:
    f = lambda p, x: p["a"] ** 2 * p["b"] * x
    h = wg.hvp(f, ({"a": 2.0, "b": 3.0}, 5.0), ({"a": 1.0, "b": 0.0}, 0.0))
    assert h == {"a": 30.0, "b": 20.0}
    assert wg.hvp(f, ({"a": 2.0, "b": 3.0}, 5.0), ({"a": 1.0, "b": 0.0}, 0.0), 1) == 12.0
    both = wg.hvp(f, ({"a": 2.0, "b": 3.0}, 5.0), ({"a": 0.0, "b": 0.0}, 1.0), (0, 1))
    assert both == ({"a": 12.0, "b": 4.0}, 0.0)


def test_gradient_of_a_gradient_norm() -> None:
    f = lambda x: np.sum(x**4) / 4
    g = wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2))(X)
    np.testing.assert_allclose(g, 6 * X**5)


# Loops and chains.


def test_indexing_loops_accumulate_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """sum(f(x[i])) makes one buffer of x's size, not one for each element."""
    n = 400
    made = []
    zeros = np.zeros

    def counting(shape: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(shape)
        return zeros(shape, *args, **kwargs)

    def loss(x: Any) -> Any:
        total = 0.0
        for i in range(n):
            total = total + np.sin(x[i]) * x[i]
        return total

    x = np.linspace(0, 1, n)
    monkeypatch.setattr(np, "zeros", counting)
    g = wg.grad(loss)(x)
    monkeypatch.undo()
    np.testing.assert_allclose(g, np.cos(x) * x + np.sin(x))
    assert len([s for s in made if s in (n, (n,))]) <= 2


def test_indexing_loops_of_every_kind_give_the_vectorised_gradient() -> None:
    x = np.linspace(0.1, 1, 12).reshape(4, 3)
    i, j = np.array([0, 0, 2]), np.array([1, 1, 0])

    def loss(x: Any) -> Any:
        total = np.sum(x[i, j] ** 2) + np.sum(x[i] * x[:3]) + x[1:, ::2].sum() + np.sum(x)
        for row in x:
            total = total + np.prod(row) + row[0] * row[-1]
        return total + np.sum(x[x > 0.5] ** 3)

    h = 1e-6
    due = np.zeros_like(x)
    for k in np.ndindex(*x.shape):
        e = np.zeros_like(x)
        e[k] = h
        due[k] = (loss(x + e) - loss(x - e)) / (2 * h)
    np.testing.assert_allclose(wg.grad(loss)(x), due, atol=1e-8)
    hess = wg.hessian(loss)(x).reshape(12, 12)
    np.testing.assert_allclose(hess, hess.T, atol=1e-12)
    np.testing.assert_allclose(wg.jacrev(wg.grad(loss))(x).reshape(12, 12), hess, atol=1e-12)


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.sum(x[[0, 0, 1], [1, 1, 0]] ** 2),
        lambda x: np.sum(x[[0, 0, 1]] * x[:1]),
        lambda x: np.sum(x[x > 0.5] ** 3),
        lambda x: x[1:, ::2].sum() ** 2,
        lambda x: sum(np.prod(row) * row[0] for row in x),
        lambda x: np.prod(x) + np.prod(2.0 * x),
        lambda x: np.prod((2.0 * x)[0]) * (x / 3.0)[1, 1] * (-x)[0, 2] + (x + x)[1, 0] ** 3,
        lambda x: np.take(x, [1, 1, 4]) @ np.arange(3.0) * np.sort(x, axis=1)[0, 2],
        lambda x: np.max(x) * np.diag(x[:, :2]).prod() + np.trace(x) ** 2,
    ],
)
def test_second_derivatives_through_indexing(fun: Any) -> None:
    x = np.array([[0.3, 0.9, 0.45], [0.8, 0.1, 0.7]])
    h, n = 1e-5, x.size
    columns = []
    for k in range(n):
        e = (np.arange(n) == k).reshape(x.shape) * h
        columns.append((wg.grad(fun)(x + e) - wg.grad(fun)(x - e)).ravel() / (2 * h))
    due = np.stack(columns)
    for outer in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(outer(wg.grad(fun))(x).reshape(n, n), due, atol=1e-8)
    np.testing.assert_allclose(wg.hessian(fun)(x).reshape(n, n), due, atol=1e-8)
    np.testing.assert_allclose(wg.jacrev(wg.jacfwd(fun))(x).reshape(n, n), due, atol=1e-8)


N = 10**5


def chain(x: Any) -> Any:
    """N operations, one after the other."""
    for _ in range(N // 2):
        x = x * 1.00001 + 0.0
    return x


def test_a_long_chain_does_not_recurse() -> None:
    due = 1.00001 ** (N // 2)
    np.testing.assert_allclose(wg.grad(chain)(1.0), due)
    np.testing.assert_allclose(wg.jvp(chain, (1.0,), (1.0,))[1], due)
    _, lin = wg.linearize(chain, 1.0)
    np.testing.assert_allclose(lin(1.0), due)
    np.testing.assert_allclose(lin.transpose(1.0)[0], due)
    np.testing.assert_allclose(wg.linear_transpose(lambda x: chain(x), 1.0)(2.0)[0], 2 * due)


def test_a_long_chain_of_mixed_operations_does_not_recurse() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(3000):
            y = np.sin(y) + np.broadcast_to(y.mean(), (2,)) * x
            y = np.where(y > 5, y / 2, y)
        return np.sum(y)

    g = wg.grad(f)(np.array([1e-6, 2e-6]))
    assert np.all(np.isfinite(g))


def test_a_long_program_evaluates_and_prints() -> None:
    def f(x: Any) -> Any:
        for _ in range(5000):
            x = np.sin(x)
        return x

    program = wg.make_program(f)(1.0)
    assert len(program.equations) == 5000
    assert program(1.0) == f(1.0)
    assert len(str(program).splitlines()) == 5003
    np.testing.assert_allclose(wg.grad(program)(1.0), wg.grad(f)(1.0))


def sines(count: int, seen: list[Any], x: Any) -> Any:
    """A chain of `count` operations, with weak references to their values."""
    for _ in range(count):
        x = np.sin(x)
        seen.append(weakref.ref(x.primal))
    return np.sum(x)


def test_residuals_are_freed_when_the_gradient_is_there() -> None:
    seen: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        wg.grad(lambda x: sines(20, seen, x))(np.ones(1000))
        alive = sum(r() is not None for r in seen)
    finally:
        gc.enable()
    assert len(seen) == 20
    assert alive == 0


def test_residuals_are_freed_during_the_backward_pass() -> None:
    """When the transpose of the first operation runs, the later ones' residuals are gone."""
    residuals: list[Any] = []
    alive: list[int] = []

    def look(ct: Any, x: Any) -> Any:
        alive.append(sum(r() is not None for r in residuals))
        return ct

    probe = Primitive(
        "test_probe",
        lambda x: x,
        shape=lambda x: x,
        transposes=(look,),
        linear="jointly",
        linear_args=(0,),
    )

    def f(x: Any) -> Any:
        x = probe.bind(x)
        for _ in range(10):
            c = np.full(1000, 1.5)
            residuals.append(weakref.ref(c))
            x = x * c
        return np.sum(x)

    try:
        wg.grad(f)(np.ones(1000))
        assert len(alive) == 1
        assert alive[0] <= 1  # the walk itself may still hold the last entry
        wg.vjp(f, np.ones(1000))[1](1.0)
        assert alive[1] == 0  # a pullback has copies of what was captured
    finally:
        del Primitive.registry["test_probe"]


def test_a_pullback_keeps_its_residuals_while_it_lives() -> None:
    seen: list[Any] = []
    _, pullback = wg.vjp(lambda x: sines(5, seen, x), np.ones(10))
    first = pullback(1.0)[0]
    np.testing.assert_array_equal(pullback(1.0)[0], first)
    del pullback
    gc.collect()
    assert all(r() is None for r in seen)
