"""Algebraic identities: each keeps every bit for all special values, and those that do not hold are
left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, pairs, special

from wengert.core import Program, check_program
from wengert.core.ir import Equation, Literal, Var
from wengert.core.primitives.elementwise import multiply_p
from wengert.transforms.passes.common_subexpressions import share_common_subexpressions
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.identities import exact_in, scaled, simplify

TRUE = np.ones(3, bool)
FALSE = np.zeros(3, bool)


def simplified(fun: Any, *args: Any) -> list[str]:
    """The operations that are left."""
    return names(without_dead_code(applied(simplify, fun, *args)))


HELD: list[tuple[Any, list[str]]] = [
    (lambda x: x * 1.0, []),
    (lambda x: 1.0 * x, []),
    (lambda x: x * 1, []),
    (lambda x: x / 1.0, []),
    (lambda x: x - 0.0, []),
    (lambda x: x - 0, []),
    (lambda x: x + -0.0, []),
    (lambda x: -0.0 + x, []),
    (lambda x: +x, []),
    (lambda x: np.negative(-x), []),
    (lambda x: x**1, []),
    (lambda x: x**1.0, []),
    (lambda x: np.where(x > 0, x, x), []),
    (lambda x: np.maximum(x, x), []),
    (lambda x: x * -1.0, ["neg"]),
    (lambda x: -0.0 - x, ["neg"]),
    (lambda x: x + x, ["mul"]),
    (lambda x: x**2, ["mul"]),
    (lambda x: np.square(x), ["mul"]),
    (lambda x: x**0.5, ["sqrt"]),
    (lambda x: x**-1, ["reciprocal"]),
    (lambda x: np.abs(-x), ["abs"]),
    (lambda x: np.abs(np.abs(x)), ["abs"]),
    (lambda x: np.abs(x) * np.abs(x), ["abs", "mul"]),
    (lambda x: -(2.5 * x), ["mul"]),
    (lambda x: -x * 2.5, ["mul"]),
    (lambda x: -x / 3.0, ["div"]),
    (lambda x: 3.0 / -x, ["div"]),
    (lambda x: -(x / 3.0), ["div"]),
    (lambda x: -(3.0 / x), ["div"]),
    (lambda x: x / 8.0, ["mul"]),
    (lambda x: x / 2, ["mul"]),
    (lambda x: 2.0 * x * 100.0, ["mul"]),
    (lambda x: 4.0 * (x * 3.0), ["mul"]),
    (lambda x: x * np.ones(x.shape), []),
    (lambda x: x * np.full(x.shape, -1.0), ["neg"]),
    (lambda x: x + np.full(x.shape, -0.0), []),
    (lambda x: np.where(np.zeros(x.shape, bool), 0.0, x), []),
    (lambda x: np.where((x > 0) & False, 0.0, x), []),
    (lambda x: np.where((x > 0) | True, x, 0.0), []),
]


@pytest.mark.parametrize(("fun", "left"), HELD)
def test_what_holds(fun: Any, left: list[str]) -> None:
    found = simplified(fun, special())
    if fun(np.ones(1)).dtype == np.float64 and "abs" in left and len(left) == 2:
        found = names(
            without_dead_code(
                simplify(share_common_subexpressions(applied(simplify, fun, special())))
            )
        )
        assert found == ["mul"]
    else:
        assert found == left


@pytest.mark.parametrize("fun", [f for f, _ in HELD])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.complex128, np.int64, np.int8])
def test_values_of_other_dtypes(fun: Any, dtype: Any) -> None:
    x = special(dtype)
    try:
        with np.errstate(all="ignore"):
            fun(x)
    except (TypeError, ValueError):
        pytest.skip("NumPy refuses it")
    applied(simplify, fun, x)


OF_TWO: list[tuple[Any, list[str]]] = [
    (lambda a, b: a + -b, ["sub"]),
    (lambda a, b: -a + b, ["sub"]),
    (lambda a, b: a - -b, ["add"]),
    (lambda a, b: -a * -b, ["mul"]),
    (lambda a, b: -a / -b, ["div"]),
    (lambda a, b: -a * b, ["mul", "neg"]),
    (lambda a, b: a * -b + 1.0, ["mul", "sub"]),
    (lambda a, b: -a / b, ["div", "neg"]),
    (lambda a, b: b - (-a) * b, ["mul", "add"]),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("fun", "left"), OF_TWO)
def test_signs_are_moved_together(fun: Any, left: list[str], dtype: Any) -> None:
    assert simplified(fun, *pairs(dtype)) == left


@pytest.mark.parametrize(("fun", "left"), OF_TWO)
@pytest.mark.parametrize("dtype", [np.complex128, np.int8, np.uint8])
def test_signs_in_other_dtypes(fun: Any, left: list[str], dtype: Any) -> None:
    with np.errstate(all="ignore"):
        applied(simplify, fun, *pairs(dtype))


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: x + 0.0,  # -0.0 + 0.0 is 0.0
        lambda x: 0.0 - x,
        lambda x: x * 0.0,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: x * 0.5 * 4.0,  # 0.5 * 5e-324 is 0.0
        lambda x: x * 2.0 * 0.25,  # 2.0 * 1e308 is infinite
        lambda x: x * 1.1 * 2.0,  # 1.1 * 5e-324 is rounded
        lambda x: x * 100.0 * 3.0,
        lambda x: x / 3.0,
        lambda x: x**3,
        lambda x: -(x - 1.0),
        lambda x: x + 1.0 - 1.0,
        lambda x: np.maximum(x, 0.0),
        lambda x: np.sqrt(x * x),
    ],
)
def test_what_does_not_hold_is_left(fun: Any) -> None:
    program = applied(simplify, fun, special())
    assert simplify(program) is program
    again = [e.primitive for e in program.equations]
    assert len(again) >= 1
    assert len(names(program)) == len(names(applied(lambda p: p, fun, special())))


@pytest.mark.parametrize("fun", [lambda x: x * 1.0, lambda x: x / 1.0, lambda x: x * -1.0])
def test_complex_products_are_left(fun: Any) -> None:
    """(inf + 0j) * 1.0 has a NaN in it."""
    assert len(simplified(fun, special(complex))) == 1


def test_numbers_are_not_squared_by_products() -> None:
    """The C library's pow, which computes powers of numbers, may round otherwise."""
    assert simplified(lambda x: x**2, np.float64(1.1)) == ["pow"]
    assert simplified(lambda x: x**2, np.array(1.1)) == ["pow"]


