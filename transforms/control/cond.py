"""Branches: `cond` and `switch`, of which only the branch taken runs.

`switch : (int, [a -> b], a) -> b`. With a concrete index the branch is called, and that is all.
Otherwise the branches become programs, which the primitive `cond` holds. A batch whose members
disagree is split: each branch runs once, on the rows that take it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ProgramTypeError, ShapeError, TreeError
from ...core.ir import Program, evaluate
from ...core.source import boundary
from ...core.storage import current
from ...core.tracing import RUNNING, Together, Trace, Tracer
from ..api import as_array_leaf
from .bodies import (
    array_leaves,
    joined_avals,
    same_structure,
    strong,
    trace_body,
    typed,
    with_inputs,
)
from .structured import Structured, agreed_value, batched_p, has_value, run_again
from .subprograms import (
    batch_program,
    evaluate_batch,
    jvp_program,
    linearize_program,
    trace_flat,
    transpose_program,
)

__all__ = ["agreeing", "cond", "cond_p", "switch"]

Branches = tuple[Program, ...]
Flags = Sequence[bool]


def _which(index: Array, n: int) -> Array:
    """The numbers of branches, for one index or many."""
    while isinstance(index, Tracer):
        index = current(index)
        index = index.primal if isinstance(index, Tracer) else index
    return np.clip(np.asarray(index).astype(np.intp), 0, n - 1)


def _run(index: Array, *args: Array, branches: Branches, linear: Flags = ()) -> tuple[Array, ...]:
    return tuple(evaluate(branches[int(_which(index, len(branches)))], *args))


def _shape(
    index: ShapedArray, *avals: ShapedArray, branches: Branches, linear: Flags = ()
) -> tuple[ShapedArray, ...]:
    out = [tuple([strong(v) for v in b.out_avals]) for b in branches]
    for b, found in zip(branches, out, strict=True):
        if found != out[0] or tuple(map(strong, b.in_avals)) != tuple(map(strong, avals)):
            raise ProgramTypeError(
                f"cond: the branch {b.name} does not fit.",
                got=f"{b.in_avals} -> {found}",
                needed=f"{avals} -> {out[0]}",
            )
    return out[0]


def _batch(
    size: int,
    batched: Sequence[bool],
    index: Array,
    *args: Array,
    branches: Branches,
    linear: Flags = (),
) -> tuple[Array, ...]:
    if batched[0]:
        if not has_value(index):
            return batched_p.bind(  # type: ignore[no-any-return]  # a tuple
                index, *args, of=cond_p, size=size, batched=tuple(batched),
                params={"branches": branches, **_flagged(linear)},
            )  # fmt: skip
        return _by_rows(size, _which(index, len(branches)), batched[1:], args, branches)
    derived, flags = agreeing(branches, lambda b, force: batch_program(b, size, batched[1:], force))
    ys = cond_p.bind(index, *args, branches=derived, **_flagged(linear))
    return tuple([
        y if f else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y, f in zip(ys, flags, strict=True)
    ])  # fmt: skip


def _flagged(linear: Flags) -> dict[str, Flags]:
    return {"linear": linear} if linear else {}


def _by_rows(
    size: int,
    which: Array,
    batched: Sequence[bool],
    args: Sequence[Array],
    branches: Branches,
) -> tuple[Array, ...]:
    """Run each branch on the rows that take it, and put the results together."""
    taken = np.unique(which)
    if not size:
        out = [strong(v) for v in branches[0].out_avals]
        return tuple([np.zeros((0, *v.shape), v.dtype) for v in out])
    order, parts = [], []
    for k in taken:
        rows = np.flatnonzero(which == k)
        mine = [x[rows] if b and len(taken) > 1 else x for x, b in zip(args, batched, strict=True)]
        run = lambda *xs, b=branches[k]: evaluate(b, *xs)
        force = [True] * len(branches[k].outputs)
        parts.append(evaluate_batch(branches[k].name, run, len(rows), mine, batched, force)[0])
        order.append(rows)
    if len(parts) == 1:
        return tuple(parts[0])
    back = np.argsort(np.concatenate(order))
    return tuple([np.concatenate(column)[back] for column in zip(*parts, strict=True)])


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    branches: Branches,
    linear: Flags = (),
) -> tuple[Any, Any]:
    active = [t is not None for t in tangents[1:]]
    given = [t for t in tangents[1:] if t is not None]
    derived, flags = agreeing(branches, lambda b, force: jvp_program(b, active, force))
    ys = cond_p.bind(*primals, *given, branches=derived)
    n = len(flags)
    return ys[:n], _spread(flags, ys[n:])


def agreeing(
    branches: Branches, derive: Callable[[Program, Flags], tuple[Program, list[bool]]]
) -> tuple[Branches, list[bool]]:
    """Branches transformed by `derive(branch, force)`, until the flags of their results agree."""
    flags = [False] * len(branches[0].outputs)
    while True:
        pairs = [derive(b, flags) for b in branches]
        force = flags
        flags = [any(column) for column in zip(*[found for _, found in pairs], strict=True)]
        if flags == force or all([found == flags for _, found in pairs]):
            return tuple([b for b, _ in pairs]), flags


def _spread(flags: Flags, found: Sequence[Array]) -> list[Array | None]:
    items = iter(found)
    return [next(items) if f else None for f in flags]


def _linearize(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    branches: Branches,
    linear: Flags = (),
) -> tuple[Any, Any]:
    if not RUNNING.symbolic:
        # The branch taken is run again when the index is known: less work than to transform all.
        later: tuple[Any, Any]
        later = _run_again(primals, tangents, branches=branches, **_flagged(linear))
        return later
    active = [t is not None for t in tangents[1:]]
    given = [t for t in tangents[1:] if t is not None]
    derived, flags = agreeing(branches, lambda b, force: _linear_part(b, active, force))
    dots = cond_p.bind(
        *primals,
        *given,
        branches=derived,
        linear=(*[False] * len(primals), *[True] * len(given)),
    )
    return cond_p.bind(*primals, branches=branches, **_flagged(linear)), _spread(flags, dots)


def _linear_part(branch: Program, active: Flags, force: Flags) -> tuple[Program, list[bool]]:
    """inputs, tangents of active inputs -> tangents of active outputs, which are linear in them."""
    found = linearize_program(branch, active, force)
    n, n_out = len(branch.inputs), len(branch.outputs)

    def fun(*args: Array) -> list[Array]:
        residuals = evaluate(found.forward, *args[:n])[n_out:]
        return evaluate(found.linear, *residuals, *args[n:])

    tangents = [v for v, a in zip(branch.in_avals, active, strict=True) if a]
    return trace_flat(f"jvp of {branch.name}", fun, [*branch.in_avals, *tangents]), found.active


def _transpose(
    cts: Sequence[Array],
    wanted: Flags,
    index: Array,
    *args: Any,
    branches: Branches,
    linear: Flags = (),
) -> list[Array | None]:
    fixed = [x for x, f in zip(args, linear[1:], strict=True) if not f]
    transposed = tuple([transpose_program(b, linear[1:]) for b in branches])
    return _spread(linear, cond_p.bind(index, *fixed, *cts, branches=transposed))


class _Cond(Structured):
    """With `linear`, the primitive is linear in the operands with that flag."""

    __slots__ = ()

    def bind_linear(self, trace: Trace, args: Sequence[Array], params: Mapping[str, Any]) -> Array:
        if has_value(args[0]):
            return self.impl(*args, **params)
        flags = tuple([isinstance(a, Tracer) and a._trace is trace for a in args])
        if not flags[0]:
            for branch in params["branches"]:
                transpose_program(branch, flags[1:])  # raises if it is not linear
            params = {**params, "linear": flags}
        return trace.process(self, args, params)


cond_p = _Cond(
    "cond",
    _run,
    shape=_shape,
    batch=_batch,
    jvp=_jvp,
    linearize=_linearize,
    transposes=Together(_transpose),
    linear_args=lambda params: [i for i, f in enumerate(params.get("linear", ())) if f],
)
_run_again = run_again(cond_p)


@boundary
def cond(
    pred: Array, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any
) -> Any:
    """Call one of two functions: `true_fun(*operands)` if `pred`, else `false_fun(*operands)`.

    Where `pred` has a concrete value (always, but in programs and under vmap) this is a Python
    `if`. Under vmap each function runs on the rows that choose it, and on no other. In a program
    both are written down, and one is run.

    Args:
        pred: a bool, or a number that counts as true if it is not zero; a scalar.
        true_fun: a function of trees of arrays.
        false_fun: the same, with a result of the same structure and shapes.
        operands: the arguments; the functions may close over more, traced values too.

    Returns:
        The result of the function that was chosen.

    Raises:
        ShapeError: if `pred` is no scalar, or the results differ in shape where both are traced.
        TreeError: if the results differ in structure where both are traced.

    Example:
        >>> import numpy as np, wengert as wg
        >>> safe = lambda x: wg.cond(x > 0, np.log, lambda x: 0.0 * x, x)
        >>> wg.vmap(wg.grad(safe))(np.array([2.0, -1.0, 0.0]))
        array([0.5, 0. , 0. ])
    """
    if type(pred) is bool or type(pred) is np.bool_:
        return (true_fun if pred else false_fun)(*operands)
    pred = _scalar("cond", "pred", pred)
    value = agreed_value(pred)
    if value is not None:
        return (true_fun if value else false_fun)(*operands)
    if aval_of(pred).dtype.kind != "b":
        pred = pred != 0
    return _choose("cond", pred, (false_fun, true_fun), operands)


@boundary
def switch(index: Array, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Call one of several functions: `branches[index](*operands)`.

    Args:
        index: an int, a scalar; below 0 it counts as 0, and beyond the last as the last.
        branches: functions of trees of arrays, whose results have the same structure and shapes.
        operands: the arguments; the functions may close over more, traced values too.

    Returns:
        The result of the function that was chosen. As for `cond`, only that one runs.

    Raises:
        TreeError: if there are no branches, or their results differ in structure.
        DtypeError: if the index is no int.
        ShapeError: if it is no scalar, or the results differ in shape.

    Example:
        >>> import numpy as np, wengert as wg
        >>> f = lambda i, x: wg.switch(i, [np.sin, np.cos, np.exp], x)
        >>> float(f(1, 0.0)), float(wg.grad(f, argnums=1)(2, 0.0))
        (1.0, 1.0)
        >>> wg.vmap(f, in_axes=(0, None))(np.arange(3), 0.0)
        array([0., 1., 1.])
    """
    functions = tuple(branches)
    if not functions:
        raise TreeError("switch: there are no branches.", needed="one function or more")
    index = _scalar("switch", "index", index)
    if aval_of(index).dtype.kind not in "iub":
        raise DtypeError("switch: the index must be an int.", got=repr(aval_of(index)))
    value = agreed_value(index)
    if value is not None:
        return functions[int(_which(value, len(functions)))](*operands)
    return _choose("switch", index, functions, operands)


