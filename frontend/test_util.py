"""Checking derivatives: `check_grads` compares what wengert computes with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .core import tree
from .core.aval import Array, aval_of
from .core.differences import Line, central, is_smooth
from .core.errors import WengertError
from .core.source import describe_function
from .core.tree import is_static_leaf
from .transforms import jvp, vjp
from .transforms.api import differentiable_leaves, flatten_arguments

__all__ = ["check_grads"]


class GradientMismatchError(WengertError, AssertionError):
    """A derivative that disagrees with finite differences, or with itself in the other mode."""


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    oracle: str = "central",
) -> None:
    """Check the derivatives of a function against finite differences, in random directions.

    Args:
        f: a function of trees of arrays.
        args: tuple of the arguments at which to check. Leaves that are not of floats or complex
            numbers reach `f` as they are.
        order: up to which order of derivative to check.
        modes: "fwd" checks `jvp`, "rev" checks `vjp`; with several orders, all their combinations.
        atol: absolute tolerance; by default 1e-6 times 10 for each order, for float64.
        rtol: relative tolerance; by default as `atol`.
        eps: step of the differences; by default the cube root of the machine's precision.
        oracle: what derivatives are compared with: "central" differences with the step `eps`,
            "finite" (extrapolated ones, with steps chosen for the function, see
            `finite_difference`), or the "complex-step", for analytic functions.

    Raises:
        NonSmoothError, NonAnalyticError: from the oracles "finite" and "complex-step".
        AssertionError: if a derivative is wrong; the message says by how much, and at which leaf.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.test_util.check_grads(np.sin, (0.3,), order=2)
    """
    unknown = [m for m in modes if m not in ("fwd", "rev")]
    if unknown:
        raise ValueError(f'check_grads: modes must be among "fwd" and "rev"; got {unknown[0]!r}')
    if oracle not in ("central", "finite", "complex-step"):
        raise ValueError(
            f'check_grads: oracle must be "central", "finite" or "complex-step"; got {oracle!r}'
        )
    arguments = tuple(args)
    operation = f"check_grads of {describe_function(f)}"
    leaves, treedef = flatten_arguments(operation, arguments)
    avals, active = differentiable_leaves(operation, leaves, treedef)
    for i in range(len(leaves)) if active is None else active:
        leaves[i] = np.asarray(leaves[i])[()]
    arguments = tree.unflatten(treedef, leaves)
    precision = max(np.finfo(aval.dtype).eps for aval in avals)
    step = precision ** (1 / 3) if eps is None else eps
    default = precision ** (2 / 3) * 3e4
    _check(
        operation,
        f,
        arguments,
        order,
        tuple(modes),
        default if atol is None else atol,
        default if rtol is None else rtol,
        step,
        np.random.default_rng(0),
        oracle,
    )


def _check(
    operation: str,
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    atol: float,
    rtol: float,
    eps: float,
    rng: np.random.Generator,
    oracle: str,
) -> None:
    tangents = tree.map(lambda x: random_direction(rng, x) if is_smooth(x) else None, args)
    if oracle == "central":
        line = Line(f, args, tangents)
        numeric = line.split(central(line, eps))
    else:
        numeric = jvp(f, args, tangents, mode=oracle)[1]
    what = "the complex step" if oracle == "complex-step" else "finite differences"
    y, forward = jvp(f, args, tangents)
    if "fwd" in modes:
        _compare(f"{operation}: jvp disagrees with {what}", forward, numeric, atol, rtol)
    ct = tree.map(lambda v: random_direction(rng, v), y)
    if "rev" in modes:
        _, pullback = vjp(f, *args)
        left = real_dot(ct, numeric)
        right = real_dot(pullback(ct), tangents)
        _compare(
            f"{operation}: vjp disagrees with {what} (<ct, J t>)",
            right,
            left,
            atol,
            rtol,
        )
    if order > 1:
        if "fwd" in modes:

            def first(*xs: Any) -> Any:
                return jvp(f, xs, tree.map(_fitting, xs, tangents))[1]

            _check(
                f"{operation}, jvp",
                first,
                args,
                order - 1,
                modes,
                atol * 10,
                rtol * 10,
                eps,
                rng,
                oracle,
            )
        if "rev" in modes:

            def pulled(*xs: Any) -> Any:
                y, pullback = vjp(f, *xs)
                return pullback(tree.map(_fitting, y, ct))

            _check(
                f"{operation}, vjp",
                pulled,
                args,
                order - 1,
                modes,
                atol * 10,
                rtol * 10,
                eps,
                rng,
                oracle,
            )


def _fitting(x: Any, t: Any) -> Any:
    """A direction for arguments that the complex step has made complex."""
    if t is None or is_static_leaf(x) or aval_of(x).dtype.kind != "c":
        return t
    return np.asarray(t, aval_of(x).dtype)[()]


def random_direction(rng: np.random.Generator, x: Array) -> Array:
    """A random tangent of the type of `x`; zero, or None, where x has no derivative."""
    if is_static_leaf(x):
        return None
    aval = aval_of(x)
    if aval.dtype.kind not in "fc":
        return np.zeros(aval.shape, aval.dtype)[()]
    t = rng.standard_normal(aval.shape)
    if aval.dtype.kind == "c":
        t = t + 1j * rng.standard_normal(aval.shape)
    return np.asarray(t, aval.dtype)[()]


def real_dot(a: Any, b: Any) -> Array:
    """Re <a, b> without conjugation: the pairing under which vjp is the transpose of jvp."""
    pairs = zip(tree.leaves(a), tree.leaves(b), strict=True)
    return np.real(sum([np.sum(np.asarray(x) * np.asarray(y)) for x, y in pairs]))


def _compare(what: str, found: Any, expected: Any, atol: float, rtol: float) -> None:
    expected_leaves = tree.leaves(expected)
    for (path, x), y in zip(tree.leaves_with_path(found), expected_leaves, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        scale = max(1.0, float(np.max(np.abs(y), initial=0)))
        error = np.abs(x - y)
        if not np.all((error <= (atol + rtol * scale)) | (np.isnan(x) & np.isnan(y))):
            worst = np.unravel_index(np.argmax(np.nan_to_num(error, nan=np.inf)), error.shape)
            raise GradientMismatchError(
                f"{what}.",
                got=f"{x[worst]} at {path}[{', '.join(map(str, worst))}]",
                needed=f"{y[worst]}, to {atol + rtol * scale:.1e}",
                fix="if the function is smooth here, a rule is wrong: check the functions it "
                "calls one by one",
            )
