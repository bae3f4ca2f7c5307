"""Which of our functions stands for which of NumPy's: the tables behind `__array_ufunc__` and
`__array_function__`.

The files of `primitives/` fill the tables with `implements` and `implements_ufunc`;
`array_tracer.py` reads them, and `wengert.numpy` is made of the functions that `implements`
returns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, Final, TypeVar

import numpy as np

from .aval import SCALAR_AVALS, Array
from .errors import InPlaceWriteError, RuleDefinitionError, UnsupportedError
from .refused import advice
from .tracing import Primitive, Tracer

__all__ = [
    "DEFER",
    "FUNCTIONS",
    "KNOWN",
    "UFUNCS",
    "UFUNC_METHODS",
    "WRAPPERS",
    "coerce",
    "implements",
    "is_traced",
]

F = TypeVar("F", bound=Callable[..., Any])

UFUNCS: dict[np.ufunc, Any] = {}
"""A ufunc to the primitive, or the function, that does its work on traced values."""

UFUNC_METHODS: dict[tuple[str, str], Callable[..., Any]] = {}
"""(method, name of a ufunc) to the function for `ufunc.reduce`, `ufunc.accumulate` and
`ufunc.outer`.
"""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""A NumPy function to ours."""

WRAPPERS: dict[Any, Callable[..., Any]] = {}
"""A NumPy function to the function that calls ours, or NumPy's where nothing is traced."""

OUT_POSITIONS: dict[Any, int] = {}
"""At which position a NumPy function takes `out`, which is refused."""

KNOWN: Final = frozenset([np.ndarray, *SCALAR_AVALS])
"""The types of plain operands that need no thought."""

_PYTHON_NUMBERS: Final[tuple[Any, ...]] = (int, float, complex)

DEFER: Final = object()
"""What `coerce` returns for an operand whose own class should handle the operation."""

_arrays_of_tracers: list[Callable[[Any], Array]] = []


def implements(*functions: Any) -> Callable[[F], F]:
    """Decorator: this function does the work of these NumPy functions when an argument is traced.

    The function that comes back calls NumPy itself when nothing is traced, so it takes what NumPy
    takes.

    Args:
        functions: of NumPy's, or any other that looks for `__array_function__` on its arguments.

    Returns:
        The decorator.

    Raises:
        RuleDefinitionError: if one of the functions is implemented already.

    Example:
        >>> import io, numpy as np, wengert as wg
        >>> @wg.core.implements(np.savetxt)
        ... def savetxt(fname, X, fmt="%.1f", **options):
        ...     np.savetxt(fname, X.tolist(), fmt, **options)
        >>> file = io.StringIO()
        >>> _ = wg.grad(lambda x: np.savetxt(file, x) or np.sum(x))(np.ones(2))
        >>> file.getvalue()
        '1.0\\n1.0\\n'
    """

    def register(ours: F) -> F:
        numpys = functions[0]

        @wraps(ours)
        def function(*args: Any, **kwargs: Any) -> Any:
            if is_traced(args) or (kwargs and is_traced(kwargs.values())):
                return ours(*args, **kwargs)
            return numpys(*args, **kwargs)

        for f in dict.fromkeys(functions):  # NumPy gives some functions several names
            if f in FUNCTIONS:
                raise RuleDefinitionError(
                    f"{name_of(f)} is implemented twice.", fix="keep one of the two definitions"
                )
            FUNCTIONS[f] = ours
            WRAPPERS[f] = function
            names = ours.__code__.co_varnames[: ours.__code__.co_argcount]
            if "out" in names:
                OUT_POSITIONS[f] = names.index("out")
        function.numpy_function = numpys  # type: ignore[attr-defined]  # read by the spec table's coverage test
        return function  # type: ignore[return-value]  # the same signature

    return register


def implements_ufunc(ufunc: np.ufunc, ours: Primitive | Callable[..., Any]) -> None:
    """Let a primitive or a function do the work of a ufunc on traced values.

    Args:
        ufunc: of NumPy's, SciPy's or your own.
        ours: a primitive; or a function that takes the operands.

    Raises:
        RuleDefinitionError: if the ufunc is implemented already.

    Example:
        >>> import numpy as np, wengert as wg
        >>> halve = np.frompyfunc(lambda x: x / 2, 1, 1)
        >>> wg.core.implements_ufunc(halve, lambda x: x * 0.5)
        >>> wg.grad(halve)(3.0)
        np.float64(0.5)
    """
    if ufunc in UFUNCS:
        raise RuleDefinitionError(
            f"np.{ufunc.__name__} is implemented twice.", fix="keep one of the two definitions"
        )
    UFUNCS[ufunc] = ours


