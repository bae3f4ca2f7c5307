"""What the control flow functions share: tracing the user's functions to bodies of loops and
branches, and making types agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core import tree
from ...core.arrays import writable
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import ShapeError
from ...core.ir import Program, Var, evaluate
from ...core.primitives.elementwise import astype
from ...core.storage import twin
from ...core.tracing import Tracer
from ...core.tree import is_static_leaf
from ...core.treedef import check_same_structure, leaf_paths
from ..api import flatten_result
from ..program import trace_closed
from .subprograms import trace_flat

__all__ = [
    "Body",
    "Leaves",
    "array_leaves",
    "check_carry",
    "joined_avals",
    "next_avals",
    "own",
    "promoting",
    "same_structure",
    "strong",
    "trace_body",
    "typed",
    "with_inputs",
]


class Body(NamedTuple):
    """A function of the user's as a program, whose first inputs are the traced values that it
    closes over.
    """

    program: Program
    hoisted: list[Array]

    @property
    def out_tree(self) -> tree.TreeDef:
        """The structure of the function's result."""
        return self.program.out_tree


def trace_body(operation: str, fun: Callable[..., Any], *args: Any) -> Body:
    """Trace a function of trees of arrays (or of what has a `shape` and a `dtype`)."""
    return Body(*trace_closed(operation, fun, *args))


class Leaves(NamedTuple):
    """A tree taken apart: the arrays in it, and the structure that has the static leaves in it."""

    arrays: list[Array]
    treedef: tree.TreeDef

    @property
    def avals(self) -> list[ShapedArray]:
        """The types of the arrays; a Python number has one of its own."""
        return [strong(aval_of(x)) for x in self.arrays]

    def rebuilt(self, arrays: Sequence[Any]) -> Any:
        """The tree with others in the place of the arrays."""
        return tree.unflatten(self.treedef, arrays)


def array_leaves(operation: str, x: Any, what: str = "the argument") -> Leaves:
    """The arrays of a tree."""
    leaves, treedef = flatten_result(operation, x, what)
    fixed = tree.with_fixed_values(treedef, leaves)
    return Leaves([x for x in leaves if not is_static_leaf(x)], fixed)


def strong(aval: ShapedArray) -> ShapedArray:
    """The type without its weakness."""
    return ShapedArray(aval.shape, aval.dtype) if aval.weak_type else aval


def joined_avals(
    operation: str,
    expected: Sequence[ShapedArray],
    found: Sequence[ShapedArray],
    treedef: tree.TreeDef,
    which: str,
    like: str,
) -> list[ShapedArray]:
    """The types that hold the values of both; an error for different shapes. As in NumPy, a Python
    number takes the type of what it meets.
    """
    for path, a, b in zip(leaf_paths(treedef, ""), expected, found, strict=True):
        if a.shape != b.shape:
            raise ShapeError(
                f"{operation}: {which}{path and ' at '}{path} has another shape than {like}.",
                got=repr(b),
                needed=repr(a),
                fix="arrays keep their shapes here: pad them, or use a Python loop or `if`",
            )
    return [
        ShapedArray(
            a.shape,
            np.result_type(*[promoting(v) for v in (a, b)]),
            a.weak_type and b.weak_type,
        )
        for a, b in zip(expected, found, strict=True)
    ]


def next_avals(avals: list[ShapedArray], joined: list[ShapedArray]) -> list[ShapedArray]:
    """The types to trace the body of a loop with next, after those that hold the values before and
    after a step; the same ones, if they are right.

    A Python number at the start has a type of its own only if the body does not give it another.
    """
    return joined if joined != avals else [strong(v) for v in avals]


def promoting(aval: ShapedArray) -> Any:
    """What stands for the type in NumPy's promotion."""
    return aval.dtype_or_python_type(1) if aval.weak_type else aval.dtype


def same_structure(
    operation: str, expected: tree.TreeDef, found: tree.TreeDef, which: str, like: str
) -> None:
    """Raise a TreeError unless two results have the same structure."""
    check_same_structure(expected, found, operation, which, like)


def own(x: Array) -> Array:
    """The same value, in memory that the body of a loop may write to, traced values too."""
    if type(x) is np.ndarray:
        return writable(x.copy()) if x.dtype.kind in "fc" else x.copy()
    return twin(x) if isinstance(x, Tracer) else x


def check_carry(operation: str, before: Leaves, carry: Any) -> None:
    """Raise unless a carried value has the structure and shapes of that before."""
    which, like = "the carried value after a step", "the one before"
    after = array_leaves(operation, carry, which)
    same_structure(operation, before.treedef, after.treedef, which, like)
    joined_avals(operation, before.avals, after.avals, before.treedef, which, like)


def typed(program: Program, avals: Sequence[ShapedArray]) -> Program:
    """The program with its first outputs cast to these types, and no weak types after that."""
    due = [*avals, *[strong(v) for v in program.out_avals[len(avals) :]]]
    if list(program.out_avals) == due:
        return program

    def fun(*args: Array) -> list[Array]:
        ys = evaluate(program, *args)
        return [astype(y, v.dtype) for y, v in zip(ys, due, strict=True)]

    return trace_flat(program.name, fun, program.in_avals)


def with_inputs(program: Program, before: Sequence[ShapedArray], n: int, k: int) -> Program:
    """The program with more inputs, which it does not use: its own n first ones are number k on."""
    extra = [Var(v) for v in before]
    extra[k : k + n] = program.inputs[:n]
    return Program(
        [*extra, *program.inputs[n:]],
        program.equations,
        program.outputs,
        program.constants,
        name=program.name,
    )
