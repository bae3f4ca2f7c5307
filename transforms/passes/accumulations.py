"""Accumulations: what a Python loop adds up, or multiplies by one matrix, step by step is computed
at once.

    a1 @ b1 + a2 @ b2 + ...     = [a1 a2 ...] @ [b1; b2; ...]
    sum(x1, 0) + sum(x2, 0) + ... = sum([x1; x2; ...], 0)
    x[0] @ w, x[1] @ w, ...     = (x @ w)[0], (x @ w)[1], ...
    x1, x2, ... put into one place = sum([x1, x2, ...], 0) put there

The first is the gradient by the weights of a recurrent network, which has one term for each step;
the last that by an item which all steps of a loop read.
Results are the same to rounding; for float64 and complex128, as in `contractions.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Program, Var
from ...core.primitives.contractions import matmul_p
from ...core.primitives.elementwise import add_p
from ...core.primitives.indexing import Place, getitem_p, scatter_sum_p
from ...core.primitives.joining import concatenate_p
from ...core.primitives.reductions import reduce_sum_p
from ...core.primitives.shaping import reshape_p, transpose_p
from .places import axes_of_index
from .rewriting import Found, Rewriter, everywhere

__all__ = ["accumulate_at_once"]

FEWEST: Final = 4
"""So many terms are worth a join."""

LARGE: Final = 1 << 16
"""Terms of more bytes than this are products that cost more than joining saves."""

MEMORY: Final = 1 << 26
"""What is joined may have so many bytes."""

_PRECISE: Final = (np.dtype(np.float64), np.dtype(np.complex128))


class _Uses:
    """Who makes and who uses the variables of a program."""

    def __init__(self, program: Program) -> None:
        self.made: dict[Atom, Equation] = {}
        self.users: dict[Atom, Equation] = {}
        self.counts: Counter[Atom] = Counter(program.outputs)
        for e in program.equations:
            self.made.update(dict.fromkeys(e.outputs, e))
            self.users.update(dict.fromkeys(e.inputs, e))
            self.counts.update(e.inputs)

    def name(self, atom: Atom) -> str:
        """The primitive that makes a variable which is used once; "" for others."""
        e = self.made.get(atom)
        return e.primitive.name if e is not None and self.counts[atom] == 1 else ""

    def ends_chain(self, e: Equation) -> bool:
        """True for a sum that is not a term of another sum."""
        out = e.outputs[0]
        if self.counts[out] != 1 or out not in self.users:
            return True
        user = self.users[out]
        return user.primitive is not add_p or user.outputs[0].aval != out.aval

    def terms(self, e: Equation) -> list[Atom]:
        """The terms of a sum of sums, in order."""
        found: list[Atom] = []
        stack = list(e.inputs[::-1])
        aval = e.outputs[0].aval
        while stack:
            a = stack.pop()
            if a.aval == aval and self.name(a) == "add":
                stack += self.made[a].inputs[::-1]
            else:
                found.append(a)
        return found


class _Rows(NamedTuple):
    """The terms of a product of matrices: a matrix whose rows add up, on the left and the right."""

    left: Atom
    right: Atom


@everywhere
def accumulate_at_once(program: Program) -> Program:
    """The same program with one product for each sum of products that was added up in steps."""
    uses = _Uses(program)
    rows = _rows_of_products(program, uses)
    products: dict[tuple[Atom, Atom, int], Atom] = {}

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive is scatter_sum_p:
            return _scattered(r, e, inputs)
        if e.primitive is add_p:
            return _sum(r, e, uses) if uses.ends_chain(e) else None
        key = rows.get(e.outputs[0]) if e.primitive is matmul_p else None
        if key is None:
            return None
        of, fixed, side, at = key
        y = products.get((of, fixed, side))
        if y is None:
            y = products[of, fixed, side] = _whole(r, e, r.read(of), r.read(fixed), side)
        return r.emit(getitem_p, [y], {"index": (at,)}, e.source)

    return Rewriter(program).run(rule)


# Sums.


def _sum(r: Rewriter, e: Equation, uses: _Uses) -> Found:
    out = e.outputs[0].aval
    if out.dtype not in _PRECISE or not out.shape:
        return None
    terms = uses.terms(e)
    if len(terms) < FEWEST:
        return None
    summed: dict[Atom, None] = {}
    total: list[Atom] = []
    for pick, write in _KINDS:
        chosen = {t: part for t in terms if (part := pick(r, uses, t, e)) is not None}
        if len(chosen) >= FEWEST and _size(chosen.values()) <= MEMORY:
            summed.update(dict.fromkeys(chosen))
            total.append(write(r, e, list(chosen.values())))
    if not total:
        return None
    rest = [r.read(t) for t in terms if t not in summed]
    terms = [*rest, *total]
    y = terms[0]
    for other in terms[1:]:
        y = r.emit(add_p, [y, other], {}, e.source)[0]
    return [y]


def _size(terms: Iterable[Any]) -> int:
    """The bytes of all operands of the terms."""
    atoms = [a for t in terms for a in (t if type(t) is _Rows else (t,))]
    return sum([_bytes(a) for a in atoms])


def _bytes(a: Atom) -> int:
    return a.aval.size * a.aval.dtype.itemsize


def _product(r: Rewriter, uses: _Uses, t: Atom, e: Equation) -> _Rows | None:
    """A term that is a product of matrices, or of a column and a row."""
    out = e.outputs[0].aval
    if out.ndim != 2 or t.aval != out or uses.name(t) not in ("matmul", "mul"):
        return None
    a, b = uses.made[t].inputs
    if any([x.aval.dtype != out.dtype or _bytes(x) > LARGE for x in (a, b)]):
        return None
    if uses.name(t) == "matmul":
        return _Rows(a, b) if a.aval.ndim == b.aval.ndim == 2 else None
    for x, y in ((a, b), (b, a)):
        if x.aval.shape == (out.shape[0], 1) and y.aval.shape in (out.shape[1:], (1, out.shape[1])):
            return _Rows(x, y) if 1 not in out.shape else None
    return None


def _write_product(r: Rewriter, e: Equation, terms: Sequence[_Rows]) -> Atom:
    lefts, rights = [], []
    for left, right in terms:
        a, b = r.read(left), r.read(right)
        inner = r.definition(a, "transpose")
        if inner is not None:
            lefts.append(inner.inputs[0])
        elif a.aval.shape[1] == 1:
            lefts.append(_reshaped(r, e, a, (1, a.aval.shape[0])))
        else:
            lefts.append(r.emit(transpose_p, [a], {"axes": (1, 0)}, e.source)[0])
        rights.append(b if b.aval.ndim == 2 else _reshaped(r, e, b, (1, *b.aval.shape)))
    x, y = [r.emit(concatenate_p, xs, {"axis": 0}, e.source)[0] for xs in (lefts, rights)]
    x = r.emit(transpose_p, [x], {"axes": (1, 0)}, e.source)[0]
    return r.emit(matmul_p, [x, y], {}, e.source)[0]


def _reshaped(r: Rewriter, e: Equation, x: Atom, shape: tuple[int, ...]) -> Atom:
    return r.emit(reshape_p, [x], {"shape": shape}, e.source)[0]


def _column_sum(r: Rewriter, uses: _Uses, t: Atom, e: Equation) -> Atom | None:
    """A term that is the sum of the rows of something."""
    out = e.outputs[0].aval
    if t.aval != out or uses.name(t) != "reduce_sum":
        return None
    made = uses.made[t]
    x = made.inputs[0]
    fits = made.params == {"axes": (0,)} and x.aval.dtype == out.dtype
    return x if fits and x.aval.ndim == 2 else None


def _write_column_sum(r: Rewriter, e: Equation, terms: Sequence[Atom]) -> Atom:
    x = r.emit(concatenate_p, [r.read(t) for t in terms], {"axis": 0}, e.source)
    return r.emit(reduce_sum_p, x, {"axes": (0,)}, e.source)[0]


_KINDS: Final[tuple[tuple[Callable[..., object], Callable[..., Atom]], ...]] = (
    (_product, _write_product),
    (_column_sum, _write_column_sum),
)


# Terms that meet in the same places.


def _scattered(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """Where all rows of an index array are the same, the rows of the values are added up first."""
    places = e.params["places"]
    if len(inputs) == len(places) or e.outputs[0].aval.dtype not in _PRECISE:
        return None
    arrays = iter(inputs[len(places) :])
    cts: list[Atom] = []
    rest: list[Atom] = []
    new: list[tuple[Any, int]] = []
    changed = False
    for ct, (index, n) in zip(inputs, places, strict=False):
        own = [next(arrays) for _ in range(n)]
        k = _same_rows(r, index, own) if ct.aval.dtype in _PRECISE else None
        if k is None:
            cts.append(ct)
            rest += own
            new.append((index, n))
            continue
        changed = True
        at = index.index(Place.ARRAY)
        axis = sum([type(i) is not int for i in index[:at]])
        made = r.definition(ct, "stack")
        parts: list[tuple[Atom, Any]] = [(ct, k)]
        if k.ndim and made is not None and made.params["axis"] == axis + 1:
            parts = list(zip(made.inputs, k, strict=True))
        for x, i in parts:
            cts.append(r.emit(reduce_sum_p, [x], {"axes": (axis,)}, e.source)[0])
            place: Any = Place.ARRAY if np.ndim(i) else int(i)
            rest += [r.constant(i)] if np.ndim(i) else []
            new.append(((*index[:at], place, *index[at + 1 :]), np.ndim(i) and 1))
    if not changed:
        return None
    params = {**e.params, "places": tuple(new)}
    return r.emit(scatter_sum_p, [*cts, *rest], params, e.source)


def _same_rows(r: Rewriter, index: Sequence[Any], arrays: Sequence[Atom]) -> Array | None:
    """A row of the one index array, if all its rows are the same."""
    k = r.values.get(arrays[0]) if len(arrays) == 1 and type(arrays[0]) is Var else None
    picks = [j for j, i in enumerate(index) if i is Place.ARRAY or type(i) is int]
    if k is None or not k.ndim or len(k) < FEWEST or picks[-1] - picks[0] >= len(picks):
        return None
    return k[0] if (k == k[0]).all() else None


# Products of the parts of an array with the same matrix.

_Key = tuple[Atom, Atom, int, int]


def _rows_of_products(program: Program, uses: _Uses) -> dict[Var, _Key]:
    """For the results of many x[i] @ w, or w @ x[i]: x, w, the side of x, and i."""
    found: dict[Var, _Key] = {}
    counts: Counter[tuple[Atom, Atom, int]] = Counter()
    for e in program.equations:
        if e.primitive is not matmul_p:
            continue
        for side in (0, 1):
            part, w = e.inputs[side], e.inputs[1 - side]
            made = uses.made.get(part)
            if made is None or made.primitive is not getitem_p or len(made.inputs) > 1:
                continue
            x = made.inputs[0]
            axes = axes_of_index(made.params["index"], x.aval.shape)
            ints = axes is not None and [a.kept for a in axes] == [
                False,
                *[True] * (x.aval.ndim - 1),
            ]
            whole = len(made.params["index"]) == 1
            if ints and whole and w.aval.ndim == 2 and 1 < x.aval.ndim < 4 and axes is not None:
                if x.aval.dtype != w.aval.dtype:
                    continue
                found[e.outputs[0]] = (x, w, side, axes[0].start)
                counts[x, w, side] += 1
                break
    return {
        v: key
        for v, key in found.items()
        if counts[key[:3]] >= max(FEWEST, key[0].aval.shape[0] // 2)
    }


def _whole(r: Rewriter, e: Equation, x: Atom, w: Atom, side: int) -> Atom:
    """The products of all parts; the parts are along the first axis."""
    if side == 0:
        pair = [x, w]
    elif x.aval.ndim == 3:
        pair = [w, x]
    else:
        pair = [x, r.emit(transpose_p, [w], {"axes": (1, 0)}, e.source)[0]]
    return r.emit(matmul_p, pair, {}, e.source)[0]
