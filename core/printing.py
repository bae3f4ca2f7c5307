"""Printing programs so that a person likes to read them: letters for variables, aligned types, one
equation a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from .tracing import Primitive

if TYPE_CHECKING:
    from .ir import Atom, Equation, Program, Var

__all__ = ["letters", "literal_text", "plain_params", "program_text", "subprograms"]


def letters() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ..."""
    for length in count(1):
        for n in range(26**length):
            name = ""
            for _ in range(length):
                n, r = divmod(n, 26)
                name = ascii_lowercase[r] + name
            yield name


class _Names:
    """Names for variables, given in the order in which they are asked for."""

    def __init__(self) -> None:
        self.letters = letters()
        self.names: dict[Var, str] = {}

    def of(self, atom: Atom) -> str:
        value = getattr(atom, "value", self)
        if value is not self:
            return literal_text(value)
        name = self.names.get(atom)  # type: ignore[arg-type]  # a Literal has a value, so this is a Var
        if name is None:
            name = self.names[atom] = next(self.letters)  # type: ignore[index]
        return name


def literal_text(value: Any) -> str:
    """A number as it stands in a program."""
    return repr(value.item() if isinstance(value, np.generic) else value)


class _Labels:
    """Labels for programs that are held more than once: they are printed in full once."""

    def __init__(self, program: Program) -> None:
        self.counts: dict[int, int] = {}
        self.labels: dict[int, str] = {}
        self._count(program)

    def _count(self, program: Program) -> None:
        for equation in program.equations:
            for _, inner in subprograms(equation.params):
                seen = self.counts.get(id(inner), 0)
                self.counts[id(inner)] = seen + 1
                if not seen:
                    self._count(inner)

    def text(self, program: Program, *, source: bool) -> str:
        """The program, or its label if it was printed before."""
        known = self.labels.get(id(program))
        if known is not None:
            return known
        label = ""
        if self.counts.get(id(program), 0) > 1:
            label = self.labels[id(program)] = f"#{len(self.labels) + 1}"
        return (label and label + " ") + _text(program, self, source=source)


def subprograms(params: Mapping[str, Any]) -> list[tuple[str, Program]]:
    """The programs that the parameters of an equation hold, with labels."""
    found: list[tuple[str, Program]] = []
    for key, value in params.items():
        if hasattr(value, "equations"):
            found.append((key, value))
        elif isinstance(value, tuple | list):
            held = [(i, v) for i, v in enumerate(value) if hasattr(v, "equations")]
            found += [(f"{key}[{i}]", v) for i, v in held]
        elif isinstance(value, dict):
            found += subprograms(value)
        elif hasattr(value, "held"):  # a description of a loop, say, with its program
            found += subprograms(value.held)
    return found


def plain_params(params: Mapping[str, Any]) -> list[str]:
    """The texts of the other parameters."""
    found = []
    for key, value in params.items():
        if isinstance(value, dict):
            found += plain_params(value)
        elif hasattr(value, "held") or not subprograms({key: value}):
            found.append(f"{key}={_param_text(value)}")
    return found


def _param_text(value: Any) -> str:
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, Primitive):
        return value.name
    return value.__name__ if callable(value) and hasattr(value, "__name__") else repr(value)


def _equation_sides(equation: Equation, names: _Names) -> tuple[list[tuple[str, str]], str]:
    inputs = " ".join([names.of(a) for a in equation.inputs])
    params = ", ".join(plain_params(equation.params))
    left = [(names.of(v), repr(v.aval)) for v in equation.outputs]
    return (
        left,
        f"{equation.primitive.name}{'[' + params + ']' if params else ''} {inputs}".rstrip(),
    )


def equation_lines(
    program: Program, names: _Names, labels: _Labels | None = None, *, source: bool = False
) -> list[str]:
    """One text an equation, with the types aligned; programs inside of it on lines of their own."""
    labels = _Labels(program) if labels is None else labels
    rows = [_equation_sides(e, names) for e in program.equations]
    # A long left side (many results) is left out of the alignment, or it would push every line to
    # the right.
    name_width = max((len(n) for left, _ in rows for n, _ in left), default=0)
    type_width = max((len(t) for left, _ in rows if len(left) == 1 for _, t in left), default=0)
    lines = []
    for (left, right), equation in zip(rows, program.equations, strict=True):
        if len(left) == 1:
            name, kind = left[0]
            text = f"{name + ':':<{name_width + 1}} {kind:<{type_width}} = {right}"
        else:
            text = ", ".join([f"{name}: {kind}" for name, kind in left]) + f" = {right}"
        if source and equation.source is not None:
            text = f"{text:<60}  # {equation.source!r}"
        for label, inner in subprograms(equation.params):
            shown = labels.text(inner, source=source).replace("\n", "\n  ")
            text += f"\n  {label}: {shown}"
        lines.append(text)
    return lines


def program_text(program: Program, *, source: bool = False) -> str:
    """The text of a program."""
    return _text(program, _Labels(program), source=source)


def _text(program: Program, labels: _Labels, *, source: bool) -> str:
    names = _Names()

    def typed(v: Var) -> str:
        return f"{names.of(v)}: {v.aval!r}"

    inputs = ", ".join([typed(v) for v in program.inputs])
    constants = ", ".join([typed(v) for v, _ in program.constants])
    outputs = ", ".join([repr(a.aval) for a in program.outputs])
    head = f"program {'[' + constants + '] ' if constants else ''}({inputs}) -> ({outputs}) {{"
    body = equation_lines(program, names, labels, source=source)
    results = ", ".join([names.of(a) for a in program.outputs])
    lines = [line.replace("\n", "\n  ") for line in body]
    return "\n".join([head, *[f"  {line}" for line in lines], f"  return {results}", "}"])
