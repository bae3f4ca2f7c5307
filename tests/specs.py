"""The spec table: one row for each function of NumPy that wengert traces, with samples to check.

`SPECS` is the table, `CASES` its (row, sample) pairs. A row's `call` takes the module (`numpy` or
`wengert.numpy`), the arrays, and static keyword arguments. A sample draws the arrays; its floats
are what derivatives are taken by. What is true of all rows is in `checks.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import wengert.numpy as wnp

Array = Any
Rng = np.random.Generator
Draw = Callable[[Rng], Array]


@dataclass(frozen=True)
class Sample:
    """Arguments to check a function at.

    `derivative`: it is smooth there. `warns`: NumPy itself warns there.
    """

    name: str
    draws: tuple[Draw, ...]
    static: Mapping[str, Any] = field(default_factory=dict)
    derivative: bool = True
    warns: bool = False


@dataclass(frozen=True)
class Spec:
    """A row of the table.

    - `covers`: the NumPy functions that it stands for.
    - `order`: how often it can be differentiated (0: the derivative is zero).
    - `traceable`: it works without concrete values, in vmap and make_program.
    - `ulps`: how far the value may be from NumPy's.
    - `tolerance`: a factor for ill-conditioned derivatives.
    - `leads`: the other arguments can be traced only where the first is ("always"), or through
      `wengert.numpy` ("numpy": NumPy dispatches on the first alone).
    """

    name: str
    call: Callable[..., Any]
    samples: tuple[Sample, ...]
    covers: tuple[Any, ...] = ()
    order: int = 3
    traceable: bool = True
    ulps: float = 4
    tolerance: float = 1
    leads: str = ""


@dataclass(frozen=True)
class Case:
    """One function at one sample."""

    spec: Spec
    sample: Sample

    def __str__(self) -> str:
        return f"{self.spec.name}-{self.sample.name}"

    @property
    def is_single(self) -> bool:
        """Some argument has single precision."""
        args = [np.asarray(a).dtype.char for a in self.draw(np.random.default_rng(0))]
        return any(k in "efF" for k in args)

    def function(self, module: Any) -> Callable[..., Any]:
        """The function of the arrays alone, through `numpy` or `wengert.numpy`."""
        return partial(self.spec.call, module, **self.sample.static)

    def draw(self, rng: Rng) -> tuple[Array, ...]:
        """Arguments."""
        return tuple([draw(rng) for draw in self.sample.draws])

    def differentiable(self, args: Sequence[Array]) -> list[int]:
        """The positions of the arguments that are floats or complex numbers."""
        return [i for i, a in enumerate(args) if np.asarray(a).dtype.kind in "fc"]


# What samples are drawn with.


def real(*shape: int, lo: float = -2.0, hi: float = 2.0, dtype: str = "f8") -> Draw:
    """Uniform between `lo` and `hi`; a NumPy scalar for shape ()."""
    return lambda rng: np.asarray(rng.uniform(lo, hi, shape), dtype)[()]


def cplx(*shape: int, lo: float = -2.0, hi: float = 2.0, dtype: str = "c16") -> Draw:
    """Complex numbers in the upper half plane, away from branch cuts."""
    return lambda rng: np.asarray(
        rng.uniform(lo, hi, shape) + 1j * rng.uniform(0.3, 1.3, shape), dtype
    )[()]


def python(lo: float = -2.0, hi: float = 2.0) -> Draw:
    """A Python float."""
    return lambda rng: float(rng.uniform(lo, hi))


def python_complex(rng: Rng) -> complex:
    """A Python complex number."""
    return complex(rng.uniform(-1, 1), rng.uniform(0.3, 1))


def ints(*shape: int, lo: int = 0, hi: int = 3, dtype: str = "i8") -> Draw:
    """Integers from `lo` to `hi - 1`."""
    return lambda rng: np.asarray(rng.integers(lo, hi, shape), dtype)[()]


def bools(*shape: int) -> Draw:
    """True or False."""
    return lambda rng: np.asarray(rng.random(shape) < 0.5)[()]


def const(x: Any, dtype: Any = None) -> Draw:
    """The same values every time."""
    return lambda rng: np.array(x, dtype)[()] if type(x) not in (float, int, complex) else x


def matrix(*shape: int, dtype: str = "f8") -> Draw:
    """Well-conditioned square matrices, not symmetric."""

    def draw(rng: Rng) -> Array:
        a = rng.uniform(-1, 1, shape)
        if dtype[0] == "c":
            a = a + 1j * rng.uniform(-1, 1, shape)
        return np.asarray(a + 2 * np.eye(shape[-1]), dtype)

    return draw


def positive_definite(*shape: int, dtype: str = "f8") -> Draw:
    """Symmetric (Hermitian) positive definite matrices."""

    def draw(rng: Rng) -> Array:
        a = matrix(*shape, dtype="c16" if dtype[0] == "c" else "f8")(rng)
        return np.asarray(a @ np.swapaxes(a, -1, -2).conj() + np.eye(shape[-1]), dtype)

    return draw


def function(name: str) -> Callable[..., Any]:
    """A `call` for a function of the module, such as "linalg.solve"."""

    def call(module: Any, *arrays: Array, **static: Any) -> Any:
        for part in name.split("."):
            module = getattr(module, part)
        return module(*arrays, **static)

    return call


def of_sequence(name: str) -> Callable[..., Any]:
    """A `call` for a function of one sequence of arrays."""
    return lambda m, *arrays, **static: getattr(m, name)(list(arrays), **static)


def _numpys(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part)
    return found


def row(name: str, *samples: Sample, **options: Any) -> Spec:
    """A row whose name is that of the one NumPy function that it calls, unless told otherwise."""
    options.setdefault("call", function(name))
    if "covers" not in options:
        options["covers"] = (_numpys(name),)
    return Spec(name, samples=samples, **options)


S = Sample
SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan)
FINITE = (0.0, -0.0, 1.0, -1.0, 2.5, 0.5, -2.0)

# ufuncs of one argument: name, and the interval that samples are drawn from.

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

# Methods of ufuncs: reduce, accumulate, outer.

_AXES = (
    S("default", (real(3, 2),)),
    S("axis1", (real(2, 3),), {"axis": 1}),
    S("negative", (real(2, 3, 2),), {"axis": -2}),
    S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
    S("vector", (real(3),)),
    S("f4", (real(3, 2, dtype="f4"),)),
)
_MORE_AXES = (
    S("none", (real(2, 3),), {"axis": None}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, -1)}),
    S("tuple-keepdims", (real(2, 3, 2),), {"axis": (0, 2), "keepdims": True}),
)


def _ufunc_method(name: str, method: str, *samples: Sample, **options: Any) -> Spec:
    return Spec(
        f"{name}.{method}",
        lambda m, *a, **static: getattr(getattr(m, name), method)(*a, **static),
        samples,
        ((method, name),),
        **options,
    )


UFUNC_METHODS = (
    *[
        _ufunc_method(
            name,
            "reduce",
            *_AXES,
            *_MORE_AXES,
            S("initial", (real(2, 3),), {"axis": 1, "initial": 0.25}),
            S(
                "where",
                (real(2, 2),),
                {"axis": 1, "initial": 0.5, "where": np.array([[True, False], [True, True]])},
            ),
            ulps=8,
        )
        for name in ("add", "multiply", "maximum", "minimum", "fmax", "fmin")
        if name not in ("fmax", "fmin")
    ],
    *[
        _ufunc_method(name, "reduce", *_AXES, *_MORE_AXES, order=0)
        for name in ("logical_and", "logical_or")
    ],
    *[
        _ufunc_method(name, "reduce", *_AXES, *_MORE_AXES, ulps=16)
        for name in ("logaddexp", "logaddexp2", "hypot")
    ],
    *[
        _ufunc_method(name, "reduce", *_AXES, ulps=8, tolerance=100)
        for name in ("subtract", "divide")
    ],
    *[
        _ufunc_method(
            name,
            "accumulate",
            S("default", (real(3, 2),)),
            S("axis1", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3),), {"axis": -1}),
            S("f4", (real(3, dtype="f4"),)),
        )
        for name in ("add", "multiply")
    ],
    *[
        _ufunc_method(
            name,
            "outer",
            S("vectors", (real(2, lo=spans[0], hi=spans[1]), real(3, lo=spans[2], hi=spans[3]))),
            S("scalar", (real(lo=spans[0], hi=spans[1]), real(2, lo=spans[2], hi=spans[3]))),
            S(
                "f4",
                (
                    real(2, lo=spans[0], hi=spans[1], dtype="f4"),
                    real(2, 2, lo=spans[2], hi=spans[3]),
                ),
            ),
            tolerance=4,
        )
        for name, spans in BINARY.items()
        if name != "divmod"
    ],
    *[
        _ufunc_method(
            name, "outer", S("vectors", (real(2, lo=1.1, hi=1.9), real(3, lo=2.1, hi=2.9))), order=0
        )
        for name in BINARY_FLAT
    ],
    *[
        _ufunc_method(name, "outer", S("ints", (ints(2, lo=1, hi=9), ints(2, lo=1, hi=4))))
        for name in (
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "left_shift",
            "right_shift",
            "gcd",
            "lcm",
        )
    ],
    _ufunc_method("ldexp", "outer", S("vectors", (real(2), ints(2)))),
)

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
)

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

# Reductions.

_DTYPES = (
    S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
    S("f4-none", (real(2, 3, dtype="f4"),)),
    S("ints", (ints(2, 3),), {"axis": 0}),
    S("int8", (ints(2, 3, dtype="i1"),), {"axis": 0}),
    S("uint8", (ints(2, 3, dtype="u1"),)),
    S("bools", (bools(2, 3),), {"axis": 1}),
)
_COMPLEX = (
    S("c16", (cplx(2, 3),), {"axis": 1}),
    S("c8", (cplx(2, 3, dtype="c8"),)),
)
_REDUCED = (
    S("none", (real(2, 3),)),
    S("axis0", (real(2, 3),), {"axis": 0}),
    S("negative", (real(2, 3, 2),), {"axis": -2}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, -1)}),
    S("no-axes", (real(2, 2),), {"axis": ()}),
    S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
    S("keepdims-none", (real(2, 3),), {"keepdims": True}),
    S("scalar", (real(),)),
    S("python", (python(),)),
    S("size1", (real(1, 1),), {"axis": 0}),
)
_WHERE2 = np.array([[True, False, True], [True, True, True]])
_EMPTY = (
    S("empty", (real(0, 3),), {"axis": 0}),
    S("empty-none", (real(0, 3),)),
    S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
)


def _without(samples: Sequence[Sample], *names: str) -> list[Sample]:
    return [s for s in samples if s.name not in names]


REDUCTIONS = (
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            *_COMPLEX,
            *_EMPTY,
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-broadcast", (real(2, 3),), {"where": _MASK}),
            S("initial", (real(2, 3),), {"axis": 0, "initial": 1.5}),
            S("initial-f4", (real(2, 3, dtype="f4"),), {"initial": 1.5}),
            S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
            S("dtype-int", (ints(2, 3),), {"dtype": float}),
            S("special", (const([1.0, np.inf, np.nan]),), derivative=False),
            S("f2", (real(4, dtype="f2"),), derivative=False),
            ulps=16,
        )
        for name in ("sum", "prod")
    ],
    row(
        "prod",
        S("zeros", (const([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]),), {"axis": 1}),
        S("5", (real(5),)),
        covers=(),
    ),
    row(
        "mean",
        *_REDUCED,
        *_DTYPES,
        *_COMPLEX,
        S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
        S("empty", (real(0, 2),), {"axis": 0}, warns=True, derivative=False),
        S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
        S("where-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "keepdims": True}),
        S("where-none", (real(3),), {"where": np.zeros(3, bool)}, warns=True, derivative=False),
        S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
        S("f2", (real(4, dtype="f2"),), derivative=False),
        ulps=16,
    ),
    *[
        row(
            name,
            *_without(_REDUCED, "scalar", "python", "no-axes", "size1"),
            *_DTYPES,
            *_COMPLEX,
            S("ddof", (real(2, 3),), {"axis": 1, "ddof": 1}),
            S("ddof-float", (real(2, 3),), {"ddof": 1.5}),
            S("correction", (real(2, 3),), {"axis": 0, "correction": 1}),
            S("ddof-large", (real(2),), {"ddof": 2}, warns=True, derivative=False),
            S("size1", (real(1),), derivative=False),
            S("scalar", (real(),), derivative=False),
            S("python", (python(),), derivative=False),
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-ddof-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "ddof": 1}),
            S("where-kept-c16", (cplx(2, 3),), {"where": _MASK, "axis": 1, "keepdims": True}),
            S("mean", (real(2, 3),), {"axis": 1, "mean": np.ones((2, 1))}),
            S("dtype", (real(2, 3, dtype="f4"),), {"dtype": np.float64}),
            S("f2", (real(4, dtype="f2"),), derivative=False),
            S("empty", (real(0, 2),), {"axis": 0}, warns=True, derivative=False),
            ulps=64,
            tolerance=20,
        )
        for name in ("var", "std")
    ],
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            S("empty-kept", (real(0, 3),), {"axis": 1, "keepdims": True}),
            S("initial", (real(2, 3),), {"axis": 0, "initial": 0.25}),
            S("initial-int", (real(2, 3),), {"axis": 0, "initial": 0}),
            S("initial-f4", (real(2, 3, dtype="f4"),), {"initial": 0.25}),
            S("where", (real(2, 3),), {"axis": 1, "where": _WHERE2, "initial": 0.25}),
            S("where-f4", (real(2, 3, dtype="f4"),), {"where": _MASK, "initial": -5.0}),
            S("empty-initial", (real(0, 3),), {"axis": 0, "initial": 0.5}),
            S(
                "empty-initial-f4",
                (real(0, 3, dtype="f4"),),
                {"axis": 0, "initial": 0.5, "keepdims": True},
            ),
            S("empty-initial-none", (real(0, dtype="f4"),), {"initial": 1}),
            S(
                "special",
                (const([[1.0, np.inf, -np.inf], [1.0, np.nan, 0.0]]),),
                {"axis": 1},
                derivative=False,
            ),
            S("ties", (const([1.0, 3.0, 3.0, 1.0]),), derivative=False),
            covers=(getattr(np, name), getattr(np, "a" + name)),
        )
        for name in ("max", "min")
    ],
    row(
        "ptp",
        *_without(_REDUCED),
        S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
        S("ints", (ints(2, 3),), {"axis": 0}),
    ),
    *[
        row(
            name,
            *_REDUCED,
            *_DTYPES,
            *_COMPLEX,
            *_EMPTY,
            S(
                "zeros",
                (const([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0]]),),
                {"axis": 1},
                derivative=False,
            ),
            S("where", (bools(2, 3),), {"axis": 1, "where": _WHERE2}),
            S("where-float", (real(2, 3),), {"axis": 1, "where": _WHERE2}),
            order=0,
        )
        for name in ("any", "all")
    ],
    row(
        "count_nonzero",
        S("none", (const([[0.0, 1.0], [2.0, 0.0]]),), derivative=False),
        S("axis", (const([[0.0, 1.0], [2.0, 0.0]]),), {"axis": 1}, derivative=False),
        S("keepdims", (ints(2, 3),), {"axis": (0, 1), "keepdims": True}),
        S("bools", (bools(2, 3),), {"axis": 0}),
        order=0,
    ),
    *[
        row(
            name,
            S("none", (real(2, 3),)),
            S("axis", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3),), {"axis": -2}),
            S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
            S("keepdims-none", (real(2, 3),), {"keepdims": True}),
            S("scalar", (real(),)),
            S("ties", (const([1.0, 3.0, 3.0, 1.0]),), derivative=False),
            S("nan", (const([1.0, np.nan, 3.0]),), derivative=False),
            S("ints", (ints(2, 3),), {"axis": 0}),
            order=0,
        )
        for name in ("argmax", "argmin")
    ],
    *[
        row(
            name,
            S("none", (real(2, 3),)),
            S("axis", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3, 2),), {"axis": -2}),
            S("scalar", (real(),)),
            S("size1", (real(1),)),
            S("empty", (real(0, 2),), {"axis": 0}),
            S("empty-other", (real(0, 2),), {"axis": 1}),
            S("zeros", (const([2.0, 0.0, 3.0, 0.0, 4.0]),)),
            S("f4", (real(2, 3, dtype="f4"),), {"axis": 1}),
            S("c16", (cplx(2, 2),), {"axis": 0}),
            S("ints", (ints(3),)),
            S("int8", (ints(3, dtype="i1"),)),
            S("bools", (bools(3),)),
            S("dtype", (real(3, dtype="f4"),), {"dtype": float}),
        )
        for name in ("cumsum", "cumprod")
    ],
    row(
        "diff",
        S("plain", (real(4),)),
        S("2d", (real(2, 3),)),
        S("axis0", (real(2, 3),), {"axis": 0}),
        S("n2", (real(4),), {"n": 2}),
        S("n0", (real(4),), {"n": 0}),
        S("prepend", (real(2, 3),), {"prepend": 0.0, "append": np.ones((2, 2))}),
        S("prepend-f4", (real(2, 3, dtype="f4"),), {"prepend": 0.0}),
        S("bools", (bools(4),)),
        S("ints", (ints(4),)),
        S("short", (real(1),)),
        S("too-many", (real(2),), {"n": 3}),
    ),
)

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
    ),
    row(
        "tile",
        S("int", (real(3),), {"reps": 2}),
        S("tuple", (real(2, 2),), {"reps": (2, 1)}),
        S("more-axes", (real(2),), {"reps": (2, 1, 2)}),
        S("fewer", (real(2, 2),), {"reps": (2,)}),
        S("scalar", (real(),), {"reps": 3}),
        S("python", (python(),), {"reps": 3}),
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
    ),
)

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

# Indexing.

_BASIC: dict[str, tuple[tuple[int, ...], Any]] = {
    "int": ((3,), 1),
    "negative": ((3,), -1),
    "numpy-int": ((3,), np.int64(1)),
    "ints": ((2, 3), (1, -2)),
    "row": ((2, 3), 1),
    "slice": ((5,), slice(1, 4)),
    "step": ((5,), slice(None, None, 2)),
    "reversed": ((4,), slice(None, None, -1)),
    "negative-step": ((6,), slice(4, 0, -2)),
    "empty-slice": ((4,), slice(3, 1)),
    "slices": ((3, 4), (slice(1, None), slice(None, -1))),
    "none": ((3,), None),
    "none-inside": ((2, 3), (slice(None), None, 1)),
    "ellipsis": ((2, 3), Ellipsis),
    "ellipsis-int": ((2, 3, 2), (Ellipsis, 1)),
    "int-ellipsis": ((2, 3, 2), (1, Ellipsis, slice(1, None))),
    "ellipsis-none": ((2, 3), (None, Ellipsis, None)),
    "all": ((2, 3), ()),
    "scalar": ((), ()),
    "scalar-ellipsis": ((), Ellipsis),
    "scalar-none": ((), None),
}
_ADVANCED: dict[str, tuple[tuple[int, ...], Any]] = {
    "list": ((3,), [0, 2, 0]),
    "array": ((3,), np.array([[0, 2], [1, 1]])),
    "rows": ((3, 2), np.array([2, 0])),
    "second": ((2, 3), (slice(None), np.array([0, 2]))),
    "pairs": ((2, 3), (np.array([0, 1, 1]), np.array([2, 0, 0]))),
    "grid": ((2, 3), (np.array([[0], [1]]), np.array([2, 0]))),
    "int-array": ((2, 3), (1, np.array([0, 2]))),
    "apart": ((2, 3, 2), (np.array([0, 1]), slice(None), np.array([1, 1]))),
    "apart-int": ((2, 3, 2), (0, slice(None), np.array([1, 1]))),
    "apart-2d": ((2, 3, 2), (np.array([[0], [1]]), slice(1, None), np.array([1, 1]))),
    "middle": ((2, 3, 2), (slice(None), np.array([0, 2]), slice(None))),
    "middle-2d": ((2, 3, 2), (slice(None), np.array([[0, 2]]), slice(None, None, -1))),
    "none-array": ((3, 2), (None, np.array([0, 2]))),
    "array-none": ((3, 2), (np.array([0, 2]), None)),
    "array-none-array": ((3, 2), (np.array([0, 2]), None, np.array([0, 1]))),
    "ellipsis-array": ((2, 2, 3), (Ellipsis, np.array([0, 2]))),
    "array-ellipsis-array": ((2, 2, 3), (np.array([0, 1]), Ellipsis, np.array([0, 2]))),
    "negative": ((3,), np.array([-1, -3])),
    "empty": ((3,), []),
    "empty-array": ((3, 2), np.zeros((0,), int)),
    "empty-2d": ((3,), np.zeros((2, 0), int)),
    "mask": ((3,), _MASK),
    "mask-list": ((3,), [True, False, True]),
    "mask-rows": ((3, 2), _MASK),
    "mask-2d": ((2, 3), _WHERE2),
    "mask-2d-of-3d": ((2, 3, 2), _WHERE2),
    "mask-last": ((2, 3), (slice(None), _MASK)),
    "mask-int": ((3, 2), (_MASK, 1)),
    "mask-array": ((3, 2), (_MASK, np.array([0, 1]))),
    "mask-none": ((3,), (_MASK, None)),
    "mask-nothing": ((3,), np.zeros(3, bool)),
    "mask-2d-last": ((2, 2, 3), (slice(None), _WHERE2)),
    "true": ((2,), True),
    "false": ((2,), False),
    "scalar-true": ((), True),
    "numpy-0d": ((3, 2), np.array(1)),
    "uint8": ((3,), np.array([2, 1], "u1")),
}
_KEYS: dict[str, tuple[tuple[Draw, ...], Callable[..., Any]]] = {
    "vector": ((real(3), ints(2)), lambda i: i),
    "scalar": ((real(3, 2), ints()), lambda i: i),
    "second": ((real(2, 3), ints(2)), lambda i: (slice(None), i)),
    "pair": ((real(3, 3), ints(2), ints(2)), lambda i, j: (i, j)),
    "pair-broadcast": ((real(3, 3), ints(2, 1), ints(2)), lambda i, j: (i, j)),
    "apart": ((real(3, 2, 3), ints(2), ints(2)), lambda i, j: (i, slice(None), j)),
    "apart-scalars": ((real(3, 2, 3), ints(), ints()), lambda i, j: (i, slice(None), j)),
    "apart-2d": ((real(3, 2, 3), ints(2, 1), ints(2)), lambda i, j: (i, slice(None), j)),
    "with-int": ((real(3, 3), ints(2)), lambda i: (1, i)),
    "int-apart": ((real(3, 2, 3), ints(2)), lambda i: (1, slice(None), i)),
    "none": ((real(3), ints(2)), lambda i: (None, i)),
    "none-after": ((real(3, 2), ints(2)), lambda i: (i, None)),
    "ellipsis": ((real(2, 2, 3), ints(2)), lambda i: (Ellipsis, i)),
    "middle": ((real(2, 3, 2), ints(2, 2)), lambda i: (slice(None), i, slice(None, None, -1))),
    "constant-too": ((real(3, 3), ints(2)), lambda i: (i, np.array([0, 2]))),
    "none-between": ((real(3, 3), ints(2), ints(2)), lambda i, j: (i, None, j)),
    "f4": ((real(3, dtype="f4"), ints(2)), lambda i: i),
}
INDEXING = (
    Spec(
        "basic-index",
        lambda m, x, *, index: x[index],
        (
            *[S(k, (real(*shape),), {"index": i}) for k, (shape, i) in _BASIC.items()],
            S("f4", (real(3, dtype="f4"),), {"index": slice(1, None)}),
            S("c8", (cplx(3, dtype="c8"),), {"index": 1}),
        ),
    ),
    Spec(
        "advanced-index",
        lambda m, x, *, index: x[index],
        (
            *[S(k, (real(*shape),), {"index": i}) for k, (shape, i) in _ADVANCED.items()],
            S("f4", (real(3, dtype="f4"),), {"index": [0, 0]}),
            S("c8", (cplx(3, dtype="c8"),), {"index": [2, 2]}),
        ),
    ),
    Spec(
        "index-by-arrays",
        lambda m, x, *arrays, key: x[key(*arrays)],
        tuple([S(k, draws, {"key": key}) for k, (draws, key) in _KEYS.items()]),
        leads="always",
    ),
    Spec(
        "mask-of-values",
        lambda m, x: x[x > 0] * 2.0,
        (S("vector", (real(4),)), S("matrix", (real(2, 3),))),
        traceable=False,
    ),
    row(
        "take",
        S("flat", (real(2, 3), ints(2))),
        S("axis", (real(2, 3), ints(2)), {"axis": 1}),
        S("2d", (real(2, 3), ints(2, 2)), {"axis": -1}),
        S("scalar", (real(2, 3), ints()), {"axis": 1}),
        S("wrap", (real(3), const([4, -5])), {"mode": "wrap"}),
        S("clip", (real(3), const([4, -5])), {"mode": "clip"}),
        S("empty", (real(3), const([], int))),
        S("list", (real(3), const([2, 0]))),
        S("f4", (real(3, dtype="f4"), ints(2))),
        leads="numpy",
    ),
    row(
        "take_along_axis",
        S("axis1", (real(2, 3), ints(2, 2)), {"axis": 1}),
        S("axis0", (real(3, 2), ints(1, 2)), {"axis": 0}),
        S("none", (real(2, 2), ints(3)), {"axis": None}),
        S("broadcast", (real(1, 3), ints(2, 2)), {"axis": 1}),
        S("broadcast-index", (real(2, 3), ints(1, 2)), {"axis": 1}),
        S("3d", (real(2, 3, 2), ints(2, 1, 2)), {"axis": -2}),
    ),
    *[
        row(
            name,
            S("vector", (const([0.0, 1.0, 2.0]),)),
            S("matrix", (const([[0.0, 1.0], [2.0, 0.0]]),)),
            order=0,
            traceable=False,
        )
        for name in ("nonzero", "flatnonzero", "argwhere")
    ],
    row(
        "diagonal",
        *[S(f"offset{k}", (real(2, 3),), {"offset": k}) for k in (0, 1, -1, 4)],
        S("3d", (real(2, 3, 2),)),
        S("axes", (real(2, 3, 2),), {"axis1": 2, "axis2": 0}),
        S("negative", (real(2, 3, 2),), {"axis1": -2, "axis2": -1}),
    ),
    row(
        "trace",
        *[S(f"offset{k}", (real(2, 3),), {"offset": k}) for k in (0, 1, -1, 4)],
        S("3d", (real(2, 3, 2),)),
        S("axes", (real(2, 3, 2),), {"axis1": 2, "axis2": 0}),
        S("f4", (real(2, 2, dtype="f4"),)),
        S("int8", (ints(2, 2, dtype="i1"),)),
        S("dtype", (real(2, 2, dtype="f4"),), {"dtype": float}),
    ),
    *[
        row(
            name,
            *[
                S(f"{'vector' if s == (3,) else 'matrix'}{k}", (real(*s),), {"k": k})
                for s in ((3,), (2, 3))
                for k in (0, 1, -2)
            ],
            S("f4", (real(2, 2, dtype="f4"),)),
        )
        for name in ("diag",)
    ],
    row(
        "diagflat",
        S("matrix", (real(2, 2),)),
        S("k", (real(2),), {"k": -1}),
        S("scalar", (real(),)),
    ),
    *[
        row(
            name,
            *[S(f"k{k}", (real(3, 3),), {"k": k}) for k in (0, 1, -1)],
            S("stack", (real(2, 2, 3),)),
            S("vector", (real(2),)),
            S("f4", (real(2, 2, dtype="f4"),)),
            S("nan", (const([[np.nan, np.inf], [1.0, np.nan]]),), derivative=False),
        )
        for name in ("tril", "triu")
    ],
    row(
        "sort",
        S("vector", (real(4),)),
        S("matrix", (real(2, 3),)),
        S("axis0", (real(3, 2),), {"axis": 0}),
        S("none", (real(2, 3),), {"axis": None}),
        S("stable", (real(4),), {"stable": True}),
        S("kind", (real(4),), {"kind": "mergesort"}),
        S("f4", (real(4, dtype="f4"),)),
        S("special", (const(SPECIAL),), {"kind": "stable"}, derivative=False),
        S("empty", (real(0),)),
        S("ints", (ints(4),)),
        S("c16", (cplx(3),)),
    ),
    row(
        "argsort",
        S("vector", (real(4),)),
        S("matrix", (real(2, 3),)),
        S("axis0", (real(3, 2),), {"axis": 0}),
        S("none", (real(2, 3),), {"axis": None}),
        S("stable", (const([1.0, 0.0, 1.0, 0.0]),), {"stable": True}, derivative=False),
        S("ints", (ints(4),), {"kind": "stable"}),
        order=0,
    ),
)

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
)

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

SPECS: tuple[Spec, ...] = (
    *UFUNCS,
    *OPTIONS,
    *UFUNC_METHODS,
    *OPERATORS,
    *CHOICE,
    *REDUCTIONS,
    *SHAPES,
    *JOINING,
    *INDEXING,
    *CONTRACTIONS,
    *LINALG,
    *CREATION,
)


def numpy_takes(case: Case) -> bool:
    """False where the installed NumPy itself refuses the call: old ones lack some arguments, new
    ones deprecate functions.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", DeprecationWarning)
        try:
            case.function(np)(*case.draw(np.random.default_rng(0)))
        except (TypeError, DeprecationWarning):
            return False
    return True


ALL_CASES = [Case(spec, sample) for spec in SPECS for sample in spec.samples]
CASES: tuple[Case, ...] = tuple([case for case in ALL_CASES if numpy_takes(case)])

EXCLUDED = {
    np.isnat: "takes dates only, which have no derivative and are no arrays of numbers",
}
"""The ufuncs of NumPy without a row, and why."""

MODULES = {"np": np, "wnp": wnp}
