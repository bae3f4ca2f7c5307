"""`scipy.integrate`, for traced and plain values alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as _np
import scipy.integrate as _scipy
from scipy.optimize import OptimizeResult as _OptimizeResult

from ..core.aval import Array
from ..core.dispatch import unsupported_argument as _unsupported_argument
from ..core.errors import ShapeError as _ShapeError
from ..core.primitives.elementwise import as_array as _as_array
from ..core.primitives.elementwise import astype as _astype
from ..core.scipy.integrate import cumulative_simpson as cumulative_simpson
from ..core.scipy.integrate import cumulative_trapezoid as cumulative_trapezoid
from ..core.scipy.integrate import romb as romb
from ..core.scipy.integrate import simpson as simpson
from ..core.scipy.integrate import trapezoid as trapezoid
from ..core.source import boundary as _boundary
from ..core.tracing import Tracer as _Tracer
from ..transforms.odes.sensitivities import Problem as _Problem
from ..transforms.odes.sensitivities import solution as _solution
from ..transforms.odes.sensitivities import stated as _stated

__all__ = [
    "cumulative_simpson",
    "cumulative_trapezoid",
    "odeint",
    "romb",
    "simpson",
    "solve_ivp",
    "trapezoid",
]


@_boundary
def odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Any = None,
    col_deriv: Any = 0,
    full_output: Any = 0,
    ml: int | None = None,
    mu: int | None = None,
    rtol: Any = None,
    atol: Any = None,
    tcrit: Any = None,
    h0: float = 0.0,
    hmax: float = 0.0,
    hmin: float = 0.0,
    ixpr: Any = 0,
    mxstep: int = 0,
    mxhnil: int = 0,
    mxordn: int = 12,
    mxords: int = 5,
    printmessg: Any = 0,
    tfirst: bool = False,
) -> Any:
    """`scipy.integrate.odeint`, differentiable by `y0`, `t`, `args` and what `func` closes over.

    SciPy computes the solution. Derivatives, of any order and in both modes, come from the
    sensitivities of the solution, which SciPy integrates beside it to the same tolerances: exact up
    to these, at a cost that grows with the number of traced parameters and initial values.

    Args:
        func: `func(y, t, *args)`, or `func(t, y, *args)` with `tfirst`; written in NumPy. It may
            return a list.
        y0: the state at `t[0]`, a vector of reals.
        t: the times at which the solution is wanted.
        args: more arguments of `func`: a tuple of trees of arrays.
        Dfun: the Jacobian of `func`; not used where something is traced.
        col_deriv: as SciPy's.
        full_output: as SciPy's; refused where something is traced.
        ml: as SciPy's; used for the solution alone.
        mu: as SciPy's; used for the solution alone.
        rtol: as SciPy's.
        atol: as SciPy's.
        tcrit: as SciPy's.
        h0: as SciPy's.
        hmax: as SciPy's.
        hmin: as SciPy's.
        ixpr: as SciPy's.
        mxstep: as SciPy's.
        mxhnil: as SciPy's.
        mxordn: as SciPy's.
        mxords: as SciPy's.
        printmessg: as SciPy's.
        tfirst: whether the time is the first argument of `func`.

    Returns:
        The states, one row for each time.

    Raises:
        UnsupportedError: for `full_output` where something is traced; and where `func` uses a
            traced value that it does not get as an argument, and cannot be traced.
        ShapeError, DtypeError: if `y0` or the result of `func` is no vector of reals.
        RuntimeError: if the solver fails for the sensitivities.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.integrate import odeint
        >>> def decayed(rate):
        ...     return odeint(lambda y, t, k: -k * y, [1.0], [0.0, 2.0], (rate,))[-1, 0]
        >>> print(f"{wg.grad(decayed)(0.5):.6f}, {-2 * np.exp(-1):.6f}")
        -0.735759, -0.735759
    """
    operation = "scipy.integrate.odeint"
    args = args if isinstance(args, tuple) else (args,)
    common: dict[str, Any] = {
        "tcrit": tcrit, "h0": h0, "hmax": hmax, "hmin": hmin, "ixpr": ixpr, "mxstep": mxstep,
        "mxhnil": mxhnil, "mxordn": mxordn, "mxords": mxords, "printmessg": printmessg,
    }  # fmt: skip
    times = _np.atleast_1d(_astype(_as_array(t, operation), _np.float64))
    if times.ndim != 1 or not times.size:
        raise _ShapeError(f"{operation}: t must have one axis, and elements.", got=repr(times))

    problem = _stated(operation, _time_last(func) if tfirst else func, y0, times, args)
    if problem is None:
        return _scipy.odeint(
            func,
            y0,
            t,
            args,
            Dfun,
            col_deriv,
            full_output,
            ml,
            mu,
            rtol,
            atol,
            tfirst=tfirst,
            **common,
        )
    if full_output:
        raise _unsupported_argument(operation, "full_output", full_output, "leave it out")

    def solver(p: _Problem) -> Array:
        if not p.derived:
            return _scipy.odeint(p.fun, p.z0, p.times, ml=ml, mu=mu, rtol=rtol, atol=atol, **common)
        finer = {"rtol": _each(rtol, p), "atol": _each(atol, p, 1.49012e-8) * p.scale}
        options = {**common, **finer, "mxstep": mxstep or _MORE_STEPS, "full_output": 1}
        states, report = _scipy.odeint(p.fun, p.z0, p.times, Dfun=p.jacobian, **options)
        if len(p.times) > 1 and report["message"] != "Integration successful.":
            raise RuntimeError(
                f"{operation}: the sensitivities cannot be had to these tolerances: "
                f"{report['message']} Use larger rtol and atol, or mxstep."
            )
        return states

    return _solution(problem, times, solver)


_MORE_STEPS = 5000
"""How many steps `odeint` may take from one time to the next, in a system with sensitivities."""


def _each(tolerance: Any, p: _Problem, default: Any = None) -> Any:
    """A tolerance for each state, where there is one for each of the user's."""
    if tolerance is None:
        return default
    return tolerance if _np.ndim(tolerance) == 0 else _np.asarray(tolerance)[p.origin]


