"""Linear functions whose transpose the user gives: `linear_call`, `custom_transpose`.

`linear_call : (r -> a -o b), (r -> T* b -o T* a) -> r, a -> b`. The derivative by the linear
arguments is the function itself, and reverse mode calls the given transpose; the derivative by the
residuals is the ordinary one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from ...core import tree
from ...core.aval import Array, aval_of
from ...core.errors import MissingRuleError, RuleDefinitionError
from ...core.rules import sample
from ...core.source import boundary, describe_function
from ...core.tree import TreeDef
from ..api import flatten_arguments, flatten_result
from ..jvp import zeros_of
from .custom_apply import apply
from .custom_call import Leaves, Tangents, TreeCall, is_active
from .custom_checks import checked_cotangents

__all__ = ["custom_transpose", "linear_call"]


@boundary
def linear_call(
    fun: Callable[..., Any],
    fun_transpose: Callable[..., Any],
    residual_args: Any,
    linear_args: Any,
) -> Any:
    """Call a function that is linear in its second argument, with a transpose of your own.

    Args:
        fun: `fun(residual_args, linear_args)`, linear in `linear_args`.
        fun_transpose: `fun_transpose(residual_args, ct)` takes a cotangent of the result, and
            returns one of `linear_args`: the same tree, shapes and dtypes, with None for zeros.
        residual_args: a tree of arrays. It may be differentiated too, through `fun` itself.
        linear_args: a tree of arrays.

    Returns:
        The result of `fun`.

    Raises:
        TreeError, ShapeError, DtypeError: if `fun_transpose` returns what does not fit.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def scaled(x, y):
        ...     return wg.linear_call(lambda r, x: x / r, lambda r, ct: ct / r, y, x)
        >>> wg.grad(scaled, argnums=(0, 1))(3.0, 2.0)
        (np.float64(0.5), np.float64(-0.75))
        >>> wg.linear_transpose(lambda x: scaled(x, 2.0), 1.0)(1.0)
        (np.float64(0.5),)
    """
    name = f"linear_call of {describe_function(fun)}"
    residuals, _ = flatten_arguments(name, (residual_args,))
    leaves, in_tree = flatten_arguments(name, (residual_args, linear_args))
    call = _LinearCall(name, in_tree, leaves, len(residuals), fun, fun_transpose)
    outs, out_tree = apply(call, call.arrays(leaves))
    return tree.unflatten(out_tree, outs)


class custom_transpose:  # noqa: N801  # used as a function
    """Make a linear function with a transpose of your own, given by the method `def_transpose`.

    Args:
        fun: `fun(residuals, x)`, linear in `x`.

    Returns:
        The function of the same two arguments.

    Raises:
        MissingRuleError: when it is called without a transpose.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_transpose
        ... def divided(r, x):
        ...     return x / r
        >>> @divided.def_transpose
        ... def divided_transpose(r, ct):
        ...     return ct / r
        >>> wg.grad(lambda x: divided(2.0, x))(3.0)
        np.float64(0.5)
    """

    def __init__(self, fun: Callable[..., Any]) -> None:
        update_wrapper(self, fun, updated=())
        self.fun = fun
        self.rule: Callable[..., Any] | None = None

    def def_transpose(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Give the transpose.

        Args:
            rule: `rule(residuals, ct)`, see `linear_call`.

        Returns:
            The rule, so that this works as a decorator.

        Raises:
            RuleDefinitionError: if there is one already.

        Example:
            >>> import wengert as wg
            >>> f = wg.custom_transpose(lambda r, x: r * x)
            >>> _ = f.def_transpose(lambda r, ct: r * ct)
            >>> float(f(2.0, 3.0))
            6.0
        """
        if self.rule is not None:
            raise RuleDefinitionError(f"{describe_function(self.fun)} has a transpose already.")
        self.rule = rule
        return rule

    @boundary
    def __call__(self, residuals: Any, x: Any) -> Any:
        if self.rule is None:
            name = describe_function(self.fun)
            raise MissingRuleError(
                f"{name}: no transpose was given for this custom_transpose function.",
                fix=f"@{name}.def_transpose\ndef {name}_transpose(residuals, ct): return ...",
            )
        return linear_call(self.fun, self.rule, residuals, x)


class _LinearCall(TreeCall):
    """One call of a linear function: the residuals are its ordinary operands."""

    is_linear = True
    has_jvp = True

    def __init__(
        self,
        name: str,
        in_tree: TreeDef,
        leaves: Sequence[Any],
        n_residuals: int,
        fun: Callable[..., Any],
        rule: Callable[..., Any],
    ) -> None:
        super().__init__(name, in_tree, leaves)
        self.fun = fun
        self.rule = rule
        k = n_residuals
        self.ordinary = k - len([i for i, _ in self.static if i < k])
        self.skipped = [i - k for i, _ in self.static if i >= k]
        self.avals = [aval_of(x) for x in self.arrays(leaves)[self.ordinary :]]
        self.out_tree: TreeDef | None = None
        self.active: list[bool] = []

    def __repr__(self) -> str:
        return f"{describe_function(self.fun)}(transpose={describe_function(self.rule)})"

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        outs, treedef = flatten_result(self.name, self.fun(*self.arguments(args)))
        self.active = [is_active(y) for y in outs]
        self.out_tree = treedef
        return outs, treedef

    def jvp(
        self, primals: Sequence[Array], tangents: Tangents
    ) -> tuple[Leaves, list[Array | None], TreeDef]:
        k = self.ordinary
        outs, treedef = apply(self, primals)
        xs = [
            zeros_of(x) if t is None else t for x, t in zip(primals[k:], tangents[k:], strict=True)
        ]
        dots, _ = apply(self, [*primals[:k], *xs])
        return outs, [t if is_active(t) else None for t in dots], treedef

    def transpose(self, ordinary: Sequence[Array], cts: Tangents) -> list[Array | None]:
        assert self.out_tree is not None  # it has run
        given = iter(cts)
        ct = tree.unflatten(self.out_tree, [next(given) if a else None for a in self.active])
        values = [*ordinary, *[sample(v) for v in self.avals]]
        residuals, xs = self.arguments(values)
        operation = f"the transpose {describe_function(self.rule)} of {self.name}"
        found = self.rule(residuals, ct)
        lin = tree.structure((xs,))
        return checked_cotangents(operation, (found,), lin, self.avals, self.skipped)


tree.register(custom_transpose, lambda f: ((), f), lambda f, _: f)
