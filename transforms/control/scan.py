"""Loops with a known number of steps: `scan : (c -> a -> (c, b)) -> c -> [a] -> (c, [b])`.

Eagerly, scan is a Python loop, and its derivative that of the loop. While a program is traced, it
is one equation, the primitive `scan`, which holds the body as a program. Its derivatives are scans:

- forward mode carries the tangents along;
- linearization takes the body apart: one scan computes the values and stacks the residuals, another
  maps the tangents (its operands in `linear` are those in which it is linear). Residuals that do
  not change from step to step are not stacked;
- the transpose of a linear scan is a linear scan in the other direction, which reads a slice of the
  stacks each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of, weak_number
from ...core.errors import DtypeError, ProgramTypeError, ShapeError, TreeError
from ...core.ir import Atom, Program, Var, evaluate
from ...core.primitives.elementwise import astype
from ...core.primitives.indexing import getitem_p
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import RUNNING, Together, Tracer
from ...core.treedef import leaf_paths
from ..api import is_array_leaf
from ..checkpointing.checkpoint import recomputes
from ..checkpointing.checkpoint_plans import Plan, plan_of
from ..checkpointing.checkpointed_scan import checkpointed_loop, checkpointed_scan
from ..evaluators import run_loop, runs_that_pay
from .bodies import (
    Leaves,
    array_leaves,
    check_carry,
    joined_avals,
    next_avals,
    own,
    promoting,
    same_structure,
    strong,
    trace_body,
    typed,
)
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

__all__ = ["scan", "scan_p", "stacked", "traced_scan"]

Flags = Sequence[bool]


# The primitive. Its operands are constants of the loop, carried values, and stacks that are taken
# apart; its results are carried values and stacks. The body has the same, for one step.


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
        avals = [*v[:k], *[batched_aval(length, x) for x in v[k:]]]
        params = {"n_consts": n_consts, "n_carry": n_carry, "length": length, "reverse": reverse}
        found = run_loop(scan_p, args, body, avals, {"body": body, **params})
        if found is not None:
            return tuple(found)
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


def _dots(active: Flags, found: Sequence[Array]) -> list[Array | None]:
    dots = iter(found)
    return [next(dots) if a else None for a in active]


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
    a_consts, a_carry, a_xs = [[t is not None for t in ts] for ts in (t_consts, t_carry, t_xs)]
    while True:
        force = [*a_carry, *[False] * (len(body.outputs) - n_carry)]
        found, flags = jvp_program(body, [*a_consts, *a_carry, *a_xs], force)
        if flags[:n_carry] == a_carry:
            break
        a_carry = flags[:n_carry]
    n = len(body.inputs)
    of_primals = _parts(found.inputs[:n], n_consts, n_carry)
    dots = iter(found.inputs[n:])
    of_dots = [list(islice(dots, sum(active))) for active in (a_consts, a_carry, a_xs)]
    m = len(body.outputs)
    n_dots = sum(a_carry)
    outs, out_dots = found.outputs[:m], found.outputs[m:]
    step = rearranged(
        found,
        list(chain(*[p + d for p, d in zip(of_primals, of_dots, strict=True)])),
        [*outs[:n_carry], *out_dots[:n_dots], *outs[n_carry:], *out_dots[n_dots:]],
    )
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
    consts, _, xs = _parts(primals, n_consts, n_carry)
    t_consts, t_carry, t_xs = _parts(tangents, n_consts, n_carry)
    a_consts, a_carry, a_xs = [[t is not None for t in ts] for ts in (t_consts, t_carry, t_xs)]
    while True:
        force = [*a_carry, *[False] * (len(body.outputs) - n_carry)]
        found = linearize_program(body, [*a_consts, *a_carry, *a_xs], force)
        if found.active[:n_carry] == a_carry:
            break
        a_carry = found.active[:n_carry]

    # Where a residual comes from: an operand that is there anyway, or a result of the forward scan.
    forward, n_out = found.forward, len(body.outputs)
    sources: dict[Atom, Array | int] = dict(zip(forward.inputs[:n_consts], consts, strict=True))
    sources.update(zip(forward.inputs[n_consts + n_carry :], xs, strict=True))
    invariant = set(forward.inputs[:n_consts])
    kept: list[Atom] = list(forward.outputs[:n_out])
    for v in forward.outputs[n_out:]:
        if v not in sources:
            if v in kept[n_carry:]:
                sources[v] = n_carry + kept[n_carry:].index(v)
            else:
                sources[v] = len(kept)
                kept.append(v)
    ys = scan_p.bind(
        *primals, body=rearranged(forward, forward.inputs, kept), n_consts=n_consts,
        n_carry=n_carry, **params,
    )  # fmt: skip
    residuals = [
        ys[s] if type(s) is int else s for s in [sources[v] for v in forward.outputs[n_out:]]
    ]
    fixed = [v in invariant for v in forward.outputs[n_out:]]

    step, n_residuals = found.linear, len(fixed)
    of_residuals, of_dots = step.inputs[:n_residuals], step.inputs[n_residuals:]
    looped = [not f for f in fixed]
    v_consts, v_carry, v_xs = _parts(of_dots, sum(a_consts), sum(a_carry))
    first, then = _chosen(residuals, fixed), _chosen(residuals, looped)
    dots = scan_p.bind(
        *first, *_chosen(t_consts, a_consts),
        *filled_tangents(primals[n_consts:n_consts + n_carry], t_carry, a_carry),
        *then, *_chosen(t_xs, a_xs),
        body=rearranged(
            step,
            [*_chosen(of_residuals, fixed), *v_consts, *v_carry,
             *_chosen(of_residuals, looped), *v_xs],
            step.outputs,
        ),
        n_consts=len(first) + sum(a_consts),
        n_carry=sum(a_carry),
        linear=(*[False] * len(first), *[True] * (sum(a_consts) + sum(a_carry)),
                *[False] * len(then), *[True] * sum(a_xs)),
        **params,
    )  # fmt: skip
    return ys[:n_out], _dots(found.active, dots)


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
    step = transpose_program(body, linear)
    # Inputs: fixed constants and slices, cotangents of the results. Outputs: cotangents of the
    # linear constants (which add up over the loop), of the carried values, of the slices.
    n_fixed, n_sums = l_consts.count(False), l_consts.count(True)
    n_slices = l_xs.count(False)
    of_fixed = step.inputs[:n_fixed]
    of_slices = step.inputs[n_fixed : n_fixed + n_slices]
    of_carry, of_ys = _cut(step.inputs[n_fixed + n_slices :], n_carry)
    sums = [x for x, f in zip(consts, l_consts, strict=True) if f]
    totals = [Var(ShapedArray(aval_of(x).shape, aval_of(x).dtype)) for x in sums]

    def fun(*values: Array) -> list[Array]:
        fixed, so_far, rest = _parts(values, n_fixed, n_sums)
        ct_carry, slices, ct_ys = _parts(rest, n_carry, n_slices)
        out = evaluate(step, *fixed, *slices, *ct_carry, *ct_ys)
        return [*[a + b for a, b in zip(so_far, out[:n_sums], strict=True)], *out[n_sums:]]

    ordered = [*of_fixed, *totals, *of_carry, *of_slices, *of_ys]
    whole = trace_flat(step.name, fun, [v.aval for v in ordered])
    out = scan_p.bind(
        *[x for x, f in zip(consts, l_consts, strict=True) if not f],
        *[np.zeros(v.aval.shape, v.aval.dtype) for v in totals],
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


# For users.


@boundary
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint_every: int | None = None,
    checkpoints: int | None = None,
    memory_budget: float | None = None,
) -> Any:
    """A loop that carries a value along and collects results: `carry, y = f(carry, x)`.

    Without a program being traced this is a Python loop over `xs`, so all of Python works in `f`.
    In a program it is one equation, however many steps there are.

    Args:
        f: takes the carried value and one item of `xs`, returns a pair: the carried value, of the
            same structure and shapes, and a result for this step (or None). Any of them are trees.
        init: the carried value at the start; it is not written to.
        xs: a tree of arrays that are taken apart along their first axis; None for a loop without
            them.
        length: the number of steps, needed only where `xs` is None.
        reverse: go from the last item to the first. The results keep the order of the items.
        unroll: accepted for JAX's sake; it changes nothing.
        checkpoint_every: keep for reverse mode only the carried values after each so many steps,
            and compute the others again, one segment at a time. About the square root of the
            number of steps needs the least memory.
        checkpoints: keep so many carried values at a time, the first included, where computing
            others again takes the fewest steps (binomial checkpointing).
        memory_budget: choose one of the two that needs no more than so many bytes for carried
            values and residuals; the function is traced to know their sizes.

    Returns:
        `(carry, ys)`: the carried value after the last step, and the results of all steps along a
        new first axis.

    Raises:
        ShapeError: if the lengths disagree, or the carried value changes its shape.
        TreeError: if `f` returns no pair, or the carried value changes its structure.
        UnsupportedError: if two ways of checkpointing are asked for.

    Example:
        >>> import numpy as np, wengert as wg
        >>> total, sums = wg.scan(lambda c, x: (c + x, c + x), 0.0, np.arange(4.0))
        >>> float(total), sums
        (6.0, array([0., 1., 3., 6.]))
        >>> decay = lambda k: wg.scan(lambda c, _: (c * k, None), 1.0, length=3)[0]
        >>> wg.grad(decay)(2.0)
        np.float64(12.0)
    """
    operation = f"scan of {describe_function(f)}"
    stacks = array_leaves(operation, xs, "xs")
    n = _length(operation, stacks, length)
    carried = array_leaves(operation, init, "init")
    plan = plan_of(operation, checkpoint_every, checkpoints, memory_budget)
    if RUNNING.symbolic or not n:
        return traced_scan(operation, f, carried, stacks, n, reverse, plan=plan)
    if plan is not None and recomputes():
        return checkpointed_scan(operation, f, carried, stacks, n, reverse, plan)
    carry = carried.rebuilt([own(x) for x in carried.arrays])
    rows: list[list[Array]] = []
    y_tree = None
    single = stacks.arrays[0] if stacks.treedef.kind is None else None
    for i in range(n - 1, -1, -1) if reverse else range(n):
        if single is not None:
            x = _item(single, i)
        else:
            x = stacks.rebuilt([_item(a, i) for a in stacks.arrays])
        result = f(carry, x)
        if type(result) is not tuple or len(result) != 2:
            _refuse_result(operation, result)
        carry, y = result
        if y_tree is None:
            check_carry(operation, carried, carry)
            first = array_leaves(operation, y, "the result of a step")
            y_tree = first.treedef
            rows = [[] for _ in first.arrays]
        if y is not None or rows:
            for row, leaf in zip(rows, _row(operation, y, y_tree), strict=True):
                row.append(leaf)
    assert y_tree is not None
    ys = [_collected(operation, row[::-1] if reverse else row) for row in rows]
    return carry, tree.unflatten(y_tree, ys)


def _item(stack: Array, i: int) -> Array:
    """One item of a stack, without a link to the stack: the body may write to it."""
    if isinstance(stack, Tracer):
        return stack._trace.process(getitem_p, (stack,), {"index": (i,)})
    item = stack[i]
    return item.copy() if type(item) is np.ndarray else item


def _collected(operation: str, row: list[Array]) -> Array:
    """The results of the steps along a new first axis."""
    kinds = set(map(type, row))
    if not kinds.isdisjoint((int, float, complex)) and len(kinds) > 1:
        dtype = np.result_type(*[promoting(v) for v in {aval_of(y) for y in row}])
        row = [astype(y, dtype) for y in row]
    if kinds <= SCALAR_AVALS.keys():
        return np.array(row)
    try:
        return np.stack(row)
    except ValueError as error:
        shapes = {aval_of(y).shape for y in row}
        if len(shapes) == 1:
            raise
        raise ShapeError(
            f"{operation}: the results of the steps must have the same shape.",
            got=", ".join([str(s) for s in sorted(shapes)]),
            fix="pad them, or collect them in a Python list in a Python loop",
        ) from error


def _row(operation: str, y: Any, treedef: tree.TreeDef) -> Sequence[Array]:
    """The leaves of one step's result, which later steps do not write to."""
    if treedef.kind is None:
        if type(y) is np.ndarray:
            return (y.copy(),)
        if type(y) is np.float64:
            return (y,)
        if isinstance(y, Tracer):
            return (current(y),)
    leaves, found_tree = tree.flatten(y)
    if found_tree == treedef and all([is_array_leaf(v) for v in leaves]):
        return [v.copy() if type(v) is np.ndarray else current(v) for v in leaves]
    which, like = "the result of a step", "the one of the first step"
    found = array_leaves(operation, y, which)
    same_structure(operation, treedef, found.treedef, which, like)
    return [v.copy() if type(v) is np.ndarray else v for v in found.arrays]


