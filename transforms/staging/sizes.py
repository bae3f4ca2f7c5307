"""How large blocks are.

Calls of NumPy cost less than their work in blocks of 16,000 elements, for one thread. Several
threads hand the interpreter over with every call, so a call should take 10 us or more: 100,000
additions do. And a block's arrays should stay in the cache.
"""

from __future__ import annotations

import os
from functools import cache
from math import gcd, prod
from pathlib import Path
from typing import Final

from ...core.aval import Shape
from .cuts import BLOCK

__all__ = ["block_rows"]

_LARGEST: Final = 1 << 17
"""So many elements are in a block at most, if each takes a fifth of a nanosecond."""
_LEAST_WORK: Final = 1 << 19
"""Blocks are not made smaller for the sake of threads if their work takes less than 100 us."""
_VECTORS: Final = 64
_DEFAULT_CACHE: Final = 1 << 20


def block_rows(lengths: Shape, row: int, arrays: int, operations: int, work: int) -> int:
    """How long blocks are, whose rows have so many elements.

    `arrays` are as large as a block, and so many operations do the work.
    """
    size = prod(lengths) * row
    elements = min(_cache_size() // 8 // max(arrays, 1), _LARGEST * operations * size // work)
    blocks = -(-size // max(elements, BLOCK))
    blocks = max(blocks, min(2 * (os.cpu_count() or 1), work // _LEAST_WORK), 1)
    if blocks > 4:  # the same number for each of 2 or 4 threads
        blocks += -blocks % 4
    rows = max(1, min(-(-size // blocks) // row, lengths[-1]))
    # A whole number of vectors: NumPy computes what is left over in another way.
    several = _VECTORS // gcd(_VECTORS, row)
    return min(rows + -rows % several, lengths[-1]) if rows >= several else rows


@cache
def _cache_size() -> int:
    """The bytes of cache that one thread has for itself: a second-level cache, or its share of the
    last one, half of which may hold something else.
    """
    size = _DEFAULT_CACHE
    for level in (2, 3):
        try:
            folder = Path(f"/sys/devices/system/cpu/cpu0/cache/index{level}")
            text = (folder / "size").read_text().strip()
            whole = int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}[text[-1]]
            users = 0
            for part in (folder / "shared_cpu_list").read_text().split(","):
                first, _, last = part.partition("-")
                users += int(last or first) - int(first) + 1
        except (OSError, ValueError, KeyError, IndexError):
            break
        size = whole // users if level == 2 else max(size, whole // users // 2)
    return size
