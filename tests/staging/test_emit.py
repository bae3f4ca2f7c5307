"""Emission: values, types, memory, names, threads. Read `emission.py` for what is checked."""

from __future__ import annotations

import re
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from emission import close, code_of, emitted, emitted_of, nest, same_bits

import wengert as wg
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.staging.emit import Emitted, emit

X = np.array([0.3, -1.5, 2.25])
M = np.arange(12.0).reshape(3, 4)


def emitted_text(fun: Any, *args: Any) -> str:
    """The text for a function."""
    return code_of(emit(wg.make_program(fun)(*args)).source)


# Random programs.


@pytest.mark.parametrize("seed", range(30))
def test_random_control_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    f = nest(rng, int(rng.integers(1, 4)))
    x, w = rng.normal(size=3), float(rng.uniform(0.3, 1.0))
    xs, ws = rng.normal(size=(4, 3)), rng.uniform(0.3, 1.0, 4)
    total = lambda x, w: np.sum(np.tanh(f(x, w)))
    with np.errstate(all="ignore"):
        for g, args, same in (
            (f, (x, w), same_bits),
            (f, (x, np.float64(w)), same_bits),
            (wg.vmap(f), (xs, ws), same_bits),
            (wg.grad(total, (0, 1)), (x, w), close),
            (lambda x, w: wg.hvp(total, (x, w), (xs[0], ws[0])), (x, w), close),
        ):
            program = wg.make_program(g)(*args)
            emitted(program, *args, same=same)
            emitted(improve(program), *args, same=close)


@pytest.mark.parametrize("seed", range(8))
def test_random_control_flow_in_single_precision(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    f = nest(rng, 2)
    x, w = rng.normal(size=3).astype(np.float32), np.float32(rng.uniform(0.3, 1.0))
    try:
        program = wg.make_program(f)(x, w)
    except wg.WengertError:
        pytest.skip("a loop that does not keep its dtypes")
    emitted(program, x, w)


UNARY: list[Any] = [
    np.negative, np.abs, np.square, np.sqrt, np.exp, np.log, np.sign, np.copy, np.ravel,
    np.transpose, np.sum, np.isnan, np.real, np.floor, np.cumsum, lambda x: 1.0 / x,
    lambda x: x * 2, lambda x: 1 - x, lambda x: x**2, lambda x: x > 0, lambda x: x[None],
    lambda x: x[::-1] if x.ndim else x, lambda x: x[..., -1] if x.ndim else x,
    lambda x: x[1:] if x.ndim and len(x) > 1 else x,
    lambda x: np.mean(x, axis=-1) if x.ndim and x.size else x,
    lambda x: np.max(x, axis=0) if x.ndim and x.size else x,
    lambda x: np.broadcast_to(x, (2, *x.shape)),
    lambda x: np.stack([x, x * 2.0]), lambda x: np.clip(x, -1, 2), lambda x: np.reshape(x, (-1, 1)),
    lambda x: np.concatenate([x, x]) if x.ndim else x, lambda x: np.sort(x) if x.ndim else x,
    lambda x: x.astype(np.float32), lambda x: x[np.array([0, -1])] if x.ndim else x,
    lambda x: np.squeeze(x), lambda x: np.where(np.isnan(x), 0.0, x),
]  # fmt: skip
BINARY: list[Any] = [
    np.add, np.subtract, np.multiply, np.divide, np.maximum, np.fmin, np.less, np.hypot,
    lambda a, b: np.where(a < b, a, b), lambda a, b: a * b[..., :1] if b.ndim else a,
]  # fmt: skip


def written(x: Any, y: Any) -> Any:
    """The array after writes."""
    z = np.copy(x)
    if z.ndim and len(z) > 1:
        z[1:] = z[:-1] * 2.0
        z[0] += 1.0
        z[np.array([0, 1])] = z[-2:]
    return z


def straight(seed: int, n: int) -> Any:
    """A function of two arrays made of n random operations."""

    def fun(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        pool = [x, y, 2.0 * x]
        for _ in range(n):
            a, b = (pool[rng.integers(len(pool))] for _ in range(2))
            kind = rng.random()
            if kind < 0.5:
                new = UNARY[rng.integers(len(UNARY))](a)
            elif kind < 0.6:
                new = written(a, b)
            else:
                try:
                    np.broadcast_shapes(np.shape(a), np.shape(b))
                except ValueError:
                    continue
                new = BINARY[rng.integers(len(BINARY))](a, b)
            if np.size(new) <= 300 and np.ndim(new) < 5 and np.result_type(new).kind == "f":
                pool.append(new)
        return pool[-4:]

    return fun


SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 5e-324, 1.7e308, 3e-320])


