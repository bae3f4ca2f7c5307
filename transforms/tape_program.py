"""Writing a tape out as a program: `to_program : Tape -> Program`, equation by equation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.aval import Array, ShapedArray, aval_of
from ..core.ir import Atom, Equation, Literal, Program, Var
from ..core.primitives.contractions import matmul_p
from ..core.primitives.elementwise import add_p, astype_p, divide_p, multiply_p, negative_p
from ..core.primitives.shaping import broadcast_to_p
from ..core.tracing import Primitive, Tracer
from ..core.tree import TreeDef
from .linear import (
    ADD,
    CAST,
    COMBINE,
    LEFT,
    NEGATE,
    PART,
    RIGHT,
    SCALE,
    Tape,
    is_variable,
)

__all__ = ["to_program"]


def to_program(
    tape: Tape,
    in_avals: Sequence[ShapedArray],
    outputs: Sequence[int | None],
    out_avals: Sequence[ShapedArray],
    *,
    name: str,
    in_tree: TreeDef,
    out_tree: TreeDef,
) -> Program:
    """The tape as a `Program`: residual arrays are its constants."""
    variables: dict[int, Any] = {i: Var(aval) for i, aval in enumerate(in_avals)}
    constants: list[tuple[Var, Array]] = []
    names: dict[int, Var] = {}
    equations: list[Equation] = []

    def atom(v: Any) -> Atom:
        if is_variable(v, tape):
            found: Var = variables[v.index]
            return found
        if np.ndim(v) == 0 and not isinstance(v, Tracer):
            return Literal(v[()] if type(v) is np.ndarray else v)
        if id(v) not in names:
            names[id(v)] = Var(aval_of(v))
            constants.append((names[id(v)], v))
        return names[id(v)]

    def emit(primitive: Primitive, inputs: Sequence[Atom], params: Mapping[str, Any]) -> Any:
        due = primitive.shape(*[x.aval for x in inputs], **params)  # type: ignore[misc]  # recorded with it
        found = [Var(v) for v in due] if primitive.multiple_results else [Var(due)]
        equations.append(Equation(primitive, inputs, found, params))
        return found if primitive.multiple_results else found[0]

    for i in range(len(in_avals), len(tape)):
        kind, a, b = tape[i]
        if kind is PART:
            variables[i] = variables[a][b]
        elif kind is COMBINE:
            terms = [emit(multiply_p, [variables[j], atom(c)], {}) for j, c in (a, b)]
            variables[i] = emit(add_p, terms, {})
        elif kind is ADD:
            variables[i] = emit(add_p, [variables[a], variables[b]], {})
        elif kind is LEFT:
            variables[i] = emit(matmul_p, [variables[a], atom(b[0])], {})
        elif kind is RIGHT:
            variables[i] = emit(matmul_p, [atom(b[0]), variables[a]], {})
        elif kind is CAST:
            v = variables[a]
            if v.aval.shape != b[1].shape:
                v = emit(broadcast_to_p, [v], {"shape": b[1].shape})
            if v.aval.dtype != b[1].dtype:
                v = emit(astype_p, [v], {"dtype": b[1].dtype})
            variables[i] = v
        elif kind is NEGATE:
            variables[i] = emit(negative_p, [variables[a]], {})
        elif not isinstance(kind, Primitive):
            variables[i] = emit(
                multiply_p if kind is SCALE else divide_p, [variables[a], atom(b)], {}
            )
        else:
            variables[i] = emit(kind, [atom(v) for v in a], b)

    def result(out: int | None, aval: ShapedArray) -> Atom:
        if out is not None:
            found: Var = variables[out]
            return found
        return atom(np.zeros(aval.shape, aval.dtype) if aval.shape else aval.dtype.type(0))

    results = [result(out, aval) for out, aval in zip(outputs, out_avals, strict=True)]
    inputs = [variables[i] for i in range(len(in_avals))]
    return Program(
        inputs, equations, results, constants, name=name, in_tree=in_tree, out_tree=out_tree
    )
