"""Bessel functions and their kind, differentiated by the argument; no order has a derivative.

The slopes are differences and sums of neighbouring orders, without a division by the argument, so
that they hold at 0 too. What SciPy scales by the exponential of an absolute value is no analytic
function of a complex argument; its rule takes the real part of the tangent.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.special

from ..aval import Array
from ..primitives.elementwise import weight
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import alias, in_precision, is_complex, several, special, unknown
from .special_gamma import rgamma

# Bessel and Hankel functions, and the modified ones.


def _cylinder(name: str, below: float, above: float, extra: complex = 0.0) -> Primitive:
    """f_v' = below f_(v-1) + above f_(v+1) + extra f_v."""

    def slope(y: Array, v: Array, x: Array) -> Array:
        s = below * primitive.bind(v - 1, x) + above * primitive.bind(v + 1, x)
        return s + extra * y if extra else s

    primitive = special(name, unknown(name, "n" if name[1:] == "n" else "v"), slope)
    return primitive


jv_p: Primitive = _cylinder("jv", 0.5, -0.5)
yv_p: Primitive = _cylinder("yv", 0.5, -0.5)
iv_p: Primitive = _cylinder("iv", 0.5, 0.5)
kv_p: Primitive = _cylinder("kv", -0.5, -0.5)
_cylinder("yn", 0.5, -0.5)
_cylinder("kn", -0.5, -0.5)
_cylinder("kve", -0.5, -0.5, 1.0)
_cylinder("hankel1", 0.5, -0.5)
_cylinder("hankel2", 0.5, -0.5)
_cylinder("hankel1e", 0.5, -0.5, -1j)
_cylinder("hankel2e", 0.5, -0.5, 1j)


def _scaled_cylinder(name: str, above: float, part: Callable[[Array], Array]) -> Primitive:
    """f_v(z) exp(-|part(z)|), where part is the real or the imaginary one."""

    def jvp(t: Array, y: Array, v: Array, x: Array) -> Array:
        s = 0.5 * primitive.bind(v - 1, x) + above * primitive.bind(v + 1, x)
        if not is_complex(x) and part is np.imag:
            return t * weight(y, s)
        if not is_complex(x):
            return t * weight(y, s - np.sign(x) * y)
        return t * s - part(t) * np.sign(part(x)) * y

    by_order = unknown(name, "v")
    primitive = special(name, jvps=(lambda t, y, v, x: by_order(y, v, x), jvp))
    return primitive


ive_p: Primitive = _scaled_cylinder("ive", 0.5, np.real)
_scaled_cylinder("jve", -0.5, np.imag)
_scaled_cylinder("yve", -0.5, np.imag)

j0_p: Primitive = special("j0", lambda y, x: -j1_p.bind(x))
j1_p: Primitive = special("j1", lambda y, x: 0.5 * (j0_p.bind(x) - jv_p.bind(2.0, x)))
y0_p: Primitive = special("y0", lambda y, x: -y1_p.bind(x))
y1_p: Primitive = special("y1", lambda y, x: y0_p.bind(x) - y / x)
i0_p: Primitive = special("i0", lambda y, x: i1_p.bind(x), name="special_i0")
i1_p: Primitive = special("i1", lambda y, x: 0.5 * (i0_p.bind(x) + iv_p.bind(2.0, x)))
k0_p: Primitive = special("k0", lambda y, x: -k1_p.bind(x))
k1_p: Primitive = special("k1", lambda y, x: -k0_p.bind(x) - y / x)
i0e_p: Primitive = special("i0e", lambda y, x: i1e_p.bind(x) - np.sign(x) * y)
i1e_p: Primitive = special(
    "i1e", lambda y, x: 0.5 * (i0e_p.bind(x) + ive_p.bind(2.0, x)) - np.sign(x) * y
)
k0e_p: Primitive = special("k0e", lambda y, x: y - k1e_p.bind(x))
k1e_p: Primitive = special("k1e", lambda y, x: y - k0e_p.bind(x) - y / x)

# Spherical Bessel functions: f_n' = (n f_(n-1) + above (n + 1) f_(n+1)) / (2 n + 1), with which
# the derivatives that SciPy has can be differentiated too.


def _spherical(name: str, sign: float, above: float) -> Primitive:
    function = getattr(scipy.special, name)

    def maker(suffix: str, derivative: bool) -> Primitive:
        def slope(y: Array, n: Array, z: Array) -> Array:
            first = n == 0
            lower = np.where(first, 0.0, n * primitive.bind(np.where(first, n, n - 1), z))
            upper = above * (n + 1) * primitive.bind(n + 1, z)
            return sign * (lower + upper) / (2 * n + 1)

        primitive = elementwise(
            name + suffix,
            None,
            unknown(name, "n"),
            in_precision(slope),
            impl=lambda n, z: function(n, z, derivative)[()],
            dtype=lambda n, z: np.asarray(function(0, np.ones((), z.dtype))).dtype,
        )
        alias(f"_{name}{suffix}", primitive)  # what older versions call
        return primitive

    derivatives[name] = maker("_d", True)
    return maker("", False)


