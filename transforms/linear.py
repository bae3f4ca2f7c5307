"""Linear programs: recording one, running it forward, and running its transpose backward.

`LinearTrace` records operations on tangents: `T a -> T b`, linear, in single-assignment form. The
record is a list of tuples, a compact form of the IR's equations: an entry's position is the number
of the variable that it defines, and constants (the residuals) sit in the entries. `pushforward`
evaluates it, `backward_pass` evaluates its transpose by one walk in reverse, and `to_program`
writes it out as an ordinary `Program`.

This is the hot path of reverse mode. `x_dot * c`, the commonest operation by far, is recorded by
the operator itself. Read next: `recording.py`, which writes the tape in linearization, and
`linearize.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from ..core.array_tracer import ArrayTracer
from ..core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ..core.errors import ConcretizationError, NonLinearError
from ..core.ir import Atom, Equation, Literal, Program, Var
from ..core.primitives.elementwise import add_p, astype_p, divide_p, multiply_p, negative_p
from ..core.primitives.indexing import scatter_sum_p
from ..core.primitives.shaping import broadcast_to_p
from ..core.rules import fit, unbroadcast
from ..core.tracing import Primitive, Trace, Tracer
from ..core.tree import TreeDef

__all__ = ["LinearTrace", "LinearTracer", "Tape", "backward_pass", "pushforward", "to_program"]

# Entries of a tape are triples. The first item is a primitive, followed by its operands and
# parameters; or one of these marks, followed by numbers of variables and by constants, for
# operations that need no undoing of broadcasting.
SCALE: Final = "x * c"
DIVIDE: Final = "x / c"
NEGATE: Final = "-x"
ADD: Final = "x + y"
COMBINE: Final = "x * c + y * d"
CAST: Final = "x, broadcast and cast from one type to another"
PART: Final = "result k of an operation with several results"

Entry = tuple[Any, Any, Any]
Tape = list[Entry]

_ndarray = np.ndarray
_float64 = np.float64
_FLOAT64 = np.dtype(np.float64)
_SCALAR = SCALAR_AVALS[np.float64]
_multiply, _divide = ArrayTracer.__mul__, ArrayTracer.__truediv__
_multiply_into = np.multiply
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
        kind = type(c)
        # Does the product have the type of the tangent? Written out here, where every call counts.
        if (
            (c.dtype is aval.dtype and c.shape == aval.shape)
            if kind is _ndarray and aval is not None
            else aval is _SCALAR or (aval is not None and keeps_type(aval, c))
            if kind is _float64
            else (kind is float or kind is int) and aval is not None
        ):
            trace: LinearTrace = self._trace  # type: ignore[assignment]
            tape = trace.tape
            out = LinearTracer(trace, len(tape), aval)
            tape.append((SCALE, self.index, c))
            return out
        return _multiply(self, c)

    def __truediv__(self, c: Array) -> Array:
        aval = self.known_aval
        if aval is not None and keeps_type(aval, c):
            trace: LinearTrace = self._trace  # type: ignore[assignment]
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

    def concrete(self) -> Array:
        raise ConcretizationError("a tangent has no value while a linear program is recorded.")

    def why_not_concrete(self) -> str:
        return "it is the argument of a linear function, which is recorded and not run."

    def __repr__(self) -> str:
        return f"<traced tangent {self.aval!r} in {self._trace!r}>"


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
    """Records a linear program."""

    label = "linear_transpose"

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.tape: Tape = []

    def variable(self, aval: ShapedArray) -> LinearTracer:
        """A new input of the program; all inputs come before the first operation."""
        tracer = LinearTracer(self, len(self.tape), aval)
        self.tape.append((None, None, None))
        return tracer

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        active = [i for i, a in enumerate(args) if type(a) is LinearTracer and a._trace is self]
        self.check_linear(primitive, args, active, params)
        if (
            primitive is multiply_p and active[0] == 1
        ):  # the tangent first, as elsewhere on the tape
            args = (args[1], args[0])
        return self.record(primitive, tuple(args), params)

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
    tape: Tape = tracer._trace.tape  # type: ignore[attr-defined]
    stack = [tracer]
    while stack:
        x = stack[-1]
        if x.known_aval is not None:
            stack.pop()
            continue
        primitive, args, params = tape[
            x.index
        ]  # marks are recorded for variables of known type only
        unknown = [v for v in args if type(v) is LinearTracer and v.known_aval is None]
        if unknown:
            stack += unknown
            continue
        if primitive.shape is None:
            primitive.missing("shape", "linearize")
        x.known_aval = primitive.shape(*[aval_of(v) for v in args], **params)


# Running forward.


def pushforward(
    tape: Tape, tangents: Sequence[Array], outputs: Sequence[int | None]
) -> list[Array | None]:
    """Evaluate a linear program: one value for each output, None where the output is zero."""
    env: list[Any] = list(tangents) + [None] * (len(tape) - len(tangents))
    for i in range(len(tangents), len(tape)):
        kind, a, b = tape[i]
        if kind is SCALE:
            env[i] = env[a] * b
        elif kind is DIVIDE:
            env[i] = env[a] / b
        elif kind is ADD:
            env[i] = env[a] + env[b]
        elif kind is NEGATE:
            env[i] = -env[a]
        elif kind is COMBINE:
            env[i] = env[a[0]] * a[1] + env[b[0]] * b[1]
        elif kind is CAST:
            env[i] = fit(env[a], b[1])
        elif kind is PART:
            env[i] = env[a][b]
        else:
            env[i] = kind.bind(*[env[v.index] if type(v) is LinearTracer else v for v in a], **b)
    return [None if out is None else env[out] for out in outputs]


# Running backward.


class _Pieces:
    """A cotangent kept as contributions to parts of an array, because they are traced and cannot be
    added in place.
    """

    __slots__ = ("arrays", "aval", "cts", "dense", "places")

    def __init__(self, dense: Array, aval: ShapedArray) -> None:
        self.dense = dense
        self.aval = aval
        self.cts: list[Array] = []
        self.arrays: list[Array] = []
        self.places: list[Any] = []

    def add(self, ct: Array, arrays: Sequence[Array], index: Any) -> None:
        self.cts.append(ct)
        self.arrays += arrays
        self.places.append((index, len(arrays)))

    def total(self) -> Array:
        aval = self.aval
        y = scatter_sum_p.bind(
            *self.cts, *self.arrays, places=tuple(self.places), shape=aval.shape, dtype=aval.dtype
        )
        return y if self.dense is None else self.dense + y


class _Cotangents:
    """Cotangents of all variables of a tape, and which of their buffers this pass owns and may
    write to.
    """

    __slots__ = ("of", "owned")

    def __init__(self, n: int) -> None:
        self.of: list[Any] = [None] * n
        self.owned: set[int] = set()

    def add(self, i: int, ct: Array) -> None:
        """Add `ct` to the cotangent of variable i."""
        old = self.of[i]
        if old is None:
            self.of[i] = ct
        elif type(old) is _Pieces:
            old.dense = ct if old.dense is None else old.dense + ct
        elif i in self.owned and type(ct) is np.ndarray:
            old += ct
        else:
            total = self.of[i] = old + ct
            if type(total) is np.ndarray:
                self.owned.add(i)

    def add_at(
        self, x: LinearTracer, ct: Array, primitive: Primitive, args: Sequence[Any], index: Any
    ) -> None:
        """Add the transpose of an indexing operation: into the buffer where it is plain, as a piece
        where it is not.
        """
        i, arrays = x.index, args[1:]
        old = self.of[i]
        if (
            type(old) is _Pieces
            or isinstance(old, Tracer)
            or any([isinstance(v, Tracer) for v in (ct, *arrays)])
        ):
            if type(old) is not _Pieces:
                old = self.of[i] = _Pieces(old, x.aval)
            old.add(ct, arrays, index)
            return
        if i not in self.owned:
            aval = x.aval
            old = self.of[i] = np.zeros(aval.shape, aval.dtype) if old is None else np.array(old)
            self.owned.add(i)
        assert primitive.accumulate is not None
        primitive.accumulate(old, ct, x, *arrays, index=index)


def backward_pass(
    tape: Tape,
    n_inputs: int,
    outputs: Sequence[int | None],
    cts: Sequence[Array],
    avals: Sequence[ShapedArray],
    once: bool,
) -> list[Array]:
    """Evaluate the transpose of a linear program by one walk in reverse.

    Args:
        tape: the program.
        n_inputs: how many of its variables are inputs.
        outputs: its outputs; None for one that is zero.
        cts: a cotangent for each output.
        avals: the types of the inputs.
        once: free each entry when it has been used.

    Returns:
        The cotangents of the inputs: arrays that nothing else refers to.
    """
    table = _Cotangents(len(tape))
    of, add = table.of, table.add
    for out, ct in zip(outputs, cts, strict=True):
        if out is not None:
            add(out, ct)
    fresh = -1
    for i in range(len(tape) - 1, n_inputs - 1, -1):
        ct = of[i]
        kind, a, b = tape[i]
        if once:
            tape[i] = None  # type: ignore[call-overload]  # so that residuals do not outlive their use
        if ct is None:
            continue
        of[i] = None
        if type(ct) is _Pieces:
            ct = ct.total()
        if kind is SCALE:
            # In a chain, the cotangent that the last step made is nobody else's: it is multiplied
            # in place.
            ct = (
                _multiply_into(ct, b, ct)
                if i == fresh and type(ct) is _ndarray and type(b) is _ndarray
                else ct * b
            )
            if of[a] is None:
                of[a] = ct
                fresh = a
            else:
                add(a, ct)
            continue
        fresh = -1
        if kind is COMBINE:
            add(a[0], ct * a[1])
            add(b[0], ct * b[1])
        elif kind is CAST:
            add(a, unbroadcast(ct, b[0]))
        elif kind is ADD:
            add(a, ct)
            add(b, ct)
        elif kind is DIVIDE:
            add(a, ct / b)
        elif kind is NEGATE:
            add(a, -ct)
        elif kind is PART:
            if of[a] is None:
                of[a] = {}
            of[a][b] = ct
        else:
            _transpose_equation(table, kind, a, b, ct)
    seeds = {id(ct) for ct in cts}
    return [_finish(table, i, avals[i], seeds) for i in range(n_inputs)]


def _transpose_equation(
    table: _Cotangents,
    primitive: Primitive,
    args: Sequence[Any],
    params: Mapping[str, Any],
    ct: Array,
) -> None:
    """Hand the cotangent of an equation's result on to its operands."""
    if primitive.multiple_results:
        out = primitive.shape(*[aval_of(v) for v in args], **params)  # type: ignore[misc]
        ct = tuple([ct[k] if k in ct else np.zeros(v.shape, v.dtype) for k, v in enumerate(out)])
    for k, x in enumerate(args):
        if type(x) is not LinearTracer:
            continue
        if primitive.accumulate is not None and x.shape:
            table.add_at(x, ct, primitive, args, params["index"])
            continue
        rule = None if primitive.transposes is None else primitive.transposes[k]
        if rule is None:
            primitive.missing("transposes", "the backward pass", k)
        table.add(x.index, rule(ct, *args, **params))


