"""What the passes on loops and branches share: such equations taken apart and put together.

Passes know them by name: "scan" (see `../control/scan.py` for its operands), "while" and "cond".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...core.aval import ShapedArray
from ...core.ir import Atom, Equation, Program, Var

__all__ = ["Scan", "flat_program", "needed_for", "picked", "strong"]


def strong(aval: ShapedArray) -> ShapedArray:
    """The type without its weakness."""
    return ShapedArray(aval.shape, aval.dtype) if aval.weak_type else aval


def flat_program(
    of: Program,
    *,
    inputs: Sequence[Var] | None = None,
    equations: Sequence[Equation] | None = None,
    outputs: Sequence[Atom] | None = None,
    constants: Sequence[Any] | None = None,
) -> Program:
    """A program made of another, with a flat tuple of arguments and of results."""
    return Program(
        of.inputs if inputs is None else inputs,
        of.equations if equations is None else equations,
        of.outputs if outputs is None else outputs,
        of.constants if constants is None else constants,
        name=of.name,
    )


def needed_for(program: Program, outputs: Iterable[Atom]) -> set[Atom]:
    """The variables that some outputs depend on, with the outputs."""
    needed: set[Atom] = set(outputs)
    for e in reversed(program.equations):
        if not needed.isdisjoint(e.outputs):
            needed.update(e.inputs)
    return needed


def picked(items: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """The items with a flag."""
    return [x for x, f in zip(items, flags, strict=True) if f]


class Scan:
    """The parts of a scan. Lists may be changed; `written` gives the equation."""

    def __init__(self, e: Equation, inputs: Sequence[Atom]) -> None:
        p = e.params
        self.equation = e
        self.body: Program = p["body"]
        self.length: int = p["length"]
        self.reverse: bool = p["reverse"]
        n, m = p["n_consts"], p["n_consts"] + p["n_carry"]
        names = self.body.inputs
        linear = list(p.get("linear", ())) or [False] * len(inputs)
        self.is_linear = "linear" in p
        self.consts = list(zip(inputs[:n], names[:n], linear[:n], strict=True))
        self.carry = list(zip(inputs[n:m], names[n:m], linear[n:m], strict=True))
        self.xs = list(zip(inputs[m:], names[m:], linear[m:], strict=True))
        k = p["n_carry"]
        self.carry_out = list(zip(self.body.outputs[:k], e.outputs[:k], strict=True))
        self.ys = list(zip(self.body.outputs[k:], e.outputs[k:], strict=True))
        self.equations: Sequence[Equation] = self.body.equations

    @property
    def n_parts(self) -> tuple[int, int, int, int]:
        """The numbers of constants, carried values, stacks and results."""
        return len(self.consts), len(self.carry), len(self.xs), len(self.ys)

    def written(self) -> Equation:
        """The equation, with dead code left out of the body."""
        operands = [*self.consts, *self.carry, *self.xs]
        results = [*self.carry_out, *self.ys]
        outputs = [a for a, _ in results]
        body = flat_program(
            self.body,
            inputs=[v for _, v, _ in operands],
            equations=self.equations,
            outputs=outputs,
        )
        params = {
            **self.equation.params,
            "body": body,
            "n_consts": len(self.consts),
            "n_carry": len(self.carry),
        }
        if self.is_linear:
            params["linear"] = tuple([f for _, _, f in operands])
        return self.equation.replace(
            inputs=[a for a, _, _ in operands], outputs=[v for _, v in results], params=params
        )
