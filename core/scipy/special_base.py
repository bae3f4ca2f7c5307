"""The makers of primitives for SciPy's ufuncs, which the files `special_*.py` share.

`special` makes an elementwise primitive of a ufunc and its partial derivatives, `several` one of a
ufunc with several results. A partial derivative that is not known is written `unknown(function,
argument)`: it raises when somebody asks for it, and only then. SciPy's versions have different
functions: what is not there is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import scipy.special
from scipy.special import _ufuncs

from ..aval import Array, ShapedArray, aval_of
from ..dispatch import implements_ufunc
from ..errors import MissingRuleError
from ..primitives.elementwise import astype, real_dtype
from ..rules import align_batch, elementwise, fit, ndim_of
from ..tracing import Primitive, Rule, Slope

__all__ = [
    "alias",
    "in_precision",
    "is_complex",
    "result_dtype",
    "several",
    "special",
    "ufunc_named",
    "unknown",
]

Partials = Callable[..., tuple[Array, ...]]


def ufunc_named(name: str) -> np.ufunc | None:
    """SciPy's ufunc; None in versions that lack it."""
    found = getattr(scipy.special, name, None)
    if not isinstance(found, np.ufunc):  # with SCIPY_ARRAY_API=1 it is wrapped in a function
        found = getattr(_ufuncs, name, None)
    return found if isinstance(found, np.ufunc) else None


def is_complex(x: Array) -> bool:
    """True for complex numbers."""
    return aval_of(x).dtype.kind == "c"


def result_dtype(ufunc_name: str) -> Callable[..., np.dtype[Any]]:
    """The rule for the dtype of what has the operands of this ufunc, from their avals."""
    ufunc = ufunc_named(ufunc_name)
    assert ufunc is not None, ufunc_name

    def dtype(*avals: ShapedArray, **params: Any) -> np.dtype[Any]:
        kinds: Any = [a.dtype_or_python_type for a in avals]
        found: np.dtype[Any] = ufunc.resolve_dtypes((*kinds, None))[-1]
        return found

    return dtype


def unknown(function: str, argument: str) -> Callable[..., NoReturn]:
    """A slope that nobody knows: asking for it raises, instead of a silent zero."""

    def slope(y: Array, *args: Array) -> NoReturn:
        raise MissingRuleError(
            f"scipy.special.{function} has no derivative by its argument {argument!r}.",
            needed=f"a {argument!r} that does not depend on what is differentiated by",
            fix=f"compute {argument!r} from constants, or take the derivative by differences",
        )

    return slope


def _strong(x: Array, dtype: np.dtype[Any]) -> Array:
    """A Python float, or what stands for one, as NumPy's number of the result's precision.

    Python's raise where NumPy's give infinity.
    """
    if type(x) is float:
        return real_dtype(dtype).type(x)
    if type(x) is complex:
        return np.result_type(dtype, np.complex64).type(x)
    if type(x) in (int, bool, np.ndarray):
        return x
    aval = aval_of(x)
    if not aval.weak_type or aval.dtype.kind not in "fc":
        return x
    kind = real_dtype(dtype) if aval.dtype.kind == "f" else np.result_type(dtype, np.complex64)
    return astype(x, kind)


def in_precision(slope: Slope) -> Slope:
    """A slope in the precision of the result, whatever its formula makes of the operands."""
    if slope is None or type(slope) is float:
        return slope

    def cast(y: Array, *args: Array) -> Array:
        dtype = aval_of(y).dtype
        s = slope(y, *[_strong(x, dtype) for x in args])
        if type(s) is float:
            return s
        found = aval_of(s).dtype
        wanted = real_dtype(dtype) if found.kind != "c" else np.result_type(dtype, np.complex64)
        return s if found == wanted else astype(s, wanted)

    return cast


def special(ufunc_name: str, *slopes: Slope, name: str | None = None, **options: Any) -> Primitive:
    """An elementwise primitive that does the work of a ufunc of SciPy.

    Where SciPy lacks the ufunc, the primitive is of no use and nothing reaches it.
    """
    ufunc = ufunc_named(ufunc_name)
    if ufunc is None:
        return _absent(ufunc_name)
    if "jvps" not in options:
        slopes = tuple([in_precision(s) for s in slopes])
        assert len(slopes) == ufunc.nin, ufunc_name
    primitive = elementwise(name or ufunc_name.lstrip("_"), ufunc, *slopes, **options)
    implements_ufunc(ufunc, primitive)
    return primitive


def several(
    ufunc_name: str, *partials: Partials | None, jvps: Sequence[Rule] | None = None
) -> Primitive:
    """A primitive for a ufunc of SciPy with several results.

    Args:
        ufunc_name: its name.
        partials: for each operand, `partials[i](y, *operands)` gives the derivative of every
            result by that operand; `y` is the tuple of results.
        jvps: instead of them, where the derivative is no product.
    """
    ufunc = ufunc_named(ufunc_name)
    if ufunc is None:
        return _absent(ufunc_name)
    assert len(jvps or partials) == ufunc.nin, ufunc_name

    def shape(*avals: ShapedArray) -> tuple[ShapedArray, ...]:
        out = np.broadcast_shapes(*[a.shape for a in avals])
        kinds: Any = [a.dtype_or_python_type for a in avals]
        dtypes = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
        return tuple([ShapedArray(out, d) for d in dtypes[ufunc.nin :]])

    def batch(size: int, batched: Sequence[bool], *args: Array) -> Any:
        rank = max([ndim_of(a) - b for a, b in zip(args, batched, strict=True)])
        lined_up = [align_batch(rank, a) if b else a for a, b in zip(args, batched, strict=True)]
        return primitive.bind(*lined_up)

    def jvp(partial: Partials) -> Callable[..., Any]:
        def rule(t: Array, y: tuple[Array, ...], *args: Array) -> tuple[Array, ...]:
            strong = [_strong(x, aval_of(y[0]).dtype) for x in args]
            slopes = partial(y, *strong)
            return tuple([fit(t * s, v) for s, v in zip(slopes, y, strict=True)])

        return rule

    primitive = Primitive(
        ufunc_name,
        ufunc,
        shape=shape,
        jvps=jvps or [None if p is None else jvp(p) for p in partials],
        batch=batch,
        multiple_results=True,
    )
    implements_ufunc(ufunc, primitive)
    return primitive


def alias(ufunc_name: str, ours: Any) -> None:
    """Let a primitive, or a function, do the work of a ufunc that SciPy may lack."""
    ufunc = ufunc_named(ufunc_name)
    if ufunc is not None:
        implements_ufunc(ufunc, ours)


def _absent(ufunc_name: str) -> Primitive:
    """What stands in a rule for a function that this SciPy lacks: no rule of a function that it has
    gets there.
    """
    found = Primitive.registry.get(ufunc_name)
    if found is not None:
        return found

    def impl(*args: Array) -> NoReturn:
        raise MissingRuleError(
            f"this version of SciPy has no scipy.special.{ufunc_name}.",
            got=f"SciPy {scipy.__version__}",
            fix="use a newer SciPy",
        )

    return elementwise(ufunc_name, None, jvps=(), impl=impl, dtype=lambda *avals: avals[0].dtype)
