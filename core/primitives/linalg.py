"""Linear algebra on stacks of matrices: solve, inv, and what is made of them and of products:
matrix_power, multi_dot, tensorsolve, tensorinv; and the names that `np.linalg` shares with `np`.

Derivatives after Giles, "Collected matrix derivative results for forward and reverse mode AD"
(2008). The decompositions are in `decompositions.py` and `singular.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, aval_of
from ..dispatch import implements
from ..errors import ShapeError
from ..rules import unbroadcast
from ..tracing import Primitive
from .elementwise import as_array, astype
from .matrices import (
    MatrixShapeError,
    check_square,
    linalg_operand,
    mT,
    solve_batch,
    solve_shape,
    square_operand,
    stacked,
)

# solve. A right-hand side with one axis is a vector; with more, a stack of matrices, as in NumPy 2.


def _solve_jvp_matrix(t: Array, y: Array, a: Array, b: Array) -> Array:
    if b.ndim > 1 or a.ndim == 2:
        return solve_p.bind(a, t @ -y)
    return _solve_vectors(a, np.matmul(t, -y[..., None])[..., 0])


def _solve_vectors(a: Array, b: Array) -> Array:
    """Solve with a stack of vectors, which np.linalg.solve takes for one vector or for matrices."""
    return solve_p.bind(a, b) if b.ndim == 1 else np.linalg.solve(a, b[..., None])[..., 0]


solve_p: Primitive = Primitive(
    "solve",
    np.linalg.solve,
    shape=solve_shape,
    jvps=(_solve_jvp_matrix, lambda t, y, a, b: solve_p.bind(a, t)),
    transposes=(None, lambda ct, a, b: _solve_ct(ct, a, b)),
    linear="separately",
    linear_args=(1,),
    batch=solve_batch(lambda: solve_p),
)


def _solve_ct(ct: Array, a: Array, b: Any) -> Array:
    if b.ndim == 1:
        return unbroadcast(_solve_vectors(mT(a), ct), b)
    return unbroadcast(solve_p.bind(mT(a), ct), b)


@implements(np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    """`np.linalg.solve` on traced values."""
    a, b = square_operand(a, "np.linalg.solve"), linalg_operand(b, "np.linalg.solve")
    if b.ndim == 0 or a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        raise ShapeError(
            f"np.linalg.solve: the matrix {aval_of(a)!r} and the right-hand side {aval_of(b)!r} "
            "don't fit"
        )
    return solve_p.bind(a, b)


inv_p: Primitive = Primitive(
    "inv",
    np.linalg.inv,
    shape=lambda x: x,
    jvps=(lambda t, y, x: -(y @ (t @ y)),),
    batch=stacked(lambda: inv_p),
)


@implements(np.linalg.inv)
def inv(a: Array) -> Array:
    """`np.linalg.inv` on traced values."""
    return inv_p.bind(square_operand(a, "np.linalg.inv"))


# Powers and products.


@implements(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    """`np.linalg.matrix_power` on traced values: by repeated squaring, as NumPy does it."""
    x = as_array(a, "np.linalg.matrix_power")
    check_square("np.linalg.matrix_power", x)
    n = operator.index(n)
    if n == 0:
        return np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy()
    if n < 0:
        x, n = np.linalg.inv(x), -n
    if n == 3:  # NumPy multiplies in this order
        return (x @ x) @ x
    power: Array = None
    while True:
        if n % 2:
            power = x if power is None else power @ x
        n //= 2
        if n == 0:
            return power
        x = x @ x


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array], *, out: None = None) -> Array:
    """`np.linalg.multi_dot` on traced values: the product in the order that costs least."""
    name = "np.linalg.multi_dot"
    xs = [as_array(x, name) for x in arrays]
    if len(xs) < 2:
        raise ValueError(f"{name}: expects at least two arrays; got {len(xs)}")
    avals = [aval_of(x) for x in xs]
    ends = [a.ndim == 1 for a in (avals[0], avals[-1])]
    inner = [a.ndim == 2 for a in avals[1:-1]]
    if not all(inner) or any([a.ndim not in (1, 2) for a in (avals[0], avals[-1])]):
        raise MatrixShapeError(
            f"{name}: multiplies matrices, and a vector at either end.",
            got=", ".join(map(repr, avals)),
        )
    if ends[0]:
        xs[0] = xs[0][None, :]
    if ends[1]:
        xs[-1] = xs[-1][:, None]
    sizes = [xs[0].shape[0], *[x.shape[1] for x in xs]]
    split = _cheapest_order(sizes)

    def product(i: int, j: int) -> Array:
        return xs[i] if i == j else product(i, split[i, j]) @ product(split[i, j] + 1, j)

    y = product(0, len(xs) - 1)
    return np.reshape(y, [d for d, end in zip(y.shape, ends, strict=True) if not end])


def _cheapest_order(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each product of matrices i to j, of which number i has the shape
    (sizes[i], sizes[i + 1]).
    """
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(choices)
    return split


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    """`np.linalg.tensorsolve` on traced values."""
    a, b = as_array(a, "np.linalg.tensorsolve"), as_array(b, "np.linalg.tensorsolve")
    ndim, b_ndim = aval_of(a).ndim, aval_of(b).ndim
    if axes is not None:
        order = list(range(ndim))
        for k in axes:
            order.remove(k)
            order.insert(ndim, k)
        a = np.transpose(a, order)
    shape = a.shape[-(ndim - b_ndim) :]
    n = _product(shape)
    if aval_of(a).size != n**2:
        raise MatrixShapeError(
            "np.linalg.tensorsolve: the axes of `a` that belong to `b` must have as many elements "
            "as the others.",
            got=f"{aval_of(a)!r} and {aval_of(b)!r}",
            needed="prod(a.shape[:b.ndim]) == prod(a.shape[b.ndim:])",
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (n, n)), np.ravel(b)), shape)


