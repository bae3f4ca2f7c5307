"""`root`, `fixed_point`, `argmin`, `custom_root`, `implicit_function`: against formulas, under all
transformations.
"""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors
from wengert.test_util import check_grads

AS = np.array([2.0, 5.0, 9.0])


def bisect(f: Any, x0: Any) -> Any:
    """A solver that asks for values."""
    low, high = 0.0, 10.0
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2


def newton(f: Any, x0: Any) -> Any:
    """A solver that can be traced."""
    x = x0
    for _ in range(12):
        x = x - f(x) / wg.grad(f)(x)
    return x


def by_slope(g: Any, y: Any) -> Any:
    return y / g(1.0)


def by_value(g: Any, y: Any) -> Any:
    return y / float(g(1.0))


def custom(solve: Any, tangent_solve: Any) -> Callable[[Any], Any]:
    return lambda a: wg.custom_root(lambda x: x**3 - a, 1.5, solve, tangent_solve)


@wg.implicit_function(lambda x, a: x**3 - a, like=1.0)
def plain_cube_root(a: Any) -> Any:
    assert isinstance(a, float)
    return a ** (1 / 3)


CUBE_ROOTS: dict[str, Callable[[Any], Any]] = {
    "bisect": custom(bisect, by_slope),
    "bisect, by value": custom(bisect, by_value),
    "newton": custom(newton, by_slope),
    "newton, ours": custom(newton, None),
    "root": lambda a: wg.root(lambda x: x**3 - a, 1.0),
    "root by gmres": lambda a: wg.root(lambda x: x**3 - a, 1.0, tangent_solve="gmres"),
    "fixed point": lambda a: wg.fixed_point(lambda x: (2 * x + a / x**2) / 3, 1.0),
    "anderson": lambda a: wg.fixed_point(lambda x: x - 0.05 * (x**3 - a), 1.0, anderson=3),
    "argmin": lambda a: wg.argmin(lambda x: x**4 / 4 - a * x, 1.0),
    "lbfgs": lambda a: wg.argmin(lambda x: x**4 / 4 - a * x, 1.0, method="lbfgs"),
    "argmin by function": lambda a: wg.argmin(
        lambda x: x**4 / 4 - a * x, 1.0, method=lambda f, x0: bisect(wg.grad(f), x0)
    ),
    "implicit_function": plain_cube_root,
    "root by if": lambda a: wg.root(lambda x: x**3 - a if x > -9 else x, 1.0),
}


def squares(h: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda a: np.sum(wg.vmap(h)(a) ** 2)


EAGER: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "value": lambda h: h(3.0),
    "grad": lambda h: wg.grad(h)(3.0),
    "third": lambda h: wg.grad(wg.grad(wg.grad(h)))(3.0),
    "jvp of grad": lambda h: wg.jvp(wg.grad(h), (3.0,), (2.0,)),
    "grad of jvp": lambda h: wg.grad(lambda a: wg.jvp(h, (a,), (2.0,))[1])(3.0),
    "linearize": lambda h: wg.linearize(h, 3.0)[1](1.0),
    "mixed": lambda h: wg.jacrev(wg.jacfwd(wg.jacrev(h)))(3.0),
    "jacfwd": lambda h: wg.jacfwd(lambda a: np.stack([h(a[0]), h(a[1]) * a[2]]))(AS),
    "composed": lambda h: wg.hessian(lambda a: h(h(a) + a))(3.0),
}
OTHERS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "vmap": lambda h: wg.vmap(h)(AS),
    "vmap of grad": lambda h: wg.vmap(wg.grad(h))(AS),
    "vmap of second": lambda h: wg.vmap(wg.grad(wg.grad(h)))(AS),
    "grad of vmap": lambda h: wg.grad(squares(h))(AS),
    "hessian of vmap": lambda h: wg.hessian(squares(h))(AS),
    "nested vmap": lambda h: wg.vmap(wg.vmap(wg.hessian(h)))(AS.reshape(3, 1)),
    "constant in a batch": lambda h: wg.vmap(lambda a, b: h(a) * b, (None, 0))(3.0, AS),
    "two levels": lambda h: wg.vmap(lambda a, b: h(a) * wg.vmap(lambda c: h(c + a))(b), (0, None))(
        AS, AS
    ),
    "program": lambda h: wg.make_program(h)(2.0)(3.0),
    "program of grad": lambda h: wg.make_program(wg.grad(h))(2.0)(3.0),
    "grad of program": lambda h: wg.grad(wg.make_program(h)(2.0))(3.0),
    "grad of program of grad": lambda h: wg.grad(wg.make_program(wg.grad(h))(2.0))(3.0),
    "program of vmap": lambda h: wg.make_program(wg.vmap(wg.grad(h)))(AS)(AS + 1),
    "vmap of program": lambda h: wg.vmap(wg.make_program(wg.grad(h))(2.0))(AS),
}


