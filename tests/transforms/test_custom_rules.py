"""Rules of the user's: `custom_jvp`, `custom_vjp`, `custom_vmap`.

Most rules here are wrong on purpose, by a factor, so that one sees which rule was used.
"""

from __future__ import annotations

import math
import pickle
import threading
import weakref
from functools import partial
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    EscapedTracerError,
    NonLinearError,
    UnsupportedError,
)
from wengert.test_util import check_grads

X = np.linspace(0.1, 1.0, 4)
Y = np.linspace(2.0, 3.0, 4)


@wg.custom_jvp
def forward(x: Any, y: Any) -> Any:
    """sin(x) * y, with three times the derivative by x and five times that by y."""
    return np.sin(x) * y


@forward.defjvp
def forward_jvp(primals: Any, tangents: Any) -> Any:
    """A rule that calls the function itself."""
    (x, y), (x_dot, y_dot) = primals, tangents
    return forward(x, y), 3 * np.cos(x) * y * x_dot + 5 * forward(x, 1.0) * y_dot


@wg.custom_vjp
def reverse(x: Any, y: Any) -> Any:
    """The same with a rule for reverse mode."""
    return np.sin(x) * y


def reverse_fwd(x: Any, y: Any) -> Any:
    """The function itself, and residuals."""
    return reverse(x, y), (x, y)


def reverse_bwd(residuals: Any, ct: Any) -> Any:
    """A rule that calls another custom function."""
    x, y = residuals
    return 3 * np.cos(x) * y * ct, 5 * forward(x, 1.0) * ct


reverse.defvjp(reverse_fwd, reverse_bwd)


@pytest.fixture(params=[forward, reverse], ids=["custom_jvp", "custom_vjp"])
def f(request: pytest.FixtureRequest) -> Any:
    """A function with a rule for one of the modes."""
    return request.param


def gradient(x: Any, y: Any) -> Any:
    """What the rules say."""
    return 3 * np.cos(x) * y, 5 * np.sin(x)


def hessian(x: Any, y: Any) -> Any:
    """What the rules say when they are differentiated in turn."""
    return (-3 * np.sin(x) * y, 3 * np.cos(x)), (5 * 3 * np.cos(x), 0 * x)


def same(found: Any, due: Any) -> None:
    """Compare trees."""
    wg.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), found, due)


# All transformations.


def test_nothing_traced(f: Any) -> None:
    assert f(0.7, 2.0) == np.sin(0.7) * 2.0
    assert f(y=2.0, x=0.7) == f(0.7, 2.0)


def test_forward_mode(f: Any) -> None:
    y, y_dot = wg.jvp(f, (0.7, 2.0), (1.0, 10.0))
    a, b = gradient(0.7, 2.0)
    same((y, y_dot), (np.sin(0.7) * 2.0, a + 10 * b))
    same(wg.linearize(f, 0.7, 2.0)[1](1.0, 10.0), a + 10 * b)
    same(wg.jvp(lambda x: f(x, 2.0), (0.7,), (1.0,))[1], a)


def test_reverse_mode(f: Any) -> None:
    same(wg.grad(f, (0, 1))(0.7, 2.0), gradient(0.7, 2.0))
    same(wg.grad(f)(0.7, 2.0), gradient(0.7, 2.0)[0])
    same(wg.vjp(f, X, Y)[1](np.ones(4)), gradient(X, Y))
    same(wg.linearize(f, X, Y)[1].transpose(np.ones(4)), gradient(X, Y))


@pytest.mark.parametrize(
    "twice",
    [
        lambda f: wg.jacrev(wg.grad(f, (0, 1)), (0, 1)),
        lambda f: wg.jacfwd(wg.grad(f, (0, 1)), (0, 1)),
        lambda f: wg.jacfwd(wg.jacfwd(f, (0, 1)), (0, 1)),
        lambda f: wg.jacrev(wg.jacfwd(f, (0, 1)), (0, 1)),
    ],
    ids=["rev-rev", "fwd-rev", "fwd-fwd", "rev-fwd"],
)
def test_second_order(f: Any, twice: Any) -> None:
    same(twice(f)(0.7, 2.0), hessian(0.7, 2.0))


def test_third_order(f: Any) -> None:
    same(wg.grad(wg.grad(wg.grad(f)))(0.7, 2.0), -3 * np.cos(0.7) * 2.0)


