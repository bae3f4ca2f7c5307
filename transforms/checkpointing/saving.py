"""What checkpointing saves: policies, names for values, and programs taken apart by them.

A policy is asked for each operation of the forward pass whether its result is kept:
`policy(primitive, avals of the operands, params) -> bool`. `split_program` keeps those of them that
the backward pass would compute otherwise, and no others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ...core import tree
from ...core.aval import ShapedArray
from ...core.errors import DtypeError
from ...core.ir import Atom, Program, Var
from ...core.primitives.contractions import einsum_p, matmul_p
from ...core.rules import linear
from ...core.source import boundary
from ...core.tracing import Primitive
from ..api import is_array_leaf
from ..control.subprograms import linearize_program
from ..passes.dead_code import without_dead_code

__all__ = ["Policy", "checkpoint_name", "checkpoint_policies", "split_program"]

Policy: TypeAlias = Callable[[Primitive, Sequence[ShapedArray], Mapping[str, Any]], bool]

name_p: Primitive = linear(
    "name",
    lambda x, *, name: x,
    lambda ct, x, *, name: ct,
    shape=lambda x, *, name: x,
    batch=lambda size, batched, x, *, name: name_p.bind(x, name=name),
)


@boundary
def checkpoint_name(x: Any, name: str) -> Any:
    """Give a value a name, by which policies of `checkpoint` can save it.

    Args:
        x: a tree of arrays.
        name: the name; several values may have the same.

    Returns:
        `x`. Outside of `checkpoint` the name means nothing.

    Raises:
        DtypeError: if the name is no text.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x):
        ...     h = wg.checkpoint_name(np.exp(np.sin(x)), "h")
        ...     return np.sum(np.cos(h))
        >>> policy = wg.checkpoint_policies.save_names("h")
        >>> wg.grad(wg.checkpoint(f, policy=policy))(np.zeros(2)).round(3)
        array([-0.841, -0.841])
    """
    if not isinstance(name, str):
        raise DtypeError("checkpoint_name: the name must be text.", got=repr(name))
    return tree.map(lambda v: name_p.bind(v, name=name) if is_array_leaf(v) else v, x)


class _Policy:
    """A policy with a name, to print."""

    def __init__(self, name: str, rule: Policy) -> None:
        self.__name__ = name
        self.rule = rule

    def __call__(
        self, primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]
    ) -> bool:
        return self.rule(primitive, avals, params)

    def __repr__(self) -> str:
        return self.__name__


class _AnyOf(_Policy):
    """What one of several policies keeps."""

    def __init__(self, parts: Sequence[Policy]) -> None:
        self.__name__ = f"save_from_both({', '.join([repr(p) for p in parts])})"
        self.parts = tuple(parts)

    def __call__(
        self, primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]
    ) -> bool:
        return any([p(primitive, avals, params) for p in self.parts])


class _NamePolicy(_Policy):
    """A policy that goes by names: it keeps values with these names, or those without.

    `unnamed` says what it does with values that have none.
    """

    def __init__(self, label: str, names: Sequence[str], listed: bool, unnamed: bool) -> None:
        if not all([isinstance(n, str) for n in names]):
            raise DtypeError(f"{label}: names must be text.", got=repr(names))
        self.__name__ = f"{label}({', '.join([repr(n) for n in names])})"
        self.names = tuple(names)
        self.listed = listed
        self.unnamed = unnamed

    def __call__(
        self, primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]
    ) -> bool:
        if primitive is not name_p:
            return self.unnamed
        return (params["name"] in self.names) == self.listed

    def warn(self, operation: str, program: Program) -> None:
        """Warn of names that do not occur in a program."""
        found = _names_in(program)
        missing = [n for n in self.names if n not in found]
        if missing:
            listed = ", ".join([repr(n) for n in sorted(found)]) or "none"
            warnings.warn(
                f"{operation}: the policy {self!r} names {missing[0]!r}, but no value has that "
                f"name. Names in it: {listed}. Give one with wg.checkpoint_name(x, "
                f"{missing[0]!r}).",
                stacklevel=2,
            )


def _names_in(program: Program) -> set[str]:
    found: set[str] = set()
    for e in program.equations:
        if e.primitive is name_p:
            found.add(e.params["name"])
        for value in e.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                if isinstance(part, Program):
                    found |= _names_in(part)
    return found


def _always(primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]) -> bool:
    return True


def _never(primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]) -> bool:
    return False


def _is_dot(primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]) -> bool:
    return primitive in (matmul_p, einsum_p)


def _is_plain_dot(
    primitive: Primitive, avals: Sequence[ShapedArray], params: Mapping[str, Any]
) -> bool:
    return primitive is matmul_p and all([v.ndim <= 2 for v in avals])


_EVERYTHING = _Policy("everything", _always)
_NOTHING = _Policy("nothing", _never)
_DOTS = _Policy("dots", _is_dot)
_PLAIN_DOTS = _Policy("dots_with_no_batch_dims", _is_plain_dot)


class CheckpointPolicies:
    """What `checkpoint` keeps from the forward pass, for its argument `policy`.

    The names that JAX uses mean the same. A function of your own will do as well:
    `policy(primitive, avals, params)`, which says whether the result of an operation is kept.

    Example:
        >>> import numpy as np, wengert as wg
        >>> layer = lambda w, x: np.tanh(x @ w)
        >>> layer = wg.checkpoint(layer, policy=wg.checkpoint_policies.dots)
        >>> wg.grad(lambda w: np.sum(layer(w, np.ones(2))))(np.zeros((2, 2)))
        array([[1., 1.],
               [1., 1.]])
    """

    everything = everything_saveable = _EVERYTHING
    nothing = nothing_saveable = _NOTHING
    dots = dots_saveable = checkpoint_dots = _DOTS
    dots_with_no_batch_dims = dots_with_no_batch_dims_saveable = _PLAIN_DOTS
    checkpoint_dots_with_no_batch_dims = _PLAIN_DOTS

    @staticmethod
    def save_names(*names: str) -> Policy:
        """Keep the values that have one of these names (`checkpoint_name`).

        Args:
            names: the names; one that does not occur is warned of.

        Returns:
            The policy.

        Raises:
            DtypeError: if a name is no text.

        Example:
            >>> import wengert as wg
            >>> wg.checkpoint_policies.save_names("h", "mask")
            save_names('h', 'mask')
        """
        return _NamePolicy("save_names", names, listed=True, unnamed=False)

    save_only_these_names = save_names

    @staticmethod
    def save_any_except(*names: str) -> Policy:
        """Keep all values but those that have one of these names.

        Args:
            names: the names; one that does not occur is warned of.

        Returns:
            The policy.

        Raises:
            DtypeError: if a name is no text.

        Example:
            >>> import wengert as wg
            >>> wg.checkpoint_policies.save_any_except("large")
            save_any_except('large')
        """
        return _NamePolicy("save_any_except", names, listed=False, unnamed=True)

    save_anything_except_these_names = save_any_except

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Keep the values that have a name, but for these names.

        Args:
            names: the names; one that does not occur is warned of.

        Returns:
            The policy.

        Raises:
            DtypeError: if a name is no text.

        Example:
            >>> import wengert as wg
            >>> wg.checkpoint_policies.save_any_names_but_these("large")
            save_any_names_but_these('large')
        """
        return _NamePolicy("save_any_names_but_these", names, listed=False, unnamed=False)

    @staticmethod
    def save_from_both(*parts: Policy) -> Policy:
        """Keep what at least one of several policies keeps.

        Args:
            parts: the policies.

        Returns:
            The policy.

        Raises:
            DtypeError: if one is no function.

        Example:
            >>> import wengert as wg
            >>> p = wg.checkpoint_policies
            >>> p.save_from_both(p.dots, p.save_names("h"))
            save_from_both(dots, save_names('h'))
        """
        for part in parts:
            check_policy("save_from_both", part)
        return _AnyOf(parts)

    save_from_both_policies = save_from_both


