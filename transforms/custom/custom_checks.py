"""Checks of what the user's rules return: each error names the rule, the function, what came and
what was due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, TreeError
from ...core.storage import current
from ...core.tracing import Tracer
from ...core.tree import TreeDef
from ...core.treedef import check_same_structure, leaf_paths
from ..jvp import match_leaf
from ..linear import LinearTracer
from .custom_call import is_active

__all__ = ["checked_cotangents", "checked_tangents", "pair"]


def pair(operation: str, result: Any, form: str, meaning: str) -> tuple[Any, Any]:
    """The pair that a rule must return."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise TreeError(
            f"{operation} must return a pair: {meaning}.",
            got=f"{type(result).__name__}{size}",
            needed=form,
        )
    return result[0], result[1]


def checked_tangents(
    operation: str, y_dot: Any, outs: Sequence[Any], out_tree: TreeDef
) -> list[Array | None]:
    """The tangents of the results, None where zero."""
    leaves = _spread(operation, y_dot, out_tree, "the tangent", "the result")
    for i, (y, t) in enumerate(zip(outs, leaves, strict=True)):
        if t is not None and not _same_type(y, t):
            path = leaf_paths(out_tree, "")[i]
            what = f"the tangent{path and ' '}{path}"
            if is_active(y):
                leaves[i] = match_leaf(operation, what, t, aval_of(y), "the result")
            else:
                _check_nothing(operation, what, t, y)
                leaves[i] = None
    return leaves


def checked_cotangents(
    operation: str,
    result: Any,
    in_tree: TreeDef,
    avals: Sequence[ShapedArray],
    skipped: Sequence[int],
) -> list[Array | None]:
    """The cotangents of the operands, None where zero. Leaves `skipped` are no operands."""
    n = len(in_tree.children)
    if type(result) is tuple and len(result) == len(avals) == n and not skipped:
        for ct, due, part in zip(result, avals, in_tree.children, strict=True):
            if part.kind is not None or not _fits(due, ct):
                break
        else:
            return list(result)
    if not isinstance(result, tuple | list) or len(result) != n:
        size = f" of {len(result)}" if isinstance(result, tuple | list) else ""
        raise TreeError(
            f"{operation} must return a tuple with one cotangent for each argument.",
            got=f"{type(result).__name__}{size}",
            needed=f"a tuple of {n}",
            fix="write (ct,) for one argument; None for a cotangent that is zero",
        )
    leaves = _spread(operation, tuple(result), in_tree, "the cotangents", "the arguments")
    paths: list[str] = []
    found: list[Array | None] = []
    operands = iter(avals)
    for i, ct in enumerate(leaves):
        aval = None if i in skipped else next(operands)
        if ct is not None and (aval is None or not _fits(aval, ct)):
            paths = paths or leaf_paths(in_tree, "")
            what = f"the cotangent {paths[i]}"
            if aval is not None and aval.dtype.kind in "fc":
                ct = match_leaf(operation, what, ct, aval, "its argument")
            else:
                _check_nothing(operation, what, ct, aval)
                ct = None
        if aval is not None:
            found.append(ct)
    return found


def _spread(operation: str, given: Any, due: TreeDef, which: str, like: str) -> list[Any]:
    """The leaves of a tree that may have None in the place of any part of the structure `due`."""
    if due.kind is None and isinstance(given, Tracer | np.ndarray):
        return [current(given)]
    leaves, found = tree.flatten(given)
    if found != due:
        out: list[Any] = []
        if not _spread_into(due, found, iter(leaves), out):
            check_same_structure(due, found, operation, which, like)
        leaves = out
    return [current(x) if isinstance(x, Tracer) else x for x in leaves]


def _spread_into(due: TreeDef, found: TreeDef, leaves: Any, out: list[Any]) -> bool:
    if found.kind is type(None):
        out += [None] * due.size
        return True
    if due.kind is None:
        if found.kind is None:
            out.append(next(leaves))
        return found.kind is None
    if (
        due.kind is not found.kind
        or due.meta != found.meta
        or len(due.children) != len(found.children)
    ):
        return False
    return all([
        _spread_into(a, b, leaves, out) for a, b in zip(due.children, found.children, strict=True)
    ])  # fmt: skip


def _same_type(y: Any, t: Any) -> bool:
    """True for the commonest tangents that fit."""
    if type(y) is np.ndarray and (type(t) is np.ndarray or type(t) is LinearTracer):
        return y.shape == t.shape and y.dtype is t.dtype and y.dtype.kind in "fc"
    return type(y) is np.float64 and type(t) is np.float64


def _fits(aval: ShapedArray, ct: Any) -> bool:
    if type(ct) is np.ndarray:
        return ct.shape == aval.shape and ct.dtype is aval.dtype and ct.dtype.kind in "fc"
    return False


def _check_nothing(operation: str, what: str, t: Any, of: Any) -> None:
    """Raise unless the tangent or cotangent of what has none is zero."""
    if not isinstance(t, Tracer) and tree.leaves(t) and not np.any(t):
        return
    raise DtypeError(
        f"{operation}: {what} must be None, because there is no derivative.",
        got=repr(t),
        needed=f"None, for {of!r}",
    )
