"""Exponential, trigonometric and elliptic integrals.

Elliptic integrals are differentiated in Carlson's symmetric form, in which nothing cancels: each of
SciPy's is an integral over t > 0 of powers of t + x, t + y, ..., and so are its derivatives, to any
order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from ..aval import Array, ShapedArray, aval_of
from ..primitives.elementwise import weight
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import several, special, unknown
from .special_bessel import spherical_in_p, spherical_jn_p
from .special_hyper import hyp2f1_p

# Exponential integrals, sine and cosine integrals, Spence's function.

exp1_p = special("exp1", lambda y, x: -np.exp(-x) / x)
expi_p = special("expi", lambda y, x: np.exp(x) / x)


def _expn_slope(y: Array, n: Array, x: Array) -> Array:
    first = n == 0
    z = np.where(first, x, 1.0)
    below = expn_p.bind(np.where(first, n, n - 1), np.where(first, 1.0, x))
    return -np.where(first, np.exp(-z) * (1 + 1 / z) / z, below)


expn_p = special("expn", unknown("expn", "n"), _expn_slope)


def _sici_slopes(y: tuple[Array, ...], x: Array) -> tuple[Array, Array]:
    return spherical_jn_p.bind(0, x), np.cos(x) / x


def _shichi_slopes(y: tuple[Array, ...], x: Array) -> tuple[Array, Array]:
    return spherical_in_p.bind(0, x), np.cosh(x) / x


several("sici", _sici_slopes)
several("shichi", _shichi_slopes)


def _spence_slope(y: Array, z: Array) -> Array:
    w = 1 - z
    near = np.abs(w) < 0.1
    far = np.where(near, 2.0, z)
    series = -hyp2f1_p.bind(1.0, 1.0, 2.0, np.where(near, w, 0.0))
    return np.where(near, series, np.log(far) / (1 - far))


spence_p = special("spence", _spence_slope)

# Carlson's integrals.

_STEP = 0.1
_LOG = _STEP * np.arange(-44, 45)
_GRID = 2.5 * np.sinh(_LOG)
_WEIGHTS = _STEP * 2.5 * np.cosh(_LOG)


def _carlson(*z: Array, power: int, exponents: tuple[float, ...]) -> Array:
    """The integral of t**power times the product of (t + z[i])**-exponents[i] over t > 0.

    By the trapezoidal rule in s, with log t = log(scale) + 2.5 sinh s: it converges doubly
    exponentially; to 1e-14 for arguments that differ by a factor of up to 1e6.
    """
    dtype = np.result_type(*[aval_of(x).dtype for x in z], np.float32)
    wide = np.complex128 if dtype.kind == "c" else np.float64
    z = tuple([np.asarray(x, wide) for x in z])
    with np.errstate(all="ignore"):
        size = sum([e * np.log(np.where(x == 0, 1.0, np.abs(x))) for x, e in zip(z, exponents)])
        total = sum([e * (x != 0) for x, e in zip(z, exponents)])
        scale = np.exp(size / np.where(total == 0, 1.0, total))
        y: Any = 0.0
        for log_t, w in zip(_GRID, _WEIGHTS):
            t = scale * math.exp(log_t)
            part = t ** (power + 1) * w
            for x, e in zip(z, exponents):
                part = part * (t + x) ** -e
            y = y + part
    return np.asarray(y, dtype)[()]


def _carlson_dtype(*z: ShapedArray, **params: Any) -> np.dtype[Any]:
    kinds: Any = [a.dtype_or_python_type for a in z]
    return scipy.special.elliprf.resolve_dtypes((*(kinds * 3)[:3], None))[-1]
