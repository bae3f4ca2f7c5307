"""`ufunc.reduce`, `ufunc.accumulate` and `ufunc.reduceat`, where they have a derivative.

Three kinds of reduction: those that have a function of their own (`np.sum` for `add.reduce`), those
in which the order of the elements does not matter (`logaddexp`), and those that go from left to
right (`subtract`). The last, and what accumulates, are recurrences `y = f(y, x)`. Their tangents
obey `t = (df/dy) t + (df/dx) x_dot`, which is solved in a number of NumPy calls that is logarithmic
in the length of the axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import UFUNC_METHODS, UFUNCS, unsupported_argument
from ..errors import ConcretizationError
from ..rules import expand_reduced, linear, reducer
from ..tracing import Primitive, Rule, Slope, Tracer
from .elementwise import as_array, astype
from .indexing import Place, getitem, scatter
from .reductions import axes_of, extreme_function, extreme_jvp, norm_jvp, sum_dtype

_ALL = slice(None)
_ufunc: np.ufunc


def loop_dtype(ufunc: np.ufunc, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which a ufunc of two arguments combines elements of a dtype."""
    found: np.dtype[Any] = ufunc.resolve_dtypes((dtype, dtype, None))[-1]
    return found


def _operand(ufunc: np.ufunc, method: str, a: Array, dtype: Any) -> Array:
    x = as_array(a, f"np.{ufunc.__name__}.{method}")
    kind = loop_dtype(ufunc, aval_of(x).dtype) if dtype is None else np.dtype(dtype)
    return x != 0 if kind.kind == "b" else astype(x, kind)


# Reductions with a function of their own, which knows all the keywords.


