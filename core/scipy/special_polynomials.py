"""Orthogonal polynomials, Legendre functions and spherical harmonics, differentiated by the
argument.

The derivative of a polynomial is one of degree n - 1 of a neighbouring family. Degrees and orders
have no derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..aval import Array
from ..tracing import Primitive
from .special_base import special, unknown


def _lower(n: Array, below: Any) -> Array:
    """`below(n - 1)`, and 0 for n = 0."""
    constant = n == 0
    return np.where(constant, 0.0, below(np.where(constant, n, n - 1)))


def _polynomial(name: str, slope: Any, *parameters: str) -> Primitive:
    """A family of polynomials `name(n, *parameters, x)`; `slope(n, *parameters, x)`."""
    return special(
        name,
        *[unknown(name, p) for p in ("n", *parameters)],
        lambda y, *args: slope(*args),
    )


_gegenbauer_p = _polynomial(
    "eval_gegenbauer",
    lambda n, a, x: 2 * a * _lower(n, lambda k: _gegenbauer_p.bind(k, a + 1, x)),
    "alpha",
)
_jacobi_p = _polynomial(
    "eval_jacobi",
    lambda n, a, b, x: (
        (n + a + b + 1) * _lower(n, lambda k: _jacobi_p.bind(k, a + 1, b + 1, x)) / 2
    ),
    "alpha",
    "beta",
)
_sh_jacobi_p = _polynomial(
    "eval_sh_jacobi",
    lambda n, p, q, x: n * _lower(n, lambda k: _sh_jacobi_p.bind(k, p + 2, q + 1, x)),
    "p",
    "q",
)
_genlaguerre_p = _polynomial(
    "eval_genlaguerre",
    lambda n, a, x: -_lower(n, lambda k: _genlaguerre_p.bind(k, a + 1, x)),
    "alpha",
)
_polynomial(
    "eval_laguerre", lambda n, x: -_lower(n, lambda k: _genlaguerre_p.bind(k, 1.0, x))
)
_legendre_p = _polynomial(
    "eval_legendre", lambda n, x: _lower(n, lambda k: _gegenbauer_p.bind(k, 1.5, x))
)
_polynomial(
    "eval_sh_legendre",
    lambda n, x: 2 * _lower(n, lambda k: _gegenbauer_p.bind(k, 1.5, 2 * x - 1)),
)
_chebyu_p = _polynomial(
    "eval_chebyu", lambda n, x: 2 * _lower(n, lambda k: _gegenbauer_p.bind(k, 2.0, x))
)
_polynomial("eval_chebyt", lambda n, x: n * _lower(n, lambda k: _chebyu_p.bind(k, x)))
_chebys_p = _polynomial(
    "eval_chebys", lambda n, x: _lower(n, lambda k: _gegenbauer_p.bind(k, 2.0, x / 2))
)
_polynomial("eval_chebyc", lambda n, x: n * _lower(n, lambda k: _chebys_p.bind(k, x)))
_sh_chebyu_p = _polynomial(
    "eval_sh_chebyu",
    lambda n, x: 4 * _lower(n, lambda k: _gegenbauer_p.bind(k, 2.0, 2 * x - 1)),
)
_polynomial("eval_sh_chebyt", lambda n, x: 2 * n * _lower(n, lambda k: _sh_chebyu_p.bind(k, x)))
_hermite_p = _polynomial(
    "eval_hermite", lambda n, x: 2 * n * _lower(n, lambda k: _hermite_p.bind(k, x))
)
_hermitenorm_p = _polynomial(
    "eval_hermitenorm", lambda n, x: n * _lower(n, lambda k: _hermitenorm_p.bind(k, x))
)


def chebyu(n: Array, x: Array) -> Array:
    """Chebyshev's polynomials of the second kind."""
    return _chebyu_p.bind(n, x)
