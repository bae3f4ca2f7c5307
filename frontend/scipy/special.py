"""`scipy.special`, for traced and plain values alike.

SciPy's ufuncs work on traced values as they are: `scipy.special.expit(x)` does too. Its other
functions turn their arguments into plain arrays, and are here in a form that does not.
"""

from __future__ import annotations

from typing import Any

import scipy.special as _scipy

from ..core.scipy import special as _special
from ..core.scipy.special_base import ufunc_named as _ufunc_named
from ..core.scipy.special_functions import (
    bessel_jn,
    comb,
    diric,
    factorial,
    lambertw,
    log_softmax,
    logsumexp,
    multigammaln,
    perm,
    polygamma,
    softmax,
    spherical_in,
    spherical_jn,
    spherical_kn,
    spherical_yn,
    zeta,
)

__all__ = [
    "bessel_jn",
    "comb",
    "diric",
    "factorial",
    "lambertw",
    "log_softmax",
    "logsumexp",
    "multigammaln",
    "perm",
    "polygamma",
    "softmax",
    "spherical_in",
    "spherical_jn",
    "spherical_kn",
    "spherical_yn",
    "zeta",
]


def __getattr__(name: str) -> Any:
    # Functions of some of SciPy's versions only; its ufuncs, which find their rules by themselves;
    # and the rest, which works on plain values and says what it cannot do when one is traced.
    ours = getattr(_special.special_functions, name, None)
    if hasattr(ours, "numpy_function"):
        return ours
    ufunc = _ufunc_named(name)
    return getattr(_scipy, name) if ufunc is None else ufunc
