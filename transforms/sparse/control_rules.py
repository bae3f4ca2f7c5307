"""Patterns of loops, branches, and of operations that are made of others.

A scan is followed step by step, up to a number of steps; longer ones, and while loops, until what
is carried depends on nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.aval import Array, ShapedArray
from ...core.errors import WengertError
from ...core.ir import Equation, Program, Var
from ...core.tracing import Tracer
from ..control.subprograms import trace_flat
from .index_sets import IndexSets, grouped, joined, union
from .patterns import (
    Flow,
    Found,
    Step,
    all_of_operands,
    flow,
    pattern_rule,
    sets_of_results,
)

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
    body = step.params.get("body")
    if any(
        [e.primitive is step.primitive and e.params.get("body") is body for e in program.equations]
    ):
        return all_of_operands(step)  # it is made of itself
    return [f.sets for f in flow(program, step.operands)]


# Derivatives and batches of primitives that wait until values are known.


def _own_pattern(
    step: Step, avals: Sequence[ShapedArray], values: Sequence[Array | None]
) -> tuple[Sequence[ShapedArray], list[Array], list[Array]]:
    """What the results of the primitive `of` depend on, of its operands one after another.

    (types of the results, where the list of each of their elements starts, the lists).
    """
    of, params = step.params["of"], step.params["params"]
    outs: Sequence[ShapedArray] = of.shape(*avals, **params)
    n, start = sum([v.size for v in avals]), 0
    operands = []
    for aval, value in zip(avals, values, strict=True):
        inexact = aval.dtype.kind in "fc" and aval.size > 0
        sets = IndexSets.identity(n, start, aval.size) if inexact else None
        operands.append(Flow(sets, None if inexact else value))
        start += aval.size
    starts, members = [], []
    if any([f.sets is not None for f in operands]):
        equation = Equation(of, [Var(v) for v in avals], [Var(v) for v in outs], params)
        found = sets_of_results(equation, operands)
    else:
        found = [None] * len(outs)
    for sets, aval in zip(found, outs, strict=True):
        matrix = joined(n, [(sets, aval.size)]).matrix()
        starts.append(matrix.indptr)
        members.append(matrix.indices)
    return outs, starts, members


def _together(n: int, flows: Sequence[Flow], avals: Sequence[ShapedArray]) -> IndexSets:
    """The sets of several values, one after another."""
    return joined(n, [(f.sets, v.size) for f, v in zip(flows, avals, strict=True)])


@pattern_rule("pushforward")
def _pushforward(step: Step) -> Found:
    """The tangent of a result depends on the tangents of what the result depends on; and, as the
    derivative may, on that itself.
    """
    active = step.params["active"]
    k = len(active)
    avals = step.avals[:k]
    values = [f.value for f in step.operands[:k]]
    outs, starts, members = _own_pattern(step, avals, values)
    tangents = iter(step.operands[k:])
    dots = [next(tangents) if a else Flow(None) for a in active]
    both = union([_together(step.n, step.operands[:k], avals), _together(step.n, dots, avals)])
    return [
        grouped(both, s, m)
        for v, s, m in zip(outs, starts, members, strict=True)
        if v.dtype.kind in "fc"
    ]


@pattern_rule("pullback")
def _pullback(step: Step) -> Found:
    """The cotangent of an operand depends on those of the results that depend on it; and, as the
    derivative may, on all that these results depend on.
    """
    active = step.params["active"]
    k = len(active)
    avals = step.avals[:k]
    values = [f.value for f in step.operands[:k]]
    outs, starts, members = _own_pattern(step, avals, values)
    primals = _together(step.n, step.operands[:k], avals)
    kept = [i for i, v in enumerate(outs) if v.dtype.kind in "fc"]
    cts = _together(step.n, step.operands[k:], [outs[i] for i in kept])
    results = np.concatenate([np.zeros(0, int), *[np.diff(starts[i]) for i in kept]])
    rows = np.concatenate([[0], np.cumsum(results)])
    columns = np.concatenate([np.zeros(0, int), *[members[i] for i in kept]])
    reached = union([grouped(primals, rows, columns), cts])
    order = np.argsort(columns, kind="stable")
    row_of = np.repeat(np.arange(results.size), results)[order]
    size = sum([v.size for v in avals])
    back = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=size))])
    whole = grouped(reached, back, row_of)
    found, start = [], 0
    for aval, needed in zip(avals, active, strict=True):
        if needed:
            found.append(whole.take(np.arange(start, start + aval.size)))
        start += aval.size
    return found


@pattern_rule("batched")
def _batched(step: Step) -> Found:
    """Each member of a batch depends on the same member of the operands."""
    size, flags = step.params["size"], step.params["batched"]
    avals = [
        ShapedArray(v.shape[1:], v.dtype) if b else v
        for v, b in zip(step.avals, flags, strict=True)
    ]
    values = [None if b else f.value for f, b in zip(step.operands, flags, strict=True)]
    outs, starts, members = _own_pattern(step, avals, values)
    # Where each element of one member's operands stands, for every member.
    places, start = [np.zeros((size, 0), int)], 0
    for whole, aval, b in zip(step.avals, avals, flags, strict=True):
        lane = np.arange(size)[:, None] * (aval.size if b else 0)
        places.append(start + lane + np.arange(aval.size))
        start += whole.size
    table = np.concatenate(places, axis=1)
    together = _together(step.n, step.operands, step.avals)
    found: list[IndexSets | None] = []
    for aval, s, m in zip(outs, starts, members, strict=True):
        counts = np.tile(np.diff(s), size)
        rows = np.concatenate([[0], np.cumsum(counts)])
        found.append(grouped(together, rows, table[:, m].ravel()) if aval.size else None)
    return found
