"""Rules for coefficients: `RULES[primitive] : order, y, *operands' terms -> (y's terms -> k ->
y_k)`, or None where the operation is better expanded by its derivative.

Only what the derivative gives no recurrence for is here: products and quotients, which all other
recurrences are made of, linear systems, and powers. Cost: O(k) operations for the coefficient of
order k. The recurrences are those of Griewank and Walther, Evaluating Derivatives (2nd ed., 2008),
chapter 13.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ...core.aval import Array, aval_of
from ...core.primitives import elementwise as ew
from ...core.primitives.linalg import solve_p
from ...core.rules import fit
from ...core.storage import current
from ...core.tracing import Primitive, Tracer

__all__ = ["IMPLICIT", "RULES", "Constant", "Terms", "implicit", "multilinear"]


class Constant:
    """The coefficients of a constant."""

    __slots__ = ("value",)

    def __init__(self, value: Array) -> None:
        self.value = value

    def __getitem__(self, k: int) -> Array | None:
        return None if k else self.value


Terms: TypeAlias = Any
"""Coefficients by their order: a list that grows, or a `Constant`."""

Rule: TypeAlias = Callable[[int], Array | None]
Recurrence: TypeAlias = Callable[[list[Any]], Rule]


def cauchy(
    a: Terms, b: Terms, k: int, first: int = 0, product: Callable[..., Array] = operator.mul
) -> Array | None:
    """The sum of a[i] * b[k - i] over i from `first` to k."""
    total = None
    for i in range(first, k + 1):
        x = a[i]
        if x is None:
            continue
        y = b[k - i]
        if y is not None:
            part = product(x, y)
            total = part if total is None else total + part
    return total


def multilinear(
    primitive: Primitive, y: Array, terms: Sequence[Terms], params: Mapping[str, Any]
) -> Recurrence | None:
    """What is linear in each of the operands that have coefficients."""
    linear = primitive.linear_in(params)
    active = [i for i, t in enumerate(terms) if type(t) is not Constant]
    if not all([i in linear for i in active]):
        return None

    def total(k: int, places: Sequence[int], chosen: list[Array]) -> Array | None:
        i, rest = places[0], places[1:]
        found = None
        for j in range(k + 1) if rest else (k,):
            x = terms[i][j]
            if x is None:
                continue
            chosen[i] = x
            part = total(k - j, rest, chosen) if rest else primitive.bind(*chosen, **params)
            if part is not None:
                found = part if found is None else found + part
        return found

    def coefficient(k: int) -> Array | None:
        found = total(k, active, [t[0] for t in terms])
        return fit(found, y) if found is not None and primitive.elementwise else found

    return lambda of_y: coefficient


def _quotient(order: int, y: Array, a: Terms, b: Terms) -> Recurrence:
    """From y b = a."""

    def recurrence(of_y: list[Any]) -> Rule:
        def coefficient(k: int) -> Array | None:
            rest, a_k = cauchy(b, of_y, k, 1), a[k]
            if rest is None:
                return None if a_k is None else fit(a_k / b[0], y)
            return fit((-rest if a_k is None else a_k - rest) / b[0], y)

        return coefficient

    return recurrence


def plus(a: Any, b: Any) -> Any:
    """The sum of two coefficients, or of those of several results; None is zero."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, tuple):
        return tuple([plus(x, y) for x, y in zip(a, b, strict=True)])
    return a + b


def implicit(primitive: Primitive, y: Array, terms: Sequence[Terms], params: Any) -> Recurrence:
    """What solves an equation L(a) y = b that is linear in a, in b, and in y: linear systems and
    their kin. L(a_0) y_k = b_k - L(a_1) y_(k-1) - ... - L(a_k) y_0, and -L(a_0)^-1 L(a_dot) y is
    the jvp rule by a.
    """
    linear = primitive.linear_in(params)
    others = [i for i, t in enumerate(terms) if i not in linear and type(t) is not Constant]
    fixed = [Constant(t[0]) if i in others else t for i, t in enumerate(terms)]
    active = any([type(t) is not Constant for t in fixed])
    found = multilinear(primitive, y, fixed, params) if active else None
    values = [t[0] for t in terms]
    rules: Any = primitive.jvps

    def recurrence(of_y: list[Any]) -> Rule:
        right = None if found is None else found(of_y)

        def coefficient(k: int) -> Any:
            total = None if right is None else right(k)
            for j in others:
                for i in range(1, k + 1):
                    a, v = terms[j][i], of_y[k - i]
                    if a is not None and v is not None:
                        total = plus(total, rules[j](a, v, *values, **params))
            return total

        return coefficient

    return recurrence


