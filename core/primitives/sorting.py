"""Sorting: the order is a constant of the derivative, and sorting is indexing by it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray
from ..dispatch import implements
from ..rules import zero_derivative
from ..tracing import Primitive
from .elementwise import as_array

argsort_p: Primitive = zero_derivative(
    "argsort",
    lambda x, *, axis, kind: np.argsort(x, axis=axis, kind=kind),
    shape=lambda x, *, axis, kind: ShapedArray(x.shape, np.dtype(np.intp)),
    batch=lambda size, batched, x, *, axis, kind: argsort_p.bind(x, axis=axis + 1, kind=kind),
)


@implements(np.argsort)
def argsort(
    a: Array,
    axis: int | None = -1,
    kind: Any = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Array:
    """`np.argsort` on traced values: plain integers."""
    x = np.atleast_1d(as_array(a, "np.argsort"))
    if axis is None:
        x, axis = np.ravel(x), 0
    return argsort_p.bind(
        x, axis=normalize_axis_index(axis, x.ndim), kind="stable" if stable else kind
    )


@implements(np.sort)
def sort(
    a: Array,
    axis: int | None = -1,
    kind: Any = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Array:
    """`np.sort` on traced values."""
    x = as_array(a, "np.sort")
    if axis is None:
        x, axis = np.ravel(x), 0
    return np.take_along_axis(x, np.argsort(x, axis, kind, order, stable=stable), axis)
