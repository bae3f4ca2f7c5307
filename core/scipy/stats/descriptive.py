"""Statistics of samples in `scipy.stats`: sem, zscore, zmap, gmean, hmean, mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from ...aval import Array, is_inexact
from ...dispatch import implements, unsupported_argument
from ...primitives.elementwise import as_array, astype
from ...primitives.reductions import axes_of, extreme_jvp
from ...rules import reducer
from .common import choose

__all__ = ["gmean", "hmean", "mode", "sem", "zmap", "zscore"]


def _sample(a: Any, operation: str, nan_policy: str, cast: bool = True) -> Array:
    if nan_policy != "propagate":
        raise unsupported_argument(
            operation, "nan_policy", nan_policy, "take the NaNs out first, with np.where or a mask"
        )
    a = as_array(a, operation)
    return a if is_inexact(a.dtype) or not cast else astype(a, np.float64)


@implements(scipy.stats.sem)
def sem(
    a: Array,
    axis: Any = 0,
    ddof: float = 1,
    nan_policy: str = "propagate",
    *,
    keepdims: bool = False,
) -> Array:
    """`scipy.stats.sem` on traced values."""
    x = _sample(a, "scipy.stats.sem", nan_policy)
    count = 1
    for i in axes_of(axis, x.ndim):
        count *= x.shape[i]
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / count**0.5


@implements(scipy.stats.zmap)
def zmap(
    scores: Array, compare: Array, axis: Any = 0, ddof: float = 0, nan_policy: str = "propagate"
) -> Array:
    """`scipy.stats.zmap` on traced values."""
    x, of = [_sample(v, "scipy.stats.zmap", nan_policy) for v in (scores, compare)]
    center = np.mean(of, axis=axis, keepdims=True)
    return (x - center) / np.std(of, axis=axis, ddof=ddof, keepdims=True)


@implements(scipy.stats.zscore)
def zscore(a: Array, axis: Any = 0, ddof: float = 0, nan_policy: str = "propagate") -> Array:
    """`scipy.stats.zscore` on traced values; NaN where all values are equal."""
    x = _sample(a, "scipy.stats.zscore", nan_policy)
    center = np.mean(x, axis=axis, keepdims=True)
    width = np.std(x, axis=axis, ddof=ddof, keepdims=True)
    spread = width > np.abs(np.finfo(x.dtype).eps * center)
    return (x - center) / choose(spread, width, np.nan)


def _weighted_mean(x: Array, axis: Any, weights: Any, keepdims: bool) -> Array:
    if weights is None:
        return np.mean(x, axis=axis, keepdims=keepdims)
    weights = np.broadcast_to(as_array(weights, "scipy.stats"), x.shape)
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    return np.sum(x * weights, axis=axis, keepdims=keepdims) / total


@implements(scipy.stats.gmean)
def gmean(
    a: Array,
    axis: Any = 0,
    dtype: Any = None,
    weights: Any = None,
    *,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    """`scipy.stats.gmean` on traced values."""
    x = _sample(a, "scipy.stats.gmean", nan_policy)
    x = x if dtype is None else astype(x, dtype)
    return np.exp(_weighted_mean(np.log(x), axis, weights, keepdims))


@implements(scipy.stats.hmean)
def hmean(
    a: Array,
    axis: Any = 0,
    dtype: Any = None,
    *,
    weights: Any = None,
    nan_policy: str = "propagate",
    keepdims: bool = False,
) -> Array:
    """`scipy.stats.hmean` on traced values."""
    x = _sample(a, "scipy.stats.hmean", nan_policy)
    x = x if dtype is None else astype(x, dtype)
    x = choose(x >= 0, x, np.nan)
    return 1.0 / _weighted_mean(1.0 / x, axis, weights, keepdims)


# The mode: equal elements share its derivative, as those of the maximum do.


def _mode(x: Array, *, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    return scipy.stats.mode(x, axis=axes, keepdims=keepdims).mode


mode_p = reducer("mode", _mode, extreme_jvp)
mode_count_p = reducer(
    "mode_count",
    lambda x, *, axes, keepdims=False: scipy.stats.mode(x, axis=axes, keepdims=keepdims).count,
    None,
    dtype=lambda dtype: np.dtype(np.int64),
)
_ModeResult: Any = type(scipy.stats.mode(np.zeros(1)))


@implements(scipy.stats.mode)
def mode(a: Array, axis: Any = 0, nan_policy: str = "propagate", keepdims: bool = False) -> Any:
    """`scipy.stats.mode` on traced values."""
    x = _sample(a, "scipy.stats.mode", nan_policy, cast=False)
    axes = axes_of(axis, x.ndim)
    return _ModeResult(
        mode_p.bind(x, axes=axes, keepdims=keepdims),
        mode_count_p.bind(x, axes=axes, keepdims=keepdims),
    )
