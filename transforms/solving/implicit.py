"""What is known by an equation: `root : theta -> x`, where f(theta, x) = 0.

It has a derivative by the implicit function theorem: x_dot = -(df/dx)^-1 f_dot. How x is found does
not matter and is not differentiated. The linear system is that of `linear_solve.py`, which can be
differentiated in turn.

Read next: `equations.py`, which makes equations of users' functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, Shape, ShapedArray, aval_of
from ...core.errors import (
    UnsupportedError,
)
from ...core.ir import Program, evaluate
from ...core.tracing import Primitive, Trace
from ..collectives.collective_rules import couples
from ..control.subprograms import evaluate_batch, evaluate_linearized
from ..evaluators import Often
from ..linear import pushforward
from ..linearize import own_copy
from .lanes import (
    Level,
    Levels,
    RealVectors,
    flags_of,
    run_lanes,
    sizes_of,
    spread,
    together_or_in_turn,
)
from .linear_maps import check_leaves, linear_map_of_tape
from .linear_solve import linear_solve_p
from .linear_solvers import Solver, checked, default_tol
from .solvers import anderson, lbfgs, newton, newton_minimum
from .user_code import UsersFunction, refuse_tracers

__all__ = ["Method", "Problem", "UsersMethod", "implicit_tangent", "root_p"]


LeafFunction = Callable[..., list[Array]]


def implicit_tangent(
    operation: str,
    residual: LeafFunction,
    x: Sequence[Array],
    f_dots: Sequence[Array | None],
    tangent: Solver,
    treedef: tree.TreeDef,
    constants: Sequence[Trace] = (),
) -> list[Array]:
    """The tangent of the root x of `residual`, whose own tangent at a fixed x is `f_dots`; tracers
    of the traces `constants` count as their values.
    """
    ys, tape, outputs = evaluate_linearized(operation, residual, x, [True] * len(x))
    avals = [aval_of(v) for v in x]
    matrix, a = linear_map_of_tape(
        operation, tape, avals, outputs, [aval_of(y) for y in ys], constants
    )
    right = [
        np.zeros(v.shape, v.dtype) if d is None else -d for d, v in zip(f_dots, avals, strict=True)
    ]
    found: list[Array] = linear_solve_p.bind(
        *a,
        *right,
        matrix=matrix,
        solver=tangent,
        transpose_solver=tangent.for_transpose(),
        levels=(),
        counts=(len(a), 0, 0),
        treedef=treedef,
        operation=f"the derivative of {operation}",
    )
    return list(found)


class Problem:
    """The equations of all lanes, with plain values. `outputs` maps the leaves of the unknowns, of
    all lanes, to `skip` other results and then to what should be zero.
    """

    def __init__(
        self,
        operation: str,
        outputs: LeafFunction,
        x0: Sequence[Array],
        sizes: Shape,
        avals: Sequence[ShapedArray],
        skip: int,
    ) -> None:
        self.operation = operation
        self.outputs = outputs
        self.sizes = sizes
        self.skip = skip
        self.vectors = RealVectors(avals)
        self.count = int(np.prod(sizes, dtype=int))
        self.x0 = self.flat(x0)

    def flat(self, leaves: Sequence[Array]) -> Array:
        """An array (lanes, n) of real numbers."""
        vectors = self.vectors.vector(leaves, self.sizes)
        found: Array = vectors.reshape((self.count, self.vectors.size))
        return found

    def leaves(self, x: Array) -> list[Array]:
        """The leaves of such an array."""
        return self.vectors.leaves(x.reshape((*self.sizes, self.vectors.size)))

    def residual(self, x: Array) -> Array:
        """What should be zero."""
        return self.flat(self.outputs(*self.leaves(x))[self.skip :])

    def jacobian(self, x: Array) -> Array:
        """Its derivative, a matrix for each lane: by all unit vectors at once."""
        leaves, n = self.leaves(x), self.vectors.size
        run = lambda *v: self.outputs(*v)[self.skip :]
        ys, tape, outputs = evaluate_linearized(self.operation, run, leaves, [True] * len(leaves))

        def push(*dots: Array) -> list[Array]:
            return [
                np.zeros(aval_of(y).shape, aval_of(y).dtype) if d is None else d
                for y, d in zip(ys, pushforward(tape, dots, outputs), strict=True)
            ]

        lead = (n, *self.sizes)
        ones = np.reshape(np.eye(n, dtype=x.dtype), (n, *[1] * len(self.sizes), n))
        units = self.vectors.leaves(np.broadcast_to(ones, (*lead, n)))
        all_of = [True] * len(leaves)
        columns, _ = evaluate_batch(self.operation, push, n, units, all_of, all_of)
        flat = np.reshape(self.vectors.vector(columns, lead), (n, *x.shape))
        return np.moveaxis(flat, 0, -1)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """The function to be minimised, for each lane, and its gradient."""
        value, *gradient = self.outputs(*self.leaves(x))
        return np.reshape(value, len(x)).astype(x.dtype, copy=False), self.flat(gradient)

    def image(self, x: Array) -> Array:
        """The function whose fixed point is looked for."""
        return self.flat(self.outputs(*self.leaves(x))[: self.skip])


class Method:
    """One of our own methods, and its options."""

    extra: tuple[ShapedArray, ...] | None = ()

    def __init__(
        self, name: str, tol: float | None, maxiter: int | None, on_failure: str, memory: int = 0
    ) -> None:
        self.name = name
        self.tol = tol
        self.maxiter = maxiter
        self.on_failure = on_failure
        self.memory = memory

    def run(self, problem: Problem) -> list[Array]:
        """The leaves of the solution."""
        x, name = problem.x0, self.name
        tol = self.tol
        if tol is None:
            tol = default_tol(x.dtype)
        maxiter = self.maxiter
        if maxiter is None:
            maxiter = {"newton": 100, "newton_minimum": 200}.get(name, 1000)
        what = "the gradient" if name in ("newton_minimum", "lbfgs") else "the residual"
        with np.errstate(all="ignore"):
            if name == "newton":
                found = newton(problem.residual, problem.jacobian, x, tol, maxiter)
            elif name == "anderson":
                found = anderson(problem.image, x, tol, maxiter, self.memory)
                what = "f(x) - x"
            elif name == "newton_minimum":
                gradient = problem.value_and_gradient
                found = newton_minimum(gradient, problem.jacobian, x, tol, maxiter)
            else:
                found = lbfgs(problem.value_and_gradient, x, tol, maxiter)
        return problem.leaves(checked(problem.operation, found, self.on_failure, what))

    def __repr__(self) -> str:
        return self.name


class UsersMethod(UsersFunction):
    """A function of the user's: `fun(f, x0, *s)` for one lane, where s are operands of its own.
    `program` has s and x0 as inputs. With `of_value`, f is the function to be minimised, and not
    its gradient; without `together`, it sees one lane at a time.
    """

    of_value = False
    together = True


def _root(
    *args: Array,
    f: Program,
    skip: int,
    method: Method | UsersMethod,
    tangent: Solver,
    levels: Levels,
    counts: Sequence[int],
    treedef: tree.TreeDef,
    operation: str,
) -> tuple[Array, ...]:
    n_f, n_s = counts
    theta, s, x0 = args[:n_f], args[n_f : n_f + n_s], args[n_f + n_s :]
    n, sizes = len(x0), sizes_of(levels)
    avals = f.in_avals[n_f:]
    flags = flags_of(levels, x0, n_f + n_s)
    x0 = tuple([spread(x, b, sizes) for x, b in zip(x0, flags, strict=True)])
    if isinstance(method, Method):
        full = [Level(v.size, (*v.batched[:n_f], *[True] * n)) for v in levels]
        often = Often(f)
        outputs = lambda *x: run_lanes(operation, often, full, [*theta, *x], len(f.outputs))
        found = method.run(Problem(operation, outputs, x0, sizes, avals, skip))
    elif method.program is not None:
        program = method.program
        full = [Level(v.size, (*v.batched[n_f : n_f + n_s], *[True] * n)) for v in levels]
        run = lambda *v: evaluate(program, *v)
        found = run_lanes(operation, run, full, [*s, *x0], len(program.outputs))
    else:
        full = [Level(v.size, (*v.batched[: n_f + n_s], *[True] * n)) for v in levels]

        often = Often(f)

        def one(*v: Array) -> list[Array]:
            def equations(x: Any) -> Any:
                leaves = check_leaves(operation, "the argument", x, treedef, avals, "x0")
                results = often(*v[:n_f], *leaves)
                return results[0] if method.of_value else tree.unflatten(treedef, results[skip:])

            start = tree.unflatten(treedef, [own_copy(x) for x in v[n_f + n_s :]])
            answer = method.fun(equations, start, *v[n_f : n_f + n_s])
            return method.leaves(operation, "the solution", answer, treedef, avals, "x0")

        known = None if method.has_aux else avals
        found = together_or_in_turn(operation, one, full, [*theta, *s, *x0], known, method.together)
    refuse_tracers(operation, method, found)
    return tuple(found)


def _root_shape(
    *avals: ShapedArray,
    f: Program,
    method: Method | UsersMethod,
    levels: Levels,
    counts: Sequence[int],
    operation: str,
    **others: Any,
) -> tuple[ShapedArray, ...]:
    if method.extra is None:
        raise UnsupportedError(
            f"{operation}: has_aux=True needs a `solve` that can be traced to a program here.",
            fix="write `solve` without `if` and `while` on values; or leave has_aux out",
        )
    sizes = sizes_of(levels)
    return tuple([
        ShapedArray((*sizes, *v.shape), v.dtype) for v in (*f.in_avals[counts[0] :], *method.extra)
    ])  # fmt: skip


def _root_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    f: Program,
    skip: int,
    tangent: Solver,
    levels: Levels,
    counts: Sequence[int],
    treedef: tree.TreeDef,
    operation: str,
    **others: Any,
) -> tuple[Any, Any]:
    """The rule for tangents of any kind: only linear operations see them."""
    ys = root_p.bind(
        *primals, f=f, skip=skip, tangent=tangent, levels=levels, counts=counts, treedef=treedef,
        operation=operation, **others,
    )  # fmt: skip
    n_f = counts[0]
    theta, dots = list(primals[:n_f]), [d for d in tangents[:n_f] if d is not None]
    active = [d is not None for d in tangents[:n_f]]
    x = ys[: len(f.inputs) - n_f]
    depends = False

    def one(*args: Array) -> list[Array]:
        nonlocal depends
        theta, x, dots = args[:n_f], args[n_f : n_f + n], args[n_f + n :]
        equations = lambda *v: evaluate(f, *v, *x)[skip:]
        _, tape, outputs = evaluate_linearized(operation, equations, theta, active)
        f_dots = pushforward(tape, dots, outputs)
        if all([d is None for d in f_dots]):
            return [np.zeros(aval_of(v).shape, aval_of(v).dtype) for v in x]
        depends = True
        residual = lambda *v: evaluate(f, *theta, *v)[skip:]
        return implicit_tangent(operation, residual, x, f_dots, tangent, treedef)

    n = len(x)
    if dots:
        full = [
            Level(v.size, (*v.batched[:n_f], *[True] * n,
                           *[b for b, a in zip(v.batched, active, strict=False) if a]))
            for v in levels
        ]  # fmt: skip
        x_dots = run_lanes(operation, one, full, [*theta, *x, *dots], n)
        if depends:
            return ys, [*x_dots, *[None] * (len(ys) - n)]
    return ys, [None] * len(ys)


def _root_batch(
    size: int, batched: Sequence[bool], *args: Array, levels: Levels, **params: Any
) -> tuple[Array, ...]:
    counts = params["counts"]
    f: Program = params["f"]
    coupled = couples(f, batched[: counts[0]], of=f.inputs[counts[0] :])
    if coupled and not isinstance(params["method"], UsersMethod):
        raise UnsupportedError(
            f"{params['operation']}: a collective couples the equations of the members of a batch, "
            "which are solved one by one.",
            fix="solve them as one system, outside of vmap; or custom_root with functions that "
            "solve them with collectives",
        )
    levels = (Level(size, tuple(batched)), *levels)
    found: tuple[Array, ...] = root_p.bind(*args, levels=levels, **params)
    return found


root_p: Primitive = Primitive(
    "root",
    _root,
    shape=_root_shape,
    jvp=_root_jvp,
    batch=_root_batch,
    multiple_results=True,
)
