"""`np.emath`: functions whose result is complex where real values leave their domain.

The values decide the dtype, so they must be concrete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import emath

from ..aval import Array
from ..dispatch import implements
from ..errors import ConcretizationError
from ..tracing import Tracer
from .elementwise import as_array, astype

Test = Callable[[Array], Array]

_SMALL = tuple([np.dtype(c) for c in "fbhBH"])
"""Dtypes that become complex64."""


def _widened(x: Any, outside: Test, name: str) -> Array:
    """The operand, as complex numbers where some are outside the real domain."""
    x = as_array(x, name)
    if x.dtype.kind == "c":
        return x
    leaves = np.any(outside(x))
    if isinstance(leaves, Tracer):
        raise ConcretizationError(
            f"{name}: the values decide whether the result is complex, so they must be concrete.",
            got=repr(x),
            fix=f"use np.{name.rpartition('.')[2]} of x.astype(complex), or of x where it stays "
            "inside the domain",
        )
    return astype(x, np.complex64 if x.dtype in _SMALL else np.complex128) if leaves else x


def _negative(x: Array) -> Array:
    return x < 0


def _beyond_one(x: Array) -> Array:
    return np.abs(x) > 1


def _of_one(numpys: Any, ufunc: np.ufunc, outside: Test) -> Callable[..., Array]:
    name = f"np.emath.{numpys.__name__}"

    def function(x: Array) -> Array:
        y: Array = ufunc(_widened(x, outside, name))
        return y

    function.__name__ = numpys.__name__
    function.__doc__ = f"`{name}` on traced values."
    return implements(numpys)(function)


sqrt = _of_one(emath.sqrt, np.sqrt, _negative)
log = _of_one(emath.log, np.log, _negative)
log2 = _of_one(emath.log2, np.log2, _negative)
log10 = _of_one(emath.log10, np.log10, _negative)
arccos = _of_one(emath.arccos, np.arccos, _beyond_one)
arcsin = _of_one(emath.arcsin, np.arcsin, _beyond_one)
arctanh = _of_one(emath.arctanh, np.arctanh, _beyond_one)


@implements(emath.logn)
def logn(n: Array, x: Array) -> Array:
    """`np.emath.logn` on traced values."""
    base = _widened(n, _negative, "np.emath.logn")
    return np.log(_widened(x, _negative, "np.emath.logn")) / np.log(base)


@implements(emath.power)
def power(x: Array, p: Array) -> Array:
    """`np.emath.power` on traced values."""
    base = _widened(x, _negative, "np.emath.power")
    exponent = as_array(p, "np.emath.power")
    if exponent.dtype.kind not in "fc":
        below = np.any(exponent < 0)
        if isinstance(below, Tracer) or below:
            exponent = exponent * 1.0
    return np.power(base, exponent)
