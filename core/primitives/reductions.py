"""Reductions: sum, mean, var, std, prod, max, min, norm, any, all, argmax, argmin, ptp.

The reducers take `axes`, a tuple of non-negative ints, and `keepdims`. Ties of max and min share
the derivative equally; products with zeros, and the standard deviation and the norm at zero, have
finite derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..rules import expand_reduced, reducer, spread, zero_derivative
from ..tracing import Primitive, Rule, Tracer
from .elementwise import as_array, astype, real_dtype

Axes = tuple[int, ...]


def axes_of(axis: Any, ndim: int) -> Axes:
    """What NumPy takes for `axis` as a tuple of non-negative ints."""
    if axis is None:
        return tuple(range(ndim))
    if ndim == 0 and (axis == 0 or axis == -1):
        return ()  # NumPy lets a scalar have an axis here
    return normalize_axis_tuple(axis, ndim)


def _count(x: Any, axes: Axes) -> int:
    n = 1
    for i in axes:
        n *= x.shape[i]
    return n


def _freedom(x: Any, axes: Axes, ddof: float) -> float:
    """The divisor of the variance; `max` is NumPy's in this file."""
    n = _count(x, axes) - ddof
    return n if n > 0 else 0


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """NumPy adds bools and small ints up as long ints."""
    if dtype.kind not in "biu" or dtype.itemsize >= 8:
        return dtype
    return np.dtype(np.uint64 if dtype.kind == "u" else np.int64)


