"""Functions near to exponentials and logarithms: logistic ones, entropies, Box and Cox, Huber,
degrees, the functions of NumPy that SciPy has under the same name, Lambert's W.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import hyp1f1

from ..aval import Array
from ..rules import elementwise
from ..tracing import Primitive
from .special_base import special
from .special_hyper import hyp2f1_p

_LN10 = math.log(10)
_DEGREE = math.pi / 180

# What NumPy has too; SciPy's have dtypes of their own.

special("exp2", lambda y, x: y * math.log(2), name="special_exp2")
special("exp10", lambda y, x: y * _LN10)
special("expm1", lambda y, x: y + 1.0, name="special_expm1")
special("log1p", lambda y, x: 1.0 / (1.0 + x), name="special_log1p")
special("cbrt", lambda y, x: 1.0 / (3.0 * y * y), name="special_cbrt")
special("round", None, name="special_round")
cosm1_p: Primitive = special("cosm1", lambda y, x: -np.sin(x))


def _exprel_derivative(x: Array, *, n: int) -> Array:
    y = hyp1f1(n + 1.0, n + 2.0, np.where(np.isfinite(x), x, 0.0)) / (n + 1)
    y = np.where(np.isfinite(x), y, np.where(x == -np.inf, 0.0, x))
    return y.astype(np.asarray(x).dtype)[()]


exprel_derivative_p: Primitive = elementwise(
    "exprel_derivative",
    None,
    jvps=(lambda t, y, x, *, n: t * exprel_derivative_p.bind(x, n=n + 1),),
    impl=_exprel_derivative,
    dtype=lambda x, *, n: x.dtype,
)


def exprel_slope(x: Array) -> Array:
    """The derivative of (exp(x) - 1) / x, without a gap at 0."""
    return exprel_derivative_p.bind(x, n=1)


exprel_p: Primitive = special("exprel", lambda y, x: exprel_slope(x))

# Logistic functions.


def expit(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return expit_p.bind(x)


expit_p: Primitive = special("expit", lambda y, x: y * expit(-x))
log_expit_p: Primitive = special("log_expit", lambda y, x: expit(-x))
logit_p: Primitive = special("logit", lambda y, x: 1.0 / (x * (1.0 - x)))

# Entropies, and x log y that is 0 where x is.


def _quotient(x: Array, y: Array) -> Array:
    """x / y, and 0 for 0 / 0."""
    return x / np.where((x == 0) & (y == 0), 1, y)


xlogy_p: Primitive = special("xlogy", lambda z, x, y: np.log(y), lambda z, x, y: _quotient(x, y))
xlog1py_p: Primitive = special(
    "xlog1py",
    lambda z, x, y: np.log1p(y),
    lambda z, x, y: _quotient(x, 1 + y),
)
entr_p: Primitive = special("entr", lambda y, x: -np.log(x) - 1.0)
rel_entr_p: Primitive = special(
    "rel_entr",
    lambda z, x, y: np.log(x / y) + 1.0,
    lambda z, x, y: -_quotient(x, y),
)
kl_div_p: Primitive = special(
    "kl_div",
    lambda z, x, y: np.log(x / y),
    lambda z, x, y: 1.0 - _quotient(x, y),
)


# Box and Cox. log(x) exprel(lambda log(x)) has no gap at lambda = 0, nor has its derivative.


def _boxcox_by_power(log_x: Array, lmbda: Array) -> Array:
    zero = np.isinf(log_x) & (log_x < 0) & (lmbda > 0)  # then the value is -1 / lambda
    u = np.where(zero, 0.0, log_x)
    inner = u * u * exprel_slope(lmbda * u)
    return np.where(zero, np.where(zero, lmbda, 1.0) ** -2.0, inner)


boxcox_p: Primitive = special(
    "boxcox",
    lambda y, x, lmbda: x ** (lmbda - 1.0),
    lambda y, x, lmbda: _boxcox_by_power(np.log(x), lmbda),
)
boxcox1p_p: Primitive = special(
    "boxcox1p",
    lambda y, x, lmbda: (1.0 + x) ** (lmbda - 1.0),
    lambda y, x, lmbda: _boxcox_by_power(np.log1p(x), lmbda),
)


def _inv_boxcox_by_y(power: Array, y: Array, lmbda: Array) -> Array:
    return power / (1.0 + lmbda * y)


def _inv_boxcox_by_power(power: Array, y: Array, lmbda: Array) -> Array:
    # The derivative of log1p(u) / u, which is hyp2f1(1, 1, 2, -u), at u = lambda y.
    u = lmbda * y
    near = np.abs(u) < 0.5
    far = np.where(near, 1.0, u)
    direct = (far / (1.0 + far) - np.log1p(far)) / (far * far)
    bend = np.where(near, -0.5 * hyp2f1_p.bind(2.0, 2.0, 3.0, -np.where(near, u, 0.0)), direct)
    return power * (y * y) * bend


inv_boxcox_p: Primitive = special("inv_boxcox", _inv_boxcox_by_y, _inv_boxcox_by_power)
inv_boxcox1p_p: Primitive = special(
    "inv_boxcox1p",
    lambda z, y, lmbda: _inv_boxcox_by_y(z + 1.0, y, lmbda),
    lambda z, y, lmbda: _inv_boxcox_by_power(z + 1.0, y, lmbda),
)
special(
    "powm1",
    lambda z, x, y: y * x ** (y - 1.0),
    lambda z, x, y: (z + 1.0) * np.log(np.where(x == 0, 1.0, x)),
)

# Huber's losses.

huber_p: Primitive = special(
    "huber",
    lambda y, delta, r: np.maximum(np.abs(r) - delta, 0.0),
    lambda y, delta, r: np.clip(r, -delta, delta),
)


def _pseudo_huber_by_delta(y: Array, delta: Array, r: Array) -> Array:
    length = np.hypot(delta, r)
    share = r / np.where(length == 0, 1.0, length)
    rise = r / np.where(length == 0, 1.0, length + delta)
    return length * share * share * (rise * rise)


def _pseudo_huber_by_r(y: Array, delta: Array, r: Array) -> Array:
    length = np.hypot(delta, r)
    return r * (delta / np.where(length == 0, 1.0, length))


pseudo_huber_p: Primitive = special("pseudo_huber", _pseudo_huber_by_delta, _pseudo_huber_by_r)

# Degrees.

sindg_p: Primitive = special("sindg", lambda y, x: _DEGREE * cosdg_p.bind(x))
cosdg_p: Primitive = special("cosdg", lambda y, x: -_DEGREE * sindg_p.bind(x))
special("tandg", lambda y, x: _DEGREE * (1.0 + y * y))
special("cotdg", lambda y, x: -_DEGREE * (1.0 + y * y))
special(
    "radian",
    lambda y, d, m, s: _DEGREE,
    lambda y, d, m, s: _DEGREE / 60,
    lambda y, d, m, s: _DEGREE / 3600,
)

# Lambert's W, and Wright's omega. w(z) exp(w(z)) = z.

lambertw_p: Primitive = special(
    "_lambertw", lambda w, z, k, tol: 1.0 / ((1.0 + w) * np.exp(w)), None, None
)
special("wrightomega", lambda w, z: w / (1.0 + w))
