"""Random number generators that a function can reach: those that it draws from while a program is
traced are found out, because the program would repeat the same numbers for ever.

`watch` looks for them in a function's closure, globals, defaults and arguments, in the functions
and objects that it finds there, and at NumPy's global generator where the code says `random`. It
compares their states before and after. A generator that the function makes by itself, or gets in
another way, is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .errors import UnsupportedError
from .tracing import Tracer

__all__ = ["Draws", "Refusal", "is_generator", "reachable", "refuse_frozen", "watch"]

Refusal = Callable[[str, str], UnsupportedError]
"""Makes the error for random draws, of an operation and of what drew."""

_MOST = 2000
"""At most so many objects are looked at."""
_DEEPEST = 6
_LIBRARIES = frozenset(["numpy", "scipy", "wengert", "builtins"])


def refuse_frozen(operation: str, what: str) -> UnsupportedError:
    """The error for random numbers in a program."""
    return UnsupportedError(
        f"{operation}: {what} drew random numbers, which the program would repeat for ever.",
        fix="draw outside, and pass the numbers as an argument:\n"
        "z = rng.standard_normal(n); program = wg.make_program(f)(x, z)",
    )


def watch(
    operation: str,
    fun: Callable[..., Any],
    arguments: Any,
    refusal: Refusal = refuse_frozen,
) -> Callable[[], None]:
    """Note the states of all generators in reach; what comes back raises if one has changed."""
    found = [(name, g, _state(g)) for name, g in reachable(fun, arguments) if is_generator(g)]

    def check() -> None:
        for name, generator, state in found:
            if _state(generator) != state:
                raise refusal(operation, f"the generator {name}")

    return check


class Draws:
    """The states of generators at one time, to draw the same numbers once more."""

    def __init__(self, generators: Sequence[Any]) -> None:
        self.states = [(g, _read(g), _state(g)) for g in generators]

    def forget_unused(self) -> None:
        """Leave out the generators that have not drawn since."""
        self.states = [s for s in self.states if _state(s[0]) != s[2]]

    def rewind(self) -> None:
        """Let all generators draw these numbers again."""
        for generator, state, _ in self.states:
            _write(generator, state)

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """While it lasts, generators draw as they did; then they go on from where they are now."""
        now = [(g, _read(g)) for g, _, _ in self.states]
        self.rewind()
        try:
            yield
        finally:
            for generator, state in now:
                _write(generator, state)


def _read(generator: Any) -> Any:
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.bit_generator.state


def _write(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def _state(generator: Any) -> Any:
    """The state, in a form that can be compared."""
    return _frozen(_read(generator))


def _frozen(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _frozen(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def is_generator(x: Any) -> bool:
    """True for NumPy's generators, old and new."""
    return isinstance(x, np.random.Generator | np.random.RandomState)


def reachable(fun: Callable[..., Any], arguments: Any) -> Iterator[tuple[str, Any]]:
    """The generators, and the traced values, that a function can get at, with their names."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any, int]] = [("", fun, 0), ("in an argument", arguments, 0)]
    while waiting and len(seen) < _MOST:
        name, x, depth = waiting.pop()
        if id(x) in seen or isinstance(x, np.ndarray | str | bytes | int | float | complex):
            continue
        seen.add(id(x))
        owner = x.__self__ if isinstance(x, MethodType | BuiltinMethodType) else None
        if is_generator(x) or isinstance(x, Tracer):
            yield name, x
        elif is_generator(owner):
            yield f"of {name}", owner
        elif depth < _DEEPEST:
            waiting += [(n, v, depth + 1) for n, v in _parts(name, x)]


def _parts(name: str, x: Any) -> list[tuple[str, Any]]:
    """What an object leads to, with names."""
    if isinstance(x, partial):
        return [(name, x.func), ("in a partial argument", x.args), (name, x.keywords)]
    if isinstance(x, MethodType):
        return [("self", x.__self__), (name, x.__func__)]
    if isinstance(x, FunctionType):
        return [] if _is_library(x.__module__) and not x.__closure__ else _parts_of_function(x)
    if isinstance(x, dict):
        some = islice(x.items(), _MOST)
        return [(f"{name}[{k!r}]" if name else str(k), v) for k, v in some]
    if isinstance(x, list | tuple | set):
        return [(name, v) for v in islice(x, _MOST)]
    if isinstance(x, ModuleType | type) or _is_library(type(x).__module__):
        return []
    name = name or type(x).__name__
    attributes = {**vars(type(x)), **getattr(x, "__dict__", {})}
    return [
        (f"{name}.{k}", v)
        for k, v in attributes.items()
        if not (k.startswith("__") and k != "__call__")
    ]


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _LIBRARIES


def _parts_of_function(f: FunctionType) -> list[tuple[str, Any]]:
    parts: list[tuple[str, Any]] = []
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            parts.append((name, cell.cell_contents))
        except ValueError:  # not filled yet
            continue
    defaults = f.__defaults__ or ()
    stop = f.__code__.co_argcount
    parts += zip(f.__code__.co_varnames[stop - len(defaults) : stop], defaults, strict=True)
    parts += (f.__kwdefaults__ or {}).items()
    if hasattr(f, "__wrapped__"):
        parts.append((f.__name__, f.__wrapped__))
    names = _names(f.__code__)
    for name in names & f.__globals__.keys():
        value = f.__globals__[name]
        if isinstance(value, ModuleType):
            parts += _parts_of_module(name, value, names)
        else:
            parts.append((name, value))
    return parts


def _names(code: CodeType) -> set[str]:
    """The names of globals and attributes in a function's code, and in the code inside it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _parts_of_module(name: str, module: ModuleType, names: set[str]) -> list[tuple[str, Any]]:
    """What a function uses of a module; of NumPy only the global generator."""
    if module.__name__ == "numpy" and "random" not in names:
        return []
    if module.__name__ in ("numpy", "numpy.random"):
        method: Any = np.random.random_sample
        return [("np.random", method.__self__)]
    if _is_library(module.__name__):
        return []
    return [(f"{name}.{n}", vars(module)[n]) for n in names & vars(module).keys()]