@pytest.mark.parametrize("seed", range(40))
def test_random_operations_on_special_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.permutation(SPECIAL) for _ in range(2))
    emitted_of(straight(seed, 30), x, y)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (0, 2)])
@pytest.mark.parametrize("seed", range(6))
def test_random_operations_on_shapes(seed: int, shape: Any) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, *shape))
    with np.errstate(all="ignore"):
        try:
            straight(300 + seed, 20)(x, y)
        except (ValueError, IndexError):
            pytest.skip("no function of such arrays")
        # Python's arithmetic on numbers rounds functions otherwise than NumPy's on some machines.
        emitted_of(straight(300 + seed, 20), x, y, same=close)


# Memory.


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda x: (x, x), (X,)),
        (lambda x: (x * 2, x), (X,)),
        (lambda x: [x * 2] * 3, (X,)),
        (lambda x: (x[1:], x[:1], x[::-1]), (X,)),
        (lambda x: [(y := x * 2)[1:], y], (X,)),
        (lambda x: [(y := x * 2).T, y.reshape(12), y], (M,)),
        (lambda x: (x * 2).T, (M,)),
        (lambda x: np.reshape((x * 2).T, 12), (M,)),
        (lambda x: (np.ones(3), np.ones(3)), (X,)),
        (lambda x: np.broadcast_to(x, (2, 3)), (X,)),
        (lambda x: np.broadcast_to(2 * x, (2, 3)) + 1.0, (X,)),
        (lambda x: np.einsum("ij->ji", x), (M,)),
        (lambda x: np.einsum("ii->i", x @ x.T), (M,)),
        (lambda x: np.diagonal(x @ x.T), (M,)),
        (lambda x: np.ravel(x), (M,)),
        (lambda x: np.real(x), (X + 1j,)),
        (lambda x: (np.real(y := x * 2), np.imag(y), y), (X + 1j,)),
        (lambda x: np.squeeze(x[None] * 2), (X,)),
        (lambda x: x.astype(float), (X,)),
        (lambda x: x.astype(np.float32), (X,)),
        (lambda x: np.swapaxes(x, 0, 1)[::2] + 0.0, (M,)),
    ],
)
def test_results_have_memory_of_their_own(fun: Any, args: Any) -> None:
    emitted_of(fun, *args)


def test_what_is_put_into_another_order_is_not_copied() -> None:
    assert "copy_of" not in emitted_text(lambda x: np.sin(x).T, M)
    assert "copy_of" in emitted_text(lambda x: x.T, M)
    assert "copy_of" in emitted_text(lambda x: [(y := np.sin(x)).T, y], M)
    assert "copy_of" in emitted_text(lambda x: np.sin(x)[:2], M)


def test_buffers_are_used_again() -> None:
    def f(x: Any) -> Any:
        for _ in range(10):
            x = np.sin(x) * np.cos(x)
        return x

    assert len(emitted_of(f, X)._keys) <= 2


def test_numbers_in_views_of_buffers() -> None:
    emitted_of(lambda x: [np.reshape((x * 2.0)[:1], ()) * 3.0, np.sum(x * 3.0)], X)
    emitted_of(lambda x: [np.squeeze((x * 2.0)[:1]), x * 3.0, x * 4.0], X)


