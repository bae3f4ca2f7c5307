"""What runs in a function, operation by operation, on plain values.

An `ObservedTrace` computes every operation and keeps it as a `Step`: the operands, which of them
depend on the arguments, the result, the user's line. `wg.audit`, the search for kinks and the
complex step look at these steps.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import numpy as np

from ..core.array_tracer import ArrayTracer
from ..core.aval import Array, ShapedArray, aval_of
from ..core.ir import Equation, Literal, Var, evaluate
from ..core.source import Source, is_library_frame, user_source
from ..core.storage import current, strides_of
from ..core.tracing import Primitive, Trace, Tracer
from ..core.tree import is_static_leaf
from .control.structured import Structured
from .custom.custom_apply import custom_call_p

__all__ = ["ObservedTrace", "ObservedTracer", "Step"]

_ARBITRARY: Final = frozenset(["svd", "eigh", "scipy_eigh", "general_eigh"])
"""Primitives whose complex results have arbitrary phases, which differences see and rules do not.
"""


@dataclass
class Step:
    """An operation that ran: its operands, and which of them depend on the arguments."""

    primitive: Primitive
    values: list[Array]
    active: list[bool]
    params: Mapping[str, Any]
    result: Any
    source: Source | None

    @property
    def name(self) -> str:
        """Of the primitive, or of the function with rules of its own."""
        rules = self.params.get("rules") if self.primitive is custom_call_p else None
        return self.primitive.name if rules is None else f"{rules.name} (custom rules)"

    @property
    def has_arbitrary_phases(self) -> bool:
        """True for singular vectors and eigenvectors of complex matrices."""
        kinds = [aval_of(v).dtype.kind for v in self.values]
        return self.primitive.name in _ARBITRARY and "c" in kinds

    @property
    def signature(self) -> tuple[Any, ...]:
        """Equal for operations that a rule can hardly tell apart."""
        types = tuple([aval_of(v) for v in self.values])
        return self.primitive, types, tuple(self.active), repr(self.params)

    @property
    def text(self) -> str:
        """The operation as an equation."""
        inputs = [
            Literal(v) if np.shape(v) == () and not a else Var(aval_of(v))
            for v, a in zip(self.values, self.active, strict=True)
        ]
        found = self.result if self.primitive.multiple_results else (self.result,)
        outputs = [Var(aval_of(y)) for y in found]
        params = {} if self.primitive is custom_call_p else self.params
        return repr(Equation(self.primitive, inputs, outputs, params))[len("<equation ") : -1]


class ObservedTracer(ArrayTracer):
    """A value that is observed."""

    __slots__ = ("source", "value")

    def __init__(self, trace: Trace, value: Array, source: Source | None = None) -> None:
        super().__init__(trace)
        self.value = value
        self.source = source

    @property
    def aval(self) -> ShapedArray:
        return aval_of(self.value)

    def concrete(self) -> Array:
        trace: ObservedTrace = self._trace  # type: ignore[assignment]  # its own
        trace.asked.append(user_source())
        return self.value

    def strides_of_value(self) -> tuple[int, ...] | None:
        return strides_of(self.value)

    def where_made(self) -> Source | None:
        return self.source


class ObservedTrace(Trace):
    """Computes each operation on plain values, and keeps a record of it."""

    label = "audit"

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.steps: list[Step] = []
        self.asked: list[Source | None] = []

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        active = [self.owns(a) for a in args]
        # What the user may write to later on is copied.
        values = [
            a.value if on else np.array(a) if type(a) is np.ndarray else a
            for a, on in zip(args, active, strict=True)
        ]
        source = _source()
        if isinstance(primitive, Structured):
            # What it is made of leaves a record of its own.
            y = tuple([self.plain(v) for v in primitive.impl(*args, **params)])
        else:
            y = primitive.bind(*values, **params)
        self.steps.append(Step(primitive, values, active, params, y, source))
        if primitive.multiple_results:
            return tuple([self.wrap(v, source) for v in y])
        return self.wrap(y, source)

    def custom_call(self, call: Any, args: Sequence[Array]) -> Any:
        args = [current(a) for a in args]
        active = [self.owns(a) for a in args]
        values = [self.plain(a) for a in args]
        outs, treedef = call.run(args)
        plain = tuple([self.plain(y) for y in outs if not is_static_leaf(y)])
        params = {"rules": call}
        self.steps.append(Step(custom_call_p, values, active, params, plain, _source()))
        return outs, treedef

    def plain(self, x: Array) -> Array:
        """The value of a tracer of this trace."""
        x = current(x)
        return x.value if self.owns(x) else x

    def wrap(self, y: Array, source: Source | None = None) -> Array:
        """A tracer of what can have a derivative; the plain value of anything else."""
        if isinstance(y, Tracer) or aval_of(y).dtype.kind not in "fc":
            return y
        return ObservedTracer(self, y, source)


def _source() -> Source | None:
    """The user's line: of the equation, where a program runs."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and is_library_frame(frame):
        if frame.f_code is evaluate.__code__:
            source: Source | None = frame.f_locals["equation"].source
            return source
        frame = frame.f_back
    return user_source()
