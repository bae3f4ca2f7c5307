"""The numerical methods behind roots, fixed points, minima and linear systems: plain NumPy.

Each works on a stack of independent problems at once: unknowns are an array (lanes, n) of real
numbers. A lane that has converged stops changing. Functions come in as maps of such arrays; the
results say which lanes converged (`Found`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array

__all__ = ["Found", "anderson", "cg", "gmres", "lbfgs", "newton", "newton_minimum"]

Map = Callable[[Array], Array]
"""(lanes, n) -> (lanes, n), or a matrix for each lane."""


_SLOW: Final = "more iterations are needed"


class Found(NamedTuple):
    """What a method found: the unknowns, which lanes converged, the size of what should be zero,
    and the number of iterations.
    """

    x: Array
    done: Array
    residual: Array
    iterations: int
    why: str = _SLOW


def _largest(x: Array) -> Array:
    found: Array = np.maximum.reduce(np.abs(x), -1, initial=0)
    return found


def _length(x: Array) -> Array:
    """The Euclidean norm, also of vectors whose squares overflow."""
    size = _largest(x)
    scale = np.where((size > 0) & np.isfinite(size), size, 1)
    found: Array = np.sqrt(np.add.reduce((x / scale[:, None]) ** 2, -1)) * scale
    return found


def _small_step(step: Array, x: Array, tol: float) -> Array:
    """Lanes whose step is small beside every element of x, or is rounding beside the largest."""
    rounding = 4 * np.finfo(x.dtype).eps * _largest(x)[:, None]
    return np.all(np.abs(step) <= tol * np.abs(x) + rounding, axis=-1)


def _at_the_end(step: Array, x: Array, x0: Array) -> Array:
    """Lanes where no progress means that rounding is in the way, as the step is small already."""
    scale = np.maximum(_largest(x), _largest(x0))
    return _largest(step) <= np.sqrt(np.finfo(x.dtype).eps) * np.where(scale == 0, 1, scale)


def _solve_stack(a: Array, b: Array) -> tuple[Array, Array]:
    """Solve with one vector for each matrix; the shortest best solution where one is singular.
    Also says which are.
    """
    singular = np.zeros(len(a), bool)
    try:
        return np.linalg.solve(a, b[..., None])[..., 0], singular
    except np.linalg.LinAlgError:
        x = np.full_like(b, np.nan)
    for i, (m, v) in enumerate(zip(a, b, strict=True)):
        try:
            x[i] = np.linalg.solve(m, v)
        except np.linalg.LinAlgError:
            singular[i] = True
            if np.all(np.isfinite(m)):
                x[i] = np.linalg.pinv(m) @ v
    return x, singular


# Roots.


def newton(f: Map, jacobian: Map, x: Array, tol: float, maxiter: int) -> Found:
    """Newton's method, where a step is halved until the residual is smaller."""
    x0, y = x, f(x)
    first = _length(y)
    eps = np.finfo(x.dtype).eps
    done = _largest(y) == 0
    stuck = np.zeros_like(done)
    why = _SLOW
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    for iteration in range(maxiter):
        active = ~(done | stuck)
        if not np.any(active):
            return Found(x, done, _largest(y), iteration, why)
        a = np.where(active[:, None, None], jacobian(x), eye)
        solved, singular = _solve_stack(a, y)
        step = np.where(active[:, None], -solved, 0)
        norm = _length(y)
        t = np.ones_like(norm)
        for _ in range(50):
            x_new = x + t[:, None] * step
            y_new = f(x_new)
            ok = (_length(y_new) < (1 - 1e-4 * t) * norm) | ~active
            if np.all(ok):
                break
            t = np.where(ok, t, t / 2)
        moved = ok & active
        x, y = np.where(moved[:, None], x_new, x), np.where(moved[:, None], y_new, y)
        near = (t == 1) & _small_step(step, x, tol)
        near = near | ((~ok | (t < 1)) & _at_the_end(step, x, x0))
        # At a multiple root the steps never become small beside x, if x is zero there.
        scale = np.maximum(_largest(x), _largest(x0))
        near = near | ((_largest(step) <= eps * scale) & (_length(y) <= eps * eps * first))
        done = done | (active & ~singular & near) | (_largest(y) == 0)
        stuck = ~done & ~ok
        if np.any(stuck & singular & active):
            why = "the Jacobian is singular on the way, and no step makes the residual smaller"
        elif np.any(stuck & active):
            why = "no step makes the residual smaller"
    return Found(x, done, _largest(y), maxiter, why)


# Fixed points.


