"""Factors of matrices in `scipy.linalg` on traced values: cholesky, cho_factor, lu, lu_factor, and
solving with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array
from ..dispatch import implements
from ..primitives.elementwise import astype, real_dtype
from ..primitives.matrices import (
    adjoint,
    lanes,
    matrix_operand,
    mT,
    square_operand,
    stacked,
    typed,
)
from ..tracing import Primitive
from .linalg_solve import checked, right_hand_side, solve_factor

# Cholesky's factors.


@implements(scipy.linalg.cholesky)
def cholesky(
    a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> Array:
    """`scipy.linalg.cholesky` on traced values; differentiated as `np.linalg.cholesky`."""
    a = checked(square_operand(a, "scipy.linalg.cholesky"), check_finite)
    return np.linalg.cholesky(a) if lower else adjoint(np.linalg.cholesky(adjoint(a)))


@implements(scipy.linalg.cho_factor)
def cho_factor(
    a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """`scipy.linalg.cho_factor` on traced values: the factor, with elements of `a` beside it."""
    a = checked(square_operand(a, "scipy.linalg.cho_factor"), check_finite)
    factor = np.linalg.cholesky(a) if lower else adjoint(np.linalg.cholesky(adjoint(a)))
    inside = np.tri(a.shape[-1], dtype=bool)
    return np.where(inside if lower else inside.T, factor, a), lower


@implements(scipy.linalg.cho_solve)
def cho_solve(
    c_and_lower: Any, b: Array, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """`scipy.linalg.cho_solve` on traced values."""
    name = "scipy.linalg.cho_solve"
    c, lower = c_and_lower
    c = checked(square_operand(c, name), check_finite)
    b = right_hand_side(name, c, b, check_finite)
    first, second = (0, 2) if lower else (2, 0)
    return solve_factor(c, solve_factor(c, b, first, bool(lower)), second, bool(lower))


# LU. For a = p l u: l^-1 p^T da u^-1 = (strictly lower, of l) + (upper, of u).


def _lu_factor(x: Array) -> tuple[Array, Array, Array]:
    *stack, m, n = x.shape
    k = min(m, n)
    if 0 in x.shape:
        order = np.broadcast_to(np.arange(m), (*stack, m)).copy()
        return np.zeros(x.shape, x.dtype), np.zeros((*stack, k), np.int32), order
    found = lanes(_lu_factor_one, (2,), x)
    shapes = ((*stack, m, n), (*stack, k), (*stack, m))
    factors, pivots, orders = [
        np.reshape(np.array(part), shape)
        for part, shape in zip(zip(*found, strict=True), shapes, strict=True)
    ]
    return factors, pivots, orders


def _lu_factor_one(x: Array) -> tuple[Array, Array, Array]:
    factors, pivots = scipy.linalg.lu_factor(x, check_finite=False)
    order = np.arange(x.shape[0])
    for i, j in enumerate(pivots):
        order[i], order[j] = order[j], order[i]
    return factors, pivots, order


def _lu_jvp(t: Array, y: tuple[Array, Array, Array], x: Array) -> tuple[Array, None, None]:
    factors, _, order = y
    m, n = x.shape[-2:]
    k = min(m, n)
    square = factors[..., :k, :k]
    t = np.take_along_axis(t, order[..., None], axis=-2)

    def over_l(b: Array) -> Array:
        return solve_factor(square, b, 0, True, unit=True)

    def over_u(b: Array) -> Array:
        return mT(solve_factor(square, mT(b), 1, False))

    turn = over_u(over_l(t[..., :k, :k]))
    lower, upper = np.tril(square, -1) + np.eye(k, dtype=x.dtype), np.triu(square)
    l_dot, u_dot = lower @ np.tril(turn, -1), np.triu(turn) @ upper
    y_dot = l_dot + u_dot
    if m > k:
        below = over_u(t[..., k:, :] - factors[..., k:, :] @ u_dot)
        return np.concatenate([y_dot, below], axis=-2), None, None
    if n > k:
        right = over_l(t[..., :, k:] - l_dot @ factors[..., :, k:])
        return np.concatenate([y_dot, right], axis=-1), None, None
    return y_dot, None, None


lu_p: Primitive = Primitive(
    "lu",
    _lu_factor,
    shape=lambda x: (
        x,
        typed((*x.shape[:-2], min(x.shape[-2:])), np.int32),
        typed(x.shape[:-1], np.int64),
    ),
    jvps=(_lu_jvp,),
    batch=stacked(lambda: lu_p),
    multiple_results=True,
)
"""a -> (l and u in one matrix, the pivots, the order of the rows)."""


@implements(scipy.linalg.lu_factor)
def lu_factor(
    a: Array, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, Array]:
    """`scipy.linalg.lu_factor` on traced values; the pivots are plain integers."""
    a = checked(matrix_operand(a, "scipy.linalg.lu_factor"), check_finite)
    factors, pivots, _ = lu_p.bind(a)
    return factors, pivots


@implements(scipy.linalg.lu)
def lu(
    a: Array,
    permute_l: bool = False,
    overwrite_a: bool = False,
    check_finite: bool = True,
    p_indices: bool = False,
) -> tuple[Array, ...]:
    """`scipy.linalg.lu` on traced values; the permutation is constant."""
    a = checked(matrix_operand(a, "scipy.linalg.lu"), check_finite)
    factors, _, order = lu_p.bind(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    lower = np.tril(factors[..., :, :k], -1) + np.eye(m, k, dtype=a.dtype)
    upper = np.triu(factors[..., :k, :])
    rows = np.argsort(order, axis=-1)
    if permute_l:
        return np.take_along_axis(lower, rows[..., None], axis=-2), upper
    if p_indices:
        return astype(rows, np.int32), lower, upper
    p = astype(rows[..., None] == np.arange(m), real_dtype(a.dtype))
    return p, lower, upper


@implements(scipy.linalg.lu_solve)
def lu_solve(
    lu_and_piv: Any,
    b: Array,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """`scipy.linalg.lu_solve` on traced values."""
    name = "scipy.linalg.lu_solve"
    factors, pivots = lu_and_piv
    factors = checked(square_operand(factors, name), check_finite)
    b = right_hand_side(name, factors, b, check_finite)
    if trans not in (0, 1, 2):
        raise ValueError(f"{name}: `trans` must be 0, 1 or 2; got {trans!r}")
    order = row_order_p.bind(pivots)
    vector = b.ndim == 1
    column = b[:, None] if vector else b
    if trans == 0:
        column = _rows(column, order)
        y = solve_factor(factors, column, 0, True, unit=True)
        y = solve_factor(factors, y, 0, False)
    else:
        y = solve_factor(factors, column, trans, False)
        y = solve_factor(factors, y, trans, True, unit=True)
        y = _rows(y, np.argsort(order, axis=-1))
    return y[..., 0] if vector else y


def _rows(x: Array, order: Array) -> Array:
    """The rows of stacks of matrices, in an order of their own for each."""
    stack = np.broadcast_shapes(x.shape[:-2], order.shape[:-1])
    x = np.broadcast_to(x, (*stack, *x.shape[-2:]))
    order = np.broadcast_to(order[..., None], (*stack, order.shape[-1], 1))
    return np.take_along_axis(x, order, axis=-2)


def _row_order(pivots: Array) -> Array:
    """The order of the rows after they were exchanged one after the other."""
    n = pivots.shape[-1]
    order = np.broadcast_to(np.arange(n), pivots.shape).copy()
    for i in range(n):
        other = pivots[..., i, None]
        moved = np.take_along_axis(order, other, axis=-1)
        np.put_along_axis(order, other, order[..., i, None], axis=-1)
        order[..., i] = moved[..., 0]
    return order


row_order_p: Primitive = Primitive(
    "row_order",
    lambda pivots: _row_order(np.asarray(pivots)),
    shape=lambda pivots: typed(pivots.shape, np.int64),
    jvps=(None,),
    batch=stacked(lambda: row_order_p),
)
