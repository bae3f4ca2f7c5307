"""The trace of linearization: values are computed by NumPy at once, the linear part is recorded.

A `LinearizeTracer` is a value with the number of its tangent's variable in a linear program. This
is the forward half of reverse mode's hot path (`linear.py` has the backward half). Three ways lead
from an operation to the tape, the fastest first:

- an elementwise operation with slopes is recorded as `x_dot * slope`: no rule runs;
- an operation that is linear in the traced operand is recorded as it is;
- any other runs its jvp rules on `LinearTracer`s, which record what the rules do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sys import _getframe
from types import CodeType
from typing import Any

import numpy as np

from ..core.aval import Array, ShapedArray, aval_of
from ..core.errors import NonLinearError
from ..core.primitives.contractions import matmul_p
from ..core.primitives.writing import setitem_p
from ..core.source import NEAR, user_frame
from ..core.storage import write
from ..core.tracing import Primitive, Rule, Slope, Trace, Tracer
from .captures import Captures
from .jvp import JVPTrace, JVPTracer, zeros_of
from .linear import (
    ADD,
    CAST,
    COMBINE,
    LEFT,
    NEGATE,
    RIGHT,
    SCALE,
    LinearTrace,
    LinearTracer,
    is_variable,
)

__all__ = ["LinearizeTrace", "LinearizeTracer"]

_NO_PARAMS: dict[str, Any] = {}
_ndarray = np.ndarray
_float64 = np.float64
_FLOAT64 = np.dtype(np.float64)
_asarray = np.asarray
_new = object.__new__


class LinearizeTracer(JVPTracer):
    """A value whose tangent is variable number `index` of a linear program."""

    __slots__ = ("index",)

    def __init__(
        self, trace: Trace, primal: Array, index: int, code: CodeType | None, offset: int
    ) -> None:
        self._trace = trace
        self.primal = primal
        self.index = index
        self.code = code
        self.offset = offset

    @property
    def tangent(self) -> LinearTracer:
        linear: LinearTrace = self._trace.linear  # type: ignore[attr-defined]  # a LinearizeTrace
        return LinearTracer(linear, self.index, aval_of(self.primal))


class LinearizeTrace(JVPTrace):
    """Computes values at once and records the linear part."""

    tracer = LinearizeTracer

    def __init__(self, function: str, label: str, linear: LinearTrace, captures: Captures) -> None:
        super().__init__(function)
        self.captures = captures
        self.keep = captures.keep
        self.label = label  # type: ignore[misc]  # of the transformation that the user called
        self.linear = linear
        self.tape = linear.tape

    def process1(self, primitive: Primitive, x: Array) -> Array:
        slope = primitive.slope0
        if slope is None:
            return self.process(primitive, (x,), _NO_PARAMS)
        primal = x.primal
        y = primitive.impl(primal)
        tape = self.tape
        if type(slope) is not float:
            entry = (SCALE, x.index, slope(y, primal))
            index = len(tape)
            tape.append(entry)
        elif slope == 1.0:
            index = x.index
        else:
            index = len(tape)
            tape.append((NEGATE, x.index, None))
        frame = _getframe(2)
        tracer = _new(LinearizeTracer)  # __init__, written out: a call less
        tracer._trace = self
        tracer.primal = y
        tracer.index = index
        tracer.code = frame.f_code
        tracer.offset = frame.f_lasti
        return tracer

    def process2(self, primitive: Primitive, a: Array, b: Array) -> Array:
        slope = primitive.slope0
        given_a, given_b = a, b
        if slope is None and primitive.slope1 is None:
            if primitive is matmul_p:
                return self.process_matmul(a, b)
            return self.process(primitive, (a, b), _NO_PARAMS)
        if type(a) is LinearizeTracer and a._trace is self:
            i = a.index
            a = x = a.primal
            if type(b) is float:
                if type(a) is _ndarray and a.dtype is _FLOAT64 and primitive.linear is not None:
                    b = _asarray(b)  # NumPy computes much faster with an array without axes
            elif type(b) is LinearizeTracer and b._trace is self:
                return self.process_both(primitive, i, a, b.index, b.primal)
        else:
            i = b.index
            b = x = b.primal
            slope = primitive.slope1
            if (
                type(a) is float
                and type(b) is _ndarray
                and b.dtype is _FLOAT64
                and primitive.linear is not None
            ):
                a = _asarray(a)
        y = primitive.impl(a, b)
        if slope is None:
            return y
        if not same_type(x, y):
            i = self.cast(i, x, y)
        if type(slope) is not float:
            c = slope(y, a, b)
            if type(c) is _ndarray and (c is given_a or c is given_b):
                c = self.keep(c)
            tape = self.tape
            tape.append((SCALE, i, c))
            i = len(tape) - 1
        elif slope != 1.0:
            self.tape.append((NEGATE, i, None))
            i = len(self.tape) - 1
        frame = _getframe(2)
        tracer = _new(LinearizeTracer)
        tracer._trace = self
        tracer.primal = y
        tracer.index = i
        tracer.code = frame.f_code
        tracer.offset = frame.f_lasti
        return tracer

    def process_both(self, primitive: Primitive, i: int, a: Array, j: int, b: Array) -> Array:
        """An elementwise operation with two operands that are both traced."""
        y = primitive.impl(a, b)
        first, second = primitive.slope0, primitive.slope1
        tape = self.tape
        if first is not None:
            if not same_type(a, y):
                i = self.cast(i, a, y)
            if second is not None and not same_type(b, y):
                j = self.cast(j, b, y)
        elif not same_type(b, y):
            j = self.cast(j, b, y)
        if first is None or second is None:
            i, slope = (j, second) if first is None else (i, first)
            entry: Any = (SCALE, i, slope if type(slope) is float else slope(y, a, b))
        elif type(first) is not float and type(second) is not float:
            entry = (COMBINE, (i, first(y, a, b)), (j, second(y, a, b)))
        else:
            if first != 1.0:
                i = self.scale(i, first, y, a, b)
            if second != 1.0:
                j = self.scale(j, second, y, a, b)
            entry = (ADD, i, j)
        tape.append(entry)
        frame = _getframe(3)
        return LinearizeTracer(self, y, len(tape) - 1, frame.f_code, frame.f_lasti)

    def scale(self, i: int, slope: Slope, y: Array, a: Array, b: Array) -> int:
        """Record the product of variable i with a slope."""
        entry = (NEGATE, i, None) if slope == -1.0 else (SCALE, i, slope(y, a, b))
        self.tape.append(entry)
        return len(self.tape) - 1

    def process_matmul(self, a: Array, b: Array) -> Array:
        """The one operation besides the elementwise ones that is worth a way of its own."""
        i = j = -1
        tape = self.tape
        if type(a) is LinearizeTracer and a._trace is self:
            i, a = a.index, a.primal
        if type(b) is LinearizeTracer and b._trace is self:
            j, b = b.index, b.primal
        y = matmul_p.impl(a, b)
        if i < 0 and type(a) is _ndarray:
            a = self.keep(a)
        elif j < 0 and type(b) is _ndarray:
            b = self.keep(b)
        if i >= 0:
            tape.append((LEFT, i, (b, aval_of(a))))
        if j >= 0:
            tape.append((RIGHT, j, (a, aval_of(b))))
            if i >= 0:
                tape.append((ADD, len(tape) - 2, len(tape) - 1))
        frame = _getframe(4)
        return LinearizeTracer(self, y, len(tape) - 1, frame.f_code, frame.f_lasti)

    def cast(self, i: int, x: Array, y: Array) -> int:
        """Record the broadcasting and promotion of an operand to the type of the result."""
        self.tape.append((CAST, i, (aval_of(x), aval_of(y))))
        return len(self.tape) - 1

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        single = len(args) == 1
        if not single:
            keep = self.keep
            args = [keep(a) if type(a) is _ndarray else a for a in args]
        linear = primitive.linear
        if linear is None or primitive.slopes or primitive.multiple_results or primitive.jvp:
            return super().process(primitive, args, params)
        if single:
            x = args[0]
            primal = x.primal
            tape = self.tape
            index = len(tape)
            if type(primal) is _ndarray:
                y = primitive.impl(primal, **params)
                aval = ShapedArray(primal.shape, primal.dtype)
            else:
                y = primitive.bind(primal, **params)
                aval = aval_of(primal)
            tape.append((primitive, (LinearTracer(self.linear, x.index, aval),), params))
        elif linear == "jointly":
            y, index = self.record_jointly(primitive, args, params)
            if primitive.elementwise:  # a Python number's tangent must not decide the dtype
                aval = aval_of(y)
                self.tape.append((CAST, index, (aval, aval)))
                index += 1
        else:
            y, index = self.record_separately(primitive, args, params)
        if (y.dtype if type(y) is _ndarray else aval_of(y).dtype).kind not in "fc":
            return y
        frame = user_frame(2, NEAR)
        if frame is None:
            return LinearizeTracer(self, y, index, None, 0)
        return LinearizeTracer(self, y, index, frame.f_code, frame.f_lasti)

    def whole_rule(self, primitive: Primitive) -> Rule | None:
        return primitive.linearize or primitive.jvp

    def close(self) -> None:
        super().close()
        # Tracers that outlive the trace, as in a closure, must not keep the residuals.
        for name in ("keep", "linear", "tape"):
            self.__dict__.pop(name, None)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        arrays = [self.keep(a) if type(a) is _ndarray else a for a in arrays]
        x_dot = v_dot = None
        if type(x) is LinearizeTracer and x._trace is self:
            x, x_dot = x.primal, x.tangent
        if type(v) is LinearizeTracer and v._trace is self:
            v, v_dot = v.primal, v.tangent
        y = write(x, v, arrays, index, exclusive)
        if y.dtype.kind not in "fc" or (x_dot is None and v_dot is None):
            return y
        operands = (
            zeros_of(y) if x_dot is None else x_dot,
            zeros_of(v) if v_dot is None else v_dot,
            *arrays,
        )
        self.tape.append((setitem_p, operands, {"index": index}))
        frame = user_frame(2, NEAR)
        code, offset = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        return LinearizeTracer(self, y, len(self.tape) - 1, code, offset)

    def record_jointly(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> tuple[Array, int]:
        """Record an operation that is linear in some operands together: the others get zeros."""
        linear = primitive.linear_in(params)
        primals: list[Array] = []
        operands: list[Array] = []
        for k, a in enumerate(args):
            if type(a) is LinearizeTracer and a._trace is self:
                primals.append(a.primal)
                operands.append(a.tangent if k in linear else a.primal)
            else:
                primals.append(a)
                operands.append(zeros_of(a) if k in linear else a)
        y = primitive.bind(*primals, **params)
        self.tape.append((primitive, tuple(operands), params))
        return y, len(self.tape) - 1

    def record_separately(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> tuple[Array, int]:
        """Record an operation that is linear in some operands, one by one: a sum of terms."""
        primals = list(args)
        active: list[int] = []
        for k, a in enumerate(args):
            if type(a) is LinearizeTracer and a._trace is self:
                primals[k] = a.primal
                active.append(k)
        y = primitive.bind(*primals, **params)
        linear = primitive.linear_in(params)
        tape = self.tape
        index = -1
        for k in active:
            t = args[k].tangent
            if k in linear:
                term = len(tape)
                tape.append((primitive, (*primals[:k], t, *primals[k + 1 :]), params))
            else:
                rule = primitive.jvps[k] if primitive.jvps is not None else None
                if rule is None:
                    primitive.missing("jvps", self.label, k)
                term = rule(t, y, *primals, **params).index
            if index >= 0:
                tape.append((ADD, index, term))
                term = len(tape) - 1
            index = term
        return y, index

    def wrap(self, y: Array, y_dot: Array | None, code: CodeType | None, offset: int) -> Array:
        if y_dot is None or aval_of(y).dtype.kind not in "fc":
            return y
        if not is_variable(y_dot, self.tape):
            raise NonLinearError(
                f"{self.label}: a rule gave a tangent that does not depend on the operand's "
                "tangent.",
                got=repr(y_dot),
                needed="a jvp rule that is linear in x_dot",
            )
        return LinearizeTracer(self, y, y_dot.index, code, offset)


def same_type(x: Array, y: Array) -> bool:
    """True if two values have the same shape and dtype."""
    kind = type(y)
    if type(x) is kind:
        if kind is _ndarray:
            same: bool = x.shape == y.shape and x.dtype is y.dtype
            return same
        if kind is _float64 or kind is float:
            return True
    elif kind is _float64 and type(x) is float:
        return True
    traced = isinstance(x, Tracer) and isinstance(y, Tracer)
    if traced and x.shape:
        found: bool = x.shape == y.shape and x.dtype == y.dtype
        return found
    return aval_of(x) == aval_of(y)
