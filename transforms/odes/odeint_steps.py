"""The solution of a differential equation as a chain of steps, and the derivative of these steps.

`steps_p : state at the start, times, parameters -> states at the times, and the path to them`. A
step is y[k + 1] = step(y[k]), of a size that counts as constant. The solver knows all y[k] before a
derivative is wanted. So all steps are linearized at once, as a batch; what is left to do one after
the other is a product of a small matrix and a vector, `recurrence_p`. Larger systems would have
large matrices; their steps are gone through again, by `scan_p`.

`func(y, t, *parameters)` is a `RightSide`, or a Python function where nothing can be written down.
Then the steps are gone through again by `replayed`.

Read next: `odeint_rules.py`. The step itself is in `runge_kutta.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import UnsupportedError
from ...core.ir import Literal, Program, Var
from ...core.primitives.indexing import getitem
from ...core.source import describe_function
from ...core.storage import current
from ...core.tracing import Primitive, Tracer
from ..batching import BatchTracer, without_names
from ..collectives.collective_rules import couples
from ..control.scan_primitive import scan_p
from ..control.subprograms import evaluate_batch, evaluate_jvp, evaluate_linearized, trace_flat
from ..evaluators import Often
from ..linear import pushforward
from .dormand_prince import Control, Path, check_times, in_lane, joined, solve, solve_lanes
from .runge_kutta import (
    STEP_WEIGHTS,
    Function,
    between,
    call,
    combine_p,
    recurrence_p,
    row,
    stages,
)

__all__ = ["batch_of", "is_known", "plain_path", "replayed", "steps_p"]

MATRICES = 32
"""Up to how many states the discrete derivative forms the matrices of the steps."""

FEW = 8
"""Up to how many lanes are solved one after the other, which is faster."""

_FLOAT = np.dtype(np.float64)


# Solving.


def plain_path(
    args: Sequence[Array],
    func: Function,
    lanes: Sequence[bool] | None,
    control: Control,
    keep: bool,
) -> Path:
    """The solution for values that are not traced.

    Steps may be tried where nothing is finite, and are made smaller then: no reason for a warning.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _path(args, func, lanes, control, keep)


def _path(
    args: Sequence[Array],
    func: Function,
    lanes: Sequence[bool] | None,
    control: Control,
    keep: bool,
) -> Path:
    y0, t, *parameters = args
    check_times(np.asarray(t))
    name = describe_function(func)
    if lanes is None:
        one = _function_of_lane(func, name, parameters)
        return solve(one, np.array(y0), np.asarray(t), control, keep)
    b = next(len(x) for x, f in zip(args, lanes, strict=True) if f)
    y0 = np.array(y0 if lanes[0] else np.broadcast_to(y0, (b, *np.shape(y0))))
    t = np.asarray(t if lanes[1] else np.broadcast_to(t, (b, *np.shape(t))))
    flags = lanes[2:]
    if b <= FEW or not isinstance(func, Program):  # Python code is for one lane
        with without_names():
            return joined([
                solve(
                    _function_of_lane(
                        func, name,
                        [p[i] if f else p for p, f in zip(parameters, flags, strict=True)],
                    ),
                    y0[i], t[i], control, keep, in_lane(i),
                )
                for i in range(b)
            ], y0, t)  # fmt: skip
    return solve_lanes(_function_of_lanes(func, parameters, flags), y0, t, control, keep)


def _function_of_lane(
    func: Function, name: str, parameters: Sequence[Array]
) -> Callable[[Array, Array], Array]:
    if isinstance(func, Program):
        direct = getattr(func, "direct", None)
        often = Often(func, first=direct and (lambda *args: (direct(*args),)))
        return lambda y, t: often(y, t, *parameters)[0]

    def f(y: Array, t: Array) -> Array:
        y = func(y, t, *parameters)
        if isinstance(y, Tracer):
            raise UnsupportedError(
                f"odeint: {name} uses a traced value that is not one of its arguments.",
                got=repr(y),
                fix="pass the value as one of odeint's arguments; or write the function without "
                "`if` and `while` on its values, so that it can be traced",
            )
        return y

    return f


