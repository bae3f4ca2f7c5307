"""Averages, covariances and correlations, written with other functions of NumPy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from .elementwise import as_array, astype
from .quantiles import like_operand
from .reductions import axes_of
from .values import certain


@implements(np.average)
def average(
    a: Array,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Any:
    """`np.average` on traced values."""
    x = as_array(a, "np.average")
    axes = axes_of(axis, x.ndim)
    if weights is None:
        y = np.mean(x, axis=axes, keepdims=keepdims)
        total = np.full_like(y, aval_of(x).size / max(aval_of(y).size, 1))
        return (y, total) if returned else y
    w = like_operand("np.average", x, weights, axis)
    kinds = [aval_of(x).dtype, aval_of(w).dtype]
    dtype = np.result_type(*kinds, *([np.float64] if kinds[0].kind in "biu" else []))
    x, w = astype(x, dtype), astype(w, dtype)
    total = np.sum(w, axis=axes, keepdims=keepdims)
    if certain(total == 0):
        raise ZeroDivisionError("np.average: the weights sum to zero")
    y = np.sum(x * w, axis=axes, keepdims=keepdims) / total
    return (y, np.copy(np.broadcast_to(total, y.shape))) if returned else y


def _table(operation: str, x: Array, dtype: Any) -> Array:
    if x.ndim > 2:
        raise ShapeError(f"{operation}: needs one or two axes; got {aval_of(x)!r}")
    return np.atleast_2d(astype(x, dtype))


def _case_weights(operation: str, name: str, weights: Any, n: int) -> Array:
    w = astype(as_array(weights, operation), np.float64)
    if w.ndim > 1:
        raise RuntimeError(f"{operation}: {name} must have one axis; got {aval_of(w)!r}")
    if w.shape[0] != n:
        raise RuntimeError(f"{operation}: {name} must be {n}, one for each case; got {w.shape[0]}")
    if certain(w < 0):
        raise ValueError(f"{operation}: {name} cannot be negative")
    return w


@implements(np.cov)
def cov(
    m: Array,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    """`np.cov` on traced values."""
    operation = "np.cov"
    if ddof is None:
        ddof = 0 if bias else 1
    elif ddof != int(ddof):
        raise ValueError(f"{operation}: ddof must be an int; got {ddof!r}")
    operands = [as_array(v, operation) for v in (m, y) if v is not None]
    if dtype is None:
        dtype = np.result_type(*[aval_of(v).dtype for v in operands], np.float64)
    x = _table(operation, operands[0], dtype)
    if not rowvar and operands[0].ndim != 1:
        x = np.transpose(x)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    if y is not None:
        other = _table(operation, operands[1], dtype)
        if not rowvar and other.shape[0] != 1:
            other = np.transpose(other)
        x = np.concatenate([x, other], axis=0)
    n = x.shape[1]
    weights: Any = None
    if fweights is not None:
        weights = _case_weights(operation, "fweights", fweights, n)
        if certain(weights != np.round(weights)):
            raise TypeError(f"{operation}: fweights must be whole numbers")
    if aweights is not None:
        own = _case_weights(operation, "aweights", aweights, n)
        weights = own if weights is None else weights * own
    middle, total = np.average(x, axis=1, weights=weights, returned=True)
    free: Any
    if weights is None:
        free = n - ddof
    elif ddof == 0:
        free = total[0]
    elif aweights is None:
        free = total[0] - ddof
    else:
        free = total[0] - ddof * np.sum(weights * own) / total[0]
    if certain(free <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
    x = astype(x - middle[:, None], dtype)
    other = np.transpose(x if weights is None else x * weights)
    c = np.dot(x, np.conjugate(other))
    return np.squeeze(c * astype(np.true_divide(1, np.maximum(free, 0.0)), aval_of(c).dtype))


@implements(np.corrcoef)
def corrcoef(x: Array, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """`np.corrcoef` on traced values."""
    c = np.cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    spread = np.sqrt(np.real(np.diagonal(c)))
    c = c / spread[:, None] / spread[None, :]
    if aval_of(c).dtype.kind != "c":
        return np.clip(c, -1, 1)
    return np.clip(np.real(c), -1, 1) + 1j * np.clip(np.imag(c), -1, 1)
