"""Bodies of checkpointed operations under transformations.

A body is a function of flat operands: a program, a Python function (`Rerun`), a loop
(`checkpointed_scan.py`), or one of these under another transformation: the classes here, which are
bodies again. They compute when they are called, and know the types of their results.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import UnsupportedError
from ...core.ir import Equation, Literal, Program, Var
from ...core.storage import current
from ...core.tracing import Tracer
from ..backward import backward_pass
from ..batching import BatchTrace, BatchTracer
from ..control.subprograms import batched_aval, evaluate_jvp, evaluate_linearized
from ..jvp import zeros_of
from ..linear import LinearTrace, LinearTracer, is_variable

__all__ = [
    "Batched",
    "Body",
    "Derived",
    "Jvp",
    "Pushed",
    "Recomputed",
    "avals_of",
    "chosen",
    "inexact",
    "run_body",
    "sample",
    "strong",
]

Body: TypeAlias = Any
"""A program, or a callable with `out_avals`; with `split`, if it says itself what to save."""

Flags = Sequence[bool]


def run_body(body: Body, args: Sequence[Array]) -> list[Array]:
    """Evaluate a body; of a program, values are dropped after their last use."""
    if type(body) is not Program:
        found: list[Array] = body(*args)
        return found
    env: dict[Var, Array] = dict(body.constants)
    env.update(zip(body.inputs, args, strict=True))
    for e, unused in _with_last_uses(body):
        value = e.primitive.bind(*[_read(env, a) for a in e.inputs], **e.params)
        env.update(zip(e.outputs, value if e.primitive.multiple_results else (value,), strict=True))
        for v in unused:
            del env[v]
    return [_read(env, a) for a in body.outputs]


def _with_last_uses(program: Program) -> list[tuple[Equation, list[Var]]]:
    """The equations, each with the variables that nothing uses after it; kept with the program."""
    found: list[tuple[Equation, list[Var]]] | None = program.derived.get("last uses")
    if found is None:
        found, used = [], {v for v in program.outputs if isinstance(v, Var)}
        for e in reversed(program.equations):
            mine = dict.fromkeys([v for v in (*e.inputs, *e.outputs) if isinstance(v, Var)])
            found.append((e, [v for v in mine if v not in used]))
            used.update(mine)
        found.reverse()
        program.derived["last uses"] = found
    return found


def _read(env: dict[Var, Array], atom: Any) -> Array:
    return atom.value if isinstance(atom, Literal) else env[atom]


def avals_of(body: Body, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
    """The types of a body's results."""
    found: Sequence[ShapedArray] = (
        body.out_avals if type(body) is Program else body.out_avals(avals)
    )
    return found


def inexact(avals: Sequence[ShapedArray]) -> list[int]:
    """The positions of the results that have a derivative."""
    return [i for i, v in enumerate(avals) if v.dtype.kind in "fc"]


def chosen(items: Sequence[Any], flags: Flags) -> list[Any]:
    """The items with a flag."""
    return [x for x, f in zip(items, flags, strict=True) if f]


def strong(aval: ShapedArray) -> ShapedArray:
    """The type of a tangent."""
    return ShapedArray(aval.shape, aval.dtype)


class Derived:
    """A body under another transformation.

    `structured` bodies hold loops, and are not written out as programs.
    """

    label: ClassVar[str]

    def __init__(self, body: Body) -> None:
        self.body = body
        self.structured = getattr(body, "structured", False)

    @property
    def name(self) -> str:
        """What it is called in messages and programs."""
        return f"{self.label} of {getattr(self.body, 'name', 'a function')}"

    @property
    def held(self) -> dict[str, Any]:
        """The programs in it, to print."""
        return {"body": self.body} if type(self.body) is Program else getattr(self.body, "held", {})

    def __repr__(self) -> str:
        return self.name if type(self.body) is Program else f"{self.label} of {self.body!r}"


class Batched(Derived):
    """The body for stacked operands; all results are stacked."""

    label = "vmap"

    def __init__(self, body: Body, size: int, batched: Flags, axis_name: Hashable) -> None:
        super().__init__(body)
        self.size = size
        self.batched = tuple(batched)
        self.axis_name = axis_name

    def __call__(self, *args: Array) -> list[Array]:
        trace = BatchTrace(self.name, self.size, self.axis_name)
        try:
            outs = run_body(self.body, [
                BatchTracer(trace, x) if b else x for x, b in zip(args, self.batched, strict=True)
            ])  # fmt: skip
            outs = [current(y) for y in outs]
        finally:
            trace.close()
        return [
            y.value
            if type(y) is BatchTracer and y._trace is trace
            else np.broadcast_to(y, (self.size, *aval_of(y).shape))
            for y in outs
        ]

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        lanes = [
            ShapedArray(v.shape[1:], v.dtype) if b else v
            for v, b in zip(avals, self.batched, strict=True)
        ]
        return [batched_aval(self.size, v) for v in avals_of(self.body, lanes)]


