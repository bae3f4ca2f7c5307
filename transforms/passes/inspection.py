"""What the passes do to a function: `inspect : (a -> b), a -> Inspection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...core.ir import Program
from ...core.source import boundary
from ...core.tables import aligned
from ..program import make_program
from .costs import Cost, cost_of
from .pipeline import steps_of

__all__ = ["Inspection", "Step", "inspect"]


class Step(NamedTuple):
    """A program after a pass, and what it costs."""

    name: str
    program: Program
    cost: Cost

    @property
    def equations(self) -> int:
        """The number of equations, those in loops and branches included."""
        return self.cost.equations

    @property
    def flops(self) -> int:
        """Floating point operations; steps of a scan count each, those of a while loop once."""
        return self.cost.flops

    @property
    def bytes(self) -> int:
        """Bytes read and written; views count for none."""
        return self.cost.bytes


class Inspection:
    """A program before and after the passes, and after each pass that changed it.

    `steps` has one item for the program before and one for each such pass, with `name`, `program`,
    `equations`, `flops` and `bytes`. Printed, it is a table.
    """

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps

    @property
    def before(self) -> Program:
        """The program as it was traced."""
        return self.steps[0].program

    @property
    def after(self) -> Program:
        """The program after all passes."""
        return self.steps[-1].program

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("pass", "equations", "flops", "bytes moved")]
        rows += [(s.name, *[f"{n:,}" for n in s.cost]) for s in self.steps]
        return "\n".join(aligned(rows))


@boundary
def inspect(fun: Callable[..., Any], *args: Any, fast_math: bool = False) -> Inspection:
    """Show what a staged function would compute, and what each pass saves.

    Args:
        fun: a function of trees of arrays, as for `make_program`; or a program.
        args: its arguments, of which only shapes and dtypes matter.
        fast_math: apply the passes too that keep values up to rounding only.

    Returns:
        An `Inspection`: `print` it for a table with the number of equations, floating point
        operations and bytes moved, before, and after each pass that changed something. `.before`
        and `.after` are programs, `.steps` are all.

    Raises:
        ConcretizationError: if `fun` asks for a value, as `if x > 0` does.

    Example:
        >>> import numpy as np, wengert as wg
        >>> found = wg.inspect(wg.grad(lambda x: np.sum(x * x)), np.ones(1000))
        >>> print(found)
        pass                         equations  flops  bytes moved
        (as traced)                          5  5,000      104,008
        without_dead_code                    3  3,000       72,000
        share_common_subexpressions          2  2,000       48,000
        simplify                             1  1,000       16,008
        without_dead_code                    1  1,000       16,008
        >>> print(found.after)
        program (a: f64[1000]) -> (f64[1000]) {
          b: f64[1000] = mul a 2.0
          return b
        }
    """
    program = make_program(fun)(*args)
    steps = [Step("(as traced)", program, cost_of(program))]
    for one, found in steps_of(program, fast_math=fast_math):
        steps.append(Step(one.__name__, found, cost_of(found)))
    return Inspection(tuple(steps))
