"""Loops and branches: nothing in vain, nothing twice, nothing in the loop that can be outside."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names, special

import wengert as wg
from wengert.core import Program, evaluate
from wengert.core.ir import Literal
from wengert.core.printing import subprograms
from wengert.transforms.passes.branches import take_known_branches
from wengert.transforms.passes.invariants import hoist_invariants
from wengert.transforms.passes.loop_fission import SHORT, split_loops
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.passes.reroll import reroll
from wengert.transforms.passes.unused import without_unused

XS = special()[:6]


def held(program: Program, name: str) -> Any:
    """The one equation of that primitive."""
    (found,) = [e for e in program.equations if e.primitive.name == name]
    return found


def bodies(program: Program) -> list[str]:
    """The operations inside of loops and branches."""
    return [n for e in program.equations for _, p in subprograms(e.params) for n in names(p)]


# What nobody uses.


def test_unused_results_and_carried_values_of_a_scan() -> None:
    def fun(xs: Any, k: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            a, b, n = c
            return (a + x, np.exp(b) * k, n + 1.0), (np.sin(a), np.cos(b), np.tan(n))

        (a, _, _), (s, _, _) = wg.scan(step, (0.0, 1.0, 2.0), xs)
        return a, s

    program = applied(without_unused, fun, XS, np.float64(2.0))
    assert sorted(bodies(program)) == ["add", "sin"]
    assert len(held(program, "scan").inputs) == 2
    assert len(held(program, "scan").outputs) == 2


def test_carried_values_that_others_need_stay() -> None:
    def fun(xs: Any) -> Any:
        step = lambda c, x: ((c[0] * c[1], np.sin(c[1]) + x), None)
        return wg.scan(step, (1.0, 2.0), xs)[0][0]

    assert "sin" in bodies(applied(without_unused, fun, XS))


def test_constant_carries_and_plain_results() -> None:
    def fun(xs: Any, k: Any) -> Any:
        (c, k2), ys = wg.scan(
            lambda c, x: ((c[0] + x * c[1], c[1]), (x, k, c[0], c[0])), (0.0, k), xs
        )
        return c, k2, ys

    program = applied(without_unused, fun, XS, np.float64(3.0))
    e = held(program, "scan")
    assert e.params["n_carry"] == 1
    assert len(e.outputs) == 2  # the carried value, and one stack


def test_an_empty_loop() -> None:
    def fun(xs: Any) -> Any:
        return wg.scan(lambda c, x: ((c[0] + x, c[1]), (x, c[1])), (1.0, 2.0), xs)

    applied(improve, fun, np.zeros(0))


def test_unused_parts_of_a_while_loop() -> None:
    def fun(x: Any, k: Any) -> Any:
        turn = lambda c: (c[0] * 2.0, np.exp(c[1]) * k, c[2] + x)
        return wg.while_loop(lambda c: c[0] < 50.0, turn, (1.0, 0.1, 0.0))[2]

    program = applied(without_unused, fun, 0.3, 2.0)
    assert "exp" not in bodies(program)
    assert len(held(program, "while").outputs) == 2


def test_unused_parts_of_branches() -> None:
    def fun(p: Any, x: Any, y: Any) -> Any:
        a, _, z = wg.cond(
            p > 0, lambda: (np.sin(x), np.exp(y), x * 1.5), lambda: (x, np.cos(y), x * 2.5)
        )
        return a, z

    program = applied(without_unused, fun, 1.0, 2.0, np.ones(3))
    e = held(program, "cond")
    assert len(e.outputs) == 2
    assert len(e.inputs) == 2
    applied(without_unused, fun, -1.0, 2.0, np.ones(3))


def test_what_all_branches_return() -> None:
    def fun(p: Any, x: Any, y: Any) -> Any:
        return wg.cond(p > 0, lambda x, y: (np.sin(x), y), lambda x, y: (x, y), x, y)

    program = applied(without_unused, fun, 1.0, XS, special()[6:12])
    assert len(held(program, "cond").outputs) == 1
    found = applied(improve, fun, -1.0, XS, XS)
    assert len(held(found, "cond").outputs) == 1


def test_residuals_that_the_backward_pass_does_not_need() -> None:
    def fun(xs: Any) -> Any:
        return wg.scan(lambda c, x: (c * np.sin(x), np.cos(c) * x), 1.0, xs)[0]

    program = wg.make_program(wg.grad(fun))(np.ones(3))
    found = applied(improve, program, np.ones(3), same=close)
    assert "cos" not in [n for n in bodies(found) if n == "exp"]
    assert len(bodies(found)) < len(bodies(program))


# Loop invariants.


def test_out_of_a_scan() -> None:
    def fun(xs: Any, k: Any) -> Any:
        return wg.scan(
            lambda c, x: (c + np.sin(k) * x * np.exp(k), np.cos(np.arange(3.0) * k)), 0.0, xs
        )

    program = applied(hoist_invariants, fun, XS, 2.0)
    assert sorted(bodies(program)) == ["add", "mul", "mul"]


def test_stacks_of_one_array() -> None:
    def fun(xs: Any, k: Any) -> Any:
        same = np.broadcast_to(k, xs.shape)
        ones = np.broadcast_to(xs[:1], xs.shape)
        return wg.scan(lambda c, x: (c * x[0] + x[1] * x[2], x[1]), 0.0, (xs, same, ones))

    program = applied(hoist_invariants, fun, XS, np.float64(2.0))
    (loop,) = [e for e in program.equations if e.primitive.name == "scan"]
    assert loop.params["n_consts"] == 3  # with the product of two of them
    assert len(loop.inputs) == 5
    xs = np.ones((4, 2, 2))
    fun = lambda x: wg.scan(lambda c, x: (c @ x, c), np.eye(2), np.broadcast_to(x.T, (4, 2, 2)))[0]
    (loop,) = applied(hoist_invariants, fun, xs[0]).equations[-1:]
    assert loop.params["n_consts"] == 1


def test_nothing_is_computed_for_a_loop_without_steps() -> None:
    def fun(xs: Any, k: Any) -> Any:
        return wg.scan(lambda c, x: (c + x / k, None), 0.0, xs)[0]

    program = applied(hoist_invariants, fun, np.zeros(0), np.float64(0.0))
    found = improve(program)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(found, np.zeros(0), np.float64(0.0)) == [0.0]


def test_what_may_warn_stays_in_a_while_loop() -> None:
    def fun(x: Any, a: Any) -> Any:
        turn = lambda c: c + np.sum(a.T @ (1.0 / a))
        return wg.while_loop(lambda c: c < np.sum(-a), turn, x)

    a = np.zeros((2, 2))
    program = improve(applied(hoist_invariants, fun, 1.0, a))
    assert "transpose" not in bodies(program)
    assert "div" in bodies(program)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(program, 1.0, a) == [1.0]


def test_python_numbers_keep_their_types_in_loops() -> None:
    def fun(xs: Any, k: Any) -> Any:
        return wg.scan(lambda c, x: (c + x * (k * 2.0), None), np.zeros(3, np.float32), xs)[0]

    xs = np.ones((4, 3), np.float32)
    applied(improve, fun, xs, 2.0, same=close)
    applied(hoist_invariants, fun, xs, 2.0)
    applied(hoist_invariants, fun, xs, np.float32(2.0))


def test_of_loops_in_loops() -> None:
    def fun(xs: Any, k: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            return wg.scan(lambda d, y: (d + np.sin(k) * np.cos(x) * y, None), c, xs)[0], None

        return wg.scan(outer, 0.0, xs)[0]

    program = applied(hoist_invariants, fun, np.ones(5), 2.0)
    # The sine is out of both loops after two rounds.
    program = hoist_invariants(program)
    assert "sin" in [e.primitive.name for e in program.equations]


# Loops taken apart.


def rnn(p: Any, xs: Any) -> Any:
    """A recurrent network."""
    w, u, b = p
    h, _ = wg.scan(lambda h, x: (np.tanh(h @ w + x @ u + b), None), np.zeros((4, 3)), xs)
    return np.sum(h * h)


def network_arguments() -> Any:
    """Weights and inputs."""
    rng = np.random.default_rng(0)
    p = (rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), rng.normal(size=3))
    return p, rng.normal(size=(8, 4, 2))


def test_a_recurrent_network() -> None:
    p, xs = network_arguments()
    program = wg.make_program(wg.grad(rnn))(p, xs)
    found = applied(improve, program, *p, xs, same=close)
    assert bodies(found).count("matmul") == 2  # one forward, one backward
    assert bodies(program).count("matmul") > 4


def test_elementwise_parts_keep_every_bit() -> None:
    def fun(xs: Any, k: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            a = np.sin(x) * k
            return np.tanh(c + a), (np.cos(c) * a, a - 1.0, c, x * 2.0, 3.0)

        return wg.scan(step, k * 1.0, xs), wg.scan(step, k, xs, reverse=True)

    with np.errstate(all="ignore"):
        program = applied(split_loops, fun, special()[:8], np.float64(0.7))
    assert sorted(bodies(program)) == ["add", "add", "tanh", "tanh"]


def test_sums() -> None:
    def fun(xs: Any) -> Any:
        return wg.scan(lambda c, x: (c + np.sin(x), None), 0.5, xs)[0]

    assert "scan" not in names(applied(improve, fun, np.arange(9.0), same=close))
    # A sum in float32 is not added up in another order.
    xs = np.arange(9, dtype=np.float32)
    step = lambda c, x: (c + np.sin(x), None)
    found = applied(improve, lambda xs: wg.scan(step, np.float32(0.5), xs)[0], xs)
    assert "scan" in names(found)


def test_short_and_large_loops_are_left() -> None:
    fun = lambda xs: wg.scan(lambda c, x: (np.tanh(c + np.sin(x)), None), 0.5, xs)[0]
    program = wg.make_program(fun)(np.ones(SHORT - 1))
    assert split_loops(program) is program
    wide = lambda xs: wg.scan(lambda c, x: (np.tanh(c + np.sin(x)), None), np.zeros(10_000), xs)[0]
    program = wg.make_program(wide)(np.ones((SHORT, 10_000)))
    assert split_loops(program) is program


def test_counting_loops() -> None:
    """Items that are Python ints in the body do not decide dtypes."""

    def fun(x: Any) -> Any:
        return wg.fori_loop(0, 6, lambda i, c: c * np.float32(0.5) + i * x, x)

    applied(improve, fun, np.ones(3, np.float32), same=close)
    applied(split_loops, fun, np.ones(3, np.float32))


@pytest.mark.parametrize("seed", range(30))
def test_random_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds, pick = rng.integers(0, 9, 12), rng.integers(0, 1000, (12, 2))
    at, mode = rng.integers(0, 1000, 6), rng.integers(5)

    def fun(c0: Any, c1: Any, xs: Any, k: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            pool = [c[0], c[1], x[0], x[1], k, np.float64(2.0) * x[0]]
            for kind, (i, j) in zip(kinds, pick, strict=True):
                a, b = pool[i % len(pool)], pool[j % len(pool)]
                makers: Any = [
                    lambda a, b: a + b, lambda a, b: a * b, lambda a, b: np.sin(a),
                    lambda a, b: a @ (k + b), lambda a, b: np.sum(a) * b, lambda a, b: a.T - b,
                    lambda a, b: np.where(a > 0, a, b), lambda a, b: np.tanh(a) @ b,
                    lambda a, b: a / (2 + b * b),
                ]  # fmt: skip
                pool.append(makers[kind](a, b))
            p = [pool[i % len(pool)] for i in at]
            first = np.tanh(p[0]) if mode else c[0]
            then = c[1] + p[1] if mode > 1 else np.tanh(p[1])
            return (first, then), (p[2], p[3], p[4], c[0], 1.0)

        return wg.scan(step, (c0, c1), xs, reverse=bool(seed % 2))

    args = [0.5 * rng.normal(size=s) for s in ((3, 3), (3, 3), (6, 3, 3), (6, 3, 3), (3, 3))]
    flat = lambda a, b, x, y, k: fun(a, b, (x, y), k)
    total = lambda *z: sum([np.sum(np.tanh(v)) for v in wg.tree.leaves(flat(*z))])
    for g in (flat, wg.grad(total, argnums=(0, 1, 2, 3, 4)), lambda *z: wg.jvp(flat, z, z)):
        applied(improve, g, *args, same=close)


# Branches that are known.


def known(index: Any) -> Any:
    """A program with a branch whose condition is a literal."""
    fun = lambda i, x: wg.switch(i, [np.sin, lambda x: x * np.arange(3.0), lambda x: x], x)
    program = wg.make_program(fun)(1, special()[:3])
    equations = [
        e.replace(inputs=[Literal(index), *e.inputs[1:]]) if e.primitive.name == "cond" else e
        for e in program.equations
    ]
    return program.replace(equations=equations)


@pytest.mark.parametrize(
    ("index", "found"),
    [(0, ["sin"]), (1, ["mul"]), (2, []), (7, []), (-3, ["sin"]), (np.int64(1), ["mul"])],
)
def test_known_branches(index: Any, found: list[str]) -> None:
    program = applied(take_known_branches, known(index), 1, special()[:3])
    assert "cond" not in names(program)
    assert [n for n in names(program) if n in ("sin", "mul")] == found


def test_unknown_branches_stay() -> None:
    fun = lambda p, x: wg.cond(p > 0, np.sin, np.cos, x)
    program = wg.make_program(fun)(1.0, XS)
    assert take_known_branches(program) is program


def test_a_program_that_is_held_twice_stays_one() -> None:
    def fun(xs: Any) -> Any:
        return wg.scan(lambda c, x: (c * x + np.sin(x) * 1.0, None), 0.5, xs)[0]

    program = wg.make_program(fun)(np.ones(3))
    e = held(program, "scan")
    twice = program.replace(
        equations=[
            *program.equations[:-1],
            e,
            e.replace(outputs=[type(v)(v.aval) for v in e.outputs]),
        ]
    )
    found = [
        v.params["body"] for v in hoist_invariants(twice).equations if v.primitive.name == "scan"
    ]
    assert found[0] is found[1]


def test_numbers_of_the_steps_are_read_in_the_loop() -> None:
    """`0.1 * i` is a Python number, of which there is no array for all steps."""

    def fun(x: Any, y: Any) -> Any:
        for i in range(20):
            move = np.sum(np.tanh((0.1 * i + y) ** 2)) > 1.5
            x = np.where(move, x, 0.5 * x)
        return x

    x, y = np.linspace(-1.0, 1.0, 4), np.array([0.3, -0.2, 0.5])
    program = reroll(wg.make_program(fun)(x, y), 0)
    assert names(program)[0] == "scan"
    applied(split_loops, program, x, y)
    np.testing.assert_array_equal(improve(program)(x, y), fun(x, y))