def cases() -> list[tuple[str, str]]:
    """All forms, but for equations that ask for values."""
    forms = {name: EAGER if name == "root by if" else [*EAGER, *OTHERS] for name in CUBE_ROOTS}
    return [(name, form) for name in CUBE_ROOTS for form in forms[name]]


@pytest.mark.parametrize(("name", "form"), cases())
def test_cube_roots(name: str, form: str) -> None:
    apply = {**EAGER, **OTHERS}[form]
    found = wg.tree.leaves(apply(CUBE_ROOTS[name]))
    due = wg.tree.leaves(apply(np.cbrt))
    for x, y in zip(found, due, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)


@pytest.mark.parametrize("name", CUBE_ROOTS)
def test_cube_roots_by_differences(name: str) -> None:
    check_grads(CUBE_ROOTS[name], (3.0,), order=2, atol=1e-4, rtol=1e-4)


# Systems.


def system(p: Any) -> Any:
    """Two arrays of unknowns in a dictionary."""

    def f(x: Any) -> Any:
        u, v = x["u"], x["v"]
        return {"u": u**2 + v - p["a"], "v": np.sin(u) + 3 * v - p["b"] * u}

    return wg.root(f, {"u": np.ones(3), "v": np.zeros(3)})


P = {"a": np.array([2.0, 3.0, 4.0]), "b": np.array([0.1, 0.2, 0.3])}


def test_trees() -> None:
    x = system(P)
    np.testing.assert_allclose(x["u"] ** 2 + x["v"], P["a"])
    check_grads(system, (P,), order=2)
    stacked = wg.tree.map(lambda v: np.stack([v, v * 1.1]), P)
    each = [wg.jacrev(system)(wg.tree.map(lambda v, i=i: v[i], stacked)) for i in range(2)]
    for transform in (wg.jacrev, wg.jacfwd):
        both = wg.vmap(transform(system))(stacked)
        for i in range(2):
            np.testing.assert_allclose(both["u"]["b"][i], each[i]["u"]["b"], atol=1e-12)


def test_a_list_of_equations_for_an_array() -> None:
    def both(a: Any) -> Any:
        return wg.root(lambda x: [x[0] * x[1] - a, x[0] - 2.0], np.ones(2))

    np.testing.assert_allclose(both(6.0), [2.0, 3.0])
    np.testing.assert_allclose(wg.jacobian(both)(6.0), [0.0, 0.5])
    np.testing.assert_allclose(wg.vmap(both)(AS)[:, 1], AS / 2)


def test_lanes_converge_independently() -> None:
    f = lambda x, a: np.exp(x) - a
    starts = np.array([0.0, 5.0, -3.0, 20.0])
    rights = np.array([1.0, 2.0, 50.0, 1e-3])
    found = wg.vmap(lambda x0, a: wg.root(lambda x: f(x, a), x0))(starts, rights)
    alone = [wg.root(lambda x, a=a: f(x, a), x0) for x0, a in zip(starts, rights, strict=True)]
    np.testing.assert_allclose(found, np.log(rights), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found, alone, rtol=1e-14, atol=1e-15)


