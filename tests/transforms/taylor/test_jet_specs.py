"""Every row of the spec table: a jet is what nested jvp gives."""

from __future__ import annotations

from typing import Any

import checks
import numpy as np
import pytest
from specs import CASES, Case

import wengert as wg

SMOOTH = [c for c in CASES if c.sample.derivative and c.spec.order]
SMOOTH = [c for c in SMOOTH if c.differentiable(c.draw(np.random.default_rng(0)))]
SAMPLES = 2
"""How many samples of a row are checked: the tests of jvp go through all of them."""


def _few() -> list[Case]:
    seen: dict[str, int] = {}
    found = []
    for case in SMOOTH:
        seen[case.spec.name] = seen.get(case.spec.name, 0) + 1
        if seen[case.spec.name] <= SAMPLES:
            found.append(case)
    return found


@pytest.mark.parametrize("case", _few(), ids=str)
def test_jet_of_a_row(case: Case, rng: np.random.Generator) -> None:
    order = min(case.spec.order, 1 if case.is_single else 3)
    point = checks.Point(case, rng)
    ts = [checks.direction(rng, x) for x in point.xs]
    series = tuple([[t, *[None] * (order - 1)] for t in ts])
    with checks.quiet(case):
        ys, rows = wg.jet(point.floats, point.xs, series)
        want: Any = point.floats
        wanted = []
        for _ in range(order):
            want = checks.fwd(want, ts)
            wanted.append(want(*point.xs))
        plain = point.floats(*point.xs)
    for y, w in zip(ys, plain, strict=True):
        checks.same_type(y, w, "the value", point.numbers)
        checks.close(y, w, "the value", 4 * case.spec.ulps * checks.precision(w))
    scale = [max([float(np.max(np.abs(t), initial=1.0)) for t in row]) for row in rows]
    for k in range(order):
        for row, w, s in zip(rows, wanted[k], scale, strict=True):
            checks.same_type(row[k], w, f"derivative {k + 1}")
            tolerance = 1e3 * case.spec.tolerance * checks.precision(w)
            np.testing.assert_allclose(row[k], w, rtol=tolerance, atol=tolerance * s)
