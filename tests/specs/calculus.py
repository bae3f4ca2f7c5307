"""Sampled functions, products of sequences, special functions."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert.numpy as wnp
from specs.table import SPECIAL, S, Spec, const, cplx, ints, python, real, row

_GRID = const([0.0, 0.5, 1.25, 2.0])


def _rising(n: int, dtype: str = "f8") -> Any:
    return lambda rng: np.cumsum(rng.uniform(0.5, 1.5, n)).astype(dtype)


_INSIDE = const([0.3, 1.7, 0.9])
_FUNCTION = const([1.0, -1.0, 2.0, 0.5])

CALCULUS = (
    row(
        "ediff1d",
        S("plain", (real(4),)),
        S("2d", (real(2, 2),)),
        S("ends", (real(3), real(2), real())),
        S("f4", (real(3, dtype="f4"), real(1, dtype="f4"))),
        S("c16", (cplx(3),)),
        S("ints", (ints(4),)),
        S("short", (real(1),)),
        S("empty", (real(0),)),
    ),
    *[
        row(
            name,
            S("plain", (real(4),)),
            S("axis", (real(2, 3),), {"axis": 1}),
            S("initial", (real(2, 3),), {"axis": 0, "include_initial": True}),
            S("f4", (real(3, dtype="f4"),), {"include_initial": True}),
            S("dtype", (real(3, dtype="f4"),), {"dtype": np.float64}),
            S("c16", (cplx(3),)),
            S("int8", (ints(3, dtype="i1"),), {"include_initial": True}),
            S("scalar", (real(),)),
            S("empty", (real(0),), {"include_initial": True}),
        )
        for name in ("cumulative_sum", "cumulative_prod")
        if hasattr(np, name)
    ],
    row(
        "gradient",
        S("plain", (real(4),)),
        S("2d", (real(3, 4),)),
        S("axis", (real(3, 4),), {"axis": 0}),
        S("axes", (real(3, 2, 3),), {"axis": (0, -1)}),
        S("scalar", (real(4), real(lo=0.5))),
        S("scalars", (real(3, 3), python(0.5, 2), real(lo=0.5))),
        S("points", (real(4), _rising(4))),
        S("points-2d", (real(3, 4), _rising(3), real(lo=0.5))),
        S("points-f4", (real(4, dtype="f4"), _rising(4))),
        S("edges2", (real(4),), {"edge_order": 2}),
        S("edges2-points", (real(2, 4), _rising(4)), {"edge_order": 2, "axis": 1}),
        S("f4", (real(4, dtype="f4"),)),
        S("c16", (cplx(4),)),
        S("ints", (ints(4),)),
        S("least", (real(2),)),
        ulps=32,
        tolerance=4,
    ),
    row(
        "trapezoid",
        S("plain", (real(4),)),
        S("axis", (real(3, 2),), {"axis": 0}),
        S("points", (real(4), _rising(4))),
        S("points-axis", (real(3, 2), _rising(3)), {"axis": 0}),
        S("points-2d", (real(2, 3), real(2, 3))),
        S("more-points", (real(3), real(2, 3))),
        S("f4", (real(4, dtype="f4"),), {"dx": 0.5}),
        S("f4-points", (real(4, dtype="f4"), _rising(4, "f4"))),
        S("c16", (cplx(4), _rising(4))),
        S("ints", (ints(4),), {"dx": 2}),
        S("one", (real(1),)),
        S("empty", (real(0, 2),), {"axis": 0}),
        ulps=16,
    ),
    Spec(
        "trapezoid-dx",
        lambda m, y, dx: m.trapezoid(y, dx=dx),
        (S("plain", (real(4), real(lo=0.5))), S("python", (real(2, 3), python(0.5, 1)))),
        leads="numpy",
    ),
    row(
        "interp",
        S("plain", (_INSIDE, _GRID, real(4))),
        S("scalar", (const(np.float64(0.8)), _GRID, real(4))),
        S("2d", (const([[0.3, 1.7], [0.9, 0.1]]), _GRID, real(4))),
        S("outside", (const([-1.0, 0.3, 3.0]), _GRID, real(4))),
        S("filled", (const([-1.0, 0.3, 3.0]), _GRID, real(4)), {"left": 5.0, "right": -1.0}),
        S("period", (const([-1.0, 0.3, 3.4, 6.1]), _GRID, real(4)), {"period": 2.3}),
        S("f4", (const([0.3, 1.7], "f4"), _GRID, real(4, dtype="f4"))),
        S("c16", (_INSIDE, _GRID, cplx(4))),
        S("ints", (const([0.5, 2.25]), const([0, 1, 3]), real(3))),
        S("one-point", (_INSIDE, const([0.5]), real(1))),
        S("knots", (_GRID, _GRID, real(4)), derivative=False),
        S("special", (const(SPECIAL), _GRID, _FUNCTION), derivative=False),
        S("empty", (real(0), _GRID, real(4))),
        ulps=16,
        tolerance=4,
    ),
    row(
        "unwrap",
        S("plain", (const([0.3, 2.9, -2.5, 0.4, -3.0, 3.0]),)),
        S("2d", (real(2, 4, lo=-8, hi=8),)),
        S("axis", (real(4, 2, lo=-8, hi=8),), {"axis": 0}),
        S("period", (real(5, lo=-8, hi=8),), {"period": 3.0, "discont": 2.0}),
        S("f4", (real(4, lo=-8, hi=8, dtype="f4"),)),
        S("ints", (ints(4, lo=-8, hi=8),), {"period": 5}),
        S("ints-float", (ints(4, lo=-8, hi=8),)),
        S("empty", (real(0),)),
        ulps=16,
    ),
    *[
        row(
            name,
            S("plain", (real(4), real(3))),
            *[S(mode, (real(5), real(3)), {"mode": mode}) for mode in ("full", "same", "valid")],
            *[
                S(f"{mode}-short", (real(3), real(4)), {"mode": mode})
                for mode in ("full", "same", "valid")
            ],
            S("even", (real(5), real(2)), {"mode": "same"}),
            S("f4", (real(4, dtype="f4"), real(3, dtype="f4"))),
            S("f4-f8", (real(4, dtype="f4"), real(3))),
            S("c16", (cplx(4), cplx(2))),
            S("c16-real", (cplx(4), real(2)), {"mode": "same"}),
            S("ints", (ints(4), ints(2))),
            S("one", (real(1), real(1))),
            ulps=16,
        )
        for name in ("convolve", "correlate")
    ],
    row(
        "cross",
        S("plain", (real(3), real(3))),
        S("stacks", (real(2, 3), real(2, 3))),
        S("broadcast", (real(2, 1, 3), real(4, 3))),
        S("axis", (real(3, 2), real(3, 2)), {"axis": 0}),
        S("axes", (real(3, 2), real(2, 3)), {"axisa": 0, "axisb": 1, "axisc": 0}),
        S("f4-f8", (real(3, dtype="f4"), real(3))),
        S("c16", (cplx(3), cplx(3))),
        S("ints", (ints(3), ints(3))),
        S("empty", (real(0, 3), real(3))),
    ),
    row(
        "sinc",
        S("plain", (real(2, 3, lo=-3, hi=3),)),
        S("scalar", (real(),)),
        S("python", (python(),)),
        S("zero", (const([0.0, 1.0, 0.5]),)),
        S("f4", (real(3, dtype="f4"),)),
        S("c16", (cplx(3),)),
        S("ints", (ints(3),)),
        S("special", (const(SPECIAL),), derivative=False, warns=True),
        S("empty", (real(0),)),
        ulps=8,
        tolerance=10,
    ),
    row(
        "i0",
        S("plain", (real(2, 3, lo=-3, hi=3),)),
        S("large", (real(3, lo=8.5, hi=12),)),
        S("scalar", (real(),)),
        S("zero", (const([0.0, 1.0]),)),
        S("f4", (real(3, dtype="f4"),)),
        S("ints", (ints(3),)),
        S("empty", (real(0),)),
        ulps=8,
        tolerance=100,
    ),
    Spec(
        "kaiser",
        lambda m, beta, *, M: wnp.kaiser(M, beta),
        (
            S("odd", (real(lo=0.5, hi=5),), {"M": 5}),
            S("even", (real(lo=0.5, hi=5),), {"M": 4}),
            S("zero", (const(np.float64(0.0)),), {"M": 3}),
            S("one", (real(),), {"M": 1}),
            S("none", (real(),), {"M": 0}),
        ),
        (np.kaiser,),
        of_numpy=False,
        ulps=16,
    ),
)
