"""Coefficients of functions that bring rules of their own: their forward rule, or their reverse
rule transposed, is the derivative that `expansion.py` expands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.aval import Array
from ..control.subprograms import evaluate_jvp
from ..custom.custom_apply import PlainMap, apply, closed_call, in_batch, push
from ..custom.custom_call import CustomCall, Leaves, Tangents
from .expansion import expand
from .trace import JetTrace

__all__ = ["apply_custom"]


def apply_custom(trace: JetTrace, call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, Any]:
    """The results of a call, with its rules in force."""
    values = trace.values(args)
    if call.is_plain and not (call.has_batch and any([in_batch(v) for v in values])):
        return call.run(args)
    outs, treedef = apply(call, values)
    if any([trace.is_mine(y) for y in outs]):
        # It closes over values of this trace: they become operands.
        whole, hoisted = closed_call(call, args)
        return apply_custom(trace, whole, [*hoisted, *args])
    order = min([trace.limit, *[a.order for a in args if trace.is_mine(a)]])
    if not order:
        return outs, treedef
    rule = lambda xs, dots, ys: _tangents(call, xs, dots, ys)
    return list(expand(trace, args, outs, order, rule, (call, args, {}))), treedef


def _tangents(
    call: CustomCall, primals: Sequence[Array], dots: Tangents, ys: Sequence[Array]
) -> list[Array | None]:
    """The tangents of the results."""
    if call.is_plain:
        of = PlainMap(call, primals, dots, ys)
        return of.spread(of.forward(primals, [t for t in dots if t is not None]))
    k = call.ordinary
    found: list[Array | None] = [None] * len(ys)
    if any([t is not None for t in dots[k:]]):
        found = push(call, primals, [*[None] * k, *dots[k:]])[1]
    given = [t for t in dots[:k] if t is not None]
    if not given:
        return found
    # What the function closes over keeps its ordinary derivative.
    run = lambda *xs: call.run([*xs, *primals[k:]])[0]
    active = [t is not None for t in dots[:k]]
    own = evaluate_jvp(call.name, run, primals[:k], active, given)[1]
    return [a if b is None else b if a is None else a + b for a, b in zip(found, own, strict=True)]


JetTrace.apply_custom = apply_custom
