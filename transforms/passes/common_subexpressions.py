"""Common subexpressions: what is computed twice from the same is computed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ...core.ir import Atom, Equation, Literal, Program
from .rewriting import Rewriter, frozen

__all__ = ["share_common_subexpressions"]


def share_common_subexpressions(program: Program) -> Program:
    """The same program in which no two equations are alike."""
    known: dict[Hashable, Sequence[Atom]] = {}
    constants: dict[Hashable, Atom] = {}

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Sequence[Atom] | None:
        key = (e.primitive, tuple([_key(a) for a in inputs]), frozen(e.params))
        found = known.get(key)
        if found is None:
            known[key] = e.outputs
        return found

    r = Rewriter(program)
    for v, x in program.constants:
        same = constants.setdefault(frozen(x), v)
        if same is not v:
            r.renamed[v] = same
    return r.run(rule)


def _key(atom: Atom) -> Hashable:
    return ("literal", frozen(atom.value)) if isinstance(atom, Literal) else id(atom)
