"""Stacks of problems, one for each member of a batch: running a function of one on all, and seeing
their unknowns as vectors of real numbers.

A batching rule of a solver puts a `Level` in front of those that are there: its size, and which
operands have an axis for it. So the program stays that of one problem, and a solver knows which
parts of it all lanes share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ...core.aval import Array, Shape, ShapedArray
from ...core.errors import UnsupportedError
from ..batching import without_names
from ..control.subprograms import evaluate_batch

__all__ = [
    "Level",
    "Levels",
    "RealVectors",
    "flags_of",
    "run_lanes",
    "sizes_of",
    "spread",
    "together_or_in_turn",
]


class Level(NamedTuple):
    """A batch: how many members, and which operands are batched."""

    size: int
    batched: tuple[bool, ...]


Levels = tuple[Level, ...]


def sizes_of(levels: Levels) -> Shape:
    """The leading axes of what differs in all lanes."""
    return tuple([level.size for level in levels])


def flags_of(levels: Levels, operands: Sequence[Any], start: int) -> list[tuple[bool, ...]]:
    """For each of these operands, the first of which is number `start`: the levels at which it is
    batched.
    """
    return [tuple([level.batched[start + i] for level in levels]) for i in range(len(operands))]


def run_lanes(
    name: str,
    fun: Callable[..., Sequence[Array]],
    levels: Sequence[Level],
    args: Sequence[Array],
    n_out: int,
) -> list[Array]:
    """Apply a function of one lane to all; its `n_out` results are stacked at all levels."""
    if not levels:
        return list(fun(*args))
    (size, batched), *inner = levels
    run = lambda *xs: run_lanes(name, fun, inner, xs, n_out)
    return evaluate_batch(name, run, size, args, batched, [True] * n_out)[0]


def spread(x: Array, batched: Sequence[bool], sizes: Shape) -> Array:
    """An operand with an axis for every level, where it had one for those with `batched`."""
    if all(batched):
        return x
    x = x[tuple([slice(None) if b else None for b in batched])]
    return np.broadcast_to(x, (*sizes, *x.shape[len(sizes) :]))


def together_or_in_turn(
    name: str,
    one: Callable[..., Sequence[Array]],
    levels: Sequence[Level],
    args: Sequence[Array],
    avals: Sequence[ShapedArray] | None,
    together: bool = True,
) -> list[Array]:
    """Apply a function of the user's to all lanes: to all at once if it can take that (and
    `together`), otherwise to one after another. `avals` are the types of its results for one lane;
    None where they are not known, and there must be one lane then.
    """
    if not levels:
        return list(one(*args))
    if avals is None:
        raise UnsupportedError(
            f"{name}: has_aux=True works under vmap only for a `solve` that can be traced to a "
            "program.",
            fix="write `solve` without `if` and `while` on values; or leave has_aux out",
        )
    sizes = tuple([level.size for level in levels])
    with without_names():
        if together:
            with suppress(Exception):  # whatever traced values are to it: it is called again below
                return run_lanes(name, one, levels, args, len(avals))
        found = [
            one(*[_lane(x, [v.batched[k] for v in levels], i) for k, x in enumerate(args)])
            for i in product(*[range(n) for n in sizes])
        ]
    if not found:
        return [np.zeros((*sizes, *v.shape), v.dtype) for v in avals]
    columns = zip(*found, strict=True)
    return [
        np.reshape(np.stack(c), (*sizes, *v.shape)) for c, v in zip(columns, avals, strict=True)
    ]


def _lane(x: Array, batched: Sequence[bool], index: Shape) -> Array:
    return x[tuple([i for i, b in zip(index, batched, strict=True) if b])] if any(batched) else x


class RealVectors:
    """Arrays of these types as one vector of real numbers, with the real and imaginary parts of
    complex ones side by side. So a solver treats maps right that are linear over the reals alone.
    Both ways give copies, as users' functions may write to what they get, or give it again.
    """

    def __init__(self, avals: Sequence[ShapedArray]) -> None:
        self.avals = list(avals)
        self.widths = [v.size * (2 if v.dtype.kind == "c" else 1) for v in avals]
        self.size = sum(self.widths)
        kinds = [v.dtype.type(0).real.dtype for v in avals]
        found = np.result_type(np.float32, *kinds)
        self.dtype = np.dtype(np.float32 if found == np.float32 else np.float64)
        self.one = len(avals) == 1 and avals[0].dtype == self.dtype

    def vector(self, leaves: Sequence[Array], lead: Shape) -> Array:
        """The vectors of leaves with the leading axes `lead`."""
        if self.one:
            return np.reshape(leaves[0], (*lead, self.size)).copy()
        parts: list[Array] = []
        for x, aval in zip(leaves, self.avals, strict=True):
            flat = np.reshape(x, (*lead, aval.size))
            parts += [flat.real, flat.imag] if aval.dtype.kind == "c" else [flat]
        if not parts:
            return np.zeros((*lead, 0), self.dtype)
        return np.concatenate(parts, axis=-1).astype(self.dtype, copy=False)

    def leaves(self, vectors: Array) -> list[Array]:
        """The leaves of vectors."""
        lead, start, found = vectors.shape[:-1], 0, []
        if self.one:
            return [vectors.reshape((*lead, *self.avals[0].shape)).copy()[()]]
        for aval, width in zip(self.avals, self.widths, strict=True):
            part = vectors[..., start : start + width]
            start += width
            if aval.dtype.kind == "c":
                part = part[..., : aval.size] + 1j * part[..., aval.size :]
            found.append(np.reshape(part, (*lead, *aval.shape)).astype(aval.dtype)[()])
        return found
