"""Rows for `scipy.linalg`: linear systems, decompositions, functions of matrices and others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy
import scipy.linalg

import wengert.scipy.linalg as linalg
from specs.decompositions import apart, turning
from specs.table import Draw, Rng, S, Sample, Spec, const, cplx, matrix, real, scipy_row


def scipy_linalg_row(name: str, *samples: Sample, **options: Any) -> Spec:
    """A row whose name does not meet that of `numpy.linalg`."""
    spec = scipy_row(linalg, name, *samples, **{"ulps": 512, "tolerance": 50, **options})
    return replace(spec, name=f"scipy.{spec.name}")


def _other(title: str, call: Any, *samples: Sample, **options: Any) -> Spec:
    """A row for a function of matrices that is smooth where SciPy's own results are not."""
    return Spec(
        f"scipy.linalg.{title}",
        lambda m, *arrays, **static: call(*arrays, **static),
        samples,
        of_numpy=False,
        **{"ulps": 512, "tolerance": 50, **options},
    )


def _symmetric(a: Any) -> Any:
    return (a + np.conjugate(np.swapaxes(a, -1, -2))) / 2


def _positive(a: Any) -> Any:
    return a @ np.conjugate(np.swapaxes(a, -1, -2)) + np.eye(a.shape[-1], dtype=a.dtype)


_VERSION = tuple(map(int, scipy.__version__.split(".")[:2]))


def since(major: int, minor: int, *samples: Sample) -> tuple[Sample, ...]:
    """Samples that SciPy takes from a version on: old ones know no stacks, and fewer structures."""
    return samples if (major, minor) <= _VERSION else ()


def _squares(results: Any) -> tuple[Any, Any]:
    """Eigenvalues, and vectors without their signs."""
    w, v = results
    return w, np.real(v * np.conjugate(v))


def positive_values(*shape: int, dtype: str = "f8") -> Draw:
    """Matrices whose eigenvalues are positive, or have positive real parts."""

    def draw(rng: Rng) -> Any:
        return np.asarray(matrix(*shape, dtype=dtype)(rng) + 2 * np.eye(shape[-1]), dtype)

    return draw


_SYSTEMS = (
    S("vector", (matrix(2, 2), real(2))),
    S("matrix", (matrix(3, 3), real(3, 2))),
    S("f4", (matrix(2, 2, dtype="f4"), real(2, dtype="f4"))),
    S("c16", (matrix(2, 2, dtype="c16"), cplx(2))),
    S("c16-f8", (matrix(2, 2, dtype="c16"), real(2, 1))),
    S("f8-c16", (matrix(2, 2), cplx(2))),
    S("int", (const([[2, 1], [1, 3]]), real(2))),
    *since(1, 17, S("stack", (matrix(2, 2, 2), real(2, 2, 1)))),
)

