"""Scattered values that make up an array are joined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.scatters import join_scatters


def left(fun: Any, *args: Any) -> list[str]:
    """The operations of the gradient that are left."""
    with np.errstate(all="ignore"):
        return names(without_dead_code(applied(join_scatters, wg.grad(fun), *args)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers(dtype: Any) -> None:
    x = special(dtype)[:5]

    def fun(x: Any) -> Any:
        return x[0] * x[1] + x[2] * x[4] + x[1] * -x[3] - 0.0 * x[4]

    found = left(fun, x)
    assert "stack" in found
    assert "scatter_sum" not in found


def test_complex_numbers() -> None:
    def fun(x: Any) -> Any:
        return np.real(x[0] * x[1]) - 0.0 * np.imag(x[1])

    assert "scatter_sum" not in left(fun, special(complex)[3:5])


def test_rows_and_columns() -> None:
    x = special()[:12].reshape(4, 3)
    assert "scatter_sum" not in left(lambda x: np.sum(x[0] * x[1] + x[2] * -x[3]), x)
    assert "scatter_sum" not in left(lambda x: np.sum(x[:, 0] * x[:, 1] - x[:, 2] ** 2), x)


def test_slices() -> None:
    x = special()[:12]

    def fun(x: Any) -> Any:
        return np.sum(x[:3] * x[3:6]) - np.sum(x[6:8] ** 2 * 0.0) + np.sum(x[8:12] ** 2)

    assert left(fun, x)[-1] == "concatenate"


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x[0] * x[1],  # a part has no values
        lambda x: np.sum(x[1:] * x[:-1]),  # they overlap
        lambda x: np.sum(x[::2]) + np.sum(x[1::2] ** 2),
        lambda x: np.sum(x[np.array([0, 1, 1, 2])] ** 2),
        lambda x: np.sum(x[:2] ** 2) + np.sum(x[2:]),  # two are added as fast
    ],
)
def test_others_are_left(fun: Any) -> None:
    assert "scatter_sum" in left(fun, special()[:6])


def test_the_whole() -> None:
    fun = lambda x: wg.linear_transpose(lambda v: v[:], x)(x)[0]
    program = wg.make_program(fun)(np.ones(3))
    assert "scatter_sum" not in names(applied(join_scatters, program, np.ones(3)))


def test_a_loop_over_elements() -> None:
    def fun(x: Any) -> Any:
        total = 0.0
        for i in range(len(x)):
            total = total + np.sin(x[i]) * x[i]
        return total

    found = left(fun, special())
    assert "scatter_sum" not in found
    assert found.count("stack") == 1


def test_one_number() -> None:
    assert "scatter_sum" not in left(lambda x: x[0] * 2.0, np.array([-0.0]))


def test_empty_places() -> None:
    applied(join_scatters, wg.grad(lambda x: np.sum(x[:0]) + np.sum(x[0:] ** 2)), np.ones(3))
