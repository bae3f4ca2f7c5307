"""Functions that move elements: reshape, transpose, flip, pad, and kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Spec, cplx, function, ints, python, real, row


def _write_ends(line: Any, width: tuple[int, int], axis: int, options: dict[str, Any]) -> None:
    """A padding function, which writes into its argument."""
    line[: width[0]] = line[width[0]] * options["scale"]
    line[len(line) - width[1] :] = axis


# Shapes.

SHAPES = (
    row(
        "reshape",
        S("plain", (real(2, 3),), {"shape": (3, 2)}),
        S("minus", (real(2, 3),), {"shape": (-1, 2)}),
        S("int", (real(2, 3),), {"shape": 6}),
        S("flat", (real(2, 3),), {"shape": -1}),
        S("fortran", (real(2, 3),), {"shape": (3, 2), "order": "F"}),
        S("same", (real(2, 3),), {"shape": (2, 3)}),
        S("scalar", (real(),), {"shape": (1, 1)}),
        S("to-scalar", (real(1, 1),), {"shape": ()}),
        S("empty", (real(0, 3),), {"shape": (3, 0)}),
        S("empty-minus", (real(0, 3),), {"shape": (-1, 3)}),
        S("list", (real(2, 3),), {"shape": [3, 2]}),
        S("c8", (cplx(2, 3, dtype="c8"),), {"shape": (6,)}),
        S("copy", (real(2, 3),), {"shape": 6, "copy": True}),
    ),
    row(
        "ravel",
        S("plain", (real(2, 3),)),
        S("F", (real(2, 3),), {"order": "F"}),
        S("scalar", (real(),)),
        S("K", (real(2, 3),), {"order": "K"}),
        S("A", (real(2, 3),), {"order": "A"}),
        S("python", (python(),)),
    ),
    row(
        "transpose",
        S("plain", (real(2, 3),)),
        S("axes", (real(2, 3, 1),), {"axes": (1, 2, 0)}),
        S("negative", (real(2, 3, 1),), {"axes": (-1, 0, 1)}),
        S("vector", (real(3),)),
        S("scalar", (real(),)),
        S("python", (python(),)),
        S("f4", (real(2, 3, dtype="f4"),)),
        covers=(np.transpose, getattr(np, "permute_dims", np.transpose)),
    ),
    row("matrix_transpose", S("plain", (real(2, 3),)), S("stack", (real(2, 3, 1),))),
    row(
        "swapaxes",
        S("plain", (real(2, 3, 1),), {"axis1": 0, "axis2": 2}),
        S("negative", (real(2, 3, 1),), {"axis1": -1, "axis2": 1}),
        S("same", (real(2, 3),), {"axis1": 1, "axis2": 1}),
    ),
    row(
        "moveaxis",
        S("plain", (real(2, 3, 1),), {"source": 0, "destination": -1}),
        S("several", (real(2, 3, 1, 2),), {"source": (0, 2), "destination": (-1, 0)}),
        S("back", (real(2, 3, 1),), {"source": -1, "destination": 0}),
    ),
    row(
        "rollaxis",
        S("plain", (real(2, 3, 1),), {"axis": 2}),
        S("start", (real(2, 3, 1),), {"axis": 0, "start": 2}),
        S("end", (real(2, 3, 1),), {"axis": 0, "start": 3}),
        S("negative", (real(2, 3, 1),), {"axis": -1, "start": -2}),
    ),
    row(
        "expand_dims",
        S("first", (real(2),), {"axis": 0}),
        S("last", (real(2, 3),), {"axis": -1}),
        S("tuple", (real(2, 3),), {"axis": (0, 3)}),
        S("scalar", (real(),), {"axis": 0}),
        S("python", (python(),), {"axis": 0}),
    ),
    row(
        "squeeze",
        S("all", (real(1, 2, 1),)),
        S("one", (real(1, 2, 1),), {"axis": 2}),
        S("tuple", (real(1, 2, 1),), {"axis": (0, -1)}),
        S("to-scalar", (real(1, 1),)),
        S("none", (real(2, 3),)),
    ),
    row(
        "broadcast_to",
        S("plain", (real(3),), {"shape": (2, 3)}),
        S("stretch", (real(2, 1),), {"shape": (2, 3)}),
        S("scalar", (real(),), {"shape": (2, 2)}),
        S("int", (real(1),), {"shape": 3}),
        S("same", (real(3),), {"shape": (3,)}),
        S("empty", (real(1),), {"shape": (0,)}),
        S("f4", (real(1, 2, dtype="f4"),), {"shape": (2, 2, 2)}),
        S("scalar-same", (real(),), {"shape": ()}),
    ),
    row(
        "broadcast_arrays",
        S("plain", (real(3), real(2, 1))),
        S("scalar", (real(3), real())),
        S("f4", (real(3, dtype="f4"), real(2, 1))),
    ),
    row(
        "atleast_1d",
        S("scalar", (real(),)),
        S("vector", (real(2),)),
        S("several", (real(), real(2))),
    ),
    row(
        "atleast_2d",
        S("scalar", (real(),)),
        S("vector", (real(2),)),
        S("matrix", (real(2, 2),)),
        S("several", (real(), real(2))),
    ),
    row(
        "atleast_3d",
        S("scalar", (real(),)),
        S("vector", (real(2),)),
        S("matrix", (real(2, 2),)),
        S("cube", (real(2, 1, 2),)),
        S("several", (real(), real(2))),
    ),
    row(
        "flip",
        S("all", (real(2, 3),)),
        S("axis", (real(2, 3),), {"axis": 1}),
        S("tuple", (real(2, 3, 2),), {"axis": (0, -1)}),
        S("vector", (real(3),)),
    ),
    row("flipud", S("plain", (real(2, 3),)), S("vector", (real(3),))),
    row("fliplr", S("plain", (real(2, 3),))),
    row(
        "rot90",
        *[S(f"k{k}", (real(2, 3),), {"k": k}) for k in (0, 1, 2, 3, -1)],
        S("axes", (real(2, 3, 2),), {"axes": (1, 2)}),
        S("axes-back", (real(2, 3, 2),), {"axes": (2, 0)}),
    ),
    row(
        "roll",
        S("flat", (real(2, 3),), {"shift": 1}),
        S("axis", (real(2, 3),), {"shift": -1, "axis": 1}),
        S("several", (real(2, 3),), {"shift": (1, 2), "axis": (0, 1)}),
        S("one-shift", (real(2, 3),), {"shift": 1, "axis": (0, 1)}),
        S("around", (real(3),), {"shift": 7}),
        S("empty", (real(0),), {"shift": 1}),
        S("none", (real(2),), {"shift": 0}),
        S("ints", (ints(3),), {"shift": 1}),
    ),
    Spec(
        "roll-by-traced",
        lambda m, x, i: m.roll(x, i, 0),
        (S("plain", (real(4), ints())),),
        leads="numpy",
    ),
    row(
        "tile",
        S("int", (real(3),), {"reps": 2}),
        S("tuple", (real(2, 2),), {"reps": (2, 1)}),
        S("more-axes", (real(2),), {"reps": (2, 1, 2)}),
        S("fewer", (real(2, 2),), {"reps": (2,)}),
        S("scalar", (real(),), {"reps": 3}),
        S("python", (python(),), {"reps": 3}),
        S("ones", (real(2),), {"reps": (1, 1)}),
        S("one-element", (real(1),), {"reps": 3}),
        S("zero", (real(2),), {"reps": 0}),
    ),
    row(
        "repeat",
        S("flat", (real(2, 2),), {"repeats": 2}),
        S("axis", (real(2, 2),), {"repeats": 3, "axis": 1}),
        S("each", (real(3),), {"repeats": [1, 0, 2]}),
        S("each-axis", (real(2, 3),), {"repeats": np.array([2, 1]), "axis": 0}),
        S("zero", (real(2),), {"repeats": 0}),
        S("scalar", (real(),), {"repeats": 2}),
        S("python", (python(),), {"repeats": 2}),
    ),
    row(
        "pad",
        S("zero", (real(2, 3),), {"pad_width": 1}),
        S("pairs", (real(2, 3),), {"pad_width": ((1, 0), (0, 2))}),
        S("pair", (real(2, 3),), {"pad_width": (1, 2)}),
        S("dict", (real(2, 3),), {"pad_width": {-1: (1, 2)}}),
        S("value", (real(3),), {"pad_width": (1, 2), "constant_values": 7.0}),
        S("values", (real(2, 2),), {"pad_width": 1, "constant_values": ((1, 2), (3, 4))}),
        S("value-f4", (real(3, dtype="f4"),), {"pad_width": (1, 2), "constant_values": 7.5}),
        *[
            S(f"{mode}", (real(3, 2),), {"pad_width": ((1, 2), (0, 1)), "mode": mode})
            for mode in ("edge", "reflect", "symmetric", "wrap")
        ],
        S("wide-wrap", (real(2),), {"pad_width": (5, 4), "mode": "wrap"}),
        S("wide-reflect", (real(3),), {"pad_width": (5, 4), "mode": "reflect"}),
        S("empty", (real(0),), {"pad_width": 2}),
        S("f4", (real(2, dtype="f4"),), {"pad_width": 1}),
        S("c16", (cplx(2),), {"pad_width": 1}),
        S("nothing", (real(2),), {"pad_width": 0, "mode": "edge"}),
        *[
            S(f"{mode}-odd", (real(3, 2),), {"pad_width": 2, "mode": mode, "reflect_type": "odd"})
            for mode in ("reflect", "symmetric")
        ],
        S(
            "wide-odd",
            (real(3),),
            {"pad_width": (7, 4), "mode": "symmetric", "reflect_type": "odd"},
        ),
        S("one-odd", (real(1),), {"pad_width": 2, "mode": "reflect", "reflect_type": "odd"}),
        S("mean", (real(3, 2),), {"pad_width": ((1, 2), (0, 1)), "mode": "mean"}),
        S("mean-of-ends", (real(4),), {"pad_width": 2, "mode": "mean", "stat_length": (2, 3)}),
        S("ramp", (real(3, 2),), {"pad_width": ((1, 2), (0, 3)), "mode": "linear_ramp"}),
        S("ramp-f4", (real(3, dtype="f4"),), {"pad_width": 2, "mode": "linear_ramp"}),
    ),
    Spec(
        "pad-more",
        function("pad"),
        (
            *[
                S(f"{mode}", (real(3, 2),), {"pad_width": ((1, 2), (0, 1)), "mode": mode})
                for mode in ("maximum", "minimum", "median")
            ],
            S("ends", (real(4),), {"pad_width": 2, "mode": "maximum", "stat_length": (2, 3)}),
            S(
                "ramp",
                (real(3),),
                {"pad_width": 2, "mode": "linear_ramp", "end_values": (2.0, 3.0)},
            ),
            S("ints-mean", (ints(4),), {"pad_width": 1, "mode": "mean"}),
            S("function", (real(2, 2),), {"pad_width": 1, "mode": _write_ends, "scale": 2.0}),
        ),
    ),
    Spec(
        "pad-with-traced",
        lambda m, x, v, *, option, **static: m.pad(x, **{option: v}, **static),
        (
            S("value", (real(2, 3), real()), {"pad_width": 1, "option": "constant_values"}),
            S("pair", (real(3), real(2)), {"pad_width": (1, 2), "option": "constant_values"}),
            S(
                "ends",
                (real(2, 2), real(2, 2)),
                {"pad_width": 2, "mode": "linear_ramp", "option": "end_values"},
            ),
        ),
        leads="numpy",
    ),
)
