"""Solving the user's equations, with derivatives. Two ways lead to it:

- With nothing but derivatives running, the solver sees plain values, and then each derivative's
  trace, the oldest first, is given the tangent of the solution. So the user's functions may be any
  Python code.
- In a program, or under `vmap`, the equations become a program, which is a parameter of the
  primitive `root` (`implicit.py`), whose rule says the same.

Read next: `roots.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import (
    DtypeError,
    UnsupportedError,
    WengertError,
)
from ...core.primitives.elementwise import astype
from ...core.source import describe_function
from ...core.tracing import Trace, Tracer
from ..control.bodies import Leaves
from ..grad import value_and_grad
from ..jvp import ForwardTrace, JVPTrace, JVPTracer
from ..linearize import own_copy
from ..program import trace_closed
from ..taylor.trace import JetTrace, JetTracer
from .detach import derivative_traces, detached, value_of
from .implicit import LeafFunction, Method, Problem, UsersMethod, implicit_tangent, root_p
from .lanes import (
    RealVectors,
)
from .linear_maps import check_leaves
from .linear_solvers import (
    Solver,
)
from .user_code import needs_programs

__all__ = ["Equations", "Minimand", "size_of", "solution"]


class Equations:
    """The user's equations as a function of leaves, `run`, whose results are checked and have the
    dtypes of the unknowns; and the same for the user's own trees, `f`.

    `avals_seen` are the types of the results before that.
    """

    def __init__(
        self, operation: str, what: str, f: Callable[[Any], Any], x: Leaves, keep_image: bool
    ) -> None:
        self.operation = operation
        self.f = f
        self.x = x
        self.what = what
        self.keep_image = keep_image
        self.skip = len(x.arrays) if keep_image else 0
        self.avals = x.avals
        self.seen: list[ShapedArray] = []

    def run(self, *leaves: Array) -> list[Array]:
        """The results; with `keep_image` these and what they differ from the unknowns by."""
        found = self.f(self.x.rebuilt(leaves))
        if type(found) is np.ndarray and len(leaves) == 1 and leaves[0] is not found:
            x = leaves[0]  # the commonest case, quickly
            alike = type(x) is np.ndarray and x.shape == found.shape and x.dtype == found.dtype
            if alike and self.x.treedef.kind is None:
                self.seen = self.avals
                return [found, found - x] if self.keep_image else [found]
        if isinstance(found, list) and found and self.x.treedef.kind is None:
            found = np.stack(found)  # a list of equations for an array of unknowns
        ys = check_leaves(
            self.operation, self.what, found, self.x.treedef, self.avals, "x0", cast=False
        )
        self.seen = [aval_of(y) for y in ys]
        for y, v in zip(self.seen, self.avals, strict=True):
            if y.dtype.kind == "c" and v.dtype.kind != "c":
                raise DtypeError(
                    f"{self.operation}: {self.what} is complex, and the unknowns are real.",
                    got=repr(y),
                    needed=repr(v),
                    fix="start with a complex x0",
                )
        ys = [astype(y, v.dtype) for y, v in zip(ys, self.avals, strict=True)]
        if not self.keep_image:
            return ys
        return [*ys, *[y - x for y, x in zip(ys, leaves, strict=True)]]

    def named(self) -> LeafFunction:
        """`run` under the name of the user's function, for messages."""

        def run(*leaves: Array) -> list[Array]:
            return self.run(*leaves)

        run.__name__ = describe_function(self.f)
        return run

    def promote(self) -> bool:
        """Give the unknowns the dtypes that hold the results; True if that changed any."""
        due = [
            np.result_type(v.dtype, y.dtype_or_python_type(1) if y.weak_type else y.dtype)
            for v, y in zip(self.x.avals, self.seen, strict=True)
        ]
        if all([v.dtype == d for v, d in zip(self.x.avals, due, strict=True)]):
            return False
        arrays = [astype(x, d) for x, d in zip(self.x.arrays, due, strict=True)]
        self.x = Leaves(arrays, self.x.treedef)
        self.avals = self.x.avals
        return True


class Minimand(Equations):
    """The function to be minimised: its value, and its gradient, which should be zero."""

    def __init__(self, operation: str, fun: Callable[[Any], Any], x: Leaves) -> None:
        super().__init__(operation, "the gradient", fun, x, keep_image=False)
        self.skip = 1

    def run(self, *leaves: Array) -> list[Array]:
        x = self.x.rebuilt(leaves)
        if not leaves:
            return [self.f(x)]
        value, gradient = value_and_grad(self.f)(x)
        self.seen = self.x.avals
        return [value, *tree.leaves(gradient)]


