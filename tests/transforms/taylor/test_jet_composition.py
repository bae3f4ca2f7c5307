"""Jets of control flow, rules of the user's, solvers and other transformations: each is what nested
jvp gives, under all other transformations too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

Array = Any
ORDER = 3
X = 0.6
SERIES = [0.7, -0.4, 0.9]
MATRIX = np.array([[4.0, 1.0], [1.0, 3.0]])


@wg.custom_jvp
def with_jvp(x: Array) -> Array:
    return 2 * np.sin(x)


@with_jvp.defjvp
def _with_jvp(primals: Any, tangents: Any) -> Any:
    return with_jvp(primals[0]), 2 * np.cos(primals[0]) * tangents[0]


@wg.custom_vjp
def with_vjp(x: Array) -> Array:
    return 2 * np.sin(x)


with_vjp.defvjp(lambda x: (with_vjp(x), x), lambda x, ct: (2 * np.cos(x) * ct,))


def linear_solve(x: Array) -> Array:
    def solve(matvec: Any, b: Array) -> Array:
        return np.linalg.solve(np.stack([matvec(e) for e in np.eye(2)], 1), b)

    b = np.stack([x, x * x])
    return np.sum(
        wg.custom_linear_solve(lambda v: MATRIX @ v * x + v, b, solve, transpose_solve=solve)
    )


def in_place(x: Array) -> Array:
    a = wnp.zeros(3)
    a[0] = x
    a[1] = a[0] * np.sin(x)
    a *= x
    a[2] += a[1]
    view = a[1:]
    view[0] = x * a[2]
    return np.sum(a)


def linalg(x: Array) -> Array:
    turned = np.array([[0.0, 1.0], [1.0, 0.0]])
    solved = np.linalg.solve(MATRIX * x, np.stack([x, np.sin(x)]))
    values = np.linalg.eigh(MATRIX + x * turned)[0]
    return (
        np.sum(solved)
        + np.linalg.det(MATRIX * np.sin(x))
        + values[0]
        + np.linalg.inv(MATRIX * x * x)[0, 1]
        + np.linalg.svd(MATRIX + x * np.eye(2), compute_uv=False)[1]
    )


def loop(x: Array) -> Array:
    return wg.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, np.sin(c[1]) * x), (0, x))[1]


def two_equations(v: Array, x: Array) -> Array:
    return np.stack([v[0] ** 3 + v[1] - x, v[1] * np.exp(v[0]) - x * x])


def dict_of(x: Array) -> Array:
    found = wg.grad(lambda p: np.sin(p["a"] * p["b"]))({"a": x, "b": x * x})
    return found["a"] * found["b"]


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "scan": lambda x: np.sum(wg.scan(lambda c, k: (np.sin(c) * x, c * k), x, np.arange(4.0))[1]),
    "cond": lambda x: wg.cond(x > 0, np.sin, np.cos, x) * x,
    "switch": lambda x: wg.switch(1, [np.sin, np.exp], x),
    "while_loop": loop,
    "fori_loop": lambda x: wg.fori_loop(0, 4, lambda i, c: np.cos(c) * x, x),
    "map": lambda x: np.sum(wg.map(lambda a: np.sin(a * x), np.arange(3.0))),
    "associative_scan": lambda x: np.sum(
        wg.associative_scan(np.multiply, np.stack([x, x * x, np.sin(x)]))
    ),
    "custom_jvp": lambda x: with_jvp(x) * with_jvp(x * x),
    "custom_vjp": lambda x: with_vjp(x) * with_vjp(x * x),
    "checkpoint": lambda x: wg.checkpoint(lambda a: np.sin(a) * np.exp(a))(x) * x,
    "checkpointed-scan": lambda x: np.sum(
        wg.scan(lambda c, k: (np.sin(c) * x, c * k), x, np.arange(4.0), checkpoint_every=2)[1]
    ),
    "staged": lambda x: wg.staged(lambda a: np.sin(a) * np.exp(a))(x) * x,
    "staged-loop": lambda x: wg.staged(loop)(x) * x,
    "root": lambda x: wg.root(lambda v: v**3 + v - x * x - 1, 1.0),
    "root-of-two": lambda x: np.sum(
        wg.root(lambda v: two_equations(v, x), np.array([0.5, 0.5])) * x
    ),
    "fixed_point": lambda x: wg.fixed_point(lambda v: np.cos(v) * x * 0.3, 1.0),
    "argmin": lambda x: wg.argmin(lambda v: (v - np.sin(x)) ** 2 + 0.1 * v**4, 0.0),
    "custom_linear_solve": linear_solve,
    "cg": lambda x: np.sum(wg.cg(lambda v: MATRIX @ v * x, np.stack([x, x * x]))[0]),
    "odeint": lambda x: np.sum(
        wg.odeint(lambda y, t: -y * x + np.sin(t * x), np.ones(2), np.linspace(0, 1, 3))
    ),
    "odeint-start": lambda x: wg.odeint(lambda y, t: -y * y, x, np.linspace(0, 1, 3))[-1],
    "in-place": in_place,
    "grad": lambda x: wg.grad(lambda a: np.sin(a) ** 3)(x),
    "grad-of-dict": dict_of,
    "vjp": lambda x: wg.vjp(lambda a: np.exp(a * x), x)[1](x)[0],
    "jvp": lambda x: wg.jvp(lambda a: np.exp(a * x), (x,), (x,))[1],
    "linearize": lambda x: wg.linearize(lambda a: np.exp(a * x), x)[1](x),
    "hessian": lambda x: np.sum(
        wg.hessian(lambda a: np.sum(np.exp(a) * a**2))(np.stack([x, x * x]))
    ),
    "vmap": lambda x: np.sum(wg.vmap(lambda a: np.sin(a) * x)(np.stack([x, 2 * x]))),
    "vmap-loop": lambda x: np.sum(wg.vmap(loop)(np.stack([x, 2 * x]))),
    "vmap-sort": lambda x: np.sum(
        wg.vmap(lambda a: np.sort(a) @ np.arange(2.0) * x)(
            np.reshape(np.stack([x, 2 * x, x * x, -x]), (2, 2))
        )
    ),
    "sort": lambda x: np.sort(np.stack([x * x, x, -x]))[1] * x,
    "fft": lambda x: np.sum(np.abs(np.fft.rfft(np.stack([x, np.sin(x), x * x, 1.0 + x]))) ** 2),
    "linalg": linalg,
    "jet": lambda x: wg.jet(lambda a: np.sin(a * x), (x,), ([1.0, 0.3],))[1][1],
    "stop_gradient": lambda x: np.sin(wg.stop_gradient(1.5 * X)) * x**2,
    "linear_call": lambda x: wg.linear_call(lambda r, v: r * v, lambda r, ct: r * ct, x, x * x),
    "rounding": lambda x: np.floor(3 * x) * x + np.sign(x),
    "constant": lambda x: 3.0 + 0 * wg.stop_gradient(X),
}

NO_PROGRAM: set[str] = set()


def nested(f: Callable[[Array], Array], x: float) -> list[Array]:
    """The derivatives of f along the curve, by nested jvp."""
    terms = enumerate(SERIES, 1)
    steps = [(k, t / math.factorial(k)) for k, t in terms]
    g: Any = lambda t: f(x + sum([c * t**k for k, c in steps]))
    found = [g(0.0)]
    for _ in range(ORDER):
        g = (lambda h: lambda t: wg.jvp(h, (t,), (1.0,))[1])(g)
        found.append(g(0.0))
    return found


def along(f: Callable[[Array], Array], x: Array) -> list[Array]:
    y, terms = wg.jet(f, (x,), (SERIES,))
    return [y, *terms]


def same(got: Any, want: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def wanted() -> dict[str, list[Array]]:
    return {name: nested(f, X) for name, f in FUNCTIONS.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_eager(name: str, wanted: dict[str, list[Array]]) -> None:
    f = FUNCTIONS[name]
    same(along(f, X), wanted[name])
    # Derivatives of lower order do not depend on how many there are.
    same([t for t in wg.jet(f, (X,), ([SERIES[0]],))[1]], wanted[name][1:2])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_in_a_program(name: str, wanted: dict[str, list[Array]]) -> None:
    program = wg.make_program(lambda x: along(FUNCTIONS[name], x))(X)
    assert str(program)
    same(program(X), wanted[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_staged(name: str, wanted: dict[str, list[Array]]) -> None:
    same(wg.staged(lambda x: along(FUNCTIONS[name], x))(X), wanted[name])
    same(along(wg.staged(FUNCTIONS[name]), X), wanted[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_a_program(name: str, wanted: dict[str, list[Array]]) -> None:
    same(along(wg.make_program(FUNCTIONS[name])(X), X), wanted[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap(name: str, wanted: dict[str, list[Array]]) -> None:
    found = wg.vmap(lambda x: along(FUNCTIONS[name], x))(np.array([0.5, X]))
    same([t[1] for t in found], wanted[name])


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"stop_gradient", "rounding"}))
def test_grad_and_jvp(name: str) -> None:
    f = FUNCTIONS[name]
    last = lambda x: along(f, x)[-1]
    step = 1e-4
    quotient = (last(X + step) - last(X - step)) / (2 * step)
    same(wg.grad(last)(X), quotient, 2e-5 * (1 + abs(quotient)))
    same(wg.jvp(last, (X,), (1.0,))[1], wg.grad(last)(X), 1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jet_of_jet(name: str) -> None:
    """The second derivative of the second derivative along a line is the fourth."""
    f = FUNCTIONS[name]
    second = lambda x: wg.jet(f, (x,), ([1.0, 0.0],))[1][1]
    want = wg.derivatives(f, X, 4)
    same(wg.derivatives(second, X, 2), want[2:], 1e-9)