def _reduce_with(ufunc: np.ufunc, function: Any) -> Rule:
    def method(
        a: Array,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = as_array(a, f"np.{ufunc.__name__}.reduce")
        if dtype is not None:
            x = astype(x, dtype)
        options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
        if where is not True:
            options["where"] = where
        if initial is not None:
            options["initial"] = initial
        return function(x, **options)

    return method


def _reducer(ufunc: np.ufunc, jvp: Rule | None) -> Primitive:
    return reducer(
        f"{ufunc.__name__}_reduce",
        lambda x, *, axes, keepdims=False: ufunc.reduce(x, axis=axes, keepdims=keepdims),
        jvp,
    )


fmax_reduce_p = _reducer(np.fmax, extreme_jvp)
fmin_reduce_p = _reducer(np.fmin, extreme_jvp)
for _ufunc, _function in [
    (np.add, np.sum),
    (np.multiply, np.prod),
    (np.maximum, np.max),
    (np.minimum, np.min),
    (np.fmax, extreme_function(fmax_reduce_p, "np.fmax.reduce", np.fmax)),
    (np.fmin, extreme_function(fmin_reduce_p, "np.fmin.reduce", np.fmin)),
    (np.logical_and, np.all),
    (np.logical_or, np.any),
]:
    UFUNC_METHODS["reduce", _ufunc.__name__] = _reduce_with(_ufunc, _function)

# Reductions in any order. `neutral` stands for what `where=` leaves out.


def _symmetric_reduce(ufunc: np.ufunc, jvp: Rule | None, neutral: Any) -> Rule:
    primitive = _reducer(ufunc, jvp)

    def method(
        a: Array,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = _operand(ufunc, "reduce", a, dtype)
        if where is not True:
            x = np.where(where, x, np.asarray(neutral).astype(x.dtype))
        y = primitive.bind(x, axes=axes_of(axis, x.ndim), keepdims=keepdims)
        return y if initial is None else ufunc(y, astype(initial, y.dtype))

    return method


def _log_sum_jvp(exp: Any) -> Rule:
    """The derivative of log(sum(exp(x))): the shares of the sum."""

    def jvp(
        t: Array, y: Array, x: Array, *, axes: tuple[int, ...], keepdims: bool = False
    ) -> Array:
        top = expand_reduced(y, x, axes, keepdims)
        # Elements equal to the result, all infinite or so large that the others do not count,
        # share it equally.
        ahead = x == top
        shares = exp(np.where(ahead, 0, x - np.where(ahead, 0, top)))
        shares = shares / np.sum(shares, axis=axes, keepdims=True)
        return np.sum(t * shares, axis=axes, keepdims=keepdims)

    return jvp


for _ufunc, _jvp, _neutral in [
    (np.logaddexp, _log_sum_jvp(np.exp), -np.inf),
    (np.logaddexp2, _log_sum_jvp(np.exp2), -np.inf),
    (np.hypot, norm_jvp, 0.0),
    (np.logical_xor, None, False),
    (np.bitwise_and, None, -1),
    (np.bitwise_or, None, 0),
    (np.bitwise_xor, None, 0),
    (np.gcd, None, 0),
]:
    UFUNC_METHODS["reduce", _ufunc.__name__] = _symmetric_reduce(_ufunc, _jvp, _neutral)

# Recurrences: y[i] = f(y[i - 1], x[i]).


def _partial(slope: Slope, y: Array, a: Array, b: Array) -> Array:
    """A partial derivative as an array of the result's shape."""
    if slope is None or type(slope) is float:
        return np.full_like(y, slope or 0.0)
    return slope(y, a, b)


def _steps(ufunc: np.ufunc, t: Array, y: Array, x: Array, axis: int) -> tuple[Array, Array]:
    """Each step of the recurrence of tangents, t -> gain * t + term, along the first axis."""
    y, x, t = [np.moveaxis(v, axis, 0) for v in (y, x, t)]
    before, here, after = y[:-1], x[1:], y[1:]
    step: Primitive = UFUNCS[np.power if ufunc is np.float_power else ufunc]
    gain = _partial(step.slope0, after, before, here)
    term = _partial(step.slope1, after, before, here) * t[1:]
    return (
        np.concatenate([np.ones_like(y[:1]), gain]),
        np.concatenate([t[:1], term]),
    )


def _last_tangent(
    ufunc: np.ufunc, t: Array, y: Array, x: Array, *, axes: tuple[int], keepdims: bool = False
) -> Array:
    """Joins neighbouring steps until one is left."""
    (axis,) = axes
    states = ufunc.accumulate(x, axis=axis)
    gain, term = _steps(ufunc, t, states, x, axis)
    n = x.shape[axis]
    while n > 1:
        even = n - n % 2
        first, second = slice(0, even, 2), slice(1, even, 2)
        joined = gain[second] * gain[first], gain[second] * term[first] + term[second]
        gain, term = [
            np.concatenate([new, old[even:]]) if n % 2 else new
            for new, old in zip(joined, (gain, term), strict=True)
        ]
        n = n // 2 + n % 2
    return np.expand_dims(term[0], axis) if keepdims else term[0]


def _all_tangents(ufunc: np.ufunc, t: Array, y: Array, x: Array, *, axis: int) -> Array:
    """A scan of the steps by doubling (Hillis and Steele, 1986)."""
    gain, term = _steps(ufunc, t, y, x, axis)
    n, step = x.shape[axis], 1
    while step < n:
        head, tail = gain[step:], gain[:-step]
        term = np.concatenate([term[:step], head * term[:-step] + term[step:]])
        gain = np.concatenate([gain[:step], head * tail])
        step *= 2
    return np.moveaxis(term, 0, axis)


def _one_axis(ufunc: np.ufunc, axis: Any, ndim: int) -> int:
    axes = axes_of(axis, ndim)
    if len(axes) != 1:
        raise ValueError(
            f"np.{ufunc.__name__}.reduce: the order of the elements matters, so it needs one axis; "
            f"got axis={axis} for an array with {ndim} axes"
        )
    return axes[0]


def _ordered_reduce(ufunc: np.ufunc, run: Rule) -> Rule:
    name = f"np.{ufunc.__name__}.reduce"

    def method(
        a: Array,
        axis: Any = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = _operand(ufunc, "reduce", a, dtype)
        if where is not True:
            raise unsupported_argument(
                name,
                "where",
                where,
                "leave elements out with a neutral value: np.where(mask, x, v)",
            )
        i = _one_axis(ufunc, axis, x.ndim)
        if initial is not None:
            start = np.broadcast_to(astype(initial, x.dtype), (*x.shape[:i], 1, *x.shape[i + 1 :]))
            x = np.concatenate([start, x], axis=i)
        if x.shape[i] == 0:
            raise ValueError(f"{name}: nothing to reduce along axis {i} of {aval_of(x)!r}")
        return run(x, axes=(i,), keepdims=keepdims)

    return method


def _accumulator(ufunc: np.ufunc, jvp: Rule | None) -> Rule:
    primitive = Primitive(
        f"{ufunc.__name__}_accumulate",
        lambda x, *, axis: ufunc.accumulate(x, axis=axis),
        shape=lambda x, *, axis: x,
        jvps=(jvp,),
        batch=lambda size, batched, x, *, axis: primitive.bind(x, axis=axis + 1),
    )
    return _accumulate_by(ufunc, primitive.bind)


def _accumulate_by(ufunc: np.ufunc, run: Rule) -> Rule:
    def method(array: Array, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        x = _operand(ufunc, "accumulate", array, dtype)
        return run(x, axis=normalize_axis_index(axis, x.ndim))

    return method


def _running_extreme_jvp(t: Array, y: Array, x: Array, *, axis: int) -> Array:
    """The element that the result comes from: of equal ones, the first."""
    lead = (_ALL,) * axis
    before, after = y[(*lead, slice(None, -1))], y[(*lead, slice(1, None))]
    changed = (before != after) & ~(np.isnan(before) & np.isnan(after))
    places = np.arange(1, x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    found = np.where(changed, places, 0)
    start = np.zeros_like(x[(*lead, slice(0, 1))], dtype=found.dtype)
    source = np.maximum.accumulate(np.concatenate([start, found], axis=axis), axis=axis)
    return np.take_along_axis(t, source, axis)


def _accumulate_with(function: Any) -> Rule:
    def method(array: Array, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        return function(array, axis=axis, dtype=dtype)

    return method


UFUNC_METHODS["accumulate", "add"] = _accumulate_with(np.cumsum)
UFUNC_METHODS["accumulate", "multiply"] = _accumulate_with(np.cumprod)
for _ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
    UFUNC_METHODS["accumulate", _ufunc.__name__] = _accumulator(_ufunc, _running_extreme_jvp)
for _ufunc in (np.logaddexp, np.logaddexp2, np.hypot):
    UFUNC_METHODS["accumulate", _ufunc.__name__] = _accumulator(
        _ufunc, partial(_all_tangents, _ufunc)
    )
for _ufunc in (
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.bitwise_and,
    np.bitwise_or,
    np.bitwise_xor,
    np.gcd,
):
    UFUNC_METHODS["accumulate", _ufunc.__name__] = _accumulator(_ufunc, None)


def _first_against_rest(x: Array, axis: int) -> Array:
    """a, -b, -c, ...: their sum is a - b - c."""
    signs = np.where(np.arange(x.shape[axis]) == 0, 1, -1).astype(x.dtype)
    return x * np.reshape(signs, [-1 if i == axis else 1 for i in range(x.ndim)])


UFUNC_METHODS["reduce", "subtract"] = _ordered_reduce(
    np.subtract,
    lambda x, *, axes, keepdims: astype(
        np.sum(_first_against_rest(x, axes[0]), axis=axes, keepdims=keepdims), x.dtype
    ),
)
UFUNC_METHODS["accumulate", "subtract"] = _accumulate_by(
    np.subtract,
    lambda x, *, axis: astype(np.cumsum(_first_against_rest(x, axis), axis=axis), x.dtype),
)
for _ufunc in (
    np.divide,
    np.power,
    np.float_power,
    np.arctan2,
    np.fmod,
    np.remainder,
    np.floor_divide,
    np.copysign,
    np.nextafter,
    np.heaviside,
):
    # NumPy's SIMD loops of power and arctan2 give wrong values in `reduce` (NumPy 2.4, AVX-512).
    if _ufunc is not np.power and _ufunc is not np.arctan2:
        UFUNC_METHODS["reduce", _ufunc.__name__] = _ordered_reduce(
            _ufunc, _reducer(_ufunc, partial(_last_tangent, _ufunc)).bind
        )
    UFUNC_METHODS["accumulate", _ufunc.__name__] = _accumulator(
        _ufunc, partial(_all_tangents, _ufunc)
    )
for _ufunc in (np.left_shift, np.right_shift, np.lcm):
    UFUNC_METHODS["reduce", _ufunc.__name__] = _ordered_reduce(_ufunc, _reducer(_ufunc, None).bind)
    UFUNC_METHODS["accumulate", _ufunc.__name__] = _accumulator(_ufunc, None)


# reduceat: each index starts a segment, which ends at the next index; where the next is not larger,
# the segment is one element.


def _segments(indices: Array, n: int) -> tuple[Array, Array]:
    """For all segments, one behind the other: the elements' positions, and their segments."""
    lengths = np.maximum(np.append(indices[1:], n) - indices, 1)
    which = np.repeat(np.arange(len(indices)), lengths)
    starts = np.cumsum(lengths) - lengths
    return np.arange(len(which)) + (indices - starts)[which], which


def _reduceat_shape(x: ShapedArray, indices: ShapedArray, *, axis: int) -> ShapedArray:
    return ShapedArray((*x.shape[:axis], indices.shape[0], *x.shape[axis + 1 :]), x.dtype)


def _reduceat_batch(of: Any) -> Rule:
    def batch(size: int, batched: Sequence[bool], x: Array, indices: Array, *, axis: int) -> Array:
        return of().bind(x, indices, axis=axis + 1)

    return batch


def _add_reduceat_transpose(ct: Array, x: Any, indices: Array, *, axis: int) -> Array:
    lead = (_ALL,) * axis
    places, which = _segments(indices, x.shape[axis])
    return scatter(getitem(ct, (*lead, which)), (*lead, Place.ARRAY), x.shape, places)


def _extreme_reduceat_jvp(t: Array, y: Array, x: Array, indices: Array, *, axis: int) -> Array:
    """Equal elements of a segment share its derivative."""
    lead = (_ALL,) * axis
    places, which = _segments(indices, x.shape[axis])
    starts = np.searchsorted(which, np.arange(len(indices)))
    x, t, top = getitem(x, (*lead, places)), getitem(t, (*lead, places)), getitem(y, (*lead, which))
    hits = astype((x == top) | (np.isnan(x) & np.isnan(top)), aval_of(x).dtype)
    total = np.add.reduceat(t * hits, starts, axis=axis)
    return total / np.add.reduceat(hits, starts, axis=axis)


def _reduceat(ufunc: np.ufunc, primitive: Primitive) -> Rule:
    name = f"np.{ufunc.__name__}.reduceat"

    def method(
        array: Array, indices: Any, axis: int = 0, dtype: Any = None, out: None = None
    ) -> Array:
        if isinstance(indices, Tracer):
            raise ConcretizationError(
                f"{name} needs concrete indices.",
                got=repr(indices),
                fix="compute the indices outside of the transformed function",
            )
        x = as_array(array, name)
        if dtype is not None or ufunc is np.add:
            x = astype(x, sum_dtype(x.dtype) if dtype is None else dtype)
        axis = normalize_axis_index(axis, x.ndim)
        places = np.asarray(indices, np.intp)
        bad = places[(places < 0) | (places >= x.shape[axis])]
        if bad.size:
            raise IndexError(
                f"{name}: index {bad[0]} is out of bounds for axis {axis} of {aval_of(x)!r}"
            )
        return primitive.bind(x, places, axis=axis)

    return method


add_reduceat_p: Primitive = linear(
    "add_reduceat",
    lambda x, indices, *, axis: np.add.reduceat(x, indices, axis=axis),
    _add_reduceat_transpose,
    shape=_reduceat_shape,
    batch=_reduceat_batch(lambda: add_reduceat_p),
)
UFUNC_METHODS["reduceat", "add"] = _reduceat(np.add, add_reduceat_p)


def _extreme_reduceat(ufunc: np.ufunc) -> Primitive:
    primitive: Primitive = Primitive(
        f"{ufunc.__name__}_reduceat",
        lambda x, indices, *, axis: ufunc.reduceat(x, indices, axis=axis),
        shape=_reduceat_shape,
        jvps=(_extreme_reduceat_jvp, None),
        batch=_reduceat_batch(lambda: primitive),
    )
    return primitive


for _ufunc in (np.maximum, np.minimum):
    UFUNC_METHODS["reduceat", _ufunc.__name__] = _reduceat(_ufunc, _extreme_reduceat(_ufunc))
