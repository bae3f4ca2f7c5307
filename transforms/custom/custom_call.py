"""Calls of functions that bring derivative rules of their own, in three forms.

A `CustomCall` is a function of flat operands: `run` computes it, `jvp` is its forward rule, `fwd`
and `bwd` are its reverse rule. The user's function in the structure of one call is made in
`custom_rules.py`. Here are the forms that it takes on the way through other transformations, which
keep its rules: `BatchedCall`, for all members of a batch, and `ClosedCall`, whose function is a
program.

Read next: `custom_apply.py`, which says what each trace does with a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, EscapedTracerError, ShapeError, UnsupportedError
from ...core.ir import Program, evaluate
from ...core.primitives.values import value_p
from ...core.tracing import RUNNING, Tracer, newest_trace
from ...core.tree import TreeDef, is_static_leaf
from ..batching import BatchTrace, BatchTracer

__all__ = [
    "BatchedCall",
    "ClosedCall",
    "CustomCall",
    "NarrowedError",
    "Tangents",
    "closes_over",
    "is_active",
]

Leaves: TypeAlias = list[Any]
Tangents: TypeAlias = Sequence[Array | None]


class CustomCall:
    """A function of flat operands with rules of its own.

    Results are the leaves of the user's result, static ones included, with their structure.
    Tangents and cotangents are None where they are zero, or where none exists. The first `ordinary`
    operands are values that the function closes over: the rules do not know them, and their
    derivative is that of `run`. With `is_plain`, that of all operands is. With `is_linear`, `run`
    is linear in all but the ordinary ones. With `takes_zeros`, `jvp` makes arrays of zeros of the
    tangents that are None.
    """

    name: str
    ordinary: int = 0
    has_jvp: bool = False
    has_vjp: bool = False
    has_batch: bool = False
    is_linear: bool = False
    is_plain: bool = False
    takes_zeros: bool = True

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        """The results."""
        raise NotImplementedError(f"{type(self).__name__} has no run")

    def jvp(
        self, primals: Sequence[Array], tangents: Tangents
    ) -> tuple[Leaves, list[Array | None], TreeDef]:
        """The results and their tangents."""
        raise NotImplementedError(f"{type(self).__name__} has no jvp")

    def fwd(self, primals: Sequence[Array]) -> tuple[Leaves, TreeDef, list[Array], Any]:
        """The results, the residuals, and what `bwd` needs besides."""
        raise NotImplementedError(f"{type(self).__name__} has no fwd")

    def bwd(self, state: Any, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        """The cotangents of the operands, after the ordinary ones."""
        raise NotImplementedError(f"{type(self).__name__} has no bwd")

    def transpose(self, ordinary: Sequence[Array], cts: Tangents) -> list[Array | None]:
        """The cotangents of the operands of a linear call, after the ordinary ones, from those of
        the results that have one.
        """
        raise NotImplementedError(f"{type(self).__name__} has no transpose")

    def run_batch(
        self, size: int, batched: Sequence[bool], args: Sequence[Array]
    ) -> tuple[Leaves, list[bool], TreeDef]:
        """The results for a batch by the user's rule, and which of them have a batch axis."""
        raise NotImplementedError(f"{type(self).__name__} has no run_batch")

    def missing(self, mode: str) -> Exception:
        """The error for a call under a derivative without a rule for it."""
        raise NotImplementedError(f"{type(self).__name__} has no missing")


def is_active(x: Any) -> bool:
    """True for a result that has a derivative."""
    if type(x) is np.ndarray:
        return x.dtype.kind in "fc"
    if isinstance(x, Tracer):
        return x.aval.dtype.kind in "fc"
    return not is_static_leaf(x) and aval_of(x).dtype.kind in "fc"