def anderson(g: Map, x: Array, tol: float, maxiter: int, memory: int) -> Found:
    """Fixed-point iteration; with a memory, extrapolated from the last few iterates (Anderson)."""
    done = np.zeros(x.shape[0], bool)
    first = residual = _largest(x)
    eps = np.finfo(x.dtype).eps
    xs: list[Array] = []
    steps: list[Array] = []
    for iteration in range(maxiter):
        if done.all():
            return Found(x, done, residual, iteration)
        y = g(x)
        step = y - x
        size = _largest(step)
        if iteration == 0:
            first = size
        some = done.any()
        residual = np.where(done, residual, size) if some else size
        near = residual <= np.maximum(tol * _largest(y), eps * first)
        new = y
        if memory:
            xs, steps = [*xs, y][-memory - 1 :], [*steps, step][-memory - 1 :]
            if len(xs) > 1:
                new = _extrapolated(xs, steps)
                new = np.where(np.isfinite(new), new, y)
            new = np.where(near[:, None], y, new)
        x = np.where(done[:, None], x, new) if some else new
        done = done | near
    return Found(x, done, residual, maxiter, "it converges too slowly, or not at all")


def _extrapolated(ys: list[Array], steps: list[Array]) -> Array:
    """The combination of iterates whose steps cancel best."""
    d_steps = np.stack([a - b for a, b in zip(steps[1:], steps, strict=False)], axis=-1)
    d_ys = np.stack([a - b for a, b in zip(ys[1:], ys, strict=False)], axis=-1)
    finite = np.all(np.isfinite(d_steps), axis=(1, 2), keepdims=True)
    inverse = np.linalg.pinv(np.where(finite, d_steps, 0), rcond=1e-10)
    weights = inverse @ np.where(finite[..., 0], steps[-1], 0)[..., None]
    return ys[-1] - (d_ys @ weights)[..., 0]


# Minima.

ValueAndGradient = Callable[[Array], tuple[Array, Array]]


def _descend(
    f: ValueAndGradient,
    x: Array,
    value: Array,
    g: Array,
    step: Array,
    active: Array,
) -> tuple[Array, Array, Array, Array, Array]:
    """The step, halved until the value is smaller: (x, value, gradient, part of it, accepted)."""
    slope = np.sum(g * step, axis=-1)
    noise = 10 * np.finfo(x.dtype).eps * np.abs(value)
    t = np.ones_like(value)
    for _ in range(50):
        x_new = x + t[:, None] * step
        v_new, g_new = f(x_new)
        ok = (v_new <= value + 1e-4 * t * slope + noise) & np.all(np.isfinite(g_new), axis=-1)
        ok = ok | ~active
        if np.all(ok):
            break
        t = np.where(ok, t, t / 2)
    moved = ok & active
    x, value = np.where(moved[:, None], x_new, x), np.where(moved, v_new, value)
    return x, value, np.where(moved[:, None], g_new, g), t, ok


def newton_minimum(f: ValueAndGradient, hessian: Map, x: Array, tol: float, maxiter: int) -> Found:
    """Newton's method for a minimum: where the Hessian is not positive, its eigenvalues are made
    so, and a step is halved until the value is smaller.
    """
    x0 = x
    value, g = f(x)
    done = stuck = np.zeros(x.shape[0], bool)
    why = "no step makes the value smaller"
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    eps = np.finfo(x.dtype).eps
    for iteration in range(maxiter):
        active = ~(done | stuck)
        if not np.any(active):
            return Found(x, done, _largest(g), iteration, why)
        h = hessian(x)
        h = (h + np.swapaxes(h, -1, -2)) / 2
        finite = np.all(np.isfinite(h), axis=(-1, -2)) & active
        w, v = np.linalg.eigh(np.where(finite[:, None, None], h, eye))
        most = _largest(w)
        saddle = (np.min(w, axis=-1, initial=np.inf) < -np.sqrt(eps) * most) & active
        size = np.maximum(np.abs(w), np.where(most == 0, 1, eps * most)[:, None])
        step = -(v @ ((np.swapaxes(v, -1, -2) @ g[..., None]) / size[..., None]))[..., 0]
        step = np.where(active[:, None], step, 0)
        here = (_largest(g) == 0) & active
        x, value, g, t, ok = _descend(f, x, value, g, step, active & ~here)
        if np.any(here & saddle):
            why = "it stopped at a saddle point, or a maximum"
        small = here | (ok & (t == 1) & _small_step(step, x, tol))
        small = small | ((~ok | (t < 1)) & _at_the_end(step, x, x0))
        done = done | (small & ~saddle & active)
        stuck = stuck | (~done & ((here & saddle) | ~ok))
    return Found(x, done, _largest(g), maxiter, why if np.any(stuck) else _SLOW)


def lbfgs(f: ValueAndGradient, x: Array, tol: float, maxiter: int, memory: int = 20) -> Found:
    """The quasi-Newton method with limited memory."""
    x0 = x
    value, g = f(x)
    done = _largest(g) == 0
    stuck = np.zeros_like(done)
    pairs: list[tuple[Array, Array, Array]] = []
    for iteration in range(maxiter):
        active = ~(done | stuck)
        if not np.any(active):
            return Found(x, done, _largest(g), iteration, "no step makes the value smaller")
        step = -_inverse_hessian(pairs, g)
        if not pairs:  # of length 1 at most, as nothing is known of the curvature
            step = step / np.maximum(1, _length(g))[:, None]
        step = np.where(active[:, None], step, 0)
        x_new, value, g_new, t, ok = _descend(f, x, value, g, step, active)
        small = ok & (t == 1) & _small_step(step, x_new, tol) & (iteration > 0)
        done = done | (active & (small | (_largest(g_new) == 0)))
        done = done | (active & (~ok | (t < 1)) & _at_the_end(step, x, x0))
        stuck = ~done & ~ok
        dx, dg = x_new - x, g_new - g
        curvature = np.sum(dx * dg, axis=-1)
        good = curvature > np.finfo(x.dtype).eps * _length(dx) * _length(dg)
        rho = np.where(good, 1 / np.where(good, curvature, 1), 0)
        pairs = [*pairs, (dx, dg, rho)][-memory:]
        x, g = x_new, g_new
    return Found(x, done, _largest(g), maxiter)


