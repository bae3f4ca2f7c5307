"""Batches that split: the same as a Python loop over the members, under every transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.core import errors

Function = Callable[..., Any]
X = np.random.default_rng(0).normal(size=(7, 5))
ROUND = np.round(X * 1.5)
V = np.array([1.0, -2.0, 0.5, -0.5, 3.0, 40.0])


def split(f: Function, *args: Any, **kwargs: Any) -> Function:
    return wg.vmap(f, *args, control_flow="split", **kwargs)


def loop(f: Function, *args: Any) -> Any:
    """The results of a Python loop, stacked."""
    results = [f(*[a[i] for a in args]) for i in range(len(args[0]))]
    tree = wg.tree.structure(results[0])
    leaves = [wg.tree.leaves(r) for r in results]
    return wg.tree.unflatten(tree, [np.stack(v) for v in zip(*leaves, strict=True)])


def same(found: Any, due: Any, dtypes: bool = True) -> None:
    """Equal trees of arrays."""
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
        assert np.shape(a) == np.shape(b)
        assert not dtypes or np.asarray(a).dtype == np.asarray(b).dtype


def total(y: Any) -> Any:
    """The sum of all float results."""
    return sum([np.sum(v) for v in wg.tree.leaves(y) if v.dtype.kind == "f"])


def same_derivatives(f: Function, x: Any) -> None:
    """Of a function of one array, under all orders of the transforms."""
    value = lambda x: total(f(x))
    grads = loop(wg.grad(value), x)
    same(split(wg.grad(value))(x), grads)
    same(wg.grad(lambda x: total(split(f)(x)))(x), grads)
    t = np.cos(np.arange(x.size)).reshape(x.shape)
    dots = loop(lambda x, t: wg.jvp(value, (x,), (t,))[1], x, t)
    same(split(lambda x, t: wg.jvp(value, (x,), (t,))[1])(x, t), dots)
    same(np.sum(wg.jvp(split(value), (x,), (t,))[1]), np.sum(dots))
    second = loop(wg.hessian(value), x)
    same(split(wg.hessian(value))(x), second)
    n = len(x)
    outer = wg.hessian(lambda x: np.sum(split(value)(x)))(x)
    rest = (slice(None),) * (x.ndim - 1)
    for i in range(n):
        same(outer[(i, *rest, i)], second[i])
        outer[(i, *rest, i)] = 0.0
    assert not outer.any()
    same(split(value)(x), wg.vjp(split(value), x)[0])
    same(wg.linearize(split(value), x)[1](t), dots)


def branches(x: Any) -> Any:
    if x > 0:
        return np.log(x)
    elif x < -1:
        return x * x
    return 0.0 * x


def rounds(x: Any) -> Any:
    n = 0
    while x < 30:
        x = x * x + 1
        n += 1
    return x, n


def bisect(a: Any) -> Any:
    low, high = 0.0 * a, 1.0 + a
    while high - low > 1e-3:
        middle = (low + high) / 2
        if middle * middle < a:
            low = middle
        else:
            high = middle
    return low * a


def written(x: Any) -> Any:
    x = x.copy()
    x[x > 0] = np.arange(1.0, 1 + np.sum(x > 0))
    return x


def written_slice(x: Any) -> Any:
    x = x.copy()
    x[: np.sum(x > 0)] = 3.0
    return x


def written_from_another(x: Any) -> Any:
    x = x.copy()
    x[x > 0] = x[x > 0][::-1] * 2
    return x


def written_selection(x: Any) -> Any:
    y = x[x > 0]
    y[:1] = 7.0
    y += 1
    return np.sum(y) + np.sum(x)


def placed(x: Any) -> Any:
    x = x.copy()
    np.place(x, x > 0, [1.0, 2.0])
    np.putmask(x, x < -1, [3.0, 4.0])
    return x


DECISIONS: dict[str, Function] = {
    "not": lambda x: x[0] if not x[1] > 0 else -x[0],
    "and, or": lambda x: x[0] if (x[1] > 0 or x[2] > 0) and x[3] < 0.5 else -x[0],
    "a float": lambda x: x[0] if np.round(x[1]) else -x[0],
    "min": lambda x: min(x[0], x[1], x[2]) * 2,
    "sorted": lambda x: sorted([x[0], x[1], x[2]])[1],
    "in": lambda x: x[0] if 0.0 in np.round(x) else 2 * x[0],
    "range": lambda x: 0 * x[0] + sum([x[i] for i in range(np.sum(x > 0))]),
    "int": lambda x: 0 * x[0] + sum([x[i] for i in range(int(np.clip(x[0] * 3, 0, 5)))]),
    "an index of a list": lambda x: [1.0, 2.0, 3.0, 4.0, 5.0][np.argmax(x)] * x[0],
    "slices": lambda x: np.sum(x[: np.sum(x > 0)]) * np.sum(x[np.argmax(x) :]),
    "a step": lambda x: np.sum(x[:: 1 + np.sum(x > 0)]),
    "a slice in a tuple": lambda x: np.sum(np.outer(x, x)[1, : np.argmax(x)]),
    "a slice that is written": written_slice,
    "arange": lambda x: np.sum(np.arange(np.sum(x > 0)) * x[0]),
    "wnp.arange": lambda x: np.sum(wnp.arange(1, np.sum(x > 0)) * x[0]),
    "zeros": lambda x: np.sum(np.zeros(np.sum(x > 0))) + x[0],
    "reshape": lambda x: x[0] * np.reshape(np.ones(6), (1 + (x[0] > 0).astype(int), -1)).shape[1],
    "repeat": lambda x: np.sum(np.repeat(x[:2], (x[:2] > 0) + 1)),
    "emath": lambda x: np.emath.sqrt(x[0] + 0.1).real,
}
MASKS: dict[str, Function] = {
    "write": written,
    "write from elsewhere": written_from_another,
    "write to a selection": written_selection,
    "place": placed,
    "nonzero": lambda x: np.sum(x[np.nonzero(x > 0)] ** 2),
    "flatnonzero": lambda x: np.sum(x[np.flatnonzero(x > 0)[::-1]]),
    "argwhere": lambda x: np.sum(np.argwhere(np.outer(x, x) > 0) * x[0]),
    "where": lambda x: np.sum(x[np.where(x > 0)[0]]),
    "extract": lambda x: np.sum(np.cumsum(np.extract(x > 0, x))),
    "compress": lambda x: np.sum(np.cumsum(np.compress(x > 0, x))),
    "x.compress": lambda x: np.sum(np.cumsum(np.outer(x, x).compress(x > 0, axis=1), axis=1)),
    "len": lambda x: len(x[x > 0]) * x[0],
    "size": lambda x: x[x > 0].size * x[x > 0].shape[0] * x[0],
    "max": lambda x: np.max(x[x > 0], initial=0.0),
    "a method": lambda x: x[x > 0].max() if np.any(x > 0) else 0.0 * x[0],
    "cumsum": lambda x: np.sum(np.cumsum(x[x > 0])),
    "iteration": lambda x: 0 * x[0] + sum([v * v for v in x[x > 0]]),
    "concatenate": lambda x: np.concatenate([x[x > 0], x[x <= 0]]),
    "stack": lambda x: np.sum(np.stack([x[x > 0], 2 * x[x > 0]]) ** 2),
    "dot": lambda x: x[x > 0] @ x[x > 0] + np.dot(x[x > 0], np.arange(np.sum(x > 0))),
    "mean": lambda x: np.mean(x[x > 0]) if (x > 0).any() else 0.0 * x[0],
    "sum with an axis": lambda x: x[x > 0].sum(axis=0) * np.prod(x[x > 0], axis=0),
    "another mask": lambda x: np.sum(x[x > 0]) + np.sum(x[x > 0.5] * x[x > 0.5]),
    "sort": lambda x: np.sum(np.sort(x[x > 0]) * np.arange(np.sum(x > 0))),
    "two axes": lambda x: np.sum(np.cumsum(np.outer(x, x)[np.outer(x, x) > 0.5])),
    "in a tuple": lambda x: np.sum(np.cumsum(np.outer(x, x)[x > 0, 1])),
    "in a tuple, last": lambda x: np.sum(np.cumsum(np.outer(x, x)[1:3, x > 0], axis=1)),
    "trim_zeros": lambda x: np.sum(np.cumsum(np.trim_zeros(np.where(x > 0, x, 0.0)))),
    "no axes": lambda x: np.sum(x[x[0] > 0]),
    "an argument of grad": lambda x: np.sum(wg.grad(lambda y: np.sum(y**3))(x[x > 0])),
}
SETS: dict[str, Function] = {
    "unique": lambda x: np.sum(np.unique(x) * np.arange(len(np.unique(x)))),
    "unique, all": lambda x: [
        np.sum(v * 1.0)
        for v in np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    ],
    "unique_counts": lambda x: np.sum(np.unique_counts(x).counts ** 2),
    "unique_values": lambda x: np.sum(np.unique_values(x) ** 2),
    "unique_inverse": lambda x: np.unique_inverse(x).inverse_indices,
    "unique, NaN": lambda x: len(np.unique(np.where(x > 0, np.nan, x))),
    "union1d": lambda x: np.sum(np.union1d(x, np.array([1.0, 5.0]))),
    "setdiff1d": lambda x: np.sum(np.setdiff1d(x, np.array([1.0, 5.0]))),
    "setxor1d": lambda x: np.sum(np.setxor1d(x, np.array([1.0, 5.0]))),
    "intersect1d": lambda x: np.sum(np.intersect1d(x, np.array([1.0, 0.0]))),
    "bincount": lambda x: np.sum(np.bincount(np.abs(x).astype(int)) ** 2),
    "bincount, weights": lambda x: np.sum(np.bincount(np.abs(x).astype(int), x) ** 2),
}


@pytest.mark.parametrize(
    ("f", "x"), [(branches, V), (lambda x: rounds(x)[0], V), (bisect, np.abs(V) / 40)]
)
def test_branches_and_loops(f: Function, x: Any) -> None:
    same(split(f)(x), loop(f, x))
    same_derivatives(f, x)


@pytest.mark.parametrize("name", [*DECISIONS, *MASKS])
def test_decisions_and_masks(name: str) -> None:
    f = {**DECISIONS, **MASKS}[name]
    for x in (X, ROUND) if name != "emath" else (X,):
        same(split(f)(x), loop(f, x))
    same_derivatives(f, X[:4, :4])


@pytest.mark.parametrize("name", SETS)
def test_sets(name: str) -> None:
    same(split(SETS[name])(ROUND), loop(SETS[name], ROUND))
    same(split(SETS[name])(X), loop(SETS[name], X))


def test_trees_axes_and_what_is_not_batched() -> None:
    def f(p: Any, n: Any, label: str, *, scale: Any) -> Any:
        for _ in range(n):
            p = {"a": p["a"] * scale, "b": p["b"] + p["a"].sum()}
        if p["b"] > 3:
            return {"p": p, "label": label, "n": n, "none": None}, scale, 1
        return {"p": p, "label": label, "n": 2 * n, "none": None}, scale, 1

    p = {"a": X[:, :3].T, "b": X[:, 4]}
    n = np.array([0, 3, 1, 3, 0, 0, 1])
    axes: Any = {"p": {"a": 1, "b": 0}, "label": None, "scale": None}
    g = split(f, in_axes=axes, out_axes=({"p": {"a": -1, "b": 0}, "label": 0, "n": 0, "none": 0},
                                         None, None))  # fmt: skip
    found, scale, one = g(p, n, "text", scale=1.5)
    due = [f({"a": p["a"][:, i], "b": p["b"][i]}, n[i], "text", scale=1.5)[0] for i in range(7)]
    np.testing.assert_allclose(found["p"]["a"], np.stack([d["p"]["a"] for d in due], axis=-1))
    np.testing.assert_allclose(found["p"]["b"], [d["p"]["b"] for d in due])
    assert list(found["n"]) == [d["n"] for d in due]
    assert (found["label"], found["none"], scale, one) == ("text", None, 1.5, 1)


def test_dtypes_of_different_paths() -> None:
    x = np.array([1.0, -1.0], np.float32)
    for other, due in [(0, "f4"), (0.0, "f4"), (np.float64(0), "f8"), (1j, "c8"), (True, "f4")]:
        y = split(lambda x, other=other: x if x > 0 else other)(x)
        assert y.dtype == np.dtype(due)
        np.testing.assert_array_equal(y, [1, other])
    y = split(lambda x: 1 if x > 0 else 2.5)(x)
    assert y.dtype == np.float64 and list(y) == [1.0, 2.5]
    y = split(lambda x: np.arange(2) if x > 0 else x * np.ones(2, "f4"), out_axes=1)(x)
    np.testing.assert_array_equal(y, [[0, -1], [1, -1]])
    assert split(lambda x: x > 0 if x > 0 else False)(x).dtype == np.bool_


def test_results_that_do_not_depend_on_the_batch() -> None:
    x, w = np.array([1.0, -1.0]), np.arange(2.0)
    assert list(split(lambda x: 7 if x > 0 else 8)(x)) == [7, 8]
    _, kept = split(lambda x: (x if x > 0 else -x, w), out_axes=(0, None))(x)
    same(kept, w)
    nan = split(lambda x: np.full(2, np.nan) * (1 if x > 0 else 1.0), out_axes=None)(x)
    assert np.isnan(nan).all() and nan.shape == (2,)
    g = wg.grad(
        lambda w: np.sum(split(lambda x: (x * w if x > 0 else w, w), out_axes=(0, None))(x)[1])
    )
    same(g(w), np.ones(2))
    with pytest.raises(errors.BatchError, match=r"out_axes is None .* differs between"):
        split(lambda x: 7 if x > 0 else 8, out_axes=None)(x)


def test_sizes() -> None:
    halved = lambda x: rounds(x)[0] if x > 1 else x
    same(split(halved)(np.zeros(0)), np.zeros(0))
    assert split(lambda n: sum([1 for _ in range(n)]))(np.zeros(0, int)).shape == (0,)
    assert split(lambda x: np.sum(x[x > 0]))(np.zeros((0, 3))).shape == (0,)
    same(split(halved)(np.ones(1)), np.ones(1))
    same(split(rounds, in_axes=None, axis_size=3)(2.0), (np.full(3, 677.0), np.full(3, 3)))


def test_each_path_is_run_once() -> None:
    runs: list[str] = []

    def f(x: Any) -> Any:
        runs.append("start")
        if x > 0:
            runs.append("positive")
            return x
        runs.append("negative")
        return -x

    same(split(f)(V), np.abs(V))
    assert runs == ["start", "positive", "start", "negative"]
    runs.clear()
    split(f)(np.abs(V))
    assert runs == ["start", "positive"]


def test_few_members_are_computed_again() -> None:
    seen = []

    def f(x: Any) -> Any:
        n = 0
        while n < x:
            seen.append(wg.core.current(x).value.shape[0])
            n += 1
        return n

    x = np.random.default_rng(1).integers(0, 40, size=1000)
    same(split(f)(x), x)
    assert sum(seen) < 2.5 * x.sum()


def test_other_paths_leave_no_trace() -> None:
    """No warnings (which are errors here), no NaN, in values and derivatives."""

    def f(x: Any) -> Any:
        if x > 0:
            return np.log(x) + x**0.5
        return 1 / (x - 1)

    x = np.array([2.0, -3.0, 0.0, 5.0])
    y = split(f)(x)
    same(y, loop(f, x))
    assert np.isfinite(y).all()
    assert np.isfinite(wg.grad(lambda x: split(f)(x).sum())(x)).all()
    assert np.isfinite(split(wg.hessian(f))(x)).all()


def test_exceptions_of_the_users() -> None:
    def caught(x: Any) -> Any:
        try:
            if x > 0:
                raise ValueError("positive")
            return -x
        except Exception:
            return 100 * x

    same(split(caught)(V), loop(caught, V))

    def raised(x: Any) -> Any:
        if x < 0:
            raise KeyError("negative")
        return x

    with pytest.raises(KeyError, match="negative"):
        split(raised)(V)
    with pytest.raises(KeyError, match="negative"):
        wg.grad(lambda x: np.sum(split(raised)(x)))(V)
    same(split(raised)(np.abs(V)), np.abs(V))


def test_values_from_before_a_split() -> None:
    """Kept in containers, closures, derivatives, and arrays that are written to."""

    def f(x: Any) -> Any:
        kept = [np.sin(x), {"y": x * x}]
        buffer = wnp.zeros(3)
        buffer[0] = x
        later = lambda: kept[0] * kept[1]["y"]
        y, pull = wg.vjp(lambda t: np.sin(t) * kept[0], x)
        part = buffer[:2]
        if x > 0:
            buffer[1] = later()
        if x > 1:
            part[1] = part[0] * 3
        return np.sum(buffer) + later() + pull(y)[0]

    same(split(f)(V), loop(f, V))
    same_derivatives(f, V)


def test_layout_in_memory_is_kept() -> None:
    x = np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1)

    def f(m: Any) -> Any:
        if m[0, 0] > 5:
            m *= 2
        m.reshape(-1)[0] = 100.0  # a copy, as the rows are not contiguous
        m.T.reshape(-1)[1] = 50.0  # a view
        return m

    same(split(f)(x), loop(f, x.copy(order="K")))


# Nesting.


def pair(x: Any, y: Any) -> Any:
    if x > y:
        return np.exp(x) * y
    for _ in range((y > 0) + (x > 0) * 2):
        y = y * x
    return x + y


def test_nested_batches() -> None:
    x, y = X[:4, 0], X[:5, 1]
    due = np.array([[pair(a, b) for b in y] for a in x])
    nested = split(lambda x: split(lambda y: pair(x, y))(y))
    same(nested(x), due)
    grad = wg.grad(lambda x: sum([pair(x[i], b) ** 2 for i in range(4) for b in y]))
    outer = lambda x: np.sum(nested(x) ** 2)
    same(wg.grad(outer)(x), grad(x))
    same(wg.hessian(outer)(x), wg.jacfwd(grad)(x))
    inner = lambda x: np.sum(split(lambda y: pair(x, y))(y) ** 2)
    same(split(wg.grad(inner))(x), grad(x))
    same(split(lambda x: wg.vmap(lambda y: x * y if x > 0 else y)(y))(x),
         np.array([[a * b if a > 0 else b for b in y] for a in x]))  # fmt: skip
    same(wg.vmap(lambda x: split(lambda y: x * y if y > 0 else x)(y))(x),
         np.array([[a * b if b > 0 else a for b in y] for a in x]))  # fmt: skip


def test_a_nested_mask_needs_both_to_split() -> None:
    f = lambda m: wg.vmap(lambda r: np.max(r[r > 0], initial=0.0), control_flow="split")(m)
    m = X[:6].reshape(3, 2, 5)
    same(split(f)(m), loop(f, m))
    same(split(wg.grad(lambda m: np.sum(f(m))))(m), loop(wg.grad(lambda m: np.sum(f(m))), m))
    with pytest.raises(errors.ConcretizationError, match='control_flow="split" for the outer vmap'):
        wg.vmap(f)(m)


def test_with_structured_control_flow_inside() -> None:
    def f(x: Any) -> Any:
        y = wg.cond(x > 0, np.log, np.square, np.where(x > 0, x, -x))
        return y if y < 0.5 else y * y

    same(split(f)(V), loop(f, V))
    same_derivatives(f, V)


def test_in_a_program_there_is_nothing_to_split_by() -> None:
    with pytest.raises(errors.ConcretizationError, match="in make_program it stands for every"):
        wg.make_program(split(branches))(V)
    program = wg.make_program(split(np.sin))(V)
    same(program(V), np.sin(V))


# Random numbers.


def test_draws_of_the_members_are_kept() -> None:
    def f(x: Any, rng: np.random.Generator) -> Any:
        z = wg.random.normal(rng, like=x)
        counts = wg.random.poisson(rng, 3.0, like=x)
        if z > 0:
            return x + z, z, counts
        return z + wg.random.normal(rng, like=x) * 0, z, counts

    x = np.zeros(20)
    g = np.random.default_rng(5)
    _, z, counts = split(lambda x: f(x, g))(x)
    g = np.random.default_rng(5)
    same(
        (z, counts),
        wg.vmap(lambda x: (wg.random.normal(g, like=x), wg.random.poisson(g, 3.0, like=x)))(x),
    )


def test_a_split_by_a_draw_is_not_biased(rng: np.random.Generator) -> None:
    def coin(p: Any) -> Any:
        if wg.random.random(rng, like=p) < p:
            return 1.0
        return 0.0

    assert abs(split(coin)(np.full(100_000, 0.3)).mean() - 0.3) < 0.006


def test_draws_that_all_share_are_refused_before_a_split(rng: np.random.Generator) -> None:
    def shared(x: Any) -> Any:
        return x if x > rng.random() else 0.0

    with pytest.raises(errors.UnsupportedError, match=r"rng drew the same numbers .*\n.*like=x"):
        split(shared)(np.array([-1.0, 2.0]))
    same(split(shared)(np.array([2.0, 3.0])), np.array([2.0, 3.0]))
    after = lambda x: rng.random() if x > 0 else -rng.random()
    y = split(after)(V)
    assert (np.sign(y) == np.sign(V)).all()


# With other parts of the library.


def test_custom_rules() -> None:
    @wg.custom_jvp
    def forward(x: Any) -> Any:
        return np.log(x) if x > 0 else x

    @forward.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return forward(x), t / x if x > 0 else 2 * t

    @wg.custom_vjp
    def backward(x: Any) -> Any:
        return np.log(x) if x > 0 else x

    backward.defvjp(
        lambda x: (backward(x), x / 2 if x > 1 else x),
        lambda x, ct: (ct * np.where(x > 0, x, 1.0),),
    )
    for f in (forward, backward):

        def g(x: Any, f: Any = f) -> Any:
            y = f(x)
            return y * f(x + y) if y > 0.5 else y

        same(split(g)(V), loop(g, V))
        same(split(wg.grad(g))(V), loop(wg.grad(g), V))
        same(wg.grad(lambda x, g=g: np.sum(split(g)(x)))(V), loop(wg.grad(g), V))


def test_structured_loops() -> None:
    def f(x: Any) -> Any:
        def body(c: Any, t: Any) -> Any:
            c = c * 2 * t if c < 10 else c + t
            return c, c * x

        c, ys = wg.scan(body, x, np.arange(1.0, 5.0))
        n = int(np.abs(x)) if x < 5 else 2
        return wg.fori_loop(0, n, lambda i, c: c * 1.5 if c > 1 else c + 1, c + np.sum(ys))

    same(split(f)(V), loop(f, V))
    same_derivatives(f, V)
    checkpointed = wg.checkpoint(branches)
    same(split(wg.grad(checkpointed))(V), loop(wg.grad(branches), V))
    same(wg.grad(lambda x: np.sum(split(checkpointed)(x)))(V), loop(wg.grad(branches), V))


def test_a_program_with_decisions_by_plain_values() -> None:
    f = lambda w: split(lambda x: w * x if x > 0 else w * w)(V)
    program = wg.make_program(f)(2.0)
    for w in (2.0, 3.0):
        same(program(w), f(w))
    value = wg.make_program(wg.grad(lambda w: np.sum(f(w))))(2.0)
    same(value(3.0), wg.grad(lambda w: np.sum(f(w)))(3.0))


def test_arguments_that_are_written_to() -> None:
    def f(x: Any, v: Any) -> Any:
        v[0] = x
        if x > 0:
            v[1] = v[0] * 2
        v *= 2
        return v

    m = np.arange(12.0).reshape(6, 2)
    before = m.copy()
    found = split(f)(V, m)
    np.testing.assert_array_equal(m, before)
    same(found, loop(f, V, m))


def test_recursion() -> None:
    def factorial(n: Any) -> Any:
        return 1 if n <= 1 else n * factorial(n - 1)

    assert list(split(factorial)(np.array([1, 5, 3, 0, 5]))) == [1, 120, 6, 1, 120]