@_boundary
def solve_ivp(
    fun: Callable[..., Any],
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    **options: Any,
) -> Any:
    """`scipy.integrate.solve_ivp`, differentiable by `y0`, `t_span`, `t_eval`, `args` and what
    `fun` closes over; the derivatives are those of `odeint`.

    Where something is traced `t_eval` must be given, since the solver's own steps depend on values;
    and a failure raises.

    Args:
        fun: `fun(t, y, *args)`, written in NumPy.
        t_span: the times at which the solution starts and ends.
        y0: the state at the start, a vector of reals.
        method: as SciPy's.
        t_eval: the times at which the solution is wanted.
        dense_output: as SciPy's; refused where something is traced.
        events: as SciPy's; refused where something is traced.
        vectorized: as SciPy's.
        args: more arguments of `fun`: a tuple of trees of arrays.
        options: as SciPy's; those that tell of the Jacobian are used for the solution alone.

    Returns:
        An object with the fields `t`, `y` (one column for each time), `success` and so on.

    Raises:
        UnsupportedError: where something is traced, for `dense_output`, `events`, and a missing
            `t_eval`; and where `fun` uses a traced value that it does not get as an argument, and
            cannot be traced.
        RuntimeError: where something is traced and the solver fails.

    Example:
        >>> import numpy as np, wengert as wg
        >>> from wengert.scipy.integrate import solve_ivp
        >>> def decayed(rate):
        ...     return solve_ivp(lambda t, y: -rate * y, (0.0, 2.0), [1.0], t_eval=[2.0]).y[0, 0]
        >>> print(f"{wg.grad(decayed)(0.5):.3f}, {-2 * np.exp(-1):.3f}")
        -0.736, -0.736
    """
    operation = "scipy.integrate.solve_ivp"
    more = () if args is None else args if isinstance(args, tuple) else (args,)
    ends = [_astype(_as_array(x, operation), _np.float64) for x in t_span]
    wanted = [] if t_eval is None else [_astype(_as_array(t_eval, operation), _np.float64)]
    times = _np.concatenate([_np.reshape(ends[0], (1,)), *wanted])

    def by_state(y: Array, t: Array, *given: Array) -> Any:
        return _np.ravel(fun(t, y[:, None], *given)) if vectorized else fun(t, y, *given)

    by_state.__wrapped__ = fun  # type: ignore[attr-defined]  # so that messages name the user's
    problem = _stated(operation, by_state, y0, times, more)
    if problem is None:
        return _scipy.solve_ivp(
            fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options
        )
    refused = {"dense_output": dense_output, "events": events}
    for name, value in refused.items():
        if value:
            raise _unsupported_argument(operation, name, value, "leave it out")
    if t_eval is None:
        raise _unsupported_argument(
            operation, "t_eval", None, "say at which times the solution is wanted: t_eval=[...]"
        )

    def solver(p: _Problem) -> Array:
        given = dict(options)
        if p.derived:
            given = {k: v for k, v in options.items() if k not in _OF_JACOBIANS}
            given["rtol"] = _each(options.get("rtol"), p, 1e-3)
            given["atol"] = _each(options.get("atol"), p, 1e-6) * p.scale
            if getattr(method, "__name__", method) in _IMPLICIT:
                given["jac"] = lambda t, z: p.jacobian(z, t)
        end = p.times[-1] if isinstance(ends[1], _Tracer) else ends[1]
        found = _scipy.solve_ivp(
            lambda t, z: p.fun(z, t), (p.times[0], end), p.z0, method, p.times[1:], **given
        )
        if not found.success:
            raise RuntimeError(f"{operation}: {found.message}")
        return _np.concatenate([p.z0[None], found.y.T])

    states = _solution(problem, times, solver)
    return _OptimizeResult(
        t=times[1:], y=states[1:].T, sol=None, t_events=None, y_events=None, status=0,
        message="The solver successfully reached the end of the integration interval.",
        success=True,
    )  # fmt: skip


_OF_JACOBIANS = ("jac", "jac_sparsity", "lband", "uband")
_IMPLICIT = ("Radau", "BDF", "LSODA")


def _time_last(func: Callable[..., Any]) -> Callable[..., Any]:
    def by_state(y: Array, t: Array, *more: Any) -> Any:
        return func(t, y, *more)

    by_state.__wrapped__ = func  # type: ignore[attr-defined]  # so that messages name the user's
    return by_state


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
