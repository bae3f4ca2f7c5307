"""Operators and methods of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specs.table import SPECIAL, Array, S, Sample, Spec, const, cplx, ints, python, real

# Operators and methods.

_OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "@": lambda a, b: a @ b,
    "%": lambda a, b: a % b,
    "//": lambda a, b: a // b,
    "divmod": lambda a, b: divmod(a, b),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def _operator(sign: str, f: Callable[[Array, Array], Array]) -> Spec:
    lo, hi = (1.2, 1.8), (0.85, 1.15)
    a, b = real(2, lo=lo[0], hi=lo[1]), real(2, lo=hi[0], hi=hi[1])
    samples = [
        S("arrays", (a, b)),
        S("f4-f8", (real(2, lo=lo[0], hi=lo[1], dtype="f4"), b)),
    ]
    if sign != "@":
        samples += [
            S("scalars", (real(lo=lo[0], hi=lo[1]), real(lo=hi[0], hi=hi[1]))),
            S("array-python", (a, python(*hi))),
            S("python-array", (python(*lo), b)),
            S("f4-python", (real(2, lo=1.2, hi=1.8, dtype="f4"), python(*hi))),
            S("f4-scalar-python", (real(lo=1.2, hi=1.8, dtype="f4"), python(*hi))),
            S("f8-scalar-f4", (real(lo=1.2, hi=1.8), real(2, lo=0.85, hi=1.15, dtype="f4"))),
            S("f4-int", (real(2, lo=1.2, hi=1.8, dtype="f4"), const(1))),
            S("int-f4", (const(2), real(2, lo=0.85, hi=1.15, dtype="f4"))),
            S("f4-ints", (real(2, lo=1.2, hi=1.8, dtype="f4"), const([1, 1]))),
        ]
        samples.append(
            S(
                "special",
                (const([[v] for v in SPECIAL]), const(SPECIAL)),
                derivative=False,
                warns=True,
            )
        )
    flat = sign in ("//", "<", "<=", ">", ">=", "==", "!=")
    return Spec(
        f"operator {sign}",
        lambda m, x, y: f(x, y),
        tuple(samples),
        order=0 if flat else 3,
        tolerance=4,
    )


def _powers(exponent: Any) -> Spec:
    return Spec(
        f"x**{exponent}",
        lambda m, x: x**exponent,
        (
            S("array", (real(3, lo=0.5),)),
            S("scalar", (real(lo=0.5),)),
            S("f4", (real(3, lo=0.5, dtype="f4"),)),
            S("c16", (cplx(2),)),
            S("special", (const(SPECIAL),), derivative=False, warns=True),
        ),
    )


def _method(name: str, *samples: Sample, **options: Any) -> Spec:
    def call(m: Any, x: Array, *args: Array, **static: Any) -> Any:
        positional = static.pop("positional", ())
        found = getattr(x, name)
        return found(*positional, *args, **static) if callable(found) else found

    return Spec(f"x.{name}", call, samples, **options)


def _write_flat(m: Any, x: Array, v: Array) -> Array:
    x = m.copy(x)
    x.T.flat[1:4] = v
    x.flat[0] = v[0] * 2
    return x


def _write_parts(m: Any, z: Array, a: Array, b: Array) -> Array:
    z = m.copy(z)
    z.real = a
    z.imag = b
    return z


_MATRIX = (S("matrix", (real(2, 3),)), S("f4", (real(3, 2, dtype="f4"),)))
OPERATORS = (
    *[_operator(sign, f) for sign, f in _OPERATORS.items()],
    *[_powers(p) for p in (0, 1, 2, 3, 0.5, -1, -2, 1.5, np.float64(2))],
    Spec("operator -x", lambda m, x: -x, _MATRIX),
    Spec("operator +x", lambda m, x: +x, _MATRIX),
    Spec("operator abs", lambda m, x: abs(x), (*_MATRIX, S("c8", (cplx(2, dtype="c8"),)))),
    Spec("operator ~", lambda m, x: ~(x > 0.5), _MATRIX, order=0),
    Spec("operator &", lambda m, x, y: (x > y) & (y > 0), (S("plain", (real(2, 2), real(2))),)),
    Spec("operator |", lambda m, x, y: (x > y) | (y > 0), (S("plain", (real(2, 2), real(2))),)),
    Spec("operator ^", lambda m, x, y: (x > y) ^ (y > 0), (S("plain", (real(2, 2), real(2))),)),
    Spec("operator <<", lambda m, x, y: x << y, (S("plain", (ints(2), ints(2))),)),
    Spec("operator >>", lambda m, x, y: x >> y, (S("plain", (ints(2), ints(2))),)),
    Spec("iteration", lambda m, x: [r * i for i, r in enumerate(x)], _MATRIX),
    *[
        _method(name, *_MATRIX, *extra, order=0 if name in flat else 3, ulps=16)
        for flat in [("all", "any", "argmax", "argmin", "argsort", "round")]
        for name, *extra in [
            ("T",),
            ("mT",),
            ("real", S("c16", (cplx(2),))),
            ("imag", S("c16", (cplx(2),))),
            ("conj", S("c16", (cplx(2),))),
            ("conjugate", S("c16", (cplx(2),))),
            ("all", S("axis", (real(2, 3),), {"axis": 1})),
            ("any", S("axis", (real(2, 3),), {"axis": 1, "keepdims": True})),
            ("argmax", S("axis", (real(2, 3),), {"axis": 1})),
            ("argmin", S("axis", (real(2, 3),), {"axis": 1, "keepdims": True})),
            ("argsort", S("axis", (real(2, 3),), {"axis": 0})),
            ("copy",),
            ("cumsum", S("axis", (real(2, 3),), {"axis": 1})),
            ("cumprod", S("axis", (real(2, 3),), {"axis": 1})),
            ("diagonal", S("offset", (real(2, 3),), {"offset": 1})),
            ("flatten", S("F", (real(2, 3),), {"order": "F"})),
            ("ravel", S("F", (real(2, 3),), {"order": "F"})),
            ("max", S("axis", (real(2, 3),), {"axis": 1, "keepdims": True})),
            ("min", S("axis", (real(2, 3),), {"axis": 1})),
            ("mean", S("axis", (real(2, 3),), {"axis": (0, 1)})),
            (
                "sum",
                S("axis", (real(2, 3),), {"axis": -1}),
                S("initial", (real(2),), {"initial": 1}),
            ),
            ("prod", S("axis", (real(2, 3),), {"axis": -1})),
            ("std", S("ddof", (real(2, 3),), {"axis": -1, "ddof": 1})),
            ("var", S("ddof", (real(2, 3),), {"axis": -1, "ddof": 1})),
            ("round", S("decimals", (real(2, 3, lo=0.61, hi=0.64),), {"decimals": 1})),
            ("squeeze", S("axis", (real(2, 1),), {"axis": 1})),
            ("trace",),
            ("transpose", S("axes", (real(2, 3, 1),), {"positional": (2, 0, 1)})),
        ]
    ],
    _method("astype", S("f4", (real(2),), {"dtype": "f4"}), S("c16", (real(2),), {"dtype": "c16"})),
    _method("astype", S("int", (real(2, lo=1.2, hi=1.8),), {"dtype": int}), order=0),
    _method("clip", S("plain", (real(4),), {"min": -1.0, "max": 0.5})),
    _method("dot", S("plain", (real(2, 3), real(3))), leads="always"),
    _method("repeat", S("plain", (real(2, 2),), {"repeats": 2, "axis": 0})),
    _method(
        "reshape",
        S("ints", (real(2, 3),), {"positional": (3, -1)}),
        S("tuple", (real(2),), {"positional": ((2, 1),)}),
    ),
    _method("swapaxes", S("plain", (real(2, 3, 1),), {"positional": (0, -1)})),
    _method("take", S("plain", (real(2, 3),), {"indices": [0, 2, 0], "axis": 1})),
    _method("compress", S("axis", (real(2, 3),), {"condition": [1, 0, 1], "axis": 1})),
    _method("argpartition", S("plain", (real(2, 2),), {"kth": 1, "axis": 0}), order=0),
    _method("searchsorted", S("plain", (const([1.0, 2.0]),), {"v": [0.5, 1.5]}), order=0),
    _method("choose", S("plain", (ints(3, hi=2),), {"positional": ([1.0, 2.0],)})),
    _method("nonzero", S("plain", (const([0.0, 2.0, 1.0]),)), order=0, traceable=False),
    _method(
        "view",
        S("same", (real(2),)),
        S("pairs", (cplx(2, 2),), {"dtype": "f8"}),
        S("complex", (real(2, 4),), {"dtype": "c16"}),
        S("c8", (real(2, dtype="f4"),), {"dtype": "c8"}, derivative=False),
    ),
    _method("to_device", S("cpu", (real(2),), {"positional": ("cpu",)})),
    Spec(
        "x.flat",
        lambda m, x: [x.flat[1:3], x.flat[0], m.sum(x.flat), *x.flat],
        (S("matrix", (real(2, 2),)), S("c16", (cplx(3),))),
    ),
    Spec(
        "x.flat =",
        _write_flat,
        (S("matrix", (real(2, 3), real(2))), S("transposed", (real(3, 2), real(2)))),
        leads="numpy",
    ),
    Spec(
        "x.real =",
        _write_parts,
        (S("c16", (cplx(2), real(2), real())), S("c8", (cplx(2, dtype="c8"), real(), real(2)))),
        leads="numpy",
    ),
    _method("strides", *_MATRIX, order=0, traceable=False),
    Spec(
        "x.flags",
        lambda m, x: [x.flags.c_contiguous, x.T.flags.c_contiguous, x.T.flags.f_contiguous],
        _MATRIX,
        order=0,
        traceable=False,
    ),
)
