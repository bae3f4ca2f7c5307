"""Branches whose condition is known: the one that is taken goes in the place of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.elementwise import astype_p
from .rewriting import Found, Rewriter, everywhere

__all__ = ["take_known_branches"]


@everywhere
def take_known_branches(program: Program) -> Program:
    """The same program without branches that are never taken."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if e.primitive.name != "cond":
            return None
        branches = e.params["branches"]
        if type(inputs[0]) is Literal:
            at = int(np.clip(np.asarray(inputs[0].value).astype(np.intp), 0, len(branches) - 1))
        elif len(branches) == 1:
            at = 0
        else:
            return None
        branch: Program = branches[at]
        same = [a.aval == v.aval for a, v in zip(inputs[1:], branch.inputs, strict=True)]
        return written_out(r, branch, inputs[1:], e) if all(same) else None

    return Rewriter(program).run(rule)


def written_out(r: Rewriter, inner: Program, args: Sequence[Atom], e: Equation) -> list[Atom]:
    """The equations of a program in the place of one that held it; what stands for its results."""
    names: dict[Any, Atom] = dict(zip(inner.inputs, args, strict=True))
    for v, x in inner.constants:
        names[v] = r.constant(x) if np.ndim(x) else v
        if names[v] is v:
            r.constants.append((v, x))
            r.values[v] = x
    for one in inner.equations:
        # New variables: the same program may be written out twice.
        outs = [Var(v.aval) for v in one.outputs]
        r.append(Equation(
            one.primitive, [names.get(a, a) for a in one.inputs], outs, one.params,
            one.source or e.source,
        ))  # fmt: skip
        names.update(zip(one.outputs, outs, strict=True))
    found: list[Atom] = []
    for a, v in zip(inner.outputs, e.outputs, strict=True):
        y = names.get(a, a)
        if y.aval != v.aval:  # a Python number gets the dtype that it has as a result
            y = r.emit(astype_p, [y], {"dtype": v.aval.dtype}, e.source)[0]
        found.append(y)
    return found
