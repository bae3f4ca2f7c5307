"""Choosing between values, element by element: where, select, clip, nan_to_num; and isclose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of, is_inexact
from ..dispatch import asarray, implements, refuse_out, unsupported_argument
from ..rules import elementwise
from ..tracing import Tracer
from .elementwise import weight

where_p = elementwise(
    "where",
    None,
    jvps=(
        None,
        lambda t, y, c, a, b: np.where(c, t, 0),
        lambda t, y, c, a, b: np.where(c, 0, t),
    ),
    impl=np.where,
    dtype=lambda c, a, b: _promoted(a, b),
    transposes=(
        None,
        lambda ct, c, a, b: np.where(c, ct, 0),
        lambda ct, c, a, b: np.where(c, 0, ct),
    ),
    linear="jointly",
)


def _promoted(*avals: ShapedArray) -> np.dtype[Any]:
    return np.result_type(*[a.dtype_or_python_type(1) if a.weak_type else a.dtype for a in avals])


@implements(np.where)
def where(condition: Array, x: Array = None, y: Array = None) -> Any:
    """`np.where` on traced values."""
    if x is None and y is None:
        return np.nonzero(condition)
    return where_p.bind(
        asarray(condition, "np.where"), asarray(x, "np.where"), asarray(y, "np.where")
    )


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Array = 0) -> Array:
    """`np.select` on traced values."""
    y = asarray(default, "np.select")
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        y = np.where(condition, choice, y)
    return y


clip_p = elementwise(
    "clip",
    None,
    # Inside the bounds, and on them, x decides.
    lambda y, x, low, high: weight(y, (x >= low) & (x <= high)),
    lambda y, x, low, high: weight(y, (x < low) & (low <= high)),
    lambda y, x, low, high: weight(y, (x > high) | (low > high)),
    impl=np.clip,
    dtype=lambda x, low, high: _promoted(x, low, high),
)


@implements(np.clip)
def clip(
    a: Array, a_min: Array = None, a_max: Array = None, out: None = None, **kwargs: Any
) -> Array:
    """`np.clip` on traced values; on the edges the derivative is that of the inside."""
    low = kwargs.pop("min", None) if a_min is None else a_min
    high = kwargs.pop("max", None) if a_max is None else a_max
    kwargs.pop("min", None)
    kwargs.pop("max", None)
    if out is not None:
        refuse_out("np.clip")
    if kwargs:
        raise unsupported_argument(
            "np.clip", next(iter(kwargs)), next(iter(kwargs.values())), "leave it out"
        )
    x = asarray(a, "np.clip")
    inexact = is_inexact(aval_of(x).dtype)
    if low is None and high is None:
        return np.positive(x)
    if low is None:
        low = -math.inf if inexact else np.iinfo(aval_of(x).dtype).min
    if high is None:
        high = math.inf if inexact else np.iinfo(aval_of(x).dtype).max
    return clip_p.bind(x, asarray(low, "np.clip"), asarray(high, "np.clip"))


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """`np.nan_to_num` on traced values; where a value is replaced, the derivative is zero."""
    x = asarray(x, "np.nan_to_num")
    aval = aval_of(x)
    if aval.dtype.kind == "c":
        parts = [nan_to_num(p, copy, nan, posinf, neginf) for p in (np.real(x), np.imag(x))]
        return parts[0] + 1j * parts[1]
    if aval.dtype.kind != "f":
        return x
    info = np.finfo(aval.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == math.inf, info.max if posinf is None else posinf, x)
    return np.where(x == -math.inf, info.min if neginf is None else neginf, x)


@implements(np.isclose)
def isclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """`np.isclose` on traced values; its derivative is zero."""
    a, b = asarray(a, "np.isclose"), asarray(b, "np.isclose")
    both_finite = np.isfinite(a) & np.isfinite(b)
    x, y = np.where(both_finite, a, 0), np.where(both_finite, b, 0)
    near = np.abs(x - y) <= atol + rtol * np.abs(y)
    result = np.where(both_finite, near, a == b)
    return result | (np.isnan(a) & np.isnan(b)) if equal_nan else result


@implements(np.allclose)
def allclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """`np.allclose` on traced values; its derivative is zero."""
    close = np.all(np.isclose(a, b, rtol, atol, equal_nan))
    return close if isinstance(close, Tracer) else bool(close)
