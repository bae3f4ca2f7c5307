"""Spectra of `scipy.signal` on traced values: stft and istft, welch, csd, periodogram, spectrogram.

All cut the signal into overlapping frames, which is a linear primitive; its transpose adds frames
up. The rest is NumPy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.signal
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.stride_tricks import sliding_window_view

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype, real_dtype
from ..primitives.fft import resize
from ..rules import linear
from ..tracing import Primitive, Tracer
from .signal import detrend as _detrend

# Frames along the last axis: frame i begins at i * step. An axis goes before the last.


def _frames(x: Array, *, size: int, step: int) -> Array:
    return sliding_window_view(x, size, axis=-1)[..., ::step, :]


def _overlap_add(frames: Array, *, step: int, length: int) -> Array:
    """The frames added up: in slices that are a step long, of which a frame has a few."""
    count, size = frames.shape[-2:]
    slices = -(-size // step)
    out = np.zeros((*frames.shape[:-2], count + slices - 1, step), frames.dtype)
    for i in range(slices):
        part = frames[..., i * step : (i + 1) * step]
        out[..., i : i + count, : part.shape[-1]] += part
    return resize(out.reshape((*frames.shape[:-2], -1)), frames.ndim - 2, length)


frames_p: Primitive = linear(
    "frames",
    _frames,
    lambda ct, x, *, size, step: overlap_add_p.bind(ct, step=step, length=x.shape[-1]),
    shape=lambda x, *, size, step: ShapedArray(
        (*x.shape[:-1], (x.shape[-1] - size) // step + 1, size), x.dtype
    ),
    batch=lambda n, batched, x, **params: frames_p.bind(x, **params),
)
overlap_add_p: Primitive = linear(
    "overlap_add",
    _overlap_add,
    lambda ct, frames, *, step, length: _frames_of(ct, frames.shape[-2], frames.shape[-1], step),
    shape=lambda frames, *, step, length: ShapedArray((*frames.shape[:-2], length), frames.dtype),
    batch=lambda n, batched, frames, **params: overlap_add_p.bind(frames, **params),
)


def _frames_of(x: Array, count: int, size: int, step: int) -> Array:
    """As many frames as that, of a signal that may be shorter or longer."""
    x = resize(x, x.ndim - 1, (count - 1) * step + size)
    return frames_p.bind(x, size=size, step=step)


class _Plan(NamedTuple):
    """How to cut a signal: the window, the frames' length, step, and that of the transform."""

    window: Array
    size: int
    step: int
    points: int


def _plan(operation: str, window: Any, nperseg: Any, noverlap: Any, nfft: Any, n: int) -> _Plan:
    if isinstance(window, str | tuple):
        size = 256 if nperseg is None else int(nperseg)
        if size > n:
            warnings.warn(
                f"{operation}: nperseg={size} is longer than the signal; using {n}", stacklevel=4
            )
            size = n
        _check(operation, "nperseg", size, size >= 1, "a positive int")
        win = scipy.signal.get_window(window, size)
    else:
        win = as_array(window, operation)
        size = win.shape[0] if win.ndim == 1 else 0
        _check(operation, "window", aval_of(win), 1 <= size <= n, "one axis, within the signal")
        _check(operation, "nperseg", nperseg, nperseg in (None, size), "the window's length")
    points = size if nfft is None else int(nfft)
    overlap = size // 2 if noverlap is None else int(noverlap)
    _check(operation, "nfft", points, points >= size, f"nperseg={size} or more")
    _check(operation, "noverlap", overlap, overlap < size, f"less than nperseg={size}")
    return _Plan(win, size, size - overlap, points)


def _in_precision(window: Array, dtype: np.dtype[Any]) -> Array:
    """The window, real or complex as it is, in the precision of a dtype."""
    kind = dtype if aval_of(window).dtype.kind == "c" else real_dtype(dtype)
    return astype(window, kind)


def _check(operation: str, name: str, got: Any, good: bool, needed: str) -> None:
    if not good:
        raise ShapeError(f"{operation}: {name} does not fit.", got=repr(got), needed=needed)


def _trend_remover(detrend: Any) -> Callable[[Array], Array]:
    if not detrend:
        return lambda frames: frames
    if callable(detrend):
        return detrend  # type: ignore[no-any-return]  # the user's
    return lambda frames: _detrend(frames, -1, detrend)


