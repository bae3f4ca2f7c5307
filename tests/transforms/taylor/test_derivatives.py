"""`wg.derivatives`, `wg.taylor` and the polynomials that it makes."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

import wengert as wg

Array = Any


def test_derivatives_of_a_number() -> None:
    np.testing.assert_allclose(wg.derivatives(np.sin, 0.0, 5), [0, 1, 0, -1, 0, 1], atol=1e-15)
    np.testing.assert_array_equal(wg.derivatives(np.exp, 0.0, 0), [1.0])


def test_results_of_any_shape_and_tree() -> None:
    f = lambda x: {"row": np.stack([x, x**2]), "text": "t", "n": 3, "one": x}
    found = wg.derivatives(f, 2.0, 2)
    np.testing.assert_allclose(found["row"], [[2, 4], [1, 4], [0, 2]])
    np.testing.assert_allclose(found["one"], [2, 1, 0])
    assert found["text"] == "t"
    np.testing.assert_array_equal(found["n"], [3, 0, 0])


def test_along_a_direction() -> None:
    x, v = {"a": np.array([1.0, 2.0]), "n": 3}, {"a": np.array([1.0, -1.0]), "n": None}
    found = wg.derivatives(lambda p: np.sum(p["a"] ** p["n"]), x, 3, direction=v)
    np.testing.assert_allclose(found, [9, 3 - 12, 6 + 12, 0])


def test_derivatives_compose() -> None:
    f = lambda x: np.exp(2 * x)
    want = 2.0 ** np.arange(5) * np.exp(0.6)
    np.testing.assert_allclose(wg.vmap(lambda x: wg.derivatives(f, x, 4))(np.array([0.3]))[0], want)
    np.testing.assert_allclose(wg.staged(lambda x: wg.derivatives(f, x, 4))(0.3), want)
    np.testing.assert_allclose(wg.jacfwd(lambda x: wg.derivatives(f, x, 4))(0.3), 2 * want)
    np.testing.assert_allclose(wg.jacrev(lambda x: wg.derivatives(f, x, 4))(0.3), 2 * want)


def test_complex_functions() -> None:
    found = wg.derivatives(lambda z: z**3, 1 + 1j, 3)
    np.testing.assert_allclose(found, [(1 + 1j) ** 3, 3 * (1 + 1j) ** 2, 6 * (1 + 1j), 6])


def test_single_precision() -> None:
    assert wg.derivatives(np.exp, np.float32(1), 3).dtype == np.float32


def test_errors_of_derivatives() -> None:
    with pytest.raises(wg.errors.ShapeError, match="must be one number") as caught:
        wg.derivatives(np.sin, np.ones(2), 2)
    assert "direction=v" in str(caught.value)
    with pytest.raises(wg.errors.ShapeError, match="must be one number"):
        wg.derivatives(lambda p: p[0], (1.0, 2.0), 2)
    with pytest.raises(wg.errors.DtypeError, match="no derivative"):
        wg.derivatives(np.sin, 1, 2)
    for order in (-1, 1.5, True):
        with pytest.raises(wg.errors.DtypeError, match="the order must be an int"):
            wg.derivatives(np.sin, 1.0, order)  # type: ignore[arg-type]
    with pytest.raises(wg.errors.ShapeError, match="the direction"):
        wg.derivatives(np.sum, np.ones(2), 2, direction=np.ones(3))
    with pytest.raises(wg.errors.UnsupportedError, match=r"wengert\.taylor"):
        wg.derivatives(np.sin, 1.0, 171)


# Polynomials.


def test_a_polynomial_is_its_own() -> None:
    f = lambda x: 1 + 2 * x - 3 * x**3
    p = wg.taylor(f, 0.7, 3)
    xs = np.linspace(-2, 2, 5)
    np.testing.assert_allclose(p(xs), f(xs), rtol=1e-13, atol=1e-13)
    assert p.order == 3
    np.testing.assert_allclose(p.derivatives, wg.derivatives(f, 0.7, 3))
    assert type(p(0.5)) is np.float64
    np.testing.assert_allclose(p(0.5, order=0), f(0.7))


def test_results_that_are_arrays() -> None:
    p = wg.taylor(lambda x: np.stack([np.exp(x), x**2]), 0.0, 12)
    assert p.coefficients.shape == (13, 2)
    assert p(0.5).shape == (2,)
    found = p(np.array([[0.1, 0.2, 0.3]]))
    assert found.shape == (1, 3, 2)
    np.testing.assert_allclose(found[..., 0], np.exp([[0.1, 0.2, 0.3]]))
    np.testing.assert_array_equal(p.radius(), [np.inf, np.inf])


def test_polynomials_along_a_direction() -> None:
    x, v = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    f = lambda x: np.sum(np.exp(x) * x)
    p = wg.taylor(f, x, 15, direction=v)
    np.testing.assert_allclose(p(0.3), f(x + 0.3 * v), rtol=1e-12)
    assert "t^2" in repr(p)


def test_polynomials_of_numpy() -> None:
    p = wg.taylor(np.exp, 1.0, 6)
    q = p.to_numpy()
    assert isinstance(q, np.polynomial.Polynomial)
    np.testing.assert_allclose(q(1.3), p(1.3), rtol=1e-14)
    np.testing.assert_allclose(q.deriv()(1.0), np.e)
    z = wg.taylor(np.exp, 1.0 + 1j, 6)
    np.testing.assert_allclose(z.to_numpy()(1.2 + 1j), z(1.2 + 1j), rtol=1e-12)
    line = wg.taylor(np.sum, np.ones(2), 2, direction=np.ones(2))
    np.testing.assert_allclose(line.to_numpy()(2.0), 6.0)


def test_polynomials_inside_of_other_transformations() -> None:
    def error(x: Array) -> Array:
        return wg.taylor(np.exp, x, 3)(x + 0.5)

    want = np.exp(0.2) * sum([0.5**k / math.factorial(k) for k in range(4)])
    np.testing.assert_allclose(wg.grad(error)(0.2), want)
    np.testing.assert_allclose(wg.vmap(error)(np.array([0.2])), [want])


RADII: dict[str, tuple[Any, float, float]] = {
    "log(1+x)": (np.log1p, 0.0, 1.0),
    "1/(1-x)": (lambda x: 1 / (1 - x), 0.0, 1.0),
    "1/x at 3": (lambda x: 1 / x, 3.0, 3.0),
    "sqrt(2-x)": (lambda x: np.sqrt(2 - x), 0.0, 2.0),
    "tan": (np.tan, 0.0, np.pi / 2),
    "arctan": (np.arctan, 0.0, 1.0),
    "far away": (lambda x: 1 / (1 + (x / 1e9) ** 2), 0.0, 1e9),
    "far away at 1": (lambda x: 1 / (1 + (x / 1e9) ** 2), 3e8, math.hypot(1e9, 3e8)),
    "very near": (lambda x: np.log(1 + x / 1e-12), 0.0, 1e-12),
    "tan at pi": (np.tan, np.pi, np.pi / 2),
    "1/(1+x^2)": (lambda x: 1 / (1 + x * x), 0.0, 1.0),
    "1/(1+x^2) at 1": (lambda x: 1 / (1 + x * x), 1.0, math.sqrt(2)),
    "tanh at 1/2": (np.tanh, 0.5, math.hypot(0.5, np.pi / 2)),
    "log(1+x^2)*exp(x)": (lambda x: np.log(1 + x * x) * np.exp(x), 0.3, math.hypot(1, 0.3)),
}


@pytest.mark.parametrize("name", RADII)
def test_radius_of_convergence(name: str) -> None:
    f, x, want = RADII[name]
    np.testing.assert_allclose(wg.taylor(f, x, 24).radius(), want, rtol=0.02)


def test_radius_without_singularities() -> None:
    for f in (np.exp, np.sin, np.cosh, lambda x: x**3, lambda x: 0 * x, lambda x: np.exp(-x * x)):
        assert wg.taylor(f, 0.0, 20).radius() == np.inf
    assert wg.taylor(np.sin, 0.4, 20).radius() == np.inf
    assert np.isnan(wg.taylor(np.tan, 0.4, 1).radius())
    with np.errstate(all="ignore"):
        assert np.isnan(wg.taylor(np.sqrt, 0.0, 4).radius())


def test_radius_in_the_complex_plane() -> None:
    p = wg.taylor(lambda z: 1 / (1 + z * z), 0.5 + 0.5j, 30)
    np.testing.assert_allclose(p.radius(), abs(0.5 - 0.5j), rtol=0.02)


def test_texts() -> None:
    assert repr(wg.taylor(np.sin, 0.0, 5)) == "x - 0.166667 x^3 + 0.00833333 x^5 + O(x^6)"
    assert repr(wg.taylor(lambda x: x**2, -1.0, 2)) == "1 - 2 (x + 1) + (x + 1)^2 + O((x + 1)^3)"
    assert repr(wg.taylor(lambda x: 0.0 * x, 0.0, 1)) == "0 + O(x^2)"
    assert repr(wg.taylor(lambda x: -x, 0.0, 0)) in ("0 + O(x)", "-0 + O(x)")
    many = wg.taylor(lambda x: np.stack([x, x]), 0.0, 2)
    assert repr(many) == "TaylorPolynomial(order=2, coefficients=f64[3,2])"
    assert "(1-1j)" not in repr(wg.taylor(lambda z: z, 1j, 1))


def test_plot() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ax = wg.taylor(np.log1p, 0.0, 8).plot()
    labels = [line.get_label() for line in ax.get_lines()]
    assert labels[0] == "log1p"
    assert "order 8" in labels
    assert ax.get_lines()[0].get_xdata()[-1] == pytest.approx(1.5, rel=0.05)
    x = np.ones(2)
    again = wg.taylor(np.sum, x, 2, direction=x).plot(width=1.0, orders=[1], ax=ax)
    assert again is ax
    pyplot.close("all")
    with pytest.raises(wg.errors.ShapeError, match="only a real number"):
        wg.taylor(lambda x: np.stack([x, x]), 0.0, 2).plot()


def test_plot_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(wg.errors.UnsupportedError, match="draws with matplotlib"):
        wg.taylor(np.sin, 0.0, 3).plot()


def test_errors_of_polynomials() -> None:
    with pytest.raises(wg.errors.TreeError, match="one array or number"):
        wg.taylor(lambda x: (x, x), 1.0, 2)
    with pytest.raises(wg.errors.LeafTypeError, match="the result is no array"):
        wg.taylor(lambda x: "text", 1.0, 2)
    p = wg.taylor(lambda x: np.stack([x, x]), 0.0, 2)
    with pytest.raises(wg.errors.ShapeError, match="single numbers"):
        p.to_numpy()
    with pytest.raises(wg.errors.ShapeError, match="no such order") as caught:
        p(1.0, order=3)
    assert "taylor(f, x, 3)" in str(caught.value)
    with pytest.raises(wg.errors.UnsupportedError, match="radius: the coefficients are traced"):
        wg.grad(lambda x: wg.taylor(np.sin, x, 4).radius())(1.0)
    with pytest.raises(wg.errors.UnsupportedError, match="180!"):
        _ = wg.taylor(np.sin, 1.0, 180).derivatives


def test_a_complex_centre_is_printed_in_brackets() -> None:
    assert repr(wg.taylor(np.square, 1j, 2)).startswith("(-1+0j) + (0+2j) (x - (0+1j)) + ")
