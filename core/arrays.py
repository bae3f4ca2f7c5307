"""New arrays that accept traced values: zeros, ones, copies and their kin.

NumPy's own `np.zeros(3)` makes a plain array, which has no place for derivatives. The functions
here make one that can be written to in every transformation; so do `np.zeros_like(x)` of a traced
`x` and `np.zeros(3, like=x)`. Where nothing is being traced, the result is a plain NumPy array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .array_tracer import WritableTracer
from .aval import Array, aval_of
from .dispatch import asarray as operand
from .dispatch import implements, is_traced
from .primitives.elementwise import as_array, astype
from .primitives.joining import array as join
from .storage import Storage, copy_p, current, layout, twin
from .tracing import RUNNING, Tracer

__all__ = ["array", "asarray", "copy", "empty", "full", "ones", "writable", "zeros"]


def writable(x: Array) -> Array:
    """A new plain array in a form that accepts traced values, while something is being traced."""
    return stored(x) if RUNNING.traces and isinstance(x, np.ndarray) else x


def stored(x: Array) -> Array:
    """The array in the form that accepts traced values."""
    y = WritableTracer()
    y._trace = Storage(x, exclusive=not isinstance(x, Tracer))
    return y


def _where_traced(function: Any) -> Any:
    """The work of one of NumPy's functions that make arrays, where an argument is traced."""

    def made(*args: Any, **kwargs: Any) -> Array:
        y = function(*args, **kwargs)
        return stored(y) if isinstance(y, np.ndarray) else y

    made.__name__ = function.__name__
    made.__doc__ = f"`np.{function.__name__}`, with `like=` or of a traced value."
    return made


# With a shape.


