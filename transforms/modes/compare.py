"""Comparing the modes: `compare_modes : (a -> b), a -> Comparison`, each on the same function."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core import tree
from ...core.aval import Array
from ...core.errors import ModeError, WengertError
from ...core.source import boundary, describe_function
from ...core.tables import aligned
from ...core.tracing import Tracer
from ..arguments import Choice
from ..jacobian import jacobian
from .plan import size_text
from .problem import Problem
from .table import mode_names

__all__ = ["Comparison", "ModeResult", "compare_modes"]

_SHORT: Final = 0.05
"""Calls shorter than this, in seconds, are timed several times."""
_EXACT: Final = ("symbolic", "reverse", "forward", "taylor")
"""Modes without truncation errors, in the order in which they are taken for right."""


class ModeResult(NamedTuple):
    """What one mode gives, and what it costs.

    `error` is the largest difference to the best value, beside the largest number in that.
    `seconds` is the time of a call, `evaluations` the number of runs of the function (forward,
    reverse and Taylor mode run it once, on several values at a time), `memory` the most bytes in
    use during a call. `failed` says why there is no value.
    """

    mode: str
    value: Any
    error: float
    seconds: float
    evaluations: int
    memory: int
    failed: str | None = None


class Comparison:
    """The results of all modes: `results` has one by its name, `best` is the mode that the others
    are compared with. Printed, it is a table.
    """

    def __init__(self, name: str, best: str, results: dict[str, ModeResult]) -> None:
        self.name = name
        self.best = best
        self.results = results

    def __getitem__(self, mode: str) -> ModeResult:
        return self.results[mode]

    def __repr__(self) -> str:
        rows = [("mode", "value", "error", "time", "evaluations", "memory")]
        failed = []
        for r in self.results.values():
            if r.failed is not None:
                failed.append(f"{r.mode}: {r.failed}")
                continue
            error = "best" if r.mode == self.best else f"{r.error:.1e}"
            rows.append((
                r.mode, _short(r.value), error, _time(r.seconds), str(r.evaluations),
                size_text(r.memory),
            ))  # fmt: skip
        return "\n".join([f"jacobian of {self.name}", *aligned(rows, left=2), *failed])


@boundary
def compare_modes(
    fun: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    modes: Sequence[str] | None = None,
) -> Comparison:
    """Compute a Jacobian in every mode, and compare values, errors, times and memory.

    Args:
        fun: a function of trees of arrays.
        args: its arguments.
        argnums: positions of the arguments to differentiate, as for `jacobian`.
        modes: the names of modes; by default all there are, but "auto".

    Returns:
        A `Comparison`: `print` it for a table. `.results[mode]` has `value`, `error`, `seconds`,
        `evaluations`, `memory` and `failed`; what a mode cannot compute, and why, is below the
        table.

    Raises:
        ModeError: for an unknown mode, and for traced arguments.
        DtypeError: for an argument without float or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> found = wg.compare_modes(np.sin, 1.0, modes=("forward", "finite", "complex-step"))
        >>> found.best, found["finite"].error < 1e-10, found["complex-step"].evaluations
        ('forward', True, 5)
    """
    if any([isinstance(x, Tracer) for x in tree.leaves(args)]):
        raise ModeError(
            f"compare_modes of {describe_function(fun)}: it needs plain values, and the arguments "
            "are traced.",
            needed="a call that is not inside of another transformation",
        )
    names = [m for m in mode_names() if m != "auto"] if modes is None else list(modes)
    calls = 0

    def counted(*xs: Any) -> Any:
        nonlocal calls
        calls += 1
        return fun(*xs)

    counted.__name__ = describe_function(fun)
    operation = f"compare_modes of {counted.__name__}"
    choice = Choice(operation, fun, argnums, None)
    selected, chosen, places = choice.select(args, {})
    results: dict[str, ModeResult] = {}
    for mode in names:
        derivative = jacobian(counted, argnums, mode=mode)
        calls = 0
        try:
            start = time.perf_counter()
            value = derivative(*args)
            seconds = time.perf_counter() - start
        except (WengertError, ImportError) as error:
            text = str(error).partition("\n")[0]
            results[mode] = ModeResult(mode, None, np.nan, np.nan, 0, 0, text)
            continue
        evaluations = calls
        if seconds < _SHORT:
            seconds = min([_timed(derivative, args) for _ in range(3)])
        results[mode] = ModeResult(mode, value, 0.0, seconds, evaluations, _peak(derivative, args))
    fine = [m for m in (*_EXACT, *names) if m in results and results[m].failed is None]
    best = fine[0] if fine else ""
    blocks = {m: results[m].value for m in fine}
    for m in fine:
        if hasattr(blocks[m], "toarray"):  # one matrix: cut into blocks, as the others are
            problem = Problem(operation, selected, chosen, labels=places, pack=choice.pack)
            blocks[m] = problem.assemble(problem.of_smooth_rows(blocks[m].toarray()))
    for m in fine:
        results[m] = results[m]._replace(error=_error(blocks[m], blocks[best]))
    return Comparison(counted.__name__, best, results)


def _timed(f: Callable[..., Any], args: Sequence[Any]) -> float:
    start = time.perf_counter()
    f(*args)
    return time.perf_counter() - start


def _peak(f: Callable[..., Any], args: Sequence[Any]) -> int:
    """The most bytes in use during a call, beside those before."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    f(*args)
    peak = tracemalloc.get_traced_memory()[1] - before
    if not running:
        tracemalloc.stop()
    return peak


def _numbers(value: Any) -> Array:
    """All numbers of a Jacobian, as one vector."""
    leaves = [value.toarray()] if hasattr(value, "toarray") else tree.leaves(value)
    return np.concatenate([np.zeros(0), *[np.ravel(x) for x in leaves if x is not None]])


def _error(value: Any, best: Any) -> float:
    a, b = _numbers(value), _numbers(best)
    scale = float(np.max(np.abs(b), initial=0)) or 1.0
    return float(np.max(np.abs(a - b), initial=0)) / scale


def _short(value: Any) -> str:
    """One number, or the shape and the norm of more."""
    numbers = _numbers(value)
    if numbers.size == 1:
        return f"{numbers[0]:.12g}"
    return f"{numbers.size} numbers, norm {np.linalg.norm(numbers):.9g}"


def _time(seconds: float) -> str:
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"
