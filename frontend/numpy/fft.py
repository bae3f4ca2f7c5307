"""NumPy's Fourier transforms, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import numpy as _np
from numpy.fft import fftfreq as fftfreq
from numpy.fft import rfftfreq as rfftfreq

from ..core.primitives.fft import fft as fft
from ..core.primitives.fft import fft2 as fft2
from ..core.primitives.fft import fftn as fftn
from ..core.primitives.fft import fftshift as fftshift
from ..core.primitives.fft import hfft as hfft
from ..core.primitives.fft import ifft as ifft
from ..core.primitives.fft import ifft2 as ifft2
from ..core.primitives.fft import ifftn as ifftn
from ..core.primitives.fft import ifftshift as ifftshift
from ..core.primitives.fft import ihfft as ihfft
from ..core.primitives.fft import irfft as irfft
from ..core.primitives.fft import irfft2 as irfft2
from ..core.primitives.fft import irfftn as irfftn
from ..core.primitives.fft import rfft as rfft
from ..core.primitives.fft import rfft2 as rfft2
from ..core.primitives.fft import rfftn as rfftn

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def __getattr__(name: str) -> Any:
    # The rest of NumPy's.
    return getattr(_np.fft, name)
