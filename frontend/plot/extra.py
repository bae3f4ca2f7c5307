"""matplotlib, imported when it is used first; and the colours of all pictures."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from ..core.errors import UnsupportedError

__all__ = ["COLOURS", "new_figure"]

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
