"""Signatures: what of a call decides which program it is evaluated by.

A signature consists of the structure of the arguments (with their static leaves), the types of the
arrays and numbers in them, and the values of static arguments. `difference` says in words how two
signatures differ.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from ...core import tree
from ...core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ShapeError
from ...core.tracing import WRITTEN, Tracer
from ...core.treedef import find_node, first_difference, leaf_paths
from ..api import argument_path, flatten_arguments, is_described
from ..passes.rewriting import frozen

__all__ = ["Given", "Owner", "Signature", "StaticArguments", "difference"]


class Owner:
    """An object whose method is staged, as a part of a signature: by identity, without keeping it
    alive where that is possible.
    """

    __slots__ = ("_get", "_hash")

    def __init__(self, x: object) -> None:
        self._hash = id(x)
        try:
            self._get: Callable[[], object] = ref(x)
        except TypeError:
            self._get = lambda: x

    def holds(self, x: object) -> bool:
        """True for the object."""
        return self._get() is x

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Owner):
            return NotImplemented
        found = self._get()
        return self is other or (found is not None and other.holds(found))

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<{type(self._get()).__name__} object>"


class StaticArguments:
    """Which arguments are static: by position, and by name."""

    def __init__(
        self,
        operation: str,
        fun: Callable[..., Any],
        static_argnums: int | Sequence[int],
        static_argnames: str | Sequence[str],
    ) -> None:
        numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
        if not isinstance(numbers, Sequence | set) or not all([type(i) is int for i in numbers]):
            raise DtypeError(
                f"{operation}: static_argnums must be ints.",
                got=repr(static_argnums),
                fix="static_argnames= takes names of arguments",
            )
        names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
        if not isinstance(names, Sequence | set) or not all([type(n) is str for n in names]):
            raise DtypeError(
                f"{operation}: static_argnames must be names.",
                got=repr(static_argnames),
                fix="static_argnums= takes positions of arguments",
            )
        self.operation = operation
        self.names = set(names)
        self.numbers = set(numbers)
        self.checked = False
        """Whether all positions are known to be those of arguments."""
        if numbers or names:
            self.match(fun)

    def match(self, fun: Callable[..., Any]) -> None:
        """Find the positions of names, and the names at positions."""
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):
            return
        positional = [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        kinds = {p.kind for p in parameters}
        self.checked = inspect.Parameter.VAR_POSITIONAL not in kinds
        for i in self.numbers:
            if self.checked and not -len(positional) <= i < len(positional):
                raise ShapeError(
                    f"{self.operation}: static_argnums={sorted(self.numbers)} is out of range.",
                    got=f"a function of {len(positional)} positional arguments",
                )
        unknown = self.names - {p.name for p in parameters}
        if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
            raise ShapeError(
                f"{self.operation}: static_argnames has a name that no argument has.",
                got=repr(sorted(unknown)[0]),
                needed=f"names among {[p.name for p in parameters]}",
            )
        found = {positional.index(n) for n in self.names if n in positional}
        self.names |= {positional[i] for i in self.numbers if -1 < i < len(positional)}
        self.numbers |= found

    def positions(self, n: int) -> set[int]:
        """The static ones among n positional arguments."""
        if not self.numbers:
            return self.numbers
        if not self.checked and any([not -n <= i < n for i in self.numbers]):
            raise ShapeError(
                f"{self.operation}: static_argnums={sorted(self.numbers)} is out of range.",
                got=f"{n} positional arguments",
            )
        return {i % n for i in self.numbers if -n <= i < n}

    def key(self, place: int | str, value: Any) -> Hashable:
        """What stands for a static argument in a signature."""
        try:
            hash(value)
        except TypeError:
            raise DtypeError(
                f"{self.operation}: the static {_argument(place)} is not hashable, so it may "
                "change without anybody noticing.",
                got=f"{value!r} of type {type(value).__name__}",
                needed="a number, text, a tuple, a function, ...",
                fix="pass it as an ordinary argument"
                if isinstance(value, np.ndarray)
                else "pass a tuple instead of a list, or an ordinary argument",
            ) from None
        return frozen(value)


def _is_usual(x: Any) -> bool:
    """True for a traced value that was not written to."""
    return isinstance(x, Tracer) and x._trace.number != WRITTEN


def _argument(place: int | str) -> str:
    return f"argument {place}"


class Given:
    """The arguments of one call, taken apart: what is traced, in `leaves`, and what is static.

    `labels` has the positions and names of the arguments that are not static.
    """

    __slots__ = (
        "args",
        "avals",
        "fixed",
        "kwargs",
        "labels",
        "leaves",
        "owner",
        "plain_leaves",
        "signature",
        "treedef",
        "values",
    )

    def __init__(
        self,
        static: StaticArguments,
        owner: type | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        described: bool = False,
    ) -> None:
        self.args = args
        self.kwargs = kwargs
        fixed = static.positions(len(args))
        keys: list[tuple[int | str, Hashable]] = []
        self.labels: list[int | str] = []
        self.values: list[Any] = []
        self.owner = False
        for i, x in enumerate(args):
            if i in fixed:
                keys.append((i, static.key(i, x)))
            elif not i and owner is not None and isinstance(x, owner) and not find_node(type(x)):
                keys.append((i, Owner(x)))
                self.owner = True
            else:
                self.labels.append(i)
                self.values.append(x)
        for name in sorted(kwargs):
            if name in static.names:
                keys.append((name, static.key(name, kwargs[name])))
            else:
                self.labels.append(name)
                self.values.append(kwargs[name])
        if described:
            self.values = tree.map(_sample, self.values)
        self.leaves, self.treedef = flatten_arguments(static.operation, self.values, self.labels)
        self.fixed = [not isinstance(x, Tracer) and tree.is_static_leaf(x) for x in self.leaves]
        self.plain_leaves = [x for x, f in zip(self.leaves, self.fixed, strict=True) if not f]
        self.avals: tuple[ShapedArray, ...] = tuple([aval_of(x) for x in self.plain_leaves])
        treedef = self.treedef
        if any(self.fixed):
            treedef = tree.with_fixed_values(treedef, [
                x.copy() if f and isinstance(x, np.ndarray) else x
                for x, f in zip(self.leaves, self.fixed, strict=True)
            ])  # fmt: skip
        self.signature = Signature(len(args), tuple(self.labels), treedef, tuple(keys), self.avals)

    @property
    def exact(self) -> bool:
        """Whether the leaves are arrays, numbers and traced values, without any conversion."""
        for x in self.plain_leaves:
            if type(x) is not np.ndarray and type(x) not in SCALAR_AVALS and not _is_usual(x):
                return False
        return all([a is b for a, b in zip(tree.leaves(self.values), self.leaves, strict=True)])

    def rebuilt(
        self, arrays: Sequence[Array], given: Sequence[Any], by_name: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments `given`, also those by name, with others in the place of the arrays."""
        found = iter(arrays)
        leaves = [x if f else next(found) for x, f in zip(self.leaves, self.fixed, strict=True)]
        values = tree.unflatten(self.treedef, leaves)
        args, kwargs = list(given), dict(by_name)
        for place, x in zip(self.labels, values, strict=True):
            if isinstance(place, str):
                kwargs[place] = x
            else:
                args[place] = x
        return tuple(args), kwargs

    def statics(self) -> list[Any]:
        """The values that are static: arguments, and leaves."""
        places = [place for place, _ in self.signature.statics]
        found = [self.kwargs[p] if isinstance(p, str) else self.args[p] for p in places]
        return found + [x for x, f in zip(self.leaves, self.fixed, strict=True) if f]

    def names(self, fun: Callable[..., Any]) -> list[str]:
        """Names for the arrays and numbers: the user's, as `params_W_0` for `params["W"][0]`."""
        while hasattr(fun, "__wrapped__"):
            fun = fun.__wrapped__
        code = getattr(fun, "__code__", None)
        parameters = () if code is None else code.co_varnames[: code.co_argcount]
        found: list[str] = []
        for path, fixed in zip(leaf_paths(self.treedef, ""), self.fixed, strict=True):
            if fixed:
                continue
            place, *rest = re.findall(r"\w+", argument_path(path, self.labels))[1:]
            i = int(place) if place.isdigit() else len(parameters)
            name = "_".join([parameters[i] if i < len(parameters) else place, *rest])
            found.append(name if name.isidentifier() else f"x{len(found)}")
        return found


