"""Numerical differentiation: difference quotients, and how far to trust them.

`richardson : (R -> vector), step -> Estimate`. Central differences with halved steps are
extrapolated to step zero (Richardson; Neville's scheme), until rounding errors would take over. How
much the entries of the scheme differ is the error bar. All functions here work on plain NumPy
vectors; a `Line` is a function of trees as such a curve. `check_grads`, `audit` and
`numerical_rule` are made of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from . import tree
from .aval import Array, aval_of
from .tree import is_static_leaf

__all__ = [
    "REACH",
    "Curve",
    "Estimate",
    "Line",
    "central",
    "complex_step",
    "is_smooth",
    "reach",
    "richardson",
    "scale_of",
]

Curve = Callable[[float], Array]
"""The values of a function along a line, as one vector."""

REACH: Final = 2.0**-5
"""The first step of `richardson`, beside the scale of what is varied."""

_COLUMNS: Final = 6
_POINTS: Final = np.array([-3.0, -1.91, -1.17, 0.13, 0.83, 2.23, 3.0])
_RESIDUAL: Final = np.linalg.svd(np.vander(_POINTS, 5).T)[2][5:]
_ROWS: Final = 26


class Estimate(NamedTuple):
    """A derivative with its error bar, element by element, and how far values scatter."""

    value: Array
    error: Array
    noise: Array


def central(g: Curve, h: float) -> Array:
    """The central difference quotient at 0: its error is of order h squared."""
    return (g(h) - g(-h)) / (2 * h)


def complex_step(g: Callable[[complex], Array], h: float) -> Array:
    """The derivative at 0 of a real analytic function, by an imaginary step: no difference is
    taken, so nothing cancels, and the step may be tiny.
    """
    return g(1j * h).imag / h


class _Scheme:
    """Neville's scheme, row by row: the best entry for each element, and its error bar."""

    __slots__ = (
        "error",
        "moved",
        "noise",
        "order",
        "precision",
        "previous",
        "settled",
        "value",
        "width",
    )

    def __init__(self, order: float, precision: float, noise: Array) -> None:
        self.order = order
        self.precision = precision
        self.noise = noise
        self.previous: list[Array] = []
        self.value: Any = None
        self.error: Any = None
        self.moved: Any = None
        self.width: Any = None
        self.settled = False

    def add(self, right: Array, left: Array, width: float) -> None:
        """The next row, from values at both ends of an interval of this width."""
        rounding = self.precision * (np.abs(right) + np.abs(left))
        floor = np.maximum(rounding, 2 * self.noise) / abs(width)
        row = [(right - left) / width]
        if self.value is None:
            self.value = np.where(np.isfinite(row[0]), row[0], np.nan)
            self.error = np.full(row[0].shape, np.inf)
            self.width = np.full(row[0].shape, abs(width))
            self.moved = np.zeros(row[0].shape, bool)
        # Values in lumps, as of single precision, do not differ any more at last.
        same = (right == left) & self.moved
        self.moved |= np.abs(right - left) > 4 * rounding
        factor = 1.0
        for j, before in enumerate(self.previous):
            factor *= self.order
            row.append(row[j] + (row[j] - before) / (factor - 1))
            spread = np.maximum(np.abs(row[-1] - row[j]), np.abs(row[-1] - before))
            found = spread + floor
            better = (found < self.error) & ~same
            self.value = np.where(better, row[-1], self.value)
            self.error = np.where(better, found, self.error)
            self.width = np.where(better, abs(width), self.width)
        # Each halving doubles the rounding error: go on only where it is not the larger part.
        finite = np.isfinite(right - left)
        enough = np.all((4 * floor >= self.error) | same | ~finite)
        self.settled = bool(self.previous) and bool(enough)
        self.previous = row[:_COLUMNS]


