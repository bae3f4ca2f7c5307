"""Collectives: operations between the members of a batch, by the name of its axis.

`vmap(f, axis_name="i")` binds the name while f runs, and `psum(x, "i")` in f is the sum over all
members. The primitives, and how they get at the members, are in `collective_rules.py`;
`exchanges.py` has the collectives that send values from one member to another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, aval_of
from ...core.primitives.elementwise import as_array
from ...core.source import boundary, user_source
from ..batching import BatchTracer, NamedAxis
from .collective_rules import (
    AxisNames,
    Collective,
    all_gather_p,
    apply,
    array_axis,
    axes_of,
    merged,
    on_leaves,
    pmax_p,
    pmin_p,
    psum_p,
)

__all__ = ["all_gather", "axis_index", "axis_size", "pmax", "pmean", "pmin", "psum"]


@boundary
def psum(x: Any, axis_name: AxisNames) -> Any:
    """Add up over the members of a batch.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names.

    Returns:
        A tree of the same shapes: the sums, which all members share. A value that does not depend
        on the member counts once for each, so `psum(1, axis_name)` is their number. As in `np.sum`,
        sums of bools and small integers are of `int64`.

    Raises:
        AxisNameError: if no vmap around the call has bound the name.
        UnsupportedError: if not all members are there, as in a branch that only some of them take.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([1.0, 2.0, 5.0])
        >>> wg.vmap(lambda x: x / wg.psum(x, "i"), axis_name="i")(x)
        array([0.125, 0.25 , 0.625])
        >>> wg.vmap(lambda x: wg.psum(x, "i"), axis_name="i", out_axes=None)(x)
        np.float64(8.0)
    """
    axes = axes_of("psum", axis_name)
    return on_leaves("psum", x, lambda leaf: _total(leaf, axes))


def _total(x: Array, axes: Sequence[NamedAxis]) -> Array:
    for axis in axes:
        number = type(x) in (bool, int, float, complex)
        x = x * axis.size if number else apply(psum_p, x, axis)
    return x


@boundary
def pmean(x: Any, axis_name: AxisNames) -> Any:
    """The mean over the members of a batch.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names.

    Returns:
        A tree of the same shapes: the means, which all members share.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> loss = lambda w, x, y: (w * x - y) ** 2
        >>> def gradient(w, x, y):
        ...     return wg.pmean(wg.grad(loss)(w, x, y), "data")
        >>> mapped = wg.vmap(gradient, in_axes=(None, 0, 0), out_axes=None, axis_name="data")
        >>> mapped(1.0, np.array([1.0, 2.0]), np.array([0.0, 1.0]))
        np.float64(3.0)
    """
    axes = axes_of("pmean", axis_name)
    return on_leaves("pmean", x, lambda leaf: _mean(leaf, axes))


def _mean(x: Array, axes: Sequence[NamedAxis]) -> Array:
    total, n = _total(x, axes), _total_size(axes)
    return total / n if n else total * np.nan


def _total_size(axes: Sequence[NamedAxis]) -> int:
    return math.prod([axis.size for axis in axes])


@boundary
def pmax(x: Any, axis_name: AxisNames) -> Any:
    """The largest value of the members of a batch, element by element.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names.

    Returns:
        A tree of the same shapes: the maxima, which all members share. As in `np.max`, NaN counts
        as the largest, and members that share the maximum share its derivative.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def softmax(x):
        ...     e = np.exp(x - wg.pmax(x, "i"))
        ...     return e / wg.psum(e, "i")
        >>> wg.vmap(softmax, axis_name="i")(np.array([1000.0, 1000.0]))
        array([0.5, 0.5])
    """
    return _over_all("pmax", pmax_p, x, axis_name)


@boundary
def pmin(x: Any, axis_name: AxisNames) -> Any:
    """The smallest value of the members of a batch, element by element.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names.

    Returns:
        A tree of the same shapes: the minima, which all members share; see `pmax`.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(lambda x: x - wg.pmin(x, "i"), axis_name="i")(np.array([3.0, 5.0]))
        array([0., 2.])
    """
    return _over_all("pmin", pmin_p, x, axis_name)


def _over_all(operation: str, primitive: Collective, x: Any, axis_name: AxisNames) -> Any:
    axes = axes_of(operation, axis_name)

    def reduce(leaf: Array) -> Array:
        if type(leaf) in (bool, int, float, complex):
            return leaf
        for axis in axes:
            leaf = apply(primitive, leaf, axis)
        return leaf

    return on_leaves(operation, x, reduce)


@boundary
def all_gather(x: Any, axis_name: AxisNames, *, axis: int = 0, tiled: bool = False) -> Any:
    """Give each member the values of all.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names, of which the
            last moves fastest.
        axis: where the results have the new axis, which stands for the members.
        tiled: join the values along the axis `axis` that they have, instead of a new one.

    Returns:
        A tree of arrays, which all members share.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        ShapeError: if there is no such axis.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def rank(x):
        ...     return np.sum(wg.all_gather(x, "i") < x)
        >>> wg.vmap(rank, axis_name="i")(np.array([30.0, 10.0, 20.0]))
        array([2, 0, 1])
    """
    operation = "all_gather"
    axes = axes_of(operation, axis_name)

    def gather(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        ndim = aval_of(leaf).ndim
        if tiled:
            k = array_axis(operation, axis, ndim, leaf)
        else:
            k = array_axis(operation, axis, ndim + 1, leaf)
        for i, named in enumerate(reversed(axes)):
            leaf = np.moveaxis(apply(all_gather_p, leaf, named), 0, k)
            if tiled or i:
                leaf = merged(leaf, k)
        return leaf

    return on_leaves(operation, x, gather)


@boundary
def axis_index(axis_name: AxisNames) -> Any:
    """The position of the member on the axis of its batch.

    Args:
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names, of which the
            last moves fastest.

    Returns:
        An int from 0, another one for each member.

    Raises:
        AxisNameError: as `psum`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(lambda x: x * wg.axis_index("i"), axis_name="i")(np.ones(3))
        array([0., 1., 2.])
    """
    found: Array = np.int64(0)
    for k, axis in enumerate(axes_of("axis_index", axis_name)):
        position = BatchTracer(axis.position._trace, axis.position.value, user_source())
        found = found * axis.size + position if k else position
    return found


@boundary
def axis_size(axis_name: AxisNames) -> int:
    """The number of members of a batch.

    Args:
        axis_name: the `axis_name` of a vmap around the call, or a tuple of such names.

    Returns:
        A Python int.

    Raises:
        AxisNameError: as `psum`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.vmap(lambda x: x / wg.axis_size("i"), axis_name="i")(np.ones(4))
        array([0.25, 0.25, 0.25, 0.25])
    """
    return _total_size(axes_of("axis_size", axis_name))
