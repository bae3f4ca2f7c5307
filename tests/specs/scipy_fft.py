"""Rows for `scipy.fft`."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import wengert.scipy.fft as fft
from specs.table import S, Sample, Spec, cplx, ints, real, scipy_row

_NORMS = ("backward", "ortho", "forward")


def _row(name: str, *samples: Sample, **options: Any) -> Spec:
    options = {"ulps": 32, "tolerance": 4, "order": 2, **options}
    return replace(scipy_row(fft, name, *samples, **options), name=f"scipy.fft.{name}")


_ONE = (
    *[S(f"odd-{norm}", (real(5),), {"norm": norm}) for norm in _NORMS],
    S("even", (real(6),)),
    S("shorter", (real(6),), {"n": 3}),
    S("longer", (real(2, 3),), {"n": 5, "norm": "ortho"}),
    S("axis", (real(4, 2),), {"axis": 0, "overwrite_x": True, "workers": 1}),
    S("f4", (real(4, dtype="f4"),)),
    S("ints", (ints(4),)),
)
_MANY = (
    *[S(norm, (real(2, 5),), {"norm": norm}) for norm in _NORMS],
    S("stack", (real(2, 2, 4),)),
    S("axes", (real(2, 2, 4),), {"axes": (2, 0)}),
    S("lengths", (real(3, 4),), {"s": (2, 6), "axes": (0, 1)}),
    S("as-it-is", (real(3, 4),), {"s": (-1, 3), "axes": (0, 1), "norm": "ortho"}),
    S("f4", (real(2, 4, dtype="f4"),)),
    S("ints", (ints(2, 3),)),
)
_COMPLEX = (S("c16", (cplx(2, 4),)), S("c8", (cplx(2, 4, dtype="c8"),)))
_HALF = (S("f2", (real(4, dtype="f2"),), derivative=False),)
_WAVES = (
    *[
        S(f"{type}-{norm}", (real(4),), {"type": type, "norm": norm})
        for type, norm in product((1, 2, 3, 4), _NORMS)
    ],
    *[
        S(f"{type}-orthogonal", (real(5),), {"type": type, "orthogonalize": True})
        for type in (1, 2, 3, 4)
    ],
    *[
        S(f"{type}-not", (real(5),), {"type": type, "norm": "ortho", "orthogonalize": False})
        for type in (1, 2, 3, 4)
    ],
    S("c16", (cplx(4),)),
    S("c16-1", (cplx(4),), {"type": 1}),
    S("f4", (real(4, dtype="f4"),)),
    S("ints", (ints(4),)),
)
_WAVES_OF_ONE = (
    *_WAVES,
    S("empty", (real(0, 4),)),
    S("shorter", (real(6),), {"n": 4}),
    S("longer", (real(3),), {"n": 5, "type": 3}),
    S("axis", (real(4, 2),), {"axis": 0}),
)
_WAVES_OF_MANY = (
    *_WAVES,
    S("matrix", (real(3, 4),)),
    S("axes", (real(2, 3, 4),), {"axes": (0, 2), "type": 1}),
    S("axis", (real(2, 3),), {"axes": 0, "norm": "ortho"}),
    S("lengths", (real(3, 4),), {"s": (4, 2), "type": 3}),
    S("length", (real(3, 4),), {"s": 3, "axes": 1, "type": 4}),
)

SCIPY_FFT = (
    *[_row(name, *_ONE, *_COMPLEX, *_HALF) for name in ("fft", "ifft")],
    *[_row(name, *_ONE, *_HALF) for name in ("rfft", "ihfft")],
    *[_row(name, *_ONE, *_COMPLEX) for name in ("irfft", "hfft")],
    *[_row(name + n, *_MANY, *_COMPLEX) for name in ("fft", "ifft") for n in "2n"],
    *[_row(name + n, *_MANY) for name in ("rfft", "ihfft") for n in "2n"],
    *[_row(name + n, *_MANY, *_COMPLEX) for name in ("irfft", "hfft") for n in "2n"],
    *[
        _row(name, S("matrix", (real(3, 4),)), S("axis", (real(3, 4),), {"axes": 1}))
        for name in ("fftshift", "ifftshift")
    ],
    *[_row(name, *_WAVES_OF_ONE) for name in ("dct", "idct", "dst", "idst")],
    *[_row(name, *_WAVES_OF_MANY) for name in ("dctn", "idctn", "dstn", "idstn")],
)
