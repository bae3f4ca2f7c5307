"""Linear functions as programs: `LinearProgram`, which has the values that it depends on as inputs,
and `System`, such a map for all members of a batch. And checks of what users' functions return.

Read next: `linear_solvers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import (
    DtypeError,
    NonLinearError,
    ShapeError,
)
from ...core.ir import Program
from ...core.primitives.elementwise import astype
from ...core.source import describe_function
from ...core.tracing import Trace, Tracer
from ...core.tree import is_static_leaf
from ...core.treedef import check_same_structure, leaf_paths
from ..api import flatten_result
from ..captures import Captures
from ..control.bodies import Leaves, array_leaves
from ..control.subprograms import transpose_program
from ..evaluators import Often
from ..linear import LinearTrace, LinearTracer, Tape, is_variable
from ..tape_program import to_program
from .detach import value_of
from .lanes import (
    Level,
    Levels,
    RealVectors,
    run_lanes,
)

__all__ = [
    "LinearProgram",
    "System",
    "check_leaves",
    "linear_map_of_tape",
    "recorded_map",
    "unknowns",
]


class LinearProgram(Program):
    """A linear program: values that it depends on, and then a vector, to a vector of the same type
    (or another type, in the transpose of the derivative of a root).
    """

    __slots__ = ("_transposed", "fixed")

    def __init__(self, program: Program, fixed: int) -> None:
        super().__init__(
            program.inputs,
            program.equations,
            program.outputs,
            program.constants,
            name=program.name,
        )
        self.fixed = fixed
        self._transposed: LinearProgram | None = None

    def __reduce__(self) -> tuple[object, ...]:
        program = Program(self.inputs, self.equations, self.outputs, self.constants, name=self.name)
        return LinearProgram, (program, self.fixed)

    @property
    def vector_avals(self) -> tuple[ShapedArray, ...]:
        """The types of the vector."""
        return self.in_avals[self.fixed :]

    def transposed(self) -> LinearProgram:
        """The transposed map, of the same values."""
        if self._transposed is None:
            linear = [i >= self.fixed for i in range(len(self.inputs))]
            self._transposed = LinearProgram(transpose_program(self, linear), self.fixed)
            self._transposed._transposed = self
        return self._transposed


def linear_map_of_tape(
    name: str,
    tape: Tape,
    in_avals: Sequence[ShapedArray],
    outputs: Sequence[int | None],
    out_avals: Sequence[ShapedArray],
    traces: Sequence[Trace] = (),
) -> tuple[LinearProgram, list[Array]]:
    """A tape as a linear map and the traced values that it depends on; what else it depends on is
    in its constants. Tracers of these traces count as their values.
    """
    flat = tree.structure((0,) * len(in_avals))
    program = to_program(
        tape, in_avals, outputs, out_avals, name=name, in_tree=flat,
        out_tree=tree.structure((0,) * len(out_avals)),
    )  # fmt: skip
    constants = [(v, value_of(x, traces)) for v, x in program.constants]
    hoisted = [(v, x) for v, x in constants if isinstance(x, Tracer)]
    whole = Program(
        [v for v, _ in hoisted] + list(program.inputs),
        program.equations,
        program.outputs,
        [(v, x) for v, x in constants if not isinstance(x, Tracer)],
        name=name,
    )
    return LinearProgram(whole, len(hoisted)), [x for _, x in hoisted]


def recorded_map(
    operation: str, what: str, matvec: Any, b: Leaves
) -> tuple[LinearProgram, list[Array]]:
    """A linear function of the user's as a linear map, with the values that it depends on."""
    name = describe_function(matvec)
    captures = Captures(handed_out=True)
    trace = LinearTrace(name, captures)
    trace.label = operation  # type: ignore[misc]  # of what the user called
    avals = b.avals
    values = [
        LinearTracer(trace, n, aval)
        for n, aval in zip(trace.variables(len(avals)), avals, strict=True)
    ]
    try:
        result = matvec(b.rebuilt(values))
        outs, out_tree = flatten_result(f"{operation}: {what}", result)
    finally:
        trace.close()
        captures.release()
    fixed = tree.with_fixed_values(out_tree, outs)
    check_same_structure(b.treedef, fixed, operation, f"the result of {what}", "b")
    outs = [x for x in outs if not is_static_leaf(x)]
    indices: list[int | None] = []
    for path, x, aval in zip(leaf_paths(b.treedef, ""), outs, avals, strict=True):
        mine = aval_of(x)
        if mine.shape != aval.shape or mine.dtype != aval.dtype:
            kind = ShapeError if mine.shape != aval.shape else DtypeError
            raise kind(
                f"{operation}: {what} must return what has the type of its argument"
                f"{path and ', at '}{path}.",
                got=f"{mine!r} for an argument of {aval!r}",
                needed="a map from the space of b to itself",
                fix=f"cast b to {mine.dtype}" if kind is DtypeError else None,
            )
        variable = is_variable(x, trace.tape)
        if not variable and (isinstance(x, Tracer) or np.any(x)):
            raise NonLinearError(
                f"{operation}: {what} is affine, not linear: its result{path} is a constant.",
                got=repr(aval_of(x)),
                needed="matvec(v) = A v",
            )
        indices.append(x.index if variable else None)
    return linear_map_of_tape(name, trace.tape, avals, indices, avals)


