"""Linear maps as values: `LinearMap`, what users hold, call, transpose, compose and add.

`LinearMap : T a -o T b`. It knows its two spaces and an operator (`operators.py`); the arithmetic
is lazy, and nothing is computed before the map is applied. A LinearMap is a tree node, whose leaves
are the arrays that it depends on: it may be returned from a vmapped function, scanned over, and
differentiated through. `measures.py` has its other half. Read next: `derivative_map.py`, which
makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import aval_of
from ...core.errors import DtypeError, ShapeError, TreeError
from ...core.ir import Program
from ...core.source import boundary
from ...core.tracing import Tracer
from ..api import as_array_leaf, distinct, is_array_leaf, plain_output
from ..passes.dead_code import without_dead_code
from ..program import make_program
from ..stacks import applied_to_stack
from .measures import Measured
from .operators import (
    Composed,
    Conjugated,
    FromMatrix,
    Identity,
    Operator,
    Real,
    Scaled,
    Summed,
    Transposed,
    Zero,
)
from .spaces import Space

__all__ = ["LinearMap"]


class LinearMap(Measured):
    """A linear map between spaces of trees, as `derivative_map` gives.

    `L(t)` or `L @ t` applies it, `L.T` is its transpose and `L.H` its conjugate transpose, `A @ B`
    composes, and `A + B`, `A - B`, `2.0 * A`, `-A` combine maps without computing anything. The
    transpose is the plain one, without conjugation, as everywhere in wengert. A tree with an axis
    in front of all leaves is a stack of vectors: `L.many(stack)`.

    As a tree, a map consists of the arrays that it depends on. So the derivative *of* a map, where
    a function returns one, has the derivatives of these arrays as its leaves, and is not to be
    applied: differentiate what is done with the map.

    Args:
        operator: what does the work; users get maps from `derivative_map`, `linear_map`, and
            `LinearMap.identity`, `LinearMap.zero` and `LinearMap.from_matrix`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> x = np.array([2.0, 5.0])
        >>> D = wg.derivative_map(lambda x: np.array([3.0, 1.0]) * x[0] * x[1], x)
        >>> D.shape, D(np.array([1.0, 0.0])), D.T(np.array([1.0, 0.0]))
        ((2, 2), array([15.,  5.]), array([15.,  6.]))
        >>> (2.0 * D @ D.T).matrix()
        array([[522., 174.],
               [174.,  58.]])
    """

    __slots__ = ()
    __array_ufunc__ = None  # so that NumPy leaves `array @ L` and `scalar * L` to this class

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    # Making simple ones.

    @staticmethod
    @boundary
    def identity(x: Any) -> LinearMap:
        """The identity on the space of a tree.

        Args:
            x: a tree of arrays, or of things with `shape` and `dtype`; values are not used.

        Returns:
            A LinearMap.

        Example:
            >>> import numpy as np, wengert as wg
            >>> x = np.zeros(2)
            >>> damped = wg.derivative_map(np.sin, x) + 0.5 * wg.LinearMap.identity(x)
            >>> damped(np.ones(2))
            array([1.5, 1.5])
        """
        space = Space.around("LinearMap.identity", x)
        return LinearMap(Identity(space, space))

    @staticmethod
    @boundary
    def zero(x: Any, y: Any) -> LinearMap:
        """The map that makes zero of every vector.

        Args:
            x: a tree that gives the space of the arguments; values are not used.
            y: a tree that gives the space of the results.

        Returns:
            A LinearMap.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.LinearMap.zero(np.zeros(2), {"a": 0.0})(np.ones(2))
            {'a': np.float64(0.0)}
        """
        return LinearMap(Zero(Space.around("LinearMap.zero", x), Space.around("LinearMap.zero", y)))

    @staticmethod
    @boundary
    def from_matrix(matrix: Any, x: Any = None, y: Any = None) -> LinearMap:
        """The map of a matrix, on vectors or on trees that are laid out as vectors.

        Args:
            matrix: an array of shape (m, n), of floats or complex numbers.
            x: a tree with n numbers that gives the space of the arguments; a vector when left out.
            y: a tree with m numbers that gives the space of the results; a vector when left out.

        Returns:
            A LinearMap.

        Raises:
            ShapeError: if `matrix` is none, or the trees have other sizes.
            DtypeError: if it is not of floats or complex numbers.

        Example:
            >>> import numpy as np, wengert as wg
            >>> A = wg.LinearMap.from_matrix(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
            >>> A.T(np.array([1.0, 0.0, 0.0]))
            array([1., 2.])
        """
        operation = "LinearMap.from_matrix"
        if isinstance(matrix, list | tuple):
            matrix = np.asarray(matrix, float)
        matrix = as_array_leaf(operation, "the matrix", matrix)
        aval = aval_of(matrix)
        if aval.ndim != 2:
            raise ShapeError(
                f"{operation}: a matrix has two axes.", got=repr(aval), needed="shape (m, n)"
            )
        if aval.dtype.kind not in "fc":
            raise DtypeError(
                f"{operation}: the matrix must be of floats or complex numbers.",
                got=repr(aval),
                fix="cast it: .astype(float)",
            )
        m, n = aval.shape
        domain = Space.around(operation, np.empty(n, aval.dtype) if x is None else x)
        codomain = Space.around(operation, np.empty(m, aval.dtype) if y is None else y)
        for space, size, which in ((domain, n, "x"), (codomain, m, "y")):
            if space.size != size:
                raise ShapeError(
                    f"{operation}: {which} has another number of elements than the matrix takes.",
                    got=f"{space!r}, of {space.size}",
                    needed=f"{size}, for {aval!r}",
                )
        return LinearMap(FromMatrix(matrix, domain, codomain))

    # What it is.

    @property
    def domain(self) -> Space:
        """The space of the arguments."""
        return self._operator.domain

    @property
    def codomain(self) -> Space:
        """The space of the results."""
        return self._operator.codomain

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns of the flat matrix: numbers out, and numbers in."""
        return self.codomain.size, self.domain.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the flat matrix."""
        return np.result_type(self.domain.dtype, self.codomain.dtype)

    @property
    def __name__(self) -> str:
        return self._operator.formula

    @property
    def program(self) -> Program:
        """The map as a linear program, to print, or to pass to any transformation."""
        example = self.domain.tree(self.domain.avals)
        return without_dead_code(make_program(_named(self._apply, self.__name__))(example))

    def __repr__(self) -> str:
        formula = self.__name__
        shown = formula if len(formula) <= 60 else f"{formula[:57]}..."
        return f"<LinearMap {shown}: {self.domain!r} -o {self.codomain!r}>"

    # Applying it.

    @boundary
    def __call__(self, *tangents: Any) -> Any:
        """Apply the map.

        Args:
            tangents: one tree like the argument. Where the map is the derivative by several
                arguments, one tree for each, or a tuple of them.

        Returns:
            A tree like the result.

        Raises:
            TreeError, ShapeError, DtypeError: if the tree does not fit.
        """
        return self._apply(tangents[0] if len(tangents) == 1 else tangents)

    def _apply(self, v: Any) -> Any:
        leaves = self.domain.leaves(f"LinearMap {self.__name__}", v, "the vector", "the domain")
        found = self._operator.push(leaves)
        return self.codomain.tree(distinct([plain_output(y) for y in found], leaves))

    @boundary
    def many(self, stack: Any, *, chunk_size: int | None = None) -> Any:
        """Apply the map to several vectors at once, faster than one by one.

        Args:
            stack: a tree like the argument, with one axis more in front of all leaves.
            chunk_size: so many at a time at most, which takes less memory; all, if left out.

        Returns:
            A tree like the result, with the same axis in front.

        Raises:
            BatchError: if the axes in front have different lengths.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.derivative_map(np.square, np.array([1.0, 2.0])).many(np.eye(2))
            array([[2., 0.],
                   [0., 4.]])
        """
        return applied_to_stack(self.__name__, self._apply, stack, chunk_size)

    @property
    def T(self) -> LinearMap:
        """The transpose, without conjugation: what pulls cotangents back."""
        op = self._operator
        return LinearMap(op.part if isinstance(op, Transposed) else Transposed(op))

    @property
    def H(self) -> LinearMap:
        """The conjugate transpose: the adjoint of the map, <u, A v> = <A.H u, v>."""
        op = self._operator
        if self.domain.kind == self.codomain.kind == "real":
            return self.T
        if isinstance(op, Conjugated) and isinstance(op.part, Transposed):
            return LinearMap(op.part.part)
        return LinearMap(Conjugated(Transposed(op)))

    @boundary
    def as_real(self) -> LinearMap:
        """The same map on real vectors: every complex leaf becomes an array with an axis of length
        2 in front, for the real and the imaginary parts.

        So maps that are linear over the reals alone, such as the derivative of `np.abs`, have a
        matrix too.

        Returns:
            A LinearMap; this one, if nothing is complex.

        Example:
            >>> import numpy as np, wengert as wg
            >>> wg.derivative_map(np.abs, 3.0 + 4.0j).as_real().matrix()
            array([0.6, 0.8])
        """
        if self.domain.kind == self.codomain.kind == "real":
            return self
        return LinearMap(Real(self._operator))

    # Combining maps.

    @boundary
    def __matmul__(self, other: Any) -> Any:
        if not isinstance(other, LinearMap):
            return self._apply(other)
        a, b = self._operator, other._operator
        if a.domain != b.codomain:
            raise _mismatch(
                f"{self.__name__} @ {other.__name__}: the maps cannot be composed: the second "
                "gives other vectors than the first takes.",
                b.codomain,
                a.domain,
            )
        if isinstance(a, Identity):
            return other
        if isinstance(b, Identity):
            return self
        return LinearMap(Composed(*_parts(a, Composed), *_parts(b, Composed)))

    @boundary
    def __rmatmul__(self, other: Any) -> Any:
        return self.T._apply(other)

    @boundary
    def __add__(self, other: Any) -> Any:
        if not isinstance(other, LinearMap):
            raise TreeError(
                f"LinearMap {self.__name__}: only another LinearMap can be added to it.",
                got=type(other).__name__,
                fix="wg.LinearMap.identity(x) and wg.LinearMap.from_matrix(A) make maps",
            )
        a, b = self._operator, other._operator
        for mine, its, what in (
            (a.domain, b.domain, "take"),
            (a.codomain, b.codomain, "give"),
        ):
            if mine != its:
                raise _mismatch(
                    f"{self.__name__} + {other.__name__}: the maps cannot be added: they {what} "
                    "different vectors.",
                    its,
                    mine,
                )
        if isinstance(a, Zero):
            return other
        if isinstance(b, Zero):
            return self
        return LinearMap(Summed(*_parts(a, Summed), *_parts(b, Summed)))

    def __radd__(self, other: Any) -> Any:
        # Python's sum of maps starts with 0.
        return self if type(other) is int and other == 0 else self + other

    def __neg__(self) -> LinearMap:
        return self._scaled(-1.0)

    @boundary
    def __sub__(self, other: Any) -> Any:
        return self + (-other if isinstance(other, LinearMap) else other)

    @boundary
    def __mul__(self, factor: Any) -> Any:
        return self._scaled(factor)

    __rmul__ = __mul__

    @boundary
    def __truediv__(self, factor: Any) -> Any:
        return self._scaled(1.0 / factor)

    def _scaled(self, factor: Any) -> LinearMap:
        aval = aval_of(factor) if is_array_leaf(factor) else None
        if aval is None or aval.shape or aval.dtype.kind not in "fciu":
            raise ShapeError(
                f"LinearMap {self.__name__}: only a number can be multiplied with it.",
                got=type(factor).__name__ if aval is None else repr(aval),
                fix="L @ x applies the map or composes it; wg.LinearMap.from_matrix(np.diag(d)) "
                "scales each element",
            )
        if type(factor) is np.ndarray:
            factor = factor[()]
        op = self._operator
        makes_complex = aval.dtype.kind == "c" and self.codomain.kind != "complex"
        if isinstance(op, Scaled) and not isinstance(factor, Tracer) and not makes_complex:
            factor, op = factor * op.factor, op.part
            makes_complex = aval_of(factor).dtype.kind == "c" and op.codomain.kind != "complex"
        return LinearMap(Scaled(factor, op, makes_complex))

    def __reduce__(self) -> tuple[object, ...]:
        children, treedef = tree.flatten(self)
        return _rebuilt, (children, treedef)


def _rebuilt(leaves: Sequence[Any], treedef: tree.TreeDef) -> Any:
    return tree.unflatten(treedef, leaves)


def _parts(op: Operator, kind: type[Any]) -> Sequence[Operator]:
    return op.parts if isinstance(op, kind) else (op,)


def _named(apply: Any, name: str) -> Any:
    """The function of one vector, with a name for messages."""

    def applied(v: Any) -> Any:
        return apply(v)

    applied.__name__ = name
    return applied


def _mismatch(summary: str, got: Space, needed: Space) -> Exception:
    if got.treedef != needed.treedef:
        return TreeError(summary, got=repr(got), needed=repr(needed))
    shapes = [v.shape for v in got.avals] == [v.shape for v in needed.avals]
    kind = DtypeError if shapes else ShapeError
    fix = "cast in the function, or make the map at a point of the other dtype" if shapes else None
    return kind(summary, got=repr(got), needed=repr(needed), fix=fix)


tree.register(LinearMap, lambda m: ((m._operator,), None), lambda _, parts: LinearMap(parts[0]))
