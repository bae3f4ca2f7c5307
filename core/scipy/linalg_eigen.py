"""Eigenvalues in `scipy.linalg` on traced values: eigh (generalised too), eigh_tridiagonal, eig,
and what is close to them; rsf2csf.

Equal eigenvalues: see `np.linalg.eigh`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import ConcretizationError, ShapeError
from ..primitives.decompositions import eig_p, eigvals_p
from ..primitives.degenerate import split_p
from ..primitives.elementwise import astype, real_dtype
from ..primitives.matrices import (
    adjoint,
    columns_dot,
    hermitian,
    lanes,
    linalg_operand,
    square_operand,
    stacked,
    typed,
    value_or_none,
)
from ..tracing import Primitive, Rule
from .linalg_solve import checked, each

# Eigenvalues of Hermitian matrices: a v = b v diag(w), with v^H b v = 1.


# A subset of them is computed alone, so as to have SciPy's signs; its derivative is taken from that
# of all, by the inner products of the two sets of vectors (which are signs, mostly).


def _eigh(x: Array, *others: Array, subset: Any, count: int, **how: Any) -> tuple[Array, Array]:
    """The eigenvalues and vectors of each matrix of a stack."""
    stack = np.broadcast_shapes(*[m.shape[:-2] for m in (x, *others)])
    n, dtype = x.shape[-1], np.result_type(x, *others)
    if not n or 0 in stack:
        return np.zeros((*stack, count), real_dtype(dtype)), np.zeros((*stack, n, count), dtype)
    options = {} if subset is None else {f"subset_by_{subset[0]}": subset[1]}
    found = lanes(
        lambda a, b=None: scipy.linalg.eigh(a, b, check_finite=False, **how, **options),
        [2] * (1 + len(others)),
        x,
        *others,
    )
    values, vectors = [np.array(part) for part in zip(*found, strict=True)]
    return np.reshape(values, (*stack, count)), np.reshape(vectors, (*stack, n, count))


def _eigh_shape(
    x: ShapedArray, *others: ShapedArray, subset: Any, count: int, **how: Any
) -> tuple[ShapedArray, ShapedArray]:
    *stack, n, _ = np.broadcast_shapes(x.shape, *[m.shape for m in others])
    dtype = np.result_type(x.dtype, *[m.dtype for m in others])
    return typed((*stack, count), real_dtype(dtype)), typed((*stack, n, count), dtype)


def _by_all(rule: Rule, primitive_of: Callable[[], Primitive]) -> Rule:
    """A rule for a subset, made of a rule for all eigenvalues."""

    def jvp(
        t: Array, y: tuple[Array, Array], a: Array, *b: Array, subset: Any, count: int, **how: Any
    ) -> tuple[Array, Array]:
        dots: tuple[Array, Array]
        if subset is None:
            dots = rule(t, *y)
            return dots
        w, v = primitive_of().bind(a, *b, subset=None, count=a.shape[-1], **how)
        w_dot, v_dot = rule(t, w, v)
        same = adjoint(v) @ (b[0] @ y[1] if b else y[1])
        chosen = np.real(same * np.conjugate(same))
        return np.sum(w_dot[..., :, None] * chosen, axis=-2), v_dot @ same

    return jvp


def _by_matrix(t: Array, w: Array, v: Array) -> tuple[Array, Array]:
    w_dot, turns = split_p.bind(adjoint(v) @ hermitian(t) @ v, w, kind="hermitian")
    return w_dot, v @ turns


def _by_metric(t: Array, w: Array, v: Array) -> tuple[Array, Array]:
    change = adjoint(v) @ hermitian(t) @ v
    core = change * (w[..., None, :] + w[..., :, None]) * -0.5
    w_dot, turns = split_p.bind(core, w, kind="hermitian")
    return w_dot, v @ (turns - 0.5 * change)


scipy_eigh_p: Primitive = Primitive(
    "scipy_eigh",
    _eigh,
    shape=_eigh_shape,
    jvps=(_by_all(_by_matrix, lambda: scipy_eigh_p),),
    batch=stacked(lambda: scipy_eigh_p),
    multiple_results=True,
)
general_eigh_p: Primitive = Primitive(
    "general_eigh",
    _eigh,
    shape=_eigh_shape,
    jvps=(
        _by_all(_by_matrix, lambda: general_eigh_p),
        _by_all(_by_metric, lambda: general_eigh_p),
    ),
    batch=stacked(lambda: general_eigh_p, 2, 2),
    multiple_results=True,
)


def _general_values(a: Array, b: Array, *, subset: Any, count: int, **how: Any) -> Array:
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if not count or 0 in stack:
        return np.zeros((*stack, count), real_dtype(np.result_type(a, b)))
    options = {} if subset is None else {f"subset_by_{subset[0]}": subset[1]}
    return each(
        lambda a, b: scipy.linalg.eigvalsh(a, b, check_finite=False, **how, **options), (2, 2), a, b
    )


def _value_by_matrix(t: Array, y: Array, a: Array, b: Array, **how: Any) -> Array:
    _, v = general_eigh_p.bind(a, b, **how)
    return np.real(columns_dot(v, hermitian(t) @ v))


general_eigvalsh_p: Primitive = Primitive(
    "general_eigvalsh",
    _general_values,
    shape=lambda a, b, **how: _eigh_shape(a, b, **how)[0],
    jvps=(
        _value_by_matrix,
        lambda t, y, a, b, **how: -y * _value_by_matrix(t, y, a, b, **how),
    ),
    batch=stacked(lambda: general_eigvalsh_p, 2, 2),
)


@implements(scipy.linalg.eigh)
def eigh(
    a: Array,
    b: Array = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Any:
    """`scipy.linalg.eigh` on traced values; of the generalised problems, type 1.

    Differentiated as `np.linalg.eigh`, also at equal eigenvalues. A subset by value needs values
    that are known while tracing.
    """
    name = "scipy.linalg.eigh"
    a = checked(square_operand(a, name), check_finite)
    if type != 1 and b is not None:
        raise unsupported_argument(name, "type", type, "bring the problem to the form a v = w b v")
    if subset_by_index is not None and subset_by_value is not None:
        raise ValueError(f"{name}: give one subset, by index or by value")
    operands: tuple[Array, ...] = (a,)
    if b is not None:
        operands = (a, checked(square_operand(b, name), check_finite))
    subset, count = _subset(name, operands, lower, subset_by_index, subset_by_value)
    if eigvals_only and b is None:
        w = np.linalg.eigvalsh(a, "L" if lower else "U")
        return w if subset is None else w[..., _places(subset, value_or_none(w))]
    how = {"subset": subset, "count": count, "lower": bool(lower), "driver": driver}
    if eigvals_only:
        return general_eigvalsh_p.bind(*operands, **how)
    w, v = (scipy_eigh_p if b is None else general_eigh_p).bind(*operands, **how)
    return w, v


def _subset(
    name: str, operands: tuple[Array, ...], lower: bool, by_index: Any, by_value: Any
) -> tuple[Any, int]:
    """What SciPy takes for a subset, and the number of eigenvalues in it."""
    if by_index is not None:
        low, high = int(by_index[0]), int(by_index[1])
        return ("index", (low, high)), high - low + 1
    if by_value is None:
        return None, operands[0].shape[-1]
    known = [value_or_none(x) for x in operands]
    if any([x is None or x.ndim > 2 for x in known]):
        raise ConcretizationError(
            f"{name}: how many eigenvalues lie in an interval is not known while tracing.",
            fix="choose them by index, or mask them with np.where",
        )
    interval = (float(by_value[0]), float(by_value[1]))
    w = scipy.linalg.eigvalsh(*known, lower=lower)
    return ("value", interval), len(w[_places(("value", interval), w)])


def _places(subset: Any, w: Array) -> slice:
    """Where the eigenvalues of a subset are among all."""
    kind, (low, high) = subset
    if kind == "index":
        return slice(low, high + 1)
    inside = np.flatnonzero((w > low) & (w <= high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)


@implements(scipy.linalg.eigvalsh)
def eigvalsh(
    a: Array,
    b: Array = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
    subset_by_index: Any = None,
    subset_by_value: Any = None,
    driver: str | None = None,
) -> Array:
    """`scipy.linalg.eigvalsh` on traced values, as `eigh`."""
    return eigh(
        a,
        b,
        lower=lower,
        eigvals_only=True,
        type=type,
        check_finite=check_finite,
        subset_by_index=subset_by_index,
        subset_by_value=subset_by_value,
        driver=driver,
    )


# Symmetric tridiagonal matrices, of the diagonal d and the diagonal e beside it.


def _tridiagonal(d: Array, e: Array, *, driver: str) -> tuple[Array, Array]:
    stack = np.broadcast_shapes(d.shape[:-1], e.shape[:-1])
    n, dtype = d.shape[-1], np.result_type(d, e)
    if 0 in stack:
        return np.zeros((*stack, n), dtype), np.zeros((*stack, n, n), dtype)
    found = lanes(
        lambda d, e: scipy.linalg.eigh_tridiagonal(d, e, lapack_driver=driver), (1, 1), d, e
    )
    values, vectors = [np.array(part) for part in zip(*found, strict=True)]
    return np.reshape(values, (*stack, n)), np.reshape(vectors, (*stack, n, n))


def _by_diagonal(
    t: Array, y: tuple[Array, Array], d: Array, e: Array, **params: Any
) -> tuple[Array, Array]:
    w, v = y
    w_dot, turns = split_p.bind(np.swapaxes(v, -1, -2) @ (t[..., :, None] * v), w, kind="hermitian")
    return w_dot, v @ turns


def _by_neighbours(
    t: Array, y: tuple[Array, Array], d: Array, e: Array, **params: Any
) -> tuple[Array, Array]:
    w, v = y
    half = np.swapaxes(v[..., :-1, :], -1, -2) @ (t[..., :, None] * v[..., 1:, :])
    w_dot, turns = split_p.bind(half + np.swapaxes(half, -1, -2), w, kind="hermitian")
    return w_dot, v @ turns


def _tridiagonal_shape(
    d: ShapedArray, e: ShapedArray, **params: Any
) -> tuple[ShapedArray, ShapedArray]:
    stack = np.broadcast_shapes(d.shape[:-1], e.shape[:-1])
    n, dtype = d.shape[-1], np.result_type(d.dtype, e.dtype)
    return typed((*stack, n), dtype), typed((*stack, n, n), dtype)


eigh_tridiagonal_p: Primitive = Primitive(
    "eigh_tridiagonal",
    _tridiagonal,
    shape=_tridiagonal_shape,
    jvps=(_by_diagonal, _by_neighbours),
    batch=stacked(lambda: eigh_tridiagonal_p, 1, 1),
    multiple_results=True,
)


@implements(scipy.linalg.eigh_tridiagonal)
def eigh_tridiagonal(
    d: Array,
    e: Array,
    eigvals_only: bool = False,
    select: Any = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Any:
    """`scipy.linalg.eigh_tridiagonal` on traced values. A selection is taken from all."""
    name = "scipy.linalg.eigh_tridiagonal"
    d = checked(linalg_operand(d, name), check_finite)
    e = checked(linalg_operand(e, name), check_finite)
    if "c" in (d.dtype.kind, e.dtype.kind):
        raise TypeError(f"{name}: takes real arrays only")
    if not d.ndim or not e.ndim or d.shape[-1] != e.shape[-1] + 1:
        raise ShapeError(
            f"{name}: `d` must have one element more than `e`.",
            got=f"{aval_of(d)!r} and {aval_of(e)!r}",
        )
    if lapack_driver == "sterf":
        lapack_driver = "auto"  # it computes no vectors
    w, v = eigh_tridiagonal_p.bind(d, e, driver=lapack_driver)
    kind = {0: "a", 1: "v", 2: "i"}.get(select, str(select)[0])
    if kind != "a":
        known = value_or_none(w)
        if kind == "v" and (known is None or known.ndim > 1):
            raise ConcretizationError(
                f"{name}: how many eigenvalues lie in an interval is not known while tracing.",
                fix="select them by index, or mask them with np.where",
            )
        chosen = _places(("value" if kind == "v" else "index", select_range), known)
        w, v = w[..., chosen], v[..., chosen]
    return w if eigvals_only else (w, v)


@implements(scipy.linalg.eigvalsh_tridiagonal)
def eigvalsh_tridiagonal(
    d: Array,
    e: Array,
    select: Any = "a",
    select_range: Any = None,
    check_finite: bool = True,
    tol: float = 0.0,
    lapack_driver: str = "auto",
) -> Array:
    """`scipy.linalg.eigvalsh_tridiagonal` on traced values."""
    return eigh_tridiagonal(d, e, True, select, select_range, check_finite, tol, lapack_driver)


# Eigenvalues of general matrices.


@implements(scipy.linalg.eig)
def eig(
    a: Array,
    b: Array = None,
    left: bool = False,
    right: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Any:
    """`scipy.linalg.eig` on traced values: eigenvalues and right eigenvectors, as `np.linalg.eig`.

    The vectors are complex where values are not known while tracing.
    """
    name = "scipy.linalg.eig"
    for argument, value in (("b", b), ("left", left), ("homogeneous_eigvals", homogeneous_eigvals)):
        if value is not None and value is not False:
            raise unsupported_argument(
                name, argument, value, "use the right eigenvectors of one matrix"
            )
    a = checked(square_operand(a, name), check_finite)
    if not right:
        return eigvals_p.bind(a)
    w, v = eig_p.bind(a)
    known = value_or_none(w)
    if aval_of(a).dtype.kind != "c" and known is not None and not np.any(known.imag):
        v = np.real(v)
    return w, v


@implements(scipy.linalg.eigvals)
def eigvals(
    a: Array,
    b: Array = None,
    overwrite_a: bool = False,
    check_finite: bool = True,
    homogeneous_eigvals: bool = False,
) -> Array:
    """`scipy.linalg.eigvals` on traced values."""
    return eig(
        a, b, False, False, check_finite=check_finite, homogeneous_eigvals=homogeneous_eigvals
    )


# From the real Schur form to the complex one: 2 x 2 blocks on the diagonal are made triangular.


@implements(scipy.linalg.rsf2csf)
def rsf2csf(T: Array, Z: Array, check_finite: bool = True) -> tuple[Array, Array]:
    """`scipy.linalg.rsf2csf` on traced values, one row of the matrix after the other."""
    name = "scipy.linalg.rsf2csf"
    z = checked(square_operand(Z, name), check_finite)
    t = checked(square_operand(T, name), check_finite)
    if t.shape[-1] != z.shape[-1]:
        raise ShapeError(
            f"{name}: the matrices must have one shape.", got=f"{aval_of(t)!r} and {aval_of(z)!r}"
        )
    dtype = np.result_type(t.dtype, z.dtype, np.complex64)
    t, z = astype(t, dtype), astype(z, dtype)
    for m in range(t.shape[-1] - 1, 0, -1):
        turn, block = _to_triangular(t[..., m - 1 : m + 1, m - 1 : m + 1])
        back = adjoint(turn)
        upper = turn @ t[..., m - 1 : m + 1, m + 1 :]
        left = t[..., : m - 1, m - 1 : m + 1] @ back
        rows = [
            np.concatenate([t[..., : m - 1, : m - 1], left, t[..., : m - 1, m + 1 :]], axis=-1),
            np.concatenate([t[..., m - 1 : m + 1, : m - 1], block, upper], axis=-1),
            t[..., m + 1 :, :],
        ]
        t = np.concatenate(rows, axis=-2)
        moved = z[..., m - 1 : m + 1] @ back
        z = np.concatenate([z[..., : m - 1], moved, z[..., m + 1 :]], axis=-1)
    return t, z


def _to_triangular(block: Array) -> tuple[Array, Array]:
    """A unitary matrix that makes a 2 x 2 block triangular, and that triangle; or nothing, where it
    is one.
    """
    below = block[..., 1, 0]
    size = np.abs(block[..., 0, 0]) + np.abs(block[..., 1, 1])
    flat = np.abs(below) <= np.finfo(np.float64).eps * size
    eye = np.eye(2, dtype=block.dtype)
    lifted = np.where(flat[..., None, None], np.array([[1, 1], [-1, 1]], block.dtype), block)
    mu = eigvals_p.bind(lifted)[..., 0] - lifted[..., 1, 1]
    under = lifted[..., 1, 0]
    r = np.sqrt(np.real(mu * np.conjugate(mu)) + np.real(under * np.conjugate(under)))
    c, s = mu / r, under / r
    turn = np.stack([np.stack([np.conjugate(c), s], -1), np.stack([-s, c], -1)], -2)
    turn = np.where(flat[..., None, None], eye, turn)
    y = turn @ block @ adjoint(turn)
    return turn, np.where(np.array([[True, True], [False, True]]), y, 0)
