"""Which equations are fused, and that blocks change no values."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from small_blocks import assert_same, both, fused_equations, make_blocks_small, names

import wengert as wg
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.staging import blocks
from wengert.transforms.staging.blocks import fuse
from wengert.transforms.staging.emit import emit


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays count as large."""
    make_blocks_small(monkeypatch)


def program_of(f: Any, *args: Any) -> wg.Program:
    return improve(wg.make_program(f)(*args))


def check(f: Any, *args: Any) -> list[str]:
    """The names of the fused equations of a function, whose values are compared."""
    args = tuple([np.asarray(a) for a in args])
    return names(assert_same(program_of(f, *args), args))


def chain(x: Any, y: Any) -> Any:
    """Twenty operations."""
    for _ in range(5):
        x = np.tanh(x) * y + 0.5 * x
    return x


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


# What is fused.


@pytest.mark.usefixtures("small")
def test_elementwise_equations_of_one_shape(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 200))
    assert check(chain, x, y) == ["fused 20"]
    assert check(wg.value_and_grad(lambda x, y: np.sum(chain(x, y)), (0, 1)), x, y)[0][:5] == (
        "fused"
    )


@pytest.mark.usefixtures("small")
def test_reductions_end_blocks_or_stay_in_them(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 7))
    assert check(softmax, x) == ["fused 5"]
    assert check(wg.grad(lambda x: np.sum(softmax(x) ** 2)), x)[-1][:5] == "fused"
    assert check(lambda x: np.sum(np.exp(x), axis=0), x) == ["fused 2"]
    assert check(lambda x: np.log(np.sum(np.exp(x))), x) == ["fused 2", "log"]
    assert check(lambda x: np.exp(x) - np.max(np.exp(x)), x) == ["fused 2", "sub"]


@pytest.mark.usefixtures("small")
def test_means_and_norms_are_sums(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)
    assert check(lambda x: np.mean(np.exp(x)), x) == ["fused 2", "div"]
    assert check(lambda x: np.linalg.norm(np.exp(x)), x) == ["fused 3", "sqrt"]
    assert check(lambda x: np.mean(np.exp(x).astype(np.float16)), x)[-1] == "mean"


@pytest.mark.usefixtures("small")
def test_products_that_are_added_up(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 300))
    assert check(lambda x, y: np.sum(np.sin(x) * y), x, y) == ["fused 3"]
    assert check(lambda x, y: x @ y, x, y) == ["matmul"]
    m = rng.normal(size=(100, 7))
    assert check(lambda m: np.sum(np.sin(m) * m, axis=1), m) == ["fused 3"]
    assert check(lambda m: np.sum(np.sin(m) * m), m) == ["fused 3"]


@pytest.mark.usefixtures("small")
def test_rows_of_different_lengths(rng: np.random.Generator) -> None:
    m, v = rng.normal(size=(20, 7)), rng.normal(size=20)
    f = lambda m, v: np.tanh((np.sum(np.exp(m), axis=1) * v)[:, None] * m)
    assert check(f, m, v) == ["fused 6"]
    assert check(lambda m, v: np.exp(v)[:, None] * np.exp(m), m, v) == ["fused 4"]


@pytest.mark.usefixtures("small")
def test_one_array_cut_in_two_ways(rng: np.random.Generator) -> None:
    m = rng.normal(size=(50, 50))
    v = rng.normal(size=50)
    f = lambda m, v: np.exp(m * v) * np.exp(v)[:, None]
    found = assert_same(program_of(f, m, v), (m, v))
    assert max(len(e.inputs) for e in fused_equations(found)) == 3


@pytest.mark.usefixtures("small")
def test_other_equations_lie_between(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)
    f = lambda x: np.exp(np.cumsum(np.exp(x) * x)) * np.exp(x)
    assert check(f, x) == ["fused 2", "cumsum", "fused 2"]
    # The first and the last are not fused, although they have one shape.
    g = lambda x: np.exp(x) * x + np.max(np.exp(x) * x) * np.tanh(x)
    assert check(g, x)[0][:5] == "fused"


@pytest.mark.usefixtures("small")
def test_numbers_do_not_separate(rng: np.random.Generator) -> None:
    x, c = rng.normal(size=300), np.float64(0.3)
    assert check(lambda x, c: np.exp(x) * np.sin(c) + np.cos(c) * x, x, c).count("fused 4") == 1


@pytest.mark.usefixtures("small")
def test_what_must_be_kept_is_not_computed_sooner(rng: np.random.Generator) -> None:
    """Each array is made when it is needed: not all of them before the first is used."""
    x = rng.normal(size=300)

    def f(x: Any) -> Any:
        total = 0.0
        for k in range(4):
            total = total + np.cumsum(np.exp(x * k))
        return total

    found = assert_same(wg.make_program(f)(x), (x,))
    order = names(found)
    assert order.index("cumsum") == 1
    assert [n[:5] for n in order].count("fused") >= 4


