"""Choosing between values, element by element: where, select, choose, piecewise, clip, nan_to_num;
and isclose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of, is_inexact
from ..dispatch import asarray, implements, refuse_out, unsupported_argument
from ..errors import DtypeError
from ..rules import align_batch, elementwise, ndim_of, unbroadcast, variadic
from ..tracing import Primitive, Together, Tracer
from .elementwise import as_array, astype, real_dtype, weight
from .indexing import Place, getitem, scatter
from .values import plain_value

where_p = elementwise(
    "where",
    None,
    jvps=(
        None,
        lambda t, y, c, a, b: np.where(c, t, 0),
        lambda t, y, c, a, b: np.where(c, 0, t),
    ),
    impl=np.where,
    dtype=lambda c, a, b: _promoted(a, b),
    transposes=(
        None,
        lambda ct, c, a, b: np.where(c, ct, 0),
        lambda ct, c, a, b: np.where(c, 0, ct),
    ),
    linear="jointly",
)


def _promoted(*avals: ShapedArray) -> np.dtype[Any]:
    return np.result_type(*[a.dtype_or_python_type(1) if a.weak_type else a.dtype for a in avals])


@implements(np.where)
def where(condition: Array, x: Array = None, y: Array = None) -> Any:
    """`np.where` on traced values."""
    if x is None and y is None:
        return np.nonzero(condition)
    return where_p.bind(
        asarray(condition, "np.where"), asarray(x, "np.where"), asarray(y, "np.where")
    )


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Array = 0) -> Array:
    """`np.select` on traced values."""
    conditions = [asarray(c, "np.select") for c in condlist]
    if not conditions or len(conditions) != len(choicelist):
        raise ValueError("np.select: needs conditions, and as many choices")
    y = asarray(default, "np.select")
    for i, condition in reversed(list(enumerate(conditions))):
        if aval_of(condition).dtype.kind != "b":
            raise TypeError(
                f"np.select: conditions must be of bools; number {i} is {aval_of(condition)!r}"
            )
        y = np.where(condition, choicelist[i], y)
    return y


# choose: linear in the choices together.


def _choose_transpose(
    ct: Array, wanted: Sequence[bool], a: Array, *choices: Any
) -> list[Array | None]:
    return [
        None,
        *[
            unbroadcast(np.where(a == k, ct, 0), v) if on else None
            for k, (v, on) in enumerate(zip(choices, wanted[1:], strict=True))
        ],
    ]


def _choose_batch(size: int, batched: Sequence[bool], *args: Array) -> Array:
    rank = max([ndim_of(v) - b for v, b in zip(args, batched, strict=True)])
    return choose_p.bind(
        *[align_batch(rank, v) if b else v for v, b in zip(args, batched, strict=True)]
    )


choose_p: Primitive = variadic(
    "choose",
    lambda a, *choices: np.choose(a, choices),
    Together(_choose_transpose),
    linear="jointly",
    linear_args=range(1, 1 << 10),
    shape=lambda *avals: ShapedArray(
        np.broadcast_shapes(*[v.shape for v in avals]), _promoted(*avals[1:])
    ),
    batch=_choose_batch,
)


@implements(np.choose)
def choose(a: Array, choices: Any, out: None = None, mode: str = "raise") -> Array:
    """`np.choose` on traced values."""
    k = as_array(a, "np.choose")
    if aval_of(k).dtype.kind not in "iub":
        raise DtypeError("np.choose: the choice must be given by ints.", got=repr(aval_of(k)))
    n = len(choices) if isinstance(choices, list | tuple) else choices.shape[0]
    xs = [as_array(choices[i], "np.choose") for i in range(n)]
    if mode == "wrap":
        k = k % n
    elif mode == "clip":
        k = np.clip(k, 0, n - 1)
    elif mode != "raise":
        raise ValueError(f"np.choose: mode must be 'raise', 'wrap' or 'clip'; got {mode!r}")
    return choose_p.bind(k, *xs)


# piecewise.


def _conditions(x: Array, condlist: Any, functions: int) -> list[Array]:
    """One mask for each function; the last one may be for the rest."""
    operation = "np.piecewise"
    if not isinstance(condlist, list | tuple):
        mask = asarray(condlist, operation)
        single = np.ndim(mask) == 0 or (np.ndim(mask) == 1 and x.ndim > 0)
        condlist = [mask] if single else [mask[i] for i in range(mask.shape[0])]
    elif x.ndim and condlist and not isinstance(condlist[0], list) and not np.ndim(condlist[0]):
        condlist = [condlist]  # one condition, as a list of bools
    masks = [astype(as_array(c, operation), np.bool_) for c in condlist]
    if len(masks) not in (functions, functions - 1):
        raise ValueError(
            f"{operation}: {len(masks)} conditions need as many functions, or one more; got "
            f"{functions}"
        )
    if len(masks) < functions:
        rest = ~masks[0]
        for mask in masks[1:]:
            rest = rest & ~mask
        masks.append(rest)
    return [np.broadcast_to(m, x.shape) for m in masks]


def _applied(f: Any, x: Array, mask: Array, extra: Any) -> Array:
    """What a function gives for the chosen elements, in their places."""
    unknown = isinstance(mask, Tracer)
    if unknown:
        # All elements go in; those not chosen as one that is, which the function is defined at.
        first = np.argmax(np.ravel(mask))
        return f(np.where(mask, x, getitem(np.ravel(x), first)), *extra[0], **extra[1])
    places = np.nonzero(mask)
    found = f(getitem(x, places), *extra[0], **extra[1]) if places[0].size else 0.0
    found = np.broadcast_to(astype(as_array(found, "np.piecewise"), x.dtype), places[0].shape)
    return scatter(found, (Place.ARRAY,) * x.ndim, x.shape, *places)


@implements(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """`np.piecewise` on traced values. In vmap and programs, each function is called with an array
    of x's shape.
    """
    x = as_array(x, "np.piecewise")
    masks = _conditions(x, condlist, len(funclist))
    flat = np.atleast_1d(x)
    dtype = aval_of(x).dtype
    y: Array = np.zeros(flat.shape, dtype)
    if not y.size:
        return np.zeros(x.shape, dtype)
    for mask, f in zip(masks, funclist, strict=True):
        mask = np.reshape(mask, flat.shape)
        part = _applied(f, flat, mask, (args, kw)) if callable(f) else as_array(f, "np.piecewise")
        y = np.where(mask, astype(part, dtype), y)
    return np.reshape(y, x.shape)


# clip.

clip_p = elementwise(
    "clip",
    None,
    # Inside the bounds, and on them, x decides.
    lambda y, x, low, high: weight(y, (x >= low) & (x <= high)),
    lambda y, x, low, high: weight(y, (x < low) & (low <= high)),
    lambda y, x, low, high: weight(y, (x > high) | (low > high)),
    impl=np.clip,
    dtype=lambda x, low, high: _promoted(x, low, high),
)


def _extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the greatest value of a dtype."""
    if dtype.kind == "b":
        return False, True
    if is_inexact(dtype):
        return -math.inf, math.inf
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@implements(np.clip)
def clip(
    a: Array, a_min: Array = None, a_max: Array = None, out: None = None, **kwargs: Any
) -> Array:
    """`np.clip` on traced values; on the edges the derivative is that of the inside."""
    low = kwargs.pop("min", None) if a_min is None else a_min
    high = kwargs.pop("max", None) if a_max is None else a_max
    kwargs.pop("min", None)
    kwargs.pop("max", None)
    if out is not None:
        refuse_out("np.clip")
    if kwargs:
        raise unsupported_argument(
            "np.clip", next(iter(kwargs)), next(iter(kwargs.values())), "leave it out"
        )
    x = asarray(a, "np.clip")
    if low is None and high is None:
        return np.positive(x)
    least, most = _extremes(aval_of(x).dtype)
    low = least if low is None else low
    high = most if high is None else high
    return clip_p.bind(x, asarray(low, "np.clip"), asarray(high, "np.clip"))


