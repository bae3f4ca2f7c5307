"""Numerical differentiation: difference quotients, and how far to trust them.

`richardson : (R -> vector), step -> Estimate`. Central differences with halved steps are
extrapolated to step zero (Richardson; Neville's scheme), until rounding errors would take over. How
much the entries of the scheme differ is the error bar. All functions here work on plain NumPy
vectors: what a direction is, and how a tree becomes a vector, is the callers' business
(`check_grads`, `audit`, `numerical_rule`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from .aval import Array

__all__ = ["REACH", "Curve", "Estimate", "central", "complex_step", "reach", "richardson"]

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
        previous: list[Array] = []
        for _ in range(rows):
            if here is None:
                right, left, width, order = g(h), g(-h), 2 * h, 4.0
            else:
                right, left, width, order = g(side * h), here, side * h, 2.0
            row = [(right - left) / width]
            floor = precision * (np.abs(right) + np.abs(left)) / abs(width)
            if value is None:
                value = np.where(np.isfinite(row[0]), row[0], np.nan)
                error = np.full(row[0].shape, np.inf)
            factor = 1.0
            for j, before in enumerate(previous):
                factor *= order
                row.append(row[j] + (row[j] - before) / (factor - 1))
                spread = np.maximum(np.abs(row[-1] - row[j]), np.abs(row[-1] - before))
                found = spread + floor
                better = found < error
                value = np.where(better, row[-1], value)
                error = np.where(better, found, error)
            # Each halving doubles the rounding error: go on only where it is not the larger part.
            if previous and np.all((4 * floor >= error) | ~np.isfinite(right - left)):
                break
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