def test_batches(f: Any) -> None:
    a, b = gradient(X, 2.0)
    same(wg.vmap(f, (0, None))(X, 2.0), np.sin(X) * 2.0)
    same(wg.vmap(wg.grad(f, (0, 1)), (0, None))(X, 2.0), (a, b))
    same(wg.vmap(lambda x: wg.jvp(f, (x, 2.0), (1.0, 10.0))[1])(X), a + 10 * b)

    def total(x: Any, y: Any) -> Any:
        return np.sum(wg.vmap(f, (0, None))(x, y))

    same(wg.grad(total, (0, 1))(X, 2.0), (a, np.sum(b)))
    same(wg.jvp(total, (X, 2.0), (X, 1.0))[1], a @ X + np.sum(b))
    (xx, xy), (yx, yy) = hessian(X, 2.0)
    due = ((np.diag(xx), xy), (yx, np.sum(yy)))
    same(wg.jacrev(wg.grad(total, (0, 1)), (0, 1))(X, 2.0), due)
    same(
        wg.vmap(wg.grad(total, (0, 1)), (None, 0))(X, Y),
        (gradient(X, Y[:, None])[0], np.full(4, b.sum())),
    )


def test_batches_of_batches(f: Any) -> None:
    def total(x: Any, y: Any) -> Any:
        return np.sum(wg.vmap(wg.vmap(f, (0, None)), (None, 0))(x, y))

    a, b = gradient(X, Y[:, None])
    same(wg.grad(total, (0, 1))(X, Y), (a.sum(0), np.broadcast_to(b, (4, 4)).sum(1)))


def test_programs(f: Any) -> None:
    program = wg.make_program(lambda x, y: f(x, y) * x)(0.7, 2.0)
    assert "custom_call" in str(program)
    assert f.__name__ in str(program)
    same(program(0.3, 2.0), np.sin(0.3) * 2.0 * 0.3)
    a, b = gradient(0.7, 2.0)
    due = (a * 0.7 + np.sin(0.7) * 2.0, b * 0.7)
    same(wg.grad(program, (0, 1))(0.7, 2.0), due)
    same(wg.make_program(wg.grad(program, (0, 1)))(0.7, 2.0)(0.7, 2.0), due)
    of_gradient = wg.make_program(wg.grad(f, (0, 1)))(0.1, 0.2)
    same(of_gradient(0.7, 2.0), (a, b))
    same(wg.jacrev(of_gradient, (0, 1))(0.7, 2.0), hessian(0.7, 2.0))
    wg.core.check_program(of_gradient)


def test_programs_and_batches(f: Any) -> None:
    program = wg.make_program(f)(0.7, 2.0)
    a, b = gradient(X, 2.0)

    def total(f: Any) -> Any:
        return lambda x, y: np.sum(wg.vmap(f, (0, None))(x, y))

    same(wg.vmap(wg.grad(program, (0, 1)), (0, None))(X, 2.0), (a, b))
    same(wg.grad(total(program), (0, 1))(X, 2.0), (a, np.sum(b)))
    same(wg.grad(wg.make_program(total(f))(X, 2.0), (0, 1))(X, 2.0), (a, np.sum(b)))
    same(wg.make_program(wg.grad(total(f), (0, 1)))(X, 2.0)(X, 2.0), (a, np.sum(b)))
    same(wg.make_program(wg.vmap(wg.grad(f, (0, 1)), (0, None)))(X, 2.0)(X, 2.0), (a, b))


def test_loops(f: Any) -> None:
    def loop(x: Any) -> Any:
        return wg.scan(lambda c, y: (f(c, y), None), x, Y)[0]

    def unrolled(x: Any) -> Any:
        for y in Y:
            x = f(x, y)
        return x

    due = wg.grad(unrolled)(0.7)
    same(wg.grad(loop)(0.7), due)
    same(wg.grad(wg.make_program(loop)(0.7))(0.7), due)
    same(wg.make_program(wg.grad(loop))(0.7)(0.7), due)


