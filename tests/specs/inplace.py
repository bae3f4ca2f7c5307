"""Writing to arrays: assignment at every kind of index, in-place operators, and NumPy's functions
that change their argument.

Each row copies its first argument, writes to the copy, and returns it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import wengert.numpy as wnp
from specs.choice import _MASK
from specs.indexing import _ADVANCED, _BASIC, _KEYS
from specs.reductions import _WHERE2
from specs.table import Array, Draw, S, Spec, bools, const, cplx, ints, real

_SINGLE_BOOLS = ("true", "false", "scalar-true")


def _assign(m: Any, x: Array, v: Array, *, index: Any) -> Array:
    y = wnp.copy(x)
    y[index] = v
    return y


def _assign_at(m: Any, x: Array, v: Array, *indices: Array, key: Callable[..., Any]) -> Array:
    y = wnp.copy(x)
    y[key(*indices)] = v
    return y


def _place(shape: tuple[int, ...], index: Any) -> tuple[int, ...]:
    """The shape of what an index selects."""
    return np.shape(np.zeros(shape)[index])


def _key_samples() -> list[S]:
    found = []
    for name, (draws, key) in _KEYS.items():
        rng = np.random.default_rng(0)
        x, *indices = [d(rng) for d in draws]
        place = np.shape(x[key(*indices)])
        v: Draw = real(*place, dtype=x.dtype.str[1:])
        found.append(S(name, (draws[0], v, *draws[1:]), {"key": key}))
        found.append(S(f"{name}-by-scalar", (draws[0], real(), *draws[1:]), {"key": key}))
    return found


_OPERATORS = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "**=": operator.ipow,
    "%=": operator.imod,
    "//=": operator.ifloordiv,
}


def _update(operate: Any) -> Callable[..., Array]:
    def call(m: Any, x: Array, v: Array) -> Array:
        y = wnp.copy(x)
        whole = y
        y = operate(y, v)
        assert y is whole
        return y

    return call


def _update_part(operate: Any) -> Callable[..., Array]:
    def call(m: Any, x: Array, v: Array, *, index: Any) -> Array:
        y = wnp.copy(x)
        y[index] = operate(y[index], v)
        return y

    return call


def _changing(name: str) -> Callable[..., Array]:
    """A call of a function that changes its argument."""

    def call(m: Any, x: Array, *args: Array, **static: Any) -> Array:
        y = wnp.copy(x)
        getattr(m, name)(y, *args, **static)
        return y

    return call


def _method(name: str) -> Callable[..., Array]:
    def call(m: Any, x: Array, *args: Array, **static: Any) -> Array:
        y = wnp.copy(x)
        getattr(y, name)(*args, **static)
        return y

    return call


def _at(name: str) -> Callable[..., Array]:
    def call(m: Any, x: Array, *b: Array, index: Any) -> Array:
        y = wnp.copy(x)
        getattr(m, name).at(y, index, *b)
        return y

    return call


def _views(m: Any, x: Array, v: Array) -> Array:
    """Writes through every kind of view, in both directions."""
    y = wnp.copy(x)
    rows = y[1:]
    turned = rows.T
    flat = y.reshape(-1)
    turned[0] = v  # a column of y
    flat[0] *= 2.0  # y[0, 0]
    part = flat[1:3]
    y[0, 1] += part[1]
    part -= v[0]
    return np.stack([y, y * np.sum(turned) + np.sum(flat)])


def _loop(m: Any, x: Array, v: Array) -> Array:
    y = wnp.zeros(4)
    for i in range(4):
        y[i] = x[i] * v + (y[i - 1] if i else 0.0)
    return y


def _rows(m: Any, x: Array, v: Array) -> Array:
    y = wnp.empty((3, 2))
    y[0] = v
    for i in range(1, 3):
        row = y[i]
        row[:] = y[i - 1] * x
        row[0] += 1.0
    return y


def _overlap(m: Any, x: Array) -> Array:
    y = wnp.copy(x)
    y[1:] = y[:-1]
    y[::-1] += y
    return y


def _complex_parts(m: Any, x: Array, v: Array) -> Array:
    y = wnp.copy(x)
    y.real[1:] = v
    y.imag *= 2.0
    return y


def _masked(m: Any, x: Array, v: Array) -> Array:
    y = wnp.copy(x)
    mask = y > 0
    y[mask] *= v
    y[y < -1] = 0.5
    y[mask] = m.sqrt(y[mask]) + y[mask]
    return y + m.sum(y[mask])


_ROWS = (
    Spec(
        "assign",
        _assign,
        (
            *[
                S(k, (real(*shape), real(*_place(shape, i))), {"index": i})
                for k, (shape, i) in _BASIC.items()
            ],
            *[
                S(f"{k}-by-scalar", (real(*shape), real()), {"index": i})
                for k, (shape, i) in _BASIC.items()
            ],
            S("broadcast", (real(3, 2), real(2)), {"index": slice(1, None)}),
            S("broadcast-1", (real(3, 2), real(2, 1)), {"index": slice(1, None)}),
            S("leading-ones", (real(3), real(1, 1, 2)), {"index": slice(1, None)}),
            S("f4", (real(3, dtype="f4"), real(2, dtype="f4")), {"index": slice(1, None)}),
            S("f8-into-f4", (real(3, dtype="f4"), real(2)), {"index": slice(1, None)}),
            S("f4-into-f8", (real(3), real(dtype="f4")), {"index": 1}),
            S("c16", (cplx(3), cplx(2)), {"index": slice(1, None)}),
            S("f8-into-c16", (cplx(3), real(2)), {"index": slice(1, None)}),
            S("int-into-f8", (real(3), ints(2)), {"index": slice(1, None)}),
            S("empty", (real(0, 3), real(3)), {"index": slice(None)}),
        ),
    ),
    Spec(
        "assign-advanced",
        _assign,
        (
            *[
                S(k, (real(*shape), real(*_place(shape, i))), {"index": i})
                for k, (shape, i) in _ADVANCED.items()
                if k not in _SINGLE_BOOLS
            ],
            *[
                S(f"{k}-by-scalar", (real(*shape), real()), {"index": i})
                for k, (shape, i) in _ADVANCED.items()
                if k not in _SINGLE_BOOLS
            ],
            S("broadcast", (real(3, 2), real(2)), {"index": [2, 0]}),
            S("mask-broadcast", (real(3, 2), real(2)), {"index": _MASK}),
            S("c16", (cplx(3), cplx(2)), {"index": [2, 0]}),
            S("f4", (real(3, dtype="f4"), real(2, dtype="f4")), {"index": [2, 2]}),
        ),
    ),
    Spec("assign-at-arrays", _assign_at, tuple(_key_samples())),
    Spec(
        "assign-at-mask",
        lambda m, x, v, mask: _assign_at(m, x, v, mask, key=lambda k: k),
        (
            S("vector", (real(3), real(), bools(3))),
            S("rows", (real(3, 2), real(2), bools(3))),
            S("matrix", (real(3, 2), real(), bools(3, 2))),
        ),
    ),
    *[
        Spec(
            f"x {sign} v",
            _update(operate),
            (
                S("arrays", (real(3, lo=1.2, hi=1.8), real(3, lo=0.85, hi=1.15))),
                S("broadcast", (real(2, 3, lo=1.2, hi=1.8), real(3, lo=0.85, hi=1.15))),
                S("scalar", (real(3, lo=1.2, hi=1.8), real(lo=0.85, hi=1.15))),
                S("python", (real(3, lo=1.2, hi=1.8, dtype="f4"), const(1.1))),
                S(
                    "f8-into-f4",
                    (real(3, lo=1.2, hi=1.8, dtype="f4"), real(3, lo=0.85, hi=1.15)),
                ),
            ),
            order=0 if sign == "//=" else 3,
            tolerance=4,
        )
        for sign, operate in _OPERATORS.items()
    ],
    Spec(
        "x[i] += v",
        _update_part(operator.iadd),
        (
            S("int", (real(3), real()), {"index": 1}),
            S("slice", (real(4), real(2)), {"index": slice(1, 3)}),
            S("array", (real(4), real(3)), {"index": [3, 0, 0]}),
            S("mask", (real(3), real()), {"index": _MASK}),
            S("mask-2d", (real(2, 3), real()), {"index": _WHERE2}),
            S("row", (real(2, 3), real(3)), {"index": 1}),
            S("column", (real(2, 3), real(2)), {"index": (slice(None), 0)}),
        ),
    ),
    Spec("write-views", _views, (S("plain", (real(3, 2), real(2))),), tolerance=4),
    Spec("fill-loop", _loop, (S("plain", (real(4), real())),)),
    Spec("fill-rows", _rows, (S("plain", (real(2), real(2))),)),
    Spec(
        "write-overlap",
        _overlap,
        (S("plain", (real(5),)), S("rows", (real(3, 2),))),
    ),
    Spec(
        "x.real[i] = v",
        _complex_parts,
        (S("c16", (cplx(3), real(2))), S("c8", (cplx(3, dtype="c8"), real(2, dtype="f4")))),
    ),
    Spec(
        "x[mask] *= v",
        _masked,
        (S("plain", (const([-1.6, -0.4, 0.3, 1.4]), real(lo=0.5))),),
        tolerance=4,
    ),
    Spec(
        "put",
        _changing("put"),
        (
            S("plain", (real(2, 3), const([4, 0]), real(2))),
            S("repeated", (real(2, 3), const([4, 0, 4]), real(2))),
            S("scalar", (real(4), const(2), real())),
            S("wrap", (real(4), const([5, -6]), real(2)), {"mode": "wrap"}),
            S("clip", (real(4), const([9, -6]), real(2)), {"mode": "clip"}),
        ),
        (np.put,),
        traceable=False,
    ),
    Spec(
        "place",
        _changing("place"),
        (
            S("plain", (real(2, 3), const(_WHERE2), real(5))),
            S("repeated", (real(2, 3), const(_WHERE2), real(2))),
        ),
        (np.place,),
        traceable=False,
    ),
    Spec(
        "putmask",
        _changing("putmask"),
        (
            S("plain", (real(2, 3), const(_WHERE2), real(2, 3))),
            S("repeated", (real(2, 3), const(_WHERE2), real(2))),
        ),
        (np.putmask,),
        traceable=False,
    ),
    Spec(
        "copyto",
        _changing("copyto"),
        (
            S("plain", (real(2, 3), real(3))),
            S("where", (real(2, 3), real(2, 3)), {"where": _WHERE2}),
            S("same-kind", (real(3, dtype="f4"), real(3)), {"casting": "same_kind"}),
        ),
        (np.copyto,),
    ),
    Spec(
        "fill_diagonal",
        _changing("fill_diagonal"),
        (
            S("square", (real(3, 3), real())),
            S("vector", (real(3, 3), real(2))),
            S("wide", (real(2, 4), real())),
            S("tall", (real(5, 2), real())),
            S("wrap", (real(7, 2), real()), {"wrap": True}),
            S("3d", (real(2, 2, 2), real(2))),
        ),
        (np.fill_diagonal,),
    ),
    Spec(
        "put_along_axis",
        _changing("put_along_axis"),
        (
            S("axis1", (real(2, 3), const([[2, 0], [1, 1]]), real(2, 2)), {"axis": 1}),
            S("axis0", (real(2, 3), const([[1, 0, 1]]), real(1, 3)), {"axis": 0}),
            S("broadcast", (real(2, 3), const([[1], [0]]), real()), {"axis": 1}),
            S("none", (real(2, 2), const([3, 1]), real(2)), {"axis": None}),
        ),
        (np.put_along_axis,),
    ),
    *[
        Spec(
            f"{name}.at",
            _at(name),
            (
                S("duplicates", (real(3, lo=0.5), real(4, lo=0.5)), {"index": [0, 2, 0, 0]}),
                S("scalar", (real(3, lo=0.5), real(lo=0.5)), {"index": [0, 2, 0]}),
                S("int", (real(3, lo=0.5), real(lo=0.5)), {"index": 1}),
                S("slice", (real(3, lo=0.5), real(2, lo=0.5)), {"index": slice(1, None)}),
                S(
                    "pairs",
                    (real(2, 3, lo=0.5), real(3, lo=0.5)),
                    {"index": (np.array([0, 1, 0]), np.array([2, 0, 2]))},
                ),
                S("rows", (real(3, 2, lo=0.5), real(2, lo=0.5)), {"index": [1, 1]}),
            ),
            covers=(("at", name),),
            tolerance=4,
        )
        for name in [
            "add",
            "subtract",
            "multiply",
            "divide",
            "power",
            "maximum",
            "minimum",
            "fmax",
            "fmin",
        ]
    ],
    Spec(
        "negative.at",
        _at("negative"),
        (S("duplicates", (real(3),), {"index": [0, 2, 0]}),),
        (("at", "negative"),),
    ),
    Spec("x.fill", _method("fill"), (S("plain", (real(2, 3), real())),)),
    Spec(
        "x.put",
        _method("put"),
        (S("plain", (real(2, 3), const([4, 0]), real(2))),),
        traceable=False,
    ),
    Spec(
        "x.sort",
        _method("sort"),
        (
            S("plain", (real(5),)),
            S("axis", (real(3, 2),), {"axis": 0}),
            S("stable", (real(3, 2),), {"stable": True}),
        ),
    ),
    Spec(
        "x.partition",
        _method("partition"),
        (S("plain", (const([3.0, 1.0, 2.0]),), {"kth": 1}),),
    ),
)

# Arrays of other libraries cannot be written to, so there is no oracle.
INPLACE = tuple([replace(spec, of_numpy=False) for spec in _ROWS])

_LIKE: dict[str, tuple[Any, Callable[[Array], Array]]] = {
    "zeros": (np.zeros, lambda x: np.zeros(3, like=x)),
    "ones": (np.ones, lambda x: np.ones((2, 3), "f4", like=x)),
    "empty": (np.empty, lambda x: np.empty((0, 3), like=x)),
    "full": (np.full, lambda x: np.full((2, 3), x, like=x)),
    "array": (np.array, lambda x: np.array([x, 2.0 * x], like=x)),
    "asarray": (np.asarray, lambda x: np.asarray(x, like=x)),
    "asanyarray": (np.asanyarray, lambda x: np.asanyarray([x, x], like=x)),
    "ascontiguousarray": (np.ascontiguousarray, lambda x: np.ascontiguousarray(x, like=x)),
    "asfortranarray": (np.asfortranarray, lambda x: np.asfortranarray(x, like=x)),
    "eye": (np.eye, lambda x: np.eye(3, like=x)),
    "identity": (np.identity, lambda x: np.identity(3, like=x)),
    "tri": (np.tri, lambda x: np.tri(3, like=x)),
    "fromfunction": (np.fromfunction, lambda x: np.fromfunction(np.add, (2, 3), like=x)),
    "fromiter": (np.fromiter, lambda x: np.fromiter([1.0, 2.0, 3.0], float, like=x)),
}
LIKE = tuple(
    [
        Spec(
            f"{name}(like=)",
            lambda m, x, make=make: make(x) * x,
            (S("vector", (real(3),)), S("f4", (real(3, dtype="f4"),))),
            (numpys,),
            of_numpy=False,
        )
        for name, (numpys, make) in _LIKE.items()
    ]
)
