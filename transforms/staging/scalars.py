"""Scalars as Python floats: operations on numbers with Python's operators and `math`.

They cost a fifth of what NumPy's scalars do. Where Python raises, NumPy has an infinity, a NaN and
a warning: then the whole function runs again, with NumPy's scalars (see `emit.py`). Where sums,
products and quotients overflow, Python has NumPy's infinity or NaN, but no warning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Equation, Literal, Program, Var

__all__ = ["MATH_NAMES", "RAISED", "computed_with", "is_float", "scalar_text"]

RAISED: Final = (ZeroDivisionError, OverflowError, ValueError)
"""What Python's arithmetic and `math` raise, where NumPy has a result."""

_FLOAT64: Final = np.dtype(np.float64)

_OPERATORS: Final = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "positive": "{0}",
    "square": "{0} * {0}",
    "reciprocal": "1.0 / {0}",
    "abs": "abs({0})",
    "fabs": "abs({0})",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
}

_MATH: Final = {
    "pow": math.pow,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "log1p": math.log1p,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "arctan2": math.atan2,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "arcsinh": math.asinh,
    "arccosh": math.acosh,
    "arctanh": math.atanh,
    "hypot": math.hypot,
    "copysign": math.copysign,
}


MATH_NAMES: Final = tuple([f.__name__ for f in _MATH.values()])


def is_float(aval: ShapedArray) -> bool:
    """True for the type of one float64."""
    return not aval.shape and aval.dtype == _FLOAT64


_TEXTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    **{name: (text, {}) for name, text in _OPERATORS.items()},
    # NumPy's functions of arrays have the short names.
    **{name: (f"{f.__name__}_of({{0}})", {f"{f.__name__}_of": f}) for name, f in _MATH.items()},
    **{
        name: (f"{f.__name__}_of({{0}}, {{1}})", {f"{f.__name__}_of": f})
        for name, f in _MATH.items()
        if name in ("pow", "arctan2", "hypot", "copysign")
    },
    "where": ("{1} if {0} else {2}", {}),
}


def scalar_text(e: Equation) -> tuple[str, dict[str, Any]] | None:
    """The expression for an operation on float64 numbers, and what it refers to; or None."""
    name = e.primitive.name
    found = _TEXTS.get(name)
    if found is None or e.params or e.outputs[0].aval.shape:
        return None
    operands: Sequence[Any] = e.inputs
    if name == "where":
        condition = e.inputs[0].aval
        if condition.shape or condition.dtype.kind != "b":
            return None
        operands = e.inputs[1:]
    variable = False
    for a in operands:
        if type(a) is Literal:
            if type(a.value) not in (float, int, np.float64):
                return None
        elif is_float(a.aval):
            variable = True
        else:
            return None
    return found if variable else None


def computed_with(program: Program) -> set[Var]:
    """The variables that a program computes with in Python's arithmetic."""
    found: set[Var] = set()
    for e in program.equations:
        if scalar_text(e) is not None:
            found.update([a for a in e.inputs if type(a) is Var])
    return found
