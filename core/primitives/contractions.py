"""Contractions: matmul, einsum, and dot, inner, outer, vdot, tensordot, kron, which are made of
them.

`matmul` is the one bilinear primitive that BLAS runs; `einsum` is multilinear in any number of
operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from string import ascii_letters
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import asarray, implements, implements_ufunc
from ..errors import ShapeError
from ..rules import bilinear, sample, unbroadcast, variadic
from ..tracing import Every, Tracer
from .creation import check_cast
from .elementwise import as_array, astype

# matmul. An operand with one axis is a row on the left and a column on the right, as in NumPy.


def transpose_left(ct: Array, a: Any, b: Array) -> Array:
    """The cotangent of a in a @ b."""
    if len(a.shape) == 2 == b.ndim:
        g = ct @ b.T
        return g if g.dtype is a.dtype else unbroadcast(g, a)
    if b.ndim == 1:  # an outer product
        return unbroadcast(ct[..., None] * b, a)
    if a.ndim == 1:
        return unbroadcast(b @ ct if b.ndim == 2 else (ct[..., None, :] @ b.mT)[..., 0, :], a)
    return unbroadcast(ct @ b.mT, a)


def transpose_right(ct: Array, a: Array, b: Any) -> Array:
    """The cotangent of b in a @ b."""
    if a.ndim == 2 == len(b.shape):
        g = a.T @ ct
        return g if g.dtype is b.dtype else unbroadcast(g, b)
    if a.ndim == 1:  # an outer product, or a multiple
        return unbroadcast(a[:, None] * ct[..., None, :] if b.ndim > 2 else _outer(a, ct), b)
    if b.ndim == 1:
        return unbroadcast(ct @ a if a.ndim == 2 else (a.mT @ ct[..., None])[..., 0], b)
    return unbroadcast(a.mT @ ct, b)


def _outer(a: Array, ct: Array) -> Array:
    return a[:, None] * ct if ct.ndim else a * ct


def _matmul_shape(a: ShapedArray, b: ShapedArray) -> ShapedArray:
    dtype = a.dtype if a.dtype is b.dtype else np.result_type(a.dtype, b.dtype)
    left, right = a.shape, b.shape
    if len(left) == 2 == len(right):
        return ShapedArray((left[0], right[1]), dtype)
    flat = len(left) <= 2 and len(right) <= 2
    stack = () if flat else np.broadcast_shapes(left[:-2], right[:-2])
    columns = right[-1:] if len(right) > 1 else ()
    return ShapedArray((*stack, *left[-2:-1], *columns), dtype)


def _matmul_batch(size: int, batched: Sequence[bool], a: Array, b: Array) -> Array:
    a_batched, b_batched = batched
    a_ndim, b_ndim = a.ndim - a_batched, b.ndim - b_batched
    if a_batched and b_batched:
        # Vectors become matrices of one row or column, so that every operand has its batch axis in
        # front.
        left = a[:, None, :] if a_ndim == 1 else a
        right = b[:, :, None] if b_ndim == 1 else b
        rank = max(left.ndim, right.ndim)
        left, right = [x[(slice(None), *[None] * (rank - x.ndim))] for x in (left, right)]
        y = matmul_p.bind(left, right)
        if b_ndim == 1:
            y = y[..., 0]
        return y if a_ndim > 1 else (y[..., 0, :] if b_ndim > 1 else y[..., 0])
    if a_batched:
        if a_ndim == 2 and b_ndim == 2:  # one large product instead of many small ones
            return np.reshape(
                matmul_p.bind(np.reshape(a, (size * a.shape[1], a.shape[2])), b),
                (size, a.shape[1], b.shape[1]),
            )
        if a_ndim == 1 and b_ndim > 2:
            return matmul_p.bind(a[(slice(None), *[None] * (b_ndim - 1))], b)[..., 0, :]
        missing = max(b_ndim - a_ndim, 0) if a_ndim > 1 else 0
        return matmul_p.bind(a[(slice(None), *[None] * missing)] if missing else a, b)
    if b_ndim == 1:
        if a_ndim <= 2:
            return matmul_p.bind(b, np.transpose(a))
        return matmul_p.bind(a, b[(slice(None), *[None] * (a_ndim - 2), slice(None), None)])[..., 0]
    missing = max(a_ndim - b_ndim, 0)
    return matmul_p.bind(a, b[(slice(None), *[None] * missing)] if missing else b)


matmul_p = bilinear(
    "matmul", np.matmul, transpose_left, transpose_right, shape=_matmul_shape, batch=_matmul_batch
)


def matmul(x1: Array, x2: Array, /) -> Array:
    """`np.matmul`, and the operator `@`, on traced values."""
    a = x1 if isinstance(x1, Tracer) or type(x1) is np.ndarray else asarray(x1, "np.matmul")
    b = x2 if isinstance(x2, Tracer) or type(x2) is np.ndarray else asarray(x2, "np.matmul")
    a_shape, b_shape = getattr(a, "shape", ()), getattr(b, "shape", ())
    if not a_shape or not b_shape or a_shape[-1] != b_shape[-2 if len(b_shape) > 1 else 0]:
        raise ShapeError(
            f"np.matmul: the last axis of the left operand must be as long as the "
            f"{'second last' if len(b_shape) > 1 else 'only'} axis of the right one; got "
            f"{aval_of(a)!r} @ {aval_of(b)!r}"
        )
    if not isinstance(b, Tracer):
        assert isinstance(a, Tracer)
        return a._trace.process2(matmul_p, a, b)
    trace = b._trace
    if isinstance(a, Tracer) and a._trace.number > trace.number:
        trace = a._trace
    return trace.process2(matmul_p, a, b)


implements_ufunc(np.matmul, matmul)


def _core_operands(name: str, a: Array, b: Array, axes: tuple[int, int]) -> tuple[Array, Array]:
    """Operands of a function of stacks of vectors and matrices, whose last axes must fit."""
    a, b = as_array(a, name), as_array(b, name)
    left, right = aval_of(a), aval_of(b)
    if left.ndim < axes[0] or right.ndim < axes[1] or left.shape[-1] != right.shape[-axes[1]]:
        raise ShapeError(
            f"{name}: needs {' and '.join([_CORE[n] for n in axes])}, which fit; got {left!r} and "
            f"{right!r}"
        )
    return a, b


_CORE = {1: "a (stack of) vectors", 2: "a (stack of) matrices"}


def _conjugate(x: Array) -> Array:
    """The conjugate; real operands are spared the copy."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _vecdot(a: Array, b: Array) -> Array:
    a, b = _core_operands("np.vecdot", a, b, (1, 1))
    return np.einsum("...i,...i->...", _conjugate(a), b)  # no products in memory


