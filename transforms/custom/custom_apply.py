"""What each trace does with a function that has rules of its own: `apply : CustomCall, operands ->
results`.

The newest trace among the operands decides, and nothing is traced to a program for that:

- no trace: the function runs;
- `jvp`: the forward rule runs on the values and tangents;
- `linearize`, `vjp` and `grad`: with a reverse rule, `fwd` runs, and one equation on the tape
  stands for `bwd`; else the forward rule runs on the tangents that are being recorded;
- `vmap`: the same call for the whole batch goes to the older traces (`BatchedCall`);
- a program: its equation holds the program of the function, and the rules as they are.

Forward mode without a forward rule transposes `bwd`. Values that the function closes over keep
their ordinary derivative: a result of a rule that depends on them is a tracer itself, and what it
carries is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import CodeType
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import NonLinearError
from ...core.ir import Program
from ...core.rules import sample
from ...core.source import NEAR, user_frame, user_source
from ...core.storage import current
from ...core.tracing import Primitive, Trace, Tracer, newest_trace
from ...core.tree import TreeDef
from ..batching import BatchTrace, BatchTracer
from ..jvp import JVPTrace, JVPTracer, zeros_of
from ..linear import LinearTrace, is_variable
from ..program import ProgramTrace, trace_closed
from ..recording import LinearizeTrace
from .custom_call import (
    BatchedCall,
    ClosedCall,
    CustomCall,
    Leaves,
    NarrowedError,
    Tangents,
    closes_over,
    is_active,
)
from .custom_derived import PulledCall, PushedCall
from .custom_linear import BackwardRule, LinearRule, ZeroMap, filled, linear_map_p, on_tape, strong

__all__ = ["PlainMap", "apply", "closed_call", "custom_call_p", "in_batch", "push"]

Pushed = tuple[Leaves, list[Array | None], TreeDef]


def apply(call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
    """The results of a call, with its rules in force for all traces of the operands."""
    trace = newest_trace(args)
    if trace is None:
        return call.run(args)
    successor = trace.__dict__.get("successor")
    while successor is not None:  # it gives its work to the trace of a branch
        trace = successor
        successor = trace.__dict__.get("successor")
    if isinstance(trace, JVPTrace):
        try:
            return _differentiate(trace, call, args)
        except _ClosureError as error:
            newer = error.tracer._trace
            if not isinstance(newer, BatchTrace):
                raise closes_over(call.name, error.tracer) from None
        return _batch(newer, call, args)
    if isinstance(trace, BatchTrace):
        return _batch(trace, call, args)
    if isinstance(trace, ProgramTrace):
        return _record(trace, call, args)
    if call.is_linear and isinstance(trace, LinearTrace):
        return _record_linear(trace, call, args)
    # In linear_transpose, its operations show one by one what is linear.
    found: tuple[Leaves, TreeDef] = trace.custom_call(call, args)
    return found


# Derivatives.


class _ClosureError(Exception):
    """A rule's result is a value of a trace that is newer than those of the operands."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer


def _differentiate(
    trace: JVPTrace, call: CustomCall, args: Sequence[Array]
) -> tuple[Leaves, TreeDef]:
    primals: list[Array] = []
    tangents: list[Array | None] = []
    for a in args:
        if type(a) is trace.tracer and a._trace is trace:
            primals.append(a.primal)
            tangents.append(a.tangent)
        else:
            primals.append(a)
            tangents.append(None)
    if call.is_plain:
        if call.has_batch and any([in_batch(x) for x in primals]):
            return _differentiate_plain(trace, call, primals, tangents)
        return call.run(args)
    k = call.ordinary
    own: Leaves = []
    if k and any([t is not None for t in tangents[:k]]):
        own, treedef = call.run([*args[:k], *primals[k:]])
        tangents[:k] = [None] * k
    if not any([t is not None for t in tangents]):
        if not any([isinstance(x, Tracer) for x in primals]):
            return own, treedef
        outs, treedef = apply(call, primals)
        dots: list[Array | None] = [None] * len(outs)
    elif isinstance(trace, LinearizeTrace):
        start = len(trace.tape)
        try:
            outs, dots, treedef = _linearize(trace, call, primals, tangents)
            _check_traces(trace, (*outs, *dots))
        except _ClosureError:
            del trace.tape[start:]
            raise
    else:
        outs, dots, treedef = push(call, primals, tangents)
        _check_traces(trace, (*outs, *dots))
    code, offset = _place()
    for i, (y, t) in enumerate(zip(outs, dots, strict=True)):
        t = _value(trace, t)
        if own:
            t = _sum(t, _carried(trace, own[i]))
        if isinstance(y, Tracer):
            t = _sum(t, _carried(trace, y))
            y = _value(trace, y)
        outs[i] = y if t is None else trace.wrap(y, t, code, offset)
    return outs, treedef


