"""Small vectors: vectors of two to four numbers that are put together from numbers, or taken apart
into numbers, are computed with number by number.

A step of an equation of motion is written `np.stack([dx, dy])`, `y + h * k`, `y[0]`. Arithmetic on
numbers costs a tenth of that on arrays, and needs no stack and no index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.primitives.elementwise import add_p
from ...core.primitives.indexing import getitem_p
from ...core.primitives.joining import stack_p
from .places import axes_of_index
from .rewriting import Found, Rewriter, everywhere

__all__ = ["unpack_small_vectors"]

LONGEST: Final = 4
_FLOAT: Final = np.dtype(np.float64)

# Rough costs, in calls of a ufunc on a small array.
_NUMBER, _INDEX, _STACK, _OTHER = 0.15, 0.3, 2.0, 8.0
_OTHERWISE: Final = frozenset(["pow", "astype", "where"])
"""Elementwise operations that are not unpacked: pow rounds otherwise on arrays, and the others have
operands of other types.
"""

_KEEPS_ZERO: Final = bool(np.signbit(np.add.reduce(np.array([-0.0, -0.0]))))
"""Whether NumPy starts a sum with -0.0 or with 0.0, which shows in the sum of negative zeros."""


def _is_small(atom: Atom) -> bool:
    v = atom.aval
    return len(v.shape) == 1 and 1 < v.shape[0] <= LONGEST and v.dtype == _FLOAT


def _number_places(e: Equation) -> list[int] | None:
    """The places of a sum of scattered numbers."""
    if len(e.inputs) != len(e.params["places"]) or any([a.aval.shape for a in e.inputs]):
        return None
    axes = [axes_of_index(index, e.params["shape"]) for index, _ in e.params["places"]]
    return [a[0].start for a in axes if a] if all([a and len(a) == 1 for a in axes]) else None


def _opens(e: Equation) -> bool:
    """True for operations on small vectors that are operations on their numbers."""
    name = e.primitive.name
    if name == "stack":
        return _is_small(e.outputs[0]) and all([_is_number(a) for a in e.inputs])
    if name == "scatter_sum":
        return _is_small(e.outputs[0]) and _number_places(e) is not None
    if name == "getitem":
        return _is_small(e.inputs[0]) and len(e.inputs) == 1 and _int_of(e) is not None
    if name == "reduce_sum":
        return _is_small(e.inputs[0]) and e.params == {"axes": (0,)}
    if not e.primitive.elementwise or name in _OTHERWISE or not _is_small(e.outputs[0]):
        return False
    shape = e.outputs[0].aval.shape
    return all([(_is_small(a) and a.aval.shape == shape) or _is_number(a) for a in e.inputs])


def _is_number(a: Atom) -> bool:
    return not a.aval.shape and (a.aval.dtype == _FLOAT or a.aval.weak_type)


def _int_of(e: Equation) -> int | None:
    axes = axes_of_index(e.params["index"], e.inputs[0].aval.shape)
    return axes[0].start if axes and len(axes) == 1 and not axes[0].kept else None


class _Groups:
    """Vectors that are unpacked together or not at all."""

    def __init__(self) -> None:
        self.parent: dict[Var, Var] = {}
        self.gain: dict[Var, float] = {}
        self.reason: set[Var] = set()

    def of(self, v: Var) -> Var:
        """The representative of the group of a vector."""
        root = v
        while self.parent.setdefault(root, root) is not root:
            root = self.parent[root]
        while self.parent[v] is not root:
            self.parent[v], v = root, self.parent[v]
        return root

    def join(self, vectors: Sequence[Var], gain: float, reason: bool) -> None:
        """Put vectors into one group, which is worth so much more."""
        roots = [self.of(v) for v in vectors]
        first = roots[0]
        for other in roots[1:]:
            other, first = self.of(other), self.of(first)
            if other is not first:
                self.parent[other] = first
                self.gain[first] = self.gain.get(first, 0.0) + self.gain.pop(other, 0.0)
                if other in self.reason:
                    self.reason.add(first)
        first = self.of(first)
        self.gain[first] = self.gain.get(first, 0.0) + gain
        if reason:
            self.reason.add(first)

    def chosen(self) -> set[Var]:
        """The vectors to be unpacked."""
        good = {v for v, gain in self.gain.items() if gain > 0 and v in self.reason}
        return {v for v in self.parent if self.of(v) in good}


def _vectors(atoms: Iterable[Atom]) -> list[Var]:
    return [a for a in atoms if isinstance(a, Var) and _is_small(a)]


def _grouped(program: Program) -> _Groups:
    groups = _Groups()
    for e in program.equations:
        found = _vectors((*e.inputs, *e.outputs))
        if not found:
            continue
        name = e.primitive.name
        if _opens(e):
            n = found[0].aval.shape[0]
            made = name in ("stack", "getitem", "scatter_sum")
            if name == "stack":
                gain = _STACK
            elif name == "getitem":
                gain = _INDEX
            elif name == "scatter_sum":
                gain = _STACK + 2 * _INDEX * len(e.inputs) - _NUMBER * len(e.inputs)
            else:
                gain = 1.0 - n * _NUMBER
            groups.join(found, gain, made)
        else:
            for v in found:
                groups.join([v], -_OTHER, False)
    for v in _vectors(dict.fromkeys(program.outputs)):
        groups.join([v], -_STACK, False)
    for v in program.inputs:
        if v in groups.parent and _is_small(v):
            groups.join([v], -_INDEX * v.aval.shape[0], False)
    return groups


@everywhere
def unpack_small_vectors(program: Program) -> Program:
    """The same program with numbers in the place of small vectors, where that is less work."""
    chosen = _grouped(program).chosen()
    if not chosen:
        return program
    needed = set(program.outputs)
    for e in program.equations:
        if not _opens(e):
            needed.update(e.inputs)
    elements: dict[Atom, list[Atom]] = {}

    def numbers(r: Rewriter, x: Atom, e: Equation) -> list[Atom]:
        found = elements.get(x)
        if found is None:
            n = x.aval.shape[0]
            value = r.values.get(x)  # type: ignore[arg-type]
            if value is not None:
                found = [Literal(value[i]) for i in range(n)]
            else:
                found = [
                    r.emit(getitem_p, [r.read(x)], {"index": (i,)}, e.source)[0] for i in range(n)
                ]
            elements[x] = found
        return found

    def rule(r: Rewriter, e: Equation, inputs: Sequence[Atom]) -> Found:
        if chosen.isdisjoint((*e.inputs, *e.outputs)) or not _opens(e):
            return None
        name = e.primitive.name
        # The elements are known by the names of the old program.
        parts = [numbers(r, a, e) if a in chosen else r.read(a) for a in e.inputs]
        if name == "getitem":
            return [parts[0][_int_of(e)]]  # type: ignore[index]
        if name == "reduce_sum":
            return [_sum(r, parts[0], e)]  # type: ignore[arg-type]
        out = e.outputs[0]
        n = out.aval.shape[0]
        if name == "stack":
            found = list(parts)
        elif name == "scatter_sum":
            found = _scattered(r, e, parts)  # type: ignore[arg-type]
        else:
            found = [
                r.emit(
                    e.primitive,
                    [p[i] if type(p) is list else p for p in parts],  # type: ignore[misc]
                    e.params,
                    e.source,
                )[0]
                for i in range(n)
            ]
        elements[out] = found  # type: ignore[assignment]
        if out in needed:
            return r.emit(stack_p, found, {"axis": 0}, e.source)  # type: ignore[arg-type]
        return [out]  # nothing reads it any more

    return Rewriter(program).run(rule)


def _sum(r: Rewriter, parts: Sequence[Atom], e: Equation) -> Atom:
    """One after the other, which is NumPy's order for fewer than eight, and from the same start."""
    total = parts[0]
    for x in parts[1:]:
        total = r.emit(add_p, [total, x], {}, e.source)[0]
    if not _KEEPS_ZERO:
        total = r.emit(add_p, [total, Literal(0.0)], {}, e.source)[0]
    return total


def _scattered(r: Rewriter, e: Equation, cts: Sequence[Atom]) -> list[Any]:
    """The sums that belong to the elements. What is added to zeros is never -0.0."""
    found: list[Any] = [None] * e.params["shape"][0]
    places = _number_places(e)
    assert places is not None
    for at, ct in zip(places, cts, strict=True):
        found[at] = ct if found[at] is None else r.emit(add_p, [found[at], ct], {}, e.source)[0]
    for i, x in enumerate(found):
        if x is None:
            found[i] = Literal(np.float64(0.0))
        elif i != places[0]:
            found[i] = r.emit(add_p, [x, Literal(0.0)], {}, e.source)[0]
    return found
