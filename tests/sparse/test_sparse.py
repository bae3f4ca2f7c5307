"""What users call: matrices against dense ones, plans that are kept, and errors."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import wengert as wg
from wengert.core.errors import (
    ConcretizationError,
    DtypeError,
    NonScalarOutputError,
    ShapeError,
    UnsupportedError,
)

Array = Any


# Problems.


def burgers(u: Array) -> Array:
    """A 1-D equation by slices."""
    return u[1:-1] * (u[2:] - u[:-2]) - 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])


def by_slices(u: Array) -> Array:
    """-div grad u + u^3 in two dimensions, boundary values kept, written in place."""
    r = u * 1.0
    inner = 4 * u[1:-1, 1:-1] - u[:-2, 1:-1] - u[2:, 1:-1] - u[1:-1, :-2] - u[1:-1, 2:]
    r[1:-1, 1:-1] = inner + u[1:-1, 1:-1] ** 3
    return r


def periodic(u: Array) -> Array:
    """The same on a torus."""
    near = sum([np.roll(u, s, axis) for s in (1, -1) for axis in (0, 1)])
    return 4 * u - near + u**3


def padded(u: Array) -> Array:
    """The same with zeros around."""
    p = np.pad(u, 1)
    return 4 * u - p[:-2, 1:-1] - p[2:, 1:-1] - p[1:-1, :-2] - p[1:-1, 2:] + np.exp(u)


def reprojection(cameras: Array, points: Array, c: Array, p: Array, seen: Array) -> Array:
    """Residuals as in bundle adjustment: rotation, translation, focal length and distortion."""
    camera, point = cameras[c], points[p]
    w = camera[:, :3]
    q = point + np.cross(w, point) + camera[:, 3:6]
    uv = -q[:, :2] / q[:, 2:]
    r2 = np.sum(uv**2, axis=1, keepdims=True)
    return camera[:, 6:7] * (1 + camera[:, 7:8] * r2 + camera[:, 8:] * r2**2) * uv - seen


def observations(n_cameras: int, n_points: int, each: int) -> tuple[Array, ...]:
    """Cameras, points, and which camera sees which point where."""
    rng = np.random.default_rng(0)
    c = np.repeat(np.arange(n_points), each) * 7 % n_cameras + np.tile(np.arange(each), n_points)
    p = np.repeat(np.arange(n_points), each)
    cameras, points = rng.random((n_cameras, 9)), rng.random((n_points, 3)) + 2
    return cameras, points, c % n_cameras, p, rng.random((c.size, 2))


def dense_of(f: Any, *xs: Array) -> Array:
    """The dense Jacobian by the first argument as a matrix."""
    return wg.jacobian(f)(*xs).reshape(-1, np.size(xs[0]))


GRID = np.random.default_rng(1).random((6, 7))


@pytest.mark.parametrize("f", [by_slices, periodic, padded])
def test_stencils_in_two_dimensions(f: Any) -> None:
    jacobian = wg.sparse_jacobian(f)
    found = jacobian(GRID)
    assert isinstance(found, sparse.csr_array)
    np.testing.assert_allclose(found.toarray(), dense_of(f, GRID), rtol=1e-14)
    plan = jacobian.plan(GRID)
    assert plan.forward_passes + plan.reverse_passes <= 11
    assert plan.pattern.nnz <= 5 * GRID.size


def test_a_stencil_in_one_dimension() -> None:
    u = np.linspace(0.0, 1.0, 30) ** 2
    jacobian = wg.sparse_jacobian(burgers)
    np.testing.assert_allclose(jacobian(u).toarray(), wg.jacobian(burgers)(u), rtol=1e-14)
    assert jacobian.plan(u).forward_passes == 3


def test_bundle_adjustment() -> None:
    data = observations(4, 9, 3)
    jacobian = wg.sparse_jacobian(reprojection, argnums=(0, 1))
    blocks = wg.jacobian(reprojection, argnums=(0, 1))(*data)
    rows = data[4].size
    dense = np.concatenate([b.reshape(rows, -1) for b in blocks], axis=1)
    found = jacobian(*data)
    np.testing.assert_allclose(found.toarray(), dense, rtol=1e-13, atol=1e-13)
    assert found.nnz == rows * 12
    assert jacobian.plan(*data).forward_passes <= 13

    cost = lambda *args: np.sum(reprojection(*args) ** 2)
    second = wg.sparse_hessian(cost, argnums=(0, 1))(*data)
    h = wg.hessian(cost, argnums=(0, 1))(*data)
    sizes = [data[0].size, data[1].size]
    whole = np.block([[h[i][j].reshape(sizes[i], sizes[j]) for j in (0, 1)] for i in (0, 1)])
    np.testing.assert_allclose(second.toarray(), whole, rtol=1e-9, atol=1e-6)


def test_many_unknowns_take_little_memory() -> None:
    n = 150
    u = np.random.default_rng(0).random((n, n))
    jacobian = wg.sparse_jacobian(periodic)
    tracemalloc.start()
    found = jacobian(u)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (n * n, n * n)
    assert found.nnz == 5 * n * n
    assert peak < 40e6  # the dense matrix would take 4 GB
    v = np.random.default_rng(1).random((n, n))
    product = wg.jvp(periodic, (u,), (v,))[1]
    np.testing.assert_allclose((found @ v.ravel()).reshape(n, n), product, rtol=1e-9, atol=1e-9)


def rosenbrock(x: Array) -> Array:
    """A sum over neighbours."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_hessians() -> None:
    x = np.linspace(-1.0, 1.0, 12)
    hessian = wg.sparse_hessian(rosenbrock)
    np.testing.assert_allclose(hessian(x).toarray(), wg.hessian(rosenbrock)(x), rtol=1e-12)
    assert hessian.plan(x).forward_passes == 3
    assert hessian.plan(np.zeros(10_000)).forward_passes == 3
    np.testing.assert_array_equal(hessian.plan(x).row_colours, -1)
    arrow = lambda x: x[0] * np.sum(np.sin(x)) + np.sum(x**4)
    np.testing.assert_allclose(wg.sparse_hessian(arrow)(x).toarray(), wg.hessian(arrow)(x))
    assert wg.sparse_hessian(arrow).plan(x).forward_passes == 2


