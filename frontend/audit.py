"""`audit : (a -> b), a -> Report`: do all transformations treat a function rightly at a point?

The laws are in `laws.py`. Where one is broken, the function is run once more under a trace that
computes every operation on plain values and keeps a record of it. The laws are then asked of each
operation by itself, with the values that it had, until the ones that break them are found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import FrameType
from typing import Any, Final

import numpy as np

from .core import tree
from .core.array_tracer import ArrayTracer
from .core.aval import Array, ShapedArray, aval_of
from .core.errors import ConcretizationError
from .core.ir import Equation, Literal, Var, evaluate
from .core.source import (
    Source,
    boundary,
    describe_function,
    is_library_frame,
    user_source,
)
from .core.storage import current, strides_of
from .core.tracing import Primitive, Trace, Tracer, newest_trace
from .core.tree import is_static_leaf
from .laws import laws, second_order
from .subject import Check, Subject, first_line, quiet
from .transforms import jvp, make_program, vjp
from .transforms.api import differentiable_leaves, flatten_arguments, flatten_result
from .transforms.custom_apply import apply, custom_call_p
from .transforms.structured import Structured

__all__ = ["Report", "audit"]

_BUDGET: Final = 20.0
"""How many seconds to look for a wrong operation at most."""


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


class _AuditTracer(ArrayTracer):
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
        trace: _AuditTrace = self._trace  # type: ignore[assignment]  # its own
        trace.asked.append(user_source())
        return self.value

    def strides_of_value(self) -> tuple[int, ...] | None:
        return strides_of(self.value)

    def where_made(self) -> Source | None:
        return self.source


class _AuditTrace(Trace):
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
        return _AuditTracer(self, y, source)


def _source() -> Source | None:
    """The user's line: of the equation, where a program runs."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and is_library_frame(frame):
        if frame.f_code is evaluate.__code__:
            source: Source | None = frame.f_locals["equation"].source
            return source
        frame = frame.f_back
    return user_source()


def _record(name: str, f: Callable[..., Any], args: Sequence[Array]) -> _AuditTrace:
    """What runs in `f(*args)`, up to an error, which the laws have told of already."""
    with _AuditTrace(name) as trace, quiet(), suppress(Exception):
        f(*[trace.wrap(np.array(x)[()]) for x in args])
    return trace


# Operations by themselves.


def _subject_of(step: Step, rng: np.random.Generator, fast: bool) -> Subject | None:
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


def _wrong_checks(step: Step, order: int) -> Iterator[Check]:
    """The laws that an operation breaks; by the first of its operands for which it does so."""
    rng = np.random.default_rng(0)
    shape = _shape_check(step)
    if not shape:
        yield shape
    ways = [False, True] if not step.params and len(step.values) in (1, 2) else [False]
    for fast in ways:
        if fast and not (step.primitive.elementwise or len(step.values) == 2):
            continue
        whole = _subject_of(step, rng, fast)
        if whole is None:
            return
        wrong = [c for c in laws(whole, isinstance(step.primitive, Structured)) if not c]
        if not wrong and order > 1:
            wrong = [c for c in second_order(whole) if not c]
        wrong = [c for c in wrong if c.law not in ("the value is finite", "the same value again")]
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
        subject = _subject_of(alone, np.random.default_rng(0), fast)
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


# The report.