def test_branches(f: Any) -> None:
    choose = lambda x: wg.cond(x > 0.5, lambda x: f(x, 2.0), np.cos, x)
    due = np.where(X > 0.5, gradient(X, 2.0)[0], -np.sin(X))
    same(wg.grad(choose)(X[3]), due[3])
    same(wg.grad(wg.make_program(choose)(0.7))(X[3]), due[3])
    same(wg.make_program(wg.grad(choose))(0.7)(X[3]), due[3])
    same(wg.vmap(wg.grad(choose))(X), due)
    same(wg.grad(lambda x: np.sum(wg.vmap(choose)(x)))(X), due)


def test_loops_with_another_number_of_steps_for_each_member(f: Any) -> None:
    def repeated(x: Any) -> Any:
        step = lambda c: (c[0] + 1, f(c[1], 2.0))
        return wg.while_loop(lambda c: c[0] < 4 * x, step, (0, x))[1]

    due = np.array([wg.grad(repeated)(x) for x in X])
    same(wg.vmap(wg.grad(repeated))(X), due)
    same(wg.grad(lambda x: np.sum(wg.vmap(repeated)(x)))(X), due)


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_decisions_in_rules_split_the_batch(kind: str) -> None:
    g = getattr(wg, kind)(lambda x: np.sin(x) if x > 0.5 else np.cos(x))
    slope = lambda x: 3 * np.cos(x) if x > 0.5 else 5 * np.sin(x)
    if kind == "custom_jvp":
        g.defjvp(lambda p, t: (g(*p), slope(p[0]) * t[0]))
    else:
        g.defvjp(lambda x: (g(x), x), lambda x, ct: (slope(x) * ct,))
    due = np.array([slope(x) for x in X])
    split = wg.vmap(g, control_flow="split")
    same(wg.grad(g)(0.7), slope(0.7))
    same(wg.vmap(wg.grad(g), control_flow="split")(X), due)
    same(wg.grad(lambda x: np.sum(split(x)))(X), due)
    same(wg.jvp(split, (X,), (X,))[1], due * X)


def test_collectives_in_rules() -> None:
    @wg.custom_vjp
    def shared(x: Any) -> Any:
        return x

    shared.defvjp(lambda x: (x, None), lambda _, ct: (wg.psum(ct, "i"),))
    total = lambda x: np.sum(wg.vmap(shared, axis_name="i")(x) * np.arange(4))
    same(wg.grad(total)(X), np.full(4, 6.0))
    same(wg.vmap(wg.grad(lambda x: x * shared(x)), axis_name="i")(X), X + np.sum(X))


def test_threads(f: Any) -> None:
    found: list[Any] = [None] * 4

    def work(i: int) -> None:
        found[i] = [wg.grad(lambda x: i * f(x, 2.0))(0.7) for _ in range(30)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(found, [[i * gradient(0.7, 2.0)[0]] * 30 for i in range(4)])


def test_arrays_that_are_written_to(f: Any) -> None:
    def loss(x: Any) -> Any:
        y = x.copy()
        y[0] = f(y[1], 2.0)
        return np.sum(f(y, np.ones(4)))

    due = gradient(X, 1.0)[0]
    inner = gradient(np.sin(X[1]) * 2.0, 1.0)[0] * gradient(X[1], 2.0)[0]
    same(wg.grad(loss)(X), due + np.array([-due[0], inner, 0.0, 0.0]))


def test_maps_in_turn(f: Any) -> None:
    g = lambda x: f(x, np.full(4, 2.0))
    slope = gradient(X, 2.0)[0]
    _, pullback = wg.vjp(g, X)
    same(wg.vmap(lambda ct: pullback(ct)[0])(np.eye(4)), np.diag(slope))
    same(wg.grad(lambda ct: np.sum(pullback(ct)[0] ** 2))(X), 2 * slope**2 * X)
    linear = wg.linearize(g, X)[1]
    same(wg.vmap(linear)(np.eye(4)), np.diag(slope))
    same(linear.program(X), slope * X)
    same(wg.linear_transpose(linear, X)(X)[0], slope * X)
    same(wg.jacfwd(g)(X), np.diag(slope))
    same(wg.jacrev(g)(X), np.diag(slope))


def test_batches_without_members(f: Any) -> None:
    same(wg.vmap(wg.grad(f, (0, 1)))(np.ones(0), np.ones(0)), (np.ones(0), np.ones(0)))
    assert wg.grad(lambda x: np.sum(wg.vmap(f)(x, x)))(np.ones(0)).shape == (0,)


def test_functions_with_rules_are_passed_as_arguments(f: Any) -> None:
    same(wg.grad(lambda x, g: g(x, 2.0))(0.7, f), gradient(0.7, 2.0)[0])


def test_programs_are_pickled(f: Any) -> None:
    program = pickle.loads(pickle.dumps(wg.make_program(f)(0.7, 2.0)))
    same(wg.grad(program, (0, 1))(0.7, 2.0), gradient(0.7, 2.0))
    assert pickle.loads(pickle.dumps(f)) is f


def test_what_is_printed() -> None:
    assert repr(forward) == "forward(jvp=forward_jvp)"
    assert repr(reverse) == "reverse(fwd=reverse_fwd, bwd=reverse_bwd)"
    shown = str(wg.linearize(reverse, X, Y)[1].program)
    assert "linear_map[of=reverse(fwd=reverse_fwd, bwd=reverse_bwd)]" in shown
    assert forward.__doc__ is not None
    assert forward.__name__ == "forward"


# Which rule is used.


def both() -> Any:
    """A function with a rule for each mode: 3 times the derivative forward, 7 times in reverse."""

    @wg.custom_jvp
    def f(x: Any) -> Any:
        return np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 3 * np.cos(primals[0]) * tangents[0]))
    f.defvjp(lambda x: (f(x), np.cos(x)), lambda r, ct: (7 * r * ct,))
    return f


