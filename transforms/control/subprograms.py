"""Transforming programs to programs: what loops and branches do with their bodies.

Each function takes a program with flat inputs and outputs, and flags that say which of them are
active (or batched); it returns a program and the flags of its outputs. Where a flag is set in
`force`, the output is made active (or batched) anyway, as the carried values of a loop must be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Atom, Program, Var, evaluate
from ...core.storage import current
from ...core.tree import structure
from ..backward import backward_pass
from ..batching import BatchTrace, BatchTracer
from ..captures import Captures
from ..jvp import JVPTrace, JVPTracer, zeros_of
from ..linear import LinearTrace, LinearTracer, Tape, is_variable
from ..passes.dead_code import without_dead_code
from ..program import ProgramTrace, ProgramTracer
from ..recording import LinearizeTrace, LinearizeTracer
from ..tape_program import to_program

__all__ = [
    "Linearized",
    "batch_program",
    "batched_aval",
    "dependent",
    "evaluate_batch",
    "evaluate_jvp",
    "evaluate_linearized",
    "filled_tangents",
    "jvp_program",
    "linearize_program",
    "rearranged",
    "trace_flat",
    "transpose_program",
]

Flags = Sequence[bool]
FlatFunction = Callable[..., Sequence[Array]]


def trace_flat(name: str, fun: FlatFunction, avals: Sequence[ShapedArray]) -> Program:
    """The program of a function of flat arguments that closes over no traced value."""
    trace = ProgramTrace(name)
    try:
        inputs = [trace.variable(aval) for aval in avals]
        outputs = [trace.atom(current(y)) for y in fun(*inputs)]
    finally:
        trace.close()
    program = Program([x.variable for x in inputs], trace.equations, outputs, trace.kept, name=name)
    return without_dead_code(program)


def rearranged(program: Program, inputs: Sequence[Var], outputs: Sequence[Atom]) -> Program:
    """The same equations with inputs and outputs in another order, or more inputs."""
    return Program(inputs, program.equations, outputs, program.constants, name=program.name)


# Forward mode.


def evaluate_jvp(
    name: str, fun: FlatFunction, args: Sequence[Array], active: Flags, tangents: Sequence[Array]
) -> tuple[list[Array], list[Array | None]]:
    """Run a function on values and tangents (of the active arguments): (results, tangents)."""
    trace = JVPTrace(name)
    dots = iter(tangents)
    try:
        outs = fun(*[
            JVPTracer(trace, x, next(dots), None, 0) if a else x
            for x, a in zip(args, active, strict=True)
        ])  # fmt: skip
        outs = [current(y) for y in outs]
    finally:
        trace.close()
    mine = [type(y) is JVPTracer and y._trace is trace for y in outs]
    return (
        [y.primal if m else y for y, m in zip(outs, mine, strict=True)],
        [y.tangent if m else None for y, m in zip(outs, mine, strict=True)],
    )


def jvp_program(program: Program, active: Flags, force: Flags) -> tuple[Program, list[bool]]:
    """inputs, tangents of active inputs -> outputs, tangents of active outputs."""
    n = len(program.inputs)
    found: list[bool] = []

    def fun(*args: Array) -> list[Array]:
        ys, dots = evaluate_jvp(program.name, _run(program), args[:n], active, args[n:])
        found[:] = [f or d is not None for f, d in zip(force, dots, strict=True)]
        return [
            *ys,
            *[
                zeros_of(y) if d is None else d
                for y, d, f in zip(ys, dots, found, strict=True)
                if f
            ],
        ]

    avals = [*program.in_avals, *_chosen(program.in_avals, active)]
    return trace_flat(f"jvp of {program.name}", fun, avals), found


def _run(program: Program) -> FlatFunction:
    return lambda *args: evaluate(program, *args)


def _chosen(items: Sequence[Any], flags: Flags) -> list[Any]:
    return [x for x, f in zip(items, flags, strict=True) if f]


def filled_tangents(
    carry: Sequence[Array], dots: Sequence[Array | None], active: Flags
) -> list[Array]:
    """Tangents of the carried values that are active, zeros for those that start without one."""
    return [
        zeros_of(x) if t is None else t for x, t, a in zip(carry, dots, active, strict=True) if a
    ]


# Batches.


def batched_aval(size: int, aval: ShapedArray) -> ShapedArray:
    """The type of a whole batch."""
    return ShapedArray((size, *aval.shape), aval.dtype)


def evaluate_batch(
    name: str, fun: FlatFunction, size: int, args: Sequence[Array], batched: Flags, force: Flags
) -> tuple[list[Array], list[bool]]:
    """Run a function on all members of a batch: (results, which of them are batched)."""
    trace = BatchTrace(name, size)
    try:
        outs = fun(*[
            BatchTracer(trace, x) if b else x for x, b in zip(args, batched, strict=True)
        ])  # fmt: skip
        outs = [current(y) for y in outs]
    finally:
        trace.close()
    mine = [type(y) is BatchTracer and y._trace is trace for y in outs]
    values = [
        y.value if m else np.broadcast_to(y, (size, *aval_of(y).shape)) if f else y
        for y, m, f in zip(outs, mine, force, strict=True)
    ]
    return values, [m or f for m, f in zip(mine, force, strict=True)]


def batch_program(
    program: Program, size: int, batched: Flags, force: Flags
) -> tuple[Program, list[bool]]:
    """The same for stacked inputs, those which are `batched`."""
    found: list[bool] = []

    def fun(*args: Array) -> list[Array]:
        ys, found[:] = evaluate_batch(program.name, _run(program), size, args, batched, force)
        return ys

    avals = [
        batched_aval(size, v) if b else v for v, b in zip(program.in_avals, batched, strict=True)
    ]
    return trace_flat(f"vmap of {program.name}", fun, avals), found


# Reverse mode.


def evaluate_linearized(
    name: str, fun: FlatFunction, args: Sequence[Array], active: Flags, at_once: bool = False
) -> tuple[list[Array], Tape, list[int | None]]:
    """Run a function and record its linear part: (results, tape, variables of their tangents).

    With `at_once` the tape is run before any more of the user's code, and no more.
    """
    captures = Captures(handed_out=not at_once)
    linear = LinearTrace(name)
    trace = LinearizeTrace(name, "linearize", linear, captures)
    numbers = iter(linear.variables(sum(active)))
    try:
        outs = fun(*[
            LinearizeTracer(trace, x, next(numbers), None, 0) if a else x
            for x, a in zip(args, active, strict=True)
        ])  # fmt: skip
        outs = [current(y) for y in outs]
    except ValueError as error:
        captures.explain(f"linearize of {name}", error)
    finally:
        trace.close()
        linear.close()
        captures.release()
    mine = [type(y) is LinearizeTracer and y._trace is trace for y in outs]
    return (
        [y.primal if m else y for y, m in zip(outs, mine, strict=True)],
        linear.tape,
        [y.index if m else None for y, m in zip(outs, mine, strict=True)],
    )


class Linearized(NamedTuple):
    """A program taken apart: `forward` computes the outputs and then the residuals; `linear` maps
    residuals and tangents of active inputs to tangents of active outputs.
    """

    forward: Program
    linear: Program
    active: list[bool]


def linearize_program(program: Program, active: Flags, force: Flags) -> Linearized:
    """The nonlinear and the linear part of a program."""
    trace = ProgramTrace(program.name)
    try:
        inputs = [trace.variable(aval) for aval in program.in_avals]
        ys, tape, indices = evaluate_linearized(program.name, _run(program), inputs, active)
        found = [f or i is not None for f, i in zip(force, indices, strict=True)]
        in_avals = _chosen(program.in_avals, active)
        out_avals = [aval_of(y) for y in _chosen(ys, found)]
        linear = to_program(
            tape,
            in_avals,
            _chosen(indices, found),
            out_avals,
            name=f"linear part of {program.name}",
            in_tree=structure((0,) * len(in_avals)),
            out_tree=structure((0,) * len(out_avals)),
        )
        linear = without_dead_code(linear)
        residuals = [(v, x) for v, x in linear.constants if type(x) is ProgramTracer]
        outputs = [trace.atom(y) for y in (*ys, *[x for _, x in residuals])]
    finally:
        trace.close()
    names = [x.variable for x in inputs]
    forward = Program(names, trace.equations, outputs, trace.kept, name=program.name)
    whole = Program(
        [v for v, _ in residuals] + list(linear.inputs),
        linear.equations,
        linear.outputs,
        [(v, x) for v, x in linear.constants if type(x) is not ProgramTracer],
        name=linear.name,
    )
    return Linearized(without_dead_code(forward), whole, found)


def transpose_program(program: Program, linear: Flags) -> Program:
    """inputs that are not linear, cotangents of outputs -> cotangents of linear inputs."""
    fixed = [v.aval for v, f in zip(program.inputs, linear, strict=True) if not f]
    in_avals = _chosen(program.in_avals, linear)

    def fun(*args: Array) -> list[Array]:
        others = iter(args)
        trace = LinearTrace(program.name)
        numbers = iter(trace.variables(len(in_avals)))
        try:
            outs = evaluate(program, *[
                LinearTracer(trace, next(numbers), v.aval) if f else next(others)
                for v, f in zip(program.inputs, linear, strict=True)
            ])  # fmt: skip
        finally:
            trace.close()
        indices = [y.index if is_variable(y, trace.tape) else None for y in outs]
        return backward_pass(
            trace.tape, len(in_avals), indices, args[len(fixed) :], in_avals, once=False
        )

    return trace_flat(f"transpose of {program.name}", fun, [*fixed, *program.out_avals])


def dependent(program: Program, flags: Flags) -> list[bool]:
    """Which outputs depend on the flagged inputs."""
    known = {v for v, f in zip(program.inputs, flags, strict=True) if f}
    for equation in program.equations:
        if any([v in known for v in equation.inputs]):
            known.update(equation.outputs)
    return [v in known for v in program.outputs]
