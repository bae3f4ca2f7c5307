"""What ran in a function, operation by operation; and the laws that each of them breaks by itself.

`record` runs a function under a trace that computes every operation on plain values and keeps them.
An operation is then a function of those of its operands that depend on the arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import numpy as np

from .core.array_tracer import ArrayTracer
from .core.aval import Array, ShapedArray, aval_of
from .core.ir import Equation, Literal, Var, evaluate
from .core.source import Source, is_library_frame, user_source
from .core.storage import current, strides_of
from .core.tracing import Primitive, Trace, Tracer, newest_trace
from .core.tree import is_static_leaf
from .laws import laws, second_order
from .subject import Check, Subject, first_line, quiet
from .transforms.control.structured import Structured
from .transforms.custom.custom_apply import apply, custom_call_p

__all__ = ["AuditTrace", "Step", "record", "subject_of", "wrong_checks"]


_ARBITRARY: Final = frozenset(["svd", "eigh", "scipy_eigh", "general_eigh"])
"""Primitives whose complex results have arbitrary phases, which differences see and rules do not.
"""
_PARTS: Final = frozenset(["spectral_split", "spectral_join"])
"""Parts of the rules of others, which are right for the operands that they get there."""


# The record of what ran.


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


class AuditTracer(ArrayTracer):
    """A value under audit."""

    __slots__ = ("source", "value")

    def __init__(self, trace: Trace, value: Array, source: Source | None = None) -> None:
        super().__init__(trace)
        self.value = value
        self.source = source

    @property
    def aval(self) -> ShapedArray:
        return aval_of(self.value)

    def concrete(self) -> Array:
        trace: AuditTrace = self._trace  # type: ignore[assignment]  # its own
        trace.asked.append(user_source())
        return self.value

    def strides_of_value(self) -> tuple[int, ...] | None:
        return strides_of(self.value)

    def where_made(self) -> Source | None:
        return self.source


class AuditTrace(Trace):
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
        return AuditTracer(self, y, source)


def _source() -> Source | None:
    """The user's line: of the equation, where a program runs."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and is_library_frame(frame):
        if frame.f_code is evaluate.__code__:
            source: Source | None = frame.f_locals["equation"].source
            return source
        frame = frame.f_back
    return user_source()


def record(name: str, f: Callable[..., Any], args: Sequence[Array]) -> AuditTrace:
    """What runs in `f(*args)`, up to an error, which the laws have told of already."""
    with AuditTrace(name) as trace, quiet(), suppress(Exception):
        f(*[trace.wrap(np.array(x)[()]) for x in args])
    return trace


# Operations by themselves.


def subject_of(step: Step, rng: np.random.Generator, fast: bool) -> Subject | None:
    """An operation as a function of the operands that depend on the arguments."""
    moving = [
        i
        for i, (v, on) in enumerate(zip(step.values, step.active, strict=True))
        if on and aval_of(v).dtype.kind in "fc"
    ]
    if not moving:
        return None
    primitive = step.primitive

    def f(*xs: Array) -> list[Array]:
        values = list(step.values)
        for i, x in zip(moving, xs, strict=True):
            values[i] = x
        y = _apply(primitive, values, step.params, fast)
        return [v for v in y if not is_static_leaf(v)] if primitive.multiple_results else [y]

    return Subject(f, [np.asarray(step.values[i])[()] for i in moving], rng)


def _apply(
    primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any], fast: bool
) -> Array:
    """An operation in the way that operators take it, or in that for any number of operands."""
    trace = newest_trace(args)
    if primitive is custom_call_p:
        return apply(params["rules"], args)[0]
    if not fast or trace is None:
        return primitive.bind(*args, **params)
    return trace.process1(primitive, *args) if len(args) == 1 else trace.process2(primitive, *args)


def wrong_checks(step: Step, order: int) -> Iterator[Check]:
    """The laws that an operation breaks; by the first of its operands for which it does so."""
    if step.primitive.name in _PARTS:
        return
    rng = np.random.default_rng(0)
    shape = _shape_check(step)
    if not shape:
        yield shape
    ways = [False, True] if not step.params and len(step.values) in (1, 2) else [False]
    for fast in ways:
        if fast and not (step.primitive.elementwise or len(step.values) == 2):
            continue
        whole = subject_of(step, rng, fast)
        if whole is None:
            return
        wrong = [c for c in laws(whole, isinstance(step.primitive, Structured)) if not c]
        if not wrong and order > 1:
            wrong = [c for c in second_order(whole) if not c]
        wrong = [c for c in wrong if c.law not in ("the value is finite", "the same value again")]
        if step.has_arbitrary_phases:
            wrong = [c for c in wrong if not c.law.endswith("jvp is the limit of differences")]
        if wrong:
            yield from [_of_operand(step, c, fast) for c in wrong]
            return


def _of_operand(step: Step, check: Check, fast: bool) -> Check:
    """The same check with the number of the operand, where one alone breaks the law."""
    active = [i for i, on in enumerate(step.active) if on]
    numbers = []
    for i in active if len(active) > 1 else []:
        only = [k == i for k in range(len(step.active))]
        alone = Step(step.primitive, step.values, only, step.params, step.result, step.source)
        subject = subject_of(alone, np.random.default_rng(0), fast)
        if subject is not None:
            found = [*laws(subject, False)]
            if "of " in check.law[:3]:
                found += second_order(subject)
            if any([c.law == check.law and not c for c in found]):
                numbers.append(i)
    if len(active) == 1:
        numbers = active
    where = f"operand {', '.join(map(str, numbers))}: " if numbers else ""
    return Check(check.law, check.outcome, where + check.detail, check.off, check.bar)


def _shape_check(step: Step) -> Check:
    """The type that the shape rule promises, beside that of the value."""
    law = "the shape rule"
    primitive = step.primitive
    if primitive.shape is None or primitive is custom_call_p:
        return Check(law, "ok")
    try:
        due = primitive.shape(*[aval_of(v) for v in step.values], **step.params)
    except Exception as error:
        return Check(law, "WRONG", first_line(error))
    results = step.result if primitive.multiple_results else (step.result,)
    for a, y in zip(due if primitive.multiple_results else (due,), results, strict=True):
        b = aval_of(y)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return Check(law, "WRONG", f"it says {a!r}, the result is {b!r}")
    return Check(law, "ok")
