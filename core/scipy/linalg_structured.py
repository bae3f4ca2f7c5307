"""Matrices put together from vectors and blocks, as in `scipy.linalg`, on traced values: toeplitz,
circulant, hankel, companion, block_diag and others. All are made of indexing and joining.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype


def _vectors(x: Any, operation: str) -> Array:
    """An operand as vectors along the last axis."""
    return np.atleast_1d(as_array(x, operation))


def _one_vector(x: Any, operation: str) -> Array:
    x = _vectors(x, operation)
    if x.ndim > 1:
        raise ShapeError(
            f"{operation}: takes vectors.", got=repr(aval_of(x)), fix="use vmap for several"
        )
    return x


@implements(scipy.linalg.toeplitz)
def toeplitz(c: Array, r: Array = None) -> Array:
    """`scipy.linalg.toeplitz` on traced values, of vectors along the last axis."""
    c = _vectors(c, "scipy.linalg.toeplitz")
    r = np.conjugate(c) if r is None else _vectors(r, "scipy.linalg.toeplitz")
    stack = np.broadcast_shapes(c.shape[:-1], r.shape[:-1])
    m, n = c.shape[-1], r.shape[-1]
    c, r = [np.broadcast_to(x, (*stack, x.shape[-1])) for x in (c, r)]
    values = np.concatenate([c[..., ::-1], r[..., 1:]], axis=-1)
    return values[..., m - 1 - np.arange(m)[:, None] + np.arange(n)]


@implements(scipy.linalg.circulant)
def circulant(c: Array) -> Array:
    """`scipy.linalg.circulant` on traced values."""
    c = _vectors(c, "scipy.linalg.circulant")
    places = np.arange(c.shape[-1])
    return c[..., (places[:, None] - places) % max(c.shape[-1], 1)]


@implements(scipy.linalg.hankel)
def hankel(c: Array, r: Array = None) -> Array:
    """`scipy.linalg.hankel` on traced values."""
    c = _one_vector(c, "scipy.linalg.hankel")
    if r is None:
        r = np.zeros(c.shape, c.dtype)
    r = _one_vector(r, "scipy.linalg.hankel")
    values = np.concatenate([c, r[1:]])
    return values[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


@implements(scipy.linalg.companion)
def companion(a: Array) -> Array:
    """`scipy.linalg.companion` on traced values."""
    a = _vectors(a, "scipy.linalg.companion")
    n = a.shape[-1]
    if n < 2:
        raise ShapeError(
            "scipy.linalg.companion: needs two coefficients or more.", got=repr(aval_of(a))
        )
    first = -a[..., 1:] / (1.0 * a[..., :1])
    rest = np.broadcast_to(np.eye(n - 2, n - 1, dtype=first.dtype), (*a.shape[:-1], n - 2, n - 1))
    return np.concatenate([first[..., None, :], rest], axis=-2)


@implements(scipy.linalg.convolution_matrix)
def convolution_matrix(a: Array, n: int, mode: str = "full") -> Array:
    """`scipy.linalg.convolution_matrix` on traced values."""
    name = "scipy.linalg.convolution_matrix"
    a = as_array(a, name)
    if n <= 0:
        raise ValueError(f"{name}: `n` must be positive; got {n}")
    if a.ndim == 0 or 0 in a.shape:
        raise ShapeError(f"{name}: needs a vector with elements.", got=repr(aval_of(a)))
    if mode not in ("full", "valid", "same"):
        raise ValueError(f"{name}: `mode` must be 'full', 'valid' or 'same'; got {mode!r}")
    m = a.shape[-1]
    shorter = min(n, m) - 1
    before = {"full": 0, "valid": shorter, "same": shorter // 2}[mode]
    after = {"full": 0, "valid": shorter, "same": shorter - shorter // 2}[mode]
    rows = np.arange(before, m + n - 1 - after)[:, None]
    places = rows - np.arange(n)
    inside = (places >= 0) & (places < m)
    return np.where(inside, a[..., np.clip(places, 0, m - 1)], 0)


@implements(scipy.linalg.fiedler)
def fiedler(a: Array) -> Array:
    """`scipy.linalg.fiedler` on traced values."""
    a = _vectors(a, "scipy.linalg.fiedler")
    return np.abs(a[..., :, None] - a[..., None, :])


@implements(scipy.linalg.fiedler_companion)
def fiedler_companion(a: Array) -> Array:
    """`scipy.linalg.fiedler_companion` on traced values."""
    a = _vectors(a, "scipy.linalg.fiedler_companion")
    n = a.shape[-1] - 1
    if n < 1:
        return np.zeros(0, a.dtype)
    a = a / a[..., :1]
    # `places[i, j]` is the coefficient that element (i, j) is the negative of.
    places, ones = np.zeros((n, n), int), np.zeros((n, n))
    ones[np.arange(3, n, 2), np.arange(1, n - 2, 2)] = 1
    places[np.arange(2, n, 2), np.arange(1, n - 1, 2)] = np.arange(3, n + 1, 2)
    ones[np.arange(0, n - 2, 2), np.arange(2, n, 2)] = 1
    places[np.arange(0, n - 1, 2), np.arange(1, n, 2)] = np.arange(2, n + 1, 2)
    places[0, 0] = 1
    if n > 1:
        ones[1, 0] = 1
    return np.where(places > 0, -a[..., places], astype(ones, a.dtype))


@implements(scipy.linalg.leslie)
def leslie(f: Array, s: Array) -> Array:
    """`scipy.linalg.leslie` on traced values."""
    f, s = _vectors(f, "scipy.linalg.leslie"), _vectors(s, "scipy.linalg.leslie")
    n = f.shape[-1]
    if s.shape[-1] != n - 1 or n < 2:
        raise ShapeError(
            "scipy.linalg.leslie: needs one survival rate less than birth rates, and at least one.",
            got=f"{aval_of(f)!r} and {aval_of(s)!r}",
        )
    stack = np.broadcast_shapes(f.shape[:-1], s.shape[:-1])
    f, s = [np.broadcast_to(x, (*stack, x.shape[-1])) for x in (f, s)]
    below = np.where(np.eye(n - 1, n, dtype=bool), s[..., :, None], 0)
    return np.concatenate([f[..., None, :], below], axis=-2)


@implements(scipy.linalg.block_diag)
def block_diag(*arrs: Array) -> Array:
    """`scipy.linalg.block_diag` on traced values."""
    blocks = [np.atleast_2d(as_array(x, "scipy.linalg.block_diag")) for x in arrs]
    stack = np.broadcast_shapes(*[x.shape[:-2] for x in blocks])
    dtype = np.result_type(*[x.dtype for x in blocks])
    width = sum([x.shape[-1] for x in blocks])
    rows, start = [], 0
    for x in blocks:
        m, n = x.shape[-2:]
        parts = [
            np.zeros((*stack, m, start), dtype),
            astype(np.broadcast_to(x, (*stack, m, n)), dtype),
            np.zeros((*stack, m, width - start - n), dtype),
        ]
        rows.append(np.concatenate(parts, axis=-1))
        start += n
    return np.concatenate(rows, axis=-2)


@implements(scipy.linalg.khatri_rao)
def khatri_rao(a: Array, b: Array) -> Array:
    """`scipy.linalg.khatri_rao` on traced values."""
    a, b = as_array(a, "scipy.linalg.khatri_rao"), as_array(b, "scipy.linalg.khatri_rao")
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(
            "scipy.linalg.khatri_rao: needs matrices with as many columns.",
            got=f"{aval_of(a)!r} and {aval_of(b)!r}",
        )
    pairs = a[..., :, None, :] * b[..., None, :, :]
    return np.reshape(pairs, (*pairs.shape[:-3], -1, pairs.shape[-1]))
