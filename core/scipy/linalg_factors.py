"""Factors of matrices in `scipy.linalg` on traced values: cholesky, cho_factor, lu, lu_factor, and
solving with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..primitives.elementwise import astype, real_dtype
from ..primitives.matrices import (
    adjoint,
    lanes,
    matrix_operand,
    mT,
    solve_batch,
    solve_shape,
    square_operand,
    stacked,
    typed,
)
from ..rules import unbroadcast
from ..tracing import Primitive
from .linalg_solve import checked, each, right_hand_side, solve_factor

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


def _cho_solve(c: Array, b: Array, *, lower: bool) -> Array:
    def one(c: Array, b: Array) -> Array:
        return scipy.linalg.cho_solve((c, lower), b, check_finite=False)

    if b.size == 0 or c.size == 0:
        aval = solve_shape(aval_of(c), aval_of(b))
        return np.zeros(aval.shape, aval.dtype)
    if b.ndim == 1:
        return each(lambda c: one(c, b), (2,), c)
    return each(one, (2, 2), c, b)


def _cho_solve_by_factor(t: Array, y: Array, c: Array, b: Array, *, lower: bool) -> Array:
    t, c = (np.tril(t), np.tril(c)) if lower else (adjoint(np.triu(t)), adjoint(np.triu(c)))
    columns = y if b.ndim > 1 else y[..., None]
    change = t @ (adjoint(c) @ columns) + c @ (adjoint(t) @ columns)
    y_dot = -cho_solve_p.bind(c, change, lower=True)
    return y_dot if b.ndim > 1 else y_dot[..., 0]


def _cho_solve_transpose(ct: Array, c: Array, b: Any, *, lower: bool) -> Array:
    c = np.conjugate(c)
    if b.ndim == 1 and ct.ndim > 1:
        return unbroadcast(cho_solve_p.bind(c, ct[..., None], lower=lower)[..., 0], b)
    return unbroadcast(cho_solve_p.bind(c, ct, lower=lower), b)


cho_solve_p: Primitive = Primitive(
    "cho_solve",
    _cho_solve,
    shape=solve_shape,
    jvps=(_cho_solve_by_factor, lambda t, y, c, b, *, lower: cho_solve_p.bind(c, t, lower=lower)),
    transposes=(None, _cho_solve_transpose),
    linear="separately",
    linear_args=(1,),
    batch=solve_batch(lambda: cho_solve_p),
)


@implements(scipy.linalg.cho_solve)
def cho_solve(
    c_and_lower: Any, b: Array, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """`scipy.linalg.cho_solve` on traced values."""
    name = "scipy.linalg.cho_solve"
    c, lower = c_and_lower
    c = checked(square_operand(c, name), check_finite)
    b = right_hand_side(name, c, b, check_finite)
    return cho_solve_p.bind(c, b, lower=bool(lower))


# LU. For a = p l u: l^-1 p^T da u^-1 = (strictly lower, of l) + (upper, of u). `factors` holds both
# in one matrix.


def _lu_factor(x: Array) -> tuple[Array, Array]:
    *stack, m, n = x.shape
    k = min(m, n)
    if 0 in x.shape:
        return np.zeros(x.shape, x.dtype), np.zeros((*stack, k), np.int32)
    found = lanes(lambda a: scipy.linalg.lu_factor(a, check_finite=False), (2,), x)
    factors, pivots = [np.array(part) for part in zip(*found, strict=True)]
    return np.reshape(factors, x.shape), np.reshape(pivots, (*stack, k))


def _factors_dot(t: Array, factors: Array, order: Array) -> Array:
    """The tangent of both factors, from that of the matrix and the order of its rows."""
    m, n = factors.shape[-2:]
    k = min(m, n)
    square = factors[..., :k, :k]
    t = np.take_along_axis(t, order[..., None], axis=-2)

    def over_l(b: Array) -> Array:
        return solve_factor(square, b, 0, True, unit=True)

    def over_u(b: Array) -> Array:
        return mT(solve_factor(square, mT(b), 1, False))

    turn = over_u(over_l(t[..., :k, :k]))
    lower, upper = np.tril(square, -1) + np.eye(k, dtype=factors.dtype), np.triu(square)
    l_dot, u_dot = lower @ np.tril(turn, -1), np.triu(turn) @ upper
    y_dot = l_dot + u_dot
    if m > k:
        below = over_u(t[..., k:, :] - factors[..., k:, :] @ u_dot)
        return np.concatenate([y_dot, below], axis=-2)
    if n > k:
        right = over_l(t[..., :, k:] - l_dot @ factors[..., :, k:])
        return np.concatenate([y_dot, right], axis=-1)
    return y_dot


lu_factor_p: Primitive = Primitive(
    "lu_factor",
    _lu_factor,
    shape=lambda x: (x, typed((*x.shape[:-2], min(x.shape[-2:])), np.int32)),
    jvps=(
        lambda t, y, x: (
            _factors_dot(t, y[0], row_order_p.bind(y[1], rows=x.shape[-2])),
            None,
        ),
    ),
    batch=stacked(lambda: lu_factor_p),
    multiple_results=True,
)


def _lu(x: Array) -> tuple[Array, Array, Array]:
    *stack, m, n = x.shape
    if 0 in x.shape:
        k = min(m, n)
        order = np.broadcast_to(np.arange(m, dtype=np.int32), (*stack, m)).copy()
        lower = np.broadcast_to(np.eye(m, k, dtype=x.dtype), (*stack, m, k)).copy()
        return order, lower, np.zeros((*stack, k, n), x.dtype)
    rows, lower, upper = scipy.linalg.lu(x, p_indices=True, check_finite=False)
    return rows.astype(np.int32, copy=False), lower, upper


def _lu_jvp(t: Array, y: tuple[Array, Array, Array], x: Array) -> tuple[None, Array, Array]:
    rows, lower, upper = y
    m, n = x.shape[-2:]
    k = min(m, n)
    square = np.tril(lower[..., :k, :], -1) + upper[..., :, :k]
    parts = [square]
    if m > k:
        parts = [np.concatenate([square, lower[..., k:, :]], axis=-2)]
    elif n > k:
        parts = [np.concatenate([square, upper[..., :, k:]], axis=-1)]
    y_dot = _factors_dot(t, parts[0], np.argsort(rows, axis=-1))
    return None, np.tril(y_dot[..., :, :k], -1), np.triu(y_dot[..., :k, :])


def _lu_shape(x: ShapedArray) -> tuple[ShapedArray, ShapedArray, ShapedArray]:
    *stack, m, n = x.shape
    k = min(m, n)
    return (
        typed((*stack, m), np.int32),
        typed((*stack, m, k), x.dtype),
        typed((*stack, k, n), x.dtype),
    )


lu_p: Primitive = Primitive(
    "lu",
    _lu,
    shape=_lu_shape,
    jvps=(_lu_jvp,),
    batch=stacked(lambda: lu_p),
    multiple_results=True,
)


@implements(scipy.linalg.lu_factor)
def lu_factor(
    a: Array, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, Array]:
    """`scipy.linalg.lu_factor` on traced values; the pivots are plain integers."""
    a = checked(matrix_operand(a, "scipy.linalg.lu_factor"), check_finite)
    factors, pivots = lu_factor_p.bind(a)
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
    rows, lower, upper = lu_p.bind(a)
    if permute_l:
        return np.take_along_axis(lower, rows[..., None], axis=-2), upper
    if p_indices:
        return rows, lower, upper
    p = astype(rows[..., None] == np.arange(a.shape[-2]), real_dtype(a.dtype))
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
    order = row_order_p.bind(pivots, rows=factors.shape[-1])
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


def _row_order(pivots: Array, *, rows: int) -> Array:
    """The order of the rows after they were exchanged one after the other."""
    order = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for i in range(pivots.shape[-1]):
        other = pivots[..., i, None]
        moved = np.take_along_axis(order, other, axis=-1)
        np.put_along_axis(order, other, order[..., i, None], axis=-1)
        order[..., i] = moved[..., 0]
    return order


row_order_p: Primitive = Primitive(
    "row_order",
    lambda pivots, *, rows: _row_order(np.asarray(pivots), rows=rows),
    shape=lambda pivots, *, rows: typed((*pivots.shape[:-1], rows), np.int64),
    jvps=(None,),
    batch=stacked(lambda: row_order_p),
)