def test_complex_roots() -> None:
    found = wg.root(lambda z: z**2 - 1j, 1 + 1j)
    np.testing.assert_allclose(found, np.sqrt(1j))
    check_grads(lambda a: wg.root(lambda z: z**2 - a, 1 + 1j), (1j,), order=2)
    # Not holomorphic: linear over the reals alone.
    twisted = lambda a: wg.root(lambda z: z * np.abs(z) + np.conj(z) - a, 1 + 1j)
    check_grads(twisted, (2 + 1j,), order=2)
    z = wg.vmap(twisted)(np.array([1 + 1j, 2 - 1j]))
    np.testing.assert_allclose(z * np.abs(z) + np.conj(z), [1 + 1j, 2 - 1j])


def test_dtypes() -> None:
    two = np.float32(2)
    assert wg.root(lambda x: x**2 - two, np.float32(1)).dtype == np.float32
    assert wg.grad(lambda a: wg.root(lambda x: x**2 - a, np.float32(1)))(two).dtype == np.float32
    # The dtype of the result holds what the function gives.
    assert wg.root(lambda x: x**2 - np.float64(2), np.float32(1)).dtype == np.float64
    batch = wg.vmap(lambda a: wg.root(lambda x: x**2 - a, two))(np.array([2.0, 3.0]))
    assert batch.dtype == np.float64
    np.testing.assert_allclose(batch, np.sqrt([2.0, 3.0]))
    np.testing.assert_allclose(wg.root(lambda x: x**2 - 2, 1), np.sqrt(2))
    assert wg.fixed_point(lambda x: x / 2 + two, np.float32(0)).dtype == np.float32
    small = wg.argmin(lambda x: np.sum((x - two) ** 2), np.zeros(2, np.float32))
    assert small.dtype == np.float32


def test_empty() -> None:
    assert wg.root(lambda x: x, np.zeros(0)).shape == (0,)
    assert wg.argmin(np.sum, np.zeros(0)).shape == (0,)
    assert wg.jacobian(lambda a: wg.root(lambda x: x * a, np.zeros(0)))(1.0).shape == (0,)
    none = np.zeros(0)
    for h in (wg.root, wg.fixed_point):
        assert wg.vmap(wg.grad(lambda a, h=h: h(lambda x: x / 2 - a, 1.0)))(none).shape == (0,)
    assert wg.vmap(wg.grad(plain_cube_root))(none).shape == (0,)
    assert wg.vmap(custom(bisect, None))(none).shape == (0,)


def test_multiple_roots_are_found() -> None:
    assert abs(wg.root(lambda x: x * x, 1.0)) < 1e-14
    assert abs(wg.root(lambda x: (x - 3) ** 3, 1.0) - 3) < 1e-4


def test_functions_may_write_to_what_they_get_and_give() -> None:
    buffer = np.zeros(2)

    def into_buffer(x: Any) -> Any:
        np.multiply(x, 0.5, out=buffer)
        buffer[:] += 1.0
        return buffer

    def in_place(x: Any) -> Any:
        x *= 0.5
        x += 1.0
        return x

    for f in (into_buffer, in_place):
        np.testing.assert_allclose(wg.fixed_point(f, np.zeros(2)), [2.0, 2.0], rtol=1e-9)
    start = np.zeros(2)
    wg.custom_root(lambda x: x - 1, start, lambda f, x0: np.add(x0, 1.0, out=x0), None)
    np.testing.assert_array_equal(start, 0.0)

    def traced(a: Any) -> Any:
        def f(x: Any) -> Any:
            y = wg.numpy.zeros_like(x) + a * 0
            y[0] = x[0] ** 2 - a[0]
            y[1] = x[1] * x[0] - a[1]
            return y

        return wg.root(f, np.ones(2))

    due = [[0.25, 0.0], [-0.375, 0.5]]
    np.testing.assert_allclose(wg.jacobian(traced)(np.array([4.0, 6.0])), due)
    np.testing.assert_allclose(wg.vmap(wg.jacobian(traced))(np.array([[4.0, 6.0]]))[0], due)


# Tangent solvers.

M = np.array([[4.0, 1.0, 0.0], [-1.0, 3.0, 1.0], [0.5, 0.0, 5.0]])


