"""Mathieu, parabolic cylinder and spheroidal functions, by their argument.

SciPy gives each with its derivative; the second derivative follows from the differential equation.
The parameters have no derivative. Nor have the spheroidal functions of the second kind, whose
values in SciPy do not solve their equation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..aval import Array
from ..primitives.elementwise import astype
from ..tracing import Primitive
from .special_base import several, special, unknown

_DEGREE = math.pi / 180


def _solution(
    name: str, parameters: str, second: Callable[..., Array] | None, scale: float = 1.0
) -> None:
    """(f, f') as a function of parameters and x; `second(f, f', *parameters, x)` is f''.

    `scale` is how f' is to be multiplied to be the derivative by x.
    """

    def slopes(y: tuple[Array, Array], *args: Array) -> tuple[Array, Array]:
        assert second is not None
        return y[1] * scale, second(*y, *args) * scale

    by_x = unknown(name, "x") if second is None else slopes
    several(name, *[unknown(name, p) for p in parameters.split()], by_x)


# Mathieu functions: y'' = -(a - 2 q cos 2x) y with x in degrees; modified ones with cosh.

mathieu_a_p: Primitive = special("mathieu_a", unknown("mathieu_a", "m"), unknown("mathieu_a", "q"))
mathieu_b_p: Primitive = special("mathieu_b", unknown("mathieu_b", "m"), unknown("mathieu_b", "q"))


def _characteristic(primitive: Primitive, m: Array, q: Array) -> Array:
    # In single precision SciPy finds NaN.
    return primitive.bind(astype(m, np.float64), astype(q, np.float64))


def _mathieu(characteristic: Primitive) -> Callable[..., Array]:
    def second(y: Array, dy: Array, m: Array, q: Array, x: Array) -> Array:
        return -(_characteristic(characteristic, m, q) - 2 * q * np.cos(2 * _DEGREE * x)) * y

    return second


def _modified_mathieu(characteristic: Primitive) -> Callable[..., Array]:
    def second(y: Array, dy: Array, m: Array, q: Array, x: Array) -> Array:
        return (_characteristic(characteristic, m, q) - 2 * q * np.cosh(2 * x)) * y

    return second


_solution("mathieu_cem", "m q", _mathieu(mathieu_a_p), _DEGREE)
_solution("mathieu_sem", "m q", _mathieu(mathieu_b_p), _DEGREE)
_solution("mathieu_modcem1", "m q", _modified_mathieu(mathieu_a_p))
_solution("mathieu_modcem2", "m q", _modified_mathieu(mathieu_a_p))
_solution("mathieu_modsem1", "m q", _modified_mathieu(mathieu_b_p))
_solution("mathieu_modsem2", "m q", _modified_mathieu(mathieu_b_p))

# Parabolic cylinder functions.


def _weber(y: Array, dy: Array, v: Array, x: Array) -> Array:
    return (x * x / 4 - v - 0.5) * y


_solution("pbdv", "v", _weber)
_solution("pbvv", "v", _weber)
_solution("pbwa", "a", lambda y, dy, a, x: (a - x * x / 4) * y)

# Spheroidal functions: prolate ones, and oblate ones, in which c and x of the radial function turn
# imaginary.

for _name in ("pro_cv", "obl_cv"):
    special(_name, *[unknown(_name, p) for p in "mnc"])
_cv: Any = Primitive.registry


def _spheroidal(kind: str, radial: bool) -> Callable[..., Array]:
    squared = 1.0 if kind == "pro" else -1.0

    def second(y: Array, dy: Array, m: Array, n: Array, c: Array, cv: Array, x: Array) -> Array:
        if radial and kind == "obl":
            width = 1 + x * x
            return (-2 * x * dy + (cv - c * c * (x * x) - m * m / width) * y) / width
        width = 1 - x * x
        return (2 * x * dy - (cv - squared * c * c * (x * x) - m * m / width) * y) / width

    return second


def _with_value(kind: str, second: Callable[..., Array]) -> Callable[..., Array]:
    def found(y: Array, dy: Array, m: Array, n: Array, c: Array, x: Array) -> Array:
        return second(y, dy, m, n, c, _cv[f"{kind}_cv"].bind(m, n, c), x)

    return found


for _kind in ("pro", "obl"):
    for _part in ("ang1", "rad1", "rad2"):
        _rule = None if _part == "rad2" else _spheroidal(_kind, _part == "rad1")
        _plain = None if _rule is None else _with_value(_kind, _rule)
        _solution(f"{_kind}_{_part}", "m n c", _plain)
        _solution(f"{_kind}_{_part}_cv", "m n c cv", _rule)
