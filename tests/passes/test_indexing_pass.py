"""An index into what was put together reads the part that it selects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.indexing import simplify_indexing
from wengert.transforms.passes.places import Axis, axes_of_index, disjoint, index_of, is_whole

X = special()[:12].reshape(4, 3)
ROW = special()[5:8]


def left(fun: Any, *args: Any) -> list[str]:
    """The operations that are left."""
    return names(without_dead_code(applied(simplify_indexing, fun, *args)))


@pytest.mark.parametrize(
    ("fun", "found"),
    [
        (lambda x: x[:], []),
        (lambda x: x[0:4, :], []),
        (lambda x: x[-4:4], []),
        (lambda x: x[1:][0], ["getitem"]),
        (lambda x: x[::2][::-1][0, 1:], ["getitem"]),
        (lambda x: x[::-1][::-1], []),
        (lambda x: x[3:0:-1][1:], ["getitem"]),
        (lambda x: x[1:1][:, 0], ["getitem"]),
        (lambda x: np.stack([x, x + 1.0])[0], []),
        (lambda x: np.stack([x, x + 1.0], axis=-1)[..., 0], []),
        (lambda x: np.stack([x, x + 1.0])[0, 2], ["getitem"]),
        (lambda x: np.concatenate([x, x + 1.0])[:4], []),
        (lambda x: np.concatenate([x + 1.0, x])[4:], []),
        (lambda x: np.concatenate([x + 1.0, x])[6], ["getitem"]),
        (lambda x: np.concatenate([x + 1.0, x])[7:4:-1], ["getitem"]),
        (lambda x: np.broadcast_to(x, (5, 4, 3))[2], []),
        (lambda x: np.broadcast_to(x[:, :1], (4, 3))[:, 1], ["getitem"]),
        (lambda x: np.broadcast_to(x, (5, 4, 3))[1:3], ["broadcast_to"]),
        (lambda x: x.T[0], ["getitem"]),
        (lambda x: x[:, None, :].reshape(4, 1, 3)[:, 0, 1], ["getitem", "getitem"]),
    ],
)
def test_reads_the_part(fun: Any, found: list[str]) -> None:
    got = left(fun, X)
    assert got == found


def written(x: Any, index: Any, v: Any) -> Any:
    """A copy with a value at an index."""
    y = np.copy(x)
    y[index] = v
    return y


def test_after_a_write() -> None:
    assert "setitem" not in left(lambda x, v: written(x, 1, v)[1], X, ROW)
    assert "setitem" not in left(lambda x, v: written(x, 1, v)[2], X, ROW)
    assert "setitem" not in left(lambda x, v: written(x, slice(1, 3), v)[1:3], X, ROW)
    assert "setitem" not in left(lambda x, v: written(x, slice(0, None, 2), v)[1::2], X, ROW)
    assert "setitem" in left(lambda x, v: written(x, slice(1, 3), v)[2:], X, ROW)
    assert "setitem" in left(lambda x, v: written(x, slice(1, 3), v)[1], X, ROW)
    assert "setitem" in left(lambda x, v: written(x, np.array([1, 2]), v)[1], X, ROW)
    # the value takes the array's dtype
    applied(simplify_indexing, lambda x, v: written(x, 1, v)[1], X.astype("f4"), ROW)


def test_of_scattered_values() -> None:
    def fun(x: Any) -> Any:
        g = wg.grad(lambda x: np.sum(x[0] ** 2) + np.sum(x[1] * x[2]) - np.sum(x[0] * x[2]))(x)
        return g[0], g[1], g[3]

    with np.errstate(all="ignore"):
        assert "scatter_sum" not in left(fun, X)
        # -0.0, added to zeros, is 0.0
        g = lambda x: wg.grad(lambda x: np.sum(x[1] * x[0] - 0.0 * x[2] ** 2))(x)
        assert "scatter_sum" not in left(lambda x: (g(x)[0], g(x)[1], g(x)[2]), X)


def test_dtypes_that_a_join_changes() -> None:
    a, b = np.ones(2, np.float32), np.ones(2)
    assert "stack" in left(lambda a, b: np.stack([a, b])[0], a, b)
    assert "concatenate" in left(lambda a, b: np.concatenate([a, b])[:2], a, b)


def test_index_arrays_are_left() -> None:
    found = left(lambda x: np.stack([x, x])[np.array([0, 0])], X)
    assert found == ["stack", "getitem"]


@pytest.mark.parametrize("seed", range(20))
def test_chains_of_random_indices(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def index(n: int) -> Any:
        kind = rng.integers(4)
        if kind == 0 and n:
            return int(rng.integers(-n, n))
        a, b = [None if v > n else int(v) for v in rng.integers(-n - 1, n + 3, 2)]
        return slice(a, b, [None, 1, 2, -1, -2, 3][rng.integers(6)])

    x = rng.normal(size=(7, 6, 5))
    steps, y = [], x
    for _ in range(3):
        steps.append(tuple([index(d) for d in y.shape[: rng.integers(1, y.ndim + 1)]]))
        y = y[steps[-1]]
        if not np.ndim(y):
            break

    def fun(x: Any) -> Any:
        for s in steps:
            x = x[s]
        return x * 1.0

    program = applied(simplify_indexing, fun, x)
    assert names(without_dead_code(program)).count("getitem") <= 1


@pytest.mark.parametrize("seed", range(30))
def test_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in rng.integers(1, 6, 2))
    numbers = np.arange(np.prod(shape)).reshape(shape)

    def random_index() -> tuple[Any, ...]:
        items: list[Any] = []
        for d in shape:
            a, b = rng.integers(-d, d + 1, 2)
            step = int(rng.choice([1, 1, 2, -1, -2]))
            items.append(int(rng.integers(-d, d)) if rng.random() < 0.3 else slice(a, b, step))
        return tuple([slice(*[int(v) for v in (i.start, i.stop, i.step)]) if type(i) is slice else i
                      for i in items])  # fmt: skip

    p, q = random_index(), random_index()
    a, b = axes_of_index(p, shape), axes_of_index(q, shape)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(numbers[index_of(a, shape)], numbers[p])
    if disjoint(a, b):
        assert not set(np.ravel(numbers[p]).tolist()) & set(np.ravel(numbers[q]).tolist())
    assert not is_whole(a, shape) or np.array_equal(numbers[p], numbers)


def test_places_of_other_indices() -> None:
    assert axes_of_index((None, 0), (3,)) is None
    assert axes_of_index((0, 0), (3,)) is None
    assert axes_of_index((-1,), (3, 2)) == (Axis(2, 1, 1, False), Axis(0, 1, 2))