def _as_reduction(ufunc: Any) -> Rule:
    def impl(x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
        return ufunc.reduce(x, axis=axes, keepdims=keepdims)

    return impl


def _reduce(primitive: Primitive, x: Array, axes: Axes, keepdims: bool, **params: Any) -> Array:
    if keepdims:
        params["keepdims"] = True
    params["axes"] = axes
    if isinstance(x, Tracer):
        return x._trace.process(primitive, (x,), params)
    return primitive.impl(x, **params)


# Sum and mean.


def _sum_transpose(ct: Array, x: Any, *, axes: Axes, keepdims: bool = False) -> Array:
    if type(ct) is np.float64:
        return spread(ct, x.shape)
    return np.broadcast_to(expand_reduced(ct, x, axes, keepdims), x.shape)


_add_up = _as_reduction(np.add)
reduce_sum_p = reducer("reduce_sum", _add_up, None, transpose=_sum_transpose, dtype=sum_dtype)


def _mean(x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    if x.dtype.itemsize < 4 or not _count(
        x, axes
    ):  # float16 adds up in float32; the mean of nothing warns
        return np.mean(x, axis=axes, keepdims=keepdims)
    return _add_up(x, axes=axes, keepdims=keepdims) / _count(x, axes)


mean_p = reducer(
    "mean",
    _mean,
    None,
    transpose=lambda ct, x, *, axes, keepdims=False: _sum_transpose(
        ct / _count(x, axes), x, axes=axes, keepdims=keepdims
    ),
)


def _masked_operand(x: Array, where: Any, neutral: Any) -> Array:
    """The operand with what `where=` leaves out replaced by a value that does not count."""
    return x if where is True else np.where(where, x, neutral)


@implements(np.sum)
def sum(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """`np.sum` on traced values."""
    x = _masked_operand(as_array(a, "np.sum"), where, 0)
    if dtype is not None:
        x = astype(x, dtype)
    y = _reduce(reduce_sum_p, x, axes_of(axis, x.ndim), keepdims)
    return y if initial is None else y + astype(initial, y.dtype)


@implements(np.mean)
def mean(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = True,
) -> Array:
    """`np.mean` on traced values."""
    x = _float_operand(as_array(a, "np.mean"), dtype)
    axes = axes_of(axis, x.ndim)
    if where is True:
        return _reduce(mean_p, x, axes, keepdims)
    count = np.sum(np.broadcast_to(where, x.shape), axis=axes, keepdims=keepdims)
    return np.sum(x, axis=axes, keepdims=keepdims, where=where) / astype(count, x.dtype)


def _float_operand(x: Array, dtype: Any) -> Array:
    if dtype is not None:
        return astype(x, dtype)
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


# Variance, standard deviation, norm.


def _deviation(x: Array, axes: Axes) -> Array:
    """The distances from the mean. Twice, for a constant whose mean is rounded to have none."""
    x = x - np.mean(x, axis=axes, keepdims=True)
    return x - np.mean(x, axis=axes, keepdims=True)


def real_product(a: Array, t: Array) -> Array:
    """Re(conj(a) t): the derivative of |a|^2 / 2."""
    return np.real(np.conjugate(a) * t) if aval_of(a).dtype.kind == "c" else t * a


def _var_jvp(
    t: Array, y: Array, x: Array, *, axes: Axes, ddof: float, keepdims: bool = False
) -> Array:
    n = _freedom(x, axes, ddof)
    deviation = _deviation(x, axes) * 2.0
    return np.sum(real_product(deviation, t), axis=axes, keepdims=keepdims) / n


def _std_jvp(
    t: Array, y: Array, x: Array, *, axes: Axes, ddof: float, keepdims: bool = False
) -> Array:
    # Where all values are equal the deviations are 0, and so is this (the subgradient of least
    # norm).
    n = _freedom(x, axes, ddof)
    scale = n * np.where(y == 0, 1, y)
    return np.sum(real_product(_deviation(x, axes), t), axis=axes, keepdims=keepdims) / scale


var_p = reducer(
    "var",
    lambda x, *, axes, ddof, keepdims=False: np.var(x, axis=axes, ddof=ddof, keepdims=keepdims),
    _var_jvp,
    dtype=real_dtype,
)
std_p = reducer(
    "std",
    lambda x, *, axes, ddof, keepdims=False: np.std(x, axis=axes, ddof=ddof, keepdims=keepdims),
    _std_jvp,
    dtype=real_dtype,
)


def _spread_function(primitive: Primitive, name: str, root: bool) -> Rule:
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
        if dtype is not None:
            dtype = np.dtype(dtype)
            if dtype.kind == "c":  # the result is real, whatever its dtype
                options: dict[str, Any] = {"where": where, "mean": mean, "correction": correction}
                wide = (
                    astype(x, dtype)
                    if aval_of(x).dtype.kind == "c"
                    else astype(x, real_dtype(dtype))
                )
                return astype(function(wide, axis, None, None, ddof, keepdims, **options), dtype)
            if aval_of(x).dtype.kind == "c":
                raise unsupported_argument(
                    name, "dtype", dtype, "give a complex dtype, or cast the result"
                )
        x = _float_operand(x, dtype)
        axes = axes_of(axis, x.ndim)
        ddof = ddof if correction is None else correction
        if where is True and mean is None:
            return _reduce(primitive, x, axes, keepdims, ddof=ddof)
        mask = np.broadcast_to(where, x.shape)
        if mean is None:
            mean = np.mean(x, axis=axes, keepdims=True, where=mask)
        d = np.where(mask, x - mean, 0)
        count = astype(
            np.maximum(np.sum(mask, axis=axes, keepdims=keepdims) - ddof, 0), real_dtype(d.dtype)
        )
        if root:
            return _reduce(norm_p, d, axes, keepdims) / np.sqrt(count)
        return np.sum(real_product(d, d), axis=axes, keepdims=keepdims) / count

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values."
    return function


var = implements(np.var)(_spread_function(var_p, "np.var", root=False))
std = implements(np.std)(_spread_function(std_p, "np.std", root=True))


def _norm(x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    squares: Any = x * x if x.dtype.kind != "c" else x.real**2 + x.imag**2
    return np.sqrt(_add_up(squares, axes=axes, keepdims=keepdims))


def norm_jvp(t: Array, y: Array, x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    """The derivative of the length of a vector."""
    # At 0 this is 0, the subgradient of least norm.
    return np.sum(real_product(x, t), axis=axes, keepdims=keepdims) / np.where(y == 0, 1, y)


norm_p = reducer("norm", _norm, norm_jvp, dtype=real_dtype)
"""The Euclidean norm over axes."""

# Products.


def _prod_jvp(t: Array, y: Array, x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    """Multiplies (value, tangent) pairs, half with half, as often as it takes: exact with zeros,
    and linear in time.
    """
    ndim = x.ndim
    kept = [i for i in range(ndim) if i not in axes]
    shape = tuple([x.shape[i] for i in kept])
    n = _count(x, axes)
    v, t = [np.reshape(np.transpose(a, (*axes, *kept)), (n, *shape)) for a in (x, t)]
    if n == 0:
        t = np.sum(t, axis=0, keepdims=True)
    while n > 1:
        half = n // 2
        first, second, t_first, t_second = (
            v[:half],
            v[half : 2 * half],
            t[:half],
            t[half : 2 * half],
        )
        rest, t_rest = v[2 * half :], t[2 * half :]
        v, t = first * second, t_first * second + t_second * first
        if n % 2:
            v, t = np.concatenate([v, rest]), np.concatenate([t, t_rest])
        n = half + n % 2
    return expand_reduced(t[0], x, axes, False) if keepdims else t[0]


reduce_prod_p = reducer("reduce_prod", _as_reduction(np.multiply), _prod_jvp, dtype=sum_dtype)


@implements(np.prod)
def prod(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Array:
    """`np.prod` on traced values."""
    x = _masked_operand(as_array(a, "np.prod"), where, 1)
    if dtype is not None:
        x = astype(x, dtype)
    y = _reduce(reduce_prod_p, x, axes_of(axis, x.ndim), keepdims)
    return y if initial is None else y * astype(initial, y.dtype)


# Extremes.


def extreme_jvp(t: Array, y: Array, x: Array, *, axes: Axes, keepdims: bool = False) -> Array:
    """The mean of the tangents of all elements that equal the result."""
    top = expand_reduced(y, x, axes, keepdims)
    hits = astype((x == top) | (np.isnan(x) & np.isnan(top)), aval_of(x).dtype)
    share = hits / np.sum(hits, axis=axes, keepdims=True)
    return np.sum(t * share, axis=axes, keepdims=keepdims)


reduce_max_p = reducer("reduce_max", _as_reduction(np.maximum), extreme_jvp)
reduce_min_p = reducer("reduce_min", _as_reduction(np.minimum), extreme_jvp)


def extreme_function(primitive: Primitive, name: str, pairwise: np.ufunc) -> Rule:
    """NumPy's function for a reduction to an extreme, with `initial` and `where`."""

    def function(
        a: Array,
        axis: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = as_array(a, name)
        if where is not True and initial is None:
            raise ValueError(f"{name}: `where` needs `initial`, as in NumPy")
        axes = axes_of(axis, x.ndim)
        if initial is not None:
            initial = astype(initial, x.dtype)
            if not _count(x, axes):
                kept = [1 if i in axes else d for i, d in enumerate(x.shape)]
                start = np.full(kept, initial)
                return start if keepdims else np.squeeze(start, axes)
        y = _reduce(primitive, _masked_operand(x, where, initial), axes, keepdims)
        return y if initial is None else pairwise(y, initial)

    function.__name__ = name.rpartition(".")[2]
    function.__doc__ = f"`{name}` on traced values; ties share the derivative equally."
    return function


max = implements(np.max, np.amax)(extreme_function(reduce_max_p, "np.max", np.maximum))
min = implements(np.min, np.amin)(extreme_function(reduce_min_p, "np.min", np.minimum))


@implements(np.ptp)
def ptp(a: Array, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    """`np.ptp` on traced values."""
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


# Truth and positions: no derivative.

_BOOL = np.dtype(np.bool_)
reduce_any_p = reducer("reduce_any", _as_reduction(np.logical_or), None, dtype=lambda d: _BOOL)
reduce_all_p = reducer("reduce_all", _as_reduction(np.logical_and), None, dtype=lambda d: _BOOL)


@implements(np.any)
def any(
    a: Array, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Array:
    """`np.any` on traced values."""
    x = _masked_operand(as_array(a, "np.any"), where, False)
    return _reduce(reduce_any_p, x, axes_of(axis, x.ndim), keepdims)


@implements(np.all)
def all(
    a: Array, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Array:
    """`np.all` on traced values."""
    x = _masked_operand(as_array(a, "np.all"), where, True)
    return _reduce(reduce_all_p, x, axes_of(axis, x.ndim), keepdims)


@implements(np.count_nonzero)
def count_nonzero(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    """`np.count_nonzero` on traced values."""
    return np.sum(as_array(a, "np.count_nonzero") != 0, axis=axis, keepdims=keepdims)


def position_function(name: str, numpys: Any) -> Rule:
    """NumPy's function for the position of an extreme."""
    primitive = zero_derivative(
        name,
        lambda x, *, axis: numpys(x, axis=axis),
        shape=lambda x, *, axis: ShapedArray(
            x.shape[:axis] + x.shape[axis + 1 :], np.dtype(np.intp)
        ),
        batch=lambda size, batched, x, *, axis: primitive.bind(x, axis=axis + 1),
    )

    def function(
        a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False
    ) -> Array:
        x = as_array(a, f"np.{name}")
        ndim = x.ndim
        if axis is None or (ndim == 0 and axis in (0, -1)):
            y = primitive.bind(np.ravel(x), axis=0)
            return np.reshape(y, (1,) * ndim) if keepdims else y
        y = primitive.bind(x, axis=normalize_axis_index(axis, ndim))
        return np.expand_dims(y, axis) if keepdims else y

    function.__name__ = name
    function.__doc__ = f"`np.{name}` on traced values: plain integers."
    return function


argmax = implements(np.argmax)(position_function("argmax", np.argmax))
argmin = implements(np.argmin)(position_function("argmin", np.argmin))
