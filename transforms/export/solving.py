"""Solvers as programs: what stands for linear systems and roots, whose own solvers need values.

A linear system becomes a matrix and `np.linalg.solve`, whatever its solver; a root becomes Newton's
method in a while loop, with steps that are halved until the residual is smaller. The solution is
the same to the tolerance of the solver. One that is not found is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, ShapedArray
from ...core.ir import Equation, Program, evaluate
from ..control.subprograms import trace_flat
from ..control.while_loop import while_loop
from ..jacobian import jacfwd
from ..solving.lanes import Level, run_lanes
from ..solving.linear_solvers import default_tol

__all__ = ["solved"]

_LEAST: Final = 1e-12
"""The smallest part of a step of Newton's."""


def solved(e: Equation, avals: Sequence[ShapedArray]) -> Program | None:
    """The program for `linear_solve` or `root`; None where there is none."""
    if e.primitive.name == "linear_solve":
        return _linear(e, avals)
    method = e.params["method"]
    program = getattr(method, "program", None)
    if program is None and getattr(method, "name", "") not in ("newton", "anderson"):
        return None
    return _users(e, avals, program) if program is not None else _newton(e, avals)


class _Vector:
    """The leaves of an unknown as one vector of floats."""

    def __init__(self, avals: Sequence[ShapedArray]) -> None:
        self.avals = avals

    def join(self, leaves: Sequence[Array]) -> Array:
        """The vector."""
        return np.concatenate([np.reshape(x, -1) for x in leaves])

    def split(self, x: Array) -> list[Array]:
        """The leaves."""
        ends = np.cumsum([0, *[v.size for v in self.avals]]).tolist()
        return [
            np.reshape(x[a:b], v.shape)
            for a, b, v in zip(ends[:-1], ends[1:], self.avals, strict=True)
        ]


def _real(avals: Sequence[ShapedArray]) -> bool:
    return all([v.dtype.kind == "f" for v in avals]) and bool(sum([v.size for v in avals]))


def _linear(e: Equation, avals: Sequence[ShapedArray]) -> Program | None:
    params = e.params
    matrix, counts, levels = params["matrix"], params["counts"], params["levels"]
    n_a, first = counts[0], sum(counts)
    vector = _Vector(matrix.in_avals[n_a:])
    if not _real(vector.avals) or params["solver"].extra:
        return None
    size = sum([v.size for v in vector.avals])
    n = len(vector.avals)

    def one(*args: Array) -> list[Array]:
        a, b = args[:n_a], args[n_a:]
        apply = lambda x: vector.join(evaluate(matrix, *a, *vector.split(x)))
        dense = jacfwd(apply)(np.zeros(size))
        return vector.split(np.linalg.solve(dense, vector.join(b)))

    full = [Level(v.size, (*v.batched[:n_a], *v.batched[first:])) for v in levels]

    def run(*args: Array) -> Any:
        return run_lanes(params["operation"], one, full, [*args[:n_a], *args[first:]], n)

    return trace_flat("linear_solve", run, avals)


def _users(e: Equation, avals: Sequence[ShapedArray], program: Program) -> Program:
    """A solver of the user's own that could be traced."""
    params = e.params
    n_f = params["counts"][0]
    full = [Level(v.size, tuple(v.batched[n_f:])) for v in params["levels"]]
    one = lambda *v: evaluate(program, *v)

    def run(*args: Array) -> Any:
        return run_lanes(params["operation"], one, full, args[n_f:], len(program.outputs))

    return trace_flat("root", run, avals)


def _newton(e: Equation, avals: Sequence[ShapedArray]) -> Program | None:
    params = e.params
    f, skip, method = params["f"], params["skip"], params["method"]
    n_f, n_s = params["counts"]
    vector = _Vector(f.in_avals[n_f:])
    if not _real(vector.avals):
        return None
    dtype = np.result_type(*[v.dtype for v in vector.avals])
    tol = default_tol(dtype) if method.tol is None else method.tol
    most = method.maxiter or 100

    def one(*args: Array) -> list[Array]:
        theta = args[:n_f]

        def residual(x: Array) -> Array:
            return vector.join(evaluate(f, *theta, *vector.split(x))[skip:])

        def turn(state: Any) -> Any:
            x, k, _ = state
            y = residual(x)
            step = -np.linalg.solve(jacfwd(residual)(x), y)
            size = np.sum(y * y)
            t = while_loop(
                lambda t: (np.sum(residual(x + t * step) ** 2) > size) & (t > _LEAST),
                lambda t: t / 2,
                1.0,
            )
            length, stuck = np.max(np.abs(step)), t <= _LEAST
            # Next to a root, rounding may keep the residual from becoming smaller.
            lost = stuck & (length > np.sqrt(tol) * np.max(np.abs(x)))
            x = np.where(stuck, np.where(lost, np.nan, x), x + t * step)
            near = length <= tol * np.maximum(np.max(np.abs(x)), tol)
            return x, k + 1, near | stuck

        start = vector.join(args[n_f:])
        done = np.max(np.abs(residual(start))) == 0
        x, _, done = while_loop(lambda s: ~s[2] & (s[1] < most), turn, (start, 0, done))
        return vector.split(np.where(done, x, np.nan))

    full = [Level(v.size, (*v.batched[:n_f], *v.batched[n_f + n_s :])) for v in params["levels"]]

    def run(*args: Array) -> Any:
        given = [*args[:n_f], *args[n_f + n_s :]]
        return run_lanes(params["operation"], one, full, given, len(vector.avals))

    return trace_flat("root", run, avals)
