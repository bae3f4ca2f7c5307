"""First and second derivatives of functions from vectors to vectors as formulas, entry by entry,
and their values at a point: what `mode="symbolic"` computes.

sympy differentiates the formula of the function. Where that formula does not tell the derivative
(custom rules, `stop_gradient`, floor), the formula of wengert's own derivative is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array
from ...core.errors import ModeError
from ..jvp import jvp
from ..program import make_program
from ..vmap import vmap
from .evaluation import evaluate_formulas
from .extra import sympy
from .formulas import OWN_RULES, compiled, primitives_of, traced

__all__ = ["derivative_values"]

_MOST: Final = 10_000
"""So many entries are differentiated one by one."""


def derivative_values(
    operation: str, fun: Callable[[Array], Array], x: Array, size: int, order: int
) -> Array:
    """The derivatives of `size` results by all elements of x (order 1), or by all pairs of them
    (order 2): an array with an axis for the results, and one for each derivative.
    """
    n = x.size
    if size * n**order > _MOST:
        raise ModeError(
            f"{operation}: that would be too many formulas.",
            got=f"{size * n**order:,} derivatives",
            needed=f"at most {_MOST:,}",
            fix='mode="forward" or mode="reverse"',
        )
    s = sympy('mode="symbolic"')
    program, inputs = traced(operation, fun, (np.ones(n),))
    symbols = list(inputs[0].ravel())
    formulas = list(np.ravel(evaluate_formulas(program, inputs)[0]))
    own = OWN_RULES & set(primitives_of(make_program(fun)(np.ones(n))))
    entries: list[Any] = []
    if not own:
        entries = _differentiated(s, formulas, symbols, order)
    if own or any([e.has(s.Derivative, s.Subs, s.DiracDelta) for e in entries]):
        g = fun
        for _ in range(order):
            g = _derivative(g, n)
        entries = list(np.ravel(evaluate_formulas(*traced(operation, g, (np.ones(n),)))[0]))
    values = compiled(symbols, tuple(entries))(*x.tolist()) if entries else ()
    found = np.asarray(values)
    return np.array(found, found.dtype if found.dtype.kind == "c" else float).reshape(
        (size, *[n] * order)
    )


def _differentiated(
    s: Any, formulas: Sequence[Any], symbols: Sequence[Any], order: int
) -> list[Any]:
    found = [s.sympify(f) for f in formulas]
    for _ in range(order):
        found = [
            s.diff(f, v) if v in f.free_symbols else s.Integer(0) for f in found for v in symbols
        ]
    return found


def _derivative(f: Callable[[Array], Array], n: int) -> Callable[[Array], Array]:
    """The Jacobian of `f`, with the directions as the last axis."""

    def g(x: Array) -> Array:
        columns: Array = vmap(lambda t: jvp(f, (x,), (t,))[1], out_axes=-1)(np.eye(n))
        return columns

    return g
