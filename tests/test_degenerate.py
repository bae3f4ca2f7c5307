"""Equal eigenvalues and singular values, and singular values of zero: the derivative is that of the
function, or NaN, and never another number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.primitives.decompositions import eigvals_order_p

Array = Any
Function = Callable[[Array], Array]

RNG = np.random.default_rng(7)
G = RNG.normal(size=(4, 4))
Q = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
P = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
U = np.linalg.qr(RNG.normal(size=(4, 4)) + 1j * RNG.normal(size=(4, 4)))[0]


def symmetric(a: Array) -> Array:
    """The Hermitian part."""
    return (a + np.conjugate(a.T)) / 2


def turned(q: Array, *values: float) -> Array:
    """A matrix with these eigenvalues."""
    return symmetric((q * np.array(values)) @ q.conj().T)


SYMMETRIC = {
    "identity": np.eye(4),
    "2+2": np.diag([1.0, 1.0, 3.0, 3.0]),
    "2+2-turned": turned(Q, 1, 1, 3, 3),
    "2+2-complex": turned(U, 1, 1, 3, 3),
    "3+1-turned": turned(Q, 2, 2, 2, 5),
    "singular": turned(Q, 0, 0, 2, 2),
}
TWO_PLANES = ("2+2", "2+2-turned", "2+2-complex", "singular")


def differences(f: Function, a: Array) -> Array:
    """The gradient by central differences; of a complex matrix, as wengert's convention has it."""
    g = np.zeros_like(a)
    h = 1e-5
    for i in np.ndindex(a.shape):
        for unit in (1.0, 1j) if a.dtype.kind == "c" else (1.0,):
            e = np.zeros_like(a)
            e[i] = h * unit
            g[i] += np.conjugate(unit) * (f(a + e) - f(a - e)) / (2 * h)
    return g


def check(f: Function, a: Array, forward: bool = False) -> None:
    """The gradient equals differences; the directional derivative too, where that is expected."""
    want = differences(f, a)
    np.testing.assert_allclose(wg.grad(f)(a), want, rtol=1e-6, atol=1e-6)
    batch = wg.vmap(wg.grad(f))(np.stack([a, a + np.diag(np.arange(4.0))]))
    np.testing.assert_allclose(batch[0], want, rtol=1e-6, atol=1e-6)
    assert np.all(np.isfinite(batch))
    if forward:
        t = G.astype(a.dtype)
        due = np.sum(want * t).real
        np.testing.assert_allclose(wg.jvp(f, (a,), (t,))[1], due, rtol=1e-6, atol=1e-6)


def eigh(f: Callable[[Array, Array], Array]) -> Function:
    """A function of the eigenvalues and eigenvectors of the symmetric part."""
    return lambda a: f(*np.linalg.eigh(symmetric(a)))


VALUES: dict[str, Function] = {
    "sum": lambda a: np.sum(np.linalg.eigvalsh(symmetric(a))),
    "cubes": lambda a: np.sum(np.linalg.eigvalsh(symmetric(a)) ** 3),
    "exp": eigh(lambda w, v: np.sum(np.exp(w))),
    "product": eigh(lambda w, v: np.prod(w)),
    "eigvals": lambda a: np.real(np.sum(np.linalg.eigvals(symmetric(a)) ** 2)),
    "eig": lambda a: np.real(np.sum(np.linalg.eig(symmetric(a))[0] ** 3)),
}


@pytest.mark.parametrize("matrix", SYMMETRIC)
@pytest.mark.parametrize("name", VALUES)
def test_symmetric_functions_of_eigenvalues(name: str, matrix: str) -> None:
    check(VALUES[name], SYMMETRIC[matrix], forward=True)


SPACES: dict[str, Function] = {
    "trace-of-exp": eigh(lambda w, v: np.real(np.trace((v * np.exp(w)) @ np.conjugate(v.T)))),
    "projector": eigh(lambda w, v: np.real(np.sum(G * (v[:, 2:] @ np.conjugate(v[:, 2:].T))))),
    "complement": eigh(lambda w, v: np.real(np.sum(G * (v[:, :2] @ np.conjugate(v[:, :2].T))))),
    "length": eigh(lambda w, v: np.sum(np.abs(v) ** 2)),
    "two": eigh(
        lambda w, v: np.real(np.sum(G * np.sin(np.real(v[:, 2:] @ np.conjugate(v[:, 2:].T)))))
    ),
}


