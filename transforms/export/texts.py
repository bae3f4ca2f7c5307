"""What is written for each primitive. `TEXTS` gives expressions, `BLOCKS` lines.

What is in neither is a ufunc, or its own function is written (`lifting.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Container, Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Equation
from ...core.primitives.indexing import Place
from ...core.tracing import Primitive
from ..staging.templates import makes_new_memory, ufunc_of
from .unparsing import expression
from .writer import Scope, StatementRule, Text, call, name_of

__all__ = ["BLOCKS", "TEXTS", "ufunc_text"]


def _operator(sign: type[ast.operator]) -> Text:
    return lambda scope, e, args: ast.BinOp(args[0], sign(), args[1])


def _comparison(sign: type[ast.cmpop]) -> Text:
    return lambda scope, e, args: ast.Compare(args[0], [sign()], [args[1]])


def _bits(sign: type[ast.operator], name: str) -> Text:
    """`&`, `|` and `^` of arrays and NumPy's scalars."""

    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        if any([isinstance(a, ast.Constant) for a in args]):
            return call(scope.module.numpy(name), *args)
        return ast.BinOp(args[0], sign(), args[1])

    return text


def _numpys(name: str) -> Text:
    return lambda scope, e, args: call(scope.module.numpy(name), *args)


def _first(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    return args[0]


def _negative(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    return ast.UnaryOp(ast.USub(), args[0])


def _invert(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    if isinstance(args[0], ast.Constant):
        return call(scope.module.numpy("invert"), args[0])
    return ast.UnaryOp(ast.Invert(), args[0])


def _power(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    if all([isinstance(a, ast.Constant) for a in args]):
        return call(scope.module.numpy("power"), *args)
    return ast.BinOp(args[0], ast.Pow(), args[1])


def _attribute(name: str) -> Text:
    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        if isinstance(args[0], ast.Constant):
            return call(scope.module.numpy(name), args[0])
        return ast.Attribute(args[0], name, ast.Load())

    return text


def _astype(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    kind = scope.module.dtype(e.params["dtype"])
    aval = e.inputs[0].aval
    if not aval.shape and not (aval.dtype.kind == "c" and e.params["dtype"].kind != "c"):
        return call(kind, args[0])
    return call(ast.Attribute(args[0], "astype", ast.Load()), kind)


def _axis(axes: Sequence[int], ndim: int) -> dict[str, ast.expr]:
    """`axis=`, where it is not all of them."""
    if len(axes) == ndim and ndim:
        return {}
    axes = tuple(axes)
    value: Any = axes[0] if len(axes) == 1 else axes
    return {"axis": ast.parse(repr(value), mode="eval").body}


def _reduction(name: str) -> Text:
    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        found = _axis(e.params["axes"], len(e.inputs[0].aval.shape))
        if e.params.get("ddof"):
            found["ddof"] = scope.module.value(e.params["ddof"])
        if e.params.get("keepdims"):
            found["keepdims"] = ast.Constant(True)
        return call(scope.module.numpy(name), args[0], **found)

    return text


def _reshape(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    shape = [ast.Constant(n) for n in e.params["shape"]]
    if not e.inputs[0].aval.shape or not shape:
        found = call(scope.module.numpy("reshape"), args[0], scope.module.value(e.params["shape"]))
        return found if shape else ast.Subscript(found, ast.Tuple([], ast.Load()), ast.Load())
    return call(ast.Attribute(args[0], "reshape", ast.Load()), *shape)


def _transpose(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    axes = tuple(e.params["axes"])
    if axes == tuple(range(len(axes))):
        return args[0]
    if axes == tuple(range(len(axes)))[::-1]:
        return ast.Attribute(args[0], "T", ast.Load())
    return call(
        ast.Attribute(args[0], "transpose", ast.Load()), *[ast.Constant(int(a)) for a in axes]
    )


def _broadcast(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    return call(scope.module.numpy("broadcast_to"), args[0], scope.module.value(e.params["shape"]))


def _joined(name: str) -> Text:
    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        axis = e.params["axis"]
        more = {"axis": ast.Constant(axis)} if axis else {}
        return call(scope.module.numpy(name), ast.List(args, ast.Load()), **more)

    return text


def _matmul(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    if e.params:
        return scope.lifted(e, args)
    return ast.BinOp(args[0], ast.MatMult(), args[1])


def _einsum(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    more = {}
    if e.params.get("optimize"):
        more["optimize"] = scope.module.value(e.params["optimize"])
    return call(scope.module.numpy("einsum"), ast.Constant(e.params["subscripts"]), *args, **more)


def _along(name: str) -> Text:
    """cumsum, sort and kin: `np.name(x, axis=...)`, the axis left out where it is the only one."""

    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        more: dict[str, ast.expr] = {}
        if e.inputs[0].aval.ndim != 1:
            more["axis"] = scope.module.value(e.params["axis"])
        if e.params.get("kind") is not None:
            more["kind"] = ast.Constant(e.params["kind"])
        return call(scope.module.numpy(name), args[0], **more)

    return text


def _copy(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    return call(scope.module.numpy("copy"), args[0])


def ufunc_text(primitive: Primitive) -> Text | None:
    """The call of the ufunc that computes a primitive."""
    ufunc = ufunc_of(primitive)
    if ufunc is None:
        return None

    def text(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
        if e.params or ufunc.nin != len(args):
            return scope.lifted(e, args)
        return ast.Call(scope.module.path_of(ufunc), list(args), [])

    return text


# Indices.


def key_of(scope: Scope, index: Any, arrays: Sequence[ast.expr]) -> ast.expr:
    """What stands in the brackets."""
    rest = iter(arrays)
    parts: list[ast.expr] = []
    for i in index:
        if i is Place.ARRAY:
            parts.append(next(rest))
        elif isinstance(i, slice):
            ends = [None if v is None else scope.module.value(v) for v in (i.start, i.stop, i.step)]
            parts.append(ast.Slice(*ends))
        else:
            parts.append(scope.module.value(int(i) if isinstance(i, np.integer) else i))
    return parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())


def _getitem(scope: Scope, e: Equation, args: list[ast.expr]) -> ast.expr:
    key = key_of(scope, e.params["index"], args[1:])
    x, aval = args[0], e.inputs[0].aval
    if (aval.weak_type and not aval.shape) or isinstance(x, ast.Constant):
        x = call(scope.module.numpy("asarray"), x)
    elif not aval.shape and not e.params["index"]:
        return x
    return ast.Subscript(x, key, ast.Load())


def _target(name: str, key: ast.expr) -> str:
    return expression(ast.Subscript(name_of(name), key, ast.Store()))


def _setitem(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """A copy, and an assignment to a part of it."""
    x, v, *arrays = args
    key = key_of(scope, e.params["index"], arrays)
    made = e.inputs[0]
    name = scope.take(e.outputs[0])
    if isinstance(x, ast.Constant | ast.Name) or made not in _owned(scope):
        x = call(scope.module.numpy("array"), x)
    scope.writer.assign(name, x)
    scope.writer.line(f"{_target(name, key)} = {expression(v)}")


def _owned(scope: Scope) -> Container[Any]:
    """The variables whose memory is certainly new, and that are used once."""
    if not scope.fresh:
        for e in scope.program.equations:
            for v, new in zip(e.outputs, makes_new_memory(e), strict=True):
                if new and scope.used[v] == 1:
                    scope.fresh.add(v)
    return scope.fresh


def _scatter_sum(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """An array of zeros, and what is added to its parts."""
    places, dtype = e.params["places"], e.params["dtype"]
    module = scope.module
    shape = e.params["shape"]
    more = [] if dtype == np.float64 else [module.dtype(dtype)]
    size = module.value(shape[0] if len(shape) == 1 else tuple(shape))
    name = scope.take(e.outputs[0])
    scope.writer.assign(name, call(module.numpy("zeros"), size, *more))
    at = len(places)
    for k, (index, n) in enumerate(places):
        key = key_of(scope, index, args[at : at + n])
        at += n
        if n:
            add = ast.Attribute(module.numpy("add"), "at", ast.Load())
            if isinstance(key, ast.Tuple):
                key = ast.Tuple([_as_object(v) for v in key.elts], ast.Load())
            scope.writer.line(expression(call(add, name_of(name), _as_object(key), args[k])))
        else:
            scope.writer.line(f"{_target(name, key)} {'+=' if k else '='} {expression(args[k])}")
    if not shape:
        scope.writer.line(f"{name} = {name}[()]")


def _as_object(key: ast.expr) -> ast.expr:
    """A slice outside of brackets."""
    if not isinstance(key, ast.Slice):
        return key
    ends = [key.lower, key.upper, key.step]
    parts = [ast.Constant(None) if v is None else v for v in ends]
    if ends[0] is None and ends[2] is None:
        parts = parts[1:2]
    return call(name_of("slice"), *parts)


_BINARY: Final[dict[str, type[ast.operator]]] = {
    "add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "div": ast.Div, "remainder": ast.Mod,
    "floor_divide": ast.FloorDiv, "left_shift": ast.LShift, "right_shift": ast.RShift,
}  # fmt: skip
_COMPARED: Final[dict[str, type[ast.cmpop]]] = {
    "less": ast.Lt, "less_equal": ast.LtE, "greater": ast.Gt, "greater_equal": ast.GtE,
    "equal": ast.Eq, "not_equal": ast.NotEq,
}  # fmt: skip
_REDUCED: Final[dict[str, str]] = {
    "reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max", "reduce_min": "min",
    "reduce_any": "any", "reduce_all": "all", "mean": "mean", "var": "var", "std": "std",
    "median": "median",
    **{f"nan{name}": f"nan{name}" for name in ("mean", "var", "std", "max", "min", "median")},
}  # fmt: skip

TEXTS: dict[str, Text] = {
    **{name: _operator(sign) for name, sign in _BINARY.items()},
    **{name: _comparison(sign) for name, sign in _COMPARED.items()},
    **{name: _reduction(numpys) for name, numpys in _REDUCED.items()},
    **{name: _along(name) for name in ("cumsum", "cumprod", "sort", "argsort")},
    "bitwise_and": _bits(ast.BitAnd, "bitwise_and"),
    "bitwise_or": _bits(ast.BitOr, "bitwise_or"),
    "bitwise_xor": _bits(ast.BitXor, "bitwise_xor"),
    "invert": _invert,
    "abs": _numpys("abs"),
    "neg": _negative,
    "pow": _power,
    "real": _attribute("real"),
    "imag": _attribute("imag"),
    "where": _numpys("where"),
    "astype": _astype,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "concatenate": _joined("concatenate"),
    "stack": _joined("stack"),
    "matmul": _matmul,
    "einsum": _einsum,
    "getitem": _getitem,
    "copy": _copy,
    "stop_gradient": _first,
    "value": _first,
    "name": _first,
}
"""By the primitive's name."""

BLOCKS: dict[str, StatementRule] = {"setitem": _setitem, "scatter_sum": _scatter_sum}
"""By the primitive's name: what needs more than one statement."""
