"""`odeint`, for users: from a function of trees to a right side of flat vectors, and back.

The state is one vector of reals inside. What of the arguments is traced, and what the function
closes over, become operands of the primitive. Where the function asks for values, it cannot be
written down; then Python runs it, and the steps that it takes are differentiated one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.dispatch import is_traced
from ...core.errors import DtypeError, LeafTypeError, ShapeError, WengertError
from ...core.primitives.elementwise import as_array, astype
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import RUNNING, Primitive, Trace, Tracer, handed_over
from ...core.tree import is_static_leaf
from ...core.treedef import check_same_structure, leaf_paths
from ..api import flatten_arguments, flatten_result
from ..control.bodies import strong
from ..control.structured import has_value
from ..control.subprograms import rearranged
from ..program import trace_closed
from .dormand_prince import Control
from .odeint_rules import odeint_p
from .odeint_steps import is_known, plain_path, replayed
from .runge_kutta import RightSide
from .sensitivities import pack, unpack

__all__ = ["odeint"]

_FLOAT = np.dtype(np.float64)


@boundary
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: float = np.inf,
    hmax: float = np.inf,
    derivative: Literal["discrete", "adjoint"] = "discrete",
) -> Any:
    """Solve an initial value problem: dy/dt = func(y, t, *args), y(t[0]) = y0.

    The method is that of Dormand and Prince of order 5(4), with steps whose size adapts to the
    tolerances. Both modes give derivatives, of any order, by `y0`, `t`, `args`, and traced values
    that `func` closes over. Under vmap each member of the batch takes steps of its own.

    Args:
        func: `func(y, t, *args)`, written in NumPy; returns a tree like `y0`. For a state that is
            an array it may return a list.
        y0: the state at `t[0]`: a tree of arrays and numbers, real or complex.
        t: the times at which the solution is wanted; one axis, increasing or decreasing.
        args: more arguments of `func`: trees of arrays, or anything else.
        rtol: how large the error of a step may be, relative to each component of the state,
        atol: and absolutely: `atol + rtol * abs(y)`, in the root mean square of the components.
        mxstep: how many steps may be tried from one time to the next.
        hmax: the size of the largest step.
        derivative: "discrete" differentiates the steps that were taken; it is exact to rounding,
            fast, and keeps them all in memory. "adjoint" solves further differential equations
            (backward in time for reverse mode), as exactly as the tolerances say; it keeps only
            the states at the times `t`.

    Returns:
        A tree like `y0`, whose arrays have a new first axis, for the times.

    Raises:
        ShapeError: if `t` has not one axis, or a result of `func` has another shape than its state.
        DtypeError: if `func` returns complex numbers for a real state.
        TreeError: if `func` returns another structure than the state has.
        ValueError: if the times go up and down, or are not finite; or a tolerance is not positive.
        RuntimeError: if the steps become too small to go on (the solution is not finite), or there
            are more than `mxstep`.
        UnsupportedError: if `func` cannot be traced, and is used where that is necessary.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def decayed(rate):
        ...     return wg.odeint(lambda y, t, k: -k * y, 1.0, np.array([0.0, 2.0]), rate)[-1]
        >>> print(f"{decayed(0.5):.7f} {wg.grad(decayed)(0.5):.7f} {-2 * np.exp(-1):.7f}")
        0.3678794 -0.7357589 -0.7357589
    """
    name = describe_function(func)
    if derivative not in ("discrete", "adjoint"):
        raise ValueError(f"odeint: derivative must be 'discrete' or 'adjoint'; got {derivative!r}")
    control = _control(rtol=rtol, atol=atol, mxstep=mxstep, hmax=hmax)
    state, z0 = _state(y0)
    times = _times(t)
    values, treedef = tree.flatten(args)
    spots = [i for i, x in enumerate(values) if isinstance(x, Tracer)]
    operands = [current(values[i]) for i in spots]
    if not aval_of(times).shape[0]:
        return state.rebuilt(np.zeros((0, state.size)))

    def fun(z: Array, time: Array, *given: Array) -> Array:
        if not spots:
            return state.slope(name, func(state.tree(z), time, *args))
        full = list(values)
        for i, x in zip(spots, given, strict=True):
            full[i] = x
        return state.slope(name, func(state.tree(z), time, *tree.unflatten(treedef, full)))

    fun.__wrapped__ = func  # type: ignore[attr-defined]  # so that messages name the user's
    given = [z0, times, *operands]
    if not is_traced(given) and not (RUNNING.traces and is_traced([fun(z0, times[0])])):
        return state.rebuilt(plain_path(given, fun, None, control, keep=False).out)
    params: dict[str, Any] = {"control": control, "derivative": derivative}
    avals = [ShapedArray((state.size,), _FLOAT), ShapedArray((), _FLOAT), *map(aval_of, operands)]
    try:
        program, hidden = trace_closed(f"odeint of {name}", fun, *avals)
    except WengertError:
        if not all([is_known(x) for x in given]):
            raise
        if derivative == "discrete" and all([has_value(x) for x in given]):
            return state.rebuilt(_followed(fun, given, control))
        return state.rebuilt(odeint_p.bind(*given, func=fun, **params)[0])
    k = len(hidden)
    inputs = [*program.inputs[k:], *program.inputs[:k]]
    right = RightSide(rearranged(program, inputs, program.outputs), None if hidden else fun)
    return state.rebuilt(odeint_p.bind(*given, *hidden, func=right, **params)[0])


def _times(t: Any) -> Array:
    times = as_array(t, "odeint: t")
    aval = aval_of(times)
    if aval.ndim != 1:
        raise ShapeError(
            "odeint: the times must have one axis.",
            got=repr(aval),
            fix="np.array([start, end]) for one result besides the initial state",
        )
    if aval.dtype.kind not in "fiub":
        raise DtypeError("odeint: the times must be real numbers.", got=repr(aval))
    return current(astype(times, np.float64))


def _control(**given: Any) -> Control:
    for name, x in given.items():
        if isinstance(x, Tracer) or not isinstance(x, int | float | np.number) or not x > 0:
            raise ValueError(f"odeint: {name} must be a positive number; got {x!r}")
    return Control(**{name: float(x) for name, x in given.items()})


# The state: a tree for the user, a vector of reals inside.


class _State:
    """The structure of the state, and the types of its leaves.

    `only` is the type of a state that is one array of floats, which is quickly converted.
    """

    def __init__(self, treedef: tree.TreeDef, avals: list[ShapedArray]) -> None:
        self.treedef = treedef
        self.avals = avals
        self.size = sum([v.size * (2 if v.dtype.kind == "c" else 1) for v in avals])
        alone = treedef.kind is None and avals[0].dtype == _FLOAT
        self.only = avals[0] if alone else None

    def tree(self, z: Array) -> Any:
        """The state for the user's function."""
        aval = self.only
        if aval is not None:
            return z if aval.ndim == 1 else np.reshape(z, aval.shape) if aval.shape else z[0]
        return tree.unflatten(self.treedef, unpack(z, self.avals))

    def rebuilt(self, out: Array) -> Any:
        """The states at all times."""
        count = aval_of(out).shape[0]
        leaves, at = [], 0
        for aval in self.avals:
            parts = []
            for _ in range(2 if aval.dtype.kind == "c" else 1):
                parts.append(np.reshape(out[:, at : at + aval.size], (count, *aval.shape)))
                at += aval.size
            x = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
            leaves.append(astype(x, aval.dtype))
        return tree.unflatten(self.treedef, leaves)

    def slope(self, name: str, result: Any) -> Array:
        """What the user's function returned, as a vector of reals."""
        aval = self.only
        if aval is not None:
            kind = type(result)
            if kind is np.ndarray and result.dtype == _FLOAT and result.shape == aval.shape:
                return result if aval.ndim == 1 else np.reshape(result, (aval.size,))
            if kind is np.float64 and not aval.shape:
                return np.reshape(result, (1,))
        if self.treedef.kind is None and type(result) in (list, tuple):
            result = as_array(result, f"odeint: the result of {name}")
        operation = "odeint"
        leaves, found = flatten_result(operation, result)
        which = f"the result of {name}"
        check_same_structure(self.treedef, found, operation, which, "the state")
        for path, aval, x in zip(leaf_paths(self.treedef, ""), self.avals, leaves, strict=True):
            if is_static_leaf(x):
                raise LeafTypeError(
                    f"{operation}: {which}{path} is neither an array nor a number.", got=repr(x)
                )
            due = aval_of(x)
            if due.shape != aval.shape:
                raise ShapeError(
                    f"{operation}: {which}{path} has another shape than the state.",
                    got=repr(due),
                    needed=repr(aval),
                )
            if due.dtype.kind == "c" and aval.dtype.kind != "c":
                raise DtypeError(
                    f"{operation}: {which}{path} is complex, and the state is not.",
                    got=repr(due),
                    needed=repr(aval),
                    fix="start with a complex state: np.asarray(y0, complex)",
                )
        return pack([
            astype(x, np.complex128 if v.dtype.kind == "c" else np.float64)
            for x, v in zip(leaves, self.avals, strict=True)
        ])  # fmt: skip