def test_rows_and_columns_in_both_modes() -> None:
    f = lambda x: np.concatenate([[np.sum(x**2)], x[1:] * x[0]])
    x = np.linspace(1.0, 2.0, 60)
    jacobian = wg.sparse_jacobian(f)
    np.testing.assert_allclose(jacobian(x).toarray(), wg.jacobian(f)(x))
    plan = jacobian.plan(x)
    assert (plan.forward_passes, plan.reverse_passes) == (2, 1)
    assert "2 forward passes and 1 reverse pass" in repr(plan)
    gradient = wg.sparse_jacobian(lambda x: np.sum(x**2)).plan(x)
    assert (gradient.forward_passes, gradient.reverse_passes) == (0, 1)


@pytest.mark.parametrize("chunk_size", [1, 2, 3])
@pytest.mark.parametrize("check", [True, False])
def test_chunks(chunk_size: int, check: bool) -> None:
    f = wg.sparse_jacobian(padded, chunk_size=chunk_size, check=check)
    np.testing.assert_allclose(f(GRID).toarray(), dense_of(padded, GRID))


# Trees, types.


def test_leaves_in_tree_order() -> None:
    def f(p: Any, scale: float) -> Any:
        return {"b": p["w"][::-1] * scale, "a": (p["v"] * p["w"][0], "text", p["n"] > 2)}

    p = {"w": np.array([1.0, 2.0]), "v": 3.0, "n": 4, "name": "x"}
    found = wg.sparse_jacobian(f)(p, 5.0).toarray()
    # Rows: a[0], a[2] (which has no derivative), b; columns: v, w.
    want = [[1, 3, 0], [0, 0, 0], [0, 0, 5], [0, 5, 0]]
    np.testing.assert_array_equal(found, want)


