"""What programs cost: floating point operations, and bytes that are read or written.

The counts are of the mathematics, not of a machine: a sum, a product, a comparison is one
operation, a complex product six, a special function (exp, log, sin, the gamma function ...) ten. A
view moves no bytes; anything else reads its operands and writes its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2, prod
from typing import Any, Final, NamedTuple

from ...core.aval import ShapedArray
from ...core.ir import Equation, Program
from ...core.printing import subprograms

__all__ = ["Cost", "cost_of"]


class Cost(NamedTuple):
    """Equations, those in programs inside included; operations; bytes."""

    equations: int
    flops: int
    bytes: int

    def __add__(self, other: object) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(*[a + b for a, b in zip(self, other, strict=True)])


def cost_of(program: Program) -> Cost:
    """The cost of a program. Steps of a scan count each, those of a while loop once; of branches
    the most expensive one counts.
    """
    total = Cost(0, 0, 0)
    for e in program.equations:
        total += _cost(e)
    return total


def _cost(e: Equation) -> Cost:
    inner = [cost_of(p) for _, p in subprograms(e.params)]
    if not inner:
        return Cost(1, _flops(e), _bytes(e))
    equations = 1 + sum([c.equations for c in inner])
    if e.primitive.name == "cond":
        return Cost(equations, max([c.flops for c in inner]), max([c.bytes for c in inner]))
    times = e.params["length"] if e.primitive.name == "scan" else 1
    return Cost(
        equations, times * sum([c.flops for c in inner]), times * sum([c.bytes for c in inner])
    )


def _size(v: ShapedArray) -> int:
    return v.size * v.dtype.itemsize


def _bytes(e: Equation) -> int:
    name = e.primitive.name
    written = sum([_size(v.aval) for v in e.outputs])
    if name in _VIEWS or (name == "getitem" and len(e.inputs) == 1):
        return 0
    if name == "getitem":
        return 2 * written + sum([_size(a.aval) for a in e.inputs[1:]])
    return written + sum([_size(a.aval) for a in e.inputs])


def _flops(e: Equation) -> int:
    name = e.primitive.name
    avals = [a.aval for a in e.inputs]
    out = e.outputs[0].aval
    rule = FLOPS.get(name)
    if rule is None:
        each = SPECIAL if e.primitive.elementwise else 1
        return each * max([v.size for v in (*avals, out)], default=1)
    if isinstance(rule, int):
        return rule * out.size * (_COMPLEX.get(name, 2) if out.dtype.kind == "c" else 1)
    return int(rule(avals, out, e.params))


SPECIAL: Final = 10
"""Operations for one value of a special function."""

_VIEWS: Final = frozenset(
    ["reshape", "transpose", "broadcast_to", "diagonal", "real", "imag", "name"]
)
_COMPLEX: Final = {"mul": 6, "div": 11, "square": 6, "abs": 4, "neg": 2, "copy": 0}
"""Operations for one complex value, where that is not two."""

Rule = Callable[[Sequence[ShapedArray], ShapedArray, dict[str, Any]], float]


def _product(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    """Two operations for each product that is added up."""
    each = 8 if out.dtype.kind == "c" else 2
    return each * out.size * avals[0].shape[-1]


def _einsum(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    sizes: dict[str, int] = {}
    letters = params["subscripts"].split("->")[0].split(",")
    for names, aval in zip(letters, avals, strict=True):
        sizes.update(zip(names, aval.shape, strict=True))
    each = 8 if out.dtype.kind == "c" else 2
    return each * prod(sizes.values()) * max(1, len(avals) - 1)


def _reduction(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    return avals[0].size * (2 if avals[0].dtype.kind == "c" else 1)


def _moments(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    return 4 * avals[0].size


def _cubic(factor: float) -> Rule:
    """A number of operations for each matrix of a stack, in n^3."""

    def rule(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
        *stack, m, n = avals[0].shape
        return factor * prod(stack) * m * n * min(m, n)

    return rule


def _solve(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    *stack, n, _ = avals[0].shape
    return prod(stack) * n**3 * 2 / 3 + 2 * n * out.size


def _transform(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    n = max(avals[0].size, out.size)
    return 5 * n * log2(max(n, 2))


def _sorting(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    n = avals[0].size
    return n * log2(max(n, 2))


def _scattered(avals: Sequence[ShapedArray], out: ShapedArray, params: dict[str, Any]) -> float:
    return sum([v.size for v in avals[: len(params["places"])]])


FLOPS: Final[dict[str, int | Rule]] = {
    **dict.fromkeys(["add", "sub", "mul", "div", "neg", "abs", "fabs", "square", "reciprocal"], 1),
    **dict.fromkeys(
        ["maximum", "minimum", "fmax", "fmin", "sqrt", "sign", "where", "heaviside"], 1
    ),
    **dict.fromkeys(["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"], 1),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor", "logical_not"], 1),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "invert"], 1),
    **dict.fromkeys(["isfinite", "isinf", "isnan", "signbit", "floor", "ceil", "trunc", "rint"], 1),
    **dict.fromkeys(["positive", "real", "imag", "conjugate", "astype", "copy", "name"], 0),
    **dict.fromkeys(["reshape", "transpose", "broadcast_to", "getitem", "setitem", "diagonal"], 0),
    **dict.fromkeys(["concatenate", "stack", "stop_gradient"], 0),
    **dict.fromkeys(["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "mean"], _reduction),
    **dict.fromkeys(["reduce_any", "reduce_all", "argmax", "argmin", "cumsum"], _reduction),
    **dict.fromkeys(["var", "std", "norm"], _moments),
    **dict.fromkeys(["fft", "rfft", "irfft"], _transform),
    **dict.fromkeys(["sort", "argsort", "partition", "argpartition"], _sorting),
    "scatter_sum": _scattered,
    "matmul": _product,
    "einsum": _einsum,
    "solve": _solve,
    "inv": _cubic(2),
    "cholesky": _cubic(1 / 3),
    "det": _cubic(2 / 3),
    "slogdet": _cubic(2 / 3),
    "qr": _cubic(2),
    "eigh": _cubic(9),
    "eigvalsh": _cubic(4 / 3),
    "eig": _cubic(25),
    "eigvals": _cubic(10),
    "svd": _cubic(22),
    "svdvals": _cubic(8 / 3),
    "pinv": _cubic(24),
}
"""Operations by primitive: a number for each element of the result, or a rule. Primitives that are
not here count as special functions if they work element by element, else as one operation for each
element of the largest operand.
"""
