"""The primitives with their rules, one file a family. Importing this package defines them all."""

from . import (
    choice,
    contractions,
    creation,
    cumulative,
    elementwise,
    fft,
    indexing,
    joining,
    linalg,
    reductions,
    shaping,
    sorting,
    ufunc_methods,
)

__all__ = [
    "choice",
    "contractions",
    "creation",
    "cumulative",
    "elementwise",
    "fft",
    "indexing",
    "joining",
    "linalg",
    "reductions",
    "shaping",
    "sorting",
    "ufunc_methods",
]