def _matvec(a: Array, b: Array) -> Array:
    a, b = _core_operands("np.matvec", a, b, (2, 1))
    return np.matmul(a, b[..., None])[..., 0]


def _vecmat(a: Array, b: Array) -> Array:
    a, b = _core_operands("np.vecmat", a, b, (1, 2))
    return np.matmul(_conjugate(a)[..., None, :], b)[..., 0, :]


for _name, _function in (("vecdot", _vecdot), ("matvec", _matvec), ("vecmat", _vecmat)):
    if hasattr(np, _name):
        implements_ufunc(getattr(np, _name), _function)


@implements(np.dot)
def dot(a: Array, b: Array, out: None = None) -> Array:
    """`np.dot` on traced values."""
    a, b = as_array(a, "np.dot"), as_array(b, "np.dot")
    a_ndim, b_ndim = aval_of(a).ndim, aval_of(b).ndim
    if not a_ndim or not b_ndim:
        return a * b
    if a_ndim <= 2 and b_ndim <= 2:
        return matmul(a, b)
    return np.tensordot(a, b, axes=((a_ndim - 1,), (max(b_ndim - 2, 0),)))


@implements(np.inner)
def inner(a: Array, b: Array, /) -> Array:
    """`np.inner` on traced values."""
    a, b = as_array(a, "np.inner"), as_array(b, "np.inner")
    if not aval_of(a).ndim or not aval_of(b).ndim:
        return a * b
    return np.tensordot(a, b, axes=((-1,), (-1,)))


@implements(np.outer)
def outer(a: Array, b: Array, out: None = None) -> Array:
    """`np.outer` on traced values."""
    return np.ravel(as_array(a, "np.outer"))[:, None] * np.ravel(as_array(b, "np.outer"))


@implements(np.linalg.outer)
def linalg_outer(x1: Array, x2: Array, /) -> Array:
    """`np.linalg.outer` on traced values."""
    return np.outer(x1, x2)


@implements(np.vdot)
def vdot(a: Array, b: Array, /) -> Array:
    """`np.vdot` on traced values."""
    a, b = np.ravel(as_array(a, "np.vdot")), np.ravel(as_array(b, "np.vdot"))
    return matmul(_conjugate(a), b)


