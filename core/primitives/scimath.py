"""`np.emath`: functions whose result is complex where the operand is outside of the real domain.

Whether it is decides the dtype of the result, so the operands must be concrete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements
from .elementwise import as_array, astype
from .values import plain_value

Test = Callable[[Array], Array]


def _any(operation: str, x: Array, test: Test) -> bool:
    known = plain_value(test(x), operation, "whether the result is complex")
    return bool(np.any(known))


def _widened(operation: str, x: Any, outside: Test) -> Array:
    """The operand, complex where a real one is outside of the domain."""
    x = as_array(x, operation)
    dtype = aval_of(x).dtype
    if dtype.kind == "c" or not _any(operation, x, outside):
        return x
    return astype(x, np.complex64 if dtype.char in "fbhBH" else np.complex128)


def _negative(x: Array) -> Array:
    return x < 0


def _beyond_one(x: Array) -> Array:
    return np.abs(x) > 1


def _function(numpys: Any, ufunc: np.ufunc, outside: Test) -> Any:
    name = f"np.emath.{ufunc.__name__}"

    def function(x: Array) -> Array:
        return ufunc(_widened(name, x, outside))

    function.__name__ = ufunc.__name__
    function.__doc__ = f"`{name}` on traced values, where they are concrete."
    return implements(numpys)(function)


sqrt = _function(np.emath.sqrt, np.sqrt, _negative)
log = _function(np.emath.log, np.log, _negative)
log2 = _function(np.emath.log2, np.log2, _negative)
log10 = _function(np.emath.log10, np.log10, _negative)
arccos = _function(np.emath.arccos, np.arccos, _beyond_one)
arcsin = _function(np.emath.arcsin, np.arcsin, _beyond_one)
arctanh = _function(np.emath.arctanh, np.arctanh, _beyond_one)


@implements(np.emath.logn)
def logn(n: Array, x: Array) -> Array:
    """`np.emath.logn` on traced values, where they are concrete."""
    x, n = _widened("np.emath.logn", x, _negative), _widened("np.emath.logn", n, _negative)
    return np.log(x) / np.log(n)


@implements(np.emath.power)
def power(x: Array, p: Array) -> Array:
    """`np.emath.power` on traced values, where they are concrete."""
    x, p = _widened("np.emath.power", x, _negative), as_array(p, "np.emath.power")
    if aval_of(p).dtype.kind in "iu" and _any("np.emath.power", p, _negative):
        p = astype(p, np.float64)
    return np.power(x, p)
