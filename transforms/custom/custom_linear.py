"""Linear operations that are known by their transpose: what stands on a tape for the reverse rule
of one call, or for a linear call.

`linear_map` computes and transposes a `LinearRule`. It is recorded on tapes and in what is made of
them; on anything else it runs at once, with whatever tracers come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import NonLinearError
from ...core.primitives.elementwise import astype
from ...core.storage import current
from ...core.tracing import Primitive, Together, Tracer, newest_trace
from ..batching import BatchTrace, BatchTracer
from ..jvp import zeros_of
from ..linear import PART, LinearTrace, LinearTracer
from ..linearize import linear_transpose
from .custom_call import CustomCall, Tangents, is_active

__all__ = ["BackwardRule", "LinearRule", "ZeroMap", "filled", "linear_map_p", "on_tape", "strong"]


class LinearRule:
    """A linear map of some operands, after residuals: what `linear_map` computes and transposes."""

    in_avals: Sequence[ShapedArray]
    out_avals: Sequence[ShapedArray]
    n_residuals: int

    n_outs: int
    kept: Sequence[int]

    def spread(self, dots: Sequence[Any]) -> list[Any]:
        """One item for each result of the call, of which only those `kept` have a derivative."""
        found: list[Any] = [None] * self.n_outs
        for i, t in zip(self.kept, dots, strict=True):
            found[i] = t
        return found

    def forward(self, residuals: Sequence[Array], xs: Sequence[Array]) -> Sequence[Array]:
        """The results."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def transpose(self, residuals: Sequence[Array], cts: Tangents) -> Sequence[Array | None]:
        """The cotangents of the operands."""
        raise NotImplementedError(f"{type(self).__name__} has no transpose")


class BackwardRule(LinearRule):
    """The linear map whose transpose is the `bwd` of one call.

    Where there is a forward rule too, the primals are the last of the residuals.
    """

    def __init__(
        self,
        call: CustomCall,
        state: Any,
        primals: Sequence[Array],
        tangents: Tangents,
        outs: Sequence[Any],
    ) -> None:
        self.call = call
        self.state = state
        self.n_primals = len(primals)
        self.active = [i for i, t in enumerate(tangents) if t is not None]
        self.in_avals = [aval_of(primals[i]) for i in self.active]
        self.n_outs = len(outs)
        self.kept = [i for i, y in enumerate(outs) if is_active(y)]
        self.out_avals = [strong(aval_of(outs[i])) for i in self.kept]

    def __repr__(self) -> str:
        return repr(self.call)

    def transpose(self, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        if self.call.has_jvp:
            residuals = residuals[: len(residuals) - self.n_primals]
        found = self.call.bwd(self.state, residuals, self.spread(cts))
        return [found[i - self.call.ordinary] for i in self.active]

    def forward(self, residuals: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
        if self.call.has_jvp:
            start = len(residuals) - self.n_primals
            tangents: list[Array | None] = [None] * self.n_primals
            for i, x in zip(self.active, xs, strict=True):
                tangents[i] = x
            _, dots, _ = self.call.jvp(residuals[start:], tangents)
            return filled([dots[i] for i in self.kept], self.out_avals)

        def pull(*cts: Array) -> tuple[Array, ...]:
            return tuple(filled(self.transpose(residuals, cts), self.in_avals))

        try:
            found: tuple[Array, ...] = linear_transpose(pull, *self.out_avals)(tuple(xs))
        except NonLinearError as error:
            raise self.has_no_transpose(error) from None
        return list(found)

    def has_no_transpose(self, error: NonLinearError) -> NonLinearError:
        """The error for forward mode through a `bwd` that is not linear."""
        name = self.call.name
        what = str(error).partition("\n")[0].rpartition(": ")[2]
        return NonLinearError(
            f"{name} has no jvp rule, so forward mode (jvp, linearize, jacfwd, hvp) transposes its "
            f"bwd rule, which is not linear: {what}",
            fix=f"give {name} a jvp rule too, with defjvp; or use reverse mode only",
            source=error.source,
        )


class ZeroMap(LinearRule):
    """The linear map of one operand that is zero: zeros as variables of a tape.

    An array of zeros would be a constant, and what is made of it and of values that are traced
    cannot be told from a constant that is not zero.
    """

    n_residuals = 0

    def __init__(self, x: ShapedArray, avals: Sequence[ShapedArray]) -> None:
        self.in_avals = [x]
        self.out_avals = [strong(v) for v in avals]

    def __repr__(self) -> str:
        return "zero"

    def forward(self, residuals: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
        if not isinstance(xs[0], Tracer):
            return filled([None] * len(self.out_avals), self.out_avals)
        # A sum of no elements, so that it is linear in the operand for whoever asks.
        x: Array = xs[0]
        zero = np.sum(np.ravel(x)[:0])
        return [np.broadcast_to(astype(zero, v.dtype), v.shape) for v in self.out_avals]

    def transpose(self, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        return [None]


def strong(aval: ShapedArray) -> ShapedArray:
    """The type without weakness."""
    return ShapedArray(aval.shape, aval.dtype)


def filled(values: Tangents, avals: Sequence[ShapedArray]) -> list[Array]:
    """Zeros in the place of None."""
    return [
        zeros_of(np.broadcast_to(v.dtype.type(0), v.shape)) if x is None else x
        for x, v in zip(values, avals, strict=True)
    ]


class _LinearMapPrimitive(Primitive):
    """Recorded on tapes; anything else runs the map, with whatever tracers come."""

    __slots__ = ()

    def bind(self, *args: Array, **params: Any) -> Array:
        args = tuple([current(a) for a in args])
        trace = newest_trace(args)
        if isinstance(trace, LinearTrace):
            return trace.process(self, args, params)
        return self.impl(*args, **params)


def _run_map(*args: Array, of: LinearRule) -> tuple[Array, ...]:
    return tuple(of.forward(args[: of.n_residuals], args[of.n_residuals :]))


def _transpose_map(
    cts: Sequence[Array], wanted: Sequence[bool], *args: Array, of: LinearRule
) -> list[Array | None]:
    found = of.transpose(args[: of.n_residuals], cts)
    return [None] * of.n_residuals + filled(found, of.in_avals)


def _batch_map(
    size: int, batched: Sequence[bool], *args: Array, of: LinearRule
) -> tuple[Array, ...]:
    trace = BatchTrace("linear_map", size)
    try:
        found = _run_map(
            *[BatchTracer(trace, x) if b else x for x, b in zip(args, batched, strict=True)], of=of
        )
    finally:
        trace.close()
    return tuple([
        y.value
        if type(y) is BatchTracer and y._trace is trace
        else np.broadcast_to(y, (size, *aval_of(y).shape))
        for y in found
    ])  # fmt: skip


def on_tape(linear: LinearTrace, args: Sequence[Array], of: LinearRule) -> list[Array]:
    """Record a map of some operands: `linear.record`, without asking for their types."""
    tape = linear.tape
    i = len(tape)
    tape.append((linear_map_p, tuple(args), {"of": of}))
    found: list[Array] = []
    for k, aval in enumerate(of.out_avals):
        found.append(LinearTracer(linear, len(tape), aval))
        tape.append((PART, i, k))
    return found


linear_map_p: Primitive = _LinearMapPrimitive(
    "linear_map",
    _run_map,
    shape=lambda *avals, of: tuple(of.out_avals),
    transposes=Together(_transpose_map, unused_as_none=True),
    batch=_batch_map,
    linear="jointly",
    linear_args=lambda params: range(params["of"].n_residuals, 1 << 30),
    multiple_results=True,
)
