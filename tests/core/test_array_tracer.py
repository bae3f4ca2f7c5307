"""A tracer behaves as the array that it stands for, to NumPy and to Python."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

X = np.array([0.7, 1.3, 2.1])
M = np.array([[0.5, 1.5, -2.5], [3.5, -0.25, 0.75]])
Kind = Callable[[Callable[..., Any], Any], Any]


def under_jvp(f: Callable[..., Any], x: Any) -> Any:
    """f(x) where x is traced by jvp."""
    return wg.jvp(f, (x,), (np.ones_like(x) if isinstance(x, np.ndarray) else type(x)(1),))[0]


def under_vjp(f: Callable[..., Any], x: Any) -> Any:
    """f(x) where x is traced by vjp."""
    return wg.vjp(f, x)[0]


def under_both(f: Callable[..., Any], x: Any) -> Any:
    """f(x) where x is traced twice."""
    return under_jvp(lambda y: under_vjp(f, y), x)


def under_vmap(f: Callable[..., Any], x: Any) -> Any:
    """f(x) where x is one of two equal members of a batch."""
    found = wg.vmap(f)(np.stack([x, x]))
    return wg.tree.map(lambda v: v[0], found)


def under_program(f: Callable[..., Any], x: Any) -> Any:
    """f(x) by a program."""
    return wg.make_program(f)(x)(x)


CONCRETE: list[Kind] = [under_jvp, under_vjp, under_both]
ALL: list[Kind] = [*CONCRETE, under_vmap, under_program]

every = pytest.mark.parametrize("trace", ALL)
concrete = pytest.mark.parametrize("trace", CONCRETE)


def same(found: Any, due: Any) -> None:
    """Equal values, dtypes, shapes and kinds (scalar or array)."""
    a, b = wg.tree.leaves(found), wg.tree.leaves(due)
    assert len(a) == len(b)
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-14, atol=0)
        assert np.asarray(p).dtype == np.asarray(q).dtype
        assert np.shape(p) == np.shape(q)
        assert isinstance(p, np.ndarray) == isinstance(q, np.ndarray)


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.mod,
    operator.floordiv,
    divmod,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]
OTHERS = [
    2.0,
    3,
    True,
    np.float64(1.5),
    np.float32(1.5),
    np.int64(2),
    np.array([1.5, 2.5, 0.5]),
    np.array([1, 2, 3]),
    np.array([1.5, 2.5, 0.5], np.float32),
    np.array([[1.5], [2.5]]),
    np.array(2.5),
    [1.5, 2.5, 0.5],
    (1.5, 2.5, 0.5),
]


@every
@pytest.mark.parametrize("other", OTHERS, ids=repr)
@pytest.mark.parametrize("op", BINARY, ids=lambda o: o.__name__)
def test_binary_operators_both_ways(op: Any, other: Any, trace: Kind) -> None:
    same(trace(lambda x: op(x, other), X), op(X, other))
    same(trace(lambda x: op(other, x), X), op(other, X))


@every
@pytest.mark.parametrize("other", [2.0, np.float64(1.5), np.array([1.5, 2.5])], ids=repr)
@pytest.mark.parametrize("op", BINARY, ids=lambda o: o.__name__)
def test_binary_operators_on_scalars(op: Any, other: Any, trace: Kind) -> None:
    x = np.float64(1.7)
    same(trace(lambda v: op(v, other), x), op(x, other))
    same(trace(lambda v: op(other, v), x), op(other, x))


@concrete
@pytest.mark.parametrize("op", BINARY, ids=lambda o: o.__name__)
def test_binary_operators_on_python_floats(op: Any, trace: Kind) -> None:
    due = op(np.float64(1.7), 2.0)
    for found in (trace(lambda v: op(v, 2.0), 1.7), trace(lambda v: op(1.7, v), 2.0)):
        for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
            assert a == b
            assert np.asarray(a).dtype == np.asarray(b).dtype


@every
@pytest.mark.parametrize(
    "op",
    [operator.neg, operator.pos, abs, lambda x: round(x, 1)],
    ids=["neg", "pos", "abs", "round"],
)
def test_unary_operators(op: Any, trace: Kind) -> None:
    same(trace(op, M), np.round(M, 1) if op not in (operator.neg, operator.pos, abs) else op(M))


@every
def test_matmul_both_ways(trace: Kind) -> None:
    w = np.arange(6.0).reshape(3, 2)
    same(trace(lambda x: x @ w, X), X @ w)
    same(trace(lambda x: w.T @ x, X), w.T @ X)
    same(trace(lambda x: x @ x, X), X @ X)
    same(trace(lambda x: x @ [1.0, 2.0, 3.0], X), X @ [1.0, 2.0, 3.0])
    same(trace(lambda x: [1.0, 2.0, 3.0] @ x, X), [1.0, 2.0, 3.0] @ X)


@pytest.mark.parametrize("trace", [under_vmap, under_program])
@pytest.mark.parametrize(
    "op",
    [
        operator.and_,
        operator.or_,
        operator.xor,
        operator.lshift,
        operator.rshift,
        operator.floordiv,
    ],
    ids=lambda o: o.__name__,
)
def test_operators_on_integers(op: Any, trace: Kind) -> None:
    i = np.array([1, 6, 3])
    same(trace(lambda x: op(x, 2), i), op(i, 2))
    same(trace(lambda x: op(2, x), i), op(2, i))
    same(trace(lambda x: ~x, i), ~i)


@every
def test_masks_combine(trace: Kind) -> None:
    same(
        trace(lambda x: ((x > 1) & (x < 2) | ~(x != 0.7)) ^ (x == 5), X),
        ((X > 1) & (X < 2) | ~(X != 0.7)) ^ (X == 5),
    )


METHODS: list[Callable[[Any], Any]] = [
    lambda x: x.all(),
    lambda x: x.all(0),
    lambda x: x.any(axis=1, keepdims=True),
    lambda x: x.argmax(),
    lambda x: x.argmax(1, keepdims=True),
    lambda x: x.argmin(0),
    lambda x: x.argsort(),
    lambda x: x.argsort(0, stable=True),
    lambda x: x.astype(np.float32),
    lambda x: x.astype("float64"),
    lambda x: x.astype(complex),
    lambda x: x.astype(int),
    lambda x: x.clip(-1.0, 1.0),
    lambda x: x.clip(max=1.0),
    lambda x: x.conj(),
    lambda x: x.conjugate(),
    lambda x: x.copy(),
    lambda x: x.cumprod(),
    lambda x: x.cumsum(1),
    lambda x: x.diagonal(),
    lambda x: x.diagonal(1),
    lambda x: x.dot(np.arange(3.0)),
    lambda x: x.flatten(),
    lambda x: x.flatten("F"),
    lambda x: x.max(),
    lambda x: x.max(axis=0, initial=1.0),
    lambda x: x.mean(),
    lambda x: x.mean(1, keepdims=True),
    lambda x: x.min((0, 1)),
    lambda x: x.prod(axis=-1),
    lambda x: x.ptp() if hasattr(x, "ptp") else x.max() - x.min(),
    lambda x: x.ravel(),
    lambda x: x.ravel("F"),
    lambda x: x.repeat(2),
    lambda x: x.repeat([1, 2], axis=0),
    lambda x: x.reshape(3, 2),
    lambda x: x.reshape((3, -1)),
    lambda x: x.reshape(-1),
    lambda x: x.reshape(3, 2, order="F"),
    lambda x: x.round(),
    lambda x: x.round(1),
    lambda x: x[:1].squeeze(),
    lambda x: x[:1].squeeze(axis=0),
    lambda x: x.std(),
    lambda x: x.std(0, ddof=1),
    lambda x: x.sum(),
    lambda x: x.sum(-1),
    lambda x: x.sum(axis=0, dtype=np.float32),
    lambda x: x.swapaxes(0, 1),
    lambda x: x.take([0, 2], axis=1),
    lambda x: x.take(4),
    lambda x: x.trace(),
    lambda x: x.trace(1),
    lambda x: x.transpose(),
    lambda x: x.transpose(1, 0),
    lambda x: x.transpose((1, 0)),
    lambda x: x.var(),
    lambda x: x.var(1, ddof=1, keepdims=True),
    lambda x: x.T,
    lambda x: x.mT,
    lambda x: x.real,
    lambda x: x.imag,
    lambda x: [v for v in x],  # iteration is what is tested
    lambda x: [a + b + c for a, b, c in x],
    lambda x: x[0],
    lambda x: x[-1, 1:],
    lambda x: x[..., None, 0],
    lambda x: x[::-1, [0, 2]],
    lambda x: x[np.array([[0, 1], [1, 0]])],
    lambda x: x[np.array([True, False])],
    lambda x: x[:, np.int64(1)],
    lambda x: x[None],
    lambda x: x[()],
    lambda x: x[1][2],
    lambda x: max(x[0, 0] * 2.0, 0.5) if not hasattr(x, "aval") else np.maximum(x[0, 0] * 2.0, 0.5),
]


@every
@pytest.mark.parametrize("method", METHODS, ids=range(len(METHODS)))
def test_methods_and_attributes_give_what_numpys_give(method: Any, trace: Kind) -> None:
    same(trace(method, M), method(M))


@every
@pytest.mark.parametrize("trailing", [(), (3,), (2, 3), (0, 3)])
def test_facts_of_a_tracer_are_plain_values(trace: Kind, trailing: tuple[int, ...]) -> None:
    x = np.zeros(trailing, np.float32)

    def f(v: Any) -> Any:
        assert isinstance(v, wg.Tracer)
        assert not isinstance(v, np.ndarray)
        assert v.shape == np.shape(v) == trailing
        assert v.ndim == np.ndim(v) == len(trailing)
        assert v.size == np.size(v) == x.size
        assert v.dtype == np.float32
        assert v.itemsize == 4
        assert v.nbytes == x.nbytes
        assert np.result_type(v) == np.float32
        assert not np.iscomplexobj(v)
        assert np.isrealobj(v)
        if trailing:
            assert len(v) == trailing[0]
        return v

    trace(f, x)


@every
def test_every_public_attribute_of_arrays_is_there_or_refused(trace: Kind) -> None:
    missing: list[str] = []

    def f(x: Any) -> Any:
        kept_out = {  # of memory, of files, of types that are not numbers
            "base", "byteswap", "choose", "compress", "ctypes", "data", "device", "dump", "dumps",
            "fill", "flags", "getfield", "partition", "argpartition", "put", "resize", "setfield",
            "setflags", "strides", "to_device", "tobytes", "tofile", "view", "tostring",
        }  # fmt: skip
        # hasattr: NumPy 2.0 keeps some names only to say that they are gone.
        names = [n for n in dir(np.ndarray) if n[0] != "_" and n not in kept_out and hasattr(M, n)]
        missing.extend(n for n in names if not hasattr(type(x), n))
        return x

    trace(f, M)
    assert missing == []


@every
def test_tracers_cannot_be_hashed(trace: Kind) -> None:
    def f(x: Any) -> Any:
        with pytest.raises(TypeError, match="unhashable"):
            hash(x)
        return x

    trace(f, X)


@concrete
def test_python_numbers_of_a_tracer_are_its_values(trace: Kind) -> None:
    def f(x: Any) -> Any:
        assert float(x) == 2.75
        assert type(float(x)) is float
        assert int(x) == 2
        assert complex(x) == 2.75 + 0j
        assert bool(x) is True
        assert x.item() == 2.75
        assert x.tolist() == 2.75
        assert f"{x:.1f}" == f"{2.75:.1f}"
        assert format(x, "08.3f") == "0002.750"
        assert f"{x:>8.2e}" == "2.75e+00"
        assert round(float(x)) == 3
        assert float(round(x, 1)) == round(2.75, 1)
        assert not x < 2
        assert x == 2.75
        assert (1.0 if x > 2 else 0.0) == 1.0
        return x

    assert trace(f, np.float64(2.75)) == 2.75


@concrete
def test_values_of_arrays_with_one_element(trace: Kind) -> None:
    def f(x: Any) -> Any:
        assert bool(x)
        assert x.item() == 2.0
        assert x.tolist() == [[2.0]]
        assert bool(x > 1)
        return x

    trace(f, np.array([[2.0]]))


@concrete
def test_contains_looks_at_the_values(trace: Kind) -> None:
    def f(x: Any) -> Any:
        assert 1.3 in x
        assert 5.0 not in x
        return x

    trace(f, X)


@concrete
def test_integers_of_a_tracer_index(trace: Kind) -> None:
    def f(x: Any) -> Any:
        i = np.argmax(x)
        assert operator.index(i) == 2
        assert list(range(5))[i] == 2
        return x[i] + x[int(x[0])]

    assert trace(f, X) == X[2] + X[0]


@concrete
def test_a_tracer_prints_its_value_and_what_traces_it(trace: Kind) -> None:
    def f(x: Any) -> Any:
        for text in (repr(x), str(x), f"{x}", f"{x!r}"):
            assert "2.75" in text
            assert "traced" in text
            assert "jvp" in text or "vjp" in text
        return x

    trace(f, np.float64(2.75))


def test_printing_names_transform_and_function() -> None:
    def loss(x: Any) -> Any:
        assert repr(x) == "<traced array([1., 2.]) in grad of loss>"
        return np.sum(x)

    def member(x: Any) -> Any:
        assert repr(x) == "<traced f64[] in vmap of member, batch: array([1., 2.])>"
        return x

    def variable(x: Any) -> Any:
        assert repr(x) == "<traced f64[2] in make_program of variable>"
        return x

    x = np.array([1.0, 2.0])
    wg.grad(loss)(x)
    wg.vmap(member)(x)
    wg.make_program(variable)(x)


@concrete
def test_python_control_flow_on_values(trace: Kind) -> None:
    def newton(a: Any) -> Any:
        x = a
        while abs(x * x - a) > 1e-12:
            x = (x + a / x) / 2
        return x if x > 0 else -x

    np.testing.assert_allclose(trace(newton, np.float64(2.0)), np.sqrt(2.0))


@concrete
def test_sorting_and_max_of_python_work(trace: Kind) -> None:
    same(trace(lambda x: max(x), X), max(X))
    same(trace(lambda x: sum(sorted(x, reverse=True)[:2]), X), X[2] + X[1])
    same(trace(lambda x: sum(x), X), sum(X))
    same(trace(lambda x: list(reversed(x)), X), list(reversed(X)))
    same(trace(lambda x: [a * b for a, b in zip(x, X, strict=True)], X), [a * a for a in X])


@every
def test_numpy_arrays_on_the_left_give_traced_results(trace: Kind) -> None:
    def f(x: Any) -> Any:
        for y in (X + x, X * x, X[0] - x, np.float64(2) ** x, [1.0, 2.0, 3.0] / x, X @ x):
            assert isinstance(y, wg.Tracer)
        return X * x

    same(trace(f, X), X * X)


@every
def test_augmented_assignment_writes_to_the_array(trace: Kind) -> None:
    def f(x: Any) -> Any:
        y = x
        y += 1.0
        y *= X
        y -= X
        y /= 2.0
        y **= 2
        return x, y

    want = (((X + 1.0) * X - X) / 2.0) ** 2
    same(trace(f, X), (want, want))


@every
def test_copies_are_the_value(trace: Kind) -> None:
    same(trace(lambda x: copy.copy(x) + copy.deepcopy(x) + x.copy() + np.copy(x), X), 4 * X)


@every
def test_tracers_do_not_pickle_silently(trace: Kind) -> None:
    def f(x: Any) -> Any:
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(x)
        return x

    trace(f, X)


@every
def test_lists_with_tracers(trace: Kind) -> None:
    same(trace(lambda x: wnp.array([x[0], 2.0, [x[1]][0]]), X), np.array([X[0], 2.0, X[1]]))
    same(
        trace(lambda x: wnp.array([[x[0], 1.0], [2.0, x[2]]]), X), np.array([[X[0], 1], [2, X[2]]])
    )
    same(trace(lambda x: wnp.asarray([x, x]).sum(0), X), 2 * X)
    same(trace(lambda x: np.stack([x, X]), X), np.stack([X, X]))
    same(trace(lambda x: wnp.sum([x[0], x[1]]), X), np.sum(X[:2]))
    same(trace(lambda x: x * [x[0], x[1], 1.0], X), X * [X[0], X[1], 1.0])
    same(
        trace(lambda x: wnp.array([x[0], 1.0], dtype=np.float32, ndmin=2), X),
        np.array([[X[0], 1]], np.float32),
    )


@every
def test_keyword_arguments_of_ufuncs(trace: Kind) -> None:
    same(
        trace(lambda x: np.add(x, 1, dtype=np.float32), X),
        np.add(X, 1, dtype=np.float32, casting="unsafe"),
    )
    same(trace(lambda x: np.add.reduce(x), X), np.add.reduce(X))
    same(trace(lambda x: np.add.reduce(x, axis=1), M), np.add.reduce(M, axis=1))
    same(trace(lambda x: np.multiply.outer(x, X), X), np.multiply.outer(X, X))
    same(trace(lambda x: np.maximum.reduce(x), X), np.maximum.reduce(X))
    same(trace(lambda x: np.add.accumulate(x), X), np.add.accumulate(X))