def _length(operation: str, stacks: Leaves, length: int | None) -> int:
    if length is not None and (
        isinstance(length, Tracer) or not isinstance(length, int | np.integer)
    ):
        raise DtypeError(
            f"{operation}: the length must be an int.",
            got=repr(length),
            fix="use wg.while_loop or wg.fori_loop for a number of steps that is computed",
        )
    sizes = []
    for path, v in zip(leaf_paths(stacks.treedef, ""), stacks.avals, strict=False):
        if not v.shape:
            raise ShapeError(
                f"{operation}: xs{path} has no axis to take apart.",
                got=repr(v),
                fix="close over what is the same for all steps",
            )
        sizes.append(v.shape[0])
    wanted = {*sizes, *([] if length is None else [int(length)])}
    if len(wanted) != 1:
        given = "" if length is None else f"length={length}, "
        raise ShapeError(
            f"{operation}: the number of steps is "
            + ("unknown: xs has no arrays." if not wanted else "ambiguous."),
            got=f"{given}xs with first axes of {sizes}",
            needed="arrays with the same first axis, or length=",
        )
    n = wanted.pop()
    if n < 0:
        raise ShapeError(f"{operation}: the length must not be negative.", got=str(n))
    return n


def _refuse_result(operation: str, result: Any) -> None:
    raise TreeError(
        f"{operation}: the function must return a pair (carry, y).",
        got=f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__,
        needed="a tuple of two",
        fix="return carry, None if there is nothing to collect",
    )


