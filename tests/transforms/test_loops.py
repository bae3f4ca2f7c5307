"""fori_loop, map and associative_scan; and loops and branches inside of each other."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program
from wengert.core.tracing import RUNNING
from wengert.errors import DtypeError, LeafTypeError, ShapeError, TreeError

Function = Callable[..., Any]
WAYS: dict[str, Function] = {
    "eager": lambda f, *args: f(*args),
    "program": lambda f, *args: wg.make_program(f)(*args)(*args),
}
ways = pytest.mark.parametrize("way", WAYS)


def same(found: Any, due: Any, rtol: float = 1e-11) -> None:
    """Equal trees, up to rounding."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


# fori_loop.


def horner(n: Any, x: Any) -> Any:
    """A polynomial of degree n with coefficients 1, 0, 1, 2 ..."""
    return wg.fori_loop(0, n, lambda i, c: c * x + i, 1.0)


def plain_horner(n: Any, x: Any) -> Any:
    """The same in Python."""
    c = 1.0
    for i in range(n):
        c = c * x + i
    return c


NS, XS = np.array([0, 3, 5, 1, -2]), np.array([1.0, 2.0, 0.5, 4.0, 7.0])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_fori_loops_with_bounds_of_every_kind(order: int) -> None:
    f, plain = horner, plain_horner
    for _ in range(order):
        f, plain = wg.grad(f, 1), wg.grad(plain, 1)
    due = [plain(n, x) for n, x in zip(NS, XS, strict=True)]
    same([f(n, x) for n, x in zip(NS, XS, strict=True)], due)
    same(wg.vmap(f)(NS, XS), np.stack(due))
    same(wg.make_program(wg.vmap(f))(NS, XS)(NS, XS), np.stack(due))
    computed = wg.make_program(f)(1, 1.0)
    check_program(computed)
    computed = pickle.loads(pickle.dumps(computed))
    same([computed(n, x) for n, x in zip(NS, XS, strict=True)], due)
    same(wg.vmap(computed)(NS, XS), np.stack(due))
    known = [wg.make_program(lambda x, n=n: f(n, x))(1.0) for n in NS.tolist()]
    same([p(x) for p, x in zip(known, XS, strict=True)], due)
    fixed = np.stack([plain(3, x) for x in XS])
    same(wg.vmap(f, in_axes=(None, 0))(3, XS), fixed)
    same(wg.vmap(computed, in_axes=(None, 0))(3, XS), fixed)


@ways
def test_the_index_is_a_python_int_where_the_bounds_are_known(way: str) -> None:
    x = np.ones(3, np.float32)
    f = lambda x: wg.fori_loop(2, 5, lambda i, c: c + x * i, np.zeros(3, np.float32))
    y = WAYS[way](f, x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, 9 * x)
    assert WAYS[way](wg.grad(lambda x: np.sum(f(x) ** 2)), x).dtype == np.float32


@ways
def test_fori_loop_with_indexing_and_trees(way: str) -> None:
    def f(x: Any) -> Any:
        def body(i: Any, c: Any) -> Any:
            c["fib"][i] = c["fib"][i - 1] + c["fib"][i - 2] * x[i]
            return {"fib": c["fib"], "none": None, "text": c["text"], "n": c["n"] + i}

        start = {
            "fib": wg.numpy.array([x[0], x[1], 0.0, 0.0, 0.0]),
            "none": None,
            "text": "t",
            "n": 0,
        }
        return wg.fori_loop(2, 5, body, start)

    def plain(x: Any) -> Any:
        c = [x[0], x[1]]
        for i in range(2, 5):
            c.append(c[-1] + c[-2] * x[i])
        return np.stack(c)

    x = np.arange(1.0, 6.0)
    found = WAYS[way](f, x)
    assert (found["text"], found["none"], int(found["n"])) == ("t", None, 9)
    same(found["fib"], plain(x))
    same(WAYS[way](wg.jacrev(lambda x: f(x)["fib"]), x), wg.jacfwd(plain)(x))


