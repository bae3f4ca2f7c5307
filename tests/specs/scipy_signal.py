"""Rows for the convolutions, filters and spectra of `scipy.signal`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import wengert.scipy.signal as signal
from specs.table import S, Sample, Spec, cplx, ints, real, scipy_row


def _row(name: str, *samples: Sample, **options: Any) -> Spec:
    options = {"ulps": 64, "tolerance": 4, **options}
    return scipy_row(signal, name, *samples, **options)


_MODES = ("full", "same", "valid")
_METHODS = ("direct", "fft", "auto")
_CONVOLUTIONS = (
    *[
        S(f"{mode}-{method}", (real(5), real(3)), {"mode": mode, "method": method})
        for mode, method in product(_MODES, _METHODS)
    ],
    *[S(f"short-{mode}", (real(2), real(5)), {"mode": mode}) for mode in _MODES],
    *[S(f"even-{mode}", (real(4), real(2)), {"mode": mode}) for mode in _MODES],
    *[
        S(f"two-{mode}-{method}", (real(4, 3), real(2, 3)), {"mode": mode, "method": method})
        for mode, method in product(_MODES, _METHODS)
    ],
    S("three", (real(2, 3, 2), real(2, 2, 1))),
    S("crossed", (real(2, 3), real(3, 2))),
    S("c16", (cplx(4), cplx(2))),
    S("c16-valid", (cplx(2), cplx(4)), {"mode": "valid"}),
    S("c16-f8", (cplx(3, 2), real(2, 2))),
    S("f8-c16", (real(4), cplx(2))),
    S("f4", (real(4, dtype="f4"), real(3, dtype="f4"))),
    S("f4-fft", (real(4, dtype="f4"), real(3, dtype="f4")), {"method": "fft"}),
    S("f4-f8", (real(4, dtype="f4"), real(3))),
    S("ints", (ints(4), ints(3))),
    S("int-f8", (ints(4), real(3))),
    S("ints-fft", (ints(4), ints(3)), {"method": "fft"}),
    S("one", (real(1), real(1))),
    S("scalars", (real(), real())),
)
_AXES = (
    *[S(mode, (real(5), real(3)), {"mode": mode}) for mode in _MODES],
    *[S(f"two-{mode}", (real(4, 3), real(2, 3)), {"mode": mode}) for mode in _MODES],
    *[S(f"axis-{mode}", (real(2, 4), real(2, 3)), {"axes": 1, "mode": mode}) for mode in _MODES],
    S("stretched", (real(4, 2), real(3, 1)), {"axes": 0}),
    S("stretched-left", (real(4, 1), real(3, 2)), {"axes": (0,)}),
    S("axes", (real(3, 2, 3), real(2, 2, 2)), {"axes": (2, 0)}),
    S("long", (real(40), real(3))),
    S("c16", (cplx(4), cplx(2))),
    S("f4", (real(4, dtype="f4"), real(3, dtype="f4"))),
    S("ints", (ints(4), ints(3))),
    S("f8-int", (real(4), ints(3))),
    S("scalars", (real(), real())),
)
_PLANES = (
    *[
        S(f"{mode}-{boundary}", (real(4, 3), real(2, 3)), {"mode": mode, "boundary": boundary})
        for mode, boundary in product(_MODES, ("fill", "wrap", "symm"))
    ],
    *[S(f"odd-{mode}", (real(3, 4), real(3, 1)), {"mode": mode}) for mode in _MODES],
    S("large-kernel", (real(2, 2), real(3, 4)), {"mode": "same", "boundary": "symm"}),
    S("swapped", (real(2, 2), real(3, 4)), {"mode": "valid"}),
    S("swapped-c16", (cplx(2, 2), cplx(3, 4)), {"mode": "valid"}),
    S("fillvalue", (real(3, 3), real(2, 2)), {"fillvalue": 1.5}),
    S("fillvalue-same", (real(3, 3), real(2, 2)), {"fillvalue": 2, "mode": "same"}),
    S("c16", (cplx(3, 2), cplx(2, 2))),
    S("c16-wrap", (cplx(3, 2), cplx(2, 2)), {"boundary": "wrap", "mode": "same"}),
    S("f4", (real(3, 2, dtype="f4"), real(2, 2, dtype="f4"))),
    S("f8-int", (real(3, 3), ints(2, 2))),
    S("ints", (ints(3, 3), ints(2, 2))),
)

_B, _A = real(3), lambda rng: np.array([2.0, 0.3, -0.4]) + rng.uniform(-0.1, 0.1, 3)


_SECTIONS = real(2, 5, lo=-0.4, hi=0.4)


def _sections(p: Any) -> Any:
    """Stable filters of second order."""
    return np.concatenate([p[:, :3], np.ones((2, 1)), p[:, 3:]], axis=1)


_FRAMES = {"nperseg": 6}
_SPECTRA = (
    S("plain", (real(16),), _FRAMES),
    S("no-overlap", (real(14),), {**_FRAMES, "noverlap": 0}),
    S("odd", (real(15),), {"nperseg": 5, "noverlap": 3}),
    S("longer", (real(16),), {**_FRAMES, "nfft": 9}),
    S("trend", (real(16),), {**_FRAMES, "detrend": "linear"}),
    S("as-it-is", (real(16),), {**_FRAMES, "detrend": False}),
    S("both-sides", (real(16),), {**_FRAMES, "return_onesided": False}),
    S("boxcar", (real(16),), {**_FRAMES, "window": "boxcar", "fs": 10.0}),
    S("tukey", (real(16),), {**_FRAMES, "window": ("tukey", 0.4)}),
    S("axis", (real(12, 2),), {**_FRAMES, "axis": 0}),
    S("stack", (real(2, 1, 12),), _FRAMES),
    S("c16", (cplx(12),), {**_FRAMES, "return_onesided": False}),
    S("f4", (real(12, dtype="f4"),), _FRAMES),
    S("one-frame", (real(6),), {"nperseg": 6}),
)
_POWER = (
    *_SPECTRA,
    S("spectrum", (real(16),), {**_FRAMES, "scaling": "spectrum"}),
    S("spectrum-sides", (real(16),), {**_FRAMES, "scaling": "spectrum", "return_onesided": False}),
)


def _twice(sample: Sample) -> Sample:
    return S(sample.name, sample.draws * 2, sample.static)


SIGNAL = (
    _row("convolve", *_CONVOLUTIONS),
    _row("correlate", *_CONVOLUTIONS),
    _row("fftconvolve", *_AXES),
    _row("oaconvolve", *_AXES),
    _row("convolve2d", *_PLANES),
    _row("correlate2d", *_PLANES),
    Spec(
        "signal.convolve2d-filled",
        lambda m, x, k, fill, **static: signal.convolve2d(x, k, fillvalue=fill, **static),
        (
            S("full", (real(2, 3), real(2, 2), real())),
            S("same", (real(2, 3), real(2, 2), real()), {"mode": "same"}),
        ),
        of_numpy=False,
        ulps=64,
    ),
    _row(
        "lfilter",
        S("plain", (_B, _A, real(6))),
        S("long-numerator", (real(4), real(2, lo=1), real(5))),
        S("long-denominator", (real(1), _A, real(5))),
        S("no-feedback", (real(3), real(1, lo=1), real(5))),
        S("gain", (real(1), real(1, lo=1), real(3))),
        S("short", (_B, _A, real(1))),
        S("matrix", (_B, _A, real(2, 4))),
        S("axis", (_B, _A, real(4, 2)), {"axis": 0}),
        S("c16", (cplx(2), real(2, lo=1), cplx(4))),
        S("f4", (real(2, dtype="f4"), real(2, lo=1, dtype="f4"), real(4, dtype="f4"))),
        S("f4-f8", (real(2, dtype="f4"), real(2, lo=1), real(4, dtype="f4"))),
        S("ints", (_B, _A, ints(4))),
        ulps=512,
        tolerance=64,
    ),
    Spec(
        "signal.lfilter-state",
        lambda m, b, a, x, z, **static: signal.lfilter(b, a, x, zi=z, **static),
        (
            S("plain", (_B, _A, real(6), real(2))),
            S("short", (_B, _A, real(1), real(2))),
            S("matrix", (_B, _A, real(2, 4), real(2, 2))),
            S("stretched", (_B, _A, real(2, 4), real(1, 2))),
            S("axis", (_B, _A, real(4, 2), real(2, 2)), {"axis": 0}),
            S("no-feedback", (_B, real(1, lo=1), real(4), real(2))),
        ),
        of_numpy=False,
        ulps=512,
        tolerance=64,
    ),
    _row(
        "lfilter_zi",
        S("plain", (_B, _A)),
        S("long-numerator", (real(4), real(2, lo=1))),
        S("f4", (real(2, dtype="f4"), real(2, lo=1, dtype="f4"))),
        ulps=512,
        tolerance=64,
    ),
    _row(
        "filtfilt",
        S("plain", (_B, _A, real(12))),
        S("axis", (_B, _A, real(6, 2)), {"axis": 0, "padlen": 4}),
        S("even", (_B, _A, real(6)), {"padtype": "even", "padlen": 3}),
        S("constant", (_B, _A, real(6)), {"padtype": "constant", "padlen": 3}),
        S("bare", (_B, _A, real(6)), {"padtype": None}),
        ulps=4096,
        tolerance=512,
        order=2,
    ),
    _row(
        "sosfilt",
        S("plain", (_SECTIONS, real(5))),
        S("axis", (_SECTIONS, real(4, 2)), {"axis": 0}),
        call=lambda m, p, x, **static: signal.sosfilt(_sections(p), x, **static),
        ulps=512,
        tolerance=64,
        order=2,
    ),
    Spec(
        "signal.sosfilt-state",
        lambda m, p, x, z: signal.sosfilt(_sections(p), x, zi=z),
        (S("plain", (_SECTIONS, real(5), real(2, 2))),),
        of_numpy=False,
        ulps=512,
        tolerance=64,
        order=2,
    ),
    _row(
        "savgol_filter",
        *[
            S(mode, (real(7),), {"window_length": 5, "polyorder": 2, "mode": mode})
            for mode in ("interp", "mirror", "nearest", "wrap", "constant")
        ],
        S("even", (real(7),), {"window_length": 4, "polyorder": 2}),
        S("cval", (real(7),), {"window_length": 3, "polyorder": 1, "mode": "constant", "cval": 2}),
        S("slopes", (real(7),), {"window_length": 5, "polyorder": 2, "deriv": 1, "delta": 0.5}),
        S("axis", (real(6, 2),), {"window_length": 3, "polyorder": 1, "axis": 0}),
        S(
            "f4",
            (real(7, dtype="f4"),),
            {"window_length": 5, "polyorder": 2, "mode": "nearest"},
        ),
        S("ints", (ints(7),), {"window_length": 5, "polyorder": 2}),
        ulps=4096,
    ),
    _row(
        "detrend",
        S("plain", (real(6),)),
        S("axis", (real(5, 2),), {"axis": 0}),
        S("constant", (real(2, 5),), {"type": "constant"}),
        S("constant-axis", (real(5, 2),), {"type": "c", "axis": 0}),
        S("breaks", (real(12),), {"bp": [8, 4]}),
        S("break", (real(2, 9),), {"bp": 4}),
        S("c16", (cplx(5),)),
        S("f4", (real(5, dtype="f4"),)),
        S("ints", (ints(9, hi=9),)),
        ulps=256,
    ),
    _row(
        "hilbert",
        S("even", (real(6),)),
        S("odd", (real(5),)),
        S("longer", (real(4),), {"N": 7}),
        S("shorter", (real(6),), {"N": 4}),
        S("axis", (real(4, 2),), {"axis": 0}),
        S("f4", (real(4, dtype="f4"),)),
        S("ints", (ints(4),)),
        S("one", (real(1),)),
    ),
    _row("welch", *_POWER, S("median", (real(24),), {**_FRAMES, "average": "median"}), ulps=512),
    _row("csd", *map(_twice, _POWER), S("lengths", (real(12), real(16)), _FRAMES), ulps=512),
    _row(
        "periodogram",
        S("plain", (real(8),)),
        S("odd", (real(7),), {"fs": 3.0}),
        S("longer", (real(6),), {"nfft": 9}),
        S("shorter", (real(9),), {"nfft": 6}),
        S("hann", (real(8),), {"window": "hann", "scaling": "spectrum"}),
        S("no-window", (real(8),), {"window": None, "detrend": "linear"}),
        S("axis", (real(6, 2),), {"axis": 0}),
        S("c16", (cplx(6),), {"return_onesided": False}),
        S("f4", (real(6, dtype="f4"),)),
        ulps=512,
    ),
    _row(
        "coherence",
        S("plain", (real(24), real(24)), _FRAMES),
        S("axis", (real(20, 2), real(20, 2)), {**_FRAMES, "axis": 0, "fs": 2.0}),
        ulps=4096,
        tolerance=64,
    ),
    _row(
        "stft",
        *_SPECTRA,
        *[
            S(f"{b}-boundary", (real(12),), {**_FRAMES, "boundary": b})
            for b in ("even", "odd", "constant")
        ],
        S("no-boundary", (real(13),), {**_FRAMES, "boundary": None}),
        S("unpadded", (real(13),), {**_FRAMES, "padded": False}),
        S("psd", (real(12),), {**_FRAMES, "scaling": "psd", "fs": 4.0}),
        S("single", (real(5),), {"nperseg": 1}),
        ulps=512,
    ),
    _row(
        "spectrogram",
        S("plain", (real(16),), _FRAMES),
        S("complex", (real(16),), {**_FRAMES, "mode": "complex"}),
        S("magnitude", (real(16),), {**_FRAMES, "mode": "magnitude", "detrend": False}),
        S("angle", (real(16),), {**_FRAMES, "mode": "angle"}, derivative=False),
        S("phase", (real(16),), {**_FRAMES, "mode": "phase"}, derivative=False),
        S("axis", (real(12, 2),), {**_FRAMES, "axis": 0, "scaling": "spectrum"}),
        S("f4", (real(12, dtype="f4"),), _FRAMES),
        ulps=4096,
        tolerance=64,
    ),
    _row(
        "istft",
        S("plain", (cplx(4, 5),)),
        S("f8", (real(4, 5),)),
        S("odd", (cplx(4, 4),), {"nperseg": 7}),
        S("overlap", (cplx(4, 4),), {"noverlap": 4}),
        S("both-sides", (cplx(6, 4),), {"input_onesided": False}),
        S("longer", (cplx(5, 4),), {"nperseg": 6}),
        S("axes", (cplx(4, 2, 4),), {"time_axis": 0, "freq_axis": -1, "window": "boxcar"}),
        S("psd", (cplx(4, 4),), {"scaling": "psd", "fs": 2.0}),
        S("c8", (cplx(4, 4, dtype="c8"),)),
        ulps=512,
    ),
    Spec(
        "signal.windows",
        lambda m, x, w, fs: (*signal.welch(x, fs, w), signal.stft(x, fs, w, nperseg=None)[2]),
        (S("plain", (real(12), real(4, lo=1), real(lo=1))),),
        of_numpy=False,
        ulps=512,
    ),
)