def _function_of_lanes(
    func: Program, parameters: Sequence[Array], flags: Sequence[bool]
) -> Callable[[Array, Array, Array], Array]:
    """y' for some of the lanes."""
    operations = _operations(func, [True, True, *flags])
    constants = dict(func.constants)
    y_name, t_name, *names = func.inputs
    (result,) = func.outputs
    chosen: list[Any] = [None]
    always = isinstance(result, Var) and any([result in outs for *_, outs, on in operations if on])

    def f(y: Array, t: Array, lanes: Array) -> Array:
        if chosen[0] is not lanes:
            chosen[0] = lanes
            for name, p, b in zip(names, parameters, flags, strict=True):
                constants[name] = p[lanes] if b else p
        env = {**constants, y_name: y, t_name: t}
        size = len(lanes)
        for run, inputs, outs, _ in operations:
            values = run(size, *[x.value if type(x) is Literal else env[x] for x in inputs])
            if len(outs) == 1:
                env[outs[0]] = values
            else:
                env.update(zip(outs, values, strict=True))
        found = result.value if isinstance(result, Literal) else env[result]
        return found if always else np.broadcast_to(found, y.shape)

    return f


def _operations(func: Program, flags: Sequence[bool]) -> list[Any]:
    """The equations of a program as functions of the number of lanes, and of plain arrays: with
    inputs, outputs, and whether the outputs have lanes. This is `vmap` without its tracers.
    """
    batched = dict(zip(func.inputs, flags, strict=True))
    operations = []
    for equation in func.equations:
        primitive, params = equation.primitive, equation.params
        on = [batched.get(x, False) for x in equation.inputs]  # type: ignore[arg-type]  # a literal is not in it
        ranks = [x.aval.ndim for x in equation.inputs]
        if not any(on):
            run = lambda size, *args, p=primitive, k=params: p.bind(*args, **k)
        elif primitive.elementwise and all(
            [r == max(ranks) for r, b in zip(ranks, on, strict=True) if b]
        ):
            run = lambda size, *args, p=primitive, k=params: p.impl(*args, **k)
        else:
            run = lambda size, *args, p=primitive, k=params, b=on: p.batch(size, b, *args, **k)
        if primitive.multiple_results and len(equation.outputs) == 1:
            run = lambda size, *args, of=run: of(size, *args)[0]
        operations.append((run, equation.inputs, equation.outputs, any(on)))
        batched.update(dict.fromkeys(equation.outputs, any(on)))
    return operations


def _steps(
    *args: Array, func: Function, control: Control, lanes: Sequence[bool] | None = None
) -> tuple[Array, ...]:
    return tuple(plain_path(args, func, lanes, control, keep=True))


def _merged(
    size: int, batched: Sequence[bool], args: Sequence[Array], lanes: Sequence[bool] | None
) -> tuple[list[Array], tuple[bool, ...], Callable[[Array], Array]]:
    """A batch of operands, which may have lanes already: one axis of lanes for both, the flags, and
    what gives results their two axes back.
    """
    if lanes is None:
        return list(args), tuple(batched), lambda y: y
    inner = next(
        aval_of(x).shape[int(b)] for x, b, f in zip(args, batched, lanes, strict=True) if f
    )

    def merged(x: Array, b: bool, f: bool) -> Array:
        if not b and not f:
            return x
        shape = aval_of(x).shape
        rest = shape[int(b) + int(f) :]
        if not f:
            x = np.broadcast_to(x[:, None], (size, inner, *rest))
        elif not b:
            x = np.broadcast_to(x, (size, *shape))
        return np.reshape(x, (size * inner, *rest))

    pairs = list(zip(batched, lanes, strict=True))
    found = [merged(x, *pair) for x, pair in zip(args, pairs, strict=True)]
    flags = tuple([b or f for b, f in pairs])
    return found, flags, lambda y: np.reshape(y, (size, inner, *aval_of(y).shape[1:]))


def batch_of(primitive: Primitive) -> Callable[..., tuple[Array, ...]]:
    """The batching rule of a primitive that has lanes: more of them."""

    def batch(
        size: int, batched: Sequence[bool], *args: Array, lanes: Any = None, **params: Any
    ) -> tuple[Array, ...]:
        func = params["func"]
        if isinstance(func, Program) and couples(func, batched[-len(func.inputs) :]):
            raise UnsupportedError(
                "odeint: a collective couples the members of a batch, each of which is solved with "
                "steps of its own.",
                fix="compute what all members share before, and pass it as an argument; or solve "
                "one system with the states of all members, outside of vmap",
            )
        args_, flags, apart = _merged(size, batched, args, lanes)
        ys = primitive.bind(*args_, lanes=flags, **params)
        return tuple([apart(y) for y in ys])

    return batch


# The discrete derivative.


def _value(x: Array) -> Array:
    """The plain array behind a tracer, of all lanes."""
    x = current(x)
    while isinstance(x, Tracer):
        x = current(x.value if isinstance(x, BatchTracer) else x.primal)
    return x


