"""Writing into arrays: in place where nothing else needs the array, and nowhere else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from emission import close, code_of, emitted, emitted_of, same_bits

import wengert as wg
import wengert.numpy as wnp
from wengert.core import Program
from wengert.core.ir import Equation, Literal, Var
from wengert.core.primitives.elementwise import add_p
from wengert.core.primitives.indexing import Place, scatter_sum_p
from wengert.core.primitives.writing import setitem_p
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.staging.memory import Memory
from wengert.transforms.staging.prepare import prepared

X = np.array([0.3, -1.5, 2.25, 0.0, -0.0, np.inf])
M = np.arange(12.0).reshape(3, 4)
AT = np.array([0, 2, 2])


def copies(text: str) -> int:
    """How many arrays a text copies."""
    return len(re.findall(r"\barray\(\w|copy_of\(|^ +b\d+\[\.\.\.\] = ", code_of(text), re.M))


def put(x: Any, index: Any, value: Any) -> Any:
    """The array with other values at some places."""
    y = np.copy(x)
    y[index] = value
    return y


# Writes.


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 1.5), (-1, np.float64(2.0)), (slice(1, -1), 0.0), (slice(None, None, -2), 3),
        (slice(1, 4), np.arange(3.0)), (slice(0, 0), 1.0), (..., 2.0), (slice(None), X * 2),
        (AT, 1.0), (AT, np.arange(3.0)), (np.array([True, False] * 3), -1.0), ((), 7.0),
    ],
)  # fmt: skip
def test_places_and_values(index: Any, value: Any) -> None:
    fresh = emitted_of(lambda x: put(2.0 * x, index, value), X).source
    emitted_of(lambda x: put(x, index, value), X)
    emitted_of(lambda x: [y := np.sin(x), put(y, index, value), y * 2], X)
    emitted_of(lambda x, v: put(2.0 * x, index, v), X, value)
    emitted_of(lambda x: put((2.0 * x).astype(np.float32), index, 0.1), X)
    assert copies(fresh) == 0 or not isinstance(index, int | slice)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        ((1, 2), 5.0), ((slice(None), 1), np.arange(3.0)),
        ((slice(None), None, 1), np.ones((3, 1))),
        ((..., slice(1, 3)), 0.5),
        ((AT, slice(None)), 1.0), ((AT, AT), np.arange(3.0)),
        ((slice(None), AT), np.arange(3.0)), (1, M[2]), ((0, AT), 2.0),
        ((AT, None, 0), np.ones((3, 1))),
    ],
)  # fmt: skip
def test_places_of_matrices(index: Any, value: Any) -> None:
    emitted_of(lambda x: put(2.0 * x, index, value), M)
    emitted_of(lambda x: put(x, index, value), M)
    emitted_of(lambda x: (2.0 * x)[index], M)
    emitted_of(wg.grad(lambda x: np.sum((2.0 * x)[index] ** 3)), M)
    emitted_of(wg.vmap(lambda x: put(x, index, value)), np.stack([M, M + 1]))


def test_numbers_of_other_types() -> None:
    k = np.arange(4)
    emitted_of(lambda k, v: put(k + 1, 1, v), k, 2.75)
    emitted_of(lambda k, v: put(k + 1, 1, v), k, np.float32(2.75))
    emitted_of(lambda z, v: put(z * 2, 1, v), k * 1j, 2.75)
    emitted_of(lambda f, v: put(f * 2, 1, v), k.astype(np.float32), 0.1)
    emitted_of(lambda b, v: put(b & True, 1, v), k > 1, 2.5)


def test_chains_of_writes_need_one_array() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        for k in range(5):
            y[k] = y[k + 1] * 2.0
            y[1:] += y[:-1]
        return y

    text = emitted_of(f, X).source
    assert copies(text) == 0


def test_what_is_needed_later_is_not_written_to() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        views = (y[1:], y[::-1], np.reshape(y, (2, 3)), y[None].T)
        z = np.copy(y)
        z[0] = 5.0
        z[1:] *= 2.0
        return [*[v * 1.0 for v in views], z, y + z]

    emitted_of(f, X)
    emitted_of(lambda x: [put(y := np.sin(x), 0, 1.0), put(y, 1, 2.0), put(y, 2, 3.0)], X)
    emitted_of(lambda x: [put(y := np.sin(x), 0, 1.0), y], X)
    emitted_of(lambda x: [y := np.sin(x), (v := y[1:]), put(y, 1, 9.0), v], X)
    emitted_of(lambda x: [(v := (y := np.sin(x))[1:]) * 2, put(y, 1, 9.0), v], X)


def test_values_that_overlap() -> None:
    emitted_of(lambda x: put(y := np.sin(x), slice(1, None), y[:-1]), X)
    emitted_of(lambda x: put(y := np.sin(x), slice(None, -1), y[1:]), X)
    emitted_of(lambda x: put(y := np.sin(x), slice(None, None, -1), y), X)
    emitted_of(lambda x: put(y := np.sin(x), np.arange(6)[::-1], y), X)
    emitted_of(lambda x: put(y := np.sin(x), slice(1, None), y[:-1] + y[1:]), X)
    emitted_of(lambda x: put(y := np.sin(x), slice(1, None), np.sin(y[:-1])), X)
    emitted_of(lambda x: put(y := np.sin(x @ x.T), (..., 0), y[0] * y[:, 1]), M)


def test_values_are_computed_where_they_belong() -> None:
    text = emitted_of(lambda x, v: put(y := np.sin(x), slice(1, 5), y[:4] * v[:4]), X, X).source
    assert re.search(r"multiply\(\w+, \w+, \w+\[1:5\]\)", text)
    # Not where the array is read between, or the value is needed again.
    f = lambda x: [y := np.sin(x), v := y[1:] * 2.0, np.sum(y), put(y, slice(1, None), v)][2:]
    emitted_of(f, X)
    emitted_of(lambda x: [v := np.sin(x)[1:] * 2.0, put(np.cos(x), slice(1, None), v)], X)
    emitted_of(lambda x: put(np.cos(x), slice(1, None), (x[1:] * 2.0).astype(np.float32)), X)
    emitted_of(lambda x: put(np.cos(x), slice(1, None), x[:1] * 2.0), X)


def test_constants_and_arguments_are_not_written_to() -> None:
    table = np.arange(6.0)
    emitted_of(lambda x: put(wnp.array(table), 0, x[0]), X)
    emitted_of(lambda x: [put(wnp.array(table), k, x[0]) for k in range(2)], X)
    emitted_of(lambda x: put(x, 0, 1.0), X)
    emitted_of(lambda x: put(np.reshape(x, 6), 0, 1.0), X)
    emitted_of(lambda x: put(np.einsum("ij->ji", x), 0, 1.0), M)
    emitted_of(lambda x: put(wg.cond(x[0] > 0, lambda: table, lambda: table * 2), 0, 3.0), X)
    np.testing.assert_array_equal(table, np.arange(6.0))


# Sums of scattered values.


def scattered(shape: Any, *places: Any, added: bool, whole: bool = False) -> Program:
    """y + scatter_sum(pieces), or the sum alone, of pieces that come in."""
    avals = [wg.core.aval_of(np.ones(shape)[index]) for index in places]
    full = wg.core.aval_of(np.ones(shape))
    y = Var(full)
    pieces = [Var(a) for a in avals]
    keys = [i if isinstance(i, tuple) else (i,) for i in places]
    templates = tuple(
        [
            (tuple([Place.ARRAY if isinstance(i, np.ndarray) else i for i in key]),
             sum([isinstance(i, np.ndarray) for i in key]))
            for key in keys
        ]
    )  # fmt: skip
    arrays = [i for key in keys for i in key if isinstance(i, np.ndarray)]
    constants = [(Var(wg.core.aval_of(a)), a) for a in arrays]
    params = {"places": templates, "shape": full.shape, "dtype": full.dtype}
    total, twice, out = Var(full), Var(full), Var(full)
    doubled = Equation(add_p, [y, y], [twice], {})
    cts: list[Any] = [*pieces]
    if whole:
        cts = [twice, *pieces]
        params["places"] = (((), 0), *templates)
    equations = [
        doubled,
        Equation(scatter_sum_p, [*cts, *[v for v, _ in constants]], [total], params),
    ]
    if added:
        equations.append(Equation(add_p, [twice, total], [out], {}))
    return Program([y, *pieces], equations, [out if added else total], constants)


PLACES: list[Any] = [
    (slice(1, None),), (slice(1, None), slice(None, -1)), (2,), (0, 0, slice(None)), (AT,),
    (slice(None), AT, 3), (slice(1, 5, 2), slice(None, None, -1)), (..., 1), (slice(0, 0),),
    (np.array([], int),),
]  # fmt: skip


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("how", ["alone", "added", "whole"])
def test_scattered_values(places: Any, how: str) -> None:
    program = scattered(6, *places, added=how == "added", whole=how == "whole")
    rng = np.random.default_rng(0)
    args = [rng.normal(size=v.aval.shape)[()] for v in program.inputs]
    # Added one by one to the array instead of to each other: rounded otherwise.
    text = emitted(program, *args, same=close if how == "added" else same_bits).source
    assert "scatter_sum" not in text
    if how != "alone":
        assert "zeros" not in text
        assert copies(text) == 0


@pytest.mark.parametrize("places", [((slice(None), 1), 2), ((AT, AT), (AT, slice(None)), (0, 1))])
@pytest.mark.parametrize("how", ["alone", "added", "whole"])
def test_scattered_rows(places: Any, how: str) -> None:
    program = scattered((3, 4), *places, added=how == "added", whole=how == "whole")
    rng = np.random.default_rng(0)
    args = [rng.normal(size=v.aval.shape)[()] for v in program.inputs]
    emitted(program, *args, same=close)


def test_pieces_that_are_views_of_what_they_are_added_to() -> None:
    def f(x: Any, ct: Any) -> Any:
        return wg.vjp(lambda x: x**3 + 2.0 * x[::-1] * x + x[1] * x, x)[1](np.sin(ct))[0]

    x = np.array([0.3, -1.5, 2.25])
    emitted_of(f, x, x, same=close)
    emitted(improve(wg.make_program(f)(x, x)), x, x, same=close)
    y, total, out = (Var(wg.core.aval_of(x)) for _ in range(3))
    twice = Var(y.aval)
    params = {"places": (((slice(None, None, -1),), 0),), "shape": (3,), "dtype": x.dtype}
    program = Program(
        [y],
        [
            Equation(add_p, [y, y], [twice], {}),
            Equation(scatter_sum_p, [twice], [total], params),
            Equation(add_p, [total, twice], [out], {}),
        ],
        [out],
    )
    emitted(program, x)


def test_sums_of_sums() -> None:
    def f(x: Any) -> Any:
        y = x[1:]
        z = y[:-1]
        return np.sum(z * y[1:]) + np.sum(x[:2] ** 2) + x[0] * x[1]

    emitted_of(wg.grad(f), X[:5], same=close)
    emitted_of(wg.jacobian(wg.grad(f)), X[:5], same=close)
    emitted(improve(wg.make_program(wg.hessian(f))(X[:5])), X[:5], same=close)


def test_nothing_is_added_in_place_that_is_needed() -> None:
    program = scattered(6, slice(1, None), added=True)
    twice = program.equations[0].outputs[0]
    kept = Program(program.inputs, program.equations, [program.outputs[0], twice])
    rng = np.random.default_rng(0)
    emitted(kept, rng.normal(size=6), rng.normal(size=5), same=close)


# Loops.


def test_a_loop_that_writes_copies_once() -> None:
    def f(x: Any, xs: Any) -> Any:
        def step(u: Any, e: Any) -> Any:
            u = np.copy(u)
            u[1:-1] += e * (u[2:] + u[:-2])
            u[0] = e
            return u, None

        return wg.scan(step, x, xs)[0]

    xs = np.arange(4.0)
    assert copies(emitted_of(f, M[0], xs).source) == 1
    assert copies(emitted_of(lambda x, xs: f(x * 2.0, xs), M[0], xs).source) == 0
    emitted_of(lambda x, xs: [f(y := x * 2.0, xs), y], M[0], xs)
    emitted_of(lambda x, xs: [f(y := x * 2.0, xs), f(y, xs[::-1])], M[0], xs)
    emitted_of(wg.grad(lambda x, xs: np.sum(f(x, xs) ** 2), (0, 1)), M[0], xs, same=close)


def test_memory_of_a_program() -> None:
    program = wg.make_program(lambda x: put(np.sin(x), slice(1, None), x[:-1]))(X)
    memory = Memory(prepared(program))
    sine, out = program.equations[0].outputs[0], program.outputs[0]
    assert memory.over == {out: sine}
    assert memory.root(out) is sine
    assert memory.is_new(out)
    assert not memory.is_new(program.inputs[0])


def test_random_writes() -> None:
    places: list[Any] = [0, -1, slice(1, None), slice(None, -1), slice(None, None, -1), AT, ...]
    for seed in range(60):

        def f(x: Any, y: Any, seed: int = seed) -> Any:
            rng = np.random.default_rng(seed)
            pool = [x, y, x * 2.0]
            for _ in range(25):
                a, b = (pool[rng.integers(len(pool))] for _ in range(2))
                index = places[rng.integers(len(places))]
                kind = rng.integers(6)
                if kind == 0:
                    a = np.sin(a) if rng.random() < 0.5 else a + b
                elif kind == 1:
                    a = put(a, index, b[index])
                elif kind == 2:
                    a = put(a, index, b[index] * a[index])
                elif kind == 3:
                    a = put(b, index, 0.5 * a[index] + b[index])
                elif kind == 4:
                    a = a[::-1]
                else:
                    a = np.copy(a)
                    a[index] += b[index]
                pool.append(a)
                if rng.random() < 0.3:
                    pool.pop(0)
            return pool[-3:]

        x, y = np.random.default_rng(seed).normal(size=(2, 6))
        program = wg.make_program(f)(x, y)
        emitted(program, x, y)
        emitted(improve(program), x, y, same=close)
        total = lambda x, y, f=f: sum([np.sum(np.tanh(v) * k) for k, v in enumerate(f(x, y), 1)])
        program = wg.make_program(wg.grad(total, (0, 1)))(x, y)
        emitted(program, x, y, same=close)
        emitted(improve(program), x, y, same=close)


def test_writes_of_a_literal_place() -> None:
    x, out = Var(wg.core.aval_of(X)), Var(wg.core.aval_of(X))
    e = Equation(setitem_p, [x, Literal(2.0)], [out], {"index": (slice(None, None, 2),)})
    emitted(Program([x], [e], [out]), X)


def test_a_value_that_goes_into_a_stack_and_an_array() -> None:
    def fun(x: Any, b: Any) -> Any:
        def body(c: Any, i: Any) -> Any:
            x, b = c
            t = np.tanh(x + 1.0)
            b = np.copy(b)
            b[i] = t
            return (np.sin(t + b[0]), b), t

        return wg.scan(body, (x, b), np.arange(3))

    emitted_of(fun, X[:4], M)
