"""Laplacians and diagonals of Hessians, by forward mode to second order: one run of the function
carries the value, the Jacobian, and what is wanted of the second derivatives (`second_trace.py`).

`laplacian : (a -> b) -> a -> b`; `forward_laplacian` returns the value and the Jacobian too, which
cost nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError
from ...core.primitives.elementwise import astype
from ...core.source import boundary, describe_function
from ...core.tree import is_static_leaf
from ..api import (
    differentiable_leaves,
    distinct,
    flatten_arguments,
    flatten_result,
    map_aux,
    plain_output,
    split_aux,
    without,
)
from ..arguments import Choice
from ..jvp import primal_part
from ..linearize import own_copy
from ..maps.spaces import Space
from ..stacks import chunks
from .second_trace import SecondTrace, SecondTracer

__all__ = ["ForwardLaplacian", "forward_laplacian", "hessian_diagonal", "laplacian"]


class ForwardLaplacian(NamedTuple):
    """What one pass of `forward_laplacian` finds.

    Args:
        value: the function's result.
        jacobian: its first derivatives, as `jacobian` gives them: the gradient of a scalar.
        laplacian: the sum of its unmixed second derivatives, a tree like the result.
    """

    value: Any
    jacobian: Any
    laplacian: Any


def laplacian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the Laplacian of `fun`: the trace of the Hessian, without the
    Hessian.

    Args:
        fun: a function of trees of real arrays, with real or complex results of any shape.
        argnums: positions of the arguments to differentiate by, the first when neither `argnums`
            nor `argnames` is given; the sum goes over all numbers in all of them.
        has_aux: `fun` returns a pair `(y, aux)`.
        argnames: names of such arguments.
        chunk_size: follow so many coordinates at a time, which takes less memory and runs `fun`
            once for each chunk; all at once, if left out.

    Returns:
        A function of the same arguments. It returns a tree like the result, or `(laplacian, aux)`.

    Raises:
        DtypeError: for an argument without floats, or of complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.laplacian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
        np.float64(18.0)
        >>> potential = lambda x: 1.0 / np.linalg.norm(x)  # harmonic in three dimensions
        >>> print(f"{abs(wg.laplacian(potential)(np.array([1.0, 2.0, 2.0]))):.3f}")
        0.000

    Source: Li et al., "A computational framework for neural network-based variational Monte Carlo
    with Forward Laplacian" (2023).
    """
    run = _second_function("laplacian", fun, argnums, argnames, has_aux, chunk_size, True)

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        found, _, aux = run(args, kwargs)
        result = _own(tree.unflatten(found.out_tree, [x.second for x in found.leaves]))
        return (result, aux) if has_aux else result

    return function


def forward_laplacian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the value, the Jacobian and the Laplacian of `fun` from one
    pass.

    Args:
        fun: a function of trees of real arrays, with real or complex results of any shape.
        argnums: positions of the arguments to differentiate by, as for `laplacian`.
        has_aux: `fun` returns a pair `(y, aux)`.
        argnames: names of such arguments.
        chunk_size: follow so many coordinates at a time, as for `laplacian`.

    Returns:
        A function of the same arguments that returns a `ForwardLaplacian(value, jacobian,
        laplacian)`; with `has_aux`, a pair of that and `aux`.

    Raises:
        DtypeError: for an argument without floats, or of complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> log_psi = lambda x: -0.5 * np.sum(x**2)  # the ground state of an oscillator
        >>> found = wg.forward_laplacian(log_psi)(np.array([0.3, -0.4, 1.2]))
        >>> kinetic = -0.5 * (found.laplacian + np.sum(found.jacobian**2))
        >>> print(f"{kinetic + 0.5 * (0.3**2 + 0.4**2 + 1.2**2):.6f}")  # its energy, 3/2, anywhere
        1.500000
    """
    run = _second_function("forward_laplacian", fun, argnums, argnames, has_aux, chunk_size, True)

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        found, pack, aux = run(args, kwargs)
        values = [own_copy(x.value) for x in found.leaves]
        result = ForwardLaplacian(
            tree.unflatten(found.full_tree, found.with_static(values)),
            _own(tree.unflatten(found.out_tree, [pack(x.value, x.first) for x in found.leaves])),
            _own(tree.unflatten(found.out_tree, [x.second for x in found.leaves])),
        )
        return (result, aux) if has_aux else result

    return function


def hessian_diagonal(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the diagonal of the Hessian of `fun`, exactly: its second
    derivative by each number of the argument.

    Args:
        fun: a function of trees of real arrays, mostly with a scalar result.
        argnums: positions of the arguments to differentiate by, as for `grad`.
        has_aux: `fun` returns a pair `(y, aux)`.
        argnames: names of such arguments.
        chunk_size: follow so many coordinates at a time, as for `laplacian`.

    Returns:
        A function of the same arguments. For a scalar function it returns a tree like the argument;
        in general, what `jacobian` returns, with second derivatives. With `has_aux`, `(diagonal,
        aux)`.

    Raises:
        DtypeError: for an argument without floats, or of complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian_diagonal(lambda x: np.sum(x**3) + x[0] * x[1])(np.array([1.0, 2.0]))
        array([ 6., 12.])
    """
    run = _second_function("hessian_diagonal", fun, argnums, argnames, has_aux, chunk_size, False)

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        found, pack, aux = run(args, kwargs)
        blocks = [pack(x.value, x.second) for x in found.leaves]
        result = _own(tree.unflatten(found.out_tree, blocks))
        return (result, aux) if has_aux else result

    return function