def test_linear_fori_loops_are_transposed() -> None:
    a = np.arange(9.0).reshape(3, 3) / 5.0
    f = lambda x: wg.fori_loop(0, 3, lambda i, c: a @ c * (i + 1), x)
    ct = np.array([1.0, -1.0, 2.0])
    due = np.linalg.matrix_power(a.T, 3) @ ct * 6.0
    same(wg.linear_transpose(f, ct)(ct)[0], due)
    same(wg.linear_transpose(wg.make_program(f)(ct), ct)(ct)[0], due)
    same(wg.make_program(lambda ct: wg.linear_transpose(f, ct)(ct)[0])(ct)(ct), due)


FORI_ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda x: wg.fori_loop(0, 2.5, lambda i, c: c, x), DtypeError, r"upper must be an int"),
    (lambda x: wg.fori_loop(x, 2, lambda i, c: c, x), DtypeError, r"lower must be an int"),
    (lambda x: wg.fori_loop(0, "2", lambda i, c: c, x), LeafTypeError, r"upper is neither"),
    (lambda x: wg.fori_loop(0, NS, lambda i, c: c, x), ShapeError, r"upper must be a scalar"),
    (lambda x: wg.fori_loop(0, 2, lambda i, c: (c, c), x), TreeError, r"the carried value"),
    (lambda x: wg.fori_loop(0, 2, lambda i, c: c * XS, x), ShapeError, r"another shape"),
    (lambda x: wg.fori_loop(0, 2, lambda i, c: c, [x, {2}]), LeafTypeError, r"init_val\[1\] is"),
]


@pytest.mark.parametrize(("run", "kind", "match"), FORI_ERRORS)
def test_mistakes_with_fori_loop(run: Function, kind: type[Exception], match: str) -> None:
    for f in (run, wg.grad(run), wg.make_program(run)):
        with pytest.raises(kind, match=match):
            f(1.0)
    assert RUNNING.traces == []


# map.


@ways
@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_map_is_a_loop(way: str, batch_size: int | None, n: int) -> None:
    xs = {"a": np.arange(2.0 * n).reshape(n, 2), "b": np.arange(float(n))}
    f = lambda x: (np.sin(x["a"]) * x["b"], [x["b"] ** 2, None])
    mapped = lambda xs: wg.map(f, xs, batch_size=batch_size)
    found = WAYS[way](mapped, xs)
    same(found, (np.sin(xs["a"]) * xs["b"][:, None], [xs["b"] ** 2, None]))
    total = lambda f: lambda xs: np.sum(f(xs)[0] ** 2) + np.sum(f(xs)[1][0])
    same(WAYS[way](wg.grad(total(mapped)), xs), wg.grad(total(wg.vmap(f)))(xs) if n else xs)
    if n:
        many = wg.tree.map(lambda x: np.stack([x, 2.0 * x]), xs)
        same(WAYS[way](wg.vmap(mapped), many), wg.vmap(wg.vmap(f))(many))


def test_python_decides_on_the_items_of_map() -> None:
    assert wg.map(lambda x: x if x > 1 else -x, np.array([1.0, 2.0])).tolist() == [-1.0, 2.0]


def test_batches_of_map_are_as_large_as_said() -> None:
    sizes = []

    def f(x: Any) -> Any:
        sizes.append(np.shape(x))
        return x

    wg.map(lambda x: f(x), np.ones((7, 2)), batch_size=3)
    assert sizes == [(2,), (2,), (2,)]


