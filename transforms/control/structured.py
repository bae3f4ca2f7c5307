"""Primitives that hold programs, and derivatives and batches of them that wait until values are
known.

A `Structured` primitive runs at once, on tracers too, when every operand has a concrete value: its
equations then go to the traces of the operands one by one. Otherwise the newest trace asks for its
rules, as of any primitive. Where control has no value (a program is being traced, or a batch
disagrees), three primitives stand for what is to be computed later:

- `pushforward_p : primals, tangents -> tangents of the results`, the derivative of a primitive;
- `pullback_p : primals, cotangents of the results -> cotangents`, its transpose, which runs the
  primitive again and keeps what it needs then;
- `batched_p : stacked operands -> stacked results`, its batching rule.

All three are structured primitives themselves, so there are derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.storage import current
from ...core.tracing import LinearArgs, Primitive, Rule, Together, Trace, Tracer, newest_trace
from ..backward import backward_pass
from ..batching import BatchTracer
from ..collectives.collective_rules import holds_collective
from ..linear import LinearTrace
from .subprograms import batched_aval, evaluate_jvp, evaluate_linearized

__all__ = [
    "Structured",
    "agreed_value",
    "batched_p",
    "has_value",
    "pullback_p",
    "pushforward_p",
    "run_again",
]

Params = Mapping[str, Any]


def has_value(x: Array) -> bool:
    """True for plain values, and for tracers with a plain value behind them."""
    while isinstance(x, Tracer):
        x = current(x)
        if isinstance(x, Tracer):
            x = x.primal
            if x is None:
                return False
    return True


def agreed_value(x: Array) -> Array | None:
    """The plain value of a scalar, which all members of a batch may share; None if there is none.

    Without an error where there is none, in contrast to `Tracer.agreed`.
    """
    while isinstance(x, Tracer):
        x = current(x)
        if isinstance(x, Tracer):
            x = x.value if isinstance(x, BatchTracer) else x.primal
            if x is None:
                return None
    values = np.asarray(x).ravel()
    if not values.size or (values.size > 1 and not np.all(values == values[0])):
        return None
    return values[0]


class Structured(Primitive):
    """A primitive with several results that is made of other operations.

    `impl` takes tracers as well as arrays. `pull_back(args, active, cts, **params)`, where given,
    computes the cotangents of the active operands, instead of a run that keeps all residuals.
    """

    __slots__ = ("pull_back",)

    def __init__(
        self,
        name: str,
        impl: Rule,
        *,
        shape: Rule,
        batch: Rule,
        jvp: Rule | None = None,
        linearize: Rule | None = None,
        transposes: Together | None = None,
        linear_args: LinearArgs = (),
        pull_back: Rule | None = None,
    ) -> None:
        super().__init__(
            name,
            impl,
            shape=shape,
            batch=batch,
            jvp=jvp or run_again(self),
            linearize=linearize or run_again(self),
            transposes=transposes,
            linear="jointly" if transposes is not None else None,
            linear_args=linear_args,
            multiple_results=True,
        )
        self.pull_back = pull_back

    def bind(self, *args: Array, **params: Any) -> Array:
        args = tuple([current(a) for a in args])
        trace = newest_trace(args)
        if trace is None or all([has_value(a) for a in args]):
            return self.impl(*args, **params)
        if type(trace) is LinearTrace and not self.linear_in(params):
            return self.bind_linear(trace, args, params)
        return trace.process(self, args, params)

    def bind_linear(self, trace: Trace, args: Sequence[Array], params: Params) -> Array:
        """The result where a linear function of the user's is recorded: one by one, the operations
        inside show whether they are linear.
        """
        return self.impl(*args, **params)


def _inexact(avals: Sequence[ShapedArray]) -> list[int]:
    """The positions of the results that have a derivative."""
    return [i for i, v in enumerate(avals) if v.dtype.kind in "fc"]


def _result_avals(of: Primitive, args: Sequence[Array], params: Params) -> Sequence[ShapedArray]:
    assert of.shape is not None
    found: Sequence[ShapedArray] = of.shape(*[aval_of(a) for a in args], **params)
    return found


def run_again(primitive: Primitive) -> Rule:
    """The rule `jvp` or `linearize` of a primitive whose derivative is computed by running it."""

    def rule(
        primals: Sequence[Array], tangents: Sequence[Array | None], **params: Any
    ) -> tuple[Any, Any]:
        ys = primitive.bind(*primals, **params)
        dots: list[Array | None] = [None] * len(ys)
        given = [t for t in tangents if t is not None]
        active = tuple([t is not None for t in tangents])
        found = pushforward_p.bind(*primals, *given, of=primitive, active=active, params=params)
        for i, t in zip(_inexact([aval_of(y) for y in ys]), found, strict=True):
            dots[i] = t
        return ys, dots

    return rule


# The derivative.


def _split(args: Sequence[Array], active: Sequence[bool]) -> tuple[list[Array], list[Array]]:
    """The operands of the primitive, and the tangents or cotangents."""
    return list(args[: len(active)]), list(args[len(active) :])


def _push(*args: Array, of: Primitive, active: Sequence[bool], params: Params) -> tuple[Any, ...]:
    primals, tangents = _split(args, active)
    run = lambda *xs: of.bind(*xs, **params)
    ys, dots = evaluate_jvp(of.name, run, primals, active, tangents)
    kept = _inexact([aval_of(y) for y in ys])
    return tuple([
        np.zeros(aval_of(ys[i]).shape, aval_of(ys[i]).dtype) if dots[i] is None else dots[i]
        for i in kept
    ])  # fmt: skip


def _push_shape(
    *avals: ShapedArray, of: Primitive, active: Sequence[bool], params: Params
) -> tuple[ShapedArray, ...]:
    assert of.shape is not None
    out = of.shape(*avals[: len(active)], **params)
    return tuple([out[i] for i in _inexact(out)])


def _push_transpose(
    cts: Sequence[Array],
    wanted: Sequence[bool],
    *args: Any,
    of: Primitive,
    active: Sequence[bool],
    params: Params,
) -> list[Array | None]:
    primals, _ = _split(args, active)
    found = pullback_p.bind(*primals, *cts, of=of, active=active, params=params)
    return [None] * len(primals) + list(found)


def _push_batch(
    size: int,
    batched: Sequence[bool],
    *args: Array,
    of: Primitive,
    active: Sequence[bool],
    params: Params,
) -> Any:
    primals, tangents = _split(args, active)
    flags = [b or a for b, a in zip(batched, active, strict=False)]
    primals = [
        _to_lanes(size, x, b) if f else x for x, b, f in zip(primals, batched, flags, strict=False)
    ]
    tangents = [
        _to_lanes(size, t, b) for t, b in zip(tangents, batched[len(active) :], strict=True)
    ]
    inner = {"of": of, "size": size, "batched": tuple(flags), "params": params}
    return pushforward_p.bind(*primals, *tangents, of=batched_p, active=active, params=inner)


def _to_lanes(size: int, x: Array, batched: bool) -> Array:
    return x if batched else np.broadcast_to(x, (size, *aval_of(x).shape))


def _after_primals(params: Params) -> range:
    n = len(params["active"])
    return range(n, 1 << 30)


pushforward_p: Structured


# The transpose of the derivative.


def _pull(*args: Array, of: Primitive, active: Sequence[bool], params: Params) -> tuple[Any, ...]:
    primals, cts = _split(args, active)
    if isinstance(of, Structured) and of.pull_back is not None:
        found: tuple[Any, ...] = tuple(of.pull_back(primals, active, cts, **params))
        return found
    run = lambda *xs: of.bind(*xs, **params)
    ys, tape, indices = evaluate_linearized(of.name, run, primals, active)
    kept = [indices[i] for i in _inexact([aval_of(y) for y in ys])]
    avals = [aval_of(x) for x, a in zip(primals, active, strict=True) if a]
    return tuple(backward_pass(tape, len(avals), kept, cts, avals, once=True))


def _pull_shape(
    *avals: ShapedArray, of: Primitive, active: Sequence[bool], params: Params
) -> tuple[ShapedArray, ...]:
    return tuple([
        ShapedArray(v.shape, v.dtype) for v, a in zip(avals, active, strict=False) if a
    ])  # fmt: skip


def _pull_transpose(
    cts: Sequence[Array],
    wanted: Sequence[bool],
    *args: Any,
    of: Primitive,
    active: Sequence[bool],
    params: Params,
) -> list[Array | None]:
    primals, _ = _split(args, active)
    found = pushforward_p.bind(*primals, *cts, of=of, active=active, params=params)
    return [None] * len(primals) + list(found)


def _pull_batch(
    size: int,
    batched: Sequence[bool],
    *args: Array,
    of: Primitive,
    active: Sequence[bool],
    params: Params,
) -> Any:
    primals, cts = _split(args, active)
    flags = [b or a for b, a in zip(batched, active, strict=False)]
    primals = [
        _to_lanes(size, x, b) if f else x for x, b, f in zip(primals, batched, flags, strict=False)
    ]
    cts = [_to_lanes(size, t, b) for t, b in zip(cts, batched[len(active) :], strict=True)]
    inner = {"of": of, "size": size, "batched": tuple(flags), "params": params}
    return pullback_p.bind(*primals, *cts, of=batched_p, active=active, params=inner)


# Batches.


def _run_batch(
    *args: Array, of: Primitive, size: int, batched: Sequence[bool], params: Params
) -> tuple[Any, ...]:
    assert of.batch is not None
    return tuple([
        _to_lanes(size, y, True) for y in of.batch(size, batched, *args, **params)
    ])  # fmt: skip


def _batch_shape(
    *avals: ShapedArray, of: Primitive, size: int, batched: Sequence[bool], params: Params
) -> tuple[ShapedArray, ...]:
    assert of.shape is not None
    lanes = [
        ShapedArray(v.shape[1:], v.dtype) if b else v for v, b in zip(avals, batched, strict=True)
    ]
    return tuple([batched_aval(size, v) for v in of.shape(*lanes, **params)])


def _merge_batches(
    outer: int,
    outer_batched: Sequence[bool],
    *args: Array,
    of: Primitive,
    size: int,
    batched: Sequence[bool],
    params: Params,
) -> tuple[Any, ...]:
    """A batch of batches is one larger batch; unless it has collectives, which know their own."""
    if holds_collective(params):
        return _one_by_one(outer, outer_batched, args, of, size, batched, params)
    total = outer * size

    def merged(x: Array, in_outer: bool, in_inner: bool) -> Array:
        if not in_outer and not in_inner:
            return x
        shape = aval_of(x).shape
        if not in_inner:
            x = np.broadcast_to(x[:, None], (outer, size, *shape[1:]))
        elif not in_outer:
            x = np.broadcast_to(x, (outer, *shape))
        return np.reshape(x, (total, *aval_of(x).shape[2:]))

    pairs = list(zip(outer_batched, batched, strict=True))
    ys = batched_p.bind(
        *[merged(x, *pair) for x, pair in zip(args, pairs, strict=True)],
        of=of,
        size=total,
        batched=tuple([a or b for a, b in pairs]),
        params=params,
    )
    return tuple([np.reshape(y, (outer, size, *aval_of(y).shape[1:])) for y in ys])


def _one_by_one(
    outer: int,
    outer_batched: Sequence[bool],
    args: Sequence[Array],
    of: Primitive,
    size: int,
    batched: Sequence[bool],
    params: Params,
) -> tuple[Any, ...]:
    """A batch of batches, as a loop over the outer one."""
    run: dict[str, Any] = {"of": of, "size": size, "batched": batched, "params": params}
    if not outer:
        avals = [
            ShapedArray(v.shape[1:], v.dtype) if b else v
            for v, b in zip([aval_of(x) for x in args], outer_batched, strict=True)
        ]
        return tuple([np.zeros((0, *v.shape), v.dtype) for v in _batch_shape(*avals, **run)])
    members = [
        batched_p.bind(*[x[k] if b else x for x, b in zip(args, outer_batched, strict=True)], **run)
        for k in range(outer)
    ]
    return tuple([np.stack(column) for column in zip(*members, strict=True)])


pushforward_p = Structured(
    "pushforward",
    _push,
    shape=_push_shape,
    batch=_push_batch,
    transposes=Together(_push_transpose),
    linear_args=_after_primals,
)
pullback_p: Structured = Structured(
    "pullback",
    _pull,
    shape=_pull_shape,
    batch=_pull_batch,
    transposes=Together(_pull_transpose),
    linear_args=_after_primals,
)
batched_p: Structured = Structured("batched", _run_batch, shape=_batch_shape, batch=_merge_batches)
