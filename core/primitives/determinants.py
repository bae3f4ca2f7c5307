"""Determinants of stacks of matrices: det, slogdet.

The derivative of det by the matrix is the matrix of cofactors, which is finite at singular matrices
too. `cofactors` computes its derivatives in given directions: it is linear in each of them, and
symmetric, so that its own rules are itself with one direction more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements
from ..errors import UnsupportedError
from ..rules import unbroadcast
from ..tracing import Every, Primitive
from .elementwise import real_dtype
from .matrices import adjoint, epsilon, lined_up, mT, square_operand, stacked, typed

MOST_DIRECTIONS = 5
"""The highest derivative of the cofactors: its cost grows with the factorial of the order."""


def _cofactors(a: Array, *directions: Array) -> Array:
    dtype = np.result_type(a, *directions)
    if len(directions) > MOST_DIRECTIONS:
        raise UnsupportedError(
            "np.linalg.det: the derivative is of too high an order.",
            got=f"order {len(directions) + 1}",
            needed=f"at most {MOST_DIRECTIONS + 1}",
            fix="use np.linalg.slogdet for higher derivatives at regular matrices",
        )
    u, s, vh = np.linalg.svd(a)
    turned = [adjoint(u) @ t @ adjoint(vh) for t in directions]
    return _turned_back(u, vh, _at_diagonal(s, turned)).astype(dtype, copy=False)


def _turned_back(u: Array, vh: Array, c: Array) -> Array:
    """cofactors(u x vh) for cofactors c of x, where u and vh are unitary."""
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return phase[..., None, None] * (np.conjugate(u) @ c @ np.conjugate(vh))


def _cofactor(a: Array) -> Array:
    """The cofactors: by the inverse where that is accurate, else by singular values."""
    flat = np.reshape(a, (math.prod(a.shape[:-2]), *a.shape[-2:]))
    det = np.linalg.det(flat)
    regular = np.isfinite(det) & (np.abs(det) > np.finfo(det.dtype).tiny)
    y = np.empty_like(flat)
    if regular.all():  # the usual case, without copies
        inverse = np.linalg.inv(flat)
        y[...] = det[:, None, None] * mT(inverse)
    elif regular.any():
        inverse = np.linalg.inv(flat[regular])
        y[regular] = det[regular, None, None] * mT(inverse)
    if regular.any():
        norms = [np.sqrt(np.sum(np.abs(x) ** 2, axis=(-2, -1))) for x in (flat[regular], inverse)]
        accurate = regular.copy()
        accurate[regular] = norms[0] * norms[1] < epsilon(a) ** -0.4
        regular = accurate
    if not regular.all():
        u, s, vh = np.linalg.svd(flat[~regular])
        y[~regular] = _turned_back(u, vh, _at_diagonal(s, ()))
    return np.reshape(y, a.shape)


def _at_diagonal(s: Array, directions: Sequence[Array]) -> Array:
    """The derivative, in some directions, of the cofactors of diag(s).

    The derivative of det of order k is a sum over the permutations of k places: of products of one
    element of each direction, and of the s at all other places. Cofactors leave one direction out.
    """
    k, n = len(directions) + 1, s.shape[-1]
    rest = _products_without(s, k)
    letters = "abcdefgh"[:k]
    places = np.arange(n)
    y = np.zeros(
        (*np.broadcast_shapes(s.shape[:-1], *[t.shape[:-2] for t in directions]), n, n),
        np.result_type(s, *directions),
    )
    for p in permutations(range(k)):
        sign = round(np.linalg.det(np.eye(k)[list(p)]))
        terms = [f"...{letters}"] + [f"...{letters[i]}{letters[p[i]]}" for i in range(k - 1)]
        row, column = letters[-1], letters[p[-1]]
        if row == column:
            y[..., places, places] += sign * np.einsum(
                f"{','.join(terms)}->...{row}", rest, *directions
            )
        else:
            y += sign * np.einsum(f"{','.join(terms)}->...{row}{column}", rest, *directions)
    return y


def _products_without(s: Array, k: int) -> Array:
    """The product of all s but those at k different places; 0 where two places are the same."""
    n = s.shape[-1]
    if k == 1:
        ones = np.ones((*s.shape[:-1], 1), s.dtype)
        before = np.concatenate([ones, np.cumprod(s, axis=-1)[..., :-1]], axis=-1)
        after = np.concatenate([ones, np.cumprod(s[..., ::-1], axis=-1)[..., :-1]], axis=-1)
        return before * after[..., ::-1]
    y = np.zeros((*s.shape[:-1], *[n] * k), s.dtype)
    for i in range(n):
        others = np.delete(s, i, axis=-1)
        keep = np.delete(np.arange(n), i)
        place: Any = (..., i, *np.ix_(*[keep] * (k - 1)))
        y[place] = _products_without(others, k - 1)
    return y


def _cofactors_batch(size: int, batched: Sequence[bool], *args: Array) -> Array:
    return cofactors_p.bind(*lined_up(size, batched, *args, cores=[2] * len(args)))


def _by_operand(i: int) -> Any:
    if i == 0:
        return lambda t, y, *args: cofactors_p.bind(*args, t)
    return lambda t, y, *args: cofactors_p.bind(*args[:i], t, *args[i + 1 :])


cofactors_p: Primitive = Primitive(
    "cofactors",
    _cofactors,
    shape=lambda a, *directions: ShapedArray(
        np.broadcast_shapes(a.shape, *[t.shape for t in directions]),
        np.result_type(a.dtype, *[t.dtype for t in directions]),
    ),
    jvps=Every(_by_operand),
    transposes=Every(
        lambda i: (
            lambda ct, *args: unbroadcast(cofactors_p.bind(*args[:i], ct, *args[i + 1 :]), args[i])
        )
    ),
    linear="separately",
    linear_args=range(1, MOST_DIRECTIONS + 2),
    batch=_cofactors_batch,
)
"""(a, t1, ..., tk) -> the derivative of order k, in these directions, of the cofactors of a."""

cofactor_p: Primitive = Primitive(
    "cofactor",
    _cofactor,
    shape=lambda x: x,
    jvps=(lambda t, y, x: cofactors_p.bind(x, t),),
    batch=stacked(lambda: cofactor_p),
)

det_p: Primitive = Primitive(
    "det",
    np.linalg.det,
    shape=lambda x: ShapedArray(x.shape[:-2], x.dtype),
    jvps=(lambda t, y, x: np.sum(cofactor_p.bind(x) * t, axis=(-2, -1)),),
    batch=stacked(lambda: det_p),
)


@implements(np.linalg.det)
def det(a: Array) -> Array:
    """`np.linalg.det` on traced values; the derivative is finite at singular matrices too."""
    return det_p.bind(square_operand(a, "np.linalg.det"))


def _slogdet_jvp(t: Array, y: tuple[Array, Array], x: Array) -> tuple[Array | None, Array]:
    relative = np.sum(t * mT(np.linalg.inv(x)), axis=(-2, -1))
    if aval_of(x).dtype.kind == "c":
        return y[0] * (1j * np.imag(relative)), np.real(relative)
    return None, relative


slogdet_p: Primitive = Primitive(
    "slogdet",
    lambda x: tuple(np.linalg.slogdet(x)),
    shape=lambda x: (
        typed(x.shape[:-2], x.dtype),
        typed(x.shape[:-2], real_dtype(x.dtype)),
    ),
    jvps=(_slogdet_jvp,),
    batch=stacked(lambda: slogdet_p),
    multiple_results=True,
)
_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


@implements(np.linalg.slogdet)
def slogdet(a: Array) -> Any:
    """`np.linalg.slogdet` on traced values: (sign, logabsdet).

    At a singular matrix there is no derivative: NumPy's LinAlgError is raised.
    """
    return _SlogdetResult(*slogdet_p.bind(square_operand(a, "np.linalg.slogdet")))