# Types.


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda x, y: x * y + 1, (np.float32([1, 2]), 2.0)),
        (lambda x, y: x * (1.0 / y), (np.float32([1, 2]), 2.0)),
        (lambda x, y: x * (y + 1.0) * y, (np.float32([1, 2]), 2.0)),
        (lambda x, y: x * y + 1, (np.float32([1, 2]), np.float64(2.0))),
        (lambda x, y: x + y, (np.complex64([1, 2]), 0.5)),
        (lambda x, y: x / y, (np.complex64([1, 2j]), np.float32(0.5))),
        (lambda x: x // 2 + 1, (np.array([3, 4]),)),
        (lambda x: x + 1, (np.int8([3, 4]),)),
        (lambda x: x / 2, (np.array([3, 4]),)),
        (lambda x: x + 1, (3,)),
        (lambda x: x * 2.0, (3,)),
        (lambda x: x * 1j, (2.0,)),
        (lambda x: ~x, (np.array([True, False]),)),
        (lambda x: (x > 0.1) & (x < 1.0), (X,)),
        (lambda x: np.sum(x > 0.1), (X,)),
        (lambda x: x[0].astype(np.float32) * x, (X,)),
        (lambda x: x[0] * np.float32(2.0), (X,)),
        (lambda x: x + 2**60, (X,)),
        (lambda x: np.ldexp(x, 3), (X,)),
        (lambda x: x**3, (X,)),
        (lambda x: (3, 2.5, 1j), (X,)),
    ],
)
def test_types_are_those_of_numpy(fun: Any, args: Any) -> None:
    emitted_of(fun, *args)
    emitted(improve(wg.make_program(fun)(*args)), *args)


def test_python_numbers_stay_weak_where_math_raises() -> None:
    program = wg.make_program(lambda x, y: x * (1.0 / y))(np.float32([1, 2]), 2.0)
    with np.errstate(divide="ignore"):
        (got,) = emit(program)(np.float32([1, 2]), 0.0)
    assert got.dtype == np.float32
    assert np.all(np.isinf(got))


# Names.


def test_the_users_names_and_lines() -> None:
    def f(weights: Any) -> Any:
        hidden = np.tanh(weights) * 2.0
        total = np.sum(hidden)
        return total * hidden

    text = emit(wg.make_program(f)(X), ["weights"]).source
    assert "def run(buffers, weights):" in text
    assert re.search(r"# test_emit\.py:\d+ \(f\): hidden = np\.tanh\(weights\) \* 2\.0", text)
    assert re.search(r"^ +hidden = multiply\(", text, re.M)
    assert re.search(r"^ +total = ", text, re.M)


@pytest.mark.parametrize("of", [wg.grad, wg.value_and_grad])
def test_the_users_names_are_not_those_of_slopes(of: Any) -> None:
    def f(weights: Any) -> Any:
        hidden = np.tanh(weights)
        return np.sum(hidden * hidden)

    text = emit(improve(wg.make_program(of(f))(X)), ["weights"]).source
    assert re.search(r"^ +hidden = tanh\(weights", text, re.M)


def test_names_that_mean_something_else() -> None:
    def f(add: Any, array: Any, b0: Any, zeros: Any, run: Any, float: Any) -> Any:
        buffers = add * array
        multiply = np.sin(buffers) + b0
        k0 = multiply * np.arange(3.0)
        float64 = np.copy(k0)
        float64[1:] = zeros[:2]
        copy_of = float64 * run
        return [copy_of, k0, float, np.stack([add[0] * float, float])]

    args = (X, X + 1, X + 2, X + 3, X + 4, 0.5)
    names = ["add", "array", "b0", "zeros", "run", "float"]
    program = wg.make_program(f)(*args)
    for g, w in zip(emit(program, names)(*args), program(*args), strict=True):
        assert same_bits(g, w)


@pytest.mark.parametrize("x", [0.7, X])
def test_long_functions_have_few_variables(x: Any) -> None:
    def f(x: Any) -> Any:
        for _ in range(1000):
            y = x * 0.5
            z = np.sin(x) - y
            x = y + z * x
        return x

    program = wg.make_program(f)(x)
    g = emit(program)
    assert len(program.equations) > 4000
    assert g._run.__code__.co_nlocals < 150
    assert close(g(x)[0], program(x))


