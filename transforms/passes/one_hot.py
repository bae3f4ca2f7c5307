"""One-hot rows: arrays whose columns hold the same number but in a few known rows are computed as a
few rows, and written out where something needs the whole.

The Hessian of a function that works element by element is made from an identity matrix, by products
with vectors along its rows. Of each column, all elements but one go through the same operations on
the same numbers: one row stands for them. So every bit is kept, the NaN of 0.0 * inf included.

A column is what is left when all axes but one, the axis of the rows, are at a fixed position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array
from ...core.ir import Atom, Equation, Program
from ...core.primitives.indexing import Place, getitem_p
from ...core.primitives.shaping import broadcast_to_p
from ...core.primitives.writing import setitem_p
from .places import Axis, axes_of_index, index_of
from .rewriting import Found, Rewriter, everywhere

__all__ = ["compress_one_hot"]

_ROWS: Final = 8
"""The fewest rows; at most one in so many may be special."""
_SMALLEST, _LARGEST = 1 << 8, 1 << 21
"""Elements of constants that are looked at."""
_CALL: Final = 5_000
"""Elements that NumPy computes in the time that writing out takes at least."""
_FEW: Final = 3
"""Choices of rows in which an array may be needed."""


class _Columns(NamedTuple):
    """The axis of the rows, and which elements are unlike the others of their column."""

    axis: int
    special: Array


@everywhere
def compress_one_hot(program: Program) -> Program:
    """The same program with few rows in the place of many that are alike."""
    c = _Compression(program)
    return Rewriter(program).run(c.rule) if c.pays() else program


def _of_constant(x: Array) -> _Columns | None:
    if x.dtype.kind != "f" or x.ndim < 2 or len(x) < _ROWS or not _SMALLEST <= x.size <= _LARGEST:
        return None
    special = (x != 0) | np.signbit(x)
    return _Columns(0, special) if _is_sparse(special, 0) else None


def _is_sparse(special: Array, axis: int) -> bool:
    return bool(special.sum(axis).max(initial=0) * _ROWS <= special.shape[axis])


def _rows(c: _Columns) -> Array:
    """For each column its special rows, then one of the others. Where a column has fewer special
    rows than another, more of the others.
    """
    n = int(c.special.sum(c.axis).max(initial=0)) + 1
    order = np.argsort(~c.special, axis=c.axis, kind="stable")
    return np.ascontiguousarray(np.take(order, range(n), axis=c.axis))


def _with_rows(shape: Sequence[int], axis: int, n: int) -> tuple[int, ...]:
    return (*shape[:axis], n, *shape[axis + 1 :])


class _Compression:
    """What is known of the arrays of a program, and which rows of each are needed."""

    def __init__(self, program: Program) -> None:
        self.known: dict[Atom, _Columns] = {}
        self.made: dict[tuple[Atom, bytes], Atom] = {}
        self.constants = dict(program.constants)
        for v, x in program.constants:
            if isinstance(x, np.ndarray) and (found := _of_constant(x)) is not None:
                self.known[v] = found
        self.demands: dict[Atom, dict[bytes, Array]] = {}
        self.whole: dict[Atom, _Columns] = {}
        self.equations: list[Equation] = []
        if self.known:
            self._look(program)
            self._demand(program)

    def _look(self, program: Program) -> None:
        for e in program.equations:
            rule = _LOOK.get(
                e.primitive.name, _look_elementwise if e.primitive.elementwise else None
            )
            if rule is None or self.known.keys().isdisjoint(e.inputs):
                continue
            found = rule(self, e)
            if found is not None and _is_sparse(found.special, found.axis):
                self.known[e.outputs[0]] = found
                self.equations.append(e)

    def _demand(self, program: Program) -> None:
        mine = {e.outputs[0] for e in self.equations}
        used: set[Atom] = set(program.outputs)
        for e in program.equations:
            if e.outputs[0] not in mine:
                used.update(e.inputs)
        for e in reversed(self.equations):
            y = e.outputs[0]
            if y in used:
                self._need(y, _rows(self.known[y]))
                self.whole[y] = self.known[y]
            for rows in self.demands.get(y, {}).values():
                for a, inner in zip(e.inputs, self.rows_of_inputs(e, rows), strict=True):
                    if inner is not None:
                        self._need(a, inner)

    def _need(self, a: Atom, rows: Array) -> None:
        self.demands.setdefault(a, {})[_key(rows)] = rows

    def pays(self) -> bool:
        """True if less is to be computed than before."""
        if not self.whole:
            return False
        before = after = 0
        for e in self.equations:
            y = e.outputs[0]
            needed = self.demands.get(y, {})
            if len(needed) > _FEW:
                return False
            if e.primitive.name not in ("reshape", "transpose", "broadcast_to"):
                before += y.aval.size
                after += sum([rows.size for rows in needed.values()])
        after += sum([2 * y.aval.size + _CALL for y in self.whole])
        return after < before

    def rows_of_inputs(self, e: Equation, rows: Array) -> list[Array | None]:
        """The rows of each operand that rows of the result are made of; None for all of it."""
        name = e.primitive.name
        y = self.known[e.outputs[0]]
        found: list[Array | None] = []
        for i, a in enumerate(e.inputs):
            c = self.known.get(a)
            if c is None:
                found.append(None)
                continue
            shape = _with_rows(a.aval.shape, c.axis, rows.shape[y.axis])
            if name == "transpose":
                inner = rows.transpose(np.argsort(e.params["axes"]))
            elif name == "getitem":
                inner = np.zeros(shape, rows.dtype)
                inner[_at_rows(e.params["index"], a.aval.shape, c.axis, shape)] = rows
            elif name == "scatter_sum":
                out = _with_rows(e.params["shape"], y.axis, rows.shape[y.axis])
                inner = rows[_at_rows(e.params["places"][i][0], e.params["shape"], y.axis, out)]
            elif a in self.constants and a.aval.size != e.outputs[0].aval.size:
                inner = rows
            else:
                inner = rows.reshape(shape)
            found.append(np.ascontiguousarray(inner))
        return found

    def rule(self, r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        """An equation for few rows, beside the one for all, which is needed no more."""
        y = e.outputs[0]
        for key, rows in self.demands.get(y, {}).items():
            parts = []
            for a, b, inner in zip(e.inputs, inputs, self.rows_of_inputs(e, rows), strict=True):
                parts.append(b if inner is None else self._part(r, a, inner))
            n = rows.shape[self.known[y].axis]
            params = self._params(e, n)
            self.made[y, key] = r.emit(e.primitive, parts, params, e.source)[0]
        return [self._written_out(r, e)] if y in self.whole else None

    def _part(self, r: Rewriter, a: Atom, rows: Array) -> Atom:
        """The rows of an operand: computed before, or a constant's."""
        found = self.made.get((a, _key(rows)))
        if found is None:
            x = self.constants[a]  # type: ignore[index]
            axis = self.known[a].axis + rows.ndim - x.ndim
            shape = list(rows.shape)
            shape[axis] = x.shape[self.known[a].axis]
            found = r.constant(np.take_along_axis(np.broadcast_to(x, shape), rows, axis))
            self.made[a, _key(rows)] = found
        return found

    def _params(self, e: Equation, n: int) -> dict[str, Any]:
        """The parameters for n rows."""
        axis = self.known[e.outputs[0]].axis
        p = dict(e.params)
        if "shape" in p:
            shape = p["shape"]
            p["shape"] = _with_rows(shape, axis, n)
            if "places" in p:
                p["places"] = tuple(
                    [(_at_rows(i, shape, axis, p["shape"]), 0) for i, _ in p["places"]]
                )
        if "index" in p:
            c = self.known[e.inputs[0]]
            shape = e.inputs[0].aval.shape
            p["index"] = _at_rows(p["index"], shape, c.axis, _with_rows(shape, c.axis, n))
        return p

    def _written_out(self, r: Rewriter, e: Equation) -> Atom:
        y = e.outputs[0]
        axis = self.whole[y].axis
        shape = y.aval.shape
        rows = _rows(self.whole[y])
        few = self.made[y, _key(rows)]
        special = len(range(rows.shape[axis] - 1))
        alike, others = (
            r.emit(
                getitem_p,
                [few],
                {"index": (*[slice(None)] * axis, slice(start, stop))},
                e.source,
            )[0]
            for start, stop in ((special, None), (None, special))
        )
        whole = r.emit(broadcast_to_p, [alike], {"shape": shape}, e.source)[0]
        if not special:
            return whole
        grid = [
            np.arange(d).reshape([-1 if i == k else 1 for i in range(len(shape))])
            for k, d in enumerate(shape)
        ]
        grid[axis] = np.take(rows, range(special), axis=axis)
        arrays = [r.constant(a) for a in grid]
        index = tuple([Place.ARRAY] * len(shape))
        return r.emit(setitem_p, [whole, others, *arrays], {"index": index}, e.source)[0]


