"""Finite differences: `finite_difference : (a -> b) -> a -> (matrix of a -o b, its error)`.

Each component of the arguments has a step of its own: a power of two (so that adding it is exact)
near to what balances truncation and rounding at its scale. How much quotients of different steps
differ is the error estimate. Where the slopes from both sides differ there is no derivative; an
error names the operation.

Source: Nocedal and Wright, "Numerical Optimization", 2nd ed. (2006), section 8.1, for the steps;
Richardson (1911) and `core/differences.py` for the extrapolation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Final, NamedTuple

import numpy as np

from ...core import differences
from ...core.aval import Array
from ...core.differences import REACH, scale_of
from ...core.errors import ModeError, NonSmoothError
from ...core.source import boundary, describe_function
from ..arguments import Choice
from .kinks import find_kink
from .problem import Problem
from .table import Engine

__all__ = ["FINITE", "Difference", "finite_difference"]

METHODS: Final = ("forward", "central", "richardson")

_STARTS: Final = 3
"""How many first steps the extrapolation tries at most."""
_SHORTER: Final = 8
"""How often a step is shortened at most."""
_NOISE: Final = 64
"""Differences are rounding errors if they are so many times as large, or smaller."""


class Difference(NamedTuple):
    """A numerical derivative; the estimate of its error, number by number; the calls it took."""

    value: Any
    error: Any
    evaluations: int


def finite_difference(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    method: str = "richardson",
    step: float | None = None,
) -> Callable[..., Difference]:
    """Make a function that returns the Jacobian of `fun` by finite differences, with its error.

    Args:
        fun: a function of trees of arrays, which need not be traceable.
        argnums: positions of the arguments to differentiate, as for `jacobian`.
        has_aux: `fun` returns a pair `(y, aux)`; `aux` is left out.
        argnames: names of the arguments to differentiate, as for `jacobian`.
        method: "forward" (two calls a component or more, errors of about 1e-8), "central" (eight,
            1e-10) or "richardson" (about twenty, mostly 1e-13): relative, of double precision.
            "forward" is the one that does not look for kinks.
        step: the step, in units of the argument; by default each component has its own. For
            "richardson" it is the longest step.

    Returns:
        A function of the same arguments that returns `(value, error, evaluations)`: two trees like
        the result of `jacobian`, and the number of calls.

    Raises:
        NonSmoothError: where quotients have no limit; it names the operation with the kink.
        ModeError: for an unknown method, a step that is not positive, or traced arguments.
        DtypeError: for an argument without float numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> found = wg.finite_difference(np.sin)(1.0)
        >>> bool(abs(found.value - np.cos(1.0)) <= found.error < 1e-12)
        True
    """
    operation = f"finite_difference of {describe_function(fun)}"
    choice = Choice(operation, fun, argnums, argnames)
    if method not in METHODS:
        raise ModeError(
            f"{operation}: there is no such method.",
            got=f"method={method!r}",
            needed=", ".join([repr(m) for m in METHODS]),
        )
    if step is not None and not (isinstance(step, int | float | np.floating) and step > 0):
        raise ModeError(f"{operation}: the step must be a positive number.", got=f"step={step!r}")

    @boundary
    @wraps(fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Difference:
        selected, chosen, places = choice.select(args, kwargs)
        problem = Problem(
            operation, selected, chosen, has_aux=has_aux, labels=places, pack=choice.pack
        )
        value, error = _columns(problem, method, step)
        return Difference(problem.assemble(value), problem.assemble(error), problem.evaluations)

    return function


def _columns(problem: Problem, method: str, step: float | None) -> tuple[Array, Array]:
    """The Jacobian and its error, column by column."""
    x = problem.vector
    here = problem.at(x)
    scales = np.concatenate([
        scale_of(x[part]) for part in problem.parts
    ]) if x.size else x  # fmt: skip
    value = np.zeros((here.size, x.size), np.result_type(here, x))
    error = np.zeros((here.size, x.size))
    for j in range(x.size):

        def curve(h: float, j: int = j) -> Array:
            moved = x.copy()
            moved[j] += h
            return problem.at(moved)

        value[:, j], error[:, j] = _slope(problem, curve, here, method, float(scales[j]), step)
    return value, error


def _slope(
    problem: Problem,
    curve: differences.Curve,
    here: Array,
    method: str,
    scale: float,
    step: float | None,
) -> tuple[Array, Array]:
    """The derivative along one line, and its error."""
    precision = _precision(problem)
    noise = precision * np.abs(here)
    with np.errstate(all="ignore"):
        if method == "forward":
            found, error = _settled(curve, here, noise, _forward, precision**0.5 * scale, step)
        else:
            h = power_of_two(precision ** (1 / 3) * scale)
            if method == "central":
                found, error = _settled(curve, here, noise, _central, h, step)
            else:
                longest = step or power_of_two(REACH * scale)
                near = _central(curve, here, min(h, longest))
                found, error = _extrapolated(curve, longest, precision, near, here, h)
            bent = _is_bent(curve, here, noise, h if step is None else min(h, step))
            if np.any(bent):
                _refuse(problem, "has slopes that differ from side to side", np.argmax(bent))
    if not np.all(np.isfinite(error)):
        _refuse(problem, "has no finite difference quotients", np.argmax(~np.isfinite(error)))
    return found, error


Quotients = Callable[[differences.Curve, Array, float], tuple[Array, Array]]


def _forward(curve: differences.Curve, here: Array, h: float) -> tuple[Array, Array]:
    """The quotient of a step, and how far it is from that of a step twice as long."""
    one, two = [(curve(k * h) - here) / (k * h) for k in (1, 2)]
    return one, np.abs(one - two)


def _central(curve: differences.Curve, here: Array, h: float) -> tuple[Array, Array]:
    """The same from both sides, where the error is a third of the distance."""
    one, two = [(curve(k * h) - curve(-k * h)) / (2 * k * h) for k in (1, 2)]
    return one, np.abs(one - two) / 3


def _settled(
    curve: differences.Curve,
    here: Array,
    noise: Array,
    quotients: Quotients,
    h: float,
    step: float | None,
) -> tuple[Array, Array]:
    """The quotient of a good step, and its error: shorter than h, while truncation is the larger
    part of the error.
    """
    h = step or power_of_two(h)
    found, truncation = quotients(curve, here, h)
    error = truncation + 2 * noise / h
    for _ in range(_SHORTER if step is None else 0):
        if not np.any(truncation > 16 * noise / h):
            break
        h /= 8
        again, truncation = quotients(curve, here, h)
        due = truncation + 2 * noise / h
        better = due < error
        if not np.any(better):
            break
        found, error = np.where(better, again, found), np.where(better, due, error)
    return found, error


def _extrapolated(
    curve: differences.Curve,
    longest: float,
    precision: float,
    near: tuple[Array, Array],
    here: Array,
    h: float,
) -> tuple[Array, Array]:
    """The extrapolated quotient and its error. It starts with long steps, between which there may
    be a kink: so it must agree with a quotient of a short step, or shorter ones are taken.
    """
    rounding, measured = precision * np.abs(here) / h, False
    for _ in range(_STARTS):
        found, error, _ = differences.richardson(curve, longest, precision=precision)
        wrong = _disagree(found, error, near, rounding)
        if np.any(wrong) and not measured:
            rounding, measured = np.maximum(rounding, _measured_noise(curve, here, h)[0] / h), True
            wrong = _disagree(found, error, near, rounding)
        if not np.any(wrong):
            return found, error
        longest /= 128
    return np.where(wrong, near[0], found), np.where(wrong, near[1] + rounding, error)


def _disagree(found: Array, error: Array, near: tuple[Array, Array], rounding: Array) -> Array:
    bar = 4 * (error + near[1] + rounding)
    return np.asarray(~(np.abs(found - near[0]) <= bar) & np.isfinite(near[0]))


def _is_bent(curve: differences.Curve, here: Array, noise: Array, h: float) -> Array:
    """Where slopes from both sides differ: a smooth function bends four times as far at twice the
    distance, at a kink twice as far.
    """
    far, near = [np.abs(curve(k * h) + curve(-k * h) - 2 * here) for k in (2, 1)]
    bent = (near > _NOISE * noise) & (far < 3 * near)
    if np.any(bent):
        # Roundings of the function itself may look like this: ask nearer to the point.
        nearest = np.abs(curve(h / 2) + curve(-h / 2) - 2 * here)
        bent &= (nearest > _NOISE * noise) & (3 * nearest > near)
    if np.any(bent):
        # Large numbers that cancel in the function leave rounding errors that its result does not
        # show: measure them.
        measured, reach = _measured_noise(curve, here, h)
        fine = measured <= np.maximum(1e-3 * reach, 2.0**-30 * np.max(np.abs(here), initial=0))
        bent &= ~fine | (near > _NOISE * measured)
    return np.asarray(bent)


def _measured_noise(curve: differences.Curve, here: Array, h: float) -> tuple[Array, Array]:
    """The rounding errors of the results, and how far those move: a smooth function has tiny fourth
    differences, and on one side of a kink or a jump it is smooth.

    What is left of large numbers that cancelled ends in zero bits, which tell the errors too.

    Source: More and Wild, "Estimating computational noise", SIAM Journal on Scientific Computing 33
    (2011).
    """
    largest, reach, last = np.zeros(here.shape), np.zeros(here.shape), np.full(here.shape, np.inf)
    for side in (0.73 * h, -0.73 * h):  # no powers of two, for which roundings may be the same
        values = np.stack([curve(side * k) for k in range(1, 8)])
        largest = np.maximum(largest, np.max(np.abs(np.diff(values, 4, axis=0)), axis=0))
        reach = np.maximum(reach, np.ptp(np.abs(values - here), axis=0))
        last = np.minimum(last, np.min(_last_bit(values), axis=0))
    return np.maximum(largest / np.sqrt(70.0), np.where(last < 1e-6 * reach, last, 0.0)), reach


def _last_bit(values: Array) -> Array:
    """What the last bit of each number is worth that is not zero."""
    parts = (values.real, values.imag) if values.dtype.kind == "c" else (values,)
    found = np.full(values.shape, np.inf)
    for x in parts:
        fraction, exponent = np.frexp(np.where(np.isfinite(x), x, 0.0).astype(float))
        digits = (fraction * 2.0**53).astype(np.int64)
        bit = np.ldexp((digits & -digits).astype(float), exponent - 53)
        found = np.minimum(found, np.where(bit > 0, bit, np.inf))
    return found


def _refuse(problem: Problem, what: str, row: Any) -> None:
    """Raise the error for a point without a derivative."""
    step = find_kink(problem)
    raise NonSmoothError(
        f"{problem.operation}: number {int(row)} of the result {what}, so finite differences "
        "have no limit at this point.",
        got=None if step is None else f"a kink, a jump or an edge in: {step.text}",
        fix='another point; or mode="forward" or "reverse", which take a derivative between both '
        "sides' at a kink",
        source=None if step is None else step.source,
    )


def _precision(problem: Problem) -> float:
    """The relative rounding error of the results: of single precision, where they have it."""
    kinds = [a.dtype for a in problem.out_avals]
    double = all([a.dtype.itemsize > 4 for a in problem.in_avals])
    if double and any([k in (np.float32, np.complex64) for k in kinds]):
        return 2.0**-23
    return 2.0**-52


def power_of_two(h: float) -> float:
    """The power of two that is nearest."""
    return float(2.0 ** np.rint(np.log2(h)))


def _matrix(problem: Problem) -> Array:
    return _columns(problem, "richardson", None)[0]


def _along(problem: Problem, direction: Array) -> Array:
    """The derivative in one direction."""
    x = problem.vector
    here = problem.at(x)
    size = float(np.max(np.abs(direction) / scale_of(x), initial=0)) or 1.0
    curve = partial(_moved, problem, x, direction)
    return _slope(problem, curve, here, "richardson", 1 / size, None)[0]


def _moved(problem: Problem, x: Array, direction: Array, h: float) -> Array:
    return problem.at(x + h * direction)


FINITE: Final = Engine("finite", _matrix, jvp=_along, takes_complex=True)
