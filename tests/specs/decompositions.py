"""Decompositions: cholesky, qr, eigenvalues and singular values, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.table import (
    Draw,
    Rng,
    S,
    Spec,
    const,
    cplx,
    function,
    matrix,
    positive_definite,
    real,
    row,
)


def apart(*shape: int, dtype: str = "f8") -> Draw:
    """Matrices whose eigenvalues and singular values are well apart; not symmetric."""

    def draw(rng: Rng) -> Any:
        m, n = shape[-2:]
        a = 0.3 * rng.uniform(-1, 1, shape)
        if dtype[0] == "c":
            a = a + 0.3j * rng.uniform(-1, 1, shape)
        return np.asarray(a + np.eye(m, n) * np.arange(1, n + 1), dtype)

    return draw


def turning(*shape: int) -> Draw:
    """Real matrices with complex eigenvalues."""

    def draw(rng: Rng) -> Any:
        n = shape[-1]
        a = 0.2 * rng.uniform(-1, 1, shape) + np.diag(np.arange(n) // 2 + 1.0)
        for i in range(0, n - 1, 2):
            a[..., i, i + 1] += 1.5
            a[..., i + 1, i] -= 1.5
        return a

    return draw


def low_rank(m: int, n: int, rank: int) -> Draw:
    """Matrices of this rank."""
    return lambda rng: rng.uniform(-1, 1, (m, rank)) @ rng.uniform(-1, 1, (rank, n))


def _symmetric(m: Any, a: Any) -> Any:
    return (a + m.conjugate(m.swapaxes(a, -1, -2))) / 2


def _squares(m: Any, results: Any) -> tuple[Any, ...]:
    """What does not depend on the phases of vectors."""
    return tuple([m.real(x * m.conjugate(x)) for x in results])


def _of_symmetric(name: str, phases: bool = False) -> Any:
    def call(m: Any, a: Any, **static: Any) -> Any:
        y = getattr(m.linalg, name)(_symmetric(m, a), **static)
        return _squares(m, y) if phases else y

    return call


DECOMPOSITIONS = (
    Spec(
        "linalg.cholesky",
        _of_symmetric("cholesky"),
        (
            S("matrix", (positive_definite(2, 2),)),
            S("3x3", (positive_definite(3, 3),)),
            S("stack", (positive_definite(2, 2, 2),)),
            S("upper", (positive_definite(2, 2),), {"upper": True}),
            S("f4", (positive_definite(2, 2, dtype="f4"),)),
            S("c16", (positive_definite(2, 2, dtype="c16"),)),
            S("c16-upper", (positive_definite(2, 2, dtype="c16"),), {"upper": True}),
            S("size0", (real(0, 0),)),
            S("empty-stack", (real(0, 2, 2),)),
        ),
        (np.linalg.cholesky,),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.cholesky-value",
        lambda m, a, **static: m.linalg.cholesky(a, **static),
        (
            S("lower", (matrix(2, 2),), derivative=False),
            S("upper", (matrix(2, 2),), {"upper": True}, derivative=False),
            S("int", (const([[2, 1], [1, 3]]),)),
        ),
    ),
    row(
        "linalg.qr",
        S("square", (matrix(3, 3),)),
        S("tall", (apart(3, 2),)),
        S("wide", (apart(2, 4),)),
        S("stack", (apart(2, 3, 2),)),
        S("r-tall", (apart(3, 2),), {"mode": "r"}),
        S("r-wide", (apart(2, 3),), {"mode": "r"}),
        S("complete-square", (matrix(2, 2),), {"mode": "complete"}),
        S("complete-wide", (apart(2, 3),), {"mode": "complete"}),
        S("complete-tall", (apart(3, 2),), {"mode": "complete"}, derivative=False),
        S("f4", (apart(3, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
        S("c16-tall", (apart(3, 2, dtype="c16"),)),
        S("c16-wide", (apart(2, 3, dtype="c16"),)),
        S("int", (const([[2, 1], [1, 3]]),)),
        S("size1", (matrix(1, 1),)),
        S("size0", (real(0, 0),)),
        S("no-columns", (real(2, 0),)),
        S("no-rows", (real(0, 2),)),
        S("empty-stack", (real(0, 3, 2),)),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.qr-spaces",  # what does not depend on the choice of the further columns
        lambda m, a: (lambda q, r: (q[..., :2], q[..., 2:] @ m.swapaxes(q[..., 2:], -1, -2), r))(
            *m.linalg.qr(a, "complete")
        ),
        (S("tall", (apart(4, 2),)), S("stack", (apart(2, 3, 2),))),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.eigh",
        _of_symmetric("eigh"),
        (
            S("matrix", (apart(2, 2),)),
            S("3x3", (apart(3, 3),)),
            S("upper", (apart(3, 3),), {"UPLO": "U"}),
            S("stack", (apart(2, 2, 2),)),
            S("f4", (apart(2, 2, dtype="f4"),)),
            S("c16", (apart(2, 2, dtype="c16"),), derivative=False),
            S("size1", (matrix(1, 1),)),
            S("size0", (real(0, 0),)),
            S("empty-stack", (real(0, 2, 2),)),
        ),
        (np.linalg.eigh,),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.eigh-phases",
        _of_symmetric("eigh", phases=True),
        (
            S("c16", (apart(3, 3, dtype="c16"),)),
            S("c8", (apart(2, 2, dtype="c8"),)),
            S("stack", (apart(2, 2, 2, dtype="c16"),)),
        ),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.eigh-value",
        lambda m, a, **static: (m.linalg.eigh(a, **static), m.linalg.eigvalsh(a, **static)),
        (
            S("lower", (matrix(2, 2),), derivative=False),
            S("upper", (matrix(2, 2),), {"UPLO": "U"}, derivative=False),
            S("int", (const([[2, 1], [1, 3]]),)),
        ),
        ulps=16,
    ),
    Spec(
        "linalg.eigvalsh",
        _of_symmetric("eigvalsh"),
        (
            S("matrix", (apart(2, 2),)),
            S("3x3", (apart(3, 3),)),
            S("upper", (apart(3, 3),), {"UPLO": "U"}),
            S("stack", (apart(2, 2, 2),)),
            S("f4", (apart(2, 2, dtype="f4"),)),
            S("c16", (apart(3, 3, dtype="c16"),)),
            S("c8", (apart(2, 2, dtype="c8"),)),
            S("size0", (real(0, 0),)),
        ),
        (np.linalg.eigvalsh,),
        ulps=64,
        tolerance=50,
    ),
    *[
        row(
            name,
            S("complex-values", (turning(2, 2),)),
            S("four", (turning(4, 4),)),
            S("stack", (turning(2, 2, 2),)),
            S("c16", (apart(3, 3, dtype="c16"),)),
            S("c8", (apart(2, 2, dtype="c8"),)),
            S("int", (const([[2, -1], [1, 3]]),)),
            ulps=64,
            tolerance=50,
        )
        for name in ("linalg.eig", "linalg.eigvals")
    ],
    *[
        row(
            f"{name}-real",
            S("matrix", (apart(2, 2),)),
            S("3x3", (apart(3, 3),)),
            S("stack", (apart(2, 2, 2),)),
            S("f4", (apart(2, 2, dtype="f4"),)),
            S("mixed-stack", (const([[[1.0, 0.3], [0.2, 2.0]], [[0.0, 1.0], [-2.0, 0.5]]]),)),
            S("size1", (matrix(1, 1),)),
            S("size0", (real(0, 0),)),
            S("empty-stack", (real(0, 2, 2),)),
            ulps=64,
            tolerance=50,
            traceable=False,  # complex where values are not known
            call=function(name),
            covers=(),
        )
        for name in ("linalg.eig", "linalg.eigvals")
    ],
    row(
        "linalg.svd",
        S("square", (apart(3, 3),)),
        S("wide", (apart(2, 3),), {"full_matrices": False}),
        S("tall", (apart(3, 2),), {"full_matrices": False}),
        S("tall-full", (apart(3, 2),), derivative=False),
        S("stack", (apart(2, 2, 2),)),
        S("values", (apart(3, 2),), {"compute_uv": False}),
        S("f4", (apart(3, 2, dtype="f4"),), {"full_matrices": False}),
        S("c16", (apart(2, 2, dtype="c16"),), derivative=False),
        S("c16-values", (apart(2, 3, dtype="c16"),), {"compute_uv": False}),
        S("int", (const([[2, 1], [1, 3]]),)),
        S("size1", (matrix(1, 1),)),
        S("size0", (real(0, 0),)),
        S("no-columns", (real(2, 0),)),
        S("empty-stack", (real(0, 3, 2),), {"full_matrices": False}),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.svd-phases",
        lambda m, a, **static: _squares(m, m.linalg.svd(a, **static)),
        (
            S("c16", (apart(3, 3, dtype="c16"),)),
            S("tall", (apart(3, 2, dtype="c16"),), {"full_matrices": False}),
            S("wide", (apart(2, 3, dtype="c16"),), {"full_matrices": False}),
            S("c8", (apart(2, 2, dtype="c8"),)),
            S("one-more", (apart(3, 2),)),
            S("one-more-wide", (apart(2, 3, dtype="c16"),)),
        ),
        ulps=64,
        tolerance=50,
    ),
    Spec(
        "linalg.svd-hermitian",
        _of_symmetric("svd"),
        (
            S("matrix", (apart(3, 3),), {"hermitian": True}),
            S("values", (apart(3, 3),), {"hermitian": True, "compute_uv": False}),
            S("f4", (apart(2, 2, dtype="f4"),), {"hermitian": True}),
            S("stack", (apart(2, 2, 2),), {"hermitian": True}),
            S(
                "c16-values",
                (apart(2, 2, dtype="c16"),),
                {"hermitian": True, "compute_uv": False},
            ),
        ),
        ulps=64,
        tolerance=50,
    ),
    row(
        "linalg.svdvals",
        S("square", (apart(3, 3),)),
        S("wide", (apart(2, 3),)),
        S("tall", (apart(2, 3, 2),)),
        S("f4", (apart(3, 2, dtype="f4"),)),
        S("c16", (apart(2, 3, dtype="c16"),)),
        S("size0", (real(0, 2),)),
        ulps=64,
        tolerance=50,
    ),
    row(
        "linalg.pinv",
        S("square", (apart(3, 3),)),
        S("tall", (apart(3, 2),)),
        S("wide", (apart(2, 3),)),
        S("stack", (apart(2, 3, 2),)),
        S("low-rank", (low_rank(4, 3, 2),), derivative=False),
        S("rcond", (apart(3, 2),), {"rcond": 1e-3}),
        S("rcond-cuts", (apart(3, 3),), {"rcond": 0.5}),
        S("rcond-each", (apart(2, 3, 2),), {"rcond": np.array([0.7, 1e-15])}),
        S("rtol", (apart(3, 2),), {"rtol": 1e-4}),
        S("rtol-none", (apart(3, 2),), {"rtol": None}),
        S("f4", (apart(3, 2, dtype="f4"),)),
        S("c16", (apart(3, 2, dtype="c16"),)),
        S("c16-wide", (apart(2, 3, dtype="c16"),)),
        S("int", (const([[2, 1], [1, 3]]),)),
        S("size0", (real(0, 2),)),
        S("empty-stack", (real(0, 3, 2),)),
        ulps=128,
        tolerance=50,
    ),
    Spec(
        "linalg.pinv-hermitian",
        _of_symmetric("pinv"),
        (
            S("matrix", (apart(3, 3),), {"hermitian": True}),
            S("c16", (apart(2, 2, dtype="c16"),), {"hermitian": True}),
            S("rcond-cuts", (apart(3, 3),), {"hermitian": True, "rcond": 0.5}),
        ),
        ulps=128,
        tolerance=50,
    ),
    Spec(
        "linalg.pinv-low-rank",  # where the rank does not change
        lambda m, a, b, **static: m.linalg.pinv(a @ b, **static),
        (
            S("1e-10", (real(4, 2), real(2, 3)), {"rcond": 1e-10}),
            S("c16", (cplx(3, 1), cplx(1, 3)), {"rcond": 1e-10}),
        ),
        ulps=1e4,
        tolerance=200,
    ),
    row(
        "linalg.matrix_rank",
        S("full", (matrix(3, 3),)),
        S("low", (low_rank(4, 3, 2),)),
        S("stack", (matrix(2, 3, 3),)),
        S("tol", (apart(3, 3),), {"tol": 1.5}),
        S("tol-each", (apart(2, 3, 3),), {"tol": np.array([1.5, 0.1])}),
        S("rtol", (apart(3, 3),), {"rtol": 0.5}),
        S("hermitian", (positive_definite(2, 2),), {"hermitian": True}),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
        order=0,
    ),
    Spec(
        "linalg.matrix_rank-vector",
        lambda m, a: m.linalg.matrix_rank(a),
        (S("vector", (real(3),)), S("zeros", (const([0.0, 0.0]),))),
        order=0,
        traceable=False,  # Python's int, where it is known
    ),
    row(
        "linalg.cond",
        *[S(f"p-{p}", (apart(3, 3),), {"p": p}) for p in (None, 2, -2, 1, -1, "fro", "nuc")],
        *[S(f"p-{p}", (apart(2, 2),), {"p": p}) for p in (np.inf, -np.inf)],
        S("tall", (apart(3, 2),)),
        S("stack", (apart(2, 2, 2),)),
        S("stack-1", (apart(2, 2, 2),), {"p": 1}),
        S("f4", (apart(2, 2, dtype="f4"),)),
        S("c16", (apart(2, 2, dtype="c16"),)),
        S("singular", (const([[1.0, 2.0], [2.0, 4.0]]),), {"p": 1}, derivative=False),
        S("zero", (const([[0.0, 0.0], [0.0, 0.0]]),), derivative=False, warns=True),
        ulps=256,
        tolerance=50,
    ),
    row(
        "linalg.lstsq",
        S("tall", (apart(4, 2), real(4))),
        S("tall-columns", (apart(4, 2), real(4, 3))),
        S("square", (matrix(2, 2), real(2))),
        S("rcond", (apart(4, 2), real(4)), {"rcond": 1e-10}),
        S("f4", (apart(4, 2, dtype="f4"), real(4, dtype="f4"))),
        S("c16", (apart(4, 2, dtype="c16"), cplx(4))),
        S("f8-c16", (apart(4, 2), cplx(4, 2))),
        S("int", (const([[2, 1], [1, 3], [1, 1]]), real(3))),
        S("no-columns", (apart(3, 2), real(3, 0))),
        ulps=512,
        tolerance=50,
    ),
    Spec(
        "linalg.lstsq-rank",
        lambda m, a, b, **static: m.linalg.lstsq(a, b, **static),
        (
            S("cut", (apart(4, 2), real(4, 1)), {"rcond": 0.6}),
            S("low", (low_rank(4, 3, 2), real(4)), derivative=False),
        ),
        ulps=1e4,
        tolerance=50,
        traceable=False,  # full rank is assumed where values are not known
    ),
    Spec(
        "linalg.lstsq-wide",  # NumPy's dtype of an empty array of residuals has no shape to differ
        lambda m, a, b: m.linalg.lstsq(a, b)[0],
        (
            S("vector", (apart(2, 4), real(2))),
            S("columns", (apart(2, 3), real(2, 2))),
            S("c16", (apart(2, 3, dtype="c16"), cplx(2, 1))),
        ),
        ulps=512,
        tolerance=50,
    ),
)
