"""Derivatives equal those of JAX and autograd, where these are installed and have the function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from math import factorial
from typing import Any

import numpy as np
import pytest
from checks import Point, directions, is_inexact
from specs import SPECS, Case, Spec

import wengert as wg

Rng = np.random.Generator
Oracle = Any

ROWS = {
    s.name: s
    for s in SPECS
    if s.order >= 3 and s.covers and s.of_numpy and not s.name.endswith(".outer")
}

JAX_LACKS = {
    "nextafter": "no derivative in JAX",
    "sign": "the derivative of a complex sign is zero in JAX",
    "arccosh": "another branch for complex numbers in JAX",
    "repeat": "jnp.repeat takes no list",
    "polydiv": "jnp.polydiv keeps leading zeros of the remainder",
    "roots": "jnp.roots is always complex",
    "linalg.eig": "no derivative in JAX unless asked for",
    "real_if_close": "not in jax.numpy",
    "piecewise": "jnp.piecewise traces the functions, which here are NumPy's",
    "partition": "jnp.partition leaves the parts in another order",
    "bincount": "jnp.bincount takes no list",
    "kaiser": "called through wengert.numpy alone",
    **{
        name: "needs concrete values, or a size, in JAX"
        for name in (
            *("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
            *("union1d", "setdiff1d", "setxor1d"),
        )
    },
    **{
        f"{name}.{method}": "no method of a ufunc in jax.numpy"
        for name in (
            *("fmax", "fmin", "fmod", "remainder", "copysign", "nextafter", "heaviside"),
            *("float_power", "hypot", "divide", "power", "arctan2", "floor_divide"),
        )
        for method in ("reduce", "accumulate")
    },
}
AUTOGRAD_HAS = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log2",
    "sqrt",
    "square",
    "reciprocal",
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "hypot",
    "arctan2",
    "logaddexp",
    "maximum",
    "sum",
    "mean",
    "prod",
    "var",
    "std",
    "max",
    "min",
    "cumsum",
    "reshape",
    "transpose",
    "concatenate",
    "dot",
    "tensordot",
    "einsum",
    "kron",
    "linalg.solve",
    "linalg.inv",
    "linalg.det",
    "linalg.cholesky",
    "tile",
    "roll",
]


def points(spec: Spec, rng: Rng, complexes: bool, most: int) -> list[Point]:
    """The first samples of NumPy arrays in double precision, and the first complex one."""
    found: list[Point] = []
    for sample in spec.samples:
        case = Case(spec, sample)
        point = Point(case, rng)
        kinds = {np.asarray(x).dtype.kind for x in point.xs}
        plain = all(isinstance(a, np.ndarray | np.float64 | np.complex128) for a in point.args)
        if not kinds or not plain or not sample.derivative or case.is_single:
            continue
        if any(np.size(a) == 0 for a in point.args):
            continue
        if "c" in kinds:
            found += [point] if complexes else []
            complexes = False
        elif most:
            found.append(point)
            most -= 1
    return found


def through(module: Any, as_array: Callable[[Any], Any], point: Point) -> Callable[..., list[Any]]:
    """The function of a point by another library: its results with derivatives."""

    def f(*xs: Any) -> list[Any]:
        full = list(point.args)
        for i, x in zip(point.spots, xs, strict=True):
            full[i] = x
        y = point.case.spec.call(module, *map(as_array, full), **point.case.sample.static)
        leaves = list(y) if isinstance(y, tuple | list) else [y]
        return [v for v in leaves if v.dtype.kind in "fc"]

    return f


def agree(got: Sequence[Any], want: Sequence[Any]) -> None:
    """Equal up to rounding."""
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-8, atol=1e-9)


@pytest.fixture(scope="module")
def jax() -> Oracle:
    """JAX in double precision."""
    found = pytest.importorskip("jax")
    found.config.update("jax_enable_x64", True)
    return found


@pytest.mark.parametrize("name", [n for n in ROWS if n not in JAX_LACKS])
@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_first_derivatives(name: str, rng: Rng, jax: Oracle) -> None:
    for point in points(ROWS[name], rng, complexes=True, most=1):
        f = through(jax.numpy, jax.numpy.asarray, point)
        ts = directions(rng, point.xs)
        y, forward = wg.jvp(point.floats, point.xs, ts)
        ct = directions(rng, y)
        jax_y, jax_forward = jax.jvp(f, point.xs, ts)
        _, pullback = jax.vjp(f, *point.xs)
        agree(y, jax_y)
        agree(forward, jax_forward)
        agree(wg.vjp(point.floats, *point.xs)[1](ct), pullback(list(map(jax.numpy.asarray, ct))))


SMOOTH = [
    "sin",
    "tan",
    "arcsin",
    "arctan",
    "tanh",
    "arccos",
    "exp",
    "log1p",
    "sqrt",
    "reciprocal",
    "divide",
    "power",
    "hypot",
    "arctan2",
    "logaddexp",
    "prod",
    "var",
    "std",
    "cumprod",
    "linalg.norm",
    "linalg.solve",
    "linalg.inv",
    "linalg.slogdet",
    "einsum",
    "matmul",
    "linalg.cholesky",
    "logaddexp.reduce",
]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_hessians(name: str, rng: Rng, jax: Oracle) -> None:
    for point in points(ROWS[name], rng, complexes=False, most=1):
        f = through(jax.numpy, jax.numpy.asarray, point)

        def total(*xs: Any, point: Point = point) -> Any:
            return sum([np.sum(np.sin(y)) for y in point.floats(*xs)])

        def jax_total(*xs: Any, f: Callable[..., Any] = f) -> Any:
            return sum([jax.numpy.sum(jax.numpy.sin(y)) for y in f(*xs)])

        numbers = tuple(range(len(point.xs)))
        got = wg.hessian(total, numbers)(*point.xs)
        want = jax.hessian(jax_total, numbers)(*point.xs)
        for g, w in zip(got, want, strict=True):
            agree(g, w)


COMPLEX: dict[str, Callable[[Any, Any], Any]] = {
    "abs": lambda m, z: m.sum(m.abs(z) ** 2),
    "real": lambda m, z: m.sum((z * z).real),
    "imag": lambda m, z: m.sum(m.imag(m.exp(z))),
    "conjugate": lambda m, z: m.sum(m.real(m.conj(z) * m.sin(z))),
    "angle": lambda m, z: m.sum(m.angle(z)),
    "norm": lambda m, z: m.linalg.norm(z),
    "vdot": lambda m, z: m.real(m.vdot(z, z * z)),
    "var": lambda m, z: m.var(z),
}


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_complex_gradients(name: str, rng: Rng, jax: Oracle) -> None:
    f = COMPLEX[name]
    z = rng.standard_normal(3) + 1j * rng.standard_normal(3)
    got = wg.grad(lambda z: f(np, z))(z)
    np.testing.assert_allclose(got, jax.grad(lambda z: f(jax.numpy, z))(z), rtol=1e-8)


@pytest.mark.parametrize("name", ["sin", "exp", "log", "sqrt", "tanh", "square"])
@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_holomorphic_gradients(name: str, rng: Rng, jax: Oracle) -> None:
    z = complex(rng.standard_normal() + 2j)
    got = wg.grad(getattr(np, name), holomorphic=True)(z)
    want = jax.grad(getattr(jax.numpy, name), holomorphic=True)(z)
    np.testing.assert_allclose(got, want, rtol=1e-8)


@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_gradients_of_real_numbers_through_complex_ones(
    rng: Rng, jax: Oracle
) -> None:
    x = rng.standard_normal(3)

    def f(m: Any, x: Any) -> Any:
        z = m.exp(1j * x) * (2 + x)
        return m.sum(m.real(z * z) + m.abs(z))

    got = wg.grad(lambda x: f(np, x))(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, jax.grad(lambda x: f(jax.numpy, x))(x), rtol=1e-8)


RING = [(0, 1), (1, 2), (2, 3), (3, 0)]
COLLECTIVES: dict[str, Callable[..., Any]] = {  # of NumPy, of the collectives, of one member
    "psum": lambda m, c, x: c.psum(m.sin(x) * x[0], "i") * x,
    "pmean": lambda m, c, x: x / m.sqrt(c.pmean((x - c.pmean(x, "i")) ** 2, "i") + 0.1),
    "all_gather": lambda m, c, x: m.sin(c.all_gather(x**2, "i", axis=1)) * x[:, None],
    "psum_scatter": lambda m, c, x: c.psum_scatter(m.sin(x) * x[0], "i") * x,
    "all_to_all": lambda m, c, x: c.all_to_all(m.outer(x, x**2), "i", 1, 0, tiled=True) * x,
    "ppermute": lambda m, c, x: c.ppermute(x**2, "i", RING) * x,
}


@pytest.mark.parametrize("name", COLLECTIVES)
@pytest.mark.filterwarnings("ignore")
def test_jax_has_the_same_collectives(name: str, rng: Rng, jax: Oracle) -> None:
    f = partial(COLLECTIVES[name], np, wg)
    its_f = partial(COLLECTIVES[name], jax.numpy, jax.lax)
    x, t = rng.standard_normal((2, 4, 4))

    def all_of(g: Any, f: Any, batch: Any) -> list[Any]:
        """Values and derivatives, with `grad` inside of vmap, outside of it, and both."""
        named = lambda f: batch(f, axis_name="i")
        total = lambda x: (named(f)(x) ** 2).sum()
        inside = named(g.grad(lambda x: (f(x) ** 2).sum()))
        twice = named(g.grad(lambda x: g.grad(lambda x: (f(x) ** 2).sum())(x).sum()))
        return [
            named(f)(x),
            g.jvp(named(f), (x,), (t,))[1],
            g.grad(total)(x),
            inside(x),
            twice(x),
            g.jvp(g.grad(total), (x,), (t,))[1],
            g.grad(lambda x: (inside(x) * t).sum())(x),
        ]

    agree(all_of(wg, f, wg.vmap), all_of(jax, its_f, jax.vmap))


@pytest.mark.parametrize("name", AUTOGRAD_HAS)
@pytest.mark.filterwarnings("ignore")
def test_autograd_has_the_same_gradients(name: str, rng: Rng) -> None:
    numpy = pytest.importorskip("autograd.numpy")
    autograd = pytest.importorskip("autograd")
    for point in points(ROWS[name], rng, complexes=False, most=2):
        f = through(numpy, lambda x: x, point)

        def total(*xs: Any, point: Point = point) -> Any:
            return sum([np.sum(np.sin(y)) for y in point.floats(*xs) if is_inexact(y)])

        def its_total(*xs: Any, f: Callable[..., Any] = f) -> Any:
            return sum([numpy.sum(numpy.sin(y)) for y in f(*xs)])

        numbers = tuple(range(len(point.xs)))
        agree(wg.grad(total, numbers)(*point.xs), autograd.grad(its_total, numbers)(*point.xs))


# Control flow, beside jax.lax. `m` is NumPy or jax.numpy; `lax` is wengert or jax.lax.


def lax_cond(m: Any, lax: Any, x: Any) -> Any:
    """Branches on the first element."""
    return lax.cond(x[0] > 0.5, lambda y: m.sin(y) * x, lambda y: y**2, x)


def lax_switch(m: Any, lax: Any, x: Any) -> Any:
    """Branches on an index that is out of bounds now and then."""
    branches = [lambda y: y * 2.0, lambda y: m.exp(-y), lambda y: y[::-1] * x]
    return lax.switch(m.floor(4.0 * x[0]).astype(int) - 1, branches, x)


def lax_scan(m: Any, lax: Any, x: Any) -> Any:
    """A tree as carry, and stacked results, from the end."""
    body = lambda c, a: ((m.tanh(c[0] * a + x), c[1] + a), (c[0] * a, c[1]))
    (y, s), (ys, zs) = lax.scan(body, (x, 0.0), x, reverse=True)
    return y * s + m.sum(ys, 0) * zs


def lax_scan_length(m: Any, lax: Any, x: Any) -> Any:
    """No items."""
    return lax.scan(lambda c, _: (m.sin(c) + x, None), x, None, length=4)[0]


def lax_fori_loop(m: Any, lax: Any, x: Any) -> Any:
    """Known bounds, and the index in the arithmetic."""
    return lax.fori_loop(1, 4, lambda i, c: c * x / i + m.cos(x), x)


def lax_map(m: Any, lax: Any, x: Any) -> Any:
    """With and without batches."""
    return lax.map(lambda a: a * m.sin(a * x), x) @ lax.map(m.exp, x, batch_size=2)


def lax_associative_scan(m: Any, lax: Any, x: Any) -> Any:
    """A linear recurrence."""
    both = lambda p, q: (p[0] * q[0], q[0] * p[1] + q[1])
    return lax.associative_scan(both, (m.cos(x), x))[1] + lax.associative_scan(
        m.multiply, x, reverse=True
    )


def lax_nested(m: Any, lax: Any, x: Any) -> Any:
    """A cond in a fori_loop in a scan."""

    def step(c: Any, a: Any) -> Any:
        turn = lambda i, c: lax.cond(c[0] * a > 0.3, lambda: m.sqrt(c * c + a), lambda: c + x * a)
        return lax.fori_loop(0, 2, turn, c), c

    c, cs = lax.scan(step, x, x)
    return c + m.sum(cs, 0)


def lax_while_loop(m: Any, lax: Any, x: Any) -> Any:
    """In JAX, forward mode only."""
    turn = lambda c: (c[0] * (1.5 + 0.1 * x) + m.sin(c[0]), c[1] + 1)
    y, n = lax.while_loop(lambda c: m.sum(c[0]) < 20.0, turn, (x, 0))
    return y * n


CONTROL_FLOW = [
    lax_cond, lax_switch, lax_scan, lax_scan_length, lax_fori_loop, lax_map, lax_associative_scan,
    lax_nested,
]  # fmt: skip


@pytest.mark.parametrize("f", CONTROL_FLOW, ids=lambda f: f.__name__)
def test_jax_has_the_same_control_flow(f: Callable[..., Any], jax: Oracle) -> None:
    xs = np.array([[0.3, 0.9, 1.2], [0.8, -0.4, 0.7], [0.05, 1.5, 2.0]])
    ours = lambda x: f(np, wg, x)
    theirs = lambda x: f(jax.numpy, jax.lax, x)
    for our, their in (
        (ours, theirs),
        (wg.jacfwd(ours), jax.jacfwd(theirs)),
        (wg.jacrev(ours), jax.jacrev(theirs)),
        (wg.hessian(lambda x: np.sum(ours(x) ** 2)), jax.hessian(lambda x: (theirs(x) ** 2).sum())),
    ):
        due = jax.vmap(their)(xs)
        np.testing.assert_allclose(wg.vmap(our)(xs), due, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose([our(x) for x in xs], due, rtol=1e-9, atol=1e-12)
        program = wg.make_program(our)(xs[0])
        np.testing.assert_allclose([program(x) for x in xs], due, rtol=1e-9, atol=1e-12)


def test_jax_has_the_same_while_loop(jax: Oracle) -> None:
    xs = np.array([[0.3, 0.9, 1.2], [0.8, -0.4, 0.7], [30.0, 1.5, 2.0]])
    ours = lambda x: lax_while_loop(np, wg, x)
    theirs = lambda x: lax_while_loop(jax.numpy, jax.lax, x)
    np.testing.assert_allclose(wg.vmap(ours)(xs), jax.vmap(theirs)(xs), rtol=1e-12)
    due = jax.vmap(jax.jacfwd(theirs))(xs)
    for derivative in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(wg.vmap(derivative(ours))(xs), due, rtol=1e-10, atol=1e-13)
    second = jax.vmap(jax.jacfwd(jax.jacfwd(theirs)))(xs)
    np.testing.assert_allclose(
        wg.vmap(wg.jacrev(wg.jacrev(ours)))(xs), second, rtol=1e-9, atol=1e-12
    )


def test_jax_gives_the_same_types_to_python_numbers(jax: Oracle) -> None:
    for init, dtype in product((0, 0.0), (np.float32, np.float64, np.int64)):
        x = np.ones(3, dtype)
        body = lambda c, a: (c + a, a * 2)
        due = jax.lax.scan(body, init, jax.numpy.asarray(x))
        for found in (wg.scan(body, init, x), wg.make_program(wg.scan, (0, 1))(body, init, x)(x)):
            assert [np.asarray(y).dtype for y in found] == [y.dtype for y in due]


# Taylor mode.


def _elementary(name: str, m: Any, x: Any) -> Any:
    return getattr(m, name)(x)


JETS: dict[str, tuple[Callable[..., Any], float]] = {
    **{
        name: (partial(_elementary, name), 0.6)
        for name in (
            *("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsin", "arccos"),
            *("arcsinh", "arctanh", "exp", "expm1", "exp2", "log", "log1p", "log2", "sqrt"),
            *("cbrt", "square", "reciprocal", "abs", "sinc", "floor", "sign", "negative"),
        )
    },
    "arccosh": (lambda m, x: m.arccosh(x), 1.6),
    "power": (lambda m, x: x**2.5 + x**3 + x**-2 + 2.0**x, 0.6),
    "x**x": (lambda m, x: x**x, 0.6),
    "quotient": (lambda m, x: m.exp(x) / (1 + x * x), 0.6),
    "maximum": (lambda m, x: m.maximum(x, x * x) * m.minimum(x, 0.1), 0.6),
    "logaddexp": (lambda m, x: m.logaddexp(x, m.sin(x)), 0.6),
    "arctan2": (lambda m, x: m.arctan2(m.sin(x), 1 + x), 0.6),
    "where": (lambda m, x: m.where(x > 0, m.sin(x), m.cos(x)), 0.6),
    "matmul": (lambda m, x: m.array([[1.0, 2.0], [3.0, 4.0]]) @ m.stack([x, m.exp(x)]), 0.6),
    "reductions": (lambda m, x: m.prod(m.stack([x, x * x])) + m.max(m.stack([x, 2 * x])), 0.6),
}
JAX_HAS_NO_JET = "tan arctan arctan2 exp2 sinc logaddexp reductions cbrt arcsin arccos arccosh"
"""For some of these, in some versions, jax.grad stands for it."""


@pytest.mark.parametrize("name", JETS)
def test_jax_has_the_same_jets(name: str, jax: Oracle) -> None:
    from jax.experimental import jet

    f, x = JETS[name]
    series = [0.8, -0.5, 0.3]
    theirs = lambda x: f(jax.numpy, x)
    try:
        due, terms_due = jet.jet(theirs, (x,), (series,))
    except (KeyError, NotImplementedError, jax.errors.UnexpectedTracerError):
        assert name in JAX_HAS_NO_JET.split()
        g = lambda t: theirs(x + sum([c * t**k / factorial(k) for k, c in enumerate(series, 1)]))
        due, terms_due = g(0.0), []
        for _ in series:
            g = jax.grad(g)
            terms_due.append(g(0.0))
    y, terms = wg.jet(lambda x: f(np, x), (x,), (series,))
    np.testing.assert_allclose(y, due, rtol=1e-11)
    np.testing.assert_allclose(terms, terms_due, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["exp", "quotient", "power"])
def test_jax_has_the_same_unscaled_jets(name: str, jax: Oracle) -> None:
    from jax.experimental import jet

    f, x = JETS[name]
    series = [0.8, -0.5, 0.3, 0.2]
    due = jet.jet(lambda x: f(jax.numpy, x), (x,), (series,), factorial_scaled=False)[1]
    found = wg.jet(lambda x: f(np, x), (x,), (series,), factorial_scaled=False)[1]
    np.testing.assert_allclose(found, due, rtol=1e-11)


def test_jax_has_the_same_structure_of_jets(jax: Oracle) -> None:
    from jax.experimental import jet

    f = lambda m: lambda x, y: {"a": x * y, "b": (m.sin(x), m.exp(y))}
    args = ((0.3, 0.5), ((1.0, 0.2), (0.1, 0.7)))
    got, due = wg.jet(f(np), *args), jet.jet(f(jax.numpy), *args)
    assert wg.tree.structure(got) == wg.tree.structure(jax.tree.map(np.asarray, due))
    for g, w in zip(wg.tree.leaves(got), jax.tree.leaves(due), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12)


def test_jax_has_the_same_linear_maps(jax: Oracle) -> None:
    rng = np.random.default_rng(0)
    x, t, ct = rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5))
    f = lambda m: lambda z: m.exp(z) * m.conj(z)[::-1]  # linear over the reals alone
    D = wg.derivative_map(f(np), x)
    np.testing.assert_allclose(D(t), jax.linearize(f(jax.numpy), x)[1](t), rtol=1e-12)
    pulled = jax.vjp(f(jax.numpy), x)[1](jax.numpy.asarray(ct))[0]
    np.testing.assert_allclose(D.T(ct), pulled, rtol=1e-12)


def test_jax_has_the_same_second_derivatives(jax: Oracle) -> None:
    rng = np.random.default_rng(0)
    W, x, v = rng.normal(size=(5, 6)), rng.normal(size=5), rng.normal(size=5)
    f = lambda m: lambda x: m.tanh(x @ W) @ m.sin(x @ W)
    hessian = jax.hessian(f(jax.numpy))(x)
    np.testing.assert_allclose(wg.laplacian(f(np))(x), np.trace(hessian), rtol=1e-12)
    np.testing.assert_allclose(wg.hessian_diagonal(f(np))(x), np.diag(hessian), rtol=1e-12)
    model = lambda m: lambda x: m.tanh(x @ W)
    loss = lambda m: lambda y: m.log(m.sum(m.exp(y)))
    J = jax.jacobian(model(jax.numpy))(x)
    H = jax.hessian(loss(jax.numpy))(model(np)(x))
    found = wg.gnvp(model(np), (x,), (v,), loss=loss(np))
    np.testing.assert_allclose(found, J.T @ H @ J @ v, rtol=1e-11)
