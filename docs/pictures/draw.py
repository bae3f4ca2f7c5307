"""Draws the pictures of the documents: python docs/pictures/draw.py [folder]."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

import wengert as wg

mpl.use("Agg")


def draw(folder: Path) -> None:
    """Write all pictures into a folder."""
    mpl.rcParams.update({"svg.hashsalt": "wengert", "svg.fonttype": "none"})
    figures = {
        "sine": wg.plot.linearization(np.sin, 1.0),
        "surface": wg.plot.linearization(
            lambda x: np.sin(x[0]) * np.cos(x[1]) + 0.2 * x[0] ** 2, np.array([0.6, 0.4])
        ),
        "taylor": wg.plot.taylor(np.log, 1.0),
        "sparsity": wg.plot.sparsity(
            lambda u: u[2:] - 2 * u[1:-1] + u[:-2] + np.sin(u[1:-1]), np.zeros(24)
        ),
    }
    for name, figure in figures.items():
        # A surface of a thousand facets is smaller as pixels.
        kind = "png" if name == "surface" else "svg"
        figure.savefig(
            folder / f"{name}.{kind}", dpi=80, metadata={"Date": None} if kind == "svg" else None
        )
        mpl.pyplot.close(figure)

    def f(x: np.ndarray) -> np.ndarray:
        y = np.sin(x[0]) * x[1]
        return np.exp(y) + x[0]

    x = np.array([0.5, 2.0])
    wg.plot.program(f, x).save(folder / "program.svg")
    wg.plot.program(wg.derivative_map(f, x).program).save(folder / "linear.svg")
    wg.plot.program(wg.derivative_map(f, x).T.program).save(folder / "transposed.svg")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
