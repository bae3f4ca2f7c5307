"""What an index selects, axis by axis, for indices made of ints, slices and None alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core.aval import Shape

__all__ = ["Axis", "axes_of_index", "disjoint", "index_of", "is_whole"]


class Axis(NamedTuple):
    """The positions start, start + step, ... of an axis: `length` of them; `kept` if the axis stays
    an axis, which it does not for an int.
    """

    start: int
    step: int
    length: int
    kept: bool = True

    def last(self) -> int:
        """The last position."""
        return self.start + (self.length - 1) * self.step


def axes_of_index(index: Sequence[Any], shape: Shape) -> tuple[Axis, ...] | None:
    """One item for each axis of the array; None for an index with arrays or new axes."""
    found: list[Axis] = []
    if len(index) > len(shape):
        return None
    for item, d in zip(index, shape, strict=False):
        if type(item) is int:
            found.append(Axis(item + d if item < 0 else item, 1, 1, False))
        elif type(item) is slice:
            start, stop, step = item.indices(d)
            count = len(range(start, stop, step))
            found.append(Axis(start, 1 if count < 2 else step, count) if count else Axis(0, 1, 0))
        else:
            return None
    found += [Axis(0, 1, d) for d in shape[len(index) :]]
    return tuple(found)


def index_of(axes: Sequence[Axis], shape: Shape) -> tuple[Any, ...]:
    """The shortest index that selects these positions."""
    items: list[Any] = []
    for a, d in zip(axes, shape, strict=True):
        if not a.kept:
            items.append(a.start)
        elif a == Axis(0, 1, d):
            items.append(slice(None))
        else:
            stop: int | None = a.start + a.length * a.step
            step = None if a.step == 1 else a.step
            items.append(slice(a.start, stop if a.step > 0 or stop >= 0 else None, step))  # type: ignore[operator]
    while items and items[-1] == slice(None):
        items.pop()
    return tuple(items)


def is_whole(axes: Sequence[Axis], shape: Shape) -> bool:
    """True if everything is selected, in order."""
    return all([a == Axis(0, 1, d) for a, d in zip(axes, shape, strict=True)])


def disjoint(a: Sequence[Axis], b: Sequence[Axis]) -> bool:
    """True if two indices certainly select no common element."""
    return any([_apart(p, q) for p, q in zip(a, b, strict=True)])


def _apart(a: Axis, b: Axis) -> bool:
    if not a.length or not b.length:
        return True
    low_a, high_a = sorted([a.start, a.last()])
    low_b, high_b = sorted([b.start, b.last()])
    if high_a < low_b or high_b < low_a:
        return True
    step = abs(a.step)
    return step == abs(b.step) and step > 1 and (a.start - b.start) % step != 0
