"""Other libraries' arrays: plain ones pass through, traced ones meet them without object arrays."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp

X = np.array([0.1, 0.5, 0.9])


def is_float_result(y: Any) -> bool:
    """A result that is traced, or an array of numbers: anything but an object array."""
    return isinstance(y, wg.Tracer) or getattr(y, "dtype", None) != np.dtype(object)


# Lists and tuples.


def test_wengert_numpy_takes_lists_when_nothing_is_traced() -> None:
    assert wnp.sum([1.0, 2.0]) == 3.0
    assert wnp.dot([1.0, 2.0], (3.0, 4.0)) == 11.0
    np.testing.assert_array_equal(wnp.concatenate([[1.0], [2.0]]), [1.0, 2.0])
    np.testing.assert_array_equal(wnp.where([True, False], [1.0, 2.0], 0.0), [1.0, 0.0])
    assert wnp.linalg.norm([3.0, 4.0]) == 5.0
    np.testing.assert_array_equal(wnp.einsum("i,i->", [1, 2], [3, 4]), 11)
    np.testing.assert_array_equal(wnp.sort([3, 1, 2]), [1, 2, 3])
    np.testing.assert_array_equal(
        wnp.array([[1, 2], [3, 4]], dtype=float, ndmin=3).shape, (1, 2, 2)
    )
    assert wnp.interp(0.5, [0.0, 1.0], [0.0, 2.0]) == 1.0  # NumPy's own, where we have no rule


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x * [1.0, 2.0, 3.0]),
        lambda x: np.sum((1.0, 2.0, 3.0) * x),
        lambda x: x @ [1.0, 2.0, 3.0],
        lambda x: np.dot([1.0, 2.0, 3.0], x),
        lambda x: np.sum(np.multiply([1.0, 2.0, 3.0], x)),
        lambda x: np.einsum("i,i->", x, [1.0, 2.0, 3.0]),
    ],
)
def test_lists_meet_tracers(f: Any) -> None:
    np.testing.assert_array_equal(wg.grad(f)(X), [1.0, 2.0, 3.0])


def test_memory_views_and_arrays_of_the_standard_library() -> None:
    weights = array("d", [1.0, 2.0, 3.0])
    assert wnp.sum(weights) == 6.0
    np.testing.assert_array_equal(
        wg.grad(lambda x: np.sum(x * np.asarray(weights)))(X), [1.0, 2.0, 3.0]
    )


# pandas.


def test_pandas_series_when_nothing_is_traced() -> None:
    pd = pytest.importorskip("pandas")
    s = pd.Series([3.0, 1.0, 2.0], index=["a", "b", "c"])
    assert wnp.sum(s) == 6.0
    assert wnp.mean(s) == 2.0
    assert isinstance(wnp.exp(s), pd.Series)
    np.testing.assert_array_equal(wnp.sort(s), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wnp.concatenate([s, s]), [3, 1, 2, 3, 1, 2])
    np.testing.assert_array_equal(wnp.where(s > 1.5, s, 0.0), [3.0, 0.0, 2.0])
    assert wnp.dot(s, s) == 14.0
    assert wnp.linalg.norm(s) == pytest.approx(np.sqrt(14.0))


def test_pandas_series_as_argument() -> None:
    pd = pytest.importorskip("pandas")
    s = pd.Series([3.0, 1.0, 2.0])
    g = wg.grad(lambda x: np.sum(x**2))(s)
    assert type(g) is np.ndarray
    np.testing.assert_array_equal(g, [6.0, 2.0, 4.0])
    np.testing.assert_array_equal(wg.vmap(np.square)(s), [9.0, 1.0, 4.0])
    assert wg.make_program(np.sum)(s)(X) == X.sum()
    with pytest.raises(wg.errors.LeafTypeError):
        wg.grad(lambda x: np.sum(x))(pd.Series(["a", "b"]))
    with pytest.raises(wg.errors.DtypeError):
        wg.grad(lambda x: np.sum(x))(pd.Series([1, 2]))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, s: x * s,
        lambda x, s: s * x,
        lambda x, s: s + x,
        lambda x, s: x - s,
        lambda x, s: x / s,
        lambda x, s: s / x,
        lambda x, s: x**s,
        lambda x, s: np.multiply(x, s),
        lambda x, s: np.multiply(s, x),
        lambda x, s: np.maximum(s, x),
        lambda x, s: x @ s,
        lambda x, s: x > s,
        lambda x, s: np.where(x > 0.2, x, s),
        lambda x, s: np.concatenate([x, s]),
        lambda x, s: np.dot(x, s),
        lambda x, s: np.stack([x, s]),
    ],
)
def test_pandas_series_meet_tracers_without_object_arrays(f: Any) -> None:
    pd = pytest.importorskip("pandas")
    s = pd.Series([3.0, 1.0, 2.0])
    seen = []

    def g(x: Any) -> Any:
        y = f(x, s)
        seen.append(y)
        return np.sum(y)

    try:
        found = wg.jvp(g, (X,), (X,))[1]
    except TypeError:
        assert all(is_float_result(y) for y in seen)
        return
    assert all(is_float_result(y) for y in seen)
    due = wg.jvp(lambda x: np.sum(f(x, s.to_numpy())), (X,), (X,))[1]
    np.testing.assert_allclose(found, due)


def test_pandas_frames_give_their_values() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    values = frame.to_numpy()
    np.testing.assert_array_equal(
        wg.grad(lambda w: np.sum(values @ w))(np.ones(2)), values.sum(axis=0)
    )


# xarray.


@pytest.mark.parametrize(
    "f",
    [
        lambda x, d: x * d,
        lambda x, d: d * x,
        lambda x, d: x + d,
        lambda x, d: d - x,
        lambda x, d: np.multiply(x, d),
        lambda x, d: np.multiply(d, x),
        lambda x, d: np.concatenate([x, d]),
        lambda x, d: np.where(x > 0, d, x),
        lambda x, d: x @ d,
        lambda x, d: x < d,
    ],
)
@pytest.mark.parametrize(
    "transform",
    [
        lambda g: wg.jvp(g, (X,), (X,)),
        lambda g: wg.vjp(g, X),
        lambda g: wg.vmap(g)(np.stack([X, X])),
        lambda g: wg.make_program(g)(X),
    ],
    ids=["jvp", "vjp", "vmap", "make_program"],
)
def test_xarray_is_deferred_to_and_never_gives_object_arrays(f: Any, transform: Any) -> None:
    xr = pytest.importorskip("xarray")
    d = xr.DataArray(np.array([1.0, 2.0, 3.0]), dims="i")
    seen = []

    def g(x: Any) -> Any:
        y = f(x, d)
        seen.append(y)
        return x

    try:
        transform(g)
    except TypeError:
        assert seen == []
        return
    assert all(is_float_result(y) for y in seen)


def test_xarray_when_nothing_is_traced() -> None:
    xr = pytest.importorskip("xarray")
    d = xr.DataArray(np.array([1.0, 2.0, 3.0]), dims="i")
    assert isinstance(wnp.exp(d), xr.DataArray)
    assert float(wnp.sum(d)) == 6.0
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * d.values))(X), [1.0, 2.0, 3.0])


# Array-likes that know NumPy's protocols.


class Duck:
    """An array of another library, which handles NumPy's operations itself."""

    __array_priority__ = 2000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> str:
        return f"duck {ufunc.__name__}"

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> str:
        return f"duck {func.__name__}"

    def __mul__(self, other: Any) -> str:
        return "duck times"

    def __rmul__(self, other: Any) -> str:
        return "times duck"

    def __rmatmul__(self, other: Any) -> str:
        return "matmul duck"

    def __gt__(self, other: Any) -> str:
        return "duck greater"


