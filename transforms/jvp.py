"""Forward mode: `jvp : (a -> b) -> (a, T a) -> (b, T b)`.

A `JVPTracer` carries a value and its tangent. Each operation runs on the values, with whatever they
are (plain arrays, or tracers of older traces), and its rule maps the tangents. Results without a
derivative come back as plain values, which is what lets Python's `if` and `while` work inside. A
tangent that is known to be zero is no tracer at all.

Linearization is the same with other tangents: the variables of a linear program (see
`linearize.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, ClassVar

import numpy as np

from ..core import tree
from ..core.array_tracer import ArrayTracer
from ..core.aval import Array, Shape, ShapedArray, aval_of
from ..core.errors import DtypeError, ShapeError, TreeError
from ..core.primitives.elementwise import astype
from ..core.rules import fit, spread
from ..core.source import NEAR, Source, boundary, describe_function, is_library_code, user_frame
from ..core.storage import current, strides_of, write
from ..core.tracing import Primitive, Rule, Trace, Tracer
from ..core.tree import is_static_leaf
from ..core.treedef import leaf_paths
from .api import (
    aligned_leaves,
    as_array_leaf,
    differentiable_leaves,
    distinct,
    flatten_arguments,
    flatten_result,
    map_aux,
    plain_output,
    split_aux,
)
from .modes.problem import Problem, joined
from .modes.table import engine_of

__all__ = ["ForwardTrace", "JVPTrace", "JVPTracer", "PrimalTracer", "jvp"]

_OWN_MODES = ("forward", "auto")

_NO_PARAMS: dict[str, Any] = {}


class PrimalTracer(ArrayTracer):
    """A tracer with a value, made in a line of the user's."""

    __slots__ = ("code", "offset", "primal")

    def __init__(self, trace: Trace, primal: Array, code: CodeType | None, offset: int) -> None:
        self._trace = trace
        self.primal = primal
        self.code = code
        self.offset = offset

    @property
    def aval(self) -> ShapedArray:
        return aval_of(self.primal)

    @property
    def shape(self) -> Shape:
        x = self.primal
        found: Shape = x.shape if type(x) is np.ndarray else aval_of(x).shape
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        x = self.primal
        found: np.dtype[Any] = x.dtype if type(x) is np.ndarray else aval_of(x).dtype
        return found

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        x = self.primal
        return x.size if type(x) is np.ndarray else aval_of(x).size

    def concrete(self) -> Array:
        x = self.primal
        return x.concrete() if isinstance(x, Tracer) else x

    def why_not_concrete(self) -> str:
        return self.primal.why_not_concrete()  # type: ignore[no-any-return]  # a tracer, or it were concrete

    def strides_of_value(self) -> tuple[int, ...] | None:
        return strides_of(self.primal)

    def where_made(self) -> Source | None:
        if self.code is None or is_library_code(self.code):
            return None
        return Source(self.code, self.offset)

    def describe(self) -> str:
        return f"<traced {self.primal!r} in {self._trace!r}>"


class JVPTracer(PrimalTracer):
    """A value with its tangent."""

    __slots__ = ("tangent",)

    def __init__(
        self, trace: Trace, primal: Array, tangent: Array, code: CodeType | None, offset: int
    ) -> None:
        self._trace = trace
        self.primal = primal
        self.tangent = tangent
        self.code = code
        self.offset = offset


class ForwardTrace(Trace):
    """A trace that maps tangents by the rules of the primitives."""

    def tangent(
        self,
        primitive: Primitive,
        primals: Sequence[Array],
        tangents: Sequence[Array | None],
        y: Array,
        params: Mapping[str, Any],
    ) -> Array | None:
        """The tangent of a result that has been computed."""
        if primitive.jvps is None and primitive.linear == "jointly":
            linear = primitive.linear_in(params)
            operands = [
                p if i not in linear else zeros_of(p) if t is None else t
                for i, (p, t) in enumerate(zip(primals, tangents, strict=True))
            ]
            return primitive.bind(*operands, **params)
        y_dot = self.tangent_by_operand(primitive, primals, tangents, y, params)
        return fit(y_dot, y) if primitive.elementwise and y_dot is not None else y_dot

    def tangent_by_operand(
        self,
        primitive: Primitive,
        primals: Sequence[Array],
        tangents: Sequence[Array | None],
        y: Array,
        params: Mapping[str, Any],
    ) -> Array | None:
        """The sum of what each traced operand adds to the result's tangent."""
        if primitive.jvps is None:
            primitive.missing("jvps", self.label)
        total = None
        for i, t in enumerate(tangents):
            if t is None:
                continue
            rule = primitive.jvps[i]
            if rule is None:
                continue
            part = rule(t, y, *primals, **params)
            if total is None:
                total = part
            elif primitive.multiple_results:
                total = tuple([_sum_of(p, q) for p, q in zip(total, part, strict=True)])
            else:
                total = total + part
        return total


