"""`scipy.signal` on traced values: convolutions, trends, the analytic signal.

Convolution is one bilinear primitive, whose transposes are convolutions too. Filters are in
`filters.py`, spectra in `spectral.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.signal
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.lib.stride_tricks import sliding_window_view

from ..aval import Array, Shape, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import DtypeError, ShapeError
from ..primitives.elementwise import as_array, astype
from ..rules import align_batch, bilinear, sample, unbroadcast
from ..tracing import Primitive

# Convolution over the last `rank` axes; the axes before them broadcast. `mode` is "full" or
# "valid", where no axis of the right operand is longer than that of the left one.


def _convolve(x: Array, k: Array, *, rank: int, mode: str, method: str) -> Array:
    """SciPy's function where there are no more axes; else windows for the direct method, since
    SciPy has no form of it for stacks.
    """
    dtype = np.result_type(x, k)
    ndim = max(x.ndim, k.ndim)
    if method == "direct":
        if ndim > rank:
            return _convolve_windows(x, k, rank, mode)
        two = rank == 2 and dtype.char in "fdFD"
        if two:
            return scipy.signal.convolve2d(x, k, mode)
        return scipy.signal.convolve(x, k, mode, "direct")
    x, k = [a.reshape((1,) * (ndim - a.ndim) + a.shape) for a in (x, k)]
    numpys = scipy.signal.oaconvolve if method == "overlap-add" else scipy.signal.fftconvolve
    return numpys(x, k, mode, tuple(range(-rank, 0))).astype(dtype, copy=False)


def _convolve_windows(x: Array, k: Array, rank: int, mode: str) -> Array:
    if mode == "full":
        if np.prod(x.shape[-rank:]) < np.prod(k.shape[-rank:]):
            x, k = k, x
        width = [(d - 1, d - 1) for d in k.shape[-rank:]]
        x = np.pad(x, [(0, 0)] * (x.ndim - rank) + width)
    last = tuple(range(-rank, 0))
    windows = sliding_window_view(x, k.shape[-rank:], axis=last)
    k = flip_last(k, rank)
    if rank == 1:
        return np.matmul(windows, k[..., None])[..., 0]
    there, inside = list(range(rank)), list(range(rank, 2 * rank))
    return np.einsum(windows, [..., *there, *inside], k, [..., *inside], [..., *there])


def flip_last(x: Array, rank: int) -> Array:
    """The operand reversed along its last axes."""
    return x[(..., *[slice(None, None, -1)] * rank)]


def _convolve_shape(
    x: ShapedArray, k: ShapedArray, *, rank: int, mode: str, method: str
) -> ShapedArray:
    lead = np.broadcast_shapes(x.shape[:-rank], k.shape[:-rank])
    sign = 1 if mode == "full" else -1
    core = [n + sign * (m - 1) for n, m in zip(x.shape[-rank:], k.shape[-rank:], strict=True)]
    return ShapedArray((*lead, *core), np.result_type(x.dtype, k.dtype))


def _convolve_left(ct: Array, x: Any, k: Array, *, rank: int, mode: str, method: str) -> Array:
    other = "valid" if mode == "full" else "full"
    g = convolve_p.bind(ct, flip_last(k, rank), rank=rank, mode=other, method=method)
    return unbroadcast(g, x)


def _convolve_right(ct: Array, x: Array, k: Any, *, rank: int, mode: str, method: str) -> Array:
    if mode == "full":
        g = convolve_p.bind(ct, flip_last(x, rank), rank=rank, mode="valid", method=method)
    else:
        g = convolve_p.bind(x, flip_last(ct, rank), rank=rank, mode="valid", method=method)
        g = flip_last(g, rank)
    return unbroadcast(g, k)


def stacked(batched: Sequence[bool], *args: Array) -> list[Array]:
    """Operands with their batch axes lined up, where the axes before the last ones broadcast."""
    rank = max([a.ndim - b for a, b in zip(args, batched, strict=True)])
    return [align_batch(rank, a) if b else a for a, b in zip(args, batched, strict=True)]


convolve_p: Primitive = bilinear(
    "convolve_nd",
    _convolve,
    _convolve_left,
    _convolve_right,
    shape=_convolve_shape,
    batch=lambda size, batched, x, k, **params: convolve_p.bind(*stacked(batched, x, k), **params),
)

_MODES = ("full", "same", "valid")


def _check_mode(operation: str, mode: Any) -> None:
    if mode not in _MODES:
        raise ValueError(f"{operation}: mode must be 'full', 'same' or 'valid'; got {mode!r}")


def _operands(operation: str, *operands: Array) -> list[Array]:
    """Arrays with equally many axes, none of them empty."""
    found = [as_array(x, operation) for x in operands]
    if len({x.ndim for x in found}) > 1 or any([x.size == 0 for x in found]):
        raise ShapeError(
            f"{operation}: the operands must have equally many axes, and elements.",
            got=", ".join([repr(aval_of(x)) for x in found]),
        )
    return found


def _centered(y: Array, shape: Shape) -> Array:
    """The middle part of this shape."""
    starts = [(n - d) // 2 for n, d in zip(y.shape, shape, strict=True)]
    return y[tuple([slice(i, i + d) for i, d in zip(starts, shape, strict=True)])]


def _in_order(operation: str, x: Array, k: Array, axes: Sequence[int]) -> tuple[Array, Array]:
    """The operands of a "valid" convolution, the larger one first."""
    if all([x.shape[i] >= k.shape[i] for i in axes]):
        return x, k
    if all([x.shape[i] <= k.shape[i] for i in axes]):
        return k, x
    raise ShapeError(
        f"{operation}: for mode 'valid' one operand must be at least as long as the other along "
        "every axis.",
        got=f"{aval_of(x)!r} and {aval_of(k)!r}",
    )


def convolve_axes(
    operation: str, x: Array, k: Array, mode: str, axes: Sequence[int], method: str
) -> Array:
    """The convolution along some axes; the others broadcast."""
    _check_mode(operation, mode)
    shape = aval_of(x).shape
    if mode == "valid":
        x, k = _in_order(operation, x, k, axes)
    if axes:
        last = tuple(range(-len(axes), 0))
        y = convolve_p.bind(
            np.moveaxis(x, axes, last),
            np.moveaxis(k, axes, last),
            rank=len(axes),
            mode="valid" if mode == "valid" else "full",
            method=method,
        )
        y = np.moveaxis(y, last, axes)
    else:
        y = x * k
    return _centered(y, shape) if mode == "same" else y


@implements(scipy.signal.convolve)
def convolve(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    """`scipy.signal.convolve` on traced values."""
    operation = "scipy.signal.convolve"
    x, k = _operands(operation, in1, in2)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"{operation}: method must be 'auto', 'direct' or 'fft'; got {method!r}")
    _check_mode(operation, mode)
    if not x.ndim:
        return x * k
    axes = range(x.ndim)
    if mode == "valid":
        x, k = _in_order(operation, x, k, axes)
    if method == "auto":
        avals = (aval_of(x), aval_of(k))
        exact = all([a.dtype.kind in "biu" for a in avals])
        method = (
            "direct"
            if exact
            else scipy.signal.choose_conv_method(*[sample(a) for a in avals], mode)
        )
    return convolve_axes(operation, x, k, mode, axes, method)


@implements(scipy.signal.correlate)
def correlate(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    """`scipy.signal.correlate` on traced values."""
    x, k = _operands("scipy.signal.correlate", in1, in2)
    return convolve(x, np.conjugate(flip_last(k, k.ndim)), mode, method)


def _by_transforms(
    operation: str, method: str, in1: Array, in2: Array, mode: str, axes: Any
) -> Any:
    x, k = _operands(operation, in1, in2)
    kind = np.result_type(aval_of(x).dtype, aval_of(k).dtype)
    if kind.kind not in "fc":
        x, k = astype(x, np.float64), astype(k, np.float64)
    axes = range(x.ndim) if axes is None else normalize_axis_tuple(axes, x.ndim)
    # An axis of length 1 broadcasts, which is the same.
    axes = [i for i in axes if x.shape[i] != 1 and k.shape[i] != 1]
    return convolve_axes(operation, x, k, mode, axes, method)


@implements(scipy.signal.fftconvolve)
def fftconvolve(in1: Array, in2: Array, mode: str = "full", axes: Any = None) -> Array:
    """`scipy.signal.fftconvolve` on traced values."""
    return _by_transforms("scipy.signal.fftconvolve", "fft", in1, in2, mode, axes)


@implements(scipy.signal.oaconvolve)
def oaconvolve(in1: Array, in2: Array, mode: str = "full", axes: Any = None) -> Array:
    """`scipy.signal.oaconvolve` on traced values."""
    return _by_transforms("scipy.signal.oaconvolve", "overlap-add", in1, in2, mode, axes)


# In two dimensions, with something beyond the edges.

_PADDING: dict[str, Any] = {
    "wrap": "wrap",
    "circular": "wrap",
    "symm": "symmetric",
    "symmetric": "symmetric",
}


def _surrounded(operation: str, x: Array, by: Shape, boundary: str, fillvalue: Any) -> Array:
    """The left operand with as much around it as a kernel of the shape `by` can reach."""
    width = [(d - 1, d - 1) for d in by]
    if boundary in _PADDING:
        return np.pad(x, width, mode=_PADDING[boundary])
    if boundary not in ("fill", "pad"):
        raise ValueError(
            f"{operation}: boundary must be 'fill', 'wrap' or 'symm'; got {boundary!r}"
        )
    outside = np.pad(np.zeros(aval_of(x).shape, bool), width, constant_values=True)
    fill = astype(as_array(fillvalue, operation), x.dtype)
    if fill.ndim:
        fill = np.reshape(fill, ())
    return np.where(outside, fill, np.pad(x, width))


def _in_the_plane(
    operation: str, x: Array, k: Array, mode: str, boundary: str, fillvalue: Any, late: int = 0
) -> Array:
    """A convolution of two axes; for mode "same", `late` moves the middle of an even kernel."""
    _check_mode(operation, mode)
    if x.ndim != 2:
        raise ShapeError(f"{operation}: the operands must have two axes.", got=repr(aval_of(x)))
    if mode == "valid":
        return convolve_axes(operation, x, k, mode, (0, 1), "direct")
    shape, by = aval_of(x).shape, aval_of(k).shape
    if boundary == "fill" and type(fillvalue) is int and not fillvalue:
        y = convolve_axes(operation, x, k, "full", (0, 1), "direct")
    else:
        x = astype(x, np.result_type(aval_of(x).dtype, aval_of(k).dtype))
        x = _surrounded(operation, x, by, boundary, fillvalue)
        y = convolve_axes(operation, x, k, "valid", (0, 1), "direct")
    if mode == "full":
        return y
    starts = [(d - 1 + late) // 2 for d in by]
    return y[tuple([slice(i, i + d) for i, d in zip(starts, shape, strict=True)])]


@implements(scipy.signal.convolve2d)
def convolve2d(
    in1: Array, in2: Array, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Array:
    """`scipy.signal.convolve2d` on traced values."""
    x, k = _operands("scipy.signal.convolve2d", in1, in2)
    return _in_the_plane("scipy.signal.convolve2d", x, k, mode, boundary, fillvalue)


@implements(scipy.signal.correlate2d)
def correlate2d(
    in1: Array, in2: Array, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0
) -> Array:
    """`scipy.signal.correlate2d` on traced values."""
    x, k = _operands("scipy.signal.correlate2d", in1, in2)
    if mode == "valid" and any([n < m for n, m in zip(x.shape, k.shape, strict=True)]):
        x = np.conjugate(x)  # SciPy swaps the operands, and conjugates the one that comes second
        flipped = flip_last(k, k.ndim)
    else:
        flipped = np.conjugate(flip_last(k, k.ndim))
    return _in_the_plane("scipy.signal.correlate2d", x, flipped, mode, boundary, fillvalue, late=1)


# Trends, and the analytic signal.


def _without_line(x: Array) -> Array:
    """What is left along the last axis when the best line is taken away."""
    n = x.shape[-1]
    basis = np.stack([np.ones(n), np.arange(1, n + 1) / max(n, 1)], axis=1)
    q = np.linalg.qr(basis)[0].astype(x.dtype)
    return x - (x @ q) @ q.T


@implements(scipy.signal.detrend)
def detrend(
    data: Array, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False
) -> Array:
    """`scipy.signal.detrend` on traced values; nothing is overwritten."""
    operation = "scipy.signal.detrend"
    x = as_array(data, operation)
    if type in ("constant", "c"):
        return x - np.mean(x, axis=axis, keepdims=True)
    if type not in ("linear", "l"):
        raise ValueError(f"{operation}: type must be 'linear' or 'constant'; got {type!r}")
    if aval_of(x).dtype.char not in "fdFD":
        x = astype(x, np.float64)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    breaks = np.unique(np.concatenate([[0], np.ravel(bp), [n]])).astype(int)
    if breaks[-1] > n:
        raise ShapeError(f"{operation}: a breakpoint lies beyond the end.", got=f"bp={bp!r}")
    x = np.moveaxis(x, axis, -1)
    parts = [_without_line(x[..., i:j]) for i, j in pairwise(breaks)]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, axis) if parts else x


@implements(scipy.signal.hilbert)
def hilbert(x: Array, N: int | None = None, axis: int = -1) -> Array:
    """`scipy.signal.hilbert` on traced values: the analytic signal."""
    operation = "scipy.signal.hilbert"
    x = as_array(x, operation)
    if aval_of(x).dtype.kind == "c":
        raise DtypeError(f"{operation}: the signal must be real.", got=repr(aval_of(x)))
    axis = normalize_axis_index(axis, x.ndim)
    spectrum = np.fft.fft(x, N, axis)
    n = spectrum.shape[axis]
    weight = np.zeros(n, spectrum.real.dtype)
    weight[0] = 1
    weight[1 : (n + 1) // 2] = 2
    if n % 2 == 0:
        weight[n // 2] = 1
    weight = weight.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.fft.ifft(spectrum * weight, axis=axis)
