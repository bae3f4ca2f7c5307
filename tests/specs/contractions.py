"""Products and contractions."""

from __future__ import annotations

import numpy as np

from specs.table import S, Spec, cplx, ints, python, real, row

# Contractions.

_PAIRS = (
    ("vectors", (3,), (3,)),
    ("matrix-vector", (2, 3), (3,)),
    ("matrices", (2, 3), (3, 2)),
)
CONTRACTIONS = (
    row(
        "dot",
        *[S(k, (real(*a), real(*b))) for k, a, b in _PAIRS],
        S("scalars", (real(), real())),
        S("scalar-matrix", (real(), real(2, 2))),
        S("3d", (real(2, 2, 3), real(2, 3, 2))),
        S("3d-vector", (real(2, 2, 3), real(3))),
        S("matrix-3d", (real(2, 3), real(2, 3, 2))),
        S("f4-f8", (real(3, dtype="f4"), real(3))),
        S("f4", (real(2, 3, dtype="f4"), real(3, dtype="f4"))),
        S("c16-f8", (cplx(2, 3), real(3))),
        S("f4-python", (real(3, dtype="f4"), python())),
        S("ints-f8", (ints(2, 3), real(3))),
        S("empty", (real(0), real(0))),
    ),
    row(
        "inner",
        S("vectors", (real(3), real(3))),
        S("matrices", (real(2, 3), real(2, 3))),
        S("3d", (real(2, 2, 3), real(3))),
        S("scalar", (real(), real(3))),
        S("f4-f8", (real(3, dtype="f4"), real(2, 3))),
        S("c16", (cplx(3), cplx(3))),
        S("f4-python", (real(3, dtype="f4"), python())),
    ),
    *[
        row(
            name,
            S("vectors", (real(2), real(3))),
            S("f4-f8", (real(2, dtype="f4"), real(2))),
            S("c16", (cplx(2), cplx(2))),
            S("f4", (real(2, dtype="f4"), real(1, dtype="f4"))),
            *extra,
        )
        for name, *extra in [
            ("outer", S("matrices", (real(2, 2), real(2))), S("scalar", (real(), real(2)))),
            ("linalg.outer",),
        ]
    ],
    row(
        "vdot",
        S("vectors", (real(3), real(3))),
        S("matrices", (real(2, 2), real(2, 2))),
        S("scalars", (real(), real())),
        S("c16", (cplx(3), cplx(3))),
        S("c16-f8", (cplx(3), real(3))),
        S("f4-f8", (real(3, dtype="f4"), real(3))),
    ),
    row(
        "tensordot",
        S("default", (real(2, 3, 2), real(3, 2, 2))),
        S("one", (real(2, 3), real(3, 2)), {"axes": 1}),
        S("zero", (real(2), real(3)), {"axes": 0}),
        S("pairs", (real(2, 3, 2), real(3, 2, 2)), {"axes": ((1, 0), (0, 1))}),
        S("ints", (real(2, 3), real(2, 3)), {"axes": (1, 1)}),
        S("negative", (real(2, 3), real(2, 3)), {"axes": ([-1], [-1])}),
        S("f4-f8", (real(2, 3, dtype="f4"), real(3)), {"axes": 1}),
        S("c16", (cplx(2, 2), cplx(2, 2))),
        S("full", (real(2, 3), real(2, 3))),
    ),
    row(
        "kron",
        S("vectors", (real(2), real(3))),
        S("matrices", (real(2, 2), real(1, 2))),
        S("mixed", (real(2, 2), real(2))),
        S("3d", (real(2, 1, 2), real(2, 2))),
        S("scalar", (real(), real(2))),
        S("f4-f8", (real(2, dtype="f4"), real(2))),
        S("f4-python", (real(2, dtype="f4"), python())),
        S("c16", (cplx(2), cplx(2))),
    ),
    Spec(
        "einsum",
        lambda m, *ops, spec, **static: m.einsum(spec, *ops, **static),
        (
            S("matmul", (real(2, 3), real(3, 2)), {"spec": "ij,jk->ik"}),
            S("implicit", (real(2, 3), real(3, 2)), {"spec": "ij,jk"}),
            S("implicit-order", (real(2, 3),), {"spec": "ba"}),
            S("trace", (real(3, 3),), {"spec": "ii"}),
            S("diagonal", (real(3, 3),), {"spec": "ii->i"}),
            S("triple-diagonal", (real(2, 2, 2),), {"spec": "iii->i"}),
            S("sum", (real(2, 3),), {"spec": "ij->"}),
            S("sum-one", (real(2, 3),), {"spec": "ij->j"}),
            S("transpose", (real(2, 3),), {"spec": "ij->ji"}),
            S("outer", (real(2), real(3)), {"spec": "i,j->ij"}),
            S("inner", (real(3), real(3)), {"spec": "i,i"}),
            S("repeated-pair", (real(3, 3), real(3)), {"spec": "ii,i->i"}),
            S("repeated-sum", (real(3, 3), real(3, 2)), {"spec": "ii,ij->j"}),
            S("lonely", (real(2, 3), real(2)), {"spec": "ij,i->i"}),
            S("batched", (real(2, 2, 3), real(2, 3, 2)), {"spec": "bij,bjk->bik"}),
            S("ellipsis", (real(2, 2, 3), real(3, 2)), {"spec": "...ij,jk->...ik"}),
            S("ellipses", (real(2, 2, 3), real(2, 3, 2)), {"spec": "...ij,...jk->...ik"}),
            S("ellipsis-broadcast", (real(2, 1, 3), real(2, 3)), {"spec": "...i,...i->..."}),
            S("ellipsis-implicit", (real(2, 2, 3), real(3)), {"spec": "...i,i"}),
            S("ellipsis-inside", (real(2, 2, 3),), {"spec": "i...j->j...i"}),
            S("three", (real(2, 3), real(3, 2), real(2)), {"spec": "ij,jk,k->i"}),
            S(
                "three-optimize",
                (real(2, 3), real(3, 2), real(2)),
                {"spec": "ij,jk,k->i", "optimize": True},
            ),
            S("optimize", (real(2, 3), real(3, 2)), {"spec": "ij,jk->ik", "optimize": "greedy"}),
            S("size1", (real(1, 3), real(3, 2)), {"spec": "ij,jk->ik"}),
            S("size1-broadcast", (real(2, 1), real(3, 2)), {"spec": "ij,jk->ik"}),
            S("size1-shared", (real(1), real(3)), {"spec": "i,i->i"}),
            S("size1-summed", (real(1), real(3)), {"spec": "i,i->"}),
            S("scalar", (real(), real(2)), {"spec": ",i->i"}),
            S("spaces", (real(2, 3), real(3)), {"spec": "i j, j -> i"}),
            S("f4-f8", (real(2, 3, dtype="f4"), real(3)), {"spec": "ij,j->i"}),
            S("f4", (real(2, 3, dtype="f4"), real(3, dtype="f4")), {"spec": "ij,j->i"}),
            S("c16-f8", (cplx(2, 3), real(3)), {"spec": "ij,j->i"}),
            S(
                "dtype",
                (real(2, dtype="f4"), real(2, dtype="f4")),
                {"spec": "i,i->", "dtype": "f8"},
            ),
            S("int-f8", (ints(2, 3), real(3)), {"spec": "ij,j->i"}),
            S("empty", (real(0, 2), real(2)), {"spec": "ij,j->i"}),
            S("one-operand", (real(2, 3),), {"spec": "ij->ij"}),
        ),
        (np.einsum,),
        ulps=8,
    ),
    Spec(
        "einsum-lists",
        lambda m, a, b, **static: m.einsum(a, [0, 1], b, [1, 2], [0, 2], **static),
        (
            S("plain", (real(2, 3), real(3, 2))),
            S("optimize", (real(2, 3), real(3, 2)), {"optimize": True}),
        ),
    ),
    Spec(
        "einsum-lists-ellipsis",
        lambda m, a, b: m.einsum(a, [Ellipsis, 0], b, [0], [Ellipsis]),
        (S("plain", (real(2, 2, 3), real(3))),),
    ),
    Spec(
        "einsum-lists-implicit",
        lambda m, a, b: m.einsum(a, [0, 1], b, [1]),
        (S("plain", (real(2, 3), real(3))),),
    ),
    Spec(
        "einsum_path",
        lambda m, a, b: m.einsum_path("ij,jk->ik", a, b)[0][1:],
        (S("plain", (real(2, 3), real(3, 2))),),
        (np.einsum_path,),
        order=0,
        traceable=False,
    ),
)
