"""Abstract values: the shape and dtype of an array, which is all that a program knows of it.

`ShapedArray(shape, dtype, weak_type)`. `weak_type` marks a Python number, which does not decide the
dtype of an operation (NEP 50). Prints as `f64[2,3]`; a weak one as `f64*[]`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "Array",
    "Shape",
    "ShapedArray",
    "aval_of",
    "is_inexact",
    "short_dtype",
    "weak_number",
]

Array: TypeAlias = Any
"""An array, a number, or a tracer that stands for one. The one place where `Any` is meant."""

Shape: TypeAlias = tuple[int, ...]

_ndarray = np.ndarray
_SHORT = {"float": "f", "complex": "c", "int": "i", "uint": "u"}


def short_dtype(dtype: np.dtype[Any]) -> str:
    """`f64`, `c128`, `i32`, `bool`, or NumPy's own name for the rest."""
    name = dtype.name
    stem = name.rstrip("0123456789")
    return _SHORT[stem] + name[len(stem) :] if stem in _SHORT and stem != name else name


class ShapedArray:
    """The type of a value in a program. Immutable; compared and hashed by value."""

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: Shape, dtype: np.dtype[Any], weak_type: bool = False) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak_type = weak_type

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def dtype_or_python_type(self) -> Any:
        """What NumPy's promotion wants: the dtype, or int/float/complex for a Python number."""
        return _PYTHON_TYPE[self.dtype.kind] if self.weak_type else self.dtype

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ShapedArray):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.dtype == other.dtype
            and self.weak_type == other.weak_type
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))

    def __repr__(self) -> str:
        weak = "*" if self.weak_type else ""
        return f"{short_dtype(self.dtype)}{weak}[{','.join([str(d) for d in self.shape])}]"

    def __reduce__(self) -> tuple[object, ...]:
        return (ShapedArray, (self.shape, self.dtype, self.weak_type))


_PYTHON_TYPE = {"f": float, "c": complex, "i": int, "u": int, "b": bool}

SCALAR_AVALS: dict[type, ShapedArray] = {
    float: ShapedArray((), np.dtype(np.float64), True),
    complex: ShapedArray((), np.dtype(np.complex128), True),
    int: ShapedArray((), np.dtype(np.int64), True),
    bool: ShapedArray((), np.dtype(np.bool_)),
}
"""The aval of each type whose values all have the same one: Python's numbers and NumPy's scalars.
"""

for _scalar in (np.bool_, *np.sctypeDict.values()):
    if issubclass(_scalar, np.number | np.bool_):
        SCALAR_AVALS[_scalar] = ShapedArray((), np.dtype(_scalar))


def aval_of(x: Array) -> ShapedArray:
    """The type of a value: its shape and dtype.

    Args:
        x: an array, a number or a tracer.

    Returns:
        A `ShapedArray`.

    Raises:
        AttributeError: for anything else.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.aval_of(np.ones((2, 3), np.float32)), wg.core.aval_of(1.0)
        (f32[2,3], f64*[])
    """
    if type(x) is _ndarray:
        return ShapedArray(x.shape, x.dtype)
    aval = SCALAR_AVALS.get(type(x))
    if aval is not None:
        return aval
    if isinstance(x, np.ndarray):
        return ShapedArray(x.shape, x.dtype)
    found: ShapedArray = x.aval
    return found


def weak_number(x: Array) -> Array:
    """A NumPy scalar as the Python number that it stands for, which does not decide dtypes."""
    return x.item() if isinstance(x, np.generic) or type(x) is np.ndarray else x


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """True for float and complex dtypes: the ones with derivatives."""
    return dtype.kind in "fc"
