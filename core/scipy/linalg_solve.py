"""Linear systems of `scipy.linalg` on traced values: solve, inv, triangular and banded systems,
Sylvester's and Lyapunov's equations.

Stacks of matrices are taken everywhere. Where SciPy's code takes one matrix, they are solved one
after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ShapeError
from ..primitives.matrices import (
    adjoint,
    hermitian,
    lanes,
    linalg_operand,
    matrix_operand,
    mT,
    solve_batch,
    solve_shape,
    square_operand,
    stacked,
    value_or_none,
)
from ..rules import unbroadcast
from ..tracing import Primitive
from .banded import solve_banded_p


def checked(x: Array, check_finite: bool) -> Array:
    """An operand that SciPy refuses if it holds infinities or NaN, where that is known."""
    known = value_or_none(x) if check_finite else None
    if known is not None and not np.all(np.isfinite(known)):
        raise ValueError("array must not contain infs or NaNs")
    return x


def right_hand_side(operation: str, a: Array, b: Any, check_finite: bool) -> Array:
    """A right-hand side that fits the matrix: a vector, or a stack of matrices."""
    b = checked(linalg_operand(b, operation), check_finite)
    if b.ndim == 0 or a.shape[-1] != b.shape[-1 if b.ndim == 1 else -2]:
        raise ShapeError(
            f"{operation}: the matrix and the right-hand side don't fit.",
            got=f"{aval_of(a)!r} and {aval_of(b)!r}",
            needed=f"a right-hand side of shape ({a.shape[-1]},) or (..., {a.shape[-1]}, k)",
        )
    return b


def each(f: Any, cores: Sequence[int], *arrays: Array) -> Array:
    """`f` of each matrix of stacks, put together again."""
    pairs = list(zip(arrays, cores, strict=True))
    stack = np.broadcast_shapes(*[x.shape[: x.ndim - c] for x, c in pairs])
    if not stack:
        return f(*arrays)
    found = lanes(f, cores, *arrays)
    if not found:
        sample = f(*[np.eye(*x.shape[x.ndim - c :], dtype=x.dtype) for x, c in pairs])
        return np.zeros((*stack, *sample.shape), sample.dtype)
    return np.reshape(np.array(found), (*stack, *found[0].shape))


# Triangular matrices.


def _triangular(a: Array, b: Array, *, trans: int, lower: bool, unit_diagonal: bool) -> Array:
    def one(a: Array, b: Array) -> Array:
        return scipy.linalg.solve_triangular(
            a, b, trans=trans, lower=lower, unit_diagonal=unit_diagonal, check_finite=False
        )

    if b.size == 0 or a.size == 0:
        aval = solve_shape(aval_of(a), aval_of(b))
        return np.zeros(aval.shape, aval.dtype)
    if b.ndim == 1:
        return each(lambda a: one(a, b), (2,), a)
    return each(one, (2, 2), a, b)


def _operator(t: Array, trans: int, lower: bool, unit_diagonal: bool) -> Array:
    """The matrix that solve_triangular inverts: a triangle, perhaps transposed."""
    k = -1 if unit_diagonal else 0
    t = np.tril(t, k) if lower else np.triu(t, -k)
    return t if trans == 0 else mT(t) if trans == 1 else adjoint(t)


def _triangular_by_matrix(t: Array, y: Array, a: Array, b: Array, **how: Any) -> Array:
    t = _operator(t, **how)
    if b.ndim > 1:
        return triangular_p.bind(a, -(t @ y), **how)
    return triangular_p.bind(a, -(t @ y[..., None]), **how)[..., 0]


def _triangular_transpose(ct: Array, a: Array, b: Any, *, trans: int, **how: Any) -> Array:
    if trans == 2:
        a = np.conjugate(a)
    trans = 1 if trans == 0 else 0
    if b.ndim == 1 and ct.ndim > 1:
        y = triangular_p.bind(a, ct[..., None], trans=trans, **how)[..., 0]
    else:
        y = triangular_p.bind(a, ct, trans=trans, **how)
    return unbroadcast(y, b)


triangular_p: Primitive = Primitive(
    "solve_triangular",
    _triangular,
    shape=solve_shape,
    jvps=(_triangular_by_matrix, lambda t, y, a, b, **how: triangular_p.bind(a, t, **how)),
    transposes=(None, _triangular_transpose),
    linear="separately",
    linear_args=(1,),
    batch=solve_batch(lambda: triangular_p),
)

_TRANS = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def solve_factor(factor: Array, b: Array, trans: int, lower: bool, unit: bool = False) -> Array:
    """Solve with a triangular matrix; `unit`: with ones on its diagonal."""
    return triangular_p.bind(factor, b, trans=trans, lower=lower, unit_diagonal=unit)


@implements(scipy.linalg.solve_triangular)
def solve_triangular(
    a: Array,
    b: Array,
    trans: Any = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """`scipy.linalg.solve_triangular` on traced values."""
    name = "scipy.linalg.solve_triangular"
    a = checked(square_operand(a, name), check_finite)
    b = right_hand_side(name, a, b, check_finite)
    if trans not in _TRANS:
        raise ValueError(f"{name}: `trans` must be 0, 1, 2, 'N', 'T' or 'C'; got {trans!r}")
    return solve_factor(a, b, _TRANS[trans], bool(lower), bool(unit_diagonal))


# Matrices of which SciPy reads one triangle: the derivative is that of the symmetric part.


def _mirror(x: Array, *, lower: bool, conjugate: bool) -> Array:
    half = np.tril(x) if lower else np.triu(x)
    other = mT(np.tril(x, -1) if lower else np.triu(x, 1))
    return half + (np.conjugate(other) if conjugate else other)


mirror_p: Primitive = Primitive(
    "mirror",
    _mirror,
    shape=lambda x, **params: x,
    jvps=(lambda t, y, x, *, lower, conjugate: hermitian(t) if conjugate else (t + mT(t)) * 0.5,),
    batch=stacked(lambda: mirror_p),
)
"""The whole of a symmetric (or Hermitian, if `conjugate`) matrix, of its lower or upper half."""

_STRUCTURES = {
    None: "gen",
    "general": "gen",
    "gen": "gen",
    "banded": "gen",
    "symmetric": "sym",
    "sym": "sym",
    "hermitian": "her",
    "her": "her",
    "positive definite": "pos",
    "pos": "pos",
    "diagonal": "diagonal",
    "tridiagonal": "tridiagonal",
    "upper triangular": "upper",
    "lower triangular": "lower",
}


def _structured(name: str, a: Array, assume_a: Any, lower: bool) -> tuple[str, Array]:
    """The matrix that SciPy takes `a` for."""
    if assume_a not in _STRUCTURES:
        raise ValueError(f"{name}: {assume_a!r} is not a recognized matrix structure")
    structure = _STRUCTURES[assume_a]
    if structure in ("sym", "her", "pos"):
        return structure, mirror_p.bind(a, lower=bool(lower), conjugate=structure != "sym")
    if structure == "tridiagonal":
        return structure, np.triu(np.tril(a, 1), -1)
    return structure, a


@implements(scipy.linalg.solve)
def solve(
    a: Array,
    b: Array,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: Any = None,
    transposed: bool = False,
) -> Array:
    """`scipy.linalg.solve` on traced values."""
    name = "scipy.linalg.solve"
    a = checked(square_operand(a, name), check_finite)
    b = right_hand_side(name, a, b, check_finite)
    structure, a = _structured(name, a, assume_a, lower)
    if transposed and aval_of(a).dtype.kind == "c":
        raise unsupported_argument(name, "transposed", True, "transpose the matrix: a.mT")
    if structure == "diagonal":
        d = np.diagonal(a, axis1=-2, axis2=-1)
        return b / (d if b.ndim == 1 else d[..., None])
    if structure in ("upper", "lower"):
        return solve_factor(a, b, int(transposed), structure == "lower")
    if structure == "pos":
        factor = np.linalg.cholesky(a)
        return solve_factor(factor, solve_factor(factor, b, 0, True), 2, True)
    return np.linalg.solve(mT(a) if transposed else a, b)


@implements(scipy.linalg.inv)
def inv(
    a: Array,
    overwrite_a: bool = False,
    check_finite: bool = True,
    *,
    assume_a: Any = None,
    lower: bool = False,
) -> Array:
    """`scipy.linalg.inv` on traced values."""
    name = "scipy.linalg.inv"
    a = checked(square_operand(a, name), check_finite)
    structure, a = _structured(name, a, assume_a, lower)
    if structure in ("upper", "lower"):
        a = np.triu(a) if structure == "upper" else np.tril(a)
    elif structure == "diagonal":
        a = np.tril(np.triu(a))
    return np.linalg.inv(a)


# Banded matrices.


@implements(scipy.linalg.solve_banded)
def solve_banded(
    l_and_u: tuple[int, int],
    ab: Array,
    b: Array,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """`scipy.linalg.solve_banded` on traced values."""
    name = "scipy.linalg.solve_banded"
    below, above = int(l_and_u[0]), int(l_and_u[1])
    ab = checked(matrix_operand(ab, name), check_finite)
    b = right_hand_side(name, ab, b, check_finite)
    if ab.shape[-2] != below + above + 1:
        raise ShapeError(
            f"{name}: `ab` must have a row for each diagonal.",
            got=f"{aval_of(ab)!r} with l_and_u={l_and_u}",
            needed=f"{below + above + 1} rows",
        )
    y = solve_banded_p.bind(ab, b[:, None] if b.ndim == 1 else b, below=below, above=above)
    return y[..., 0] if b.ndim == 1 else y


@implements(scipy.linalg.solveh_banded)
def solveh_banded(
    ab: Array,
    b: Array,
    overwrite_ab: bool = False,
    overwrite_b: bool = False,
    lower: bool = False,
    check_finite: bool = True,
) -> Array:
    """`scipy.linalg.solveh_banded` on traced values: solved as a general banded system."""
    ab = checked(matrix_operand(ab, "scipy.linalg.solveh_banded"), check_finite)
    n, width = ab.shape[-1], ab.shape[-2] - 1
    given = [ab[..., k if lower else width - k, :] for k in range(width + 1)]
    rows = [given[0]]
    for k in range(1, width + 1):
        near, pad = given[k], np.zeros((*ab.shape[:-2], min(k, n)), ab.dtype)
        if lower:
            above = np.concatenate([pad, np.conjugate(near[..., : max(n - k, 0)])], axis=-1)
            rows = [above, *rows, near]
        else:
            below = np.concatenate([np.conjugate(near[..., k:]), pad], axis=-1)
            rows = [near, *rows, below]
    return solve_banded((width, width), np.stack(rows, axis=-2), b, check_finite=check_finite)


# Sylvester's equation, a x + x b = q.


def _sylvester(a: Array, b: Array, q: Array) -> Array:
    dtype = np.result_type(a, b, q)
    y = each(scipy.linalg.solve_sylvester, (2, 2, 2), a, b, q)
    return y.astype(dtype, copy=False)


sylvester_p: Primitive = Primitive(
    "solve_sylvester",
    _sylvester,
    shape=lambda a, b, q: ShapedArray(
        (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2]), *q.shape[-2:]),
        np.result_type(a.dtype, b.dtype, q.dtype),
    ),
    jvps=(
        lambda t, y, a, b, q: -sylvester_p.bind(a, b, t @ y),
        lambda t, y, a, b, q: -sylvester_p.bind(a, b, y @ t),
        lambda t, y, a, b, q: sylvester_p.bind(a, b, t),
    ),
    transposes=(
        None,
        None,
        lambda ct, a, b, q: unbroadcast(sylvester_p.bind(mT(a), mT(b), ct), q),
    ),
    linear="separately",
    linear_args=(2,),
    batch=stacked(lambda: sylvester_p, 2, 2, 2),
)


@implements(scipy.linalg.solve_sylvester)
def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """`scipy.linalg.solve_sylvester` on traced values."""
    name = "scipy.linalg.solve_sylvester"
    a, b = square_operand(a, name), square_operand(b, name)
    q = matrix_operand(q, name)
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ShapeError(
            f"{name}: the matrices don't fit.",
            got=", ".join([repr(aval_of(x)) for x in (a, b, q)]),
            needed=f"q of shape (..., {a.shape[-1]}, {b.shape[-1]})",
        )
    return sylvester_p.bind(a, b, q)


continuous_lyapunov_p: Primitive = Primitive(
    "solve_continuous_lyapunov",
    lambda a, q: each(scipy.linalg.solve_continuous_lyapunov, (2, 2), a, q).astype(
        np.result_type(a, q), copy=False
    ),
    shape=lambda a, q: ShapedArray(
        np.broadcast_shapes(a.shape, q.shape), np.result_type(a.dtype, q.dtype)
    ),
    jvps=(
        lambda t, y, a, q: -continuous_lyapunov_p.bind(a, t @ y + y @ adjoint(t)),
        lambda t, y, a, q: continuous_lyapunov_p.bind(a, t),
    ),
    transposes=(None, lambda ct, a, q: unbroadcast(continuous_lyapunov_p.bind(mT(a), ct), q)),
    linear="separately",
    linear_args=(1,),
    batch=stacked(lambda: continuous_lyapunov_p, 2, 2),
)


def _lyapunov_operands(name: str, a: Any, q: Any) -> tuple[Array, Array]:
    a, q = square_operand(a, name), square_operand(q, name)
    if a.shape[-1] != q.shape[-1]:
        raise ShapeError(
            f"{name}: the matrices must be of one size.", got=f"{aval_of(a)!r} and {aval_of(q)!r}"
        )
    return a, q


@implements(scipy.linalg.solve_continuous_lyapunov, scipy.linalg.solve_lyapunov)
def solve_continuous_lyapunov(a: Array, q: Array) -> Array:
    """`scipy.linalg.solve_continuous_lyapunov` on traced values."""
    name = "scipy.linalg.solve_continuous_lyapunov"
    return continuous_lyapunov_p.bind(*_lyapunov_operands(name, a, q))


@implements(scipy.linalg.solve_discrete_lyapunov)
def solve_discrete_lyapunov(a: Array, q: Array, method: str | None = None) -> Array:
    """`scipy.linalg.solve_discrete_lyapunov` on traced values."""
    name = "scipy.linalg.solve_discrete_lyapunov"
    a, q = _lyapunov_operands(name, a, q)
    n = a.shape[-1]
    method = ("direct" if n < 10 else "bilinear") if method is None else method.lower()
    eye = np.eye(n, dtype=a.dtype)
    if method == "direct":
        pairs = a[..., :, None, :, None] * np.conjugate(a)[..., None, :, None, :]
        left = np.eye(n * n, dtype=a.dtype) - np.reshape(pairs, (*a.shape[:-2], n * n, n * n))
        flat = np.reshape(q, (*q.shape[:-2], n * n, 1))
        y = np.linalg.solve(left, flat)
        return np.reshape(y, (*y.shape[:-2], n, n))
    if method != "bilinear":
        raise ValueError(f"{name}: `method` must be 'direct' or 'bilinear'; got {method!r}")
    ah = adjoint(a)
    inverse = np.linalg.inv(ah + eye)
    b = (ah - eye) @ inverse
    c = 2 * (np.linalg.inv(a + eye) @ q) @ inverse
    return continuous_lyapunov_p.bind(adjoint(b), -c)