@pytest.mark.usefixtures("small")
def test_readers_of_one_array_are_put_together(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)
    assert check(lambda x: (np.sum(np.exp(x)), np.sum(np.sin(x)), np.tanh(x)), x) == ["fused 5"]


@pytest.mark.usefixtures("small")
def test_too_many_values_at_a_time(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_MOST_LIVE", 4)
    x = rng.normal(size=300)

    def f(x: Any) -> Any:
        all_of_them = [np.sin(x * k) for k in range(1, 8)]
        y = x
        for one in all_of_them:
            y = y * one
        return y

    assert len(check(f, x)) > 1


@pytest.mark.usefixtures("small")
def test_loops_and_branches(rng: np.random.Generator) -> None:
    x = rng.normal(size=300)

    def f(x: Any) -> Any:
        step = lambda c, k: (np.sin(c) * k + c, np.sum(np.exp(c)))
        y, sums = wg.scan(step, x, np.arange(3.0))
        y = wg.cond(np.sum(sums) > 0, lambda y: np.exp(y) * y, lambda y: np.tanh(y) * y, y)
        return wg.while_loop(lambda y: np.sum(y) < 10.0, lambda y: np.exp(y) + y, y), sums

    found = fuse(program_of(f, x))
    assert found is not program_of(f, x)
    assert str(found).count("fused[") >= 4
    assert_same(program_of(f, x), (x,))


def test_single_operations_if_they_take_long() -> None:
    x = np.ones(1 << 17)
    assert names(fuse(wg.make_program(np.exp)(x))) == ["fused 1"]
    assert names(fuse(wg.make_program(lambda x: x + 1)(x))) == ["add"]


def test_small_arrays_are_left_alone() -> None:
    program = wg.make_program(chain)(np.ones(1000), np.ones(1000))
    assert fuse(program) is program
    cheap = wg.make_program(lambda x: x * 2 + 1)(np.ones(1 << 15))
    assert fuse(cheap) is cheap


def test_dead_equations_vanish() -> None:
    program = wg.make_program(lambda x: (np.exp(x), x[0])[1])(np.ones(1 << 18))
    assert names(fuse(program)) == ["getitem"]


# Values.


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(30, 4, 5), (2, 90, 3), (3, 4, 200), (20, 30, 40), (5, 1, 70)])
def test_reductions_over_any_axes(
    shape: tuple[int, ...], keepdims: bool, axis: Any, rng: np.random.Generator
) -> None:
    x = rng.normal(size=shape)
    reductions = (np.sum, np.max, np.min, np.mean, np.prod)
    f = lambda x: tuple([r(np.tanh(x) + 1, axis=axis, keepdims=keepdims) for r in reductions])
    assert any(n.startswith("fused") for n in check(f, x))
    g = lambda x: (
        np.any(x > 2.5, axis=axis, keepdims=keepdims),
        np.all(x > -2.5, axis=axis, keepdims=keepdims),
        np.sum(x > 0, axis=axis, keepdims=keepdims),
    )
    check(g, x)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [63, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025])
def test_sizes_around_blocks(n: int, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, n))
    check(chain, x, y)
    check(lambda x, y: np.sum(chain(x, y)), x, y)
    check(chain, rng.normal(size=(n, 3)), rng.normal(size=(n, 1)))


@pytest.mark.parametrize("n", [(1 << 14) - 1, 1 << 14, (1 << 17) + 1, 300_001])
def test_sizes_around_the_real_limits(n: int, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, n))
    program = program_of(wg.value_and_grad(lambda x, y: np.sum(chain(x, y))), x, y)
    found = assert_same(program, (x, y))
    assert bool(fused_equations(found)) == (n >= 1 << 14)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtypes(dtype: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 5)).astype(dtype)
    if x.dtype.kind == "c":
        x = x + rng.normal(size=(40, 5)).astype(dtype) * 1j
    y = x[:, :1]
    check(lambda x, y: (np.exp(x * y) / 2, np.sum(x * y, axis=0), np.abs(x) * 2.0), x, y)


