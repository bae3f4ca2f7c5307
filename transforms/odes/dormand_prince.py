"""The method of Dormand and Prince, of order 5(4): steps of a size that keeps the error small.

`solve : y' = f(y, t), y(times[0]) = y0 -> Path` for one vector, and `solve_lanes` for many at once,
each with times, steps and errors of its own. Plain NumPy, with warnings of floating-point errors
switched off by the caller; nothing is differentiated here. A `Path` says which steps were taken, so
that `odeint_steps.py` can follow them.

Every state of a path is a *row*: it is reached from state number `index` of those at which a step
began, by the fraction `tau / size` of that step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Final, NamedTuple, NoReturn

import numpy as np

from ...core.aval import Array

__all__ = [
    "A",
    "B",
    "C",
    "DENSE",
    "Control",
    "Path",
    "check_times",
    "in_lane",
    "joined",
    "solve",
    "solve_lanes",
]

# Stage i is at the time c[i] of a step, where the state is y + h * (A[i] @ stages before). The
# stage at the end (its weights are B) is the first of the next step.
C: Final = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
A: Final = (
    np.array([1 / 5]),
    np.array([3 / 40, 9 / 40]),
    np.array([44 / 45, -56 / 15, 32 / 9]),
    np.array([19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729]),
    np.array([9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656]),
)
B: Final = np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84])
_ERROR: Final = np.array(
    [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]
)
"""The weights of order 5 less those of order 4."""


def _dense_weights() -> Array:
    """Between the ends of a step the weights are `DENSE @ [x, x^2, x^3, x^4]`, x from 0 to 1.

    The polynomial has the values and slopes of the solution at both ends; one number a stage is
    left, which Shampine (1986) chose so that it is of order 4.
    """
    b = np.append(B, 0.0)
    first, last = np.eye(7)[0], np.eye(7)[6]
    d = np.array([
        -12715105075 / 11282082432, 0, 87487479700 / 32700410799, -10690763975 / 1880347072,
        701980252875 / 199316789632, -1453857185 / 822651844, 69997945 / 29380423,
    ])  # fmt: skip
    bend = 2 * b - first - last
    return np.stack([first, b - first + bend + d, -bend - 2 * d, d], axis=1)


DENSE: Final = _dense_weights()


class Control(NamedTuple):
    """The tolerances, the number of steps from one time to the next, and the largest step."""

    rtol: float
    atol: float
    mxstep: float
    hmax: float

    def __repr__(self) -> str:
        limits = {"mxstep": self.mxstep, "hmax": self.hmax}
        given = {k: v for k, v in limits.items() if v < np.inf}
        parts = {"rtol": self.rtol, "atol": self.atol, **given}
        return f"({', '.join([f'{k}={v:g}' for k, v in parts.items()])})"


class Path(NamedTuple):
    """A solution at the times, and the rows that lead to it: those of all steps but the last one,
    then those of the times.

    `states` are those at which a step began, `offset` is the time of that since the first time.
    """

    out: Array
    states: Array
    index: Array
    offset: Array
    size: Array
    tau: Array


_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0
_IDLE = 1e-6
"""The size of the step that stands for none, where all times are equal."""


def check_times(times: Array) -> None:
    """Raise a ValueError unless times are finite and in order, along the last axis."""
    if not np.all(np.isfinite(times)):
        raise ValueError(f"odeint: the times must be finite; got {times}")
    gaps = np.diff(times)
    if not np.all(np.all(gaps >= 0, axis=-1) | np.all(gaps <= 0, axis=-1)):
        raise ValueError(f"odeint: the times must increase, or decrease; got {times}")


# One solution.


def solve(
    f: Callable[[Array, Array], Array],
    y0: Array,
    times: Array,
    control: Control,
    keep: bool,
    which: str = "",
) -> Path:
    """The solution of y' = f(y, t) from `times[0]`, where it is y0, at all times.

    Without `keep` the steps are forgotten at once, and only `out` is filled. `which` says in
    messages which solution it is.
    """
    rtol, atol, mxstep, hmax = control
    n = y0.size
    ts = times.tolist()
    t = start = ts[0]
    end = ts[-1]
    way = 1.0 if end >= start else -1.0
    out = np.empty((len(ts), n))
    index, tau = [0] * len(ts), [0.0] * len(ts)
    done = 0
    while done < len(ts) and ts[done] == start:
        out[done] = y0
        done += 1
    states: list[Array] = []
    offset: list[float] = []
    size: list[float] = []
    y = y0
    k = np.empty((7, n))
    before = [k[:i] for i in range(8)]
    dot, maximum, absolute = np.dot, np.maximum, np.abs
    h = 0.0
    if done < len(ts):
        k[0] = f(y, np.float64(t))
        h = min(_first_step(f, y, k[0], t, end, control, which), hmax)
    magnitude = absolute(y)
    attempts = steps = 0
    while done < len(ts):
        least = 10 * abs(np.nextafter(t, way * np.inf) - t)
        growth = _MOST
        while True:
            if attempts >= mxstep:
                _too_many(attempts, t, steps, h, which)
            if h < least:
                _underflow(t, steps, h, k[0], which)
            attempts += 1
            step = way * h
            t_new = t + step
            if (t_new - end) * way >= 0:
                t_new = end
                step = end - t
            for i in range(5):
                k[i + 1] = f(y + step * dot(A[i], before[i + 1]), np.float64(t + C[i] * step))
            y_new = y + step * dot(B, before[6])
            k[6] = f(y_new, np.float64(t_new))
            magnitude_new = absolute(y_new)
            scaled = dot(_ERROR, k) * step
            scaled /= maximum(magnitude, magnitude_new) * rtol + atol
            error = sqrt(dot(scaled, scaled) / n) if n else 0.0
            if error <= 1:
                break
            h = abs(step) * (max(_LEAST, _SAFETY * error**-0.2) if error < np.inf else _LEAST)
            growth = 1.0
        if keep:
            states.append(y)
            offset.append(t - start)
            size.append(step)
        while done < len(ts) and (ts[done] - t_new) * way <= 0:
            index[done], tau[done] = steps, ts[done] - t
            if ts[done] == t_new:
                tau[done] = step
                out[done] = y_new
            else:
                x = tau[done] / step
                out[done] = y + step * dot(DENSE @ (x, x * x, x**3, x**4), k)
            done += 1
            attempts = 0
        h = min(abs(step) * (min(growth, _SAFETY * error**-0.2) if error else growth), hmax)
        y, t, magnitude = y_new, t_new, magnitude_new
        k[0] = k[6]
        steps += 1
    if not keep:
        return Path(out, *[np.zeros(0)] * 5)
    if not size:
        states, offset, size = [y0], [0.0], [_IDLE * max(1.0, abs(start))]
    m = len(size) - 1
    rows = np.concatenate([np.arange(m), np.asarray(index, np.intp)])
    sizes = np.asarray(size)
    return Path(
        out,
        np.stack(states),
        rows,
        np.asarray(offset)[rows],
        sizes[rows],
        np.concatenate([sizes[:m], tau]),
    )


def _first_step(
    f: Callable[[Array, Array], Array],
    y: Array,
    k: Array,
    t: float,
    end: float,
    control: Control,
    which: str,
) -> float:
    """A guess at the first step, of Hairer, Norsett and Wanner (1993), section II.4."""
    if not np.all(np.isfinite(k)):
        _underflow(t, 0, 0.0, k, which)
    scale = control.atol + np.abs(y) * control.rtol
    d0, d1 = _rms(y / scale), _rms(k / scale)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    h0 = min(h0, abs(end - t), control.hmax)
    step = h0 if end > t else -h0
    d2 = _rms((f(y + step * k, np.float64(t + step)) - k) / scale) / h0
    if not d2 < np.inf:
        return h0 * 1e-3
    steepest = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if steepest <= 1e-15 else (0.01 / steepest) ** 0.2
    return float(min(100 * h0, h1))


def in_lane(i: int) -> str:
    """Which solution of a batch, in a message."""
    return f" in lane {i} of the batch"


def _rms(x: Array) -> float:
    return sqrt(np.dot(x, x) / x.size) if x.size else 0.0


def _too_many(attempts: int, t: float, n: int, h: float, which: str) -> NoReturn:
    raise RuntimeError(
        f"odeint: mxstep={attempts} steps were not enough to reach the next time{which}. Step "
        f"{n + 1} starts at t={t:.9g} and has size {h:.3g}. Raise mxstep, or the tolerances; a "
        "stiff system needs an implicit solver, as wengert.scipy.integrate.solve_ivp has."
    )


def _underflow(t: float, n: int, h: float, k: Array, which: str) -> NoReturn:
    finite = np.all(np.isfinite(k))
    why = (
        "the solution may have a singularity there, or its derivative is not finite beyond"
        if finite
        else "the derivative is not finite there"
    )
    raise RuntimeError(
        f"odeint: step size underflow{which}: step {n + 1} at t={t:.9g} has come down to size "
        f"{h:.3g}, and {why}."
    )


# Many solutions.


def solve_lanes(
    f: Callable[[Array, Array, Array], Array],
    y0: Array,
    times: Array,
    control: Control,
    keep: bool,
) -> Path:
    """`solve` for each row of y0 and of times; `f(y, t, lanes)` is of some of them.

    All lanes make a step at the same time, each its own; those that are done drop out.
    """
    rtol, atol, mxstep, hmax = control
    b, n = y0.shape
    count = times.shape[1]
    start, end = times[:, 0], times[:, -1]
    way = np.where(end >= start, 1.0, -1.0)
    out = np.empty((b, count, n))
    index, tau = np.zeros((b, count), np.intp), np.zeros((b, count))
    done = np.zeros(b, np.intp)
    at_start = times == start[:, None]
    out[at_start] = np.broadcast_to(y0[:, None], out.shape)[at_start]
    done += np.sum(at_start, axis=1)
    steps = np.zeros(b, np.intp)
    attempts = np.zeros(b, np.intp)
    taken: list[tuple[Array, Array, Array, Array]] = []

    lanes = np.flatnonzero(done < count)
    y, t = y0[lanes], start[lanes]
    k = np.empty((7, len(lanes), n))
    h = np.zeros(len(lanes))
    if len(lanes):
        k[0] = f(y, t, lanes)
        h = np.minimum(_first_steps(f, y, k[0], t, end[lanes], lanes, control), hmax)
    growth = np.full(len(lanes), _MOST)
    while len(lanes):
        w, last = way[lanes], end[lanes]
        least = 10 * np.abs(np.nextafter(t, w * np.inf) - t)
        for bad, refuse in ((attempts[lanes] >= mxstep, _too_many), (h < least, _underflow)):
            if np.any(bad):
                i = int(np.argmax(bad))
                lane = lanes[i]
                which = in_lane(lane)
                if refuse is _too_many:
                    _too_many(int(attempts[lane]), t[i], int(steps[lane]), h[i], which)
                _underflow(t[i], int(steps[lane]), h[i], k[0, i], which)
        attempts[lanes] += 1
        step = w * h
        beyond = (t + step - last) * w >= 0
        t_new = np.where(beyond, last, t + step)
        step = np.where(beyond, last - t, step)
        wide = step[:, None]
        for i in range(5):
            stage = y + wide * np.tensordot(A[i], k[: i + 1], 1)
            k[i + 1] = f(stage, t + C[i] * step, lanes)
        y_new = y + wide * np.tensordot(B, k[:6], 1)
        k[6] = f(y_new, t_new, lanes)
        scaled = np.tensordot(_ERROR, k, 1) * wide
        scaled /= np.maximum(np.abs(y), np.abs(y_new)) * rtol + atol
        error = np.sqrt(np.sum(scaled * scaled, axis=1) / max(n, 1))
        good = error <= 1
        factor = _SAFETY * error**-0.2
        down = np.where(error < np.inf, np.maximum(factor, _LEAST), _LEAST)
        h = np.abs(step) * np.where(good, np.minimum(factor, growth), down)
        h = np.minimum(h, hmax)
        growth = np.where(good, _MOST, 1.0)

        mine = lanes[good]
        if keep:
            taken.append((mine, t[good] - start[mine], step[good], y[good]))
        waiting = np.flatnonzero(good)
        while True:
            lane = lanes[waiting]
            due = times[lane, np.minimum(done[lane], count - 1)]
            reached = (done[lane] < count) & ((due - t_new[waiting]) * way[lane] <= 0)
            if not np.any(reached):
                break
            waiting, lane, due = waiting[reached], lane[reached], due[reached]
            whole = due == t_new[waiting]
            part = np.where(whole, step[waiting], due - t[waiting])
            x = part / step[waiting]
            weights = np.stack([x, x * x, x**3, x**4], axis=1) @ DENSE.T
            between = np.einsum("ls,sln->ln", weights, k[:, waiting]) * wide[waiting]
            at = np.where(whole[:, None], y_new[waiting], y[waiting] + between)
            out[lane, done[lane]] = at
            index[lane, done[lane]], tau[lane, done[lane]] = steps[lane], part
            done[lane] += 1
            attempts[lane] = 0
        steps[mine] += 1
        y = np.where(good[:, None], y_new, y)
        t = np.where(good, t_new, t)
        k[0] = np.where(good[:, None], k[6], k[0])
        left = done[lanes] < count
        if not np.all(left):
            lanes, y, t, h, growth = lanes[left], y[left], t[left], h[left], growth[left]
            k = k[:, left]
    if not keep:
        return Path(out, *[np.zeros(0)] * 5)
    return _padded(out, y0, start, taken, steps, index, tau)


def joined(paths: Sequence[Path], y0: Array, times: Array) -> Path:
    """Paths of single solutions as those of lanes."""
    n = y0.shape[1]
    if not paths:
        return solve_lanes(lambda y, t, lanes: y, y0, times, Control(1, 1, 1, 1), True)
    out = np.stack([p.out for p in paths])
    if not paths[0].size.size and times.size:
        return paths[0]._replace(out=out)
    steps = np.array([len(p.states) for p in paths])
    ends = [[*range(k - 1), -1] for k in steps]  # the last time is in the last step
    taken = [
        (np.full(k, i), p.offset[e], p.size[e], np.reshape(p.states, (k, n)))
        for i, (p, k, e) in enumerate(zip(paths, steps, ends, strict=True))
    ]
    index = np.stack([p.index[k - 1 :] for p, k in zip(paths, steps, strict=True)])
    tau = np.stack([p.tau[k - 1 :] for p, k in zip(paths, steps, strict=True)])
    return _padded(out, y0, times[:, 0], taken, steps, index, tau)


def _first_steps(
    f: Callable[[Array, Array, Array], Array],
    y: Array,
    k: Array,
    t: Array,
    end: Array,
    lanes: Array,
    control: Control,
) -> Array:
    """`_first_step` for each lane."""
    finite = np.all(np.isfinite(k), axis=1)
    if not np.all(finite):
        i = int(np.argmin(finite))
        _underflow(t[i], 0, 0.0, k[i], in_lane(lanes[i]))
    scale = control.atol + np.abs(y) * control.rtol

    def rms(x: Array) -> Array:
        return np.sqrt(np.sum(x * x, axis=1) / max(x.shape[1], 1))

    d0, d1 = rms(y / scale), rms(k / scale)
    slow = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = np.where(slow, 1e-6, 0.01 * d0 / np.where(slow, 1.0, d1))
    h0 = np.minimum(np.minimum(h0, np.abs(end - t)), control.hmax)
    step = np.where(end > t, h0, -h0)
    d2 = rms((f(y + step[:, None] * k, t + step, lanes) - k) / scale) / h0
    steepest = np.maximum(d1, d2)
    flat = ~(steepest > 1e-15)
    h1 = np.where(flat, np.maximum(1e-6, h0 * 1e-3), (0.01 / np.where(flat, 1.0, steepest)) ** 0.2)
    return np.where(d2 < np.inf, np.minimum(100 * h0, h1), h0 * 1e-3)


def _padded(
    out: Array,
    y0: Array,
    start: Array,
    taken: list[tuple[Array, Array, Array, Array]],
    steps: Array,
    index: Array,
    tau: Array,
) -> Path:
    """The paths of lanes with different numbers of steps: missing ones are the last, begun and not
    made.
    """
    b, n = y0.shape
    most = max(int(np.max(steps, initial=0)), 1)
    states = np.broadcast_to(y0[:, None], (b, most, n)).copy()
    offset = np.zeros((b, most))
    size = np.broadcast_to(_IDLE * np.maximum(1.0, np.abs(start))[:, None], (b, most)).copy()
    if taken:
        lane, begun, step, state = [np.concatenate(part) for part in zip(*taken, strict=True)]
        order = np.argsort(lane, kind="stable")
        lane = lane[order]
        number = np.arange(len(lane)) - np.searchsorted(lane, lane)
        offset[lane, number], size[lane, number] = begun[order], step[order]
        states[lane, number] = state[order]
    last = np.maximum(steps, 1) - 1
    inner = np.arange(most - 1)
    rows = np.concatenate([np.minimum(inner, last[:, None]), index], axis=1)

    def of_row(x: Array) -> Array:
        return np.take_along_axis(x, rows, axis=1)

    made = np.where(inner < last[:, None], of_row(size)[:, : most - 1], 0.0)
    return Path(
        out, states, rows, of_row(offset), of_row(size), np.concatenate([made, tau], axis=1)
    )
