"""Rounding to decimals, and the ufuncs with two results: divmod, modf, frexp."""

from __future__ import annotations

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import asarray, implements, implements_ufunc
from ..rules import elementwise
from .elementwise import astype


def _modf(x: Array) -> tuple[Array, Array]:
    x = astype(x, np.modf.resolve_dtypes((aval_of(x).dtype, None, None))[-1])
    infinite = np.isinf(x)
    part = np.fmod(np.where(infinite, 0.0, x), 1.0)
    return np.where(infinite, np.copysign(0.0, x), part), np.trunc(x)


def _frexp(x: Array) -> tuple[Array, Array]:
    exponent = frexp_exponent_p.bind(x)
    return np.ldexp(x, -exponent), exponent


implements_ufunc(np.divmod, lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)))
implements_ufunc(np.modf, _modf)
frexp_exponent_p = elementwise(
    "frexp_exponent",
    None,
    jvps=(None,),
    impl=lambda x: np.frexp(x)[1],
    dtype=lambda x: np.dtype(np.int32),
)
implements_ufunc(np.frexp, _frexp)

round_p = elementwise(
    "round",
    None,
    None,
    impl=lambda x, *, decimals: np.round(x, decimals),
    dtype=lambda x, **params: x.dtype,
)


@implements(np.round, np.around)
def round(a: Array, decimals: int = 0, out: None = None) -> Array:
    """`np.round` on traced values; its derivative is zero."""
    return round_p.bind(asarray(a, "np.round"), decimals=decimals)


@implements(np.fix)
def fix(x: Array, out: None = None) -> Array:
    """`np.fix` on traced values; its derivative is zero."""
    return np.trunc(asarray(x, "np.fix"))
