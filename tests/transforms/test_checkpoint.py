"""Checkpointing: the same values and derivatives with less memory, under all transformations."""

from __future__ import annotations

import gc
import pickle
import threading
import tracemalloc
from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.checkpointing.binomial import fewest_steps, next_state

P = wg.checkpoint_policies
F = Callable[..., Any]


def peak(f: F, *args: Any) -> int:
    """The most memory that a call needs, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        f(*args)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def same(found: Any, due: Any, rtol: float = 1e-12) -> None:
    """Trees of equal arrays, up to rounding."""
    a, b = wg.tree.leaves(found), wg.tree.leaves(due)
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for x, y in zip(a, b, strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * (np.max(np.abs(y), initial=0)))


RNG = np.random.default_rng(0)
W, X = RNG.normal(size=(4, 4)) / 2, RNG.normal(size=4)
WS, XS = RNG.normal(size=(3, 4, 4)) / 2, RNG.normal(size=(3, 4))
DOTS = RNG.normal(size=(4, 4)), RNG.normal(size=4)


def network(keep: F) -> F:
    """Nested blocks that close over traced values."""

    def f(w: Any, x: Any) -> Any:
        def block(v: Any) -> Any:
            return wg.checkpoint_name(np.tanh(w @ v), "t") * x

        inner = keep(block)
        outer = keep(lambda v, *, k: {"v": inner(np.sin(v)) + v * k})
        return np.sum(outer(inner(x), k=2)["v"] ** 2)

    return f


def loop(reverse: bool = False, **how: Any) -> F:
    """A loop with constants, several carried values and several results."""

    def f(w: Any, x: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            v, k = c
            v = np.tanh(w @ v + x)
            return (v, k + 1.0), {"s": np.sum(v), "v": v * k}

        stacks = np.stack([x * i for i in range(7)])
        (v, k), ys = wg.scan(step, (x, 0.0), stacks, reverse=reverse, **how)
        return np.sum(v**2) * k + np.sum(ys["s"]) + np.sum(np.sin(ys["v"]))

    return f


BOTH = (0, 1)
TRANSFORMS: dict[str, Callable[[F], Any]] = {
    "value": lambda f: f(W, X),
    "grad": lambda f: wg.grad(f, BOTH)(W, X),
    "jvp": lambda f: wg.jvp(f, (W, X), DOTS),
    "linearize": lambda f: wg.linearize(f, W, X)[1](*DOTS),
    "vjp": lambda f: wg.vjp(f, W, X)[1](1.0),
    "vmap": lambda f: wg.vmap(f)(WS, XS),
    "vmap(grad)": lambda f: wg.vmap(wg.grad(f, BOTH), in_axes=(0, None))(WS, X),
    "grad(vmap)": lambda f: wg.grad(lambda w, x: np.sum(wg.vmap(f)(w, x)), BOTH)(WS, XS),
    "grad(grad)": lambda f: wg.grad(lambda x: np.sum(wg.grad(f, 1)(W, x) ** 2))(X),
    "hessian": lambda f: wg.hessian(f, 1)(W, X),
    "hvp": lambda f: wg.hvp(f, (W, X), DOTS, BOTH),
    "grad(jvp)": lambda f: wg.grad(
        lambda x: wg.jvp(lambda x: f(W, x), (x,), DOTS[1:])[1]
    )(X),
    "jvp(vjp)": lambda f: wg.jvp(
        lambda x: wg.vjp(lambda w: f(w, x), W)[1](1.0)[0], (X,), DOTS[1:]
    ),
    "program(vmap)": lambda f: wg.make_program(wg.vmap(f))(WS, XS)(WS, XS),
    "program(jvp)": lambda f: wg.make_program(lambda *a: wg.jvp(f, a, DOTS)[1])(W, X)(W, X),
    "program(grad)": lambda f: wg.make_program(wg.grad(f, BOTH))(W, X)(W, X),
    "grad(program)": lambda f: wg.grad(wg.make_program(f)(W, X), BOTH)(W, X),
    "program(grad(grad))": lambda f: wg.make_program(
        wg.grad(lambda x: np.sum(wg.grad(f, 1)(W, x) ** 2))
    )(X)(X),
    "program(vmap(grad))": lambda f: wg.make_program(wg.vmap(wg.grad(f, BOTH)))(WS, XS)(WS, XS),
    "program(grad(vmap))": lambda f: wg.make_program(
        wg.grad(lambda w: np.sum(wg.vmap(f, in_axes=(0, None))(w, X)))
    )(WS)(WS),
    "program of a pullback": lambda f: wg.make_program(wg.vjp(f, W, X)[1])(1.0)(1.0),
    "grad(scan)": lambda f: wg.grad(
        lambda w: wg.scan(lambda c, x: (c + f(w, x) * c, c), 1.0, XS)[0]
    )(W),
    "program(grad(scan))": lambda f: wg.make_program(
        wg.grad(lambda w: wg.scan(lambda c, x: (c + f(w, x) * c, c), 1.0, XS)[0])
    )(W)(W),
    "linear_transpose": lambda f: wg.linear_transpose(
        lambda t: wg.jvp(f, (W, X), (t, 0 * X))[1], W
    )(1.0),
}  # fmt: skip


def values_only(primitive: Any, avals: Any, params: Any) -> bool:
    """A user's own policy."""
    return primitive.name in ("sin", "tanh") and avals[0].ndim == 1