def is_known(x: Array) -> bool:
    """True where there is a plain array behind a tracer, of one lane or of all."""
    x = current(x)
    while isinstance(x, Tracer):
        x = x.value if isinstance(x, BatchTracer) else x.primal
        if x is None:
            return False
        x = current(x)
    return True


def _steps_rule(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    func: Function,
    control: Control,
    rule: str,
    lanes: Sequence[bool] | None = None,
) -> tuple[tuple[Array, ...], list[Array | None]]:
    path = Path(*steps_p.bind(*primals, func=func, lanes=lanes, control=control))
    if not isinstance(func, Program):
        return _replay_rule(path, primals, tangents, func, lanes, rule)
    active = [t is not None for t in tangents]
    given = [t for t in tangents if t is not None]
    moving = active[1] or isinstance(primals[1], Tracer)
    sizes, taus = _value(path.size), _value(path.tau)
    dense = moving or bool(np.any((taus != sizes) & (taus != 0)))
    follow = partial(_follow, func=func, active=active, moving=moving, dense=dense, rule=rule)
    args = [*path[1:], *primals, *given]
    if lanes is None:
        dots = follow(*args)
    else:
        flags = [*[True] * 5, *lanes, *[f for f, a in zip(lanes, active, strict=True) if a]]
        size = aval_of(path.out).shape[0]
        dots, _ = evaluate_batch("odeint", follow, size, args, flags, [True, True])
    return tuple(path), [*map(_known_zero, dots), None, None, None, None]


def _known_zero(t: Array) -> Array | None:
    """None for a tangent that is zero whatever those of the operands are."""
    return t if isinstance(t, Tracer) or np.any(t) else None


def _chosen(x: Array, index: Array) -> Array:
    """`x[index]`, also where only the index is traced."""
    return getitem(x, index)


def _follow(
    states: Array,
    index: Array,
    offset: Array,
    size: Array,
    tau: Array,
    *args: Array,
    func: Function,
    active: Sequence[bool],
    moving: bool,
    dense: bool,
    rule: str,
) -> list[Array]:
    """The tangents of the solution and of the states at which steps began, of one lane."""
    k = len(active)
    y0, t, *parameters = args[:k]
    of_operand = dict(zip([i for i, a in enumerate(active) if a], args[k:], strict=True))
    dots = [of_operand.get(i) for i in range(k)]
    rows, n = aval_of(tau).shape[0], aval_of(y0).shape[0]
    m = rows - aval_of(t).shape[0]
    begin = t[0] + offset
    if moving:
        tau = np.concatenate([tau[:m], t - t[0] - offset[m:]])
    t_dots: list[Array] = []
    if dots[1] is not None:
        t0_dot = dots[1][0]
        tau_dot = np.concatenate([np.zeros(m), dots[1] - t0_dot])
        t_dots = [np.broadcast_to(t0_dot, (rows,)), tau_dot]
    others = [d for d in dots[2:] if d is not None]
    y0_dot = np.zeros(n) if dots[0] is None else dots[0]
    matrices = n <= MATRICES
    first = 0 if matrices else m  # of the rows that are linearized as a batch

    def run(ys: Array, begin: Array, tau: Array, *given: Array) -> list[Array]:
        flags = [True, True, True, True, *[False] * len(given)]
        values = [ys, begin, tau, size[first:], *given]
        one = lambda *xs: [row(*xs, func=func, dense=dense)]
        return evaluate_batch("odeint", one, rows - first, values, flags, [True])[0]

    flags = [True, active[1], active[1], *active[2:]]
    if matrices:
        push = _pushing(run, [states[index], begin, tau, *parameters], flags)
        none = [None] * (sum(flags) - 1)
        every = lambda unit: [push(np.broadcast_to(unit, (rows, n)), *none)]
        units = evaluate_batch("odeint", every, n, [np.eye(n)], [True], [True])[0][0]
        matrix = np.transpose(units, (1, 2, 0))
        moved = push(None, *t_dots, *others) if none else None
        if moved is None:
            moved = np.zeros((rows, n))
            if dots[0] is None:
                return [moved[m:], moved[: m + 1]]
        states_dot = recurrence_p.bind(matrix[:m], moved[:m], y0_dot)
        ends = (matrix[m:] @ _chosen(states_dot, index[m:])[:, :, None])[:, :, 0] + moved[m:]
        return [ends, states_dot]
    states_dot = _scanned(func, rule, begin[:m], tau[:m], size[:m], args[:k], dots)
    push = _pushing(run, [states[index[m:]], begin[m:], tau[m:], *parameters], flags)
    of_states = None if _known_zero(states_dot) is None else _chosen(states_dot, index[m:])
    ends = push(of_states, *[d[m:] for d in t_dots], *others)
    return [np.zeros((rows - m, n)) if ends is None else ends, states_dot]