def _key(rows: Array) -> bytes:
    data: bytes = rows.tobytes()
    return repr(rows.shape).encode() + data


# What is known of a result.


def _look_elementwise(c: _Compression, e: Equation) -> _Columns | None:
    out = e.outputs[0].aval
    axis: int | None = None
    masks = []
    for a in e.inputs:
        found = c.known.get(a)
        if found is not None:
            mine = found.axis + out.ndim - a.aval.ndim
            if axis not in (None, mine) or (a not in c.constants and a.aval.size != out.size):
                return None
            axis = mine
            masks.append(found.special)
    if axis is None or any(
        [not _is_alike(a.aval.shape, axis - out.ndim) for a in e.inputs if a not in c.known]
    ):
        return None
    special = masks[0]
    for other in masks[1:]:
        if other is not special:
            special = special | other
    return _Columns(axis, np.broadcast_to(special, out.shape))


def _is_alike(shape: Sequence[int], axis: int) -> bool:
    """True if an operand is broadcast along an axis, which is counted from the end."""
    return len(shape) < -axis or shape[axis] == 1


def _look_reshape(c: _Compression, e: Equation) -> _Columns | None:
    x, out = c.known[e.inputs[0]], e.outputs[0].aval
    before, n = e.inputs[0].aval.shape, e.inputs[0].aval.shape[x.axis]
    lead = int(np.prod(before[: x.axis]))
    for k, d in enumerate(out.shape):
        if d == n and int(np.prod(out.shape[:k])) == lead:
            return _Columns(k, x.special.reshape(out.shape))
    return None


