"""The primitives behind `numerical_rule`: a function that is called, and not traced, and its
numerical derivatives of all orders, `D^k f(x)[t1, ..., tk]`.

- `numerical_call` is `f` itself;
- `numerical_jvp` is the derivative in k directions, linear in each of them;
- `numerical_vjp` is its transpose by one direction: the gradient of `<ct, D^k f(x)[..., t, ...]>`
  by `t`, one coordinate after the other.

The latter two differentiate and transpose into one another. They see the float arguments as one
vector of real numbers, and the float results as another. Quotients are in
`core/differences.py`. What users call is in `numerical.py`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.differences import (
    REACH,
    Estimate,
    central,
    complex_step,
    reach,
    richardson,
)
from ...core.errors import DtypeError, ShapeError, UnsupportedError
from ...core.primitives.elementwise import astype
from ...core.rules import lane_by_lane
from ...core.source import is_library_frame
from ...core.tracing import Every, Primitive, Rule, Tracer
from ...core.tree import is_static_leaf
from ...core.treedef import TreeDef, leaf_paths
from ..api import flatten_result

if TYPE_CHECKING:
    from .numerical import NumericalFunction

__all__ = [
    "Call",
    "NumericalDerivativeWarning",
    "call_p",
    "derivative",
    "jvp_p",
    "own",
    "ravel",
    "relative_error",
    "vjp_p",
]

Spans = tuple[tuple[int, int], ...]
"""Which coordinates of a direction can differ from zero."""
_FLOAT = np.dtype(np.float64)
_TOLERANCE = 1e-4


class NumericalDerivativeWarning(UserWarning):
    """A numerical derivative that is less accurate than was asked for."""


# Vectors of real numbers.


def _width(aval: ShapedArray) -> int:
    """How many real numbers an array consists of."""
    return {"f": 1, "c": 2}.get(aval.dtype.kind, 0) * aval.size


def ravel(leaves: Sequence[Array | None], avals: Sequence[ShapedArray]) -> Array:
    """The floats among some arrays or tracers as one vector of real numbers; None is zero."""
    parts = []
    for x, aval in zip(leaves, avals, strict=True):
        if x is None:
            parts.append(np.zeros(_width(aval)))
        elif aval.dtype.kind in "fc":
            for part in (np.real(x), np.imag(x)) if aval.dtype.kind == "c" else (x,):
                parts.append(np.reshape(astype(part, _FLOAT), -1))
    return np.concatenate(parts) if parts else np.zeros(0)


def _unravel(vector: Array, avals: Sequence[ShapedArray]) -> list[Array | None]:
    """The arrays that a vector consists of, with their dtypes; None for what is no float."""
    found: list[Array | None] = []
    start = 0
    for aval in avals:
        if aval.dtype.kind not in "fc":
            found.append(None)
            continue
        stop = start + aval.size
        x = np.reshape(vector[start:stop], aval.shape)
        if aval.dtype.kind == "c":
            start, stop = stop, stop + aval.size
            x = x + 1j * np.reshape(vector[start:stop], aval.shape)
        found.append(astype(x, aval.dtype))
        start = stop
    return found


@dataclass
class Call:
    """One call of a function in a traced computation: the structure of its arguments, and of the
    result as soon as that is known.
    """

    function: NumericalFunction
    in_tree: TreeDef
    in_avals: tuple[ShapedArray, ...]
    structure: tuple[TreeDef, tuple[ShapedArray, ...]] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return self.function.__name__

    @property
    def n_in(self) -> int:
        """The number of real numbers in the arguments."""
        return sum([_width(a) for a in self.in_avals])

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """The types of the results; they are found out if they are not known yet."""
        if self.structure is None:
            self.structure = self.function.structure_of_result(self)
        return self.structure[1]

    @property
    def n_out(self) -> int:
        """The number of real numbers in the results."""
        return sum([_width(a) for a in self.out_avals])

    @property
    def precision(self) -> float:
        """The rounding error of the coarsest dtype that takes part."""
        kinds = [a.dtype for a in (*self.in_avals, *self.out_avals)]
        return max([float(np.finfo(k).eps) for k in kinds if k.kind in "fc"], default=2.0**-52)

    def run(self, leaves: Sequence[Array], *, known: bool = True) -> list[Array]:
        """Call the function with plain arrays: the leaves of its result.

        Their types are the known ones, or become so; not those of another kind of evaluation.
        """
        operation = self.function.label
        args, kwargs = tree.unflatten(self.in_tree, leaves)
        outs, out_tree = flatten_result(operation, self.function.f(*args, **kwargs))
        for path, y in zip(leaf_paths(out_tree, ""), outs, strict=True):
            if isinstance(y, Tracer):
                raise UnsupportedError(
                    f"{operation}: the result{path} is a traced value, so the function computes "
                    "with one that it closes over.",
                    got=repr(y.aval),
                    fix="pass the value as an argument",
                )
        out_tree = tree.with_fixed_values(out_tree, outs)
        # A copy, for the function may keep and change what it returns.
        arrays = [np.array(y)[()] for y in outs if not is_static_leaf(y)]
        found = (out_tree, tuple([aval_of(y) for y in arrays]))
        if not known:
            return arrays
        if self.structure is None:
            self.structure = found
        elif self.structure != found:
            raise ShapeError(
                f"{operation}: the function returned something of another structure, shape or "
                "dtype than before.",
                got=f"{list(found[1])}",
                needed=f"{list(self.structure[1])}",
                fix="results of one structure for arguments of one; and result_like= like them",
            )
        return arrays

    def evaluate(self, x: Array, constants: Sequence[Array]) -> Array:
        """The float results as a vector, at float arguments that come as one."""
        rest = iter(constants)
        if x.dtype.kind != "c":
            pieces = _unravel(x, self.in_avals)
            outs = self.run([own(next(rest) if p is None else p) for p in pieces])
            return ravel(outs, self.out_avals)
        # A complex step: arguments and results are real otherwise, and all complex now.
        pieces, start = [], 0
        for aval in self.in_avals:
            stop = start + _width(aval)
            pieces.append(np.reshape(x[start:stop], aval.shape)[()] if stop > start else None)
            start = stop
        due = self.out_avals
        if any([aval.dtype.kind == "c" for aval in due]):
            raise DtypeError(
                f'{self.function.label}: method="complex" takes imaginary steps, so the results '
                "for real arguments must be real.",
                got=", ".join([repr(aval) for aval in due]),
                fix='use method="richardson"',
            )
        outs = self.run([own(next(rest) if p is None else p) for p in pieces], known=False)
        floats = [y for y, aval in zip(outs, due, strict=True) if aval.dtype.kind in "fc"]
        for y in floats:
            if y.dtype.kind != "c":
                raise DtypeError(
                    f'{self.function.label}: method="complex" needs an analytic function, which '
                    "has complex results for complex arguments.",
                    got=repr(aval_of(y)),
                    fix='use method="richardson"',
                )
        return np.concatenate([np.reshape(y, -1) for y in floats] or [np.zeros(0)])


def own(x: Array) -> Array:
    """A plain array that the function may change."""
    return np.array(x)[()]


# Derivatives, numerically.


def derivative(
    call: Call,
    x: Array,
    directions: Sequence[Array],
    constants: Sequence[Array],
    method: str,
    measured: bool = True,
) -> Estimate:
    """The derivative of order `len(directions)`, each by differences of the one before.

    With `measured`, the error bar takes in how far the values of the function scatter.
    """
    if not directions:
        y = call.evaluate(x, constants)
        return Estimate(y, np.zeros(y.shape), np.zeros(y.shape))
    *others, t = directions
    step = call.function.step
    length = reach(x, t)
    order = len(directions)

    def at(h: float) -> Array:
        return derivative(call, x + h * t, others, constants, method, measured=False).value

    if method == "complex" and order == 1:

        def beside(h: complex) -> Array:
            return call.evaluate(x + h * t, constants)

        y = complex_step(beside, length * (1e-20 if step is None else step))
        return Estimate(y, np.full(y.shape, np.nan), np.zeros(y.shape))
    if method == "central":
        h = call.precision ** (1 / (order + 2)) if step is None else step
        y = central(at, length * h)
        return Estimate(y, np.full(y.shape, np.nan), np.zeros(y.shape))
    h = REACH if step is None or method == "complex" else step
    # What was extrapolated before carries more than a rounding error.
    precision = call.precision * 2.0 ** (10 * (order - 1))
    noise = None if measured else np.zeros(())
    return richardson(at, length * h, precision=precision, noise=noise)


def _tolerance(call: Call) -> float:
    """The relative error that is accepted; infinite where none is estimated."""
    found: float | None = call.function.tolerance
    if found is not None:
        return found
    return max(_TOLERANCE, 1e5 * call.precision) if call.function.method == "richardson" else np.inf


def _checked(
    call: Call,
    x: Array,
    directions: Sequence[Array],
    constants: Sequence[Array],
    y: Array | None = None,
) -> Array:
    """The derivative; with a warning if it is less accurate than it should be. `y` is the result,
    where it is known already.
    """
    function = call.function
    tolerance = _tolerance(call)
    measured = tolerance != np.inf
    found = derivative(call, x, directions, constants, function.method, measured)
    if not measured:
        return found.value
    if y is None:
        y = call.evaluate(x, constants)
    error = relative_error(call, x, directions, constants, found, y)
    if not error <= tolerance:
        warnings.warn(
            f"{function.label}: the derivative has an estimated relative error of {error:.1e}, "
            f"more than the tolerance of {tolerance:.1e}. The function may be noisy, have a jump "
            "near the point, or vary within a shorter distance than the steps; tolerance=np.inf "
            "turns this warning off.",
            NumericalDerivativeWarning,
            stacklevel=_users_level(),
        )
    return found.value


def _users_level() -> int:
    """The `stacklevel` of the user's line, for the function that asks."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and is_library_frame(frame):
        frame, level = frame.f_back, level + 1
    return level


