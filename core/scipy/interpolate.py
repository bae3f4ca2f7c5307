"""`scipy.interpolate` on traced values: piecewise polynomials.

`PPoly` holds coefficients and breakpoints, either of which may be traced, and evaluates them at
points that may be traced too; where nothing is, SciPy does. `cubic.py` has the cubic polynomials
through points, `splines.py` B-splines, `grids.py` what is given on a grid.
"""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

import numpy as np
import scipy.interpolate

from ..aval import Array, aval_of
from ..dispatch import is_traced
from ..errors import DtypeError, ShapeError, UnsupportedError
from ..primitives.elementwise import as_array, astype
from ..primitives.indexing import take
from ..tracing import Tracer


def floats(x: Any, operation: str) -> Array:
    """An operand in double precision, real or complex, as SciPy's interpolators compute."""
    x = as_array(x, operation)
    return astype(x, np.complex128 if aval_of(x).dtype.kind == "c" else np.float64)


def reals(x: Any, operation: str) -> Array:
    """An operand in double precision; an error for complex numbers."""
    x = as_array(x, operation)
    if aval_of(x).dtype.kind == "c":
        raise DtypeError(f"{operation}: points must be real.", got=repr(aval_of(x)))
    return astype(x, np.float64)


def known(condition: Array) -> bool:
    """True if a condition is known to hold somewhere: it may have no value, while tracing."""
    return not isinstance(condition, Tracer) and bool(np.any(condition))


def place(y: Array, axis: int, at: int) -> Array:
    """Put the first `at` axes, those of the points, where the axis of interpolation was."""
    if not axis:
        return y
    order = list(range(y.ndim))
    return np.transpose(y, order[at : at + axis] + order[:at] + order[at + axis :])


def wrapped(q: Array, first: Array, last: Array) -> Array:
    """Points moved by whole periods to lie between `first` and `last`."""
    return first + (q - first) % (last - first)


class Piecewise:
    """What piecewise polynomials and B-splines share: a SciPy object for what isn't traced."""

    traced_parts: ClassVar[tuple[str, ...]]

    def is_plain(self, *more: Any) -> bool:
        """True if neither a part of the function nor one of `more` is traced."""
        return not is_traced([*[getattr(self, name) for name in self.traced_parts], *more])

    def plain(self) -> Any:
        """SciPy's object of the same parts."""
        raise NotImplementedError(f"{type(self).__name__} must say what SciPy's object is")

    def __getattr__(self, name: str) -> Any:
        # The rest of what SciPy's objects have, for plain parts.
        if name.startswith("__") or name in self.traced_parts:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if not self.is_plain():
            raise UnsupportedError(
                f"{type(self).__name__}.{name} is not supported on traced values.",
                fix="use calls, derivative(), antiderivative() or integrate()",
            )
        return getattr(self.plain(), name)


