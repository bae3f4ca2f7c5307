"""Functions of matrices in `scipy.linalg`, on traced values: expm, logm, sqrtm, and those made of
them.

The derivative of a function of matrices in a direction t is the upper right block of the function
of [[a, t], [0, a]]; so all derivatives are exact. Stacks of matrices are taken everywhere; one
after the other where SciPy takes one matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
import scipy.linalg

from ..aval import Array, aval_of
from ..dispatch import implements, unsupported_argument
from ..errors import DtypeError
from ..primitives.elementwise import astype
from ..primitives.matrices import epsilon, mT, square_operand, stacked, typed, value_or_none
from ..tracing import Primitive, Rule
from .linalg_solve import checked, each, sylvester_p


def _block(a: Array, t: Array) -> Array:
    """[[a, t], [0, a]]."""
    zeros = np.zeros(a.shape, a.dtype)
    top = np.concatenate([a, t], axis=-1)
    return np.concatenate([top, np.concatenate([zeros, a], axis=-1)], axis=-2)


def _twice(t: Array) -> Array:
    """[[t, 0], [0, t]]."""
    zeros = np.zeros(t.shape, t.dtype)
    top = np.concatenate([t, zeros], axis=-1)
    return np.concatenate([top, np.concatenate([zeros, t], axis=-1)], axis=-2)


def _corner(x: Array) -> Array:
    """The upper right block."""
    n = x.shape[-1] // 2
    return x[..., :n, n:]


def _function(
    name: str, f: Callable[[Array], Array], derivative: Any, jvp: Rule | None = None
) -> tuple[Primitive, Primitive]:
    """A function of matrices and its derivative in a direction, `derivative(a, t)`."""

    def by_matrix(s: Array, y: Array, a: Array, t: Array) -> Array:
        return _corner(frechet_p.bind(_block(a, t), _twice(s)))

    frechet_p: Primitive = Primitive(
        f"{name}_frechet",
        derivative,
        shape=lambda a, t: typed(a.shape, np.result_type(a.dtype, t.dtype)),
        jvps=(by_matrix, lambda s, y, a, t: frechet_p.bind(a, s)),
        transposes=(None, lambda ct, a, t: frechet_p.bind(mT(a), ct)),
        linear="separately",
        linear_args=(1,),
        batch=stacked(lambda: frechet_p, 2, 2),
    )
    primitive: Primitive = Primitive(
        name,
        f,
        shape=lambda a: a,
        jvps=(jvp or (lambda t, y, a: frechet_p.bind(a, t)),),
        batch=stacked(lambda: primitive),
    )
    return primitive, frechet_p


# expm.


_SMALL = 16
"""Up to here the block matrices of a stack, which SciPy takes at once, cost less than its algorithm
for one derivative after the other."""


def _expm_derivative(a: Array, t: Array) -> Array:
    dtype = np.result_type(a, t)
    if a.shape[-1] > (1 if a.ndim == 2 else _SMALL):
        y = each(
            lambda a, t: scipy.linalg.expm_frechet(a, t, compute_expm=False, check_finite=False),
            (2, 2),
            a,
            t,
        )
    else:
        y = _corner(scipy.linalg.expm(_block(a, t)))
    return y.astype(dtype, copy=False)


expm_p, expm_frechet_p = _function("expm", scipy.linalg.expm, _expm_derivative)


@implements(scipy.linalg.expm)
def expm(A: Array) -> Array:
    """`scipy.linalg.expm` on traced values."""
    return expm_p.bind(square_operand(A, "scipy.linalg.expm"))


@implements(scipy.linalg.expm_frechet)
def expm_frechet(
    A: Array,
    E: Array,
    method: str | None = None,
    compute_expm: bool = True,
    check_finite: bool = True,
) -> Any:
    """`scipy.linalg.expm_frechet` on traced values, by either method."""
    name = "scipy.linalg.expm_frechet"
    a, e = square_operand(A, name), square_operand(E, name)
    if method not in (None, "SPS", "blockEnlarge"):
        raise ValueError(f"{name}: unknown method {method!r}")
    dtype = np.result_type(a.dtype, e.dtype)
    a, e = astype(checked(a, check_finite), dtype), astype(checked(e, check_finite), dtype)
    by_blocks = method == "blockEnlarge"
    y = _corner(expm_p.bind(_block(a, e))) if by_blocks else expm_frechet_p.bind(a, e)
    return (expm_p.bind(a), y) if compute_expm else y


def _euler(a: Array) -> tuple[Array, Array]:
    """The cosine and the sine."""
    if aval_of(a).dtype.kind == "c":
        plus, minus = expm_p.bind(1j * a), expm_p.bind(-1j * a)
        return 0.5 * (plus + minus), -0.5j * (plus - minus)
    y = expm_p.bind(1j * a)
    return np.real(y), np.imag(y)


@implements(scipy.linalg.cosm)
def cosm(A: Array) -> Array:
    """`scipy.linalg.cosm` on traced values."""
    return _euler(square_operand(A, "scipy.linalg.cosm"))[0]


@implements(scipy.linalg.sinm)
def sinm(A: Array) -> Array:
    """`scipy.linalg.sinm` on traced values."""
    return _euler(square_operand(A, "scipy.linalg.sinm"))[1]


@implements(scipy.linalg.tanm)
def tanm(A: Array) -> Array:
    """`scipy.linalg.tanm` on traced values."""
    cosine, sine = _euler(square_operand(A, "scipy.linalg.tanm"))
    return np.linalg.solve(cosine, sine)


@implements(scipy.linalg.coshm)
def coshm(A: Array) -> Array:
    """`scipy.linalg.coshm` on traced values."""
    a = square_operand(A, "scipy.linalg.coshm")
    return 0.5 * (expm_p.bind(a) + expm_p.bind(-a))


@implements(scipy.linalg.sinhm)
def sinhm(A: Array) -> Array:
    """`scipy.linalg.sinhm` on traced values."""
    a = square_operand(A, "scipy.linalg.sinhm")
    return 0.5 * (expm_p.bind(a) - expm_p.bind(-a))


@implements(scipy.linalg.tanhm)
def tanhm(A: Array) -> Array:
    """`scipy.linalg.tanhm` on traced values."""
    return np.linalg.solve(coshm(A), sinhm(A))


# logm and sqrtm. Of real matrices they may be complex, which only the values tell.


def _as_typed(name: str, a: Array, found: Array) -> Array:
    if np.iscomplexobj(found) and not np.iscomplexobj(a):
        rounding = epsilon(a) ** 0.5 * np.max(np.abs(found), initial=0.0)
        if np.all(np.abs(found.imag) <= rounding):
            return found.real.astype(a.dtype)
        raise DtypeError(
            f"scipy.linalg.{name}: a real matrix has a complex result, which vmap and make_program "
            "can't foresee.",
            fix="pass a complex matrix: a.astype(complex)",
        )
    return found.astype(a.dtype, copy=False)


_TAKES_STACKS = tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 17)


def _of_each(name: str) -> Callable[[Array], Array]:
    f = getattr(scipy.linalg, name)

    def of_each(a: Array) -> Array:
        if 0 in a.shape:
            return np.zeros(a.shape, a.dtype)
        if _TAKES_STACKS:
            return _as_typed(name, a, f(a))
        # Old versions refuse matrices that are read-only, too, as those of a batch may be.
        return _as_typed(name, a, each(lambda m: f(m.copy()), (2,), a))

    return of_each


def _domain(name: str, A: Any, disp: Any) -> Array:
    """The operand; complex if the result is."""
    if disp is not _NOT_GIVEN and not disp:
        raise unsupported_argument(f"scipy.linalg.{name}", "disp", disp, "leave it out")
    a = square_operand(A, f"scipy.linalg.{name}")
    known = value_or_none(a)
    if known is not None and known.dtype.kind != "c" and known.size:
        w = np.linalg.eigvals(known)
        if np.any((w.imag == 0) & (w.real < 0)):
            return astype(a, np.result_type(known, np.complex64))
    return a


_NOT_GIVEN = object()
sqrtm_p: Primitive = Primitive(
    "sqrtm",
    _of_each("sqrtm"),
    shape=lambda a: a,
    jvps=(lambda t, y, a: sylvester_p.bind(y, y, t),),
    batch=stacked(lambda: sqrtm_p),
)


def _alike(a: Array, t: Array) -> tuple[Array, Array]:
    dtype = np.result_type(a, t)
    return a.astype(dtype, copy=False), t.astype(dtype, copy=False)


def _logm_jvp(t: Array, y: Array, a: Array) -> Array:
    # log(a) = 2 log(root), whose eigenvalues are away from the negative numbers, where rounding
    # would take those of a block matrix to different branches.
    root = sqrtm_p.bind(a)
    return 2.0 * logm_frechet_p.bind(root, sylvester_p.bind(root, root, t))


_logm = _of_each("logm")
logm_p, logm_frechet_p = _function(
    "logm", _logm, lambda a, t: _corner(_logm(_block(*_alike(a, t)))), _logm_jvp
)


@implements(scipy.linalg.logm)
def logm(A: Array, disp: Any = _NOT_GIVEN) -> Array:
    """`scipy.linalg.logm` on traced values.

    In double precision, as SciPy's. Of a real matrix with negative eigenvalues it is complex. In
    vmap and make_program, where values are not known, such a matrix must be given as a complex one.
    """
    a = _domain("logm", A, disp)
    return logm_p.bind(astype(a, np.result_type(a.dtype, np.float64)))


@implements(scipy.linalg.sqrtm)
def sqrtm(A: Array, disp: Any = _NOT_GIVEN, blocksize: Any = _NOT_GIVEN) -> Array:
    """`scipy.linalg.sqrtm` on traced values; complex as `logm`. At a singular matrix there is no
    derivative.
    """
    return sqrtm_p.bind(_domain("sqrtm", A, disp))
