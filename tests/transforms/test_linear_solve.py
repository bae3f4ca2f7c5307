"""`custom_linear_solve`, `cg` and `gmres`: against `np.linalg.solve`, under all transformations."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors
from wengert.test_util import check_grads

_rng = np.random.default_rng(0)
A = _rng.normal(size=(3, 3)) / 2 + 3 * np.eye(3)
B = _rng.normal(size=3)
AS = np.stack([A, A.T, A + 0.1])
BS = _rng.normal(size=(3, 3))


def with_matrix(matvec: Any, b: Any) -> Any:
    """A solver that can be traced."""
    return np.linalg.solve(wg.jacobian(matvec)(b), b)


def with_loop(matvec: Any, b: Any) -> Any:
    """A solver that asks for values."""
    x = np.zeros_like(b)
    for _ in range(2000):
        rest = b - matvec(x)
        if np.linalg.norm(rest) < 1e-13:
            break
        x = x + 0.2 * rest
    return x


def by(solve: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: wg.custom_linear_solve(lambda v: a @ v, b, solve, solve)


def by_closure(a: Any, b: Any) -> Any:
    """Solvers that close over the matrix, and do not look at the map."""
    return wg.custom_linear_solve(
        lambda v: a @ v,
        b,
        lambda _, b: np.linalg.solve(a, b),
        lambda _, b: np.linalg.solve(a.T, b),
    )


def by_preconditioned_gmres(a: Any, b: Any) -> Any:
    return wg.gmres(lambda v: a @ v, b, b * 1.0, M=lambda v: v / np.diag(a))


SOLVERS = {
    "matrix": by(with_matrix),
    "loop": by(with_loop),
    "closure": by_closure,
    "gmres": lambda a, b: wg.gmres(a, b),
    "preconditioned": by_preconditioned_gmres,
    "cg": lambda a, b: wg.cg(lambda v: a.T @ (a @ v), a.T @ b),
}


def scalar(h: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: np.sum(np.sin(h(a, b)))


def grads(h: Callable[..., Any]) -> Callable[..., Any]:
    return wg.grad(scalar(h), (0, 1))


def hessians(h: Callable[..., Any]) -> Callable[..., Any]:
    return wg.hessian(scalar(h), (0, 1))


FORMS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "value": lambda h: h(A, B),
    "jacfwd": lambda h: wg.jacfwd(h, (0, 1))(A, B),
    "jacrev": lambda h: wg.jacrev(h, (0, 1))(A, B),
    "hessian": lambda h: hessians(h)(A, B),
    "linearize": lambda h: wg.linearize(h, A, B)[1](AS[1], BS[0]),
    "transpose": lambda h: wg.linear_transpose(lambda b: h(A, b), B)(BS[1]),
    "vmap": lambda h: wg.vmap(h)(AS, BS),
    "vmap matrices": lambda h: wg.vmap(h, in_axes=(0, None))(AS, B),
    "vmap right sides": lambda h: wg.vmap(h, in_axes=(None, 0))(A, BS),
    "nested": lambda h: wg.vmap(wg.vmap(h, (None, 0)), (0, None))(AS, BS),
    "nested, the other way": lambda h: wg.vmap(wg.vmap(h, (0, None)), (None, 0))(AS, BS),
    "vmap of grad": lambda h: wg.vmap(grads(h), in_axes=(0, None))(AS, B),
    "vmap of hessian": lambda h: wg.vmap(hessians(h))(AS, BS),
    "grad of vmap": lambda h: grads(wg.vmap(h))(AS, BS),
    "grad of vmap of matrices": lambda h: grads(wg.vmap(h, (0, None)))(AS, B),
    "grad of vmap of right sides": lambda h: grads(wg.vmap(h, (None, 0)))(A, BS),
    "program": lambda h: wg.make_program(h)(AS[1], B)(A, B),
    "program of grad": lambda h: wg.make_program(grads(h))(AS[1], B)(A, B),
    "grad of program": lambda h: wg.grad(wg.make_program(scalar(h))(AS[1], B), (0, 1))(A, B),
    "hessian of program": lambda h: wg.hessian(wg.make_program(scalar(h))(AS[1], B))(A, B),
    "program of vmap": lambda h: wg.make_program(wg.vmap(grads(h)))(AS, BS)(AS, BS),
    "vmap of program": lambda h: wg.vmap(wg.make_program(grads(h))(A, B))(AS, BS),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SOLVERS)
def test_is_np_linalg_solve(name: str, form: str) -> None:
    found = wg.tree.leaves(FORMS[form](SOLVERS[name]))
    due = wg.tree.leaves(FORMS[form](np.linalg.solve))
    assert len(found) == len(due)
    for x, y in zip(found, due, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SOLVERS)
def test_finite_differences_to_second_order(name: str) -> None:
    check_grads(SOLVERS[name], (A, B), order=2)
    wg.core.check_program(wg.make_program(hessians(SOLVERS[name]))(A, B))


def test_trees_and_scalars() -> None:
    def solve(p: Any) -> Any:
        def matvec(v: Any) -> Any:
            return {"x": p["a"] * v["x"] + v["y"], "y": 3.0 * v["y"] - np.sum(v["x"])}

        return wg.gmres(matvec, {"x": p["b"], "y": 1.0})

    p = {"a": np.array([2.0, 4.0]), "b": np.array([1.0, -1.0])}
    whole = np.array([[2.0, 0.0, 1.0], [0.0, 4.0, 1.0], [-1.0, -1.0, 3.0]])
    due = np.linalg.solve(whole, [1.0, -1.0, 1.0])
    found = solve(p)
    np.testing.assert_allclose(found["x"], due[:2])
    np.testing.assert_allclose(found["y"], due[2])
    check_grads(solve, (p,), order=2)
    stacked = wg.tree.map(lambda x: np.stack([x, x + 1]), p)
    np.testing.assert_allclose(wg.vmap(solve)(stacked)["x"][0], due[:2])
    half = wg.grad(lambda a: wg.custom_linear_solve(lambda v: a * v, 1.0, lambda m, b: b / m(1.0),
                                                    symmetric=True))  # fmt: skip
    assert half(2.0) == -0.25


def test_complex_systems() -> None:
    c = A + 0.3j * AS[1]
    b = B + 1j * BS[0]
    np.testing.assert_allclose(wg.gmres(c, b), np.linalg.solve(c, b))
    check_grads(lambda a, b: wg.gmres(a, b), (c, b), order=2)
    hermitian = c @ c.conj().T
    np.testing.assert_allclose(wg.cg(hermitian, b), np.linalg.solve(hermitian, b))
    check_grads(lambda b: wg.cg(hermitian, b), (b,), order=2)
    check_grads(
        lambda a, b: wg.cg(lambda v: a @ (np.conj(a.T) @ v), b),
        (c, b),
        order=2,
        rtol=1e-4,
        atol=1e-4,
    )
    # Linear over the reals alone.
    twisted = wg.gmres(lambda v: 2 * v + np.conj(v), b)
    np.testing.assert_allclose(2 * twisted + np.conj(twisted), b)


def test_symmetric_uses_solve_for_both() -> None:
    calls = []

    def solve(matvec: Any, b: Any) -> Any:
        calls.append(1)
        return with_matrix(matvec, b)

    def first(a: Any) -> Any:
        return wg.custom_linear_solve(lambda v: a @ v, B, solve, symmetric=True)[0]

    s = A + A.T
    np.testing.assert_allclose(
        wg.grad(first)(s), wg.grad(lambda a: np.linalg.solve(a, B)[0])(s), rtol=1e-9
    )
    assert len(calls) == 2


def test_single_precision_and_empty_systems() -> None:
    small = wg.cg(A.astype("f4").T @ A.astype("f4"), B.astype("f4"))
    assert small.dtype == np.float32
    np.testing.assert_allclose(small, np.linalg.solve(A.T @ A, B), rtol=1e-3, atol=1e-4)
    assert wg.grad(lambda b: wg.gmres(A.astype("f4"), b)[0])(B.astype("f4")).dtype == np.float32
    for solve in (wg.cg, wg.gmres):
        assert solve(np.zeros((0, 0)), np.zeros(0)).shape == (0,)
        assert wg.vmap(solve)(np.zeros((0, 3, 3)), np.zeros((0, 3))).shape == (0, 3)
    found = wg.vmap(by(with_loop))(np.zeros((0, 3, 3)), np.zeros((0, 3)))
    assert found.shape == (0, 3)


def test_integers_and_lanes_of_zero() -> None:
    np.testing.assert_allclose(wg.cg(np.eye(3, dtype=int) * 2, np.arange(3)), [0.0, 0.5, 1.0])
    rights = np.stack([np.zeros(3), B])
    np.testing.assert_allclose(wg.vmap(lambda b: wg.gmres(A, b))(rights)[0], np.zeros(3))
    np.testing.assert_allclose(
        wg.vmap(lambda b: wg.cg(A.T @ A, b))(rights), np.linalg.solve(A.T @ A, rights.T).T
    )


def test_gmres_restarts() -> None:
    n = 60
    a = np.eye(n) + 0.3 * _rng.normal(size=(n, n)) / np.sqrt(n)
    b = _rng.normal(size=n)
    np.testing.assert_allclose(
        wg.gmres(a, b, restart=5), np.linalg.solve(a, b), rtol=1e-7, atol=1e-8
    )


def test_auxiliary_results() -> None:
    def solve(matvec: Any, b: Any) -> Any:
        return with_matrix(matvec, b), {"norm": np.sum(b * b), "name": 1}

    def f(b: Any) -> Any:
        return wg.custom_linear_solve(lambda v: A @ v, b, solve, solve, has_aux=True)

    x, aux = f(B)
    np.testing.assert_allclose(x, np.linalg.solve(A, B))
    assert aux["name"] == 1
    np.testing.assert_allclose(aux["norm"], np.sum(B * B))
    y, _, aux = wg.vjp(lambda b: f(b), B, has_aux=True)
    np.testing.assert_allclose(y, x)
    np.testing.assert_allclose(wg.vmap(f)(BS)[1]["norm"], np.sum(BS * BS, axis=1))
    np.testing.assert_allclose(wg.make_program(f)(BS[0])(B)[0], x)
    np.testing.assert_allclose(wg.jacrev(lambda b: f(b)[0])(B), np.linalg.inv(A))
    # aux is a constant
    assert wg.grad(lambda b: f(b)[1]["norm"] + np.sum(b))(B).tolist() == [1.0, 1.0, 1.0]

    def asks(matvec: Any, b: Any) -> Any:
        return with_loop(matvec, b), 1.0

    def g(b: Any) -> Any:
        return wg.custom_linear_solve(lambda v: A @ v, b, asks, has_aux=True)

    assert g(B)[1] == 1.0
    with pytest.raises(errors.UnsupportedError, match="works under vmap only for a `solve`"):
        wg.vmap(g)(BS)
    with pytest.raises(errors.UnsupportedError, match="has_aux=True needs a `solve`"):
        wg.make_program(g)(B)


def test_the_solver_may_write_to_its_right_hand_side() -> None:
    def solve(matvec: Any, b: Any) -> Any:
        b /= 2.0
        return b

    def f(b: Any) -> Any:
        return np.sum(wg.custom_linear_solve(lambda v: 2.0 * v, b, solve, symmetric=True) ** 2 * b)

    b = B.copy()
    np.testing.assert_allclose(wg.grad(f)(b), 3 * B**2 / 4)
    np.testing.assert_array_equal(b, B)


def test_right_hand_sides_of_one_matrix_share_it() -> None:
    seen = []

    def matvec(v: Any) -> Any:
        seen.append(v.shape)
        return A @ v

    found = wg.vmap(lambda b: wg.root(lambda x: matvec(x) - b, np.zeros(3)))(BS)
    np.testing.assert_allclose(found, np.linalg.solve(A, BS.T).T)
    jac = wg.jacobian(lambda b: wg.root(lambda x: A @ x - b, np.zeros(3)))(B)
    np.testing.assert_allclose(jac, np.linalg.inv(A))


def test_programs_can_be_saved() -> None:
    program = wg.make_program(lambda a, b: wg.gmres(a, b))(A, B)
    again = pickle.loads(pickle.dumps(program))
    np.testing.assert_allclose(again(AS[1], B), np.linalg.solve(AS[1], B))
    text = repr(program)
    assert "linear_solve[" in text
    assert "matmul" in text


# Mistakes.


def good(matvec: Any, b: Any) -> Any:
    return np.linalg.solve(A, b)


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "quadratic": (
        lambda: wg.custom_linear_solve(lambda v: v * v, B, good),
        errors.NonLinearError,
        "custom_linear_solve: .* is not linear: it applies 'mul'",
    ),
    "affine": (
        lambda: wg.custom_linear_solve(lambda v: v + 1, B, good),
        errors.NonLinearError,
        "affine, not linear",
    ),
    "constant": (
        lambda: wg.custom_linear_solve(lambda v: B, B, good),
        errors.NonLinearError,
        "its result is a constant",
    ),
    "shape of matvec": (
        lambda: wg.custom_linear_solve(lambda v: v[:2], B, good),
        errors.ShapeError,
        "matvec must return what has the type of its argument",
    ),
    "dtype of matvec": (
        lambda: wg.custom_linear_solve(lambda v: v * 1j, B, good),
        errors.DtypeError,
        "matvec must return what has the type of its argument",
    ),
    "tree of matvec": (
        lambda: wg.custom_linear_solve(lambda v: (v,), B, good),
        errors.TreeError,
        "the structure of the result of matvec is not that of b",
    ),
    "integers": (
        lambda: wg.custom_linear_solve(lambda v: v, np.arange(3), good),
        errors.DtypeError,
        "b must be of floats or complex numbers",
    ),
    "shape of the solution": (
        lambda: wg.custom_linear_solve(lambda v: A @ v, B, lambda m, b: b[:2]),
        errors.ShapeError,
        "the solution of `solve` has another shape than b",
    ),
    "tree of the solution": (
        lambda: wg.custom_linear_solve(lambda v: A @ v, B, lambda m, b: None),
        errors.TreeError,
        "the structure of the solution of `solve` is not that of b",
    ),
    "dtype of the solution": (
        lambda: wg.custom_linear_solve(lambda v: A @ v, B, lambda m, b: b * 1j),
        errors.DtypeError,
        "the solution of `solve` has another dtype than b",
    ),
    "no auxiliary result": (
        lambda: wg.custom_linear_solve(lambda v: A @ v, B, good, has_aux=True),
        errors.TreeError,
        "must return a pair",
    ),
    "argument of matvec": (
        lambda: wg.custom_linear_solve(lambda v: A @ v, B, lambda m, b: m(b[:2])),
        errors.ShapeError,
        "the vector has another shape than b",
    ),
    "no transpose": (
        lambda: wg.grad(lambda b: wg.custom_linear_solve(lambda v: A @ v, b, good)[0])(B),
        errors.UnsupportedError,
        "needs to solve the transposed system(.|\n)*give transpose_solve",
    ),
    "not positive": (
        lambda: wg.cg(lambda v: -v, B),
        errors.ConvergenceError,
        "not symmetric and positive definite",
    ),
    "too few steps": (
        lambda: wg.cg(A.T @ A, B, maxiter=1),
        errors.ConvergenceError,
        r"more iterations are needed(.|\n)*after 1 iterations",
    ),
    "singular": (
        lambda: wg.gmres(np.ones((3, 3)), B),
        errors.ConvergenceError,
        "makes no progress; the map may be singular",
    ),
    "nan": (
        lambda: wg.gmres(A * np.nan, B),
        errors.ConvergenceError,
        "the residual b - A x is up to nan",
    ),
    "one lane": (
        lambda: wg.vmap(lambda s: wg.cg(lambda v: s * v, B))(np.array([1.0, -1.0])),
        errors.ConvergenceError,
        "in 1 of 2 lanes(.|\n)*first in lane 1",
    ),
    "tol": (lambda: wg.cg(A, B, tol=-1.0), errors.DtypeError, "cg: tol must be a number"),
    "maxiter": (lambda: wg.gmres(A, B, maxiter=1.5), errors.DtypeError, "maxiter must be an int"),
    "restart": (lambda: wg.gmres(A, B, restart=0), errors.ShapeError, "restart must be a positive"),
    "on_failure": (
        lambda: wg.cg(A, B, on_failure="ignore"),
        errors.TreeError,
        'on_failure must be "raise" or "nan"',
    ),
    "start": (lambda: wg.cg(A, B, B[:2]), errors.ShapeError, "x0 has another shape than b"),
    "escaping closure": (
        lambda: wg.vmap(
            lambda a: wg.custom_linear_solve(
                lambda v: 2.0 * v, B, lambda m, b: b * a if np.sum(b) != 0 else b
            )
        )(B),
        errors.UnsupportedError,
        "uses a traced value that is not one of its arguments",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    call, kind, match = WRONG[name]
    with pytest.raises(kind, match=match):
        call()


def test_nan_instead_of_errors() -> None:
    found = wg.vmap(lambda s: wg.cg(lambda v: s * v, B, on_failure="nan"))(np.array([2.0, -1.0]))
    np.testing.assert_allclose(found[0], B / 2)
    assert np.all(np.isnan(found[1]))
