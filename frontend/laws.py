"""The laws that derivatives, batches and programs of a function obey, each checked at one point.

`audit` asks them of a whole function, and where one is broken, of every operation that ran in it.
The first of them is in `difference_law.py`; `subject.py` says how results are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from .core.aval import Array, ShapedArray, aval_of
from .core.check import check_program
from .difference_law import against_differences
from .subject import OK, SKIPPED, WRONG, Check, Subject, compare, first_line, guarded, number, place
from .test_util import real_dot
from .transforms import jvp, linearize, make_program, vjp, vmap

__all__ = ["laws", "second_order"]

_BATCH: Final = 3


# The laws.


def laws(subject: Subject, programs: bool = True) -> Iterator[Check]:
    """All laws of first order, one by one. Without `programs` none is traced to a program."""
    value = guarded("the value is finite", lambda: _finite(subject))
    yield value
    yield guarded("the same value again", lambda: _same_again(subject))
    if subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
        yield from derivative_laws(subject, "")
        yield guarded("jvp is linear", lambda: _jvp_is_linear(subject))
        yield guarded("vjp is linear", lambda: _vjp_is_linear(subject))
        yield guarded("linearize is jvp", lambda: _linearize_is_jvp(subject))
    yield guarded("vmap is a loop", lambda: _vmap_is_loop(subject, subject.f, "vmap is a loop"))
    if subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
        law = "vmap of jvp is a loop"
        yield guarded(law, lambda: _vmap_of_jvp(subject, law))
    if programs:
        program = guarded("the program is the function", lambda: _program(subject))
        yield program
        if program.outcome == SKIPPED:
            yield Check("the program of vjp is vjp", SKIPPED, program.detail)
        elif subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
            yield guarded("the program of vjp is vjp", lambda: _program_of_vjp(subject))


def derivative_laws(subject: Subject, prefix: str) -> Iterator[Check]:
    """jvp against differences, and vjp against jvp."""
    law = f"{prefix}jvp is the limit of differences"
    yield guarded(law, lambda: against_differences(subject, law), ())
    dot = f"{prefix}vjp is the transpose of jvp"
    yield guarded(dot, lambda: _transpose(subject, dot), ())


def second_order(subject: Subject) -> Iterator[Check]:
    """The laws of the derivatives, as functions."""
    ts, cts = subject.direction(), subject.cotangents()
    forward = lambda *xs: jvp(subject.smooth, xs, ts)[1]
    reverse = lambda *xs: list(vjp(subject.smooth, *xs)[1](cts))
    for f, name in ((forward, "jvp"), (reverse, "vjp")):
        try:
            g = Subject(f, subject.xs, subject.rng)
        except Exception as error:
            yield Check(f"of {name}: it can be computed", WRONG, first_line(error))
            continue
        yield from derivative_laws(g, f"of {name}: ")


def _finite(subject: Subject) -> Check:
    for k, y in enumerate(subject.value):
        bad = ~np.isfinite(y)
        if np.any(bad):
            at = np.unravel_index(np.argmax(bad), np.shape(y))
            text = f"found {number(np.asarray(y)[at])}{place(subject.paths, k, at)}"
            return Check("the value is finite", WRONG, text)
    return Check("the value is finite", OK)


def _same_again(subject: Subject) -> Check:
    law = "the same value again"
    again = subject.f(*subject.xs)
    if len(again) != len(subject.value):
        return Check(law, WRONG, "the function returned another number of results")
    return compare(subject, law, again, subject.value)


def _transpose(subject: Subject, law: str) -> Check:
    ts, cts = subject.direction(), subject.cotangents()
    t_out = jvp(subject.smooth, subject.xs, ts)[1]
    pulled = vjp(subject.smooth, *subject.xs)[1](cts)
    for i, (x, p) in enumerate(zip(subject.xs, pulled, strict=True)):
        a, b = aval_of(p), aval_of(x)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return Check(law, WRONG, f"the cotangent of argument {i} is {a!r}, due is {b!r}")
    left, right = float(real_dot(cts, t_out)), float(real_dot(pulled, ts))
    size = _size_of_dot(cts, t_out) + _size_of_dot(pulled, ts)
    off = abs(left - right)
    if not all([np.all(np.isfinite(v)) for v in (*t_out, *pulled)]):
        return Check(law, SKIPPED, "the derivative is not finite here")
    wrong = not off <= subject.tolerance * size / 2
    text = f"<ct, J t> = {left:.9g}, but <Jᵀ ct, t> = {right:.9g}" if wrong else ""
    return Check(law, WRONG if wrong else OK, text, off)


def _size_of_dot(a: Sequence[Array], b: Sequence[Array]) -> float:
    return float(sum([np.sum(np.abs(x) * np.abs(y)) for x, y in zip(a, b, strict=True)]))


def _mixed(a: float, x: Array, b: float, y: Array) -> Array:
    kind = aval_of(x).dtype.type
    return (kind(a) * x + kind(b) * y)[()]


def _jvp_is_linear(subject: Subject) -> Check:
    law = "jvp is linear"
    push = lambda ts: jvp(subject.smooth, subject.xs, ts)[1]
    return _linear(subject, law, push, subject.direction(), subject.direction())


def _vjp_is_linear(subject: Subject) -> Check:
    law = "vjp is linear"
    pull = vjp(subject.smooth, *subject.xs)[1]
    return _linear(subject, law, pull, subject.cotangents(), subject.cotangents())


def _linear(
    subject: Subject, law: str, f: Callable[[Any], Any], xs: list[Array], ys: list[Array]
) -> Check:
    both = f([_mixed(1.5, x, -0.75, y) for x, y in zip(xs, ys, strict=True)])
    parts = zip(f(xs), f(ys), strict=True)
    due, sizes = [], []
    for x, y in parts:
        due.append(_mixed(1.5, x, -0.75, y))
        sizes.append(np.asarray(np.abs(x) + np.abs(y)))
    return compare(subject, law, list(both), due, sizes=sizes, named=law.startswith("jvp"))


def _linearize_is_jvp(subject: Subject) -> Check:
    law = "linearize is jvp"
    ts = subject.direction()
    y, y_dot = jvp(subject.smooth, subject.xs, ts)
    z, f_lin = linearize(subject.smooth, *subject.xs)
    value = compare(subject, law, z, y)
    return compare(subject, law, f_lin(*ts), y_dot) if value else value


def _members(rng: np.random.Generator, points: Sequence[Array]) -> list[list[Array]]:
    """Points near by: a batch of different members."""
    found = [list(points)]
    for _ in range(_BATCH - 1):
        near = [
            np.asarray(x * (1 + 1e-3 * rng.uniform(-1, 1, np.shape(x))), aval_of(x).dtype)
            for x in points
        ]
        found.append([x[()] for x in near])
    return found


def _vmap_is_loop(subject: Subject, f: Callable[..., list[Array]], law: str) -> Check:
    members = _members(subject.rng, subject.xs)
    n = len(subject.xs)
    choices: list[list[int | None]] = [
        [0] * n,
        *([0 if i == k else None for i in range(n)] for k in range(n) if n > 1),
    ]
    check = Check(law, OK)
    for axes in choices if n else []:
        check = _batched(subject, f, law, members, axes)
        if check.outcome != OK:
            return check
    return check


def _batched(
    subject: Subject,
    f: Callable[..., list[Array]],
    law: str,
    members: Sequence[Sequence[Array]],
    axes: Sequence[Any],
) -> Check:
    def lane(m: Sequence[Array]) -> list[Array]:
        chosen = [x if axis == 0 else y for x, y, axis in zip(m, members[0], axes, strict=True)]
        return [np.array(x)[()] for x in chosen]

    try:
        want = [f(*lane(m)) for m in members]
    except Exception:  # some functions fail beside the point: a batch of equal members, then
        members = [members[0]] * _BATCH
        want = [f(*lane(m)) for m in members]
    if any([[np.shape(y) for y in ys] != [np.shape(y) for y in want[0]] for ys in want]):
        return Check(law, SKIPPED, "the shapes of the results depend on the values")
    args = [
        np.stack(xs) if axis == 0 else xs[0]
        for xs, axis in zip(zip(*members, strict=True), axes, strict=True)
    ]
    got = vmap(f, in_axes=tuple(axes))(*args)
    return compare(subject, law, got, [np.stack(ys) for ys in zip(*want, strict=True)])


def _vmap_of_jvp(subject: Subject, law: str) -> Check:
    n = len(subject.xs)

    def forward(*args: Array) -> Any:
        return jvp(subject.smooth, args[:n], args[n:])[1]

    members = _members(subject.rng, [*subject.xs, *subject.direction()])
    return _batched(subject, forward, law, members, [0] * (2 * n))


def _program(subject: Subject) -> Check:
    law = "the program is the function"
    program = make_program(subject.f)(*subject.xs)
    check_program(program)
    due = subject.value
    types = compare(
        subject, law, [_like(v) for v in program.out_avals], [_like(aval_of(y)) for y in due]
    )
    return types if types.outcome != OK else compare(subject, law, program(*subject.xs), due)


def _like(aval: ShapedArray) -> Array:
    """An array of the type without memory, to compare types."""
    return np.broadcast_to(np.zeros((), aval.dtype), aval.shape)


def _program_of_vjp(subject: Subject) -> Check:
    law = "the program of vjp is vjp"
    n = len(subject.xs)

    def pulled(*args: Array) -> list[Array]:
        return list(vjp(subject.smooth, *args[:n])[1](list(args[n:])))

    args = [*subject.xs, *subject.cotangents()]
    program = make_program(pulled)(*args)
    return compare(subject, law, program(*args), pulled(*args), named=False)
