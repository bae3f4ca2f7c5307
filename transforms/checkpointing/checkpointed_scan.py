"""Loops that keep only some of their states: `scan` with `checkpoint_every`, `checkpoints` or
`memory_budget`.

`Loop` is a body of the primitive `checkpoint` (`recomputation.py`), so all transformations know it.
Its forward pass keeps states at the places that the `Plan` chooses. Its backward pass goes through
the steps from last to first: where the state before a step is not there, it is computed again from
the nearest one that is; residuals exist for one segment at a time. Read next:
`checkpoint_plans.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of, weak_number
from ...core.errors import ConcretizationError, TreeError, UnsupportedError
from ...core.ir import Program
from ...core.storage import current
from ..api import flatten_result
from ..backward import backward_pass
from ..control.bodies import Leaves, array_leaves, check_carry, same_structure
from ..control.subprograms import batched_aval, evaluate_linearized, trace_flat
from ..evaluators import Often
from .checkpoint_plans import Plan, fitted
from .derived_bodies import Batched, Body, Pushed, avals_of, run_body, strong
from .recomputation import checkpoint_p
from .rerun import Rerun
from .saving import Policy

__all__ = ["checkpointed_loop", "checkpointed_scan"]

Flags = Sequence[bool]


def _fitted(operation: str, plan: Plan, loop: Loop, args: Sequence[Array]) -> Plan:
    """The plan for a memory budget, if that is what the user gave."""
    if plan.budget is None:
        return plan
    consts, carry, xs = loop.parts([aval_of(x) for x in args])
    avals = [*consts, *carry, *[ShapedArray(v.shape[1:], v.dtype) for v in xs]]
    try:
        step = loop.step
        program = step if type(step) is Program else trace_flat(loop.name, step, avals)
    except ConcretizationError as error:
        error.add_note(
            f"{operation}: memory_budget needs a function that can be traced, to know the memory "
            "of a step. checkpoint_every= and checkpoints= do not."
        )
        raise
    return fitted(operation, plan.budget, loop.length, carry, program)


class _Rows:
    """Values along a new first axis: written into one array where they are plain."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.array: Array = None
        self.items: list[Array] = []

    def put(self, i: int, x: Array) -> None:
        """Set row i."""
        if self.array is None and not self.items:
            if isinstance(x, np.ndarray | np.generic):
                self.array = np.empty((self.n, *x.shape), x.dtype)
            else:
                self.items = [None] * self.n
        if self.array is not None:
            if isinstance(x, np.ndarray | np.generic) and x.dtype == self.array.dtype:
                self.array[i] = x
                return
            self.items, self.array = list(self.array), None
        self.items[i] = x

    def stacked(self) -> Array:
        """All rows."""
        return np.stack(self.items) if self.array is None else self.array


