"""Views: which traced arrays would share memory in NumPy, so that a write to one reaches the
others.

`view` applies an operation whose result is a view and remembers, weakly, what is a view of what.
Nothing more happens until one of the two is written to; see `storage.py`.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import ref

from .aval import Array
from .tracing import WRITTEN, Primitive, Tracer

__all__ = ["READ_ONLY", "link", "read_only", "view"]

READ_ONLY: Final = "read-only"
"""The base of a view that NumPy does not let one write to."""


def view(primitive: Primitive, x: Array, **params: Any) -> Array:
    """Apply an operation whose result shares the memory of `x` in NumPy."""
    if not isinstance(x, Tracer):
        return primitive.impl(x, **params)
    y = x._trace.process(primitive, (x,), params)
    if isinstance(y, Tracer):
        link(y, x, primitive, params)
    return y


def link(y: Array, x: Array, primitive: Primitive, params: dict[str, Any]) -> None:
    """Remember that the tracer `y` is a view of `x`."""
    if y is x or y._trace.number == WRITTEN or not y.shape:
        return
    y._base = (x, primitive, params)
    try:
        views = x._views
    except AttributeError:
        x._views = [ref(y)]
        return
    views.append(ref(y))
    n = len(views)
    if n & (n - 1) == 0:  # at powers of two, forget those that are gone
        views[:] = [r for r in views if r() is not None]


def read_only(y: Array) -> Array:
    """Mark a result that NumPy does not let one write to."""
    if isinstance(y, Tracer):
        y._base = READ_ONLY
    return y
