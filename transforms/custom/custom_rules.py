"""Functions with derivative rules of the user's: `custom_jvp`, `custom_vjp`, `custom_vmap`.

`custom_jvp : (a -> b), ((a, T a) -> (b, T b)) -> (a -> b)`, and so on: the result is the function,
and each transformation uses the rule that concerns it. One function may have all of them. The rules
see the trees that the user passes: `custom_function.py` takes them apart for `custom_apply.py`,
which says when which rule runs. What rules return is checked in `custom_checks.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from ...core import tree
from ...core.errors import (
    RuleDefinitionError,
    UnsupportedError,
)
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import Tracer
from ...core.tree import TreeDef
from ..api import flatten_arguments
from ..arguments import parameters_of
from .custom_apply import apply
from .custom_function import FunctionCall, OneByOne

__all__ = ["CustomFunction", "custom_jvp", "custom_vjp", "custom_vmap"]

Function = Callable[..., Any]


class CustomFunction:
    """A function with rules of the user's; what `custom_jvp` and its kin make."""

    kind = "custom function"

    def __init__(
        self,
        fun: Function,
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        if not callable(fun):
            raise RuleDefinitionError(
                f"{self.kind}: the first argument must be a function.",
                got=repr(fun),
                fix=f"as a decorator with arguments: @partial(wengert.{self.kind}, "
                "nondiff_argnums=(0,))",
            )
        update_wrapper(self, fun, updated=())
        self.fun = fun
        self.name = describe_function(fun)
        self.parameters = parameters_of(fun)
        self.nondiff = self._positions(nondiff_argnums, nondiff_argnames)
        self.labels: dict[str, str] = {}
        self.jvp_rule: Function | None = None
        self.jvp_zeros = False
        self.fwd_rule: Function | None = None
        self.bwd_rule: Function | None = None
        self.bwd_zeros = False
        self.vmap_rule: Function | None = None
        fixed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        only_positions = all([p.kind in fixed for p in self.parameters])
        self.arity = len(self.parameters) if only_positions and self.parameters else -1

    def __repr__(self) -> str:
        rules = [("jvp", self.jvp_rule), ("fwd", self.fwd_rule), ("bwd", self.bwd_rule)]
        rules.append(("vmap", self.vmap_rule))
        given = ", ".join([f"{k}={describe_function(r)}" for k, r in rules if r is not None])
        return f"{self.name}({given})"

    def __reduce__(self) -> str:
        return self.__qualname__  # type: ignore[attr-defined, no-any-return]  # by name, as functions are pickled

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _positions(
        self, argnums: int | Sequence[int], argnames: str | Sequence[str]
    ) -> tuple[int, ...]:
        """Where the arguments without derivative stand."""
        numbers = [argnums] if isinstance(argnums, int) else list(argnums)
        names = [argnames] if isinstance(argnames, str) else list(argnames)
        known = [p.name for p in self.parameters]
        for name in names:
            if name not in known:
                raise RuleDefinitionError(
                    f"{self.kind} of {self.name}: nondiff_argnames names no argument: {name!r}.",
                    got=f"the arguments {known}",
                )
            numbers.append(known.index(name))
        n = len(known)
        found = [i + n if i < 0 else i for i in numbers]
        open_ended = not known or any([p.kind is p.VAR_POSITIONAL for p in self.parameters])
        if any([i < 0 or (i >= n and not open_ended) for i in found]):
            raise RuleDefinitionError(
                f"{self.kind} of {self.name}: nondiff_argnums={tuple(numbers)} is out of range.",
                got=f"the arguments {known}",
            )
        return tuple(sorted(set(found)))

    # Definitions.

    def defjvp(self, jvp: Function, symbolic_zeros: bool = False) -> Function:
        """Give the rule for forward mode.

        Args:
            jvp: `jvp(primals, tangents) -> (y, y_dot)`, with tuples of the arguments and of their
                tangents, linear in the tangents. Arguments without derivative come first, one by
                one. `y_dot` has the tree, shapes and dtypes of `y`, with None for zeros.
            symbolic_zeros: tangents that are zero come as None, instead of arrays of zeros.

        Returns:
            The rule, so that this works as a decorator.

        Raises:
            RuleDefinitionError: if there is a rule already.

        Example:
            >>> import numpy as np, wengert as wg
            >>> @wg.custom_jvp
            ... def f(x):
            ...     return np.sin(x)
            >>> @f.defjvp
            ... def f_jvp(primals, tangents):
            ...     return f(*primals), 10.0 * tangents[0]
            >>> wg.grad(f)(0.0)
            np.float64(10.0)
        """
        self._define("jvp", self.jvp_rule, jvp)
        self.jvp_rule = jvp
        self.jvp_zeros = symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Function | None) -> None:
        """Give one rule for each argument, for forward mode.

        Args:
            jvps: for each argument a function `jvp(t, y, *primals) -> y_dot` of its tangent, the
                result and all arguments; or None, where the derivative is zero.

        Raises:
            RuleDefinitionError: if there is a rule already, if the function has another number of
                arguments, or some without derivative.

        Example:
            >>> import numpy as np, wengert as wg
            >>> @wg.custom_jvp
            ... def f(x, y):
            ...     return np.sin(x) * y
            >>> f.defjvps(lambda t, z, x, y: np.cos(x) * y * t, lambda t, z, x, y: np.sin(x) * t)
            >>> wg.grad(f, argnums=(0, 1))(0.0, 2.0)
            (np.float64(2.0), np.float64(0.0))
        """
        if self.nondiff:
            raise RuleDefinitionError(
                f"{self.name}.defjvps: the function has arguments without derivative.",
                got=f"nondiff_argnums={self.nondiff}",
                fix="use defjvp, whose rule gets them first",
            )
        if self.arity not in (-1, len(jvps)):
            raise RuleDefinitionError(
                f"{self.name}.defjvps: as many rules are due as there are arguments.",
                got=f"{len(jvps)} rules, {self.arity} arguments",
                fix="give None for an argument whose derivative is zero",
            )
        for rule in jvps:
            if rule is not None:
                self._define("jvp", self.jvp_rule, rule)
        together = OneByOne(self, jvps)
        self._define("jvp", self.jvp_rule, together)
        self.jvp_rule = together
        self.jvp_zeros = True

    def defvjp(self, fwd: Function, bwd: Function, symbolic_zeros: bool = False) -> None:
        """Give the rule for reverse mode.

        Args:
            fwd: takes the arguments of the function, returns `(y, residuals)`; the residuals are
                any tree.
            bwd: `bwd(residuals, ct) -> cotangents`: takes the cotangent of `y`, returns a tuple
                with one cotangent for each argument, with its tree, shapes and dtypes; None for
                zeros. Arguments without derivative come first, one by one.
            symbolic_zeros: `ct` has None for results that nothing used, instead of zeros.

        Raises:
            RuleDefinitionError: if there is a rule already.

        Example:
            >>> import numpy as np, wengert as wg
            >>> @wg.custom_vjp
            ... def limited(x):
            ...     return x
            >>> limited.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
            >>> wg.grad(lambda x: 5.0 * limited(x))(3.0)
            np.float64(1.0)
        """
        self._define("fwd", self.fwd_rule, fwd)
        self._define("bwd", self.bwd_rule, bwd)
        self.fwd_rule, self.bwd_rule = fwd, bwd
        self.bwd_zeros = symbolic_zeros

    def def_vmap(self, rule: Function) -> Function:
        """Give the rule for batches.

        Args:
            rule: `rule(axis_size, in_batched, *args) -> (y, out_batched)`. `in_batched` is a list
                with, for each argument, a tree of bools: True for leaves with a batch axis, which
                is axis 0. `out_batched` is such a tree for `y`, or a prefix of one.

        Returns:
            The rule, so that this works as a decorator.

        Raises:
            RuleDefinitionError: if there is a rule already.

        Example:
            >>> import numpy as np, wengert as wg
            >>> @wg.custom_vmap
            ... def f(x):
            ...     return np.sin(x)
            >>> @f.def_vmap
            ... def f_vmap(axis_size, in_batched, x):
            ...     return 10.0 * x, True
            >>> wg.vmap(f)(np.ones(2))
            array([10., 10.])
        """
        self._define("vmap", self.vmap_rule, rule)
        self.vmap_rule = rule
        return rule

    def _define(self, kind: str, known: Function | None, rule: Function) -> None:
        if not callable(rule):
            raise RuleDefinitionError(
                f"{self.name}: the {kind} rule must be a function.", got=repr(rule)
            )
        if known is not None:
            raise RuleDefinitionError(
                f"{self.name} has a {kind} rule already.",
                got=describe_function(rule),
                needed=f"one definition: {describe_function(known)}",
            )
        self.labels[kind] = f"the {kind} rule {describe_function(rule)} of {self.name}"

    # Calls.

    @boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self.arity:
            args = self._bound(args, kwargs)
        nondiff = self.nondiff
        given = [a for i, a in enumerate(args) if i not in nondiff] if nondiff else args
        plain = True
        leaves: list[Any] = []
        for x in given:
            if isinstance(x, Tracer):
                x = current(x)
                if isinstance(x, Tracer):
                    plain = False
            elif type(x) is not float and (type(x) is not np.ndarray or x.dtype.kind not in "fc"):
                leaves, in_tree = flatten_arguments(self.name, tuple(given))
                plain = not any([isinstance(v, Tracer) for v in leaves])
                break
            leaves.append(x)
        else:
            in_tree = _flat(len(leaves))
        if plain:
            return self.fun(*args)
        fixed = [(i, args[i]) for i in nondiff if i < len(args)]
        for i, x in fixed:
            self._refuse_traced(i, x)
        call = FunctionCall(self, in_tree, leaves, fixed)
        outs, out_tree = apply(call, call.arrays(leaves))
        return tree.unflatten(out_tree, outs)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position, with defaults."""
        if not kwargs and not self.parameters:
            return args
        bound = inspect.signature(self.fun).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise UnsupportedError(
                f"{self.name}: the arguments of a {self.kind} function must have a position, "
                "because its rules get them in order.",
                got=f"the keyword arguments {sorted(bound.kwargs)}",
                fix="let the signature name them before any *",
            )
        return bound.args

    def _refuse_traced(self, i: int, x: Any) -> None:
        for leaf in tree.leaves(x):
            if isinstance(current(leaf), Tracer):
                name = f" ({self.parameters[i].name})" if i < len(self.parameters) else ""
                raise UnsupportedError(
                    f"{self.name}: argument {i}{name} is in nondiff_argnums, but it is traced, so "
                    "its derivative would be lost.",
                    got=repr(leaf),
                    fix="leave it out of nondiff_argnums, and give it the tangent or cotangent "
                    "None in the rule, or stop_gradient, if it has no derivative",
                )


class custom_jvp(CustomFunction):  # noqa: N801  # used as a function
    """Make a function with a derivative rule of your own, for forward mode and, by transposition,
    for reverse mode.

    Give the rule with the method `defjvp`, or `defjvps`. `defvjp` adds a rule for reverse mode, and
    `def_vmap` one for batches.

    Args:
        fun: a function of trees of arrays. Keyword arguments and defaults are passed to the rules
            by position. Leaves that have no derivative (integers, text, functions ...) have the
            tangent None.
        nondiff_argnums: positions of arguments that are no arrays, or have no derivative. The rule
            gets them first, one by one.
        nondiff_argnames: names of such arguments.

    Returns:
        The function. Values that it closes over keep their ordinary derivative.

    Raises:
        RuleDefinitionError: for a rule that is given twice.
        MissingRuleError: when it is differentiated without a rule.
        TreeError, ShapeError, DtypeError: when a rule returns what does not fit.
        NonLinearError: when a rule is not linear in the tangents.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_jvp
        ... def log1pexp(x):
        ...     return np.log(1.0 + np.exp(x))
        >>> @log1pexp.defjvp
        ... def log1pexp_jvp(primals, tangents):
        ...     (x,), (t,) = primals, tangents
        ...     return log1pexp(x), (1.0 - 1.0 / (1.0 + np.exp(x))) * t
        >>> float(wg.grad(log1pexp)(100.0))
        1.0
    """

    kind = "custom_jvp"


class custom_vjp(CustomFunction):  # noqa: N801  # used as a function
    """Make a function with a rule of your own for reverse mode.

    Give the rule with the method `defvjp`. Forward mode transposes it, unless `defjvp` gives
    another rule. `def_vmap` gives a rule for batches.

    Args:
        fun: as for `custom_jvp`.
        nondiff_argnums: positions of arguments that are no arrays, or have no derivative. `bwd`
            gets them first, one by one, and returns no cotangents for them.
        nondiff_argnames: names of such arguments.

    Returns:
        The function. Values that it closes over keep their ordinary derivative; `bwd` cannot use
        them, as it runs later: return them from `fwd` as residuals.

    Raises:
        RuleDefinitionError, MissingRuleError, TreeError, ShapeError, DtypeError: as for
            `custom_jvp`.
        NonLinearError: in forward mode without `defjvp`, if `bwd` is not linear in the cotangent.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_vjp
        ... def f(x, y):
        ...     return np.sin(x) * y
        >>> def f_fwd(x, y):
        ...     return f(x, y), (np.cos(x), np.sin(x), y)
        >>> def f_bwd(residuals, ct):
        ...     cos_x, sin_x, y = residuals
        ...     return cos_x * ct * y, sin_x * ct
        >>> f.defvjp(f_fwd, f_bwd)
        >>> wg.grad(f, argnums=(0, 1))(0.0, 2.0)
        (np.float64(2.0), np.float64(0.0))
    """

    kind = "custom_vjp"


class custom_vmap(CustomFunction):  # noqa: N801  # used as a function
    """Make a function with a rule of your own for `vmap`.

    Give the rule with the method `def_vmap`; without one, `vmap` works as ever. Derivatives are
    those of the function and of the rule, unless `defjvp` or `defvjp` give others.

    Args:
        fun: as for `custom_jvp`.
        nondiff_argnums: as for `custom_jvp`; the rule gets them in their place.
        nondiff_argnames: names of such arguments.

    Returns:
        The function.

    Raises:
        RuleDefinitionError: for a rule that is given twice.
        BatchError: when a rule returns what does not fit.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.custom_vmap
        ... def solve(a, b):
        ...     return np.linalg.solve(a, b)
        >>> @solve.def_vmap
        ... def solve_vmap(axis_size, in_batched, a, b):
        ...     if in_batched == [False, True]:  # one factorisation for all right-hand sides
        ...         return np.linalg.solve(a, b.T).T, True
        ...     return wg.vmap(np.linalg.solve, [0 if b else None for b in in_batched])(a, b), True
        >>> wg.vmap(solve, in_axes=(None, 0))(2.0 * np.eye(2), np.ones((3, 2))).shape
        (3, 2)
    """

    kind = "custom_vmap"


@cache
def _flat(n: int) -> TreeDef:
    """The structure of n arrays."""
    return tree.structure((0,) * n)


tree.register(CustomFunction, lambda f: ((), f), lambda f, _: f)
for _kind in (custom_jvp, custom_vjp, custom_vmap):
    tree.register(_kind, lambda f: ((), f), lambda f, _: f)
