"""The distributions of `wengert.scipy.stats`: arguments, edges and tails, parameters, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from specs.scipy_stats import CDFS, CONTINUOUS, DISCRETE, QUANTILES

import wengert as wg
import wengert.scipy.stats as stats
from wengert.errors import (
    ArrayConversionError,
    DtypeError,
    MissingRuleError,
    ShapeError,
    UnsupportedError,
)

Array = Any
EDGES = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0, 1e10, np.inf])
CHANCES = np.array([-0.5, 0.0, 0.3, 1.0, 1.5])


def methods() -> list[Any]:
    return [
        pytest.param(name, method, id=f"{name}-{method}")
        for table, density in ((CONTINUOUS, "pdf"), (DISCRETE, "pmf"))
        for name in table
        for method in (density, f"log{density}", *CDFS, *QUANTILES)
    ]


def shapes_of(name: str) -> list[float]:
    """Shapes in the middle of what they are drawn from."""
    draws = {**CONTINUOUS, **DISCRETE}[name][1:]
    return [float(d(np.random.default_rng(5))) for d in draws]


@pytest.mark.parametrize(("name", "method"), methods())
def test_derivatives_are_finite_at_the_edges_of_the_support(name: str, method: str) -> None:
    """And 0 outside; wherever the value is finite, for every parameter."""
    points = CHANCES if method in QUANTILES else EDGES
    moved = (0.25, 1.5) if name in CONTINUOUS else (0.0,)
    args = (points, *shapes_of(name), *moved)
    f = getattr(getattr(stats, name), method)
    with np.errstate(all="ignore"):
        want = getattr(getattr(scipy.stats, name), method)(*args)
        for i, x in enumerate(args):
            g = lambda x, i=i: f(*args[:i], x, *args[i + 1 :])
            try:
                y, y_dot = wg.jvp(g, (x,), (np.ones_like(x)[()],))
            except MissingRuleError:
                continue
            np.testing.assert_array_equal(y, want)
            assert np.all(np.isfinite(y_dot[np.isfinite(want)]))
            ct = np.isfinite(want) * 1.0
            assert np.all(np.isfinite(wg.vjp(g, x)[1](ct)[0]))
            if method in CDFS:  # flat where nothing or everything is below
                assert not np.any(y_dot[np.isinf(points)])


def test_outside_the_support_there_is_no_slope() -> None:
    x = np.array([-3.0, -1.0])
    for f in (
        lambda x, s: stats.gamma.logpdf(x, 2.0, 0.0, s),
        lambda x, s: stats.expon.pdf(x, scale=s),
        lambda x, s: stats.lognorm.logcdf(x, s),
        lambda x, s: stats.pareto.cdf(x, s),
        lambda x, s: stats.beta.logpdf(x, s, 2.0),
    ):
        assert not np.any(wg.jvp(f, (x, 1.5), (x, 1.0))[1])


def test_invalid_parameters_give_nan_as_in_scipy() -> None:
    for f, s in (
        (lambda s: stats.norm.logpdf(0.5, 0.0, s), -1.0),
        (lambda s: stats.norm.cdf(np.inf, 0.0, s), -1.0),
        (lambda s: stats.gamma.cdf(0.5, s), 0.0),
        (lambda s: stats.beta.ppf(0.5, s, 2.0), -2.0),
        (lambda s: stats.poisson.pmf(2, s), -1.0),
        (lambda s: stats.t.mean(s), -1.0),
        (lambda s: stats.gamma.entropy(s), -1.0),
    ):
        assert np.isnan(f(s)) and np.isnan(wg.jvp(f, (s,), (1.0,))[0])


def test_tails() -> None:
    rate = lambda x: wg.grad(stats.norm.logcdf)(x)
    assert rate(-40.0) == pytest.approx(40.024968847207, rel=1e-12)
    assert rate(-1e7) == pytest.approx(1e7, rel=1e-12)
    assert wg.grad(rate)(-1e4) == pytest.approx(-1.0, rel=1e-7)
    assert wg.grad(stats.norm.logsf)(1e7) == pytest.approx(-1e7, rel=1e-12)
    assert wg.grad(stats.weibull_min.logsf, argnums=1)(50.0, 2.0) == pytest.approx(
        -2500 * np.log(50.0), rel=1e-12
    )
    assert wg.grad(stats.lognorm.logsf)(1e20, 0.01) == pytest.approx(-4.605170e-15, rel=1e-4)
    assert wg.grad(stats.truncnorm.logpdf, argnums=1)(31.0, 30.0, 40.0) == pytest.approx(
        -wg.grad(stats.norm.logsf)(30.0), rel=1e-9
    )


def test_ends_of_the_range_of_probabilities() -> None:
    """Polynomials of p, which have slopes at 0 and 1."""
    slopes = lambda f, p: wg.jvp(f, (p,), (1.0,))[1]
    k = np.arange(3)
    np.testing.assert_array_equal(slopes(lambda p: stats.binom.pmf(k, 2, p), 0.0), [-2, 2, 0])
    np.testing.assert_array_equal(slopes(lambda p: stats.binom.pmf(k, 2, p), 1.0), [0, -2, 2])
    np.testing.assert_array_equal(slopes(lambda p: stats.binom.cdf(k, 2, p), 1.0), [0, -2, 0])
    np.testing.assert_array_equal(slopes(lambda p: stats.bernoulli.pmf(k, p), 0.0), [-1, 1, 0])
    np.testing.assert_array_equal(slopes(lambda p: stats.geom.pmf(k + 1, p), 1.0), [1, -1, 0])
    np.testing.assert_array_equal(slopes(lambda m: stats.poisson.pmf(k, m), 0.0), [-1, 1, 0])
    np.testing.assert_allclose(slopes(lambda p: stats.nbinom.pmf(k, 2.0, p), 1.0), [2, -2, 0])
    assert wg.grad(stats.binom.logpmf, argnums=2)(0, 3, 0.0) == -3.0


def test_an_infinite_number_of_degrees_of_freedom() -> None:
    got = wg.grad(stats.t.logpdf)(0.7, np.inf)
    assert got == -0.7
    assert wg.grad(stats.t.cdf, argnums=1)(0.7, np.inf) == 0.0


def test_arguments_are_those_of_scipy() -> None:
    for call in (
        lambda d, a: d.gamma.logpdf(1.5, a, 0.5, 2.0),
        lambda d, a: d.gamma.logpdf(1.5, a=a, loc=0.5, scale=2.0),
        lambda d, a: d.gamma(a, 0.5, 2.0).logpdf(1.5),
        lambda d, a: d.gamma(a, scale=2.0, loc=0.5).logpdf(x=1.5),
        lambda d, a: d.norm([0.0, a], [[1.0], [2.0]]).cdf(1.5),
        lambda d, a: d.norm(a).interval(0.9),
        lambda d, a: d.norm.interval(a / 5, 1.0, 2.0),
        lambda d, a: d.poisson(a, loc=1).cdf(3),
        lambda d, a: d.expon(scale=a).median(),
        lambda d, a: d.gamma.std(a, 1.0, 3.0),
        lambda d, a: d.t(a).entropy(),
        lambda d, a: d.norm.logpdf(1, a),
    ):
        y, _ = wg.jvp(lambda a, call=call: call(stats, a), (2.5,), (1.0,))
        for got, want in zip(
            wg.tree.leaves(y), wg.tree.leaves(call(scipy.stats, 2.5)), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-14)
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        wg.grad(lambda x: stats.gamma.logpdf(x))(1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'rate'"):
        wg.grad(lambda x: stats.expon.logpdf(x, rate=2.0))(1.0)


def test_with_nothing_traced_scipy_computes() -> None:
    assert stats.norm.rvs(size=3, random_state=0).shape == (3,)
    assert stats.norm(1.0, 2.0).rvs(2, random_state=0).shape == (2,)
    assert stats.norm.stats(moments="s") == 0
    assert stats.gamma.a == 0.0
    assert stats.skewnorm is scipy.stats.skewnorm
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stats.norm.nothing  # noqa: B018  # what is tested


def test_what_has_no_rule_says_so() -> None:
    with pytest.raises(UnsupportedError, match=r"scipy\.stats\.norm\.rvs.*\n.*wengert\.random"):
        wg.grad(lambda m: stats.norm.rvs(m))(1.0)
    with pytest.raises(UnsupportedError, match=r"scipy\.stats\.gamma\.moment"):
        wg.grad(lambda a: stats.gamma(a).moment(3))(1.0)
    with pytest.raises(UnsupportedError, match=r"multivariate_normal\.cdf"):
        wg.grad(lambda x: stats.multivariate_normal.cdf(x, np.zeros(2)))(np.ones(2))
    with pytest.raises(UnsupportedError, match="allow_singular"):
        wg.grad(lambda x: stats.multivariate_normal.logpdf(x, allow_singular=True))(1.0)
    with pytest.raises(MissingRuleError, match=r"scipy\.stats\.vonmises: the cdf"):
        wg.grad(stats.vonmises.cdf, argnums=1)(0.5, 1.0)
    with pytest.raises(DtypeError, match="of real numbers"):
        wg.grad(lambda x: np.real(stats.norm.logpdf(x * 1j)))(1.0)
    with pytest.raises(UnsupportedError, match="nan_policy"):
        wg.grad(lambda x: stats.sem(x, nan_policy="omit"))(np.ones(3))


def test_scipy_itself_says_where_the_traced_form_is() -> None:
    with pytest.raises(ArrayConversionError, match=r"use wengert\.scipy\.stats\.norm\.logpdf"):
        wg.grad(lambda x: scipy.stats.norm.logpdf(x))(1.0)
    with pytest.raises(ArrayConversionError, match=r"use wengert\.scipy\.stats\.sem"):
        wg.grad(lambda x: scipy.stats.sem(x))(np.ones(3))


def test_bad_vectors() -> None:
    with pytest.raises(ShapeError, match="do not fit"):
        wg.grad(lambda x: stats.multivariate_normal.logpdf(x, np.zeros(2), np.eye(3)))(np.ones(3))
    with pytest.raises(np.linalg.LinAlgError):
        wg.grad(lambda x: stats.multivariate_normal.logpdf(x, None, -np.eye(2)))(np.ones(2))
    with pytest.raises(ValueError, match="add up to 1"):
        wg.grad(lambda x: stats.dirichlet.logpdf(x, np.ones(2)))(np.ones(2) / 3)
    with pytest.raises(ValueError, match="greater than 0"):
        wg.grad(lambda a: stats.dirichlet.logpdf(np.ones(2) / 2, a))(-np.ones(2))


def test_gradient_of_a_covariance() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3))
    cov, x = a @ a.T + np.eye(3), rng.normal(size=3)
    got = wg.grad(stats.multivariate_normal.logpdf, argnums=2)(x, np.zeros(3), cov)
    inverse = np.linalg.inv(cov)
    want = 0.5 * (inverse @ np.outer(x, x) @ inverse - inverse)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    per_lane = wg.vmap(wg.grad(stats.multivariate_normal.logpdf), (0, None, None))
    np.testing.assert_allclose(per_lane(np.stack([x, 2 * x]), np.zeros(3), cov)[0], -inverse @ x)


def test_maximum_likelihood_has_no_slope() -> None:
    """At SciPy's own fit of a gamma distribution."""
    x = scipy.stats.gamma.rvs(2.5, scale=1.5, size=200, random_state=0)
    a, loc, scale = scipy.stats.gamma.fit(x, floc=0)
    slopes = wg.grad(lambda a, s: np.mean(stats.gamma.logpdf(x, a, loc, s)), argnums=(0, 1))(
        a, scale
    )
    np.testing.assert_allclose(slopes, 0, atol=1e-6)
