"""`x[mask]` where the mask has no concrete values: in vmap, and in a program.

How many elements are selected is not known, so the selection has no shape. What it has is the whole
array and the mask, which is enough for what masks are mostly used for: `x[mask] = v`,
`x[mask] *= 2`, `x[mask] = np.log(x[mask])`, `np.sum(x[mask])`. Functions are applied to the whole
array, in which one of the selected elements stands in the places of those that are not, so that
nothing is evaluated outside its domain.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .aval import Array, aval_of
from .errors import ConcretizationError
from .storage import current
from .tracing import Tracer

__all__ = ["Selection", "select", "selecting_mask", "whole_of"]

_REDUCTIONS: Final = (np.sum, np.prod, np.mean, np.any, np.all)
_NEUTRAL: Final = 0.5  # inside the domain of most functions


def select(x: Array, mask: Array) -> Selection:
    """`x[mask]`.

    Args:
        x: an array or tracer.
        mask: a tracer of bools, whose shape is that of the first axes of `x`.
    """
    shape = aval_of(x).shape
    n = mask.ndim
    if n > len(shape) or mask.shape != shape[:n]:
        raise IndexError(
            f"x[mask]: the mask {aval_of(mask)!r} does not fit the array {aval_of(x)!r}"
        )
    whole = current(x)
    if mask.size:
        flat = np.reshape(mask, -1)
        some = np.take(np.reshape(whole, (-1, *shape[n:])), np.argmax(flat), axis=0)
        stand_in = np.where(np.any(flat), some, np.asarray(_NEUTRAL, aval_of(x).dtype))
        whole = np.where(_spread(mask, len(shape)), whole, stand_in)
    return Selection(whole, mask)


def _spread(mask: Array, ndim: int) -> Array:
    return np.reshape(mask, mask.shape + (1,) * (ndim - mask.ndim))


def whole_of(operation: str, v: Selection, mask: Array) -> Array:
    """The array that a selection is made of, if it was selected by this mask."""
    if not v.mask.is_alike(mask):
        raise ConcretizationError(
            f"{operation}: the value was selected by another mask than the place that it is "
            "written to.",
            got=f"{v.mask!r} and {mask!r}",
            fix="name the mask, m = x > 0, and use it on both sides; or write np.where(m, a, b)",
        )
    return v.whole


class Selection(NDArrayOperatorsMixin):
    """The elements of an array where a mask is True, an unknown number of them."""

    __slots__ = ("mask", "whole")

    def __init__(self, whole: Array, mask: Array) -> None:
        self.whole = whole
        self.mask = mask

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") == (self,):
            del kwargs["out"]  # x[mask] += v makes a new selection, which is then assigned
        if method != "__call__" or ufunc.nout != 1 or kwargs:
            self._refuse(f"np.{ufunc.__name__} with these arguments")
        extra = aval_of(self.whole).ndim - self.mask.ndim
        operands = []
        for x in inputs:
            if isinstance(x, Selection):
                operands.append(whole_of(f"np.{ufunc.__name__}", x, self.mask))
            elif np.ndim(x) > extra:
                self._refuse(f"np.{ufunc.__name__} with an array of {np.ndim(x)} axes")
            else:
                operands.append(x)
        return Selection(ufunc(*operands), self.mask)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in _REDUCTIONS or len(args) != 1 or kwargs:
            self._refuse(f"np.{func.__name__} with these arguments")
        whole = self.whole
        mask = np.broadcast_to(_spread(self.mask, aval_of(whole).ndim), aval_of(whole).shape)
        return func(whole, where=mask)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the elements."""
        return aval_of(self.whole).dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        n: int = self.mask.ndim
        return aval_of(self.whole).ndim - n + 1

    def sum(self) -> Array:
        """`np.sum` of the selected elements."""
        return np.sum(self)

    def prod(self) -> Array:
        """`np.prod` of the selected elements."""
        return np.prod(self)

    def mean(self) -> Array:
        """`np.mean` of the selected elements."""
        return np.mean(self)

    @property
    def shape(self) -> NoReturn:
        """Refused: it is not known."""
        self._refuse("the shape")

    @property
    def size(self) -> NoReturn:
        """Refused: it is not known."""
        self._refuse("the size")

    def __len__(self) -> int:
        self._refuse("len()")

    def __iter__(self) -> NoReturn:
        self._refuse("iteration")

    def __getitem__(self, index: Any) -> NoReturn:
        self._refuse("indexing")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._refuse("an array of them")

    def __repr__(self) -> str:
        return f"<the elements of {self.whole!r} selected by {self.mask!r}>"

    def _refuse(self, what: str) -> NoReturn:
        raise ConcretizationError(
            f"{what}: the boolean mask between the brackets must be concrete for this, because it "
            "decides the shape of the result.",
            got=f"a mask of {self.mask!r}",
            fix="use np.where(mask, x, other), or multiply by the mask; what works on x[mask] are "
            "elementwise functions, np.sum, np.mean, np.prod, and x[mask] = ...",
        )


def selecting_mask(index: Any) -> Array | None:
    """The mask, if that is all of the index and its values are not known now."""
    if not isinstance(index, Tracer):
        return None
    aval = index.aval
    if aval.dtype.kind != "b" or not aval.shape:
        return None
    mask = current(index)
    return mask if isinstance(mask, Tracer) else None
