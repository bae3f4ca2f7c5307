"""`scipy.signal`, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import scipy.signal as _scipy
from scipy.signal import get_window as get_window

from ..core.scipy.filters import filtfilt as filtfilt
from ..core.scipy.filters import lfilter as lfilter
from ..core.scipy.filters import lfilter_zi as lfilter_zi
from ..core.scipy.filters import savgol_filter as savgol_filter
from ..core.scipy.filters import sosfilt as sosfilt
from ..core.scipy.signal import convolve as convolve
from ..core.scipy.signal import convolve2d as convolve2d
from ..core.scipy.signal import correlate as correlate
from ..core.scipy.signal import correlate2d as correlate2d
from ..core.scipy.signal import detrend as detrend
from ..core.scipy.signal import fftconvolve as fftconvolve
from ..core.scipy.signal import hilbert as hilbert
from ..core.scipy.signal import oaconvolve as oaconvolve
from ..core.scipy.spectral import coherence as coherence
from ..core.scipy.spectral import csd as csd
from ..core.scipy.spectral import istft as istft
from ..core.scipy.spectral import periodogram as periodogram
from ..core.scipy.spectral import spectrogram as spectrogram
from ..core.scipy.spectral import stft as stft
from ..core.scipy.spectral import welch as welch

__all__ = [
    "coherence",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "csd",
    "detrend",
    "fftconvolve",
    "filtfilt",
    "get_window",
    "hilbert",
    "istft",
    "lfilter",
    "lfilter_zi",
    "oaconvolve",
    "periodogram",
    "savgol_filter",
    "sosfilt",
    "spectrogram",
    "stft",
    "welch",
]


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
