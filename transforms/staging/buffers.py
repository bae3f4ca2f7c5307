"""Which memory a value lives in, when it is used last, and which buffer a result may go to.

A buffer is taken for a result that NumPy can write into one, and given back once nothing that is
still needed shares its memory. Results of the program never live in buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Equation, Program, Var
from .templates import makes_new_memory

__all__ = ["Buffers"]

Key = tuple[tuple[int, ...], np.dtype[Any]]
_END: Final = 1 << 60
"""After all equations."""


class Buffers:
    """The buffers of one program, as its equations are written in order.

    `keys` is the list of shapes and dtypes of all buffers of the function, to which it adds.
    """

    def __init__(self, program: Program, keys: list[Key]) -> None:
        self.keys = keys
        self.free: dict[Key, list[str]] = {}
        self.owned: dict[Var, str] = {}
        """The variables whose memory is a buffer, under its name."""
        self.memory: dict[Var, frozenset[Var]] = {}
        """The variables in whose memory a value may live, besides its own."""
        self.last: dict[Var, int] = {}
        """The equation after which the memory of a variable is not used any more."""
        for i, e in enumerate(program.equations):
            operands = [a for a in e.inputs if isinstance(a, Var)]
            shared = frozenset().union(*[self.of(v) for v in operands if v.aval.shape])
            for v in operands:
                for w in self.of(v):
                    self.last[w] = i
            for v, new in zip(e.outputs, makes_new_memory(e), strict=True):
                if v.aval.shape and not new:
                    self.memory[v] = shared | {v}
        for a in program.outputs:
            if isinstance(a, Var):
                for w in self.of(a):
                    self.last[w] = _END
        self.leaving: dict[int, list[Var]] = {}
        for v, i in self.last.items():
            self.leaving.setdefault(i, []).append(v)

    def of(self, v: Var) -> frozenset[Var]:
        """The variables whose memory a value may share."""
        return self.memory.get(v, frozenset([v]))

    def take(self, i: int, e: Equation, in_place: bool) -> str | None:
        """The name of a buffer for the result of equation i; None if it goes out of the program.

        With `in_place` it may be that of an operand that is used last here.
        """
        out = e.outputs[0]
        if self.last.get(out) == _END:
            return None
        key = _key(out.aval)
        if in_place:
            for a in e.inputs:
                if (
                    isinstance(a, Var)
                    and a in self.owned
                    and self.last[a] == i
                    and _key(a.aval) == key
                    and self.alone(a, e)
                ):
                    name = self.owned.pop(a)
                    self.owned[out] = name
                    return name
        return self.take_new(out)

    def take_new(self, out: Var) -> str | None:
        """The name of a buffer for a result that may not lie in an operand's."""
        if self.last.get(out) == _END:
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

    def alone(self, v: Var, e: Equation) -> bool:
        """True if no other operand of the equation lives in the memory of `v`."""
        return not any([
            v in self.of(a) for a in e.inputs if isinstance(a, Var) and a is not v
        ])  # fmt: skip

    def release(self, i: int, e: Equation) -> None:
        """Give back the buffers that are not used after equation i."""
        for v in [*self.leaving.get(i, ()), *[v for v in e.outputs if v not in self.last]]:
            name = self.owned.pop(v, None)
            if name is not None:
                self.free.setdefault(_key(v.aval), []).append(name)


def _key(aval: ShapedArray) -> Key:
    return aval.shape, aval.dtype


def nbytes(keys: Sequence[Key]) -> int:
    """How much memory the buffers take."""
    return sum([int(np.prod(shape)) * dtype.itemsize for shape, dtype in keys])
