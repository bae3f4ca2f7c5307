"""Loops made of others: `fori_loop`, `map`, and `associative_scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ShapeError
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import RUNNING, Tracer
from ...core.treedef import leaf_paths
from ..api import as_array_leaf
from ..checkpointing.checkpoint import recomputes
from ..checkpointing.checkpoint_plans import plan_of
from ..checkpointing.checkpointed_scan import checkpointed_scan
from ..vmap import vmap
from .bodies import Leaves, array_leaves, check_carry, joined_avals, own, same_structure
from .scan import scan, traced_scan
from .structured import agreed_value
from .while_loop import while_loop

__all__ = ["associative_scan", "fori_loop", "map"]


@boundary
def fori_loop(
    lower: Array,
    upper: Array,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoint_every: int | None = None,
    checkpoints: int | None = None,
    memory_budget: float | None = None,
) -> Any:
    """A counting loop: `for i in range(lower, upper): val = body_fun(i, val)`.

    Where the bounds have concrete values this is a Python loop; in a program it is one equation,
    `scan` if the bounds are known and `while` if not. Under vmap each member has its own bounds.

    Args:
        lower: the first index, an int.
        upper: the index at which to stop, an int.
        body_fun: takes the index and the carried value, returns the next carried value, of the same
            structure and shapes.
        init_val: the carried value at the start, a tree of arrays; it is not written to.
        unroll: accepted for JAX's sake; it changes nothing.
        checkpoint_every: keep for reverse mode only each so many states, as in `scan`. The bounds
            must be known for that.
        checkpoints: keep so many states at a time, as in `scan`.
        memory_budget: choose one of the two for so many bytes, as in `scan`.

    Returns:
        The carried value at the end; `init_val` if `upper <= lower`.

    Raises:
        DtypeError, ShapeError: if a bound is no int, or no scalar.
        ShapeError, TreeError: if the carried value changes its shape or structure.

    Example:
        >>> import wengert as wg
        >>> power = lambda x: wg.fori_loop(0, 3, lambda i, y: y * x, 1.0)
        >>> wg.grad(power)(2.0)
        np.float64(12.0)
    """
    operation = f"fori_loop of {describe_function(body_fun)}"
    start, stop = _bound(operation, "lower", lower), _bound(operation, "upper", upper)
    bounds = agreed_value(start), agreed_value(stop)
    plan = plan_of(operation, checkpoint_every, checkpoints, memory_budget)
    if bounds[0] is None or bounds[1] is None:
        if plan is not None:
            raise ShapeError(
                f"{operation}: checkpointing needs a known number of steps.",
                got=f"bounds {lower!r} and {upper!r}",
                fix="leave it out, or give bounds that are no traced values",
            )
        step = _named(body_fun, lambda c: (c[0] + 1, body_fun(*c)))
        return while_loop(lambda c: c[0] < stop, step, (start, init_val))[1]
    first, last = int(bounds[0]), int(bounds[1])
    carried = array_leaves(operation, init_val, "init_val")
    n = last - first
    recomputed = plan is not None and recomputes()
    if (RUNNING.symbolic or recomputed) and n > 0:
        indices = Leaves([np.arange(first, last)], tree.structure(0))
        if plan is None or RUNNING.symbolic:
            step = _named(body_fun, lambda c, i: (body_fun(i, c), None))
            return traced_scan(operation, step, carried, indices, n, False, True, plan)[0]
        step = _named(body_fun, lambda c, i: (body_fun(_number(i), c), None))
        return checkpointed_scan(operation, step, carried, indices, n, False, plan)[0]
    carry = carried.rebuilt([own(x) for x in carried.arrays])
    for i in range(first, last):
        carry = body_fun(i, carry)
        if i == first:
            check_carry(operation, carried, carry)
    return carry


def _named(fun: Callable[..., Any], wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """The second function under the name of the first."""
    wrapped.__name__ = describe_function(fun)
    return wrapped


def _number(i: Array) -> Array:
    """An index as a Python int, which does not decide dtypes."""
    return i if isinstance(i, Tracer) else int(i)


def _bound(operation: str, which: str, x: Any) -> Array:
    x = current(as_array_leaf(operation, which, x))
    aval = aval_of(x)
    if aval.shape:
        raise ShapeError(f"{operation}: {which} must be a scalar.", got=repr(aval))
    if aval.dtype.kind not in "iu":
        raise DtypeError(
            f"{operation}: {which} must be an int.",
            got=repr(aval),
            fix="convert it outside: int(n)",
        )
    return x


@boundary
def map(f: Callable[..., Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to the items of arrays one after the other, and stack the results.

    Unlike `vmap` it runs the function once for each item, so that memory is needed for one at a
    time, and Python's control flow works on values.

    Args:
        f: a function of one item, a tree of arrays.
        xs: a tree of arrays that are taken apart along their first axis.
        batch_size: apply `vmap(f)` to so many items at a time: faster, and still in bounds.

    Returns:
        The results along a new first axis.

    Raises:
        ShapeError: if the first axes differ, or there is none; or for a batch size below 1.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.map(lambda x: x**2, np.arange(4.0))
        array([0., 1., 4., 9.])
        >>> wg.map(wg.grad(np.sin), np.zeros(5), batch_size=2)
        array([1., 1., 1., 1., 1.])
    """
    each = _named(f, lambda _, x: (None, f(x)))
    operation = f"map of {describe_function(f)}"
    stacks = array_leaves(operation, xs, "xs")
    n = _first_axis(operation, stacks.avals, stacks.treedef)
    if batch_size is None:
        return scan(each, None, xs)[1]
    if isinstance(batch_size, Tracer) or not isinstance(batch_size, int | np.integer):
        raise DtypeError(f"{operation}: batch_size must be an int.", got=repr(batch_size))
    if batch_size < 1:
        raise ShapeError(f"{operation}: batch_size must be 1 or more.", got=repr(batch_size))
    whole = n - n % batch_size
    parts = []
    if whole or not n:
        blocks = [
            np.reshape(x[:whole], (-1, batch_size, *aval_of(x).shape[1:])) for x in stacks.arrays
        ]
        _, ys = scan(_named(f, lambda _, x: (None, vmap(f)(x))), None, stacks.rebuilt(blocks))
        parts.append(tree.map(lambda y: np.reshape(y, (whole, *aval_of(y).shape[2:])), ys))
    if n > whole:
        parts.append(vmap(f)(stacks.rebuilt([x[whole:] for x in stacks.arrays])))
    if len(parts) == 1:
        return parts[0]
    return tree.map(lambda *ys: np.concatenate(ys), *parts)


