"""Linear algebra."""

from __future__ import annotations

import numpy as np

from specs.table import Draw, S, Spec, const, cplx, ints, matrix, python, real, row


def matrix_tensor(*shape: int, dtype: str = "f8") -> Draw:
    """Tensors that are well-conditioned square matrices when some axes are taken together."""
    n = max(shape)
    return lambda rng: np.reshape(matrix(n, n, dtype=dtype)(rng), shape)


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
        *[
            S(f"matrix-{p}{'-wide' if n > 2 else ''}", (real(2, n),), {"ord": p})
            for p in (2, -2, "nuc")
            for n in (2, 3)
        ],
        S("matrix-2-stack", (real(2, 3, 2),), {"ord": 2, "axis": (0, 2), "keepdims": True}),
        S("matrix-nuc-stack", (real(2, 3, 2),), {"ord": "nuc", "axis": (-1, 0)}),
        S("matrix-nuc-tall", (real(3, 2),), {"ord": "nuc", "keepdims": True}),
        S("matrix-nuc-c16", (cplx(2, 3),), {"ord": "nuc"}),
        S("matrix-nuc-f4", (real(2, 2, dtype="f4"),), {"ord": "nuc"}),
        S("matrix-2-c16", (cplx(2, 2),), {"ord": 2}),
        S("c16-3", (cplx(3),), {"ord": 3}),
        S("c16-0.5", (cplx(2, 2),), {"ord": 0.5, "axis": 0}),
        S("empty-inf", (real(0),), {"ord": np.inf}),
        S("empty-3", (real(0),), {"ord": 3}),
        S("empty-matrix-2", (real(0, 2),), {"ord": 2}),
        S("empty-matrix-inf", (real(0, 2),), {"ord": np.inf}),
        S("with-zero", (const([0.0, 1.0, -2.0]),), {"ord": 0.5}, derivative=False),
        S("zero", (const([0.0, 0.0]),), {"ord": 3}, derivative=False),
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
        S("nuc", (real(2, 2, 3),), {"ord": "nuc", "keepdims": True}),
        S("2", (real(2, 2, 3),), {"ord": 2}),
        ulps=32,
        tolerance=10,
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
        S("axes-0.5", (real(2, 2, 2),), {"ord": 0.5, "axis": (2, 0)}),
        S("scalar", (real(),)),
        S("empty", (real(2, 0),), {"axis": 1}),
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
            S("size0", (real(0, 0),)),
            ulps=64,
            tolerance=50,
        )
        for name in ("linalg.inv", "linalg.det", "linalg.slogdet")
    ],
    row(
        "linalg.det-singular",
        S("rank-2", (const([[1.0, 2.0, 0.0], [2.0, 4.0, 1.0], [3.0, 6.0, 5.0]]),)),
        S("rank-1", (const(np.outer([1.0, 2.0, -1.0], [1.0, 0.5, 2.0])),)),
        S("zero", (const(np.zeros((3, 3))),)),
        S("stack", (const([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.5], [0.5, 1.0]]]),)),
        S("c16", (const(np.outer([1.0, 2j, -1.0], [1j, 0.5, 2.0])),)),
        call=lambda m, a: m.linalg.det(a),
        covers=(),
        ulps=1e3,
        tolerance=50,
    ),
    row(
        "linalg.matrix_power",
        *[S(f"n{n}", (matrix(2, 2),), {"n": n}) for n in (1, 2, 3, 5, 6, -1, -3)],
        S("n0", (matrix(2, 2),), {"n": 0}, derivative=False),
        S("stack", (matrix(2, 2, 2),), {"n": 4}),
        S("f4", (matrix(2, 2, dtype="f4"),), {"n": 3}),
        S("c16", (matrix(2, 2, dtype="c16"),), {"n": -2}),
        S("int", (const([[2, 1], [1, 3]]),), {"n": 3}),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.multi_dot",
        lambda m, *arrays: m.linalg.multi_dot(arrays),
        (
            S("two", (real(2, 3), real(3, 2))),
            S("three", (real(2, 3), real(3, 4), real(4, 2))),
            S("four", (real(2, 3), real(3, 1), real(1, 3), real(3, 2))),
            S("vectors", (real(2), real(2, 3), real(3))),
            S("row", (real(2), real(2, 3))),
            S("column", (real(2, 3), real(3))),
            S("f4", (real(2, 2, dtype="f4"), real(2, 2, dtype="f4"))),
            S("c16", (cplx(2, 3), real(3, 2))),
        ),
        (np.linalg.multi_dot,),
        ulps=32,
        tolerance=10,
    ),
    row(
        "linalg.tensorsolve",
        S("plain", (matrix_tensor(2, 3, 6), real(2, 3))),
        S("axes", (matrix_tensor(6, 2, 3), real(2, 3)), {"axes": (0,)}),
        S("c16", (matrix_tensor(2, 2, 4, dtype="c16"), cplx(2, 2))),
        ulps=256,
        tolerance=50,
    ),
    row(
        "linalg.tensorinv",
        S("ind2", (matrix_tensor(2, 3, 6),), {"ind": 2}),
        S("ind1", (matrix_tensor(4, 2, 2),), {"ind": 1}),
        S("f4", (matrix_tensor(2, 2, 4, dtype="f4"),)),
        ulps=256,
        tolerance=50,
    ),
    row(
        "linalg.matmul", S("plain", (real(2, 3), real(3, 2))), S("stack", (real(2, 2, 3), real(3)))
    ),
    row(
        "linalg.tensordot",
        S("plain", (real(2, 3), real(2, 3))),
        S("axes", (real(2, 3), real(3, 2)), {"axes": 1}),
        tolerance=10,
    ),
    row(
        "linalg.vecdot",
        S("plain", (real(2, 3), real(3))),
        S("axis", (real(3, 2), real(3, 1)), {"axis": 0}),
        S("c16", (cplx(3), cplx(3))),
        ulps=32,
    ),
    row(
        "linalg.cross",
        S("plain", (real(3), real(3))),
        S("stack", (real(2, 3), real(3))),
        S("axis", (real(3, 2), real(3, 1)), {"axis": 0}),
        S("c16", (cplx(3), real(3))),
        ulps=32,
    ),
    row("linalg.matrix_transpose", S("plain", (real(2, 3),)), S("stack", (real(2, 2, 3),))),
    row(
        "linalg.diagonal",
        S("plain", (real(2, 3),)),
        S("offset", (real(2, 2, 3),), {"offset": 1}),
    ),
    row(
        "linalg.trace",
        S("plain", (real(2, 3),)),
        S("offset", (real(2, 2, 3),), {"offset": -1}),
        S("dtype", (real(2, 2, dtype="f4"),), {"dtype": np.float64}),
        ulps=16,
    ),
)
