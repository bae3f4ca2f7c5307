"""The laws that derivatives, batches and programs of a function obey, each checked at one point.

`audit` asks them of a whole function, and where one is broken, of every operation that ran in it.
A check says what came out, what was due, and how far they are apart beside the error bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import numpy as np

from .core.aval import Array, ShapedArray, aval_of
from .core.check import check_program
from .core.differences import REACH, Estimate, Line, richardson, scale_of
from .core.errors import (
    ArrayConversionError,
    ConcretizationError,
    InPlaceWriteError,
    UnsupportedError,
    WengertError,
)
from .test_util import random_direction, real_dot
from .transforms import jvp, linearize, make_program, vjp, vmap

__all__ = ["Check", "Subject", "first_line", "laws", "second_order"]

OK: Final = "ok"
WRONG: Final = "WRONG"
KINK: Final = "kink"
SKIPPED: Final = "not checked"

_BARS: Final = 20
"""How many error bars apart a derivative and its differences may be."""
_BATCH: Final = 3
_BEYOND: Final = (
    ConcretizationError, UnsupportedError, ArrayConversionError, InPlaceWriteError
)  # fmt: skip
"""Errors that say that a function cannot be traced, or batched, at all."""


@dataclass(frozen=True)
class Check:
    """One law, and whether it holds.

    `outcome` is "ok", "WRONG", "kink" (the function is not smooth at this point, and the derivative
    lies between those from the two sides) or "not checked"; `detail` says why. `off` is the
    largest deviation and `bar` its error bar, where there are such.
    """

    law: str
    outcome: str
    detail: str = ""
    off: float | None = None
    bar: float | None = None

    def __bool__(self) -> bool:
        return self.outcome != WRONG


@dataclass
class Subject:
    """A function of float arrays that returns a list of arrays: a whole one, or one operation.

    `value` is what it returns there; `paths` name the results.
    """

    f: Callable[..., list[Array]]
    point: list[Array]
    rng: np.random.Generator
    paths: Sequence[str] = ()
    value: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        with quiet():
            self.value = self.f(*self.xs)

    @property
    def xs(self) -> list[Array]:
        """The arguments; copies, for the function may write to them."""
        return [np.array(x)[()] for x in self.point]

    def smooth(self, *xs: Array) -> list[Array]:
        """The results that have a derivative."""
        return [y for y in self.f(*xs) if aval_of(y).dtype.kind in "fc"]

    @property
    def tolerance(self) -> float:
        """Relative, for what should be equal up to rounding."""
        kinds = [aval_of(v).dtype for v in (*self.xs, *self.value)]
        eps = max([float(np.finfo(k).eps) for k in kinds if k.kind in "fc"], default=2.0**-52)
        return float(10 * np.sqrt(eps))

    def direction(self) -> list[Array]:
        """Random tangents, each element as large as what it moves."""
        return [
            np.asarray(random_direction(self.rng, x) * scale_of(x), aval_of(x).dtype)[()]
            for x in self.xs
        ]

    def cotangents(self) -> list[Array]:
        """Random cotangents of the smooth results."""
        return [random_direction(self.rng, y) for y in self.value if aval_of(y).dtype.kind in "fc"]


# Comparing.


def _compare(
    subject: Subject,
    law: str,
    found: Sequence[Array],
    due: Sequence[Array],
    bars: Sequence[Array] | None = None,
    sizes: Sequence[Array] | None = None,
    named: bool = True,
) -> Check:
    """Whether two lists of results agree; types first.

    `bars` are those of differences; `sizes` say how large the terms are that make up `due`;
    `named`: these are the results that the subject has names for.
    """
    worst, worst_ratio = Check(law, OK), -1.0
    # What cancels leaves rounding errors of what it was made of.
    whole = [np.abs(v[np.isfinite(v)]) for v in map(np.asarray, (*due, *subject.value))]
    floor = subject.tolerance**2 * max([float(np.max(v, initial=0)) for v in whole], default=0)
    paths = subject.paths if named else ()
    for k, (x, y) in enumerate(zip(found, due, strict=True)):
        a, b = aval_of(x), aval_of(y)
        # The types of differences are those of double precision, and integers have any width.
        exact = bars is None and a.dtype.kind in "fc"
        if a.shape != b.shape or (a.dtype != b.dtype if exact else a.dtype.kind != b.dtype.kind):
            if a.shape == b.shape and {a.dtype.kind, b.dtype.kind} == set("fc"):
                return Check(law, SKIPPED, "whether results are complex depends on the values")
            return Check(law, WRONG, f"the type{_place(paths, k)} is {a!r}, due is {b!r}")
        x, y = np.asarray(x), np.asarray(y)
        if not x.size:
            continue
        with np.errstate(all="ignore"):
            off = np.abs(x - y) if x.dtype.kind in "fc" else (x != y).astype(float)
            same = (x == y) | (np.isnan(x) & np.isnan(y))
            if sizes is not None:  # nothing is linear that is not finite
                same |= ~np.isfinite(y) | ~np.isfinite(x)
        off = np.where(same, 0, np.nan_to_num(off, nan=np.inf))
        size = np.abs(y[np.isfinite(y)]) if sizes is None else sizes[k][np.isfinite(sizes[k])]
        bar = np.zeros(x.shape) if bars is None else np.asarray(bars[k])
        limit = _BARS * bar + subject.tolerance * np.max(size, initial=0) + floor
        with np.errstate(all="ignore"):
            ratio = np.where(off == 0, 0, off / limit)
        at = np.unravel_index(np.argmax(np.nan_to_num(ratio, nan=np.inf)), ratio.shape)
        if ratio[at] > worst_ratio:
            worst_ratio = float(ratio[at])
            wrong = not worst_ratio <= 1
            text = f"found {_number(x[at])}, due {_number(y[at])}" if wrong else ""
            text += _place(paths, k, at) if wrong else ""
            used = None if bars is None else float(bar[at])
            worst = Check(law, WRONG if wrong else OK, text, float(off[at]), used)
    return worst


def _place(paths: Sequence[str], k: int, index: tuple[Any, ...] = ()) -> str:
    path = paths[k] if k < len(paths) else ""
    path += f"[{', '.join(map(str, index))}]" if index else ""
    return f" at {path}" if path else ""


def _number(x: Array) -> str:
    return f"{x:.9g}" if x.dtype.kind in "fc" else f"{x}"


def first_line(error: BaseException) -> str:
    """The summary of an error."""
    text = str(error).partition("\n")[0]
    return text if isinstance(error, WengertError) else f"{type(error).__name__}: {text}"


@contextmanager
def quiet() -> Iterator[None]:
    """Points beside the user's may well be outside of the domain."""
    with np.errstate(all="ignore"), catch_warnings():
        simplefilter("ignore")
        yield


