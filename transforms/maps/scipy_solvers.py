"""Linear maps for SciPy: as a `LinearOperator`, and solved by its CG, GMRES and LSMR.

SciPy is imported when it is used. Where anything is traced, the solvers are those of
`transforms/solving`, whose solutions have derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ...core.aval import Array
from ...core.errors import ConvergenceError, ShapeError, UnsupportedError
from ...core.primitives.elementwise import astype
from ...core.tracing import Tracer
from ..solving.iterative import cg, gmres
from .dense import is_traced, products, refuse_real_linear, uniform
from .operators import Conjugated, Operator, Real, Transposed, from_parts, to_parts

__all__ = ["linear_operator", "solved"]

METHODS = ("gmres", "cg", "lsmr")


def _scipy_linalg(what: str) -> Any:
    try:
        return import_module("scipy.sparse.linalg")
    except ImportError:
        raise UnsupportedError(
            f"{what} needs SciPy, which is not installed.",
            fix="pip install scipy; wengert.cg and wengert.gmres need none",
        ) from None


def linear_operator(op: Operator) -> Any:
    """The map as SciPy's LinearOperator."""
    operation = f"as_scipy of {op.formula}"
    if is_traced(op):
        raise UnsupportedError(
            f"{operation}: the map depends on traced values, which SciPy cannot take.",
            fix="L.solve(b, method) and wengert.cg, wengert.gmres work on traced values",
        )
    if not uniform(op):
        refuse_real_linear(operation, op, "matrix")
    adjoint = Conjugated(Transposed(op))

    def times(part: Operator) -> Any:
        def columns(x: Array) -> Array:
            x = np.asarray(x)
            if x.dtype.kind == "c" and part.domain.kind == "real":
                return columns(x.real) + 1j * columns(x.imag)
            rows = np.ascontiguousarray(x.T).astype(part.domain.dtype, copy=False)
            return products(part, rows).T

        return columns

    forward, backward = times(op), times(adjoint)
    linalg = _scipy_linalg("as_scipy")
    return linalg.LinearOperator(
        (op.codomain.size, op.domain.size),
        matvec=lambda v: forward(np.reshape(v, (-1, 1)))[:, 0],
        rmatvec=lambda v: backward(np.reshape(v, (-1, 1)))[:, 0],
        matmat=forward,
        rmatmat=backward,
        dtype=np.result_type(op.domain.dtype, op.codomain.dtype, np.float32),  # no halves in LAPACK
    )


def solved(
    op: Operator,
    b: Sequence[Array],
    x0: Sequence[Array] | None,
    M: Operator | None,
    method: str,
    tol: float | None,
    maxiter: int | None,
) -> list[Array]:
    """The leaves x with op(x) = b."""
    operation = f"solve with {op.formula}"
    if method not in METHODS:
        raise ShapeError(
            f"{operation}: no such method.", got=f"method={method!r}", needed=f"one of {METHODS}"
        )
    if method != "lsmr":
        for part, what in ((op, "the map"), (M, "M")):
            if part is not None and not part.domain.size == part.codomain.size == op.domain.size:
                raise ShapeError(
                    f"{operation}: {what} must have as many numbers in as out, for {method!r}.",
                    got=f"{part.domain!r} -o {part.codomain!r}",
                    fix='method="lsmr" finds the least squares solution with a map of any shape',
                )
    elif M is not None:
        raise ShapeError(f'{operation}: "lsmr" takes no M.', fix='method="gmres" does')
    maps = [part for part in (op, M) if part is not None]
    vectors = [*b, *(x0 or [])]
    traced = any([is_traced(part) for part in maps]) or any(
        [isinstance(x, Tracer) for x in vectors]
    )
    run = _solved_traced if traced else _solved_plain
    if all([uniform(part) for part in maps]):
        return run(operation, op, b, x0, M, method, tol, maxiter)
    halves = to_parts(b, op.codomain, 1.0)
    start = None if x0 is None else to_parts(x0, op.domain, 1.0)
    near = None if M is None else Real(M)
    found = run(operation, Real(op), halves, start, near, method, tol, maxiter)
    return from_parts(found, op.domain)


