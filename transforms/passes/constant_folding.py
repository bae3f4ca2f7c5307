"""Constant folding: what depends on constants alone is computed now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import aval_of
from ...core.ir import Atom, Equation, Literal, Program
from .rewriting import Rewriter

__all__ = ["fold_constants"]

LARGE: Final = 1 << 20
"""Results of more bytes than this, and more than the operands have, are left to be computed."""


def fold_constants(program: Program) -> Program:
    """The same program in which no equation has constant operands alone."""

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Sequence[Atom] | None:
        if not all([isinstance(a, Literal) or a in r.values for a in inputs]):
            return None
        size = sum([v.aval.size * v.aval.dtype.itemsize for v in e.outputs])
        of_inputs = sum([a.aval.size * a.aval.dtype.itemsize for a in inputs])
        if size > LARGE and size > of_inputs:
            return None
        values: list[Any] = [a.value if isinstance(a, Literal) else r.values[a] for a in inputs]
        with np.errstate(all="raise"):
            try:
                y = e.primitive.impl(*values, **e.params)
            except (FloatingPointError, ArithmeticError):
                return None  # the warning belongs to the run
        ys = y if e.primitive.multiple_results else (y,)
        if [aval_of(v) for v in ys] != [v.aval for v in e.outputs]:
            return None
        return [r.constant(v) for v in ys]

    return Rewriter(program).run(rule)