def _spectra(x: Array, plan: _Plan, detrend: Any, onesided: bool) -> Array:
    """The transforms of all frames of a signal: frames, then frequencies, as the last axes."""
    frames = frames_p.bind(x, size=plan.size, step=plan.step)
    frames = _trend_remover(detrend)(frames) * plan.window
    return (np.fft.rfft if onesided else np.fft.fft)(frames, plan.points)


def _frequencies(plan: _Plan, fs: Any, onesided: bool) -> Array:
    return (np.fft.rfftfreq if onesided else np.fft.fftfreq)(plan.points, 1 / fs)


def _is_complex(*xs: Array) -> bool:
    return any([aval_of(x).dtype.kind == "c" for x in xs])


# Power spectra.


def _cross_spectra(
    operation: str, x: Array, y: Array, plan: _Plan, fs: Any, detrend: Any, onesided: bool,
    scaling: str,
) -> tuple[Array, Array]:  # fmt: skip
    """Frequencies, and conj(X) Y for each frame, frames and frequencies as the last axes."""
    if scaling not in ("density", "spectrum"):
        raise ValueError(f"{operation}: scaling must be 'density' or 'spectrum'; got {scaling!r}")
    first = _spectra(x, plan, detrend, onesided)
    if y is x:
        power = np.square(np.real(first)) + np.square(np.imag(first))
    else:
        power = np.conjugate(first) * _spectra(y, plan, detrend, onesided)
    scale = _power_of_window(plan.window, fs, scaling)
    if onesided:
        twice = np.full(plan.points // 2 + 1, 2, plan.window.real.dtype)
        twice[0] = 1
        if plan.points % 2 == 0:
            twice[-1] = 1
        power = power * (twice / scale)
    else:
        power = power / scale
    return _frequencies(plan, fs, onesided), power


def _power_of_window(window: Array, fs: Any, scaling: str) -> Array:
    if scaling == "density":
        return fs * np.sum(np.square(np.abs(window)))
    return np.square(np.abs(np.sum(window)))


def _average(operation: str, power: Array, average: str) -> Array:
    """The mean over the frames, which are the second last axis."""
    n = power.shape[-2]
    if n == 1:
        return power[..., 0, :]
    if average == "mean":
        return np.mean(power, axis=-2)
    if average != "median":
        raise ValueError(f"{operation}: average must be 'mean' or 'median'; got {average!r}")
    even = 2.0 * np.arange(1, (n - 1) // 2 + 1)
    bias = 1 + np.sum(1 / (even + 1) - 1 / even)
    if not _is_complex(power):
        return np.median(power, axis=-2) / bias
    real, imag = [np.median(part, axis=-2) for part in (np.real(power), np.imag(power))]
    return (real + 1j * imag) / bias


def _csd(
    operation: str, x: Array, y: Array, fs: Any, window: Any, nperseg: Any, noverlap: Any,
    nfft: Any, detrend: Any, return_onesided: bool, scaling: str, axis: int, average: str,
) -> tuple[Array, Array]:  # fmt: skip
    same = y is x
    x = as_array(x, operation)
    y = x if same else as_array(y, operation)
    if not x.size or not y.size:
        raise ShapeError(
            f"{operation}: the signals must not be empty.",
            got=f"{aval_of(x)!r} and {aval_of(y)!r}",
        )
    dtype = np.result_type(aval_of(x).dtype, aval_of(y).dtype, np.complex64)
    x = np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)
    y = x if same else np.moveaxis(y, normalize_axis_index(axis, y.ndim), -1)
    n = max(x.shape[-1], y.shape[-1])
    if not same:
        x, y = resize(x, x.ndim - 1, n), resize(y, y.ndim - 1, n)
    plan = _plan(operation, window, nperseg, noverlap, nfft, n)
    onesided = bool(return_onesided) and not _is_complex(x, y)
    freqs, power = _cross_spectra(operation, x, y, plan, fs, detrend, onesided, scaling)
    power = astype(_average(operation, power, average), real_dtype(dtype) if same else dtype)
    return freqs, np.moveaxis(power, -1, axis)


@implements(scipy.signal.csd)
def csd(
    x: Array,
    y: Array,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    """`scipy.signal.csd` on traced values."""
    return _csd(
        "scipy.signal.csd", x, y, fs, window, nperseg, noverlap, nfft, detrend, return_onesided,
        scaling, axis, average,
    )  # fmt: skip


@implements(scipy.signal.welch)
def welch(
    x: Array,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Array, Array]:
    """`scipy.signal.welch` on traced values."""
    return _csd(
        "scipy.signal.welch", x, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided,
        scaling, axis, average,
    )  # fmt: skip


@implements(scipy.signal.periodogram)
def periodogram(
    x: Array,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Array, Array]:
    """`scipy.signal.periodogram` on traced values."""
    operation = "scipy.signal.periodogram"
    x = as_array(x, operation)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if nfft is not None and nfft < n:
        x, n, nfft = resize(x, axis, nfft), nfft, None
    window = "boxcar" if window is None else window
    return _csd(
        operation, x, x, fs, window, n, 0, nfft, detrend, return_onesided, scaling, axis, "mean"
    )


@implements(scipy.signal.coherence)
def coherence(
    x: Array,
    y: Array,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[Array, Array]:
    """`scipy.signal.coherence` on traced values."""
    how = (fs, window, nperseg, noverlap, nfft, detrend, True, "density", axis, "mean")
    freqs, x_power = _csd("scipy.signal.coherence", x, x, *how)
    y_power = _csd("scipy.signal.coherence", y, y, *how)[1]
    both = _csd("scipy.signal.coherence", x, y, *how)[1]
    return freqs, np.square(np.abs(both)) / x_power / y_power


# Transforms over time.


def _odd_extension(x: Array, n: int) -> Array:
    left, right = x[..., n:0:-1], x[..., -2 : -(n + 2) : -1]
    return np.concatenate([2 * x[..., :1] - left, x, 2 * x[..., -1:] - right], axis=-1)


_EXTENSIONS: dict[str, Any] = {"even": "reflect", "constant": "edge", "zeros": "constant"}


def extended(operation: str, x: Array, n: int, boundary: Any) -> Array:
    """The signal with `n` points in front and behind."""
    if boundary is None or n < 1:
        return x
    if boundary in ("even", "odd") and n > x.shape[-1] - 1:
        raise ShapeError(
            f"{operation}: the signal is too short for boundary={boundary!r}.",
            got=f"length {x.shape[-1]}",
            needed=f"at least {n + 1}",
        )
    if boundary == "odd":
        return _odd_extension(x, n)
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n, n)], mode=_EXTENSIONS[boundary])


