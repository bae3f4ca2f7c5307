"""What is known of a traced value while the function runs: its plain value, where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..aval import Array
from ..errors import ConcretizationError
from ..rules import zero_derivative
from ..tracing import Primitive, Tracer

value_p: Primitive = zero_derivative(
    "value",
    lambda x: x,
    shape=lambda x: x,
    batch=lambda size, batched, x: value_p.bind(x),
)
"""The value alone, without derivative."""


def _copied(x: Array) -> Array:
    # The function may write to its result, and the array that it was given must not change.
    return x.copy(order="K") if type(x) is np.ndarray else x


stop_gradient_p: Primitive = zero_derivative(
    "stop_gradient",
    _copied,
    shape=lambda x: x,
    batch=lambda size, batched, x: stop_gradient_p.bind(x),
)
"""The value without derivative, as the user asks for it: an array of its own."""


def plain_value(x: Array, operation: str, why: str) -> Any:
    """The plain value of an operand; a ConcretizationError where vmap or a program has none."""
    y = value_p.bind(x)
    if not isinstance(y, Tracer):
        return y
    try:
        return y.decided()
    except ConcretizationError:
        raise ConcretizationError(
            f"{operation} needs concrete values: they decide {why}.",
            got=repr(x),
            fix=y.remedy()
            + "call it outside of vmap and make_program, or write it with np.where and masks, "
            "whose results have fixed shapes",
        ) from None


def value_to_count(x: Array, operation: str, why: str) -> Array:
    """`plain_value`; or a tracer without derivative, of a batch that splits by what is counted."""
    y = value_p.bind(x)
    if isinstance(y, Tracer) and y.decides:
        return y
    return plain_value(x, operation, why)


def certain(condition: Array) -> bool:
    """True if something is known to be so somewhere; False also where nothing is known."""
    return not isinstance(condition, Tracer) and bool(np.any(condition))
