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
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Program, Var
from .buffers import Buffers, Key
from .templates import makes_new_memory, template

__all__ = ["Emitted", "emit"]

_ASSIGNED: Final = re.compile(r"([^\W\d]\w*)\s*(?::[^=]+)?=[^=]")
_KEPT: Final = 4
"""How many sets of buffers are kept at most."""


class Emitted:
    """A program as a function of its flat inputs, which returns the tuple of its flat results.

    `source` is its text.
    """

    __slots__ = ("_free", "_keys", "_run", "source")

    def __init__(self, source: str, names: dict[str, Any], keys: Sequence[Key]) -> None:
        self.source = source
        self._keys = tuple(keys)
        self._free: list[Any] = []
        namespace = dict(names)
        exec(compile(source, "<staged>", "exec"), namespace)
        self._run: Callable[..., tuple[Any, ...]] = namespace["run"]

    def __call__(self, *args: Any) -> tuple[Any, ...]:
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


def emit(program: Program, names: Sequence[str] = ()) -> Emitted:
    """A program as a Python function; `names` are what the user calls the inputs."""
    writer = Writer()
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
    return Emitted("\n".join([head, *start, *writer.lines, ""]), writer.globals, keys)


class Names:
    """Names for variables, no two alike."""

    def __init__(self) -> None:
        self.taken = {*keyword.kwlist, *dir(builtins), "run", "buffers"}

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

    def __init__(self) -> None:
        self.names = Names()
        self.globals: dict[str, Any] = {}
        self.known: dict[Any, str] = {}
        self.arrays: dict[str, Any] = {}
        self.keys: list[Key] = []
        self.lines: list[str] = []
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
        self.new: set[Var] = set()
        """Variables whose memory nothing but the function's own variables refers to."""
        self.places: dict[Var, str] = {}
        for k, place in (places or {}).items():
            v = program.outputs[k]
            if isinstance(v, Var) and program.outputs.count(v) == 1:
                self.places[v] = place
        self.placed: set[Var] = set()

    def write(self) -> None:
        """The lines of all equations."""
        targets = _targets(self.program)
        shown = None
        for i, e in enumerate(self.program.equations):
            source = e.source
            if source is not None and source.text and repr(source) != shown:
                shown = repr(source)
                self.writer.line(f"# {source.place}: {source.text}")
            loop = _LOOPS.get(e.primitive.name)
            args = [self.operand(a, e) for a in e.inputs]
            for v in e.outputs:
                self.of[v] = self.writer.names.new(targets.get(v, f"v{len(self.of)}"))
            self.new.update([v for v, n in zip(e.outputs, makes_new_memory(e), strict=True) if n])
            if loop is not None:
                loop(self, e, args)
            else:
                self.equation(i, e, args)
            self.buffers.release(i, e)

    def equation(self, i: int, e: Equation, args: Sequence[str]) -> None:
        """The line of one equation."""
        found = None if e.primitive.multiple_results else template(e)
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
        self.writer.line(f"{left} = {found.text.format(*args, out=where)}")

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

    def operand(self, a: Atom, e: Equation) -> str:
        """What stands for an operand of an equation."""
        if isinstance(a, Var):
            return self.of[a]
        if type(a.value) in (float, np.float64) and _takes_arrays_for_numbers(e):
            return self.writer.array_of(float(a.value))
        return self.writer.literal(a.value)

    def read(self, a: Atom) -> str:
        """What stands for a result."""
        return self.of[a] if isinstance(a, Var) else self.writer.literal(a.value)

    def results(self) -> list[str]:
        """The texts of the results: new arrays, no two the same."""
        found: list[str] = []
        used: set[Var] = set()
        for a in self.program.outputs:
            text = self.read(a)
            if isinstance(a, Var) and a.aval.shape:
                memory = self.buffers.of(a)
                if a not in self.new or not memory.isdisjoint(used):
                    text = f"{self.writer.use('copy_of', _copy_of)}({text})"
                used |= memory
            found.append(text)
        return found


def _copy_of(x: Any) -> Any:
    return x.copy() if type(x) is np.ndarray else x


def _takes_arrays_for_numbers(e: Equation) -> bool:
    """True where a float64 array may stand for a Python number, because an operand is float64."""
    if not e.outputs[0].aval.shape or e.primitive.name in ("pow", "ldexp"):
        return False
    found = None if e.primitive.multiple_results else template(e)
    if found is None or not found.in_place:
        return False
    return any([a.aval.dtype == np.float64 for a in e.inputs if isinstance(a, Var)])


def _targets(program: Program) -> dict[Var, str]:
    """The user's names: what a line assigns is what its last equation gives."""
    last: dict[tuple[int, int], Var] = {}
    text: dict[tuple[int, int], str] = {}
    for e in program.equations:
        if e.source is not None and len(e.outputs) == 1:
            key = (id(e.source.code), e.source.line)
            last[key] = e.outputs[0]
            text[key] = e.source.text
    found = {}
    for key, v in last.items():
        match = _ASSIGNED.match(text[key])
        if match is not None:
            found[v] = match.group(1)
    return found


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
    for j, (name, v) in enumerate(zip(stacks, body.outputs[n_carry:], strict=True), n_carry):
        if v.aval.shape:
            rows[j] = f"{name}[{i}]"
    inner = Scope(writer, body, [*args[:n_consts], *carry, *items], rows)
    inner.write()
    for name, v in zip(stacks, body.outputs[n_carry:], strict=True):
        if v not in inner.placed:
            writer.line(f"{name}[{i}] = {inner.read(v)}")
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
}
