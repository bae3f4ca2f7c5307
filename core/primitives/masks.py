"""Masks: where they are True, and what is made of that.

How many elements are True decides the shape of the result. So the values must be concrete; or of a
batch that splits by the number of True elements, in which members with different places go on
together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..aval import Array
from ..dispatch import implements
from ..errors import ConcretizationError
from ..tracing import Tracer
from .elementwise import as_array

Refusal: TypeAlias = Callable[[Tracer], ConcretizationError]


def places_of(mask: Array, refusal: Refusal) -> tuple[Array, ...]:
    """The indices of the True elements; the error, where a mask has no values and how many of them
    are True cannot be decided.
    """
    if not isinstance(mask, Tracer):
        return np.nonzero(mask)
    return _places_of_traced(mask, refusal)


def _places_of_traced(mask: Any, refusal: Refusal) -> tuple[Array, ...]:
    count = np.sum(mask)
    try:
        n = int(count.decided())
    except ConcretizationError:
        raise refusal(mask) from None
    order = np.argsort(~np.ravel(mask), kind="stable")[:n]
    found: tuple[Array, ...] = np.unravel_index(order, mask.shape)
    return found


def refused_mask(mask: Tracer) -> ConcretizationError:
    """The error for a mask that has no values."""
    return ConcretizationError(
        "a boolean mask between the brackets must be concrete, because it decides the shape of the "
        "result.",
        got=f"a mask of {mask!r}",
        fix=mask.remedy() + "use np.where(mask, x, other), or multiply by the mask",
    )


@implements(np.nonzero)
def nonzero(a: Array) -> Any:
    """`np.nonzero` on traced values: plain index arrays, where the values are concrete."""
    mask: Any = as_array(a, "np.nonzero") != 0
    if not mask.shape and isinstance(mask, Tracer) and mask.decides:
        raise ValueError("np.nonzero: the array must have at least one axis")

    def refusal(mask: Tracer) -> ConcretizationError:
        return ConcretizationError(
            "np.nonzero, and np.where with one argument, need concrete values: they decide the "
            "shape of the result.",
            got=repr(a),
            fix=mask.remedy() + "use np.where(condition, x, y) with three arguments",
        )

    return places_of(mask, refusal)


@implements(np.flatnonzero)
def flatnonzero(a: Array) -> Any:
    """`np.flatnonzero` on traced values."""
    return np.nonzero(np.ravel(a))[0]


@implements(np.argwhere)
def argwhere(a: Array) -> Any:
    """`np.argwhere` on traced values."""
    if np.ndim(a) == 0:
        return argwhere(np.atleast_1d(a))[:, :0]
    return np.stack(np.nonzero(a), axis=1)