MAP_ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda x: wg.map(np.sin, x, batch_size=0), ShapeError, r"batch_size must be 1 or more"),
    (lambda x: wg.map(np.sin, x, batch_size=1.5), DtypeError, r"batch_size must be an int"),
    (lambda x: wg.map(np.sin, None), ShapeError, r"map of sin[\s\S]*no arrays"),
    (lambda x: wg.map(np.sin, None, batch_size=2), ShapeError, r"no arrays"),
    (lambda x: wg.map(np.sin, x[0]), ShapeError, r"has no axis 0"),
    (lambda x: wg.map(np.sin, x[0], batch_size=2), ShapeError, r"has no axis 0"),
    (lambda x: wg.map(np.sin, (x, x[1:])), ShapeError, r"the same length[\s\S]*f64\[2\]"),
    (lambda x: wg.map(np.sin, [x, object()]), LeafTypeError, r"xs\[1\] is neither"),
]


@pytest.mark.parametrize(("run", "kind", "match"), MAP_ERRORS)
def test_mistakes_with_map(run: Function, kind: type[Exception], match: str) -> None:
    for f in (run, wg.make_program(run)):
        with pytest.raises(kind, match=match):
            f(np.ones(3))


# associative_scan.


def affine(p: Any, q: Any) -> Any:
    """The composition of two maps x -> a x + b: first p, then q."""
    return (p[0] * q[0], q[0] * p[1] + q[1])


@ways
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("function", "numpys"), [(np.add, np.cumsum), (np.multiply, np.cumprod)], ids=["sum", "prod"]
)
def test_cumulative_sums_and_products(
    way: str, n: int, reverse: bool, function: Any, numpys: Function
) -> None:
    x = np.cos(np.arange(2.0 * n)).reshape(n, 2)
    flip = (lambda y: y[::-1]) if reverse else (lambda y: y)
    f = lambda x: wg.associative_scan(function, x, reverse=reverse)
    plain = lambda x: flip(numpys(flip(x), axis=0))
    same(WAYS[way](f, x), plain(x))
    total = lambda f: lambda x: np.sum(np.sin(f(x)))
    same(WAYS[way](wg.grad(total(f)), x), wg.grad(total(plain))(x))
    same(WAYS[way](wg.vmap(f, in_axes=1), x), plain(x).T)


@ways
def test_a_linear_recurrence_by_associative_scan(way: str) -> None:
    """Trees, a function that does not commute, another axis."""
    a, b = np.cos(np.arange(12.0)).reshape(2, 6), np.arange(12.0).reshape(2, 6)
    f = lambda a, b: wg.associative_scan(affine, (a, b), axis=-1)[1]

    def plain(a: Any, b: Any) -> Any:
        x, ys = 0.0, []
        for k in range(6):
            x = a[:, k] * x + b[:, k]
            ys.append(x)
        return np.stack(ys, axis=1)

    same(WAYS[way](f, a, b), plain(a, b))
    same(WAYS[way](wg.jacrev(f, (0, 1)), a, b), wg.jacfwd(plain, (0, 1))(a, b))
    back = WAYS[way](lambda a, b: wg.associative_scan(affine, (a, b), True, 1)[1], a, b)
    same(back[:, ::-1], plain(a[:, ::-1], b[:, ::-1]))


def test_the_function_is_called_a_few_times_only() -> None:
    calls = []

    def f(a: Any, b: Any) -> Any:
        calls.append(len(a))
        return a + b

    wg.associative_scan(f, np.ones(1000))
    assert len(calls) < 20
    assert sum(calls) < 2000


SCAN_ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda x: wg.associative_scan(np.add, (x, x[1:])), ShapeError, r"the same length"),
    (lambda x: wg.associative_scan(np.add, x, axis=1), ShapeError, r"has no axis 1"),
    (lambda x: wg.associative_scan(np.add, x[0]), ShapeError, r"has no axis 0"),
    (lambda x: wg.associative_scan(np.add, None), ShapeError, r"no arrays"),
    (lambda x: wg.associative_scan(lambda a, b: a[:0], x), ShapeError, r"another shape"),
    (lambda x: wg.associative_scan(lambda a, b: (a, b), x), TreeError, r"the structure of"),
    (lambda x: wg.associative_scan(np.add, {"k": {1}}), LeafTypeError, r"elems\['k'\] is neither"),
]


