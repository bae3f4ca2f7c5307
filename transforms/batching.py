"""The trace of `vmap`: each operation runs once, on the stacked values of all members of a batch.

A `BatchTracer` stands for one member and holds the values of all, with the batch axis in front;
operations run by their primitive's batching rule. `vmap.py` moves the batch axis to the front and
back, so no rule has to ask where it is; `splitting.py` has the trace of a batch that splits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..core.array_tracer import ArrayTracer
from ..core.aval import Array, ShapedArray, aval_of
from ..core.errors import ConcretizationError
from ..core.primitives.writing import lanes_to_write
from ..core.rules import ndim_of
from ..core.source import NEAR, Source, user_source
from ..core.storage import strides_of, write
from ..core.tracing import Primitive, Trace, Tracer

__all__ = ["BatchTrace", "BatchTracer", "NamedAxis", "without_names"]

_NO_PARAMS: dict[str, Any] = {}


class BatchTracer(ArrayTracer):
    """One member of a batch; `value` holds all of them, stacked along its first axis."""

    __slots__ = ("source", "value")

    def __init__(self, trace: Trace, value: Array, source: Source | None = None) -> None:
        self._trace = trace
        self.value = value
        self.source = source

    @property
    def aval(self) -> ShapedArray:
        aval = aval_of(self.value)
        return ShapedArray(aval.shape[1:], aval.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        found: tuple[int, ...] = self.value.shape[1:]
        return found

    @property
    def ndim(self) -> int:
        return self.value.ndim - 1  # type: ignore[no-any-return]  # an int

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = self.value.dtype
        return found

    def concrete(self) -> Array:
        raise ConcretizationError("a member of a batch has no value of its own.")

    def decided(self, how: str = "value") -> Array:
        trace = self._trace
        return trace.decide(self, how) if isinstance(trace, BatchTrace) else self.concrete()

    def agreed(self) -> Array:
        trace = self._trace
        return trace.agree(self) if isinstance(trace, BatchTrace) else self.concrete()

    @property
    def decides(self) -> bool:
        trace = self._trace
        return isinstance(trace, BatchTrace) and trace.can_decide(self)

    def remedy(self) -> str:
        trace = self._trace
        return trace.remedy(self) if isinstance(trace, BatchTrace) else ""

    def members(self) -> Array:
        """The values of the members that the trace goes on with."""
        trace = self._trace
        return trace.members(self) if isinstance(trace, BatchTrace) else self.value

    def strides_of_value(self) -> tuple[int, ...] | None:
        strides = strides_of(self.value)
        return None if strides is None else strides[1:]

    def is_alike(self, other: Array) -> bool:
        if type(other) is not BatchTracer or other._trace is not self._trace:
            return False
        a, b = self.members(), other.members()
        if isinstance(a, Tracer) or isinstance(b, Tracer):
            return isinstance(a, Tracer) and a.is_alike(b)
        return np.array_equal(a, b)

    def why_not_concrete(self) -> str:
        value = self.members()
        trace = self._trace
        if isinstance(value, ArrayTracer) and isinstance(trace, BatchTrace) and trace.splits:
            return value.why_not_concrete()  # it must be the outer one that has no value
        size = aval_of(value).shape[0]
        return f"under vmap it stands for {size} values at once, which may differ."

    def where_made(self) -> Source | None:
        return self.source

    def describe(self) -> str:
        return f"<traced {self.aval!r} in {self._trace!r}, batch: {self.members()!r}>"


class NamedAxis(NamedTuple):
    """The axis of a batch under its name, for collectives, with a member's position on it."""

    name: Hashable
    size: int
    position: BatchTracer


class BatchTrace(Trace):
    """Runs each operation on all members of the batch at once."""

    label = "vmap"
    batches = True
    axis: NamedAxis | None = None
    splits: ClassVar[bool] = False
    """True where a decision splits the batch."""

    def __init__(self, function: str, size: int, axis_name: Hashable = None) -> None:
        super().__init__(function)
        self.size = size
        if axis_name is not None:
            self.axis = NamedAxis(axis_name, size, BatchTracer(self, np.arange(size)))

    def members(self, x: BatchTracer) -> Array:
        """The values of a tracer of this trace."""
        return x.value

    def decide(self, x: BatchTracer, how: str) -> Array:
        """The value of a tracer, where the course of the function depends on it."""
        return x.concrete()

    def agree(self, x: BatchTracer) -> Array:
        """The value of a tracer, if all members have the same."""
        return x.concrete()

    def can_decide(self, x: BatchTracer) -> bool:
        """True if `decide` finds a value."""
        return False

    def remedy(self, x: BatchTracer) -> str:
        """What else can be done where `decide` finds none."""
        f = self.function if self.function.isidentifier() else "f"
        return (
            f'use wengert.vmap({f}, control_flow="split"), which runs {f} once for each path;\nor '
        )

    def process1(self, primitive: Primitive, x: Array) -> Array:
        if not primitive.elementwise:
            return self.process(primitive, (x,), _NO_PARAMS)
        return BatchTracer(self, primitive.impl(x.value), user_source(NEAR))

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        if primitive.elementwise:
            # Where the ranks allow it, NumPy's broadcasting does the rest.
            x_value: Array = x.value if type(x) is BatchTracer and x._trace is self else None
            y_value: Array = y.value if type(y) is BatchTracer and y._trace is self else None
            if x_value is None:
                direct = ndim_of(x) < y_value.ndim
                x_value = x
            elif y_value is None:
                direct = ndim_of(y) < x_value.ndim
                y_value = y
            else:
                direct = x_value.ndim == y_value.ndim
            if direct:
                return BatchTracer(self, primitive.impl(x_value, y_value), user_source(NEAR))
        return self.process(primitive, (x, y), _NO_PARAMS)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        operands = (x, v, *arrays)
        batched = [type(a) is BatchTracer and a._trace is self for a in operands]
        values = [a.value if b else a for a, b in zip(operands, batched, strict=True)]
        stacked = lanes_to_write(self.size, batched, values[0], values[1], values[2:], index)
        # Where the array was the same for all lanes, its copies are made by the write.
        y = write(*stacked, exclusive and batched[0])
        return BatchTracer(self, y, user_source(NEAR))

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        batched = [type(a) is BatchTracer and a._trace is self for a in args]
        if primitive.batch is None:
            primitive.missing("batch", self.label)
        values = [a.value if b else a for a, b in zip(args, batched, strict=True)]
        y = primitive.batch(self.size, batched, *values, **params)
        source = user_source(NEAR)
        if primitive.multiple_results:
            return tuple([BatchTracer(self, v, source) for v in y])
        return BatchTracer(self, y, source)


@contextmanager
def without_names() -> Iterator[None]:
    """While it lasts, no axis has a name: the user's code runs for members that have left their
    batch, so that a collective could not find the others.
    """
    trace = Trace("a function that runs for each member")
    trace.hides_names = True  # type: ignore[attr-defined]  # among the running traces, it is a mark
    try:
        yield
    finally:
        trace.close()
