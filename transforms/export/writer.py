"""Writing the equations of a program as Python statements.

A value that is used once stands where it is used; others get a name, which is the user's where one
of the user's lines assigns it. The user's lines stand above what came of them as comments.
Read next: `texts.py` (what is written for each primitive) and `control.py` (loops and branches).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.errors import MissingRuleError
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.source import Source
from ..staging.names import Line, Lines
from .layout import WIDTH, laid_out
from .lifting import Lifter
from .module import Module, NoTextError
from .unparsing import expression

__all__ = ["Scope", "StatementRule", "Text", "Writer", "bare", "call", "name_of"]

Text = Callable[["Scope", Equation, list[ast.expr]], ast.expr]
"""A rule: the expression for an equation, from those for its operands."""
StatementRule = Callable[["Scope", Equation, list[ast.expr]], None]
"""A rule that writes lines, and gives the results of the equation their names itself."""

_SHORT: Final = 64
"""An expression of so many characters may stand where it is used."""
_SINGLE: Final = (np.float16, np.float32, np.complex64)


def name_of(text: str) -> ast.expr:
    """A variable."""
    return ast.Name(text, ast.Load())


def call(function: ast.expr, *args: ast.expr, **keywords: ast.expr) -> ast.expr:
    """A call."""
    return ast.Call(function, list(args), [ast.keyword(k, v) for k, v in keywords.items()])


class Writer:
    """The lines of one function, and the module that it is in."""

    def __init__(
        self,
        module: Module,
        texts: dict[str, Text],
        blocks: dict[str, StatementRule],
        caller: Source | None = None,
        comments: bool = True,
    ) -> None:
        self.module = module
        self.names = module.names
        self.lifter = Lifter(module)
        self.texts = texts
        self.blocks = blocks
        self.lines: list[str] = []
        self.indent = 1
        self.caller = None if caller is None else (caller.code, caller.line)
        self.comments = comments
        self.shown: Line | None = None
        self.count = 0

    def line(self, text: str) -> None:
        """Add a line, broken where it is too long."""
        self.lines += laid_out(text, 4 * self.indent)

    def assign(self, name: str, value: ast.expr) -> None:
        """Add `name = value`."""
        self.line(f"{name} = {bare(value)}")

    def temporary(self) -> str:
        """A new name for a value that the user has none for."""
        self.count += 1
        name = f"v{self.count}"
        while name in self.names.taken:
            self.count += 1
            name = f"v{self.count}"
        return self.names.new(name)

    def comment(self, line: Line | None) -> None:
        """Show a line of the user's above what comes of it."""
        if line is None or line == self.shown or not line.text or not self.comments:
            return
        self.shown = line
        text = f"# {line.place.partition(' ')[0]}: {line.text}"
        room = WIDTH - 4 * self.indent
        self.lines.append(
            " " * 4 * self.indent + (text if len(text) <= room else text[: room - 3] + "...")
        )

    def is_caller(self, source: Source) -> bool:
        """True for the line that asked for the text, which says nothing about it."""
        return self.caller is not None and (source.code, source.line) == self.caller


def bare(value: ast.expr) -> str:
    """The text of an expression; a tuple without its parentheses."""
    text = expression(value)
    return text[1:-1].rstrip(",") if isinstance(value, ast.Tuple) and len(value.elts) > 1 else text


