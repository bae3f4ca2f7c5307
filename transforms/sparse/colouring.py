"""Colouring: which columns of a sparse matrix can be computed in one pass.

`column_colours : pattern -> a number for each column`. Columns of one colour meet in no row, so
that their sum shows each of them. For symmetric matrices star colourings need fewer colours: there
each entry shows in its column or, mirrored, in its row.

The sets of colours that are taken are kept as Python ints, one bit for each colour: each greedy
colouring takes time that is linear in the number of entries. See A. H. Gebremedhin, F. Manne and
A. Pothen, "What color is your Jacobian? Graph coloring for computing derivatives", SIAM Review 47
(2005), 629-705.

Read next: `compression.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array

__all__ = ["MANY", "column_colours", "row_colours", "star_colours"]

Matrix = Any
"""A sparse matrix of SciPy."""

MANY: Final = 16
"""With more colours than these, rows with many entries are tried apart, as the rest needs fewer."""


def column_colours(pattern: Matrix) -> Array:
    """A colour for each column of a CSR matrix; two columns that meet in a row differ.

    -1 for empty columns. The better one of two orders: as the columns come, and those with the most
    entries first.
    """
    columns = pattern.tocsc()
    return _best_of_two(columns, lambda order: _greedy(columns, pattern.shape[0], order))


def row_colours(pattern: Matrix) -> Array:
    """A colour for each row of a CSR matrix; two rows that meet in a column differ."""
    return _best_of_two(pattern, lambda order: _greedy(pattern, pattern.shape[1], order))


def star_colours(pattern: Matrix) -> Array:
    """A colour for each row and column of a symmetric CSR matrix, of which each entry can be read.

    Neighbours differ, and every path over four vertices has three colours or more: then entry (i,
    j) is the only one of its colour in row i, or in row j.
    """
    best: Array = _best_of_two(pattern, lambda order: _star(pattern, order))
    lengths = np.diff(pattern.indptr)
    widest = int(lengths.max(initial=0))
    limit = max(int(np.median(lengths)), 1) if widest else 1
    while best.max(initial=-1) + 1 > MANY and 2 * limit < widest:
        limit *= 2
        hubs = np.flatnonzero(lengths > limit)
        if hubs.size <= best.max():
            found = _star_around(pattern, hubs)
            best = found if found.max() < best.max() else best
    return best


def _star_around(pattern: Matrix, hubs: Array) -> Array:
    """A star colouring in which some vertices have a colour that no other has."""
    rest = np.ones(pattern.shape[0], bool)
    rest[hubs] = False
    colours = np.empty(rest.size, np.intp)
    colours[rest] = _star(pattern[rest][:, rest], range(rest.size - hubs.size))
    colours[hubs] = colours[rest].max(initial=-1) + 1 + np.arange(hubs.size)
    return colours


def _best_of_two(lists: Matrix, colour: Any) -> Array:
    natural: Array = colour(range(lists.indptr.size - 1))
    lengths = np.diff(lists.indptr)
    least = int(lengths.max(initial=0))
    if natural.max(initial=-1) + 1 <= least:  # no colouring has fewer, or nearly so
        return natural
    first = np.argsort(-lengths, kind="stable").tolist()
    other = colour(first)
    found: Array = natural if natural.max() <= other.max() else other
    return found


def _greedy(lists: Matrix, width: int, order: Sequence[int]) -> Array:
    """The first colour that no other member of any of its groups has; list i names its groups."""
    taken = [0] * width
    members = lists.indices.tolist()
    starts = lists.indptr.tolist()
    colours = [-1] * (len(starts) - 1)
    for i in order:
        mine = members[starts[i] : starts[i + 1]]
        if not mine:
            continue
        used = 0
        for g in mine:
            used |= taken[g]
        bit = ~used & (used + 1)
        colours[i] = bit.bit_length() - 1
        for g in mine:
            taken[g] |= bit
    return np.array(colours, np.intp)


def _star(pattern: Matrix, order: Sequence[int]) -> Array:
    """The first colour that makes no path of two colours over four vertices.

    For each vertex: `once` and `twice` are the colours of at least one, or two, of its neighbours;
    `refused` are those that a neighbour must not get, because the path over this vertex goes on to
    two more with the same two colours.
    """
    n = pattern.shape[0]
    members, starts = pattern.indices.tolist(), pattern.indptr.tolist()
    colour, once, twice, refused = [0] * n, [0] * n, [0] * n, [0] * n  # colours as bits
    for v in order:
        around = [w for w in members[starts[v] : starts[v + 1]] if w != v]
        used = seen = double = 0
        for w in around:
            bit = colour[w]
            if bit:
                used |= bit | refused[w]
                double |= seen & bit
                seen |= bit
        if double:  # v is inside of the path
            for w in around:
                if colour[w] & double:
                    used |= once[w]
        mine = colour[v] = ~used & (used + 1)
        for w in around:
            if not once[w] & mine:
                once[w] |= mine
                continue
            if colour[w]:
                refused[v] |= colour[w]
                if not twice[w] & mine:
                    for y in members[starts[w] : starts[w + 1]]:
                        if colour[y] == mine and y != w:
                            refused[y] |= colour[w]
            twice[w] |= mine
        if twice[v]:
            for y in around:
                if colour[y] & twice[v]:
                    refused[y] |= mine
    return np.array([bit.bit_length() - 1 for bit in colour], np.intp)
