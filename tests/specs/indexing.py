"""Indexing in all its forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specs.choice import _MASK
from specs.reductions import _WHERE2
from specs.table import SPECIAL, Draw, S, Spec, const, cplx, ints, real, row

# Indexing.

_BASIC: dict[str, tuple[tuple[int, ...], Any]] = {
    "int": ((3,), 1),
    "negative": ((3,), -1),
    "numpy-int": ((3,), np.int64(1)),
    "ints": ((2, 3), (1, -2)),
    "row": ((2, 3), 1),
    "slice": ((5,), slice(1, 4)),
    "step": ((5,), slice(None, None, 2)),
    "reversed": ((4,), slice(None, None, -1)),
    "negative-step": ((6,), slice(4, 0, -2)),
    "empty-slice": ((4,), slice(3, 1)),
    "slices": ((3, 4), (slice(1, None), slice(None, -1))),
    "none": ((3,), None),
    "none-inside": ((2, 3), (slice(None), None, 1)),
    "ellipsis": ((2, 3), Ellipsis),
    "ellipsis-int": ((2, 3, 2), (Ellipsis, 1)),
    "int-ellipsis": ((2, 3, 2), (1, Ellipsis, slice(1, None))),
    "ellipsis-none": ((2, 3), (None, Ellipsis, None)),
    "all": ((2, 3), ()),
    "scalar": ((), ()),
    "scalar-ellipsis": ((), Ellipsis),
    "scalar-none": ((), None),
}
_ADVANCED: dict[str, tuple[tuple[int, ...], Any]] = {
    "list": ((3,), [0, 2, 0]),
    "array": ((3,), np.array([[0, 2], [1, 1]])),
    "rows": ((3, 2), np.array([2, 0])),
    "second": ((2, 3), (slice(None), np.array([0, 2]))),
    "pairs": ((2, 3), (np.array([0, 1, 1]), np.array([2, 0, 0]))),
    "grid": ((2, 3), (np.array([[0], [1]]), np.array([2, 0]))),
    "int-array": ((2, 3), (1, np.array([0, 2]))),
    "apart": ((2, 3, 2), (np.array([0, 1]), slice(None), np.array([1, 1]))),
    "apart-int": ((2, 3, 2), (0, slice(None), np.array([1, 1]))),
    "apart-2d": ((2, 3, 2), (np.array([[0], [1]]), slice(1, None), np.array([1, 1]))),
    "middle": ((2, 3, 2), (slice(None), np.array([0, 2]), slice(None))),
    "middle-2d": ((2, 3, 2), (slice(None), np.array([[0, 2]]), slice(None, None, -1))),
    "none-array": ((3, 2), (None, np.array([0, 2]))),
    "array-none": ((3, 2), (np.array([0, 2]), None)),
    "array-none-array": ((3, 2), (np.array([0, 2]), None, np.array([0, 1]))),
    "ellipsis-array": ((2, 2, 3), (Ellipsis, np.array([0, 2]))),
    "array-ellipsis-array": ((2, 2, 3), (np.array([0, 1]), Ellipsis, np.array([0, 2]))),
    "negative": ((3,), np.array([-1, -3])),
    "empty": ((3,), []),
    "empty-array": ((3, 2), np.zeros((0,), int)),
    "empty-2d": ((3,), np.zeros((2, 0), int)),
    "mask": ((3,), _MASK),
    "mask-list": ((3,), [True, False, True]),
    "mask-rows": ((3, 2), _MASK),
    "mask-2d": ((2, 3), _WHERE2),
    "mask-2d-of-3d": ((2, 3, 2), _WHERE2),
    "mask-last": ((2, 3), (slice(None), _MASK)),
    "mask-int": ((3, 2), (_MASK, 1)),
    "mask-array": ((3, 2), (_MASK, np.array([0, 1]))),
    "mask-none": ((3,), (_MASK, None)),
    "mask-nothing": ((3,), np.zeros(3, bool)),
    "mask-2d-last": ((2, 2, 3), (slice(None), _WHERE2)),
    "true": ((2,), True),
    "false": ((2,), False),
    "scalar-true": ((), True),
    "numpy-0d": ((3, 2), np.array(1)),
    "uint8": ((3,), np.array([2, 1], "u1")),
}
_KEYS: dict[str, tuple[tuple[Draw, ...], Callable[..., Any]]] = {
    "vector": ((real(3), ints(2)), lambda i: i),
    "scalar": ((real(3, 2), ints()), lambda i: i),
    "second": ((real(2, 3), ints(2)), lambda i: (slice(None), i)),
    "pair": ((real(3, 3), ints(2), ints(2)), lambda i, j: (i, j)),
    "pair-broadcast": ((real(3, 3), ints(2, 1), ints(2)), lambda i, j: (i, j)),
    "apart": ((real(3, 2, 3), ints(2), ints(2)), lambda i, j: (i, slice(None), j)),
    "apart-scalars": ((real(3, 2, 3), ints(), ints()), lambda i, j: (i, slice(None), j)),
    "apart-2d": ((real(3, 2, 3), ints(2, 1), ints(2)), lambda i, j: (i, slice(None), j)),
    "with-int": ((real(3, 3), ints(2)), lambda i: (1, i)),
    "int-apart": ((real(3, 2, 3), ints(2)), lambda i: (1, slice(None), i)),
    "none": ((real(3), ints(2)), lambda i: (None, i)),
    "none-after": ((real(3, 2), ints(2)), lambda i: (i, None)),
    "ellipsis": ((real(2, 2, 3), ints(2)), lambda i: (Ellipsis, i)),
    "middle": ((real(2, 3, 2), ints(2, 2)), lambda i: (slice(None), i, slice(None, None, -1))),
    "constant-too": ((real(3, 3), ints(2)), lambda i: (i, np.array([0, 2]))),
    "none-between": ((real(3, 3), ints(2), ints(2)), lambda i, j: (i, None, j)),
    "f4": ((real(3, dtype="f4"), ints(2)), lambda i: i),
}
INDEXING = (
    Spec(
        "basic-index",
        lambda m, x, *, index: x[index],
        (
            *[S(k, (real(*shape),), {"index": i}) for k, (shape, i) in _BASIC.items()],
            S("f4", (real(3, dtype="f4"),), {"index": slice(1, None)}),
            S("c8", (cplx(3, dtype="c8"),), {"index": 1}),
        ),
    ),
    Spec(
        "advanced-index",
        lambda m, x, *, index: x[index],
        (
            *[S(k, (real(*shape),), {"index": i}) for k, (shape, i) in _ADVANCED.items()],
            S("f4", (real(3, dtype="f4"),), {"index": [0, 0]}),
            S("c8", (cplx(3, dtype="c8"),), {"index": [2, 2]}),
        ),
    ),
    Spec(
        "index-by-arrays",
        lambda m, x, *arrays, key: x[key(*arrays)],
        tuple([S(k, draws, {"key": key}) for k, (draws, key) in _KEYS.items()]),
        leads="always",
    ),
    Spec(
        "mask-of-values",
        lambda m, x: x[x > 0] * 2.0,
        (S("vector", (real(4),)), S("matrix", (real(2, 3),))),
        traceable=False,
    ),
    row(
        "take",
        S("flat", (real(2, 3), ints(2))),
        S("axis", (real(2, 3), ints(2)), {"axis": 1}),
        S("2d", (real(2, 3), ints(2, 2)), {"axis": -1}),
        S("scalar", (real(2, 3), ints()), {"axis": 1}),
        S("wrap", (real(3), const([4, -5])), {"mode": "wrap"}),
        S("clip", (real(3), const([4, -5])), {"mode": "clip"}),
        S("empty", (real(3), const([], int))),
        S("list", (real(3), const([2, 0]))),
        S("f4", (real(3, dtype="f4"), ints(2))),
        leads="numpy",
    ),
    row(
        "take_along_axis",
        S("axis1", (real(2, 3), ints(2, 2)), {"axis": 1}),
        S("axis0", (real(3, 2), ints(1, 2)), {"axis": 0}),
        S("none", (real(2, 2), ints(3)), {"axis": None}),
        S("broadcast", (real(1, 3), ints(2, 2)), {"axis": 1}),
        S("broadcast-index", (real(2, 3), ints(1, 2)), {"axis": 1}),
        S("3d", (real(2, 3, 2), ints(2, 1, 2)), {"axis": -2}),
    ),
    *[
        row(
            name,
            S("vector", (const([0.0, 1.0, 2.0]),)),
            S("matrix", (const([[0.0, 1.0], [2.0, 0.0]]),)),
            order=0,
            traceable=False,
        )
        for name in ("nonzero", "flatnonzero", "argwhere")
    ],
    row(
        "diagonal",
        *[S(f"offset{k}", (real(2, 3),), {"offset": k}) for k in (0, 1, -1, 4)],
        S("3d", (real(2, 3, 2),)),
        S("axes", (real(2, 3, 2),), {"axis1": 2, "axis2": 0}),
        S("negative", (real(2, 3, 2),), {"axis1": -2, "axis2": -1}),
    ),
    row(
        "trace",
        *[S(f"offset{k}", (real(2, 3),), {"offset": k}) for k in (0, 1, -1, 4)],
        S("3d", (real(2, 3, 2),)),
        S("axes", (real(2, 3, 2),), {"axis1": 2, "axis2": 0}),
        S("f4", (real(2, 2, dtype="f4"),)),
        S("int8", (ints(2, 2, dtype="i1"),)),
        S("dtype", (real(2, 2, dtype="f4"),), {"dtype": float}),
    ),
    *[
        row(
            name,
            *[
                S(f"{'vector' if s == (3,) else 'matrix'}{k}", (real(*s),), {"k": k})
                for s in ((3,), (2, 3))
                for k in (0, 1, -2)
            ],
            S("f4", (real(2, 2, dtype="f4"),)),
        )
        for name in ("diag",)
    ],
    row(
        "diagflat",
        S("matrix", (real(2, 2),)),
        S("k", (real(2),), {"k": -1}),
        S("scalar", (real(),)),
    ),
    *[
        row(
            name,
            *[S(f"k{k}", (real(3, 3),), {"k": k}) for k in (0, 1, -1)],
            S("stack", (real(2, 2, 3),)),
            S("vector", (real(2),)),
            S("f4", (real(2, 2, dtype="f4"),)),
            S("nan", (const([[np.nan, np.inf], [1.0, np.nan]]),), derivative=False),
        )
        for name in ("tril", "triu")
    ],
    row(
        "sort",
        S("vector", (real(4),)),
        S("matrix", (real(2, 3),)),
        S("axis0", (real(3, 2),), {"axis": 0}),
        S("none", (real(2, 3),), {"axis": None}),
        S("stable", (real(4),), {"stable": True}),
        S("kind", (real(4),), {"kind": "mergesort"}),
        S("f4", (real(4, dtype="f4"),)),
        S("special", (const(SPECIAL),), {"kind": "stable"}, derivative=False),
        S("empty", (real(0),)),
        S("ints", (ints(4),)),
        S("c16", (cplx(3),)),
    ),
    row(
        "argsort",
        S("vector", (real(4),)),
        S("matrix", (real(2, 3),)),
        S("axis0", (real(3, 2),), {"axis": 0}),
        S("none", (real(2, 3),), {"axis": None}),
        S("stable", (const([1.0, 0.0, 1.0, 0.0]),), {"stable": True}, derivative=False),
        S("ints", (ints(4),), {"kind": "stable"}),
        order=0,
    ),
)