def test_both_rules() -> None:
    f = both()
    same(wg.jvp(f, (X,), (X,))[1], 3 * np.cos(X) * X)
    same(wg.linearize(f, X)[1](X), 3 * np.cos(X) * X)
    same(wg.linearize(f, X)[1].transpose(X)[0], 7 * np.cos(X) * X)
    same(wg.grad(f)(0.5), 7 * np.cos(0.5))
    same(wg.vmap(wg.grad(f))(X), 7 * np.cos(X))
    same(wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(X), 7 * np.cos(X))
    same(wg.linearize(wg.vmap(f), X)[1](X), 3 * np.cos(X) * X)
    same(wg.grad(wg.make_program(f)(0.5))(0.5), 7 * np.cos(0.5))


def test_check_grads_finds_a_wrong_rule_in_either_mode() -> None:
    f = both()
    with pytest.raises(AssertionError, match="jvp disagrees"):
        check_grads(f, (0.5,), modes=("fwd",))
    with pytest.raises(AssertionError, match="vjp disagrees"):
        check_grads(f, (0.5,), modes=("rev",))


def test_stable_formula() -> None:
    @wg.custom_jvp
    def log1pexp(x: Any) -> Any:
        return np.log(1.0 + np.exp(x))

    @log1pexp.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + np.exp(x))) * t

    assert wg.grad(log1pexp)(100.0) == 1.0
    check_grads(log1pexp, (X,), order=2)


def test_clipping() -> None:
    @partial(wg.custom_vjp, nondiff_argnums=(0, 1))
    def clipped(low: float, high: float, x: Any) -> Any:
        return x

    clipped.defvjp(
        lambda low, high, x: (x, None),
        lambda low, high, _, ct: (np.clip(ct, low, high),),
    )
    same(wg.grad(lambda x: 9.0 * clipped(-2.0, 2.0, x))(1.0), 2.0)
    same(wg.vmap(wg.grad(lambda x: x * clipped(-0.5, 0.5, x)))(X), X + np.minimum(X, 0.5))
    same(wg.hessian(lambda x: clipped(-9.0, 9.0, x) ** 3)(1.0), 6.0)
    with pytest.raises(NonLinearError, match="clipped has no jvp rule, so forward mode"):
        wg.jvp(partial(clipped, -2.0, 2.0), (1.0,), (1.0,))


def test_code_that_needs_plain_arrays() -> None:
    @wg.custom_vjp
    def gamma(x: Any) -> Any:
        return np.array([math.gamma(v) for v in np.asarray(x)])

    gamma.defvjp(
        lambda x: (gamma(x), x),
        lambda x, ct: (np.array([math.gamma(v) for v in x]) * np.array([0.1, 0.2]) * ct,),
    )
    x = np.array([2.5, 3.5])
    due = gamma(x) * np.array([0.1, 0.2])
    same(wg.grad(lambda x: np.sum(gamma(x)))(x), due)
    same(wg.jvp(gamma, (x,), (x,))[1], due * x)
    same(wg.value_and_grad(lambda x: np.sum(2 * gamma(x)))(x)[1], 2 * due)


