"""What the distributions of `scipy.stats` need: masks, frozen parameters, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...aval import Array, aval_of
from ...dispatch import is_traced
from ...errors import DtypeError, UnsupportedError
from ...primitives.elementwise import as_array
from ...tracing import Tracer

__all__ = [
    "Frozen",
    "choose",
    "finite_exp",
    "no_rule",
    "plain_only",
    "product",
    "real_array",
    "scaled",
]


def choose(mask: Array, x: Array, other: Any) -> Array:
    """`np.where(mask, x, other)`, at no cost where the mask is known to hold everywhere."""
    if not isinstance(mask, Tracer) and np.all(mask):
        return x
    return np.where(mask, x, other)


def product(y: Array, factor: Array) -> Array:
    """A density times a factor: 0 where the density underflows, even if the factor overflows."""
    return y * choose(y != 0, factor, 0.0)


class Frozen:
    """A distribution with its parameters fixed: each method takes the rest of the arguments."""

    def __init__(self, dist: Any, args: tuple[Any, ...], kwds: dict[str, Any]) -> None:
        self.dist = dist
        self.args = args
        self.kwds = kwds

    def __repr__(self) -> str:
        return f"<{self.dist.name} with fixed parameters>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self.dist.traces(name):
            if not (is_traced(self.args) or is_traced(self.kwds.values())):
                return getattr(self.dist.scipys(*self.args, **self.kwds), name)
            raise no_rule(f"scipy.stats.{self.dist.name}.{name}")
        method = getattr(self.dist, name)
        return lambda *args, **kwds: method(*args, *self.args, **kwds, **self.kwds)


def real_array(x: Any, operation: str) -> Array:
    """An operand as an array; a DtypeError for complex numbers."""
    x = as_array(x, operation)
    if x.dtype.kind == "c":
        raise DtypeError(
            f"{operation}: distributions are of real numbers.",
            got=repr(aval_of(x)),
            fix="np.real(x)",
        )
    return x


def scaled(y: Array, scale: Array, by: Callable[..., Array]) -> Array:
    """y times or over a scale. Infinities and NaN stay, and have no derivative by the scale."""
    finite = np.isfinite(y)
    rest = choose(scale > 0, y, np.nan)
    return choose(finite, by(choose(finite, y, 0.0), scale), rest)


def finite_exp(x: Array) -> Array:
    """exp, but 0 where it would be infinite: there the value that it belongs to is infinite too."""
    ok = x < 709.0
    return choose(ok, np.exp(choose(ok, x, 0.0)), 0.0)


def no_rule(name: str) -> UnsupportedError:
    """The error for a function without a rule for traced values."""
    return UnsupportedError(
        f"{name} has no rule for traced values.",
        fix="draw with wengert.random, which has derivatives by the parameters"
        if name.endswith(".rvs")
        else "write it with supported functions, or take it out of the differentiated part",
    )


def plain_only(name: str, function: Callable[..., Any], *args: Any, **kwds: Any) -> Any:
    """Call a function of SciPy that takes plain values only."""
    if is_traced(args) or is_traced(kwds.values()):
        raise no_rule(name)
    return function(*args, **kwds)
