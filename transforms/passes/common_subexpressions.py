"""Common subexpressions: what is computed twice from the same is computed once.

Arrays of equal values count as the same, and so do a * b and b * a, which round alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from ...core.ir import Atom, Equation, Literal, Program
from .rewriting import Found, Rewriter, everywhere, frozen

__all__ = ["share_common_subexpressions"]

_COMMUTATIVE: Final = frozenset(
    ["add", "mul", "equal", "not_equal", "bitwise_and", "bitwise_or", "bitwise_xor"]
)
"""Operations that give the same bits for operands in either order. maximum(0.0, -0.0) does not, and
neither does the product of complex numbers.
"""


@everywhere
def share_common_subexpressions(program: Program) -> Program:
    """The same program in which no two equations are alike."""
    known: dict[Hashable, Sequence[Atom]] = {}
    constants: dict[Hashable, Atom] = {}

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        operands = [_key(a) for a in inputs]
        name = e.primitive.name
        if name in _COMMUTATIVE and (name != "mul" or e.outputs[0].aval.dtype.kind != "c"):
            operands.sort(key=hash)
        params = tuple([(k, frozen(v)) for k, v in e.params.items()]) if e.params else ()
        key = (e.primitive, *operands, params)
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
    if type(atom) is not Literal:
        return atom
    value = atom.value
    if type(value) is float and value and value == value:
        return (float, value)
    return ("literal", frozen(value))
