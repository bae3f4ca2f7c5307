"""The threads that large elementwise computations are divided among.

As many as the process may run on (its affinity mask), `WENGERT_NUM_THREADS` or `set_num_threads`.
The calling thread does its share. A worker never hands on: work within work is done where it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from threading import Lock, local
from typing import Any

from ...core.errors import DtypeError, ShapeError

__all__ = ["get_num_threads", "run_in_parts", "set_num_threads"]


class _Worker(local):
    """Whether this thread is one of the pool."""

    inside = False


_worker = _Worker()
_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_chosen: int | None = None


def _available() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def get_num_threads() -> int:
    """Tell how many threads large elementwise computations of staged functions run in.

    Returns:
        The number given to `set_num_threads`; or that in the environment variable
        `WENGERT_NUM_THREADS`; or the number of processors that this process may run on.

    Example:
        >>> import wengert as wg
        >>> wg.get_num_threads() >= 1
        True
    """
    if _chosen is not None:
        return _chosen
    text = os.environ.get("WENGERT_NUM_THREADS", "")
    if text.isdecimal() and int(text) > 0:
        return int(text)
    return _available()


def set_num_threads(n: int | None) -> None:
    """Choose how many threads large elementwise computations of staged functions run in.

    Args:
        n: the number, 1 for none but the calling one; None for as many as there are processors, or
            what `WENGERT_NUM_THREADS` says.

    Raises:
        DtypeError: if it is no int.
        ShapeError: if it is below 1.

    Example:
        >>> import wengert as wg
        >>> wg.set_num_threads(1)
        >>> wg.get_num_threads()
        1
        >>> wg.set_num_threads(None)
    """
    global _chosen
    if n is not None:
        if isinstance(n, bool) or not isinstance(n, int):
            raise DtypeError("set_num_threads: the number must be an int, or None.", got=repr(n))
        if n < 1:
            raise ShapeError("set_num_threads: the number must be 1 or more.", got=repr(n))
    _chosen = n


def _workers(n: int) -> ThreadPoolExecutor:
    """The pool, with n workers or more."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < n:
            _pool = ThreadPoolExecutor(n, thread_name_prefix="wengert")
            _pool_size = n
        return _pool


def _forget_pool() -> None:
    """In a forked process the threads are gone."""
    global _pool, _pool_size, _lock
    _pool, _pool_size, _lock = None, 0, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def run_in_parts(task: Callable[[int, int], Any], n: int, parts: int) -> list[Any]:
    """`task(first, last)` for consecutive ranges of range(n), one a thread; their results."""
    parts = min(parts, n)
    if parts < 2 or _worker.inside:
        return [task(0, n)]
    bounds = [n * k // parts for k in range(parts + 1)]
    pool = _workers(parts - 1)
    # A context each, so that np.errstate holds in the workers too.
    waiting = [
        pool.submit(copy_context().run, _inside, task, a, b) for a, b in pairwise(bounds[1:])
    ]
    try:
        first = task(0, bounds[1])
    finally:
        others = [w.exception() for w in waiting]
    for error in others:
        if error is not None:
            raise error
    return [first, *[w.result() for w in waiting]]


def _inside(task: Callable[[int, int], Any], first: int, last: int) -> Any:
    _worker.inside = True
    return task(first, last)