def _over_time(
    operation: str, x: Array, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any,
    detrend: Any, return_onesided: bool, boundary: Any, padded: bool, axis: int, scaling: str,
    power: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    if boundary is not None and boundary != "odd" and boundary not in _EXTENSIONS:
        raise ValueError(
            f"{operation}: boundary must be 'even', 'odd', 'constant', 'zeros' or None; "
            f"got {boundary!r}"
        )
    x = as_array(x, operation)
    if not x.size:
        raise ShapeError(f"{operation}: the signal must not be empty.", got=repr(aval_of(x)))
    dtype = np.result_type(aval_of(x).dtype, np.complex64)
    x = np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)
    plan = _plan(operation, window, nperseg, noverlap, nfft, x.shape[-1])
    plan = plan._replace(window=_in_precision(plan.window, dtype))
    x = extended(operation, x, plan.size // 2, boundary)
    if padded:
        more = (-(x.shape[-1] - plan.size) % plan.step) % plan.size
        x = resize(x, x.ndim - 1, x.shape[-1] + more)
    onesided = bool(return_onesided) and not _is_complex(x)
    if return_onesided and not onesided:
        warnings.warn("Input data is complex, switching to return_onesided=False", stacklevel=4)
    if power:
        freqs, y = _cross_spectra(operation, x, x, plan, fs, detrend, onesided, scaling)
        y = astype(y, real_dtype(dtype))
    else:
        scale = np.sqrt(1 / _power_of_window(plan.window, fs, scaling))
        freqs = _frequencies(plan, fs, onesided)
        y = astype(_spectra(x, plan, detrend, onesided) * scale, dtype)
    start = plan.size / 2
    times = np.arange(start, x.shape[-1] - start + 1, plan.step) / fs
    if boundary is not None:
        times = times - start / fs
    y = np.moveaxis(y, -2, -1)
    return freqs, times, np.moveaxis(y, -2, axis - 1 if axis < 0 else axis)


@implements(scipy.signal.stft)
def stft(
    x: Array,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[Array, Array, Array]:
    """`scipy.signal.stft` on traced values."""
    if scaling not in ("spectrum", "psd"):
        raise ValueError(f"scipy.signal.stft: scaling must be 'spectrum' or 'psd'; got {scaling!r}")
    return _over_time(
        "scipy.signal.stft", x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided,
        boundary, padded, axis, "density" if scaling == "psd" else scaling, power=False,
    )  # fmt: skip


@implements(scipy.signal.spectrogram)
def spectrogram(
    x: Array,
    fs: Any = 1.0,
    window: Any = ("tukey_periodic", 0.25),
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> tuple[Array, Array, Array]:
    """`scipy.signal.spectrogram` on traced values."""
    operation = "scipy.signal.spectrogram"
    if mode not in ("psd", "complex", "magnitude", "angle", "phase"):
        raise ValueError(
            f"{operation}: mode must be 'psd', 'complex', 'magnitude', 'angle' or 'phase'; "
            f"got {mode!r}"
        )
    x = as_array(x, operation)
    if noverlap is None:
        n = x.shape[axis]
        size = min(256 if nperseg is None else nperseg, n)
        noverlap = (size if isinstance(window, str | tuple) else np.shape(window)[0]) // 8
    freqs, times, y = _over_time(
        operation, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, None, False,
        axis, scaling, mode == "psd",
    )  # fmt: skip
    if mode == "magnitude":
        y = np.abs(y)
    elif mode in ("angle", "phase"):
        y = np.angle(y)
        if mode == "phase":
            y = np.unwrap(y, axis=axis - 1 if axis < 0 else axis)
    return freqs, times, y


@implements(scipy.signal.istft)
def istft(
    Zxx: Array,
    fs: Any = 1.0,
    window: Any = "hann_periodic",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[Array, Array]:
    """`scipy.signal.istft` on traced values."""
    operation = "scipy.signal.istft"
    z = as_array(Zxx, operation)
    _check(operation, "Zxx", aval_of(z), z.ndim >= 2, "two axes or more")
    at, of = [normalize_axis_index(i, z.ndim) for i in (time_axis, freq_axis)]
    _check(operation, "freq_axis", freq_axis, at != of, f"another axis than {time_axis=}")
    z = np.moveaxis(z, (at, of), (-2, -1))
    default = 2 * (z.shape[-1] - 1) if input_onesided else z.shape[-1]
    size = default if nperseg is None else int(nperseg)
    if nfft is None:
        points = size if input_onesided and size == default + 1 else default
    else:
        points = int(nfft)
    overlap = size // 2 if noverlap is None else int(noverlap)
    _check(operation, "nperseg", size, size >= 1, "a positive int")
    _check(operation, "nfft", points, points >= size, f"nperseg={size} or more")
    _check(operation, "noverlap", overlap, overlap < size, f"less than nperseg={size}")
    if isinstance(window, str | tuple):
        win = scipy.signal.get_window(window, size)
    else:
        win = as_array(window, operation)
        _check(operation, "window", aval_of(win), win.shape == (size,), f"length {size}")
    step = size - overlap
    frames = (np.fft.irfft if input_onesided else np.fft.ifft)(z, points)[..., :size]
    win = _in_precision(win, aval_of(frames).dtype)
    if scaling == "spectrum":
        scale = np.sum(win)
    elif scaling == "psd":
        scale = np.sqrt(fs * np.sum(np.square(win)))
    else:
        raise ValueError(f"{operation}: scaling must be 'spectrum' or 'psd'; got {scaling!r}")
    count = frames.shape[-2]
    length = size + (count - 1) * step
    x = overlap_add_p.bind(frames * (scale * win), step=step, length=length)
    squares = np.broadcast_to(np.square(win), (count, size))
    weights = overlap_add_p.bind(squares, step=step, length=length)
    if boundary:
        inside = slice(size // 2, -(size // 2))
        x, weights = x[..., inside], weights[inside]
    good = weights > 1e-10
    if not isinstance(good, Tracer) and not np.all(good):
        warnings.warn(
            f"{operation}: the windows leave gaps, so the signal may not be the original one",
            stacklevel=3,
        )
    x = x / np.where(good, weights, np.ones((), aval_of(weights).dtype))
    if input_onesided:
        x = np.real(x)
    if x.ndim > 1 and at != z.ndim - 1:
        x = np.moveaxis(x, -1, at - 1 if of < at else at)
    return np.arange(x.shape[0]) / fs, x
