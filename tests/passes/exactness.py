"""What the tests of passes share: values that expose inexact rewrites; comparing bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.core import Program, check_program, evaluate
from wengert.core.printing import subprograms

Pass = Callable[[Program], Program]

_NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 2.0, -0.5, 3.7, -1e3, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 3e-320,
    2.3e-308, 1.7e308, -1.7e308, 1e-200, 0.1,
]  # fmt: skip


def special(dtype: Any = np.float64) -> Any:
    """Zeros of both signs, infinities, NaN, subnormal, huge and ordinary numbers of a dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, False])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 7, 100, info.min, info.max], dtype)
    if dtype.kind == "c":
        some = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 5e-324]
        return np.array([complex(a, b) for a in some for b in some], dtype)
    with np.errstate(all="ignore"):
        x = np.array(_NUMBERS, dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    return np.concatenate([x, np.array([tiny, -3 * tiny, np.finfo(dtype).max], dtype)])


def pairs(dtype: Any = np.float64) -> tuple[Any, Any]:
    """All pairs of special values."""
    x = special(dtype)
    a, b = np.meshgrid(x, x)
    return a.ravel(), b.ravel()


def same_bits(a: Any, b: Any) -> bool:
    """Equal dtypes, shapes and elements; NaN equals NaN, and 0.0 differs from -0.0."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return same_bits(a.real, b.real) and same_bits(a.imag, b.imag)
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    real = ~np.isnan(a)
    return bool(
        np.array_equal(a, b, equal_nan=True) and np.all((np.signbit(a) == np.signbit(b)) | ~real)
    )


def results(program: Program, args: Sequence[Any]) -> list[Any]:
    """The flat results, without warnings."""
    with np.errstate(all="ignore"):
        return evaluate(program, *args)


def applied(one: Pass, fun: Any, *args: Any, same: Callable[[Any, Any], bool] = same_bits) -> Any:
    """The program of a function after a pass. Its type and its values are checked."""
    program = fun if isinstance(fun, Program) else wg.make_program(fun)(*args)
    found = one(program)
    check_program(found)
    assert found.in_avals == program.in_avals
    assert found.out_avals == program.out_avals
    for a, b in zip(results(program, args), results(found, args), strict=True):
        assert same(a, b), f"{a!r}\n{b!r}\n{program}\n{found}"
    again = one(found)
    check_program(again)
    return found


def close(a: Any, b: Any) -> bool:
    """Equal to rounding; infinities and NaN where they were."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    scale = np.max(np.abs(a[np.isfinite(a)]), initial=1.0)
    return bool(np.allclose(a, b, rtol=1e-10, atol=1e-11 * scale, equal_nan=True))


def names(program: Program) -> list[str]:
    """The primitives of a program, those in programs inside included."""
    found = []
    for e in program.equations:
        found.append(e.primitive.name)
        for _, inner in subprograms(e.params):
            found += names(inner)
    return found
