"""Writing to traced arrays: what the spec rows cannot say. Nesting, buffers, `x.at`, errors."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.errors import (
    ArrayConversionError,
    ConcretizationError,
    DtypeError,
    EscapedTracerError,
    InPlaceWriteError,
    ShapeError,
)

Function = Callable[..., Any]
X = np.array([1.0, 2.0, 3.0])
TRANSFORMS: dict[str, Function] = {
    "grad": lambda f: wg.grad(lambda x: np.sum(f(x)))(X),
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "vmap": lambda f: wg.vmap(f)(np.stack([X, X])),
    "make_program": lambda f: wg.make_program(f)(X),
    "hessian": lambda f: wg.hessian(lambda x: np.sum(f(x)))(X),
    "vmap(grad)": lambda f: wg.vmap(wg.grad(lambda x: np.sum(f(x))))(np.stack([X, X])),
}
under_all = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


# Names and identity.


def test_every_name_of_an_array_sees_a_write() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        z = y
        keep = y * 1.0
        z[0] = 7.0
        y += 1.0
        return np.stack([y, z, keep])

    close(wg.jvp(f, (X,), (X,))[0], [[8, 5, 7], [8, 5, 7], [2, 4, 6]])
    close(wg.vmap(f)(X[None]), [[[8, 5, 7], [8, 5, 7], [2, 4, 6]]])


def test_an_operation_before_a_write_keeps_its_value() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        before = np.sum(y**3)
        y[...] = 0.0
        return before + np.sum(y)

    close(wg.grad(f)(X), 3 * X**2)
    close(wg.hessian(f)(X), np.diag(6 * X))


def test_copies_are_independent() -> None:
    def f(x: Any) -> Any:
        copies = [x.copy(), np.copy(x), copy.copy(x), copy.deepcopy(x), wnp.array(x), x.flatten()]
        for c in copies:
            c[0] = 10.0
        copies.append(x)
        return np.stack(copies)

    want = np.array([[10.0, 2.0, 3.0]] * 6 + [[1.0, 2.0, 3.0]])
    close(wg.jvp(f, (X,), (X,))[0], want)
    close(wg.make_program(f)(X)(X), want)


def test_scalars_are_given_new_values() -> None:
    def f(x: Any) -> Any:
        y = x
        y += 1.0
        y *= x
        return y

    assert wg.grad(f)(3.0) == 7.0


def test_arrays_in_containers() -> None:
    def f(p: Any) -> Any:
        p["w"][0] = p["b"] * 2.0
        for row in p["m"]:
            row[0] = p["b"]
        return np.sum(p["w"]) + np.sum(p["m"] ** 2)

    p = {"w": X, "b": 3.0, "m": np.ones((2, 2))}
    g = wg.grad(f)(p)
    close(g["w"], [0, 1, 1])
    close(g["b"], 2 + 2 * 2 * 3.0)
    close(g["m"], [[0, 2], [0, 2]])
    assert p["w"] is X
    close(p["m"], np.ones((2, 2)))


# Nesting.


def test_a_constant_of_an_inner_transformation_can_be_written_to() -> None:
    def outer(w: Any) -> Any:
        def inner(row: Any) -> Any:
            z = w * 2.0
            z[1] = row[0] * w[0]
            return np.sum(z)

        return np.sum(wg.vmap(inner)(np.stack([X, 2 * X])) ** 2)

    def by_hand(w: Any) -> Any:
        z = [2 * w[0] + r[0] * w[0] + 2 * w[2] for r in (X, 2 * X)]
        return z[0] ** 2 + z[1] ** 2

    close(wg.grad(outer)(X), wg.grad(by_hand)(X))
    close(wg.hessian(outer)(X), wg.hessian(by_hand)(X))


def test_a_buffer_takes_values_of_several_transformations() -> None:
    def f(x: Any) -> Any:
        buffer = wnp.zeros(3)
        buffer[0] = x**2

        def inner(y: Any) -> Any:
            mine = buffer.copy()
            mine[1] = y * x
            return np.sum(mine**2)

        buffer[2] = wg.grad(inner)(x)
        return np.sum(buffer)

    # inner(y) = x^4 + x^2 y^2, so buffer = [x^2, 0, 2 x^3]
    close(wg.grad(f)(1.5), 2 * 1.5 + 6 * 1.5**2)
    close(wg.grad(wg.grad(f))(1.5), 2 + 12 * 1.5)


def test_a_tangent_can_be_written_to() -> None:
    def f(t: Any) -> Any:
        y = t * 2.0
        y[0] = t[1] * 3.0
        y *= 2.0
        y = y + t
        return -y

    pulled = wg.linear_transpose(f, X)(np.array([1.0, 10.0, 100.0]))[0]
    close(pulled, wg.vjp(f, X)[1](np.array([1.0, 10.0, 100.0]))[0])


def test_a_linearized_loop_runs_again() -> None:
    def f(x: Any) -> Any:
        y = wnp.zeros(3)
        for i in range(3):
            y[i] = x[i] ** 2
        y[1:] *= y[:-1]
        return y

    y, f_lin = wg.linearize(f, X)
    close(y, [1, 4, 36])
    for t in (X, np.ones(3), X):
        close(f_lin(t), wg.jvp(f, (X,), (t,))[1])
        close(f_lin.program(t), f_lin(t))


# New arrays.

MAKERS: dict[str, Function] = {
    "wnp.zeros": lambda x: wnp.zeros(3),
    "wnp.ones": lambda x: wnp.ones((3,)),
    "wnp.empty": lambda x: wnp.empty(3),
    "wnp.full": lambda x: wnp.full(3, 2.0),
    "wnp.full-traced": lambda x: wnp.full(3, x[0]),
    "wnp.array": lambda x: wnp.array([1.0, 2.0, 3.0]),
    "wnp.array-traced": lambda x: wnp.array([x[0], 2.0, 3.0]),
    "wnp.copy": lambda x: wnp.copy(X),
    "wnp.zeros_like": lambda x: wnp.zeros_like(x),
    "np.zeros_like": lambda x: np.zeros_like(x),
    "np.ones_like": lambda x: np.ones_like(x),
    "np.empty_like": lambda x: np.empty_like(x),
    "np.full_like": lambda x: np.full_like(x, 2.0),
    "np.full_like-traced": lambda x: np.full_like(x, x[0]),
    "np.zeros-like": lambda x: np.zeros(3, like=x),
    "np.ones-like": lambda x: np.ones(3, like=x),
    "np.empty-like": lambda x: np.empty(3, like=x),
    "np.full-like": lambda x: np.full(3, x[0], like=x),
    "np.array-like": lambda x: np.array([1.0, 2.0, 3.0], like=x),
    "made of one": lambda x: wnp.ones(3) * 2.0,
}


@under_all
@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_new_arrays_accept_traced_values(maker: Function, transform: Function) -> None:
    def f(x: Any) -> Any:
        y = maker(x)
        y[0] = x[1]
        y[1:] = x[1:] ** 2
        return y

    def stacked(x: Any) -> Any:
        return np.concatenate([x[1:2], x[1:] ** 2])

    got, want = transform(f), transform(stacked)
    if isinstance(got, wg.Program):
        got, want = got(X), want(X)
    for g, w in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        close(g, w)


def test_new_arrays_are_plain_where_nothing_is_traced() -> None:
    for made in (wnp.zeros(2), wnp.ones(2), wnp.empty(2), wnp.full(2, 1.0), wnp.array([1.0]),
                 wnp.copy(X), wnp.zeros_like(X)):  # fmt: skip
        assert type(made) is np.ndarray

    def fails(x: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wg.grad(fails)(1.0)
    assert type(wnp.zeros(2)) is np.ndarray


def test_a_buffer_without_traced_values_is_a_plain_array_to_others() -> None:
    def f(x: Any) -> Any:
        buffer = wnp.zeros(3)
        buffer[1] = 2.0
        assert np.asarray(buffer).tolist() == [0, 2, 0]
        assert float(buffer[1]) == 2.0
        assert [v for v in buffer] == [0, 2, 0]
        assert "writable" in repr(buffer)
        return np.sum(buffer * x)

    close(wg.grad(f)(X), [0, 2, 0])


def test_a_buffer_is_returned_as_a_plain_array() -> None:
    def f(x: Any) -> Any:
        return wnp.ones(2), x * wnp.ones(3)

    plain, traced = wg.vmap(f)(np.stack([X, X]))
    assert type(plain) is np.ndarray
    close(traced, [X, X])
    aux = wg.grad(lambda x: (x[0], wnp.zeros(2)), has_aux=True)(X)[1]
    assert type(aux) is np.ndarray


def test_integers_and_bools() -> None:
    def f(x: Any) -> Any:
        order = wnp.zeros(3, dtype=int)
        order[:] = np.argsort(-x)
        chosen = wnp.zeros(3, dtype=bool)
        chosen[0] = x[1] > 1.0
        return x[order] * np.where(chosen, x, 1.0)

    close(wg.jvp(f, (X,), (X,))[0], [3, 2, 1])
    close(wg.vmap(f)(X[None]), [[3, 2, 1]])


# JAX's functional form.

AT: dict[str, tuple[Function, Function]] = {
    "set": (lambda x: x.at[0].set(x[1] * 2), lambda x: np.array([4.0, 2.0, 3.0])),
    "set-slice": (lambda x: x.at[1:].set(x[:2]), lambda x: np.array([1.0, 1.0, 2.0])),
    "add-twice": (lambda x: x.at[[0, 0]].add(x[:2]), lambda x: np.array([4.0, 2.0, 3.0])),
    "subtract": (lambda x: x.at[2].subtract(1.0), lambda x: np.array([1.0, 2.0, 2.0])),
    "mul-twice": (lambda x: x.at[[0, 0]].mul(x[1:]), lambda x: np.array([6.0, 2.0, 3.0])),
    "multiply": (lambda x: x.at[1].multiply(x[2]), lambda x: np.array([1.0, 6.0, 3.0])),
    "divide": (lambda x: x.at[1].divide(4.0), lambda x: np.array([1.0, 0.5, 3.0])),
    "power": (lambda x: x.at[1].power(x[2]), lambda x: np.array([1.0, 8.0, 3.0])),
    "min": (lambda x: x.at[:].min(2.5), lambda x: np.array([1.0, 2.0, 2.5])),
    "max": (lambda x: x.at[[0, 0]].max(x[1:]), lambda x: np.array([3.0, 2.0, 3.0])),
    "get": (lambda x: x.at[1].get() * x, lambda x: 2.0 * x),
    "apply": (lambda x: x.at[1].apply(np.exp), lambda x: np.array([1.0, np.exp(2.0), 3.0])),
}


@pytest.mark.parametrize("name", AT)
def test_at(name: str) -> None:
    f, want = AT[name]

    def watched(x: Any) -> Any:
        y = f(x)
        return y, x

    (y, x), _ = wg.jvp(watched, (X,), (X,))
    close(y, want(X))
    close(x, X)
    close(wg.vmap(f)(X[None])[0], want(X))
    close(wg.make_program(f)(X)(X), want(X))
    t, h = np.array([0.3, -1.0, 0.7]), 1e-6
    off = X + 1e-3 * t  # away from ties
    plus, minus = (wg.jvp(f, (off + s * h * t,), (t,))[0] for s in (1, -1))
    np.testing.assert_allclose(wg.jvp(f, (off,), (t,))[1], (plus - minus) / (2 * h), atol=1e-6)


# Errors.


def test_a_plain_array_shows_the_line_that_helps() -> None:
    def f(x: Any) -> Any:
        out = np.zeros(3)
        for i in range(3):
            out[i] = np.sin(x[i])
        return np.sum(out)

    fix = r"out = wengert\.numpy\.array\(out\)\n\s+out\[i\] = np\.sin\(x\[i\]\)"
    with pytest.raises(InPlaceWriteError, match=fix):
        wg.grad(f)(X)
    with pytest.raises(InPlaceWriteError, match=fix):
        wg.vmap(f)(X[None])
    with pytest.raises(InPlaceWriteError, match=fix):
        wg.make_program(f)(X)


def test_an_in_place_operator_on_a_plain_array() -> None:
    def f(x: Any) -> Any:
        total = np.zeros(3)
        total += x
        return np.sum(total)

    with pytest.raises(InPlaceWriteError, match=r"total = wengert\.numpy\.array\(total\)"):
        wg.grad(f)(X)


@under_all
def test_a_value_that_does_not_fit(transform: Function) -> None:
    def f(x: Any) -> Any:
        x[1:] = np.ones(3)
        return x

    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        transform(f)


def _wrong(name: str, error: type, match: str, f: Function) -> Any:
    return pytest.param(error, match, f, id=name)


def _update(x: Any, v: Any) -> Any:
    x += v
    return x


WRONG = [
    _wrong("complex", DtypeError, "imaginary part", lambda x: x.__setitem__(0, 1j)),
    _wrong("update-complex", DtypeError, "cannot be kept", lambda x: _update(x, 1j)),
    _wrong("update-shape", ShapeError, "shape of the array", lambda x: _update(x, np.ones((2, 3)))),
    _wrong(
        "int-by-float",
        DtypeError,
        "cannot be kept",
        lambda x: _update(wnp.zeros(3, dtype=int), x),
    ),
    _wrong("scalar", InPlaceWriteError, "traced scalar", lambda x: x[0].__setitem__((), 1.0)),
    _wrong("bool", InPlaceWriteError, "single True", lambda x: x.__setitem__((True, 0), 1.0)),
    _wrong("index", IndexError, "out of bounds", lambda x: x.__setitem__(3, 1.0)),
    _wrong("float-index", IndexError, "integers", lambda x: x.__setitem__(np.array([0.5]), 1.0)),
    _wrong(
        "broadcast", InPlaceWriteError, "read-only", lambda x: np.broadcast_to(x, (2, 3)).fill(0.0)
    ),
    _wrong(
        "diagonal", InPlaceWriteError, "read-only", lambda x: np.diagonal(np.outer(x, x)).fill(0)
    ),
    _wrong("put-plain", InPlaceWriteError, "plain", lambda x: np.put(np.zeros(3), [0], x[:1])),
    _wrong("put-out-of-bounds", IndexError, "out of bounds", lambda x: np.put(x, [7], 1.0)),
    _wrong("put-nothing", ShapeError, "no values", lambda x: np.put(x, [0], [])),
    _wrong("copyto", DtypeError, "cast", lambda x: np.copyto(x.astype("f4"), X, casting="no")),
    _wrong("fill_diagonal", ShapeError, "matrix", lambda x: np.fill_diagonal(x, 1.0)),
    _wrong("resize", InPlaceWriteError, "np.resize", lambda x: x.resize(2)),
    _wrong("out", InPlaceWriteError, r"y\[\.\.\.\] = np\.add", lambda x: np.add(x, 1, out=x * 1)),
    _wrong("at-plain", InPlaceWriteError, "plain", lambda x: np.add.at(np.zeros(3), [0], x[:1])),
]


@pytest.mark.parametrize(("error", "match", "f"), WRONG)
def test_errors(error: type[Exception], match: str, f: Function) -> None:
    with pytest.raises(error, match=match):
        wg.jvp(f, (X,), (X,))


def test_masks_without_values() -> None:
    def under_vmap(f: Function) -> Any:
        return wg.vmap(f)(np.stack([X, -X]))

    def write(x: Any, v: Any) -> Any:
        x[x > 0] = v
        return x

    with pytest.raises(ConcretizationError, match="the same for all elements"):
        under_vmap(lambda x: write(x, np.ones(3)))
    with pytest.raises(ConcretizationError, match="another mask"):
        under_vmap(lambda x: write(x, x[x < 1.5]))
    with pytest.raises(ConcretizationError, match="same mask"):
        under_vmap(lambda x: x.__setitem__(0, x[x > 0]))
    for f in (
        lambda x: x[x > 0].shape,
        lambda x: len(x[x > 0]),
        lambda x: np.max(x[x > 0]),
        lambda x: np.cumsum(x[x > 0]),
        lambda x: x[x > 0][0],
        lambda x: x[x > 0] + np.ones(2),
        lambda x: list(x[x > 0]),
        lambda x: np.asarray(x[x > 0]),
        lambda x: x[x > 0].size,
    ):
        with pytest.raises(ConcretizationError, match="must be concrete"):
            under_vmap(f)
    with pytest.raises(IndexError, match="does not fit"):
        under_vmap(lambda x: x[(x > 0)[:2]])
    with pytest.raises(ConcretizationError, match="concrete"):
        wg.make_program(lambda x, m: np.place(x, m, 1.0))(X, X > 1)
    with pytest.raises(ConcretizationError, match="occurs twice"):
        wg.vmap(lambda x, i: np.multiply.at(x, i, 2.0))(X[None], np.array([[0, 0]]))


def test_selections() -> None:
    def f(x: Any) -> Any:
        mask = x > 0
        chosen = x[mask]
        assert chosen.ndim == 1
        assert chosen.dtype == np.float64
        assert "selected by" in repr(chosen)
        chosen += 1.0
        x[mask] = chosen
        return np.sum(x), chosen.sum(), chosen.mean(), chosen.prod(), np.any(chosen > 3.5)

    def loop(x: Any) -> Any:
        mask = x > 0
        y = np.where(mask, x + 1.0, x)
        chosen = y[mask]
        return np.sum(y), chosen.sum(), chosen.mean(), chosen.prod(), np.any(chosen > 3.5)

    rows = np.array([[1.0, -2.0, 3.0], [0.5, 0.1, -1.0]])
    got = wg.vmap(f)(rows)
    for g, w in zip(got, zip(*[loop(r) for r in rows], strict=True), strict=True):
        close(g, w)


def test_the_domain_of_functions_is_not_left() -> None:
    """No warning and no NaN from elements that the mask leaves out."""

    def f(x: Any) -> Any:
        x[x > 0] = np.log(x[x > 0])
        return np.sum(x)

    rows = np.array([[1.0, -2.0, 0.0], [-0.5, -0.1, -1.0]])
    close(wg.vmap(wg.grad(f))(rows), [[1, 1, 1], [1, 1, 1]])
    close(wg.vmap(f)(rows), [-2.0, -1.6])


def test_a_written_array_escapes_with_its_trace() -> None:
    kept = []

    def f(x: Any) -> Any:
        x[0] = 2.0
        kept.append(x)
        return np.sum(x)

    wg.grad(f)(X)
    with pytest.raises(EscapedTracerError, match="escaped"):
        kept[0] + 1.0

    def g(x: Any) -> Any:
        buffer = wnp.zeros(3)
        wg.grad(lambda y: buffer.__setitem__(0, y) or y)(2.0)
        return np.sum(buffer * x)

    with pytest.raises(EscapedTracerError, match="escaped"):
        wg.grad(g)(X)


def test_a_traced_buffer_is_no_plain_array() -> None:
    def f(x: Any) -> Any:
        buffer = wnp.zeros(3)
        buffer[0] = x[0]
        return np.asarray(buffer)

    with pytest.raises(ArrayConversionError, match="plain NumPy array"):
        wg.grad(f)(X)


def test_long_loops_take_linear_time() -> None:
    """By count: the tape of a loop that fills an array has a few entries an element."""

    def f(x: Any) -> Any:
        y = wnp.zeros(400)
        y[0] = x[0]
        for i in range(1, 400):
            y[i] = 0.5 * y[i - 1] + x[i]
        return y

    x = np.linspace(0.0, 1.0, 400)
    _, f_lin = wg.linearize(f, x)
    assert len(f_lin.tape) < 5 * 400 + 400
    pulled = f_lin.transpose(np.eye(400)[-1])[0]
    close(pulled, 0.5 ** np.arange(399, -1, -1))


def test_threads_do_not_meet() -> None:
    """Another thread's trace does not change what this one gets; workers of a trace say `like=`."""
    seen: list[Any] = []

    def in_a_thread(f: Function) -> Any:
        thread = threading.Thread(target=lambda: seen.append(f()))
        thread.start()
        thread.join()
        return seen.pop()

    def f(x: Any) -> Any:
        assert type(in_a_thread(lambda: wnp.zeros(2))) is np.ndarray

        def work() -> Any:
            y = np.zeros(3, like=x)
            y[0] = x[0] ** 2
            z = np.zeros_like(x)
            z[1] = x[1]
            return y + z

        return np.sum(in_a_thread(work))

    close(wg.grad(f)(X), [2.0, 1.0, 0.0])


