"""Every row of the spec table: second derivatives along coordinates are those of nested jvp."""

from __future__ import annotations

import checks
import numpy as np
import pytest
from specs import CASES, Case

import wengert as wg


def _few() -> list[Case]:
    """One sample of each row that has real arguments and second derivatives."""
    found: dict[str, Case] = {}
    for case in CASES:
        if not case.sample.derivative or case.spec.order < 2 or case.is_single:
            continue
        args = case.draw(np.random.default_rng(0))
        xs = [args[i] for i in case.differentiable(args)]
        if xs and all([np.result_type(x) == np.float64 and np.size(x) for x in xs]):
            found.setdefault(case.spec.name, case)
    return list(found.values())


@pytest.mark.parametrize("case", _few(), ids=str)
def test_second_derivatives_of_a_row(case: Case, rng: np.random.Generator) -> None:
    point = checks.Point(case, rng)
    numbers = tuple(range(len(point.xs)))
    with checks.quiet(case):
        found = wg.hessian_diagonal(point.floats, argnums=numbers)(*point.xs)
        total = wg.laplacian(point.floats, argnums=numbers)(*point.xs)
        ends = [(i, np.size(x) - 1) for i, x in enumerate(point.xs)]
        for i, k in ends:
            unit = [np.zeros_like(x)[()] for x in point.xs]
            flat = np.zeros(np.size(point.xs[i]))
            flat[k] = 1.0
            unit[i] = flat.reshape(np.shape(point.xs[i]))[()]
            due = checks.fwd(checks.fwd(point.floats, unit), unit)(*point.xs)
            for block, w in zip(found, due, strict=True):
                mine = np.reshape(block[i], (*np.shape(w), np.size(point.xs[i])))[..., k]
                tolerance = 1e3 * case.spec.tolerance * checks.precision(w)
                scale = float(np.max(np.abs(w), initial=1.0))
                np.testing.assert_allclose(mine, w, rtol=tolerance, atol=tolerance * scale)
    for block, y in zip(found, total, strict=True):
        parts = [
            np.sum(np.reshape(b, (*np.shape(y), np.size(x))), axis=-1)
            for b, x in zip(block, point.xs, strict=True)
        ]
        scale = max([float(np.max(np.abs(b), initial=1.0)) * np.size(b) for b in block])
        np.testing.assert_allclose(np.sum(parts, axis=0), y, rtol=1e-7, atol=1e-9 * scale)
