"""Common subexpressions are computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, pairs, special

import wengert as wg
from wengert.transforms.passes.common_subexpressions import share_common_subexpressions
from wengert.transforms.passes.rewriting import frozen


def shared(fun: Any, *args: Any) -> list[str]:
    """The operations that are left."""
    return names(applied(share_common_subexpressions, fun, *args))


def test_equal_operations() -> None:
    assert shared(lambda x: np.sin(x) + np.sin(x), special()) == ["sin", "add"]
    assert shared(lambda x: np.sum(x, axis=0) * np.sum(x, axis=(0,)), special()) == [
        "reduce_sum",
        "mul",
    ]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, bool])
def test_commutative_operations(dtype: Any) -> None:
    a, b = pairs(dtype)
    assert shared(lambda a, b: (a * b, b * a), a, b) == ["mul"]
    assert shared(lambda a, b: (a + b, b + a), a, b) == ["add"]
    assert shared(lambda a, b: (a == b, b == a), a, b) == ["equal"]


def test_what_does_not_commute() -> None:
    a, b = pairs()
    assert shared(lambda a, b: (a - b, b - a), a, b) == ["sub", "sub"]
    assert shared(lambda a, b: (np.maximum(a, b), np.maximum(b, a)), a, b) == ["maximum"] * 2
    a, b = pairs(complex)
    assert shared(lambda a, b: (a * b, b * a), a, b) == ["mul", "mul"]
    assert shared(lambda a, b: (a + b, b + a), a, b) == ["add"]


def test_constants_of_equal_values_are_one() -> None:
    def fun(x: Any) -> Any:
        return x * np.arange(3.0) + x * np.arange(3.0)

    program = applied(share_common_subexpressions, fun, np.ones(3))
    assert names(program) == ["mul", "add"]
    assert shared(lambda x: x * np.array([0.0, 1.0]) + x * np.array([-0.0, 1.0]), np.ones(2)) == [
        "mul",
        "mul",
        "add",
    ]


def test_parameters_and_types_count() -> None:
    assert shared(lambda x: (np.sum(x, 0), np.sum(x, 1)), np.ones((2, 2))) == ["reduce_sum"] * 2
    assert shared(lambda x: (x * 2, x * 2.0), np.ones(2)) == ["mul", "mul"]
    assert shared(lambda x: (x * 0.0, x * -0.0), special()) == ["mul", "mul"]
    assert shared(lambda x: (x[1:], x[:-1], x[1:]), special()) == ["getitem", "getitem"]


def test_inside_of_loops() -> None:
    def step(c: Any, x: Any) -> Any:
        return c * np.sin(x) + np.sin(x), np.cos(c) * np.cos(c)

    found = shared(lambda c, xs: wg.scan(step, c, xs), np.float64(1.0), np.ones(3))
    assert sorted(found) == ["add", "cos", "mul", "mul", "scan", "sin"]


def test_two_loops_with_the_same_body_are_one() -> None:
    body = wg.make_program(lambda c, x: (np.sin(c) + np.sin(c) + x, c))(1.0, 1.0)
    program = wg.make_program(lambda c, xs: (wg.scan(body, c, xs), wg.scan(body, c, xs)))(
        1.0, np.ones(3)
    )
    assert names(applied(share_common_subexpressions, program, 1.0, np.ones(3))).count("sin") <= 2


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1, True), (1, 1.0, False), (1, True, False), (0.0, -0.0, False),
        (np.nan, np.nan, True), (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(3.0), False), (np.zeros(100), np.zeros(100), True),
        (np.zeros(100), -np.zeros(100), False), (slice(1, 2), slice(1, 2), True),
        ((1, [2, slice(None)]), (1, [2, slice(None)]), True), ({"a": 1}, {"a": 2}, False),
        ({"a": 1.5, "b": 2}, {"b": 2, "a": 1.5}, True), (np.dtype("f8"), np.dtype("f4"), False),
        (1j, 1j, True), ([1], (1,), False),
    ],
)  # fmt: skip
def test_frozen(a: Any, b: Any, equal: bool) -> None:
    assert (frozen(a) == frozen(b)) is equal
    assert hash(frozen(a)) == hash(frozen(a))


def test_unhashable_parameters_are_told_apart() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    a, b = Odd(), Odd()
    assert frozen(a) == frozen(a) != frozen(b)