KEEP: dict[str, F] = {
    "checkpoint": wg.checkpoint,
    "nothing": wg.remat(policy=P.nothing),
    "everything": wg.checkpoint(policy=P.everything),
    "dots": wg.checkpoint(policy=P.dots_saveable),
    "names": wg.checkpoint(policy=P.save_only_these_names("t")),
    "a function": wg.checkpoint(policy=values_only),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.filterwarnings("ignore:checkpoint of .* no value has that name")
def test_checkpoint_changes_no_value(transform: str) -> None:
    due = TRANSFORMS[transform](network(lambda f: f))
    for keep in KEEP.values():
        same(TRANSFORMS[transform](network(keep)), due)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_loops_with_checkpoints_change_no_value(transform: str, reverse: bool) -> None:
    due = TRANSFORMS[transform](loop(reverse))
    ways = [
        {"checkpoint_every": 3},
        {"checkpoints": 1},
        {"checkpoints": 3},
        {"memory_budget": 500},
        {"memory_budget": 1e6},
    ]
    for how in ways:
        same(TRANSFORMS[transform](loop(reverse, **how)), due)


# Memory.


def deep(keep: F) -> F:
    """Forty blocks of ten operations."""

    def block(x: Any) -> Any:
        for _ in range(10):
            x = np.sin(x) * 1.1
        return x

    def f(x: Any) -> Any:
        g = keep(block)
        for _ in range(40):
            x = g(x)
        return np.sum(x)

    return f


def test_memory_of_blocks() -> None:
    x = np.linspace(0, 1, 20_000)
    plain, less = peak(wg.grad(deep(lambda f: f)), x), peak(wg.grad(deep(wg.checkpoint)), x)
    assert plain > 400 * x.nbytes
    assert less < 90 * x.nbytes  # 40 inputs, and the residuals of one block
    same(wg.grad(deep(wg.checkpoint))(x), wg.grad(deep(lambda f: f))(x))


def test_memory_with_a_policy() -> None:
    x = np.linspace(0, 1, 20_000)
    names = P.save_names("middle")

    def f(x: Any) -> Any:
        for k in range(40):
            x = np.sin(x)
            if k % 10 == 9:
                x = wg.checkpoint_name(x, "middle")
        return np.sum(x)

    assert peak(wg.grad(f), x) > 40 * x.nbytes
    kept = sum(r.nbytes for r in wg.saved_residuals(wg.checkpoint(f, policy=names), x))
    assert kept == 4 * x.nbytes  # the argument, and all names but the last, which nothing needs
    same(wg.grad(wg.checkpoint(f, policy=names))(x), wg.grad(f)(x))


def test_memory_of_a_recursion_grows_with_the_logarithm() -> None:
    def chain(x: Any, n: int) -> Any:
        if n == 1:
            return np.sin(x)
        half = wg.checkpoint(chain)
        return half(half(x, n // 2), n - n // 2)

    def f(x: Any) -> Any:
        return np.sum(chain(x, 128))

    x = np.linspace(0, 1, 10_000)
    assert peak(wg.grad(f), x) < 35 * x.nbytes
    y = x
    slope = np.ones_like(x)
    for _ in range(128):
        slope, y = slope * np.cos(y), np.sin(y)
    same(wg.grad(f)(x), slope)


def test_memory_of_batches_and_outer_derivatives() -> None:
    x = np.linspace(0, 1, 8_000).reshape(8, 1000)
    for transform in (
        lambda f: wg.grad(lambda x: np.sum(wg.vmap(f)(x))),
        lambda f: wg.vmap(wg.grad(f)),
        lambda f: lambda x: wg.jvp(wg.grad(f), (x,), (x,))[1],
    ):
        plain = peak(transform(deep(lambda f: f)), x)
        assert peak(transform(deep(wg.checkpoint)), x) < plain / 3


@pytest.mark.parametrize("program", [False, True])
def test_memory_of_loops(program: bool) -> None:
    def f(n: int, **how: Any) -> F:
        g = wg.grad(
            lambda x: np.sum(wg.scan(lambda c, _: (np.sin(c) * c, None), x, length=n, **how)[0])
        )
        return wg.make_program(g)(x) if program else g

    x = np.linspace(0, 1, 10_000)
    n = 120
    plain = peak(f(n), x)
    assert plain > 2 * n * x.nbytes
    for how, most in (
        ({"checkpoint_every": 12}, 65),
        ({"checkpoints": 5}, 25),
        ({"memory_budget": 60 * x.nbytes}, 70),
        ({"memory_budget": 16 * x.nbytes}, 25),
    ):
        assert peak(f(n, **how), x) < most * x.nbytes
        same(f(n, **how)(x), f(n)(x))


def test_memory_of_a_batched_loop() -> None:
    x = np.linspace(0, 1, 1000).reshape(4, 250)

    def f(**how: Any) -> F:
        one = lambda x: wg.scan(lambda c, _: (np.sin(c) * c, None), x, length=150, **how)[0]
        return wg.grad(lambda x: np.sum(wg.vmap(one)(x)))

    assert peak(f(checkpoints=5), x) < peak(f(), x) / 5
    same(f(checkpoints=5)(x), f()(x))


def test_the_pullback_keeps_little_and_can_be_used_again() -> None:
    x = np.linspace(0, 1, 20_000)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    _, pullback = wg.vjp(deep(wg.checkpoint), x)
    assert tracemalloc.get_traced_memory()[0] - before < 60 * x.nbytes
    tracemalloc.stop()
    first, second = pullback(1.0)[0], pullback(2.0)[0]
    same(2 * first, second)


# Steps that are computed again.


@pytest.mark.parametrize("snapshots", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 31])
def test_the_number_of_steps_is_the_least_possible(n: int, snapshots: int) -> None:
    calls = [0, 0]

    def step(c: Any, _: None) -> Any:
        calls[isinstance(c, wg.Tracer)] += 1
        return np.sin(c), None

    wg.grad(lambda x: wg.scan(step, x, length=n, checkpoints=snapshots)[0])(0.5)
    assert calls[1] == n  # recorded
    assert calls[0] == fewest_steps(n, snapshots) + 1  # the last one is for the value


def test_segments_compute_each_step_once_again() -> None:
    calls = [0, 0]

    def step(c: Any, _: None) -> Any:
        calls[isinstance(c, wg.Tracer)] += 1
        return np.sin(c), None

    wg.grad(lambda x: wg.scan(step, x, length=23, checkpoint_every=5)[0])(0.5)
    assert calls == [23, 23]


def test_the_formula_of_binomial_checkpointing() -> None:
    best: dict[tuple[int, int], int] = {}
    for s in range(1, 6):
        for n in range(1, 40):
            if n == 1:
                best[n, s] = 0
            elif s == 1:
                best[n, s] = n * (n - 1) // 2
            else:
                best[n, s] = min(m + best[m, s] + best[n - m, s - 1] for m in range(1, n))
                m = next_state(n, s)
                assert m + best[m, s] + best[n - m, s - 1] == best[n, s]
            assert fewest_steps(n, s) == best[n, s]
    assert fewest_steps(comb(8, 3), 3) == 5 * comb(8, 3) - comb(8, 4)


def test_a_policy_saves_what_it_says() -> None:
    def f(x: Any) -> Any:
        y = wg.checkpoint_name(np.exp(np.sin(x)), "y")
        return np.sum(np.cos(y))

    def computed_again(policy: Any) -> set[str]:
        program = wg.make_program(wg.grad(wg.checkpoint(f, policy=policy)))(X)
        last = [e for e in program.equations if e.primitive.name == "checkpoint"][-1]
        return {e.primitive.name for e in last.params["body"].equations}

    assert {"sin", "exp"} <= computed_again(None)
    assert not {"exp"} & computed_again(P.save_names("y"))
    assert {"sin", "exp"} <= computed_again(P.save_any_names_but_these("y"))
    assert "exp" in computed_again(P.save_any_names_but_these("y"))
    assert "sin" not in computed_again(P.save_any_except("y"))
    both = P.save_from_both(P.dots, P.save_names("y"))
    assert "exp" not in computed_again(both)


def test_matmuls_are_not_computed_again_with_dots() -> None:
    f = lambda w, x: np.sum(np.tanh(np.tanh(x @ w) @ w))
    x = np.ones((3, 4))
    count = lambda policy: str(
        wg.make_program(wg.grad(wg.checkpoint(f, policy=policy)))(W, x)
    ).count("matmul")  # fmt: skip
    assert count(None) == count(P.dots) + 2  # two forward


# What the function may do.


def test_python_control_flow_on_values() -> None:
    def f(x: Any) -> Any:
        y = x
        while np.sum(y) < 10:
            y = y * 2 if y[0] > 0 else y - 1
        return y

    x = np.array([0.3, 0.7])
    same(
        wg.grad(lambda x: np.sum(wg.checkpoint(f)(x) ** 2))(x),
        wg.grad(lambda x: np.sum(f(x) ** 2))(x),
    )


def test_arguments_of_all_kinds() -> None:
    @wg.checkpoint
    def f(p: Any, kind: str, n: int, *rest: Any, scale: Any = 1.0, fun: Any = None) -> Any:
        assert type(n) is int
        assert kind == "k"
        y = sum(p["w"] * i for i in range(n)) + rest[0]
        return {"y": fun(y) * scale, "kind": kind, "n": n, "none": None, "count": np.arange(n)}

    def g(w: Any, s: Any) -> Any:
        out = f({"w": w}, "k", 3, 2 * w, scale=s, fun=np.sin)
        assert out["kind"] == "k"
        assert out["none"] is None
        assert int(out["count"][2]) == 2
        return np.sum(out["y"])

    found = wg.grad(g, (0, 1))(X, 2.0)
    same(found, (2 * np.cos(5 * X) * 5, np.sum(np.sin(5 * X))))


def test_methods_and_attributes_that_are_traced() -> None:
    class Layer:
        def __init__(self, w: Any) -> None:
            self.parts = [{"w": w}]

        @wg.checkpoint
        def __call__(self, x: Any) -> Any:
            return np.tanh(self.parts[0]["w"] @ x)

    found = wg.grad(lambda w: np.sum(Layer(w)(X)))(W)
    same(found, wg.grad(lambda w: np.sum(np.tanh(w @ X)))(W))


def test_traced_values_that_are_found_late() -> None:
    class Far:
        __slots__ = ("w",)  # not seen from outside

    def f(w: Any, x: Any) -> Any:
        far = Far()
        far.w = w * 2
        g = wg.checkpoint(lambda x: np.sin(far.w * x) + far.w)
        return np.sum(wg.checkpoint(lambda x: g(g(x)))(x))

    plain = lambda w, x: np.sum(np.sin(2 * w * (np.sin(2 * w * x) + 2 * w)) + 2 * w)
    same(wg.grad(f, (0, 1))(X, X), wg.grad(plain, (0, 1))(X, X))
    same(wg.hessian(f, (0, 1))(X, X), wg.hessian(plain, (0, 1))(X, X))


def test_writing_to_arguments_stays_inside() -> None:
    @wg.checkpoint
    def f(x: Any) -> Any:
        x[0] = 2 * x[1]
        x *= 3
        return x

    x = X.copy()
    same(wg.grad(lambda x: np.sum(f(x) * np.arange(4.0)))(x), np.array([0.0, 3.0, 6.0, 9.0]))
    np.testing.assert_array_equal(x, X)
    y, pullback = wg.vjp(lambda x: f(np.sin(x)) + np.sin(x), x)
    same(pullback(np.ones(4))[0], np.cos(X) * np.array([1.0, 10.0, 4.0, 4.0]))
    assert y[0] == 6 * np.sin(X[1]) + np.sin(X[0])


def test_writing_to_what_is_closed_over_is_refused() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)

        def g(z: Any) -> Any:
            y[0] = z[1]
            return z * 2

        return np.sum(wg.checkpoint(g)(x)) + np.sum(y)

    with pytest.raises(wg.errors.InPlaceWriteError, match="writes to an array that it closes over"):
        wg.grad(f)(X)


def test_random_draws_are_repeated() -> None:
    rng, old = np.random.default_rng(3), np.random.RandomState(4)

    def dropout(x: Any) -> Any:
        return x**2 * (rng.random(4) < 0.5) * old.normal(size=4)

    expected_rng, expected_old = np.random.default_rng(3), np.random.RandomState(4)
    masks = [(expected_rng.random(4) < 0.5) * expected_old.normal(size=4) for _ in range(2)]
    f = wg.checkpoint(dropout)
    same(wg.grad(lambda x: np.sum(f(x) + f(2 * x)))(X), 2 * X * (masks[0] + 4 * masks[1]))
    assert rng.random() == expected_rng.random()  # the generator has gone on by what it drew once
    assert old.normal() == expected_old.normal()


def test_random_draws_in_programs_are_refused() -> None:
    rng = np.random.default_rng(3)
    f = wg.checkpoint(lambda x: x * rng.random())
    with pytest.raises(wg.errors.UnsupportedError, match="drew random numbers"):
        wg.make_program(f)(1.0)
    with pytest.raises(wg.errors.UnsupportedError, match="drew random numbers"):
        wg.grad(wg.checkpoint(lambda x: x * rng.random(), policy=P.dots))(1.0)
    step = lambda c, _: (c * rng.random(), None)
    with pytest.raises(wg.errors.UnsupportedError, match="drew random numbers"):
        wg.grad(lambda x: wg.scan(step, x, length=3, checkpoints=2)[0])(1.0)


def test_another_result_the_second_time_is_an_error() -> None:
    state = {"k": 1.0}

    def f(x: Any) -> Any:
        state["k"] += 1
        return x * state["k"]

    with pytest.raises(wg.errors.UnsupportedError, match="gave another result when it was run"):
        wg.grad(lambda x: np.sum(wg.checkpoint(f)(x)))(X)


def test_collectives_inside() -> None:
    f = lambda x: np.sin(x) * wg.psum(x**2, "i")
    g = lambda keep: wg.grad(lambda x: np.sum(wg.vmap(keep(f), axis_name="i")(x) ** 2))
    same(g(wg.checkpoint)(X), g(lambda f: f)(X))


def test_in_a_batch_that_splits() -> None:
    f = lambda x: np.sin(x) if x > 0 else x**2
    g = lambda keep: wg.grad(lambda x: np.sum(wg.vmap(keep(f), control_flow="split")(x)))
    same(g(wg.checkpoint)(X), g(lambda f: f)(X))


def test_pullbacks_in_threads() -> None:
    def f(w: Any, x: Any) -> Any:
        return wg.checkpoint(lambda v: np.sin(w * v))(x)

    _, pullback = wg.vjp(f, X, XS)
    due = [pullback(np.full((3, 4), float(k)))[0] for k in range(20)]
    found: dict[int, Any] = {}

    def run(start: int) -> None:
        for k in range(start, 20, 2):
            found[k] = pullback(np.full((3, 4), float(k)))[0]

    threads = [threading.Thread(target=run, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(20):
        same(found[k], due[k])


def test_dtypes_and_shapes() -> None:
    f = wg.checkpoint(lambda x, y: (x * y, np.sum(x)))
    x = np.ones((2, 0), np.float32)
    y, pullback = wg.vjp(f, x, np.float32(2))
    assert pullback(y)[0].dtype == np.float32
    assert pullback(y)[0].shape == (2, 0)
    z = np.array([1 + 2j, 3j])
    g = lambda z: np.sum(np.abs(wg.checkpoint(lambda z: z**2 * (1 + 1j))(z)) ** 2)
    same(wg.grad(g)(z), wg.grad(lambda z: np.sum(np.abs(z**2 * (1 + 1j)) ** 2))(z))
    single = wg.grad(lambda c: wg.fori_loop(0, 5, lambda i, c: c * c + i, c, checkpoints=2))
    assert single(np.float32(0.5)).dtype == np.float32


def test_nothing_traced_calls_the_function() -> None:
    marker = object()
    assert wg.checkpoint(lambda x: marker)(1.0) is marker
    y = wg.jvp(wg.checkpoint(lambda x: float(x.shape[0]) * x), (X,), (X,))
    same(y, (4 * X, 4 * X))


def test_decorator_forms() -> None:
    @wg.checkpoint
    def f(x: Any) -> Any:
        """Doc."""
        return np.sin(x)

    @wg.remat(policy=P.dots, static_argnums=(1,), prevent_cse=False)
    def g(x: Any, n: Any) -> Any:
        return x * n

    assert (f.__name__, f.__doc__) == ("f", "Doc.")
    same(wg.grad(lambda x: np.sum(f(x)))(X), np.cos(X))
    same(wg.grad(lambda x: np.sum(g(x, 3)))(X), np.full(4, 3.0))


def test_in_a_program_it_is_one_equation() -> None:
    program = wg.make_program(wg.checkpoint(lambda x: np.sin(np.cos(x))))(1.0)
    assert [e.primitive.name for e in program.equations] == ["checkpoint"]
    assert "cos" in str(program)
    text = str(wg.make_program(wg.grad(lambda x: wg.fori_loop(
        0, 9, lambda i, c: np.sin(c), x, checkpoints=3
    )))(1.0))  # fmt: skip
    assert "pullback of loop(length=9, snapshots=3)" in text
    assert text.count("sin") == 1


# Loops in Python.


def test_loops_of_python_functions() -> None:
    def step(c: Any, x: Any) -> Any:
        if c["v"][0] > 0.2:
            return {"v": np.sin(c["v"]) + x}, None
        return {"v": c["v"] * 2 + x}, None

    def f(x: Any, xs: Any, **how: Any) -> Any:
        return np.sum(wg.scan(step, {"v": x}, xs, **how)[0]["v"])

    xs = RNG.normal(size=(20, 4))
    due = wg.grad(f, (0, 1))(X, xs)
    for how in ({"checkpoint_every": 6}, {"checkpoints": 4}):
        same(wg.grad(lambda *a, h=how: f(*a, **h), (0, 1))(X, xs), due)


def test_a_carried_int_that_becomes_a_float() -> None:
    f = lambda x, **how: wg.scan(lambda c, _: (c * x + 1, c), 0, length=5, **how)[0]
    same(wg.grad(lambda x: f(x, checkpoints=2))(0.5), wg.grad(f)(0.5))


def test_no_steps_and_one_step() -> None:
    for n in (0, 1):
        f = lambda x, n=n: wg.scan(lambda c, _: (c * x, c), x, length=n, checkpoints=3)[0]
        same(wg.grad(f)(0.75), np.float64(1.0 if n == 0 else 1.5))


# Errors.


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: wg.checkpoint(3), wg.errors.DtypeError, "first argument must be a function"),
        (
            lambda: wg.checkpoint(np.sin, policy="dots"),
            wg.errors.DtypeError,
            "policy must be a fun",
        ),
        (
            lambda: wg.checkpoint(np.sin, policy=type(P)),
            wg.errors.DtypeError,
            "take one from wg.checkpoint_policies",
        ),
        (
            lambda: wg.checkpoint(np.sin, static_argnums="a"),
            wg.errors.DtypeError,
            "static_argnums must be ints",
        ),
        (
            lambda: wg.grad(wg.checkpoint(np.sin, static_argnums=2))(1.0),
            wg.errors.ShapeError,
            "static_argnums=.* is out of range",
        ),
        (lambda: P.save_names(3), wg.errors.DtypeError, "names must be text"),
        (lambda: P.save_from_both(P.dots, 3), wg.errors.DtypeError, "policy must be a function"),
        (lambda: wg.checkpoint_name(1.0, 2), wg.errors.DtypeError, "the name must be text"),
        (lambda: wg.saved_residuals(3, 1.0), wg.errors.DtypeError, "must be a function"),
    ],
)
def test_errors(call: F, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"checkpoint_every": 0}, wg.errors.ShapeError, "checkpoint_every must be 1 or more"),
        ({"checkpoints": -3}, wg.errors.ShapeError, "checkpoints must be 1 or more"),
        ({"memory_budget": 0}, wg.errors.ShapeError, "memory_budget must be 1 or more"),
        ({"checkpoint_every": 2.5}, wg.errors.DtypeError, "checkpoint_every must be an int"),
        ({"checkpoints": True}, wg.errors.DtypeError, "checkpoints must be an int"),
        (
            {"checkpoint_every": 2, "checkpoints": 2},
            wg.errors.UnsupportedError,
            "checkpoint_every and checkpoints were both given",
        ),
        ({"memory_budget": 10}, wg.errors.ShapeError, "the memory budget is too small"),
    ],
)
def test_errors_of_loops(how: Any, kind: type[Exception], message: str) -> None:
    step = lambda c, _: (np.sin(c), None)
    with pytest.raises(kind, match=message):
        wg.grad(lambda x: np.sum(wg.scan(step, x, length=30, **how)[0]))(X)
    with pytest.raises(kind, match=message):
        wg.make_program(lambda x: wg.fori_loop(0, 30, lambda i, c: np.sin(c), x, **how))(X)


