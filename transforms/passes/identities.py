"""Algebraic identities that keep every value, the signs of zeros, NaN and infinities included.

x + 0.0 is none of them, since -0.0 + 0.0 is 0.0; x - 0.0 and x * 1.0 are. Neither is -(a - b) =
b - a, since both sides are 0.0 - 0.0 for equal operands; -(a * b) = (-a) * b is one. What holds up
to rounding only is in `fast_math.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.elementwise import (
    absolute_p,
    add_p,
    divide_p,
    multiply_p,
    negative_p,
    reciprocal_p,
    sqrt_p,
    subtract_p,
)
from .rewriting import Found, Rewriter, Rules, everywhere, is_real, literal_value, with_rules

__all__ = ["exact_in", "negated", "scaled", "simplify"]


@everywhere
def simplify(program: Program) -> Program:
    """The same program with fewer or cheaper equations."""
    return Rewriter(program).run(_RULE)


def _is(atom: Atom, value: float) -> bool:
    x = literal_value(atom)
    return x is not None and x == value and np.signbit(np.real(x)) == np.signbit(value)


def _same(e: Equation, x: Atom) -> Found:
    """`x` itself, if it has the type of the result."""
    return [x] if x.aval == e.outputs[0].aval else None


def _narrowed(
    r: Rewriter, e: Equation, inputs: Sequence[Atom], which: Sequence[int] = (0, 1)
) -> Found:
    """The equation with a constant of equal elements as one number, if that changes no type."""
    if not r.values:
        return None
    for i in which:
        c = r.uniform(inputs[i])
        if c is None:
            continue
        for value in (c.item(), c):  # Python's numbers are what other rules look for
            new = [*inputs[:i], Literal(value), *inputs[i + 1 :]]
            if e.primitive.shape(*[v.aval for v in new], **e.params) == e.outputs[0].aval:  # type: ignore[misc]
                return r.emit(e.primitive, new, e.params, e.source)
    return None


def _negation(r: Rewriter, e: Equation, atom: Atom) -> Equation | None:
    """The equation that negates an operand. Of an int that the operation casts to another dtype it
    does not count: -(-128) is -128 in int8.
    """
    dtype = atom.aval.dtype
    if dtype.kind not in "fc" and dtype != e.outputs[0].aval.dtype:
        return None
    return r.definition(atom, "neg")


def negated(atom: Atom) -> Literal | None:
    """The literal -c for a literal c that is a float."""
    x = literal_value(atom)
    return Literal(-x) if isinstance(x, float | np.floating) else None


def exact_in(value: Any, dtype: np.dtype[Any]) -> bool:
    """True if a number stands for the same one in a dtype."""
    with np.errstate(all="ignore"):
        return math.isfinite(value) and float(dtype.type(value)) == float(value)


def _is_power_of_two(value: Any) -> bool:
    return bool(value) and math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5


def scaled(first: Any, then: Any, dtype: np.dtype[Any]) -> float | None:
    """The number c with x * first * then = x * c in every bit, for all x; None if there is none.

    A product with 2, 4, 8 ... is not rounded. It may be infinite, and must be so in the end; a
    product with a fraction may be rounded where x is very small, and must be so at the same place.
    """
    a, b = float(first), float(then)
    if not (exact_in(a, dtype) and exact_in(b, dtype) and exact_in(a * b, dtype)):
        return None
    doubles_first = _is_power_of_two(a) and abs(a) >= 1 and abs(b) >= 1
    doubles_then = _is_power_of_two(b) and abs(b) >= 1 and a.is_integer() and a != 0
    return a * b if doubles_first or doubles_then else None


def _multiply(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    for x, c in (inputs, inputs[::-1]):
        if not is_real(x) or type(c) is not Literal:
            if _is(c, 1) and x.aval.dtype.kind in "iu":
                return _same(e, x)
            continue
        if _is(c, 1.0):
            return _same(e, x)
        if _is(c, -1.0) and x.aval == e.outputs[0].aval:
            return r.emit(negative_p, [x], {}, e.source)
        found = _times(r, e, x, c)
        if found is not None:
            return found
    a, b = inputs
    if e.outputs[0].aval.dtype.kind in "fi":
        m, n = _negation(r, e, a), _negation(r, e, b)
        if m is not None and n is not None:
            return r.emit(multiply_p, [m.inputs[0], n.inputs[0]], {}, e.source)
        p, q = r.definition(a, "abs"), r.definition(b, "abs")
        if a is b and p is not None and q is not None and is_real(p.inputs[0]):
            return r.emit(multiply_p, [p.inputs[0], p.inputs[0]], {}, e.source)
        for inner, x, y in ((m, a, b), (n, b, a)):
            if inner is not None and _moves_out(r, e, x):
                pair = [inner.inputs[0], y] if x is a else [y, inner.inputs[0]]
                return r.emit(negative_p, r.emit(multiply_p, pair, {}, e.source), {}, e.source)
    return _narrowed(r, e, inputs)


def _moves_out(r: Rewriter, e: Equation, negation: Atom) -> bool:
    """True if a negation costs no more behind the operation than before."""
    return negation.aval == e.outputs[0].aval and r.used_once(negation)


def _times(r: Rewriter, e: Equation, x: Atom, c: Literal) -> Found:
    """Products with a number, of what is a negation or a product with a number already."""
    inner = _negation(r, e, x)
    minus = negated(c)
    if inner is not None and minus is not None and r.used_once(x):
        return r.emit(multiply_p, [inner.inputs[0], minus], {}, e.source)
    inner = r.definition(x, "mul")
    if inner is None or x.aval != e.outputs[0].aval:
        return None
    for y, d in (inner.inputs, inner.inputs[::-1]):
        if type(d) is Literal and y.aval == x.aval and isinstance(d.value, float | int):
            k = scaled(d.value, c.value, x.aval.dtype)
            if k is not None and not isinstance(d.value, bool | np.generic):
                return r.emit(multiply_p, [y, Literal(k)], {}, e.source)
    return None


def _add(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    for x, c in (inputs, inputs[::-1]):
        if is_real(x) and _is(c, -0.0) and isinstance(c.value, float | np.floating):  # type: ignore[union-attr]
            return _same(e, x)
        if x.aval.dtype.kind in "iu" and _is(c, 0):
            return _same(e, x)
    if a is b and is_real(a) and not a.aval.weak_type:
        return r.emit(multiply_p, [a, Literal(2.0)], {}, e.source)
    negation = _negation(r, e, b)
    if negation is not None:
        return r.emit(subtract_p, [a, negation.inputs[0]], {}, e.source)
    negation = _negation(r, e, a)
    if negation is not None:
        return r.emit(subtract_p, [b, negation.inputs[0]], {}, e.source)
    return _narrowed(r, e, inputs)


def _subtract(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    if a.aval.dtype.kind in "fiu" and _is(b, 0.0):
        return _same(e, a)
    if is_real(b) and _is(a, -0.0) and b.aval == e.outputs[0].aval:
        return r.emit(negative_p, [b], {}, e.source)
    negation = _negation(r, e, b)
    if negation is not None:
        return r.emit(add_p, [a, negation.inputs[0]], {}, e.source)
    return _narrowed(r, e, inputs)


def _divide(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    if not is_real(a):
        return None
    c = literal_value(b)
    if isinstance(c, int | float | np.floating):
        if _is(b, 1.0):
            return _same(e, a)
        dtype = e.outputs[0].aval.dtype
        if c and _is_power_of_two(c) and exact_in(1 / c, dtype) and _is_normal(float(1 / c), dtype):
            kind = float if b.aval.weak_type else type(c)
            return r.emit(multiply_p, [a, Literal(kind(1 / c))], {}, e.source)
    if not is_real(b):
        return None
    m, n = _negation(r, e, a), _negation(r, e, b)
    if m is not None and n is not None:
        return r.emit(divide_p, [m.inputs[0], n.inputs[0]], {}, e.source)
    for inner, x, other in ((m, a, b), (n, b, a)):
        if inner is None or not r.used_once(x):
            continue
        minus = negated(other)
        rest = inner.inputs[0]
        if minus is not None:
            pair = [rest, minus] if x is a else [minus, rest]
            return r.emit(divide_p, pair, {}, e.source)
        if _moves_out(r, e, x):
            pair = [rest, b] if x is a else [a, rest]
            return r.emit(negative_p, r.emit(divide_p, pair, {}, e.source), {}, e.source)
    return _narrowed(r, e, inputs)


def _is_normal(value: float, dtype: np.dtype[Any]) -> bool:
    return abs(value) >= float(np.finfo(dtype).tiny)


def _negative(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    inner = _negation(r, e, x)
    if inner is not None:
        return _same(e, inner.inputs[0])
    if not is_real(x) or not r.used_once(x):
        return None
    inner = r.definition(x, "mul") or r.definition(x, "div")
    if inner is None or not all([is_real(a) for a in inner.inputs]):
        return None
    for i, a in enumerate(inner.inputs):
        minus = negated(a)
        if minus is not None:
            new = [*inner.inputs[:i], minus, *inner.inputs[i + 1 :]]
            return r.emit(inner.primitive, new, {}, e.source)
    if r.used_by(e) in ("add", "sub"):
        return None  # which it becomes a part of
    for i, a in enumerate(inner.inputs):
        if 2 * a.aval.size <= x.aval.size:  # a smaller operand is cheaper to negate
            minus_a = r.emit(negative_p, [a], {}, e.source)[0]
            new = [*inner.inputs[:i], minus_a, *inner.inputs[i + 1 :]]
            return r.emit(inner.primitive, new, {}, e.source)
    return None


def _power(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x, p = inputs
    if not is_real(x) or x.aval != e.outputs[0].aval:
        return None
    if _is(p, 1.0):
        return [x]
    if not x.aval.shape or not p.aval.weak_type or type(p) is not Literal:
        return None  # the C library's pow may round otherwise
    # NumPy's operator ** computes these so, for arrays and Python's numbers.
    if p.value == 2:
        return r.emit(multiply_p, [x, x], {}, e.source)
    if p.value == 0.5:
        return r.emit(sqrt_p, [x], {}, e.source)
    return r.emit(reciprocal_p, [x], {}, e.source) if p.value == -1 else None


def _square(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x = inputs[0]
    if x.aval != e.outputs[0].aval or x.aval.dtype.kind not in "fiu":
        return None
    return r.emit(multiply_p, [x, x], {}, e.source)


def _absolute(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    inner = _negation(r, e, inputs[0]) or r.definition(inputs[0], "abs")
    if inner is None or not is_real(inputs[0]):
        return None
    return r.emit(absolute_p, inner.inputs, {}, e.source)


def _inverse_of(name: str) -> Any:
    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        inner = r.definition(inputs[0], name)
        return None if inner is None else _same(e, inner.inputs[0])

    return rule


def _positive(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    return _same(e, inputs[0])


def _extreme(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    return _same(e, a) if a is b else _narrowed(r, e, inputs)


# Truth values.


def _truth(r: Rewriter, atom: Atom) -> bool | None:
    """True or False, if an atom is that in all its elements."""
    x = literal_value(atom)
    if x is None:
        value = r.values.get(atom)  # type: ignore[arg-type]
        if value is None or not value.size or value.dtype.kind != "b":
            return None
        first = bool(value.flat[0])
        return first if not any(value.strides) or bool(np.all(value == first)) else None
    return bool(x) if isinstance(x, bool | np.bool_) else None


def _logic(neutral: bool) -> Any:
    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        a, b = inputs
        out = e.outputs[0].aval
        if a.aval.dtype.kind != "b" or b.aval.dtype.kind != "b":
            return None
        if a is b:
            return _same(e, a)
        for x, c in (inputs, inputs[::-1]):
            value = _truth(r, c)
            if value is None:
                continue
            if value != neutral:
                return [r.constant(np.broadcast_to(np.bool_(value), out.shape))]
            if x.aval == out:
                return [x]
        return None

    return rule


def _where(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    condition, a, b = inputs
    value = _truth(r, condition)
    if value is not None:
        return _same(e, a if value else b)
    if a is b:
        return _same(e, a)
    return _narrowed(r, e, inputs, (1, 2))


def _astype(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    return _same(e, inputs[0])


_RULES: Final[Rules] = {
    "mul": _multiply,
    "add": _add,
    "sub": _subtract,
    "div": _divide,
    "neg": _negative,
    "positive": _positive,
    "pow": _power,
    "square": _square,
    "abs": _absolute,
    "maximum": _extreme,
    "minimum": _extreme,
    "conjugate": _inverse_of("conjugate"),
    "bitwise_and": _logic(True),
    "logical_and": _logic(True),
    "bitwise_or": _logic(False),
    "logical_or": _logic(False),
    "where": _where,
    "astype": _astype,
}
_RULE: Final = with_rules(_RULES)
