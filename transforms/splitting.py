"""Batches that split: `vmap(f, control_flow="split")`, for functions with Python's `if`, `while`,
`range(n)` and boolean masks.

Where a decision differs between members, the run goes on with the larger part of them, and the
others are put aside: the function is run again for them, from its start. So it is run once for each
path, and every decision of a run has one answer. Nothing is unwound, so no `except` of the user's
can get in the way. What the tracers hold is cut down to the members that are left when it is used
next: a path never computes with members of another, and no derivative, warning or NaN of theirs
comes in.

The results of the paths are put together in the order of the members. A member's part of the batch
is put aside only together with at most half of it, so that no member is computed more than
log2(size) times over.

Read next: `jacobian.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from ..core import tree
from ..core.aval import Array, aval_of
from ..core.errors import BatchError, ConcretizationError, ShapeError, UnsupportedError
from ..core.primitives.elementwise import astype
from ..core.primitives.indexing import take
from ..core.primitives.values import value_p
from ..core.source import NEAR, Source, user_source
from ..core.tracing import Primitive, Tracer
from ..core.tree import is_static_leaf
from ..core.treedef import check_same_structure, leaf_paths
from .api import flatten_result
from .batching import BatchTrace, BatchTracer

__all__ = ["MAX_PATHS", "run_paths"]

MAX_PATHS: Final = 256
"""A loop with so many different numbers of rounds runs within a second or so (its work grows with
their square); more is mostly a split that was not meant, such as one by a random integer.
"""

Rows: TypeAlias = Array
"""Numbers of members; traced where they differ between the members of an outer batch."""
Draw: TypeAlias = tuple[Primitive, Any, Array]


class Path(NamedTuple):
    """Members for which the function is still to be run, from its start.

    `rows` is None for all. `decisions` is how many decisions the run that put them aside had made,
    and `draws` are the random numbers that they had been given by then. `parted` is the line where.
    """

    rows: Rows | None = None
    decisions: int = 0
    draws: Sequence[Draw] = ()
    parted: Source | None = None


class Finished(NamedTuple):
    """The results of a path: for each leaf its value, and whether it is one for each member."""

    rows: Rows | None
    leaves: list[tuple[Any, bool]]
    out_tree: tree.TreeDef
    parted: Source | None


class Splitting:
    """What the paths of one call have in common."""

    def __init__(self, operation: str, size: int, limit: int | None) -> None:
        self.operation = operation
        self.size = size
        self.limit = limit
        self.paths = 1
        self.waiting: deque[Path] = deque([Path()])

    def check_limit(self, more: int) -> None:
        """BatchError if there are too many paths, at the user's line that splits."""
        found = self.paths + more
        if self.limit is not None and found > self.limit:
            raise BatchError(
                f"{self.operation}: the batch splits into more than max_paths={self.limit} paths.",
                got=f"{found} paths or more, for {self.size} members",
                fix=f"vmap(..., max_paths={2 * found}) if so many are meant: the function is run "
                "once for each;\nor wengert.cond, wengert.while_loop, or np.where, which run once "
                "for all members",
            )

    def put_aside(self, paths: Sequence[Path]) -> None:
        """Remember members for later."""
        self.paths += len(paths)
        self.waiting.extend(paths)


# Quicker than super().
_process, _process1, _process2 = BatchTrace.process, BatchTrace.process1, BatchTrace.process2


def _taken(x: Array, rows: Rows) -> Array:
    """Some members, laid out in memory as they were."""
    if type(x) is not np.ndarray or type(rows) is not np.ndarray:
        return take(x, rows, axis=0)
    if x.ndim < 3 or x.flags.c_contiguous:
        return np.take(x, rows, axis=0)
    order = [0, *sorted(range(1, x.ndim), key=lambda i: -abs(x.strides[i]))]
    return np.take(x.transpose(order), rows, axis=0).transpose(np.argsort(order))