class Jvp(Derived):
    """operands, tangents of active ones -> results, tangents of those that have a derivative."""

    label = "jvp"

    def __init__(self, body: Body, active: Flags) -> None:
        super().__init__(body)
        self.active = tuple(active)

    def __call__(self, *args: Array) -> list[Array]:
        ys, dots = self.both(args)
        return [*ys, *dots]

    def both(self, args: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """The results, and the tangents."""
        n = len(self.active)
        run = lambda *xs: run_body(self.body, xs)
        ys, dots = evaluate_jvp(self.name, run, args[:n], self.active, args[n:])
        kept = inexact([aval_of(y) for y in ys])
        return ys, [zeros_of(ys[i]) if dots[i] is None else dots[i] for i in kept]

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        out = avals_of(self.body, avals[: len(self.active)])
        return [*out, *[strong(out[i]) for i in inexact(out)]]


class Pushed(Jvp):
    """operands, tangents of active ones -> tangents of the results that have a derivative."""

    label = "derivative"
    samples: Sequence[Array] = ()
    """A few elements of the results, to see whether another run has the same."""

    def __call__(self, *args: Array) -> list[Array]:
        return self.both(args)[1]

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        out = avals_of(self.body, avals[: len(self.active)])
        return [strong(out[i]) for i in inexact(out)]

    def transposed(self, n: int) -> Body:
        """operands, cotangents -> cotangents of active operands."""
        return Pulled(self.body, self.active, self.samples)


class Pulled(Derived):
    """operands, cotangents of results that have a derivative -> cotangents of active operands."""

    label = "pullback"

    def __init__(self, body: Body, active: Flags, samples: Sequence[Array] = ()) -> None:
        super().__init__(body)
        self.active = tuple(active)
        self.samples = samples

    def __call__(self, *args: Array) -> list[Array]:
        n = len(self.active)
        primals, cts = args[:n], args[n:]
        run = lambda *xs: run_body(self.body, xs)
        ys, tape, indices = evaluate_linearized(self.name, run, primals, self.active, at_once=True)
        avals = [aval_of(y) for y in ys]
        if self.samples:
            _check_same(self.body, self.samples, sample(ys))
        del ys
        outputs = [indices[i] for i in inexact(avals)]
        due = [strong(aval_of(x)) for x in chosen(primals, self.active)]
        return backward_pass(tape, len(due), outputs, cts, due, once=True)

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        return [strong(v) for v in chosen(avals[: len(self.active)], self.active)]


class Recomputed(Derived):
    """A program: operands, saved values, tangents -> tangents. It is linear in the tangents."""

    label = "derivative"

    def __init__(self, body: Program, in_avals: Sequence[ShapedArray]) -> None:
        super().__init__(body)
        self.in_avals = in_avals

    def __call__(self, *args: Array) -> list[Array]:
        return run_body(self.body, args)

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        return avals_of(self.body, avals)

    def transposed(self, n: int) -> Body:
        """operands, saved values, cotangents -> cotangents of active operands."""
        return Transposed(self.body, n, self.in_avals)


class Transposed(Derived):
    """The transpose of a body in the operands after the first n, in which it is linear."""

    label = "transpose"

    def __init__(self, body: Body, n: int, in_avals: Sequence[ShapedArray]) -> None:
        super().__init__(body)
        self.n = n
        self.in_avals = in_avals

    def __call__(self, *args: Array) -> list[Array]:
        trace = LinearTrace(self.name)
        numbers = trace.variables(len(self.in_avals))
        try:
            outs = run_body(self.body, [
                *args[: self.n],
                *[LinearTracer(trace, i, v) for i, v in zip(numbers, self.in_avals, strict=True)],
            ])  # fmt: skip
        finally:
            trace.close()
        tape = trace.tape
        outputs = [y.index if is_variable(y, tape) else None for y in outs]
        del outs
        count = len(self.in_avals)
        return backward_pass(tape, count, outputs, args[self.n :], self.in_avals, once=True)

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        return self.in_avals


# That a function gives the same results when it is run again.

_SAMPLES = 64


def sample(ys: Sequence[Array]) -> Sequence[Array]:
    """Some elements of plain results."""
    if any([isinstance(y, Tracer) for y in ys]):
        return ()
    return [np.array(np.ravel(y)[:: max(1, np.size(y) // _SAMPLES)]) for y in ys]


def _check_same(body: Body, before: Sequence[Array], now: Sequence[Array]) -> None:
    """Raise if the results have changed by more than rounding can explain."""
    if now and not all([_close(a, b) for a, b in zip(before, now, strict=True)]):
        raise UnsupportedError(
            f"checkpoint of {getattr(body, 'name', 'a function')}: the function gave another "
            "result when it was run again, so the derivative would be wrong.",
            needed="a function that depends on its arguments and on what does not change",
            fix="pass what changes as an argument; draw random numbers outside, or from a "
            "generator that the function gets as an argument",
        )


def _close(a: Array, b: Array) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.tobytes() == b.tobytes():
        return True
    if a.dtype.kind not in "fc":
        return False
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(a), initial=0.0, where=np.isfinite(a))
    slack = {2: 1e-1, 4: 1e-3}.get(np.finfo(a.dtype).dtype.itemsize, 1e-6)
    return bool(np.allclose(a, b, rtol=slack, atol=slack * largest, equal_nan=True))
