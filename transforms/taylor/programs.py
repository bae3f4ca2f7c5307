"""Operations that hold programs, where control has no value yet.

`series_p : operands, coefficients -> coefficients of the results`: the operation is run on series
when the values are known. It is a structured primitive itself, with derivatives and batches.
`checkpoint` keeps its meaning: its body is run on series as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import evaluate
from ...core.tracing import Primitive
from ..checkpointing.derived_bodies import Body, Derived, avals_of, inexact, run_body, strong
from ..checkpointing.recomputation import checkpoint_p
from ..control.structured import Structured, batched_p
from ..control.subprograms import trace_flat
from ..jvp import zeros_of
from ..staging.calls import staged_p
from ..staging.programs import StagedProgram
from .evaluate import evaluate_jet
from .trace import JetTrace

__all__ = ["series_p"]

Params = Mapping[str, Any]
Flags = tuple[bool, ...]


def _split(
    args: Sequence[Array], active: Sequence[Flags]
) -> tuple[list[Array], list[list[Array | None] | None]]:
    """The operands, and the coefficients of those that have some."""
    given = iter(args[len(active) :])
    terms = [[next(given) if f else None for f in flags] if flags else None for flags in active]
    return list(args[: len(active)]), terms


def _joined(
    ys: Sequence[Array], rows: Sequence[Sequence[Array | None]]
) -> tuple[list[Array], list[Array]]:
    """The results, and the coefficients of those that have a derivative."""
    kept = inexact([aval_of(y) for y in ys])
    return list(ys), [zeros_of(ys[i]) if t is None else t for i in kept for t in rows[i]]


def _run(
    *args: Array, of: Primitive, active: Sequence[Flags], order: int, params: Params
) -> tuple[Array, ...]:
    operands, terms = _split(args, active)
    run = lambda *xs: of.bind(*xs, **params)
    ys, found = _joined(*evaluate_jet(of.name, run, operands, terms, order))
    return (*ys, *[np.array(t) if type(t) is np.ndarray else t for t in found])


def _shape(
    *avals: ShapedArray, of: Primitive, active: Sequence[Flags], order: int, params: Params
) -> tuple[ShapedArray, ...]:
    assert of.shape is not None
    out = of.shape(*avals[: len(active)], **params)
    return (*out, *[out[i] for i in inexact(out) for _ in range(order)])


def _batch(
    size: int,
    batched: Sequence[bool],
    *args: Array,
    of: Primitive,
    active: Sequence[Flags],
    order: int,
    params: Params,
) -> Any:
    operands, terms = _split(args, active)
    b_operands, b_terms = _split(list(batched), active)

    def lanes(x: Array, b: bool | None) -> Array:
        return x if b else np.broadcast_to(x, (size, *aval_of(x).shape))

    flags = tuple([b or bool(a) for b, a in zip(b_operands, active, strict=True)])
    flat = [
        lanes(t, b)
        for ts, bs in zip(terms, b_terms, strict=True)
        for t, b in zip(ts or (), bs or (), strict=True)
        if t is not None
    ]
    whole = [lanes(x, b) if f else x for x, b, f in zip(operands, b_operands, flags, strict=True)]
    inner = {"of": of, "size": size, "batched": flags, "params": params}
    return series_p.bind(*whole, *flat, of=batched_p, active=active, order=order, params=inner)


series_p: Structured = Structured("series", _run, shape=_shape, batch=_batch)


def of_structured(
    trace: JetTrace, primitive: Primitive, args: Sequence[Array], order: int, params: Params
) -> tuple[Array, ...]:
    """The results of an operation that holds programs, computed when there are values."""
    operands, terms, active = _flat(trace, args, order)
    found = series_p.bind(
        *operands, *terms, of=primitive, active=active, order=order, params=dict(params)
    )
    return _wrapped(trace, found, order)


def _flat(
    trace: JetTrace, args: Sequence[Array], order: int
) -> tuple[list[Array], list[Array], tuple[Flags, ...]]:
    """Values, coefficients, and which coefficients there are."""
    rows = [trace.coefficients(a, order)[1:] if trace.is_mine(a) else [] for a in args]
    active = tuple([tuple([t is not None for t in row]) for row in rows])
    return trace.values(args), [t for row in rows for t in row if t is not None], active


def _wrapped(trace: JetTrace, found: Sequence[Array], order: int) -> tuple[Array, ...]:
    """Tracers of the results, which stand before the coefficients."""
    n, count = len(found), 0
    while count + order * len(inexact([aval_of(y) for y in found[:count]])) < n:
        count += 1
    ys, terms = found[:count], iter(found[count:])
    return tuple([
        trace.wrap([y, *[next(terms) for _ in range(order)]])
        if aval_of(y).dtype.kind in "fc"
        else y
        for y in ys
    ])  # fmt: skip


class Jet(Derived):
    """A checkpointed body: operands, coefficients -> results, their coefficients."""

    label = "jet"

    def __init__(self, body: Body, active: tuple[Flags, ...], order: int) -> None:
        super().__init__(body)
        self.active = active
        self.order = order

    def __call__(self, *args: Array) -> list[Array]:
        operands, terms = _split(args, self.active)
        run = lambda *xs: run_body(self.body, xs)
        ys, found = _joined(*evaluate_jet(self.name, run, operands, terms, self.order))
        return [*ys, *found]

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        out = avals_of(self.body, avals[: len(self.active)])
        return [*out, *[strong(out[i]) for i in inexact(out) for _ in range(self.order)]]


def of_checkpoint(
    trace: JetTrace, args: Sequence[Array], order: int, *, body: Body, **params: Any
) -> tuple[Array, ...]:
    """A checkpointed function of series is checkpointed too."""
    operands, terms, active = _flat(trace, args, order)
    found = checkpoint_p.bind(*operands, *terms, body=Jet(body, active, order), **params)
    return _wrapped(trace, found, order)


def of_staged(
    trace: JetTrace, args: Sequence[Array], order: int, *, body: StagedProgram, **params: Any
) -> tuple[Array, ...]:
    """A staged function of series is a staged program too."""
    operands, terms, active = _flat(trace, args, order)

    def run(*values: Array) -> list[Array]:
        xs, rows = _split(values, active)
        call = lambda *ys: evaluate(body.program, *ys)
        ys, found = _joined(*evaluate_jet(body.program.name, call, xs, rows, order))
        return [*ys, *found]

    def make() -> StagedProgram:
        avals = [*body.program.in_avals, *[strong(aval_of(t)) for t in terms]]
        return StagedProgram(trace_flat(f"jet of {body.program.name}", run, avals))

    found = staged_p.bind(*operands, *terms, body=body.derived(("jet", active, order), make))
    return _wrapped(trace, found, order)


JetTrace.of_structured = of_structured
JetTrace.whole[checkpoint_p.name] = of_checkpoint
JetTrace.whole[staged_p.name] = of_staged
