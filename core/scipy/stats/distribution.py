"""What all distributions of `scipy.stats` share: one table row each, and SciPy computes.

A row says how the log-density of the standard form (loc 0, scale 1) changes with the variable and
with each shape parameter, and how the cdf changes with each shape parameter. From these few
formulas follow the derivatives of pdf, logpdf, cdf, sf, logcdf, logsf, ppf and isf. Each method is
one elementwise primitive, whose value is SciPy's own; loc and scale are handled here, once.

Outside the support, and where a parameter is invalid, values are SciPy's and derivatives are 0.

Read next: `continuous.py` and `discrete.py`, the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import Parameter, Signature
from typing import Any, ClassVar

import numpy as np
import scipy.stats

from ...aval import Array
from ...dispatch import is_traced
from ...errors import MissingRuleError
from ...rules import elementwise
from ...tracing import Primitive, Rule, Slope
from .common import Frozen, choose, finite_exp, no_rule, plain_only, product, real_array, scaled

__all__ = ["Continuous", "Discrete", "Shape", "Support"]

FLOAT = np.dtype(np.float64)


def unknown(what: str) -> Rule:
    """The slope by a parameter for which no formula is known."""

    def slope(*args: Array) -> Array:
        raise MissingRuleError(
            f"{what} has no known derivative by this parameter.",
            fix="keep the parameter out of what is differentiated",
        )

    return slope


@dataclass(frozen=True)
class Support:
    """Where a density lives: between `lower` and `upper`, numbers or functions of the shapes.

    `closed`: the density has finite slopes at the ends. `within`: a point inside, which replaces
    those outside before a formula is evaluated.
    """

    lower: Any = -np.inf
    upper: Any = np.inf
    closed: bool = False
    within: Any = 0.0

    def inside(self, z: Array, shapes: Sequence[Array]) -> Array:
        """A mask of the points inside; infinities and NaN are outside."""
        lower, upper = [e(*shapes) if callable(e) else e for e in (self.lower, self.upper)]
        if not (callable(self.lower) or self.lower > -np.inf or self.upper < np.inf):
            return np.isfinite(z)
        if self.closed:
            return (z >= lower) & (z <= upper) & np.isfinite(z)
        return (z > lower) & (z < upper)

    def safe(self, mask: Array, z: Array, shapes: Sequence[Array]) -> Array:
        """The points, those outside replaced."""
        within = self.within(*shapes) if callable(self.within) else self.within
        return choose(mask, z, within)


@dataclass(frozen=True)
class Shape:
    """A shape parameter, with derivatives as functions of the variable and all shapes.

    - `score`: of the log-density.
    - `flow`: of the cdf, divided by the density; or `cdf`: of the cdf itself.
    - `density`: of the density, where that is not density times score.
    - `entropy`: of the entropy, a function of the shapes alone.

    What is None is not known, and raises when it is asked for. A parameter with `counts` is an
    integer and has a derivative of 0. `default` replaces values that are not valid.
    """

    name: str
    score: Rule | None = None
    flow: Rule | None = None
    cdf: Rule | None = None
    density: Rule | None = None
    entropy: Rule | None = None
    counts: bool = False
    default: float = 1.0


def all_positive(*shapes: Array) -> Any:
    """The usual condition on shape parameters; infinite ones have no derivative."""
    mask: Any = True
    for s in shapes:
        mask = mask & (s > 0) & (s < np.inf)
    return mask


@dataclass(frozen=True, eq=False)
class Distribution:
    """A row of the table; see `Continuous` and `Discrete`.

    `over_cdf` and `over_sf` are the density divided by the cdf and by the sf, where their
    logarithms reach so far that a difference of logarithms would not do.
    """

    name: str
    support: Support
    shapes: tuple[Shape, ...] = ()
    score: Rule | None = None
    over_cdf: Rule | None = None
    over_sf: Rule | None = None
    valid: Callable[..., Any] = all_positive
    mean_rule: Rule | None = None
    var_rule: Rule | None = None
    primitives: dict[str, Primitive] = field(default_factory=dict, init=False)
    _signature: Signature = field(init=False)
    density: ClassVar[str] = "pdf"
    location: ClassVar[tuple[str, ...]] = ("loc", "scale")

    def __post_init__(self) -> None:
        either = Parameter.POSITIONAL_OR_KEYWORD
        params = [Parameter(s.name, either) for s in self.shapes]
        params += [Parameter(n, either, default=int(n == "scale")) for n in self.location]
        object.__setattr__(self, "_signature", Signature(params))
        roles = ("cdf", "sf", "logcdf", "logsf", "ppf", "isf")
        for method in (self.density, f"log{self.density}", *roles):
            slopes = [self._slope(method, i) for i in range(len(self.shapes) + 1)]
            self.primitives[method] = self._primitive(method, slopes, partial(self._value, method))
        if self.shapes:
            slopes = [self._entropy_slope(s) for s in self.shapes]
            self.primitives["entropy"] = self._primitive("entropy", slopes, self.scipys.entropy)

    @property
    def scipys(self) -> Any:
        """SciPy's distribution."""
        return getattr(scipy.stats, self.name)

    def __repr__(self) -> str:
        return f"<wengert.scipy.stats.{self.name}>"

    def __getattr__(self, name: str) -> Any:
        """The rest of SciPy's methods: they take plain values only."""
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.scipys, name)
        return (
            partial(plain_only, f"scipy.stats.{self.name}.{name}", found)
            if callable(found)
            else found
        )

    def traces(self, method: str) -> bool:
        """True for the methods that take traced values."""
        return not method.startswith("_") and hasattr(type(self), method)

    # Primitives of the standard form.

    def _primitive(self, method: str, slopes: Sequence[Slope], impl: Rule) -> Primitive:
        return elementwise(
            f"{self.name}_{method}", None, *slopes, impl=impl, dtype=lambda *avals: FLOAT
        )

    def _value(self, method: str, z: Array, *shapes: Array) -> Array:
        """SciPy's value. Where all is well, its checks are left out: they cost much more than the
        formulas.
        """
        z = np.asarray(z)
        if z.size and np.all(self._mask(method, z, shapes)):
            y = getattr(self.scipys, f"_{method}")(np.atleast_1d(z).astype(FLOAT), *shapes)
            shape = np.broadcast_shapes(z.shape, *map(np.shape, shapes))
            return np.asarray(y + 0.0, FLOAT).reshape(shape)[()]  # no -0.0, as SciPy's
        return getattr(self.scipys, method)(z, *shapes)

    def _mask(self, method: str, z: Array, shapes: Sequence[Array]) -> Array:
        """Where the formulas hold."""
        quantile = method in ("ppf", "isf")
        mask = (z > 0) & (z < 1) if quantile else self.support.inside(z, shapes)
        return self.valid(*shapes) & mask if shapes else mask

    def _sound(self, valid: Array, shapes: Sequence[Array]) -> list[Array]:
        """The shapes, with those that are not valid replaced."""
        return [choose(valid, s, p.default) for s, p in zip(shapes, self.shapes, strict=True)]

    def _slope(self, method: str, i: int) -> Slope:
        """The derivative of a method by the variable (0) or a shape (from 1 on)."""
        if i and self.shapes[i - 1].counts:
            return None
        if method in ("ppf", "isf"):
            return self._quantile_slope(method, i)
        log = method.startswith("log")
        if method.endswith(self.density):
            rule = self._density_slope(log, i)
        else:
            rule = self._cdf_slope(log, method.endswith("cdf"), i)

        def slope(y: Array, z: Array, *shapes: Array) -> Array:
            mask = self._mask(method, z, shapes)
            sound = self._sound(self.valid(*shapes), shapes)
            found = rule(y, self.support.safe(mask, z, sound), *sound)
            return choose(mask & np.isfinite(found) if log else mask, found, 0.0)

        return slope

    def _density_slope(self, log: bool, i: int) -> Rule:
        score: Any = self.shapes[i - 1].score if i else self.score
        density = self.shapes[i - 1].density if i else None
        if log:
            return lambda y, *args: score(*args)
        if density is not None:
            return lambda y, *args: density(*args)
        return lambda y, *args: product(y, score(*args))

    def _cdf_slope(self, log: bool, lower: bool, i: int) -> Rule:
        density, logdensity, sign = self._density, self._logdensity, 1.0 if lower else -1.0
        shape = self.shapes[i - 1] if i else None
        if shape is not None and shape.cdf is not None:
            by_shape = shape.cdf
            if log:
                return lambda y, *args: sign * finite_exp(-y) * by_shape(*args)
            return lambda y, *args: sign * by_shape(*args)
        flow = shape.flow if shape is not None else lambda *args: 1.0
        over = self.over_cdf if lower else self.over_sf
        if flow is None:
            return unknown(f"scipy.stats.{self.name}: the cdf")
        if not log:
            return lambda y, *args: sign * product(density(*args), flow(*args))
        if over is not None:
            return lambda y, *args: sign * over(*args) * flow(*args)
        return lambda y, *args: sign * finite_exp(logdensity(*args) - y) * flow(*args)

    def velocity(self, i: int, x: Array, *shapes: Array) -> Array:
        """`pathwise`, and 0 where a draw has ended up at an end of the support."""
        mask = self.support.inside(x, shapes)
        return choose(mask, self.pathwise(i, self.support.safe(mask, x, shapes), *shapes), 0.0)

    def _quantile_slope(self, method: str, i: int) -> Slope:
        sign = 1.0 if method == "ppf" else -1.0

        def slope(y: Array, q: Array, *shapes: Array) -> Array:
            sound = self._sound(self.valid(*shapes), shapes)
            mask = self._mask(method, q, shapes) & self.support.inside(y, sound)
            x = self.support.safe(mask, y, sound)
            if i:
                return choose(mask, self.pathwise(i - 1, x, *sound), 0.0)
            return choose(mask, sign * finite_exp(-self._logdensity(x, *sound)), 0.0)

        return slope

    def pathwise(self, i: int, x: Array, *shapes: Array) -> Array:
        """How a quantile, or a draw, moves with shape i: minus dF/da over the density."""
        shape = self.shapes[i]
        if shape.flow is not None:
            return -shape.flow(x, *shapes)
        if shape.cdf is None:
            return unknown(f"scipy.stats.{self.name}: the quantile")()
        return -shape.cdf(x, *shapes) * finite_exp(-self._logdensity(x, *shapes))

    def _density(self, *args: Array) -> Array:
        return self.primitives[self.density].bind(*args)

    def _logdensity(self, *args: Array) -> Array:
        return self.primitives[f"log{self.density}"].bind(*args)

    def _entropy_slope(self, shape: Shape) -> Slope:
        if shape.counts:
            return None
        rule = shape.entropy
        if rule is None:
            return unknown(f"scipy.stats.{self.name}: the entropy")

        def slope(y: Array, *shapes: Array) -> Array:
            valid = self.valid(*shapes)
            return choose(valid, rule(*self._sound(valid, shapes)), 0.0)

        return slope

    # Methods, with SciPy's arguments.

    def _arguments(
        self, method: str, args: Sequence[Any], kwds: dict[str, Any]
    ) -> tuple[list[Array], Array, Array]:
        """Shapes, loc and scale; None for a loc or scale that is not given."""
        found = self._signature.bind(*args, **kwds).arguments
        operation = f"scipy.stats.{self.name}.{method}"
        arrays = {name: real_array(v, operation) for name, v in found.items()}
        scale = arrays.get("scale")
        if scale is not None:
            scale = choose(scale > 0, scale, np.nan)
        return [arrays[s.name] for s in self.shapes], arrays.get("loc"), scale

    def _at(self, method: str, x: Any, args: Sequence[Any], kwds: dict[str, Any]) -> Array:
        """A method of a variable."""
        if not (is_traced((x, *args)) or is_traced(kwds.values())):
            return getattr(self.scipys, method)(x, *args, **kwds)
        shapes, loc, scale = self._arguments(method, args, kwds)
        z = real_array(x, f"scipy.stats.{self.name}.{method}")
        quantile = method in ("ppf", "isf")
        if not (quantile or loc is scale is None):
            z = self._standard(z, loc, scale)
        y = self.primitives[method].bind(z, *shapes)
        if quantile:
            return self._moved(y, loc, scale)
        if scale is None or not method.endswith("pdf"):
            return y
        if method == "logpdf":
            return y - choose(y > -np.inf, np.log(scale), 0.0)
        return scaled(y, scale, np.divide)

    def _standard(self, x: Array, loc: Array, scale: Array) -> Array:
        """(x - loc) / scale; infinities stay, and have a derivative of 0 by loc and scale."""
        finite = np.isfinite(x)
        z = choose(finite, x, 0.0)
        z = z if loc is None else z - loc
        z = z if scale is None else z / scale
        return choose(finite, z, x if scale is None else choose(scale > 0, x, np.nan))

    def _moved(self, y: Array, loc: Array, scale: Array) -> Array:
        y = y if scale is None else scaled(y, scale, np.multiply)
        return y if loc is None else y + loc

    def _of_parameters(
        self, method: str, args: Sequence[Any], kwds: dict[str, Any], rule: Callable[..., Array]
    ) -> Array:
        """A method of the parameters alone; `rule` takes shapes, loc and scale."""
        if not (is_traced(args) or is_traced(kwds.values())):
            return getattr(self.scipys, method)(*args, **kwds)
        shapes, loc, scale = self._arguments(method, args, kwds)
        return rule(shapes, loc, scale)

    def _moment(self, rule: Rule | None, method: str, shapes: Sequence[Array]) -> Array:
        if rule is None:
            raise no_rule(f"scipy.stats.{self.name}.{method}")
        valid = self.valid(*shapes)
        value = np.asarray(1.0)[()] * rule(*self._sound(valid, shapes))
        return choose(valid, value, np.nan)

    def cdf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The probability of values up to x."""
        return self._at("cdf", x, args, kwds)

    def sf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The probability of values above x."""
        return self._at("sf", x, args, kwds)

    def logcdf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The logarithm of the cdf."""
        return self._at("logcdf", x, args, kwds)

    def logsf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The logarithm of the sf."""
        return self._at("logsf", x, args, kwds)

    def ppf(self, q: Array, *args: Any, **kwds: Any) -> Array:
        """The inverse of the cdf."""
        return self._at("ppf", q, args, kwds)

    def isf(self, q: Array, *args: Any, **kwds: Any) -> Array:
        """The inverse of the sf."""
        return self._at("isf", q, args, kwds)

    def median(self, *args: Any, **kwds: Any) -> Array:
        """The median."""
        return self.ppf(0.5, *args, **kwds)

    def interval(self, confidence: Array, *args: Any, **kwds: Any) -> tuple[Array, Array]:
        """The ends of the middle part with a given probability."""
        if not (is_traced((confidence, *args)) or is_traced(kwds.values())):
            ends: tuple[Array, Array] = self.scipys.interval(confidence, *args, **kwds)
            return ends
        alpha = real_array(confidence, f"scipy.stats.{self.name}.interval")
        low, high = (1.0 - alpha) / 2, (1.0 + alpha) / 2
        return self.ppf(low, *args, **kwds), self.ppf(high, *args, **kwds)

    def mean(self, *args: Any, **kwds: Any) -> Array:
        """The mean."""
        return self._of_parameters(
            "mean",
            args,
            kwds,
            lambda shapes, loc, scale: self._moved(
                self._moment(self.mean_rule, "mean", shapes), loc, scale
            ),
        )

    def var(self, *args: Any, **kwds: Any) -> Array:
        """The variance."""

        def rule(shapes: Sequence[Array], loc: Array, scale: Array) -> Array:
            y = self._moment(self.var_rule, "var", shapes)
            return y if scale is None else y * scale * scale

        return self._of_parameters("var", args, kwds, rule)

    def std(self, *args: Any, **kwds: Any) -> Array:
        """The standard deviation."""
        return np.sqrt(self.var(*args, **kwds))

    def entropy(self, *args: Any, **kwds: Any) -> Array:
        """The differential entropy, or the entropy of a discrete distribution."""

        def rule(shapes: Sequence[Array], loc: Array, scale: Array) -> Array:
            y = self.primitives["entropy"].bind(*shapes) if shapes else self.scipys.entropy()
            return y if scale is None else y + np.log(scale)

        return self._of_parameters("entropy", args, kwds, rule)

    def __call__(self, *args: Any, **kwds: Any) -> Frozen:
        """The distribution with its parameters fixed."""
        return Frozen(self, (), dict(self._signature.bind(*args, **kwds).arguments))


