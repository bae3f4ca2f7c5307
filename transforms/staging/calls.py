"""The primitive for a staged function that is called on traced values.

`staged_p[body] : operands -> results`. It is differentiated, linearized, transposed and batched as
a whole: by calls of staged programs that are derived from its own, which are kept with it. Where a
program is being traced, there is nothing to keep: then the operations inside are written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import evaluate
from ...core.storage import current
from ...core.tracing import RUNNING, Together, Tracer, newest_trace
from ..control.structured import Structured
from ..linear import PART, LinearTrace, LinearTracer
from .programs import StagedProgram

__all__ = ["staged_p"]

Flags = Sequence[bool]


def _run(*args: Array, body: StagedProgram, linear: Flags = ()) -> tuple[Array, ...]:
    return body(*args)


def _shape(*avals: ShapedArray, body: StagedProgram, linear: Flags = ()) -> tuple[ShapedArray, ...]:
    return body.program.out_avals


def _batch(
    size: int, batched: Flags, *args: Array, body: StagedProgram, linear: Flags = ()
) -> tuple[Array, ...]:
    stacked, found = body.batched(size, tuple(batched))
    ys = staged_p.bind(*args, body=stacked, **_flagged(linear))
    return tuple([
        y if f else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y, f in zip(ys, found, strict=True)
    ])  # fmt: skip


def _flagged(linear: Flags) -> dict[str, Flags]:
    return {"linear": linear} if linear else {}


def _active(tangents: Sequence[Array | None]) -> tuple[tuple[bool, ...], list[Array]]:
    return tuple([t is not None for t in tangents]), [t for t in tangents if t is not None]


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: StagedProgram,
    linear: Flags = (),
) -> tuple[Any, Any]:
    active, given = _active(tangents)
    derived, found = body.jvp(active)
    ys = staged_p.bind(*primals, *given, body=derived)
    dots = iter(ys[len(found) :])
    return ys[: len(found)], [next(dots) if f else None for f in found]


def _linearize(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: StagedProgram,
    linear: Flags = (),
) -> tuple[Any, Any]:
    active, given = _active(tangents)
    parts = body.linearized(active)
    ys = staged_p.bind(*primals, body=parts.forward)
    n = len(parts.found)
    if not any(parts.found):
        return ys[:n], None
    residuals = [(primals if given_one else ys)[i] for given_one, i in parts.residuals]
    flags = (False,) * len(residuals) + (True,) * len(given)
    dots = iter(staged_p.bind(*residuals, *given, body=parts.linear, linear=flags))
    return ys[:n], [next(dots) if f else None for f in parts.found]


def _transpose(
    cts: Sequence[Array | None],
    wanted: Flags,
    *args: Any,
    body: StagedProgram,
    linear: Flags = (),
) -> list[Array | None]:
    fixed = [x for x, f in zip(args, linear, strict=True) if not f]
    used, given = _active(cts)
    transposed = body.transposed(tuple(linear), used)
    found = iter(staged_p.bind(*fixed, *given, body=transposed))
    return [next(found) if f else None for f in linear]


class _Staged(Structured):
    """With `linear`, the primitive is linear in the operands with that flag."""

    __slots__ = ()

    def bind(self, *args: Array, **params: Any) -> Array:
        body: StagedProgram = params["body"]
        for a in args:
            if isinstance(a, Tracer):
                break
        else:
            return body(*args)
        args = tuple([current(a) if isinstance(a, Tracer) else a for a in args])
        trace = newest_trace(args)
        if trace is None:
            return body(*args)
        linear = params.get("linear")
        if (RUNNING.traces and RUNNING.symbolic) or (type(trace) is LinearTrace and not linear):
            return tuple(evaluate(body.program, *body.typed(args)))
        if type(trace) is LinearTrace and trace.captures is None:
            return _record(trace, self, args, params)
        return trace.process(self, args, params)


def _record(
    trace: LinearTrace, primitive: Structured, args: Sequence[Array], params: Mapping[str, Any]
) -> tuple[Array, ...]:
    """What the trace does with a linear operation, which this is known to be."""
    tape = trace.tape
    i = len(tape)
    tape.append((primitive, args, params))
    results = []
    for k, aval in enumerate(params["body"].program.out_avals):
        results.append(LinearTracer(trace, len(tape), aval))
        tape.append((PART, i, k))
    return tuple(results)


def _linear_args(params: Mapping[str, Any]) -> list[int]:
    return [i for i, f in enumerate(params.get("linear", ())) if f]


staged_p = _Staged(
    "staged",
    _run,
    shape=_shape,
    batch=_batch,
    jvp=_jvp,
    linearize=_linearize,
    transposes=Together(_transpose, unused_as_none=True),
    linear_args=_linear_args,
)
