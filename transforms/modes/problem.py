"""What an engine gets: `Problem`, a function of chosen arguments at a point, as one from vectors to
vectors.

The vector of the arguments has all numbers that have a derivative, leaf after leaf; that of the
results likewise. `assemble` cuts a matrix into the tree of blocks that `jacobian` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ModeError, ShapeError
from ...core.tracing import Tracer
from ...core.tree import is_static_leaf
from ..api import (
    Labels,
    differentiable_leaves,
    flatten_arguments,
    flatten_result,
    plain_output,
    split_aux,
    without,
)

__all__ = ["Problem", "has_derivative", "joined"]

Pack = Callable[[Sequence[Any]], Any]


class Problem:
    """A function of chosen arguments at a point.

    `value` and `aux` are what it returns there; `evaluations` counts its calls.
    """

    def __init__(
        self,
        operation: str,
        fun: Callable[..., Any],
        args: Sequence[Any],
        *,
        has_aux: bool = False,
        labels: Labels = None,
        pack: Pack = tuple,
        each: bool = True,
        traced: bool = False,
    ) -> None:
        self.operation = operation
        self.fun = fun
        self.has_aux = has_aux
        self.pack = pack
        self.leaves, self.in_tree = flatten_arguments(operation, args, labels)
        self.in_avals, active = differentiable_leaves(
            operation, self.leaves, self.in_tree, labels, each
        )
        self.active = list(range(len(self.leaves))) if active is None else active
        if not traced and any([isinstance(x, Tracer) for x in self.leaves]):
            raise ModeError(
                f"{operation}: this mode needs plain values, and the arguments are traced.",
                needed="a call that is not inside of another transformation",
                fix='mode="forward", "reverse" or "taylor"',
            )
        self.evaluations = 1
        self.value, self.aux = split_aux(operation, fun(*self.arguments()), has_aux)
        outs, self.out_tree = flatten_result(operation, self.value)
        self.outs: list[Any] = [plain_output(y) for y in outs]
        self.value = tree.unflatten(self.out_tree, self.outs)
        self.smooth = [i for i, y in enumerate(self.outs) if has_derivative(y)]

    @property
    def is_complex(self) -> bool:
        """True if an argument is complex."""
        return any([a.dtype.kind == "c" for a in self.in_avals])

    @property
    def vector(self) -> Array:
        """The numbers of the arguments."""
        return joined([self.leaves[i] for i in self.active])

    @property
    def out_avals(self) -> list[ShapedArray]:
        """The types of the results that have a derivative."""
        return [aval_of(self.outs[i]) for i in self.smooth]

    @property
    def size(self) -> int:
        """How many numbers the arguments have."""
        return sum([a.size for a in self.in_avals])

    @property
    def out_size(self) -> int:
        """How many numbers the results have."""
        return sum([a.size for a in self.out_avals])

    @property
    def parts(self) -> list[slice]:
        """Where the numbers of each argument are among all of them."""
        ends = np.cumsum([0, *[a.size for a in self.in_avals]])
        return [slice(a, b) for a, b in pairwise(ends.tolist())]

    def arguments(self, vector: Array | None = None) -> tuple[Any, ...]:
        """The arguments with the numbers of a vector in them, in its precision."""
        leaves = list(self.leaves)
        for i, aval, part in zip(self.active, self.in_avals, self.parts, strict=True):
            if vector is None:
                x = leaves[i]
                leaves[i] = x.copy() if type(x) is np.ndarray else x
            else:
                x = np.reshape(vector[part], aval.shape)
                leaves[i] = x.copy() if aval.shape else x[()]
        found: tuple[Any, ...] = tree.unflatten(self.in_tree, leaves)
        return found

    def at(self, vector: Array) -> Array:
        """The numbers of the results, for those of the arguments."""
        self.evaluations += 1
        result, _ = split_aux(self.operation, self.fun(*self.arguments(vector)), self.has_aux)
        outs, _ = flatten_result(self.operation, result)
        if len(outs) != len(self.outs) or any(
            [np.shape(outs[i]) != np.shape(self.outs[i]) for i in self.smooth]
        ):
            raise ShapeError(
                f"{self.operation}: the function returns something else near to the point.",
                got=", ".join([repr(aval_of(y)) for y in outs if not is_static_leaf(y)]),
                needed=", ".join([repr(a) for a in self.out_avals]),
                fix='mode="forward" or mode="reverse", which evaluate it at the point alone',
            )
        return joined([outs[i] for i in self.smooth])

    def smooth_results(self, *args: Any) -> list[Array]:
        """The results that have a derivative, for other arguments, which may be traced."""
        self.evaluations += 1
        y = self.fun(*args)
        return [v for v in tree.leaves(y[0] if self.has_aux else y) if has_derivative(v)]

    def of_smooth_rows(self, matrix: Array) -> Array:
        """The rows of results with a derivative, of a matrix that has rows for all numbers."""
        kept = [
            np.full(aval_of(y).size, has_derivative(y)) for y in self.outs if not is_static_leaf(y)
        ]
        return matrix[np.concatenate(kept)] if kept else matrix

    def assemble(self, matrix: Array) -> Any:
        """The tree of blocks of a Jacobian: for each result a tree like the arguments."""

        def row(part: Array, aval: ShapedArray) -> Any:
            return self.pack(tree.unflatten(self.narrowed, self.blocks(part, aval)))

        return self.by_result(matrix, row)

    def by_result(self, stacked: Array, make: Callable[[Array, ShapedArray], Any]) -> Any:
        """What is made of the part of each result, in their tree; the first axis has the numbers of
        those with a derivative. The part of any other is zeros; static leaves have None.
        """
        leaves: list[Any] = []
        start = 0
        for y in self.outs:
            if is_static_leaf(y):
                leaves.append(None)
                continue
            aval = aval_of(y)
            if has_derivative(y):
                part = stacked[start : start + aval.size]
                start += aval.size
            else:
                part = np.zeros((aval.size, *stacked.shape[1:]), aval.dtype)
            leaves.append(make(part, aval))
        return tree.unflatten(self.out_tree, leaves)

    def assemble_second(self, found: Array) -> Any:
        """The tree of second derivatives: for each result a tree like the arguments, of such trees;
        `found` has three axes, for the numbers of the results and twice for those of the arguments.
        """
        places = list(zip(self.in_avals, self.parts, strict=True))

        def row(block: Array, aval: ShapedArray) -> Any:
            outer = []
            for a, p in places:
                inner = [
                    _shaped(block[:, p, q], (*aval.shape, *a.shape, *b.shape), aval.dtype)
                    for b, q in places
                ]
                outer.append(self.pack(tree.unflatten(self.narrowed, inner)))
            return self.pack(tree.unflatten(self.narrowed, outer))

        return self.by_result(found, row)

    @property
    def narrowed(self) -> tree.TreeDef:
        """The structure of the arguments, with None for leaves without a derivative."""
        return without(self.in_tree, self.active)

    def blocks(self, part: Array, aval: ShapedArray) -> list[Array]:
        """The columns of some rows, argument by argument."""
        found = []
        for a, columns in zip(self.in_avals, self.parts, strict=True):
            block = part[:, columns]
            # A row of a real function by complex arguments is complex.
            both = a.dtype.kind == block.dtype.kind == "c"
            dtype = a.dtype if both and aval.dtype.kind != "c" else aval.dtype
            found.append(_shaped(block, (*aval.shape, *a.shape), dtype))
        return found

    def split(self, vector: Array) -> Any:
        """A vector of the results as their tree: zeros where there is no derivative, or None."""
        return self.by_result(vector, lambda part, aval: _shaped(part, aval.shape, aval.dtype))

    def cotangents(self, vector: Array) -> tuple[Any, ...]:
        """A vector of the arguments as their tree, with None where there is no derivative."""
        found = [
            _shaped(vector[part], a.shape, a.dtype)
            for a, part in zip(self.in_avals, self.parts, strict=True)
        ]
        out: tuple[Any, ...] = tree.unflatten(self.narrowed, found)
        return out

    def of_parts(self) -> Problem:
        """The same function, of the real and the imaginary parts of complex arguments."""
        parts: list[Any] = []
        for i, a in zip(self.active, self.in_avals, strict=True):
            x = self.leaves[i]
            parts.append((x.real, x.imag) if a.dtype.kind == "c" else x)

        def whole(*parts: Any) -> Any:
            leaves = list(self.leaves)
            for i, a, x in zip(self.active, self.in_avals, parts, strict=True):
                leaves[i] = x[0] + 1j * x[1] if a.dtype.kind == "c" else x
            return self.fun(*tree.unflatten(self.in_tree, leaves))

        return Problem(self.operation, whole, parts, has_aux=self.has_aux, traced=True)

    def from_parts(self, rows: Array) -> Array:
        """Rows by real and imaginary parts as rows by the arguments: x_bar = a - ib, such that
        Re(x_bar x_dot) is what the two rows a and b give.
        """
        found, start = [], 0
        for a in self.in_avals:
            part = rows[..., start : start + a.size]
            start += a.size
            if a.dtype.kind == "c":
                part = part - 1j * rows[..., start : start + a.size]
                start += a.size
            found.append(part)
        return np.concatenate(found, axis=-1) if found else rows

    def check_real(self, mode: str) -> None:
        """Raise DtypeError for complex arguments."""
        for aval in self.in_avals:
            if aval.dtype.kind == "c":
                raise DtypeError(
                    f"{self.operation}: mode={mode!r} is for real arguments.",
                    got=repr(aval),
                    fix='mode="forward", with holomorphic=True; or pass real and imaginary parts',
                )


def has_derivative(y: Any) -> bool:
    """True for floats and complex numbers."""
    return not is_static_leaf(y) and aval_of(y).dtype.kind in "fc"


def joined(leaves: Sequence[Array]) -> Array:
    """All numbers as one vector, in double precision at least."""
    if not leaves:
        return np.zeros(0)
    dtype = np.result_type(np.float64, *[aval_of(x).dtype for x in leaves])
    return np.concatenate([np.reshape(x, -1).astype(dtype) for x in leaves])


def _shaped(x: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """An array of its own with this shape and type; of complex numbers the real parts, for a real
    type.
    """
    if dtype.kind != "c" and x.dtype.kind == "c":
        x = x.real
    reshaped: Any = np.reshape(x, shape)
    is_traced = isinstance(reshaped, Tracer)
    return reshaped.astype(dtype) if is_traced else np.array(reshaped, dtype)[()]
