"""Arithmetic with truncated power series: each operation maps the coefficients of its operands to
those of its result.

A `JetTracer` stands for x(t) = x_0 + x_1 t + ... + x_n t^n and holds these coefficients, which
already contain the 1/k!; None is a zero. `terms[0]` is the value, so Python's control flow works.
Coefficients are computed one order at a time, each of them from those of the operands up to the
same order. What is linear maps each coefficient; products are Cauchy products; a few operations
have a rule in `rules.py`; all others follow from their jvp rule (`expansion.py`). While such a rule
runs, some coefficients are not known yet: operations on them wait on the trace's `tape`, and
`limit` is the order that is needed.

Read next: `expansion.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, ClassVar

import numpy as np

from ...core.aval import Array, aval_of
from ...core.source import NEAR, user_frame
from ...core.storage import write
from ...core.tracing import Primitive
from ..control.structured import Structured, has_value
from ..custom.custom_call import CustomCall, Leaves
from ..jvp import ForwardTrace, PrimalTracer
from .rules import IMPLICIT, RULES, Constant, Terms, implicit, multilinear

__all__ = ["JetTrace", "JetTracer"]

Rule = Callable[[int], Array | None]
"""The coefficient of some order of a result."""


class JetTracer(PrimalTracer):
    """A value with the coefficients of its Taylor series, as many as are known."""

    __slots__ = ("order", "rule", "terms")

    def __init__(
        self,
        trace: JetTrace,
        terms: list[Array | None],
        order: int,
        rule: Rule | None = None,
        code: CodeType | None = None,
        offset: int = 0,
    ) -> None:
        self._trace = trace
        self.primal = terms[0]
        self.terms = terms
        self.order = order
        self.rule = rule
        self.code = code
        self.offset = offset

    @property
    def complete(self) -> bool:
        """True when all coefficients are known."""
        return len(self.terms) > self.order

    def advance_to(self, k: int) -> None:
        """Compute the coefficients up to order k that are not known yet."""
        rule, terms = self.rule, self.terms
        if rule is not None:
            for i in range(len(terms), k + 1):
                term = rule(i)
                if len(terms) == i:
                    terms.append(term)
            if len(terms) > self.order:
                self.rule = None


class JetTrace(ForwardTrace):
    """Maps coefficients through each operation, up to the order `limit`."""

    label = "jet"
    expand: ClassVar[Callable[..., Any]]
    """The results of an operation by its jvp rule; `expansion.py` sets it."""
    apply_custom: ClassVar[Callable[..., tuple[Leaves, Any]]]
    """The results of a function with rules of its own; `custom.py` sets it."""
    of_structured: ClassVar[Callable[..., Any]]
    """The results of an operation that holds programs, and has no values; `programs.py` sets it."""
    whole: ClassVar[dict[str, Callable[..., Any]]] = {}
    """Operations that take whole series: functions of the trace, operands and params."""

    def __init__(self, function: str, order: int) -> None:
        super().__init__(function)
        self.limit = order
        self.tape: list[JetTracer] | None = None
        self.expanding: list[Any] = []

    def is_mine(self, x: Any) -> bool:
        """True for a tracer of this trace that is no storage's."""
        return type(x) is JetTracer and x._trace is self

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        mine = [a for a in args if type(a) is JetTracer and a._trace is self]
        order = min([self.limit, *[a.order for a in mine]])
        if not order:
            return primitive.bind(*self.values(args), **params)
        for expansion in self.expanding:
            if expansion.is_of(primitive, args, params):
                return expansion.result()
        whole = self.whole.get(primitive.name)
        if whole is not None and all([a.complete for a in mine]):
            return whole(self, args, order, **params)
        # With values it runs by itself; if it comes here nevertheless, its rule is needed.
        structured = isinstance(primitive, Structured) and not all([has_value(a) for a in args])
        if structured and all([a.complete for a in mine]):
            return self.of_structured(primitive, args, order, params)
        if primitive.jvp is not None:
            return self.expand_whole(primitive, args, order, params)
        y = primitive.bind(*self.values(args), **params)
        rule = self.own_rule(primitive, args, y, order, params)
        if rule is not None:
            return self.finish(primitive, y, order, rule, mine)
        flags = self.differentiable(primitive, args)
        if not any(flags):
            return y
        kept = [a if f else self.value(a) for a, f in zip(args, flags, strict=True)]
        push = lambda xs, dots, y: self.tangent(primitive, xs, dots, y, params)
        return self.expand(kept, y, order, push, (primitive, kept, params))

    def expand_whole(
        self, primitive: Primitive, args: Sequence[Array], order: int, params: Mapping[str, Any]
    ) -> Array:
        """The results of a primitive whose rule computes values and tangents together."""
        whole = primitive.jvp
        assert whole is not None
        values = self.values(args)
        y = primitive.bind(*values, **params)
        push = lambda xs, dots, y: whole(xs, dots, **params)[1]
        return self.expand(args, y, order, push, (primitive, args, params))

    def differentiable(self, primitive: Primitive, args: Sequence[Array]) -> list[bool]:
        """Which operands are tracers of this trace that the operation has a derivative by."""
        if primitive.jvps is None:
            primitive.missing("jvps", self.label)
        return [
            type(a) is JetTracer and a._trace is self and primitive.jvps[i] is not None
            for i, a in enumerate(args)
        ]

    def own_rule(
        self,
        primitive: Primitive,
        args: Sequence[Array],
        y: Array,
        order: int,
        params: Mapping[str, Any],
    ) -> Callable[[list[Any]], Rule] | None:
        """The rule for the coefficients, given the list of those of the result; None where the
        operation has none but its derivative.
        """
        terms: list[Terms] = [
            a.terms if type(a) is JetTracer and a._trace is self else Constant(a) for a in args
        ]
        if primitive.jvps is None and primitive.linear == "jointly":
            values = [t[0] for t in terms]
            linear = primitive.linear_in(params)

            def coefficient(k: int) -> Array | None:
                dots = [t[k] for t in terms]
                if all([d is None or i not in linear for i, d in enumerate(dots)]):
                    return None
                return self.tangent(primitive, values, dots, y, params)

            return lambda of_y: coefficient
        own = RULES.get(primitive)
        found = None if own is None else own(order, y, *terms, **params)
        if found is None and primitive.name in IMPLICIT:
            found = implicit(primitive, y, terms, params)
        if found is None and primitive.linear == "separately":
            found = multilinear(primitive, y, terms, params)
        return found

    def value(self, x: Array) -> Array:
        """The coefficient of order 0; anything else as it is."""
        return x.primal if type(x) is JetTracer and x._trace is self else x

    def values(self, args: Sequence[Array]) -> list[Array]:
        """The coefficients of order 0."""
        return [self.value(a) for a in args]

    def finish(
        self,
        primitive: Primitive,
        y: Array,
        order: int,
        rule: Callable[[list[Any]], Rule],
        operands: Sequence[JetTracer],
    ) -> Array:
        """Wrap up a result, or several, of which the rule gives the coefficients."""
        if primitive.multiple_results:
            rows: list[Any] = [y]  # the coefficients of all results, by their order
            coefficient = rule(rows)

            def part(i: int) -> Rule:
                def of_order(k: int) -> Array | None:
                    while len(rows) <= k:
                        rows.append(coefficient(len(rows)))
                    return None if rows[k] is None else rows[k][i]

                return of_order

            return tuple([self.series([v], order, part(i), operands) for i, v in enumerate(y)])
        terms: list[Array | None] = [y]
        return self.series(terms, order, rule(terms), operands)

    def series(
        self,
        terms: list[Array | None],
        order: int,
        rule: Rule | None,
        operands: Sequence[JetTracer],
    ) -> Array:
        """A tracer; or the plain value, where no derivative can flow."""
        y = terms[0]
        if aval_of(y).dtype.kind not in "fc":
            return y
        frame = user_frame(2, NEAR)
        code, offset = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        tracer = JetTracer(self, terms, order, rule, code, offset)
        return self.settled(tracer, operands)

    def settled(self, tracer: JetTracer, operands: Sequence[JetTracer]) -> Array:
        """Compute the coefficients; later, where some of the operands' are not known."""
        for a in operands:
            if len(a.terms) <= min(a.order, tracer.order):
                return self.wait(tracer)
        tracer.advance_to(tracer.order)
        if all([t is None for t in tracer.terms[1:]]):
            return tracer.primal
        return tracer

    def wait(self, tracer: JetTracer) -> JetTracer:
        """Compute the coefficients later, in step with those that they need."""
        assert self.tape is not None
        self.tape.append(tracer)
        return tracer

    def custom_call(self, call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, Any]:
        return self.apply_custom(call, args)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        parts = [a for a in (x, v) if self.is_mine(a)]
        order = min([self.limit, *[a.order for a in parts]])
        exclusive = exclusive and all([a.complete for a in parts])
        x_terms, v_terms = [a.terms if self.is_mine(a) else Constant(a) for a in (x, v)]
        arrays = self.values(arrays)
        y = write(self.value(x), self.value(v), arrays, index, exclusive)
        aval = aval_of(y)
        if not order or aval.dtype.kind not in "fc":
            return y

        def coefficient(k: int) -> Array | None:
            x_k, v_k = x_terms[k], v_terms[k]
            if x_k is None and v_k is None:
                return None
            if v_k is None:
                v_k = aval.dtype.type(0)
            if x_k is None:
                return write(np.zeros(aval.shape, aval.dtype), v_k, arrays, index, True)
            return write(x_k, v_k, arrays, index, exclusive)

        return self.series([y], order, coefficient, parts)

    def wrap(self, terms: Sequence[Array | None]) -> Array:
        """A result with all its coefficients."""
        if aval_of(terms[0]).dtype.kind not in "fc" or all([t is None for t in terms[1:]]):
            return terms[0]
        return JetTracer(self, list(terms), len(terms) - 1)

    def coefficients(self, x: Array, order: int) -> list[Array | None]:
        """All coefficients up to an order of a result, which may be a constant."""
        if not self.is_mine(x):
            return [x, *[None] * order]
        return [*x.terms[: order + 1], *[None] * (order + 1 - len(x.terms))]
