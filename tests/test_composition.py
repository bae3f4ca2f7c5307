"""Small programs closed under all transformations to depth 3, against finite differences.

Every transformation is written as a map from functions R^n -> R^n to functions R^n -> R^n, with
tangents and cotangents that depend on the point, so that nested derivatives would show any
confusion of variables.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program
from wengert.core.errors import ConcretizationError

Map = Callable[[Any], Any]

X = np.array([0.9, 0.55, 1.3])
V = np.array([0.4, -0.7, 0.3])
U = np.array([-0.5, 0.6, 0.8])
M = np.array([[0.4, -0.3, 0.2], [0.1, 0.5, -0.6], [-0.2, 0.3, 0.7]])


def direction(x: Any) -> Any:
    """The tangent at a point."""
    return V + 0.3 * x


def weight(x: Any) -> Any:
    """The cotangent at a point."""
    return U - 0.2 * x


# The programs.


def polynomial(x: Any) -> Any:
    """Elementwise arithmetic."""
    return (x**3 - 2.0 * x**2 + 0.5) / (1.0 + x * x)


def network(x: Any) -> Any:
    """A layer with a dict of parameters."""
    params = {"W": M * x[0], "b": x}
    return np.tanh(params["W"] @ x + params["b"])


def softmax(x: Any) -> Any:
    """matmul, exp, log and sums with keepdims."""
    z = M @ x
    top = z - np.log(np.sum(np.exp(z), axis=-1, keepdims=True))
    return np.exp(top) * np.logaddexp(x, 0.3)


def loop(x: Any) -> Any:
    """A loop over elements, and index arrays that repeat."""
    total = 0.0
    for i in range(3):
        total = total + x[i] * np.sin(x[(i + 1) % 3])
    return total * x[np.array([0, 0, 2])] + x[::-1]


def linalg(x: Any) -> Any:
    """solve and cholesky of matrices that depend on the point."""
    a = M + np.diag(x + 1.0) + np.outer(x, x) * 0.1
    lower = np.linalg.cholesky(a @ a.T + np.eye(3))
    return np.linalg.solve(a, x) + lower @ x


def choices(x: Any) -> Any:
    """where, max, clip and abs, away from their kinks."""
    y = np.where(x > 0.78, x**2, np.sin(x)) + np.max(x) * np.minimum(x, 0.1)
    return np.abs(y - 0.05) * np.clip(x, 0.2, 10.0)


def cumulative(x: Any) -> Any:
    """cumsum, cumprod and sort."""
    return np.cumsum(np.sort(x) * x) * np.cumprod(x)[::-1]


def joined(x: Any) -> Any:
    """concatenate, stack, reshape, broadcasting and einsum."""
    y = np.concatenate([x[1:], x[:1]]).reshape(3, 1) * np.stack([x, x * x, np.cos(x)])
    return np.einsum("ij,jk,k->i", y, y.T, x) / 3.0 + np.mean(y, axis=0)


def through_complex(x: Any) -> Any:
    """Real to real through complex numbers."""
    z = np.exp(1j * x) + (0.5 + 0.2j) * x
    return np.abs(z) ** 2 + np.imag(z * z) + np.real(np.conj(z) * z[::-1])


def reduced(x: Any) -> Any:
    """var, prod, norm and indexing with None."""
    return x * np.var(x) + np.prod(x[:2]) * np.linalg.norm(x) + np.sum(x[:, None] * M * x, axis=1)


def control_flow(x: Any) -> Any:
    """Python's if and while on values."""
    y, n = x, 0
    while np.sum(y) < 5.3:
        y, n = y * (1.2 + 0.1 * x), n + 1
    return y * n if y[0] > 0 else -y


# Where these decide, the points X, 1.1 X, 1.21 X ... differ, and each of them is so far from the
# next decision that differences do not reach it.


def branches(x: Any) -> Any:
    """cond and switch whose operands and closures depend on the point."""
    s = np.sum(x)
    y = wg.cond(s > 2.9, lambda a: np.sin(a) * x, lambda a: np.log(a) + x[::-1], x + 1.0)
    n = np.floor((s - 2.3) / 0.3).astype(int)
    z = wg.switch(n - 1, [lambda: x * y, lambda: x**2, lambda: np.exp(-x * y), lambda: y / x])
    return z + wg.cond(n > 100, lambda: np.log(-x), lambda: 0.1 * y)


def scanned(x: Any) -> Any:
    """scan in both directions, with a dict as carry, and results."""

    def step(c: Any, item: Any) -> Any:
        a, k = item
        v = np.tanh(0.3 * c["v"] * a + 0.5 * np.sin(x) * k)
        return {"v": v, "s": c["s"] + np.sum(v * x)}, (v * c["s"], None)

    k = np.array([1.0, 0.5, -1.0])
    end, (ys, _) = wg.scan(step, {"v": x, "s": 0.0}, (x, k))
    back, _ = wg.scan(lambda c, y: (c * y + M @ c, None), end["v"], ys, reverse=True)
    return back * end["s"] + ys[1]


