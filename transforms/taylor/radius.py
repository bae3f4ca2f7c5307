"""How far a power series converges, estimated from its first coefficients.

The coefficients of a series with its nearest singularity at z_0 behave like z_0^-k k^-(1+a). So
their ratios are a line in 1/k, which meets 1/k = 0 at 1/z_0 (Domb and Sykes, Proc. R. Soc. A 240
(1957) 214). Where the nearest singularities are a conjugate pair, ratios do not settle, but a
combination of four coefficients does (Mercer and Roberts, SIAM J. Appl. Math. 50 (1990) 1547). A
fit of log |c_k| (the root test) is what remains.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np

from ...core.aval import Array

__all__ = ["radius_of"]

FEWEST = 4
"""So many coefficients that are not zero are needed."""
LAST = 8
"""So many of the last ratios are fitted; half of them, where there are less than twice as many."""
ROUNDING = 1e-13
"""Coefficients that are so much smaller than the others are zero: sin has such at pi."""
SMALL = 0.1
"""A limit that is so much smaller than the last ratio is zero: the ratios are falling to it."""


def _last(values: Array) -> Array:
    return values[-min(LAST, max(3, len(values) // 2)) :]


def radius_of(c: Array) -> float:
    """The radius of convergence of a series with these coefficients; inf for a polynomial and where
    the coefficients fall faster than any power, NaN where there are too few.
    """
    if not np.all(np.isfinite(c)):
        return float("nan")
    places = np.flatnonzero(c)
    if len(places) == 0:
        return float("inf")
    first, last = int(places[0]), int(places[-1])
    if last > first:  # in a variable in which the ends are equal: nothing overflows
        unit = float(np.abs(c[first]) / np.abs(c[last])) ** (1 / (last - first))
        c = c / c[first] * unit ** (np.arange(len(c)) - float(first))
        if not np.all(np.isfinite(c)):
            return float("nan")
        c = np.where(np.abs(c) < ROUNDING * np.max(np.abs(c)), 0, c)
        return float(unit * _radius(c))
    return _radius(c)


def _radius(c: Array) -> float:
    places = np.flatnonzero(c)
    # Odd and even functions are series in the square: c[first], c[first + step], ...
    step = gcd(*[int(i) for i in np.diff(places)]) if len(places) > 1 else 1
    if places[-1] + step < len(c):
        return float("inf")  # the next one would be there
    d = c[places[0] :: step]
    if len(d) < FEWEST or np.any(d == 0):
        return _by_roots(c[places], places)
    numbers = places[0] / step + np.arange(len(d))
    found = _by_ratios(d, numbers)
    if found is None:
        found = _by_pairs(d, numbers)
    if found is None:
        return _by_roots(c[places], places)
    return float(found ** (1 / step))


def _limit(values: Array, numbers: Array) -> Any:
    """Where the line in 1/k through the values at the last numbers k meets 1/k = 0."""
    return np.polynomial.polynomial.polyfit(1 / numbers, values, min(1, len(values) - 1))[0]


def _inverse(limit: float, last: float) -> float:
    """The radius for a limit of ratios."""
    return 1 / abs(limit) if limit * last > 0 and abs(limit) > SMALL * abs(last) else float("inf")


def _by_ratios(d: Array, k: Array) -> float | None:
    """The estimate of Domb and Sykes; None where the ratios differ in sign or do not settle."""
    k = _last(k[1:])
    ratios = _last(d[1:] / d[:-1])
    tail = ratios
    if np.iscomplexobj(tail):
        turns = tail / np.abs(tail)
        if np.max(np.abs(turns - turns[-1])) > 0.1:
            return None
        ratios = np.real(ratios * np.conj(turns[-1]))
    elif np.any(tail * tail[-1] < 0):
        return None
    limit = _limit(ratios, k)
    fitted = limit + (ratios[-1] - limit) * k[-1] / k
    if np.max(np.abs(fitted - ratios)) > 0.2 * np.max(np.abs(tail)):
        return None
    return _inverse(float(limit), float(ratios[-1]))


def _by_pairs(d: Array, k: Array) -> float | None:
    """The estimate of Mercer and Roberts; None where it is not one of a conjugate pair."""
    if np.iscomplexobj(d) or len(d) < 6:
        return None
    over = d[3:] * d[1:-2] - d[2:-1] ** 2
    under = d[2:-1] * d[:-3] - d[1:-2] ** 2
    if np.any(_last(under) == 0):
        return None
    with np.errstate(all="ignore"):
        squares = _last(over / under)
    if not np.all(squares > 0):
        return None
    sizes = np.sqrt(squares)
    return _inverse(float(_limit(sizes, _last(k[2:-1]))), float(sizes[-1]))


def _by_roots(c: Array, places: Array) -> float:
    """The root test: the slope of log |c_k|."""
    k = places[places > 0].astype(float)
    if len(k) < 2:
        return float("nan")
    logs = np.log(np.abs(c[-len(k) :]))
    return float(np.exp(-np.polynomial.polynomial.polyfit(k, logs, 1)[1]))
