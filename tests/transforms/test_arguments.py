"""Which arguments are differentiated or batched: argnums, argnames, in_axes by name."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

X = np.array([0.5, 2.0, -1.0])


def f(a: Any, b: Any, *, c: Any = 2.0, mode: str = "plain") -> Any:
    """A function with two positional arguments, a keyword with a default, and a text."""
    assert mode == "plain"
    return np.sum(a * b**2 * c)


A_BAR, B_BAR, C_BAR = np.full(3, 18.0), 12.0 * X.sum(), 9.0 * X.sum()


def same(found: Any, due: Any) -> None:
    """Equal trees of arrays."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b)


# The same argument, named or numbered, passed by position or by keyword.

CALLS: list[Any] = [
    ((X, 3.0), {}),
    ((X,), {"b": 3.0}),
    ((), {"b": 3.0, "a": X}),
    ((X, 3.0), {"c": 2.0, "mode": "plain"}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
@pytest.mark.parametrize(
    ("choice", "due"),
    [
        ({}, A_BAR),
        ({"argnums": 0}, A_BAR),
        ({"argnums": 1}, B_BAR),
        ({"argnums": (1, 0)}, (B_BAR, A_BAR)),
        ({"argnames": "a"}, A_BAR),
        ({"argnames": "b"}, B_BAR),
        ({"argnames": "c"}, C_BAR),
        ({"argnames": ("c", "a")}, (C_BAR, A_BAR)),
        ({"argnames": ["b"]}, (B_BAR,)),
        ({"argnames": ()}, ()),
        ({"argnums": 0, "argnames": "c"}, (A_BAR, C_BAR)),
        ({"argnums": (0,), "argnames": ("c", "b")}, ((A_BAR,), (C_BAR, B_BAR))),
    ],
)
def test_argnames_and_argnums(args: Any, kwargs: Any, choice: Any, due: Any) -> None:
    same(wg.grad(f, **choice)(*args, **kwargs), due)
    value, g = wg.value_and_grad(f, **choice)(*args, **kwargs)
    same(g, due)
    assert value == f(*args, **kwargs)
    for jac in (wg.jacfwd, wg.jacrev, wg.jacobian):
        same(jac(f, **choice)(*args, **kwargs), due)
    value, found = wg.value_and_jacobian(f, **choice)(*args, **kwargs)
    same((value, found), (f(*args, **kwargs), due))


def test_hessians_by_name() -> None:
    g = lambda a, *, b: a**2 * b**3
    assert wg.hessian(g, argnames="b")(2.0, b=3.0) == 72.0
    assert wg.hessian(g, argnames=("a", "b"))(2.0, b=3.0) == ((54.0, 108.0), (108.0, 72.0))
    assert wg.hessian(g, 0, argnames=("b",))(2.0, b=3.0) == (
        (54.0, (108.0,)),
        ((108.0, (72.0,)),),
    )
    assert wg.value_and_hessian(g, argnames="b")(2.0, b=3.0) == (108.0, 72.0)
    h = lambda a, b: a**2 * b**3
    assert wg.hvp(h, (2.0, 3.0), (1.0, 0.0), argnames="b") == 108.0
    assert wg.hvp(h, (2.0, 3.0), (1.0, 0.0), argnames=("b", "a")) == (108.0, 54.0)


def test_a_default_is_differentiated_where_it_was_used() -> None:
    assert wg.grad(lambda x, scale=3.0: scale * x**2, argnames="scale")(2.0) == 4.0
    assert wg.grad(lambda x, scale=3.0: scale * x**2, 1)(2.0) == 4.0
    assert wg.grad(lambda x, *, s={"u": 3.0}: s["u"] * x, argnames="s")(2.0) == {"u": 2.0}


class Model:
    """Something to call, and a method."""

    def __call__(self, w: Any, x: Any = 2.0) -> Any:
        """A product."""
        return w * x

    def loss(self, w: Any, x: Any) -> Any:
        """Another product."""
        return w**2 * x


def test_names_are_found_in_all_kinds_of_functions() -> None:
    assert wg.grad(Model(), argnames="x")(5.0) == 5.0
    assert wg.grad(Model().loss, argnames="w")(5.0, x=3.0) == 30.0
    assert wg.grad(functools.partial(f, b=3.0), argnames="b")(X) == B_BAR
    assert wg.grad(lambda *args, **kwargs: args[0] * kwargs["k"], argnames="k")(2.0, k=3.0) == 2.0
    assert wg.grad(lambda a, /, b: a * b, argnames="a")(2.0, 3.0) == 3.0
    nested = wg.grad(wg.grad(lambda a, b: a**2 * b**2, argnames="b"), argnames="a")
    assert nested(2.0, b=3.0) == 24.0
    batched = wg.vmap(wg.grad(lambda a, b: a * b**2, argnames="b"), in_axes=(0, None))
    same(batched(X, 3.0), 6.0 * X)


@pytest.mark.parametrize("transform", [wg.grad, wg.jacfwd, wg.value_and_jacobian, wg.hessian])
def test_names_that_do_not_fit(transform: Any) -> None:
    with pytest.raises(errors.ShapeError, match="there is none called 'q'") as info:
        transform(f, argnames="q")(X, 3.0)
    assert "the arguments ['a', 'b', 'c', 'mode']" in str(info.value)
    with pytest.raises(errors.ShapeError, match="there is none called 'q'") as info:
        transform(lambda *args, **kwargs: args[0], argnames="q")(1.0, k=2.0)
    assert "the arguments ['k']" in str(info.value)
    with pytest.raises(errors.ShapeError, match="names an argument twice"):
        transform(f, argnames=("a", "a"))(X, 3.0)
    with pytest.raises(errors.ShapeError, match=r"argnums=0, argnames=\('a',\) names an .* twice"):
        transform(f, 0, argnames=("a",))(X, 3.0)
    with pytest.raises(errors.DtypeError, match="argnames must be a name or a tuple of names"):
        transform(f, argnames=1)
    with pytest.raises(errors.DtypeError, match="argnames must be a name or a tuple of names"):
        transform(f, argnames=("a", 1))
    with pytest.raises(
        errors.DtypeError, match="argnums must be an int or a tuple of ints"
    ) as info:
        transform(f, "a")
    assert "argnames= takes names" in str(info.value)
    with pytest.raises(errors.ShapeError, match="argnums=3 is out of range"):
        transform(f, 3)(X, 3.0)
    with pytest.raises(errors.ShapeError, match="argnums=1 is out of range"):
        transform(lambda *args: args[0], 1)(X)


def test_messages_name_the_argument_as_the_user_knows_it() -> None:
    with pytest.raises(errors.DtypeError, match="argument 1 consists of integers"):
        wg.grad(f, 1)(X, 3)
    with pytest.raises(errors.DtypeError, match="argument b consists of integers"):
        wg.grad(f, argnames="b")(X, b=3)
    with pytest.raises(errors.LeafTypeError, match="argument mode is neither an array nor"):
        wg.grad(f, argnames=("a", "mode"))(X, 3.0)
    with pytest.raises(errors.LeafTypeError, match=r"argument 2\['k'\] is neither an array nor"):
        wg.jacobian(lambda a, b, c: a, 2)(1.0, 2.0, {"k": object()})


# vmap: in_axes by name.


def g(x: Any, b: Any, *, scale: Any = 1.0, name: str = "") -> Any:
    """A function to batch."""
    return np.sum(x) * b * scale


M = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("in_axes", "args", "kwargs", "due"),
    [
        ({"b": None}, (M, 2.0), {}, [6.0, 24.0]),
        ({"b": None, "x": 1}, (M, 2.0), {}, [6.0, 10.0, 14.0]),
        ({"b": None, "x": -1}, (M,), {"b": 2.0}, [6.0, 10.0, 14.0]),
        ({"b": None, "x": 0}, (), {"b": 2.0, "x": M}, [6.0, 24.0]),
        ({"b": None, "scale": None}, (M, 2.0), {"scale": 3.0}, [18.0, 72.0]),
        ({"b": None, "scale": 1}, (M, 2.0), {"scale": np.ones((1, 2))}, [[6.0], [24.0]]),
        ({"b": None}, (M, 2.0), {"scale": np.array([1.0, 2.0])}, [6.0, 48.0]),
        ({"b": None, "name": None}, (M, 2.0), {}, [6.0, 24.0]),
        ({"b": None}, (M, 2.0), {"name": "text"}, [6.0, 24.0]),
        ({}, (M, np.ones(2)), {}, [3.0, 12.0]),
    ],
)
def test_in_axes_by_name(in_axes: Any, args: Any, kwargs: Any, due: Any) -> None:
    np.testing.assert_allclose(wg.vmap(g, in_axes)(*args, **kwargs), due)


def test_in_axes_by_name_may_hold_prefixes() -> None:
    p = {"w": M, "b": 2.0}
    found = wg.vmap(lambda p, x: p["w"] * p["b"] + x, in_axes={"p": {"w": 1, "b": None}, "x": None})
    np.testing.assert_allclose(found(p, 1.0), 2 * M.T + 1)
    np.testing.assert_allclose(found(x=1.0, p=p), 2 * M.T + 1)
    product = wg.vmap(lambda *args: args[0] * args[1], in_axes={})
    np.testing.assert_allclose(product(M, M), M * M)


@pytest.mark.parametrize(
    ("kind", "match", "in_axes"),
    [
        (errors.BatchError, "in_axes names no argument that was passed: 'q'", {"q": 0}),
        (errors.BatchError, "in_axes names no argument that was passed: 'q'", {"q": None}),
        (errors.BatchError, "in_axes names no argument that was passed: 'scale'", {"scale": 0}),
        (errors.BatchError, "in_axes names no argument that was passed: 0", {0: 0}),
        (errors.BatchError, "in_axes must hold ints and None", {"x": "0"}),
        (errors.BatchError, "argument 0 has no axis 2", {"x": 2}),
        (errors.TreeError, r"in_axes\['x'\] is not a prefix .* of argument 'x'", {"x": {"w": 0}}),
    ],
)
def test_in_axes_by_name_that_do_not_fit(kind: Any, match: str, in_axes: Any) -> None:
    with pytest.raises(kind, match=match):
        wg.vmap(g, in_axes)(M, np.ones(2))


def test_a_dictionary_is_no_prefix_of_a_single_argument() -> None:
    p = {"w": M}
    with pytest.raises(errors.BatchError, match="no argument that was passed: 'w'") as info:
        wg.vmap(lambda p: p["w"], in_axes={"w": 1})(p)
    assert "in_axes=({...},)" in str(info.value)
    np.testing.assert_array_equal(wg.vmap(lambda p: p["w"], in_axes=({"w": 1},))(p), M.T)