def replayed(path: Path, func: Function, args: Sequence[Array]) -> Array:
    """The solution by the steps of a path, in Python; by values that may be traced."""
    y0, t, *parameters = args
    m = len(path.states) - 1
    sizes, begins = (
        np.append(path.size[:m], path.size[-1]),
        np.append(path.offset[:m], path.offset[-1]),
    )
    y, j, outs = y0, 0, []
    for i in range(m + 1):
        begin = t[0] + begins[i]
        ks = stages(y, begin, sizes[i], parameters, func)
        end = combine_p.bind(sizes[i], y, *ks, weights=STEP_WEIGHTS)
        while m + j < len(path.index) and path.index[m + j] == i:
            if path.tau[m + j] == sizes[i] and not isinstance(t, Tracer):
                outs.append(end)
            else:
                if len(ks) == len(STEP_WEIGHTS):
                    ks.append(call(func, end, begin + sizes[i], *parameters))
                outs.append(between(y, t[j] - begin, sizes[i], ks))
            j += 1
        y = end
    return np.stack(outs)


def _replay_rule(
    path: Path,
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    func: Function,
    lanes: Sequence[bool] | None,
    rule: str,
) -> tuple[tuple[Array, ...], list[Array | None]]:
    """The derivative of the steps of a function that only Python can run."""
    if lanes is not None:
        raise UnsupportedError(
            f"odeint: {describe_function(func)} needs values, so the steps of a batch cannot be "
            "differentiated together.",
            fix="write it without `if` and `while` on its values (np.where, wg.cond), or "
            "differentiate the members one by one",
        )
    run = lambda *args: [replayed(path, func, args)]
    active = [t is not None for t in tangents]
    given = [t for t in tangents if t is not None]
    if rule == "jvp":
        _, dots = evaluate_jvp("odeint", run, primals, active, given)
    else:
        dots = [_pushing(run, primals, active)(*given)]
    return tuple(path), [*dots, None, None, None, None, None]


def _pushing(
    run: Callable[..., list[Array]], args: Sequence[Array], active: Sequence[bool]
) -> Callable[..., Array]:
    """The linear part of a function at a point."""
    _, tape, outputs = evaluate_linearized("odeint", run, args, active)
    return lambda *dots: pushforward(tape, dots, outputs)[0]


def _scanned(
    func: Program,
    rule: str,
    begin: Array,
    tau: Array,
    size: Array,
    primals: Sequence[Array],
    dots: Sequence[Array | None],
) -> Array:
    """The tangents of the states at which steps began, one after the other."""
    y0, _, *parameters = primals
    k, m = len(parameters), aval_of(tau).shape[0]

    def step(*args: Array) -> list[Array]:
        y, *xs = args[k:]
        return [row(y, *xs, *args[:k], func=func, dense=False), y]

    number = ShapedArray((), _FLOAT)
    avals = [*func.in_avals[2:], func.in_avals[0], number, number, number]
    body = trace_flat(f"step of {func.name}", step, avals)
    t_dot = dots[1]
    begin_dot = None if t_dot is None else np.broadcast_to(t_dot[0], (m,))
    _, tangents = getattr(scan_p, rule)(
        [*parameters, y0, begin, tau, size],
        [*dots[2:], dots[0], begin_dot, None, None],
        body=body, n_consts=k, n_carry=1, length=m, reverse=False, linear=(),
    )  # fmt: skip
    last, earlier = tangents
    if last is None:
        return np.zeros((m + 1, *aval_of(y0).shape))
    return np.concatenate([earlier, last[None]])


def _unknown_shape(*avals: ShapedArray, **params: Any) -> NoReturn:
    raise UnsupportedError(
        "odeint: the number of steps depends on values, so there is no program of them.",
        got=", ".join([repr(v) for v in avals]),
        needed="values; the primitive `odeint` hides the steps",
    )


steps_p: Primitive = Primitive(
    "odeint_steps",
    _steps,
    shape=_unknown_shape,
    jvp=partial(_steps_rule, rule="jvp"),
    linearize=partial(_steps_rule, rule="linearize"),
    multiple_results=True,
)
"""`odeint_p` with the path that it takes, which is as long as that needs."""
steps_p.batch = batch_of(steps_p)