def _solve(order: int, y: Array, a: Terms, b: Terms) -> Recurrence:
    """`implicit`, with one system for each order."""
    values = [a[0], b[0]]
    if type(a) is Constant or (aval_of(b[0]).ndim == 1 and aval_of(a[0]).ndim > 2):
        return implicit(solve_p, y, [a, b], {})

    def recurrence(of_y: list[Any]) -> Rule:
        def coefficient(k: int) -> Array | None:
            rest, b_k = cauchy(a, of_y, k, 1, operator.matmul), b[k]
            if rest is None:
                return None if b_k is None else solve_p.bind(values[0], b_k)
            return solve_p.bind(values[0], -rest if b_k is None else b_k - rest)

        return coefficient

    return recurrence


def _square(order: int, y: Array, x: Terms) -> Recurrence:
    def coefficient(k: int) -> Array | None:
        half = cauchy(x, x, k, k // 2 + 1)
        middle = x[k // 2] if k % 2 == 0 else None
        if middle is not None:
            middle = middle * middle
        if half is None:
            return middle
        return 2 * half if middle is None else 2 * half + middle

    return lambda of_y: coefficient


def _product(order: int, y: Array, a: Terms, b: Terms) -> Recurrence:
    if a is b:
        return _square(order, y, a)

    def coefficient(k: int) -> Array | None:
        found = cauchy(a, b, k)
        return None if found is None else fit(found, y)

    return lambda of_y: coefficient


HIGHEST = 8
"""Whole powers up to this one are products, which have no division by x_0."""


def _power(order: int, y: Array, x: Terms, p: Terms) -> Recurrence | None:
    """From x y' = p y x'."""
    if type(p) is not Constant:
        return None
    exponent = p.value
    if isinstance(exponent, Tracer) or np.ndim(exponent):
        return None
    if aval_of(x[0]).dtype != aval_of(y).dtype:
        return None
    whole = np.imag(exponent) == 0 and np.real(exponent) == np.floor(np.real(exponent))
    if whole and 1 <= np.real(exponent) <= HIGHEST:
        return _whole_power(y, x, int(np.real(exponent)))
    if exponent == 0 or not _is_regular(x[0]):
        return None

    def recurrence(of_y: list[Any]) -> Rule:
        def coefficient(k: int) -> Array | None:
            total = None
            for i in range(1, k + 1):
                x_i, v = x[i], of_y[k - i]
                if x_i is not None and v is not None:
                    part = (exponent * i - (k - i)) / k * (x_i * v)
                    total = part if total is None else total + part
            return None if total is None else fit(total / x[0], y)

        return coefficient

    return recurrence


def _whole_power(y: Array, x: Terms, n: int) -> Recurrence:
    """Products, by repeated squaring."""
    products: list[tuple[Terms, Terms, list[Array | None]]] = []

    def product(a: Terms, b: Terms) -> Terms:
        products.append((a, b, []))
        return products[-1][2]

    power: Terms = None
    square = x
    while n:
        if n & 1:
            power = square if power is None else product(power, square)
        n >>= 1
        if n:
            square = product(square, square)

    def coefficient(k: int) -> Array | None:
        for a, b, found in products:
            for i in range(len(found), k + 1):
                found.append(cauchy(a, b, i))
        term = power[k]
        return None if term is None else fit(term, y)

    return lambda of_y: coefficient


def _is_regular(x: Array) -> bool:
    """True for values that are known, finite, and not zero: a recurrence may divide by them."""
    while isinstance(x, Tracer):
        x = current(x)
        if isinstance(x, Tracer):
            if x.primal is None:
                return False
            x = x.primal
    return bool(np.all(np.isfinite(x) & (x != 0)))


IMPLICIT = frozenset([
    "by_sums",
    "lfilter",
    "lyapunov",
    "solve_banded",
    "solve_continuous_lyapunov",
    "solve_sylvester",
    "solve_triangular",
    "spectral_join",
    "spectral_split",
])  # fmt: skip
"""The names of the operations that `implicit` is for; not all are always imported."""

RULES: dict[Primitive, Callable[..., Recurrence | None]] = {
    ew.multiply_p: _product,
    ew.divide_p: _quotient,
    solve_p: _solve,
    ew.square_p: _square,
    ew.power_p: _power,
}