class JVPTrace(ForwardTrace):
    """Maps values and tangents through each operation."""

    label = "jvp"
    tracer: ClassVar[type[Any]] = JVPTracer

    def process1(self, primitive: Primitive, x: Array) -> Array:
        slope = primitive.slope0
        if slope is None or type(slope) is float:
            return self.process(primitive, (x,), _NO_PARAMS)
        primal = x.primal
        y = primitive.impl(primal)
        frame = sys._getframe(2)
        y_dot = x.tangent * slope(y, primal)
        return JVPTracer(self, y, y_dot, frame.f_code, frame.f_lasti)

    def process2(self, primitive: Primitive, a: Array, b: Array) -> Array:
        if primitive.slope0 is None or primitive.slope1 is None or primitive.jvps is None:
            return self.process(primitive, (a, b), _NO_PARAMS)
        a_dot = b_dot = None
        if type(a) is JVPTracer and a._trace is self:
            a, a_dot = a.primal, a.tangent
        if type(b) is JVPTracer and b._trace is self:
            b, b_dot = b.primal, b.tangent
        y = primitive.impl(a, b)
        frame = sys._getframe(2)
        if b_dot is None and type(slope := primitive.slope0) is not float:
            return self.wrap(y, fit(a_dot * slope(y, a, b), y), frame.f_code, frame.f_lasti)
        by_a, by_b = primitive.jvps[0], primitive.jvps[1]
        assert by_a is not None
        assert by_b is not None
        if b_dot is None:
            y_dot = by_a(a_dot, y, a, b)
        elif a_dot is None:
            y_dot = by_b(b_dot, y, a, b)
        else:
            y_dot = by_a(a_dot, y, a, b) + by_b(b_dot, y, a, b)
        return self.wrap(y, fit(y_dot, y), frame.f_code, frame.f_lasti)

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        whole = self.whole_rule(primitive)
        if len(args) == 1 and primitive.linear_args == (0,) and not (primitive.jvps or whole):
            return self.process_linear(primitive, args[0], params)
        tracer = self.tracer
        primals: list[Array] = []
        tangents: list[Array | None] = []
        for a in args:
            if type(a) is tracer and a._trace is self:
                primals.append(a.primal)
                tangents.append(a.tangent)
            else:
                primals.append(a)
                tangents.append(None)
        if whole is not None:
            return self.finish(primitive, *whole(primals, tangents, **params))
        y = primitive.bind(*primals, **params)
        return self.finish(primitive, y, self.tangent(primitive, primals, tangents, y, params))

    def process_linear(self, primitive: Primitive, x: Array, params: Mapping[str, Any]) -> Array:
        """A linear operation with one operand: the same on the tangent."""
        primal, x_dot = x.primal, x.tangent
        # Without asking whose the operand is, where it is nobody's.
        apply = primitive.impl if type(primal) is type(x_dot) is np.ndarray else primitive.bind
        return self.finish(primitive, apply(primal, **params), apply(x_dot, **params))

    def whole_rule(self, primitive: Primitive) -> Rule | None:
        """The rule that computes value and tangent together, for primitives that have one."""
        return primitive.jvp

    def finish(self, primitive: Primitive, y: Array, y_dot: Array | None) -> Array:
        """Wrap up a result and its tangent."""
        frame = user_frame(3, NEAR)
        code, offset = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
        if not primitive.multiple_results:
            return self.wrap(y, y_dot, code, offset)
        if y_dot is None:
            return y
        return tuple([self.wrap(v, t, code, offset) for v, t in zip(y, y_dot, strict=True)])

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        x, x_dot = self.split(x)
        v, v_dot = self.split(v)
        y = write(x, v, arrays, index, exclusive)
        aval = aval_of(y)
        if aval.dtype.kind not in "fc" or (x_dot is None and v_dot is None):
            return y
        if x_dot is None:
            x_dot, exclusive = np.zeros(aval.shape, aval.dtype), True
        y_dot = write(
            x_dot, aval.dtype.type(0) if v_dot is None else v_dot, arrays, index, exclusive
        )
        return JVPTracer(self, y, y_dot, None, 0)

    def split(self, x: Array) -> tuple[Array, Array | None]:
        """The value and the tangent; None for an operand that is constant here."""
        if type(x) is JVPTracer and x._trace is self:
            return x.primal, x.tangent
        return x, None

    def wrap(self, y: Array, y_dot: Array | None, code: CodeType | None, offset: int) -> Array:
        """A tracer; or the plain value where no derivative can flow."""
        dtype = y.dtype if type(y) is np.ndarray else aval_of(y).dtype
        if y_dot is None or dtype.kind not in "fc":
            return y
        return JVPTracer(self, y, y_dot, code, offset)


