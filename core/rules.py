"""The makers of primitives: `elementwise`, `linear`, `bilinear`, `variadic`, `reducer`,
`zero_derivative`.

Each takes the few facts that differ between primitives of its kind and returns a `Primitive` with
every rule. What all of a kind share is here, once: undoing broadcasting and promotion in
elementwise transposes (`unbroadcast`), lining up batch axes, asking NumPy for shapes. Rules are
plain NumPy on arrays or tracers, so that they can be differentiated and batched in turn. The
contract of each rule is in the docstring of `Primitive`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .aval import SCALAR_AVALS, Array, Shape, ShapedArray, aval_of
from .errors import RuleDefinitionError
from .tracing import Every, LinearArgs, Primitive, Rule, Slope, Together

__all__ = [
    "bilinear",
    "convert",
    "elementwise",
    "lane_by_lane",
    "linear",
    "reducer",
    "sample",
    "shape_by_sample",
    "unbroadcast",
    "variadic",
    "zero_derivative",
]


# Broadcasting and promotion, undone.

_add_up = np.add.reduce
"""What `sum` of an array comes to, at two thirds of the time for a small one."""


def unbroadcast(ct: Array, x: Any) -> Array:
    """Sum a cotangent over the axes along which `x` was broadcast, and cast it to x's dtype.

    Args:
        ct: the cotangent of what `x` was broadcast to.
        x: anything with the `shape` and `dtype` that are due.

    Returns:
        A cotangent of `x`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.unbroadcast(np.ones((2, 3)), np.zeros(3))
        array([2., 2., 2.])
    """
    shape: Shape = x.shape
    if ct.shape != shape:
        lead = ct.ndim - len(shape)
        stretched = [lead + i for i, d in enumerate(shape) if d == 1 and ct.shape[lead + i] != 1]
        axes = (*range(lead), *stretched)
        ct = _add_up(ct, axes) if type(ct) is np.ndarray else ct.sum(axes)
        if ct.shape != shape:
            ct = np.reshape(ct, shape)
    return ct if ct.dtype == x.dtype else convert(ct, x.dtype)


def spread(x: Array, shape: Shape) -> Array:
    """`np.broadcast_to` for a NumPy scalar, at a fifth of the cost."""
    y: Array = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    y.flags.writeable = False
    return y


def convert(x: Array, dtype: np.dtype[Any]) -> Array:
    """Cast; complex to real takes the real part: the transpose of the embedding of R in C."""
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = np.real(x)
    return x if x.dtype == dtype else x.astype(dtype)


def fit(x_dot: Array, y: Array) -> Array:
    """Give a tangent the shape and dtype of the result that it belongs to."""
    if type(y) is float or type(y) is complex:
        return x_dot
    if type(x_dot) is float or type(x_dot) is complex:
        x_dot = y.dtype.type(x_dot)
    if x_dot.shape != y.shape:
        x_dot = np.broadcast_to(x_dot, y.shape)
    return x_dot if x_dot.dtype == y.dtype else convert(x_dot, y.dtype)


# Shapes.


def sample(aval: ShapedArray) -> Array:
    """A value of the type without memory for its elements: what NumPy can tell shapes from."""
    if aval.weak_type:
        return aval.dtype_or_python_type(1)
    return np.broadcast_to(np.ones((), aval.dtype), aval.shape)


def shape_by_sample(impl: Rule) -> Rule:
    """A shape rule that runs `impl` on samples: for what returns views, or costs little.

    Args:
        impl: what computes the result.

    Returns:
        A rule `shape(*avals, **params)`. The samples are arrays of ones.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.shape_by_sample(np.transpose)(wg.core.aval_of(np.ones((2, 3))))
        f64[3,2]
    """

    def shape(*avals: ShapedArray, **params: Any) -> Any:
        with np.errstate(all="ignore"):
            y = impl(*[sample(a) for a in avals], **params)
        if isinstance(y, tuple):
            return tuple([ShapedArray(np.shape(v), np.asarray(v).dtype) for v in y])
        return ShapedArray(np.shape(y), np.asarray(y).dtype)

    return shape


def _ufunc_dtype(ufunc: Any) -> Callable[..., np.dtype[Any]]:
    def dtype(*avals: ShapedArray) -> np.dtype[Any]:
        found = ufunc.resolve_dtypes((*[a.dtype_or_python_type for a in avals], None))[-1]
        return found  # type: ignore[no-any-return]  # NumPy leaves resolve_dtypes untyped

    return dtype


# Batching of elementwise operations.


def ndim_of(x: Array) -> int:
    """The number of axes of an array, a tracer or a number."""
    return 0 if type(x) in SCALAR_AVALS else x.ndim


def align_batch(rank: int, x: Array) -> Array:
    """Put axes of length 1 behind the batch axis of `x` until it has `rank` axes besides.

    Args:
        rank: how many axes are due, the batch axis not counted.
        x: an array or tracer with a leading batch axis.

    Returns:
        A view; `x` itself, if it has enough axes.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.core.align_batch(2, np.ones((5, 3))).shape
        (5, 1, 3)
    """
    missing = rank + 1 - x.ndim
    return x if missing <= 0 else x[(slice(None), *[None] * missing)]


def _batch_elementwise(primitive: Primitive) -> Rule:
    def batch(size: int, batched: Sequence[bool], *args: Array, **params: Any) -> Array:
        rank = max([ndim_of(a) - b for a, b in zip(args, batched, strict=True)])
        return primitive.bind(
            *[align_batch(rank, a) if b else a for a, b in zip(args, batched, strict=True)],
            **params,
        )

    return batch


def lane_by_lane(
    primitive: Primitive, size: int, batched: Sequence[bool], *args: Array, **params: Any
) -> Array:
    """A batch as a loop over its members: for what NumPy itself computes for one at a time.

    Args:
        primitive: what to apply to each.
        size: of the batch.
        batched: which operands have a batch axis, in front.
        args: the operands.
        params: static parameters.

    Returns:
        The stacked results.

    Example:
        >>> import numpy as np, wengert as wg
        >>> trace = wg.core.linear(
        ...     "doctest_trace", np.trace, lambda ct, x: ct * np.eye(len(x)),
        ...     batch=lambda *args: wg.core.lane_by_lane(trace, *args))
        >>> wg.vmap(trace.bind)(np.ones((2, 3, 3)))
        array([3., 3.])
    """
    if not size:
        avals = [aval_of(a) for a in args]
        lanes = [
            ShapedArray(v.shape[1:], v.dtype) if b else v
            for v, b in zip(avals, batched, strict=True)
        ]
        due: Any = primitive.shape
        found = due(*lanes, **params)
        if primitive.multiple_results:
            return tuple([np.zeros((0, *aval.shape), aval.dtype) for aval in found])
        return np.zeros((0, *found.shape), found.dtype)
    results = [
        primitive.bind(*[a[i] if b else a for a, b in zip(args, batched, strict=True)], **params)
        for i in range(size)
    ]
    if primitive.multiple_results:
        return tuple([np.stack(parts) for parts in zip(*results, strict=True)])
    return np.stack(results)


# Makers.


def elementwise(
    name: str,
    ufunc: np.ufunc | None,
    *slopes: Slope,
    jvps: Sequence[Rule | None] | None = None,
    impl: Rule | None = None,
    dtype: Callable[..., np.dtype[Any]] | None = None,
    transposes: Sequence[Rule | None] | None = None,
    linear: str | None = None,
) -> Primitive:
    """An operation on each element, which broadcasts and promotes as NumPy does.

    Args:
        name: of the primitive.
        ufunc: NumPy's function, which knows the dtypes.
        slopes: the partial derivative by each operand, `slopes[i](y, *operands)`, or 1.0 or -1.0
            where it is that.
        jvps: instead of slopes, where the derivative is no product (the real part, say).
        impl: what computes, where that is not the ufunc: Python's operator is faster on scalars.
        dtype: the dtype of the result from avals and params, where no ufunc knows it.
        transposes: for linear operations, before broadcasting is undone.
        linear: "jointly" or "separately", see `Primitive`.

    Returns:
        The primitive.

    Raises:
        RuleDefinitionError: if a slope is neither a function, nor 1.0, -1.0 or None.

    Example:
        >>> import numpy as np, wengert as wg
        >>> gauss = wg.core.elementwise(
        ...     "doctest_gauss", None, lambda y, x: -2 * x * y,
        ...     impl=lambda x: np.exp(-x * x), dtype=lambda x: x.dtype)
        >>> wg.grad(gauss.bind)(0.0)
        np.float64(-0.0)
    """
    for slope in slopes:
        if slope is not None and not callable(slope) and slope not in (1.0, -1.0):
            raise RuleDefinitionError(
                f"elementwise: the slope of {name!r} must be a function, 1.0, -1.0 or None.",
                got=repr(slope),
                fix=f"lambda y, *args: {slope!r}",
            )
    slopes = tuple([float(s) if isinstance(s, int) else s for s in slopes])
    run: Any = impl or ufunc
    result_dtype: Any = dtype or _ufunc_dtype(ufunc)
    keeps_weak = impl is not None and ufunc is not None

    def shape(*avals: ShapedArray, **params: Any) -> ShapedArray:
        shapes = [a.shape for a in avals]
        out = shapes[0] if len(shapes) == 1 else np.broadcast_shapes(*shapes)
        kind = result_dtype(*avals, **params)
        weak = keeps_weak and kind.kind != "b" and all([a.weak_type for a in avals])
        return ShapedArray(out, kind, weak)

    rules = jvps or [_jvp_of_slope(s) for s in slopes]
    primitive = Primitive(
        name,
        run,
        shape=shape,
        jvps=rules,
        slopes=slopes,
        transposes=transposes
        and tuple([_unbroadcasting(rule, i) for i, rule in enumerate(transposes)]),
        linear=linear,
        linear_args=()
        if transposes is None
        else tuple([i for i, rule in enumerate(transposes) if rule is not None]),
        elementwise=True,
    )
    primitive.batch = _batch_elementwise(primitive)
    return primitive


def _jvp_of_slope(slope: Slope) -> Rule | None:
    if slope is None:
        return None
    if type(slope) is float:
        return lambda x_dot, y, *args: x_dot if slope == 1.0 else -x_dot
    return lambda x_dot, y, *args: x_dot * slope(y, *args)


def _unbroadcasting(rule: Rule | None, i: int) -> Rule | None:
    if rule is None:
        return None

    def transpose(ct: Array, *args: Array, **params: Any) -> Array:
        return unbroadcast(rule(ct, *args, **params), args[i])

    return transpose


def linear(
    name: str,
    impl: Rule,
    transpose: Rule | None,
    *,
    shape: Rule | None = None,
    batch: Rule | None,
    accumulate: Rule | None = None,
    put_back: Rule | None = None,
) -> Primitive:
    """An operation that is linear in operand 0 (further operands are constants of it, such as
    indices).

    Args:
        name: of the primitive.
        impl: computes it.
        transpose: `transpose(ct, x, *constants, **params)`.
        shape: the shape rule; when left out, `impl` is run on a sample.
        batch: the batching rule.
        accumulate: adds the transpose into a buffer, see `Primitive`.
        put_back: writes through a view, see `Primitive`.

    Returns:
        The primitive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> flipped = wg.core.linear(
        ...     "doctest_flip", lambda x: x[..., ::-1], lambda ct, x: flipped.bind(ct),
        ...     batch=lambda size, batched, x: flipped.bind(x))
        >>> wg.jvp(flipped.bind, (np.zeros(2),), (np.array([1.0, 2.0]),))[1]
        array([2., 1.])
    """
    return Primitive(
        name,
        impl,
        shape=shape or shape_by_sample(impl),
        transposes=(transpose,),
        linear="jointly",
        linear_args=(0,),
        batch=batch,
        accumulate=accumulate,
        put_back=put_back,
    )


def bilinear(
    name: str,
    impl: Rule,
    transpose_left: Rule,
    transpose_right: Rule,
    *,
    shape: Rule | None = None,
    batch: Rule | None,
) -> Primitive:
    """An operation that is linear in each of its two operands while the other is fixed.

    Args:
        name: of the primitive.
        impl: computes it.
        transpose_left: `transpose_left(ct, x, b, **params)`, where only the type of `x` is known.
        transpose_right: `transpose_right(ct, a, y, **params)`, where only the type of `y` is known.
        shape: the shape rule; when left out, `impl` is run on samples.
        batch: the batching rule.

    Returns:
        The primitive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> pair = wg.core.bilinear(
        ...     "doctest_pair", np.dot,
        ...     lambda ct, a, b: ct * b, lambda ct, a, b: ct * a, batch=None)
        >>> wg.grad(pair.bind)(np.zeros(2), np.array([1.0, 2.0]))
        array([1., 2.])
    """
    return variadic(
        name,
        impl,
        (transpose_left, transpose_right),
        linear="separately",
        linear_args=(0, 1),
        shape=shape,
        batch=batch,
    )


def variadic(
    name: str,
    impl: Rule,
    transposes: Sequence[Rule | None] | Every | Together,
    *,
    linear: str,
    linear_args: LinearArgs,
    shape: Rule | None = None,
    batch: Rule | None,
) -> Primitive:
    """A linear or multilinear operation with any number of operands.

    Args:
        name: of the primitive.
        impl: computes it.
        transposes: one rule an operand.
        linear: "jointly" (concatenate) or "separately" (einsum).
        linear_args: the operands that it is linear in.
        shape: the shape rule; when left out, `impl` is run on samples.
        batch: the batching rule.

    Returns:
        The primitive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> total = wg.core.variadic(
        ...     "doctest_total", lambda *xs: sum(xs), wg.core.Every(lambda i: lambda ct, *xs: ct),
        ...     linear="jointly", linear_args=wg.core.Every(lambda i: i),
        ...     batch=None)
        >>> wg.grad(lambda x: total.bind(x, x, x))(2.0)
        np.float64(3.0)
    """

    def jvp(i: int) -> Rule:
        def rule(x_dot: Array, y: Array, *args: Array, **params: Any) -> Array:
            return primitive.bind(*args[:i], x_dot, *args[i + 1 :], **params)

        return rule

    primitive = Primitive(
        name,
        impl,
        shape=shape or shape_by_sample(impl),
        jvps=Every(jvp) if linear == "separately" else None,
        transposes=transposes,
        linear=linear,
        linear_args=linear_args,
        batch=batch,
    )
    return primitive


def reducer(
    name: str,
    impl: Rule,
    jvp: Rule | None,
    *,
    transpose: Rule | None = None,
    dtype: Callable[[np.dtype[Any]], np.dtype[Any]] = lambda d: d,
) -> Primitive:
    """An operation that reduces over `axes` (a tuple of non-negative ints), dropping them unless
    `keepdims`.

    Args:
        name: of the primitive.
        impl: `impl(x, *, axes, keepdims=False)`.
        jvp: `jvp(x_dot, y, x, *, axes, keepdims=False)`; None for a linear one and for one without
            derivative.
        transpose: for a linear one, `transpose(ct, x, *, axes, keepdims=False)`.
        dtype: the dtype of the result from that of the operand.

    Returns:
        The primitive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> total = wg.core.reducer(
        ...     "doctest_sum",
        ...     lambda x, *, axes, keepdims=False: np.sum(x, axis=axes, keepdims=keepdims),
        ...     None,
        ...     transpose=lambda ct, x, *, axes, keepdims=False: np.broadcast_to(
        ...         ct if keepdims else np.expand_dims(ct, axes), x.shape))
        >>> wg.grad(lambda x: total.bind(x, axes=(0,)))(np.zeros(3))
        array([1., 1., 1.])
    """

    def shape(
        x: ShapedArray, *, axes: tuple[int, ...], keepdims: bool = False, **params: Any
    ) -> ShapedArray:
        kept = [1 if i in axes else d for i, d in enumerate(x.shape) if keepdims or i not in axes]
        return ShapedArray(tuple(kept), dtype(x.dtype))

    def batch(
        size: int, batched: Sequence[bool], x: Array, *, axes: tuple[int, ...], **params: Any
    ) -> Array:
        return primitive.bind(x, axes=tuple([a + 1 for a in axes]), **params)

    primitive = Primitive(
        name,
        impl,
        shape=shape,
        jvps=None if transpose else (jvp,),
        transposes=transpose and (transpose,),
        linear="jointly" if transpose else None,
        linear_args=(0,) if transpose else (),
        batch=batch,
    )
    return primitive


def expand_reduced(y: Array, x: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    """The result of a reduction with its axes put back at length 1, to broadcast against the
    operand.
    """
    return (
        y
        if keepdims
        else np.reshape(y, tuple([1 if i in axes else d for i, d in enumerate(x.shape)]))
    )


def zero_derivative(
    name: str,
    impl: Rule,
    *,
    ufunc: np.ufunc | None = None,
    shape: Rule | None = None,
    batch: Rule | None = None,
    multiple_results: bool = False,
) -> Primitive:
    """An operation whose derivative is zero or does not exist: comparisons, rounding, sorting
    orders.

    Args:
        name: of the primitive.
        impl: computes it.
        ufunc: for elementwise ones, what knows the dtypes; shape and batching follow.
        shape: the shape rule, where there is no ufunc; when left out, `impl` is run on samples.
        batch: the batching rule, where there is no ufunc.
        multiple_results: whether `impl` returns a tuple.

    Returns:
        The primitive.

    Example:
        >>> import numpy as np, wengert as wg
        >>> decade = wg.core.zero_derivative("doctest_decade", lambda x: np.floor(np.log10(x)))
        >>> wg.grad(lambda x: x * decade.bind(x))(500.0)
        np.float64(2.0)
    """
    if ufunc is not None:
        return elementwise(name, ufunc, *[None] * ufunc.nin, impl=None if impl is ufunc else impl)
    return Primitive(
        name,
        impl,
        shape=shape or shape_by_sample(impl),
        jvps=Every(lambda i: None),
        batch=batch,
        multiple_results=multiple_results,
    )
