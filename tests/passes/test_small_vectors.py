"""Small vectors that are put together from numbers are computed with number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.passes.small_vectors import unpack_small_vectors


def step(y: Any, p: Any) -> Any:
    """One step of Euler's method."""
    dy = np.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])
    return y + 0.01 * dy


def unpacked(fun: Any, *args: Any) -> list[str]:
    """The operations that are left."""
    return names(without_dead_code(applied(unpack_small_vectors, fun, *args)))


def steps(y: Any, p: Any) -> Any:
    """Several steps."""
    for _ in range(4):
        y = step(y, p)
    return y


@pytest.mark.parametrize("seed", range(10))
def test_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.choice(special(), 2), rng.choice(special(), 4)
    found = unpacked(steps, y, p)
    assert found.count("stack") == 1  # the result
    assert found.count("getitem") == 6


@pytest.mark.parametrize("seed", range(10))
def test_gradients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.choice(special(), 2), rng.choice(special(), 4)
    g = wg.grad(lambda y, p: np.sum(steps(y, p)), argnums=(0, 1))
    with np.errstate(all="ignore"):
        found = names(
            without_dead_code(
                applied(unpack_small_vectors, improve(wg.make_program(g)(y, p)), y, p)
            )
        )
    assert "scatter_sum" not in found
    assert found.count("stack") == 2


def test_constants() -> None:
    c = np.array([0.5, -0.0])
    found = unpacked(lambda y: np.stack([y[0] * 2.0, y[1]]) * c + c, special()[:2])
    assert found.count("mul") == 3


@pytest.mark.parametrize("n", [2, 3, 4])
def test_sums_are_added_in_order(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        x = rng.choice([1e16, 1.0, -1e16, 3.0, -0.0, 1e-3], n)
        applied(unpack_small_vectors, lambda x: np.sum(np.stack([v * 1.0 for v in x])), x)


@pytest.mark.parametrize(
    ("fun", "x"),
    [
        (lambda x: x * x + 1.0, np.ones(2)),  # nothing is taken apart
        (lambda x: np.stack([v for v in x]) * 2.0, np.ones(5)),  # too long
        (lambda x: np.stack([x[0], x[1]]) @ np.ones((2, 2)), np.ones(2)),
        (lambda x: np.stack([x[0], x[1]]) * 2.0, np.ones(2, np.float32)),
        (lambda x: np.stack([x[0], x[1]]) * np.ones((3, 2)), np.ones(2)),
    ],
)
def test_what_is_left(fun: Any, x: Any) -> None:
    program = wg.make_program(fun)(x)
    assert unpack_small_vectors(program) is program


def test_inside_of_loops() -> None:
    def fun(y: Any, p: Any) -> Any:
        return wg.scan(lambda c, _: (step(c, p), None), y, length=5)[0]

    program = applied(
        unpack_small_vectors, fun, np.array([1.0, 2.0]), np.array([1.0, 0.5, 0.8, 0.3])
    )
    assert "scan" in names(program)
