"""Singular values and what is computed with them: svd, svdvals, pinv, lstsq, matrix_rank; and the
polar factor, whose derivative needs no gaps between singular values.

`degenerate.py` says what happens at equal singular values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..rules import unbroadcast
from ..tracing import Primitive, Tracer
from .degenerate import EQUAL, VANISHING, by_sums_p, outside_p, split_p
from .elementwise import astype, real_dtype
from .matrices import (
    adjoint,
    columns_dot,
    epsilon,
    hermitian,
    lanes,
    linalg_operand,
    lined_up,
    matrix_operand,
    mT,
    peak,
    stacked,
    typed,
    value_or_none,
)

# svd. With a = u diag(s) vh, and k = u^H da v: the Hermitian part of k turns u and v alike, its
# anti-Hermitian part turns them apart.


def _svd_jvp(
    t: Array, y: tuple[Array, Array, Array], x: Array, *, full: bool
) -> tuple[Array, Array, Array]:
    u, s, vh = y
    v = adjoint(vh)
    m, n = x.shape[-2:]
    k = min(m, n)
    u1, v1 = u[..., :, :k], v[..., :, :k]
    moved = t @ v1
    core = adjoint(u1) @ moved
    s_dot, alike = split_p.bind(hermitian(core), s, kind="singular" if m == n else "uneven")
    apart = by_sums_p.bind((core - adjoint(core)) * 0.5, s, reverse=False)
    u_dot, v_dot = u1 @ (alike + apart), v1 @ (alike - apart)
    if m > k:
        u_dot = u_dot + outside_p.bind(moved, u1, s)
    if n > k:
        v_dot = v_dot + outside_p.bind(adjoint(t) @ u1, v1, s)
    if full and m > k:
        u_dot = _with_further_columns(u_dot, u, k)
    if full and n > k:
        v_dot = _with_further_columns(v_dot, v, k)
    return u_dot, s_dot, adjoint(v_dot)


def _with_further_columns(u_dot: Array, u: Array, k: int) -> Array:
    """The columns after the first k stay orthogonal to those, and do not turn among themselves."""
    return np.concatenate([u_dot, -u[..., :, :k] @ (adjoint(u_dot) @ u[..., :, k:])], axis=-1)


def _svd_shape(x: ShapedArray, *, full: bool) -> tuple[ShapedArray, ShapedArray, ShapedArray]:
    *stack, m, n = x.shape
    k = min(m, n)
    return (
        typed((*stack, m, m if full else k), x.dtype),
        typed((*stack, k), real_dtype(x.dtype)),
        typed((*stack, n if full else k, n), x.dtype),
    )


svd_p: Primitive = Primitive(
    "svd",
    lambda x, *, full: tuple(np.linalg.svd(x, full)),
    shape=_svd_shape,
    jvps=(_svd_jvp,),
    batch=stacked(lambda: svd_p),
    multiple_results=True,
)


def _svdvals_jvp(t: Array, y: Array, x: Array) -> Array:
    u, _, vh = svd_p.bind(x, full=False)
    return np.real(columns_dot(u, t @ adjoint(vh)))


svdvals_p: Primitive = Primitive(
    "svdvals",
    lambda x: np.linalg.svd(x, compute_uv=False),
    shape=lambda x: _svd_shape(x, full=False)[1],
    jvps=(_svdvals_jvp,),
    batch=stacked(lambda: svdvals_p),
)

_SVDResult: Any = type(np.linalg.svd(np.eye(1)))


@implements(np.linalg.svd)
def svd(
    a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """`np.linalg.svd` on traced values.

    The columns of u and v that `full_matrices` adds are arbitrary; they are differentiated as
    vectors that do not turn among themselves.

    Equal singular values: as equal eigenvalues, see `eigh`. The singular values themselves
    (compute_uv=False) always have a finite derivative. With vectors, reverse mode is finite for
    what the vectors of equal singular values do not enter, or for what their turning alike does not
    change (U @ Vh, U[:, :k] @ U[:, :k].T, products of low rank), and NaN for what has no derivative
    or is put together anew from equal values (U @ diag(s) @ Vh). The same holds for singular values
    of zero: for one in a matrix that is not square, or several.
    """
    x = matrix_operand(a, "np.linalg.svd")
    if hermitian:
        return _hermitian_svd(x, compute_uv)
    if not compute_uv:
        return svdvals_p.bind(x)
    return _SVDResult(*svd_p.bind(x, full=bool(full_matrices)))


def _hermitian_svd(x: Array, compute_uv: bool) -> Any:
    if not compute_uv:
        return np.sort(np.abs(np.linalg.eigvalsh(x)), axis=-1)[..., ::-1]
    w, v = np.linalg.eigh(x)
    s = np.abs(w)
    order = np.argsort(s, axis=-1)[..., ::-1]
    sign = np.take_along_axis(np.copysign(1.0, w), order, axis=-1)
    s = np.take_along_axis(s, order, axis=-1)
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    return _SVDResult(u, s, adjoint(u * astype(sign, s.dtype)[..., None, :]))


@implements(np.linalg.svdvals)
def svdvals(x: Array, /) -> Array:
    """`np.linalg.svdvals` on traced values; the derivative is always finite, see `svd`."""
    return svdvals_p.bind(matrix_operand(x, "np.linalg.svdvals"))


# matrix_rank: no derivative.

matrix_rank_p: Primitive = Primitive(
    "matrix_rank",
    lambda x, tolerance, *, relative, hermitian: np.linalg.matrix_rank(
        x, hermitian=hermitian, **{"rtol" if relative else "tol": tolerance}
    ),
    shape=lambda x, tolerance, **params: typed(x.shape[:-2], np.intp),
    jvps=(None, None),
    batch=lambda size, batched, x, tolerance, **params: matrix_rank_p.bind(
        *_with_tolerance(size, batched, x, tolerance), **params
    ),
)


def _with_tolerance(
    size: int, batched: Sequence[bool], x: Array, tolerance: Array
) -> tuple[Array, Array]:
    """Line up the batch axes of matrices and of what is one number for each of them."""
    if not batched[0]:
        x = np.broadcast_to(x, (size, *x.shape))
    if np.ndim(tolerance) > batched[1]:
        missing = x.ndim - 3 - (tolerance.ndim - batched[1])
        lane = tolerance if batched[1] else tolerance[None]
        tolerance = lane[(slice(None), *[None] * missing)]
    elif batched[1]:
        tolerance = tolerance[(slice(None), *[None] * (x.ndim - 3))]
    return x, tolerance


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Array, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """`np.linalg.matrix_rank` on traced values: plain integers."""
    x = linalg_operand(A, "np.linalg.matrix_rank")
    if rtol is not None and tol is not None:
        raise ValueError("np.linalg.matrix_rank: `tol` and `rtol` can't both be given")
    if x.ndim < 2:
        found = np.any(x != 0)
        return astype(found, np.int64) if isinstance(found, Tracer) else int(found)
    relative = tol is None
    if relative and rtol is None:
        rtol = max(x.shape[-2:]) * epsilon(x)
    tolerance = linalg_operand(rtol if relative else tol, "np.linalg.matrix_rank")
    return matrix_rank_p.bind(x, tolerance, relative=relative, hermitian=bool(hermitian))


# pinv. Differentiated as a function on the matrices of the same rank (Golub and Pereyra, 1973).


def _pinv_jvp(t: Array, y: Array, x: Array, cut: Array, *, hermitian: bool) -> Array:
    if hermitian:
        t, x = _hermitian_part(t), _hermitian_part(x)
    yh, th = adjoint(y), adjoint(t)
    half = y @ (yh @ th)
    other = (th @ yh) @ y
    return half - (half @ x) @ y + other - y @ (x @ other) - y @ t @ y


_hermitian_part = hermitian

pinv_p: Primitive = Primitive(
    "pinv",
    lambda x, cut, *, hermitian: np.linalg.pinv(x, cut, hermitian),
    shape=lambda x, cut, *, hermitian: typed((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype),
    jvps=(_pinv_jvp, None),
    batch=lambda size, batched, x, cut, **params: pinv_p.bind(
        *_with_tolerance(size, batched, x, cut), **params
    ),
)

_NOT_GIVEN = object()
_ROUGH = 1.01
"""Times the square root of the machine precision: a tolerance up to here cuts off rounding, and is
left out of derivatives.
"""


def _cuts_values(x: Array, cut: Any) -> bool:
    """Whether a tolerance may cut singular values that are more than rounding."""
    largest = np.max(np.abs(cut), initial=0.0)
    return bool(largest > _ROUGH * epsilon(x) ** 0.5)


@implements(np.linalg.pinv)
def pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NOT_GIVEN) -> Array:
    """`np.linalg.pinv` on traced values.

    Singular values below the tolerance count as zero, and the derivative is that on the matrices of
    the same rank. With a tolerance above the square root of the machine precision, what is cut off
    counts too, and the derivative comes from the singular vectors: see `svd` about equal singular
    values.
    """
    x = matrix_operand(a, "np.linalg.pinv")
    if rcond is None:
        rcond = 1e-15 if rtol is _NOT_GIVEN else rtol
        if rcond is None:
            rcond = max(x.shape[-2:]) * epsilon(x)
    elif rtol is not _NOT_GIVEN:
        raise ValueError("np.linalg.pinv: `rtol` and `rcond` can't both be given")
    cut = _static_tolerance("np.linalg.pinv", "rcond", rcond)
    if 0 in x.shape:
        return np.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype) + 0 * np.sum(x)
    if _cuts_values(x, cut):
        return _truncated_pinv(x, cut, bool(hermitian))
    return pinv_p.bind(x, cut, hermitian=bool(hermitian))


def _static_tolerance(operation: str, name: str, value: Any) -> Array:
    if isinstance(value, Tracer):
        raise unsupported_argument(operation, name, value, "give a plain number")
    return np.asarray(value)


def _truncated_pinv(x: Array, cut: Array, hermitian: bool) -> Array:
    u, s, vh = np.linalg.svd(x, full_matrices=False, hermitian=hermitian)
    large = s > cut[..., None] * np.max(s, axis=-1, keepdims=True)
    inverse = np.where(large, 1 / np.where(large, s, 1), 0)
    return adjoint(vh) @ (inverse[..., None] * adjoint(u))


# lstsq. NumPy has no stacks here: those of vmap are solved one after the other.


def _lstsq(a: Array, b: Array, *, rcond: float | None) -> Array:
    if a.ndim == 2 and b.ndim <= 2:
        return np.linalg.lstsq(a, b, rcond)[0]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*stack, a.shape[-1], b.shape[-1])
    found = lanes(lambda a, b: np.linalg.lstsq(a, b, rcond)[0], (2, 2), a, b)
    return np.reshape(np.array(found, np.result_type(a, b)), shape)


def _lstsq_jvp(t: Array, y: Array, a: Array, b: Array, *, rcond: float | None) -> Array:
    if b.ndim == 1:
        columns = _lstsq_jvp(t, y[:, None], a, b[:, None], rcond=rcond)
        return columns[..., 0]
    cut = max(a.shape[-2:]) * epsilon(a) if rcond is None else rcond
    inverse = pinv_p.bind(a, np.asarray(cut), hermitian=False)
    back, th = adjoint(inverse), adjoint(t)
    bent = th @ (back @ y)
    return inverse @ (back @ (th @ (b - a @ y)) - t @ y) + bent - inverse @ (a @ bent)


def _lstsq_shape(a: ShapedArray, b: ShapedArray, *, rcond: float | None) -> ShapedArray:
    dtype = np.result_type(a.dtype, b.dtype)
    if b.ndim == 1:
        return typed((a.shape[-1],), dtype)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return typed((*stack, a.shape[-1], b.shape[-1]), dtype)


def _lstsq_batch(size: int, batched: Sequence[bool], a: Array, b: Array, **params: Any) -> Array:
    if b.ndim - batched[1] == 1:
        if not batched[0] and a.ndim == 2:  # one decomposition for all right-hand sides
            return mT(lstsq_p.bind(a, mT(b), **params))
        y = _lstsq_batch(size, batched, a, b[..., None], **params)
        return y[..., 0]
    return lstsq_p.bind(*lined_up(size, batched, a, b, cores=(2, 2)), **params)


lstsq_p: Primitive = Primitive(
    "lstsq",
    _lstsq,
    shape=_lstsq_shape,
    jvps=(_lstsq_jvp, lambda t, y, a, b, *, rcond: lstsq_p.bind(a, t, rcond=rcond)),
    transposes=(
        None,
        lambda ct, a, b, *, rcond: unbroadcast(lstsq_p.bind(mT(a), ct, rcond=rcond), b),
    ),
    linear="separately",
    linear_args=(1,),
    batch=_lstsq_batch,
)


@implements(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: Any = None) -> tuple[Array, Array, Array, Array]:
    """`np.linalg.lstsq` on traced values: (x, residuals, rank, singular values).

    The rank is a plain integer. Where values are not known while tracing (in vmap and
    make_program), `a` is taken to have full rank: then the residuals are there if it has more rows
    than columns, and empty otherwise. vmap solves one problem after the other, as NumPy has no
    stacked form.
    """
    a = matrix_operand(a, "np.linalg.lstsq")
    b = linalg_operand(b, "np.linalg.lstsq")
    m, n = a.shape[-2:]
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != m:
        raise ShapeError(
            "np.linalg.lstsq: the matrix and the right-hand side don't fit.",
            got=f"{aval_of(a)!r} and {aval_of(b)!r}",
            needed="shapes (m, n) and (m,) or (m, k)",
        )
    rcond = None if rcond is None else float(rcond)
    dtype = np.result_type(a.dtype, b.dtype)
    cut = np.asarray(max(m, n) * float(np.finfo(dtype).eps) if rcond is None else rcond)
    s = astype(svdvals_p.bind(a), real_dtype(dtype))
    if _cuts_values(s, cut):
        x = _truncated_pinv(a, cut, False) @ b
    else:
        x = lstsq_p.bind(a, b, rcond=rcond)
    rank = astype(np.sum(s > np.maximum(cut, 0.0) * np.max(s, initial=0.0)), np.int32)
    known = value_or_none(rank)
    if m <= n or (known is not None and known != n):
        return x, np.zeros(0, real_dtype(dtype)), rank, s
    rest = b - a @ x
    squares = np.sum(np.real(np.conjugate(rest) * rest), axis=0)
    return x, np.atleast_1d(astype(squares, real_dtype(dtype))), rank, s


# The polar factor, u vh. What turns u and v alike leaves it alone, so that equal singular values do
# no harm: its derivative solves Lyapunov's equation.


def _lyapunov(h: Array, c: Array) -> Array:
    w, v = np.linalg.eigh(h)
    total = w[..., None, :] + w[..., :, None]
    inside = adjoint(v) @ c @ v
    zero = np.abs(total) <= EQUAL * w.shape[-1] * epsilon(w) * peak(w, 1)[..., None]
    lost = zero & (np.abs(inside) > epsilon(w) ** VANISHING * peak(c, 2))
    y = np.where(zero, np.where(lost, np.nan, 0), inside / np.where(zero, 1, total))
    return v @ y.astype(inside.dtype, copy=False) @ adjoint(v)


lyapunov_p: Primitive = Primitive(
    "lyapunov",
    _lyapunov,
    shape=lambda h, c: c,
    jvps=(
        lambda t, y, h, c: -lyapunov_p.bind(h, t @ y + y @ t),
        lambda t, y, h, c: lyapunov_p.bind(h, t),
    ),
    transposes=(None, lambda ct, h, c: lyapunov_p.bind(mT(h), ct)),
    linear="separately",
    linear_args=(1,),
    batch=stacked(lambda: lyapunov_p, 2, 2),
)
"""x with h x + x h = c, for Hermitian h >= 0; of least norm, or NaN, where h is singular."""


def _polar(x: Array, *, full: bool) -> Array:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    if full:
        return u @ vh
    large = s > EQUAL * s.shape[-1] * epsilon(s) * np.max(s, axis=-1, keepdims=True, initial=0.0)
    return (u * large[..., None, :]) @ vh


def _polar_jvp(t: Array, y: Array, x: Array, *, full: bool) -> Array:
    if x.shape[-2] < x.shape[-1]:
        return adjoint(_polar_jvp(adjoint(t), adjoint(y), adjoint(x), full=full))
    yh = adjoint(y)
    h = hermitian(yh @ x)
    inside = yh @ t
    y_dot = y @ lyapunov_p.bind(h, inside - adjoint(inside))
    if x.shape[-2] > x.shape[-1] and full:
        y_dot = y_dot + adjoint(np.linalg.solve(h, adjoint(t - y @ inside)))
    elif x.shape[-2] > x.shape[-1]:
        y_dot = y_dot + (t - y @ inside) @ pinv_p.bind(h, np.asarray(_cut(h)), hermitian=True)
    return y_dot


def _cut(h: Array) -> float:
    return EQUAL * int(h.shape[-1]) * epsilon(h)


polar_p: Primitive = Primitive(
    "polar",
    _polar,
    shape=lambda x, *, full: x,
    jvps=(_polar_jvp,),
    batch=stacked(lambda: polar_p),
)
"""u vh; without the singular vectors of zero, unless `full`."""
