"""The derivative of a function at a point, as a linear map: `derivative_map : (a -> b) -> a -> (T a
-o T b)`; and a function that is linear itself, as the same: `linear_map`.

The function runs once and its linear part is recorded (`linearize.py`); the map runs it forward,
and its transpose backward. The chain rule is composition: `D(g o f)(x) = D g(f(x)) @ D f(x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.errors import NonLinearError
from ...core.ir import Program, evaluate
from ...core.source import boundary, describe_function
from ...core.tracing import Tracer
from ..api import without
from ..arguments import Choice
from ..linearize import LinearFunction, own_copy, record
from .check_linear import function_of_space, report_of
from .linear_map import LinearMap
from .operators import Recorded
from .spaces import Space

__all__ = ["derivative_map", "linear_map", "value_and_derivative_map"]


@boundary
def derivative_map(
    fun: Callable[..., Any],
    *primals: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    **kwargs: Any,
) -> Any:
    """The derivative of a function at a point, as a linear map from tangents to tangents.

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the point. Leaves that are not of floats or complex numbers reach `fun` as they
            are; tangents have None there.
        argnums: positions of the arguments to differentiate by: an int, or several; all of them, if
            neither `argnums` nor `argnames` is given.
        argnames: names of such arguments, passed by keyword or by position.
        has_aux: `fun` returns a pair, whose second item is passed through.
        kwargs: further arguments of `fun`.

    Returns:
        A `LinearMap`, or `(map, aux)`. With one argument its vectors are trees like that argument,
        with several they are tuples of such trees, and it may be called with one for each.

    Raises:
        DtypeError: if no argument is of floats or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> D = wg.derivative_map(lambda x: np.stack([x[0] * x[1], x[1]]), np.array([2.0, 3.0]))
        >>> D(np.array([1.0, 0.0])), D.T(np.array([1.0, 0.0])), D.shape
        (array([3., 0.]), array([3., 2.]), (2, 2))
        >>> wg.derivative_map(lambda x, y: x * y, 2.0, 3.0)(1.0, 0.0)
        np.float64(3.0)
    """
    _, found, aux = _derivative("derivative_map", fun, primals, argnums, argnames, has_aux, kwargs)
    return (found, aux) if has_aux else found


@boundary
def value_and_derivative_map(
    fun: Callable[..., Any],
    *primals: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    **kwargs: Any,
) -> Any:
    """The value of a function at a point, and its derivative as a linear map, from one evaluation.

    Args:
        fun: takes trees of arrays, returns a tree of arrays.
        primals: the point.
        argnums: positions of the arguments to differentiate by, as for `derivative_map`.
        argnames: names of such arguments.
        has_aux: `fun` returns a pair `(y, aux)`.
        kwargs: further arguments of `fun`.

    Returns:
        `(y, map)`, or `((y, aux), map)`.

    Raises:
        DtypeError: if no argument is of floats or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, D = wg.value_and_derivative_map(np.square, 3.0)
        >>> float(y), D
        (9.0, <LinearMap D square: f64[] -o f64[]>)
    """
    y, found, aux = _derivative(
        "value_and_derivative_map", fun, primals, argnums, argnames, has_aux, kwargs
    )
    return ((y, aux) if has_aux else y), found


def _derivative(
    label: str,
    fun: Callable[..., Any],
    primals: tuple[Any, ...],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    kwargs: dict[str, Any],
) -> tuple[Any, LinearMap, Any]:
    name = describe_function(fun)
    if argnums is None and argnames is None:
        argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    choice = Choice(f"{label} of {name}", fun, argnums, argnames)
    selected, chosen, places = choice.select(primals, kwargs)
    y, linear, aux = record(label, name, selected, chosen, has_aux, labels=places)
    tangents = tree.unflatten(linear.in_tree, linear.in_avals)
    domain = Space(tree.structure(choice.pack(tangents)), linear.in_avals)
    return tree.map(own_copy, y), LinearMap(_recorded(f"D {name}", linear, domain)), aux


def _recorded(name: str, linear: LinearFunction, domain: Space) -> Recorded:
    """The recorded map of those leaves of the result that have a derivative."""
    kept = [i for i, aval in enumerate(linear.out_avals) if aval.dtype.kind in "fc"]
    codomain = Space(without(linear.out_tree, kept), [linear.out_avals[i] for i in kept])
    outputs = [linear.outputs[i] for i in kept]
    return Recorded(name, domain, codomain, tape=linear.tape, outputs=outputs)


@boundary
def linear_map(
    fun: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    **kwargs: Any,
) -> LinearMap:
    """A linear function as a linear map: with a transpose, a matrix, a norm ...

    Args:
        fun: a linear function of trees of arrays. Linear over the real numbers is enough.
        args: arrays, or anything with `shape` and `dtype`, that give the types of the arguments.
        argnums: positions of the arguments in which it is linear, all together, while the others
            are fixed; all of them, if neither `argnums` nor `argnames` is given.
        argnames: names of such arguments.
        kwargs: further arguments of `fun`.

    Returns:
        A `LinearMap`.

    Raises:
        NonLinearError: if `fun` is not linear; the message is that of `check_linear`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> smooth = wg.linear_map(lambda x: x[1:] + x[:-1], np.zeros(3))
        >>> smooth.T(np.array([1.0, 10.0])), smooth.matrix()
        (array([ 1., 11., 10.]), array([[1., 1., 0.],
               [0., 1., 1.]]))
    """
    name = describe_function(fun)
    operation = f"linear_map of {name}"
    flat, domain = function_of_space(operation, fun, args, kwargs, argnums, argnames)
    report = report_of(name, flat, domain, "real")
    if not report:
        raise NonLinearError(
            f"{operation}: the function is {report.kind}: {report.why}.",
            got=report.equation or None,
            fix="use derivative_map, which takes the linear part of any function at a point",
            source=report.source,
        )
    # The derivative of a linear function, at any point, is the function.
    _, linear, _ = record("linear_map", name, flat, domain.zeros())
    found = _recorded(name, linear, domain)
    assert report.program is not None
    _check_rules(operation, report.program, found)
    return LinearMap(found)


def _check_rules(operation: str, program: Program, found: Recorded) -> None:
    """An error if the derivative of the function is not the function, by a rule of the user's."""
    v = found.domain.unflat(np.random.default_rng(0).normal(size=found.domain.size))
    given, mine = evaluate(program, *v), found.push(v)
    if any([isinstance(y, Tracer) for y in (*given, *mine)]):
        return
    for y, due, aval in zip(mine, given, found.codomain.avals, strict=True):
        allowed = float(np.finfo(aval.dtype).eps) ** 0.5 * np.max(np.abs(due), initial=0.0)
        if np.any(np.abs(y - due) > allowed):
            raise NonLinearError(
                f"{operation}: the derivative of the function is another map than the function.",
                got=f"{y!r} for a random vector",
                needed=f"{due!r}",
                fix="look at its rules (custom_jvp, custom_vjp): they must give the function's own "
                "derivative",
            )
