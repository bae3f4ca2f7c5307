"""Initial value problems: `(u, t) -> z(t)`, where z' = rhs(z, t, u) and z(t[0]) = start(u, t[0]).

One primitive, `ode`, whose value a solver computes that the caller hands in; so this file needs no
SciPy. Its derivative by the parameters u is a matrix of sensitivities times the tangent. The
sensitivities solve another initial value problem, the same primitive again: so there are
derivatives of every order in both modes, and they are consistent to rounding. The price is a system
as many times larger as there are parameters; it is solved in portions.

Read next: `frontend/scipy/integrate.py`, which makes `odeint` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core import tree
from ...core.aval import Array, Shape, ShapedArray, aval_of
from ...core.dispatch import is_traced
from ...core.errors import DtypeError, ShapeError, UnsupportedError, WengertError
from ...core.ir import evaluate
from ...core.primitives.elementwise import as_array, astype
from ...core.source import describe_function
from ...core.tracing import Primitive, Tracer
from ..evaluators import Often
from ..jvp import jvp
from ..program import make_program, trace_closed
from ..vmap import vmap

__all__ = ["InitialValueProblem", "Problem", "ode_p", "solution", "stated"]

_STATES = 256
"""How large a system with sensitivities may be, where there is a choice."""

Solver = Callable[..., Array]
"""`solver(problem)` computes the states of a `Problem` at its times, one row each."""


class System(NamedTuple):
    """What the primitive solves, for any parameters u.

    `start(u, t0)` and `rhs(z, t, u)` give arrays of as many states as `origin` and `scale(u)` have,
    see `Problem`. `jacobian(z, t, u)` is the derivative of `rhs` by the states, or a matrix near
    it; `derived`: these are derivatives of another system's.
    """

    name: str
    start: Callable[..., Array]
    rhs: Callable[..., Array]
    jacobian: Callable[..., Array]
    origin: Array
    scale: Callable[[Array], Array]
    derived: bool = False

    def __repr__(self) -> str:
        return f"{self.name}({len(self.origin)})"


class Problem(NamedTuple):
    """What a solver solves: z' = fun(z, t), where z(times[0]) = z0.

    `jacobian(z, t)` is for Newton's method. An error that is small in state `origin[i]` of the
    user's is small in state i when it is multiplied by `scale[i]`. `derived`: the states are the
    user's and sensitivities.
    """

    fun: Callable[[Array, float], Array]
    z0: Array
    times: Array
    jacobian: Callable[[Array, float], Array]
    origin: Array
    scale: Array
    derived: bool


def _solve(u: Array, t: Array, *, system: System, solver: Solver) -> Array:
    z0 = np.asarray(system.start(u, t[0]))
    rhs = _recorded(system.rhs, z0, t[0], u) if system.derived else system.rhs

    def fun(z: Array, time: float) -> Array:
        y = rhs(z, time, u)
        if isinstance(y, Tracer):
            raise UnsupportedError(
                f"{system.name} uses a traced value that is not one of its arguments.",
                got=repr(y),
                fix="pass the value as one of `args`; or write the function without `if` and "
                "`while` on its values, so that it can be traced",
            )
        return y

    def jacobian(z: Array, time: float) -> Array:
        return system.jacobian(z, time, u)

    return solver(Problem(fun, z0, t, jacobian, system.origin, system.scale(u), system.derived))


def _recorded(f: Callable[..., Array], *like: Array) -> Callable[..., Array]:
    """A derivative as a program, which runs several times faster; as it is where it asks for
    values.
    """
    try:
        program = make_program(f)(*[ShapedArray(np.shape(x), np.result_type(x)) for x in like])
    except WengertError:
        return f
    often = Often(program)
    return lambda *args: often(*args)[0]


def _batch(
    size: int, batched: Sequence[bool], u: Array, t: Array, *, system: System, solver: Solver
) -> Array:
    """Member by member: each needs steps of its own."""
    if not size:
        return np.zeros((0, t.shape[-1], len(system.origin)))
    u_batched, t_batched = batched
    return np.stack([
        ode_p.bind(u[i] if u_batched else u, t[i] if t_batched else t, system=system, solver=solver)
        for i in range(size)
    ])  # fmt: skip


def _by_parameters(
    u_dot: Array, z: Array, u: Array, t: Array, *, system: System, solver: Solver
) -> Array:
    n, m = len(system.origin), u.shape[0]
    portion = max(1, _STATES // n)
    parts = [
        ode_p.bind(u, t, system=_with_sensitivities(system, i, min(i + portion, m)), solver=solver)
        for i in range(0, m, portion)
    ]
    columns = [np.reshape(part[:, n:], (t.shape[0], n, -1)) for part in parts]
    return np.concatenate(columns, axis=2) @ u_dot


def _by_times(
    t_dot: Array, z: Array, u: Array, t: Array, *, system: System, solver: Solver
) -> Array:
    """The solution moves along itself; and as a whole, when it starts later."""
    n = len(system.origin)
    slopes = np.stack([system.rhs(z[i], t[i], u) for i in range(t.shape[0])])
    later = ode_p.bind(u, t, system=_with_later_start(system), solver=solver)[:, n:]
    return slopes * t_dot[:, None] + later * t_dot[0]


ode_p: Primitive = Primitive(
    "ode",
    _solve,
    shape=lambda u, t, *, system, solver: ShapedArray(
        (t.shape[0], len(system.origin)), np.dtype(np.float64)
    ),
    jvps=(_by_parameters, _by_times),
    batch=_batch,
)


def _with_sensitivities(system: System, first: int, last: int) -> System:
    """The states, then the rows of their derivatives by the parameters from `first` to `last`."""
    n, count = len(system.origin), last - first

    def directions(u: Array) -> Array:
        return np.eye(last - first, u.shape[0], first)

    def start(u: Array, t0: Array) -> Array:
        def along(u_dot: Array) -> Any:
            return jvp(lambda v: system.start(v, t0), (u,), (u_dot,))

        z, s = vmap(along, out_axes=(None, 1))(directions(u))
        return np.concatenate([z, np.ravel(s)])

    def rhs(state: Array, t: Array, u: Array) -> Array:
        def along(z_dot: Array, u_dot: Array) -> Any:
            return jvp(lambda z, v: system.rhs(z, t, v), (state[:n], u), (z_dot, u_dot))

        s = np.reshape(state[n:], (n, count))
        z, s = vmap(along, in_axes=(1, 0), out_axes=(None, 1))(s, directions(u))
        return np.concatenate([z, np.ravel(s)])

    def scale(u: Array) -> Array:
        # A large parameter has small sensitivities, whose errors it magnifies.
        own = system.scale(u)
        return np.concatenate([own, np.ravel(own[:, None] / np.maximum(np.abs(u[first:last]), 1))])

    def jacobian(state: Array, t: Array, u: Array) -> Array:
        # Sensitivities depend on the states too, but Newton's method gets on without that part.
        j = system.jacobian(state[:n], t, u)
        return _blocks(j, np.kron(j, np.eye(count)))

    origin = np.concatenate([system.origin, np.repeat(system.origin, count)])
    name = f"sensitivities of {system.name}"
    return System(name, start, rhs, jacobian, origin, scale, derived=True)


def _with_later_start(system: System) -> System:
    """The states, then their derivatives by the time at which they start."""
    n = len(system.origin)

    def start(u: Array, t0: Array) -> Array:
        z, moved = jvp(lambda time: system.start(u, time), (t0,), (np.float64(1.0),))
        return np.concatenate([z, moved - system.rhs(z, t0, u)])

    def rhs(state: Array, t: Array, u: Array) -> Array:
        pair = jvp(lambda z: system.rhs(z, t, u), (state[:n],), (state[n:],))
        return np.concatenate(pair)

    def scale(u: Array) -> Array:
        return np.tile(system.scale(u), 2)

    def jacobian(state: Array, t: Array, u: Array) -> Array:
        j = system.jacobian(state[:n], t, u)
        return _blocks(j, j)

    name = f"later start of {system.name}"
    return System(name, start, rhs, jacobian, np.tile(system.origin, 2), scale, derived=True)


def _blocks(a: Array, b: Array) -> Array:
    """A matrix with two blocks on its diagonal."""
    n, m = a.shape[0], b.shape[0]
    y = np.zeros((n + m, n + m))
    y[:n, :n], y[n:, n:] = a, b
    return y


# From the user's function to a system.


class InitialValueProblem(NamedTuple):
    """A function of the user's, and what of its arguments is traced.

    `fun(z, t, *leaves)`; `leaves` are the traced values, `z0` the state at the start, which is
    leaf number `z0_leaf` if that is one of them.
    """

    name: str
    fun: Callable[..., Array]
    z0: Array
    z0_leaf: int | None
    leaves: list[Array]


def stated(
    operation: str, func: Callable[..., Any], z0: Any, t: Array, args: Sequence[Any]
) -> InitialValueProblem | None:
    """The problem z' = func(z, t, *args), z(t[0]) = z0; None where nothing is traced.

    Traced values that `func` uses without getting them as arguments become leaves too, where it
    can be traced.
    """
    name = describe_function(func)
    z0 = as_array(z0, operation)
    values, treedef = tree.flatten(tuple(args))
    if not any([isinstance(x, Tracer) for x in (z0, t, *values)]):
        state = np.atleast_1d(np.array(z0, np.result_type(z0, np.float64)))
        if not is_traced([func(state, t[0], *args)]):
            return None
    aval = aval_of(z0)
    if aval.ndim > 1 or aval.dtype.kind == "c":
        raise (ShapeError if aval.ndim > 1 else DtypeError)(
            f"{operation}: the initial state must be a vector of reals.", got=repr(aval)
        )
    z0 = astype(np.reshape(z0, (aval.size,)), np.float64)
    spots = [i for i, x in enumerate(values) if isinstance(x, Tracer)]
    leaves: list[Array] = [values[i] for i in spots]
    z0_leaf = None
    if isinstance(z0, Tracer):
        z0_leaf = len(leaves)
        leaves.append(z0)

    def fun(z: Array, time: Array, *given: Array) -> Array:
        full = list(values)
        for i, x in zip(spots, given, strict=False):
            full[i] = x
        y = as_array(func(z, time, *tree.unflatten(treedef, full)), f"{operation}: {name}")
        found = aval_of(y)
        if found.size != aval.size or found.dtype.kind == "c":
            raise (DtypeError if found.dtype.kind == "c" else ShapeError)(
                f"{operation}: {name} must return the derivative of the state.",
                got=repr(found),
                needed=f"f64[{aval.size}], as the initial state",
            )
        return astype(np.reshape(y, (aval.size,)), np.float64)

    hidden, fun = _without_hidden(fun, aval.size, leaves)
    return InitialValueProblem(name, fun, z0, z0_leaf, leaves + hidden)


def _without_hidden(
    fun: Callable[..., Array], n: int, leaves: Sequence[Array]
) -> tuple[list[Array], Callable[..., Array]]:
    """The traced values that a function uses and doesn't get; and a function that gets them."""
    number = np.dtype(np.float64)
    try:
        program, hidden = trace_closed(
            "a system of differential equations",
            fun,
            ShapedArray((n,), number),
            ShapedArray((), number),
            *[aval_of(x) for x in leaves],
        )
    except WengertError:  # It asks for values. If it hides something then solving it will tell.
        return [], fun
    if not hidden:
        return [], fun
    k = len(hidden)
    return hidden, lambda *args: evaluate(program, *args[-k:], *args[:-k])[0]


