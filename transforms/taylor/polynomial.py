"""`taylor : (a -> R) -> a -> TaylorPolynomial`: the Taylor polynomial of a function as a value.

Read next: `derivatives.py`, which computes it, and `radius.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from math import factorial
from typing import Any

import numpy as np

from ...core.aval import Array, aval_of
from ...core.errors import LeafTypeError, ShapeError, TreeError, UnsupportedError
from ...core.source import boundary, describe_function
from ...core.tracing import Tracer
from ...core.tree import is_static_leaf, structure
from .derivatives import scaled_coefficients
from .radius import radius_of

__all__ = ["TaylorPolynomial", "taylor"]


class TaylorPolynomial:
    """A Taylor polynomial: call it at a point.

    Args:
        coefficients: c_0, ..., c_n along the first axis, of the polynomial
            sum of c_k (x - center)^k.
        center: the point that it was made at: a number, or with `direction` a tree of arrays.
        direction: if there is one, the polynomial is in t, and stands for
            f(center + t * direction).
        function: f, which `plot` draws too.

    Example:
        >>> import numpy as np, wengert as wg
        >>> p = wg.TaylorPolynomial(np.array([1.0, 1.0, 0.5]), 0.0)
        >>> p
        1 + x + 0.5 x^2 + O(x^3)
        >>> p(2.0)
        np.float64(5.0)
    """

    def __init__(
        self,
        coefficients: Array,
        center: Any,
        direction: Any = None,
        function: Callable[..., Any] | None = None,
    ) -> None:
        self.coefficients = coefficients
        self.center = center
        self.direction = direction
        self.function = function

    @property
    def order(self) -> int:
        """The highest order."""
        return aval_of(self.coefficients).shape[0] - 1

    @property
    def derivatives(self) -> Array:
        """The derivatives of order 0 to n along the first axis: k! c_k."""
        aval = aval_of(self.coefficients)
        if self.order > 170:
            raise UnsupportedError(
                f"TaylorPolynomial.derivatives: {self.order}! is not a floating point number.",
                needed="order 170 or less",
                fix="use .coefficients, which are not scaled",
            )
        scale = np.array([float(factorial(k)) for k in range(self.order + 1)])
        shape = (-1, *[1] * (aval.ndim - 1))
        kind = aval.dtype.char.lower() if aval.dtype.kind == "c" else aval.dtype
        return self.coefficients * np.reshape(scale, shape).astype(np.zeros(0, kind).real.dtype)

    @boundary
    def __call__(self, x: Any, order: int | None = None) -> Array:
        """The value of the polynomial.

        Args:
            x: a point, or an array of points; with a direction, the steps t along it.
            order: leave out what is of higher order; nothing, if None.

        Returns:
            Values, of the shape of `x` followed by that of the function's results.
        """
        n = self.order if order is None else self._checked(order)
        step = x if self.direction is not None else x - self.center
        shape = aval_of(self.coefficients).shape[1:]
        u: Array = step if isinstance(step, Tracer) else np.asarray(step)
        u = np.reshape(u, (*u.shape, *[1] * len(shape)))
        total = self.coefficients[n] + 0 * u
        for k in range(n - 1, -1, -1):
            total = total * u + self.coefficients[k]
        return total[()] if type(total) is np.ndarray and not total.shape else total

    def _checked(self, order: int) -> int:
        if not 0 <= order <= self.order:
            raise ShapeError(
                "TaylorPolynomial: there is no such order.",
                got=f"order={order}",
                needed=f"0 to {self.order}",
                fix=f"make it with taylor(f, x, {order})",
            )
        return order

    def radius(self) -> Any:
        """Estimate the radius of convergence: how far from the centre the Taylor series converges.

        By the ratios of coefficients (Domb and Sykes, 1957), for pairs of complex singularities by
        the method of Mercer and Roberts (1990), else by the root test. It takes some ten
        coefficients to be worth something.

        Returns:
            A float, or an array of the shape of the function's results: inf where the coefficients
            fall faster than any power (as for exp) or all vanish from some order on, NaN where they
            are not finite, or too few.
        """
        c = self._plain("radius")
        shape = c.shape[1:]
        flat = c.reshape(len(c), -1)
        found = np.array([radius_of(flat[:, i]) for i in range(flat.shape[1])])
        return found.reshape(shape) if shape else float(found[0])

    def to_numpy(self) -> np.polynomial.Polynomial:
        """The polynomial as a `numpy.polynomial.Polynomial` in x (with a direction, in t).

        Raises:
            ShapeError: for a function whose results are no single numbers.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.taylor(np.exp, 1.0, 2).to_numpy()(1.0)
            np.float64(2.718281828459045)
        """
        c = self._plain("to_numpy")
        if c.ndim != 1:
            raise ShapeError(
                "TaylorPolynomial.to_numpy: the function's results must be single numbers.",
                got=f"coefficients of shape {c.shape}",
                fix="take one of them: TaylorPolynomial(p.coefficients[:, i], p.center)",
            )
        if self.direction is not None:
            return np.polynomial.Polynomial(c)
        if isinstance(self.center, complex | np.complexfloating):
            at = np.polynomial.Polynomial([-self.center, 1])
            found: np.polynomial.Polynomial = np.polynomial.Polynomial(c)(at)
            return found
        ends = [self.center - 1, self.center + 1]
        return np.polynomial.Polynomial(c, domain=ends, window=[-1, 1])

    def _plain(self, what: str) -> Any:
        if isinstance(self.coefficients, Tracer):
            raise UnsupportedError(
                f"TaylorPolynomial.{what}: the coefficients are traced here.",
                got=repr(self.coefficients),
                fix="call it outside of the transformation",
            )
        return np.asarray(self.coefficients)

    @boundary
    def plot(
        self,
        width: float | None = None,
        orders: Sequence[int] | None = None,
        ax: Any = None,
        points: int = 400,
    ) -> Any:
        """Draw the function and its Taylor polynomials of rising order; needs matplotlib.

        Args:
            width: draw so far to both sides of the centre; 1.5 times the estimated radius of
                convergence if left out, or 3 where that is not finite.
            orders: of the polynomials to draw; up to five of them, if left out.
            ax: matplotlib's axes to draw on; new ones if left out.
            points: how many points a curve has.

        Returns:
            The axes.

        Raises:
            ShapeError: for a function whose results are no single numbers.
            UnsupportedError: if matplotlib is not installed.
        """
        c = self._plain("plot")
        along = self.direction is not None
        if c.ndim != 1 or np.iscomplexobj(c) or np.iscomplexobj(self.center):
            raise ShapeError(
                "TaylorPolynomial.plot: only a real number as a function of one is drawn.",
                got=f"coefficients of shape {c.shape} and dtype {c.dtype}",
            )
        if ax is None:
            ax = _pyplot().subplots()[1]
        radius = self.radius()
        width = width or (1.5 * radius if np.isfinite(radius) and radius > 0 else 3.0)
        center = 0.0 if along else float(self.center)
        xs = np.linspace(center - width, center + width, points)
        ys = None
        if self.function is not None:
            ys = self._sampled(xs)
            ax.plot(xs, ys, color="black", linewidth=2, label=describe_function(self.function))
        chosen = orders or sorted({round(k) for k in np.linspace(1, self.order, 5)} - {0})
        for k in chosen:
            ax.plot(xs, self(xs, order=k), linewidth=1, label=f"order {k}")
        if ys is not None and np.any(np.isfinite(ys)):
            low, high = np.nanmin(ys[np.isfinite(ys)]), np.nanmax(ys[np.isfinite(ys)])
            margin = 0.5 * (high - low) or 1.0
            ax.set_ylim(low - margin, high + margin)
        ax.plot([center], [c[0]], "o", color="black")
        ax.set_xlabel("t" if along else "x")
        ax.legend()
        return ax

    def _sampled(self, xs: Any) -> Any:
        """The function's values, NaN where it has none."""
        assert self.function is not None
        at = (lambda t: self.center + t * self.direction) if self.direction is not None else float
        values = np.full(len(xs), np.nan)
        with np.errstate(all="ignore"):
            for i, x in enumerate(xs):
                try:
                    values[i] = self.function(at(x))
                except (ArithmeticError, ValueError):
                    continue  # outside of where it is defined
        return values

    def __repr__(self) -> str:
        c = self.coefficients
        aval = aval_of(c)
        if isinstance(c, Tracer) or aval.ndim != 1:
            of = repr(aval)
            return f"TaylorPolynomial(order={self.order}, coefficients={of})"
        base = "t" if self.direction is not None else _shifted(self.center)
        parts = [(k, v) for k, v in enumerate(c) if v != 0]
        text = " ".join([_monomial(v, k, base, first=i == 0) for i, (k, v) in enumerate(parts)])
        return f"{text or '0'} + O({_power(base, self.order + 1)})"


