"""Distribution functions, their complements and inverses.

By the argument the slope is a density. Most of the rest are incomplete gamma or beta functions of
other arguments, so their slopes by real parameters are known; an inverse divides by the slope of
what it inverts. Counts that SciPy rounds down have derivative zero; parameters that must be
integers have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..aval import Array
from ..rules import elementwise
from .special_base import in_precision, special, ufunc_named, unknown
from .special_bessel import ive_p
from .special_hyper import hyp0f1_p
from .special_incomplete import (
    beta_density,
    betainc_by_a,
    betainc_by_b,
    betaincc_p,
    gamma_by_shape,
    gamma_density,
)

Slopes = Callable[..., tuple[Any, ...]]

# Chi-squared, gamma and Poisson: incomplete gamma functions.


def _poisson_mass(k: Array, m: Array) -> Array:
    """m**k exp(-m) / k! for the whole part of k."""
    return gamma_density(np.floor(k) + 1.0, m)


special(
    "chdtr",
    lambda y, v, x: 0.5 * gamma_by_shape(v / 2, x / 2),
    lambda y, v, x: 0.5 * gamma_density(v / 2, x / 2),
)
special(
    "chdtrc",
    lambda y, v, x: -0.5 * gamma_by_shape(v / 2, x / 2),
    lambda y, v, x: -0.5 * gamma_density(v / 2, x / 2),
)
special(
    "chdtri",
    lambda x, v, p: -gamma_by_shape(v / 2, x / 2) / gamma_density(v / 2, x / 2),
    lambda x, v, p: -2 / gamma_density(v / 2, x / 2),
)
special(
    "chdtriv",
    lambda v, p, x: 2 / gamma_by_shape(v / 2, x / 2),
    lambda v, p, x: -gamma_density(v / 2, x / 2) / gamma_by_shape(v / 2, x / 2),
)
special(
    "gdtr",
    lambda y, a, b, x: x * gamma_density(b, a * x),
    lambda y, a, b, x: gamma_by_shape(b, a * x),
    lambda y, a, b, x: a * gamma_density(b, a * x),
)
special(
    "gdtrc",
    lambda y, a, b, x: -x * gamma_density(b, a * x),
    lambda y, a, b, x: -gamma_by_shape(b, a * x),
    lambda y, a, b, x: -a * gamma_density(b, a * x),
)
special(
    "gdtria",
    lambda a, p, b, x: 1 / (x * gamma_density(b, a * x)),
    lambda a, p, b, x: -gamma_by_shape(b, a * x) / (x * gamma_density(b, a * x)),
    lambda a, p, b, x: -a / x,
)
special(
    "gdtrib",
    lambda b, a, p, x: -x * gamma_density(b, a * x) / gamma_by_shape(b, a * x),
    lambda b, a, p, x: 1 / gamma_by_shape(b, a * x),
    lambda b, a, p, x: -a * gamma_density(b, a * x) / gamma_by_shape(b, a * x),
)
special(
    "gdtrix",
    lambda x, a, b, p: -x / a,
    lambda x, a, b, p: -gamma_by_shape(b, a * x) / (a * gamma_density(b, a * x)),
    lambda x, a, b, p: 1 / (a * gamma_density(b, a * x)),
)
special("pdtr", None, lambda y, k, m: -_poisson_mass(k, m))
special("pdtrc", None, lambda y, k, m: _poisson_mass(k, m))
special("pdtri", None, lambda m, k, p: -1 / _poisson_mass(k, m))
special(
    "pdtrik",
    lambda k, p, m: -1 / gamma_by_shape(k + 1, m),
    lambda k, p, m: -gamma_density(k + 1, m) / gamma_by_shape(k + 1, m),
)

# F, Student's t, binomial and negative binomial: incomplete beta functions.


def _f_slopes(n: Array, d: Array, x: Array) -> tuple[Array, Array, Array]:
    """The derivatives of betainc(n / 2, d / 2, n x / (n x + d))."""
    total = n * x + d
    a, b, z = n / 2, d / 2, n * x / total
    # the density times z (1 - z), which has no pole
    mass = beta_density(a, b, z) * (d / (total * total))
    by_n = 0.5 * betainc_by_a(a, b, z) + mass * x
    by_d = 0.5 * betainc_by_b(a, b, z) - mass * x * n / d
    return by_n, by_d, mass * n


def _f_slope(i: int, sign: float) -> Any:
    return lambda y, n, d, x: sign * _f_slopes(n, d, x)[i]


special("fdtr", *[_f_slope(i, 1.0) for i in range(3)])
special("fdtrc", *[_f_slope(i, -1.0) for i in range(3)])


def _inverse(solve_for: int, slopes: Slopes) -> list[Any]:
    """The slopes of the inverse of f, whose slopes `slopes(*arguments)` are known, by each
    argument: those of f, with the value of f in the place of the one solved for.
    """

    def of(i: int) -> Any:
        def slope(y: Array, *args: Array) -> Array:
            found = slopes(*args[:solve_for], y, *args[solve_for + 1 :])
            if i == solve_for:
                return 1 / found[solve_for]
            return -found[i] / found[solve_for]

        return slope

    return [of(i) for i in range(3)]


special("fdtri", *_inverse(2, _f_slopes))
_by_n, _by_p, _by_x = (1, 0, 2), (1, 0, 2), (0, 1, 2)


def _reorder(order: tuple[int, ...], slopes: list[Any]) -> list[Any]:
    """Slopes for a ufunc that takes operand `order[k]` at k-th place."""

    def of(k: int) -> Any:
        def slope(y: Array, *args: Array) -> Array:
            straight: list[Any] = [None] * len(args)
            for place, a in zip(order, args, strict=True):
                straight[place] = a
            return slopes[order[k]](y, *straight)

        return slope

    return [of(k) for k in range(len(order))]


# fdtridfd(dfn, p, x) finds dfd
special("fdtridfd", *_inverse(1, _f_slopes))


def _student_slopes(df: Array, t: Array) -> tuple[Array, Array]:
    """By symmetry from 1 - betainc(df / 2, 1 / 2, df / (df + t**2)) / 2."""
    square = t * t
    z = df / (df + square)
    a = df / 2
    half = 0.0 * df + 0.5
    far = np.abs(t) > 0
    z1 = np.where(far, z, 0.5)
    density = np.exp(-0.5 * (df + 1) * np.log1p(square / df)) / (
        np.sqrt(df) * beta_p.bind(half, a)
    )
    inner = betainc_by_a(a, half, z1) / 2
    by_df = -0.5 * np.sign(t) * inner - density * t / (2 * df)
    return np.where(far, by_df, 0.0), density
