"""Joining and splitting."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Sample, Spec, cplx, ints, of_sequence, python, real, row

# Joining and splitting.


def _joining(name: str, *samples: Sample, **options: Any) -> Spec:
    return row(name, *samples, call=of_sequence(name), **options)


JOINING = (
    _joining(
        "concatenate",
        S("plain", (real(2, 2), real(1, 2))),
        S("axis1", (real(2, 1), real(2, 2), real(2, 1)), {"axis": 1}),
        S("negative", (real(2, 1), real(2, 2)), {"axis": -1}),
        S("none", (real(2, 1), real(3)), {"axis": None}),
        S("f4-f8", (real(2, dtype="f4"), real(1))),
        S("f4", (real(2, dtype="f4"), real(1, dtype="f4"))),
        S("c16-f8", (cplx(2), real(1))),
        S("int-f4", (ints(2), real(2, dtype="f4"))),
        S("empty", (real(0), real(2))),
        S("one", (real(2),)),
        S("dtype", (real(2), real(2)), {"dtype": "f4", "casting": "same_kind"}),
    ),
    Spec("concatenate-array", lambda m, x: m.concatenate(x), (S("plain", (real(2, 2, 3),)),)),
    _joining(
        "stack",
        S("plain", (real(2), real(2))),
        S("scalars", (real(), real(), real())),
        S("axis1", (real(2, 2), real(2, 2)), {"axis": 1}),
        S("last", (real(2, 2), real(2, 2)), {"axis": -1}),
        S("f4-f8", (real(2, dtype="f4"), real(2))),
        S("f4-int", (real(2, dtype="f4"), ints(2))),
        S("python", (real(), python())),
        S("f4-python", (real(dtype="f4"), python())),
        S("dtype", (real(2), real(2)), {"dtype": "f4", "casting": "same_kind"}),
    ),
    Spec("stack-array", lambda m, x: m.stack(x, axis=1), (S("plain", (real(2, 2, 3),)),)),
    _joining(
        "hstack",
        S("vectors", (real(2), real(1))),
        S("matrices", (real(2, 1), real(2, 2))),
        S("scalars", (real(), real())),
    ),
    _joining("vstack", S("vectors", (real(2), real(2))), S("mixed", (real(1, 2), real(2)))),
    _joining("dstack", S("vectors", (real(2), real(2))), S("matrices", (real(2, 2), real(2, 2)))),
    _joining("column_stack", S("vectors", (real(2), real(2))), S("mixed", (real(2, 2), real(2)))),
    row(
        "append",
        S("flat", (real(2, 2), real(2))),
        S("axis", (real(2, 2), real(1, 2)), {"axis": 0}),
        S("scalar", (real(2), real())),
        S("f4", (real(2, dtype="f4"), real(2, dtype="f4"))),
        S("f4-python", (real(2, dtype="f4"), python())),
    ),
    Spec(
        "block",
        lambda m, a, b, c, d: m.block([[a, b], [c, d]]),
        (
            S("matrices", (real(2, 2), real(2, 1), real(1, 2), real(1, 1))),
            S("scalars", (real(), real(), real(), real())),
            S("f4", (real(2, 2, dtype="f4"), real(2, 1), real(1, 2), real(1, 1))),
        ),
        (np.block,),
    ),
    Spec(
        "block-row",
        lambda m, a, b: m.block([a, b]),
        (S("vectors", (real(2), real(3))), S("matrices", (real(2, 1), real(2, 2)))),
    ),
    *[
        row(
            name,
            S("sections", (real(4, 2),), {"indices_or_sections": 2}),
            S("indices", (real(4, 2),), {"indices_or_sections": [1, 3]}),
            S("axis", (real(2, 4),), {"indices_or_sections": 2, "axis": -1}),
            S("beyond", (real(3),), {"indices_or_sections": [2, 5]}),
            S("backwards", (real(4),), {"indices_or_sections": [3, 1]}),
        )
        for name in ("split", "array_split")
    ],
    row("array_split", S("uneven", (real(5, 2),), {"indices_or_sections": 3}), covers=()),
    row(
        "hsplit",
        S("matrix", (real(2, 4),), {"indices_or_sections": 2}),
        S("vector", (real(4),), {"indices_or_sections": [1]}),
    ),
    row("vsplit", S("plain", (real(4, 2),), {"indices_or_sections": 2})),
    row("dsplit", S("plain", (real(1, 2, 4),), {"indices_or_sections": 2})),
    *(
        [row("unstack", S("plain", (real(2, 3),)), S("axis", (real(2, 3),), {"axis": -1}))]
        if hasattr(np, "unstack")
        else []
    ),
)
