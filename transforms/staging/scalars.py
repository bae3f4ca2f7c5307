"""Scalars as Python floats: operations on numbers with Python's operators and `math`.

They cost a fifth of what NumPy's scalars do. Where `math` raises, NumPy has an infinity, a NaN and
a warning: then the whole function runs again, with NumPy's scalars (see `emit.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import ShapedArray
from ...core.ir import Equation, Literal

__all__ = ["RAISED", "is_float", "scalar_text"]

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


def scalar_text(e: Equation) -> tuple[str, dict[str, Any]] | None:
    """The expression for an operation on float64 numbers, and what it refers to; or None."""
    name = e.primitive.name
    operands: Sequence[Any] = e.inputs[1:] if name == "where" else e.inputs
    if e.params or e.primitive.multiple_results or e.outputs[0].aval.shape:
        return None
    for a in operands:
        if isinstance(a, Literal):
            if type(a.value) not in (float, int, np.float64):
                return None
        elif not is_float(a.aval):
            return None
    if all([isinstance(a, Literal) for a in operands]):
        return None
    if name == "where":
        condition = e.inputs[0].aval
        if condition.shape or condition.dtype.kind != "b":
            return None
        return "{1} if {0} else {2}", {}
    if name in _OPERATORS:
        return _OPERATORS[name], {}
    function = _MATH.get(name)
    if function is None:
        return None
    text = f"{function.__name__}_of"  # NumPy's function of arrays has the short name
    names = ", ".join([f"{{{i}}}" for i in range(len(operands))])
    return f"{text}({names})", {text: function}
