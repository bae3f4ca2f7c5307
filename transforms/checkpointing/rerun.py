"""Python functions that are run again later: `Rerun`, a function of flat operands, no closure.

A function of the user's may close over traced values. They are found by looking at its closure, or
at the latest when it runs into one, and become operands, the first ones. While the function runs,
their traces hand over what is done with them: `_Substitution` puts the values of the operands in
their place. So the function itself need not be traced, and all of Python works in it, however often
it is run.

Random numbers are drawn once: when the function is run again, its generators start from the states
that they had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from threading import RLock, local
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray
from ...core.errors import InPlaceWriteError, UnsupportedError
from ...core.generators import Draws, is_generator, reachable
from ...core.storage import Storage, current, write
from ...core.tracing import (
    FIRST,
    RUNNING,
    Primitive,
    Trace,
    Tracer,
    handed_over,
    newest_trace,
)
from ..api import flatten_result, is_array_leaf
from ..control.subprograms import trace_flat
from ..linear import LinearTrace

__all__ = ["Arguments", "Rerun"]

_ended = RLock()
"""Held while traces that have ended hand over, since other threads may use them too."""


class _Standing(local):
    """The substitutions that are at work in this thread."""

    def __init__(self) -> None:
        self.substitutions: list[_Substitution] = []


_STANDING = _Standing()


class _Met(BaseException):
    """The function met a traced value that is no operand of it yet.

    No Exception, since the user's code may catch these.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer


class _Substitution(Trace):
    """Stands in for traces, whose tracers it replaces by other values."""

    label = "a function that is run again"

    def __init__(self, traces: Sequence[Trace], values: Mapping[int, Array]) -> None:
        self.number = FIRST  # not one of the traces that run: nothing is traced by it
        self.function = self.label
        self.traces = traces
        self.values = values

    def value(self, x: Array) -> Array:
        """What stands for `x`."""
        if not isinstance(x, Tracer):
            return x
        found = self.values.get(id(x))
        if found is not None:
            return found
        x = current(x)
        if isinstance(x, Tracer) and x._trace in self.traces:
            if id(x) not in self.values:
                raise _Met(x)
            return self.values[id(x)]
        return x

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        return primitive.bind(*[self.value(a) for a in args], **params)

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        x, y = self.value(x), self.value(y)
        trace = newest_trace((x, y))
        return primitive.impl(x, y) if trace is None else trace.process2(primitive, x, y)

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        own = isinstance(x, Tracer) and x._trace in self.traces
        arrays = [self.value(a) for a in arrays]
        return write(self.value(x), self.value(v), arrays, index, exclusive and not own)


class Arguments:
    """Trees of arguments taken apart: the arrays are operands, all else stays as it is.

    Python's numbers stay too, unless traced, so that they count and choose as ever.
    """

    def __init__(self, args: Any, numbers: bool = False) -> None:
        leaves, self.treedef = tree.flatten(args)
        self.places = []
        self.arrays: list[Array] = []
        for i, x in enumerate(leaves):
            if is_array_leaf(x) and (numbers or type(x) not in (int, float, complex, bool)):
                self.places.append(i)
                self.arrays.append(current(x))
                leaves[i] = None
        self.fixed = leaves

    def rebuilt(self, arrays: Sequence[Array]) -> Any:
        """The trees with others in the place of the arrays."""
        leaves = list(self.fixed)
        for i, x in zip(self.places, arrays, strict=True):
            leaves[i] = x
        return tree.unflatten(self.treedef, leaves)


