"""Every error: its class, its message, the user's source line, and no state left behind.

The faulty line of each case ends in `# fault`; `refused` finds it in the message.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Primitive, check_program, errors
from wengert.core.rules import elementwise

X = np.array([0.1, 0.5, 0.9])
ONES = np.ones(3)
Call = Callable[[], Any]


def works() -> None:
    """The next call works: nothing was left behind."""
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    np.testing.assert_array_equal(wg.vmap(np.square)(np.array([1.0, 2.0])), [1.0, 4.0])
    assert wg.make_program(np.sin)(0.0)(0.0) == 0.0


def refused(kind: type[errors.WengertError], match: str, call: Call) -> str:
    """Call, check class, message, source line and that the next call works; returns the message."""
    with pytest.raises(kind, match=match) as info:
        call()
    message = str(info.value)
    assert type(info.value) is kind
    assert re.search(r"at: +test_errors\.py:\d+ \(.*\): .*# fault", message), message
    works()
    return message


def test_every_class_is_in_the_tree_and_fits_a_builtin() -> None:
    builtins = (TypeError, ValueError, RuntimeError, NotImplementedError, NameError)
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.WengertError)
        assert kind is errors.WengertError or issubclass(kind, builtins)
        assert kind.__doc__
    assert wg.WengertError is errors.WengertError
    assert wg.errors.__all__ == errors.__all__


def test_a_message_is_made_of_facts() -> None:
    error = errors.ShapeError("f: wrong.", got="f64[2]", needed="f64[3]", fix="do\nthis")  # fault
    lines = str(error).splitlines()
    assert lines[:5] == [
        "f: wrong.",
        "  got:    f64[2]",
        "  needed: f64[3]",
        "  fix:    do",
        "          this",
    ]
    assert lines[5].startswith("  at:     test_errors.py:")
    assert isinstance(error, ValueError)


# Missing rules and unsupported functions.


def test_missing_rule() -> None:
    before = dict(Primitive.registry)
    try:
        bare = Primitive("test_bare", lambda x: x)
        for label, call in [
            ("grad", lambda: wg.grad(bare.bind)(1.0)),  # fault
            ("vmap", lambda: wg.vmap(bare.bind)(ONES)),  # fault
            ("make_program", lambda: wg.make_program(bare.bind)(1.0)),  # fault
        ]:
            match = f"{label}: primitive 'test_bare' has no .* rule"
            message = refused(errors.MissingRuleError, match, call)
            assert re.search(r"needed: .*\*\*params\).*\.$", message, re.DOTALL | re.MULTILINE)
            assert "fix:" in message
    finally:
        Primitive.registry.clear()
        Primitive.registry.update(before)


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("np.save", lambda x: np.save("x.npy", x)),  # fault
        ("np.savetxt", lambda x: np.savetxt("x.txt", x)),  # fault
        ("np.savez", lambda x: np.savez("x.npz", x)),  # fault
    ],
)
@pytest.mark.parametrize(
    "transform",
    [lambda f: wg.grad(f)(X), lambda f: wg.vmap(f)(X[None]), lambda f: wg.make_program(f)(X)],
    ids=["grad", "vmap", "make_program"],
)  # fmt: skip
def test_unsupported_functions_are_named(name: str, f: Any, transform: Any) -> None:
    refused(errors.UnsupportedError, name, lambda: transform(f))


def test_an_unknown_ufunc_is_named() -> None:
    mine = np.frompyfunc(lambda v: v, 1, 1)
    f = lambda x: np.sum(mine(x))  # fault
    refused(errors.UnsupportedError, "has no rule for traced values", lambda: wg.grad(f)(X))


@pytest.mark.parametrize(
    ("match", "f"),
    [
        (r"np\.arctan2\.reduce has no rule", lambda x: np.arctan2.reduce(x)),  # fault
        (r"'mode' is not supported", lambda x: np.linalg.qr(np.outer(x, x), "raw")),  # fault
        (r"cannot mix traced values with", lambda x: np.concatenate([x, {1.0}])),  # fault
    ],
)
def test_unsupported_forms_are_named(match: str, f: Any) -> None:
    refused(errors.UnsupportedError, match, lambda: wg.grad(f)(X))


def test_ndarray_subclasses_with_rules_of_their_own_are_refused() -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [True, False, False])
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(np.concatenate([x, masked])))(X)
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(x * masked))(X)
    works()


# Escaped tracers.


KEPT: list[Any] = []


@pytest.mark.parametrize(
    ("label", "start"),
    [
        ("grad", lambda: wg.grad(leak)(1.5)),
        ("jvp", lambda: wg.jvp(leak, (1.5,), (1.0,))),
        ("vjp", lambda: wg.vjp(leak, 1.5)),
        ("linearize", lambda: wg.linearize(leak, 1.5)),
        ("vmap", lambda: wg.vmap(leak)(np.full(2, 1.5))),
        ("make_program", lambda: wg.make_program(leak)(1.5)),
        ("linear_transpose", lambda: wg.linear_transpose(leak_linear, 1.5)),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda v: v + 1.0,  # fault
        lambda v: 2.0 * v,  # fault
        lambda v: np.sin(v),  # fault
        lambda v: np.sum(v),  # fault
        lambda v: v @ np.ones(()) if v.ndim else v < 1.0,  # fault
        lambda v: wg.grad(lambda x: x * v)(2.0),  # fault
        lambda v: v.reshape(1),  # fault
        lambda v: np.where(True, v, 0.0),  # fault
    ],
)
def test_escaped_tracers(label: str, start: Call, use: Any) -> None:
    KEPT.clear()
    start()
    message = refused(
        errors.EscapedTracerError, f"escaped from {label} of leak", lambda: use(KEPT[0])
    )
    assert "has_aux=True" in message
    KEPT.clear()


def leak(x: Any) -> Any:
    """Keep a traced value."""
    KEPT.append(x * 3.0)  # leaked here
    return x


def leak_linear(x: Any) -> Any:
    """Keep a traced value of a linear function."""
    KEPT.append(x * 3.0)
    return x


def test_the_message_says_where_an_escaped_value_was_made() -> None:
    for start in (lambda: wg.grad(leak)(1.5), lambda: wg.vmap(leak)(ONES)):
        KEPT.clear()
        start()
        with pytest.raises(errors.EscapedTracerError, match="# leaked here"):
            KEPT[0] + 1.0
    KEPT.clear()


@pytest.mark.parametrize(
    "use",
    [
        lambda v: float(v),  # fault
        lambda v: int(v),  # fault
        lambda v: bool(v),  # fault
        lambda v: 1.0 if v > 0 else 2.0,  # fault
        lambda v: f"{v:.2f}",  # fault
        lambda v: v.item(),  # fault
    ],
)
def test_python_values_of_escaped_tracers(use: Any) -> None:
    KEPT.clear()
    wg.grad(leak)(1.5)
    refused(errors.EscapedTracerError, "escaped from grad of leak", lambda: use(KEPT[0]))
    KEPT.clear()


@pytest.mark.parametrize("transform", [wg.grad, wg.jacfwd, wg.make_program])
def test_an_escaped_tracer_prints_as_such(transform: Any) -> None:
    KEPT.clear()
    transform(leak)(1.5)
    assert "ended" in repr(KEPT[0])
    KEPT.clear()


# Python values where there are none.


@pytest.mark.parametrize(
    ("what", "f"),
    [
        ("the truth value", lambda x: 1.0 if x > 0 else x),  # fault
        ("the truth value", lambda x: not x),  # fault
        ("the truth value", lambda x: x and 1.0),  # fault
        ("the truth value", lambda x: max(x, 0.0)),  # fault
        ("the truth value", lambda x: 0.0 < x < 1.0),  # fault
        (r"float\(\)", lambda x: float(x)),  # fault
        (r"int\(\)", lambda x: int(x)),  # fault
        (r"complex\(\)", lambda x: complex(x)),  # fault
        ("index", lambda x: [1.0, 2.0][np.argmax(x)]),  # fault
        ("index", lambda x: range(np.argmax(x))),  # fault
        (r"item\(\)", lambda x: x.item()),  # fault
        (r"tolist\(\)", lambda x: x.tolist()),  # fault
        ("format", lambda x: f"{x:.2f}"),  # fault
        ("the truth value", lambda x: 1.0 in np.stack([x, x])),  # fault
    ],
)
@pytest.mark.parametrize(
    ("why", "transform"),
    [
        ("under vmap it stands for 2 values", lambda f: wg.vmap(f)(np.ones(2))),
        ("in make_program it stands for every value", lambda f: wg.make_program(f)(1.0)),
        ("in make_program", lambda f: wg.make_program(wg.grad(f))(1.0)),
        ("under vmap", lambda f: wg.vmap(lambda x: wg.jvp(f, (x,), (x,))[1])(np.ones(2))),
    ],
    ids=["vmap", "make_program", "make_program(grad)", "vmap(jvp)"],
)
def test_no_concrete_value(what: str, f: Any, why: str, transform: Any) -> None:
    message = refused(
        errors.ConcretizationError,
        f"{what}.* needs one concrete value.*{why}",
        lambda: transform(f),
    )
    assert "np.where" in message


def test_no_value_of_a_linear_argument() -> None:
    f = lambda x: x if x[0].item() > 0 else 2 * x  # fault
    call = lambda: wg.linear_transpose(f, X)
    refused(errors.ConcretizationError, "argument of a linear function", call)


@pytest.mark.parametrize(
    ("match", "f"),
    [
        ("boolean mask .* must be concrete", lambda x: np.max(x[x > 0.2])),  # fault
        ("boolean mask .* must be concrete", lambda x: x[x[0] > 0.2]),  # fault
        ("decide the shape of the result", lambda x: np.nonzero(x)),  # fault
        ("decide the shape of the result", lambda x: np.where(x > 0.2)),  # fault
        ("decide the shape of the result", lambda x: np.flatnonzero(x)),  # fault
    ],
)
@pytest.mark.parametrize(
    "transform", [lambda f: wg.vmap(f)(X[None]), lambda f: wg.make_program(f)(X)]
)
def test_values_that_decide_shapes(match: str, f: Any, transform: Any) -> None:
    message = refused(errors.ConcretizationError, match, lambda: transform(f))
    assert "np.where" in message


@pytest.mark.parametrize(
    ("match", "f"),
    [
        ("truth value.* one element", lambda x: 1.0 if x else 2.0),  # fault
        (r"float\(\) needs an array of one element", lambda x: float(x)),  # fault
        (r"int\(\) needs an array of one element", lambda x: int(x)),  # fault
        (r"complex\(\) needs an array of one element", lambda x: complex(x)),  # fault
    ],
)
def test_python_values_of_arrays_with_many_elements(match: str, f: Any) -> None:
    refused(errors.ConcretizationError, match, lambda: wg.grad(f)(X))


@pytest.mark.parametrize(
    ("match", "f"),
    [
        (r"len\(\) of a traced value without axes", lambda x: len(x)),  # fault
        ("without axes cannot be iterated over", lambda x: [v for v in x]),  # fault
        ("without axes cannot be iterated over", lambda x: sum(x)),  # fault
    ],
)
@pytest.mark.parametrize(
    "transform", [lambda f: wg.grad(f)(1.0), lambda f: wg.make_program(f)(np.float64(1.0))]
)
def test_axes_of_scalars(match: str, f: Any, transform: Any) -> None:
    refused(errors.ConcretizationError, match, lambda: transform(f))


# Plain arrays of tracers.


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.asarray(x),  # fault
        lambda x: np.array(x),  # fault
        lambda x: np.array([x, x]),  # fault
        lambda x: np.array([x[0], 1.0]),  # fault
        lambda x: np.asarray([[x[0]], [x[1]]]),  # fault
        lambda x: np.asarray(x, dtype=float),  # fault
        lambda x: np.ascontiguousarray(x),  # fault
        lambda x: np.array([x[0], x[1]], dtype=float),  # fault
        lambda x: np.fromiter(x, float),  # fault
        lambda x: memoryview(np.asarray(x)),  # fault
        lambda x: np.full(3, x[0]),  # fault
        lambda x: np.random.default_rng(0).normal(x),  # fault
    ],
)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: wg.grad(f)(X),
        lambda f: wg.jvp(f, (X,), (X,)),
        lambda f: wg.vmap(f)(X[None]),
        lambda f: wg.make_program(f)(X),
        lambda f: wg.grad(lambda y: wg.jvp(f, (y,), (y,))[1].sum())(X),
    ],
    ids=["grad", "jvp", "vmap", "make_program", "grad(jvp)"],
)
def test_no_plain_or_object_array_of_a_tracer(f: Any, transform: Any) -> None:
    with pytest.raises(errors.WengertError) as info:
        transform(f)
    assert isinstance(
        info.value,
        errors.ArrayConversionError | errors.ConcretizationError | errors.InPlaceWriteError,
    )
    assert "# fault" in str(info.value)
    works()


def test_array_conversion_names_the_call_and_the_way_out() -> None:
    for name, f in [
        ("asarray", lambda x: np.asarray(x)),  # fault
        ("array", lambda x: np.array([x, x])),  # fault
    ]:
        match = rf"np\.{name}\(\) tried to turn"
        call = lambda f=f: wg.grad(f)(X)
        assert f"wengert.numpy.{name}" in refused(errors.ArrayConversionError, match, call)


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("sin", lambda x: math.sin(x)),  # fault
        ("sqrt", lambda x: math.sqrt(x)),  # fault
        ("exp", lambda x: cmath.exp(x)),  # fault
        ("floor", lambda x: math.floor(x)),  # fault
        ("hypot", lambda x: math.hypot(x, 1.0)),  # fault
    ],
)
@pytest.mark.parametrize(
    "transform", [lambda f: wg.grad(f)(0.5), lambda f: wg.jvp(f, (0.5,), (1.0,))]
)
def test_functions_of_the_math_module(name: str, f: Any, transform: Any) -> None:
    message = refused(
        errors.ArrayConversionError, rf"{name}\(\) takes a Python", lambda: transform(f)
    )
    assert f"np.{name}" in message


def test_a_math_function_without_a_numpy_twin() -> None:
    f = lambda x: math.erf(x)  # fault
    match = r"math\.erf\(\) takes a Python float"
    refused(errors.ArrayConversionError, match, lambda: wg.grad(f)(0.5))


@pytest.mark.parametrize(
    "transform", [lambda f: wg.vmap(f)(ONES), lambda f: wg.make_program(f)(1.0)]
)
def test_math_functions_without_a_value(transform: Any) -> None:
    f = lambda x: math.sin(x)  # fault
    with pytest.raises((errors.ConcretizationError, errors.ArrayConversionError)) as info:
        transform(f)
    assert "# fault" in str(info.value)
    works()


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.complex128, np.longdouble])
def test_numpy_scalars_of_a_tracer(kind: Any) -> None:
    f = lambda x: kind(x)  # fault
    match = "plain NumPy (scalar|array)"
    message = refused(errors.ArrayConversionError, match, lambda: wg.grad(f)(0.5))
    assert "astype" in message or "asarray" in message


# Writes.


def store(statement: Callable[[Any, Any], Any]) -> Call:
    """grad of a function that writes its argument into a plain array."""

    def f(x: Any) -> Any:
        a = np.zeros(3)
        statement(a, x)
        return a.sum()

    return lambda: wg.grad(f)(X)


def scalar_write(a: Any, x: Any) -> None:
    a[0] = x[0]  # fault


def slice_write(a: Any, x: Any) -> None:
    a[:2] = x[:2]  # fault


def whole_write(a: Any, x: Any) -> None:
    a[...] = x  # fault


def fancy_write(a: Any, x: Any) -> None:
    a[np.array([0, 2])] = x[:2]  # fault


def mask_write(a: Any, x: Any) -> None:
    a[X > 0.2] = x[0]  # fault


def broadcast_write(a: Any, x: Any) -> None:
    a[:] = x[0]  # fault


def list_write(a: Any, x: Any) -> None:
    a[:2] = [x[0], 1.0]  # fault


def augmented_scalar_write(a: Any, x: Any) -> None:
    a[0] += x[0]  # fault


def augmented_slice_write(a: Any, x: Any) -> None:
    a[1:] *= x[1:]  # fault


def augmented_array(a: Any, x: Any) -> None:
    a += x  # fault


def fill(a: Any, x: Any) -> None:
    a.fill(x[0])  # fault


def put(a: Any, x: Any) -> None:
    a.put([0, 1], x[:2])  # fault


def out_argument(a: Any, x: Any) -> None:
    np.sin(x, out=a)  # fault


def out_of_a_reduction(a: Any, x: Any) -> None:
    np.sum(x, out=a[0:1].reshape(()))  # fault


def out_of_a_method(a: Any, x: Any) -> None:
    x.cumsum(out=a)  # fault


WRITES = [
    scalar_write, slice_write, whole_write, fancy_write, mask_write, broadcast_write, list_write,
    augmented_scalar_write, augmented_slice_write, augmented_array, fill, put,
    out_argument, out_of_a_reduction, out_of_a_method,
]  # fmt: skip


@pytest.mark.parametrize("statement", WRITES, ids=lambda s: s.__name__)
def test_writes_into_plain_arrays(statement: Any) -> None:
    message = refused(errors.InPlaceWriteError, "plain NumPy array|given array", store(statement))
    assert "fix:" in message


@pytest.mark.parametrize("statement", WRITES[:11], ids=lambda s: s.__name__)
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: wg.vmap(f)(X[None]),
        lambda f: wg.make_program(f)(X),
        lambda f: wg.jvp(f, (X,), (X,)),
        lambda f: wg.grad(lambda y: wg.grad(f)(y).sum())(X),
    ],
    ids=["vmap", "make_program", "jvp", "grad(grad)"],
)
def test_writes_into_plain_arrays_under_every_transform(statement: Any, transform: Any) -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3)
        try:
            statement(a, x)
        finally:
            np.testing.assert_array_equal(a, np.zeros(3))  # not half-written
        return a.sum()

    refused(errors.InPlaceWriteError, "plain NumPy array|given array", lambda: transform(f))


def test_a_write_through_flat_raises_and_writes_nothing() -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3)
        try:
            a.flat[0] = x[0]
        finally:
            assert not a.any()
        return a.sum()

    with pytest.raises(ValueError, match="Error setting single item"):  # NumPy hides our error
        wg.grad(f)(X)
    works()


@pytest.mark.parametrize(
    "f",
    [
        lambda x, a: x.sum(out=a),  # fault
        lambda x, a: x.mean(None, None, a),  # fault
        lambda x, a: x.max(0, a),  # fault
        lambda x, a: x.prod(out=a),  # fault
        lambda x, a: x.std(out=a),  # fault
        lambda x, a: x.var(out=a),  # fault
        lambda x, a: x.argmax(out=a),  # fault
        lambda x, a: x.all(out=a),  # fault
        lambda x, a: x.round(out=a),  # fault
        lambda x, a: x.take([0], out=a),  # fault
        lambda x, a: x.cumprod(out=a),  # fault
        lambda x, a: np.sum(x, None, None, a),  # fault
        lambda x, a: np.mean(x, out=a),  # fault
        lambda x, a: np.clip(x, 0, 1, a),  # fault
        lambda x, a: np.add(x, 1.0, a),  # fault
        lambda x, a: np.add(x, 1.0, out=a),  # fault
        lambda x, a: np.add.reduce(x, out=a),  # fault
        lambda x, a: np.matmul(x, x, out=a),  # fault
        lambda x, a: np.concatenate([x, x], out=a),  # fault
        lambda x, a: np.einsum("i->", x, out=a),  # fault
        lambda x, a: np.dot(x, x, out=a),  # fault
        lambda x, a: np.stack([x, x], out=a),  # fault
    ],
)
def test_out_is_refused_everywhere(f: Any) -> None:
    refused(errors.InPlaceWriteError, "out=", lambda: wg.grad(lambda x: f(x, np.zeros(3)))(X))


def test_writing_shows_the_line_and_the_way_out() -> None:
    message = refused(
        errors.InPlaceWriteError, "cannot be written into a plain", store(scalar_write)
    )
    assert "a = wengert.numpy.array(a)\n" in message
    assert "a[0] = x[0]" in message


def test_index_a_plain_array_with_a_tracer() -> None:
    table = np.arange(5.0)
    for transform in (lambda f: wg.vmap(f)(np.array([1, 2])), lambda f: wg.make_program(f)(1)):
        with pytest.raises(errors.WengertError, match="index") as info:
            transform(lambda i: table[i])  # fault
        assert "wengert.numpy.take" in str(info.value)
        assert "# fault" in str(info.value)
        works()


# grad.


@pytest.mark.parametrize("transform", [wg.grad, wg.value_and_grad], ids=["grad", "value_and_grad"])
@pytest.mark.parametrize(
    ("match", "needle", "f"),
    [
        ("returned an array", "f64[3]", lambda x: x),
        ("returned an array", "wengert.jacobian", lambda x: x[:1]),
        ("returned a NoneType", "is a `return` missing", lambda x: None),
        ("returned a tuple", "has_aux=True", lambda x: (x.sum(), x)),
        ("returned a dict", "has_aux=True", lambda x: {"loss": x.sum()}),
        ("returned a list", "return the number alone", lambda x: [x.sum()]),
    ],
)
def test_results_that_are_no_scalar(transform: Any, match: str, needle: str, f: Any) -> None:
    call = lambda: transform(f)(X)  # fault
    message = refused(errors.NonScalarOutputError, match, call)
    assert needle in message
    assert transform.__name__ in message


@pytest.mark.parametrize(
    ("match", "f"),
    [
        ("the result has no derivative", lambda x: np.argmax(x)),
        ("the result has no derivative", lambda x: x[0] > 0),
        ("the result has no derivative", lambda x: 3),
        ("the result is complex", lambda x: np.sum(x) * 1j),
    ],
)
def test_scalar_results_without_a_gradient(match: str, f: Any) -> None:
    call = lambda: wg.grad(f)(X)  # fault
    refused(errors.DtypeError, match, call)


@pytest.mark.parametrize(
    "call",
    [
        lambda v: wg.grad(np.sum)(v),  # fault
        lambda v: wg.value_and_grad(np.sum)(v),  # fault
        lambda v: wg.vjp(np.sum, v),  # fault
        lambda v: wg.linearize(np.sum, v),  # fault
        lambda v: wg.jvp(np.sum, (v,), (v,)),  # fault
        lambda v: wg.jacfwd(np.sum)(v),  # fault
        lambda v: wg.jacrev(np.sum)(v),  # fault
        lambda v: wg.hessian(np.sum)(v),  # fault
        lambda v: wg.hvp(np.sum, (v,), (v,)),  # fault
    ],
)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integers", 3),
        ("integers", np.arange(3)),
        ("integers", np.uint8(3)),
        ("bools", True),
        ("bools", np.array([True, False])),
    ],
)
def test_integer_and_bool_inputs(call: Any, kind: str, value: Any) -> None:
    message = refused(errors.DtypeError, f"argument 0 consists of {kind}", lambda: call(value))
    assert "argnums" in message


def test_the_path_of_an_integer_leaf_is_named() -> None:
    call = lambda: wg.grad(lambda x, p: x, (0, 1))(1.0, {"W": [1, 2]})  # fault
    refused(errors.DtypeError, r"argument 1\['W'\]\[0\] consists of integers", call)


def test_holomorphic() -> None:
    f = lambda z: np.sum(z**2)
    call = lambda: wg.grad(f, holomorphic=True)(X)  # fault
    refused(errors.DtypeError, "arguments must be complex", call)
    call = lambda: wg.grad(lambda z: np.abs(z), holomorphic=True)(1j)  # fault
    refused(errors.DtypeError, "result must be complex", call)
    call = lambda: wg.grad(f)(X * 1j)  # fault
    refused(errors.DtypeError, "result is complex", call)
    call = lambda: wg.jacfwd(f)(X * 1j)  # fault
    refused(errors.DtypeError, "arguments must be real", call)
    call = lambda: wg.jacrev(f)(X * 1j)  # fault
    refused(errors.DtypeError, "result must be real", call)
    call = lambda: wg.jacobian(f, holomorphic=True)(X)  # fault
    refused(errors.DtypeError, "arguments must be complex", call)


@pytest.mark.parametrize("transform", [wg.grad, wg.jacfwd, wg.jacrev, wg.hessian])
def test_argnums(transform: Any) -> None:
    f = lambda x, y: x * y
    for argnums in (2, -3, (0, 5)):
        call = lambda a=argnums: transform(f, a)(1.0, 2.0)  # fault
        message = refused(
            errors.ShapeError, f"argnums={re.escape(str(argnums))} is out of range", call
        )
        assert "2 positional arguments" in message
    call = lambda: transform(f, (0, -2))(1.0, 2.0)  # fault
    refused(errors.ShapeError, "names an argument twice", call)
    call = lambda: transform(f, ("x",))(1.0, 2.0)  # fault
    refused(errors.DtypeError, "must be an int or a tuple of ints", call)
    call = lambda: transform(f, 2)(1.0, y=2.0)  # fault
    message = refused(errors.ShapeError, "argnums=2 is out of range", call)
    assert "keyword arguments ['y']" in message


@pytest.mark.parametrize(
    ("match", "call"),
    [
        ("argnums must be an int or", lambda: wg.grad(np.sum, argnums=0.5)(X)),  # fault
        ("argnums must be an int or", lambda: wg.jacfwd(np.sum, argnums="x")(X)),  # fault
        ("axis_size must be", lambda: wg.vmap(lambda: 1.0, axis_size=-1)()),  # fault
        ("axis_size must be", lambda: wg.vmap(lambda: 1.0, axis_size=2.5)()),  # fault
        ("static_argnums must be", lambda: wg.make_program(np.sin, "a")(X)),  # fault
        ("static_argnums must be", lambda: wg.make_program(np.sin, 1.0)(X)),  # fault
    ],
)
def test_settings_of_the_wrong_type(match: str, call: Call) -> None:
    with pytest.raises(errors.WengertError, match=match) as info:
        call()
    assert "# fault" in str(info.value)
    works()


@pytest.mark.parametrize(
    "call",
    [
        lambda f: wg.grad(f, has_aux=True)(X),  # fault
        lambda f: wg.value_and_grad(f, has_aux=True)(X),  # fault
        lambda f: wg.vjp(f, X, has_aux=True),  # fault
        lambda f: wg.linearize(f, X, has_aux=True),  # fault
        lambda f: wg.jvp(f, (X,), (X,), has_aux=True),  # fault
        lambda f: wg.jacfwd(f, has_aux=True)(X),  # fault
        lambda f: wg.jacrev(f, has_aux=True)(X),  # fault
    ],
)
@pytest.mark.parametrize(
    ("got", "f"),
    [
        ("ndarray|Tracer", lambda x: np.sum(x)),
        ("tuple of 3", lambda x: (np.sum(x), 1, 2)),
        ("list", lambda x: [np.sum(x), 1]),
        ("NoneType", lambda x: None),
    ],
)
def test_has_aux_without_a_pair(call: Any, got: str, f: Any) -> None:
    message = refused(errors.TreeError, r"must return a pair \(result, aux\)", lambda: call(f))
    assert re.search(rf"got: +.*({got})", message)


# Leaves.


class Opaque:
    """Something that is no array."""


@pytest.mark.parametrize(
    ("got", "leaf"),
    [
        ("Opaque object", Opaque()),
        ("of type builtins.set", {1.0}),
        ("object", np.array([1.0, None], dtype=object)),
        ("record|array", np.zeros(2, dtype=[("a", float)])),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda v: wg.grad(lambda p: p["a"][0])({"a": [1.0, v]}),  # fault
        lambda v: wg.jvp(lambda p: p["a"][0], ({"a": [1.0, v]},), ({"a": [1.0, v]},)),  # fault
        lambda v: wg.vmap(lambda p: p["a"][0])({"a": [ONES, v]}),  # fault
        lambda v: wg.make_program(lambda p: p["a"][0])({"a": [1.0, v]}),  # fault
        lambda v: wg.jacobian(lambda p: p["a"][0])({"a": [1.0, v]}),  # fault
        lambda v: wg.linear_transpose(lambda p: p["a"][0], {"a": [1.0, v]}),  # fault
    ],
    ids=["grad", "jvp", "vmap", "make_program", "jacobian", "linear_transpose"],
)
def test_leaves_of_arguments_that_are_no_arrays(call: Any, got: str, leaf: Any) -> None:
    message = refused(errors.LeafTypeError, "neither an array nor a number", lambda: call(leaf))
    assert re.search(got, message)
    assert re.search(r"\['a'\]\[1\]", message)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: wg.vjp(f, X),  # fault
        lambda f: wg.jvp(f, (X,), (X,)),  # fault
        lambda f: wg.vmap(f)(X),  # fault
        lambda f: wg.make_program(f)(X),  # fault
        lambda f: wg.jacfwd(f)(X),  # fault
        lambda f: wg.grad(f)(X),  # fault
    ],
    ids=["vjp", "jvp", "vmap", "make_program", "jacfwd", "grad"],
)
@pytest.mark.parametrize("leaf", [{1.0}, Opaque(), np.array([1.0, None])])
def test_leaves_of_results_that_are_no_arrays(call: Any, leaf: Any) -> None:
    refused(
        errors.LeafTypeError,
        r"the result\['a'\] is neither an array nor",
        lambda: call(lambda x: {"a": leaf}),
    )


def test_arguments_that_are_no_tuple() -> None:
    call = lambda: wg.jvp(np.sin, 1.0, 1.0)  # fault
    refused(errors.TreeError, "must come as a tuple", call)
    call = lambda: wg.hvp(np.sum, X, X)  # fault
    refused(errors.TreeError, "must come as a tuple", call)
    call = lambda: wg.jvp(np.sin, (1.0,), 1.0)  # fault
    refused(errors.TreeError, "must come as a tuple", call)


# Tangents and cotangents.


@pytest.mark.parametrize(
    ("kind", "match", "tangents"),
    [
        (errors.TreeError, "structure of the tangents is not that of the primals", ({"b": X},)),
        (errors.TreeError, "structure of the tangents is not", ({"a": X}, X)),
        (errors.TreeError, "structure of the tangents is not", (X,)),
        (errors.ShapeError, r"\['a'\] has another shape than its primal", ({"a": X[:2]},)),
        (errors.ShapeError, r"\['a'\] has another shape than its primal", ({"a": 1.0},)),
        (errors.DtypeError, r"\['a'\] has another dtype", ({"a": X.astype(np.float32)},)),
        (errors.DtypeError, r"\['a'\] has another dtype", ({"a": X * 1j},)),
        (errors.DtypeError, r"\['a'\] has another dtype", ({"a": np.arange(3)},)),
    ],
)
def test_tangents_that_do_not_fit(kind: Any, match: str, tangents: Any) -> None:
    f = lambda p: np.sum(p["a"] ** 2)
    p = {"a": X}
    call = lambda: wg.jvp(f, (p,), tangents)  # fault
    refused(kind, match, call)
    call = lambda: wg.hvp(f, (p,), tangents)  # fault
    refused(kind, match, call)
    _, f_lin = wg.linearize(f, p)
    call = lambda: f_lin(*tangents)  # fault
    refused(kind, match, call)
    due = f_lin({"a": ONES})
    assert due == f_lin({"a": ONES}) == 2 * X.sum()


@pytest.mark.parametrize(
    ("kind", "match", "ct"),
    [
        (errors.TreeError, "structure of the cotangent is not that of the function's result", X),
        (errors.TreeError, "structure of the cotangent is not", {"y": X, "z": X}),
        (errors.ShapeError, r"cotangent \['y'\] has another shape than the result", {"y": X[:2]}),
        (errors.ShapeError, r"cotangent \['y'\] has another shape", {"y": 1.0}),
        (errors.DtypeError, r"cotangent \['y'\] has another dtype", {"y": X.astype(np.float32)}),
        (errors.DtypeError, r"cotangent \['y'\] has another dtype", {"y": X * 1j}),
    ],
)
def test_cotangents_that_do_not_fit(kind: Any, match: str, ct: Any) -> None:
    f = lambda x: {"y": 2.0 * x}
    _, pullback = wg.vjp(f, X)
    _, f_lin = wg.linearize(f, X)
    transpose = wg.linear_transpose(f, X)
    call = lambda: pullback(ct)  # fault
    refused(kind, match, call)
    call = lambda: f_lin.transpose(ct)  # fault
    refused(kind, match, call)
    call = lambda: transpose(ct)  # fault
    refused(kind, match, call)
    np.testing.assert_array_equal(pullback({"y": ONES})[0], 2 * ONES)


@pytest.mark.parametrize("bad", ["text", None, Opaque(), {1.0}])
def test_tangents_that_are_no_arrays(bad: Any) -> None:
    with pytest.raises(errors.WengertError) as info:
        wg.jvp(np.sin, (1.0,), (bad,))  # fault
    assert isinstance(info.value, errors.LeafTypeError | errors.TreeError)
    with pytest.raises(errors.WengertError) as info:
        wg.vjp(np.sin, 1.0)[1](bad)  # fault
    assert isinstance(info.value, errors.LeafTypeError | errors.TreeError)
    assert "# fault" in str(info.value)
    works()


# vmap.


def test_batch_sizes_that_differ_are_listed_with_a_tick_or_a_cross() -> None:
    p = {"W": np.ones((4, 2)), "b": np.ones(3)}
    f = wg.vmap(lambda p, x, s: x, in_axes=(0, 1, None))
    call = lambda: f(p, np.ones((2, 4)), 5.0)  # fault
    message = refused(errors.BatchError, "the batch sizes differ", call)
    assert "✓ argument 0['W']: f64[4,2], axis 0 of size 4" in message
    assert "✗ argument 0['b']: f64[3], axis 0 of size 3" in message
    assert "✓ argument 1: f64[2,4], axis 1 of size 4" in message
    assert "- argument 2: f64*[]" in message
    assert "size 4 everywhere (most arguments say so)" in message
    assert "in_axes=None" in message


def test_axis_size_that_differs() -> None:
    call = lambda: wg.vmap(np.sin, axis_size=5)(ONES)  # fault
    message = refused(errors.BatchError, "the batch sizes differ", call)
    assert "axis_size says so" in message
    assert "✗ argument 0: f64[3]" in message


def test_keyword_arguments_are_listed_too() -> None:
    call = lambda: wg.vmap(lambda x, k: x)(ONES, k=np.ones(2))  # fault
    message = refused(errors.BatchError, "sizes differ", call)
    assert "keyword argument k: f64[2]" in message


@pytest.mark.parametrize(
    ("match", "call"),
    [
        ("argument 0 has no axis 1", lambda: wg.vmap(np.sin, 1)(ONES)),  # fault
        ("argument 0 has no axis -2", lambda: wg.vmap(np.sin, -2)(ONES)),  # fault
        ("argument 0 has no axis 0", lambda: wg.vmap(np.sin)(1.0)),  # fault
        (
            r"argument 0\['a'\] has no axis 0",
            lambda: wg.vmap(lambda p: p["a"])({"a": 1.0}),  # fault
        ),
        ("in_axes has another number of items", lambda: wg.vmap(np.add, (0, 0))(ONES)),  # fault
        ("in_axes has another number of items", lambda: wg.vmap(np.sin, (0, 0))(ONES)),  # fault
        ("in_axes must hold ints and None", lambda: wg.vmap(np.sin, "0")(ONES)),  # fault
        ("in_axes must hold ints and None", lambda: wg.vmap(np.sin, 0.0)(ONES)),  # fault
        ("no argument is batched", lambda: wg.vmap(np.sin, None)(ONES)),  # fault
        ("no argument is batched", lambda: wg.vmap(lambda: 1.0)()),  # fault
        ("out_axes is None for the result", lambda: wg.vmap(np.sin, out_axes=None)(ONES)),  # fault
        ("has no place for a batch axis at 1", lambda: wg.vmap(np.sin, out_axes=1)(ONES)),  # fault
        (
            "has no place for a batch axis at -2",
            lambda: wg.vmap(np.sin, out_axes=-2)(ONES),  # fault
        ),
        ("out_axes must hold ints and None", lambda: wg.vmap(np.sin, out_axes="0")(ONES)),  # fault
    ],
)
def test_axes(match: str, call: Call) -> None:
    refused(errors.BatchError, match, call)


@pytest.mark.parametrize(
    ("match", "call"),
    [
        (
            "in_axes is not a prefix of the structure of the argument",
            lambda: wg.vmap(lambda p: p["a"], ({"b": 0},))({"a": ONES}),  # fault
        ),
        (
            r"in_axes is not a prefix .* differ at \[0\]\['a'\]",
            lambda: wg.vmap(lambda p: p["a"][0], ({"a": (0, 0)},))({"a": [ONES, ONES]}),  # fault
        ),
        (
            "out_axes is not a prefix of the structure of the result",
            lambda: wg.vmap(lambda x: {"a": x}, out_axes={"b": 0})(ONES),  # fault
        ),
        (
            "out_axes is not a prefix of the structure of the result",
            lambda: wg.vmap(lambda x: (x, x), out_axes=(0,))(ONES),  # fault
        ),
    ],
)
def test_prefixes(match: str, call: Call) -> None:
    refused(errors.TreeError, match, call)


# linear_transpose.


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("sin", lambda x: np.sin(x)),  # fault
        ("mul", lambda x: x * x),  # fault
        ("pow", lambda x: x**2),  # fault
        ("div", lambda x: 1.0 / x),  # fault
        ("matmul|dot|einsum", lambda x: x @ x),  # fault
        ("abs", lambda x: abs(x)),  # fault
        ("less|greater", lambda x: np.where(x > 0, x, 0.0)),  # fault
        ("sort|argsort", lambda x: np.sort(x)),  # fault
    ],
)
def test_functions_that_are_not_linear(name: str, f: Any) -> None:
    message = refused(
        errors.NonLinearError,
        rf"is not linear: it applies '({name})'",
        lambda: wg.linear_transpose(f, X),
    )
    assert "linearize or vjp" in message


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1.0,  # fault
        lambda x: 2.0 - x,  # fault
        lambda x: np.concatenate([x, ONES]),  # fault
        lambda x: np.where(ONES > 0, x, 1.0),  # fault
    ],
)
def test_functions_that_are_affine(f: Any) -> None:
    message = refused(
        errors.NonLinearError, "is affine, not linear", lambda: wg.linear_transpose(f, X)
    )
    assert "f(x) - f(0)" in message


def test_a_constant_result_is_affine_too() -> None:
    call = lambda: wg.linear_transpose(lambda x: ONES, X)  # fault
    refused(errors.NonLinearError, "affine", call)
    call = lambda: wg.linear_transpose(lambda x: (x, 1.0), X)  # fault
    refused(errors.NonLinearError, "affine", call)


def test_linear_functions_of_integers() -> None:
    call = lambda: wg.linear_transpose(lambda x: x, 3)  # fault
    refused(errors.DtypeError, "of floats or complex numbers", call)


# Programs and trees.


def test_make_program() -> None:
    f = lambda x: x
    call = lambda: wg.make_program(f, 1)(X)  # fault
    refused(errors.ShapeError, "static_argnums=.* is out of range", call)
    program = wg.make_program(lambda x: {"y": x})(X)
    call = lambda: program(np.ones(2))  # fault
    refused(errors.ShapeError, "another shape than the program was made for", call)
    call = lambda: program(X, X)  # fault
    refused(errors.TreeError, "structure of the arguments is not", call)
    assert list(program(X)) == ["y"]


def test_check_program() -> None:
    program = wg.make_program(np.sin)(X)
    broken = wg.Program(program.inputs, program.equations * 2, program.outputs)
    with pytest.raises(errors.ProgramTypeError, match="a variable is assigned twice"):
        check_program(broken)
    works()


def test_tree_mismatch() -> None:
    call = lambda: wg.tree.map(lambda a, b: a, [1.0], (2.0,))  # fault
    refused(errors.TreeError, r"tree\.map: the structure of tree 2 is not", call)


def test_defining_a_primitive_twice() -> None:
    call = lambda: Primitive("sin", np.sin)  # fault
    refused(errors.RuleDefinitionError, "'sin' is defined already", call)


def test_index_arrays_of_floats() -> None:
    with pytest.raises(IndexError, match="must be of integers or bools") as info:
        wg.grad(lambda x: x[np.array([0.0])].sum())(X)
    assert "astype(int)" in str(info.value)
    works()


@pytest.mark.parametrize(
    ("kind", "f"),
    [
        (IndexError, lambda x: x[3]),
        (IndexError, lambda x: x[0, 0]),
        (IndexError, lambda x: x[np.array([5])]),
        (IndexError, lambda x: x[np.array([True, False])]),
        (ValueError, lambda x: x + np.ones(2)),
        (ValueError, lambda x: x.reshape(2, 2)),
        (ValueError, lambda x: x @ np.ones(2)),
        (ValueError, lambda x: np.sum(x, axis=1)),
        (ValueError, lambda x: np.concatenate([x, np.ones((2, 2))])),
        (ValueError, lambda x: np.stack([x, np.ones(2)])),
        (ValueError, lambda x: np.einsum("ij->i", x)),
        (np.linalg.LinAlgError, lambda x: np.linalg.inv(np.outer(x, x))),
        (np.linalg.LinAlgError, lambda x: np.linalg.cholesky(-np.eye(3) * x)),
        (ValueError, lambda x: np.broadcast_to(x, (3, 2))),
        (ValueError, lambda x: np.transpose(x, (1, 0))),
        (ValueError, lambda x: np.squeeze(x, 0)),
        (ValueError, lambda x: x.max(axis=0, keepdims=True)[1:].max()),
    ],
)
def test_mistakes_raise_what_numpy_raises(kind: Any, f: Any) -> None:
    with pytest.raises(kind):
        f(X)
    for transform in (lambda: wg.grad(f)(X), lambda: wg.jvp(f, (X,), (X,))):
        with pytest.raises(kind):
            transform()
    works()


def test_a_slope_that_is_no_slope() -> None:
    with pytest.raises(
        errors.RuleDefinitionError, match=r"must be a function, 1\.0, -1\.0 or None"
    ):
        elementwise("twice", None, 2.0, impl=lambda x: 2 * x, dtype=lambda x: x.dtype)


@pytest.mark.parametrize(
    ("f", "match"),
    [
        (
            lambda v: np.sum(v @ np.ones((2, 3))),
            r"np\.matmul: the last axis .* f64\[3\] @ f64\[2,3\]",
        ),
        (lambda v: np.sum(np.concatenate([v, np.ones((2, 3))])), r"np\.concatenate: all shapes"),
        (lambda v: np.sum(np.stack([v, np.ones(2)])), r"np\.stack: all shapes"),
        (lambda v: np.sum(np.reshape(v, (2, 2))), r"np\.reshape: cannot reshape f64\[3\]"),
        (lambda v: np.sum(np.broadcast_to(v, (2, 2))), r"np\.broadcast_to: cannot broadcast"),
    ],
)
def test_shapes_that_do_not_fit_in_a_numpy_call(f: Any, match: str) -> None:
    with pytest.raises(errors.ShapeError, match=match) as info:
        wg.grad(f)(np.ones(3))
    assert "test_errors.py" in str(info.value)
