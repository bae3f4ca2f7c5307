"""Loops and branches as Python's `for`, `while` and `if`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Equation, Program, Var, evaluate
from ...core.tracing import Primitive
from ..control.subprograms import trace_flat
from ..control.while_loop import while_p
from ..passes.pipeline import improve
from .lowering import lower, pulled
from .unparsing import expression
from .writer import Scope, StatementRule, call, name_of

__all__ = ["CONTROL"]

Expressions = Sequence[ast.expr]


def _assign(scope: Scope, names: Sequence[str], values: Expressions) -> None:
    """Give several names their values at once, as each value may use the old ones."""
    pairs = [
        (n, v)
        for n, v in zip(names, values, strict=True)
        if not (isinstance(v, ast.Name) and v.id == n)
    ]
    writer = scope.writer
    if not pairs:
        return
    text = f"{', '.join([n for n, _ in pairs])} = {', '.join([expression(v) for _, v in pairs])}"
    read = {x.id for _, v in pairs for x in ast.walk(v) if isinstance(x, ast.Name)}
    if len(text) + 4 * writer.indent <= 88 and len(pairs) < 5:
        writer.line(text)
    elif not read & {n for n, _ in pairs}:
        for n, v in pairs:
            writer.assign(n, v)
    else:
        new = [(n, scope.plain(v)) for n, v in pairs]
        held = []
        for n, v in new:
            if isinstance(v, ast.Name) and v.id in names:  # it is going to be overwritten
                temporary = writer.temporary()
                writer.assign(temporary, v)
                v = name_of(temporary)
            held.append((n, v))
        for n, v in held:
            writer.assign(n, v)


def _empty(scope: Scope, name: str, aval: ShapedArray) -> None:
    """A new array for the results of all turns."""
    shape = scope.module.value(aval.shape[0] if len(aval.shape) == 1 else aval.shape)
    kind = [] if aval.dtype == np.float64 else [scope.module.dtype(aval.dtype)]
    scope.writer.assign(name, call(scope.module.numpy("empty"), shape, *kind))


def _inner(scope: Scope, program: Program, inputs: Expressions) -> Scope:
    found = Scope(scope.writer, program, inputs)
    found.write()
    return found


def _scan(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """A `for` loop over stacks, which writes its results into new stacks."""
    writer, params = scope.writer, e.params
    body: Program = params["body"]
    n_consts, n_carry, length = params["n_consts"], params["n_carry"], params["length"]
    k = n_consts + n_carry
    consts = [scope.plain(a) for a in args[:n_consts]]
    items_of = [scope.plain(a) for a in args[k:]]
    carry = [scope.take(v) for v in e.outputs[:n_carry]]
    _assign(scope, carry, args[n_consts:k])
    stacks: list[str | None] = []
    for v in e.outputs[n_carry:]:
        stacks.append(scope.take(v) if scope.used[v] else None)
        if stacks[-1] is not None:
            _empty(scope, stacks[-1], v.aval)
    i = writer.names.new("i")
    order = f"{length - 1}, -1, -1" if params["reverse"] else f"{length}"
    writer.line(f"for {i} in range({order}):")
    writer.indent += 1
    items: list[ast.expr] = []
    for v, x in zip(body.inputs[k:], items_of, strict=True):
        item: ast.expr = ast.Subscript(x, name_of(i), ast.Load())
        if v.aval.weak_type:
            item = call(ast.Attribute(item, "item", ast.Load()))
        items.append(item)
    items = [_once(scope, body, v, x) for v, x in zip(body.inputs[k:], items, strict=True)]
    inner = _inner(scope, body, [*consts, *[name_of(c) for c in carry], *items])
    for name, y in zip(stacks, body.outputs[n_carry:], strict=True):
        if name is not None:
            writer.line(f"{name}[{i}] = {expression(inner.operand(y))}")
    _assign(scope, carry, [inner.operand(v) for v in body.outputs[:n_carry]])
    if writer.lines[-1].endswith(":"):
        writer.line("pass")
    writer.indent -= 1


def _once(scope: Scope, body: Program, v: Var, x: ast.expr) -> ast.expr:
    """An item of a stack; with a name where it is needed more than once."""
    inside = [a for e in body.equations for a in e.inputs] + list(body.outputs)
    return (
        x
        if inside.count(v) <= 1 and not any([e.programs for e in body.equations])
        else (scope.plain(x))
    )


def _while(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """A `while` loop."""
    params = e.params
    k = params["n_condition"] + params["n_body"]
    args = [*[scope.plain(a) for a in args[:k]], *args[k:]]
    carry = [scope.take(v) for v in e.outputs]
    _assign(scope, carry, args[k:])
    _turns(scope, e.params, args, carry, None)


def _turns(
    scope: Scope,
    params: dict[str, object],
    args: Expressions,
    carry: Sequence[str],
    states: str | None,
) -> None:
    """The loop itself; with `states`, the carried values before each turn are kept there."""
    writer = scope.writer
    condition, body = params["condition"], params["body"]
    n_condition, n_body = params["n_condition"], params["n_body"]
    assert isinstance(condition, Program) and isinstance(body, Program)
    assert isinstance(n_condition, int) and isinstance(n_body, int)
    names = [name_of(c) for c in carry]
    at = len(writer.lines)
    writer.line("while True:")
    writer.indent += 1
    comments, writer.comments = writer.comments, False
    test = _inner(scope, condition, [*args[:n_condition], *names])
    writer.comments = comments
    value = expression(test.operand(condition.outputs[0]))
    if len(writer.lines) == at + 1 and len(value) < 80:
        writer.lines[at] = writer.lines[at].replace("while True", f"while {value}")
    else:
        writer.line(f"if not ({value}):" if " " in value else f"if not {value}:")
        writer.line("    break")
    if states is not None:
        kept = ", ".join(carry) + ("," if len(carry) == 1 else "")
        writer.line(f"{states}.append(({kept}))")
    inner = _inner(scope, body, [*args[n_condition : n_condition + n_body], *names])
    _assign(scope, carry, [inner.operand(v) for v in body.outputs])
    if len(writer.lines) == at + 1:
        writer.line("pass")
    writer.indent -= 1


def _cond(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """An `if` statement."""
    writer, branches = scope.writer, e.params["branches"]
    names = [scope.take(v) for v in e.outputs]
    boolean = e.inputs[0].aval.dtype.kind == "b"
    index = expression(args[0] if boolean else scope.plain(args[0]))
    args = [scope.plain(a) if i else a for i, a in enumerate(args)]
    if boolean:
        branches = branches[1::-1]
    shown = writer.shown
    for k, branch in enumerate(branches):
        last = k == len(branches) - 1
        if len(branches) == 1:
            writer.line("if True:")
        elif last:
            writer.line("else:")
        elif boolean:
            writer.line(f"if {index}:")
        else:
            writer.line(f"{'if' if k == 0 else 'elif'} {index} <= {k}:")
        writer.indent += 1
        at = len(writer.lines)
        inner = _inner(scope, branch, args[1:])
        for name, v in zip(names, [inner.operand(v) for v in branch.outputs], strict=True):
            writer.assign(name, v)
        if len(writer.lines) == at:
            writer.line("pass")
        writer.indent -= 1
        writer.shown = shown


def _pullback(scope: Scope, e: Equation, args: list[ast.expr]) -> None:
    """The transpose of a while loop: forward, keeping the states; then backward through them."""
    writer, active = scope.writer, e.params["active"]
    of: Primitive = e.params["of"]
    assert of is while_p, of
    params = e.params["params"]
    body: Program = params["body"]
    n_condition = params["n_condition"]
    k, n = n_condition + params["n_body"], len(active)
    args = [scope.plain(a) for a in args]
    primals, cts = args[:n], args[n:]
    avals = body.in_avals
    start = avals[params["n_body"] :]
    carry = [writer.temporary() for _ in start]
    states, before = writer.names.new("states"), len(writer.lines)
    writer.line(f"{states} = []")
    _assign(scope, carry, primals[k:])
    _turns(scope, params, primals, carry, states)
    inexact = [i for i, a in enumerate(start) if a.dtype.kind in "fc"]
    flags = [*active[n_condition:k], *[i in inexact for i in range(len(start))]]
    back = _backwards(body, flags, [body.out_avals[i] for i in inexact])
    pulled_back = [writer.temporary() for _ in cts]
    sums = [writer.temporary() for f in active[n_condition:k] if f]
    _assign(scope, pulled_back, cts)
    which = [i for i, f in enumerate(active[n_condition:k]) if f]
    for name, i in zip(sums, which, strict=True):
        zeros = _zeros(scope, avals[i])
        writer.assign(name, zeros)
    left = ", ".join(carry) if len(carry) > 1 else f"({carry[0]},)"
    writer.line(f"for {left} in reversed({states}):")
    at = len(writer.lines)
    writer.indent += 1
    inputs = [*primals[n_condition:k], *map(name_of, carry), *map(name_of, pulled_back)]
    inner = _inner(scope, back, inputs)
    found = [inner.operand(v) for v in back.outputs]
    added = [
        ast.BinOp(name_of(s), ast.Add(), v) for s, v in zip(sums, found[: len(sums)], strict=True)
    ]
    _assign(scope, [*sums, *pulled_back], [*added, *found[len(sums) :]])
    writer.indent -= 1
    if len(writer.lines) == at:  # the turns do not change the cotangents
        del writer.lines[before:]
        _assign(scope, pulled_back, cts)
    by_start = dict(zip(inexact, pulled_back, strict=True))
    results: list[ast.expr] = []
    rest = iter(sums)
    for i, f in enumerate(active):
        if not f:
            continue
        if i < n_condition:
            results.append(_zeros(scope, e.inputs[i].aval))
        else:
            results.append(name_of(next(rest) if i < k else by_start[i - k]))
    for v, value in zip(e.outputs, results, strict=True):
        scope.of[v] = value


def _zeros(scope: Scope, aval: ShapedArray) -> ast.expr:
    if not aval.shape:
        return call(scope.module.dtype(aval.dtype), scope.module.value(aval.dtype.type(0).item()))
    shape = scope.module.value(aval.shape[0] if len(aval.shape) == 1 else aval.shape)
    kind = [] if aval.dtype == np.float64 else [scope.module.dtype(aval.dtype)]
    return call(scope.module.numpy("zeros"), shape, *kind)


def _backwards(body: Program, active: Sequence[bool], due: Sequence[ShapedArray]) -> Program:
    """One turn backward: operands, cotangents -> cotangents of active operands."""
    run = lambda *xs: evaluate(body, *xs)
    avals = [ShapedArray(a.shape, a.dtype) for a in (*body.in_avals, *due)]
    found = trace_flat(f"{body.name} backwards", lambda *xs: pulled(run, xs, active), avals)
    return improve(lower(found))


CONTROL: dict[str, StatementRule] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "pullback": _pullback,
}
"""By the primitive's name."""