def _sum_of(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def zeros_of(x: Array) -> Array:
    """Zeros of the type of `x`, without memory for their elements."""
    aval = aval_of(x)
    if aval.weak_type:
        return aval.dtype_or_python_type(0)
    zero = aval.dtype.type(0)
    return spread(zero, aval.shape) if aval.shape else zero


@boundary
def jvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
    *,
    mode: str = "forward",
) -> Any:
    """Evaluate a function and its directional derivative (forward mode).

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: tuple of the arguments at which to differentiate. Leaves that are not of floats or
            complex numbers (integers, text, functions ...) reach `fun` as they are.
        tangents: tuple of the directions; same trees, shapes and dtypes as `primals`, with None
            for the leaves that are not differentiated.
        has_aux: `fun` returns a pair, whose second item is passed through without derivative.
        mode: how the derivative is found: "forward", or another mode of `jacobian`.

    Returns:
        `(y, y_dot)`, or `(y, y_dot, aux)`; `y_dot` has the tree, shapes and dtypes of `y`, and None
        for leaves that are no arrays.

    Raises:
        TreeError, ShapeError, DtypeError: if the tangents do not fit the primals, or no primal is
            float or complex.
        ModeError: for an unknown mode.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, y_dot = wg.jvp(np.sin, (0.0,), (2.0,))
        >>> float(y), float(y_dot)
        (0.0, 2.0)
    """
    name = describe_function(fun)
    operation = f"jvp of {name}"
    leaves, in_tree = flatten_arguments(operation, primals)
    avals, active = differentiable_leaves(operation, leaves, in_tree)
    dots = tangent_leaves(operation, tangents, avals, in_tree, active)
    if mode != "forward" and (engine := engine_of(operation, mode, _OWN_MODES)) is not None:
        problem = Problem(
            operation, fun, primals, has_aux=has_aux, each=False, traced=engine.traced
        )
        y_dot = problem.split(engine.directional(problem, joined(dots)))
        return (problem.value, y_dot, problem.aux) if has_aux else (problem.value, y_dot)
    trace = JVPTrace(name)
    try:
        if active is None:
            values = [JVPTracer(trace, x, t, None, 0) for x, t in zip(leaves, dots, strict=True)]
        else:
            values = list(leaves)
            for i, t in zip(active, dots, strict=True):
                values[i] = JVPTracer(trace, leaves[i], t, None, 0)
        result, aux = split_aux(operation, fun(*tree.unflatten(in_tree, values)), has_aux)
        outs, out_tree = flatten_result(operation, result)
        aux = map_aux(current, aux) if has_aux else None
    finally:
        trace.close()
    pairs = [
        (o.primal, o.tangent) if type(o) is JVPTracer and o._trace is trace else (o, None)
        for o in outs
    ]
    y = tree.unflatten(out_tree, distinct([plain_output(p) for p, _ in pairs], leaves))
    y_dots = [tangent_of_result(p) if t is None else plain_output(t) for p, t in pairs]
    y_dot = tree.unflatten(out_tree, distinct(y_dots, [*dots, *tree.leaves(y)]))
    if has_aux:
        return y, y_dot, map_aux(lambda v: primal_part(v, trace), aux)
    return y, y_dot


def tangent_of_result(y: Any) -> Array | None:
    """The tangent of a result that does not depend on the argument; static leaves have none."""
    return None if is_static_leaf(y) else plain_output(zeros_of(y))


def primal_part(x: Any, trace: Trace) -> Any:
    """The value of a tracer of `trace`; anything else as it is."""
    x = current(x)
    return plain_output(x.primal) if isinstance(x, JVPTracer) and x._trace is trace else x


def tangent_leaves(
    operation: str,
    tangents: Any,
    avals: Sequence[ShapedArray],
    in_tree: tree.TreeDef,
    active: Sequence[int] | None,
) -> list[Array]:
    """Check tangents against the leaves that have a derivative, which stand at the positions
    `active` (None: all), and return theirs, with the primals' dtypes.
    """
    if not isinstance(tangents, tuple | list):
        raise TreeError(
            f"{operation}: the tangents must come as a tuple.",
            got=type(tangents).__name__,
            fix="write (x_dot,) for one argument",
        )
    dots = aligned_leaves(
        operation, tuple(tangents), in_tree, active, "the tangents", "the primals"
    )
    paths = leaf_paths(in_tree, "")
    if active is not None:
        paths = [paths[i] for i in active]
    return [
        match_leaf(operation, f"the tangent {path}", t, aval, "its primal")
        for path, t, aval in zip(paths, dots, avals, strict=True)
    ]


def match_leaf(operation: str, what: str, leaf: Any, aval: ShapedArray, like: str) -> Array:
    """A tangent or cotangent as an array of the type `aval`; an error if it does not fit."""
    leaf = as_array_leaf(operation, what, leaf)
    found = aval_of(leaf)
    if found.shape != aval.shape:
        raise ShapeError(
            f"{operation}: {what} has another shape than {like}.",
            got=repr(found),
            needed=repr(aval),
        )
    if found.weak_type and (found.dtype.kind in "if" or aval.dtype.kind == "c"):
        return astype(leaf, aval.dtype)
    if found.dtype != aval.dtype and not (aval.weak_type and found.dtype.kind in "fc"):
        raise DtypeError(
            f"{operation}: {what} has another dtype than {like}.",
            got=repr(found),
            needed=repr(aval),
            fix=f"cast it: .astype(np.{aval.dtype.name})",
        )
    return leaf