class Continuous(Distribution):
    """A continuous distribution: pdf and logpdf, loc and scale."""

    def pdf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The density."""
        return self._at("pdf", x, args, kwds)

    def logpdf(self, x: Array, *args: Any, **kwds: Any) -> Array:
        """The logarithm of the density."""
        return self._at("logpdf", x, args, kwds)


class Discrete(Distribution):
    """A distribution of integers: pmf and logpmf, loc alone. By the variable, and of ppf and isf,
    which are step functions, the derivative is 0.
    """

    density: ClassVar[str] = "pmf"
    location: ClassVar[tuple[str, ...]] = ("loc",)

    def pmf(self, k: Array, *args: Any, **kwds: Any) -> Array:
        """The probability of k."""
        return self._at("pmf", k, args, kwds)

    def logpmf(self, k: Array, *args: Any, **kwds: Any) -> Array:
        """The logarithm of the probability of k."""
        return self._at("logpmf", k, args, kwds)

    def _mask(self, method: str, z: Array, shapes: Sequence[Array]) -> Array:
        mask = super()._mask(method, z, shapes)
        return mask & (z == np.floor(z)) if method.endswith("pmf") else mask

    def _slope(self, method: str, i: int) -> Slope:
        if i == 0 or method in ("ppf", "isf"):
            return None
        slope = super()._slope(method, i)
        return slope and (lambda y, z, *shapes: slope(y, np.floor(z), *shapes))
