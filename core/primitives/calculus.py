"""Sampled functions: differences, gradients, integrals by trapezoids, interpolation, phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import asarray, implements, unsupported_argument
from ..errors import ShapeError
from ..rules import align_batch, bilinear, lane_by_lane, ndim_of, unbroadcast
from ..tracing import Primitive, Tracer
from .elementwise import as_array, astype
from .indexing import Place, getitem, scatter

_ALL = slice(None)


def _part(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    return x[(*[_ALL] * axis, slice(start, stop))]


# Differences.


@implements(np.diff)
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """`np.diff` on traced values."""
    x = as_array(a, "np.diff")
    if n < 0:
        raise ValueError(f"np.diff: the order must not be negative; got {n}")
    axis = normalize_axis_index(axis, x.ndim)
    ends = []
    for end in (prepend, append):
        if end is not None:
            end = as_array(end, "np.diff")
            if np.ndim(end) == 0:
                end = np.broadcast_to(end, [1 if i == axis else d for i, d in enumerate(x.shape)])
        ends.append(end)
    parts = [p for p in (ends[0], x, ends[1]) if p is not None]
    if n == 0:
        return x
    x = np.concatenate(parts, axis=axis) if len(parts) > 1 else x
    for _ in range(n):
        before, after = _part(x, axis, None, -1), _part(x, axis, 1, None)
        x = after ^ before if x.dtype.kind == "b" else after - before
    return x


@implements(np.ediff1d)
def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    """`np.ediff1d` on traced values."""
    x = np.ravel(as_array(ary, "np.ediff1d"))
    dtype = aval_of(x).dtype
    parts = [x[1:] - x[:-1]]
    for name, end in (("to_begin", to_begin), ("to_end", to_end)):
        if end is None:
            continue
        given = np.ravel(as_array(end, "np.ediff1d"))
        kind = aval_of(given).dtype
        if not np.can_cast(kind, dtype, casting="same_kind"):
            raise TypeError(f"np.ediff1d: {name} of {kind} does not fit into an array of {dtype}")
        given = astype(given, dtype)
        parts = [given, *parts] if name == "to_begin" else [*parts, given]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _spacings(f: Array, axes: tuple[int, ...], spacing: tuple[Any, ...]) -> list[Array]:
    """For each axis a number, or the distances between neighbouring points."""
    if not spacing:
        return [1.0] * len(axes)
    if len(spacing) == 1 and np.ndim(spacing[0]) == 0:
        return list(spacing) * len(axes)
    if len(spacing) != len(axes):
        raise TypeError(
            f"np.gradient: needs one spacing, or one for each of {len(axes)} axes; got "
            f"{len(spacing)}"
        )
    found: list[Array] = []
    for axis, given in zip(axes, spacing, strict=True):
        if np.ndim(given) == 0:
            found.append(given)
            continue
        x = as_array(given, "np.gradient")
        if x.ndim != 1 or x.shape[0] != f.shape[axis]:
            raise ShapeError(
                f"np.gradient: the points along axis {axis} must be a vector of {f.shape[axis]}; "
                f"got {aval_of(x)!r}"
            )
        if aval_of(x).dtype.kind in "iu":
            x = astype(x, np.float64)
        distances = np.diff(x)
        # Equal distances count as one number, as in NumPy; but a traced one depends on all points.
        if not isinstance(x, Tracer) and np.all(distances == distances[0]):
            distances = distances[0]
        found.append(distances)
    return found


def _three_points(
    f: Array, axis: int, start: int | None, stop: int | None, *factors: Array
) -> Array:
    """The sum of three neighbouring elements, with factors, along a part of an axis."""
    f = _part(f, axis, start, stop)
    n = f.shape[axis] - 2
    parts = [_part(f, axis, k, n + k) for k in range(3)]
    total = factors[0] * parts[0]
    for factor, part in zip(factors[1:], parts[1:], strict=True):
        total = total + factor * part
    return total


def _slopes(f: Array, axis: int, h: Array, edge_order: int) -> Array:
    """Central differences inside, one-sided ones at the ends."""
    if np.ndim(h) == 0:
        inner = (_part(f, axis, 2, None) - _part(f, axis, None, -2)) / (2.0 * h)
        first_h = last_h = h
        first = (-1.5 / h, 2.0 / h, -0.5 / h)
        last = (0.5 / h, -2.0 / h, 1.5 / h)
    else:
        shape = [-1 if i == axis else 1 for i in range(f.ndim)]
        h = np.reshape(h, shape)
        a, b = _part(h, axis, None, -1), _part(h, axis, 1, None)
        inner = _three_points(
            f, axis, None, None, -b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b))
        )
        first_h, last_h = _part(h, axis, None, 1), _part(h, axis, -1, None)
        if edge_order == 2:
            a, b = first_h, _part(h, axis, 1, 2)
            first = (-(2.0 * a + b) / (a * (a + b)), (a + b) / (a * b), -a / (b * (a + b)))
            a, b = _part(h, axis, -2, -1), last_h
            last = (b / (a * (a + b)), -(b + a) / (a * b), (2.0 * b + a) / (b * (a + b)))
    if edge_order == 1:
        step = _part(f, axis, 1, 2) - _part(f, axis, None, 1)
        final = _part(f, axis, -1, None) - _part(f, axis, -2, -1)
        ends = step / first_h, final / last_h
    else:
        ends = (
            _three_points(f, axis, None, 3, *first),
            _three_points(f, axis, -3, None, *last),
        )
    dtype = aval_of(f).dtype
    return np.concatenate([astype(v, dtype) for v in (ends[0], inner, ends[1])], axis=axis)


@implements(np.gradient)
def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """`np.gradient` on traced values; the spacings may be traced too."""
    x = as_array(f, "np.gradient")
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order must be 1 or 2; got {edge_order}")
    if aval_of(x).dtype.kind not in "fc":
        x = astype(x, np.float64)
    for i in axes:
        if x.shape[i] <= edge_order:
            raise ShapeError(
                f"np.gradient: needs more than {edge_order} elements along axis {i}; got "
                f"{aval_of(x)!r}"
            )
    spacings = _spacings(x, axes, varargs)
    found = [_slopes(x, i, h, edge_order) for i, h in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


# trapezoid: linear in the widths and in the heights. One primitive, because its cost is that of
# NumPy's temporary arrays.


def _trapezoid(width: Array, y: Array, *, axis: int) -> Array:
    areas = width * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0
    return np.sum(areas, axis=axis - y.ndim)


def _trapezoid_shape(width: ShapedArray, y: ShapedArray, *, axis: int) -> ShapedArray:
    inner = [max(d - 1, 0) if i == axis else d for i, d in enumerate(y.shape)]
    wide = list(np.broadcast_shapes(width.shape, tuple(inner)))
    del wide[axis + len(wide) - y.ndim]
    by = width.dtype_or_python_type(1) if width.weak_type else width.dtype
    return ShapedArray(tuple(wide), np.result_type(y.dtype, by))


def _width_transpose(ct: Array, width: Any, y: Array, *, axis: int) -> Array:
    pairs = (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0
    return unbroadcast(np.expand_dims(ct, axis - y.ndim) * pairs, width)


def _height_transpose(ct: Array, width: Array, y: Any, *, axis: int) -> Array:
    n = max(y.shape[axis] - 1, 0)
    inner = ShapedArray((*y.shape[:axis], n, *y.shape[axis + 1 :]), y.dtype)
    part = np.expand_dims(ct, axis - len(y.shape)) * width / 2.0
    wide = np.broadcast_shapes(part.shape, inner.shape)
    part = unbroadcast(np.broadcast_to(part, wide), inner)
    lead = (_ALL,) * axis
    return scatter(part, (*lead, slice(1, None)), y.shape) + scatter(
        part, (*lead, slice(None, -1)), y.shape
    )


def _trapezoid_batch(
    size: int, batched: Sequence[bool], width: Array, y: Array, *, axis: int
) -> Array:
    rank = max(ndim_of(width) - batched[0], y.ndim - batched[1])
    axis += rank - (y.ndim - batched[1])
    y = align_batch(rank, y) if batched[1] else np.reshape(y, (1,) * (rank + 1 - y.ndim) + y.shape)
    return trapezoid_p.bind(align_batch(rank, width) if batched[0] else width, y, axis=axis + 1)


trapezoid_p: Primitive = bilinear(
    "trapezoid",
    _trapezoid,
    _width_transpose,
    _height_transpose,
    shape=_trapezoid_shape,
    batch=_trapezoid_batch,
)


@implements(np.trapezoid)
def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """`np.trapezoid` on traced values."""
    y = as_array(y, "np.trapezoid")
    if aval_of(y).dtype.kind not in "fc":
        y = astype(y, np.float64)
    i = normalize_axis_index(axis, y.ndim)
    width = asarray(dx, "np.trapezoid")
    if x is not None:
        x = as_array(x, "np.trapezoid")
        if x.ndim == 1:
            width = np.reshape(np.diff(x), [-1 if k == i else 1 for k in range(y.ndim)])
        elif x.ndim > y.ndim and axis >= 0:
            raise ShapeError(
                "np.trapezoid: where x has more axes than y, count `axis` from the end; got "
                f"axis={axis}, {aval_of(x)!r} and {aval_of(y)!r}"
            )
        else:
            width = np.diff(x, axis=axis)
    return trapezoid_p.bind(width, y, axis=i)


# interp: linear in fp, and in the rest up to a slope. With y = fp interpolated at x, a change of xp
# acts as if x moved the other way, by that change interpolated at x.


def _step(v: Array, k: Array) -> Array:
    return getitem(v, k + 1) - getitem(v, k)


def _located(x: Array, xp: Array) -> tuple[Array, Array]:
    """The segment that each x belongs to, and its length, 1 in the place of 0."""
    k = np.clip(np.searchsorted(xp, x, "right") - 1, 0, xp.shape[0] - 2)
    gap = _step(xp, k)
    return k, np.where(gap == 0, 1.0, gap)


def _interp_slope(x: Array, xp: Array, fp: Array) -> Array:
    """The slope of the segment to the right, at the last point to the left; 0 outside."""
    if xp.shape[0] < 2:
        return np.zeros_like(x)
    k, gap = _located(x, xp)
    return np.where((x >= xp[0]) & (x <= xp[-1]), _step(fp, k) / gap, 0.0)


def _interp_transpose(ct: Array, x: Array, xp: Array, fp: Any) -> Array:
    n = fp.shape[0]
    if n == 1:
        return np.reshape(np.sum(ct), (1,))
    k, gap = _located(x, xp)
    share = np.clip((x - getitem(xp, k)) / gap, 0.0, 1.0)
    below, above = [
        scatter(np.ravel(v), (Place.ARRAY,), (n,), np.ravel(places))
        for v, places in ((ct * (1.0 - share), k), (ct * share, k + 1))
    ]
    return below + above


def _interp_batch(size: int, batched: Sequence[bool], x: Array, xp: Array, fp: Array) -> Array:
    if not batched[1] and not batched[2]:
        return interp_p.bind(x, xp, fp)
    return lane_by_lane(interp_p, size, batched, x, xp, fp)


interp_p: Primitive = Primitive(
    "interp",
    np.interp,
    shape=lambda x, xp, fp: ShapedArray(x.shape, fp.dtype),
    jvps=(
        lambda t, y, x, xp, fp: t * _interp_slope(x, xp, fp),
        lambda t, y, x, xp, fp: -interp_p.bind(x, xp, t) * _interp_slope(x, xp, fp),
        lambda t, y, x, xp, fp: interp_p.bind(x, xp, t),
    ),
    transposes=(None, None, _interp_transpose),
    linear="separately",
    linear_args=(2,),
    batch=_interp_batch,
)


@implements(np.interp)
def interp(
    x: Array, xp: Array, fp: Array, left: Any = None, right: Any = None, period: Any = None
) -> Array:
    """`np.interp` on traced values: by x, xp and fp. At a point of xp, the derivative by x is the
    slope to its right.
    """
    operation = "np.interp"
    x, xp = [astype(as_array(v, operation), np.float64) for v in (x, xp)]
    fp = as_array(fp, operation)
    fp = astype(fp, np.complex128 if aval_of(fp).dtype.kind == "c" else np.float64)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ShapeError(
            f"{operation}: xp and fp must be vectors of the same length, which is not 0; got "
            f"{aval_of(xp)!r} and {aval_of(fp)!r}"
        )
    if period is not None:
        if not isinstance(period, Tracer) and period == 0:
            raise ValueError(f"{operation}: period must not be 0")
        period = np.abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = getitem(xp, order), getitem(fp, order)
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    y = interp_p.bind(x, xp, fp)
    dtype = aval_of(y).dtype
    if left is not None:
        y = np.where(x < xp[0], astype(as_array(left, operation), dtype), y)
    if right is not None:
        y = np.where(x > xp[-1], astype(as_array(right, operation), dtype), y)
    return y


# unwrap adds whole periods, so it moves with its operand, and with as many periods as it added.


def _unwrap_batch(
    size: int, batched: Sequence[bool], p: Array, period: Array, *, axis: int, discont: Any
) -> Array:
    if batched[1]:
        return lane_by_lane(unwrap_p, size, batched, p, period, axis=axis, discont=discont)
    return unwrap_p.bind(p, period, axis=axis + 1, discont=discont)


def _unwrap_shape(p: ShapedArray, period: ShapedArray, **params: Any) -> ShapedArray:
    by = period.dtype_or_python_type(1) if period.weak_type else period.dtype
    return ShapedArray(p.shape, np.result_type(p.dtype, by))


unwrap_p: Primitive = Primitive(
    "unwrap",
    lambda p, period, *, axis, discont: np.unwrap(p, discont, axis, period=period),
    shape=_unwrap_shape,
    jvps=(
        lambda t, y, p, period, **params: astype(t, aval_of(y).dtype),
        lambda t, y, p, period, **params: astype(t * np.round((y - p) / period), aval_of(y).dtype),
    ),
    batch=_unwrap_batch,
)


@implements(np.unwrap)
def unwrap(p: Array, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Array:
    """`np.unwrap` on traced values."""
    x = as_array(p, "np.unwrap")
    if isinstance(discont, Tracer):
        raise unsupported_argument("np.unwrap", "discont", discont, "give a plain number")
    return unwrap_p.bind(x, period, axis=normalize_axis_index(axis, x.ndim), discont=discont)
