"""Order statistics, averages, histograms, sorting and sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Sample, Spec, const, cplx, ints, real, row

# Medians and quantiles.

_MEDIANS = (
    S("odd", (real(5),)),
    S("even", (real(4),)),
    S("none", (real(2, 3),)),
    S("axis0", (real(2, 3),), {"axis": 0}),
    S("negative", (real(2, 3),), {"axis": -1}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, -1)}),
    S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
    S("keepdims-none", (real(2, 3),), {"keepdims": True, "overwrite_input": True}),
    S("scalar", (real(),)),
    S("one", (real(1),)),
    S("f4", (real(2, 4, dtype="f4"),), {"axis": 1}),
    S("ints", (ints(2, 3),), {"axis": 1}),
    S("ties", (const([1.0, 2.0, 2.0, 3.0]),), derivative=False),
    S("nan", (const([[1.0, np.nan, 0.0], [1.0, 2.0, 3.0]]),), {"axis": 1}, derivative=False),
    S("all-nan", (const([np.nan, np.nan]),), derivative=False, warns=True),
    S("empty", (real(0),), derivative=False, warns=True),
    S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
)
_QUANTILES = (
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
)
_WEIGHTS = np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 1.0]])


def _quantile_samples(scale: float) -> tuple[Sample, ...]:
    q, qs = const(0.37 * scale), const(np.array([0.13, 0.62]) * scale)
    weighted = {"method": "inverted_cdf", "axis": 1}
    return (
        S("plain", (real(5), q)),
        S("several", (real(5), qs)),
        S("none", (real(2, 3), q)),
        S("axis0", (real(3, 2), qs), {"axis": 0}),
        S("negative", (real(2, 3), qs), {"axis": -1}),
        S("tuple", (real(2, 3, 2), q), {"axis": (0, -1)}),
        S("keepdims", (real(2, 3), qs), {"axis": 1, "keepdims": True}),
        S("python", (real(4), const(float(0.37 * scale)))),
        S("f4-python", (real(4, dtype="f4"), const(float(0.37 * scale)))),
        S("f4", (real(4, dtype="f4"), const(np.float32(0.37 * scale)))),
        S("f4-f8", (real(4, dtype="f4"), qs)),
        S("ints", (ints(4), q), derivative=False),
        S("one", (real(1), q)),
        S("ends", (real(4), const(np.array([0.0, 0.5, 1.0]) * scale)), derivative=False),
        S("nan", (const([[1.0, np.nan, 0.0], [1.0, 2.0, 3.0]]), q), {"axis": 1}, derivative=False),
        S("all-nan", (const([np.nan, np.nan]), q), derivative=False, warns=True),
        *[S(m, (real(5), qs), {"method": m}) for m in _QUANTILES],
        S("weights", (real(2, 3), q), {**weighted, "weights": _WEIGHTS}),
        S("weights-axis", (real(2, 3), qs), {**weighted, "weights": _WEIGHTS[0]}),
    )


# Averages.

_CASES = np.array([1, 2, 1, 0])


def _average(m: Any, x: Any, w: Any, **static: Any) -> Any:
    return m.average(x, weights=w, **static)


def _cov_weighted(m: Any, x: Any, w: Any, **static: Any) -> Any:
    return m.cov(x, aweights=w, **static)


AVERAGES = (
    row(
        "average",
        S("plain", (real(2, 3),)),
        S("axis", (real(2, 3),), {"axis": 0}),
        S("returned", (real(2, 3),), {"axis": 1, "returned": True}),
        S("keepdims", (real(2, 3),), {"axis": (0, 1), "keepdims": True}),
        S("f4", (real(2, 3, dtype="f4"),), {"axis": 1, "returned": True}),
        S("c16", (cplx(2, 3),)),
        S("ints", (ints(2, 3),)),
    ),
    Spec(
        "average-weights",
        _average,
        (
            S("plain", (real(2, 3), real(2, 3, lo=0.5))),
            S("axis", (real(2, 3), real(3, lo=0.5)), {"axis": 1}),
            S("axes", (real(2, 3, 2), real(2, 2, lo=0.5)), {"axis": (2, 0)}),
            S("returned", (real(2, 3), real(2, lo=0.5)), {"axis": 0, "returned": True}),
            S("keepdims", (real(2, 3), real(2, 3, lo=0.5)), {"axis": 1, "keepdims": True}),
            S("f4", (real(3, dtype="f4"), real(3, lo=0.5, dtype="f4"))),
            S("f4-f8", (real(3, dtype="f4"), real(3, lo=0.5))),
            S("c16", (cplx(3), real(3, lo=0.5))),
            S("ints", (real(3), const([1, 2, 1]))),
        ),
    ),
    row(
        "cov",
        S("plain", (real(2, 4),)),
        S("vector", (real(4),)),
        S("two", (real(2, 4), real(4))),
        S("columns", (real(4, 2), real(4, 1)), {"rowvar": False}),
        S("bias", (real(2, 4),), {"bias": True}),
        S("ddof", (real(2, 4),), {"ddof": 2}),
        S("fweights", (real(2, 4),), {"fweights": _CASES}),
        S("dtype", (real(2, 4, dtype="f4"),), {"dtype": np.float32}),
        S("f4", (real(2, 4, dtype="f4"),)),
        S("c16", (cplx(2, 3),)),
        S("ints", (ints(2, 4),)),
        S("one-case", (real(2, 1),), derivative=False, warns=True),
        S("nothing", (real(0, 3),)),
        ulps=64,
        tolerance=4,
    ),
    Spec(
        "cov-aweights",
        _cov_weighted,
        (
            S("plain", (real(2, 4), real(4, lo=0.5))),
            S("ddof", (real(2, 4), real(4, lo=0.5)), {"ddof": 0}),
            S("fweights", (real(2, 4), real(4, lo=0.5)), {"fweights": _CASES}),
            S("c16", (cplx(2, 3), real(3, lo=0.5))),
        ),
        ulps=64,
        tolerance=4,
    ),
    row(
        "corrcoef",
        S("plain", (real(2, 4),)),
        S("vector", (real(4),)),
        S("two", (real(4), real(4))),
        S("columns", (real(4, 2),), {"rowvar": False}),
        S("dtype", (real(2, 4, dtype="f4"),), {"dtype": np.float32}, derivative=False),
        S("c16", (cplx(2, 4),)),
        ulps=256,
        tolerance=64,
    ),
)

# Histograms: functions of weights and of edges; the values are far from the edges.

_SPREAD = const([0.05, 0.31, 0.36, 0.62, 0.93, 0.31])
_LIMITS = {"bins": 4, "range": (0.0, 1.0)}


def _with_weights(name: str) -> Any:
    return lambda m, x, w, **static: getattr(m, name)(x, weights=w, **static)


HISTOGRAMS = (
    row(
        "bincount",
        S("plain", (real(5),)),
        S("minlength", (real(5),), {"minlength": 6}),
        S("f4", (real(5, dtype="f4"),)),
        call=lambda m, w, **static: m.bincount([0, 2, 1, 2, 0], w, **static),
    ),
    row(
        "histogram",
        S("plain", (_SPREAD,), {"bins": 3}),
        S("range", (_SPREAD,), _LIMITS),
        S("edges", (_SPREAD,), {"bins": np.array([0.0, 0.4, 0.9])}),
        S("density", (_SPREAD,), {"bins": 3, "density": True}),
        S("outside", (_SPREAD,), {"bins": 3, "range": (0.2, 0.8), "density": True}),
        S("f4", (const([0.05, 0.31, 0.93], "f4"),), {"bins": 3}),
        S("ints", (ints(8, hi=5),)),
        S("2d", (real(2, 3),), {"bins": 2}, derivative=False),
        S("equal", (const([1.0, 1.0]),), derivative=False),
        S("empty", (real(0),), derivative=False),
        order=1,
    ),
    Spec(
        "histogram-weights",
        _with_weights("histogram"),
        (
            S("plain", (_SPREAD, real(6)), {"bins": 3}),
            S("density", (_SPREAD, real(6, lo=0.5)), {"bins": 3, "density": True}),
            S("edges", (_SPREAD, real(6)), {"bins": [0.0, 0.4, 0.9]}),
            S("f4", (_SPREAD, real(6, dtype="f4")), _LIMITS),
            S("c16", (_SPREAD, cplx(6)), _LIMITS),
            S("ints", (_SPREAD, ints(6)), _LIMITS),
        ),
        ulps=16,
    ),
    Spec(
        "histogram-edges",
        lambda m, x, edges, **static: m.histogram(x, edges, **static),
        (S("density", (_SPREAD, const([0.0, 0.4, 0.9])), {"density": True}),),
    ),
    Spec(
        "histogram-auto",
        lambda m, x, **static: m.histogram(x, **static),
        tuple([S(b, (_SPREAD,), {"bins": b}) for b in ("auto", "fd", "sturges", "doane")]),
        order=1,
        traceable=False,
    ),
    row(
        "histogram_bin_edges",
        S("plain", (_SPREAD,), {"bins": 3}),
        S("range", (_SPREAD,), _LIMITS),
        S("f4", (const([0.05, 0.31, 0.93], "f4"),), {"bins": 3}),
        S("edges", (_SPREAD,), {"bins": [0.0, 0.4, 0.9]}),
    ),
    row(
        "histogram2d",
        S("plain", (_SPREAD, const([0.2, 0.9, 0.3, 0.1, 0.35, 0.8])), {"bins": 2}),
        S(
            "density",
            (_SPREAD, const([0.2, 0.9, 0.3, 0.1, 0.35, 0.8])),
            {"bins": [2, [0.0, 0.5, 1.0]], "density": True},
        ),
        S("edges", (_SPREAD, real(6, lo=0, hi=0.3)), {"bins": [0.0, 0.4, 0.95]}),
        order=1,
    ),
    Spec(
        "histogramdd",
        _with_weights("histogramdd"),
        (
            S("plain", (real(5, 2), real(5)), {"bins": 2}),
            S("f4", (real(5, 2), real(5, dtype="f4")), {"bins": (2, 3)}),
            S(
                "density",
                (real(5, 2), real(5, lo=0.5)),
                {"bins": 2, "range": [(-2.1, 2.1), None], "density": True},
            ),
        ),
        (np.histogramdd,),
        order=1,
        ulps=16,
    ),
)

# Sorting. (`sort` and `argsort` have rows among the indexing functions, too.)

_TIED = const([[3.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
_NANS = const([np.nan, 1.0, -np.inf, np.nan, np.inf])

SORTING = (
    *[
        row(
            name,
            S("of-none", (real(2, 3),), {"axis": None}),
            S("of-axis0", (real(3, 2, 2),), {"axis": 0}),
            S("of-stable", (real(2, 3),), {"stable": True}),
            S("of-c16", (cplx(4),)),
            S("of-f4", (real(2, 3, dtype="f4"),)),
            S("of-ties", (_TIED,), {"kind": "stable"}, derivative=False),
            S("of-nan", (_NANS,), {"kind": "stable"}, derivative=False),
            S("of-empty-rows", (real(2, 0),)),
            S("of-ints-axis", (ints(3, 2),), {"axis": 0, "kind": "stable"}),
            order=order,
            covers=(),
        )
        for name, order in (("sort", 3), ("argsort", 0))
    ],
    row(
        "partition",
        S("plain", (real(5),), {"kth": 2}),
        S("several", (real(2, 5),), {"kth": (1, -1)}),
        S("axis0", (real(4, 2),), {"kth": 1, "axis": 0}),
        S("none", (real(2, 3),), {"kth": 1, "axis": None}),
        S("f4", (real(5, dtype="f4"),), {"kth": 2}),
        S("ties", (_TIED,), {"kth": 1}, derivative=False),
        S("nan", (_NANS,), {"kth": 1}, derivative=False),
        S("ints", (ints(5),), {"kth": 2}),
    ),
    row(
        "argpartition",
        S("plain", (real(5),), {"kth": 2}),
        S("axis0", (real(4, 2),), {"kth": (0, 1), "axis": 0}),
        S("none", (real(2, 3),), {"kth": 1, "axis": None}),
        order=0,
    ),
    row(
        "sort_complex",
        S("plain", (real(4),)),
        S("c16", (cplx(2, 3),)),
        S("c8", (cplx(3, dtype="c8"),)),
        S("f4", (real(3, dtype="f4"),)),
        S("ints", (ints(3, dtype="i1"),)),
    ),
    Spec(
        "lexsort",
        lambda m, *keys, **static: m.lexsort(keys, **static),
        (
            S("plain", (real(4), real(4))),
            S("ties", (real(4), const([1, 0, 1, 0]))),
            S("axis0", (real(3, 2), real(3, 2)), {"axis": 0}),
        ),
        (np.lexsort,),
        order=0,
    ),
    row(
        "searchsorted",
        S("plain", (const([0.0, 1.0, 2.0]), real(4))),
        S("right", (const([0.0, 1.0, 1.0, 2.0]), const([1.0, 0.5, 3.0])), {"side": "right"}),
        S("scalar", (const([0.0, 1.0, 2.0]), real())),
        S("2d", (const([0.0, 1.0, 2.0]), real(2, 3))),
        S("sorter", (const([2.0, 0.0, 1.0]), real(4)), {"sorter": np.array([1, 2, 0])}),
        order=0,
    ),
    row(
        "digitize",
        S("plain", (real(2, 3), const([-1.0, 0.0, 1.0]))),
        S("falling", (real(4), const([1.0, 0.0, -1.0])), {"right": True}),
        S("scalar", (real(), const([-1.0, 0.0, 1.0]))),
        order=0,
    ),
)

# Sets: of concrete values.

_SEVERAL = const([3.0, 1.0, 3.0, 2.0, 1.0])
_SETS = (
    S("plain", (real(4),)),
    S("equal", (_SEVERAL,), derivative=False),
    S("2d", (real(2, 2),)),
    S("f4", (real(3, dtype="f4"),)),
    S("c16", (cplx(3),)),
    S("empty", (real(0),)),
)
_PAIRS = (
    S("plain", (real(3), real(4))),
    S("common", (_SEVERAL, const([2.0, 5.0, 1.0])), derivative=False),
    S("f4-f8", (const([1.0, 2.0], "f4"), const([2.0, 4.0])), derivative=False),
    S("2d", (real(2, 2), real(3))),
)

SETS = (
    row(
        "unique",
        *_SETS,
        S("nan", (const([np.nan, 1.0, np.nan]),), derivative=False),
        S("nans", (const([np.nan, 1.0, np.nan]),), {"equal_nan": False}, derivative=False),
        S(
            "all",
            (_SEVERAL,),
            {"return_index": True, "return_inverse": True, "return_counts": True},
            derivative=False,
        ),
        S("inverse", (_SEVERAL,), {"return_inverse": True}, derivative=False),
        S("axis", (const([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0]]),), {"axis": 0}, derivative=False),
        traceable=False,
    ),
    *[
        Spec(
            f"unique_{what}",
            lambda m, x, _name=f"unique_{what}": tuple(getattr(m, _name)(x)),
            (S("plain", (real(4),)), S("equal", (_SEVERAL,), derivative=False)),
            (getattr(np, f"unique_{what}"),),
            traceable=False,
        )
        for what in ("all", "counts", "inverse")
    ],
    # In no order that NumPy promises.
    row(
        "unique_values",
        *_SETS,
        call=lambda m, x: m.sort(m.unique_values(x)),
        traceable=False,
    ),
    *[
        row(name, *_PAIRS, traceable=False)
        for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d")
    ],
    Spec(
        "set-options",
        lambda m, x, y: (
            m.intersect1d(x, y, return_indices=True),
            m.setdiff1d(x, y, assume_unique=True),
            m.setxor1d(x, y, assume_unique=True),
        ),
        (S("plain", (const([3.0, 1.0, 2.0]), const([2.0, 4.0])), derivative=False),),
        traceable=False,
    ),
    row(
        "isin",
        S("plain", (const([[1.0, 2.0], [3.0, 4.0]]), const([2.0, 3.0]))),
        S("invert", (ints(4), ints(2)), {"invert": True}),
        S("unique", (const([1.0, 2.0]), const([2.0])), {"assume_unique": True}),
        order=0,
    ),
)

STATISTICS = (
    row("median", *_MEDIANS),
    row("median", S("c16", (cplx(3),)), S("c16-even", (cplx(2, 4),), {"axis": 1}), covers=()),
    *[row(name, *_quantile_samples(s)) for name, s in (("quantile", 1.0), ("percentile", 100.0))],
    *AVERAGES,
    *HISTOGRAMS,
    *SORTING,
    *SETS,
)
MEDIANS = _MEDIANS
"""For the functions that ignore NaN, which have the same samples."""
quantile_samples = _quantile_samples
