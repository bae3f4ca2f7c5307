"""Rows for the filters and the interpolation of `scipy.ndimage`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import wengert.scipy.ndimage as ndimage
from specs.table import Draw, Rng, S, Sample, Spec, const, cplx, ints, python, real, scipy_row

_MODES = (
    "reflect", "mirror", "nearest", "wrap", "constant", "grid-mirror", "grid-wrap", "grid-constant",
)  # fmt: skip


def _row(name: str, *samples: Sample, **options: Any) -> Spec:
    return scipy_row(
        ndimage, name, *samples, **{"ulps": 256, "tolerance": 8, "order": 2, **options}
    )


def _places(*lengths: int, beyond: float = 0.0) -> Draw:
    """Three coordinates on a grid of these lengths, or a little beyond it."""

    def draw(rng: Rng) -> Any:
        return np.stack([rng.uniform(-beyond, n - 1 + beyond, 3) for n in lengths])

    return draw


_LINE = (
    *[S(mode, (real(5), real(3)), {"mode": mode}) for mode in _MODES],
    S("even", (real(5), real(4))),
    S("cval", (real(5), real(3)), {"mode": "constant", "cval": 1.5}),
    S("origin", (real(5), real(4)), {"origin": 1}),
    S("origin-back", (real(5), real(3)), {"origin": -1, "mode": "wrap"}),
    S("long", (real(3), real(9)), {"mode": "mirror"}),
    S("axis", (real(4, 2), real(3)), {"axis": 0}),
    S("c16", (cplx(4), cplx(3))),
    S("f8-c16", (real(4), cplx(2))),
    S("c16-f8", (cplx(4), real(2))),
    S("f4", (real(5, dtype="f4"), real(3, dtype="f4"))),
    S("output", (real(5), real(3)), {"output": "f4"}, derivative=False),
)
_PLANE = (
    *[S(mode, (real(4, 3), real(2, 3)), {"mode": mode}) for mode in _MODES],
    S("line", (real(5), real(3))),
    S("space", (real(2, 3, 2), real(2, 2, 1))),
    S("cval", (real(3, 3), real(3, 2)), {"mode": "constant", "cval": 1.5}),
    S("origins", (real(4, 4), real(3, 4)), {"origin": (-1, 1)}),
    S("c16", (cplx(3, 2), cplx(2, 2))),
    S("f4", (real(3, 3, dtype="f4"), real(2, 2))),
)
_SIGMA = {"sigma": 0.8}

NDIMAGE = (
    _row("correlate1d", *_LINE),
    _row("convolve1d", *_LINE[:-1], S("late", (real(5), real(4)), {"origin": -1})),
    _row("correlate", *_PLANE),
    _row("convolve", *_PLANE),
    _row(
        "gaussian_filter1d",
        S("plain", (real(6),), _SIGMA),
        *[S(f"order-{n}", (real(6),), {**_SIGMA, "order": n}) for n in (1, 2, 3)],
        S("axis", (real(5, 2),), {**_SIGMA, "axis": 0, "mode": "nearest"}),
        S("radius", (real(5),), {**_SIGMA, "radius": 2, "mode": "constant", "cval": 1.0}),
        S("truncate", (real(5),), {**_SIGMA, "truncate": 2.0}),
        S("c16", (cplx(4),), _SIGMA),
        S("f4", (real(5, dtype="f4"),), _SIGMA),
    ),
    Spec(
        "ndimage.gaussian_filter1d-sigma",
        lambda m, x, sigma, **static: ndimage.gaussian_filter1d(x, sigma, **static),
        (
            S("plain", (real(5), real(lo=0.7, hi=0.8)), {"radius": 3}),
            S("slope", (real(5), python(lo=0.7, hi=0.8)), {"radius": 3, "order": 1}),
        ),
        of_numpy=False,
        ulps=256,
    ),
    _row(
        "gaussian_filter",
        S("plain", (real(4, 3),), _SIGMA),
        S(
            "each",
            (real(4, 3),),
            {"sigma": (0.5, 0.9), "order": (0, 1), "mode": ("wrap", "mirror")},
        ),
        S("axes", (real(2, 4, 3),), {**_SIGMA, "axes": (0, 2), "radius": 2}),
        S("none", (real(3),), {"sigma": 0.0}),
        S("f4", (real(3, 4, dtype="f4"),), _SIGMA),
    ),
    _row(
        "uniform_filter1d",
        *[S(f"size-{n}", (real(6),), {"size": n}) for n in (1, 2, 5)],
        S("axis", (real(4, 2),), {"size": 3, "axis": 0, "mode": "wrap"}),
        S("origin", (real(5),), {"size": 4, "origin": 1, "mode": "constant", "cval": 2.0}),
        S("c16", (cplx(4),), {"size": 3}),
        S("f4", (real(4, dtype="f4"),), {"size": 3}),
    ),
    _row(
        "uniform_filter",
        S("plain", (real(4, 3),)),
        S("each", (real(4, 3),), {"size": (1, 2), "mode": ("wrap", "mirror"), "origin": (0, -1)}),
        S("axes", (real(2, 4, 3),), {"size": 2, "axes": (1,)}),
        S("f4", (real(4, 3, dtype="f4"),)),
    ),
    _row(
        "spline_filter1d",
        *[S(f"order-{n}", (real(5),), {"order": n}) for n in range(6)],
        *[S(f"{mode}-3", (real(5),), {"mode": mode}) for mode in _MODES],
        *[S(f"{mode}-4", (real(35),), {"mode": mode, "order": 4}) for mode in _MODES[:3]],
        S("axis", (real(4, 2),), {"axis": 0, "mode": "reflect"}),
        S("one", (real(1),)),
        S("c16", (cplx(4),), {"output": "c16"}),
        S("f4", (real(5, dtype="f4"),)),
        S("ints", (ints(5),)),
    ),
    _row(
        "spline_filter",
        S("plain", (real(4, 3),)),
        S("order-2", (real(4, 3),), {"order": 2, "mode": "reflect"}),
        S("f4", (real(3, 3, dtype="f4"),)),
    ),
    _row(
        "map_coordinates",
        *[
            S(f"{mode}-{n}", (real(5), _places(5, beyond=2.0)), {"mode": mode, "order": n})
            for mode, n in product(_MODES, (0, 1, 3))
        ],
        *[S(f"order-{n}", (real(4, 3), _places(4, 3)), {"order": n}) for n in range(6)],
        S("rows", (real(4, 3), real(2, 2, 2, lo=0.2, hi=1.8))),
        S("space", (real(2, 3, 2), _places(2, 3, 2)), {"order": 1}),
        S("cval", (real(4), _places(4, beyond=3.0)), {"cval": 2.5}),
        S("bare", (real(4, 3), _places(4, 3)), {"prefilter": False}),
        S(
            "bare-beyond",
            (real(4), _places(4, beyond=3.0)),
            {"prefilter": False, "mode": "nearest"},
        ),
        S("c16", (cplx(4), _places(4))),
        S("f4", (real(4, dtype="f4"), _places(4))),
        S("ints", (ints(4, hi=9), const([[0.3, 1.7, 2.6]])), {"order": 1}, derivative=False),
        S("output", (ints(4), _places(4)), {"order": 1, "output": "f8"}),
        S("at-points", (real(4), const([[0.0, 1.0, 3.0]])), derivative=False),
        S(
            "halves",
            (real(4), const([[0.5, 1.5, 4.5, -1.5]])),
            {"order": 0, "mode": "mirror"},
            False,
        ),
    ),
)
