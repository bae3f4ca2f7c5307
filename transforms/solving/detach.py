"""Leaving derivatives out for a while: what a solver does is not to be differentiated.

`detached : [Trace] -> context`. While it lasts, operations on tracers of these traces (of jvp,
linearize and jet) compute values and nothing else, also in functions that close over the tracers.
The solver of an implicit function runs so; its derivative comes from a theorem (`implicit.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import ref

from ...core.aval import Array
from ...core.storage import current, write
from ...core.tracing import RUNNING, Primitive, Trace, Tracer
from ..jvp import ForwardTrace

__all__ = ["Detached", "derivative_traces", "detached", "value_of"]


class _DetachedTrace(Trace):
    """A trace of a derivative whose tracers are their values, for the time being."""

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        return primitive.bind(*[self.value(a) for a in args], **params)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        same = isinstance(x, Tracer) and x._trace is self
        return write(self.value(x), self.value(v), arrays, index, exclusive and not same)

    def value(self, x: Array) -> Array:
        """The value of a tracer of this trace; anything else as it is."""
        return x.primal if isinstance(x, Tracer) and x._trace is self else x


def derivative_traces() -> list[ForwardTrace]:
    """The traces of derivatives that are running in this thread, oldest first."""
    return [t for t in RUNNING.traces if isinstance(t, ForwardTrace)]


@contextmanager
def detached(traces: Sequence[Trace]) -> Iterator[None]:
    """While it lasts, tracers of these traces are their values.

    The class of the traces is exchanged, as in `handed_over`. They may have ended already.
    """
    before = [(t, t.__class__) for t in traces]
    for t in traces:
        t.__class__ = _DetachedTrace
    try:
        yield
    finally:
        for t, kind in before:
            t.__class__ = kind


def value_of(x: Any, traces: Sequence[Trace]) -> Any:
    """The value behind the tracers of these traces; anything else as it is."""
    x = current(x)
    while isinstance(x, Tracer) and x._trace in traces:
        x = current(x.primal)
    return x


class Detached:
    """A function of the user's that is called without derivatives now and later: also when the
    traces, whose tracers it may close over, have ended.
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun
        self.traces = [ref(t) for t in derivative_traces()]

    def __reduce__(self) -> tuple[object, ...]:
        return Detached, (self.fun,)

    def alive(self) -> list[Trace]:
        """The traces that tracers may still belong to."""
        return [t for t in [r() for r in self.traces] if t is not None]

    def __call__(self, *args: Any) -> Any:
        with detached(self.alive()):
            return self.fun(*args)
