"""Identities of real numbers that floating point numbers obey only up to rounding, or not at
infinities, NaN and the signs of zeros. They are applied where a caller asks for them.

Constants of chains are put together, factors and signs go out of sums, products with a common
factor are added first, small powers become products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program
from ...core.primitives.elementwise import add_p, multiply_p, negative_p, subtract_p
from ...core.primitives.shaping import reshape_p
from .rewriting import Found, Rewriter, Rules, everywhere, is_real, with_rules

__all__ = ["relax"]


@everywhere
def relax(program: Program) -> Program:
    """The same program up to rounding, with fewer or cheaper equations."""
    return Rewriter(program).run(_RULE)


def _number(atom: Atom) -> float | None:
    """The finite number that a literal is, if it does not decide dtypes."""
    if type(atom) is not Literal or not isinstance(atom.value, float | int):
        return None
    weak = not isinstance(atom.value, np.generic | bool)
    return float(atom.value) if weak and np.isfinite(atom.value) else None


def _split(inputs: Sequence[Atom]) -> tuple[Atom, float] | None:
    """An operand and a number."""
    for x, c in (inputs, inputs[::-1]):
        value = _number(c)
        if value is not None and is_real(x) and not x.aval.weak_type:
            return x, value
    return None


def _is_normal(c: float, dtype: np.dtype[Any]) -> bool:
    info = np.finfo(dtype)
    return float(info.tiny) <= abs(c) <= float(info.max)


def _multiply(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    pair = _split(inputs)
    if pair is None:
        return None
    x, c = pair
    for name in ("mul", "div"):
        inner = r.definition(x, name)
        if inner is None or x.aval != e.outputs[0].aval:
            continue
        if name == "mul":
            found = _split(inner.inputs)
            product = None if found is None else (found[0], found[1] * c)
        else:
            d = _number(inner.inputs[1])
            product = (inner.inputs[0], c / d) if d else None
        if product is not None and _is_normal(product[1], x.aval.dtype):
            return r.emit(multiply_p, [product[0], Literal(product[1])], {}, e.source)
    return None


def _divide(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x, c = inputs[0], _number(inputs[1])
    if not c or not is_real(x) or x.aval != e.outputs[0].aval:
        return None
    if not _is_normal(1 / c, x.aval.dtype):
        return None
    return r.emit(multiply_p, [x, Literal(1 / c)], {}, e.source)


def _add(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    pair = _split(inputs)
    if pair is not None:
        x, c = pair
        if c == 0:
            return [x] if x.aval == e.outputs[0].aval else None
        inner = r.definition(x, "add")
        found = None if inner is None else _split(inner.inputs)
        if found is not None and found[0].aval == e.outputs[0].aval:
            return r.emit(add_p, [found[0], Literal(found[1] + c)], {}, e.source)
        return None
    return _common_factor(r, e, inputs)


def _common_factor(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """a * b + a * c = a * (b + c), and the same for differences."""
    p, q = [r.definition(x, "mul") if r.used_once(x) else None for x in inputs]
    if p is None or q is None or not all([is_real(x) for x in inputs]):
        return None
    for i, a in enumerate(p.inputs):
        for j, b in enumerate(q.inputs):
            if a is b or (_number(a) is not None and _number(a) == _number(b)):
                rest = r.emit(e.primitive, [p.inputs[1 - i], q.inputs[1 - j]], {}, e.source)[0]
                y = r.emit(multiply_p, [a, rest], {}, e.source)
                return y if y[0].aval == e.outputs[0].aval else None
    return None


def _subtract(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    out = e.outputs[0].aval
    if _number(a) == 0 and is_real(b) and b.aval == out:
        return r.emit(negative_p, [b], {}, e.source)
    if _number(b) == 0 and is_real(a) and a.aval == out:
        return [a]
    return _common_factor(r, e, inputs)


def _negative(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    inner = r.definition(inputs[0], "sub")
    if inner is None or not r.used_once(inputs[0]):
        return None
    return r.emit(subtract_p, inner.inputs[::-1], {}, e.source)


def _power(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x, n = inputs[0], _number(inputs[1])
    if n not in (2, 3, 4) or not is_real(x) or x.aval != e.outputs[0].aval:
        return None
    y = r.emit(multiply_p, [x, x], {}, e.source)[0]
    return [y] if n == 2 else r.emit(multiply_p, [y, x if n == 3 else y], {}, e.source)


def _sum(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """Signs, numbers and what is the same for all terms go out of a sum."""
    x, out = inputs[0], e.outputs[0].aval
    if not is_real(x) or not r.used_once(x):
        return None
    inner = r.definition(x, "neg")
    if inner is not None:
        return r.emit(
            negative_p, r.emit(e.primitive, inner.inputs, e.params, e.source), {}, e.source
        )
    inner = r.definition(x, "mul")
    if inner is None:
        return None
    axes = e.params["axes"]
    for c, rest in (inner.inputs, inner.inputs[::-1]):
        lead = x.aval.ndim - c.aval.ndim
        fixed = all([i < lead or c.aval.shape[i - lead] == 1 for i in axes])
        if not fixed or rest.aval != x.aval or not is_real(c):
            continue
        total = r.emit(e.primitive, [rest], e.params, e.source)[0]
        if c.aval.shape and not e.params.get("keepdims"):
            shape = tuple([d for i, d in enumerate(c.aval.shape) if i + lead not in axes])
            if shape != c.aval.shape:
                c = r.emit(reshape_p, [c], {"shape": shape}, e.source)[0]
        y = r.emit(multiply_p, [total, c], {}, e.source)
        return y if y[0].aval == out else None
    return None


def _product(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """A sign goes out of a product of matrices, where it may meet another."""
    for i, x in enumerate(inputs):
        inner = r.definition(x, "neg")
        if inner is not None and r.used_once(x):
            new = [*inputs[:i], inner.inputs[0], *inputs[i + 1 :]]
            return r.emit(negative_p, r.emit(e.primitive, new, e.params, e.source), {}, e.source)
    return None


_RULES: Final[Rules] = {
    "mul": _multiply,
    "div": _divide,
    "add": _add,
    "sub": _subtract,
    "neg": _negative,
    "pow": _power,
    "reduce_sum": _sum,
    "matmul": _product,
    "einsum": _product,
}
_RULE: Final = with_rules(_RULES)
