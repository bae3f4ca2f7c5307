"""What depends on constants alone is computed once, before the run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.core import evaluate
from wengert.core.ir import Equation, Literal, Program, Var
from wengert.core.primitives.elementwise import divide_p, multiply_p, sin_p
from wengert.core.primitives.shaping import broadcast_to_p
from wengert.transforms.passes.constant_folding import LARGE, fold_constants


def constant_program(x: Any, *steps: Any) -> Program:
    """A program without inputs: operations on one constant, one after the other."""
    v = Var(wg.core.aval_of(x))
    equations, last = [], v
    for primitive, others, params in steps:
        out = primitive.shape(last.aval, *[a.aval for a in others], **params)
        y = Var(out)
        equations.append(Equation(primitive, [last, *others], [y], params))
        last = y
    return Program([], equations, [last], [(v, x)])


def test_chains_are_folded() -> None:
    program = constant_program(
        np.array([0.0, 1.0]), (sin_p, [], {}), (multiply_p, [Literal(2.0)], {})
    )
    assert names(applied(fold_constants, program)) == []


def test_numbers() -> None:
    program = wg.make_program(lambda x: x * wg.stop_gradient(3.0))(1.0)
    applied(fold_constants, program, 1.0)


def test_warnings_are_left_for_the_run() -> None:
    program = constant_program(np.array([1.0, 0.0]), (divide_p, [Literal(0.0)], {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fold_constants(program)
    assert names(found) == ["div"]
    with pytest.warns(RuntimeWarning):
        evaluate(found)


def test_large_results_are_left() -> None:
    shape = (LARGE,)
    program = constant_program(
        np.ones(1), (broadcast_to_p, [], {"shape": shape}), (multiply_p, [Literal(2.0)], {})
    )
    assert names(fold_constants(program)) == ["broadcast_to", "mul"]


def test_loops_are_not_run() -> None:
    def fun(x: Any) -> Any:
        return x + wg.while_loop(lambda c: c[0] < 10.0, lambda c: (c[0] + 1.0, c[1]), (0.0, x))[0]

    program = applied(fold_constants, fun, 1.0)
    assert "while" in names(program)


def test_inside_of_loops() -> None:
    def step(c: Any, x: Any) -> Any:
        return c + np.sum(wg.grad(lambda v: np.sum(v * x))(np.ones(2))), None

    program = applied(fold_constants, lambda xs: wg.scan(step, 0.0, xs), special()[:3])
    assert "scan" in names(program)


def test_nothing_to_do_returns_the_same_program() -> None:
    program = wg.make_program(np.sin)(1.0)
    assert fold_constants(program) is program
