"""The text of one program: the whole, the body of a loop, or a branch, and its variables.

What is more than an expression is written by a function in `WRITERS`, under the name of the
primitive, which returns False to leave an equation to `Scope.plain`.

Names are given anew when what they stood for is not needed any more, so that long functions have
few variables: Python is slower with more than 256 of them.

Read next: `loops.py`, `stores.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from .buffers import Buffers
from .memory import Memory
from .names import Lines
from .rows import Rows
from .scalars import is_float, scalar_text
from .templates import Template, index_text, template
from .writer import Writer

__all__ = ["WRITERS", "Scope"]


class Scope:
    """The variables of one program: the whole, the body of a loop, or a branch.

    `places`: where results are to be written to, if NumPy can. `floats`: the positions of inputs
    that are Python floats in the text. `fixed`: how many inputs are the same in all steps of the
    loop that begins with the next line; what is made of them stands before it.
    """

    def __init__(
        self,
        writer: Writer,
        program: Program,
        inputs: Sequence[str],
        places: dict[Var, str] | None = None,
        *,
        floats: Container[int] = (),
        fixed: int = 0,
        before: int = 0,
        memory: Memory | None = None,
    ) -> None:
        self.writer = writer
        self.program = program
        self.memory = Memory(program) if memory is None else memory
        self.buffers = Buffers(self.memory, writer.keys, writer.free)
        self.of: dict[Var, str] = dict(zip(program.inputs, inputs, strict=True))
        for v, value in program.constants:
            self.of[v] = writer.refer("k", value)
        self.fixed = {v for v in program.inputs[:fixed] if not v.aval.shape}
        self.before = before
        """The number of the line before which stands what is made of fixed inputs."""
        self.places = places or {}
        self.placed, self.slotted = set[Var](), set[Var]()
        self.stores: dict[Var, list[str]] = {}
        """Lines that copy a variable to where it is to be, as soon as it is known."""
        self.floats: set[Var] = set()
        """Variables that are a Python float or bool in the text."""
        self.rows: dict[Var, Rows] = {}
        """Stacks of numbers that are lists in the text."""
        equations = program.equations
        self.texts = (
            [scalar_text(e) for e in equations] if writer.floats else [None] * len(equations)
        )
        """The expressions in Python's arithmetic."""
        self.wanted = {
            a
            for e, text in zip(equations, self.texts, strict=True)
            if text is not None
            for a in e.inputs
            if type(a) is Var
        }
        """Variables that are computed with in Python's arithmetic."""
        self.last_read: dict[Atom, int] = {}
        for i, e in enumerate(equations):
            at = i + 1 if i in self.memory.late else i
            for a in e.inputs:
                self.last_read[a] = max(at, self.last_read.get(a, at))
        self.last_read.update(dict.fromkeys(program.outputs, len(equations)))
        self.given: dict[Var, list[str]] = {}
        """The names that were given for a variable, and are free when it is not needed."""
        self.shared: Counter[str] = Counter()
        self.made: dict[tuple[str, Var], str] = {}
        """What was made of fixed inputs before the loop."""
        self.lists: dict[Var, str] = {}
        """Vectors whose elements are read from a list."""
        self.reads = self._reads()
        for k, v in enumerate(program.inputs):
            if k in floats:
                self.floats.add(v)
            elif v in self.wanted and is_float(v.aval):
                self.make_float(v)

    def _reads(self) -> Counter[Var]:
        """How many elements of vectors are read as Python floats."""
        return Counter([
            e.inputs[0]
            for e in self.program.equations
            if e.primitive.name == "getitem"
            and e.outputs[0] in self.wanted
            and _element_of(e) is not None
            and isinstance(e.inputs[0], Var)
        ])  # fmt: skip

    def make_float(self, v: Var) -> None:
        """Have a number as a Python float from here on."""
        text = f"float({self.of[v]})"
        if v in self.fixed:
            self.of[v] = self.made_of(v, text)
        else:
            name = self.writer.names.new(self.of[v] if self.of[v].isidentifier() else "x")
            self.writer.line(f"{name} = {text}")
            self.of[v] = name
            self.given[v] = [name]
            self.shared[name] = 1
        self.floats.add(v)

    def made_of(self, v: Var, text: str) -> str:
        """The name of an expression of a fixed input, which stands before the loop."""
        name = self.made.get((text, v))
        if name is None:
            stem = text.partition("(")[2].rstrip(")")
            # The loop must not give it to anything else.
            name = self.writer.names.unused(stem if stem.isidentifier() else "c")
            self.made[text, v] = name
            self.writer.lines.insert(
                self.before, "    " * (self.writer.indent - 1) + f"{name} = {text}"
            )
            self.before += 1
        return name

    def write(self) -> None:
        """The lines of all equations."""
        writer, floats = self.writer, self.writer.floats
        self.names = lines = Lines(self.program)
        shown = None
        for v in (*self.program.inputs, *[v for v, _ in self.program.constants]):
            self.store(v)
        for i, e in enumerate(self.program.equations):
            line = lines.of(e)
            if line is not None and line is not shown and line.text:
                shown = line
                writer.line(f"# {line.place}: {line.text}")
            if not (floats and self.texts[i] is not None and self.scalar(i, e)):
                write = WRITERS.get(e.primitive.name)
                if write is None or not write(self, i, e):
                    self.plain(i, e)
            if self.stores:
                for v in e.outputs:
                    self.store(v)
            self.forget(i, e.inputs)
            self.buffers.release(i, e)
            for v in e.outputs:
                if v not in self.last_read:
                    self.drop(v)

    def store(self, v: Var) -> None:
        """Copy a variable to where it is to be."""
        for text in self.stores.pop(v, ()):
            self.writer.line(f"{text} = {self.of[v]}")

    def plain(self, i: int, e: Equation) -> None:
        """The line of an equation that is an expression."""
        writer = self.writer
        found = None if e.primitive.multiple_results else template(e)
        numbers = found is not None and found.in_place and _takes_arrays_for_numbers(e)
        if e.primitive.name == "getitem" and self.item(i, e):
            return
        args = [self.operand(a, numbers) for a in e.inputs]
        if found is None:
            text = self.call(e, args)
            if e.primitive.multiple_results and len(e.outputs) == 1:
                text += "[0]"
            if len(e.outputs) == 1 and is_float(e.outputs[0].aval) and e.outputs[0] in self.wanted:
                text = f"float({text.removesuffix('[()]')})"
                self.floats.add(e.outputs[0])
            left = ", ".join([self.name(v, i, e) for v in e.outputs])
            writer.line(f"{left} = {text}" if left else text)
            return
        for name, value in found.names.items():
            writer.use(name, value)
        out, aval = e.outputs[0], e.outputs[0].aval
        over = self.memory.over.get(out)
        if over is not None:
            place = self.of[over]
            writer.line(found.text.format(*args, out=f", {place}", place=place))
            self.same_name(out, over)
            return
        at = self.place(i, e, found) if found.out and aval.shape and aval.size else None
        text = found.text.format(*args, out="" if at is None else f", {at}", place=at)
        if out in self.wanted and is_float(aval):
            text = f"float({text})"
            self.floats.add(out)
        elif aval.weak_type and not aval.shape:
            text = f"{_PYTHON[aval.dtype.kind]}({text})"
        writer.line(f"{self.name(out, i, e)} = {text}")

    def place(self, i: int, e: Equation, found: Template) -> str | None:
        """Where a result is to be written to; None for new memory."""
        out = e.outputs[0]
        place = self.places.get(out)
        if place is not None:
            self.placed.add(out)
            return place
        change = self.memory.slots.get(out)
        index = None if change is None else index_text(change.params["index"], ())
        if change is not None and index is not None:
            self.slotted.add(out)
            return f"{self.of[change.inputs[0]]}[{index}]"  # type: ignore[index]  # an array
        place = self.buffers.take(i, e, found.in_place)
        if place is None and found.in_place:
            memory = self.memory
            for a in e.inputs:
                if (
                    type(a) is Var
                    and a in memory.new
                    and memory.last.get(a) == i
                    and a not in memory.memory
                    and a not in self.buffers.owned
                    and (a.aval.shape, a.aval.dtype) == (out.aval.shape, out.aval.dtype)
                    and memory.alone(a, e, a)
                ):
                    return self.of[a]
        return place

    def scalar(self, i: int, e: Equation) -> bool:
        """The line of an operation in Python's arithmetic; False if an operand is none of its."""
        args = []
        for a in e.inputs:
            if type(a) is Var:
                if a not in self.floats and is_number(a.aval):
                    return False
                args.append(self.of[a])
            else:
                args.append(self.number(a.value))  # type: ignore[union-attr]  # a literal
        text, names = self.texts[i]  # type: ignore[misc]  # asked by the caller
        for name, value in names.items():
            self.writer.use(name, value)
        out = e.outputs[0]
        self.writer.line(f"{self.name(out, i, e)} = {text.format(*args)}")
        self.floats.add(out)
        self.writer.has_floats = True
        return True

    def item(self, i: int, e: Equation) -> bool:
        """The line of an element that is read from a list; False for others."""
        x, out = e.inputs[0], e.outputs[0]
        if x in self.rows:
            self.part(e, self.rows[x])
            return True
        k = _element_of(e)
        n = self.reads[x]  # type: ignore[index]  # a literal is not there
        if k is None or out not in self.wanted or not isinstance(x, Var):
            return False
        if n < 2 or 2 * n < x.aval.shape[0]:
            return False
        elements = self.lists.get(x)
        if elements is None:
            elements = self.lists[x] = self.writer.names.short()
            self.given.setdefault(x, []).append(elements)
            self.shared[elements] = 1
            self.writer.line(f"{elements} = {self.of[x]}.tolist()")
        self.writer.line(f"{self.name(out, i, e)} = {elements}[{k}]")
        self.floats.add(out)
        return True

    def own(self, i: int, e: Equation, x: Var) -> str:
        """The name of the result of equation i, which is to be changed: x itself, or a copy."""
        out, writer = e.outputs[0], self.writer
        if out in self.memory.over:
            self.same_name(out, x)
            return self.of[out]
        text = self.of[x]
        place = self.buffers.take_new(out)
        if place is None:
            copy = writer.use("array", np.array)
            self.writer.line(f"{self.name(out)} = {copy}({text})")
        else:
            writer.line(f"{place}[...] = {text}")
            writer.line(f"{self.name(out)} = {place}")
        return self.of[out]

    def part(self, e: Equation, rows: Rows) -> None:
        """An element of numbers in a list, or some of them."""
        out, index = e.outputs[0], e.params["index"][0]
        if isinstance(index, slice):
            self.rows[out] = rows.part(index)
            self.given.setdefault(out, []).append(rows.name)
            self.shared[rows.name] += 1
            return
        self.writer.line(f"{self.name(out)} = {rows.element(index)}")
        self.floats.add(out)

    @cached_property
    def readers(self) -> dict[Atom, list[tuple[Equation, int]]]:
        """The equations that read a variable, each with the position of the operand."""
        found: dict[Atom, list[tuple[Equation, int]]] = {}
        for e in self.program.equations:
            for j, a in enumerate(e.inputs):
                found.setdefault(a, []).append((e, j))
        return found

    # Names.

    def name(self, v: Var, i: int | None = None, e: Equation | None = None) -> str:
        """A name for a variable that is made by equation i, after all operands have been read."""
        if e is not None and i is not None:
            self.forget(i, e.inputs)
        wanted = self.names.of_vars.get(v)
        names = self.writer.names
        name = names.short() if wanted is None else names.new(wanted)
        self.of[v] = name
        self.given[v] = [name]
        self.shared[name] = 1
        return name

    def same_name(self, v: Var, other: Var) -> None:
        """A variable takes over the place, and the name, of another."""
        name = self.of[v] = self.of[other]
        if name in self.shared:
            self.given.setdefault(v, []).append(name)
            self.shared[name] += 1

    def share(self, name: str, variables: Sequence[Var]) -> None:
        """A name that is free when none of some variables is needed."""
        for v in variables:
            self.given.setdefault(v, []).append(name)
        self.shared[name] = len(variables)

    def temporary(self, text: str) -> str:
        """A name for an expression, until the scope ends."""
        name = self.writer.names.new("c")
        self.writer.line(f"{name} = {text}")
        self.made[text, Var(ShapedArray((), np.dtype(float)))] = name
        return name

    def forget(self, i: int, atoms: Sequence[Atom]) -> None:
        """Let go of the names of variables that are read last by equation i."""
        for a in atoms:
            if a in self.given and self.last_read[a] == i:
                self.drop(a)

    def drop(self, v: Var) -> None:
        """Let go of the names of a variable."""
        for name in self.given.pop(v, ()):
            self.shared[name] -= 1
            if not self.shared[name]:
                del self.shared[name]
                self.writer.names.release(name, v.aval.size >= _LARGE)

    def leave(self) -> None:
        """Let go of all names: what the results are has been written."""
        for v in list(self.given):
            self.drop(v)
        for name in self.made.values():
            self.writer.names.release(name)

    # Texts.

    def number(self, value: Any) -> str:
        """A number in Python's arithmetic."""
        return self.writer.literal(value.item() if isinstance(value, np.generic) else value)

    def call(self, e: Equation, args: Sequence[str]) -> str:
        """A call of the primitive's own function."""
        function = self.writer.refer(f"{e.primitive.name}_", e.primitive.impl)
        params = [f"{k}={self.parameter(k, v)}" for k, v in e.params.items()]
        text = f"{function}({', '.join([*args, *params])})"
        if e.primitive.multiple_results or e.outputs[0].aval.shape:
            return text
        if e.outputs[0].aval.weak_type:
            return (
                text if self.writer.floats else f"{_PYTHON[e.outputs[0].aval.dtype.kind]}({text})"
            )
        if not any([a.aval.shape for a in e.inputs]):
            return text
        return f"{text}[()]"  # a number, where NumPy has a view without axes

    def parameter(self, key: str, value: Any) -> str:
        """A parameter, in the text where that is short."""
        if type(value) in (bool, int, str, type(None)):
            return repr(value)
        if type(value) is tuple and all([type(v) in (bool, int) for v in value]):
            return repr(value)
        return self.writer.refer(f"{key}_", value)

    def operand(self, a: Atom, numbers: bool = False) -> str:
        """What stands for an operand; with `numbers`, an array for a float."""
        if isinstance(a, Var):
            if a not in self.floats:
                return self.of[a]
            if numbers and a.aval.dtype.kind == "f":
                return self.converted(a, self.writer.use("asarray", np.asarray))
            return self.of[a] if a.aval.weak_type else self.as_numpy(a)
        if numbers and type(a.value) in (float, np.float64):
            return self.writer.array_of(float(a.value))
        if numbers and type(a.value) is int and abs(a.value) < 2**53:
            return self.writer.array_of(float(a.value))
        return self.writer.literal(a.value)

    def as_numpy(self, v: Var) -> str:
        """A variable with NumPy's type."""
        kind = v.aval.dtype.type
        return self.converted(v, self.writer.use(kind.__name__, kind))

    def converted(self, v: Var, function: str) -> str:
        """A function of a variable; before the loop, where it is fixed."""
        text = f"{function}({self.of[v]})"
        return self.made_of(v, text) if v in self.fixed else text

    def typed(self, a: Atom, aval: ShapedArray) -> str:
        """What stands for an operand where a number of this type is expected: Python's, if weak."""
        if isinstance(a, Literal):
            if aval.weak_type or not a.aval.weak_type:
                return self.writer.literal(a.value)
            return self.writer.refer("c", aval.dtype.type(a.value))
        if aval.shape or aval.weak_type == a.aval.weak_type:
            return self.operand(a)
        if aval.weak_type:
            return self.of[a] if a in self.floats else f"{self.of[a]}.item()"
        kind = aval.dtype.type
        return f"{self.writer.use(kind.__name__, kind)}({self.of[a]})"

    def float_text(self, a: Atom) -> str:
        """What stands for a number, as a Python float."""
        if isinstance(a, Literal):
            return self.number(float(a.value))
        return self.of[a] if a in self.floats else f"float({self.of[a]})"

    def float_or_scalar(self, a: Atom) -> str:
        """What stands for a number, as it is."""
        return self.of[a] if isinstance(a, Var) else self.number(a.value)

    def result(self, a: Atom) -> str:
        """What stands for a result, with NumPy's types."""
        return self.operand(a) if isinstance(a, Var) else self.writer.literal(a.value)

    def results(self) -> list[str]:
        """The texts of the results: new arrays, no two the same."""
        found: list[str] = []
        used: set[Var] = set()
        for a in self.program.outputs:
            text = self.result(a)
            if isinstance(a, Var) and a.aval.shape:
                memory = self.memory.of(a)
                if not self.memory.is_new(a) or not memory.isdisjoint(used):
                    text = f"{self.writer.use('copy_of', _copy_of)}({text})"
                used |= memory
            found.append(text)
        return found


