"""The backward pass: a linear program's transpose, evaluated by one walk in reverse.

`backward_pass : (T a -o T b), T* b -> T* a`. Cotangents accumulate in place in buffers that the
pass owns; the transpose of indexing adds into a slice of them, so a loop over `x[i]` costs linear
time. Where cotangents are traced, and cannot be written to, they are kept as pieces and added up at
once (`scatter_sum`). This is the backward half of reverse mode's hot path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.aval import Array, ShapedArray, aval_of
from ..core.primitives.contractions import transpose_left, transpose_right
from ..core.primitives.indexing import getitem_p, scatter_sum_p
from ..core.primitives.writing import cotangent_of_value, setitem_p, write_plain
from ..core.rules import convert, unbroadcast
from ..core.source import line_above
from ..core.tracing import RUNNING, Primitive, Together, Tracer
from .linear import (
    ADD,
    CAST,
    COMBINE,
    DIVIDE,
    LEFT,
    NEGATE,
    PART,
    RIGHT,
    SCALE,
    LinearTracer,
    Tape,
    is_variable,
)

__all__ = ["backward_pass"]

_ndarray = np.ndarray
_multiply_into = np.multiply
_add_into = np.add


class _Pieces:
    """A cotangent kept as contributions to parts of an array, because they are traced and cannot be
    added in place.
    """

    __slots__ = ("arrays", "aval", "cts", "dense", "places")

    def __init__(self, dense: Array, aval: ShapedArray) -> None:
        self.dense = dense
        self.aval = aval
        self.cts: list[Array] = []
        self.arrays: list[Array] = []
        self.places: list[Any] = []

    def add(self, ct: Array, arrays: Sequence[Array], index: Any) -> None:
        self.cts.append(ct)
        self.arrays += arrays
        self.places.append((index, len(arrays)))

    def total(self) -> Array:
        aval = self.aval
        y = scatter_sum_p.bind(
            *self.cts, *self.arrays, places=tuple(self.places), shape=aval.shape, dtype=aval.dtype
        )
        return y if self.dense is None else self.dense + y


class _Cotangents:
    """Cotangents of all variables of a tape, and which of their buffers this pass owns and may
    write to.
    """

    __slots__ = ("of", "owned")

    def __init__(self, n: int) -> None:
        self.of: list[Any] = [None] * n
        self.owned: set[int] = set()

    def add(self, i: int, ct: Array) -> None:
        """Add `ct` to the cotangent of variable i."""
        old = self.of[i]
        if old is None:
            self.of[i] = ct
        elif type(old) is _Pieces:
            old.dense = ct if old.dense is None else old.dense + ct
        elif i in self.owned and type(ct) is np.ndarray:
            old += ct
        else:
            total = self.of[i] = old + ct
            if type(total) is np.ndarray:
                self.owned.add(i)

    def add_new(self, i: int, ct: Array) -> None:
        """`add` for a product that was just made, and that nothing else refers to."""
        old = self.of[i]
        if old is None:
            self.of[i] = ct
        elif type(old) is _ndarray and type(ct) is _ndarray:
            self.of[i] = _add_into(old, ct, ct)
            self.owned.add(i)
        else:
            self.add(i, ct)

    def add_owned(self, i: int, ct: Array) -> None:
        """`add` for a buffer that the pass owns, and that now belongs to variable i."""
        if self.of[i] is None:
            self.of[i] = ct
            self.owned.add(i)
        else:
            self.add_new(i, ct)

    def take_at(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, ct: Array, owned: bool
    ) -> None:
        """The transpose of writing to an array: the cotangent of the place is the value's, and the
        array's is zero there. In the buffer itself where the pass owns it.
        """
        if isinstance(v, LinearTracer):
            part = cotangent_of_value(ct, v, arrays, index)
            self.add(v.index, part.copy() if part.base is not None else part)
        if isinstance(x, LinearTracer):
            if not owned:
                ct = ct.copy()
            write_plain(ct, 0, arrays, index)
            self.add_owned(x.index, ct)

    def add_at(
        self, x: LinearTracer, ct: Array, primitive: Primitive, args: Sequence[Any], index: Any
    ) -> None:
        """Add the transpose of an indexing operation: into the buffer where it is plain, as a piece
        where it is not.
        """
        i, arrays = x.index, args[1:]
        old = self.of[i]
        if (
            type(old) is _Pieces
            or isinstance(ct, Tracer)
            or isinstance(old, Tracer)
            or (arrays and any([isinstance(v, Tracer) for v in arrays]))
        ):
            if type(old) is not _Pieces:
                old = self.of[i] = _Pieces(old, x.aval)
            old.add(ct, arrays, index)
            return
        if i not in self.owned:
            aval = x.aval
            old = self.of[i] = np.zeros(aval.shape, aval.dtype) if old is None else np.array(old)
            self.owned.add(i)
        assert primitive.accumulate is not None
        primitive.accumulate(old, ct, x, *arrays, index=index)


def backward_pass(
    tape: Tape,
    n_inputs: int,
    outputs: Sequence[int | None],
    cts: Sequence[Array],
    avals: Sequence[ShapedArray],
    once: bool,
) -> list[Array]:
    """Evaluate the transpose of a linear program by one walk in reverse.

    Args:
        tape: the program.
        n_inputs: how many of its variables are inputs.
        outputs: its outputs; None for one that is zero.
        cts: a cotangent for each output.
        avals: the types of the inputs.
        once: free each entry when it has been used.

    Returns:
        The cotangents of the inputs: arrays that nothing else refers to.
    """
    if RUNNING.traces and RUNNING.symbolic:
        with line_above():
            return _walk(tape, n_inputs, outputs, cts, avals, once)
    return _walk(tape, n_inputs, outputs, cts, avals, once)


def _walk(
    tape: Tape,
    n_inputs: int,
    outputs: Sequence[int | None],
    cts: Sequence[Array],
    avals: Sequence[ShapedArray],
    once: bool,
) -> list[Array]:
    """`backward_pass`, where operations know their line."""
    table = _Cotangents(len(tape))
    of, add, add_new = table.of, table.add, table.add_new
    for out, ct in zip(outputs, cts, strict=True):
        if out is not None:
            add(out, ct)
    fresh = -1
    for i in range(len(tape) - 1, n_inputs - 1, -1):
        ct = of[i]
        kind, a, b = tape[i]
        if once:
            tape[i] = None  # type: ignore[call-overload]  # so that residuals do not outlive their use
        if ct is None:
            continue
        of[i] = None
        if type(ct) is _Pieces:
            ct = ct.total()
        if kind is SCALE:
            # In a chain, the cotangent that the last step made is nobody else's: it is multiplied
            # in place.
            ct = (
                _multiply_into(ct, b, ct)
                if i == fresh and type(ct) is _ndarray and type(b) is _ndarray
                else ct * b
            )
            if of[a] is None:
                of[a] = ct
                fresh = a
            else:
                add_new(a, ct)
            continue
        fresh = -1
        if kind is COMBINE:
            add_new(a[0], ct * a[1])
            add_new(b[0], ct * b[1])
        elif kind is LEFT:
            add(a, transpose_left(ct, b[1], b[0]))
        elif kind is RIGHT:
            add(a, transpose_right(ct, b[0], b[1]))
        elif kind is CAST:
            add(a, unbroadcast(ct, b[0]))
        elif kind is ADD:
            add(a, ct)
            add(b, ct)
        elif kind is DIVIDE:
            add(a, ct / b)
        elif kind is NEGATE:
            add(a, -ct)
        elif kind is PART:
            if of[a] is None:
                of[a] = {}
            of[a][b] = ct
        elif (
            kind is setitem_p
            and type(ct) is _ndarray
            and not any([isinstance(v, Tracer) for v in a[2:]])
        ):
            x, v = [u if is_variable(u, tape) else None for u in a[:2]]
            table.take_at(x, v, a[2:], b["index"], ct, i in table.owned)
        elif kind is getitem_p and len(a) == 1 and a[0].shape:
            table.add_at(a[0], ct, kind, a, b["index"])
        else:
            _transpose_equation(table, tape, kind, a, b, ct)
    seeds = {id(ct) for ct in cts}
    return [_finish(table, i, avals[i], seeds) for i in range(n_inputs)]


def _transpose_equation(
    table: _Cotangents,
    tape: Tape,
    primitive: Primitive,
    args: Sequence[Any],
    params: Mapping[str, Any],
    ct: Array,
) -> None:
    """Hand the cotangent of an equation's result on to its operands."""
    rules = primitive.transposes
    if primitive.multiple_results:
        out = primitive.shape(*[aval_of(v) for v in args], **params)  # type: ignore[misc]
        if type(rules) is Together and rules.unused_as_none:
            ct = tuple([ct.get(k) for k in range(len(out))])
        else:
            ct = tuple(
                [ct[k] if k in ct else np.zeros(v.shape, v.dtype) for k, v in enumerate(out)]
            )
    if type(rules) is Together:
        wanted = [is_variable(x, tape) for x in args]
        parts = rules.rule(ct, wanted, *args, **params)
        for x, needed, part in zip(args, wanted, parts, strict=False):
            if needed:
                table.add(x.index, part)
        return
    for k, x in enumerate(args):
        if not is_variable(x, tape):
            continue
        if primitive.accumulate is not None and x.shape:
            table.add_at(x, ct, primitive, args, params["index"])
            continue
        rule = None if rules is None else rules[k]
        if rule is None:
            primitive.missing("transposes", "the backward pass", k)
        table.add(x.index, rule(ct, *args, **params))


def _finish(table: _Cotangents, i: int, aval: ShapedArray, seeds: set[int]) -> Array:
    """The cotangent of input i: zeros if nothing reached it, and never an array that somebody else
    may hold.
    """
    ct = table.of[i]
    if ct is None:
        return np.zeros(aval.shape, aval.dtype) if aval.shape else aval.dtype.type(0)
    if type(ct) is _Pieces:
        ct = ct.total()
    if type(ct) not in (float, complex, int) and ct.dtype != aval.dtype:
        ct = convert(ct, aval.dtype)  # from SciPy's ufuncs, which widen half precision
    if type(ct) is np.ndarray:
        if not aval.shape:
            return ct[()]
        if i not in table.owned and (
            ct.base is not None or not ct.flags.writeable or id(ct) in seeds
        ):
            ct = ct.copy()
        seeds.add(id(ct))
        return ct
    return (
        aval.dtype.type(ct) if type(ct) is float or type(ct) is complex or type(ct) is int else ct
    )
