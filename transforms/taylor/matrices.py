"""Functions of matrices on power series, which their derivative gives no cheap recurrence for.

- A function f of a block triangular Toeplitz matrix of a series' coefficients has those of f of the
  series as its blocks (as [[A, E], [0, A]] gives the derivative; N. J. Higham, Functions of
  Matrices, SIAM 2008, section 3.2). One matrix that is n + 1 times as large gives all orders.
- The derivative of det by cofactors is right at singular matrices too, and has no high order.
  Elsewhere det' = det tr(A^-1 A').
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ...core.aval import Array, aval_of
from ...core.tracing import Primitive, Tracer
from .expansion import expand
from .trace import JetTrace

__all__: list[str] = []

SINGULAR = 1e8
"""Matrices with a larger condition number are singular to the derivative of det."""


def _of_blocks(
    name: str, trace: JetTrace, args: Sequence[Array], order: int, **params: Any
) -> Array:
    primitive = Primitive.registry[name]
    (a,) = args
    terms = trace.coefficients(a, order)
    y = primitive.bind(terms[0], **params)
    m = aval_of(terms[0]).shape[-1]
    zeros = np.zeros_like(terms[0])
    blocks = [zeros if t is None else t for t in terms]
    rows = [np.concatenate([zeros] * i + blocks[: order + 1 - i], -1) for i in range(order + 1)]
    found = primitive.bind(np.concatenate(rows, -2), **params)[..., :m, :]
    return trace.wrap([y, *[found[..., k * m : (k + 1) * m] for k in range(1, order + 1)]])


def _det(trace: JetTrace, args: Sequence[Array], order: int) -> Array:
    primitive = Primitive.registry["det"]
    y = primitive.bind(trace.value(args[0]))

    def by_cofactors(xs: Sequence[Array], dots: Sequence[Any], y: Array) -> Any:
        return trace.tangent(primitive, xs, dots, y, {})

    def by_inverse(xs: Sequence[Array], dots: Sequence[Any], y: Array) -> Array:
        found: Array = y * np.trace(np.linalg.solve(xs[0], dots[0]), axis1=-2, axis2=-1)
        return found

    push = by_inverse if _is_regular(trace.value(args[0])) else by_cofactors
    return expand(trace, args, y, order, push, (primitive, args, {}))


def _is_regular(a: Array) -> bool:
    if isinstance(a, Tracer) or not np.all(np.isfinite(a)):
        return False
    return bool(a.size and np.all(np.linalg.cond(a) < SINGULAR))


JetTrace.whole["det"] = _det
JetTrace.whole["expm"] = partial(_of_blocks, "expm")
JetTrace.whole["logm"] = partial(_of_blocks, "logm")
