"""Polynomials, and evenly spaced values between traced ends."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert.numpy as wnp
from specs.table import S, Spec, const, cplx, ints, python, real, row

_PAIRS = (
    S("longer", (real(4), real(2, lo=0.5))),
    S("shorter", (real(2), real(3, lo=0.5))),
    S("constant", (real(3), real(1, lo=0.5))),
    S("scalar", (real(3), real(lo=0.5))),
    S("f4", (real(3, dtype="f4"), real(2, lo=0.5, dtype="f4"))),
    S("f4-f8", (real(3, dtype="f4"), real(2, lo=0.5))),
    S("c16-f8", (cplx(3), real(2, lo=0.5))),
    S("ints-f8", (ints(3, lo=1), real(2, lo=0.5))),
)


def _fit(m: Any, *args: Any, **static: Any) -> Any:
    """Coefficients, and of the rest what is of floats."""
    w = {"w": args[2]} if len(args) > 2 else {}
    found = m.polyfit(args[0], args[1], **w, **static)
    return found if not isinstance(found, tuple) else [found[i] for i in (0, 1, 3)[: len(found)]]


_X = real(6, lo=-1.0, hi=1.0)

POLYNOMIALS = (
    row("polyadd", *_PAIRS),
    row("polysub", *_PAIRS),
    row("polymul", *_PAIRS),
    # In single precision the remainder's length is a matter of rounding.
    row("polydiv", *[s for s in _PAIRS if s.name != "f4"], tolerance=100, ulps=64),
    row(
        "polyder",
        S("plain", (real(4),)),
        *[S(f"m{m}", (real(3),), {"m": m}) for m in (0, 2, 3, 4)],
        S("f4", (real(3, dtype="f4"),)),
        S("c16", (cplx(3),)),
    ),
    row(
        "polyint",
        S("plain", (real(3),)),
        S("m0", (real(3),), {"m": 0}),
        S("m2", (real(3),), {"m": 2}),
        S("k", (real(3),), {"k": 2.0}),
        S("one-k", (real(2),), {"m": 2, "k": 2.0}),
        S("ks", (real(2),), {"m": 2, "k": [1.0, 2.0]}),
        S("f4", (real(3, dtype="f4"),)),
        S("c16", (cplx(3),)),
    ),
    Spec(
        "polyint-k",
        lambda m, p, k: m.polyint(p, 2, k),
        (S("plain", (real(2), real(2))),),
        leads="numpy",
    ),
    row(
        "polyval",
        S("scalar", (real(3), real())),
        S("vector", (real(4), real(2))),
        S("matrix", (real(3), real(2, 2))),
        S("constant", (real(1), real(2))),
        S("none", (real(0), real(2)), derivative=False),
        S("f4", (real(3, dtype="f4"), real(2, dtype="f4"))),
        S("f4-f8", (real(3, dtype="f4"), real(2))),
        S("c16-f8", (cplx(3), real(2))),
        S("ints-f8", (ints(3), real(2))),
        S("f8-ints", (real(3), ints(2))),
        S("python", (real(3), python())),
        S("empty", (real(3), real(0))),
    ),
    row(
        "vander",
        S("plain", (real(3),)),
        S("N", (real(2),), {"N": 4}),
        S("N0", (real(2),), {"N": 0}, derivative=False),
        S("N1", (real(2),), {"N": 1}, derivative=False),
        S("increasing", (real(3),), {"increasing": True}),
        S("f4", (real(2, dtype="f4"),)),
        S("c16", (cplx(2),)),
        S("ints", (ints(3),)),
        S("empty", (real(0),)),
    ),
    row(
        "roots",
        S("real", (const([1.0, -6.0, 11.0, -6.0]),)),
        S("complex", (const([1.0, 0.5, 2.0]),)),
        S("trailing-zeros", (const([2.0, -3.0, 1.0, 0.0]),), derivative=False),
        S("leading-zeros", (const([0.0, 2.0, -3.0, 0.5]),), derivative=False),
        S("linear", (const([2.0, 3.0]),)),
        S("constant", (const([2.0]),), derivative=False),
        S("c16", (cplx(4),)),
        S("f4", (const([1.0, -3.0, 2.0], "f4"),)),
        traceable=False,
        tolerance=100,
        ulps=64,
    ),
    row(
        "poly",
        S("roots", (real(3),)),
        S("one", (real(1),)),
        S("f4", (real(3, dtype="f4"),)),
        S("c16", (cplx(3),)),
        S("ints", (ints(3),)),
        tolerance=10,
    ),
    Spec(
        "poly-matrix",
        lambda m, a: m.poly(a),
        (S("real", (const([[2.0, 0.3], [0.2, -1.0]]),)), S("c16", (cplx(3, 3),))),
        traceable=False,
        tolerance=100,
        ulps=64,
    ),
    Spec(
        "poly-pairs",
        lambda m, a: m.poly(m.concatenate([a, m.conj(a)])),
        (S("c16", (cplx(2),)),),
        traceable=False,
        tolerance=10,
        ulps=64,
    ),
    Spec(
        "polyfit",
        _fit,
        (
            S("line", (_X, real(6)), {"deg": 1}),
            S("constant", (_X, real(6)), {"deg": 0}),
            S("weights", (_X, real(6), real(6, lo=0.5)), {"deg": 2}),
            S("several", (_X, real(6, 2)), {"deg": 1}),
            S("full", (_X, real(6)), {"deg": 1, "full": True}),
            S("cov", (_X, real(6)), {"deg": 1, "cov": True}),
            S("cov-several", (_X, real(6, 2)), {"deg": 1, "cov": True}),
            S("unscaled", (_X, real(6)), {"deg": 1, "cov": "unscaled"}),
            S("f4", (real(5, dtype="f4"), real(5, dtype="f4")), {"deg": 1}),
            S("c16", (_X, cplx(6)), {"deg": 1}),
        ),
        (np.polyfit,),
        tolerance=300,
        ulps=512,
    ),
)

_ENDS = (
    S("scalars", (real(), real()), {"num": 4}),
    S("arrays", (real(2), real(3, 1)), {"num": 3}),
    S("axis", (real(2, 3), real(3)), {"num": 3, "axis": -1}),
    S("open", (real(), real()), {"num": 4, "endpoint": False}),
    S("one", (real(), real()), {"num": 1}),
    S("none", (real(), real()), {"num": 0}, derivative=False),
    S("default", (real(), real())),
    S("f4", (real(2, dtype="f4"), real(2, dtype="f4")), {"num": 3}),
    S("f4-f8", (real(2, dtype="f4"), real(2)), {"num": 3}),
    S("python", (python(), real(2)), {"num": 3}),
    S("pythons", (python(), python()), {"num": 3}),
    S("c16-f8", (cplx(2), real(2)), {"num": 3}),
    S("ints-f8", (ints(2), real(2)), {"num": 3}),
)


def _spread_out(draw: Any) -> Any:
    """Values for geomspace: away from zero."""
    return lambda rng: draw(rng) * 0.25 + 2


RANGES = (
    row(
        "linspace",
        *_ENDS,
        S("step", (real(), real()), {"num": 4, "retstep": True}),
        S("step-of-arrays", (real(2), real()), {"num": 4, "retstep": True, "endpoint": False}),
        S("dtype-int", (const(0.5), const(7.2)), {"num": 4, "dtype": int}, derivative=False),
        S("dtype-f4", (real(), real()), {"num": 4, "dtype": "f4"}),
        S("empty", (real(0), real()), {"num": 3}),
    ),
    row(
        "logspace",
        *_ENDS,
        S("base", (real(), real()), {"num": 4, "base": 2}),
        S("dtype-f4", (real(), real()), {"num": 3, "dtype": "f4"}, derivative=False),
        ulps=32,
        tolerance=100,
    ),
    Spec(
        "logspace-base",
        lambda m, a, b, c, **static: m.logspace(a, b, base=c, **static),
        (
            S("scalar", (real(), real(), real(lo=1.5, hi=3.0)), {"num": 3}),
            S("array", (real(2), real(), real(2, lo=1.5, hi=3.0)), {"num": 3}),
            S("axis", (real(2), real(), real(2, lo=1.5, hi=3.0)), {"num": 3, "axis": -1}),
        ),
        ulps=32,
        tolerance=10,
    ),
    row(
        "geomspace",
        *[
            S(s.name, tuple([_spread_out(d) for d in s.draws]), s.static, s.derivative)
            for s in _ENDS
            if "python" not in s.name
        ],
        S("negative", (real(lo=-3.0, hi=-2.0), real(2, lo=-9.0, hi=-4.0)), {"num": 4}),
        S("dtype", (real(lo=1.0), real(lo=3.0, hi=5.0)), {"num": 4, "dtype": "c16"}),
        ulps=32,
        tolerance=10,
    ),
    Spec(
        "arange",
        lambda m, a, b, c: wnp.arange(a, b, c),
        (
            S("plain", (const(0.5), const(3.2), const(1.1))),
            S("down", (const(3.0), const(0.4), const(-0.7))),
            S("none", (const(3.0), const(1.0), const(0.7))),
            S("f4", (const(0.5, "f4"), const(3.2, "f4"), const(1.1, "f4"))),
        ),
        (np.arange,),
        traceable=False,
    ),
)
