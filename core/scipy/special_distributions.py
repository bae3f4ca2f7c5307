"""Distribution functions, their complements and inverses.

Most are incomplete gamma or beta functions of other arguments, so their slopes by real parameters
are known too. A *law* is the tuple of these slopes, each a function of all arguments; a function
that solves for one of the arguments divides by the slope of that one. Counts that SciPy rounds down
have derivative zero; parameters that must be integers have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import gammaln, hyp0f1, ive

from ..aval import Array
from ..rules import elementwise
from ..tracing import Primitive, Slope
from .special_base import in_precision, special, ufunc_named, unknown
from .special_elementary import exprel_slope
from .special_error import ndtri_p
from .special_gamma import beta_p, psi
from .special_incomplete import (
    BETA_DTYPE,
    GAMMA_DTYPE,
    beta_density,
    betainc_by_a,
    betainc_by_ab_p,
    betainc_by_b,
    gamma_by_shape,
    gamma_density,
    in_double,
)

Law = dict[str, Callable[..., Array]]
"""The slope by each argument, as a function of all of them, in order."""


_COUNTS = ("k", "nc")
_LEAST = 1e-300
"""SciPy finds this or less where no number of `_COUNTS` is small enough; there it stays."""


def _direct(name: str, law: Law, sign: float = 1.0, **others: Slope) -> None:
    """A ufunc that computes the law, or its complement; `others` are slopes that differ."""

    def of(argument: str) -> Slope:
        slope = law[argument]
        return others.get(argument, lambda y, *args: sign * slope(*args))

    special(name, *[of(a) for a in law])


def _solver(
    name: str, arguments: str, finds: str, law: Law, sign: float = 1.0, **others: Slope
) -> None:
    """A ufunc of `arguments`, among them the value "p", that finds the argument left out."""
    names = arguments.split()

    def of(argument: str) -> Slope:
        def slope(y: Array, *args: Array) -> Array:
            at = dict(zip(names, args, strict=True)) | {finds: y}
            straight = [at[a] for a in law]
            steep = law[finds](*straight)
            found = sign / steep if argument == "p" else -law[argument](*straight) / steep
            return np.where(y > _LEAST, found, 0.0) if finds in _COUNTS else found

        return others.get(argument, slope)

    special(name, *[of(a) for a in names])


# Chi-squared, gamma and Poisson: incomplete gamma functions.

_CHI2: Law = {
    "v": lambda v, x: 0.5 * gamma_by_shape(v / 2, x / 2),
    "x": lambda v, x: 0.5 * gamma_density(v / 2, x / 2),
}
_direct("chdtr", _CHI2)
_direct("chdtrc", _CHI2, -1.0)
_solver("chdtri", "v p", "x", _CHI2, -1.0)
_solver("chdtriv", "p x", "v", _CHI2)

_GAMMA: Law = {
    "a": lambda a, b, x: x * gamma_density(b, a * x),
    "b": lambda a, b, x: gamma_by_shape(b, a * x),
    "x": lambda a, b, x: a * gamma_density(b, a * x),
}
_direct("gdtr", _GAMMA)
_direct("gdtrc", _GAMMA, -1.0)
_solver("gdtria", "p b x", "a", _GAMMA)
_solver("gdtrib", "a p x", "b", _GAMMA)
_solver("gdtrix", "a b p", "x", _GAMMA)

_POISSON: Law = {
    "k": lambda k, m: -gamma_by_shape(k + 1, m),
    "m": lambda k, m: -gamma_density(k + 1, m),
}
_COUNTED_POISSON: Law = {
    "k": lambda k, m: 0.0 * m,
    "m": lambda k, m: -gamma_density(np.floor(k) + 1.0, m),
}
_direct("pdtr", _COUNTED_POISSON, k=None)
_direct("pdtrc", _COUNTED_POISSON, -1.0, k=None)
_solver("pdtri", "k p", "m", _COUNTED_POISSON, k=unknown("pdtri", "k"))
_solver("pdtrik", "p m", "k", _POISSON)

# Beta, binomial, negative binomial, F: incomplete beta functions.

_BETA: Law = {"a": betainc_by_a, "b": betainc_by_b, "x": beta_density}
_solver("btdtria", "p b x", "a", _BETA)
_solver("btdtrib", "a p x", "b", _BETA)

_BINOMIAL: Law = {
    "k": lambda k, n, q: betainc_by_b(n - k, k + 1, 1 - q) - betainc_by_a(n - k, k + 1, 1 - q),
    "n": lambda k, n, q: betainc_by_a(n - k, k + 1, 1 - q),
    "q": lambda k, n, q: -beta_density(n - k, k + 1, 1 - q),
}


def _counted_binomial(k: Array, n: Array, q: Array) -> Array:
    k, n = np.floor(k), np.floor(n)
    inside = (k >= 0) & (k < n)
    mass = _BINOMIAL["q"](np.where(inside, k, 0.0), np.where(inside, n, 1.0), q)
    return np.where(inside, mass, 0.0)


_COUNTED_BINOMIAL: Law = {
    "k": lambda k, n, q: 0.0 * q,
    "n": lambda k, n, q: 0.0 * q,
    "q": _counted_binomial,
}
_direct("bdtr", _COUNTED_BINOMIAL, k=None, n=unknown("bdtr", "n"))
_direct("bdtrc", _COUNTED_BINOMIAL, -1.0, k=None, n=unknown("bdtrc", "n"))
_solver("bdtri", "k n p", "q", _COUNTED_BINOMIAL, k=None, n=unknown("bdtri", "n"))
_solver("bdtrik", "p n q", "k", _BINOMIAL)
_solver("bdtrin", "k p q", "n", _BINOMIAL)

_NEGATIVE_BINOMIAL: Law = {
    "k": lambda k, n, q: betainc_by_b(n, k + 1, q),
    "n": lambda k, n, q: betainc_by_a(n, k + 1, q),
    "q": lambda k, n, q: beta_density(n, k + 1, q),
}


def _integers(name: str) -> dict[str, Slope]:
    return {"k": unknown(name, "k"), "n": unknown(name, "n")}


_direct("nbdtr", _NEGATIVE_BINOMIAL, **_integers("nbdtr"))
_direct("nbdtrc", _NEGATIVE_BINOMIAL, -1.0, **_integers("nbdtrc"))
_solver("nbdtri", "k n p", "q", _NEGATIVE_BINOMIAL, **_integers("nbdtri"))
_solver("nbdtrik", "p n q", "k", _NEGATIVE_BINOMIAL)
_solver("nbdtrin", "k p q", "n", _NEGATIVE_BINOMIAL)


def _f_share(n: Array, d: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """The arguments of betainc, and its density there times d z / d(n x)."""
    total = n * x + d
    a, b, z = n / 2, d / 2, n * x / total
    return a, b, z, beta_density(a, b, z) * (d / (total * total))


def _f_by_n(n: Array, d: Array, x: Array) -> Array:
    a, b, z, mass = _f_share(n, d, x)
    return 0.5 * betainc_by_a(a, b, z) + mass * x


def _f_by_d(n: Array, d: Array, x: Array) -> Array:
    a, b, z, mass = _f_share(n, d, x)
    return 0.5 * betainc_by_b(a, b, z) - mass * (n * x / d)


_F: Law = {"n": _f_by_n, "d": _f_by_d, "x": lambda n, d, x: n * _f_share(n, d, x)[3]}
_direct("fdtr", _F)
_direct("fdtrc", _F, -1.0)
_solver("fdtri", "n d p", "x", _F)
_solver("fdtridfd", "n p x", "d", _F)

# Student's t. By symmetry from betainc(v / 2, 1 / 2, v / (v + t**2)).


def _student_density(v: Array, t: Array) -> Array:
    beta = beta_p.bind(0.5, v / 2)
    return np.exp(-0.5 * (v + 1) * np.log1p(t * t / v)) / (np.sqrt(v) * beta)


def _student_by_v_value(v: Array, t: Array) -> Array:
    square = t * t
    near = square < v
    outer = betainc_by_a(v / 2, 0.5, v / (v + square))
    inner = -betainc_by_b(0.5, v / 2, square / (v + square))
    tail = np.where(near, inner, outer)
    return -0.25 * np.sign(t) * tail - _student_density(v, t) * t / (2 * v)


def _student_density_by_v(v: Array, t: Array) -> Array:
    square = t * t
    slope = psi((v + 1) / 2) - psi(v / 2) - 1 / v - np.log1p(square / v)
    slope = slope + (v + 1) * square / (v * (v + square))
    return 0.5 * _student_density(v, t) * slope


def _student_second(y: Array, v: Array, t: Array) -> Array:
    square = t * t
    z = v / (v + square)
    bend = 0.5 * betainc_by_ab_p.bind(v / 2, 0.5, z, m=2, n=0)
    # the density of betainc times d z / d v is that of t times |t| / v
    density = _student_density(v, t)
    by_a = np.log(z) - psi(v / 2) + psi(v / 2 + 0.5)
    tail = np.sign(t) * bend + density * t / v * by_a
    return -0.25 * tail - t / (2 * v) * (_student_density_by_v(v, t) - density / v)


student_by_v_p: Primitive = elementwise(
    "stdtr_by_df",
    None,
    in_precision(_student_second),
    in_precision(lambda y, v, t: _student_density_by_v(v, t)),
    impl=in_double(GAMMA_DTYPE, _student_by_v_value),
    dtype=GAMMA_DTYPE,
)
_STUDENT: Law = {"v": student_by_v_p.bind, "x": _student_density}
_direct("stdtr", _STUDENT)
_solver("stdtridf", "p x", "v", _STUDENT)
_solver("stdtrit", "v p", "x", _STUDENT)

# Non-central chi-squared: f_v' = (f_(v-2) - f_v) / 2, and by the non-centrality
# (f_(v+2) - f_v) / 2.


def _noncentral_density(x: Array, v: Array, c: Array) -> Array:
    order = v / 2 - 1
    z = np.sqrt(x * c)
    near = ((z * z < 4 * (order + 1)) | (c == 0)) & (order > -1)
    log = order * np.log(x / 2) - gammaln(order + 1) - (x + c) / 2
    by_series = np.exp(log) * hyp0f1(order + 1, np.where(near, z * z / 4, 0.0))
    steps = np.exp(-((np.sqrt(x) - np.sqrt(c)) ** 2) / 2 + order / 2 * np.log(x / c))
    return 0.5 * np.where(near, by_series, steps * ive(order, z))


noncentral_p: Primitive = elementwise(
    "chndtr_density",
    None,
    in_precision(
        lambda y, x, v, c: 0.5 * (noncentral_p.bind(x, v - 2, c) - noncentral_p.bind(x, v, c))
    ),
    unknown("chndtr", "df"),
    in_precision(
        lambda y, x, v, c: 0.5 * (noncentral_p.bind(x, v + 2, c) - noncentral_p.bind(x, v, c))
    ),
    impl=in_double(BETA_DTYPE, _noncentral_density),
    dtype=BETA_DTYPE,
)
_NONCENTRAL: Law = {
    "x": noncentral_p.bind,
    "df": lambda x, v, c: unknown("chndtr", "df")(0.0),
    "nc": lambda x, v, c: -noncentral_p.bind(x, v + 2, c),
}
_direct("chndtr", _NONCENTRAL)
_solver("chndtrix", "p df nc", "x", _NONCENTRAL, df=unknown("chndtrix", "df"))
_solver("chndtrinc", "x df p", "nc", _NONCENTRAL, df=unknown("chndtrinc", "df"))
special("chndtridf", *[unknown("chndtridf", a) for a in ("x", "p", "nc")])

# Nobody's slopes: other non-central distributions.

for _name, _arguments in (
    ("ncfdtr", "dfn dfd nc f"),
    ("ncfdtri", "dfn dfd nc p"),
    ("ncfdtridfd", "dfn p nc f"),
    ("ncfdtridfn", "p dfd nc f"),
    ("ncfdtrinc", "dfn dfd p f"),
    ("nctdtr", "df nc t"),
    ("nctdtridf", "p nc t"),
    ("nctdtrinc", "df p t"),
    ("nctdtrit", "df nc p"),
):
    special(_name, *[unknown(_name, a) for a in _arguments.split()])

# The mean and the deviation of a normal distribution, from its quantiles.


def _quantile_slope(p: Array) -> Array:
    y = ndtri_p.bind(p)
    return math.sqrt(2 * math.pi) * np.exp(0.5 * (y * y))


special(
    "nrdtrimn",
    lambda y, p, std, x: -std * _quantile_slope(p),
    lambda y, p, std, x: -ndtri_p.bind(p),
    1.0,
)
special(
    "nrdtrisd",
    lambda y, mn, p, x: -1 / ndtri_p.bind(p),
    lambda y, mn, p, x: -y * _quantile_slope(p) / ndtri_p.bind(p),
    lambda y, mn, p, x: 1 / ndtri_p.bind(p),
)

# Tukey's lambda, whose quantiles are (p**l - (1 - p)**l) / l.


def _tukey_by_x(p: Array, x: Array, l: Array) -> Array:  # noqa: E741  # lambda
    inside = (p > 0) & (p < 1)
    q = np.where(inside, p, 0.5)
    return np.where(inside, 1 / (q ** (l - 1) + (1 - q) ** (l - 1)), 0.0)


def _tukey_by_lambda(p: Array, x: Array, l: Array) -> Array:  # noqa: E741  # lambda
    q = np.where((p > 0) & (p < 1), p, 0.5)
    u, v = np.log(q), np.log1p(-q)
    return -_tukey_by_x(p, x, l) * (u * u * exprel_slope(l * u) - v * v * exprel_slope(l * v))


special("tklmbda", _tukey_by_x, _tukey_by_lambda)

# Kolmogorov and Smirnov.


def _kolmogorov_slope(x: Array) -> Array:
    """Theta series: one for each side of 0.8."""
    right, left = x > 0.8, (x > 0.04) & (x <= 0.8)
    z = np.where(right, x, 1.0)
    far: Any = 0.0
    for k in range(1, 6):
        far = far + (-1) ** k * 8 * k * k * z * np.exp(-2 * k * k * (z * z))
    w = np.where(left, x, 1.0) ** -2.0
    near: Any = 0.0
    for k in range(1, 5):
        c = (2 * k - 1) ** 2 * math.pi**2 / 8
        near = near + math.sqrt(2 * math.pi) * np.exp(-c * w) * w * (1 - 2 * c * w)
    return np.where(right, far, np.where(left, near, 0.0))


special("kolmogorov", lambda y, x: _kolmogorov_slope(x))
special("kolmogi", lambda x, p: 1 / _kolmogorov_slope(x))
if ufunc_named("_smirnovp") is not None:
    _smirnovp = special("_smirnovp", unknown("smirnov", "n"), unknown("smirnov'", "d"))
    _SMIRNOV: Law = {"n": lambda n, d: 0.0 * d, "d": _smirnovp.bind}
    _direct("smirnov", _SMIRNOV, n=unknown("smirnov", "n"))
    _solver("smirnovi", "n p", "d", _SMIRNOV, n=unknown("smirnovi", "n"))
else:
    for _name in ("smirnov", "smirnovi"):
        special(_name, unknown(_name, "n"), unknown(_name, "d"))
