"""Exponential, trigonometric and elliptic integrals.

Elliptic integrals are differentiated in Carlson's symmetric form, in which nothing cancels: each is
an integral over t > 0 of powers of t + x, t + y, ..., and so are its derivatives, to any order.
They are NaN for a negative last argument of elliprj, where SciPy finds a principal value, and for
complex arguments close to both sides of the cut.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..primitives.elementwise import weight
from ..rules import elementwise
from ..tracing import Primitive
from .incomplete import in_blocks
from .special_base import result_dtype, several, special, unknown
from .special_bessel import spherical_in_p, spherical_jn_p
from .special_hyper import hyp2f1_p

# Exponential integrals, sine and cosine integrals, Spence's function.

exp1_p: Primitive = special("exp1", lambda y, x: -np.exp(-x) / x)
expi_p: Primitive = special("expi", lambda y, x: np.exp(x) / x)


def _expn_slope(y: Array, n: Array, x: Array) -> Array:
    first = n == 0
    z = np.where(first, x, 1.0)
    below = expn_p.bind(np.where(first, n, n - 1), np.where(first, 1.0, x))
    return -np.where(first, np.exp(-z) * (1 + 1 / z) / z, below)


expn_p: Primitive = special("expn", unknown("expn", "n"), _expn_slope)


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


spence_p: Primitive = special("spence", _spence_slope)

# Carlson's integrals.


def _grid(step: float) -> tuple[Any, Any]:
    """log t and the weights of the trapezoidal rule."""
    s = np.arange(-4.4, 4.4 + step / 2, step)
    return 2.5 * np.sinh(s), step * 2.5 * np.cosh(s)


_REAL_GRID, _COMPLEX_GRID = _grid(0.05), _grid(0.0125)


def _carlson_block(power: int, exponents: tuple[float, ...], *z: Any) -> Any:
    """The trapezoidal rule in s, with log t = log(scale) + 2.5 sinh(s), which converges doubly
    exponentially: to 1e-14 for arguments within a factor of 1e6 of each other.
    """
    turn: Any = 1.0
    if z[0].dtype.kind == "c":
        # Turned, the integral is the same but for a factor, and its poles keep away.
        angles = [np.where(x == 0, np.nan, np.angle(x)) for x in z]
        high, low = np.fmax.reduce(angles), np.fmin.reduce(angles)
        # Arguments close to both sides of the cut leave the integral no way between the poles.
        turn = np.where(high - low < 2 * math.pi - 0.1, np.exp(0.5j * (high + low)), np.nan)
        z = tuple([x / turn for x in z])
        grid, measure = _COMPLEX_GRID
    else:
        grid, measure = _REAL_GRID
    weights = [e * (x != 0) for x, e in zip(z, exponents, strict=True)]
    sizes = [np.log(np.where(x == 0, 1.0, np.abs(x))) for x in z]
    total = sum(weights)
    centre = sum([w * x for w, x in zip(weights, sizes, strict=True)])
    log_t = (centre / np.where(total == 0, 1.0, total))[:, None] + grid
    t = np.exp(log_t)
    part = np.exp((power + 1) * log_t) * measure
    for x, e in zip(z, exponents, strict=True):
        part = part * (t + x[:, None]) ** -e
    y = np.sum(part, axis=1)
    for x, e in zip(z, exponents, strict=True):
        y = np.where((x == 0) & (e >= power + 1), np.inf, y)
        if x.dtype.kind == "f":
            y = np.where(x < 0, np.nan, y)
    return y * turn ** (power + 1 - sum(exponents))


def _carlson(*z: Array, power: int, exponents: tuple[float, ...]) -> Array:
    dtype = np.result_type(*[aval_of(x).dtype_or_python_type for x in z], np.float32)
    wide = np.complex128 if dtype.kind == "c" else np.float64
    y = in_blocks(partial(_carlson_block, power, exponents), *z, dtype=wide)
    return np.asarray(y, dtype)[()]


def _carlson_jvp(i: int) -> Any:
    def rule(t: Array, y: Array, *z: Array, power: int, exponents: tuple[float, ...]) -> Array:
        higher = (*exponents[:i], exponents[i] + 1, *exponents[i + 1 :])
        return t * (-exponents[i] * carlson_p.bind(*z, power=power, exponents=higher))

    return rule


carlson_p: Primitive = elementwise(
    "carlson",
    None,
    jvps=[_carlson_jvp(i) for i in range(4)],
    impl=_carlson,
    dtype=lambda *z, **params: np.result_type(*[a.dtype_or_python_type for a in z], np.float32),
)


def _integral(*exponents: float, power: int = 0) -> Any:
    """The integral of t**power times the product of (t + z[i])**-exponents[i] over t > 0."""
    return lambda *z: carlson_p.bind(*z, power=power, exponents=exponents)


def _half(i: int, n: int = 3) -> list[float]:
    """Exponents: 1/2, but 3/2 at i."""
    return [1.5 if k == i else 0.5 for k in range(n)]


def _elliprc_by_x(y: Array, x: Array, p: Array) -> Array:
    # For p < 0 the value is a principal one, which solves a differential equation.
    below = np.real(p) < 0
    q = np.where(below, 1.0, p)
    principal = (y - 1 / np.sqrt(x)) / (2 * (np.where(below, p, 1 + x) - x))
    return np.where(below, principal, -elliprd_p.bind(q, q, x) / 6)


def _elliprc_by_y(y: Array, x: Array, p: Array) -> Array:
    below = np.real(p) < 0
    q, negative = np.where(below, 1.0, p), np.where(below, p, -1.0)
    by_x = (y - 1 / np.sqrt(x)) / (2 * (negative - x))
    principal = -(0.5 * y + x * by_x) / negative
    return np.where(below, principal, -elliprd_p.bind(x, q, q) / 3)


elliprc_p: Primitive = special("elliprc", _elliprc_by_x, _elliprc_by_y)
elliprf_p: Primitive = special(
    "elliprf",
    lambda w, x, y, z: -elliprd_p.bind(y, z, x) / 6,
    lambda w, x, y, z: -elliprd_p.bind(z, x, y) / 6,
    lambda w, x, y, z: -elliprd_p.bind(x, y, z) / 6,
)
elliprd_p: Primitive = special(
    "elliprd",
    lambda w, x, y, z: -0.75 * _integral(1.5, 0.5, 1.5)(x, y, z),
    lambda w, x, y, z: -0.75 * _integral(0.5, 1.5, 1.5)(x, y, z),
    lambda w, x, y, z: -2.25 * _integral(0.5, 0.5, 2.5)(x, y, z),
)
elliprg_p: Primitive = special(
    "elliprg",
    *[lambda w, *z, i=i: 0.125 * _integral(*_half(i), power=1)(*z) for i in range(3)],
)
elliprj_p: Primitive = special(
    "elliprj",
    *[lambda w, *z, i=i: -0.75 * _integral(*_half(i), 1.0)(*z) for i in range(3)],
    lambda w, *z: -1.5 * _integral(0.5, 0.5, 0.5, 2.0)(*z),
)

# Legendre's integrals. Complete ones first.

ellipk_p: Primitive = special("ellipk", lambda y, m: elliprd_p.bind(0.0, 1.0, 1 - m) / 6)
ellipkm1_p: Primitive = special("ellipkm1", lambda y, p: -elliprd_p.bind(0.0, 1.0, p) / 6)
ellipe_p: Primitive = special("ellipe", lambda y, m: -elliprd_p.bind(0.0, 1 - m, 1.0) / 6)


def _agm_slope(y: Array, a: Array, b: Array) -> Array:
    return 2 / (3 * math.pi) * np.abs(a) * (y * y) * elliprd_p.bind(0.0, b * b, a * a)


agm_p: Primitive = special("agm", _agm_slope, lambda y, a, b: _agm_slope(y, b, a))


_LEGENDRE_DTYPE = result_dtype("ellipkinc")


def _incomplete(phi: Array, m: Array, *, k: float, j: int) -> Array:
    """The integral of sin(u)**(2 j) (1 - m sin(u)**2)**-k for u from 0 to phi."""
    dtype = _LEGENDRE_DTYPE(aval_of(phi), aval_of(m))
    phi, m = np.asarray(phi, np.float64), np.asarray(m, np.float64)
    turns = np.round(phi / math.pi)
    rest = phi - turns * math.pi
    sine, cosine = np.sin(rest), np.cos(rest)
    part = partial(_carlson, power=0, exponents=(j + 1 - k, 0.5, k))
    y = 0.5 * sine ** (2 * j + 1) * part(1.0, cosine * cosine, 1 - m * sine * sine)
    y = np.where(turns == 0, y, y + turns * part(1.0, 0.0, 1 - m))
    return np.asarray(y, dtype)[()]


def _incomplete_by_phi(t: Array, y: Array, phi: Array, m: Array, *, k: float, j: int) -> Array:
    square = np.sin(phi) ** 2
    return t * weight(y, square**j * (1 - m * square) ** -k)


incomplete_p: Primitive = elementwise(
    "elliptic_integral",
    None,
    jvps=(
        _incomplete_by_phi,
        lambda t, y, phi, m, *, k, j: t * (k * incomplete_p.bind(phi, m, k=k + 1, j=j + 1)),
    ),
    impl=_incomplete,
    dtype=_LEGENDRE_DTYPE,
)

ellipkinc_p: Primitive = special(
    "ellipkinc",
    lambda y, phi, m: (1 - m * np.sin(phi) ** 2) ** -0.5,
    lambda y, phi, m: 0.5 * incomplete_p.bind(phi, m, k=1.5, j=1),
)
ellipeinc_p: Primitive = special(
    "ellipeinc",
    lambda y, phi, m: np.sqrt(1 - m * np.sin(phi) ** 2),
    lambda y, phi, m: -0.5 * incomplete_p.bind(phi, m, k=0.5, j=1),
)


def _ellipj_by_u(y: tuple[Array, ...], u: Array, m: Array) -> tuple[Array, ...]:
    sn, cn, dn, _ = y
    return cn * dn, -sn * dn, -m * sn * cn, dn


def _ellipj_by_m(y: tuple[Array, ...], u: Array, m: Array) -> tuple[Array, ...]:
    # u is the integral up to the amplitude, held fixed.
    sn, cn, dn, phi = y
    turn = -0.5 * dn * incomplete_p.bind(phi, m, k=1.5, j=1)
    return cn * turn, -sn * turn, -(0.5 * sn * sn + m * sn * cn * turn) / dn, turn


several("ellipj", _ellipj_by_u, _ellipj_by_m)
