"""`scipy.special` on traced values: importing this defines all its primitives."""

from __future__ import annotations

from . import (
    special_bessel,
    special_elementary,
    special_error,
    special_hyper,
    special_integrals,
    special_polynomials,
    special_waves,
    special_gamma,
    special_incomplete,
)

__all__ = [
    "special_gamma",
    "special_incomplete",
]