def _place() -> tuple[CodeType | None, int]:
    """The user's line."""
    frame = user_frame(2, NEAR)
    return (None, 0) if frame is None else (frame.f_code, frame.f_lasti)


def _check_traces(trace: Trace, values: Sequence[Any]) -> None:
    for x in values:
        if isinstance(x, Tracer) and x._trace.number > trace.number:
            raise _ClosureError(x)


def _carried(trace: JVPTrace, y: Any) -> Array | None:
    """The tangent of a value that depends on what the function closes over."""
    return y.tangent if type(y) is trace.tracer and y._trace is trace else None


def _sum(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _value(trace: JVPTrace, x: Any) -> Any:
    """A value without the derivative of this trace."""
    return x.primal if type(x) is trace.tracer and x._trace is trace else x


def push(call: CustomCall, primals: Sequence[Array], tangents: Tangents) -> Pushed:
    """The results and tangents in forward mode."""
    if call.has_jvp:
        return call.jvp(primals, tangents)
    if not call.has_vjp:
        raise call.missing("jvp")
    outs, treedef, residuals, state = call.fwd(primals)
    of = BackwardRule(call, state, primals, tangents, outs)
    given = [t for t in tangents if t is not None]
    return outs, of.spread(of.forward(residuals, given)), treedef


def _linearize(
    trace: LinearizeTrace, call: CustomCall, primals: Sequence[Array], tangents: Tangents
) -> Pushed:
    """The results, and their tangents as variables of the tape."""
    if call.is_linear:
        return _linearize_linear(trace, call, primals, tangents)
    if not call.has_vjp:
        if not call.has_jvp:
            raise call.missing("vjp")
        return _record_rule(trace, call, primals, tangents)
    outs, treedef, residuals, state = call.fwd(primals)
    _check_traces(trace, residuals)
    residuals = [_kept(trace, _value(trace, r)) for r in residuals]
    of = BackwardRule(call, state, primals, tangents, outs)
    if call.has_jvp:
        residuals += primals
    of.n_residuals = len(residuals)
    given = [t for t in tangents if t is not None]
    found = on_tape(trace.linear, [*residuals, *given], of)
    return outs, of.spread(found), treedef


def _linearize_linear(
    trace: LinearizeTrace, call: CustomCall, primals: Sequence[Array], tangents: Tangents
) -> Pushed:
    k = call.ordinary
    outs, treedef = apply(call, primals)
    dots = [zeros_of(x) if t is None else t for x, t in zip(primals[k:], tangents[k:], strict=True)]
    of = _LinearCallMap(call, dots, outs)
    kept = [_kept(trace, r) for r in primals[:k]]
    return outs, of.spread(on_tape(trace.linear, [*kept, *dots], of)), treedef


class PlainMap(LinearRule):
    """The derivative of a call without derivative rules; the primals are the residuals."""

    def __init__(
        self, call: CustomCall, primals: Sequence[Array], tangents: Tangents, outs: Sequence[Any]
    ) -> None:
        self.call = call
        self.n_residuals = len(primals)
        self.active = [t is not None for t in tangents]
        self.in_avals = [aval_of(x) for x, a in zip(primals, self.active, strict=True) if a]
        self.n_outs = len(outs)
        self.kept = [i for i, y in enumerate(outs) if is_active(y)]
        self.out_avals = [strong(aval_of(outs[i])) for i in self.kept]

    def __repr__(self) -> str:
        return repr(self.call)

    def forward(self, residuals: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
        return apply(PushedCall(self.call, self.active), [*residuals, *xs])[0]

    def transpose(self, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        given = filled(cts, self.out_avals)
        return list(apply(PulledCall(self.call, self.active), [*residuals, *given])[0])


def _differentiate_plain(
    trace: JVPTrace, call: CustomCall, primals: Sequence[Array], tangents: Tangents
) -> tuple[Leaves, TreeDef]:
    """The derivative of the function and of its batching rule, which the batch may ask for."""
    outs, treedef = apply(call, primals)
    of = PlainMap(call, primals, tangents, outs)
    given = [t for t in tangents if t is not None]
    if isinstance(trace, LinearizeTrace):
        dots = of.spread(on_tape(trace.linear, [*primals, *given], of))
    else:
        dots = of.spread(of.forward(primals, given))
    code, offset = _place()
    return [
        y if t is None else trace.wrap(y, t, code, offset) for y, t in zip(outs, dots, strict=True)
    ], treedef


def _kept(trace: LinearizeTrace, x: Array) -> Array:
    return trace.keep(x) if type(x) is np.ndarray else x


def _record_rule(
    trace: LinearizeTrace, call: CustomCall, primals: Sequence[Array], tangents: Tangents
) -> Pushed:
    """Run a forward rule on variables of the tape."""
    linear = trace.linear
    k = call.ordinary
    zeros = [i for i, x in enumerate(primals) if i >= k and tangents[i] is None and is_active(x)]
    if zeros and call.takes_zeros:
        x_dot = next(t for t in tangents if t is not None)
        of = ZeroMap(aval_of(x_dot), [aval_of(primals[i]) for i in zeros])
        tangents = list(tangents)
        for i, t in zip(zeros, on_tape(linear, [x_dot], of), strict=True):
            tangents[i] = t
    before, captures = trace.__class__, linear.captures
    trace.__class__ = _InsideRule
    linear.captures = trace.captures
    try:
        outs, dots, treedef = call.jvp(primals, tangents)
    except NonLinearError as error:
        raise _not_linear(call, error) from None
    finally:
        trace.__class__ = before
        linear.captures = captures
    for i, t in enumerate(dots):
        if t is None or is_variable(t, linear.tape):
            continue
        _check_traces(trace, (t,))
        t = _value(trace, t)
        if isinstance(t, Tracer) or np.any(t):
            raise NonLinearError(
                f"the jvp rule of {call.name} gave a tangent that does not depend on the tangents "
                "of its arguments.",
                got=repr(t),
                needed="a rule that is linear in the tangents",
            )
        dots[i] = None
    return outs, dots, treedef


def _not_linear(call: CustomCall, error: NonLinearError) -> NonLinearError:
    what = str(error).partition("\n")[0].rpartition(": ")[2]
    return NonLinearError(
        f"the jvp rule of {call.name} is not linear in the tangents: {what}",
        needed="operations that are linear in the tangents: +, -, multiplication by functions of "
        "the primals, ...",
        fix=f"write the rule so, or give {call.name} a reverse rule too, with defvjp",
        source=error.source,
    )


class _InsideRule(LinearizeTrace):
    """A trace while one of its forward rules runs on tangents.

    Values that the rule closes over meet the tangents without their own derivative, which would be
    of second order.
    """

    def process2(self, primitive: Primitive, a: Array, b: Array) -> Array:
        if is_variable(a, self.tape) or is_variable(b, self.tape):
            return primitive.bind(_value(self, a), _value(self, b))
        return super().process2(primitive, a, b)

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        if any([is_variable(a, self.tape) for a in args]):
            return primitive.bind(*[_value(self, a) for a in args], **params)
        return super().process(primitive, args, params)


# Linear calls.


class _LinearCallMap(LinearRule):
    """The linear map that a linear call is, of its operands after the ordinary ones."""

    def __init__(self, call: CustomCall, xs: Sequence[Array], outs: Sequence[Any]) -> None:
        self.call = call
        self.n_residuals = call.ordinary
        self.in_avals = [aval_of(x) for x in xs]
        self.n_outs = len(outs)
        self.kept = [i for i, y in enumerate(outs) if is_active(y)]
        self.out_avals = [strong(aval_of(outs[i])) for i in self.kept]

    def __repr__(self) -> str:
        return repr(self.call)

    def forward(self, residuals: Sequence[Array], xs: Sequence[Array]) -> list[Array]:
        outs, _ = apply(self.call, [*residuals, *xs])
        return [outs[i] for i in self.kept]

    def transpose(self, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        return self.call.transpose(residuals, filled(cts, self.out_avals))


def _record_linear(
    trace: LinearTrace, call: CustomCall, args: Sequence[Array]
) -> tuple[Leaves, TreeDef]:
    """A linear call on variables of a tape."""
    k = call.ordinary
    closed, hoisted = closed_call(call, args)
    of = _LinearCallMap(call, args[k:], [sample(v) for v in closed.program.out_avals])
    if any([is_variable(r, trace.tape) for r in (*hoisted, *args[:k])]):
        return call.run(args)  # one by one, its operations show what is linear
    outs = trace.process(linear_map_p, args, {"of": of})
    return of.spread(outs), closed.program.out_tree


# Batches.


def _batch(trace: BatchTrace, call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
    batched = [type(a) is BatchTracer and a._trace is trace for a in args]
    values = [trace.members(a) if b else a for a, b in zip(args, batched, strict=True)]
    if not call.has_batch and not any([isinstance(v, Tracer) for v in values]):
        return call.run(args)  # no older trace needs the rules
    symbolic = any([_depends_on(v, _of_program) for v in values])
    if symbolic and type(call) is not ClosedCall:
        closed, hoisted = closed_call(call, args)
        return apply(closed, [*hoisted, *args])
    size = trace.size
    whole = BatchedCall(call, trace, batched, force=symbolic)
    with suppress(NarrowedError):
        outs, treedef = apply(whole, values)
    if trace.size != size:
        # The batch has split by a decision in the function. The members that are left decide alike.
        return _batch(trace, call, args)
    source = user_source(NEAR)
    return [
        BatchTracer(trace, y, source) if b else y
        for y, b in zip(outs, whole.out_batched, strict=True)
    ], treedef


def in_batch(x: Any) -> bool:
    """True for a value that stands for a batch, whatever else traces it."""
    return _depends_on(x, _of_batch)


def _of_program(x: Tracer) -> bool:
    return x._trace.symbolic


def _of_batch(x: Tracer) -> bool:
    return type(x) is BatchTracer


def _depends_on(x: Any, kind: Callable[[Tracer], bool]) -> bool:
    """True for a value that is made of tracers of some kind."""
    while isinstance(x, Tracer):
        if kind(x) or (type(x) is JVPTracer and _depends_on(x.tangent, kind)):
            return True
        x = x.value if type(x) is BatchTracer else x.primal
    return False


# Programs.


def closed_call(call: CustomCall, args: Sequence[Array]) -> tuple[ClosedCall, list[Array]]:
    """The call with a program as its function, and the values that this closes over."""

    def fun(*xs: Array) -> Any:
        outs, treedef = call.run(xs)
        return tree.unflatten(treedef, outs)

    fun.__name__ = call.name
    program, hoisted = trace_closed(call.name, fun, *args)
    return ClosedCall(call, program, len(hoisted)), hoisted


def _record(trace: ProgramTrace, call: CustomCall, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
    if type(call) is not ClosedCall:
        closed, hoisted = closed_call(call, args)
        return apply(closed, [*hoisted, *args])
    params = {"rules": call, "program": call.program}
    outs = trace.process(custom_call_p, args, params)
    return list(outs), call.program.out_tree


class _CustomCallPrimitive(Primitive):
    """A call in a program."""

    __slots__ = ()

    def bind(self, *args: Array, **params: Any) -> Array:
        outs, _ = apply(params["rules"], [current(a) for a in args])
        return tuple(outs)


def _call_shape(*avals: ShapedArray, rules: CustomCall, program: Program) -> Any:
    return program.out_avals


def _call_batch(
    size: int, batched: Sequence[bool], *args: Array, rules: CustomCall, program: Program
) -> tuple[Array, ...]:
    whole = BatchedCall(rules, BatchTrace(rules.name, size), batched, force=True)
    assert whole.trace is not None
    whole.trace.close()
    outs, _ = apply(whole, args)
    return tuple([whole.stack(y, b) for y, b in zip(outs, whole.out_batched, strict=True)])


def _call_jvp(
    primals: Sequence[Array], tangents: Tangents, *, rules: CustomCall, program: Program
) -> tuple[Any, Any]:
    outs, dots, _ = push(rules, primals, tangents)
    return tuple(outs), dots


custom_call_p: Primitive = _CustomCallPrimitive(
    "custom_call",
    lambda *args, rules, program: tuple(rules.run(args)[0]),
    shape=_call_shape,
    batch=_call_batch,
    jvp=_call_jvp,
    multiple_results=True,
)