def _finite(x: Array, nan: Array, high: Array, low: Array) -> Array:
    wide = np.broadcast_shapes(*[np.shape(v) for v in (x, nan, high, low)])
    return np.nan_to_num(np.broadcast_to(x, wide), nan=nan, posinf=high, neginf=low)


finite_p = elementwise(
    "nan_to_num",
    None,
    lambda y, x, nan, high, low: weight(y, np.isfinite(x)),
    lambda y, x, nan, high, low: weight(y, np.isnan(x)),
    lambda y, x, nan, high, low: weight(y, np.isinf(x) & (x > 0)),
    lambda y, x, nan, high, low: weight(y, np.isinf(x) & (x < 0)),
    impl=_finite,
    dtype=lambda x, *values: x.dtype,
)


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """`np.nan_to_num` on traced values; where a value is replaced, the derivative is zero."""
    operation = "np.nan_to_num"
    x = as_array(x, operation)
    dtype = aval_of(x).dtype
    if dtype.kind not in "fc":
        return np.copy(x) if copy else x
    info = np.finfo(dtype)
    given = (nan, info.max if posinf is None else posinf, info.min if neginf is None else neginf)
    values = [astype(as_array(v, operation), real_dtype(dtype)) for v in given]
    if dtype.kind == "c":
        y = finite_p.bind(np.real(x), *values) + 1j * finite_p.bind(np.imag(x), *values)
    else:
        y = finite_p.bind(x, *values)
    if copy or not np.ndim(x):
        return y
    x[...] = y
    return x


