"""Taylor polynomials, drawn: a function and its partial sums of rising order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.source import boundary, describe_function
from ..transforms import taylor as expand
from .extra import COLOURS, SERIES, new_figure, span

__all__ = ["taylor"]


@boundary
def taylor(
    f: Callable[..., Any],
    x: float,
    orders: int | Sequence[int] = (1, 2, 3, 5),
    width: float | None = None,
    samples: int = 401,
) -> Any:
    """Draw a function of a number, and its Taylor polynomials about a point.

    Args:
        f: a function from a number to a number.
        x: the point.
        orders: the orders of the polynomials: several, or one.
        width: how far around the point to draw; by default one and a half of the estimated radius
            of convergence, or 3 where that is larger or unknown.
        samples: how many points a curve has.

    Returns:
        The matplotlib figure. The interval of convergence, as estimated, is shaded.

    Raises:
        ShapeError: if the result is not one number.
        UnsupportedError: without matplotlib.

    Example:
        >>> import numpy as np, wengert as wg
        >>> figure = wg.plot.taylor(np.log, 1.0)  # doctest: +SKIP
    """
    orders = (orders,) if isinstance(orders, int) else orders
    point = float(x)
    y = np.asarray(f(point))
    if y.shape:
        raise ShapeError(
            f"plot.taylor of {describe_function(f)}: the result must be one number.",
            got=f"shape {y.shape}",
        )
    series = expand(f, point, max([*orders, 12]))
    radius = float(series.radius())
    reach = width if width is not None else min(3.0, 1.5 * radius) or 3.0
    figure, (ax,) = new_figure("taylor", 1, 7, 4.5)
    d = np.linspace(-reach, reach, samples)
    with np.errstate(all="ignore"):
        values = np.array([float(f(point + h)) for h in d])
    if np.isfinite(radius) and radius < reach:
        ax.axvspan(point - radius, point + radius, color=COLOURS["grid"], alpha=0.4, lw=0)
    ax.plot(point + d, values, color=COLOURS["function"], lw=2.4, label="f")
    coefficients = np.asarray(series.coefficients, float)
    for k, order in enumerate(sorted(orders)):
        partial = np.polynomial.polynomial.polyval(d, coefficients[: order + 1])
        ax.plot(point + d, partial, lw=1.4, color=SERIES[k % len(SERIES)], label=f"order {order}")
    ax.plot([point], [float(y)], "o", color=COLOURS["point"], ms=6, zorder=5)
    low, high = span(values)
    room = 0.4 * (high - low) or 1.0
    ax.set_ylim(low - room, high + room)
    ax.set_xlabel("x")
    ax.set_title(
        f"Taylor polynomials about {point:.4g}"
        + (f", radius about {radius:.3g}" if np.isfinite(radius) else "")
    )
    ax.legend(frameon=False)
    return figure
