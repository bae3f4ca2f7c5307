"""Mistakes in the rules of custom functions: each error names the rule, the function, what came and
what was due.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    BatchError,
    DtypeError,
    MissingRuleError,
    NonLinearError,
    RuleDefinitionError,
    ShapeError,
    TreeError,
    UnsupportedError,
)

X = np.linspace(0.1, 1.0, 4)


def same(found: Any, due: Any) -> None:
    """Compare trees."""
    wg.tree.map(partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), found, due)


def jvp_of(rule: Any, result: Any = np.sin) -> Any:
    """A custom_jvp function with a rule."""

    @wg.custom_jvp
    def f(x: Any) -> Any:
        return result(x)

    f.defjvp(rule)
    return f


@pytest.mark.parametrize("derive", [lambda f: wg.jvp(f, (X,), (X,)), lambda f: wg.vjp(f, X)])
@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (lambda p, t: np.sin(p[0]), TreeError, r"jvp rule <lambda> .* of f must return a pair"),
        (lambda p, t: (p[0], t[0], t[0]), TreeError, "got:    tuple of 3"),
        (lambda p, t: (p[0], t), TreeError, "structure of the tangent is not that of the result"),
        (lambda p, t: ((p[0], p[0]), (t[0],)), TreeError, "a tuple of 1"),
        (lambda p, t: (p[0], np.sum(t[0])), ShapeError, r"got:    f64\[\]\n *needed: f64\[4\]"),
        (lambda p, t: (p[0], t[0].astype(np.float32)), DtypeError, r"another dtype than the res"),
        (lambda p, t: (p[0] > 0, t[0]), DtypeError, "must be None, because there is no derivative"),
        (lambda p, t: ({"a": p[0]}, {"a": t[0][:2]}), ShapeError, r"the tangent \['a'\] has"),
    ],
)
def test_wrong_jvp_rules(rule: Any, error: Any, message: str, derive: Any) -> None:
    with pytest.raises(error, match=message):
        derive(jvp_of(rule))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p, t: (p[0], np.sin(t[0])), "jvp rule of f is not linear in the tangents: it app"),
        (lambda p, t: (p[0], t[0] * t[0]), "it applies 'mul' to its argument"),
        (lambda p, t: (p[0], t[0] + 1.0), "'add' has a constant operand"),
        (lambda p, t: (p[0], p[0]), "gave a tangent that does not depend on the tangents"),
    ],
)
def test_rules_that_are_not_linear(rule: Any, message: str) -> None:
    with pytest.raises(NonLinearError, match=message) as caught:
        wg.grad(lambda x: np.sum(jvp_of(rule)(x)))(X)
    if "depend" not in message:
        assert "test_custom_checks.py" in str(caught.value)


def vjp_of(bwd: Any, fwd: Any = None) -> Any:
    """A custom_vjp function of two arguments, a tree and an int."""

    @wg.custom_vjp
    def f(p: Any, n: int = 2) -> Any:
        return n * p["x"]

    f.defvjp(fwd or (lambda p, n: (n * p["x"], None)), bwd)
    return f


@pytest.mark.parametrize(
    ("bwd", "error", "message"),
    [
        (lambda _, ct: ct, TreeError, "bwd rule <lambda> .* of f must return a tuple with one cot"),
        (lambda _, ct: (ct,), TreeError, "got:    tuple of 1\n *needed: a tuple of 2"),
        (lambda _, ct: (ct, None), TreeError, "structure of the cotangents is not that of the arg"),
        (lambda _, ct: ({"y": ct}, None), TreeError, r"a dict with keys|keys \('x',\)"),
        (lambda _, ct: ({"x": ct[:2]}, None), ShapeError, r"cotangent \[0\]\['x'\] has another s"),
        (lambda _, ct: ({"x": ct.astype("f4")}, None), DtypeError, "another dtype than its argum"),
        (lambda _, ct: ({"x": ct}, 1.0), DtypeError, r"the cotangent \[1\] must be None"),
    ],
)
def test_wrong_bwd_rules(bwd: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        wg.grad(lambda p: np.sum(vjp_of(bwd)(p)))({"x": X})


def test_fwd_must_return_a_pair() -> None:
    f = vjp_of(lambda _, ct: ({"x": ct}, None), lambda p, n: n * p["x"])
    with pytest.raises(TreeError, match=r"fwd rule <lambda> .* of f must return a pair"):
        wg.grad(lambda p: np.sum(f(p)))({"x": X})


def test_rules_that_disagree_with_the_program() -> None:
    f = jvp_of(lambda p, t: (p[0][:2], t[0][:2]))
    with pytest.raises(ShapeError, match="the jvp rule of f has other results than f itself"):
        wg.vjp(wg.make_program(f)(X), X)
    f = jvp_of(lambda p, t: (p[0].astype("f4"), t[0].astype("f4")))
    with pytest.raises(DtypeError, match="the jvp rule of f has other results than f itself"):
        wg.vjp(wg.make_program(f)(X), X)


@pytest.mark.parametrize(("make", "fix"), [(wg.custom_jvp, "@f.def"), (wg.custom_vjp, "f.defvjp")])
def test_missing_rules(make: Any, fix: str) -> None:
    def f(x: Any) -> Any:
        return np.sin(x)

    custom = make(f)
    same(wg.vmap(custom)(X), np.sin(X))
    for derive in (lambda: wg.grad(custom)(0.5), lambda: wg.jvp(custom, (0.5,), (1.0,))):
        with pytest.raises(MissingRuleError, match="f: no rule was given for the deriv") as caught:
            derive()
        assert fix in str(caught.value)


def test_definitions_that_are_refused() -> None:
    f = jvp_of(lambda p, t: (p[0], t[0]))
    with pytest.raises(RuleDefinitionError, match="f has a jvp rule already"):
        f.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(RuleDefinitionError, match="f has a jvp rule already"):
        f.defjvps(lambda t, y, x: t)
    with pytest.raises(RuleDefinitionError, match="f has a fwd rule already"):
        vjp_of(lambda _, ct: (ct,)).defvjp(lambda p: p, lambda p: p)
    g = wg.custom_vmap(lambda x: x)
    g.def_vmap(lambda size, in_batched, x: (x, True))
    with pytest.raises(RuleDefinitionError, match="has a vmap rule already"):
        g.def_vmap(lambda size, in_batched, x: (x, True))
    with pytest.raises(RuleDefinitionError, match="the jvp rule must be a function"):
        wg.custom_jvp(np.sin).defjvp(3)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(RuleDefinitionError, match="as many rules are due as there are arguments"):
        wg.custom_jvp(lambda x, y: x).defjvps(lambda t, z, x, y: t)
    with pytest.raises(RuleDefinitionError, match="has arguments without derivative"):
        wg.custom_jvp(lambda x, y: x, nondiff_argnums=(1,)).defjvps(lambda t, z, x: t)
    with pytest.raises(RuleDefinitionError, match="the first argument must be a function"):
        wg.custom_jvp((0,))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(RuleDefinitionError, match=r"nondiff_argnums=\(2,\) is out of range"):
        wg.custom_jvp(lambda x, y: x, nondiff_argnums=2)
    with pytest.raises(RuleDefinitionError, match="nondiff_argnames names no argument: 'z'"):
        wg.custom_jvp(lambda x, y: x, nondiff_argnames="z")


def test_arguments_that_are_refused() -> None:
    f = wg.custom_jvp(lambda n, x: n * x, nondiff_argnums=(0,))
    f.defjvp(lambda n, p, t: (n * p[0], n * t[0]))
    assert wg.grad(f, 1)(2.0, 3.0) == 2.0
    with pytest.raises(UnsupportedError, match=r"argument 0 \(n\) is in nondiff_argnums, but it"):
        wg.grad(f, (0, 1))(2.0, 3.0)

    @wg.custom_jvp
    def g(x: Any, *, scale: float = 1.0) -> Any:
        return scale * x

    with pytest.raises(UnsupportedError, match=r"must have a position.*\n.*\['scale'\]"):
        g(1.0, scale=2.0)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda size, flags, x: (x, 1), "out_batched must consist of bools"),
        (lambda size, flags, x: (x[0], True), "is said to be batched has no batch axis"),
        (lambda size, flags, x: x, r"vmap rule <lambda> .* of f must return a pair"),
    ],
)
def test_wrong_batching_rules(rule: Any, message: str) -> None:
    @wg.custom_vmap
    def f(x: Any) -> Any:
        return x

    f.def_vmap(rule)
    with pytest.raises((BatchError, TreeError), match=message):
        wg.vmap(f)(X)


def test_errors_leave_nothing_behind() -> None:
    f = jvp_of(lambda p, t: (p[0], np.sin(t[0])))
    for _ in range(2):
        with pytest.raises(NonLinearError):
            wg.grad(lambda x: np.sum(f(x)))(X)
    same(wg.grad(lambda x: np.sum(np.sin(x)))(X), np.cos(X))
