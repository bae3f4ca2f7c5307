"""Tracing to a program: `make_program : (a -> b) -> a -> Program a b`.

A `ProgramTracer` has a type and no value; every operation on it becomes an equation. Operations on
plain values are done at once and end up as constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..core import tree
from ..core.array_tracer import ArrayTracer
from ..core.aval import Array, Shape, ShapedArray, aval_of
from ..core.collecting import UNCOLLECTED
from ..core.errors import ConcretizationError, DtypeError, ShapeError
from ..core.generators import Refusal, refuse_frozen, watch
from ..core.ir import Atom, Equation, Literal, Program, Var
from ..core.source import Source, boundary, describe_function, user_source
from ..core.tracing import Primitive, Trace, Tracer, handed_over
from ..core.tree import is_static_leaf
from ..core.treedef import leaf_paths
from .api import flatten_result, type_of_leaf

__all__ = ["ProgramTrace", "ProgramTracer", "make_program", "trace_closed"]

_NO_PARAMS: dict[str, Any] = {}


class ProgramTracer(ArrayTracer):
    """A variable of the program that is being traced."""

    __slots__ = ("source", "variable")

    def __init__(self, trace: Trace, variable: Var, source: Source | None) -> None:
        self._trace = trace
        self.variable = variable
        self.source = source

    @property
    def aval(self) -> ShapedArray:
        return self.variable.aval

    def concrete(self) -> Array:
        raise ConcretizationError("a variable of a program has no value.")

    def is_alike(self, other: Array) -> bool:
        if type(other) is not ProgramTracer or other._trace is not self._trace:
            return False
        trace: ProgramTrace = self._trace  # type: ignore[assignment]  # its own
        return trace.same_value(self.variable, other.variable)

    def why_not_concrete(self) -> str:
        state = self._trace.__dict__  # which outlives the class of the trace: see `handed_over`
        return f"in {state.get('context', 'make_program')} it stands for every value of its type."

    def remedy(self) -> str:
        found: str = self._trace.__dict__.get("remedy", "")
        return found

    def where_made(self) -> Source | None:
        return self.source

    def describe(self) -> str:
        return f"<traced {self.aval!r} in {self._trace!r}>"


class ProgramTrace(Trace):
    """Writes each operation down as an equation."""

    label = "make_program"
    symbolic = True

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.equations: list[Equation] = []
        self.types: dict[tuple[Shape, np.dtype[Any], bool], ShapedArray] = {}
        self.due: dict[tuple[str | int, ...], ShapedArray] = {}
        """The types of results, by the primitive and the identities of the operands' types."""
        self.asked: list[list[ShapedArray]] = []
        self.constants: dict[int, tuple[Var, Array, Array]] = {}
        self.kept: list[tuple[Var, Array]] = []

    def variable(self, aval: ShapedArray, source: Source | None = None) -> ProgramTracer:
        """A new variable."""
        return ProgramTracer(self, Var(self.shared(aval)), source)

    def atom(self, x: Array) -> Atom:
        """What stands for an operand in an equation; arrays become constants of the program."""
        if type(x) is ProgramTracer and x._trace is self:
            return x.variable
        if not isinstance(x, Tracer):
            if type(x) is not np.ndarray:
                return Literal(x)
            if not x.shape:
                return Literal(x[()])
        known = self.constants.get(id(x))
        if known is None or not _unchanged(*known[1:]):
            # A copy, as the caller may write to the array before the program runs, or while it is
            # traced.
            kept = x if isinstance(x, Tracer) else x.copy()
            known = self.constants[id(x)] = (Var(self.shared(aval_of(x))), x, kept)
            self.kept.append((known[0], kept))
        return known[0]

    def same_value(self, a: Atom, b: Atom) -> bool:
        """True if two variables are made alike from the same."""
        if a is b:
            return True
        if isinstance(a, Literal) and isinstance(b, Literal):
            return type(a.value) is type(b.value) and bool(a.value == b.value)
        made = {id(v): e for e in self.equations for v in e.outputs}
        p, q = made.get(id(a)), made.get(id(b))
        if p is None or q is None or p.primitive is not q.primitive or p.params != q.params:
            return False
        if len(p.outputs) > 1 or len(p.inputs) != len(q.inputs):
            return False
        return all([self.same_value(v, w) for v, w in zip(p.inputs, q.inputs, strict=True)])

    def process1(self, primitive: Primitive, x: Array) -> Array:
        a = x.variable if type(x) is ProgramTracer and x._trace is self else self.atom(x)
        due = self.due.get((primitive.name, id(a.aval)))
        if due is None:
            return self.process(primitive, (x,), _NO_PARAMS)
        return self.write_down(primitive, (a,), due)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        a = x.variable if type(x) is ProgramTracer and x._trace is self else self.atom(x)
        b = y.variable if type(y) is ProgramTracer and y._trace is self else self.atom(y)
        due = self.due.get((primitive.name, id(a.aval), id(b.aval)))
        if due is None:
            return self.process(primitive, (x, y), _NO_PARAMS)
        return self.write_down(primitive, (a, b), due)

    def write_down(self, primitive: Primitive, inputs: tuple[Atom, ...], due: ShapedArray) -> Array:
        """An equation of a kind that was there before; the hot path, as `process` writes it."""
        source = user_source(depth=2)
        variable = Var(due)
        self.equations.append(Equation(primitive, inputs, (variable,), _NO_PARAMS, source))
        return ProgramTracer(self, variable, source)

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        source = user_source(depth=1)
        inputs = tuple([self.atom(a) for a in args])
        due = self.types_due(primitive, inputs, params)
        if not primitive.multiple_results:
            variable = Var(due)
            self.equations.append(Equation(primitive, inputs, (variable,), params, source))
            return ProgramTracer(self, variable, source)
        outputs = tuple([Var(aval) for aval in due])
        self.equations.append(Equation(primitive, inputs, outputs, params, source))
        return tuple([ProgramTracer(self, v, source) for v in outputs])

    def types_due(
        self, primitive: Primitive, inputs: Sequence[Atom], params: Mapping[str, Any]
    ) -> Any:
        """What the shape rule says. It is asked once about operands of the same types, known by
        identity; so results of the same type share one object.
        """
        if primitive.shape is None:
            primitive.missing("shape", self.label)
        avals = [a.aval for a in inputs]
        found = primitive.shape(*avals, **params)
        if primitive.multiple_results:
            return found
        found = self.shared(found)
        if not params:
            self.due[(primitive.name, *[id(aval) for aval in avals])] = found
            self.asked.append(avals)  # what is kept keeps its identity
        return found

    def shared(self, aval: ShapedArray) -> ShapedArray:
        """The one object for a type."""
        key = aval.shape, aval.dtype, aval.weak_type
        found: ShapedArray = self.types.setdefault(key, aval)
        return found