def linear(tangent_solve: Any) -> Callable[[Any], Any]:
    solve = lambda f, x0: np.linalg.solve(M, -f(x0))
    return lambda b: wg.custom_root(lambda x: M @ x - b, np.zeros(3), solve, tangent_solve)


def iterated(g: Any, y: Any) -> Any:
    x = np.zeros_like(y)
    while np.linalg.norm(y - g(x)) > 1e-13:
        x = x + 0.2 * (y - g(x))
    return x


@pytest.mark.parametrize(
    "tangent_solve",
    [
        "dense",
        "gmres",
        lambda g, y: np.linalg.solve(M, y),  # knows the matrix, and has a transpose
        lambda g, y: np.linalg.solve(wg.jacobian(g)(y), y),
        iterated,
        lambda g, y: wg.gmres(g, y),
    ],
)
def test_tangent_solvers(tangent_solve: Any) -> None:
    h, b = linear(tangent_solve), np.array([1.0, 2.0, 3.0])
    due = np.linalg.inv(M)
    for found in (wg.jacfwd(h)(b), wg.jacrev(h)(b), wg.make_program(wg.jacrev(h))(b)(b)):
        np.testing.assert_allclose(found, due, rtol=1e-9, atol=1e-11)
    check_grads(h, (b,), order=2)
    bs = np.stack([b, b + 1])
    np.testing.assert_allclose(wg.vmap(wg.jacrev(h))(bs)[1], due, rtol=1e-9, atol=1e-11)


def test_a_tangent_solver_that_cannot_be_transposed_is_checked() -> None:
    def knows(g: Any, y: Any) -> Any:
        assert float(np.sum(y)) == float(np.sum(y))
        return np.linalg.solve(M, y)

    h, b = linear(knows), np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(wg.jvp(h, (b,), (b,))[1], np.linalg.solve(M, b))
    with pytest.raises(errors.ConvergenceError, match="called `tangent_solve` with the transposed"):
        wg.jacrev(h)(b)


def test_many_unknowns_are_solved_without_a_matrix() -> None:
    n = 700
    k = np.arange(1, n + 1) / n

    def f(s: Any) -> Any:
        return np.sum(wg.argmin(lambda x: np.sum(k * x**2 / 2 + x**4 - s * x), np.zeros(n)))

    def g(s: Any) -> Any:
        return np.sum(wg.root(lambda x: k * x + 4 * x**3 - s, np.zeros(n), tangent_solve="cg"))

    assert wg.grad(f)(0.7) == pytest.approx(wg.grad(g)(0.7), rel=1e-6)
    x = wg.fixed_point(lambda x: 0.4 * np.cos(x + k), np.zeros(n))
    slope = wg.grad(lambda s: np.sum(wg.fixed_point(lambda x: s * np.cos(x + k), np.zeros(n))))
    assert slope(0.4) == pytest.approx(np.sum(np.cos(x + k) / (1 + 0.4 * np.sin(x + k))))


# Closures, nesting, side effects.


def test_roots_in_roots() -> None:
    def outer(a: Any) -> Any:
        inner = lambda x: wg.root(lambda y: y**3 + y - x * a, 1.0)
        return wg.root(lambda x: inner(x) + x - a, 1.0)

    check_grads(outer, (2.0,), order=2)
    each = [wg.grad(outer)(a) for a in AS]
    np.testing.assert_allclose(wg.vmap(wg.grad(outer))(AS), each)
    np.testing.assert_allclose(wg.make_program(wg.grad(outer))(1.0)(AS[1]), each[1])


X, Y = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 4.0])


def ridge(strength: Any) -> Any:
    return wg.argmin(lambda w: np.sum((X @ w - Y) ** 2) + strength * np.sum(w**2), np.zeros(2))


