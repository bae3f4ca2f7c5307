"""Hypergeometric functions and their kind, differentiated by the argument.

Their derivatives by the parameters are not in SciPy: asking for one raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array
from ..tracing import Primitive
from .special_base import special, unknown


def _unknowns(function: str, *arguments: str) -> list[Any]:
    return [unknown(function, a) for a in arguments]


hyp0f1_p: Primitive = special(
    "hyp0f1",
    *_unknowns("hyp0f1", "v"),
    lambda y, v, z: hyp0f1_p.bind(v + 1, z) / v,
)
hyp1f1_p: Primitive = special(
    "hyp1f1",
    *_unknowns("hyp1f1", "a", "b"),
    lambda y, a, b, x: a / b * hyp1f1_p.bind(a + 1, b + 1, x),
)
hyp2f1_p: Primitive = special(
    "hyp2f1",
    *_unknowns("hyp2f1", "a", "b", "c"),
    lambda y, a, b, c, z: a * b / c * hyp2f1_p.bind(a + 1, b + 1, c + 1, z),
)
hyperu_p: Primitive = special(
    "hyperu",
    *_unknowns("hyperu", "a", "b"),
    lambda y, a, b, x: -a * hyperu_p.bind(a + 1, b + 1, x),
)
wright_bessel_p: Primitive = special(
    "wright_bessel",
    *_unknowns("wright_bessel", "a", "b"),
    lambda y, a, b, x: wright_bessel_p.bind(a, a + b, x),
)


def _log_wright_bessel_slope(y: Array, a: Array, b: Array, x: Array) -> Array:
    return np.exp(log_wright_bessel_p.bind(a, a + b, x) - y)


log_wright_bessel_p: Primitive = special(
    "log_wright_bessel",
    *_unknowns("log_wright_bessel", "a", "b"),
    _log_wright_bessel_slope,
)
