"""The spec table: one row for each function that wengert traces, with samples to check.

`SPECS` is the table, `CASES` its (row, sample) pairs. A row's `call` takes the module (`numpy` or
`wengert.numpy`), the arrays, and static keyword arguments. A sample draws the arrays; its floats
are what derivatives are taken by. `table.py` says what a row is; the rows are in the other files,
one a family. What is true of all rows is in `checks.py`.
"""

from __future__ import annotations

import warnings

import numpy as np

import wengert.numpy as wnp
from specs.calculus import CALCULUS
from specs.choice import CHOICE
from specs.contractions import CONTRACTIONS
from specs.creation import CREATION
from specs.decompositions import DECOMPOSITIONS
from specs.editing import EDITING, EMATH
from specs.fft import FFT
from specs.indexing import INDEXING
from specs.inplace import INPLACE, LIKE
from specs.joining import JOINING
from specs.linalg import LINALG
from specs.nans import NANS
from specs.operators import OPERATORS
from specs.polynomials import POLYNOMIALS, RANGES
from specs.reductions import REDUCTIONS
from specs.scipy_fft import SCIPY_FFT
from specs.scipy_integrate import INTEGRATE
from specs.scipy_interpolate import INTERPOLATE
from specs.scipy_linalg import SCIPY_LINALG
from specs.scipy_matrices import SCIPY_MATRICES
from specs.scipy_ndimage import NDIMAGE
from specs.scipy_signal import SIGNAL
from specs.scipy_special import SCIPY_SPECIAL
from specs.scipy_special_functions import SCIPY_SPECIAL_FUNCTIONS
from specs.scipy_special_more import SCIPY_SPECIAL_MORE
from specs.scipy_stats import SCIPY_STATS
from specs.shapes import SHAPES
from specs.statistics import STATISTICS
from specs.table import Case, Spec
from specs.ufunc_methods import UFUNC_METHODS
from specs.ufuncs import OPTIONS, UFUNCS

__all__ = ["ALL_CASES", "CASES", "EXCLUDED", "MODULES", "SPECS", "Case", "Spec"]

SPECS: tuple[Spec, ...] = (
    *UFUNCS,
    *OPTIONS,
    *UFUNC_METHODS,
    *OPERATORS,
    *CHOICE,
    *REDUCTIONS,
    *STATISTICS,
    *NANS,
    *CALCULUS,
    *SHAPES,
    *EDITING,
    *EMATH,
    *POLYNOMIALS,
    *RANGES,
    *JOINING,
    *INDEXING,
    *INPLACE,
    *LIKE,
    *CONTRACTIONS,
    *LINALG,
    *DECOMPOSITIONS,
    *FFT,
    *CREATION,
    *SCIPY_LINALG,
    *SCIPY_MATRICES,
    *SCIPY_SPECIAL,
    *SCIPY_SPECIAL_FUNCTIONS,
    *SCIPY_SPECIAL_MORE,
    *SCIPY_STATS,
    *SIGNAL,
    *NDIMAGE,
    *INTERPOLATE,
    *INTEGRATE,
    *SCIPY_FFT,
)


def numpy_takes(case: Case) -> bool:
    """False where the installed NumPy or SciPy itself refuses the call: old ones lack some
    arguments, new ones deprecate functions.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", DeprecationWarning)
        try:
            case.function(np)(*case.draw(np.random.default_rng(0)))
        except (TypeError, ValueError, DeprecationWarning):
            return False
    return True


ALL_CASES = [Case(spec, sample) for spec in SPECS for sample in spec.samples]
CASES: tuple[Case, ...] = tuple([case for case in ALL_CASES if numpy_takes(case)])

EXCLUDED = {
    np.isnat: "takes dates only, which have no derivative and are no arrays of numbers",
}
"""The ufuncs of NumPy without a row, and why."""

MODULES = {"np": np, "wnp": wnp}
