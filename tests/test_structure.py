"""Functions of structure where identities say nothing: errors, layouts, and values that decide
shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

X = np.array([1.0, 2.0, 3.0])
M = np.arange(6.0).reshape(2, 3)
T = np.arange(24.0).reshape(2, 3, 4)

# What NumPy refuses is refused, by the same class of error; the message names the function.

WRONG: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "reshape-negative": (lambda x: np.reshape(x, (-2, -3)), M),
    "reshape-two-unknown": (lambda x: np.reshape(x, (-1, -1)), M),
    "reshape-of-nothing": (lambda x: np.reshape(x, (0, -1)), M[:0]),
    "reshape-float": (lambda x: np.reshape(x, (2.0, 3)), M),
    "reshape-order": (lambda x: np.reshape(x, 6, order="Q"), M),
    "reshape-no-copy": (lambda x: np.reshape(x.T, 6, copy=False), M),
    "transpose": (lambda x: np.transpose(x, (0, 0)), M),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 2), M),
    "moveaxis": (lambda x: np.moveaxis(x, (0, 1), 0), M),
    "rollaxis": (lambda x: np.rollaxis(x, 3), M),
    "expand_dims": (lambda x: np.expand_dims(x, (0, 0)), M),
    "squeeze": (lambda x: np.squeeze(x, 0), M),
    "broadcast_to": (lambda x: np.broadcast_to(x, (3, 3)), M),
    "broadcast_arrays": (lambda x: np.broadcast_arrays(x, np.ones(4)), M),
    "flip": (lambda x: np.flip(x, 2), M),
    "fliplr": (lambda x: np.fliplr(x), X),
    "rot90-axes": (lambda x: np.rot90(x, 1, (0, 0)), M),
    "rot90-vector": (lambda x: np.rot90(x), X),
    "roll": (lambda x: np.roll(x, 1, 2), M),
    "repeat": (lambda x: np.repeat(x, [1, 2]), X),
    "split": (lambda x: np.split(x, 2), X),
    "split-zero": (lambda x: np.array_split(x, 0), X),
    "hsplit": (lambda x: np.hsplit(x, 1), np.float64(1)),
    "vsplit": (lambda x: np.vsplit(x, 1), X),
    "dsplit": (lambda x: np.dsplit(x, 1), M),
    "pad-mode": (lambda x: np.pad(x, 1, "nonsense"), X),
    "pad-option": (lambda x: np.pad(x, 1, "edge", stat_length=1), X),
    "pad-negative": (lambda x: np.pad(x, -1), X),
    "pad-float": (lambda x: np.pad(x, 1.5), X),
    "pad-widths": (lambda x: np.pad(x, (1, 2, 3)), X),
    "pad-empty": (lambda x: np.pad(x, 1, "edge"), X[:0]),
    "pad-length": (lambda x: np.pad(x, 1, "maximum", stat_length=0), X),
    "concatenate-shapes": (lambda x: np.concatenate([x, X]), M),
    "concatenate-axis": (lambda x: np.concatenate([x, x], 2), M),
    "concatenate-cast": (lambda x: np.concatenate([x, x], dtype=int), X),
    "stack-shapes": (lambda x: np.stack([x, M]), X),
    "stack-cast": (lambda x: np.stack([x, x], dtype=int), X),
    "block-depths": (lambda x: np.block([x, [x]]), X),
    "block-empty": (lambda x: np.block([x, []]), X),
    "block-tuple": (lambda x: np.block([x, (x,)]), X),
    "block-shapes": (lambda x: np.block([[x, x], [x]]), X),
    "append": (lambda x: np.append(x, X, 0), M),
    "insert-index": (lambda x: np.insert(x, 9, 0.0), X),
    "insert-shape": (lambda x: np.insert(x, [1, 2], np.ones((2, 5)), 1), M),
    "delete": (lambda x: np.delete(x, 9), X),
    "resize": (lambda x: np.resize(x, (2, -1)), X),
    "compress-index": (lambda x: np.compress([1] * 9, x), X),
    "compress-axes": (lambda x: np.compress([[1]], x), X),
    "extract": (lambda x: np.extract([1] * 9, x), X),
    "apply_along_axis": (lambda x: np.apply_along_axis(np.max, 1, x), M[:0]),
    "apply_over_axes": (lambda x: np.apply_over_axes(lambda v, axis: np.sum(v), x, 0), T),
    "meshgrid": (lambda x: np.meshgrid(x, indexing="q"), X),
    "ix_": (lambda x: np.ix_(x), M),
    "tril_indices_from": (lambda x: np.tril_indices_from(x), X),
    "diag_indices_from": (lambda x: np.diag_indices_from(x), M),
    "tril": (lambda x: np.tril(x), np.float64(1)),
    "diag": (lambda x: np.diag(x), T),
    "take-mode": (lambda x: np.take(x, 0, mode="q"), X),
    "take-index": (lambda x: np.take(x, 9), X),
    "take_along_axis": (lambda x: np.take_along_axis(x, np.array([0]), 1), M),
    "windows": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 9), X),
    "windows-axes": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 1), M),
    "linspace": (lambda x: np.linspace(x, 1, -1), X),
    "linspace-float": (lambda x: np.linspace(x, 1, 2.5), X),
    "geomspace": (lambda x: np.geomspace(x, 1, 3), np.zeros(2)),
    "polyder": (lambda x: np.polyder(x, -1), X),
    "polyint": (lambda x: np.polyint(x, 3, [1, 2]), X),
    "polyint-order": (lambda x: np.polyint(x, -1), X),
    "poly": (lambda x: np.poly(x), M),
    "roots": (lambda x: np.roots(x), M),
    "vander": (lambda x: np.vander(x), M),
    "polyfit-degree": (lambda x: np.polyfit(X, x, -1), X),
    "polyfit-lengths": (lambda x: np.polyfit(X, x, 1), X[:2]),
    "polyfit-axes": (lambda x: np.polyfit(x, X, 1), M),
    "polyfit-weights": (lambda x: np.polyfit(X, x, 1, w=[1, 2]), X),
    "polyfit-cov": (lambda x: np.polyfit(X, x, 2, cov=True), X),
    "vecdot": (lambda x: np.linalg.vecdot(x, np.ones(2)), X),
    "einsum-cast": (lambda x: np.einsum("i,i", x, x, dtype="f4"), X),
    "einsum-option": (lambda x: np.einsum("i", x, nonsense=1), X),
    "einsum-letters": (lambda x: np.einsum("ij,j", x, x), X),
    "astype": (lambda x: x.astype(int, casting="safe"), X),
    "view": (lambda x: x.view(complex), X),
    "to_device": (lambda x: x.to_device("gpu"), X),
    "imag": (lambda x: setattr(x, "imag", 1.0), X),
    "delitem": (lambda x: x.__delitem__(0), X),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", WRONG)
def test_what_numpy_refuses_is_refused(name: str) -> None:
    f, x = WRONG[name]
    with pytest.raises(Exception) as numpys:  # noqa: PT011 - of many classes
        f(x)
    for transform in (
        lambda: wg.jvp(f, (x,), (x,)),
        lambda: wg.vmap(f)(x[None]),
        lambda: wg.make_program(f)(x),
    ):
        if name in ("geomspace", "reshape-no-copy") and transform.__code__.co_names[1] != "jvp":
            continue  # zeros and layouts are seen in concrete values alone
        with pytest.raises(Exception) as ours:  # noqa: PT011
            transform()
        wanted = [k for k in numpys.type.__mro__ if k in _BUILTIN]
        assert isinstance(ours.value, tuple(wanted)), (numpys.value, ours.value)
        assert str(ours.value)


_BUILTIN = (ValueError, TypeError, IndexError, ZeroDivisionError, AttributeError)


# Values that decide the shape or the dtype.


@pytest.mark.parametrize("transform", [lambda f: wg.vmap(f)(M), lambda f: wg.make_program(f)(X)])
@pytest.mark.parametrize(
    ("name", "f"),
    {
        "np.trim_zeros": lambda x: np.trim_zeros(x),
        "np.compress": lambda x: np.compress(x > 1, x),
        "np.extract": lambda x: np.extract(x > 1, x),
        "np.delete": lambda x: np.delete(X, x.astype(int)[0]),
        "np.insert": lambda x: np.insert(X, x.astype(int)[0], 0.0),
        "np.repeat": lambda x: wnp.repeat(X, x.astype(int)),
        "np.arange": lambda x: wnp.arange(x[0]),
        "np.emath.sqrt": lambda x: np.emath.sqrt(x),
        "np.pad": lambda x: wnp.pad(X, x.astype(int)[0]),
    }.items(),
)
def test_values_that_decide_shapes_must_be_concrete(
    name: str, f: Callable[[Any], Any], transform: Callable[[Any], Any]
) -> None:
    with pytest.raises(wg.errors.ConcretizationError, match=name):
        transform(f)


def test_lengths_of_arange_are_numpys() -> None:
    for ends in ((0.0, 1.0, 0.1), (1.0, 0.0, -0.3), (0.1, 0.4, 0.1), (0.0, 3.0, 1.0)):
        y, y_dot = wg.jvp(wnp.arange, ends, (1.0, 1.0, 1.0))
        np.testing.assert_array_equal(y, np.arange(*ends))
        np.testing.assert_allclose(y_dot, 1 + np.arange(len(y)))
    assert wg.grad(lambda n: n * len(wnp.arange(n)))(3.5) == 4
    assert wg.jvp(lambda n: wnp.arange(n, dtype=int), (3.0,), (1.0,))[0].dtype.kind == "i"
    np.testing.assert_array_equal(
        wg.jvp(lambda x: np.arange(1, x, like=x), (3.0,), (1.0,))[0], [1.0, 2.0]
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("mask", [[True, False, True], [False, True, False], [False] * 3])
def test_insert_reads_masks_as_numpy_does(mask: list[bool]) -> None:
    where = np.array(mask)
    y = wg.jvp(lambda x: np.insert(x, where, 9.0), (X,), (X,))[0]
    np.testing.assert_array_equal(y, np.insert(X, where, 9.0))


def test_polynomials_keep_leading_coefficients_of_unknown_value() -> None:
    p, q = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0])
    assert wg.jvp(lambda p: np.polymul(p, q), (p,), (p,))[0].shape == (3,)
    batch = wg.vmap(lambda p: np.polymul(p, q))(p[None])
    np.testing.assert_array_equal(batch, [[0.0, 1.0, 5.0, 6.0]])
    quotient, rest = wg.vmap(lambda p: np.polydiv(p, q))(np.polymul(q, [1.0, 2.0])[None])
    np.testing.assert_array_equal(quotient, [[1.0, 2.0]])
    np.testing.assert_array_equal(rest, [[0.0]])


def test_poly1d_of_traced_coefficients() -> None:
    def f(c: Any) -> Any:
        p = np.poly1d(c)
        return (p * p + p.deriv())(2.0)

    c = np.array([1.0, -2.0, 0.5])
    powers = np.array([4.0, 2.0, 1.0])
    np.testing.assert_allclose(wg.grad(f)(c), 2 * (c @ powers) * powers + [4.0, 1.0, 0.0])


# Layouts in memory.


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: np.transpose(x, (1, 2, 0)),
        lambda x: x[:, ::-1],
        lambda x: np.asfortranarray(x) if isinstance(x, np.ndarray) else x.astype(float, order="F"),
    ],
    ids=["same", "T", "turned", "reversed", "F"],
)
def test_orders_follow_the_layout_of_concrete_values(
    order: str, change: Callable[[Any], Any]
) -> None:
    if "asfortranarray" in change.__code__.co_names:
        return  # a traced value keeps the layout that it has
    for x in (T, np.asfortranarray(T)):
        want = np.ravel(change(x), order)
        got = wg.jvp(lambda x: np.ravel(change(x), order), (x,), (x,))[0]
        np.testing.assert_array_equal(got, want)
        flat = wg.jvp(lambda x: change(x).flatten(order), (x,), (x,))[0]
        np.testing.assert_array_equal(flat, want)


# x.flat.


def test_flat_is_numpys_iterator() -> None:
    def f(x: Any) -> Any:
        flat, numpys = x.T.flat, M.T.flat
        assert len(flat) == len(numpys) == 6
        assert flat.base.shape == numpys.base.shape
        assert flat.coords == numpys.coords == (0, 0)
        assert next(flat) == next(numpys)
        assert flat.coords == numpys.coords == (0, 1)
        assert flat.index == numpys.index == 1
        assert [float(v) for v in flat] == list(numpys)
        assert np.all((x.flat > 2.0) == (M.flat > 2.0))
        assert np.all(x.flat != -1.0) and np.all(x.flat >= 0.0)
        assert np.all(x.flat < 6.0) and np.all(x.flat <= 5.0) and np.any(x.flat == 5.0)
        assert x.flat.copy().shape == (6,)
        assert np.all(x.flat[[0, 5]] == M.flat[[0, 5]])
        return np.sum(np.concatenate([x.flat, np.sin(x.flat)])) + np.stack([x.flat])[0, -1]

    y, y_dot = wg.jvp(f, (M,), (np.ones_like(M),))
    np.testing.assert_allclose(y, np.sum(M + np.sin(M)) + 5)
    np.testing.assert_allclose(y_dot, np.sum(1 + np.cos(M)) + 1)
    with pytest.raises(wg.errors.ArrayConversionError):
        wg.jvp(lambda x: np.asarray(x.flat), (M,), (M,))


def test_writing_to_flat_repeats_values() -> None:
    def f(m: Any, x: Any) -> Any:
        y = m.copy(x)
        y.flat = [1.0, 2.0, 3.0, 4.0]
        y.T.flat[1:4] = 7.0
        y.flat[[0, 2]] = y.flat[3:5] * 2
        return y

    np.testing.assert_array_equal(wg.jvp(lambda x: f(wnp, x), (M,), (M,))[0], f(np, M))


# Shapes alone.


def test_memory_of_traced_values() -> None:
    def f(x: Any) -> Any:
        assert np.shares_memory(x, x[1:])
        assert not np.shares_memory(x, x * 2)
        assert np.may_share_memory(x, x.T)
        return x

    wg.jvp(f, (M,), (M,))

    def g(x: Any) -> Any:
        assert np.shares_memory(x, x)
        assert not np.may_share_memory(x, X)
        return x

    wg.vmap(g)(M)


def test_plain_copies_of_concrete_values() -> None:
    def f(x: Any) -> Any:
        assert x.tolist() == M.tolist()
        assert x.tobytes() == M.tobytes()
        assert x.T.tobytes("A") == M.T.tobytes("A")
        assert x.device == "cpu"
        assert x.to_device("cpu") is x
        assert x.base is None
        assert x[1:].base is x
        return x

    wg.jvp(f, (M,), (M,))


def test_namespace() -> None:
    wg.vmap(lambda x: x.__array_namespace__().sin(x))(M)
    with pytest.raises(ValueError, match="Version"):
        wg.vmap(lambda x: x.__array_namespace__(api_version="1.0"))(M)
