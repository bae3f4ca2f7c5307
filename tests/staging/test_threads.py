"""The pool: how many threads, what they inherit, and what happens when a task fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DtypeError, ShapeError
from wengert.transforms.staging.threads import run_in_parts


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing is chosen before a test, nor after it."""
    monkeypatch.delenv("WENGERT_NUM_THREADS", raising=False)
    yield
    wg.set_num_threads(None)


def in_new_process(text: str, **environment: str) -> str:
    """What a script prints."""
    known = {k: v for k, v in os.environ.items() if k != "WENGERT_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
        env={**known, **environment},
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


# How many.


def test_the_number_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    wg.set_num_threads(5)
    assert wg.get_num_threads() == 5
    monkeypatch.setenv("WENGERT_NUM_THREADS", "3")
    assert wg.get_num_threads() == 5
    wg.set_num_threads(None)
    assert wg.get_num_threads() == 3


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_not_heard(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    due = wg.get_num_threads()
    monkeypatch.setenv("WENGERT_NUM_THREADS", text)
    assert wg.get_num_threads() == due


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_the_affinity_mask_is_respected() -> None:
    text = (
        "import os, wengert as wg\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "print(wg.get_num_threads())\n"
    )
    assert in_new_process(text) == "1"
    assert in_new_process(text, WENGERT_NUM_THREADS="4") == "4"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor")
def test_workers_keep_off_the_processor_of_the_caller() -> None:
    """And follow a mask that changes."""
    text = (
        "import os\n"
        "from threading import Barrier, get_ident\n"
        "from wengert.transforms.staging.threads import run_in_parts\n"
        "def masks():\n"
        "    barrier = Barrier(2, timeout=20)\n"
        "    def task(i):\n"
        "        barrier.wait()\n"
        "        return get_ident() == main, os.sched_getaffinity(0)\n"
        "    return {own: mask for own, mask in run_in_parts(task, 2, 2)}[False]\n"
        "main = get_ident()\n"
        "allowed = os.sched_getaffinity(0)\n"
        "first = masks()\n"
        "os.sched_setaffinity(0, {max(allowed)})\n"
        "print(first < allowed or len(allowed) == 1, masks() == {max(allowed)})\n"
    )
    assert in_new_process(text) == "True True"


@pytest.mark.parametrize("bad", [1.5, "2", True, np.array([2])])
def test_the_number_must_be_an_int(bad: Any) -> None:
    with pytest.raises(DtypeError, match="set_num_threads: the number must be an int"):
        wg.set_num_threads(bad)


@pytest.mark.parametrize("bad", [0, -3])
def test_the_number_must_be_positive(bad: int) -> None:
    with pytest.raises(ShapeError, match="set_num_threads: the number must be 1 or more"):
        wg.set_num_threads(bad)


# The work.


def test_results_come_in_order() -> None:
    for threads in (1, 2, 3, 20):
        assert run_in_parts(lambda i: i * i, 10, threads) == [i * i for i in range(10)]
    assert run_in_parts(lambda i: i, 0, 3) == []


def test_workers_do_a_part_of_it() -> None:
    barrier = threading.Barrier(3, timeout=30)

    def task(i: int) -> int:
        barrier.wait()  # passes if three threads are at work at a time
        return threading.get_ident()

    assert len(set(run_in_parts(task, 3, 3))) == 3


def test_no_one_waits_for_a_worker_that_has_not_begun() -> None:
    """The caller does all parts, if the workers are busy elsewhere."""
    stop = threading.Event()
    began = threading.Barrier(3, timeout=30)

    def block(i: int) -> None:
        began.wait()
        stop.wait(30)

    other = threading.Thread(target=run_in_parts, args=(block, 2, 2))
    other.start()
    third = threading.Thread(target=began.wait)
    third.start()
    third.join()
    assert run_in_parts(lambda i: i, 100, 2) == list(range(100))
    stop.set()
    other.join()


def test_work_within_work_is_done_where_it_is() -> None:
    def inner(i: int) -> tuple[int, list[int]]:
        barrier.wait()
        return threading.get_ident(), run_in_parts(lambda j: threading.get_ident(), 3, 3)

    barrier = threading.Barrier(2, timeout=30)
    main = threading.get_ident()
    for own, within in run_in_parts(inner, 2, 2):
        if own != main:
            assert set(within) == {own}


def test_the_first_error_is_raised() -> None:
    def task(i: int) -> int:
        if i >= 2:
            raise ValueError(f"part {i}")
        return i

    for threads in (1, 3):
        with pytest.raises(ValueError, match="part 2"):
            run_in_parts(task, 6, threads)
    assert run_in_parts(lambda i: i, 6, 3) == list(range(6))


def test_an_error_in_a_worker_is_raised_in_the_caller() -> None:
    main = threading.get_ident()
    barrier = threading.Barrier(2, timeout=30)

    def task(i: int) -> None:
        barrier.wait()
        if threading.get_ident() != main:
            raise KeyError("worker")

    with pytest.raises(KeyError, match="worker"):
        run_in_parts(task, 2, 2)


def test_nobody_works_on_after_an_interrupt() -> None:
    """Control-C is raised once the workers have come to an end."""
    events: list[str] = []
    main = threading.main_thread().ident
    assert main is not None

    def task(i: int) -> None:
        if threading.get_ident() != main and not events:
            events.append("begin")
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.2)
            events.append("end")
        time.sleep(0.02)

    with pytest.raises(KeyboardInterrupt):
        run_in_parts(task, 50, 2)
    assert events == ["begin", "end"]


def test_errstate_holds_in_workers() -> None:
    barrier = threading.Barrier(2, timeout=30)

    def task(i: int) -> Any:
        barrier.wait()
        return np.geterr()["divide"]

    with np.errstate(divide="raise"):
        assert run_in_parts(task, 2, 2) == ["raise", "raise"]
    assert run_in_parts(task, 2, 2) == ["warn", "warn"]


def test_warnings_that_are_errors() -> None:
    barrier = threading.Barrier(2, timeout=30)
    zero = np.zeros(1000)

    def task(i: int) -> Any:
        barrier.wait()
        return 1 / zero if threading.get_ident() != main else None

    main = threading.get_ident()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            run_in_parts(task, 2, 2)


def test_many_threads_use_the_pool() -> None:
    found: list[bool] = []

    def use() -> None:
        for k in range(50):
            found.append(run_in_parts(lambda i, k=k: i * k, 7, 3) == [i * k for i in range(7)])

    users = [threading.Thread(target=use) for _ in range(5)]
    for u in users:
        u.start()
    for u in users:
        u.join()
    assert len(found) == 250
    assert all(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    text = (
        "import os, warnings\n"
        "from threading import Barrier, get_ident\n"
        "from wengert.transforms.staging.threads import run_in_parts\n"
        "warnings.simplefilter('ignore')\n"
        "def use():\n"
        "    barrier = Barrier(2, timeout=20)\n"
        "    def task(i):\n"
        "        barrier.wait()\n"
        "        return get_ident()\n"
        "    return len(set(run_in_parts(task, 2, 2)))\n"
        "before = use()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if use() == 2 else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "print(before, os.waitstatus_to_exitcode(status), use())\n"
    )
    assert in_new_process(text) == "2 0 2"


def test_the_interpreter_ends_with_idle_workers() -> None:
    text = (
        "from wengert.transforms.staging.threads import run_in_parts\n"
        "print(sum(run_in_parts(lambda i: i, 10, 3)))\n"
    )
    assert in_new_process(text) == "45"
