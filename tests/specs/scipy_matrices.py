"""Rows for the structured matrices of `scipy.linalg`."""

from __future__ import annotations

from specs.scipy_linalg import scipy_linalg_row as _row
from specs.scipy_linalg import since
from specs.table import S, const, cplx, real

SCIPY_MATRICES = (
    _row(
        "toeplitz",
        S("column", (real(3),)),
        S("row", (real(3), real(2))),
        S("c16", (cplx(3),)),
        S("c16-row", (cplx(2), cplx(3))),
        S("f4", (real(3, dtype="f4"),)),
        S("scalar", (real(),)),
        S("one", (real(1), real(1))),
        S("int-f8", (const([1, 2]), real(2))),
    ),
    _row(
        "circulant",
        S("plain", (real(3),)),
        *since(1, 17, S("stack", (real(2, 3),))),
        S("c16", (cplx(2),)),
    ),
    _row(
        "hankel",
        S("column", (real(3),)),
        S("row", (real(3), real(2))),
        S("c16", (cplx(2), real(3))),
    ),
    _row(
        "companion",
        S("plain", (real(4, lo=0.5),)),
        S("two", (real(2, lo=0.5),)),
        *since(1, 17, S("stack", (real(2, 3, lo=0.5),))),
        S("c16", (cplx(3),)),
    ),
    _row(
        "convolution_matrix",
        *[
            S(f"{mode}-{n}", (real(3),), {"n": n, "mode": mode})
            for mode in ("full", "valid", "same")
            for n in (1, 2, 5)
        ],
        S("even-same", (real(4),), {"n": 3, "mode": "same"}),
        *since(1, 17, S("stack", (real(2, 3),), {"n": 2})),
        S("c16", (cplx(2),), {"n": 2}),
        S("f4", (real(2, dtype="f4"),), {"n": 2}),
    ),
    _row(
        "fiedler",
        S("plain", (real(3),)),
        *since(1, 17, S("stack", (real(2, 3),))),
        S("f4", (real(2, dtype="f4"),)),
    ),
    _row(
        "fiedler_companion",
        *[S(f"n{n}", (real(n, lo=0.5),)) for n in (2, 3, 4, 6, 7)],
        S("c16", (cplx(4),)),
    ),
    _row(
        "leslie",
        S("plain", (real(3), real(2))),
        *since(1, 17, S("stack", (real(2, 3), real(2, 2)))),
    ),
    _row(
        "block_diag",
        S("one", (real(2, 2),)),
        S("three", (real(2, 2), real(1, 3), real(2))),
        S("scalar", (real(), real(2, 1))),
        S("c16", (cplx(2, 2), real(1, 1))),
        S("f4", (real(2, 2, dtype="f4"), real(1, 1))),
        S("empty", (real(2, 0), real(1, 1))),
    ),
    _row("khatri_rao", S("plain", (real(2, 3), real(4, 3))), S("c16", (cplx(2, 2), real(1, 2)))),
)
