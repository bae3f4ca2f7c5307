"""NumPy's functions that ignore NaN. (The quantiles among them are in quantiles.py.)

An element that is left out has the derivative zero. So has every element where all are left out,
and the result is NaN. What `where=` leaves out becomes NaN first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements
from ..rules import reducer
from ..tracing import Primitive, Rule
from .elementwise import as_array, astype, real_dtype
from .reductions import (
    Axes,
    axes_of,
    extreme_function,
    extreme_jvp,
    position_function,
    real_product,
)
from .ufunc_methods import fmax_reduce_p, fmin_reduce_p

# Sums and products: NaN counts as the neutral element.


def _without_nan(a: Array, name: str, neutral: int) -> Array:
    x = as_array(a, name)
    return np.where(np.isnan(x), neutral, x) if aval_of(x).dtype.kind in "fc" else x


@implements(np.nansum)
def nansum(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """`np.nansum` on traced values."""
    x = _without_nan(a, "np.nansum", 0)
    return np.sum(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


@implements(np.nanprod)
def nanprod(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """`np.nanprod` on traced values."""
    x = _without_nan(a, "np.nanprod", 1)
    return np.prod(x, axis, dtype, keepdims=keepdims, initial=initial, where=where)


@implements(np.nancumsum)
def nancumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """`np.nancumsum` on traced values."""
    return np.cumsum(_without_nan(a, "np.nancumsum", 0), axis, dtype)


@implements(np.nancumprod)
def nancumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """`np.nancumprod` on traced values."""
    return np.cumprod(_without_nan(a, "np.nancumprod", 1), axis, dtype)


# Mean, variance, standard deviation.


def _kept(x: Array) -> Array:
    return ~np.isnan(x)


def _count(x: Array, axes: Axes, keepdims: bool) -> Array:
    """The number of elements that are not NaN."""
    return np.sum(_kept(x), axis=axes, keepdims=keepdims)


def _divisor(count: Array, x: Array) -> Array:
    """A count to divide by: infinite where it is not positive."""
    return astype(np.where(count > 0, count, np.inf), real_dtype(aval_of(x).dtype))


def _nanmean_jvp(t: Array, y: Array, x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    total = np.sum(np.where(_kept(x), t, 0), axis=axes, keepdims=keepdims)
    return total / _divisor(_count(x, axes, keepdims), x)


def _nan_deviation(x: Array, axes: Axes) -> Array:
    """The distances from the mean, 0 for NaN."""
    kept = _kept(x)
    divisor = _divisor(_count(x, axes, True), x)
    for _ in range(2):  # see `_deviation`
        x = np.where(kept, x, 0)
        x = x - np.sum(x, axis=axes, keepdims=True) / divisor
    return np.where(kept, x, 0)


def _nanvar_jvp(
    t: Array, y: Array, x: Array, *, axes: Axes, ddof: float, keepdims: bool = False
) -> Array:
    t = np.where(_kept(x), t, 0)
    total = np.sum(real_product(_nan_deviation(x, axes), t), axis=axes, keepdims=keepdims)
    return 2.0 * total / _divisor(_count(x, axes, keepdims) - ddof, x)


def _nanstd_jvp(
    t: Array, y: Array, x: Array, *, axes: Axes, ddof: float, keepdims: bool = False
) -> Array:
    t = np.where(_kept(x), t, 0)
    total = np.sum(real_product(_nan_deviation(x, axes), t), axis=axes, keepdims=keepdims)
    scale = np.where((y == 0) | np.isnan(y), 1, y)
    return total / (_divisor(_count(x, axes, keepdims) - ddof, x) * scale)


nanmean_p = reducer(
    "nanmean",
    lambda x, *, axes, keepdims=False: np.nanmean(x, axis=axes, keepdims=keepdims),
    _nanmean_jvp,
)
nanvar_p = reducer(
    "nanvar",
    lambda x, *, axes, ddof, keepdims=False: np.nanvar(x, axis=axes, ddof=ddof, keepdims=keepdims),
    _nanvar_jvp,
    dtype=real_dtype,
)
nanstd_p = reducer(
    "nanstd",
    lambda x, *, axes, ddof, keepdims=False: np.nanstd(x, axis=axes, ddof=ddof, keepdims=keepdims),
    _nanstd_jvp,
    dtype=real_dtype,
)


def _float_operand(x: Array, name: str, dtype: Any, where: Any) -> Array:
    """A floating-point operand, with NaN where the mask `where` is False."""
    if dtype is not None:
        if np.dtype(dtype).kind not in "fc":
            raise TypeError(f"{name}: dtype must be float or complex; got {np.dtype(dtype)}")
        x = astype(x, dtype)
    return x if where is True else np.where(where, x, np.nan)


@implements(np.nanmean)
def nanmean(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Array:
    """`np.nanmean` on traced values."""
    x = as_array(a, "np.nanmean")
    if aval_of(x).dtype.kind not in "fc":
        return np.mean(x, axis, dtype, keepdims=keepdims, where=where)
    x = _float_operand(x, "np.nanmean", dtype, where)
    return nanmean_p.bind(x, axes=axes_of(axis, x.ndim), keepdims=bool(keepdims))


def _nan_spread_function(primitive: Primitive, name: str, plain: Any) -> Rule:
    def function(
        a: Array,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: float | None = None,
    ) -> Array:
        x = as_array(a, name)
        if correction is not None:
            if ddof != 0:
                raise ValueError(
                    f"{name}: give either ddof or correction; got {ddof}, {correction}"
                )
            ddof = correction
        real = aval_of(x).dtype.kind not in "fc"
        if mean is not None or real:
            if not real:
                x = _float_operand(x, name, dtype, where)
                where = _kept(x)
            extra = {} if mean is None else {"mean": mean}
            if extra and not real:
                extra["mean"] = astype(as_array(mean, name), aval_of(x).dtype)
            y = plain(x, axis, dtype, ddof=ddof, keepdims=keepdims, where=where, **extra)
            if real:
                return y
            free = np.sum(where, axis=axis, keepdims=keepdims) > ddof
            return np.where(free, y, np.nan)
        x = _float_operand(x, name, dtype, where)
        return primitive.bind(x, axes=axes_of(axis, x.ndim), ddof=ddof, keepdims=bool(keepdims))

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values."
    return function


nanvar = implements(np.nanvar)(_nan_spread_function(nanvar_p, "np.nanvar", np.var))
nanstd = implements(np.nanstd)(_nan_spread_function(nanstd_p, "np.nanstd", np.std))

# Extremes, which warn where there are NaN only; and their positions.

nanmax_p = reducer(
    "nanmax",
    lambda x, *, axes, keepdims=False: np.nanmax(x, axis=axes, keepdims=keepdims),
    extreme_jvp,
)
nanmin_p = reducer(
    "nanmin",
    lambda x, *, axes, keepdims=False: np.nanmin(x, axis=axes, keepdims=keepdims),
    extreme_jvp,
)


def _nan_extreme_function(primitive: Primitive, quiet: Primitive, pairwise: np.ufunc) -> Rule:
    name = f"np.{primitive.name}"
    with_options = extreme_function(quiet, name, pairwise)

    def function(
        a: Array,
        axis: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        if initial is not None or where is not True:
            return with_options(a, axis, None, keepdims, initial, where)
        x = as_array(a, name)
        return primitive.bind(x, axes=axes_of(axis, x.ndim), keepdims=bool(keepdims))

    function.__name__ = primitive.name
    function.__doc__ = f"`{name}` on traced values; ties share the derivative equally."
    return function


nanmax = implements(np.nanmax)(_nan_extreme_function(nanmax_p, fmax_reduce_p, np.fmax))
nanmin = implements(np.nanmin)(_nan_extreme_function(nanmin_p, fmin_reduce_p, np.fmin))
nanargmax = implements(np.nanargmax)(position_function("nanargmax", np.nanargmax))
nanargmin = implements(np.nanargmin)(position_function("nanargmin", np.nanargmin))
