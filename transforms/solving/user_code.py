"""Solvers that users write: called with plain values, now or later, and never differentiated.

Where they may close over values of a batch, or values that a program does not have yet, they are
traced to programs if they can be; the values are operands then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ...core import tree
from ...core.aval import Array, ShapedArray
from ...core.errors import (
    UnsupportedError,
)
from ...core.ir import Program
from ...core.source import describe_function
from ...core.tracing import RUNNING, Tracer
from ..api import split_aux
from ..batching import BatchTrace
from ..jvp import ForwardTrace, JVPTrace
from ..program import trace_closed
from ..taylor.trace import JetTrace
from .detach import Detached, value_of
from .linear_maps import check_leaves

__all__ = ["UsersFunction", "captured", "needs_programs", "refuse_tracers"]


class UsersFunction:
    """Code of the user's that solves something, which is called with plain values and is not
    differentiated. It returns the solution; with `has_aux` a pair of it and something else.

    `program` is the same as a program, where it could be traced.
    """

    def __init__(
        self, fun: Callable[..., Any], program: Program | None = None, has_aux: bool = False
    ) -> None:
        self.fun = Detached(fun) if not isinstance(fun, Detached) else fun
        self.program = program
        self.has_aux = has_aux
        self.aux_tree: tree.TreeDef | None = None

    @property
    def extra(self) -> tuple[ShapedArray, ...] | None:
        """The types of what comes out besides the solution; None where that is not known."""
        if not self.has_aux:
            return ()
        if self.program is None or self.aux_tree is None:
            return None
        return self.program.out_avals[len(self.program.outputs) - self.aux_tree.size :]

    def leaves(
        self,
        operation: str,
        what: str,
        answer: Any,
        treedef: tree.TreeDef,
        avals: Sequence[ShapedArray],
        like: str,
    ) -> list[Array]:
        """The leaves of what the function returned, checked, and of the rest."""
        x, aux = split_aux(operation, answer, self.has_aux)
        alive = self.fun.alive()
        x = tree.map(lambda v: value_of(v, alive), x)
        found = check_leaves(operation, what, x, treedef, avals, like)
        if not self.has_aux:
            return found
        extra, self.aux_tree = tree.flatten(aux)
        return [*found, *[value_of(v, alive) for v in extra]]

    def trace(
        self, operation: str, run: Callable[..., list[Array]], avals: Sequence[ShapedArray]
    ) -> list[Array]:
        """Trace the function as a program, if it may close over a batch's values, or symbolic ones,
        and can be traced. `run` calls it and gives the leaves; returns what it closes over.
        """
        self.program, hoisted = captured(operation, run, *avals)
        return hoisted

    def __repr__(self) -> str:
        return describe_function(self.fun.fun)


def refuse_tracers(operation: str, solver: object, found: Sequence[Any]) -> None:
    """Raise if plain arguments gave a traced result."""
    for v in found:
        if isinstance(v, Tracer):
            raise UnsupportedError(
                f"{operation}: {solver!r} uses a traced value that is not one of its arguments.",
                got=repr(v),
                fix="use what it is given; or write it without `if` and `while` on values, so that "
                "it can be traced",
            )


def needs_programs() -> bool:
    """True where values that are closed over may be those of a batch, or none at all; where
    coefficients of their series are not known yet; or where they have derivatives of another kind
    than can be attached to a solution.
    """
    return RUNNING.symbolic or any([
        isinstance(t, BatchTrace)
        or (isinstance(t, JetTrace) and t.tape is not None)
        or (isinstance(t, ForwardTrace) and not isinstance(t, JVPTrace | JetTrace))
        for t in RUNNING.traces
    ])  # fmt: skip


def captured(
    operation: str, fun: Callable[..., Any], *args: Any
) -> tuple[Program | None, list[Array]]:
    """A function of the user's as a program, with the traced values that it closes over, where
    these may be a batch's; None where that is not needed, or it cannot be traced.
    """
    if not needs_programs():
        return None, []
    with suppress(Exception):  # whatever traced values are to it: what is wrong shows up later
        return trace_closed(operation, fun, *args)
    return None, []