class PathTrace(BatchTrace):
    """A batch that splits, and goes on with a part of it, where a decision differs."""

    splits = True

    def __init__(self, function: str, size: int, splitting: Splitting, path: Path) -> None:
        super().__init__(function, size)
        self.splitting = splitting
        self.path = path
        self.rows = path.rows
        self.decisions = 0
        self.draws: list[Draw] = []
        self.replayed = path.draws
        self.check_generators: Callable[[], None] | None = None
        self.kept: dict[int, tuple[Rows, int]] = {}
        """For the number of members before each split: which of them were kept, how many."""

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        if "rng" in params:
            return self.draw(primitive, args, params)
        return _process(self, primitive, args, params)

    def draw(self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]) -> Array:
        """Random numbers: those that the members were given in the run that put them aside."""
        i, name = len(self.draws), params.get("name")
        if i < len(self.replayed) and self.replayed[i][:2] == (primitive, name):
            value = self.replayed[i][2]
        else:
            self.replayed = ()
            value = _process(self, primitive, args, params).value
        self.draws.append((primitive, name, BatchTracer(self, value)))
        return BatchTracer(self, value, user_source(NEAR))

    # Decisions.

    def decide(self, x: BatchTracer, how: str) -> Array:
        self.decisions += 1
        if self.decisions == self.path.decisions and self.check_generators is not None:
            self.check_generators()
        values = self.members(x)
        if isinstance(values, Tracer):
            values = value_p.bind(values)
        if how == "truth":
            if values.ndim > 1:
                values = np.reshape(values, (self.size,))
            return self.by_truth(values if values.dtype.kind == "b" else values != 0)
        if how == "int" and values.dtype.kind == "f":
            return self.by_value(_truncated(values))
        return self.by_value(values)

    def by_truth(self, truth: Array) -> Array:
        """True or False; what is more often, if both occur."""
        traced = isinstance(truth, Tracer)
        count: Any = np.sum(truth) if traced else np.count_nonzero(truth)
        if traced:
            count = count.decided()
        if count == 0 or count == self.size:
            return np.bool_(count > 0)
        kept = bool(2 * count >= self.size)
        if traced:
            order = self.in_order(truth)
            true, false = order[:count], order[count:]
        else:
            true, false = np.flatnonzero(truth), np.flatnonzero(~truth)
        self.split(true if kept else false, [false if kept else true])
        return np.bool_(kept)

    def in_order(self, truth: Array) -> Array:
        """Numbers of the members, those with True first."""
        return np.argsort(~truth, kind="stable")

    def by_value(self, values: Array) -> Array:
        """The value; what is most frequent, if there are several."""
        if isinstance(values, Tracer):
            values = values.decided()
        same = _same(values)
        if same is not None:
            return same
        if values.dtype.kind not in "iub":
            raise ConcretizationError("a batch does not split by numbers that are no integers.")
        if not len(values):
            return np.zeros(values.shape[1:], values.dtype)
        flat = np.reshape(values, (self.size, -1))
        if flat.shape[1] == 1:
            found, which, counts = np.unique(flat, return_inverse=True, return_counts=True)
        else:
            found, which, counts = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
        parts = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(counts)[:-1])
        most = int(np.argmax(counts))
        self.split(parts[most], parts[:most] + parts[most + 1 :])
        return np.reshape(found[most], values.shape[1:])

    def split(self, kept: Rows, others: Sequence[Rows]) -> None:
        """Go on with some of the members, and put the others aside."""
        self.splitting.check_limit(len(others))
        parted = user_source()
        draws = [(p, name, self.members(y)) for p, name, y in self.draws]
        self.splitting.put_aside([
            Path(
                rows if self.rows is None else _taken(self.rows, rows),
                self.decisions,
                [(p, name, _taken(y, rows)) for p, name, y in draws],
                parted,
            )
            for rows in others
        ])  # fmt: skip
        size = kept.shape[0]
        self.rows = kept if self.rows is None else _taken(self.rows, kept)
        self.kept[self.size] = kept, size
        self.size = size
        self.__class__ = NarrowedTrace

    def agree(self, x: BatchTracer) -> Array:
        values = value_p.bind(self.members(x))
        if isinstance(values, Tracer):
            values = values.agreed()
        same = _same(values)
        return x.concrete() if same is None else same

    def can_decide(self, x: BatchTracer) -> bool:
        values = value_p.bind(self.members(x))
        return not isinstance(values, Tracer) or values.decides

    def remedy(self, x: BatchTracer) -> str:
        values = self.members(x)
        if isinstance(values, Tracer) and values.remedy():
            return 'use control_flow="split" for the outer vmap too;\nor '
        return ""


