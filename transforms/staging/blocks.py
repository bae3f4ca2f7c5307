"""Cache-blocked fusion: elementwise equations on large arrays, run block by block.

`fuse : Program -> Program` puts elementwise equations of one shape together, with the reductions
that end them, into equations `fused` that hold them as a program. Such an equation is run on blocks
of rows that fit the cache, all its operations on one block after the other, in several threads.
Intermediate values exist for one block at a time.

Two equations may be fused if no other equation lies on a way between them: `stages` counts those.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ...core.aval import Array, Shape, ShapedArray
from ...core.ir import Equation, Program, Var, evaluate
from ..control.structured import Structured

__all__ = ["Group", "block_rows", "fuse", "fused_p"]

SMALLEST: Final = 1 << 15
"""Arrays of fewer elements are not worth it."""
_DEFAULT_CACHE: Final = 1 << 20

_REDUCTIONS: Final = {"reduce_sum": np.add, "reduce_max": np.maximum, "reduce_min": np.minimum}


def _run(*args: Array, body: Program, shape: Shape, ends: Sequence[str]) -> tuple[Array, ...]:
    return tuple(evaluate(body, *args))


fused_p = Structured(
    "fused",
    _run,
    shape=lambda *avals, body, shape, ends: body.out_avals,
    batch=lambda size, batched, *args, **params: fused_p.missing("batch", "vmap"),
)
"""Made by the last pass before emission: no transformation meets it."""


class Group(NamedTuple):
    """Where an equation may be fused: its elementwise shape, and its stage."""

    shape: Shape
    stage: int


def fuse(program: Program) -> Program:
    """The same program with large elementwise equations put together."""
    groups = _groups(program)
    members: dict[Group, list[Equation]] = {}
    for e, group in groups.items():
        if group is not None:
            members.setdefault(group, []).append(e)
    worth = {g for g, es in members.items() if len(es) > 1}
    if not worth:
        return program
    fused = {g: _fused(program, g, members[g]) for g in worth}
    units: list[Equation] = []
    placed: set[Group] = set()
    last = {id(members[g][-1]): g for g in worth}
    del placed
    for e in program.equations:
        group = groups[e]
        if group not in worth:
            units.append(e)
        elif id(e) in last:
            units.append(fused[group])
    return Program(
        program.inputs,
        _in_order(program, units),
        program.outputs,
        program.constants,
        name=program.name,
        in_tree=program.in_tree,
        out_tree=program.out_tree,
    )


def _element_shape(e: Equation) -> Shape | None:
    """The shape of the elements that an equation works on one by one, if it is large enough."""
    if e.primitive.multiple_results:
        return None
    out = e.outputs[0].aval
    if e.primitive.elementwise:
        shape = out.shape
    elif e.primitive.name in _REDUCTIONS and not set(e.params) - {"axes", "keepdims"}:
        shape = e.inputs[0].aval.shape
        if e.inputs[0].aval.dtype != out.dtype:
            return None
    else:
        return None
    size = ShapedArray(shape, out.dtype).size
    row = size // shape[0] if shape and shape[0] else 0
    return shape if size >= SMALLEST and shape[0] > 1 and row * 8 <= _cache_size() // 16 else None


def _groups(program: Program) -> dict[Equation, Group | None]:
    """The group of each equation that may be fused."""
    made: dict[Var, Group | int] = {}
    found: dict[Equation, Group | None] = {}
    for e in program.equations:
        shape = _element_shape(e)
        stage = 0
        for a in e.inputs:
            before = made.get(a) if isinstance(a, Var) else None
            if before is None:
                continue
            if isinstance(before, Group):
                stage = max(stage, before.stage + (before.shape != shape))
            else:
                stage = max(stage, before + 1)
        group = None if shape is None else Group(shape, stage)
        if group is not None and e.primitive.name in _REDUCTIONS:
            inner = e.inputs[0]
            if not isinstance(inner, Var) or made.get(inner) != group:
                group = None  # nothing to end
        found[e] = group
        ends = group is None or e.primitive.name in _REDUCTIONS
        for v in e.outputs:
            made[v] = stage if ends or group is None else group
    return found


def _fused(program: Program, group: Group, equations: Sequence[Equation]) -> Equation:
    """One equation for those of a group."""
    inside = {v for e in equations for v in e.outputs}
    operands: list[Var] = []
    for e in equations:
        for a in e.inputs:
            if isinstance(a, Var) and a not in inside and a not in operands:
                operands.append(a)
    used = {a for a in program.outputs if isinstance(a, Var)}
    mine = set(map(id, equations))
    for e in program.equations:
        if id(e) not in mine:
            used.update([a for a in e.inputs if isinstance(a, Var)])
    makers = [e for e in equations if e.outputs[0] in used]
    body = Program(operands, equations, [e.outputs[0] for e in makers], name="fused")
    ends = tuple([_end(e, group.shape) for e in makers])
    params = {"body": body, "shape": group.shape, "ends": ends}
    return Equation(fused_p, operands, [e.outputs[0] for e in makers], params, equations[-1].source)


def _end(e: Equation, shape: Shape) -> str:
    """What becomes of a block's result: "rows" of the whole, or a part to be reduced further."""
    if e.primitive.elementwise or 0 not in e.params["axes"]:
        return "rows"
    return e.primitive.name


def _in_order(program: Program, units: Sequence[Equation]) -> list[Equation]:
    """The equations in an order in which variables are made before they are used, else as given."""
    maker = {v: i for i, e in enumerate(units) for v in e.outputs}
    needs = [{maker[a] for a in e.inputs if isinstance(a, Var) and a in maker} for e in units]
    users: list[list[int]] = [[] for _ in units]
    for i, before in enumerate(needs):
        for j in before:
            users[j].append(i)
    ready = [i for i, before in enumerate(needs) if not before]
    heapq.heapify(ready)
    missing = [len(before) for before in needs]
    ordered = []
    while ready:
        i = heapq.heappop(ready)
        ordered.append(units[i])
        for j in users[i]:
            missing[j] -= 1
            if not missing[j]:
                heapq.heappush(ready, j)
    return ordered


@cache
def _cache_size() -> int:
    """The bytes of a processor's own second-level cache."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}[text[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return _DEFAULT_CACHE


def block_rows(shape: Shape, arrays: int) -> int:
    """How many rows a block has, so that so many arrays of them fit into half of the cache."""
    row = 8
    for d in shape[1:]:
        row *= d
    rows = _cache_size() // 2 // max(arrays, 1) // row
    low, high = max(1, (1 << 14) // row), max(1, (1 << 18) // row)
    return max(1, min(max(rows, low), high, shape[0]))
