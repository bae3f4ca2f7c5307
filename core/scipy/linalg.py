"""Decompositions of `scipy.linalg` on traced values: qr, svd, polar; and what it has in common with
`numpy.linalg`.

The other functions are in `linalg_solve.py`, `linalg_factors.py`, `linalg_eigen.py`,
`linalg_functions.py` and `linalg_structured.py`. Stacks of matrices are taken everywhere; one after
the other where SciPy takes one matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..primitives.determinants import cofactor_p
from ..primitives.elementwise import astype
from ..primitives.matrices import (
    adjoint,
    epsilon,
    hermitian,
    linalg_operand,
    matrix_operand,
    square_operand,
    stacked,
    typed,
)
from ..primitives.norms import nuclear_p
from ..primitives.singular import pinv_p, polar_p, svd_p, svdvals_p
from ..tracing import Primitive, Tracer
from .linalg_solve import checked, each

# What NumPy does too.


det_p: Primitive = Primitive(
    "scipy_det",
    lambda x: scipy.linalg.det(x, check_finite=False),
    shape=lambda x: typed(x.shape[:-2], np.result_type(x.dtype, np.float64)),
    jvps=(lambda t, y, x: np.sum(astype(cofactor_p.bind(x) * t, y.dtype), axis=(-2, -1)),),
    batch=stacked(lambda: det_p),
)


@implements(scipy.linalg.det)
def det(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`scipy.linalg.det` on traced values: in double precision, as SciPy's. The derivative is
    finite at singular matrices too.
    """
    return det_p.bind(checked(square_operand(a, "scipy.linalg.det"), check_finite))


