"""Random programs with nested `if`, `while`, `for` and masks: the same as a loop over the members.

A program is a nested list of statements about a number `x` and a vector `v`, which `run` executes
as Python would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

Program = list[tuple[Any, ...]]
KINDS = ("assign", "assign", "if", "while", "for", "mask", "write", "choose", "raise")


def random_program(rng: np.random.Generator, depth: int, length: int) -> Program:
    """Statements; those that hold others are at most `depth` deep."""
    found: Program = []
    for _ in range(length):
        kind = rng.choice(KINDS)
        c, k = rng.normal(scale=0.7), int(rng.integers(3))
        if kind == "if" and depth:
            parts = [random_program(rng, depth - 1, int(rng.integers(1, 3))) for _ in range(2)]
            found.append(("if", c, k, *parts))
        elif kind in ("while", "for") and depth:
            found.append((kind, c, k, random_program(rng, depth - 1, 2)))
        elif kind in ("mask", "write", "choose", "raise"):
            found.append((kind, c, k))
        else:
            found.append(("assign", c, k, int(rng.integers(4))))
    return found


def run(program: Program, x: Any, v: Any) -> tuple[Any, Any]:
    """The state after a program."""
    for kind, c, k, *rest in program:
        if kind == "assign":
            x = (np.sin(x + c), x * v[k] + c, np.tanh(x) - v[k], np.exp(-x * x) + c)[rest[0]]
        elif kind == "if":
            x, v = run(rest[0] if x > c and not v[k] > 1 else rest[1], x, v)
        elif kind == "while":
            rounds = 0
            while (x > c or v[k] < c) and rounds < 3:
                x, v = run(rest[0], 0.7 * x - 0.1, v)
                rounds += 1
        elif kind == "for":
            for i in range(np.sum(v > c)):
                x, v = run(rest[0], x + 0.1 * i, v)
        elif kind == "mask":
            chosen = v[v > c]
            x = x + np.sum(np.cumsum(chosen)) / (1 + len(chosen)) * 0.1
        elif kind == "write":
            v = wnp.array(v)
            v[v > c] = np.sort(v[v > c])[::-1] * 0.5
            v[: np.argmax(v)] += 0.1 * x
        elif kind == "choose":
            x = min(x, [x * x, v[k], c - x][np.argmin(v)])
        elif kind == "raise":
            try:
                if x < c - 1:
                    raise ValueError("too small")
                x = x + np.sqrt(x - c + 1)
            except ValueError:
                x = x + v[k]
    return x, v


@pytest.mark.parametrize("seed", range(40))
def test_a_program_is_the_same_as_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng, depth=2, length=5)
    x, v = rng.normal(size=12), rng.normal(size=(12, 3))
    split = wg.vmap(
        lambda x, v: run(program, x, v), control_flow="split", max_paths=12
    )  # no more paths than members
    due = [run(program, a, b) for a, b in zip(x, v, strict=True)]
    for found, wanted in zip(split(x, v), zip(*due, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack(wanted), rtol=1e-9)

    def value(x: Any, v: Any) -> Any:
        y, w = run(program, x, v)
        return y + np.sum(w * w)

    grads = [wg.grad(value, (0, 1))(a, b) for a, b in zip(x, v, strict=True)]
    wanted = [np.stack(g) for g in zip(*grads, strict=True)]
    batch = wg.vmap(value, control_flow="split")
    inside = wg.vmap(wg.grad(value, (0, 1)), control_flow="split")(x, v)
    outside = wg.grad(lambda x, v: np.sum(batch(x, v)), (0, 1))(x, v)
    dots = wg.jvp(batch, (x, v), (np.ones_like(x), np.ones_like(v)))[1]
    for found in (inside, outside):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(dots, wanted[0] + np.sum(wanted[1], axis=1), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_a_nested_program(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    program = random_program(rng, depth=1, length=4)
    x, v = rng.normal(size=3), rng.normal(size=(4, 3))

    def member(x: Any, v: Any) -> Any:
        y, w = run(program, x, v)
        return y + np.sum(w)

    inner = wg.vmap(member, (None, 0), control_flow="split")
    outer = wg.vmap(inner, (0, None), control_flow="split")
    due = np.array([[member(a, b) for b in v] for a in x])
    np.testing.assert_allclose(outer(x, v), due, rtol=1e-9)
    grads = [sum([wg.grad(member)(a, b) for b in v]) for a in x]
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(outer(x, v)))(x), grads, rtol=1e-8)
    per_member = wg.vmap(wg.grad(lambda x: np.sum(inner(x, v))), control_flow="split")(x)
    np.testing.assert_allclose(per_member, grads, rtol=1e-8)
