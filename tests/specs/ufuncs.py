"""Ufuncs of one and two arguments, their options and methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import (
    SPECIAL,
    S,
    Spec,
    bools,
    const,
    cplx,
    function,
    ints,
    python,
    python_complex,
    real,
    row,
)

UNARY = {
    "negative": (-2, 2),
    "positive": (-2, 2),
    "reciprocal": (0.5, 2),
    "square": (-2, 2),
    "sqrt": (0.5, 2),
    "cbrt": (0.5, 2),
    "exp": (-2, 2),
    "exp2": (-2, 2),
    "expm1": (-2, 2),
    "log": (0.5, 3),
    "log2": (0.5, 3),
    "log10": (0.5, 3),
    "log1p": (-0.5, 2),
    "sin": (-2, 2),
    "cos": (-2, 2),
    "tan": (-1, 1),
    "arcsin": (-0.8, 0.8),
    "arccos": (-0.8, 0.8),
    "arctan": (-2, 2),
    "sinh": (-2, 2),
    "cosh": (-2, 2),
    "tanh": (-2, 2),
    "arcsinh": (-2, 2),
    "arccosh": (1.3, 3),
    "arctanh": (-0.8, 0.8),
    "deg2rad": (-2, 2),
    "rad2deg": (-2, 2),
    "radians": (-2, 2),
    "degrees": (-2, 2),
    "absolute": (0.2, 2),
    "fabs": (-2, -0.2),
    "sign": (0.2, 2),
    "conjugate": (-2, 2),
    "frexp": (0.6, 0.9),
    "modf": (1.1, 1.9),
}
UNARY_FLAT = (
    "floor",
    "ceil",
    "trunc",
    "rint",
    "isfinite",
    "isinf",
    "isnan",
    "signbit",
    "logical_not",
    "spacing",
)


def _has(ufunc: np.ufunc, kind: str) -> bool:
    return any(kind in t.partition("->")[0] for t in ufunc.types)


def _unary(name: str, lo: float, hi: float, order: int) -> Spec:
    ufunc: np.ufunc = getattr(np, name)
    middle = round((lo + hi) / 2)
    samples = [
        S("scalar", (real(lo=lo, hi=hi),)),
        S("vector", (real(3, lo=lo, hi=hi),)),
        S("3d", (real(2, 1, 2, lo=lo, hi=hi),)),
        S("empty", (real(0, 3),)),
        S("python", (python(lo, hi),)),
        S("f4", (real(2, lo=lo, hi=hi, dtype="f4"),)),
        S("f4-scalar", (real(lo=lo, hi=hi, dtype="f4"),)),
        S("f2", (real(2, lo=lo, hi=hi, dtype="f2"),), derivative=False),
        S("special", (const(SPECIAL),), derivative=False, warns=True),
        S("special-scalar", (const(np.float64(-np.inf)),), derivative=False, warns=True),
        S("int", (const([middle, middle]),)),
        S("int8", (const([middle, middle], "i1"),)),
    ]
    if _has(ufunc, "D"):
        samples += [
            S("c16", (cplx(2, 2),)),
            S("c16-scalar", (cplx(),)),
            S("c8", (cplx(2, dtype="c8"),)),
            S("complex", (python_complex,)),
        ]
    return row(name, *samples, order=order)


# ufuncs of two arguments: name, and the intervals of the operands.

BINARY = {
    "add": (-2, 2, -2, 2),
    "subtract": (-2, 2, -2, 2),
    "multiply": (-2, 2, -2, 2),
    "divide": (-2, 2, 0.5, 2),
    "power": (0.5, 2, -2, 2),
    "float_power": (0.5, 2, -2, 2),
    "fmod": (1.2, 1.8, 1.9, 2.5),
    "remainder": (1.2, 1.8, 0.85, 1.15),
    "maximum": (-2, 2, -2, 2),
    "minimum": (-2, 2, -2, 2),
    "fmax": (-2, 2, -2, 2),
    "fmin": (-2, 2, -2, 2),
    "hypot": (-2, 2, 0.5, 2),
    "arctan2": (-2, 2, 0.5, 2),
    "logaddexp": (-2, 2, -2, 2),
    "logaddexp2": (-2, 2, -2, 2),
    "copysign": (0.2, 2, -2, -0.2),
    "heaviside": (0.2, 2, 0, 1),
    "divmod": (1.2, 1.8, 0.85, 1.15),
    "nextafter": (0.2, 2, 3, 4),
}
BINARY_FLAT = (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "floor_divide",
)


def _binary(name: str, a0: float, a1: float, b0: float, b1: float, order: int) -> Spec:
    ufunc: np.ufunc = getattr(np, name)

    def pair(sample: str, a: tuple[int, ...], b: tuple[int, ...], *kinds: str, **opts: Any) -> S:
        ka, kb = kinds or ("f8", "f8")
        return S(
            sample, (real(*a, lo=a0, hi=a1, dtype=ka), real(*b, lo=b0, hi=b1, dtype=kb)), **opts
        )

    a, b = real(2, lo=a0, hi=a1), real(2, lo=b0, hi=b1)
    a4, b4 = real(2, lo=a0, hi=a1, dtype="f4"), real(2, lo=b0, hi=b1, dtype="f4")
    samples = [
        pair("scalars", (), ()),
        pair("same", (2, 2), (2, 2)),
        pair("broadcast", (2, 1), (3,)),
        pair("array-scalar", (2,), ()),
        pair("size1", (1, 1), (2, 2)),
        pair("empty", (0, 2), (2,)),
        pair("f4", (2,), (2,), "f4", "f4"),
        pair("f4-f8", (2,), (2, 2), "f4", "f8"),
        pair("f8-f4-scalar", (2,), (), "f8", "f4"),
        pair("f2", (2,), (), "f2", "f2", derivative=False),
        S("array-python", (a, python(b0, b1))),
        S("python-array", (python(a0, a1), b)),
        S("f4-python", (a4, python(b0, b1))),
        S("python-f4", (python(a0, a1), b4)),
        S("python-python", (python(a0, a1), python(b0, b1))),
        S("int-float", (const([1, 1]), b)),
        S("float-int", (a, const([1, 2]))),
        S("int-f4", (const([1, 1], "i4"), b4)),
        S("int8-f4", (const([1, 1], "i1"), b4)),
        S("ints", (const([[2], [3]]), const([1, 2]))),
        S("int-python", (const([1, 2], "i1"), python(b0, b1))),
        S(
            "special",
            (const([[v] for v in SPECIAL]), const(SPECIAL)),
            derivative=False,
            warns=True,
        ),
    ]
    if _has(ufunc, "D") and name not in ("maximum", "minimum", "fmax", "fmin"):
        samples += [
            S("c16", (cplx(2), cplx(2))),
            S("c16-real", (cplx(2), b)),
            S("real-c16", (a, cplx(2))),
            S("c8", (cplx(2, dtype="c8"), cplx(dtype="c8"))),
            S("c8-f8", (cplx(2, dtype="c8"), b)),
            S("c16-python", (cplx(2), python(b0, b1))),
            S("f4-complex", (a4, python_complex)),
        ]
    return row(name, *samples, order=order, tolerance=4)


BITS = tuple(
    [
        row(
            name,
            S("arrays", (ints(2, 2, lo=1, hi=9), ints(2, lo=1, hi=4))),
            S("mixed", (ints(2, lo=1, hi=9, dtype="i1"), ints(lo=1, hi=4, dtype="i4"))),
        )
        for name in (
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "left_shift",
            "right_shift",
            "gcd",
            "lcm",
        )
    ]
)

UFUNCS = (
    *[_unary(name, lo, hi, 3) for name, (lo, hi) in UNARY.items()],
    *[_unary(name, 0.6, 0.9, 0) for name in UNARY_FLAT],
    *[_binary(name, *spans, order=3) for name, spans in BINARY.items()],
    *[_binary(name, 1.1, 1.9, 2.1, 2.9, order=0) for name in BINARY_FLAT],
    *BITS,
    row("invert", S("array", (ints(3),)), S("bool", (bools(3),))),
    row("bitwise_count", S("array", (ints(3, lo=-5, hi=9),)), S("i1", (ints(2, dtype="i1"),))),
    row(
        "ldexp",
        S("array", (real(3), const([1, -2, 0]))),
        S("broadcast", (real(2, 1), const([1, -2, 0], "i4"))),
        S("f4", (real(3, dtype="f4"), const([1, -2, 0], "i4"))),
        S("scalar", (real(), const(2))),
    ),
    row(
        "matmul",
        *[
            S("x".join([",".join(map(str, s)) or "-" for s in (a, b)]), (real(*a), real(*b)))
            for a, b in [
                ((3,), (3,)),
                ((2, 3), (3,)),
                ((3,), (3, 2)),
                ((2, 3), (3, 2)),
                ((2, 2, 3), (3, 2)),
                ((2, 3), (2, 3, 2)),
                ((2, 2, 3), (2, 3, 1)),
                ((2, 1, 2, 3), (2, 3, 2)),
                ((1, 2, 3), (2, 3, 2)),
                ((2, 2, 3), (3,)),
                ((3,), (2, 3, 2)),
                ((0, 3), (3, 2)),
                ((2, 0), (0, 2)),
                ((0,), (0,)),
            ]
        ],
        S("c16", (cplx(2, 3), cplx(3, 2))),
        S("c8-f8", (cplx(2, 3, dtype="c8"), real(3))),
        S("f4", (real(2, 3, dtype="f4"), real(3, 2, dtype="f4"))),
        S("f4-f8", (real(2, 3, dtype="f4"), real(3))),
        S("int-f4", (ints(2, 3), real(3, 2, dtype="f4"))),
        S("ints", (ints(2, 3), ints(3))),
    ),
    *[
        row(
            name,
            S("plain", (real(*a), real(*b))),
            S("broadcast", (real(*c), real(*b))),
            S("c16", (cplx(*a), cplx(*b))),
            S("f4-f8", (real(*a, dtype="f4"), real(*b))),
        )
        for name, a, b, c in [
            ("vecdot", (2, 3), (2, 3), (3,)),
            ("matvec", (2, 3), (3,), (2, 2, 3)),
            ("vecmat", (3,), (3, 2), (2, 3)),
        ]
        if hasattr(np, name)
    ],
)

# Options of ufuncs, and Python numbers for which Python's operators do not do as NumPy does.

OPTIONS = (
    Spec(
        "dtype=",
        lambda m, x, y, *, dtype: m.add(m.sin(x, dtype=dtype), y, dtype=dtype),
        (
            S("f8", (real(2, dtype="f4"), real(2, dtype="f4")), {"dtype": "f8"}),
            S("c16", (real(2), real(2)), {"dtype": np.complex128}),
            S("same", (real(2), real(2)), {"dtype": np.float64}),
        ),
    ),
    Spec(
        "dtype=-narrow",
        lambda m, x, y: m.add(x, m.divmod(y, 0.75, dtype="f4", casting="same_kind")[0], dtype="f4"),
        (S("f8", (real(2), real(2, lo=0.8, hi=1.4)), derivative=False),),
    ),
    # What the mask leaves out is undefined in NumPy.
    Spec(
        "where=",
        lambda m, x, *, mask=(True, False, True): (
            m.where(mask, m.log(x, where=np.array(mask), out=None), 0.0),
            m.where(mask, m.divmod(x, 0.75, where=mask, out=(None, None))[1], 0.0),
        ),
        (
            S("f8", (const([0.5, -1.0, 2.0]),)),
            S("broadcast", (const([[0.5, -1.0, 2.0], [3.5, -2.0, 0.5]]),)),
            S("f4", (const([0.5, -1.0, 2.0], "f4"),)),
        ),
    ),
    Spec(
        "signature=",
        lambda m, x, y: m.multiply(
            m.add(x, y, signature="dd->d", order="C", subok=False, casting="safe"),
            y,
            signature=(None, None, np.float64),
        ),
        (S("f4", (real(2, dtype="f4"), real(2, dtype="f4"))),),
    ),
    Spec(
        "two-results",
        lambda m, x: (m.modf(x, dtype="f8"), m.frexp(x, casting="safe"), m.divmod.outer(x, [0.3])),
        (S("f4", (real(2, lo=0.65, hi=0.85, dtype="f4"),)),),
        tolerance=4,
    ),
    Spec(
        "axes=",
        lambda m, x, y: (
            m.matmul(x, y, axes=[(1, 0), (0, 1), (1, 0)]),
            m.vecdot(x, y, axis=0, keepdims=True),
            m.vecdot(x, y, keepdims=True),
            m.vecdot(x, y, axes=[0, (0,), ()]),
        ),
        (S("plain", (real(2, 3), real(2, 3))), S("c16", (cplx(2, 3), real(2, 3)))),
    ),
    *[
        Spec(
            f"{name}-of-{a:g}-and-{b:.2g}",
            function(name),
            (S("plain", (const(a), const(b)), derivative=False, warns=True),),
        )
        for name, a, b in [
            ("divide", 1.0, 0.0),
            ("divide", -1.0, 0.0),
            ("power", -8.0, 1 / 3),
            ("power", 0.0, -1.0),
            ("power", 10.0, 400.0),
            ("remainder", 1.0, 0.0),
            ("floor_divide", 1.0, 0.0),
            ("divmod", 1.0, 0.0),
        ]
    ],
)
