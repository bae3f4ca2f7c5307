"""Filters of `scipy.signal` on traced values: recursive ones, and Savitzky and Golay's.

A recursive filter is linear in its numerator and in the signal; its derivative by the denominator
is the filtered output, filtered once more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import DtypeError, ShapeError
from ..primitives.elementwise import as_array, astype
from ..primitives.fft import resize
from ..rules import unbroadcast
from ..tracing import Primitive, Tracer
from .ndimage import convolve1d
from .signal import convolve_p, flip_last, stacked
from .spectral import extended

# Recursive filters: a[0] y[n] + a[1] y[n-1] + ... = b[0] x[n] + b[1] x[n-1] + ..., solved for y
# along the last axis. The axes before broadcast, those of the coefficients too.


def _filter(b: Array, a: Array, x: Array) -> Array:
    """SciPy's filter; it takes one filter at a time, so for several there is a loop over them."""
    if a.shape[-1] == 1:
        return _causal(x, b / a)
    if a.ndim == 1 == b.ndim:
        return scipy.signal.lfilter(b, a, x)
    lead = np.broadcast_shapes(a.shape[:-1], b.shape[:-1], x.shape[:-1])
    b, a, x = [np.broadcast_to(v, (*lead, v.shape[-1])) for v in (b, a, x)]
    y = np.empty(x.shape, np.result_type(b, a, x))
    for i in np.ndindex(lead):
        y[i] = scipy.signal.lfilter(b[i], a[i], x[i])
    return y


def _causal(x: Array, k: Array) -> Array:
    """A convolution along the last axis, as long as the signal."""
    y = convolve_p.bind(x, k, rank=1, mode="full", method="direct")
    return y[..., : x.shape[-1]]


def _by_b_transpose(ct: Array, b: Any, a: Array, x: Array) -> Array:
    """The cotangent, correlated with the signal that the denominator alone has filtered."""
    count = b.shape[-1]
    driven = lfilter_p.bind(np.ones(1, x.dtype), a, x)
    driven = np.pad(driven, [(0, 0)] * (driven.ndim - 1) + [(count - 1, 0)])
    g = convolve_p.bind(driven, flip_last(ct, 1), rank=1, mode="valid", method="direct")
    return unbroadcast(flip_last(g, 1), b)


def _by_x_transpose(ct: Array, b: Array, a: Array, x: Any) -> Array:
    return unbroadcast(flip_last(lfilter_p.bind(b, a, flip_last(ct, 1)), 1), x)


lfilter_p: Primitive = Primitive(
    "lfilter",
    _filter,
    shape=lambda b, a, x: ShapedArray(
        (*np.broadcast_shapes(b.shape[:-1], a.shape[:-1], x.shape[:-1]), x.shape[-1]),
        np.result_type(b.dtype, a.dtype, x.dtype),
    ),
    jvps=(
        lambda t, y, b, a, x: lfilter_p.bind(t, a, x),
        lambda t, y, b, a, x: -lfilter_p.bind(t, a, y),
        lambda t, y, b, a, x: lfilter_p.bind(b, a, t),
    ),
    transposes=(_by_b_transpose, None, _by_x_transpose),
    linear="separately",
    linear_args=(0, 2),
    batch=lambda size, batched, b, a, x: lfilter_p.bind(*stacked(batched, b, a, x)),
)


@implements(scipy.signal.lfilter)
def lfilter(b: Array, a: Array, x: Array, axis: int = -1, zi: Array = None) -> Any:
    """`scipy.signal.lfilter` on traced values, any of the coefficients, signal and state."""
    operation = "scipy.signal.lfilter"
    b, a = [np.atleast_1d(as_array(v, operation)) for v in (b, a)]
    x = as_array(x, operation)
    if b.ndim != 1 or a.ndim != 1 or not b.size or not a.size:
        raise ShapeError(
            f"{operation}: the coefficients b and a must have one axis, and elements.",
            got=f"{aval_of(b)!r} and {aval_of(a)!r}",
        )
    axis = normalize_axis_index(axis, x.ndim)
    given = [b, a, x] if zi is None else [b, a, x, as_array(zi, operation)]
    dtype = np.result_type(*[aval_of(v).dtype for v in given])
    if dtype.kind not in "fc":
        dtype = np.dtype(np.float64)
    b, a, x, *state = [astype(v, dtype) for v in given]
    x = np.moveaxis(x, axis, -1)
    n = x.shape[-1]
    if not state:
        return np.moveaxis(lfilter_p.bind(b, a, x) if x.size else x, -1, axis)
    order = max(a.shape[0], b.shape[0]) - 1
    b, a = b / a[0], a / a[0]
    z = _initial_state(operation, state[0], x, axis, order)
    late = resize(z, z.ndim - 1, n + order)
    y = lfilter_p.bind(b, a, x) + lfilter_p.bind(np.ones(1, dtype), a, late[..., :n])
    driven = convolve_p.bind(x, resize(b, 0, order + 1), rank=1, mode="full", method="direct")
    fed = convolve_p.bind(y, resize(a, 0, order + 1), rank=1, mode="full", method="direct")
    return np.moveaxis(y, -1, axis), np.moveaxis((driven + late - fed)[..., n:], -1, axis)


def _initial_state(operation: str, z: Array, x: Array, axis: int, order: int) -> Array:
    """The state in front of the signal, its axes of length 1 stretched."""
    z = np.moveaxis(z, axis, -1) if z.ndim == x.ndim else z
    want = (*x.shape[:-1], order)
    fits = z.ndim == x.ndim and all([h in (1, w) for h, w in zip(z.shape, want, strict=True)])
    if not fits or z.shape[-1] != order:
        raise ShapeError(
            f"{operation}: the initial state zi does not fit.",
            got=repr(aval_of(z)),
            needed=f"the shape of x, with {order} along its axis",
        )
    return np.broadcast_to(z, want)


