"""Which results depend on which inputs: `flow : Program, sets of inputs -> sets of results`.

The interpreter is for linear programs: those of tangents, which `jvp` gives. The pattern of the
Jacobian of f is what the tangent of f(x) depends on, in the program of `jvp(f)`. So only operations
that are linear need rules, each of which is told the sets of its operands: the pattern of a
composition is the product of patterns, as boolean matrices. A dependency is never missed; without a
sharper rule, each result of an operation depends on all that its operands depend on.

Read next: `movement_rules.py`, `contraction_rules.py` and `control_rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core.aval import Array, Shape, ShapedArray
from ...core.ir import Atom, Equation, Literal, Program, Var
from ...core.tracing import Primitive
from .index_sets import IndexSets, grouped, union

__all__ = [
    "RULES",
    "Flow",
    "Found",
    "Step",
    "all_of_operands",
    "broadcast_places",
    "flow",
    "mixed",
    "pattern_rule",
    "places_of",
    "sets_of_results",
    "spread_axes",
]

KNOWN_LIMIT: Final = 10_000_000
"""Values with more elements are not computed to learn where they are zero."""

PROBE_LIMIT: Final = 4_000_000
"""The matrix of a linear operation without a rule is computed, if it has no more elements."""


class Flow(NamedTuple):
    """What is known of a value: the sets of its elements, None if it depends on nothing; and the
    value itself, where it is the same whatever the inputs are.
    """

    sets: IndexSets | None
    value: Array | None = None


class Step(NamedTuple):
    """An equation, and what is known of its operands."""

    primitive: Primitive
    params: Mapping[str, Any]
    avals: Sequence[ShapedArray]
    out_avals: Sequence[ShapedArray]
    operands: Sequence[Flow]

    @property
    def n(self) -> int:
        """The number of inputs."""
        return next(f.sets.n for f in self.operands if f.sets is not None)

    @property
    def active(self) -> list[int]:
        """The operands that depend on something."""
        return [k for k, f in enumerate(self.operands) if f.sets is not None]

    def sets(self, k: int) -> IndexSets:
        """The sets of an operand that depends on something."""
        found = self.operands[k].sets
        assert found is not None
        return found


Found = Sequence[IndexSets | None]
"""The sets of each result."""

RULES: dict[str, Callable[[Step], Found]] = {}


def pattern_rule(*names: str) -> Callable[[Callable[[Step], Found]], Callable[[Step], Found]]:
    """Register a rule for primitives of these names."""

    def register(rule: Callable[[Step], Found]) -> Callable[[Step], Found]:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return register


def flow(program: Program, inputs: Sequence[Flow]) -> list[Flow]:
    """What the results of a program depend on, from what its inputs depend on."""
    env: dict[Atom, Flow] = {v: Flow(None, x) for v, x in program.constants}
    env.update(zip(program.inputs, inputs, strict=True))
    last = {v: i for i, e in enumerate(program.equations) for v in e.inputs if isinstance(v, Var)}
    kept = set(program.outputs)

    def read(atom: Atom) -> Flow:
        return Flow(None, atom.value) if isinstance(atom, Literal) else env[atom]

    for i, e in enumerate(program.equations):
        operands = [read(a) for a in e.inputs]
        if any([f.sets is not None for f in operands]):
            found = [Flow(sets) for sets in sets_of_results(e, operands)]
        else:
            found = [Flow(None, x) for x in _known_results(e, operands)]
        env.update(zip(e.outputs, found, strict=True))
        for v in {*e.inputs, *e.outputs}:  # sets are large: they go when they are no longer needed
            if isinstance(v, Var) and last.get(v, -1) <= i and v not in kept:
                env.pop(v, None)
    return [read(a) for a in program.outputs]


def _known_results(e: Equation, operands: Sequence[Flow]) -> Sequence[Array | None]:
    values = [f.value for f in operands]
    size = sum([v.aval.size for v in e.outputs])
    if any([v is None for v in values]) or size > KNOWN_LIMIT:
        return [None] * len(e.outputs)
    with np.errstate(all="ignore"):
        y = e.primitive.bind(*values, **e.params)
    return y if e.primitive.multiple_results else [y]


def sets_of_results(e: Equation, operands: Sequence[Flow]) -> Found:
    """The sets of the results of one equation, of which an operand depends on something."""
    step = Step(
        e.primitive, e.params, [a.aval for a in e.inputs], [v.aval for v in e.outputs], operands
    )
    rule = RULES.get(e.primitive.name)
    if rule is not None:
        found = rule(step)
    elif e.primitive.elementwise:
        found = elementwise(step)
    elif e.primitive.multiple_results:
        found = RULES["expanded"](step)
    else:
        matrix = _matrix_of(step)
        found = all_of_operands(step) if matrix is None else [matrix]
    # Integers and bools have no derivative.
    return [
        None if s is None or v.dtype.kind not in "fc" or s.is_empty else s
        for s, v in zip(found, step.out_avals, strict=True)
    ]


# What rules are made of.


def all_of_operands(step: Step) -> list[IndexSets | None]:
    """Each result depends on all that the operands depend on: right for every operation."""
    found = union([step.sets(k).everything(1) for k in step.active])
    return [found.take(np.zeros(v.size, np.intp)) for v in step.out_avals]


def places_of(shape: Shape) -> Array:
    """The number of each element, in the form of the array."""
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def broadcast_places(shape: Shape, out: Shape) -> Array:
    """Which element each one of a broadcast array is."""
    return np.broadcast_to(places_of(shape), out)


def spread_axes(
    sets: IndexSets, shape: Shape, axes: Sequence[int], out: Shape | None = None
) -> IndexSets:
    """Elements that depend on all elements along axes; which may have other lengths in `out`."""
    kept = tuple([1 if i in axes else d for i, d in enumerate(shape)])
    reduced = sets.reduced(shape, axes)
    return reduced.take(broadcast_places(kept, shape if out is None else out))


def mixed(step: Step, k: int, axis: int) -> IndexSets:
    """The sets of an operation that works along one axis."""
    return spread_axes(step.sets(k), step.avals[k].shape, [axis], step.out_avals[0].shape)


def elementwise(step: Step) -> Found:
    """Each element depends on those that are broadcast to its place; zeros that are known count."""
    out = step.out_avals[0].shape
    parts = []
    for k in step.active:
        sets = step.sets(k)
        if step.avals[k].shape != out:
            sets = sets.take(broadcast_places(step.avals[k].shape, out))
        kept = _factor_is_not_zero(step, k)
        parts.append(sets if kept is None else sets.masked(np.broadcast_to(kept, out)))
    return [union(parts)]


def _factor_is_not_zero(step: Step, k: int) -> Array | None:
    """Where an element counts at all, in a product or a choice."""
    name, operands = step.primitive.name, step.operands
    if name == "mul":
        other = operands[1 - k].value
        return None if other is None else np.not_equal(other, 0)
    if name == "where" and k:
        condition = operands[0].value
        if condition is not None:
            return np.asarray(condition, bool) if k == 1 else np.logical_not(condition)
    return None


def _matrix_of(step: Step) -> IndexSets | None:
    """The sets by the matrix of a linear operation, where its other operands are known."""
    primitive, params = step.primitive, step.params
    linear = primitive.linear_in(params)
    out = step.out_avals[0]
    size = sum([step.avals[k].size for k in step.active])
    if primitive.batch is None or size * out.size > PROBE_LIMIT or not size * out.size:
        return None
    if any([k not in linear or step.avals[k].dtype.kind != "f" for k in step.active]):
        return None
    jointly = primitive.linear == "jointly"
    values: list[Any] = [f.value for f in step.operands]
    for k, aval in enumerate(step.avals):
        if values[k] is None:
            if k not in step.active and not (jointly and k in linear):
                return None
            values[k] = np.zeros(aval.shape, aval.dtype)
    parts = []
    for k in step.active:
        aval = step.avals[k]
        if not jointly and len(step.active) > 1:
            return None
        basis = np.eye(aval.size, dtype=aval.dtype).reshape(aval.size, *aval.shape)
        given = [basis if i == k else x for i, x in enumerate(values)]
        flags = [i == k for i in range(len(given))]
        with np.errstate(all="ignore"):
            y = primitive.batch(aval.size, flags, *given, **params)
        rows, members = np.nonzero((np.reshape(y, (aval.size, -1)) != 0).T)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=out.size))])
        parts.append(grouped(step.sets(k), starts, members))
    return union(parts)
