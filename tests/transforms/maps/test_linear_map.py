"""The algebra of `LinearMap`, and its numbers, against matrices of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

_rng = np.random.default_rng(2)
A = _rng.normal(size=(3, 3))
B = _rng.normal(size=(3, 3))
C = _rng.normal(size=(2, 3)) + 1j * _rng.normal(size=(2, 3))
M = wg.LinearMap.from_matrix


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (M(A) @ M(B), A @ B),
        (M(A) + M(B), A + B),
        (M(A) - M(B), A - B),
        (-M(A), -A),
        (2 * M(A), 2 * A),
        (M(A) * np.float64(2), 2 * A),
        (np.float32(2) * M(A), 2 * A),
        (M(A) / 4, A / 4),
        ((M(A) @ M(B)).T, (A @ B).T),
        ((3 * M(A) - M(B) @ M(A)).T @ M(B), (3 * A - B @ A).T @ B),
        (sum([M(A), M(B)], wg.LinearMap.zero(np.zeros(3), np.zeros(3))), A + B),
        (M(A) @ wg.LinearMap.identity(np.zeros(3)), A),
        (wg.LinearMap.identity(np.zeros(3)) - M(A), np.eye(3) - A),
        (M(C).H, C.conj().T),
        (M(C).T, C.T),
        (M(C) @ M(C).H, C @ C.conj().T),
        (1j * M(C), 1j * C),
        (1j * (2 * M(A)), 2j * A),
        ((1j * M(C)).H, (1j * C).conj().T),
    ],
)
def test_arithmetic(found: Any, due: Any) -> None:
    np.testing.assert_allclose(found.matrix(), due)
    assert found.shape == due.shape
    v = np.arange(1.0, due.shape[1] + 1).astype(found.domain.dtype)
    np.testing.assert_allclose(found(v), due @ v)


def test_transposes_undo_themselves() -> None:
    assert "T" not in repr(M(A).T.T) and "H" not in repr(M(C).H.H)
    np.testing.assert_array_equal(M(A).H.matrix(), A.T)


def test_scalars_keep_the_dtype_of_the_map() -> None:
    L = M(A.astype(np.float32))
    assert (np.float64(2.0) * L)(np.ones(3, np.float32)).dtype == np.float32


def test_names_read_as_one_writes_them() -> None:
    D = wg.derivative_map(np.sin, np.zeros(3))
    E = wg.derivative_map(np.cos, np.zeros(3))
    assert repr(D @ E) == "<LinearMap D sin @ D cos: f64[3] -o f64[3]>"
    assert repr((D + 2 * E).T) == "<LinearMap (D sin + 2 * D cos).T: f64[3] -o f64[3]>"
    assert repr((D - E) @ D.T) == "<LinearMap (D sin - D cos) @ (D sin).T: f64[3] -o f64[3]>"


def test_maps_that_do_not_fit() -> None:
    with pytest.raises(errors.ShapeError, match="cannot be composed"):
        M(A) @ M(A[:2])
    with pytest.raises(errors.ShapeError, match="cannot be added: they give different"):
        M(A) + M(A[:2])
    with pytest.raises(errors.TreeError, match="cannot be composed"):
        M(A) @ M(A, y={"a": np.zeros(3)})
    with pytest.raises(errors.DtypeError, match="cannot be composed"):
        M(A) @ M(A.astype(np.float32))
    with pytest.raises(errors.TreeError, match="only another LinearMap can be added"):
        M(A) + 1.0
    with pytest.raises(errors.ShapeError, match="only a number can be multiplied"):
        M(A) * np.ones(3)
    with pytest.raises(errors.ShapeError, match="only a number can be multiplied"):
        M(A) * "2"
    with pytest.raises(errors.TreeError, match="only maps can be compared"):
        M(A).allclose(A)


def test_from_matrix_refuses() -> None:
    with pytest.raises(errors.ShapeError, match="a matrix has two axes"):
        M(np.ones(3))
    with pytest.raises(errors.DtypeError, match="floats or complex"):
        M(np.ones((2, 2), int))
    with pytest.raises(errors.ShapeError, match="x has another number of elements"):
        M(A, x=np.zeros(2))


def test_matrix_of_trees_is_that_of_jacobian() -> None:
    fun = lambda p: {"y": p["w"] @ p["v"], "z": p["v"] * 2.0}
    p = {"w": A[:2], "v": np.arange(3.0)}
    found, due = wg.derivative_map(fun, p).matrix(), wg.jacobian(fun)(p)
    assert wg.tree.structure(found) == wg.tree.structure(due)
    for a, b in zip(wg.tree.leaves(found), wg.tree.leaves(due), strict=True):
        np.testing.assert_allclose(a, b)
    flat = wg.derivative_map(fun, p).matrix(flat=True)
    assert flat.shape == (5, 9)
    np.testing.assert_allclose(flat[:2, :3], due["y"]["v"])
    np.testing.assert_allclose(flat, wg.derivative_map(fun, p).matrix(flat=True, chunk_size=2))


def test_scalars_have_a_flat_matrix_too() -> None:
    D = wg.derivative_map(lambda x: x**2, 3.0)
    assert float(D.matrix()) == 6.0
    np.testing.assert_array_equal(D.matrix(flat=True), [[6.0]])


@pytest.mark.parametrize("chunk_size", [0, 1.5, True])
def test_chunk_sizes_that_make_no_sense(chunk_size: Any) -> None:
    with pytest.raises((errors.ShapeError, errors.DtypeError), match="chunk_size"):
        M(A).matrix(chunk_size=chunk_size)


def test_many_is_a_stack_of_products() -> None:
    vs = _rng.normal(size=(5, 3))
    np.testing.assert_allclose(M(A).many(vs), vs @ A.T)
    np.testing.assert_allclose(M(A).many(vs, chunk_size=2), vs @ A.T)
    D = wg.derivative_map(lambda x, y: {"z": x * y}, 2.0, 3.0)
    np.testing.assert_allclose(D.many((np.ones(4), np.zeros(4)))["z"], 3 * np.ones(4))
    with pytest.raises(errors.BatchError, match="sizes differ"):
        D.many((np.ones(4), np.zeros(3)))


# Complex numbers.


def test_holomorphic_functions_have_a_complex_matrix() -> None:
    z = np.array([1 + 1j, 2.0 - 1j])
    D = wg.derivative_map(lambda z: z**2 + z[::-1], z)
    np.testing.assert_allclose(D.matrix(), np.diag(2 * z) + np.eye(2)[::-1])
    u, v = np.array([1j, 2.0]), np.array([1.0 + 1j, -2j])
    np.testing.assert_allclose(np.vdot(u, D(v)), np.vdot(D.H(u), v))


def test_maps_over_the_reals_have_a_real_matrix() -> None:
    z = np.array([3 + 4j, 1 - 1j])
    D = wg.derivative_map(lambda z: np.abs(z) * np.conj(z), z)
    with pytest.raises(errors.DtypeError, match="linear over the reals alone"):
        D.matrix()
    split = lambda v: np.abs(v[0] + 1j * v[1]) * np.conj(v[0] + 1j * v[1])
    both = lambda v: np.stack([np.real(split(v)), np.imag(split(v))])
    real = wg.jacobian(both)(np.stack([z.real, z.imag]))
    np.testing.assert_allclose(D.as_real().matrix(), real)
    np.testing.assert_allclose(D.H.as_real().matrix(flat=True), real.reshape(4, 4).T)
    assert D.as_real().T.allclose(D.H.as_real())
    np.testing.assert_allclose(D.norm(), np.linalg.norm(real.reshape(4, 4), 2))
    np.testing.assert_allclose(D.norm("fro"), np.linalg.norm(real))


def test_transposes_of_real_maps_are_plain_ones() -> None:
    z = np.array([3 + 4j, 1 - 1j])
    D = wg.derivative_map(lambda z: np.abs(z) * z, z)
    v, u = np.array([1.0 + 2j, -1j]), np.array([0.5j, 2.0])
    np.testing.assert_allclose(np.real(np.sum(u * D(v))), np.real(np.sum(D.T(u) * v)))


def test_complex_results_of_real_arguments() -> None:
    D = wg.derivative_map(lambda x: np.exp(1j * x), np.array([0.1, 0.2]))
    np.testing.assert_allclose(D.matrix(), np.diag(1j * np.exp(1j * np.array([0.1, 0.2]))))
    assert D.as_real().shape == (4, 2)
    with pytest.raises(errors.DtypeError, match="linear over the reals alone"):
        D.as_scipy()


# Numbers.


def test_diagonal_and_trace() -> None:
    big = _rng.normal(size=(50, 50))
    L = M(big)
    np.testing.assert_allclose(L.diagonal(), np.diag(big))
    np.testing.assert_allclose(L.trace(), np.trace(big))
    np.testing.assert_allclose(L.trace(chunk_size=7), np.trace(big))
    p = {"a": np.zeros(2), "b": 0.0}
    T = wg.derivative_map(lambda p: {"a": 2.0 * p["a"] * p["b"] + p["a"], "b": p["b"] ** 2}, p)
    np.testing.assert_array_equal(T.diagonal()["a"], [1.0, 1.0])
    with pytest.raises(errors.ShapeError, match="from a space to itself"):
        M(A[:2]).trace()


def test_hutchinson_is_as_near_as_it_says() -> None:
    big = _rng.normal(size=(60, 60))
    L = M(big)
    errors_in_units = []
    for seed in range(40):
        value, error = L.trace(samples=30, rng=seed)
        errors_in_units.append((value - np.trace(big)) / error)
    assert 0.6 < np.std(errors_in_units) < 1.6
    assert abs(np.mean(errors_in_units)) < 0.8
    assert L.trace(samples=10, rng=3) == L.trace(samples=10, rng=np.random.default_rng(3))
    exact = M(np.diag(np.arange(5.0))).trace(samples=2, rng=0)
    assert exact.value == 10.0 and exact.standard_error == 0.0
    found = L.diagonal(samples=4000, rng=0)
    assert np.all(np.abs(found.value - np.diag(big)) < 6 * found.standard_error)


@pytest.mark.parametrize("samples", [1, 0, 2.5, True])
def test_samples_that_make_no_sense(samples: Any) -> None:
    with pytest.raises(errors.ShapeError, match="samples must be an int"):
        M(A).trace(samples=samples)


def test_rng_that_is_none() -> None:
    with pytest.raises(errors.DtypeError, match="rng must be"):
        M(A).trace(samples=5, rng="seed")


@pytest.mark.parametrize("shape", [(3, 3), (200, 80), (60, 300), (400, 400)])
@pytest.mark.parametrize("kind", [float, complex, np.float32])
def test_norms(shape: Any, kind: Any) -> None:
    matrix = _rng.normal(size=shape)
    matrix = (matrix + 1j * _rng.normal(size=shape)) if kind is complex else matrix.astype(kind)
    L = M(matrix)
    tolerance = 1e-3 if kind is np.float32 else 1e-6
    np.testing.assert_allclose(L.norm(), np.linalg.norm(matrix, 2), rtol=tolerance)
    np.testing.assert_allclose(L.norm("fro"), np.linalg.norm(matrix), rtol=tolerance)
    value, error = L.norm("fro", samples=200, rng=0)
    assert abs(value - np.linalg.norm(matrix)) < 5 * error
    assert L.norm().dtype == np.zeros(1, kind).real.dtype


def test_norm_of_low_rank_and_zero_maps() -> None:
    u = _rng.normal(size=(100, 1))
    np.testing.assert_allclose(M(u @ u.T).norm(), np.sum(u * u))
    assert wg.LinearMap.zero(np.zeros(100), np.zeros(100)).norm() == 0.0
    for n in (2, 100):
        assert np.isnan(M(np.full((n, n), np.nan)).norm())


def test_norm_that_does_not_converge() -> None:
    with pytest.raises(errors.ConvergenceError, match="did not reach the tolerance"):
        M(_rng.normal(size=(200, 200))).norm(maxiter=3)
    with pytest.raises(errors.ShapeError, match="no such norm"):
        M(A).norm("nuc")
    with pytest.raises(errors.ShapeError, match="samples= is for the Frobenius norm"):
        M(A).norm(samples=10)


def test_allclose_of_large_maps_by_random_vectors() -> None:
    n = 2000
    slope = np.linspace(1.0, 2.0, n)
    D = wg.derivative_map(lambda x: slope * np.cumsum(x), np.zeros(n))
    E = wg.linear_map(lambda x: slope * np.cumsum(x), np.zeros(n))
    assert D.allclose(E)
    off = slope.copy()
    off[7] += 0.01
    assert not D.allclose(wg.linear_map(lambda x: off * np.cumsum(x), np.zeros(n)))
    assert not D.allclose(D @ D) and not D.allclose(M(A))


# SciPy.


def test_as_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse.linalg")
    for matrix in (A, C, A[:2].astype(np.float32)):
        op = M(matrix).as_scipy()
        assert op.shape == matrix.shape and op.dtype == matrix.dtype
        v = np.arange(1.0, 4.0).astype(matrix.dtype)
        u = np.arange(1.0, len(matrix) + 1).astype(matrix.dtype)
        np.testing.assert_allclose(op.matvec(v), matrix @ v, rtol=1e-6)
        np.testing.assert_allclose(op.rmatvec(u), matrix.conj().T @ u, rtol=1e-6)
        np.testing.assert_allclose(op @ np.eye(3), matrix, rtol=1e-6)
        np.testing.assert_allclose(op.H @ np.eye(len(matrix)), matrix.conj().T, rtol=1e-6)
        np.testing.assert_allclose(op.matvec(1j * v), 1j * (matrix @ v), rtol=1e-6)
    x = np.linspace(0.1, 1.0, 40)
    S = wg.derivative_map(lambda x: np.sin(x) * np.sum(x), x)
    largest = sparse.svds(S.as_scipy(), k=1, return_singular_vectors=False)[0]
    np.testing.assert_allclose(largest, S.norm(), rtol=1e-6)
    with pytest.raises(errors.UnsupportedError, match="depends on traced values"):
        wg.grad(lambda x: np.sum(wg.derivative_map(np.sin, x).as_scipy().matvec(x)))(x)


SPD = A @ A.T + 2 * np.eye(3)


@pytest.mark.parametrize("method", ["cg", "gmres", "lsmr"])
def test_solve(method: str) -> None:
    pytest.importorskip("scipy")
    space = {"a": np.zeros(2), "b": 0.0}
    L = M(SPD, x=space, y=space)
    b = {"a": np.array([1.0, 2.0]), "b": 3.0}
    x = L.solve(b, method)
    due = np.linalg.solve(SPD, [1.0, 2.0, 3.0])
    np.testing.assert_allclose([*x["a"], x["b"]], due, rtol=1e-7)
    again = L.solve(b, method, x0=x)
    np.testing.assert_allclose([*again["a"], again["b"]], due, rtol=1e-7)


@pytest.mark.parametrize("method", ["cg", "gmres"])
def test_solve_is_differentiable(method: str) -> None:
    b = np.array([1.0, 2.0, 3.0])
    by_map = lambda s, b: M(s * SPD).solve(b, method, M=M(np.eye(3) / 4))
    dense = lambda s, b: np.linalg.solve(s * SPD, b)
    for i in (0, 1):
        found, due = [wg.jacobian(f, argnums=i)(2.0, b) for f in (by_map, dense)]
        np.testing.assert_allclose(found, due, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(
        wg.vmap(lambda b: by_map(2.0, b))(np.eye(3)), np.linalg.inv(2 * SPD).T, atol=1e-9
    )


def test_solve_of_complex_and_real_linear_maps() -> None:
    pytest.importorskip("scipy")
    matrix = SPD + 1j * A
    b = np.array([1.0 + 1j, 2.0, 3j])
    np.testing.assert_allclose(M(matrix).solve(b), np.linalg.solve(matrix, b), rtol=1e-7)
    D = wg.linear_map(lambda z: 2.0 * z + np.conj(z), b)
    np.testing.assert_allclose(D(D.solve(b)), b, rtol=1e-7)


def test_solve_between_trees_of_the_same_size() -> None:
    pytest.importorskip("scipy")
    fun = lambda p: {"y": SPD @ np.concatenate([p["a"], p["b"] * np.ones(1)])}
    p = {"a": np.ones(2), "b": 1.0}
    found = wg.derivative_map(fun, p).solve({"y": np.arange(3.0)})
    due = np.linalg.solve(SPD, np.arange(3.0))
    np.testing.assert_allclose([*found["a"], found["b"]], due, rtol=1e-7)
    traced = wg.jacobian(lambda b: wg.derivative_map(fun, p).solve({"y": b})["a"])(np.arange(3.0))
    np.testing.assert_allclose(traced, np.linalg.inv(SPD)[:2], rtol=1e-7, atol=1e-12)
    mixed = {"a": np.ones(2), "b": np.array([1j])}
    D = wg.linear_map(lambda p: {"u": 2.0 * p["a"], "v": 1j * p["b"] + p["a"][:1]}, mixed)
    again = D(D.solve({"u": np.ones(2), "v": np.array([3.0 - 1j])}))
    np.testing.assert_allclose(again["v"], [3.0 - 1j])
    half = M(np.diag([2.0, 4.0]).astype(np.float16))
    assert half.solve(np.ones(2, np.float16)).dtype == np.float16
    assert half.norm() == 4.0 and half.norm().dtype == np.float16


def test_least_squares() -> None:
    pytest.importorskip("scipy")
    tall = _rng.normal(size=(6, 3))
    b = _rng.normal(size=6)
    due = np.linalg.lstsq(tall, b)[0]
    np.testing.assert_allclose(M(tall).solve(b, "lsmr"), due, rtol=1e-6)
    with pytest.raises(errors.ShapeError, match="least squares"):
        M(tall).solve(b)
    with pytest.raises(errors.UnsupportedError, match="normal equations"):
        wg.grad(lambda b: np.sum(M(tall).solve(b, "lsmr")))(b)


def test_solve_says_when_it_fails() -> None:
    pytest.importorskip("scipy")
    singular = np.diag([1.0, 1.0, 0.0])
    with pytest.raises(errors.ConvergenceError, match="did not converge"):
        M(singular).solve(np.ones(3))
    with pytest.raises(errors.ConvergenceError, match="did not converge"):
        M(SPD).solve(np.ones(3), "cg", maxiter=1)
    with pytest.raises(errors.ConvergenceError, match="b is not finite"):
        M(SPD).solve(np.array([np.nan, 0.0, 0.0]))
    with pytest.raises(errors.ShapeError, match="no such method"):
        M(SPD).solve(np.ones(3), "magic")
    with pytest.raises(errors.ShapeError, match="takes no M"):
        M(SPD).solve(np.ones(3), "lsmr", M=M(SPD))
    with pytest.raises(errors.TreeError, match="M must be a LinearMap"):
        M(SPD).solve(np.ones(3), M=SPD)
    with pytest.raises(errors.ShapeError, match="b has another shape"):
        M(SPD).solve(np.ones(2))


def test_pythons_sum() -> None:
    np.testing.assert_allclose(sum([M(A), M(B), M(A)]).matrix(), 2 * A + B)  # type: ignore[union-attr]
    with pytest.raises(errors.TreeError, match="only another LinearMap"):
        1 + M(A)
