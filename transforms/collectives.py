"""Collectives: operations between the members of a batch, by the name of its axis.

`vmap(f, axis_name="i")` binds the name while f runs, and `psum(x, "i")` in f is the sum over all
members. The primitives, and how they get at the members, are in `collective_rules.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from operator import index
from typing import Any, TypeAlias

import numpy as np

from ..core import tree
from ..core.aval import Array, aval_of
from ..core.errors import AxisNameError, BatchError, ShapeError
from ..core.primitives.elementwise import as_array
from ..core.source import boundary, user_source
from ..core.storage import copy_p
from ..core.tracing import RUNNING
from ..core.tree import is_static_leaf
from ..core.treedef import leaf_paths
from .api import argument_path, flatten_arguments
from .collective_rules import (
    Collective,
    all_gather_p,
    all_to_all_p,
    pmax_p,
    pmin_p,
    ppermute_p,
    psum_p,
    psum_scatter_p,
)
from .vmap import BatchTracer, NamedAxis

__all__ = [
    "all_gather",
    "all_to_all",
    "axis_index",
    "axis_size",
    "pbroadcast",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "pshuffle",
    "pswapaxes",
    "psum",
    "psum_scatter",
]

AxisNames: TypeAlias = Hashable | Sequence[Hashable]


# Names.


def _find(operation: str, name: Hashable) -> NamedAxis:
    """The axis of a name: the innermost, where it is bound several times."""
    bound = [t for t in reversed(RUNNING.traces) if getattr(t, "axis", None) is not None]
    for trace in bound:
        axis: NamedAxis = trace.axis  # type: ignore[attr-defined]  # just looked up
        if axis.name == name:
            return axis
    names = ", ".join([repr(t.axis.name) for t in bound])  # type: ignore[attr-defined]
    raise AxisNameError(
        f"{operation}: no axis of the name {name!r} is bound here.",
        got=f"{name!r}; " + (f"the names bound here: {names}" if names else "no name is bound"),
        needed="the axis_name of a vmap whose function is running",
        fix=f"call it in a function that runs in wg.vmap(f, axis_name={name!r})"
        + (
            f", and trace that as a whole: wg.make_program(wg.vmap(f, axis_name={name!r}))"
            if RUNNING.symbolic
            else ""
        ),
    )


def _axes(operation: str, axis_name: AxisNames) -> list[NamedAxis]:
    """The axes of one name, or of a tuple of names."""
    names = list(axis_name) if isinstance(axis_name, tuple | list) else [axis_name]
    if any([names.count(n) > 1 for n in names]):
        raise BatchError(
            f"{operation}: an axis is named twice.", got=repr(axis_name), needed="each name once"
        )
    return [_find(operation, name) for name in names]


def _one_axis(operation: str, axis_name: Hashable) -> NamedAxis:
    if isinstance(axis_name, tuple | list) and len(axis_name) != 1:
        raise BatchError(
            f"{operation}: it works along one axis.", got=repr(axis_name), needed="one name"
        )
    return _axes(operation, axis_name)[0]


def _apply(primitive: Collective, x: Array, axis: NamedAxis, **params: Any) -> Array:
    return primitive.bind(x, axis.index, axis_name=axis.name, size=axis.size, **params)


def _on_leaves(operation: str, x: Any, f: Callable[[Array], Array]) -> Any:
    """A tree with `f` applied to its leaves, which must be arrays or numbers."""
    leaves, treedef = flatten_arguments(operation, (x,))
    for i, leaf in enumerate(leaves):
        if is_static_leaf(leaf):
            path = argument_path(leaf_paths(treedef, "")[i])
            raise tree.leaf_type_error(operation, path, leaf)
    return tree.unflatten(treedef, [f(leaf) for leaf in leaves])[0]


def _axis_of(operation: str, axis: Any, ndim: int, x: Array) -> int:
    if not isinstance(axis, int | np.integer) or not -ndim <= axis < ndim:
        raise ShapeError(
            f"{operation}: there is no axis {axis!r}.",
            got=f"{aval_of(x)!r} of each member",
            needed=f"an int between {-ndim} and {ndim - 1}",
        )
    return int(axis) % ndim


def _merged(x: Array, axis: int) -> Array:
    """Make one of two neighbouring axes."""
    s = aval_of(x).shape
    return np.reshape(x, (*s[:axis], s[axis] * s[axis + 1], *s[axis + 2 :]))


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


# What users call.


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
    axes = _axes("psum", axis_name)
    return _on_leaves("psum", x, lambda leaf: _total(leaf, axes))


def _total(x: Array, axes: Sequence[NamedAxis]) -> Array:
    for axis in axes:
        if type(x) in (bool, int, float, complex):
            x = x * axis.size
        else:
            x = _apply(psum_p, x, axis)
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
    axes = _axes("pmean", axis_name)
    return _on_leaves("pmean", x, lambda leaf: _mean(leaf, axes))


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
    axes = _axes(operation, axis_name)

    def reduce(leaf: Array) -> Array:
        if type(leaf) in (bool, int, float, complex):
            return leaf
        for axis in axes:
            leaf = _apply(primitive, leaf, axis)
        return leaf

    return _on_leaves(operation, x, reduce)


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
    axes = _axes(operation, axis_name)

    def gather(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        ndim = aval_of(leaf).ndim
        if tiled:
            k = _axis_of(operation, axis, ndim, leaf)
        else:
            k = _axis_of(operation, axis, ndim + 1, leaf)
        for i, named in enumerate(reversed(axes)):
            leaf = np.moveaxis(_apply(all_gather_p, leaf, named), 0, k)
            if tiled or i:
                leaf = _merged(leaf, k)
        return leaf

    return _on_leaves(operation, x, gather)


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
    named = _one_axis(operation, axis_name)

    def scatter(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        k = _axis_of(operation, scatter_dimension, aval_of(leaf).ndim, leaf)
        if tiled:
            leaf = _chunks(operation, leaf, k, named.size)
        y = _apply(psum_scatter_p, _leading(operation, leaf, k, named.size), named)
        return y

    return _on_leaves(operation, x, scatter)


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
    named = _one_axis(operation, axis_name)

    def exchange(leaf: Array) -> Array:
        leaf = as_array(leaf, operation)
        ndim = aval_of(leaf).ndim
        split = _axis_of(operation, split_axis, ndim, leaf)
        concat = _axis_of(operation, concat_axis, ndim, leaf)
        if tiled:
            leaf = _chunks(operation, leaf, split, named.size)
        leaf = _leading(operation, leaf, split, named.size)
        y = np.moveaxis(_apply(all_to_all_p, leaf, named), 0, concat)
        return _merged(y, concat) if tiled else y

    return _on_leaves(operation, x, exchange)


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
    named = _one_axis("ppermute", axis_name)
    pairs = _permutation("ppermute", perm, named.size)
    return _on_leaves(
        "ppermute",
        x,
        lambda leaf: _apply(ppermute_p, as_array(leaf, "ppermute"), named, perm=pairs),
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
    named = _one_axis("pshuffle", axis_name)
    sources = list(perm)
    if sorted(sources) != list(range(named.size)):
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
    named = _one_axis("pbroadcast", axis_name)
    if not isinstance(source, int | np.integer) or not 0 <= source < named.size:
        raise BatchError(
            "pbroadcast: there is no such member.",
            got=f"source {source!r}",
            needed=f"an int from 0 to {named.size - 1}",
        )
    return _on_leaves(
        "pbroadcast",
        x,
        lambda leaf: _apply(all_gather_p, as_array(leaf, "pbroadcast"), named)[source],
    )


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
    for k, axis in enumerate(_axes("axis_index", axis_name)):
        position = BatchTracer(axis.index._trace, axis.index.value, user_source())
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
    return _total_size(_axes("axis_size", axis_name))