def test_residuals_are_freed_one_by_one() -> None:
    made: list[Any] = []
    alive: list[int] = []

    @wg.custom_vjp
    def step(x: Any) -> Any:
        return x + 1

    def fwd(x: Any) -> Any:
        r = np.ones(5000)
        made.append(weakref.ref(r))
        return x + 1, r

    def bwd(r: Any, ct: Any) -> Any:
        alive.append(sum(m() is not None for m in made))
        return (ct,)

    step.defvjp(fwd, bwd)

    def chain(x: Any) -> Any:
        for _ in range(4):
            x = step(x)
        return x

    wg.grad(chain)(1.0)
    assert alive == [4, 3, 2, 1]
    assert not any(m() is not None for m in made)


def test_arrays_that_change_later() -> None:
    scale = np.ones(3)

    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x * scale

    f.defjvp(lambda p, t: (f(*p), scale * t[0]))

    @wg.custom_vjp
    def g(x: Any) -> Any:
        return x * scale

    g.defvjp(lambda x: (g(x), scale), lambda r, ct: (r * ct,))
    linear = [wg.linearize(f, np.ones(3))[1], wg.vjp(g, np.ones(3))[1]]
    scale[:] = 100.0
    same(linear[0](np.ones(3)), np.ones(3))
    same(linear[1](np.ones(3))[0], np.ones(3))


# Arguments.


@pytest.fixture
def trees() -> Any:
    """A function of a tree, an int and a text, whose result has leaves of all kinds."""

    @wg.custom_vjp
    def f(p: Any, n: int, how: str = "sin") -> Any:
        return {"y": getattr(np, how)(p["x"]) * n, "n": n, "how": how, "none": None}

    def fwd(p: Any, n: int, how: str) -> Any:
        return f(p, n, how), (np.cos(p["x"]), n, how)

    def bwd(residuals: Any, ct: Any) -> Any:
        assert ct["n"] is None
        assert ct["how"] is None
        slope, n, _ = residuals
        return {"x": 10 * slope * n * ct["y"]}, None, None

    f.defvjp(fwd, bwd)
    return f


def test_trees_and_static_leaves(trees: Any) -> None:
    due = {"x": 10 * np.cos(0.5) * 3}
    same(wg.grad(lambda p: trees(p, 3)["y"])({"x": 0.5}), due)
    same(wg.grad(lambda p: trees(n=3, p=p)["y"])({"x": 0.5}), due)
    same(wg.jvp(lambda p: trees(p, 3)["y"], ({"x": 0.5},), ({"x": 1.0},))[1], due["x"])
    n = np.array([1, 2, 3, 4])
    of_all = {"x": 10 * np.cos(X) * n}
    same(wg.vmap(wg.grad(lambda p, n: trees(p, n)["y"]))({"x": X}, n), of_all)
    total = lambda p: np.sum(wg.vmap(lambda p, n: trees(p, n)["y"])(p, n))
    same(wg.grad(total)({"x": X}), of_all)
    program = wg.make_program(lambda p: trees(p, 3))({"x": 0.5})
    assert program({"x": 0.5})["how"] == "sin"
    same(wg.grad(lambda p: program(p)["y"])({"x": 0.5}), due)


def test_tangents_of_integers_are_none() -> None:
    @wg.custom_jvp
    def f(x: Any, n: int) -> Any:
        return x**n, n

    @f.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x, n), (t, none) = primals, tangents
        assert none is None
        return (x**n, n), (n * x ** (n - 1) * t, None)

    y, t = wg.jvp(lambda x: f(x, 3), (2.0,), (1.0,))
    same((y[0], t[0]), (8.0, 12.0))
    same(wg.grad(lambda x: f(x, 3)[0])(2.0), 12.0)


