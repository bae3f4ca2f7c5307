"""One call of a function with rules: `FunctionCall` takes the user's trees apart for
`custom_apply.py`, and puts them together for the user's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import tree
from ...core.aval import Array, aval_of
from ...core.errors import BatchError, EscapedTracerError, MissingRuleError
from ...core.storage import current
from ...core.tracing import Tracer
from ...core.tree import TreeDef, is_static_leaf
from ..api import flatten_result
from ..jvp import zeros_of
from .custom_call import Leaves, Tangents, TreeCall, is_active
from .custom_checks import checked_cotangents, checked_tangents, pair

if TYPE_CHECKING:
    from .custom_rules import CustomFunction

__all__ = ["FunctionCall", "OneByOne"]

Function = Callable[..., Any]


class OneByOne:
    """The forward rule made of one rule for each argument."""

    def __init__(self, of: CustomFunction, jvps: Sequence[Function | None]) -> None:
        self.of = of
        self.jvps = jvps
        self.__name__ = "defjvps"

    def __call__(self, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        y = self.of(*primals)
        total: Any = None
        for rule, x, t in zip(self.jvps, primals, tangents, strict=True):
            if rule is None or not tree.leaves(t):
                continue
            part = rule(tree.map(_filled_tangent, x, t), y, *primals)
            total = part if total is None else tree.map(_add, total, part)
        return y, total


def _filled_tangent(x: Any, t: Any) -> Any:
    return zeros_of(x) if t is None and is_active(x) else t


def _add(a: Any, b: Any) -> Any:
    return a if b is None else a + b


class FunctionCall(TreeCall):
    """One call of a custom function, which gives the `fixed` arguments in their places."""

    def __init__(
        self,
        function: CustomFunction,
        in_tree: TreeDef,
        leaves: Sequence[Any],
        fixed: Sequence[tuple[int, Any]],
    ) -> None:
        super().__init__(function.name, in_tree, leaves)
        self.function = function
        self.fixed = fixed
        self.takes_zeros = not function.jvp_zeros
        self.has_jvp = function.jvp_rule is not None
        self.has_vjp = function.bwd_rule is not None
        self.has_batch = function.vmap_rule is not None
        self.is_plain = function.kind == "custom_vmap" and not (self.has_jvp or self.has_vjp)

    def __repr__(self) -> str:
        return repr(self.function)

    def missing(self, mode: str) -> MissingRuleError:
        name = self.function.name
        rule = "defvjp" if self.function.kind == "custom_vjp" else "defjvp"
        return MissingRuleError(
            f"{name}: no rule was given for the derivative of this {self.function.kind} function.",
            needed=f"a rule, before {name} is differentiated",
            fix="@f.defjvp\ndef f_jvp(primals, tangents): return f(*primals), ...".replace(
                "f.", f"{name}.", 1
            )
            if rule == "defjvp"
            else f"{name}.defvjp(fwd, bwd)",
        )

    def all_arguments(self, values: Sequence[Any]) -> list[Any]:
        """The arguments in their order."""
        found = list(self.arguments(values))
        for i, x in self.fixed:
            found.insert(i, x)
        return found

    def fixed_first(self) -> list[Any]:
        """The arguments without derivative."""
        return [x for _, x in self.fixed]

    # Rules.

    def run(self, args: Sequence[Array]) -> tuple[Leaves, TreeDef]:
        return flatten_result(self.name, self.function.fun(*self.all_arguments(args)))

    def jvp(
        self, primals: Sequence[Array], tangents: Tangents
    ) -> tuple[Leaves, list[Array | None], TreeDef]:
        function = self.function
        rule = function.jvp_rule
        assert rule is not None
        if not function.jvp_zeros:
            tangents = [
                _filled_tangent(x, t) if t is None else t
                for x, t in zip(primals, tangents, strict=True)
            ]
        operation = function.labels["jvp"]
        result = rule(
            *self.fixed_first(), self.arguments(primals), self.arguments(tangents, static=False)
        )
        y, y_dot = pair(operation, result, "(y, y_dot)", "the result and its tangent")
        outs, out_tree = flatten_result(operation, y)
        return outs, checked_tangents(operation, y_dot, outs, out_tree), out_tree

    def fwd(self, primals: Sequence[Array]) -> tuple[Leaves, TreeDef, list[Array], Any]:
        rule = self.function.fwd_rule
        assert rule is not None
        operation = self.function.labels["fwd"]
        result = rule(*self.all_arguments(primals))
        y, kept = pair(operation, result, "(y, residuals)", "the result and what bwd needs")
        outs, out_tree = flatten_result(operation, y)
        leaves, kept_tree = tree.flatten(kept)
        residuals: list[Array] = []
        for i, x in enumerate(leaves):
            if isinstance(x, Tracer | np.ndarray):
                residuals.append(current(x))
                leaves[i] = _RESIDUAL
        avals = [aval_of(x) for x in primals]
        return outs, out_tree, residuals, (kept_tree, leaves, avals, out_tree, _types(outs))

    def bwd(self, state: Any, residuals: Sequence[Array], cts: Tangents) -> list[Array | None]:
        rule = self.function.bwd_rule
        assert rule is not None
        kept_tree, template, avals, out_tree, out_avals = state
        values = iter(residuals)
        kept = tree.unflatten(kept_tree, [next(values) if x is _RESIDUAL else x for x in template])
        if not self.function.bwd_zeros:
            cts = [
                np.zeros(v.shape, v.dtype)[()] if ct is None and v is not None else ct
                for ct, v in zip(cts, out_avals, strict=True)
            ]
        operation = self.function.labels["bwd"]
        try:
            result = rule(*self.fixed_first(), kept, tree.unflatten(out_tree, list(cts)))
        except EscapedTracerError as error:
            raise EscapedTracerError(
                f"{operation} uses a value that it closes over, and that was traced by a "
                "transformation that has returned.",
                got=str(error).partition("\n")[0],
                needed="residuals and the cotangent",
                fix="return the value from fwd, as one of the residuals",
                source=error.source,
            ) from None
        skipped = [i for i, _ in self.static]
        return checked_cotangents(operation, result, self.in_tree, avals, skipped)

    def run_batch(
        self, size: int, batched: Sequence[bool], args: Sequence[Array]
    ) -> tuple[Leaves, list[bool], TreeDef]:
        rule = self.function.vmap_rule
        assert rule is not None
        operation = self.function.labels["vmap"]
        flags = list(self.arguments(batched, static=False))
        for i, _ in self.fixed:
            flags.insert(i, False)
        result = rule(size, flags, *self.all_arguments(args))
        y, y_batched = pair(operation, result, "(y, out_batched)", "the result and its flags")
        outs, out_tree = flatten_result(operation, y)
        found = tree.broadcast_prefix(y_batched, out_tree, operation, "out_batched", "the result")
        for x, b in zip(outs, found, strict=True):
            if not isinstance(b, bool | np.bool_):
                raise BatchError(f"{operation}: out_batched must consist of bools.", got=repr(b))
            if b and (is_static_leaf(x) or aval_of(x).shape[:1] != (size,)):
                raise BatchError(
                    f"{operation}: a result that is said to be batched has no batch axis.",
                    got=repr(x) if is_static_leaf(x) else repr(aval_of(x)),
                    needed=f"axis 0 of size {size}",
                    fix="return False in its place, if it is the same for all members",
                )
        return outs, [bool(b) for b in found], out_tree


class _Residual:
    """The type of what stands for an array among the residuals."""

    def __reduce__(self) -> str:
        return "_RESIDUAL"


_RESIDUAL = _Residual()


def _types(outs: Iterable[Any]) -> list[Any]:
    """The types of the results with a derivative; None for others."""
    return [aval_of(y) if is_active(y) else None for y in outs]