derivatives: dict[str, Primitive] = {}
spherical_jn_p: Primitive = _spherical("spherical_jn", 1.0, -1.0)
spherical_yn_p: Primitive = _spherical("spherical_yn", 1.0, -1.0)
spherical_in_p: Primitive = _spherical("spherical_in", 1.0, 1.0)
spherical_kn_p: Primitive = _spherical("spherical_kn", -1.0, 1.0)

# Airy functions: Ai, Ai', Bi, Bi'. The scaled ones are multiplied by exp(zeta) and
# exp(-|Re zeta|), where zeta' = sqrt(z).


def _airy_slopes(y: tuple[Array, ...], z: Array) -> tuple[Array, ...]:
    return y[1], z * y[0], y[3], z * y[2]


airy_p: Primitive = several("airy", _airy_slopes)


def _airye_jvp(t: Array, y: tuple[Array, ...], z: Array) -> tuple[Array, ...]:
    if is_complex(z):
        root = np.sqrt(z)
        grow = t * root
        shrink = -np.sign(np.real(z * root)) * np.real(grow)
    else:
        grow = t * weight(y[0], np.where(z < 0, np.nan, np.sqrt(np.where(z > 0, z, 0.0))))
        shrink = -t * weight(y[0], np.sqrt(np.where(z > 0, z, 0.0)))
    first = t * y[1] + grow * y[0], t * (z * y[0]) + grow * y[1]
    return *first, t * y[3] + shrink * y[2], t * (z * y[2]) + shrink * y[3]


airye_p: Primitive = several("airye", jvps=(_airye_jvp,))
several(
    "itairy",
    lambda y, x: (
        airy_p.bind(x)[0],
        airy_p.bind(x)[2],
        airy_p.bind(-x)[0],
        airy_p.bind(-x)[2],
    ),
)

# Kelvin functions: ber + i bei solves w'' = i w - w'/x. At 0, ber'' is 0 and bei'' is 1/2.


def _kelvin_second(first: Array, other: Array, x: Array, limit: complex) -> Array:
    zero = x == 0
    return np.where(zero, limit, other - first / np.where(zero, 1.0, x))


ber_p: Primitive = special("ber", lambda y, x: berp_p.bind(x))
bei_p: Primitive = special("bei", lambda y, x: beip_p.bind(x))
ker_p: Primitive = special("ker", lambda y, x: kerp_p.bind(x))
kei_p: Primitive = special("kei", lambda y, x: keip_p.bind(x))
berp_p: Primitive = special("berp", lambda y, x: _kelvin_second(y, -bei_p.bind(x), x, 0.0))
beip_p: Primitive = special("beip", lambda y, x: _kelvin_second(y, ber_p.bind(x), x, 0.5))
kerp_p: Primitive = special("kerp", lambda y, x: -kei_p.bind(x) - y / x)
keip_p: Primitive = special("keip", lambda y, x: ker_p.bind(x) - y / x)


def _kelvin_slopes(y: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
    return y[2], y[3], _kelvin_second(y[2], 1j * y[0], x, 0.5j), 1j * y[1] - y[3] / x


several("kelvin", _kelvin_slopes)

# Struve functions, and integrals of Bessel and Struve functions.


def _struve_extra(v: Array, x: Array) -> Array:
    return (x / 2) ** v * rgamma(v + 1.5) / math.sqrt(math.pi)


def _struve(name: str, above: float) -> Primitive:
    def slope(y: Array, v: Array, x: Array) -> Array:
        both = primitive.bind(v - 1.0, x) + above * primitive.bind(v + 1.0, x)
        return 0.5 * (both + _struve_extra(v, x))

    primitive = special(name, unknown(name, "v"), slope)
    return primitive


struve_p: Primitive = _struve("struve", -1.0)
modstruve_p: Primitive = _struve("modstruve", 1.0)
special("itstruve0", lambda y, x: struve_p.bind(0.0, x))
special("it2struve0", lambda y, x: -struve_p.bind(0.0, x) / x)
special("itmodstruve0", lambda y, x: modstruve_p.bind(0.0, x))
several("iti0k0", lambda y, x: (i0_p.bind(x), k0_p.bind(x)))
several("it2i0k0", lambda y, x: ((i0_p.bind(x) - 1.0) / x, -k0_p.bind(x) / x))
several("itj0y0", lambda y, x: (j0_p.bind(x), y0_p.bind(x)))
several("it2j0y0", lambda y, x: ((1.0 - j0_p.bind(x)) / x, -y0_p.bind(x) / x))
besselpoly_p: Primitive = special(
    "besselpoly",
    lambda y, a, lmb, nu: (
        besselpoly_p.bind(a, lmb + 1, nu - 1) - besselpoly_p.bind(a, lmb + 1, nu + 1)
    ),
    unknown("besselpoly", "lmb"),
    unknown("besselpoly", "nu"),
)