class Scope:
    """The variables of one program: the whole, the body of a loop, or a branch."""

    def __init__(self, writer: Writer, program: Program, inputs: Sequence[ast.expr]) -> None:
        self.writer = writer
        self.module = writer.module
        self.program = program
        self.of: dict[Var, ast.expr] = dict(zip(program.inputs, inputs, strict=True))
        self.pending: dict[Var, Line | None] = {}
        """Values that wait for the place where they are used, with the user's line."""
        self.fresh: set[Var] = set()
        """Values in memory that nothing else refers to."""
        for v, value in program.constants:
            self.of[v] = self.constant(value)
        used = Counter([a for e in program.equations for a in e.inputs if isinstance(a, Var)])
        used.update([a for a in program.outputs if isinstance(a, Var)])
        self.used = used
        self.user: dict[Var, Equation] = {}
        for e in program.equations:
            for a in e.inputs:
                if isinstance(a, Var):
                    self.user[a] = e
        self.user_lines = Lines(program)
        self.names = self.user_lines.of_vars

    # Operands.

    def constant(self, value: Any) -> ast.expr:
        """A constant of the program."""
        try:
            return self.module.value(value)
        except NoTextError as error:
            raise MissingRuleError(
                f"to_numpy_source: a constant of {self.program.name} cannot be written as text.",
                got=str(error),
                fix="pass it as an argument",
            ) from None

    def operand(self, a: Atom, e: Equation | None = None) -> ast.expr:
        """The expression for an operand of an equation, or for a result."""
        if isinstance(a, Var):
            self.pending.pop(a, None)
            return self.of[a]
        value = a.value
        if isinstance(value, np.generic) and e is not None and _absorbed(value, e):
            value = value.item()
        return self.constant(value)

    def plain(self, value: ast.expr) -> ast.expr:
        """A name or a number for an operand that is needed more than once."""
        if isinstance(value, ast.Name | ast.Constant) or _is_signed_number(value):
            return value
        name = self.writer.temporary()
        self.writer.assign(name, value)
        return name_of(name)

    def take(self, v: Var) -> str:
        """A new name for a variable."""
        wanted = self.names.get(v)
        name = self.writer.temporary() if wanted is None else self.writer.names.new(wanted)
        self.of[v] = name_of(name)
        return name

    # Equations.

    def write(self) -> None:
        """The lines of all equations."""
        for e in self.program.equations:
            self.equation(e)

    def line_of(self, e: Equation) -> Line | None:
        """The user's line of an equation."""
        if e.source is None or self.writer.is_caller(e.source):
            return None
        return self.user_lines.of(e)

    def equation(self, e: Equation) -> None:
        """The lines of one equation, unless it waits to stand where it is used."""
        writer, line = self.writer, self.line_of(e)
        block = writer.blocks.get(e.primitive.name)
        try:
            if block is not None:
                args = [self.operand(a, e) for a in e.inputs]
                writer.comment(line)
                block(self, e, args)
                return
            args = [self.operand(a, e) for a in e.inputs]
            value = self.value(e, args)
            if any([not isinstance(a, ast.Name | ast.Constant) for a in args]):
                room = WIDTH - 8 - 4 * writer.indent
                if len(expression(value)) > room:
                    writer.comment(line)
                    value = self.value(e, [self.plain(a) for a in args])
        except NoTextError as error:
            raise MissingRuleError(
                f"to_numpy_source: the primitive {e.primitive.name!r} has no NumPy text.",
                got=f"{e!r}; {error}",
                fix="give it one: wg.define_numpy_source(primitive, function), where the function "
                "computes it with NumPy alone",
                source=e.source,
            ) from None
        if len(e.outputs) > 1 or e.primitive.multiple_results:
            writer.comment(line)
            names = [self.take(v) if self.used[v] else "_" for v in e.outputs]
            if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
                for name, part in zip(names, value.elts, strict=True):
                    writer.assign(name, part)
                return
            writer.line(f"{', '.join(names)}{',' * (len(names) == 1)} = {bare(value)}")
            return
        out = e.outputs[0]
        if self.may_wait(e, out, value, line):
            self.of[out] = value
            self.pending[out] = line
            return
        writer.comment(line)
        writer.assign(self.take(out), value)

    def may_wait(self, e: Equation, out: Var, value: ast.expr, line: Line | None) -> bool:
        """True if a value is to stand where it is used."""
        if isinstance(value, ast.Name | ast.Constant) and self.used[out]:
            return True
        if self.used[out] != 1 or out in self.names or len(expression(value)) > _SHORT:
            return False
        user = self.user.get(out)
        if user is None:
            return True  # it is a result
        if user.primitive.name in self.writer.blocks and user.primitive.name not in _TAKE_ONCE:
            return False
        theirs = self.line_of(user)
        return theirs is None or line is None or theirs == line

    def value(self, e: Equation, args: list[ast.expr]) -> ast.expr:
        """The expression for an equation."""
        rule = self.writer.texts.get(e.primitive.name)
        if rule is not None:
            return rule(self, e, args)
        return self.lifted(e, args)

    def lifted(self, e: Equation, args: list[ast.expr]) -> ast.expr:
        """The expression from the primitive's own function."""
        params = {k: self.writer.lifter.reference(v, k) for k, v in e.params.items()}
        impl, lifter = e.primitive.impl, self.writer.lifter
        found = lifter.inline(impl, args, params)
        if found is None and any([not isinstance(a, ast.Name | ast.Constant) for a in args]):
            found = lifter.inline(impl, [name_of(f"_{i}") for i in range(len(args))], params)
            if found is not None:
                found = lifter.inline(impl, [self.plain(a) for a in args], params)
        if found is not None:
            return found
        found = lifter.call(impl, args, params, e.primitive.name)
        aval = e.outputs[0].aval
        if aval.dtype in _SINGLE and not e.primitive.multiple_results and args:
            # Python's numbers have no type of their own in what is written here.
            kind = self.module.dtype(aval.dtype)
            found = (
                call(self.module.numpy("asarray"), found, kind) if aval.shape else call(kind, found)
            )
        return found

    def result(self, a: Atom) -> ast.expr:
        """The expression for a result, with NumPy's type."""
        value = self.operand(a)
        if isinstance(a, Literal):
            kind = a.aval.dtype
            if not isinstance(a.value, np.generic):
                return call(self.module.dtype(kind), value)
        elif a.aval.weak_type and isinstance(value, ast.Constant):
            return call(self.module.dtype(a.aval.dtype), value)
        return value


_TAKE_ONCE: Final = frozenset(["setitem", "scatter_sum", "cond"])
"""Blocks that write each operand down once, or give it a name themselves."""


def _is_signed_number(value: ast.expr) -> bool:
    return isinstance(value, ast.UnaryOp) and isinstance(value.operand, ast.Constant)


def _absorbed(value: Any, e: Equation) -> bool:
    """True if a NumPy scalar may be written as a Python number: another operand has its type."""
    kind = value.dtype.kind
    for a in e.inputs:
        if not isinstance(a, Var) or a.aval.weak_type:
            continue
        dtype = a.aval.dtype
        if dtype.kind in "fc" and kind in "fiu" and np.result_type(dtype, value.dtype) == dtype:
            return e.primitive.name != "where" or e.inputs[0] is not a
        if dtype == value.dtype and kind in "iub" and e.primitive.name != "where":
            return True
    return False
