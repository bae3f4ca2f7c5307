"""Sparse matrices from few products: what the passes are, and where each entry is found in them.

`compressed : pattern -> Compression`. Forward passes multiply the Jacobian with sums of unit
vectors, one for each colour of columns; reverse passes its transpose, one for each colour of rows.
Every entry is one number of one of these products.

Read next: `plans.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...core.aval import Array
from .colouring import MANY, column_colours, row_colours, star_colours

__all__ = ["Compression", "compressed", "compressed_symmetric"]

Matrix = Any
"""A sparse matrix of SciPy."""


class Compression(NamedTuple):
    """The passes for a pattern.

    `columns` and `rows` are colours, -1 for what no pass of that mode reads. Entry k of the pattern
    is number `places[k]` of the forward products, then the reverse ones, one after another.
    """

    columns: Array
    rows: Array
    places: Array

    @property
    def forward(self) -> int:
        """The number of forward passes."""
        return int(self.columns.max(initial=-1)) + 1

    @property
    def reverse(self) -> int:
        """The number of reverse passes."""
        return int(self.rows.max(initial=-1)) + 1

    @property
    def passes(self) -> int:
        """The number of all passes."""
        return self.forward + self.reverse


def _row_of_entries(pattern: Matrix) -> Array:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))


def compressed(pattern: Matrix, forward_only: bool = False) -> Compression:
    """The fewest passes that are found for a Jacobian: forward, reverse, or both."""
    lengths = np.diff(pattern.indptr)
    widest = int(lengths.max(initial=0))
    tallest = int(np.bincount(pattern.indices, minlength=1).max(initial=0))
    if forward_only:
        return _split(pattern, np.zeros(lengths.size, bool))
    # No colouring has fewer colours than a row or a column has entries.
    none, every = np.zeros(lengths.size, bool), np.ones(lengths.size, bool)
    first, second = (none, every) if widest <= tallest else (every, none)
    best = _split(pattern, first)
    if max(widest, tallest) < best.passes:
        best = _fewer(best, _split(pattern, second))
    limit = max(int(np.median(lengths[lengths > 0])), 1) if widest else 1
    while best.passes > MANY and 2 * limit < widest:
        limit *= 2
        best = _fewer(best, _split(pattern, lengths > limit))
    return best


def _fewer(a: Compression, b: Compression) -> Compression:
    return b if b.passes < a.passes else a


def _split(pattern: Matrix, in_reverse: Array) -> Compression:
    """Some rows by reverse passes, the others by forward ones."""
    m, n = pattern.shape
    row = _row_of_entries(pattern)
    reverse = in_reverse[row]
    columns = column_colours(_part(pattern, ~reverse))
    rows = row_colours(_part(pattern, reverse))
    start = (int(columns.max(initial=-1)) + 1) * m
    by_column = columns[pattern.indices] * m + row
    by_row = start + rows[row] * n + pattern.indices
    return Compression(columns, rows, np.where(reverse, by_row, by_column))


def _part(pattern: Matrix, kept: Array) -> Matrix:
    """Some of the entries, as a pattern of the same shape."""
    counts = np.concatenate([[0], np.cumsum(kept)])
    indices = pattern.indices[kept]
    data = np.ones(indices.size, bool)
    return type(pattern)((data, indices, counts[pattern.indptr]), shape=pattern.shape)


def compressed_symmetric(pattern: Matrix) -> Compression:
    """The passes for a symmetric matrix: forward ones that show each entry, or its mirror image."""
    n = pattern.shape[0]
    colours = star_colours(pattern)
    row, column = _row_of_entries(pattern), pattern.indices
    width = int(colours.max(initial=-1)) + 1
    key = row * width + colours[column]
    alone = np.bincount(key, minlength=n * width)[key] == 1
    places = np.where(alone, colours[column] * n + row, colours[row] * n + column)
    return Compression(colours, np.full(n, -1), places)
