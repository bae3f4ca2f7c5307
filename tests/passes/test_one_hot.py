"""One-hot rows: what is found, every bit kept, and what is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.core import Program, check_program
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.one_hot import compress_one_hot
from wengert.transforms.passes.pipeline import improve

N = 64
EYE = np.eye(N)
Function = Callable[..., Any]


def one(program: Program) -> Program:
    return without_dead_code(compress_one_hot(program))


def chain(m: Any, x: Any) -> Any:
    """Some work, so that writing out pays."""
    for _ in range(8):
        m = np.sin(m * x) - x
    return m


def values() -> Any:
    """A vector with every special value."""
    return np.resize(special(), N)


TAKEN: dict[str, Function] = {
    "product": lambda x: chain(EYE, x),
    "negative": lambda x: -chain(EYE, x),
    "two constants": lambda x: chain(EYE * x + np.eye(N, k=1), x),
    "corner": lambda x: chain(np.eye(N, k=N - 2), x),
    "zeros": lambda x: chain(np.zeros((N, N)), x),
    "several": lambda x: chain(np.tri(N, k=-(N - 4)), x),
    "transposed": lambda x: chain(EYE, x).T,
    "shifted": lambda x: np.pad(chain(EYE, x)[:, 3:], ((0, 0), (1, 2)))[:, ::-1],
    "new axis": lambda x: chain(EYE[:, None, :], x)[:, 0],
    "reshaped": lambda x: chain(EYE, x).reshape(N, 4, N // 4) + x[:16],
    "column": lambda x: chain(EYE, x)[:, 5] + chain(EYE, x)[:, -1],
    "literal": lambda x: chain(EYE, x) ** 2 / 3.0,
    "where": lambda x: np.where(EYE > 0, chain(EYE, x), x),
    "broadcast": lambda x: chain(EYE[:, None, :], np.stack([x, -x])),
    "used twice": lambda x: (chain(EYE, x), chain(EYE, x) @ x),
    "wide": lambda x: chain(np.eye(N, 7), x[:7]),
    "other axis": lambda x: chain(EYE, x).T * EYE,
    "f4": lambda x: chain(EYE.astype("f4"), x.astype("f4")),
}


@pytest.mark.parametrize("name", TAKEN)
def test_every_bit_is_kept(name: str) -> None:
    found = applied(one, TAKEN[name], values())
    whole = [
        e for e in found.equations if e.primitive.name == "sin" and e.outputs[0].aval.size > 500
    ]
    assert not whole, found


LEFT: dict[str, Function] = {
    "dense": lambda x: chain(np.arange(1.0, 1 + N * N).reshape(N, N), x),
    "rows differ": lambda x: chain(EYE, x[:, None]),
    "few rows": lambda x: chain(np.eye(4, 200), x[0]),
    "short": lambda x: EYE * x,
    "along rows": lambda x: chain(EYE[::-1] * x[:, None], x),
}


@pytest.mark.parametrize("name", LEFT)
def test_the_rest_is_left(name: str) -> None:
    found = applied(one, LEFT[name], values())
    assert "setitem" not in names(found)


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize("at", [0.3, np.inf, np.nan, -0.0])
def test_hessians(at: float) -> None:
    x = np.linspace(-1.0, 1.0, 100)
    x[40] = at
    f = wg.hessian(rosenbrock)
    program = wg.make_program(f)(x)
    found = improve(program)
    check_program(found)
    assert max([e.outputs[0].aval.size for e in found.equations if e.primitive.elementwise]) < 500
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found(x), f(x))


def test_a_loop_of_many_steps() -> None:
    def f(x: Any) -> Any:
        for _ in range(2_000):
            x = np.sin(x) * 0.9 + 0.1
        return np.sum(x)

    x = np.linspace(0.0, 1.0, 20)
    program = wg.make_program(wg.hessian(f))(x)
    found = one(program)
    check_program(found)
    np.testing.assert_array_equal(found(x), program(x))


def test_hessian_of_a_stencil() -> None:
    """What spreads over the rows is written out where it has spread too far."""

    def f(x: Any) -> Any:
        for _ in range(12):
            x = np.concatenate([x[:1], x[1:-1] + 0.1 * np.sin(x[2:] * x[:-2]), x[-1:]])
        return np.sum(x)

    x = np.linspace(0.0, 1.0, 40)
    g = wg.hessian(f)
    found = improve(wg.make_program(g)(x))
    check_program(found)
    np.testing.assert_allclose(found(x), g(x), rtol=1e-12, atol=1e-14)