def _own(found: Any) -> Any:
    """A tree of results of which no two share memory."""
    leaves, treedef = tree.flatten(found)
    return tree.unflatten(treedef, distinct(leaves))


class _Leaf(NamedTuple):
    """A leaf of the result, with its first derivatives (directions in front) and second ones."""

    value: Array
    first: Array
    second: Array


class _Found(NamedTuple):
    """The leaves of a result that have derivatives; `full_tree` has all leaves."""

    leaves: list[_Leaf]
    out_tree: tree.TreeDef
    full_tree: tree.TreeDef
    outs: list[Any]

    def with_static(self, values: Sequence[Array]) -> list[Any]:
        """All leaves of the result."""
        given = iter(values)
        return [o if is_static_leaf(o) else next(given) for o in self.outs]


Pack = Callable[[Array, Array], Any]


def _second_function(
    label: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    chunk_size: int | None,
    collapsed: bool,
) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[_Found, Pack, Any]]:
    name = describe_function(fun)
    operation = f"{label} of {name}"
    choice = Choice(operation, fun, argnums, argnames)
    chunks(operation, 1, chunk_size)

    def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Found, Pack, Any]:
        selected, chosen, places = choice.select(args, kwargs)
        leaves, in_tree = flatten_arguments(operation, chosen, places)
        avals, active = differentiable_leaves(operation, leaves, in_tree, places, each=True)
        _check_real(operation, avals)
        active = list(range(len(leaves))) if active is None else active
        space = Space(without(in_tree, active), avals)

        def call(xs: Sequence[Array]) -> Any:
            full = list(leaves)
            for i, x in zip(active, xs, strict=True):
                full[i] = x
            return selected(*tree.unflatten(in_tree, full))

        def pack(value: Array, derivatives: Array) -> Any:
            """Derivatives along all directions as a tree like the argument."""
            rows = np.moveaxis(derivatives, 0, -1)
            blocks = space.split(rows, aval_of(value).ndim)
            return choice.pack(space.tree([plain_output(b) for b in blocks]))

        values = [leaves[i] for i in active]
        ranges = chunks(operation, space.size, chunk_size) or [(0, 0)]
        parts = [
            _propagated(operation, name, call, values, space, part, collapsed, has_aux)
            for part in ranges
        ]
        found, aux = parts[0]
        for other, _ in parts[1:]:
            merged = [
                _Leaf(
                    a.value,
                    np.concatenate([a.first, b.first]),
                    a.second + b.second if collapsed else np.concatenate([a.second, b.second]),
                )
                for a, b in zip(found.leaves, other.leaves, strict=True)
            ]
            found = found._replace(leaves=merged)
        return found, pack, aux

    return run


def _check_real(operation: str, avals: Sequence[ShapedArray]) -> None:
    for aval in avals:
        if aval.dtype.kind == "c":
            raise DtypeError(
                f"{operation}: the arguments must be real.",
                got=repr(aval),
                fix="split them into real and imaginary parts",
            )


def _propagated(
    operation: str,
    name: str,
    call: Callable[[Sequence[Array]], Any],
    values: Sequence[Array],
    space: Space,
    part: tuple[int, int],
    collapsed: bool,
    has_aux: bool,
) -> tuple[_Found, Any]:
    """One run of the function, along the coordinates from `part[0]` to `part[1]`."""
    first, last = part
    size = last - first
    basis = space.split(np.eye(size, space.size, first, space.dtype), 1)
    trace = SecondTrace(name, size, collapsed)
    trace.label = operation.partition(" ")[0]  # type: ignore[misc]  # of what the user called
    try:
        xs = [
            trace.wrap(x, astype(b, aval.dtype), None)
            for x, b, aval in zip(values, basis, space.avals, strict=True)
        ]
        result, aux = split_aux(operation, call(xs), has_aux)
        outs, full_tree = flatten_result(operation, result)
    finally:
        trace.close()
    kept = [i for i, o in enumerate(outs) if not is_static_leaf(o)]
    leaves, plain = [], []
    for o in outs:
        mine = type(o) is SecondTracer and o._trace is trace
        y = plain_output(o.primal if mine else o)
        plain.append(y)
        if is_static_leaf(y):
            continue
        aval = aval_of(y)
        dtype = aval.dtype if aval.dtype.kind in "fc" else space.dtype
        of_second = aval.shape if collapsed else (size, *aval.shape)
        d1 = o.tangent if mine else np.zeros((size, *aval.shape), dtype)
        d2 = o.second if mine and o.second is not None else np.zeros(of_second, dtype)
        leaves.append(_Leaf(y, d1, plain_output(d2)))
    aux = map_aux(lambda v: primal_part(v, trace), aux) if has_aux else None
    return _Found(leaves, without(full_tree, kept), full_tree, plain), aux
