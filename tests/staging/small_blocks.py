"""Limits that make small arrays large, so that tests are fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.staging import blocks, cuts, kernels, sizes
from wengert.transforms.staging.emit import Emitted, emit

BLOCK = 64


def make_blocks_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 elements, three threads, and nothing that is not worth it."""
    for module, name, value in [
        (blocks, "SMALLEST", 8),
        (blocks, "LEAST_WORK", 1),
        (blocks, "BLOCK", BLOCK),
        (cuts, "BLOCK", BLOCK),
        (sizes, "BLOCK", BLOCK),
        (sizes, "_LARGEST", 2 * BLOCK),
        (sizes, "_LEAST_WORK", BLOCK),
        (kernels, "FOR_THREADS", 1),
    ]:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("WENGERT_NUM_THREADS", "3")


def fused_equations(program: wg.Program) -> list[Any]:
    """The fused equations."""
    return [e for e in program.equations if e.primitive.name == "fused"]


def names(program: wg.Program) -> list[str]:
    """The primitives, in order; the equations of fused ones by their number."""
    return [
        f"fused {len(e.params['body'].equations)}" if e.primitive.name == "fused"
        else e.primitive.name
        for e in program.equations
    ]  # fmt: skip


def both(program: wg.Program) -> tuple[Emitted, Emitted, wg.Program]:
    """The function of a program without and with blocks, and the program with them."""
    found = blocks.fuse(program)
    wg.core.check_program(found)
    return emit(program, floats=False), emit(found, floats=False), found


def assert_same(program: wg.Program, args: Sequence[Any]) -> wg.Program:
    """Blocks change nothing but the rounding of sums over them; the program with blocks."""
    plain, blocked, found = both(program)
    kept = [np.array(a) for a in args]
    want, got, again = plain(*args), blocked(*args), blocked(*args)
    sums = "'reduce_" in str(found)
    for w, g, a in zip(want, got, again, strict=True):
        assert type(w) is type(g)
        assert (w.shape, w.dtype) == (g.shape, g.dtype)
        np.testing.assert_array_equal(g, a)
        if sums and w.dtype.kind in "fc":
            single = any(e.outputs[0].aval.dtype.itemsize < 8 for e in program.equations)
            np.testing.assert_allclose(g, w, rtol=1e-4 if single else 1e-9, atol=1e-11)
        else:
            np.testing.assert_array_equal(g, w)
    for before, after in zip(kept, args, strict=True):
        np.testing.assert_array_equal(before, after)
    arrays = [g for g in got if g.ndim]
    for i, g in enumerate(arrays):
        assert not any(np.shares_memory(g, x) for x in (*args, *arrays[:i], *again))
    return found
