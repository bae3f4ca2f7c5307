"""The spaces that linear maps go from and to: trees of arrays of fixed types.

`Space : structure, [type]`. A vector of a space is a tree with that structure, whose leaves are
floats or complex numbers; where a function's argument has anything else, there is None. `leaves`
checks a vector, `flat` lays its leaves out in one row. Read next: `operators.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, Shape, ShapedArray, aval_of
from ...core.errors import DtypeError, ShapeError
from ...core.primitives.elementwise import astype
from ...core.tree import is_static_leaf
from ...core.treedef import check_same_structure, leaf_paths
from ..api import as_array_leaf, type_of_leaf, without
from ..control.bodies import strong

__all__ = ["Space"]


class Space:
    """A vector space of trees. Immutable; compared and hashed by value."""

    __slots__ = ("avals", "dtype", "size", "treedef")

    def __init__(self, treedef: tree.TreeDef, avals: Iterable[ShapedArray]) -> None:
        self.treedef = treedef
        self.avals = tuple([strong(v) for v in avals])
        self.size = sum([v.size for v in self.avals])
        self.dtype = np.result_type(*[v.dtype for v in self.avals] or [np.dtype(float)])

    @classmethod
    def around(cls, operation: str, x: Any) -> Space:
        """The space of the tangents of a tree of arrays, or of things with shape and dtype."""
        leaves, treedef = tree.flatten(x)
        paths = leaf_paths(treedef, "[0]")
        types = {
            i: type_of_leaf(operation, path, v)
            for i, (path, v) in enumerate(zip(paths, leaves, strict=True))
            if not is_static_leaf(v)
        }
        kept = [i for i, aval in types.items() if aval.dtype.kind in "fc"]
        return cls(without(treedef, kept), [types[i] for i in kept])

    @property
    def kind(self) -> str:
        """ "real", "complex", or "mixed" if some leaves are real and some complex."""
        kinds = {v.dtype.kind for v in self.avals}
        return "mixed" if len(kinds) == 2 else "complex" if kinds == {"c"} else "real"

    def tree(self, leaves: Iterable[Any]) -> Any:
        """The tree with these leaves."""
        return tree.unflatten(self.treedef, leaves)

    def leaves(self, operation: str, v: Any, what: str, like: str) -> list[Array]:
        """The leaves of a vector, with the dtypes of the space; an error if it is none of it."""
        found, treedef = tree.flatten(v)
        check_same_structure(self.treedef, treedef, operation, what, like)
        paths = leaf_paths(treedef, "")
        return [
            _as_type(operation, f"{what}{path}", x, aval)
            for path, x, aval in zip(paths, found, self.avals, strict=True)
        ]

    def flat(self, leaves: Sequence[Array], lead: Shape = ()) -> Array:
        """Leaves with the leading axes `lead` as rows of numbers."""
        if len(leaves) == 1:
            return np.reshape(leaves[0], (*lead, self.size))
        rows = [
            astype(np.reshape(x, (*lead, aval.size)), self.dtype)
            for x, aval in zip(leaves, self.avals, strict=True)
        ]
        return np.concatenate(rows, axis=-1) if rows else np.zeros((*lead, 0), self.dtype)

    def unflat(self, rows: Array) -> list[Array]:
        """The leaves of rows of numbers, with their leading axes."""
        lead, start, found = rows.shape[:-1], 0, []
        for aval in self.avals:
            part = np.reshape(rows[..., start : start + aval.size], (*lead, *aval.shape))
            part = part if part.shape else part[()]
            found.append(astype(part, aval.dtype))
            start += aval.size
        return found

    def zeros(self) -> list[Array]:
        """The leaves of the zero vector."""
        return [np.zeros(v.shape, v.dtype)[()] for v in self.avals]

    def split(self, rows: Array, axis: int) -> list[Array]:
        """Cut an axis of length `size` into one block for each leaf, with the leaf's shape."""
        blocks, start = [], 0
        for aval in self.avals:
            at = (slice(None),) * axis
            part = rows[(*at, slice(start, start + aval.size))]
            start += aval.size
            shape = (*rows.shape[:axis], *aval.shape, *rows.shape[axis + 1 :])
            blocks.append(np.reshape(part, shape))
        return blocks

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self.treedef == other.treedef and self.avals == other.avals

    def __hash__(self) -> int:
        return hash((self.treedef, self.avals))

    def __repr__(self) -> str:
        return repr(self.tree(self.avals))


def _as_type(operation: str, what: str, x: Any, aval: ShapedArray) -> Array:
    """A leaf of a vector as an array of the type; integers and coarser floats are taken too."""
    x = as_array_leaf(operation, what, x)
    found = aval_of(x)
    if found.shape != aval.shape:
        raise ShapeError(
            f"{operation}: {what} has another shape than the map takes.",
            got=repr(found),
            needed=repr(aval),
        )
    if found.dtype == aval.dtype and not found.weak_type:
        return x
    casting: Any = "same_kind" if found.weak_type or found.dtype.kind in "iub" else "safe"
    if not np.can_cast(found.dtype, aval.dtype, casting):
        raise DtypeError(
            f"{operation}: {what} has another dtype than the map takes.",
            got=repr(found),
            needed=repr(aval),
            fix=f"cast it: .astype(np.{aval.dtype.name})",
        )
    return astype(x, aval.dtype)
