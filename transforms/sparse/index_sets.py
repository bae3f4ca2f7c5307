"""Sets of input numbers, one for each element of an array: what a pattern is made of.

`IndexSets` keeps a table of sets, as the rows of a boolean SciPy matrix, and for each element the
row that holds its set. Elements with the same set share a row: then broadcasting, indexing and
transposing cost nothing but the row numbers. Invariant: row 0 is empty, row 1 stands for the set of
all inputs (its row in the table is empty too), and every other row is a proper subset.

Read next: `patterns.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, Shape
from ...core.errors import UnsupportedError
from .extra import scipy_sparse

__all__ = ["EMPTY", "FULL", "IndexSets", "grouped", "joined", "union"]

EMPTY: Final = 0
FULL: Final = 1

BUDGET: Final = 50_000_000
"""So many entries may a table have. The largest sets of one that would have more count as full."""

LIMIT: Final = 200_000_000
"""A pattern with more entries than these is refused: it would take gigabytes."""

Matrix = Any
"""A sparse matrix of SciPy, which has no types."""


class IndexSets:
    """For each element of an array, on which of `n` inputs it depends.

    `ids` are rows of `table`, one for each element in C order.
    """

    __slots__ = ("ids", "n", "sizes", "table")

    def __init__(self, n: int, ids: Array, table: Matrix) -> None:
        self.n = n
        self.ids = ids
        self.table = table
        self.sizes: Array = np.diff(table.indptr)

    @classmethod
    def identity(cls, n: int, start: int, size: int) -> IndexSets:
        """Element i depends on input `start + i` alone."""
        if n == 1:
            return cls(n, np.full(size, FULL), _table(n, np.zeros(1, np.intp), np.zeros(0, int)))
        indptr = np.arange(size + 1)
        return cls(n, np.arange(size) + 2, _table(n, indptr, np.arange(start, start + size)))

    def take(self, places: Array) -> IndexSets:
        """The sets of the elements at these places; the empty set at -1."""
        flat = np.ravel(places)
        if not self.ids.size:
            return IndexSets(self.n, np.full(flat.size, EMPTY), self.table)
        ids = self.ids[flat]
        if flat.size and flat.min() < 0:
            ids = np.where(flat < 0, EMPTY, ids)
        return IndexSets(self.n, ids, self.table)

    def masked(self, kept: Array) -> IndexSets:
        """The same sets where `kept` is true, empty ones elsewhere."""
        return IndexSets(self.n, np.where(np.ravel(kept), self.ids, EMPTY), self.table)

    def reduced(self, shape: Shape, axes: Sequence[int]) -> IndexSets:
        """The unions along axes of an array of this shape; these axes are gone."""
        kept = [i for i in range(len(shape)) if i not in axes]
        rows = math.prod([shape[i] for i in kept])
        order = np.arange(self.ids.size).reshape(shape).transpose(*kept, *axes)
        width = math.prod([shape[i] for i in axes])
        return grouped(self, np.arange(rows + 1) * width, order.ravel())

    def everything(self, size: int) -> IndexSets:
        """Elements that depend on all that any of these depends on."""
        whole = grouped(self, np.array([0, self.ids.size]), np.arange(self.ids.size))
        return whole.take(np.zeros(size, np.intp))

    @property
    def is_empty(self) -> bool:
        """True if no element depends on anything."""
        return not np.any(self.ids != EMPTY)

    def members(self, i: int) -> Array:
        """What element i depends on, if that is not everything."""
        row = self.ids[i]
        found: Array = self.table.indices[self.table.indptr[row] : self.table.indptr[row + 1]]
        return found

    def lengths(self) -> Array:
        """How many inputs each element depends on."""
        return np.where(self.ids == FULL, self.n, self.sizes[self.ids])

    def matrix(self) -> Matrix:
        """The pattern as a boolean CSR matrix, one row for each element."""
        sparse = scipy_sparse()
        lengths = self.lengths()
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if indptr[-1] > LIMIT:
            raise UnsupportedError(
                f"sparse derivatives: {self.ids.size} x {self.n} entries are not sparse.",
                got=f"{indptr[-1]} of them may differ from zero",
                needed=f"at most {LIMIT}",
                fix="use wg.jvp, wg.vjp or wg.hvp, which multiply with the matrix and never form "
                "it; wg.jacobian_sparsity of a smaller problem shows where the entries come from",
            )
        if not np.any(self.ids == FULL):
            found = self.table[self.ids]
            found.sort_indices()
            return found
        # Rows of all inputs are filled in; the others are read from the table.
        indices = np.empty(int(indptr[-1]), np.int64)
        is_full = np.repeat(self.ids == FULL, lengths)
        part = self.table[np.where(self.ids == FULL, EMPTY, self.ids)]
        part.sort_indices()
        indices[~is_full] = part.indices
        indices[is_full] = np.tile(np.arange(self.n), int(np.sum(self.ids == FULL)))
        data = np.ones(indices.size, bool)
        return sparse.csr_array((data, indices, indptr), shape=(self.ids.size, self.n))


def joined(n: int, parts: Sequence[tuple[IndexSets | None, int]]) -> IndexSets:
    """The sets of several arrays one after another; each comes with its size, and None is empty."""
    tables: dict[int, int] = {}
    pieces: list[Matrix] = []
    rows = 0
    ids = []
    for sets, size in parts:
        if sets is None:
            ids.append(np.full(size, EMPTY))
            continue
        start = tables.get(id(sets.table))
        if start is None:
            start = tables[id(sets.table)] = rows
            pieces.append(sets.table)
            rows += sets.sizes.size
        ids.append(np.where(sets.ids <= FULL, sets.ids, sets.ids + start))
    flat = np.concatenate(ids)
    if not pieces:
        return IndexSets(n, flat, _table(n, np.zeros(1, int), np.zeros(0, int)))
    table = pieces[0] if len(pieces) == 1 else scipy_sparse().vstack(pieces, format="csr")
    return IndexSets(n, flat, table)


def _table(n: int, indptr: Array, indices: Array) -> Matrix:
    """A table whose rows from 2 on are given."""
    pointers = np.concatenate([np.zeros(2, indptr.dtype), indptr])
    data = np.ones(indices.size, bool)
    return scipy_sparse().csr_array((data, indices, pointers), shape=(pointers.size - 1, n))


def _of_rows(n: int, rows: Matrix, full: Array) -> IndexSets:
    """Sets that are the rows of a matrix, all inputs where `full` says so."""
    rows.sum_duplicates()
    full = full | (np.diff(rows.indptr) >= n)
    ids = np.where(full, FULL, np.arange(full.size) + 2)
    ids[~full & (np.diff(rows.indptr) == 0)] = EMPTY
    return IndexSets(n, ids, _table(n, rows.indptr, rows.indices))


def _too_large(lengths: Array, n: int) -> Array:
    """Which of the rows to come count as full, so that a table stays within its budget."""
    lengths = np.minimum(lengths, n)
    if lengths.sum(dtype=np.int64) <= BUDGET:
        return np.zeros(lengths.size, bool)
    found: Array = lengths > BUDGET // max(lengths.size, 1)
    return found


def union(parts: Sequence[IndexSets]) -> IndexSets:
    """The union of sets of arrays of the same size, element by element."""
    found = parts[0]
    for other in parts[1:]:
        found = _union(found, other)
    return found


def _union(a: IndexSets, b: IndexSets) -> IndexSets:
    if a is b or (a.table is b.table and np.array_equal(a.ids, b.ids)) or b.is_empty:
        return a
    if a.is_empty:
        return b
    if a.ids.size == 1:  # a number: SciPy's matrices would take longer
        if a.ids[0] == FULL or b.ids[0] == FULL:
            return a if a.ids[0] == FULL else b
        both = np.union1d(a.members(0), b.members(0))
        if both.size == a.n:
            return IndexSets(a.n, np.full(1, FULL), a.table)
        return IndexSets(a.n, np.full(1, 2), _table(a.n, np.array([0, both.size]), both))
    left, right, back = a.ids, b.ids, None
    rows = max(a.sizes.size, b.sizes.size)
    if 2 * rows < left.size:  # few different sets: each pair of them is joined once
        keys = left * b.sizes.size + right
        pairs, back = np.unique(keys, return_inverse=True)
        left, right = np.divmod(pairs, b.sizes.size)
    full = (left == FULL) | (right == FULL)
    full |= _too_large(np.where(full, 0, a.sizes[left] + b.sizes[right]), a.n)
    if np.any(full):
        left, right = np.where(full, EMPTY, left), np.where(full, EMPTY, right)
    found = _of_rows(a.n, a.table[left] + b.table[right], full)
    return found if back is None else found.take(back)


def grouped(sets: IndexSets, starts: Array, members: Array) -> IndexSets:
    """Unions of groups of elements: group i is `members[starts[i]:starts[i + 1]]`.

    This is the product of a boolean matrix, of which `starts` and `members` are the rows, with the
    pattern of the elements.
    """
    sparse = scipy_sparse()
    count = starts.size - 1
    shape = (count, sets.sizes.size)
    ids = sets.ids[members]
    rows = sparse.csr_array((np.ones(ids.size, bool), ids, starts), shape=shape)
    rows.sum_duplicates()  # a set that occurs often in a group counts once
    group = np.repeat(np.arange(count), np.diff(rows.indptr))
    full = np.zeros(count, bool)
    full[group[rows.indices == FULL]] = True
    bound = np.bincount(group, sets.sizes[rows.indices], count)
    full |= _too_large(np.where(full, 0, bound), sets.n)
    rows.data = rows.data & ~full[group]
    rows.eliminate_zeros()
    return _of_rows(sets.n, rows @ sets.table, full)
