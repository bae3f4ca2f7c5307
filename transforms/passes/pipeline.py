"""The passes in their order: `improve : Program -> Program`, until nothing changes.

Read next: `../staging/emit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...core.ir import Program
from .accumulations import accumulate_at_once
from .branches import take_known_branches
from .common_subexpressions import share_common_subexpressions
from .constant_folding import fold_constants
from .contractions import contract
from .dead_code import without_dead_code
from .fast_math import relax
from .identities import simplify
from .identity_matrices import skip_identity_matrices
from .indexing import simplify_indexing
from .invariants import hoist_invariants
from .loop_fission import split_loops
from .movement import merge_moves
from .one_hot import compress_one_hot
from .reroll import reroll
from .rewriting import Pass, everywhere
from .scattered_sums import add_in_place
from .scatters import join_scatters
from .signs import move_negations
from .small_vectors import unpack_small_vectors
from .solves import join_solves
from .unused import without_unused

__all__ = ["FAST_MATH", "PASSES", "improve", "steps_of"]

_LIVE: Final = everywhere(without_dead_code)
PASSES: Final[tuple[Pass, ...]] = (
    _LIVE,
    reroll,
    take_known_branches,
    without_unused,
    hoist_invariants,
    split_loops,
    fold_constants,
    share_common_subexpressions,
    simplify,
    merge_moves,
    simplify_indexing,
    _LIVE,
    join_scatters,
    add_in_place,
    unpack_small_vectors,
    compress_one_hot,
    skip_identity_matrices,
    _LIVE,
    move_negations,
    join_solves,
    accumulate_at_once,
    contract,
    _LIVE,
)
"""What keeps values: bit for bit, or to rounding where sums are added up in another order."""

FAST_MATH: Final[tuple[Pass, ...]] = (relax,)
"""What keeps values to rounding only, and may give other results for infinities and NaN."""

_ROUNDS: Final = 6


def improve(program: Program, fast_math: bool = False) -> Program:
    """The same program with fewer and cheaper equations."""
    for _, found in steps_of(program, fast_math=fast_math):
        program = found
    return program


def steps_of(program: Program, fast_math: bool = False) -> Iterator[tuple[Pass, Program]]:
    """The passes that change something, and the program after each."""
    passes = (*FAST_MATH, *PASSES) if fast_math else PASSES
    idle = 0
    for k in range(_ROUNDS * len(passes)):
        one = passes[k % len(passes)]
        found = one(program)
        if found is program:
            idle += 1
            if idle == len(passes):
                return
            continue
        idle, program = 0, found
        yield one, program
