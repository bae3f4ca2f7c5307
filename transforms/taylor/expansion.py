"""Coefficients of any operation with a derivative, from its jvp rule.

y(t) = f(x(t)) satisfies y' = jvp(x; x'), so y_k is 1/k times coefficient k - 1 of the right side,
which needs no more than coefficients 0 to k - 1 of x, x' and y. The rule is run once, on tracers of
order n - 1, of which `y` is one whose coefficients are not known yet. What it computes stands on a
tape, and for each order the tape is advanced by one coefficient. So a rule like `x_dot * y` of exp
becomes the recurrence that one would write by hand: O(n^2) operations for n coefficients.

Where a rule applies the operation itself to the same operands, the result is that `y` (`is_of`):
sin and cos become the recurrence of the pair.

Read next: `rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...core.aval import Array, aval_of
from ...core.storage import current
from ...core.tracing import Primitive
from ..jvp import zeros_of
from .trace import JetTrace, JetTracer

__all__ = ["Expansion"]

Push = Callable[[Sequence[Array], Sequence[Array | None], Any], Any]
"""Operands, their tangents, and the result, to the tangent of the result (or a sequence)."""

Of = tuple[Any, Sequence[Array], Mapping[str, Any]]


class Expansion:
    """The results of one operation, whose coefficients come from its derivative."""

    def __init__(
        self, trace: JetTrace, args: Sequence[Array], y: Any, order: int, push: Push, of: Of
    ) -> None:
        self.trace = trace
        self.args = args
        self.order = order
        self.push = push
        self.of = of
        self.several = isinstance(y, tuple | list)
        self.tape: list[JetTracer] | None = None
        self.dots: list[Any] = []
        self.known: list[list[Array | None]] = []
        self.outs: list[Array] = [
            JetTracer(trace, [v], order, self.part(i)) if has_derivative(v) else v
            for i, v in enumerate(y if self.several else (y,))
        ]

    def part(self, i: int) -> Callable[[int], Array | None]:
        """The rule for the coefficients of one result."""
        return lambda k: self.coefficients(k)[i]

    def result(self) -> Any:
        """The result, or the tuple of results, as tracers."""
        return tuple(self.outs) if self.several else self.outs[0]

    def is_of(self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]) -> bool:
        """True for the same operation on the same operands."""
        of, mine, given = self.of
        return (
            of is primitive
            and len(mine) == len(args)
            and all([a is b for a, b in zip(mine, args, strict=True)])
            and len(given) == len(params)
            and all([given.get(name) is value for name, value in params.items()])
        )

    def coefficients(self, k: int) -> list[Array | None]:
        """Those of order k of all results."""
        while len(self.known) < k:
            self.advance(len(self.known) + 1)
        return self.known[k - 1]

    def advance(self, k: int) -> None:
        """Compute the coefficients of order k, when all of lower order are known."""
        trace = self.trace
        before = trace.tape, trace.limit
        trace.limit = self.order - 1
        trace.expanding.append(self)
        try:
            if self.tape is None:
                trace.tape = self.tape = []
                self.dots = self.run()
            for step in self.tape:
                step.advance_to(min(k - 1, step.order))
        finally:
            trace.expanding.pop()
            trace.tape, trace.limit = before
        found: list[Array | None] = []
        for out, dot in zip(self.outs, self.dots, strict=True):
            term = None
            if trace.is_mine(out) and dot is not None:
                if trace.is_mine(dot):
                    dot.advance_to(k - 1)
                    term = dot.terms[k - 1] if k - 1 <= dot.order else None
                elif k == 1:
                    term = dot
            found.append(term if term is None or k == 1 else term / k)
        self.known.append(found)
        for i, out in enumerate(self.outs):
            if trace.is_mine(out) and len(out.terms) == k:
                out.terms.append(found[i])
        if k == self.order:  # the last one: let go of what it was computed from
            self.tape, self.dots, self.args = [], [], []

    def run(self) -> list[Any]:
        """The tangents of the results, as tracers of one order less."""
        trace = self.trace
        dots = [self.derivative(a) if trace.is_mine(a) else None for a in self.args]
        if self.order == 1:
            y = [trace.value(v) for v in self.outs]
            found = self.push(trace.values(self.args), dots, tuple(y) if self.several else y[0])
        else:
            found = self.push(self.args, dots, self.result())
        if found is None:
            return [None] * len(self.outs)
        return [current(t) for t in found] if self.several else [current(found)]

    def derivative(self, x: JetTracer) -> Array:
        """x'(t), of one order less."""
        trace, terms = self.trace, x.terms
        order = min(x.order, self.order) - 1
        first = zeros_of(x.primal) if terms[1] is None else terms[1]
        if not order:
            return first

        def coefficient(k: int) -> Array | None:
            term = terms[k + 1]
            return None if term is None else (k + 1) * term

        tracer = JetTracer(trace, [first], order, coefficient)
        if len(terms) <= order + 1:
            return trace.wait(tracer)
        tracer.advance_to(order)
        return tracer


def has_derivative(y: Any) -> bool:
    """True for floats and complex numbers."""
    try:
        return aval_of(y).dtype.kind in "fc"
    except AttributeError:  # a static leaf of what a function with rules of its own returned
        return False


def expand(trace: JetTrace, args: Sequence[Array], y: Any, order: int, push: Push, of: Of) -> Any:
    """The results of an operation, with their coefficients as far as those of the operands are
    known.
    """
    expansion = Expansion(trace, args, y, order, push, of)
    # Inside of another rule it may come to need that one's result, whose coefficients wait.
    operands = [a for a in args if trace.is_mine(a)]
    settle = trace.wait if trace.tape is not None else lambda v: trace.settled(v, operands)
    found = [settle(v) if trace.is_mine(v) else v for v in expansion.outs]
    return tuple(found) if expansion.several else found[0]


JetTrace.expand = expand
