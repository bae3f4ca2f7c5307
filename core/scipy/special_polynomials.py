"""Orthogonal polynomials, Legendre functions and spherical harmonics, differentiated by the
argument.

The derivative of a polynomial is one of degree n - 1 of a neighbouring family. Degrees and orders
have no derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from ..aval import Array, ShapedArray
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import in_precision, special, unknown
from .special_gamma import gamma_p


def _lower(n: Array, below: Any) -> Array:
    """`below(n - 1)`, and 0 for n = 0."""
    constant = n == 0
    return np.where(constant, 0.0, below(np.where(constant, n, n - 1)))


def _polynomial(name: str, slope: Any, *parameters: str) -> Primitive:
    """A family of polynomials `name(n, *parameters, x)`; `slope(n, *parameters, x)`."""
    return special(
        name,
        *[unknown(name, p) for p in ("n", *parameters)],
        lambda y, *args: slope(*args),
    )


gegenbauer_p: Primitive = _polynomial(
    "eval_gegenbauer",
    lambda n, a, x: 2 * a * _lower(n, lambda k: gegenbauer_p.bind(k, a + 1, x)),
    "alpha",
)
_jacobi_p: Primitive = _polynomial(
    "eval_jacobi",
    lambda n, a, b, x: (
        (n + a + b + 1) * _lower(n, lambda k: _jacobi_p.bind(k, a + 1, b + 1, x)) / 2
    ),
    "alpha",
    "beta",
)
_sh_jacobi_p: Primitive = _polynomial(
    "eval_sh_jacobi",
    lambda n, p, q, x: n * _lower(n, lambda k: _sh_jacobi_p.bind(k, p + 2, q + 1, x)),
    "p",
    "q",
)
_genlaguerre_p: Primitive = _polynomial(
    "eval_genlaguerre",
    lambda n, a, x: -_lower(n, lambda k: _genlaguerre_p.bind(k, a + 1, x)),
    "alpha",
)
_polynomial("eval_laguerre", lambda n, x: -_lower(n, lambda k: _genlaguerre_p.bind(k, 1.0, x)))
legendre_p_p: Primitive = _polynomial(
    "eval_legendre", lambda n, x: _lower(n, lambda k: gegenbauer_p.bind(k, 1.5, x))
)
_polynomial(
    "eval_sh_legendre",
    lambda n, x: 2 * _lower(n, lambda k: gegenbauer_p.bind(k, 1.5, 2 * x - 1)),
)
_chebyu_p: Primitive = _polynomial(
    "eval_chebyu", lambda n, x: 2 * _lower(n, lambda k: gegenbauer_p.bind(k, 2.0, x))
)
_polynomial("eval_chebyt", lambda n, x: n * _lower(n, lambda k: _chebyu_p.bind(k, x)))
_chebys_p: Primitive = _polynomial(
    "eval_chebys", lambda n, x: _lower(n, lambda k: gegenbauer_p.bind(k, 2.0, x / 2))
)
_polynomial("eval_chebyc", lambda n, x: n * _lower(n, lambda k: _chebys_p.bind(k, x)))
_sh_chebyu_p: Primitive = _polynomial(
    "eval_sh_chebyu",
    lambda n, x: 4 * _lower(n, lambda k: gegenbauer_p.bind(k, 2.0, 2 * x - 1)),
)
_polynomial("eval_sh_chebyt", lambda n, x: 2 * n * _lower(n, lambda k: _sh_chebyu_p.bind(k, x)))
_hermite_p: Primitive = _polynomial(
    "eval_hermite", lambda n, x: 2 * n * _lower(n, lambda k: _hermite_p.bind(k, x))
)
_hermitenorm_p: Primitive = _polynomial(
    "eval_hermitenorm", lambda n, x: n * _lower(n, lambda k: _hermitenorm_p.bind(k, x))
)

# Legendre functions.


def _lpmv_slope(y: Array, m: Array, v: Array, x: Array) -> Array:
    end = np.abs(x) == 1
    inside = np.where(end, 0.0, x)
    flat = lpmv_p.bind(m, v - 1, inside) * (v + m) - v * inside * lpmv_p.bind(m, v, inside)
    ends = _lpmv_slope_at_ends(np.where(end & (m > 0), m, 1), v, np.where(end, x, 0.0))
    slope = np.where(end, ends, flat / (1 - inside * inside))
    return np.where(m == 0, gegenbauer_p.bind(v - 1.0, 1.5, x), slope)


def _lpmv_slope_at_ends(m: Array, v: Array, x: Array) -> Array:
    """From (1 - x**2)**(m / 2) times the m-th derivative of Legendre's function, m > 0."""
    square = 1 - x * x
    scale = (-2.0) ** m * gamma_p.bind(m + 0.5) / math.sqrt(math.pi)
    steep = -m * x * square ** (m / 2 - 1) * gegenbauer_p.bind(v - m, m + 0.5, x)
    flat = square ** (m / 2) * (2 * m + 1) * gegenbauer_p.bind(v - m - 1.0, m + 1.5, x)
    return scale * (steep + flat)


lpmv_p: Primitive = special("lpmv", unknown("lpmv", "m"), unknown("lpmv", "v"), _lpmv_slope)

# Spherical harmonics. The ladder operators give the derivative by the polar angle without a
# division by its sine.


def _ladder(harmonic: Any, n: Array, m: Array, polar: Array, azimuth: Array) -> Array:
    """The derivative by the polar angle of `harmonic(n, m, polar, azimuth)`."""
    turn = np.exp(1j * azimuth)
    up = np.sqrt(np.maximum((n - m) * (n + m + 1.0), 0.0)) * harmonic(n, m + 1, polar, azimuth)
    down = np.sqrt(np.maximum((n + m) * (n - m + 1.0), 0.0)) * harmonic(n, m - 1, polar, azimuth)
    # SciPy takes the absolute value of the sine: beyond the poles the angle runs backward.
    forward = np.where(np.sin(polar) < 0, -0.5, 0.5)
    return forward * (up / turn - down * turn)


def _sph_harm_dtype(n: ShapedArray, m: ShapedArray, *angles: ShapedArray) -> np.dtype[Any]:
    found: np.dtype[Any] = _sph_harm_y(0, 0, *[np.ones((), a.dtype) for a in angles]).dtype
    return found


def _sph_harm_y(n: Array, m: Array, polar: Array, azimuth: Array) -> Array:
    return scipy.special.sph_harm_y(n, m, polar, azimuth)[()]


sph_harm_y_p: Primitive = elementwise(
    "sph_harm_y",
    None,
    unknown("sph_harm_y", "n"),
    unknown("sph_harm_y", "m"),
    in_precision(lambda y, n, m, a, b: _ladder(sph_harm_y_p.bind, n, m, a, b)),
    in_precision(lambda y, n, m, a, b: 1j * m * y),
    impl=_sph_harm_y,
    dtype=_sph_harm_dtype,
)

# SciPy before 1.17 has it under another name, with other names of the angles.
sph_harm_p: Primitive = special(
    "sph_harm",
    unknown("sph_harm", "m"),
    unknown("sph_harm", "n"),
    lambda y, m, n, a, b: 1j * m * y,
    lambda y, m, n, a, b: _ladder(
        lambda k, j, polar, azimuth: sph_harm_p.bind(j, k, azimuth, polar), n, m, b, a
    ),
)