@pytest.mark.parametrize(("run", "kind", "match"), SCAN_ERRORS)
def test_mistakes_with_associative_scan(run: Function, kind: type[Exception], match: str) -> None:
    for f in (run, wg.make_program(run)):
        with pytest.raises(kind, match=match):
            f(np.ones(3))


# Inside of each other.


def maze(x: Any, limit: Any) -> Any:
    """A cond in a scan in a while_loop in a cond, with closures over all levels."""

    def walk(x: Any) -> Any:
        def turn(c: Any) -> Any:
            y, n = c

            def step(z: Any, k: Any) -> Any:
                low = lambda: np.log(z) * x + k
                return wg.cond(z < 1.0 + 0.1 * n, lambda: z + x * k + 0.3, low), z * y

            z, zs = wg.scan(step, y, np.array([1.0, 0.5, 2.0]))
            return y + 0.5 * np.abs(z) + 0.1 * np.sum(zs), n + 1

        return wg.while_loop(lambda c: c[0] < limit, turn, (x, 0))[0]

    return wg.cond(
        x > 0.0, walk, lambda x: wg.fori_loop(0, 3, lambda i, c: np.sin(c) * x + i, x), x
    )


def plain_maze(x: Any, limit: Any) -> Any:
    """The same in Python."""
    if x <= 0.0:
        c = x
        for i in range(3):
            c = np.sin(c) * x + i
        return c
    y, n = x, 0
    while y < limit:
        z, total = y, 0.0
        for k in (1.0, 0.5, 2.0):
            total = total + z * y
            z = z + x * k + 0.3 if z < 1.0 + 0.1 * n else np.log(z) * x + k
        y, n = y + 0.5 * np.abs(z) + 0.1 * total, n + 1
    return y


STARTS = np.array([0.3, -0.7, 1.2, 2.5, 0.9])
LIMITS = np.array([4.0, 1.0, 9.0, 2.0, 0.5])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_every_kind_in_every_other(order: int) -> None:
    f, plain = maze, plain_maze
    for _ in range(order):
        f, plain = wg.grad(f), wg.grad(plain)
    pairs = list(zip(STARTS, LIMITS, strict=True))
    due = np.stack([plain(*pair) for pair in pairs])
    program = wg.make_program(f)(1.0, 1.0)
    check_program(program)
    same(np.stack([f(*pair) for pair in pairs]), due)
    same(np.stack([program(*pair) for pair in pairs]), due)
    same(wg.vmap(f)(STARTS, LIMITS), due)
    same(wg.vmap(program)(STARTS, LIMITS), due)
    same(wg.make_program(wg.vmap(f))(STARTS, LIMITS)(STARTS, LIMITS), due)
    total = lambda f: lambda x: np.sum(wg.vmap(f)(x, LIMITS))
    slopes = np.stack([wg.grad(plain)(*pair) for pair in pairs])
    same(wg.grad(total(f))(STARTS), slopes)
    same(wg.grad(total(program))(STARTS), slopes)
    same(wg.jvp(lambda x: wg.vmap(f)(x, LIMITS), (STARTS,), (np.ones(5),))[1], slopes)


@ways
def test_a_while_loop_in_vmap_in_a_scan(way: str) -> None:
    def f(x: Any) -> Any:
        double = lambda v: wg.while_loop(lambda v: v < 3.0, lambda v: v * (1.0 + x[0]), v)
        body = lambda c, a: (wg.vmap(double)(c * a), np.sum(c))
        return wg.scan(body, x, np.array([0.5, 0.1, 0.4]))

    def plain(x: Any) -> Any:
        c, sums = [x[i] for i in range(3)], []
        for a in (0.5, 0.1, 0.4):
            sums.append(c[0] + c[1] + c[2])
            c = [v * a for v in c]
            for i in range(3):
                while c[i] < 3.0:
                    c[i] = c[i] * (1.0 + x[0])
        return np.stack(c), np.stack(sums)

    x = np.array([0.7, 1.9, 20.0])
    same(WAYS[way](f, x), plain(x))
    due = wg.jacfwd(plain)(x)
    same(WAYS[way](wg.jacrev(f), x), due)
    same(WAYS[way](wg.jacfwd(f), x), due)
    rows = np.stack([x, x + 0.1])
    same(WAYS[way](wg.vmap(wg.jacrev(f)), rows)[0][1], wg.jacfwd(plain)(rows[1])[0])