# Running.


def test_warnings_are_those_of_numpy() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.log(x) + 1.0 / y

    for args in ((0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (X * 0, X), (np.float64(-1), np.float64(0))):
        g = emit(
            wg.make_program(f)(1.0, 1.0) if np.ndim(args[0]) == 0 else wg.make_program(f)(X, X)
        )
        args = tuple([np.float64(a) if np.ndim(a) == 0 else a for a in args])
        found = []
        for one in (f, lambda *a, g=g: g(*a)[0]):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                y = one(*args)
            found.append((sorted([str(w.message) for w in caught]), y))
        assert found[0][0] == found[1][0]
        assert same_bits(found[0][1], found[1][1])


def in_threads(f: Emitted, args: list[Any], n: int = 30) -> None:
    """Call a function from several threads at once, with arguments of their own."""
    want = [f(*a) for a in args]
    bad: list[Any] = []

    def work(k: int) -> None:
        for _ in range(n):
            for g, w in zip(f(*args[k]), want[k], strict=True):
                if not same_bits(g, w):
                    bad.append((k, g, w))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(args))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad


def test_many_threads() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, e: Any) -> Any:
            c = c @ c * 0.01 + e
            c[0] += 1.0
            return c, np.sum(c) * e

        y, ys = wg.scan(step, x, np.linspace(0.0, 1.0, 20))
        return np.tanh(y) * 2.0, ys, np.sin(y)

    rng = np.random.default_rng(0)
    args = [(rng.normal(size=(40, 40)),) for _ in range(6)]
    f_ = emit(improve(wg.make_program(f)(*args[0])))
    assert f_._keys
    in_threads(f_, args)
    assert len(f_._free) <= 4


def test_large_buffers_are_not_kept() -> None:
    x = np.broadcast_to(np.float32(0.5), (1 << 13, 1 << 13))
    program = wg.make_program(lambda x: np.sum(x @ x[:, :1]) + np.sum((x @ x)[0]))(x)
    kept = [emit(wg.make_program(lambda x: np.sum(x @ x[:, :1]))(x)), emit(program)]
    assert [f._kept for f in kept] == [4, 0]


def test_it_may_be_called_while_it_runs() -> None:
    program = wg.make_program(lambda x: np.log(x * 2.0 - 1.0) * 3.0 + x)(X)
    f = emit(program)
    assert f._keys
    inside: list[Any] = []

    def again(kind: str, flag: int) -> None:
        if len(inside) < 3:
            inside.append(None)
            inside[-1] = f(np.full(3, 5.0))[0]

    x = np.array([0.25, 4.0, 2.0])
    with np.errstate(invalid="ignore"):
        want = np.log(x * 2.0 - 1.0) * 3.0 + x
    old = np.seterrcall(again)
    try:
        with np.errstate(invalid="call"):
            (got,) = f(x)
    finally:
        np.seterrcall(old)
    assert same_bits(got, want)
    assert inside
    for y in inside:
        assert same_bits(y, np.log(np.full(3, 9.0)) * 3.0 + 5.0)


def test_errors_leave_the_function_as_it_was() -> None:
    program = wg.make_program(lambda a, b: np.linalg.solve(a * 2.0, b) * 3.0)(np.eye(2), np.ones(2))
    f = emit(program)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        f(np.zeros((2, 2)), np.ones(2))
    assert same_bits(f(np.eye(2), np.ones(2))[0], np.full(2, 1.5))


@pytest.mark.parametrize("p", [-1, 0.5, 2, 3, 1.0, -2.0])
@pytest.mark.parametrize("dtype", [float, complex, np.float32])
def test_powers(p: Any, dtype: Any) -> None:
    """NumPy's operator has functions of its own for some exponents."""
    x = np.array([-np.inf, -0.0, 0.0, np.inf, 2.0], dtype)
    if dtype is complex:
        x = np.array([complex(np.inf, 0.0), complex(0.0, np.inf), 1.0 + 2.0j, -3.0j, 0j])
    emitted_of(lambda x: x**p, x)
    emitted_of(lambda x, p: x**p, x, p)
