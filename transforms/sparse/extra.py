"""SciPy, whose sparse matrices hold patterns and results: imported when it is used first."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...core.errors import UnsupportedError

__all__ = ["scipy_sparse"]


def scipy_sparse() -> Any:
    """The module `scipy.sparse`; an UnsupportedError that says how to install it."""
    try:
        return import_module("scipy.sparse")
    except ImportError:
        raise UnsupportedError(
            "sparse derivatives need SciPy, whose matrices they are returned as.",
            needed="the package scipy",
            fix='pip install "wengert[scipy]"; or use wg.jacobian and wg.hessian, which are dense',
        ) from None
