"""What reverse mode keeps: the list is honest, and names the user's lines."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.linspace(0.1, 0.9, 5000)
KEPT_BYTES = 40_000


def test_each_array_once_with_its_line() -> None:
    def f(x: Any) -> Any:
        y = np.tanh(x)
        z = y * np.exp(y)  # the line of mul
        return np.sum(z)

    found = wg.saved_residuals(f, X)
    assert [r.nbytes for r in found] == [KEPT_BYTES] * 3
    by_need = {r.needed_by: r for r in found}
    assert set(by_need) == {("tanh",), ("exp", "mul"), ("mul",)}
    shared = by_need["exp", "mul"]
    assert (shared.shape, shared.dtype, shared.kind) == ((5000,), np.float64, "result")
    assert shared.name == "of exp"
    assert by_need["mul",].name == "of tanh"
    source = by_need["mul",].source
    assert source is not None
    assert "test_residuals.py" in source.code.co_filename
    assert "the line of mul" in source.text
    assert all(r.source is not None and r.source.place.endswith("(f)") for r in found)


def test_arguments_and_constants() -> None:
    w = np.ones((3, 5000))

    def f(p: Any, k: Any, *, b: Any) -> Any:
        return np.sum((w @ p["x"]) ** 2) + np.sum(p["x"] * b) + np.sum(k * p["x"])

    found = wg.saved_residuals(f, {"x": X}, 2.0, b=np.full(5000, 2.0))
    names = {(r.kind, r.name) for r in found if r.nbytes >= KEPT_BYTES}
    assert names == {("constant", "a constant"), ("argument", "argument 0['x']")}
    assert w.flags.writeable


def test_views_count_by_their_base() -> None:
    f = lambda x: np.sum(np.sin(x)[:10] * np.sin(2 * x)[10:20])
    found = wg.saved_residuals(f, X)
    assert [r.nbytes for r in found] == [KEPT_BYTES] * 4
    assert all(r.shape == (5000,) for r in found)


def test_written_arrays_and_many_results() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        y[3:] = x[3:] ** 2
        return np.sum(np.linalg.svd(np.reshape(y, (50, 100)), full_matrices=False)[1])

    found = wg.saved_residuals(f, X)
    assert {"sin", "pow", "svd"} <= {n for r in found for n in r.needed_by}


def test_with_checkpoint_only_the_arguments() -> None:
    f = lambda x: np.sum(np.sin(np.exp(np.tanh(x))))
    (found,) = [r for r in wg.saved_residuals(wg.checkpoint(f), X) if r.nbytes > 1000]
    assert (found.kind, found.needed_by) == ("argument", ("checkpoint",))


def test_the_sum_is_what_is_measured() -> None:

    def f(x: Any) -> Any:
        for _ in range(10):
            x = np.sin(x) * np.cos(x)[::-1]
        return np.sum(x)

    total = sum(r.nbytes for r in wg.saved_residuals(f, X))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    y, pullback = wg.vjp(f, X)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert total == pytest.approx(kept, rel=0.1)
    assert pullback(y)[0].shape == X.shape


def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    def f(w: Any, x: Any) -> Any:
        return np.sum(np.tanh(x @ w))

    wg.print_saved_residuals(f, np.ones((100, 3)), np.ones((2000, 100)))
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "3 arrays, 1.65 MB, on a tape of 5 entries"
    assert [row.split("  test_")[0].split() for row in rows] == [
        ["1.6", "MB", "f64[2000,100]", "argument", "1", "needed", "by", "matmul"],
        ["48", "kB", "f64[2000,3]", "result", "for", "tanh"],
        ["2400", "bytes", "f64[100,3]", "argument", "0", "needed", "by", "matmul"],
    ]
    assert all("np.sum(np.tanh(x @ w))" in row for row in rows)
    wg.print_saved_residuals(lambda x: 2.0 * x, 1.0)
    assert capsys.readouterr().out == "0 arrays, 0 bytes, on a tape of 1 entry\n"


def test_errors() -> None:
    with pytest.raises(wg.errors.DtypeError, match="the first argument must be a function"):
        wg.print_saved_residuals(1.0, 2.0)
    with pytest.raises(wg.errors.DtypeError, match="which have no derivative"):
        wg.saved_residuals(np.sin, np.arange(3))
    with pytest.raises(ZeroDivisionError):
        wg.saved_residuals(lambda x: x / 0 if x.shape else 1 / 0, 1.0)
    b = np.ones(5000)

    def f(x: Any) -> Any:
        y = x * b
        b[0] = 2.0
        return np.sum(y)

    with pytest.raises(wg.errors.InPlaceWriteError, match="writes to an array after it was used"):
        wg.saved_residuals(f, X)
