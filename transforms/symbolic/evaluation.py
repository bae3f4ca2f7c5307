"""Running a program on formulas: `evaluate_formulas : Program, arrays of formulas -> the same`.

Every value is an array of Python objects, which are sympy's. What a primitive does with them is in
`elements.py` and `arrays.py`. A branch becomes a `Piecewise`; loops whose number of turns is known
are gone through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ...core.errors import MissingRuleError
from ...core.ir import Equation, Literal, Program, Var
from ..export.lowering import lower, while_backwards
from .arrays import ARRAYS, fold
from .elements import ELEMENTS
from .extra import sympy
from .numbers import objects
from .values import Formula, NoFormError, broadcast, is_number, plain

__all__ = ["evaluate_formulas"]

_TURNS: Final = 1000


def evaluate_formulas(program: Program, inputs: Sequence[Formula]) -> list[Formula]:
    """The results of a program for formulas."""
    of: dict[Var, Formula] = {v: objects(x) for v, x in program.constants}
    of.update(zip(program.inputs, inputs, strict=True))

    def read(a: Any) -> Formula:
        return objects(a.value) if isinstance(a, Literal) else of[a]

    for e in program.equations:
        try:
            found = _equation(e, [read(a) for a in e.inputs])
        except NoFormError as error:
            raise MissingRuleError(
                f"to_sympy: the operation {e.primitive.name!r} has no symbolic form here.",
                got=f"{repr(e).splitlines()[0][:160]}; {error}",
                fix="leave it out of the function, or differentiate numerically: wg.grad",
                source=e.source,
            ) from None
        of.update(zip(e.outputs, found, strict=True))
    return [read(a) for a in program.outputs]


def _equation(e: Equation, args: list[Formula]) -> list[Formula]:
    name = e.primitive.name
    control = _CONTROL.get(name)
    if control is not None:
        return control(e, args)
    element = ELEMENTS.get(name)
    if element is not None and not e.params:
        found: Any = broadcast(element, args)
        return [np.asarray(found, object)]
    rule = ARRAYS.get(name) or fold(name)
    if rule is not None:
        found = rule(e, args)
        return list(found) if e.primitive.multiple_results else [_as_objects(found)]
    if all([is_number(x) for a in args for x in a.ravel()]):
        return _numbers(e, args)
    raise NoFormError("sympy has no function for it")


def _as_objects(x: Any) -> Formula:
    if isinstance(x, np.ndarray):
        return x if x.dtype == object else objects(x)
    found = np.empty((), object)
    found[()] = x
    return found


def _numbers(e: Equation, args: list[Formula]) -> list[Formula]:
    """The results for plain numbers, as NumPy computes them."""
    given = []
    for a, atom in zip(args, e.inputs, strict=True):
        value = np.array([plain(x) for x in a.ravel()]).reshape(a.shape).astype(atom.aval.dtype)
        given.append(value if a.shape else value[()])
    found = e.primitive.impl(*given, **e.params)
    results = found if e.primitive.multiple_results else (found,)
    return [objects(y) for y in results]


def _cond(e: Equation, args: list[Formula]) -> list[Formula]:
    """A `Piecewise` of the branches."""
    s = sympy()
    index, branches = args[0][()], e.params["branches"]
    if index in (s.true, s.false):
        return evaluate_formulas(branches[int(bool(index))], args[1:])
    if is_number(index):
        k = min(max(int(index), 0), len(branches) - 1)
        return evaluate_formulas(branches[k], args[1:])
    found = [evaluate_formulas(b, args[1:]) for b in branches]
    boolean = e.inputs[0].aval.dtype.kind == "b"

    def choose(*values: Any) -> Any:
        if all([v == values[0] for v in values]):
            return values[0]
        if boolean:
            return s.Piecewise((values[1], index), (values[0], True))
        last = len(values) - 1
        return s.Piecewise(
            *[(v, index <= k) for k, v in enumerate(values[:-1])], (values[last], True)
        )

    return [broadcast(choose, list(column)) for column in zip(*found, strict=True)]


def _scan(e: Equation, args: list[Formula]) -> list[Formula]:
    """The loop, turn by turn."""
    params = e.params
    n, k = params["n_consts"], params["n_consts"] + params["n_carry"]
    consts, carry, stacks = args[:n], args[n:k], args[k:]
    length = params["length"]
    if length > _TURNS:
        raise NoFormError(f"the loop turns {length} times, which is too long for a formula")
    rows: list[list[Formula]] = []
    turns = range(length - 1, -1, -1) if params["reverse"] else range(length)
    for i in turns:
        items = [_as_objects(x[i]) for x in stacks]
        found = evaluate_formulas(params["body"], [*consts, *carry, *items])
        carry = found[: len(carry)]
        rows.append(found[len(carry) :])
    if params["reverse"]:
        rows.reverse()
    results = []
    for j, v in enumerate(e.outputs[len(carry) :]):
        stacked = np.empty(v.aval.shape, object)
        for i, row in enumerate(rows):
            stacked[i] = row[j] if row[j].shape else row[j][()]
        results.append(stacked)
    return [*carry, *results]


def _while(e: Equation, args: list[Formula]) -> list[Formula]:
    """The loop, for conditions that depend on no variable."""
    s = sympy()
    params = e.params
    n = params["n_condition"]
    k = n + params["n_body"]
    carry = args[k:]
    for _ in range(_TURNS):
        going = evaluate_formulas(params["condition"], [*args[:n], *carry])[0][()]
        if going not in (s.true, s.false):
            raise NoFormError(f"how often it turns depends on a variable: while {going}")
        if going == s.false:
            return list(carry)
        carry = evaluate_formulas(params["body"], [*args[n:k], *carry])
    raise NoFormError(f"it turns more than {_TURNS} times, which is too long for a formula")


def _pullback(e: Equation, args: list[Formula]) -> list[Formula]:
    """The transpose of a while loop."""
    program = lower(while_backwards(e, [a.aval for a in e.inputs]))
    return evaluate_formulas(program, args)


_CONTROL: Final[dict[str, Callable[[Equation, list[Formula]], list[Formula]]]] = {
    "cond": _cond,
    "pullback": _pullback,
    "scan": _scan,
    "while": _while,
}