def _finish(table: _Cotangents, i: int, aval: ShapedArray, seeds: set[int]) -> Array:
    """The cotangent of input i: zeros if nothing reached it, and never an array that somebody else
    may hold.
    """
    ct = table.of[i]
    if ct is None:
        return np.zeros(aval.shape, aval.dtype) if aval.shape else aval.dtype.type(0)
    if type(ct) is _Pieces:
        ct = ct.total()
    if type(ct) is np.ndarray:
        if not aval.shape:
            return ct[()]
        if i not in table.owned and (
            ct.base is not None or not ct.flags.writeable or id(ct) in seeds
        ):
            ct = ct.copy()
        seeds.add(id(ct))
        return ct
    return (
        aval.dtype.type(ct) if type(ct) is float or type(ct) is complex or type(ct) is int else ct
    )


# Writing the program out.


def to_program(
    tape: Tape,
    in_avals: Sequence[ShapedArray],
    outputs: Sequence[int | None],
    out_avals: Sequence[ShapedArray],
    *,
    name: str,
    in_tree: TreeDef,
    out_tree: TreeDef,
) -> Program:
    """The tape as a `Program`: residual arrays are its constants."""
    variables: dict[int, Any] = {i: Var(aval) for i, aval in enumerate(in_avals)}
    constants: list[tuple[Var, Array]] = []
    names: dict[int, Var] = {}
    equations: list[Equation] = []

    def atom(v: Any) -> Atom:
        if type(v) is LinearTracer:
            found: Var = variables[v.index]
            return found
        if np.ndim(v) == 0 and not isinstance(v, Tracer):
            return Literal(v[()] if type(v) is np.ndarray else v)
        if id(v) not in names:
            names[id(v)] = Var(aval_of(v))
            constants.append((names[id(v)], v))
        return names[id(v)]

    def emit(primitive: Primitive, inputs: Sequence[Atom], params: Mapping[str, Any]) -> Any:
        due = primitive.shape(*[x.aval for x in inputs], **params)  # type: ignore[misc]  # recorded with it
        found = [Var(v) for v in due] if primitive.multiple_results else [Var(due)]
        equations.append(Equation(primitive, inputs, found, params))
        return found if primitive.multiple_results else found[0]

    for i in range(len(in_avals), len(tape)):
        kind, a, b = tape[i]
        if kind is PART:
            variables[i] = variables[a][b]
        elif kind is COMBINE:
            terms = [emit(multiply_p, [variables[j], atom(c)], {}) for j, c in (a, b)]
            variables[i] = emit(add_p, terms, {})
        elif kind is ADD:
            variables[i] = emit(add_p, [variables[a], variables[b]], {})
        elif kind is CAST:
            v = variables[a]
            if v.aval.shape != b[1].shape:
                v = emit(broadcast_to_p, [v], {"shape": b[1].shape})
            if v.aval.dtype != b[1].dtype:
                v = emit(astype_p, [v], {"dtype": b[1].dtype})
            variables[i] = v
        elif kind is NEGATE:
            variables[i] = emit(negative_p, [variables[a]], {})
        elif type(kind) is not Primitive:
            variables[i] = emit(
                multiply_p if kind is SCALE else divide_p, [variables[a], atom(b)], {}
            )
        else:
            variables[i] = emit(kind, [atom(v) for v in a], b)

    def result(out: int | None, aval: ShapedArray) -> Atom:
        if out is not None:
            found: Var = variables[out]
            return found
        return atom(np.zeros(aval.shape, aval.dtype) if aval.shape else aval.dtype.type(0))

    results = [result(out, aval) for out, aval in zip(outputs, out_avals, strict=True)]
    inputs = [variables[i] for i in range(len(in_avals))]
    return Program(
        inputs, equations, results, constants, name=name, in_tree=in_tree, out_tree=out_tree
    )