def _sample(x: Any) -> Any:
    """An array of the type, for what only has a shape and a dtype."""
    if not is_described(x):
        return x
    if getattr(x, "weak_type", False):
        return np.zeros((), x.dtype).item()
    return np.broadcast_to(np.zeros((), x.dtype), tuple(x.shape))


class Signature:
    """The key of the cache. Compared by value."""

    __slots__ = ("_key", "avals", "labels", "n_args", "statics", "treedef")

    def __init__(
        self,
        n_args: int,
        labels: tuple[int | str, ...],
        treedef: tree.TreeDef,
        statics: tuple[tuple[int | str, Hashable], ...],
        avals: tuple[ShapedArray, ...],
    ) -> None:
        self.n_args = n_args
        self.labels = labels
        self.treedef = treedef
        self.statics = statics
        self.avals = avals
        self._key = (n_args, labels, treedef, statics, avals)

    @property
    def form(self) -> Hashable:
        """All but the types."""
        return self._key[:-1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        types = iter([repr(a) for a in self.avals])
        shown = [
            (place, _with_types(part, types))
            for place, part in zip(self.labels, self.treedef.children, strict=True)
        ]
        shown += [(place, _static_text(key)) for place, key in self.statics]
        shown.sort(key=lambda item: (isinstance(item[0], str), item[0]))
        inside = [f"{p}={text}" if isinstance(p, str) else text for p, text in shown]
        return f"({', '.join(inside)})"


def _with_types(treedef: tree.TreeDef, types: Any) -> str:
    """The text of a structure with types in the place of `*`."""
    parts = repr(treedef).split("*")
    text = parts[0]
    for p in parts[1:]:
        text += next(types) + p
    return text


def _static_text(key: Any) -> str:
    """The text of what `frozen` made of a value."""
    if isinstance(key, tuple) and key and isinstance(key[0], type):
        if len(key) == 2 and not issubclass(key[0], tuple | list):
            return key[1] if key[0] in (float, complex) else repr(key[1])
        return f"({', '.join([_static_text(k) for k in key[1:]])})"
    return repr(key)


def difference(old: Signature, new: Signature) -> str:
    """In words, what made a new signature: the first thing that changed."""
    if (old.n_args, old.labels) != (new.n_args, new.labels):
        return f"the arguments were {list(old.labels)}, then {list(new.labels)}"
    for (place, a), (other, b) in zip(old.statics, new.statics, strict=False):
        if place != other or a != b:
            return f"static {_argument(other)}: {_static_text(a)} -> {_static_text(b)}"
    if old.treedef != new.treedef:
        path, was, now = first_difference(old.treedef, new.treedef)
        return f"the structure of {argument_path(path or '[0]', new.labels)}: {was} -> {now}"
    paths = [argument_path(p, new.labels) for p in leaf_paths(new.treedef, "")]
    for path, v, w in zip(paths, old.avals, new.avals, strict=True):
        if v != w:
            what = "shape" if v.shape != w.shape else "dtype" if v.dtype != w.dtype else "kind"
            return f"the {what} of {path}: {v!r} -> {w!r}"
    return "nothing"