class Loop:
    """A loop of steps: constants, carried values, stacks -> carried values, stacks; and then the
    states at `positions`, stacked.

    `step` is a program, or a Python function, of constants, carried values and items.
    """

    def __init__(
        self,
        step: Body,
        n_consts: int,
        n_carry: int,
        length: int,
        reverse: bool,
        plan: Plan,
        positions: Sequence[int] = (),
    ) -> None:
        self.step = step
        self.n_consts = n_consts
        self.n_carry = n_carry
        self.length = length
        self.reverse = reverse
        self.plan = plan
        self.positions = tuple(positions)
        self.structured = type(step) is Program
        self.name = f"loop of {getattr(step, 'name', 'a function')}"

    def __repr__(self) -> str:
        kept = f"every={self.plan.every}" if self.plan.every else f"snapshots={self.plan.snapshots}"
        order = ", reverse" if self.reverse else ""
        return f"loop(length={self.length}{order}, {kept})"

    @property
    def held(self) -> dict[str, Any]:
        """The programs in it, to print."""
        return {"step": self.step} if type(self.step) is Program else {}

    def changed(self, **fields: Any) -> Loop:
        """The same loop with other fields."""
        names = ("step", "n_consts", "n_carry", "length", "reverse", "plan", "positions")
        return Loop(**{**{k: getattr(self, k) for k in names}, **fields})

    def parts(self, items: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """What belongs to constants, carried values and stacks."""
        k = self.n_consts + self.n_carry
        return list(items[: self.n_consts]), list(items[self.n_consts : k]), list(items[k:])

    @contextmanager
    def steps(self, consts: Sequence[Array]) -> Iterator[Callable[..., list[Array]]]:
        """The step with these constants."""
        step = self.step
        if isinstance(step, Rerun):
            with step.bound(consts) as run:
                yield step.writing(run)
        elif type(step) is Program:
            often = Often(step, self.length, first=lambda *args: run_body(step, args))
            yield lambda *rest: list(often(*consts, *rest))
        else:
            yield lambda *rest: run_body(step, [*consts, *rest])

    def items(self, xs: Sequence[Array], k: int) -> list[Array]:
        """What step number k takes from the stacks."""
        found = [x[self.row(k)] for x in xs]
        if type(self.step) is Program and found:
            avals = self.step.in_avals[self.n_consts + self.n_carry :]
            found = [
                weak_number(x) if v.weak_type else x for x, v in zip(found, avals, strict=True)
            ]
        return found

    def row(self, k: int) -> int:
        """Where the items of step number k stand in the stacks."""
        return self.length - 1 - k if self.reverse else k

    def __call__(self, *args: Array) -> list[Array]:
        consts, carry, xs = self.parts(args)
        rows: list[_Rows] = []
        kept = [_Rows(len(self.positions)) for _ in range(self.n_carry)] if self.positions else []
        slots = {p: i for i, p in enumerate(self.positions)}
        with self.steps(consts) as run:
            for k in range(self.length):
                if k in slots:
                    for r, x in zip(kept, carry, strict=True):
                        r.put(slots[k], x)
                out = run(*carry, *self.items(xs, k))
                carry = out[: self.n_carry]
                rows = rows or [_Rows(self.length) for _ in out[self.n_carry :]]
                for r, y in zip(rows, out[self.n_carry :], strict=True):
                    r.put(self.row(k), y)
        return [*carry, *[r.stacked() for r in rows], *[r.stacked() for r in kept]]

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        consts, carry, xs = self.parts(avals)
        items = [ShapedArray(v.shape[1:], v.dtype) for v in xs]
        out = [strong(v) for v in avals_of(self.step, [*consts, *carry, *items])]
        ends = out[: self.n_carry]
        kept = [batched_aval(len(self.positions), v) for v in ends] if self.positions else []
        return [*ends, *[batched_aval(self.length, v) for v in out[self.n_carry :]], *kept]

    def split(self, active: Flags) -> tuple[Loop, LoopPush, int, bool]:
        """How reverse mode computes it: the forward pass with the states that it keeps, the
        derivative, the number of arrays of states, and whether they were results before.
        """
        positions = self.positions or self.plan.positions(self.length)
        push = LoopPush(self.changed(positions=positions), self, active)
        return push.forward, push, self.n_carry if positions else 0, bool(self.positions)

    def batch(
        self,
        size: int,
        batched: Flags,
        args: Sequence[Array],
        axis_name: Hashable,
        policy: Policy | None,
    ) -> tuple[Array, ...]:
        """The rule for batches: a loop of the batched step."""
        consts, carry, xs = self.parts(args)
        b_consts, b_carry, b_xs = self.parts(batched)
        flags = [*b_consts, *[True] * self.n_carry, *b_xs]
        step: Body = Batched(self.step, size, flags, axis_name)
        carry = [
            x if b else np.broadcast_to(x, (size, *aval_of(x).shape))
            for x, b in zip(carry, b_carry, strict=True)
        ]
        xs = [np.moveaxis(x, 0, 1) if b else x for x, b in zip(xs, b_xs, strict=True)]
        if type(self.step) is Program:
            avals = [
                batched_aval(size, v) if f else v
                for v, f in zip(self.step.in_avals, flags, strict=True)
            ]
            step = trace_flat(step.name, step, avals)
        out = checkpoint_p.bind(*consts, *carry, *xs, body=self.changed(step=step), policy=policy)
        return (*out[: self.n_carry], *[np.moveaxis(y, 1, 0) for y in out[self.n_carry :]])


class LoopPush:
    """operands, states, tangents -> tangents of the results that have a derivative."""

    inexact: Flags = ()
    """Which of the results have a derivative."""

    def __init__(self, forward: Loop, loop: Loop, active: Flags) -> None:
        self.forward = forward
        self.loop = loop
        self.active = tuple(active)
        self.structured = loop.structured
        self.name = f"derivative of {loop.name}"
        self.push = Pushed(loop, active)

    def __repr__(self) -> str:
        return f"derivative of {self.loop!r}"

    @property
    def held(self) -> dict[str, Any]:
        """The programs in it, to print."""
        return self.loop.held

    def operands(self, args: Sequence[Array]) -> list[Array]:
        """The arguments without the states."""
        n = len(self.active)
        return [*args[:n], *args[len(args) - sum(self.active) :]]

    def __call__(self, *args: Array) -> list[Array]:
        return self.push(*self.operands(args))

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        return self.push.out_avals(self.operands(avals))

    def transposed(self, n: int) -> Body:
        """operands, states, cotangents -> cotangents of active operands."""
        return LoopPull(self.forward, self.active, self.inexact, bool(self.loop.positions))


class LoopPull:
    """The backward pass of a loop: operands, states, cotangents -> cotangents.

    `with_states`: the states are results too, and have cotangents.
    """

    def __init__(self, loop: Loop, active: Flags, inexact: Flags, with_states: bool) -> None:
        self.loop = loop
        self.with_states = with_states
        self.active = tuple(active)
        self.inexact = tuple(inexact)
        self.structured = loop.structured
        self.name = f"pullback of {loop.name}"

    def __repr__(self) -> str:
        return f"pullback of {self.loop!r}"

    @property
    def held(self) -> dict[str, Any]:
        """The programs in it, to print."""
        return self.loop.held

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        n = len(self.active)
        return [strong(v) for v, a in zip(avals[:n], self.active, strict=True) if a]

    def __call__(self, *args: Array) -> list[Array]:
        loop, n, m = self.loop, len(self.active), self.loop.n_carry
        consts, carry, xs = loop.parts(args[:n])
        n_states = m if loop.positions else 0
        states = args[n : n + n_states]
        given = iter(args[n + n_states :])
        cts: list[Array | None] = [next(given) if f else None for f in self.inexact]
        sweep = _Sweep(loop, self.active, consts, xs, cts, self.with_states)
        stack: list[tuple[int, Sequence[Array]]] = [(0, carry)]
        stack += [(p, [s[i] for s in states]) for i, p in enumerate(loop.positions)]
        segment = loop.plan.every or 1
        end = loop.length
        with loop.steps(consts) as run:
            while end:
                start, state = stack[-1]
                if end - start <= segment:
                    stack.pop()
                    sweep.pull(start, end, state)
                    end = start
                    continue
                to = loop.plan.next(start, end, len(stack))
                stop = end - 1 if to is None else to
                for k in range(start, stop):
                    state = run(*state, *loop.items(xs, k))[:m]
                if to is None:
                    sweep.pull(stop, end, state)
                    end = stop
                else:
                    stack.append((stop, state))
        return sweep.finish(carry)


class _Sweep:
    """The cotangents on the way from the last step to the first."""

    def __init__(
        self,
        loop: Loop,
        active: Flags,
        consts: Sequence[Array],
        xs: Sequence[Array],
        cts: Sequence[Array | None],
        with_states: bool,
    ) -> None:
        m = loop.n_carry
        self.loop = loop
        self.consts = consts
        self.xs = xs
        self.of_consts, self.of_carry, self.of_xs = loop.parts(active)
        self.carry = list(cts[:m])
        after = len(cts) - (m if with_states else 0)
        self.ys = list(cts[m:after])
        self.states = list(cts[after:])
        self.totals: list[Array | None] = [None] * sum(self.of_consts)
        self.rows = [_Rows(loop.length) for _ in range(sum(self.of_xs))]

    def pull(self, start: int, stop: int, state: Sequence[Array]) -> None:
        """Go back from step `stop` to step `start`."""
        loop, m = self.loop, self.loop.n_carry
        n_consts, n_xs = loop.n_consts, len(self.xs)

        def segment(*args: Array) -> list[Array]:
            carry = list(args[n_consts : n_consts + m])
            rest = args[n_consts + m :]
            found: list[Array] = []
            with loop.steps(args[:n_consts]) as run:
                for k in range(stop - start):
                    out = run(*carry, *rest[k * n_xs : (k + 1) * n_xs])
                    carry = out[:m]
                    found += out[m:]
            return [*carry, *found]

        items = [x for k in range(start, stop) for x in loop.items(self.xs, k)]
        moving = [aval_of(x).dtype.kind in "fc" for x in state]
        active = [*self.of_consts, *moving, *self.of_xs * (stop - start)]
        args = [*self.consts, *state, *items]
        ys, tape, indices = evaluate_linearized(loop.name, segment, args, active, at_once=True)
        cts = list(self.carry)
        for k in range(start, stop):
            cts += [None if ct is None else ct[loop.row(k)] for ct in self.ys]
        avals = [strong(aval_of(x)) for x, a in zip(args, active, strict=True) if a]
        pairs = [(i, ct) for i, ct in zip(indices, cts, strict=True) if ct is not None]
        del ys
        found = iter(
            backward_pass(
                tape, len(avals), [i for i, _ in pairs], [ct for _, ct in pairs], avals, once=True
            )
        )
        self.totals = [_sum(total, next(found)) for total in self.totals]
        self.carry = [next(found) if a else None for a in moving]
        for k in range(start, stop):
            for r in self.rows:
                r.put(loop.row(k), next(found))
        if self.states and start in loop.positions:
            i = loop.positions.index(start)
            self.carry = [
                ct if s is None else _sum(ct, s[i])
                for ct, s in zip(self.carry, self.states, strict=True)
            ]

    def finish(self, carry: Sequence[Array]) -> list[Array]:
        """The cotangents of the active operands."""
        totals = [x for x in self.totals if x is not None]
        ends = [ct for ct, a in zip(self.carry, self.of_carry, strict=True) if a]
        return [*totals, *ends, *[r.stacked() for r in self.rows]]


def _sum(a: Array | None, b: Array) -> Array:
    if a is None:
        return b
    if type(a) is np.ndarray and type(b) is np.ndarray and a.flags.writeable:
        a += b
        return a
    return a + b


# For scan and fori_loop.


def checkpointed_loop(
    operation: str, step: Body, n_consts: int, n_carry: int, length: int, reverse: bool, plan: Plan,
    args: Sequence[Array],
) -> Sequence[Array]:  # fmt: skip
    """Run a loop that keeps what the plan says."""
    loop = Loop(step, n_consts, n_carry, length, reverse, plan)
    loop = loop.changed(plan=_fitted(operation, plan, loop, args))
    found: Sequence[Array] = checkpoint_p.bind(*args, body=loop)
    return found


def checkpointed_scan(
    operation: str,
    f: Callable[..., Any],
    carried: Leaves,
    stacks: Leaves,
    length: int,
    reverse: bool,
    plan: Plan,
) -> Any:
    """`scan` of a Python function, outside of programs."""
    m = len(carried.arrays)
    trees: dict[str, tree.TreeDef] = {}

    def call(*arrays: Array) -> list[Array]:
        carry = carried.rebuilt(arrays[:m])
        result = f(carry, stacks.rebuilt(arrays[m:]))
        if type(result) is not tuple or len(result) != 2:
            raise TreeError(
                f"{operation}: the function must return a pair (carry, y).",
                got=f"a tuple of {len(result)}"
                if isinstance(result, tuple)
                else type(result).__name__,
                needed="a tuple of two",
                fix="return carry, None if there is nothing to collect",
            )
        if trees:
            ends, carry_tree = flatten_result(operation, result[0])
            rows, row_tree = flatten_result(operation, result[1])
            if (carry_tree, row_tree) == (trees["flat carry"], trees["flat y"]):
                return [*ends, *rows]
        check_carry(operation, carried, result[0])
        y = array_leaves(operation, result[1])
        after = array_leaves(operation, result[0])
        if trees:
            which, like = "the result of a step", "that of the first step"
            same_structure(operation, trees["y"], y.treedef, which, like)
        trees["y"] = y.treedef
        if len(after.arrays) == after.treedef.size and len(y.arrays) == y.treedef.size:
            trees["flat carry"], trees["flat y"] = after.treedef, y.treedef
        else:  # static leaves among them
            trees["flat carry"] = trees["flat y"] = tree.structure(())
        return [*after.arrays, *y.arrays]

    step = Rerun(operation, call, (f,), flat=True)
    n = length

    def use(*args: Array) -> Sequence[Array]:
        trees.clear()
        return checkpointed_loop(operation, step, len(step.captured), m, n, reverse, plan, args)

    ys = step.with_captured(use, *map(current, carried.arrays), *map(current, stacks.arrays))
    if step.draws.states:
        raise UnsupportedError(
            f"{operation}: its function drew random numbers, and would draw others when its steps "
            "are computed again.",
            fix="draw outside, and pass the numbers as xs",
        )
    return carried.rebuilt(ys[:m]), tree.unflatten(trees["y"], ys[m:])