@pytest.mark.parametrize("matrix", TWO_PLANES)
@pytest.mark.parametrize("name", SPACES)
def test_functions_of_the_spaces_that_eigenvectors_span(name: str, matrix: str) -> None:
    check(SPACES[name], SYMMETRIC[matrix])


def test_single_eigenvectors_among_equal_ones() -> None:
    a = SYMMETRIC["3+1-turned"]
    f = eigh(lambda w, v: np.sum(G * v[:, 3:] * v[:, 3]) + np.sum(w**2) + np.prod(w[:3]))
    check(f, a)


NO_DERIVATIVE: dict[str, Function] = {
    "vector": eigh(lambda w, v: np.real(np.sum(G * v))),
    "component": eigh(lambda w, v: np.real(np.sum(np.arange(4.0) * v[:, 0] * v[:, 1] ** 2))),
    "some": eigh(lambda w, v: np.sum(G[0] * np.abs(v[:, 3]) ** 2)),
}


@pytest.mark.parametrize("name", NO_DERIVATIVE)
@pytest.mark.parametrize("matrix", ["2+2-turned", "2+2-complex", "singular"])
def test_without_a_derivative_the_result_is_not_a_number(name: str, matrix: str) -> None:
    assert np.isnan(wg.grad(NO_DERIVATIVE[name])(SYMMETRIC[matrix])).any()


PUT_TOGETHER: dict[str, Function] = {
    "itself": eigh(lambda w, v: np.real(np.sum(G * ((v * w) @ np.conjugate(v.T))))),
    "root": eigh(lambda w, v: np.real(np.sum(G * ((v * np.sqrt(w + 1)) @ np.conjugate(v.T))))),
    "logarithm": eigh(lambda w, v: np.real(np.sum(G * ((v * np.log(w + 1)) @ np.conjugate(v.T))))),
    "eig": lambda a: np.real(
        np.sum((lambda w, v: (v * w) @ np.linalg.inv(v))(*np.linalg.eig(symmetric(a))))
    ),
}


@pytest.mark.parametrize("name", PUT_TOGETHER)
@pytest.mark.parametrize("matrix", SYMMETRIC)
def test_what_cannot_be_found_is_not_a_number(name: str, matrix: str) -> None:
    """These have a derivative, but not one that eigenvectors could tell: no wrong number."""
    f, a = PUT_TOGETHER[name], SYMMETRIC[matrix]
    for g in (wg.grad(f)(a), wg.jvp(f, (a,), (G.astype(a.dtype),))[1]):
        assert np.isnan(g).any()
    jacobian = wg.jacrev(lambda a: PUT_TOGETHER[name](a) * np.ones(2))(a)
    assert np.isnan(jacobian).any()


def test_forward_mode_along_a_direction_that_mixes_nothing() -> None:
    a = SYMMETRIC["2+2-turned"]
    t = turned(Q, 1, -1, 0.5, 2)  # commutes with a, but splits the eigenvalues otherwise
    f = PUT_TOGETHER["root"]
    y_dot = wg.jvp(f, (a,), (a @ a,))[1]
    np.testing.assert_allclose(y_dot, np.sum(differences(f, a) * (a @ a)), rtol=1e-6)
    assert np.isfinite(wg.jvp(lambda a: np.sum(np.linalg.eigvalsh(a)), (a,), (t,))[1])


def test_the_largest_eigenvalue_has_a_generalised_gradient() -> None:
    for f in (
        lambda a: np.linalg.eigvalsh(a)[-1],
        lambda a: np.linalg.eigh(a)[0][-1],
        lambda a: np.linalg.norm(a, 2),
    ):
        g = wg.grad(f)(np.eye(3))
        np.testing.assert_allclose(np.trace(g), 1.0)
        assert np.all(np.linalg.eigvalsh(g) > -1e-12)


def test_nearly_equal_eigenvalues_are_not_taken_for_equal() -> None:
    a = turned(Q, 1, 1 + 1e-6, 3, 4)
    got = wg.grad(eigh(lambda w, v: np.sum(v[:, 0] ** 2 * G[0])))(a)
    w, v = np.linalg.eigh(a)
    share = v[:, 1:].T @ (2 * G[0] * v[:, 0]) / (w[0] - w[1:])
    np.testing.assert_allclose(got, symmetric(np.outer(v[:, 1:] @ share, v[:, 0])), rtol=1e-6)
    assert np.max(np.abs(got)) > 1e3


