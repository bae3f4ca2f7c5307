"""The rows of `suite.py` without loops: functions, and their derivatives as a person writes them.

What is written by hand is vectorised, and writes in place where arrays are large. Scalars are
Python's there, since NumPy's cost more. `suite_loops.py` has the rows with loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from eager import (
    chain,
    classifier_loss,
    network,
    regression_loss,
)
from scipy.special import ndtr
from suite_peers import Function, Ops

Arrays = Any


@dataclass(frozen=True)
class Case:
    """What a row computes: `how` of `f(ops, *args)` by its first argument, and the same by hand."""

    label: str
    f: Function
    args: tuple[Any, ...]
    hand: Function
    how: str = "value_and_grad"
    overhead: bool = False  # its time is spent between NumPy's calls, not in them
    loop: bool = False


ROWS: dict[str, Callable[[bool], Case]] = {}


def row(name: str) -> Callable[[Callable[[bool], Case]], Callable[[bool], Case]]:
    """Decorator: put a row into the table under a name; called with True it may be smaller."""

    def register(make: Callable[[bool], Case]) -> Callable[[bool], Case]:
        ROWS[name] = make
        return make

    return register


def rng() -> np.random.Generator:
    """A new generator, the same each time."""
    return np.random.default_rng(0)


# Chains.


def chain_by_hand(x: float) -> Arrays:
    """200 operations on a number, forth and back."""
    saved = []
    for _ in range(40):
        a = math.sin(x)
        t = math.tanh(a * x)
        saved.append((x, a, t))
        x = 0.9 * (t + a)
    ct = 1.0
    for x0, a, t in reversed(saved):
        ct *= 0.9
        d = ct * (1.0 - t * t)
        ct = d * a + (ct + d * x0) * math.cos(x0)
    return x, ct


def vector_chain_by_hand(x: Arrays) -> Arrays:
    """The same for the sum over an array."""
    saved = []
    for _ in range(40):
        a = np.sin(x)
        t = np.tanh(a * x)
        saved.append((x, a, t))
        x = t + a
        x *= 0.9
    value = x.sum()
    ct = np.ones_like(x)
    for x0, a, t in reversed(saved):
        ct *= 0.9
        d = ct * (1.0 - t * t)
        ct += d * x0
        ct *= np.cos(x0)
        ct += d * a
    return value, ct


@row("chain")
def scalar_chain(quick: bool) -> Case:
    """Overhead an operation: numbers."""
    return Case(
        "chain of 200, scalar", lambda m, x: chain(m.xp, x), (0.5,), chain_by_hand, overhead=True
    )


@row("chain10")
def vector_chain(quick: bool) -> Case:
    """Overhead an operation: small arrays."""
    return Case(
        "chain of 200, 10 elements",
        lambda m, x: m.xp.sum(chain(m.xp, x)),
        (np.linspace(0.3, 0.7, 10),),
        vector_chain_by_hand,
        overhead=True,
    )


# Networks.


def tanh_backward(ct: Arrays, h: Arrays) -> Arrays:
    """The cotangent before a tanh, in place."""
    s = h * h
    np.subtract(1.0, s, out=s)
    ct *= s
    return ct


def layers(params: Arrays, x: Arrays) -> Arrays:
    """Two tanh layers and a linear one."""
    w1, b1, w2, b2, w3, b3 = params
    h1 = x @ w1
    h1 += b1
    np.tanh(h1, out=h1)
    h2 = h1 @ w2
    h2 += b2
    np.tanh(h2, out=h2)
    z = h2 @ w3
    z += b3
    return h1, h2, z


def layers_backward(params: Arrays, x: Arrays, h1: Arrays, h2: Arrays, d3: Arrays) -> Arrays:
    """The derivative of `layers`."""
    _, _, w2, _, w3, _ = params
    d2 = tanh_backward(d3 @ w3.T, h2)
    d1 = tanh_backward(d2 @ w2.T, h1)
    return x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)


def classifier_by_hand(params: Arrays, x: Arrays, y: Arrays) -> Arrays:
    """Value and gradient of `classifier_loss`."""
    h1, h2, z = layers(params, x)
    e = np.exp(z)
    total = e.sum(axis=1)
    z *= y
    value = np.mean(np.log(total) - z.sum(axis=1))
    e /= total[:, None]
    e -= y
    e /= len(x)
    return value, layers_backward(params, x, h1, h2, e)


def regression_by_hand(params: Arrays, x: Arrays, y: Arrays) -> Arrays:
    """Value and gradient of `regression_loss`."""
    h1, h2, e = layers(params, x)
    e -= y
    value = np.mean(e * e)
    e *= 2 / len(x)
    return value, layers_backward(params, x, h1, h2, e)


@row("net")
def large_network(quick: bool) -> Case:
    """Dominated by matrix products."""
    draw = rng()
    x, y = draw.normal(size=(128, 784)), np.eye(10)[draw.integers(10, size=128)]
    return Case(
        "784-128-128-10 net, batch 128",
        lambda m, *args: classifier_loss(m.xp, *args),
        (tuple(network((784, 128, 128, 10))), x, y),
        classifier_by_hand,
    )


@row("smallnet")
def small_network(quick: bool) -> Case:
    """Dominated by overhead."""
    draw = rng()
    return Case(
        "8-16-16-1 net, batch 32",
        lambda m, *args: regression_loss(m.xp, *args),
        (tuple(network((8, 16, 16, 1))), draw.normal(size=(32, 8)), draw.normal(size=(32, 1))),
        regression_by_hand,
        overhead=True,
    )


@row("examples")
def per_example_gradients(quick: bool) -> Case:
    """A gradient for each example."""

    def by_hand(params: Arrays, x: Arrays, y: Arrays) -> Arrays:
        h1, h2, e = layers(params, x)
        _, _, w2, _, w3, _ = params
        e -= y
        value = e[:, 0] ** 2
        e *= 2.0
        d2 = tanh_backward(e @ w3.T, h2)
        d1 = tanh_backward(d2 @ w2.T, h1)
        pairs = ((x, d1), (h1, d2), (h2, e))
        return value, tuple([v for h, d in pairs for v in (h[:, :, None] * d[:, None, :], d)])

    draw = rng()
    return Case(
        "per-example gradients, 256 examples",
        lambda m, *args: regression_loss(m.xp, *args),
        (tuple(network((8, 16, 16, 1))), draw.normal(size=(256, 8)), draw.normal(size=(256, 1))),
        by_hand,
        how="examples",
    )


@row("jacobian")
def dense_jacobian(quick: bool) -> Case:
    """A dense Jacobian of two layers."""

    def f(m: Ops, x: Arrays, w1: Arrays, w2: Arrays) -> Arrays:
        return m.xp.tanh(w2 @ m.xp.tanh(w1 @ x))

    def by_hand(x: Arrays, w1: Arrays, w2: Arrays) -> Arrays:
        h = np.tanh(w1 @ x)
        y = np.tanh(w2 @ h)
        jac = (w2 * (1.0 - h * h)) @ w1
        jac *= (1.0 - y * y)[:, None]
        return jac

    draw = rng()
    w1, w2 = draw.normal(0, 1 / 8, (64, 64)), draw.normal(0, 1 / 8, (64, 64))
    return Case("Jacobian, 64 -> 64", f, (draw.normal(size=64), w1, w2), by_hand, how="jacobian")


# Statistics and finance.


@row("logistic")
def logistic_regression(quick: bool) -> Case:
    """Two products of a matrix and a vector, and a few passes over a vector."""

    def f(m: Ops, params: Arrays, x: Arrays, y: Arrays) -> Arrays:
        w, b = params
        return m.xp.mean(m.xp.log1p(m.xp.exp(-y * (x @ w + b))))

    def by_hand(params: Arrays, x: Arrays, y: Arrays) -> Arrays:
        w, b = params
        e = x @ w
        e += b
        e *= y
        np.negative(e, out=e)
        np.exp(e, out=e)
        value = np.log1p(e).mean()
        c = e + 1.0
        np.divide(e, c, out=c)
        c *= y
        c *= -1 / len(y)
        return value, (c @ x, c.sum())

    draw = rng()
    x = draw.normal(size=(10_000, 50))
    y = np.where(x @ draw.normal(size=50) + draw.normal(size=10_000) > 0, 1.0, -1.0)
    params = (draw.normal(0, 0.1, 50), 0.1)
    return Case("logistic regression, 10,000 x 50", f, (params, x, y), by_hand)


@row("blackscholes")
def black_scholes(quick: bool) -> Case:
    """Elementwise operations on large arrays: by price, volatility and rate."""

    def f(m: Ops, params: Arrays, strike: Arrays, years: Arrays) -> Arrays:
        price, volatility, rate = params
        xp = m.xp
        deviation = volatility * xp.sqrt(years)
        d1 = (xp.log(price / strike) + (rate + 0.5 * volatility**2) * years) / deviation
        d2 = d1 - deviation
        return xp.sum(price * m.ndtr(d1) - strike * xp.exp(-rate * years) * m.ndtr(d2))

    def by_hand(params: Arrays, strike: Arrays, years: Arrays) -> Arrays:
        price, volatility, rate = params
        root = np.sqrt(years)
        deviation = volatility * root
        d1 = price / strike
        np.log(d1, out=d1)
        drift = volatility * volatility
        drift *= 0.5
        drift += rate
        drift *= years
        d1 += drift
        d1 /= deviation
        d2 = np.subtract(d1, deviation, out=drift)
        delta = ndtr(d1)
        paid = np.multiply(rate, years, out=deviation)
        np.negative(paid, out=paid)
        np.exp(paid, out=paid)
        paid *= strike
        paid *= ndtr(d2, out=d2)
        value = np.vdot(price, delta) - paid.sum()
        by_rate = np.multiply(paid, years, out=paid)
        by_volatility = np.square(d1, out=d1)
        by_volatility *= -0.5
        np.exp(by_volatility, out=by_volatility)
        by_volatility *= price
        by_volatility *= root
        by_volatility *= 1 / math.sqrt(2 * math.pi)
        return value, (delta, by_volatility, by_rate)

    n = 10_000 if quick else 1_000_000
    draw = rng()
    price, strike = draw.uniform(50, 150, n), draw.uniform(50, 150, n)
    volatility, rate, years = (
        draw.uniform(0.1, 0.5, n),
        draw.uniform(0, 0.1, n),
        draw.uniform(1, 3, n),
    )
    args = ((price, volatility, rate), strike, years)
    return Case(f"Black-Scholes, {n:,} options", f, args, by_hand)


@row("mixture")
def gaussian_mixture(quick: bool) -> Case:
    """The likelihood of a mixture whose precisions are products of triangular matrices."""
    k, d, n = 25, 10, 1_000

    def f(m: Ops, params: Arrays, x: Arrays, upper: Arrays, eye: Arrays) -> Arrays:
        weights, means, log_scales, factors = params
        xp = m.xp
        roots = factors * upper + xp.exp(log_scales)[:, :, None] * eye
        e = (x - means[:, None, :]) @ roots
        terms = weights + xp.sum(log_scales, axis=1)
        per_point = m.logsumexp(terms[:, None] - 0.5 * xp.sum(e * e, axis=2), 0)
        return xp.sum(per_point) - n * m.logsumexp(weights, 0)

    def by_hand(params: Arrays, x: Arrays, upper: Arrays, eye: Arrays) -> Arrays:
        weights, means, log_scales, factors = params
        scales = np.exp(log_scales)
        roots = factors * upper
        diagonal = np.arange(d)
        roots[:, diagonal, diagonal] = scales
        from_mean = x - means[:, None, :]
        e = from_mean @ roots
        logs = np.einsum("knd,knd->kn", e, e)
        logs *= -0.5
        logs += (weights + log_scales.sum(axis=1))[:, None]
        top = logs.max(axis=0)
        logs -= top
        r = np.exp(logs, out=logs)
        total = r.sum(axis=0)
        r /= total
        w = np.exp(weights - weights.max())
        value = (np.log(total) + top).sum() - n * (np.log(w.sum()) + weights.max())
        counts = r.sum(axis=1)
        e *= r[:, :, None]
        np.negative(e, out=e)
        d_roots = from_mean.transpose(0, 2, 1) @ e
        d_means = -np.einsum("kd,ked->ke", e.sum(axis=1), roots)
        d_scales = d_roots[:, diagonal, diagonal] * scales + counts[:, None]
        d_roots *= upper
        return value, (counts - n * w / w.sum(), d_means, d_scales, d_roots)

    draw = rng()
    params = (
        draw.normal(size=k),
        draw.normal(size=(k, d)),
        draw.normal(0, 0.3, (k, d)),
        draw.normal(0, 0.3, (k, d, d)),
    )
    args = (params, draw.normal(size=(n, d)), np.triu(np.ones((d, d)), 1), np.eye(d))
    return Case(f"Gaussian mixture, d {d}, k {k}, n {n:,}", f, args, by_hand)


# Second derivatives.


def rosenbrock(m: Ops, x: Arrays) -> Arrays:
    """The banana function in many dimensions."""
    return m.xp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@row("hvp")
def hessian_vector_product(quick: bool) -> Case:
    """The Hessian times a vector."""

    def by_hand(x: Arrays, v: Arrays) -> Arrays:
        a, p, q = x[:-1], v[:-1], v[1:]
        out = np.zeros_like(x)
        cross = -400.0 * a
        out[:-1] = (1200.0 * a * a - 400.0 * x[1:] + 2.0) * p
        out[:-1] += cross * q
        out[1:] += 200.0 * q
        out[1:] += cross * p
        return out

    draw = rng()
    args = (draw.normal(size=1_000), draw.normal(size=1_000))
    return Case("hvp, Rosenbrock of 1,000", rosenbrock, args, by_hand, how="hvp", overhead=True)


@row("hessian")
def dense_hessian(quick: bool) -> Case:
    """The whole Hessian."""

    def by_hand(x: Arrays) -> Arrays:
        n = len(x)
        out = np.zeros((n, n))
        a, i = x[:-1], np.arange(n - 1)
        out[i, i] = 1200.0 * a * a - 400.0 * x[1:] + 2.0
        out[i + 1, i + 1] += 200.0
        out[i, i + 1] = out[i + 1, i] = -400.0 * a
        return out

    return Case(
        "Hessian, Rosenbrock of 100", rosenbrock, (rng().normal(size=100),), by_hand, how="hessian"
    )