def _pyplot() -> Any:
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise UnsupportedError(
            "TaylorPolynomial.plot draws with matplotlib, which is not installed.",
            needed="the package matplotlib",
            fix='pip install "wengert[plot]"',
        ) from error


def _shifted(center: Any) -> str:
    if isinstance(center, complex | np.complexfloating):
        return f"(x - ({center:.6g}))"
    return "x" if center == 0 else f"(x {'-' if center > 0 else '+'} {abs(center):.6g})"


def _power(base: str, k: int) -> str:
    return base if k == 1 else f"{base}^{k}"


def _monomial(value: Any, k: int, base: str, first: bool) -> str:
    if isinstance(value, complex | np.complexfloating):
        sign, size = "" if first else "+ ", f"({value:.6g})"
    else:
        minus = value < 0
        sign = ("-" if first else "- ") if minus else ("" if first else "+ ")
        size = f"{abs(value):.6g}"
    if not k:
        return sign + size
    return f"{sign}{'' if size == '1' else size + ' '}{_power(base, k)}"


@boundary
def taylor(f: Callable[[Any], Any], x: Any, order: int, direction: Any = None) -> TaylorPolynomial:
    """Make the Taylor polynomial of a function of one number, or along a direction.

    Args:
        f: takes a number (float or complex), or with `direction` any tree of arrays; returns an
            array or a number.
        x: the point to expand at.
        order: the highest order.
        direction: expand t -> f(x + t * direction) at t = 0 instead: a tree like `x`.

    Returns:
        A `TaylorPolynomial`: `p(x)` is its value (`p(t)` with a direction), `p.coefficients` and
        `p.derivatives` are arrays, `p.radius()` estimates how far the series converges, `p.plot()`
        draws it, `p.to_numpy()` is a `numpy.polynomial.Polynomial`.

    Raises:
        TreeError: if `f` returns anything but one array or number.
        ShapeError, DtypeError: as `derivatives` does.

    Example:
        >>> import numpy as np, wengert as wg
        >>> p = wg.taylor(np.sin, 0.0, 5)
        >>> p
        x - 0.166667 x^3 + 0.00833333 x^5 + O(x^6)
        >>> round(float(p(0.5)), 6), round(float(np.sin(0.5)), 6)
        (0.479427, 0.479426)
    """
    operation = f"taylor of {describe_function(f)}"
    c = scaled_coefficients(operation, f, x, order, direction, scale=False)
    found = structure(c)
    if found.kind is not None:
        raise TreeError(
            f"{operation}: the function must return one array or number.",
            got=repr(found),
            fix="take one of its results, or use wengert.derivatives",
        )
    if is_static_leaf(c):
        raise LeafTypeError(f"{operation}: the result is no array.", got=repr(c))
    return TaylorPolynomial(c, x, direction, f)
