"""Negations: moved behind products of matrices, solutions and sums, toward a sum that takes them in
as a difference.

Products and sums of negated numbers are the negated ones in every bit, but for one: a sum that is
0.0 is so for the negated numbers too, where its negation is -0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...core.ir import Atom, Equation, Program
from ...core.primitives.elementwise import negative_p
from .rewriting import Found, Rewriter, Rules, everywhere, with_rules

__all__ = ["move_negations"]

_TAKES: Final = frozenset(["add", "sub", "neg", "matmul", "solve", "reduce_sum", "getitem"])
"""Operations in which a negation goes on, or ends."""


@everywhere
def move_negations(program: Program) -> Program:
    """The same program with negations of smaller arrays, or none."""
    return Rewriter(program).run(_RULE)


def _pays(r: Rewriter, e: Equation, x: Atom) -> bool:
    """True if the negation costs less after the operation, or may vanish."""
    smaller = r.used_once(x) and e.outputs[0].aval.size <= x.aval.size
    return smaller or r.used_by(e) in _TAKES


def _bilinear(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    new = list(inputs)
    found = [i for i, a in enumerate(inputs) if r.definition(a, "neg") is not None]
    if not found or e.outputs[0].aval.dtype.kind not in "fc":
        return None
    if len(found) == 1 and not _pays(r, e, inputs[found[0]]):
        return None
    for i in found:
        new[i] = r.defined[inputs[i]].inputs[0]  # type: ignore[index]
        if new[i].aval != inputs[i].aval:
            return None
    y = r.emit(e.primitive, new, e.params, e.source)
    return y if len(found) == 2 else r.emit(negative_p, y, {}, e.source)


def _solve(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    matrix, b = inputs
    inner = r.definition(b, "neg")
    if inner is None or not _pays(r, e, b):
        return None
    y = r.emit(e.primitive, [matrix, inner.inputs[0]], e.params, e.source)
    return r.emit(negative_p, y, {}, e.source)


def _linear(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    inner = r.definition(inputs[0], "neg")
    kind = e.outputs[0].aval.dtype.kind
    if inner is None or len(inputs) > 1 or kind not in "fc" or not _pays(r, e, inputs[0]):
        return None
    if inner.inputs[0].aval != inputs[0].aval:
        return None
    y = r.emit(e.primitive, inner.inputs, e.params, e.source)
    return r.emit(negative_p, y, {}, e.source)


_RULES: Final[Rules] = {
    "matmul": _bilinear,
    "solve": _solve,
    "reduce_sum": _linear,
    "getitem": _linear,
}
_RULE: Final = with_rules(_RULES)
