"""What passes share: building a program anew, equation by equation; going into the programs that
equations hold; comparing parameters.

A pass is a function `Program -> Program` that returns the same object where it changes nothing. It
walks over the equations in order. For each it says which atoms stand for the results: the results
of a new equation, or what was there before. Passes walk once, so they are linear in the number of
equations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.source import Source
from ...core.tracing import Primitive

__all__ = [
    "Found",
    "Pass",
    "Rewriter",
    "Rule",
    "Rules",
    "everywhere",
    "frozen",
    "is_real",
    "literal_value",
    "with_rules",
]

Pass = Callable[[Program], Program]
Found = Sequence[Atom] | None
"""What stands for the results of an equation; None to keep the equation."""

Rule = Callable[["Rewriter", Equation, Sequence[Atom]], Found]
Rules = Mapping[str, Rule]
"""Rules by the name of the primitive that they are for."""

_LONG: Final = 256
"""Arrays of more bytes than this are compared by a digest."""

_DEEP: Final = 8
"""So many times a rule is applied to what it has made."""


def frozen(value: Any) -> Hashable:
    """A key that is equal for equal parameters."""
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return (kind, value)
    if kind is tuple or kind is list:
        return (kind, *[frozen(v) for v in value])
    if kind is slice:
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, np.ndarray):
        data = value.tobytes()
        return (
            "array",
            value.shape,
            value.dtype.str,
            blake2b(data).digest() if len(data) > _LONG else data,
        )
    if isinstance(value, Mapping):
        return ("dict", *[(k, frozen(value[k])) for k in sorted(value, key=repr)])
    if isinstance(value, float | complex | np.inexact):
        return (kind, repr(value))  # 0.0 is not -0.0, and nan is nan
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return (kind, value)


def literal_value(atom: Atom) -> Any:
    """The number that a literal stands for; None for a variable."""
    return atom.value if isinstance(atom, Literal) else None


def is_real(atom: Atom) -> bool:
    """True for floats: for complex numbers x * 1.0 is not x, if a part is infinite."""
    return atom.aval.dtype.kind == "f"


def everywhere(one: Pass) -> Pass:
    """A pass that goes into the programs that equations hold, innermost first.

    A program that is held twice stays one object.
    """

    def run(program: Program) -> Program:
        return one_deep(program, {})

    def one_deep(program: Program, known: dict[int, tuple[Program, Program]]) -> Program:
        found = known.get(id(program))
        if found is None:
            inside = lambda p: one_deep(p, known)
            changed = False
            equations = []
            for e in program.equations:
                params = _mapped(e.params, inside) if e.primitive.multiple_results else e.params
                if params is not e.params:
                    changed = True
                    e = e.replace(params=params)
                equations.append(e)
            new = one(program.replace(equations=equations) if changed else program)
            found = known[id(program)] = (program, new)  # kept, so that ids stay theirs
        return found[1]

    run.__name__ = one.__name__
    run.__doc__ = one.__doc__
    return run


def _mapped(value: Any, change: Pass) -> Any:
    """A parameter with the programs in it changed; the same object where nothing changes."""
    kind = type(value)
    if kind is Program:
        return change(value)
    if kind is tuple or kind is list:
        items = [_mapped(v, change) for v in value]
        same = all([a is b for a, b in zip(items, value, strict=True)])
        return value if same else kind(items)
    if kind is dict:
        fields = {k: _mapped(v, change) for k, v in value.items()}
        return value if all([fields[k] is value[k] for k in fields]) else fields
    return value


class Rewriter:
    """A program that is being built from another."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.equations: list[Equation] = []
        self.constants: list[tuple[Var, Array]] = list(program.constants)
        self.values: dict[Var, Array] = dict(program.constants)
        self.defined: dict[Var, Equation] = {}
        self.renamed: dict[Var, Atom] = {}
        self.changed = False
        self._uses: Counter[Var] | None = None
        self._users: dict[Var, str] = {}
        self._uniform: dict[Var, Any] = {}

    def read(self, atom: Atom) -> Atom:
        """What stands for an atom of the old program."""
        return self.renamed.get(atom, atom) if isinstance(atom, Var) else atom

    @property
    def uses(self) -> Counter[Var]:
        """How often each variable of the old program is used; those that stand for one, as it."""
        if self._uses is None:
            p = self.program
            self._uses = Counter([a for e in p.equations for a in e.inputs if type(a) is Var])
            self._uses.update([a for a in p.outputs if type(a) is Var])
            for old, new in self.renamed.items():
                self._inherit(old, new)
        return self._uses

    def _inherit(self, old: Var, new: Atom) -> None:
        if self._uses is not None and type(new) is Var:
            self._uses[new] += self._uses[old]

    def used_by(self, e: Equation) -> str:
        """The primitive of the last equation that uses the result of an equation; "" for none."""
        if not self._users:
            self._users = {
                a: one.primitive.name
                for one in self.program.equations
                for a in one.inputs
                if type(a) is Var
            }
        return self._users.get(e.outputs[0], "")

    def used_once(self, atom: Atom) -> bool:
        """True for a variable that nothing else needs; made variables count as such."""
        return isinstance(atom, Var) and self.uses[atom] <= 1

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

    def uniform(self, atom: Atom) -> Any:
        """The number that all elements of a constant array are, as a NumPy scalar; or None."""
        if not isinstance(atom, Var) or atom not in self.values:
            return None
        if atom not in self._uniform:
            self._uniform[atom] = _uniform(self.values[atom])
        return self._uniform[atom]

    def definition(self, atom: Atom, name: str) -> Equation | None:
        """The equation that makes a variable, if it applies the primitive of that name."""
        equation = self.defined.get(atom) if isinstance(atom, Var) else None
        return equation if equation is not None and equation.primitive.name == name else None

    def run(self, rule: Rule) -> Program:
        """Apply a rule to all equations."""
        p, renamed = self.program, self.renamed
        for e in p.equations:
            inputs: Sequence[Atom] = e.inputs
            if renamed and not renamed.keys().isdisjoint(inputs):
                inputs = [self.read(a) for a in inputs]
            found = rule(self, e, inputs)
            if found is None:
                if inputs is not e.inputs:
                    e = e.replace(inputs=inputs)
                self.append(e)
            else:
                self.changed = True
                for old, new in zip(e.outputs, found, strict=True):
                    if new is not old:
                        renamed[old] = new
                        self._inherit(old, new)
        if not self.changed and not renamed:
            return p
        return self.finished()

    def finished(self) -> Program:
        """The new program."""
        outputs = [self.read(a) for a in self.program.outputs]
        return self.program.replace(
            equations=self.equations, outputs=outputs, constants=self.constants
        )


def _uniform(x: Array) -> Any:
    if not isinstance(x, np.ndarray) or not x.size or x.dtype.kind not in "fciub":
        return None
    first = x.flat[0]
    if not any(x.strides):
        return first
    if not np.all(x == first):
        return None
    parts = [x.real, x.imag] if x.dtype.kind == "c" else [x] if x.dtype.kind == "f" else []
    same = all([np.all(np.signbit(a) == np.signbit(a.flat[0])) for a in parts])
    return first if same else None


def with_rules(rules: Rules) -> Rule:
    """The rule that looks for the primitive's own, and applies it to what it has made too."""

    def again(r: Rewriter, e: Equation, inputs: Sequence[Atom], depth: int) -> Found:
        one = rules.get(e.primitive.name)
        if one is None:
            return None
        before = len(r.equations)
        found = one(r, e, inputs)
        if found is None or depth == _DEEP or len(r.equations) != before + 1:
            return found
        made = r.equations[-1]
        if list(found) != list(made.outputs):
            return found
        r.equations.pop()
        better = again(r, made, made.inputs, depth + 1)
        if better is None:
            return r.append(made)
        return better

    return lambda r, e, inputs: again(r, e, inputs, 0)