@implements(np.tensordot)
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """`np.tensordot` on traced values."""
    a, b = as_array(a, "np.tensordot"), as_array(b, "np.tensordot")
    left, right = aval_of(a), aval_of(b)
    if isinstance(axes, int | np.integer):
        axes = (tuple(range(left.ndim - axes, left.ndim)), tuple(range(axes)))
    pair = [(x,) if isinstance(x, int | np.integer) else tuple(x) for x in axes]
    a_axes = [normalize_axis_index(i, left.ndim) for i in pair[0]]
    b_axes = [normalize_axis_index(i, right.ndim) for i in pair[1]]
    if [left.shape[i] for i in a_axes] != [right.shape[i] for i in b_axes]:
        raise ShapeError(
            f"np.tensordot: the axes {axes} of {left!r} and {right!r} differ in length"
        )
    a_free = [i for i in range(left.ndim) if i not in a_axes]
    b_free = [i for i in range(right.ndim) if i not in b_axes]
    n = 1
    for i in a_axes:
        n *= left.shape[i]
    rows = [left.shape[i] for i in a_free]
    columns = [right.shape[i] for i in b_free]
    a_matrix = np.reshape(np.transpose(a, (*a_free, *a_axes)), (_product(rows), n))
    b_matrix = np.reshape(np.transpose(b, (*b_axes, *b_free)), (n, _product(columns)))
    return np.reshape(_matmul_any(a_matrix, b_matrix), (*rows, *columns))


def _matmul_any(a: Array, b: Array) -> Array:
    return matmul_p.bind(a, b)


def _product(shape: Sequence[int]) -> int:
    n = 1
    for d in shape:
        n *= d
    return n


@implements(np.kron)
def kron(a: Array, b: Array) -> Array:
    """`np.kron` on traced values."""
    a, b = as_array(a, "np.kron"), as_array(b, "np.kron")
    a_shape, b_shape = aval_of(a).shape, aval_of(b).shape
    ndim = max(len(a_shape), len(b_shape))
    a_shape, b_shape = [(1,) * (ndim - len(s)) + s for s in (a_shape, b_shape)]
    left = np.reshape(a, [d for pair in zip(a_shape, [1] * ndim, strict=True) for d in pair])
    right = np.reshape(b, [d for pair in zip([1] * ndim, b_shape, strict=True) for d in pair])
    return np.reshape(left * right, [m * n for m, n in zip(a_shape, b_shape, strict=True)])


# einsum.


def _split_subscripts(subscripts: str) -> tuple[list[str], str]:
    inputs, _, output = subscripts.partition("->")
    return inputs.split(","), output


def _einsum_transpose(i: int) -> Any:
    def transpose(ct: Array, *args: Any, subscripts: str, optimize: Any) -> Array:
        inputs, output = _split_subscripts(subscripts)
        rest = [k for k in range(len(args)) if k != i]
        spec = ",".join([output, *[inputs[k] for k in rest]]) + "->" + inputs[i]
        g = einsum_p.bind(ct, *[args[k] for k in rest], subscripts=spec, optimize=optimize)
        if g.shape == args[i].shape:
            return unbroadcast(g, args[i])
        # einsum broadcasts axes of length 1: undo that in both directions.
        wide = np.broadcast_shapes(g.shape, args[i].shape)
        return unbroadcast(np.broadcast_to(g, wide), args[i])

    return transpose


def _einsum_shape(*avals: ShapedArray, subscripts: str, optimize: Any) -> ShapedArray:
    inputs, output = _split_subscripts(subscripts)
    lengths: dict[str, int] = {}
    for letters, aval in zip(inputs, avals, strict=True):
        for letter, d in zip(letters, aval.shape, strict=True):
            lengths[letter] = d if lengths.get(letter, 1) == 1 else lengths[letter]
    dtype = np.result_type(*[a.dtype for a in avals])
    return ShapedArray(tuple([lengths[letter] for letter in output]), dtype)


def _einsum_batch(
    size: int, batched: Sequence[bool], *args: Array, subscripts: str, optimize: Any
) -> Array:
    inputs, output = _split_subscripts(subscripts)
    free = next(letter for letter in ascii_letters if letter not in subscripts)
    spec = (
        ",".join([free + s if b else s for s, b in zip(inputs, batched, strict=True)])
        + "->"
        + free
        + output
    )
    return einsum_p.bind(*args, subscripts=spec, optimize=optimize)