def test_chosen_arguments_by_number_and_name() -> None:
    f = lambda a, b, *, c=2.0: a * b[0] * c
    a, b = np.arange(1.0, 4.0), np.array([2.0, 5.0])
    found = wg.sparse_jacobian(f, argnums=(1, 0))(a, b, c=3.0).toarray()
    np.testing.assert_array_equal(found[:, 2:], np.diag([6.0] * 3))
    np.testing.assert_array_equal(found[:, :2], np.stack([3 * a, 0 * a], axis=1))
    np.testing.assert_array_equal(
        wg.sparse_jacobian(f, argnames="c")(a, b).toarray(), (a * 2)[:, None]
    )


def test_types() -> None:
    x = np.arange(1.0, 4.0, dtype=np.float32)
    assert wg.sparse_jacobian(np.square)(x).dtype == np.float32
    assert wg.sparse_hessian(lambda x: np.sum(x**3))(x).dtype == np.float32
    assert wg.sparse_jacobian(lambda x: 2 * x)(3.0).toarray().tolist() == [[2.0]]
    f = lambda x: x * np.exp(1j * x)
    np.testing.assert_allclose(wg.sparse_jacobian(f)(x).toarray(), wg.jacfwd(f)(x), rtol=1e-6)
    many = lambda x: np.sum(x * 1j)
    jacobian = wg.sparse_jacobian(many)
    assert jacobian.plan(x).reverse_passes == 0  # there is no transpose to complex results
    np.testing.assert_array_equal(jacobian(x).toarray(), [[1j, 1j, 1j]])


def test_array_likes() -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([1.0, 2.0, 3.0])
    assert wg.sparse_jacobian(lambda x: x * 2.0)(series).toarray().tolist()[0] == [2.0, 0, 0]


def test_nothing() -> None:
    assert wg.sparse_jacobian(lambda x: x)(np.zeros(0)).shape == (0, 0)
    assert wg.sparse_jacobian(lambda x: x[:0])(np.zeros(3)).shape == (0, 3)
    assert wg.sparse_jacobian(lambda x: 1.0)(np.zeros(3)).nnz == 0
    assert wg.sparse_hessian(lambda x: x[0])(np.zeros(3)).nnz == 0
    assert repr(wg.sparse_jacobian(lambda x: 1.0).plan(np.zeros(3))).endswith("no passes")
    assert wg.sparse_hessian(np.sum)(np.zeros((0, 2))).shape == (0, 0)


def test_aux() -> None:
    f = lambda x: (x**2, {"sum": np.sum(x)})
    found, aux = wg.sparse_jacobian(f, has_aux=True)(np.ones(2))
    assert (found.nnz, float(aux["sum"])) == (2, 2.0)
    h, aux = wg.sparse_hessian(lambda x: (np.sum(x**2), x), has_aux=True)(np.ones(2))
    np.testing.assert_array_equal(h.toarray(), 2 * np.eye(2))
    assert type(aux) is np.ndarray


def test_zeros_of_values_stay_in_the_pattern() -> None:
    found = wg.sparse_jacobian(np.square)(np.zeros(3))
    assert found.nnz == 3
    assert not found.toarray().any()


# Plans.


def test_plans_are_kept_by_shape_and_by_values_of_integers() -> None:
    f = wg.sparse_jacobian(lambda x, i, s: s * x[i] ** 2)
    x, i = np.arange(4.0), np.array([0, 1])
    first = f.plan(x, i, 1.0)
    assert f.plan(x + 1, i.copy(), 2.0) is first
    assert f.plan(np.arange(5.0), i, 1.0) is not first
    i[0] = 3
    other = f.plan(x, i, 1.0)
    assert other is not first
    np.testing.assert_array_equal(other.pattern.indices, [3, 1])
    np.testing.assert_array_equal(f(x, i, 1.0).toarray()[0], [0, 0, 0, 6.0])
    assert f.plan(x, np.array([0, 1]), 1.0) is first


