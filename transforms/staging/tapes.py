"""A tape that runs an emitted function: `staged_tape : Tape -> Tape`, one staged operation.

So a linear function that is called many times runs on the evaluator, and its transpose, its batches
and its derivatives do as well: each is a program that is kept with the operation.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...core.aval import ShapedArray
from ...core.ir import Program
from ...core.tracing import Tracer
from ...core.tree import structure
from ..evaluators import can_stand_alone
from ..linear import LinearTrace, LinearTracer, Tape
from ..tape_program import to_program
from .calls import staged_p
from .programs import StagedProgram

__all__ = ["staged_tape"]


def staged_tape(
    name: str,
    tape: Tape,
    in_avals: Sequence[ShapedArray],
    outputs: Sequence[int | None],
    out_avals: Sequence[ShapedArray],
) -> tuple[Tape, list[int | None]]:
    """The tape, and the numbers of its results. Traced residuals are operands of the operation. A
    tape stays as it is if it communicates between members of a batch.
    """
    used = [i for i, out in enumerate(outputs) if out is not None]
    program = to_program(
        tape,
        in_avals,
        [outputs[i] for i in used],
        [out_avals[i] for i in used],
        name=name,
        in_tree=structure((0,) * len(in_avals)),
        out_tree=structure((0,) * len(used)),
    )
    hoisted = [(v, x) for v, x in program.constants if isinstance(x, Tracer)]
    whole = Program(
        [v for v, _ in hoisted] + list(program.inputs),
        program.equations,
        program.outputs,
        [(v, x) for v, x in program.constants if not isinstance(x, Tracer)],
        name=name,
    )
    if not (used and can_stand_alone(whole)):
        return tape, list(outputs)
    trace = LinearTrace(name)
    try:
        numbers = trace.variables(len(in_avals))
        dots = [LinearTracer(trace, n, v) for n, v in zip(numbers, in_avals, strict=True)]
        flags = (False,) * len(hoisted) + (True,) * len(dots)
        args = (*[x for _, x in hoisted], *dots)
        found = trace.record(staged_p, args, {"body": StagedProgram(whole), "linear": flags})
    finally:
        trace.close()
    numbered = dict(zip(used, [y.index for y in found], strict=True))
    return trace.tape, [numbered.get(i) for i in range(len(outputs))]
