"""Colourings, checked by brute force on random graphs, and their sizes on known ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from wengert.transforms.sparse.colouring import column_colours, row_colours, star_colours
from wengert.transforms.sparse.compression import compressed, compressed_symmetric


def random_pattern(rng: np.random.Generator, symmetric: bool) -> Any:
    """A boolean matrix of random size and density, sometimes with a dense row and column."""
    n = int(rng.integers(1, 24))
    m = n if symmetric else int(rng.integers(1, 24))
    found = rng.random((m, n)) < rng.uniform(0, 0.4)
    if rng.random() < 0.3:
        found[0] = True
    return found | found.T if symmetric else found


def is_star_colouring(graph: Any, colours: Any) -> bool:
    """Neighbours differ, and all paths over four vertices have three colours."""
    near = [[j for j in np.flatnonzero(row) if j != i] for i, row in enumerate(graph)]
    for b, around in enumerate(near):
        for c in around:
            if colours[b] == colours[c]:
                return False
            for a in around:
                for d in near[c]:
                    path = {a, b, c, d}
                    if len(path) == 4 and len({colours[v] for v in path}) < 3:
                        return False
    return True


def read_back(compression: Any, matrix: Any) -> Any:
    """The entries of a matrix, from products as a plan makes them."""
    m, n = matrix.shape
    forward = np.zeros((compression.forward, n))
    reverse = np.zeros((compression.reverse, m))
    for seeds, colours in ((forward, compression.columns), (reverse, compression.rows)):
        for i, colour in enumerate(colours):
            if colour >= 0:
                seeds[colour, i] = 1
    products = np.concatenate([(forward @ matrix.T).ravel(), (reverse @ matrix).ravel()])
    return products[compression.places]


@pytest.mark.parametrize("seed", range(40))
def test_columns_of_a_colour_meet_in_no_row(seed: int) -> None:
    dense = random_pattern(np.random.default_rng(seed), False)
    for pattern, colours in (
        (dense, column_colours(sparse.csr_array(dense))),
        (dense.T, row_colours(sparse.csr_array(dense))),
    ):
        for colour in range(colours.max(initial=-1) + 1):
            assert pattern[:, colours == colour].sum(1).max() <= 1
        assert np.array_equal(colours < 0, ~pattern.any(0))


@pytest.mark.parametrize("seed", range(60))
def test_star_colourings(seed: int) -> None:
    graph = random_pattern(np.random.default_rng(seed), True)
    assert is_star_colouring(graph, star_colours(sparse.csr_array(graph)))


@pytest.mark.parametrize("seed", range(40))
def test_every_entry_can_be_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = random_pattern(rng, False)
    values = np.where(pattern, rng.normal(size=pattern.shape), 0.0)
    for forward_only in (True, False):
        found = read_back(compressed(sparse.csr_array(pattern), forward_only), values)
        np.testing.assert_allclose(found, values[pattern], atol=1e-12)
    graph = random_pattern(rng, True)
    values = np.where(graph, rng.normal(size=graph.shape), 0.0)
    values = values + values.T
    found = read_back(compressed_symmetric(sparse.csr_array(graph)), values)
    np.testing.assert_allclose(found, values[graph], atol=1e-12)


def banded(n: int, width: int) -> Any:
    """A band matrix."""
    offsets = range(-width, width + 1)
    return sparse.diags_array([np.ones(n - abs(k)) for k in offsets], offsets=list(offsets)).tocsr()


def test_known_numbers_of_colours() -> None:
    assert column_colours(banded(50, 1)).max() + 1 == 3
    assert star_colours(banded(50, 1)).max() + 1 == 3
    assert column_colours(banded(50, 3)).max() + 1 == 7
    grid = sparse.kron(banded(20, 1), sparse.eye_array(20)) + sparse.kron(
        sparse.eye_array(20), banded(20, 1)
    )
    assert star_colours(grid.tocsr()).max() + 1 <= 6
    assert column_colours(grid.tocsr()).max() + 1 <= 8


def test_hubs_have_colours_of_their_own() -> None:
    """Many points that are seen by few cameras each: cameras get colours, points share theirs."""
    rng = np.random.default_rng(0)
    cameras, points = 30, 400
    dense = np.eye(cameras + points, dtype=bool)
    for p in range(points):
        seen = rng.choice(cameras, 4, replace=False)
        dense[cameras + p, seen] = dense[seen, cameras + p] = True
    colours = star_colours(sparse.csr_array(dense))
    assert is_star_colouring(dense[:120, :120], colours[:120])
    assert colours.max() + 1 <= cameras + 1


def test_an_arrow_takes_both_modes() -> None:
    n = 100
    arrow = np.eye(n, dtype=bool)
    arrow[0], arrow[:, 0] = True, True
    found = compressed(sparse.csr_array(arrow))
    assert (found.forward, found.reverse) == (2, 1)
    assert star_colours(sparse.csr_array(arrow)).max() + 1 == 2


def test_empty_matrices() -> None:
    for shape in ((0, 0), (0, 3), (3, 0), (3, 3)):
        found = compressed(sparse.csr_array(shape, dtype=bool))
        assert found.passes == 0
        assert found.places.size == 0
    assert compressed_symmetric(sparse.csr_array((0, 0), dtype=bool)).places.size == 0
