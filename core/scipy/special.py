"""`scipy.special` on traced values: importing this defines all its primitives."""

from __future__ import annotations

from . import (
    special_bessel,
    special_distributions,
    special_elementary,
    special_error,
    special_functions,
    special_gamma,
    special_hyper,
    special_incomplete,
    special_integrals,
    special_polynomials,
    special_waves,
)

__all__ = [
    "special_bessel",
    "special_distributions",
    "special_elementary",
    "special_error",
    "special_functions",
    "special_gamma",
    "special_hyper",
    "special_incomplete",
    "special_integrals",
    "special_polynomials",
    "special_waves",
]
