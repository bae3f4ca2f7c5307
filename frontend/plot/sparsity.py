"""Sparsity, drawn: where a Jacobian or a Hessian can differ from zero, in the colours of the passes
that compute it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.errors import ModeError
from ..core.source import boundary, describe_function
from ..transforms import sparse_hessian, sparse_jacobian
from .extra import SERIES, new_figure

__all__ = ["sparsity"]

_MOST: Final = 400
"""So many cells each way are drawn at most, so that each of them can be seen."""


@boundary
def sparsity(f: Callable[..., Any], *args: Any, of: str = "jacobian", **kwargs: Any) -> Any:
    """Draw where a derivative can differ from zero; entries of one colour come from one pass.

    Args:
        f: a function of trees of arrays, as for `sparse_jacobian`.
        args: its arguments.
        of: "jacobian" or "hessian".
        kwargs: keyword arguments of `f`.

    Returns:
        The matplotlib figure: a square for each entry of the pattern.

    Raises:
        ModeError: for another derivative.
        UnsupportedError: without matplotlib, or without SciPy.

    Example:
        >>> import numpy as np, wengert as wg
        >>> f = lambda u: u[2:] - 2 * u[1:-1] + u[:-2]
        >>> figure = wg.plot.sparsity(f, np.zeros(30))  # doctest: +SKIP
    """
    makers = {"jacobian": sparse_jacobian, "hessian": sparse_hessian}
    if of not in makers:
        raise ModeError(
            f"plot.sparsity of {describe_function(f)}: no such derivative.",
            got=f"of={of!r}",
            needed='"jacobian" or "hessian"',
        )
    plan = makers[of](f).plan(*args, **kwargs)  # type: ignore[attr-defined]  # they have a plan
    entries = plan.pattern.tocoo()
    m, n = plan.pattern.shape
    columns, rows = plan.column_colours, plan.row_colours
    forward = columns[entries.col]
    colour = np.where(forward >= 0, forward, plan.forward_passes + rows[entries.row])
    figure, (ax,) = new_figure("sparsity", 1, 5.4, 5.4 * min(max(m / max(n, 1), 0.4), 1.6))
    # Squares of so many rows and columns are drawn as one cell, with the colour of an entry in it.
    size = max(1, -(-max(m, n) // _MOST))
    cells = np.full((-(-m // size), -(-n // size), 3), 1.0)
    palette = np.array([_rgb(c) for c in SERIES])
    shades = palette[colour % len(SERIES)]
    # Later rounds through the palette are paler.
    paler = (0.75 ** (colour // len(SERIES)))[:, None]
    cells[entries.row // size, entries.col // size] = 1 - (1 - shades) * paler
    edges = (-0.5, size * cells.shape[1] - 0.5, size * cells.shape[0] - 0.5, -0.5)
    if cells.size:
        ax.imshow(cells, interpolation="nearest", aspect="auto", extent=edges)
    ax.set_xlabel("argument")
    ax.set_ylabel("result" if of == "jacobian" else "argument")
    passes = plan.forward_passes + plan.reverse_passes
    ax.set_title(f"{m} x {n}, {plan.pattern.nnz} entries, {passes} pass{'es' * (passes != 1)}")
    return figure


def _rgb(text: str) -> tuple[float, ...]:
    return tuple([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])
