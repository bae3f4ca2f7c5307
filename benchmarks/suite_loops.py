"""The rows of `suite.py` with loops: functions, and their derivatives as a person writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from suite_peers import Ops
from suite_rows import ROWS, Arrays, Case, rng, row

__all__ = ["ROWS"]

# A recurrent network.


def recurrent(m: Ops, params: Arrays, xs: Arrays, y: Arrays) -> Arrays:
    """Squared error of a tanh network that reads a sequence."""
    wx, wh, b, wo, bo, h = params

    def step(h: Arrays, x: Arrays) -> tuple[Arrays, None]:
        return m.xp.tanh(x @ wx + h @ wh + b), None

    e = m.scan(step, h, xs)[0] @ wo + bo - y
    return m.xp.mean(e * e)


def recurrent_by_hand(params: Arrays, xs: Arrays, y: Arrays) -> Arrays:
    """Products with all inputs at once, and with all derivatives at once."""
    wx, wh, b, wo, bo, h0 = params
    n, batch, _ = xs.shape
    width = len(wh)
    hs = np.empty((n + 1, batch, width))
    hs[0] = h0
    np.matmul(xs, wx, out=hs[1:])
    hs[1:] += b
    product = np.empty_like(h0)
    for t in range(n):
        h = hs[t + 1]
        h += np.matmul(hs[t], wh, out=product)
        np.tanh(h, out=h)
    e = hs[-1] @ wo
    e += bo
    e -= y
    value = np.mean(e * e)
    e *= 2 / e.size
    ds = np.empty((n, batch, width))
    slopes = 1.0 - hs[1:] ** 2
    ct = e @ wo.T
    for t in range(n - 1, -1, -1):
        d = np.multiply(ct, slopes[t], out=ds[t])
        np.matmul(d, wh.T, out=ct)
    flat = ds.reshape(-1, width)
    d_wx = xs.reshape(-1, xs.shape[2]).T @ flat
    d_wh = hs[:-1].reshape(-1, width).T @ flat
    return value, (d_wx, d_wh, flat.sum(axis=0), hs[-1].T @ e, e.sum(axis=0), ct)


@row("rnn")
def recurrent_network(quick: bool) -> Case:
    """Small matrix products, one after another."""
    n = 20 if quick else 100
    draw = rng()
    params = (
        draw.normal(0, 0.3, (8, 32)),
        draw.normal(0, 0.15, (32, 32)),
        draw.normal(0, 0.1, 32),
        draw.normal(0, 0.2, (32, 1)),
        draw.normal(0, 0.1, 1),
        draw.normal(0, 0.1, (16, 32)),
    )
    args = (params, draw.normal(size=(n, 16, 8)), draw.normal(size=(16, 1)))
    label = f"tanh RNN, {n} steps, hidden 32, batch 16"
    return Case(label, recurrent, args, recurrent_by_hand, overhead=True, loop=True)


# An ordinary differential equation.

H = 0.05


def lotka_volterra(m: Ops, params: Arrays, n: int) -> Arrays:
    """Hares and lynxes after n steps of the classical Runge-Kutta method."""
    rates, start = params

    def slope(s: Arrays) -> Arrays:
        x, y = s[0], s[1]
        return m.xp.stack([(rates[0] - rates[1] * y) * x, (rates[2] * x - rates[3]) * y])

    def step(s: Arrays, _: Any) -> tuple[Arrays, None]:
        k1 = slope(s)
        k2 = slope(s + 0.5 * H * k1)
        k3 = slope(s + 0.5 * H * k2)
        k4 = slope(s + H * k3)
        return s + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    end = m.scan(step, start, None, n)[0]
    return m.xp.sum(end * end)


def lotka_volterra_by_hand(params: Arrays, n: int) -> Arrays:
    """The same with Python's numbers, as two numbers are too few for an array."""
    (a, b, c, d), (x, y) = params[0].tolist(), params[1].tolist()
    weights = ((0.0, H / 6), (0.5 * H, H / 3), (0.5 * H, H / 3), (H, H / 6))
    saved = []
    for _ in range(n):
        p = q = sum_x = sum_y = 0.0
        at = []
        for forward, weight in weights:
            u, v = x + forward * p, y + forward * q
            at.append((u, v))
            p, q = (a - b * v) * u, (c * u - d) * v
            sum_x += weight * p
            sum_y += weight * q
        saved.append(at)
        x += sum_x
        y += sum_y
    value = x * x + y * y
    ct_x, ct_y = 2 * x, 2 * y
    da = db = dc = dd = 0.0
    for at in reversed(saved):
        p = q = forward = 0.0
        sum_x, sum_y = ct_x, ct_y
        for (u, v), (before, weight) in zip(reversed(at), reversed(weights), strict=True):
            p, q = weight * ct_x + forward * p, weight * ct_y + forward * q
            uv = u * v
            da += p * u
            db -= p * uv
            dc += q * uv
            dd -= q * v
            p, q = p * (a - b * v) + q * c * v, q * (c * u - d) - p * b * u
            sum_x += p
            sum_y += q
            forward = before
        ct_x, ct_y = sum_x, sum_y
    return value, (np.array([da, db, dc, dd]), np.array([ct_x, ct_y]))


