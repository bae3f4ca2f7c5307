"""Gauss-Newton products: `gnvp : (a -> b), a, T a -> T* a`, the Hessian of a loss of a model's
result, without the second derivatives of the model. One run of the model, forward and back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, aval_of
from ...core.source import boundary, describe_function
from ..arguments import Choice
from ..grad import grad
from ..jvp import jvp
from ..linearize import record

__all__ = ["gnvp"]


@boundary
def gnvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    loss: Callable[[Any], Any] | None = None,
    argnames: str | Sequence[str] | None = None,
) -> Any:
    """Multiply the Gauss-Newton matrix of a model by a vector, without forming it: J^T H J v, where
    J is the Jacobian of `fun` and H the Hessian of the loss of its result.

    Where `loss` is convex the matrix is positive semidefinite, which the Hessian of `loss(fun(x))`
    may not be; they are the same where `fun` is linear, and near where the loss has no gradient.

    Args:
        fun: the model, or the residuals: takes trees of arrays, returns a tree of arrays.
        primals: tuple of the arguments.
        tangents: tuple of the directions, as for `jvp`.
        argnums: the arguments whose part of the product is returned, as for `hvp`: the first, if
            neither `argnums` nor `argnames` is given.
        has_aux: `fun` returns a pair `(y, aux)`.
        loss: a function of the result of `fun` with a real scalar value, mostly convex. When left
            out, half of the sum of the squares, for which H is the identity.
        argnames: names of such arguments.

    Returns:
        A tree like the argument; with `has_aux`, `(product, aux)`.

    Raises:
        NonScalarOutputError: if `loss` does not return one scalar.
        TreeError, ShapeError, DtypeError: if the tangents do not fit the primals.

    Example:
        >>> import numpy as np, wengert as wg
        >>> residual = lambda x: np.stack([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])
        >>> wg.gnvp(residual, (np.array([1.0, 1.0]),), (np.array([1.0, 0.0]),))
        array([ 401., -200.])

    Source: Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent"
    (2002).
    """
    name = describe_function(fun)
    choice = Choice(f"gnvp of {name}", fun, argnums, argnames)
    places = choice.select(primals, {})[2]
    # A loss is the user's code, which might write to arrays that the linear part needs.
    y, linear, aux = record("gnvp", name, fun, primals, has_aux, at_once=loss is None)
    y_dot = linear(*tangents)
    curved = tree.map(_conjugate, y_dot) if loss is None else jvp(grad(loss), (y,), (y_dot,))[1]
    found = linear.transpose(curved)
    product = choice.pack([found[i] for i in places if isinstance(i, int)])
    return (product, aux) if has_aux else product


def _conjugate(t: Array) -> Array:
    return np.conj(t) if aval_of(t).dtype.kind == "c" else t
