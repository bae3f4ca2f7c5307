"""The complex step: f(x + ih) = f(x) + ih f'(x) + O(h^2), so Im f(x + ih) / h is the derivative.

No difference is taken, nothing cancels, and the step is so small that the error is that of
rounding. It is only right for analytic functions: real parts, absolute values and comparisons would
give wrong numbers silently. So the function runs once under observation, and each operation on
complex numbers is checked: it must not compare, and its derivative must be complex-linear (the
Cauchy-Riemann equations).

Source: Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
Review 40 (1998).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, aval_of
from ...core.differences import scale_of
from ...core.errors import NonAnalyticError, WengertError
from ...core.source import Source, is_library_frame
from ...core.tree import is_static_leaf
from ..custom.custom_apply import apply, custom_call_p
from ..jvp import jvp
from ..observed import Step
from .kinks import find_kink, observe
from .problem import Problem
from .table import Engine

__all__ = ["COMPLEX_STEP", "check_analytic"]

_STEP: Final = 2.0**-100
_LARGE: Final = 2.0**-20
"""The step with which operations are observed: imaginary parts must not get lost."""

_COMPARING: Final = frozenset([
    "argmax", "argmin", "argpartition", "argsort", "equal", "fmax", "fmin", "greater",
    "greater_equal", "less", "less_equal", "maximum", "minimum", "not_equal", "partition",
    "reduce_max", "reduce_min", "sort", "sign", "angle", "imag",
])  # fmt: skip


def _columns(problem: Problem) -> Array:
    """The Jacobian, column by column."""
    problem.check_real("complex-step")
    x = problem.vector
    check_analytic(problem)
    _check_slope(problem)
    found = np.zeros((problem.out_size, x.size))
    steps = _STEP * scale_of(x)
    for j in range(x.size):
        moved = x.astype(complex)
        moved[j] += 1j * steps[j]
        found[:, j] = _imaginary(problem, moved) / steps[j]
    return found


def _along(problem: Problem, direction: Array) -> Array:
    """The derivative in one direction."""
    problem.check_real("complex-step")
    x = problem.vector
    check_analytic(problem)
    _check_slope(problem)
    h = _STEP / (float(np.max(np.abs(direction) / scale_of(x), initial=0)) or 1.0)
    found: Array = _imaginary(problem, x + 1j * h * direction) / h
    return found


def _check_slope(problem: Problem) -> None:
    """Raise NonAnalyticError where imaginary parts do not shrink with the step: at singular points,
    and on branches where the real function is NaN.
    """
    x = problem.vector
    steps = _STEP * scale_of(x) * np.random.default_rng(1).uniform(0.5, 1.0, x.shape)
    with np.errstate(all="ignore"):
        whole, half = [_imaginary(problem, x + 1j * h) for h in (steps, steps / 2)]
    # Where the first derivative is zero they shrink faster.
    wrong = (np.abs(whole) < (2 - 1e-6) * np.abs(half)) | (np.sign(whole) * np.sign(half) < 0)
    if np.any(wrong):
        step = find_kink(problem)
        raise NonAnalyticError(
            f"{problem.operation}: number {int(np.argmax(wrong))} of the result is not analytic at "
            "this point, so the complex step would give a wrong number.",
            got=None if step is None else f"a singular point in: {step.text}",
            fix='another point; or mode="forward" or "reverse"',
            source=None if step is None else step.source,
        )


def _imaginary(problem: Problem, z: Array) -> Array:
    """The imaginary part of the result; an error for what loses it, or takes no complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            found: Array = problem.at(z).imag
            return found
    except WengertError:
        raise
    except (TypeError, np.exceptions.ComplexWarning) as error:
        text = str(error).partition("\n")[0]
        raise NonAnalyticError(
            f"{problem.operation}: the function does not take complex numbers, so the complex step "
            "can't be taken.",
            got=f"{type(error).__name__}: {text}",
            needed="an analytic function, with complex arrays where results are written",
            fix='mode="forward" or mode="finite"',
            source=_raised_at(error),
        ) from error


def _raised_at(error: BaseException) -> Source | None:
    """The user's line in which an error came up."""
    found, traceback = None, error.__traceback__
    while traceback is not None:
        if not is_library_frame(traceback.tb_frame):
            found = Source(traceback.tb_frame.f_code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return found


def check_analytic(problem: Problem) -> None:
    """Raise NonAnalyticError if an operation of the function is not analytic at the point."""
    for aval in problem.out_avals:
        if aval.dtype.kind == "c":
            raise NonAnalyticError(
                f"{problem.operation}: the result is complex, so its imaginary part does not tell "
                "the derivative.",
                got=repr(aval),
                needed="a real function",
                fix='mode="forward"; or return real and imaginary part as two results',
            )
    x = problem.vector
    wiggle = np.random.default_rng(0).uniform(0.5, 1.0, x.shape)
    checked: set[Any] = set()
    for step in observe(problem, x + 1j * _LARGE * scale_of(x) * wiggle):
        moving = [
            i
            for i, (v, on) in enumerate(zip(step.values, step.active, strict=True))
            if on and aval_of(v).dtype.kind == "c"
        ]
        if not moving or (not step.params and step.primitive in checked):
            continue
        why = _why_not(step, moving)
        if why is not None:
            raise NonAnalyticError(
                f"{problem.operation}: {step.name} is not analytic, so the complex step would give "
                "a wrong number.",
                got=f"{step.text}  ({why})",
                needed="operations without abs, conj, real, imag and comparisons",
                fix='mode="forward" or mode="finite"',
                source=step.source,
            )
        if step.primitive is not custom_call_p:
            checked.add(step.primitive)


def _why_not(step: Step, moving: Sequence[int]) -> str | None:
    """Why an operation is not analytic; None if it is."""
    name = step.primitive.name
    if name in _COMPARING:
        return "it looks at real and imaginary parts"
    rng = np.random.default_rng(0)
    ts = [_draw(rng, step.values[i]) for i in moving]
    f = _function(step, moving)
    with np.errstate(all="ignore"):
        xs = [step.values[i] for i in moving]
        _, along = jvp(f, xs, ts)
        _, across = jvp(f, xs, [1j * t for t in ts])
    for a, b in zip(along, across, strict=True):
        if aval_of(a).dtype.kind not in "fc":
            continue
        scale = np.max(np.abs(a), initial=0) + np.max(np.abs(b), initial=0)
        if not np.all(np.abs(1j * a - b) <= 1e-8 * scale):
            return "its derivative is not complex-linear"
    return None


def _draw(rng: np.random.Generator, x: Array) -> Array:
    shape = np.shape(x)
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))[()]


def _function(step: Step, moving: Sequence[int]) -> Callable[..., list[Array]]:
    """The operation as a function of its complex operands."""

    def f(*xs: Array) -> list[Array]:
        values = list(step.values)
        for i, x in zip(moving, xs, strict=True):
            values[i] = x
        if step.primitive is custom_call_p:
            return [y for y in apply(step.params["rules"], values)[0] if not is_static_leaf(y)]
        y = step.primitive.bind(*values, **step.params)
        return list(y) if step.primitive.multiple_results else [y]

    return f


COMPLEX_STEP: Final = Engine("complex-step", _columns, jvp=_along, complex_gradient=True)