@row("ode")
def runge_kutta(quick: bool) -> Case:
    """Arithmetic with pairs of numbers."""
    n = 20 if quick else 200
    return Case(
        f"RK4 of Lotka-Volterra, {n} steps",
        lambda m, params: lotka_volterra(m, params, n),
        ((np.array([1.1, 0.4, 0.1, 0.4]), np.array([10.0, 5.0])),),
        lambda params: lotka_volterra_by_hand(params, n),
        overhead=True,
        loop=True,
    )


# A filter.


def kalman(m: Ops, params: Arrays, zs: Arrays, see: Arrays, eye4: Arrays, eye2: Arrays) -> Arrays:
    """The likelihood of observations of two of four states."""
    move, q, r, mean = params
    xp = m.xp

    def step(carry: Arrays, z: Arrays) -> tuple[Arrays, None]:
        mean, p, likelihood = carry
        mean, p = move @ mean, move @ p @ move.T + q * eye4
        seen, cross = see @ p, p @ see.T
        s, v = see @ cross + r * eye2, z - see @ mean
        w = m.solve(s, v)
        log_root = xp.sum(xp.log(xp.diag(m.cholesky(s))))
        likelihood = likelihood - 0.5 * (v @ w) - log_root
        return (mean + cross @ w, p - cross @ m.solve(s, seen), likelihood), None

    return m.scan(step, (mean, eye4, 0.0 * q), zs)[0][2]


def kalman_by_hand(params: Arrays, zs: Arrays, see: Arrays, eye4: Arrays, eye2: Arrays) -> Arrays:
    """The filter with its adjoint."""
    move, q, r, mean = params
    noise, seen_noise = q * eye4, r * eye2
    p, value, saved = eye4, 0.0, []
    for z in zs:
        before = (mean, p)
        mean = move @ mean
        p = move @ p @ move.T
        p += noise
        cross = p @ see.T
        s = see @ cross
        s += seen_noise
        v = z - see @ mean
        inverse = np.linalg.inv(s)
        w = inverse @ v
        gain = inverse @ (see @ p)
        value -= 0.5 * (v @ w) + np.log(np.diagonal(np.linalg.cholesky(s))).sum()
        saved.append((*before, cross, inverse, v, w, gain))
        mean = mean + cross @ w
        p = p - cross @ gain
    d_move, d_q, d_r = np.zeros((4, 4)), 0.0, 0.0
    d_mean, d_p = np.zeros(4), np.zeros((4, 4))
    for mean, p, cross, inverse, v, w, gain in reversed(saved):
        d_w = d_mean @ cross
        d_w -= 0.5 * v
        by_gain = inverse.T @ (cross.T @ d_p)
        by_w = inverse.T @ d_w
        d_s = by_gain @ gain.T
        d_s -= by_w[:, None] * w
        d_s -= 0.5 * inverse.T
        d_r += d_s[0, 0] + d_s[1, 1]
        d_cross = d_mean[:, None] * w
        d_cross -= d_p @ gain.T
        d_cross += see.T @ d_s
        by_w -= 0.5 * w
        d_mean = d_mean - see.T @ by_w
        d_p = d_p + d_cross @ see
        d_p -= see.T @ by_gain
        d_q += np.trace(d_p)
        moved = d_p @ move
        d_move += moved @ p.T
        d_move += d_p.T @ (move @ p)
        d_move += d_mean[:, None] * mean
        d_p = move.T @ moved
        d_mean = move.T @ d_mean
    return value, (d_move, d_q, d_r, d_mean)


