"""The primitives between the members of a batch, and the names of its axes.

Each is `x, index -> y`. The operand `index` is the member's position on the axis, which is a traced
value of the vmap that bound the name. It says which axis is meant, wherever the operation is
carried: onto a tape, into the program of a loop's body, through an outer batch. No rule has to look
a name up, and a name that is used again in between cannot capture it.

Where the batch that `index` belongs to processes the operation, it becomes an ordinary one along
the leading axis. Results that all members share are no longer values of the batch. All but `pmax`
and `pmin` are linear; `psum` and `all_to_all` are their own transposes, `all_gather` is that of
`psum_scatter`, and `ppermute` that of the inverse permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import AxisNameError, BatchError, LeafTypeError, ShapeError, UnsupportedError
from ...core.ir import Atom, Program, Var
from ...core.primitives.elementwise import astype
from ...core.primitives.reductions import sum_dtype
from ...core.source import NEAR, user_source
from ...core.storage import copy_p
from ...core.tracing import RUNNING, Primitive, Rule, newest_trace
from ...core.tree import is_static_leaf
from ...core.treedef import leaf_paths
from ..api import argument_path, flatten_arguments
from ..batching import BatchTrace, BatchTracer, NamedAxis

__all__ = [
    "AxisNames",
    "Collective",
    "all_gather_p",
    "all_to_all_p",
    "apply",
    "array_axis",
    "axes_of",
    "axis_of",
    "couples",
    "holds_collective",
    "merged",
    "on_leaves",
    "pmax_p",
    "pmin_p",
    "ppermute_p",
    "psum_p",
    "psum_scatter_p",
]

AxisNames: TypeAlias = Hashable | Sequence[Hashable]
Permutation: TypeAlias = Sequence[tuple[int, int]]


class Collective(Primitive):
    """An operation between the members of a batch, `x, index -> y`.

    `together(size, batched, x, **params)` computes it for all members: the result, and whether it
    is the same for all, without a batch axis then. `takes` and `gives` say that `x`, or the result,
    has an axis in front that stands for the members.
    """

    __slots__ = ("gives", "takes", "together")

    def __init__(
        self,
        name: str,
        together: Rule,
        *,
        takes: bool = False,
        gives: bool = False,
        dtype: Callable[[np.dtype[Any]], np.dtype[Any]] = lambda d: d,
        transpose: Rule | None = None,
        jvp: Rule | None = None,
    ) -> None:
        def shape(x: ShapedArray, index: ShapedArray, *, size: int, **params: Any) -> ShapedArray:
            lead = (size,) if gives else ()
            return ShapedArray(lead + x.shape[takes:], dtype(x.dtype))

        super().__init__(
            name,
            self._alone,
            shape=shape,
            jvps=None if transpose else (jvp, None),
            transposes=transpose and (transpose, None),
            batch=self._batch,
            linear="jointly" if transpose else None,
            linear_args=(0,) if transpose else (),
        )
        self.together = together
        self.takes = takes
        self.gives = gives

    def bind(self, *args: Array, **params: Any) -> Array:
        trace = newest_trace(args)
        if isinstance(trace, BatchTrace):
            x, index = args
            if type(index) is BatchTracer and index._trace is trace:
                batched = type(x) is BatchTracer and x._trace is trace
                value = x.value if batched else x
                y, shared = self._run(trace.size, batched, value, params)
                return y if shared else BatchTracer(trace, y, user_source(NEAR))
        return super().bind(*args, **params)

    def _run(
        self, members: int, batched: bool, x: Array, params: dict[str, Any]
    ) -> tuple[Array, bool]:
        """The result for all members, and whether they share it."""
        if members != params["size"]:
            self._refuse(f"{members} members", params)
        found: tuple[Array, bool] = self.together(batched, x, **params)
        return found

    def _batch(
        self, members: int, batched: Sequence[bool], x: Array, index: Array, **params: Any
    ) -> Array:
        if batched[1]:
            y, shared = self._run(members, batched[0], x, params)
            return np.broadcast_to(y, (members, *aval_of(y).shape)) if shared else y
        # The batch of another vmap: its axis leads, before that which stands for the members.
        y = self.bind(np.swapaxes(x, 0, 1) if self.takes else x, index, **params)
        return np.swapaxes(y, 0, 1) if self.gives else y

    def _alone(self, x: Array, index: Array, **params: Any) -> Array:
        self._refuse("one member on its own", params)

    def _refuse(self, got: str, params: Mapping[str, Any]) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} over {params['axis_name']!r}: the members of the batch are not together "
            "here, because they do not all take the same way.",
            got=got,
            needed=f"all {params['size']}",
            fix="apply it before the cond, switch or while_loop in which the members differ, and "
            "pass in the result",
        )


def holds_collective(params: Mapping[str, Any]) -> bool:
    """True if a program in the params has a collective, whose members must stay together."""
    stack = list(params.values())
    while stack:
        x = stack.pop()
        if isinstance(x, Program):
            if any([isinstance(e.primitive, Collective) for e in x.equations]):
                return True
            stack += [e.params for e in x.equations]
        elif isinstance(x, dict):
            stack += x.values()
        elif isinstance(x, tuple | list):
            stack += x
    return False


def couples(program: Program, batched: Sequence[bool], of: Sequence[Var] | None = None) -> bool:
    """True if the program has a collective between the members of the batch that these of its
    inputs belong to, so that it is not a program of each member.

    With `of`, only collectives of what depends on those inputs count.
    """
    mine = {v for v, b in zip(program.inputs, batched, strict=False) if b}
    reached: set[Atom] | None = None if of is None else set(of)
    for e in program.equations:
        if reached is not None:
            if not any([v in reached for v in e.inputs]):
                continue
            reached.update(e.outputs)
        if isinstance(e.primitive, Collective):
            if e.inputs[1] in mine:
                return True
        elif any([v in mine for v in e.inputs]) and holds_collective(e.params):
            return True
    return False


# The primitives.


def _sum(batched: bool, x: Array, size: int) -> Array:
    """The sum over all members."""
    if batched:
        return np.sum(x, axis=0)
    aval = aval_of(x)
    return (x if aval.weak_type else astype(x, sum_dtype(aval.dtype))) * size


def _copy(x: Array) -> Array:
    return copy_p.bind(x, order="K")


def _gathered(batched: bool, x: Array, size: int) -> Array:
    return x if batched else np.broadcast_to(x, (size, *aval_of(x).shape))


def _permuted(
    batched: bool, x: Array, size: int, perm: Permutation, **params: Any
) -> tuple[Array, bool]:
    complete = len(perm) == size
    if complete and not batched:
        return _copy(x), True
    source = np.zeros(size, np.intp)
    reached = np.zeros(size, bool)
    for i, k in perm:
        source[k] = i
        reached[k] = True
    y = _gathered(batched, x, size)[source]
    if complete:
        return y, False
    aval = aval_of(y)
    return np.where(reached.reshape(-1, *[1] * (aval.ndim - 1)), y, aval.dtype.type(0)), False


def _exchanged(batched: bool, x: Array, size: int, **params: Any) -> tuple[Array, bool]:
    if batched:
        return np.swapaxes(x, 0, 1), False
    return np.broadcast_to(x[:, None], (size, *aval_of(x).shape)), False


def _extreme(largest: bool) -> Rule:
    def together(batched: bool, x: Array, size: int, **params: Any) -> tuple[Array, bool]:
        if not batched:
            return _copy(x), True
        if size:
            return np.max(x, axis=0) if largest else np.min(x, axis=0), True
        aval = aval_of(x)
        return np.full(aval.shape[1:], _neutral(aval.dtype, largest), aval.dtype)[()], True

    return together


def _neutral(dtype: np.dtype[Any], largest: bool) -> Any:
    """The extreme of no members."""
    if dtype.kind == "b":
        return not largest
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if largest else np.iinfo(dtype).max
    return -np.inf if largest else np.inf


def _extreme_jvp(t: Array, y: Array, x: Array, index: Array, **params: Any) -> Array:
    """The mean of the tangents of all members that have the extreme value."""
    hits = astype((x == y) | (np.isnan(x) & np.isnan(y)), aval_of(x).dtype)
    return psum_p.bind(t * (hits / psum_p.bind(hits, index, **params)), index, **params)


psum_p: Collective = Collective(
    "psum",
    lambda batched, x, size, **params: (_sum(batched, x, size), True),
    dtype=sum_dtype,
    transpose=lambda ct, x, index, **params: psum_p.bind(ct, index, **params),
)
psum_scatter_p: Collective = Collective(
    "psum_scatter",
    lambda batched, x, size, **params: (_sum(batched, x, size), False),
    takes=True,
    dtype=sum_dtype,
    transpose=lambda ct, x, index, **params: all_gather_p.bind(ct, index, **params),
)
all_gather_p: Collective = Collective(
    "all_gather",
    lambda batched, x, size, **params: (_copy(_gathered(batched, x, size)), True),
    gives=True,
    transpose=lambda ct, x, index, **params: psum_scatter_p.bind(ct, index, **params),
)
all_to_all_p: Collective = Collective(
    "all_to_all",
    _exchanged,
    takes=True,
    gives=True,
    transpose=lambda ct, x, index, **params: all_to_all_p.bind(ct, index, **params),
)
ppermute_p: Collective = Collective(
    "ppermute",
    _permuted,
    transpose=lambda ct, x, index, *, perm, **params: ppermute_p.bind(
        ct, index, perm=tuple([(k, i) for i, k in perm]), **params
    ),
)
pmax_p: Collective = Collective("pmax", _extreme(True), jvp=_extreme_jvp)
pmin_p: Collective = Collective("pmin", _extreme(False), jvp=_extreme_jvp)


# Axes by their names.


def find_axis(operation: str, name: Hashable) -> NamedAxis:
    """The axis of a name: the innermost, where it is bound several times."""
    names = []
    for trace in reversed(RUNNING.traces):
        state = trace.__dict__
        if "hides_names" in state:
            raise UnsupportedError(
                f"{operation} over {name!r}: the function that calls it runs for each member on "
                "its own here, as it could not be traced to a program.",
                fix="write it without `if` and `while` on values; or call the collective outside",
            )
        axis: NamedAxis | None = state.get("axis")
        if axis is not None:
            if axis.name == name:
                return axis
            names.append(repr(axis.name))
    fix = f"call it in a function that runs in wg.vmap(f, axis_name={name!r})"
    if RUNNING.symbolic:
        fix += f", and trace that as a whole: wg.make_program(wg.vmap(f, axis_name={name!r}))"
    raise AxisNameError(
        f"{operation}: no axis of the name {name!r} is bound here.",
        got=f"{name!r}; "
        + (f"the names bound here: {', '.join(names)}" if names else "no name is bound"),
        needed="the axis_name of a vmap whose function is running",
        fix=fix,
    )


def axes_of(operation: str, axis_name: AxisNames) -> list[NamedAxis]:
    """The axes of one name, or of a tuple of names."""
    names = list(axis_name) if isinstance(axis_name, tuple | list) else [axis_name]
    if any([names.count(n) > 1 for n in names]):
        raise BatchError(
            f"{operation}: an axis is named twice.", got=repr(axis_name), needed="each name once"
        )
    return [find_axis(operation, name) for name in names]


def axis_of(operation: str, axis_name: Hashable) -> NamedAxis:
    """The axis of one name."""
    if isinstance(axis_name, tuple | list) and len(axis_name) != 1:
        raise BatchError(
            f"{operation}: it works along one axis.", got=repr(axis_name), needed="one name"
        )
    return axes_of(operation, axis_name)[0]


def apply(primitive: Collective, x: Array, axis: NamedAxis, **params: Any) -> Array:
    """Apply a collective along an axis."""
    return primitive.bind(x, axis.position, axis_name=axis.name, size=axis.size, **params)


def on_leaves(operation: str, x: Any, f: Callable[[Array], Array]) -> Any:
    """A tree with `f` applied to its leaves, which must be arrays or numbers."""
    leaves, treedef = flatten_arguments(operation, (x,))
    for i, leaf in enumerate(leaves):
        if is_static_leaf(leaf):
            raise LeafTypeError(
                f"{operation}: {argument_path(leaf_paths(treedef, '')[i])} is neither an array nor "
                "a number.",
                got=f"{leaf!r} of type {type(leaf).__name__}",
                needed="trees of arrays and numbers",
            )
    return tree.unflatten(treedef, [f(leaf) for leaf in leaves])[0]


def array_axis(operation: str, axis: Any, ndim: int, x: Array) -> int:
    """One of `ndim` axes, from 0; an error if there is no such one."""
    if not isinstance(axis, int | np.integer) or not -ndim <= axis < ndim:
        raise ShapeError(
            f"{operation}: there is no axis {axis!r}.",
            got=f"{aval_of(x)!r} of each member",
            needed=f"an int between {-ndim} and {ndim - 1}" if ndim else "an array with axes",
        )
    return int(axis) % ndim


def merged(x: Array, axis: int) -> Array:
    """Make one of two neighbouring axes."""
    s = aval_of(x).shape
    return np.reshape(x, (*s[:axis], s[axis] * s[axis + 1], *s[axis + 2 :]))
