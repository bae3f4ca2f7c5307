"""Finding repeated equations: where steps begin, how long they are, where operands come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.passes.repeats import LONGEST_LAG, Repeat, Table, find_repeats, templates

X = np.linspace(0.1, 0.9, 64)


def found(fun: Any, *args: Any) -> list[Repeat]:
    """The repetitions in the program of a function."""
    return find_repeats(Table(wg.make_program(fun)(*args)))


def test_steps_and_what_their_operands_do() -> None:
    def fun(x: Any, k: Any) -> Any:
        s = x[0]
        for i in range(60):
            s = np.sin(s) * k + x[i]
        return s

    (one,) = found(fun, X, np.float64(2.0))
    assert (one.start, one.period, one.steps) == (1, 4, 60)
    assert one.stop == 241
    # sin s, mul _ k, getitem x, add _ _
    assert one.fixed.tolist() == [False, False, True, True, False, False]
    assert one.lags.tolist()[0] == 1
    assert one.lags.tolist()[1] == 0


def test_several_loops_and_what_is_between() -> None:
    def fun(x: Any) -> Any:
        s = x[0]
        for _ in range(40):
            s = np.sin(s) * 2.0 + x[1]
        s = np.exp(s)
        for _ in range(50):
            s = np.cos(s) - x[2] / 3.0
        return s

    one, two = found(fun, X)
    assert (one.period, one.steps) == (4, 40)
    assert two.start == one.stop + 1
    assert (two.period, two.steps) == (4, 50)


@pytest.mark.parametrize("lag", [1, 2, 3, LONGEST_LAG])
def test_values_of_some_steps_before(lag: int) -> None:
    def fun(x: Any) -> Any:
        last = [x * k for k in range(lag)]
        for _ in range(120):
            last.append(np.tanh(last[-lag]))
        return last[-1]

    (one,) = found(fun, np.float64(0.5))
    assert one.lags.tolist() == [lag]
    assert one.steps >= 119


def test_values_of_too_many_steps_before_make_no_short_step() -> None:
    def fun(x: Any) -> Any:
        last = [x * k for k in range(LONGEST_LAG + 1)]
        for _ in range(400):
            last.append(np.tanh(last[-LONGEST_LAG - 1]))
        return last[-1]

    assert all([one.period > 1 for one in found(fun, np.float64(0.5))])


def test_every_other_step_another_operation() -> None:
    def fun(x: Any) -> Any:
        for i in range(100):
            x = np.sin(x) * 2.0 if i % 2 else np.cos(x)
        return x

    (one,) = found(fun, np.float64(0.5))
    assert one.period == 3


def test_operands_that_repeat_after_several_rounds() -> None:
    def fun(a: Any, b: Any, c: Any, x: Any) -> Any:
        for i in range(90):
            x = np.sin(x) * (a, b, c)[i % 3]
        return x

    (one,) = found(fun, *[np.float64(v) for v in (1.0, 2.0, 3.0, 0.5)])
    assert one.period == 6


def test_results_of_one_equation_are_told_apart() -> None:
    def fun(x: Any) -> Any:
        a, b = x, x * 2.0
        for i in range(64):
            step = lambda c, _: ((np.sin(c[0]), np.cos(c[1])), None)
            (a, b), _ = wg.scan(step, (a, b) if i < 32 else (b, a), None, 3)
            a, b = a * 2.0, b * 3.0
        return a + b

    for one in found(fun, np.float64(0.5)):
        assert one.steps <= 33


def test_little_is_found_in_little() -> None:
    def chain(n: int) -> Any:
        def fun(x: Any) -> Any:
            for _ in range(n):
                x = np.sin(x) * 2.0
            return x

        return fun

    assert not found(chain(20), 0.5)
    assert not found(lambda x: x, 0.5)
    assert found(chain(100), 0.5)


def test_no_repetition_in_random_code() -> None:
    ops = [np.sin, np.cos, np.tanh, np.exp, np.square, np.negative, np.abs]
    chosen = np.random.default_rng(0).integers(0, len(ops), 2000)

    def fun(x: Any) -> Any:
        for k in chosen:
            x = ops[k](x)
        return x

    assert not found(fun, np.float64(0.5))


def test_templates_of_reads_and_writes() -> None:
    def fun(x: Any) -> Any:
        y = np.copy(x)
        y[3] = x[1:4].sum()
        return y[-1]

    program = wg.make_program(wg.grad(fun))(X)
    indices = {i for e in program.equations for t in templates(e) for i in t if type(i) is int}
    assert {3, -1} & indices
    assert [templates(e) for e in program.equations if e.primitive.name == "mul"] == []
