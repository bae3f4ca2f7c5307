"""Random draws: NumPy's own numbers, own draws for each lane, derivatives, and no frozen ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special as sc
import scipy.stats

import wengert as wg
from wengert.errors import ArrayConversionError, LeafTypeError, ShapeError, UnsupportedError

Array = Any
SEED = 3


def seeded() -> np.random.Generator:
    return np.random.default_rng(SEED)


CONTINUOUS: dict[str, tuple[tuple[float, ...], str, Callable[..., tuple[Any, ...]]]] = {
    "normal": ((0.3, 2.0), "norm", lambda loc, scale: (loc, scale)),
    "uniform": ((-1.0, 2.5), "uniform", lambda low, high: (low, high - low)),
    "exponential": ((1.7,), "expon", lambda scale: (0, scale)),
    "laplace": ((0.3, 2.0), "laplace", lambda loc, scale: (loc, scale)),
    "logistic": ((0.3, 2.0), "logistic", lambda loc, scale: (loc, scale)),
    "gumbel": ((0.3, 2.0), "gumbel_r", lambda loc, scale: (loc, scale)),
    "cauchy": ((0.3, 2.0), "cauchy", lambda loc, scale: (loc, scale)),
    "lognormal": ((0.3, 0.7), "lognorm", lambda mean, sigma: (sigma, 0, np.exp(mean))),
    "weibull": ((1.7,), "weibull_min", lambda a: (a,)),
    "pareto": ((1.7,), "lomax", lambda a: (a,)),
    "power": ((1.7,), "powerlaw", lambda a: (a,)),
    "rayleigh": ((1.7,), "rayleigh", lambda scale: (0, scale)),
    "standard_gamma": ((0.6,), "gamma", lambda a: (a,)),
    "gamma": ((0.6, 2.0), "gamma", lambda a, scale: (a, 0, scale)),
    "chisquare": ((3.0,), "chi2", lambda df: (df,)),
    "beta": ((0.6, 1.4), "beta", lambda a, b: (a, b)),
    "standard_t": ((4.0,), "t", lambda df: (df,)),
    "f": ((3.0, 7.0), "f", lambda n, m: (n, m)),
}
"""Parameters, and the distribution of SciPy's with its parameters in terms of them."""


def draw(name: str, size: Any = None) -> Callable[..., Array]:
    """A function of the parameters that draws the same every time."""
    return lambda *params: getattr(wg.random, name)(seeded(), *params, size=size)


def traced(f: Callable[..., Array], *params: float) -> Array:
    """The value of a function of traced parameters."""
    return wg.jvp(f, params, (1.0,) * len(params))[0]


@pytest.mark.parametrize("size", [None, (), 5, (2, 3)], ids=str)
@pytest.mark.parametrize("name", [n for n in CONTINUOUS if n != "cauchy"])
def test_the_numbers_are_those_of_the_generator(name: str, size: Any) -> None:
    params = CONTINUOUS[name][0]
    want = getattr(seeded(), name)(*params, size=size)
    plain = draw(name, size)(*params)
    assert type(plain) is type(want)
    np.testing.assert_array_equal(plain, want)
    found = traced(draw(name, size), *params)
    np.testing.assert_allclose(found, want, rtol=1e-15)  # exp and powers may differ in a bit
    assert np.shape(found) == np.shape(want)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_traced_draws_have_the_distribution(name: str) -> None:
    params, dist, convert = CONTINUOUS[name]
    values = traced(draw(name, 2000), *params)
    assert scipy.stats.kstest(values, dist, convert(*params)).pvalue > 0.01


@pytest.mark.parametrize("name", CONTINUOUS)
def test_draws_move_as_quantiles_do(name: str) -> None:
    params, dist, convert = CONTINUOUS[name]
    f = draw(name, 200)
    values = f(*params)
    u = getattr(scipy.stats, dist).cdf(values, *convert(*params))
    inner = (u > 0.01) & (u < 0.99)
    if name in ("laplace", "gumbel", "logistic"):
        inner &= np.abs(u - 0.5) > 1e-3
    for i, p in enumerate(params):
        ones = tuple([float(k == i) for k in range(len(params))])
        found = wg.jvp(f, params, ones)[1]
        assert np.all(np.isfinite(found))

        def at(step: float, i: int = i, p: float = p) -> Array:
            moved = [p + step if k == i else q for k, q in enumerate(params)]
            return getattr(scipy.stats, dist).ppf(u, *convert(*moved))

        want = (at(1e-4) - at(-1e-4)) / 2e-4
        np.testing.assert_allclose(found[inner], want[inner], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [1e-3, 0.05, 1.0, 30.0, 1e5])
