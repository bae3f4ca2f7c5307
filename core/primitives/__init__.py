"""The primitives with their rules, one file a family. Importing this package defines them all."""

from . import (
    contractions,
    creation,
    elementwise,
    indexing,
    joining,
    linalg,
    reductions,
    shaping,
    sorting,
)

__all__ = [
    "contractions",
    "creation",
    "elementwise",
    "indexing",
    "joining",
    "linalg",
    "reductions",
    "shaping",
    "sorting",
]
