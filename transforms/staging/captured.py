"""What a staged function captured, and whether that is still the same.

Values that a function gets from its closure, from globals or from attributes are constants of the
program. `watch_captured` notes where they came from, and `Watch.changed` looks there before each
run: a name that means another value, an array that was written to. Arrays of up to 8 KiB are
compared in full; of larger ones, a sample that is spread over all of it.

The places are found in the code: closure cells, globals that the code reads, attributes of objects
by the names in the code, the items of dicts, lists and tuples, and the same for the functions that
are found there. What a function gets by other ways is not seen.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from inspect import unwrap
from itertools import islice
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple
from weakref import ref

import numpy as np

from ...core.aval import SCALAR_AVALS, Array
from ...core.generators import is_generator
from ...core.tracing import Tracer
from ..program import ProgramTrace

__all__ = ["Watch", "watch_captured"]

SMALL: Final = 8192
"""Up to this many bytes, arrays are compared in full."""
SAMPLE: Final = 256
"""About so many elements of a larger array are compared."""
_MOST: Final = 500
"""At most so many objects are looked at."""
_MOST_PLACES: Final = 200
_LIBRARIES: Final = frozenset(["numpy", "scipy", "wengert", "builtins"])
_KINDS: Final = {
    "LOAD_GLOBAL": "globals",
    "LOAD_NAME": "globals",
    "LOAD_ATTR": "attributes",
    "LOAD_METHOD": "attributes",
    "LOAD_SUPER_ATTR": "attributes",
    "STORE_GLOBAL": "written",
    "STORE_NAME": "written",
    "STORE_DEREF": "written",
    "STORE_ATTR": "written_attributes",
}
_GROWS: Final = frozenset(["append", "extend", "insert"])
_MISSING: Final = object()
_TRACED: Final = object()
"""Stands for any traced value, which must not be kept alive."""

Names = frozenset[str]


class Watch:
    """The places that a program's constants came from, with what was there.

    Places are lists of a container, a key, the value and the name that the user knows it by.
    """

    __slots__ = ("arrays", "attributes", "cells", "items", "lists", "reason")

    def __init__(self) -> None:
        self.cells: list[list[Any]] = []
        self.items: list[list[Any]] = []
        self.lists: list[tuple[Any, int | None, list[Any], str]] = []
        self.attributes: list[list[Any]] = []
        self.arrays: list[tuple[Any, tuple[slice, ...] | None, bytes, str]] = []
        self.reason = ""

    def __bool__(self) -> bool:
        return bool(self.cells or self.items or self.lists or self.attributes or self.arrays)

    @property
    def full(self) -> bool:
        """True if no more is watched."""
        return len(self.cells) + len(self.items) + len(self.lists) >= _MOST_PLACES

    def changed(self) -> bool:
        """True if something is not what it was; `reason` says what."""
        try:
            for place in self.cells:
                if place[0].cell_contents is not place[2] and self.differs(
                    place, place[0].cell_contents
                ):
                    return True
            for place in self.items:
                found = place[0].get(place[1], _MISSING)
                if found is not place[2] and self.differs(place, found):
                    return True
        except ValueError:  # an empty cell
            self.reason = "a captured variable was deleted"
            return True
        for x, slices, was, name in self.arrays:
            array = x()
            if array is not None and _bytes(array, slices) != was:
                self.reason = f"the captured array {name} was written to"
                return True
        return (bool(self.lists) and self.lists_changed()) or (
            bool(self.attributes) and self.attributes_changed()
        )

    def lists_changed(self) -> bool:
        """The same for the lengths of lists and dicts, and the items of lists."""
        for now, n, items, name in self.lists:
            if (len(now) < len(items) if n is None else len(now) != n) or any(
                [a is not b and not _same(a, b) for a, b in zip(now, items, strict=False)]
            ):
                self.reason = f"the captured {name} changed"
                return True
        return False

    def attributes_changed(self) -> bool:
        """The same for attributes of objects without a dictionary."""
        for place in self.attributes:
            found = getattr(place[0], place[1], _MISSING)
            if found is not place[2] and self.differs(place, found):
                return True
        return False

    def renew(self) -> None:
        """Take what is there now for what belongs there: the function itself changed it, while it
        was traced for other arguments.
        """
        for place in self.cells:
            place[2] = _kept(place[0].cell_contents)
        for place in self.items:
            place[2] = _kept(place[0].get(place[1], _MISSING))
        for place in self.attributes:
            place[2] = _kept(getattr(place[0], place[1], _MISSING))
        self.lists = [
            (x, n and len(x), [_kept(v) for v in x[: len(items)]] if items else [], name)
            for x, n, items, name in self.lists
        ]
        self.arrays = [
            (r, slices, was if r() is None else _bytes(r(), slices), name)
            for r, slices, was, name in self.arrays
        ]

    def differs(self, place: list[Any], found: Any) -> bool:
        """True unless another object at a place has the same value."""
        was = place[2]
        if _same(found, was):
            if was is not _TRACED:
                place[2] = found
            return False
        what = f"changed: {_short(was)} -> {_short(found)}"
        if isinstance(was, np.ndarray) and isinstance(found, np.ndarray):
            what = "is another array now"
        self.reason = f"the captured {place[3]} {what}"
        return True


def _same(a: Any, b: Any) -> bool:
    """True for equal numbers, texts, and tuples of them; any other objects are different."""
    if b is _TRACED:
        return isinstance(a, Tracer)
    if type(a) is not type(b):
        return False
    if type(a) in SCALAR_AVALS:
        return bool(a == b) or bool(a != a and b != b)
    if type(a) is tuple:
        return len(a) == len(b) and all([x is y or _same(x, y) for x, y in zip(a, b, strict=True)])
    return isinstance(a, str | bytes) and a == b


def _short(x: Any) -> str:
    if x is _TRACED:
        return "a traced value"
    if isinstance(x, np.ndarray):
        return "an array"
    text = "nothing" if x is _MISSING else repr(x)
    return text if len(text) < 40 else f"{text[:36]} ..."


def watch_captured(
    fun: Callable[..., Any], statics: Iterable[Any], trace: ProgramTrace
) -> Watch | None:
    """What to watch after tracing a function; None if it captured nothing."""
    owners = [ref(_owner(x)) for _, x, _ in trace.constants.values() if type(x) is np.ndarray]
    trace.constants.clear()  # so that only those live on that somebody else can write to
    walk = _Walk()
    walk.visit(fun, "", frozenset())
    for x in statics:
        walk.visit(x, "self", walk.names_in(unwrap(fun)))
    walk.finish()
    for r in owners:
        x = r()
        if x is not None and id(x) not in walk.arrays:
            walk.arrays[id(x)] = x, "of the function"
    for x, name in walk.arrays.values():
        slices = None if x.nbytes <= SMALL else _spread(x.shape)
        walk.watch.arrays.append((ref(x), slices, _bytes(x, slices), name))
    return walk.watch if walk.watch else None


def _bytes(x: Any, slices: tuple[slice, ...] | None) -> bytes:
    """The memory of an array, or of a sample of it."""
    found: bytes = (x if slices is None else x[slices]).tobytes()
    return found


def _owner(x: Array) -> Array:
    """The array that holds the memory of a view."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _spread(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The slices that take about SAMPLE elements, evenly over all axes."""
    slices = [slice(None)] * len(shape)
    left = SAMPLE
    for done, k in enumerate(sorted(range(len(shape)), key=lambda k: shape[k])):
        n = max(1, round(left ** (1 / (len(shape) - done))))
        step = -(-shape[k] // n)
        slices[k] = slice((shape[k] - 1) % step, None, step)  # with the last element
        left = max(1, left // -(-shape[k] // step))
    return tuple(slices)


class Reads(NamedTuple):
    """The names that some code reads: of globals, and of attributes. Those that it also writes are
    left out, as a count of its runs.
    """

    globals: Names
    attributes: Names
    written: Names
    written_attributes: Names


@lru_cache(maxsize=1024)
def _reads(code: CodeType) -> Reads:
    """What some code reads, with the functions in it."""
    found: dict[str, set[str]] = {name: set() for name in Reads._fields}
    for instruction in dis.get_instructions(code):
        kind = _KINDS.get(instruction.opname)
        if kind is not None:
            found[kind].add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for name, names in _reads(constant)._asdict().items():
                found[name] |= names
    found["globals"] -= found["written"]
    found["attributes"] -= found["written_attributes"]
    return Reads(**{name: frozenset(names) for name, names in found.items()})


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES


class _Walk:
    """Finds the places. Objects are visited with the names of attributes that the code around
    reads.
    """

    def __init__(self) -> None:
        self.watch = Watch()
        self.arrays: dict[int, tuple[Array, str]] = {}
        self.seen: set[Any] = set()
        self.alive: list[Any] = []
        self.waiting: list[tuple[Any, str, Names]] = []

    def visit(self, x: Any, name: str, attributes: Names) -> None:
        """Look at a value later on."""
        if isinstance(x, np.ndarray):
            self.arrays.setdefault(id(x), (x, name))
        elif not (
            type(x) in SCALAR_AVALS
            or isinstance(x, str | bytes | BuiltinFunctionType | np.ufunc | Tracer)
            or x is None
        ):
            self.waiting.append((x, name, attributes))

    def finish(self) -> None:
        """Look at everything that can be reached."""
        while self.waiting and len(self.seen) < _MOST and not self.watch.full:
            x, name, attributes = self.waiting.pop()
            by_names = not isinstance(x, FunctionType | dict | list | tuple | set | partial)
            key = (id(x), attributes) if by_names else id(x)
            if key in self.seen:
                continue
            self.seen.add(key)
            self.alive.append(x)
            self.look(x, name, attributes)

    def look(self, x: Any, name: str, attributes: Names) -> None:
        """Note the places in an object, and go on to what is there."""
        if isinstance(x, FunctionType):
            self.function(x, name)
        elif isinstance(x, MethodType):
            self.visit(x.__func__, name, attributes)
            self.visit(x.__self__, "self", self.names_in(x.__func__))
        elif isinstance(x, partial):
            for part in (x.func, *x.args, *x.keywords.values()):
                self.visit(part, name, attributes)
        elif isinstance(x, dict):
            self.dictionary(x, name, attributes)
        elif isinstance(x, list):
            some = x[:_MOST_PLACES]
            n = None if attributes & _GROWS else len(x)  # the function itself may make it longer
            self.watch.lists.append((x, n, [_kept(v) for v in some], f"list {name}"))
            for i, v in enumerate(some):
                self.visit(v, f"{name}[{i}]", attributes)
        elif isinstance(x, tuple | set | frozenset):
            for v in islice(x, _MOST_PLACES):
                self.visit(v, name, attributes)
        elif isinstance(x, ModuleType):
            if not _is_library(x.__name__):
                self.attributes(x, name, attributes)
        elif not isinstance(x, type) and not is_generator(x):
            self.object(x, name, attributes)

    def place(self, container: Mapping[Any, Any], key: Any, name: str, attributes: Names) -> None:
        """Note an item of a dictionary."""
        value = container[key]
        if not isinstance(value, ModuleType):
            self.watch.items.append([container, key, _kept(value), name])
        self.visit(value, name, attributes)

    def function(self, f: FunctionType, name: str) -> None:
        """Closure, globals and defaults."""
        library = _is_library(f.__globals__.get("__name__"))
        globals_, attributes, written, _ = _reads(f.__code__)
        for variable, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            if variable not in written:
                self.cell(cell, variable, attributes, library)
        if hasattr(f, "__wrapped__"):
            self.visit(f.__wrapped__, name, attributes)
        if library:
            return
        for v in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self.visit(v, f"default of {f.__name__}", attributes)
        for variable in sorted(globals_ & f.__globals__.keys()):
            value = f.__globals__[variable]
            if isinstance(value, ModuleType):
                self.visit(value, variable, attributes)
            elif not _is_library(getattr(value, "__module__", None)):
                self.place(f.__globals__, variable, variable, attributes)
            else:
                self.visit(value, variable, attributes)

    def cell(self, cell: CellType, name: str, attributes: Names, library: bool) -> None:
        """A variable of a closure; the library's own do not change."""
        try:
            value = cell.cell_contents
        except ValueError:  # not filled yet
            return
        if not library and not isinstance(value, ModuleType):
            self.watch.cells.append([cell, None, _kept(value), name])
        self.visit(value, name, attributes)

    def dictionary(self, x: dict[Any, Any], name: str, attributes: Names) -> None:
        """All items, and how many there are."""
        self.watch.lists.append((x, len(x), [], f"dict {name}"))
        for key in x:
            if self.watch.full:
                return
            self.place(x, key, f"{name}[{key!r}]", attributes)

    def object(self, x: Any, name: str, attributes: Names) -> None:
        """The attributes that the code reads, of objects of the user's classes; of the library's
        wrappers what they wrap.
        """
        if _is_library(type(x).__module__):
            for inner in ("__wrapped__", "fun"):
                if hasattr(x, inner):
                    self.visit(getattr(x, inner), name, attributes)
            return
        call = next((vars(k)["__call__"] for k in type(x).__mro__ if "__call__" in vars(k)), None)
        if isinstance(call, FunctionType):
            self.visit(call, name, attributes)
            attributes |= self.names_in(call)
        self.attributes(x, name or type(x).__name__, attributes)

    def names_in(self, f: Any) -> Names:
        """The names of attributes in a function's code."""
        return _reads(f.__code__).attributes if isinstance(f, FunctionType) else frozenset()

    def attributes(self, x: Any, name: str, attributes: Names) -> None:
        """Attributes by name: of the object itself, and of its classes."""
        own = getattr(x, "__dict__", {})
        for attribute in sorted(attributes):
            label = f"{name}.{attribute}"
            if attribute in own:
                self.place(own, attribute, label, attributes)
                continue
            for kind in type(x).__mro__[:-1]:
                if attribute in vars(kind):
                    self.class_attribute(x, kind, attribute, label, attributes)
                    break

    def class_attribute(
        self, x: Any, kind: type, attribute: str, name: str, attributes: Names
    ) -> None:
        """An attribute that an object has from its class: a method, a property, a slot, a value."""
        value = vars(kind)[attribute]
        if _is_library(kind.__module__):
            return
        if type(value).__name__ == "member_descriptor":
            found = getattr(x, attribute, _MISSING)
            self.watch.attributes.append([x, attribute, _kept(found), name])
            self.visit(found, name, attributes)
            return
        inner = value.fget if isinstance(value, property) else value
        inner = getattr(inner, "__func__", inner)
        if isinstance(inner, FunctionType):
            self.visit(inner, name, attributes)
            self.visit(x, name.rpartition(".")[0], self.names_in(inner) | attributes)
        else:
            self.place(vars(kind), attribute, name, attributes)


def _kept(value: Any) -> Any:
    return _TRACED if isinstance(value, Tracer) else value