def test_a_loop_of_unknown_length_cannot_keep_states() -> None:
    f = lambda n: wg.fori_loop(0, n, lambda i, c: c * 2.0, 1.0, checkpoints=2)
    with pytest.raises(wg.errors.ShapeError, match="needs a known number of steps"):
        wg.make_program(f)(3)


def test_control_flow_with_a_policy_is_explained() -> None:
    f = wg.checkpoint(lambda x: x if x > 0 else -x, policy=P.dots)
    with pytest.raises(wg.errors.ConcretizationError, match="truth value") as caught:
        wg.grad(f)(1.0)
    assert any("because it has a policy" in note for note in caught.value.__notes__)
    step = lambda c, _: (c if c > 0 else -c, None)
    with pytest.raises(wg.errors.ConcretizationError) as caught:
        wg.grad(lambda x: wg.scan(step, x, length=3, memory_budget=1e6)[0])(1.0)
    assert any("memory_budget needs a function that can be" in n for n in caught.value.__notes__)


def test_a_name_that_does_not_occur_is_warned_of() -> None:
    f = wg.checkpoint(lambda x: wg.checkpoint_name(np.sin(x), "h"), policy=P.save_names("g"))
    with pytest.warns(UserWarning, match="names 'g', but no value has that name.*: 'h'"):
        wg.grad(f)(1.0)


