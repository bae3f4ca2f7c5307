"""What is audited, what a check says of it, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from warnings import catch_warnings, simplefilter

import numpy as np

from .core.aval import Array, aval_of
from .core.differences import scale_of
from .core.errors import (
    ArrayConversionError,
    ConcretizationError,
    InPlaceWriteError,
    UnsupportedError,
    WengertError,
)
from .test_util import random_direction

__all__ = ["Check", "Subject", "compare", "first_line", "guarded", "place", "quiet"]

OK: Final = "ok"
WRONG: Final = "WRONG"
KINK: Final = "kink"
SKIPPED: Final = "not checked"

BARS: Final = 20
"""How many error bars apart a derivative and its differences may be."""
BEYOND: Final = (
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


def compare(
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
            return Check(law, WRONG, f"the type{place(paths, k)} is {a!r}, due is {b!r}")
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
        limit = BARS * bar + subject.tolerance * np.max(size, initial=0) + floor
        with np.errstate(all="ignore"):
            ratio = np.where(off == 0, 0, off / limit)
        at = np.unravel_index(np.argmax(np.nan_to_num(ratio, nan=np.inf)), ratio.shape)
        if ratio[at] > worst_ratio:
            worst_ratio = float(ratio[at])
            wrong = not worst_ratio <= 1
            text = f"found {number(x[at])}, due {number(y[at])}" if wrong else ""
            text += place(paths, k, at) if wrong else ""
            used = None if bars is None else float(bar[at])
            worst = Check(law, WRONG if wrong else OK, text, float(off[at]), used)
    return worst


def place(paths: Sequence[str], k: int, index: tuple[Any, ...] = ()) -> str:
    """Where an element of result k stands, as the end of a sentence."""
    path = paths[k] if k < len(paths) else ""
    path += f"[{', '.join(map(str, index))}]" if index else ""
    return f" at {path}" if path else ""


def number(x: Array) -> str:
    """An element of an array as text."""
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


def guarded(law: str, check: Callable[[], Check], skip: tuple[Any, ...] = BEYOND) -> Check:
    """A check whose errors are results too."""
    try:
        with quiet():
            return check()
    except skip as error:
        return Check(law, SKIPPED, first_line(error))
    except Exception as error:
        return Check(law, WRONG, first_line(error))