def richardson(
    g: Curve,
    h: float,
    *,
    precision: float = 2.0**-52,
    side: int = 0,
    rows: int = _ROWS,
    noise: Array | None = None,
) -> Estimate:
    """The derivative at 0, extrapolated from steps h, h/2, h/4, ...

    Args:
        g: values along a line; NaN where a step leaves the domain.
        h: the first step.
        precision: the relative rounding error of the values of `g`.
        side: 1 or -1 for the derivative from the right or from the left, 0 for both.
        rows: how often to halve the step at most.
        noise: how far values of `g` scatter, as of an earlier estimate at this point; when left
            out, it is measured.

    Returns:
        The derivative and its error bar; infinite where nothing finite was found.
    """
    with np.errstate(all="ignore"):
        here = g(0.0) if side else None
        order = 2.0 if side else 4.0
        scheme = _Scheme(order, precision, np.zeros(()) if noise is None else noise)
        samples = []
        for _ in range(rows):
            ends = (g(h), g(-h), 2 * h) if here is None else (g(side * h), here, side * h)
            samples.append(ends)
            scheme.add(*ends)
            if scheme.settled:
                break
            h /= 2
        if noise is None:
            noise = (
                scatter(g, float(np.median(scheme.width)) / 16, side)
                if scheme.width.size
                else np.zeros(0)
            )
            # Entries may agree by chance where values scatter: chosen anew, now that it is known.
            scheme = _Scheme(order, precision, noise)
            for ends in samples:
                scheme.add(*ends)
        return Estimate(scheme.value, scheme.error, noise)


def scatter(g: Curve, h: float, side: int) -> Array:
    """How far the values of `g` near 0 are from a smooth curve: the rest that a polynomial of
    degree 4 leaves at seven points.

    The points are not evenly spaced, or values in lumps could fit by chance.
    """
    points = _POINTS if not side else side * (_POINTS + 3)
    values = np.stack([g(float(h * t)) for t in points])
    rest = _RESIDUAL @ values
    found: Array = np.sqrt(np.mean(np.abs(rest) ** 2, axis=0))
    return np.where(np.isfinite(found), found, 0)


def reach(x: Array, t: Array) -> float:
    """The longest step in direction `t` that changes no element of `x` by more than its scale.

    The scale of an element is its magnitude; that of a small one is a thousandth of the largest
    one's, and that of zeros alone is 1.
    """
    size = np.abs(t)
    if not np.any(size):
        return 1.0
    return float(1 / np.max(size / scale_of(x)))


def scale_of(x: Array) -> Array:
    """How much each element can be varied, see `reach`."""
    size = np.abs(x)
    size = np.where(np.isfinite(size), size, 0)
    largest = np.max(size, initial=0)
    return np.maximum(size, largest / 1000) if largest else np.ones(np.shape(x))


class Line:
    """A function of trees along the line `args + h * tangents`, whose float results are one vector.

    Tangents are None where nothing moves. With `double`, what moves is in double precision.
    """

    __slots__ = ("args", "double", "f", "result", "tangents")

    def __init__(self, f: Callable[..., Any], args: Any, tangents: Any, double: bool = False):
        self.f = f
        self.args = args
        self.tangents = tangents
        self.double = double
        self.result: Any = None

    def __call__(self, h: float) -> Array:
        def moved(x: Any, t: Array) -> Any:
            if t is None:
                return np.array(x)[()] if type(x) is np.ndarray else x
            if self.double:
                x, t = _doubled(x), _doubled(t)
            return (x + t.dtype.type(h) * t).astype(t.dtype)

        self.result = self.f(*tree.map(moved, self.args, self.tangents))
        parts = [np.reshape(y, -1) for y in tree.leaves(self.result) if is_smooth(y)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def split(self, vector: Array) -> Any:
        """A vector as a tree like the result: zeros where that has no derivative, or None."""
        start = 0

        def part(y: Any) -> Any:
            nonlocal start
            if not is_smooth(y):
                return None if is_static_leaf(y) else np.zeros(np.shape(y))
            stop = start + np.size(y)
            found = np.reshape(vector[start:stop], np.shape(y))
            start = stop
            # Beside complex results, real ones are made complex.
            return found.real if aval_of(y).dtype.kind == "f" else found

        return tree.map(part, self.result)


def is_smooth(x: Any) -> bool:
    """True for a leaf that has a derivative."""
    return not is_static_leaf(x) and aval_of(x).dtype.kind in "fc"


def _doubled(x: Array) -> Array:
    return np.asarray(x, np.result_type(x, np.float64))[()]
