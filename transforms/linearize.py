"""Linearization and reverse mode: `linearize : (a -> b) -> a -> (b, T a -o T b)`, and `vjp`, its
transpose.

The function runs once, on a `JVPTrace` whose tangents are variables of a linear program: values are
computed by NumPy at once, and what the rules do to tangents is recorded. The linear program is then
run forward (`linearize`), or its transpose backward (`vjp`), as often as one likes.
`linear_transpose` records a function that is linear itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import _getframe
from types import CodeType
from typing import Any

import numpy as np

from ..core import tree
from ..core.aval import Array, ShapedArray, aval_of
from ..core.errors import DtypeError, NonLinearError
from ..core.ir import Program
from ..core.source import boundary, describe_function
from ..core.tracing import Primitive, Trace
from .api import (
    check_differentiable,
    flatten_arguments,
    flatten_result,
    plain_output,
    split_aux,
)
from .jvp import JVPTrace, JVPTracer, match_leaf, primal_part
from .linear import (
    ADD,
    COMBINE,
    NEGATE,
    SCALE,
    LinearTrace,
    LinearTracer,
    Tape,
    backward_pass,
    pushforward,
    to_program,
)

__all__ = ["LinearFunction", "linear_transpose", "linearize", "record", "vjp"]

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
    """Computes values at once and records the linear part.

    What `x_dot * slope` records is written out here, for operations with one or two operands whose
    results have the type of the traced operands; everything else goes the general way, by rules
    that run on `LinearTracer`s.
    """

    tracer = LinearizeTracer

    def __init__(self, function: str, label: str, linear: LinearTrace) -> None:
        super().__init__(function)
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
        same = False
        if type(a) is LinearizeTracer and a._trace is self:
            i = a.index
            a = x = a.primal
            slope = primitive.slope0
            if type(b) is float:
                if type(a) is _ndarray and a.dtype is _FLOAT64 and primitive.linear is not None:
                    b = _asarray(b)  # NumPy computes much faster with an array without axes
                    same = True
            elif type(b) is LinearizeTracer and b._trace is self:
                return self.process_both(primitive, i, a, b.index, b.primal)
        else:
            i = b.index
            b = x = b.primal
            slope = primitive.slope1
        y = primitive.impl(a, b)
        if not same and (slope is None or not same_type(x, y)):
            tangent = LinearTracer(self.linear, i, aval_of(x))
            tangents = (tangent, None) if x is a else (None, tangent)
            return self.finish(primitive, (a, b), tangents, y, _NO_PARAMS)
        if type(slope) is not float:
            c = slope(y, a, b)
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
        """An operation with two operands that are both traced."""
        y = primitive.impl(a, b)
        first, second = primitive.slope0, primitive.slope1
        if first is None or second is None or not same_type(a, y) or not same_type(b, y):
            tangents = [LinearTracer(self.linear, k, aval_of(x)) for k, x in ((i, a), (j, b))]
            return self.finish(primitive, (a, b), tangents, y, _NO_PARAMS)
        tape = self.tape
        if type(first) is not float and type(second) is not float:
            entry: Any = (COMBINE, (i, first(y, a, b)), (j, second(y, a, b)))
        else:
            if second == -1.0:
                tape.append((NEGATE, j, None))
                j = len(tape) - 1
            elif type(second) is not float:
                tape.append((SCALE, j, second(y, a, b)))
                j = len(tape) - 1
            entry = (ADD, i, j)
        index = len(tape)
        tape.append(entry)
        frame = _getframe(3)
        return LinearizeTracer(self, y, index, frame.f_code, frame.f_lasti)

    def wrap(self, y: Array, y_dot: Array | None, code: CodeType | None, offset: int) -> Array:
        if y_dot is None or aval_of(y).dtype.kind not in "fc":
            return y
        if type(y_dot) is not LinearTracer:
            raise NonLinearError(
                f"{self.label}: a rule gave a tangent that does not depend on the operand's "
                "tangent.",
                got=repr(y_dot),
                needed="a jvp rule that is linear in x_dot",
            )
        return LinearizeTracer(self, y, y_dot.index, code, offset)


def same_type(x: Array, y: Array) -> bool:
    """True if two values have the same shape and dtype."""
    kind = type(x)
    if kind is type(y):
        if kind is _ndarray:
            same: bool = x.shape == y.shape and x.dtype is y.dtype
            return same
        if kind is _float64 or kind is float:
            return True
    return aval_of(x) == aval_of(y)


class LinearFunction:
    """A linear map `T a -o T b`, recorded as a linear program.

    Call it with tangents; `transpose` takes cotangents; `program` is the linear program, to print
    or to pass on.
    """

    __slots__ = ("in_avals", "in_tree", "name", "out_avals", "out_tree", "outputs", "tape")

    def __init__(
        self,
        name: str,
        tape: Tape,
        in_tree: tree.TreeDef,
        in_avals: Sequence[ShapedArray],
        outputs: Sequence[int | None],
        out_tree: tree.TreeDef,
        out_avals: Sequence[ShapedArray],
    ) -> None:
        self.name = name
        self.tape = tape
        self.in_tree = in_tree
        self.in_avals = in_avals
        self.outputs = outputs
        self.out_tree = out_tree
        self.out_avals = out_avals

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def program(self) -> Program:
        """The linear program; the residuals are its constants."""
        return to_program(
            self.tape,
            self.in_avals,
            self.outputs,
            self.out_avals,
            name=self.name,
            in_tree=self.in_tree,
            out_tree=self.out_tree,
        )

    @boundary
    def __call__(self, *tangents: Any) -> Any:
        return _push(self, tangents)

    @boundary
    def transpose(self, ct: Any, *, once: bool = False) -> tuple[Any, ...]:
        """Apply the transposed map to a cotangent of the result's structure; returns a tuple, one
        item an argument.

        With `once` the recorded program is used up, so that its memory is freed on the way.
        """
        cts = cotangent_leaves(self, ct)
        leaves = backward_pass(
            self.tape, len(self.in_avals), self.outputs, cts, self.in_avals, once
        )
        found: tuple[Any, ...] = tree.unflatten(self.in_tree, leaves)
        return found

    def __repr__(self) -> str:
        return f"<linear map {self.name}: {tuple(self.in_avals)} -o {tuple(self.out_avals)}>"


def _push(linear: LinearFunction, tangents: tuple[Any, ...]) -> Any:
    operation = f"the linear map of {linear.name}"
    leaves, treedef = tree.flatten(tangents)
    tree.check_same_structure(linear.in_tree, treedef, operation, "the tangents", "the primals")
    paths = [path for path, _ in tree.leaves_with_path(tangents)]
    dots = [
        match_leaf(operation, f"the tangent {path}", t, aval, "its primal")
        for path, t, aval in zip(paths, leaves, linear.in_avals, strict=True)
    ]
    results = pushforward(linear.tape, dots, linear.outputs)
    filled = [
        np.zeros(aval.shape, aval.dtype) if y is None else y
        for y, aval in zip(results, linear.out_avals, strict=True)
    ]
    passed_on = {id(t) for t in dots}
    return tree.unflatten(
        linear.out_tree,
        [
            plain_output(y.copy() if type(y) is np.ndarray and id(y) in passed_on else y)
            for y in filled
        ],
    )


def cotangent_leaves(linear: LinearFunction, ct: Any) -> list[Array]:
    """The leaves of a cotangent, checked against the result's structure and types."""
    operation = f"the pullback of {linear.name}"
    leaves, treedef = tree.flatten(ct)
    tree.check_same_structure(
        linear.out_tree, treedef, operation, "the cotangent", "the function's result"
    )
    paths = [path for path, _ in tree.leaves_with_path(ct)]
    return [
        match_leaf(operation, f"the cotangent{path and ' '}{path}", t, aval, "the result")
        if aval.dtype.kind in "fc"
        else t
        for path, t, aval in zip(paths, leaves, linear.out_avals, strict=True)
    ]


