"""The dispatch rule: an operation goes to the newest trace among its operands, and to NumPy when
there is none.

`bind : Primitive, *values -> values`. A `Trace` gets its number when it starts, a `Tracer` carries
its trace; there is no current trace, no stack and no context variable, so an exception leaves
nothing to restore and threads do not meet. A newer trace sees an older trace's tracer as a
constant, which is why nested derivatives cannot be confused.

Read next: `rules.py` (how primitives are made) and `array_tracer.py` (the NumPy face of a tracer).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from inspect import cleandoc
from itertools import count
from threading import local
from types import FrameType
from typing import Any, ClassVar, Final, NoReturn, Self, TypeAlias

from .aval import Array, ShapedArray
from .errors import (
    ConcretizationError,
    EscapedTracerError,
    MissingRuleError,
    RuleDefinitionError,
)
from .source import Source, is_library_frame

__all__ = ["RUNNING", "WRITTEN", "Primitive", "Trace", "Tracer", "bind", "handed_over"]

Rule = Callable[..., Any]
Slope: TypeAlias = Any
"""A function of the result and the operands, or 1.0, or -1.0, or None for no derivative."""
_numbers = count(1)

WRITTEN: Final = 1 << 62
"""The number of the traces of arrays that were written to (`storage.py`): they are newer than all
others, so that every operation asks them first.
"""

FIRST: Final = WRITTEN - 1
"""The number of traces that hand their operations over before any newer trace sees them."""

_NO_PARAMS: dict[str, Any] = {}


class _Running(local):
    """The traces of this thread whose function has not returned, oldest first.

    Nothing is dispatched by it. It tells in which form new arrays are made (`arrays.py`), whether
    loops are written down or run, what a name of an axis stands for, and which traces give their
    work to the trace of a branch (`handed_over`).
    """

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    @property
    def symbolic(self) -> bool:
        """True while a program is being traced."""
        return any([t.symbolic for t in self.traces])

    @property
    def batches(self) -> bool:
        """True while numbers may be views of memory."""
        return any([t.batches for t in self.traces])


RUNNING: Final = _Running()


LinearArgs: TypeAlias = Any
"""A container of operand numbers, or a function that makes one of the params."""


class Primitive:
    """An operation that traces know by name, with everything they need to know about it.

    The rules, and what each must do (`args` are the operands, `params` the keyword parameters):

    - `impl(*args, **params)` computes the value with NumPy.
    - `shape(*avals, **params)` gives the aval of the result (a tuple of them with
      `multiple_results`).
    - `jvps[i](x_dot, y, *args, **params)` is the derivative by operand i, linear in the tangent
      `x_dot`; `y` is the result. None in the place of operand i: no derivative exists there, or it
      is zero.
    - `slopes[i](y, *args)` is the partial derivative of an elementwise operation, whose jvp is
      `x_dot * slope`; it may also be the number 1.0 or -1.0.
    - `transposes[i](ct, *args, **params)` is the transpose of a map that is linear in operand i;
      that operand is known by its `.shape` and `.dtype` only. See `Together` for many operands.
    - `batch(size, batched, *args, **params)` computes the result for operands of which those with
      `batched[i]` have a leading batch axis of that size; the result has one too.
    - `accumulate(acc, ct, *args, **params)` is the transpose by operand 0 of an indexing operation,
      which adds into the buffer `acc`.
    - `put_back(x, y, *args, **params)`, for operations whose result is a view of operand 0, gives
      `x` with the view's elements replaced by `y`.
    - `jvp(primals, tangents, **params)`, in the place of `jvps`, computes the result and its
      tangent together, for all operands at once: a pair. A tangent is None where it is zero.
    - `linearize(primals, tangents, **params)` is the same for a linear program that is being
      recorded: it computes the result, and applies only linear operations to the tangents. When
      left out, `jvp` is used.

    `linear` is "jointly" (linear in the operands in `linear_args`, taken together), "separately"
    (multilinear: in each of them while the others are fixed) or None.
    """

    __slots__ = (
        "_hash",
        "accumulate",
        "batch",
        "elementwise",
        "impl",
        "jvp",
        "jvps",
        "linear",
        "linear_args",
        "linearize",
        "module",
        "multiple_results",
        "name",
        "put_back",
        "shape",
        "slope0",
        "slope1",
        "slopes",
        "transposes",
    )
    registry: ClassVar[dict[str, Primitive]] = {}

    def __init__(
        self,
        name: str,
        impl: Rule,
        *,
        shape: Rule | None = None,
        jvps: Sequence[Rule | None] | Every | None = None,
        slopes: Sequence[Slope] = (),
        transposes: Sequence[Rule | None] | Every | Together | None = None,
        batch: Rule | None = None,
        accumulate: Rule | None = None,
        put_back: Rule | None = None,
        jvp: Rule | None = None,
        linearize: Rule | None = None,
        linear: str | None = None,
        linear_args: LinearArgs = (),
        elementwise: bool = False,
        multiple_results: bool = False,
    ) -> None:
        module: str = _defining_module()
        known = Primitive.registry.get(name)
        # At a prompt or in a notebook, running a definition again means to change it.
        again = hasattr(sys, "ps1") and module == "__main__"
        if known is not None and not (again and known.module == module):
            raise RuleDefinitionError(
                f"primitive {name!r} is defined already.",
                got=f"a definition in {module}, and one in {known.module}",
                fix="choose another name, or change the first definition; to replace it, remove it "
                f"first:\nwg.core.Primitive.registry.pop({name!r})",
            )
        self.name = name
        self.impl = impl
        self.shape = shape
        self.jvps = jvps
        self.slopes = tuple(slopes)
        self.slope0: Slope = slopes[0] if slopes else None
        self.slope1: Slope = slopes[1] if len(slopes) > 1 else None
        self.transposes = transposes
        self.batch = batch
        self.accumulate = accumulate
        self.put_back = put_back
        self.jvp = jvp
        self.linearize = linearize
        self.linear = linear
        self.linear_args = linear_args
        self.elementwise = elementwise
        self.multiple_results = multiple_results
        self._hash = hash(("Primitive", name))
        self.module: str = module
        Primitive.registry[name] = self

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (_primitive_named, (self.name, self.module))

    def bind(self, *args: Array, **params: Any) -> Array:
        """Apply the primitive: the newest trace among the operands decides how."""
        trace = newest_trace(args)
        if trace is None:
            return self.impl(*args, **params)
        return trace.process(self, args, params)

    def linear_in(self, params: Mapping[str, Any]) -> Container[int]:
        """The operands that the operation is linear in; some primitives' params decide."""
        found: Container[int] = (
            self.linear_args(params) if callable(self.linear_args) else self.linear_args
        )
        return found

    def missing(
        self, kind: str, trace: str, operand: int | None = None, needed: str | None = None
    ) -> NoReturn:
        """Raise the error that says which rule is missing and what it would have to look like.

        `kind` is one of the rules above, or of a transformation that has its own table of rules:
        then `needed` says what they have to do.
        """
        rules = cleandoc(self.__doc__ or "").partition("\n\n`linear`")[0].split("\n- ")
        contract = next((item for item in rules if item.startswith(f"`{kind}")), None)
        where = "" if operand is None else f" for operand {operand}"
        place = f"the definition of {self.name!r}"
        if contract is None:
            place = f"the transformation's table of rules, for {self.name!r}"
        raise MissingRuleError(
            f"{trace}: primitive {self.name!r} has no {kind} rule{where}.",
            needed=needed if contract is None else " ".join(contract.split()),
            fix=f"give the rule in {place}, or write the function with other operations",
            source=_line_outside_of_traces(),
        )


