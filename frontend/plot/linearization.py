"""The derivative as a linear map, drawn: beside the function's graph stands the line (the plane)
through the origin of the tangent space, and at the graph its translate, the first-order Taylor
approximation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.aval import Array, aval_of
from ..core.errors import DtypeError, NonSmoothError, ShapeError
from ..core.source import boundary, describe_function
from ..transforms import jvp
from .extra import COLOURS, new_figure, span

__all__ = ["linearization"]


@boundary
def linearization(
    f: Callable[..., Any], x: Any, width: float | None = None, samples: int = 201
) -> Any:
    """Draw a function, its derivative at a point as a linear map, and its linear approximation.

    Args:
        f: a function from a number to a number, from a number to a point of the plane (a curve), or
            from an array of two numbers to a number (a surface). It is called with numbers, and
            under `jvp`.
        x: the point: a float, or an array of two.
        width: how far around the point to draw, in units of the argument; by default 2, and 1.2
            for a surface.
        samples: how many points a curve has; a surface has a quarter of it each way.

    Returns:
        The matplotlib figure: on the left the function with its approximation at `x`, on the right
        the derivative alone, through the origin of the tangent space.

    Raises:
        ShapeError: for other shapes of the argument or the result.
        NonSmoothError: where the value or the derivative is not finite.
        UnsupportedError: without matplotlib.

    Example:
        >>> import numpy as np, wengert as wg
        >>> figure = wg.plot.linearization(np.sin, 1.0)  # doctest: +SKIP
        >>> figure.savefig("sine.svg")  # doctest: +SKIP
    """
    operation = f"plot.linearization of {describe_function(f)}"
    if np.iscomplexobj(x):
        raise DtypeError(f"{operation}: the point must be real.", got=repr(aval_of(x)))
    point = np.asarray(x, float)[()]
    reach = 2.0 if width is None else float(width)
    y = np.asarray(f(point))
    _check_finite(operation, f, point, y)
    if point.shape == () and y.shape == ():
        return _graph(f, point, reach, samples)
    if point.shape == () and y.shape == (2,):
        return _curve(f, point, reach, samples)
    if point.shape == (2,) and y.shape == ():
        reach = 1.2 if width is None else reach
        return _surface(f, point, reach, max(samples // 4, 9))
    raise ShapeError(
        f"{operation}: pictures are of functions from R to R, from R to R^2, or from R^2 to R.",
        got=f"{aval_of(point)!r} -> {aval_of(y)!r}",
        fix="fix all but one or two numbers of the argument, or choose one number of the result",
    )


def _check_finite(operation: str, f: Callable[..., Any], x: Array, y: Array) -> None:
    """Raise NonSmoothError where the value or the derivative is infinite or NaN."""
    if x.size > 2:
        return
    basis = np.eye(x.size).reshape((x.size, *x.shape)) if x.shape else [np.float64(1.0)]
    with np.errstate(all="ignore"):
        slopes = [_pushed(f, x, v) for v in basis]
    if not all([np.all(np.isfinite(v)) for v in (y, *slopes)]):
        raise NonSmoothError(
            f"{operation}: there is no line to draw, as the value or the derivative is not finite.",
            got=f"value {y}, derivative {', '.join([str(v) for v in slopes])} at {x}",
            fix="another point",
        )


def _pushed(f: Callable[..., Any], x: Array, v: Array) -> Array:
    """The derivative at x, applied to v."""
    return np.asarray(jvp(f, (x,), (v,))[1])


def _values(f: Callable[..., Any], points: Sequence[Array]) -> Array:
    """The values at points, NaN outside of the domain."""
    with np.errstate(all="ignore"):
        return np.array([np.asarray(f(p), float) for p in points])


def _axes_at_origin(ax: Any) -> None:
    ax.axhline(0, color=COLOURS["grid"], lw=1, zorder=0)
    ax.axvline(0, color=COLOURS["grid"], lw=1, zorder=0)


def _graph(f: Callable[..., Any], x: Array, reach: float, samples: int) -> Any:
    figure, (left, right) = new_figure("linearization", 2, 9, 4)
    y, slope = float(f(x)), float(_pushed(f, x, np.float64(1.0)))
    xs = np.linspace(x - reach, x + reach, samples)
    ys = _values(f, list(xs))
    near = np.linspace(-0.7 * reach, 0.7 * reach, 2)
    name = describe_function(f).split(" at ")[0]
    name = "f" if name.startswith("<") or len(name) > 12 else f" {name}".strip()
    left.plot(xs, ys, color=COLOURS["function"], lw=2, label=f"{name}(x)")
    left.plot(
        x + near, y + slope * near, color=COLOURS["derivative"], lw=1.6, ls="--",
        label=f"{name}(a) + D{name}(a) (x - a)",
    )  # fmt: skip
    left.plot([x], [y], "o", color=COLOURS["point"], ms=6, label=f"a = {x:.4g}", zorder=5)
    low, high = span(np.append(ys, y))
    room = 0.15 * (high - low) or 1.0
    left.set_ylim(low - room, high + room)
    left.set_title("the function, and its first-order approximation", fontsize=10)
    left.set_xlabel("x")
    left.legend(frameon=False)
    right.plot(near, slope * near, color=COLOURS["derivative"], lw=2)
    right.plot([0], [0], "o", color=COLOURS["point"], ms=6)
    step = 0.4 * reach
    right.plot([0, step, step], [0, 0, step * slope], color=COLOURS["point"], lw=1)
    beside = {"textcoords": "offset points", "ha": "center"}
    right.annotate("dx", (step / 2, 0), xytext=(0, -13 if slope >= 0 else 5), **beside)
    right.annotate(
        f"dy = {slope:.4g} dx", (step, step * slope / 2), textcoords="offset points",
        xytext=(5, -3), fontsize=9,
    )  # fmt: skip
    _axes_at_origin(right)
    right.set_xlim(-reach, reach)
    size = max(abs(slope) * 0.7 * reach, 0.35 * (high - low)) * 1.2 or 1.0
    right.set_ylim(-size, size)
    right.set_title(f"its derivative D{name}(a): a line through the origin", fontsize=10)
    right.set_xlabel("dx")
    right.set_ylabel("dy")
    return figure


def _curve(f: Callable[..., Any], t: Array, reach: float, samples: int) -> Any:
    figure, (left, right) = new_figure("linearization", 2, 9, 4.4)
    points = _values(f, list(np.linspace(t - reach, t + reach, samples)))
    y, v = np.asarray(f(t), float), _pushed(f, t, np.float64(1.0))
    left.plot(*points.T, color=COLOURS["function"], lw=2, label="f(t)")
    line = np.array([y - v, y + v])
    left.plot(*line.T, color=COLOURS["derivative"], lw=1.4, ls="--", label="f(a) + Df(a)(t - a)")
    arrow = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.008, "zorder": 4}
    left.quiver(*y, *v, color=COLOURS["derivative"], **arrow)
    left.plot(*y[:, None], "o", color=COLOURS["point"], ms=6, label=f"a = {t:.4g}", zorder=5)
    left.set_title("the curve, and its tangent at a")
    left.legend(frameon=False)
    _axes_at_origin(right)
    right.quiver(0, 0, *v, color=COLOURS["derivative"], **arrow)
    size = 1.4 * float(np.max(np.abs(v))) or 1.0
    right.set_xlim(-size, size)
    right.set_ylim(-size, size)
    right.set_aspect("equal")
    left.set_aspect("equal", adjustable="datalim")
    right.set_title(f"Df(a)(1) = ({v[0]:.4g}, {v[1]:.4g}), the velocity")
    return figure


def _surface(f: Callable[..., Any], x: Array, reach: float, samples: int) -> Any:
    figure, (left, right) = new_figure("linearization", 2, 11, 4.8, three=True)
    y = float(f(x))
    slopes = np.array([float(_pushed(f, x, e)) for e in np.eye(2)])
    d = np.linspace(-reach, reach, samples)
    du, dv = np.meshgrid(d, d, indexing="ij")
    values = _values(f, [x + np.array(p) for p in zip(du.ravel(), dv.ravel(), strict=True)])
    values = values.reshape(du.shape)
    plane = slopes[0] * du + slopes[1] * dv
    left.plot_surface(
        x[0] + du, x[1] + dv, values, color=COLOURS["function"], alpha=0.55, linewidth=0,
        rcount=samples, ccount=samples,
    )  # fmt: skip
    inner = (np.abs(du) <= 0.62 * reach) & (np.abs(dv) <= 0.62 * reach)
    k = int(np.sqrt(np.sum(inner)))
    cut = [a[inner].reshape(k, k) for a in (du, dv, plane)]
    left.plot_surface(
        x[0] + cut[0], x[1] + cut[1], y + cut[2], color=COLOURS["derivative"], alpha=0.8,
        linewidth=0,
    )  # fmt: skip
    left.scatter([x[0]], [x[1]], [y], color=COLOURS["point"], s=30, depthshade=False)
    left.set_title("the function, and its tangent plane", fontsize=10)
    right.plot_surface(du, dv, plane, color=COLOURS["derivative"], alpha=0.8, linewidth=0)
    right.scatter([0], [0], [0], color=COLOURS["point"], s=30, depthshade=False)
    sign = "-" if slopes[1] < 0 else "+"
    right.set_title(
        f"its derivative: dy = {slopes[0]:.4g} dx[0] {sign} {abs(slopes[1]):.4g} dx[1]", fontsize=10
    )
    for ax, names in ((left, ("x[0]", "x[1]", "y")), (right, ("dx[0]", "dx[1]", "dy"))):
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        ax.set_zlabel(names[2])
        ax.view_init(elev=24, azim=-122)
        ax.set_box_aspect(None, zoom=0.86)
    return figure
