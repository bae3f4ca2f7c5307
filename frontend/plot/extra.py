"""matplotlib, imported when it is used first; and the colours of all pictures."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import numpy as np

from ..core.aval import Array
from ..core.errors import UnsupportedError

__all__ = ["COLOURS", "SERIES", "new_figure", "span"]

COLOURS: Final = {
    "function": "#1f4e79",
    "derivative": "#c1440e",
    "point": "#202020",
    "grid": "#d9d9d9",
}
SERIES: Final = ("#c1440e", "#2a7f62", "#8a4fa3", "#b8860b", "#3f7cac", "#7a7a7a")
"""Colours for several curves of a kind."""


def pyplot(what: str) -> Any:
    """The module `matplotlib.pyplot`; an UnsupportedError that says how to install it."""
    try:
        return import_module("matplotlib.pyplot")
    except ImportError:
        raise UnsupportedError(
            f"wengert.plot.{what} draws with matplotlib, which is not installed.",
            needed="the package matplotlib",
            fix='pip install "wengert[plot]"',
        ) from None


def new_figure(what: str, columns: int, width: float, height: float, three: bool = False) -> Any:
    """A figure and its axes side by side, in three dimensions if asked for."""
    plt = pyplot(what)
    keys = {"projection": "3d"} if three else {}
    figure, axes = plt.subplots(
        1, columns, figsize=(width, height), squeeze=False, subplot_kw=keys, layout="constrained"
    )
    return figure, list(axes[0])


def span(values: Array) -> tuple[float, float]:
    """The least and the largest value to show: all there are, but for the tips of poles."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = float(np.min(finite)), float(np.max(finite))
    near = [float(v) for v in np.quantile(finite, (0.05, 0.95))]
    if high - low > 5 * (near[1] - near[0]) > 0:
        return near[0], near[1]
    return low, high