def _primitive_named(name: str, module: str) -> Primitive:
    if name not in Primitive.registry:  # of a module that is imported on use, as those for SciPy
        import_module(module)
    return Primitive.registry[name]


def _line_outside_of_traces() -> Source | None:
    """The user's line, where a trace may be the user's own too."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if not is_library_frame(frame) and not isinstance(frame.f_locals.get("self"), Trace):
            return Source(frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return None


def _defining_module() -> str:
    """The module whose code defines a primitive now, by whatever maker."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return "__main__" if frame is None else str(frame.f_globals["__name__"])


class Every:
    """A sequence whose every item is made by one function of the index.

    The rules of primitives with any number of operands.
    """

    __slots__ = ("item",)

    def __init__(self, item: Callable[[int], Any]) -> None:
        self.item = item

    def __getitem__(self, i: int) -> Any:
        return self.item(i)

    def __contains__(self, i: object) -> bool:
        return True


class Together:
    """One rule that transposes all operands of a primitive at once, so that n of them cost O(n).

    `rule(ct, wanted, *args, **params)` returns a sequence with a cotangent for each operand k with
    `wanted[k]`; the other items do not matter. The cotangents of results that nothing used are
    zeros; None with `unused_as_none`.
    """

    __slots__ = ("rule", "unused_as_none")

    def __init__(self, rule: Rule, *, unused_as_none: bool = False) -> None:
        self.rule = rule
        self.unused_as_none = unused_as_none

    def __getitem__(self, i: int) -> Any:
        raise TypeError("the operands of this primitive are transposed together")


