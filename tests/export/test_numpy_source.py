"""`to_numpy_source`: the form of the text, trees, constants, types and errors."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from source_runs import check, function_of, same
from test_composition import PROGRAMS, X, by_grad, by_vjp, control_flow

import wengert as wg
from wengert.core.errors import MissingRuleError, RuleDefinitionError, UnsupportedError
from wengert.core.rules import elementwise


def loss(params: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x @ params["W"] + params["b"])
    return np.mean((h - y) ** 2)


PARAMS = {"W": np.arange(6.0).reshape(3, 2) / 7, "b": np.array([0.1, -0.2])}
IMAGES, LABELS = np.linspace(-1, 1, 15).reshape(5, 3), np.ones((5, 2))


def test_the_text_of_a_gradient() -> None:
    text = wg.to_numpy_source(wg.grad(loss), PARAMS, IMAGES, LABELS)
    assert (
        text
        == """import numpy as np


def grad_loss(params, x, y):
    W = params["W"]
    b = params["b"]
    # test_numpy_source.py:23: h = np.tanh(x @ params["W"] + params["b"])
    h = np.tanh(x @ W + b)
    v1 = 0.1 * (2.0 * (h - y)) * (1.0 - h * h)
    return {"W": x.T @ v1, "b": np.sum(v1, axis=0)}