def test_a_view_of_what_was_written_to_is_returned() -> None:
    """It is read only when the function has returned."""

    def f(z: Any) -> Any:
        first, second = z[0], z[1:]
        first[0] = 7.0
        return second, z

    z = np.ones((3, 2))
    due = np.array([[7.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    slope = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    ct = (np.ones((2, 2)), z)
    for found in (
        f(z.copy()),
        wg.jvp(f, (z,), (z,))[0],
        wg.vjp(f, z)[0],
        wg.linearize(f, z)[0],
        wg.make_program(f)(z)(z),
        tuple([y[1] for y in wg.vmap(f)(np.stack([z, z]))]),
    ):
        np.testing.assert_array_equal(found[0], due[1:])
        np.testing.assert_array_equal(found[1], due)
    for found in (wg.jvp(f, (z,), (z,))[1], wg.linearize(f, z)[1](z)):
        np.testing.assert_array_equal(found[0], slope[1:])
        np.testing.assert_array_equal(found[1], slope)
    np.testing.assert_array_equal(wg.vjp(f, z)[1](ct)[0], [[0.0, 1.0], [2.0, 2.0], [2.0, 2.0]])
    linear = lambda z: (z.__setitem__((0, 0), 0.0), (z[1:], z))[1]
    np.testing.assert_array_equal(
        wg.linear_transpose(linear, z)(ct)[0], [[0.0, 1.0], [2.0, 2.0], [2.0, 2.0]]
    )
    total = lambda z: (np.sum(z), f(z))
    (_, aux), gradient = wg.value_and_grad(total, has_aux=True)(z)
    np.testing.assert_array_equal(aux[0], due[1:])
    np.testing.assert_array_equal(gradient, z)
    aux = wg.jvp(total, (z,), (z,), has_aux=True)[2]
    np.testing.assert_array_equal(aux[0], due[1:])


def test_large_views_are_no_copies_and_keep_their_values() -> None:
    def f(x: Any) -> Any:
        x = x.copy()
        part = x[:-1]
        before, inner = part * 1.0, part[1:]
        x[1] = 10.0 * x[0]
        part[0] *= 3.0
        after = inner * 2.0
        x[2] = 0.0
        return np.concatenate([before, after, part, inner * 1.0, x])

    x = np.array([1.0, 2.0, 3.0, 4.0])
    due = [1.0, 2.0, 3.0, 20.0, 6.0, 3.0, 10.0, 0.0, 10.0, 0.0, 3.0, 10.0, 0.0, 4.0]
    weights = np.arange(14.0)
    slopes = np.array([weights @ f(t) - weights @ f(0 * x) for t in np.eye(4)])
    close(f(x), due)
    close(wg.jvp(f, (x,), (x,))[0], due)
    close(wg.linearize(f, x)[0], due)
    close(wg.vmap(f)(np.stack([x, x]))[1], due)
    close(wg.make_program(f)(x)(x), due)
    close(wg.grad(lambda x: f(x) @ weights)(x), slopes)
    program = wg.make_program(f)(x)
    assert "copy" not in [e.primitive.name for e in program.equations], program


def test_results_of_written_arrays_know_their_line() -> None:
    found = []

    def f(x: Any) -> Any:
        x = x.copy()
        x[0] = 1.0
        y = 2.0 * x
        z = np.sin(x)
        found.extend([y, z])
        return np.sum(y * z)

    for transform in (wg.grad(f), lambda x: wg.jvp(f, (x,), (x,))):
        found.clear()
        transform(X)
        lines = [v.where_made().text for v in found]
        assert lines == ["y = 2.0 * x", "z = np.sin(x)"]


def test_numbers_of_a_batch_keep_their_values() -> None:
    """In a batch a number is a view of memory, which later writes change."""

    def numbers(x: Any) -> Any:
        b = x * 1.0
        b[0] = b[1] * 1.0
        p = b[1]
        y = p * p * x[0]
        b[1] *= 0.5
        return y + np.sum(b)

    def rows(x: Any) -> Any:
        b, y = x * 1.0, 0.0
        b[0] *= 2.0
        for i, v in enumerate(b):
            y = y + v * v * x[i]
            b[i] *= 3.0
        return y + np.sum(b * b)

    xs = np.arange(1.0, 7.0).reshape(2, 3)
    for f in (numbers, rows):
        for g in (wg.grad(f), wg.hessian(f), lambda x, f=f: wg.jvp(f, (x,), (x,))[1]):
            close(wg.vmap(g)(xs), np.stack([g(x) for x in xs]))
        close(
            wg.grad(lambda xs, f=f: np.sum(wg.vmap(f)(xs)))(xs),
            np.stack([wg.grad(f)(x) for x in xs]),
        )


def test_bodies_that_close_over_views() -> None:
    def looped(x: Any) -> Any:
        v = x[0]
        x[1:] = x[:-1] * 1.0
        y = wg.while_loop(lambda s: s[1] < 3, lambda s: (s[0] + np.sum(v), s[1] + 1), (x, 0))[0]
        x[1:] += v
        return x * y + v

    def scanned(x: Any) -> Any:
        v = x[:1]
        x[0] = 2.0
        y = wg.scan(lambda c, e: (c + np.sum(v) * e, None), 0.0, np.arange(3.0))[0]
        v += y
        return x + v

    x = np.arange(9.0).reshape(3, 3)
    for f in (looped, scanned):
        close(wg.make_program(f)(x)(x), f(x.copy()))
        close(wg.vmap(f)(np.stack([x, 2.0 * x]))[1], f(2.0 * x))
        total = lambda x, f=f: np.sum(f(x) ** 2)
        close(wg.grad(wg.make_program(total)(x))(x), wg.grad(total)(x))


def test_a_cast_is_no_view() -> None:
    def f(x: Any) -> Any:
        y = (x + 1j).astype(float)
        z = y.astype(complex)
        y *= 2.0
        return z.real + y

    def g(x: Any) -> Any:
        z = x + 1j
        y = z.astype(float)
        y *= 2.0
        return z.real + y

    for h in (f, g):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            due = h(X)
        close(wg.make_program(h)(X)(X), due)
        close(wg.jvp(h, (X,), (X,))[0], due)
