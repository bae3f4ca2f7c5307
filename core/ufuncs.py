"""Ufunc calls off the hot path: operands of any kind, the keywords `dtype=`, `casting=`,
`signature=`, `where=`, `axes=` and kin, and reduce, accumulate, reduceat, outer.

The dtypes are asked of NumPy (`ufunc.resolve_dtypes`), which also refuses what does not cast: then
the operands are cast to the dtypes of the loop, and the operation runs as always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .aval import Array, aval_of
from .conversions import is_in_place_operator, refuse_write
from .dispatch import (
    DEFER,
    UFUNC_METHODS,
    coerce,
    find_ufunc,
    name_of,
    refuse_out,
)
from .errors import DtypeError, UnsupportedError
from .primitives import elementwise as ew
from .source import user_frame
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
    name = name_of(ufunc) + ("" if method == "__call__" else f".{method}")
    out = kwargs.pop("out", None)
    if out is not None and any([o is not None for o in out]):
        frame = user_frame()
        if frame is not None and is_in_place_operator(frame):
            refuse_write(frame)
        refuse_out(name)
    if method == "__call__":
        return _call(ufunc, name, inputs, kwargs)
    if method == "outer" and ufunc.nin == 2 and ufunc.signature is None:
        return _outer(ufunc, name, *inputs, **kwargs)
    ours = UFUNC_METHODS.get((method, ufunc.__name__))
    if ours is None:
        raise UnsupportedError(
            f"{name} has no rule for traced values.",
            needed=f"{method} of a ufunc that has it: "
            + ", ".join(sorted({f"np.{n}.{m}" for m, n in UFUNC_METHODS if m == method})),
            fix="write it with a reduction such as np.sum, np.prod, np.max, or a loop",
        )
    if len(inputs) > 1:
        kwargs.pop("indices", None)  # NumPy hands them over twice when they are given by name
    return ours(*inputs, **kwargs)


def _call(ufunc: np.ufunc, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call with keywords; `order` and `subok` are about memory and classes, not about values."""
    operands = [coerce(x) for x in inputs]
    if any([x is DEFER for x in operands]):
        return NotImplemented
    order = kwargs.pop("order", "K")
    if order not in ("K", "C", "F", "A"):
        raise ValueError(f"{name}: order must be one of 'C', 'F', 'A', or 'K'; got {order!r}")
    kwargs.pop("subok", None)
    where = kwargs.pop("where", True)
    dtypes = {k: kwargs.pop(k) for k in ("dtype", "casting", "signature", "sig") if k in kwargs}
    if dtypes or where is not True:
        operands = _cast_to_loop(ufunc, name, operands, **dtypes)
    if ufunc.signature is not None:
        return _over_axes(ufunc, name, operands, **kwargs)
    if kwargs:
        raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if where is True:
        return _plain_call(ufunc, operands)
    return _where_chosen(ufunc, name, operands, where)


def _plain_call(ufunc: np.ufunc, operands: Sequence[Array]) -> Any:
    if any([isinstance(x, Tracer) for x in operands]):
        return apply_ufunc(find_ufunc(ufunc), tuple(operands))
    return ufunc(*operands)


def _cast_to_loop(
    ufunc: np.ufunc,
    name: str,
    operands: Sequence[Array],
    dtype: Any = None,
    casting: Any = "same_kind",
    signature: Any = None,
    sig: Any = None,
) -> list[Array]:
    """The operands in the dtypes of the loop that NumPy would run."""
    signature = sig if signature is None else signature
    if isinstance(signature, str):
        letters = signature.replace("->", "")
        if len(letters) == ufunc.nin + ufunc.nout:
            signature = tuple([np.dtype(c) for c in letters])
        else:  # the dtype of the results alone
            dtype, signature = np.dtype(letters), None
    if signature is not None and dtype is not None:
        raise TypeError(f"{name}: give either `dtype` or `signature`, not both")
    if signature is None and dtype is not None:
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    elif signature is not None:
        signature = tuple([None if d is None else np.dtype(d) for d in signature])
    kinds = [aval_of(x).dtype_or_python_type for x in operands] + [None] * ufunc.nout
    given = {} if signature is None else {"signature": signature}
    loop = ufunc.resolve_dtypes(tuple(kinds), casting=casting, **given)
    return [ew.astype(x, d) for x, d in zip(operands, loop, strict=False)]


_INSIDE = {"arccosh": 2.0}
"""Where a ufunc has derivatives, if 0.5 is no such place."""


def _where_chosen(ufunc: np.ufunc, name: str, operands: Sequence[Array], where: Any) -> Any:
    """The results where the mask is True, and 0, without derivative, where it is not.

    NumPy leaves those undefined. The operands there are exchanged for a harmless number, so that
    they neither warn nor spoil a derivative.
    """
    mask = coerce(where)
    if mask is DEFER or aval_of(mask).dtype.kind != "b":
        raise DtypeError(
            f"{name}: `where` must be a mask of bools.",
            got=repr(where),
            fix="where=mask.astype(bool)",
        )
    inside = _INSIDE.get(ufunc.__name__, 0.5)
    chosen = []
    for x in operands:
        dtype = aval_of(x).dtype
        chosen.append(np.where(mask, x, dtype.type(inside if dtype.kind in "fc" else 1)))
    y = _plain_call(ufunc, chosen)
    if isinstance(y, tuple):
        return tuple([np.where(mask, v, aval_of(v).dtype.type(0)) for v in y])
    return np.where(mask, y, aval_of(y).dtype.type(0))


def _outer(ufunc: np.ufunc, name: str, A: Any, B: Any, /, **kwargs: Any) -> Any:
    """Every element of A with every one of B."""
    a, b = ew.as_array(A, name), ew.as_array(B, name)
    return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b, **kwargs)


# Generalized ufuncs, which work on the last axes: matmul, vecdot, matvec, vecmat.


def _over_axes(
    ufunc: np.ufunc,
    name: str,
    operands: Sequence[Array],
    axes: Any = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Any:
    """A generalized ufunc over axes given by `axis` (one, in all operands) or `axes` (a tuple of
    them for each operand and result).
    """
    inputs, _, output = str(ufunc.signature).partition("->")
    cores = [s.count(",") + 1 for s in inputs.strip("()").split("),(")]
    results = 0 if output == "()" else output.count(",") + 1
    if axis is not None:
        if axes is not None or set(cores) != {1} or results:
            raise TypeError(
                f"{name}: `axis` is for functions of vectors, and excludes `axes`; "
                f"its signature is {ufunc.signature}"
            )
        axes = [(axis,)] * ufunc.nin
    if keepdims and (results or len(set(cores)) > 1):
        raise TypeError(f"{name}: `keepdims` is for functions that reduce all their core axes")
    if axes is None:
        y = _plain_call(ufunc, operands)
        return y[(..., *[None] * cores[0])] if keepdims else y
    places = [a if isinstance(a, tuple) else (a,) for a in axes]
    moved = [
        np.moveaxis(x, a, range(-len(a), 0)) if len(a) else x
        for x, a in zip(operands, places, strict=False)
    ]
    y = _plain_call(ufunc, moved)
    if keepdims:
        y = y[(..., *[None] * cores[0])]
    at = places[ufunc.nin] if len(places) > ufunc.nin else places[0] if keepdims else ()
    return np.moveaxis(y, range(-len(at), 0), at) if at else y
