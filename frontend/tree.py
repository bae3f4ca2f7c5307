"""Pytrees: nested containers of arrays, their leaves and their structure."""

from .core.tree import (
    TreeDef,
    flatten,
    leaves,
    leaves_with_path,
    map,
    register,
    register_dataclass,
    structure,
    unflatten,
)

__all__ = [
    "TreeDef",
    "flatten",
    "leaves",
    "leaves_with_path",
    "map",
    "register",
    "register_dataclass",
    "structure",
    "unflatten",
]
