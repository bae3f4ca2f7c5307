"""The functions of scipy.special that are no ufuncs: logsumexp, softmax, comb, polygamma, ...

SciPy turns their arguments into plain arrays, so that they work on traced values only through
`wengert.scipy.special`. SciPy computes the values, but for `logsumexp` of real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.special

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements, refuse_out, unsupported_argument
from ..errors import ShapeError
from ..primitives.elementwise import as_array, astype, real_dtype
from ..primitives.reductions import axes_of
from ..rules import elementwise, expand_reduced, reducer
from ..tracing import Primitive
from .special_base import in_precision, unknown
from .special_bessel import (
    derivatives,
    jv_p,
    spherical_in_p,
    spherical_jn_p,
    spherical_kn_p,
    spherical_yn_p,
)
from .special_elementary import lambertw_p
from .special_gamma import (
    binom_p,
    gamma_p,
    gammaln_p,
    poch_p,
    polygamma_p,
    psi,
    riemann_zeta_p,
    zeta_p,
)
from .special_polynomials import gegenbauer_p, legendre_p_p, sph_harm_y_p

# logsumexp, softmax, log_softmax.


def _floats(x: Any, operation: str) -> Array:
    x = as_array(x, f"scipy.special.{operation}")
    return x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64)


def _log_of_sum(a: Array, *, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    """`scipy.special.logsumexp` with its precision, in fewer passes over real numbers."""
    if a.dtype.kind == "c" or not a.size or not axes:
        return scipy.special.logsumexp(a, axis=axes, keepdims=keepdims)
    with np.errstate(all="ignore"):  # of infinities, as in SciPy
        top = a.max(axes, keepdims=True)
        if not np.isfinite(top).all():
            top = np.where(np.isfinite(top), top, top.dtype.type(0))
        shifted = a - top
        terms = np.exp(shifted, out=shifted)
        total = terms.sum(axes, keepdims=True)
        y = np.log(total)
        y += top
        near = (total < 1.5) & (abs(y) < 0.5)  # one term is 1 and the log small: digits get lost
        if near.any():
            terms -= a == top
            y = np.where(near, np.log1p(terms.sum(axes, keepdims=True)) + top, y)
    return y if keepdims else y.squeeze(axes)[()]


def _share(a: Array, y: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    y = expand_reduced(y, a, axes, keepdims)
    infinite = np.isinf(y)
    with np.errstate(invalid="ignore"):  # of inf - inf
        found = np.asarray(a - y)
    np.exp(found, out=found)
    if infinite.any():
        found = np.where(infinite, a == y, found)
    found /= found.sum(axes, keepdims=True)  # 1, but for the rounding of y
    return found


def _share_by_y(
    t: Array, share: Array, a: Array, y: Array, *, axes: tuple[int, ...], keepdims: bool
) -> Array:
    return -(expand_reduced(t, a, axes, keepdims) * share)


def _share_batch(size: int, batched: Sequence[bool], a: Array, y: Array, **params: Any) -> Array:
    params["axes"] = tuple([i + 1 for i in params["axes"]])
    a = a if batched[0] else np.broadcast_to(a, (size, *a.shape))
    return share_p.bind(a, y if batched[1] else y[None], **params)


share_p: Primitive = Primitive(
    "logsumexp_share",
    _share,
    shape=lambda a, y, **_: ShapedArray(a.shape, a.dtype),
    jvps=(lambda t, share, a, y, **_: t * share, _share_by_y),
    batch=_share_batch,
)
"""exp(a - y), the derivative of y = logsumexp(a); infinite elements share the whole equally."""


def _logsumexp_jvp(
    t: Array, y: Array, a: Array, *, axes: tuple[int, ...], keepdims: bool = False
) -> Array:
    share = share_p.bind(a, y, axes=axes, keepdims=keepdims)
    return np.sum(t * share, axis=axes, keepdims=keepdims)


_LARGEST = 80.0
"""An exponent with which exp does not overflow in any precision."""

logsumexp_p: Primitive = reducer("logsumexp", _log_of_sum, _logsumexp_jvp)


def _weighted(a: Array, b: Array, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    return scipy.special.logsumexp(a, axes, b, keepdims, True)


def _weighted_shape(
    a: ShapedArray, b: ShapedArray, *, axes: tuple[int, ...], keepdims: bool
) -> tuple[ShapedArray, ShapedArray]:
    full = np.broadcast_shapes(a.shape, b.shape)
    kept = [1 if i in axes else d for i, d in enumerate(full) if keepdims or i not in axes]
    dtype = np.result_type(a.dtype, b.dtype)
    return ShapedArray(tuple(kept), real_dtype(dtype)), ShapedArray(tuple(kept), dtype)


def _weighted_batch(size: int, batched: Sequence[bool], a: Array, b: Array, **params: Any) -> Any:
    params["axes"] = tuple([i + 1 for i in params["axes"]])
    return weighted_p.bind(a if batched[0] else a[None], b if batched[1] else b[None], **params)


def _weighted_change(part: Array, y: tuple[Array, Array], axes: Any, keepdims: bool) -> Any:
    """The tangents of (log|s|, s/|s|) from the terms that s/|s| times |s| changes by."""
    relative = np.sum(part, axis=axes, keepdims=keepdims) * np.conjugate(y[1])
    if aval_of(y[1]).dtype.kind == "c":
        return np.real(relative), y[1] * (1j * np.imag(relative))
    return relative, None


def _weighted_by_a(
    t: Array, y: Any, a: Array, b: Array, *, axes: tuple[int, ...], keepdims: bool
) -> Any:
    log = expand_reduced(y[0], a, axes, keepdims)
    # A weight of 0 leaves its element out, however large that is.
    left_out = (b == 0) & ~(np.real(a) - log <= _LARGEST)
    part = t * (b * np.exp(np.where(left_out, -np.inf, a) - log))
    return _weighted_change(part, y, axes, keepdims)


def _weighted_by_b(
    t: Array, y: Any, a: Array, b: Array, *, axes: tuple[int, ...], keepdims: bool
) -> Any:
    log = expand_reduced(y[0], a, axes, keepdims)
    return _weighted_change(t * np.exp(a - log), y, axes, keepdims)


weighted_p: Primitive = Primitive(
    "logsumexp_weighted",
    _weighted,
    shape=_weighted_shape,
    jvps=(_weighted_by_a, _weighted_by_b),
    batch=_weighted_batch,
    multiple_results=True,
)


@implements(scipy.special.logsumexp)
def logsumexp(
    a: Array, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """`scipy.special.logsumexp` on traced values."""
    a = _floats(a, "logsumexp")
    if not a.ndim:
        a = np.reshape(a, (1,))  # as SciPy does
    keepdims = bool(keepdims)
    if b is None and not return_sign:
        extra = {"keepdims": True} if keepdims else {}
        return logsumexp_p.bind(a, axes=axes_of(axis, a.ndim), **extra)
    b = _floats(1.0 if b is None else b, "logsumexp")
    dtype = np.result_type(aval_of(a).dtype, aval_of(b).dtype)
    full = np.broadcast_shapes(a.shape, b.shape)
    a, b = np.broadcast_to(a, full), np.broadcast_to(b, full)
    log, sign = weighted_p.bind(a, b, axes=axes_of(axis, len(full)), keepdims=keepdims)
    if return_sign:
        return log, sign
    if dtype.kind == "c":
        return log + 1j * np.angle(sign)
    return np.where(sign < 0, np.nan, log)[()]


def _softmax_rule(name: str, jvp: Any) -> Primitive:
    function = getattr(scipy.special, name)

    def batch(size: int, batched: Sequence[bool], x: Array, *, axes: tuple[int, ...]) -> Array:
        return primitive.bind(x, axes=tuple([i + 1 for i in axes]))

    primitive = Primitive(
        name,
        lambda x, *, axes: function(x, axis=axes),
        shape=lambda x, *, axes: x,
        jvps=(jvp,),
        batch=batch,
    )
    return primitive


softmax_p: Primitive = _softmax_rule(
    "softmax",
    lambda t, y, x, *, axes: y * (t - np.sum(y * t, axis=axes, keepdims=True)),
)
log_softmax_p: Primitive = _softmax_rule(
    "log_softmax",
    lambda t, y, x, *, axes: t - np.sum(np.exp(y) * t, axis=axes, keepdims=True),
)


@implements(scipy.special.softmax)
def softmax(x: Array, axis: Any = None) -> Array:
    """`scipy.special.softmax` on traced values."""
    x = _floats(x, "softmax")
    return softmax_p.bind(x, axes=axes_of(axis, x.ndim))


@implements(scipy.special.log_softmax)
def log_softmax(x: Array, axis: Any = None) -> Array:
    """`scipy.special.log_softmax` on traced values."""
    x = _floats(x, "log_softmax")
    return log_softmax_p.bind(x, axes=axes_of(axis, x.ndim))


# The gamma family.


@implements(scipy.special.polygamma)
def polygamma(n: Array, x: Array) -> Array:
    """`scipy.special.polygamma` on traced values; by the order `n` there is no derivative."""
    return polygamma_p.bind(as_array(n, "scipy.special.polygamma"), _floats(x, "polygamma"))


@implements(scipy.special.zeta)
def zeta(x: Array, q: Any = None, out: None = None) -> Array:
    """`scipy.special.zeta` on traced values, differentiated by `q`."""
    if out is not None:
        refuse_out("scipy.special.zeta")
    x = as_array(x, "scipy.special.zeta")
    if q is None:
        return riemann_zeta_p.bind(x)
    return zeta_p.bind(x, as_array(q, "scipy.special.zeta"))


@implements(scipy.special.multigammaln)
def multigammaln(a: Array, d: Any) -> Array:
    """`scipy.special.multigammaln` on traced values; NaN outside its domain, where SciPy raises."""
    a = _floats(a, "multigammaln")
    if np.ndim(d) or np.floor(d) != d:
        raise ValueError(f"scipy.special.multigammaln: d must be a positive integer; got {d!r}")
    y: Array = 0.0
    for j in range(1, int(d) + 1):
        y = y + gammaln_p.bind(a - (j - 1.0) / 2)
    y = y + np.float64(d * (d - 1) * 0.25 * math.log(math.pi))  # as SciPy's, it widens float32
    return np.where(a > 0.5 * (d - 1), y, np.nan)[()]


def _factorial_slope(y: Array, n: Array) -> Array:
    natural = np.where(n < 0, 0.0, n) + 1
    return np.where(n < 0, 0.0, gamma_p.bind(natural) * psi(natural))


def _factorial(n: Array) -> Array:
    # SciPy's dtype is another for scalars.
    return np.asarray(scipy.special.factorial(n if np.ndim(n) else n[()]))[()]


factorial_p: Primitive = elementwise(
    "factorial",
    None,
    in_precision(_factorial_slope),
    impl=_factorial,
    dtype=lambda n: _factorial(np.full((1,) * n.ndim, 3, n.dtype)).dtype,
)


def _refuse_exact(function: str) -> None:
    raise unsupported_argument(
        f"scipy.special.{function}", "exact", True, "leave it out: floats are differentiated"
    )


@implements(scipy.special.factorial)
def factorial(n: Array, exact: bool = False, extend: str = "zero") -> Array:
    """`scipy.special.factorial` on traced values."""
    if exact:
        _refuse_exact("factorial")
    n = as_array(n, "scipy.special.factorial")
    if extend == "complex":
        return gamma_p.bind(n + 1)
    if extend != "zero":
        raise ValueError(
            f"scipy.special.factorial: extend must be 'zero' or 'complex'; got {extend!r}"
        )
    return factorial_p.bind(n)


def _counted(name: str, n: Any, k: Any, exact: bool) -> tuple[Array, Array, Array]:
    """The operands of comb and perm, and where the result is not 0."""
    if exact:
        _refuse_exact(name)
    n, k = as_array(n, f"scipy.special.{name}"), as_array(k, f"scipy.special.{name}")
    return n, k, (k <= n) & (n >= 0) & (k >= 0)


@implements(scipy.special.comb)
def comb(N: Array, k: Array, *, exact: bool = False, repetition: bool = False) -> Array:
    """`scipy.special.comb` on traced values."""
    if repetition:
        n, k, _ = _counted("comb", N, k, exact)
        chosen = comb(n + k - 1, k)
        return np.where((k == 0) & (n >= 0), 1.0, chosen)[()]
    n, k, counts = _counted("comb", N, k, exact)
    return np.where(counts, binom_p.bind(n, k), 0.0)[()]


@implements(scipy.special.perm)
def perm(N: Array, k: Array, exact: bool = False) -> Array:
    """`scipy.special.perm` on traced values."""
    n, k, counts = _counted("perm", N, k, exact)
    return np.where(counts, poch_p.bind(n - k + 1, k), 0.0)[()]


# Lambert's W, Bessel functions, harmonics, Dirichlet's kernel.


@implements(scipy.special.lambertw)
def lambertw(z: Array, k: Any = 0, tol: float = 1e-8) -> Array:
    """`scipy.special.lambertw` on traced values."""
    return lambertw_p.bind(as_array(z, "scipy.special.lambertw"), np.asarray(k, np.int_), tol)


def _spherical(name: str, primitive: Primitive) -> Any:
    scipys = getattr(scipy.special, name)

    @implements(scipys)
    def function(n: Array, z: Array, derivative: bool = False) -> Array:
        chosen = derivatives[name] if derivative else primitive
        return chosen.bind(as_array(n, f"scipy.special.{name}"), _floats(z, name))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`scipy.special.{name}` on traced values."
    return function


spherical_jn = _spherical("spherical_jn", spherical_jn_p)
spherical_yn = _spherical("spherical_yn", spherical_yn_p)
spherical_in = _spherical("spherical_in", spherical_in_p)
spherical_kn = _spherical("spherical_kn", spherical_kn_p)


def bessel_jn(z: Array, *, v: int) -> Array:
    """The Bessel functions of the first kind of all orders from 0 to `v`.

    JAX has a function of this name; SciPy has not.

    Args:
        z: real or complex numbers.
        v: the highest order.

    Returns:
        An array whose first axis, of length v + 1, is the order; the others are those of `z`.

    Raises:
        ShapeError: if `v` is no non-negative int.

    Example:
        >>> from wengert.scipy.special import bessel_jn
        >>> bessel_jn(0.0, v=2)
        array([1., 0., 0.])
    """
    if not isinstance(v, int | np.integer) or v < 0:
        raise ShapeError("bessel_jn: v must be a non-negative int.", got=repr(v))
    z = _floats(z, "bessel_jn")
    orders = np.arange(v + 1, dtype=real_dtype(aval_of(z).dtype))
    return jv_p.bind(np.reshape(orders, (v + 1,) + (1,) * z.ndim), z)


def _diric_slope(y: Array, x: Array, n: Array) -> Array:
    # sin(n u) / sin(u) is Chebyshev's polynomial of degree n - 1 in cos(u).
    u = x / 2
    count = np.where(n < 2, 2, n)
    steep = gegenbauer_p.bind(count - 2, 2.0, np.cos(u)) / count
    return np.where(n < 2, 0.0, -np.sin(u) * steep)


diric_p: Primitive = elementwise(
    "diric",
    None,
    in_precision(_diric_slope),
    unknown("diric", "n"),
    impl=lambda x, n: scipy.special.diric(x, n)[()],
    dtype=lambda x, n: scipy.special.diric(np.ones((), x.dtype), np.ones((), n.dtype)).dtype,
)


@implements(scipy.special.diric)
def diric(x: Array, n: Array) -> Array:
    """`scipy.special.diric` on traced values."""
    return diric_p.bind(as_array(x, "scipy.special.diric"), as_array(n, "scipy.special.diric"))


if hasattr(scipy.special, "softplus"):

    @implements(scipy.special.softplus)
    def softplus(x: Array, **kwargs: Any) -> Array:
        """`scipy.special.softplus` on traced values."""
        return np.logaddexp(0, as_array(x, "scipy.special.softplus"), **kwargs)


if hasattr(scipy.special, "sph_harm_y"):

    @implements(scipy.special.sph_harm_y)
    def sph_harm_y(n: Array, m: Array, theta: Array, phi: Array, *, diff_n: int = 0) -> Array:
        """`scipy.special.sph_harm_y` on traced values."""
        if diff_n:
            raise unsupported_argument(
                "scipy.special.sph_harm_y", "diff_n", diff_n, "take derivatives with wengert"
            )
        name = "scipy.special.sph_harm_y"
        return sph_harm_y_p.bind(*[as_array(x, name) for x in (n, m, theta, phi)])

    @implements(scipy.special.legendre_p)
    def legendre_p(n: Array, z: Array, *, diff_n: int = 0) -> Array:
        """`scipy.special.legendre_p` on traced values."""
        n, z = as_array(n, "scipy.special.legendre_p"), _floats(z, "legendre_p")
        found = [legendre_p_p.bind(n, z)]
        scale = 1.0
        for k in range(1, diff_n + 1):
            scale *= 2 * k - 1
            part = gegenbauer_p.bind(np.where(n < k, 0, n - k), k + 0.5, z)
            found.append(scale * np.where(n < k, 0.0, part))
        return np.stack(found)
