"""The passes in their order: `improve : Program -> Program`, until nothing changes.

Read next: `../staging/emit.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...core.dead_code import without_dead_code
from ...core.ir import Program
from .common_subexpressions import share_common_subexpressions
from .constant_folding import fold_constants
from .identities import simplify

__all__ = ["PASSES", "improve"]

Pass = Callable[[Program], Program]

PASSES: Final[tuple[Pass, ...]] = (
    simplify,
    fold_constants,
    share_common_subexpressions,
    without_dead_code,
)
_ROUNDS: Final = 4


def improve(program: Program) -> Program:
    """The same program with fewer and cheaper equations."""
    for _ in range(_ROUNDS):
        before = len(program.equations)
        for one in PASSES:
            program = one(program)
        if len(program.equations) == before:
            break
    return program
