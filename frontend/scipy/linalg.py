"""`scipy.linalg`, for traced and plain values alike."""

from __future__ import annotations

from functools import wraps
from typing import Any

import scipy.linalg as _scipy

from ..core.dispatch import is_traced as _is_traced
from ..core.errors import UnsupportedError as _UnsupportedError
from ..core.scipy.linalg import det as det
from ..core.scipy.linalg import lstsq as lstsq
from ..core.scipy.linalg import norm as norm
from ..core.scipy.linalg import orthogonal_procrustes as orthogonal_procrustes
from ..core.scipy.linalg import pinv as pinv
from ..core.scipy.linalg import polar as polar
from ..core.scipy.linalg import qr as qr
from ..core.scipy.linalg import svd as svd
from ..core.scipy.linalg import svdvals as svdvals
from ..core.scipy.linalg_eigen import eig as eig
from ..core.scipy.linalg_eigen import eigh as eigh
from ..core.scipy.linalg_eigen import eigh_tridiagonal as eigh_tridiagonal
from ..core.scipy.linalg_eigen import eigvals as eigvals
from ..core.scipy.linalg_eigen import eigvalsh as eigvalsh
from ..core.scipy.linalg_eigen import eigvalsh_tridiagonal as eigvalsh_tridiagonal
from ..core.scipy.linalg_eigen import rsf2csf as rsf2csf
from ..core.scipy.linalg_factors import cho_factor as cho_factor
from ..core.scipy.linalg_factors import cho_solve as cho_solve
from ..core.scipy.linalg_factors import cholesky as cholesky
from ..core.scipy.linalg_factors import lu as lu
from ..core.scipy.linalg_factors import lu_factor as lu_factor
from ..core.scipy.linalg_factors import lu_solve as lu_solve
from ..core.scipy.linalg_functions import coshm as coshm
from ..core.scipy.linalg_functions import cosm as cosm
from ..core.scipy.linalg_functions import expm as expm
from ..core.scipy.linalg_functions import expm_frechet as expm_frechet
from ..core.scipy.linalg_functions import logm as logm
from ..core.scipy.linalg_functions import sinhm as sinhm
from ..core.scipy.linalg_functions import sinm as sinm
from ..core.scipy.linalg_functions import sqrtm as sqrtm
from ..core.scipy.linalg_functions import tanhm as tanhm
from ..core.scipy.linalg_functions import tanm as tanm
from ..core.scipy.linalg_solve import inv as inv
from ..core.scipy.linalg_solve import solve as solve
from ..core.scipy.linalg_solve import solve_banded as solve_banded
from ..core.scipy.linalg_solve import solve_continuous_lyapunov as solve_continuous_lyapunov
from ..core.scipy.linalg_solve import solve_discrete_lyapunov as solve_discrete_lyapunov
from ..core.scipy.linalg_solve import solve_sylvester as solve_sylvester
from ..core.scipy.linalg_solve import solve_triangular as solve_triangular
from ..core.scipy.linalg_solve import solveh_banded as solveh_banded
from ..core.scipy.linalg_structured import block_diag as block_diag
from ..core.scipy.linalg_structured import circulant as circulant
from ..core.scipy.linalg_structured import companion as companion
from ..core.scipy.linalg_structured import convolution_matrix as convolution_matrix
from ..core.scipy.linalg_structured import fiedler as fiedler
from ..core.scipy.linalg_structured import fiedler_companion as fiedler_companion
from ..core.scipy.linalg_structured import hankel as hankel
from ..core.scipy.linalg_structured import khatri_rao as khatri_rao
from ..core.scipy.linalg_structured import leslie as leslie
from ..core.scipy.linalg_structured import toeplitz as toeplitz

solve_lyapunov = solve_continuous_lyapunov

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "companion",
    "convolution_matrix",
    "coshm",
    "cosm",
    "det",
    "eig",
    "eigh",
    "eigh_tridiagonal",
    "eigvals",
    "eigvalsh",
    "eigvalsh_tridiagonal",
    "expm",
    "expm_frechet",
    "fiedler",
    "fiedler_companion",
    "hankel",
    "inv",
    "khatri_rao",
    "leslie",
    "logm",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "orthogonal_procrustes",
    "pinv",
    "polar",
    "qr",
    "rsf2csf",
    "sinhm",
    "sinm",
    "solve",
    "solve_banded",
    "solve_continuous_lyapunov",
    "solve_discrete_lyapunov",
    "solve_lyapunov",
    "solve_sylvester",
    "solve_triangular",
    "solveh_banded",
    "sqrtm",
    "svd",
    "svdvals",
    "tanhm",
    "tanm",
    "toeplitz",
]


def __getattr__(name: str) -> Any:
    # The rest of SciPy's: it works on plain values, and says so when one is traced.
    found = getattr(_scipy, name)
    return (
        found if isinstance(found, type) or not callable(found) else _of_plain_values(name, found)
    )


def _of_plain_values(name: str, function: Any) -> Any:
    @wraps(function)
    def on_plain_values(*args: Any, **kwargs: Any) -> Any:
        if _is_traced(args) or _is_traced(kwargs.values()):
            raise _UnsupportedError(
                f"scipy.linalg.{name} has no rule for traced values.",
                needed="one of the functions listed in wengert.scipy.linalg.__all__",
                fix="write it with those, or take it out of the differentiated part",
            )
        return function(*args, **kwargs)

    return on_plain_values