class System:
    """A x = b for all lanes, with plain values."""

    def __init__(
        self,
        operation: str,
        matrix: LinearProgram,
        a: Sequence[Array],
        levels: Levels,
        treedef: tree.TreeDef,
    ) -> None:
        self.operation = operation
        self.matrix = matrix
        self.a = list(a)
        self.levels = levels
        self.treedef = treedef
        self.avals = matrix.vector_avals
        self.vectors = RealVectors(self.avals)
        self._run = Often(matrix)

    def tree(self, leaves: Sequence[Array]) -> Any:
        """The user's tree."""
        return tree.unflatten(self.treedef, leaves)

    def apply(
        self, levels: Sequence[Level], v: Sequence[Array], of_v: Sequence[bool] | None = None
    ) -> list[Array]:
        """A v for vectors that are batched at the levels `of_v`; at all of them when left out."""
        n_a, n = len(self.a), len(v)
        flags = [True] * len(levels) if of_v is None else of_v
        full = [
            Level(level.size, (*level.batched[:n_a], *[f] * n))
            for level, f in zip(levels, flags, strict=True)
        ]
        return run_lanes(self.operation, self._run, full, [*self.a, *v], len(self.matrix.outputs))

    def with_values(self, a: Sequence[Array]) -> System:
        """The system of one lane."""
        return System(self.operation, self.matrix, a, (), self.treedef)

    def of_lane(self) -> Callable[[Any], Any]:
        """The map, of the user's trees, where there is one lane."""

        def matvec(v: Any) -> Any:
            leaves = check_leaves(self.operation, "the vector", v, self.treedef, self.avals, "b")
            return self.tree(self.apply((), leaves))

        return matvec


def unknowns(operation: str, x: Any, what: str, promote: bool = False) -> Leaves:
    """The arrays of a tree of floats and complex numbers; with `promote` integers become floats."""
    leaves = array_leaves(operation, x)
    arrays = []
    for path, v in zip(leaf_paths(leaves.treedef, ""), leaves.arrays, strict=True):
        aval = aval_of(v)
        if promote and aval.dtype.kind in "iu":
            v, aval = astype(v, np.float64), ShapedArray(aval.shape, np.dtype(np.float64))
        elif aval.dtype.kind not in "fc":
            raise DtypeError(
                f"{operation}: {what}{path} must be of floats or complex numbers.",
                got=repr(aval),
                fix="cast it: .astype(float)",
            )
        arrays.append(aval.dtype.type(v) if aval.weak_type and not isinstance(v, Tracer) else v)
    return Leaves(arrays, leaves.treedef)


def check_leaves(
    operation: str,
    what: str,
    found: Any,
    treedef: tree.TreeDef,
    avals: Sequence[ShapedArray],
    like: str,
    cast: bool = True,
) -> list[Array]:
    """The leaves of a tree that must have these structure, shapes and dtypes; Python numbers and
    integers take the dtype that is due. Without `cast` dtypes do not matter.
    """
    outs, out_tree = flatten_result(f"{operation}: {what}", found)
    fixed = tree.with_fixed_values(out_tree, outs)
    check_same_structure(treedef, fixed, operation, what, like)
    leaves = [x for x in outs if not is_static_leaf(x)]
    checked_leaves = []
    for path, x, aval in zip(leaf_paths(treedef, ""), leaves, avals, strict=True):
        mine = aval_of(x)
        if mine.shape != aval.shape:
            raise ShapeError(
                f"{operation}: {what}{path and ' at '}{path} has another shape than {like}.",
                got=repr(mine),
                needed=repr(aval),
            )
        if cast and (mine.dtype != aval.dtype or mine.weak_type):
            if not np.can_cast(mine.dtype, aval.dtype, "same_kind"):
                raise DtypeError(
                    f"{operation}: {what}{path and ' at '}{path} has another dtype than {like}.",
                    got=repr(mine),
                    needed=repr(aval),
                    fix=f"cast {like} to {mine.dtype}",
                )
            x = astype(x, aval.dtype)
        checked_leaves.append(x)
    return checked_leaves
