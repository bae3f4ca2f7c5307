"""NumPy's polynomials with traced coefficients or points: polyval, polymul, polyfit, roots, vander
and kin.

NumPy drops leading coefficients that are zero. Where the coefficients have concrete values, so does
this; under vmap and in programs they count as different from zero, and all are kept.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
from numpy.exceptions import RankWarning

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from .creation import known_value
from .elementwise import as_array, astype
from .indexing import getitem


def _coefficients(p: Any, operation: str) -> Array:
    """Coefficients as an array; those of a `np.poly1d` too."""
    return np.atleast_1d(as_array(p.coeffs if isinstance(p, np.poly1d) else p, operation))


def _no_leading_zeros(p: Array) -> Array:
    values = known_value(p)
    if values is None or not len(values) or values[0] != 0:
        return p
    nonzero = np.flatnonzero(values)
    return getitem(p, slice(int(nonzero[0]), None)) if nonzero.size else p[-1:]


def _of_poly1d(result: Array, *operands: Any) -> Any:
    """NumPy gives a `np.poly1d` back where it got one."""
    return np.poly1d(result) if any([isinstance(p, np.poly1d) for p in operands]) else result


# Arithmetic.


def _add(a1: Any, a2: Any, operation: str, combine: Any) -> Array:
    a, b = _coefficients(a1, operation), _coefficients(a2, operation)
    n = max(len(a), len(b))
    a, b = [np.concatenate([np.zeros(n - len(p), p.dtype), p]) if len(p) < n else p for p in (a, b)]
    return _of_poly1d(combine(a, b), a1, a2)


@implements(np.polyadd)
def polyadd(a1: Array, a2: Array) -> Array:
    """`np.polyadd` on traced coefficients."""
    return _add(a1, a2, "np.polyadd", np.add)


@implements(np.polysub)
def polysub(a1: Array, a2: Array) -> Array:
    """`np.polysub` on traced coefficients."""
    return _add(a1, a2, "np.polysub", np.subtract)


@implements(np.polymul)
def polymul(a1: Array, a2: Array) -> Array:
    """`np.polymul` on traced coefficients."""
    a, b = [_no_leading_zeros(_coefficients(p, "np.polymul")) for p in (a1, a2)]
    return _of_poly1d(np.convolve(a, b), a1, a2)


@implements(np.polydiv)
def polydiv(u: Array, v: Array) -> Any:
    """`np.polydiv` on traced coefficients: a step for each coefficient of the quotient."""
    a, b = [_coefficients(p, "np.polydiv") + 0.0 for p in (u, v)]
    dtype = np.result_type(a.dtype, b.dtype)
    a, b = astype(a, dtype), astype(b, dtype)
    m, n = len(a) - 1, len(b) - 1
    scale = 1.0 / b[0]
    quotient, firsts = [], []
    tail = a
    for _ in range(m - n + 1):
        quotient.append(scale * tail[0])
        firsts.append(tail[0])
        tail = np.concatenate([tail[1 : n + 1] - quotient[-1] * b[1:], tail[n + 1 :]])
    values = known_value(a), known_value(b)
    if values[0] is None or values[1] is None:
        length = max(len(tail), 1)
    else:  # NumPy leaves out what is almost zero
        length = len(np.polydiv(*values)[1])
    missing = length - len(tail)
    if missing > 0:  # these are zero up to rounding
        pairs = list(zip(firsts, quotient, strict=True))[-missing:]
        tail = np.concatenate([np.stack([first - q * b[0] for first, q in pairs]), tail])
    elif missing < 0:
        tail = tail[-missing:]
    q = np.stack(quotient) if quotient else np.zeros(1, dtype)
    return _of_poly1d(q, u, v), _of_poly1d(tail, u, v)


# Derivatives, integrals, values.


def _order(m: Any, operation: str) -> int:
    order = int(operator.index(m))
    if order < 0:
        raise ValueError(f"{operation}: the order must not be negative; got {order}")
    return order


@implements(np.polyder)
def polyder(p: Array, m: int = 1) -> Array:
    """`np.polyder` on traced coefficients."""
    a = _coefficients(p, "np.polyder")
    for _ in range(_order(m, "np.polyder")):
        a = a[:-1] * np.arange(len(a) - 1, 0, -1)
    return _of_poly1d(a, p)


@implements(np.polyint)
def polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    """`np.polyint` on traced coefficients; the constants of integration may be traced too."""
    a = _coefficients(p, "np.polyint")
    m = _order(m, "np.polyint")
    constants = np.atleast_1d(as_array(np.zeros(m) if k is None else k, "np.polyint"))
    if len(constants) == 1 and m > 1:
        constants = np.repeat(constants, m)
    if len(constants) < m:
        raise ShapeError(f"np.polyint: `k` must be one constant, or {m} of them")
    for i in range(m):
        a = np.concatenate([a / np.arange(len(a), 0, -1), constants[i : i + 1]])
    return _of_poly1d(a, p)


@implements(np.polyval)
def polyval(p: Array, x: Array) -> Array:
    """`np.polyval` with traced coefficients or points: a step for each coefficient."""
    a = _coefficients(p, "np.polyval")
    if isinstance(x, np.poly1d):
        y: Any = 0
    else:
        x = as_array(x, "np.polyval")
        y = np.zeros(np.shape(x), x.dtype)[()]
    for i in range(len(a)):
        y = y * x + a[i]
    return y


@implements(np.vander)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """`np.vander` on traced values: a step for each column."""
    a = as_array(x, "np.vander")
    if np.ndim(a) != 1:
        raise ShapeError(f"np.vander: x must have one axis, but is {aval_of(a)!r}")
    n = len(a) if N is None else operator.index(N)
    dtype = np.promote_types(a.dtype, int)
    a = astype(a, dtype)
    columns = [np.ones(len(a), dtype), a][:n]
    while len(columns) < n:
        columns.append(columns[-1] * a)
    if not columns:
        return np.zeros((len(a), 0), dtype)
    return np.stack(columns if increasing else columns[::-1], axis=1)


# Roots and fits.


@implements(np.roots)
def roots(p: Array) -> Array:
    """`np.roots` of traced coefficients: the eigenvalues of the companion matrix."""
    a = _coefficients(p, "np.roots")
    if a.ndim != 1:
        raise ShapeError(f"np.roots: p must have one axis, but is {aval_of(a)!r}")
    values = known_value(a)
    zeros = 0
    if values is not None:
        nonzero = np.flatnonzero(values)
        if not nonzero.size:
            return np.array([])
        zeros = len(values) - int(nonzero[-1]) - 1
        a = getitem(a, slice(int(nonzero[0]), int(nonzero[-1]) + 1))
    if a.dtype.kind not in "fc":
        a = astype(a, np.float64)
    n = len(a)
    if n < 2:
        return np.zeros(zeros)
    lower = np.eye(n - 2, n - 1, dtype=a.dtype)
    companion = np.concatenate([(-a[1:] / a[0])[None], lower])
    found = np.linalg.eigvals(companion)
    return np.concatenate([found, np.zeros(zeros, found.dtype)]) if zeros else found


@implements(np.poly)
def poly(seq_of_zeros: Array) -> Array:
    """`np.poly` of traced roots, or of a traced matrix: a step for each root."""
    x = np.atleast_1d(as_array(seq_of_zeros, "np.poly"))
    shape = aval_of(x).shape
    if len(shape) == 2 and shape[0] == shape[1] and shape[0]:
        x = np.linalg.eigvals(x)
    elif len(shape) != 1:
        raise ShapeError(f"np.poly: needs roots along one axis, or a square matrix; got {shape}")
    elif not shape[0]:
        return 1.0
    if x.dtype.kind not in "fc":
        x = astype(x, np.float64)
    one = np.ones(1, x.dtype)
    a = one
    for i in range(x.shape[0]):
        a = np.concatenate([a, one - one]) - np.concatenate([one - one, a * x[i]])
    if x.dtype.kind == "c":
        # Roots that come in conjugate pairs make real coefficients.
        values = known_value(x)
        if values is not None and np.all(np.sort(values) == np.sort(values.conj())):
            return np.copy(np.real(a))
    return a


@implements(np.polyfit)
def polyfit(
    x: Array,
    y: Array,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Array = None,
    cov: Any = False,
) -> Any:
    """`np.polyfit` to traced points and weights, by `np.linalg.lstsq`."""
    a, b = [as_array(v, "np.polyfit") + 0.0 for v in (x, y)]
    order = int(deg) + 1
    if order < 1:
        raise ValueError(f"np.polyfit: `deg` must not be negative; got {deg!r}")
    if np.ndim(a) != 1 or not a.size or np.ndim(b) not in (1, 2) or len(a) != len(b):
        raise TypeError(
            "np.polyfit: x must have one axis, y one or two, of the same length, not 0; got "
            f"{aval_of(a)!r} and {aval_of(b)!r}"
        )
    left = np.vander(a, order)
    if w is not None:
        weights = as_array(w, "np.polyfit") + 0.0
        if np.ndim(weights) != 1 or len(weights) != len(b):
            raise TypeError(f"np.polyfit: `w` must have one axis of length {len(b)}")
        left = left * weights[:, None]
        b = b * (weights[:, None] if np.ndim(b) == 2 else weights)
    rcond = len(a) * np.finfo(a.dtype).eps if rcond is None else rcond
    scale = np.sqrt(np.sum(left * left, axis=0))
    left = left / scale
    c, residuals, rank, s = np.linalg.lstsq(left, b, rcond)
    c = np.transpose(np.transpose(c) / scale)
    if full:
        return c, residuals, rank, s, rcond
    found = known_value(rank)
    if found is not None and found != order:
        warnings.warn("np.polyfit: the fit may be poorly conditioned", RankWarning, stacklevel=2)
    if not cov:
        return c
    covariance = np.linalg.inv(np.transpose(left) @ left) / np.outer(scale, scale)
    if not isinstance(cov, str) or cov != "unscaled":
        if len(a) <= order:
            raise ValueError(
                "np.polyfit: the covariance can be scaled only where there are more points than "
                "coefficients; use cov='unscaled'"
            )
        factor = residuals / (len(a) - order)
        covariance = covariance * factor if np.ndim(b) == 1 else covariance[:, :, None] * factor
    elif np.ndim(b) == 2:
        covariance = covariance[:, :, None]
    return c, covariance
