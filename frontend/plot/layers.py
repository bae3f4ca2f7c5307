"""Laying out a graph without cycles in layers: `place : sizes, edges -> positions, routes`.

Each node stands below those that it depends on. Edges that pass a layer get a point there, so that
they go around nodes. The order in a layer is that of the mean position of neighbours, swept up and
down; then nodes are moved near to the middle of their neighbours as far as the order allows, which
is a least-squares problem that the pool-adjacent-violators algorithm solves.

Sources: Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures", IEEE Transactions on Systems, Man, and Cybernetics 11 (1981); Barlow et al.,
"Statistical Inference under Order Restrictions" (1972).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Placed", "place"]

_SWEEPS: Final = 12
_GAP: Final = 18.0
_ROW_GAP: Final = 30.0

Point = tuple[float, float]


class Placed(NamedTuple):
    """Centres of nodes, the points that each edge goes through, and the size of the picture."""

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def place(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Placed:
    """Where nodes of these widths and heights stand; edges go from lower to higher numbers."""
    n = len(sizes)
    layer = [0] * n
    for a, b in sorted(edges, key=lambda e: e[1]):
        layer[b] = max(layer[b], layer[a] + 1)
    widths = [w for w, _ in sizes]
    chains: list[list[int]] = []
    for a, b in edges:
        chain = [a]
        for between in range(layer[a] + 1, layer[b]):
            chain.append(len(widths))
            widths.append(4.0)
            layer.append(between)
        chains.append([*chain, b])
    links = [link for chain in chains for link in pairwise(chain)]
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for v, k in enumerate(layer):
        rows[k].append(v)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    _order(rows, above, below)
    x = _columns(rows, widths, above, below)
    return _drawn(sizes, rows, chains, x, widths, layer)


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Sort each layer by where neighbours are."""
    at: dict[int, float] = {}
    for row in rows:
        at.update({v: float(i) for i, v in enumerate(row)})
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else rows[::-1]:
            key = {v: _mean([at[u] for u in near[v]], at[v]) for v in row}
            row.sort(key=lambda v, key=key: key[v])  # type: ignore[misc]  # bound at once
            at.update({v: float(i) for i, v in enumerate(row)})


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _columns(
    rows: list[list[int]], widths: list[float], above: list[list[int]], below: list[list[int]]
) -> list[float]:
    """The horizontal positions."""
    x = [0.0] * len(widths)
    for row in rows:
        at = 0.0
        for v in row:
            x[v] = at + widths[v] / 2
            at += widths[v] + _GAP
        for v in row:
            x[v] -= at / 2
    for sweep in range(2 * _SWEEPS):
        near = (above, below)[sweep % 2]
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = [_mean([x[u] for u in near[v]], x[v]) for v in row]
            for v, found in zip(row, _apart(wanted, [widths[v] for v in row]), strict=True):
                x[v] = found
    return x


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The positions nearest to the wanted ones, in their order and without overlaps."""
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2 + _GAP)
    blocks: list[tuple[float, int]] = []
    for w, o in zip(wanted, offsets, strict=True):
        total, count = w - o, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            before, many = blocks.pop()
            total, count = total + before, count + many
        blocks.append((total, count))
    means = [total / count for total, count in blocks for _ in range(count)]
    return [m + o for m, o in zip(means, offsets, strict=True)]


def _drawn(
    sizes: Sequence[Point],
    rows: list[list[int]],
    chains: list[list[int]],
    x: list[float],
    widths: list[float],
    layer: list[int],
) -> Placed:
    left = min([x[v] - widths[v] / 2 for row in rows for v in row], default=0.0) - _GAP
    right = max([x[v] + widths[v] / 2 for row in rows for v in row], default=0.0) + _GAP
    tops, at = [], _GAP
    heights = [max([sizes[v][1] for v in row if v < len(sizes)], default=0.0) for row in rows]
    for h in heights:
        tops.append(at)
        at += h + _ROW_GAP
    y = [tops[k] + heights[k] / 2 for k in layer]
    centres = [(x[v] - left, y[v]) for v in range(len(sizes))]
    routes = []
    for chain in chains:
        a, b = chain[0], chain[-1]
        points = [(x[a] - left, y[a] + sizes[a][1] / 2)]
        points += [(x[v] - left, y[v]) for v in chain[1:-1]]
        points.append((x[b] - left, y[b] - sizes[b][1] / 2))
        routes.append(points)
    return Placed(centres, routes, right - left, at - _ROW_GAP + _GAP)
