"""Quotients by the gaps between eigenvalues or singular values, some of which may be zero.

The derivative of an eigenvector divides by the gaps to the other eigenvalues. Where two of them are
equal, the eigenvectors turn freely in their plane and have no derivative; but what is computed from
them often has one, since it does not depend on that turn. The primitives here decide, element by
element, for what flows through them:

- Forward, a tangent that would turn equal vectors is not finite: NaN, unless it is zero. Forward
  mode cannot know what becomes of the vectors.
- In reverse, the cotangent tells what the vectors were used for. Say that eigenvalues i and j are
  equal, c[i] and c[j] are their cotangents, and m[i, j] is the cotangent of the turn of vector j
  towards vector i.

  - m[i, j] differs from conj(m[j, i]): the result depends on the turn and has no derivative. NaN.
  - Both m vanish, and c[i] = c[j]: a function of the eigenvalues, or of other vectors. The term
    is 0.
  - Both c vanish: a function of the plane that the vectors span (a projector). The term is 0.
  - Anything else: the term is some derivative of a function of the matrix, such as V diag(w) V^H,
    but what comes back does not tell which. NaN.

- If the vectors are not used at all, nothing is divided: eigenvalues alone always have a finite
  (generalised) derivative.

"Equal" and "vanish" are meant up to rounding (`EQUAL`, `VANISHING`).

Coincidences go unseen, where a cotangent happens to look like one of the harmless kinds: a function
of the matrix, V diag(f(w)) V^H, at equal eigenvalues with f(w) = 0, when the cotangent of the
result has equal elements on its diagonal in the basis V, or zeros there (a row off the diagonal of
its Jacobian); or a function of the vectors themselves whose cotangent is symmetric, such as their
sum at the identity. The term is taken for 0 then. Functions with rules of their own (polar, sqrtm,
logm, expm, pinv, inv) have none of these difficulties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray
from ..tracing import Primitive, Together
from .elementwise import real_dtype
from .matrices import adjoint, epsilon, mT, peak, stacked, typed

EQUAL = 16.0
"""Values are equal if they differ by this, times their number, times the rounding of the largest.
"""

VANISHING = 0.75
"""Tangents and cotangents vanish below the machine precision to this power, relative to the largest
of their matrix."""

ALIKE = 0.5
"""The same for the difference of two eigenvalues' cotangents, which steep functions blow up."""

_NAN = float("nan")


def _equal(gap: Array, w: Array) -> Array:
    """Which of the differences (or sums) of `w` count as zero."""
    return np.abs(gap) <= EQUAL * w.shape[-1] * epsilon(w) * peak(w, 1)[..., None]


def _gaps(w: Array) -> Array:
    """w[j] - w[i], at [i, j]."""
    return w[..., None, :] - w[..., :, None]


def _divided(x: Array, gap: Array, zero: Array, bad: Array) -> Array:
    """x / gap; where the gap is zero, NaN in bad places and 0 in the others."""
    y = x / np.where(zero, 1, gap)
    return np.where(zero, np.where(bad, _NAN, 0), y).astype(y.dtype) if zero.any() else y


# The forward direction: N = V^-1 dA V is split into the tangents of the eigenvalues and the turns
# of the eigenvectors.
#
# `kind` says what is decomposed: "hermitian" matrices, "general" ones (where equal eigenvalues are
# no use at all unless nothing flows), or "singular" and "uneven" ones (singular values of square
# and other matrices, which take the Hermitian part of N).


def _split(n: Array, w: Array, *, kind: str) -> tuple[Array, Array]:
    values = np.diagonal(n, axis1=-2, axis2=-1)
    gap = _gaps(w)
    zero = _equal(gap, w)
    small = epsilon(n) ** VANISHING * peak(n, 2)
    off = ~np.eye(w.shape[-1], dtype=bool)
    with np.errstate(all="ignore"):
        turns = _divided(n, gap, zero, off & (np.abs(n) > small))
    return (values if kind == "general" else values.real).copy(), turns


