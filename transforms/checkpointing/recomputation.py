"""The primitives of checkpointing: `checkpoint`, whose residuals are computed again when they are
needed, and `checkpoint_linear`, its derivative on a tape.

A body is a function of flat operands: a program, a Python function (`Rerun`), a loop
(`checkpointed_scan.py`), or one of these under another transformation (`derived_bodies.py`), which
is a body again. In reverse mode a body is split in two:

- `forward : operands -> results, saved values`, which runs now and keeps nothing else;
- `push : operands, saved values, tangents -> tangents`, one equation of the tape. Its transpose
  runs the body again, with the residuals, and pulls the cotangents back.

Both run under `checkpoint` themselves, so derivatives of any order recompute. On the tape are the
operands and the saved values, and no others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Program
from ...core.storage import current
from ...core.tracing import RUNNING, Primitive, Together, newest_trace
from ..batching import BatchTrace
from ..control.subprograms import trace_flat
from ..linear import LinearTrace
from ..program import ProgramTrace
from .derived_bodies import (
    Batched,
    Body,
    Derived,
    Jvp,
    Pushed,
    Recomputed,
    avals_of,
    chosen,
    inexact,
    run_body,
    sample,
    strong,
)
from .rerun import Rerun
from .saving import Policy, split_program

__all__ = ["checkpoint_p"]

Flags = Sequence[bool]


class _InAxis(Derived):
    """A body that is on its way to the batch rule, with the name of the axis."""

    label = "member"

    def __init__(self, body: Body, axis_name: Hashable) -> None:
        super().__init__(body)
        self.axis_name = axis_name


class _Checkpoint(Primitive):
    """Runs its body. Each trace sees the whole as one operation."""

    __slots__ = ()

    def bind(self, *args: Array, body: Body, policy: Policy | None = None) -> Any:
        args = tuple([current(a) for a in args])
        trace = newest_trace(args)
        if trace is None or type(trace) is LinearTrace:
            # On a linear tape, its operations show one by one what is linear.
            return tuple(run_body(body, args))
        if isinstance(trace, BatchTrace) and trace.axis is not None:
            body = _InAxis(body, trace.axis.name)
        if isinstance(trace, ProgramTrace):
            body, given = _closed(body, args)
            args = tuple(given)
            if newest_trace(args) is not trace:
                return self.bind(*args, body=body, policy=policy)
        params = {"body": body} if policy is None else {"body": body, "policy": policy}
        return trace.process(self, args, params)


def _closed(body: Body, args: Sequence[Array]) -> tuple[Body, Sequence[Array]]:
    """The body as a program, but for loops; plain values are constants of a Python function."""
    if type(body) is Program or getattr(body, "structured", False):
        return body, args
    avals = [aval_of(a) for a in args]
    if not _of_python(body):
        return trace_flat(body.name, body, avals), args
    traced = [newest_trace([a]) is not None for a in args]

    def fun(*values: Array) -> list[Array]:
        given = iter(values)
        return run_body(body, [next(given) if t else a for a, t in zip(args, traced, strict=True)])

    return trace_flat(body.name, fun, chosen(avals, traced)), chosen(args, traced)


def _of_python(body: Body) -> bool:
    while isinstance(body, Derived):
        body = body.body
    return type(body) is not Program


def _shape(
    *avals: ShapedArray, body: Body, policy: Policy | None = None
) -> tuple[ShapedArray, ...]:
    return tuple([strong(v) for v in avals_of(body, avals)])


def _batch(
    size: int, batched: Flags, *args: Array, body: Body, policy: Policy | None = None
) -> tuple[Array, ...]:
    axis_name = None
    if isinstance(body, _InAxis):
        body, axis_name = body.body, body.axis_name
    if hasattr(body, "batch"):
        stacked: tuple[Array, ...] = body.batch(size, batched, args, axis_name, policy)
        return stacked
    found: tuple[Array, ...] = checkpoint_p.bind(
        *args, body=Batched(body, size, batched, axis_name), policy=policy
    )
    return found


def _jvp(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: Body,
    policy: Policy | None = None,
) -> tuple[Any, Any]:
    active = [t is not None for t in tangents]
    outs = checkpoint_p.bind(
        *primals, *chosen(tangents, active), body=Jvp(body, active), policy=policy
    )
    # For each result with a derivative there are two.
    avals = [aval_of(y) for y in outs]
    n = next(n for n in range(len(outs) + 1) if n + len(inexact(avals[:n])) == len(outs))
    return outs[:n], _dots(outs[:n], outs[n:])


def _dots(ys: Sequence[Array], found: Sequence[Array]) -> list[Array | None]:
    dots = iter(found)
    return [next(dots) if aval_of(y).dtype.kind in "fc" else None for y in ys]


def _linearize(
    primals: Sequence[Array],
    tangents: Sequence[Array | None],
    *,
    body: Body,
    policy: Policy | None = None,
) -> tuple[Any, Any]:
    active = [t is not None for t in tangents]
    avals = [aval_of(x) for x in primals]
    push: Any
    n_saved, repeated = 0, False
    by_program = policy is not None or RUNNING.symbolic
    if by_program and not getattr(body, "structured", False):
        program = body if type(body) is Program else trace_flat(body.name, body, avals)
        forward, linear = split_program(program, active, policy)
        n_saved = len(forward.outputs) - len(program.outputs)
        push = Recomputed(linear, [strong(v) for v in chosen(avals, active)])
    elif hasattr(body, "split"):
        forward, push, n_saved, repeated = body.split(active)
    else:
        forward, push = body, Pushed(body, active)
    outs = checkpoint_p.bind(*primals, body=forward, policy=policy)
    first = len(outs) - n_saved
    ys, saved = outs if repeated else outs[:first], outs[first:]
    if isinstance(body, Rerun):
        push.samples = sample(ys)
    push.inexact = [aval_of(y).dtype.kind in "fc" for y in ys]
    out_avals = tuple([strong(aval_of(y)) for y in chosen(ys, push.inexact)])
    found = checkpoint_linear_p.bind(
        *primals, *saved, *chosen(tangents, active),
        push=push, n=len(primals) + len(saved), policy=policy, out_avals=out_avals,
    )  # fmt: skip
    return ys, _dots(ys, found)


checkpoint_p = _Checkpoint(
    "checkpoint",
    lambda *args, body, policy=None: tuple(run_body(body, args)),
    shape=_shape,
    jvp=_jvp,
    linearize=_linearize,
    batch=_batch,
    multiple_results=True,
)


class _CheckpointLinear(Primitive):
    """The derivative of a checkpointed body, linear in the operands after the first n."""

    __slots__ = ()

    def bind(
        self,
        *args: Array,
        push: Body,
        n: int,
        policy: Policy | None,
        out_avals: Sequence[ShapedArray],
    ) -> Any:
        trace = newest_trace(args)
        if type(trace) is LinearTrace:
            return trace.process(
                self, args, {"push": push, "n": n, "policy": policy, "out_avals": out_avals}
            )
        return checkpoint_p.bind(*args, body=push, policy=policy)


def _transpose(
    cts: Sequence[Array],
    wanted: Flags,
    *args: Any,
    push: Body,
    n: int,
    policy: Policy | None,
    out_avals: Sequence[ShapedArray],
) -> list[Array | None]:
    found = checkpoint_p.bind(*args[:n], *cts, body=push.transposed(n), policy=policy)
    return [None] * n + list(found)


checkpoint_linear_p = _CheckpointLinear(
    "checkpoint_linear",
    lambda *args, push, n, policy, out_avals: tuple(run_body(push, args)),
    shape=lambda *avals, push, n, policy, out_avals: tuple(out_avals),
    transposes=Together(_transpose),
    linear="jointly",
    linear_args=lambda params: range(params["n"], 1 << 30),
    batch=lambda size, batched, *args, push, n, policy, out_avals: _batch(
        size, batched, *args, body=push, policy=policy
    ),
    multiple_results=True,
)
