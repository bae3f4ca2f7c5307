"""Loops with an unknown number of steps: `while_loop : (c -> bool) -> (c -> c) -> c -> c`.

Eagerly this is Python's `while`; reverse mode keeps the residuals of each turn, however many there
are. While a program is traced, it is one equation, the primitive `while`. Its forward derivative
carries tangents along; its reverse derivative is the primitive's `pullback`, which runs the loop
again. In a batch whose members disagree, those that have finished leave the loop: they are not
computed with any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, NonLinearError, ProgramTypeError, ShapeError
from ...core.ir import Program, Var, evaluate
from ...core.primitives.elementwise import astype
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import RUNNING, Trace, Tracer
from ..api import is_array_leaf
from ..evaluators import run_loop, runs_that_pay
from ..jvp import zeros_of
from .bodies import (
    Leaves,
    array_leaves,
    check_carry,
    joined_avals,
    next_avals,
    own,
    same_structure,
    strong,
    trace_body,
    typed,
)
from .structured import Structured, agreed_value, batched_p, has_value, pushforward_p
from .subprograms import (
    batch_program,
    dependent,
    evaluate_batch,
    filled_tangents,
    jvp_program,
    rearranged,
    transpose_program,
)

__all__ = ["while_loop", "while_p"]

Flags = Sequence[bool]


# The primitive. Its operands are constants of the condition, constants of the body, and carried
# values, which are also its results.


def _run(
    *args: Array, condition: Program, body: Program, n_condition: int, n_body: int
) -> tuple[Array, ...]:
    of_condition, of_body, carry = _parts(args, n_condition, n_body)
    left = min(runs_that_pay(condition), runs_that_pay(body))
    while bool(_plain(evaluate(condition, *of_condition, *carry)[0])):
        carry = evaluate(body, *of_body, *carry)
        left -= 1
        if not left:
            found = run_loop(
                while_p,
                [*of_condition, *of_body, *carry],
                body,
                [*condition.in_avals[:n_condition], *body.in_avals],
                {
                    "condition": condition,
                    "body": body,
                    "n_condition": n_condition,
                    "n_body": n_body,
                },
            )
            if found is not None:
                return tuple(found)
    return tuple(carry)


def _parts(items: Sequence[Any], n_condition: int, n_body: int) -> tuple[list[Any], ...]:
    k = n_condition + n_body
    return list(items[:n_condition]), list(items[n_condition:k]), list(items[k:])


def _plain(x: Array) -> Array:
    return x.concrete() if isinstance(x, Tracer) else x


def _shape(
    *avals: ShapedArray, condition: Program, body: Program, n_condition: int, n_body: int
) -> tuple[ShapedArray, ...]:
    _, _, carry = _parts([strong(v) for v in avals], n_condition, n_body)
    if [strong(v) for v in body.out_avals] != carry:
        raise ProgramTypeError(
            f"while: the body {body.name} does not return what it gets.",
            got=repr(body.out_avals),
            needed=repr(carry),
        )
    return tuple(carry)


def _batch(
    size: int,
    batched: Flags,
    *args: Array,
    condition: Program,
    body: Program,
    n_condition: int,
    n_body: int,
) -> tuple[Array, ...]:
    params: dict[str, Any] = {
        "condition": condition,
        "body": body,
        "n_condition": n_condition,
        "n_body": n_body,
    }
    if all([has_value(a) for a in args]):
        return _by_rows(size, batched, args, **params)
    b_condition, b_body, b_carry = _parts(batched, n_condition, n_body)
    while True:
        found, flags = batch_program(body, size, [*b_body, *b_carry], b_carry)
        if flags == b_carry:
            break
        b_carry = flags
    check, (disagrees,) = batch_program(condition, size, [*b_condition, *b_carry], [False])
    if disagrees:
        return batched_p.bind(  # type: ignore[no-any-return]  # a tuple
            *args, of=while_p, size=size, batched=tuple(batched), params=params
        )
    k = n_condition + n_body
    carry = [
        np.broadcast_to(x, (size, *aval_of(x).shape)) if now and not before else x
        for x, before, now in zip(args[k:], batched[k:], b_carry, strict=True)
    ]
    ys = while_p.bind(*args[:k], *carry, **{**params, "condition": check, "body": found})
    return tuple([
        y if f else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y, f in zip(ys, b_carry, strict=True)
    ])  # fmt: skip


def _by_rows(
    size: int,
    batched: Flags,
    args: Sequence[Array],
    condition: Program,
    body: Program,
    n_condition: int,
    n_body: int,
) -> tuple[Array, ...]:
    """Run the loop for the rows that go on, until there are none; each row leaves when its
    condition fails.
    """
    b_condition, b_body, _ = _parts(batched, n_condition, n_body)
    of_condition, of_body, carry = _parts(args, n_condition, n_body)
    carry = [
        x if b else np.broadcast_to(x, (size, *aval_of(x).shape))
        for x, b in zip(carry, batched[n_condition + n_body :], strict=True)
    ]
    everywhere = [True] * len(carry)
    run_condition = lambda *xs: evaluate(condition, *xs)
    run_body = lambda *xs: evaluate(body, *xs)
    rows = np.arange(size)
    order: list[Array] = []
    ends: list[list[Array]] = [[] for _ in carry]
    while rows.size:
        (going,), _ = evaluate_batch(
            condition.name, run_condition, rows.size, [*of_condition, *carry],
            [*b_condition, *everywhere], [True],
        )  # fmt: skip
        going = np.asarray(_plain(going))
        if not going.all():
            order.append(rows[~going])
            for end, x in zip(ends, carry, strict=True):
                end.append(x[~going])
            rows = rows[going]
            carry = [x[going] for x in carry]
            of_condition = [
                x[going] if b else x for x, b in zip(of_condition, b_condition, strict=True)
            ]
            of_body = [x[going] if b else x for x, b in zip(of_body, b_body, strict=True)]
        if rows.size:
            carry, _ = evaluate_batch(
                body.name, run_body, rows.size, [*of_body, *carry], [*b_body, *everywhere],
                everywhere,
            )  # fmt: skip
    if len(order) < 2:
        return tuple([end[0] if end else x for end, x in zip(ends, carry, strict=True)])
    back = np.argsort(np.concatenate(order))
    return tuple([np.concatenate(end)[back] for end in ends])


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    condition: Program,
    body: Program,
    n_condition: int,
    n_body: int,
) -> tuple[Any, Any]:
    of_condition, of_body, carry = _parts(primals, n_condition, n_body)
    _, t_body, t_carry = _parts(tangents, n_condition, n_body)
    a_body, a_carry = [t is not None for t in t_body], [t is not None for t in t_carry]
    while True:
        found, flags = jvp_program(body, [*a_body, *a_carry], a_carry)
        if flags == a_carry:
            break
        a_carry = flags
    n = len(body.inputs)
    _, p_body, p_carry = _parts(found.inputs[:n], 0, n_body)
    dots = iter(found.inputs[n:])
    d_body = list(islice(dots, sum(a_body)))
    step = rearranged(found, [*p_body, *d_body, *p_carry, *dots], found.outputs)
    extra = [v for v, a in zip(condition.in_avals[n_condition:], a_carry, strict=True) if a]
    ys = while_p.bind(
        *of_condition,
        *of_body,
        *[t for t in t_body if t is not None],
        *carry,
        *filled_tangents(carry, t_carry, a_carry),
        condition=rearranged(
            condition, [*condition.inputs, *[Var(v) for v in extra]], condition.outputs
        ),
        body=step,
        n_condition=n_condition,
        n_body=n_body + sum(a_body),
    )
    dots = iter(ys[len(carry) :])
    return ys[: len(carry)], [next(dots) if a else None for a in a_carry]


class _While(Structured):
    """A loop that turns an unknown number of times is linear if its body is."""

    __slots__ = ()

    def bind_linear(self, trace: Trace, args: Sequence[Array], params: Mapping[str, Any]) -> Array:
        mine = [isinstance(a, Tracer) and a._trace is trace for a in args]
        if all([has_value(a) for a, m in zip(args, mine, strict=True) if not m]):
            return self.impl(*args, **params)
        condition, body = params["condition"], params["body"]
        of_condition, of_body, carry = _parts(mine, params["n_condition"], params["n_body"])
        while True:
            after = dependent(body, [*of_body, *carry])
            if after == carry:
                break
            carry = [a or b for a, b in zip(after, carry, strict=True)]
        if any(dependent(condition, [*of_condition, *carry])):
            raise NonLinearError(
                f"{trace.label}: {trace.function} is not linear: how often a loop turns depends on "
                "its argument.",
                got=f"the condition {condition.name}",
                fix="use linearize or vjp, which take the linear part of any function at a point",
            )
        transpose_program(body, [*of_body, *carry])  # raises if it is not linear
        # A linear function is its own derivative, at zero as anywhere.
        active = [*of_condition, *of_body, *carry]
        primals = [zeros_of(a) if f else a for a, f in zip(args, active, strict=True)]
        tangents = [
            a if m else zeros_of(a) for a, m, f in zip(args, mine, active, strict=True) if f
        ]
        if any([np.any(a) for a, m, f in zip(args, mine, active, strict=True) if f and not m]):
            raise NonLinearError(
                f"{trace.label}: {trace.function} is affine, not linear: a loop starts with a "
                "constant that is added to.",
                fix="subtract the value at zero: g = lambda x: f(x) - f(0)",
            )
        dots = pushforward_p.bind(*primals, *tangents, of=self, active=tuple(active), params=params)
        # Carried values that do not depend on the argument are constants, as they are at zero.
        ys = list(self.bind(*primals, **params))
        inexact = [k for k, y in enumerate(ys) if aval_of(y).dtype.kind in "fc"]
        for k, y_dot in zip(inexact, dots, strict=True):
            if carry[k]:
                ys[k] = y_dot
        return tuple(ys)


while_p: Structured = _While("while", _run, shape=_shape, batch=_batch, jvp=_jvp)


# For users.


@boundary
def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Apply a function again and again while a condition holds: a `while` loop as a function.

    Where the condition has a concrete value (always, but in programs and under vmap) this is a
    Python `while`, and can be differentiated in both modes, however many turns it takes. Under vmap
    each member of the batch stops by itself. In a program it is one equation.

    Args:
        cond_fun: takes the carried value, returns a scalar bool.
        body_fun: takes the carried value, returns the next one, of the same structure and shapes.
        init_val: the carried value at the start, a tree of arrays; it is not written to.

    Returns:
        The carried value for which `cond_fun` is false.

    Raises:
        ShapeError: if the condition is no scalar, or the carried value changes its shape.
        TreeError: if the carried value changes its structure.
        DtypeError: if the condition is no bool.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def sqrt(a):
        ...     return wg.while_loop(
        ...         lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a
        ...     )
        >>> round(float(wg.grad(sqrt)(4.0)), 9)
        0.25
        >>> wg.vmap(wg.grad(sqrt))(np.array([4.0, 16.0, 100.0])).round(9)
        array([0.25 , 0.125, 0.05 ])
    """
    operation = f"while_loop of {describe_function(body_fun)}"
    carried = array_leaves(operation, init_val, "init_val")
    if RUNNING.symbolic:
        return _traced(operation, cond_fun, body_fun, carried)
    carry = carried.rebuilt([own(x) for x in carried.arrays])
    checked = False
    while True:
        going = cond_fun(carry)
        if type(going) is not np.bool_ and type(going) is not bool:
            name = describe_function(cond_fun)
            going = current(going)
            if not is_array_leaf(going):
                _refuse_condition(operation, name, type(going).__name__)
            check_condition(operation, name, aval_of(going))
            going = agreed_value(going)
            if going is None:
                now = array_leaves(operation, carry)
                return _traced(operation, cond_fun, body_fun, now)
        if not going:
            return carry
        carry = body_fun(carry)
        if not checked:
            check_carry(operation, carried, carry)
            checked = True


