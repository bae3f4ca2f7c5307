"""Collectives: what they compute, their derivatives in all orders of nesting, names, errors.

Each function of one member has a plain version for the whole batch, which is what it must equal. By
the convention of JAX the cotangents of all members are added up, so that a pullback inside of vmap
is the pullback of the whole batch, member by member.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert import errors

Array = Any
Function = Callable[..., Any]

N = 4
RING = [(i, (i + 1) % N) for i in range(N)]
SHUFFLE = [2, 0, 3, 1]
named = partial(wg.vmap, axis_name="i")


def lanes_first(x: Array) -> Array:
    """For each member, a copy of the whole batch."""
    return np.broadcast_to(x, (N, *x.shape))


CASES: dict[str, tuple[Function, Function]] = {
    "psum": (
        lambda x: wg.psum(np.sin(x) * x[0], "i") * x,
        lambda x: np.sum(np.sin(x) * x[:, :1], axis=0) * x,
    ),
    "psum of a tree": (
        lambda x: wg.psum({"a": x**2, "b": (x**3, 2.0)}, "i")["b"][0] * x,
        lambda x: np.sum(x**3, axis=0) * x,
    ),
    "batch norm": (
        lambda x: (
            (x - wg.pmean(x, "i")) / np.sqrt(wg.pmean((x - wg.pmean(x, "i")) ** 2, "i") + 0.1)
        ),
        lambda x: (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 0.1),
    ),
    "pmax": (
        lambda x: np.exp(x - wg.pmax(x, "i")) * wg.pmax(x**2, "i"),
        lambda x: np.exp(x - np.max(x, axis=0)) * np.max(x**2, axis=0),
    ),
    "pmin": (
        lambda x: wg.pmin(x**3, "i") * x,
        lambda x: np.min(x**3, axis=0) * x,
    ),
    "all_gather": (
        lambda x: np.tanh(wg.all_gather(x * x, "i")) @ x,
        lambda x: np.einsum("kl,il->ik", np.tanh(x * x), x),
    ),
    "all_gather, last axis": (
        lambda x: np.sin(wg.all_gather(x * x, "i", axis=-1)) * x[:, None],
        lambda x: lanes_first(np.sin(x * x).T) * x[:, :, None],
    ),
    "all_gather, tiled": (
        lambda x: wg.all_gather(x * x, "i", tiled=True) * x[0],
        lambda x: np.reshape(x * x, -1) * x[:, :1],
    ),
    "psum_scatter": (
        lambda x: wg.psum_scatter(np.sin(x) * x[0], "i") * x,
        lambda x: np.sum(np.sin(x) * x[:, :1], axis=0)[:, None] * x,
    ),
    "psum_scatter, tiled": (
        lambda x: wg.psum_scatter(np.sin(x) * x[0], "i", tiled=True) * x,
        lambda x: np.sum(np.sin(x) * x[:, :1], axis=0)[:, None] * x,
    ),
    "all_to_all": (
        lambda x: wg.all_to_all(x**2, "i", 0, 0) * x,
        lambda x: (x**2).T * x,
    ),
    "all_to_all, outer product": (
        lambda x: wg.all_to_all(np.outer(x, x), "i", 1, 0) * x,
        lambda x: np.swapaxes(x[:, :, None] * x[:, None, :], 0, 2).swapaxes(1, 2) * x[:, None],
    ),
    "pswapaxes": (
        lambda x: wg.pswapaxes(np.outer(x, x**2), "i", 1) * x,
        lambda x: np.swapaxes(x[:, :, None] * x[:, None, :] ** 2, 0, 2) * x[:, None],
    ),
    "ppermute": (
        lambda x: wg.ppermute(x**2, "i", RING) * x,
        lambda x: np.roll(x**2, 1, axis=0) * x,
    ),
    "ppermute with holes": (
        lambda x: wg.ppermute(x**2, "i", [(3, 1), (0, 2)]) * x,
        lambda x: (x**2)[[0, 3, 0, 0]] * np.array([[0.0], [1.0], [1.0], [0.0]]) * x,
    ),
    "pshuffle": (
        lambda x: wg.pshuffle(x**2, "i", SHUFFLE) * x,
        lambda x: (x**2)[SHUFFLE] * x,
    ),
    "pbroadcast": (
        lambda x: wg.pbroadcast(x**2, "i", 2) * x,
        lambda x: (x**2)[2] * x,
    ),
    "axis_index": (
        lambda x: wg.axis_index("i") * x**2 / wg.axis_size("i") + wg.psum(1, "i") * x,
        lambda x: np.arange(N)[:, None] * x**2 / N + N * x,
    ),
}


@pytest.fixture
def x(rng: np.random.Generator) -> Array:
    """A batch of four members."""
    return rng.normal(size=(N, N))


def close(found: Array, due: Array) -> None:
    """Equal up to rounding."""
    np.testing.assert_allclose(found, due, rtol=1e-10, atol=1e-12)
    assert np.shape(found) == np.shape(due)


def weighted(f: Function, ct: Array) -> Function:
    """The scalar function <ct, f>."""
    return lambda x: np.sum(f(x) * ct)


every_case = pytest.mark.parametrize(("f", "whole"), CASES.values(), ids=CASES)


@every_case
def test_the_batch_is_computed_as_a_whole(f: Function, whole: Function, x: Array) -> None:
    close(named(f)(x), whole(x))
    close(wg.make_program(named(f))(x)(x), whole(x))
    close(named(lambda x: wg.make_program(f)(x)(x))(x), whole(x))


@every_case
def test_derivatives_of_the_batch(
    f: Function, whole: Function, x: Array, rng: np.random.Generator
) -> None:
    t, ct = rng.normal(size=x.shape), rng.normal(size=whole(x).shape)
    g, due = weighted(named(f), ct), weighted(whole, ct)
    close(wg.jvp(named(f), (x,), (t,))[1], wg.jvp(whole, (x,), (t,))[1])
    close(wg.linearize(named(f), x)[1](t), wg.jvp(whole, (x,), (t,))[1])
    close(wg.grad(g)(x), wg.grad(due)(x))
    close(wg.hessian(g)(x), wg.hessian(due)(x))
    close(wg.make_program(wg.grad(g))(x)(x), wg.grad(due)(x))
    close(wg.grad(wg.make_program(g)(x))(x), wg.grad(due)(x))
    close(wg.jvp(wg.grad(g), (x,), (t,))[1], wg.jvp(wg.grad(due), (x,), (t,))[1])


@every_case
def test_derivatives_inside_of_the_batch(
    f: Function, whole: Function, x: Array, rng: np.random.Generator
) -> None:
    t, ct = rng.normal(size=x.shape), rng.normal(size=whole(x).shape)
    pulled = lambda x, ct: wg.vjp(f, x)[1](ct)[0]
    due = lambda x, ct: wg.vjp(whole, x)[1](ct)[0]
    close(named(lambda x, t: wg.jvp(f, (x,), (t,))[1])(x, t), wg.jvp(whole, (x,), (t,))[1])
    close(named(lambda x, t: wg.linearize(f, x)[1](t))(x, t), wg.jvp(whole, (x,), (t,))[1])
    close(named(pulled)(x, ct), due(x, ct))
    close(wg.make_program(named(pulled))(x, ct)(x, ct), due(x, ct))
    close(named(lambda x, ct: wg.make_program(pulled)(x, ct)(x, ct))(x, ct), due(x, ct))
    # To second order, and with one derivative inside and one outside.
    twice = lambda x, ct: wg.vjp(lambda x: pulled(x, ct), x)[1](np.cos(x))[0]
    close(named(twice)(x, ct), wg.vjp(lambda x: due(x, ct), x)[1](np.cos(x))[0])
    forward = lambda x, ct, t: wg.jvp(lambda x: pulled(x, ct), (x,), (t,))[1]
    close(named(forward)(x, ct, t), wg.jvp(lambda x: due(x, ct), (x,), (t,))[1])
    close(
        wg.grad(lambda x: np.sum(named(pulled)(x, ct) * t))(x),
        wg.grad(lambda x: np.sum(due(x, ct) * t))(x),
    )
    # Jacobians put a batch of their own inside.
    close(named(wg.jacfwd(f))(x), named(lambda x: np.moveaxis(columns(f, x), 0, -1))(x))
    grads = named(lambda x: wg.jacrev(f)(x))(x)
    close(np.sum(grads * ct[..., None], axis=tuple(range(1, ct.ndim))), rows_pulled(f, x, ct))


def columns(f: Function, x: Array) -> Array:
    """The Jacobian's columns, one direction after the other, the same in all members."""
    return wnp.stack([wg.jvp(f, (x,), (e,))[1] for e in np.eye(N)])