@pytest.mark.usefixtures("small")
def test_mixed_dtypes(rng: np.random.Generator) -> None:
    x, k = rng.normal(size=100), rng.integers(0, 9, 100)

    def f(x: Any, k: Any) -> Any:
        big = np.logical_and(x > 0.5, k != 3)
        y = np.where(big, np.clip(x, -1, 1), k // 2)
        return y.astype(np.float32) * 2, big, np.sum(big), np.maximum(k, 2) % 4, -k

    assert check(f, x, k) == [check(f, x, k)[0]]


@pytest.mark.usefixtures("small")
def test_nan_inf_and_signed_zeros() -> None:
    x = np.tile([np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0], 40)
    with np.errstate(all="ignore"):
        check(lambda x: (np.exp(x) * x, np.max(x * 2), np.sum(x + 1), np.copysign(1.0, -x)), x)
        check(lambda x: (np.min(np.abs(x)), np.sum(np.isnan(x))), x)


@pytest.mark.usefixtures("small")
def test_views_and_strides(rng: np.random.Generator) -> None:
    x = rng.normal(size=(60, 14))
    f = lambda a, b: (np.exp(a) * b + a, np.sum(np.exp(a), axis=0))
    check(f, x[:, ::2], x[::-1, 7:])
    check(f, np.asfortranarray(x), x)
    check(f, x[:14, :].T, x[46:, :].T)
    check(f, np.broadcast_to(x[0], (60, 14)), np.broadcast_to(x[:, :1], (60, 14)))


@pytest.mark.usefixtures("small")
def test_empty_arrays() -> None:
    for shape in [(0,), (0, 300), (300, 0)]:
        x = np.ones(shape)
        check(lambda x: (np.exp(x) * x, np.sum(np.exp(x)), np.sum(np.exp(x), axis=0)), x)


@pytest.mark.usefixtures("small")
def test_a_result_twice(rng: np.random.Generator) -> None:
    x = rng.normal(size=100)

    def f(x: Any) -> Any:
        y = np.exp(x) * x
        return y, y, y.reshape(10, 10), y[:5], x

    check(f, x)


@pytest.mark.usefixtures("small")
def test_random_programs(rng: np.random.Generator) -> None:
    """Operations drawn at random, on operands that are broadcast in all ways."""
    shapes = [(40,), (41, 7), (3, 50), (5, 6, 7), (1, 300), (64, 1), (2, 3, 100), (12, 13, 14)]
    unary = [np.sin, np.exp, np.negative, np.abs, np.square, lambda x: x * 2, lambda x: x > 0]
    binary = [np.add, np.multiply, np.arctan2, lambda a, b: np.where(a > b, a, b), np.subtract]
    some = 0
    for _ in range(60):
        shape = shapes[rng.integers(len(shapes))]
        steps = rng.integers(0, 1000, (rng.integers(3, 12), 3))
        args = [np.asarray(rng.normal(size=shape[rng.integers(-1, len(shape)) :])), rng.normal()]
        args += [rng.normal(size=[d if rng.random() < 0.5 else 1 for d in shape])]
        args += [rng.normal(size=shape)]

        def f(*xs: Any, steps: Any = steps) -> Any:
            values = list(xs)
            for kind, i, j in steps:
                x, y = values[-1 - i % min(4, len(values))], values[j % len(values)]
                if kind < 450:
                    values.append(unary[kind % len(unary)](x))
                elif kind < 800:
                    values.append(binary[kind % len(binary)](x, y))
                elif x.ndim:
                    axes = tuple([a for a in range(x.ndim) if kind >> a & 1])
                    values.append(np.sum(x, axis=axes, keepdims=bool(i & 1)))
            return values[-1], values[-2], values[-3]

        try:
            program = wg.make_program(f)(*args)
        except ValueError:  # shapes that do not broadcast
            continue
        if all(hasattr(a, "aval") and v.shape for a in program.outputs for v in [a.aval]):
            some += bool(fused_equations(assert_same(program, [np.asarray(a) for a in args])))
    assert some > 10


def test_threads_do_not_change_results(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(2, 200_000))
    _, run, found = both(program_of(lambda x, y: (np.sum(chain(x, y)), chain(x, y)), x, y))
    assert fused_equations(found)
    results = []
    for n in (1, 2, 3, 8):
        wg.set_num_threads(n)
        results.append(run(x, y))
    wg.set_num_threads(None)
    for total, values in results[1:]:
        assert total == results[0][0]
        np.testing.assert_array_equal(values, results[0][1])


# Memory.


def test_a_chain_needs_little_memory() -> None:
    x, y = np.linspace(-1, 1, 10**6), np.linspace(0, 1, 10**6)
    run = emit(fuse(program_of(chain, x, y)))
    f = wg.staged(chain)
    f(x, y)
    for call in (run, f):
        tracemalloc.start()
        call(x, y)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < x.nbytes + 5e6


def test_results_that_leave_go_to_buffers(rng: np.random.Generator) -> None:
    x = rng.normal(size=(600, 600))
    f = lambda x: np.sum(np.exp((np.exp(x) * 0.01) @ x))
    run = emit(fuse(program_of(f, x)))
    assert "out=(b0,)" in run.source
    np.testing.assert_allclose(run(x)[0], f(x))
