"""The structures of pytrees: what the nodes are, how they print, and where two of them part.

`tree.py` has the functions on trees themselves.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cached_property
from itertools import repeat
from typing import Any, Final, NoReturn

import numpy as np

from .errors import TreeError

__all__ = ["TreeDef", "check_same_structure"]


class Node:
    """How one class of container is taken apart and put together again.

    An `automatic` one was made for a class that nobody registered, and gives way to a registration.
    """

    __slots__ = ("automatic", "join", "key", "label", "split")

    def __init__(
        self,
        label: str,
        split: Callable[[Any], tuple[Iterable[Any], Hashable]],
        join: Callable[[Any, Sequence[Any]], Any],
        key: Callable[[Any, int], str],
        automatic: bool = False,
    ) -> None:
        self.automatic = automatic
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
        if self.kind is Fixed:
            return repr(self.meta)
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
LEAF_KINDS: set[type] = set()
"""Classes that were met and are no nodes."""


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


class Fixed:
    """A value as a part of a structure: a node without children, from which the value is built."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fixed):
            return NotImplemented
        a, b = self.value, other.value
        return a is b or (type(a) is type(b) and bool(np.all(a == b)))

    def __hash__(self) -> int:
        return hash(type(self.value))

    def __repr__(self) -> str:
        return repr(self.value)


NODES[Fixed] = Node("fixed value", lambda x: ((), x), lambda fixed, xs: fixed.value, index_key)


class _Unset:
    """The type of what stands for a field of a dataclass that has not been set."""


_UNSET: Final = _Unset()
NODES[_Unset] = Node("unset field", lambda _: ((), None), lambda _, xs: _UNSET, index_key)


def _namedtuple_node(kind: Any) -> Node:
    return Node(kind.__name__, lambda t: (t, kind._fields), lambda _, xs: kind(*xs), _attribute_key)


def is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


# What a dataclass may also be, and is a leaf or has a constructor of its own then.
_NO_PLAIN_DATACLASS = (BaseException, Enum, bytes, dict, float, int, list, set, str, tuple, type)
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_ufunc__")


def _is_plain_dataclass(kind: type) -> bool:
    """True for a dataclass whose instances are nodes without registration: not for what is, or
    describes, an array.
    """
    if not is_dataclass(kind) or issubclass(kind, _NO_PLAIN_DATACLASS):
        return False
    names = {f.name for f in fields(kind)}
    describes_array = all([name in names or hasattr(kind, name) for name in ("shape", "dtype")])
    return not describes_array and not any([hasattr(kind, name) for name in _ARRAY_PROTOCOLS])


def dataclass_node(kind: Any, static: Sequence[str] = (), automatic: bool = False) -> Node:
    """The node of a dataclass: its fields in order, those in `static` in the structure."""
    of_kind = fields(kind)
    fixed = tuple([f.name for f in of_kind if f.name in static or f.metadata.get("static")])
    names = tuple([f.name for f in of_kind if f.name not in fixed])

    def split(obj: Any) -> tuple[Iterable[Any], Hashable]:
        if automatic and hasattr(obj, "__dict__"):
            _refuse_other_attributes(obj)
        return [getattr(obj, n, _UNSET) for n in names], tuple([getattr(obj, n) for n in fixed])

    def join(meta: Any, children: Sequence[Any]) -> Any:
        # Not through __init__: validation there may reject tracers, and init=False fields must
        # survive.
        obj: Any = object.__new__(kind)
        for name, value in (*zip(names, children, strict=True), *zip(fixed, meta, strict=True)):
            if value is not _UNSET:
                object.__setattr__(obj, name, value)
        return obj

    return Node(kind.__name__, split, join, lambda meta, i: f".{names[i]}", automatic)


def other_attributes(obj: Any) -> list[str]:
    """The attributes of a dataclass's instance that are no fields, and would be lost when it is
    taken apart and put together again.
    """
    kind = type(obj)
    return [
        name
        for name in getattr(obj, "__dict__", ())
        if name not in kind.__dataclass_fields__
        and not name.startswith("__")
        and not isinstance(getattr(kind, name, None), cached_property)
    ]


