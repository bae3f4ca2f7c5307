"""Running a function of flat arguments on power series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...core.aval import Array
from ...core.storage import current
from .trace import JetTrace, JetTracer

__all__ = ["evaluate_jet", "row_of"]


def evaluate_jet(
    name: str,
    fun: Callable[..., Sequence[Array]],
    args: Sequence[Array],
    terms: Sequence[Sequence[Array | None] | None],
    order: int,
) -> tuple[list[Array], list[list[Array | None]]]:
    """Run a function of flat arguments on coefficients: (results, their coefficients)."""
    trace = JetTrace(name, order)
    try:
        outs = [
            current(y)
            for y in fun(*[
                x if ts is None else trace.wrap([x, *ts])
                for x, ts in zip(args, terms, strict=True)
            ])
        ]  # fmt: skip
    finally:
        trace.close()
    mine = [type(y) is JetTracer and y._trace is trace for y in outs]
    return (
        [y.primal if m else y for y, m in zip(outs, mine, strict=True)],
        [row_of(y, m, order) for y, m in zip(outs, mine, strict=True)],
    )


def row_of(y: Array, mine: bool, order: int) -> list[Array | None]:
    """The coefficients of order 1 to n of a result; `mine`: it is a tracer."""
    return [*y.terms[1:], *[None] * (order + 1 - len(y.terms))] if mine else [None] * order
