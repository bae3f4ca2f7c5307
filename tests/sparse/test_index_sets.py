"""Index sets: what they do is what boolean matrices do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import UnsupportedError
from wengert.transforms.sparse import index_sets
from wengert.transforms.sparse.index_sets import FULL, IndexSets, grouped, joined, union

N = 7


def sets_of(dense: Any) -> IndexSets:
    """The rows of a boolean matrix as sets."""
    rows, columns = np.nonzero(dense)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(dense)))])
    return grouped(IndexSets.identity(dense.shape[1], 0, dense.shape[1]), starts, columns)


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[Any, Any]:
    """Two random boolean matrices with empty and full rows."""
    a, b = rng.random((2, 24, N)) < 0.3
    a[3], b[4], a[5] = True, True, False
    return a, b


def test_a_matrix_comes_back(pair: tuple[Any, Any]) -> None:
    for dense in pair:
        sets = sets_of(dense)
        np.testing.assert_array_equal(sets.matrix().toarray(), dense)
        np.testing.assert_array_equal(sets.lengths(), dense.sum(1))


def test_full_rows_are_marked(pair: tuple[Any, Any]) -> None:
    assert sets_of(pair[0]).ids[3] == FULL


def test_union_is_or(pair: tuple[Any, Any]) -> None:
    a, b = pair
    np.testing.assert_array_equal(union([sets_of(a), sets_of(b)]).matrix().toarray(), a | b)


def test_union_of_many_elements_with_few_sets(
    pair: tuple[Any, Any], rng: np.random.Generator
) -> None:
    i, j = rng.integers(0, 24, (2, 500))
    found = union([sets_of(pair[0]).take(i), sets_of(pair[1]).take(j)])
    np.testing.assert_array_equal(found.matrix().toarray(), pair[0][i] | pair[1][j])
    assert found.sizes.size < 500  # sets that are the same are kept once


def test_take_leaves_holes(pair: tuple[Any, Any]) -> None:
    places = np.array([[3, -1], [0, 0]])
    found = sets_of(pair[0]).take(places).matrix().toarray()
    want = pair[0][places.ravel()]
    want[1] = False
    np.testing.assert_array_equal(found, want)


def test_reduced_is_any(pair: tuple[Any, Any]) -> None:
    a = pair[0]
    for axes in ((0,), (1,), (0, 2), (), (0, 1, 2)):
        found = sets_of(a).reduced((2, 3, 4), axes).matrix().toarray()
        want = a.reshape(2, 3, 4, N).any(axis=axes).reshape(-1, N)
        np.testing.assert_array_equal(found, want)


def test_masked_and_joined(pair: tuple[Any, Any]) -> None:
    a, b = pair
    kept = np.arange(24) % 2 == 0
    found = joined(N, [(sets_of(a).masked(kept), 24), (None, 2), (sets_of(b), 24)])
    want = np.concatenate([a & kept[:, None], np.zeros((2, N), bool), b])
    np.testing.assert_array_equal(found.matrix().toarray(), want)


def test_beyond_the_budget_sets_are_full(
    pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much to keep counts as everything: never as less."""
    a, b = pair
    given = [sets_of(a), sets_of(b)]
    monkeypatch.setattr(index_sets, "BUDGET", 40)
    found = union(given).matrix().toarray()
    assert np.all(found | ~(a | b))
    assert found.sum() > (a | b).sum()
    reduced = given[0].reduced((12, 2), (1,)).matrix().toarray()
    assert np.all(reduced | ~a.reshape(12, 2, N).any(1))


def test_dense_patterns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_sets, "LIMIT", 50)
    with pytest.raises(UnsupportedError, match="10 x 10 entries are not sparse"):
        wg.jacobian_sparsity(np.sort, np.ones(10))


def test_one_input_and_none() -> None:
    assert IndexSets.identity(1, 0, 1).matrix().toarray().tolist() == [[True]]
    assert IndexSets.identity(0, 0, 0).matrix().shape == (0, 0)
