"""Numbers of programs as exact ones of sympy: 0.5 is 1/2, and 3.141592653589793 is pi.

A float becomes a fraction only where that has the very same float as its value; and a multiple of
pi, or of another constant, where that is next to it, as NumPy's own rounding may be between.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any, Final

import numpy as np

from .extra import sympy

__all__ = ["exact", "objects"]

_DENOMINATOR: Final = 1000
_OF_CONSTANTS: Final = 12
"""The largest denominator of a multiple of pi, log 2 and such."""


@cache
def _constants() -> tuple[tuple[Any, float], ...]:
    s = sympy()
    known = (
        s.pi, s.log(2), s.log(10), s.sqrt(2), s.sqrt(3), s.sqrt(s.pi), s.sqrt(2 * s.pi), s.E,
        1 / s.pi, 1 / s.log(2), 1 / s.log(10), 1 / s.sqrt(s.pi), 1 / s.sqrt(2 * s.pi),
        s.log(2 * s.pi), s.pi**2, s.EulerGamma,
    )  # fmt: skip
    return tuple([(c, float(c)) for c in known])


def exact(value: Any) -> Any:
    """A number of sympy for a plain one."""
    s = sympy()
    if isinstance(value, s.Basic):
        return value
    if isinstance(value, bool | np.bool_):
        return s.true if value else s.false
    if isinstance(value, int | np.integer):
        return s.Integer(int(value))
    if isinstance(value, complex | np.complexfloating):
        return exact(value.real) + s.I * exact(value.imag)
    if isinstance(value, np.float32 | np.float16):
        return exact(float(str(value)))  # the shortest number that rounds to it
    return _of_float(float(value))


def _of_float(value: float) -> Any:
    s = sympy()
    if math.isnan(value):
        return s.nan
    if math.isinf(value):
        return s.oo if value > 0 else -s.oo
    found = Fraction(value).limit_denominator(_DENOMINATOR)
    if float(found) == value and abs(value) < 1e15:
        return s.Rational(found.numerator, found.denominator)
    for constant, size in _constants() if 1e-6 < abs(value) < 1e6 else ():
        part = Fraction(value / size).limit_denominator(_OF_CONSTANTS)
        if part.numerator and abs(part.numerator) <= 1000 and _is_next(float(part) * size, value):
            return s.Rational(part.numerator, part.denominator) * constant
    return s.Float(value)


def _is_next(a: float, b: float) -> bool:
    return abs(a - b) <= 2 * math.ulp(b)


def objects(x: Any) -> np.ndarray[Any, Any]:
    """An array of sympy's numbers for a plain array."""
    x = np.asarray(x)
    found = np.empty(x.shape, object)
    for i in np.ndindex(x.shape):
        found[i] = exact(x[i])
    return found
