"""Running fused equations: `Kernel : operands -> results`, block by block, in threads.

Blocks are put together to parts, the same ones however many threads there are: so results do not
depend on the number of threads, not even the last bit of a sum.

Read next: `blocks.py`, which makes these equations; `fused.py`, which writes the function for a
block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, Shape, ShapedArray
from .buffers import Key
from .cuts import COMBINE, End
from .threads import get_num_threads, run_in_parts

__all__ = ["FOR_THREADS", "Block", "Kernel"]

FOR_THREADS: Final = 1 << 20
"""So much work is worth a thread of its own: it takes 200 us."""
_MOST_PARTS: Final = 32
_ALIGNED: Final = 64

_scratch: list[Array] = []
"""Memory for the buffers of blocks, one for each thread that has been at work at a time."""


class Block:
    """A function for blocks of one size: `function(buffers, first, last, *leading, *operands,
    *results)`.

    It writes results that have a part for each block, and returns the block's share of the others.
    """

    def __init__(self, function: Callable[..., tuple[Any, ...]], keys: Sequence[Key]) -> None:
        self.function = function
        self.keys = tuple(keys)
        self.offsets: list[int] = []
        end = 0
        for shape, dtype in self.keys:
            self.offsets.append(end)
            n = dtype.itemsize
            for d in shape:
                n *= d
            end += -(-n // _ALIGNED) * _ALIGNED
        self.nbytes = end

    def buffers(self, memory: Array) -> list[Array]:
        """Its buffers, in some memory."""
        return [
            np.ndarray(shape, dtype, memory, offset)
            for (shape, dtype), offset in zip(self.keys, self.offsets, strict=True)
        ]


class Kernel:
    """What a fused equation does.

    `lengths` are those of the axes that are cut: the last one into blocks of so many `rows`, those
    before into single places. `rest` is for a last block that is smaller. `ends` says for each
    result whether it has rows, and else how the shares of the blocks are combined.
    """

    def __init__(
        self,
        block: Block,
        rest: Block | None,
        lengths: Shape,
        rows: int,
        work: int,
        avals: Sequence[ShapedArray],
        ends: Sequence[End],
    ) -> None:
        self.block = block
        self.rest = rest
        self.leading, self.n = lengths[:-1], lengths[-1]
        self.rows = rows
        self.across = -(-self.n // rows)
        self.blocks = self.across
        for d in self.leading:
            self.blocks *= d
        self.parts = min(self.blocks, _MOST_PARTS)
        self.most_threads = max(1, work // FOR_THREADS)
        self.avals = tuple(avals)
        self.whole = [end is not None and not isinstance(end, str) for end in ends]
        self.combine = [COMBINE[end] for end in ends if isinstance(end, str)]
        self.nbytes = max(block.nbytes, 0 if rest is None else rest.nbytes)

    def __call__(self, *args: Array, out: Sequence[Array | None]) -> tuple[Array, ...]:
        results = [
            None if not whole else np.empty(v.shape, v.dtype) if given is None else given
            for v, whole, given in zip(self.avals, self.whole, out, strict=True)
        ]
        operands = (*args, *[y for y in results if y is not None])
        threads = 1 if self.most_threads == 1 else min(get_num_threads(), self.most_threads)
        found = run_in_parts(lambda part: self.run(part, operands), self.parts, threads)
        if not self.combine:
            return tuple(results)
        totals = found[0]
        for shares in found[1:]:
            self.add(totals, shares)
        left = iter(totals)
        return tuple([
            next(left).astype(v.dtype, copy=False) if y is None else y
            for y, v in zip(results, self.avals, strict=True)
        ])  # fmt: skip

    def run(self, part: int, operands: Sequence[Array]) -> list[Any]:
        """Some blocks one after the other; their shares, combined."""
        first, last = [self.blocks * k // self.parts for k in (part, part + 1)]
        try:
            memory = _scratch.pop()
        except IndexError:
            memory = np.empty(self.nbytes, np.uint8)
        if memory.nbytes < self.nbytes:
            memory = np.empty(self.nbytes, np.uint8)
        try:
            buffers = self.block.buffers(memory)
            totals: list[Any] = []
            for k in range(first, last):
                shares = self.one(k, buffers, memory, operands)
                if totals:
                    self.add(totals, shares)
                else:
                    totals = list(shares)
            return totals
        finally:
            _scratch.append(memory)

    def one(
        self, k: int, buffers: list[Array], memory: Array, operands: Sequence[Array]
    ) -> tuple[Any, ...]:
        """The block of some number; its shares."""
        leading: tuple[int, ...] = ()
        if self.leading:
            place, k = divmod(k, self.across)
            for d in self.leading[::-1]:
                place, i = divmod(place, d)
                leading = (i, *leading)
        start = k * self.rows
        stop = start + self.rows
        if stop <= self.n or self.rest is None:
            return self.block.function(buffers, start, stop, *leading, *operands)
        rest = self.rest
        return rest.function(rest.buffers(memory), start, self.n, *leading, *operands)

    def add(self, totals: list[Any], shares: Sequence[Any]) -> None:
        """Combine shares with those of blocks before."""
        for i, (ufunc, share) in enumerate(zip(self.combine, shares, strict=True)):
            total = totals[i]
            if type(total) is np.ndarray and total.shape:
                ufunc(total, share, out=total)
            else:
                totals[i] = ufunc(total, share)
