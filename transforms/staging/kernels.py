"""Running fused equations: `Kernel : operands -> results`, block by block, in threads.

Read next: `blocks.py`, which makes these equations; `emit.py`, which writes the function for a
block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, Shape, ShapedArray
from .buffers import Key
from .threads import get_num_threads, run_in_parts

__all__ = ["Kernel"]

_COMBINE: Final[dict[str, np.ufunc]] = {
    "reduce_sum": np.add,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
}
_FOR_THREADS: Final = 1 << 17
"""So many elements, times operations, are worth a thread of their own."""


class Kernel:
    """What a fused equation does.

    `block(buffers, first, last, *operands, *results)` computes some rows: it writes those of
    results that have rows, and returns its parts of those that are reduced over all rows. `ends`
    says which is which.
    """

    def __init__(
        self,
        block: Callable[..., tuple[Any, ...]],
        keys: Sequence[Key],
        shape: Shape,
        rows: int,
        work: int,
        avals: Sequence[ShapedArray],
        ends: Sequence[str],
    ) -> None:
        self.block = block
        self.keys = tuple(keys)
        self.n = shape[0]
        self.rows = rows
        self.most_threads = max(1, work // _FOR_THREADS)
        self.avals = tuple(avals)
        self.ends = tuple(ends)
        self.reduced = [end for end in ends if end != "rows"]
        self.free: list[list[Array]] = []

    def __call__(self, *args: Array, out: Sequence[Array | None]) -> tuple[Array, ...]:
        results = [
            None if end != "rows" else np.empty(v.shape, v.dtype) if given is None else given
            for v, end, given in zip(self.avals, self.ends, out, strict=True)
        ]
        whole = [y for y in results if y is not None]

        def task(first: int, last: int) -> list[tuple[Any, ...]]:
            try:
                buffers = self.free.pop()
            except IndexError:
                buffers = [np.empty(shape, dtype) for shape, dtype in self.keys]
            try:
                return [
                    self.block(buffers, i, min(i + self.rows, last), *args, *whole)
                    for i in range(first, last, self.rows)
                ]
            finally:
                self.free.append(buffers)

        found = run_in_parts(task, self.n, min(get_num_threads(), self.most_threads))
        if not self.reduced:
            return tuple(results)
        parts = [part for one in found for part in one]
        totals = iter([
            _COMBINE[end].reduce(np.array(column), axis=0)
            for end, column in zip(self.reduced, zip(*parts, strict=True), strict=True)
        ])  # fmt: skip
        return tuple([
            next(totals).astype(v.dtype, copy=False) if y is None else y
            for y, v in zip(results, self.avals, strict=True)
        ])  # fmt: skip
