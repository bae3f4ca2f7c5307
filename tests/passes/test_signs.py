"""Negations: where they go, and that values stay, but for the sign of a sum of exactly zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import applied, names, same_bits, special

import wengert as wg
from wengert.core import Program
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.identities import simplify
from wengert.transforms.passes.rewriting import everywhere
from wengert.transforms.passes.signs import move_negations

Function = Callable[..., Any]


def one(program: Program) -> Program:
    for _ in range(3):
        program = everywhere(without_dead_code)(simplify(move_negations(program)))
    return program


def same_but_zeros(a: Any, b: Any) -> bool:
    """Every bit; 0.0 counts as -0.0."""
    return same_bits(np.asarray(a) + 0.0, np.asarray(b) + 0.0)


def matrices() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(4, 4))
    y = x.T @ x + 2 * np.eye(4)
    return x, y


GONE: dict[str, Function] = {
    "left": lambda x, y: y + (-x) @ y,
    "right": lambda x, y: y - x @ (-y),
    "both": lambda x, y: (-x) @ (-y),
    "chain": lambda x, y: y + x @ ((-x) @ y),
    "solve": lambda x, y: x + np.linalg.solve(y, -x),
    "solve a vector": lambda x, y: x[0] - np.linalg.solve(y, -x[0]),
    "solve, then multiply": lambda x, y: y + np.linalg.solve(y, -x) @ x,
    "sum": lambda x, y: y + np.sum(-x, axis=0),
    "part": lambda x, y: y[0] + (-x)[1],
    "twice": lambda x, y: (y + (-x) @ y, x - y @ (-x)),
    "complex": lambda x, y: (x + 1j * y) + (-(x + 2j)) @ (y + 1j),
    "f4": lambda x, y: y.astype("f4") + (-x.astype("f4")) @ y.astype("f4"),
}


@pytest.mark.parametrize("name", GONE)
def test_negations_vanish(name: str) -> None:
    found = applied(one, GONE[name], *matrices(), same=same_but_zeros)
    assert "neg" not in names(found), found


SMALLER: dict[str, Function] = {
    "sum": lambda x, y: np.sum(-x, axis=1) * 2.5,
    "product": lambda x, y: np.exp((-x) @ y[0]),
    "part": lambda x, y: np.exp((-x)[:1]),
}


@pytest.mark.parametrize("name", SMALLER)
def test_smaller_arrays_are_negated(name: str) -> None:
    found = applied(one, SMALLER[name], *matrices(), same=same_but_zeros)
    assert all([e.outputs[0].aval.size <= 4 for e in found.equations if e.primitive.name == "neg"])


LEFT: dict[str, Function] = {
    "large product": lambda x, y: np.exp((-x[:, :1]) @ y[:1]),
    "used elsewhere": lambda x, y: (lambda n: (np.exp(n), np.exp(n @ y)))(-x),
    "int": lambda x, y: (-(x > 0).astype(np.int8)) @ (y > 0).astype(np.int8),
}


@pytest.mark.parametrize("name", LEFT)
def test_the_rest_is_left(name: str) -> None:
    x, y = matrices()
    program = wg.make_program(LEFT[name])(x, y)
    assert move_negations(program) is program


def test_special_values() -> None:
    x = np.resize(special(), (6, 6))
    for f in (GONE["left"], GONE["both"], GONE["chain"], GONE["sum"], SMALLER["product"]):
        applied(one, f, x, x[::-1] / 3, same=same_but_zeros)


def test_in_a_loop() -> None:
    x, y = matrices()

    def f(x: Any, y: Any) -> Any:
        return wg.scan(lambda c, _: (c + (-x) @ c, None), y, None, 3)[0]

    assert "neg" not in names(applied(one, f, x, y, same=same_but_zeros))