def find_ufunc(ufunc: np.ufunc) -> Any:
    """What does the work of a ufunc on traced values; UnsupportedError where nothing does.

    SciPy's ufuncs are looked for when one is met: only then is SciPy known to be there.
    """
    ours = UFUNCS.get(ufunc)
    if ours is None and "scipy.special" in sys.modules:
        import_module("..scipy.special", __name__)
        ours = UFUNCS.get(ufunc)
    if ours is None:
        raise unsupported(ufunc)
    return ours


def sets_arrays_of_tracers(f: F) -> F:
    """Decorator for the one function that makes an array of a nested list with tracers in it."""
    _arrays_of_tracers.append(f)
    return f


def is_traced(values: Any) -> bool:
    """True if one of the values is a tracer, or a list or tuple that holds one."""
    for v in values:
        if isinstance(v, Tracer):
            return True
        if (type(v) is list or type(v) is tuple) and is_traced(v):
            return True
    return False


def coerce(x: Any) -> Any:
    """An operand as an array, a number or a tracer; DEFER where its own class should decide.

    Lists become arrays. ndarray subclasses with a protocol of their own, and other array libraries,
    are deferred to.
    """
    if type(x) in KNOWN or isinstance(x, Tracer):
        return x
    if type(x) is list or type(x) is tuple:
        return _arrays_of_tracers[0](x) if is_traced(x) else np.asarray(x)
    protocol = getattr(type(x), "__array_ufunc__", DEFER)
    if protocol is np.ndarray.__array_ufunc__ and not isinstance(x, np.matrix | np.ma.MaskedArray):
        return np.asarray(x)
    if protocol is DEFER and hasattr(x, "__array__"):
        return np.asarray(x)
    for number in _PYTHON_NUMBERS:
        if isinstance(x, number):  # of a class of the user's, such as an IntEnum
            return number(x)
    return DEFER


def asarray(x: Any, operation: str) -> Any:
    """An operand as an array, a number or a tracer; an UnsupportedError where that can't be."""
    if type(x) in KNOWN or isinstance(x, Tracer):
        return x
    y = coerce(x)
    if y is DEFER:
        raise UnsupportedError(
            f"{operation} cannot mix traced values with "
            f"{type(x).__module__}.{type(x).__qualname__}.",
            needed="NumPy arrays, numbers, lists of them, or traced values",
            fix="convert it first, with np.asarray(...)",
        )
    return y


def name_of(function: Any) -> str:
    """How a user writes a function: `np.linalg.solve`, `scipy.special.expit`."""
    if isinstance(function, np.ufunc) and getattr(np, function.__name__, None) is not function:
        name = function.__name__
        for module in ("scipy.special", "scipy.special._ufuncs"):
            if getattr(sys.modules.get(module), name, None) is function:
                return f"scipy.special.{name.lstrip('_')}"  # a private one stands for the public
        return name  # somebody else's
    module = getattr(function, "__module__", None) or "numpy"
    public = ".".join([p for p in module.split(".") if not p.startswith("_")])
    name = getattr(function, "__name__", str(function))
    return f"{public.replace('numpy', 'np', 1)}.{name}"


def refuse_out(operation: str) -> None:
    """Raise the error for `out=` with a traced operand."""
    raise InPlaceWriteError(
        f"{operation}: a traced result cannot be written into a given array (out=).",
        fix=f"use the returned value: y = {operation}(...); or write it to an array that accepts "
        f"traced values: y[...] = {operation}(...)",
    )


def _home(name: str) -> str:
    """The module of ours that has what belongs together with a function: `scipy.special`."""
    package = name.rpartition(".")[0]
    return package if package.startswith("scipy.") else "numpy"


def unsupported(function: Any) -> UnsupportedError:
    """The error for a NumPy function without a rule."""
    name = name_of(function)
    why, instead = advice(name, [name_of(f) for f in (*FUNCTIONS, *UFUNCS)])
    return UnsupportedError(
        f"{name} has no rule for traced values{': ' + why if why else ''}.",
        needed=f"one of the functions listed in wengert.{_home(name)}",
        fix=instead,
    )


def unsupported_argument(operation: str, argument: str, got: Any, fix: str) -> UnsupportedError:
    """The error for an argument of a NumPy function that is not supported on traced values."""
    return UnsupportedError(
        f"{operation}: the argument {argument!r} is not supported on traced values.",
        got=repr(got),
        fix=fix,
    )
