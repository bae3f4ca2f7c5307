"""What all transformations do at their edge: flatten and check arguments, tell what is
differentiated from what passes through, unwrap results, show errors well.

Three kinds of leaves: arrays and numbers with a derivative (float and complex ones); arrays and
numbers without one; and static leaves (text, functions, dates ...), which no transformation looks
at. `arguments.py` picks out `argnums` and `argnames`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core import tree
from ..core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ..core.dispatch import DEFER, coerce
from ..core.errors import DtypeError, LeafTypeError, TreeError
from ..core.selection import Selection
from ..core.storage import current
from ..core.tracing import Tracer
from ..core.tree import is_static_leaf
from ..core.treedef import NODES, align, check_same_structure, leaf_paths, other_attributes

__all__ = [
    "aligned_leaves",
    "argument_path",
    "differentiable_leaves",
    "distinct",
    "flatten_arguments",
    "flatten_result",
    "map_aux",
    "plain_output",
    "split_aux",
    "type_of_leaf",
    "without",
]


def is_array_leaf(x: Any) -> bool:
    """True for what the transformations take as a leaf: arrays of numbers, numbers, tracers."""
    if type(x) is np.ndarray:
        return x.dtype.kind in "fciub"
    return type(x) in SCALAR_AVALS or isinstance(x, Tracer)


def as_array_leaf(operation: str, path: str, x: Any) -> Array:
    """A leaf as an array, a number or a tracer; LeafTypeError for anything else."""
    if is_array_leaf(x):
        return x
    if isinstance(x, Selection):
        return x.elements(f"{operation}: {path}")
    y = None if isinstance(x, str | bytes) else coerce(x)
    if y is DEFER and hasattr(x, "to_numpy"):  # a pandas Series
        y = x.to_numpy()
    if y is None or y is DEFER or not is_array_leaf(y) or aval_of(y).dtype.kind not in "fciub":
        raise tree.leaf_type_error(operation, path, x)
    return y


Labels = Sequence[int | str] | None
"""The positions or names under which the user knows the arguments; None for 0, 1, 2, ..."""


def argument_path(path: str, labels: Labels = None) -> str:
    """`[1]['W']` as `argument 1['W']`."""
    head, _, rest = path[1:].partition("]")
    return f"argument {head if labels is None else labels[int(head)]}{rest}"


def flatten_arguments(
    operation: str, args: Sequence[Any], labels: Labels = None
) -> tuple[list[Any], tree.TreeDef]:
    """Leaves and structure of a tuple of arguments, with arrays or static values as leaves;
    LeafTypeError for any other leaf.
    """
    if not isinstance(args, tuple | list):
        raise TreeError(
            f"{operation}: the arguments must come as a tuple.",
            got=type(args).__name__,
            needed="a tuple with one item for each argument",
            fix="write (x,) for one argument",
        )
    leaves, treedef = tree.flatten(tuple(args))
    for i, leaf in enumerate(leaves):
        if not is_array_leaf(leaf):
            if not is_static_leaf(leaf):
                path = argument_path(leaf_paths(treedef, "")[i], labels)
                leaves[i] = as_array_leaf(operation, path, leaf)
        elif isinstance(leaf, Tracer):
            leaves[i] = current(leaf)
    return leaves, treedef


def is_described(x: Any) -> bool:
    """True for what has a `shape` and a `dtype` and no values."""
    described = hasattr(x, "shape") and hasattr(x, "dtype") and not hasattr(x, "__array__")
    return described and not isinstance(x, np.ndarray | Tracer)


def type_of_leaf(operation: str, path: str, x: Any, labels: Labels = None) -> ShapedArray:
    """The type of a leaf, which may be anything with `shape` and `dtype`."""
    if is_described(x):
        return ShapedArray(tuple(x.shape), np.dtype(x.dtype), getattr(x, "weak_type", False))
    return aval_of(as_array_leaf(operation, argument_path(path, labels), x))


def differentiable_leaves(
    operation: str,
    leaves: Sequence[Any],
    treedef: tree.TreeDef,
    labels: Labels = None,
    each: bool = False,
) -> tuple[list[ShapedArray], list[int] | None]:
    """The types of the leaves that have a derivative, and their positions (None: all of them).

    An error if there are leaves and none of them has one; with `each`, in any of the arguments.
    """
    try:
        avals = [aval_of(x) for x in leaves]
    except AttributeError:
        pass  # a static leaf has no type
    else:
        for aval in avals:
            if aval.dtype.kind not in "fc":
                break
        else:
            return avals, None
    active = [
        i for i, x in enumerate(leaves) if not is_static_leaf(x) and aval_of(x).dtype.kind in "fc"
    ]
    start = 0
    for part in treedef.children if each else (treedef,):
        inside = range(start, start + part.size)
        start += part.size
        if inside and not any([i in inside for i in active]):
            _refuse_without_derivative(operation, leaves, inside, leaf_paths(treedef, ""), labels)
    return [aval_of(leaves[i]) for i in active], active


def _refuse_without_derivative(
    operation: str, leaves: Sequence[Any], inside: range, paths: Sequence[str], labels: Labels
) -> NoReturn:
    """Raise the error for an argument that has leaves, but none with a derivative."""
    i = next((i for i in inside if not is_static_leaf(leaves[i])), inside[0])
    leaf, path = leaves[i], argument_path(paths[i], labels)
    if is_static_leaf(leaf):
        raise LeafTypeError(
            f"{operation}: {path} is neither an array nor a number, so it has no derivative.",
            got=f"{leaf!r} of type {type(leaf).__module__}.{type(leaf).__qualname__}",
            needed="floats or complex numbers somewhere in the argument",
            fix="leave it out of what is differentiated (argnums, argnames, or a closure)",
        )
    aval = aval_of(leaf)
    raise DtypeError(
        f"{operation}: {path} consists of {'bools' if aval.dtype.kind == 'b' else 'integers'}, "
        "which have no derivative.",
        got=repr(aval),
        needed="a float or complex dtype",
        fix="pass it as floats, x.astype(float) or 2.0 instead of 2; or leave it out of what is "
        "differentiated (argnums, or a closure)",
    )


def without(treedef: tree.TreeDef, kept: Sequence[int] | None) -> tree.TreeDef:
    """The structure with None in the place of all leaves but those at the positions `kept`."""
    if kept is None:
        return treedef
    return tree.structure(tree.unflatten(treedef, spread(treedef, kept, [0] * len(kept))))


def spread(treedef: tree.TreeDef, kept: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """One item for each leaf of the structure: the values at the positions `kept`, else None."""
    found: list[Any] = [None] * treedef.size
    for i, x in zip(kept, values, strict=True):
        found[i] = x
    return found


def aligned_leaves(
    operation: str,
    given: Any,
    treedef: tree.TreeDef,
    active: Sequence[int] | None,
    which: str,
    like: str,
    zeros: bool = True,
) -> list[Any]:
    """The leaves of tangents or cotangents `given` for those leaves of `treedef` that have a
    derivative, at the positions `active` (None: all). In the place of any other belongs None, or
    zeros, or without `zeros` anything.
    """
    leaves, found = tree.flatten(given)
    if active is None:
        check_same_structure(treedef, found, operation, which, like)
        return leaves
    wanted = without(treedef, active)
    if found == wanted:
        return leaves
    aligned = align(treedef, found, leaves)
    if aligned is None or any([aligned[i] is None for i in active]):
        check_same_structure(wanted, found, operation, which, like)
    assert aligned is not None
    for i, t in enumerate(aligned):
        if zeros and t is not None and i not in active and not _is_zero(t):
            path = leaf_paths(treedef, "")[i]
            raise DtypeError(
                f"{operation}: {which} must be None at {path or 'the top'}, where {like} have no "
                "derivative.",
                got=repr(t),
                needed="None, or a zero",
            )
    return [aligned[i] for i in active]


def _is_zero(t: Any) -> bool:
    return is_array_leaf(t) and not isinstance(t, Tracer) and not np.any(t)


def flatten_result(
    operation: str, result: Any, what: str = "the result"
) -> tuple[list[Any], tree.TreeDef]:
    """Leaves and structure of a function's result, with arrays or static values as leaves;
    LeafTypeError for any other leaf.
    """
    leaves, treedef = tree.flatten(result)
    for i, leaf in enumerate(leaves):
        if not is_array_leaf(leaf):
            if not is_static_leaf(leaf):
                path = leaf_paths(treedef, "")[i]
                leaves[i] = as_array_leaf(operation, f"{what}{path}", leaf)
        elif isinstance(leaf, Tracer):
            leaves[i] = current(leaf)
    return leaves, treedef


def plain_output(x: Array) -> Array:
    """A result as the user gets it: a NumPy scalar, or an array that can be written to."""
    if type(x) is np.ndarray:
        if not x.shape:
            return x[()]
        return x if x.flags.writeable else x.copy()
    if type(x) is float or type(x) is complex:
        return aval_of(x).dtype.type(x)
    return x


def distinct(results: Sequence[Array], given: Sequence[Array] = ()) -> list[Array]:
    """Results of which no two share memory, nor any with what the caller gave."""
    seen = {_owner(x) for x in given if type(x) is np.ndarray}
    found = []
    for x in results:
        if type(x) is np.ndarray:
            if _owner(x) in seen:
                x = x.copy()
            seen.add(_owner(x))
        found.append(x)
    return found


def _owner(x: Array) -> int:
    """The identity of the object that holds the memory of an array."""
    return id(x if x.base is None else x.base)


def split_aux(operation: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """The pair (result, aux) that a function with has_aux must return; aux is None without it."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TreeError(
            f"{operation}: with has_aux=True the function must return a pair (result, aux).",
            got=f"{type(result).__name__}"
            + (f" of {len(result)}" if isinstance(result, tuple) else ""),
            needed="a tuple of two",
            fix="return y, aux; or leave has_aux out",
        )
    return result


def map_aux(f: Callable[[Any], Any], aux: Any) -> Any:
    """Apply a function to the leaves of an auxiliary result, which may be anything."""
    return tree.map(f, aux, is_leaf=_cannot_be_taken_apart)


def _cannot_be_taken_apart(x: Any) -> bool:
    node = NODES.get(type(x))
    return node is not None and node.automatic and bool(other_attributes(x))
