"""The threads that large elementwise computations are divided among.

As many as the process may run on (its affinity mask), `WENGERT_NUM_THREADS` or `set_num_threads`.
Work comes in parts. The calling thread does one after the other, and workers that are idle take
some away from it: no one waits for a worker that has not begun. A worker never hands on: work
within work is done where it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Lock, Thread, local
from typing import Any

from ...core.errors import DtypeError, ShapeError

__all__ = ["get_num_threads", "run_in_parts", "set_num_threads"]


class _Worker(local):
    """Whether this thread is one of the pool."""

    inside = False


_worker = _Worker()
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
            raise DtypeError(
                "set_num_threads: the number must be an int, or None.",
                got=repr(n),
                fix="give the number of threads, or None for as many as there are processors",
            )
        if n < 1:
            raise ShapeError(
                "set_num_threads: the number must be 1 or more.",
                got=repr(n),
                fix="give 1 for no threads but the calling one",
            )
    _chosen = n


def _other_processors() -> set[int]:
    """Those that the calling thread may use, but for the one that it runs on; empty where this
    cannot be known.

    Threads that hand the interpreter over to one another all the time look to Linux like ones that
    belong on one processor.
    """
    try:
        allowed = os.sched_getaffinity(0)
        here = int(Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()[36])
    except (AttributeError, OSError, ValueError, IndexError):
        return set()
    return allowed - {here} or allowed


class _Job:
    """Parts of work that several threads take one after the other."""

    def __init__(self, task: Callable[[int], Any], parts: int) -> None:
        self.task = task
        self.results: list[Any] = [None] * parts
        self.waiting = iter(range(parts))  # next() of it is one step under the interpreter's lock
        self.errors: dict[int, BaseException] = {}
        self.busy = 0
        self.over = False
        self.changed = Condition(Lock())

    def work(self) -> None:
        """Do parts until none is left, or one has failed."""
        for i in self.waiting:
            if self.over:
                return
            try:
                self.results[i] = self.task(i)
            except BaseException as error:  # raised in the caller
                self.errors[i] = error
                self.over = True

    def help(self) -> None:
        """Work in another thread, unless it is too late."""
        with self.changed:
            if self.over:
                return
            self.busy += 1
        try:
            self.work()
        finally:
            with self.changed:
                self.busy -= 1
                self.changed.notify()

    def finish(self) -> None:
        """Let no one begin any more, and wait for those that have."""
        with self.changed:
            self.over = True
            while self.busy:
                self.changed.wait()


class _Pool:
    """Threads that wait for jobs; as many as were ever needed."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[tuple[Context, _Job, set[int]]] = SimpleQueue()
        self.size = 0
        self.lock = Lock()

    def give(self, job: _Job, helpers: int) -> None:
        """Offer a job to so many threads."""
        if self.size < helpers:
            with self.lock:
                while self.size < helpers:
                    name = f"wengert-{self.size}"
                    Thread(target=self.serve, name=name, daemon=True).start()
                    self.size += 1
        processors = _other_processors()
        for _ in range(helpers):
            # A context each, so that np.errstate holds in the workers too.
            self.jobs.put((copy_context(), job, processors))

    def serve(self) -> None:
        """What a thread does."""
        _worker.inside = True
        at: set[int] = set()
        while True:
            context, job, processors = self.jobs.get()
            if processors != at:
                at = processors
                with suppress(OSError):  # as when the mask has just changed
                    os.sched_setaffinity(0, at)
            context.run(job.help)
            del context, job  # or they would live until the next one comes


_pool = _Pool()


def _forget_pool() -> None:
    """In a forked process the threads are gone."""
    global _pool
    _pool = _Pool()
    _worker.inside = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def run_in_parts(task: Callable[[int], Any], parts: int, threads: int) -> list[Any]:
    """`[task(i) for i in range(parts)]`, by at most so many threads.

    If some fail, the error of the first of them is raised.
    """
    threads = min(threads, parts)
    if threads < 2 or _worker.inside:
        return [task(i) for i in range(parts)]
    job = _Job(task, parts)
    try:
        _pool.give(job, threads - 1)
        job.work()
    finally:
        job.finish()
    if job.errors:
        raise job.errors[min(job.errors)]
    return job.results
