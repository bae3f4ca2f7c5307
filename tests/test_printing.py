"""Golden programs: what a person reads must not change unnoticed."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Equation, Literal, Primitive, Program, ShapedArray, Var

X = np.ones(3)
F64 = np.dtype(np.float64)


def loss(params: Any, x: Any, y: Any) -> Any:
    """Mean square error of a layer."""
    h = np.tanh(x @ params["W"] + params["b"])
    return np.mean((h - y) ** 2)


PARAMS = {"W": np.ones((4, 2)), "b": np.ones(2)}

GOLDEN: list[tuple[Any, tuple[Any, ...], str]] = [
    (
        lambda x, y: np.sum(np.sin(x) * y),
        (X, 2.0),
        """\
        program (a: f64[3], b: f64*[]) -> (f64[]) {
          c: f64[3] = sin a
          d: f64[3] = mul c b
          e: f64[]  = reduce_sum[axes=(0,)] d
          return e
        }""",
    ),
    (
        lambda x: x,
        (X,),
        """\
        program (a: f64[3]) -> (f64[3]) {
          return a
        }""",
    ),
    (
        lambda: (1.0, True),
        (),
        """\
        program () -> (f64*[], bool[]) {
          return 1.0, True
        }""",
    ),
    (
        lambda x: x * np.arange(3.0) + 2.0 - np.float32(0.5),
        (X.astype(np.float32),),
        """\
        program [b: f64[3]] (a: f32[3]) -> (f64[3]) {
          c: f64[3] = mul a b
          d: f64[3] = add c 2.0
          e: f64[3] = sub d 0.5
          return e
        }""",
    ),
    (
        loss,
        (PARAMS, np.ones((5, 4)), np.ones((5, 2))),
        """\
        program (a: f64[4,2], b: f64[2], c: f64[5,4], d: f64[5,2]) -> (f64[]) {
          e: f64[5,2] = matmul c a
          f: f64[5,2] = add e b
          g: f64[5,2] = tanh f
          h: f64[5,2] = sub g d
          i: f64[5,2] = pow h 2
          j: f64[]    = mean[axes=(0, 1)] i
          return j
        }""",
    ),
    (
        lambda x: np.linalg.slogdet(x),
        (np.eye(2),),
        """\
        program (a: f64[2,2]) -> (f64[], f64[]) {
          b: f64[], c: f64[] = slogdet a
          return b, c
        }""",
    ),
    (
        lambda x: (x > 0, x.astype(np.float32), x[1:], x[None, 0]),
        (X,),
        """\
        program (a: f64[3]) -> (bool[3], f32[3], f64[2], f64[1]) {
          b: bool[3] = greater a 0
          c: f32[3]  = astype[dtype=float32] a
          d: f64[2]  = getitem[index=(slice(1, None, None),)] a
          e: f64[1]  = getitem[index=(None, 0)] a
          return b, c, d, e
        }""",
    ),
    (
        wg.grad(lambda x: np.sum(x * x)),
        (X,),
        """\
        program [b: f64[3]] (a: f64[3]) -> (f64[3]) {
          c: f64[3] = mul a a
          d: f64[]  = reduce_sum[axes=(0,)] c
          e: f64[3] = mul b a
          f: f64[3] = mul b a
          g: f64[3] = add e f
          return g
        }""",
    ),
    (
        lambda x, t: wg.jvp(np.sin, (x,), (t,)),
        (X, X),
        """\
        program (a: f64[3], b: f64[3]) -> (f64[3], f64[3]) {
          c: f64[3] = sin a
          d: f64[3] = cos a
          e: f64[3] = mul b d
          return c, e
        }""",
    ),
    (
        wg.vmap(lambda x: np.sum(np.exp(x))),
        (np.ones((2, 3)),),
        """\
        program (a: f64[2,3]) -> (f64[2]) {
          b: f64[2,3] = exp a
          c: f64[2]   = reduce_sum[axes=(1,)] b
          return c
        }""",
    ),
]


@pytest.mark.parametrize(("fun", "args", "text"), GOLDEN, ids=range(len(GOLDEN)))
def test_golden(fun: Any, args: tuple[Any, ...], text: str) -> None:
    program = wg.make_program(fun)(*args)
    assert str(program) == repr(program) == program.pretty() == dedent(text)


def test_names_after_z() -> None:
    def f(x: Any) -> Any:
        for _ in range(60):
            x = np.sin(x)
        return x

    lines = str(wg.make_program(f)(1.0)).splitlines()
    assert lines[0] == "program (a: f64*[]) -> (f64[]) {"
    assert lines[1] == "  b:  f64[] = sin a"
    assert lines[26] == "  aa: f64[] = sin z"
    assert lines[27] == "  ab: f64[] = sin aa"
    assert lines[52] == "  ba: f64[] = sin az"
    assert lines[-2] == "  return bi"


def test_source_lines_stand_in_one_column() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return np.sum(y * x)

    text = wg.make_program(f)(X).pretty(source=True)
    marks = [line.index("# test_printing.py:") for line in text.splitlines()[1:-2]]
    assert len(marks) == 3
    assert len(set(marks)) == 1
    assert "(f): y = np.sin(x)" in text
    assert "(f): return np.sum(y * x)" in text
    assert "# test_printing" not in str(wg.make_program(f)(X))


def test_parameters_that_are_programs_stand_below_the_equation() -> None:
    inner = wg.make_program(np.sin)(1.0)
    a, b = Var(ShapedArray((), F64)), Var(ShapedArray((), F64))
    equation = Equation(Primitive.registry["cos"], [a], [b], {"body": inner, "times": 3})
    assert str(Program([a], [equation], [b])) == dedent(
        """\
        program (a: f64[]) -> (f64[]) {
          b: f64[] = cos[times=3] a
            body: program (a: f64*[]) -> (f64[]) {
              b: f64[] = sin a
              return b
            }
          return b
        }"""
    )


def test_loops() -> None:
    def decay(k: Any, x: Any) -> Any:
        return wg.scan(lambda c, a: (np.sin(c * k) + a, c), 0.0, x)[0]

    assert str(wg.make_program(decay)(1.0, X)) == dedent(
        """\
        program (a: f64*[], b: f64[3]) -> (f64[]) {
          c: f64[], d: f64[3] = scan[n_consts=1, n_carry=1, length=3, reverse=False] a 0.0 b
            body: program (a: f64*[], b: f64[], c: f64[]) -> (f64[], f64[]) {
              d: f64[] = mul b a
              e: f64[] = sin d
              f: f64[] = add e c
              return f, b
            }
          return c
        }"""
    )
    power = lambda n, x: wg.fori_loop(0, n, lambda i, c: c * x, 1.0)
    assert str(wg.make_program(power)(2, 2.0)) == dedent(
        """\
        program (a: i64*[], b: f64*[]) -> (f64[]) {
          c: i64[], d: f64[] = while[n_condition=1, n_body=1] a b 0 1.0
            condition: program (a: i64*[], b: i64[], c: f64[]) -> (bool[]) {
              d: bool[] = less b a
              return d
            }
            body: program (a: f64*[], b: i64[], c: f64[]) -> (i64[], f64[]) {
              d: i64[] = add b 1
              e: f64[] = mul c a
              return d, e
            }
          return d
        }"""
    )


def test_branches() -> None:
    def f(p: Any, x: Any) -> Any:
        return wg.cond(p, np.log, lambda x: 2.0 * x, x)

    assert str(wg.make_program(wg.grad(f, 1))(True, np.float64(1.0))) == dedent(
        """\
        program (a: bool[], b: f64[]) -> (f64[]) {
          c: f64[] = cond a b
            branches[0]: program (a: f64[]) -> (f64[]) {
              b: f64[] = mul 2.0 a
              return b
            }
            branches[1]: program (a: f64[]) -> (f64[]) {
              b: f64[] = log a
              return b
            }
          d: f64[] = cond a b 1.0
            branches[0]: program (a: f64[], b: f64[]) -> (f64[]) {
              c: f64[] = mul b 2.0
              return c
            }
            branches[1]: program (a: f64[], b: f64[]) -> (f64[]) {
              c: f64[] = div 1.0 a
              d: f64[] = mul b c
              return d
            }
          return d
        }"""
    )


def test_a_program_that_is_held_twice_is_printed_once() -> None:
    def f(x: Any) -> Any:
        return wg.while_loop(lambda c: c < 10.0, lambda c: c * c, x)

    assert str(wg.make_program(wg.grad(f))(np.float64(1.0))) == dedent(
        """\
        program (a: f64[]) -> (f64[]) {
          b: f64[] = while[n_condition=0, n_body=0] a
            condition: #1 program (a: f64[]) -> (bool[]) {
              b: bool[] = less a 10.0
              return b
            }
            body: #2 program (a: f64[]) -> (f64[]) {
              b: f64[] = mul a a
              return b
            }
          c: f64[] = pullback[of=while, active=(True,), n_condition=0, n_body=0] a 1.0
            condition: #1
            body: #2
          return c
        }"""
    )


def test_many_results_do_not_push_the_types_to_the_right() -> None:
    a = Var(ShapedArray((2, 2), F64))
    b, c = Var(ShapedArray((), F64)), Var(ShapedArray((), F64))
    d = Var(ShapedArray((), F64))
    slogdet, add = Primitive.registry["slogdet"], Primitive.registry["add"]
    program = Program(
        [a], [Equation(slogdet, [a], [b, c], {}), Equation(add, [b, Literal(1)], [d], {})], [d]
    )
    assert str(program).splitlines()[1:3] == [
        "  b: f64[], c: f64[] = slogdet a",
        "  d: f64[] = add b 1",
    ]


def test_complex_bool_and_integer_literals() -> None:
    program = wg.make_program(lambda x: (x * 1j + np.complex64(2), x * True, x - np.int8(3)))(1.0)
    text = str(program)
    assert "mul a 1j" in text
    assert "add b (2+0j)" in text
    assert "mul a True" in text
    assert "sub a 3" in text


def test_nan_and_inf_literals() -> None:
    text = str(wg.make_program(lambda x: x * np.inf + np.nan)(1.0))
    assert "mul a inf" in text
    assert "add b nan" in text
