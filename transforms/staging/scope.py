"""The text of a function as it grows: names, constants, buffers, and the variables of each program.

`Writer` is the function, `Scope` one of its programs: the whole, a loop's body, a branch. What is
not an expression is written by a function in `WRITERS`, under the name of the primitive; it returns
False if it leaves the equation to `Scope.plain`.

Read next: `loops.py`, `stores.py`.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Callable, Container, Sequence
from types import CodeType
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from .buffers import Buffers, Key
from .scalars import is_float, scalar_text
from .templates import makes_new_memory, template

__all__ = ["WRITERS", "Rows", "Scope", "Writer", "computed_with", "is_bool", "is_number"]

_ASSIGNED: Final = re.compile(r"([^\W\d]\w*)\s*(?::[^=]+)?=[^=]")


class Rows(NamedTuple):
    """A stack of numbers as column `column` of `count`, of a list of tuples (of numbers, for one
    column), which is in the order of the steps; `reverse` if they went from the end.
    """

    name: str
    column: int
    count: int
    reverse: bool


class Names:
    """Names for variables, no two alike at a time."""

    def __init__(self) -> None:
        self.taken = {*keyword.kwlist, *dir(builtins), "run", "buffers"}
        self.stems: dict[str, str] = {}
        self.free: dict[str, list[str]] = {}
        self.counts: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """The name itself if it is free, or with a number."""
        free = self.free.get(wanted)
        if free:
            return free.pop()
        name, n = wanted, 1
        while name in self.taken or re.fullmatch(r"b\d+", name):
            n = self.counts.get(wanted, n) + 1
            self.counts[wanted] = n
            name = f"{wanted}_{n}"
        self.taken.add(name)
        self.stems[name] = wanted
        return name

    def short(self) -> str:
        """A name for a value that the user gave none."""
        free = self.free.get("v")
        if free:
            return free.pop()
        while (name := f"v{self.counts.setdefault('v', 0)}") in self.taken:
            self.counts["v"] += 1
        self.taken.add(name)
        self.stems[name] = "v"
        return name

    def release(self, name: str) -> None:
        """Let a name stand for something else from here on."""
        self.free.setdefault(self.stems[name], []).append(name)


class Writer:
    """The text of a function so far, with what it refers to."""

    def __init__(self, floats: bool) -> None:
        self.floats = floats
        self.has_floats = False
        self.names = Names()
        self.globals: dict[str, Any] = {}
        self.known: dict[Any, str] = {}
        self.arrays: dict[str, Any] = {}
        self.keys: list[Key] = []
        self.lines: list[str] = []
        self.functions: list[str] = []
        """The texts of functions besides: those of fused equations."""
        self.indent = 1

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.indent + text)

    def use(self, name: str, value: Any) -> str:
        """A global under a fixed name."""
        self.names.taken.add(name)
        self.globals[name] = value
        return name

    def refer(self, stem: str, value: Any) -> str:
        """The name of a global that holds a value."""
        key = (type(value), repr(value)) if isinstance(value, float | complex) else id(value)
        name = self.known.get(key)
        if name is None:
            name = self.known[key] = self.names.new(f"{stem}{len(self.known)}")
            self.globals[name] = value
        return name

    def literal(self, value: Any) -> str:
        """A number."""
        if type(value) in (bool, int) or (type(value) is float and np.isfinite(value)):
            text = repr(value)
            return f"({text})" if text.startswith("-") else text
        return self.refer("c", value)

    def array_of(self, value: float) -> str:
        """A float64 as an array without axes: NumPy computes much faster with it."""
        text = repr(value)
        if text not in self.arrays:
            self.arrays[text] = np.array(value)
        return self.refer("c", self.arrays[text])


class Scope:
    """The variables of one program: the whole, the body of a loop, or a branch.

    `places`: where the results with these positions are to be written to, if NumPy can. `floats`:
    the inputs that are Python floats or bools in the text. `ours`: the inputs whose memory nothing
    else refers to, so that it may be written to once they are not needed.
    """

    def __init__(
        self,
        writer: Writer,
        program: Program,
        inputs: Sequence[str],
        places: dict[int, str] | None = None,
        floats: Container[int] = (),
        ours: Container[int] = (),
    ) -> None:
        self.writer = writer
        self.program = program
        self.buffers = Buffers(program, writer.keys)
        self.of: dict[Var, str] = dict(zip(program.inputs, inputs, strict=True))
        for v, value in program.constants:
            self.of[v] = writer.refer("k", value)
        self.floats: set[Var] = set()
        """Variables that are a Python float or bool in the text, or may be."""
        self.rows: dict[Var, Rows] = {}
        """Stacks of numbers that are lists in the text."""
        self.new = {v for k, v in enumerate(program.inputs) if k in ours}
        """Variables whose memory nothing but the function's own variables refers to."""
        self.wanted = computed_with(program) if writer.floats else set()
        for k, v in enumerate(program.inputs):
            if k in floats or (writer.floats and is_bool(v.aval)):
                self.floats.add(v)
            elif v in self.wanted and is_float(v.aval):
                self.make_float(v)
        self.places: dict[Var, str] = {}
        for k, place in (places or {}).items():
            v = program.outputs[k]
            if isinstance(v, Var):
                self.places.setdefault(v, place)
        self.placed: set[Var] = set()
        self.late: tuple[int, Equation, list[str]] | None = None
        """A sum of scattered values that the next equation adds to something."""
        self.last_read = {a: i for i, e in enumerate(program.equations) for a in e.inputs}
        self.last_read.update(dict.fromkeys(program.outputs, len(program.equations)))
        self.names: dict[Var, str] = {}
        """The names that are given here, and may be used again."""
        self.shared: Counter[str] = Counter()

    def make_float(self, v: Var) -> None:
        """Have a number as a Python float from here on."""
        text = self.of[v]
        name = self.writer.names.new(text if text.isidentifier() else "x")
        self.writer.line(f"{name} = float({text})")
        self.of[v] = name
        self.floats.add(v)

    def write(self) -> None:
        """The lines of all equations."""
        self.lines = lines = Lines(self.program)
        shown = None
        for i, e in enumerate(self.program.equations):
            line = lines.of(e)
            if line is not None and line is not shown and line.text:
                shown = line
                self.writer.line(f"# {line.place}: {line.text}")
            self.one(i, e)
            self.forget(i, e.inputs)
            self.buffers.release(i, e)
            for v in e.outputs:
                if v not in self.last_read:
                    self.drop(v)

    def one(self, i: int, e: Equation) -> None:
        """The lines of one equation."""
        if self.writer.floats and self.scalar(i, e):
            return
        writer = WRITERS.get(e.primitive.name)
        self.new.update([v for v, n in zip(e.outputs, makes_new_memory(e), strict=True) if n])
        if writer is None or not writer(self, i, e):
            self.plain(i, e)

    def plain(self, i: int, e: Equation) -> None:
        """The line of an equation that is an expression."""
        found = None if e.primitive.multiple_results else template(e)
        numbers = found is not None and found.in_place and _takes_arrays_for_numbers(e)
        args = [self.operand(a, numbers) for a in e.inputs]
        if found is None:
            text = self.call(e, args)
            self.forget(i, e.inputs)
            left = ", ".join([self.name(v) for v in e.outputs])
            comma = "," if e.primitive.multiple_results and len(e.outputs) == 1 else ""
            self.writer.line(f"{left}{comma} = {text}")
            return
        for name, value in found.names.items():
            self.writer.use(name, value)
        out, aval = e.outputs[0], e.outputs[0].aval
        place = None
        if found.out and aval.shape and aval.size:
            place = self.places.get(out)
            if place is not None:
                self.placed.add(out)
            else:
                place = self.buffers.take(i, e, found.in_place)
            if place is None and found.in_place:
                place = self.over(i, e)
        where = "" if place is None else f", {place}"
        text = found.text.format(*args, out=where, place=place)
        if self.writer.floats and out in self.wanted and is_float(aval):
            text = f"float({text})"
            self.floats.add(out)
        self.forget(i, e.inputs)
        self.writer.line(f"{self.name(out)} = {text}")

    def over(self, i: int, e: Equation) -> str | None:
        """The operand of an equation whose memory a result may be written to that leaves."""
        aval = e.outputs[0].aval
        for a in e.inputs:
            if (
                isinstance(a, Var)
                and a.aval.shape == aval.shape
                and a.aval.dtype == aval.dtype
                and a not in self.buffers.owned
                and self.is_last(i, e, a)
            ):
                return self.of[a]
        return None

    def is_last(self, i: int, e: Equation, a: Var) -> bool:
        """True if nothing needs the memory of an operand any more after equation i, and it is ours."""
        buffers = self.buffers
        return (
            a in self.new
            and a not in self.placed
            and buffers.of(a) == {a}
            and buffers.last.get(a) == i
            and buffers.alone(a, e)
        )

    # Names.

    def name(self, v: Var) -> str:
        """A name for a variable that is being made."""
        wanted = self.lines.names.get(v)
        names = self.writer.names
        name = names.short() if wanted is None else names.new(wanted)
        self.of[v] = self.names[v] = name
        self.shared[name] = 1
        return name

    def same_name(self, v: Var, other: Var) -> None:
        """A variable takes over the place, and the name, of another."""
        name = self.of[v] = self.of[other]
        if other in self.names:
            self.names[v] = name
            self.shared[name] += 1
        if other in self.buffers.owned:
            self.buffers.owned[v] = self.buffers.owned.pop(other)
        self.new.add(v)

    def forget(self, i: int, atoms: Sequence[Atom]) -> None:
        """Let go of the names of variables that are read last by equation i."""
        for a in atoms:
            if isinstance(a, Var) and a in self.names and self.last_read[a] == i:
                self.drop(a)

    def drop(self, v: Var) -> None:
        """Let go of a name."""
        name = self.names.pop(v, None)
        if name is not None:
            self.shared[name] -= 1
            if not self.shared[name]:
                self.writer.names.release(name)

    def leave(self) -> None:
        """Let go of all names that are left: what the results are has been written."""
        for v in list(self.names):
            self.drop(v)

    # Expressions.

    def scalar(self, i: int, e: Equation) -> bool:
        """The line of an operation on numbers; False if it is none."""
        found = scalar_text(e)
        if found is None or not all([
            isinstance(a, Literal) or a in self.floats or not is_number(a) for a in e.inputs
        ]):  # fmt: skip
            return False
        text, names = found
        for name, value in names.items():
            self.writer.use(name, value)
        args = [self.of[a] if isinstance(a, Var) else self.number(a.value) for a in e.inputs]
        out = e.outputs[0]
        self.forget(i, e.inputs)
        self.writer.line(f"{self.name(out)} = {text.format(*args)}")
        self.floats.add(out)
        self.writer.has_floats = True
        return True

    def number(self, value: Any) -> str:
        """A number in Python's arithmetic."""
        return self.writer.literal(value.item() if isinstance(value, np.generic) else value)

    def call(self, e: Equation, args: Sequence[str]) -> str:
        """A call of the primitive's own function."""
        function = self.writer.refer(f"{e.primitive.name}_", e.primitive.impl)
        params = [f"{k}={self.parameter(k, v)}" for k, v in e.params.items()]
        return f"{function}({', '.join([*args, *params])})"

    def parameter(self, key: str, value: Any) -> str:
        """A parameter, in the text where that is short."""
        if type(value) in (bool, int, str, type(None)):
            return repr(value)
        if type(value) is tuple and all([type(v) in (bool, int) for v in value]):
            return repr(value)
        return self.writer.refer(f"{key}_", value)

    def operand(self, a: Atom, numbers: bool) -> str:
        """What stands for an operand; with `numbers`, an array for a float."""
        if isinstance(a, Var):
            if a not in self.floats or a.aval.weak_type:
                return self.of[a]
            if numbers and a.aval.dtype.kind == "f":
                return f"{self.writer.use('asarray', np.asarray)}({self.of[a]})"
            return self.as_numpy(a)
        if numbers and type(a.value) in (float, np.float64):
            return self.writer.array_of(float(a.value))
        return self.writer.literal(a.value)

    def plain_text(self, a: Atom) -> str:
        """What stands for an operand, as a name or a number."""
        text = self.operand(a, False)
        if isinstance(a, Literal) or text.isidentifier():
            return text
        name = self.writer.names.new("c")
        self.writer.line(f"{name} = {text}")
        return name

    def float_text(self, a: Atom) -> str:
        """What stands for a number, as a Python float."""
        if isinstance(a, Literal):
            return self.number(a.value)
        return self.of[a] if a in self.floats else f"float({self.of[a]})"

    def result(self, a: Atom) -> str:
        """What stands for a result, with NumPy's types."""
        text = self.read(a)
        if isinstance(a, Var) and a in self.floats and not a.aval.weak_type:
            return self.as_numpy(a)
        return text

    def read(self, a: Atom) -> str:
        """What stands for a result."""
        return self.of[a] if isinstance(a, Var) else self.writer.literal(a.value)

    def as_numpy(self, v: Var) -> str:
        """A variable with NumPy's type."""
        kind = v.aval.dtype.type
        return f"{self.writer.use(kind.__name__, kind)}({self.of[v]})"

    def results(self) -> list[str]:
        """The texts of the results: new arrays, no two the same."""
        found: list[str] = []
        used: set[Var] = set()
        for a in self.program.outputs:
            text = self.result(a)
            if isinstance(a, Var) and a.aval.shape:
                memory = self.buffers.of(a)
                if a not in self.new or not memory.isdisjoint(used):
                    text = f"{self.writer.use('copy_of', _copy_of)}({text})"
                used |= memory
            found.append(text)
        return found


