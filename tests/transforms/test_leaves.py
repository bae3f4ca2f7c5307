"""Leaves of all kinds: what has a derivative is differentiated, everything else passes through."""

from __future__ import annotations

import datetime
import enum
import functools
import pathlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert import errors

X = np.array([0.1, 0.5, 0.9])


class Mode(enum.Enum):
    """A setting."""

    FAST = 1


class Count(enum.IntEnum):
    """A number with a name."""

    TWO = 2


@dataclass
class Layer:
    """A dataclass that nobody registered, with leaves of several kinds."""

    weight: Any
    name: str = "first"
    repeat: int = 2
    activation: Callable[..., Any] = np.tanh
    mode: Mode = Mode.FAST
    mask: Any = field(default_factory=lambda: np.array([True, False, True]))
    rest: Any = None


def run(layer: Layer, x: Any) -> Any:
    """A scalar function of a layer, which sees what is no float as it is."""
    assert (layer.name, layer.mode) == ("first", Mode.FAST)
    y = layer.weight * x
    for _ in range(layer.repeat):
        y = layer.activation(y)
    return np.sum(y[layer.mask])


def plain(w: Any, x: Any) -> Any:
    """The same of arrays."""
    return np.sum(np.tanh(np.tanh(w * x))[[0, 2]])


LAYER = Layer(X.copy())
NOTHING = {"name": None, "repeat": None, "activation": None, "mode": None, "mask": None}


def only_weight(layer: Any, due: Any) -> None:
    """A layer with None everywhere but in its weight."""
    assert type(layer) is Layer
    np.testing.assert_allclose(layer.weight, due)
    assert {k: getattr(layer, k) for k in NOTHING} == NOTHING


def test_gradients_have_none_where_there_is_no_derivative() -> None:
    due = wg.grad(plain)(X, 2.0)
    only_weight(wg.grad(run)(LAYER, 2.0), due)
    value, (g, x_bar) = wg.value_and_grad(run, (0, 1))(LAYER, 2.0)
    only_weight(g, due)
    assert value == run(LAYER, 2.0)
    np.testing.assert_allclose(x_bar, wg.grad(plain, 1)(X, 2.0))
    _, pullback = wg.vjp(run, LAYER, 2.0)
    only_weight(pullback(1.0)[0], due)
    only_weight(wg.linearize(run, LAYER, 2.0)[1].transpose(1.0)[0], due)


def test_tangents_are_none_where_there_is_no_derivative() -> None:
    t = np.array([1.0, -2.0, 0.5])
    t_layer = Layer(t, None, None, None, None, None)  # type: ignore[arg-type]  # a tangent
    due = wg.jvp(plain, (X, 2.0), (t, 0.5))
    np.testing.assert_allclose(wg.jvp(run, (LAYER, 2.0), (t_layer, 0.5)), due)
    y, f_lin = wg.linearize(run, LAYER, 2.0)
    np.testing.assert_allclose((y, f_lin(t_layer, 0.5)), due)
    assert repr(f_lin).endswith("(f64[3], f64*[]) -o (f64[],)>")
    assert len(f_lin.program.inputs) == 2
    np.testing.assert_allclose(f_lin.program(t_layer, 0.5), due[1])
    only_weight(wg.hvp(run, (LAYER, 2.0), (t_layer, 0.0)), wg.hvp(plain, (X, 2.0), (t, 0.0)))
    zeros = Layer(t, None, 0, None, None, np.zeros(3, bool))  # type: ignore[arg-type]
    np.testing.assert_allclose(wg.jvp(run, (LAYER, 2.0), (zeros, 0.5)), due)
    np.testing.assert_allclose(f_lin(zeros, 0.5), due[1])


@pytest.mark.parametrize("jac", [wg.jacfwd, wg.jacrev, wg.jacobian])
def test_jacobians_have_none_where_there_is_no_derivative(jac: Any) -> None:
    f = lambda layer, x: {"y": layer.weight * x, "name": layer.name}
    found = jac(f)(LAYER, 2.0)
    only_weight(found["y"], 2 * np.eye(3))
    assert found["name"] is None
    only_weight(wg.hessian(run)(LAYER, 2.0).weight, wg.hessian(plain)(X, 2.0))


