"""Linear algebra."""

from __future__ import annotations

import numpy as np

from specs.table import S, Spec, const, cplx, ints, matrix, positive_definite, python, real, row

# Linear algebra.

LINALG = (
    row(
        "linalg.norm",
        S("vector", (real(3),)),
        S("matrix", (real(2, 3),)),
        S("3d", (real(2, 2, 2),)),
        S("keepdims", (real(2, 3),), {"keepdims": True}),
        S("axis", (real(2, 3),), {"axis": 1}),
        S("axis-keepdims", (real(2, 3),), {"axis": 0, "keepdims": True}),
        S("axes", (real(2, 3, 2),), {"axis": (0, 2)}),
        *[
            S(f"vector-{p}", (real(3),), {"ord": p})
            for p in (1, 2, 3, 0.5, -1, -2, 2.5, np.inf, -np.inf)
        ],
        S("vector-0", (real(3),), {"ord": 0}),
        *[S(f"matrix-{p}", (real(2, 3),), {"ord": p}) for p in ("fro", 1, -1, np.inf, -np.inf)],
        S("matrix-1-axes", (real(2, 3, 2),), {"ord": 1, "axis": (2, 0)}),
        S("matrix-inf-axes", (real(2, 3, 2),), {"ord": np.inf, "axis": (2, 0), "keepdims": True}),
        S("matrix-1-keepdims", (real(2, 3),), {"ord": 1, "keepdims": True}),
        S("fro-keepdims", (real(2, 3),), {"ord": "fro", "keepdims": True}),
        S("3-axis-keepdims", (real(2, 3),), {"ord": 3, "axis": -1, "keepdims": True}),
        S("3-f4", (real(3, dtype="f4"),), {"ord": 3}),
        S("0-f4", (real(3, dtype="f4"),), {"ord": 0}),
        S("f4", (real(2, 3, dtype="f4"),)),
        S("c16", (cplx(3),)),
        S("c16-1", (cplx(3),), {"ord": 1}),
        S("c8-inf", (cplx(3, dtype="c8"),), {"ord": np.inf}),
        S("ints", (ints(3, lo=1),)),
        S("scalar", (real(),)),
        S("python", (python(),)),
        S("empty", (real(0),)),
        ulps=32,
        tolerance=10,
    ),
    row(
        "linalg.matrix_norm",
        S("plain", (real(2, 3),)),
        S("stack", (real(2, 2, 3),), {"keepdims": True}),
        S("1", (real(2, 2, 3),), {"ord": 1}),
        ulps=32,
    ),
    row(
        "linalg.vector_norm",
        S("plain", (real(3),)),
        S("all", (real(2, 3),)),
        S("axis", (real(2, 3),), {"axis": 1}),
        S("axes", (real(2, 3, 2),), {"axis": (0, 2), "keepdims": True}),
        S("keepdims", (real(2, 3),), {"keepdims": True}),
        S("3", (real(2, 3),), {"ord": 3}),
        S("inf", (real(2, 3),), {"ord": np.inf, "axis": 0}),
        ulps=32,
        tolerance=10,
    ),
    row(
        "linalg.solve",
        S("vector", (matrix(2, 2), real(2))),
        S("matrix", (matrix(2, 2), real(2, 3))),
        S("stack", (matrix(2, 2, 2), real(2, 2, 3))),
        S("stack-vector", (matrix(2, 2, 2), real(2))),
        S("stack-matrix", (matrix(2, 2, 2), real(2, 3))),
        S("matrix-stack", (matrix(2, 2), real(2, 2, 1))),
        S("broadcast", (matrix(2, 1, 2, 2), real(3, 2, 1))),
        S("f4", (matrix(2, 2, dtype="f4"), real(2, dtype="f4"))),
        S("f4-f8", (matrix(2, 2, dtype="f4"), real(2, 1))),
        S("c16", (matrix(2, 2, dtype="c16"), cplx(2))),
        S("c16-f8", (matrix(2, 2, dtype="c16"), real(2, 1))),
        S("f8-c16", (matrix(2, 2), cplx(2))),
        S("int-f8", (const([[2, 1], [1, 3]]), real(2))),
        S("size1", (matrix(1, 1), real(1))),
        ulps=64,
        tolerance=20,
    ),
    *[
        row(
            name,
            S("matrix", (matrix(2, 2),)),
            S("3x3", (matrix(3, 3),)),
            S("stack", (matrix(2, 2, 2),)),
            S("f4", (matrix(2, 2, dtype="f4"),)),
            S("c16", (matrix(2, 2, dtype="c16"),)),
            S("c8", (matrix(2, 2, dtype="c8"),)),
            S("size1", (matrix(1, 1),)),
            S("int", (const([[2, 1], [1, 3]]),)),
            S("empty-stack", (real(0, 2, 2),)),
            ulps=64,
            tolerance=50,
        )
        for name in ("linalg.inv", "linalg.det", "linalg.slogdet")
    ],
    Spec(
        "linalg.cholesky",
        lambda m, a, **static: m.linalg.cholesky(
            (a + m.conjugate(m.swapaxes(a, -1, -2))) / 2, **static
        ),
        (
            S("matrix", (positive_definite(2, 2),)),
            S("3x3", (positive_definite(3, 3),)),
            S("stack", (positive_definite(2, 2, 2),)),
            S("upper", (positive_definite(2, 2),), {"upper": True}),
            S("f4", (positive_definite(2, 2, dtype="f4"),)),
            S("c16", (positive_definite(2, 2, dtype="c16"),)),
            S("c16-upper", (positive_definite(2, 2, dtype="c16"),), {"upper": True}),
        ),
        (np.linalg.cholesky,),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.cholesky-value",
        lambda m, a, **static: m.linalg.cholesky(a, **static),
        (
            S("lower", (matrix(2, 2),), derivative=False),
            S("upper", (matrix(2, 2),), {"upper": True}, derivative=False),
            S("int", (const([[2, 1], [1, 3]]),)),
        ),
    ),
)