def test_gamma_draws_of_all_shapes(shape: float) -> None:
    values, slopes = wg.jvp(draw("standard_gamma", 4000), (shape,), (1.0,))
    assert np.all(np.isfinite(slopes)) and np.all(slopes >= 0)
    error = np.std(slopes) / 4000**0.5
    assert abs(np.mean(slopes) - 1.0) < 5 * error  # the mean of the draws is their shape
    u = sc.gammainc(shape, values)
    step = 1e-4 * shape
    ends = [sc.gammaincinv(shape + s, u) for s in (step, -step)]
    good = (u > 0.01) & (u < 0.99) & (values > 1e-290)
    want = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(slopes[good], want[good], rtol=1e-3)


def test_second_derivatives() -> None:
    f = draw("standard_gamma", 50)
    second = wg.jvp(lambda a: wg.jvp(f, (a,), (1.0,))[1], (1.7,), (1.0,))[1]
    u = sc.gammainc(1.7, f(1.7))
    z = [sc.gammaincinv(1.7 + h, u) for h in (1e-3, 0.0, -1e-3)]
    np.testing.assert_allclose(second, (z[0] - 2 * z[1] + z[2]) / 1e-6, rtol=1e-4, atol=1e-6)
    for name in ("beta", "f"):
        params = CONTINUOUS[name][0]
        assert np.all(np.isfinite(wg.hessian(lambda a: np.sum(draw(name, 5)(a, *params[1:])))(2.0)))  # noqa: B023  # called at once


def test_expectations_have_their_gradients() -> None:
    n = 20_000
    a, b = 0.8, 2.2
    got = wg.grad(lambda a, b: np.mean(draw("beta", n)(a, b)), argnums=(0, 1))(a, b)
    np.testing.assert_allclose(got, (b / (a + b) ** 2, -a / (a + b) ** 2), atol=5e-3)
    got = wg.grad(lambda df: np.mean(draw("standard_t", n)(df) ** 2))(9.0)
    np.testing.assert_allclose(got, -2 / 49, atol=5e-3)  # of df / (df - 2)
    got = wg.grad(lambda m, s: np.mean(draw("normal", n)(m, s) ** 2), argnums=(0, 1))(0.5, 1.5)
    np.testing.assert_allclose(got, (1.0, 3.0), atol=0.1)


def dirichlet_square(alpha: Array) -> Array:
    return alpha * (alpha + 1) / (np.sum(alpha) * (np.sum(alpha) + 1))


