"""From products to numbers: matrices and diagonals of linear maps, by unit vectors, all at once or
a chunk at a time.

`products : operator, rows -> rows` is the way to apply an operator to many flat vectors, used by
all that works on flat vectors here and in `estimators.py` and `scipy_solvers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.aval import Array
from ...core.errors import DtypeError, ShapeError
from ...core.primitives.elementwise import astype
from ...core.tracing import Tracer
from ..program import make_program
from ..stacks import chunks
from ..vmap import vmap
from .linearity import REAL_LINEAR, linearity_of_program
from .operators import Operator, Real, Transposed
from .spaces import Space

__all__ = [
    "blocks_of",
    "check_square",
    "complex_or_real",
    "dense_diagonal",
    "dense_matrix",
    "is_traced",
    "maps_agree",
    "products",
    "uniform",
]

ROOM: Final = 1 << 20
"""How many numbers a chunk of columns may have, where only a part of each is kept."""
SMALL: Final = 1 << 16
"""Up to this many elements, maps are compared by their matrices."""


def products(op: Operator, rows: Array) -> Array:
    """The map of each row of an array of shape (k, n), as a row of one of shape (k, m)."""

    def product(v: Array) -> Array:
        return op.codomain.flat(op.push(op.domain.unflat(v)))

    product.__name__ = op.formula
    return vmap(product)(rows)


def is_traced(op: Operator) -> bool:
    """True if the map depends on traced values."""
    return any([isinstance(x, Tracer) for x in tree.leaves(op)])


def is_complex_linear(op: Operator) -> bool:
    """True if a map of complex vectors commutes with multiplication by i."""
    if not op.domain.size or not op.codomain.size:
        return True
    if is_traced(op):
        example = op.domain.avals
        found = linearity_of_program(
            make_program(lambda *xs: op.push(xs))(*example), over="complex"
        )
        return found.kind != REAL_LINEAR
    rng = np.random.default_rng(0)
    v = rng.normal(size=op.domain.size) + 1j * rng.normal(size=op.domain.size)
    once, turned = products(op, np.stack([v, 1j * v]).astype(op.domain.dtype))
    scale = max(float(np.max(np.abs(once))), float(np.max(np.abs(turned))))
    tolerance = float(np.finfo(op.codomain.dtype).eps) ** 0.5
    return bool(np.all(np.abs(turned - 1j * once) <= tolerance * scale))


def uniform(op: Operator) -> bool:
    """True if the map is that of a real matrix on real vectors, or of a complex one on complex
    vectors.
    """
    kinds = (op.domain.kind, op.codomain.kind)
    return kinds == ("real", "real") or (kinds == ("complex", "complex") and is_complex_linear(op))


def complex_or_real(op: Operator) -> Operator:
    """The map itself if it is uniform, and else the map of real and imaginary parts."""
    return op if uniform(op) else Real(op)


def refuse_real_linear(operation: str, op: Operator, what: str) -> None:
    """Raise the error for a map that has no complex matrix."""
    raise DtypeError(
        f"{operation}: the map is linear over the reals alone, or mixes real and complex leaves, "
        f"so it has no complex {what}.",
        got=f"{op.domain!r} -o {op.codomain!r}",
        needed="real arguments, or a map that commutes with multiplication by 1j, as derivatives "
        "of holomorphic functions do",
        fix=f"L.as_real() is the map of real and imaginary parts, which has a {what}",
    )


def dense_matrix(op: Operator, chunk_size: int | None) -> Array:
    """The flat matrix: columns from unit vectors, or rows from unit covectors, whichever are
    fewer.
    """
    operation = f"matrix of {op.formula}"
    m, n = op.codomain.size, op.domain.size
    forward = n <= m
    if op.domain.kind == "real" and op.codomain.kind != "real":
        forward = True
    elif op.domain.kind != "real" and not uniform(op):
        refuse_real_linear(operation, op, "matrix")
    part = op if forward else Transposed(op)
    k = n if forward else m
    dtype = part.domain.dtype
    rows = [
        products(part, np.eye(last - first, k, first, dtype))
        for first, last in chunks(operation, k, chunk_size)
    ]
    if not rows:
        return np.zeros((m, n), op.codomain.dtype)
    whole = rows[0] if len(rows) == 1 else np.concatenate(rows)
    return whole.T if forward else whole


def blocks_of(whole: Array, domain: Space, codomain: Space) -> Any:
    """The flat matrix as a tree of trees of blocks."""
    found = []
    for block, aval in zip(codomain.split(whole, 0), codomain.avals, strict=True):
        parts = [
            astype(p, aval.dtype) if p.shape else astype(p[()], aval.dtype)
            for p in domain.split(block, aval.ndim)
        ]
        found.append(domain.tree(parts))
    return codomain.tree(found)


def check_square(operation: str, op: Operator) -> None:
    """An error unless the map goes from a space to itself."""
    if op.domain != op.codomain:
        raise ShapeError(
            f"{operation}: the map must go from a space to itself.",
            got=f"{op.domain!r} -o {op.codomain!r}",
            needed="a square matrix",
            fix="L.T @ L and L @ L.T are square",
        )
    if op.domain.kind == "mixed" or not uniform(op):
        refuse_real_linear(operation, op, "diagonal")


def dense_diagonal(op: Operator, chunk_size: int | None) -> Array:
    """The diagonal of the flat matrix, a chunk of columns at a time."""
    operation = f"diagonal of {op.formula}"
    check_square(operation, op)
    n = op.domain.size
    size = max(1, ROOM // max(n, 1)) if chunk_size is None else chunk_size
    found = []
    for first, last in chunks(operation, n, size):
        rows = products(op, np.eye(last - first, n, first, op.domain.dtype))
        found.append(rows[np.arange(last - first), np.arange(first, last)])
    return np.concatenate(found) if found else np.zeros(0, op.domain.dtype)


def maps_agree(a: Operator, b: Operator, rtol: float | None, atol: float, rng: Any) -> bool:
    """True if two maps are the same up to rounding."""
    if a.domain != b.domain or a.codomain != b.codomain:
        return False
    if {a.domain.kind, a.codomain.kind} != {"real"}:
        a, b = Real(a), Real(b)
    eps = max([float(np.finfo(v.dtype).eps) for v in (*a.domain.avals, *a.codomain.avals)] or [0])
    near = _near(eps**0.5 if rtol is None else rtol, atol)
    m, n = a.codomain.size, a.domain.size
    if m * n <= SMALL:
        return near(dense_matrix(a, None), dense_matrix(b, None))
    draw = np.random.default_rng(rng)
    pairs: Sequence[tuple[Operator, Operator]] = ((a, b), (Transposed(a), Transposed(b)))
    for p, q in pairs:
        rows = draw.normal(size=(4, p.domain.size)).astype(p.domain.dtype)
        if not near(products(p, rows), products(q, rows)):
            return False
    return True


def _near(rtol: float, atol: float) -> Callable[[Array, Array], bool]:
    def near(x: Array, y: Array) -> bool:
        scale = np.max(np.maximum(np.abs(x), np.abs(y)), initial=0.0)
        return bool(np.all(np.abs(x - y) <= atol + rtol * scale))

    return near
