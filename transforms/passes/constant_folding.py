"""Constant folding: what depends on constants alone is computed now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import aval_of
from ...core.ir import Equation, Literal, Program
from ...core.printing import subprograms
from .rewriting import Found, Rewriter, everywhere

__all__ = ["fold_constants"]

LARGE: Final = 1 << 20
"""Results of more bytes than this, and more than the operands have, are left to be computed."""


@everywhere
def fold_constants(program: Program) -> Program:
    """The same program in which no equation has constant operands alone.

    What would warn or raise is left for the run, and so are loops and branches.
    """

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Any]) -> Found:
        values = r.values
        if not all([type(a) is Literal or a in values for a in inputs]):
            return None
        size = sum([v.aval.size * v.aval.dtype.itemsize for v in e.outputs])
        of_inputs = sum([a.aval.size * a.aval.dtype.itemsize for a in inputs])
        if (size > LARGE and size > of_inputs) or subprograms(e.params):
            return None
        operands: list[Any] = [a.value if type(a) is Literal else values[a] for a in inputs]
        with np.errstate(all="raise"):
            try:
                y = e.primitive.impl(*operands, **e.params)
            except (ArithmeticError, ValueError, LookupError, TypeError):
                return None  # the warning, or the error, belongs to the run
        ys = y if e.primitive.multiple_results else (y,)
        if [aval_of(v) for v in ys] != [v.aval for v in e.outputs]:
            return None
        return [r.constant(v) for v in ys]

    return Rewriter(program).run(rule)
