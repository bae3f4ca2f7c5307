"""Moves of elements become one, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.movement import merge_moves

X = np.arange(24.0).reshape(2, 3, 4)
X[0, 0, 0] = -0.0
X[1, 2, 3] = np.nan


def left(fun: Any, *args: Any) -> list[str]:
    """The operations that are left."""
    return names(without_dead_code(applied(merge_moves, fun, *args)))


@pytest.mark.parametrize(
    ("fun", "found"),
    [
        (lambda x: x.reshape(6, 4).reshape(2, 3, 4), []),
        (lambda x: x.reshape(6, 4).reshape(24), ["reshape"]),
        (lambda x: x.T.T, []),
        (lambda x: x.transpose(1, 2, 0).transpose(1, 2, 0), ["transpose"]),
        (lambda x: x.transpose(1, 2, 0).transpose(1, 2, 0).transpose(1, 2, 0), []),
        (lambda x: np.transpose(x, (0, 1, 2)), []),
        (
            lambda x: np.broadcast_to(np.broadcast_to(x, (1, 2, 3, 4)), (5, 2, 3, 4)),
            ["broadcast_to"],
        ),
        (lambda x: np.broadcast_to(x, (2, 3, 4)) + 1.0, ["add"]),
        (lambda x: np.copy(x) + 1.0, ["add"]),
        (lambda x: np.copy(np.copy(x)), []),
        (lambda x: x[:1].transpose(1, 0, 2), ["getitem", "reshape"]),
        (lambda x: np.broadcast_to(x[:, :1], (2, 3, 4)) * x, ["getitem", "mul"]),
        (lambda x: np.broadcast_to(np.sum(x), (2, 3, 4)) * x, ["reduce_sum", "mul"]),
        (lambda x: 1.0 - np.reshape(-x, 24), ["reshape", "neg", "sub"]),
        (lambda x: np.stack([x], axis=1), ["reshape"]),
        (lambda x: np.concatenate([x], axis=1), []),
        (
            lambda x: np.broadcast_to(x[0, 0], (5, 3, 4)).transpose(1, 2, 0),
            ["getitem", "reshape", "transpose", "broadcast_to"],
        ),
        (
            lambda x: np.broadcast_to(x[:, :1], (2, 3, 4)).transpose(1, 2, 0),
            ["getitem", "transpose", "broadcast_to"],
        ),
    ],
)
def test_merged(fun: Any, found: list[str]) -> None:
    got = left(fun, X)
    assert got == found


def test_broadcasts_that_make_the_shape_stay() -> None:
    x = np.ones((3, 1))
    assert left(lambda x: np.broadcast_to(x, (3, 4)) + 1.0, x) == ["broadcast_to", "add"]
    both = lambda x: np.broadcast_to(x, (3, 4)) * np.broadcast_to(x, (3, 4))
    assert sorted(left(both, x)) == ["broadcast_to", "mul"]


def test_python_numbers_keep_their_types() -> None:
    """A Python number that was an array decides dtypes; without the broadcast it would not."""
    fun = lambda x, n: np.broadcast_to(n, (3,)) * x
    applied(merge_moves, fun, np.ones(3, np.float32), 2.0)
    applied(merge_moves, fun, special(np.float32)[:3], np.float64(2.0))


def test_leading_axes_of_length_one() -> None:
    x = np.ones(3)
    assert (
        left(lambda x: np.broadcast_to(x[None].reshape(1, 1, 3), (2, 4, 3)), x)[-1]
        == "broadcast_to"
    )
    fun = lambda x: np.broadcast_to(np.reshape(x, (1, 3)), (4, 3))
    assert left(fun, x) == ["broadcast_to"]


@pytest.mark.parametrize("shape", [(), (0,), (1, 1), (0, 3)])
def test_small_and_empty(shape: Any) -> None:
    x = np.zeros(shape)
    applied(merge_moves, lambda x: np.reshape(np.transpose(x), -1).reshape(x.shape).T, x)
