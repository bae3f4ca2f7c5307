"""Functions that cannot be traced (C code, another library, a measuring instrument), with numerical
derivatives: `numerical_rule : (a -> b) -> (a -> b)`.

The function is called with plain NumPy arrays only. What stands for it in traces, and its
derivatives, is in `black_box.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, overload

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError, ShapeError
from ...core.source import boundary, describe_function
from ...core.storage import current
from ...core.tracing import Tracer
from ...core.tree import is_static_leaf
from ...core.treedef import TreeDef, leaf_paths
from ..api import as_array_leaf, is_array_leaf, type_of_leaf
from .black_box import (
    Call,
    NumericalDerivativeWarning,
    call_p,
    derivative,
    ravel,
    relative_error,
)

__all__ = ["NumericalDerivativeWarning", "NumericalFunction", "numerical_rule"]

METHODS = ("richardson", "central", "complex")


class NumericalFunction:
    """A function with numerical derivatives, see `numerical_rule`."""

    def __init__(
        self,
        f: Callable[..., Any],
        method: str,
        step: float | None,
        tolerance: float | None,
        result_like: Any,
    ) -> None:
        update_wrapper(self, f, updated=())
        self.__name__ = describe_function(f)
        self.f = f
        self.method = method
        self.step = step
        self.tolerance = tolerance
        self.result_like = result_like

    @property
    def label(self) -> str:
        """For messages."""
        return f"numerical_rule of {self.__name__}"

    @boundary
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, treedef = self._flatten(args, kwargs)
        if not any([isinstance(x, Tracer) for x in leaves]):
            return self.f(*args, **kwargs)
        call, arrays = self._call_of(leaves, treedef)
        ys = call_p.bind(*arrays, call=call)
        assert call.structure is not None
        return tree.unflatten(call.structure[0], ys)

    @boundary
    def error_estimate(self, *args: Any, **kwargs: Any) -> float:
        """The estimated relative error of the Jacobian: the largest of all coordinates.

        Args:
            args: where to estimate it.
            kwargs: as of the function.

        Returns:
            The error, beside the largest element of each column. For the methods "central" and
            "complex" it is the difference from Richardson's extrapolation.
        """
        leaves, treedef = self._flatten(args, kwargs)
        call, arrays = self._call_of(leaves, treedef)
        x = ravel(arrays, call.in_avals)
        constants = [
            a for a, v in zip(arrays, call.in_avals, strict=True) if v.dtype.kind not in "fc"
        ]
        y = call.evaluate(x, constants)
        worst = 0.0
        for i in range(call.n_in):
            unit = np.zeros(call.n_in)
            unit[i] = 1
            found = derivative(call, x, [unit], constants, self.method)
            worst = max(worst, relative_error(call, x, [unit], constants, found, y))
        return worst

    def _flatten(self, args: Any, kwargs: Any) -> tuple[list[Any], TreeDef]:
        leaves, treedef = tree.flatten((args, kwargs))
        for i, x in enumerate(leaves):
            if isinstance(x, Tracer):
                leaves[i] = current(x)
            elif not is_array_leaf(x) and not is_static_leaf(x):
                path = f"the argument {leaf_paths(treedef, '')[i].partition(']')[2]}"
                leaves[i] = as_array_leaf(self.label, path, x)
        return leaves, treedef

    def _call_of(self, leaves: Sequence[Any], treedef: TreeDef) -> tuple[Call, list[Array]]:
        arrays = [x for x in leaves if not is_static_leaf(x)]
        avals = tuple([aval_of(x) for x in arrays])
        if self.method == "complex" and any([a.dtype.kind == "c" for a in avals]):
            raise DtypeError(
                f'{self.label}: method="complex" takes imaginary steps, so the arguments must be '
                "real.",
                got=", ".join([repr(a) for a in avals]),
                fix='use method="richardson"',
            )
        return Call(self, tree.with_fixed_values(treedef, leaves), avals), arrays

    def structure_of_result(self, call: Call) -> tuple[TreeDef, tuple[ShapedArray, ...]]:
        """What the function returns for arguments of these types."""
        like = self.result_like
        if like is None:
            ones = [np.ones(a.shape, a.dtype)[()] for a in call.in_avals]
            try:
                call.run(ones)
            except Exception as error:
                raise ShapeError(
                    f"{self.label}: the shape of the result is needed before there are values, "
                    "and the function fails when it is called with ones.",
                    got=f"{type(error).__name__}: {error}",
                    fix="say what the result is like: numerical_rule(f, result_like=np.zeros(3))",
                ) from error
            assert call.structure is not None
            return call.structure
        if callable(like):
            args, kwargs = tree.unflatten(call.in_tree, call.in_avals)
            like = like(*args, **kwargs)
        leaves, out_tree = tree.flatten(like)
        paths = leaf_paths(out_tree, "")
        avals = [
            type_of_leaf(self.label, f"[result_like]{path}", x)
            for path, x in zip(paths, leaves, strict=True)
            if not is_static_leaf(x)
        ]
        return (
            tree.with_fixed_values(out_tree, leaves),
            tuple([ShapedArray(a.shape, a.dtype) for a in avals]),
        )

    def __repr__(self) -> str:
        return f"<{self.label}, by differences: {self.method}>"

    def __reduce__(self) -> Any:
        # A decorated function is found under its own name.
        module = sys.modules.get(getattr(self.f, "__module__", None) or "")
        name = getattr(self.f, "__qualname__", "")
        if getattr(module, name, None) is self:
            return name
        return (
            NumericalFunction,
            (self.f, self.method, self.step, self.tolerance, self.result_like),
        )


@overload
def numerical_rule(
    f: Callable[..., Any],
    *,
    method: str = ...,
    step: float | None = ...,
    tolerance: float | None = ...,
    result_like: Any = ...,
) -> NumericalFunction: ...


@overload
def numerical_rule(
    f: None = None,
    *,
    method: str = ...,
    step: float | None = ...,
    tolerance: float | None = ...,
    result_like: Any = ...,
) -> Callable[[Callable[..., Any]], NumericalFunction]: ...


@boundary
def numerical_rule(
    f: Callable[..., Any] | None = None,
    *,
    method: str = "richardson",
    step: float | None = None,
    tolerance: float | None = None,
    result_like: Any = None,
) -> Any:
    """Give a function that cannot be traced a numerical derivative.

    The function always gets plain NumPy arrays: it may call C code or another library. It works
    under all transformations. What it costs: a forward derivative takes 15 to 20 calls of `f` with
    "richardson" (about 8 with `tolerance=np.inf`; more where these do not suffice), 2 with
    "central", 1 with "complex"; reverse mode takes as many for each element of the arguments that
    are differentiated; `vmap` calls `f` for one member after the other. Each further order of
    differentiation multiplies this again.

    Args:
        f: a function of trees of arrays, which returns a tree of arrays. When left out, the result
            is a decorator.
        method: "richardson" extrapolates central differences of shrinking steps until rounding
            errors take over: about 13 digits of the first derivative, 10 of the second. "central"
            takes one step: 10 digits, and 7. "complex" takes an imaginary step: exact to rounding
            for a function of real arguments that is analytic and takes complex ones (no `abs`,
            `real`, `<`).
        step: the first step beside the scale of the argument (with "complex": the imaginary one);
            chosen by the method when left out.
        tolerance: the relative error above which a `NumericalDerivativeWarning` is issued; 1e-4
            (1e-2 for float32) when left out. With "central" and "complex" nothing is
            checked unless it is given, since the estimate calls `f` as often as "richardson" does.
        result_like: a tree of arrays, or of anything with `shape` and `dtype`, that is like the
            result; or a function of the arguments' types that returns one. Needed where the shape
            of the result is asked for before there are values, in `make_program`: when left out,
            `f` is then called with ones.

    Returns:
        A function of the same arguments; `error_estimate(*args)` of it is the estimated relative
        error of its Jacobian.

    Raises:
        ValueError: if there is no such method, or the step or the tolerance is not positive.

    Example:
        >>> import math, numpy as np, wengert as wg
        >>> gamma = wg.numerical_rule(lambda x: math.gamma(float(x)))
        >>> wg.grad(gamma)(3.0).round(6)
        np.float64(1.845569)
        >>> gamma.error_estimate(3.0) < 1e-9
        True
    """
    if method not in METHODS:
        raise ValueError(
            f"numerical_rule: method must be one of {', '.join(map(repr, METHODS))}; got {method!r}"
        )
    for name, value in (("step", step), ("tolerance", tolerance)):
        if value is not None and not value > 0:
            raise ValueError(f"numerical_rule: {name} must be positive; got {value!r}")
    if f is None:
        return partial(
            NumericalFunction,
            method=method,
            step=step,
            tolerance=tolerance,
            result_like=result_like,
        )
    if not callable(f):
        raise TypeError(f"numerical_rule: f must be a function; got {f!r}")
    return NumericalFunction(f, method, step, tolerance, result_like)
