"""Linear systems whose matrix is a function: `linear_solve : (A, b) -> x`, where A x = b.

The matrix is a linear program with the values that it depends on as operands, so the solution has a
derivative by them: x_dot = A^-1 (b_dot - A_dot x), the same operation again. It is linear in b; its
transpose solves the transposed system. How a system is solved (`linear_solvers.py`) is not
differentiated.

Read next: `iterative.py` and `implicit.py`, where such systems come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import (
    UnsupportedError,
)
from ...core.ir import evaluate
from ...core.source import boundary
from ...core.tracing import Primitive, Together
from ..collectives.collective_rules import couples
from ..control.bodies import Leaves
from ..control.subprograms import evaluate_linearized
from ..linear import pushforward
from .lanes import (
    Level,
    Levels,
    flags_of,
    run_lanes,
    sizes_of,
    spread,
)
from .linear_maps import LinearProgram, System, recorded_map, unknowns
from .linear_solvers import (
    Solver,
    UsersSolver,
)
from .user_code import refuse_tracers

__all__ = ["custom_linear_solve", "linear_solve_p"]


class Parts(NamedTuple):
    """The operands: of the matrix, of the solver, of the transposed one's, and b."""

    a: Sequence[Any]
    s: Sequence[Any]
    t: Sequence[Any]
    b: Sequence[Any]


def _parts(args: Sequence[Any], counts: Sequence[int]) -> Parts:
    n_a, n_s, n_t = counts
    n = n_a + n_s
    return Parts(args[:n_a], args[n_a:n], args[n : n + n_t], args[n + n_t :])


def _linear_solve(
    *args: Array,
    matrix: LinearProgram,
    solver: Solver,
    transpose_solver: Solver | None,
    levels: Levels,
    counts: Sequence[int],
    treedef: tree.TreeDef,
    operation: str,
) -> tuple[Array, ...]:
    a, s, _, b = _parts(args, counts)
    sizes = sizes_of(levels)
    flags = flags_of(levels, b, len(args) - len(b))
    full = [
        spread(x if hasattr(x, "shape") else v.dtype.type(x), f, sizes)
        for x, f, v in zip(b, flags, matrix.vector_avals, strict=True)
    ]
    # The levels without the operands of the transposed solver.
    cut = sum(counts[:2])
    mine = tuple([Level(v.size, (*v.batched[:cut], *v.batched[sum(counts) :])) for v in levels])
    system = System(operation, matrix, a, mine, treedef)
    x = solver.run(system, s, mine, full)
    refuse_tracers(operation, solver, x)
    return tuple(x)


def _linear_solve_shape(
    *avals: ShapedArray,
    matrix: LinearProgram,
    solver: Solver,
    levels: Levels,
    operation: str,
    **others: Any,
) -> tuple[ShapedArray, ...]:
    if solver.extra is None:
        raise UnsupportedError(
            f"{operation}: has_aux=True needs a `solve` that can be traced to a program here.",
            fix="write `solve` without `if` and `while` on values; or leave has_aux out",
        )
    sizes = sizes_of(levels)
    return tuple([
        ShapedArray((*sizes, *v.shape), v.dtype) for v in (*matrix.vector_avals, *solver.extra)
    ])  # fmt: skip


def _linear_solve_jvp(
    primals: Sequence[Array], tangents: Sequence[Array | None], **params: Any
) -> tuple[Any, Any]:
    """The rule for tangents of any kind: only linear operations see them."""
    matrix: LinearProgram = params["matrix"]
    levels: Levels = params["levels"]
    a, s, t, b = _parts(primals, params["counts"])
    a_dots, _, _, b_dots = _parts(tangents, params["counts"])
    ys = linear_solve_p.bind(*primals, **params)
    n, sizes = len(b), sizes_of(levels)
    extra = [None] * (len(ys) - n)
    given = [t for t in a_dots if t is not None]
    if not given and all([t is None for t in b_dots]):
        return ys, [None] * len(ys)
    params = {**params, "solver": params["solver"].for_tangents()}
    b_flags = flags_of(levels, b, len(primals) - n)
    if not given:
        right = [np.zeros(aval_of(x).shape, aval_of(x).dtype) if d is None else d
                 for x, d in zip(b, b_dots, strict=True)]  # fmt: skip
        return ys, [*linear_solve_p.bind(*a, *s, *t, *right, **params), *extra]
    active = [d is not None for d in a_dots]
    apply = [Level(v.size, (*v.batched[: len(a)], *[True] * n)) for v in levels]

    def product(*xs: Array) -> list[Array]:
        run = lambda *args: evaluate(matrix, *args)
        return run_lanes(matrix.name, run, apply, [*xs, *ys[:n]], n)

    _, tape, outputs = evaluate_linearized(matrix.name, product, a, active)
    pushed = pushforward(tape, given, outputs)
    right = []
    for x, d, flags, p in zip(ys, b_dots, b_flags, pushed, strict=False):
        parts = []
        if d is not None:
            parts.append(spread(d, flags, sizes))
        if p is not None:
            parts.append(-p)
        aval = aval_of(x)
        right.append(sum(parts[1:], parts[0]) if parts else np.zeros(aval.shape, aval.dtype))
    if all([p is None for p in pushed]) and all([d is None for d in b_dots]):
        return ys, [None] * len(ys)
    cut = len(primals) - n
    params["levels"] = tuple([Level(v.size, (*v.batched[:cut], *[True] * n)) for v in levels])
    return ys, [*linear_solve_p.bind(*a, *s, *t, *right, **params), *extra]


