"""The garbage collector rests while a program is traced, and is always as before afterwards."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from threading import Barrier, Thread

import numpy as np
import pytest

import wengert as wg
from wengert.core.collecting import UNCOLLECTED


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.isenabled()
    gc.enable()
    yield
    assert not UNCOLLECTED.inside
    if not before:
        gc.disable()


def test_it_rests_while_a_program_is_traced() -> None:
    seen = []

    def f(x: np.ndarray) -> np.ndarray:
        seen.append(gc.isenabled())
        return x * 2.0

    wg.make_program(f)(1.0)
    wg.staged(f)(1.0)
    wg.grad(f)(1.0)
    assert seen == [False, False, True]
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        raise KeyError("of the user")

    for make in (wg.make_program(f), wg.staged(f), wg.make_program(wg.grad(f))):
        with pytest.raises(KeyError):
            make(1.0)
        assert gc.isenabled()


def test_it_stays_off_for_who_has_turned_it_off() -> None:
    gc.disable()
    wg.make_program(np.sin)(1.0)
    assert not gc.isenabled()


def test_nested_traces_count() -> None:
    seen = []

    def f(x: np.ndarray) -> np.ndarray:
        wg.make_program(np.sin)(1.0)
        seen.append(gc.isenabled())
        return x

    wg.make_program(f)(1.0)
    assert seen == [False]
    assert gc.isenabled()


def test_the_last_of_several_threads_turns_it_on() -> None:
    both, first_done, checked = Barrier(2), Barrier(2), Barrier(2)
    seen = []

    def first(x: np.ndarray) -> np.ndarray:
        both.wait(10)
        return x

    def last(x: np.ndarray) -> np.ndarray:
        both.wait(10)
        first_done.wait(10)
        seen.append(gc.isenabled())
        checked.wait(10)
        return x

    def trace_first() -> None:
        wg.make_program(first)(1.0)
        first_done.wait(10)

    threads = [Thread(target=trace_first), Thread(target=lambda: wg.make_program(last)(1.0))]
    for t in threads:
        t.start()
    checked.wait(10)
    for t in threads:
        t.join()
    assert seen == [False]
    assert gc.isenabled()


def test_many_threads_leave_it_as_it_was() -> None:
    def trace() -> None:
        for _ in range(50):
            wg.make_program(np.sin)(1.0)

    threads = [Thread(target=trace) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert gc.isenabled()
    assert not UNCOLLECTED.inside
