"""The primitive `scan`: a loop with a known number of steps, which holds its body as a program.

Its operands are constants of the loop, carried values, and stacks that are taken apart; its results
are carried values and stacks. The body has the same, for one step. Its derivatives are scans:

- forward mode carries the tangents along;
- linearization takes the body apart: one scan computes the values and stacks the residuals, another
  maps the tangents (its operands in `linear` are those in which it is linear). Residuals that do
  not change from step to step are not stacked;
- the transpose of a linear scan is a linear scan in the other direction, which reads a slice of the
  stacks each step.

A loop that is long enough runs on an emitted function (`../evaluators.py`), and so do those that
are derived from it: they are kept with the body. Read next: `scan.py`, for users.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of, weak_number
from ...core.errors import ProgramTypeError, WengertError
from ...core.ir import Atom, Program, Var, evaluate
from ...core.tracing import RUNNING, Together, newest_trace
from ..evaluators import run_loop, runs_that_pay
from ..linear import LinearTrace
from .bodies import strong
from .structured import Structured
from .subprograms import (
    batch_program,
    batched_aval,
    filled_tangents,
    jvp_program,
    linearize_program,
    rearranged,
    trace_flat,
    transpose_program,
)

__all__ = ["scan_p", "stacked"]

T = TypeVar("T")
Flags = Sequence[bool]


def _run(
    *args: Array,
    body: Program,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    linear: Flags = (),
) -> tuple[Array, ...]:
    if length >= runs_that_pay(body):
        k, v = n_consts + n_carry, body.in_avals
        due = [*v[:k], *[batched_aval(length, x) for x in v[k:]]]
        params: dict[str, Any] = {
            "n_consts": n_consts,
            "n_carry": n_carry,
            "length": length,
            "reverse": reverse,
        }
        found = run_loop(scan_p, args, body, due, {"body": body, **params})
        if found is not None:
            return tuple(found)
        if linear:
            params["linear"] = linear
        derived = _by_rules(args, {"body": body, **params})
        if derived is not None:
            return derived
    consts = args[:n_consts]
    carry = list(args[n_consts : n_consts + n_carry])
    xs = args[n_consts + n_carry :]
    n_ys = len(body.outputs) - n_carry
    rows: list[list[Array]] = [[] for _ in range(n_ys)]
    # Items that are Python numbers in the body must be such here: they do not decide dtypes.
    weak = [v.weak_type for v in body.in_avals[n_consts + n_carry :]]
    for i in range(length - 1, -1, -1) if reverse else range(length):
        items = [weak_number(x[i]) if w else x[i] for x, w in zip(xs, weak, strict=True)]
        ys = evaluate(body, *consts, *carry, *items)
        carry = ys[:n_carry]
        for row, y in zip(rows, ys[n_carry:], strict=True):
            row.append(y)
    avals = body.out_avals[n_carry:]
    return (
        *carry,
        *[stacked(row, reverse, aval) for row, aval in zip(rows, avals, strict=True)],
    )


def _by_rules(args: Sequence[Array], params: dict[str, Any]) -> tuple[Array, ...] | None:
    """The results for tracers with values behind them, by the rules below: a few loops, instead of
    a walk from step to step. None where that is not possible.
    """
    trace, body = newest_trace(args), params["body"]
    if trace is None or type(trace) is LinearTrace or body.derived.get("needs values"):
        return None
    try:
        found: tuple[Array, ...] = trace.process(scan_p, args, params)
    except WengertError:  # A rule of the user's asks for values: it gets them step by step.
        body.derived["needs values"] = True
        return None
    return found


def stacked(rows: list[Array], reverse: bool, aval: ShapedArray) -> Array:
    """The results of the steps along a new first axis, in the order of the operands."""
    if not rows:
        return np.zeros((0, *aval.shape), aval.dtype)
    return np.stack(rows[::-1] if reverse else rows)


def _shape(
    *avals: ShapedArray,
    body: Program,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    linear: Flags = (),
) -> tuple[ShapedArray, ...]:
    k = n_consts + n_carry
    given = [*avals[:k], *[ShapedArray(v.shape[1:], v.dtype) for v in avals[k:]]]
    out = [strong(v) for v in body.out_avals]
    if [strong(v) for v in given] != [strong(v) for v in body.in_avals] or (
        out[:n_carry] != [strong(v) for v in given[n_consts:k]]
    ):
        raise ProgramTypeError(
            f"scan: the operands do not fit the body {body.name}.",
            got=f"{given} -> {out}",
            needed=f"{body.in_avals}, and the carried values as they came",
        )
    return (*out[:n_carry], *[batched_aval(length, v) for v in out[n_carry:]])


def _parts(items: Sequence[Any], n_consts: int, n_carry: int) -> tuple[list[Any], ...]:
    k = n_consts + n_carry
    return list(items[:n_consts]), list(items[n_consts:k]), list(items[k:])


def _chosen(items: Sequence[Any], flags: Flags) -> list[Any]:
    return [x for x, f in zip(items, flags, strict=True) if f]


def _batch(
    size: int,
    batched: Flags,
    *args: Array,
    body: Program,
    n_consts: int,
    n_carry: int,
    **params: Any,
) -> tuple[Array, ...]:
    consts, carry, xs = _parts(args, n_consts, n_carry)
    b_consts, b_carry, b_xs = _parts(batched, n_consts, n_carry)
    while True:
        force = [*b_carry, *[False] * (len(body.outputs) - n_carry)]
        found, flags = batch_program(body, size, [*b_consts, *b_carry, *b_xs], force)
        if flags[:n_carry] == b_carry:
            break
        b_carry = flags[:n_carry]
    carry = [
        np.broadcast_to(x, (size, *aval_of(x).shape)) if now and not before else x
        for x, before, now in zip(carry, batched[n_consts:], b_carry, strict=False)
    ]
    xs = [np.moveaxis(x, 0, 1) if b else x for x, b in zip(xs, b_xs, strict=True)]
    ys = scan_p.bind(*consts, *carry, *xs, body=found, n_consts=n_consts, n_carry=n_carry, **params)
    stacks = [
        np.moveaxis(y, 1, 0) if f else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y, f in zip(ys[n_carry:], flags[n_carry:], strict=True)
    ]
    ends = [
        y if f else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y, f in zip(ys[:n_carry], b_carry, strict=True)
    ]
    return (*ends, *stacks)


def _kept(body: Program, key: Hashable, make: Callable[[], T]) -> T:
    """What a rule makes of a body. It is kept for the next time, unless all is traced once."""
    if RUNNING.symbolic:
        return make()
    found: T | None = body.derived.get(key)
    if found is None:
        found = body.derived.setdefault(key, make())
    return found


def _dots(active: Flags, found: Sequence[Array]) -> list[Array | None]:
    dots = iter(found)
    return [next(dots) if a else None for a in active]


def _jvp_step(
    body: Program, n_consts: int, n_carry: int, active: Flags
) -> tuple[Program, list[bool], list[bool]]:
    """The step on values and tangents; which carried values, and which results have a tangent."""
    a_consts, a_carry, a_xs = _parts(active, n_consts, n_carry)
    while True:
        force = [*a_carry, *[False] * (len(body.outputs) - n_carry)]
        found, flags = jvp_program(body, [*a_consts, *a_carry, *a_xs], force)
        if flags[:n_carry] == a_carry:
            break
        a_carry = flags[:n_carry]
    n = len(body.inputs)
    of_primals = _parts(found.inputs[:n], n_consts, n_carry)
    dots = iter(found.inputs[n:])
    of_dots = [list(islice(dots, sum(on))) for on in (a_consts, a_carry, a_xs)]
    m = len(body.outputs)
    n_dots = sum(a_carry)
    outs, out_dots = found.outputs[:m], found.outputs[m:]
    step = rearranged(
        found,
        list(chain(*[p + d for p, d in zip(of_primals, of_dots, strict=True)])),
        [*outs[:n_carry], *out_dots[:n_dots], *outs[n_carry:], *out_dots[n_dots:]],
    )
    return step, a_carry, flags


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: Program,
    n_consts: int,
    n_carry: int,
    linear: Flags = (),
    **params: Any,
) -> tuple[Any, Any]:
    consts, carry, xs = _parts(primals, n_consts, n_carry)
    t_consts, t_carry, t_xs = _parts(tangents, n_consts, n_carry)
    active = tuple([t is not None for t in tangents])
    step, a_carry, flags = _kept(
        body,
        ("jvp", n_consts, n_carry, active),
        lambda: _jvp_step(body, n_consts, n_carry, active),
    )
    a_consts, _, a_xs = _parts(active, n_consts, n_carry)
    m, n_dots = len(body.outputs), sum(a_carry)
    ys = scan_p.bind(
        *consts, *_chosen(t_consts, a_consts),
        *carry, *filled_tangents(carry, t_carry, a_carry),
        *xs, *_chosen(t_xs, a_xs),
        body=step, n_consts=n_consts + sum(a_consts), n_carry=n_carry + n_dots, **params,
    )  # fmt: skip
    k = n_carry + n_dots
    n_stacks = m - n_carry
    return (
        [*ys[:n_carry], *ys[k : k + n_stacks]],
        [*_dots(a_carry, ys[n_carry:k]), *_dots(flags[n_carry:], ys[k + n_stacks :])],
    )


class _Apart(NamedTuple):
    """The bodies of the loop that computes the results and then residuals, and of the linear one.

    `fixed` and `looped` say where the residuals are that are the same in all steps, and the stacks:
    (True, i) for operand i of the loop, (False, i) for result i. `found`: which results have a
    tangent.
    """

    forward: Program
    linear: Program
    fixed: list[tuple[bool, int]]
    looped: list[tuple[bool, int]]
    found: list[bool]


def _take_apart(body: Program, n_consts: int, n_carry: int, active: Flags) -> _Apart:
    a_consts, a_carry, a_xs = _parts(active, n_consts, n_carry)
    while True:
        force = [*a_carry, *[False] * (len(body.outputs) - n_carry)]
        found = linearize_program(body, [*a_consts, *a_carry, *a_xs], force)
        if found.active[:n_carry] == a_carry:
            break
        a_carry = found.active[:n_carry]

    # Where a residual comes from: an operand that is there anyway, or a result of the forward scan.
    forward, n_out = found.forward, len(body.outputs)
    of_operands = list(enumerate(forward.inputs))
    del of_operands[n_consts : n_consts + n_carry]
    sources: dict[Atom, tuple[bool, int]] = {v: (True, i) for i, v in of_operands}
    kept: list[Atom] = list(forward.outputs[:n_out])
    for v in forward.outputs[n_out:]:
        if v not in sources:
            if v in kept[n_carry:]:
                sources[v] = (False, n_carry + kept[n_carry:].index(v))
            else:
                sources[v] = (False, len(kept))
                kept.append(v)
    residuals = [sources[v] for v in forward.outputs[n_out:]]
    fixed = [given and i < n_consts for given, i in residuals]
    looped = [not f for f in fixed]

    step = found.linear
    of_residuals, of_dots = step.inputs[: len(fixed)], step.inputs[len(fixed) :]
    v_consts, v_carry, v_xs = _parts(of_dots, sum(a_consts), sum(a_carry))
    linear = rearranged(
        step,
        [*_chosen(of_residuals, fixed), *v_consts, *v_carry,
         *_chosen(of_residuals, looped), *v_xs],
        step.outputs,
    )  # fmt: skip
    return _Apart(
        rearranged(forward, forward.inputs, kept),
        linear,
        _chosen(residuals, fixed),
        _chosen(residuals, looped),
        list(found.active),
    )


def _linearize(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: Program,
    n_consts: int,
    n_carry: int,
    linear: Flags = (),
    **params: Any,
) -> tuple[Any, Any]:
    t_consts, t_carry, t_xs = _parts(tangents, n_consts, n_carry)
    active = tuple([t is not None for t in tangents])
    parts = _kept(
        body,
        ("linearize", n_consts, n_carry, active),
        lambda: _take_apart(body, n_consts, n_carry, active),
    )
    ys = scan_p.bind(*primals, body=parts.forward, n_consts=n_consts, n_carry=n_carry, **params)
    first, then = [
        [(primals if given else ys)[i] for given, i in places]
        for places in (parts.fixed, parts.looped)
    ]
    a_consts, _, a_xs = _parts(active, n_consts, n_carry)
    a_carry = parts.found[:n_carry]
    dots = scan_p.bind(
        *first, *_chosen(t_consts, a_consts),
        *filled_tangents(primals[n_consts:n_consts + n_carry], t_carry, a_carry),
        *then, *_chosen(t_xs, a_xs),
        body=parts.linear,
        n_consts=len(first) + sum(a_consts),
        n_carry=sum(a_carry),
        linear=(*[False] * len(first), *[True] * (sum(a_consts) + sum(a_carry)),
                *[False] * len(then), *[True] * sum(a_xs)),
        **params,
    )  # fmt: skip
    return ys[: len(body.outputs)], _dots(parts.found, dots)


def _backward_step(body: Program, n_consts: int, n_carry: int, linear: Flags) -> Program:
    """Inputs: fixed constants, sums so far, cotangents of the carried values, fixed slices,
    cotangents of the stacks. Outputs: cotangents of the linear constants (which add up over the
    loop), of the carried values, of the slices.
    """
    l_consts, _, l_xs = _parts(linear, n_consts, n_carry)
    step = transpose_program(body, linear)
    n_fixed, n_sums = l_consts.count(False), l_consts.count(True)
    n_slices = l_xs.count(False)
    of_fixed = step.inputs[:n_fixed]
    of_slices = step.inputs[n_fixed : n_fixed + n_slices]
    of_carry, of_ys = _cut(step.inputs[n_fixed + n_slices :], n_carry)
    totals = [Var(strong(v)) for v, f in zip(body.in_avals, l_consts, strict=False) if f]

    def fun(*values: Array) -> list[Array]:
        fixed, so_far, rest = _parts(values, n_fixed, n_sums)
        ct_carry, slices, ct_ys = _parts(rest, n_carry, n_slices)
        out = evaluate(step, *fixed, *slices, *ct_carry, *ct_ys)
        return [*[a + b for a, b in zip(so_far, out[:n_sums], strict=True)], *out[n_sums:]]

    ordered = [*of_fixed, *totals, *of_carry, *of_slices, *of_ys]
    return trace_flat(step.name, fun, [v.aval for v in ordered])


def _transpose(
    cts: Sequence[Array],
    wanted: Flags,
    *args: Any,
    body: Program,
    n_consts: int,
    n_carry: int,
    linear: Flags = (),
    reverse: bool,
    **params: Any,
) -> list[Array | None]:
    l_consts, l_carry, l_xs = _parts(linear, n_consts, n_carry)
    consts, _, xs = _parts(args, n_consts, n_carry)
    if not all(l_carry):
        scan_p.missing("transposes", "the backward pass")
    whole = _kept(
        body,
        ("transpose", n_consts, n_carry, tuple(linear)),
        lambda: _backward_step(body, n_consts, n_carry, linear),
    )
    n_fixed, n_sums = l_consts.count(False), l_consts.count(True)
    totals = [aval_of(x) for x, f in zip(consts, l_consts, strict=True) if f]
    out = scan_p.bind(
        *[x for x, f in zip(consts, l_consts, strict=True) if not f],
        *[np.zeros(v.shape, v.dtype) for v in totals],
        *cts[:n_carry],
        *[x for x, f in zip(xs, l_xs, strict=True) if not f],
        *cts[n_carry:],
        body=whole, n_consts=n_fixed, n_carry=n_sums + n_carry, reverse=not reverse,
        **params,
    )  # fmt: skip
    found = iter(out)
    return [next(found) if f else None for f in linear]


def _cut(items: Sequence[Any], n: int) -> tuple[list[Any], list[Any]]:
    return list(items[:n]), list(items[n:])


scan_p: Structured = Structured(
    "scan",
    _run,
    shape=_shape,
    batch=_batch,
    jvp=_jvp,
    linearize=_linearize,
    transposes=Together(_transpose),
    linear_args=lambda params: [i for i, f in enumerate(params.get("linear", ())) if f],
)
