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
_ROWS: Final = 26


class Estimate(NamedTuple):
    """A derivative with its error bar, element by element."""

    value: Array
    error: Array


def central(g: Curve, h: float) -> Array:
    """The central difference quotient at 0: its error is of order h squared."""
    return (g(h) - g(-h)) / (2 * h)


def complex_step(g: Callable[[complex], Array], h: float) -> Array:
    """The derivative at 0 of a real analytic function, by an imaginary step: no difference is
    taken, so nothing cancels, and the step may be tiny.
    """
    return g(1j * h).imag / h


def richardson(
    g: Curve, h: float, *, precision: float = 2.0**-52, side: int = 0, rows: int = _ROWS
) -> Estimate:
    """The derivative at 0, extrapolated from steps h, h/2, h/4, ...

    Args:
        g: values along a line; NaN where a step leaves the domain.
        h: the first step.
        precision: the relative rounding error of the values of `g`.
        side: 1 or -1 for the derivative from the right or from the left, 0 for both.
        rows: how often to halve the step at most.

    Returns:
        The derivative and its error bar; infinite where nothing finite was found.
    """
    with np.errstate(all="ignore"):
        here = g(0.0) if side else None
        value: Any = None
        error: Any = None
        width_there: Any = None
        smallest: Any = None
        previous: list[Array] = []
        settled = False
        for _ in range(rows):
            if here is None:
                right, left, width, order = g(h), g(-h), 2 * h, 4.0
            else:
                right, left, width, order = g(side * h), here, side * h, 2.0
            row = [(right - left) / width]
            floor = precision * (np.abs(right) + np.abs(left)) / abs(width)
            gap = np.abs(right - left)
            if value is None:
                value = np.where(np.isfinite(row[0]), row[0], np.nan)
                error = np.full(row[0].shape, np.inf)
                width_there = np.full(row[0].shape, abs(width))
                smallest = np.where(gap > 0, gap, np.inf)
            factor = 1.0
            candidates = []
            for j, before in enumerate(previous):
                factor *= order
                row.append(row[j] + (row[j] - before) / (factor - 1))
                spread = np.maximum(np.abs(row[-1] - row[j]), np.abs(row[-1] - before))
                candidates.append((row[-1], spread + floor))
            # Values that come in lumps, as those of single precision do, do not change at last.
            lumpy = (gap == 0) & np.isfinite(smallest)
            error = np.where(lumpy, np.maximum(error, smallest / width_there), error)
            if settled:
                # One step more than was needed: what noise made agree by chance does not stay so.
                apart = np.maximum(np.abs(row[-1] - value), np.abs(row[-2] - value))
                error = np.where(np.isfinite(apart), np.maximum(error, apart), error)
                break
            for found, bar in candidates:
                better = (bar < error) & ~lumpy
                value = np.where(better, found, value)
                error = np.where(better, bar, error)
                width_there = np.where(better, abs(width), width_there)
            smallest = np.where(gap > 0, np.minimum(smallest, gap), smallest)
            # Each halving doubles the rounding error: go on only where it is not the larger part.
            settled = bool(previous) and bool(
                np.all((4 * floor >= error) | ~np.isfinite(right - left))
            )
            previous = row[:_COLUMNS]
            h /= 2
        return Estimate(value, error)


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
            return found

        return tree.map(part, self.result)


def is_smooth(x: Any) -> bool:
    """True for a leaf that has a derivative."""
    return not is_static_leaf(x) and aval_of(x).dtype.kind in "fc"


def _doubled(x: Array) -> Array:
    return np.asarray(x, np.result_type(x, np.float64))[()]
