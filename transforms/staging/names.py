"""Names for the variables of a function, and the user's lines that say how things are called."""

from __future__ import annotations

import builtins
import keyword
import re
from types import CodeType
from typing import Final, NamedTuple

from ...core.ir import Equation, Program, Var
from .scalars import MATH_NAMES
from .templates import reserved

__all__ = ["Lines", "Names"]

_ASSIGNED: Final = re.compile(r"([^\W\d]\w*)\s*(?::[^=]+)?=\s*[^={\[\s]")
_BUFFER: Final = re.compile(r"b\d+")
_FIXED: Final = frozenset([
    *keyword.kwlist, *dir(builtins), "run", "buffers",
    *[f"{name}_of" for name in MATH_NAMES],
])  # fmt: skip


_MANY: Final = 100
"""From so many variables on the names of those that are not needed are given anew."""


class Names:
    """Names for variables, no two alike at a time."""

    def __init__(self) -> None:
        self.taken = {*_FIXED, *reserved()}
        self.stems: dict[str, str] = {}
        self.free: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}
        self.large: list[str] = []
        """Free names that still hold a large array."""

    def new(self, wanted: str) -> str:
        """The name itself if it is free, or with a number."""
        free = self.free.get(wanted)
        return free.pop() if free else self.unused(wanted)

    def unused(self, wanted: str) -> str:
        """The same, but a name that has not stood for anything yet."""
        name, n = wanted, self.counts.get(wanted, 1)
        while name in self.taken or (name[0] == "b" and _BUFFER.fullmatch(name)):
            n += 1
            name = f"{wanted}_{n}"
        self.counts[wanted] = n
        self.taken.add(name)
        self.stems[name] = wanted
        return name

    def short(self) -> str:
        """A name for a value that the user gave none."""
        if self.large:
            return self.large.pop()
        n = self.counts.get("", 0)
        free = self.free.get("")
        if free and n >= _MANY:
            return free.pop()
        while (name := f"v{n}") in self.taken:
            n += 1
        self.counts[""] = n
        self.taken.add(name)
        self.stems[name] = ""
        return name

    def release(self, name: str, large: bool = False) -> None:
        """Let a name stand for something else from here on; at once, if that frees an array."""
        if large and not self.stems[name]:
            self.large.append(name)
        else:
            self.free.setdefault(self.stems[name], []).append(name)


class Line(NamedTuple):
    """A line of the user's."""

    place: str
    text: str


def _offset(e: Equation) -> int:
    return -1 if e.source is None else e.source.offset


class Lines:
    """The user's lines that equations come from, and the names that they give.

    What a line assigns is what its last operation gives: the first equation of it whose result
    other lines use, for slopes and tangents come after; or else the last equation.
    """

    def __init__(self, program: Program) -> None:
        self.at: dict[tuple[CodeType, int], Line] = {}
        self.same: dict[Line, Line] = {}
        made: dict[Var, Line] = {}
        used = {v for v in program.outputs if isinstance(v, Var)}
        last: dict[Line, list[Equation]] = {}
        for e in program.equations:
            line = self.of(e)
            used.update([v for v in e.inputs if isinstance(v, Var) and made.get(v) is not line])
            if line is not None and len(e.outputs) == 1:
                made[e.outputs[0]] = line
                before = last.get(line)
                if before is None or _offset(before[0]) != _offset(e):
                    last[line] = [e]
                else:
                    before.append(e)
        self.of_vars: dict[Var, str] = {}
        """The user's names."""
        for line, equations in last.items():
            match = None if "<lambda>" in line.place else _ASSIGNED.match(line.text)
            if match is not None:
                results = [e.outputs[0] for e in equations]
                found = next((v for v in results if v in used), results[-1])
                self.of_vars[found] = match.group(1)

    def of(self, e: Equation) -> Line | None:
        """The line of an equation; the same object for the same line."""
        source = e.source
        if source is None:
            return None
        key = (source.code, source.offset)
        line = self.at.get(key)
        if line is None:
            line = Line(source.place, source.text)
            line = self.at[key] = self.same.setdefault(line, line)
        return line
