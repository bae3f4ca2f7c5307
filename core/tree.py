"""Pytrees: nested containers of arrays, flattened to a list of leaves and a structure that can
rebuild them.

`flatten : tree -> ([leaf], TreeDef)` and `unflatten : TreeDef, [leaf] -> tree` are inverse.
Dictionaries, lists, tuples, namedtuples, dataclasses and None are nodes; other classes become nodes
by `register`; anything else is a leaf.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, EllipsisType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeVar

import numpy as np

from .aval import SCALAR_AVALS
from .errors import LeafTypeError, TreeError
from .treedef import (
    LEAF,
    LEAF_KINDS,
    NODES,
    Fixed,
    Node,
    TreeDef,
    align,
    dataclass_node,
    find_node,
    index_key,
    is_namedtuple,
    leaf_paths,
    node_of,
    refuse_structure,
)

__all__ = [
    "TreeDef",
    "flatten",
    "leaves",
    "leaves_with_path",
    "map",
    "register",
    "register_dataclass",
    "structure",
    "unflatten",
]

C = TypeVar("C", bound=type)

_STATIC: Final = (
    str,
    bytes,
    Enum,
    type,
    np.dtype,
    np.ufunc,
    type(np.sum),  # the class of NumPy's functions, where it has one of its own
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    functools.partial,
    type(functools.cache(len)),
    ModuleType,
    EllipsisType,
    slice,
    range,
    re.Pattern,
    PurePath,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    np.datetime64,
    np.timedelta64,
)
"""Classes whose instances hold nothing to differentiate. An instance of an unknown class might."""


def register(
    kind: C,
    flatten: Callable[[Any], tuple[Iterable[Any], Hashable]],
    unflatten: Callable[[Any, Sequence[Any]], Any],
) -> C:
    """Make a class a tree node.

    Args:
        kind: the class; its subclasses are not included.
        flatten: takes an instance, returns `(children, static)`; `static` must be hashable.
        unflatten: takes `static` and the children, returns an instance.

    Returns:
        The class, so that this can close a class decorator.

    Raises:
        TreeError: if the class is a node already.

    Example:
        >>> import wengert as wg
        >>> class Interval:
        ...     def __init__(self, low, high):
        ...         self.low, self.high = low, high
        >>> _ = wg.tree.register(
        ...     Interval, lambda i: ((i.low, i.high), None), lambda _, ends: Interval(*ends)
        ... )
        >>> wg.tree.leaves(Interval(1.0, 2.0))
        [1.0, 2.0]
    """
    _add(kind, Node(kind.__name__, flatten, unflatten, index_key))
    return kind


def _add(kind: type, node: Node) -> None:
    known = NODES.get(kind)
    if is_namedtuple(kind) or (known is not None and not known.automatic):
        raise TreeError(
            f"tree.register: {kind.__name__} is a tree node already.",
            fix="register a class once, right after its definition",
        )
    LEAF_KINDS.discard(kind)
    NODES[kind] = node


def register_dataclass(kind: C, static: Sequence[str] = ()) -> C:
    """Make a dataclass a tree node, with some fields that are no leaves.

    Without registration, all fields of a dataclass hold leaves or further nodes.

    Args:
        kind: the dataclass.
        static: names of fields that are settings, not arrays: they go into the structure and must
            be hashable. Fields with `metadata={"static": True}` are added to them.

    Returns:
        The class, so that it works as a decorator.

    Raises:
        TreeError: if the class is a node already, is no dataclass, or has no field of a name in
            `static`.

    Example:
        >>> import dataclasses, wengert as wg
        >>> @dataclasses.dataclass
        ... class Power:
        ...     factor: float
        ...     exponent: int
        >>> _ = wg.tree.register_dataclass(Power, static=("exponent",))
        >>> wg.grad(lambda p: p.factor * 3.0**p.exponent)(Power(2.0, 2))
        Power(factor=np.float64(9.0), exponent=2)
    """
    if not is_dataclass(kind):
        raise TreeError(
            f"tree.register_dataclass: {kind.__name__} is not a dataclass.",
            fix="put @dataclasses.dataclass below the registration, or use tree.register",
        )
    names = tuple([f.name for f in fields(kind)])
    unknown = [name for name in static if name not in names]
    if unknown:
        raise TreeError(
            f"tree.register_dataclass: {kind.__name__} has no field {unknown[0]!r}.",
            got=f"static={tuple(static)}",
            needed=f"names among {names}",
        )
    _add(kind, dataclass_node(kind, static))
    return kind


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeDef]:
    """Take a tree apart.

    Args:
        tree: any nesting of containers.
        is_leaf: called on each node; where it says True, the node is kept whole as a leaf.

    Returns:
        The leaves, left to right (dictionaries by sorted key), and the structure.

    Example:
        >>> import wengert as wg
        >>> wg.tree.flatten({"b": 2.0, "a": [0.5, None]})
        ([0.5, 2.0], {'a': [*, None], 'b': *})
    """
    out: list[Any] = []
    return out, _flatten_into(tree, out, is_leaf)


def _flatten_into(tree: Any, out: list[Any], is_leaf: Callable[[Any], bool] | None) -> TreeDef:
    kind = type(tree)
    node = NODES.get(kind)
    if node is None:
        if kind not in LEAF_KINDS:
            node = find_node(kind)
        if node is None:
            out.append(tree)
            return LEAF
    if is_leaf is not None and is_leaf(tree):
        out.append(tree)
        return LEAF
    children, meta = node.split(tree)
    found = []
    for c in children:
        if type(c) is np.ndarray:  # the commonest leaf, told without a call
            out.append(c)
            found.append(LEAF)
        else:
            found.append(_flatten_into(c, out, is_leaf))
    order = tuple(tree) if kind is dict else None
    return TreeDef(kind, meta, tuple(found), None if order == meta else order)


def unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """Put a tree together again.

    Args:
        treedef: the structure, from `flatten` or `structure`.
        leaves: as many leaves as the structure has.

    Returns:
        The tree; dictionaries keep the order that the flattened one had.

    Raises:
        TreeError: if the number of leaves is not the structure's.

    Example:
        >>> import wengert as wg
        >>> wg.tree.unflatten(wg.tree.structure((0, {"a": 0})), [1, 2])
        (1, {'a': 2})
    """
    if type(leaves) is not list:
        leaves = list(leaves)
    if len(leaves) != treedef.size:
        raise TreeError(
            "tree.unflatten: the number of leaves does not fit the structure.",
            got=f"{len(leaves)} leaves",
            needed=f"{treedef.size}, for {treedef!r}",
        )
    return _build(treedef, iter(leaves))


def _build(treedef: TreeDef, leaves: Any) -> Any:
    if treedef.kind is None:
        return next(leaves)
    built = [next(leaves) if c.kind is None else _build(c, leaves) for c in treedef.children]
    tree = (NODES.get(treedef.kind) or node_of(treedef.kind)).join(treedef.meta, built)
    if treedef.order is not None:
        return {k: tree[k] for k in treedef.order}
    return tree


def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree, left to right.

    Args:
        tree: any tree.
        is_leaf: as in `flatten`.

    Returns:
        A list.

    Example:
        >>> import wengert as wg
        >>> wg.tree.leaves({"w": 1.0, "b": (2.0, None)})
        [2.0, 1.0]
    """
    return flatten(tree, is_leaf)[0]


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeDef:
    """The structure of a tree.

    Args:
        tree: any tree.
        is_leaf: as in `flatten`.

    Returns:
        A `TreeDef`, comparable and hashable.

    Example:
        >>> import wengert as wg
        >>> wg.tree.structure([1.0, (2.0, None)])
        [*, (*, None)]
    """
    return flatten(tree, is_leaf)[1]