def _guarded(law: str, check: Callable[[], Check], skip: tuple[Any, ...] = _BEYOND) -> Check:
    """A check whose errors are results too."""
    try:
        with quiet():
            return check()
    except skip as error:
        return Check(law, SKIPPED, first_line(error))
    except Exception as error:
        return Check(law, WRONG, first_line(error))


# The laws.


def laws(subject: Subject, programs: bool = True) -> Iterator[Check]:
    """All laws of first order, one by one. Without `programs` none is traced to a program."""
    value = _guarded("the value is finite", lambda: _finite(subject))
    yield value
    yield _guarded("the same value again", lambda: _same_again(subject))
    if subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
        yield from derivative_laws(subject, "")
        yield _guarded("jvp is linear", lambda: _jvp_is_linear(subject))
        yield _guarded("vjp is linear", lambda: _vjp_is_linear(subject))
        yield _guarded("linearize is jvp", lambda: _linearize_is_jvp(subject))
    yield _guarded("vmap is a loop", lambda: _vmap_is_loop(subject, subject.f, "vmap is a loop"))
    if subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
        law = "vmap of jvp is a loop"
        yield _guarded(law, lambda: _vmap_of_jvp(subject, law))
    if programs:
        program = _guarded("the program is the function", lambda: _program(subject))
        yield program
        if program.outcome == SKIPPED:
            yield Check("the program of vjp is vjp", SKIPPED, program.detail)
        elif subject.xs and any([aval_of(y).dtype.kind in "fc" for y in subject.value]):
            yield _guarded("the program of vjp is vjp", lambda: _program_of_vjp(subject))


