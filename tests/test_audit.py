"""`audit` finds the wrong rule, and nothing where all rules are right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.core import (
    Primitive,
    ShapedArray,
    elementwise,
    linear,
    reducer,
    zero_derivative,
)
from wengert.transforms import backward

Array = Any
A = np.array([[3.0, 1.0, 0.5], [0.2, 2.0, -0.4], [0.1, 0.3, 1.5]])
S = A @ A.T
X = np.array([0.3, 1.2, -0.7])
Z = np.array([0.3 + 1.0j, -1.2 + 0.5j])


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Primitives that a test defines are gone after it."""
    before = dict(Primitive.registry)
    yield
    Primitive.registry.clear()
    Primitive.registry.update(before)


def named(name: str) -> Primitive:
    return Primitive.registry[name]


def set_slopes(
    monkeypatch: pytest.MonkeyPatch, name: str, *slopes: Callable[..., Array] | float
) -> None:
    """Other partial derivatives for an elementwise primitive, in all the places that have them."""
    rules = [
        (lambda t, y, *xs, s=s: t * s(y, *xs)) if callable(s) else (lambda t, y, *xs, s=s: t * s)
        for s in slopes
    ]
    p = named(name)
    monkeypatch.setattr(p, "slopes", tuple(slopes))
    monkeypatch.setattr(p, "slope0", slopes[0])
    if len(slopes) > 1:
        monkeypatch.setattr(p, "slope1", slopes[1])
    monkeypatch.setattr(p, "jvps", rules)


def culprits(report: wg.Report) -> list[str]:
    return [c.name for c in report.culprits]


def broken(report: wg.Report) -> list[str]:
    return [c.law for c in report.checks if not c]


# Nothing to find.


def layers(w: Any, x: Array) -> Any:
    h = x
    for _ in range(5):
        h = np.tanh(h @ w["a"] + w["b"])
    return {"loss": np.mean(h**2), "h": h}


def filled(x: Array) -> Array:
    y = wnp.zeros(4)
    y[:3] = np.sin(x)
    y[3] = y[0] * y[1]
    y *= 2
    y[1:] += x
    return y


def branching(x: Array) -> Array:
    if x[0] > 0:
        x = x * 2
    while np.sum(x) < 10:
        x = x + np.exp(x[1])
    return x


def loops(x: Array) -> Array:
    y = wg.fori_loop(0, 3, lambda i, c: c * np.sin(c), x)
    z, zs = wg.scan(lambda c, v: (c * v + 1, c), 1.0, x)
    return wg.cond(y[0] > 0, lambda v: v * 2, lambda v: v - 1, y) * z + np.sum(zs)


SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "scalar": (lambda x: x * np.sin(x), (0.5,)),
    "python-numbers": (lambda x, y: x**2 * y, (0.5, 2.0)),
    "layers": (layers, ({"a": A / 3, "b": X}, np.stack([X, 2 * X]))),
    "float32": (lambda x: np.sum(np.exp(x) / (1 + x**2)), (X.astype(np.float32),)),
    "float32-and-64": (lambda x, y: x * y + np.sin(x), (X.astype(np.float32), X)),
    "float16": (lambda x: np.sum(x * x), (X.astype(np.float16),)),
    "complex": (lambda z: z * np.exp(z) + np.conj(z), (Z,)),
    "abs-of-complex": (lambda z: np.abs(z) * np.angle(z), (Z,)),
    "complex-to-real": (lambda z: np.real(z) ** 2 + np.imag(z), (Z,)),
    "complex64": (lambda z: np.sum(z * z), (Z.astype(np.complex64),)),
    "real-to-complex": (lambda x: np.exp(1j * x), (X,)),
    "fft": (lambda x: np.fft.irfft(np.fft.rfft(x) * 2j, 3), (X,)),
    "solve": (np.linalg.solve, (A, X)),
    "inv": (np.linalg.inv, (A,)),
    "det": (lambda a: (np.linalg.det(a), np.linalg.slogdet(a)), (A,)),
    "cholesky": (np.linalg.cholesky, (S,)),
    "eigh": (lambda a: np.linalg.eigh(a)[0], (S,)),
    "svd": (lambda a: np.linalg.svd(a, compute_uv=False), (A,)),
    "qr": (lambda a: np.linalg.qr(a), (A,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], (A[:, :2], X)),
    "norms": (lambda a: np.linalg.norm(a) + np.linalg.norm(a, 2), (A,)),
    "einsum": (lambda a, x: np.einsum("ij,j,i->ij", a, x, x), (A, X)),
    "indexing": (lambda x: x[np.array([0, 0, 2])] * x[1:2] + x[::-1], (X,)),
    "mask": (lambda x: x[np.array([True, False, True])].prod(), (X,)),
    "writes": (filled, (X,)),
    "sort": (lambda x: np.sort(x) * np.argsort(x), (X,)),
    "ties": (lambda x: np.max(x) + np.median(x), (np.array([1.0, 1.0, 1.0, 0.0]),)),
    "kinks": (lambda x: np.abs(x) + np.maximum(x, 0) + np.clip(x, 0, 1), (np.array([0.0, 1.0]),)),
    "jump": (lambda x: x * np.floor(x), (np.array([1.0, 1.5]),)),
    "sqrt-at-the-end": (lambda x: x**1.5 + np.cumsum(x), (np.array([0.0, 1.0]),)),
    "cumulative": (lambda x: np.cumsum(x) * np.cumprod(x), (X,)),
    "statistics": (lambda x: np.var(x) + np.std(x) + np.ptp(x) + np.cov(x), (X,)),
    "joining": (lambda x, y: np.concatenate([np.stack([x, y]), A]), (X, X + 1)),
    "where": (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1)), x), (X,)),
    "int-results": (lambda x: (x * 2, np.argmax(x), x > 0), (X,)),
    "int-and-static-arguments": (
        lambda x, n, mode: np.take(x, n, mode=mode) * 2,
        (X, np.array([1, 5]), "wrap"),
    ),
    "none-and-nested": (lambda t: [t["a"] * 2, None, (t["b"],)], ({"a": X, "b": None},)),
    "branching": (branching, (X,)),
    "structured": (loops, (X,)),
    "derivative": (wg.grad(lambda x: np.sum(np.sin(x) * x)), (X,)),
    "hessian": (wg.hessian(lambda x: np.sum(np.exp(x[0] * x))), (X,)),
    "vmap": (wg.vmap(lambda x: x @ X), (A,)),
    "program": (wg.make_program(loops)(X), (X,)),
    "large-and-small": (lambda x: np.sin(x[:1] / 1e9) + x[1:] * 1e12, (np.array([3e9, 2e-9]),)),
    "large-constant": (lambda x: 1e12 + 0 * x, (X,)),
    "empty": (lambda x: np.sum(x) + x, (np.zeros((0, 2)),)),
    "constant": (lambda x: np.ones(2), (X,)),
    "numerical": (wg.numerical_rule(lambda x: np.sin(x) * x[0]), (X,)),
    "stiff": (lambda x: np.tanh(1e3 * x), (X * 1e-3,)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_no_false_alarms(name: str) -> None:
    f, args = SMOOTH[name]
    report = wg.audit(f, *args)
    assert report, report
    assert report.culprits == ()


@pytest.mark.parametrize(
    "name", ["scalar", "layers", "complex", "solve", "indexing", "writes", "branching", "cholesky"]
)
def test_no_false_alarms_at_second_order(name: str) -> None:
    f, args = SMOOTH[name]
    report = wg.audit(f, *args, order=2)
    assert report, report
    assert len(report.checks) >= 15


def test_the_arguments_stay_as_they_are() -> None:
    def f(x: Array) -> Array:
        x *= 2
        return np.sum(x**3)

    x = X.copy()
    assert wg.audit(f, x)
    np.testing.assert_array_equal(x, X)


# What is reported.


def outcome(report: wg.Report, law: str) -> str:
    return next(c.outcome for c in report.checks if c.law == law)


DIFFERENCES = "jvp is the limit of differences"


def test_kinks_are_called_so() -> None:
    pick = elementwise(
        "pick", None, lambda y, x: np.where(x > 0, 1.0, 0.0), impl=_relu, dtype=_same
    )
    for x in (np.array([0.0, 2.0]), 0.0):
        report = wg.audit(pick.bind, x)
        assert report
        assert outcome(report, DIFFERENCES) == "kink"
        assert "kink" in str(report)
    over = elementwise(
        "over", None, lambda y, x: np.where(x > 0, 1.0, 1.5), impl=_relu, dtype=_same
    )
    report = wg.audit(over.bind, 0.0)
    assert outcome(report, DIFFERENCES) == "WRONG"
    assert culprits(report) == ["over"]


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _same(x: Any) -> Any:
    return x.dtype


def test_python_control_flow_is_not_batched() -> None:
    report = wg.audit(branching, X)
    assert outcome(report, "vmap is a loop") == "not checked"
    assert outcome(report, "the program is the function") == "not checked"
    assert "needs one concrete value" in str(report)


def test_values_that_are_not_finite() -> None:
    with np.errstate(all="ignore"):
        report = wg.audit(lambda x: {"a": np.log(x)}, np.array([1.0, -1.0]))
    assert not report
    assert broken(report) == ["the value is finite"]
    assert "found nan at result['a'][1]" in str(report)


def test_functions_that_change() -> None:
    rng = np.random.default_rng(0)
    report = wg.audit(lambda x: x * rng.normal(), X)
    assert "the same value again" in broken(report)
    assert "draws random numbers" in str(report)


def test_values_that_leave_the_trace_are_pointed_at() -> None:
    def leaky(x: Array) -> Array:
        factor = float(x[0])
        return x * factor

    report = wg.audit(leaky, X)
    assert broken(report) == [DIFFERENCES]
    assert report.culprits == ()
    assert "obeys the laws by itself" in str(report)
    assert "factor = float(x[0])" in str(report)


def test_the_table() -> None:
    lines = str(wg.audit(layers, *SMOOTH["layers"][1])).splitlines()
    assert lines[0] == "audit of layers: all laws hold"
    assert len(lines) == 12
    assert all([" ok " in line or line.endswith(" ok") for line in lines[1:]])
    assert any(["error bar" in line for line in lines])


def test_checks_are_records() -> None:
    report = wg.audit(np.sin, X)
    check = next(c for c in report.checks if c.law == DIFFERENCES)
    assert check and check.outcome == "ok"
    assert check.off < 1e-12 and 0 < check.bar < 1e-11


# Wrong rules of primitives that exist.


def test_a_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "tanh", lambda y, x: y * y - 1)
    report = wg.audit(layers, *SMOOTH["layers"][1])
    assert not report
    assert DIFFERENCES in broken(report)
    (culprit,) = report.culprits
    assert culprit.name == "tanh"
    assert culprit.places == 5
    assert "h = np.tanh(h @ w" in repr(culprit.source)
    assert "operand 0: found -" in str(report)
    assert "error bar" in str(culprit)