def relative_error(
    call: Call,
    x: Array,
    directions: Sequence[Array],
    constants: Sequence[Array],
    found: Estimate,
    y: Array,
) -> float:
    """The error bar beside the derivative; beside what rounding leaves, where that is zero."""
    error = found.error
    if call.function.method != "richardson":
        better = derivative(call, x, directions, constants, "richardson")
        error = np.abs(found.value - better.value) + better.error
    if not error.size:
        return 0.0
    for t in directions:
        y = y / reach(x, t)
    worst: float = np.max(error)
    if not worst:
        return 0.0
    rounding = 1e-9 * 1e4 ** (len(directions) - 1)
    with np.errstate(all="ignore"):
        return float(worst / max(np.max(np.abs(found.value)), rounding * np.max(np.abs(y))))


def _coordinates(spans: Spans) -> list[int]:
    return [i for start, stop in spans for i in range(start, stop)]


def _masked(t: Array, spans: Spans) -> Array:
    kept = np.zeros_like(t)
    for start, stop in spans:
        kept[..., start:stop] = t[..., start:stop]
    return kept


# The primitives.


def _call(*leaves: Array, call: Call) -> tuple[Array, ...]:
    return tuple(call.run([own(x) for x in leaves]))


def _call_jvp(
    primals: Sequence[Array], tangents: Sequence[Array | None], *, call: Call
) -> tuple[Any, Any]:
    ys = call_p.bind(*primals, call=call)
    avals = call.in_avals
    spans, start = [], 0
    for t, aval in zip(tangents, avals, strict=True):
        if t is not None and _width(aval):
            spans.append((start, start + _width(aval)))
        start += _width(aval)
    constants = [p for p, aval in zip(primals, avals, strict=True) if aval.dtype.kind not in "fc"]
    y_dot = jvp_p.bind(
        ravel(primals, avals),
        ravel(tangents, avals),
        *constants,
        call=call,
        order=1,
        spans=(tuple(spans),),
    )
    return ys, tuple(_unravel(y_dot, call.out_avals))


