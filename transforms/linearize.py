"""Linearization and reverse mode: `linearize : (a -> b) -> a -> (b, T a -o T b)`, and `vjp`, its
transpose.

The function runs once, on a trace that computes values at once and records the linear part
(`recording.py`). The linear program is then
run forward (`linearize`), or its transpose backward (`vjp`), as often as one likes.
`linear_transpose` records a function that is linear itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.aval import Array, ShapedArray, aval_of, weak_number
from ..core.errors import DtypeError, NonLinearError
from ..core.ir import Program
from ..core.source import boundary, describe_function
from ..core.treedef import check_same_structure
from .api import (
    argument_path,
    check_differentiable,
    distinct,
    flatten_arguments,
    flatten_result,
    plain_output,
    split_aux,
    type_of_leaf,
)
from .backward import backward_pass
from .jvp import match_leaf, primal_part
from .linear import LinearTrace, LinearTracer, Tape, pushforward
from .recording import LinearizeTrace, LinearizeTracer
from .tape_program import to_program

__all__ = ["LinearFunction", "linear_transpose", "linearize", "record", "vjp"]


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
    def transpose(self, ct: Any) -> tuple[Any, ...]:
        """Apply the transposed map to a cotangent of the result's structure; returns a tuple, one
        item an argument.
        """
        return self.pull_back(cotangent_leaves(self, ct))

    def pull_back(self, cts: Sequence[Array], *, once: bool = False) -> tuple[Any, ...]:
        """`transpose` for the leaves of a cotangent that is known to fit.

        With `once` the recorded program is used up, so that its memory is freed on the way.
        """
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
    check_same_structure(linear.in_tree, treedef, operation, "the tangents", "the primals")
    paths = [path for path, _ in tree.leaves_with_path(tangents)]
    dots = [
        match_leaf(operation, f"the tangent {path}", t, aval, "its primal")
        for path, t, aval in zip(paths, leaves, linear.in_avals, strict=True)
    ]
    given = [
        weak_number(t) if aval.weak_type else t
        for t, aval in zip(dots, linear.in_avals, strict=True)
    ]
    results = pushforward(linear.tape, given, linear.outputs)
    filled = [
        np.zeros(aval.shape, aval.dtype) if y is None else y
        for y, aval in zip(results, linear.out_avals, strict=True)
    ]
    return tree.unflatten(linear.out_tree, distinct([plain_output(y) for y in filled], dots))


def cotangent_leaves(linear: LinearFunction, ct: Any) -> list[Array]:
    """The leaves of a cotangent, checked against the result's structure and types."""
    operation = f"the pullback of {linear.name}"
    leaves, treedef = tree.flatten(ct)
    check_same_structure(
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
    label: str, name: str, fun: Callable[..., Any], primals: Sequence[Any], has_aux: bool = False
) -> tuple[Any, LinearFunction, Any]:
    """Run a function at `primals`, recording its linear part: (result, linear function, aux)."""
    operation = f"{label} of {name}"
    leaves, in_tree = flatten_arguments(operation, primals)
    in_avals = check_differentiable(operation, primals, leaves)
    linear = LinearTrace(name)
    trace = LinearizeTrace(name, label, linear)
    try:
        tracers = [
            LinearizeTracer(trace, x, i, None, 0)
            for i, x in zip(linear.variables(len(leaves)), leaves, strict=True)
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
        in_avals,
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
    y, linear, aux = record("linearize", describe_function(fun), fun, primals, has_aux)
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
    y, linear, aux = record("vjp", describe_function(fun), fun, primals, has_aux)
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
    paths = [path for path, _ in tree.leaves_with_path(tuple(primals))]
    avals = [_type_of(operation, path, x) for path, x in zip(paths, leaves, strict=True)]
    trace = LinearTrace(name)
    try:
        result = fun(
            *tree.unflatten(
                in_tree,
                [
                    LinearTracer(trace, i, aval)
                    for i, aval in zip(trace.variables(len(avals)), avals, strict=True)
                ],
            )
        )
    finally:
        trace.close()
    outs, out_tree = flatten_result(operation, result)
    outputs = [o.index if type(o) is LinearTracer and o._trace is trace else None for o in outs]
    for (path, o), index in zip(tree.leaves_with_path(result), outputs, strict=True):
        if index is None and np.any(o):
            raise NonLinearError(
                f"{operation}: the function is affine, not linear: result{path} is a constant.",
                got=repr(aval_of(o)),
                fix="leave the constant out, or subtract the value at zero",
            )
    out_avals = [aval_of(o) for o in outs]
    return _pullback(LinearFunction(name, trace.tape, in_tree, avals, outputs, out_tree, out_avals))


def _type_of(operation: str, path: str, x: Any) -> ShapedArray:
    aval = type_of_leaf(operation, path, x)
    if aval.dtype.kind not in "fc":
        raise DtypeError(
            f"{operation}: {argument_path(path)} must be of floats or complex numbers.",
            got=repr(aval),
        )
    return aval