def test_a_small_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "exp", lambda y, x: y * (1 + 1e-6))
    report = wg.audit(lambda x: np.sum(np.sin(np.exp(x))), X)
    assert culprits(report) == ["exp"]
    set_slopes(monkeypatch, "exp", lambda y, x: y)
    assert wg.audit(lambda x: np.sum(np.sin(np.exp(x))), X)


def test_the_wrong_one_of_two_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "arctan2", lambda y, a, b: b / (a * a + b * b), lambda y, a, b: a * 0)
    report = wg.audit(lambda a, b: np.arctan2(np.sin(a), b * 2), X, X + 3)
    assert culprits(report) == ["arctan2"]
    assert "operand 1:" in str(report)
    assert wg.audit(lambda a: np.arctan2(np.sin(a), 2.0), X)  # the wrong rule is not asked


def test_a_rule_that_is_wrong_for_some_values(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "sin", lambda y, x: np.where(x < 5, np.cos(x), 0))

    def f(x: Array) -> Array:
        for _ in range(4):
            x = np.sin(x) * 3
        return x

    assert wg.audit(f, X)
    report = wg.audit(lambda x: f(x) + np.sin(x * 0 + 6), X)
    assert report  # sin(6) does not depend on x
    report = wg.audit(lambda x: f(x) + np.sin(6 + x), X)
    assert culprits(report) == ["sin"]


def test_a_forgotten_conjugate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named("conjugate"), "transposes", (lambda ct, x: ct,))
    report = wg.audit(lambda z: np.sum(np.conj(np.exp(z)) * z), Z)
    assert "vjp is the transpose of jvp" in broken(report)
    assert DIFFERENCES not in broken(report)
    assert culprits(report) == ["conjugate"]
    assert "<Jᵀ ct, t>" in str(report)


