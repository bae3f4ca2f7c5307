"""Is a function linear, and if not, what breaks it? `check_linear : f, args -> report`.

The function is traced to a program, and the program is read equation by equation (`linearity.py`).
Whether an affine function has a constant part is told by its value at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ...core.errors import (
    ArrayConversionError,
    ConcretizationError,
    ConvergenceError,
    DtypeError,
    MissingRuleError,
    UnsupportedError,
)
from ...core.ir import Program, evaluate
from ...core.source import Source, boundary, describe_function
from ...core.tracing import Tracer
from ...core.tree import is_static_leaf
from ..api import flatten_arguments, plain_output, spread
from ..arguments import Choice
from ..program import make_program
from .linearity import AFFINE, LINEAR, NONLINEAR, REAL_LINEAR, linearity_of_program
from .spaces import Space

__all__ = ["LinearityReport", "check_linear", "function_of_space", "report_of"]

UNKNOWN: Final = "not known to be linear"


class LinearityReport:
    """What `check_linear` found. True as a condition if the function is linear.

    Args:
        function: the name of the function.
        kind: "linear", "affine", "linear over the reals alone", "nonlinear"; or "not known to be
            linear", where an operation cannot be traced.
        why: what breaks linearity, in words; empty for a linear function.
        equation: the equation that does, as it stands in the printed program; empty where the
            program does not get so far.
        source: the user's line that it comes from; None where it is not known.
        constant: for an affine function its value at zero, and None for others.
        program: the program of the function; None where there is none.
    """

    __slots__ = ("constant", "equation", "function", "kind", "program", "source", "why")

    def __init__(
        self,
        function: str,
        kind: str,
        why: str = "",
        equation: str = "",
        source: Source | None = None,
        constant: Any = None,
        program: Program | None = None,
    ) -> None:
        self.function = function
        self.kind = kind
        self.why = why
        self.equation = equation
        self.source = source
        self.constant = constant
        self.program = program

    def __bool__(self) -> bool:
        return self.kind == LINEAR

    def __repr__(self) -> str:
        if self:
            return f"{self.function} is linear."
        head = {NONLINEAR: "not linear", AFFINE: "affine, not linear"}.get(self.kind, self.kind)
        lines = [f"{self.function} is {head}: {self.why}."]
        if self.equation:
            lines.append(f"  equation: {self.equation}")
        if self.source is not None:
            lines.append(f"  at:       {self.source}")
        if self.kind == AFFINE:
            text = "not known" if self.constant is None else repr(self.constant)
            lines.append(f"  the constant part is {text}")
        return "\n".join(lines)


@boundary
def check_linear(
    fun: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] | None = None,
    argnames: str | Sequence[str] | None = None,
    over: str | None = None,
    **kwargs: Any,
) -> LinearityReport:
    """Tell whether a function is linear, and what breaks it if not.

    It is told by the operations: what is reported as linear is so. A function like
    `abs(x) * sign(x)`, which is linear though its operations are not, is reported as nonlinear.

    Args:
        fun: a function of trees of arrays.
        args: arrays, or anything with `shape` and `dtype`, that give the types of the arguments.
            Leaves that are not of floats or complex numbers reach `fun` as they are.
        argnums: positions of the arguments in which it is to be linear, all together, while the
            others are fixed; all of them, if neither `argnums` nor `argnames` is given.
        argnames: names of such arguments.
        over: "real" or "complex": with "real", functions like `np.conj` and `np.real` count as
            linear. When left out, "complex" if all leaves of the arguments are.
        kwargs: further arguments of `fun`.

    Returns:
        A report, true or false as a condition, which prints what breaks linearity: the equation of
        the program, the user's line, and the constant part of an affine function.

    Raises:
        DtypeError: if no argument is of floats or complex numbers, or `over` is something else.
        Exception: what `fun` itself raises.

    Example:
        >>> import numpy as np, wengert as wg
        >>> bool(wg.check_linear(lambda x: 3.0 * x[::-1], np.zeros(3)))
        True
        >>> report = wg.check_linear(lambda x: x + 1.0, np.zeros(2))
        >>> report.kind, report.constant, report.equation
        ('affine', array([1., 1.]), 'b: f64[2] = add a 1.0')
        >>> wg.check_linear(lambda x, y: x * y, 2.0, 3.0).why
        "'mul' multiplies two values that both depend on the argument"
        >>> bool(wg.check_linear(lambda x, y: x * y, 2.0, 3.0, argnums=0))
        True
    """
    name = describe_function(fun)
    operation = f"check_linear of {name}"
    flat, space = function_of_space(operation, fun, args, kwargs, argnums, argnames)
    if over not in (None, "real", "complex"):
        raise DtypeError(
            f"{operation}: no such field.", got=f"over={over!r}", needed='"real" or "complex"'
        )
    return report_of(name, flat, space, over or ("complex" if space.kind == "complex" else "real"))


def function_of_space(
    operation: str,
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    argnums: int | Sequence[int] | None,
    argnames: str | Sequence[str] | None,
) -> tuple[Callable[..., Any], Space]:
    """The function of the leaves in which it may be linear, and their space; with one chosen
    argument its tree is the space's, and else the tuple of them.
    """
    if argnums is None and argnames is None:
        argnums = 0 if len(args) == 1 else tuple(range(len(args)))
    choice = Choice(operation, fun, argnums, argnames)
    selected, chosen, _ = choice.select(args, kwargs)
    leaves, treedef = tree.flatten(chosen)
    space = Space.around(operation, choice.pack(chosen))
    active = [i for i, x in enumerate(leaves) if _is_inexact(x)]
    if not active:
        flatten_arguments(operation, chosen)
        raise DtypeError(
            f"{operation}: the argument must be of floats or complex numbers.",
            got=", ".join([repr(x) for x in leaves]) or "nothing",
            fix="pass floats, 2.0 instead of 2; or choose another argument by argnums",
        )

    def flat(*xs: Array) -> Any:
        given = spread(treedef, active, xs)
        full = [x if i in active else v for i, (x, v) in enumerate(zip(given, leaves, strict=True))]
        return selected(*tree.unflatten(treedef, full))

    flat.__name__ = name = getattr(selected, "__name__", "f")
    flat.__qualname__ = name
    flat.__wrapped__ = fun  # type: ignore[attr-defined]  # so that messages name the user's function
    return flat, space


def _is_inexact(x: Any) -> bool:
    if is_static_leaf(x):
        return False
    dtype = x.dtype if hasattr(x, "dtype") else np.result_type(x)
    return dtype.kind in "fc"


def report_of(name: str, flat: Callable[..., Any], space: Space, over: str) -> LinearityReport:
    """The report on a function of leaves."""
    try:
        program = make_program(flat)(*space.avals)
    except (ConcretizationError, ArrayConversionError) as error:
        why = "what it does depends on the value of the argument"
        return LinearityReport(name, NONLINEAR, why, source=error.source)
    except (UnsupportedError, MissingRuleError) as error:
        return LinearityReport(
            name, UNKNOWN, str(error).partition("\n")[0].rstrip("."), source=error.source
        )
    kind, cause, real_only = linearity_of_program(program, over)
    constant = None
    if kind == AFFINE:
        constant, is_zero = _value_at_zero(program, space)
        if is_zero:  # an affine function without a constant part is linear
            kind, cause = LINEAR if real_only is None else REAL_LINEAR, real_only
    if kind == REAL_LINEAR and _commutes_with_i(program, space):
        kind = LINEAR
    if kind == LINEAR:
        return LinearityReport(name, LINEAR, program=program)
    assert cause is not None
    source = None if cause.equation is None else cause.equation.source
    return LinearityReport(name, kind, cause.why, cause.text, source, constant, program)


def _value_at_zero(program: Program, space: Space) -> tuple[Any, bool]:
    """The constant part of an affine program, and whether it is zero; None if it is not known."""
    with np.errstate(all="ignore"):
        try:
            found = evaluate(program, *space.zeros())
        except (ConvergenceError, np.linalg.LinAlgError):  # zero is no point of the function
            return None, False
    if any([isinstance(y, Tracer) for y in found]):
        return None, False
    is_zero = not any([np.any(y) for y in found])
    return tree.unflatten(program.out_tree, [plain_output(y) for y in found]), is_zero


def _commutes_with_i(program: Program, space: Space) -> bool:
    """True if a map that is linear over the reals is seen to be linear over the complex numbers."""
    if space.kind != "complex":
        return False
    rng = np.random.default_rng(0)
    v = rng.normal(size=space.size) + 1j * rng.normal(size=space.size)
    once = evaluate(program, *space.unflat(v))
    turned = evaluate(program, *space.unflat(1j * v))
    if any([isinstance(y, Tracer) for y in (*once, *turned)]):
        return False
    tolerance = max([float(np.finfo(aval.dtype).eps) for aval in space.avals]) ** 0.5
    return all([
        np.all(np.abs(b - 1j * a) <= tolerance * np.max(np.abs(a), initial=0.0))
        for a, b in zip(once, turned, strict=True)
    ])  # fmt: skip