def test_argmin_of_argmin() -> None:
    formula = lambda s: np.linalg.solve(X.T @ X + s * np.eye(2), X.T @ Y)
    np.testing.assert_allclose(wg.jacobian(ridge)(0.5), wg.jacobian(formula)(0.5))
    np.testing.assert_allclose(wg.hessian(ridge)(0.5), wg.hessian(formula)(0.5))
    np.testing.assert_allclose(wg.vmap(wg.hessian(ridge))(AS), wg.vmap(wg.hessian(formula))(AS))
    error = lambda log_s: (np.array([1.0, 3.0]) @ ridge(np.exp(log_s)) - 5.0) ** 2
    best = wg.argmin(error, 0.0)
    assert abs(wg.grad(error)(best)) < 1e-9


def test_structured_control_flow() -> None:
    third = CUBE_ROOTS["root"]
    branch = lambda a: wg.cond(a > 4, third, lambda a: a * a, a)
    due = [4.0, *np.cbrt(AS[1:]) / AS[1:] / 3]
    np.testing.assert_allclose(wg.vmap(wg.grad(branch))(AS), due)
    np.testing.assert_allclose(wg.vmap(wg.make_program(wg.grad(branch))(1.0))(AS), due)
    steps = lambda a: wg.scan(lambda c, _: (third(c + a), None), a, np.arange(4))[0]

    def unrolled(a: Any) -> Any:
        c = a
        for _ in range(4):
            c = np.cbrt(c + a)
        return c

    for transform in (wg.grad, wg.hessian, lambda h: wg.make_program(wg.grad(h))(1.0)):
        np.testing.assert_allclose(transform(steps)(2.0), transform(unrolled)(2.0))


INSIDE: dict[str, Callable[[Any, Any], Any]] = {
    "scan": lambda x, a: wg.scan(lambda c, _: (c * x, None), 1.0, None, length=3)[0] - a,
    "while_loop": lambda x, a: (
        wg.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x), (0, 1.0))[1] - a
    ),
    "cond": lambda x, a: wg.cond(x > 0, lambda x: x**3 - a, lambda x: x - 1, x),
    "checkpoint": lambda x, a: wg.checkpoint(lambda x: x**3 - a)(x),
}


@pytest.mark.parametrize("name", INSIDE)
def test_control_flow_in_equations(name: str) -> None:
    h = lambda a: wg.root(lambda x: INSIDE[name](x, a), 1.5)
    for form in ("grad", "mixed", "vmap", "vmap of grad", "grad of vmap", "program of grad"):
        apply = {**EAGER, **OTHERS}[form]
        np.testing.assert_allclose(apply(h), apply(np.cbrt), rtol=1e-7)


def test_solvers_with_structured_loops() -> None:
    def solve(f: Any, x0: Any) -> Any:
        step = lambda x: x - f(x) / wg.grad(f)(x)
        return wg.while_loop(lambda x: np.abs(f(x)) > 1e-12, step, x0)

    for apply in (*EAGER.values(), *OTHERS.values()):
        found = wg.tree.leaves(apply(custom(solve, by_slope)))
        for x, y in zip(found, wg.tree.leaves(apply(np.cbrt)), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6)


def test_the_solver_is_not_recorded() -> None:
    """A million iterations leave nothing on the tape, also where the function is closed over."""
    tapes = []

    def f(a: Any) -> Any:
        def g(x: Any) -> Any:
            tapes.append(type(a * x))
            return a * x + 1

        return wg.fixed_point(g, 0.0, maxiter=10000)

    assert wg.grad(f)(0.99) == pytest.approx(1 / 0.01**2, rel=1e-6)
    plain = [kind for kind in tapes if issubclass(kind, float)]
    assert len(plain) > 1000
    assert len(tapes) - len(plain) <= 3


def test_errors_in_solvers_leave_nothing_behind() -> None:
    def fails(f: Any, x0: Any) -> Any:
        f(x0)
        raise KeyError("the user's")

    def h(a: Any) -> Any:
        with pytest.raises(KeyError, match="the user's"):
            wg.custom_root(lambda x: x - a, 1.0, fails, None)
        return a * a

    assert wg.grad(wg.grad(h))(3.0) == 2.0
    with pytest.raises(KeyError, match="the user's"):
        wg.grad(lambda a: wg.custom_root(lambda x: x - a, 1.0, fails, None))(1.0)


