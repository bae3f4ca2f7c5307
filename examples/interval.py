"""Every stationary point of a function, with proof: interval arithmetic as a transformation.

`bounds(f)` runs a plain NumPy function on intervals instead of numbers. It is written here, with
nothing but what wengert has public: a trace, a tracer, and a table of rules (docs/extending.md
explains them line by line). Like the transformations that come with wengert it composes with the
others: `bounds(wg.grad(f))` encloses a derivative, `wg.vmap` runs it on a thousand intervals.

An interval on which the bounds of f' leave zero out has no stationary point. One on which f'' keeps
its sign has one at most, and it has one if f' changes sign between its ends. So all of them are
found, and none is missed. (Up to rounding: a strict proof rounds each bound outward.)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import wengert as wg

Array = Any
Pair = tuple[Array, Array]
Rule = Callable[..., Pair]


# The transformation.


class Interval(wg.core.ArrayTracer):
    """An array of which only bounds are known."""

    __slots__ = ("hi", "lo")

    def __init__(self, trace: wg.core.Trace, lo: Array, hi: Array) -> None:
        super().__init__(trace)
        self.lo, self.hi = lo, hi

    @property
    def aval(self) -> wg.core.ShapedArray:
        return wg.core.aval_of(self.lo)


class IntervalTrace(wg.core.Trace):
    """Applies the rule of each primitive to the bounds of its operands."""

    label = "bounds"

    def process(
        self, primitive: wg.core.Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        rule = RULES.get(primitive.name)
        if rule is None:
            needed = "a function (primitive, pairs of bounds, params) -> pair of bounds"
            primitive.missing("bounds", self.label, needed=needed)
        lo, hi = rule(primitive, [self.pair(a) for a in args], params)
        return lo if hi is lo else Interval(self, lo, hi)

    def pair(self, x: Array) -> Pair:
        """The bounds of a value; a constant is its own bounds."""
        x = wg.core.current(x)
        return (x.lo, x.hi) if self.owns(x) else (x, x)


def bounds(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of pairs (lo, hi) that returns pairs: bounds of `f` over all values between."""

    def bounded(*pairs: Pair) -> Any:
        with IntervalTrace(getattr(f, "__name__", "f")) as trace:
            result = f(*[Interval(trace, lo, hi) for lo, hi in pairs])
            return wg.tree.map(trace.pair, result)

    return bounded


# The rules.


def ends(primitive: wg.core.Primitive, pairs: Sequence[Pair], params: Mapping[str, Any]) -> Pair:
    """For what grows with its operands, and for what moves elements about."""
    lo, hi = zip(*pairs, strict=True)
    return primitive.bind(*lo, **params), primitive.bind(*hi, **params)


def corners(f: Callable[[Array, Array], Array]) -> Rule:
    """The least and the largest of the values at the corners."""

    def rule(primitive: Any, pairs: Sequence[Pair], params: Any) -> Pair:
        (a, b), (c, d) = pairs
        p, q, r, s = f(a, c), f(a, d), f(b, c), f(b, d)
        least, most = np.minimum, np.maximum
        return least(least(p, q), least(r, s)), most(most(p, q), most(r, s))

    return rule


def quotient(primitive: Any, pairs: Sequence[Pair], params: Any) -> Pair:
    """Division: unbounded where the denominator may be zero."""
    a, (c, d) = pairs
    safe = (c > 0) | (d < 0)
    below, above = 1 / np.where(safe, d, 1.0), 1 / np.where(safe, c, 1.0)
    inverse = np.where(safe, below, -np.inf), np.where(safe, above, np.inf)
    return corners(np.multiply)(None, [a, inverse], {})


def wave(peak: float) -> Rule:
    """The sine (peak at pi / 2) or the cosine (at 0): the ends, unless a peak is between."""

    def rule(primitive: wg.core.Primitive, pairs: Sequence[Pair], params: Any) -> Pair:
        ((lo, hi),) = pairs
        turn = 2 * np.pi

        def inside(at: float) -> Array:
            return np.floor((hi - at) / turn) > np.ceil((lo - at) / turn) - 1

        a, b = primitive.bind(lo), primitive.bind(hi)
        low = np.where(inside(peak + np.pi), -1.0, np.minimum(a, b))
        return low, np.where(inside(peak), 1.0, np.maximum(a, b))

    return rule


