"""`lower : Program -> Program`, in which only plain operations, loops and branches are left.

Wrappers (checkpoint, staged, custom rules, named values) give way to what they hold; derivatives
and batches that wait until values are known are taken of the loop or the branch itself. What cannot
be said so (the transpose of a while loop, whose number of turns is not known) stays one equation
for `control.py`, or becomes a loop in which each state is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import MissingRuleError, WengertError
from ...core.ir import Atom, Equation, Program, Var, evaluate
from ...core.source import Source
from ...core.tracing import Primitive
from ..backward import backward_pass
from ..checkpointing.recomputation import checkpoint_linear_p, checkpoint_p
from ..control.cond import cond_p
from ..control.loops import fori_loop
from ..control.scan_primitive import scan_p
from ..control.structured import Structured, batched_p, pullback_p, pushforward_p
from ..control.subprograms import evaluate_jvp, evaluate_linearized, trace_flat
from ..control.while_loop import while_loop, while_p
from ..custom.custom_apply import custom_call_p
from ..custom.custom_linear import linear_map_p
from .solving import solved

__all__ = ["lower", "pulled", "while_backwards", "without_sources_at"]

_KEPT: Final = (scan_p, cond_p, while_p)
_WRAPPERS: Final = (custom_call_p, linear_map_p, checkpoint_p, checkpoint_linear_p)
_HOLDERS: Final = frozenset(["staged", "checkpoint", "custom_call", "fused"])
"""Those of which a parameter is the program that they stand for."""
_DELAYED: Final = (pushforward_p, pullback_p, batched_p)


def lower(program: Program, within: bool = False) -> Program:
    """The same program of plain operations, scan, cond and while.

    `within`: it is going to be differentiated again, so nothing may stay that only `control.py`
    knows.
    """
    found: dict[Var, Atom] = {}
    constants = list(program.constants)
    equations: list[Equation] = []
    changed = False
    for e in program.equations:
        new = _lowered(e, within)
        inputs = [found.get(a, a) if isinstance(a, Var) else a for a in e.inputs]
        if isinstance(new, Equation):
            changed = changed or new is not e
            equations.append(new.replace(inputs=inputs) if found else new)
            continue
        changed = True
        outputs = _spliced(new, inputs, equations, constants, e.source)
        found.update(zip(e.outputs, outputs, strict=True))
    if not changed:
        return program
    outputs = [found.get(a, a) if isinstance(a, Var) else a for a in program.outputs]
    return program.replace(equations=equations, outputs=outputs, constants=constants)


def _spliced(
    program: Program,
    inputs: Sequence[Atom],
    equations: list[Equation],
    constants: list[tuple[Var, Array]],
    source: Source | None,
) -> list[Atom]:
    """Put the equations of a program in the place of one, with new variables."""
    of: dict[Var, Atom] = dict(zip(program.inputs, inputs, strict=True))
    for v, value in program.constants:
        new = Var(v.aval)
        of[v] = new
        constants.append((new, value))
    for e in program.equations:
        outputs = [Var(v.aval) for v in e.outputs]
        args = [of[a] if isinstance(a, Var) else a for a in e.inputs]
        of.update(zip(e.outputs, outputs, strict=True))
        equations.append(
            Equation(e.primitive, args, outputs, e.params, source if e.source is None else e.source)
        )
    return [of[a] if isinstance(a, Var) else a for a in program.outputs]


def without_sources_at(program: Program, caller: Source | None) -> Program:
    """The program without the lines that are where the text was asked for."""
    if caller is None:
        return program
    key = (caller.code, caller.line)
    equations = []
    for e in program.equations:
        params: dict[str, Any] = {
            k: without_sources_at(v, caller) if isinstance(v, Program) else v
            for k, v in e.params.items()
        }
        if e.primitive is cond_p:
            params["branches"] = tuple([without_sources_at(b, caller) for b in params["branches"]])
        source = e.source
        if source is not None and (source.code, source.line) == key:
            source = None
        equations.append(Equation(e.primitive, e.inputs, e.outputs, params, source))
    return program.replace(equations=equations)


def _lowered(e: Equation, within: bool) -> Equation | Program:
    """The equation, or the program that it stands for."""
    primitive, params = e.primitive, e.params
    avals = [a.aval for a in e.inputs]
    if primitive in (scan_p, while_p):
        new = {k: lower(v, within) if isinstance(v, Program) else v for k, v in params.items()}
        return e.replace(params=new)
    if primitive is cond_p:
        return e.replace(params={**params, "branches": tuple([
            lower(b, within) for b in params["branches"]
        ])})  # fmt: skip
    if primitive in _DELAYED:
        return _taken_now(e, avals, within)
    if within:  # custom rules still count
        return e
    if primitive.name in ("linear_solve", "root"):
        program = solved(e, avals)
        return e if program is None else lower(program)
    if isinstance(primitive, Structured) or primitive in _WRAPPERS:
        held = _held(params) if primitive.name in _HOLDERS else None
        if held is not None and len(held.inputs) == len(avals):
            return lower(held, within)
        try:
            found = trace_flat(primitive.name, lambda *xs: primitive.impl(*xs, **params), avals)
        except WengertError as error:
            raise _needs_values(e, primitive) from error
        if any([inner.primitive is primitive for inner in found.equations]):
            raise _needs_values(e, primitive)
        return lower(found, within)
    return e


def _needs_values(e: Equation, primitive: Primitive) -> MissingRuleError:
    return MissingRuleError(
        f"{primitive.name!r} needs values while it runs: it has no NumPy text and no formula.",
        got=repr(e).splitlines()[0][:200],
        fix="write the loop with wg.while_loop, or compute this part outside",
        source=e.source,
    )


def _held(params: Any) -> Program | None:
    """The program of a wrapper: among its parameters, or that of a staged function."""
    for value in params.values():
        if isinstance(value, Program):
            return value
        program = getattr(value, "program", None)
        if isinstance(program, Program):
            return program
    return None


def _taken_now(e: Equation, avals: Sequence[ShapedArray], within: bool) -> Equation | Program:
    """A derivative or a batch of a loop or a branch, taken of its program."""
    primitive, params = e.primitive, e.params
    of, inner = params["of"], params["params"]
    if primitive is batched_p:
        return lower(_lanes(e, avals), within)
    if primitive is pullback_p and of is while_p:
        if not within:
            return e.replace(params={**params, "params": {
                k: lower(v, True) if isinstance(v, Program) else v for k, v in inner.items()
            }})  # fmt: skip
        return lower(while_backwards(e, avals), within)
    n = len(params["active"])
    run: Callable[..., Any] = lambda *xs: of.bind(*xs, **inner)
    if of not in _KEPT:
        of_program = lower(_alone(of, inner, avals[:n]), True)
        run = lambda *xs: evaluate(of_program, *xs)
    if primitive is pushforward_p:
        found = trace_flat(of.name, lambda *xs: _pushed(run, xs, params["active"]), avals)
    else:
        found = trace_flat(of.name, lambda *xs: pulled(run, xs, params["active"]), avals)
    if any([x.primitive is primitive and x.params["of"] is of for x in found.equations]):
        raise _needs_values(e, of)
    return lower(found, within)


def _alone(of: Primitive, params: Any, avals: Sequence[ShapedArray]) -> Program:
    """The program of one equation."""
    assert of.shape is not None
    inputs = [Var(a) for a in avals]
    due = of.shape(*avals, **params)
    outputs = [Var(a) for a in (due if of.multiple_results else (due,))]
    return Program(inputs, [Equation(of, inputs, outputs, params)], outputs, name=of.name)


def _inexact(ys: Sequence[Array]) -> list[int]:
    return [i for i, y in enumerate(ys) if aval_of(y).dtype.kind in "fc"]


def _pushed(run: Callable[..., Any], args: Sequence[Array], active: Sequence[bool]) -> list[Array]:
    n = len(active)
    ys, dots = evaluate_jvp("pushforward", run, args[:n], active, args[n:])
    return [_or_zero(dots[i], ys[i]) for i in _inexact(ys)]


def _or_zero(t: Array | None, y: Array) -> Array:
    return np.zeros(aval_of(y).shape, aval_of(y).dtype) if t is None else t


def pulled(run: Callable[..., Any], args: Sequence[Array], active: Sequence[bool]) -> list[Array]:
    """The cotangents of active operands, from operands and cotangents of results."""
    n = len(active)
    ys, tape, indices = evaluate_linearized("pullback", run, args[:n], active)
    kept = [indices[i] for i in _inexact(ys)]
    avals = [aval_of(x) for x, a in zip(args, active, strict=False) if a]
    return list(backward_pass(tape, len(avals), kept, args[n:], avals, once=True))


def _lanes(e: Equation, avals: Sequence[ShapedArray]) -> Program:
    """A batch as a loop over its members."""
    of, inner = e.params["of"], e.params["params"]
    batched, size = e.params["batched"], e.params["size"]
    order = [i for i, b in enumerate(batched) if not b] + [i for i, b in enumerate(batched) if b]
    lanes = [
        ShapedArray(a.shape[1:], a.dtype) if b else a for a, b in zip(avals, batched, strict=True)
    ]
    one = _alone(of, inner, lanes)
    body = Program([one.inputs[i] for i in order], one.equations, one.outputs, name=of.name)

    def run(*args: Array) -> Any:
        return scan_p.bind(
            *[args[i] for i in order],
            body=body,
            n_consts=len(batched) - sum(batched),
            n_carry=0,
            length=size,
            reverse=False,
        )

    return trace_flat(f"batch of {of.name}", run, avals)


def while_backwards(e: Equation, avals: Sequence[ShapedArray]) -> Program:
    """The transpose of a while loop in which each state is computed again from the first: the turns
    are counted, and then gone through from the last to the first.
    """
    inner, active = e.params["params"], e.params["active"]
    condition, body = inner["condition"], inner["body"]
    k_condition, k_body = inner["n_condition"], inner["n_condition"] + inner["n_body"]
    n = len(active)
    carried = active[k_body:]

    def run(*args: Array) -> Any:
        primals, cts = args[:n], list(args[n:])
        of_condition, of_body = primals[:k_condition], primals[k_condition:k_body]
        start = list(primals[k_body:])

        def step(c: list[Array]) -> list[Array]:
            return list(evaluate(body, *of_body, *c))

        turns = while_loop(
            lambda c: evaluate(condition, *of_condition, *c[1])[0],
            lambda c: [c[0] + 1, step(c[1])],
            [0, start],
        )[0]
        inexact = _inexact(start)
        is_active = [*active[k_condition:k_body], *[i in inexact for i in range(len(start))]]
        sums = [np.zeros(aval_of(x).shape, aval_of(x).dtype) for x, a in zip(
            of_body, active[k_condition:k_body], strict=True) if a]  # fmt: skip

        def back(i: Array, state: Any) -> Any:
            before = fori_loop(0, turns - 1 - i, lambda _, c: step(c), start)
            run_body = lambda *xs: evaluate(body, *xs)
            found = pulled(run_body, [*of_body, *before, *state[1]], is_active)
            m = len(sums)
            return [[a + b for a, b in zip(state[0], found[:m], strict=True)], found[m:]]

        sums, cts = fori_loop(0, turns, back, [sums, cts])
        zeros = [
            np.zeros(aval_of(x).shape, aval_of(x).dtype)
            for x, a in zip(of_condition, active[:k_condition], strict=True)
            if a
        ]
        by_start = dict(zip(inexact, cts, strict=True))
        return [*zeros, *sums, *[by_start[i] for i, a in enumerate(carried) if a]]

    return trace_flat("while backwards", run, avals)