def repeated(x: Any) -> Any:
    """while_loop with a number of turns that depends on the point."""

    def turn(c: Any) -> Any:
        y, s, n = c
        return y * (1.0 + 0.1 * x) + 0.01 * np.sin(y), 1.1 * s, n + 1

    y, s, n = wg.while_loop(lambda c: c[1] < 3.84, turn, (x, np.sum(x), 0))
    return y * s * n


def counted(x: Any) -> Any:
    """fori_loop with known and with computed bounds."""
    y = wg.fori_loop(0, 3, lambda i, c: 0.5 * c * x[i] + np.cos(0.5 * x) / (i + 1), x)
    n = np.floor((np.sum(x) - 2.0) / 0.3).astype(int)
    return wg.fori_loop(1, n, lambda i, c: c + np.sin(0.3 * c * x) / i, y)


def mapped(x: Any) -> Any:
    """map, item by item and in batches, and associative_scan."""
    y = wg.map(lambda a: a * np.sin(a) * x[0], x) + wg.map(np.cos, x, batch_size=2)
    matrices = M + x[:, None, None] * np.eye(3) * y[0]
    products = wg.associative_scan(np.matmul, matrices)
    return products[2] @ y + wg.associative_scan(np.multiply, x, reverse=True)


def nested_loops(x: Any) -> Any:
    """A cond in a scan in a while_loop, and a derivative and a batch in the body of a scan."""
    s = np.sum(x)

    def item(c: Any, k: Any) -> Any:
        a = x[k]
        c = wg.cond(s + k > 3.9, lambda: np.sqrt(1.0 + c * a), lambda: 0.5 * c * (a + 0.3))
        c = c + 0.1 * wg.grad(lambda v: np.sum(np.sin(0.5 * v) * a))(c)
        return c, np.sum(wg.vmap(lambda v: v * v * a)(c))

    def turn(c: Any) -> Any:
        y, s = c
        y, sums = wg.scan(item, y, np.arange(3))
        return y + 0.05 * sums, 1.21 * s

    return wg.while_loop(lambda c: c[1] < 3.84, turn, (0.5 * x, s))[0]


PROGRAMS: list[Map] = [
    polynomial, network, softmax, loop, linalg, choices, cumulative, joined, through_complex,
    reduced, branches, scanned, repeated, counted, mapped, nested_loops, control_flow,
]  # fmt: skip


# The transformations, as maps of functions.


def by_jvp(f: Map) -> Map:
    """The directional derivative by forward mode."""
    return lambda x: wg.jvp(f, (x,), (direction(x),))[1]


def by_linearize(f: Map) -> Map:
    """The directional derivative by linearization."""
    return lambda x: wg.linearize(f, x)[1](direction(x))


def by_vjp(f: Map) -> Map:
    """The transposed derivative by a pullback."""
    return lambda x: wg.vjp(f, x)[1](weight(x))[0]


def by_grad(f: Map) -> Map:
    """The transposed derivative by the gradient of a weighted sum."""

    def g(x: Any) -> Any:
        w = weight(x)
        return wg.grad(lambda y: np.sum(w * f(y)))(x)

    return g


def by_vmap(f: Map) -> Map:
    """The sum over a batch of two."""
    return lambda x: np.sum(wg.vmap(f, out_axes=1)(np.stack([x, 1.1 * x])), axis=1)


def by_program(f: Map) -> Map:
    """The same function, through a program."""

    def g(x: Any) -> Any:
        program = wg.make_program(f)(x)
        check_program(program)
        return program(x)

    return g


def by_staged(f: Map) -> Map:
    """The same function, staged: at its first call, and at a later one."""
    g = wg.staged(f)

    def twice(x: Any) -> Any:
        if not isinstance(x, wg.Tracer):
            g(x)
        return g(x)

    return twice


TRANSFORMS: dict[str, tuple[Callable[[Map], Map], str]] = {
    "jvp": (by_jvp, "push"),
    "linearize": (by_linearize, "push"),
    "vjp": (by_vjp, "pull"),
    "grad": (by_grad, "pull"),
    "vmap": (by_vmap, "batch"),
    "make_program": (by_program, ""),
    "staged": (by_staged, ""),
}


# What they mean, by central differences of sixth order.

STEP = 0.01
STENCIL = ((1, 0.75), (2, -0.15), (3, 1 / 60))