def closes_over(name: str, x: Tracer) -> UnsupportedError:
    """The error for a value from the closure that the rule cannot take into account."""
    return UnsupportedError(
        f"{name}: its function or a rule closes over a value that {x._trace!r} traces, inside of "
        "the transformation that traces the arguments.",
        got=repr(x),
        fix=f"pass the value to {name} as an argument",
    )


class TreeCall(CustomCall):
    """A call of a function of trees: its operands are the arrays among the leaves."""

    def __init__(self, name: str, in_tree: TreeDef, leaves: Sequence[Any]) -> None:
        self.name = name
        self.in_tree = in_tree
        self.static = [
            (i, x)
            for i, x in enumerate(leaves)
            if not isinstance(x, (Tracer, np.ndarray, float)) and is_static_leaf(x)
        ]
        self.is_flat = not self.static and all([c.kind is None for c in in_tree.children])

    def arrays(self, leaves: Sequence[Any]) -> list[Array]:
        """The leaves that are operands."""
        if not self.static:
            return list(leaves)
        skipped = [i for i, _ in self.static]
        return [x for i, x in enumerate(leaves) if i not in skipped]

    def arguments(self, values: Sequence[Any], static: bool = True) -> tuple[Any, ...]:
        """The arguments, with these values for the operands; static leaves are None unless
        `static`.
        """
        if self.is_flat:
            return tuple(values)
        leaves = list(values)
        for i, x in self.static:
            leaves.insert(i, x if static else None)
        found: tuple[Any, ...] = tree.unflatten(self.in_tree, leaves)
        return found


# Batches.


class NarrowedError(Exception):
    """A batch has split while `fwd` ran on it, and goes on with some of its members."""


class _PathTrace(BatchTrace):
    """The batch of one path, run again after it has split: its members make the same decisions."""

    def decide(self, x: BatchTracer, how: str) -> Array:
        values = value_p.bind(x.value)
        if isinstance(values, Tracer) or not len(values) or np.any(values != values[0]):
            return x.concrete()
        return values[0]

    def agree(self, x: BatchTracer) -> Array:
        return self.decide(x, "value")