@dataclass(frozen=True)
class Culprit:
    """An operation that breaks laws by itself.

    `name` is the primitive's, `equation` the operation as a line of a program, `source` the user's
    line; `places` says how many operations like this one break laws.
    """

    name: str
    equation: str
    source: Source | None
    checks: tuple[Check, ...]
    places: int = 1

    def __str__(self) -> str:
        lines = [f"primitive {self.name!r}: {self.equation}"]
        if self.source is not None:
            lines.append(f"  at {self.source!r}")
        lines += [f"  {c.law}: {_figures(c)}" for c in self.checks]
        if self.places > 1:
            lines.append(f"  (and {self.places - 1} more like it)")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """What an audit found: true if no law is broken. Print it for a table.

    `checks` are the laws, each with its outcome; `culprits` the operations that break laws by
    themselves, in the order in which they ran; `notes` what else is to be said.
    """

    function: str
    checks: tuple[Check, ...]
    culprits: tuple[Culprit, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return all(self.checks)

    def __repr__(self) -> str:
        bad = sum([not c for c in self.checks])
        head = f"{bad} of {len(self.checks)} laws broken" if bad else "all laws hold"
        rows = [(c.law, c.outcome, _figures(c)) for c in self.checks]
        widths = [max([len(row[k]) for row in rows]) for k in (0, 1)]
        lines = [f"audit of {self.function}: {head}"]
        for law, outcome, text in rows:
            lines.append(f"  {law:<{widths[0]}}  {outcome:<{widths[1]}}  {text}".rstrip())
        if self.culprits:
            lines.append("wrong by itself:")
        for culprit in self.culprits:
            lines += [f"  {line}" for line in str(culprit).splitlines()]
        return "\n".join([*lines, *self.notes])


def _figures(check: Check) -> str:
    """What a check says in numbers and words."""
    parts = []
    if check.off is not None and check.outcome != "kink":
        parts.append(f"off by {check.off:.1e}")
    if check.bar is not None and check.outcome != "kink":
        parts.append(f"error bar {check.bar:.1e}")
    figures = ", ".join(parts)
    return "; ".join([t for t in (figures, check.detail) if t])


# What users call.


@boundary
def audit(f: Callable[..., Any], *args: Any, order: int = 1) -> Report:
    """Check that all transformations treat a function rightly at a point, and if they do not, find
    the operation whose rule is wrong.

    Checked are: that the value is finite, and the same when it is computed again; `jvp` against
    finite differences with error bars; `vjp` against `jvp` (<ct, J t> = <Jᵀ ct, t>); that both are
    linear; `linearize` against `jvp`; `vmap`, and `vmap` of `jvp`, against a loop; `make_program`,
    of the function and of its `vjp`, against the function. Where the function is not smooth, a
    derivative between those from the two sides is reported as a kink, which is no error.

    If a law is broken, every operation of the function is checked by itself, with the values that
    it has there, and those that break a law are named with the user's line.

    Args:
        f: a function of trees of arrays.
        args: where to check it: moderate numbers, as each law runs `f` a few times. Leaves that are
            not of floats or complex numbers reach `f` as they are.
        order: 2 checks the derivatives of `jvp` and of `vjp` too.

    Returns:
        A `Report`: true if no law is broken. It prints as a table.

    Raises:
        TypeError: if `f` is no function, or no argument has a derivative.
        ValueError: if the order is neither 1 nor 2.

    Example:
        >>> import numpy as np, wengert as wg
        >>> report = wg.audit(lambda x: np.sum(np.sin(x) * x), np.ones(3))
        >>> bool(report)
        True
        >>> print(report)  # doctest: +ELLIPSIS
        audit of <lambda> at ...: all laws hold
        ...
    """
    if not callable(f):
        raise TypeError(f"audit: f must be a function; got {f!r}")
    if order not in (1, 2):
        raise ValueError(f"audit: order must be 1 or 2; got {order!r}")
    owner = getattr(f, "__self__", None)
    name = owner.name if isinstance(owner, Primitive) else describe_function(f)
    operation = f"audit of {name}"
    leaves, treedef = flatten_arguments(operation, args)
    for x in leaves:
        if isinstance(x, Tracer):
            raise ConcretizationError(
                f"{operation}: the arguments must be plain values.",
                got=repr(x),
                fix="call audit outside of transformed functions; it transforms f itself",
            )
    _, active = differentiable_leaves(operation, leaves, treedef)
    places = list(range(len(leaves))) if active is None else active
    if not places:
        raise TypeError(f"{operation}: there are no arguments at which to differentiate")
    paths: list[str] = []

    def flat(*xs: Array) -> list[Array]:
        values = [np.array(x) if type(x) is np.ndarray else x for x in leaves]
        for i, x in zip(places, xs, strict=True):
            values[i] = x
        result = f(*tree.unflatten(treedef, values))
        outs, out_tree = flatten_result(operation, result)
        if not paths:
            names = tree.leaves_with_path(tree.unflatten(out_tree, outs))
            smooth = [p for p, y in names if not is_static_leaf(y)]
            paths.extend([f"result{p}" if p else "" for p in smooth])
        return [y for y in outs if not is_static_leaf(y)]

    rng = np.random.default_rng(0)
    subject = Subject(flat, [np.asarray(leaves[i])[()] for i in places], rng, paths)
    checks = list(laws(subject))
    if order > 1:
        checks += second_order(subject)
    if all(checks):
        return Report(name, tuple(checks))
    culprits, notes = _narrow(name, subject, order, checks)
    return Report(name, tuple(checks), tuple(culprits), tuple(notes))


def _narrow(
    name: str, subject: Subject, order: int, checks: Sequence[Check]
) -> tuple[list[Culprit], list[str]]:
    """The operations that break laws by themselves, and what else may help."""
    deadline = perf_counter() + _BUDGET
    asked: dict[str, None] = {}
    plain: list[list[Step]] = []
    structured: list[Step] = []
    for trace in _records(name, subject):
        asked = asked or dict.fromkeys([repr(s) for s in trace.asked if s is not None])
        plain.append([s for s in trace.steps if not isinstance(s.primitive, Structured)])
        structured += [s for s in trace.steps if isinstance(s.primitive, Structured)]
    # What holds a wrong operation is wrong too, so it comes later; and so does what has a wrong
    # second derivative because of an operation in its first.
    rounds = [(steps, 1) for steps in plain] + [(structured, 1)]
    if order > 1:
        rounds += [(plain[0], 2), (structured, 2)]
    for steps, up_to in rounds:
        found = _culprits(steps, up_to, deadline)
        if found:
            return found, []
    if perf_counter() > deadline:
        return [], ["Not all operations could be checked in time."]
    if any([not c and c.law == "the same value again" for c in checks]):
        return [], [
            "The function returns something else each time: it draws random numbers, or keeps "
            "something from call to call."
        ]
    notes = [
        "Every operation that ran obeys the laws by itself. Look for values that leave the "
        "traced computation (float(x), x.item(), stop_gradient), and for custom rules."
    ]
    if asked:
        notes.append("Values were asked for at " + "; ".join(list(asked)[:3]))
    return [], notes


def _culprits(steps: Sequence[Step], order: int, deadline: float) -> list[Culprit]:
    """The wrong operations among some, in the order in which they ran."""
    seen: set[Any] = set()
    first: list[int] = []
    others: list[int] = []
    for i, step in enumerate(steps):
        (others if step.signature in seen else first).append(i)
        seen.add(step.signature)
    wrong: dict[int, tuple[Check, ...]] = {}
    for i in first + others:
        if perf_counter() > deadline:
            break
        broken = tuple(_wrong_checks(steps[i], order))
        if broken:
            wrong[i] = broken
    found: dict[str, Culprit] = {}
    for i in sorted(wrong):
        step, name = steps[i], steps[i].name
        known = found.get(name)
        found[name] = (
            Culprit(name, step.text, step.source, wrong[i])
            if known is None
            else replace(known, places=known.places + 1)
        )
    return list(found.values())


def _records(name: str, subject: Subject) -> Iterator[_AuditTrace]:
    """What runs in the function; in its derivatives; and in its program, which may hold others."""
    yield _record(name, subject.f, subject.xs)
    ts, cts = subject.direction(), subject.cotangents()
    n = len(subject.xs)
    yield _record(
        f"jvp of {name}",
        lambda *a: jvp(subject.smooth, a[:n], a[n:]),
        [*subject.xs, *ts],
    )
    yield _record(
        f"vjp of {name}",
        lambda *a: vjp(subject.smooth, *a[:n])[1](list(a[n:])),
        [*subject.xs, *cts],
    )
    try:
        program = make_program(subject.f)(*subject.xs)
    except Exception:
        return
    yield _record(name, program, subject.xs)
