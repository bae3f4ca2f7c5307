"""Arguments taken apart, and results put together, in the text."""

from __future__ import annotations

import ast
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from typing import Any

from ...core.errors import UnsupportedError
from ...core.tree import TreeDef
from ...core.treedef import Fixed, is_namedtuple, node_of
from .module import Module, NoTextError
from .writer import call, name_of

__all__ = ["Kinds", "parts", "rebuilt"]

Kinds = dict[type, str]
"""Classes of containers among the arguments, each with the text of one such container."""


def parts(tree: TreeDef, text: str, kinds: Kinds) -> Iterator[tuple[str, str]]:
    """(text, name) for each leaf: what takes it out, and what it is called."""
    stem = text if text.isidentifier() else _last(text)
    if tree.kind is None:
        yield text, stem
        return
    if tree.size:
        kinds.setdefault(tree.kind, text)
    for i, child in enumerate(tree.children):
        for inner, name in parts(child, text + _access(tree, i), kinds):
            yield inner, name if not name[:1].isdigit() else f"{stem}_{name}"


def _access(tree: TreeDef, i: int) -> str:
    """What takes a child out of its container."""
    if tree.kind is None:
        return ""
    meta: Any = tree.meta
    if tree.kind is dict or tree.kind is OrderedDict:
        return _key(meta[i])
    if tree.kind is defaultdict:
        return _key(meta[1][i])
    return node_of(tree.kind).key(meta, i)


def _key(key: Any) -> str:
    return (
        f'["{key}"]'
        if isinstance(key, str) and key.isprintable() and '"' not in key
        else (f"[{key!r}]")
    )


def _last(text: str) -> str:
    """The last key or attribute: a name for a leaf."""
    word = text.replace('"', "").replace("'", "").rstrip("]").replace("[", ".").rpartition(".")[2]
    return word if word.isidentifier() or word.isdigit() else "x"


def rebuilt(tree: TreeDef, leaves: Iterator[ast.expr], module: Module, kinds: Kinds) -> ast.expr:
    """The expression that makes a tree of its leaves."""
    if tree.kind is None:
        return next(leaves)
    if tree.kind is type(None):
        return ast.Constant(None)
    if tree.kind is Fixed:
        fixed = getattr(tree.meta, "value", tree.meta)
        try:
            return module.value(fixed)
        except NoTextError:
            raise UnsupportedError(
                "to_numpy_source: a part of the result is no array and cannot be written down.",
                got=repr(fixed)[:80],
                fix="leave it out of the result",
            ) from None
    children = [rebuilt(c, leaves, module, kinds) for c in tree.children]
    meta: Any = tree.meta
    if tree.kind is tuple:
        return ast.Tuple(children, ast.Load())
    if tree.kind is list:
        return ast.List(children, ast.Load())
    if tree.kind is dict or tree.kind is OrderedDict:
        found: ast.expr = _dict(tree, meta, children)
        if tree.kind is OrderedDict:
            module.imports["from collections import OrderedDict"] = None
            found = call(name_of("OrderedDict"), found)
        return found
    if is_namedtuple(tree.kind):
        return call(_class(tree.kind, module, kinds), *children)
    if is_dataclass(tree.kind):
        names = [node_of(tree.kind).key(meta, i).lstrip(".") for i in range(len(children))]
        return ast.Call(
            _class(tree.kind, module, kinds),
            [],
            [ast.keyword(n, c) for n, c in zip(names, children, strict=True)],
        )
    raise UnsupportedError(
        f"to_numpy_source: a result of class {tree.kind.__name__} cannot be written as text.",
        got=repr(tree),
        fix="return dicts, lists, tuples, named tuples or dataclasses",
    )


def _dict(tree: TreeDef, keys: Sequence[Any], children: list[ast.expr]) -> ast.expr:
    by_key = dict(zip(keys, children, strict=True))
    order = keys if tree.order is None else tree.order
    names: list[ast.expr | None] = [ast.Constant(k) for k in order]
    return ast.Dict(names, [by_key[k] for k in order])


def _class(kind: type, module: Module, kinds: Kinds) -> ast.expr:
    """The class: the one of an argument, or one that can be imported."""
    if kind in kinds:
        return call(name_of("type"), ast.parse(kinds[kind], mode="eval").body)
    owner = sys.modules.get(kind.__module__)
    if kind.__module__ != "__main__" and getattr(owner, kind.__qualname__, None) is kind:
        module.imports[f"from {kind.__module__} import {kind.__qualname__}"] = None
        module.names.taken.add(kind.__qualname__)
        return name_of(kind.__qualname__)
    raise UnsupportedError(
        f"to_numpy_source: the class {kind.__qualname__} of the result cannot be imported.",
        got=f"it is defined in {kind.__module__}",
        fix="define it in a module, or return a dict",
    )