@implements(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    """`np.real_if_close` on traced values, where they are concrete."""
    x = as_array(a, "np.real_if_close")
    dtype = aval_of(x).dtype
    if dtype.kind != "c":
        return x
    parts = plain_value(np.imag(x), "np.real_if_close", "whether the result is complex")
    near = float(np.finfo(dtype).eps) * tol if tol > 1 else tol
    return np.real(x) if np.all(np.abs(parts) < near) else x


def _infinite(x: Array, operation: str) -> tuple[Array, Array]:
    x = asarray(x, operation)
    if aval_of(x).dtype.kind == "c":
        raise DtypeError(f"{operation}: complex numbers have no sign.", got=repr(aval_of(x)))
    return np.isinf(x), np.signbit(x)


@implements(np.isposinf)
def isposinf(x: Array, out: None = None) -> Array:
    """`np.isposinf` on traced values: plain bools."""
    infinite, negative = _infinite(x, "np.isposinf")
    return infinite & ~negative


@implements(np.isneginf)
def isneginf(x: Array, out: None = None) -> Array:
    """`np.isneginf` on traced values: plain bools."""
    infinite, negative = _infinite(x, "np.isneginf")
    return infinite & negative


@implements(np.isclose)
def isclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """`np.isclose` on traced values; its derivative is zero."""
    a, b = asarray(a, "np.isclose"), asarray(b, "np.isclose")
    both_finite = np.isfinite(a) & np.isfinite(b)
    x, y = np.where(both_finite, a, 0), np.where(both_finite, b, 0)
    near = np.abs(x - y) <= atol + rtol * np.abs(y)
    result = np.where(both_finite, near, a == b)
    return result | (np.isnan(a) & np.isnan(b)) if equal_nan else result


@implements(np.allclose)
def allclose(
    a: Array, b: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Array:
    """`np.allclose` on traced values; its derivative is zero."""
    close = np.all(np.isclose(a, b, rtol, atol, equal_nan))
    return close if isinstance(close, Tracer) else bool(close)
