"""The dispatch rule: the newest trace decides, nothing is global, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Primitive, bind
from wengert.core.errors import EscapedTracerError, MissingRuleError, RuleDefinitionError


@pytest.fixture
def scratch() -> Iterator[Callable[..., Primitive]]:
    """A maker of primitives that are taken out of the registry afterwards."""
    before = dict(Primitive.registry)
    yield Primitive
    Primitive.registry.clear()
    Primitive.registry.update(before)


# Perturbation confusion, and nesting.


def test_the_classic_example_of_perturbation_confusion() -> None:
    # d/dx [x * d/dy (x + y)] = 1, not 2.
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(1.0) == 1.0


@pytest.mark.parametrize("inner", ["grad", "jvp", "vjp", "linearize"])
@pytest.mark.parametrize("outer", ["grad", "jvp", "vjp", "linearize"])
def test_no_confusion_between_any_two_derivatives(outer: str, inner: str) -> None:
    derivatives: dict[str, Callable[..., Any]] = {
        "grad": lambda f, x: wg.grad(f)(x),
        "jvp": lambda f, x: wg.jvp(f, (x,), (1.0,))[1],
        "vjp": lambda f, x: wg.vjp(f, x)[1](1.0)[0],
        "linearize": lambda f, x: wg.linearize(f, x)[1](1.0),
    }
    first, second = derivatives[outer], derivatives[inner]
    assert first(lambda x: x * second(lambda y: x + y, 1.0), 1.0) == 1.0
    assert first(lambda x: x * second(lambda y: x * y, 3.0), 2.0) == 4.0
    # d/dx of d/dy (x**2 * y**3) at y = x is d/dx (3 x**4) with y not moving: 2x * 3y**2
    assert first(lambda x: second(lambda y: x**2 * y**3, 2.0), 2.0) == 48.0


def test_confusion_example_of_siskind_and_pearlmutter() -> None:
    # D(s)(f)(x) = f(x + s); D twice must be the second derivative.
    def shift(offset: Any) -> Callable[..., Any]:
        return lambda f: lambda x: f(x + offset)

    def derivative(f: Callable[..., Any]) -> Any:
        return wg.jvp(f, (0.0,), (1.0,))[1]

    once = lambda f: lambda x: derivative(lambda s: shift(s)(f)(x))
    np.testing.assert_allclose(once(once(np.exp))(1.0), np.exp(1.0))
    np.testing.assert_allclose(once(once(np.sin))(1.0), -np.sin(1.0))


def test_nested_gradients_to_order_six() -> None:
    f: Callable[..., Any] = np.sin
    due = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for order in range(6):
        f = wg.grad(f)
        np.testing.assert_allclose(f(0.7), due[order % 4](0.7), rtol=1e-12)


def test_a_closure_over_an_outer_tracer_is_a_constant_inside() -> None:
    def outer(x: Any) -> Any:
        inner = wg.grad(lambda y: np.sum(np.sin(x) * y**2))
        return np.sum(inner(np.array([1.0, 2.0])))

    # d/dx sum(2 y sin x) = 6 cos x
    np.testing.assert_allclose(wg.grad(outer)(0.3), 6 * np.cos(0.3))


def test_an_inner_function_that_ignores_its_argument() -> None:
    assert wg.grad(lambda x: wg.grad(lambda y: x * x)(5.0) + x)(3.0) == 1.0


def test_an_inner_derivative_returns_a_value_traced_by_the_outer_only() -> None:
    seen = []

    def f(x: Any) -> Any:
        g = wg.grad(lambda y: x * y * y)(2.0)
        seen.append(isinstance(g, wg.Tracer))
        return g

    assert wg.grad(f)(1.0) == 4.0
    assert seen == [True]
    assert not isinstance(wg.grad(f)(1.0), wg.Tracer)


def test_a_function_made_once_may_be_used_in_and_out_of_traces() -> None:
    slope = wg.grad(lambda x: x**3)
    assert slope(2.0) == 12.0
    assert wg.grad(slope)(2.0) == 12.0
    np.testing.assert_array_equal(wg.vmap(slope)(np.array([1.0, 2.0])), [3.0, 12.0])
    assert slope(2.0) == 12.0


# No state.


def failing(x: Any) -> Any:
    """Raise in the middle of a trace."""
    y = np.sin(x)
    raise RuntimeError(f"stop at {float(y):.1f}")


@pytest.mark.parametrize(
    "call",
    [
        lambda f: wg.grad(f)(1.0),
        lambda f: wg.jvp(f, (1.0,), (1.0,)),
        lambda f: wg.vjp(f, 1.0),
        lambda f: wg.linearize(f, 1.0),
        lambda f: wg.hessian(f)(1.0),
        lambda f: wg.grad(lambda x: wg.grad(f)(x) * x)(1.0),
    ],
)
def test_an_exception_inside_leaves_nothing_behind(call: Callable[..., Any]) -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match=r"stop at 0\.8"):
            call(failing)
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert type(np.sin(1.0)) is np.float64


def test_an_exception_caught_inside_the_function_does_no_harm() -> None:
    def f(x: Any) -> Any:
        with contextlib.suppress(RuntimeError):
            wg.grad(failing)(x)
        return x * x

    assert wg.grad(f)(3.0) == 6.0
    assert wg.grad(wg.grad(f))(3.0) == 2.0


def test_a_generator_that_is_left_half_way() -> None:
    def powers(x: Any) -> Iterator[Any]:
        y = x
        while True:
            yield y
            y = y * x

    def f(x: Any) -> Any:
        values = powers(x)
        return next(values) + next(values)

    assert wg.grad(f)(3.0) == 7.0


def test_keyboard_interrupt_closes_the_trace() -> None:
    kept = []

    def f(x: Any) -> Any:
        kept.append(np.sin(x))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wg.grad(f)(1.0)
    with pytest.raises(EscapedTracerError, match="escaped from grad of f"):
        kept[0] + 1.0


def test_traces_do_not_keep_each_other_alive() -> None:
    class Big(np.ndarray):
        pass

    x = np.ones(3)
    kept = []

    def f(x: Any) -> Any:
        y = np.exp(x)
        kept.append(weakref.ref(y.primal))
        return np.sum(y)

    wg.grad(f)(x)
    gc.collect()
    assert kept[0]() is None


def test_threads_do_not_meet() -> None:
    n = 16
    barrier = Barrier(n)

    def work(k: int) -> list[Any]:
        x = np.linspace(0.1, 1.0, 7) + k
        found = []
        barrier.wait()
        for _ in range(20):
            found.append(wg.grad(lambda v: np.sum(np.sin(v) ** k) if k else np.sum(v))(x))
            found.append(wg.jvp(lambda v: np.exp(-v) * k, (x,), (x,))[1])
            found.append(wg.vmap(wg.grad(lambda v: v ** (k + 2)))(x))
            found.append(wg.make_program(lambda v: np.cumsum(v) * k)(x)(x))
        return found

    with ThreadPoolExecutor(n) as pool:
        results = list(pool.map(work, range(n)))
    for k, found in enumerate(results):
        x = np.linspace(0.1, 1.0, 7) + k
        due = [
            k * np.sin(x) ** (k - 1) * np.cos(x) if k else np.ones(7),
            -np.exp(-x) * k * x,
            (k + 2) * x ** (k + 1),
            np.cumsum(x) * k,
        ]
        for i, value in enumerate(found):
            np.testing.assert_allclose(value, due[i % 4], rtol=1e-12)


def test_one_function_of_a_tracer_may_be_finished_by_another_thread() -> None:
    def f(x: Any) -> Any:
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda k: np.sin(k * x), [1.0, 2.0]))

    np.testing.assert_allclose(wg.grad(f)(0.3), np.cos(0.3) + 2 * np.cos(0.6))


# Primitives.


def test_bind_evaluates_without_tracers() -> None:
    y = bind(Primitive.registry["add"], 1.0, np.ones(2))
    np.testing.assert_array_equal(y, [2.0, 2.0])
    assert wg.grad(lambda x: bind(Primitive.registry["sin"], x))(0.0) == 1.0


@pytest.mark.parametrize("name", ["add", "mul", "sub", "div", "pow"])
def test_bind_with_python_floats(name: str) -> None:
    op = Primitive.registry[name]
    h = 1e-6
    due = (bind(op, 1.5 + h, 2.0) - bind(op, 1.5 - h, 2.0)) / (2 * h)
    f = lambda x: bind(op, x, 2.0)
    np.testing.assert_allclose(wg.grad(f)(1.5), due, rtol=1e-8)
    np.testing.assert_allclose(wg.jvp(f, (1.5,), (1.0,))[1], due, rtol=1e-8)
    assert wg.make_program(f)(1.5)(1.5) == f(1.5)


def test_a_second_definition_is_refused(scratch: Any) -> None:
    first = Primitive.registry["sin"]
    with pytest.raises(RuleDefinitionError, match="'sin' is defined already"):
        scratch("sin", np.sin)
    assert Primitive.registry["sin"] is first


def test_a_new_primitive_with_a_jvp_has_everything(scratch: Any) -> None:
    cube = scratch(
        "test_cube",
        lambda x: x**3,
        shape=lambda x: x,
        jvps=(lambda t, y, x: t * (3 * x * x),),
        batch=lambda size, batched, x: cube.bind(x),
    )
    f = cube.bind
    assert wg.grad(f)(2.0) == 12.0
    assert wg.grad(wg.grad(f))(2.0) == 12.0
    assert wg.jvp(f, (2.0,), (2.0,)) == (8.0, 24.0)
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.array([1.0, 2.0])), [3.0, 12.0])
    assert "test_cube" in repr(wg.make_program(f)(2.0))


@pytest.mark.parametrize(
    ("kind", "label", "call"),
    [
        ("jvps", "grad", lambda f: wg.grad(f)(1.0)),
        ("jvps", "jvp", lambda f: wg.jvp(f, (1.0,), (1.0,))),
        ("batch", "vmap", lambda f: wg.vmap(f)(np.ones(2))),
        ("shape", "make_program", lambda f: wg.make_program(f)(1.0)),
    ],
)
def test_a_missing_rule_is_named_with_its_contract(
    scratch: Any, kind: str, label: str, call: Any
) -> None:
    bare = scratch("test_bare", lambda x: x + 1)
    with pytest.raises(
        MissingRuleError, match=f"{label}: primitive 'test_bare' has no {kind} rule"
    ) as info:
        call(lambda x: bare.bind(x))
    assert f"{kind}" in next(line for line in str(info.value).splitlines() if "needed:" in line)
    assert isinstance(info.value, NotImplementedError)


def test_a_missing_transpose_is_named(scratch: Any) -> None:
    halve = scratch(
        "test_halve",
        lambda x: x / 2,
        shape=lambda x: x,
        transposes=(None,),
        linear="jointly",
        linear_args=(0,),
    )
    assert wg.jvp(halve.bind, (1.0,), (1.0,)) == (0.5, 0.5)
    with pytest.raises(MissingRuleError, match="'test_halve' has no transposes rule for operand 0"):
        wg.grad(halve.bind)(1.0)


def test_primitives_have_a_repr() -> None:
    assert repr(Primitive.registry["sin"]) == "<primitive sin>"
