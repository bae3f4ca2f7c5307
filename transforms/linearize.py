"""Linearization and reverse mode: `linearize : (a -> b) -> a -> (b, T a -o T b)`, and `vjp`, its
transpose.

The function runs once, on a trace that computes values at once and records the linear part
(`recording.py`). The linear program is then
run forward (`linearize`), or its transpose backward (`vjp`), as often as one likes.
`linear_transpose` records a function that is linear itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.aval import Array, ShapedArray, aval_of, weak_number
from ..core.errors import DtypeError, NonLinearError
from ..core.ir import Program
from ..core.source import boundary, describe_function
from ..core.storage import current
from ..core.tree import is_static_leaf
from ..core.treedef import leaf_paths
from .api import (
    Labels,
    aligned_leaves,
    argument_path,
    differentiable_leaves,
    distinct,
    flatten_arguments,
    flatten_result,
    is_described,
    map_aux,
    plain_output,
    split_aux,
    type_of_leaf,
    without,
)
from .backward import backward_pass
from .captures import Captures
from .jvp import match_leaf, primal_part, tangent_leaves
from .linear import LinearTrace, LinearTracer, Tape, pushforward
from .modes.problem import Problem, joined
from .modes.table import engine_of
from .recording import LinearizeTrace, LinearizeTracer
from .stacks import applied_to_stack
from .staging.tapes import staged_tape
from .tape_program import to_program

__all__ = ["LinearFunction", "linear_transpose", "linearize", "record", "vjp"]

_OWN_MODES = ("reverse", "auto")


class LinearFunction:
    """A linear map `T a -o T b`, recorded as a linear program.

    Call it with tangents; `transpose` takes cotangents; `program` is the linear program, to print
    or to pass on. Tangents are known by the leaves that have one: `in_tree` has None in the place
    of any other, and `out_tree` in the place of static leaves.
    """

    __slots__ = (
        "active",
        "in_avals",
        "in_tree",
        "name",
        "out_avals",
        "out_tree",
        "outputs",
        "primal_tree",
        "tape",
    )

    def __init__(
        self,
        name: str,
        tape: Tape,
        primal_tree: tree.TreeDef,
        active: Sequence[int] | None,
        in_avals: Sequence[ShapedArray],
        outputs: Sequence[int | None],
        out_tree: tree.TreeDef,
        out_avals: Sequence[ShapedArray],
    ) -> None:
        self.name = name
        self.tape = tape
        self.primal_tree = primal_tree
        self.active = active
        self.in_tree = without(primal_tree, active)
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

    @boundary
    def many(self, *stacks: Any, chunk_size: int | None = None) -> Any:
        """Apply the map to several tangents at once, faster than one by one.

        Args:
            stacks: tangents with one axis more, in front of all leaves.
            chunk_size: so many at a time at most, which takes less memory; all, if left out.

        Returns:
            A tree like the result, with the same axis in front.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.linearize(np.square, np.array([1.0, 2.0]))[1].many(np.eye(2))
            array([[2., 0.],
                   [0., 4.]])
        """
        operation = f"the linear map of {self.name}"
        return applied_to_stack(operation, lambda v: self(*v), stacks, chunk_size)

    @boundary
    def staged(self) -> LinearFunction:
        """The same linear map, run by an emitted function: for many calls.

        Returns:
            A `LinearFunction`. Its first call, and that of `transpose`, take longer; the others
            run Python source with reused buffers, as those of `wengert.staged`.

        Example:
            >>> import numpy as np, wengert as wg
            >>> _, f_lin = wg.linearize(lambda x: np.sin(x) * x, np.zeros(2))
            >>> fast = f_lin.staged()
            >>> fast(np.ones(2)), fast.transpose(np.ones(2))
            (array([0., 0.]), (array([0., 0.]),))
        """
        tape, outputs = staged_tape(
            self.name, self.tape, self.in_avals, self.outputs, self.out_avals
        )
        return LinearFunction(
            self.name,
            tape,
            self.primal_tree,
            self.active,
            self.in_avals,
            outputs,
            self.out_tree,
            self.out_avals,
        )

    def __repr__(self) -> str:
        return f"<linear map {self.name}: {tuple(self.in_avals)} -o {tuple(self.out_avals)}>"


class Pullback:
    """A transposed linear map: what `vjp` and `linear_transpose` return."""

    __slots__ = ("_linear",)

    def __init__(self, linear: LinearFunction) -> None:
        self._linear = linear

    @property
    def __name__(self) -> str:
        return f"pullback of {self._linear.name}"

    @boundary
    def __call__(self, ct: Any) -> tuple[Any, ...]:
        return self._linear.transpose(ct)

    @boundary
    def many(self, cts: Any, *, chunk_size: int | None = None) -> tuple[Any, ...]:
        """Pull several cotangents back at once, faster than one by one.

        Args:
            cts: a tree like the function's result, with one axis more in front of all leaves.
            chunk_size: so many at a time at most, which takes less memory; all, if left out.

        Returns:
            A tuple of cotangents, one for each argument, with the same axis in front.

        Example:
            >>> import numpy as np, wengert as wg
            >>> _, pullback = wg.vjp(np.cumsum, np.zeros(3))
            >>> pullback.many(np.eye(3))
            (array([[1., 0., 0.],
                   [1., 1., 0.],
                   [1., 1., 1.]]),)
        """
        found: tuple[Any, ...] = applied_to_stack(self.__name__, self, cts, chunk_size)
        return found

    def staged(self) -> Pullback:
        """The same function, run by an emitted function: for many calls.

        Returns:
            A function of a cotangent, whose first call takes longer, and the others less.

        Example:
            >>> import numpy as np, wengert as wg
            >>> _, pullback = wg.vjp(lambda x: x * x, np.arange(3.0))
            >>> fast = pullback.staged()
            >>> fast(np.ones(3))
            (array([0., 2., 4.]),)
        """
        return Pullback(self._linear.staged())

    def __repr__(self) -> str:
        linear = self._linear
        return f"<pullback of {linear.name}: {tuple(linear.out_avals)} -o {tuple(linear.in_avals)}>"


def _push(linear: LinearFunction, tangents: tuple[Any, ...]) -> Any:
    operation = f"the linear map of {linear.name}"
    dots = tangent_leaves(operation, tangents, linear.in_avals, linear.primal_tree, linear.active)
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


class _Results(NamedTuple):
    """What a cotangent is checked against: the results of a function."""

    name: str
    out_tree: tree.TreeDef
    out_avals: Sequence[ShapedArray]


def cotangent_leaves(linear: LinearFunction | _Results, ct: Any) -> list[Array]:
    """The leaves of a cotangent, checked against the result's structure and types."""
    operation = f"the pullback of {linear.name}"
    avals = linear.out_avals
    kept = [i for i, aval in enumerate(avals) if aval.dtype.kind in "fc"]
    active = None if len(kept) == len(avals) else kept
    like = "the function's result"
    leaves = aligned_leaves(
        operation, ct, linear.out_tree, active, "the cotangent", like, zeros=False
    )
    paths = leaf_paths(linear.out_tree, "")
    given = dict(zip(kept, leaves, strict=True))
    return [
        match_leaf(operation, f"the cotangent{path and ' '}{path}", given[i], aval, "the result")
        if i in given
        else np.zeros(aval.shape, aval.dtype)
        for i, (path, aval) in enumerate(zip(paths, avals, strict=True))
    ]


