"""Decompositions of `scipy.linalg` on traced values: qr, svd, eigh and its kin, polar; and what it
has in common with `numpy.linalg`.

The other functions are in `linalg_solve.py`, `linalg_functions.py` and `linalg_structured.py`.
Equal eigenvalues: see `np.linalg.eigh`. Stacks of matrices are taken everywhere; one after the other
where SciPy takes one matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ConcretizationError, ShapeError
from ..primitives.decompositions import eig_p, eigh_jvp, eigvals_p
from ..primitives.degenerate import split_p
from ..primitives.elementwise import astype, real_dtype
from ..primitives.matrices import (
    adjoint,
    epsilon,
    hermitian,
    lanes,
    linalg_operand,
    matrix_operand,
    square_operand,
    stacked,
    typed,
    value_or_none,
)
from ..primitives.singular import lstsq_p, nuclear_p, pinv_p, polar_p, svd_p, svdvals_p
from ..tracing import Primitive, Tracer
from .linalg_solve import checked, each

# What NumPy does too.


@implements(scipy.linalg.det)
def det(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`scipy.linalg.det` on traced values; finite derivatives at singular matrices too."""
    return np.linalg.det(checked(square_operand(a, "scipy.linalg.det"), check_finite))


@implements(scipy.linalg.norm)
def norm(
    a: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Array:
    """`scipy.linalg.norm` on traced values."""
    a = checked(linalg_operand(a, "scipy.linalg.norm"), check_finite)
    return np.linalg.norm(a, ord, axis, keepdims)
