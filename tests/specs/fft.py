"""Rows of the spec table: `numpy.fft`."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Sample, Spec, const, cplx, ints, python, real, row

_NORMS = ("backward", "ortho", "forward")


def _one_axis(half: bool = False, whole: bool = False) -> list[Sample]:
    """Samples of a transform along one axis; `half` takes reals, `whole` half a spectrum."""
    more = [] if half else [
        S("c16", (cplx(5),)),
        S("c16-stack", (cplx(2, 3, 4),), {"axis": 1}),
        S("c8", (cplx(4, dtype="c8"),)),
        S("c16-ortho-short", (cplx(6),), {"norm": "ortho", "n": 3}),
        S("c16-forward-long", (cplx(3),), {"norm": "forward", "n": 8}),
    ]  # fmt: skip
    if not whole:
        more.append(S("one", (real(1),)))
    return [
        *[S(f"odd-{norm}", (real(5),), {"norm": norm}) for norm in _NORMS],
        *[S(f"even-{norm}", (real(6),), {"norm": norm}) for norm in _NORMS],
        *[S(f"shorter-{n}", (real(6),), {"n": n}) for n in (1, 2, 3, 4)],
        *[S(f"longer-{n}", (real(3),), {"n": n}) for n in (5, 6, 7)],
        *[S(f"longer-{norm}", (real(3),), {"n": 5, "norm": norm}) for norm in _NORMS],
        S("axis", (real(4, 3),), {"axis": 0}),
        S("axis-shorter", (real(2, 5, 2),), {"axis": 1, "n": 3}),
        S("axis-longer", (real(2, 3, 2),), {"axis": -2, "n": 4}),
        S("f4", (real(4, dtype="f4"),)),
        S("f4-ortho", (real(5, dtype="f4"),), {"norm": "ortho", "n": 4}),
        S("ints", (ints(4),)),
        S("empty", (real(0, 3),)),
        *more,
    ]


def _axes(half: bool = False, whole: bool = False) -> list[Sample]:
    """Samples of a transform along several axes."""
    more = [] if half else [
        S("c16", (cplx(3, 4),)),
        S("c16-axes", (cplx(2, 3, 2),), {"axes": (2, 1), "norm": "ortho"}),
        S("c8", (cplx(2, 3, dtype="c8"),)),
        S("c16-longer", (cplx(2, 3),), {"s": (3, 4), "axes": (0, 1)}),
    ]  # fmt: skip
    if not whole:
        more += [
            S("repeated", (real(2, 3),), {"axes": (1, 1)}),
            S("column", (real(3, 1),)),
        ]
    return [
        S("plain", (real(3, 4),)),
        S("odd", (real(2, 5),)),
        S("stack", (real(2, 3, 2),)),
        S("axes", (real(2, 3, 2),), {"axes": (0, 1)}),
        S("axes-back", (real(3, 2, 3),), {"axes": (-1, 0)}),
        S("one-axis", (real(2, 3),), {"axes": (0,)}),
        *[S(norm, (real(3, 3),), {"norm": norm}) for norm in _NORMS],
        S("shorter", (real(3, 4),), {"s": (2, 3), "axes": (0, 1)}),
        S("longer", (real(2, 3),), {"s": (3, 5), "axes": (0, 1)}),
        S("mixed", (real(3, 3, 2),), {"s": (4, 2), "axes": (2, 0), "norm": "forward"}),
        S("as-it-is", (real(3, 3),), {"s": (-1, 4), "axes": (0, 1)}),
        S("repeated-lengths", (real(2, 3),), {"axes": (1, 0, 1), "s": (4, 3, 5)}),
        S("f4", (real(2, 4, dtype="f4"),)),
        S("ints", (ints(2, 3),)),
        S("empty-stack", (real(0, 3, 2),), {"axes": (1, 2)}),
        *more,
    ]


_KINDS: dict[str, dict[str, Any]] = {
    "fft": {}, "ifft": {}, "rfft": {"half": True}, "ihfft": {"half": True},
    "irfft": {"whole": True}, "hfft": {"whole": True},
}  # fmt: skip

FFT = (
    *[row(f"fft.{k}", *_one_axis(**kind), ulps=16, tolerance=4) for k, kind in _KINDS.items()],
    *[
        row(f"fft.{name}{n}", *_axes(**kind), ulps=16, tolerance=4)
        for name, kind in _KINDS.items()
        for n in ("2", "n")
        if name not in ("hfft", "ihfft")
    ],
    row(
        "fft.fftn-more",
        S("scalar", (real(),)),
        S("vector", (real(4),)),
        S("no-axes", (real(2, 3),), {"axes": ()}),
        S("empty", (real(0, 3),), {"axes": (1,)}),
        call=lambda m, x, **static: m.fft.fftn(x, **static),
        covers=(),
        ulps=16,
    ),
    *[
        row(
            name,
            S("even", (real(4),)),
            S("odd", (real(5),)),
            S("matrix", (real(3, 4),)),
            S("axis", (real(3, 4),), {"axes": 1}),
            S("axes", (real(2, 3, 4),), {"axes": (0, -1)}),
            S("repeated", (real(3, 5),), {"axes": (1, 1)}),
            S("c16", (cplx(5),)),
            S("f4", (real(5, dtype="f4"),)),
            S("ints", (ints(5),)),
            S("empty", (real(0),)),
        )
        for name in ("fft.fftshift", "fft.ifftshift")
    ],
    *[
        Spec(
            name,
            lambda m, d, *, n, f=name[4:]: getattr(m.fft, f)(n, d),
            (
                S("even", (real(lo=0.5),), {"n": 6}),
                S("odd", (real(lo=0.5),), {"n": 5}),
                S("python", (python(lo=0.5),), {"n": 4}),
                S("f4", (real(lo=0.5, dtype="f4"),), {"n": 4}),
                S("many", (real(3, 1, lo=0.5),), {"n": 5}),
                S("one", (const(0.5),), {"n": 1}),
            ),
            (getattr(np.fft, name[4:]),),
        )
        for name in ("fft.fftfreq", "fft.rfftfreq")
    ],
)
