"""The law that `jvp` is the limit of differences; and what is to be said where there is no limit.

Differences are taken from both sides at once, with error bars. Where they disagree with the
derivative, or say nothing, those from either side tell a kink from a wrong rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .core.aval import Array, aval_of
from .core.differences import REACH, Estimate, Line, richardson
from .subject import BARS, KINK, OK, SKIPPED, WRONG, Check, Subject, compare, first_line
from .transforms import jvp

__all__ = ["against_differences"]


class _BesideError(Exception):
    """The function failed near to the point."""


def against_differences(subject: Subject, law: str) -> Check:
    """Whether the derivative is what differences tend to, along a random direction."""
    try:
        return _checked(subject, law)
    except _BesideError as error:
        return Check(law, SKIPPED, f"it fails beside this point: {error}")


def _checked(subject: Subject, law: str) -> Check:
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
        slack = BARS * sum(bars) + 1e-3 * (np.abs(x) + np.abs(y) + np.abs(z))
        if np.any(np.abs(x + y - z) > slack):
            return True
    return False


def _along(subject: Subject, law: str, ts: Sequence[Array]) -> Check:
    """The derivative in one direction, against differences."""
    found = jvp(subject.smooth, subject.xs, ts)[1]
    due, bars = _numerical(subject, ts, 0)
    check = compare(subject, law, found, due, bars)
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
        return np.abs(found - x) <= BARS * bar + tolerance * scale

    with np.errstate(all="ignore"):
        from_right, from_left = _known(*right, size), _known(*left, size)
        both = from_right & from_left
        slack = BARS * (right[1] + left[1]) + tolerance * scale
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