class Rerun:
    """A function of flat operands: first the traced values that `fun` closes over, then arrays.

    `call` takes the arrays to a result, a tree, or a list of arrays if it is `flat`; `looked_at` is
    what may lead to traced values.
    """

    def __init__(
        self, name: str, call: Callable[..., Any], looked_at: Any, flat: bool = False
    ) -> None:
        self.name = name
        self.flat = flat
        self.call = call
        self.captured: list[Tracer] = []
        self.handles: list[tuple[Tracer, Trace, int]] = []
        self.stored: list[tuple[Storage, Array]] = []
        generators = []
        running = self.running = _traces()
        for _, x in reachable(call, looked_at):
            if is_generator(x):
                generators.append(x)
            elif current(x) is not x or x._trace in running:
                self.handles.append((x, x._trace, _version(x)))
                if isinstance(x._trace, Storage):
                    self.stored.append((x._trace, current(x)))
                self.capture(current(x))
        self.draws = Draws(generators)
        self.has_run = False
        self.copies = False
        self.out_tree = tree.structure(0)

    def __repr__(self) -> str:
        return self.name

    def capture(self, x: Array) -> None:
        """Make a traced value an operand."""
        known = any([x is c for c in self.captured])
        if isinstance(x, Tracer) and x._trace in self.running and not known:
            self.captured.append(x)

    def with_captured(self, use: Callable[..., Any], *operands: Array) -> Any:
        """`use(*captured, *operands)`, again with one more as long as the function meets another
        traced value. It then counts as having run.
        """
        while True:
            try:
                found = use(*self.captured, *operands)
            except _Met as met:
                self.draws.rewind()
                self.handles.append((met.tracer, met.tracer._trace, 0))
                self.captured.append(met.tracer)
            else:
                break
        for x, trace, version in self.handles:
            if x._trace is not trace or _version(x) != version:
                raise InPlaceWriteError(
                    f"{self.name}: the function writes to an array that it closes over, and would "
                    "do so each time it is run.",
                    needed="a function whose only effect is its result",
                    fix="pass the array as an argument, and return the new one",
                )
        self.has_run = True
        self.draws.forget_unused()
        self.handles = [(x, x._trace, 0) for x in self.captured]
        kept = {id(x._trace) for x in self.captured}
        self.running = [t for t in self.running if id(t) in kept]
        return found

    @contextmanager
    def bound(self, values: Sequence[Array]) -> Iterator[Callable[..., list[Array]]]:
        """The function of the arrays alone, with these values for what it closes over."""
        env = {id(x): v for x, v in zip(self.captured, values, strict=True)}
        stand_in = _Substitution(self.running, env)
        ended = any([t not in RUNNING.traces for t in self.running])

        def run(*arrays: Array) -> list[Array]:
            result = self.call(*map(self.own, arrays))
            if self.flat:
                return [stand_in.value(current(y)) for y in result]
            outs, treedef = flatten_result(self.name, result)
            outs = [stand_in.value(y) for y in outs]
            self.out_tree = tree.with_fixed_values(treedef, outs)
            return [y for y in outs if not tree.is_static_leaf(y)]

        with (
            _ended if ended else nullcontext(),
            handed_over(stand_in, self.running) if self.running else nullcontext(),
            self.draws.repeated() if self.has_run else nullcontext(),
            self.as_before() if self.has_run else nullcontext(),
        ):
            _STANDING.substitutions.append(stand_in)
            try:
                yield run
            finally:
                _STANDING.substitutions.remove(stand_in)

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """While it lasts, traced arrays that were written to since have their values of then."""
        stored = [(s, dict(s.__dict__)) for s, _ in self.stored]
        moved = [(x, x._trace) for x, trace, _ in self.handles if x._trace is not trace]
        for s, value in self.stored:
            s.restore(value)
        for x, trace, _ in self.handles:
            x._trace = trace
        try:
            yield
        finally:
            for s, attributes in stored:
                s.__dict__.update(attributes)
            for x, now in moved:
                x._trace = now

    def own(self, x: Array) -> Array:
        """An operand that the function cannot change for others."""
        if type(x) is not np.ndarray:
            return x
        if self.copies:
            return x.copy()
        x = x.view()
        x.flags.writeable = False
        return x

    def __call__(self, *operands: Array) -> list[Array]:
        n = len(self.captured)
        try:
            with self.bound(operands[:n]) as run:
                return self.writing(run)(*operands[n:])
        except _Met as met:
            if not self.has_run:
                raise
            raise UnsupportedError(
                f"{self.name}: when it was run again, the function used a traced value that it had "
                "not used before.",
                got=repr(met.tracer),
                fix="pass what changes as an argument",
            ) from None

    def writing(self, run: Callable[..., list[Array]]) -> Callable[..., list[Array]]:
        """The function with copies of its operands, if it turns out to write to them."""

        def attempt(*arrays: Array) -> list[Array]:
            try:
                return run(*arrays)
            except ValueError as error:
                if self.copies or "read-only" not in str(error):
                    raise
                self.draws.rewind()
                self.copies = True
                return run(*arrays)

        return attempt

    def out_avals(self, avals: Sequence[ShapedArray]) -> Sequence[ShapedArray]:
        """The types of the results."""
        return trace_flat(self.name, self, avals).out_avals


def _traces() -> list[Trace]:
    """The traces whose tracers a function may close over now: those that run, and ended ones that
    others stand in for.
    """
    found = [t for t in RUNNING.traces if not isinstance(t, LinearTrace)]
    for s in _STANDING.substitutions:
        found += [t for t in s.traces if t not in found]
    return found


def _version(x: Tracer) -> int:
    return x._trace.version_now() if isinstance(x._trace, Storage) else 0
