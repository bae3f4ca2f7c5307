"""Checkpointing: `checkpoint : (a -> b) -> (a -> b)`, the same function, of which reverse mode
keeps the arguments only; it computes the rest again when that is needed.

Under reverse mode the call is one operation (`recomputation.py`), and in a program one equation.
Without a policy the Python function itself is run again (`rerun.py`); with one it is traced to a
program, of which the policy chooses what is kept (`saving.py`).

Read next: `checkpointed_scan.py`, for loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

from ...core import tree
from ...core.aval import Array
from ...core.errors import ConcretizationError, DtypeError, ShapeError
from ...core.source import boundary, describe_function
from ...core.tracing import RUNNING
from ..batching import BatchTrace
from ..control.bodies import trace_body, typed
from ..recording import LinearizeTrace
from .recomputation import checkpoint_p
from .rerun import Arguments, Rerun
from .saving import Policy, check_policy, saves_everything, saves_nothing, warn_of_names

__all__ = ["checkpoint", "recomputes", "remat"]


def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
    prevent_cse: bool = True,
) -> Callable[..., Any]:
    """Make a function whose derivative needs less memory and more time (rematerialisation).

    Reverse mode keeps the arguments of the function and what it closes over, and what the policy
    saves; all else is computed again when the derivative is. Values and derivatives are the same.
    `remat` is another name.

    Without a policy, all of Python works in the function: it is called once more in the backward
    pass. With one, and in programs, it is traced, so `if` and `while` on values need `wg.cond` and
    `wg.while_loop`.

    Args:
        fun: a function of trees of arrays, which may close over traced values. When left out, a
            decorator is returned.
        policy: what to keep besides, one of `wg.checkpoint_policies`; or a function of (primitive,
            types of its operands, parameters) that says whether the result of an operation is kept.
        static_argnums: accepted for JAX's sake, and checked: positions of arguments that are passed
            as they are. Arguments that are no arrays, and Python's numbers, always are.
        prevent_cse: accepted for JAX's sake; it changes nothing.

    Returns:
        The function, to use in the place of `fun`.

    Raises:
        DtypeError: if `fun` or the policy is no function, or static_argnums are no ints.
        UnsupportedError: in the backward pass, if the function gives another result then. Random
            numbers are drawn again as they were, from generators that the function closes over or
            gets as arguments.

    Example:
        >>> import numpy as np, wengert as wg
        >>> block = wg.checkpoint(lambda x: np.sin(np.exp(x)))
        >>> wg.grad(lambda x: block(block(x)))(0.5) == wg.grad(
        ...     lambda x: np.sin(np.exp(np.sin(np.exp(x)))))(0.5)
        np.True_
    """
    if policy is not None:
        check_policy("checkpoint", policy)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    if not isinstance(numbers, Sequence | set) or not all([isinstance(i, int) for i in numbers]):
        raise DtypeError("checkpoint: static_argnums must be ints.", got=repr(static_argnums))
    static = tuple(numbers)
    if fun is None:
        return partial(
            checkpoint, policy=policy, static_argnums=static_argnums, prevent_cse=prevent_cse
        )
    if not callable(fun):
        raise DtypeError(
            "checkpoint: the first argument must be a function.",
            got=repr(fun),
            fix="write wg.checkpoint(f)(x), or @wg.checkpoint(policy=...) as a decorator",
        )
    name = describe_function(fun)
    chosen = None if saves_nothing(policy) else policy

    @boundary
    @wraps(fun, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if saves_everything(chosen) or not recomputes():
            return fun(*args, **kwargs)
        return _call(fun, name, chosen, static, args, kwargs)

    return checkpointed


remat = checkpoint


def recomputes() -> bool:
    """True where it makes a difference: reverse mode is recording, or a program is traced."""
    found = False
    for t in RUNNING.traces:
        if t.symbolic:
            return True
        if isinstance(t, BatchTrace) and t.splits:
            return False  # a function that is run in paths is not one operation
        found = found or isinstance(t, LinearizeTrace)
    return found


def _call(
    fun: Callable[..., Any],
    name: str,
    policy: Policy | None,
    static: Sequence[int],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    operation = f"checkpoint of {name}"
    n = len(args)
    if any([not -n <= i < n for i in static]):
        raise ShapeError(
            f"{operation}: static_argnums={tuple(static)} is out of range.",
            got=f"{n} positional arguments",
        )
    fixed = {i % n for i in static}
    given = Arguments(([a for i, a in enumerate(args) if i not in fixed], kwargs))

    def call(*arrays: Array) -> Any:
        rest, by_name = given.rebuilt(arrays)
        moving = iter(rest)
        return fun(*[a if i in fixed else next(moving) for i, a in enumerate(args)], **by_name)

    call.__name__ = name
    if policy is not None or RUNNING.symbolic:
        try:
            body = trace_body(operation, call, *given.arrays)
        except ConcretizationError as error:
            if not RUNNING.symbolic:
                error.add_note(
                    f"checkpoint traces {name} to a program, because it has a policy. Without one, "
                    "if and while on values work."
                )
            raise
        if policy is not None:
            warn_of_names(operation, policy, body.program)
        program = typed(body.program, ())
        ys = checkpoint_p.bind(*body.hoisted, *given.arrays, body=program, policy=policy)
        return tree.unflatten(body.out_tree, ys)
    again = Rerun(name, call, (fun, args, kwargs))
    ys = again.with_captured(lambda *xs: checkpoint_p.bind(*xs, body=again), *given.arrays)
    return tree.unflatten(again.out_tree, ys)