class Tracer:
    """A value that a trace watches. `wengert.Tracer`: use it with isinstance to recognise traced
    values.
    """

    __slots__ = ("__weakref__", "_base", "_trace", "_views")
    _trace: Trace
    _base: Any
    _views: list[Any]
    primal: Any = None
    """The value, for tracers that carry one."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    @property
    def aval(self) -> ShapedArray:
        """The shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} must say its aval")

    def concrete(self) -> Array:
        """The plain value behind the tracer; a ConcretizationError where none exists."""
        raise ConcretizationError(f"a value of {self._trace!r} stands for more than one value.")

    def decided(self, how: str = "value") -> Array:
        """`concrete`, where the course of the function depends on it: the trace may go on with a
        part of what the tracer stands for (`vmap` with control_flow="split").

        `how` is "truth", "int" (truncated, as `int()` does), or "value".
        """
        x = self.primal
        if x is None:
            return self.concrete()
        return x.decided(how) if isinstance(x, Tracer) else x

    def agreed(self) -> Array:
        """`concrete`; also where all that the tracer stands for has the same value."""
        x = self.primal
        if x is None:
            return self.concrete()
        return x.agreed() if isinstance(x, Tracer) else x

    @property
    def decides(self) -> bool:
        """True if `decided` is worth asking, for a tracer that has no concrete value."""
        x = self.primal
        return isinstance(x, Tracer) and x.decides

    def remedy(self) -> str:
        """What else can be done where a decision has no value: the first lines of a `fix`."""
        x = self.primal
        return x.remedy() if isinstance(x, Tracer) else ""

    def where_made(self) -> Source | None:
        """The user's line that made the value, where it is known."""
        return None

    def strides_of_value(self) -> tuple[int, ...] | None:
        """NumPy's strides of the value, where there is one in memory."""
        return None

    def is_alike(self, other: Array) -> bool:
        """True if it is certain that another value is the same as this."""
        return other is self

    def move(self, trace: Trace) -> None:
        """Let another trace answer for this value from now on, because it is being written to."""
        self._trace = trace