def test_batches_and_programs_of_layers() -> None:
    axes = (Layer(0, None, None, None, None, None), None)  # type: ignore[arg-type]  # in_axes
    layers = Layer(np.stack([X, 2 * X]))
    due = [plain(X, 2.0), plain(2 * X, 2.0)]
    np.testing.assert_allclose(wg.vmap(run, axes)(layers, 2.0), due)
    gradients = wg.vmap(wg.grad(run), axes)(layers, 2.0)
    only_weight(gradients, np.stack([wg.grad(plain)(w, 2.0) for w in (X, 2 * X)]))
    simple = lambda layer, x: layer.activation(layer.weight * x) * layer.repeat
    program = wg.make_program(simple)(LAYER, 2.0)
    assert [repr(a) for a in program.in_avals] == ["f64[3]", "i64*[]", "bool[3]", "f64*[]"]
    np.testing.assert_array_equal(program(LAYER, 2.0), simple(LAYER, 2.0))
    np.testing.assert_allclose(
        wg.grad(lambda layer: np.sum(program(layer, 2.0)))(LAYER).weight,
        4 / np.cosh(2 * X) ** 2,
    )


def test_a_step_of_gradient_descent() -> None:
    g = wg.grad(run)(LAYER, 2.0)
    step = wg.tree.map(lambda p, d: p if d is None else p - 0.5 * d, LAYER, g)
    np.testing.assert_allclose(step.weight, X - 0.5 * wg.grad(plain)(X, 2.0))
    assert (step.name, step.repeat, step.activation) == ("first", 2, np.tanh)
    assert run(step, 2.0) < run(LAYER, 2.0)


STATIC: list[Any] = [
    "text",
    b"bytes",
    Mode.FAST,
    np.sin,
    np.sum,
    wnp.sin,
    len,
    run,
    X.sum,
    functools.partial(run, LAYER),
    functools.cache(run),
    float,
    np.float32,
    Layer,
    np.dtype("f4"),
    np,
    slice(1, 2),
    range(3),
    ...,
    re.compile("a"),
    pathlib.Path("a"),
    datetime.date(2020, 1, 1),
    datetime.datetime(2020, 1, 1),
    datetime.timedelta(1),
    np.datetime64("2020-01-01"),
    np.random.default_rng(0),
    np.array(["a", "b"]),
    np.array(["2020-01-01"], "datetime64[D]"),
    np.str_("text"),
]
DISCRETE: list[Any] = [3, True, Count.TWO, np.int32(3), np.bool_(True), np.arange(3), X > 0.3]


@pytest.mark.parametrize("leaf", STATIC + DISCRETE, ids=lambda v: type(v).__name__)
def test_static_and_integer_leaves_reach_the_function_as_they_are(leaf: Any) -> None:
    seen = []

    def f(p: Any) -> Any:
        seen.append(p["s"])
        return np.sum(p["x"] ** 2)

    p = {"x": X, "s": leaf}
    g = wg.grad(f)(p)
    np.testing.assert_allclose(g["x"], 2 * X)
    assert g["s"] is None
    assert wg.jvp(f, (p,), ({"x": X, "s": None},))[1] == pytest.approx(2 * X @ X)
    assert wg.linearize(f, p)[1](g) == pytest.approx(4 * X @ X)
    assert wg.vjp(f, p)[1](1.0)[0]["s"] is None
    assert wg.jacobian(f)(p)["s"] is None
    assert wg.linear_transpose(lambda p: f({**p, "x": 1.0}) * 0.0 + p["x"], p)(X)[0]["s"] is None
    for v in seen:
        assert v is leaf or (isinstance(leaf, Count) and v == 2)


@pytest.mark.parametrize("leaf", STATIC, ids=lambda v: type(v).__name__)
def test_static_leaves_of_results_pass_through(leaf: Any) -> None:
    f = lambda x: {"y": x**2, "s": leaf}
    y, y_dot = wg.jvp(f, (3.0,), (1.0,))
    assert (y["y"], y_dot["y"], y_dot["s"]) == (9.0, 6.0, None)
    assert y["s"] is leaf
    y, pullback = wg.vjp(f, 3.0)
    assert y["s"] is leaf or isinstance(leaf, np.ndarray)
    assert pullback({"y": 1.0, "s": None}) == (6.0,)
    y, f_lin = wg.linearize(f, 3.0)
    assert f_lin(1.0) == {"y": 6.0, "s": None}
    value, found = wg.value_and_jacobian(f)(3.0)
    assert value["y"] == 9.0
    assert found == {"y": 6.0, "s": None}
    if not isinstance(leaf, np.ndarray):
        assert wg.vmap(f)(X)["s"] is leaf
        assert wg.make_program(f)(X)(X)["s"] is leaf