def test_a_wrong_transpose_of_a_product(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda ct, a, b: np.swapaxes(ct @ np.swapaxes(b, -1, -2), -1, -2)
    monkeypatch.setattr(backward, "transpose_left", wrong)
    report = wg.audit(lambda a: np.sum(np.sin(a @ A)), A)
    assert culprits(report) == ["matmul"]
    assert "vjp is the transpose of jvp" in broken(report)


def test_a_wrong_transpose_of_a_reduction(monkeypatch: pytest.MonkeyPatch) -> None:
    right = named("reduce_sum").transposes[0]
    monkeypatch.setattr(
        named("reduce_sum"), "transposes", (lambda ct, x, **kw: 2 * right(ct, x, **kw),)
    )
    report = wg.audit(lambda x: np.sum(np.sin(x) ** 2, axis=0), A)
    assert culprits(report) == ["reduce_sum"]


def test_a_wrong_batching_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    right = named("cumsum").batch
    monkeypatch.setattr(named("cumsum"), "batch", lambda *args, **kw: right(*args, **kw)[::-1])
    report = wg.audit(lambda x: np.cumsum(np.sin(x)) * x, X)
    assert broken(report) == ["vmap is a loop", "vmap of jvp is a loop"]
    assert culprits(report) == ["cumsum"]


def test_a_wrong_type(monkeypatch: pytest.MonkeyPatch) -> None:
    right = named("reshape").shape

    def wrong(x: Any, **params: Any) -> Any:
        aval = right(x, **params)
        return wg.core.ShapedArray(aval.shape, np.dtype(np.float32))

    monkeypatch.setattr(named("reshape"), "shape", wrong)
    report = wg.audit(lambda x: np.reshape(np.sin(x), (3, 1)), X)
    assert "the program is the function" in broken(report)
    assert culprits(report) == ["reshape"]
    assert "the shape rule: it says f32[3,1], the result is f64[3,1]" in str(report)


def test_a_missing_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named("cumsum"), "batch", None)
    report = wg.audit(lambda x: np.cumsum(x) * 2, X)
    assert "primitive 'cumsum' has no batch rule" in str(report)
    assert culprits(report) == ["cumsum"]


def test_branches_are_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "cos", lambda y, x: np.sin(x))

    def f(x: Array) -> Array:
        step = lambda c, v: (c + wg.cond(v > 0, np.cos, np.sin, v), c)  # the wrong one
        return wg.scan(step, 0.0, x)[0]

    for g in (f, wg.make_program(f)(X)):
        report = wg.audit(g, X)
        assert culprits(report) == ["cos"]
        assert "the wrong one" in repr(report.culprits[0].source)