class Trace:
    """One run of one transformation: it numbers itself when it starts, and says what each operation
    means.

    `process1` and `process2` are the hot path: operations with one or two operands and no
    parameters. A subclass has to define `process`, and its tracers, which are `ArrayTracer`s; see
    docs/extending.md. A trace is ended by `close`, or by leaving a `with` block.
    """

    label: ClassVar[str] = "trace"
    symbolic: ClassVar[bool] = False
    """True for traces that write operations down instead of computing."""
    batches: ClassVar[bool] = False
    """True for traces whose numbers are arrays, which may be views."""

    def __init__(self, function: str) -> None:
        self.number = next(_numbers)
        self.function = function
        RUNNING.traces.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def owns(self, x: Any) -> bool:
        """True for a tracer of this trace; anything else is a constant to it."""
        return isinstance(x, Tracer) and x._trace is self

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        """Apply `primitive` to operands of which at least one is a tracer of this trace, and none
        of a newer one.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it processes a primitive")

    def process1(self, primitive: Primitive, x: Array) -> Array:
        """`process` for one operand and no parameters."""
        return self.process(primitive, (x,), _NO_PARAMS)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        """`process` for two operands and no parameters."""
        return self.process(primitive, (x, y), _NO_PARAMS)

    def custom_call(self, call: Any, args: Sequence[Array]) -> Any:
        """Call a function that has rules of its own, on flat operands: `call.run(args)`.

        Traces that have no use for its rules see its operations one by one.
        """
        return call.run(args)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        """`x` with `v` at an index; `exclusive` allows to change the memory of `x`."""
        return self.process(Primitive.registry["setitem"], (x, v, *arrays), {"index": index})

    def close(self) -> None:
        """End the trace: its function has returned. Any later use of its tracers raises
        EscapedTracerError.

        The class is exchanged instead of setting a flag, so that no operation has to look at one.
        """
        running = RUNNING.traces
        if running and running[-1] is self:
            running.pop()
        elif self in running:
            running.remove(self)
        self.ended_label = self.label
        self.__dict__.pop("label", None)
        self.__class__ = ClosedTrace

    def __repr__(self) -> str:
        return f"{self.label} of {self.function}"


class ClosedTrace(Trace):
    """A trace whose function has returned."""

    label = "ended trace"
    ended_label: str

    def close(self) -> None:
        """Nothing more: it has ended already."""

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> NoReturn:
        tracer = next(a for a in args if isinstance(a, Tracer) and a._trace is self)
        self.refuse(tracer, f"{primitive.name!r} was applied to")

    def refuse(self, tracer: Tracer, what: str) -> NoReturn:
        """Raise the error for using `tracer`."""
        made = tracer.where_made()
        raise EscapedTracerError(
            f"{what} a value that escaped from {self.ended_label} of {self.function}, which has "
            "returned.",
            got=f"a tracer of {tracer.aval!r}" + ("" if made is None else f", made at {made!r}"),
            needed="values that the function returned",
            fix="return the value from the function (has_aux=True for extra results) instead of "
            "keeping it in a list,"
            " an attribute or a global variable",
        )


class _HandedOver(Trace):
    """A trace whose operations another trace writes down, for the time being."""

    successor: Trace

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        return self.successor.process(primitive, args, params)

    def process1(self, primitive: Primitive, x: Array) -> Array:
        return self.successor.process1(primitive, x)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        return self.successor.process2(primitive, x, y)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        return self.successor.write(x, v, arrays, index, exclusive)


@contextmanager
def handed_over(to: Trace, traces: Sequence[Trace] | None = None) -> Iterator[None]:
    """While it lasts, `to` gets the operations on tracers of all older traces of this thread; or of
    other `traces`, then before any newer trace does.

    A branch may never run, so nothing in it may be computed outside of its program, also where it
    works on values that it closes over. The class of the traces is exchanged, as in `close`.
    """
    older = [t for t in RUNNING.traces if t is not to] if traces is None else traces
    before = [(t, t.__class__, t.__dict__.get("successor"), t.number) for t in older]
    for t in older:
        t.__dict__["successor"] = to
        t.__class__ = _HandedOver
        if traces is not None:
            t.number = FIRST
    try:
        yield
    finally:
        for t, kind, successor, number in before:
            t.__class__ = kind
            t.__dict__["successor"] = successor
            t.number = number


def newest_trace(args: Sequence[Array]) -> Trace | None:
    """The trace with the highest number among the tracers in `args`."""
    trace: Trace | None = None
    for a in args:
        if isinstance(a, Tracer):
            t = a._trace
            if trace is None or t.number > trace.number:
                trace = t
    return trace


def bind(primitive: Primitive, *args: Array, **params: Any) -> Array:
    """Apply a primitive: `primitive.bind(*args, **params)`.

    Args:
        primitive: what to apply.
        args: arrays, numbers or tracers.
        params: static parameters.

    Returns:
        The primitive's result; a tracer if an operand is one.

    Example:
        >>> import wengert as wg
        >>> wg.core.bind(wg.core.Primitive.registry["sin"], 0.0)
        np.float64(0.0)
    """
    return primitive.bind(*args, **params)
