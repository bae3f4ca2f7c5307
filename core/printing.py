"""Printing programs so that a person likes to read them: letters for variables, aligned types, one
equation a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .ir import Atom, Equation, Program, Var

__all__ = ["program_text"]


def _letters() -> Iterator[str]:
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
        self.letters = _letters()
        self.names: dict[Var, str] = {}

    def of(self, atom: Atom) -> str:
        value = getattr(atom, "value", self)
        if value is not self:
            return _scalar_text(value)
        name = self.names.get(atom)  # type: ignore[arg-type]  # a Literal has a value, so this is a Var
        if name is None:
            name = self.names[atom] = next(self.letters)  # type: ignore[index]
        return name


def _scalar_text(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _param_text(value: Any) -> str:
    if hasattr(value, "equations"):
        return "\n    " + program_text(value).replace("\n", "\n    ") + "\n  "
    if isinstance(value, np.dtype):
        return value.name
    return value.__name__ if callable(value) and hasattr(value, "__name__") else repr(value)


def _equation_sides(equation: Equation, names: _Names) -> tuple[list[tuple[str, str]], str]:
    inputs = " ".join([names.of(a) for a in equation.inputs])
    params = ", ".join([f"{k}={_param_text(v)}" for k, v in equation.params.items()])
    left = [(names.of(v), repr(v.aval)) for v in equation.outputs]
    return (
        left,
        f"{equation.primitive.name}{'[' + params + ']' if params else ''} {inputs}".rstrip(),
    )


def equation_lines(
    equations: tuple[Equation, ...], names: _Names, *, source: bool = False
) -> list[str]:
    """One line an equation, with the types aligned."""
    rows = [_equation_sides(e, names) for e in equations]
    # A long left side (many results) is left out of the alignment, or it would push every line to
    # the right.
    name_width = max((len(n) for left, _ in rows for n, _ in left), default=0)
    type_width = max((len(t) for left, _ in rows if len(left) == 1 for _, t in left), default=0)
    lines = []
    for (left, right), equation in zip(rows, equations, strict=True):
        if len(left) == 1:
            name, kind = left[0]
            text = f"{name + ':':<{name_width + 1}} {kind:<{type_width}} = {right}"
        else:
            text = ", ".join([f"{name}: {kind}" for name, kind in left]) + f" = {right}"
        if source and equation.source is not None:
            text = f"{text:<60}  # {equation.source!r}"
        lines.append(text)
    return lines


def program_text(program: Program, *, source: bool = False) -> str:
    """The text of a program."""
    names = _Names()

    def typed(v: Var) -> str:
        return f"{names.of(v)}: {v.aval!r}"

    inputs = ", ".join([typed(v) for v in program.inputs])
    constants = ", ".join([typed(v) for v, _ in program.constants])
    outputs = ", ".join([repr(a.aval) for a in program.outputs])
    head = f"program {'[' + constants + '] ' if constants else ''}({inputs}) -> ({outputs}) {{"
    body = equation_lines(program.equations, names, source=source)
    results = ", ".join([names.of(a) for a in program.outputs])
    return "\n".join([head, *[f"  {line}" for line in body], f"  return {results}", "}"])
