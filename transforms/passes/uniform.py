"""Constant arrays of one number: written as that number, broadcast, which takes no memory.

The cotangent of a sum is such an array; so a gradient by a million numbers would hold some of them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.ir import Equation, Literal, Program
from ...core.primitives.shaping import broadcast_to_p
from ...core.tracing import Tracer

__all__ = ["broadcast_uniform_constants"]

_LEAST: Final = 1 << 12
"""Elements; a smaller array costs less than to look at it."""


def broadcast_uniform_constants(program: Program) -> Program:
    """The same program without large constants whose elements are all the same."""
    found = {v: x for v, x in program.constants if _is_uniform(x)}
    if not found:
        return program
    made = []
    for v, x in found.items():
        number = x.dtype.type(x.flat[0])
        made.append(Equation(broadcast_to_p, [Literal(number)], [v], {"shape": x.shape}))
    return program.replace(
        equations=(*made, *program.equations),
        constants=[(v, x) for v, x in program.constants if v not in found],
    )


def _is_uniform(x: Any) -> bool:
    if isinstance(x, Tracer) or type(x) is not np.ndarray or x.size < _LEAST:
        return False
    if x.dtype.kind not in "fiub":
        return False
    first, last = x.flat[0], x.flat[-1]
    if first != last or not np.all(x == first):
        return False
    return x.dtype.kind != "f" or bool(np.all(np.signbit(x) == np.signbit(first)))