@row("kalman")
def kalman_filter(quick: bool) -> Case:
    """Linear algebra with tiny matrices."""
    n = 20 if quick else 200
    draw = rng()
    params = (
        np.eye(4) + 0.1 * np.eye(4, k=2),
        np.float64(0.4),
        np.float64(1.3),
        draw.normal(size=4),
    )
    zs = np.cumsum(draw.normal(size=(n, 2)), axis=0)
    return Case(
        f"Kalman filter, 4 states, {n} steps",
        kalman,
        (params, zs, np.eye(2, 4), np.eye(4), np.eye(2)),
        kalman_by_hand,
        overhead=True,
        loop=True,
    )


# Items of an array.


def items(m: Ops, x: Arrays) -> Arrays:
    """A sum over the items."""
    step = lambda s, item: (s + m.xp.sin(item) * item, None)
    return m.scan(step, 0.0, x)[0]


def items_by_hand(x: Arrays) -> Arrays:
    """A person does without the loop."""
    s = np.sin(x)
    value = s @ x
    slope = np.cos(x)
    slope *= x
    slope += s
    return value, slope


@row("items")
def loop_over_items(quick: bool) -> Case:
    """A Python loop that indexes an array."""
    n = 100 if quick else 1_000
    return Case(
        f"sum over a loop with x[i], n = {n:,}",
        items,
        (np.linspace(0.0, 1.0, n),),
        items_by_hand,
        overhead=True,
        loop=True,
    )


# A partial differential equation.


def heat(m: Ops, params: Arrays, target: Arrays, n: int) -> Arrays:
    """The squared distance to a temperature after n explicit steps."""
    start, speed = params

    def step(u: Arrays, _: Any) -> tuple[Arrays, None]:
        return m.add_inside(u, speed * (u[2:] - 2.0 * u[1:-1] + u[:-2])), None

    e = m.scan(step, m.copy(start), None, n)[0] - target
    return m.xp.sum(e * e)


def heat_by_hand(params: Arrays, target: Arrays, n: int) -> Arrays:
    """In place, forth and back."""
    start, speed = params
    u = start.copy()
    bends = np.empty((n, len(u) - 2))
    change = np.empty(len(u) - 2)
    for bend in bends:
        np.multiply(u[1:-1], -2.0, out=bend)
        bend += u[2:]
        bend += u[:-2]
        u[1:-1] += np.multiply(bend, speed, out=change)
    u -= target
    value = u @ u
    ct = u
    ct *= 2.0
    d_speed = 0.0
    for bend in bends[::-1]:
        d_speed += bend @ ct[1:-1]
        np.multiply(ct[1:-1], speed, out=change)
        ct[2:] += change
        ct[:-2] += change
        change *= 2.0
        ct[1:-1] -= change
    return value, (ct, d_speed)


@row("heat")
def heat_equation(quick: bool) -> Case:
    """In-place updates of slices."""
    n, cells = (20, 100) if quick else (500, 1_000)
    draw = rng()
    params = (draw.normal(size=cells), np.float64(0.2))
    return Case(
        f"heat equation, {n} steps, {cells:,} cells",
        lambda m, *args: heat(m, *args, n),
        (params, draw.normal(size=cells)),
        lambda *args: heat_by_hand(*args, n),
        overhead=True,
        loop=True,
    )
