"""Gradients: `value_and_grad : (a -> R) -> a -> (R, T* a)`, `grad`, and Hessian-vector products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..core.aval import SCALAR_AVALS, ShapedArray, aval_of
from ..core.errors import DtypeError, NonScalarOutputError
from ..core.source import boundary, describe_function
from ..core.tree import flatten, is_static_leaf
from .api import plain_output
from .arguments import Choice
from .jvp import jvp
from .linearize import record
from .modes.choosing import Derivative, derivative, marked
from .modes.problem import Problem
from .modes.table import Engine, engine_of
from .staged import StagedFunction

__all__ = ["check_complex_inputs", "grad", "hvp", "value_and_grad"]

_OWN_MODES = ("reverse", "auto")


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    mode: str = "reverse",
) -> Callable[..., Any]:
    """Make a function that returns the value of `fun` and its gradient.

    Args:
        fun: a function with one real scalar result, of trees of arrays. Leaves that are not of
            floats or complex numbers (integers, text, functions ...) reach it as they are.
        argnums: positions of the arguments to differentiate: an int, or several. The first, if
            neither `argnums` nor `argnames` is given.
        has_aux: `fun` returns a pair `(value, aux)`; `aux` is passed through.
        holomorphic: `fun` is holomorphic, from complex numbers to a complex number.
        argnames: names of arguments to differentiate, passed by keyword or by position: one name,
            or several.
        mode: how the gradient is found: "reverse" ("auto" is the same), or another mode of
            `jacobian`.

    Returns:
        A function of the same arguments. It returns `(value, gradient)`, or `((value, aux),
        gradient)`. The gradient has the argument's tree, shapes and dtypes, and None for leaves
        without a derivative; it is a tuple where `argnums` or `argnames` is one, and a pair where
        both are given. For complex arguments of a real function it is df/dx - i df/dy, as in JAX:
        step along its conjugate to descend.

    Raises:
        NonScalarOutputError: if the result is not one scalar.
        DtypeError: for an argument without float or complex numbers, and complex results without
            `holomorphic`.
        ModeError: for an unknown mode.

    Example:
        >>> import numpy as np, wengert as wg
        >>> value, gradient = wg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
        >>> float(value), gradient
        (5.0, array([2., 4.]))
    """
    both = _gradient_function("value_and_grad", fun, argnums, argnames, has_aux, holomorphic, mode)
    return marked(boundary(both), derivative(both))


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    mode: str = "reverse",
) -> Callable[..., Any]:
    """Make a function that returns the gradient of `fun` (reverse mode).

    Args:
        fun: as for `value_and_grad`.
        argnums: positions of the arguments to differentiate, as for `value_and_grad`.
        has_aux: `fun` returns a pair `(value, aux)`.
        holomorphic: `fun` is holomorphic, from complex numbers to a complex number.
        argnames: names of the arguments to differentiate, as for `value_and_grad`.
        mode: as for `value_and_grad`.

    Returns:
        A function of the same arguments that returns the gradient, or `(gradient, aux)`.

    Raises:
        NonScalarOutputError: if the result is not one scalar.
        DtypeError: for an argument without float or complex numbers, and complex results without
            `holomorphic`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.grad(np.sin)(0.0)
        np.float64(1.0)
        >>> wg.grad(wg.grad(lambda x: x**3))(2.0)
        np.float64(12.0)
        >>> wg.grad(lambda x, *, scale: scale * x**2, argnames="scale")(3.0, scale=0.5)
        np.float64(9.0)
    """
    both = _gradient_function("grad", fun, argnums, argnames, has_aux, holomorphic, mode)

    @boundary
    @wraps(fun, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return marked(gradient, derivative(both))


def _gradient_function(
    label: str,
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    holomorphic: bool,
    mode: str,
) -> Callable[..., Any]:
    name = describe_function(fun)
    operation = f"{label} of {name}"
    engine = engine_of(operation, mode, _OWN_MODES)
    choice = Choice(operation, fun, argnums, argnames)
    about = Derivative(label, fun, choice, has_aux, mode)
    if engine is not None:
        return marked(_by_engine(operation, engine, choice, has_aux, holomorphic), about)
    if isinstance(fun, StagedFunction):
        # Its gradient is staged as a whole, and kept with it.
        staged = fun.transformed(
            (label, repr(argnums), repr(argnames), has_aux, holomorphic),
            lambda f: _gradient_function(label, f, argnums, argnames, has_aux, holomorphic, mode),
        )
        return marked(_with_numpys_value(staged, has_aux), about)

    @wraps(fun, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        selected, chosen, places = choice.select(args, kwargs)
        check_complex_inputs(operation, chosen, holomorphic)
        value, linear, aux = record(
            label, name, selected, chosen, has_aux, at_once=True, labels=places, each=True
        )
        out = _scalar_type(operation, linear.out_avals, value, holomorphic)
        found = linear.pull_back([out.dtype.type(1)], once=True)
        g = choice.pack(found)
        return ((value, aux), g) if has_aux else (value, g)

    return marked(value_and_gradient, about)


def _by_engine(
    operation: str, engine: Engine, choice: Choice, has_aux: bool, holomorphic: bool
) -> Callable[..., Any]:
    """Value and gradient in another mode: the Jacobian of a scalar."""

    @wraps(choice.fun, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        selected, chosen, places = choice.select(args, kwargs)
        check_complex_inputs(operation, chosen, holomorphic)
        problem = Problem(
            operation, selected, chosen, has_aux=has_aux, labels=places, pack=choice.pack,
            traced=engine.traced,
        )  # fmt: skip
        value = problem.value
        avals = [aval_of(y) for y in problem.outs if not is_static_leaf(y)]
        _scalar_type(operation, avals, value, holomorphic)
        g = problem.assemble(engine.rows(problem, holomorphic))
        return ((value, problem.aux) if has_aux else value), g

    return value_and_gradient


def _with_numpys_value(fun: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    """The function with NumPy's scalar as the value, where it is a Python number."""

    @wraps(fun, updated=())
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = fun(*args, **kwargs)
        if has_aux:
            return (plain_output(value[0]), value[1]), g
        return plain_output(value), g

    return value_and_gradient


