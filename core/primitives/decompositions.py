"""Decompositions of stacks of matrices: cholesky, qr, eigh, eigvalsh, eig, eigvals.

The derivatives of eigenvectors divide by gaps between eigenvalues; `degenerate.py` says what
happens where there are none. Eigenvectors are differentiated with the lengths and phases that NumPy
gives them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..tracing import Primitive
from .degenerate import split_p
from .elementwise import real_dtype
from .matrices import (
    adjoint,
    columns_dot,
    hermitian,
    matrix_operand,
    mT,
    square_operand,
    stacked,
    typed,
    value_or_none,
)

# cholesky. Differentiated as a function of the symmetric (Hermitian) part of its argument.


def _cholesky_jvp(t: Array, y: Array, x: Array) -> Array:
    inverse = np.linalg.inv(y)
    middle = inverse @ t @ adjoint(inverse)
    return y @ ((middle + adjoint(middle)) * _quarters(x.shape[-1], real_dtype(aval_of(x).dtype)))


@lru_cache
def _quarters(n: int, dtype: Any) -> Array:
    """Half of the lower triangle, and a quarter of the diagonal."""
    weights = (0.5 * np.tri(n, k=-1) + 0.25 * np.eye(n)).astype(dtype)
    weights.setflags(write=False)
    return weights


cholesky_p: Primitive = Primitive(
    "cholesky",
    np.linalg.cholesky,
    shape=lambda x: x,
    jvps=(_cholesky_jvp,),
    batch=stacked(lambda: cholesky_p),
)


@implements(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """`np.linalg.cholesky` on traced values.

    NumPy reads one triangle of the argument; the derivative is that of cholesky((a + a^H) / 2), so
    that the gradient of a symmetric matrix is symmetric.
    """
    a = square_operand(a, "np.linalg.cholesky")
    return adjoint(cholesky_p.bind(adjoint(a))) if upper else cholesky_p.bind(a)


# qr. With a = q r: q^H da r^-1 = (an anti-Hermitian turn) + (upper triangular, real diagonal).


def _upper(m: Array) -> Array:
    """The upper triangular part of m that is left when its turn is taken out: with the conjugates
    of what was below the diagonal added to what is above, and a real diagonal.
    """
    n = m.shape[-1]
    below = np.where(np.tri(n, k=-1, dtype=bool), m, 0)
    diagonal = np.where(np.eye(n, dtype=bool), m, 0)
    above = np.where(np.tri(n, k=-1, dtype=bool).T, m, 0)
    if aval_of(m).dtype.kind == "c":
        diagonal = (diagonal + np.conjugate(diagonal)) * 0.5
    return above + diagonal + adjoint(below)


def _divide_right(a: Array, r: Array) -> Array:
    """a r^-1."""
    return mT(np.linalg.solve(mT(r), mT(a)))


def _qr_jvp(t: Array, y: tuple[Array, Array], x: Array, *, mode: str) -> tuple[Array, Array]:
    q, r = y
    m, n = x.shape[-2:]
    k = min(m, n)
    q1, r1 = q[..., :, :k], r[..., :k, :k]
    scaled = _divide_right(t[..., :, :k], r1)
    turn = adjoint(q1) @ scaled
    upper = _upper(turn)
    q_dot = scaled - q1 @ upper
    r_dot = upper @ r1
    if n > k:
        rest = adjoint(q1) @ t[..., :, k:] - (turn - upper) @ r[..., :, k:]
        return q_dot, np.concatenate([r_dot, rest], axis=-1)
    if mode == "complete" and m > k:
        # The further columns of q are orthogonal to the others, and do not turn among themselves.
        more = q[..., :, k:]
        q_dot = np.concatenate([q_dot, -q1 @ (adjoint(q_dot) @ more)], axis=-1)
        r_dot = np.concatenate([r_dot, np.zeros((*r_dot.shape[:-2], m - k, n), r.dtype)], axis=-2)
    return q_dot, r_dot


def _qr_shape(x: ShapedArray, *, mode: str) -> tuple[ShapedArray, ShapedArray]:
    *stack, m, n = x.shape
    k = m if mode == "complete" else min(m, n)
    return typed((*stack, m, k), x.dtype), typed((*stack, k, n), x.dtype)


qr_p: Primitive = Primitive(
    "qr",
    lambda x, *, mode: tuple(np.linalg.qr(x, mode)),
    shape=_qr_shape,
    jvps=(_qr_jvp,),
    batch=stacked(lambda: qr_p),
    multiple_results=True,
)

qr_r_p: Primitive = Primitive(
    "qr_r",
    lambda x: np.linalg.qr(x, "r"),
    shape=lambda x: _qr_shape(x, mode="reduced")[1],
    jvps=(lambda t, y, x: _qr_jvp(t, qr_p.bind(x, mode="reduced"), x, mode="reduced")[1],),
    batch=stacked(lambda: qr_r_p),
)
"""The triangular factor alone."""

_QRResult: Any = type(np.linalg.qr(np.eye(1)))


@implements(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Any:
    """`np.linalg.qr` on traced values: the modes reduced, complete and r.

    The derivative exists where the first min(m, n) columns are linearly independent; elsewhere
    NumPy's LinAlgError is raised, or the derivative is not finite. The columns that "complete" adds
    to q are arbitrary; they are differentiated as vectors that do not turn among themselves.
    """
    a = matrix_operand(a, "np.linalg.qr")
    if mode == "r":
        return qr_r_p.bind(a)
    if mode not in ("reduced", "complete"):
        raise unsupported_argument("np.linalg.qr", "mode", mode, "use 'reduced', 'complete' or 'r'")
    return _QRResult(*qr_p.bind(a, mode=mode))


# eigh. Differentiated as a function of the Hermitian part of its argument.


def _eigh_jvp(t: Array, y: tuple[Array, Array], x: Array, *, UPLO: str) -> tuple[Array, Array]:
    w, v = y
    w_dot, turns = split_p.bind(adjoint(v) @ hermitian(t) @ v, w, kind="hermitian")
    return w_dot, v @ turns


def _values_shape(x: ShapedArray, **params: Any) -> ShapedArray:
    return typed(x.shape[:-1], real_dtype(x.dtype))


eigh_p: Primitive = Primitive(
    "eigh",
    lambda x, *, UPLO: tuple(np.linalg.eigh(x, UPLO)),
    shape=lambda x, *, UPLO: (_values_shape(x), x),
    jvps=(_eigh_jvp,),
    batch=stacked(lambda: eigh_p),
    multiple_results=True,
)


def _eigvalsh_jvp(t: Array, y: Array, x: Array, *, UPLO: str) -> Array:
    _, v = eigh_p.bind(x, UPLO=UPLO)
    return np.real(columns_dot(v, hermitian(t) @ v))


eigvalsh_p: Primitive = Primitive(
    "eigvalsh",
    lambda x, *, UPLO: np.linalg.eigvalsh(x, UPLO),
    shape=_values_shape,
    jvps=(_eigvalsh_jvp,),
    batch=stacked(lambda: eigvalsh_p),
)

_EighResult: Any = type(np.linalg.eigh(np.eye(1)))


@implements(np.linalg.eigh)
def eigh(a: Array, UPLO: str = "L") -> Any:
    """`np.linalg.eigh` on traced values: (eigenvalues, eigenvectors).

    NumPy reads one triangle of the argument; the derivative is that of eigh((a + a^H) / 2). The
    tangent of each eigenvector is orthogonal to it.

    Equal eigenvalues: the eigenvalues themselves have a finite derivative, exact for functions that
    treat equal ones alike. Reverse mode is finite too where the eigenvectors of equal eigenvalues
    are not used, or used for the space that they span (V[:, k:] @ V[:, k:].T), and NaN elsewhere:
    for functions without a derivative, and for functions of the matrix that are put together from
    its eigenvectors (V @ diag(f(w)) @ V.T), whose derivative cannot be found this way. Forward
    mode gives NaN to equal eigenvectors, unless the tangent does not mix them.
    """
    return _EighResult(*eigh_p.bind(square_operand(a, "np.linalg.eigh"), UPLO=UPLO))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    """`np.linalg.eigvalsh` on traced values; the derivative is always finite, see `eigh`."""
    return eigvalsh_p.bind(square_operand(a, "np.linalg.eigvalsh"), UPLO=UPLO)


# eig. LAPACK gives each vector the length 1, and makes its largest component real.


def _eig(x: Array) -> tuple[Array, Array]:
    w, v = np.linalg.eig(x)
    dtype = _complex(x.dtype)
    return w.astype(dtype, copy=False), v.astype(dtype, copy=False)


def _complex(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.result_type(dtype, np.complex64)


def _eig_jvp(t: Array, y: tuple[Array, Array], x: Array) -> tuple[Array, Array]:
    w, v = y
    w_dot, turns = split_p.bind(np.linalg.solve(v, t @ v), w, kind="general")
    v_dot = v @ turns
    if 0 in x.shape:
        return w_dot, v_dot
    largest = np.argmax(np.where(np.imag(v) == 0, np.abs(v), -1.0), axis=-2, keepdims=True)
    anchor = np.take_along_axis(v, largest, axis=-2)
    phase = np.imag(np.take_along_axis(v_dot, largest, axis=-2)) / np.real(anchor)
    growth = np.real(columns_dot(v, v_dot))[..., None, :]
    return w_dot, v_dot - v * (growth + 1j * phase)


eig_p: Primitive = Primitive(
    "eig",
    _eig,
    shape=lambda x: (
        typed(x.shape[:-1], _complex(x.dtype)),
        typed(x.shape, _complex(x.dtype)),
    ),
    jvps=(_eig_jvp,),
    batch=stacked(lambda: eig_p),
    multiple_results=True,
)


def _eigvals_jvp(t: Array, y: Array, x: Array) -> Array:
    w, v = eig_p.bind(x)
    order = eigvals_order_p.bind(y, w)
    w_dot = np.diagonal(np.linalg.solve(v, t @ v), axis1=-2, axis2=-1)
    return np.take_along_axis(w_dot, order, axis=-1)


def _order(y: Array, w: Array) -> Array:
    """For each eigenvalue in `y` the place of the same one in `w`: LAPACK may sort them otherwise
    when it computes no vectors. The nearest first, one after the other, where they are not equal.
    """
    n = y.shape[-1]
    order = np.broadcast_to(np.arange(n), y.shape).copy()
    off = ~np.eye(n, dtype=bool)
    apart = np.abs(y[..., :, None] - w[..., None, :])
    moved = np.any(off & (apart < np.diagonal(apart, axis1=-2, axis2=-1)[..., None]), axis=(-2, -1))
    for i in np.ndindex(*y.shape[:-1]):
        if moved[i]:
            distance = apart[i].copy()
            for _ in range(n):
                a, b = np.unravel_index(np.argmin(distance), distance.shape)
                order[(*i, a)] = b
                distance[a, :] = distance[:, b] = np.inf
    return order


eigvals_order_p: Primitive = Primitive(
    "eigvals_order",
    _order,
    shape=lambda y, w: typed(y.shape, np.intp),
    jvps=(None, None),
    batch=stacked(lambda: eigvals_order_p, 1, 1),
)

eigvals_p: Primitive = Primitive(
    "eigvals",
    lambda x: np.linalg.eigvals(x).astype(_complex(x.dtype), copy=False),
    shape=lambda x: typed(x.shape[:-1], _complex(x.dtype)),
    jvps=(_eigvals_jvp,),
    batch=stacked(lambda: eigvals_p),
)

_EigResult: Any = type(np.linalg.eig(np.eye(1)))


_ALWAYS_COMPLEX = np.linalg.eigvals(np.eye(1)).dtype.kind == "c"  # from NumPy 2.5 on


def _is_real(x: Array, w: Array) -> bool:
    """Before 2.5 NumPy returns real numbers if a real matrix, or all in a stack, has real
    eigenvalues only.
    """
    if _ALWAYS_COMPLEX:
        return False
    known = value_or_none(w)
    return aval_of(x).dtype.kind != "c" and known is not None and not np.any(known.imag)


@implements(np.linalg.eig)
def eig(a: Array) -> Any:
    """`np.linalg.eig` on traced values: (eigenvalues, eigenvectors).

    The results are complex where values are not known while tracing (in vmap and make_program), and
    of NumPy's dtype elsewhere. At equal eigenvalues the derivative of what uses the eigenvectors is
    NaN.
    """
    x = square_operand(a, "np.linalg.eig")
    w, v = eig_p.bind(x)
    if _is_real(x, w):
        w, v = np.real(w), np.real(v)
    return _EigResult(w, v)


@implements(np.linalg.eigvals)
def eigvals(a: Array) -> Array:
    """`np.linalg.eigvals` on traced values; complex in vmap and make_program, as `eig`."""
    x = square_operand(a, "np.linalg.eigvals")
    w = eigvals_p.bind(x)
    return np.real(w) if _is_real(x, w) else w