def test_cotangents_of_integer_results_may_be_none() -> None:
    y, pullback = wg.vjp(lambda x: (np.argmax(x), 2.0 * x), X)
    assert y[0] == 2
    np.testing.assert_array_equal(pullback((None, np.ones(3)))[0], np.full(3, 2.0))
    np.testing.assert_array_equal(pullback((0, np.ones(3)))[0], np.full(3, 2.0))


def test_tangents_of_integer_results_may_be_passed_on() -> None:
    first = lambda x: (x**2, 3, "text")
    second = lambda y, n, s: y * n
    y, y_dot = wg.jvp(first, (2.0,), (1.0,))
    assert wg.jvp(second, y, y_dot) == (12.0, 12.0)


def test_aux_may_be_anything() -> None:
    class Odd:
        pass

    @dataclass
    class Derived:
        value: Any

        def __post_init__(self) -> None:
            self.half = 0.5

    odd, derived = Odd(), Derived(1.0)
    aux = {"odd": odd, "set": {1}, "layer": LAYER, "none": None, "text": "t", "derived": derived}
    for found in (
        wg.grad(lambda x: (x**2, aux), has_aux=True)(3.0)[1],
        wg.value_and_grad(lambda x: (x**2, aux), has_aux=True)(3.0)[0][1],
        wg.jvp(lambda x: (x**2, aux), (3.0,), (1.0,), has_aux=True)[2],
        wg.vjp(lambda x: (x**2, aux), 3.0, has_aux=True)[2],
        wg.linearize(lambda x: (x**2, aux), 3.0, has_aux=True)[2],
        wg.jacobian(lambda x: (x**2, aux), has_aux=True)(3.0)[1],
        wg.value_and_jacobian(lambda x: (x**2, aux), has_aux=True)(3.0)[0][1],
        wg.hessian(lambda x: (x**2, aux), has_aux=True)(3.0)[1],
        wg.value_and_hessian(lambda x: (x**2, aux), has_aux=True)(3.0)[0][1],
        wg.hvp(lambda x: (x**2, aux), (3.0,), (1.0,), has_aux=True)[1],
    ):
        assert found["odd"] is odd
        assert found["derived"] is derived
        assert found["set"] == {1}
        assert (found["text"], found["none"], found["layer"].name) == ("t", None, "first")


def test_traced_values_in_a_dataclass_of_aux_come_out_plain() -> None:
    for transform in (wg.grad, wg.jacobian, wg.hessian):
        _, aux = transform(lambda x: (x**2, Layer(2 * x)), has_aux=True)(3.0)
        assert type(aux.weight) is np.float64
        assert aux.weight == 6.0


# Refused.


class Opaque:
    """It might hold arrays."""


@pytest.mark.parametrize("leaf", [Opaque(), {1.0}, np.array([1.0, None]), lambda: 0])
@pytest.mark.parametrize("transform", [wg.grad, wg.jacobian, wg.vmap, wg.make_program])
def test_unknown_classes_are_refused_with_their_path(transform: Any, leaf: Any) -> None:
    call = lambda: transform(lambda p: np.sum(p["x"]))({"x": X, "s": [leaf]})
    if callable(leaf):
        call()
        return
    with pytest.raises(errors.LeafTypeError, match=r"argument 0\['s'\]\[0\] is neither") as info:
        call()
    if type(leaf) is Opaque:
        assert "wg.tree.register(Opaque, ...)" in str(info.value)


@pytest.mark.parametrize("transform", [wg.grad, wg.jacfwd, wg.hessian])
def test_an_argument_without_any_derivative_is_refused(transform: Any) -> None:
    f = lambda x, p: x
    with pytest.raises(errors.DtypeError, match=r"argument 1\['n'\] consists of integers"):
        transform(f, (0, 1))(1.0, {"a": "text", "n": 3})
    with pytest.raises(errors.DtypeError, match="argument 1 consists of bools"):
        transform(f, 1)(1.0, X > 0)
    with pytest.raises(errors.LeafTypeError, match=r"argument 1 .* has no derivative") as info:
        transform(f, 1)(1.0, "text")
    assert "argnums" in str(info.value)
    transform(f, (0, 1))(1.0, None)
    transform(f, (0, 1))(1.0, {})


