"""Evenly spaced values between traced ends: linspace, logspace, geomspace and arange."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of, is_inexact
from ..dispatch import asarray, implements
from ..errors import ConcretizationError
from ..rules import align_batch, ndim_of, unbroadcast, variadic
from ..tracing import Primitive, Tracer
from .creation import known_value
from .elementwise import as_array, astype


def _shares(num: int, endpoint: bool) -> Array:
    """How much of the way from start to stop each value has behind it."""
    parts = num - 1 if endpoint else num
    return np.arange(num) / max(parts, 1)


def _one(aval: ShapedArray) -> Array:
    return aval.dtype_or_python_type(1) if aval.weak_type else aval.dtype.type(1)


def _linspace_shape(
    start: ShapedArray, stop: ShapedArray, *, num: int, endpoint: bool
) -> ShapedArray:
    dtype = np.linspace(_one(start), _one(stop), 1).dtype
    return ShapedArray((num, *np.broadcast_shapes(start.shape, stop.shape)), dtype)


def _linspace_batch(
    size: int, batched: Sequence[bool], start: Array, stop: Array, **params: Any
) -> Array:
    ends = start, stop
    rank = max([ndim_of(x) - b for x, b in zip(ends, batched, strict=True)])
    ends = tuple([align_batch(rank, x) if b else x for x, b in zip(ends, batched, strict=True)])
    return np.moveaxis(linspace_p.bind(*ends, **params), 0, 1)


linspace_p: Primitive = variadic(
    "linspace",
    lambda start, stop, *, num, endpoint: np.linspace(start, stop, num, endpoint),
    (
        lambda ct, start, stop, *, num, endpoint: unbroadcast(
            np.tensordot(1 - _shares(num, endpoint), ct, axes=1), start
        ),
        lambda ct, start, stop, *, num, endpoint: unbroadcast(
            np.tensordot(_shares(num, endpoint), ct, axes=1), stop
        ),
    ),
    linear="jointly",
    linear_args=(0, 1),
    shape=_linspace_shape,
    batch=_linspace_batch,
)
"""Equally spaced values along a new first axis."""


@implements(np.linspace)
def linspace(
    start: Array,
    stop: Array,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`np.linspace` between traced ends."""
    a, b = asarray(start, "np.linspace"), asarray(stop, "np.linspace")
    num, endpoint = operator.index(num), bool(endpoint)
    if num < 0:
        raise ValueError(f"np.linspace: `num` must not be negative; got {num}")
    y = linspace_p.bind(a, b, num=num, endpoint=endpoint)
    kind = y.dtype
    if dtype is not None:
        whole = np.issubdtype(dtype, np.integer) and kind.kind == "f"
        y = astype(np.floor(y) if whole else y, dtype)
    y = np.moveaxis(y, 0, axis)
    if not retstep:
        return y
    parts = num - 1 if endpoint else num
    return y, (astype(b, kind) - astype(a, kind)) / parts if parts > 0 else np.nan


@implements(np.logspace)
def logspace(
    start: Array,
    stop: Array,
    num: Any = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """`np.logspace` between traced ends, of a base that may be traced too."""
    a, b, c = [asarray(x, "np.logspace") for x in (start, stop, base)]
    if ndim_of(c):
        ndim = max([ndim_of(x) for x in (a, b, c)])
        a, b, c = [np.reshape(x, (1,) * (ndim - ndim_of(x)) + aval_of(x).shape) for x in (a, b, c)]
        c = np.expand_dims(c, axis)
    y = np.power(c, np.linspace(a, b, num, endpoint, axis=axis))
    return y if dtype is None else astype(y, dtype)


@implements(np.geomspace)
def geomspace(
    start: Array,
    stop: Array,
    num: Any = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """`np.geomspace` between traced ends, which the result holds exactly."""
    a, b = as_array(start, "np.geomspace"), as_array(stop, "np.geomspace")
    zeros = np.any(a == 0) | np.any(b == 0)
    if not isinstance(zeros, Tracer) and zeros:
        raise ValueError("np.geomspace: the ends must not be zero")
    kind = np.result_type(a.dtype, b.dtype, float, np.zeros((), dtype))
    a, b = np.broadcast_arrays(astype(a, kind), astype(b, kind))
    sign = np.sign(a)  # turned to where logarithms are real
    exponents = np.linspace(np.log10(a / sign), np.log10(b / sign), num, endpoint)
    y = np.power(10.0, exponents) * sign
    if y.shape[0] > 1 and endpoint:
        y = np.concatenate([a[None], y[1:-1], b[None]])
    elif y.shape[0]:
        y = np.concatenate([a[None], y[1:]])
    return astype(np.moveaxis(y, 0, axis), kind if dtype is None else dtype)


@implements(np.arange)
def arange(
    start: Array = None,
    stop: Array = None,
    step: Array = None,
    dtype: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.arange` between traced ends with concrete values, for they decide the length.

    NumPy alone hands it over only with `like=` a traced value.
    """
    if stop is None:
        start, stop = None, start
    first = 0 if start is None else asarray(start, "np.arange")
    by = 1 if step is None else asarray(step, "np.arange")
    plain = np.arange(*[_end(x) for x in (first, stop, by)], dtype=dtype)
    if not is_inexact(plain.dtype) or not isinstance(first, Tracer) | isinstance(by, Tracer):
        return plain
    begin = astype(first, plain.dtype)
    # NumPy goes by the difference of the first two values too.
    by = astype(first + by, plain.dtype) - begin
    return begin + by * np.arange(len(plain), dtype=plain.dtype)


def _end(x: Array) -> Array:
    """The value of an end; an error where it has none."""
    value = known_value(x)
    if value is None and isinstance(x, Tracer):
        with suppress(ConcretizationError):
            value = np.asarray(x.decided())
    if value is None:
        raise ConcretizationError(
            "np.arange: its ends decide the length of the result, so they must have concrete "
            "values.",
            got=repr(x),
            fix=x.remedy()
            + "use np.linspace(start, stop, n), or start + step * np.arange(n), with a plain n",
        )
    return value[()]