def record(
    label: str,
    name: str,
    fun: Callable[..., Any],
    primals: Sequence[Any],
    has_aux: bool = False,
    at_once: bool = False,
    labels: Labels = None,
    each: bool = False,
) -> tuple[Any, LinearFunction, Any]:
    """Run a function at `primals`, recording its linear part: (result, linear function, aux).

    With `at_once` the linear function is run before any more of the user's code, and no more.
    `labels` are the user's positions or names of the primals; `each` of them must have a leaf with
    a derivative.
    """
    captures = Captures(handed_out=not at_once)
    operation = f"{label} of {name}"
    leaves, in_tree = flatten_arguments(operation, primals, labels)
    in_avals, active = differentiable_leaves(operation, leaves, in_tree, labels, each)
    linear = LinearTrace(name)
    trace = LinearizeTrace(name, label, linear, captures)
    try:
        for n, i in enumerate(range(len(leaves)) if active is None else active):
            x = leaves[i]
            if type(x) is np.ndarray:
                x = captures.keep(x)
            leaves[i] = LinearizeTracer(trace, x, n, None, 0)
        linear.variables(len(in_avals))
        result = fun(*tree.unflatten(in_tree, leaves))
        result, aux = split_aux(operation, result, has_aux)
        outs, out_tree = flatten_result(operation, result)
        aux = map_aux(current, aux) if has_aux else None
    except ValueError as error:
        captures.explain(operation, error)
    finally:
        trace.close()
        linear.close()
        captures.release()
    values: list[Any] = []
    outputs: list[int | None] = []
    out_avals: list[ShapedArray] = []
    for o in outs:
        traced = type(o) is LinearizeTracer and o._trace is trace
        v = plain_output(o.primal if traced else o)
        values.append(v)
        if traced or not is_static_leaf(v):
            outputs.append(o.index if traced else None)
            out_avals.append(aval_of(v))
    function = LinearFunction(
        name,
        linear.tape,
        in_tree,
        active,
        in_avals,
        outputs,
        _without_static(out_tree, values, len(outputs)),
        out_avals,
    )
    if has_aux:
        aux = map_aux(lambda v: primal_part(v, trace), aux)
    return tree.unflatten(out_tree, values), function, aux