def test_only_a_few_plans_are_kept() -> None:
    f = wg.sparse_jacobian(np.sin)
    first = f.plan(np.zeros(1))
    for n in range(2, 12):
        f.plan(np.zeros(n))
    assert f.plan(np.zeros(1)) is not first


def test_results_do_not_share_memory_with_the_plan() -> None:
    f = wg.sparse_jacobian(burgers)
    u = np.linspace(0.0, 1.0, 6)
    want = f(u).toarray()
    found = f(u)
    found.indices[:] = 0
    found.indptr[:] = 0
    np.testing.assert_array_equal(f(u).toarray(), want)


def test_a_pattern_that_is_no_longer_right_is_made_anew() -> None:
    """The closure changes: the check in a random direction finds it."""
    a = np.eye(4)
    f = wg.sparse_jacobian(lambda x: a @ x)
    h = wg.sparse_hessian(lambda x: x @ (a @ x))
    x = np.arange(4.0)
    assert f(x).nnz == h(x).nnz == 4
    a[0, 3] = 5.0
    np.testing.assert_array_equal(f(x).toarray(), a)
    np.testing.assert_array_equal(h(x).toarray(), a + a.T)
    assert f(x).nnz == 5


def test_values_of_other_arguments_decide() -> None:
    """`if` on an argument that is not differentiated: its value belongs to the signature."""
    f = wg.sparse_jacobian(lambda x, t: np.roll(x, 1) if t > 0 else x * t)
    x = np.ones(3)
    for t in (1.0, -2.0, 1.0, -3.0):
        want = np.roll(np.eye(3), 1, 0) if t > 0 else t * np.eye(3)
        np.testing.assert_array_equal(f(x, t).toarray(), want)


def branching(x: Array) -> Array:
    """Its course depends on values."""
    return x[::-1] if x[0] > 0 else x**2


def test_patterns_at_a_point() -> None:
    f = wg.sparse_jacobian(branching, sparsity="point")
    for x in (np.array([1.0, 2.0, 3.0]), np.array([-1.0, 2.0, 3.0])):
        np.testing.assert_array_equal(f(x).toarray(), wg.jacobian(branching)(x))
        assert f.plan(x).pattern.nnz == 3
    g = wg.sparse_hessian(lambda x: np.sum(branching(x)), sparsity="point")
    assert g(np.array([1.0, 2.0])).nnz == 0
    np.testing.assert_array_equal(g(np.array([-1.0, 2.0])).toarray(), 2 * np.eye(2))


def test_a_given_pattern() -> None:
    x = np.arange(1.0, 5.0)
    want = wg.jacobian(np.cumprod)(x)
    for pattern in (np.tri(4), np.tri(4) > 0, sparse.coo_array(np.tri(4)), [[1] * 4] * 4):
        f = wg.sparse_jacobian(np.cumprod, sparsity=pattern)
        np.testing.assert_allclose(f(x).toarray(), want)
        assert f.plan(x) is f.plan(x)
    # Explicit zeros belong to a sparse pattern; half of a symmetric one is enough.
    zeros = sparse.csr_array((np.zeros(3), [0, 1, 2], [0, 1, 2, 3]))
    assert wg.sparse_jacobian(np.sin, sparsity=zeros)(np.ones(3)).nnz == 3
    h = wg.sparse_hessian(rosenbrock, sparsity=np.eye(4) + np.eye(4, k=1))
    np.testing.assert_allclose(h(x).toarray(), wg.hessian(rosenbrock)(x))


