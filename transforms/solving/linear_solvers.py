"""How linear systems are solved: with the matrix, by Krylov methods, or by the user's own function.

`Solver.run : system, b -> x`, on plain values, for all members of a batch. A solver also says what
solves the transposed system. Read next: `linear_solve.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray
from ...core.errors import (
    ConvergenceError,
    DtypeError,
    TreeError,
    WengertError,
)
from ...core.ir import Program, evaluate
from ..linearize import linear_transpose, own_copy
from .detach import Detached
from .lanes import (
    Level,
    Levels,
    flags_of,
    run_lanes,
    sizes_of,
    spread,
    together_or_in_turn,
)
from .linear_maps import LinearProgram, System
from .solvers import Found
from .solvers import cg as run_cg
from .solvers import gmres as run_gmres
from .user_code import UsersFunction

__all__ = [
    "Dense",
    "Krylov",
    "Solver",
    "TangentSolver",
    "UsersSolver",
    "check_options",
    "checked",
    "default_tol",
    "linear_solver",
]


class Solver:
    """How systems are solved: `run` takes the system, the solver's own operands with their levels,
    and b, which has an axis for each level; it returns the leaves of x, and of what else comes
    out.
    """

    @property
    def extra(self) -> tuple[ShapedArray, ...] | None:
        """The types of what comes out besides x; None where that is not known."""
        return ()

    def run(
        self, system: System, s: Sequence[Array], levels: Levels, b: Sequence[Array]
    ) -> list[Array]:
        """Solve."""
        raise NotImplementedError(f"{type(self).__name__} must say how it solves")

    def for_transpose(self) -> Solver | None:
        """What solves the transposed system; None if that is not known."""
        return self

    def for_tangents(self) -> Solver:
        """The same without extra results."""
        return self


class Dense(Solver):
    """Builds the matrix, by all unit vectors at once, and solves with it."""

    def run(
        self, system: System, s: Sequence[Array], levels: Levels, b: Sequence[Array]
    ) -> list[Array]:
        vectors, n_a = system.vectors, len(system.a)
        n, sizes = vectors.size, sizes_of(levels)
        mine = [i for i, level in enumerate(levels) if any(level.batched[:n_a])]
        shared = [i for i in range(len(levels)) if i not in mine]
        own = [levels[i] for i in mine]
        of_matrix = sizes_of(tuple(own))
        units = vectors.leaves(np.eye(n, dtype=vectors.dtype))
        levels_of_units = [Level(n, (False,) * n_a), *own]
        columns = system.apply(levels_of_units, units, [True, *[False] * len(own)])
        matrix = np.moveaxis(vectors.vector(columns, (n, *of_matrix)), 0, -1)
        # What is batched in b alone becomes columns of one right-hand side.
        order = [*mine, len(levels), *shared]
        right = np.transpose(vectors.vector(b, sizes), order)
        shape = right.shape
        count = int(np.prod([levels[i].size for i in shared], dtype=int))
        right = np.reshape(right, (*of_matrix, n, count))
        x = np.reshape(_solved(system.operation, matrix, right), shape)
        return vectors.leaves(np.transpose(x, np.argsort(order)))

    def __repr__(self) -> str:
        return "dense"


def _solved(operation: str, matrix: Array, right: Array) -> Array:
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        size = matrix.shape[-1]
        raise ConvergenceError(
            f"{operation}: the matrix of the linear system is singular.",
            got=f"a matrix of {size} rows and rank {np.min(np.linalg.matrix_rank(matrix))}",
            needed="a system with one solution; a root has a derivative only where the Jacobian of "
            "its equations is invertible",
            fix="look at the equations: a multiple root, or equations that depend on one another, "
            "make it singular",
        ) from None


class Krylov(Solver):
    """Conjugate gradients or GMRES, which need the map alone. The solver's operands are those of
    the preconditioner, and the start.
    """

    def __init__(
        self,
        method: str,
        tol: float | None,
        maxiter: int | None,
        restart: int = 30,
        preconditioner: LinearProgram | None = None,
        start: bool = False,
        on_failure: str = "raise",
    ) -> None:
        self.method = method
        self.tol = tol
        self.maxiter = maxiter
        self.restart = restart
        self.preconditioner = preconditioner
        self.start = start
        self.on_failure = on_failure

    def run(
        self, system: System, s: Sequence[Array], levels: Levels, b: Sequence[Array]
    ) -> list[Array]:
        vectors, sizes = system.vectors, sizes_of(levels)
        count = int(np.prod(sizes, dtype=int))
        n_m = self.preconditioner.fixed if self.preconditioner is not None else 0
        s_flags = flags_of(levels, s, len(system.a))

        def flat(leaves: Sequence[Array]) -> Array:
            return np.reshape(vectors.vector(leaves, sizes), (count, vectors.size))

        def full(x: Array) -> list[Array]:
            return vectors.leaves(np.reshape(x, (*sizes, vectors.size)))

        def a(x: Array) -> Array:
            return flat(system.apply(levels, full(x)))

        m = None
        if self.preconditioner is not None:
            near = System(system.operation, self.preconditioner, s[:n_m], _part(
                levels, len(system.a), n_m), system.treedef)  # fmt: skip
            m = lambda x: flat(near.apply(near.levels, full(x)))
        right = flat(b)
        x0 = np.zeros_like(right)
        if self.start:
            leaves = [spread(x, f, sizes) for x, f in zip(s[n_m:], s_flags[n_m:], strict=True)]
            x0 = flat(leaves)
        tol = default_tol(vectors.dtype) if self.tol is None else self.tol
        maxiter = 10 * vectors.size + 10 if self.maxiter is None else self.maxiter
        with np.errstate(all="ignore"):
            if self.method == "cg":
                found = run_cg(a, right, x0, m, tol, maxiter)
            else:
                found = run_gmres(a, right, x0, m, tol, maxiter, self.restart)
        return full(checked(system.operation, found, self.on_failure, "the residual b - A x"))

    def for_transpose(self) -> Solver:
        # The start is that of another system.
        turned = None if self.preconditioner is None else self.preconditioner.transposed()
        return Krylov(
            self.method, self.tol, self.maxiter, self.restart, turned, False, self.on_failure
        )

    def __repr__(self) -> str:
        return self.method


def _part(levels: Levels, start: int, n: int) -> Levels:
    return tuple([Level(v.size, v.batched[start : start + n]) for v in levels])


def default_tol(dtype: np.dtype[Any]) -> float:
    """The tolerance where the user gives none."""
    return 1e-10 if dtype == np.float64 else 1e-5


def checked(operation: str, found: Found, on_failure: str, what: str) -> Array:
    """The unknowns, if all lanes converged; an error or NaN for those that did not."""
    if np.all(found.done):
        return found.x
    if on_failure == "nan":
        return np.where(found.done[:, None], found.x, np.nan)
    failed = np.flatnonzero(~found.done)
    many = f" in {len(failed)} of {len(found.done)} lanes" if len(found.done) > 1 else ""
    raise ConvergenceError(
        f"{operation}: no solution was found{many}: {found.why}.",
        got=f"{what} is up to {np.max(found.residual[failed]):.3g} after {found.iterations} "
        f"iterations (the limit is maxiter)" + (f"; first in lane {failed[0]}" if many else ""),
        needed="a solution to within tol",
        fix="start nearer to it, allow more iterations (maxiter=) or a larger tol; "
        'on_failure="nan" gives NaN instead of this error',
    )


class UsersSolver(UsersFunction, Solver):
    """A function of the user's: `fun(matvec, b)`, for one lane. `program` has operands of its own
    and b as inputs.
    """

    what = "the solution of `solve`"

    def run(
        self, system: System, s: Sequence[Array], levels: Levels, b: Sequence[Array]
    ) -> list[Array]:
        n_a, n_s, n = len(system.a), len(s), len(b)
        if self.program is not None:
            full = [Level(v.size, (*v.batched[n_a : n_a + n_s], *[True] * n)) for v in levels]
            program = self.program
            run = lambda *args: evaluate(program, *args)
            return run_lanes(system.operation, run, full, [*s, *b], len(program.outputs))
        full = [Level(v.size, (*v.batched[:n_a], *[True] * n)) for v in levels]
        one = lambda *args: self.solve_lane(system.with_values(args[:n_a]), args[n_a:])
        avals = [ShapedArray(v.shape[len(levels) :], v.dtype) for v in b]
        known = None if self.has_aux else avals
        return together_or_in_turn(system.operation, one, full, [*system.a, *b], known)

    def solve_lane(self, system: System, b: Sequence[Array]) -> list[Array]:
        """Call the function for one lane."""
        own = [own_copy(v) for v in b]  # it may write there
        return self.result(system, self.fun(system.of_lane(), system.tree(own)))

    def result(self, system: System, answer: Any) -> list[Array]:
        """The leaves of what the function returned."""
        return self.leaves(system.operation, self.what, answer, system.treedef, system.avals, "b")

    def for_transpose(self) -> Solver | None:
        return None

    def for_tangents(self) -> Solver:
        if not self.has_aux:
            return self
        program = self.program
        if program is not None:
            n = len(program.outputs) - len(self.extra or ())
            program = Program(
                program.inputs, program.equations, program.outputs[:n], program.constants,
                name=program.name,
            )  # fmt: skip
        inner = self.fun.fun
        first = Detached(lambda *args: inner(*args)[0])
        first.traces = self.fun.traces
        return UsersSolver(first, program)


class TangentSolver(UsersSolver):
    """The user's `tangent_solve`, which also solves the transposed system: its own transpose does,
    where it is made of operations that have one; otherwise it is called with the transposed map,
    and the solution is checked.
    """

    what = "the solution of `tangent_solve`"

    def __init__(self, fun: Callable[..., Any], turned: bool = False) -> None:
        super().__init__(fun)
        self.turned = turned

    def solve_lane(self, system: System, b: Sequence[Array]) -> list[Array]:
        if not self.turned:
            return super().solve_lane(system, b)
        forward = System(system.operation, system.matrix.transposed(), system.a, (), system.treedef)
        fun, matvec, ct = self.fun, forward.of_lane(), system.tree(b)
        try:
            pull = linear_transpose(lambda y: fun(matvec, y), ct)
            return self.result(system, pull(ct)[0])
        except WengertError:
            x = self.result(system, fun(system.of_lane(), ct))
        _check_solution(system, x, b)
        return x

    def for_transpose(self) -> Solver:
        return TangentSolver(self.fun, not self.turned)


def _check_solution(system: System, x: Sequence[Array], b: Sequence[Array]) -> None:
    """Raise unless x solves the system, more or less."""
    vectors = system.vectors
    due, found = vectors.vector(b, ()), vectors.vector(system.apply((), x), ())
    error, size = np.linalg.norm(found - due), np.linalg.norm(due)
    if not error <= 1e-3 * size:
        raise ConvergenceError(
            f"{system.operation}: reverse mode called `tangent_solve` with the transposed "
            "derivative, and what it gave is no solution.",
            got=f"an error of {error:.3g} beside a right-hand side of {size:.3g}",
            needed="a function that solves g(x) = y for the g that it is given",
            fix="use g alone in it, and solve more accurately; or leave tangent_solve out",
        )


def linear_solver(operation: str, chosen: Any, n: int, symmetric: bool) -> Solver:
    """The solver for the derivatives of n unknowns: the user's choice, or ours."""
    if chosen is None:
        chosen = "dense" if n <= 500 else "cg" if symmetric else "gmres"
    if chosen == "dense":
        return Dense()
    if chosen in ("cg", "gmres"):
        return Krylov(chosen, None, None)
    if callable(chosen):
        return TangentSolver(chosen)
    raise TreeError(
        f'{operation}: tangent_solve must be a function, "dense", "cg" or "gmres".',
        got=repr(chosen),
        needed="tangent_solve(g, y), which returns x such that g(x) = y for a linear g",
    )


def check_options(operation: str, tol: Any, maxiter: Any, on_failure: Any) -> None:
    """Raise for options that make no sense."""
    if tol is not None and not (isinstance(tol, float | int | np.floating) and tol >= 0):
        raise DtypeError(f"{operation}: tol must be a number that is not negative.", got=repr(tol))
    if maxiter is not None and (
        not isinstance(maxiter, int | np.integer) or isinstance(maxiter, bool) or maxiter < 0
    ):
        raise DtypeError(
            f"{operation}: maxiter must be an int that is not negative.", got=repr(maxiter)
        )
    if on_failure not in ("raise", "nan"):
        raise TreeError(f'{operation}: on_failure must be "raise" or "nan".', got=repr(on_failure))