def record(
    label: str, fun: Callable[..., Any], primals: Sequence[Any], has_aux: bool = False
) -> tuple[Any, LinearFunction, Any]:
    """Run a function at `primals`, recording its linear part: (result, linear function, aux)."""
    name = describe_function(fun)
    operation = f"{label} of {name}"
    leaves, in_tree = flatten_arguments(operation, primals)
    check_differentiable(operation, primals, leaves)
    linear = LinearTrace(name)
    trace = LinearizeTrace(name, label, linear)
    try:
        tracers = [
            LinearizeTracer(trace, x, linear.variable(aval_of(x)).index, None, 0) for x in leaves
        ]
        result = fun(*tree.unflatten(in_tree, tracers))
    finally:
        trace.close()
        linear.close()
    result, aux = split_aux(operation, result, has_aux)
    outs, out_tree = flatten_result(operation, result)
    values, outputs = [], []
    for o in outs:
        traced = type(o) is LinearizeTracer and o._trace is trace
        values.append(plain_output(o.primal if traced else o))
        outputs.append(o.index if traced else None)
    function = LinearFunction(
        name,
        linear.tape,
        in_tree,
        [aval_of(x) for x in leaves],
        outputs,
        out_tree,
        [aval_of(v) for v in values],
    )
    if has_aux:
        aux = tree.map(lambda v: primal_part(v, trace), aux)
    return tree.unflatten(out_tree, values), function, aux


