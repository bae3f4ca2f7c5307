"""Editing along axes, grids and positions, functions along axes; np.emath."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Spec, const, cplx, function, ints, python, real, row

_WINDOWS = np.lib.stride_tricks.sliding_window_view
_MASK = np.array([True, False, True])

EDITING = (
    row(
        "delete",
        S("int", (real(2, 3),), {"obj": 1, "axis": 1}),
        S("flat", (real(2, 2),), {"obj": [0, 3]}),
        S("slice", (real(5),), {"obj": slice(None, None, 2)}),
        S("mask", (real(3, 2),), {"obj": _MASK, "axis": 0}),
        S("negative", (real(3, 2),), {"obj": -1, "axis": -2}),
        S("none", (real(3),), {"obj": []}),
        S("f4", (real(3, dtype="f4"),), {"obj": 0}),
        S("c16", (cplx(3),), {"obj": 0}),
        S("empty", (real(0, 2),), {"obj": 0, "axis": 1}),
    ),
    Spec(
        "insert",
        lambda m, x, v, *, obj, axis=None: m.insert(x, obj, v, axis),
        (
            S("scalar", (real(3), real()), {"obj": 1}),
            S("flat", (real(2, 2), real(2)), {"obj": [1, 4]}),
            S("row", (real(2, 3), real(3)), {"obj": 1, "axis": 0}),
            S("several-rows", (real(2, 3), real(2, 3)), {"obj": 1, "axis": 0}),
            S("column", (real(2, 3), real(2)), {"obj": 1, "axis": 1}),
            S("list-of-one", (real(2, 3), real(2, 2)), {"obj": [1], "axis": 1}),
            S("list", (real(2, 3), real(2, 1)), {"obj": [2, 0], "axis": 1}),
            S("twice", (real(3), real(2)), {"obj": [1, 1]}),
            S("slice", (real(4), real()), {"obj": slice(0, 4, 2)}),
            S("negative", (real(3), real()), {"obj": -1}),
            S("python", (real(3), python()), {"obj": 1}),
            S("f4-f8", (real(3, dtype="f4"), real(2)), {"obj": [0, 2]}),
            S("c16-f8", (cplx(3), real()), {"obj": 0}),
            S("empty", (real(0), real()), {"obj": 0}),
        ),
        (np.insert,),
    ),
    row(
        "resize",
        S("longer", (real(3),), {"new_shape": (2, 4)}),
        S("shorter", (real(2, 3),), {"new_shape": 4}),
        S("scalar", (real(),), {"new_shape": (2,)}),
        S("none", (real(3),), {"new_shape": (0, 2)}, derivative=False),
        S("empty", (real(0),), {"new_shape": (2,)}, derivative=False),
        S("f4", (real(3, dtype="f4"),), {"new_shape": 4}),
        S("c16", (cplx(3),), {"new_shape": 4}),
    ),
    row(
        "trim_zeros",
        S("both", (const([0.0, 0, 1, 0, 2, 0]),), derivative=False),
        S("front", (const([0.0, 0, 1, 0]),), {"trim": "f"}, derivative=False),
        S("back", (const([0.0, 0, 1, 0]),), {"trim": "b"}, derivative=False),
        S("all", (const([0.0, 0]),), derivative=False),
        S("inside", (const([1.0, 0.5, 2.0]),)),
        S("f4", (const([0.0, 1], "f4"),), derivative=False),
        S("c16", (const([0.0, 1j]),), derivative=False),
        S("axis", (const([[0.0, 1], [0, 0]]),), {"axis": 1}, derivative=False),
        traceable=False,
    ),
    Spec(
        "compress",
        lambda m, x, *, condition, axis=None: m.compress(condition, x, axis),
        (
            S("axis", (real(2, 3),), {"condition": np.array([1, 0, 1]), "axis": 1}),
            S("short", (real(3, 2),), {"condition": np.array([False, True]), "axis": 0}),
            S("flat", (real(2, 2),), {"condition": np.array([True, False, True])}),
            S("none", (real(3),), {"condition": np.array([False])}),
            S("f4", (real(3, dtype="f4"),), {"condition": _MASK}),
            S("c16", (cplx(3),), {"condition": _MASK}),
            S("scalar", (real(),), {"condition": np.array([True])}),
        ),
        (np.compress,),
    ),
    Spec(
        "extract",
        lambda m, x, *, condition: m.extract(condition, x),
        (
            S("plain", (real(2, 2),), {"condition": np.array([[True, False], [True, True]])}),
            S("ints", (real(4),), {"condition": np.array([0, 2, 0, 1])}),
            S("f4", (real(3, dtype="f4"),), {"condition": _MASK}),
        ),
        (np.extract,),
    ),
    Spec(
        "apply_along_axis",
        lambda m, x, *, f, axis, **static: m.apply_along_axis(f, axis, x, **static),
        (
            S("scalar", (real(2, 3),), {"f": np.sum, "axis": 0}),
            S("vector", (real(2, 3),), {"f": np.cumsum, "axis": 1}),
            S("matrix", (real(2, 2, 3),), {"f": lambda v: np.outer(v, v), "axis": 1}),
            S("option", (real(3),), {"f": lambda v, by: v[:2] * by, "axis": -1, "by": 2.0}),
            S("f4", (real(2, 3, dtype="f4"),), {"f": np.sum, "axis": 1}),
            S("c16", (cplx(2, 2),), {"f": np.prod, "axis": 1}),
        ),
        (np.apply_along_axis,),
    ),
    Spec(
        "apply_over_axes",
        lambda m, x, *, f, axes: m.apply_over_axes(f, x, axes),
        (
            S("sum", (real(2, 3, 2),), {"f": np.sum, "axes": (0, 2)}),
            S("one", (real(2, 3),), {"f": np.prod, "axes": -1}),
            S("kept", (real(2, 3),), {"f": np.cumsum, "axes": [0, 1]}),
        ),
        (np.apply_over_axes,),
    ),
    Spec(
        "sliding_window_view",
        lambda m, x, **static: _WINDOWS(x, **static),
        (
            S("vector", (real(4),), {"window_shape": 2}),
            S("axis", (real(3, 4),), {"window_shape": 3, "axis": 1}),
            S("matrix", (real(3, 4),), {"window_shape": (2, 3)}),
            S("axes", (real(3, 4),), {"window_shape": (2, 3), "axis": (1, 0)}),
            S("twice", (real(4),), {"window_shape": (2, 2), "axis": (0, 0)}),
            S("whole", (real(3),), {"window_shape": 3}),
            S("f4", (real(3, dtype="f4"),), {"window_shape": 2}),
            S("c16", (cplx(3),), {"window_shape": 2}),
        ),
        (_WINDOWS,),
        of_numpy=False,
    ),
    row(
        "meshgrid",
        S("two", (real(2), real(3))),
        S("three", (real(2), real(3), real(1))),
        S("one", (real(2),)),
        S("ij", (real(2), real(3)), {"indexing": "ij"}),
        S("sparse", (real(2), real(3)), {"sparse": True}),
        S("views", (real(2), real(3)), {"copy": False}),
        S("scalar", (real(), real(2))),
        S("f4-f8", (real(2, dtype="f4"), real(3))),
        S("empty", (real(0), real(2))),
    ),
    row("ix_", S("plain", (real(2), real(3))), S("ints", (ints(2), real(1)))),
    *[
        Spec(
            name,
            function(name),
            (S("square", (real(3, 3),)), *extra),
            (getattr(np, name),),
            order=0,
            traceable=False,
        )
        for name, *extra in [
            ("diag_indices_from", S("cube", (real(2, 2, 2),))),
            ("tril_indices_from", S("k", (real(2, 3),), {"k": -1})),
            ("triu_indices_from", S("k", (real(2, 3),), {"k": 1})),
        ]
    ],
    row(
        "unravel_index",
        S("plain", (ints(3, hi=6),), {"shape": (2, 3)}),
        S("scalar", (ints(hi=6),), {"shape": 6}),
        S("F", (ints(2, 2, hi=6),), {"shape": (2, 3), "order": "F"}),
        order=0,
    ),
    Spec(
        "ravel_multi_index",
        lambda m, i, j, **static: m.ravel_multi_index((i, j), **static),
        (
            S("plain", (ints(3, hi=2), ints(3)), {"dims": (2, 3)}),
            S("broadcast", (ints(2, 1, hi=2), ints(3)), {"dims": (2, 3)}),
            S("F", (ints(hi=2), ints()), {"dims": (2, 3), "order": "F"}),
            S("clip", (ints(2, hi=5), ints(2, hi=9)), {"dims": (2, 3), "mode": "clip"}),
        ),
        (np.ravel_multi_index,),
        order=0,
        leads="numpy",
    ),
)


def _emath(name: str, *samples: Any) -> Spec:
    def call(m: Any, *args: Any) -> Any:
        return getattr(np.emath, name)(*args)

    return Spec(
        f"emath.{name}", call, samples, (getattr(np.emath, name),), traceable=False, of_numpy=False
    )


_INSIDE = (S("inside", (real(3, lo=0.1, hi=0.9),)), S("f4", (real(2, lo=0.1, hi=0.9, dtype="f4"),)))
_NEGATIVE = (S("negative", (real(3, lo=-3, hi=-1),)), S("ints", (const([-2, 3]),)))
_BEYOND = (S("beyond", (real(3, lo=1.5, hi=3.0),)), S("c16", (cplx(2),)))

EMATH = (
    *[_emath(name, *_INSIDE, *_NEGATIVE) for name in ("sqrt", "log", "log2", "log10")],
    *[_emath(name, *_INSIDE, *_BEYOND) for name in ("arccos", "arcsin", "arctanh")],
    _emath(
        "logn",
        S("inside", (real(lo=1.5), real(3, lo=0.5))),
        S("negative", (real(lo=1.5), real(3, lo=-3, hi=-1))),
    ),
    _emath(
        "power",
        S("inside", (real(3, lo=0.5), real(3))),
        S("negative", (real(3, lo=-3, hi=-1), real())),
        S("ints", (ints(3, lo=1, hi=4), const([-1, 2, -2]))),
    ),
)
