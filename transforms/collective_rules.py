"""The primitives between the members of a batch, which `collectives.py` calls by the names of axes.

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

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ..core.aval import Array, ShapedArray, aval_of
from ..core.errors import UnsupportedError
from ..core.primitives.elementwise import astype
from ..core.primitives.reductions import sum_dtype
from ..core.source import NEAR, user_source
from ..core.storage import copy_p
from ..core.tracing import Primitive, Rule, newest_trace
from .vmap import BatchTrace, BatchTracer

__all__ = [
    "Collective",
    "all_gather_p",
    "all_to_all_p",
    "pmax_p",
    "pmin_p",
    "ppermute_p",
    "psum_p",
    "psum_scatter_p",
]

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

    def _refuse(self, got: str, params: dict[str, Any]) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} over {params['axis_name']!r}: the members of the batch are not together "
            "here, because they do not all take the same way.",
            got=got,
            needed=f"all {params['size']}",
            fix="apply it before the cond, switch or while_loop in which the members differ, and "
            "pass in the result",
        )


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


psum_p = Collective(
    "psum",
    lambda batched, x, size, **params: (_sum(batched, x, size), True),
    dtype=sum_dtype,
    transpose=lambda ct, x, index, **params: psum_p.bind(ct, index, **params),
)
psum_scatter_p = Collective(
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
all_to_all_p = Collective(
    "all_to_all",
    _exchanged,
    takes=True,
    gives=True,
    transpose=lambda ct, x, index, **params: all_to_all_p.bind(ct, index, **params),
)
ppermute_p = Collective(
    "ppermute",
    _permuted,
    transpose=lambda ct, x, index, *, perm, **params: ppermute_p.bind(
        ct, index, perm=tuple([(k, i) for i, k in perm]), **params
    ),
)
pmax_p = Collective("pmax", _extreme(True), jvp=_extreme_jvp)
pmin_p = Collective("pmin", _extreme(False), jvp=_extreme_jvp)
