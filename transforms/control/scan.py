"""Loops with a known number of steps: `scan : (c -> a -> (c, b)) -> c -> [a] -> (c, [b])`.

Eagerly, scan is a Python loop, and its derivative that of the loop: all of Python works in the
user's function, so it is not traced to run faster (`wengert.staged` does so, where asked). While a
program is traced, it is one equation, the primitive `scan`.

Read next: `scan_primitive.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ShapeError, TreeError
from ...core.primitives.elementwise import astype
from ...core.primitives.indexing import getitem_p
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import RUNNING, Tracer
from ...core.treedef import leaf_paths
from ..api import is_array_leaf
from ..checkpointing.checkpoint import recomputes
from ..checkpointing.checkpoint_plans import Plan, plan_of
from ..checkpointing.checkpointed_scan import checkpointed_loop, checkpointed_scan
from .bodies import (
    Leaves,
    array_leaves,
    check_carry,
    joined_avals,
    next_avals,
    own,
    promoting,
    same_structure,
    trace_body,
    typed,
)
from .scan_primitive import scan_p

__all__ = ["scan", "traced_scan"]


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