"""
    )
    same(
        function_of(text, "grad_loss")(PARAMS, IMAGES, LABELS),
        wg.grad(loss)(PARAMS, IMAGES, LABELS),
    )


def test_the_functions_of_transformations_have_their_names() -> None:
    assert "def value_and_grad_loss(" in wg.to_numpy_source(
        wg.value_and_grad(loss), PARAMS, IMAGES, LABELS
    )
    assert "def per_row(" in wg.to_numpy_source(loss, PARAMS, IMAGES, LABELS, name="per_row")
    assert "def function(x):" in wg.to_numpy_source(lambda x: x + 1.0, 2.0)


def test_comments_can_be_left_out() -> None:
    assert "#" not in wg.to_numpy_source(loss, PARAMS, IMAGES, LABELS, comments=False)


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Layer:
    weights: Any
    bias: Any


def test_trees_of_arguments_and_results() -> None:
    layer, pair = Layer(np.eye(2), np.ones(2)), Pair(np.ones(2), [np.zeros(2), (2.0,)])

    def f(layer: Any, pair: Any, rest: Any) -> Any:
        y = layer.weights @ pair.left + layer.bias + rest["a b"][0] * pair.right[1][0]
        return Pair(y, Layer(pair.right[0], y + 1.0)), [None, (y,), {"b": y, "a": pair.right[0]}]

    text = wg.to_numpy_source(f, layer, pair, {"a b": [np.ones(2)]})
    assert "weights = layer.weights" in text
    assert "left = pair.left" in text
    found = function_of(text)(layer, pair, {"a b": [np.ones(2)]})
    due = f(layer, pair, {"a b": [np.ones(2)]})
    assert wg.tree.structure(found) == wg.tree.structure(due)
    assert list(found[1][2]) == ["b", "a"]
    same(found, due)


def test_an_ordered_dict_comes_back_as_one() -> None:
    f = lambda d: OrderedDict([("z", d["z"] * 2.0), ("a", d["a"])])
    given = OrderedDict([("z", np.ones(2)), ("a", np.zeros(2))])
    found = function_of_ordered(wg.to_numpy_source(f, given, name="f"))(given)
    assert type(found) is OrderedDict
    assert list(found) == ["z", "a"]


def function_of_ordered(text: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    return namespace["f"]


def test_names_that_are_taken_get_numbers() -> None:
    def f(x: Any, np_: Any, v1: Any, special: Any) -> Any:
        list_ = np.sin(x) * v1
        return list_ * np_ + np.sum(list_) + special

    check(f, np.ones(2), 2.0, np.ones(2), 3.0)

    def g(a: Any, b: Any) -> Any:
        return a["w"] * b["w"]

    text = check(g, {"w": np.ones(2)}, {"w": np.ones(2)})
    assert "w_2 = b" in text


@pytest.mark.parametrize("size", [0, 1, 4, 30, 3000])
@pytest.mark.parametrize("kind", ["f8", "f4", "c16", "i4", "i8", "?", "u1"])
def test_constants_come_back_bit_for_bit(size: int, kind: str) -> None:
    rng = np.random.default_rng(size)
    values = (rng.standard_normal(size) * 100).astype(kind)
    f = lambda x: (values, x + values)
    found = function_of(wg.to_numpy_source(f, np.float32(0), name="f"))(np.float32(0))
    assert found[0].dtype == values.dtype
    assert found[0].tobytes() == values.tobytes()
    same(found, f(np.float32(0)))


def test_special_numbers_and_plain_arrays() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 1e300, 5e-324])
    text = check(lambda x: x * odd, 1.0)
    assert "np.nan, np.inf, -np.inf, -0.0" in text
    text = check(lambda x: (x * np.zeros((2, 3)), x + np.arange(20), x * np.eye(3)), 2.0)
    assert "np.arange(20)" in text and "np.eye(3)" in text


def test_a_constant_is_written_once() -> None:
    table = np.random.default_rng(0).standard_normal(50)
    text = check(lambda x: np.sin(x * table) + table.copy(), 2.0)
    assert text.count("np.array(") == 1


@pytest.mark.parametrize(
    "x", [2.0, np.float64(2.0), np.float32(2.0), 2, np.ones(3, np.float32), 1j]
)
def test_types_are_kept(x: Any) -> None:
    check(lambda x: (x * 2, x / 3, np.sin(x) + 1.5, np.exp(x) * np.float64(0.5), x**2, x), x)


def test_numbers_follow_numpy_where_python_raises() -> None:
    f = lambda x: 1.0 / x + x**0.5
    run = function_of(wg.to_numpy_source(f, 1.0, name="f"))
    with np.errstate(all="ignore"):
        assert np.isinf(run(0.0))
        assert np.isnan(run(-1.0))


def test_empty_arrays_and_writes() -> None:
    def f(x: Any, i: Any) -> Any:
        y = x * 2.0
        y[1:] = x[:-1]
        y[i] += 3.0
        return y, x[:0], np.sum(x[:0])

    check(f, np.arange(4.0), np.array([0, 2]))
    check(wg.grad(lambda x: np.sum(f(x, np.array([0, 2]))[0] ** 2)), np.arange(4.0))


def test_arguments_are_not_written_to() -> None:
    def f(x: Any) -> Any:
        y = np.copy(x)
        y[0] = 7.0
        return y

    x = np.zeros(2)
    function_of(wg.to_numpy_source(f, x, name="f"))(x)
    assert x[0] == 0.0


def test_loops_and_branches_are_pythons() -> None:
    def f(x: Any) -> Any:
        y, _ = wg.scan(lambda c, k: (np.sin(c) * k, None), x, np.arange(3.0))
        y = wg.while_loop(lambda c: np.sum(c) < 5.0, lambda c: np.exp(c), y)
        return wg.cond(np.sum(y) > 2.0, lambda: y * 2.0, lambda: y)

    text = check(f, np.ones(2))
    for word in ("for i in range(3):", "while np.sum(", "if np.sum(", "else:"):
        assert word in text
    text = check(wg.grad(lambda x: np.sum(f(x))), np.ones(2))
    assert ".append(" in text and "in reversed(" in text


def test_derivatives_of_while_loops_to_third_order() -> None:
    f = lambda x: wg.while_loop(lambda c: c[0] < 10.0, lambda c: (c[0] * x, c[1] + x), (x, x))[0]
    check(wg.grad(wg.grad(wg.grad(f))), 1.7)
    check(wg.vmap(wg.grad(wg.grad(f))), np.array([1.7, 2.5, 3.0]))


def test_custom_rules_count() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x**2

    f.defjvp(lambda primals, tangents: (primals[0] ** 2, 10.0 * tangents[0]))
    check(f, 3.0)
    check(wg.grad(f), 3.0)
    branchy = lambda x, c: wg.cond(c > 0, lambda: f(x), lambda: x)
    check(wg.vmap(wg.grad(branchy)), np.ones(2), np.array([1.0, -1.0]))
    check(wg.grad(wg.checkpoint(lambda x: np.sin(np.sin(x)))), 3.0)
    check(wg.staged(wg.grad(np.sin)), 3.0)


def test_a_program_as_source() -> None:
    program = wg.make_program(lambda x, y: x * y)(np.ones(2), 2.0)
    text = wg.to_numpy_source(program)
    assert "def function(x0, x1):" in text
    same(function_of(text, "function")(np.ones(2), 2.0), np.full(2, 2.0))


def test_a_black_box_is_refused() -> None:
    @wg.numerical_rule
    def solver(x: Any) -> Any:
        return np.asarray(x) ** 2

    with pytest.raises(
        MissingRuleError, match=r"(?s)'numerical_call' has no NumPy text.*at:.*solver"
    ):
        wg.to_numpy_source(lambda x: solver(x) + 1.0, 2.0)


class _Scale:
    def __call__(self, x: Any) -> Any:
        return x * 3.0


def test_primitives_of_the_users() -> None:
    tripled = elementwise("test_tripled", None, 1.0, impl=_Scale(), dtype=lambda x: x.dtype)
    with pytest.raises(
        MissingRuleError, match=r"(?s)'test_tripled' has no NumPy text.*define_numpy"
    ):
        wg.to_numpy_source(tripled.bind, 2.0)
    wg.define_numpy_source(tripled, lambda x: x * 3.0)
    assert "x0 * 3.0" in check(tripled.bind, np.float64(2.0))
    plain = elementwise(
        "test_softened", None, 1.0, impl=lambda x: np.logaddexp(0, x), dtype=lambda x: x.dtype
    )
    assert "np.logaddexp(0, x0)" in check(plain.bind, np.ones(2))


def test_wrong_definitions_are_refused() -> None:
    with pytest.raises(RuleDefinitionError, match="needs a primitive and a function"):
        wg.define_numpy_source("sin", np.sin)  # type: ignore[arg-type]
    sin = wg.core.Primitive.registry["sin"]
    with pytest.raises(RuleDefinitionError, match="cannot be written down"):
        wg.define_numpy_source(sin, _Scale())


def test_results_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="cannot be written down"):
        wg.to_numpy_source(lambda x: (x, check), 2.0)

    with pytest.raises(UnsupportedError, match="a parameter is called np"):
        wg.to_numpy_source(lambda np: np * 2.0, 1.0)

    class Local(NamedTuple):
        x: Any

    with pytest.raises(UnsupportedError, match="cannot be imported"):
        wg.to_numpy_source(lambda x: Local(x), 2.0)


def test_texts_are_formatted_and_run_in_a_process_of_their_own(tmp_path: Path) -> None:
    functions = [f for p in PROGRAMS if p is not control_flow for f in (p, by_vjp(p), by_grad(p))]
    lines = ["import sys", "sys.modules['wengert'] = None", "import numpy as np", "found = []"]
    for i, f in enumerate(functions):
        (tmp_path / f"text_{i}.py").write_text(wg.to_numpy_source(f, X, name="f"))
        lines.append(f"from text_{i} import f")
        lines.append(f"found.append(f(np.array({X.tolist()})))")
    lines.append("np.save('found.npy', np.stack(found))")
    (tmp_path / "run_all.py").write_text("\n".join(lines))
    subprocess.run([sys.executable, "run_all.py"], cwd=tmp_path, check=True)
    due = np.stack([f(X) for f in functions])
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), due, rtol=1e-11, atol=1e-11)
    (tmp_path / "run_all.py").unlink()
    try:
        ruff = subprocess.run(
            [Path(sys.executable).parent / "ruff", "format", "--check", "--isolated",
             "--line-length", "100", "."],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("ruff is not installed")
    assert ruff.returncode == 0, ruff.stdout


def test_names_of_the_users_own() -> None:
    assert "def _inner(x):" in wg.to_numpy_source(np.sin, X, name="_inner")
    for name in ("1 x", "class", "np", 3):
        with pytest.raises(UnsupportedError, match="cannot have this name"):
            wg.to_numpy_source(np.sin, X, name=name)  # type: ignore[arg-type]