@implements(scipy.linalg.norm)
def norm(
    a: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Array:
    """`scipy.linalg.norm` on traced values."""
    a = checked(linalg_operand(a, "scipy.linalg.norm"), check_finite)
    return np.linalg.norm(a, ord, axis, keepdims)


@implements(scipy.linalg.pinv)
def pinv(
    a: Array,
    *,
    atol: Any = None,
    rtol: Any = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """`scipy.linalg.pinv` on traced values; differentiated as `np.linalg.pinv`."""
    a = checked(matrix_operand(a, "scipy.linalg.pinv"), check_finite)
    relative = max(a.shape[-2:], default=0) * epsilon(a) if rtol is None else rtol
    if atol is None and not return_rank:
        return np.linalg.pinv(a, relative)
    s = np.linalg.svdvals(a)
    largest = np.max(s, axis=-1, initial=0.0)
    cut = largest * relative + (0.0 if atol is None else atol)
    share = cut / np.where(largest == 0, 1, largest)
    y = np.linalg.pinv(a, relative) if atol is None else pinv_p.bind(a, share, hermitian=False)
    return (y, np.sum(s > np.expand_dims(cut, -1), axis=-1)) if return_rank else y


@implements(scipy.linalg.lstsq)
def lstsq(
    a: Array,
    b: Array,
    cond: Any = None,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    lapack_driver: str | None = None,
) -> tuple[Array, Array, Any, Array]:
    """`scipy.linalg.lstsq` on traced values: (x, residues, rank, singular values)."""
    name = "scipy.linalg.lstsq"
    a = checked(matrix_operand(a, name), check_finite)
    b = checked(linalg_operand(b, name), check_finite)
    if lapack_driver not in (None, "gelsd", "gelss"):
        raise unsupported_argument(name, "lapack_driver", lapack_driver, "use 'gelsd' or 'gelss'")
    dtype = np.result_type(a.dtype, b.dtype)
    a, b = astype(a, dtype), astype(b, dtype)
    x, residues, rank, s = np.linalg.lstsq(
        a, b, float(np.finfo(dtype).eps if cond is None else cond)
    )
    if residues.shape[0] and b.ndim == 1:
        residues = residues[0]
    elif not isinstance(residues, Tracer) and not residues.size:
        residues = np.zeros(0, dtype)
    return x, residues, rank if isinstance(rank, Tracer) else int(rank), s


# qr and svd.


def _pivots(x: Array) -> Array:
    if 0 in x.shape:
        return np.broadcast_to(np.arange(x.shape[-1], dtype=np.int32), (*x.shape[:-2], x.shape[-1]))
    return each(lambda m: scipy.linalg.qr(m, mode="r", pivoting=True)[1], (2,), x)


qr_pivots_p: Primitive = Primitive(
    "qr_pivots",
    _pivots,
    shape=lambda x: typed((*x.shape[:-2], x.shape[-1]), np.int32),
    jvps=(None,),
    batch=stacked(lambda: qr_pivots_p),
)


@implements(scipy.linalg.qr)
def qr(
    a: Array,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> tuple[Array, ...]:
    """`scipy.linalg.qr` on traced values: the modes full, r and economic; the pivots are constant.

    Differentiated as `np.linalg.qr`.
    """
    name = "scipy.linalg.qr"
    a = checked(matrix_operand(a, name), check_finite)
    if mode not in ("full", "qr", "r", "economic"):
        raise unsupported_argument(name, "mode", mode, "use 'full', 'r' or 'economic'")
    extra: tuple[Array, ...] = ()
    if pivoting:
        pivots = qr_pivots_p.bind(a)
        a = np.take_along_axis(a, pivots[..., None, :], axis=-1)
        extra = (pivots,)
    if mode == "r":
        r: Array = np.linalg.qr(a, "r")
        missing = a.shape[-2] - r.shape[-2]
        below = np.zeros((*r.shape[:-2], missing, r.shape[-1]), r.dtype)
        return (np.concatenate([r, below], axis=-2) if missing else r, *extra)
    q, r = np.linalg.qr(a, "reduced" if mode == "economic" else "complete")
    return (q, r, *extra)


@implements(scipy.linalg.svd)
def svd(
    a: Array,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """`scipy.linalg.svd` on traced values; differentiated as `np.linalg.svd`."""
    name = "scipy.linalg.svd"
    a = checked(matrix_operand(a, name), check_finite)
    if not compute_uv:
        return svdvals_p.bind(a)
    if lapack_driver != "gesdd":
        raise unsupported_argument(name, "lapack_driver", lapack_driver, "leave it out")
    return svd_p.bind(a, full=bool(full_matrices))


@implements(scipy.linalg.svdvals)
def svdvals(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """`scipy.linalg.svdvals` on traced values."""
    return svdvals_p.bind(checked(matrix_operand(a, "scipy.linalg.svdvals"), check_finite))


@implements(scipy.linalg.polar)
def polar(a: Array, side: str = "right") -> tuple[Array, Array]:
    """`scipy.linalg.polar` on traced values.

    Equal singular values do no harm. At a matrix without full rank there is no derivative: it is
    NaN, or NumPy's LinAlgError is raised.
    """
    a = matrix_operand(a, "scipy.linalg.polar")
    if side not in ("left", "right"):
        raise ValueError(f"scipy.linalg.polar: `side` must be 'left' or 'right'; got {side!r}")
    u = polar_p.bind(a, full=True)
    return u, hermitian(adjoint(u) @ a if side == "right" else a @ adjoint(u))


@implements(scipy.linalg.orthogonal_procrustes)
def orthogonal_procrustes(A: Array, B: Array, check_finite: bool = True) -> tuple[Array, Array]:
    """`scipy.linalg.orthogonal_procrustes` on traced values."""
    name = "scipy.linalg.orthogonal_procrustes"
    a = checked(matrix_operand(A, name), check_finite)
    b = checked(matrix_operand(B, name), check_finite)
    if a.shape != b.shape:
        raise ShapeError(
            f"{name}: the matrices must have one shape.", got=f"{aval_of(a)!r} and {aval_of(b)!r}"
        )
    product = adjoint(a) @ b
    return polar_p.bind(product, full=True), nuclear_p.bind(product)
