"""Linear programs: recording one, and running it forward.

`LinearTrace` records operations on tangents: `T a -> T b`, linear, in single-assignment form. The
record is a list of tuples, a compact form of the IR's equations: an entry's position is the number
of the variable that it defines, and constants (the residuals) sit in the entries. `pushforward`
evaluates it; `backward.py` evaluates its transpose, and `tape_program.py` writes it out.

`x_dot * c`, the commonest operation by far, is recorded by the operator itself. Read next:
`recording.py`, which writes the tape in linearization, and `linearize.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..core.array_tracer import ArrayTracer
from ..core.aval import Array, ShapedArray, aval_of
from ..core.errors import ConcretizationError, NonLinearError
from ..core.primitives.contractions import matmul_p
from ..core.primitives.elementwise import multiply_p
from ..core.rules import fit
from ..core.tracing import Primitive, Trace, Tracer
from .captures import Captures

__all__ = ["LinearTrace", "LinearTracer", "Tape", "pushforward"]

# Entries of a tape are triples. The first item is a primitive, followed by its operands and
# parameters; or one of these marks, followed by numbers of variables and by constants, for
# operations that need no undoing of broadcasting.
SCALE: Final = "x * c"
DIVIDE: Final = "x / c"
NEGATE: Final = "-x"
ADD: Final = "x + y"
COMBINE: Final = "x * c + y * d"
LEFT: Final = "x @ b"
RIGHT: Final = "a @ x"
CAST: Final = "x, broadcast and cast from one type to another"
PART: Final = "result k of an operation with several results"

Entry = tuple[Any, Any, Any]
Tape = list[Entry]

_NO_PARAMS: dict[str, Any] = {}
_ndarray = np.ndarray
_float64 = np.float64
_FLOAT64 = np.dtype(np.float64)
_multiply, _divide = ArrayTracer.__mul__, ArrayTracer.__truediv__
_add, _negate = ArrayTracer.__add__, ArrayTracer.__neg__


class LinearTracer(ArrayTracer):
    """A variable of a linear program: a number and, once somebody needs it, a type."""

    __slots__ = ("index", "known_aval")

    def __init__(self, trace: LinearTrace, index: int, known_aval: ShapedArray | None) -> None:
        self._trace = trace
        self.index = index
        self.known_aval = known_aval

    @property
    def aval(self) -> ShapedArray:
        if self.known_aval is None:
            infer_aval(self)
        return self.known_aval  # type: ignore[return-value]  # just set

    @property
    def shape(self) -> tuple[int, ...]:
        aval = self.known_aval
        return self.aval.shape if aval is None else aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        aval = self.known_aval
        return self.aval.dtype if aval is None else aval.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __mul__(self, c: Array) -> Array:
        aval = self.known_aval
        if aval is not None and keeps_type(aval, c):
            trace: LinearTrace = self._trace  # type: ignore[assignment]
            if trace.captures is not None and type(c) is _ndarray:
                c = trace.captures.keep(c)
            out = LinearTracer(trace, len(trace.tape), aval)
            trace.tape.append((SCALE, self.index, c))
            return out
        return _multiply(self, c)

    def __truediv__(self, c: Array) -> Array:
        aval = self.known_aval
        if aval is not None and keeps_type(aval, c):
            trace: LinearTrace = self._trace  # type: ignore[assignment]
            if trace.captures is not None and type(c) is _ndarray:
                c = trace.captures.keep(c)
            out = LinearTracer(trace, len(trace.tape), aval)
            trace.tape.append((DIVIDE, self.index, c))
            return out
        return _divide(self, c)

    def __neg__(self) -> Array:
        if self.known_aval is None:
            return _negate(self)
        trace: LinearTrace = self._trace  # type: ignore[assignment]
        out = LinearTracer(trace, len(trace.tape), self.known_aval)
        trace.tape.append((NEGATE, self.index, None))
        return out

    def __add__(self, other: Array) -> Array:
        if type(other) is LinearTracer and other._trace is self._trace:
            aval, its = self.known_aval, other.known_aval
            if aval is not None and (aval is its or aval == its):
                trace: LinearTrace = self._trace  # type: ignore[assignment]
                out = LinearTracer(trace, len(trace.tape), aval)
                trace.tape.append((ADD, self.index, other.index))
                return out
        return _add(self, other)

    def move(self, trace: Trace) -> None:
        infer_aval(self)
        self._trace = trace
        self.__class__ = _WrittenLinearTracer

    def concrete(self) -> Array:
        raise ConcretizationError("a tangent has no value while a linear program is recorded.")

    def why_not_concrete(self) -> str:
        return "it is the argument of a linear function, which is recorded and not run."

    def describe(self) -> str:
        return f"<traced tangent {self.aval!r} in {self._trace!r}>"


class _WrittenLinearTracer(LinearTracer):
    """A variable that was written to: its operators ask the storage, as all tracers' do."""

    __slots__ = ()
    __mul__, __truediv__, __neg__, __add__ = _multiply, _divide, _negate, _add


