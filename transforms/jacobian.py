"""Jacobians and Hessians: the matrix of the derivative, column by column (forward) or row by row
(reverse), all at once by vmap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..core import tree
from ..core.aval import Array, ShapedArray
from ..core.errors import DtypeError
from ..core.source import boundary, describe_function
from .api import distinct, select_arguments
from .grad import check_complex_inputs
from .linearize import LinearFunction, record
from .vmap import vmap

__all__ = ["hessian", "jacfwd", "jacobian", "jacrev"]


def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, by forward mode: good for few inputs and
    many outputs.

    Args:
        fun: a function of trees of arrays.
        argnums: which positional arguments to differentiate: an int, or several.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.

    Returns:
        A function of the same arguments. For each leaf of the result it returns a tree like the
        argument, whose leaves have the shape of the result followed by that of the argument's leaf;
        with `has_aux`, `(jacobian, aux)`.

    Raises:
        DtypeError: for integer arguments, and complex ones without `holomorphic`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    return _jacobian_function("jacfwd", fun, argnums, has_aux, holomorphic)


def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, by reverse mode: good for many inputs and
    few outputs.

    Args:
        fun: a function of trees of arrays.
        argnums: which positional arguments to differentiate: an int, or several.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.

    Returns:
        As `jacfwd`.

    Raises:
        DtypeError: for integer arguments, and complex results without `holomorphic`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacrev(lambda x: np.array([1.0, 2.0]) * np.sum(x))(np.ones(3))
        array([[1., 1., 1.],
               [2., 2., 2.]])
    """
    return _jacobian_function("jacrev", fun, argnums, has_aux, holomorphic)


def jacobian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make a function that returns the Jacobian of `fun`, by forward or reverse mode, whichever
    takes fewer passes.

    Args:
        fun: a function of trees of arrays.
        argnums: which positional arguments to differentiate: an int, or several.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.

    Returns:
        As `jacfwd`.

    Raises:
        DtypeError: for integer arguments.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.jacobian(lambda p: {"sum": p["a"] + p["b"]})({"a": 1.0, "b": 2.0})
        {'sum': {'a': np.float64(1.0), 'b': np.float64(1.0)}}
    """
    return _jacobian_function("jacobian", fun, argnums, has_aux, holomorphic)


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make a function that returns the second derivatives of `fun`: forward mode over reverse mode.

    Args:
        fun: a function of trees of arrays, mostly with a scalar result.
        argnums: which positional arguments to differentiate: an int, or several.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.

    Returns:
        A function of the same arguments that returns, for a scalar function of an array of shape s,
        an array of shape s + s; for trees, a tree of trees of such arrays.

    Raises:
        DtypeError: for integer arguments.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        array([[4., 2.],
               [2., 0.]])
    """
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def _jacobian_function(
    label: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
) -> Callable[..., Any]:
    name = describe_function(fun)
    operation = f"{label} of {name}"
    single = isinstance(argnums, int | np.integer)

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        selected, chosen = select_arguments(operation, fun, argnums, args, kwargs)
        check_complex_inputs(operation, chosen, holomorphic)
        _, linear, aux = record(label, name, selected, chosen, has_aux)
        forward = label == "jacfwd" or (
            label == "jacobian" and _size(linear.in_avals) <= _size(linear.out_avals)
        )
        if not holomorphic:
            _check_real(operation, linear, forward)
        rows = _columns(linear) if forward else _rows(linear)
        # rows[i][j]: derivative of result leaf i by argument leaf j
        inner = [tree.unflatten(linear.in_tree, row) for row in rows]
        found = tree.unflatten(linear.out_tree, [t[0] if single else t for t in inner])
        leaves, found_tree = tree.flatten(found)
        found = tree.unflatten(found_tree, distinct(leaves))
        return (found, aux) if has_aux else found

    return function


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


def _basis(avals: Sequence[ShapedArray], dtypes: Sequence[ShapedArray]) -> list[Array]:
    """The unit vectors of a product of arrays, stacked: one array of shape (n, *shape) for each
    type.
    """
    n = _size(avals)
    found, start = [], 0
    for aval in avals:
        block = np.zeros((n, aval.size), aval.dtype)
        block[start : start + aval.size] = np.eye(aval.size, dtype=aval.dtype)
        found.append(block.reshape((n, *aval.shape)))
        start += aval.size
    return found


def _columns(linear: LinearFunction) -> list[list[Array]]:
    """Push all unit tangents forward at once."""
    basis = tree.unflatten(linear.in_tree, _basis(linear.in_avals, linear.out_avals))
    pushed = tree.leaves(vmap(linear, out_axes=-1)(*basis))
    return [
        _split(column, linear.in_avals, [*aval.shape], leading=False)
        for column, aval in zip(pushed, linear.out_avals, strict=True)
    ]


def _rows(linear: LinearFunction) -> list[list[Array]]:
    """Pull all unit cotangents back at once."""
    basis = tree.unflatten(linear.out_tree, _basis(linear.out_avals, linear.in_avals))
    pulled = tree.leaves(vmap(linear.transpose)(basis))
    columns = [
        _split(g, linear.out_avals, [*aval.shape], leading=True)
        for g, aval in zip(pulled, linear.in_avals, strict=True)
    ]
    return (
        [list(row) for row in zip(*columns, strict=True)]
        if columns
        else [[] for _ in linear.out_avals]
    )


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