def rows_pulled(f: Function, x: Array, ct: Array) -> Array:
    """ct times the Jacobians of the members, one unit cotangent after the other, the same in all
    members.
    """
    found = np.zeros_like(x)
    for k in np.ndindex(ct.shape[1:]):
        unit = np.zeros(ct.shape[1:])
        unit[k] = 1.0
        row = named(lambda x, unit=unit: wg.vjp(f, x)[1](unit)[0])(x)
        found += ct[(slice(None), *k)][:, None] * row
    return found


@every_case
def test_batches_inside_and_outside(f: Function, whole: Function, rng: np.random.Generator) -> None:
    xs = rng.normal(size=(3, N, N))
    due = np.stack([whole(x) for x in xs])
    close(wg.vmap(named(f))(xs), due)
    close(named(wg.vmap(f), in_axes=1, out_axes=1)(xs), due)
    close(wg.make_program(named(wg.vmap(f), in_axes=1, out_axes=1))(xs)(xs), due)
    grads = np.stack([wg.grad(lambda x: np.sum(whole(x)))(x) for x in xs])
    one = wg.grad(lambda x: np.sum(f(x)))
    close(named(wg.vmap(one), in_axes=1, out_axes=1)(xs), grads)
    close(wg.vmap(named(one))(xs), grads)


LINEAR: dict[str, Function] = {
    "psum": lambda x: wg.psum(2.0 * x, "i"),
    "all_gather": lambda x: wg.all_gather(x, "i"),
    "psum_scatter": lambda x: wg.psum_scatter(x, "i"),
    "all_to_all": lambda x: wg.all_to_all(x, "i", 0, 0),
    "ppermute": lambda x: wg.ppermute(x, "i", [(0, 1), (1, 3)]),
}