def _split_shape(n: ShapedArray, w: ShapedArray, *, kind: str) -> tuple[ShapedArray, ShapedArray]:
    dtype = n.dtype if kind == "general" else real_dtype(n.dtype)
    return typed(n.shape[:-1], dtype), n


def _split_by_gap(t: Array, y: Any, n: Array, w: Array, *, kind: str) -> tuple[None, Array]:
    return None, -split_p.bind(y[1] * _gaps(t), w, kind=kind)[1]


def _split_transpose(
    ct: tuple[Array | None, Array | None], wanted: Sequence[bool], n: Any, w: Array, *, kind: str
) -> list[Array]:
    values, turns = ct
    if turns is None:
        return [values[..., None] * np.eye(w.shape[-1], dtype=n.dtype)]  # type: ignore[index]  # one is used
    if values is None:
        values = np.zeros(n.shape[:-1], n.dtype)
    return [join_p.bind(np.concatenate([turns, values[..., None]], axis=-1), w, kind=kind)]


split_p: Primitive = Primitive(
    "spectral_split",
    _split,
    shape=_split_shape,
    jvps=(lambda t, y, n, w, *, kind: split_p.bind(t, w, kind=kind), _split_by_gap),
    transposes=Together(_split_transpose, unused_as_none=True),
    linear="separately",
    linear_args=frozenset({0}),
    batch=stacked(lambda: split_p, 2, 1),
    multiple_results=True,
)
"""(n, w) -> (the diagonal of n, n[i, j] / (w[j] - w[i]))."""


# The reverse direction: the cotangents of turns, with those of the eigenvalues in one more column.


def _join(y: Array, w: Array, *, kind: str) -> Array:
    m, c = y[..., :-1], y[..., -1]
    gap = _gaps(w)
    zero = _equal(gap, w)
    eye = np.eye(w.shape[-1], dtype=bool)
    bad = np.zeros_like(zero)
    if (zero & ~eye).any() or kind == "uneven":
        bad = _bad_pairs(m, c, w, kind)
    with np.errstate(all="ignore"):
        n = _divided(m, gap, zero, bad)
    return n + np.where(eye, c[..., None], 0).astype(n.dtype)


def _bad_pairs(m: Array, c: Array, w: Array, kind: str) -> Array:
    """Where the cotangents of equal values do not determine a derivative."""
    eps, off = epsilon(m), ~np.eye(w.shape[-1], dtype=bool)
    size = peak(w, 1)
    top_m, top_c = peak(m, 2), peak(c, 1)
    small = eps**VANISHING * np.maximum(top_m, (top_c * size)[..., None])
    scale_c = np.maximum(top_c, top_m[..., 0] / np.where(size == 0, np.inf, size))
    idle = np.abs(c) <= eps**VANISHING * scale_c
    both_idle = idle[..., :, None] & idle[..., None, :]
    vanish = np.abs(m) <= small
    vanish = vanish & mT(vanish)
    if kind == "general":
        return off & ~(vanish & both_idle)
    alike = np.abs(_gaps(c)) <= (eps**ALIKE * scale_c)[..., None]
    fine = (np.abs(m - adjoint(m)) <= small) & (both_idle | (vanish & alike))
    if kind != "hermitian":
        # Vectors of singular value zero turn on the left and on the right independently. With more
        # than one of them on a side, no function of these values alone has a derivative.
        null = np.abs(w) <= EQUAL * w.shape[-1] * epsilon(w) * size
        moved = null & ~idle
        fine &= ~(moved[..., :, None] & null[..., None, :])
        fine &= ~(null[..., :, None] & moved[..., None, :])
        if kind == "uneven":
            return np.where(off, ~fine, moved[..., None])
    return off & ~fine


