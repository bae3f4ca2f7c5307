"""The cache of a staged function: programs by signatures, the one that was used longest ago going
first; and the warning for functions that are traced again and again.

Look-ups take no lock. `readers` are tried first: see `layouts.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from itertools import count
from threading import Lock
from typing import Any, Final, NamedTuple

from ...core.source import user_source
from ...core.tracing import Tracer
from ...core.tree import TreeDef
from .captured import Watch
from .layouts import Layout, fast_key, joiner, rebuilder
from .programs import StagedProgram
from .signature import Given, Signature, difference

__all__ = ["Cache", "CacheInfo", "Entry", "RetraceWarning"]

_MANY: Final = 8
"""After more traces than this, with few calls for each, a function is said to be traced again and
again."""
_READERS: Final = 8
"""How many forms of arguments are tried one by one before the signature is looked up."""
_REMEMBERED: Final = 10_000
"""Of so many signatures it is known that they were met, though their program is not kept."""
_WATCHED: Final = 64
"""So many programs are kept where tracing changes what they captured."""


class RetraceWarning(UserWarning):
    """A staged function is traced again and again, which costs more than staging saves."""


class CacheInfo(NamedTuple):
    """What the cache of a staged function holds.

    `hits` counts calls that found a program, `misses` those that traced one. `signatures` are those
    of the programs that are kept.
    """

    hits: int
    misses: int
    maxsize: int | None
    currsize: int
    signatures: tuple[str, ...]


class Entry:
    """One program in the cache. `run` and `rebuild` evaluate it; `join` is for traced results."""

    __slots__ = ("at", "body", "join", "rebuild", "run", "signature", "used", "watch")

    def __init__(
        self, signature: Signature, body: StagedProgram, out_tree: TreeDef, watch: Watch | None
    ) -> None:
        self.signature = signature
        self.body = body
        self.watch = watch
        self.run: Callable[..., tuple[Any, ...]] = body
        self.rebuild = rebuilder(out_tree, body.program.out_avals)
        self.join = joiner(out_tree, len(body.program.outputs))
        self.used = 0
        self.at: list[tuple[Layout, Hashable]] = []


class Cache:
    """Programs by signatures, at most `size` of them (None: any number)."""

    def __init__(self, operation: str, size: int | None) -> None:
        self.operation = operation
        self.size = size
        self.entries: dict[Signature, Entry] = {}
        self.layouts: dict[Hashable, Layout] = {}
        self.readers: tuple[Callable[..., Any], ...] = ()
        self.lock = Lock()
        self.clock = count(1)  # counted by C code, which no other thread interrupts
        self.looks = 0
        self.traces = 0
        self.met: set[int] = set()
        self.last: Signature | None = None
        self.warned = False

    def find(self, signature: Signature, counts: bool) -> tuple[Entry | None, str]:
        """The program for a signature; or None, and what was captured and has changed."""
        entry = self.entries.get(signature)
        if entry is None:
            return None, ""
        if entry.watch is not None and entry.watch.changed():
            return None, entry.watch.reason
        if counts:
            entry.used = next(self.clock)
        return entry, ""

    def keep(self, entry: Entry) -> None:
        """Add a program, and let the one go that was used longest ago."""
        entry.used = next(self.clock)
        with self.lock:
            self.looks += 1
            self.forget(self.entries.get(entry.signature))
            self.entries[entry.signature] = entry
            if self.size is not None and len(self.entries) > self.size:
                self.forget(min(self.entries.values(), key=lambda e: e.used))

    def forget(self, entry: Entry | None) -> None:
        """Take a program out."""
        if entry is None:
            return
        self.entries.pop(entry.signature, None)
        for layout, key in entry.at:
            layout.table.pop(key, None)
            if not layout.table and self.layouts.pop(layout.form, None) is not None:
                self.readers = tuple([r for r in self.readers if r is not layout.read])

    def add_layout(self, given: Given, entry: Entry) -> None:
        """Let calls like this one be recognised quickly from now on."""
        form = Layout.form_of(given)
        if not any([isinstance(x, Tracer) for x in given.plain_leaves]):
            entry.run = entry.body.emitted
        with self.lock:
            if self.entries.get(entry.signature) is not entry:
                return
            layout = self.layouts.get(form)
            if layout is None:
                layout = self.layouts[form] = Layout(form, given, self.clock)
            key = fast_key(given)
            if key not in layout.table:
                entry.at.append((layout, key))
            layout.table[key] = entry
            others = [r for r in self.readers if r is not layout.read]
            self.readers = (layout.read, *others[: _READERS - 1])

    def hits(self) -> int:
        """Calls that found a program: each of them took a number, as each look at the clock did."""
        self.looks += 1
        return max(0, next(self.clock) - self.looks)

    def info(self) -> CacheInfo:
        """What is kept."""
        with self.lock:
            kept = tuple([repr(s) for s in self.entries])
            return CacheInfo(self.hits(), self.traces, self.size, len(kept), kept)

    def watches(self) -> list[Watch]:
        """What the newest programs captured, where that is unchanged."""
        found = [e.watch for e in list(self.entries.values())[-_WATCHED:]]
        return [w for w in found if w is not None and not w.changed()]

    def count_trace(self, signature: Signature, reason: str) -> None:
        """Count a trace, and warn where there are too many. A `reason` is what changed besides the
        signature.
        """
        with self.lock:
            last, self.last = self.last, signature
            text = hash(repr(signature))  # the text, so that no value is kept alive
            again = text in self.met
            if len(self.met) < _REMEMBERED:
                self.met.add(text)
            self.traces += 1
            traces, hits = self.traces, self.hits()
            if traces <= _MANY or hits >= 2 * traces or self.warned:
                return
            self.warned = True
            known = [*reversed(self.entries), *([] if last is None else [last])]
        if not reason and again:
            reason = f"its program was not kept, as cache_size is {self.size}"
        elif not reason:
            closest = next((s for s in known if s.form == signature.form), known[0])
            reason = difference(closest, signature)
        source = user_source()
        warnings.warn_explicit(
            f"{self.operation} was traced {traces} times in {traces + hits} calls, which costs "
            f"more than staging saves. The last reason: {reason}. {_advice(reason)}",
            RetraceWarning,
            "wengert" if source is None else source.code.co_filename,
            1 if source is None else source.line,
        )


def _advice(reason: str) -> str:
    """What to do, for the beginnings of `difference`'s texts and the other reasons."""
    if reason.startswith("static"):
        return "Pass what takes many values as an ordinary argument."
    if "captured" in reason or "closes over" in reason:
        return "Pass what changes as an argument."
    if "cache_size" in reason:
        return "Give staged a larger cache_size."
    if reason.startswith("the shape"):
        return "Pad the arrays to a few sizes."
    if reason.startswith("the structure"):
        return "Functions and texts in arguments are best made once, outside of the loop."
    return "Pass arguments of the same types."