def _scalar(operation: str, what: str, x: Array) -> Array:
    x = current(as_array_leaf(operation, what, x))
    aval = aval_of(x)
    if aval.shape:
        raise ShapeError(
            f"{operation}: {what} must be a scalar.",
            got=repr(aval),
            needed=repr(ShapedArray((), aval.dtype)),
            fix="reduce it (np.any, np.all); or use np.where to choose element by element",
        )
    return x


def _choose(
    operation: str, index: Array, functions: Sequence[Callable[..., Any]], operands: Any
) -> Any:
    """The primitive, for functions that are traced now."""
    given = array_leaves(operation, operands, "the operand ")
    bodies = [trace_body(operation, f, *operands) for f in functions]
    first = bodies[0]
    avals = list(first.program.out_avals)
    for b in bodies[1:]:
        which, like = f"the result of {b.program.name}", f"the one of {first.program.name}"
        same_structure(operation, first.out_tree, b.out_tree, which, like)
        avals = joined_avals(operation, avals, b.program.out_avals, b.out_tree, which, like)
    avals = [strong(v) for v in avals]
    hoisted = [x for b in bodies for x in b.hoisted]
    before = [aval_of(x) for x in hoisted]
    programs, k = [], 0
    for b in bodies:
        n = len(b.hoisted)
        programs.append(typed(with_inputs(b.program, before, n, k), avals))
        k += n
    ys = cond_p.bind(index, *hoisted, *given.arrays, branches=tuple(programs))
    return tree.unflatten(first.out_tree, ys)
