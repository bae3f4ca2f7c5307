"""Ufunc calls off the hot path: operands of any kind, `dtype=`, `where=`, `out=`, and reduce,
accumulate, outer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .aval import aval_of
from .dispatch import (
    DEFER,
    UFUNC_METHODS,
    coerce,
    find_ufunc,
    refuse_out,
    unsupported_argument,
)
from .errors import UnsupportedError
from .primitives import elementwise as ew
from .tracing import Primitive, Tracer, newest_trace

__all__ = ["apply_ufunc", "numpy_result", "special_ufunc_call"]


def numpy_result(y: Any) -> Any:
    """What a ufunc returns where Python's operator returned a Python number: a NumPy scalar."""
    if isinstance(y, Tracer):
        return ew.astype(y, y.aval.dtype) if y.aval.weak_type else y
    return aval_of(y).dtype.type(y) if type(y) in (bool, float, complex, int) else y


def apply_ufunc(ours: Any, inputs: tuple[Any, ...]) -> Any:
    """Apply a primitive or function to operands of any kind."""
    operands = [coerce(x) for x in inputs]
    if any([x is DEFER for x in operands]):
        return NotImplemented
    if type(ours) is not Primitive:
        return ours(*operands)
    trace = newest_trace(operands)
    assert trace is not None
    return (
        trace.process(ours, operands, {})
        if len(operands) != 2
        else trace.process2(ours, operands[0], operands[1])
    )


def special_ufunc_call(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`ufunc(..., dtype=...)`, `ufunc.reduce(...)` and the like."""
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    out = kwargs.pop("out", None)
    if out is not None and any([o is not None for o in out]):
        refuse_out(name)
    if method != "__call__":
        ours = UFUNC_METHODS.get((method, ufunc.__name__))
        if ours is None:
            raise UnsupportedError(
                f"{name} has no rule for traced values.",
                needed="reduce, accumulate or outer of a ufunc that has them: "
                + ", ".join(sorted({f"np.{n}.{m}" for m, n in UFUNC_METHODS if m == method})),
                fix="write it with a reduction such as np.sum, np.prod, np.max, or a loop",
            )
        return ours(*inputs, **kwargs)
    kwargs.pop("casting", None)
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    where = kwargs.pop("where", True)
    if where is not True:
        raise unsupported_argument(
            name, "where", where, "choose afterwards: np.where(mask, f(x), other)"
        )
    dtype = kwargs.pop("dtype", None)
    if kwargs:
        raise unsupported_argument(
            name, next(iter(kwargs)), next(iter(kwargs.values())), "leave it out"
        )
    if dtype is not None:
        inputs = tuple([ew.astype(coerce(x), dtype) for x in inputs])
    return apply_ufunc(find_ufunc(ufunc), inputs)