def _without_static(treedef: tree.TreeDef, leaves: Sequence[Any], n_arrays: int) -> tree.TreeDef:
    """The structure with None in the place of static leaves, of which all but `n_arrays` are."""
    if n_arrays == len(leaves):
        return treedef
    return without(treedef, [i for i, x in enumerate(leaves) if not is_static_leaf(x)])


@boundary
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Evaluate a function and get its derivative at that point as a linear function.

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the arguments. Leaves that are not of floats or complex numbers (integers, text,
            functions ...) reach `fun` as they are; their tangent is None.
        has_aux: `fun` returns a pair, whose second item is passed through without derivative.

    Returns:
        `(y, f_lin)`, or `(y, f_lin, aux)`. `f_lin(*tangents)` is the directional derivative,
        computed without running `fun` again, as often as one likes; `f_lin.program` prints it,
        `f_lin.transpose(ct)` is its transpose, `f_lin.many(tangents)` takes a stack of tangents,
        and `f_lin.staged()` is the same for very many calls.

    Raises:
        DtypeError: if no primal is float or complex.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, f_lin = wg.linearize(lambda x: x * x, 3.0)
        >>> float(y), float(f_lin(1.0)), float(f_lin(10.0))
        (9.0, 6.0, 60.0)
    """
    y, linear, aux = record("linearize", describe_function(fun), fun, primals, has_aux)
    y = tree.map(own_copy, y)
    return (y, linear, aux) if has_aux else (y, linear)


@boundary
def vjp(
    fun: Callable[..., Any], *primals: Any, has_aux: bool = False, mode: str = "reverse"
) -> Any:
    """Evaluate a function and get the transpose of its derivative (reverse mode).

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the arguments. Leaves that are not of floats or complex numbers (integers, text,
            functions ...) reach `fun` as they are; their cotangent is None.
        has_aux: `fun` returns a pair, whose second item is passed through without derivative.
        mode: how the derivative is found: "reverse", or another mode of `jacobian`. In those the
            whole Jacobian is computed, and multiplied from the left.

    Returns:
        `(y, pullback)`, or `(y, pullback, aux)`. `pullback(ct)` takes a cotangent with the tree,
        shapes and dtypes of `y` and returns a tuple of cotangents, one for each primal; it may be
        called many times. Leaves of `y` that are no arrays have the cotangent None.
        `pullback.many(cts)` takes a stack of cotangents, and `pullback.staged()` is the same
        function for very many calls.

    Raises:
        DtypeError: if no primal is float or complex.
        ModeError: for an unknown mode.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, pullback = wg.vjp(lambda x, w: np.sum(x * w), np.ones(2), np.array([2.0, 3.0]))
        >>> pullback(1.0)
        (array([2., 3.]), array([1., 1.]))
    """
    name = describe_function(fun)
    if mode != "reverse" and (engine := engine_of(f"vjp of {name}", mode, _OWN_MODES)) is not None:
        problem = Problem(
            f"vjp of {name}", fun, primals, has_aux=has_aux, each=False, traced=engine.traced
        )
        back = _MatrixPullback(name, problem, engine.pullback(problem))
        return (problem.value, back, problem.aux) if has_aux else (problem.value, back)
    y, linear, aux = record("vjp", name, fun, primals, has_aux)
    y = tree.map(own_copy, y)
    pullback = Pullback(linear)
    return (y, pullback, aux) if has_aux else (y, pullback)


def own_copy(y: Array) -> Array:
    """A result that the user may change: the linear program may hold the original as a residual."""
    return y.copy() if type(y) is np.ndarray else y


class _MatrixPullback:
    """The pullback of a function by its Jacobian."""

    def __init__(self, name: str, problem: Problem, back: Callable[[Array], Array]) -> None:
        kept = [i for i, y in enumerate(problem.outs) if not is_static_leaf(y)]
        avals = [aval_of(problem.outs[i]) for i in kept]
        self.results = _Results(name, without(problem.out_tree, kept), avals)
        self.problem = problem
        self.back = back

    @boundary
    def __call__(self, ct: Any) -> tuple[Any, ...]:
        leaves = cotangent_leaves(self.results, ct)
        avals = self.results.out_avals
        smooth = [x for x, a in zip(leaves, avals, strict=True) if a.dtype.kind in "fc"]
        return self.problem.cotangents(self.back(joined(smooth)))

    def many(self, cts: Any, *, chunk_size: int | None = None) -> tuple[Any, ...]:
        """Pull several cotangents back at once, as `Pullback.many` does."""
        name = f"the pullback of {self.results.name}"
        found: tuple[Any, ...] = applied_to_stack(name, self, cts, chunk_size)
        return found

    def staged(self) -> _MatrixPullback:
        """The same function: it runs no program."""
        return self


@boundary
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Pullback:
    """Transpose a function that is linear.

    Args:
        fun: a linear function of trees of arrays.
        primals: arrays, or anything with `shape` and `dtype`, that give the types of the arguments;
            values are not used. Leaves that are not of floats or complex numbers reach `fun` as
            they are; their cotangent is None.

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
    active, avals = _linear_operands(operation, leaves, in_tree)
    captures = Captures(handed_out=True)
    trace = LinearTrace(name, captures)
    values = list(leaves)
    for n, i in zip(trace.variables(len(active)), active, strict=True):
        values[i] = LinearTracer(trace, n, avals[n])
    try:
        result = fun(*tree.unflatten(in_tree, values))
        outs, out_tree = flatten_result(operation, result)
    except ValueError as error:
        captures.explain(operation, error)
    finally:
        trace.close()
        captures.release()
    outputs: list[int | None] = []
    out_avals: list[ShapedArray] = []
    for i, o in enumerate(outs):
        if is_static_leaf(o):
            continue
        index = o.index if type(o) is LinearTracer and o._trace is trace else None
        if index is None and np.any(o):
            raise NonLinearError(
                f"{operation}: the function is affine, not linear: "
                f"result{leaf_paths(out_tree, '')[i]} is a constant.",
                got=repr(aval_of(o)),
                fix="leave the constant out, or subtract the value at zero",
            )
        outputs.append(index)
        out_avals.append(aval_of(o))
    out_tree = _without_static(out_tree, outs, len(outputs))
    return Pullback(
        LinearFunction(name, trace.tape, in_tree, active, avals, outputs, out_tree, out_avals)
    )


def _linear_operands(
    operation: str, leaves: Sequence[Any], treedef: tree.TreeDef
) -> tuple[list[int], list[ShapedArray]]:
    """Positions and types of the leaves in which a function is linear; the others are constants."""
    paths = leaf_paths(treedef, "")
    active, avals = [], []
    for i, x in enumerate(leaves):
        if is_static_leaf(x):
            continue
        aval = type_of_leaf(operation, paths[i], x)
        if aval.dtype.kind in "fc":
            active.append(i)
            avals.append(aval)
        elif is_described(x):
            raise DtypeError(
                f"{operation}: {argument_path(paths[i])} must be of floats or complex numbers.",
                got=repr(aval),
                fix="pass the value itself, if it is a constant of the function",
            )
    if leaves and not active:
        raise DtypeError(
            f"{operation}: {argument_path(paths[0])} must be of floats or complex numbers.",
            got=repr(leaves[0]),
        )
    return active, avals