def _first_axis(
    operation: str, avals: Sequence[ShapedArray], treedef: tree.TreeDef, axis: int = 0
) -> int:
    """The length of an axis that all arrays have."""
    paths = leaf_paths(treedef, "")
    for path, v in zip(paths, avals, strict=True):
        if not -v.ndim <= axis < v.ndim:
            raise ShapeError(f"{operation}: the argument{path} has no axis {axis}.", got=repr(v))
    sizes = [v.shape[axis] for v in avals]
    if len(set(sizes)) != 1:
        raise ShapeError(
            f"{operation}: the arrays must have the same length along axis {axis}.",
            got=", ".join([f"{v!r}" for v in avals]) or "no arrays",
        )
    return sizes[0]


@boundary
def associative_scan(
    fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """Cumulative results of an associative function, in about log2(n) calls of it on whole arrays.

    Args:
        fn: an associative function of two trees of arrays that hold many elements along `axis`;
            it returns a tree of the same structure and shapes.
        elems: a tree of arrays with the same length along `axis`.
        reverse: from the last element to the first.
        axis: along which the elements lie.

    Returns:
        A tree of arrays like `elems`: element i is `fn(...fn(fn(e[0], e[1]), e[2])..., e[i])`.

    Raises:
        ShapeError: if the lengths differ, the axis does not exist, or `fn` changes shapes.
        TreeError: if `fn` changes the structure.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.associative_scan(np.multiply, np.arange(1.0, 6.0))
        array([  1.,   2.,   6.,  24., 120.])
        >>> wg.associative_scan(np.maximum, np.array([1, 3, 2, 5, 4]), reverse=True)
        array([5, 5, 5, 5, 4])

    Source: Blelloch, "Prefix sums and their applications" (1990), the even-odd recursion.
    """
    operation = f"associative_scan of {describe_function(fn)}"
    given = array_leaves(operation, elems, "elems")
    n = _first_axis(operation, given.avals, given.treedef, axis)
    leaves = [np.moveaxis(x, axis, 0) for x in given.arrays]
    if reverse:
        leaves = [x[::-1] for x in leaves]

    def combine(a: Sequence[Array], b: Sequence[Array]) -> list[Array]:
        pair = [given.rebuilt([np.moveaxis(x, 0, axis) for x in xs]) for xs in (a, b)]
        found = array_leaves(operation, fn(*pair), "the result")
        which, like = "the result of the function", "its argument"
        same_structure(operation, given.treedef, found.treedef, which, like)
        due = array_leaves(operation, pair[0]).avals
        joined_avals(operation, due, found.avals, given.treedef, which, like)
        return [np.moveaxis(x, axis, 0) for x in found.arrays]

    def cumulate(xs: list[Array], n: int) -> list[Array]:
        if n < 2:
            return xs
        half = cumulate(combine([x[: n - 1 : 2] for x in xs], [x[1::2] for x in xs]), n // 2)
        # `half` is right at odd places; those at even places come from the one before.
        rest = [x[2::2] for x in xs]
        even = combine([h[: (n - 1) // 2] for h in half], rest) if n > 2 else rest
        return [
            _interleaved(np.concatenate([x[:1], e]), h)
            for x, e, h in zip(xs, even, half, strict=True)
        ]

    ys = cumulate(leaves, n)
    if reverse:
        ys = [y[::-1] for y in ys]
    return given.rebuilt([np.moveaxis(y, 0, axis) for y in ys])


def _interleaved(a: Array, b: Array) -> Array:
    """a[0], b[0], a[1], b[1], ..., where `a` may have one more."""
    n, m = aval_of(a).shape[0], aval_of(b).shape[0]
    places = np.empty(n + m, np.intp)
    places[::2], places[1::2] = np.arange(n), np.arange(n, n + m)
    return np.concatenate([a, b])[places]