def test_types_are_kept() -> None:
    assert simplified(lambda x: x * np.float64(1.0), np.ones(3, np.float32)) == ["mul"]
    assert simplified(lambda x: x * np.ones((2, 3)), np.ones(3)) == ["mul"]
    assert simplified(lambda x: x * 1.0, 2.0) == []
    assert simplified(lambda x: x * 1.0, np.ones(3, int)) == ["mul"]
    assert simplified(lambda x: x / 1, np.ones(3, int)) == ["div"]
    assert simplified(lambda x: x * np.ones((0, 3)), np.ones((0, 3))) == ["mul"]


def test_a_shared_product_is_not_computed_twice() -> None:
    def fun(x: Any) -> Any:
        y = 2.5 * x
        return y, -y

    assert simplified(fun, special()) == ["mul", "neg"]


def test_a_smaller_operand_is_negated() -> None:
    x, b = np.ones((50, 3)), np.array([1.0, -0.0, np.nan])
    program = without_dead_code(applied(simplify, lambda x, b: np.sum(-(x * b), axis=0), x, b))
    assert names(program) == ["neg", "mul", "reduce_sum"]
    assert program.equations[0].outputs[0].aval.shape == (3,)


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        (2.0, 3.0, 6.0), (-4.0, 1.5, -6.0), (3.0, 2.0, 6.0), (2.0, 0.5, None), (0.5, 2.0, None),
        (1.1, 2.0, None), (3.0, 3.0, None), (2.0, 2.0**1023, None), (np.inf, 2.0, None),
        (0.0, 2.0, None),
    ],
)  # fmt: skip
def test_scaled(a: float, b: float, both: float | None) -> None:
    assert scaled(a, b, np.dtype(float)) == both


def test_numbers_that_float32_cannot_hold_are_left() -> None:
    assert not exact_in(0.1, np.dtype(np.float32))
    assert not exact_in(1e300, np.dtype(np.float32))
    assert exact_in(0.5, np.dtype(np.float32))
    assert scaled(2.0, 1e5 + 0.1, np.dtype(np.float32)) is None


def test_long_chains() -> None:
    """Linear in time and without recursion."""
    x = Var(Literal(np.float64(0)).aval)
    equations, last = [], x
    for _ in range(20_000):
        y = Var(x.aval)
        equations.append(Equation(multiply_p, [last, Literal(-1.0)], [y], {}))
        last = y
    program = without_dead_code(simplify(Program([x], equations, [last])))
    check_program(program)
    assert program.equations == ()
