"""Applying a linear function to a stack of vectors: `applied_to_stack`, what `many` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import DtypeError, ShapeError
from .vmap import vmap

__all__ = ["applied_to_stack", "chunks"]


def chunks(operation: str, n: int, chunk_size: int | None) -> list[tuple[int, int]]:
    """The ranges of n vectors that are worked on at once: all of them, or `chunk_size`."""
    if chunk_size is None:
        return [(0, n)] if n else []
    if not isinstance(chunk_size, int | np.integer) or isinstance(chunk_size, bool):
        raise DtypeError(f"{operation}: chunk_size must be an int.", got=repr(chunk_size))
    if chunk_size < 1:
        raise ShapeError(
            f"{operation}: chunk_size must be positive.",
            got=repr(chunk_size),
            fix="chunk_size=1 takes one vector at a time; None takes all at once",
        )
    return [(i, min(i + int(chunk_size), n)) for i in range(0, n, int(chunk_size))]


def applied_to_stack(
    operation: str, apply: Callable[[Any], Any], stack: Any, chunk_size: int | None
) -> Any:
    """The results for all members of a stack, which is a tree with one axis more in front."""

    def member(v: Any) -> Any:
        return apply(v)

    member.__name__ = operation
    run = vmap(member)
    leaves, treedef = tree.flatten(stack)
    n = max([np.shape(x)[0] for x in leaves if np.ndim(x)], default=0)
    parts = chunks(operation, n, chunk_size)
    if len(parts) < 2:
        return run(stack)
    found = [run(tree.unflatten(treedef, [x[i:j] for x in leaves])) for i, j in parts]
    return tree.map(lambda *xs: np.concatenate(xs), *found)
