"""Forward mode to second order along many directions at once: values, first and second derivatives.

A `SecondTracer` carries a value, its derivatives along k directions (stacked in front), and the
second derivatives along these directions: one by one, or, with `collapsed`, their sum only, which
makes the Laplacian of it. Of an operation y = f(a, b, ...), with J and S for the two,

    J_y = sum_i f_i J_i        S_y = sum_i f_i S_i + sum_ij f_ij J_i J_j

and f_ij is zero for what is linear and elementwise for what works on elements. Operations without
such a structure are differentiated twice by their own rules. `laplacian.py` is built on this.

Source: Li et al., "A computational framework for neural network-based variational Monte Carlo with
Forward Laplacian" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...core.aval import Array, aval_of
from ...core.primitives.elementwise import multiply_p
from ...core.rules import align_batch, convert, ndim_of
from ...core.source import NEAR, user_frame
from ...core.tracing import Primitive
from ..control.subprograms import evaluate_batch, evaluate_jvp
from ..custom.custom_apply import apply, closed_call
from ..custom.custom_call import CustomCall, Leaves, closes_over
from ..jvp import ForwardTrace, JVPTracer, zeros_of

__all__ = ["SecondTrace", "SecondTracer"]

Parts = Sequence[Array | None]


class SecondTracer(JVPTracer):
    """A value; `tangent` holds its derivatives along all directions, `second` the second ones, None
    where they are zero.
    """

    __slots__ = ("second",)
    second: Array | None


class SecondTrace(ForwardTrace):
    """Maps values, first and second derivatives through each operation."""

    label = "laplacian"

    def __init__(self, function: str, size: int, collapsed: bool) -> None:
        super().__init__(function)
        self.size = size
        self.collapsed = collapsed

    def wrap(self, y: Array, first: Array | None, second: Array | None) -> Array:
        """A tracer; or the plain value, where no derivative can flow."""
        aval = aval_of(y)
        if first is None or aval.dtype.kind not in "fc":
            return y
        frame = user_frame(2, NEAR)
        code, offset = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        if second is not None:
            second = convert(second, aval.dtype)
        tracer = SecondTracer(self, y, convert(first, aval.dtype), code, offset)
        tracer.second = second
        return tracer

    def is_mine(self, x: Any) -> bool:
        """True for a tracer of this trace."""
        return type(x) is SecondTracer and x._trace is self

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        active = [i for i, a in enumerate(args) if self.is_mine(a)]
        xs = [a.primal if self.is_mine(a) else a for a in args]
        firsts: Parts = [a.tangent if self.is_mine(a) else None for a in args]
        seconds: Parts = [a.second if self.is_mine(a) else None for a in args]
        if not primitive.multiple_results and primitive.jvp is None:
            if primitive.slopes and not params:
                return self.elementwise(primitive, xs, firsts, seconds, active)
            linear = primitive.linear_in(params)
            if primitive.linear is not None and all([i in linear for i in active]):
                own = self.jointly if primitive.linear == "jointly" else self.separately
                return own(primitive, xs, firsts, seconds, active, params)
            if primitive.jvps is not None and all([primitive.jvps[i] is None for i in active]):
                return primitive.bind(*xs, **params)

        def fun(*values: Array) -> Sequence[Array]:
            found = primitive.bind(*_replaced(xs, active, values), **params)
            return found if primitive.multiple_results else (found,)

        found = self.twice(primitive.name, fun, xs, firsts, seconds, active)
        return tuple(found) if primitive.multiple_results else found[0]

    # Elementwise operations, by their slopes.

    def elementwise(
        self,
        primitive: Primitive,
        xs: Sequence[Array],
        firsts: Parts,
        seconds: Parts,
        active: Sequence[int],
    ) -> Array:
        """The results of an operation on elements: all f_i and f_ij are arrays of elements."""
        y = primitive.bind(*xs)
        slopes = {i: s for i in active if (s := primitive.slopes[i]) is not None}
        if not slopes or aval_of(y).dtype.kind not in "fc":
            return y
        rank = ndim_of(y)
        first: Array | None = None
        second: Array | None = None
        along = {i: align_batch(rank, firsts[i]) for i in slopes}
        for i, slope in slopes.items():
            factor = slope if type(slope) is float else slope(y, *xs)
            first = _sum(first, _scaled(along[i], factor))
            inner = seconds[i]
            if inner is not None:
                inner = inner if self.collapsed else align_batch(rank, inner)
                second = _sum(second, _scaled(inner, factor))
            for j in slopes:
                if j > i or type(slope) is float:
                    continue
                curvature = self.curvature(primitive, i, j, xs)
                if curvature is None:
                    continue
                both = self.gathered(along[i] * along[j])
                second = _sum(second, both * (curvature if i == j else 2.0 * curvature))
        shape = aval_of(y).shape
        assert first is not None
        first = _spread(first, (self.size, *shape))
        if second is not None:
            second = _spread(second, shape if self.collapsed else (self.size, *shape))
        return self.wrap(y, first, second)

    def curvature(self, primitive: Primitive, i: int, j: int, xs: Sequence[Array]) -> Array | None:
        """The second derivative f_ij for each element; None where it is zero."""
        if primitive is multiply_p:
            return None if i == j else 1.0
        slope = primitive.slopes[i]
        aval = aval_of(xs[j])

        def fun(x: Array) -> list[Array]:
            values = _replaced(xs, [j], [x])
            return [slope(primitive.bind(*values), *values)]

        ones = np.ones(aval.shape, aval.dtype)[()]
        return evaluate_jvp(primitive.name, fun, [xs[j]], [True], [ones])[1][0]

    def gathered(self, terms: Array) -> Array:
        """What products of first derivatives add: their sum over all directions, or each."""
        return np.sum(terms, axis=0) if self.collapsed else terms

    # Linear operations.

    def along(self, fun: Callable[..., Any], args: Sequence[Array], batched: Sequence[bool]) -> Any:
        """A function for all directions: of those arguments that have an axis for them."""
        return evaluate_batch(
            self.function, lambda *a: [fun(*a)], self.size, args, batched, [True]
        )[0][0]

    def jointly(
        self,
        primitive: Primitive,
        xs: Sequence[Array],
        firsts: Parts,
        seconds: Parts,
        active: Sequence[int],
        params: Mapping[str, Any],
    ) -> Array:
        """The results of an operation that is linear in its operands together."""
        linear = primitive.linear_in(params)
        run = partial(primitive.bind, **params)

        def pushed(parts: Parts, every: bool) -> Array | None:
            if all([p is None for p in parts]):
                return None
            operands = [
                x if i not in linear else zeros_of(x) if p is None else p
                for i, (x, p) in enumerate(zip(xs, parts, strict=True))
            ]
            return self.along(run, operands, [p is not None for p in parts]) if every else run(
                *operands
            )  # fmt: skip

        return self.wrap(run(*xs), pushed(firsts, True), pushed(seconds, not self.collapsed))

    def separately(
        self,
        primitive: Primitive,
        xs: Sequence[Array],
        firsts: Parts,
        seconds: Parts,
        active: Sequence[int],
        params: Mapping[str, Any],
    ) -> Array:
        """The results of an operation that is linear in each operand while the others are fixed."""
        run = partial(primitive.bind, **params)

        def flags(*at: int) -> list[bool]:
            return [i in at for i in range(len(xs))]

        first: Array | None = None
        second: Array | None = None
        for n, i in enumerate(active):
            first = _sum(first, self.along(run, _replaced(xs, [i], [firsts[i]]), flags(i)))
            if seconds[i] is not None:
                operands = _replaced(xs, [i], [seconds[i]])
                part = run(*operands) if self.collapsed else self.along(run, operands, flags(i))
                second = _sum(second, part)
            for j in active[:n]:
                operands = _replaced(xs, [i, j], [firsts[i], firsts[j]])
                terms = self.along(run, operands, flags(i, j))
                second = _sum(second, 2.0 * self.gathered(terms))
        return self.wrap(run(*xs), first, second)

    # Anything else, by its rules, twice.

    def twice(
        self,
        name: str,
        fun: Callable[..., Sequence[Array]],
        xs: Sequence[Array],
        firsts: Parts,
        seconds: Parts,
        active: Sequence[int],
    ) -> list[Array]:
        """The results of a function of the active operands."""
        values = [xs[i] for i in active]
        every = [True] * len(active)

        def pushed(dots: Sequence[Array], *at: Array) -> list[Array]:
            ys, found = evaluate_jvp(name, fun, at, every, dots)
            return [zeros_of(y) if d is None else d for y, d in zip(ys, found, strict=True)]

        def both(*dots: Array) -> list[Array]:
            first, second = evaluate_jvp(name, lambda *at: pushed(dots, *at), values, every, dots)
            return first + [
                zeros_of(d) if e is None else e for d, e in zip(first, second, strict=True)
            ]

        ys = fun(*values)
        n = len(ys)
        found, _ = evaluate_batch(
            name, both, self.size, [firsts[i] for i in active], every, [True] * (2 * n)
        )
        leaked = next((t for t in found if self.is_mine(t)), None)
        if leaked is not None:  # its rule closes over a value of this trace
            raise closes_over(name, leaked)
        first, second = found[:n], [self.gathered(s) for s in found[n:]]
        inner = [seconds[i] for i in active]
        if any([s is not None for s in inner]):
            if self.collapsed:
                dots = [zeros_of(x) if s is None else s for x, s in zip(values, inner, strict=True)]
                own = pushed(dots, *values)
            else:
                given = [
                    zeros_of(x) if s is None else s for x, s in zip(values, inner, strict=True)
                ]
                own, _ = evaluate_batch(
                    name,
                    lambda *dots: pushed(dots, *values),
                    self.size,
                    given,
                    [s is not None for s in inner],
                    [True] * n,
                )
            second = [s + t for s, t in zip(second, own, strict=True)]
        return [self.wrap(*parts) for parts in zip(ys, first, second, strict=True)]

    def custom_call(self, call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, Any]:
        values = [a.primal if self.is_mine(a) else a for a in args]
        outs, treedef = apply(call, values)
        if any([self.is_mine(y) for y in outs]):
            # It closes over values of this trace: they become operands.
            whole, hoisted = closed_call(call, args)
            return self.custom_call(whole, [*hoisted, *args])
        active = [i for i, a in enumerate(args) if self.is_mine(a)]
        kept = [i for i, y in enumerate(outs) if _is_inexact(y)]

        def fun(*xs: Array) -> list[Array]:
            found = apply(call, _replaced(values, active, xs))[0]
            return [found[i] for i in kept]

        firsts: Parts = [a.tangent if self.is_mine(a) else None for a in args]
        seconds: Parts = [a.second if self.is_mine(a) else None for a in args]
        found = self.twice(call.name, fun, values, firsts, seconds, active)
        return _replaced(outs, kept, found), treedef


def _is_inexact(y: Any) -> bool:
    try:
        return aval_of(y).dtype.kind in "fc"
    except AttributeError:  # a static leaf of a result
        return False


def _replaced(items: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    found = list(items)
    for i, v in zip(places, values, strict=True):
        found[i] = v
    return found


def _sum(a: Array | None, b: Array) -> Array:
    return b if a is None else a + b


def _scaled(x: Array, factor: Array) -> Array:
    return x if type(factor) is float and factor == 1.0 else x * factor


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    return x if np.shape(x) == shape else np.broadcast_to(x, shape)
