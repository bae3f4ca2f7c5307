"""Patterns of loops, branches, and of operations that are made of others.

A scan is followed step by step, up to a number of steps; longer ones, and while loops, until what is
carried depends on nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.errors import WengertError
from ...core.ir import Program
from ...core.tracing import Tracer
from ..control.subprograms import trace_flat
from .index_sets import IndexSets, joined, union
from .patterns import Flow, Found, Step, all_of_operands, flow, pattern_rule

STEPS: Final = 500
"""So many steps of a scan are followed one by one."""

ROUNDS: Final = 200
"""After so many rounds without an end, all that is carried depends on all that anything does."""


@pattern_rule("scan")
def _scan(step: Step) -> Found:
    body: Program = step.params["body"]
    n_consts, n_carry = step.params["n_consts"], step.params["n_carry"]
    length, reverse = step.params["length"], step.params["reverse"]
    k = n_consts + n_carry
    consts, carry = list(step.operands[:n_consts]), list(step.operands[n_consts:k])
    items = step.operands[k:]
    sizes = [v.size // max(length, 1) for v in step.avals[k:]]
    if length > STEPS:
        whole = [Flow(_any_row(f.sets, length, d)) for f, d in zip(items, sizes, strict=True)]
        carry, found = _closed(body, consts, carry, whole)
        rows = [found[n_carry:]] * length
    else:
        rows = [[] for _ in range(length)]
        for i in range(length - 1, -1, -1) if reverse else range(length):
            now = [_row(f, i, d) for f, d in zip(items, sizes, strict=True)]
            ys = flow(body, [*consts, *carry, *now])
            carry, rows[i] = ys[:n_carry], ys[n_carry:]
    stacks = [
        joined(step.n, [(row[j].sets, v.size) for row in rows]) if rows else None
        for j, v in enumerate(body.out_avals[n_carry:])
    ]
    return [*[f.sets for f in carry], *stacks]


def _row(item: Flow, i: int, size: int) -> Flow:
    """What is known of one item of a stack."""
    places = np.arange(i * size, (i + 1) * size)
    sets = None if item.sets is None else item.sets.take(places)
    return Flow(sets, None if item.value is None else item.value[i])


def _any_row(sets: IndexSets | None, length: int, size: int) -> IndexSets | None:
    return None if sets is None else sets.reduced((length, size), [0])


@pattern_rule("while")
def _while(step: Step) -> Found:
    k = step.params["n_condition"] + step.params["n_body"]
    consts = list(step.operands[step.params["n_condition"] : k])
    carry, _ = _closed(step.params["body"], consts, list(step.operands[k:]), [])
    return [f.sets for f in carry]


def _closed(
    body: Program, consts: Sequence[Flow], carry: Sequence[Flow], items: Sequence[Flow]
) -> tuple[list[Flow], list[Flow]]:
    """What is carried before or after any number of steps, and what a step then gives."""
    now = [Flow(f.sets) for f in carry]
    for _ in range(ROUNDS):
        found = flow(body, [*consts, *now, *items])
        after = [_either(f, g) for f, g in zip(now, found, strict=False)]
        if all([_same(f.sets, g.sets) for f, g in zip(now, after, strict=True)]):
            return now, found
        now = after
    given = [f.sets.everything(1) for f in [*consts, *now, *items] if f.sets is not None]
    whole = union(given)
    now = [Flow(whole.take(np.zeros(v.size, np.intp))) for v in body.out_avals[: len(now)]]
    return now, flow(body, [*consts, *now, *items])


def _either(a: Flow, b: Flow) -> Flow:
    return Flow(_union_of([a.sets, b.sets]))


def _union_of(parts: Sequence[IndexSets | None]) -> IndexSets | None:
    given = [s for s in parts if s is not None]
    return union(given) if given else None


def _same(before: IndexSets | None, after: IndexSets | None) -> bool:
    if before is None or after is None:
        return before is after
    return bool(np.array_equal(before.lengths(), after.lengths()))  # sets only grow


@pattern_rule("cond")
def _cond(step: Step) -> Found:
    branches = step.params["branches"]
    which = step.operands[0].value
    if which is not None:
        branches = [branches[int(np.clip(which, 0, len(branches) - 1))]]
    found = [flow(b, step.operands[1:]) for b in branches]
    return [_union_of([f.sets for f in column]) for column in zip(*found, strict=True)]


@pattern_rule("expanded")
def _expanded(step: Step) -> Found:
    """The rule for what has several results and is made of other operations: theirs."""

    def run(*args: Tracer) -> Sequence[Tracer]:
        found: Sequence[Tracer] = step.primitive.impl(*args, **step.params)
        return found

    try:
        program = trace_flat(step.primitive.name, run, step.avals)
    except (WengertError, AttributeError, TypeError, ValueError):
        return all_of_operands(step)  # its implementation needs values
    return [f.sets for f in flow(program, step.operands)]