def through_complex(p: Any, z: Any, k: Any) -> Any:
    """A real number of complex ones, with ints beside them in the results of branches."""
    y, n, w = wg.cond(
        p, lambda: (np.sin(z) * k, k + 1, np.real(z)), lambda: (z * z * 2j, 3, np.abs(z))
    )
    turn = lambda c: (c[0] * (1.2 + 0.1j) + z, c[1] * 2.0 + np.imag(c[0]), c[2] + 1)
    y, w, _ = wg.while_loop(lambda c: (np.abs(c[0]) < 4.0) & (c[2] < 9), turn, (y, w, 0))
    factors = np.array([1.0, 1j, 2.0])
    c, (parts, ns) = wg.scan(lambda c, a: (c * a + y, (np.real(c), n)), y, factors)
    return np.real(c * np.conj(z)) + np.sum(parts) * ns[0] + w


@pytest.mark.parametrize("order", [0, 1, 2])
def test_complex_numbers(order: int) -> None:
    f: Function = through_complex
    if order:
        f = wg.grad(f, 1)
    if order == 2:
        slope = f
        f = wg.grad(lambda p, z, k: np.abs(slope(p, z, k)) ** 2, 1)
    p, k = np.array([True, False, True]), np.array([1, 2, 3])
    z = np.array([0.3 + 0.2j, 1.0 - 0.5j, -0.7 + 0.1j])
    due = np.stack([f(*row) for row in zip(p, z, k, strict=True)])
    program = wg.make_program(f)(True, z[0], 1)
    same(np.stack([program(*row) for row in zip(p, z, k, strict=True)]), due)
    same(wg.vmap(f)(p, z, k), due)
    same(wg.vmap(program)(p, z, k), due)
    same(wg.make_program(wg.vmap(f))(p, z, k)(p, z, k), due)
    if order == 1:  # the derivative by the real and by the imaginary part
        step = 1e-6
        across = lambda d: through_complex(True, z[0] + d, 1) - through_complex(True, z[0] - d, 1)
        along = across(step) - 1j * across(1j * step)
        np.testing.assert_allclose(due[0], along / (2 * step), rtol=1e-7)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_float32_stays_float32(order: int) -> None:
    def f(p: Any, x: Any) -> Any:
        y = wg.cond(p, lambda: x * 2, lambda: np.sin(x) + 1)
        y = wg.while_loop(lambda c: np.sum(c) < 20, lambda c: c * 1.5 + x, y)
        y = wg.fori_loop(0, 3, lambda i, c: c * 0.5 + i * x, y)
        y, zs = wg.scan(lambda c, a: (c + a * y, c * 2), y, x)
        total = np.sum(y) + np.sum(wg.map(np.sin, zs, batch_size=2))
        return total + np.sum(wg.associative_scan(np.add, x))

    g = (f, wg.grad(f, 1), wg.hessian(f, 1))[order]
    x = np.array([0.5, 1.0, 0.3], np.float32)
    p, xs = np.array([True, False]), np.stack([x, 2 * x])
    for y in (
        g(True, x),
        wg.make_program(g)(True, x)(False, x),
        wg.vmap(g)(p, xs),
        wg.make_program(wg.vmap(g))(p, xs)(p, xs),
        wg.vmap(wg.make_program(g)(True, x))(p, xs),
    ):
        assert y.dtype == np.float32
