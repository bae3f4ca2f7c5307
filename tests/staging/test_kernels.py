"""Fused equations in threads: buffers, errors, re-entrance."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from small_blocks import both, fused_equations, make_blocks_small

import wengert as wg
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.staging import kernels
from wengert.transforms.staging.emit import Emitted


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small arrays count as large, and scratch memory is counted."""
    make_blocks_small(monkeypatch)
    monkeypatch.setattr(kernels, "_scratch", [])
    yield
    wg.set_num_threads(None)


def functions(f: Any, *args: Any) -> tuple[Emitted, Emitted]:
    """A function without blocks and with them."""
    plain, blocked, found = both(improve(wg.make_program(f)(*args)))
    assert fused_equations(found)
    return plain, blocked


def work(x: Any) -> Any:
    y = np.log(x) * x + np.sqrt(x)
    return y, np.sum(y), np.max(y * 2)


def test_scratch_is_kept_and_shared() -> None:
    x = np.linspace(1, 2, 1000)
    wg.set_num_threads(1)
    _, run = functions(work, x)
    run(x)
    (memory,) = kernels._scratch
    run(x)
    _, other = functions(lambda x: np.exp(x) * x - np.sin(x), x)
    other(x)
    assert len(kernels._scratch) == 1
    assert kernels._scratch[0] is memory or kernels._scratch[0].nbytes > memory.nbytes


def test_buffers_are_aligned() -> None:
    x = np.linspace(1, 2, 1000)
    _, run = functions(lambda x: np.where(x > 1.5, np.exp(x), np.sin(x)) * x - x**3, x)
    kernel = next(v for v in run._run.__globals__.values() if isinstance(v, kernels.Kernel))
    memory = np.empty(kernel.nbytes, np.uint8)
    buffers = kernel.block.buffers(memory)
    assert buffers
    for b, offset in zip(buffers, kernel.block.offsets, strict=True):
        assert offset % 64 == 0
        assert np.shares_memory(b, memory)
    for i, b in enumerate(buffers):
        assert not any(np.shares_memory(b, c) for c in buffers[:i])


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_and_no_memory_is_lost(threads: int) -> None:
    x = np.linspace(1, 2, 5000)
    bad = x.copy()
    bad[4000] = -1.0
    wg.set_num_threads(threads)
    plain, run = functions(work, x)
    for _ in range(3):
        with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="invalid"):
            run(bad)
        assert 1 <= len(kernels._scratch) <= threads
    for a, b in zip(run(x), plain(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_warnings_come_as_without_blocks(threads: int) -> None:
    x = np.linspace(-1, 1, 5000)
    wg.set_num_threads(threads)
    plain, run = functions(work, x)
    for f in (plain, run):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("default")
            f(x)
        assert {str(w.message).split(" encountered")[0] for w in found} == {"invalid value"}
        with pytest.raises(RuntimeWarning, match="invalid value"):
            f(x)
        with np.errstate(all="ignore"):
            assert np.isnan(f(x)[1])


def test_errors_can_be_called_back() -> None:
    x = np.linspace(-1, 1, 5000)
    _, run = functions(work, x)
    seen: list[str] = []
    with np.errstate(all="call", call=lambda kind, flag: seen.append(kind)):
        run(x)
    assert "invalid value" in seen


def test_one_function_in_many_threads() -> None:
    args = [np.linspace(1, 2 + k, 3000) for k in range(6)]
    plain, run = functions(work, args[0])
    due = [plain(x) for x in args]
    bad: list[int] = []

    def use(k: int) -> None:
        for _ in range(10):
            for a, b in zip(run(args[k]), due[k], strict=True):
                if not np.allclose(a, b, rtol=1e-12, atol=0):
                    bad.append(k)

    users = [threading.Thread(target=use, args=(k,)) for k in range(len(args))]
    for u in users:
        u.start()
    for u in users:
        u.join()
    assert not bad


def test_results_are_not_touched_by_the_next_call() -> None:
    x = np.linspace(1, 2, 3000)
    _, run = functions(work, x)
    first = run(x)
    kept = [np.copy(v) for v in first]
    run(x + 1)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_staged_functions_use_blocks() -> None:
    x = np.linspace(1, 2, 3000)
    f = wg.staged(lambda x: np.sum(np.log(x) * x))
    np.testing.assert_allclose(f(x), np.sum(np.log(x) * x))
    assert "fused(" in f.source(x)
    g = wg.staged(wg.grad(lambda x: np.sum(np.log(x) * x)))
    np.testing.assert_allclose(g(x), np.log(x) + 1)
    np.testing.assert_allclose(wg.grad(f)(x), np.log(x) + 1)
    h = wg.vmap(wg.staged(lambda x: np.exp(x) * x + 1))
    np.testing.assert_allclose(h(x.reshape(10, 300)), (np.exp(x) * x + 1).reshape(10, 300))


def test_names_of_the_user_hide_no_function() -> None:
    def f(exp: Any, sum_of: Any) -> Any:
        return np.sum(np.exp(exp) * sum_of)

    x = np.linspace(1, 2, 3000)
    np.testing.assert_allclose(wg.staged(f)(x, x), f(x, x))
    g = wg.staged(lambda first, last: np.sum(np.exp(first) - np.sin(last)))
    np.testing.assert_allclose(g(x, x), np.sum(np.exp(x) - np.sin(x)))