def _unchanged(x: Array, kept: Array) -> bool:
    return x is kept or np.array_equal(x, kept, equal_nan=x.dtype.kind in "fc")


def make_program(
    fun: Callable[..., Any], static_argnums: int | Sequence[int] = ()
) -> Callable[..., Program]:
    """Make a function that traces `fun` and returns it as a program.

    Args:
        fun: a function of trees of arrays. Leaves that are no arrays or numbers (text, functions
            ...) reach it as they are, and are fixed in the program.
        static_argnums: positional arguments that are passed to `fun` as they are; they are no
            inputs of the program.

    Returns:
        A function of the same arguments (of which only shapes and dtypes matter; anything with
        `shape` and `dtype` will do) that returns a `Program`.

    Raises:
        ConcretizationError: if `fun` asks for a value, as `if x > 0` does.

    Example:
        >>> import numpy as np, wengert as wg
        >>> print(wg.make_program(wg.grad(lambda x: np.sum(x * x)))(np.ones(2)))
        program [b: f64[2]] (a: f64[2]) -> (f64[2]) {
          c: f64[2] = mul a a
          d: f64[]  = reduce_sum[axes=(0,)] c
          e: f64[2] = mul b a
          f: f64[2] = mul b a
          g: f64[2] = add e f
          return g
        }
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    if not isinstance(numbers, Sequence | set) or not all([isinstance(i, int) for i in numbers]):
        raise DtypeError("make_program: static_argnums must be ints.", got=repr(static_argnums))
    static = set(numbers)

    @boundary
    @wraps(fun, updated=())
    def traced(*args: Any, **kwargs: Any) -> Program:
        return _trace_program(fun, static, args, kwargs)

    return traced


@UNCOLLECTED
def trace_closed(
    operation: str,
    fun: Callable[..., Any],
    *args: Any,
    begin: Callable[[str], ProgramTrace] = ProgramTrace,
    refusal: Refusal = refuse_frozen,
) -> tuple[Program, list[Array]]:
    """Trace a function that may close over traced values: (program, these values).

    The values come first among the inputs of the program, then the leaves of the arguments, which
    may be anything with `shape` and `dtype`. Nothing is computed while it is traced, also where the
    function works on such values alone: it is the body of a loop, or a branch that may not run.
    `begin` starts the trace, and `refusal` makes the error for random draws.
    """
    name = describe_function(fun)
    leaves, in_tree = tree.flatten(args)
    paths = leaf_paths(in_tree, "")
    check_generators = watch(operation, fun, args, refusal)
    trace = begin(name)
    try:
        values = [
            x if is_static_leaf(x) else trace.variable(type_of_leaf(operation, path, x))
            for path, x in zip(paths, leaves, strict=True)
        ]
        with handed_over(trace):
            result = fun(*tree.unflatten(in_tree, values))
            check_generators()
            outs, out_tree = flatten_result(operation, result)
            outputs = [trace.atom(o) for o in outs if not is_static_leaf(o)]
    finally:
        trace.close()
    hoisted = [(v, x) for v, x in trace.kept if isinstance(x, Tracer)]
    program = Program(
        [v for v, _ in hoisted] + [x.variable for x in values if isinstance(x, ProgramTracer)],
        trace.equations,
        outputs,
        [(v, x) for v, x in trace.kept if not isinstance(x, Tracer)],
        name=name,
        out_tree=tree.with_fixed_values(out_tree, outs),
    )
    return program, [x for _, x in hoisted]


@UNCOLLECTED
def _trace_program(
    fun: Callable[..., Any], static: set[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Program:
    name = describe_function(fun)
    operation = f"make_program of {name}"
    n = len(args)
    if any([not -n <= i < n for i in static]):
        raise ShapeError(
            f"{operation}: static_argnums={sorted(static)} is out of range.",
            got=f"{n} positional arguments",
        )
    fixed = {i % n for i in static}
    labels = [i for i in range(n) if i not in fixed]
    leaves, in_tree = tree.flatten(tuple([args[i] for i in labels]))
    paths = leaf_paths(in_tree, "")
    values: list[Any] = list(leaves)
    inputs: list[Var] = []
    check_generators = watch(operation, fun, (args, kwargs))
    trace = ProgramTrace(name)
    try:
        for k, (path, x) in enumerate(zip(paths, leaves, strict=True)):
            if not is_static_leaf(x):
                values[k] = trace.variable(type_of_leaf(operation, path, x, labels))
                inputs.append(values[k].variable)
        dynamic = iter(tree.unflatten(in_tree, values))
        result = fun(*[a if i in fixed else next(dynamic) for i, a in enumerate(args)], **kwargs)
        check_generators()
        outs, out_tree = flatten_result(operation, result)
        outputs = [trace.atom(o) for o in outs if not is_static_leaf(o)]
    finally:
        trace.close()
    return Program(
        inputs,
        trace.equations,
        outputs,
        trace.kept,
        name=name,
        in_tree=tree.with_fixed_values(in_tree, leaves),
        out_tree=tree.with_fixed_values(out_tree, outs),
    )
