"""One step of the method of Dormand and Prince, for values that may be traced; and what it needs.

`row : state, time, part of the step, its size, parameters -> state` is one step. `combine_p` adds
up slopes. `recurrence_p` chains linear maps: z[k + 1] = m[k] @ z[k] + g[k].

Read next: `odeint_steps.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.ir import Program, evaluate
from ...core.rules import align_batch, ndim_of, unbroadcast
from ...core.tracing import Primitive, Together
from ..jvp import zeros_of
from .dormand_prince import DENSE, A, B, C

__all__ = [
    "STEP_WEIGHTS",
    "Function",
    "RightSide",
    "between",
    "call",
    "combine_p",
    "recurrence_p",
    "row",
    "stages",
]

_FLOAT = np.dtype(np.float64)
STEP_WEIGHTS: Final = tuple(B.tolist())
Function = Any
"""A `RightSide`, or a Python function of flat arguments."""


class RightSide(Program):
    """The program of y' = f(y, t, *parameters). `direct` is the Python function, which runs faster;
    `derived` holds the systems made of this one.
    """

    __slots__ = ("direct",)

    def __init__(self, program: Program, direct: Callable[..., Array] | None = None) -> None:
        super().__init__(
            program.inputs, program.equations, program.outputs, program.constants,
            name=program.name,
        )  # fmt: skip
        self.direct = direct

    def __reduce__(self) -> tuple[object, ...]:
        parts = self.inputs, self.equations, self.outputs, self.constants
        return (_right_side, (*parts, self.name))


def _right_side(inputs: Any, equations: Any, outputs: Any, constants: Any, name: str) -> RightSide:
    return RightSide(Program(inputs, equations, outputs, constants, name=name))


def call(func: Function, y: Array, t: Array, *parameters: Array) -> Array:
    """y' for values that may be traced."""
    if isinstance(func, Program):
        return evaluate(func, y, t, *parameters)[0]
    return func(y, t, *parameters)


# The steps.


def _combine(h: Array, y: Array, *ks: Array, weights: tuple[float, ...]) -> Array:
    total = weights[0] * ks[0]
    for w, k in zip(weights[1:], ks[1:], strict=True):
        if w:
            total = total + w * k
    return y + h * total


def _combine_transpose(
    ct: Array, wanted: Sequence[bool], h: Array, y: Array, *ks: Array, weights: tuple[float, ...]
) -> list[Array | None]:
    scaled = h * ct
    parts: list[Array | None] = [None, unbroadcast(ct, y) if wanted[1] else None]
    for k, w, needed in zip(ks, weights, wanted[2:], strict=True):
        parts.append(unbroadcast(w * scaled, k) if needed else None)
    return parts


def _combine_batch(
    size: int, batched: Sequence[bool], *args: Array, weights: tuple[float, ...]
) -> Array:
    rank = max([ndim_of(x) - b for x, b in zip(args, batched, strict=True)])
    aligned = [align_batch(rank, x) if b else x for x, b in zip(args, batched, strict=True)]
    return combine_p.bind(*aligned, weights=weights)


def _combine_shape(*avals: ShapedArray, weights: tuple[float, ...]) -> ShapedArray:
    return ShapedArray(np.broadcast_shapes(*[v.shape for v in avals]), _FLOAT)


combine_p = Primitive(
    "runge_kutta",
    _combine,
    shape=_combine_shape,
    transposes=Together(_combine_transpose),
    linear="jointly",
    linear_args=lambda params: range(1, len(params["weights"]) + 2),
    batch=_combine_batch,
)
"""y + h * (the sum of weights[i] * ks[i]), linear in y and the ks."""


def stages(
    y: Array, t: Array, size: Array, parameters: Sequence[Array], func: Function
) -> list[Array]:
    """The slopes in a step of that size from y at t."""
    ks = [call(func, y, t, *parameters)]
    for weights, c in zip(A, C, strict=True):
        stage = combine_p.bind(size, y, *ks, weights=tuple(weights.tolist()))
        ks.append(call(func, stage, t + c * size, *parameters))
    return ks


def between(y: Array, tau: Array, size: Array, ks: Sequence[Array]) -> Array:
    """The state inside a step, a time tau after its start."""
    x = tau / size
    return y + size * ((DENSE @ np.stack([x, x * x, x**3, x**4])) @ np.stack(ks))


def row(
    y: Array, t: Array, tau: Array, size: Array, *parameters: Array, func: Function, dense: bool
) -> Array:
    """The state at t + tau, by a step of that size from y at t. Without `dense`, tau is 0 or the
    size.
    """
    ks = stages(y, t, size, parameters, func)
    if not dense:
        return combine_p.bind(tau, y, *ks, weights=STEP_WEIGHTS)
    end = combine_p.bind(size, y, *ks, weights=STEP_WEIGHTS)
    return between(y, tau, size, [*ks, call(func, end, t + size, *parameters)])


# z[k + 1] = m[k] @ z[k] + g[k].


def _recurrence(m: Array, g: Array, z: Array) -> Array:
    n = g.shape[-2]
    y = np.empty((*g.shape[:-2], n + 1, g.shape[-1]))
    y[..., 0, :] = z
    if g.ndim == 2:
        for k in range(n):
            z = y[k + 1] = m[k] @ z + g[k]
    else:
        for k in range(n):
            z = y[..., k + 1, :] = (m[..., k, :, :] @ z[..., None])[..., 0] + g[..., k, :]
    return y


def _recurrence_rule(
    primals: Sequence[Array], tangents: Sequence[Array | None]
) -> tuple[Array, Array]:
    m, g, z = primals
    m_dot, g_dot, z_dot = tangents
    y = recurrence_p.bind(m, g, z)
    if m_dot is not None:
        pushed = (m_dot @ y[..., :-1, :, None])[..., 0]
        g_dot = pushed if g_dot is None else pushed + g_dot
    g_dot = zeros_of(g) if g_dot is None else g_dot
    return y, recurrence_p.bind(m, g_dot, zeros_of(z) if z_dot is None else z_dot)


def _recurrence_transpose(
    ct: Array, wanted: Sequence[bool], m: Array, g: Array, z: Array
) -> list[Array | None]:
    """The same recurrence, from the end."""
    back = recurrence_p.bind(
        np.swapaxes(m, -1, -2)[..., ::-1, :, :], ct[..., -2::-1, :], ct[..., -1, :]
    )
    return [None, back[..., -2::-1, :], back[..., -1, :]]


def _recurrence_batch(size: int, batched: Sequence[bool], *args: Array) -> Array:
    return recurrence_p.bind(*[
        x if b else np.broadcast_to(x, (size, *aval_of(x).shape))
        for x, b in zip(args, batched, strict=True)
    ])  # fmt: skip


recurrence_p: Primitive = Primitive(
    "recurrence",
    _recurrence,
    shape=lambda m, g, z: ShapedArray((*g.shape[:-2], g.shape[-2] + 1, g.shape[-1]), _FLOAT),
    jvp=_recurrence_rule,
    transposes=Together(_recurrence_transpose),
    linear="jointly",
    linear_args=(1, 2),
    batch=_recurrence_batch,
)
