"""Cache-blocked fusion: elementwise equations on large arrays, run block by block.

`fuse : Program -> Program` puts elementwise equations together, with the reductions among and after
them, into equations `fused` that hold them as a program. Such an equation is run on blocks that fit
the cache, all its operations on one block after the other, in several threads. Intermediate values
exist for one block at a time.

Equations are fused if they are cut into blocks in the same way, and if no other equation lies on a
way between them: for this each has a stage, which such ways raise. Of these, those are put together
that are connected; and others that read the same large operands, if no large result of theirs must
be kept for later equations.

Read next: `cuts.py`, `fused.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from math import prod
from typing import Final, NamedTuple

from ...core.aval import Array, Shape
from ...core.ir import Atom, Equation, Literal, Program, Var, evaluate
from ...core.primitives.elementwise import divide_p, multiply_p, sqrt_p
from ...core.primitives.reductions import reduce_sum_p
from ..control.structured import Structured
from ..passes.costs import FLOPS
from ..passes.dead_code import without_dead_code
from ..passes.rewriting import Found, Rewriter, with_rules
from .cuts import BLOCK, Axes, Cut, End, Part, lengths_of, part_of

__all__ = ["fuse", "fused_p", "work_of"]

SMALLEST: Final = 1 << 14
"""Smaller arrays are not worth it."""
LEAST_WORK: Final = 1 << 19
"""Nor is less work than this, which takes 100 us."""
_MOST_LIVE: Final = 32
"""So many intermediate values may live at a time."""

_FAST: Final = frozenset([
    "arctan", "cbrt", "cos", "cosh", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "pow",
    "sin", "sinh", "sqrt", "tan", "tanh",
])  # fmt: skip
"""Functions of which NumPy computes several values at a time."""


def _run(
    *args: Array, body: Program, lengths: Shape, cuts: Sequence[Cut], ends: Sequence[End]
) -> tuple[Array, ...]:
    return tuple(evaluate(body, *args))


fused_p: Structured = Structured(
    "fused",
    _run,
    shape=lambda *avals, body, **params: body.out_avals,
    batch=lambda size, batched, *args, **params: fused_p.missing("batch", "vmap"),
)
"""Made by the last pass before emission: no transformation meets it."""


class Key(NamedTuple):
    """What equations have in common that may be fused: the lengths that are cut, the stage, and
    perhaps how many elements a row has.
    """

    lengths: Shape
    stage: int
    row: int


class Member(NamedTuple):
    """An equation that works on blocks."""

    number: int
    equation: Equation
    part: Part
    lengths: Shape


def fuse(program: Program) -> Program:
    """The same program with large elementwise equations put together.

    In loops and branches too.
    """
    return _fuse(program, {})


def _fuse(program: Program, known: dict[int, tuple[Program, Program]]) -> Program:
    if id(program) not in known:
        equations = [_inside(e, known) for e in program.equations]
        if any([a is not b for a, b in zip(equations, program.equations, strict=True)]):
            new = program.replace(equations=equations)
        else:
            new = program
        known[id(program)] = (program, _fuse_here(new))  # kept, so that ids stay theirs
    return known[id(program)][1]


def _inside(e: Equation, known: dict[int, tuple[Program, Program]]) -> Equation:
    """A loop or branch, with its programs fused."""
    if e.primitive.name not in ("scan", "while", "cond"):
        return e
    params = dict(e.params)
    for name in ("body", "condition"):
        if isinstance(params.get(name), Program):
            params[name] = _fuse(params[name], known)
    if "branches" in params:
        params["branches"] = tuple([_fuse(p, known) for p in params["branches"]])
    return e.replace(params=params)


def _mean(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """A mean is a sum, divided by a number."""
    x, out = inputs[0].aval, e.outputs[0].aval
    if x.size < SMALLEST or x.dtype != out.dtype or x.dtype.kind not in "fc" or not out.size:
        return None
    if x.dtype.itemsize < 4:  # NumPy adds half precision up in single precision
        return None
    (total,) = r.emit(reduce_sum_p, inputs, e.params, e.source)
    return r.emit(divide_p, [total, Literal(x.size // out.size)], {}, e.source)


def _dot(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """A product of vectors that are computed is a sum of products: BLAS has threads of its own,
    and others must not call it at the same time.
    """
    if e.outputs[0].aval.shape or e.params or e.outputs[0].aval.dtype.kind not in "fc":
        return None
    flat = [r.definition(a, "reshape") for a in inputs]
    a, b = [v if f is None else f.inputs[0] for v, f in zip(inputs, flat, strict=True)]
    if a.aval.shape != b.aval.shape:
        a, b = inputs
    if a.aval.size < SMALLEST or e.outputs[0].aval.dtype.itemsize < 4:
        return None
    if not any([v in r.defined and r.defined[v].primitive.elementwise for v in (a, b)]):
        return None
    (products,) = r.emit(multiply_p, [a, b], {}, e.source)
    return r.emit(reduce_sum_p, [products], {"axes": tuple(range(len(a.aval.shape)))}, e.source)


def _norm(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    """A norm is the root of a sum of squares."""
    x = inputs[0].aval
    if x.size < SMALLEST or x.dtype.kind != "f" or x.dtype.itemsize < 4:
        return None
    (squares,) = r.emit(multiply_p, [inputs[0], inputs[0]], {}, e.source)
    (total,) = r.emit(reduce_sum_p, [squares], e.params, e.source)
    return r.emit(sqrt_p, [total], {}, e.source)


def _fuse_here(program: Program) -> Program:
    sums = Rewriter(program).run(with_rules({"matmul": _dot, "mean": _mean, "norm": _norm}))
    if sums is not program:
        program = without_dead_code(sums)
    uses = _Uses(program)
    pieces = _all_pieces(program, uses, rows_apart=False)
    if any([_has_short_rows(piece) for piece in pieces]):
        pieces = _all_pieces(program, uses, rows_apart=True)
    units: dict[int, Equation] = dict(enumerate(program.equations))
    for piece in pieces:
        for m in piece:
            del units[m.number]
        one = _fused(piece, uses)
        if one.outputs:
            units[piece[-1].number] = one
    if not pieces:
        return program
    return program.replace(equations=_in_order([units[i] for i in sorted(units)]))


def _all_pieces(program: Program, uses: _Uses, rows_apart: bool) -> list[list[Member]]:
    """The equations that are to be fused."""
    return [
        piece
        for members in _groups(program, rows_apart)
        for connected in _connected(members, uses)
        for piece in _pieces(connected)
        if _is_worth_it(piece)
    ]


class _Uses:
    """Which equations use a variable last and at all, and which are results."""

    def __init__(self, program: Program) -> None:
        self.results = {a for a in program.outputs if isinstance(a, Var)}
        self.users: dict[Var, list[int]] = {}
        for i, e in enumerate(program.equations):
            for a in e.inputs:
                if isinstance(a, Var):
                    self.users.setdefault(a, []).append(i)

    def outside(self, v: Var, numbers: set[int]) -> bool:
        """True if an equation besides these uses a variable."""
        return any([i not in numbers for i in self.users.get(v, ())])


def _groups(program: Program, rows_apart: bool) -> list[list[Member]]:
    """The equations that may be fused, by what they have in common; also the length of rows, if
    these are to be kept apart.
    """
    home: dict[Var, Key] = {}
    axes: dict[Var, Axes] = {}
    after: dict[Var, int] = {}
    """The stages that a variable comes after, for those that are not in its group."""
    groups: dict[Key, list[Member]] = {}

    def place(e: Equation) -> tuple[Key, Part] | None:
        operands = [a for a in e.inputs if isinstance(a, Var)]
        due = max([after.get(v, 0) for v in operands], default=0)
        for key in sorted({home[v] for v in operands if v in home}, key=lambda k: -k.stage):
            others = [after.get(v, 0) for v in operands if home.get(v) != key]
            if max(others, default=0) <= key.stage:
                known = {v: axes[v] for v in operands if home.get(v) == key}
                part = part_of(e, key.lengths, known, None)
                if part is not None and _joins(e, part, key):
                    return key, part
        operand = e.outputs[0] if e.primitive.elementwise or not e.inputs else e.inputs[0]
        cut = None if e.primitive.multiple_results else lengths_of(operand.aval.shape)
        part = None if cut is None else part_of(e, cut[0], {}, cut[1])
        if cut is None or part is None:
            return None
        return Key(cut[0], due, _row(e, part) if rows_apart else 0), part

    for i, e in enumerate(program.equations):
        found = place(e)
        if found is None:
            due = max([after.get(a, 0) for a in e.inputs if isinstance(a, Var)], default=0)
            after.update(dict.fromkeys(e.outputs, due))
            continue
        key, part = found
        groups.setdefault(key, []).append(Member(i, e, part, key.lengths))
        out = e.outputs[0]
        after[out] = key.stage + 1
        if not isinstance(part.end, str):
            home[out], axes[out] = key, part.end
    return list(groups.values())


def _row(e: Equation, part: Part) -> int:
    """How many elements a row has."""
    ends = part.operands if isinstance(part.end, str) else (*part.operands, part.end)
    rows = [1]
    for a, cut in zip((*e.inputs, *e.outputs), ends, strict=False):
        if None not in cut:
            rows.append(prod([d for i, d in enumerate(a.aval.shape) if i not in cut]))
    return max(rows)


def _joins(e: Equation, part: Part, key: Key) -> bool:
    """True if the blocks of a group suit an equation."""
    row = _row(e, part)
    if row > BLOCK or (key.row and row != key.row):
        return False
    # Axes that are whole, before the last one that is cut, make the runs of elements short.
    last = part.end[-1] if isinstance(part.end, tuple) else 0
    whole = [i for i in range(last) if i not in part.end]
    return not whole or row <= BLOCK // 64


def _connected(members: Sequence[Member], uses: _Uses) -> Iterator[list[Member]]:
    """Those that are connected, and others that read the same large operands."""
    boss = list(range(len(members)))

    def find(i: int) -> int:
        while boss[i] != i:
            boss[i] = boss[boss[i]]
            i = boss[i]
        return i

    maker = {m.equation.outputs[0]: i for i, m in enumerate(members)}
    for i, m in enumerate(members):
        for a in m.equation.inputs:
            if isinstance(a, Var) and a in maker:
                boss[find(i)] = find(maker[a])
    numbers = {m.number for m in members}
    kept = {find(i) for i, m in enumerate(members) if _is_kept(m, numbers, uses)}
    reader: dict[tuple[Var, Cut], int] = {}
    for i, m in enumerate(members):
        if find(i) in kept:
            continue
        for a, cut in zip(m.equation.inputs, m.part.operands, strict=True):
            if isinstance(a, Var) and a not in maker and a.aval.size >= SMALLEST:
                boss[find(i)] = find(reader.setdefault((a, cut), i))
    found: dict[int, list[Member]] = {}
    for i, m in enumerate(members):
        found.setdefault(find(i), []).append(m)
    yield from found.values()


def _is_kept(m: Member, numbers: set[int], uses: _Uses) -> bool:
    """True for a large result that an equation of another group needs later."""
    out = m.equation.outputs[0]
    return out.aval.size >= SMALLEST and uses.outside(out, numbers)


def _pieces(members: Sequence[Member]) -> Iterator[list[Member]]:
    """Cut in pieces where too many intermediate values would live at a time."""
    last = {m.equation.outputs[0]: m.number for m in members}
    for m in members:
        for a in m.equation.inputs:
            if isinstance(a, Var) and a in last:
                last[a] = m.number
    live: set[Var] = set()
    piece: list[Member] = []
    for m in members:
        live = {v for v in live if last[v] >= m.number}
        piece.append(m)
        live.add(m.equation.outputs[0])
        if len(live) > _MOST_LIVE:
            yield piece
            piece, live = [], set()
    if piece:
        yield piece


def _is_worth_it(piece: Sequence[Member]) -> bool:
    """True if there is enough to do, and either memory or threads save time."""
    largest = max([a.aval.size for m in piece for a in (*m.equation.inputs, *m.equation.outputs)])
    if largest < SMALLEST:
        return False
    work = sum([work_of(m.equation) for m in piece])
    if work < LEAST_WORK:
        return False
    return len(piece) > 1 or (piece[0].equation.primitive.elementwise and work >= 4 * largest)


def _has_short_rows(piece: Sequence[Member]) -> bool:
    """True if most equations have so short rows that calls of NumPy cost more than the work."""
    row = max([_row(m.equation, m.part) for m in piece])
    blocks = -(-prod(piece[0].lengths) * row // BLOCK)
    calls = blocks * len(piece) * BLOCK // 8
    return blocks > 1 and calls > 0.4 * sum([work_of(m.equation) for m in piece])


def work_of(e: Equation) -> int:
    """How long an equation takes, in fifths of a nanosecond, where memory is fast."""
    size = max([a.aval.size for a in (*e.inputs, *e.outputs)])
    name = e.primitive.name
    each = FLOPS.get(name)
    if name in _FAST:
        weight = 4
    elif isinstance(each, int) or not e.primitive.elementwise:
        weight = 1
    else:
        weight = 30
    return size * weight * (4 if e.outputs[0].aval.dtype.kind == "c" else 1)


def _fused(piece: Sequence[Member], uses: _Uses) -> Equation:
    """One equation for those of a piece."""
    numbers = {m.number for m in piece}
    inside = {m.equation.outputs[0] for m in piece}
    operands: dict[tuple[Var, Cut], Var] = {}
    """An operand that is cut in two ways is given twice."""
    names: set[Var] = set()
    equations = []
    for m in piece:
        inputs: list[Atom] = []
        for a, cut in zip(m.equation.inputs, m.part.operands, strict=True):
            if not isinstance(a, Var) or a in inside:
                inputs.append(a)
                continue
            if (a, cut) not in operands:
                operands[a, cut] = Var(a.aval) if a in names else a
                names.add(a)
            inputs.append(operands[a, cut])
        equations.append(m.equation.replace(inputs=inputs))
    leaving = []
    for m in piece:
        v = m.equation.outputs[0]
        if v in uses.results or uses.outside(v, numbers):
            leaving.append(m)
    results = [m.equation.outputs[0] for m in leaving]
    body = Program(tuple(operands.values()), equations, results, name="fused")
    params = {
        "body": body,
        "lengths": piece[0].lengths,
        "cuts": tuple([cut for _, cut in operands]),
        "ends": tuple([m.part.end for m in leaving]),
    }
    given = [v for v, _ in operands]
    return Equation(fused_p, given, results, params, piece[-1].equation.source)


def _in_order(units: Sequence[Equation]) -> list[Equation]:
    """The equations in an order in which variables are made before they are used, else as given."""
    maker = {v: i for i, e in enumerate(units) for v in e.outputs}
    needs = [{maker[a] for a in e.inputs if isinstance(a, Var) and a in maker} for e in units]
    users: list[list[int]] = [[] for _ in units]
    for i, before in enumerate(needs):
        for j in before:
            users[j].append(i)
    ready = [i for i, before in enumerate(needs) if not before]
    heapq.heapify(ready)
    missing = [len(before) for before in needs]
    ordered = []
    while ready:
        i = heapq.heappop(ready)
        ordered.append(units[i])
        for j in users[i]:
            missing[j] -= 1
            if not missing[j]:
                heapq.heappush(ready, j)
    return ordered
