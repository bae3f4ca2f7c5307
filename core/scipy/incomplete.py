"""The derivatives of the incomplete gamma and beta functions by their parameters, to any order.

SciPy has no functions for them. With p(t) the density of the gamma (beta) distribution, the wanted
derivative is the integral of the derivative of p, a product of p and a polynomial in log t (and
log(1 - t)) and polygamma functions. Two ways to compute it, chosen element by element:

- near the ends a power series, differentiated term by term;
- elsewhere Gauss-Legendre quadrature in log t (in logit t), over the stretch of the nearer tail on
  which the integrand counts: there it is as smooth as an exponential or half a Gaussian.

Both start from p at the end of the tail, computed without cancellation between logarithms of
gamma functions, so that neither over- nor underflows before the result does, and tails keep their
relative accuracy.

Against mpmath, over a in [1e-3, 1e4] and x in [1e-6, 1e4], the relative error of the first
derivative of gammainc is below 3e-13, and those of betainc, over a and b in [1e-3, 1e4], below
1e-12. Higher derivatives have zeros, next to which only the absolute error is small.

Plain NumPy on plain arrays; `special_incomplete.py` makes primitives of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import gammaln, polygamma, psi

from ..aval import Array

Table = dict[tuple[int, int], Any]
"""Derivatives by a and b: the item (i, j) is the i-th by a of the j-th by b."""

_CUT = 41.0
"""The integrand counts where it is larger than exp(-_CUT) times its value at the end."""

_BLOCK = 1024
"""Elements a block: with their nodes they should stay in the cache."""

_LARGE = 10.0
"""From here on Stirling's series for log gamma and psi are exact."""