def test_arguments_without_derivative_come_first() -> None:
    @partial(wg.custom_jvp, nondiff_argnums=(1,), nondiff_argnames="g")
    def apply(x: Any, n: int, g: Any) -> Any:
        return g(x) * n

    @apply.defjvp
    def _(n: int, g: Any, primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return apply(x, n, g), 3 * n * wg.jvp(g, (x,), (t,))[1]

    same(wg.grad(lambda x: apply(x, 2, np.sin))(0.5), 6 * np.cos(0.5))
    same(wg.grad(lambda x: apply(x, g=np.sin, n=2))(0.5), 6 * np.cos(0.5))
    same(wg.vmap(wg.grad(lambda x: apply(x, 2, np.sin)))(X), 6 * np.cos(X))
    same(wg.grad(wg.make_program(lambda x: apply(x, 2, np.sin))(0.5))(0.5), 6 * np.cos(0.5))


def test_methods() -> None:
    class Model:
        @partial(wg.custom_jvp, nondiff_argnums=(0,))
        def f(self, x: Any) -> Any:
            return 2 * x

        @f.defjvp
        def _(self, primals: Any, tangents: Any) -> Any:
            return self.f(*primals), 7 * tangents[0]

    assert wg.grad(Model().f)(1.0) == 7.0


def test_one_rule_for_each_argument() -> None:
    calls: list[str] = []

    @wg.custom_jvp
    def f(x: Any, y: Any, z: Any) -> Any:
        return x * y * z["a"]

    def by_x(t: Any, out: Any, x: Any, y: Any, z: Any) -> Any:
        calls.append("x")
        return 3 * t * y * z["a"]

    f.defjvps(by_x, None, lambda t, out, x, y, z: out / z["a"] * t["a"])
    same(wg.grad(f, (0, 1, 2))(2.0, 3.0, {"a": 5.0}), (45.0, 0.0, {"a": 6.0}))
    assert calls == ["x"]
    same(wg.grad(f, 2)(2.0, 3.0, {"a": 5.0}), {"a": 6.0})
    assert calls == ["x"]


def test_zeros_as_none() -> None:
    seen: list[Any] = []

    @wg.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return x, y

    def jvp(primals: Any, tangents: Any) -> Any:
        seen.append(tangents[1])
        return primals, tangents

    f.defjvp(jvp, symbolic_zeros=True)
    same(wg.jvp(lambda x: f(x, 2.0), (1.0,), (5.0,))[1], (5.0, 0.0))
    assert seen == [None]

    @wg.custom_vjp
    def g(x: Any) -> Any:
        return x, 2 * x

    def bwd(_: Any, ct: Any) -> Any:
        seen.append(ct[1])
        return (ct[0],)

    g.defvjp(lambda x: (g(x), None), bwd, symbolic_zeros=True)
    same(wg.grad(lambda x: g(x)[0])(1.0), 1.0)
    assert seen == [None, None]


def test_zeros_among_cotangents_and_tangents() -> None:
    @wg.custom_vjp
    def f(p: Any, y: Any) -> Any:
        return p["a"] * p["b"] * y

    f.defvjp(lambda p, y: (f(p, y), p), lambda p, ct: ({"a": None, "b": 2 * p["a"] * ct}, None))
    same(wg.grad(f, (0, 1))({"a": 3.0, "b": 4.0}, 5.0), ({"a": 0.0, "b": 6.0}, 0.0))

    @wg.custom_jvp
    def g(x: Any) -> Any:
        return {"a": x, "b": (x, x)}

    g.defjvp(lambda p, t: (g(*p), {"a": 2 * t[0], "b": None}))
    same(wg.jvp(g, (1.0,), (1.0,))[1], {"a": 2.0, "b": (0.0, 0.0)})
    same(wg.grad(lambda x: g(x)["a"] + g(x)["b"][0])(1.0), 2.0)


def test_types() -> None:
    @wg.custom_jvp
    def square(z: Any) -> Any:
        return z * z

    square.defjvps(lambda t, y, z: 2 * z * t)

    @wg.custom_vjp
    def square_v(z: Any) -> Any:
        return z * z

    square_v.defvjp(lambda z: (square_v(z), z), lambda z, ct: (2 * z * ct,))
    for f in (square, square_v):
        g = wg.grad(lambda x, f=f: np.sum(f(x)))(np.ones(3, np.float32))
        assert g.dtype == np.float32
        same(wg.grad(f, holomorphic=True)(1 + 2j), 2 + 4j)
        same(wg.grad(lambda x, f=f: np.sum(f(x)))(np.ones((0, 3))), np.ones((0, 3)))
        assert wg.jvp(f, (np.float32(3),), (np.float32(1),))[1].dtype == np.float32


def test_rules_may_return_python_numbers() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return 5.0

    f.defjvp(lambda p, t: (5.0, 2.0))
    assert wg.jvp(f, (1.0,), (1.0,)) == (5.0, 2.0)

    @wg.custom_vjp
    def g(x: Any) -> Any:
        return 2.0 * x

    g.defvjp(lambda x: (g(x), None), lambda _, ct: (4.0,))
    assert wg.grad(g)(np.float32(1.0)).dtype == np.float32


# Values from the closure.


def closing(w: Any, kind: str, x: Any) -> Any:
    """sin(w * z) at z = w * x; the rule says three times the derivative by z."""
    if kind == "custom_jvp":

        @wg.custom_jvp
        def f(z: Any) -> Any:
            return np.sin(w * z)

        f.defjvp(lambda p, t: (f(*p), 3 * w * np.cos(w * p[0]) * t[0]))
        return f(w * x)

    @wg.custom_vjp
    def g(z: Any) -> Any:
        return np.sin(w * z)

    g.defvjp(lambda z: (g(z), (w, z)), lambda r, ct: (3 * r[0] * np.cos(r[0] * r[1]) * ct,))
    return g(w * x)


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_closures_keep_their_ordinary_derivative(kind: str) -> None:
    f = lambda w: closing(w, kind, 0.7)
    slope = lambda w: np.cos(w * w * 0.7) * (w * 0.7 + 3 * w * 0.7)
    same(wg.grad(f)(1.1), slope(1.1))
    same(wg.jvp(f, (1.1,), (1.0,))[1], slope(1.1))
    same(wg.linearize(f, 1.1)[1](1.0), slope(1.1))
    same(wg.vmap(wg.grad(f))(X), slope(X))
    same(wg.grad(lambda w: np.sum(wg.vmap(f)(w)))(X), slope(X))


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_closures_over_a_batch_that_the_argument_is_no_part_of(kind: str) -> None:
    def outer(x: Any) -> Any:
        return np.sum(wg.vmap(lambda w: closing_at(w, kind, x))(X))

    due = np.sum(3 * X * np.cos(X * 0.7))
    same(wg.grad(outer)(0.7), due)
    same(wg.jvp(outer, (0.7,), (1.0,))[1], due)


def closing_at(w: Any, kind: str, x: Any) -> Any:
    """`closing` where the argument does not depend on w."""
    if kind == "custom_jvp":

        @wg.custom_jvp
        def f(z: Any) -> Any:
            return np.sin(w * z)

        f.defjvp(lambda p, t: (f(*p), 3 * w * np.cos(w * p[0]) * t[0]))
        return f(x)

    @wg.custom_vjp
    def g(z: Any) -> Any:
        return np.sin(w * z)

    g.defvjp(lambda z: (g(z), (w, z)), lambda r, ct: (3 * r[0] * np.cos(r[0] * r[1]) * ct,))
    return g(x)


@pytest.mark.parametrize("kind", ["custom_jvp", "custom_vjp"])
def test_closures_that_are_refused(kind: str) -> None:
    inside = lambda x: wg.grad(lambda w: closing_at(w, kind, x))(1.1)
    with pytest.raises(UnsupportedError, match=r"closes over a value that grad of .* traces"):
        wg.grad(inside)(0.7)
    same(inside(0.7), np.cos(1.1 * 0.7) * 0.7)
    program = wg.make_program(lambda w: closing(w, kind, 0.7))(1.1)
    same(program(1.2), np.sin(1.2 * 1.2 * 0.7))
    with pytest.raises(UnsupportedError, match="uses a value of the program in which"):
        wg.grad(program)(1.1)


def test_bwd_cannot_use_the_closure() -> None:
    def loss(w: Any) -> Any:
        @wg.custom_vjp
        def f(z: Any) -> Any:
            return w * z

        f.defvjp(lambda z: (f(z), None), lambda _, ct: (w * ct,))
        return f(2.0 * w)

    with pytest.raises(EscapedTracerError, match=r"bwd rule .* uses a value that it closes over"):
        wg.grad(loss)(1.0)


def test_programs_with_a_closure_and_a_rule_that_does_without() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x * shared[0]

    f.defjvp(lambda p, t: (p[0] * 2.0, 7.0 * t[0]))
    shared: list[Any] = [None]

    def fun(w: Any, x: Any) -> Any:
        shared[0] = w
        return f(x)

    program = wg.make_program(fun)(2.0, 3.0)
    same(wg.grad(program, (0, 1))(2.0, 3.0), (3.0, 7.0))
    same(wg.jvp(program, (2.0, 3.0), (1.0, 1.0))[1], 10.0)
    same(wg.grad(program, 0)(2.0, 3.0), 3.0)


# Batching rules.


@wg.custom_vmap
def doubled(x: Any, y: Any) -> Any:
    """sin(x) * y; twice that in a batch."""
    return np.sin(x) * y


@doubled.def_vmap
def doubled_vmap(size: int, in_batched: Any, x: Any, y: Any) -> Any:
    """A rule for any of the arguments."""
    x, y = [
        v if b else np.broadcast_to(v, (size, *np.shape(v)))
        for v, b in zip((x, y), in_batched, strict=True)
    ]
    return 2 * np.sin(x) * y, True


def test_batching_rule() -> None:
    a, b = 2 * np.cos(X) * 2.0, 2 * np.sin(X)
    total = lambda x, y: np.sum(wg.vmap(doubled, (0, None))(x, y))
    same(wg.vmap(doubled, (0, None))(X, 2.0), 2 * np.sin(X) * 2.0)
    same(wg.vmap(wg.vmap(doubled, (0, None)), (None, 0))(X, Y), 2 * np.sin(X) * Y[:, None])
    same(wg.grad(doubled, (0, 1))(0.7, 2.0), (np.cos(0.7) * 2.0, np.sin(0.7)))
    same(wg.grad(total, (0, 1))(X, 2.0), (a, np.sum(b)))
    same(wg.vmap(wg.grad(doubled, (0, 1)), (0, None))(X, 2.0), (a, b))
    same(wg.vmap(lambda x: wg.jvp(doubled, (x, 2.0), (1.0, 10.0))[1])(X), a + 10 * b)
    same(wg.vmap(wg.hessian(doubled))(X, Y), -2 * np.sin(X) * Y)
    same(wg.grad(lambda x: np.sum(wg.vmap(wg.grad(doubled))(x, Y)))(X), -2 * np.sin(X) * Y)


def test_batching_rule_in_programs() -> None:
    a, b = 2 * np.cos(X) * 2.0, 2 * np.sin(X)
    program = wg.make_program(doubled)(0.7, 2.0)
    same(wg.vmap(program, (0, None))(X, 2.0), 2 * np.sin(X) * 2.0)
    same(wg.vmap(wg.grad(program, (0, 1)), (0, None))(X, 2.0), (a, b))
    of_batch = wg.make_program(wg.vmap(wg.grad(doubled, (0, 1)), (0, None)))(X, 2.0)
    same(of_batch(X, 2.0), (a, b))


def test_batching_rule_beside_a_derivative_rule() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return np.sin(x)

    f.defjvps(lambda t, y, x: 3 * np.cos(x) * t)
    f.def_vmap(lambda size, in_batched, x: (2 * np.sin(x), True))
    same(wg.vmap(wg.grad(f))(X), 3 * np.cos(X))
    value, g = wg.value_and_grad(lambda x: np.sum(wg.vmap(f)(x)))(X)
    same((value, g), (np.sum(2 * np.sin(X)), 3 * np.cos(X)))


def test_batching_rule_with_a_result_that_is_not_batched() -> None:
    @wg.custom_vmap
    def f(x: Any) -> Any:
        return {"a": x, "b": 1.0}

    f.def_vmap(lambda size, in_batched, x: ({"a": x, "b": 1.0}, {"a": True, "b": False}))
    found = wg.vmap(f, out_axes={"a": 0, "b": None})(X)
    same(found, {"a": X, "b": 1.0})


def test_results_that_are_the_same_for_all_members(f: Any) -> None:
    one = lambda x: f(x, 2.0)
    found = wg.vmap(lambda x, y: (f(x, 2.0), f(y, 2.0)), (None, 0), (None, 0))(0.7, X)
    same(found, (one(0.7), one(X)))