def derivative_laws(subject: Subject, prefix: str) -> Iterator[Check]:
    """jvp against differences, and vjp against jvp."""
    law = f"{prefix}jvp is the limit of differences"
    yield _guarded(law, lambda: _differences(subject, law), ())
    dot = f"{prefix}vjp is the transpose of jvp"
    yield _guarded(dot, lambda: _transpose(subject, dot), ())


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
            text = f"found {_number(np.asarray(y)[at])}{_place(subject.paths, k, at)}"
            return Check("the value is finite", WRONG, text)
    return Check("the value is finite", OK)


def _same_again(subject: Subject) -> Check:
    law = "the same value again"
    again = subject.f(*subject.xs)
    if len(again) != len(subject.value):
        return Check(law, WRONG, "the function returned another number of results")
    return _compare(subject, law, again, subject.value)


class _BesideError(Exception):
    """The function failed near to the point."""


def _differences(subject: Subject, law: str) -> Check:
    try:
        return _against_differences(subject, law)
    except _BesideError as error:
        return Check(law, SKIPPED, f"it fails beside this point: {error}")


def _against_differences(subject: Subject, law: str) -> Check:
    ts = subject.direction()
    check = _along(subject, law, ts)
    if check:
        return check
    symmetric = [_symmetrized(x, t) for x, t in zip(subject.xs, ts, strict=True)]
    if any([s is not t for s, t in zip(symmetric, ts, strict=True)]):
        again = _along(subject, law, symmetric)
        if again.outcome == OK:
            return Check(law, OK, "where matrices stay symmetric", again.off, again.bar)
    if _is_rough(subject, ts):
        return Check(law, KINK, "not smooth here: differences are not linear in the direction")
    return check


def _symmetrized(x: Array, t: Array) -> Array:
    """A direction in which a symmetric (Hermitian) matrix stays so; any other as it is."""
    if np.ndim(x) < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return t
    if not np.allclose(x, np.conj(np.swapaxes(x, -1, -2)), rtol=1e-12, atol=0):
        return t
    return (t + np.conj(np.swapaxes(t, -1, -2))) / 2


def _is_rough(subject: Subject, ts: Sequence[Array]) -> bool:
    """True where differences are not additive: ties of more than two values, say."""
    us = subject.direction()
    both = [t + u for t, u in zip(ts, us, strict=True)]
    (a, a_bars), (b, b_bars), (c, c_bars) = [_numerical(subject, v, 0) for v in (ts, us, both)]
    for x, y, z, *bars in zip(a, b, c, a_bars, b_bars, c_bars, strict=True):
        slack = _BARS * sum(bars) + 1e-3 * (np.abs(x) + np.abs(y) + np.abs(z))
        if np.any(np.abs(x + y - z) > slack):
            return True
    return False


def _along(subject: Subject, law: str, ts: Sequence[Array]) -> Check:
    """The derivative in one direction, against differences."""
    found = jvp(subject.smooth, subject.xs, ts)[1]
    due, bars = _numerical(subject, ts, 0)
    check = _compare(subject, law, found, due, bars)
    if not check and check.off is None:
        return check  # the type is wrong
    smooth = [y for y in subject.value if aval_of(y).dtype.kind in "fc"]
    sizes = [float(np.max(np.abs(y), initial=0)) for y in smooth]
    if check and all([
        bool(np.all(_known(y, b, size))) for y, b, size in zip(due, bars, sizes, strict=True)
    ]):  # fmt: skip
        return check
    # From one side and from the other: the function may have a kink here, or a jump.
    right, left = [_numerical(subject, ts, side)[:2] for side in (1, -1)]
    outcomes = set()
    for parts in zip(found, zip(due, bars, strict=True), zip(*right, strict=True),
                     zip(*left, strict=True), sizes, strict=True):  # fmt: skip
        outcomes |= _outcomes(subject.tolerance, *parts)
    if WRONG in outcomes:
        text = check.detail or "the derivative fits neither side of a kink"
        return Check(law, WRONG, text, check.off, check.bar)
    if KINK in outcomes:
        return Check(law, KINK, "not smooth here; the derivative is one between both sides'")
    if SKIPPED in outcomes:
        return Check(law, SKIPPED, "differences say nothing here: a jump, noise, or no domain")
    return Check(law, OK, "", check.off, check.bar)


