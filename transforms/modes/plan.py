"""Plans: what a derivative is going to cost, mode by mode and line by line, and which mode "auto"
takes and why. `plan : derivative function, args -> Plan`; the function itself runs, its derivative
does not.

Read next: `../passes/costs.py`, `../checkpointing/residuals.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from ...core.aval import aval_of
from ...core.errors import ModeError
from ...core.ir import Equation, Literal, Program, Var
from ...core.source import Source, boundary, describe_function
from ...core.tables import aligned
from ..checkpointing.residuals import Residual, saved_residuals
from ..linearize import record
from ..observed import Step
from ..passes.costs import Cost, cost_of
from .choosing import Derivative, choose, derivative, may_have_structure
from .kinks import observe
from .problem import Problem
from .table import engine_of

__all__ = ["LinePlan", "ModePlan", "Plan", "plan", "plan_of"]

_SLOPES: Final = 3.0
"""Operations of a pass, beside those of the function: a derivative and a product for each."""


class LinePlan(NamedTuple):
    """What one line of the user's costs: operations in it, those of floating point, the bytes of
    what it computes, those that reverse mode keeps for it, and the most memory in use while its
    derivative is computed (in the mode chosen).
    """

    source: Source | None
    equations: int
    flops: int
    bytes: int
    residual_bytes: int
    peak_bytes: int


class ModePlan(NamedTuple):
    """What a mode costs: passes, floating point operations, and the most memory in use."""

    mode: str
    passes: int
    flops: int
    peak_bytes: int


class Plan:
    """What a derivative will cost.

    `chosen` is the mode and `why` the reason; `modes` and `lines` have the figures. `equations`,
    `flops` and `residual_bytes` are those of the function. Printed, it is a table.
    """

    def __init__(
        self,
        what: str,
        chosen: str,
        why: str,
        modes: Sequence[ModePlan],
        lines: Sequence[LinePlan],
    ) -> None:
        self.what = what
        self.chosen = chosen
        self.why = why
        self.modes = {m.mode: m for m in modes}
        self.lines = list(lines)

    @property
    def equations(self) -> int:
        """The number of operations of the function."""
        return sum([line.equations for line in self.lines])

    @property
    def flops(self) -> int:
        """The floating point operations of the function."""
        return sum([line.flops for line in self.lines])

    @property
    def residual_bytes(self) -> int:
        """What reverse mode keeps."""
        return sum([line.residual_bytes for line in self.lines])

    @property
    def passes(self) -> int:
        """The passes of the mode chosen."""
        return self.modes[self.chosen].passes

    @property
    def peak_bytes(self) -> int:
        """The most memory in use, in the mode chosen."""
        return self.modes[self.chosen].peak_bytes

    def __repr__(self) -> str:
        modes = [("mode", "passes", "flops", "peak memory")]
        modes += [
            (m.mode, f"{m.passes:,}", f"{m.flops:,}", size_text(m.peak_bytes))
            for m in self.modes.values()
        ]
        lines = [("line", "equations", "flops", "residuals", "peak memory")]
        lines += [
            (
                "(elsewhere)" if line.source is None else line.source.place,
                f"{line.equations:,}",
                f"{line.flops:,}",
                size_text(line.residual_bytes),
                size_text(line.peak_bytes),
            )
            for line in self.lines
        ]
        texts = ["", *["" if x.source is None else x.source.text for x in self.lines]]
        return "\n".join([
            self.what,
            f"{self.chosen}: {self.why}",
            *[f"  {line}" for line in aligned(modes)],
            *[f"  {a}  {b}".rstrip() for a, b in zip(aligned(lines), texts, strict=True)],
        ])  # fmt: skip


@boundary
def plan(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Plan:
    """Tell what a derivative will cost before it is computed, and why "auto" takes which mode.

    Args:
        function: what `jacobian`, `grad`, `value_and_grad` or `hessian` returned.
        args: the arguments it would be called with. The function that is differentiated runs, on
            them; its derivative does not.
        kwargs: keyword arguments, likewise.

    Returns:
        A `Plan`: `print` it for a table of modes (passes, floating point operations, the most
        memory in use) and one of the user's lines (operations, residuals, memory). Memory is
        predicted from shapes: what the function holds, and tangents or cotangents of all passes.

    Raises:
        ModeError: for a function that is none of those derivatives.

    Example:
        >>> import numpy as np, wengert as wg
        >>> found = wg.plan(wg.jacobian(lambda x: np.outer(x, x)), np.ones(10))
        >>> found.chosen, found.why
        ('forward', '10 passes, one for each number of the arguments; reverse would take 100')
        >>> found.modes["reverse"].passes
        100
    """
    about = derivative(function)
    if about is None:
        raise ModeError(
            "plan: the function is none that knows what it is the derivative of.",
            got=describe_function(function),
            needed="what jacobian, grad, value_and_grad or hessian returned",
            fix="wengert.plan(wengert.jacobian(f), x)",
        )
    operation = f"{about.kind} of {describe_function(about.fun)}"
    selected, chosen, places = about.choice.select(args, kwargs)
    problem = Problem(
        operation, selected, chosen, has_aux=about.has_aux, labels=places, pack=about.choice.pack
    )
    structure = function.plan(*args, **kwargs) if hasattr(function, "plan") else None
    return plan_of(about, problem, structure)


def plan_of(about: Derivative, problem: Problem, structure: Any = None) -> Plan:
    """The plan for a derivative at a point; `structure` is the plan of a sparse one."""
    steps = [s for s in observe(problem) if any(s.active)]
    found = saved_residuals(problem.fun, *problem.arguments())
    n, m = problem.size, problem.out_size
    outer = n if about.kind == "hessian" else 1
    modes = [
        _mode_plan("forward", n, about, problem, steps, found, outer),
        _mode_plan("reverse", m, about, problem, steps, found, outer),
    ]
    passes = _compressed_passes(about, problem) if may_have_structure(about, n, m) else None
    mode, why = choose(about, n, m, passes)
    if passes is not None:
        modes.append(_mode_plan(mode, passes, about, problem, steps, found, outer))
    elif mode not in ("forward", "reverse"):
        modes.append(_other_plan(mode, about, problem, steps, found, modes[0], structure))
    this = next(x for x in modes if x.mode == mode)
    at_once = 1 if mode in _RUNS else _width(this.passes, about.chunk_size)
    lines = _lines(steps, found, at_once)
    what = f"{problem.operation}: {n:,} number{'s' * (n != 1)} to {m:,}"
    return Plan(what, mode, why, modes, lines)


def _compressed_passes(about: Derivative, problem: Problem) -> int | None:
    """The passes that the structure of a large Jacobian allows for, if they are few."""
    _, linear, _ = record(about.kind, problem.operation, problem.fun, problem.arguments())
    engine = engine_of(problem.operation, "sparse", ())
    assert engine is not None and engine.structure is not None
    plan = engine.structure(linear)
    return None if plan is None else int(plan.compression.passes)


_RUNS: Final = {"finite": 20, "complex-step": 4}
"""Modes that run the function again and again: what a number of the arguments costs, in runs (a
complex operation counts as four)."""


def _other_plan(
    mode: str,
    about: Derivative,
    problem: Problem,
    steps: Sequence[Step],
    residuals: Sequence[Residual],
    forward: ModePlan,
    structure: Any,
) -> ModePlan:
    """The plan of a mode that is neither forward nor reverse."""
    n, m = problem.size, problem.out_size
    flops = sum([_cost(s).flops for s in steps])
    if mode in _RUNS:
        # A Hessian is the Jacobian of the gradient.
        runs, rows = (1 + _SLOPES, n) if about.kind == "hessian" else (1, m)
        held = max([_bytes(s) + _operand_bytes(s) for s in steps], default=0)
        return ModePlan(mode, n, int(runs * flops * n * _RUNS[mode]), 16 * n * rows + 2 * held)
    if mode == "sparse" and structure is not None:
        passes = structure.compression.passes
        found = _mode_plan("forward", passes, about, problem, steps, residuals, 1)
        # Its values by passes, and the entries with their places, in the stead of a dense matrix.
        held = 8 * passes * max(n, m) + 24 * structure.pattern.nnz
        return found._replace(mode=mode, peak_bytes=found.peak_bytes - 8 * n * m + held)
    if mode == "symbolic":
        entries = m * n * (n if about.kind == "hessian" else 1)
        return ModePlan(mode, entries, flops * entries, forward.peak_bytes)
    return forward._replace(mode=mode)


def _width(passes: int, chunk_size: int | None) -> int:
    """How many passes are done at a time."""
    return max(1, passes if chunk_size is None else min(passes, chunk_size))


def _mode_plan(
    mode: str,
    passes: int,
    about: Derivative,
    problem: Problem,
    steps: Sequence[Step],
    residuals: Sequence[Residual],
    outer: int,
) -> ModePlan:
    lines = _lines(steps, residuals, _width(passes, about.chunk_size))
    flops = sum([line.flops for line in lines])
    total = int(flops * (1 + _SLOPES * passes) * outer)
    held = sum([r.nbytes for r in residuals])
    result = 8 * problem.size * problem.out_size
    most = max([line.peak_bytes for line in lines], default=0)
    return ModePlan(mode, passes, total, outer * (result + most) + held)


def _lines(steps: Sequence[Step], residuals: Sequence[Residual], width: int) -> list[LinePlan]:
    """What each line costs, in the order in which they run."""
    found: dict[Any, LinePlan] = {}
    for step in steps:
        line = found.setdefault(_place(step.source), LinePlan(step.source, 0, 0, 0, 0, 0))
        cost, size, operands = _cost(step), _bytes(step), _operand_bytes(step)
        # Tangents of operands and result; or cotangents of them.
        peak = max(line.peak_bytes, width * (size + operands))
        found[_place(step.source)] = LinePlan(
            line.source,
            line.equations + cost.equations,
            line.flops + cost.flops,
            line.bytes + size,
            0,
            peak,
        )
    for r in residuals:
        line = found.setdefault(_place(r.source), LinePlan(r.source, 0, 0, 0, 0, 0))
        found[_place(r.source)] = line._replace(residual_bytes=line.residual_bytes + r.nbytes)
    return list(found.values())


def _place(source: Source | None) -> str | None:
    return None if source is None else source.place


def _cost(step: Step) -> Cost:
    outs = step.result if step.primitive.multiple_results else (step.result,)
    e = Equation(
        step.primitive,
        [Literal(v) if aval_of(v).shape == () else Var(aval_of(v)) for v in step.values],
        [Var(aval_of(y)) for y in outs],
        dict(step.params),
    )
    return cost_of(Program([], [e], []))


def _bytes(step: Step) -> int:
    outs = step.result if step.primitive.multiple_results else (step.result,)
    avals = [aval_of(y) for y in outs]
    return sum([a.size * a.dtype.itemsize for a in avals])


def _operand_bytes(step: Step) -> int:
    avals = [aval_of(v) for v, on in zip(step.values, step.active, strict=True) if on]
    return sum([a.size * a.dtype.itemsize for a in avals])


def size_text(n: float) -> str:
    """Bytes, for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:,.3g} TB"
