"""Programs: calling, evaluating, pickling, type-checking, and their use as functions."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import (
    Equation,
    Literal,
    Primitive,
    Program,
    ShapedArray,
    Var,
    check_program,
    evaluate,
)
from wengert.core.aval import aval_of
from wengert.core.errors import ProgramTypeError, ShapeError, TreeError

F64 = np.dtype(np.float64)
VECTOR = ShapedArray((3,), F64)
SCALAR = ShapedArray((), F64)
X = np.array([0.1, 0.2, 0.3])


def op(name: str, inputs: list[Any], outputs: list[Var], **params: Any) -> Equation:
    """An equation by the name of its primitive."""
    return Equation(Primitive.registry[name], inputs, outputs, params)


def net(params: Any, x: Any) -> Any:
    """A small network."""
    h = np.tanh(x @ params["W"] + params["b"])
    return {"mean": np.mean(h**2), "out": h}


PARAMS = {"W": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.array([0.5, -0.5])}


def test_calling_a_program_keeps_trees() -> None:
    program = wg.make_program(net)(PARAMS, X)
    found, due = program(PARAMS, X), net(PARAMS, X)
    assert list(found) == ["mean", "out"]
    np.testing.assert_array_equal(found["out"], due["out"])
    assert found["mean"] == due["mean"]
    assert type(found["mean"]) is np.float64


def test_calling_a_program_with_other_values() -> None:
    program = wg.make_program(lambda x, y: x * y + 1.0)(1.0, 2.0)
    assert program(3.0, 4.0) == 13.0


def test_calling_checks_structure_and_shapes() -> None:
    program = wg.make_program(net)(PARAMS, X)
    with pytest.raises(TreeError, match="program net: the structure of the arguments is not that"):
        program({"W": PARAMS["W"]}, X)
    with pytest.raises(ShapeError, match=r"argument \[0\]\['b'\] has another shape") as info:
        program({**PARAMS, "b": np.zeros(3)}, X)
    assert "f64[3]" in str(info.value)
    assert "f64[2]" in str(info.value)


def test_evaluate_takes_and_gives_flat_values() -> None:
    program = wg.make_program(lambda x: (np.sin(x), 2.0 * x))(0.5)
    assert evaluate(program, 0.5) == [np.sin(0.5), 1.0]
    with pytest.raises(ValueError, match="zip"):
        evaluate(program, 0.5, 0.5)


def test_a_program_keeps_names_and_types() -> None:
    program = wg.make_program(net)(PARAMS, X)
    assert program.name == program.__name__ == "net"
    assert program.in_avals == (
        ShapedArray((3, 2), F64),
        ShapedArray((2,), F64),
        VECTOR,
    )
    assert program.out_avals == (SCALAR, ShapedArray((2,), F64))
    assert all(e.source is not None for e in program.equations)
    assert "np.tanh" in program.equations[-4].source.text or any(
        "np.tanh" in e.source.text for e in program.equations
    )


def test_arrays_closed_over_become_constants_and_numbers_literals() -> None:
    table = np.array([1.0, 2.0, 3.0])
    program = wg.make_program(lambda x: x * table + table - 4.0 * np.float64(2.0))(X)
    assert len(program.constants) == 1
    np.testing.assert_array_equal(program.constants[0][1], table)
    assert not np.shares_memory(program.constants[0][1], table)
    literals = [a for e in program.equations for a in e.inputs if isinstance(a, Literal)]
    assert [a.value for a in literals] == [8.0]
    np.testing.assert_array_equal(program(X), X * table + table - 8.0)


def test_two_equal_arrays_are_two_constants() -> None:
    program = wg.make_program(lambda x: x + np.ones(3) + np.ones(3))(X)
    assert len(program.constants) == 2
    np.testing.assert_array_equal(program(X), X + 2)


def test_temporary_arrays_do_not_share_a_constant() -> None:
    def f(x: Any) -> Any:
        for i in range(20):
            x = x + np.full(3, float(i))  # freed at once, so that its id is used again
        return x

    program = wg.make_program(f)(X)
    assert len(program.constants) == 20
    np.testing.assert_array_equal(program(X), f(X))


def test_zero_dimensional_arrays_are_literals() -> None:
    program = wg.make_program(lambda x: x * np.array(2.0))(X)
    assert program.constants == ()
    np.testing.assert_array_equal(program(X), 2 * X)


def test_an_output_may_be_an_input_a_constant_or_a_number() -> None:
    table = np.arange(2.0)
    program = wg.make_program(lambda x: (x, table, 3.0, x))(X)
    assert program.equations == ()
    x, t, three, again = program(X)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(again, X)
    np.testing.assert_array_equal(t, table)
    assert three == 3.0
    check_program(program)


def test_pickling_round_trip() -> None:
    table = np.array([1.0, 2.0, 3.0])
    program = wg.make_program(lambda x: {"y": np.sum(np.sin(x)[1:] * table[1:]), "x": x})(X)
    again = pickle.loads(pickle.dumps(program))
    assert repr(again) == repr(program)
    check_program(again)
    first, second = program(X), again(X)
    assert first["y"] == second["y"]
    np.testing.assert_array_equal(first["x"], second["x"])
    np.testing.assert_array_equal(
        wg.grad(lambda x: again(x)["y"])(X), wg.grad(lambda x: program(x)["y"])(X)
    )


@pytest.mark.parametrize(
    "fun",
    [
        lambda x: np.where(x > 0.2, x, -x)[np.array([0, 2])],
        lambda x: np.concatenate([x, np.flip(x)]).reshape(2, 3).T,
        lambda x: np.einsum("i,j->ij", x, x)[..., None],
        lambda x: np.sort(x)[:2].astype(np.float32),
        lambda x: np.linalg.slogdet(np.outer(x, x) + np.eye(3)),
    ],
)
def test_pickling_keeps_parameters(fun: Any) -> None:
    program = wg.make_program(fun)(X)
    again = pickle.loads(pickle.dumps(program))
    assert repr(again) == repr(program)
    for a, b in zip(wg.tree.leaves(again(X)), wg.tree.leaves(fun(X)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_deepcopy() -> None:
    program = wg.make_program(lambda x: np.sin(x) * 2.0)(X)
    again = copy.deepcopy(program)
    assert again is not program
    np.testing.assert_array_equal(again(X), program(X))


def test_primitives_pickle_by_name() -> None:
    sin = Primitive.registry["sin"]
    assert pickle.loads(pickle.dumps(sin)) is sin


def test_a_program_goes_back_to_any_transform() -> None:
    program = wg.make_program(lambda x: np.sum(np.sin(x) * x))(X)
    gradient = np.cos(X) * X + np.sin(X)
    np.testing.assert_allclose(wg.grad(program)(X), gradient)
    y, y_dot = wg.jvp(program, (X,), (np.ones(3),))
    assert y == program(X)
    np.testing.assert_allclose(y_dot, gradient.sum())
    np.testing.assert_allclose(wg.vjp(program, X)[1](2.0)[0], 2 * gradient)
    np.testing.assert_allclose(wg.linearize(program, X)[1](np.ones(3)), gradient.sum())
    batch = np.stack([X, 2 * X])
    np.testing.assert_allclose(wg.vmap(program)(batch), [program(X), program(2 * X)])
    np.testing.assert_allclose(
        wg.hessian(program)(X), np.diag(2 * np.cos(X) - X * np.sin(X)), atol=1e-15
    )


def test_a_program_of_a_program_is_the_same_program() -> None:
    program = wg.make_program(lambda x: np.sum(np.sin(x) * x))(X)
    assert repr(wg.make_program(program)(X)) == repr(program)


def test_a_program_of_a_gradient_is_a_gradient() -> None:
    program = wg.make_program(wg.grad(lambda x: np.sum(x**3)))(X)
    check_program(program)
    np.testing.assert_allclose(program(X), 3 * X**2)
    np.testing.assert_allclose(wg.jacobian(program)(X), np.diag(6 * X))


def test_programs_written_by_hand() -> None:
    a, b, c = Var(VECTOR), Var(VECTOR), Var(SCALAR)
    program = Program(
        [a], [op("sin", [a], [b]), op("reduce_sum", [b], [c], axes=(0,))], [c], name="hand"
    )
    check_program(program)
    assert program(X) == (np.sum(np.sin(X)),)
    np.testing.assert_array_equal(wg.grad(lambda x: program(x)[0])(X), np.cos(X))


# Type-checking: each kind of fault, with the faulty equation shown among its neighbours.


def refused(program: Program, what: str, marked: str) -> str:
    """The message of the ProgramTypeError; `marked` is the line that it points at."""
    with pytest.raises(ProgramTypeError, match=what) as info:
        check_program(program)
    message = str(info.value)
    pointed = [line for line in message.splitlines() if "-->" in line]
    assert len(pointed) == 1
    assert marked in pointed[0]
    return message


def test_check_program_accepts_what_tracing_makes() -> None:
    for fun in (net, wg.value_and_grad(lambda p, x: net(p, x)["mean"])):
        check_program(wg.make_program(fun)(PARAMS, X))


def test_a_variable_used_before_it_is_assigned() -> None:
    a, b, c, d = Var(VECTOR), Var(VECTOR), Var(VECTOR), Var(VECTOR)
    program = Program([a], [op("sin", [a], [b]), op("mul", [b, c], [d])], [d])
    message = refused(program, "used before it is assigned, in equation 2 of 2", "= mul")
    assert "sin" in message  # its neighbour


def test_an_output_that_is_never_assigned() -> None:
    a, b, c = Var(VECTOR), Var(VECTOR), Var(VECTOR)
    program = Program([a], [op("sin", [a], [b])], [c])
    with pytest.raises(ProgramTypeError, match="used before it is assigned"):
        check_program(program)


def test_a_variable_assigned_twice() -> None:
    a, b = Var(VECTOR), Var(VECTOR)
    program = Program([a], [op("sin", [a], [b]), op("cos", [a], [b])], [b])
    refused(program, "assigned twice, in equation 2 of 2", "= cos")


def test_an_input_assigned_again() -> None:
    a = Var(VECTOR)
    refused(Program([a], [op("sin", [a], [a])], [a]), "assigned twice", "= sin")


def test_an_input_given_twice() -> None:
    a = Var(VECTOR)
    with pytest.raises(ProgramTypeError, match="assigned twice"):
        check_program(Program([a, a], [], [a]))


def test_a_result_of_the_wrong_shape() -> None:
    a, b = Var(VECTOR), Var(SCALAR)
    message = refused(Program([a], [op("sin", [a], [b])], [b]), "'sin' has the wrong type", "sin")
    assert "f64[3]" in message
    assert "f64[]" in message


def test_a_result_of_the_wrong_dtype() -> None:
    a, b = Var(VECTOR), Var(ShapedArray((3,), np.dtype(np.float32)))
    message = refused(Program([a], [op("sin", [a], [b])], [b]), "wrong type", "sin")
    assert "f32[3]" in message


def test_too_few_results() -> None:
    a, b = Var(ShapedArray((3, 3), F64)), Var(SCALAR)
    refused(Program([a], [op("slogdet", [a], [b])], [b]), "'slogdet' has the wrong type", "slogdet")


def test_a_constant_of_another_type_than_its_variable() -> None:
    a, b, c = Var(VECTOR), Var(VECTOR), Var(VECTOR)
    program = Program([a], [op("add", [a, b], [c])], [c], [(b, np.zeros(4))])
    with pytest.raises(ProgramTypeError, match="constant"):
        check_program(program)


def test_operands_that_do_not_broadcast() -> None:
    a, b, c = Var(VECTOR), Var(ShapedArray((4,), F64)), Var(VECTOR)
    program = Program([a, b], [op("sin", [a], [Var(VECTOR)]), op("add", [a, b], [c])], [c])
    refused(program, "add", "= add")


def test_only_some_neighbours_are_shown() -> None:
    a = Var(VECTOR)
    chain, equations = a, []
    for _ in range(20):
        nxt = Var(VECTOR)
        equations.append(op("sin", [chain], [nxt]))
        chain = nxt
    equations[10] = op("cos", [equations[10].inputs[0]], [Var(SCALAR)])
    message = refused(Program([a], equations, [chain]), "in equation 11 of 20", "cos")
    assert 5 <= message.count("= sin") <= 7


def test_the_message_names_variables_as_the_program_prints_them() -> None:
    a, b, c, d = Var(VECTOR), Var(VECTOR), Var(VECTOR), Var(SCALAR)
    equations = [op("sin", [a], [c]), op("mul", [c, b], [d])]
    program = Program([a], equations, [d], [(b, np.ones(3))])
    line = repr(program).splitlines()[2].strip()
    assert line == "d: f64[]  = mul c b"
    refused(program, "wrong type", line)


# The parts.


def test_avals_print_as_short_types() -> None:
    assert repr(aval_of(np.zeros((2, 3)))) == "f64[2,3]"
    assert repr(aval_of(1.0)) == "f64*[]"
    assert repr(aval_of(np.complex64(1))) == "c64[]"
    assert repr(aval_of(True)) == "bool[]"
    assert repr(aval_of(np.zeros(2, np.uint8))) == "u8[2]"


def test_avals_compare_and_hash_by_value() -> None:
    assert aval_of(np.zeros(3)) == VECTOR
    assert len({aval_of(np.zeros(3)), VECTOR, aval_of(1.0), SCALAR}) == 3
    assert VECTOR != "f64[3]"


def test_literals_and_variables_have_a_repr() -> None:
    assert repr(Literal(2.0)) == "Literal(2.0)"
    assert Literal(2.0).aval.weak_type
    assert repr(Var(VECTOR)) == "Var(f64[3])"
