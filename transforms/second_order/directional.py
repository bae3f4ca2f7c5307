"""Derivatives of any order along a line: `directional_derivative : (a -> b), a, T a, n -> b`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import tree
from ...core.errors import DtypeError, ShapeError
from ...core.source import boundary, describe_function
from ...core.tree import is_static_leaf
from ..api import without
from ..jvp import jvp
from ..taylor.jet import jet

__all__ = ["directional_derivative"]


@boundary
def directional_derivative(fun: Callable[..., Any], x: Any, v: Any, order: int = 1) -> Any:
    """The n-th derivative of t -> f(x + t v) at t = 0: D^n f(x)[v, ..., v].

    Args:
        fun: a function of one tree of arrays, which returns a tree of arrays.
        x: the point.
        v: the direction: the same tree, shapes and dtypes; None for leaves without a derivative.
        order: n, from 0. Orders above 1 are computed in Taylor mode, at the cost of O(n^2)
            evaluations.

    Returns:
        A tree like the result.

    Raises:
        ShapeError: if `order` is negative.
        TreeError, ShapeError, DtypeError: if `v` does not fit `x`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> f = lambda x: x[0] ** 3 * x[1]
        >>> x, v = np.array([2.0, 1.0]), np.array([1.0, 1.0])
        >>> [float(wg.directional_derivative(f, x, v, order=n)) for n in range(6)]
        [8.0, 20.0, 36.0, 42.0, 24.0, 0.0]
    """
    operation = f"directional_derivative of {describe_function(fun)}"
    if not isinstance(order, int | np.integer) or isinstance(order, bool):
        raise DtypeError(f"{operation}: order must be an int.", got=repr(order))
    if order < 0:
        raise ShapeError(f"{operation}: order must not be negative.", got=repr(order))
    if order < 2:
        # Also for order 0, so that directions are checked in the same way.
        y, y_dot = jvp(fun, (x,), (v,))
        return y_dot if order else y
    given, treedef = tree.flatten(v, is_leaf=lambda t: t is None)
    series = [None if t is None else [t, *[None] * (int(order) - 1)] for t in given]
    y, terms = jet(fun, (x,), (tree.unflatten(treedef, series),))
    # The tree of the result, with a list of `order` derivatives in the place of each array.
    outs, out_tree = tree.flatten(y)
    kept = [i for i, x in enumerate(outs) if not is_static_leaf(x)]
    last = tree.leaves(terms)[int(order) - 1 :: int(order)]
    return tree.unflatten(without(out_tree, kept), last)
