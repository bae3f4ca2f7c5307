"""Loops and branches in Python: `for` over stacks, `while`, and `if`.

A `for` loop takes its items by iterating over the stacks. What it leaves for later steps of the
program is written to the rows of new stacks, by NumPy itself where it can; numbers go into a list of
tuples, which a later loop reads from the end or the start. Numbers are Python floats through all of
the loop. A carried array that only the loop refers to is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from .buffers import Buffers
from .scalars import is_float
from .scope import Rows, Scope, computed_with, is_bool
from .templates import makes_new_memory, template

__all__ = ["WRITERS_OF_LOOPS"]


class _Carry:
    """The values that a loop carries: names, and which of them are floats, or memory of the loop's
    own.
    """

    def __init__(
        self, scope: Scope, i: int, e: Equation, body: Program, starts: Sequence[Atom],
        inputs: Sequence[Var], wanted: set[Var],
    ) -> None:  # fmt: skip
        self.scope, self.body = scope, body
        self.outs = e.outputs[: len(starts)]
        self.floats = [scope.writer.floats and is_float(v.aval) and v in wanted for v in inputs]
        ours = _changed_in_place(body, inputs)
        self.ours = [v in ours for v in inputs]
        texts = []
        for a, as_float, own in zip(starts, self.floats, self.ours, strict=True):
            if as_float:
                texts.append(scope.float_text(a))
                continue
            text = scope.operand(a, False)
            if isinstance(a, Literal):
                text = scope.writer.literal(a.value)
            if own and not _given_away(scope, i, e, a):
                text = f"{text}.copy()"
            texts.append(text)
        self.names = [scope.name(v) for v in self.outs]
        if self.names:
            scope.writer.line(f"{', '.join(self.names)} = {', '.join(texts)}")

    def assign(self, inner: Scope, results: Sequence[Atom]) -> None:
        """The line that makes the results of a step the carried values of the next."""
        pairs = []
        for name, a, as_float in zip(self.names, results, self.floats, strict=True):
            text = inner.float_text(a) if as_float else inner.result(a)
            if text != name:
                pairs.append((name, text))
        if pairs:
            left, right = zip(*pairs, strict=True)
            inner.writer.line(f"{', '.join(left)} = {', '.join(right)}")

    def note(self) -> None:
        """Tell the program around the loop what the carried values are."""
        for v, as_float, own in zip(self.outs, self.floats, self.ours, strict=True):
            if as_float or (self.scope.writer.floats and is_bool(v.aval)):
                self.scope.floats.add(v)
            if own:
                self.scope.new.add(v)

    def flags(self, items: Sequence[bool]) -> set[int]:
        """The positions of True values, after those of the constants."""
        return {k for k, f in enumerate(items) if f}


def _given_away(scope: Scope, i: int, e: Equation, a: Atom) -> bool:
    """True for a start whose memory the loop may have: it is ours, no buffer, and not used again."""
    return (
        isinstance(a, Var)
        and a not in scope.buffers.owned
        and e.inputs.count(a) == 1
        and scope.is_last(i, e, a)
    )


def _changed_in_place(body: Program, carried: Sequence[Var]) -> set[Var]:
    """The carried arrays that the body may change in place: what takes their place is new memory,
    which nothing else refers to, and something is computed from them last that can be written there.
    """
    made = {v: e for e in body.equations for v in e.outputs}
    buffers = Buffers(body, [])
    first = len(body.inputs)
    del first
    found = set()
    outputs = list(body.outputs)
    results = dict(zip(carried, outputs, strict=False))
    for v in carried:
        out = results[v]
        if not v.aval.shape or not isinstance(out, Var) or outputs.count(out) != 1:
            continue
        e = made.get(out)
        if e is None or not makes_new_memory(e)[e.outputs.index(out)]:
            continue
        others = [w for w in outputs if isinstance(w, Var) and w is not out]
        if any([out in buffers.of(w) or v in buffers.of(w) for w in others]):
            continue
        last = buffers.last.get(v)
        user = body.equations[last] if last is not None and last < len(body.equations) else None
        if user is not None and _can_overwrite(user, v):
            found.add(v)
    return found


def _can_overwrite(e: Equation, v: Var) -> bool:
    if e.primitive.name == "setitem":
        return e.inputs[0] is v
    if v not in e.inputs or e.primitive.multiple_results:
        return False
    out = e.outputs[0].aval
    found = template(e)
    same = out.shape == v.aval.shape and out.dtype == v.aval.dtype
    return found is not None and found.in_place and same


def _constants(
    scope: Scope, atoms: Sequence[Atom], inputs: Sequence[Var], wanted: set[Var]
) -> tuple[list[str], set[int]]:
    """The texts of the constants of a loop, and which of them are Python floats."""
    texts, floats = [], set()
    for k, (a, v) in enumerate(zip(atoms, inputs, strict=True)):
        if scope.writer.floats and v in wanted and is_float(v.aval) and isinstance(a, Var):
            if a not in scope.floats:
                scope.make_float_for(a)
            texts.append(scope.of[a])
            floats.add(k)
        else:
            texts.append(scope.plain_text(a))
    return texts, floats


def _scan(scope: Scope, i: int, e: Equation) -> bool:
    """A `for` loop."""
    writer, params = scope.writer, e.params
    body: Program = params["body"]
    n_consts, n_carry, reverse = params["n_consts"], params["n_carry"], params["reverse"]
    k = n_consts + n_carry
    wanted = computed_with(body) if writer.floats else set()
    consts, floats = _constants(scope, e.inputs[:n_consts], body.inputs[:n_consts], wanted)
    carry = _Carry(scope, i, e, body, e.inputs[n_consts:k], body.inputs[n_consts:k], wanted)
    floats |= {n_consts + j for j, f in enumerate(carry.floats) if f}
    loop = _For(scope, e, body, reverse)
    for j, (a, v) in enumerate(zip(e.inputs[k:], body.inputs[k:], strict=True), k):
        if loop.item(a, v, v in wanted):
            floats.add(j)
    rows = {}
    numbers: list[int] = []
    for j, v in enumerate(e.outputs[n_carry:], n_carry):
        if body.outputs[j].aval.shape:
            rows[j] = loop.stack(v)
        else:
            numbers.append(j)
    saved = writer.names.new("rows") if numbers else ""
    if saved:
        writer.line(f"{saved} = []")
    loop.head(params["length"])
    writer.indent += 1
    start = len(writer.lines)
    ours = {n_consts + j for j, own in enumerate(carry.ours) if own}
    names = [*consts, *carry.names, *loop.items]
    inner = Scope(writer, body, names, rows, floats, ours)
    inner.write()
    for j, row in rows.items():
        v = body.outputs[j]
        if v not in inner.placed or (inner.of[v] != row and inner.places[v] != row):
            writer.line(f"{row}[...] = {inner.read(v)}")
    if saved:
        values = [
            inner.float_text(body.outputs[j])
            if writer.floats and is_float(body.outputs[j].aval)
            else inner.result(body.outputs[j])
            for j in numbers
        ]
        one = values[0] if len(values) == 1 else f"({', '.join(values)})"
        writer.line(f"{saved}.append({one})")
    carry.assign(inner, body.outputs[:n_carry])
    if len(writer.lines) == start:
        writer.line("pass")
    inner.leave()
    writer.indent -= 1
    for name in loop.given:
        writer.names.release(name)
    carry.note()
    for column, j in enumerate(numbers):
        _number_stack(scope, e.outputs[j], Rows(saved, column, len(numbers), reverse))
    return True


def _number_stack(scope: Scope, v: Var, rows: Rows) -> None:
    """Note where a stack of numbers is; make an array of it, unless loops and ints read it."""
    program = scope.program
    listed = is_float(Var(v.aval).aval) or v.aval.dtype == np.float64
    for e in program.equations:
        if v not in e.inputs:
            continue
        if e.primitive.name == "scan":
            k = e.params["n_consts"] + e.params["n_carry"]
            listed &= v not in e.inputs[:k]
        else:
            index = e.params.get("index", ())
            listed &= (
                e.primitive.name == "getitem"
                and len(e.inputs) == len(index) == 1
                and type(index[0]) is int
            )
    if listed and v not in program.outputs:
        scope.rows[v] = rows
        return
    writer = scope.writer
    values = rows.name if rows.count == 1 else f"[row[{rows.column}] for row in {rows.name}]"
    order = "[::-1]" if rows.reverse else ""
    dtype = writer.refer("dtype_", v.aval.dtype)
    text = f"{writer.use('array', np.array)}({values}, {dtype}){order}"
    writer.line(f"{scope.name(v)} = {text}")
    scope.new.add(v)


class _For:
    """The head of a `for` loop: what it iterates over."""

    def __init__(self, scope: Scope, e: Equation, body: Program, reverse: bool) -> None:
        self.scope, self.body, self.reverse = scope, body, reverse
        self.items: list[str] = []
        self.given: list[str] = []
        self.parts: list[tuple[str, str]] = []
        """What is iterated over, and what stands for its items."""
        self.lists: dict[tuple[str, bool], list[str]] = {}

    def new(self, stem: str) -> str:
        """A name that is free again after the loop."""
        name = self.scope.writer.names.new(stem)
        self.given.append(name)
        return name

    def item(self, stack: Atom, v: Var, wanted: bool) -> bool:
        """A name for the items of a stack; True if they are Python floats."""
        scope = self.scope
        name = self.new("item")
        self.items.append(name)
        rows = scope.rows.get(stack) if isinstance(stack, Var) else None
        if rows is not None:
            flip = rows.reverse != self.reverse
            key = (rows.name, flip)
            self.lists.setdefault(key, ["_"] * rows.count)
            if self.lists[key][rows.column] == "_":
                self.lists[key][rows.column] = name
            else:
                self.given.remove(name)
                scope.writer.names.release(name)
                self.items[-1] = self.lists[key][rows.column]
            return scope.writer.floats
        text = scope.plain_text(stack)
        text = f"{text}[::-1]" if self.reverse else text
        if v.aval.shape:
            self.parts.append((text, name))
            return False
        as_float = scope.writer.floats and is_float(v.aval) and wanted
        if as_float or v.aval.weak_type or _is_index(self.body, v):
            text = f"{text}.tolist()"
        self.parts.append((text, name))
        return as_float

    def stack(self, v: Var) -> str:
        """A name for the rows of a new stack."""
        scope, writer = self.scope, self.scope.writer
        place = scope.buffers.take_new(v)
        if place is None:
            dtype = writer.refer("dtype_", v.aval.dtype)
            place = f"{writer.use('empty', np.empty)}({v.aval.shape}, {dtype})"
        name = scope.name(v)
        writer.line(f"{name} = {place}")
        row = self.new("row")
        self.parts.append((f"{name}[::-1]" if self.reverse else name, row))
        return row

    def head(self, length: int) -> None:
        """The line with `for`."""
        parts = list(self.parts)
        for (rows, flip), names in self.lists.items():
            target = names[0] if len(names) == 1 else f"({', '.join(names)})"
            parts.append((f"reversed({rows})" if flip else rows, target))
        if not parts:
            parts = [(f"range({length})", self.new("i"))]
        over = ", ".join([text for text, _ in parts])
        over = over if len(parts) == 1 else f"zip({over})"
        targets = ", ".join([name for _, name in parts])
        self.scope.writer.line(f"for {targets} in {over}:")


def _is_index(body: Program, v: Var) -> bool:
    """True for an int that is used as an index alone."""
    if v.aval.dtype.kind not in "iu" or v in body.outputs:
        return False
    users = [e for e in body.equations if v in e.inputs]
    first = {"getitem": 1, "setitem": 2}
    return all([
        e.primitive.name in first and v not in e.inputs[: first[e.primitive.name]] for e in users
    ])  # fmt: skip


def _while(scope: Scope, i: int, e: Equation) -> bool:
    """A `while` loop."""
    writer, params = scope.writer, e.params
    condition, body = params["condition"], params["body"]
    n_condition, n_body = params["n_condition"], params["n_body"]
    k = n_condition + n_body
    tested = computed_with(condition) if writer.floats else set()
    wanted = computed_with(body) if writer.floats else set()
    of_test, test_floats = _constants(
        scope, e.inputs[:n_condition], condition.inputs[:n_condition], tested
    )
    of_body, body_floats = _constants(scope, e.inputs[n_condition:k], body.inputs[:n_body], wanted)
    pairs = zip(body.inputs[n_body:], condition.inputs[n_condition:], strict=True)
    both = wanted | {v for v, w in pairs if w in tested}
    carry = _Carry(scope, i, e, body, e.inputs[k:], body.inputs[n_body:], both)
    writer.line("while True:")
    writer.indent += 1
    test_floats |= {n_condition + j for j, f in enumerate(carry.floats) if f}
    test = Scope(writer, condition, [*of_test, *carry.names], floats=test_floats)
    test.write()
    writer.line(f"if not {test.read(condition.outputs[0])}:")
    writer.line("    break")
    test.leave()
    body_floats |= {n_body + j for j, f in enumerate(carry.floats) if f}
    ours = {n_body + j for j, own in enumerate(carry.ours) if own}
    inner = Scope(writer, body, [*of_body, *carry.names], floats=body_floats, ours=ours)
    inner.write()
    carry.assign(inner, body.outputs)
    inner.leave()
    writer.indent -= 1
    carry.note()
    return True


def _cond(scope: Scope, i: int, e: Equation) -> bool:
    """An `if` statement."""
    writer, branches = scope.writer, e.params["branches"]
    which = scope.plain_text(e.inputs[0])
    args = [scope.plain_text(a) for a in e.inputs[1:]]
    for a in e.inputs[1:]:
        if isinstance(a, Var) and a in scope.floats:
            args[e.inputs.index(a) - 1] = scope.of[a]
    floats = {j for j, a in enumerate(e.inputs[1:]) if isinstance(a, Var) and a in scope.floats}
    names = [scope.name(v) for v in e.outputs]
    left = ", ".join(names)
    as_floats = [
        writer.floats
        and is_float(v.aval)
        and any([isinstance(b.outputs[j], Var) and _computed(b, b.outputs[j]) for b in branches])
        for j, v in enumerate(e.outputs)
    ]
    for k, branch in enumerate(branches):
        if k == len(branches) - 1:
            writer.line("else:" if k else "if True:")
        elif e.inputs[0].aval.dtype.kind == "b":
            writer.line(f"if not {which}:")
        else:
            writer.line(f"{'if' if k == 0 else 'elif'} {which} <= {k}:")
        writer.indent += 1
        inner = Scope(writer, branch, args, floats=floats)
        inner.write()
        results = [
            inner.float_text(v) if f else inner.result(v)
            for v, f in zip(branch.outputs, as_floats, strict=True)
        ]
        writer.line(f"{left} = {', '.join(results)}" if names else "pass")
        inner.leave()
        writer.indent -= 1
    for v, f in zip(e.outputs, as_floats, strict=True):
        if f or (writer.floats and is_bool(v.aval)):
            scope.floats.add(v)
    return True


def _computed(branch: Program, v: Any) -> bool:
    return v in computed_with(branch, results=True)


WRITERS_OF_LOOPS: Final[dict[str, Callable[[Scope, int, Equation], bool]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
}