def _numerical(subject: Subject, ts: Sequence[Array], side: int) -> tuple[list[Array], list[Array]]:
    """The derivative by differences, its error bars; in double precision where that works."""
    eps = max([float(np.finfo(aval_of(y).dtype).eps) for y in subject.smooth(*subject.xs)])
    line = Line(subject.smooth, list(subject.xs), list(ts), double=True)
    try:
        y = line(0.0)
        eps = float(np.finfo(y.dtype).eps)
        if [np.shape(v) for v in line.result] != [
            np.shape(v) for v in subject.value if aval_of(v).dtype.kind in "fc"
        ]:
            raise TypeError("it returns something else in double precision")
    except Exception:
        line = Line(subject.smooth, list(subject.xs), list(ts))
    try:
        found: Estimate = richardson(line, REACH, precision=eps, side=side)
    except Exception as error:
        raise _BesideError(first_line(error)) from error
    shapes = [np.shape(y) for y in subject.value if aval_of(y).dtype.kind in "fc"]
    if [np.shape(y) for y in line.result] != shapes:
        raise _BesideError("the shapes of the results depend on the values")
    return line.split(found.value), line.split(found.error)


def _known(x: Array, bar: Array, size: float) -> Array:
    """Where an error bar is small, beside the derivative or the value."""
    return np.isfinite(x) & (bar <= 1e-2 * np.abs(x) + 1e-6 * size)


def _outcomes(
    tolerance: float,
    found: Array,
    central: tuple[Array, Array],
    right: tuple[Array, Array],
    left: tuple[Array, Array],
    size: float,
) -> set[str]:
    """What is to be said of the elements of one result, where differences disagree with it."""
    finite = [np.where(np.isfinite(v), np.abs(v), 0) for v in (found, right[0], left[0])]
    scale = float(np.max(finite, initial=0))

    def fits(x: Array, bar: Array) -> Array:
        return np.abs(found - x) <= _BARS * bar + tolerance * scale

    with np.errstate(all="ignore"):
        from_right, from_left = _known(*right, size), _known(*left, size)
        both = from_right & from_left
        slack = _BARS * (right[1] + left[1]) + tolerance * scale
        gap = np.abs(right[0] - left[0])
        between = np.abs(found - right[0]) + np.abs(found - left[0]) <= gap + slack
        fine = _known(*central, size) & fits(*central)
        smooth = both & (gap <= slack)
        fine |= smooth & fits(*right)
        kink = both & ~smooth & between
        kink |= (from_right & fits(*right)) | (from_left & fits(*left))
        known = from_right | from_left
    elements = np.where(fine, OK, np.where(kink & ~smooth, KINK, np.where(known, WRONG, SKIPPED)))
    return set(np.reshape(elements, -1).tolist())


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
    return _compare(subject, law, list(both), due, sizes=sizes, named=law.startswith("jvp"))


def _linearize_is_jvp(subject: Subject) -> Check:
    law = "linearize is jvp"
    ts = subject.direction()
    y, y_dot = jvp(subject.smooth, subject.xs, ts)
    z, f_lin = linearize(subject.smooth, *subject.xs)
    value = _compare(subject, law, z, y)
    return _compare(subject, law, f_lin(*ts), y_dot) if value else value


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
    return _compare(subject, law, got, [np.stack(ys) for ys in zip(*want, strict=True)])


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
    types = _compare(
        subject, law, [_like(v) for v in program.out_avals], [_like(aval_of(y)) for y in due]
    )
    return types if types.outcome != OK else _compare(subject, law, program(*subject.xs), due)


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
    return _compare(subject, law, program(*args), pulled(*args), named=False)
