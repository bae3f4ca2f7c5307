"""Solve a nonlinear diffusion equation by Newton's method, with sparse Jacobians.

    python examples/sparse_newton.py            # a grid of 300 x 300: 90 000 unknowns
    python examples/sparse_newton.py --quick    # 60 x 60, as CI runs it

The equation is  -div(k(u) grad u) + u^3 = f  on the unit square, with u = 0 on the boundary and the
conductivity k(u) = 1 + u^2: a material that conducts better where it is hot. It is discretized by
finite volumes, in a few lines of plain NumPy with slices. Newton's method needs the Jacobian of all
unknowns by all unknowns in each step. `wg.sparse_jacobian` reads off the program that each residual
depends on five unknowns, computes the matrix in a few forward passes, and SciPy solves with it.

The right side f is chosen so that the solution is known. So the error that is left, of order h^2,
can be printed too.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wengert as wg

try:
    from scipy.sparse.linalg import spsolve
except ImportError:
    sys.exit("This example needs SciPy's sparse solver: pip install scipy")

Floats = NDArray[np.float64]
HEIGHT = 3.0  # of the solution, a bump in the middle


def conductivity(u: Any) -> Any:
    """How well the material conducts at temperature u."""
    return 1.0 + u**2


def flow_out(u: Any, h: float) -> Any:
    """-div(k(u) grad u) at the inner points of a grid, from the flow through the faces of cells."""
    right = conductivity((u[1:] + u[:-1]) / 2) * (u[1:] - u[:-1])
    up = conductivity((u[:, 1:] + u[:, :-1]) / 2) * (u[:, 1:] - u[:, :-1])
    across = right[1:, 1:-1] - right[:-1, 1:-1]
    along = up[1:-1, 1:] - up[1:-1, :-1]
    return -(across + along) / h**2


def residual(inner: Any, source: Any, h: float) -> Any:
    """What is left of the equation at the inner points; zero for the solution."""
    u = np.pad(inner, 1)  # the boundary is cold
    return flow_out(u, h) + inner**3 - source


def known_solution(n: int) -> tuple[Floats, Floats]:
    """The solution u = H sin(pi x) sin(pi y) at the inner points, and the source that it needs."""
    x = np.linspace(0.0, 1.0, n + 2)[1:-1]
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    u = HEIGHT * np.outer(s, s)
    slopes = (HEIGHT * np.pi) ** 2 * (np.outer(c, s) ** 2 + np.outer(s, c) ** 2)
    laplacian = -2 * np.pi**2 * u
    return u, -(conductivity(u) * laplacian + 2 * u * slopes) + u**3


def solve(n: int) -> float:
    """Newton's method from zero on a grid of n x n points; returns the error of the solution."""
    h = 1.0 / (n + 1)
    exact, source = known_solution(n)
    jacobian = wg.sparse_jacobian(residual)
    u = np.zeros((n, n))
    start = time.perf_counter()
    print(jacobian.plan(u, source, h))  # type: ignore[attr-defined]  # see its docstring
    print(f"planned in {time.perf_counter() - start:.2f} s")
    print("step   residual   Jacobian      solve")
    for step in range(30):
        r = residual(u, source, h)
        size = float(np.max(np.abs(r)))
        if size < 1e-6:
            break
        start = time.perf_counter()
        matrix = jacobian(u, source, h)
        middle = time.perf_counter()
        change = spsolve(matrix.tocsc(), r.ravel()).reshape(n, n)
        end = time.perf_counter()
        u = u - change
        print(f"{step:4d}   {size:8.1e}   {middle - start:6.3f} s   {end - middle:6.3f} s")
    else:
        raise AssertionError("Newton's method did not converge")
    error = float(np.max(np.abs(u - exact)))
    print(f"{step:4d}   {size:8.1e}   done")
    print(f"largest error of the solution: {error:.1e}, at h = {h:.1e}")
    return error


def main() -> None:
    """Read the options, solve, and check the error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a coarse grid")
    quick = parser.parse_args().quick
    n = 60 if quick else 300
    error = solve(n)
    assert error < 10.0 / (n + 1) ** 2 * HEIGHT, f"the error {error} is larger than it should be"


if __name__ == "__main__":
    main()