def test_ducks_are_deferred_to() -> None:
    duck = Duck()

    def f(x: Any) -> Any:
        assert x * duck == "times duck"
        assert duck * x == "duck times"
        assert x @ duck == "matmul duck"
        assert (x < duck) == "duck greater"
        assert np.add(x, duck) == "duck add"
        assert np.add(duck, x) == "duck add"
        assert np.concatenate([x, duck]) == "duck concatenate"
        return x

    wg.jvp(f, (X,), (X,))
    wg.vjp(f, X)
    wg.vmap(f)(np.stack([X, X]))
    wg.make_program(f)(X)


class ArrayLike:
    """Something that can say what array it is, and nothing more."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array([1.0, 2.0, 3.0])


def test_array_likes_are_converted() -> None:
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * ArrayLike()))(X), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(ArrayLike() * x))(X), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x**2))(ArrayLike()), [2.0, 4.0, 6.0])


def test_masked_arrays_and_matrices_never_lose_their_meaning() -> None:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [True, False, False])
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(x * masked))(X)
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(masked * x))(X)


def test_subclasses_without_a_protocol_of_their_own_are_arrays() -> None:
    class Named(np.ndarray):
        pass

    w = np.array([1.0, 2.0, 3.0]).view(Named)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * w))(X), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(w * x))(X), [1.0, 2.0, 3.0])
    g = wg.grad(lambda x: np.sum(x**2))(w)
    assert type(g) is np.ndarray
    np.testing.assert_array_equal(g, [2.0, 4.0, 6.0])


# scipy.


def test_scipy_optimize_takes_our_gradients() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    f = lambda x: np.sum((x - np.arange(3.0)) ** 4) + np.sum(x**2)
    found = optimize.minimize(f, X, jac=wg.grad(f), method="BFGS")
    np.testing.assert_allclose(wg.grad(f)(found.x), np.zeros(3), atol=1e-4)
    newton = optimize.minimize(f, X, jac=wg.grad(f), hess=wg.hessian(f), method="Newton-CG")
    np.testing.assert_allclose(newton.x, found.x, atol=1e-4)


def test_scipy_s_compiled_functions_say_what_is_wrong() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    with pytest.raises(wg.errors.ArrayConversionError, match=r"wengert\.scipy\.linalg\.solve"):
        wg.grad(lambda x: np.sum(linalg.solve(np.eye(3), x)))(X)
    assert wg.grad(np.sin)(0.0) == 1.0