def solution(problem: InitialValueProblem, t: Array, solver: Solver) -> Array:
    """The states at the times t, one row each."""
    avals = [aval_of(x) for x in problem.leaves]
    n = problem.z0.shape[0]

    def start(u: Array, t0: Array) -> Array:
        return problem.z0 if problem.z0_leaf is None else unpack(u, avals)[problem.z0_leaf]

    def rhs(z: Array, time: Array, u: Array) -> Array:
        return problem.fun(z, time, *unpack(u, avals))

    def jacobian(z: Array, time: Array, u: Array) -> Array:
        def along(z_dot: Array) -> Any:
            return jvp(lambda state: rhs(state, time, u), (z,), (z_dot,))[1]

        return vmap(along, out_axes=1)(np.eye(n))

    ones = np.ones(n)
    system = System(problem.name, start, rhs, jacobian, np.arange(n), lambda u: ones)
    return ode_p.bind(pack(problem.leaves), t, system=system, solver=solver)


# Parameters of all shapes and dtypes as one vector of reals.


def pack(leaves: Sequence[Array]) -> Array:
    """One vector; a complex array gives its real and then its imaginary parts."""
    parts: list[Array] = []
    for x in leaves:
        pieces = [np.real(x), np.imag(x)] if aval_of(x).dtype.kind == "c" else [x]
        parts += [astype(np.ravel(p), np.float64) for p in pieces]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0), *parts])


def unpack(u: Array, avals: Sequence[ShapedArray]) -> list[Array]:
    """The arrays that `pack` made a vector of."""
    found = []
    at = 0

    def piece(shape: Shape, size: int) -> Array:
        nonlocal at
        at += size
        return np.reshape(u[at - size : at], shape)

    for aval in avals:
        x = piece(aval.shape, aval.size)
        if aval.dtype.kind == "c":
            x = x + 1j * piece(aval.shape, aval.size)
        found.append(astype(x if aval.shape else x[()], aval.dtype))
    return found
