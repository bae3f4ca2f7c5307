"""Grids and positions: meshgrid, ix_, the indices of triangles and diagonals, flat positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, Shape, ShapedArray, aval_of
from ..dispatch import asarray, implements
from ..errors import ShapeError
from ..rules import align_batch, ndim_of, zero_derivative
from ..tracing import Primitive
from .elementwise import as_array


@implements(np.meshgrid)
def meshgrid(
    *xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    """`np.meshgrid` on traced values."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: `indexing` must be 'xy' or 'ij'; got {indexing!r}")
    n = len(xi)
    axes = list(range(n))
    if indexing == "xy" and n > 1:
        axes[:2] = 1, 0
    grids = [
        np.reshape(as_array(x, "np.meshgrid"), [-1 if k == axis else 1 for k in range(n)])
        for x, axis in zip(xi, axes, strict=True)
    ]
    if not sparse:
        grids = list(np.broadcast_arrays(*grids))
    return tuple([np.copy(g) for g in grids] if copy else grids)


@implements(np.ix_)
def ix_(*args: Array) -> tuple[Array, ...]:
    """`np.ix_` on traced values; masks must be concrete."""
    grids = []
    for k, arg in enumerate(args):
        x = as_array(arg, "np.ix_")
        if ndim_of(x) != 1:
            raise ShapeError(f"np.ix_: each argument must have one axis; got {aval_of(x)!r}")
        if x.dtype.kind == "b":
            x = np.nonzero(x)[0]
        elif not isinstance(arg, np.ndarray) and not x.size:
            x = np.zeros(0, np.intp)
        grids.append(np.reshape(x, [-1 if i == k else 1 for i in range(len(args))]))
    return tuple(grids)


# Indices that depend on shapes alone: plain integers.


def _square(name: str, a: Array) -> Shape:
    shape = aval_of(asarray(a, name)).shape
    if len(shape) != 2:
        raise ShapeError(f"{name}: the array must have two axes, but is {aval_of(a)!r}")
    return shape


@implements(np.tril_indices_from)
def tril_indices_from(arr: Array, k: int = 0) -> Any:
    """`np.tril_indices_from` of a traced matrix: plain integers."""
    n, m = _square("np.tril_indices_from", arr)
    return np.tril_indices(n, k, m)


@implements(np.triu_indices_from)
def triu_indices_from(arr: Array, k: int = 0) -> Any:
    """`np.triu_indices_from` of a traced matrix: plain integers."""
    n, m = _square("np.triu_indices_from", arr)
    return np.triu_indices(n, k, m)


@implements(np.diag_indices_from)
def diag_indices_from(arr: Array) -> Any:
    """`np.diag_indices_from` of a traced array: plain integers."""
    shape = aval_of(asarray(arr, "np.diag_indices_from")).shape
    if len(shape) < 2 or len(set(shape)) != 1:
        raise ShapeError(
            "np.diag_indices_from: the array must have two or more axes, of the same length; got "
            f"{aval_of(arr)!r}"
        )
    return np.diag_indices(shape[0], len(shape))


# Flat positions.

_INDEX = np.dtype(np.intp)

unravel_index_p: Primitive = zero_derivative(
    "unravel_index",
    lambda i, *, shape, order: np.unravel_index(i, shape, order),
    shape=lambda i, *, shape, order: tuple([ShapedArray(i.shape, _INDEX) for _ in shape]),
    batch=lambda size, batched, i, **params: unravel_index_p.bind(i, **params),
    multiple_results=True,
)


def _ravel_batch(size: int, batched: Sequence[bool], *indices: Array, **params: Any) -> Array:
    rank = max([ndim_of(i) - b for i, b in zip(indices, batched, strict=True)])
    return ravel_multi_index_p.bind(
        *[align_batch(rank, i) if b else i for i, b in zip(indices, batched, strict=True)],
        **params,
    )


ravel_multi_index_p: Primitive = zero_derivative(
    "ravel_multi_index",
    lambda *indices, shape, mode, order: np.ravel_multi_index(indices, shape, mode, order),
    shape=lambda *indices, shape, mode, order: ShapedArray(
        np.broadcast_shapes(*[i.shape for i in indices]), _INDEX
    ),
    batch=_ravel_batch,
)


@implements(np.unravel_index)
def unravel_index(indices: Array, shape: Any, order: Any = "C") -> tuple[Array, ...]:
    """`np.unravel_index` of traced integers."""
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    found: tuple[Array, ...] = unravel_index_p.bind(
        as_array(indices, "np.unravel_index"), shape=shape, order=order
    )
    return found


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Array:
    """`np.ravel_multi_index` of traced integers."""
    dims = (dims,) if isinstance(dims, int | np.integer) else tuple(dims)
    indices = [as_array(i, "np.ravel_multi_index") for i in multi_index]
    return ravel_multi_index_p.bind(*indices, shape=dims, mode=mode, order=order)
