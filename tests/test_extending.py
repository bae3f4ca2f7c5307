"""What `wengert.core` offers to those who extend wengert, used as docs/extending.md says."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.core import Equation, Literal, Primitive, Program, ShapedArray, Var, dispatch

Array = Any
F64 = np.dtype(np.float64)
X = np.array([0.3, 1.2, -0.7])
EXAMPLE = Path(__file__).parent.parent / "examples" / "interval.py"


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Primitives and names of NumPy that a test defines are gone after it."""
    tables = (Primitive.registry, dispatch.UFUNCS, dispatch.FUNCTIONS, dispatch.WRAPPERS)
    before = [dict(t) for t in tables]
    yield
    for t, b in zip(tables, before, strict=True):
        t.clear()
        t.update(b)


def softplus() -> Primitive:
    return wg.core.elementwise(
        "ext_softplus",
        None,
        lambda y, x: -np.expm1(-y),
        impl=lambda x: np.logaddexp(0, x),
        dtype=lambda x: x.dtype,
    )


# Primitives.


def test_all_that_extensions_need_is_public() -> None:
    for name in (
        "ArrayTracer", "Equation", "Every", "Literal", "Primitive", "Program", "ShapedArray",
        "Source", "Together", "Trace", "Tracer", "Var", "align_batch", "aval_of", "bilinear",
        "bind", "check_program", "current", "elementwise", "evaluate", "implements",
        "implements_ufunc", "lane_by_lane", "linear", "reducer", "shape_by_sample", "unbroadcast",
        "variadic", "zero_derivative",
    ):  # fmt: skip
        assert name in wg.core.__all__
        assert getattr(wg.core, name).__doc__


def test_a_primitive_in_all_transforms() -> None:
    p = softplus()
    f = lambda x: np.sum(p.bind(x) ** 2)
    plain = lambda x: np.sum(np.logaddexp(0, x) ** 2)
    assert wg.audit(f, X, order=2)
    for transform in (wg.grad, wg.hessian, lambda f: wg.jvp(f, (X,), (X,))[1]):
        got, want = transform(f), transform(plain)
        if callable(got):
            got, want = got(X), want(X)
        np.testing.assert_allclose(got, want, rtol=1e-12)
    batch = np.stack([X, X + 1])
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(batch), wg.grad(lambda b: plain(b))(batch))
    program = wg.make_program(wg.grad(f))(X)
    wg.core.check_program(program)
    assert "ext_softplus" in str(program)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(program))(X), wg.grad(f)(X))


def test_lanes_of_several_results() -> None:
    p = Primitive(
        "ext_ends",
        lambda x: (x[0], x[1:]),
        shape=lambda x: (ShapedArray((), x.dtype), ShapedArray((x.shape[0] - 1,), x.dtype)),
        batch=lambda *args: wg.core.lane_by_lane(p, *args),
        multiple_results=True,
    )
    first, rest = wg.vmap(p.bind)(np.arange(6.0).reshape(2, 3))
    assert first.tolist() == [0, 3] and rest.tolist() == [[1, 2], [4, 5]]
    first, rest = wg.vmap(p.bind)(np.zeros((0, 3)))
    assert first.shape == (0,) and rest.shape == (0, 2)


def test_functions_that_are_not_numpy_s() -> None:
    cube = np.frompyfunc(lambda x: x**3, 1, 1)
    wg.core.implements_ufunc(cube, lambda x: x * x * x)
    assert wg.grad(cube)(2.0) == 12
    with pytest.raises(wg.errors.RuleDefinitionError, match="implemented twice"):
        wg.core.implements_ufunc(cube, lambda x: x)


def test_a_second_definition_is_refused() -> None:
    softplus()
    with pytest.raises(wg.errors.RuleDefinitionError, match="'ext_softplus' is defined") as info:
        softplus()
    assert "Primitive.registry.pop('ext_softplus')" in str(info.value)
    Primitive.registry.pop("ext_softplus")
    assert wg.grad(softplus().bind)(0.0) == 0.5


