"""`derivatives : (R -> b) -> R -> [b]`: all derivatives of a function of one number, at the cost of
one jet; also of a function along a direction.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, aval_of
from ...core.errors import DtypeError, ShapeError
from ...core.rules import fit
from ...core.source import boundary, describe_function
from ...core.tree import is_static_leaf
from ...core.treedef import leaf_paths
from ..api import (
    aligned_leaves,
    differentiable_leaves,
    distinct,
    flatten_arguments,
    plain_output,
)
from ..jvp import match_leaf
from .jet import check_factorials, run_jet

__all__ = ["derivatives"]


@boundary
def derivatives(f: Callable[[Any], Any], x: Any, order: int, direction: Any = None) -> Any:
    """The value of a function of one number and its derivatives of order 1 to n.

    The cost is O(n^2) that of the function; n nested `jvp` or `grad` cost O(2^n).

    Args:
        f: takes a number (float or complex), or with `direction` any tree of arrays; returns a tree
            of arrays.
        x: where to differentiate.
        order: n, the highest order.
        direction: differentiate t -> f(x + t * direction) at t = 0 instead: a tree like `x`.

    Returns:
        A tree like the result of `f`, whose leaves have a new first axis of length n + 1: item k is
        the derivative of order k. Leaves that are no arrays are as they were.

    Raises:
        ShapeError: if `x` is no number and there is no direction, or it has another shape.
        DtypeError: if `x` is of integers, or the order is no int from 0 on.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.derivatives(np.exp, 0.0, 3)
        array([1., 1., 1., 1.])
        >>> wg.derivatives(lambda x: np.sum(x**3), np.array([1.0, 2.0]), 3, direction=np.ones(2))
        array([ 9., 15., 18., 12.])
    """
    operation = f"derivatives of {describe_function(f)}"
    return scaled_coefficients(operation, f, x, order, direction, scale=True)


def scaled_coefficients(
    operation: str, f: Callable[[Any], Any], x: Any, order: int, direction: Any, scale: bool
) -> Any:
    """The coefficients of the power series of t -> f(x + t * direction), stacked; times k! with
    `scale`.
    """
    order = check_order(operation, order)
    leaves, in_tree = flatten_arguments(operation, (x,))
    avals, active = differentiable_leaves(operation, leaves, in_tree)
    if direction is None:
        if in_tree.children[0].kind is not None or avals[0].shape:
            what = repr(avals[0]) if in_tree.children[0].kind is None else repr(in_tree.children[0])
            raise ShapeError(
                f"{operation}: the argument must be one number.",
                got=what,
                fix="say along which direction, direction=v; or use wengert.vmap for the "
                "derivatives at each of many numbers",
            )
        dots: list[Array] = [avals[0].dtype.type(1)]
    else:
        which, like = "the direction", "the argument"
        dots = aligned_leaves(operation, (direction,), in_tree, active, which, like)
        paths = leaf_paths(in_tree, "")
        places = range(len(leaves)) if active is None else active
        dots = [
            match_leaf(operation, f"{which}{paths[i][3:]}", t, aval, like)
            for i, t, aval in zip(places, dots, avals, strict=True)
        ]
    if scale:
        check_factorials(operation, order, avals, "the coefficients of wengert.taylor")
    terms: list[Any] = [None] * len(leaves)
    if order:
        places = range(len(leaves)) if active is None else active
        for i, t in zip(places, dots, strict=True):
            terms[i] = [t, *[None] * (order - 1)]
    call = lambda *xs: f(*tree.unflatten(in_tree, xs))
    y, rows, out_tree = run_jet(operation, describe_function(f), call, leaves, terms, order)
    found = [
        v if is_static_leaf(v) else _stacked(v, row, scale)
        for v, row in zip(tree.leaves(y), rows, strict=True)
    ]
    return tree.unflatten(out_tree, distinct(found))


def check_order(operation: str, order: Any) -> int:
    """The order as an int; an error for anything else."""
    whole = isinstance(order, int | np.integer) and not isinstance(order, bool)
    if not whole or order < 0:
        raise DtypeError(
            f"{operation}: the order must be an int from 0 on.", got=repr(order), fix="order=3"
        )
    return int(order)


def _stacked(y: Array, row: list[Array | None], scale: bool) -> Array:
    """The value and its coefficients along a new first axis."""
    aval = aval_of(y)
    zeros = np.zeros(aval.shape, aval.dtype)
    terms = [y]
    for k, t in enumerate(row, 1):
        terms.append(zeros if t is None else fit(t * float(factorial(k)) if scale else t, zeros))
    return plain_output(np.stack(terms))
