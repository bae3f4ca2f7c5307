"""Jacobians: the matrix of the derivative, column by column (forward) or row by row
(reverse), all at once by vmap, or `chunk_size` of them at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

import numpy as np

from ..core import tree
from ..core.aval import Array, ShapedArray
from ..core.errors import DtypeError, ShapeError
from ..core.source import boundary, describe_function
from ..core.tracing import Tracer
from .api import distinct
from .arguments import Choice
from .grad import check_complex_inputs
from .linearize import LinearFunction, own_copy, record
from .modes.choosing import (
    Derivative,
    WastefulModeWarning,
    choose,
    derivative,
    is_wasteful,
    marked,
    may_have_structure,
)
from .modes.plan import plan_of
from .modes.problem import Problem
from .modes.table import engine_of
from .vmap import vmap

__all__ = [
    "OWN_MODES",
    "columns",
    "jacfwd",
    "jacobian",
    "jacobian_function",
    "jacrev",
    "rows",
    "value_and_jacobian",
    "value_and_jacobian_function",
]

OWN_MODES: Final = ("forward", "reverse", "auto")


def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, by forward mode: good for few inputs and
    many outputs.

    Args:
        fun: a function of trees of arrays. Leaves that are not of floats or complex numbers
            (integers, text, functions ...) reach it as they are.
        argnums: positions of the arguments to differentiate: an int, or several. The first, if
            neither `argnums` nor `argnames` is given.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of arguments to differentiate, passed by keyword or by position: one name,
            or several.
        chunk_size: compute at most so many columns at once, which takes less memory; all of them,
            if left out.

    Returns:
        A function of the same arguments. For each leaf of the result it returns a tree like the
        argument, whose leaves have the shape of the result followed by that of the argument's leaf
        (None for a leaf without a derivative); with `has_aux`, `(jacobian, aux)`. The trees are in
        a tuple where `argnums` or `argnames` is one, and in a pair where both are given.

    Raises:
        DtypeError: for an argument without float or complex numbers, and for complex ones without
            `holomorphic`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    return jacobian_function(
        "jacfwd", "forward", fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )


def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, by reverse mode: good for many inputs and
    few outputs.

    Args:
        fun: a function of trees of arrays.
        argnums: positions of the arguments to differentiate, as for `jacfwd`.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of the arguments to differentiate, as for `jacfwd`.
        chunk_size: compute at most so many rows at once, which takes less memory.

    Returns:
        As `jacfwd`.

    Raises:
        DtypeError: for an argument without float or complex numbers, and for complex results
            without `holomorphic`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacrev(lambda x: np.array([1.0, 2.0]) * np.sum(x))(np.ones(3))
        array([[1., 1., 1.],
               [2., 2., 2.]])
    """
    return jacobian_function(
        "jacrev", "reverse", fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )


def jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
    mode: str = "auto",
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, in any mode; by default in the one that
    takes fewer passes.

    Args:
        fun: a function of trees of arrays.
        argnums: positions of the arguments to differentiate, as for `jacfwd`.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of the arguments to differentiate, as for `jacfwd`.
        chunk_size: compute at most so many columns or rows at once, which takes less memory; in
            forward and reverse mode.
        mode: how the derivatives are found. "forward" (a pass for each number of the arguments) or
            "reverse" (one for each number of the result); "auto" takes what has fewer, and
            `wengert.plan` says why. Besides "finite" (differences, extrapolated), "complex-step",
            "symbolic" (with sympy), "taylor", and "sparse", which returns a matrix of SciPy's.
            `wengert.compare_modes` compares them.

    Returns:
        As `jacfwd`.

    Raises:
        DtypeError: for an argument without float or complex numbers.
        ModeError: for an unknown mode, or one that cannot compute this.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda p: {"sum": p["a"] + p["b"]})({"a": 1.0, "b": 2.0})
        {'sum': {'a': np.float64(1.0), 'b': np.float64(1.0)}}
        >>> x = np.linspace(0.0, 1.0, 1000)
        >>> wg.jacobian(np.cumsum, chunk_size=100)(x).shape
        (1000, 1000)
    """
    return jacobian_function(
        "jacobian", mode, fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )


@boundary
def value_and_jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
    mode: str = "auto",
) -> Callable[..., Any]:
    """Make a function that returns the value of `fun` and its Jacobian, from one evaluation.

    Args:
        fun: a function of trees of arrays.
        argnums: positions of the arguments to differentiate, as for `jacfwd`.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of the arguments to differentiate, as for `jacfwd`.
        chunk_size: compute at most so many columns or rows at once, which takes less memory.
        mode: as for `jacobian`.

    Returns:
        A function of the same arguments that returns `(y, jacobian)`, or `((y, aux), jacobian)`;
        the Jacobian is that of `jacobian`.

    Raises:
        DtypeError: for an argument without float or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, jacobian = wg.value_and_jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
        >>> y, jacobian
        (array([1., 4.]), array([[2., 0.],
               [0., 4.]]))
    """
    both = value_and_jacobian_function(
        "value_and_jacobian", mode, fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )
    return boundary(both)


def jacobian_function(
    label: str,
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    holomorphic: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    """A function that returns the Jacobian, for a transformation called `label`."""
    engine = engine_of(f"{label} of {describe_function(fun)}", mode, OWN_MODES)
    if engine is not None and engine.jacobian_of is not None:
        return _whole(label, engine.jacobian_of, mode, fun, argnums, argnames, has_aux, chunk_size)
    both = value_and_jacobian_function(
        label, mode, fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return marked(function, derivative(both))


def _whole(
    label: str,
    make: Callable[..., Callable[..., Any]],
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    """The function that an engine makes for a user."""
    operation = f"{label} of {describe_function(fun)}"
    choice = Choice(operation, fun, argnums, argnames)
    _check_chunk_size(operation, chunk_size)
    found = make(fun, argnums, has_aux, argnames=argnames, chunk_size=chunk_size)
    return marked(found, Derivative("jacobian", fun, choice, has_aux, mode, chunk_size))


def value_and_jacobian_function(
    label: str,
    mode: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    holomorphic: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    """A function that returns the value and the Jacobian, for a transformation called `label`."""
    name = describe_function(fun)
    operation = f"{label} of {name}"
    choice = Choice(operation, fun, argnums, argnames)
    _check_chunk_size(operation, chunk_size)
    engine = engine_of(operation, mode, OWN_MODES)
    about = Derivative("jacobian", fun, choice, has_aux, mode, chunk_size)
    if engine is not None and engine.jacobian_of is not None:
        whole = _whole(label, engine.jacobian_of, mode, fun, argnums, argnames, has_aux, chunk_size)
        return marked(_with_value(fun, whole, has_aux), about)

    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        selected, chosen, places = choice.select(args, kwargs)
        check_complex_inputs(operation, chosen, holomorphic)
        if engine is not None:
            problem = Problem(
                operation, selected, chosen, has_aux=has_aux, labels=places, pack=choice.pack,
                traced=engine.traced,
            )  # fmt: skip
            found = problem.assemble(engine.rows(problem, holomorphic))
            return ((problem.value, problem.aux) if has_aux else problem.value), found
        value, linear, aux = record(
            label, name, selected, chosen, has_aux, at_once=True, labels=places, each=True
        )
        n, m = _size(linear.in_avals), _size(linear.out_avals)
        forward = choose(about, n, m)[0] == "forward"
        if is_wasteful(mode, n, m):
            _warn(about, Problem(operation, selected, chosen, has_aux=has_aux, labels=places))
        if not holomorphic:
            _check_real(operation, linear, forward)
        blocks = _by_structure(linear, chosen) if may_have_structure(about, n, m) else None
        if blocks is None:
            blocks = columns(linear, chunk_size) if forward else rows(linear, chunk_size)
        # blocks[i][j]: derivative of result leaf i by argument leaf j
        inner = [tree.unflatten(linear.in_tree, row) for row in blocks]
        found = tree.unflatten(linear.out_tree, [choice.pack(t) for t in inner])
        leaves, found_tree = tree.flatten(found)
        found = tree.unflatten(found_tree, distinct(leaves))
        value = tree.map(own_copy, value)
        return ((value, aux) if has_aux else value), found

    return marked(function, about)


def _by_structure(linear: LinearFunction, args: Sequence[Any]) -> list[list[Array]] | None:
    """The blocks of a large Jacobian that is mostly zero, from few passes; None for any other."""
    if any([isinstance(x, Tracer) for x in tree.leaves(args)]):
        return None
    engine = engine_of("jacobian", "sparse", ())
    assert engine is not None and engine.structure is not None and engine.dense is not None
    plan = engine.structure(linear)
    matrix = None if plan is None else engine.dense(linear, plan)
    if matrix is None:
        return None
    found, start = [], 0
    for aval in linear.out_avals:
        part = matrix[start : start + aval.size]
        start += aval.size
        found.append(_split(part, linear.in_avals, [*aval.shape], leading=False))
    return found


def _with_value(
    fun: Callable[..., Any], derivative: Callable[..., Any], has_aux: bool
) -> Callable[..., Any]:
    """The value of a function and its derivative, which another function computes."""

    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        found = derivative(*args, **kwargs)
        value = fun(*args, **kwargs)
        return value, (found[0] if has_aux else found)

    if hasattr(derivative, "plan"):
        function.plan = derivative.plan  # type: ignore[attr-defined]  # that of sparse derivatives
    return function


def _warn(about: Derivative, problem: Problem) -> None:
    """Warn of a mode that takes far too many passes, with the plan."""
    warnings.warn(
        f'mode="{about.mode}" takes many passes here; mode="auto" takes fewer. '
        f"The plan:\n{plan_of(about, problem)}",
        WastefulModeWarning,
        stacklevel=2,
    )


def _check_chunk_size(operation: str, chunk_size: int | None) -> None:
    if chunk_size is None:
        return
    if not isinstance(chunk_size, int | np.integer) or isinstance(chunk_size, bool):
        raise DtypeError(f"{operation}: chunk_size must be an int.", got=repr(chunk_size))
    if chunk_size < 1:
        raise ShapeError(
            f"{operation}: chunk_size must be positive.",
            got=repr(chunk_size),
            fix="chunk_size=1 computes one column or row at a time; None computes all at once",
        )


def _size(avals: Sequence[ShapedArray]) -> int:
    return sum([a.size for a in avals])


def _check_real(operation: str, linear: LinearFunction, forward: bool) -> None:
    what, avals = ("arguments", linear.in_avals) if forward else ("result", linear.out_avals)
    for aval in avals:
        if aval.dtype.kind == "c":
            raise DtypeError(
                f"{operation}: the {what} must be real without holomorphic=True.",
                got=repr(aval),
                fix="holomorphic=True if the function is holomorphic; or split it into real and "
                "imaginary parts",
            )


def _basis(avals: Sequence[ShapedArray], first: int, last: int) -> list[Array]:
    """Some of the unit vectors of a product of arrays, stacked: an array of shape
    (last - first, *shape) for each type.
    """
    found, start = [], 0
    for aval in avals:
        block = np.eye(last - first, aval.size, first - start, aval.dtype)
        found.append(block.reshape((last - first, *aval.shape)))
        start += aval.size
    return found


def columns(linear: LinearFunction, chunk_size: int | None) -> list[list[Array]]:
    """Push all unit tangents forward."""

    def run(first: int, last: int) -> list[Array]:
        basis = tree.unflatten(linear.in_tree, _basis(linear.in_avals, first, last))
        return tree.leaves(vmap(linear, out_axes=-1, axis_size=last - first)(*basis))

    pushed = _in_chunks(run, _size(linear.in_avals), chunk_size, leading=False)
    return [
        _split(column, linear.in_avals, [*aval.shape], leading=False)
        for column, aval in zip(pushed, linear.out_avals, strict=True)
    ]


def rows(linear: LinearFunction, chunk_size: int | None) -> list[list[Array]]:
    """Pull all unit cotangents back."""

    def run(first: int, last: int) -> list[Array]:
        basis = tree.unflatten(linear.out_tree, _basis(linear.out_avals, first, last))
        return tree.leaves(vmap(linear.transpose, axis_size=last - first)(basis))

    pulled = _in_chunks(run, _size(linear.out_avals), chunk_size, leading=True)
    columns = [
        _split(g, linear.out_avals, [*aval.shape], leading=True)
        for g, aval in zip(pulled, linear.in_avals, strict=True)
    ]
    if not columns:
        return [[] for _ in linear.out_avals]
    return [
        list(row) if y.dtype.kind in "fc" else [np.zeros(b.shape, y.dtype)[()] for b in row]
        for row, y in zip(zip(*columns, strict=True), linear.out_avals, strict=True)
    ]


def _in_chunks(
    run: Callable[[int, int], list[Array]], n: int, chunk_size: int | None, leading: bool
) -> list[Array]:
    """The results of `run` for the unit vectors from 0 to n, joined along the axis of them; not
    more than `chunk_size` at once.
    """
    if chunk_size is None or n <= chunk_size:
        return run(0, n)
    joined: list[Any] = []
    for first in range(0, n, chunk_size):
        last = min(first + chunk_size, n)
        parts = run(first, last)
        if first == 0:
            joined = [_room_for(x, n, leading) for x in parts]
        for whole, part in zip(joined, parts, strict=True):
            if type(whole) is list:
                whole.append(part)
            elif leading:
                whole[first:last] = part
            else:
                whole[..., first:last] = part
    axis = 0 if leading else -1
    return [np.concatenate(x, axis) if type(x) is list else x for x in joined]


def _room_for(part: Array, n: int, leading: bool) -> Any:
    """What takes the parts of a result: an array, or a list where they are traced."""
    if type(part) is not np.ndarray:
        return []
    shape = (n, *part.shape[1:]) if leading else (*part.shape[:-1], n)
    return np.empty(shape, part.dtype)


def _split(
    stacked: Array, avals: Sequence[ShapedArray], shape: list[int], leading: bool
) -> list[Array]:
    """Cut the axis of unit vectors into one block for each type, with that type's shape."""
    blocks, start = [], 0
    for aval in avals:
        part = slice(start, start + aval.size)
        block = stacked[part] if leading else stacked[..., part]
        new = [*aval.shape, *shape] if leading else [*shape, *aval.shape]
        start += aval.size
        block = np.reshape(block, new)
        blocks.append(block if block.shape else block[()])
    return blocks
