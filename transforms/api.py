"""What all transformations do at their edge: flatten and check arguments, pick out argnums, unwrap
results, show errors well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ..core.dispatch import DEFER, coerce
from ..core.errors import DtypeError, ShapeError, TreeError
from ..core.storage import current
from ..core.tracing import Tracer

__all__ = [
    "argument_path",
    "check_differentiable",
    "distinct",
    "flatten_arguments",
    "flatten_result",
    "plain_output",
    "select_arguments",
    "split_aux",
    "type_of_leaf",
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
    y = None if isinstance(x, str | bytes) else coerce(x)
    if y is DEFER and hasattr(x, "to_numpy"):  # a pandas Series
        y = x.to_numpy()
    if y is None or y is DEFER or not is_array_leaf(y) or aval_of(y).dtype.kind not in "fciub":
        raise tree.leaf_type_error(operation, path, x)
    return y


def argument_path(path: str) -> str:
    """`[1]['W']` as `argument 1['W']`."""
    head, _, rest = path[1:].partition("]")
    return f"argument {head}{rest}"


def flatten_arguments(operation: str, args: Sequence[Any]) -> tuple[list[Array], tree.TreeDef]:
    """Leaves and structure of a tuple of arguments; LeafTypeError for a leaf that is no array."""
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
            path = tree.leaves_with_path(tuple(args))[i][0]
            leaves[i] = as_array_leaf(operation, argument_path(path), leaf)
        elif isinstance(leaf, Tracer):
            leaves[i] = current(leaf)
    return leaves, treedef


def type_of_leaf(operation: str, path: str, x: Any) -> ShapedArray:
    """The type of a leaf, which may be anything with `shape` and `dtype`."""
    described = hasattr(x, "shape") and hasattr(x, "dtype") and not hasattr(x, "__array__")
    if described and not isinstance(x, np.ndarray | Tracer):
        return ShapedArray(tuple(x.shape), np.dtype(x.dtype), getattr(x, "weak_type", False))
    return aval_of(as_array_leaf(operation, argument_path(path), x))


def check_differentiable(
    operation: str, args: Sequence[Any], leaves: Sequence[Array]
) -> list[ShapedArray]:
    """The types of the leaves; DtypeError for an integer or bool one."""
    avals = [aval_of(x) for x in leaves]
    for i, aval in enumerate(avals):
        if aval.dtype.kind not in "fc":
            path = argument_path(tree.leaves_with_path(tuple(args))[i][0])
            kind = "bools" if aval.dtype.kind == "b" else "integers"
            raise DtypeError(
                f"{operation}: {path} consists of {kind}, which have no derivative.",
                got=repr(aval),
                needed="a float or complex dtype",
                fix="pass it as floats, x.astype(float) or 2.0 instead of 2; or leave it out of "
                "what is differentiated (argnums, or a closure)",
            )
    return avals


def flatten_result(operation: str, result: Any) -> tuple[list[Array], tree.TreeDef]:
    """Leaves and structure of a function's result; LeafTypeError for a leaf that is no array."""
    leaves, treedef = tree.flatten(result)
    for i, leaf in enumerate(leaves):
        if not is_array_leaf(leaf):
            path = tree.leaves_with_path(result)[i][0]
            leaves[i] = as_array_leaf(operation, f"the result{path}", leaf)
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


def select_arguments(
    operation: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A function of the arguments in `argnums` alone, and those arguments."""
    if isinstance(argnums, str) or not isinstance(argnums, int | np.integer | Sequence):
        raise DtypeError(
            f"{operation}: argnums must be an int or a tuple of ints.", got=repr(argnums)
        )
    numbers = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    if not all([isinstance(i, int | np.integer) for i in numbers]):
        raise DtypeError(
            f"{operation}: argnums must be an int or a tuple of ints.", got=repr(argnums)
        )
    n = len(args)
    positions = [i + n if i < 0 else i for i in numbers]
    if any([not 0 <= i < n for i in positions]):
        names = f" and the keyword arguments {sorted(kwargs)}" if kwargs else ""
        raise ShapeError(
            f"{operation}: argnums={argnums} is out of range.",
            got=f"{n} positional argument{'s' * (n != 1)}{names}",
            needed="the position of a positional argument",
            fix="pass what is differentiated by position",
        )
    if len(set(positions)) != len(positions):
        raise ShapeError(f"{operation}: argnums={argnums} names an argument twice.")

    def selected(*chosen: Any) -> Any:
        full = list(args)
        for i, x in zip(positions, chosen, strict=True):
            full[i] = x
        return fun(*full, **kwargs)

    selected.__name__ = getattr(fun, "__name__", type(fun).__name__)
    selected.__wrapped__ = fun  # type: ignore[attr-defined]  # so that messages name the user's function
    return selected, tuple([args[i] for i in positions])
