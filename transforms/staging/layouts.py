"""Functions written for one form of arguments, or of results: a hit in the cache costs little more
than the checks that it needs.

`Layout.read(args, kwargs)` checks that the arguments have the form, and the static values; looks up
the signature by shapes and dtypes; and runs what it finds. There are forms with traced values too.
`rebuilder` makes the function that puts flat results together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, Final

import numpy as np

from ...core.aval import SCALAR_AVALS, Array, ShapedArray
from ...core.tracing import Tracer
from ...core.treedef import Fixed, TreeDef, is_namedtuple, node_of
from ..passes.rewriting import frozen
from .calls import staged_p
from .signature import Given, Owner

__all__ = ["MISS", "Layout", "fast_key", "joiner", "rebuilder"]

MISS: Final = object()
"""What `read` returns where the arguments have another form, or no signature is known."""

_NUMBERS: Final[dict[str, Callable[[Any], Any]]] = {
    "f": float,
    "c": complex,
    "i": int,
    "u": int,
    "b": bool,
}


@lru_cache(maxsize=512)
def _code(text: str) -> CodeType:
    return compile(text, "<layout>", "exec")


class _Text:
    """Lines of a function, and the names in it."""

    def __init__(self, head: str) -> None:
        self.lines = [head]
        self.names: dict[str, Any] = {"MISS": MISS, "ndarray": np.ndarray}
        self.count = 0

    def line(self, text: str, indent: int = 1) -> None:
        """Add a line."""
        self.lines.append("    " * indent + text)

    def new(self, stem: str) -> str:
        """A new name."""
        self.count += 1
        return f"{stem}{self.count}"

    def refer(self, stem: str, value: Any) -> str:
        """A name for a value."""
        name = self.new(stem)
        self.names[name] = value
        return name

    def key(self, value: Any) -> str:
        """A key of a dictionary."""
        return repr(value) if type(value) in (str, int, bool) else self.refer("K", value)

    def function(self, name: str) -> Callable[..., Any]:
        """The function of that name."""
        exec(_code("\n".join([*self.lines, ""])), self.names)
        found: Callable[..., Any] = self.names[name]
        return found


def fast_key(given: Given) -> Hashable:
    """The shapes and dtypes of the arrays, as `read` looks them up."""
    found: list[Any] = []
    for x in given.plain_leaves:
        if type(x) not in SCALAR_AVALS:
            found += [x.shape, x.dtype]
    return tuple(found)


def _kind(x: Any) -> tuple[type, bool]:
    """The class of a leaf, and whether it is a traced Python number."""
    return type(x), isinstance(x, Tracer) and x.aval.weak_type


class Layout:
    """Arguments of one form: one structure, the same static values, arrays and numbers at the same
    places. `table` has the entries of the cache by shapes and dtypes.
    """

    __slots__ = ("form", "read", "table")

    def __init__(self, form: Hashable, given: Given, clock: Any) -> None:
        self.form = form
        self.table: dict[Hashable, Any] = {}
        text = _Text("def read(args, kwargs):")
        self.read = _Reader(text, given).function(self.table, clock)

    @staticmethod
    def form_of(given: Given) -> Hashable:
        """What all calls of one layout have in common."""
        return given.signature.form, tuple([_kind(x) for x in given.plain_leaves])


class _Reader:
    """Writes the function `read`."""

    def __init__(self, text: _Text, given: Given) -> None:
        self.text = text
        self.given = given
        self.kinds = iter([_kind(x) for x in given.plain_leaves])
        self.traced = any([isinstance(x, Tracer) for x in given.plain_leaves])
        self.leaves: list[str] = []
        self.key: list[str] = []

    def refuse_if(self, condition: str) -> None:
        """A check."""
        self.text.line(f"if {condition}:")
        self.text.line("return MISS", 2)

    def function(self, table: dict[Hashable, Any], clock: Any) -> Callable[..., Any]:
        """The whole function."""
        text, given = self.text, self.given
        n, n_named = len(given.args), len(given.kwargs)
        named = f"len(kwargs) != {n_named}" if n_named else "kwargs"
        self.refuse_if(f"{named} or len(args) != {n}")
        of: dict[int | str, str] = {i: f"a{i}" for i in range(n)}
        if n:
            text.line(f"{', '.join([of[i] for i in range(n)])}{',' * (n == 1)} = args")
        for name in given.kwargs:
            of[name] = text.new("n")
            text.line(f"{of[name]} = kwargs.get({name!r}, MISS)")
        for place, key in given.signature.statics:
            self.static(of[place], place, key)
        parts = given.signature.treedef.children
        for place, part in zip(given.labels, parts, strict=True):
            self.node(of[place], part)
        text.names.update(find=table.get, clock=clock, next=next)
        text.line(f"entry = find(({', '.join(self.key)}{',' * (len(self.key) == 1)}))")
        self.refuse_if("entry is None or (entry.watch is not None and entry.watch.changed())")
        text.line("entry.used = next(clock)")
        flat = ", ".join(self.leaves)
        if self.traced:
            text.names["bind"] = staged_p.bind
            text.line(f"return entry.join(bind({flat}, body=entry.body))")
        else:
            text.line(f"return entry.rebuild(entry.run({flat}))")
        return text.function("read")

    def static(self, name: str, place: int | str, key: Hashable) -> None:
        """The check of a static argument."""
        text = self.text
        if isinstance(key, Owner):
            self.refuse_if(f"not {text.refer('holds', key.holds)}({name})")
            return
        given = self.given
        value = given.kwargs[place] if isinstance(place, str) else given.args[place]
        same = text.refer("S", value)
        if type(value) in (bool, type(None)) or callable(value):
            self.refuse_if(f"{name} is not {same}")
            return
        text.names["frozen"] = _frozen_or_miss
        self.refuse_if(f"{name} is not {same} and frozen({name}) != {text.refer('K', key)}")

    def node(self, name: str, treedef: TreeDef) -> None:
        """The checks of a part of the arguments."""
        text, kind = self.text, treedef.kind
        if kind is None:
            self.leaf(name)
            return
        if kind is Fixed:
            fixed = text.refer("F", treedef.meta)
            self.refuse_if(f"not {text.refer('same', _same_fixed)}({name}, {fixed})")
            return
        if kind is type(None):
            self.refuse_if(f"{name} is not None")
            return
        of_kind = "dict" if kind is dict else text.refer("T", kind)
        children = treedef.children
        names = [text.new("x") for _ in children]
        if kind is dict:
            keys: Any = treedef.meta
            self.refuse_if(f"type({name}) is not dict or len({name}) != {len(keys)}")
            if keys:
                text.line("try:")
                for x, k in zip(names, keys, strict=True):
                    text.line(f"{x} = {name}[{text.key(k)}]", 2)
                text.line("except KeyError:")
                text.line("return MISS", 2)
        elif kind is list or kind is tuple or is_namedtuple(kind):
            self.refuse_if(f"type({name}) is not {of_kind} or len({name}) != {len(children)}")
            if names:
                text.line(f"{', '.join(names)}{',' * (len(names) == 1)} = {name}")
        else:
            self.refuse_if(f"type({name}) is not {of_kind}")
            parts, meta = text.new("p"), text.new("m")
            text.line(f"{parts}, {meta} = {text.refer('split', node_of(kind).split)}({name})")
            text.line(f"{parts} = list({parts})")
            self.refuse_if(
                f"{meta} != {text.refer('M', treedef.meta)} or len({parts}) != {len(children)}"
            )
            if names:
                text.line(f"{', '.join(names)}{',' * (len(names) == 1)} = {parts}")
        for x, c in zip(names, children, strict=True):
            self.node(x, c)

    def leaf(self, name: str) -> None:
        """The check of an array or a number."""
        kind, weak = next(self.kinds)
        of_kind = "ndarray" if kind is np.ndarray else self.text.refer("T", kind)
        self.refuse_if(f"type({name}) is not {of_kind}")
        if kind not in SCALAR_AVALS:
            self.key += [f"{name}.shape", f"{name}.dtype"]
            if kind is not np.ndarray:
                self.text.names["is_weak"] = _is_weak
                self.refuse_if(f"{'not ' * weak}(not {name}.shape and is_weak({name}))")
        self.leaves.append(name)


def _is_weak(x: Array) -> bool:
    found: bool = x.aval.weak_type
    return found


def _frozen_or_miss(value: Any) -> Hashable:
    """The key of a static argument; no key at all for what is not hashable."""
    try:
        hash(value)
    except TypeError:
        return MISS
    return frozen(value)


def _same_fixed(x: Any, fixed: Fixed) -> bool:
    return type(x) is type(fixed.value) and Fixed(x) == fixed


# Results.


def rebuilder(out_tree: TreeDef, avals: Sequence[ShapedArray]) -> Callable[[tuple[Any, ...]], Any]:
    """The function from flat results to the result: arrays, NumPy's scalars, and Python's numbers
    where these are the result of Python's.
    """
    if out_tree.kind is None and avals[0].shape:
        return _only
    return _joiner(out_tree, avals)


def joiner(out_tree: TreeDef, n: int) -> Callable[[tuple[Any, ...]], Any]:
    """The same for results that are traced, or may be."""
    return _joiner(out_tree, [None] * n)


def _joiner(
    out_tree: TreeDef, avals: Sequence[ShapedArray | None]
) -> Callable[[tuple[Any, ...]], Any]:
    text = _Text("def rebuild(flat):")
    names = [text.new("y") for _ in avals]
    if names:
        text.line(f"{', '.join(names)}{',' * (len(names) == 1)} = flat")
    for y, aval in zip(names, avals, strict=True):
        if aval is not None and not aval.shape:
            kind = _NUMBERS[aval.dtype.kind] if aval.weak_type else aval.dtype.type
            of_kind = text.refer("T", kind)
            text.line(f"if type({y}) is not {of_kind}:")
            text.line(f"{y} = {of_kind}({y})", 2)
    text.line(f"return {_build(text, out_tree, iter(names))}")
    return text.function("rebuild")


def _only(flat: tuple[Any, ...]) -> Any:
    return flat[0]


def _build(text: _Text, treedef: TreeDef, leaves: Any) -> str:
    """The expression for a result."""
    kind = treedef.kind
    if kind is None:
        return str(next(leaves))
    if kind is type(None):
        return "None"
    if kind is Fixed:
        fixed: Any = treedef.meta
        return text.refer("F", fixed.value)
    children = [_build(text, c, leaves) for c in treedef.children]
    if kind is dict:
        keys: Any = treedef.meta
        of = dict(zip(keys, children, strict=True))
        order = keys if treedef.order is None else treedef.order
        return "{" + ", ".join([f"{text.key(k)}: {of[k]}" for k in order]) + "}"
    if kind is tuple:
        return "(" + ", ".join(children) + ("," if len(children) == 1 else "") + ")"
    if kind is list:
        return "[" + ", ".join(children) + "]"
    if is_namedtuple(kind):
        return f"{text.refer('T', kind)}({', '.join(children)})"
    join = text.refer("join", node_of(kind).join)
    return f"{join}({text.refer('M', treedef.meta)}, [{', '.join(children)}])"
