"""Batching: `vmap : (a -> b) -> [a] -> [b]`, one run of the function for all members of a batch.

Each operation runs once, on stacked values (`batching.py`). The batch axis is moved to the front on
entry (a view) and to where `out_axes` says on exit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np

from ..core import tree
from ..core.aval import Array, aval_of
from ..core.errors import BatchError, LeafTypeError
from ..core.generators import watch
from ..core.source import boundary, describe_function
from ..core.tree import is_static_leaf
from ..core.treedef import leaf_paths
from .api import (
    argument_path,
    distinct,
    flatten_arguments,
    flatten_result,
    plain_output,
)
from .arguments import parameters_of, positional_parameters
from .batching import BatchTrace, BatchTracer
from .splitting import MAX_PATHS, run_paths

__all__ = ["vmap"]


def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    axis_name: Hashable = None,
    axis_size: int | None = None,
    control_flow: str | None = None,
    max_paths: int | None = MAX_PATHS,
) -> Callable[..., Any]:
    """Make a function that applies `fun` to every member of a batch, by running it once.

    Args:
        fun: a function of trees of arrays.
        in_axes: for each argument the axis along which it is batched, or None for an argument that
            all members share. An int; or a tuple with one item for each positional argument; or a
            dictionary with names of arguments as keys, passed by position or by keyword. An item
            may be a tree that is a prefix of the argument. Negative axes count from the end.
            Keyword arguments, and what a dictionary does not name, are batched along axis 0.
            Leaves that are no arrays (text, functions ...) reach `fun` as they are.
        out_axes: where the batch axis goes in the results: an int, None for a result that does not
            depend on the batch, or a tree that is a prefix of the result.
        axis_name: a name of the batch axis, for collectives in `fun`: `psum(x, axis_name)`.
        axis_size: the size of the batch, needed only where no argument is batched.
        control_flow: "split" lets `fun` decide by batched values: with Python's `if` and `while`,
            `range(n)`, and boolean masks. Where members differ, the batch splits, and `fun` is run
            once for each path that members take; see docs/splitting.md. None refuses this.
        max_paths: with control_flow="split", the largest number of paths; None for any.

    Returns:
        A function of arguments with one more axis, whose results have one more axis.

    Raises:
        BatchError: if the axes do not exist, or their sizes differ; the message lists every
            argument. With control_flow="split": if there are too many paths.
        ConcretizationError: if `fun` decides by a batched value, without control_flow="split".
        ShapeError: with control_flow="split", if results have other shapes on other paths.
        TreeError: if `in_axes` or `out_axes` is no prefix of the arguments or results.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(np.dot)(np.ones((2, 3)), np.ones((2, 3)))
        array([3., 3.])
        >>> wg.vmap(wg.grad(np.sin), out_axes=0)(np.zeros(2))
        array([1., 1.])
        >>> scaled = lambda x, *, scale: scale * x
        >>> wg.vmap(scaled, in_axes={"scale": None})(np.ones(2), scale=3.0)
        array([3., 3.])
        >>> root = lambda x: np.sqrt(x) if x > 0 else 0.0
        >>> wg.vmap(root, control_flow="split")(np.array([4.0, -1.0]))
        array([2., 0.])
    """
    name = describe_function(fun)
    if isinstance(axis_name, tuple | list) or not isinstance(axis_name, Hashable):
        raise BatchError(
            f"vmap of {name}: axis_name must be one name.",
            got=repr(axis_name),
            needed='text, as axis_name="i", or any other value that can be hashed',
            fix="name the axes of nested vmaps one by one",
        )
    if control_flow not in (None, "split"):
        raise BatchError(
            f"vmap of {name}: no such control_flow.",
            got=repr(control_flow),
            needed='"split", or None',
        )
    if control_flow is not None and axis_name is not None:
        raise BatchError(
            f'vmap of {name}: axis_name does not go together with control_flow="split".',
            got=f"axis_name={axis_name!r}",
            fix="collectives need all members at once: write decisions with np.where or "
            "wengert.cond",
        )
    if max_paths is not None and not (isinstance(max_paths, int | np.integer) and max_paths > 0):
        raise BatchError(
            f"vmap of {name}: max_paths must be a positive int, or None.", got=repr(max_paths)
        )
    split = None if control_flow is None else partial(run_paths, limit=max_paths)

    @boundary
    @wraps(fun, updated=())
    def batched_function(*args: Any, **kwargs: Any) -> Any:
        return _run(fun, name, in_axes, out_axes, axis_name, axis_size, split, args, kwargs)

    return batched_function


def _run(
    fun: Callable[..., Any],
    name: str,
    in_axes: Any,
    out_axes: Any,
    axis_name: Hashable,
    axis_size: int | None,
    split: Callable[..., tuple[list[Any], tree.TreeDef, BatchTrace]] | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    operation = f"vmap of {name}"
    names = sorted(kwargs)
    leaves, in_tree = flatten_arguments(operation, args)
    extra, kwargs_tree = flatten_arguments(operation, [kwargs[k] for k in names], names)
    leaves += extra

    def paths() -> list[str]:
        found = [argument_path(path) for path in leaf_paths(in_tree, "")]
        of_names = leaf_paths(kwargs_tree, "")
        return found + [f"keyword {argument_path(path, names)}" for path in of_names]

    if isinstance(in_axes, dict):
        given = _axes_by_name(operation, fun, in_axes, in_tree, kwargs_tree, names)
    else:
        given = _axes_by_position(operation, in_axes, in_tree) + [0] * len(extra)
    axes = [
        axis
        if type(axis) is int and axis == 0 and type(x) is np.ndarray and _has_lanes(x)
        else _normalize_axis(operation, paths, i, x, axis)
        for i, (x, axis) in enumerate(zip(leaves, given, strict=True))
    ]
    size = _batch_size(operation, paths, leaves, axes, axis_size)
    lanes = [
        x if axis is None or axis == 0 else np.moveaxis(x, axis, 0)
        for x, axis in zip(leaves, axes, strict=True)
    ]

    def call(trace: BatchTrace, members_of: Callable[[Array], Array] | None) -> Any:
        tracers = [
            x if axis is None else BatchTracer(trace, x if members_of is None else members_of(x))
            for x, axis in zip(lanes, axes, strict=True)
        ]
        positional = tree.unflatten(in_tree, tracers[: in_tree.size])
        by_name = tree.unflatten(kwargs_tree, tracers[in_tree.size :])
        return fun(*positional, **dict(zip(names, by_name, strict=True)))

    if split is None:
        trace = BatchTrace(name, size, axis_name)
        try:
            outs, out_tree = flatten_result(operation, call(trace, None))
        finally:
            trace.close()
    else:
        generators = partial(watch, operation, fun, (args, kwargs))
        outs, out_tree, trace = split(operation, name, size, call, generators)
    out_prefix = (
        tuple(out_axes) if isinstance(out_axes, list) and out_tree.kind is tuple else out_axes
    )
    targets = tree.broadcast_prefix(out_prefix, out_tree, operation, "out_axes", "the result")
    result_paths = leaf_paths(out_tree, "")
    finished = [
        _place(operation, path, o, axis, trace, size)
        for path, o, axis in zip(result_paths, outs, targets, strict=True)
    ]
    return tree.unflatten(out_tree, distinct(finished, leaves))


def _axes_by_position(operation: str, in_axes: Any, in_tree: tree.TreeDef) -> list[Any]:
    """The axis of each leaf of the positional arguments."""
    prefix = tuple(in_axes) if isinstance(in_axes, list) else in_axes
    n = len(in_tree.children)
    if isinstance(prefix, tuple) and len(prefix) != n:
        raise BatchError(
            f"{operation}: in_axes has another number of items than there are positional "
            "arguments.",
            got=f"{len(prefix)} items, {n} arguments",
            fix="one item for each positional argument; or a dictionary with names of arguments",
        )
    return tree.broadcast_prefix(prefix, in_tree, operation, "in_axes")


def _axes_by_name(
    operation: str,
    fun: Callable[..., Any],
    in_axes: dict[Any, Any],
    in_tree: tree.TreeDef,
    kwargs_tree: tree.TreeDef,
    names: Sequence[str],
) -> list[Any]:
    """The axis of each leaf of the positional and the keyword arguments."""
    parameters = parameters_of(fun)
    positional = [p.name for p in positional_parameters(parameters)]
    passed = [*positional[: len(in_tree.children)], *names]
    left_out = {p.name for p in parameters if p.name not in passed}
    unknown = [
        name
        for name, axis in in_axes.items()
        if name not in passed and (axis is not None or name not in left_out)
    ]
    if unknown:
        raise BatchError(
            f"{operation}: in_axes names no argument that was passed: {unknown[0]!r}.",
            got=f"the arguments {passed}",
            needed="a dictionary with their names as keys",
            fix="for a tree that is a prefix of the only argument, write in_axes=({...},)",
        )
    found: list[Any] = []
    unnamed = [None] * (len(in_tree.children) - len(passed) + len(names))
    labels = [*passed[: len(passed) - len(names)], *unnamed, *names]
    for name, part in zip(labels, in_tree.children + kwargs_tree.children, strict=True):
        axis = 0 if name is None else in_axes.get(name, 0)
        which, of = f"in_axes[{name!r}]", f"argument {name!r}"
        found += tree.broadcast_prefix(axis, part, operation, which, of)
    return found


def _has_lanes(x: Array) -> bool:
    return bool(x.shape) and x.dtype.kind in "fciub"


def _normalize_axis(
    operation: str, paths: Callable[[], list[str]], i: int, leaf: Any, axis: Any
) -> int | None:
    """The axis of leaf number i, from 0; None if it is not batched."""
    if axis is None:
        return None
    if is_static_leaf(leaf):
        if not isinstance(leaf, np.ndarray):
            return None
        raise LeafTypeError(
            f"{operation}: {paths()[i]} is an array that cannot be batched.",
            got=f"dtype {leaf.dtype}",
            needed="a float, complex, integer or bool dtype",
            fix="give in_axes=None, so that it is passed as it is",
        )
    if not isinstance(axis, int | np.integer):
        raise BatchError(
            f"{operation}: in_axes must hold ints and None.",
            got=f"{axis!r} for {paths()[i]}",
            fix="see help(wengert.vmap)",
        )
    aval = aval_of(leaf)
    if not -aval.ndim <= axis < aval.ndim:
        raise BatchError(
            f"{operation}: {paths()[i]} has no axis {axis}.",
            got=repr(aval),
            needed=f"at least {axis + 1 if axis >= 0 else -axis} axes",
            fix="give in_axes=None for an argument that is not batched",
        )
    return int(axis) % aval.ndim


def _batch_size(
    operation: str,
    paths: Callable[[], list[str]],
    leaves: Sequence[Any],
    axes: Sequence[int | None],
    axis_size: int | None,
) -> int:
    if axis_size is not None and not (isinstance(axis_size, int | np.integer) and axis_size >= 0):
        raise BatchError(f"{operation}: axis_size must be a non-negative int.", got=repr(axis_size))
    sizes = [
        None if axis is None else aval_of(x).shape[axis]
        for x, axis in zip(leaves, axes, strict=True)
    ]
    found = [s for s in sizes if s is not None]
    wanted = (
        axis_size if axis_size is not None else max(set(found), key=found.count) if found else None
    )
    if wanted is None:
        raise BatchError(
            f"{operation}: no argument is batched, so the size of the batch is unknown.",
            needed="an argument whose in_axes is not None, or axis_size=",
        )
    if any([s != wanted for s in found]):
        rows = [
            f"{'-' if s is None else '✓' if s == wanted else '✗'} {path}: "
            + (repr(x) if is_static_leaf(x) else repr(aval_of(x)))
            + ("" if axis is None else f", axis {axis} of size {s}")
            for path, x, axis, s in zip(paths(), leaves, axes, sizes, strict=True)
        ]
        source = "axis_size says" if axis_size is not None else "most arguments say"
        raise BatchError(
            f"{operation}: the batch sizes differ.",
            got="\n".join(rows),
            needed=f"size {wanted} everywhere ({source} so)",
            fix="give in_axes=None for an argument that all members share",
        )
    return wanted


def _place(operation: str, path: str, o: Array, axis: Any, trace: BatchTrace, size: int) -> Array:
    """A result with its batch axis where out_axes wants it; what is no array stays as it is."""
    batched = type(o) is BatchTracer and o._trace is trace
    if not batched and is_static_leaf(o) and not isinstance(o, np.ndarray):
        return o
    if axis is None:
        if batched:
            raise BatchError(
                f"{operation}: out_axes is None for the result{path}, but it differs between "
                "members of the batch.",
                got=repr(o.aval),
                fix="give the axis at which the batch should stand in this result",
            )
        return plain_output(o)
    if not isinstance(axis, int | np.integer):
        raise BatchError(f"{operation}: out_axes must hold ints and None.", got=repr(axis))
    ndim = aval_of(o).ndim + 1
    if not -ndim <= axis < ndim:
        raise BatchError(
            f"{operation}: the result{path} has no place for a batch axis at {axis}.",
            got=f"{aval_of(o)!r} for each member",
            needed=f"an out_axes between {-ndim} and {ndim - 1}",
        )
    value = o.value if batched else np.broadcast_to(o, (size, *aval_of(o).shape))
    return plain_output(value if axis % ndim == 0 else np.moveaxis(value, 0, axis))