@implements(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    """`np.linalg.tensorinv` on traced values."""
    a = as_array(a, "np.linalg.tensorinv")
    if ind <= 0:
        raise ValueError(f"np.linalg.tensorinv: `ind` must be positive; got {ind}")
    first, rest = a.shape[:ind], a.shape[ind:]
    n = _product(rest)
    if _product(first) != n:
        raise MatrixShapeError(
            "np.linalg.tensorinv: the first `ind` axes must have as many elements as the others.",
            got=f"{aval_of(a)!r} with ind={ind}",
            needed="prod(a.shape[:ind]) == prod(a.shape[ind:])",
        )
    return np.reshape(np.linalg.inv(np.reshape(a, (n, n))), (*rest, *first))


def _product(sizes: Sequence[int]) -> int:
    n = 1
    for d in sizes:
        n *= d
    return n


# Names that np.linalg has besides np, with its own arguments.


@implements(np.linalg.matmul)
def linalg_matmul(x1: Array, x2: Array, /) -> Array:
    """`np.linalg.matmul` on traced values."""
    return np.matmul(x1, x2)


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: Array, x2: Array, /, *, axes: Any = 2) -> Array:
    """`np.linalg.tensordot` on traced values."""
    return np.tensordot(x1, x2, axes=axes)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """`np.linalg.vecdot` on traced values."""
    a, b = as_array(x1, "np.linalg.vecdot"), as_array(x2, "np.linalg.vecdot")
    return np.vecdot(np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1))


@implements(np.linalg.cross)
def linalg_cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """`np.linalg.cross` on traced values."""
    a, b = as_array(x1, "np.linalg.cross"), as_array(x2, "np.linalg.cross")
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ShapeError(
            "np.linalg.cross: takes vectors of three elements.",
            got=f"{aval_of(a)!r} and {aval_of(b)!r}, along axis {axis}",
        )
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    after, before = [1, 2, 0], [2, 0, 1]
    y = a[..., after] * b[..., before] - a[..., before] * b[..., after]
    return np.moveaxis(y, -1, axis)


@implements(np.linalg.matrix_transpose)
def linalg_matrix_transpose(x: Array, /) -> Array:
    """`np.linalg.matrix_transpose` on traced values."""
    return np.matrix_transpose(x)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """`np.linalg.diagonal` on traced values."""
    return np.diagonal(x, offset, axis1=-2, axis2=-1)


@implements(np.linalg.trace)
def linalg_trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """`np.linalg.trace` on traced values."""
    x = as_array(x, "np.linalg.trace")
    if dtype is not None:
        x = astype(x, dtype)
    return np.trace(x, offset, axis1=-2, axis2=-1)
