"""`scipy.special` on traced values: importing this defines all its primitives."""

from __future__ import annotations

from . import (
    special_gamma,
    special_incomplete,
)

__all__ = [
    "special_gamma",
    "special_incomplete",
]