class NarrowedTrace(PathTrace):
    """A batch that has split: values of more members than are left are cut down when used.

    A number of members tells when a value was made, since every split makes it smaller.
    """

    def members(self, x: BatchTracer) -> Array:
        value = x.value
        size = value.shape[0]
        if size != self.size:
            kept, now = self.kept[size]
            while now != self.size:
                further, now = self.kept[now]
                kept = _taken(kept, further)
            self.kept[size] = kept, now
            x.value = value = _taken(value, kept)
        return value

    def cut_down(self, operands: Sequence[Array]) -> None:
        for a in operands:
            if type(a) is BatchTracer and a._trace is self:
                self.members(a)

    def process1(self, primitive: Primitive, x: Array) -> Array:
        self.members(x)
        return _process1(self, primitive, x)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        if type(x) is BatchTracer and x._trace is self:
            self.members(x)
        if type(y) is BatchTracer and y._trace is self:
            self.members(y)
        return _process2(self, primitive, x, y)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        self.cut_down((x, v, *arrays))
        return super().write(x, v, arrays, index, exclusive)

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        self.cut_down(args)
        return super().process(primitive, args, params)


def _truncated(values: Array) -> Array:
    """Floats without their fraction; Python's error for those that are no number."""
    if not isinstance(values, Tracer):
        for bad in values[~np.isfinite(values)]:
            int(bad)
        # Where they do not fit into 64 bits, only one value for all is possible.
        if np.all(np.abs(values) < 2.0**62):
            return astype(values, np.int64)
        return np.trunc(values)
    return astype(values, np.int64)


def _same(values: Array) -> Array | None:
    """The value that all members have, or None."""
    if not len(values):
        return None
    first = values[0]
    if len(values) == 1 or np.array_equal(
        values, np.broadcast_to(first, values.shape), equal_nan=values.dtype.kind in "fc"
    ):
        return first
    return None


def run_paths(
    operation: str,
    name: str,
    size: int,
    call: Callable[[BatchTrace, Callable[[Array], Array] | None], Any],
    watch: Callable[[Any], Callable[[], None]],
    limit: int | None,
) -> tuple[list[Any], tree.TreeDef, BatchTrace]:
    """The leaves of the result for all members, its structure, and the trace of batched leaves.

    `call(trace, members_of)` runs the function; `members_of` takes the members of the path from
    each batched argument. `watch(refusal)` notes the states of random number generators.
    """
    splitting = Splitting(operation, size, limit)
    finished: list[Finished] = []
    while splitting.waiting:
        path = splitting.waiting.popleft()
        rows = path.rows
        if rows is None:
            trace = PathTrace(name, size, splitting, path)
        else:
            trace = PathTrace(name, rows.shape[0], splitting, path)
            trace.check_generators = watch(_refuse_shared_draws)
        try:
            result = call(trace, None if rows is None else partial(_taken, rows=rows))
            outs, out_tree = flatten_result(operation, result)
            if splitting.paths == 1:
                return outs, out_tree, trace
            mine = [type(o) is BatchTracer and o._trace is trace for o in outs]
            leaves = [(trace.members(o) if b else o, b) for o, b in zip(outs, mine, strict=True)]
            finished.append(Finished(trace.rows, leaves, out_tree, path.parted))
        finally:
            trace.close()
    out_tree = _common_tree(operation, finished)
    places = leaf_paths(out_tree, "")
    merge = Merge(operation, size, trace, finished)
    return [merge.leaf(i, place) for i, place in enumerate(places)], out_tree, trace


def _refuse_shared_draws(operation: str, what: str) -> UnsupportedError:
    """The error for random numbers that the members of another path cannot be given again."""
    return UnsupportedError(
        f"{operation}: {what} drew the same numbers for all members, and then the batch split; on "
        "another path they would be others.",
        fix="draw for each member: wengert.random.normal(rng, ..., like=x) with an argument x;\n"
        "or draw outside, and pass the numbers as an argument",
    )