def _join_by_gap(t: Array, n: Array, y: Array, w: Array, *, kind: str) -> Array:
    off = ~np.eye(w.shape[-1], dtype=bool)
    turns = np.where(off, n, 0) * _gaps(t)
    none = np.zeros((*w.shape, 1), n.dtype)
    return -join_p.bind(np.concatenate([turns, none], axis=-1), w, kind=kind)


def _join_transpose(ct: Array, y: Any, w: Array, *, kind: str) -> Array:
    values, turns = split_p.bind(ct, w, kind=kind)
    return np.concatenate([turns, values[..., None]], axis=-1)


join_p: Primitive = Primitive(
    "spectral_join",
    _join,
    shape=lambda y, w, *, kind: typed((*w.shape, w.shape[-1]), y.dtype),
    jvps=(lambda t, n, y, w, *, kind: join_p.bind(t, w, kind=kind), _join_by_gap),
    transposes=(_join_transpose, None),
    linear="separately",
    linear_args=(0,),
    batch=stacked(lambda: join_p, 2, 1),
)
"""The transpose of `spectral_split`, which decides by all of a matrix's cotangents."""


# Singular vectors also turn against each other, left ones against right ones: by the
# anti-Hermitian part of N over the sum of two singular values, which is zero where both are.


def _by_sums(x: Array, s: Array, *, reverse: bool) -> Array:
    total = s[..., None, :] + s[..., :, None]
    zero = _equal(total, s)
    small = epsilon(x) ** VANISHING * peak(x, 2)
    bad = np.abs(x - adjoint(x) if reverse else x) > small
    with np.errstate(all="ignore"):
        return _divided(x, total, zero, bad)


def _by_sums_jvp(t: Array, y: Array, x: Array, s: Array, *, reverse: bool) -> Array:
    return -by_sums_p.bind(y * (t[..., None, :] + t[..., :, None]), s, reverse=reverse)


by_sums_p: Primitive = Primitive(
    "by_sums",
    _by_sums,
    shape=lambda x, s, *, reverse: x,
    jvps=(
        lambda t, y, x, s, *, reverse: by_sums_p.bind(t, s, reverse=reverse),
        _by_sums_jvp,
    ),
    transposes=(lambda ct, x, s, *, reverse: by_sums_p.bind(ct, s, reverse=not reverse), None),
    linear="separately",
    linear_args=(0,),
    batch=stacked(lambda: by_sums_p, 2, 1),
)
"""x[i, j] / (s[i] + s[j]), where only anti-Hermitian x matter."""


# Where a matrix is not square, singular vectors of the longer side also leave the space that they
# span: by a tangent outside of it over the singular value.


def _outside(x: Array, u: Array, s: Array) -> Array:
    rest = x - u @ (adjoint(u) @ x)
    zero = np.broadcast_to(_equal(s[..., None, :], s), rest.shape)
    bad = np.abs(rest) > epsilon(x) ** VANISHING * peak(x, 2)
    with np.errstate(all="ignore"):
        return _divided(rest, s[..., None, :], zero, bad)


def _by_columns(x: Array, s: Array) -> Array:
    """Each column divided by its singular value."""
    return outside_p.bind(x, np.zeros((*x.shape[:-1], 0), x.dtype), s)


def _outside_by_vectors(t: Array, y: Array, x: Array, u: Array, s: Array) -> Array:
    return -_by_columns(t @ (adjoint(u) @ x) + u @ (adjoint(t) @ x), s)


outside_p: Primitive = Primitive(
    "outside",
    _outside,
    shape=lambda x, u, s: x,
    jvps=(
        lambda t, y, x, u, s: outside_p.bind(t, u, s),
        _outside_by_vectors,
        lambda t, y, x, u, s: -_by_columns(y * t[..., None, :], s),
    ),
    transposes=(lambda ct, x, u, s: outside_p.bind(ct, np.conjugate(u), s), None, None),
    linear="separately",
    linear_args=(0,),
    batch=stacked(lambda: outside_p, 2, 2, 1),
)
"""(x - u u^H x) with column j divided by s[j]."""
