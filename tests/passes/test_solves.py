"""Systems with the same matrix: what is joined, and the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names

import wengert as wg
from wengert.core import check_program
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.passes.solves import join_solves

Function = Callable[..., Any]
solve = np.linalg.solve


def operands(n: int = 4) -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(0)
    return draw.normal(size=(n, n)) + 3 * np.eye(n), draw.normal(size=n), draw.normal(size=(n, 3))


def in_turns(a: Any, b: Any, v: Any, m: Any) -> Any:
    return solve(a, v), solve(b, v), solve(a, m), solve(b, m)


JOINED: dict[str, tuple[Function, int]] = {
    "vectors": (lambda a, v, m: (solve(a, v), solve(a, v * 2)), 1),
    "vector and matrix": (lambda a, v, m: (solve(a, v), solve(a, m)), 1),
    "matrix and vector": (lambda a, v, m: (solve(a, m), solve(a, v)), 1),
    "matrices": (lambda a, v, m: solve(a, m) + solve(a, np.sin(m)), 1),
    "three": (lambda a, v, m: (solve(a, m), solve(a, v), solve(a, v - 1)), 1),
    "used between": (lambda a, v, m: np.exp(solve(a, v)) + solve(a, v * np.cos(v)), 1),
    "needed first": (lambda a, v, m: np.sin(solve(a, m)).T @ v + np.exp(v) @ solve(a, m[:, :1]), 1),
    "other matrix": (lambda a, v, m: in_turns(a, a.T, v, m), 2),
    "wide": (lambda a, v, m: (solve(a, m), solve(a, v[:, None] * np.ones(9))), 1),
    "f4": (lambda a, v, m: (lambda a: (solve(a, a[0]), solve(a, a)))(a.astype("f4")), 1),
    "complex": (lambda a, v, m: (lambda a: solve(a, v + 0j) + solve(a, v * 1j))(a + 1j), 1),
    "dependent": (lambda a, v, m: solve(a, solve(a, v)), 2),
    "dependent, third not": (lambda a, v, m: (solve(a, solve(a, v)), solve(a, m)), 2),
    "dtypes": (lambda a, v, m: (solve(a, v), solve(a, m.astype("f4"))), 2),
    "stacks": (lambda a, v, m: (solve(a[None], m[None]), solve(a[None], 2 * m[None])), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINED)
def test_systems_are_joined(name: str) -> None:
    f, n = JOINED[name]
    found = applied(join_solves, f, *operands(), same=close if name != "f4" else near)
    assert names(found).count("solve") == n, found


def near(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=1e-5))


def test_columns_are_solved_for_apart() -> None:
    """What is not finite in one right side stays in its solution."""
    a, v, m = operands()
    m[1, 2] = np.nan
    found = join_solves(wg.make_program(JOINED["vector and matrix"][0])(a, v, m))
    x, y = found(a, v, m)
    assert np.isfinite(x).all()
    assert np.isfinite(y[:, :2]).all()
    assert np.isnan(y[:, 2]).all()


def test_singular_matrices_raise() -> None:
    found = join_solves(wg.make_program(JOINED["vectors"][0])(*operands()))
    with pytest.raises(np.linalg.LinAlgError):
        found(np.zeros((4, 4)), np.ones(4), np.ones((4, 3)))


def test_many_systems() -> None:
    def f(a: Any, v: Any) -> Any:
        for _ in range(300):
            v = np.sin(solve(a, v)) + solve(a, np.cos(v))
        return v

    a, v, _ = operands()
    program = wg.make_program(f)(a, v)
    found = join_solves(program)
    check_program(found)
    assert names(found).count("solve") == 300
    np.testing.assert_allclose(found(a, v), program(a, v), rtol=1e-10)


def test_the_derivative_of_two_systems() -> None:
    f = wg.value_and_grad(lambda a, v, m: np.sum(solve(a, v) @ solve(a, m)), argnums=(0, 1, 2))
    args = operands()
    found = improve(wg.make_program(f)(*args))
    assert names(found).count("solve") == 2
    for x, y in zip(wg.tree.leaves(found(*args)), wg.tree.leaves(f(*args)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)
