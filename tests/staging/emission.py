"""What the tests of emission share: running an emitted program, and checking all that it promises.

`nest` makes random functions with control flow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.core import Program, evaluate
from wengert.transforms.staging.emit import Emitted, emit

Fun = Callable[..., Any]


def same_bits(a: Any, b: Any) -> bool:
    """Equal dtypes, shapes and elements; NaN equals NaN, and 0.0 differs from -0.0."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return same_bits(a.real, b.real) and same_bits(a.imag, b.imag)
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    signs = (np.signbit(a) == np.signbit(b)) | np.isnan(a)
    return bool(np.array_equal(a, b, equal_nan=True) and np.all(signs))


def close(a: Any, b: Any) -> bool:
    """Equal to rounding."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    wide = a.dtype.itemsize > (8 if a.dtype.kind == "c" else 4)
    tol = 1e-11 if wide else 1e-4
    return bool(np.allclose(a, b, rtol=tol, atol=tol, equal_nan=True))


def emitted(program: Program, *args: Any, same: Callable[[Any, Any], bool] = same_bits) -> Emitted:
    """The emitted program, after checks of values, types and memory against evaluation."""
    f = emit(program)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        want = evaluate(program, *args)
        before = [np.array(x) for x in args]
        got = f(*args)
        first = [np.array(y) for y in got]
        again = f(*args)
    assert len(got) == len(want)
    for g, h, w, a in zip(got, again, want, program.out_avals, strict=True):
        assert same(g, w), f"{g!r}\n{w!r}\n{program}\n{f.source}"
        assert same_bits(h, g), f"{f.source}"
        kind = type(g)
        assert kind is np.ndarray or not np.shape(g), f"{kind}\n{f.source}"
        if a.weak_type:
            assert kind in (float, int, complex, bool)
    for x, b in zip(args, before, strict=True):
        assert same_bits(x, b), f"an argument was written to\n{f.source}"
    arrays = [y for y in (*got, *again) if isinstance(y, np.ndarray)]
    for i, y in enumerate(arrays):
        assert y.flags.writeable, f.source
        for other in (*arrays[:i], *[x for x in args if isinstance(x, np.ndarray)]):
            assert not np.may_share_memory(y, other) or not y.size, f.source
    for y, old in zip(got, first, strict=True):
        assert same_bits(y, old), f"a result was written to\n{f.source}"
    # What the caller does to a result does nothing to the next one.
    for y in arrays:
        y[...] = 77
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for g, h in zip(f(*args), first, strict=True):
            assert same_bits(g, h), f.source
    return f


def code_of(text: str) -> str:
    """A text without its comments."""
    return "\n".join([line for line in text.splitlines() if not line.strip().startswith("#")])


def emitted_of(fun: Fun, *args: Any, same: Callable[[Any, Any], bool] = same_bits) -> Emitted:
    """The same for a function."""
    return emitted(wg.make_program(fun)(*args), *args, same=same)


# Random functions of a vector of three numbers and a number.


def _elementwise(rng: np.random.Generator) -> Fun:
    a, b = rng.uniform(0.3, 1.2, 2)
    m = rng.normal(size=(3, 3)) * 0.4
    made: Sequence[Fun] = [
        lambda x, w: np.sin(a * x) + w,
        lambda x, w: np.tanh(x * w) + b,
        lambda x, w: x * x * 0.3 + a * w,
        lambda x, w: np.roll(x, 1) * a - x * w,
        lambda x, w: np.stack([x[0] * w, x[1] - a, x[2] * x[2]]),
        lambda x, w: np.concatenate([x[1:], x[:1]]) + np.sum(x) * w,
        lambda x, w: np.where(x > w, x, -x),
        lambda x, w: m @ x * w + a,
        lambda x, w: np.sort(x)[::-1] * b,
    ]
    return made[rng.integers(len(made))]


def _written(rng: np.random.Generator, f: Fun) -> Fun:
    a = rng.uniform(0.3, 1.2)
    kind = rng.integers(3)

    def g(x: Any, w: Any) -> Any:
        y = f(x, w) * 1.0
        if kind == 0:
            y[1:] += x[:2] * a
            y[0] = w * y[2]
        elif kind == 1:
            y[1:] = y[:-1] * w
            y[np.array([0, 2])] = x[:2]
        else:
            z = y * 2.0
            y[::2] -= z[1:]
            z[:2] = y[1:]
            y = y + z
        return y

    return g


def _scan(rng: np.random.Generator, f: Fun) -> Fun:
    a, b = rng.uniform(0.3, 1.2, 2)
    backward, kind = bool(rng.integers(2)), rng.integers(4)

    def h(x: Any, w: Any) -> Any:
        def body(c: Any, e: Any) -> Any:
            c, k, n = c
            before = c
            c = 0.5 * c + 0.5 * f(c + e * 0.1, w if kind % 2 else 0.4)
            if kind > 1:
                c = np.copy(c)
                c[1:] = c[1:] * a + before[:-1]
            n = n * 0.5 + c[0]
            return (c, k + 1, n), (np.sum(c) * e, c, k, n > 0.2, before * b)

        xs = np.stack([x[0] * a, w * b, x[2] + 0.1])
        (c, k, n), (ys, rows, ks, flags, olds) = wg.scan(body, (x, 0, w), xs, reverse=backward)
        total = c + ys + np.sum(rows, 0) * 0.1 + k + n
        return total + np.where(flags, ks, 0) + (olds[0] if kind == 3 else 0.0)

    return h


def _while(rng: np.random.Generator, f: Fun) -> Fun:
    def h(x: Any, w: Any) -> Any:
        def body(c: Any) -> Any:
            y, k, s = c
            y = 0.5 * y + 0.4 * f(y, w)
            y[1] += s
            return y, k + 1, 0.5 * s

        return wg.while_loop(lambda c: (np.sum(c[0] ** 2) > 0.3) & (c[1] < 4), body, (x, 0, w))[0]

    return h


def nest(rng: np.random.Generator, depth: int) -> Fun:
    """A random function, with control flow inside of control flow."""
    kinds = ["cond", "switch", "scan", "scan", "fori", "while", "map", "comp", "write", "batch"]
    kind = rng.choice(kinds) if depth else "elementwise"
    a = rng.uniform(0.3, 1.2)
    if kind == "elementwise":
        return _elementwise(rng)
    f, g = nest(rng, depth - 1), nest(rng, depth - 1)
    n = int(rng.integers(0, 4))
    if kind == "write":
        return _written(rng, f)
    if kind == "scan":
        return _scan(rng, f)
    if kind == "while":
        return _while(rng, f)
    if kind == "cond":
        return lambda x, w: wg.cond(np.sum(x) * a > 0.4, f, lambda x, w: g(x, w) * (w * w), x, w)
    if kind == "switch":
        which = lambda x, w: (np.sum(x) > 0).astype(int) + (x[0] > w * 0.2).astype(int)
        return lambda x, w: wg.switch(which(x, w), [f, g, lambda x, w: x], x, w)
    if kind == "fori":
        body = lambda x, w: lambda i, c: 0.6 * c + f(c, w + i * 0.1) * 0.4
        return lambda x, w: wg.fori_loop(0, n, body(x, w), x)
    if kind == "map":
        return lambda x, w: wg.map(lambda e: np.sum(f(x * e, w)), x * 0.5)
    if kind == "batch":
        return lambda x, w: np.sum(wg.vmap(f, (0, None))(np.stack([x, x * 0.8]), w), 0)
    return lambda x, w: f(g(x, w), w * 0.7)
