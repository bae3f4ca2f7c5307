"""`jet : (a -> b) -> (a, [T a]) -> (b, [T b])`: the derivatives of a function along a curve, given
those of the curve.

Read next: `trace.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import factorial
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import ShapeError, TreeError, UnsupportedError
from ...core.source import boundary, describe_function
from ...core.tree import is_static_leaf
from ...core.treedef import find_node, leaf_paths, node_of
from ..api import differentiable_leaves, distinct, flatten_arguments, flatten_result, plain_output
from ..jvp import match_leaf, tangent_of_result
from . import custom, loops, matrices, programs  # noqa: F401  # they complete JetTrace
from .evaluate import row_of
from .trace import JetTrace, JetTracer

__all__ = ["check_factorials", "jet", "run_jet"]

HIGHEST_FACTORIAL = {"f2": 8, "f4": 34, "c8": 34}
"""The orders whose factorials single and half precision can hold; double precision: 170."""


@boundary
def jet(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    series: Sequence[Any],
    factorial_scaled: bool = True,
) -> tuple[Any, Any]:
    """Evaluate a function and its derivatives of order 1 to n along a curve (Taylor mode).

    Where x(t) is a curve with x(0) in `primals` and its derivatives at t = 0 in `series`, the
    result has those of f(x(t)). The cost is O(n^2) that of the function; n nested `jvp` cost
    O(2^n).

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: tuple of the arguments. Leaves that are not of floats or complex numbers
            (integers, text, functions ...) reach `fun` as they are.
        series: for each argument a list of n terms: term k is the derivative of order k + 1, of the
            argument's shape and dtype. None stands for zeros, for a term and for a whole list. For
            an argument that is a tree: the same tree with such a list for each leaf.
        factorial_scaled: terms are derivatives. If False, they are coefficients of the power
            series: derivatives divided by k!, in `series` and in the result.

    Returns:
        `(y, y_series)`: the result, and the same tree with a list of n terms for each leaf (None
        for leaves that are no arrays).

    Raises:
        TreeError: if `series` does not have the structure of `primals`.
        ShapeError, DtypeError: if the lists differ in length, or a term does not fit its argument.
        UnsupportedError: if a factorial exceeds the floating point numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, terms = wg.jet(np.exp, (0.0,), ((1.0, 0.0, 0.0),))
        >>> float(y), [float(t) for t in terms]
        (1.0, [1.0, 1.0, 1.0])

    Source: Griewank and Walther, Evaluating Derivatives, 2nd ed. (SIAM, 2008), chapter 13.
    """
    operation = f"jet of {describe_function(fun)}"
    leaves, in_tree = flatten_arguments(operation, primals)
    avals, active = differentiable_leaves(operation, leaves, in_tree)
    lists = _lists(operation, series, in_tree)
    order = _order(operation, lists, in_tree)
    places = range(len(leaves)) if active is None else active
    paths = leaf_paths(in_tree, "")
    terms: list[list[Array | None] | None] = [None] * len(leaves)
    for i, found in enumerate(lists):
        if found is None:
            continue
        if i in places:
            aval = avals[list(places).index(i)]
            terms[i] = [_term(operation, paths[i], k, t, aval) for k, t in enumerate(found)]
        else:
            _check_constant(operation, paths[i], leaves[i], found)
    if factorial_scaled:
        check_factorials(operation, order, avals, "factorial_scaled=False")
        terms = [None if ts is None else _scaled(ts, divide=True) for ts in terms]
    given = [t for ts in terms if ts is not None for t in ts]
    call = lambda *xs: fun(*tree.unflatten(in_tree, xs))
    y, rows, out_tree = run_jet(operation, describe_function(fun), call, leaves, terms, order)
    outs = tree.leaves(y)
    flat: list[Any] = []
    for x, row in zip(outs, rows, strict=True):
        row = _scaled(row, divide=False) if factorial_scaled else row
        flat += [tangent_of_result(x) if t is None else plain_output(t) for t in row]
    flat = distinct(flat, [*given, *outs])
    lists_out = [
        None if is_static_leaf(x) else flat[i * order : (i + 1) * order] for i, x in enumerate(outs)
    ]
    return y, tree.unflatten(out_tree, lists_out)


def run_jet(
    operation: str,
    name: str,
    fun: Callable[..., Any],
    leaves: Sequence[Any],
    terms: Sequence[Sequence[Array | None] | None],
    order: int,
) -> tuple[Any, list[list[Array | None]], tree.TreeDef]:
    """The result of a function of leaves, the coefficients of order 1 to n of its leaves, and its
    structure. `terms` are those of the arguments; None for constants.
    """
    trace = JetTrace(name, order)
    try:
        values = [
            x if ts is None else trace.wrap([x, *ts]) for x, ts in zip(leaves, terms, strict=True)
        ]
        outs, out_tree = flatten_result(operation, fun(*values))
    finally:
        trace.close()
    mine = [type(o) is JetTracer and o._trace is trace for o in outs]
    rows = [row_of(o, m, order) for o, m in zip(outs, mine, strict=True)]
    plain = [plain_output(o.primal if m else o) for o, m in zip(outs, mine, strict=True)]
    return tree.unflatten(out_tree, distinct(plain)), rows, out_tree


# The series of the arguments.


def _lists(operation: str, series: Any, in_tree: tree.TreeDef) -> list[Any]:
    """The list of terms, or None, for each leaf of the arguments."""
    if not isinstance(series, tuple | list):
        raise TreeError(
            f"{operation}: the series must come as a tuple with one item for each argument.",
            got=type(series).__name__,
            fix="write ((x1, x2),) for one argument with two derivatives",
        )
    if len(series) != len(in_tree.children):
        raise TreeError(
            f"{operation}: there must be a series for each argument.",
            got=f"{len(series)} for {len(in_tree.children)} arguments",
            needed="a list of terms for each argument, or None where it is constant",
        )
    found: list[Any] = []
    for i, (child, given) in enumerate(zip(in_tree.children, series, strict=True)):
        _lists_into(operation, child, given, f"[{i}]", found)
    return found


def _lists_into(
    operation: str, treedef: tree.TreeDef, given: Any, path: str, found: list[Any]
) -> None:
    if given is None:
        found += [None] * treedef.size
        return
    if treedef.kind is None:
        if isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim):
            found.append(list(given))
            return
        raise TreeError(
            f"{operation}: the series{path} must be a list of terms.",
            got=repr(given),
            needed="(x1, x2, ...), the derivatives of order 1, 2, ...",
        )
    kind = type(given)
    children, meta = (None, None) if find_node(kind) is None else node_of(kind).split(given)
    parts = None if children is None else list(children)
    if (
        kind is not treedef.kind
        or meta != treedef.meta
        or len(parts or ()) != len(treedef.children)
    ):
        raise TreeError(
            f"{operation}: the series{path} does not have the structure of its argument.",
            got=repr(tree.structure(given)),
            needed=f"{treedef!r}, with a list of terms for each leaf",
            fix='write {"w": [w1, w2], "b": [b1, b2]} for an argument {"w": w, "b": b}',
        )
    assert parts is not None
    for i, (child, part) in enumerate(zip(treedef.children, parts, strict=True)):
        _lists_into(operation, child, part, path + node_of(kind).key(meta, i), found)


def _order(operation: str, lists: Sequence[Any], in_tree: tree.TreeDef) -> int:
    """The number of terms, which must be the same everywhere."""
    paths = leaf_paths(in_tree, "")
    sizes = {p: len(ts) for p, ts in zip(paths, lists, strict=True) if ts is not None}
    if len(set(sizes.values())) > 1:
        raise ShapeError(
            f"{operation}: the series must have the same number of terms for all arguments.",
            got=", ".join([f"{n} in series{path}" for path, n in sizes.items()]),
            fix="fill up with None, which stands for zeros",
        )
    if not sizes:
        raise TreeError(
            f"{operation}: no argument has a series.",
            got="None for all of them",
            needed="a list of terms for one argument or more; its length is the order",
        )
    return next(iter(sizes.values()))


def _term(operation: str, path: str, k: int, t: Any, aval: ShapedArray) -> Array | None:
    if t is None:
        return None
    return match_leaf(operation, f"the term {path}[{k}] of the series", t, aval, "its primal")


def _check_constant(operation: str, path: str, leaf: Any, terms: Sequence[Any]) -> None:
    """Terms of a leaf without derivatives must be None, or zeros."""
    if any([t is not None and np.any(t) for t in terms]):
        what = "no array" if is_static_leaf(leaf) else repr(aval_of(leaf))
        raise TreeError(
            f"{operation}: the series{path} must be None, as its primal has no derivative.",
            got=f"terms for {what}",
            fix="write None; or pass the argument as floats",
        )


def check_factorials(
    operation: str, order: int, avals: Sequence[ShapedArray], instead: str
) -> None:
    """Raise if a factorial is too large for the dtypes."""
    highest = min([HIGHEST_FACTORIAL.get(v.dtype.str[1:], 170) for v in avals], default=170)
    if order > highest:
        raise UnsupportedError(
            f"{operation}: derivatives of order {order} are scaled by {order}!, which is too large "
            "for the dtype.",
            needed=f"order {highest} or less",
            fix=f"use coefficients of the power series, which are not scaled: {instead}",
        )


def _scaled(terms: Sequence[Array | None], divide: bool) -> list[Array | None]:
    """Terms of order 1 to n divided, or multiplied, by k!."""
    return [
        t if t is None or k < 2 else t / float(factorial(k)) if divide else t * float(factorial(k))
        for k, t in enumerate(terms, 1)
    ]