def _refuse_condition(operation: str, name: str, got: str) -> NoReturn:
    raise ShapeError(
        f"{operation}: the condition {name} must return one value.", got=got, needed="bool[]"
    )


def check_condition(operation: str, name: str, aval: ShapedArray) -> None:
    """Raise unless the result of the condition is a scalar bool."""
    if aval.shape:
        raise ShapeError(
            f"{operation}: the condition {name} must return a scalar.",
            got=repr(aval),
            needed="bool[]",
            fix="reduce it with np.any or np.all",
        )
    if aval.dtype.kind != "b":
        raise DtypeError(
            f"{operation}: the condition {name} must return a bool.",
            got=repr(aval),
            needed="bool[]",
            fix="compare: x != 0",
        )


def _traced(
    operation: str,
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    carried: Leaves,
) -> Any:
    """The primitive, for functions that are traced now."""
    avals = [aval_of(x) for x in carried.arrays]
    while True:
        body = trace_body(operation, body_fun, carried.rebuilt(avals))
        which, like = "the carried value after a step", "the one before"
        same_structure(operation, carried.treedef, body.out_tree, which, like)
        found = body.program.out_avals
        joined = joined_avals(operation, avals, found, body.out_tree, which, like)
        due = next_avals(avals, joined)
        if due == avals:
            break
        avals = due
    condition = trace_body(operation, cond_fun, carried.rebuilt(avals))
    name = describe_function(cond_fun)
    if condition.out_tree.kind is not None or not condition.program.outputs:
        _refuse_condition(operation, name, str(condition.out_tree))
    check_condition(operation, name, condition.program.out_avals[0])
    start = [astype(x, v.dtype) for x, v in zip(carried.arrays, avals, strict=True)]
    ys = while_p.bind(
        *condition.hoisted,
        *body.hoisted,
        *start,
        condition=condition.program,
        body=typed(body.program, avals),
        n_condition=len(condition.hoisted),
        n_body=len(body.hoisted),
    )
    return carried.rebuilt(ys)
