"""Which buffer a result goes to.

A buffer is taken for a result that NumPy can write into one, and given back once nothing that is
still needed shares its memory. Results of the program never live in buffers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Equation, Var
from .memory import END, Memory

__all__ = ["Buffers", "Key"]

Key = tuple[tuple[int, ...], np.dtype[Any]]


class Buffers:
    """The buffers of one program, as its equations are written in order.

    `keys` is the list of shapes and dtypes of all buffers of the function, to which it adds, and
    `free` are those that nothing lives in. Programs inside share both.
    """

    def __init__(self, memory: Memory, keys: list[Key], free: dict[Key, list[str]]) -> None:
        self.memory = memory
        self.keys = keys
        self.free = free
        self.owned: dict[Var, str] = {}
        """The variables whose memory is a buffer, under its name."""
        self.leaving: dict[int, list[Var]] = {}
        for v, i in memory.last.items():
            if i != END:
                self.leaving.setdefault(i, []).append(v)

    def take(self, i: int, e: Equation, in_place: bool) -> str | None:
        """The name of a buffer for the result of equation i; None if it goes out of the program.

        With `in_place` it may be that of an operand that is used last here.
        """
        out = e.outputs[0]
        memory = self.memory
        if memory.last.get(out) == END:
            return None
        key = _key(out.aval)
        if in_place and self.owned:
            for a in e.inputs:
                if type(a) is not Var or not a.aval.shape or _key(a.aval) != key:
                    continue
                root = memory.root(a)
                if (
                    root in self.owned
                    and memory.last[root] == i
                    and _key(root.aval) == key
                    and memory.alone(root, e, a)
                ):
                    self.owned[out] = name = self.owned.pop(root)
                    return name
        return self.take_new(out)

    def take_new(self, out: Var) -> str | None:
        """The name of a buffer for a result that may not lie in an operand's."""
        if self.memory.last.get(out) == END:
            return None
        key = _key(out.aval)
        names = self.free.get(key)
        if names:
            name = names.pop()
        else:
            name = f"b{len(self.keys)}"
            self.keys.append(key)
        self.owned[out] = name
        return name

    def release(self, i: int, e: Equation) -> None:
        """Give back the buffers that are not used after equation i."""
        owned = self.owned
        if not owned:
            return
        for v in self.leaving.get(i, ()):
            if v in owned:
                self.free.setdefault(_key(v.aval), []).append(owned.pop(v))
        for v in e.outputs:
            if v in owned and v not in self.memory.last:
                self.free.setdefault(_key(v.aval), []).append(owned.pop(v))


def _key(aval: ShapedArray) -> Key:
    return aval.shape, aval.dtype