@pytest.mark.parametrize("f", LINEAR.values(), ids=LINEAR)
def test_linear_transpose(f: Function, x: Array, rng: np.random.Generator) -> None:
    ct = rng.normal(size=named(f)(x).shape)
    (outside,) = wg.linear_transpose(named(f), x)(ct)
    inside = named(lambda ct: wg.linear_transpose(f, np.zeros(N))(ct)[0])(ct)
    close(np.sum(outside * x), np.sum(named(f)(x) * ct))
    close(inside, outside)


@pytest.mark.parametrize("f", LINEAR.values(), ids=LINEAR)
def test_complex_values(f: Function, x: Array, rng: np.random.Generator) -> None:
    z = x + 1j * rng.normal(size=x.shape)
    y = named(f)(z)
    close(y.real, named(f)(z.real))
    close(y.imag, named(f)(z.imag))
    ct = y.conj()
    g = lambda z: f(z * z)
    close(
        named(lambda z, ct: wg.vjp(g, z)[1](ct)[0])(z, ct),
        wg.vjp(named(g), z)[1](ct)[0],
    )


# What the members share, and what does not depend on them.


def test_what_all_members_share_is_no_value_of_the_batch(x: Array) -> None:
    shared = partial(named, out_axes=None)
    for f, due in [
        (lambda x: wg.psum(x, "i"), x.sum(axis=0)),
        (lambda x: wg.pmean(x, "i"), x.mean(axis=0)),
        (lambda x: wg.pmax(x, "i"), x.max(axis=0)),
        (lambda x: wg.pmin(x, "i"), x.min(axis=0)),
        (lambda x: wg.all_gather(x, "i"), x),
        (lambda x: wg.pbroadcast(x, "i", 1), x[1]),
    ]:
        close(shared(f)(x), due)
    with pytest.raises(errors.BatchError, match="it differs between"):
        shared(lambda x: wg.ppermute(x, "i", RING))(x)


def test_python_control_flow_by_what_all_members_share() -> None:
    def halved(x: Array) -> Array:
        while wg.pmax(x, "i") > 1.0:
            x = x / 2
        return x

    close(named(halved)(np.array([1.0, 3.0, 0.5])), [0.25, 0.75, 0.125])
    close(named(wg.grad(halved))(np.array([1.0, 3.0, 0.5])), [0.25] * 3)


def test_values_that_do_not_depend_on_the_member_count_once_for_each(x: Array) -> None:
    c = np.array([1.0, -2.0])
    close(named(lambda x: wg.psum(c, "i"), out_axes=None)(x), N * c)
    close(named(lambda x: wg.pmean(c, "i"), out_axes=None)(x), c)
    close(named(lambda x: wg.pmax(c, "i"), out_axes=None)(x), c)
    close(named(lambda x: wg.all_gather(c, "i"), out_axes=None)(x), np.stack([c] * N))
    close(named(lambda x: wg.psum_scatter(np.arange(4.0), "i"))(x), N * np.arange(4.0))
    close(named(lambda x: wg.all_to_all(np.arange(4.0), "i", 0, 0))(x[:, 0])[3], [3.0] * 4)
    close(named(lambda x: wg.ppermute(c, "i", RING), out_axes=None)(x), c)
    close(named(lambda x: wg.ppermute(c, "i", [(0, 1)]))(x), np.eye(N)[1][:, None] * c)
    assert type(named(lambda x: (wg.psum(2, "i"), x)[0])(x)[0]) is np.int64
    sizes: list[Any] = []
    named(lambda x: (sizes.extend([wg.psum(1, "i"), wg.axis_size("i"), wg.pmean(2, "i")]), x)[1])(x)
    assert sizes == [N, N, 2.0]
    assert [type(s) for s in sizes] == [int, int, float]


def test_older_values_do_not_depend_on_the_member(x: Array) -> None:
    def loss(w: Array, psum: Function, pmax: Function) -> Array:
        def f(x: Array) -> Array:
            return psum(w * x**2) * w + psum(w**2) + pmax(np.sin(w)) + np.sum(w)

        return np.sum(named(f)(x[:, 0]))

    collective = partial(loss, psum=lambda v: wg.psum(v, "i"), pmax=lambda v: wg.pmax(v, "i"))
    w, x0 = 1.3, x[:, 0]
    formula = lambda w: N * (np.sum(w * x0**2) * w + N * w**2 + np.sin(w) + w)
    close(collective(w), formula(w))
    for transform in (wg.grad, lambda f: wg.grad(wg.grad(f)), wg.jacfwd):
        close(transform(collective)(w), transform(formula)(w))
        program = wg.make_program(transform(collective))(w)
        close(program(w), transform(formula)(w))
    inside = named(lambda x: wg.grad(lambda w: wg.psum(w**2 * x, "i"))(w))(x0)
    close(inside, N * 2 * w * x0)


