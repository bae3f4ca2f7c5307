"""Writing a program as a Python function: a line for each equation, and buffers that are reused.

`emit : Program -> Emitted`. The text is made to be read: variables have the user's names where an
assignment gave them one, and the user's lines stand above what came of them as comments. Loops and
branches are Python's.

Results are new arrays: none shares memory with another, with an argument or with a buffer.
Arguments are never written to. The function may run in several threads at once, and within itself:
each run has buffers of its own, which are kept for the next one.

Read next: `scope.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any, Final

import numpy as np

from ...core.ir import Equation, Program
from .buffers import Key
from .fused import write_fused
from .loops import write_branches, write_scan, write_while
from .prepare import prepared
from .scalars import RAISED
from .scope import WRITERS, Scope
from .stores import write_broadcast, write_late_sum, write_scatter, write_setitem, write_stack
from .writer import Writer

__all__ = ["Emitted", "emit"]

_KEPT: Final = 4
"""How many sets of buffers are kept at most, and how many bytes of them."""
_KEPT_BYTES: Final = 1 << 28


class Emitted:
    """A program as a function of its flat inputs, which returns the tuple of its flat results.

    `source` is its text.
    """

    __slots__ = ("_free", "_kept", "_keys", "_run", "_with_numpy", "source")

    def __init__(
        self,
        source: str,
        names: dict[str, Any],
        keys: Sequence[Key],
        with_numpy: Callable[[], Emitted] | None,
    ) -> None:
        self.source = source
        self._with_numpy = with_numpy
        self._keys = tuple(keys)
        self._free: list[Any] = []
        size = sum([prod(shape) * dtype.itemsize for shape, dtype in keys])
        self._kept = min(_KEPT, _KEPT_BYTES // max(size, 1))
        namespace = {**names, "__name__": "wengert.staged"}
        exec(compile(source, "<staged>", "exec"), namespace)
        self._run: Callable[..., tuple[Any, ...]] = namespace["run"]

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        if self._with_numpy is None:
            return self.run(*args)
        try:
            return self.run(*args)
        except RAISED:
            # Nothing has happened but computations: all of them are done again.
            return self._with_numpy()(*args)

    def run(self, *args: Any) -> tuple[Any, ...]:
        """The function, with a set of buffers."""
        if not self._keys:
            return self._run(*args)
        free = self._free
        try:
            buffers = free.pop()
        except IndexError:
            buffers = [np.empty(shape, dtype) for shape, dtype in self._keys]
        try:
            return self._run(buffers, *args)
        finally:
            if len(free) < self._kept:
                free.append(buffers)


def emit(program: Program, names: Sequence[str] = (), *, floats: bool = True) -> Emitted:
    """A program as a Python function; `names` are what the user calls the inputs.

    With `floats`, operations on numbers are done with Python's.
    """
    writer = Writer(floats)
    inputs = [
        writer.names.new(names[i] if i < len(names) else f"x{i}")
        for i in range(len(program.inputs))
    ]
    scope = Scope(writer, prepared(program), inputs)
    scope.write()
    results = "".join([f"{r}, " for r in scope.results()]).rstrip()
    writer.line(f"return ({results})")
    keys = writer.keys
    head = f"def run({', '.join([*(['buffers'] if keys else []), *inputs])}):"
    taken = ", ".join([f"b{i}" for i in range(len(keys))])
    start = [f"    {taken}{',' * (len(keys) == 1)} = buffers"] if keys else []
    text = "\n".join([*writer.functions, head, *start, *writer.lines, ""])
    again = cache(lambda: emit(program, names, floats=False)) if writer.has_floats else None
    return Emitted(text, writer.globals, keys, again)


def _fused(scope: Scope, _: int, e: Equation) -> bool:
    args = [scope.operand(a) for a in e.inputs]
    for v in e.outputs:
        scope.name(v)
    write_fused(scope, e, args)
    return True


WRITERS.update({
    "add": write_late_sum,
    "broadcast_to": write_broadcast,
    "cond": write_branches,
    "fused": _fused,
    "scan": write_scan,
    "scatter_sum": write_scatter,
    "setitem": write_setitem,
    "stack": write_stack,
    "while": write_while,
})  # fmt: skip
