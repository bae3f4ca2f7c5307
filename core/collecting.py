"""The cyclic garbage collector rests while a program is traced.

A long trace makes hundreds of thousands of objects, and keeps them. Python's collector looks
through all of them again each time a few hundred have been added, and finds nothing to free: for a
loop of a few hundred steps that is half of the time of the first call of a staged function. So the
collector is off while at least one thread traces, and as it was before when the last one is done,
also after an error. Everything that is not in a cycle is freed at once, as always. The cycles that
a traced function leaves behind wait until it has returned.
"""

from __future__ import annotations

import gc
from contextlib import ContextDecorator
from threading import Lock

__all__ = ["UNCOLLECTED"]


class _Uncollected(ContextDecorator):
    """A `with` block, or a decorator; of any number of threads, and nested."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0
        self.was_enabled = False

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.was_enabled = gc.isenabled()
                gc.disable()
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.was_enabled:
                gc.enable()


UNCOLLECTED = _Uncollected()