def test_dirichlet() -> None:
    alpha = np.array([0.6, 1.5, 2.0])
    f = lambda alpha: wg.random.dirichlet(seeded(), alpha, 40_000)
    np.testing.assert_array_equal(f(alpha), seeded().dirichlet(alpha, 40_000))
    np.testing.assert_array_equal(wg.jvp(f, (alpha,), (alpha,))[0], f(alpha))
    got = wg.jacobian(lambda a: np.mean(f(a) ** 2, axis=0))(alpha)
    np.testing.assert_allclose(got, wg.jacobian(dirichlet_square)(alpha), atol=3e-3)
    tiny = wg.jacobian(lambda a: wg.random.dirichlet(seeded(), a, 20))(np.full(3, 1e-3))
    assert np.all(np.isfinite(tiny))
    np.testing.assert_allclose(np.sum(tiny, axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("size", [None, 4, (2, 3)], ids=str)
def test_multivariate_normal(size: Any) -> None:
    mean, cov = np.array([1.0, -2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    f = lambda mean, cov: wg.random.multivariate_normal(seeded(), mean, cov, size)
    want = seeded().multivariate_normal(mean, cov, size, method="cholesky")
    np.testing.assert_array_equal(f(mean, cov), want)
    y, y_dot = wg.jvp(f, (mean, cov), (mean, cov))
    np.testing.assert_allclose(y, want, rtol=1e-14)
    np.testing.assert_allclose(y_dot, mean + (want - mean) / 2, rtol=1e-12)


# Lanes.

PER_LANE: dict[str, Callable[..., Array]] = {
    "normal": lambda g, x: wg.random.normal(g, x, x, size=(2,)),
    "normal-like": lambda g, x: wg.random.normal(g, size=2, like=x),
    "standard_normal": lambda g, x: wg.random.standard_normal(g, 3, like=x),
    "random": lambda g, x: wg.random.random(g, like=x),
    "standard_cauchy": lambda g, x: wg.random.standard_cauchy(g, 2, like=x),
    "gamma": lambda g, x: wg.random.gamma(g, x, 2.0, size=2),
    "beta": lambda g, x: wg.random.beta(g, x, np.ones((2, 2))),
    "chisquare": lambda g, x: wg.random.chisquare(g, x),
    "dirichlet": lambda g, x: wg.random.dirichlet(g, x * np.array([1.0, 0.2, 3.0]), size=(2,)),
    "dirichlet-like": lambda g, x: wg.random.dirichlet(g, np.ones(3), like=x),
    "multivariate_normal": lambda g, x: wg.random.multivariate_normal(
        g, np.zeros(2), np.eye(2) * x, 2
    ),
    "poisson": lambda g, x: wg.random.poisson(g, x, size=3),
    "binomial": lambda g, x: wg.random.binomial(g, 10, x / 10),
    "integers": lambda g, x: wg.random.integers(g, 100, like=x),
    "multinomial": lambda g, x: wg.random.multinomial(g, 10, np.ones(2) / 2, like=x),
    "permutation": lambda g, x: wg.random.permutation(g, 5, like=x),
    "permutation-array": lambda g, x: wg.random.permutation(g, x * np.arange(5.0)),
    "choice": lambda g, x: wg.random.choice(g, x * np.arange(4.0), 2),
    "choice-of-number": lambda g, x: wg.random.choice(g, 9, 4, replace=False, like=x),
    "choice-with-p": lambda g, x: wg.random.choice(g, 3, p=np.array([0.2, 0.3, 0.5]), like=x),
}
LANES = np.array([[0.5, 1.0, 2.0], [1.5, 3.0, 6.0]])


@pytest.mark.parametrize("name", PER_LANE)
def test_each_lane_draws_as_a_loop_would(name: str) -> None:
    f = PER_LANE[name]
    g, h = seeded(), seeded()
    got = wg.vmap(partial(f, g))(LANES[0])
    np.testing.assert_allclose(got, np.stack([f(h, x) for x in LANES[0]]), rtol=1e-14)
    g, h = seeded(), seeded()
    got = wg.vmap(wg.vmap(partial(f, g)))(LANES)
    want = [np.stack([f(h, x) for x in row]) for row in LANES]
    np.testing.assert_allclose(got, np.stack(want), rtol=1e-14)
    inner = wg.vmap(lambda y: wg.vmap(lambda x: f(g, x) + 0 * y)(LANES[0]))(np.ones(2))
    np.testing.assert_array_equal(inner[0], inner[1])
    outer = wg.vmap(lambda y: wg.vmap(lambda x: f(g, y) + 0 * x)(np.ones(3)))(LANES[0])
    np.testing.assert_array_equal(outer[:, 0], outer[:, 1])


def test_lanes_and_derivatives_nest() -> None:
    def total(a: Array) -> Array:
        g = seeded()
        return np.sum(wg.vmap(lambda x: wg.random.gamma(g, a * x) ** 2)(LANES[0]))

    got = wg.grad(total)(1.3)
    g = seeded()
    lanes = [
        wg.jvp(lambda a, x=x: wg.random.gamma(g, a * x) ** 2, (1.3,), (1.0,))[1] for x in LANES[0]
    ]
    np.testing.assert_allclose(got, sum(lanes))
    each = wg.vmap(wg.grad(lambda m, x: wg.random.normal(g, m, x, like=x)), (None, 0))(
        0.5, LANES[0]
    )
    np.testing.assert_array_equal(each, np.ones(3))


def test_a_plain_generator_is_shared_by_all_lanes() -> None:
    g = seeded()
    got = wg.vmap(lambda x: x + g.normal())(np.zeros(3))
    np.testing.assert_array_equal(got, np.full(3, seeded().normal()))


def test_every_run_draws_anew() -> None:
    g = seeded()
    f = lambda x: x * g.normal()
    slopes = [wg.grad(f)(1.0), wg.grad(f)(1.0)]
    np.testing.assert_array_equal(slopes, seeded().normal(size=2))


# Programs.

GENERATOR = np.random.default_rng(0)
LISTED = [GENERATOR]
METHOD = GENERATOR.normal


class Model:
    """Draws from what it owns."""

    shared = np.random.default_rng(0)

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.old = {"a": [np.random.RandomState(0)]}

    def own(self, x: Array) -> Array:
        return x + self.rng.normal()

    def nested(self, x: Array) -> Array:
        return x + self.old["a"][0].normal()

    def of_class(self, x: Array) -> Array:
        return x + self.shared.normal()

    def __call__(self, x: Array) -> Array:
        return self.own(x)


def from_global(x: Array) -> Array:
    return x + GENERATOR.normal()


def from_list(x: Array) -> Array:
    return x + LISTED[0].normal()


def from_method(x: Array) -> Array:
    return x + METHOD()


def from_default(x: Array, rng: Any = np.random.default_rng(0)) -> Array:  # noqa: B008  # what is tested
    return x + rng.normal()


def from_legacy(x: Array) -> Array:
    return x + np.random.rand()


def through_another(x: Array) -> Array:
    return from_global(x)


def closure() -> Callable[..., Array]:
    rng = np.random.default_rng(0)
    return lambda x: x + rng.normal()


FROZEN: dict[str, Callable[..., Array]] = {
    "global": from_global,
    "list": from_list,
    "bound method": from_method,
    "default": from_default,
    "np.random": from_legacy,
    "another function": through_another,
    "closure": closure(),
    "method": Model().own,
    "nested attribute": Model().nested,
    "class attribute": Model().of_class,
    "callable object": Model(),
    "partial": partial(lambda rng, x: x + rng.normal(), GENERATOR),
    "grad": wg.grad(from_global),
    "sampler": lambda x: wg.random.normal(GENERATOR, x),
    "implicit sampler": lambda x: wg.random.gamma(GENERATOR, x),
    "untraced sampler": lambda x: x + wg.random.normal(GENERATOR),
    "like": lambda x: x + wg.random.normal(GENERATOR, like=x),
    "discrete": lambda x: x + wg.random.poisson(GENERATOR, x),
    "vector": lambda x: x + wg.random.permutation(GENERATOR, 3, like=x),
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_program_refuses_to_freeze_draws(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)repeat.*pass the numbers as an argument"):
        wg.make_program(FROZEN[name])(1.0)


def test_the_error_names_the_generator() -> None:
    with pytest.raises(UnsupportedError, match=r"the generator self\.rng drew"):
        wg.make_program(Model().own)(1.0)


def test_programs_without_draws_are_traced() -> None:
    def f(x: Array) -> Array:
        assert GENERATOR is not None
        return x + np.random.default_rng(0).normal()

    assert wg.make_program(f)(1.0)(1.0) == f(1.0)


# Errors.


@pytest.mark.parametrize(
    "f",
    [
        lambda p: wg.random.poisson(seeded(), p),
        lambda p: wg.random.binomial(seeded(), 3, p),
        lambda p: wg.random.geometric(seeded(), p),
        lambda p: wg.random.negative_binomial(seeded(), 3, p),
        lambda p: wg.random.multinomial(seeded(), 3, np.stack([p, 1 - p])),
        lambda p: wg.random.choice(seeded(), 2, p=np.stack([p, 1 - p])),
    ],
)
def test_discrete_draws_have_no_derivative(f: Callable[..., Array]) -> None:
    with pytest.raises(UnsupportedError, match="score function"):
        wg.grad(lambda p: 1.0 * f(p))(0.5)


def test_elements_that_are_chosen_have_derivatives() -> None:
    x = np.arange(12.0).reshape(4, 3)
    for f in (
        lambda x: wg.random.choice(seeded(), x, (2, 2)),
        lambda x: wg.random.choice(seeded(), x, 2, p=[0.2, 0.3, 0.5], axis=1),
        lambda x: wg.random.permutation(seeded(), x),
        lambda x: wg.random.permutation(seeded(), x, axis=1),
    ):
        y, y_dot = wg.jvp(f, (x,), (x,))
        np.testing.assert_array_equal(y, f(x))
        np.testing.assert_array_equal(y_dot, f(x))


def test_errors() -> None:
    with pytest.raises(LeafTypeError, match=r"np\.random\.default_rng"):
        wg.random.normal(np.random, 1.0)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="scale is negative"):
        wg.grad(lambda s: wg.random.normal(seeded(), 0.0, s))(-1.0)
    with pytest.raises(ValueError, match="< 0"):
        wg.grad(lambda a: wg.random.gamma(seeded(), a))(-1.0)
    with pytest.raises(ShapeError, match="broadcast to size"):
        wg.jvp(lambda m: wg.random.normal(seeded(), m, size=3), (np.ones(2),), (np.ones(2),))
    with pytest.raises(UnsupportedError, match="cholesky"):
        wg.jacobian(lambda m: wg.random.multivariate_normal(seeded(), m, np.eye(2), method="svd"))(
            np.ones(2)
        )


def test_a_plain_generator_with_a_traced_parameter_says_what_to_use() -> None:
    g = seeded()
    with pytest.raises(ArrayConversionError, match=r"wengert\.random\.normal\(rng"):
        wg.grad(lambda m: g.normal(m))(1.0)
    with pytest.raises(ArrayConversionError, match=r"wengert\.random\.uniform\(rng"):
        wg.grad(lambda m: np.sum(np.random.uniform(0.0, m * np.ones(2))))(1.0)


def test_single_precision_parameters_have_single_precision_gradients() -> None:
    one = np.float32(1.0)
    assert wg.grad(lambda m: wg.random.normal(seeded(), m))(one).dtype == np.float32
    assert wg.grad(lambda a: wg.random.gamma(seeded(), a))(one).dtype == np.float32
    single = wg.vmap(lambda x: wg.random.standard_normal(seeded(), 3, np.float32, like=x))
    assert single(np.ones(2)).dtype == np.float32