# Singular values.

SQUARE = {
    "identity": np.eye(4),
    "orthogonal": Q,
    "2+2": turned(Q, 1, 1, 3, 3) @ P,
    "complex": turned(U, 1, 1, 3, 3) @ P,
}


def low_rank(*values: float, q: Array = Q) -> Array:
    """A matrix with these singular values."""
    return (q * np.array(values)) @ P


def svd(f: Callable[[Array, Array, Array], Array], full: bool = True) -> Function:
    """A function of the singular value decomposition."""
    return lambda a: f(*np.linalg.svd(a, full_matrices=full))


@pytest.mark.parametrize("matrix", SQUARE)
@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.sum(np.linalg.svdvals(a)),
        svd(lambda u, s, vh: np.sum(s**3)),
        lambda a: np.linalg.norm(a, "nuc"),
        lambda a: np.real(np.sum(G * np.linalg.pinv(a))),
    ],
    ids=["svdvals", "svd", "nuc", "pinv"],
)
def test_symmetric_functions_of_singular_values(f: Function, matrix: str) -> None:
    check(f, SQUARE[matrix], forward=True)


@pytest.mark.parametrize("matrix", SQUARE)
def test_the_unitary_factor_has_a_derivative_at_equal_singular_values(matrix: str) -> None:
    check(svd(lambda u, s, vh: np.real(np.sum(G * (u @ vh)))), SQUARE[matrix])


@pytest.mark.parametrize("matrix", ["2+2", "complex"])
def test_spaces_of_singular_vectors(matrix: str) -> None:
    check(
        svd(lambda u, s, vh: np.real(np.sum(G * (u[:, :2] @ np.conjugate(u[:, :2].T))))),
        SQUARE[matrix],
    )
    check(svd(lambda u, s, vh: np.real(np.sum(G * (u[:, :2] @ vh[:2])))), SQUARE[matrix])


@pytest.mark.parametrize("matrix", SQUARE)
def test_matrices_put_together_anew_are_not_a_number(matrix: str) -> None:
    f = svd(lambda u, s, vh: np.real(np.sum(G * ((u * s) @ vh))))
    assert np.isnan(wg.grad(f)(SQUARE[matrix])).any()


RANK_2 = low_rank(3, 2, 0, 0)
RANK_3 = low_rank(3, 2, 1, 0)


@pytest.mark.parametrize("a", [RANK_2, RANK_3, RANK_2[:, :3], RANK_2[:3]], ids=repr)
def test_products_of_low_rank(a: Array) -> None:
    g = G[: a.shape[0], : a.shape[1]]

    def truncated(a: Array) -> Array:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(g * ((u[:, :2] * s[:2]) @ vh[:2]))

    check_plain(truncated, a)
    check_plain(lambda a: np.sum(np.linalg.svd(a)[1][:2] ** 2), a)
    check_plain(
        lambda a: (lambda u: np.sum(g[:, :1] * (u[:, 2:] @ (u[:, 2:].T @ g[:, 1:2]))))(
            np.linalg.svd(a)[0]
        ),
        a,
    )


