"""Reductions and cumulative functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specs.choice import _MASK
from specs.table import S, Sample, bools, const, cplx, ints, python, real, row

# Reductions.

_DTYPES = (
    S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
    S("f4-none", (real(2, 3, dtype="f4"),)),
    S("ints", (ints(2, 3),), {"axis": 0}),
    S("int8", (ints(2, 3, dtype="i1"),), {"axis": 0}),
    S("uint8", (ints(2, 3, dtype="u1"),)),
    S("bools", (bools(2, 3),), {"axis": 1}),
)
_COMPLEX = (
    S("c16", (cplx(2, 3),), {"axis": 1}),
    S("c8", (cplx(2, 3, dtype="c8"),)),
)
_REDUCED = (
    S("none", (real(2, 3),)),
    S("axis0", (real(2, 3),), {"axis": 0}),
    S("negative", (real(2, 3, 2),), {"axis": -2}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, -1)}),
    S("no-axes", (real(2, 2),), {"axis": ()}),
    S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
    S("keepdims-none", (real(2, 3),), {"keepdims": True}),
    S("scalar", (real(),)),
    S("python", (python(),)),
    S("size1", (real(1, 1),), {"axis": 0}),
)
_WHERE2 = np.array([[True, False, True], [True, True, True]])
_EMPTY = (
    S("empty", (real(0, 3),), {"axis": 0}),
    S("empty-none", (real(0, 3),)),
    S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
)


def _without(samples: Sequence[Sample], *names: str) -> list[Sample]:
    return [s for s in samples if s.name not in names]


REDUCTIONS = (
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            *_COMPLEX,
            *_EMPTY,
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-broadcast", (real(2, 3),), {"where": _MASK}),
            S("initial", (real(2, 3),), {"axis": 0, "initial": 1.5}),
            S("initial-f4", (real(2, 3, dtype="f4"),), {"initial": 1.5}),
            S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
            S("dtype-int", (ints(2, 3),), {"dtype": float}),
            S("special", (const([1.0, np.inf, np.nan]),), derivative=False),
            S("f2", (real(4, dtype="f2"),), derivative=False),
            ulps=16,
        )
        for name in ("sum", "prod")
    ],
    row(
        "prod",
        S("zeros", (const([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]),), {"axis": 1}),
        S("5", (real(5),)),
        covers=(),
    ),
    row(
        "mean",
        *_REDUCED,
        *_DTYPES,
        *_COMPLEX,
        S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
        S("empty", (real(0, 2),), {"axis": 0}, warns=True, derivative=False),
        S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
        S("where-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "keepdims": True}),
        S("where-none", (real(3),), {"where": np.zeros(3, bool)}, warns=True, derivative=False),
        S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
        S("f2", (real(4, dtype="f2"),), derivative=False),
        ulps=16,
    ),
    *[
        row(
            name,
            *_without(_REDUCED, "scalar", "python", "no-axes", "size1"),
            *_DTYPES,
            *_COMPLEX,
            S("ddof", (real(2, 3),), {"axis": 1, "ddof": 1}),
            S("ddof-float", (real(2, 3),), {"ddof": 1.5}),
            S("correction", (real(2, 3),), {"axis": 0, "correction": 1}),
            S("ddof-large", (real(2),), {"ddof": 2}, warns=True, derivative=False),
            S("size1", (real(1),), derivative=False),
            S("scalar", (real(),), derivative=False),
            S("python", (python(),), derivative=False),
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-ddof-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "ddof": 1}),
            S("where-kept-c16", (cplx(2, 3),), {"where": _MASK, "axis": 1, "keepdims": True}),
            S("mean", (real(2, 3),), {"axis": 1, "mean": np.ones((2, 1))}),
            S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
            S("f2", (real(4, dtype="f2"),), derivative=False),
            S("empty", (real(0, 2),), {"axis": 0}, warns=True, derivative=False),
            ulps=64,
            tolerance=20,
        )
        for name in ("var", "std")
    ],
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
            S("initial", (real(2, 3),), {"axis": 0, "initial": 0.25}),
            S("initial-int", (real(2, 3),), {"axis": 0, "initial": 0}),
            S("initial-f4", (real(2, 3, dtype="f4"),), {"initial": 0.25}),
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2, "initial": 0.25}),
            S("where-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "initial": -5.0}),
            S("empty-initial", (real(0, 3),), {"axis": 0, "initial": 0.5}),
            S(
                "empty-initial-f4",
                (real(0, 3, dtype="f4"),),
                {"axis": 0, "initial": 0.5, "keepdims": True},
            ),
            S("empty-initial-none", (real(0, dtype="f4"),), {"initial": 1}),
            S(
                "special",
                (const([[1.0, np.inf, -np.inf], [1.0, np.nan, 0.0]]),),
                {"axis": 1},
                derivative=False,
            ),
            S("ties", (const([1.0, 3.0, 3.0, 1.0]),), derivative=False),
            covers=(getattr(np, name), getattr(np, "a" + name)),
        )
        for name in ("max", "min")
    ],
    row(
        "ptp",
        *_without(_REDUCED),
        S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
        S("ints", (ints(2, 3),), {"axis": 0}),
    ),
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            *_COMPLEX,
            *_EMPTY,
            S(
                "zeros",
                (const([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0]]),),
                {"axis": 1},
                derivative=False,
            ),
            S("where", (bools(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-float", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            order=0,
        )
        for name in ("any", "all")
    ],
    row(
        "count_nonzero",
        S("none", (const([[0.0, 1.0], [2.0, 0.0]]),), derivative=False),
        S("axis", (const([[0.0, 1.0], [2.0, 0.0]]),), {"axis": 1}, derivative=False),
        S("keepdims", (ints(2, 3),), {"axis": (0, 1), "keepdims": True}),
        S("bools", (bools(2, 3),), {"axis": 0}),
        order=0,
    ),
    *[
        row(
            name,
            S("none", (real(2, 3),)),
            S("axis", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3),), {"axis": -2}),
            S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
            S("keepdims-none", (real(2, 3),), {"keepdims": True}),
            S("scalar", (real(),)),
            S("ties", (const([1.0, 3.0, 3.0, 1.0]),), derivative=False),
            S("nan", (const([1.0, np.nan, 3.0]),), derivative=False),
            S("ints", (ints(2, 3),), {"axis": 0}),
            order=0,
        )
        for name in ("argmax", "argmin")
    ],
    *[
        row(
            name,
            S("none", (real(2, 3),)),
            S("axis", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3, 2),), {"axis": -2}),
            S("scalar", (real(),)),
            S("size1", (real(1),)),
            S("empty", (real(0, 2),), {"axis": 0}),
            S("empty-other", (real(0, 2),), {"axis": 1}),
            S("zeros", (const([2.0, 0.0, 3.0, 0.0, 4.0]),)),
            S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
            S("c16", (cplx(2, 2),), {"axis": 0}),
            S("ints", (ints(3),)),
            S("int8", (ints(3, dtype="i1"),)),
            S("bools", (bools(3),)),
            S("dtype", (real(3, dtype="f4"),), {"dtype": float}),
        )
        for name in ("cumsum", "cumprod")
    ],
    row(
        "diff",
        S("plain", (real(4),)),
        S("2d", (real(2, 3),)),
        S("axis0", (real(2, 3),), {"axis": 0}),
        S("n2", (real(4),), {"n": 2}),
        S("n0", (real(4),), {"n": 0}),
        S("prepend", (real(2, 3),), {"prepend": 0.0, "append": np.ones((2, 2))}),
        S("prepend-f4", (real(2, 3, dtype="f4"),), {"prepend": 0.0}),
        S("bools", (bools(4),)),
        S("ints", (ints(4),)),
        S("short", (real(1),)),
        S("too-many", (real(2),), {"n": 3}),
    ),
)
