"""Every row of the spec table: `check_linear` never raises, and what it calls linear is so."""

from __future__ import annotations

from typing import Any

import checks
import numpy as np
import pytest
from specs import CASES, Case

import wengert as wg


def _few() -> list[Case]:
    """One sample of each row that has arguments with a derivative."""
    found: dict[str, Case] = {}
    for case in CASES:
        if case.sample.derivative and not case.is_single and case.spec.traceable:
            args = case.draw(np.random.default_rng(0))
            if case.differentiable(args) and case.spec.order >= 1:
                found.setdefault(case.spec.name, case)
    return list(found.values())


@pytest.mark.parametrize("case", _few(), ids=str)
def test_linearity_of_a_row(case: Case, rng: np.random.Generator) -> None:
    point = checks.Point(case, rng)
    with checks.quiet(case):
        report = wg.check_linear(point.floats, *point.xs)
        assert report.kind in ("linear", "affine", "linear over the reals alone", "nonlinear")
        assert bool(report) == (report.kind == "linear") and repr(report)
        if report.kind == "nonlinear" or (report.constant is None and report.kind == "affine"):
            return
        base = report.constant or [0.0] * len(point.floats(*point.xs))
        ts = [checks.direction(rng, x) for x in point.xs]
        c: Any = 0.7 + 0.4j if report and all(np.iscomplexobj(x) for x in point.xs) else 0.7
        mixed = [c * x + t for x, t in zip(point.xs, ts, strict=True)]
        parts = zip(
            point.floats(*mixed), point.floats(*point.xs), point.floats(*ts), base, strict=True
        )
    for y, fx, ft, b in parts:
        due = c * (fx - b) + (ft - b) + b
        scale = float(np.max(np.abs(due), initial=1.0))
        tolerance = 1e6 * checks.precision(y, fx, ft)
        np.testing.assert_allclose(y, due, rtol=tolerance, atol=tolerance * scale)
