"""`scipy.interpolate`, for traced and plain values alike.

The interpolators are classes of our own, with the arguments and methods of SciPy's: what is traced
may be given when they are made, or when they are called.
"""

from __future__ import annotations

from typing import Any

import scipy.interpolate as _scipy

from ..core.scipy.cubic import Akima1DInterpolator as Akima1DInterpolator
from ..core.scipy.cubic import CubicHermiteSpline as CubicHermiteSpline
from ..core.scipy.cubic import CubicSpline as CubicSpline
from ..core.scipy.cubic import PchipInterpolator as PchipInterpolator
from ..core.scipy.grids import RegularGridInterpolator as RegularGridInterpolator
from ..core.scipy.grids import interp1d as interp1d
from ..core.scipy.grids import interpn as interpn
from ..core.scipy.interpolate import PPoly as PPoly
from ..core.scipy.splines import BSpline as BSpline
from ..core.scipy.splines import make_interp_spline as make_interp_spline
from ..numpy import interp as interp

__all__ = [
    "Akima1DInterpolator",
    "BSpline",
    "CubicHermiteSpline",
    "CubicSpline",
    "PPoly",
    "PchipInterpolator",
    "RegularGridInterpolator",
    "interp",
    "interp1d",
    "interpn",
    "make_interp_spline",
]


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