def solution(
    equations: Equations,
    method: Method | UsersMethod,
    s: Sequence[Array],
    tangent: Callable[[int], Solver],
    operands_of_method: Callable[[], list[Array]] | None = None,
) -> list[Array]:
    """The leaves of the solution, and of what else the method returns."""
    if not needs_programs():
        return _run_directly(equations, method, s, tangent)
    operation = equations.operation
    try:
        f, theta = trace_closed(operation, equations.named(), *equations.x.avals)
        if equations.promote():
            f, theta = trace_closed(operation, equations.named(), *equations.x.avals)
    except WengertError as error:
        # The equations ask for values: they may do that if they depend on none that has no value.
        try:
            found = _run_directly(equations, method, s, tangent)
        except WengertError:
            raise error from None
        if any([isinstance(value_of(v, derivative_traces()), Tracer) for v in found]):
            raise
        return found
    if operands_of_method is not None:
        s = operands_of_method()
    x = equations.x
    found = root_p.bind(
        *theta,
        *s,
        *x.arrays,
        f=f,
        skip=equations.skip,
        method=method,
        tangent=tangent(size_of(x)),
        levels=(),
        counts=(len(theta), len(s)),
        treedef=x.treedef,
        operation=operation,
    )
    return list(found)


def size_of(x: Leaves) -> int:
    """How many real numbers the unknowns are."""
    return RealVectors(x.avals).size


def _run_directly(
    equations: Equations,
    method: Method | UsersMethod,
    s: Sequence[Array],
    tangent: Callable[[int], Solver],
) -> list[Array]:
    """Solve with values, and then attach the tangent of each derivative that is running."""
    operation, live = equations.operation, derivative_traces()

    def values(leaves: Sequence[Any]) -> list[Any]:
        return [value_of(v, live) for v in leaves]

    def outputs(*leaves: Array) -> list[Array]:
        return values(equations.run(*leaves))

    equations.x = Leaves(values(equations.x.arrays), equations.x.treedef)
    skip = equations.skip
    with detached(live):
        if isinstance(method, Method):
            with np.errstate(all="ignore"):
                outputs(*equations.x.arrays)
            equations.promote()
            x, avals = equations.x, equations.x.avals
            found = method.run(Problem(operation, outputs, x.arrays, (), avals, skip))
        else:
            x, avals = equations.x, equations.x.avals
            start = x.rebuilt([own_copy(v) for v in x.arrays])
            answer = method.fun(equations.f, start, *values(s))
            found = method.leaves(operation, "the solution", answer, x.treedef, avals, "x0")
    n = len(x.arrays)
    leaves, extra = [_plain(v) for v in found[:n]], found[n:]
    for i, trace in enumerate(live):
        newer, rest = live[i + 1 :], live[i:]
        rows: list[list[Array | None]] = [[v] for v in leaves]
        for k in range(1, trace.limit + 1 if isinstance(trace, JetTrace) else 2):
            # The residual's coefficient k, while that of the solution is left out, is to be zero.
            with detached(newer):
                found = equations.run(*[_series(trace, row) for row in rows])[skip:]
                ys = [value_of(y, newer) for y in found]
            f_dots = [_coefficient(y, trace, k) for y in ys]
            dots: list[Any] = [None] * n
            if not all([d is None for d in f_dots]):
                with detached(rest):
                    residual = lambda *v: equations.run(*v)[skip:]
                    dots = implicit_tangent(
                        operation, residual, leaves, f_dots, tangent(size_of(x)), x.treedef, rest
                    )
            for row, d in zip(rows, dots, strict=True):
                row.append(d)
        leaves = [_series(trace, row) for row in rows]
    return [*leaves, *extra]


def _plain(x: Array) -> Array:
    return x[()] if type(x) is np.ndarray and not x.shape else x


def _series(trace: ForwardTrace, row: Sequence[Array | None]) -> Array:
    """A value with its tangent, or with all of its coefficients that are known."""
    if isinstance(trace, JetTrace):
        return trace.wrap([*row, *[None] * (trace.limit + 1 - len(row))])
    value, *dots = row
    if not isinstance(trace, JVPTrace):
        raise UnsupportedError(
            f"{trace.label}: the equations of a solution decide by values, `if x > 0`.",
            needed="equations that can be traced to a program",
            fix="write decisions with np.where or wengert.cond; or nest wengert.jvp",
        )
    return trace.wrap(value, dots[0], None, 0) if dots else value


def _coefficient(y: Array, trace: Trace, k: int) -> Array | None:
    if isinstance(y, JetTracer) and y._trace is trace:
        return y.terms[k] if k <= y.order else None
    return y.tangent if isinstance(y, JVPTracer) and y._trace is trace else None
