"""The gamma function and its relatives: gamma, psi, polygamma, beta, binom, poch, zeta.

Where the gamma function has a pole its reciprocal has a zero, so that quotients of gamma functions
are smooth there; their slopes are put together from what is finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

from ..aval import Array, ShapedArray, aval_of
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import special, unknown

# polygamma. SciPy has it for real numbers only; the derivatives of the complex gamma function need
# it for complex ones.


def _polygamma_dtype(n: ShapedArray, x: ShapedArray) -> np.dtype[Any]:
    return np.dtype(np.float64)


polygamma_p: Primitive = elementwise(
    "polygamma",
    None,
    unknown("polygamma", "n"),
    lambda y, n, x: polygamma_p.bind(n + 1, x),
    impl=lambda n, x: scipy.special.polygamma(n, x)[()],
    dtype=_polygamma_dtype,
)

_SHIFT = 16
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _complex_polygamma(z: Array, *, n: int) -> Array:
    """The n-th derivative of psi for Re z >= 1/2: raise the argument, then Stirling's series."""
    y = np.zeros_like(z)
    for k in range(_SHIFT):
        y = y + (z + k) ** (-n - 1)
    y = y * math.factorial(n)
    z = z + _SHIFT
    y = y + math.factorial(n - 1) * z**-n + math.factorial(n) / 2 * z ** (-n - 1)
    for j, b in enumerate(_BERNOULLI, 1):
        y = y + b * math.factorial(2 * j + n - 1) / math.factorial(2 * j) * z ** (-2 * j - n)
    return y * (-1) ** (n + 1)


def _cotangent_derivative(z: Array, n: int) -> Array:
    """The n-th derivative of cot(pi z), a polynomial in the cotangent."""
    powers = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(n):
        powers = -math.pi * np.polynomial.Polynomial([1.0, 0.0, 1.0]) * powers.deriv()
    sign = np.where(z.imag < 0, -1, 1)
    q = np.exp(2j * math.pi * sign * z)  # of modulus 1 at most
    return powers(-1j * sign * (1 + q) / (1 - q))


def _complex_polygamma_everywhere(z: Array, *, n: int) -> Array:
    dtype = aval_of(z).dtype
    z = np.asarray(z, np.complex128)
    left = z.real < 0.5
    y = _complex_polygamma(np.where(left, 1 - z, z), n=n)
    if np.any(left):
        reflected = (-1) ** n * y - math.pi * _cotangent_derivative(np.where(left, z, 0.25), n)
        y = np.where(left, reflected, y)
    return np.asarray(y, dtype)[()]


complex_polygamma_p: Primitive = elementwise(
    "complex_polygamma",
    None,
    jvps=(lambda t, y, z, *, n: t * complex_polygamma_p.bind(z, n=n + 1),),
    impl=_complex_polygamma_everywhere,
    dtype=lambda z, *, n: z.dtype,
)


def _trigamma(y: Array, x: Array) -> Array:
    if aval_of(x).dtype.kind == "c":
        return complex_polygamma_p.bind(x, n=1)
    return polygamma_p.bind(1, x)


psi_p: Primitive = special("psi", _trigamma)
psi = psi_p.bind

# gamma, and its logarithm.

gamma_p: Primitive = special("gamma", lambda y, x: y * psi(x))
gammaln_p: Primitive = special("gammaln", lambda y, x: psi(x))
loggamma_p: Primitive = special("loggamma", lambda y, x: psi(x))
gammasgn_p: Primitive = special("gammasgn", None)


def _rgamma_slope(y: Array, x: Array) -> Array:
    # 1/gamma(x) = sin(pi x) gamma(1 - x) / pi, whose derivative is finite at the poles too.
    left = np.real(x) < 0.5
    z = 1 - np.where(left, x, 0.0)
    turn = math.pi * x
    reflected = gamma_p.bind(z) * (np.cos(turn) - np.sin(turn) / math.pi * psi(z))
    return np.where(left, reflected, -y * psi(np.where(left, 1.0, x)))


rgamma_p: Primitive = special("rgamma", _rgamma_slope)
rgamma = rgamma_p.bind


def is_pole(x: Array) -> Array:
    """Where the gamma function has a pole: 0, -1, -2, ..."""
    return (x <= 0) & (x == np.floor(x))


def _away(x: Array, where: Array) -> Array:
    """x, with 1 in the places where another formula counts."""
    return np.where(where, 1.0, x)


# Quotients of gamma functions.

beta_p: Primitive = special(
    "beta",
    lambda y, a, b: y * (psi(a) - psi(a + b)),
    lambda y, a, b: y * (psi(b) - psi(a + b)),
)
betaln_p: Primitive = special(
    "betaln",
    lambda y, a, b: psi(a) - psi(a + b),
    lambda y, a, b: psi(b) - psi(a + b),
)


def _binom_by_n(y: Array, n: Array, k: Array) -> Array:
    # gamma(n + 1) / gamma(k + 1) / gamma(n - k + 1)
    rest = n - k + 1
    zero = is_pole(rest) & ~is_pole(n + 1)
    smooth = y * (psi(n + 1) - psi(_away(rest, zero)))
    at_zero = gamma_p.bind(_away(n + 1, ~zero)) * rgamma(k + 1) * _rgamma_slope(0.0, rest)
    return np.where(zero, at_zero, smooth)


def _binom_by_k(y: Array, n: Array, k: Array) -> Array:
    rest = n - k + 1
    top, bottom = is_pole(k + 1), is_pole(rest)
    zero = (top | bottom) & ~is_pole(n + 1)
    smooth = y * (psi(_away(rest, zero)) - psi(_away(k + 1, zero)))
    slope = _rgamma_slope(0.0, k + 1) * rgamma(rest) - rgamma(k + 1) * _rgamma_slope(0.0, rest)
    return np.where(zero, gamma_p.bind(_away(n + 1, ~zero)) * slope, smooth)


binom_p: Primitive = special("binom", _binom_by_n, _binom_by_k)


def _poch_by_z(y: Array, z: Array, m: Array) -> Array:
    # gamma(z + m) / gamma(z). Between two poles the reflected functions have the same quotient.
    zero = is_pole(z) & ~is_pole(z + m)
    between = is_pole(z) & is_pole(z + m)
    smooth = y * (psi(_away(z + m, between)) - psi(_away(z, zero | between)))
    at_zero = gamma_p.bind(_away(z + m, ~zero)) * _rgamma_slope(0.0, _away(z, ~zero))
    mirrored = psi(_away(1 - z - m, ~between)) - psi(_away(1 - z, ~between))
    return np.where(zero, at_zero, np.where(between, y * mirrored, smooth))


def _poch_by_m(y: Array, z: Array, m: Array) -> Array:
    return y * psi(z + m)


poch_p: Primitive = special("poch", _poch_by_z, _poch_by_m)

# zeta. The derivative by the exponent is not in SciPy.

zeta_p: Primitive = special(
    "_zeta",
    unknown("zeta", "x"),
    lambda y, x, q: -x * zeta_p.bind(x + 1, q),
)
riemann_zeta_p: Primitive = special("_riemann_zeta", unknown("zeta", "x"), name="riemann_zeta")
special("zetac", unknown("zetac", "x"))