def test_notes_and_warnings_about_dense_patterns() -> None:
    f = lambda x: x / np.sum(x)
    plan = wg.sparse_jacobian(f).plan(np.ones(20))
    assert "a dense matrix costs less" in plan.note
    assert plan.note in repr(plan)
    with pytest.warns(UserWarning, match="100% of 400 x 400 entries may differ from zero"):
        wg.sparse_jacobian(f).plan(np.ones(400))
    assert wg.sparse_jacobian(burgers).plan(np.ones(400)).note == ""
    crossed = lambda x: np.concatenate([x[:1] * x, x])  # one pass a column, though sparse
    assert wg.sparse_jacobian(crossed).plan(np.ones(9)).note == ""


def test_nan_and_infinity_pass_the_check() -> None:
    with np.errstate(all="ignore"):
        found = wg.sparse_jacobian(np.sqrt)(np.array([0.0, 1.0, -1.0])).toarray()
    assert np.isinf(found[0, 0])
    assert found[1, 1] == 0.5


# Errors.


def test_errors() -> None:
    x = np.ones(3)
    cases: list[tuple[Any, Any, str]] = [
        (lambda: wg.sparse_jacobian(branching)(x), ConcretizationError, 'sparsity="point"'),
        (lambda: wg.hessian_sparsity(lambda x: np.sum(branching(x)), x), ConcretizationError, "no"),
        (lambda: wg.sparse_jacobian(np.sin)(x + 1j), DtypeError, "of real functions"),
        (lambda: wg.sparse_jacobian(np.sin)(np.arange(3)), DtypeError, "consists of integers"),
        (lambda: wg.sparse_hessian(np.sin)(x), NonScalarOutputError, "must return one scalar"),
        (lambda: wg.hessian_sparsity(np.sin, x), NonScalarOutputError, "must return one scalar"),
        (
            lambda: wg.sparse_jacobian(burgers, argnums=1)(x),
            ShapeError,
            "argnums=1 is out of range",
        ),
        (lambda: wg.sparse_jacobian(np.sin, sparsity="dense"), DtypeError, "the word 'point'"),
        (lambda: wg.sparse_jacobian(np.sin, sparsity=3), DtypeError, "sparsity must be a matrix"),
        (lambda: wg.sparse_jacobian(np.sin, chunk_size=0), DtypeError, "chunk_size must be"),
        (lambda: wg.sparse_jacobian(np.sin, sparsity=np.eye(2))(x), ShapeError, "another shape"),
        (
            lambda: wg.sparse_hessian(np.sum, sparsity=np.ones((3, 2)))(x),
            ShapeError,
            "another shape",
        ),
        (lambda: wg.sparse_jacobian(np.cumsum, sparsity=np.eye(3))(x), ShapeError, "misses"),
        (
            lambda: wg.sparse_hessian(rosenbrock, sparsity=np.eye(3))(x),
            ShapeError,
            "misses entries",
        ),
        (
            lambda: wg.jacfwd(lambda x: wg.sparse_jacobian(np.sin)(x))(x),
            UnsupportedError,
            "cannot hold values that are traced",
        ),
        (
            lambda: wg.vmap(lambda x: wg.sparse_hessian(np.sum)(x))(np.ones((2, 3))),
            UnsupportedError,
            "use wg.jacobian, wg.hessian or wg.hvp",
        ),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=text):
            call()


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    for call in (
        lambda: wg.sparse_jacobian(np.sin)(np.ones(3)),
        lambda: wg.jacobian_sparsity(np.sin, np.ones(3)),
    ):
        with pytest.raises(UnsupportedError, match=r'pip install "wengert\[scipy\]"'):
            call()


def test_half_precision_gives_single_precision() -> None:
    x = np.arange(4.0, dtype=np.float16)
    found = wg.jacobian(lambda x: x[1:] * x[:-1], mode="sparse")(x)
    assert found.dtype == np.float32  # SciPy has no matrices of half precision
    np.testing.assert_allclose(found.toarray(), wg.jacobian(lambda x: x[1:] * x[:-1])(x))
    assert wg.hessian(lambda x: np.sum(x**3), mode="sparse")(x).dtype == np.float32
