"""Second derivatives: `hessian : (a -> R) -> a -> (T a -o T* a)` as a matrix, forward mode over
reverse mode, or in another mode.

Read next: `modes/table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..core import tree
from ..core.aval import aval_of
from ..core.source import boundary, describe_function
from ..core.tree import is_static_leaf
from .arguments import Choice
from .jacobian import OWN_MODES, jacobian_function, value_and_jacobian_function
from .modes.choosing import Derivative, marked
from .modes.problem import Problem
from .modes.table import engine_of

__all__ = ["hessian", "value_and_hessian"]


def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
    mode: str = "auto",
) -> Callable[..., Any]:
    """Make a function that returns the second derivatives of `fun`: by forward mode over reverse
    mode, or in another mode.

    Args:
        fun: a function of trees of arrays, mostly with a scalar result.
        argnums: positions of the arguments to differentiate, as for `jacfwd`.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of the arguments to differentiate, as for `jacfwd`.
        chunk_size: compute at most so many columns at once, which takes less memory.
        mode: how the derivatives of the gradient are found: "forward" ("auto" is the same),
            "reverse", "finite" or "complex-step"; "symbolic", "taylor" and "sparse" find second
            derivatives by themselves, as for `jacobian`.

    Returns:
        A function of the same arguments that returns, for a scalar function of an array of shape s,
        an array of shape s + s; for trees, a tree of trees of such arrays. With `has_aux`,
        `(hessian, aux)`.

    Raises:
        DtypeError: for an argument without float or complex numbers.
        ModeError: for an unknown mode, or one that cannot compute this.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        array([[4., 2.],
               [2., 0.]])
    """
    operation = f"hessian of {describe_function(fun)}"
    engine = engine_of(operation, mode, OWN_MODES)
    if engine is not None and engine.hessian_of is not None:
        whole = engine.hessian_of(fun, argnums, has_aux, argnames=argnames, chunk_size=chunk_size)
        choice = Choice(operation, fun, argnums, argnames)
        return marked(whole, Derivative("hessian", fun, choice, has_aux, mode, chunk_size))
    if engine is not None and engine.hessian is not None:
        return _by_engine(operation, mode, engine.hessian, fun, argnums, argnames, has_aux)
    inner = jacobian_function(
        "hessian", "reverse", fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )
    if engine is not None and engine.complex_gradient:
        inner = _of_complex_too(fun, inner, argnums, argnames, has_aux, chunk_size)
    outer = "forward" if mode == "auto" else mode
    found = jacobian_function(
        "hessian", outer, inner, argnums, argnames, has_aux, holomorphic, chunk_size
    )
    choice = Choice(operation, fun, argnums, argnames)
    return marked(found, Derivative("hessian", fun, choice, has_aux, mode, chunk_size))


def _by_engine(
    operation: str,
    mode: str,
    second: Callable[[Problem], Any],
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
) -> Callable[..., Any]:
    """A function that returns what an engine finds."""
    choice = Choice(operation, fun, argnums, argnames)

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        selected, chosen, places = choice.select(args, kwargs)
        problem = Problem(
            operation, selected, chosen, has_aux=has_aux, labels=places, pack=choice.pack,
            traced=mode == "taylor",
        )  # fmt: skip
        found = second(problem)
        return (found, problem.aux) if has_aux else found

    return marked(function, Derivative("hessian", fun, choice, has_aux, mode))


def _of_complex_too(
    fun: Callable[..., Any],
    real: Callable[..., Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
    has_aux: bool,
    chunk_size: int | None,
) -> Callable[..., Any]:
    """The gradient, and its continuation to complex arguments."""
    analytic = jacobian_function(
        "hessian", "reverse", fun, argnums, argnames, has_aux, True, chunk_size
    )

    @wraps(fun, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        leaves = [x for x in tree.leaves((args, kwargs)) if not is_static_leaf(x)]
        is_complex = any([aval_of(x).dtype.kind == "c" for x in leaves])
        return (analytic if is_complex else real)(*args, **kwargs)

    return gradient


@boundary
def value_and_hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Make a function that returns the value of `fun` and its second derivatives, from one
    evaluation.

    The gradient and the second derivatives together are `value_and_jacobian(grad(fun))`.

    Args:
        fun: a function of trees of arrays, mostly with a scalar result.
        argnums: positions of the arguments to differentiate, as for `jacfwd`.
        has_aux: `fun` returns a pair `(y, aux)`.
        holomorphic: `fun` is holomorphic.
        argnames: names of the arguments to differentiate, as for `jacfwd`.
        chunk_size: compute at most so many columns at once, which takes less memory.

    Returns:
        A function of the same arguments that returns `(y, hessian)`, or `((y, aux), hessian)`; the
        second derivatives are those of `hessian`.

    Raises:
        DtypeError: for an argument without float or complex numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> y, hessian = wg.value_and_hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        >>> float(y), hessian
        (2.0, array([[4., 2.],
               [2., 0.]]))
    """
    label = "value_and_hessian"
    first = value_and_jacobian_function(
        label, "reverse", fun, argnums, argnames, has_aux, holomorphic, chunk_size
    )

    @wraps(fun, updated=())
    def inner(*args: Any, **kwargs: Any) -> Any:
        value, jac = first(*args, **kwargs)
        return jac, value

    second = jacobian_function(
        label, "forward", inner, argnums, argnames, True, holomorphic, chunk_size
    )

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        found, value = second(*args, **kwargs)
        return value, found

    return function