def check_plain(f: Function, a: Array) -> None:
    """The gradient equals differences."""
    np.testing.assert_allclose(wg.grad(f)(a), differences(f, a), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("a", [RANK_2, RANK_2[:, :3], RANK_2[:3], RANK_3[:, :3] * 0], ids=repr)
def test_zero_singular_values_put_together_anew_are_not_a_number(a: Array) -> None:
    g = G[: a.shape[0], : a.shape[1]]
    f = svd(lambda u, s, vh: np.sum(g * ((u * s) @ vh)), full=False)
    assert np.isnan(wg.grad(f)(a)).any()
    assert np.isnan(wg.jvp(f, (a,), (g,))[1])


def test_one_zero_singular_value_of_a_square_matrix_does_no_harm() -> None:
    check_plain(svd(lambda u, s, vh: np.sum(G * ((u * s) @ vh))), RANK_3)


@pytest.mark.parametrize("a", [RANK_2, RANK_2[:, :3], np.zeros((3, 3))], ids=repr)
def test_norms_at_low_rank_have_subgradients(a: Array) -> None:
    for f in (
        lambda a: np.linalg.norm(a, "nuc"),
        lambda a: np.sum(np.linalg.svdvals(a)),
        lambda a: np.sum(np.linalg.svd(a)[1]),
    ):
        assert np.linalg.norm(wg.grad(f)(a), 2) < 1 + 1e-12
    u, _, vh = np.linalg.svd(a)
    rank = np.linalg.matrix_rank(a)
    least = u[:, :rank] @ vh[:rank]
    np.testing.assert_allclose(wg.grad(lambda a: np.linalg.norm(a, "nuc"))(a), least, atol=1e-12)


def test_second_derivatives_at_equal_singular_values() -> None:
    a, t = SQUARE["2+2"], G
    f = lambda a: np.linalg.norm(a, "nuc")
    want = (wg.grad(f)(a + 1e-5 * t) - wg.grad(f)(a - 1e-5 * t)) / 2e-5
    np.testing.assert_allclose(wg.hvp(f, (a,), (t,)), want, rtol=1e-6, atol=1e-6)


def test_single_precision() -> None:
    a = turned(Q, 1, 1, 3, 3).astype(np.float32)
    f = SPACES["projector"]
    g = wg.grad(f)(a)
    assert g.dtype == np.float32
    np.testing.assert_allclose(g, wg.grad(f)(turned(Q, 1, 1, 3, 3)), atol=1e-4)
    assert np.isnan(wg.grad(PUT_TOGETHER["itself"])(a)).any()


def test_a_batch_decides_for_each_matrix() -> None:
    f = PUT_TOGETHER["itself"]
    batch = np.stack([SYMMETRIC["2+2-turned"], turned(Q, 1, 2, 3, 4)])
    g = wg.vmap(wg.grad(f))(batch)
    assert np.isnan(g[0]).any()
    np.testing.assert_allclose(g[1], symmetric(G), atol=1e-9)


def test_a_program_decides_when_it_runs() -> None:
    f = SPACES["projector"]
    program = wg.make_program(wg.grad(f))(turned(Q, 1, 2, 3, 4))
    a = SYMMETRIC["2+2-turned"]
    np.testing.assert_allclose(program(a), wg.grad(f)(a), atol=1e-12)


# Determinants of singular matrices.


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_derivatives_of_det_of_all_orders_at_any_rank(rank: int) -> None:
    a = Q[:, :rank] @ P[:rank]
    wg.test_util.check_grads(np.linalg.det, (a,), order=3)
    check(np.linalg.det, a, forward=True)


# What LAPACK decides.


def test_eigenvalues_are_matched_when_lapack_sorts_them_otherwise() -> None:
    a = RNG.normal(size=(2, 5, 5))
    w = np.linalg.eig(a)[0]
    moved = w.copy()
    moved[1] = w[1, [3, 0, 4, 1, 2]]
    order = eigvals_order_p.bind(moved + 1e-13, w)
    np.testing.assert_array_equal(np.take_along_axis(w, order, -1), moved)


def test_eigenvalues_of_a_large_matrix() -> None:
    a = RNG.normal(size=(60, 60))
    g = wg.grad(lambda a: np.sum(np.real(np.linalg.eigvals(a) ** 2)))(a)
    np.testing.assert_allclose(g, 2 * a.T, atol=1e-9)
    g = wg.grad(lambda a: np.max(np.abs(np.linalg.eigvals(a))))(a)
    w, v = np.linalg.eig(a)
    k = np.argmax(np.abs(w))
    dual = np.outer(np.linalg.inv(v)[k], v[:, k])
    want = np.real(np.conjugate(w[k]) / np.abs(w[k]) * dual)
    partner = np.isclose(np.abs(w), np.abs(w[k])).sum()
    assert partner in (1, 2)
    np.testing.assert_allclose(g, want, atol=1e-9)


def test_a_singular_matrix_has_no_polar_derivative() -> None:
    linalg = pytest.importorskip("wengert.scipy.linalg")
    f = lambda a: np.sum(G * linalg.polar(a)[0])
    assert np.isnan(wg.grad(f)(RANK_2)).any()
    assert np.isnan(wg.jvp(f, (RANK_2,), (G,))[1])
    check_plain(f, SQUARE["2+2"])


@pytest.mark.parametrize("name", ["sqrtm", "logm", "expm"])
def test_functions_of_matrices_at_equal_eigenvalues(name: str) -> None:
    function = getattr(pytest.importorskip("wengert.scipy.linalg"), name)
    for a in (SYMMETRIC["2+2-turned"], np.eye(4)):
        check_plain(lambda a: np.sum(G * function(a)), a)