def is_variable(x: Array, tape: Tape) -> bool:
    """True for a variable of this tape; one of an outer linear program is a constant to it."""
    return type(x) is LinearTracer and x._trace.tape is tape  # type: ignore[attr-defined]


def keeps_type(aval: ShapedArray, c: Array) -> bool:
    """True if multiplying by the constant `c`, or dividing, changes neither shape nor dtype."""
    kind = type(c)
    if kind is _ndarray:
        same: bool = c.dtype is aval.dtype and c.shape == aval.shape
        return same
    if kind is _float64:
        return aval.dtype is _FLOAT64 and not aval.weak_type
    return kind is float or kind is int


class LinearTrace(Trace):
    """Records a linear program.

    `captures` keeps the arrays of the user's own function; those of rules need no keeping.
    """

    label = "linear_transpose"

    def __init__(self, function: str, captures: Captures | None = None) -> None:
        super().__init__(function)
        self.tape: Tape = []
        self.captures = captures

    def variables(self, n: int) -> range:
        """The numbers of n inputs of the program, which come before the first operation."""
        self.tape += [(None, None, None)] * n
        return range(n)

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        if self.captures is not None:
            keep = self.captures.keep
            args = [keep(a) if type(a) is _ndarray else a for a in args]
        if len(args) == 1 and primitive.linear_args == (0,):
            return self.record(primitive, tuple(args), params)
        active = [i for i, a in enumerate(args) if type(a) is LinearTracer and a._trace is self]
        self.check_linear(primitive, args, active, params)
        if primitive is multiply_p and active[0] == 1:
            args = (args[1], args[0])  # the tangent first, as elsewhere on the tape
        return self.record(primitive, tuple(args), params)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        if primitive is multiply_p and type(y) is LinearTracer and not isinstance(x, Tracer):
            return y * x  # as recorded by the operator, which is quicker
        if primitive is matmul_p:
            left = type(x) is LinearTracer and x._trace is self
            if left != (type(y) is LinearTracer and y._trace is self):
                return self.matmul(x, y, left)
        return self.process(primitive, (x, y), _NO_PARAMS)

    def matmul(self, x: Array, y: Array, left: bool) -> Array:
        """The product of a traced matrix and another, in the one order or in the other."""
        t, other = (x, y) if left else (y, x)
        if self.captures is not None and type(other) is _ndarray:
            other = self.captures.keep(other)
        aval = t.aval
        due = matmul_p.shape(aval_of(x), aval_of(y))  # type: ignore[misc]  # it has one
        self.tape.append((LEFT if left else RIGHT, t.index, (other, aval)))
        return LinearTracer(self, len(self.tape) - 1, due)

    def check_linear(
        self,
        primitive: Primitive,
        args: Sequence[Array],
        active: Sequence[int],
        params: Mapping[str, Any],
    ) -> None:
        """Raise unless the operation is linear in its traced operands."""
        linear = primitive.linear_in(params)
        inside = all([i in linear for i in active])
        if primitive.linear == "separately" and inside and len(active) == 1:
            return
        if primitive.linear == "jointly" and inside:
            for i, a in enumerate(args):
                if i not in active and i in linear and not _is_zero(a):
                    raise NonLinearError(
                        f"{self.label}: {self.function} is affine, not linear: {primitive.name!r} "
                        "has a constant operand.",
                        got=", ".join([repr(aval_of(a)) for a in args]),
                        fix="subtract the value at zero: g = lambda x: f(x) - f(0)",
                    )
            return
        raise NonLinearError(
            f"{self.label}: {self.function} is not linear: it applies {primitive.name!r} to its "
            "argument.",
            got=f"{primitive.name} of " + ", ".join([repr(aval_of(a)) for a in args]),
            needed="operations that are linear in the argument: +, -, multiplication by "
            "constants, sums, indexing, ...",
            fix="use linearize or vjp, which take the linear part of any function at a point",
        )

    def record(
        self, primitive: Primitive, args: tuple[Array, ...], params: Mapping[str, Any]
    ) -> Array:
        """Append an equation, and return its result or results."""
        tape = self.tape
        i = len(tape)
        tape.append((primitive, args, params))
        if not primitive.multiple_results:
            return LinearTracer(self, i, None)
        assert primitive.shape is not None
        avals = primitive.shape(*[aval_of(a) for a in args], **params)
        results = []
        for k, aval in enumerate(avals):
            results.append(LinearTracer(self, len(tape), aval))
            tape.append((PART, i, k))
        return tuple(results)


