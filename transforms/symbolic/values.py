"""What the rules of this folder share: arrays of formulas, and plain values in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .extra import sympy

__all__ = ["Formula", "NoFormError", "broadcast", "integers", "is_number", "is_truth", "plain"]

Formula: TypeAlias = Any
"""An array of objects of sympy."""


class NoFormError(Exception):
    """An operation has no symbolic form; the message says why."""


def is_number(x: Any) -> bool:
    """True for what depends on no variable."""
    return not getattr(x, "free_symbols", None)


def is_truth(x: Any) -> bool:
    """True for a condition."""
    s = sympy()
    kinds = s.logic.boolalg
    return isinstance(x, s.core.relational.Relational | kinds.BooleanFunction | kinds.BooleanAtom)


def plain(x: Any) -> Any:
    """Python's number for one of sympy."""
    s = sympy()
    if x in (s.true, s.false):
        return bool(x)
    if x.is_Integer:
        return int(x)
    value = complex(x)
    return value.real if value.imag == 0 else value


def integers(x: Formula) -> Any:
    """An array of ints for indices, which must depend on no variable."""
    if not all([is_number(v) for v in x.ravel()]):
        raise NoFormError("an index depends on a variable")
    found = np.array([plain(v) for v in x.ravel()])
    found = found.astype(np.bool_ if found.dtype.kind == "b" else np.int64).reshape(x.shape)
    return found if x.shape else found[()]


def broadcast(function: Callable[..., Any], args: Sequence[Formula]) -> Formula:
    """A function of single formulas, for all elements of arrays that broadcast."""
    arrays = np.broadcast_arrays(*args)
    found = np.empty(arrays[0].shape, object)
    for i in np.ndindex(found.shape):
        found[i] = function(*[a[i] for a in arrays])
    return found
