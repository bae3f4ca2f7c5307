"""Values without derivative: `stop_gradient`, the identity whose tangent is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import tree
from ...core.primitives.values import stop_gradient_p
from ...core.source import boundary
from ...core.storage import current
from ...core.tracing import Tracer

__all__ = ["stop_gradient"]


@boundary
def stop_gradient(x: Any) -> Any:
    """The same values, through which no derivative flows.

    Args:
        x: a tree. Leaves that are no arrays (text, functions ...) stay as they are.

    Returns:
        The tree with the same values; its arrays are copies. In `grad` and `jvp` they are plain
        arrays, in `vmap` and `make_program` they are traced on.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
        np.float64(3.0)
    """
    return tree.map(_stop, x)


def _stop(x: Any) -> Any:
    x = current(x)
    if isinstance(x, np.ndarray | Tracer):
        return stop_gradient_p.bind(x)
    return x
