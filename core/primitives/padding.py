"""`np.pad` in all its modes.

Axis by axis, as NumPy does: what is padded on one axis is part of what the next one pads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..aval import Array, Shape, aval_of
from ..dispatch import implements
from .creation import plain_value
from .elementwise import as_array, astype
from .indexing import getitem, scatter
from .joining import array as array_of

Pair = tuple[Any, Any]

_ALL = slice(None)
_OPTIONS = {
    "constant": "constant_values",
    "empty": None,
    "edge": None,
    "wrap": None,
    "linear_ramp": "end_values",
    "maximum": "stat_length",
    "mean": "stat_length",
    "median": "stat_length",
    "minimum": "stat_length",
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
}
_STATISTICS: dict[str, Callable[..., Array]] = {
    "maximum": np.max,
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
}


@implements(np.pad)
def pad(array: Array, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Array:
    """`np.pad` on traced values, with all modes; a function as mode gets traced vectors, one after
    the other, in a loop as NumPy's.
    """
    x = as_array(array, "np.pad")
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        return _pad_with(mode, x, widths, kwargs)
    if mode not in _OPTIONS:
        raise ValueError(f"np.pad: the mode {mode!r} is unknown; NumPy has {', '.join(_OPTIONS)}")
    if set(kwargs) - {_OPTIONS[mode]}:
        raise ValueError(
            f"np.pad: the mode {mode!r} does not take {', '.join(sorted(kwargs))}; it takes "
            f"{_OPTIONS[mode] or 'no option'}"
        )
    option = next(iter(kwargs.values()), None)
    if mode in ("constant", "empty"):
        return _pad_constant(x, widths, 0 if option is None else option)
    for axis, width in enumerate(widths):
        if not x.shape[axis] and any(width):
            raise ValueError(
                f"np.pad: the empty axis {axis} can be extended only with the modes constant and "
                "empty"
            )
    options = [(option, option)] * x.ndim
    if mode in _STATISTICS:
        options = _pairs_of_lengths(option, x.ndim)
    elif mode == "linear_ramp":
        options = _pairs(0 if option is None else option, x.ndim)
    y = x
    for axis, (width, pair) in enumerate(zip(widths, options, strict=True)):
        if any(width):
            y = _pad_axis(y, axis, width, mode, pair)
    return np.copy(x) if y is x else y


# Arguments: a number, a pair, or a pair for each axis.


def _pairs(values: Any, ndim: int) -> list[Pair]:
    """What NumPy takes for each end of each axis, as pairs."""
    values = array_of(values)
    if np.ndim(values) < 3:
        flat = np.ravel(values)
        if flat.size == 1:
            return [(flat[0], flat[0])] * ndim
        if flat.size == 2 and np.shape(values) != (2, 1):
            return [(flat[0], flat[1])] * ndim
    spread = np.broadcast_to(values, (ndim, 2))
    return [(spread[i, 0], spread[i, 1]) for i in range(ndim)]


def _counts(values: Any, ndim: int) -> list[Pair]:
    pairs = [(int(a), int(b)) for a, b in _pairs(np.round(values).astype(int), ndim)]
    if any(a < 0 or b < 0 for a, b in pairs):
        raise ValueError(f"np.pad: widths and lengths must not be negative; got {values}")
    return pairs


def _widths(pad_width: Any, ndim: int) -> list[Pair]:
    if isinstance(pad_width, dict):
        listed: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            listed[axis] = (width, width) if isinstance(width, int) else width
        pad_width = listed
    found = plain_value(pad_width, "the width in np.pad")
    if found.dtype.kind != "i" and found.size:
        raise TypeError(f"np.pad: `pad_width` must be of integers; got {pad_width!r}")
    return _counts(found, ndim)


def _pairs_of_lengths(lengths: Any, ndim: int) -> list[Pair]:
    if lengths is None:
        return [(None, None)] * ndim
    return _counts(plain_value(lengths, "`stat_length` in np.pad"), ndim)


# The modes.


def _pad_constant(x: Array, widths: Sequence[Pair], values: Any) -> Array:
    shape = aval_of(x).shape
    inside = tuple([slice(a, a + d) for (a, _), d in zip(widths, shape, strict=True)])
    if type(values) is int and values == 0:
        full = tuple([a + d + b for (a, b), d in zip(widths, shape, strict=True)])
        return scatter(x, inside, full)
    y = x
    for axis, (width, pair) in enumerate(zip(widths, _pairs(values, x.ndim), strict=True)):
        if any(width):
            ends = [
                np.broadcast_to(astype(v, x.dtype), _with_length(y, axis, n))
                for v, n in zip(pair, width, strict=True)
            ]
            y = np.concatenate([ends[0], y, ends[1]], axis=axis)
    return np.copy(x) if y is x else y


def _with_length(x: Array, axis: int, n: int) -> Shape:
    shape: Shape = aval_of(x).shape
    return (*shape[:axis], n, *shape[axis + 1 :])


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return getitem(x, (*[_ALL] * axis, slice(start, stop)))


def _pad_axis(x: Array, axis: int, width: Pair, mode: str, options: Pair) -> Array:
    if mode in ("reflect", "symmetric") and options[0] == "odd" and x.shape[axis] > 1:
        return _reflect_odd(x, axis, width, mode)
    if mode == "linear_ramp":
        ends = _ramps(x, axis, width, options)
    elif mode in _STATISTICS:
        ends = _statistics(x, axis, width, _STATISTICS[mode], options)
    else:
        m = x.shape[axis]
        if mode != "edge" and max(width) > m - (mode == "reflect"):  # more than once around
            index = np.pad(np.arange(m), width, mode)  # type: ignore[call-overload]  # any mode
            return getitem(x, (*[_ALL] * axis, index))
        ends = _copies(x, axis, width, mode)
    return np.concatenate([ends[0], x, ends[1]], axis=axis)


def _copies(x: Array, axis: int, width: Pair, mode: str) -> list[Array]:
    m = x.shape[axis]
    a, b = width
    if mode == "edge":
        return [
            np.broadcast_to(_part(x, axis, i, i + 1), _with_length(x, axis, n))
            for i, n in ((0, a), (m - 1, b))
        ]
    if mode == "wrap":
        return [_part(x, axis, m - a, m), _part(x, axis, 0, b)]
    skip = 1 if mode == "reflect" else 0
    parts = _part(x, axis, skip, skip + a), _part(x, axis, m - skip - b, m - skip)
    return [np.flip(part, axis) for part in parts]


def _reflect_odd(x: Array, axis: int, width: Pair, mode: str) -> Array:
    """Reflected at the end points: 2 * edge - mirror image, as often as it takes to fill the
    widths.
    """
    left, right = width
    skip = 0 if mode == "symmetric" else 1
    unit = x.shape[axis] - skip
    y = x
    while left or right:
        # NumPy mirrors whole multiples of the length.
        m = y.shape[axis]
        reach = (m - skip) // unit * unit
        a, b = min(reach, left), min(reach, right)
        before = 2 * _part(y, axis, 0, 1) - np.flip(_part(y, axis, skip, skip + a), axis)
        after = 2 * _part(y, axis, m - 1, m) - np.flip(_part(y, axis, m - skip - b, m - skip), axis)
        y = np.concatenate([before, y, after], axis=axis)
        left, right = left - a, right - b
    return y


def _ramps(x: Array, axis: int, width: Pair, ends: Pair) -> list[Array]:
    m = x.shape[axis]
    first, last = [getitem(x, (*[_ALL] * axis, i)) for i in (0, m - 1)]
    up, down = [
        np.linspace(end, edge, n, endpoint=False, dtype=x.dtype, axis=axis)
        for end, edge, n in zip(ends, (first, last), width, strict=True)
    ]
    return [up, np.flip(down, axis)]


def _statistics(
    x: Array, axis: int, width: Pair, statistic: Callable[..., Array], lengths: Pair
) -> list[Array]:
    m = x.shape[axis]
    a, b = [m if length is None else min(m, length) for length in lengths]
    if not (a and b) and statistic in (np.max, np.min):
        raise ValueError("np.pad: a stat_length of 0 yields no value for padding")
    first = _statistic(x, axis, statistic, 0, a)
    last = first if a == b == m else _statistic(x, axis, statistic, m - b, m)
    return [
        np.broadcast_to(value, _with_length(x, axis, n))
        for value, n in zip((first, last), width, strict=True)
    ]


def _statistic(
    x: Array, axis: int, statistic: Callable[..., Array], start: int, stop: int
) -> Array:
    value = statistic(_part(x, axis, start, stop), axis=axis, keepdims=True)
    if x.dtype.kind in "iu" and value.dtype.kind == "f":
        value = np.round(value)
    return astype(value, x.dtype)


def _pad_with(
    function: Callable[..., Any], x: Array, widths: Sequence[Pair], kwargs: dict[str, Any]
) -> Array:
    """Pad with zeros, and let the function write into each vector along each axis."""
    y = _pad_constant(x, widths, 0)
    for axis, width in enumerate(widths):
        lines = np.moveaxis(y, axis, -1)
        lead = aval_of(lines).shape[:-1]
        done = []
        for i in np.ndindex(*lead):
            line = np.copy(lines[i])
            function(line, width, axis, kwargs)
            done.append(line)
        if done:
            stacked = np.reshape(np.stack(done), aval_of(lines).shape)
            y = np.moveaxis(stacked, -1, axis)
    return np.copy(y)