def _is_zero(x: Array) -> bool:
    return not isinstance(x, Tracer) and not np.any(x)


def infer_aval(tracer: LinearTracer) -> None:
    """Find the type of a variable, and of those that it was made of; without recursion, as chains
    may be long.
    """
    stack = [tracer]
    while stack:
        x = stack[-1]
        if x.known_aval is not None:
            stack.pop()
            continue
        # Marks are recorded for variables of known type only, so this is an equation.
        tape: Tape = x._trace.tape  # type: ignore[attr-defined]  # its own: it may be an outer one
        primitive, args, params = tape[x.index]
        unknown = [v for v in args if type(v) is LinearTracer and v.known_aval is None]
        if unknown:
            stack += unknown
            continue
        if primitive.shape is None:
            primitive.missing("shape", "linearize")
        x.known_aval = primitive.shape(*[aval_of(v) for v in args], **params)


# Running forward.


def pushforward(
    tape: Tape, tangents: Sequence[Array | None], outputs: Sequence[int | None]
) -> list[Array | None]:
    """Evaluate a linear program: one value for each output. None stands for a zero, here and
    there.
    """
    env: list[Any] = list(tangents) + [None] * (len(tape) - len(tangents))
    for i in range(len(tangents), len(tape)):
        kind, a, b = tape[i]
        if kind is ADD:
            x, y = env[a], env[b]
            env[i] = y if x is None else x if y is None else x + y
            continue
        if kind is COMBINE:
            x, y = env[a[0]], env[b[0]]
            if x is not None:
                x = x * a[1]
            if y is not None:
                y = y * b[1]
            env[i] = y if x is None else x if y is None else x + y
            continue
        if type(kind) is not str:
            env[i] = _apply(kind, a, b, env, tape)
            continue
        x = env[a]
        if x is None:
            continue
        if kind is SCALE:
            env[i] = x * b
        elif kind is DIVIDE:
            env[i] = x / b
        elif kind is NEGATE:
            env[i] = -x
        elif kind is LEFT:
            env[i] = x @ b[0]
        elif kind is RIGHT:
            env[i] = b[0] @ x
        elif kind is CAST:
            env[i] = fit(x, b[1])
        elif kind is PART:
            env[i] = x[b]
    return [None if out is None else env[out] for out in outputs]


def _apply(
    primitive: Primitive, args: Sequence[Any], params: Any, env: Sequence[Any], tape: Tape
) -> Any:
    """An equation of a tape, None if all of its variables are zero."""
    values = []
    zero = True
    for v in args:
        if is_variable(v, tape):
            x = env[v.index]
            if x is None:
                x = np.zeros(v.shape, v.dtype)
            else:
                zero = False
            v = x
        values.append(v)
    return None if zero else primitive.bind(*values, **params)