def _inverse_hessian(pairs: list[tuple[Array, Array, Array]], g: Array) -> Array:
    """The product with the estimate of the inverse Hessian; pairs with rho = 0 say nothing."""
    weights = []
    for dx, dg, rho in reversed(pairs):
        weight = rho * np.sum(dx * g, axis=-1)
        weights.append(weight)
        g = g - weight[:, None] * dg
    scale: Any = 1.0
    for _, dg, rho in pairs:
        square = np.sum(dg * dg, axis=-1) * rho
        scale = np.where(square > 0, 1 / np.where(square > 0, square, 1), scale)
    g = g * np.reshape(scale, (-1, 1))
    for (dx, dg, rho), weight in zip(pairs, reversed(weights), strict=True):
        g = g + (weight - rho * np.sum(dg * g, axis=-1))[:, None] * dx
    return g


# Linear systems.


def cg(a: Map, b: Array, x: Array, m: Map | None, tol: float, maxiter: int) -> Found:
    """Conjugate gradients, for symmetric positive definite maps; `m` is near the inverse of `a`."""
    limit = tol * _length(b)
    r = b - a(x)
    z = r if m is None else m(r)
    p, rz = z, np.sum(r * z, axis=-1)
    stuck = np.zeros(len(b), bool)
    for iteration in range(maxiter + 1):
        done = _length(r) <= limit
        ended = done | stuck
        if np.all(ended) or iteration == maxiter:
            break
        ap = a(p)
        curvature = np.sum(p * ap, axis=-1)
        stuck = stuck | (~done & ~(curvature > 0))
        ended = done | stuck
        alpha = np.where(ended, 0, rz / np.where(ended, 1, curvature))[:, None]
        x = np.where(ended[:, None], x, x + alpha * p)
        r = np.where(ended[:, None], r, r - alpha * ap)
        z = r if m is None else m(r)
        rz_new = np.sum(r * z, axis=-1)
        p = np.where(ended[:, None], p, z + (rz_new / np.where(ended, 1, rz))[:, None] * p)
        rz = np.where(ended, rz, rz_new)
    why = "the map is not symmetric and positive definite" if np.any(stuck) else _SLOW
    return Found(x, done & ~stuck, _length(b - a(x)), iteration, why)


def gmres(
    a: Map, b: Array, x: Array, m: Map | None, tol: float, maxiter: int, restart: int
) -> Found:
    """GMRES with restarts, preconditioned from the right: for any invertible map."""
    limit = tol * _length(b)
    restart = max(1, min(restart, b.shape[-1]))
    used, last = 0, np.full(b.shape[0], np.inf)
    while True:
        r = b - a(x)
        size = _length(r)
        done = size <= limit
        stuck = ~done & ~(size < last)
        if np.all(done | stuck) or used >= maxiter:
            break
        last = size
        basis = [r / np.where(size == 0, 1, size)[:, None]]
        h = np.zeros((b.shape[0], restart + 1, restart), b.dtype)
        for k in range(restart):
            w = a(basis[k] if m is None else m(basis[k]))
            used += 1
            for _ in range(2):  # twice, against rounding
                for j, v in enumerate(basis):
                    c = np.sum(v * w, axis=-1)
                    h[:, j, k] += c
                    w = w - c[:, None] * v
            length = _length(w)
            # What is left of a vector inside the space is rounding, and no direction.
            length = np.where(length <= 1e-14 * np.max(np.abs(h[:, :, k]), axis=-1), 0, length)
            h[:, k + 1, k] = length
            basis.append(
                np.where(length[:, None] > 0, w, 0) / np.where(length > 0, length, 1)[:, None]
            )
            if np.all(length == 0):
                break
        h = h[:, : k + 2, : k + 1]
        h = np.where(np.all(np.isfinite(h), axis=(1, 2), keepdims=True), h, 0)
        weights = np.linalg.pinv(h, rcond=np.finfo(b.dtype).eps)[:, :, 0] * size[:, None]
        move = np.sum(np.stack(basis[: k + 1], axis=-1) * weights[:, None, :], axis=-1)
        x = np.where((done | stuck)[:, None], x, x + (move if m is None else m(move)))
    why = "it makes no progress; the map may be singular" if np.any(stuck) else _SLOW
    return Found(x, done, size, used, why)
