"""`audit : (a -> b), a -> Report`: do all transformations treat a function rightly at a point?

The laws are in `laws.py`. Where one is broken, the function is run once more, and the laws are
asked of each operation by itself, with the values that it had (`operations.py`), until those are
found that break them; and of the operations in their rules in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Final

import numpy as np

from .core import tree
from .core.aval import Array
from .core.errors import ConcretizationError
from .core.source import Source, boundary, describe_function
from .core.tracing import Primitive, Tracer
from .core.tree import is_static_leaf
from .laws import laws, second_order
from .operations import record, subject_of, wrong_checks
from .subject import Check, Subject
from .transforms import jvp, make_program, vjp
from .transforms.api import differentiable_leaves, flatten_arguments, flatten_result
from .transforms.control.structured import Structured
from .transforms.observed import ObservedTrace, Step

__all__ = ["Report", "audit"]

_BUDGET: Final = 20.0
"""How many seconds to look for a wrong operation at most."""


# The report.


@dataclass(frozen=True)
class Culprit:
    """An operation that breaks laws by itself.

    `name` is the primitive's, `equation` the operation as a line of a program, `source` the user's
    line; `places` says how many operations like this one break laws; `inside` names the operations
    in its rules that break laws by themselves too.
    """

    name: str
    equation: str
    source: Source | None
    checks: tuple[Check, ...]
    places: int = 1
    inside: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"primitive {self.name!r}: {self.equation}"]
        if self.source is not None:
            lines.append(f"  at {self.source!r}")
        lines += [f"  {c.law}: {_figures(c)}" for c in self.checks]
        if self.places > 1:
            lines.append(f"  (and {self.places - 1} more like it)")
        if self.inside:
            names = ", ".join([repr(v) for v in self.inside])
            lines.append(f"  (its rules use {names}: wrong by itself there, or not smooth)")
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
            return _deepest(found, deadline), []
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
    if any([s.has_arbitrary_phases for s in plain[0]]):
        notes.append(
            "Singular vectors and eigenvectors of complex matrices have arbitrary phases: where "
            "the result depends on them, differences say nothing."
        )
    if asked:
        notes.append("Values were asked for at " + "; ".join(list(asked)[:3]))
    return [], notes


Found = dict[str, tuple[Culprit, Step]]


def _culprits(steps: Sequence[Step], order: int, deadline: float) -> Found:
    """The wrong operations among some by name, in the order in which they ran."""
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
        broken = tuple(wrong_checks(steps[i], order))
        if broken:
            wrong[i] = broken
    found: Found = {}
    for i in sorted(wrong):
        step, name = steps[i], steps[i].name
        if name in found:
            known, at = found[name]
            found[name] = replace(known, places=known.places + 1), at
        else:
            found[name] = Culprit(name, step.text, step.source, wrong[i]), step
    return found


def _deepest(found: Found, deadline: float) -> list[Culprit]:
    """The culprits, without those that are wrong because their rules run another one."""
    kept = []
    for culprit, step in found.values():
        inner = tuple(_in_rules(step, deadline))
        if not any([other in found for other in inner]):
            kept.append(replace(culprit, inside=inner))
    return kept or [culprit for culprit, _ in found.values()]


def _in_rules(step: Step, deadline: float) -> Found:
    """The wrong operations that run in the derivatives of one."""
    subject = subject_of(step, np.random.default_rng(0), False)
    if subject is None or isinstance(step.primitive, Structured):
        return {}
    for trace in list(_records(step.name, subject))[1:3]:
        steps = [s for s in trace.steps if s.primitive is not step.primitive]
        found = _culprits(steps, 1, deadline)
        if found:
            return found
    return {}


def _records(name: str, subject: Subject) -> Iterator[ObservedTrace]:
    """What runs in the function; in its derivatives; and in its program, which may hold others."""
    yield record(name, subject.f, subject.xs)
    ts, cts = subject.direction(), subject.cotangents()
    n = len(subject.xs)
    yield record(
        f"jvp of {name}",
        lambda *a: jvp(subject.smooth, a[:n], a[n:]),
        [*subject.xs, *ts],
    )
    yield record(
        f"vjp of {name}",
        lambda *a: vjp(subject.smooth, *a[:n])[1](list(a[n:])),
        [*subject.xs, *cts],
    )
    try:
        program = make_program(subject.f)(*subject.xs)
    except Exception:
        return
    yield record(name, program, subject.xs)
