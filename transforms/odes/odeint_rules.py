"""The primitive `odeint`, and its derivative by the adjoint equation.

`odeint_p : state at the start, times, parameters -> states at the times`. With `derivative` being
"discrete", its derivative is that of the steps taken (`odeint_steps.py`). With "adjoint", the
tangent solves a differential equation of its own, and so does the cotangent, backward in time. Both
are `odeint_p` again, which makes them differentiable in turn, and nothing is kept but the states at
the times.

Read next: `odeint.py`, for users.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Program
from ...core.tracing import newest_trace
from ..backward import backward_pass
from ..control.structured import Structured, pushforward_p, run_again
from ..control.subprograms import evaluate_batch, evaluate_jvp, evaluate_linearized, trace_flat
from ..jvp import zeros_of
from .dormand_prince import Control
from .odeint_steps import batch_of, is_known, plain_path, steps_p
from .runge_kutta import Function, RightSide, call
from .sensitivities import pack, unpack

__all__ = ["odeint_p"]

_FLOAT = np.dtype(np.float64)
Flags = Sequence[bool]
Lanes = Sequence[bool] | None


def _shape(
    y0: ShapedArray, t: ShapedArray, *avals: ShapedArray, lanes: Lanes = None, **params: Any
) -> Any:
    times, state = t.shape, y0.shape
    if lanes is None:
        return (ShapedArray((*times, *state), _FLOAT),)
    b = next(v.shape[0] for v, f in zip((y0, t, *avals), lanes, strict=True) if f)
    return (ShapedArray((b, times[-1], state[-1]), _FLOAT),)


def _run(*args: Array, **params: Any) -> tuple[Array, ...]:
    trace = newest_trace(args)
    if trace is not None:
        found: tuple[Array, ...] = trace.process(odeint_p, args, params)
        return found
    return (_solved(*args, **params),)


def _solved(
    *args: Array, func: Function, lanes: Lanes = None, control: Control, derivative: str
) -> Array:
    return plain_path(args, func, lanes, control, keep=False).out


def _rule(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    func: Function,
    lanes: Lanes = None,
    control: Control,
    derivative: str,
    rule: str,
) -> tuple[Any, Any]:
    params = {"func": func, "control": control}
    if lanes is not None:
        params["lanes"] = lanes
    if derivative == "adjoint":
        params["derivative"] = derivative
        if rule == "jvp":
            return _by_tangents(primals, tangents, **params)
        ys = odeint_p.bind(*primals, **params)
        params["lanes"] = lanes and (True, *lanes)
        return _by_adjoint((*ys, *primals), (None, *tangents), **params)
    if not all([is_known(x) for x in primals]):
        later = run_again(odeint_p)
        return later(primals, tangents, derivative=derivative, **params)  # type: ignore[no-any-return]  # a pair
    ys, dots = getattr(steps_p, rule)(primals, tangents, **params)
    return ys[:1], dots[:1]


odeint_p: Structured = Structured(
    "odeint",
    _run,
    shape=_shape,
    batch=lambda *args, **params: batch_of(odeint_p)(*args, **params),
    jvp=partial(_rule, rule="jvp"),
    linearize=partial(_rule, rule="linearize"),
)


# The adjoint equation.


def _by_adjoint(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    lanes: Lanes = None,
    **params: Any,
) -> tuple[Any, Any]:
    """The solution is known; its derivative is a linear operation, whose transpose is `_back`."""
    given = [t for t in tangents[1:] if t is not None]
    if not given:
        return (primals[0],), (None,)
    params["lanes"] = lanes
    active = (False, *[t is not None for t in tangents[1:]])
    dots = pushforward_p.bind(*primals, *given, of=known_p, active=active, params=params)
    return (primals[0],), list(dots)


def _known(*args: Array, **params: Any) -> tuple[Array, ...]:
    trace = newest_trace(args)
    if trace is not None:
        found: tuple[Array, ...] = trace.process(known_p, args, params)
        return found
    return (args[0],)


def _known_batch(
    size: int, batched: Sequence[bool], y: Array, *args: Array, **params: Any
) -> tuple[Array, ...]:
    if not batched[0]:
        y = np.broadcast_to(y, (size, *aval_of(y).shape))
    return batch_of(known_p)(size, (True, *batched[1:]), y, *args, **params)


def _known_jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    lanes: Lanes = None,
    **params: Any,
) -> tuple[Any, Any]:
    if all([t is None for t in tangents[1:]]):
        return (primals[0],), (None,)
    of_rest = lanes and lanes[1:]
    return _by_tangents(primals[1:], tangents[1:], lanes=of_rest, **params)


def _by_tangents(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    func: Function,
    lanes: Lanes = None,
    **params: Any,
) -> tuple[Any, Any]:
    """The solution and its tangent, which solve one system together."""
    k = len(primals)
    active = [t is not None for t in tangents]
    given = [t for t in tangents if t is not None]

    def one(*args: Array) -> list[Array]:
        y0, t, *parameters = args[:k]
        n = aval_of(y0).shape[0]
        dots = _by_number(args[k:], active)
        y0_dot = dots[0] if active[0] else np.zeros(n)
        if active[1]:
            y0_dot = y0_dot - call(func, y0, t[0], *parameters) * dots[1][0]
        z = odeint_p.bind(
            np.concatenate([y0, y0_dot]), t, *parameters, *[dots[i] for i in dots if i > 1],
            func=_with_tangent(func, n, tuple(active[2:]), parameters), **params,
        )[0]  # fmt: skip
        y, y_dot = z[:, :n], z[:, n:]
        if active[1]:
            y_dot = y_dot + _slopes(func, y, t, parameters) * dots[1][:, None]
        return [y, y_dot]

    y, y_dot = _in_lanes(one, lanes, active, [*primals, *given], 2)
    return (y,), (y_dot,)


def _back(
    args: Sequence[Array],
    active: Flags,
    cts: Sequence[Array],
    *,
    func: Function,
    lanes: Lanes = None,
    **params: Any,
) -> list[Array]:
    """The cotangents, which solve the adjoint equation; the state is carried back beside them, and
    starts anew at each time.
    """

    def one(y: Array, y0: Array, t: Array, *rest: Array) -> list[Array]:
        *parameters, ct = rest
        count, n = aval_of(y).shape
        chosen = [p for p, a in zip(parameters, active[3:], strict=True) if a]
        avals = [aval_of(p) for p in chosen]
        adjoint = _with_cotangent(func, n, tuple(active[3:]), parameters)
        y_ct = ct[count - 1]
        of_parameters = np.zeros(_size(avals))
        for i in range(count - 1, 0, -1):
            begin = np.concatenate([y[i], y_ct, of_parameters])
            ends = np.stack([t[i], t[i - 1]])
            try:
                z = odeint_p.bind(begin, ends, *parameters, func=adjoint, **params)[0][1]
            except RuntimeError as error:
                raise RuntimeError(
                    f"{error} That was on the way back, for derivative='adjoint': a solution that "
                    "forgets where it came from cannot be followed backward. Use "
                    "derivative='discrete', or more times."
                ) from None
            y_ct, of_parameters = z[n : 2 * n] + ct[i - 1], z[2 * n :]
        found = [y_ct] if active[1] else []
        if active[2]:
            t_ct = np.sum(_slopes(func, y, t, parameters) * ct, axis=1)
            start = np.sum(call(func, y0, t[0], *parameters) * y_ct)
            found.append(t_ct - np.concatenate([start[None], np.zeros(count - 1)]))
        return [*found, *unpack(of_parameters, avals)]

    flags = lanes and (*lanes, True)
    parts = _in_lanes(one, flags, (), [*args, *cts], sum(active))
    if lanes is None:
        return parts
    shared = [not f for f, a in zip(lanes, active, strict=True) if a]
    return [np.sum(x, axis=0) if s else x for x, s in zip(parts, shared, strict=True)]


known_p: Structured = Structured(
    "odeint_known",
    _known,
    shape=lambda y, *avals, **params: (y,),
    batch=_known_batch,
    jvp=_known_jvp,
    linearize=lambda primals, tangents, **params: _by_adjoint(primals, tangents, **params),
    pull_back=_back,
)
"""`odeint_p` with its result as operand 0, so that nothing has to be solved to have the result."""


# Systems made of another one.


def _with_tangent(
    func: Function, n: int, active: tuple[bool, ...], parameters: Sequence[Array]
) -> Function:
    """The states and their tangents, whose parameters are those of `func` and their tangents."""
    k = len(active)

    def fun(z: Array, t: Array, *args: Array) -> Array:
        run = lambda y, *given: [call(func, y, t, *given)]
        primals, tangents = [z[:n], *args[:k]], [z[n:], *args[k:]]
        ys, dots = evaluate_jvp("odeint", run, primals, [True, *active], tangents)
        return np.concatenate([ys[0], zeros_of(ys[0]) if dots[0] is None else dots[0]])

    avals = [aval_of(p) for p in parameters]
    more = [v for v, a in zip(avals, active, strict=True) if a]
    return _derived(func, "tangent", active, fun, 2 * n, [*avals, *more])


def _with_cotangent(
    func: Function, n: int, active: tuple[bool, ...], parameters: Sequence[Array]
) -> Function:
    """The states, their cotangents, and those of the active parameters, as they go backward."""
    avals = [aval_of(p) for p in parameters]
    chosen = [v for v, a in zip(avals, active, strict=True) if a]
    state = ShapedArray((n,), _FLOAT)

    def fun(z: Array, t: Array, *given: Array) -> Array:
        run = lambda y, *args: [call(func, y, t, *args)]
        primals = [z[:n], *given]
        ys, tape, outputs = evaluate_linearized("odeint", run, primals, [True, *active])
        cts = backward_pass(
            tape, 1 + len(chosen), outputs, [z[n : 2 * n]], [state, *chosen], once=True
        )
        return np.concatenate([ys[0], -cts[0], -pack(cts[1:])])

    return _derived(func, "cotangent", active, fun, 2 * n + _size(chosen), avals)


def _derived(
    func: Function,
    what: str,
    active: tuple[bool, ...],
    fun: Any,
    n: int,
    avals: Sequence[ShapedArray],
) -> Function:
    """A function that is made of another one; as a program, if that is one."""
    if not isinstance(func, RightSide):
        return fun
    key = what, active
    found: RightSide | None = func.derived.get(key)
    if found is None:
        given = [ShapedArray((n,), _FLOAT), ShapedArray((), _FLOAT), *avals]
        run = lambda *args: [fun(*args)]
        found = func.derived[key] = RightSide(trace_flat(f"{what} of {func.name}", run, given))
    return found


def _size(avals: Sequence[ShapedArray]) -> int:
    """How many reals there are in arrays of these types."""
    return sum([v.size * (2 if v.dtype.kind == "c" else 1) for v in avals])


def _slopes(func: Function, ys: Array, t: Array, parameters: Sequence[Array]) -> Array:
    """y' at each of the times."""
    count = aval_of(t).shape[0]
    if not isinstance(func, Program):
        return np.stack([call(func, ys[i], t[i], *parameters) for i in range(count)])
    flags = [True, True, *[False] * len(parameters)]
    run = lambda *xs: [call(func, *xs)]
    return evaluate_batch("odeint", run, count, [ys, t, *parameters], flags, [True])[0][0]


def _by_number(items: Sequence[Any], active: Flags) -> dict[int, Any]:
    """The items of the active operands, by the numbers of these."""
    return dict(zip([i for i, a in enumerate(active) if a], items, strict=True))


def _in_lanes(
    one: Any, lanes: Lanes, active: Flags, args: Sequence[Array], count: int
) -> list[Array]:
    """Run what is written for one lane on all of them; the active operands have tangents too."""
    if lanes is None:
        found: list[Array] = one(*args)
        return found
    flags = [*lanes, *[f for f, a in zip(lanes, active, strict=False) if a]]
    size = next(aval_of(x).shape[0] for x, f in zip(args, flags, strict=True) if f)
    return evaluate_batch("odeint", one, size, args, flags, [True] * count)[0]