def _unit_nodes(n: int) -> tuple[Array, Array]:
    """The nodes and weights of Gauss and Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


_NODES, _WEIGHTS = _unit_nodes(40)
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)

# Stirling's series, and differences of polygamma functions.


def _stirling_rest(a: Array) -> Array:
    """log gamma(a + 1) - log(sqrt(2 pi a) (a / e)**a), for a > 0."""
    large = np.where(a > _LARGE, a, _LARGE)
    s = 1 / (large * large)
    tail = 1 / 1188 - s * (691 / 360360 - s / 156)
    series = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * tail)))) / large
    small = np.where(a > _LARGE, 1.0, a)
    exact = gammaln(small + 1) - (0.5 * np.log(2 * math.pi * small) + small * np.log(small) - small)
    return np.where(a > _LARGE, series, exact)


def _log_excess(ratio: Array, d: Array) -> Array:
    """log(ratio) - d for ratio = 1 + d: -d**2 / 2 and smaller terms."""
    return np.where(np.abs(d) < 0.5, np.log1p(d), np.log(ratio)) - d


def _log_less_psi(a: Array) -> Array:
    """log(a) - psi(a + 1)."""
    large = np.where(a > _LARGE, a, _LARGE)
    s = 1 / (large * large)
    tail = s * (1 / 240 - s * (1 / 132 - s * (691 / 32760 - s / 12)))
    series = -0.5 / large + s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - tail)))
    small = np.where(a > _LARGE, 1.0, a)
    return np.where(a > _LARGE, series, np.log(small) - psi(small + 1))


def _fall(z: Array, log_ratio: Array, p: int) -> Array:
    """z**-p - (z + b)**-p, of which `log_ratio` is log((z + b) / z)."""
    return -(z**-p) * np.expm1(-p * log_ratio)


def _rise(k: int, z: Array, b: Array) -> Array:
    """polygamma(k, z + b) - polygamma(k, z) for z >= 1: exact for the smallest b."""
    total: Any = 0.0
    for i in range(9):
        total = total + _fall(z + i, np.log1p(b / (z + i)), k + 1)
    total = total * math.factorial(k)
    z = z + 9
    log_ratio = np.log1p(b / z)
    total = total + (math.factorial(k - 1) * _fall(z, log_ratio, k) if k else log_ratio)
    total = total + math.factorial(k) / 2 * _fall(z, log_ratio, k + 1)
    for j, c in enumerate(_BERNOULLI, 1):
        c = c * math.factorial(2 * j + k - 1) / math.factorial(2 * j)
        total = total + c * _fall(z, log_ratio, 2 * j + k)
    return total * (-1) ** k


# Derivatives of products and exponentials.


def exponential_table(log: Table, m: int, n: int) -> Table:
    """The derivatives of exp(f), divided by exp(f), from those of f."""
    e: Table = {(0, 0): 1.0}
    for i in range(m + 1):
        for j in range(n + 1):
            if i:
                e[i, j] = sum(
                    math.comb(i - 1, p) * math.comb(j, q) * log[p + 1, q] * e[i - 1 - p, j - q]
                    for p in range(i)
                    for q in range(j + 1)
                )
            elif j:
                e[0, j] = sum(
                    math.comb(j - 1, q) * log[0, q + 1] * e[0, j - 1 - q] for q in range(j)
                )
    return e


def product_at(f: Table, g: Table, i: int, j: int) -> Any:
    """The derivative (i, j) of a product."""
    return sum(
        math.comb(i, p) * math.comb(j, q) * f[p, q] * g[i - p, j - q]
        for p in range(i + 1)
        for q in range(j + 1)
    )


def _products(f: Table, g: Table, m: int, n: int) -> Table:
    return {(i, j): product_at(f, g, i, j) for i in range(m + 1) for j in range(n + 1)}


# gammainc.


def poisson_weight(a: Array, x: Array) -> Array:
    """x**a exp(-x) / gamma(a + 1), for a >= 0 and x > 0."""
    large = np.where(a > _LARGE, a, _LARGE)
    d = (x - large) / large
    deviance = large * _log_excess(x / large, d) - _stirling_rest(large)
    small = np.where(a > _LARGE, 1.0, a)
    return np.where(
        a > _LARGE,
        np.exp(deviance) / np.sqrt(2 * math.pi * large),
        np.exp(small * np.log(x) - x - gammaln(small + 1)),
    )


def _gamma_logs(log_t: Array, a: Array, n: int) -> Table:
    """The derivatives by a of log(t**a / gamma(a + 1)), given log t - psi(a + 1)."""
    log: Table = {(1, 0): log_t}
    for i in range(2, n + 1):
        log[i, 0] = -polygamma(i - 1, a + 1)
    return log


def _gamma_series(a: Array, x: Array, n: int) -> Array:
    """For x <= 1: x**a / gamma(a + 1) * sum((-x)**k / k! * a / (a + k))."""
    term, g = np.ones_like(x), [np.ones_like(x), *[np.zeros_like(x)] * n]
    for k in range(1, 19):
        term = term * (-x / k)
        pole = 1 / (a + k)
        g[0] = g[0] + term * (a * pole)
        part = k * pole * pole
        for i in range(1, n + 1):
            g[i] = g[i] + term * part
            part = part * (-(i + 1) * pole)
    weights = exponential_table(_gamma_logs(np.log(x) - psi(a + 1), a, n), n, 0)
    total = sum(math.comb(n, i) * weights[n - i, 0] * g[i] for i in range(n + 1))
    return np.exp(a * np.log(x) - gammaln(a + 1)) * total


def _gamma_stretch(a: Array, x: Array, lower: Array) -> Array:
    """How far from log x the integrand counts: negative on the lower side."""
    c = _CUT / a
    v = c + np.sqrt(2 * c)
    ratio = np.minimum(x / a, 1)
    for _ in range(4):  # Newton, from the side on which it cannot overshoot
        e = np.exp(-v)
        v = v - (v - ratio * (1 - e) - c) / np.maximum(1 - ratio * e, 1e-3)
    c = _CUT / x
    w = c + np.sqrt(2 * c)
    for _ in range(4):
        w = w - (x * w - a * np.log1p(w) - _CUT) / np.maximum(x - a / (1 + w), 1e-3 * x)
    return np.where(lower, -v, np.log1p(w))


def _gamma_quadrature(a: Array, x: Array, n: int) -> Array:
    """For x > 1: the tail on this side of a, in v = log(t / x)."""
    stretch = _gamma_stretch(a, x, x < a)
    log_x = _log_less_psi(a) + np.where(
        np.abs(x - a) < 0.5 * a, np.log1p((x - a) / a), np.log(x / a)
    )
    front = -stretch * poisson_weight(a, x)
    a, x, log_x = a[:, None], x[:, None], log_x[:, None]
    v = stretch[:, None] * _NODES
    weights = exponential_table(_gamma_logs(log_x + v, a, n), n, 0)
    # the derivatives of a / gamma(a + 1), which is 1 / gamma(a)
    polynomial = a * weights[n, 0] + n * weights[n - 1, 0]
    return front * ((np.exp(a * v - x * np.expm1(v)) * polynomial) @ _WEIGHTS)


def gammainc_by_a(a: Array, x: Array, n: int) -> Array:
    """The n-th derivative by `a` of the regularised lower incomplete gamma function, n >= 1."""

    def block(a: Array, x: Array) -> Array:
        valid = (a >= 0) & (x >= 0)
        inside = valid & (x > 0) & (x < np.inf) & (a < np.inf)
        near = inside & (x <= 1)
        far = inside & (x > 1)
        y = np.where(valid, 0.0, np.nan)
        # a = 0 is a limit, which the formulas reach
        a = np.maximum(a, 1e-300)
        y[near] = _gamma_series(a[near], x[near], n)
        y[far] = _gamma_quadrature(a[far], x[far], n)
        return y

    return in_blocks(block, a, x)


def in_blocks(block: Callable[..., Any], *operands: Any, dtype: Any = np.float64) -> Any:
    """Broadcast operands, and apply a function of vectors a block at a time."""
    spread = np.broadcast_arrays(*[np.asarray(x, dtype) for x in operands])
    flat = [np.ravel(x) for x in spread]
    y = np.empty(flat[0].shape, dtype)
    with np.errstate(all="ignore"):
        for i in range(0, y.size, _BLOCK):
            y[i : i + _BLOCK] = block(*[x[i : i + _BLOCK] for x in flat])
    return y.reshape(spread[0].shape)


# betainc. `y` is 1 - x everywhere, so that neither end is rounded away.


def binomial_weight(a: Array, b: Array, x: Array, y: Array) -> Array:
    """x**a y**b gamma(a + b + 1) / gamma(a + 1) / gamma(b + 1), for a, b > 0 and 0 < x < 1."""
    s = a + b
    p, q = a / s, b / s
    d = (x * b - y * a) / s
    deviance = a * _log_excess(x / p, d / p) + b * _log_excess(y / q, -d / q)
    rest = _stirling_rest(s) - _stirling_rest(a) - _stirling_rest(b)
    return np.exp(deviance + rest) * np.sqrt(s / (2 * math.pi) / a / b)


def _beta_logs(a: Array, b: Array, m: int, n: int) -> Table:
    """The derivatives of log(gamma(a + b + 1) / gamma(a + 1) / gamma(b + 1))."""
    log: Table = {}
    for i in range(m + 1):
        for j in range(n + 1):
            if i and j:
                log[i, j] = polygamma(i + j - 1, a + b + 1)
            elif i:
                log[i, 0] = _rise(i - 1, a + 1, b)
            elif j:
                log[0, j] = _rise(j - 1, b + 1, a)
    return log


def _with_powers(log: Table, log_t: Any, log_1t: Any) -> Table:
    """Add those of t**a (1 - t)**b."""
    log = dict(log)
    if (1, 0) in log:
        log[1, 0] = log[1, 0] + log_t
    if (0, 1) in log:
        log[0, 1] = log[0, 1] + log_1t
    return log


def _share_table(a: Any, b: Any, m: int, n: int) -> Table:
    """The derivatives of b / (a + b)."""
    s = a + b
    table: Table = {(0, 0): b / s}
    for i in range(m + 1):
        for j in range(n + 1):
            if i + j:
                scale = (-1) ** (i + j) * math.factorial(i + j - 1)
                table[i, j] = scale * (i * b - j * a) / s ** (i + j + 1)
    return table


def harmonic_table(a: Any, b: Any, m: int, n: int) -> Table:
    """The derivatives of a b / (a + b)."""
    s = a + b
    table: Table = {(0, 0): a * (b / s), (1, 0): (b / s) ** 2, (0, 1): (a / s) ** 2}
    for i in range(m + 1):
        for j in range(n + 1):
            if i + j > 1:
                scale = (-1) ** (i + j + 1) * math.factorial(i + j - 2)
                top = i * (i - 1) * b * b - 2 * i * j * a * b + j * (j - 1) * a * a
                table[i, j] = scale * top / s ** (i + j + 1)
    return table


def _beta_series(a: Array, b: Array, x: Array, y: Array, m: int, n: int) -> Array:
    """For x max(b, 1) <= 1/2: the weight times b / (a + b) times the sum of
    (1 - b)_k x**k / k! * a / (a + k).
    """
    one, zero = np.ones_like(x), np.zeros_like(x)
    g: Table = {(i, j): zero for i in range(m + 1) for j in range(n + 1)}
    g[0, 0] = one
    e = [one, *[zero] * n]  # the derivatives by b of (1 - b)_k x**k / k!
    for k in range(1, 60):
        e = [x / k * ((k - b) * e[j] - (j * e[j - 1] if j else 0.0)) for j in range(n + 1)]
        pole = 1 / (a + k)
        part = a * pole
        for i in range(m + 1):
            for j in range(n + 1):
                g[i, j] = g[i, j] + e[j] * part
            part = k * pole * pole if i == 0 else part * (-(i + 1) * pole)
    log = _with_powers(_beta_logs(a, b, m, n), np.log(x), 0.0)
    weights = _products(exponential_table(log, m, n), _share_table(a, b, m, n), m, n)
    front = binomial_weight(a, b, x, y) * np.exp(-b * np.log1p(-x))
    return front * product_at(weights, g, m, n)


def _beta_stretch(a: Array, b: Array, x: Array, y: Array) -> Array:
    """How far below logit x the integrand counts."""
    v = (_CUT - (a + b) * np.log(y)) / a
    other = np.sqrt(2 * _CUT / ((a + b) * x * y)) + _CUT / a
    v = np.minimum(v, 2 * other)
    for _ in range(6):
        e = np.exp(-v)
        q = x * (1 - e)
        excess = a * v + (a + b) * np.log1p(-q) - _CUT
        v = v - excess / np.maximum(a - (a + b) * x * e / (1 - q), 1e-3 * a)
    return v


def _beta_quadrature(a: Array, b: Array, x: Array, y: Array, m: int, n: int) -> Array:
    """The tail below x, in v = logit(t) - logit(x)."""
    stretch = _beta_stretch(a, b, x, y)
    front = stretch * binomial_weight(a, b, x, y)
    log = {key: value[:, None] for key, value in _beta_logs(a, b, m, n).items()}
    log_x, log_y = (np.where(z > 0.5, np.log1p(-w), np.log(z)) for z, w in ((x, y), (y, x)))
    a, b, x = a[:, None], b[:, None], x[:, None]
    v = -stretch[:, None] * _NODES
    bend = np.log1p(x * np.expm1(v))
    log = _with_powers(log, log_x[:, None] + v - bend, log_y[:, None] - bend)
    polynomial = product_at(exponential_table(log, m, n), harmonic_table(a, b, m, n), m, n)
    return front * ((np.exp(a * v - (a + b) * bend) * polynomial) @ _WEIGHTS)


def betainc_by_ab(a: Array, b: Array, x: Array, m: int, n: int) -> Array:
    """The m-th derivative by `a` of the n-th by `b` of the regularised incomplete beta function,
    m + n >= 1.
    """

    def block(a: Array, b: Array, x: Array) -> Array:
        valid = (a >= 0) & (b >= 0) & (x >= 0) & (x <= 1)
        inside = valid & (x > 0) & (x < 1) & (a < np.inf) & (b < np.inf)
        z = np.where(valid, 0.0, np.nan)
        a, b, y = np.maximum(a, 1e-200), np.maximum(b, 1e-200), 1 - x
        left = x * np.maximum(b, 1) <= 0.5
        right = y * np.maximum(a, 1) <= 0.5
        # The slowly falling side, if there is one, is the other one's.
        below = (b <= 1) | ((a > 1) & (x * (a + b) <= a))
        for where, compute, swapped in (
            (left, _beta_series, False),
            (~left & right, _beta_series, True),
            (~left & ~right & below, _beta_quadrature, False),
            (~left & ~right & ~below, _beta_quadrature, True),
        ):
            k = inside & where
            if not np.any(k):
                continue
            if swapped:  # the other tail, of which the derivatives are the negatives
                z[k] = -compute(b[k], a[k], y[k], x[k], n, m)
            else:
                z[k] = compute(a[k], b[k], x[k], y[k], m, n)
        return z

    return in_blocks(block, a, b, x)
