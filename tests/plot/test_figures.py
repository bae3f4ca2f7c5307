"""What the pictures show: lines, planes and colours, read back from the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_figures_left() -> Any:
    yield
    matplotlib.pyplot.close("all")


def test_a_graph_with_its_tangent() -> None:
    left, right = wg.plot.linearization(np.sin, 1.0).axes
    curve, tangent, point = left.lines
    np.testing.assert_allclose(curve.get_ydata(), np.sin(curve.get_xdata()))
    x, y = tangent.get_data()
    np.testing.assert_allclose(y, np.sin(1.0) + np.cos(1.0) * (x - 1.0))
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (1.0, np.sin(1.0))
    dx, dy = right.lines[0].get_data()
    np.testing.assert_allclose(dy, np.cos(1.0) * dx)
    assert dx[0] == -dx[1]


def test_a_curve() -> None:
    figure = wg.plot.linearization(lambda t: np.stack([np.cos(t), np.sin(t)]), 0.5)
    left, right = figure.axes
    assert "velocity" in right.get_title()
    x, y = left.lines[0].get_data()
    np.testing.assert_allclose(x**2 + y**2, 1.0)


def test_a_surface() -> None:
    figure = wg.plot.linearization(lambda x: x[0] ** 2 + 3 * x[1], np.array([1.0, 0.0]))
    assert figure.axes[1].get_title() == "its derivative: dy = 2 dx[0] + 3 dx[1]"
    assert len(figure.axes[0].collections) == 3


def test_edges_of_the_domain() -> None:
    """Values that there are not leave a gap."""
    left, _ = wg.plot.linearization(np.log, 0.5).axes
    assert np.isnan(left.lines[0].get_ydata()).any()
    figure = wg.plot.linearization(lambda x: 2.0 + 0 * x, 0.5)
    assert figure.axes[0].get_ylim()[0] < 2.0 < figure.axes[0].get_ylim()[1]


def test_wrong_shapes() -> None:
    with pytest.raises(wg.errors.ShapeError, match="from R to R, from R to R"):
        wg.plot.linearization(np.sin, np.ones(3))
    with pytest.raises(wg.errors.DtypeError, match="must be real"):
        wg.plot.linearization(np.sin, 1j)
    with pytest.raises(wg.errors.ShapeError, match="must be one number"):
        wg.plot.taylor(lambda x: np.stack([x, x]), 1.0)


def test_taylor_polynomials() -> None:
    (ax,) = wg.plot.taylor(np.exp, 0.0, orders=(1, 2)).axes
    f, one, two, _ = ax.lines
    x = f.get_xdata()
    np.testing.assert_allclose(f.get_ydata(), np.exp(x))
    np.testing.assert_allclose(one.get_ydata(), 1 + x)
    np.testing.assert_allclose(two.get_ydata(), 1 + x + x**2 / 2)
    (ax,) = wg.plot.taylor(np.log, 2.0).axes
    assert "radius about 2" in ax.get_title()


def test_sparsity() -> None:
    pytest.importorskip("scipy")
    f = lambda u: u[2:] - 2 * u[1:-1] + u[:-2]
    (ax,) = wg.plot.sparsity(f, np.zeros(9)).axes
    cells = ax.images[0].get_array()
    due = wg.jacobian_sparsity(f, np.zeros(9)).toarray()
    np.testing.assert_array_equal(np.any(cells < 1, axis=-1), due)
    assert ax.get_title() == "7 x 9, 21 entries, 3 passes"
    for row in range(7):  # entries of a row come from different passes
        assert len({tuple(c) for c in cells[row][due[row]]}) == 3
    energy = lambda x: np.sum((x[1:] - x[:-1]) ** 2)
    (ax,) = wg.plot.sparsity(energy, np.zeros(5), of="hessian").axes
    assert ax.get_title().startswith("5 x 5, 13 entries")
    with pytest.raises(wg.errors.ModeError, match="no such derivative"):
        wg.plot.sparsity(f, np.zeros(9), of="gradient")


def test_large_patterns_are_seen() -> None:
    pytest.importorskip("scipy")
    heat = lambda u: u[2:] - 2 * u[1:-1] + u[:-2]
    (ax,) = wg.plot.sparsity(heat, np.ones(50_000)).axes
    (image,) = ax.images
    cells = np.asarray(image.get_array())
    assert cells.shape == (400, 400, 3)
    coloured = np.any(cells < 1, axis=-1)
    assert np.all(np.diagonal(coloured))
    assert coloured.sum() < 1200
    assert image.get_extent()[1] > 49_999


def test_an_empty_pattern() -> None:
    pytest.importorskip("scipy")
    (ax,) = wg.plot.sparsity(lambda x: x, np.ones(0)).axes
    assert ax.get_title() == "0 x 0, 0 entries, 0 passes"


def test_one_order() -> None:
    (ax,) = wg.plot.taylor(np.log, 1.0, 5).axes
    assert [line.get_label() for line in ax.lines[:2]] == ["f", "order 5"]


def test_poles_do_not_hide_the_rest() -> None:
    low, high = wg.plot.taylor(np.tan, 0.0).axes[0].get_ylim()
    assert -40 < low < high < 40
    low, high = wg.plot.linearization(np.sin, 1.0).axes[0].get_ylim()
    assert low < -0.8
    assert high > 1.0


@pytest.mark.parametrize(("f", "x"), [(np.sqrt, 0.0), (np.exp, 1e3), (np.log, -1.0)])
def test_no_line_where_the_derivative_is_not_finite(f: Any, x: float) -> None:
    with (
        np.errstate(all="ignore"),
        pytest.raises(wg.errors.NonSmoothError, match="no line to draw"),
    ):
        wg.plot.linearization(f, x)
