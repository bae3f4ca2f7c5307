"""`x[mask]` where the mask has no concrete values: in vmap, and in a program.

How many elements are selected is not known, so the selection has no shape. What it has is the whole
array and the mask, which is enough for what masks are mostly used for: `x[mask] = v`,
`x[mask] *= 2`, `x[mask] = np.log(x[mask])`, `np.sum(x[mask])`. Functions are applied to the whole
array, in which one of the selected elements stands in the places of those that are not, so that
nothing is evaluated outside its domain. For all else the number must be decided, which
`vmap(..., control_flow="split")` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .aval import Array, Shape, aval_of
from .errors import ConcretizationError
from .primitives.indexing import getitem
from .primitives.masks import places_of
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

    __slots__ = ("found", "mask", "whole", "written")

    def __init__(self, whole: Array, mask: Array) -> None:
        self.whole = whole
        self.mask = mask
        self.found: Array | None = None
        self.written = False
        """Whether `found` was changed, so that `whole` does not count any more."""

    def elements(self, what: str) -> Array:
        """The selected elements, where a batch splits by how many they are; an error elsewhere."""
        if self.found is None:
            places = places_of(self.mask, lambda mask: self._refusal(what))
            self.found = getitem(self.whole, places)
        return self.found

    def chosen(self) -> bool:
        """True if the elements are known, or a batch splits by how many they are."""
        return self.found is not None or bool(self.mask.decides)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = f"np.{ufunc.__name__}"
        if kwargs.get("out") == (self,):
            del kwargs["out"]  # x[mask] += v makes a new selection, which is then assigned
        plain = method == "__call__" and ufunc.nout == 1 and ufunc.signature is None
        if not plain or kwargs or self.written:
            return self._apply(name, getattr(ufunc, method), inputs, kwargs)
        extra = aval_of(self.whole).ndim - self.mask.ndim
        operands = []
        for x in inputs:
            if isinstance(x, Selection):
                if x.chosen() and (x.written or not x.mask.is_alike(self.mask)):
                    return self._apply(name, ufunc, inputs, kwargs)
                operands.append(whole_of(name, x, self.mask))
            elif np.ndim(x) > extra:
                what = f"{name} with an array of {np.ndim(x)} axes"
                return ufunc(*[_elements_in(i, what) for i in inputs])
            else:
                operands.append(x)
        return Selection(ufunc(*operands), self.mask)

    def _apply(self, name: str, f: Any, args: Any, kwargs: Any) -> Any:
        """Call a function with the selected elements."""
        what = f"{name} with these arguments"
        return f(*_elements_in(args, what), **_elements_in(kwargs, what))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func not in _REDUCTIONS or len(args) != 1 or kwargs or self.written:
            return self._apply(f"np.{func.__name__}", func, args, kwargs)
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

    def sum(self, *args: Any, **kwargs: Any) -> Array:
        """`np.sum` of the selected elements."""
        return np.sum(self, *args, **kwargs)

    def prod(self, *args: Any, **kwargs: Any) -> Array:
        """`np.prod` of the selected elements."""
        return np.prod(self, *args, **kwargs)

    def mean(self, *args: Any, **kwargs: Any) -> Array:
        """`np.mean` of the selected elements."""
        return np.mean(self, *args, **kwargs)

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return aval_of(self.elements("the shape")).shape

    @property
    def size(self) -> int:
        """Number of elements."""
        return aval_of(self.elements("the size")).size

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"the elements that a mask selects have no attribute {name!r}")
        return getattr(self.elements(f"x.{name}"), name)

    def __bool__(self) -> bool:
        return bool(self.elements("the truth value"))

    def __len__(self) -> int:
        return len(self.elements("len()"))

    def __iter__(self) -> Iterator[Array]:
        return iter(self.elements("iteration"))

    def __getitem__(self, index: Any) -> Array:
        return self.elements("indexing")[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.elements("writing")[index] = value
        self.written = True

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.elements("an array of them").__array__(dtype, copy)

    def __repr__(self) -> str:
        return f"<the elements of {self.whole!r} selected by {self.mask!r}>"

    def _refusal(self, what: str) -> ConcretizationError:
        return ConcretizationError(
            f"{what}: the boolean mask between the brackets must be concrete for this, because it "
            "decides the shape of the result.",
            got=f"a mask of {self.mask!r}",
            fix=self.mask.remedy() + "use np.where(mask, x, other), or multiply by the mask; what "
            "works on x[mask] are elementwise functions, np.sum, np.mean, np.prod, and "
            "x[mask] = ...",
        )


def _elements_in(x: Any, what: str) -> Any:
    """The elements, in the place of each selection in an argument."""
    if isinstance(x, Selection):
        return x.elements(what)
    if type(x) in (list, tuple):
        return type(x)([_elements_in(v, what) for v in x])
    return {k: _elements_in(v, what) for k, v in x.items()} if type(x) is dict else x


def selecting_mask(index: Any) -> Array | None:
    """The mask, if that is all of the index and its values are not known now."""
    if not isinstance(index, Tracer):
        return None
    aval = index.aval
    if aval.dtype.kind != "b" or not aval.shape:
        return None
    mask = current(index)
    return mask if isinstance(mask, Tracer) else None
