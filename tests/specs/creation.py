"""Creation and types."""

from __future__ import annotations

import numpy as np

from specs.table import S, Spec, const, cplx, ints, python, real, row

# Creation and types.

CREATION = (
    *[
        row(
            name,
            S("plain", (real(2, 3),)),
            S("f4", (real(2, dtype="f4"),)),
            S("scalar", (real(),)),
            S("dtype", (real(2),), {"dtype": np.complex64}),
            S("shape", (real(2),), {"shape": (3, 1)}),
            order=0,
        )
        for name in ("zeros_like", "ones_like")
    ],
    Spec(
        "empty_like",
        lambda m, x, **static: m.empty_like(x, **static) * 0 == 0,
        (S("plain", (const([2, 3]),)), S("dtype", (real(2),), {"dtype": int})),
        (np.empty_like,),
        order=0,
    ),
    row(
        "full_like",
        S("plain", (real(2, 3), real())),
        S("f4-python-traced", (real(2, dtype="f4"), python())),
        S("python", (real(2, 3), const(2.5))),
        S("f4", (real(2, dtype="f4"), real())),
        S("array", (real(2, 3), real(3))),
        S("dtype", (real(2), real()), {"dtype": np.complex64}),
        S("shape", (real(2), real()), {"shape": (3, 1)}),
        S("scalar", (real(), real())),
        leads="numpy",
    ),
    row("shape", S("plain", (real(2, 3),)), S("scalar", (real(),)), order=0, traceable=False),
    row("ndim", S("plain", (real(2, 3),)), S("scalar", (real(),)), order=0, traceable=False),
    row(
        "size",
        S("plain", (real(2, 3),)),
        S("axis", (real(2, 3),), {"axis": 1}),
        S("scalar", (real(),)),
        order=0,
        traceable=False,
    ),
    row(
        "copy",
        S("plain", (real(2, 3),)),
        S("scalar", (real(),)),
        S("python", (python(),)),
        S("f4", (real(2, dtype="f4"),)),
    ),
    row(
        "array_equiv",
        S("same", (const([1.0, 2.0]), const([1.0, 2.0]))),
        S("broadcast", (const([[1.0, 2.0], [1.0, 2.0]]), const([1.0, 2.0]))),
        S("other", (real(2), real(2))),
        S("shapes", (real(2), real(3))),
        order=0,
        traceable=False,
    ),
    *[
        row(
            name,
            S("real", (real(2),)),
            S("c16", (const([1.0, 1j]),)),
            S("scalar", (real(),)),
            S("c8-scalar", (cplx(dtype="c8"),)),
            order=0,
        )
        for name in ("iscomplex", "isreal")
    ],
    Spec(
        "common_type",
        lambda m, x, y: x.astype(m.common_type(x, y)),
        (
            S("f4", (real(2, dtype="f4"), real(2, dtype="f4"))),
            S("f4-f8", (real(2, dtype="f4"), real(2))),
        ),
        (np.common_type,),
    ),
    Spec(
        "can_cast",
        lambda m, x: [m.can_cast(x, "f4"), m.can_cast(x, "c16"), m.can_cast(x, "f4", "same_kind")],
        (S("f8", (real(2),)), S("f4", (real(2, dtype="f4"),))),
        (np.can_cast,),
        order=0,
        traceable=False,
    ),
    Spec(
        "min_scalar_type",
        lambda m, x: m.ones((), m.min_scalar_type(x))[()],
        (S("array", (real(2),)), S("scalar", (const(1.5),)), S("large", (const(1e100),))),
        (np.min_scalar_type,),
        order=0,
        traceable=False,
    ),
    Spec(
        "text",
        lambda m, x: np.array(
            [
                len(m.array2string(x, precision=3)),
                len(m.array_repr(x)),
                len(m.array_str(x, precision=2)),
            ]
        ),
        (S("array", (real(2),)), S("c8", (cplx(2, dtype="c8"),))),
        (np.array2string, np.array_repr, np.array_str),
        order=0,
        traceable=False,
    ),
    Spec(
        "memory",
        lambda m, x, y: [m.shares_memory(x, x), m.may_share_memory(x, x), m.shares_memory(x, y)],
        (S("plain", (real(2), real(2))),),
        (np.shares_memory, np.may_share_memory),
        order=0,
        traceable=False,
    ),
    row("iscomplexobj", S("real", (real(2),)), S("c16", (cplx(2),)), order=0, traceable=False),
    row("isrealobj", S("real", (real(2),)), S("c16", (cplx(2),)), order=0, traceable=False),
    Spec(
        "result_type",
        lambda m, x, y: x.astype(m.result_type(x, y)),
        (
            S("f4-f8", (real(2, dtype="f4"), real(2))),
            S("f4-python", (real(2, dtype="f4"), python())),
            S("f4-int", (real(2, dtype="f4"), ints(2))),
        ),
        (np.result_type,),
    ),
    Spec(
        "attributes",
        lambda m, x: (x.shape, x.ndim, x.size, x.itemsize, x.nbytes, len(x)),
        (S("plain", (real(2, 3),)), S("f4", (real(2, dtype="f4"),))),
        order=0,
        traceable=False,
    ),
)