def test_threads() -> None:
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        found[i] = [wg.hessian(CUBE_ROOTS["bisect"])(1.0 + i) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(4):
        np.testing.assert_allclose(found[i], -2 / 9 * (1.0 + i) ** (-5 / 3))


def test_tapes_are_freed() -> None:
    seen = []

    def f(a: Any) -> Any:
        seen.append(weakref.ref(a))
        return wg.custom_root(lambda x: x**3 - a, 1.0, bisect, by_value)

    wg.grad(f)(2.0)
    gc.collect()
    assert seen[0]() is None


def test_auxiliary_results() -> None:
    def solve(f: Any, x0: Any) -> Any:
        return newton(f, x0), {"steps": 12}

    def h(a: Any) -> Any:
        return wg.custom_root(lambda x: x**2 - a, 1.5, solve, by_slope, has_aux=True)

    assert h(4.0) == (pytest.approx(2.0), {"steps": 12})
    (x, aux), slope = wg.value_and_grad(h, has_aux=True)(4.0)
    assert (x, aux, slope) == (pytest.approx(2.0), {"steps": 12}, pytest.approx(0.25))
    x, aux = wg.vmap(h)(AS)
    np.testing.assert_allclose(x, np.sqrt(AS))
    assert aux["steps"].tolist() == [12, 12, 12]
    assert wg.make_program(h)(2.0)(9.0) == (pytest.approx(3.0), {"steps": 12})

    def asks(f: Any, x0: Any) -> Any:
        return bisect(f, x0), None

    def g(a: Any) -> Any:
        return wg.custom_root(lambda x: x**2 - a, 1.5, asks, by_slope, has_aux=True)

    assert wg.grad(lambda a: g(a)[0])(4.0) == pytest.approx(0.25)
    with pytest.raises(errors.UnsupportedError, match="works under vmap only for a `solve`"):
        wg.vmap(g)(AS)
    with pytest.raises(errors.UnsupportedError, match="has_aux=True needs a `solve`"):
        wg.make_program(g)(2.0)


def test_solvers_that_close_over_traced_values() -> None:
    def h(a: Any) -> Any:
        return wg.custom_root(lambda x: x**2 - a, 1.0, lambda f, x0: np.sqrt(a), by_slope)

    for apply in (*EAGER.values(), *OTHERS.values()):
        found, due = wg.tree.leaves(apply(h)), wg.tree.leaves(apply(np.sqrt))
        for x, y in zip(found, due, strict=True):
            np.testing.assert_allclose(x, y)


def test_implicit_function_takes_trees_and_keywords() -> None:
    @wg.implicit_function(lambda x, p, scale: {"x": p["a"] * x["x"] - scale * p["b"]})
    def quotient(p: Any, scale: Any) -> Any:
        assert type(p["a"]) is np.ndarray
        return {"x": scale * p["b"] / p["a"]}

    p = {"a": np.array([2.0, 4.0]), "b": np.array([1.0, 3.0])}
    check_grads(lambda p, s: quotient(p, scale=s), (p, 2.0), order=2)
    stacked = wg.tree.map(lambda v: np.stack([v, v]), p)
    found = wg.vmap(wg.jacobian(lambda p: quotient(p, scale=2.0)["x"]))(stacked)
    np.testing.assert_allclose(found["b"][1], np.diag([1.0, 0.5]))
    assert quotient.__name__ == "quotient"

    like = lambda a: np.zeros(2)
    twice = wg.implicit_function(lambda x, a: x - a, like=like)(lambda a: np.full(2, float(a)))
    np.testing.assert_allclose(wg.make_program(wg.jacobian(twice))(1.0)(2.0), [1.0, 1.0])


def test_programs_can_be_read_and_saved() -> None:
    program = wg.make_program(CUBE_ROOTS["root"])(2.0)
    assert "root[" in repr(program)
    assert "pow" in repr(program)
    wg.core.check_program(wg.make_program(wg.grad(wg.grad(CUBE_ROOTS["root"])))(2.0))
    assert pickle.loads(pickle.dumps(program))(8.0) == pytest.approx(2.0)


# Mistakes.

no_root = lambda x: x * x + 1
WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no root": (
        lambda: wg.root(no_root, 1.0),
        errors.ConvergenceError,
        r"root of no_root|root of <lambda>(.|\n)*no solution was found: the Jacobian is singular",
    ),
    "no root either": (
        lambda: wg.root(no_root, 0.7),
        errors.ConvergenceError,
        "no solution was found(.|\n)*the residual is up to",
    ),
    "no root in a lane": (
        lambda: wg.vmap(lambda a: wg.root(lambda x: x * x - a, 1.0))(np.array([1.0, -1.0])),
        errors.ConvergenceError,
        "in 1 of 2 lanes(.|\n)*first in lane 1",
    ),
    "too few steps": (
        lambda: wg.root(lambda x: np.exp(x) - 1e6, 0.0, maxiter=2),
        errors.ConvergenceError,
        r"after 2 iterations(.|\n)*maxiter=",
    ),
    "not a number": (
        lambda: wg.root(lambda x: x * np.nan, 1.0),
        errors.ConvergenceError,
        "the residual is up to nan",
    ),
    "singular": (
        lambda: wg.grad(lambda a: wg.root(lambda x: 0 * x * a, 1.0))(1.0),
        errors.ConvergenceError,
        "the derivative of root .* is singular(.|\n)*rank 0(.|\n)*Jacobian",
    ),
    "shape": (
        lambda: wg.root(lambda x: x[:2], np.ones(3)),
        errors.ShapeError,
        "the result of f has another shape than x0",
    ),
    "tree": (
        lambda: wg.root(lambda x: (x,), np.ones(3)),
        errors.TreeError,
        "the structure of the result of f is not that of x0",
    ),
    "complex": (
        lambda: wg.root(lambda x: x * 1j, 1.0),
        errors.DtypeError,
        "start with a complex x0",
    ),
    "bool": (lambda: wg.root(lambda x: x, True), errors.DtypeError, "x0 must be of floats"),
    "int": (
        lambda: wg.custom_root(lambda x: x, 1, bisect, None),
        errors.DtypeError,
        "initial_guess must be of floats",
    ),
    "tangent_solve": (
        lambda: wg.root(lambda x: x, 1.0, tangent_solve="lu"),
        errors.TreeError,
        'tangent_solve must be a function, "dense"',
    ),
    "tol": (lambda: wg.root(lambda x: x, 1.0, tol="s"), errors.DtypeError, "tol must be a number"),
    "maxiter": (
        lambda: wg.argmin(lambda x: x, 1.0, maxiter=-1),
        errors.DtypeError,
        "argmin: maxiter must be an int",
    ),
    "on_failure": (
        lambda: wg.fixed_point(lambda x: x, 1.0, on_failure=None),
        errors.TreeError,
        "fixed_point: on_failure must be",
    ),
    "anderson": (
        lambda: wg.fixed_point(lambda x: x, 1.0, anderson=-1),
        errors.DtypeError,
        "anderson must be an int",
    ),
    "divergent": (
        lambda: wg.fixed_point(lambda x: 2 * x + 1, 1.0),
        errors.ConvergenceError,
        r"converges too slowly, or not at all(.|\n)*f\(x\) - x is up to",
    ),
    "no derivative of a fixed point": (
        lambda: wg.grad(lambda a: wg.fixed_point(lambda x: x + 0 * a, 1.0))(1.0),
        errors.ConvergenceError,
        "the derivative of fixed_point .* is singular|singular",
    ),
    "unbounded": (
        lambda: wg.argmin(lambda x: x, 1.0),
        errors.ConvergenceError,
        "the gradient is up to 1",
    ),
    "maximum": (
        lambda: wg.argmin(lambda x: -(x**2), 0.0),
        errors.ConvergenceError,
        "a saddle point, or a maximum",
    ),
    "no scalar": (
        lambda: wg.argmin(lambda x: x**2, np.ones(2)),
        errors.NonScalarOutputError,
        "must return one scalar",
    ),
    "complex unknowns": (
        lambda: wg.argmin(lambda x: np.abs(x) ** 2, 1j),
        errors.DtypeError,
        "the unknowns must be real",
    ),
    "method": (
        lambda: wg.argmin(lambda x: x**2, 1.0, method="simplex"),
        errors.UnsupportedError,
        "there is no such method",
    ),
    "solution of a method": (
        lambda: wg.argmin(lambda x: x**2, 1.0, method=lambda f, x0: np.zeros(2)),
        errors.ShapeError,
        "the solution has another shape than x0",
    ),
    "solution of solve": (
        lambda: wg.custom_root(lambda x: x, 1.0, lambda f, x0: None, None),
        errors.TreeError,
        "the structure of the solution is not that of x0",
    ),
    "solution of tangent_solve": (
        lambda: wg.grad(custom(bisect, lambda g, y: np.stack([y, y])))(2.0),
        errors.ShapeError,
        "the solution of `tangent_solve` has another shape",
    ),
    "optimality": (
        lambda: (
            wg.implicit_function(lambda x, a: x[:1] - a)(lambda a: np.full(2, a))(1.0)
            + wg.grad(
                lambda a: np.sum(
                    wg.implicit_function(lambda x, a: x[:1])(lambda a: np.full(2, a))(a)
                )
            )(1.0)
        ),
        errors.ShapeError,
        "the result of optimality has another shape",
    ),
    "no like": (
        lambda: wg.make_program(wg.implicit_function(lambda x, a: x - a)(lambda a: a))(1.0),
        errors.UnsupportedError,
        "what the solver returns is not known here(.|\n)*like=",
    ),
    "no like for an empty batch": (
        lambda: wg.vmap(wg.implicit_function(lambda x, a: x - a)(lambda a: a))(np.zeros(0)),
        errors.UnsupportedError,
        "like=",
    ),
    "coupled lanes": (
        lambda: wg.vmap(
            lambda a: wg.root(lambda x: x**3 - wg.psum(a * x, "i"), 1.0), axis_name="i"
        )(AS),
        errors.UnsupportedError,
        "a collective couples the equations of the members of a batch",
    ),
    "values asked for in a batch": (
        lambda: wg.vmap(lambda a: wg.root(lambda x: x - a if x > 0 else x, 1.0))(AS),
        errors.ConcretizationError,
        "bool",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    call, kind, match = WRONG[name]
    with pytest.raises(kind, match=match):
        call()


def test_nan_instead_of_errors() -> None:
    roots = lambda a: wg.root(lambda x: x * x - a, 1.0, on_failure="nan")
    x, slope = wg.vmap(wg.value_and_grad(roots))(np.array([1.0, -1.0, 4.0]))
    np.testing.assert_allclose(x, [1.0, np.nan, 2.0])
    np.testing.assert_allclose(slope, [0.5, np.nan, 0.25])
    assert np.isnan(roots(-1.0))
    assert np.isnan(wg.fixed_point(lambda x: 2 * x + 1, 1.0, on_failure="nan"))
    assert np.isnan(wg.argmin(lambda x: x, 1.0, on_failure="nan"))


@pytest.mark.parametrize("method", ["newton", "lbfgs"])
def test_minima(method: str) -> None:
    def rosenbrock(x: Any) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    for n in (2, 20):
        found = wg.argmin(rosenbrock, np.zeros(n), method=method)
        np.testing.assert_allclose(found, np.ones(n), rtol=1e-6)
    starts = np.stack([np.zeros(4), np.full(4, -1.2), np.full(4, 1.5)])
    found = wg.vmap(lambda x0: wg.argmin(rosenbrock, x0, method=method))(starts)
    np.testing.assert_allclose(found[[0, 2]], np.ones((2, 4)), rtol=1e-6)


def test_values_asked_for_outside_of_the_batch() -> None:
    """In a batch, equations that do not depend on it may still be any Python code."""
    constant = lambda: wg.root(lambda x: x * x - 4 if x > 0 else x - 1, 1.0)
    np.testing.assert_allclose(wg.vmap(lambda a: a * constant())(AS), 2 * AS)
    np.testing.assert_allclose(wg.make_program(lambda a: a * constant())(1.0)(3.0), 6.0)
