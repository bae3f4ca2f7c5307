"""NumPy's special functions: sinc, i0, kaiser.

Each is one of a family that is closed under derivatives, numbered by `order`: the derivatives of
sinc, and the modified Bessel functions. So there is a derivative of every order, also at 0.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import DtypeError
from ..rules import elementwise
from ..tracing import Primitive
from .elementwise import as_array, astype


@cache
def _gauss() -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre for the interval from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(32)
    return (nodes + 1) / 2, weights / 2


_SIN = (np.sin, np.cos, lambda u: -np.sin(u), lambda u: -np.cos(u))
"""The derivatives of the sine, from the zeroth on."""


def _sinc(x: Array, *, order: int) -> Array:
    """The derivative of sinc of an order.

    With s(u) = sin(u) / u it is pi^k times the k-th derivative of s. That is the integral of
    t^k cos(u t + k pi / 2) from 0 to 1, and for large u follows from (u s)^(k) = sin^(k).
    """
    if order == 0:
        return np.sinc(x)
    u = np.atleast_1d(np.pi * x.astype(np.result_type(x.dtype, np.float64)))
    near = np.abs(u) <= order + 1
    far = np.where(near, 1.0, u)
    s = np.sin(far) / far
    for k in range(1, order + 1):
        s = (_SIN[k % 4](far) - k * s) / far
    nodes, weights = _gauss()
    s[near] = _SIN[(order + 1) % 4](np.multiply.outer(u[near], nodes)) @ (weights * nodes**order)
    return np.reshape(np.pi**order * s, x.shape).astype(x.dtype)[()]


sinc_p: Primitive = elementwise(
    "sinc",
    None,
    jvps=(lambda t, y, x, *, order: t * sinc_p.bind(x, order=order + 1),),
    impl=_sinc,
    dtype=lambda x, *, order: x.dtype,
)


def _float_operand(x: Any, operation: str) -> Array:
    x = as_array(x, operation)
    return x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64)


@implements(np.sinc)
def sinc(x: Array) -> Array:
    """`np.sinc` on traced values."""
    return sinc_p.bind(_float_operand(x, "np.sinc"), order=0)


def _bessel_i(x: Array, *, order: int) -> Array:
    """The modified Bessel function of the first kind.

    It is the mean of exp(x cos(a)) cos(order a) over the angles a from 0 to pi; the midpoint rule
    converges as fast as I_(2 n)(x) / I_0(x) goes to 0 with the number n of nodes.
    """
    if order == 0:
        return np.i0(x)
    u = x.astype(np.float64)
    size = np.abs(u)
    largest = min(float(np.max(size, initial=0.0, where=np.isfinite(size))), 720.0)
    n = int(10 + order + 4.5 * np.sqrt(largest))
    small = size < 1
    total = np.zeros_like(u)
    for angle in (np.arange(n) + 0.5) * (np.pi / n):
        power = u * np.cos(angle)
        total = total + np.where(
            small, np.expm1(np.where(small, power, 0.0)), np.exp(power - size)
        ) * np.cos(order * angle)
    return np.asarray(total / n * np.where(small, 1.0, np.exp(size))).astype(x.dtype)[()]


def _bessel_i_jvp(t: Array, y: Array, x: Array, *, order: int) -> Array:
    above = bessel_i_p.bind(x, order=order + 1)
    return t * (above if order == 0 else (bessel_i_p.bind(x, order=order - 1) + above) * 0.5)


bessel_i_p: Primitive = elementwise(
    "bessel_i",
    None,
    jvps=(_bessel_i_jvp,),
    impl=_bessel_i,
    dtype=lambda x, *, order: x.dtype,
)


@implements(np.i0)
def i0(x: Array) -> Array:
    """`np.i0` on traced values."""
    x = _float_operand(x, "np.i0")
    if aval_of(x).dtype.kind == "c":
        raise DtypeError("np.i0 is not defined for complex values.", got=repr(aval_of(x)))
    return bessel_i_p.bind(x, order=0)


@implements(np.kaiser)
def kaiser(M: int, beta: Array) -> Array:
    """`np.kaiser` for a traced `beta`. NumPy does not hand it over: `wengert.numpy.kaiser` does."""
    beta = astype(as_array(beta, "np.kaiser"), np.float64)
    if M <= 1:
        return np.ones(max(int(M), 0))
    middle = (M - 1) / 2.0
    places = (np.arange(M) - middle) / middle
    return np.i0(beta * np.sqrt(1 - places**2.0)) / np.i0(beta)