def _linear_solve_transpose(
    cts: Sequence[Array], wanted: Sequence[bool], *args: Any, **params: Any
) -> list[Array | None]:
    a, s, t, b = _parts(args, params["counts"])
    turned = params["transpose_solver"]
    operation = params["operation"]
    if turned is None:
        raise UnsupportedError(
            f"{operation}: reverse mode needs to solve the transposed system.",
            needed="transpose_solve(vecmat, b), which solves vecmat(x) = b, where vecmat is the "
            "transpose of matvec",
            fix="give transpose_solve; or symmetric=True, if the matrix equals its transpose",
        )
    levels: Levels = params["levels"]
    n_a, n_s, n_t = params["counts"]
    n = len(b)
    flipped = tuple([
        Level(v.size, (*v.batched[:n_a], *v.batched[n_a + n_s : n_a + n_s + n_t],
                       *v.batched[n_a : n_a + n_s], *[True] * n))
        for v in levels
    ])  # fmt: skip
    params = {
        **params,
        "matrix": params["matrix"].transposed(),
        "solver": turned.for_tangents(),
        "transpose_solver": params["solver"],
        "counts": (n_a, n_t, n_s),
        "levels": flipped,
    }
    found = linear_solve_p.bind(*a, *t, *s, *cts[:n], **params)
    flags = flags_of(levels, b, n_a + n_s + n_t)
    summed: list[Array | None] = [
        np.sum(x, axis=tuple([i for i, f in enumerate(fs) if not f])) if not all(fs) else x
        for x, fs in zip(found, flags, strict=True)
    ]
    return [None] * (n_a + n_s + n_t) + summed


def _linear_solve_batch(
    size: int, batched: Sequence[bool], *args: Array, levels: Levels, **params: Any
) -> tuple[Array, ...]:
    matrix: LinearProgram = params["matrix"]
    coupled = couples(matrix, batched[: matrix.fixed], of=matrix.inputs[matrix.fixed :])
    if coupled and not isinstance(params["solver"], UsersSolver):
        raise UnsupportedError(
            f"{params['operation']}: a collective couples the systems of the members of a batch, "
            "which are solved one by one.",
            got=f"the solver {params['solver']!r}",
            fix="solve them as one system, outside of vmap; or give a function that solves them "
            "with collectives",
        )
    levels = (Level(size, tuple(batched)), *levels)
    found: tuple[Array, ...] = linear_solve_p.bind(*args, levels=levels, **params)
    return found


linear_solve_p: Primitive = Primitive(
    "linear_solve",
    _linear_solve,
    shape=_linear_solve_shape,
    jvp=_linear_solve_jvp,
    transposes=Together(_linear_solve_transpose),
    linear="jointly",
    linear_args=lambda params: range(sum(params["counts"]), 1 << 30),
    batch=_linear_solve_batch,
    multiple_results=True,
)


def _users_solver(
    operation: str,
    solve: Callable[[Any, Any], Any],
    matrix: LinearProgram,
    a: Sequence[Array],
    b: Leaves,
    has_aux: bool,
) -> tuple[UsersSolver, list[Array]]:
    """A function of the user's as a solver, with its operands."""
    solver = UsersSolver(solve, None, has_aux)
    system = System(operation, matrix, a, (), b.treedef)
    run = lambda *leaves: solver.result(system, solve(system.of_lane(), b.rebuilt(leaves)))
    return solver, solver.trace(operation, run, b.avals)


@boundary
def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solve a linear system `matvec(x) = b` with your own solver, which is not differentiated: the
    derivatives are those of the solution.

    Args:
        matvec: a linear function of a tree like `b`; it may close over traced values, and the
            solution has a derivative by them.
        b: a tree of arrays of floats or complex numbers.
        solve: `solve(matvec, b)` returns the solution, of the structure, shapes and dtypes of `b`.
            It may be any code: a loop until something is small, a factorisation, compiled code.
            Under `vmap` it runs once for all lanes where it can, and otherwise once for each.
        transpose_solve: `transpose_solve(vecmat, b)`, the same for the transposed system; reverse
            mode needs it.
        symmetric: the matrix equals its transpose, so `solve` does for both.
        has_aux: `solve` returns a pair `(x, aux)`.

    Returns:
        The solution, or `(x, aux)`; `aux` has no derivative.

    Raises:
        NonLinearError: if `matvec` is not linear.
        TreeError, ShapeError, DtypeError: if its result, or the solution, is not like `b`.
        UnsupportedError: in reverse mode, if there is no `transpose_solve`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> A, b = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
        >>> def first(A):
        ...     def solve(matvec, b):  # for the example's sake
        ...         return np.linalg.solve(wg.jacobian(matvec)(b), b)
        ...     return wg.custom_linear_solve(lambda v: A @ v, b, solve, symmetric=True)[0]
        >>> wg.grad(first)(A).round(4)
        array([[-0.0248, -0.1736],
               [ 0.0083,  0.0579]])
    """
    operation = "custom_linear_solve"
    right = unknowns(operation, b, "b")
    matrix, a = recorded_map(operation, "matvec", matvec, right)
    solver, s = _users_solver(operation, solve, matrix, a, right, has_aux)
    turned: Solver | None = None
    t: list[Array] = []
    if symmetric:
        turned, t = solver, s
    elif transpose_solve is not None:
        turned, t = _users_solver(
            operation, transpose_solve, matrix.transposed(), a, right, has_aux
        )
    leaves = linear_solve_p.bind(
        *a,
        *s,
        *t,
        *right.arrays,
        matrix=matrix,
        solver=solver,
        transpose_solver=turned,
        levels=(),
        counts=(len(a), len(s), len(t)),
        treedef=right.treedef,
        operation=operation,
    )
    n = len(right.arrays)
    x = right.rebuilt(leaves[:n])
    if not has_aux:
        return x
    assert solver.aux_tree is not None
    return x, tree.unflatten(solver.aux_tree, leaves[n:])