def _call_batch(size: int, batched: Sequence[bool], *leaves: Array, call: Call) -> Any:
    return lane_by_lane(call_p, size, batched, *leaves, call=call)


def _jvp(x: Array, *rest: Array, call: Call, order: int, spans: tuple[Spans, ...]) -> Array:
    directions = [_masked(t, s) for t, s in zip(rest, spans, strict=False)]
    return _checked(call, x, directions, rest[order:])


def _vjp(x: Array, *rest: Array, call: Call, order: int, spans: tuple[Spans, ...]) -> Array:
    """`rest` are order - 1 directions, the cotangent, and constants; the last of the spans is that
    of the result.
    """
    directions = [_masked(t, s) for t, s in zip(rest[: order - 1], spans, strict=False)]
    ct, constants = rest[order - 1], rest[order:]
    found = np.zeros((*ct.shape[:-1], call.n_in))
    y = None if _tolerance(call) == np.inf else call.evaluate(x, constants)
    for i in _coordinates(spans[-1]):
        unit = np.zeros(call.n_in)
        unit[i] = 1
        # Coordinate by coordinate comes first, so that the step suits each of them.
        column = _checked(call, x, [unit, *directions], constants, y)
        found[..., i] = ct @ column
    return found


def _jvp_shape(x: ShapedArray, *rest: ShapedArray, call: Call, **params: Any) -> ShapedArray:
    return ShapedArray((call.n_out,), _FLOAT)


