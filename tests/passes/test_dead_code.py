"""Equations and constants that no result needs are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from exactness import applied, names, special

import wengert as wg
from wengert.transforms.passes.dead_code import without_dead_code
from wengert.transforms.passes.rewriting import everywhere


def test_equations_and_constants() -> None:
    def fun(x: Any) -> Any:
        np.cos(x) * np.arange(22.0)
        return np.sin(x)

    program = applied(without_dead_code, fun, special())
    assert names(program) == ["sin"]
    assert program.constants == ()
    assert len(program.inputs) == 1


def test_one_of_several_results_keeps_the_equation() -> None:
    program = applied(without_dead_code, lambda x: np.linalg.eigh(x)[0], np.eye(2))
    assert len(names(program)) == 1


def test_inputs_stay() -> None:
    program = applied(without_dead_code, lambda x, y: y, 1.0, 2.0)
    assert len(program.inputs) == 2
    assert program.equations == ()


def test_inside_of_loops() -> None:
    body = wg.make_program(lambda c, x: (np.sin(c), x))(1.0, 1.0)
    spoiled = body.replace(equations=[*wg.make_program(np.exp)(1.0).equations[:0], *body.equations])

    def fun(xs: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            np.exp(x)
            return np.sin(c), x

        return wg.scan(step, 1.0, xs)

    assert spoiled.equations == body.equations
    program = applied(everywhere(without_dead_code), fun, np.ones(3))
    assert "exp" not in names(program)


def test_nothing_to_do_returns_the_same_program() -> None:
    program = wg.make_program(np.sin)(1.0)
    assert without_dead_code(program) is program
