"""The text of a function as it grows: its lines, names, constants and buffers.

Read next: `scope.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .buffers import Key
from .names import Names

__all__ = ["Writer"]


class Writer:
    """The text of a function so far, with what it refers to."""

    def __init__(self, floats: bool) -> None:
        self.floats = floats
        self.has_floats = False
        self.names = Names()
        self.globals: dict[str, Any] = {}
        self.known: dict[Any, str] = {}
        self.arrays: dict[str, Any] = {}
        self.keys: list[Key] = []
        self.free: dict[Key, list[str]] = {}
        """Buffers that nothing lives in."""
        self.lines: list[str] = []
        self.functions: list[str] = []
        """The texts of functions besides: those of fused equations."""
        self.indent = 1

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.indent + text)

    def use(self, name: str, value: Any) -> str:
        """A global under a fixed name, which no variable has."""
        self.names.taken.add(name)
        self.globals[name] = value
        return name

    def refer(self, stem: str, value: Any) -> str:
        """The name of a global that holds a value."""
        key = (type(value), repr(value)) if isinstance(value, float | complex) else id(value)
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.names.new(f"{stem}{len(self.known)}")
            self.globals[name] = value
        return name

    def literal(self, value: Any) -> str:
        """A number."""
        if type(value) in (bool, int) or (type(value) is float and np.isfinite(value)):
            text = repr(value)
            return f"({text})" if text.startswith("-") else text
        return self.refer("c", value)

    def array_of(self, value: float) -> str:
        """A float64 as an array without axes: NumPy computes much faster with it."""
        text = repr(value)
        if text not in self.arrays:
            self.arrays[text] = np.array(value)
        return self.refer("c", self.arrays[text])
