"""scan: a loop that carries values along, eagerly and as one equation of a program."""

from __future__ import annotations

import dataclasses
import pickle
import threading
import time
import tracemalloc
from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program
from wengert.core.tracing import RUNNING
from wengert.errors import (
    DtypeError,
    EscapedTracerError,
    LeafTypeError,
    ShapeError,
    TreeError,
    UnsupportedError,
)

Function = Callable[..., Any]


def loop(f: Function, init: Any, xs: Any, reverse: bool = False) -> Any:
    """What scan means, for arrays."""
    carry, ys = init, []
    for x in xs[::-1] if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


def recurrence(scan: Function, reverse: bool = False) -> Function:
    """A function of a matrix, a start and inputs, whose body closes over the matrix."""

    def f(a: Any, start: Any, xs: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            c = np.tanh(a @ c + x) * np.sin(a[0, 0])
            return c, np.sum(c * x)

        c, ys = scan(body, start, xs, reverse=reverse)
        return np.sum(c) * np.sum(ys**2 * (1.0 + np.arange(len(ys))))

    return f


@pytest.fixture
def args(rng: np.random.Generator) -> tuple[Any, ...]:
    """A matrix, a start and five inputs."""
    return 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(5, 3))


def same(found: Any, due: Any, rtol: float = 1e-11) -> None:
    """Equal trees, up to rounding."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


ALL = (0, 1, 2)
WAYS: dict[str, Function] = {
    "eager": lambda f, *args: f(*args),
    "program": lambda f, *args: wg.make_program(f)(*args)(*args),
}


# Derivatives.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_of_every_order(args: tuple[Any, ...], way: str, reverse: bool) -> None:
    f, plain = recurrence(wg.scan, reverse), recurrence(loop, reverse)
    ts = tuple([np.cos(a) for a in args])
    run = WAYS[way]
    same(run(f, *args), plain(*args))
    same(run(wg.grad(f, ALL), *args), wg.grad(plain, ALL)(*args))
    same(run(lambda *a: wg.jvp(f, a, ts), *args), wg.jvp(plain, args, ts))
    same(run(lambda *a: wg.linearize(f, *a)[1](*ts), *args), wg.jvp(plain, args, ts)[1])
    same(run(lambda *a: wg.vjp(f, *a)[1](2.0), *args), wg.vjp(plain, *args)[1](2.0))
    for product_of in (
        lambda f: lambda *a: wg.jvp(wg.grad(f, ALL), a, ts)[1],
        lambda f: lambda *a: wg.grad(lambda *b: wg.jvp(f, b, ts)[1], ALL)(*a),
        lambda f: lambda *a: wg.vjp(wg.grad(f, ALL), *a)[1](ts),
        lambda f: lambda *a: wg.jvp(lambda *b: wg.jvp(f, b, ts)[1], a, ts)[1],
    ):
        same(run(product_of(f), *args), product_of(plain)(*args))
    same(run(wg.hessian(f, 1), *args), wg.hessian(plain, 1)(*args))
    same(run(wg.jacfwd(wg.jacrev(f, 1), 2), *args), wg.jacfwd(wg.jacrev(plain, 1), 2)(*args))


@pytest.mark.parametrize("reverse", [False, True])
def test_programs_are_transformed(args: tuple[Any, ...], reverse: bool) -> None:
    plain = recurrence(loop, reverse)
    program = wg.make_program(recurrence(wg.scan, reverse))(*args)
    gradient = wg.make_program(wg.grad(recurrence(wg.scan, reverse), ALL))(*args)
    for p in (program, gradient):
        check_program(p)
        again = pickle.loads(pickle.dumps(p))
        assert str(again) == str(p)
        same(again(*args), p(*args))
    same(wg.grad(program, ALL)(*args), gradient(*args))
    same(wg.grad(plain, ALL)(*args), gradient(*args))
    ts = tuple([np.cos(a) for a in args])
    second = wg.jvp(wg.grad(plain, ALL), args, ts)[1]
    same(wg.jvp(gradient, args, ts)[1], second)
    same(
        wg.vjp(gradient, *args)[1](gradient(*args)),
        wg.vjp(wg.grad(plain, ALL), *args)[1](gradient(*args)),
    )


@pytest.mark.parametrize("in_axes", [a for a in product((0, None), repeat=3) if 0 in a])
def test_batches(args: tuple[Any, ...], in_axes: Any) -> None:
    f, plain = recurrence(wg.scan), recurrence(loop)
    many = tuple(
        [
            np.stack([a, 1.1 * a, 0.9 * a]) if x == 0 else a
            for a, x in zip(args, in_axes, strict=True)
        ]
    )
    for g, h in ((f, plain), (wg.grad(f, ALL), wg.grad(plain, ALL))):
        due = wg.vmap(h, in_axes=in_axes)(*many)
        same(wg.vmap(g, in_axes=in_axes)(*many), due)
        same(wg.vmap(wg.make_program(g)(*args), in_axes=in_axes)(*many), due)
        program = wg.make_program(wg.vmap(g, in_axes=in_axes))(*many)
        check_program(program)
        same(program(*many), due)
    total = lambda f: lambda *a: np.sum(wg.vmap(f, in_axes=in_axes)(*a))
    due = wg.grad(total(plain), ALL)(*many)
    same(wg.grad(total(f), ALL)(*many), due)
    same(wg.make_program(wg.grad(total(f), ALL))(*many)(*many), due)


@pytest.mark.parametrize("way", WAYS)
def test_a_derivative_and_a_batch_in_the_body(way: str) -> None:
    energy = lambda q: np.sum(q**4)

    def f(k: Any, q: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            q, p = c
            p = p - 0.1 * k * wg.grad(energy)(q)
            return (q + 0.1 * p, p), wg.vmap(lambda v: v * k)(q)

        (q, p), trace = wg.scan(step, (q, np.zeros(3)), length=4)
        return np.sum(q * p) + np.sum(trace)

    def plain(k: Any, q: Any) -> Any:
        p, total = np.zeros(3), 0.0
        for _ in range(4):
            p = p - 0.1 * k * 4 * q**3
            total = total + np.sum(q * k)
            q = q + 0.1 * p
        return np.sum(q * p) + total

    at = (0.7, np.array([0.5, -1.0, 1.2]))
    same(WAYS[way](f, *at), plain(*at))
    same(WAYS[way](wg.grad(f, (0, 1)), *at), wg.grad(plain, (0, 1))(*at))
    same(WAYS[way](wg.hessian(f), *at), wg.hessian(plain)(*at))


@pytest.mark.parametrize("way", WAYS)
def test_a_scan_in_a_scan(way: str) -> None:
    def f(a: Any, xs: Any) -> Any:
        row = lambda c, x: (np.sin(c * a + x), c)
        return wg.scan(lambda c, x: wg.scan(row, c, x), 0.3, xs)

    def plain(a: Any, xs: Any) -> Any:
        c, ys = 0.3, []
        for row in xs:
            for x in row:
                ys.append(c * np.ones(()))
                c = np.sin(c * a + x)
        return c, np.reshape(np.stack(ys), xs.shape)

    at = (0.7, np.arange(6.0).reshape(2, 3))
    same(WAYS[way](f, *at), plain(*at))
    same(WAYS[way](wg.jacrev(f, (0, 1)), *at), wg.jacfwd(plain, (0, 1))(*at))


@pytest.mark.parametrize("way", WAYS)
def test_closures_over_values_of_several_traces(way: str) -> None:
    def f(x: Any, y: Any) -> Any:
        inner = lambda z: wg.scan(lambda c, k: (c * x + z * y * k, c * z), y, np.arange(3.0))[0]
        return wg.grad(inner)(x * y)

    due = lambda x, y: y * (x + 2.0)
    at = (1.3, 0.7)
    same(WAYS[way](f, *at), due(*at))
    same(WAYS[way](wg.grad(f, (0, 1)), *at), wg.grad(due, (0, 1))(*at))
    many = (np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    same(WAYS[way](wg.vmap(f), *many), due(*many))


def test_linear_transposes() -> None:
    x, ct = np.ones((4, 2)), (np.array([1.0, 2.0]), np.arange(8.0).reshape(4, 2))
    f = lambda x: wg.scan(lambda c, a: (2.0 * c + a, c - a), np.zeros(2), x, reverse=True)
    due = wg.vjp(f, x)[1](ct)
    same(wg.linear_transpose(f, x)(ct), due)
    same(wg.linear_transpose(wg.make_program(f)(x), x)(ct), due)
    same(wg.make_program(lambda ct: wg.linear_transpose(f, x)(ct))(ct)(ct), due)


# Values.


class Pair(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


@dataclasses.dataclass
class Box:
    """A dataclass with a field that is no array."""

    x: Any
    name: str = "box"


@pytest.mark.parametrize("way", WAYS)
def test_trees_with_none_and_text(way: str) -> None:
    def f(u: Any) -> Any:
        def body(c: Any, x: Any) -> Any:
            assert x["label"] == "text"
            c = Pair(c.a + x["u"], {"none": None, "box": Box(c.b["box"].x * 2.0, "mine")})
            return c, (Pair(c.a, None), [x["u"], c.b["box"]], {})

        start = Pair(0.0, {"none": None, "box": Box(u[0], "mine")})
        return wg.scan(body, start, {"u": u, "label": "text", "none": None})

    end, (pair, (u, box), empty) = WAYS[way](f, np.array([1.0, 2.0, 3.0]))
    assert (float(end.a), end.b["none"], float(end.b["box"].x)) == (6.0, None, 8.0)
    assert end.b["box"].name == box.name == "mine"
    assert (pair.b, empty) == (None, {})
    np.testing.assert_array_equal(pair.a, [1.0, 3.0, 6.0])
    np.testing.assert_array_equal(u, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(box.x, [2.0, 4.0, 8.0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("init", "xs", "dtype"),
    [
        (0.0, np.ones(3, np.float32), np.float32),
        (0, np.ones(3, np.float32), np.float32),
        (np.float32(0), np.ones(3, np.float32), np.float32),
        (np.float32(0), np.ones(3), np.float64),
        (0, np.ones(3), np.float64),
        (0, np.ones(3, np.int32), np.int32),
        (np.int64(0), np.ones(3, np.int32), np.int64),
        (0.0, np.ones(3, np.int32), np.float64),
        (0, np.ones(3, np.complex64), np.complex64),
        (1j, np.ones(3), np.complex128),
        (np.zeros(2, np.float32), np.ones((3, 2)), np.float64),
    ],
)
def test_types_follow_numpy(way: str, init: Any, xs: Any, dtype: Any) -> None:
    """A Python number takes the type of what it meets; a carried int may become a float."""
    c, ys = WAYS[way](lambda xs: wg.scan(lambda c, x: (c + x, c * 1), init, xs), xs)
    assert np.asarray(c).dtype == ys.dtype == dtype
    np.testing.assert_array_equal(c, init + xs.sum(0))


@pytest.mark.parametrize("way", WAYS)
def test_float32_has_float32_gradients(way: str) -> None:
    f = lambda k, x: wg.scan(lambda c, a: (np.sin(c * k + a), c), 0.0, x)[0]
    found = WAYS[way](wg.grad(f, (0, 1)), np.float32(0.5), np.ones(3, np.float32))
    assert [g.dtype for g in found] == [np.float32, np.float32]


@pytest.mark.parametrize("way", WAYS)
def test_complex_numbers(way: str) -> None:
    z = np.array([1 + 1j, 0.5 - 0.2j])
    f = lambda z: wg.scan(lambda c, x: (c * x + 1j, c), 1.0, z)[0]
    g = lambda z: (1.0 * z[0] + 1j) * z[1] + 1j
    same(WAYS[way](wg.grad(f, holomorphic=True), z), wg.grad(g, holomorphic=True)(z))


@pytest.mark.parametrize("way", WAYS)
def test_lengths(way: str) -> None:
    run = WAYS[way]
    body = lambda c, x: (c * 2.0, c if x is None else c + x)
    same(run(lambda c: wg.scan(body, c, length=3), 1.0), (8.0, np.array([1.0, 2.0, 4.0])))
    same(run(lambda c: wg.scan(body, c, None, 3, True), 1.0), (8.0, np.array([4.0, 2.0, 1.0])))
    same(run(lambda c: wg.scan(body, c, np.ones(2), 2), 1.0), (4.0, np.array([2.0, 3.0])))
    same(run(lambda c: wg.scan(body, c, length=np.int32(1), unroll=4), 1.0), (2.0, np.array([1.0])))
    none = run(lambda c: wg.scan(body, c, length=0), 1.5)
    same(none, (1.5, np.zeros(0)))
    same(run(lambda c: wg.grad(lambda c: wg.scan(body, c, length=0)[0])(c), 1.5), 1.0)
    same(run(lambda c: wg.grad(lambda c: np.sum(wg.scan(body, c, length=0)[1]))(c), 1.5), 0.0)
    c, ys = run(
        lambda x: wg.scan(lambda c, a: (c + a, (a * 2, {"k": a})), np.ones(0), x), np.ones((3, 0))
    )
    assert c.shape == (0,)
    assert ys[0].shape == ys[1]["k"].shape == (3, 0)
    c, ys = run(wg.vmap(lambda x: wg.scan(lambda c, a: (c + a, c), 0.0, x)), np.ones((0, 3)))
    assert (c.shape, ys.shape) == ((0,), (0, 3))


def test_python_runs_in_the_body() -> None:
    """With values: if, print, a list outside, a generator of random numbers."""
    seen = []
    generator = np.random.default_rng(0)

    def body(c: Any, x: Any) -> Any:
        seen.append(float(c))
        generator.normal()
        return (c * x if c < 3 else c - x), None

    f = lambda k: wg.scan(body, k, np.array([2.0, 3.0, 4.0]))[0]
    assert wg.grad(f)(1.0) == 6.0
    assert seen == [1.0, 2.0, 6.0]
    assert wg.jvp(f, (1.0,), (1.0,)) == (2.0, 6.0)


# Writing in place.


def test_what_the_body_writes_to_is_its_own() -> None:
    def body(c: Any, x: Any) -> Any:
        y = c
        c[0] = c[0] + x[1]
        x[0] = 7.0
        return c, (y, x)

    def f(z: Any) -> Any:
        c, (ys, xs) = wg.scan(body, z[0], z)
        return c, ys, xs, z

    z = np.arange(6.0).reshape(3, 2)
    due = (
        np.array([9.0, 1.0]),
        np.array([[1.0, 1.0], [4.0, 1.0], [9.0, 1.0]]),
        np.array([[7.0, 1.0], [7.0, 3.0], [7.0, 5.0]]),
        z.copy(),
    )
    ct = wg.tree.map(lambda y: np.cos(np.arange(float(y.size))).reshape(y.shape), due)
    slope = wg.vjp(wg.make_program(f)(z), z)[1](ct)
    for _ in range(2):  # again, to see that nothing was written to
        same(f(z), due)
    same(wg.make_program(f)(z)(z), due)
    same(wg.jvp(f, (z,), (z,))[0], due)
    same(wg.vmap(f)(np.stack([z, z]))[2][1], due[2])
    same(wg.vjp(f, z)[1](ct), slope)
    same(wg.make_program(lambda z: wg.vjp(f, z)[1](ct))(z)(z), slope)


@pytest.mark.parametrize("way", WAYS)
def test_results_that_are_written_to_in_a_later_step(way: str) -> None:
    def body(c: Any, i: Any) -> Any:
        c[i] = c[i] + 1.0
        return c, c

    f = lambda c: wg.scan(body, c, np.arange(3))
    start = np.zeros(3)
    same(WAYS[way](f, start), (np.ones(3), np.tri(3)))
    same(start, np.zeros(3))
    same(WAYS[way](wg.grad(lambda c: np.sum(f(c)[1] ** 2)), start), 2.0 * np.tri(3).sum(0))


@pytest.mark.parametrize("way", WAYS)
def test_carried_arrays_take_traced_values(way: str) -> None:
    def by_scan(x: Any) -> Any:
        def body(c: Any, i: Any) -> Any:
            c[i] = x[i] ** 2
            return c, None

        return wg.scan(body, np.zeros(3), np.arange(3))[0]

    def by_fori_loop(x: Any) -> Any:
        return wg.fori_loop(0, 3, lambda i, c: c.at[i].set(x[i] ** 2), x * 0.0)

    def by_while_loop(x: Any) -> Any:
        def body(c: Any) -> Any:
            c[1][c[0]] = x[c[0]] ** 2
            return c[0] + 1, c[1]

        return wg.while_loop(lambda c: c[0] < 3, body, (0, np.zeros(3)))[1]

    x = np.array([1.0, 2.0, 3.0])
    for f in (by_scan, by_fori_loop, by_while_loop):
        same(WAYS[way](wg.jacrev(f), x), np.diag(2.0 * x))
        same(WAYS[way](wg.jacfwd(f), x), np.diag(2.0 * x))
        same(WAYS[way](wg.vmap(f), np.stack([x, x])), np.stack([x**2, x**2]))


def test_writing_to_a_closed_over_array_is_refused_in_programs() -> None:
    def f(x: Any) -> Any:
        w = x * 2.0

        def body(c: Any, a: Any) -> Any:
            w[0] = a
            return c + w[0], None

        return wg.scan(body, 0.0, x)[0] + np.sum(w)

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(wg.grad(f)(x), [1.0, 4.0])
    with pytest.raises(EscapedTracerError, match=r"w\[0\] = a"):
        wg.make_program(f)(x)


# Cost.


def cumulative(x: Any) -> Any:
    """A recurrence with a residual for each step."""
    return wg.scan(lambda c, a: (np.sin(c * a), c), 0.5, x)[0]


@pytest.mark.parametrize("way", ["eager", "program"])
def test_the_backward_pass_is_linear_in_time_and_memory(way: str) -> None:
    def cost(n: int) -> tuple[float, int]:
        x = np.linspace(0.1, 0.9, n)
        f = wg.grad(cumulative)
        if way == "program":
            f = wg.make_program(f)(x)
        f(x)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            f(x)
            seconds.append(time.perf_counter() - start)
        tracemalloc.start()
        f(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return min(seconds), peak

    (short, small), (long, large) = cost(500), cost(8000)
    assert large < 16 * small * 1.5
    assert long < 16 * short * 4  # quadratic would be 16 times more


def test_ten_to_the_five_steps() -> None:
    x = np.full(100_000, 0.9)
    program = wg.make_program(
        wg.grad(lambda x: wg.scan(lambda c, a: (c * a + 1.0, None), 0.0, x)[0])
    )(x)
    due = 0.9 ** np.arange(100_000)[::-1] * 10.0 * (1 - 0.9 ** np.arange(100_000.0))
    np.testing.assert_allclose(program(x), due, rtol=1e-9, atol=1e-300)
    eager = wg.grad(lambda x: wg.scan(lambda c, a: (c * a + 1.0, None), 0.0, x)[0])(x)
    np.testing.assert_allclose(eager, due, rtol=1e-9, atol=1e-300)


def test_the_program_does_not_grow_with_the_length() -> None:
    texts = [str(wg.make_program(wg.grad(cumulative))(np.ones(n))) for n in (10, 99)]
    assert len(texts[0].splitlines()) == len(texts[1].splitlines())


def test_equations_in_the_body_know_their_lines() -> None:
    def body(c: Any, x: Any) -> Any:
        return np.sin(c * x), None  # this line

    program = wg.make_program(lambda x: wg.scan(body, 0.0, x)[0])(np.ones(3))
    (inner,) = program.equations[-1].programs.values()
    assert all("(body): return np.sin(c * x), None" in str(e.source) for e in inner.equations)
    assert "# this line" in program.pretty(source=True)


# Mistakes.

ONE = np.ones(3)
ERRORS: list[tuple[Function, type[Exception], str]] = [
    (lambda x: wg.scan(lambda c, a: c, 1.0, x), TreeError, r"must return a pair[\s\S]*float"),
    (lambda x: wg.scan(lambda c, a: (c, c, c), 1.0, x), TreeError, r"got:    a tuple of 3"),
    (lambda x: wg.scan(lambda c, a: ((c, c), 1), 1.0, x), TreeError, r"the carried value after"),
    (lambda x: wg.scan(lambda c, a: (None, 1), 1.0, x), TreeError, r"the carried value after"),
    (
        lambda x: wg.scan(lambda c, a: ((c[0], "b"), a), (1.0, "a"), x),
        TreeError,
        r"differ at \[1\][\s\S]*the value 'b'",
    ),
    (
        lambda x: wg.scan(lambda c, a: ({"k": np.ones(2) * c["k"]}, a), {"k": 1.0}, x),
        ShapeError,
        r"\['k'\] has another shape[\s\S]*got:    f64\[2\]",
    ),
    (lambda x: wg.scan(lambda c, a: (c, object()), 1.0, x), LeafTypeError, r"the result"),
    (lambda x: wg.scan(lambda c, a: (c, a), object(), x), LeafTypeError, r"init is neither"),
    (lambda x: wg.scan(lambda c, a: (c, a), 1.0, [x, object()]), LeafTypeError, r"xs\[1\] is nei"),
    (lambda x: wg.scan(lambda c, a: (c, a), x), ShapeError, r"unknown: xs has no arrays"),
    (lambda x: wg.scan(lambda c, a: (c, a), 1.0, x, 2), ShapeError, r"length=2[\s\S]*\[3\]"),
    (lambda x: wg.scan(lambda c, a: (c, a), 1.0, (x, x[1:])), ShapeError, r"axes of \[3, 2\]"),
    (lambda x: wg.scan(lambda c, a: (c, a), 1.0, x[0]), ShapeError, r"xs has no axis"),
    (lambda x: wg.scan(lambda c, a: (c, a), x, length=-1), ShapeError, r"must not be negative"),
    (lambda x: wg.scan(lambda c, a: (c, a), x, length=2.5), DtypeError, r"length must be an int"),
    (lambda x: wg.scan(lambda c, a: (c, a), x, length=x[0]), DtypeError, r"length must be an int"),
]


@pytest.mark.parametrize(("run", "kind", "match"), ERRORS)
def test_mistakes(run: Function, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        run(ONE)
    with pytest.raises(kind, match=match):
        wg.make_program(run)(ONE)
    with pytest.raises(kind, match=match):
        wg.grad(run)(ONE)
    assert RUNNING.traces == []


def test_results_that_change_from_step_to_step() -> None:
    with pytest.raises(TreeError, match="the result of a step"):
        wg.scan(lambda c, x: (c + 1, None if c < 2 else x), 1.0, ONE)
    with pytest.raises(TreeError, match="the result of a step"):
        wg.scan(lambda c, x: (c + 1, x if c < 2 else [x]), 1.0, ONE)
    with pytest.raises(ShapeError, match=r"must have the same shape[\s\S]*\(1,\), \(2,\), \(3,\)"):
        wg.scan(lambda c, x: (c + 1, np.ones(int(c))), 1.0, ONE)


def test_an_exception_in_the_body_leaves_nothing_behind() -> None:
    def fail(c: Any, x: Any) -> Any:
        raise KeyError("mine")

    f = lambda x: wg.scan(fail, 0.0, x)[0]
    for run in (f, wg.grad(f), wg.make_program(f), wg.make_program(wg.grad(f)), wg.vmap(f)):
        with pytest.raises(KeyError, match="mine"):
            run(np.ones((2, 2)))
        assert RUNNING.traces == []


def test_values_of_the_body_that_escape() -> None:
    kept = []

    def leak(c: Any, x: Any) -> Any:
        kept.append(c)
        return c, x

    wg.make_program(lambda x: wg.scan(leak, x[0], x))(ONE)
    with pytest.raises(EscapedTracerError, match="escaped from make_program of leak"):
        kept[0] + 1.0


def test_random_numbers_in_the_body_are_refused_in_programs() -> None:
    generator = np.random.default_rng(0)
    f = lambda x: wg.scan(lambda c, a: (c + generator.normal(), a), 0.0, x)
    with pytest.raises(UnsupportedError, match=r"scan of[\s\S]*drew random numbers"):
        wg.make_program(f)(ONE)


def test_threads_do_not_meet(args: tuple[Any, ...]) -> None:
    f = recurrence(wg.scan)
    due = wg.grad(f, ALL)(*args)
    found: list[Any] = []
    many = tuple([np.stack([a, a]) for a in args])

    def trace() -> None:
        found.extend([wg.make_program(wg.grad(f, ALL))(*args)(*args) for _ in range(10)])

    def batch() -> None:
        for _ in range(10):
            rows = wg.vmap(wg.grad(f, ALL))(*many)
            found.append(tuple([r[1] for r in rows]))

    threads = [threading.Thread(target=work) for work in (trace, batch, trace)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 30
    for y in found:
        same(y, due)
