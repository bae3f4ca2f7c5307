"""Sums with scattered values: an array plus values at some places is made by adding them there,
with no array of zeros between; and an array that is set to zero where its own elements are added
again is itself.

This is the derivative of code that writes to slices: what was written over gets no cotangent, and
what was read to compute it gets some. Sums of more than two numbers are added up in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.indexing import scatter_sum_p
from ...core.primitives.writing import setitem_p
from .places import Axis, axes_of_index, is_whole
from .rewriting import Found, Rewriter, Rules, everywhere, with_rules

__all__ = ["add_in_place"]

_PRECISE: Final = (np.dtype(np.float64), np.dtype(np.complex128))


@everywhere
def add_in_place(program: Program) -> Program:
    """The same program with scattered values added to arrays in the place of zeros."""
    return Rewriter(program).run(_RULE)


def _add(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    out = e.outputs[0].aval
    if out.dtype not in _PRECISE:
        return None
    for x, s in (inputs, inputs[::-1]):
        made = r.definition(s, "scatter_sum")
        if made is None or not r.used_once(s) or x is s or x.aval != out or s.aval != out:
            continue
        params = {**made.params, "places": (((), 0), *made.params["places"])}
        return r.emit(scatter_sum_p, [x, *made.inputs], params, e.source)
    return None


def _scatter(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """What is added to places that have just been set to zero is written there."""
    places = e.params["places"]
    if len(inputs) != len(places) or len(places) < 2 or places[0][0] != ():
        return None
    made = r.definition(inputs[0], "setitem")
    if made is None or len(made.inputs) > 2 or not r.used_once(inputs[0]):
        return None
    y, v = made.inputs
    out, shape = e.outputs[0].aval, y.aval.shape
    zeroed = axes_of_index(made.params["index"], shape)
    if type(v) is not Literal or v.value != 0 or zeroed is None or is_whole(zeroed, shape):
        return None
    there = [k for k, (i, _) in enumerate(places) if axes_of_index(i, shape) == zeroed]
    own = [k for k in there if _reads(r, inputs[k], y, zeroed)]
    if not there or out.dtype not in _PRECISE:
        return None
    k = (own or there)[0]
    if not own:
        if inputs[k].aval != ShapedArray(_shape_of(zeroed), out.dtype):
            return None
        y = r.emit(setitem_p, [y, inputs[k]], made.params, made.source)[0]
    rest = [*inputs[1:k], *inputs[k + 1 :]]
    if not rest:
        return [y]
    params = {**e.params, "places": (*places[:k], *places[k + 1 :])}
    return r.emit(scatter_sum_p, [y, *rest], params, e.source)


def _shape_of(axes: Sequence[Axis]) -> tuple[int, ...]:
    return tuple([a.length for a in axes if a.kept])


def _reads(r: Rewriter, part: Atom, y: Atom, axes: Sequence[Axis]) -> bool:
    """True if a value is the part of an array on these axes."""
    e = r.definition(part, "getitem")
    if e is None or list(e.inputs) != [y]:
        return False
    return axes_of_index(e.params["index"], y.aval.shape) == axes


_RULES: Final[Rules] = {"add": _add, "scatter_sum": _scatter}
_RULE: Final = with_rules(_RULES)
