"""`scipy.ndimage`, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import scipy.ndimage as _scipy

from ..core.scipy.ndimage import convolve as convolve
from ..core.scipy.ndimage import convolve1d as convolve1d
from ..core.scipy.ndimage import correlate as correlate
from ..core.scipy.ndimage import correlate1d as correlate1d
from ..core.scipy.ndimage import gaussian_filter as gaussian_filter
from ..core.scipy.ndimage import gaussian_filter1d as gaussian_filter1d
from ..core.scipy.ndimage import map_coordinates as map_coordinates
from ..core.scipy.ndimage import spline_filter as spline_filter
from ..core.scipy.ndimage import spline_filter1d as spline_filter1d
from ..core.scipy.ndimage import uniform_filter as uniform_filter
from ..core.scipy.ndimage import uniform_filter1d as uniform_filter1d

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "map_coordinates",
    "spline_filter",
    "spline_filter1d",
    "uniform_filter",
    "uniform_filter1d",
]


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
