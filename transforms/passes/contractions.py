"""Sums of products as contractions: `np.sum(a * b, axis)` becomes a product of vectors, or of
matrices, or an einsum, and never has the products in memory.

The same products are added up, in another order: results are the same to rounding, and infinite or
NaN where they were. Only float64 and complex128 are treated so, whose rounding is far below what
the order of a sum in float32 may cost. An einsum of two operands that is a product of matrices
becomes one, and a stack of a few rows times a matrix is one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Final, NamedTuple

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.contractions import einsum_p, matmul_p
from ...core.primitives.elementwise import divide_p, multiply_p
from ...core.primitives.reductions import reduce_sum_p
from ...core.primitives.shaping import reshape_p, transpose_p
from .rewriting import Found, Rewriter, Rules, everywhere, with_rules

__all__ = ["contract"]

_PRECISE: Final = (np.dtype(np.float64), np.dtype(np.complex128))
LARGE: Final = 2048
"""From so many products on, an einsum is faster than the products and their sum."""

_MATRIX: Final = 64
"""Stacks of products with fewer multiplications each than this are no faster than an einsum."""

_GAPS: Final = ("transpose", "broadcast_to", "getitem")
"""What may leave gaps in memory, so that a reshape copies."""


@everywhere
def contract(program: Program) -> Program:
    """The same program with contractions in the place of sums of products."""
    return Rewriter(program).run(_RULE)


class _Factor(NamedTuple):
    """An operand and a letter for each of its axes."""

    atom: Atom
    letters: str


class _Writer:
    """Writes the equations that stand for one."""

    def __init__(self, r: Rewriter, e: Equation) -> None:
        self.r = r
        self.e = e

    def reshaped(self, x: Atom, shape: Sequence[int]) -> Atom:
        """The operand with another shape."""
        if x.aval.shape == tuple(shape):
            return x
        return self.r.emit(reshape_p, [x], {"shape": tuple(shape)}, self.e.source)[0]

    def ordered(self, f: _Factor, letters: str) -> Atom:
        """The operand with its axes in this order."""
        if f.letters == letters:
            return f.atom
        axes = tuple([f.letters.index(c) for c in letters])
        return self.r.emit(transpose_p, [f.atom], {"axes": axes}, self.e.source)[0]

    def matmul(self, a: Atom, b: Atom) -> Atom:
        """The product."""
        return self.r.emit(matmul_p, [a, b], {}, self.e.source)[0]

    def einsum(self, a: _Factor, b: _Factor, out: str) -> Atom:
        """The contraction."""
        spec = f"{a.letters},{b.letters}->{out}"
        params = {"subscripts": spec, "optimize": False}
        return self.r.emit(einsum_p, [a.atom, b.atom], params, self.e.source)[0]


def _is_dense(r: Rewriter, atom: Atom) -> bool:
    if not isinstance(atom, Var):
        return True
    value = r.values.get(atom)
    if value is not None:
        return bool(value.flags.c_contiguous)
    made = r.defined.get(atom)
    if made is None:
        return True
    if made.primitive.name == "reshape":
        return _is_dense(r, made.inputs[0])
    return made.primitive.name not in _GAPS


def _contraction(w: _Writer, a: _Factor, b: _Factor, out: str) -> Atom | None:
    """Products of vectors or matrices that add up over the letters that are not in `out`; None
    where they are no faster.
    """
    sizes = dict(zip(a.letters + b.letters, a.atom.aval.shape + b.atom.aval.shape, strict=True))
    summed = "".join([c for c in a.letters if c in b.letters and c not in out])
    both = "".join([c for c in out if c in a.letters and c in b.letters])
    left = "".join([c for c in out if c not in b.letters])
    right = "".join([c for c in out if c not in a.letters])
    batch, m, n, k = [prod([sizes[c] for c in s]) for s in (both, left, right, summed)]
    if not batch * m * n * k:
        return None
    dense = _is_dense(w.r, a.atom) and _is_dense(w.r, b.atom)
    if not left and not right:
        if both or not (dense or len(summed) == 1):
            return None
        x, y = [w.reshaped(w.ordered(f, summed), (k,)) for f in (a, b)]
        return w.matmul(x, y)
    if both and m * n * k < _MATRIX:
        return None
    if not (left and right):
        big = a if left else b
        moved = both + (left + summed if left else summed + right)
        merges = max(len(both), len(left + right), len(summed)) > 1
        if merges and (big.letters != moved or not _is_dense(w.r, big.atom)):
            return None  # a copy would cost what is saved
    stack = (batch,) if both else ()
    x = w.reshaped(w.ordered(a, both + left + summed), (*stack, *((m,) if left or both else ()), k))
    y = w.reshaped(
        w.ordered(b, both + summed + right), (*stack, k, *((n,) if right or both else ()))
    )
    product = w.reshaped(w.matmul(x, y), [sizes[c] for c in both + left + right])
    return w.ordered(_Factor(product, both + left + right), out)


def _sum(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    x, out = inputs[0], e.outputs[0].aval
    if out.dtype not in _PRECISE or not r.used_once(x):
        return None
    inner = r.definition(x, "reduce_sum")
    if inner is not None:
        return _sum_of_sums(r, e, inner)
    inner = r.definition(x, "matmul")
    if inner is not None:
        return _sum_of_matrices(r, e, inner)
    inner = r.definition(x, "mul")
    if inner is None:
        return None
    if any([a.aval.dtype != out.dtype or not a.aval.shape for a in inner.inputs]):
        return None
    shape = x.aval.shape
    named = [ascii_letters[i] if d != 1 else "" for i, d in enumerate(shape)]
    summed = {named[i] for i in e.params["axes"]} - {""}
    kept = "".join([c for i, c in enumerate(named) if i not in e.params["axes"]])
    w = _Writer(r, e)
    before = len(r.equations)
    factors = []
    for a in inner.inputs:
        letters = named[len(shape) - a.aval.ndim :]
        mine = [
            (c, d)
            for c, d, full in zip(letters, a.aval.shape, shape[-a.aval.ndim :], strict=True)
            if c and d == full
        ]
        if not summed <= {c for c, _ in mine}:
            del r.equations[before:]
            return None  # a factor out of the sum is no sum in another order
        names = "".join([c for c, _ in mine])
        factors.append(_Factor(w.reshaped(a, [d for _, d in mine]), names))
    if not summed:
        del r.equations[before:]
        return None
    left, right = factors
    y = _contraction(w, left, right, kept)
    if y is None:
        if x.aval.size < LARGE:
            del r.equations[before:]
            return None
        y = w.einsum(left, right, kept)
    return [w.reshaped(y, out.shape)]


def _mean(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """The mean is computed as a sum and a quotient, so the sum may be a contraction."""
    n = prod([inputs[0].aval.shape[i] for i in e.params["axes"]])
    if not n or r.definition(inputs[0], "mul") is None:
        return None
    found = _sum(r, e.replace(primitive=reduce_sum_p), inputs)
    return found and r.emit(divide_p, [found[0], Literal(float(n))], {}, e.source)


def _sum_of_sums(r: Rewriter, e: Equation, inner: Equation) -> Found:
    if e.params.get("keepdims") or inner.params.get("keepdims"):
        return None
    rank = inner.inputs[0].aval.ndim
    kept = [i for i in range(rank) if i not in inner.params["axes"]]
    axes = sorted([*inner.params["axes"], *[kept[i] for i in e.params["axes"]]])
    return r.emit(e.primitive, inner.inputs, {"axes": tuple(axes)}, e.source)


def _sum_of_matrices(r: Rewriter, e: Equation, inner: Equation) -> Found:
    """The sum of the products of two stacks of matrices is one product."""
    a, b = inner.inputs
    if not a.aval.ndim == b.aval.ndim == 3 or e.params != {"axes": (0,)}:
        return None
    if a.aval.dtype != b.aval.dtype or a.aval.shape[0] != b.aval.shape[0]:
        return None
    y = _contraction(_Writer(r, e), _Factor(a, "bik"), _Factor(b, "bkj"), "ij")
    return None if y is None else [y]


def _einsum(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    if len(inputs) != 2 or any([a.aval.dtype != e.outputs[0].aval.dtype for a in inputs]):
        return None
    operands, out = e.params["subscripts"].split("->")
    a, b = [_Factor(x, s) for x, s in zip(inputs, operands.split(","), strict=True)]
    sizes: dict[str, int] = {}
    for f in (a, b):
        elsewhere = out + (b if f is a else a).letters
        for c, d in zip(f.letters, f.atom.aval.shape, strict=True):
            if f.letters.count(c) > 1 or c not in elsewhere or sizes.setdefault(c, d) != d:
                return None
    if e.outputs[0].aval.dtype.kind not in "fc":
        return None
    y = _contraction(_Writer(r, e), a, b, out)
    return None if y is None else [y]


def _matmul(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    a, b = inputs
    shape = a.aval.shape
    if len(shape) > 1 and b.aval.ndim > 1 and shape[-1] == 1 and a.aval.dtype == b.aval.dtype:
        return r.emit(multiply_p, [a, b], {}, e.source)  # nothing is added up
    if len(shape) < 3 or b.aval.ndim > 2 or not _is_dense(r, a) or not a.aval.size:
        return None
    if shape[-2] > _MATRIX or a.aval.dtype != b.aval.dtype:
        return None
    w = _Writer(r, e)
    y = w.matmul(w.reshaped(a, (prod(shape[:-1]), shape[-1])), b)
    return [w.reshaped(y, e.outputs[0].aval.shape)]


_RULES: Final[Rules] = {"reduce_sum": _sum, "mean": _mean, "einsum": _einsum, "matmul": _matmul}
_RULE: Final = with_rules(_RULES)