class PPoly(Piecewise):
    """`scipy.interpolate.PPoly` for traced and plain values: polynomials between breakpoints.

    Args:
        c: the coefficients; `c[k, i]` is that of `(x - x[i]) ** (len(c) - 1 - k)`.
        x: the breakpoints, in rising order.
        extrapolate: whether the first and last polynomial continue beyond the breakpoints, or
            "periodic".
        axis: the axis of the values along which they depend on x.

    Example:
        >>> import wengert as wg
        >>> from wengert.scipy.interpolate import PPoly
        >>> square = PPoly([[1.0], [0.0], [0.0]], [0.0, 2.0])
        >>> print(square(1.5), wg.grad(square)(1.5))
        2.25 3.0
    """

    traced_parts = ("c", "x")

    def __init__(self, c: Any, x: Any, extrapolate: Any = None, axis: int = 0) -> None:
        name = "scipy.interpolate.PPoly"
        self.c, self.x = floats(c, name), reals(x, name)
        self.extrapolate = True if extrapolate is None else extrapolate
        self.axis = axis
        if self.c.ndim < 2 or self.x.ndim != 1 or self.c.shape[axis + 1] != self.x.shape[0] - 1:
            raise ShapeError(
                f"{name}: needs coefficients for each interval between breakpoints.",
                got=f"c {aval_of(self.c)!r} and x {aval_of(self.x)!r}",
            )
        if known(self.x[1:] < self.x[:-1]):
            raise UnsupportedError(f"{name}: the breakpoints must rise.", got=repr(self.x))
        if axis:
            self.c = np.moveaxis(self.c, (axis, axis + 1), (0, 1))

    def plain(self) -> Any:
        """SciPy's object."""
        return scipy.interpolate.PPoly.construct_fast(self.c, self.x, self.extrapolate, self.axis)

    def like(self, c: Array, extrapolate: Any) -> PPoly:
        """Another function with the same breakpoints."""
        y = PPoly.__new__(PPoly)
        y.c, y.x, y.extrapolate, y.axis = c, self.x, extrapolate, self.axis
        return y

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Array:
        """The values at the points x, or those of the derivative of order nu."""
        if extrapolate is None:
            extrapolate = self.extrapolate
        if self.is_plain(x):
            return self.plain()(x, nu, extrapolate)
        q = reals(x, "scipy.interpolate.PPoly")
        shape = aval_of(q).shape
        y = self._evaluate(np.reshape(q, (prod(shape),)), self._derived(nu), extrapolate)
        return place(np.reshape(y, (*shape, *self.c.shape[2:])), self.axis, len(shape))

    def _evaluate(self, q: Array, c: Array, extrapolate: Any) -> Array:
        first, last = self.x[0], self.x[-1]
        if extrapolate == "periodic":
            q = wrapped(q, first, last)
        i = np.clip(np.searchsorted(self.x, q, side="right") - 1, 0, self.x.shape[0] - 2)
        c = take(c, i, axis=1)
        ones = (1,) * (c.ndim - 2)
        s = np.reshape(q - take(self.x, i), (-1, *ones))
        y = c[0] + 0 * s
        for k in range(1, c.shape[0]):
            y = y * s + c[k]
        if extrapolate:
            return y
        outside = np.reshape((q < first) | (q > last), (-1, *ones))
        return np.where(outside, np.nan, y)

    def _derived(self, nu: int) -> Array:
        """The coefficients of the derivative of order nu."""
        degree = self.c.shape[0] - 1
        if nu > degree:
            return np.zeros((1, *self.c.shape[1:]), self.c.dtype)
        factors = [float(prod(range(d - nu + 1, d + 1))) for d in range(degree, nu - 1, -1)]
        return self.c[: degree + 1 - nu] * np.reshape(factors, (-1, *(1,) * (self.c.ndim - 1)))

    def derivative(self, nu: int = 1) -> PPoly:
        """The derivative of order nu, as a function."""
        if nu < 0:
            return self.antiderivative(-nu)
        if self.is_plain():
            return self.like(self.plain().derivative(nu).c, self.extrapolate)
        return self.like(self._derived(nu), self.extrapolate)

    def antiderivative(self, nu: int = 1) -> PPoly:
        """The function of which this is the derivative of order nu, and which begins with 0."""
        if nu <= 0:
            return self.derivative(-nu)
        extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        if self.is_plain():
            return self.like(self.plain().antiderivative(nu).c, extrapolate)
        c = self.c
        h = np.reshape(self.x[1:] - self.x[:-1], (-1, *(1,) * (c.ndim - 2)))
        for _ in range(nu):
            degrees = np.arange(c.shape[0], 0, -1.0)
            c = c / degrees.reshape((-1, *(1,) * (c.ndim - 1)))
            gain = c[0]
            for k in range(1, c.shape[0]):
                gain = gain * h + c[k]
            total = np.cumsum(gain[:-1] * h[:-1], axis=0)
            start = np.concatenate([np.zeros((1, *c.shape[2:]), c.dtype), total])
            c = np.concatenate([c, start[None]])
        return self.like(c, extrapolate)

    def integrate(self, a: Any, b: Any, extrapolate: Any = None) -> Array:
        """The integral from a to b."""
        if extrapolate is None:
            extrapolate = self.extrapolate
        if self.is_plain(a, b):
            return self.plain().integrate(a, b, extrapolate)
        total = self.antiderivative()
        ends = np.stack([reals(v, "scipy.interpolate.PPoly.integrate") for v in (a, b)])
        values = total._evaluate(ends, total.c, extrapolate)
        if extrapolate == "periodic":
            first, last = self.x[0], self.x[-1]
            whole = total._evaluate(np.reshape(last, (1,)), total.c, True)
            periods = np.floor((ends - first) / (last - first))
            values = values + whole * np.reshape(periods, (2, *(1,) * (whole.ndim - 1)))
        return values[1] - values[0]