def _common_tree(operation: str, finished: Sequence[Finished]) -> tree.TreeDef:
    first = finished[0]
    for other in finished[1:]:
        if other.out_tree != first.out_tree:
            which, like = [f"the result for {_member(f)}" for f in (other, first)]
            check_same_structure(first.out_tree, other.out_tree, operation, which, like)
    return first.out_tree


def _member(f: Finished) -> str:
    """A member of a path, for messages."""
    return "some members" if isinstance(f.rows, Tracer | None) else f"member {f.rows[0]}"


class Merge:
    """Puts the results of the paths together."""

    def __init__(
        self, operation: str, size: int, trace: BatchTrace, finished: Sequence[Finished]
    ) -> None:
        self.operation = operation
        self.size = size
        self.trace = trace
        self.finished = finished
        self.inverse: Array | None = None

    def leaf(self, i: int, place: str) -> Any:
        """One leaf of the result: a batched one, or what all paths agree on."""
        leaves = [f.leaves[i] for f in self.finished]
        first, _ = leaves[0]
        alike = all([not b and _is_same(x, first) for x, b in leaves])
        if alike:
            return first
        for x, b in leaves:
            if not b and is_static_leaf(x) and not isinstance(x, np.ndarray):
                raise BatchError(
                    f"{self.operation}: the result{place} is no array, and differs between paths.",
                    got=self.described(i, repr),
                    needed="the same for all members",
                )
        shape = _shape_for_each(*leaves[0])
        if any([_shape_for_each(*x) != shape for x in leaves]):
            raise ShapeError(
                f"{self.operation}: the result{place} has not the same shape on all paths.",
                got=self.described(i, lambda x: repr(aval_of(x))),
                needed="the same shape for all members",
                fix="return what has one shape for all: a sum, or an array with room for the "
                "longest",
                source=next(f.parted for f in self.finished if f.parted is not None),
            )
        # Python's numbers adapt to the arrays, as in np.where.
        dtype = np.result_type(
            *[x if type(x) in (bool, int, float, complex) else aval_of(x).dtype for x, _ in leaves]
        )
        return BatchTracer(self.trace, self.array(leaves, shape, dtype))

    def described(self, i: int, text: Callable[[Any], str]) -> str:
        """What a leaf is on the different paths."""
        found: dict[str, str] = {}
        for f in self.finished:
            x, batched = f.leaves[i]
            found.setdefault(_text_of_member(x, text) if batched else text(x), _member(f))
        return ", ".join([f"{what} for {who}" for what, who in found.items()][:4])

    def array(self, leaves: Sequence[tuple[Any, bool]], shape: Any, dtype: Any) -> Array:
        """The values of all members, in their order."""
        rows = [f.rows for f in self.finished]
        values = [x for x, _ in leaves]
        if not any([isinstance(x, Tracer) for x in (*values, *rows)]):
            whole = np.empty((self.size, *shape), dtype)
            for x, r in zip(values, rows, strict=True):
                whole[r] = x
            return whole
        parts = [
            astype(x if b else np.broadcast_to(x, (r.shape[0], *shape)), dtype)  # type: ignore[union-attr]
            for (x, b), r in zip(leaves, rows, strict=True)
        ]
        if self.inverse is None:
            self.inverse = np.argsort(np.concatenate(rows))  # type: ignore[arg-type]
        return take(np.concatenate(parts), self.inverse, axis=0)


def _shape_for_each(x: Any, batched: bool) -> tuple[int, ...]:
    shape = aval_of(x).shape
    return shape[1:] if batched else shape


def _text_of_member(x: Array, text: Callable[[Any], str]) -> str:
    return text(x[0])


def _is_same(x: Any, y: Any) -> bool:
    """True for the same value, of the same type."""
    if x is y:
        return True
    if isinstance(x, Tracer) or isinstance(y, Tracer):
        return isinstance(x, Tracer) and x.is_alike(y)
    if type(x) is not type(y):
        return False
    if isinstance(x, np.ndarray | np.generic):
        equal_nan = x.dtype.kind in "fc"
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=equal_nan)
    return bool(x == y)