def traced_scan(
    operation: str,
    f: Callable[..., Any],
    carried: Leaves,
    stacks: Leaves,
    n: int,
    reverse: bool,
    counting: bool = False,
    plan: Plan | None = None,
) -> Any:
    """The primitive, for a function that is traced now. With `counting` items are Python ints."""
    avals = [aval_of(x) for x in carried.arrays]
    slices = stacks.rebuilt([ShapedArray(v.shape[1:], v.dtype, counting) for v in stacks.avals])
    while True:
        body = trace_body(operation, f, carried.rebuilt(avals), slices)
        pair = body.out_tree
        if pair.kind is not tuple or len(pair.children) != 2:
            _refuse_result(operation, tree.unflatten(pair, [np.float64()] * pair.size))
        carry_tree, y_tree = pair.children
        which, like = "the carried value after a step", "the one before"
        same_structure(operation, carried.treedef, carry_tree, which, like)
        found = body.program.out_avals[: len(avals)]
        joined = joined_avals(operation, avals, found, carry_tree, which, like)
        due = next_avals(avals, joined)
        if due == avals:
            break
        avals = due
    start = [astype(x, v.dtype) for x, v in zip(carried.arrays, avals, strict=True)]
    operands = [*body.hoisted, *start, *stacks.arrays]
    step, counts = typed(body.program, avals), (len(body.hoisted), len(avals))
    if plan is not None and n:
        ys = checkpointed_loop(operation, step, *counts, n, reverse, plan, operands)
    else:
        ys = scan_p.bind(
            *operands, body=step, n_consts=counts[0], n_carry=counts[1], length=n, reverse=reverse
        )
    return carried.rebuilt(ys[: len(avals)]), tree.unflatten(y_tree, ys[len(avals) :])