def _scalar_type(
    operation: str, avals: Sequence[ShapedArray], value: Any, holomorphic: bool
) -> ShapedArray:
    """The type of the one scalar result; an error for any other."""
    if len(avals) != 1 or (type(value) not in SCALAR_AVALS and flatten(value)[1].kind is not None):
        raise NonScalarOutputError(
            f"{operation}: the function must return one scalar, but returned a "
            f"{type(value).__name__}.",
            got=f"{type(value).__name__} of " + (", ".join([repr(a) for a in avals]) or "nothing"),
            needed="one number",
            fix="return the number alone; has_aux=True returns more beside it"
            if avals
            else "return the value (is a `return` missing?)",
        )
    aval = avals[0]
    if aval.shape:
        raise NonScalarOutputError(
            f"{operation}: the function must return one scalar, but returned an array.",
            got=repr(aval),
            needed=repr(ShapedArray((), aval.dtype)),
            fix="reduce it (np.sum, np.mean), index it if it has one element, or use "
            "wengert.jacobian",
        )
    if holomorphic and aval.dtype.kind != "c":
        raise DtypeError(
            f"{operation}: with holomorphic=True the result must be complex.",
            got=repr(aval),
            fix="leave holomorphic out",
        )
    if not holomorphic and aval.dtype.kind == "c":
        raise DtypeError(
            f"{operation}: the result is complex, and gradients are of real functions.",
            got=repr(aval),
            needed="a real result, such as np.abs(y) ** 2 or y.real",
            fix="holomorphic=True if the function is holomorphic; wengert.jvp or wengert.vjp "
            "otherwise",
        )
    if aval.dtype.kind != "f" and not holomorphic:
        raise DtypeError(
            f"{operation}: the result has no derivative, because it is not of a float dtype.",
            got=repr(aval),
            needed="a float scalar",
            fix="leave out what casts to integers or compares",
        )
    return aval


def check_complex_inputs(operation: str, args: Sequence[Any], holomorphic: bool) -> None:
    """With `holomorphic`, raise DtypeError unless all leaves with a derivative are complex."""
    if not holomorphic:
        return
    for leaf in flatten(tuple(args))[0]:
        if not is_static_leaf(leaf) and np.result_type(leaf).kind == "f":
            raise DtypeError(
                f"{operation}: with holomorphic=True the arguments must be complex.",
                got=repr(aval_of(leaf)),
                fix="pass complex numbers, x + 0j; or leave holomorphic out",
            )


@boundary
def hvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
) -> Any:
    """Multiply the Hessian of `fun` by a vector, without forming it: forward mode over reverse
    mode.

    Args:
        fun: a function with one real scalar result.
        primals: tuple of the arguments.
        tangents: tuple of the directions, as for `jvp`.
        argnums: the arguments with respect to which the gradient is taken, as for `grad`.
        has_aux: `fun` returns a pair `(value, aux)`.
        argnames: names of such arguments, as for `grad`.

    Returns:
        The derivative of `grad(fun, argnums)` in the direction `tangents`: the tree of the
        argument. With `has_aux`, `(product, aux)`.

    Raises:
        NonScalarOutputError: if the result is not one scalar.
        TreeError, ShapeError, DtypeError: if the tangents do not fit the primals.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
        array([6., 0.])

    Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).
    """
    found = jvp(grad(fun, argnums, has_aux, argnames=argnames), primals, tangents, has_aux)
    return found[1:] if has_aux else found[1]