def _solved_traced(
    operation: str,
    op: Operator,
    b: Sequence[Array],
    x0: Sequence[Array] | None,
    M: Operator | None,
    method: str,
    tol: float | None,
    maxiter: int | None,
) -> list[Array]:
    if method == "lsmr":
        raise UnsupportedError(
            f'{operation}: "lsmr" works on plain arrays alone, and here something is traced.',
            fix='solve the normal equations: (L.H @ L).solve(L.H(b), "cg")',
        )
    dtype = np.result_type(op.domain.dtype, op.codomain.dtype)

    def on_rows(part: Operator) -> Any:
        return lambda v: astype(part.codomain.flat(part.push(part.domain.unflat(v))), dtype)

    run: Any = cg if method == "cg" else gmres
    near = None if M is None else on_rows(M)
    start = None if x0 is None else astype(op.domain.flat(x0), dtype)
    right = astype(op.codomain.flat(b), dtype)
    found = run(on_rows(op), right, start, tol=tol, maxiter=maxiter, M=near)
    return op.domain.unflat(found)


def _solved_plain(
    operation: str,
    op: Operator,
    b: Sequence[Array],
    x0: Sequence[Array] | None,
    M: Operator | None,
    method: str,
    tol: float | None,
    maxiter: int | None,
) -> list[Array]:
    linalg = _scipy_linalg(f'solve with method="{method}"')
    right = op.codomain.flat(b)
    right = right.astype(np.result_type(right, np.float32), copy=False)
    if not np.all(np.isfinite(right)):
        raise ConvergenceError(f"{operation}: b is not finite.", got=repr(right))
    n = op.domain.size
    if not n or not right.size:
        return op.domain.zeros()
    single = op.codomain.dtype in (np.float32, np.complex64, np.float16)
    tol = (1e-5 if single else 1e-10) if tol is None else tol
    steps = 10 * n if maxiter is None else maxiter
    start = None if x0 is None else op.domain.flat(x0)
    A = linear_operator(op)
    if method == "lsmr":
        found, stopped = linalg.lsmr(
            A, right, atol=tol, btol=tol, conlim=0, maxiter=steps, x0=start
        )[:2]
        if stopped == 7:
            raise ConvergenceError(
                f"{operation}: LSMR did not find the least squares solution.",
                got=f"{steps} steps, tol={tol:g}",
                fix="give a larger maxiter or tol",
            )
        return op.domain.unflat(found)
    near = None if M is None else linear_operator(M)
    if method == "cg":
        found, _ = linalg.cg(A, right, start, rtol=tol, atol=0.0, maxiter=steps, M=near)
    else:
        restart = min(n, 50)
        cycles = -(-steps // restart)
        found, _ = linalg.gmres(
            A, right, start, rtol=tol, atol=0.0, restart=restart, maxiter=cycles, M=near
        )
    residual = float(np.linalg.norm(A.matvec(found) - right))
    scale = float(np.linalg.norm(right))
    # The residual that the method keeps drifts from the true one by rounding.
    allowed = max(10 * tol, 1e3 * float(np.finfo(op.domain.dtype).eps)) * scale
    if not residual <= allowed:
        kind = " The map must be symmetric and positive definite." if method == "cg" else ""
        raise ConvergenceError(
            f"{operation}: {method!r} did not converge.{kind}",
            got=f"a residual of {residual:.3g} beside b of {scale:.3g}, with maxiter={steps}",
            needed=f"{tol * scale:.3g}, for tol={tol:g}",
            fix="give a larger maxiter or tol, or a preconditioner M; a map that has no inverse "
            'is solved by method="lsmr"',
        )
    return op.domain.unflat(found)
