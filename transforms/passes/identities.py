"""Algebraic identities that keep every value, the signs of zeros, NaN and infinities included.

x + 0.0 is none of them, since -0.0 + 0.0 is 0.0; x - 0.0 and x * 1.0 are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.elementwise import multiply_p, negative_p, subtract_p
from .rewriting import Rewriter, literal_value

__all__ = ["simplify"]

Found = Sequence[Atom] | None


def simplify(program: Program) -> Program:
    """The same program with fewer or cheaper equations."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        simpler = _RULES.get(e.primitive.name)
        return None if simpler is None else simpler(r, e, inputs)

    return Rewriter(program).run(rule)


def _is(atom: Atom, value: float) -> bool:
    x = literal_value(atom)
    return x is not None and x == value and np.signbit(np.real(x)) == np.signbit(value)


def _same(e: Equation, x: Atom) -> Found:
    """`x` itself, if it has the type of the result."""
    return [x] if x.aval == e.outputs[0].aval else None


def _uniform(r: Rewriter, atom: Atom) -> Any:
    """The number that all elements of a constant are, as a Python or NumPy scalar; or None."""
    x = r.values.get(atom)  # type: ignore[arg-type]
    if x is None or not x.size or x.dtype.kind not in "fciu":
        return None
    first = x.flat[0]
    same = bool(np.all(x == first)) and (
        x.dtype.kind != "f" or bool(np.all(np.signbit(x) == np.signbit(first)))
    )
    return first if same else None


def _narrowed(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> list[Atom] | None:
    """The operands with a constant of equal elements as one number, where that changes no type."""
    for i, a in enumerate(inputs):
        c = _uniform(r, a)
        if c is None:
            continue
        new = [*inputs[:i], Literal(c), *inputs[i + 1 :]]
        if e.primitive.shape(*[v.aval for v in new], **e.params) == e.outputs[0].aval:  # type: ignore[misc]
            return new
    return None


def _multiply(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    for x, c in ((a, b), (b, a)):
        if _is(c, 1.0):
            return _same(e, x)
        if _is(c, -1.0) and x.aval == e.outputs[0].aval:
            return r.emit(negative_p, [x], {}, e.source)
    return _replaced(r, e, inputs)


def _replaced(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    new = _narrowed(r, e, inputs)
    return None if new is None else r.emit(e.primitive, new, e.params, e.source)


def _add(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    if _is(b, -0.0):
        return _same(e, a)
    if _is(a, -0.0):
        return _same(e, b)
    if a is b:
        return _if_same(e, r.emit(multiply_p, [a, Literal(2.0)], {}, e.source))
    if b.aval == e.outputs[0].aval == a.aval:
        negated = r.definition(b, "neg")
        if negated is not None:
            return r.emit(subtract_p, [a, negated.inputs[0]], {}, e.source)
    return _replaced(r, e, inputs)


def _if_same(e: Equation, found: Sequence[Atom]) -> Found:
    return found if found[0].aval == e.outputs[0].aval else None


def _subtract(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    if _is(b, 0.0):
        return _same(e, a)
    return _replaced(r, e, inputs)


def _divide(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    if _is(inputs[1], 1.0):
        return _same(e, inputs[0])
    return _replaced(r, e, inputs)


def _negative(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    inner = r.definition(inputs[0], "neg")
    return None if inner is None else _same(e, inner.inputs[0])


def _power(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x, p = inputs
    if _is(p, 1.0):
        return _same(e, x)
    if _is(p, 2.0) and x.aval == e.outputs[0].aval:
        return r.emit(multiply_p, [x, x], {}, e.source)
    return None


def _reshape(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    inner = r.definition(inputs[0], "reshape")
    if inputs[0].aval == e.outputs[0].aval:
        return [inputs[0]]
    if inner is None or len(inner.inputs) != 1 or set(inner.params) != {"shape"}:
        return None
    if inner.inputs[0].aval == e.outputs[0].aval:
        return [inner.inputs[0]]
    return r.emit(e.primitive, [inner.inputs[0]], e.params, e.source)


def _transpose(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    axes = e.params["axes"]
    if tuple(axes) == tuple(range(len(axes))):
        return [inputs[0]]
    inner = r.definition(inputs[0], "transpose")
    if inner is None:
        return None
    both = tuple([inner.params["axes"][i] for i in axes])
    if both == tuple(range(len(both))):
        return [inner.inputs[0]]
    return r.emit(e.primitive, [inner.inputs[0]], {"axes": both}, e.source)


def _broadcast(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    if inputs[0].aval == e.outputs[0].aval:
        return [inputs[0]]
    inner = r.definition(inputs[0], "broadcast_to")
    return None if inner is None else r.emit(e.primitive, [inner.inputs[0]], e.params, e.source)


def _astype(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    return _same(e, inputs[0])


_RULES: dict[str, Callable[[Rewriter, Equation, Sequence[Atom]], Found]] = {
    "mul": _multiply,
    "add": _add,
    "sub": _subtract,
    "div": _divide,
    "neg": _negative,
    "pow": _power,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "astype": _astype,
}