def _state(y0: Any) -> tuple[_State, Array]:
    """The structure of the initial state, and the state as a vector."""
    leaves, treedefs = flatten_arguments("odeint", (None, y0))
    treedef = treedefs.children[1]
    for path, x in zip(leaf_paths(treedef, ""), leaves, strict=True):
        if is_static_leaf(x):
            raise LeafTypeError(
                f"odeint: the initial state{path} is neither an array nor a number.",
                got=repr(x),
            )
    leaves = [x if aval_of(x).dtype.kind in "fc" else astype(x, np.float64) for x in leaves]
    avals = [strong(aval_of(x)) for x in leaves]
    return _State(treedef, avals), pack(leaves)


# Functions that ask for values.


class _Values(Trace):
    """While operations are handed over to it, it computes them with the values behind tracers."""

    label = "odeint"

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        return primitive.bind(*[_concrete(a) for a in args], **params)


def _concrete(x: Array) -> Array:
    x = current(x)
    return x.concrete() if isinstance(x, Tracer) else x


def _followed(fun: Callable[..., Array], args: Sequence[Array], control: Control) -> Array:
    """The solution by a function that asks for values, and may close over traced ones.

    First the steps are found, with the values alone; then they are made again, with all that is
    traced.
    """
    trace = _Values(describe_function(fun))
    try:
        with handed_over(trace):
            path = plain_path([_concrete(a) for a in args], fun, None, control, keep=True)
    finally:
        trace.close()
    return replayed(path, fun, args)
