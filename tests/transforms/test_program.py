"""Tracing to a program: static arguments, weak types, types without values, constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import check_program

X = np.array([0.1, 0.5, 0.9])


@dataclass(frozen=True)
class ShapeDtype:
    """A type without values."""

    shape: tuple[int, ...]
    dtype: Any


def types(program: wg.Program) -> str:
    """The first line of a program."""
    return str(program).splitlines()[0]


def test_only_shapes_and_dtypes_matter() -> None:
    f = lambda x, i: np.sum(x[:2]) * i
    by_value = wg.make_program(f)(X, np.int32(2))
    by_type = wg.make_program(f)(ShapeDtype((3,), np.float64), ShapeDtype((), "int32"))
    assert str(by_value) == str(by_type)
    assert types(by_type) == "program (a: f64[3], b: i32[]) -> (f64[]) {"
    assert by_type(X, np.int32(2)) == f(X, 2)


def test_python_numbers_are_weak() -> None:
    program = wg.make_program(lambda x, y: x * y)(np.float32(2.0), 3.0)
    assert types(program) == "program (a: f32[], b: f64*[]) -> (f32[]) {"
    assert wg.make_program(lambda x: x * 2)(3.0).out_avals[0].weak_type
    assert types(wg.make_program(lambda x, y: x + y)(1, 2.5)).endswith("-> (f64*[]) {")
    assert types(wg.make_program(np.sin)(1.0)) == "program (a: f64*[]) -> (f64[]) {"


@pytest.mark.parametrize(
    ("args", "out"),
    [
        ((np.float32(1), 1.0), "f32[]"),
        ((np.ones(2, np.float32), 1), "f32[2]"),
        ((np.ones(2, np.float32), np.ones(2)), "f64[2]"),
        ((np.ones(2, np.float32), np.float64(1.0)), "f64[2]"),
        ((np.ones(2, np.int32), 1.5), "f64[2]"),
        ((np.ones(2, np.int8), 1), "i8[2]"),
        ((np.ones(2, np.float32), 1j), "c64[2]"),
        ((np.ones(2, bool), 1), "i64[2]"),
    ],
)
def test_types_are_what_numpy_gives(args: Any, out: str) -> None:
    program = wg.make_program(lambda a, b: a * b)(*args)
    check_program(program)
    assert repr(program.out_avals[0]) == out
    assert program(*args).dtype == (args[0] * args[1]).dtype == program.out_avals[0].dtype


def test_zero_dimensional_arrays() -> None:
    program = wg.make_program(lambda x: x * 2.0 + np.sum(x))(np.array(1.5))
    assert types(program) == "program (a: f64[]) -> (f64[]) {"
    assert program(np.array(1.5)) == 4.5


@pytest.mark.parametrize("static", [1, (1,), [1], -1, (-1,)])
def test_static_arguments(static: Any) -> None:
    def f(x: Any, mode: str) -> Any:
        return x * 2.0 if mode == "double" else x

    program = wg.make_program(f, static_argnums=static)(X, "double")
    assert len(program.inputs) == 1
    np.testing.assert_array_equal(program(X), 2 * X)
    assert wg.make_program(f, static_argnums=static)(X, "same").equations == ()


def test_keyword_arguments_are_passed_as_they_are() -> None:
    def f(x: Any, *, n: int, w: Any = None) -> Any:
        assert type(n) is int
        return np.sum(x**n) if w is None else x @ w

    program = wg.make_program(f)(X, n=2)
    assert program(X) == np.sum(X**2)
    assert wg.make_program(f)(X, n=2, w=np.ones(3)).constants[0][1].shape == (3,)


def test_trees() -> None:
    program = wg.make_program(lambda p, q: {"s": p["a"] + q[0], "none": None})(
        {"b": X, "a": 1.0}, [2.0]
    )
    assert program({"a": 3.0, "b": X}, [4.0]) == {"s": 7.0, "none": None}
    assert [repr(a) for a in program.in_avals] == ["f64*[]", "f64[3]", "f64*[]"]


def test_operations_on_plain_values_are_done_at_once() -> None:
    program = wg.make_program(lambda x: x + np.sum(np.sin(np.ones(3))))(1.0)
    assert [e.primitive.name for e in program.equations] == ["add"]


def test_a_program_of_every_transformation() -> None:
    f = lambda x: np.sum(np.tanh(x) ** 2)
    for transformed, args in [
        (wg.grad(f), (X,)),
        (wg.value_and_grad(f), (X,)),
        (wg.hessian(f), (X,)),
        (lambda x, t: wg.jvp(f, (x,), (t,)), (X, X)),
        (lambda x, t: wg.hvp(f, (x,), (t,)), (X, X)),
        (wg.vmap(f), (np.ones((2, 3)),)),
        (wg.vmap(wg.grad(f), 1, 1), (np.ones((3, 2)),)),
        (wg.make_program(wg.grad(f))(X), (X,)),
        (lambda x: wg.vjp(f, x)[1](2.0), (X,)),
        (lambda x: wg.linearize(f, x)[1](x), (X,)),
    ]:
        program = wg.make_program(transformed)(*args)
        check_program(program)
        due = transformed(*args)
        found = program(*args)
        assert wg.tree.structure(found) == wg.tree.structure(due)
        for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)
            assert np.asarray(a).dtype == np.asarray(b).dtype


def test_every_program_type_is_the_value_s() -> None:
    """The avals of the outputs are the shapes and dtypes that evaluation gives."""
    functions: list[Any] = [
        lambda x: (x.sum(0), x.mean(), x.std(), x.argmax(), x > 0, x.astype(int)),
        lambda x: np.linalg.slogdet(x[:2, :2] + 3 * np.eye(2)),
        lambda x: (np.sort(x), np.argsort(x, axis=0), x.T @ x, np.outer(x[0], x[1])),
        lambda x: (np.round(x, 1), np.floor(x), np.sign(x), np.isnan(x), x // 2, divmod(x, 2)),
        lambda x: (x[[0, 1]], x[..., None], x[1:, ::-1], np.where(x > 0, x, 1), np.clip(x, 0, 1)),
        lambda x: (np.modf(x), np.frexp(x), np.abs(x * 1j), np.angle(x + 0j), np.cumsum(x)),
    ]
    for dtype in (np.float32, np.float64):
        x = np.linspace(-1, 1, 6).reshape(2, 3).astype(dtype)
        for f in functions:
            program = wg.make_program(f)(x)
            check_program(program)
            for aval, value in zip(program.out_avals, wg.tree.leaves(program(x)), strict=True):
                assert (aval.shape, aval.dtype) == (np.shape(value), np.asarray(value).dtype)
            for a, b in zip(wg.tree.leaves(program(x)), wg.tree.leaves(f(x)), strict=True):
                np.testing.assert_array_equal(a, b)
                assert np.asarray(a).dtype == np.asarray(b).dtype


def test_repeated_operations_have_the_types_of_their_own_operands() -> None:
    def f(x: Any, y: Any) -> Any:
        found = []
        for _ in range(3):  # the second time, the types are known
            for a in (x, y, 3.0, np.float64(3.0), np.float32(3.0), 2, np.int64(2), np.ones((2, 1))):
                found += [
                    x * a,
                    y * a,
                    a * y,
                    np.sin(x * a),
                    x[:2] * a,
                    np.matmul(x, x * a)[..., 0],
                ]
        return found

    args = np.ones((2, 2), np.float32), np.float32(2.0)
    program = wg.make_program(f)(*args)
    wg.core.check_program(program)
    for found, due in zip(program.out_avals, f(*args), strict=True):
        assert (found.shape, found.dtype) == (due.shape, due.dtype)


def test_results_of_a_program_are_plain_values() -> None:
    y = wg.make_program(lambda x: (x.T, np.broadcast_to(x[0], (3,)), x.sum()))(X)(X)
    assert type(y[2]) is np.float64
    for v in y[:2]:
        assert type(v) is np.ndarray


def test_a_program_may_be_vmapped_and_differentiated_many_times() -> None:
    program = wg.make_program(lambda x: np.sum(x**3))(X)
    batch = np.stack([X, 2 * X])
    np.testing.assert_allclose(wg.vmap(wg.hessian(program))(batch)[1], np.diag(12 * X))
