"""Points at which a function is not smooth: which operation has a kink, a jump or an edge there.

`find_kink : Problem -> Step or None` runs the function once and looks at each operation's operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ..observed import ObservedTrace, Step
from .problem import Problem

__all__ = ["find_kink", "observe"]


def observe(problem: Problem, vector: Array | None = None) -> list[Step]:
    """The operations that the function does, those before an error if there is one."""
    args = problem.arguments(vector)
    leaves, treedef = tree.flatten(args)
    with ObservedTrace(problem.operation) as trace, np.errstate(all="ignore"), suppress(Exception):
        for i in problem.active:
            leaves[i] = trace.wrap(np.array(leaves[i])[()])
        problem.fun(*tree.unflatten(treedef, leaves))
    return trace.steps


def find_kink(problem: Problem) -> Step | None:
    """The first operation that is not smooth at the point."""
    for step in observe(problem):
        if any(step.active) and _is_rough(step):
            return step
    return None


def _is_rough(step: Step) -> bool:
    check = _CHECKS.get(step.primitive.name)
    return check is not None and bool(np.any(check(step.values, step.params)))


Check = Callable[[Sequence[Array], Mapping[str, Any]], Any]


def _zero(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.equal(values[0], 0)


def _equal(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.equal(values[0], values[1])


def _whole(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.equal(values[0], np.rint(values[0]))


def _norm(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.equal(np.max(np.abs(values[0]), initial=0), 0)


def _tied(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    """True where an extreme value, or a value beside another one in order, is there twice."""
    x, axes = np.asarray(values[0]), params.get("axes", params.get("axis"))
    if axes is None or (isinstance(axes, tuple) and len(axes) == x.ndim):
        x = x.reshape(-1)
    else:
        axes = (axes,) if isinstance(axes, int | np.integer) else axes
        rest = [i for i in range(x.ndim) if i not in [a % x.ndim for a in axes]]
        x = x.transpose([*rest, *[a % x.ndim for a in axes]])
        x = x.reshape(*x.shape[: len(rest)], -1)
    ordered = np.sort(x, axis=-1)
    return np.equal(ordered[..., 1:], ordered[..., :-1])


def _not_positive(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.less_equal(values[0], 0)


def _edge(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.greater_equal(np.abs(values[0]), 1)


def _pole(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.equal(values[1], 0)


def _root(values: Sequence[Array], params: Mapping[str, Any]) -> Any:
    return np.less_equal(values[0], 0) & np.not_equal(values[1], np.rint(values[1]))


_CHECKS: Final[dict[str, Check]] = {
    **dict.fromkeys(["abs", "fabs", "sign", "cbrt", "heaviside", "reciprocal"], _zero),
    **dict.fromkeys(["sqrt", "log", "log2", "log10"], _not_positive),
    **dict.fromkeys(["arcsin", "arccos", "arctanh"], _edge),
    "log1p": lambda values, params: np.less_equal(values[0], -1),
    "arccosh": lambda values, params: np.less_equal(values[0], 1),
    "div": _pole,
    "pow": _root,
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin", "greater", "greater_equal"], _equal),
    **dict.fromkeys(["less", "less_equal", "equal", "not_equal"], _equal),
    **dict.fromkeys(["floor", "ceil", "trunc", "rint", "floor_divide"], _whole),
    **dict.fromkeys(["reduce_max", "reduce_min", "sort", "partition", "argmax", "argmin"], _tied),
    "norm": _norm,
}  # fmt: skip