def _refuse_other_attributes(obj: Any) -> None:
    lost = other_attributes(obj)
    if lost:
        name = type(obj).__name__
        raise TreeError(
            f"the dataclass {name} has an attribute that is no field, and would be lost: "
            f"{lost[0]!r}.",
            needed="all attributes among the fields, where derivatives can be seen",
            fix=f"declare it in the class: {lost[0]}: Any = dataclasses.field(init=False)\n"
            f"or say how the class is taken apart: wg.tree.register({name}, ...)",
        )


def find_node(kind: type) -> Node | None:
    """The node of a class, made when the class is first met; None for a class of leaves."""
    node = NODES.get(kind)
    if node is None and kind not in LEAF_KINDS:
        if is_namedtuple(kind):
            node = NODES[kind] = _namedtuple_node(kind)
        elif _is_plain_dataclass(kind):
            node = NODES[kind] = dataclass_node(kind, automatic=True)
        else:
            LEAF_KINDS.add(kind)
    return node


def node_of(kind: type) -> Node:
    """The node of a class that is known to have one."""
    node = find_node(kind)
    assert node is not None
    return node


def check_same_structure(
    expected: TreeDef, found: TreeDef, operation: str, which: str, like: str
) -> None:
    """Raise a TreeError that shows the first place where two structures part."""
    if expected != found:
        refuse_structure(expected, found, operation, which, like, strict=True)


def refuse_structure(
    expected: TreeDef, found: TreeDef, operation: str, which: str, like: str, strict: bool
) -> NoReturn:
    """Raise the TreeError for two structures that differ; None in the place of a leaf counts only
    if `strict`.
    """
    path, want, have = first_difference(expected, found, strict)
    raise TreeError(
        f"{operation}: the structure of {which} is not that of {like}: they differ at "
        f"{path or 'the top'}.",
        got=f"{have}   in {found!r}",
        needed=f"{want}   in {expected!r}",
    )


def first_difference(
    expected: TreeDef, found: TreeDef, strict: bool = True, path: str = ""
) -> tuple[str, str, str]:
    """Path, expected and found part of the first place where two structures differ."""
    if (
        expected.kind is not found.kind
        or expected.kind is None
        or expected.kind is Fixed
        or len(expected.children) != len(found.children)
    ):
        return path, _summary(expected), _summary(found)
    if expected.meta != found.meta:
        return path, f"keys {expected.meta!r}", f"keys {found.meta!r}"
    node = node_of(expected.kind)
    for i, (a, b) in enumerate(zip(expected.children, found.children, strict=True)):
        if a != b and (strict or align(a, b, repeat(None)) is None):
            return first_difference(a, b, strict, path + node.key(expected.meta, i))
    return path, repr(expected), repr(found)


def _summary(treedef: TreeDef) -> str:
    if treedef.kind is None:
        return "a leaf"
    if treedef.kind is type(None):
        return "None"
    if treedef.kind is Fixed:
        return f"the value {treedef.meta!r}"
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


def align(expected: TreeDef, found: TreeDef, leaves: Iterable[Any]) -> list[Any] | None:
    """The leaves of a tree of the structure `found`, one for each leaf of `expected`: None where
    the tree has None instead of a leaf. None, if the structures differ in another way.
    """
    out: list[Any] = []
    return out if _align_into(expected, found, iter(leaves), out) else None


def _align_into(expected: TreeDef, found: TreeDef, leaves: Iterator[Any], out: list[Any]) -> bool:
    if expected.kind is None:
        if found.kind is not None and found.kind is not type(None):
            return False
        out.append(next(leaves) if found.kind is None else None)
        return True
    if (
        expected.kind is not found.kind
        or expected.meta != found.meta
        or len(expected.children) != len(found.children)
    ):
        return False
    for a, b in zip(expected.children, found.children, strict=True):
        if not _align_into(a, b, leaves, out):
            return False
    return True