INTERACTIVE = """
import sys, numpy as np, wengert as wg
define = lambda k: wg.core.Primitive("mine", lambda x: k * x, jvps=(lambda t, y, x: k * t,))
first = define(1.0)
{prompt}
try:
    print(wg.grad(define(2.0).bind)(1.0))
except wg.errors.RuleDefinitionError:
    print("refused")
try:
    wg.core.Primitive("sin", np.sin)
except wg.errors.RuleDefinitionError as error:
    print("refused:", "wengert.core.primitives.elementwise" in str(error))
"""


@pytest.mark.parametrize(("prompt", "says"), [("", "refused"), ("sys.ps1 = '>>> '", "2.0")])
def test_definitions_can_be_run_again_at_a_prompt(prompt: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERACTIVE.format(prompt=prompt)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == [says, "refused: True"]


def test_missing_rules_say_what_they_would_have_to_do() -> None:
    p = Primitive("ext_bare", np.sin)
    cases = {
        "jvps": lambda: wg.jvp(p.bind, (X,), (X,)),
        "batch": lambda: wg.vmap(p.bind)(X),
        "shape": lambda: wg.make_program(p.bind)(X),
    }
    for kind, call in cases.items():
        with pytest.raises(wg.errors.MissingRuleError, match=f"no {kind} rule") as info:
            call()
        assert f"needed: `{kind}" in str(info.value)
        assert "the definition of 'ext_bare'" in str(info.value)


# Transformations.


class Count(wg.core.ArrayTracer):
    """A value, in a function whose operations are counted."""

    __slots__ = ("value",)

    def __init__(self, trace: wg.core.Trace, value: Array) -> None:
        super().__init__(trace)
        self.value = value

    @property
    def aval(self) -> ShapedArray:
        return wg.core.aval_of(self.value)


class Counting(wg.core.Trace):
    """Counts the operations."""

    label = "count"

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.counts: dict[str, int] = {}

    def process(self, primitive: Primitive, args: Any, params: Any) -> Array:
        self.counts[primitive.name] = self.counts.get(primitive.name, 0) + 1
        y = primitive.bind(*[self.plain(a) for a in args], **params)
        if primitive.multiple_results:
            return tuple([Count(self, v) for v in y])
        return Count(self, y)

    def plain(self, x: Array) -> Array:
        x = wg.core.current(x)
        return x.value if self.owns(x) else x


def count(f: Any) -> Any:
    def counted(*args: Any) -> Any:
        with Counting("f") as trace:
            y = f(*wg.tree.map(lambda x: Count(trace, x), args))
            return wg.tree.map(trace.plain, y), trace.counts

    return counted


def test_a_transform_of_a_user() -> None:
    y, counts = count(lambda x: np.sum(np.sin(x) * x[0]) + len(x))(X)
    assert y == np.sum(np.sin(X) * X[0]) + 3
    assert counts == {"sin": 1, "getitem": 1, "mul": 1, "reduce_sum": 1, "add": 1}


def test_it_composes() -> None:
    f = lambda x: np.sum(np.sin(x) ** 2)
    y, counts = count(wg.grad(f))(X)
    np.testing.assert_allclose(y, wg.grad(f)(X))
    assert counts["cos"] == 1
    y, _ = count(wg.vmap(wg.grad(f)))(X[None])
    np.testing.assert_allclose(y, wg.grad(f)(X)[None])
    y, _ = count(wg.hessian(f))(X)
    np.testing.assert_allclose(y, wg.hessian(f)(X), atol=1e-15)
    inside = lambda x: count(f)(x)[0]
    np.testing.assert_allclose(wg.grad(inside)(X), wg.grad(f)(X))
    np.testing.assert_allclose(wg.vmap(inside)(X[None]), [f(X)])
    assert str(wg.make_program(inside)(X)) == str(wg.make_program(f)(X))
    y, counts = count(wg.make_program(f)(X))(X)
    assert y == f(X) and counts["sin"] == 1
    y, counts = count(lambda x: count(f)(x)[0])(X)
    assert y == f(X) and counts["sin"] == 1


def test_control_flow_under_it() -> None:
    def f(x: Array) -> Array:
        y = wg.fori_loop(0, 3, lambda i, c: c * np.sin(c), x)
        return wg.cond(True, np.exp, np.cos, y)

    y, counts = count(f)(X)
    np.testing.assert_allclose(y, f(X))
    assert counts["sin"] == 3 and counts["exp"] == 1 and "cos" not in counts


def test_writes_under_it() -> None:
    def f(x: Array) -> Array:
        y = wnp.zeros(4)
        y[1:] = x
        y *= 2
        return y

    y, counts = count(f)(X)
    np.testing.assert_array_equal(y, [0, *2 * X])
    assert counts["setitem"] == 1


def test_tracers_have_defaults_for_what_they_do_not_say() -> None:
    def f(x: Array) -> Array:
        assert repr(x) == "<traced f64[3] in count of f>"
        with pytest.raises(wg.errors.ConcretizationError, match="this traced value has none"):
            bool(x[0] > 0)
        with pytest.raises(wg.errors.ConcretizationError, match="this traced value has none"):
            float(x[0])
        return x

    count(f)(X)


def test_a_trace_ends_with_its_block() -> None:
    kept = []
    count(lambda x: kept.append(x) or x)(X)
    with pytest.raises(wg.errors.EscapedTracerError, match="escaped from count of f"):
        np.sin(kept[0])
    with pytest.raises(ZeroDivisionError):
        count(lambda x: kept.append(x) or x / (1 // 0))(X)
    with pytest.raises(wg.errors.EscapedTracerError, match="escaped from count of f"):
        kept[1] + 1
    assert wg.core.tracing.RUNNING.traces == []


def test_owns() -> None:
    with Counting("f") as trace, Counting("g") as other:
        x = Count(trace, X)
        assert trace.owns(x)
        assert not other.owns(x)
        assert not trace.owns(X)
        assert not trace.owns("x")


def test_a_trace_without_process() -> None:
    class Silent(wg.core.Trace):
        label = "silent"

    with Silent("f") as trace, pytest.raises(NotImplementedError, match="Silent must say how"):
        Count(trace, X) + 1


def missing_in_a_rule_table(x: Array) -> Array:
    return np.arctan(x)  # this line


def test_missing_rules_of_a_transform_point_at_the_function(example: ModuleType) -> None:
    assert example.bounds(missing_in_a_rule_table)((0.0, 1.0)) == (0, np.arctan(1))
    example.RULES.pop("arctan")
    with pytest.raises(wg.errors.MissingRuleError, match="no bounds rule") as info:
        example.bounds(missing_in_a_rule_table)((0.0, 1.0))
    text = str(info.value)
    assert "needed: a function (primitive, pairs of bounds, params)" in text
    assert "table of rules, for 'arctan'" in text
    assert text.endswith("return np.arctan(x)  # this line")


@pytest.fixture
def example() -> ModuleType:
    """The example about intervals, as a module."""
    spec = importlib.util.spec_from_file_location("interval", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_intervals_hold_all_values(example: ModuleType, rng: np.random.Generator) -> None:
    functions = [
        example.f,
        lambda x: np.sin(x) * np.cos(2 * x) - x**3 / (2 + x * x),
        lambda x: np.exp(-x) / (1.5 + np.sin(x)) - np.tanh(x),
        wg.grad(example.f),
        wg.grad(lambda x: np.sin(x) * np.cos(2 * x)),
        wg.grad(wg.grad(example.f)),
        lambda x: np.sum(np.stack([x, x * x]) * np.array([1.0, -2.0])),
    ]
    for f in functions:
        for _ in range(20):
            lo = rng.uniform(-4, 4)
            hi = lo + rng.exponential(0.5)
            low, high = example.bounds(f)((lo, hi))
            values = wg.vmap(f)(np.linspace(lo, hi, 101))
            assert low <= np.min(values) + 1e-12
            assert high >= np.max(values) - 1e-12
            points = example.bounds(f)((lo, lo))
            np.testing.assert_allclose(points, f(lo), rtol=1e-9, atol=1e-12)


def test_intervals_compose(example: ModuleType) -> None:
    bounds, f = example.bounds, example.f
    cells = (np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.6, 1.1]))
    low, high = wg.vmap(bounds(wg.grad(f)))(cells)
    each = [bounds(wg.grad(f))((a, b)) for a, b in zip(*cells, strict=True)]
    np.testing.assert_allclose(np.stack([low, high], 1), each)
    upper = lambda c: bounds(f)((c - 0.1, c + 0.1))[1]
    wg.test_util.check_grads(upper, (0.3,), order=2)
    program = wg.make_program(bounds(f))((0.2, 0.3))
    np.testing.assert_allclose(program((0.2, 0.3)), bounds(f)((0.2, 0.3)))


# Programs.


def tower(x: Array) -> dict[str, Array]:
    return {"a": np.sin(x) * x, "b": np.sin(x)}


def test_replacing_parts_of_a_program() -> None:
    program = wg.make_program(tower)(1.0)
    first, second = program.equations[:2]
    shorter = program.replace(
        equations=[first, second], outputs=[program.outputs[0], first.outputs[0]], name="less"
    )
    wg.core.check_program(shorter)
    assert shorter(0.5) == program(0.5)
    assert shorter.name == "less" and program.name == "tower"
    assert len(program.equations) == 3
    assert program.replace().equations == program.equations
    assert program.replace().in_tree == program.in_tree
    weights = np.ones(3)
    with_constant = wg.make_program(lambda x: x * weights)(X)
    ((var, _),) = with_constant.constants
    doubled = with_constant.replace(constants=[(var, 2 * weights)])
    np.testing.assert_array_equal(doubled(X), 2 * X)


def test_replacing_parts_of_an_equation() -> None:
    program = wg.make_program(tower)(1.0)
    equation = program.equations[0]
    cosine = equation.replace(primitive=Primitive.registry["cos"])
    assert cosine.source is equation.source
    assert cosine.inputs == equation.inputs and cosine.outputs == equation.outputs
    changed = program.replace(equations=[cosine, *program.equations[1:]])
    assert changed(0.5)["a"] == np.cos(0.5) * 0.5
    number = equation.replace(inputs=[Literal(2.0)], params={})
    assert repr(number) == "<equation a: f64[] = sin 2.0>"
    assert repr(program.equations[1]) == "<equation c: f64[] = mul a b>"


def test_programs_inside_of_equations() -> None:
    def f(x: Array) -> Array:
        return wg.cond(x[0] > 0, np.sin, np.cos, x)

    program = wg.make_program(f)(X)
    (holder,) = [e for e in program.equations if e.programs]
    names = {e.primitive.name for p in holder.programs.values() for e in p.equations}
    assert {"sin", "cos"} <= names
    assert all([isinstance(p, Program) for p in holder.programs.values()])
    assert program.equations[0].programs == {}
    y = Var(ShapedArray((), F64))
    several = Equation(Primitive.registry["sin"], [y], [y], {"of": (program, 1, program)})
    assert several.programs == {"of[0]": program, "of[2]": program}


def test_a_faulty_pass_is_found() -> None:
    program = wg.make_program(tower)(1.0)
    with pytest.raises(wg.errors.ProgramTypeError, match="before it is assigned"):
        wg.core.check_program(program.replace(equations=program.equations[1:]))
    with pytest.raises(wg.errors.ProgramTypeError, match="assigned twice"):
        wg.core.check_program(program.replace(equations=[*program.equations] * 2))


def test_a_program_from_nothing() -> None:
    x, y, z = [Var(ShapedArray((2,), F64)) for _ in range(3)]
    sin, mul = Primitive.registry["sin"], Primitive.registry["mul"]
    program = Program([x], [Equation(sin, [x], [y], {}), Equation(mul, [y, x], [z], {})], [z])
    wg.core.check_program(program)
    np.testing.assert_allclose(program(X[:2])[0], np.sin(X[:2]) * X[:2])
    jacobian = wg.jacobian(lambda x: program(x)[0])(X[:2])
    np.testing.assert_allclose(np.diag(jacobian), np.cos(X[:2]) * X[:2] + np.sin(X[:2]))
