"""Stacks of numbers that one loop leaves for another: lists, of which no arrays are made."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Rows"]


class Rows(NamedTuple):
    """A stack of numbers as a column of a list, whose items are the numbers of one step of a loop.

    `width`: of the columns; with one, the items are numbers, else tuples of numbers. `reverse`: if
    the steps went from the end. The stack is the part from `first` to `last` of all `length` steps.
    """

    name: str
    column: int
    width: int
    reverse: bool
    length: int
    first: int
    last: int

    @property
    def text(self) -> str:
        """The list, or the part of it."""
        if (self.first, self.last) == (0, self.length):
            return self.name
        if self.reverse:
            return f"{self.name}[{self.length - self.last}:{self.length - self.first}]"
        return f"{self.name}[{self.first}:{self.last}]"

    def element(self, k: int) -> str:
        """The number at a position of the stack."""
        at = range(self.first, self.last)[k]
        column = f"[{self.column}]" if self.width > 1 else ""
        return f"{self.name}[{self.length - 1 - at if self.reverse else at}]{column}"

    def part(self, index: slice) -> Rows:
        """The same for a part of the stack."""
        steps = range(self.first, self.last)[index]
        return self._replace(first=steps.start, last=max(steps.start, steps.stop))
