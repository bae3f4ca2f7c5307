"""Numbers as Python floats: NumPy's results and warnings, for special values too."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from emission import code_of, emitted, emitted_of, same_bits

import wengert as wg
import wengert.numpy as wnp
from wengert.transforms.staging.emit import emit
from wengert.transforms.staging.scalars import computed_with, scalar_text

VALUES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.7, 1e308, -1e308, 5e-324, np.inf, -np.inf, np.nan, 710.0,
]  # fmt: skip

UNARY = [
    np.negative, np.positive, np.square, np.reciprocal, np.abs, np.fabs, np.sqrt, np.exp, np.expm1,
    np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan,
    np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.divide, np.power, np.arctan2, np.hypot, np.copysign,
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.maximum,
]  # fmt: skip


def near(a: Any, b: Any) -> bool:
    """Equal to some units in the last place; zeros with their signs, infinities and NaN."""
    if same_bits(a, b):
        return True
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.dtype.kind != "f" or not (np.isfinite(a) and np.isfinite(b)):
        return False
    return bool(abs(a - b) <= 4 * np.spacing(max(abs(a), abs(b))))


def recorded(f: Any, *args: Any) -> tuple[Any, set[Any]]:
    """The result, and what kinds of warnings came."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        y = f(*args)
    return y, {(w.category, str(w.message).split(" encountered")[0]) for w in caught}


def _is_silent(due: set[Any]) -> bool:
    """True for warnings of arithmetic that Python does not have: it raises for division by zero."""
    return not any([text.startswith("divide by zero") for _, text in due])


@pytest.mark.parametrize("f", UNARY, ids=lambda f: f.__name__)
def test_functions_of_one_number(f: Any) -> None:
    run = emit(wg.make_program(lambda x: f(x))(np.float64(0.5)))
    assert f.__name__ in ("positive", "conjugate") or run._with_numpy is not None
    for x in map(np.float64, VALUES):
        (got,), caught = recorded(run, x)
        want, due = recorded(f, x)
        assert type(got) is np.float64
        assert near(got, want), (x, got, want)
        assert caught == due or _is_silent(due), x


@pytest.mark.parametrize("f", BINARY, ids=lambda f: f.__name__)
def test_functions_of_two_numbers(f: Any) -> None:
    run = emit(wg.make_program(lambda x, y: f(x, y))(np.float64(0.5), np.float64(0.5)))
    for x in map(np.float64, VALUES):
        for y in map(np.float64, VALUES):
            (got,), caught = recorded(run, x, y)
            want, due = recorded(f, x, y)
            assert type(got) is type(want)
            if f is np.power and np.isneginf(x) and y == 0.5:
                continue  # as x ** 0.5, where NumPy's function of arrays takes the root: NaN
            assert near(got, want), (x, y, got, want)
            assert caught == due or f is np.power or _is_silent(due), (x, y)


@pytest.mark.parametrize("f", BINARY[:8], ids=lambda f: f.__name__)
def test_functions_of_a_number_and_a_literal(f: Any) -> None:
    for literal in (2.0, 0.0, -0.0, np.inf, 3, np.float64(0.5)):
        for fun in (lambda x, c=literal: f(x, c), lambda x, c=literal: f(c, x)):
            run = emit(wg.make_program(fun)(np.float64(0.5)))
            for x in map(np.float64, VALUES):
                (got,), _ = recorded(run, x)
                want, _ = recorded(fun, x)
                if f is np.power and np.isneginf(x) and literal == 0.5:
                    continue
                assert near(got, want), (literal, x, got, want)


def test_python_floats_stay_weak() -> None:
    for fun in (lambda x: x * 2.0, lambda x: x + x, lambda x: -x / 3.0, lambda x: abs(x)):
        emitted_of(fun, 0.5)
    emitted_of(lambda x, y: (x * 2.0) * y, 0.5, np.float32([1, 2]))
    emitted_of(lambda x, y: (x * 2.0) * y, np.float64(0.5), np.float32([1, 2]))


def test_other_numbers_are_left_to_numpy() -> None:
    for x in (np.float32(0.5), np.complex128(0.5 + 1j), np.int64(3), np.bool_(True), 3, 1j):
        program = wg.make_program(lambda x: x * 2 + x)(x)
        assert not computed_with(program)
        emitted(program, x)


def test_numbers_and_arrays_together() -> None:
    def f(a: Any, x: Any) -> Any:
        s = a * 2.0 + 1.0
        y = x * s
        t = np.sum(y) * s - x[0]
        z = np.where(t > s, t, s)
        return y + t, z, t > s, np.stack([s, t, z]), wnp.full(3, s) * x

    for a in (0.5, np.float64(0.5)):
        text = code_of(emitted_of(f, a, np.arange(3.0)).source)
        assert "stack" not in text
    emitted_of(f, np.float32(0.5), np.arange(3, dtype=np.float32))


def test_elements_are_read_from_a_list() -> None:
    f = lambda x: x[0] * x[1] + x[2] * x[-1] - x[3]
    text = code_of(emitted_of(f, np.arange(4.0) + 0.5).source)
    assert text.count("tolist()") == 1
    assert "float(" not in text.replace("float64(", "")
    emitted_of(f, np.arange(4.0, dtype=np.float32))
    emitted_of(lambda x: (f(2.0 * x), x), np.arange(4.0))
    # Two of many are read one by one.
    assert "tolist" not in code_of(emitted_of(lambda x: x[0] * x[1], np.arange(40.0)).source)
    emitted_of(lambda x: [f(y := x * 2.0), np.copy(y)], np.array([np.nan, -0.0, np.inf, 1.0]))


def test_an_overflow_in_the_middle_runs_all_again() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.exp(x) * np.sum(y), np.log(x) + y, 1.0 / (x - 710.0)

    run = emit(wg.make_program(f)(np.float64(1.0), np.ones(3)))
    for x in (710.0, 800.0, -1.0, 0.0):
        got, caught = recorded(run, np.float64(x), np.ones(3))
        want, due = recorded(f, np.float64(x), np.ones(3))
        assert caught == due
        for g, w in zip(got, want, strict=True):
            assert same_bits(g, w) or np.allclose(g, w, rtol=1e-14)


def test_errors_of_the_users_warnings_filter() -> None:
    run = emit(wg.make_program(lambda x: 1.0 / x)(np.float64(1.0)))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
        run(np.float64(0.0))
    with np.errstate(divide="ignore"):
        assert run(np.float64(0.0)) == (np.inf,)


def test_expressions() -> None:
    program = wg.make_program(lambda x, y: np.sin(x) + y * np.float32(2.0))(
        np.float64(0.5), np.float32(1.0)
    )
    texts = [scalar_text(e) for e in program.equations]
    assert texts[0] == ("sin_of({0})", {"sin_of": math.sin})
    assert texts[1] is None
    assert computed_with(program) == {program.inputs[0]}