SCIPY_LINALG = (
    scipy_linalg_row(
        "solve",
        *_SYSTEMS,
        *since(1, 17, S("stack-vector", (matrix(2, 2, 2), real(2)))),
        S("transposed", (matrix(2, 2), real(2)), {"transposed": True}),
        S("gen", (matrix(3, 3), real(3)), {"assume_a": "gen"}),
        *since(
            1,
            15,
            S("diagonal", (matrix(3, 3), real(3)), {"assume_a": "diagonal"}),
            S("tridiagonal", (matrix(3, 3), real(3)), {"assume_a": "tridiagonal"}),
            S("upper", (matrix(3, 3), real(3)), {"assume_a": "upper triangular"}),
            S("lower", (matrix(3, 3), real(3, 2)), {"assume_a": "lower triangular"}),
            S("banded", (matrix(3, 3), real(3, 2)), {"assume_a": "banded"}),
        ),
    ),
    _other(
        "solve-symmetric",
        lambda a, b, **static: linalg.solve(_symmetric(a), b, **static),
        S("sym", (matrix(2, 2), real(2)), {"assume_a": "sym"}),
        S("her", (matrix(2, 2, dtype="c16"), cplx(2)), {"assume_a": "her"}),
        S("her-lower", (matrix(2, 2, dtype="c16"), real(2, 1)), {"assume_a": "her", "lower": True}),
    ),
    _other(
        "solve-positive",
        lambda a, b, **static: linalg.solve(_positive(a), b, assume_a="pos", **static),
        S("pos", (matrix(2, 2), real(2))),
        S("pos-lower", (matrix(2, 2), real(2, 2)), {"lower": True}),
        S("pos-c16", (matrix(2, 2, dtype="c16"), cplx(2))),
    ),
    scipy_linalg_row(
        "solve_triangular",
        *_SYSTEMS,
        *[
            S(f"{trans}-{lower}", (matrix(3, 3), real(3, 2)), {"trans": trans, "lower": lower})
            for trans in (0, 1, "T")
            for lower in (False, True)
        ],
        *[
            S(
                f"c16-{trans}-{unit}",
                (matrix(2, 2, dtype="c16"), cplx(2)),
                {"trans": trans, "unit_diagonal": unit},
            )
            for trans in ("N", 1, "C")
            for unit in (False, True)
        ],
        *since(1, 17, S("stack-vector", (matrix(2, 2, 2), real(2)), {"lower": True})),
        *since(1, 17, S("stack-1", (matrix(2, 2, 2), real(2, 2, 1)), {"trans": 1})),
        S("no-columns", (matrix(2, 2), real(2, 0))),
    ),
    scipy_linalg_row(
        "inv",
        S("matrix", (matrix(3, 3),)),
        *since(1, 17, S("stack", (matrix(2, 2, 2),))),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
    ),
    scipy_linalg_row(
        "det",
        S("matrix", (matrix(3, 3),)),
        *since(1, 17, S("stack", (matrix(2, 2, 2),))),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
    ),
    _other(
        "cholesky",
        lambda a, **static: linalg.cholesky(_positive(a), **static),
        S("upper", (matrix(3, 3),)),
        S("lower", (matrix(2, 2),), {"lower": True}),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
        covers=(scipy.linalg.cholesky,),
    ),
    _other(
        "cho_factor",
        lambda a, **static: linalg.cho_factor(_positive(a), **static)[0],
        S("upper", (matrix(3, 3),)),
        S("lower", (matrix(2, 2),), {"lower": True}),
        S("c16", (matrix(2, 2, dtype="c16"),)),
        covers=(scipy.linalg.cho_factor,),
    ),
    _other(
        "cho_solve",
        lambda a, b, **static: linalg.cho_solve(linalg.cho_factor(_positive(a), **static), b),
        S("upper", (matrix(3, 3), real(3))),
        S("lower", (matrix(2, 2), real(2, 2)), {"lower": True}),
        S("c16", (matrix(2, 2, dtype="c16"), cplx(2))),
        S("c16-lower", (matrix(2, 2, dtype="c16"), cplx(2, 1)), {"lower": True}),
        covers=(scipy.linalg.cho_solve,),
    ),
    scipy_linalg_row(
        "lu",
        S("square", (matrix(3, 3),)),
        S("tall", (apart(3, 2),)),
        S("wide", (apart(2, 3),)),
        S("rows", (const([[0.1, 2.0, 1.0], [3.0, 1.0, -1.0], [1.0, 0.2, 2.0]]),)),
        S("permute_l", (const([[0.1, 2.0], [3.0, 1.0], [1.0, 2.0]]),), {"permute_l": True}),
        S("p_indices", (const([[0.1, 2.0], [3.0, 1.0], [1.0, 5.0]]),), {"p_indices": True}),
        *since(1, 17, S("stack", (matrix(2, 2, 2),))),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
    ),
    scipy_linalg_row(
        "lu_factor",
        S("square", (matrix(3, 3),)),
        S("rows", (const([[0.1, 2.0, 1.0], [3.0, 1.0, -1.0], [1.0, 0.2, 2.0]]),)),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
    ),
    _other(
        "lu_solve",
        lambda a, b, **static: linalg.lu_solve(linalg.lu_factor(a), b, **static),
        S("vector", (matrix(2, 2), real(2))),
        S("rows", (const([[0.1, 2.0, 1.0], [3.0, 1.0, -1.0], [1.0, 5.0, 2.0]]), real(3, 2))),
        S(
            "rows-1",
            (const([[0.1, 2.0, 1.0], [3.0, 1.0, -1.0], [1.0, 5.0, 2.0]]), real(3)),
            {"trans": 1},
        ),
        S("c16-2", (matrix(2, 2, dtype="c16"), cplx(2)), {"trans": 2}),
        covers=(scipy.linalg.lu_solve,),
    ),
    scipy_linalg_row(
        "solve_banded",
        S("vector", (real(3, 4, lo=1.0), real(4))),
        S("matrix", (real(3, 4, lo=1.0), real(4, 2))),
        S("c16", (cplx(3, 4, lo=1.0), cplx(4))),
        S("f4", (real(3, 4, lo=1.0, dtype="f4"), real(4, dtype="f4"))),
        call=lambda m, ab, b: (
            linalg.solve_banded((1, 1), ab * [[0.2], [1], [0.2]], b)
            if ab.dtype.kind == "c"
            else linalg.solve_banded((1, 1), ab, b)
        ),
    ),
    _other(
        "solveh_banded",
        lambda ab, b, **static: linalg.solveh_banded(ab, b, **static),
        S("upper", (const([[0.0, 0.5, -0.5], [2.0, 3.0, 4.0]]), real(3))),
        S("lower", (const([[2.0, 3.0, 4.0], [0.5, -0.5, 0.0]]), real(3, 2)), {"lower": True}),
        covers=(scipy.linalg.solveh_banded,),
    ),
    scipy_linalg_row(
        "solve_sylvester",
        S("plain", (positive_values(2, 2), positive_values(3, 3), real(2, 3))),
        S("c16", (positive_values(2, 2, dtype="c16"), positive_values(2, 2), cplx(2, 2))),
        S("c16-q", (positive_values(2, 2), positive_values(2, 2), cplx(2, 2))),
        S(
            "f4",
            (
                positive_values(2, 2, dtype="f4"),
                positive_values(2, 2, dtype="f4"),
                real(2, 2, dtype="f4"),
            ),
        ),
    ),
    scipy_linalg_row(
        "solve_continuous_lyapunov",
        S("plain", (positive_values(2, 2), real(2, 2))),
        S("c16", (positive_values(2, 2, dtype="c16"), cplx(2, 2))),
    ),
    scipy_linalg_row(
        "solve_discrete_lyapunov",
        S("direct", (positive_values(2, 2), real(2, 2))),
        S("bilinear", (positive_values(2, 2), real(2, 2)), {"method": "bilinear"}),
        S("c16", (positive_values(2, 2, dtype="c16"), cplx(2, 2)), {"method": "direct"}),
        S("c16-bilinear", (positive_values(2, 2, dtype="c16"), cplx(2, 2)), {"method": "bilinear"}),
    ),
    scipy_linalg_row(
        "norm",
        S("vector", (real(3),)),
        S("matrix", (real(2, 3),), {"ord": 1}),
        S("nuc", (real(2, 2),), {"ord": "nuc"}),
        S("axis", (real(2, 3),), {"axis": 1, "keepdims": True}),
        S("c16", (cplx(2, 2),), {"ord": 2}),
        call=lambda m, a, **static: linalg.norm(a, **static) * np.float64(1),
    ),
    scipy_linalg_row(
        "pinv",
        S("tall", (apart(3, 2),)),
        S("wide", (apart(2, 3),)),
        S("rank", (apart(3, 2),), {"return_rank": True}),
        S("rtol", (apart(3, 2),), {"rtol": 1e-9}),
        S("atol", (apart(3, 2),), {"atol": 1e-9, "return_rank": True}),
        S("f4", (apart(3, 2, dtype="f4"),)),
        S("c16", (apart(3, 2, dtype="c16"),)),
        ulps=1024,
    ),
    scipy_linalg_row(
        "lstsq",
        S("tall", (apart(4, 2), real(4))),
        S("columns", (apart(4, 2), real(4, 3))),
        S("square", (matrix(2, 2), real(2))),
        S("wide", (apart(2, 3), real(2))),
        S("cond", (apart(4, 2), real(4)), {"cond": 1e-9}),
        S("c16", (apart(4, 2, dtype="c16"), cplx(4))),
        traceable=False,  # the rank is Python's int where it is known
        ulps=1024,
    ),
    scipy_linalg_row(
        "qr",
        S("square", (matrix(3, 3),)),
        S("wide", (apart(2, 3),)),
        S("tall", (apart(3, 2),), derivative=False),
        S("economic", (apart(3, 2),), {"mode": "economic"}),
        S("r", (apart(3, 2),), {"mode": "r"}),
        S("pivoting", (apart(3, 3),), {"pivoting": True}),
        S("pivoting-economic", (apart(3, 2),), {"pivoting": True, "mode": "economic"}),
        S("f4", (matrix(2, 2, dtype="f4"),)),
        S("c16", (matrix(2, 2, dtype="c16"),)),
    ),
    scipy_linalg_row(
        "svd",
        S("square", (apart(3, 3),)),
        S("tall", (apart(3, 2),), {"full_matrices": False}),
        S("tall-full", (apart(3, 2),), derivative=False),
        S("values", (apart(3, 2),), {"compute_uv": False}),
        S("f4", (apart(2, 2, dtype="f4"),)),
    ),
    scipy_linalg_row("svdvals", S("tall", (apart(3, 2),)), S("c16", (apart(2, 2, dtype="c16"),))),
    scipy_linalg_row(
        "polar",
        S("square", (apart(3, 3),)),
        S("tall", (apart(3, 2),)),
        S("wide", (apart(2, 3),)),
        S("left", (apart(2, 3),), {"side": "left"}),
        S("left-tall", (apart(3, 2),), {"side": "left"}),
        S("equal", (const(np.eye(3) * 2),)),
        S("f4", (apart(2, 2, dtype="f4"),)),
        S("c16", (apart(3, 2, dtype="c16"),)),
        S("c16-left", (apart(2, 2, dtype="c16"),), {"side": "left"}),
    ),
    scipy_linalg_row(
        "orthogonal_procrustes",
        S("plain", (apart(3, 2), apart(3, 2))),
        S("square", (apart(2, 2), apart(2, 2))),
    ),
    _other(  # the signs of vectors jump
        "eigh",
        lambda a, **static: linalg.eigh(_symmetric(a), **static),
        S("plain", (apart(3, 3),), derivative=False),
        S("upper", (apart(3, 3),), {"lower": False}, derivative=False),
        S("values", (apart(3, 3),), {"eigvals_only": True}),
        S("by-index", (apart(3, 3),), {"subset_by_index": (1, 2)}, derivative=False),
        S(
            "values-by-index",
            (apart(3, 3),),
            {"subset_by_index": (1, 2), "eigvals_only": True},
        ),
        S("driver", (apart(2, 2),), {"driver": "evd"}, derivative=False),
        S("f4", (apart(2, 2, dtype="f4"),), derivative=False),
        S("c16", (apart(2, 2, dtype="c16"),), derivative=False),
        covers=(scipy.linalg.eigh,),
    ),
    _other(
        "eigh-squares",
        lambda a, **static: _squares(linalg.eigh(_symmetric(a), **static)),
        S("plain", (apart(3, 3),)),
        S("upper", (apart(3, 3),), {"lower": False}),
        S("by-index", (apart(3, 3),), {"subset_by_index": (1, 2)}),
        S("driver", (apart(2, 2),), {"driver": "evd"}),
        S("f4", (apart(2, 2, dtype="f4"),)),
        S("c16", (apart(3, 3, dtype="c16"),)),
        S("c16-by-index", (apart(3, 3, dtype="c16"),), {"subset_by_index": (0, 1)}),
    ),
    _other(
        "eigh-by-value",
        lambda a, **static: _squares(linalg.eigh(_symmetric(a), **static)),
        S("some", (apart(3, 3),), {"subset_by_value": (1.5, 10.0)}),
        S("none", (apart(3, 3),), {"subset_by_value": (10.0, 11.0)}),
        traceable=False,  # the number of eigenvalues depends on them
    ),
    _other(
        "eigh-generalised",
        lambda a, b, **static: _squares(linalg.eigh(_symmetric(a), _positive(b), **static)),
        S("plain", (apart(3, 3), matrix(3, 3))),
        S("driver", (apart(2, 2), matrix(2, 2)), {"driver": "gv"}),
        S("by-index", (apart(3, 3), matrix(3, 3)), {"subset_by_index": (0, 1)}),
        S("c16", (apart(2, 2, dtype="c16"), matrix(2, 2, dtype="c16"))),
        S("f8-c16", (apart(2, 2), matrix(2, 2, dtype="c16"))),
    ),
    _other(
        "eigh-generalised-values",
        lambda a, b: linalg.eigh(_symmetric(a), _positive(b), eigvals_only=True),
        S("plain", (apart(2, 2), matrix(2, 2))),
    ),
    _other(
        "eigvalsh",
        lambda a, **static: linalg.eigvalsh(_symmetric(a), **static),
        S("plain", (apart(3, 3),)),
        S("by-index", (apart(3, 3),), {"subset_by_index": (0, 1)}),
        S("c16", (apart(2, 2, dtype="c16"),)),
        covers=(scipy.linalg.eigvalsh,),
    ),
    _other(  # the signs of vectors jump
        "eigh_tridiagonal",
        linalg.eigh_tridiagonal,
        S("plain", (const([1.0, 2.5, 4.0]), real(2)), derivative=False),
        S("values", (const([1.0, 2.5, 4.0]), real(2)), {"eigvals_only": True}),
        S(
            "by-index",
            (const([1.0, 2.5, 4.0]), real(2)),
            {"select": "i", "select_range": (0, 1), "eigvals_only": True},
        ),
        S("f4", (const([1.0, 2.5], "f4"), real(1, dtype="f4")), derivative=False),
        S("one", (real(1), real(0))),
        covers=(scipy.linalg.eigh_tridiagonal,),
    ),
    _other(
        "eigh_tridiagonal-squares",
        lambda d, e: _squares(linalg.eigh_tridiagonal(d, e)),
        S("plain", (const([1.0, 2.5, 4.0]), real(2))),
        S("f4", (const([1.0, 2.5], "f4"), real(1, dtype="f4"))),
    ),
    scipy_linalg_row(
        "eigvalsh_tridiagonal",
        S("plain", (const([1.0, 2.5, 4.0]), real(2))),
    ),
    scipy_linalg_row(
        "eig",
        S("complex-values", (turning(2, 2),)),
        S("c16", (apart(3, 3, dtype="c16"),)),
        S("values", (apart(3, 3),), {"right": False}),
    ),
    _other(
        "eig-real",
        linalg.eig,
        S("real-values", (apart(3, 3),)),
        traceable=False,  # complex where values are not known
    ),
    scipy_linalg_row("eigvals", S("real", (apart(3, 3),)), S("c16", (apart(2, 2, dtype="c16"),))),
    _other(
        "rsf2csf",
        lambda t, z: linalg.rsf2csf(np.triu(t, -1) * KEEP[: t.shape[0], : t.shape[0]], z),
        S("plain", (turning(4, 4), matrix(4, 4))),
        S("three", (turning(3, 3), matrix(3, 3))),
        S("f4", (turning(2, 2), real(2, 2, dtype="f4")), derivative=False),
        covers=(scipy.linalg.rsf2csf,),
    ),
    scipy_linalg_row(
        "expm",
        S("plain", (real(3, 3),)),
        S("zero", (const(np.zeros((2, 2))),)),
        S("large", (real(2, 2, lo=3.0, hi=5.0),), derivative=False),
        *since(1, 17, S("stack", (real(2, 2, 2),))),
        S("f4", (real(2, 2, dtype="f4"),)),
        S("c16", (cplx(2, 2),)),
        S("size1", (real(1, 1),)),
        ulps=4096,
    ),
    scipy_linalg_row(
        "expm_frechet",
        S("plain", (real(2, 2), real(2, 2))),
        S("derivative", (real(2, 2), real(2, 2)), {"compute_expm": False}),
        S("method", (real(2, 2), real(2, 2)), {"method": "blockEnlarge"}),
        S("c16", (cplx(2, 2), cplx(2, 2))),
        ulps=4096,
    ),
    *[
        scipy_linalg_row(
            name,
            S("plain", (apart(3, 3),)),
            S("equal", (const(np.eye(2) * 2),)),
            S("size1", (positive_values(1, 1),)),
            *since(
                1,
                17,
                S("complex-values", (positive_values(3, 3),)),
                S("c16", (positive_values(2, 2, dtype="c16"),)),
                S("stack", (apart(2, 2, 2),)),
            ),
            ulps=4096,
        )
        for name in ("logm", "sqrtm")
    ],
    _other(
        "sqrtm-single",
        linalg.sqrtm,
        S("f4", (apart(2, 2, dtype="f4"),)),
        ulps=4096,
    ),
    *[
        _other(
            f"{name}-complex",
            lambda a, name=name: getattr(linalg, name)(a),
            S("negative", (const([[-1.0, 0.3], [0.2, 2.0]]),)),
            ulps=4096,
            traceable=False,  # complex results of real matrices
        )
        for name in ("logm", "sqrtm")
    ],
    *[
        scipy_linalg_row(
            name,
            S("plain", (real(2, 2, lo=-0.5, hi=0.5),)),
            S("c16", (cplx(2, 2, lo=-0.5, hi=0.5),)),
            ulps=4096,
        )
        for name in ("cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm")
    ],
)
"""The rows."""

KEEP = 1.0 - np.eye(4, k=-1) * [0, 1, 0, 0]
"""Leaves blocks of two on the diagonal, as in a real Schur form."""
