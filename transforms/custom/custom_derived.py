"""The derivative of a function that has a rule for batches and none for derivatives, as functions
that have a rule for batches too: `PushedCall` and its transpose `PulledCall`.

They are needed where a batch is older than the derivative, in `vmap(grad(f))`: the derivative of
the function cannot be run on all members of the batch, if the function cannot; but that of its
batching rule can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, aval_of
from ...core.tree import TreeDef
from ..backward import backward_pass
from ..control.subprograms import evaluate_jvp, evaluate_linearized
from .custom_call import CustomCall, Leaves, is_active
from .custom_linear import filled, strong

__all__ = ["PulledCall", "PushedCall"]

FlatFunction = Callable[..., Sequence[Array]]


class _Derived(CustomCall):
    """A derivative of a call by the operands `active`: of its operands, and then of tangents or
    cotangents.
    """

    is_plain = True
    has_batch = True

    def __init__(self, call: CustomCall, active: Sequence[bool]) -> None:
        self.call = call
        self.name = call.name
        self.active = list(active)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.call!r})"

    def derive(self, fun: FlatFunction, args: Sequence[Array]) -> list[Array]:
        """The derivative of a function of the operands."""
        raise NotImplementedError(f"{type(self).__name__} has no derive")

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        found = self.derive(lambda *xs: self.call.run(xs)[0], args)
        return found, tree.structure(tuple([0] * len(found)))

    def run_batch(
        self, size: int, batched: Sequence[bool], args: Sequence[Array]
    ) -> tuple[Leaves, list[bool], TreeDef]:
        n = len(self.active)
        every = [
            x if b else np.broadcast_to(x, (size, *aval_of(x).shape))
            for x, b in zip(args, batched, strict=True)
        ]

        def fun(*xs: Array) -> list[Array]:
            outs, flags, _ = self.call.run_batch(size, [True] * n, xs)
            return [
                np.broadcast_to(y, (size, *aval_of(y).shape)) if is_active(y) and not b else y
                for y, b in zip(outs, flags, strict=True)
            ]

        found = self.derive(fun, every)
        return found, [True] * len(found), tree.structure(tuple([0] * len(found)))


class PushedCall(_Derived):
    """Operands, tangents of the active ones -> tangents of the results that have one."""

    def derive(self, fun: FlatFunction, args: Sequence[Array]) -> list[Array]:
        n = len(self.active)
        ys, dots = evaluate_jvp(self.name, fun, args[:n], self.active, args[n:])
        kept = [i for i, y in enumerate(ys) if is_active(y)]
        return filled([dots[i] for i in kept], [strong(aval_of(ys[i])) for i in kept])


class PulledCall(_Derived):
    """Operands, cotangents of the results that have one -> cotangents of the active operands."""

    def derive(self, fun: FlatFunction, args: Sequence[Array]) -> list[Array]:
        n = len(self.active)
        ys, tape, indices = evaluate_linearized(self.name, fun, args[:n], self.active)
        kept = [indices[i] for i, y in enumerate(ys) if is_active(y)]
        avals = [strong(aval_of(x)) for x, a in zip(args, self.active, strict=False) if a]
        cts: Any = args[n:]
        return backward_pass(tape, len(avals), kept, cts, avals, once=True)
