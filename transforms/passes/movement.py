"""Moves of elements: chains of reshape, transpose and broadcast_to become one, copies and what
changes nothing go away, and broadcasting is left to the operation that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.ir import Atom, Equation, Program
from ...core.primitives.elementwise import negative_p
from ...core.primitives.shaping import broadcast_to_p, reshape_p
from .rewriting import Found, Rewriter, Rules, everywhere, with_rules

__all__ = ["merge_moves"]


@everywhere
def merge_moves(program: Program) -> Program:
    """The same program with fewer moves of elements."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive.elementwise and len(inputs) > 1:
            return _not_broadcast(r, e, inputs)
        return _RULE(r, e, inputs)

    return Rewriter(program).run(rule)


def _not_broadcast(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """The operands as they were before broadcasting, where the operation does it by itself."""
    new = list(inputs)
    for i, a in enumerate(inputs):
        inner = r.definition(a, "broadcast_to")
        if inner is None:
            continue
        shapes = [x.aval.shape for x in (*new[:i], inner.inputs[0], *new[i + 1 :])]
        if np.broadcast_shapes(*shapes) == e.outputs[0].aval.shape:
            new[i] = inner.inputs[0]
    if all([a is b for a, b in zip(new, inputs, strict=True)]):
        return None
    if e.primitive.shape(*[a.aval for a in new], **e.params) != e.outputs[0].aval:  # type: ignore[misc]
        return None  # a weak type would come through
    return r.append(e.replace(inputs=new))


def _reshape(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    out = e.outputs[0].aval
    if x.aval == out:
        return [x]
    inner = r.definition(x, "reshape")
    if inner is not None:
        return r.emit(reshape_p, inner.inputs, {"shape": out.shape}, e.source)
    return _negation_last(r, e, x)


def _negation_last(r: Rewriter, e: Equation, x: Atom) -> Found:
    """Negate after a move, where the negation may meet a sum."""
    inner = r.definition(x, "neg")
    if inner is None or not r.used_once(x):
        return None
    moved = r.emit(e.primitive, inner.inputs, e.params, e.source)
    return r.emit(negative_p, moved, {}, e.source)


def _transpose(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    axes = tuple(e.params["axes"])
    if axes == tuple(range(len(axes))):
        return [x]
    inner = r.definition(x, "transpose")
    if inner is not None:
        both = tuple([inner.params["axes"][i] for i in axes])
        return r.emit(e.primitive, inner.inputs, {"axes": both}, e.source)
    inner = r.definition(x, "broadcast_to")
    if inner is not None:
        small = inner.inputs[0]
        full = (1,) * (x.aval.ndim - small.aval.ndim) + small.aval.shape
        if small.aval.shape != full:
            small = r.emit(reshape_p, [small], {"shape": full}, e.source)[0]
        moved = r.emit(e.primitive, [small], e.params, e.source)
        return r.emit(broadcast_to_p, moved, {"shape": e.outputs[0].aval.shape}, e.source)
    shape = x.aval.shape
    long = [i for i in axes if shape[i] != 1]
    if long == sorted(long):
        return r.emit(reshape_p, [x], {"shape": e.outputs[0].aval.shape}, e.source)
    return _negation_last(r, e, x)


def _broadcast(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    out = e.outputs[0].aval
    if x.aval == out:
        return [x]
    inner = r.definition(x, "broadcast_to")
    if inner is not None:
        return r.emit(broadcast_to_p, inner.inputs, {"shape": out.shape}, e.source)
    inner = r.definition(x, "reshape")
    if inner is not None:  # axes of length 1 in front are broadcasting's own
        source = inner.inputs[0].aval.shape
        shape = x.aval.shape
        lead = len(shape) - len(source)
        if lead > 0 and shape == (1,) * lead + source:
            return r.emit(broadcast_to_p, inner.inputs, {"shape": out.shape}, e.source)
        while shape and shape[0] == 1:
            shape = shape[1:]
        if shape == source:
            return r.emit(broadcast_to_p, inner.inputs, {"shape": out.shape}, e.source)
    return None


def _copy(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]  # values of a program do not change, so no copy is needed to keep one
    return [x] if x.aval == e.outputs[0].aval else None


def _of_one(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """A stack, or a join, of one array."""
    x, out = inputs[0], e.outputs[0].aval
    if len(inputs) > 1 or not x.aval.shape or x.aval.dtype != out.dtype:
        return None
    return r.emit(reshape_p, [x], {"shape": out.shape}, e.source)


_RULES: Final[Rules] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "copy": _copy,
    "stack": _of_one,
    "concatenate": _of_one,
}
_RULE: Final = with_rules(_RULES)
