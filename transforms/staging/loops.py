"""Writing loops and branches: `for`, `while` and `if`.

A scan goes through its operands and results with `zip`. Arrays are written into the rows of new
stacks, and numbers are kept in lists, which become arrays after the loop, unless the next loop goes
through them again. What a step carries on is written to where it came from, where `memory.py` says
so. Numbers that a body computes with are Python's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Program, Var
from .memory import memory_of_body, own_rows
from .rows import Rows
from .scalars import computed_with, is_float
from .scope import Scope

__all__ = ["write_branches", "write_scan", "write_while"]

_LARGEST: Final = 1 << 25
"""Stacks of more bytes are not kept for the next call."""


def write_scan(scope: Scope, i: int, e: Equation) -> bool:
    """A `for` loop."""
    _Scan(scope, i, e).write()
    return True


class _Scan:
    """A scan that is being written."""

    def __init__(self, scope: Scope, i: int, e: Equation) -> None:
        self.scope, self.writer, self.i, self.e = scope, scope.writer, i, e
        self.body: Program = e.params["body"]
        self.n_consts, self.n_carry = e.params["n_consts"], e.params["n_carry"]
        self.reverse: bool = e.params["reverse"]
        self.first = self.n_consts + self.n_carry
        self.wanted = computed_with(self.body) if self.writer.floats else set()
        self.floats: list[int] = []
        """The inputs of the body that are Python floats."""
        self.targets: list[str] = []
        self.sources: list[str] = []
        self.given: list[str] = []
        """Names that are free after the loop."""

    def new(self, wanted: str) -> str:
        """A name for what is needed in the loop alone."""
        name = self.writer.names.new(wanted)
        self.given.append(name)
        return name

    def write(self) -> None:
        """All its lines."""
        e, body, scope, writer = self.e, self.body, self.scope, self.writer
        k = self.n_carry
        names = [scope.name(v) for v in e.outputs]
        carry, stacks = names[:k], names[k:]
        consts = _constants(scope, e.inputs[: self.n_consts], body, self.floats)
        start = _start(scope, self.i, e, body, self.n_consts, self.wanted, self.floats)
        items = self.items()
        rows = own_rows(e)
        places, stores = self.stacks(stacks, rows)
        if carry:
            writer.line(f"{', '.join(carry)} = {', '.join(start)}")
        before = len(writer.lines)
        writer.line(self.head())
        writer.indent += 1
        after = body.outputs[:k]
        memory = memory_of_body(e, scope.memory.loops[self.i].own)
        inner = Scope(
            writer,
            body,
            [*consts, *carry, *items],
            places,
            floats=self.floats,
            fixed=self.n_consts,
            before=before,
            memory=memory,
        )
        inner.stores = stores
        for text, y in self.plain_stores:
            writer.line(f"{text} = {inner.typed(y, y.aval)}")
        inner.write()
        numbers = self.numbers(inner)
        _carry_on(inner, carry, after, body.inputs[self.n_consts : self.first])
        if len(writer.lines) == inner.before + 1:
            writer.line("pass")
        writer.indent -= 1
        inner.leave()
        for name in self.given:
            writer.names.release(name)
        for line in numbers:
            writer.line(line)
        _note_floats(scope, e.outputs[:k], [j - self.n_consts for j in self.floats])

    def items(self) -> list[str]:
        """Names for what a step takes from each stack."""
        scope, body, e = self.scope, self.body, self.e
        used = {a for q in body.equations for a in q.inputs} | set(body.outputs)
        found: dict[int, str] = {}
        lists: dict[str, dict[int, str]] = {}
        widths: dict[str, int] = {}
        backwards = "[::-1]" if self.reverse else ""
        for j in range(self.first, len(e.inputs)):
            v, a = body.inputs[j], e.inputs[j]
            if v not in used:
                found[j] = "None"
                continue
            name = found[j] = self.new(f"item{j - self.first}")
            assert isinstance(a, Var)
            rows = scope.rows.get(a)
            if rows is not None:
                self.floats.append(j)
                if rows.text not in lists:
                    turned = rows.reverse != self.reverse
                    self.sources.append(f"reversed({rows.text})" if turned else rows.text)
                    self.targets.append(rows.text)
                lists.setdefault(rows.text, {})[rows.column] = name
                widths[rows.text] = rows.width
                continue
            text = scope.of[a]
            if not v.aval.shape and (v.aval.weak_type or (v in self.wanted and is_float(v.aval))):
                text = f"{text}{backwards}.tolist()"
                if is_float(v.aval) and self.writer.floats:
                    self.floats.append(j)
            else:
                text = f"{text}{backwards}"
            self.targets.append(name)
            self.sources.append(text)
        for name, columns in lists.items():
            n = widths[name]
            if n == 1:
                target = columns[0]
            else:
                blank = "" if len(columns) == n else self.new("rest")
                target = ", ".join([columns.get(c, blank) for c in range(n)])
            at = self.targets.index(name)
            self.targets[at] = target
        return [found[j] for j in range(self.first, len(e.inputs))]

    def stacks(
        self, names: Sequence[str], rows: set[Var]
    ) -> tuple[dict[Var, str], dict[Var, list[str]]]:
        """The lines for new stacks of arrays; where results go, and what is copied there."""
        writer, body = self.writer, self.body
        places: dict[Var, str] = {}
        stores: dict[Var, list[str]] = {}
        self.plain_stores: list[tuple[str, Atom]] = []
        outs = self.e.outputs[self.n_carry :]
        for name, v, y in zip(names, outs, body.outputs[self.n_carry :], strict=True):
            if not y.aval.shape:
                continue
            large = v.aval.size * v.aval.dtype.itemsize > _LARGEST
            place = None if large else self.scope.buffers.take_new(v)
            if place is None:
                dtype = writer.refer("dtype_", v.aval.dtype)
                place = f"{writer.use('empty', np.empty)}({v.aval.shape}, {dtype})"
            writer.line(f"{name} = {place}")
            row = self.new("row")
            self.targets.append(row)
            self.sources.append(f"{name}[::-1]" if self.reverse else name)
            if not isinstance(y, Var):
                self.plain_stores.append((f"{row}[...]", y))
            elif y in rows and y not in places:
                places[y] = row
            else:
                stores.setdefault(y, []).append(f"{row}[...]")
        return places, stores

    def head(self) -> str:
        """The line that begins the loop."""
        if not self.targets:
            return f"for {self.new('i')} in range({self.e.params['length']}):"
        if len(self.targets) == 1:
            return f"for {self.targets[0]} in {self.sources[0]}:"
        targets = [f"({t})" if "," in t else t for t in self.targets]
        return f"for {', '.join(targets)} in zip({', '.join(self.sources)}):"

    def numbers(self, inner: Scope) -> list[str]:
        """Keep the numbers of a step in lists; the lines that make arrays of them."""
        scope, writer = self.scope, self.writer
        kept: list[tuple[Var, Atom]] = []
        groups: dict[Any, list[tuple[Var, Atom]]] = {}
        for v, y in zip(
            self.e.outputs[self.n_carry :], self.body.outputs[self.n_carry :], strict=True
        ):
            if y.aval.shape:
                continue
            if is_float(y.aval) and writer.floats and _only_in_loops(scope, v):
                kept.append((v, y))
            else:
                groups.setdefault(v.aval.dtype, []).append((v, y))
        if kept:
            name = self.list_of(inner, [inner.float_text(y) for _, y in kept])
            for c, (v, _) in enumerate(kept):
                n = self.e.params["length"]
                scope.rows[v] = Rows(name, c, len(kept), self.reverse, n, 0, n)
            # The list is needed as long as one of the stacks is.
            scope.share(name, [v for v, _ in kept])
        lines = []
        for dtype, group in groups.items():
            texts = [
                inner.float_text(y) if is_float(y.aval) and y in inner.floats else inner.result(y)
                for _, y in group
            ]
            turned = "[::-1]" if self.reverse else ""
            kind = writer.refer("dtype_", dtype)
            if len(group) == 1:
                name = self.list_of(inner, texts)
                array = writer.use("array", np.array)
                lines.append(f"{scope.of[group[0][0]]} = {array}({name}{turned}, {kind})")
            else:
                name = self.list_of(inner, [f"({', '.join(texts)})"], "+=")
                columns = writer.use("columns_of", columns_of)
                left = ", ".join([scope.of[v] for v, _ in group])
                lines.append(f"{left} = {columns}({name}, {len(group)}, {kind}, {self.reverse})")
            lines.append(f"del {name}")
        return lines

    def list_of(self, inner: Scope, texts: Sequence[str], how: str = "append") -> str:
        """A new list to which each step adds these values."""
        writer = self.writer
        name = writer.names.unused("rows")
        writer.lines.insert(inner.before, "    " * (writer.indent - 1) + f"{name} = []")
        inner.before += 1
        value = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
        writer.line(f"{name} += {value}" if how == "+=" else f"{name}.append({value})")
        return name


def columns_of(numbers: list[Any], n: int, dtype: Any, reverse: bool) -> list[Any]:
    """The stacks of numbers that have been put into one list, step by step."""
    steps = np.array(numbers, dtype).reshape(-1, n)
    return [column.copy() for column in (steps[::-1] if reverse else steps).T]


def _only_in_loops(scope: Scope, v: Var) -> bool:
    """True for a stack that loops take apart into numbers to compute with, or parts of it."""
    if v in scope.program.outputs:
        return False
    readers = scope.readers.get(v, ())
    for e, j in readers:
        if e.primitive.name == "scan":
            item = e.params["body"].inputs[j]
            if j < e.params["n_consts"] + e.params["n_carry"] or not is_float(item.aval):
                return False
        elif e.primitive.name == "getitem" and len(e.params["index"]) == len(e.inputs) == 1:
            index = e.params["index"][0]
            if isinstance(index, slice):
                if index.step not in (None, 1) or not _only_in_loops(scope, e.outputs[0]):
                    return False
            elif type(index) is not int:
                return False
        else:
            return False
    return bool(readers)


def _constants(
    scope: Scope, operands: Sequence[Atom], body: Program, floats: list[int], at: int = 0
) -> list[str]:
    """The texts of the constants of a loop or a branch, which are the first operands."""
    found = []
    for j, (a, v) in enumerate(zip(operands, body.inputs[at:], strict=False), at):
        if isinstance(a, Var) and a in scope.floats and is_float(v.aval):
            floats.append(j)
            found.append(scope.of[a])
            continue
        text = scope.typed(a, v.aval)
        if "(" in text.lstrip("(") or "." in text:
            text = scope.temporary(text)
        found.append(text)
    return found


def _start(
    scope: Scope,
    i: int,
    e: Equation,
    body: Program,
    first: int,
    wanted: set[Var],
    floats: list[int],
) -> list[str]:
    """The texts of what a loop carries at first."""
    own, over = scope.memory.loops[i].own, scope.memory.over
    n = e.params["n_carry"] if e.primitive.name == "scan" else len(e.outputs)
    outer = len(e.inputs) - len(e.outputs) if e.primitive.name == "while" else first
    found = []
    for j, (a, out) in enumerate(zip(e.inputs[outer : outer + n], e.outputs, strict=False)):
        v = body.inputs[first + j]
        if is_float(v.aval) and scope.writer.floats and (v in wanted or a in scope.floats):
            floats.append(first + j)
            found.append(scope.float_text(a))
        elif j in own and out not in over:
            found.append(f"{scope.writer.use('array', np.array)}({scope.operand(a)})")
        else:
            found.append(scope.typed(a, v.aval))
    return found


def _carry_on(
    inner: Scope, names: Sequence[str], outs: Sequence[Atom], inputs: Sequence[Var]
) -> None:
    """The line that makes the results of a step the operands of the next."""
    changed = []
    for name, a, v in zip(names, outs, inputs, strict=True):
        text = inner.float_text(a) if v in inner.floats else inner.typed(a, v.aval)
        if text != name:
            changed.append((name, text))
    if changed:
        left, right = zip(*changed, strict=True)
        inner.writer.line(f"{', '.join(left)} = {', '.join(right)}")


def _note_floats(scope: Scope, outputs: Sequence[Var], positions: Sequence[int]) -> None:
    """Note which results of a loop are Python floats."""
    for j, v in enumerate(outputs):
        if j in positions:
            scope.floats.add(v)


def write_while(scope: Scope, i: int, e: Equation) -> bool:
    """A `while` loop."""
    writer, params = scope.writer, e.params
    condition, body = params["condition"], params["body"]
    n, m = params["n_condition"], params["n_body"]
    wanted: set[Var] = set()
    if writer.floats:
        wanted = computed_with(body)
        asked = computed_with(condition)
        pairs = zip(condition.inputs[n:], body.inputs[m:], strict=True)
        wanted |= {v for u, v in pairs if u in asked}
    carry = [scope.name(v) for v in e.outputs]
    tested: list[int] = []
    changed: list[int] = []
    fixed = _constants(scope, e.inputs[:n], condition, tested)
    consts = _constants(scope, e.inputs[n : n + m], body, changed)
    start = _start(scope, i, e, body, m, wanted, changed)
    if carry:
        writer.line(f"{', '.join(carry)} = {', '.join(start)}")
    tested += [n + j - m for j in changed if j >= m]
    before = len(writer.lines)
    writer.line("while True:")
    writer.indent += 1
    test = Scope(
        writer, condition, [*fixed, *carry], floats=tested, fixed=n, before=before
    )  # fmt: skip
    test.write()
    writer.line(f"if not {test.result(condition.outputs[0])}:")
    writer.line("    break")
    test.leave()
    memory = memory_of_body(e, scope.memory.loops[i].own)
    inner = Scope(
        writer,
        body,
        [*consts, *carry],
        floats=changed,
        fixed=m,
        before=test.before,
        memory=memory,
    )
    inner.write()
    _carry_on(inner, carry, body.outputs, body.inputs[m:])
    writer.indent -= 1
    inner.leave()
    _note_floats(scope, e.outputs, [j - m for j in changed])
    return True


def write_branches(scope: Scope, i: int, e: Equation) -> bool:
    """An `if` statement."""
    writer, branches = scope.writer, e.params["branches"]
    index = e.inputs[0]
    chosen = scope.of[index] if isinstance(index, Var) else scope.operand(index)
    floats: list[int] = []
    args = _constants(scope, e.inputs[1:], branches[0], floats)
    for branch in branches[1:]:
        if branch.in_avals != branches[0].in_avals:
            return False
    names = [scope.name(v) for v in e.outputs]
    left = ", ".join(names)
    numbers = [is_float(v.aval) and v in scope.wanted for v in e.outputs]
    for k, branch in enumerate(branches):
        if k == len(branches) - 1:
            writer.line("else:" if k else "if True:")
        elif index.aval.dtype.kind == "b":
            writer.line(f"if not {chosen}:")
        else:
            writer.line(f"{'if' if k == 0 else 'elif'} {chosen} <= {k}:")
        writer.indent += 1
        inner = Scope(writer, branch, args, floats=floats)
        inner.write()
        results = [
            inner.float_text(a) if number else inner.typed(a, v.aval)
            for a, v, number in zip(branch.outputs, e.outputs, numbers, strict=True)
        ]
        writer.line(f"{left} = {', '.join(results)}" if names else "pass")
        inner.leave()
        writer.indent -= 1
    scope.floats.update([v for v, number in zip(e.outputs, numbers, strict=True) if number])
    return True
