"""Linear systems with banded matrices: what splines are made of.

A matrix with `below` diagonals below the main one and `above` above it is kept as SciPy keeps it:
`bands[above + i - j, j]` is the element (i, j), the rest of `bands` is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, ShapedArray
from ..rules import align_batch, unbroadcast
from ..tracing import Primitive

# bands: (..., below + above + 1, n); b: (..., n, columns). The axes in front broadcast.


def _solve(bands: Array, b: Array, *, below: int, above: int) -> Array:
    """LAPACK; a stack of systems is one system, whose matrix has them as blocks."""
    if bands.ndim == 2:
        n = b.shape[-2]
        wide = np.moveaxis(b, -2, 0).reshape(n, -1)
        y = scipy.linalg.solve_banded((below, above), bands, wide, check_finite=False)
        return np.moveaxis(y.reshape((n, *b.shape[:-2], b.shape[-1])), 0, -2)
    lead = np.broadcast_shapes(bands.shape[:-2], b.shape[:-2])
    bands = np.where(_inside(bands.shape, below, above), bands, 0)
    bands = np.broadcast_to(bands, (*lead, *bands.shape[-2:]))
    rows, n = bands.shape[-2:]
    long = np.moveaxis(bands, -2, 0).reshape(rows, -1)
    right = np.broadcast_to(b, (*lead, *b.shape[-2:])).reshape(-1, b.shape[-1])
    if not long.size:
        return np.zeros((*lead, *b.shape[-2:]), np.result_type(bands, b))
    y = scipy.linalg.solve_banded((below, above), long, right, check_finite=False)
    return y.reshape((*lead, n, b.shape[-1]))


def _inside(shape: Sequence[int], below: int, above: int) -> Array:
    """True for the elements of `bands` that belong to the matrix."""
    rows, columns = np.arange(below + above + 1)[:, None] - above, np.arange(shape[-1])
    return (rows + columns >= 0) & (rows + columns < shape[-1])


def _shifted(x: Array, axis: int, by: int) -> Array:
    """x[i - by] along an axis that counts from the end, with zeros from beyond."""
    n = x.shape[axis]
    kept = slice(0, max(n - by, 0)) if by >= 0 else slice(min(-by, n), n)
    part = x[(..., kept, *[slice(None)] * (-axis - 1))]
    width = (min(by, n), 0) if by >= 0 else (0, min(-by, n))
    return np.pad(part, [width if i == x.ndim + axis else (0, 0) for i in range(x.ndim)])


def banded_product(bands: Array, x: Array, *, below: int, above: int) -> Array:
    """The product of a banded matrix and a matrix."""
    terms = [
        _shifted(bands[..., row, :, None] * x, -2, row - above) for row in range(below + above + 1)
    ]
    y = terms[0]
    for term in terms[1:]:
        y = y + term
    return y


def _transposed(bands: Array, below: int, above: int) -> Array:
    """The bands of the transposed matrix, which has `above` diagonals below the main one."""
    rows = [
        _shifted(bands[..., below + above - row, :], -1, below - row)
        for row in range(below + above + 1)
    ]
    return np.stack(rows, axis=-2)


def _by_matrix(t: Array, y: Array, bands: Array, b: Array, *, below: int, above: int) -> Array:
    change = banded_product(t, y, below=below, above=above)
    return -solve_banded_p.bind(bands, change, below=below, above=above)


def _transpose(ct: Array, bands: Array, b: Any, *, below: int, above: int) -> Array:
    matrix = _transposed(bands, below, above)
    return unbroadcast(solve_banded_p.bind(matrix, ct, below=above, above=below), b)


def _batch(size: int, batched: Sequence[bool], bands: Array, b: Array, **params: int) -> Array:
    rank = max(bands.ndim - batched[0], b.ndim - batched[1])
    bands = align_batch(rank, bands) if batched[0] else bands
    return solve_banded_p.bind(bands, align_batch(rank, b) if batched[1] else b, **params)


solve_banded_p: Primitive = Primitive(
    "solve_banded",
    _solve,
    shape=lambda bands, b, *, below, above: ShapedArray(
        (*np.broadcast_shapes(bands.shape[:-2], b.shape[:-2]), *b.shape[-2:]),
        np.result_type(bands.dtype, b.dtype),
    ),
    jvps=(
        _by_matrix,
        lambda t, y, bands, b, *, below, above: solve_banded_p.bind(
            bands, t, below=below, above=above
        ),
    ),
    transposes=(None, _transpose),
    linear="separately",
    linear_args=(1,),
    batch=_batch,
)
