"""Python functions as text that needs NumPy and SciPy alone: how primitives without a text of their
own are written.

`Lifter.call : function, operands, parameters -> expression`. What a function refers to (functions,
numbers, arrays, other primitives) is written too: small functions in the place of the call, others
as helper functions, once each. What is only asked about traced values is left out.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray, aval_of, weak_number
from ...core.dispatch import is_traced
from ...core.errors import WengertError
from ...core.primitives.elementwise import as_array, astype
from ...core.primitives.indexing import getitem
from ...core.rules import convert
from ...core.storage import current
from ...core.tracing import Primitive, Tracer
from .function_source import own_names, source_of
from .module import Module, NoTextError

__all__ = ["Lifter"]

_ANYTHING: Final = frozenset(["impl", "run", "call", "compute", "function", "f", "fun", "value"])
"""Names of functions that say less than the name of what uses them."""
_INLINE: Final = 4
"""So many calls an expression may have that is written in the place of a call."""


def _cast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).astype(dtype)[()]


def _plain_array(x: Any, *names: Any) -> Any:
    return np.asarray(x)


def _part(x: Any, index: Any) -> Any:
    return x[index]


def _same(x: Any) -> Any:
    return x


def _never(x: Any) -> bool:
    return False


_INSTEAD: Final[dict[Any, Callable[..., Any]]] = {
    aval_of: np.asarray,
    as_array: _plain_array,
    astype: _cast,
    convert: _cast,
    ShapedArray: np.empty,
    current: _same,
    getitem: _part,
    is_traced: _never,
    weak_number: _same,
}
"""What stands for functions that treat traced values."""


class Lifter:
    """Functions as text; helper functions go to the module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.known: dict[int, tuple[Any, ast.expr]] = {}

    def call(
        self, fun: Any, args: Sequence[ast.expr], params: Mapping[str, ast.expr], name: str
    ) -> ast.expr:
        """A call of a function, or what it computes where that is short."""
        found = self.inline(fun, args, params)
        if found is not None:
            return found
        keywords = [ast.keyword(k, v) for k, v in params.items()]
        return ast.Call(self.reference(fun, name), list(args), keywords)

    def inline(
        self, fun: Any, args: Sequence[ast.expr], params: Mapping[str, ast.expr]
    ) -> ast.expr | None:
        """What a short function computes; None for others."""
        fun = self._plain(fun)
        if not isinstance(fun, FunctionType) or _is_foreign(fun):
            return None
        return self._inline(fun, args, params)

    def _plain(self, fun: Any) -> Any:
        """The function without decorators, and NumPy's where ours only treats tracers."""
        while True:
            if isinstance(fun, MethodType) and isinstance(fun.__self__, Primitive):
                fun = fun.__self__.impl
            elif isinstance(fun, Primitive):
                fun = fun.impl
            elif isinstance(fun, partial) and hasattr(_owner(fun.func), "scipys"):
                # A distribution of SciPy's: its own method checks what ours does.
                fun = getattr(_owner(fun.func).scipys, fun.args[0])
            elif isinstance(fun, FunctionType | type) and fun in _INSTEAD:
                fun = _INSTEAD[fun]
            elif hasattr(fun, "__wrapped__") and not _is_foreign(fun):
                fun = fun.__wrapped__
            else:
                return fun

    def reference(self, value: Any, name: str = "") -> ast.expr:
        """An expression for a value: a literal, a name, or a dotted one."""
        value = self._plain(value)
        try:
            return self.module.value(value)
        except NoTextError:
            pass
        if isinstance(value, ModuleType):
            return self.module.of_module(value)
        if isinstance(value, type) and issubclass(value, WengertError):
            bases = [b for b in value.__mro__ if b.__module__ == "builtins"]
            return ast.Name(bases[0].__name__, ast.Load())
        known = self.known.get(id(value))
        if known is not None:
            return known[1]
        if isinstance(value, FunctionType) and not _is_foreign(value):
            return self._helper(value, name)
        if isinstance(value, partial):
            return self._partial(value, name)
        if isinstance(value, dict | list | tuple | frozenset | set):
            return self._container(value)
        return self.module.path_of(value)

    def _container(self, value: Any) -> ast.expr:
        if isinstance(value, dict):
            keys: list[ast.expr | None] = [self.reference(k) for k in value]
            return ast.Dict(keys, [self.reference(v) for v in value.values()])
        items = [self.reference(v) for v in value]
        if isinstance(value, tuple):
            return ast.Tuple(items, ast.Load())
        if isinstance(value, list):
            return ast.List(items, ast.Load())
        if not items:
            return ast.Call(ast.Name("set", ast.Load()), [], [])
        return ast.Set(items)

    def _partial(self, value: partial[Any], name: str) -> ast.expr:
        func = self.reference(value.func, name)
        args: list[ast.expr] = [self.reference(a) for a in value.args]
        rest = ast.Starred(ast.Name("args", ast.Load()), ast.Load())
        keywords = [ast.keyword(k, self.reference(v)) for k, v in value.keywords.items()]
        keywords.append(ast.keyword(None, ast.Name("kwargs", ast.Load())))
        body = ast.Call(func, [*args, rest], keywords)
        spec = ast.arguments([], [], ast.arg("args"), [], [], ast.arg("kwargs"), [])
        return self._define(value, name or "partial", spec, [ast.Return(body)])

    def _define(self, value: Any, name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.expr:
        chosen = self.module.names.new("_" + name.strip("_<>"))
        self.known[id(value)] = (value, ast.Name(chosen, ast.Load()))
        self.module.define(chosen, _definition(chosen, args, body))
        return self.known[id(value)][1]

    def _helper(self, fun: FunctionType, name: str) -> ast.expr:
        node = source_of(fun)
        own = fun.__name__.strip("_") if isinstance(node, ast.FunctionDef) else "impl"
        if own in _ANYTHING:
            own = name or "helper"
        chosen = self.module.names.new("_" + own.strip("_<>"))
        found = ast.Name(chosen, ast.Load())
        self.known[id(fun)] = (fun, found)  # a function may call itself
        body = node.body if isinstance(node, ast.FunctionDef) else [ast.Return(node.body)]
        new = _Replaced(self, fun, node)
        lines = [s for b in body for s in new.statement(copy.deepcopy(b))]
        args = new.arguments(copy.deepcopy(node.args))
        self.module.define(chosen, _definition(chosen, args, lines or [ast.Pass()]))
        return found

    def _inline(
        self, fun: FunctionType, args: Sequence[ast.expr], params: Mapping[str, ast.expr]
    ) -> ast.expr | None:
        """What a function of one expression computes; None where it is no such function."""
        node = source_of(fun)
        body = node.body
        if isinstance(node, ast.FunctionDef):
            lines = [b for b in node.body if not _is_docstring(b)]
            if len(lines) != 1 or not isinstance(lines[0], ast.Return) or lines[0].value is None:
                return None
            body = lines[0].value
        assert isinstance(body, ast.expr)
        given = _bound(node.args, args, params)
        if given is None:
            return None
        new = _Replaced(self, fun, node, given)
        found = new.visit(copy.deepcopy(body))
        calls = sum([isinstance(v, ast.Call) for v in ast.walk(found)])
        repeated = any([
            n > 1 and not isinstance(v, ast.Name | ast.Constant)
            for v, n in ((given[k], new.counts.get(k, 0)) for k in given)
            if not isinstance(v, list)
        ])  # fmt: skip
        allowed = _INLINE + sum([isinstance(v, ast.Call) for a in args for v in ast.walk(a)])
        return None if repeated or calls > allowed else found


def _owner(fun: Any) -> Any:
    return getattr(fun, "__self__", None)


def _is_foreign(fun: Any) -> bool:
    """True for functions of NumPy, SciPy and Python, which are called by their names."""
    root = (getattr(fun, "__module__", None) or "").split(".")[0]
    return root in ("numpy", "scipy") or root in sys.stdlib_module_names


def _definition(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    node: Any = ast.parse("def f(): pass").body[0]
    node.name, node.args, node.body = name, args, body
    return node  # type: ignore[no-any-return]  # a FunctionDef


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _bound(
    spec: ast.arguments, args: Sequence[ast.expr], params: Mapping[str, ast.expr]
) -> dict[str, Any] | None:
    """What stands for each parameter: an expression, or a list of them for `*args`."""
    plain = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    given: dict[str, Any] = dict(zip(plain, args, strict=False))
    if len(args) > len(plain):
        if spec.vararg is None:
            return None
        given[spec.vararg.arg] = list(args[len(plain) :])
    elif spec.vararg is not None:
        given[spec.vararg.arg] = []
    if spec.kwarg is not None or set(params) & set(given):
        return None
    given.update(params)
    defaults = dict(zip(plain[len(plain) - len(spec.defaults) :], spec.defaults, strict=True))
    defaults.update(
        {a.arg: d for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
    )
    for name in [*plain, *[a.arg for a in spec.kwonlyargs]]:
        if name not in given:
            if not isinstance(defaults.get(name), ast.Constant):
                return None
            given[name] = defaults[name]
    return given


# Replacing what a function refers to.


class _Replaced(ast.NodeTransformer):
    """The body of a function with everything that is not its own replaced by what stands for it."""

    def __init__(
        self,
        lifter: Lifter,
        fun: FunctionType,
        node: ast.FunctionDef | ast.Lambda,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.lifter = lifter
        self.given = given or {}
        self.counts: dict[str, int] = {}
        self.of = dict(inspect.getclosurevars(fun).nonlocals)
        self.globals = fun.__globals__
        self.own = own_names(node) - set(self.given)

    def lookup(self, node: ast.AST) -> tuple[bool, Any]:
        """The value that a name, or a dotted one, has already now."""
        if isinstance(node, ast.Attribute):
            known, value = self.lookup(node.value)
            if known and hasattr(value, node.attr):
                return True, getattr(value, node.attr)
            return False, None
        if not isinstance(node, ast.Name) or node.id in self.own or node.id in self.given:
            return False, None
        if node.id in self.of:
            return True, self.of[node.id]
        if node.id in self.globals:
            return True, self.globals[node.id]
        if hasattr(builtins, node.id):
            return True, getattr(builtins, node.id)
        raise NoTextError(f"{node.id} is not known")

    def arguments(self, args: ast.arguments) -> ast.arguments:
        """Parameters with their defaults."""
        for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if a is not None:
                a.annotation = None
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [None if d is None else self.visit(d) for d in args.kw_defaults]
        return args

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.given:
            self.counts[node.id] = self.counts.get(node.id, 0) + 1
            found = self.given[node.id]
            if isinstance(found, list):
                return ast.Tuple(list(found), ast.Load())
            return copy.deepcopy(found)  # type: ignore[no-any-return]  # an expression
        known, value = self.lookup(node)
        return self.lifter.reference(value, node.id) if known else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr == "weak_type":
            return ast.Constant(False)
        if node.attr == "dtype_or_python_type":
            node.attr = "dtype"
        known, value = self.lookup(node)
        if known:
            owner = self.lookup(node.value)[1]
            if isinstance(owner, ModuleType) and not owner.__name__.startswith("wengert"):
                return self.lifter.module.attribute(owner, node.attr)
            return self.lifter.reference(value, node.attr)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        known, fun = self.lookup(node.func)
        if known and fun is isinstance and _asks_for_tracer(self.lookup(node.args[1])[1]):
            return ast.Constant(False)
        if known and isinstance(fun, type) and issubclass(fun, WengertError):
            node.keywords = []
            node.args = [_shortened(a) for a in node.args]
        node.args = [b for a in node.args for b in self.spread(a)]
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        starred = any([isinstance(a, ast.Starred) for a in node.args])
        plain = self.lifter._plain(fun) if known else None
        if plain is _never:
            return ast.Constant(False)
        if plain is _same:
            return node.args[0]
        if isinstance(plain, FunctionType) and not _is_foreign(plain) and not starred:
            params = {k.arg: k.value for k in node.keywords if k.arg is not None}
            if len(params) == len(node.keywords):
                return self.lifter.call(plain, node.args, params, plain.__name__)
        node.func = self.visit(node.func)
        return node

    def spread(self, node: ast.expr) -> list[ast.expr]:
        """An operand; several for `*args` of which each is known."""
        if isinstance(node, ast.Starred):
            inner = self.visit(node.value)
            if isinstance(inner, ast.Tuple):
                return list(inner.elts)
            return [ast.Starred(inner, ast.Load())]
        return [self.visit(node)]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        stops = isinstance(node.op, ast.Or)
        kept: list[ast.expr] = []
        for v in [self.visit(v) for v in node.values]:
            if isinstance(v, ast.Constant):
                if bool(v.value) == stops:
                    kept.append(v)
                    break
                continue
            kept.append(v)
        if not kept:
            return ast.Constant(not stops)
        if len(kept) == 1:
            return kept[0]
        node.values = kept
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        right = node.comparators[0]
        if (
            len(node.ops) == 1
            and isinstance(node.left, ast.Constant)
            and isinstance(right, ast.Constant)
        ):
            a, b = node.left.value, right.value
            if isinstance(node.ops[0], ast.Is | ast.Eq):
                return ast.Constant(a == b)
            if isinstance(node.ops[0], ast.IsNot | ast.NotEq):
                return ast.Constant(a != b)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)  # type: ignore[no-any-return]
        node.test, node.body = test, self.visit(node.body)
        node.orelse = self.visit(node.orelse)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args = self.arguments(node.args)
        node.body = self.visit(node.body)
        return node

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """A statement, without branches that are never taken."""
        if isinstance(node, ast.If):
            test = self.visit(node.test)
            if isinstance(test, ast.Constant):
                return self.body(node.body if test.value else node.orelse)
            node.test = test
        if isinstance(node, ast.Import | ast.ImportFrom):
            raise NoTextError("it imports while it runs")
        if isinstance(node, ast.FunctionDef):
            node.args = self.arguments(node.args)
            node.decorator_list, node.returns = [], None
            node.body = self.body(node.body) or [ast.Pass()]
            return [node]
        if isinstance(node, ast.AnnAssign):
            if node.value is None:
                return []
            return [ast.Assign([self.visit(node.target)], self.visit(node.value), lineno=0)]
        for name, value in list(ast.iter_fields(node)):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                found = self.body(value)
                setattr(node, name, found or ([] if name == "orelse" else [ast.Pass()]))
            elif isinstance(value, list):
                setattr(node, name, [self.part(v) for v in value])
            elif isinstance(value, ast.AST) and not (name == "test" and isinstance(node, ast.If)):
                setattr(node, name, self.visit(value))
        return [node]

    def part(self, node: Any) -> Any:
        """A target, or a handler of errors."""
        if isinstance(node, ast.ExceptHandler):
            node.type = None if node.type is None else self.visit(node.type)
            node.body = self.body(node.body)
            return node
        return self.visit(node) if isinstance(node, ast.AST) else node

    def body(self, nodes: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements, up to one that leaves the function for certain."""
        found: list[ast.stmt] = []
        for n in nodes:
            found += self.statement(n)
            if found and isinstance(found[-1], ast.Return | ast.Raise):
                break
        return found


_MESSAGE: Final = 60


def _shortened(message: ast.expr) -> ast.expr:
    """The start of the message of an error, which fits on a line."""
    if not isinstance(message, ast.JoinedStr):
        return message
    room = _MESSAGE
    kept: list[ast.expr] = []
    for part in message.values:
        if isinstance(part, ast.Constant):
            text = str(part.value)
            if len(text) > room:
                kept.append(ast.Constant(text[:room].rpartition(" ")[0]))
                break
            room -= len(text)
        kept.append(part)
    return ast.JoinedStr(kept)


def _asks_for_tracer(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Tracer)
