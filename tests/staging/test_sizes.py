"""How large blocks are."""

from __future__ import annotations

import pytest

from wengert.transforms.staging import sizes
from wengert.transforms.staging.sizes import _cache_size as cache_size
from wengert.transforms.staging.sizes import block_rows


@pytest.fixture(autouse=True)
def one_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache and processors of which we know."""
    monkeypatch.setattr(sizes, "_cache_size", lambda: 1 << 20)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.mark.parametrize("arrays", [1, 3, 20, 100])
@pytest.mark.parametrize("row", [1, 7, 300, 16384])
def test_blocks_are_neither_large_nor_small(row: int, arrays: int) -> None:
    n = 10**9 // row
    rows = block_rows((n,), row, arrays, 10, 10 * n * row)
    assert 1 << 13 < rows * row <= 1 << 18
    if arrays >= 20:
        assert rows * row <= 1 << 15


def test_slow_operations_have_smaller_blocks() -> None:
    fast = block_rows((10**8,), 1, 1, 10, 10 * 10**8)
    slow = block_rows((10**8,), 1, 1, 10, 10 * 4 * 10**8)
    assert slow < fast / 3


def test_there_are_blocks_for_each_thread() -> None:
    assert block_rows((100_000,), 1, 2, 10, 1 << 30) <= 25_088
    assert block_rows((100_000,), 1, 1, 10, 1_000_000) == 100_000


def test_blocks_are_whole_vectors() -> None:
    assert block_rows((10**6,), 1, 2, 10, 10**8) % 64 == 0
    assert block_rows((10**6,), 12, 2, 10, 10**8) * 12 % 64 == 0


def test_a_block_is_never_longer_than_the_array() -> None:
    assert 1 <= block_rows((10,), 16384, 2, 1, 10 * 16384) <= 4
    assert block_rows((300, 20), 300, 2, 1, 300 * 20 * 300) == 20
    assert block_rows((100,), 1, 2, 1, 100) == 100


def test_the_cache_of_this_machine() -> None:
    assert 1 << 14 <= cache_size() <= 1 << 30
