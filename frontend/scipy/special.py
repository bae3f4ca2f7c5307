"""`scipy.special`, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import scipy.special as _scipy

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_scipy, name)
