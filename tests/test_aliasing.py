"""What shares memory in NumPy does so when it is traced: writing to a function's result changes its
argument where NumPy's would, and nowhere else.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from specs import CASES, Case

import wengert as wg
import wengert.numpy as wnp

Rng = np.random.Generator


def _arrays(case: Case) -> list[Any] | None:
    """Arguments that are float arrays with axes, or None."""
    if "overwrite_input" in case.sample.static:
        return None  # what NumPy leaves there is undefined
    args = case.draw(np.random.default_rng(0))
    fit = [isinstance(a, np.ndarray) and a.dtype.kind in "fc" and a.ndim for a in args]
    return list(args) if args and all(fit) else None


def overwrite(case: Case, args: list[Any]) -> list[Any]:
    """The arguments, after all results of the function were overwritten."""
    y = case.function(np)(*args)
    for v in wg.tree.leaves(y):
        if isinstance(v, np.ndarray | wg.Tracer) and v.ndim and v.dtype.kind in "fc":
            v[...] = 7.0
    return args


ALIASED = [c for c in CASES if c.spec.of_numpy and c.spec.traceable and _arrays(c) is not None]
READ_ONLY = {
    "broadcast_arrays": "NumPy warns that its results will be read-only; ours are",
    "einsum": "a diagonal is read-only here, as that of np.diagonal",
    "meshgrid": "without copies, as broadcast_arrays",
    "x.view": "complex numbers as pairs of floats, and back",
}


@pytest.mark.parametrize("case", ALIASED, ids=str)
def test_results_share_memory_as_in_numpy(case: Case, rng: Rng) -> None:
    args = _arrays(case)
    assert args is not None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            want = overwrite(case, [a.copy() for a in args])
        except ValueError:  # NumPy's result is read-only
            return

        def traced(*xs: Any) -> Any:
            # Copies, so that the layout of the arguments is what NumPy sees.
            return tuple(overwrite(case, list(xs)))

        if case.spec.name in READ_ONLY:
            try:
                wg.make_program(traced)(*args)
            except wg.errors.InPlaceWriteError:
                return
        got = wg.jvp(traced, tuple(args), tuple([np.ones_like(a) for a in args]))[0]
        for g, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(g, w, err_msg="jvp")
        program = wg.make_program(traced)(*args)
        for g, w in zip(program(*args), want, strict=True):
            np.testing.assert_array_equal(g, w, err_msg="program")


def test_an_argument_is_not_changed_for_the_caller() -> None:
    def f(x: Any) -> Any:
        x *= 2.0
        x[0] = 5.0
        return np.sum(x**2)

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(wg.grad(f)(x), [0.0, 16.0, 24.0])
    wg.jvp(f, (x,), (x,))
    wg.vmap(f)(np.stack([x, x]))
    np.testing.assert_array_equal(x, [1.0, 2.0, 3.0])
    assert wnp.zeros(2).__class__ is np.ndarray


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[1:], lambda x: x.T, lambda x: (x, x)])
def test_results_are_not_the_arguments(part: Any) -> None:
    """A function that returns its argument: what comes out can be written to."""
    x = np.arange(6.0).reshape(3, 2)
    before = x.copy()
    found = [
        wg.jvp(part, (x,), (x,)),
        wg.vmap(part)(x),
        wg.vmap(part, in_axes=1, out_axes=1)(x),
        wg.vjp(part, x)[0],
        wg.linearize(part, x)[0],
        wg.value_and_jacobian(part)(x),
        wg.staged(part)(x),
    ]
    for y in wg.tree.leaves(found):
        y[...] = 7.0
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("n", [3, 3000])
def test_a_view_beside_the_one_that_is_kept(n: int) -> None:
    """Large arrays are read-only while they are needed; other views of their memory are not."""
    x = np.linspace(0.1, 1.0, n)

    def outer(x: Any, write: bool) -> Any:
        a = np.arange(2.0 * n)[:n]  # a view, of which outer makes another one
        s = np.sum(np.outer(x[:3], a))
        if write:
            a *= 2
        return s

    def sibling(x: Any, write: bool) -> Any:
        whole = np.arange(2.0 * n)
        a, b = whole[:n], whole[:n]
        s = np.sum(x * a)
        if write:
            b *= 2
        return s

    for f in (outer, sibling):
        due = wg.grad(f)(x, False)
        for g in (wg.grad(f), wg.staged(wg.grad(f), static_argnums=1)):
            np.testing.assert_allclose(g(x, True), due)


def test_a_checkpointed_function_that_writes_to_what_is_kept() -> None:
    def f(x: Any) -> Any:
        a = np.arange(3000.0)
        s = x @ a
        a *= 2
        return s

    with pytest.raises(wg.errors.InPlaceWriteError, match="writes to an array after it was used"):
        wg.grad(wg.checkpoint(f))(np.ones(3000))
