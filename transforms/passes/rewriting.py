"""What passes share: building a program anew, equation by equation, and comparing equations.

A pass walks over the equations in order. For each it says which atoms stand for the results: the
results of a new equation, or what was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.source import Source
from ...core.tracing import Primitive

__all__ = ["Rewriter", "frozen", "literal_value"]

Rule = Callable[["Rewriter", Equation, Sequence[Atom]], Sequence[Atom] | None]


def frozen(value: Any) -> Hashable:
    """A key that is equal for equal parameters."""
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, slice):
        return ("slice", frozen(value.start), frozen(value.stop), frozen(value.step))
    if isinstance(value, tuple | list):
        return (type(value), *[frozen(v) for v in value])
    if isinstance(value, Mapping):
        return ("dict", *[(k, frozen(v)) for k, v in sorted(value.items())])
    if isinstance(value, float | complex | np.inexact):
        return (type(value), repr(value))  # 0.0 is not -0.0, and nan is nan
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return (type(value), value)


def literal_value(atom: Atom) -> Any:
    """The number that a literal stands for; None for a variable."""
    return atom.value if isinstance(atom, Literal) else None


class Rewriter:
    """A program that is being built from another."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations: list[Equation] = []
        self.constants: list[tuple[Var, Array]] = list(program.constants)
        self.values: dict[Var, Array] = dict(program.constants)
        self.defined: dict[Var, Equation] = {}
        self.renamed: dict[Var, Atom] = {}

    def read(self, atom: Atom) -> Atom:
        """What stands for an atom of the old program."""
        return self.renamed.get(atom, atom) if isinstance(atom, Var) else atom

    def emit(
        self,
        primitive: Primitive,
        inputs: Sequence[Atom],
        params: Mapping[str, Any],
        source: Source | None = None,
    ) -> tuple[Var, ...]:
        """A new equation; its results."""
        assert primitive.shape is not None
        due = primitive.shape(*[a.aval for a in inputs], **params)
        avals: Sequence[ShapedArray] = due if primitive.multiple_results else (due,)
        return self.append(Equation(primitive, inputs, [Var(v) for v in avals], params, source))

    def append(self, equation: Equation) -> tuple[Var, ...]:
        """An equation as it is; its results."""
        self.equations.append(equation)
        for v in equation.outputs:
            self.defined[v] = equation
        return equation.outputs

    def constant(self, value: Array) -> Atom:
        """A constant array or number."""
        if np.ndim(value) == 0:
            return Literal(value[()] if type(value) is np.ndarray else value)
        v = Var(aval_of(value))
        self.constants.append((v, value))
        self.values[v] = value
        return v

    def definition(self, atom: Atom, name: str) -> Equation | None:
        """The equation that makes a variable, if it applies the primitive of that name."""
        equation = self.defined.get(atom) if isinstance(atom, Var) else None
        return equation if equation is not None and equation.primitive.name == name else None

    def run(self, rule: Rule) -> Program:
        """Apply a rule to all equations. None: keep the equation."""
        for e in self.program.equations:
            inputs = [self.read(a) for a in e.inputs]
            found = rule(self, e, inputs)
            if found is None:
                same = all([a is b for a, b in zip(inputs, e.inputs, strict=True)])
                self.append(
                    e if same else Equation(e.primitive, inputs, e.outputs, e.params, e.source)
                )
            else:
                for old, new in zip(e.outputs, found, strict=True):
                    if new is not old:
                        self.renamed[old] = new
        p = self.program
        return Program(
            p.inputs,
            self.equations,
            [self.read(a) for a in p.outputs],
            self.constants,
            name=p.name,
            in_tree=p.in_tree,
            out_tree=p.out_tree,
        )
