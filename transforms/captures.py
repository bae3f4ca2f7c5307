"""Plain arrays that a linear program needs later must not change before it runs.

`w * x` with a traced `x` keeps `w` as a residual. If the user writes to that array afterwards (a
buffer that is filled again, a parameter that is updated), the derivative would silently be that of
another function. So what is small is copied when it is captured; larger arrays are read-only while
the function runs, and where the program is handed out, to be run later, it works on copies. A view
is copied, too, if its memory may be written to through another view.
"""

from __future__ import annotations

from sys import getrefcount
from threading import Lock
from typing import Any, Final, NoReturn

import numpy as np

from ..core.aval import Array
from ..core.errors import InPlaceWriteError
from ..core.source import Source, is_library_frame

__all__ = ["Captures"]

SMALL: Final = 8192
"""Up to this many bytes, a copy costs no more than anything else would."""
BUDGET: Final = 1 << 26
"""How many bytes of small copies one program may hold: after that, all arrays count as large."""

_frozen: dict[int, list[Any]] = {}
"""Arrays that were made read-only, with the number of captures: of all threads and traces, for the
last one gives the array back."""
_lock = Lock()


def _owner(x: Array) -> Array:
    """The array that holds the memory."""
    while type(x.base) is np.ndarray:
        x = x.base
    return x


def _references_of_one_view() -> int:
    x = np.zeros(2)[1:]
    owner = _owner(x)
    return getrefcount(owner)


_ALONE: Final = _references_of_one_view()
"""What `getrefcount` tells of an owner that one view, and one variable, refer to."""


def _freeze(x: Array) -> bool:
    """Make an array read-only; False if it was so already, and not by us."""
    with _lock:
        entry = _frozen.get(id(x))
        if entry is not None:
            entry[1] += 1
            return True
        if not x.flags.writeable:
            return False
        x.flags.writeable = False
        _frozen[id(x)] = [x, 1, []]
        return True


def _thaw(arrays: list[Array]) -> None:
    # NumPy lets a view be written to only if the owner of its memory may be: owners come first, and
    # where one is still captured elsewhere, its views wait for it.
    with _lock:
        for x in sorted(arrays, key=lambda x: x.base is not None):
            entry = _frozen[id(x)]
            entry[1] -= 1
            if entry[1]:
                continue
            del _frozen[id(x)]
            of_owner = _frozen.get(id(_owner(x)))
            if of_owner is not None:
                of_owner[2].append(x)
                continue
            for a in (x, *entry[2]):
                a.flags.writeable = True


class Captures:
    """The plain arrays that one linear program captured.

    With `handed_out` the program lives longer than the function's run, and gets copies.
    """

    __slots__ = ("arrays", "budget", "handed_out", "held")

    def __init__(self, handed_out: bool) -> None:
        self.handed_out = handed_out
        self.budget = BUDGET
        self.arrays: dict[int, tuple[Array, Array]] = {}
        self.held: list[Array] = []

    def keep(self, x: Array) -> Array:
        """The array, or a copy of it, in a form that does not change any more."""
        size = x.nbytes
        if size <= SMALL and size <= self.budget:
            self.budget -= size
            return x.copy(order="K")
        known = self.arrays.get(id(x))
        if known is not None:
            return known[1]
        owner = _owner(x)
        if owner is not x and getrefcount(owner) > _ALONE:
            # A view made earlier stays writable where its owner is not.
            kept = x.copy(order="K")
            self.arrays[id(x)] = x, kept
            return kept
        for a in (x, owner) if owner is not x else (x,):
            if _freeze(a):
                self.held.append(a)
        kept = x.copy(order="K") if self.handed_out else x
        self.arrays[id(x)] = x, kept
        return kept

    def release(self) -> None:
        """Give the arrays back to their owner."""
        if self.held:
            _thaw(self.held)
            self.held = []
        self.arrays = {}

    def explain(self, operation: str, error: ValueError) -> NoReturn:
        """Raise what the user should read, if the error is NumPy's refusal to write to one of the
        arrays; the error itself otherwise.
        """
        if not self.held or "read-only" not in str(error) or isinstance(error, InPlaceWriteError):
            raise error
        source, tb = None, error.__traceback__
        while tb is not None:
            if not is_library_frame(tb.tb_frame):
                source = Source(tb.tb_frame.f_code, tb.tb_lasti)
            tb = tb.tb_next
        raise InPlaceWriteError(
            f"{operation}: the function writes to an array after it was used with traced values, "
            "so the derivative would come out wrong.",
            needed="arrays that keep their values until the derivative has been computed",
            fix="use a copy where the array meets traced values, x * buffer.copy(); or write to a "
            "new array",
            source=source,
        ) from error