def test_members_that_share_the_extreme_share_its_derivative() -> None:
    x = np.array([1.0, 5.0, 5.0])
    close(wg.grad(lambda x: named(lambda x: wg.pmax(x, "i"), out_axes=None)(x))(x), [0, 0.5, 0.5])
    close(named(wg.grad(lambda x: wg.pmax(x, "i")))(x), [0, 1.5, 1.5])
    close(named(wg.grad(lambda x: wg.pmin(x, "i")))(x), [3, 0, 0])
    nan = np.array([1.0, np.nan, 2.0])
    close(named(wg.grad(lambda x: wg.pmax(x, "i")))(nan), [0, 3, 0])


def test_results_belong_to_the_caller() -> None:
    x = np.array([1.0, 2.0, 5.0])

    def f(x: Array) -> Any:
        gathered, position = wg.all_gather(x, "i"), wg.axis_index("i")
        gathered[0] = 7.0
        position += 1
        return gathered.sum() + 0 * x, position, wg.axis_index("i")

    total, moved, position = named(f)(x)
    close(total, [14.0] * 3)
    close(moved, [1, 2, 3])
    close(position, [0, 1, 2])
    close(x, [1.0, 2.0, 5.0])

    def g(w: Array) -> Array:
        def f(x: Array) -> Array:
            m = wg.pmax(w, "i")
            m += x
            return np.sum(m)

        return np.sum(named(f)(x)) + np.sum(w)

    close(wg.grad(g)(np.ones(2)), [4.0, 4.0])

    def h(x: Array) -> Any:
        x = x.copy()
        x[0] = 5.0
        y = wg.psum(x, "i")
        x += 1
        return y, x

    y, changed = named(h)(np.ones((3, 2)))
    close(y[0], [15.0, 3.0])
    close(changed[0], [6.0, 2.0])


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "f2", "f4", "f8", "c8", "c16"])
def test_dtypes_are_those_of_numpy(dtype: str) -> None:
    x = np.array([1, 0, 3]).astype(dtype)
    for f, due in [
        (lambda x: wg.psum(x, "i"), np.sum(x)),
        (lambda x: wg.pmean(x, "i"), np.mean(x)),
        (lambda x: wg.pmax(x, "i"), np.max(x)),
        (lambda x: wg.pmin(x, "i"), np.min(x)),
        (lambda x: wg.all_gather(x, "i"), x),
        (lambda x: wg.ppermute(x, "i", [(1, 0), (2, 1)]), np.array([0, 3, 0]).astype(dtype)),
    ]:
        y = named(f)(x)
        np.testing.assert_array_equal(y, np.broadcast_to(due, y.shape))
        assert y.dtype == due.dtype
        assert wg.make_program(named(f))(x).out_avals[0].dtype == due.dtype
        constant = named(lambda i, f=f: f(x[2]))(x)
        assert constant.dtype == due.dtype
    if x.dtype.kind == "f":
        for f in (wg.psum, wg.pmean, wg.pmax, wg.pmin):
            assert named(wg.grad(lambda x, f=f: f(x * x, "i")))(x).dtype == x.dtype


def test_an_empty_batch() -> None:
    none = np.zeros((0, 2))
    for f in [
        lambda x: wg.psum(x, "i"),
        lambda x: x / np.sqrt(wg.pmean(x * x, "i") + 1),
        lambda x: np.exp(x - wg.pmax(x, "i")) + np.exp(x - wg.pmin(x, "i")),
        lambda x: np.sum(wg.all_gather(x, "i"), axis=0),
        lambda x: wg.ppermute(x, "i", []) + wg.pshuffle(x, "i", []),
        lambda x: x * wg.axis_index("i"),
    ]:
        assert named(f)(none).shape == (0, 2)
        assert named(wg.grad(lambda x, f=f: np.sum(f(x))))(none).shape == (0, 2)
        assert wg.grad(lambda x, f=f: np.sum(named(f)(x)))(none).shape == (0, 2)
    most = named(lambda x: (wg.pmax(x, "i"), wg.pmin(x, "i")), out_axes=None)
    assert most(np.zeros(0)) == (-np.inf, np.inf)
    assert most(np.zeros(0, np.int8)) == (-128, 127)
    assert most(np.zeros(0, bool)) == (False, True)


# Names.


