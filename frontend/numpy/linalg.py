"""NumPy's linear algebra, for traced and plain values alike."""

from __future__ import annotations

from typing import Any

import numpy as _np

from ..core.primitives.contractions import linalg_outer as outer
from ..core.primitives.decompositions import cholesky as cholesky
from ..core.primitives.decompositions import eig as eig
from ..core.primitives.decompositions import eigh as eigh
from ..core.primitives.decompositions import eigvals as eigvals
from ..core.primitives.decompositions import eigvalsh as eigvalsh
from ..core.primitives.decompositions import qr as qr
from ..core.primitives.determinants import det as det
from ..core.primitives.determinants import slogdet as slogdet
from ..core.primitives.linalg import inv as inv
from ..core.primitives.linalg import linalg_cross as cross
from ..core.primitives.linalg import linalg_diagonal as diagonal
from ..core.primitives.linalg import linalg_matmul as matmul
from ..core.primitives.linalg import linalg_matrix_transpose as matrix_transpose
from ..core.primitives.linalg import linalg_tensordot as tensordot
from ..core.primitives.linalg import linalg_trace as trace
from ..core.primitives.linalg import linalg_vecdot as vecdot
from ..core.primitives.linalg import matrix_power as matrix_power
from ..core.primitives.linalg import multi_dot as multi_dot
from ..core.primitives.linalg import solve as solve
from ..core.primitives.linalg import tensorinv as tensorinv
from ..core.primitives.linalg import tensorsolve as tensorsolve
from ..core.primitives.norms import cond as cond
from ..core.primitives.norms import matrix_norm as matrix_norm
from ..core.primitives.norms import norm as norm
from ..core.primitives.norms import vector_norm as vector_norm
from ..core.primitives.singular import lstsq as lstsq
from ..core.primitives.singular import matrix_rank as matrix_rank
from ..core.primitives.singular import pinv as pinv
from ..core.primitives.singular import svd as svd
from ..core.primitives.singular import svdvals as svdvals

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]


def __getattr__(name: str) -> Any:
    # The rest of NumPy's: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_np.linalg, name)
