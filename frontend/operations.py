"""The laws that operations break by themselves.

`record` runs a function and keeps its operations. An operation is then a function of those of its
operands that depend on the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from .core.aval import Array, aval_of
from .core.tracing import Primitive, newest_trace
from .core.tree import is_static_leaf
from .laws import laws, second_order
from .subject import Check, Subject, first_line, quiet
from .transforms.control.structured import Structured
from .transforms.custom.custom_apply import apply, custom_call_p
from .transforms.observed import ObservedTrace, Step

__all__ = ["record", "subject_of", "wrong_checks"]


_PARTS: Final = frozenset(["spectral_split", "spectral_join"])
"""Parts of the rules of others, which are right for the operands that they get there."""


def record(name: str, f: Callable[..., Any], args: Sequence[Array]) -> ObservedTrace:
    """What runs in `f(*args)`, up to an error, which the laws have told of already."""
    with ObservedTrace(name) as trace, quiet(), suppress(Exception):
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
