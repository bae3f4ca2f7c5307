"""What users call to solve equations: `root`, `fixed_point`, `argmin`, and derivatives for solvers
of their own, `custom_root` and `implicit_function`. See `implicit.py` for how.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array
from ...core.errors import (
    DtypeError,
    UnsupportedError,
)
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import Tracer
from ..batching import BatchTracer
from ..control.bodies import Leaves, array_leaves
from ..jvp import JVPTracer
from .detach import derivative_traces, detached, value_of
from .equations import Equations, Minimand, size_of, solution
from .implicit import Method, UsersMethod
from .linear_maps import unknowns
from .linear_solvers import Solver, check_options, linear_solver
from .user_code import needs_programs

__all__ = ["argmin", "custom_root", "fixed_point", "implicit_function", "root"]


@boundary
def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Any,
    has_aux: bool = False,
) -> Any:
    """Find a root of a function with your own solver, which is not differentiated: the derivatives
    are those of the root.

    Args:
        f: a function of a tree like `initial_guess` to a tree of the same structure and shapes; it
            may close over traced values, and the root has a derivative by them.
        initial_guess: a tree of arrays of floats or complex numbers. The root has no derivative by
            it.
        solve: `solve(f, initial_guess)` returns the root. It may be any code. Under `vmap` it runs
            once for all lanes where it can, and otherwise once for each.
        tangent_solve: `tangent_solve(g, y)` returns x such that g(x) = y, where g is the derivative
            of `f` at the root. For a scalar, `lambda g, y: y / g(1.0)`. Or "dense", "cg" or
            "gmres": one of ours; None chooses.
        has_aux: `solve` returns a pair `(x, aux)`.

    Returns:
        The root, or `(x, aux)`; `aux` has no derivative.

    Raises:
        TreeError, ShapeError, DtypeError: if the results of `f` or `solve` are not like
            `initial_guess`.
        ConvergenceError: if the derivative of `f` is singular at the root; or if, in reverse mode,
            `tangent_solve` is no solver for the transposed derivative, and has no transpose.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def bisect(f, x0):
        ...     low, high = 0.0, 10.0
        ...     while high - low > 1e-12:
        ...         middle = (low + high) / 2
        ...         low, high = (middle, high) if f(middle) < 0 else (low, middle)
        ...     return low
        >>> def cube_root(a):
        ...     scalar = lambda g, y: y / g(1.0)
        ...     return wg.custom_root(lambda x: x**3 - a, 1.0, bisect, scalar)
        >>> float(cube_root(8.0)).__round__(9), float(wg.grad(cube_root)(8.0)).__round__(9)
        (2.0, 0.083333333)
    """
    operation = f"custom_root of {describe_function(f)}"
    x = unknowns(operation, initial_guess, "initial_guess")
    equations = Equations(operation, "the result of f", f, x, keep_image=False)
    method = UsersMethod(solve, None, has_aux)

    def operands_of_method() -> list[Array]:
        """Trace `solve`, if it can be: the values that it closes over are operands then."""
        x = equations.x

        def run(*leaves: Array) -> list[Array]:
            answer = solve(f, x.rebuilt(leaves))
            return method.leaves(operation, "the solution", answer, x.treedef, x.avals, "x0")

        return method.trace(operation, run, x.avals)

    choose = _chosen(operation, tangent_solve, symmetric=False)
    found = solution(equations, method, [], choose, operands_of_method)
    n = len(x.arrays)
    y = x.rebuilt(found[:n])
    return (y, tree.unflatten(method.aux_tree, found[n:])) if method.aux_tree is not None else y


@boundary
def root(
    f: Callable[[Any], Any],
    x0: Any,
    *,
    tol: float | None = None,
    maxiter: int | None = None,
    tangent_solve: Any = None,
    on_failure: str = "raise",
) -> Any:
    """Find a root of a function by Newton's method, and differentiate it by the implicit function
    theorem.

    The Jacobian is computed by wengert. A step is halved until the residual is smaller. Under
    `vmap` all lanes are solved together, and each stops when it has converged.

    Args:
        f: a function of a tree like `x0` to a tree of the same structure and shapes; it may close
            over traced values, and the root has a derivative by them.
        x0: where to start: a tree of numbers or arrays. The root has no derivative by it.
        tol: how small the last step is to be, beside each element of the root; when left out,
            1e-10, or 1e-5 for float32. Newton's steps square the error, so the root is as accurate
            as `f` is.
        maxiter: how many steps at most; when left out, 100.
        tangent_solve: what solves the linear system of the derivative: "dense", "cg" or "gmres",
            or a function `tangent_solve(g, y)` that returns x such that g(x) = y. When left out,
            "dense" up to 500 unknowns and "gmres" for more.
        on_failure: "raise" an error if no root is found, or give "nan" (in those lanes).

    Returns:
        The root, like `x0`, in the dtype of what `f` gives.

    Raises:
        ConvergenceError: if no root is found; or in a derivative, if the Jacobian is singular.
        TreeError, ShapeError, DtypeError: if the result of `f` is not like `x0`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def anomaly(e, m):  # Kepler's equation
        ...     return wg.root(lambda x: x - e * np.sin(x) - m, m)
        >>> anomaly(0.1, 1.0).round(6), wg.grad(anomaly)(0.1, 1.0).round(6)
        (np.float64(1.088598), np.float64(0.929061))
        >>> wg.vmap(anomaly, in_axes=(None, 0))(0.1, np.array([0.0, 1.0])).round(6)
        array([0.      , 1.088598])
    """
    operation = f"root of {describe_function(f)}"
    check_options("root", tol, maxiter, on_failure)
    x = unknowns(operation, x0, "x0", promote=True)
    equations = Equations(operation, "the result of f", f, x, keep_image=False)
    choose = _chosen(operation, tangent_solve, symmetric=False)
    return x.rebuilt(solution(equations, Method("newton", tol, maxiter, on_failure), [], choose))


@boundary
def fixed_point(
    f: Callable[[Any], Any],
    x0: Any,
    *,
    anderson: int = 0,
    tol: float | None = None,
    maxiter: int | None = None,
    tangent_solve: Any = None,
    on_failure: str = "raise",
) -> Any:
    """Iterate a function until its result is its argument, and differentiate the fixed point by the
    implicit function theorem.

    The derivative takes one linear system instead of all iterations backward, and no memory for
    them. Under `vmap` each lane stops when it has converged.

    Args:
        f: a function of a tree like `x0` to the same; it may close over traced values, and the
            fixed point has a derivative by them.
        x0: where to start: a tree of numbers or arrays. The result has no derivative by it.
        anderson: how many earlier iterates are used to extrapolate (Anderson acceleration); 0
            iterates plainly. 5 is a good number where convergence is slow.
        tol: how small `f(x) - x` is to be beside `x`, in the largest element; when left out, 1e-10,
            or 1e-5 for float32.
        maxiter: how many iterations at most; when left out, 1000.
        tangent_solve: what solves the linear system of the derivative, as for `root`.
        on_failure: "raise" an error if it does not converge, or give "nan" (in those lanes).

    Returns:
        The fixed point, like `x0`, in the dtype of what `f` gives.

    Raises:
        ConvergenceError: if the iteration does not converge.
        TreeError, ShapeError, DtypeError: if the result of `f` is not like `x0`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> square_root = lambda a: wg.fixed_point(lambda x: (x + a / x) / 2, 1.0)
        >>> float(square_root(4.0)), float(wg.grad(square_root)(4.0))
        (2.0, 0.25)
    """
    operation = f"fixed_point of {describe_function(f)}"
    check_options("fixed_point", tol, maxiter, on_failure)
    if not isinstance(anderson, int | np.integer) or isinstance(anderson, bool) or anderson < 0:
        raise DtypeError(
            "fixed_point: anderson must be an int that is not negative.", got=repr(anderson)
        )
    x = unknowns(operation, x0, "x0", promote=True)
    equations = Equations(operation, "the result of f", f, x, keep_image=True)
    choose = _chosen(operation, tangent_solve, symmetric=False)
    method = Method("anderson", tol, maxiter, on_failure, int(anderson))
    return x.rebuilt(solution(equations, method, [], choose))


@boundary
def argmin(
    fun: Callable[[Any], Any],
    x0: Any,
    *,
    method: Any = None,
    tol: float | None = None,
    maxiter: int | None = None,
    tangent_solve: Any = None,
    on_failure: str = "raise",
) -> Any:
    """Find a local minimum of a function, and differentiate the place where it is: by the condition
    that the gradient is zero there.

    Args:
        fun: a function of a tree like `x0` to a real scalar, twice differentiable at the minimum;
            it may close over traced values, and the result has a derivative by them.
        x0: where to start: a tree of real numbers or arrays. The result has no derivative by it.
        method: "newton" (Hessians by wengert), "lbfgs" (gradients alone), or a function
            `method(fun, x0)` that returns the place of a minimum, which may call any library; when
            left out, "newton" up to 200 unknowns, "lbfgs" for more.
        tol: how small the last step is to be, beside each element of the result; when left out,
            1e-10, or 1e-5 for float32.
        maxiter: how many steps at most; when left out, 200 of Newton's, or 1000.
        tangent_solve: what solves the linear system of the derivative, as for `root`; when left
            out, "dense" up to 500 unknowns and "cg" for more.
        on_failure: "raise" an error if no minimum is found, or give "nan" (in those lanes).

    Returns:
        Where the minimum is, like `x0`.

    Raises:
        ConvergenceError: if no minimum is found; or in a derivative, if the Hessian is singular.
        DtypeError: for complex unknowns.
        NonScalarOutputError: if `fun` does not give a scalar.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def ridge(strength, X, y):
        ...     loss = lambda w: np.sum((X @ w - y) ** 2) + strength * np.sum(w**2)
        ...     return wg.argmin(loss, np.zeros(2))
        >>> X, y = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 4.0])
        >>> ridge(1.0, X, y).round(4), wg.jacobian(ridge)(1.0, X, y).round(4)
        (array([0.8   , 1.2667]), array([-0.0667, -0.1778]))
    """
    operation = f"argmin of {describe_function(fun)}"
    check_options("argmin", tol, maxiter, on_failure)
    x = unknowns(operation, x0, "x0", promote=True)
    for v in x.avals:
        if v.dtype.kind == "c":
            raise DtypeError(
                f"{operation}: the unknowns must be real.",
                got=repr(v),
                fix="minimise over real and imaginary parts",
            )
    n = size_of(x)
    if method is None:
        method = "newton" if n <= 200 else "lbfgs"
    chosen: Method | UsersMethod
    if callable(method):
        chosen = UsersMethod(method)
        chosen.of_value = True
    elif method in ("newton", "lbfgs"):
        name = "newton_minimum" if method == "newton" else "lbfgs"
        chosen = Method(name, tol, maxiter, on_failure)
    else:
        raise UnsupportedError(
            f"{operation}: there is no such method.",
            got=repr(method),
            needed='"newton", "lbfgs", or a function method(fun, x0)',
        )
    choose = _chosen(operation, tangent_solve, symmetric=True)
    return x.rebuilt(solution(Minimand(operation, fun, x), chosen, [], choose))


def implicit_function(
    optimality: Callable[..., Any], *, like: Any = None, tangent_solve: Any = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a decorator that gives derivatives to a solver of any kind, by what is zero at its
    result.

    The solver gets plain arrays and numbers, and may call any library. Under `vmap` it runs once
    for each lane.

    Args:
        optimality: `optimality(x, *args)`, zero for `x = solver(*args)`, like x in structure and
            shapes. It may close over traced values.
        like: what the result is like, a tree of arrays or of anything with `shape` and `dtype`; or
            a function of the arguments that returns it. Needed in programs and for empty batches
            alone, where there are no values to run the solver with.
        tangent_solve: what solves the linear system of the derivative, as for `root`.

    Returns:
        A decorator for `solver(*args)`. The function that it makes takes the same arguments, and
        has derivatives by all of them.

    Raises:
        TreeError, ShapeError, DtypeError: if the result of `optimality` is not like the solver's.
        UnsupportedError: in a program, without `like`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.implicit_function(lambda x, a: x**5 + x - a)
        ... def quintic(a):  # np.roots has no derivative here
        ...     found = np.roots([1.0, 0.0, 0.0, 0.0, 1.0, -a])
        ...     return found[np.argmin(abs(found.imag))].real
        >>> quintic(2.0).round(6), wg.grad(quintic)(2.0).round(6)
        (np.float64(1.0), np.float64(0.166667))
    """

    def decorate(solver: Callable[..., Any]) -> Callable[..., Any]:
        operation = f"implicit_function of {describe_function(solver)}"
        choose = _chosen(operation, tangent_solve, symmetric=False)

        @boundary
        @wraps(solver, updated=())
        def function(*args: Any, **kwargs: Any) -> Any:
            given = array_leaves(operation, (args, kwargs))
            live = derivative_traces()

            def run(*leaves: Array) -> Any:
                args, kwargs = given.rebuilt(leaves)
                return solver(*args, **kwargs)

            equation = lambda x: optimality(x, *args, **kwargs)
            if not needs_programs():
                with detached(live):
                    plain = [value_of(v, live) for v in given.arrays]
                    found = run(*plain)
                x = unknowns(operation, found, "the solution", promote=True)
                method = UsersMethod(lambda f, x0, *s: x0)
            else:
                shown = _example(operation, run, given, like, args, kwargs)
                x = unknowns(operation, shown, "the solution", promote=True)
                method = UsersMethod(lambda f, x0, *s: run(*s))
                method.together = False
            equations = Equations(operation, "the result of optimality", equation, x, False)
            return x.rebuilt(solution(equations, method, given.arrays, choose))

        return function

    return decorate


