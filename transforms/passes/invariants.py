"""Loop invariants: what is the same in every step of a loop is computed before it.

From a scan of one step or more everything goes out that depends on the constants of the loop alone,
and a stack of copies of one array becomes such a constant.
From a while loop, which may not turn at all, only what can neither warn nor raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.shaping import broadcast_to_p, reshape_p
from ...core.printing import subprograms
from .loop_parts import Scan, flat_program
from .rewriting import Found, Rewriter, everywhere

__all__ = ["hoist_invariants"]

_SAFE: Final = frozenset(
    ["reshape", "transpose", "broadcast_to", "neg", "copy", "stack", "concatenate", "diagonal"]
)
"""Operations that neither warn nor raise, whatever their operands are."""


@everywhere
def hoist_invariants(program: Program) -> Program:
    """The same program with less to compute in its loops."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive.name == "scan" and e.params["length"]:
            return _scan(r, e, inputs)
        if e.primitive.name == "while":
            return _while(r, e, inputs)
        return None

    return Rewriter(program).run(rule)


class _Hoist:
    """The equations of a body that leave it, written into the program around it."""

    def __init__(self, r: Rewriter, body: Program, fixed: dict[Var, Atom], safe: bool) -> None:
        names: dict[Any, Atom] = {**fixed}
        for v, x in body.constants:
            if np.ndim(x):
                names[v] = v
        constants = dict(body.constants)
        self.kept: list[Equation] = []
        made: dict[Var, Atom] = {}
        shared: set[Atom] = set()
        for e in body.equations:
            ready = all([type(a) is Literal or a in names for a in e.inputs])
            if not ready or subprograms(e.params) or (safe and e.primitive.name not in _SAFE):
                self.kept.append(e)
                continue
            for a in e.inputs:
                if a in constants and a not in shared and names.get(a) is a:
                    shared.add(a)
                    names[a] = r.constant(constants[a])
            outs = [Var(v.aval) for v in e.outputs]
            r.append(
                Equation(e.primitive, [names.get(a, a) for a in e.inputs], outs, e.params, e.source)
            )
            names.update(zip(e.outputs, outs, strict=True))
            made.update(zip(e.outputs, outs, strict=True))
        needed: set[Atom] = set(body.outputs)
        for e in self.kept:
            needed.update(e.inputs)
        self.made = {v: a for v, a in made.items() if v in needed}
        self.found = bool(made)


def _scan(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    s = Scan(e, inputs)
    repeated = _repeated(r, e, s)
    fixed = {v: a for a, v, f in s.consts if a.aval == v.aval and not f}
    hoist = _Hoist(r, s.body, fixed, safe=False)
    if not hoist.found and not repeated:
        return None
    s.equations = hoist.kept
    s.consts += [(a, v, False) for v, a in hoist.made.items()]
    return r.append(s.written())


def _repeated(r: Rewriter, e: Equation, s: Scan) -> bool:
    """Make constants of the stacks whose items are all the same array; True if there were any."""
    kept = []
    for a, v, f in s.xs:
        item = None if f else _item(r, e, a, v)
        if item is None:
            kept.append((a, v, f))
        else:
            s.consts.append((item, v, False))
    found = len(kept) < len(s.xs)
    s.xs = kept
    return found


def _item(r: Rewriter, e: Equation, stack: Atom, v: Var) -> Atom | None:
    inner = r.definition(stack, "broadcast_to")
    if inner is None:
        return None
    x = inner.inputs[0]
    if x.aval.ndim == stack.aval.ndim:
        if x.aval.shape[0] != 1 or stack.aval.shape[0] == 1:
            return None
        x = r.emit(reshape_p, [x], {"shape": x.aval.shape[1:]}, e.source)[0]
    if x.aval.shape != v.aval.shape:
        x = r.emit(broadcast_to_p, [x], {"shape": v.aval.shape}, e.source)[0]
    return x if x.aval == v.aval else None


def _while(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
    p = e.params
    k, m = p["n_condition"], p["n_body"]
    parts = []
    for name, start, n in (("condition", 0, k), ("body", k, m)):
        inner: Program = p[name]
        pairs = zip(inputs[start : start + n], inner.inputs[:n], strict=True)
        hoist = _Hoist(r, inner, {v: a for a, v in pairs if a.aval == v.aval}, safe=True)
        program = flat_program(
            inner,
            inputs=[*inner.inputs[:n], *hoist.made, *inner.inputs[n:]],
            equations=hoist.kept,
        )
        parts.append((program if hoist.found else inner, hoist))
    (condition, first), (body, then) = parts
    if not first.found and not then.found:
        return None
    operands = [*inputs[:k], *first.made.values(), *inputs[k : k + m], *then.made.values()]
    params = {
        **p,
        "condition": condition,
        "body": body,
        "n_condition": k + len(first.made),
        "n_body": m + len(then.made),
    }
    return r.append(e.replace(inputs=[*operands, *inputs[k + m :]], params=params))