def _vjp_shape(
    x: ShapedArray, *rest: ShapedArray, call: Call, order: int, **params: Any
) -> ShapedArray:
    return ShapedArray((*rest[order - 1].shape[:-1], call.n_in), _FLOAT)


def _one_order_more(primitive: Callable[[], Primitive]) -> Rule:
    """The derivative by the point: one direction more, in front of the others."""

    def rule(
        x_dot: Array,
        y: Array,
        x: Array,
        *rest: Array,
        call: Call,
        order: int,
        spans: tuple[Spans, ...],
    ) -> Array:
        return primitive().bind(
            x, x_dot, *rest, call=call, order=order + 1, spans=(((0, call.n_in),), *spans)
        )

    return rule


def _in_place_of(primitive: Callable[[], Primitive], i: int) -> Rule:
    """The derivative by an operand that the operation is linear in."""

    def rule(t: Array, y: Array, *args: Array, **params: Any) -> Array:
        return primitive().bind(*args[:i], t, *args[i + 1 :], **params)

    return rule


def _jvp_transpose(i: int) -> Rule:
    """By direction i (from 1): the others stay, and its span becomes that of the result."""

    def rule(
        ct: Array, x: Array, *rest: Array, call: Call, order: int, spans: tuple[Spans, ...]
    ) -> Array:
        others = [*rest[: i - 1], *rest[i:order]]
        of_others = (*spans[: i - 1], *spans[i:], spans[i - 1])
        return vjp_p.bind(x, *others, ct, *rest[order:], call=call, order=order, spans=of_others)

    return rule


def _vjp_transpose(i: int) -> Rule:
    def rule(
        v: Array, x: Array, *rest: Array, call: Call, order: int, spans: tuple[Spans, ...]
    ) -> Array:
        constants = rest[order:]
        if i == order:  # by the cotangent: v becomes the last direction
            directions = rest[: order - 1]

            def along(v: Array) -> Array:
                return jvp_p.bind(
                    x, *directions, v, *constants, call=call, order=order, spans=spans
                )

            return np.stack([along(w) for w in v]) if v.ndim > 1 else along(v)
        others = [*rest[: i - 1], *rest[i : order - 1]]
        of_others = (*spans[: i - 1], *spans[i:-1], spans[-1], spans[i - 1])

        def beside(v: Array, ct: Array) -> Array:
            return vjp_p.bind(
                x, *others, v, ct, *constants, call=call, order=order, spans=of_others
            )

        ct = rest[order - 1]
        if v.ndim > 1:
            return np.sum(np.stack([beside(w, c) for w, c in zip(v, ct, strict=True)]), axis=0)
        return beside(v, ct)

    return rule


def _jvp_batch(size: int, batched: Sequence[bool], *args: Array, **params: Any) -> Array:
    return lane_by_lane(jvp_p, size, batched, *args, **params)


def _vjp_batch(size: int, batched: Sequence[bool], *args: Array, **params: Any) -> Array:
    i = params["order"]
    if args[i].ndim == 2 and batched[i] and sum(batched) == 1:
        return vjp_p.bind(*args, **params)  # one Jacobian for all cotangents
    return lane_by_lane(vjp_p, size, batched, *args, **params)


call_p: Primitive = Primitive(
    "numerical_call",
    _call,
    shape=lambda *avals, call: call.out_avals,
    jvp=_call_jvp,
    batch=_call_batch,
    multiple_results=True,
)
jvp_p: Primitive = Primitive(
    "numerical_jvp",
    _jvp,
    shape=_jvp_shape,
    jvps=Every(lambda i: _in_place_of(lambda: jvp_p, i) if i else _one_order_more(lambda: jvp_p)),
    transposes=Every(_jvp_transpose),
    linear="separately",
    linear_args=lambda params: range(1, params["order"] + 1),
    batch=_jvp_batch,
)
vjp_p: Primitive = Primitive(
    "numerical_vjp",
    _vjp,
    shape=_vjp_shape,
    jvps=Every(lambda i: _in_place_of(lambda: vjp_p, i) if i else _one_order_more(lambda: vjp_p)),
    transposes=Every(_vjp_transpose),
    linear="separately",
    linear_args=lambda params: range(1, params["order"] + 1),
    batch=_vjp_batch,
)
