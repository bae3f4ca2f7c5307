"""`scipy.integrate`, for traced and plain values alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as _np
import scipy.integrate as _scipy

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
from ..transforms.ode import solution as _solution
from ..transforms.ode import stated as _stated

__all__ = [
    "cumulative_simpson",
    "cumulative_trapezoid",
    "odeint",
    "romb",
    "simpson",
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
        Dfun: the Jacobian of `func`, used for the solution alone.
        col_deriv: as SciPy's.
        full_output: as SciPy's; refused where something is traced.
        ml: as SciPy's, used for the solution alone.
        mu: as SciPy's, used for the solution alone.
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
    jacobian = {"Dfun": Dfun, "col_deriv": col_deriv, "ml": ml, "mu": mu}
    times = _np.atleast_1d(_astype(_as_array(t, operation), _np.float64))
    if times.ndim != 1 or not times.size:
        raise _ShapeError(f"{operation}: t must have one axis, and elements.", got=repr(times))

    def by_state(y: Array, time: Array, *more: Any) -> Any:
        return func(time, y, *more) if tfirst else func(y, time, *more)

    by_state.__name__ = getattr(func, "__name__", type(func).__name__)
    problem = _stated(operation, by_state, y0, times, args)
    if problem is None:
        return _scipy.odeint(
            func, y0, t, args, full_output=full_output, rtol=rtol, atol=atol, tfirst=tfirst,
            **common, **jacobian,
        )  # fmt: skip
    if full_output:
        raise _unsupported_argument(operation, "full_output", full_output, "leave it out")

    def solver(fun: Callable[..., Array], z0: Array, t: Array, origin: Array) -> Array:
        each = [x if x is None or _np.ndim(x) == 0 else _np.asarray(x)[origin] for x in (rtol, atol)]
        own = jacobian if len(origin) == len(problem.z0) and Dfun is None else {}
        return _scipy.odeint(fun, z0, t, rtol=each[0], atol=each[1], **common, **own)

    return _solution(problem, times, solver)


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