def _chosen(operation: str, tangent_solve: Any, symmetric: bool) -> Callable[[int], Solver]:
    """What makes the solver for the derivatives of n unknowns; it is checked at once."""

    def choose(n: int) -> Solver:
        return linear_solver(operation, tangent_solve, n, symmetric)

    choose(0)
    return choose


def _example(
    operation: str,
    run: Callable[..., Any],
    given: Leaves,
    like: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """A value like the solver's result: as the user says, or what it gives for the first lane."""
    if like is not None:
        shown = like(*args, **kwargs) if callable(like) else like
        return tree.map(lambda v: np.zeros(v.shape, v.dtype) if hasattr(v, "shape") else v, shown)
    found = [_first_lane(x) for x in given.arrays]
    if any([isinstance(x, Tracer) for x in found]):
        raise UnsupportedError(
            f"{operation}: what the solver returns is not known here, as it cannot run.",
            got=repr(next(x for x in found if isinstance(x, Tracer))),
            fix="say what the result is like: implicit_function(optimality, like=...), an array, "
            "or a function of the arguments that returns one",
        )
    return run(*found)


def _first_lane(x: Array) -> Array:
    """The value that a tracer has in the first lane of all batches; a tracer where it has none."""
    x = current(x)
    if isinstance(x, BatchTracer):
        value = _first_lane(x.value)
        return value if isinstance(value, Tracer) else value[0] if len(value) else x
    return _first_lane(x.primal) if isinstance(x, JVPTracer) else x