def derivative(f: Map, x: Any, v: Any) -> Any:
    """The derivative of f at x in the direction v."""
    return sum(c * (f(x + k * STEP * v) - f(x - k * STEP * v)) for k, c in STENCIL) / STEP


def push(f: Map) -> Map:
    """The meaning of jvp and linearize."""
    return lambda x: derivative(f, x, direction(x))


def pull(f: Map) -> Map:
    """The meaning of vjp and grad."""
    return lambda x: np.stack([derivative(f, x, e) for e in np.eye(3)]) @ weight(x)


def batch(f: Map) -> Map:
    """The meaning of vmap."""
    return lambda x: f(x) + f(1.1 * x)


MEANINGS: dict[str, Callable[[Map], Map]] = {"push": push, "pull": pull, "batch": batch}


@cache
def meaning(program: Map, steps: tuple[str, ...]) -> Any:
    """What a nesting of transformations of a program must give at X."""
    f = program
    for step in steps:
        f = MEANINGS[step](f)
    return f(X)


NESTINGS = [names for depth in (1, 2, 3) for names in product(TRANSFORMS, repeat=depth)]


def nested(program: Map, names: tuple[str, ...]) -> Map:
    """The transformations applied to a program, the first name innermost."""
    f = program
    for name in names:
        f = TRANSFORMS[name][0](f)
    return f


@pytest.mark.parametrize("names", NESTINGS, ids=lambda n: "-".join(n))
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_every_nesting_gives_the_derivative_that_it_means(
    program: Map, names: tuple[str, ...]
) -> None:
    f = nested(program, names)
    if program is control_flow and {"vmap", "make_program", "staged"} & set(names):
        with pytest.raises(ConcretizationError, match="truth value"):
            f(X)
        return
    found = f(X)
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    steps = tuple(s for s in (TRANSFORMS[n][1] for n in names) if s)
    tolerance = (1e-13, 1e-9, 1e-7, 1e-5)[sum(s != "batch" for s in steps)]
    due = meaning(program, steps)
    np.testing.assert_allclose(found, due, rtol=tolerance, atol=tolerance * np.abs(due).max())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("depth", [2, 3])
def test_nestings_that_mean_the_same_agree_to_rounding(program: Map, depth: int) -> None:
    """Forward or reverse, recorded or not: to 1e-11, much closer than differences can tell."""
    same: dict[tuple[str, ...], Any] = {}
    for names in product(("jvp", "linearize", "vjp", "grad"), repeat=depth):
        steps = tuple(TRANSFORMS[n][1] for n in names)
        found = nested(program, names)(X)
        first = same.setdefault(steps, found)
        np.testing.assert_allclose(found, first, rtol=1e-11, atol=1e-11 * np.abs(first).max())
    assert len(same) == 2**depth


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_jacobians_of_every_mode_agree(program: Map) -> None:
    due = wg.jacfwd(program)(X)
    np.testing.assert_allclose(wg.jacrev(program)(X), due, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(wg.jacobian(program)(X), due, rtol=1e-11, atol=1e-13)
    second = wg.hessian(program)(X)
    assert second.shape == (3, 3, 3)
    np.testing.assert_allclose(second, np.swapaxes(second, 1, 2), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(wg.jacrev(wg.jacrev(program))(X), second, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(wg.jacrev(wg.jacfwd(program))(X), second, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("program", PROGRAMS[:-1], ids=lambda p: p.__name__)
@pytest.mark.parametrize("name", ["jvp", "linearize", "vjp", "grad"])
def test_batches_of_derivatives_are_loops_of_derivatives(program: Map, name: str) -> None:
    f = TRANSFORMS[name][0](program)
    members = np.stack([X, 1.05 * X, 1.1 * X])
    due = np.stack([f(x) for x in members])
    for found in (
        wg.vmap(f)(members),
        wg.vmap(f, in_axes=1, out_axes=1)(members.T).T,
        wg.vmap(wg.make_program(f)(X))(members),
        wg.make_program(wg.vmap(f))(members)(members),
        wg.vmap(lambda x: wg.vmap(f)(x))(members[:, None])[:, 0],
    ):
        np.testing.assert_allclose(found, due, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("program", [polynomial, network, loop], ids=lambda p: p.__name__)
def test_scalar_functions_to_order_four(program: Map) -> None:
    """Derivatives of t -> sum f(t X) by every mix of modes."""
    scalar = lambda t: np.sum(program(t * X))
    forward = lambda f: lambda t: wg.jvp(f, (t,), (1.0,))[1]
    due = forward(forward(forward(forward(scalar))))(1.0)
    for modes in product((forward, wg.grad), repeat=4):
        f = scalar
        for mode in modes:
            f = mode(f)
        np.testing.assert_allclose(f(1.0), due, rtol=1e-10)
