"""sympy, imported when it is used first: it is optional."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["sympy"]


@cache
def _module(operation: str) -> Any:
    try:
        return import_module("sympy")
    except ImportError as error:
        raise ImportError(f'{operation} needs sympy: pip install "wengert[sympy]"') from error


def sympy(operation: str = "this function") -> Any:
    """The module sympy.

    Raises:
        ImportError: where it is not installed.
    """
    return _module(operation)
