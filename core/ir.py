"""The IR: a program is a straight line of equations, each one primitive applied to variables and
constants.

`Program : inputs -> outputs`, pure, in single-assignment form. Invariant (see `check.py`): a
variable is assigned once, before it is used, and its aval is what the primitive's shape rule says.
Printing is in `printing.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from . import tree
from .aval import Array, ShapedArray, aval_of, weak_number
from .errors import ShapeError
from .printing import program_text
from .source import Source, boundary
from .tracing import Primitive
from .treedef import check_same_structure, leaf_paths

__all__ = ["Atom", "Equation", "Literal", "Program", "Var", "evaluate"]


class Var:
    """A variable of a program: its type, and an identity."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval!r})"


class Literal:
    """A scalar constant, written where it is used."""

    __slots__ = ("aval", "value")

    def __init__(self, value: Array) -> None:
        self.value = value
        self.aval = aval_of(value)

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


Atom = Var | Literal


class Equation:
    """`outputs = primitive[params] inputs`, and the user's line that it comes from."""

    __slots__ = ("inputs", "outputs", "params", "primitive", "source")

    def __init__(
        self,
        primitive: Primitive,
        inputs: Sequence[Atom],
        outputs: Sequence[Var],
        params: Mapping[str, Any],
        source: Source | None = None,
    ) -> None:
        self.primitive = primitive
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.params = dict(params)
        self.source = source

    def replace(
        self,
        *,
        primitive: Primitive | None = None,
        inputs: Sequence[Atom] | None = None,
        outputs: Sequence[Var] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Equation:
        """The same equation with other parts; its source line stays."""
        return Equation(
            self.primitive if primitive is None else primitive,
            self.inputs if inputs is None else inputs,
            self.outputs if outputs is None else outputs,
            self.params if params is None else params,
            self.source,
        )

    @property
    def programs(self) -> dict[str, Program]:
        """The programs among the parameters, by name; those in a tuple or a list by name and
        position, as `branches[0]`.
        """
        found: dict[str, Program] = {}
        for name, value in self.params.items():
            if isinstance(value, Program):
                found[name] = value
            elif isinstance(value, tuple | list):
                items = enumerate(value)
                found.update([(f"{name}[{i}]", v) for i, v in items if isinstance(v, Program)])
        return found

    def __repr__(self) -> str:
        free = dict.fromkeys([v for v in self.inputs if isinstance(v, Var)])
        lines = str(Program(tuple(free), (self,), self.outputs)).splitlines()
        return f"<equation {lines[1].strip()}>"


class Program:
    """A function as data: call it, print it, pass it to any transform, pickle it.

    Args:
        inputs: the variables that stand for the arguments.
        equations: in order of evaluation.
        outputs: variables or literals.
        constants: pairs of a variable and the array that it stands for.
        name: of the function that it was made of.
        in_tree: structure of the tuple of arguments; a flat tuple when left out.
        out_tree: structure of the result; a flat tuple when left out.

    Example:
        >>> import numpy as np, wengert as wg
        >>> program = wg.make_program(lambda x, y: np.sum(np.sin(x) * y))(np.ones(3), 2.0)
        >>> print(program)
        program (a: f64[3], b: f64*[]) -> (f64[]) {
          c: f64[3] = sin a
          d: f64[3] = mul c b
          e: f64[]  = reduce_sum[axes=(0,)] d
          return e
        }
        >>> program(np.zeros(3), 1.0)
        np.float64(0.0)
    """

    __slots__ = (
        "constants",
        "derived",
        "equations",
        "in_tree",
        "inputs",
        "name",
        "out_tree",
        "outputs",
    )

    def __init__(
        self,
        inputs: Sequence[Var],
        equations: Sequence[Equation],
        outputs: Sequence[Atom],
        constants: Sequence[tuple[Var, Array]] = (),
        *,
        name: str = "program",
        in_tree: tree.TreeDef | None = None,
        out_tree: tree.TreeDef | None = None,
    ) -> None:
        self.inputs = tuple(inputs)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)
        self.constants = tuple(constants)
        self.name = name
        self.in_tree = tree.structure(self.inputs) if in_tree is None else in_tree
        self.out_tree = tree.structure(self.outputs) if out_tree is None else out_tree
        self.derived: dict[Hashable, Any] = {}
        """What was made of the program, and is kept with it: it is not copied or pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        parts = self.inputs, self.equations, self.outputs, self.constants
        return (_rebuilt, (*parts, self.name, self.in_tree, self.out_tree))

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """The types of the flat arguments."""
        return tuple([v.aval for v in self.inputs])

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """The types of the flat results."""
        return tuple([v.aval for v in self.outputs])

    @property
    def __name__(self) -> str:
        return self.name

    @boundary
    def __call__(self, *args: Any) -> Any:
        leaves, treedef = tree.flatten(args)
        if treedef != self.in_tree:
            treedef = tree.with_fixed_values(treedef, leaves)
            leaves = [x for x in leaves if not tree.is_static_leaf(x)]
        operation, like = f"program {self.name}", "what it was made for"
        check_same_structure(self.in_tree, treedef, operation, "the arguments", like)
        for path, leaf, var in zip(leaf_paths(self.in_tree, ""), leaves, self.inputs, strict=True):
            if np.shape(leaf) != var.aval.shape:
                raise ShapeError(
                    f"program {self.name}: argument {path} has another shape than the program was "
                    "made for.",
                    got=repr(aval_of(leaf)),
                    needed=repr(var.aval),
                    fix="make a program for this shape with wg.make_program",
                )
        numbers = [
            weak_number(x) if v.aval.weak_type else x
            for x, v in zip(leaves, self.inputs, strict=True)
        ]
        results = [
            aval_of(y).dtype.type(y) if type(y) in (float, complex, int, bool) else y
            for y in evaluate(self, *numbers)
        ]
        return tree.unflatten(self.out_tree, results)

    def __repr__(self) -> str:
        return program_text(self)

    def replace(
        self,
        *,
        equations: Sequence[Equation] | None = None,
        outputs: Sequence[Atom] | None = None,
        constants: Sequence[tuple[Var, Array]] | None = None,
        name: str | None = None,
    ) -> Program:
        """The same program with other parts: what a pass over programs returns.

        Args:
            equations: the new equations, in order of evaluation.
            outputs: as many as before, for the result keeps its structure.
            constants: pairs of a variable and the array that it stands for.
            name: of the function.

        Returns:
            A program with the same inputs, and with the old parts where no new ones were given.

        Example:
            >>> import numpy as np, wengert as wg
            >>> program = wg.make_program(lambda x: (np.sin(x), np.cos(x)))(0.0)
            >>> sine = program.outputs[0]
            >>> print(program.replace(equations=program.equations[:1], outputs=(sine, sine)))
            program (a: f64*[]) -> (f64[], f64[]) {
              b: f64[] = sin a
              return b, b
            }
        """
        return Program(
            self.inputs,
            self.equations if equations is None else equations,
            self.outputs if outputs is None else outputs,
            self.constants if constants is None else constants,
            name=self.name if name is None else name,
            in_tree=self.in_tree,
            out_tree=self.out_tree,
        )

    def pretty(self, *, source: bool = False) -> str:
        """The text of the program.

        Args:
            source: show each equation's line in the user's code.

        Returns:
            The text that `print(program)` shows, with the lines if asked for.

        Example:
            >>> import numpy as np, wengert as wg
            >>> "# " in wg.make_program(np.cumsum)(np.ones(3)).pretty(source=True)
            True
        """
        return program_text(self, source=source)


def _rebuilt(
    inputs: Sequence[Var],
    equations: Sequence[Equation],
    outputs: Sequence[Atom],
    constants: Sequence[tuple[Var, Array]],
    name: str,
    in_tree: tree.TreeDef,
    out_tree: tree.TreeDef,
) -> Program:
    return Program(
        inputs, equations, outputs, constants, name=name, in_tree=in_tree, out_tree=out_tree
    )


def evaluate(program: Program, *args: Array) -> list[Array]:
    """Run a program on flat arguments.

    Args:
        program: what to run.
        args: one value for each input; arrays, numbers or tracers.

    Returns:
        The flat results.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.evaluate(wg.make_program(np.square)(2.0), 3.0)
        [np.float64(9.0)]
    """
    env: dict[Var, Array] = dict(program.constants)
    env.update(zip(program.inputs, args, strict=True))

    def read(atom: Atom) -> Array:
        return env[atom] if type(atom) is Var else atom.value  # type: ignore[union-attr]  # mypy keeps Var in the union

    for equation in program.equations:
        primitive = equation.primitive
        value = primitive.bind(*[read(a) for a in equation.inputs], **equation.params)
        if primitive.multiple_results:
            env.update(zip(equation.outputs, value, strict=True))
        else:
            env[equation.outputs[0]] = value
    return [read(a) for a in program.outputs]