class BatchedCall(CustomCall):
    """A call for all members of a batch: of stacked operands, with the rules of the one call.

    `out_batched` says which results of the last run have a batch axis; with `force`, all that have
    a derivative do.
    """

    def __init__(
        self, call: CustomCall, trace: BatchTrace, batched: Sequence[bool], force: bool
    ) -> None:
        self.call = call
        self.name = call.name
        self.ordinary = call.ordinary
        self.has_jvp = call.has_jvp
        self.has_vjp = call.has_vjp
        self.is_linear = call.is_linear
        self.is_plain = call.is_plain
        self.takes_zeros = call.takes_zeros
        self.size = trace.size
        self.axis_name = None if trace.axis is None else trace.axis.name
        self.kind = _PathTrace if trace.splits else BatchTrace
        self.batched = tuple(batched)
        self.force = force
        self.out_batched: list[bool] = []
        self.trace: BatchTrace | None = trace

    def __repr__(self) -> str:
        return f"vmap({self.call!r}, axis_size={self.size})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "trace": None}

    def missing(self, mode: str) -> Exception:
        return self.call.missing(mode)

    @contextmanager
    def lanes(self, args: Sequence[Any]) -> Iterator[BatchTrace]:
        """The trace of the batch itself, as long as it lasts, since functions may close over its
        values; another one later.
        """
        live = self.trace
        newest = newest_trace(args)
        if (
            isinstance(live, BatchTrace)
            and live in RUNNING.traces
            and (newest is None or newest.number < live.number)
        ):
            yield live
            return
        trace = self.kind(self.name, self.size, self.axis_name)
        try:
            yield trace
        finally:
            trace.close()

    def enter(self, trace: BatchTrace, args: Tangents, flags: Sequence[bool]) -> list[Any]:
        """One member's operands."""
        return [
            BatchTracer(trace, x) if b and x is not None else x
            for x, b in zip(args, flags, strict=True)
        ]

    def leave(self, trace: BatchTrace, outs: Sequence[Any]) -> tuple[Leaves, list[bool]]:
        """The values of all members, and which of them have a batch axis."""
        values: Leaves = []
        flags: list[bool] = []
        for x in outs:
            mine = type(x) is BatchTracer and x._trace is trace
            if not mine and isinstance(x, Tracer) and x._trace.number > trace.number:
                raise closes_over(self.name, x)
            values.append(trace.members(x) if mine else x)
            flags.append(mine)
        self.size = trace.size  # it may have split
        return values, flags

    def stack(self, x: Array, batched: bool) -> Array:
        """A value with a batch axis."""
        return x if batched else np.broadcast_to(x, (self.size, *aval_of(x).shape))

    def settle(self, outs: Leaves, flags: Sequence[bool], also: Sequence[bool]) -> Leaves:
        """The results with a batch axis where they, or something else, has one."""
        self.out_batched = [a or b for a, b in zip(flags, also, strict=True)]
        return [
            self.stack(x, has) if due else x
            for x, has, due in zip(outs, flags, self.out_batched, strict=True)
        ]

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        if self.call.has_batch:
            outs, flags, treedef = self.call.run_batch(self.size, self.batched, args)
        else:
            with self.lanes(args) as trace:
                outs, treedef = self.call.run(self.enter(trace, args, self.batched))
                outs, flags = self.leave(trace, outs)
        return self.settle(outs, flags, [self.force and is_active(x) for x in outs]), treedef

    def jvp(
        self, primals: Sequence[Array], tangents: Tangents
    ) -> tuple[Leaves, list[Array | None], TreeDef]:
        with self.lanes((*primals, *tangents)) as trace:
            outs, dots, treedef = self.call.jvp(
                self.enter(trace, primals, self.batched), self.enter(trace, tangents, self.batched)
            )
            outs, flags = self.leave(trace, outs)
            dots, moved = self.leave(trace, dots)
        also = [b or (self.force and is_active(x)) for x, b in zip(outs, moved, strict=True)]
        outs = self.settle(outs, flags, also)
        dots = [
            self.stack(t, has) if due and t is not None else t
            for t, has, due in zip(dots, moved, self.out_batched, strict=True)
        ]
        return outs, dots, treedef

    def fwd(self, primals: Sequence[Array]) -> tuple[Leaves, TreeDef, list[Array], Any]:
        with self.lanes(primals) as trace:
            outs, treedef, residuals, state = self.call.fwd(
                self.enter(trace, primals, self.batched)
            )
            if trace.size != self.size:
                raise NarrowedError("the batch split while the function ran")
            outs, flags = self.leave(trace, outs)
            residuals, kept = self.leave(trace, residuals)
        # Each member adds to the cotangents, also where all have the same result.
        outs = self.settle(outs, flags, [is_active(x) for x in outs])
        return outs, treedef, residuals, (state, kept)

    def bwd(self, state: Any, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        inner, kept = state
        with self.lanes((*residuals, *cts)) as trace:
            found = self.call.bwd(
                inner,
                self.enter(trace, residuals, kept),
                self.enter(trace, cts, [True] * len(cts)),
            )
            values, flags = self.leave(trace, found)
        return self.collected(values, flags)

    def transpose(self, ordinary: Sequence[Array], cts: Tangents) -> list[Array | None]:
        with self.lanes((*ordinary, *cts)) as trace:
            found = self.call.transpose(
                self.enter(trace, ordinary, self.batched[: self.ordinary]),
                self.enter(trace, cts, [True] * len(cts)),
            )
            values, flags = self.leave(trace, found)
        return self.collected(values, flags)

    def collected(self, cts: Tangents, flags: Sequence[bool]) -> list[Array | None]:
        """The cotangents of operands: sums over the batch for those without its axis."""
        return [
            None
            if ct is None
            else self.stack(ct, has)
            if wanted
            else np.sum(ct, axis=0)
            if has
            else ct * self.size
            for ct, has, wanted in zip(cts, flags, self.batched[self.ordinary :], strict=True)
        ]


# Programs.


class ClosedCall(CustomCall):
    """A call whose function is a program: what it closes over are operands of it, the first
    `hoisted` ones. The rules are functions still, and run when a derivative is asked for.
    """

    def __init__(self, call: CustomCall, program: Program, hoisted: int) -> None:
        self.call = call
        self.program = program
        self.hoisted = hoisted
        self.name = call.name
        self.ordinary = hoisted + call.ordinary
        self.has_jvp = call.has_jvp
        self.has_vjp = call.has_vjp
        self.is_linear = call.is_linear
        self.is_plain = call.is_plain
        self.takes_zeros = call.takes_zeros
        self.has_batch = call.has_batch and not hoisted

    def __repr__(self) -> str:
        return repr(self.call)

    def missing(self, mode: str) -> Exception:
        return self.call.missing(mode)

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        return evaluate(self.program, *args), self.program.out_tree

    def run_batch(
        self, size: int, batched: Sequence[bool], args: Sequence[Array]
    ) -> tuple[Leaves, list[bool], TreeDef]:
        return self.call.run_batch(size, batched, args)

    def jvp(
        self, primals: Sequence[Array], tangents: Tangents
    ) -> tuple[Leaves, list[Array | None], TreeDef]:
        with self.explained("jvp"):
            outs, dots, _ = self.call.jvp(primals[self.hoisted :], tangents[self.hoisted :])
        kept = self.arrays(outs, "jvp")
        return [outs[i] for i in kept], [dots[i] for i in kept], self.program.out_tree

    def fwd(self, primals: Sequence[Array]) -> tuple[Leaves, TreeDef, list[Array], Any]:
        with self.explained("fwd"):
            outs, _, residuals, state = self.call.fwd(primals[self.hoisted :])
        kept = self.arrays(outs, "fwd")
        return [outs[i] for i in kept], self.program.out_tree, residuals, (state, kept, len(outs))

    def bwd(self, state: Any, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        inner, kept, n = state
        spread: list[Array | None] = [None] * n
        for i, ct in zip(kept, cts, strict=True):
            spread[i] = ct
        with self.explained("bwd"):
            return self.call.bwd(inner, residuals, spread)

    def transpose(self, ordinary: Sequence[Array], cts: Tangents) -> list[Array | None]:
        with self.explained("transpose"):
            return self.call.transpose(ordinary[self.hoisted :], cts)

    @contextmanager
    def explained(self, rule: str) -> Iterator[None]:
        """Say what to do where a rule closes over a variable of the program."""
        try:
            yield
        except EscapedTracerError as error:
            raise UnsupportedError(
                f"the {rule} rule of {self.name} uses a value of the program in which "
                f"{self.name} was traced, and that program is complete.",
                got=str(error).partition("\n")[0],
                needed="a rule that computes with its arguments",
                fix=f"pass the value to {self.name} as an argument",
                source=error.source,
            ) from None

    def arrays(self, outs: Sequence[Any], rule: str) -> list[int]:
        """The positions of the results that are arrays; they must be those of the program."""
        kept = [i for i, x in enumerate(outs) if not is_static_leaf(x)]
        found = [aval_of(outs[i]) for i in kept]
        due = self.program.out_avals
        same_shapes = [v.shape for v in found] == [v.shape for v in due]
        if not same_shapes or [v.dtype for v in found] != [v.dtype for v in due]:
            kind = DtypeError if same_shapes else ShapeError
            raise kind(
                f"the {rule} rule of {self.name} has other results than {self.name} itself.",
                got=_listed(found),
                needed=_listed(due),
            )
        return kept


def _listed(avals: Sequence[ShapedArray]) -> str:
    return ", ".join([repr(v) for v in avals]) or "nothing"