def test_several_axes(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3))
    both = lambda f: wg.vmap(wg.vmap(f, axis_name="j"), axis_name="i")
    names = ("i", "j")
    for f, due in [
        (lambda x: wg.psum(x, names), np.sum(x)),
        (lambda x: wg.psum(x, ["j", "i"]), np.sum(x)),
        (lambda x: wg.psum(x, ()), x),
        (lambda x: wg.psum(x, "i"), np.sum(x, axis=0)),
        (lambda x: wg.psum(x, "j"), np.sum(x, axis=1, keepdims=True)),
        (lambda x: wg.pmean(x, names), np.mean(x)),
        (lambda x: wg.pmax(x, names) - wg.pmin(x, names), np.ptp(x)),
        (lambda x: x - wg.pmean(wg.psum(x, "j"), "i"), x - np.mean(np.sum(x, axis=1))),
        (lambda x: wg.axis_index(names), np.arange(6).reshape(2, 3)),
        (lambda x: wg.axis_index(("j", "i")), np.arange(6).reshape(3, 2).T),
        (lambda x: x * wg.axis_size(names), 6 * x),
    ]:
        y = both(f)(x)
        np.testing.assert_allclose(y, np.broadcast_to(due, (2, 3)), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(wg.make_program(both(f))(x)(x), y)
    gathered = both(lambda x: wg.all_gather(x, names))(x)
    close(gathered[1, 2], x.ravel())
    close(both(lambda x: wg.all_gather(x, ("j", "i")))(x)[0, 0], x.T.ravel())
    tiled = both(lambda x: wg.all_gather(wnp.stack([x, -x]), names, tiled=True))(x)
    close(tiled[0, 0], np.stack([x, -x], axis=-1).ravel())

    f = lambda x: wg.psum(np.sin(x) * wg.psum(x**2, "j"), "i") * wg.pmean(x, names)
    whole = lambda x: np.sum(np.sin(x) * np.sum(x**2, axis=1, keepdims=True), axis=0) * np.mean(x)
    inside = both(lambda x: wg.grad(f)(x))
    close(inside(x), wg.grad(lambda x: 2 * np.sum(whole(x)))(x))
    close(wg.make_program(inside)(x)(x), inside(x))
    mixed = wg.vmap(wg.grad(lambda row: np.sum(wg.vmap(f, axis_name="j")(row))), axis_name="i")
    close(mixed(x), inside(x))


def test_the_innermost_axis_of_a_name_is_meant() -> None:
    x = np.arange(6.0).reshape(2, 3)
    close(named(named(lambda x: wg.psum(x, "i")))(x), [[3.0] * 3, [12.0] * 3])
    close(named(lambda row: named(lambda x: wg.axis_size("i") + x)(row)[0] * wg.axis_size("i"))(x),
          [6.0, 12.0])  # fmt: skip
    # A program that means the outer one still does in the scope of an inner one.
    total = named(lambda row: named(wg.make_program(lambda v: wg.psum(v, "i"))(row[0]))(row[:2]))(x)
    close(total, [[3.0, 5.0], [3.0, 5.0]])


def test_names_may_be_anything_that_can_be_hashed() -> None:
    close(wg.vmap(lambda x: wg.psum(x, 0), axis_name=0)(np.ones(3)), [3.0] * 3)
    close(wg.vmap(lambda: wg.axis_index("i"), axis_name="i", axis_size=3)(), [0, 1, 2])


def test_the_text_of_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    named(lambda x: print(wg.make_program(lambda y: wg.psum(y * x, "i"))(x)))(np.ones(3))
    assert capsys.readouterr().out == (
        "program [b: f64[], c: i64[]] (a: f64[]) -> (f64[]) {\n"
        "  d: f64[] = mul a b\n"
        "  e: f64[] = psum[axis_name='i', size=3] d c\n"
        "  return e\n"
        "}\n"
    )


# Branches and loops.


def rolled(xs: Array, psum: Function, position: Array, send: Function) -> Array:
    """A recurrence that mixes the members, with a Python loop."""
    c, ys = 1.0 + 0.0 * xs[..., 0], []
    for k in range(xs.shape[-1]):
        c = c * 0.5 + psum(np.sin(xs[..., k]) * c) + position
        ys.append(c + send(xs[..., k]))
    return c, wnp.stack(ys, axis=-1)


def scanned(xs: Array, **kept: Any) -> Any:
    """The same, of one member, with scan."""

    def step(c: Array, x: Array) -> Any:
        c = c * 0.5 + wg.psum(np.sin(x) * c, "i") + wg.axis_index("i")
        return c, c + wg.ppermute(x, "i", RING)

    return wg.scan(step, 1.0, xs, **kept)


def test_scan_with_collectives(x: Array) -> None:
    whole = partial(
        rolled,
        psum=lambda v: np.sum(v, axis=0),
        position=np.arange(N),
        send=lambda v: np.roll(v, 1, axis=0),
    )
    loss = lambda f: lambda x: np.sum(f(x)[0]) + np.sum(f(x)[1] ** 2)
    ways: list[Function] = [
        named(scanned),
        lambda x: wg.make_program(named(scanned))(x)(x),
        named(lambda x: wg.make_program(scanned)(x)(x)),
        named(partial(scanned, checkpoint_every=2)),
    ]
    for f in ways:
        for found, due in zip(f(x), whole(x), strict=True):
            close(found, due)
        close(wg.grad(loss(f))(x), wg.grad(loss(whole))(x))
    inside = wg.grad(loss(scanned))
    for g in [
        named(inside),
        wg.make_program(named(inside))(x),
        named(lambda x: wg.make_program(inside)(x)(x)),
        named(wg.grad(lambda x: wg.make_program(loss(scanned))(x)(x))),
        wg.make_program(wg.grad(loss(named(scanned))))(x),
    ]:
        close(g(x), wg.grad(loss(whole))(x))
    t = np.cos(x)
    close(
        wg.jvp(named(inside), (x,), (t,))[1],
        wg.jvp(wg.grad(loss(whole)), (x,), (t,))[1],
    )


def test_branches_that_all_members_take(x: Array) -> None:
    def f(x: Array) -> Array:
        positive = wg.psum(np.sum(x), "i") > 0
        return wg.cond(positive, lambda x: wg.psum(x, "i"), lambda x: wg.pmean(x, "i") * x, x)

    x = np.abs(x)
    for sign, due in ((1, np.broadcast_to(x.sum(axis=0), x.shape)), (-1, x.mean(axis=0) * x)):
        close(named(f)(sign * x), due)
        close(wg.make_program(named(f))(x)(sign * x), due)
    g = lambda x: np.sum(named(f)(x) ** 2)
    close(wg.make_program(wg.grad(g))(x)(-x), wg.grad(g)(-x))


def damped(x: Array) -> Array:
    """A loop until all members are done."""
    return wg.while_loop(
        lambda c: wg.pmax(c, "i") > 1, lambda c: c * 0.5 + wg.pmean(c, "i") * 0.1, x
    )


def test_loops_until_all_members_are_done(rng: np.random.Generator) -> None:
    x = 10 * rng.random((2, N))

    def whole(x: Array) -> Array:
        while np.max(x) > 1:
            x = x * 0.5 + np.mean(x) * 0.1
        return x

    due = np.stack([whole(row) for row in x])
    grads = np.stack([wg.grad(lambda row: np.sum(whole(row) ** 2))(row) for row in x])
    f = wg.vmap(named(damped))
    close(f(x), due)
    close(wg.make_program(f)(x)(x), due)
    loss = lambda x: np.sum(f(x) ** 2)
    close(wg.grad(loss)(x), grads)
    close(wg.make_program(wg.grad(loss))(x)(x), grads)
    inside = wg.vmap(named(wg.grad(lambda x: damped(x) ** 2)))
    close(inside(x), grads)
    close(wg.make_program(inside)(x)(x), grads)


def test_members_that_go_different_ways_have_no_collectives(x: Array) -> None:
    f = lambda x: wg.cond(x > 0, lambda x: wg.psum(x, "i"), lambda x: x, x)
    with pytest.raises(errors.UnsupportedError, match=r"(?s)psum over 'i'.*got: +2 members.*all 4"):
        named(f)(np.array([1.0, -1.0, 2.0, -3.0]))
    close(named(f)(np.array([1.0, 2.0])), [3.0, 3.0])
    program = wg.make_program(named(f))(np.ones(2))
    close(program(np.array([1.0, 2.0])), [3.0, 3.0])
    with pytest.raises(errors.UnsupportedError, match="not all take the same way"):
        program(np.array([1.0, -2.0]))
    # As many members of two batches as one has: they must not be taken for one.
    mixed = np.array([[1.0, -1.0], [-1.0, 1.0]])
    nested = wg.vmap(named(f))
    with pytest.raises(errors.UnsupportedError, match="not all take the same way"):
        nested(mixed)
    with pytest.raises(errors.UnsupportedError, match="not all take the same way"):
        wg.make_program(nested)(mixed)(mixed)
    close(nested(np.array([[1.0, 2.0], [-1.0, -5.0]])), [[3.0, 3.0], [-1.0, -5.0]])
    signs = np.array([1.0, -1.0])
    crossed = named(
        lambda x: wg.vmap(lambda s: wg.cond(x * s > 0, lambda x: wg.psum(x, "i"), np.sin, x))(signs)
    )
    with pytest.raises(errors.UnsupportedError, match="one member on its own"):
        crossed(np.array([1.0, -1.0]))
    free = named(
        lambda x: wg.vmap(lambda s: wg.cond(s > 0, lambda x: wg.psum(x, "i"), np.sin, x))(signs)
    )
    close(free(np.array([1.0, 2.0])), [[3.0, np.sin(1.0)], [3.0, np.sin(2.0)]])


def test_an_empty_outer_batch_of_branches() -> None:
    f = lambda x: wg.cond(x > 0, lambda x: wg.psum(x, "i"), lambda x: x, x)
    assert wg.vmap(named(f))(np.zeros((0, 3))).shape == (0, 3)


# Custom rules, and implicit functions.


def coupled(x: Array) -> Array:
    """A function of one member and all others."""
    return wg.psum(np.sin(x) * x, "i") * x


def coupled_whole(x: Array) -> Array:
    """The same, of the batch."""
    return np.sum(np.sin(x) * x) * x


def with_jvp() -> Function:
    """With a forward rule of its own."""
    f = wg.custom_jvp(coupled)

    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return coupled(x), wg.psum((np.cos(x) * x + np.sin(x)) * t, "i") * x + t * wg.psum(
            np.sin(x) * x, "i"
        )

    f.defjvp(rule)
    return f


def with_vjp() -> Function:
    """With a reverse rule of its own."""
    f = wg.custom_vjp(coupled)

    def pull_back(x: Array, ct: Array) -> Any:
        return (
            (np.cos(x) * x + np.sin(x)) * wg.psum(ct * x, "i") + wg.psum(np.sin(x) * x, "i") * ct,
        )

    f.defvjp(lambda x: (coupled(x), x), pull_back)
    return f


def in_a_loop(x: Array) -> Array:
    """In the body of a loop."""
    return wg.fori_loop(0, 1, lambda k, c: coupled(c), x)


def mapped(x: Array) -> Array:
    """In a function that is mapped."""
    return np.sum(wg.map(lambda s: coupled(x) * s, np.array([0.25, 0.75])))


FUNCTIONS = {
    "custom_jvp": with_jvp(),
    "custom_vjp": with_vjp(),
    "fori_loop": in_a_loop,
    "map": mapped,
    "checkpoint": wg.checkpoint(coupled),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_collectives_in_other_functions(f: Function, x: Array) -> None:
    x = x[0]
    loss = lambda x: np.sum(coupled_whole(x) ** 2)
    total = lambda x: np.sum(named(f)(x) ** 2)
    inside = wg.grad(lambda x: f(x) ** 2)
    close(named(f)(x), coupled_whole(x))
    for g in (
        wg.grad(total),
        named(inside),
        wg.make_program(wg.grad(total))(x),
        wg.make_program(named(inside))(x),
        named(lambda x: wg.make_program(inside)(x)(x)),
    ):
        close(g(x), wg.grad(loss)(x))
    close(wg.hessian(total)(x), wg.hessian(loss)(x))


def relax(g: Function, y: Array) -> Array:
    """The solution of g(x) = y, for a linear g that may couple the members."""
    x = 0 * y
    for _ in range(80):
        x = x - 0.3 * (g(x) - y)
    return x


MATRIX = 2 * np.eye(3) + np.ones((3, 3)) / 3
SYSTEM = lambda y: 2 * y + wg.pmean(y, "i")


def test_systems_that_couple_the_members() -> None:
    b = np.array([1.0, 2.0, 4.0])
    solved = lambda b: np.linalg.solve(MATRIX, b)
    loss = lambda f: lambda b: np.sum(f(b) ** 2)
    for f in (
        lambda b: wg.custom_linear_solve(SYSTEM, b, relax, relax),
        lambda b: wg.custom_root(lambda y: SYSTEM(y) - b, 0 * b, relax_root, relax),
    ):
        close(named(f)(b), solved(b))
        close(wg.grad(loss(named(f)))(b), wg.grad(loss(solved))(b))
        close(named(wg.grad(lambda b, f=f: f(b) ** 2))(b), wg.grad(loss(solved))(b))
        close(wg.make_program(named(f))(b)(b), solved(b))
    # Our own solvers solve for one member after the other.
    for f in (
        lambda b: wg.root(lambda y: SYSTEM(y) - b, 0 * b),
        lambda b: wg.fixed_point(lambda y: y - 0.3 * (SYSTEM(y) - b), 0 * b),
        lambda b: wg.grad(
            lambda b: wg.custom_root(lambda y: SYSTEM(y) - b, 0 * b, relax_root, "gmres")
        )(b),
    ):
        with pytest.raises(errors.UnsupportedError, match=r"couples the .* of the members"):
            named(f)(b)
    shared = lambda b: wg.root(lambda y: 2 * y + wg.pmean(b, "i") - b, 0 * b)
    close(named(wg.grad(lambda b: shared(b) ** 2))(b), (b - np.mean(b)) / 2)


def relax_root(f: Function, y: Array) -> Array:
    """A root of f."""
    for _ in range(80):
        y = y - 0.3 * f(y)
    return y


def test_functions_that_run_for_each_member_on_its_own() -> None:
    b = np.array([1.0, 2.0, 4.0])

    def until_small(g: Function, y: Array) -> Array:
        x = 0 * y
        while wg.psum((g(x) - y) ** 2, "i") > 1e-20:
            x = x - 0.3 * (g(x) - y)
        return x

    f = lambda b: wg.custom_linear_solve(lambda y: 2 * y, b, until_small, until_small)
    with pytest.raises(errors.UnsupportedError, match="each member on its own here"):
        named(f)(b)

    def slope(y: Array, t: Array) -> Array:
        return y if y[0] > 100 else wg.pmean(y, "i") - y

    times = np.array([0.0, 1.0])
    follow = lambda slope: lambda x: wg.odeint(slope, wnp.stack([x, x]), times)[-1, 0]
    with pytest.raises(errors.UnsupportedError, match="each member on its own here"):
        named(follow(slope))(b)
    with pytest.raises(errors.UnsupportedError, match="odeint: a collective couples the members"):
        named(follow(lambda y, t: wg.pmean(y, "i") - y))(b)
    relaxed = lambda x: wg.odeint(lambda y, t, m: m - y, x, times, wg.pmean(x, "i"))[-1]
    due = np.mean(b) + (b - np.mean(b)) * np.exp(-1)
    np.testing.assert_allclose(named(relaxed)(b), due, rtol=1e-7)


# Errors.


def refused(error: type[Exception], match: str, f: Function, x: Array) -> None:
    """The function raises under vmap with the name i."""
    with pytest.raises(error, match=match):
        named(f)(x)


def test_names_that_are_not_bound() -> None:
    x = np.ones(3)
    with pytest.raises(errors.AxisNameError, match=r"psum: no axis of the name 'i'.*\n.*no name"):
        wg.psum(x, "i")
    with pytest.raises(NameError, match="axis_index"):
        wg.axis_index("i")
    refused(errors.AxisNameError, "names bound here: 'i'", lambda x: wg.pmax(x, "j"), x)
    with pytest.raises(errors.AxisNameError, match="names bound here: 'j', 'i'"):
        named(wg.vmap(lambda x: wg.pmean(x, "k"), axis_name="j"))(np.ones((2, 2)))
    with pytest.raises(errors.AxisNameError, match=r"make_program\(wg.vmap\(f, axis_name='i'\)\)"):
        wg.make_program(lambda x: wg.psum(x, "i"))(x)
    with pytest.raises(errors.AxisNameError, match="no name is bound"):
        wg.vmap(lambda x: wg.psum(x, "i"))(x)
    named(np.sin)(x)
    with pytest.raises(errors.AxisNameError, match="no name is bound"):
        wg.psum(x, "i")  # a name ends with its vmap


def test_the_name_ends_with_an_exception() -> None:
    def fails(x: Array) -> Array:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        named(fails)(np.ones(2))
    with pytest.raises(errors.AxisNameError, match="no name is bound"):
        wg.axis_size("i")


def test_functions_that_escaped() -> None:
    kept: list[Any] = []

    def f(x: Array) -> Array:
        kept.append(wg.vjp(lambda x: wg.psum(x, "i"), x)[1])
        kept.append(wg.make_program(lambda x: wg.psum(x, "i"))(x))
        return x

    named(f)(np.ones(3))
    for late in kept:
        with pytest.raises(errors.EscapedTracerError, match="'psum' was applied"):
            late(1.0)


@pytest.mark.parametrize("axis_name", [("i", "j"), ["i"], {}])
def test_what_is_no_name(axis_name: Any) -> None:
    with pytest.raises(errors.BatchError, match="axis_name must be one name"):
        wg.vmap(np.sin, axis_name=axis_name)


def test_several_names_where_one_is_due() -> None:
    x = np.ones(2)
    refused(errors.BatchError, "along one axis", lambda x: wg.ppermute(x, ("i", "j"), []), x)
    refused(errors.BatchError, "named twice", lambda x: wg.psum(x, ("i", "i")), x)
    close(named(lambda x: wg.ppermute(x, ("i",), [(0, 1)]))(x), [0.0, 1.0])


@pytest.mark.parametrize(
    ("perm", "match"),
    [
        ([(0, 1), (0, 2)], "the source 0 twice"),
        ([(0, 1), (2, 1)], "the destination 1 twice"),
        ([(0, 3)], "a destination that does not exist: 3"),
        ([(-1, 0)], "a source that does not exist: -1"),
        ([(0, 1, 2)], "does not consist of pairs"),
        ([0, 1], "does not consist of pairs"),
        (3, "does not consist of pairs"),
        ([(0.5, 1)], "does not consist of pairs"),
    ],
)
def test_wrong_pairs(perm: Any, match: str) -> None:
    refused(errors.BatchError, match, lambda x: wg.ppermute(x, "i", perm), np.ones(3))


@pytest.mark.parametrize("perm", [[0, 1], [0, 1, 1], [0, 1, 3], None, 3, "abc", [(0, 1), (1, 2)]])
def test_wrong_permutations(perm: Any) -> None:
    refused(errors.BatchError, "no permutation", lambda x: wg.pshuffle(x, "i", perm), np.ones(3))


def test_wrong_axes_and_members() -> None:
    x = np.ones((3, 2))
    shape, batch = errors.ShapeError, errors.BatchError
    refused(shape, "no axis 2", lambda x: wg.all_gather(x, "i", axis=2), x)
    refused(shape, "no axis 1", lambda x: wg.all_gather(x, "i", axis=1, tiled=True), x)
    refused(shape, "with axes", lambda x: wg.all_gather(x[0], "i", tiled=True), x)
    refused(shape, "no axis 'a'", lambda x: wg.all_gather(x, "i", axis="a"), x)  # type: ignore[arg-type]  # wrong
    refused(shape, "an element for each", lambda x: wg.psum_scatter(x, "i"), x)
    refused(shape, "equal parts", lambda x: wg.psum_scatter(x, "i", tiled=True), x)
    refused(shape, "no axis 1", lambda x: wg.all_to_all(x, "i", 1, 0), x)
    refused(shape, "no axis 1", lambda x: wg.all_to_all(x, "i", 0, 1), x)
    refused(shape, "no axis -2", lambda x: wg.pswapaxes(x, "i", -2), x)
    refused(batch, "no such member", lambda x: wg.pbroadcast(x, "i", 3), x)
    refused(batch, "no such member", lambda x: wg.pbroadcast(x, "i", 0.0), x)  # type: ignore[arg-type]  # wrong


def test_leaves_that_are_no_numbers() -> None:
    match = r"psum: argument 0\['b'\]\[0\] is neither"
    refused(errors.LeafTypeError, match, lambda x: wg.psum({"b": ["s", x]}, "i"), np.ones(2))
    found = named(lambda x: wg.psum({"a": x, "b": [None, 2, 2.5, True]}, "i"), out_axes=None)
    assert found(np.ones(2)) == {"a": 2.0, "b": [None, 4, 5.0, 2]}