def test_wrong_results_of_a_step() -> None:
    with pytest.raises(wg.errors.TreeError, match="must return a pair"):
        wg.grad(lambda x: wg.scan(lambda c, _: c, x, length=3, checkpoints=2)[0])(1.0)
    step = lambda c, _: (np.ones(3) * c, None)
    with pytest.raises(wg.errors.ShapeError, match="another shape"):
        wg.grad(lambda x: np.sum(wg.scan(step, x, length=3, checkpoints=2)[0]))(1.0)


# What is closed over, and changes later.


def test_traced_arrays_that_are_written_to_afterwards() -> None:
    def f(x: Any, keep: F) -> Any:
        y = np.sin(x)
        part = y[1:]
        part[0] = x[0] * x[2]
        z = keep(lambda v: v * y + np.sum(part))(x)
        u = keep(lambda v: v * z)(x)
        part[1] = x[0] ** 2
        y[2] *= 2.0
        z[0] = x[1]
        return np.sum(z * y * u)

    for transform in (wg.grad, wg.hessian, lambda g: wg.grad(lambda x: np.sum(wg.grad(g)(x) ** 2))):
        due = transform(lambda x: f(x, lambda g: g))(X)
        same(transform(lambda x: f(x, wg.checkpoint))(X), due)
        same(transform(lambda x: f(x, wg.checkpoint(policy=P.dots)))(X), due)


