"""Collectives that send values from one member of a batch to another; see `collectives.py`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import index
from typing import Any

import numpy as np

from ...core.aval import Array, aval_of
from ...core.errors import BatchError, ShapeError
from ...core.primitives.elementwise import as_array
from ...core.source import boundary
from .collective_rules import (
    all_gather_p,
    all_to_all_p,
    apply,
    array_axis,
    axis_of,
    merged,
    on_leaves,
    ppermute_p,
    psum_scatter_p,
)

__all__ = ["all_to_all", "pbroadcast", "ppermute", "pshuffle", "pswapaxes", "psum_scatter"]


def _chunks(operation: str, x: Array, axis: int, size: int) -> Array:
    """An axis as two: the number of the chunk, one for each member, and what is in it."""
    s = aval_of(x).shape
    if not size or s[axis] % size:
        raise ShapeError(
            f"{operation}: axis {axis} cannot be cut into equal parts, one for each member.",
            got=f"{aval_of(x)!r} of each of {size} members",
            needed=f"a length that is a multiple of {size}",
        )
    return np.reshape(x, (*s[:axis], size, s[axis] // size, *s[axis + 1 :]))


def _leading(operation: str, x: Array, axis: int, size: int) -> Array:
    """The axis that stands for the members, in front."""
    if aval_of(x).shape[axis] != size:
        raise ShapeError(
            f"{operation}: axis {axis} must have an element for each member.",
            got=f"{aval_of(x)!r} of each of {size} members",
            needed=f"length {size}",
            fix="tiled=True, if it should be cut into parts",
        )
    return np.moveaxis(x, axis, 0)


@boundary
def psum_scatter(
    x: Any, axis_name: Hashable, *, scatter_dimension: int = 0, tiled: bool = False
) -> Any:
    """Add up over the members of a batch, and give each member its part of the sum.

    Args:
        x: a tree of arrays, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        scatter_dimension: the axis of `x` whose elements are handed out: it has one for each
            member, and is not in the result.
        tiled: cut the axis into parts, one for each member, and keep it.

    Returns:
        A tree of arrays: `psum(x, axis_name)[axis_index(axis_name)]`, for the first axis.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        ShapeError: if there is no such axis, or its length does not fit the number of members.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([[1.0, 2.0], [10.0, 20.0]])
        >>> wg.vmap(lambda row: wg.psum_scatter(row, "i"), axis_name="i")(x)
        array([11., 22.])
    """
    operation = "psum_scatter"
    named = axis_of(operation, axis_name)

    def scatter(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        k = array_axis(operation, scatter_dimension, aval_of(leaf).ndim, leaf)
        if tiled:
            leaf = _chunks(operation, leaf, k, named.size)
        y = apply(psum_scatter_p, _leading(operation, leaf, k, named.size), named)
        return y

    return on_leaves(operation, x, scatter)


@boundary
def all_to_all(
    x: Any, axis_name: Hashable, split_axis: int, concat_axis: int, *, tiled: bool = False
) -> Any:
    """Hand out the elements of an axis to the members, and gather what the others hand out.

    Args:
        x: a tree of arrays, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        split_axis: the axis of `x` whose elements are handed out: it has one for each member, and
            is not in the result.
        concat_axis: where the result has the new axis, which stands for the members that the
            elements come from.
        tiled: cut the axis `split_axis` into parts instead, one for each member, and join the parts
            along the axis `concat_axis` that they have.

    Returns:
        A tree of arrays. The transpose of the whole batch, where `x` has one axis.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        ShapeError: if there is no such axis, or its length does not fit the number of members.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> wg.vmap(lambda row: wg.all_to_all(row, "i", 0, 0), axis_name="i")(x)
        array([[1., 3.],
               [2., 4.]])
    """
    operation = "all_to_all"
    named = axis_of(operation, axis_name)

    def exchange(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        ndim = aval_of(leaf).ndim
        split = array_axis(operation, split_axis, ndim, leaf)
        concat = array_axis(operation, concat_axis, ndim, leaf)
        if tiled:
            leaf = _chunks(operation, leaf, split, named.size)
        leaf = _leading(operation, leaf, split, named.size)
        y = np.moveaxis(apply(all_to_all_p, leaf, named), 0, concat)
        return merged(y, concat) if tiled else y

    return on_leaves(operation, x, exchange)


@boundary
def pswapaxes(x: Any, axis_name: Hashable, axis: int) -> Any:
    """Swap an axis of the members' values with that of the batch.

    Args:
        x: a tree of arrays, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        axis: an axis of `x` that has an element for each member.

    Returns:
        A tree of arrays of the same shapes.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        ShapeError: if there is no such axis, or its length is not the number of members.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> wg.vmap(lambda row: wg.pswapaxes(row, "i", 0), axis_name="i")(x)
        array([[1., 3.],
               [2., 4.]])
    """
    return all_to_all(x, axis_name, axis, axis)


@boundary
def ppermute(x: Any, axis_name: Hashable, perm: Sequence[tuple[int, int]]) -> Any:
    """Send the values of members to others.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        perm: pairs (source, destination) of positions on the axis, in which no source and no
            destination comes twice. A member to which nothing is sent gets zeros.

    Returns:
        A tree of the same shapes.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        BatchError: if `perm` has positions that do not exist, or one twice.

    Example:
        >>> import numpy as np, wengert as wg
        >>> ring = [(0, 1), (1, 2), (2, 0)]
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> wg.vmap(lambda x: wg.ppermute(x, "i", ring), axis_name="i")(x)
        array([3., 1., 2.])
    """
    named = axis_of("ppermute", axis_name)
    pairs = _permutation("ppermute", perm, named.size)
    return on_leaves(
        "ppermute",
        x,
        lambda leaf: apply(ppermute_p, as_array(leaf, "ppermute"), named, perm=pairs),
    )


def _permutation(operation: str, perm: Any, size: int) -> tuple[tuple[int, int], ...]:
    """The pairs as ints, sorted; an error if they are not what `ppermute` needs."""
    wanted = "pairs (source, destination) of ints"
    try:
        pairs = sorted([(index(i), index(k)) for i, k in perm])
    except (TypeError, ValueError):
        raise BatchError(
            f"{operation}: perm does not consist of pairs of ints.", got=repr(perm), needed=wanted
        ) from None
    for which, numbers in zip(("source", "destination"), zip(*pairs, strict=True), strict=False):
        for i in numbers:
            if not 0 <= i < size:
                raise BatchError(
                    f"{operation}: perm has a {which} that does not exist: {i}.",
                    got=repr(perm),
                    needed=f"{wanted} from 0 to {size - 1}",
                )
            if numbers.count(i) > 1:
                raise BatchError(
                    f"{operation}: perm has the {which} {i} twice.",
                    got=repr(perm),
                    needed=f"{wanted}, each source and each destination once",
                )
    return tuple(pairs)


@boundary
def pshuffle(x: Any, axis_name: Hashable, perm: Sequence[int]) -> Any:
    """Rearrange the values of the members.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        perm: for each member the position of that whose value it gets: a permutation.

    Returns:
        A tree of the same shapes.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        BatchError: if `perm` is no permutation of all positions.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> wg.vmap(lambda x: wg.pshuffle(x, "i", [2, 0, 1]), axis_name="i")(x)
        array([3., 1., 2.])
    """
    named = axis_of("pshuffle", axis_name)
    sources = list(perm) if isinstance(perm, Sequence | np.ndarray) else []
    if not np.array_equal(np.sort(sources), np.arange(named.size)):
        raise BatchError(
            "pshuffle: perm is no permutation of the members.",
            got=repr(perm),
            needed=f"the ints from 0 to {named.size - 1}, each once",
        )
    return ppermute(x, axis_name, list(zip(sources, range(named.size), strict=True)))


@boundary
def pbroadcast(x: Any, axis_name: Hashable, source: int) -> Any:
    """Give all members the value of one.

    Args:
        x: a tree of arrays and numbers, of each member.
        axis_name: the `axis_name` of a vmap around the call.
        source: the position of the member whose value it is.

    Returns:
        A tree of the same shapes, which all members share.

    Raises:
        AxisNameError, UnsupportedError: as `psum`.
        BatchError: if there is no such member.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([1.0, 2.0, 3.0])
        >>> wg.vmap(lambda x: x - wg.pbroadcast(x, "i", 0), axis_name="i")(x)
        array([0., 1., 2.])
    """
    named = axis_of("pbroadcast", axis_name)
    if not isinstance(source, int | np.integer) or not 0 <= source < named.size:
        raise BatchError(
            "pbroadcast: there is no such member.",
            got=f"source {source!r}",
            needed=f"an int from 0 to {named.size - 1}",
        )
    return on_leaves(
        "pbroadcast",
        x,
        lambda leaf: apply(all_gather_p, as_array(leaf, "pbroadcast"), named)[source],
    )