def _einsum(*args: Array, subscripts: str, optimize: Any) -> Array:
    y = np.einsum(subscripts, *args, optimize=optimize)
    return y if y.flags.writeable or y.ndim == 0 else y.copy()


einsum_p = variadic(
    "einsum",
    _einsum,
    Every(_einsum_transpose),
    linear="separately",
    linear_args=Every(lambda i: True),
    shape=_einsum_shape,
    batch=_einsum_batch,
)


@implements(np.einsum)
def einsum(
    *operands: Any,
    out: None = None,
    optimize: Any = False,
    dtype: Any = None,
    order: Any = "K",
    casting: Any = "safe",
) -> Array:
    """`np.einsum` on traced values, with subscripts or lists of axis numbers."""
    spec, arrays = _parse_einsum(operands)
    xs = [as_array(x, "np.einsum") for x in arrays]
    if dtype is not None:
        for x in xs:
            check_cast("np.einsum", x, dtype, casting)
        xs = [astype(x, dtype) for x in xs]
    expanded, output, is_plain = _expand_subscripts(spec, tuple([aval_of(x).ndim for x in xs]))
    if is_plain:
        full = ",".join(expanded) + "->" + output
        return einsum_p.bind(*xs, subscripts=full, optimize=optimize)
    inputs = list(expanded)
    # Take diagonals and sums that concern one operand alone, so that every letter is in the output
    # or in another operand.
    for k, letters in enumerate(inputs):
        x = xs[k]
        for letter in dict.fromkeys(letters):
            while letters.count(letter) > 1:
                i = letters.index(letter)
                j = letters.index(letter, i + 1)
                x = np.diagonal(x, 0, i, j)
                letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + letter
        elsewhere = output + "".join(inputs[:k] + inputs[k + 1 :])
        alone = [i for i, letter in enumerate(letters) if letter not in elsewhere]
        if alone:
            x = np.sum(x, axis=tuple(alone))
            letters = "".join([letter for i, letter in enumerate(letters) if i not in alone])
        xs[k], inputs[k] = x, letters
    if len(xs) == 1:
        return np.transpose(xs[0], [inputs[0].index(letter) for letter in output])
    return einsum_p.bind(*xs, subscripts=",".join(inputs) + "->" + output, optimize=optimize)


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """`np.einsum_path` of traced operands: it depends on their shapes alone."""
    plain: Any = [sample(x.aval) if isinstance(x, Tracer) else x for x in operands]
    options: Any = {"einsum_call": True} if einsum_call else {}
    return np.einsum_path(*plain, optimize=optimize, **options)


def _parse_einsum(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), list(operands[1:])

    def text(axes: Sequence[Any]) -> str:
        return "".join(["..." if a is Ellipsis else ascii_letters[a] for a in axes])

    pairs = len(operands) // 2
    spec = ",".join([text(operands[2 * i + 1]) for i in range(pairs)])
    if len(operands) % 2:
        spec += "->" + text(operands[-1])
    return spec, [operands[2 * i] for i in range(pairs)]


@lru_cache
def _expand_subscripts(spec: str, ndims: tuple[int, ...]) -> tuple[Sequence[str], str, bool]:
    """Subscripts without ellipses, and with the output written out; and whether every letter of an
    operand is there once, and elsewhere too.
    """
    left, arrow, output = spec.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ndims):
        raise ShapeError(
            f"np.einsum: {spec!r} names {len(inputs)} operands, but {len(ndims)} are given"
        )
    used = set(spec)
    fresh = [letter for letter in ascii_letters if letter not in used]
    width = max(
        [n - len(s.replace("...", "")) for s, n in zip(inputs, ndims, strict=True) if "..." in s],
        default=0,
    )
    dots = "".join(fresh[:width])
    expanded = []
    for s, n in zip(inputs, ndims, strict=True):
        own = n - len(s.replace("...", ""))
        if own < 0 or (own and "..." not in s):
            raise ShapeError(
                f"np.einsum: {s!r} has {len(s)} subscripts for an operand with {n} axes"
            )
        expanded.append(s.replace("...", dots[width - own :] if own else ""))
    if not arrow:
        letters = "".join(expanded)
        output = dots + "".join(
            sorted({c for c in letters if letters.count(c) == 1 and c not in dots})
        )
    output = output.replace("...", dots)
    is_plain = len(expanded) > 1 and all(
        [
            len(set(s)) == len(s)
            and set(s) <= set("".join([output, *expanded[:k], *expanded[k + 1 :]]))
            for k, s in enumerate(expanded)
        ]
    )
    return tuple(expanded), output, is_plain
