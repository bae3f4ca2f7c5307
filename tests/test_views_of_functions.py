"""What a function returns is a view or a copy where NumPy's is: seen by writing to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

M = np.arange(12.0).reshape(3, 4)
Z = M + 1j

FUNCTIONS: dict[str, Any] = {
    "append": lambda x: np.append(x, x, 0),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda v: v, 0, x),
    "apply_over_axes": lambda x: np.apply_over_axes(lambda v, axis: v, x, 0),
    "array_split": lambda x: np.array_split(x, 2)[1],
    "astype": lambda x: x.astype(float),
    "astype-view": lambda x: x.astype(float, copy=False),
    "atleast_1d": lambda x: np.atleast_1d(x),
    "atleast_3d": lambda x: np.atleast_3d(x),
    "block": lambda x: np.block(x),
    "block-list": lambda x: np.block([x]),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.ones((2, 1, 1)))[0],
    "broadcast_arrays-same": lambda x: np.broadcast_arrays(x, np.ones(4))[0],
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "column_stack": lambda x: np.column_stack([x]),
    "compress": lambda x: np.compress([1, 1, 1], x, 0),
    "concatenate": lambda x: np.concatenate([x]),
    "copy": lambda x: np.copy(x),
    "delete": lambda x: np.delete(x, [], 0),
    "diag": lambda x: np.diag(x),
    "diagonal": lambda x: np.diagonal(x),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "extract": lambda x: np.extract(np.ones((3, 4)), x),
    "flatten": lambda x: x.flatten(),
    "flip": lambda x: np.flip(x, 0),
    "fliplr": lambda x: np.fliplr(x),
    "hsplit": lambda x: np.hsplit(x, 2)[0],
    "insert": lambda x: np.insert(x, [], 0, 0),
    "ix_": lambda x: np.ix_(x[0])[0],
    "linspace": lambda x: np.linspace(x, x, 1),
    "mT": lambda x: x.mT,
    "matrix_transpose": lambda x: np.matrix_transpose(x),
    "meshgrid": lambda x: np.meshgrid(x[0])[0],
    "meshgrid-view": lambda x: np.meshgrid(x[0], copy=False)[0],
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "pad": lambda x: np.pad(x, 0),
    "pad-edge": lambda x: np.pad(x, 0, "edge"),
    "polyadd": lambda x: np.polyadd(x[0], x[0]),
    "polyder": lambda x: np.polyder(x[0], 0),
    "polyint": lambda x: np.polyint(x[0], 0),
    "ravel": lambda x: np.ravel(x),
    "ravel-F": lambda x: np.ravel(x, "F"),
    "ravel-K": lambda x: np.ravel(x.T, "K"),
    "real": lambda x: np.real(x),
    "repeat": lambda x: np.repeat(x, 1, 0),
    "reshape": lambda x: np.reshape(x, (4, 3)),
    "reshape-copy": lambda x: np.reshape(x, (3, 4)).copy(),
    "resize": lambda x: np.resize(x, (3, 4)),
    "roll": lambda x: np.roll(x, 0, 0),
    "roll-round": lambda x: np.roll(x, 3, 0),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "rot90": lambda x: np.rot90(x),
    "rot90-none": lambda x: np.rot90(x, 0),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 0),
    "split": lambda x: np.split(x, [1])[0],
    "squeeze": lambda x: np.squeeze(x),
    "stack": lambda x: np.stack([x]),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "take": lambda x: np.take(x, [0, 1, 2], 0),
    "tile": lambda x: np.tile(x, 1),
    "tile-more": lambda x: np.tile(x[:1, :1], 3),
    "transpose": lambda x: np.transpose(x),
    "tril": lambda x: np.tril(x, 9),
    "trim_zeros": lambda x: np.trim_zeros(x[0] + 0),
    "trim_zeros-view": lambda x: np.trim_zeros(x[1]),
    "view": lambda x: x.view(),
    "vsplit": lambda x: np.vsplit(x, [1])[1],
}
if hasattr(np, "unstack"):
    FUNCTIONS["unstack"] = lambda x: np.unstack(x)[0]


def _written(f: Any, x: Any) -> Any:
    """The array after a write to what `f` returns for it; None if that is read-only."""
    x = np.copy(x)
    y = f(x)
    try:
        y[...] = -1.0
    except ValueError:  # read-only
        return None
    return x


@pytest.mark.filterwarnings("ignore:Numpy has detected that you")
@pytest.mark.parametrize("x", [M, np.asfortranarray(M), Z], ids=["C", "F", "complex"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_share_memory_where_numpys_do(name: str, x: Any) -> None:
    f = FUNCTIONS[name]
    if x is Z and name.startswith("astype"):
        return
    want = _written(f, x)

    def g(x: Any) -> Any:
        found = _written(f, x)
        if want is None:
            # What NumPy refuses, or warns of, is refused.
            assert found is None
            return x
        if found is None:
            assert name in _REFUSED_HERE
            return want + 0 * x
        return found

    got = wg.jvp(g, (x,), (x,))[0]
    np.testing.assert_array_equal(got, x if want is None else want)


_REFUSED_HERE = {"broadcast_arrays", "meshgrid-view"}
"""NumPy warns that it will refuse these."""
