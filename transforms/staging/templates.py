"""How each primitive is written in Python: an expression of the names of its operands.

`template : equation -> Template`. What has no template of its own is a call of the primitive's
`impl`. A template says whether NumPy can write the result into a buffer (`out`), and whether that
may be the memory of an operand (`in_place`).

Every expression gives what the primitive's `impl` gives, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.dispatch import UFUNCS
from ...core.ir import Equation, Literal
from ...core.primitives.indexing import Place
from ...core.tracing import Primitive

__all__ = ["Template", "index_text", "makes_new_memory", "reserved", "template"]


class Template(NamedTuple):
    """`text` has {0}, {1}, ... for the operands, and {out} where a buffer goes.

    {place} stands for the buffer alone, or None. `names` are what the text refers to, besides the
    operands.
    """

    text: str
    names: dict[str, Any]
    out: bool = False
    in_place: bool = False


Maker = Callable[[Equation], Template | None]

_NEW: Final = frozenset([
    "argmax", "argmin", "argsort", "cholesky", "concatenate", "convolve", "cross", "cumprod",
    "cumsum", "det", "fused", "inv", "logsumexp", "matmul", "mean", "norm", "reduce_all",
    "reduce_any", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum", "scatter_sum", "setitem",
    "slogdet", "solve", "sort", "stack", "std", "var", "where",
])  # fmt: skip
"""Primitives whose results share no memory with an operand, besides ufuncs."""


def reserved() -> set[str]:
    """The names that templates give to functions."""
    functions = {"add_at", "array", "columns_of", "concatenate", "copy_of", "empty", "zeros", "s_"}
    functions.update(["dot", "matmul", "max_of", "min_of", "sum_of", "asarray", "bool", *_DTYPES])
    functions.update(["float16", "longdouble", "clongdouble", "int8", "int16", "int32", "uint8"])
    functions.update(["uint16", "uint32", "uint64"])
    return functions.union([u.__name__ for u in UFUNCS])


_UFUNC_OF: dict[Primitive, np.ufunc] = {}


def ufunc_of(primitive: Primitive) -> np.ufunc | None:
    """NumPy's ufunc that computes an elementwise primitive, where there is one."""
    if not _UFUNC_OF:
        for ufunc, ours in UFUNCS.items():
            if type(ours) is Primitive and ours.elementwise and ufunc.nout == 1:
                _UFUNC_OF.setdefault(ours, ufunc)
    return _UFUNC_OF.get(primitive)


def makes_new_memory(e: Equation) -> list[bool]:
    """For each result, whether it is certain that it shares no memory with an operand."""
    name = e.primitive.name
    new = name in _NEW or (ufunc_of(e.primitive) is not None and not e.params)
    if name == "einsum":  # of one array it may be a view
        new = len(e.inputs) > 1
    if name == "astype":
        new = bool(e.inputs[0].aval.shape)
    return [new] * len(e.outputs)


def template(e: Equation) -> Template | None:
    """The text for an equation; None where `impl` must be called."""
    make = _MAKERS.get(e.primitive.name)
    return _elementwise(e) if make is None else make(e)


def _elementwise(e: Equation) -> Template | None:
    """The call of a ufunc."""
    ufunc = ufunc_of(e.primitive)
    if ufunc is None or e.params or ufunc.nin != len(e.inputs):
        return None
    if not any([a.aval.shape for a in e.inputs]):
        return None  # on NumPy's numbers `impl` is faster
    due = e.outputs[0].aval
    if due.weak_type:
        return None  # a Python number, and NumPy's would decide dtypes
    given = [a.aval.dtype_or_python_type for a in e.inputs]
    if ufunc.resolve_dtypes((*given, None))[-1] != due.dtype:
        return None
    operands = ", ".join([f"{{{i}}}" for i in range(ufunc.nin)])
    wide = bool(e.outputs[0].aval.shape)
    # NumPy is going to take a third operand of these for one to compare with.
    out = ", out={place}" if ufunc in (np.maximum, np.minimum) else "{out}"
    name = ufunc.__name__
    if getattr(np, name, None) is not ufunc:
        name = f"special_{name}"  # SciPy has names as k0
    return Template(f"{name}({operands}{out})", {name: ufunc}, wide, wide)


def _axis(axes: tuple[int, ...], ndim: int) -> str:
    """The axes as NumPy takes them fastest."""
    if len(axes) == ndim:
        return "None"
    return str(axes[0]) if len(axes) == 1 else str(axes)


def _reduction(ufunc: np.ufunc, name: str) -> Maker:
    def make(e: Equation) -> Template | None:
        x, out = e.inputs[0].aval, e.outputs[0].aval
        axes = tuple(e.params["axes"])
        if set(e.params) - {"axes", "keepdims"} or x.dtype != out.dtype or not axes or not x.size:
            return None
        keepdims = ", None, None, True" if e.params.get("keepdims") else ""
        return Template(f"{name}({{0}}, {_axis(axes, x.ndim)}{keepdims})", {name: ufunc.reduce})

    return make


