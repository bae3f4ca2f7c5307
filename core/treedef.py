"""The structures of pytrees: what the nodes are, how they print, and where two of them part.

`tree.py` has the functions on trees themselves.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from .errors import TreeError

__all__ = ["TreeDef", "check_same_structure"]


class Node:
    """How one class of container is taken apart and put together again."""

    __slots__ = ("join", "key", "label", "split")

    def __init__(
        self,
        label: str,
        split: Callable[[Any], tuple[Iterable[Any], Hashable]],
        join: Callable[[Any, Sequence[Any]], Any],
        key: Callable[[Any, int], str],
    ) -> None:
        self.label = label
        self.split = split
        self.join = join
        self.key = key


class TreeDef:
    """The structure of a tree, without its leaves. Compared by value, hashable, printed as the tree
    with `*` leaves.
    """

    __slots__ = ("children", "kind", "meta", "order", "size")

    def __init__(
        self,
        kind: type | None,
        meta: Hashable,
        children: tuple[TreeDef, ...],
        order: tuple[Any, ...] | None = None,
    ) -> None:
        self.kind = kind
        self.meta = meta
        self.children = children
        self.order = order
        size = 1 if kind is None else 0
        for c in children:
            size += c.size
        self.size: int = size

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeDef):
            return NotImplemented
        return (
            self.kind is other.kind and self.meta == other.meta and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.meta, self.children))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        inner = [repr(c) for c in self.children]
        if self.kind is type(None):
            return "None"
        if self.kind is tuple:
            return "(" + ", ".join(inner) + ("," if len(inner) == 1 else "") + ")"
        if self.kind is list:
            return "[" + ", ".join(inner) + "]"
        if self.kind is dict:
            keys = self.meta
            assert isinstance(keys, tuple)
            return "{" + ", ".join(f"{k!r}: {v}" for k, v in zip(keys, inner, strict=True)) + "}"
        node = node_of(self.kind)
        named = [f"{node.key(self.meta, i).lstrip('.')}={v}" for i, v in enumerate(inner)]
        return f"{self.kind.__name__}({', '.join(named)})"


LEAF = TreeDef(None, None, ())
NODES: dict[type, Node] = {}


def _sorted_keys(keys: Iterable[Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(keys))
    except (
        TypeError
    ):  # keys of several types: any fixed order will do, as long as equal dicts agree
        return tuple(sorted(keys, key=lambda k: (type(k).__name__, repr(k))))


def _split_dict(d: dict[Any, Any]) -> tuple[Iterable[Any], Hashable]:
    keys = _sorted_keys(d)
    return [d[k] for k in keys], keys


def _split_defaultdict(d: defaultdict[Any, Any]) -> tuple[Iterable[Any], Hashable]:
    keys = _sorted_keys(d)
    return [d[k] for k in keys], (d.default_factory, keys)


def index_key(meta: Any, i: int) -> str:
    return f"[{i}]"


def _attribute_key(names: Any, i: int) -> str:
    return f".{names[i]}"


NODES[dict] = Node(
    "dict",
    _split_dict,
    lambda keys, xs: dict(zip(keys, xs, strict=True)),
    lambda k, i: f"[{k[i]!r}]",
)
NODES[OrderedDict] = Node(
    "OrderedDict",
    lambda d: (list(d.values()), tuple(d)),
    lambda keys, xs: OrderedDict(zip(keys, xs, strict=True)),
    lambda keys, i: f"[{keys[i]!r}]",
)
NODES[defaultdict] = Node(
    "defaultdict",
    _split_defaultdict,
    lambda meta, xs: defaultdict(meta[0], zip(meta[1], xs, strict=True)),
    lambda meta, i: f"[{meta[1][i]!r}]",
)
NODES[list] = Node("list", lambda xs: (xs, None), lambda _, xs: list(xs), index_key)
NODES[tuple] = Node("tuple", lambda xs: (xs, None), lambda _, xs: tuple(xs), index_key)
NODES[type(None)] = Node("None", lambda _: ((), None), lambda _, xs: None, index_key)


def _namedtuple_node(kind: Any) -> Node:
    return Node(kind.__name__, lambda t: (t, kind._fields), lambda _, xs: kind(*xs), _attribute_key)


def is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def node_of(kind: type) -> Node:
    node = NODES.get(kind)
    if node is None:
        node = NODES[kind] = _namedtuple_node(kind)
    return node


def is_node(kind: type) -> bool:
    return kind in NODES or is_namedtuple(kind)


def check_same_structure(
    expected: TreeDef, found: TreeDef, operation: str, which: str, like: str
) -> None:
    """Raise a TreeError that shows the first place where two structures part."""
    if expected == found:
        return
    path, want, have = first_difference(expected, found)
    raise TreeError(
        f"{operation}: the structure of {which} is not that of {like}: they differ at "
        f"{path or 'the top'}.",
        got=f"{have}   in {found!r}",
        needed=f"{want}   in {expected!r}",
    )


def first_difference(expected: TreeDef, found: TreeDef, path: str = "") -> tuple[str, str, str]:
    """Path, expected and found part of the first place where two structures differ."""
    if (
        expected.kind is not found.kind
        or expected.kind is None
        or len(expected.children) != len(found.children)
    ):
        return path, _summary(expected), _summary(found)
    if expected.meta != found.meta:
        return path, f"keys {expected.meta!r}", f"keys {found.meta!r}"
    node = node_of(expected.kind)
    for i, (a, b) in enumerate(zip(expected.children, found.children, strict=True)):
        if a != b:
            return first_difference(a, b, path + node.key(expected.meta, i))
    return path, repr(expected), repr(found)


def _summary(treedef: TreeDef) -> str:
    if treedef.kind is None:
        return "a leaf"
    if treedef.kind is type(None):
        return "None"
    if treedef.kind is dict:
        return f"a dict with keys {list(treedef.meta)!r}"  # type: ignore[call-overload]  # meta of a dict: its keys
    return f"a {node_of(treedef.kind).label} of {len(treedef.children)}"


def leaf_paths(treedef: TreeDef, prefix: str) -> list[str]:
    if treedef.kind is None:
        return [prefix]
    node = node_of(treedef.kind)
    found: list[str] = []
    for i, child in enumerate(treedef.children):
        found += leaf_paths(child, prefix + node.key(treedef.meta, i))
    return found
