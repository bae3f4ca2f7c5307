"""Loops and branches on power series, in programs: `scan`, `while_loop` and `cond` whose bodies
have all coefficients as operands too, so that they are programs that can be staged like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ...core.aval import Array, aval_of
from ...core.ir import Program, Var, evaluate
from ..checkpointing.derived_bodies import strong
from ..control.cond import agreeing, cond_p
from ..control.scan_primitive import scan_p
from ..control.subprograms import rearranged, trace_flat
from ..control.while_loop import while_p
from ..jvp import zeros_of
from .evaluate import evaluate_jet
from .trace import JetTrace

__all__ = ["jet_program"]

Flags = Sequence[bool]


def jet_program(
    program: Program, active: Flags, order: int, force: Flags
) -> tuple[Program, list[bool]]:
    """inputs, coefficients of active inputs -> outputs, coefficients of active outputs; and which
    outputs are active. Those with a flag in `force` are made so.
    """
    n = len(program.inputs)
    found: list[bool] = []

    def fun(*args: Array) -> list[Array]:
        rest = iter(args[n:])
        terms = [_take(rest, order) if a else None for a in active]
        run = lambda *xs: evaluate(program, *xs)
        ys, rows = evaluate_jet(program.name, run, args[:n], terms, order)
        found[:] = [
            f or any([t is not None for t in row]) for f, row in zip(force, rows, strict=True)
        ]
        return [
            *ys,
            *[
                zeros_of(y) if t is None else t
                for y, row, f in zip(ys, rows, found, strict=True)
                if f
                for t in row
            ],
        ]

    avals = [
        *program.in_avals,
        *[
            strong(v)
            for v, a in zip(program.in_avals, active, strict=True)
            if a
            for _ in range(order)
        ],
    ]
    return trace_flat(f"jet of {program.name}", fun, avals), found


def _take(items: Iterator[Any], n: int) -> list[Any]:
    return [next(items) for _ in range(n)]


class _Loop:
    """The groups of a loop's operands (constants, carried values, stacks) with coefficients."""

    def __init__(
        self, trace: JetTrace, args: Sequence[Array], order: int, body: Program, counts: list[int]
    ) -> None:
        self.order = order
        ends = [0, counts[0], sum(counts), len(args)]
        self.spans = [slice(a, b) for a, b in pairwise(ends)]
        self.values = trace.values(args)
        self.terms = [trace.coefficients(a, order)[1:] for a in args]
        self.active = [trace.is_mine(a) for a in args]
        carry = self.spans[1]
        n = counts[1]
        while True:
            force = [*self.active[carry], *[False] * (len(body.outputs) - n)]
            found, self.flags = jet_program(body, self.active, order, force)
            if self.flags[:n] == self.active[carry]:
                break
            self.active[carry] = self.flags[:n]
        self.body = rearranged(found, self.grouped_inputs(found), self.grouped_outputs(found, n))

    def count(self, span: slice) -> int:
        """How many values a group is, with coefficients."""
        active = self.active[span]
        return len(active) + self.order * sum(active)

    def grouped_inputs(self, found: Program) -> list[Var]:
        """Each group's values, and then its coefficients."""
        n = len(self.active)
        rest = iter(found.inputs[n:])
        rows = [_take(rest, self.order) if a else [] for a in self.active]
        return [
            v
            for span in self.spans
            for v in (*found.inputs[:n][span], *[t for row in rows[span] for t in row])
        ]

    def grouped_outputs(self, found: Program, n: int) -> list[Any]:
        """Carried values, their coefficients; the others, their coefficients."""
        m = len(self.flags)
        split = m + self.order * sum(self.flags[:n])
        outs = found.outputs
        return [*outs[:n], *outs[m:split], *outs[n:m], *outs[split:]]

    def operands(self) -> list[Array]:
        """As the inputs of the body."""
        found: list[Array] = []
        for span in self.spans:
            found += self.values[span]
            for i in range(*span.indices(len(self.values))):
                if self.active[i]:
                    zeros = zeros_of(self.values[i])
                    found += [zeros if t is None else t for t in self.terms[i]]
        return found

    def wrapped(self, trace: JetTrace, ys: Sequence[Array], n: int) -> tuple[Array, ...]:
        """Tracers of the results: of n carried values, and of the others."""
        m, order = len(self.flags), self.order
        middle = n + order * sum(self.flags[:n])
        values = [*ys[:n], *ys[middle : middle + m - n]]
        rest = iter([*ys[n:middle], *ys[middle + m - n :]])
        return tuple([
            trace.wrap([y, *_take(rest, order)]) if f else y
            for y, f in zip(values, self.flags, strict=True)
        ])  # fmt: skip


def of_scan(
    trace: JetTrace,
    args: Sequence[Array],
    order: int,
    *,
    body: Program,
    n_consts: int,
    n_carry: int,
    linear: Flags = (),
    **params: Any,
) -> tuple[Array, ...]:
    """A loop over stacks."""
    loop = _Loop(trace, args, order, body, [n_consts, n_carry])
    consts, carry, _ = [loop.count(span) for span in loop.spans]
    ys = scan_p.bind(*loop.operands(), body=loop.body, n_consts=consts, n_carry=carry, **params)
    return loop.wrapped(trace, ys, n_carry)


def of_while(
    trace: JetTrace,
    args: Sequence[Array],
    order: int,
    *,
    condition: Program,
    body: Program,
    n_condition: int,
    n_body: int,
) -> tuple[Array, ...]:
    """A loop with a condition, which sees values alone."""
    n = len(args) - n_condition - n_body
    loop = _Loop(trace, args[n_condition:], order, body, [n_body, n])
    carry = loop.spans[1]
    extra = [
        Var(strong(aval_of(x)))
        for x, a in zip(loop.values[carry], loop.active[carry], strict=True)
        if a
        for _ in range(order)
    ]
    ys = while_p.bind(
        *trace.values(args[:n_condition]),
        *loop.operands(),
        condition=rearranged(condition, [*condition.inputs, *extra], condition.outputs),
        body=loop.body,
        n_condition=n_condition,
        n_body=loop.count(loop.spans[0]),
    )
    return loop.wrapped(trace, ys, n)


def of_cond(
    trace: JetTrace,
    args: Sequence[Array],
    order: int,
    *,
    branches: tuple[Program, ...],
    linear: Flags = (),
) -> tuple[Array, ...]:
    """Branches, of which one is chosen by operand 0."""
    active = [trace.is_mine(a) for a in args[1:]]
    derived, flags = agreeing(branches, lambda b, force: jet_program(b, active, order, force))
    terms = [
        zeros_of(trace.value(a)) if t is None else t
        for a, f in zip(args[1:], active, strict=True)
        if f
        for t in trace.coefficients(a, order)[1:]
    ]
    ys = cond_p.bind(*trace.values(args), *terms, branches=derived)
    n, rest = len(flags), iter(ys[len(flags) :])
    return tuple([
        trace.wrap([y, *_take(rest, order)]) if f else y
        for y, f in zip(ys[:n], flags, strict=True)
    ])  # fmt: skip


JetTrace.whole[cond_p.name] = of_cond
JetTrace.whole[scan_p.name] = of_scan
JetTrace.whole[while_p.name] = of_while