def _mean(e: Equation) -> Template | None:
    x, out = e.inputs[0].aval, e.outputs[0].aval
    axes = tuple(e.params["axes"])
    if set(e.params) != {"axes"} or not x.dtype == out.dtype == np.float64 or not axes:
        return None
    n = x.size // max(out.size, 1)
    if not n or not out.size:
        return None
    text = f"sum_of({{0}}, {_axis(axes, x.ndim)}) / {float(n)!r}"
    return Template(text, {"sum_of": np.add.reduce})


def _transpose(e: Equation) -> Template | None:
    axes = tuple(e.params["axes"])
    if axes == tuple(range(len(axes)))[::-1]:
        return Template("{0}.T", {})
    return Template(f"{{0}}.transpose({axes})", {})


def _matmul(e: Equation) -> Template | None:
    a, b = e.inputs[0].aval, e.inputs[1].aval
    if e.params:
        return None
    if a.ndim == b.ndim == 1:
        return Template("dot({0}, {1})", {"dot": np.dot})
    return Template("matmul({0}, {1}{out})", {"matmul": np.matmul}, out=True)


def _reshape(e: Equation) -> Template | None:
    if set(e.params) != {"shape"} or not e.inputs[0].aval.shape:
        return None
    shape = e.outputs[0].aval.shape
    return Template(f"{{0}}.reshape({shape})" + ("" if shape else "[()]"), {})


def _getitem(e: Equation) -> Template | None:
    index = e.params["index"]
    if not isinstance(index, tuple) or not index:
        return None
    text = index_text(index, [f"{{{k}}}" for k in range(1, len(e.inputs))])
    if text is None:
        return None
    scalar = "[()]" if "..." in text and not e.outputs[0].aval.shape else ""
    return Template(f"{{0}}[{text}]{scalar}", {})


def index_text(index: Any, arrays: Sequence[str]) -> str | None:
    """What stands between the brackets, for an index with these arrays; None if it is unknown."""
    if not isinstance(index, tuple):
        return None
    if not index:
        return "..."
    parts = []
    rest = iter(arrays)
    for i in index:
        if isinstance(i, slice):
            if not all([v is None or type(v) is int for v in (i.start, i.stop, i.step)]):
                return None
            step = "" if i.step is None else f":{i.step}"
            start, stop = ("" if v is None else str(v) for v in (i.start, i.stop))
            parts.append(f"{start}:{stop}{step}")
        elif i is None or i is Ellipsis or type(i) is int:
            parts.append("..." if i is Ellipsis else str(i))
        elif i is Place.ARRAY:
            parts.append(next(rest))
        else:
            return None
    comma = "," if len(parts) == 1 and (parts[0] == "None" or arrays) else ""
    return ", ".join(parts) + comma


def _concatenate(e: Equation) -> Template | None:
    dtype = e.outputs[0].aval.dtype
    if any([a.aval.dtype != dtype or a.aval.weak_type or not a.aval.shape for a in e.inputs]):
        return None
    parts = ", ".join([f"{{{k}}}" for k in range(len(e.inputs))])
    text = f"concatenate(({parts},), {e.params['axis']}{{out}})"
    return Template(text, {"concatenate": np.concatenate}, out=True)


def _clip(e: Equation) -> Template | None:
    x, out = e.inputs[0].aval, e.outputs[0].aval
    if not x.shape or x.shape != out.shape or x.dtype != out.dtype or e.params:
        return None
    return Template("{0}.clip({1}, {2}{out})", {}, out=True, in_place=True)


def _diagonal(e: Equation) -> Template | None:
    return Template(f"{{0}}.diagonal({e.params['offset']}, -2, -1)", {})


def _pow(e: Equation) -> Template | None:
    x, p = e.inputs
    if x.aval.shape and p.aval.weak_type and (type(p) is not Literal or p.value in (-1, 0.5)):
        return Template("{0} ** {1}", {})  # NumPy's operator has functions of its own for some
    return _elementwise(e)


def _astype(e: Equation) -> Template | None:
    dtype = e.params["dtype"]
    if not e.inputs[0].aval.shape or dtype.name not in _DTYPES or np.dtype(dtype.name) != dtype:
        return None
    return Template(f"{{0}}.astype({dtype.name})", {dtype.name: dtype.type})


_DTYPES: Final = frozenset(["float64", "float32", "complex128", "complex64", "int64"])

_MAKERS: dict[str, Maker] = {
    "astype": _astype,
    "clip": _clip,
    "concatenate": _concatenate,
    "diagonal": _diagonal,
    "getitem": _getitem,
    "matmul": _matmul,
    "mean": _mean,
    "pow": _pow,
    "reduce_max": _reduction(np.maximum, "max_of"),
    "reduce_min": _reduction(np.minimum, "min_of"),
    "reduce_sum": _reduction(np.add, "sum_of"),
    "reshape": _reshape,
    "transpose": _transpose,
}
