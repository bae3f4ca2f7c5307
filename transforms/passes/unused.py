"""What loops and branches compute and nobody uses: results, carried values, residuals, operands.

A carried value counts as used if its last value is, or if another one that counts depends on it.
What a loop carries along without changing it is a constant of the loop, and a result that is an
operand needs no loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.ir import Atom, Equation, Program, Var
from ...core.primitives.shaping import broadcast_to_p, reshape_p
from .dead_code import without_dead_code
from .loop_parts import Scan, flat_program, needed_for, picked, strong
from .rewriting import Found, Rewriter, everywhere

__all__ = ["without_unused"]


@everywhere
def without_unused(program: Program) -> Program:
    """The same program whose loops and branches compute nothing in vain."""
    rules = {"scan": _scan, "while": _while, "cond": _cond}
    if not any([e.primitive.name in rules for e in program.equations]):
        return program

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        one = rules.get(e.primitive.name)
        return None if one is None else one(r, e, inputs)

    # From the last to the first: a loop that is not needed may be all that needs another one.
    return Rewriter(without_dead_code(program)).run(rule)


def _used(r: Rewriter, v: Var) -> bool:
    return bool(r.uses[v])


def _finish(r: Rewriter, e: Equation, made: Equation, found: dict[Var, Atom]) -> Found:
    """The new equation, and what stands for the results that it has no more."""
    if made.outputs:
        r.append(made)
    return [found.get(v, v) for v in e.outputs]


# Scans.


def _scan(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    s = Scan(e, inputs)
    before = s.n_parts
    found: dict[Var, Atom] = {}
    _constant_carries(r, s, found)
    _plain_results(r, s, found)
    # What counts: grow from what is used outside.
    s.ys = [(a, v) for a, v in s.ys if _used(r, v) and v not in found]
    counts = [_used(r, v) for _, v in s.carry_out]
    while True:
        outputs = [*picked([a for a, _ in s.carry_out], counts), *[a for a, _ in s.ys]]
        needed = needed_for(flat_program(s.body, equations=s.equations), outputs)
        now = [c or v in needed for c, (_, v, _) in zip(counts, s.carry, strict=True)]
        if now == counts:
            break
        counts = now
    s.carry, s.carry_out = picked(s.carry, counts), picked(s.carry_out, counts)
    s.consts = _without_twins([c for c in s.consts if c[1] in needed], s)
    s.xs = _without_twins([x for x in s.xs if x[1] in needed], s)
    if s.n_parts == before and not found:
        return None
    made = s.written()
    made = made.replace(params={**made.params, "body": without_dead_code(made.params["body"])})
    return _finish(r, e, made, found)


def _constant_carries(r: Rewriter, s: Scan, found: dict[Var, Atom]) -> None:
    """Carried values that the body returns as they are become constants."""
    kept = []
    for (a, v, f), (out, result) in zip(s.carry, s.carry_out, strict=True):
        if out is v and a.aval == v.aval == result.aval and not f:
            s.consts.append((a, v, f))
            found[result] = a
        else:
            kept.append(((a, v, f), (out, result)))
    s.carry, s.carry_out = [c for c, _ in kept], [o for _, o in kept]


def _plain_results(r: Rewriter, s: Scan, found: dict[Var, Atom]) -> None:
    """Stacks of what is an operand, or of the same as another stack."""
    stacks = {v: a for a, v, f in s.xs if not f}
    consts = {v: a for a, v, f in s.consts if not f}
    first: dict[Atom, Var] = {}
    for out, result in s.ys:
        if not _used(r, result) or not isinstance(out, Var):
            continue
        if out in stacks and stacks[out].aval == result.aval:
            found[result] = stacks[out]
        elif out in consts and consts[out].aval == strong(out.aval):
            a = r.emit(reshape_p, [consts[out]], {"shape": (1, *out.aval.shape)})[0]
            found[result] = r.emit(broadcast_to_p, [a], {"shape": result.aval.shape})[0]
        elif out in first:
            found[result] = first[out]
        else:
            first[out] = result


def _without_twins(operands: list[Any], s: Scan) -> list[Any]:
    """Each operand once: the body reads its twins from the first."""
    first: dict[Any, Var] = {}
    names: dict[Atom, Atom] = {}
    kept = []
    for a, v, f in operands:
        twin = first.setdefault((a, v.aval, f), v) if isinstance(a, Var) else v
        if twin is v:
            kept.append((a, v, f))
        else:
            names[v] = twin
    if names:
        s.equations = [e.replace(inputs=[names.get(a, a) for a in e.inputs]) for e in s.equations]
        s.carry_out = [(names.get(a, a), v) for a, v in s.carry_out]
        s.ys = [(names.get(a, a), v) for a, v in s.ys]
    return kept


# Loops without a known number of turns.


def _while(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    p = e.params
    condition, body = p["condition"], p["body"]
    k, m = p["n_condition"], p["n_body"]
    of_condition = list(zip(inputs[:k], condition.inputs[:k], strict=True))
    of_body = list(zip(inputs[k : k + m], body.inputs[:m], strict=True))
    checked = needed_for(condition, condition.outputs)
    counts = [
        _used(r, v) or c in checked for v, c in zip(e.outputs, condition.inputs[k:], strict=True)
    ]
    while True:
        needed = needed_for(body, picked(body.outputs, counts))
        now = [c or v in needed for c, v in zip(counts, body.inputs[m:], strict=True)]
        if now == counts:
            break
        counts = now
    of_condition = [(a, v) for a, v in of_condition if v in checked]
    of_body = [(a, v) for a, v in of_body if v in needed]
    if all(counts) and len(of_condition) == k and len(of_body) == m:
        return None
    params = {
        **p,
        "condition": without_dead_code(
            flat_program(
                condition,
                inputs=[*[v for _, v in of_condition], *picked(condition.inputs[k:], counts)],
            )
        ),
        "body": without_dead_code(
            flat_program(
                body,
                inputs=[*[v for _, v in of_body], *picked(body.inputs[m:], counts)],
                outputs=picked(body.outputs, counts),
            )
        ),
        "n_condition": len(of_condition),
        "n_body": len(of_body),
    }
    operands = [a for a, _ in (*of_condition, *of_body)] + picked(inputs[k + m :], counts)
    made = e.replace(inputs=operands, outputs=picked(e.outputs, counts), params=params)
    return _finish(r, e, made, {})


# Branches.


def _cond(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    branches = _reading_first_twins(e.params["branches"], inputs[1:])
    found: dict[Var, Atom] = {}
    for k, v in enumerate(e.outputs):
        given = {_position(b, b.outputs[k]) for b in branches}
        (at, *others) = given
        if not others and at is not None and inputs[1 + at].aval == v.aval and _used(r, v):
            found[v] = inputs[1 + at]
    wanted = [_used(r, v) and v not in found for v in e.outputs]
    needed = [needed_for(b, picked(b.outputs, wanted)) for b in branches]
    kept = [
        any([b.inputs[i] in n for b, n in zip(branches, needed, strict=True)])
        for i in range(len(inputs) - 1)
    ]
    if all(wanted) and all(kept):
        return None
    params = {
        **e.params,
        "branches": tuple([
            without_dead_code(
                flat_program(b, inputs=picked(b.inputs, kept), outputs=picked(b.outputs, wanted))
            )
            for b in branches
        ]),
    }  # fmt: skip
    if "linear" in params:
        flags = params["linear"]
        params["linear"] = (flags[0], *picked(flags[1:], kept))
    made = e.replace(
        inputs=[inputs[0], *picked(inputs[1:], kept)],
        outputs=picked(e.outputs, wanted),
        params=params,
    )
    return _finish(r, e, made, found)


def _reading_first_twins(branches: Sequence[Program], args: Sequence[Atom]) -> list[Program]:
    """The branches, which read an operand that is given twice from its first place."""
    first: dict[Any, int] = {}
    twins = {}
    for i, a in enumerate(args):
        if isinstance(a, Var):
            key = (a, *[b.inputs[i].aval for b in branches])
            if first.setdefault(key, i) != i:
                twins[i] = first[key]
    if not twins:
        return list(branches)
    found = []
    for b in branches:
        names: dict[Atom, Atom] = {b.inputs[i]: b.inputs[j] for i, j in twins.items()}
        equations = [e.replace(inputs=[names.get(a, a) for a in e.inputs]) for e in b.equations]
        outputs = [names.get(a, a) for a in b.outputs]
        found.append(flat_program(b, equations=equations, outputs=outputs))
    return found


def _position(branch: Program, output: Atom) -> int | None:
    """The number of the operand that a branch returns."""
    return branch.inputs.index(output) if output in branch.inputs else None
