"""Finding, naming and showing the user's own source line; and leaving library frames out of
tracebacks.

A source line is stored as a code object and an instruction offset, which cost nothing to take, and
becomes a file name, a line number and a text only when somebody reads it.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from threading import local
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

__all__ = ["Source", "boundary", "describe_function", "hide_library_frames", "user_source"]

F = TypeVar("F", bound=Callable[..., Any])

_LIBRARY = ("wengert", "numpy", "scipy", "contextlib")
_INSIDE = ("wengert.", "numpy.", "scipy.")

NEAR = 8
"""How many frames above an operation the user's line is looked for, where every call counts."""


class Source:
    """A place in the user's code: a code object and the offset of an instruction in it."""

    __slots__ = ("code", "offset")

    def __init__(self, code: CodeType, offset: int) -> None:
        self.code = code
        self.offset = offset

    @property
    def line(self) -> int:
        """The line number, from 1."""
        positions = next(islice(self.code.co_positions(), self.offset // 2, None), None)
        found = positions[0] if positions is not None else None
        return self.code.co_firstlineno if found is None else found

    @property
    def text(self) -> str:
        """The line itself, stripped; empty where the file cannot be read."""
        return linecache.getline(self.code.co_filename, self.line).strip()

    @property
    def place(self) -> str:
        """`file.py:12 (function)`."""
        return f"{os.path.basename(self.code.co_filename)}:{self.line} ({self.code.co_name})"

    def __repr__(self) -> str:
        text = self.text
        return f"{self.place}: {text}" if text else self.place

    def __reduce__(self) -> tuple[object, ...]:
        # Code objects do not pickle; a program that was saved keeps its text but not its live
        # lines.
        return (type(None), ())


_OURS: dict[int, bool] = {}
"""Whether a module is the library's, by the identity of its names."""
_ASKED: list[dict[str, Any]] = []
"""These names, so that their identities stay theirs."""


def is_library_frame(frame: FrameType) -> bool:
    """True for a frame of wengert's, NumPy's or SciPy's own code, or of their decorators."""
    name = frame.f_globals.get("__name__")
    return type(name) is str and (name in _LIBRARY or name.startswith(_INSIDE))


def is_library_code(code: CodeType) -> bool:
    """True for code of wengert's, NumPy's or SciPy's own files, which is no user's line."""
    return any(
        code.co_filename == getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name in _LIBRARY or name.startswith(_INSIDE)
    )


def user_frame(depth: int = 1, reach: int = 1000) -> FrameType | None:
    """The innermost frame, `depth` or more above the caller, that is not the library's.

    Operations look only `reach` frames up: what no user's line is near to, the library made itself.
    """
    frame: FrameType | None = sys._getframe(depth + 1)
    below = None if reach <= NEAR else _WALK.start
    while frame is not None and reach:
        ours = _OURS.get(id(frame.f_globals))
        if not (_is_ours(frame) if ours is None else ours):
            return frame
        if frame is below:
            return _WALK.end
        reach -= 1
        frame = frame.f_back
    return None


def _is_ours(frame: FrameType) -> bool:
    """`is_library_frame`, noted for modules; the names of emitted code may go again."""
    ours = is_library_frame(frame)
    names = frame.f_globals
    name = names.get("__name__")
    module = sys.modules.get(name) if type(name) is str else None
    if getattr(module, "__dict__", None) is names:
        _ASKED.append(names)
        _OURS[id(names)] = ours
    return ours


class _Walk(local):
    """A library's frame of this thread that is still running, and the user's frame above it."""

    start: FrameType | None = None
    end: FrameType | None = None


_WALK = _Walk()


@contextmanager
def line_above() -> Iterator[None]:
    """Look for the user's line above the caller only once: for what applies many operations, deep
    inside of the library.
    """
    before = _WALK.start, _WALK.end
    end = user_frame(2)
    _WALK.start, _WALK.end = sys._getframe(2), end
    try:
        yield
    finally:
        _WALK.start, _WALK.end = before


def user_source(reach: int = 1000, depth: int = 0) -> Source | None:
    """The user's line that is running now, or None where there is no such frame. At least the first
    `depth` frames are the library's.
    """
    frame = user_frame(depth + 1, reach)
    return None if frame is None else Source(frame.f_code, frame.f_lasti)


def describe_function(f: object) -> str:
    """A short name of `f` for messages: `loss`, `<lambda> at file.py:3`, `partial(loss)`."""
    inner = getattr(f, "func", None)
    if inner is not None and not hasattr(f, "__name__"):
        return f"partial({describe_function(inner)})"
    name = getattr(f, "__name__", None) or type(f).__name__
    while hasattr(f, "__wrapped__"):
        f = f.__wrapped__
    code = getattr(f, "__code__", None)
    if name == "<lambda>" and code is not None:
        return f"<lambda> at {os.path.basename(code.co_filename)}:{code.co_firstlineno}"
    return str(name)


def hide_library_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The same traceback without wengert's, NumPy's and SciPy's frames.

    Set the environment variable WENGERT_TRACEBACK=full to see every frame.
    """
    if os.environ.get("WENGERT_TRACEBACK") == "full":
        return traceback
    kept = []
    while traceback is not None:
        if not is_library_frame(traceback.tb_frame):
            kept.append(traceback)
        traceback = traceback.tb_next
    shown: TracebackType | None = None
    for tb in reversed(kept):
        shown = TracebackType(shown, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return shown


def boundary(f: F) -> F:
    """Decorator for what users call: leaves the library's frames out of tracebacks."""

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except Exception as error:
            shown = hide_library_frames(error.__traceback__)
            if type(error) in (ValueError, SystemError) and hasattr(error.__cause__, "source"):
                # NumPy puts an error of its own before one that comes up while it assigns, and
                # Python before one that comes up in C code of SciPy.
                raise error.__cause__.with_traceback(shown) from None  # type: ignore[union-attr]
            error.__traceback__ = shown
            raise

    return call  # type: ignore[return-value]  # the same signature
