"""Choosing between values, element by element."""

from __future__ import annotations

import numpy as np

from specs.table import SPECIAL, S, Spec, bools, const, cplx, ints, python, real, row

# Choice.

_MASK = np.array([True, False, True])
CHOICE = (
    row(
        "where",
        S("plain", (bools(3), real(3), real(3))),
        S("broadcast", (bools(3), real(2, 1), real())),
        S("wide-condition", (bools(2, 3), real(3), real(1))),
        S("f4-python", (bools(3), real(3, dtype="f4"), python())),
        S("python-f4", (bools(3), python(), real(3, dtype="f4"))),
        S("f4-f8", (bools(3), real(3, dtype="f4"), real(3))),
        S("f8-int", (bools(3), real(3), const(0))),
        S("f4-int", (bools(3), real(3, dtype="f4"), const(0))),
        S("f4-ints", (bools(3), real(3, dtype="f4"), const([1, 2, 3]))),
        S("real-complex", (bools(3), real(3), cplx(3))),
        S("c8", (bools(3), cplx(3, dtype="c8"), real(3, dtype="f4"))),
        S("scalars", (bools(), real(), real())),
        S("pythons", (bools(), python(), python())),
        S("float-condition", (const([0.0, 1.0]), real(2), real(2)), derivative=False),
        S("empty", (bools(0), real(0), real())),
    ),
    Spec(
        "where-one",
        lambda m, x: m.where(x > 0),
        (S("plain", (real(3),)), S("2d", (real(2, 3),))),
        traceable=False,
    ),
    Spec(
        "select",
        lambda m, x, y, **k: m.select([x > 1, x > 0], [x * 2, y], **k),
        (
            S("plain", (real(4), real(4))),
            S("default", (real(4), real(4)), {"default": 7.5}),
            S("broadcast", (real(3), real())),
            S("f4", (real(4, dtype="f4"), real(4, dtype="f4"))),
            S("f4-f8", (real(4, dtype="f4"), real(4))),
            S("f4-default", (real(4, dtype="f4"), real(4, dtype="f4")), {"default": 7.5}),
            S("scalars", (real(), real())),
        ),
        (np.select,),
    ),
    row(
        "clip",
        S("plain", (real(5), const(-1.0), const(1.0))),
        S("arrays", (real(3), real(3, lo=-2, hi=0), real(3, lo=0, hi=2))),
        S("broadcast", (real(3), real(2, 1, lo=-2, hi=0), real(lo=0, hi=2))),
        S("f4", (real(4, dtype="f4"), const(-1.0), const(1.0))),
        S("f4-f8", (real(4, dtype="f4"), real(4, lo=-2, hi=0), const(1))),
        S("crossed", (real(5), const(1.0), const(-1.0))),
        S("scalars", (real(), real(lo=-2, hi=0), real(lo=0, hi=2))),
        S("special", (const(SPECIAL), const(-1.0), const(1.0)), derivative=False, warns=True),
        S("ints", (ints(4), const(1), const(2))),
    ),
    Spec(
        "clip-one-side",
        lambda m, x, **k: m.clip(x, **k),
        (
            S("low", (real(5),), {"a_min": 0.1, "a_max": None}),
            S("high", (real(5),), {"a_min": None, "a_max": 0.1}),
            S("min", (real(5),), {"min": 0.1}),
            S("max-f4", (real(5, dtype="f4"),), {"max": 0.1}),
            S("none", (real(5),), {"min": None, "max": None}),
            S("int-min", (ints(4),), {"min": 1}),
            S("bool-min", (const(np.array([True, False])),), {"min": 0}),
            S("bool-max", (const(np.array([True, False])),), {"max": 0.5}),
            S("f4-array", (real(2, dtype="f4"),), {"min": np.zeros(2)}),
        ),
    ),
    row(
        "nan_to_num",
        S("plain", (real(3),)),
        S("special", (const(SPECIAL),), derivative=False),
        S(
            "given",
            (const(SPECIAL),),
            {"nan": 1.0, "posinf": 5.0, "neginf": -5.0},
            derivative=False,
        ),
        S("f4", (const(SPECIAL, "f4"),), derivative=False),
        S("c16", (cplx(2),)),
        S("c8", (cplx(2, dtype="c8"),)),
        S("ints", (ints(2),)),
        S("scalar", (real(),)),
    ),
    Spec(
        "nan_to_num-values",
        lambda m, x, a, b, c: m.nan_to_num(x, nan=a, posinf=b, neginf=c),
        (
            S("plain", (const([1.0, np.nan, np.inf, -np.inf]), real(), real(), real())),
            S("arrays", (const([np.nan, 2.0]), real(2), real(), real())),
            S("f4", (const([np.nan, 2.0], "f4"), real(2), python(), real())),
        ),
        leads="numpy",
    ),
    row(
        "real_if_close",
        S("complex", (cplx(2, 2),)),
        S("near", (const([1.0 + 1e-15j, 2.0]),), derivative=False),
        S("far", (const([1.0 + 1e-15j, 2.0]),), {"tol": 1}),
        S("f8", (real(2),)),
        traceable=False,
    ),
    *[
        row(
            name,
            S("special", (const(SPECIAL),), derivative=False),
            S("f4", (real(2, dtype="f4"),)),
            order=0,
        )
        for name in ("isposinf", "isneginf")
    ],
    Spec(
        "choose",
        lambda m, *choices, a=(0, 2, 1), **static: m.choose(np.array(a), choices, **static),
        (
            S("plain", (real(3), real(3), real(3))),
            S("broadcast", (real(2, 3), real(3), real())),
            S("wrap", (real(3), real(3)), {"a": (0, 5, -1), "mode": "wrap"}),
            S("clip", (real(3), real(3)), {"a": (0, 5, -1), "mode": "clip"}),
            S("f4-f8", (real(3, dtype="f4"), real(3), real(3, dtype="f4"))),
            S("c16", (cplx(3), real(3), real(3))),
            S("scalar", (real(), real()), {"a": 1}),
        ),
        (np.choose,),
    ),
    Spec(
        "choose-by",
        lambda m, a, x: m.choose(a, [x, 2 * x]),
        (S("plain", (ints(3, hi=2), real(3))), S("array", (ints(2, 3, hi=2), real(3)))),
    ),
    Spec(
        "piecewise",
        lambda m, x, *, last=(): m.piecewise(
            x, [x < -0.5, x > 0.25], [lambda v: np.log(-v), lambda v: v**2, *last]
        ),
        (
            S("plain", (const([-1.5, -0.2, 1.0, 0.1]),)),
            S("default", (const([-1.5, -0.2, 1.0, 0.1]),), {"last": (np.cos,)}),
            S("constant", (const([[-1.5, -0.2], [1.0, 0.1]]),), {"last": (3.0,)}),
            # (Where vmap and programs have no element to call a function with, it may warn.)
            S("scalar", (const(np.float64(0.75)),), {"last": (3.0,)}, warns=True),
            S("f4", (const([-1.5, -0.2, 1.0], "f4"),), {"last": (3.0,)}),
            S("empty", (real(0),)),
        ),
        (np.piecewise,),
    ),
    Spec(
        "piecewise-arguments",
        lambda m, x: m.piecewise(x, x > 0, [lambda v, a, b: a * v + b, 1], 2.0, b=0.5),
        (S("plain", (const([-1.0, 2.0]),)), S("ints", (const([-1, 2]),))),
    ),
    row(
        "isclose",
        S("plain", (real(3), real(3))),
        S("near", (const([1.0, 2.0, 3.0]), const([1.0, 2.0 + 1e-7, 3.1]))),
        S("special", (const([[v] for v in SPECIAL]), const(SPECIAL)), derivative=False, warns=True),
        S("nan", (const(SPECIAL), const(SPECIAL)), {"equal_nan": True}, derivative=False),
        S("atol", (const([1.0, 2.0]), const([1.5, 2.0])), {"atol": 1.0, "rtol": 0.0}),
        S("scalars", (real(), real())),
        order=0,
    ),
    row("allclose", S("plain", (real(3), real(3))), order=0, traceable=False),
    row(
        "array_equal",
        S("plain", (real(3), real(3))),
        S("shapes", (real(3), real(2))),
        order=0,
        traceable=False,
    ),
    row(
        "round",
        S("plain", (real(3, lo=0.6, hi=0.9),)),
        S("decimals", (real(3, lo=0.61, hi=0.64),), {"decimals": 1}),
        S("negative", (real(3, lo=11, hi=13),), {"decimals": -1}),
        S("f4", (real(3, lo=0.6, hi=0.9, dtype="f4"),)),
        S("c16", (cplx(2, lo=0.6, hi=0.9),), derivative=False),
        S("python", (python(0.6, 0.9),)),
        S("ints", (ints(3),)),
        S("ties", (const([0.5, 1.5, -0.5, 2.5]),), derivative=False),
        order=0,
        covers=(np.round, np.around),
    ),
    row(
        "fix",
        S("plain", (real(3, lo=0.6, hi=0.9),)),
        S("special", (const(SPECIAL),), derivative=False),
        order=0,
    ),
    row("real", S("c16", (cplx(2, 2),)), S("c8", (cplx(dtype="c8"),)), S("f8", (real(2),))),
    row(
        "imag",
        S("c16", (cplx(2, 2),)),
        S("c8", (cplx(dtype="c8"),)),
        S("f8", (real(2),)),
        S("scalar", (real(),)),
    ),
    row(
        "angle",
        S("c16", (cplx(2, 2),)),
        S("degrees", (cplx(2),), {"deg": True}),
        S("c8", (cplx(2, dtype="c8"),)),
        S("f8", (real(2),)),
        S("f4", (real(2, dtype="f4"),)),
        S("c8-degrees", (cplx(2, dtype="c8"),), {"deg": True}),
    ),
    *(
        [
            row(
                "astype",
                S("f4", (real(2),), {"dtype": np.float32}),
                S("c16", (real(2),), {"dtype": np.complex128}),
                S("same", (real(2),), {"dtype": np.float64}),
                call=lambda m, x, *, dtype: m.astype(x, dtype),
            )
        ]
        if hasattr(np, "astype")
        else []
    ),
)