def test_tangents_that_cannot_be() -> None:
    f = lambda x, n, s: x * n
    _, f_lin = wg.linearize(f, 2.0, 3, "s")
    for push in (lambda *t: wg.jvp(f, (2.0, 3, "s"), t), f_lin):
        assert wg.tree.leaves(push(1.0, None, None))[-1] == 3.0
        with pytest.raises(errors.DtypeError, match=r"tangents must be None at \[1\]"):
            push(1.0, 2, None)
        with pytest.raises(errors.DtypeError, match=r"tangents must be None at \[2\]"):
            push(1.0, None, "s")
        with pytest.raises(errors.DtypeError, match=r"tangents must be None at \[1\]"):
            wg.vmap(lambda t, push=push: push(1.0, t, None))(X)
        with pytest.raises(errors.TreeError, match=r"they differ at \[0\]"):
            push(None, None, None)
        with pytest.raises(errors.TreeError, match=r"they differ at \[1\]"):
            push(1.0, [None], None)
    with pytest.raises(errors.DtypeError, match="argument 0 consists of integers"):
        wg.jvp(f, (2, 3, "s"), (None, None, None))
    with pytest.raises(errors.DtypeError, match="argument 0 consists of integers"):
        wg.vjp(f, 2, 3, "s")
    _, pullback = wg.vjp(lambda x: (x, "s"), 1.0)
    with pytest.raises(errors.TreeError, match=r"cotangent .* differ at \[1\]"):
        pullback((1.0, 1.0))
    with pytest.raises(errors.TreeError, match=r"cotangent .* differ at \[0\]"):
        pullback((None, None))


def test_linear_functions_of_leaves_of_all_kinds() -> None:
    f = lambda p: {"y": p["x"] * p["n"], "s": p["s"], "n": 0}
    transpose = wg.linear_transpose(f, {"x": 1.0, "n": 3, "s": "text"})
    for n in (None, 0):
        assert transpose({"y": 2.0, "s": None, "n": n}) == ({"x": 6.0, "n": None, "s": None},)
    for args in ((3, "text"), ("text",), (X > 0,)):
        with pytest.raises(errors.DtypeError, match="argument 0 must be of floats or complex"):
            wg.linear_transpose(lambda *args: 0.0, *args)
    with pytest.raises(errors.DtypeError, match=r"argument 1\['n'\] must be of floats or complex"):
        wg.linear_transpose(lambda x, p: x, X, {"n": wg.core.Var(wg.core.aval_of(3)).aval})


def test_text_is_no_scalar_result() -> None:
    with pytest.raises(errors.NonScalarOutputError, match="but returned a str"):
        wg.grad(lambda x: "text")(1.0)
    with pytest.raises(errors.NonScalarOutputError, match="but returned a tuple") as info:
        wg.grad(lambda x: (x, "text"))(1.0)
    assert "has_aux=True" in str(info.value)


def test_programs_keep_static_leaves() -> None:
    f = lambda p, x: {"y": p["x"] * len(p["s"]) * x, "s": p["s"]}
    program = wg.make_program(f)({"x": X, "s": "text"}, 2.0)
    assert len(program.inputs) == 2
    found = program({"x": X, "s": "text"}, 2.0)
    np.testing.assert_array_equal(found["y"], 8 * X)
    assert found["s"] == "text"
    with pytest.raises(errors.TreeError, match=r"they differ at \[0\]\['s'\]") as info:
        program({"x": X, "s": "other"}, 2.0)
    assert "the value 'text'" in str(info.value)
    with pytest.raises(errors.TreeError, match=r"they differ at \[0\]\['x'\]"):
        program({"x": None, "s": "text"}, 2.0)
    with pytest.raises(errors.LeafTypeError, match="argument 1 is neither"):
        wg.make_program(lambda n, x: x, 0)("static", Opaque())


@pytest.mark.parametrize("generator", [np.random.default_rng(0), np.random.RandomState(0)])
def test_a_program_does_not_freeze_random_numbers(generator: Any) -> None:
    f = lambda x, rng: x + rng.normal(size=3)
    for call in (
        lambda: wg.make_program(f)(X, generator),
        lambda: wg.make_program(f)(X, rng=generator),
        lambda: wg.make_program(f, 1)(X, generator),
    ):
        with pytest.raises(errors.UnsupportedError, match="drew random numbers"):
            call()
    wg.make_program(lambda x, rng: 2 * x)(X, generator)
    first, second = (wg.jvp(f, (X, generator), (X, None))[0] for _ in range(2))
    assert np.all(first != second)


def test_arrays_of_text_are_not_batched() -> None:
    names = np.array(["a", "b", "c"])
    f = lambda x, names: x * len(names)
    np.testing.assert_array_equal(wg.vmap(f, (0, None))(X, names), 3 * X)
    with pytest.raises(errors.LeafTypeError, match="argument 1 is an array that cannot be batched"):
        wg.vmap(f)(X, names)
    with pytest.raises(errors.BatchError, match="argument 1 has no axis 0"):
        wg.vmap(f)(X, 3)
    with pytest.raises(errors.BatchError, match="sizes differ") as info:
        wg.vmap(lambda *args: 0)(X, "text", np.ones(2))
    assert "- argument 1: 'text'" in str(info.value)