def zeros(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Array:
    """An array of zeros that accepts traced values: `np.zeros`.

    Args:
        shape: an int, or a tuple of ints.
        dtype: of the elements; a dtype of NumPy.
        order: "C" or "F".
        kwargs: the other arguments of `np.zeros`.

    Returns:
        An array of zeros. In a function that is being transformed traced values can be written into
        it; elsewhere it is a plain NumPy array.

    Example:
        >>> import numpy as np, wengert as wg, wengert.numpy as wnp
        >>> def squares(x):
        ...     y = wnp.zeros(3)
        ...     for i in range(3):
        ...         y[i] = x[i] ** 2
        ...     return y.sum()
        >>> wg.grad(squares)(np.array([1.0, 2.0, 3.0]))
        array([2., 4., 6.])
    """
    kwargs.pop("like", None)
    return writable(np.zeros(shape, dtype, order, **kwargs))


def ones(shape: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Array:
    """An array of ones that accepts traced values: `np.ones`.

    Args:
        shape: an int, or a tuple of ints.
        dtype: of the elements; a dtype of NumPy.
        order: "C" or "F".
        kwargs: the other arguments of `np.ones`.

    Returns:
        As `wengert.numpy.zeros`.

    Example:
        >>> import wengert.numpy as wnp
        >>> wnp.ones(2)
        array([1., 1.])
    """
    kwargs.pop("like", None)
    return writable(np.ones(shape, dtype, order, **kwargs))


def empty(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Array:
    """An array that accepts traced values, to be filled: `np.empty`.

    Args:
        shape: an int, or a tuple of ints.
        dtype: of the elements; a dtype of NumPy.
        order: "C" or "F".
        kwargs: the other arguments of `np.empty`.

    Returns:
        As `wengert.numpy.zeros`, with arbitrary elements.

    Example:
        >>> import wengert.numpy as wnp
        >>> wnp.empty((2, 3)).shape
        (2, 3)
    """
    kwargs.pop("like", None)
    return writable(np.empty(shape, dtype, order, **kwargs))


def full(
    shape: Any, fill_value: Array, dtype: Any = None, order: Any = "C", **kwargs: Any
) -> Array:
    """An array with one value everywhere, which may be traced: `np.full`.

    Args:
        shape: an int, or a tuple of ints.
        fill_value: a number or an array that broadcasts to the shape.
        dtype: of the elements; that of `fill_value` when left out.
        order: "C" or "F".
        kwargs: the other arguments of `np.full`.

    Returns:
        As `wengert.numpy.zeros`.

    Example:
        >>> import wengert as wg, wengert.numpy as wnp
        >>> wg.grad(lambda x: wnp.full(3, x).sum())(2.0)
        np.float64(3.0)
    """
    kwargs.pop("like", None)
    if not is_traced((fill_value,)):
        return writable(np.full(shape, fill_value, dtype, order, **kwargs))
    x = as_array(fill_value, "np.full")
    wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return stored(np.broadcast_to(x if dtype is None else astype(x, dtype), wanted))


implements(np.zeros)(_where_traced(zeros))
implements(np.ones)(_where_traced(ones))
implements(np.empty)(_where_traced(empty))
implements(np.full)(_where_traced(full))


# With the type of another array.


def _of_type(a: Any, operation: str, dtype: Any, shape: Any) -> tuple[Any, Any]:
    aval = aval_of(operand(a, operation))
    return aval.shape if shape is None else shape, aval.dtype if dtype is None else dtype


def zeros_like(
    a: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.zeros_like`: an array that accepts traced values."""
    return writable(np.zeros(*_of_type(a, "np.zeros_like", dtype, shape)))


def ones_like(
    a: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.ones_like`: an array that accepts traced values."""
    return writable(np.ones(*_of_type(a, "np.ones_like", dtype, shape)))


def empty_like(
    prototype: Array,
    /,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.empty_like`: an array that accepts traced values."""
    return writable(np.empty(*_of_type(prototype, "np.empty_like", dtype, shape)))


def full_like(
    a: Array,
    fill_value: Array,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Array:
    """`np.full_like`: an array that accepts traced values; the value may be traced."""
    shape, dtype = _of_type(a, "np.full_like", dtype, shape)
    return full(shape, fill_value, dtype)


implements(np.zeros_like)(_where_traced(zeros_like))
implements(np.ones_like)(_where_traced(ones_like))
implements(np.empty_like)(_where_traced(empty_like))
implements(np.full_like)(_where_traced(full_like))


# With the values of another array.


def array(
    object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **kwargs: Any
) -> Array:
    """An array of numbers, traced values, or nested lists of them: `np.array`.

    Args:
        object: what NumPy's `array` takes, or a nested list with traced values in it.
        dtype: of the result.
        copy: as in NumPy.
        ndmin: the least number of axes.
        kwargs: the other arguments of `np.array`.

    Returns:
        An array; a traced one if something in `object` is traced. In a function that is being
        transformed traced values can be written into it.

    Example:
        >>> import wengert as wg, wengert.numpy as wnp
        >>> wg.grad(lambda x: wnp.array([x, 2 * x]).sum())(1.0)
        np.float64(3.0)
    """
    kwargs.pop("like", None)
    if not is_traced((object,)):
        return writable(np.array(object, dtype=dtype, copy=copy, ndmin=ndmin, **kwargs))
    x = join(object)
    if copy:
        x = twin(x) if aval_of(x).shape else stored(current(x))
    if dtype is not None:
        x = astype(x, dtype)
    return x if x.ndim >= ndmin else np.reshape(x, (1,) * (ndmin - x.ndim) + x.shape)


def asarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Array:
    """An array of numbers, traced values, or nested lists of them; without a copy where none is
    needed: `np.asarray`.

    Args:
        a: what NumPy's `asarray` takes, or a nested list with traced values in it.
        dtype: of the result.
        order: as in NumPy.
        kwargs: the other arguments of `np.asarray`.

    Returns:
        An array; a traced one if something in `a` is traced.

    Example:
        >>> import wengert.numpy as wnp
        >>> wnp.asarray([1.0, 2.0])
        array([1., 2.])
    """
    kwargs.pop("like", None)
    if is_traced((a,)):
        return array(a, dtype, copy=bool(kwargs.get("copy")))
    return np.asarray(a, dtype, order, **kwargs)


def copy(a: Array, order: Any = "K", subok: bool = False) -> Array:
    """A copy that accepts traced values: `np.copy`.

    Args:
        a: an array, a number or a traced value.
        order: as in NumPy.
        subok: as in NumPy.

    Returns:
        An array; what is written to it does not change `a`.

    Example:
        >>> import wengert as wg, wengert.numpy as wnp
        >>> def f(x):
        ...     y = wnp.copy(x)
        ...     y[0] = 0.0
        ...     return (x * y).sum()
        >>> wg.grad(f)(wnp.array([1.0, 2.0]))
        array([0., 4.])
    """
    if not is_traced((a,)):
        return writable(np.array(a, order=order, subok=subok))
    x = as_array(a, "np.copy")
    if not x.shape:
        return stored(current(x))
    if order == "F":
        return np.transpose(copy_p.bind(np.transpose(x), order="C"))
    if order == "C" and not layout(x).flags.c_contiguous:
        return copy_p.bind(x, order="C")
    return twin(x)


implements(np.array)(_where_traced(array))
implements(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray)(asarray)
implements(np.copy)(copy)


_OTHERS: tuple[Any, ...] = (np.eye, np.identity, np.tri, np.fromfunction, np.fromiter)
for _function in _OTHERS:
    implements(_function)(_where_traced(_function))