def test_plain_arrays_that_change_afterwards_are_noticed() -> None:
    buffer = np.ones(4)

    def f(x: Any) -> Any:
        for k in range(3):
            buffer[:] = k + 1
            x = wg.checkpoint(lambda x: x * buffer)(x)
        return np.sum(x)

    with pytest.raises(wg.errors.UnsupportedError, match="gave another result when it was run"):
        wg.grad(f)(X)


def test_another_path_the_second_time_is_an_error() -> None:
    calls = []

    def f(x: Any) -> Any:
        w = np.sin(x)
        far = type("Far", (), {"__slots__": ("w",)})()
        far.w = w

        def g(v: Any) -> Any:
            calls.append(1)
            return v * far.w if len(calls) > 1 else v

        return np.sum(wg.checkpoint(g)(x))

    with pytest.raises(wg.errors.UnsupportedError, match="a traced value that it had not used"):
        wg.grad(f)(X)


def test_other_transformations_inside() -> None:
    @wg.custom_vjp
    def clipped(x: Any) -> Any:
        return np.sin(x)

    clipped.defvjp(lambda x: (clipped(x), x), lambda x, ct: (np.clip(np.cos(x) * ct, -0.5, 0.5),))
    bodies: list[F] = [
        lambda v, x: clipped(v) * x,
        lambda v, x: wg.while_loop(lambda c: np.sum(c) < 20, lambda c: c * 1.5 + x**2, v),
        lambda v, x: wg.cond(np.sum(x) > 1, lambda v: v * x, lambda v: v - x, v),
        lambda v, x: wg.scan(lambda c, k: (np.sin(c * k) + x, c), v, np.arange(1.0, 4.0))[1],
        lambda v, x: wg.grad(lambda u: np.sum(wg.checkpoint(np.sin)(u * v) * x))(v),
        lambda v, x: wg.jvp(lambda u: np.sin(u * v) * x, (v,), (x,))[1],
        lambda v, x: wg.vmap(lambda u: np.sin(u * v) * x)(v),
        lambda v, x: (np.sort(v) * x, np.argsort(v))[0],
        lambda v, x: wg.root(lambda y: y**3 + y - v * x, v * 0 + 0.5),
        lambda v, x: wg.stop_gradient(v * x) * v,
    ]
    x = np.array([0.3, 0.7, 1.1])
    for body in bodies:
        f = lambda x, keep, body=body: np.sum(keep(lambda v: body(v, x))(2 * x))
        for transform in (wg.grad, lambda g: wg.make_program(wg.grad(g))(x)):
            due = transform(lambda x, f=f: f(x, lambda g: g))(x)
            for keep in (wg.checkpoint, wg.checkpoint(policy=P.dots)):
                same(transform(lambda x, f=f, keep=keep: f(x, keep))(x), due, 1e-9)


def test_programs_with_checkpoints_pickle() -> None:
    policy = P.save_from_both(P.dots, P.save_any_except())
    f = lambda x: (
        np.sum(wg.checkpoint(np.sin, policy=policy)(x))
        + np.sum(wg.fori_loop(0, 5, lambda i, c: np.sin(c), x, checkpoints=2))
    )
    program = wg.make_program(wg.grad(f))(X)
    same(pickle.loads(pickle.dumps(program))(X), program(X))
