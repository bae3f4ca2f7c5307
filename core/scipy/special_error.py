"""The error function and what is made of it: normal distributions, Dawson's and Faddeeva's
functions, Voigt's profile, Fresnel's integrals.

Far out, `2 x f(x) - constant` cancels; there the asymptotic series of the derivative counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements_ufunc
from ..primitives.elementwise import astype
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import Partials, in_precision, is_complex, several, special, ufunc_named

_ROOT_PI = math.sqrt(math.pi)
_FAR = 20.0


def _tail(s: Array) -> Array:
    """1 + 3 s + 15 s**2 + 105 s**3 + ..., cut where s = 1/800 needs no more."""
    y: Array = 1.0
    for k in range(21, 1, -2):
        y = 1.0 + k * s * y
    return y


# The error functions.

erf_p: Primitive = special("erf", lambda y, x: 2 / _ROOT_PI * np.exp(-x * x))
erfc_p: Primitive = special("erfc", lambda y, x: -2 / _ROOT_PI * np.exp(-x * x))
erfi_p: Primitive = special("erfi", lambda y, x: 2 / _ROOT_PI * np.exp(x * x))
erfinv_p: Primitive = special("erfinv", lambda y, x: _ROOT_PI / 2 * np.exp(y * y))
erfcinv_p: Primitive = special("erfcinv", lambda y, x: -_ROOT_PI / 2 * np.exp(y * y))


def _erfcx_slope(y: Array, x: Array) -> Array:
    near = 2 * x * y - 2 / _ROOT_PI
    if is_complex(x):
        return near
    far = x > _FAR
    s = np.where(far, x, _FAR) ** -2.0
    return np.where(far, -s * _tail(-0.5 * s) / _ROOT_PI, near)


def _dawsn_slope(y: Array, x: Array) -> Array:
    near = 1 - 2 * x * y
    if is_complex(x):
        return near
    far = np.abs(x) > _FAR
    s = 0.5 * np.where(far, x, _FAR) ** -2.0
    return np.where(far, -s * _tail(s), near)


erfcx_p: Primitive = special("erfcx", _erfcx_slope)
dawsn_p: Primitive = special("dawsn", _dawsn_slope)


def _wofz_slope(y: Array, z: Array) -> Array:
    far = (np.abs(z) > _FAR) & (np.imag(z) >= 0)
    s = 0.5 * np.where(far, z, 1j * _FAR) ** -2.0
    return np.where(far, -2j / _ROOT_PI * s * _tail(s), 2j / _ROOT_PI - 2 * z * y)


_wofz: Any = ufunc_named("wofz")
wofz_p: Primitive = elementwise("wofz", _wofz, in_precision(_wofz_slope))


def wofz(z: Array) -> Array:
    """Faddeeva's function, whose results are always complex."""
    if not is_complex(z):
        z = astype(z, _wofz.resolve_dtypes((aval_of(z).dtype_or_python_type, None))[0])
    return wofz_p.bind(z)


implements_ufunc(_wofz, wofz)


def _voigt_parts(x: Array, sigma: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """The scale, z, and the derivative of Faddeeva's function there."""
    scale = math.sqrt(2) * np.where(sigma == 0, 1.0, sigma)
    z = (x + 1j * gamma) / scale
    return scale, z, _wofz_slope(wofz(z), z)


def _voigt_by_x(y: Array, x: Array, sigma: Array, gamma: Array) -> Array:
    scale, _, slope = _voigt_parts(x, sigma, gamma)
    square = x * x + gamma * gamma
    lorentz = -2 * x * gamma / (math.pi * np.where(sigma == 0, square * square, 1.0))
    return np.where(sigma == 0, lorentz, np.real(slope) / (scale * scale * _ROOT_PI))


def _voigt_by_sigma(y: Array, x: Array, sigma: Array, gamma: Array) -> Array:
    scale, z, slope = _voigt_parts(x, sigma, gamma)
    found = -y / np.where(sigma == 0, 1.0, sigma)
    found = found - math.sqrt(2) * np.real(slope * z) / (scale * scale * _ROOT_PI)
    return np.where(sigma == 0, 0.0, found)


def _voigt_by_gamma(y: Array, x: Array, sigma: Array, gamma: Array) -> Array:
    scale, _, slope = _voigt_parts(x, sigma, gamma)
    square = np.where(sigma == 0, x * x + gamma * gamma, 1.0)
    lorentz = (x * x - gamma * gamma) / (math.pi * square * square)
    return np.where(sigma == 0, lorentz, -np.imag(slope) / (scale * scale * _ROOT_PI))


voigt_profile_p: Primitive = special("voigt_profile", _voigt_by_x, _voigt_by_sigma, _voigt_by_gamma)

# The normal distribution.


def _normal_density(x: Array) -> Array:
    return np.exp(-0.5 * (x * x)) / math.sqrt(2 * math.pi)


ndtr_p: Primitive = special("ndtr", lambda y, x: _normal_density(x))
ndtri_p: Primitive = special("ndtri", lambda y, p: math.sqrt(2 * math.pi) * np.exp(0.5 * (y * y)))


def _hazard(x: Array) -> Array:
    erfcx = erfcx_p.impl(x * -math.sqrt(0.5))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(math.sqrt(2 / math.pi) / erfcx, aval_of(x).dtype)[()]


def _hazard_slope(y: Array, x: Array) -> Array:
    """-y (x + y); far to the left, where y is nearly -x, by the series of Mills' ratio."""
    if is_complex(x):
        return -y * (x + y)
    far = x < -_FAR
    s = np.where(far, x, -_FAR) ** -2.0
    tail = s * _tail(-s)
    distance = np.where(far, -x * tail / (1 - tail), x + y)
    # Where the density is 0 so is its product with an infinite x.
    return -y * np.where(x == np.inf, 0.0, distance)


normal_hazard_p: Primitive = elementwise(
    "normal_hazard", None, in_precision(_hazard_slope), impl=_hazard, dtype=lambda x: x.dtype
)


def _log_ndtr_slope(y: Array, x: Array) -> Array:
    """The density over the distribution, exact in the far tail too."""
    return normal_hazard_p.bind(x)


log_ndtr_p: Primitive = special("log_ndtr", _log_ndtr_slope)
ndtri_exp_p: Primitive = special("ndtri_exp", lambda y, x: 1 / normal_hazard_p.bind(y))


def _owens_t_by_h(y: Array, h: Array, a: Array) -> Array:
    return -0.5 * _normal_density(h) * erf_p.bind(a * h * math.sqrt(0.5))


def _owens_t_by_a(y: Array, h: Array, a: Array) -> Array:
    square = 1 + a * a
    return np.exp(-0.5 * (h * h * square)) / (2 * math.pi * square)


owens_t_p: Primitive = special("owens_t", _owens_t_by_h, _owens_t_by_a)

# Fresnel's integrals.


def _fresnel_slopes(y: Array, x: Array) -> tuple[Array, Array]:
    turn = math.pi / 2 * (x * x)
    return np.sin(turn), np.cos(turn)


def _modified_fresnel_slopes(sign: complex) -> Partials:
    def slopes(y: tuple[Array, Array], x: Array) -> tuple[Array, Array]:
        wave = np.exp(sign * (x * x))
        return -wave, -2 * sign * x * y[1] - np.exp(-sign * (math.pi / 4)) / _ROOT_PI

    return slopes


fresnel_p: Primitive = several("fresnel", _fresnel_slopes)
modfresnelp_p: Primitive = several("modfresnelp", _modified_fresnel_slopes(1j))
modfresnelm_p: Primitive = several("modfresnelm", _modified_fresnel_slopes(-1j))