def test_rules_of_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of primitives that hold programs matter only in programs and in batches."""
    scan = named("scan")
    right = scan.batch

    def wrong(*args: Any, **params: Any) -> Any:
        return tuple([2 * y for y in right(*args, **params)])

    program = wg.make_program(lambda x: wg.scan(lambda c, v: (c * v, c), 1.0, x)[0])(X)
    assert wg.audit(program, X)
    monkeypatch.setattr(scan, "batch", wrong)
    report = wg.audit(program, X)
    assert broken(report) == ["vmap is a loop", "vmap of jvp is a loop"]
    assert culprits(report) == ["scan"]


def test_rules_that_matter_in_derivatives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    f = lambda x: np.sum(np.arcsinh(x))
    assert wg.audit(f, X, order=2)
    used = {e.primitive.name for e in wg.make_program(wg.grad(f))(X).equations} - {"arcsinh"}
    assert "sqrt" in used
    set_slopes(monkeypatch, "sqrt", lambda y, x: 0.75 / y)
    assert wg.audit(f, X)
    report = wg.audit(f, X, order=2)
    assert broken(report)[0].startswith("of jvp: jvp")
    assert culprits(report) == ["sqrt"]


# Wrong rules of primitives that a user defines.


def test_slopes_that_drop_the_second_derivative() -> None:
    wrong = elementwise(
        "audit_cube", None, lambda y, x: 3 * _value(x) ** 2, impl=lambda x: x**3, dtype=_same
    )
    assert wg.audit(wrong.bind, X)
    report = wg.audit(lambda x: np.sin(wrong.bind(x)), X, order=2)
    assert culprits(report) == ["audit_cube"]
    assert broken(report)[0].startswith("of ")


def _value(x: Array) -> Array:
    return x.concrete() if isinstance(x, wg.Tracer) else x


def test_a_jvp_that_is_not_linear() -> None:
    wrong = Primitive(
        "audit_square",
        lambda x: x * x,
        shape=lambda x: x,
        jvps=(lambda t, y, x: 2 * x * np.abs(t),),
        batch=lambda size, batched, x: wrong.bind(x),
    )
    report = wg.audit(lambda x: np.sin(wrong.bind(x)), X)
    assert "jvp is linear" in broken(report)
    assert culprits(report) == ["audit_square"]


def test_real_and_complex_results_at_once() -> None:
    def rule(factor: float) -> Callable[..., Any]:
        return lambda t, y, x: (2 * factor * x * t, 1j * factor * t)

    for factor in (1.0, 1.1):
        p = Primitive(
            f"audit_mixed_{factor}",
            lambda x: (x * x, 1j * x),
            shape=lambda x: (x, ShapedArray(x.shape, np.dtype(complex))),
            jvps=(rule(factor),),
            batch=lambda size, batched, x, factor=factor: named(f"audit_mixed_{factor}").bind(x),
            multiple_results=True,
        )
        report = wg.audit(lambda x, p=p: p.bind(x)[0] + p.bind(x)[1], X)
        assert culprits(report) == ([] if factor == 1.0 else [p.name])


def test_a_tangent_of_the_wrong_shape() -> None:
    wrong = reducer(
        "audit_sum",
        lambda x, *, axes, keepdims=False: np.sum(x * x, axis=axes, keepdims=keepdims),
        lambda t, y, x, *, axes, keepdims=False: np.sum(2 * x * t, axis=axes, keepdims=True),
    )
    report = wg.audit(lambda x: np.sin(wrong.bind(x, axes=(0,))), A)
    assert culprits(report) == ["audit_sum"]
    assert "the type is f64[1,3], due is f64[3]" in str(report)


def test_a_linear_one_with_the_transpose_of_another() -> None:
    wrong = linear(
        "audit_roll",
        lambda x, *, by: np.roll(x, by, axis=-1),
        lambda ct, x, *, by: wrong.bind(ct, by=by),
        batch=lambda size, batched, x, *, by: wrong.bind(x, by=by),
    )
    report = wg.audit(lambda x: wrong.bind(x * x, by=1), X)
    assert broken(report)[0] == "vjp is the transpose of jvp"
    (culprit,) = report.culprits
    assert culprit.equation == "b: f64[3] = audit_roll[by=1] a"
    # The same twice is right by itself: the laws are asked where the rule is used.
    assert wg.audit(lambda x: wrong.bind(x * x, by=3), X)


def test_a_zero_derivative_that_is_none() -> None:
    wrong = zero_derivative("audit_half", lambda x: x / 2, batch=lambda n, b, x: wrong.bind(x))
    report = wg.audit(lambda x: wrong.bind(x) + x, X)
    assert culprits(report) == ["audit_half"]


def test_whole_rules_that_disagree() -> None:
    p = Primitive(
        "audit_whole",
        lambda x: (np.sin(x), np.cos(x)),
        shape=lambda x: (x, x),
        jvp=lambda xs, ts: (p.bind(*xs), (ts[0] * np.cos(xs[0]), -ts[0] * np.sin(xs[0]))),
        linearize=lambda xs, ts: (p.bind(*xs), (ts[0] * np.cos(xs[0]), ts[0] * np.sin(xs[0]))),
        batch=lambda size, batched, x: p.bind(x),
        multiple_results=True,
    )
    report = wg.audit(lambda x: p.bind(np.exp(x))[1], X)
    assert "linearize is jvp" in broken(report)
    assert culprits(report) == ["audit_whole"]


def custom(rule: str, sign: float) -> Callable[[Array], Array]:
    """The sine with a rule of its own, right for sign 1."""
    if rule == "jvp":
        f = wg.custom_jvp(lambda x: np.sin(x))
        f.defjvp(lambda xs, ts: (np.sin(xs[0]), sign * np.cos(xs[0]) * ts[0]))
        return f
    f = wg.custom_vjp(lambda x: np.sin(x))
    f.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (sign * np.cos(x) * ct,))
    return f


@pytest.mark.parametrize("rule", ["jvp", "vjp"])
def test_custom_rules(rule: str) -> None:
    right, wrong = custom(rule, 1.0), custom(rule, -1.0)
    assert wg.audit(lambda x: np.exp(right(x * 2)), X, order=2)
    for f in (
        lambda x: np.exp(wrong(x * 2)),
        lambda x: wg.fori_loop(0, 2, lambda i, c: wrong(c) + right(c), x),
        lambda x: wg.make_program(wrong)(x)(x * 2) if isinstance(x, np.ndarray) else wrong(x * 2),
    ):
        report = wg.audit(f, X)
        (name,) = culprits(report)
        assert name == "<lambda> at test_audit.py (custom rules)".replace(
            "test_audit.py", f"test_audit.py:{_first_line(wrong)}"
        )
        assert "wrong(" in repr(report.culprits[0].source)


def _first_line(f: Any) -> int:
    return f.__wrapped__.__code__.co_firstlineno


def test_arbitrary_phases_are_no_wrong_rules() -> None:
    h = S + 1j * (A - A.T)
    assert wg.audit(lambda h: np.abs(np.linalg.eigh(h)[1]), h)
    report = wg.audit(lambda h: np.linalg.eigh(h)[1], h)
    assert not report
    assert report.culprits == ()
    assert "have arbitrary phases" in str(report)


def test_the_operation_is_named_and_not_those_whose_rules_use_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = named("transpose").transposes[0]
    monkeypatch.setattr(
        named("transpose"), "transposes", (lambda ct, x, **kw: 2 * right(ct, x, **kw),)
    )
    assert culprits(wg.audit(lambda a: np.linalg.cholesky(a @ a.T), A)) == ["transpose"]


def test_stopped_gradients_are_named() -> None:
    report = wg.audit(lambda x: x * wg.stop_gradient(x), X)
    assert culprits(report) == ["stop_gradient"]


def test_the_condition_of_where_may_be_of_floats() -> None:
    """An audit of the spec table found that its tangent was taken for the condition."""
    x = np.array([0.0, 1.5, -2.0])
    f = lambda x: np.where(x, x * x, 3.0)
    np.testing.assert_array_equal(wg.jvp(f, (x,), (np.array([1.0, 0.0, 1.0]),))[1], [0, 0, -4])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(f(x)))(x), [0, 3, -4])
    assert wg.audit(f, x[1:], order=2)
    assert wg.audit(lambda x: np.where(x, 1.0, 2.0), x[1:])


def test_all_wrong_ones_are_listed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    set_slopes(monkeypatch, "sin", lambda y, x: np.sin(x))
    set_slopes(monkeypatch, "exp", lambda y, x: 2 * y)
    report = wg.audit(lambda x: np.exp(np.cos(np.sin(x))), X)
    assert culprits(report) == ["sin", "exp"]


# Time, and bad input.


def test_fifty_operations_take_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Array) -> Array:
        for _ in range(10):
            x = np.sin(x) * x + np.exp(-x * x) / (2 + np.cos(x))
        return x

    start = time.perf_counter()
    assert wg.audit(f, X)
    assert time.perf_counter() - start < 2
    set_slopes(monkeypatch, "cos", lambda y, x: np.sin(x))
    start = time.perf_counter()
    assert culprits(wg.audit(f, X)) == ["cos"]
    assert time.perf_counter() - start < 6


def test_bad_input() -> None:
    with pytest.raises(TypeError, match="f must be a function"):
        wg.audit(3, X)
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        wg.audit(np.sin, X, order=3)
    with pytest.raises(TypeError, match="there are no arguments"):
        wg.audit(lambda: 1.0)
    with pytest.raises(wg.errors.DtypeError, match="argument 0 consists of integers"):
        wg.audit(np.square, 3)
    with pytest.raises(wg.errors.LeafTypeError, match="neither an array nor a number"):
        wg.audit(np.square, object())
    with pytest.raises(wg.errors.ConcretizationError, match="must be plain values"):
        wg.grad(lambda x: float(bool(wg.audit(np.sin, x))))(1.0)
    with pytest.raises(ZeroDivisionError):
        wg.audit(lambda x: x * (1 / 0), X)
    with pytest.raises(wg.errors.LeafTypeError, match="the result"):
        wg.audit(lambda x: object(), X)
