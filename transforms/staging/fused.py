"""Writing fused equations: a function for one block, and the kernel that calls it.

`write_fused : Scope, Equation, operands -> ()` writes the call. The function's text stands before
that of the program, where a person can read it.

Read next: `kernels.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from ...core.aval import Shape, ShapedArray
from ...core.ir import Atom, Equation, Program, Var
from .blocks import work_of
from .cuts import Cut, End
from .kernels import Block, Kernel
from .sizes import block_rows

if TYPE_CHECKING:
    from .scope import Scope

__all__ = ["write_fused"]


def write_fused(scope: Scope, e: Equation, args: Sequence[str]) -> None:
    """A call of a kernel."""
    writer = scope.writer
    name = writer.names.new("fused")
    kernel, text = _kernel(scope, e, writer.names.new(f"{name}_block"), args)
    writer.functions.append(text)
    writer.globals[name] = kernel
    out = []
    for v, end in zip(e.outputs, e.params["ends"], strict=True):
        place = None if isinstance(end, str) else scope.buffers.take_new(v)
        out.append(f"{place}, ")
    left = "".join([f"{scope.of[v]}, " for v in e.outputs])
    writer.line(f"{left.rstrip()} = {name}({', '.join([*args, ''])}out=({''.join(out).rstrip()}))")


def _kernel(scope: Scope, e: Equation, name: str, args: Sequence[str]) -> tuple[Kernel, str]:
    """What a fused equation does, and the text of its function for a block."""
    plain = [f"x{k}" for k in range(len(args))]
    own = [x if x.isidentifier() else other for x, other in zip(args, plain, strict=True)]
    body, lengths = e.params["body"], e.params["lengths"]
    sizes = [a.aval.size for b in body.equations for a in (*b.inputs, *b.outputs)]
    row = max(sizes) // prod(lengths)
    whole = [end for end in e.params["ends"] if not isinstance(end, str)]
    cut = [cut for cut in e.params["cuts"] if any([i is not None for i in cut])]
    function = _Function(scope, e, name, own, lengths[-1])
    if not function.writer.globals.keys().isdisjoint(own):  # as a function of NumPy is called
        own = plain
    work = sum([work_of(b) for b in body.equations])
    arrays = len(whole) + len(cut) + len(function.writer.keys)
    rows = block_rows(lengths, row, arrays, len(body.equations), work)
    function = _Function(scope, e, name, own, rows)
    left = lengths[-1] % rows
    rest = _Function(scope, e, name, own, left).block() if left else None
    avals = [v.aval for v in e.outputs]
    kernel = Kernel(function.block(), rest, lengths, rows, work, avals, e.params["ends"])
    return kernel, function.text


class _Function:
    """The function of a fused equation for blocks of so many rows."""

    def __init__(
        self, scope: Scope, e: Equation, name: str, args: Sequence[str], rows: int
    ) -> None:
        body, lengths, cuts = e.params["body"], e.params["lengths"], e.params["cuts"]
        ends: Sequence[End] = e.params["ends"]
        self.name = name
        leading = [f"at{k}" for k in range(len(lengths) - 1)]
        writer = self.writer = type(scope.writer)(floats=False)
        for taken in ("first", "last", *leading):
            writer.names.new(taken)
        inputs = [writer.names.new(x) for x in args]
        outs = [writer.names.new(f"out{k}") for k, end in enumerate(ends) if type(end) is tuple]
        of_outs = iter(outs)
        places = {k: next(of_outs) for k, end in enumerate(ends) if type(end) is tuple}
        block = _block_of(body, cuts, rows)
        wanted = {}
        for k, place in places.items():
            v = block.outputs[k]
            if isinstance(v, Var) and block.outputs.count(v) == 1:
                wanted[v] = place
        inner = type(scope)(writer, block, inputs, wanted)
        inner.write()
        for k, place in places.items():
            v = block.outputs[k]
            if v not in inner.placed:
                writer.line(f"{place}[...] = {inner.result(v)}")
        shares = [
            inner.result(v) for v, end in zip(block.outputs, ends, strict=True) if type(end) is str
        ]
        writer.line(f"return ({''.join([f'{x}, ' for x in shares]).rstrip()})")
        taken = ", ".join([f"b{k}" for k in range(len(writer.keys))])
        start = [f"{taken}{',' * (len(writer.keys) == 1)} = buffers"] if taken else []
        of_results = [end for end in ends if type(end) is tuple]
        for x, cut in zip([*inputs, *outs], [*cuts, *of_results], strict=True):
            index = _index(cut)
            if index:
                start.append(f"{x} = {x}[{index}]")
        head = f"def {name}({', '.join(['buffers', 'first', 'last', *leading, *inputs, *outs])}):"
        self.text = "\n".join([head, *[f"    {line}" for line in start], *writer.lines, ""])

    def block(self) -> Block:
        """The function itself."""
        namespace = {"__name__": "wengert.staged", **self.writer.globals}
        exec(compile(self.text, "<staged>", "exec"), namespace)
        return Block(namespace[self.name], self.writer.keys)


def _index(cut: Cut) -> str:
    """The text of an index for a block of an array."""
    if all([axis is None for axis in cut]):
        return ""
    parts = [":"] * (max([axis for axis in cut if axis is not None]) + 1)
    for k, axis in enumerate(cut):
        if axis is not None:
            parts[axis] = "first:last" if k == len(cut) - 1 else f"at{k}:at{k} + 1"
    return ", ".join(parts)


def _block_of(body: Program, cuts: Sequence[Cut], rows: int) -> Program:
    """The program for a block."""
    new: dict[Var, Var] = {}
    for v, cut in zip(body.inputs, cuts, strict=True):
        shape = list(v.aval.shape)
        for k, axis in enumerate(cut):
            if axis is not None:
                shape[axis] = rows if k == len(cut) - 1 else 1
        new[v] = Var(ShapedArray(tuple(shape), v.aval.dtype, v.aval.weak_type))
    equations = []
    for e in body.equations:
        args: list[Atom] = [new[a] if isinstance(a, Var) else a for a in e.inputs]
        params = e.params
        if e.primitive.name in ("reshape", "broadcast_to"):
            shape_of = _reshaped if e.primitive.name == "reshape" else _broadcast
            old = e.inputs[0].aval.shape
            params = {"shape": shape_of(old, args[0].aval.shape, e.outputs[0].aval.shape)}
        assert e.primitive.shape is not None
        out = Var(e.primitive.shape(*[a.aval for a in args], **params))
        new[e.outputs[0]] = out
        equations.append(e.replace(inputs=args, outputs=[out], params=params))
    outputs = [new[v] for v in body.outputs if isinstance(v, Var)]
    return Program([new[v] for v in body.inputs], equations, outputs, name=body.name)


def _reshaped(old: Shape, new: Shape, out: Shape) -> Shape:
    return (new[0], *out[1:])


def _broadcast(old: Shape, new: Shape, out: Shape) -> Shape:
    more = len(out) - len(old)
    cut = [a if a != b else d for a, b, d in zip(new, old, out[more:], strict=True)]
    return (*out[:more], *cut)