@boundary
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate a function and get its derivative at that point as a linear function.

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the arguments; leaves of float or complex dtype.
        has_aux: `fun` returns a pair, whose second item is passed through without derivative.

    Returns:
        `(y, f_lin)`, or `(y, f_lin, aux)`. `f_lin(*tangents)` is the directional derivative,
        computed without running `fun` again, as often as one likes; `f_lin.program` prints it,
        `f_lin.transpose(ct)` is its transpose.

    Raises:
        DtypeError: if a primal is not float or complex.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, f_lin = wg.linearize(lambda x: x * x, 3.0)
        >>> float(y), float(f_lin(1.0)), float(f_lin(10.0))
        (9.0, 6.0, 60.0)
    """
    y, linear, aux = record("linearize", fun, primals, has_aux)
    y = tree.map(_own_copy, y)
    return (y, linear, aux) if has_aux else (y, linear)


@boundary
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate a function and get the transpose of its derivative (reverse mode).

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the arguments; leaves of float or complex dtype.
        has_aux: `fun` returns a pair, whose second item is passed through without derivative.

    Returns:
        `(y, pullback)`, or `(y, pullback, aux)`. `pullback(ct)` takes a cotangent with the tree,
        shapes and dtypes of `y` and returns a tuple of cotangents, one for each primal; it may be
        called many times.

    Raises:
        DtypeError: if a primal is not float or complex.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, pullback = wg.vjp(lambda x, w: np.sum(x * w), np.ones(2), np.array([2.0, 3.0]))
        >>> pullback(1.0)
        (array([2., 3.]), array([1., 1.]))
    """
    y, linear, aux = record("vjp", fun, primals, has_aux)
    y = tree.map(_own_copy, y)
    pullback = _pullback(linear)
    return (y, pullback, aux) if has_aux else (y, pullback)


def _own_copy(y: Array) -> Array:
    """A result that the user may change: the linear program may hold the original as a residual."""
    return y.copy() if type(y) is np.ndarray else y


def _pullback(linear: LinearFunction) -> Callable[[Any], tuple[Any, ...]]:
    @boundary
    def pullback(ct: Any) -> tuple[Any, ...]:
        return linear.transpose(ct)

    return pullback


@boundary
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Transpose a function that is linear.

    Args:
        fun: a linear function of trees of arrays.
        primals: arrays, or anything with `shape` and `dtype`, that give the types of the arguments;
            values are not used.

    Returns:
        A function that takes a cotangent of `fun`'s result and returns a tuple, one cotangent for
        each argument.

    Raises:
        NonLinearError: if `fun` is not linear; the message names the operation and its line.

    Example:
        >>> import numpy as np, wengert as wg
        >>> transpose = wg.linear_transpose(lambda x: 3.0 * x[1:], np.zeros(3))
        >>> transpose(np.array([1.0, 2.0]))
        (array([0., 3., 6.]),)
    """
    name = describe_function(fun)
    operation = f"linear_transpose of {name}"
    leaves, in_tree = tree.flatten(tuple(primals))
    avals = [_type_of(operation, x) for x in leaves]
    trace = LinearTrace(name)
    try:
        result = fun(*tree.unflatten(in_tree, [trace.variable(aval) for aval in avals]))
    finally:
        trace.close()
    outs, out_tree = flatten_result(operation, result)
    outputs = [o.index if type(o) is LinearTracer and o._trace is trace else None for o in outs]
    out_avals = [aval_of(o) for o in outs]
    return _pullback(LinearFunction(name, trace.tape, in_tree, avals, outputs, out_tree, out_avals))


def _type_of(operation: str, x: Any) -> ShapedArray:
    try:
        aval = aval_of(x)
    except AttributeError:
        if not hasattr(x, "shape") or not hasattr(x, "dtype"):
            raise tree.leaf_type_error(operation, "an argument", x) from None
        aval = ShapedArray(tuple(x.shape), np.dtype(x.dtype))
    if aval.dtype.kind not in "fc":
        raise DtypeError(
            f"{operation}: linear functions are of floats or complex numbers.", got=repr(aval)
        )
    return aval
