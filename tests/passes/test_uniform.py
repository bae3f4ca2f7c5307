"""Constant arrays of one number."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program
from wengert.transforms.passes.uniform import broadcast_uniform_constants

N = 5000


@pytest.mark.parametrize(
    ("c", "changed"),
    [
        (np.full(N, 2.5), True),
        (np.full((N, 2), -0.0), True),
        (np.full(N, np.inf), True),
        (np.full(N, 3), True),
        (np.full(N, True), True),
        (np.full(N, 1.5, np.float32), True),
        (np.full(N, np.nan), False),
        (np.full(N, 1j), False),
        (np.ones(10), False),
        (np.arange(float(N)), False),
        (np.where(np.arange(N) == 7, -0.0, 0.0), False),
        (np.where(np.arange(N) == 7, 2.0, 1.0), False),
    ],
)
def test_uniform_constants(c: np.ndarray, changed: bool) -> None:
    program = wg.make_program(lambda x: (x * c, c))(1.0)
    found = broadcast_uniform_constants(program)
    check_program(found)
    assert (found is not program) == changed
    assert bool(found.constants) != changed
    for a, b in zip(found(2.0), program(2.0), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_a_staged_gradient_keeps_no_arrays_of_ones() -> None:
    f = wg.staged(wg.grad(lambda x: np.sum(np.sin(x)) - np.sum(np.exp(x))))
    x = np.linspace(0, 1, 100_000)
    np.testing.assert_allclose(f(x), np.cos(x) - np.exp(x))
    (entry,) = f._cache.entries.values()
    assert not entry.body.program.constants
