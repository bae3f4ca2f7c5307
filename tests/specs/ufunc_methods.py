"""Methods of ufuncs: reduce, accumulate, reduceat, outer."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import S, Sample, Spec, const, ints, real
from specs.ufuncs import BINARY, BINARY_FLAT

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


ORDERED = ("fmod", "remainder", "copysign", "nextafter", "heaviside", "float_power")


def _falling(shape: tuple[int, ...], axis: int, dtype: str = "f8") -> Any:
    """Along an axis each number is smaller than the one before by more than a rounding."""

    def draw(rng: np.random.Generator) -> Any:
        x = np.moveaxis(rng.uniform(0.9, 1.1, shape), axis, 0)
        n = len(x)
        x = x * np.reshape(3.7 - np.arange(n) * (2.5 / n), (n,) + (1,) * (len(shape) - 1))
        return np.moveaxis(x, 0, axis).astype(dtype)

    return draw


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
    ],
    *[
        _ufunc_method(name, "reduce", *_AXES, *_MORE_AXES, order=0)
        for name in ("logical_and", "logical_or", "logical_xor")
    ],
    *[
        _ufunc_method(
            name,
            "reduce",
            *_AXES,
            *_MORE_AXES,
            S("initial", (real(2, 3),), {"axis": 1, "initial": 0.25}),
            S("where", (real(2, 3),), {"axis": 1, "where": np.array([True, False, True])}),
            S("empty", (real(0, 2),), derivative=False),
            S(
                "infinite",
                (const([[-np.inf, 1.0], [-np.inf, np.inf]]),),
                derivative=False,
                warns=True,
            ),
            ulps=16,
        )
        for name in ("logaddexp", "logaddexp2", "hypot")
    ],
    *[
        _ufunc_method(
            name,
            "reduce",
            *_AXES,
            S("initial", (real(2, 3, lo=0.5),), {"axis": 1, "initial": 1.75}),
            S("one", (real(1, 2, lo=0.5),)),
            ulps=8,
            tolerance=100,
        )
        for name in ("subtract", "divide")
    ],
    *[
        _ufunc_method(
            name,
            "reduce",
            S("default", (_falling((3, 2), 0),)),
            S("axis1", (_falling((2, 3), 1),), {"axis": 1, "keepdims": True}),
            S("f4", (_falling((3,), 0, "f4"),)),
            tolerance=100,
        )
        for name in ORDERED
    ],
    _ufunc_method(
        "floor_divide", "reduce", S("axis1", (_falling((2, 3), 1),), {"axis": 1}), order=0
    ),
    *[
        _ufunc_method(
            name,
            "accumulate",
            S("default", (real(3, 2),)),
            S("axis1", (real(2, 3),), {"axis": 1}),
            S("negative", (real(2, 3),), {"axis": -1}),
            S("f4", (real(3, dtype="f4"),)),
            S("f8", (real(3, dtype="f4"),), {"dtype": np.float64}),
            S("long", (real(6),)),
            S("empty", (real(0, 2),)),
            S("ints", (ints(3),)),
            ulps=8,
        )
        for name in (
            *("add", "multiply", "subtract", "maximum", "minimum", "fmax", "fmin"),
            *("logaddexp", "logaddexp2", "hypot"),
        )
    ],
    *[
        _ufunc_method(
            name,
            "accumulate",
            S("default", (_falling((3, 2), 0),)),
            S("axis1", (_falling((2, 5), 1),), {"axis": 1}),
            S("f4", (_falling((3,), 0, "f4"),)),
            ulps=8,
            tolerance=100,
        )
        for name in (*ORDERED, "divide", "power", "arctan2")
    ],
    _ufunc_method("floor_divide", "accumulate", S("axis1", (_falling((2, 3), 1),), {"axis": 1})),
    *[
        _ufunc_method(name, method, S("plain", (ints(3, 2, lo=1, hi=5),)), order=0)
        for name in (
            *("bitwise_and", "bitwise_or", "bitwise_xor"),
            *("left_shift", "right_shift", "gcd", "lcm"),
        )
        for method in ("reduce", "accumulate")
    ],
    *[
        _ufunc_method(name, "accumulate", S("plain", (real(3, 2),)), order=0)
        for name in ("logical_and", "logical_or", "logical_xor")
    ],
    *[
        _ufunc_method(
            name,
            "reduceat",
            S("plain", (real(5),), {"indices": np.array([0, 2, 3], int)}),
            S("crossing", (real(5),), {"indices": np.array([1, 4, 2, 2], int)}),
            S("axis", (real(2, 4),), {"indices": np.array([0, 2], int), "axis": 1}),
            S(
                "f4",
                (real(5, dtype="f4"),),
                {"indices": np.array([0, 3], int), "dtype": np.float64},
            ),
            S("int8", (ints(5, dtype="i1"),), {"indices": np.array([0, 3], int)}),
            S("none", (real(3),), {"indices": np.array([], int)}),
        )
        for name in ("add", "maximum", "minimum")
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