# Lists of numbers.

LISTS: dict[str, Any] = {
    "array": lambda m, v: m.array(v),
    "asarray": lambda m, v: m.asarray(v),
    "sum": lambda m, v: m.sum(v),
    "mean": lambda m, v: m.mean(v),
    "sin": lambda m, v: m.sin(v),
    "sqrt of a tuple": lambda m, v: m.sqrt(tuple(v)),
    "add": lambda m, v: m.add(v, [1.0, 2.0]),
    "nested": lambda m, v: m.multiply([v, v], 2.0),
    "power": lambda m, v: m.power(v, 2),
    "matmul": lambda m, v: m.matmul([[1.0, 2.0]], v),
    "dot": lambda m, v: m.dot(v, [1.0, 2.0]),
    "norm": lambda m, v: m.linalg.norm(v),
    "outer": lambda m, v: m.multiply.outer(v, v),
    "reduce": lambda m, v: m.add.reduce(v),
    "accumulate": lambda m, v: m.multiply.accumulate(v),
    "max": lambda m, v: m.max(v),
    "where": lambda m, v: m.where([True, False], v, 0.0),
}
JOINS: dict[str, Any] = {
    "stack": lambda m, v: m.stack(v),
    "concatenate": lambda m, v: m.concatenate([m.atleast_1d(t) for t in v]),
    "sum of items": lambda m, v: v[0] * v[1],
}


@pytest.mark.parametrize("name", [*LISTS, *JOINS])
def test_functions_of_wengert_numpy_take_lists_of_traced_values(name: str) -> None:
    f = (LISTS | JOINS)[name]
    values, weights = [0.5, 2.0], np.cos(np.arange(9.0))

    def loss(m: Any, v: Any) -> Any:
        y = m.ravel(f(m, v))
        return m.sum(y * weights[: len(y)])

    found = wg.grad(lambda v: loss(wnp, v))(values)
    assert type(found) is list
    due = wg.grad(lambda x: loss(wnp, wnp.asarray(x)))(np.array(values))
    np.testing.assert_allclose(found, due)
    np.testing.assert_allclose(f(wnp, values), f(np, values))
    batched = wg.vmap(lambda v: f(wnp, v))([X, 2 * X])
    np.testing.assert_allclose(batched[1], f(np, [X[1], 2 * X[1]]))
    program = wg.make_program(lambda v: f(wnp, v))(values)
    np.testing.assert_allclose(program(values), f(np, values))


@pytest.mark.parametrize("name", LISTS)
def test_numpy_says_what_to_do_with_lists_of_traced_values(name: str) -> None:
    with pytest.raises(errors.ArrayConversionError, match="plain") as info:
        wg.grad(lambda v: np.sum(LISTS[name](np, v)))([0.5, 2.0])
    assert re.search("use wengert.numpy|wengert.numpy.array or np.stack", str(info.value))


@pytest.mark.parametrize("name", JOINS)
def test_numpy_joins_lists_of_traced_values(name: str) -> None:
    found = wg.grad(lambda v: np.sum(JOINS[name](np, v)))([0.5, 2.0])
    np.testing.assert_allclose(found, [2.0, 0.5] if name == "sum of items" else [1.0, 1.0])


def test_no_ufunc_of_wengert_numpy_is_numpys_own() -> None:
    for name in dir(wnp):
        found = getattr(wnp, name)
        if isinstance(getattr(np, name, None), np.ufunc):
            assert not isinstance(found, np.ufunc), name
            assert found.__name__ == getattr(np, name).__name__
            assert found.nin == getattr(np, name).nin


def test_object_arrays_are_refused() -> None:
    for f in (
        lambda x: np.sum(x.astype(object)),
        lambda x: np.sum(wnp.array([x, x], dtype=object)),
        lambda x: np.sum(np.sin(x, dtype=object)),
    ):
        with pytest.raises(errors.UnsupportedError, match="cannot be cast to object"):
            wg.grad(f)(X)


def test_check_grads_takes_leaves_of_all_kinds() -> None:
    f = lambda layer, x: {"y": np.sin(layer.weight) * x, "name": layer.name, "n": layer.repeat}
    wg.test_util.check_grads(f, (LAYER, 2.0), order=2)
    with pytest.raises(errors.DtypeError, match="argument 0 consists of integers"):
        wg.test_util.check_grads(np.sin, (3,))
