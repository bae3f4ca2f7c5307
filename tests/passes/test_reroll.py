"""Loops that tracing has written out become scans: values are the same bit for bit, and the number
of equations does not grow with the number of steps.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

import numpy as np
import pytest
from exactness import names, same_bits

import wengert as wg
from wengert.core import Program, check_program, evaluate
from wengert.core.aval import weak_number
from wengert.core.ir import Atom, Var
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.passes.reroll import SHORTEST, reroll

STEPS = 60
X = np.linspace(0.1, 0.9, STEPS + 2)
M = np.sin(np.arange(3.0 * STEPS + 6.0)).reshape(STEPS + 2, 3)
V = np.array([0.3, -0.2, 0.9])


def plain(program: Program, args: Sequence[Any]) -> list[Any]:
    """The results, with loops as Python's and NumPy's scalars: no evaluator has a part in it."""
    env: dict[Var, Any] = dict(program.constants)
    env.update(zip(program.inputs, args, strict=True))
    read: Callable[[Atom], Any] = lambda a: env[a] if isinstance(a, Var) else a.value
    for e in program.equations:
        values = [read(a) for a in e.inputs]
        if e.primitive.name == "scan":
            env.update(zip(e.outputs, _loop(values, **e.params), strict=True))
            continue
        y = e.primitive.bind(*values, **e.params)
        env.update(zip(e.outputs, y if e.primitive.multiple_results else [y], strict=True))
    return [read(a) for a in program.outputs]


def _loop(
    values: Any, body: Program, n_consts: int, n_carry: int, length: int, reverse: bool
) -> list[Any]:
    k = n_consts + n_carry
    consts, carry, stacks = values[:n_consts], values[n_consts:k], values[k:]
    weak = [v.aval.weak_type for v in body.inputs[k:]]
    rows = []
    for i in range(length)[::-1] if reverse else range(length):
        items = [weak_number(x[i]) if w else x[i] for x, w in zip(stacks, weak, strict=True)]
        out = plain(body, [*consts, *carry, *items])
        carry = out[:n_carry]
        rows.append(out[n_carry:])
    ordered = rows[::-1] if reverse else rows
    return [*carry, *[np.stack(row) for row in zip(*ordered, strict=True)]]


def same(a: Any, b: Any) -> bool:
    """Bit for bit; for sums over arrays that lie otherwise in memory there is `nearly`."""
    return same_bits(a, b)


def nearly(a: Any, b: Any) -> bool:
    """To rounding."""
    return bool(np.allclose(a, b, rtol=1e-11, atol=1e-11, equal_nan=True))


def rolled(fun: Any, *args: Any, like: Any = same) -> Program:
    """The program of a function with loops; values are compared."""
    program = without_dead_code(wg.make_program(fun)(*args))
    new = reroll(program, 100)
    check_program(new)
    leaves = wg.tree.leaves(args)
    with np.errstate(all="ignore"):
        for a, b in zip(plain(program, leaves), plain(new, leaves), strict=True):
            assert like(a, b), f"{a}\n{b}\n{new}"
    return new


def size(program: Program) -> int:
    """The number of equations, those in loops included."""
    return len(names(program))


# Loops as people write them.


def items(x: Any, n: int) -> Any:
    s = 0.0
    for i in range(n):
        s = s + np.sin(x[i]) * x[i]
    return s


def neighbours(x: Any, n: int) -> Any:
    return sum([(x[i + 1] - x[i]) ** 2 for i in range(n)])


def backwards(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n - 1, -1, -1):
        s = np.tanh(s * x[i]) + x[n - i]
    return s


def from_the_end(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n):
        s = np.tanh(s * x[-1 - i])
    return s


def times(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n):
        t = 0.1 * i
        s = s + 0.1 * np.sin(t * s) / (1.0 + i)
    return s


def collected(x: Any, n: int) -> Any:
    out, s = [], x[0]
    for i in range(n):
        s = np.cos(s) * x[i]
        out.append(s)
    return np.stack(out)


def collected_two(x: Any, n: int) -> Any:
    out, s = [], x[0]
    for i in range(n):
        s = np.cos(s) * x[i]
        out += [s, s * s]
    return np.stack(out)


def written(x: Any, n: int) -> Any:
    y = np.zeros(n + 2, like=x)
    for i in range(n):
        y[i + 1] = np.sin(y[i]) + x[i]
    return y


def written_in_place(x: Any, n: int) -> Any:
    u = np.copy(x)
    for _ in range(n):
        u[1:-1] += 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return u


def fibonacci(x: Any, n: int) -> Any:
    a, b = x[0], x[1]
    for _ in range(n):
        a, b = b, a + 0.5 * b
    return b


def three_steps_before(x: Any, n: int) -> Any:
    f = [x[0], x[1], x[2]]
    for i in range(n):
        f.append(0.3 * (23 * f[-1] - 16 * f[-2] + 5 * f[-3]) / 12 + x[i])
    return f[-1]


def odd_and_even(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n):
        s = np.sin(s) + x[i] if i % 2 else np.cos(s) * 0.5
    return s


def in_turns(x: Any, n: int) -> Any:
    weights = [x[0], x[1], 3.0 * x[2]]
    s = x[0]
    for i in range(n):
        s = np.sin(s) * weights[i % 3]
    return s


def first_and_last(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n):
        s = np.sin(s) + x[i]
        if i == 0:
            s = s * 2.0
        if i == n - 1:
            s = np.exp(s)
    return s


def two_loops(x: Any, n: int) -> Any:
    kept, s = [], x[0]
    for i in range(n):
        s = np.tanh(s + x[i])
        kept.append(s)
    for v in kept[::-1]:
        s = np.sin(s) * v
    return s


def in_a_loop(x: Any, n: int) -> Any:
    total = 0.0
    for i in range(n):
        s = x[i]
        for j in range(n):
            s = np.sin(s * x[j]) + 0.1
        total = total + s
    return total


def a_table(x: Any, n: int) -> Any:
    y = np.zeros((n, n), like=x)
    for i in range(n):
        for j in range(n):
            y[i, j] = np.sin(x[i] * x[j]) + (y[i - 1, j] if i else x[0])
    return y


def windows(x: Any, n: int) -> Any:
    s = x[:3]
    for i in range(n - 1):
        s = np.tanh(s * 0.5 + x[i : i + 3])
    return s


def batches(x: Any, n: int) -> Any:
    s = x[0]
    for i in range(n // 2):
        part = x[2 * i : 2 * i + 2]
        s = s - 0.01 * np.sum((part * s - 1.0) * part)
    return s


def two_outputs(x: Any, n: int) -> Any:
    a, b = x[0], x[1]
    for i in range(n):
        a, b = a * np.cos(b) + x[i], b - 0.1 * a
    return a, b, a * b


LOOPS = [
    items, neighbours, backwards, from_the_end, times, collected, collected_two, written,
    written_in_place, fibonacci, three_steps_before, odd_and_even, in_turns, first_and_last,
    two_loops, in_a_loop, a_table, windows, batches, two_outputs,
]  # fmt: skip


def total(fun: Any) -> Any:
    """The sum of all that a function gives."""
    return lambda *args: sum([np.sum(np.sin(y)) for y in wg.tree.leaves(fun(*args))])


@pytest.mark.parametrize("loop", LOOPS)
def test_loops_of_people(loop: Any) -> None:
    sizes = (26, 40) if loop in (in_a_loop, a_table) else (38, 76)
    few, many = [
        size(rolled(lambda x, n=n: loop(x, n), np.linspace(0.1, 0.9, n + 2))) for n in sizes
    ]
    assert many <= few + 2
    assert many < 60


@pytest.mark.parametrize("loop", [f for f in LOOPS if f not in (in_a_loop, a_table)])
def test_their_derivatives(loop: Any) -> None:
    few, many = [
        size(
            rolled(
                wg.value_and_grad(total(lambda x, n=n: loop(x, n))),
                np.linspace(0.1, 0.9, n + 2),
            )
        )
        for n in (38, 76)
    ]
    assert many <= few + 2
    assert many < 330


@pytest.mark.parametrize("loop", [in_a_loop, a_table])
def test_derivatives_of_loops_in_loops(loop: Any) -> None:
    for n in (20, 30):
        x = np.linspace(0.1, 0.9, n + 2)
        program = rolled(wg.grad(total(lambda x, n=n: loop(x, n))), x)
        assert size(program) < 60 * n


@pytest.mark.parametrize("loop", LOOPS)
def test_forward_mode(loop: Any) -> None:
    n = 24 if loop in (in_a_loop, a_table) else 60
    x = np.linspace(0.1, 0.9, n + 2)
    fun = lambda x, t: wg.jvp(lambda x: loop(x, n), (x,), (t,))
    assert "scan" in names(rolled(fun, x, np.cos(x)))


@pytest.mark.parametrize("loop", LOOPS)
def test_lanes(loop: Any) -> None:
    n = 24 if loop in (in_a_loop, a_table) else 60
    x = np.linspace(0.1, 0.9, 3 * (n + 2)).reshape(3, n + 2)
    assert "scan" in names(rolled(wg.vmap(lambda x: loop(x, n)), x))


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.complex64])
@pytest.mark.parametrize("loop", [items, collected, two_loops, fibonacci, times, two_outputs])
def test_dtypes(loop: Any, dtype: Any) -> None:
    x = np.linspace(0.1, 0.9, STEPS + 2).astype(dtype)
    program = rolled(lambda x: loop(x, STEPS), x)
    assert "scan" in names(program)


def test_pythons_numbers() -> None:
    def fun(a: Any, x: Any) -> Any:
        s = a
        for i in range(STEPS):
            s = s * a + i
        return s, s * x

    program = rolled(fun, 0.5, np.ones(3, np.float32))
    assert size(program) < 10 or "scan" not in names(program)


def test_a_value_of_ones_own_type_stays_what_it_decides() -> None:
    def fun(a: Any, x: Any) -> Any:
        s = a
        for _ in range(STEPS):
            s = np.sin(s) * a
        return s * x

    for a in (0.5, np.float64(0.5), np.float32(0.5)):
        program = wg.make_program(fun)(a, np.ones(3, np.float32))
        assert [strong.dtype for strong in reroll(program, 50).out_avals] == [
            aval.dtype for aval in program.out_avals
        ]


def test_what_does_not_change_is_computed_once() -> None:
    def fun(a: Any, x: Any) -> Any:
        s = x[0]
        for i in range(STEPS):
            s = s * np.exp(a) + x[i] / np.sin(a)
        return s

    program = rolled(fun, np.float64(0.3), X)
    assert names(program).count("exp") == 1
    assert "exp" not in [e.primitive.name for e in held(program).equations]


def held(program: Program) -> Program:
    """The body of the one loop."""
    (body,) = [e.params["body"] for e in program.equations if e.primitive.name == "scan"]
    found: Program = body
    return found


def test_weights_of_layers_are_not_copied() -> None:
    weights = [np.full((9, 9), 0.01 * k) for k in range(40)]

    def fun(weights: Any, h: Any) -> Any:
        for w in weights:
            h = np.tanh(np.sin(w) @ h) + h
        return h

    program = without_dead_code(wg.make_program(fun)(weights, np.ones(9)))
    assert reroll(program, 50) is program


def test_items_read_before_the_loop() -> None:
    def fun(x: Any) -> Any:
        xs = [x[i] for i in range(STEPS)]
        s = xs[0]
        for v in xs:
            s = np.sin(s) * v + s
        return s

    assert size(rolled(fun, X)) < 10


def test_a_loop_that_reads_a_loop_backwards_with_a_gap() -> None:
    def fun(x: Any) -> Any:
        kept, s = [], x[0]
        for i in range(STEPS):
            s = np.tanh(s + x[i])
            kept.append(s)
        for i in range(STEPS - 4):
            s = np.sin(s) * kept[STEPS - 1 - i] + kept[i + 3]
        return s

    assert size(rolled(fun, X)) < 20


def test_moves_of_elements_are_done_again() -> None:
    def fun(m: Any) -> Any:
        a, kept = m, []
        for _ in range(STEPS):
            a = np.tanh(a @ m) + np.sin(a)
            kept.append(a)
        for v in kept:
            a = np.tanh(a @ v.T + v.reshape(9)[:3] - np.cos(v))
        return a

    program = rolled(fun, M[:3] * 0.2)
    assert size(program) < 30


def test_short_programs_are_the_same_object() -> None:
    program = wg.make_program(lambda x: items(x, STEPS))(X)
    assert reroll(program) is program
    n = SHORTEST
    long = wg.make_program(lambda x: items(x, n))(np.ones(n))
    assert len(long.equations) > SHORTEST
    assert size(reroll(long)) < 10


def test_long_programs_without_repetition_are_the_same_object() -> None:
    ops = [np.sin, np.cos, np.tanh, np.square, np.negative, np.copy]
    chosen = np.random.default_rng(0).integers(0, len(ops), 2 * SHORTEST)

    def fun(x: Any) -> Any:
        for k in chosen:
            x = ops[k](x)
        return x

    program = wg.make_program(fun)(np.float64(0.5))
    assert reroll(program) is program
    empty = wg.make_program(lambda x: x)(0.5)
    assert reroll(empty, 0) is empty


def test_loops_in_bodies() -> None:
    def fun(x: Any) -> Any:
        def step(c: Any, v: Any) -> Any:
            for i in range(STEPS):
                c = np.sin(c) * x[i] + v
            return c, c

        return wg.scan(step, 0.0, x)

    program = rolled(fun, X)
    assert names(program).count("scan") == 2
    assert size(program) < 12


def test_staged_functions() -> None:
    n = 1_000
    x = np.linspace(0.0, 1.0, n)
    f = wg.staged(wg.value_and_grad(lambda x: items(x, n)))
    value, slope = f(x)
    np.testing.assert_allclose(value, np.sin(x) @ x, rtol=1e-12)
    np.testing.assert_allclose(slope, np.sin(x) + x * np.cos(x), rtol=1e-12)
    assert len(f.source(x).splitlines()) < 30
    np.testing.assert_allclose(wg.grad(wg.staged(lambda x: items(x, n)))(x), slope, rtol=1e-12)


def test_the_sum_over_a_loop_is_one_product() -> None:
    n = SHORTEST
    program = improve(wg.make_program(wg.value_and_grad(lambda x: items(x, n)))(np.ones(n)))
    assert "scan" not in names(program)
    assert len(program.equations) < 12


def test_all_steps_that_use_one_item_add_up_at_once() -> None:
    def fun(p: Any) -> Any:
        s = p[0]
        for _ in range(400):
            s = s + 0.01 * (p[1] - p[2] * s) * s - p[1] * np.sin(s)
        return s

    p = np.array([0.3, 0.8, 0.4])
    program = wg.make_program(wg.grad(fun))(p)
    better = improve(program)
    assert size(better) < 100
    np.testing.assert_allclose(better(p), program(p), rtol=1e-11)


# Random loops.

KINDS = [
    "sin", "mul", "add", "vector", "literal", "item", "next", "row", "lag", "even", "prev", "keep",
    "set", "first", "last", "turn", "write", "at", "end", "window", "inner", "where", "weak",
]  # fmt: skip


def random_loop(seed: int, n: int) -> Any:
    """A function of x (n + 2,), m (n + 2, 3), v (3,) and a number, made of a random loop."""
    r = random.Random(seed)
    down = r.random() < 0.3
    plan = [(r.choice(KINDS), r.randint(0, 5), r.randint(0, 5)) for _ in range(r.randint(3, 9))]
    wanted = r.randint(0, 7)

    def fun(x: Any, m: Any, v: Any, s: Any) -> Any:
        a = s if seed % 3 else 0.0
        old, older, u = s, s * 0.5, v
        kept: list[Any] = []
        vectors: list[Any] = []
        y, g = np.copy(x), np.copy(m)
        turns = [1.0, 0.5, s, a]
        for i in range(n)[::-1] if down else range(n):
            c = [a, old, s, a * s, older, s]
            for kind, p, q in plan:
                b = c[q]
                if kind == "sin":
                    b = np.sin(c[p])
                elif kind == "mul":
                    b = c[p] * c[q] * 0.3
                elif kind == "add":
                    b = c[p] + c[q]
                elif kind == "vector":
                    u = np.tanh(u * c[p] + v)
                elif kind == "literal":
                    b = c[p] * (0.1 * i) + i
                elif kind == "item":
                    b = x[i] * c[p]
                elif kind == "next":
                    b = x[i + 1] - x[i]
                elif kind == "row":
                    u = 0.5 * u + m[i]
                elif kind == "lag":
                    b = older - c[p]
                elif kind == "even":
                    b = c[p] * 2.0 if i % 2 else np.cos(c[p])
                elif kind == "prev":
                    b = y[i - 1] * 0.5
                elif kind == "keep":
                    kept.append(c[p])
                    vectors.append(u)
                elif kind == "set":
                    y[i] = np.sin(c[p]) + y[i]
                elif kind == "first" and i == 0:
                    b = c[p] + 1.5
                elif kind == "last" and i == n - 1:
                    b = c[p] * 1.5
                elif kind == "turn":
                    b = turns[(i + q) % 3] * c[p]
                elif kind == "write":
                    g[i, 1:] = u[1:] * c[p]
                elif kind == "at":
                    b = g[i, 2] + m[n - i, 0]
                elif kind == "end":
                    b = m[-1 - i, q % 3] - c[p]
                elif kind == "window":
                    u = u + x[i : i + 3]
                elif kind == "inner":
                    for j in range(3):
                        u = u * 0.5 + m[i, j] * u[::-1]
                elif kind == "where":
                    b = np.where(c[p] > c[q], c[p], x[i])
                elif kind == "weak":
                    b = 1.0 / (2.0 + i) + c[p]
                c[5 if kind == "item" else p] = b
            older, old, a = old, a, c[3] * 0.25 + c[0] * 0.5
        found = [a, old, older, u]
        if wanted & 1 and kept:
            found += [np.stack(kept), np.stack(vectors), np.concatenate(vectors)]
        if wanted & 2:
            found += [y, g]
        if wanted & 4 and kept:
            found += [sum(kept), np.stack(vectors, axis=1)]
        return found

    return fun


def random_args(seed: int, n: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(seed)
    number = draw.normal()
    return (
        draw.normal(size=n + 2),
        draw.normal(size=(n + 2, 3)),
        draw.normal(size=3),
        np.float64(number) if seed % 2 else float(number),
    )


@pytest.mark.parametrize("seed", range(28))
def test_random_loops(seed: int) -> None:
    n = 14 + seed % 9
    args = random_args(seed, n)
    fun = random_loop(seed, n)
    rolled(fun, *args)
    # np.stack(axis=1) of rows lies otherwise in memory, so sums of it are rounded otherwise.
    rolled(wg.value_and_grad(total(fun), argnums=(0, 1, 2, 3)), *args, like=nearly)
    rolled(lambda *a: wg.jvp(total(fun), a, a), *args, like=nearly)


@pytest.mark.parametrize("seed", range(40, 50))
def test_random_loops_through_all_passes(seed: int) -> None:
    n = 20
    args = random_args(seed, n)
    program = wg.make_program(wg.value_and_grad(total(random_loop(seed, n)), argnums=(0, 1)))(*args)
    better = improve(reroll(program, 100))
    check_program(better)
    leaves = wg.tree.leaves(args)
    with np.errstate(all="ignore"):
        for a, b in zip(plain(program, leaves), plain(better, leaves), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_time() -> None:
    """20,000 equations take well under a second."""
    n = 5_000
    program = wg.make_program(lambda x: items(x, n))(np.ones(n))
    assert len(program.equations) >= 4 * n - 1
    seconds = min([_seconds(program) for _ in range(2)])
    assert seconds < 1.0


def _seconds(program: Program) -> float:
    start = process_time()
    reroll(program)
    return process_time() - start


def test_sums_of_scattered_values_and_whole_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other passes made: values that are added to a whole array, between those of elements."""
    monkeypatch.setattr(sys.modules[reroll.__module__], "SHORTEST", 0)

    def f(x: Any, y: Any, m: Any, w: Any) -> Any:
        p, q = w * 1.0, y * 0.62
        for i in range(40):
            q = np.sin(q) * 0.9 + 0.1 * np.tanh(q @ m + m[i % 6])
            for j in range(3):
                p = p * 0.5 + m[j, i % 6]
            for j in range(2):
                p = np.tanh(p + x[j] * x[i])
            q = np.sin(q) * 0.9 + 0.1 * np.tanh(-0.44 * q)
            p = np.tanh(-0.73 + 0.1 * p)
            q = np.sin(q) * 0.9 + 0.1 * np.tanh(p**2 * 0.5)
        return np.sum(np.tanh(q)) + np.tanh(p)

    rng = np.random.default_rng(0)
    args = [rng.normal(size=(2, *shape)) for shape in ((48,), (6,), (6, 6), ())]
    program = wg.make_program(wg.vmap(wg.value_and_grad(f, (0, 1, 2, 3))))(*args)
    found = improve(program)
    check_program(found)
    assert "scan" in names(found)
    for a, b in zip(evaluate(found, *args), plain(program, args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
