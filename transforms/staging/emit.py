"""Writing a program as a Python function: a line for each equation, and buffers that are reused.

`emit : Program -> Emitted`. The text is made to be read: variables have the user's names where an
assignment gave them one, and the user's lines stand above what came of them as comments. Loops and
branches are Python's.

Results are new arrays: none shares memory with another, with an argument or with a buffer.
Arguments are never written to. The function may run in several threads at once, and within itself:
each run has buffers of its own, which are kept for the next one.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from .buffers import Buffers, Key
from .fused import write_fused
from .scalars import MATH_NAMES, RAISED, is_float, scalar_text
from .templates import Template, makes_new_memory, reserved, template

__all__ = ["Emitted", "emit"]

_ASSIGNED: Final = re.compile(r"([^\W\d]\w*)\s*(?::[^=]+)?=[^=]")
_KEPT: Final = 4
"""How many sets of buffers are kept at most."""


class Emitted:
    """A program as a function of its flat inputs, which returns the tuple of its flat results.

    `source` is its text.
    """

    __slots__ = ("_free", "_keys", "_run", "_with_numpy", "source")

    def __init__(
        self,
        source: str,
        names: dict[str, Any],
        keys: Sequence[Key],
        with_numpy: Callable[[], Emitted] | None,
    ) -> None:
        self.source = source
        self._with_numpy = with_numpy
        self._keys = tuple(keys)
        self._free: list[Any] = []
        namespace = {**names, "__name__": "wengert.staged"}
        exec(compile(source, "<staged>", "exec"), namespace)
        self._run: Callable[..., tuple[Any, ...]] = namespace["run"]

    def __call__(self, *args: Any) -> tuple[Any, ...]:
        if self._with_numpy is None:
            return self.run(*args)
        try:
            return self.run(*args)
        except RAISED:
            # Nothing has happened but computations: all of them are done again.
            return self._with_numpy()(*args)

    def run(self, *args: Any) -> tuple[Any, ...]:
        """The function, with a set of buffers."""
        if not self._keys:
            return self._run(*args)
        free = self._free
        try:
            buffers = free.pop()
        except IndexError:
            buffers = [np.empty(shape, dtype) for shape, dtype in self._keys]
        try:
            return self._run(buffers, *args)
        finally:
            if len(free) < _KEPT:
                free.append(buffers)


def emit(program: Program, names: Sequence[str] = (), *, floats: bool = True) -> Emitted:
    """A program as a Python function; `names` are what the user calls the inputs.

    With `floats`, operations on numbers are done with Python's.
    """
    writer = Writer(floats)
    inputs = [
        writer.names.new(names[i] if i < len(names) else f"x{i}")
        for i in range(len(program.inputs))
    ]
    scope = Scope(writer, program, inputs)
    scope.write()
    results = "".join([f"{r}, " for r in scope.results()]).rstrip()
    writer.line(f"return ({results})")
    keys = writer.keys
    head = f"def run({', '.join([*(['buffers'] if keys else []), *inputs])}):"
    taken = ", ".join([f"b{i}" for i in range(len(keys))])
    start = [f"    {taken}{',' * (len(keys) == 1)} = buffers"] if keys else []
    text = "\n".join([*writer.functions, head, *start, *writer.lines, ""])
    again = cache(lambda: emit(program, names, floats=False)) if writer.has_floats else None
    return Emitted(text, writer.globals, keys, again)


_FIXED: Final = {"empty", "asarray", "copy_of", "float64", "float32", "bool", "int64"}
_FIXED.update([f"{name}_of" for name in MATH_NAMES])


class Names:
    """Names for variables, no two alike."""

    def __init__(self) -> None:
        self.taken = {*keyword.kwlist, *dir(builtins), "run", "buffers", *_FIXED, *reserved()}

    def new(self, wanted: str) -> str:
        """The name itself if it is free, or with a number."""
        name, n = wanted, 1
        while name in self.taken or re.fullmatch(r"b\d+", name):
            n += 1
            name = f"{wanted}_{n}"
        self.taken.add(name)
        return name


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

    `places`: where the results with these positions are to be written to, if NumPy can.
    """

    def __init__(
        self,
        writer: Writer,
        program: Program,
        inputs: Sequence[str],
        places: dict[int, str] | None = None,
    ) -> None:
        self.writer = writer
        self.program = program
        self.buffers = Buffers(program, writer.keys)
        self.of: dict[Var, str] = dict(zip(program.inputs, inputs, strict=True))
        for v, value in program.constants:
            self.of[v] = writer.refer("k", value)
        self.floats: set[Var] = set()
        """Variables that are a Python float or bool in the text, or may be."""
        if writer.floats:
            self.find_floats()
        self.new: set[Var] = set()
        """Variables whose memory nothing but the function's own variables refers to."""
        self.places: dict[Var, str] = {}
        for k, place in (places or {}).items():
            out = program.outputs[k]
            if isinstance(out, Var) and program.outputs.count(out) == 1:
                self.places[out] = place
        self.placed: set[Var] = set()

    def find_floats(self) -> None:
        """Make Python floats of the numbers that are computed with."""
        wanted: set[Var] = set()
        for e in self.program.equations:
            if scalar_text(e) is not None:
                wanted.update([a for a in e.inputs if isinstance(a, Var)])
        self.wanted = wanted
        for v in self.program.inputs:
            if v in wanted and is_float(v.aval):
                text = self.of[v]
                name = self.writer.names.new(text)
                self.writer.line(f"{name} = float({text})")
                self.of[v] = name
                self.floats.add(v)

    def write(self) -> None:
        """The lines of all equations."""
        lines = Lines(self.program)
        shown = None
        for i, e in enumerate(self.program.equations):
            line = lines.of(e)
            if line is not None and line is not shown and line.text:
                shown = line
                self.writer.line(f"# {line.place}: {line.text}")
            if self.writer.floats and self.scalar(e, lines):
                continue
            loop = _LOOPS.get(e.primitive.name)
            found = None if e.primitive.multiple_results else template(e)
            numbers = found is not None and found.in_place and _takes_arrays_for_numbers(e)
            args = [self.operand(a, numbers) for a in e.inputs]
            for v in e.outputs:
                self.of[v] = self.writer.names.new(lines.names.get(v, f"v{len(self.of)}"))
            self.new.update([v for v, n in zip(e.outputs, makes_new_memory(e), strict=True) if n])
            if loop is not None:
                loop(self, e, args)
                if self.writer.floats:
                    self.floats.update([v for v in e.outputs if _is_number(v)])
            else:
                self.equation(i, e, found, args)
            self.buffers.release(i, e)

    def scalar(self, e: Equation, lines: Lines) -> bool:
        """The line of an operation on numbers; False if it is none."""
        found = scalar_text(e)
        if found is None or not all([
            isinstance(a, Literal) or a in self.floats or not _is_number(a) for a in e.inputs
        ]):  # fmt: skip
            return False
        text, names = found
        for name, value in names.items():
            self.writer.use(name, value)
        args = [self.of[a] if isinstance(a, Var) else self.number(a.value) for a in e.inputs]
        out = e.outputs[0]
        self.of[out] = self.writer.names.new(lines.names.get(out, f"v{len(self.of)}"))
        self.writer.line(f"{self.of[out]} = {text.format(*args)}")
        self.floats.add(out)
        self.writer.has_floats = True
        return True

    def number(self, value: Any) -> str:
        """A number in Python's arithmetic."""
        return self.writer.literal(value.item() if isinstance(value, np.generic) else value)

    def equation(self, i: int, e: Equation, found: Template | None, args: Sequence[str]) -> None:
        """The line of one equation."""
        left = ", ".join([self.of[v] for v in e.outputs])
        if found is None:
            comma = "," if e.primitive.multiple_results and len(e.outputs) == 1 else ""
            self.writer.line(f"{left}{comma} = {self.call(e, args)}")
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
        where = "" if place is None else f", {place}"
        text = found.text.format(*args, out=where, place=place)
        if self.writer.floats and out in self.wanted and is_float(aval):
            text = f"float({text})"
            self.floats.add(out)
        self.writer.line(f"{left} = {text}")

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
            text = self.read(a)
            if isinstance(a, Var) and a in self.floats and not a.aval.weak_type:
                text = self.as_numpy(a)
            if isinstance(a, Var) and a.aval.shape:
                memory = self.buffers.of(a)
                if a not in self.new or not memory.isdisjoint(used):
                    text = f"{self.writer.use('copy_of', _copy_of)}({text})"
                used |= memory
            found.append(text)
        return found


