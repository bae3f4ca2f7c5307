"""`x.flat` of a traced array: NumPy's iterator over the elements, which can be indexed and written
to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .aval import Array

__all__ = ["FlatIterator"]


class FlatIterator:
    """The elements of a traced array in C order, one after the other."""

    __slots__ = ("_positions", "base", "index")
    # Equality is elementwise, as that of NumPy's iterator.
    __hash__ = None  # type: ignore[assignment]  # the documented way to say so

    def __init__(self, base: Array) -> None:
        self.base = base
        self.index = 0
        self._positions = iter(range(base.size))

    @property
    def coords(self) -> tuple[int, ...]:
        """The indices of the next element."""
        return tuple([int(i) for i in np.unravel_index(self.index, self.base.shape)])

    def copy(self) -> Array:
        """The elements, in one axis."""
        return self.base.flatten()

    def __len__(self) -> int:
        size: int = self.base.size
        return size

    def __iter__(self) -> FlatIterator:
        return self

    def __next__(self) -> Array:
        i = next(self._positions)
        self.index = i + 1
        return np.ravel(self.base)[i]

    def __getitem__(self, index: Any) -> Array:
        found = np.ravel(self.base)[index]
        return np.copy(found) if np.ndim(found) else found

    def __setitem__(self, index: Any, value: Array) -> None:
        # NumPy repeats the values until all places are filled.
        elements = self.base.flatten()
        places = np.shape(elements[index])
        elements[index] = np.resize(value, places) if places else np.ravel(value)[0]
        self.base[...] = np.reshape(elements, self.base.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.copy().__array__(dtype, copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*[_elements(x) for x in inputs], **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(
            *[_elements(x) for x in args], **{name: _elements(x) for name, x in kwargs.items()}
        )

    def __eq__(self, other: object) -> Any:
        return self.copy() == other

    def __ne__(self, other: object) -> Any:
        return self.copy() != other

    def __lt__(self, other: Array) -> Any:
        return self.copy() < other

    def __le__(self, other: Array) -> Any:
        return self.copy() <= other

    def __gt__(self, other: Array) -> Any:
        return self.copy() > other

    def __ge__(self, other: Array) -> Any:
        return self.copy() >= other


def _elements(x: Any) -> Any:
    """An argument with arrays in the place of iterators."""
    if isinstance(x, FlatIterator):
        return np.ravel(x.base)
    if type(x) in (list, tuple):
        return type(x)([_elements(v) for v in x])
    return x