def is_bool(aval: ShapedArray) -> bool:
    """True for the type of one bool."""
    return not aval.shape and aval.dtype.kind == "b"


def computed_with(program: Program) -> set[Var]:
    """The numbers that a program computes with, in Python's arithmetic."""
    found: set[Var] = set()
    for e in program.equations:
        if scalar_text(e) is not None:
            found.update([a for a in e.inputs if isinstance(a, Var)])
    return found


def is_number(a: Atom) -> bool:
    """True for the type of a Python float or bool."""
    return is_float(a.aval) or is_bool(a.aval)


def _copy_of(x: Any) -> Any:
    return x.copy() if type(x) is np.ndarray else x


def _takes_arrays_for_numbers(e: Equation) -> bool:
    """True where a float64 array may stand for a Python number, because an operand is float64."""
    if not e.outputs[0].aval.shape or e.primitive.name in ("pow", "ldexp"):
        return False
    return any([a.aval.dtype == np.float64 for a in e.inputs if isinstance(a, Var)])


class Line(NamedTuple):
    """A line of the user's."""

    place: str
    text: str


class Lines:
    """The user's lines that equations come from, and the names that they give.

    What a line assigns is what its last equation gives.
    """

    def __init__(self, program: Program) -> None:
        self.at: dict[tuple[CodeType, int], Line] = {}
        self.same: dict[Line, Line] = {}
        last: dict[Line, Var] = {}
        for e in program.equations:
            line = self.of(e)
            if line is not None and len(e.outputs) == 1:
                last[line] = e.outputs[0]
        self.names: dict[Var, str] = {}
        for line, v in last.items():
            match = _ASSIGNED.match(line.text)
            if match is not None:
                self.names[v] = match.group(1)

    def of(self, e: Equation) -> Line | None:
        """The line of an equation; the same object for the same line."""
        source = e.source
        if source is None:
            return None
        key = (source.code, source.offset)
        line = self.at.get(key)
        if line is None:
            line = Line(source.place, source.text)
            line = self.at[key] = self.same.setdefault(line, line)
        return line


WRITERS: Final[dict[str, Callable[[Scope, int, Equation], bool]]] = {}