def _is_number(a: Atom) -> bool:
    """True for the type of a Python float or bool."""
    return is_float(a.aval) or (not a.aval.shape and a.aval.dtype.kind == "b")


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


# Loops and branches.


def _scan(scope: Scope, e: Equation, args: Sequence[str]) -> None:
    """A `for` loop over stacks, which writes its results into new stacks."""
    writer, params = scope.writer, e.params
    body: Program = params["body"]
    n_consts, n_carry, length = params["n_consts"], params["n_carry"], params["length"]
    k = n_consts + n_carry
    names = [scope.of[v] for v in e.outputs]
    carry, stacks = names[:n_carry], names[n_carry:]
    for name, v in zip(stacks, e.outputs[n_carry:], strict=True):
        dtype = writer.refer("dtype_", v.aval.dtype)
        writer.line(f"{name} = {writer.use('empty', np.empty)}({v.aval.shape}, {dtype})")
    if carry:
        writer.line(f"{', '.join(carry)} = {', '.join(args[n_consts:k])}")
    i = writer.names.new("i")
    order = f"{length - 1}, -1, -1" if params["reverse"] else f"{length}"
    writer.line(f"for {i} in range({order}):")
    writer.indent += 1
    items = [writer.names.new(f"item{j}") for j in range(len(args) - k)]
    for item, stack in zip(items, args[k:], strict=True):
        writer.line(f"{item} = {stack}[{i}]")
    rows = {}
    for j, (name, y) in enumerate(zip(stacks, body.outputs[n_carry:], strict=True), n_carry):
        if y.aval.shape:
            rows[j] = f"{name}[{i}]"
    inner = Scope(writer, body, [*args[:n_consts], *carry, *items], rows)
    inner.write()
    for name, y in zip(stacks, body.outputs[n_carry:], strict=True):
        if y not in inner.placed:
            writer.line(f"{name}[{i}] = {inner.read(y)}")
    results = [inner.read(v) for v in body.outputs[:n_carry]]
    changed = [(a, b) for a, b in zip(carry, results, strict=True) if a != b]
    if changed:
        writer.line(f"{', '.join([a for a, _ in changed])} = {', '.join([b for _, b in changed])}")
    elif not inner.program.equations and not stacks:
        writer.line("pass")
    writer.indent -= 1


