"""NumPy's linear algebra, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import numpy as _np

from ..core.primitives.contractions import linalg_outer as outer
from ..core.primitives.linalg import cholesky as cholesky
from ..core.primitives.linalg import det as det
from ..core.primitives.linalg import inv as inv
from ..core.primitives.linalg import matrix_norm as matrix_norm
from ..core.primitives.linalg import norm as norm
from ..core.primitives.linalg import slogdet as slogdet
from ..core.primitives.linalg import solve as solve
from ..core.primitives.linalg import vector_norm as vector_norm

__all__ = [
    "cholesky",
    "det",
    "inv",
    "matrix_norm",
    "norm",
    "outer",
    "slogdet",
    "solve",
    "vector_norm",
]


def __getattr__(name: str) -> Any:
    # The rest of NumPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_np.linalg, name)