WRITERS: Final[dict[str, Callable[[Scope, int, Equation], bool]]] = {}
"""What writes equations that are no expressions, by the names of primitives."""

_ARITHMETIC: Final = frozenset([
    "add", "sub", "mul", "div", "maximum", "minimum", "less", "less_equal", "greater",
    "greater_equal", "equal", "not_equal", "arctan2", "hypot", "logaddexp",
])  # fmt: skip
"""Operations that take a number as well as an array of it."""
_LARGE: Final = 1 << 14
"""Arrays of so many elements are let go of as soon as they are not needed."""
_PYTHON: Final = {"f": "float", "c": "complex", "i": "int", "u": "int", "b": "bool"}


def is_number(aval: ShapedArray) -> bool:
    """True for the type of a Python float or bool."""
    return is_float(aval) or (not aval.shape and aval.dtype.kind == "b")


def _copy_of(x: Any) -> Any:
    return x.copy() if type(x) is np.ndarray else x


def _element_of(e: Equation) -> int | None:
    """The position of an element of a vector of float64 that an equation reads."""
    index, aval = e.params["index"], e.inputs[0].aval
    if len(index) != 1 or type(index[0]) is not int or len(e.inputs) != 1:
        return None
    return index[0] if len(aval.shape) == 1 and aval.dtype == np.float64 else None


def _takes_arrays_for_numbers(e: Equation) -> bool:
    """True where a float64 array may stand for a Python number, because an operand is float64."""
    if not e.outputs[0].aval.shape or e.primitive.name not in _ARITHMETIC:
        return False
    return any([
        a.aval.dtype == np.float64 and not a.aval.weak_type for a in e.inputs if isinstance(a, Var)
    ])  # fmt: skip