def _while(scope: Scope, e: Equation, args: Sequence[str]) -> None:
    """A `while` loop."""
    writer, params = scope.writer, e.params
    condition, body = params["condition"], params["body"]
    n_condition, n_body = params["n_condition"], params["n_body"]
    k = n_condition + n_body
    carry = [scope.of[v] for v in e.outputs]
    writer.line(f"{', '.join(carry)} = {', '.join(args[k:])}")
    writer.line("while True:")
    writer.indent += 1
    test = Scope(writer, condition, [*args[:n_condition], *carry])
    test.write()
    writer.line(f"if not {test.read(condition.outputs[0])}:")
    writer.line("    break")
    inner = Scope(writer, body, [*args[n_condition:k], *carry])
    inner.write()
    results = [inner.read(v) for v in body.outputs]
    writer.line(f"{', '.join(carry)} = {', '.join(results)}")
    writer.indent -= 1


def _cond(scope: Scope, e: Equation, args: Sequence[str]) -> None:
    """An `if` statement."""
    writer, branches = scope.writer, e.params["branches"]
    names = [scope.of[v] for v in e.outputs]
    left = ", ".join(names)
    for k, branch in enumerate(branches):
        if k == len(branches) - 1:
            writer.line("else:")
        elif e.inputs[0].aval.dtype.kind == "b":
            writer.line(f"if not {args[0]}:")
        else:
            writer.line(f"{'if' if k == 0 else 'elif'} {args[0]} <= {k}:")
        writer.indent += 1
        inner = Scope(writer, branch, args[1:])
        inner.write()
        results = [inner.read(v) for v in branch.outputs]
        writer.line(f"{left} = {', '.join(results)}" if names else "pass")
        writer.indent -= 1


_LOOPS: Final[dict[str, Callable[[Scope, Equation, Sequence[str]], None]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "fused": write_fused,
}
