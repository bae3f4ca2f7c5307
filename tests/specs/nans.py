"""NumPy's functions that ignore NaN."""

from __future__ import annotations

import numpy as np

from specs.statistics import MEDIANS, quantile_samples
from specs.table import S, const, cplx, ints, python, real, row

_MASK = np.array([[True, False, True], [True, True, True]])
_HOLES = const([[1.5, np.nan, 0.5, 1.0], [2.0, 0.25, np.nan, np.nan]])
_NAN_ROW = const([[1.0, 2.0], [np.nan, np.nan]])
_REDUCED = (
    S("plain", (real(2, 3),)),
    S("holes", (_HOLES,), derivative=False),
    S("holes-axis", (_HOLES,), {"axis": 1}, derivative=False),
    S("axis0", (real(2, 3),), {"axis": 0}),
    S("negative", (real(2, 3, 2),), {"axis": -2}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, -1), "keepdims": True}),
    S("scalar", (real(),)),
    S("python", (python(),)),
    S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
    S("nan-row", (_NAN_ROW,), {"axis": 1}, derivative=False, warns=True),
    S("ints", (ints(2, 3),), {"axis": 1}),
)
_COMPLEX = S("c16", (cplx(2, 3),), {"axis": 1})
_WHERE = S("where", (real(2, 3),), {"axis": 1, "where": _MASK})
_EMPTY = S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True})

NANS = (
    *[
        row(
            name,
            *_REDUCED,
            _COMPLEX,
            _WHERE,
            S("empty", (real(0, 3),), {"axis": 0}),
            S("initial", (real(2, 3),), {"axis": 0, "initial": 1.5}),
            S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
            ulps=16,
        )
        for name in ("nansum", "nanprod")
    ],
    row(
        "nanmean",
        *_REDUCED,
        _COMPLEX,
        _WHERE,
        _EMPTY,
        S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
        ulps=16,
    ),
    *[
        row(
            name,
            *[s for s in _REDUCED if s.name not in ("scalar", "python")],
            _COMPLEX,
            _WHERE,
            _EMPTY,
            S("scalar", (real(),), derivative=False),
            S("ddof", (real(2, 3),), {"axis": 1, "ddof": 1}),
            S("correction", (real(2, 3),), {"axis": 0, "correction": 1}),
            S("mean", (real(2, 3),), {"axis": 1, "mean": np.ones((2, 1))}),
            S(
                "mean-holes",
                (_HOLES,),
                {"axis": 1, "mean": np.ones((2, 1)), "ddof": 2},
                derivative=False,
                warns=True,
            ),
            ulps=64,
            tolerance=20,
        )
        for name in ("nanvar", "nanstd")
    ],
    *[
        row(
            name,
            *_REDUCED,
            _EMPTY,
            S("initial", (real(2, 3),), {"axis": 0, "initial": 0.25}),
            S("where", (real(2, 3),), {"axis": 1, "where": _MASK, "initial": 0.25}),
            S("ties", (const([1.0, 3.0, np.nan, 3.0, 1.0]),), derivative=False),
        )
        for name in ("nanmax", "nanmin")
    ],
    *[
        row(
            name,
            S("plain", (real(2, 3),)),
            S("holes", (_HOLES,), {"axis": 1}, derivative=False),
            S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
            S("ints", (ints(2, 3),), {"axis": 0}),
            order=0,
        )
        for name in ("nanargmax", "nanargmin")
    ],
    *[
        row(
            name,
            S("plain", (real(2, 3),)),
            S("holes", (_HOLES,), derivative=False),
            S("axis", (_HOLES,), {"axis": 1}, derivative=False),
            S("smooth-axis", (real(2, 3),), {"axis": 0}),
            S("f4", (real(3, dtype="f4"),), {"dtype": np.float64}),
            S("c16", (cplx(3),)),
            S("ints", (ints(3),)),
            S("empty", (real(0),)),
        )
        for name in ("nancumsum", "nancumprod")
    ],
    row("nanmedian", *MEDIANS),
    *[
        # (NumPy itself fails with weights for one axis.)
        row(name, *[s for s in quantile_samples(scale) if s.name != "weights-axis"])
        for name, scale in (("nanquantile", 1.0), ("nanpercentile", 100.0))
    ],
)