@implements(scipy.signal.lfilter_zi)
def lfilter_zi(b: Array, a: Array) -> Array:
    """`scipy.signal.lfilter_zi` on traced values; the first coefficient of `a` must not be 0."""
    operation = "scipy.signal.lfilter_zi"
    b, a = [np.atleast_1d(as_array(v, operation)) for v in (b, a)]
    if b.ndim != 1 or a.ndim != 1:
        raise ShapeError(
            f"{operation}: the coefficients must be vectors.",
            got=f"{aval_of(b)!r} and {aval_of(a)!r}",
        )
    n = max(a.shape[0], b.shape[0])
    b, a = resize(b / a[0], 0, n), resize(a / a[0], 0, n)
    dtype = np.result_type(aval_of(b).dtype, aval_of(a).dtype)
    first = np.reshape(a[1:], (n - 1, 1)) * np.eye(n - 1, dtype=dtype)[:1]
    matrix = (np.eye(n - 1) - np.eye(n - 1, k=1)).astype(dtype) + first
    return np.linalg.solve(matrix, b[1:] - a[1:] * b[0])


@implements(scipy.signal.filtfilt)
def filtfilt(
    b: Array,
    a: Array,
    x: Array,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> Array:
    """`scipy.signal.filtfilt` on traced values, for the method "pad"."""
    operation = "scipy.signal.filtfilt"
    if method != "pad":
        raise unsupported_argument(operation, "method", method, "use method='pad'")
    if padtype not in ("even", "odd", "constant", None):
        raise ValueError(
            f"{operation}: padtype must be 'even', 'odd', 'constant' or None; got {padtype!r}"
        )
    b, a = [np.atleast_1d(as_array(v, operation)) for v in (b, a)]
    x = as_array(x, operation)
    x = np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)
    edge = 3 * max(a.shape[0], b.shape[0]) if padlen is None else padlen
    edge = edge if padtype is not None else 0
    if x.shape[-1] <= edge:
        raise ShapeError(
            f"{operation}: the signal must be longer than what is put in front of it.",
            got=f"length {x.shape[-1]}, padlen {edge}",
        )
    y = extended(operation, x, edge, padtype)
    state = lfilter_zi(b, a)
    for _ in range(2):
        y = lfilter(b, a, y, zi=state * y[..., :1])[0][..., ::-1]
    y = y[..., edge : y.shape[-1] - edge] if edge else y
    return np.moveaxis(y, -1, axis)


@implements(scipy.signal.sosfilt)
def sosfilt(sos: Array, x: Array, axis: int = -1, zi: Array = None) -> Any:
    """`scipy.signal.sosfilt` on traced values."""
    operation = "scipy.signal.sosfilt"
    sos, x = as_array(sos, operation), as_array(x, operation)
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ShapeError(f"{operation}: sos must have six columns.", got=repr(aval_of(sos)))
    scales = sos[:, 3] != 1
    if not isinstance(scales, Tracer) and np.any(scales):
        raise ValueError(f"{operation}: the fourth column of sos must be 1")
    ends = []
    for i in range(sos.shape[0]):
        if zi is None:
            x = lfilter(sos[i, :3], sos[i, 3:], x, axis)
        else:
            x, end = lfilter(sos[i, :3], sos[i, 3:], x, axis, zi[i])
            ends.append(end)
    return x if zi is None else (x, np.stack(ends))


# Polynomials fitted to windows.


@implements(scipy.signal.savgol_filter)
def savgol_filter(
    x: Array,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: Any = 0.0,
) -> Array:
    """`scipy.signal.savgol_filter` on traced values."""
    operation = "scipy.signal.savgol_filter"
    if mode not in ("mirror", "constant", "nearest", "wrap", "interp"):
        raise ValueError(
            f"{operation}: mode must be 'mirror', 'constant', 'nearest', 'wrap' or 'interp'; "
            f"got {mode!r}"
        )
    x = as_array(x, operation)
    if aval_of(x).dtype.kind == "c":
        raise DtypeError(f"{operation}: the signal must be real.", got=repr(aval_of(x)))
    if aval_of(x).dtype.char not in "fd":
        x = astype(x, np.float64)
    weights = scipy.signal.savgol_coeffs(window_length, polyorder, deriv=deriv, delta=delta)
    if mode != "interp":
        return convolve1d(x, weights, axis, None, mode, cval)
    x = np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)
    n, half = x.shape[-1], window_length // 2
    if window_length > n:
        raise ShapeError(
            f"{operation}: for mode 'interp' the window must not be longer than the signal.",
            got=f"{window_length} for {n}",
        )
    # Near the ends: the polynomials through the first and the last window.
    fit = np.polyfit(np.arange(window_length), np.eye(window_length), polyorder)
    for _ in range(deriv):
        fit = fit[:-1] * np.arange(fit.shape[0] - 1, 0, -1)[:, None]
    places = np.vander(np.arange(window_length), fit.shape[0])
    ends = (places @ fit / delta**deriv).astype(aval_of(x).dtype)
    y = np.concatenate(
        [
            x[..., :window_length] @ ends[:half].T,
            convolve1d(x, weights, mode="constant")[..., half : n - half],
            x[..., n - window_length :] @ ends[window_length - half :].T,
        ],
        axis=-1,
    )
    return np.moveaxis(y, -1, axis)
