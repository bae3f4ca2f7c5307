"""`ufunc.reduce`, `ufunc.accumulate` and `ufunc.outer`, where they have a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array
from ..dispatch import UFUNC_METHODS, UFUNCS
from ..rules import expand_reduced, reducer
from ..tracing import Rule
from .elementwise import as_array, astype, log_share
from .reductions import axes_of, norm_p


def _reduce_with(function: Any) -> Rule:
    def method(
        a: Array,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = as_array(a, "ufunc.reduce")
        if dtype is not None:
            x = astype(x, dtype)
        options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        if where is not True:
            options["where"] = where
        if initial is not None:
            options["initial"] = initial
        return function(x, **options)

    return method


def _log_sum(ufunc: Any, exp: Any) -> Any:
    """log(sum(exp(x))) as one primitive: the shares of the sum are the derivative."""

    def jvp(
        t: Array, y: Array, x: Array, *, axes: tuple[int, ...], keepdims: bool = False
    ) -> Array:
        shares = exp(log_share(x, expand_reduced(y, x, axes, keepdims)))
        return np.sum(t * shares, axis=axes, keepdims=keepdims)

    primitive = reducer(
        f"{ufunc.__name__}_reduce",
        lambda x, *, axes, keepdims=False: ufunc.reduce(x, axis=axes, keepdims=keepdims),
        jvp,
    )

    def function(x: Array, axis: Any = 0, keepdims: bool = False) -> Array:
        return primitive.bind(x, axes=axes_of(axis, x.ndim), keepdims=keepdims)

    return function


def _hypot_reduce(x: Array, axis: Any = 0, keepdims: bool = False) -> Array:
    return norm_p.bind(x, axes=axes_of(axis, x.ndim), keepdims=keepdims)


def _first_against_rest(combine: Any, reduce: Any) -> Any:
    """A reduction such as a - b - c = a - (b + c), along one axis."""

    def function(x: Array, axis: Any = 0, keepdims: bool = False) -> Array:
        i = normalize_axis_index(axis if axis is not None else 0, x.ndim)
        lead = (slice(None),) * i
        first, rest = x[(*lead, slice(0, 1))], x[(*lead, slice(1, None))]
        y = combine(first, reduce(rest, axis=i, keepdims=True))
        return y if keepdims else np.squeeze(y, i)

    return function


for _name, _function in {
    "add": np.sum,
    "multiply": np.prod,
    "maximum": np.max,
    "minimum": np.min,
    "logical_and": np.all,
    "logical_or": np.any,
    "logaddexp": _log_sum(np.logaddexp, np.exp),
    "logaddexp2": _log_sum(np.logaddexp2, np.exp2),
    "hypot": _hypot_reduce,
    "subtract": _first_against_rest(np.subtract, np.sum),
    "divide": _first_against_rest(np.divide, np.prod),
}.items():
    UFUNC_METHODS["reduce", _name] = _reduce_with(_function)


def _accumulate_with(function: Any) -> Rule:
    def method(array: Array, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        return function(array, axis=axis, dtype=dtype)

    return method


UFUNC_METHODS["accumulate", "add"] = _accumulate_with(np.cumsum)
UFUNC_METHODS["accumulate", "multiply"] = _accumulate_with(np.cumprod)


def _outer_with(ufunc: np.ufunc) -> Rule:
    def method(A: Array, B: Array, /, dtype: Any = None) -> Array:
        a, b = as_array(A, "ufunc.outer"), as_array(B, "ufunc.outer")
        if dtype is not None:
            a, b = astype(a, dtype), astype(b, dtype)
        return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)

    return method


for _ufunc in UFUNCS:
    if _ufunc.nin == 2 and _ufunc.nout == 1 and _ufunc.signature is None:
        UFUNC_METHODS["outer", _ufunc.__name__] = _outer_with(_ufunc)
