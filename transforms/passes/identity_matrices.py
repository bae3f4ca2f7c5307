"""Identity matrices: a product with one, or with one that has rows or columns of zeros before and
after it, is the other factor, which is what the first step of a Jacobian computes.

Not if that has infinities or NaN, since a sum with 0.0 * inf is NaN. So the program looks first,
which costs little beside the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.contractions import matmul_p
from ...core.primitives.elementwise import add_p, equal_p
from ...core.primitives.indexing import scatter_sum_p
from ...core.primitives.shaping import reshape_p
from ..control.cond import cond_p
from .rewriting import Found, Rewriter, everywhere

__all__ = ["skip_identity_matrices"]

_SMALLEST: Final = 1 << 17
"""The products of numbers below which the look costs as much as it saves."""
_LARGEST: Final = 1 << 22
"""The largest constant, in elements, that is compared with an identity matrix."""


@everywhere
def skip_identity_matrices(program: Program) -> Program:
    """The same program with branches around products with identity matrices."""
    return Rewriter(program).run(_rule) if program.constants else program


def _rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    if e.primitive.name != "matmul":
        return None
    for side, (p, x) in enumerate((inputs, inputs[::-1])):
        value = r.values.get(p)  # type: ignore[arg-type]  # a Literal is in no dictionary
        at = None if value is None else _offset(value if side == 0 else value.T)
        aval = x.aval
        if at is None or aval.ndim < 2 or aval.dtype != p.aval.dtype or x in r.values:
            continue
        if aval.size * p.aval.shape[side] < _SMALLEST:
            continue
        return r.emit(
            cond_p,
            [_is_finite(r, e, x), p, x],
            {"branches": (_product(e, side, p, x), _placed(e, side, p, x, at))},
            e.source,
        )
    return None


def _offset(p: Array) -> int | None:
    """The row in which a matrix of zeros has an identity matrix, as wide as itself."""
    if not isinstance(p, np.ndarray) or p.ndim != 2 or p.dtype.kind != "f" or p.size > _LARGEST:
        return None
    rows, n = p.shape
    if not 1 < n <= rows or np.count_nonzero(p) != n:
        return None
    at = int(p[:, 0].argmax())
    same = np.array_equal(p[at : at + n], np.eye(n)) if at + n <= rows else False
    return at if same and not np.signbit(p).any() else None


def _is_finite(r: Rewriter, e: Equation, x: Atom) -> Atom:
    """False if there is an infinity or a NaN: their products with 0.0 are NaN."""
    moved = r.definition(x, "transpose")
    x = x if moved is None else moved.inputs[0]
    zeros = r.constant(np.zeros(x.aval.size, x.aval.dtype))
    flat = r.emit(reshape_p, [x], {"shape": (x.aval.size,)}, e.source)[0]
    product = r.emit(matmul_p, [flat, zeros], {}, e.source)[0]
    return r.emit(equal_p, [product, Literal(0.0)], {}, e.source)[0]


def _product(e: Equation, side: int, p: Atom, x: Atom) -> Program:
    a, b = Var(p.aval), Var(x.aval)
    y = Var(e.outputs[0].aval)
    operands = (a, b) if side == 0 else (b, a)
    return Program((a, b), (e.replace(inputs=operands, outputs=(y,)),), (y,))


def _placed(e: Equation, side: int, p: Atom, x: Atom, at: int) -> Program:
    """The other factor between zeros. What is added to zeros is never -0.0."""
    a, b = Var(p.aval), Var(x.aval)
    y = Var(b.aval)
    out = e.outputs[0].aval
    equations = [Equation(add_p, (b, Literal(0.0)), (y,), {}, e.source)]
    if y.aval != out:
        axis = out.ndim - 2 + side
        part = slice(at, at + x.aval.shape[axis])
        index = (*[slice(None)] * axis, part)
        params = {"places": ((index, 0),), "shape": out.shape, "dtype": out.dtype}
        equations.append(Equation(scatter_sum_p, (y,), (y := Var(out),), params, e.source))
    return Program((a, b), equations, (y,))