def power(primitive: wg.core.Primitive, pairs: Sequence[Pair], params: Any) -> Pair:
    """Powers with an exponent that is known: even ones have their least value at zero."""
    (lo, hi), (n, _) = pairs
    a, b = lo**n, hi**n
    if n % 2:
        return (a, b) if n > 0 else (b, a)
    low = np.where((lo < 0) & (hi > 0), 0.0, np.minimum(a, b))
    return low, np.maximum(a, b)


MOVES = ["astype", "concatenate", "getitem", "reduce_sum", "reshape", "scatter_sum", "stack"]
RULES: dict[str, Rule] = {
    "add": ends,
    "sub": lambda p, pairs, params: (pairs[0][0] - pairs[1][1], pairs[0][1] - pairs[1][0]),
    "neg": lambda p, pairs, params: (-pairs[0][1], -pairs[0][0]),
    "mul": corners(np.multiply),
    "div": quotient,
    "pow": power,
    "square": lambda p, pairs, params: power(p, [*pairs, (2, 2)], params),
    "sin": wave(np.pi / 2),
    "cos": wave(0.0),
    **dict.fromkeys(["exp", "log", "sqrt", "tanh", "arctan"], ends),
    **dict.fromkeys(MOVES, ends),
}


# What it is good for.


def f(x: Array) -> Array:
    """A function with some waves."""
    return np.sin(3 * x) * np.exp(-x * x / 8) + x**2 / 20


def stationary_points(f: Callable[[Array], Array], lo: float, hi: float, n: int) -> list[Pair]:
    """Intervals with exactly one stationary point each, which are all that there are."""
    slope, curvature = wg.grad(f), wg.grad(wg.grad(f))
    edges = np.linspace(lo, hi, n + 1)
    cells = (edges[:-1], edges[1:])
    low, high = wg.vmap(bounds(slope))(cells)
    candidates = np.flatnonzero((low <= 0) & (high >= 0))
    groups = np.split(candidates, np.flatnonzero(np.diff(candidates) > 1) + 1)
    found = []
    for group in groups if candidates.size else []:
        a, b = edges[group[0]], edges[group[-1] + 1]
        low, high = bounds(curvature)((a, b))
        if low <= 0 <= high:
            raise ValueError(f"more than one may be between {a:.4f} and {b:.4f}: take more cells")
        if slope(a) * slope(b) < 0:
            found.append((a, b))
    return found


def refined(f: Callable[[Array], Array], a: float, b: float) -> float:
    """Newton's method from the middle."""
    slope, x = wg.grad(f), (a + b) / 2
    for _ in range(5):
        value, curvature = wg.value_and_grad(slope)(x)
        x = x - value / curvature
    return float(x)


def main() -> None:
    """Find the stationary points of `f` and say what they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=2000, help="how many intervals to start with")
    cells = parser.parse_args().cells

    low, high = bounds(f)((0.2, 0.3))
    print(f"f between 0.2 and 0.3 is within [{low:.4f}, {high:.4f}]")
    low, high = bounds(wg.grad(f))((0.2, 0.3))
    print(f"f' there is within [{low:.4f}, {high:.4f}]: it grows\n")

    found = stationary_points(f, -6.0, 6.0, cells)
    print(f"{len(found)} stationary points between -6 and 6:")
    print("     from        to     point        f")
    for a, b in found:
        x = refined(f, a, b)
        kind = "minimum" if wg.grad(wg.grad(f))(x) > 0 else "maximum"
        print(f"{a:9.4f} {b:9.4f} {x:9.5f} {f(x):8.5f}  {kind}")
        assert a < x < b

    sample = wg.vmap(wg.grad(f))(np.linspace(-6, 6, 200_001))
    assert len(found) == np.count_nonzero(np.diff(np.sign(sample)))
    print("As many as the signs of the derivative at 200001 points say.")


if __name__ == "__main__":
    main()