checkpoint_policies = CheckpointPolicies()


def check_policy(operation: str, policy: Any) -> None:
    """Raise unless it is a function."""
    if not callable(policy) or isinstance(policy, type):
        raise DtypeError(
            f"{operation}: the policy must be a function of (primitive, avals, params).",
            got=repr(policy),
            fix="take one from wg.checkpoint_policies: everything, nothing, dots, save_names(...)",
        )


def warn_of_names(operation: str, policy: Policy, program: Program) -> None:
    """Warn of names in a policy that no value has."""
    if isinstance(policy, _NamePolicy):
        policy.warn(operation, program)


# Programs.


def split_program(
    program: Program, active: Sequence[bool], policy: Policy | None
) -> tuple[Program, Program]:
    """(operands -> results, saved values; operands, saved values, tangents -> tangents)."""
    n_out = len(program.outputs)
    wanted = [v.aval.dtype.kind in "fc" for v in program.outputs]
    found = linearize_program(program, active, wanted)
    forward, linear = found.forward, found.linear
    residuals = forward.outputs[n_out:]
    # A value and the same value under a name are one.
    same: dict[Atom, Atom] = {}
    for e in forward.equations:
        if e.primitive is name_p:
            same[e.outputs[0]] = same.get(e.inputs[0], e.inputs[0])
    made: set[Atom] = {v for e in forward.equations for v in e.outputs}
    keeps = _kept_by(policy, forward)
    kept = {same.get(v, v) for e in forward.equations if id(e) in keeps for v in e.outputs} & made
    # From the residuals back to saved values and operands.
    saved: list[Var] = []
    needed = {v for v in residuals if isinstance(v, Var)}
    again = []
    for e in reversed(forward.equations):
        if needed.isdisjoint(e.outputs):
            continue
        hit = [v for v in e.outputs if v in needed and v in kept]
        saved += hit
        if all([v in kept or v not in needed for v in e.outputs]):
            continue
        again.append(e)
        needed.update([v for v in e.inputs if isinstance(v, Var)])
    copies: dict[Atom, Var] = {v: Var(v.aval) for v in saved}
    renamed = [
        type(e)(
            e.primitive,
            [copies.get(v, v) for v in e.inputs],
            [Var(v.aval) if v in copies else v for v in e.outputs],
            e.params,
            e.source,
        )
        for e in again[::-1]
    ]
    of_residuals = linear.inputs[: len(residuals)]
    of_dots = linear.inputs[len(residuals) :]
    available: list[Atom] = [copies.get(v, v) for v in residuals]
    due: dict[Atom, Atom] = dict(zip(of_residuals, available, strict=True))
    second = [
        type(e)(e.primitive, [due.get(v, v) for v in e.inputs], e.outputs, e.params, e.source)
        for e in linear.equations
    ]
    used = {v for e in [*renamed, *second] for v in e.inputs} | set(linear.outputs)
    constants = [c for c in (*forward.constants, *linear.constants) if c[0] in used]
    whole = Program(
        [*forward.inputs, *copies.values(), *of_dots],
        [*renamed, *second],
        [due.get(v, v) for v in linear.outputs],
        constants,
        name=program.name,
    )
    first = Program(
        forward.inputs,
        forward.equations,
        [*forward.outputs[:n_out], *saved],
        forward.constants,
        name=program.name,
    )
    return without_dead_code(first), whole


def _kept_by(policy: Policy | None, program: Program) -> set[int]:
    """The equations whose results the policy keeps."""
    if policy is None or policy is _NOTHING:
        return set()
    return {
        id(e)
        for e in program.equations
        if policy(e.primitive, [v.aval for v in e.inputs], e.params)
    }


def saves_nothing(policy: Policy | None) -> bool:
    """True for the policy that keeps nothing besides the arguments."""
    return policy is None or policy is _NOTHING


def saves_everything(policy: Policy | None) -> bool:
    """True for the policy under which nothing is recomputed."""
    return policy is _EVERYTHING