def leaves_with_path(tree: Any) -> list[tuple[str, Any]]:
    """Each leaf with the expression that reaches it.

    Args:
        tree: any tree.

    Returns:
        Pairs of a path such as `['W'][0].scale` and the leaf.

    Example:
        >>> import wengert as wg
        >>> wg.tree.leaves_with_path({"W": [1.0, 2.0]})
        [("['W'][0]", 1.0), ("['W'][1]", 2.0)]
    """
    values, treedef = flatten(tree)
    return list(zip(leaf_paths(treedef, ""), values, strict=True))


def map(
    f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply a function to every leaf, or to the matching leaves of several trees.

    Args:
        f: called with one leaf of each tree.
        tree: the tree whose structure the result has.
        rest: trees of the same structure. Where the first tree has a leaf, they may have None, as
            gradients have for what is not differentiated: `f` gets it.
        is_leaf: as in `flatten`.

    Returns:
        The tree of results.

    Raises:
        TreeError: if the structures differ; the message shows where.

    Example:
        >>> import wengert as wg
        >>> wg.tree.map(lambda p, g: p - 0.5 * g, {"w": 1.0}, {"w": 4.0})
        {'w': -1.0}
        >>> p, g = {"w": 1.0, "name": "line"}, {"w": 4.0, "name": None}
        >>> wg.tree.map(lambda p, g: p if g is None else p - 0.5 * g, p, g)
        {'w': -1.0, 'name': 'line'}
    """
    first, treedef = flatten(tree, is_leaf)
    columns = [first]
    for i, other in enumerate(rest):
        values, found = flatten(other, is_leaf)
        if found != treedef:
            aligned = align(treedef, found, values)
            if aligned is None:
                which, like = f"tree {i + 2}", "the first tree"
                refuse_structure(treedef, found, "tree.map", which, like, strict=False)
            values = aligned
        columns.append(values)
    return _build(treedef, iter([f(*xs) for xs in zip(*columns, strict=True)]))


def broadcast_prefix(
    prefix: Any, treedef: TreeDef, operation: str, name: str, of: str = "the arguments"
) -> list[Any]:
    """The leaves of `prefix`, each repeated for all leaves of `treedef` below it; None counts as a
    leaf.

    Raises a TreeError where `prefix` is no prefix of the structure.
    """
    out: list[Any] = []
    _broadcast_into(prefix, treedef, out, operation, name, "", of)
    return out


def _broadcast_into(
    prefix: Any, treedef: TreeDef, out: list[Any], operation: str, name: str, path: str, of: str
) -> None:
    if prefix is None or find_node(type(prefix)) is None:
        out.extend([prefix] * treedef.size)
        return
    kind = type(prefix)
    node = node_of(kind)
    children, meta = node.split(prefix)
    children = list(children)
    if kind is not treedef.kind or len(children) != len(treedef.children) or meta != treedef.meta:
        raise TreeError(
            f"{operation}: {name} is not a prefix of the structure of {of}; they differ at "
            f"{path or 'the top'}.",
            got=f"{name}{path} = {prefix!r}",
            needed=f"one value, or a tree like {treedef!r}",
        )
    for i, (child, sub) in enumerate(zip(children, treedef.children, strict=True)):
        _broadcast_into(child, sub, out, operation, name, path + node.key(meta, i), of)


def is_static_leaf(x: Any) -> bool:
    """True for a leaf that passes through the transformations as it is: text, functions, ..."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "USMm"
    if type(x) in SCALAR_AVALS:
        return False
    return isinstance(x, _STATIC) or _draws(type(x)) or _wraps(x)


def _wraps(x: Any) -> bool:
    """True for what a decorator made of a function."""
    return callable(x) and hasattr(x, "__wrapped__")


def _draws(kind: type) -> bool:
    """True for generators of random numbers; told by name, as their modules are slow to import."""
    modules = [k.__module__ for k in kind.__mro__]
    return any([m == "random" or m.startswith("numpy.random.") for m in modules])


def with_fixed_values(treedef: TreeDef, leaves: Iterable[Any]) -> TreeDef:
    """The structure with its static leaves made parts of it."""
    fixed = [Fixed(x) if is_static_leaf(x) else x for x in leaves]
    if not any([type(x) is Fixed for x in fixed]):
        return treedef
    return structure(unflatten(treedef, fixed))


def leaf_type_error(operation: str, path: str, leaf: Any) -> LeafTypeError:
    """The error for a leaf that is neither an array nor a number."""
    if isinstance(leaf, np.ndarray):
        return LeafTypeError(
            f"{operation}: {path} is neither an array nor a number that can be traced.",
            got=f"dtype {leaf.dtype}",
            needed="a float, complex, integer or bool dtype",
            fix="convert it, x.astype(float), or close over it instead of passing it",
        )
    return LeafTypeError(
        f"{operation}: {path} is neither an array nor a number.",
        got=f"{leaf!r} of type {type(leaf).__module__}.{type(leaf).__qualname__}",
        needed="arrays, numbers, text, functions, None, in dicts, lists, tuples, namedtuples, "
        "dataclasses or registered classes",
        fix=f"say what arrays it holds, with wg.tree.register({type(leaf).__name__}, ...); make it "
        "a static\nfield with wg.tree.register_dataclass; or close over it instead of passing it",
    )