def _look_transpose(c: _Compression, e: Equation) -> _Columns:
    x, axes = c.known[e.inputs[0]], tuple(e.params["axes"])
    return _Columns(axes.index(x.axis), x.special.transpose(axes))


def _look_broadcast(c: _Compression, e: Equation) -> _Columns | None:
    x, out = c.known[e.inputs[0]], e.outputs[0].aval
    if out.size != e.inputs[0].aval.size:
        return None
    return _Columns(x.axis + out.ndim - e.inputs[0].aval.ndim, x.special.reshape(out.shape))


def _look_getitem(c: _Compression, e: Equation) -> _Columns | None:
    x = c.known[e.inputs[0]]
    axes = axes_of_index(e.params["index"], x.special.shape) if len(e.inputs) == 1 else None
    if axes is None or axes[x.axis] != Axis(0, 1, x.special.shape[x.axis]):
        return None
    axis = sum([a.kept for a in axes[: x.axis]])
    return _Columns(axis, x.special[e.params["index"]])


def _look_scatter(c: _Compression, e: Equation) -> _Columns | None:
    shape, places = e.params["shape"], e.params["places"]
    if len(e.inputs) != len(places):
        return None
    special = np.zeros(shape, bool)
    axis: int | None = None
    for (index, _), a in zip(places, e.inputs, strict=True):
        axes, x = axes_of_index(index, shape), c.known.get(a)
        if (
            axes is None
            or x is None
            or x.special.shape != tuple([i.length for i in axes if i.kept])
        ):
            return None
        mine = [k for k, i in enumerate(axes) if i.kept][x.axis]
        if axis not in (None, mine) or axes[mine] != Axis(0, 1, shape[mine]):
            return None
        axis = mine
        special[index] |= x.special
    return None if axis is None else _Columns(axis, special)


def _at_rows(
    index: Sequence[Any], shape: Sequence[int], axis: int, new: Sequence[int]
) -> tuple[Any, ...]:
    """An index that takes all rows, for another number of them."""
    axes = axes_of_index(index, tuple(shape))
    assert axes is not None
    return index_of([*axes[:axis], Axis(0, 1, new[axis]), *axes[axis + 1 :]], tuple(new))


_LOOK: Final[dict[str, Any]] = {
    "reshape": _look_reshape,
    "transpose": _look_transpose,
    "broadcast_to": _look_broadcast,
    "getitem": _look_getitem,
    "scatter_sum": _look_scatter,
}
