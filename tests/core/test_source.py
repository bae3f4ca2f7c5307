"""Source lines, names of functions, and tracebacks without the library's frames."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.source import Source, describe_function, user_source

FILE = Path(__file__).name


def bad(x: Any) -> Any:
    """A function with a fault of the user's own."""
    return np.sin(x) + {}["missing"]


def frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames that the user sees."""
    return list(traceback.extract_tb(error.__traceback__))


def library_frames(error: BaseException) -> list[str]:
    """Those among them that are wengert's or NumPy's."""
    found, tb = [], error.__traceback__
    while tb is not None:
        name = tb.tb_frame.f_globals["__name__"]
        if name.partition(".")[0] in ("wengert", "numpy"):
            found.append(f"{name}:{tb.tb_lineno}")
        tb = tb.tb_next
    return found


CALLS: dict[str, Callable[[], Any]] = {
    "grad": lambda: wg.grad(bad)(1.0),
    "value_and_grad": lambda: wg.value_and_grad(bad)(1.0),
    "jvp": lambda: wg.jvp(bad, (1.0,), (1.0,)),
    "vjp": lambda: wg.vjp(bad, 1.0),
    "linearize": lambda: wg.linearize(bad, 1.0),
    "linear_transpose": lambda: wg.linear_transpose(lambda x: x + {}["missing"], 1.0),
    "vmap": lambda: wg.vmap(bad)(np.ones(2)),
    "jacfwd": lambda: wg.jacfwd(bad)(1.0),
    "jacrev": lambda: wg.jacrev(bad)(1.0),
    "jacobian": lambda: wg.jacobian(bad)(1.0),
    "hessian": lambda: wg.hessian(bad)(1.0),
    "hvp": lambda: wg.hvp(bad, (1.0,), (1.0,)),
    "make_program": lambda: wg.make_program(bad)(1.0),
    "nested": lambda: wg.grad(lambda x: wg.vmap(wg.grad(bad))(x).sum())(np.ones(2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_users_error_is_shown_without_library_frames(name: str) -> None:
    with pytest.raises(KeyError, match="missing") as info:
        CALLS[name]()
    assert library_frames(info.value) == []
    assert 'missing"]' in (frames(info.value)[-1].line or "")


@pytest.mark.parametrize("name", CALLS)
def test_every_frame_is_shown_on_demand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_TRACEBACK", "full")
    with pytest.raises(KeyError, match="missing") as info:
        CALLS[name]()
    assert library_frames(info.value)
    assert 'missing"]' in (frames(info.value)[-1].line or "")


@pytest.mark.parametrize(
    "call",
    [
        lambda: wg.grad(lambda x: x)(np.ones(2)),
        lambda: wg.grad(np.sin)(1),
        lambda: wg.vmap(np.sin)(1.0),
        lambda: wg.vjp(np.sin, 1.0)[1](np.ones(2)),
        lambda: wg.linearize(np.sin, 1.0)[1](np.ones(2)),
        lambda: wg.linearize(np.sin, 1.0)[1].transpose(np.ones(2)),
        lambda: wg.linear_transpose(lambda x: x, 1.0)(np.ones(2)),
        lambda: wg.make_program(np.sin)(1.0)(np.ones(2)),
        lambda: wg.jacrev(lambda x: x)(1),
        lambda: wg.hvp(np.sin, (1.0,), (np.ones(2),)),
    ],
)
def test_the_librarys_own_errors_end_in_the_users_line(call: Callable[[], Any]) -> None:
    with pytest.raises(wg.WengertError) as info:
        call()
    assert library_frames(info.value) == []
    assert frames(info.value)[-1].filename.endswith(FILE)
    assert FILE in str(info.value)


def test_numpys_own_error_inside_a_function_keeps_its_message() -> None:
    def f(x: Any) -> Any:
        return np.sum(x @ np.ones((3, 3)))  # shapes do not fit

    with pytest.raises(ValueError, match="matmul") as info:
        wg.grad(f)(np.ones(2))
    assert library_frames(info.value) == []
    assert "shapes do not fit" in (frames(info.value)[-1].line or "")


def test_the_cause_of_an_error_is_kept() -> None:
    def f(x: Any) -> Any:
        try:
            return bad(x)
        except KeyError as error:
            raise ValueError("no such key") from error

    with pytest.raises(ValueError, match="no such key") as info:
        wg.grad(f)(1.0)
    assert isinstance(info.value.__cause__, KeyError)


def test_a_source_knows_line_text_and_place() -> None:
    source = user_source()  # this line
    assert source is not None
    assert source.text.endswith("# this line")
    assert source.place.startswith(f"{FILE}:{source.line} (test_a_source_knows")
    assert repr(source) == f"{source.place}: {source.text}"


def test_a_source_without_a_file_has_no_text() -> None:
    code = compile("1 + 1", "<nowhere>", "eval")
    source = Source(code, 2)
    assert source.text == ""
    assert source.place == "<nowhere>:1 (<module>)"
    assert repr(source) == source.place


def test_code_without_a_file_can_be_transformed() -> None:
    space: dict[str, Any] = {"np": np, "wg": wg}
    exec("f = lambda x: np.sin(x) * 2\ng = wg.grad(f)", space)
    assert space["g"](0.0) == 2.0
    with pytest.raises(wg.errors.NonScalarOutputError, match="<lambda> at <string>:1"):
        space["g"](np.zeros(2))


def test_equations_know_their_lines() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)  # first
        return y * 2.0  # second

    text = wg.make_program(f)(1.0).pretty(source=True)
    first, second = (line for line in text.splitlines() if "# " in line)
    assert first.endswith("# first")
    assert second.endswith("# second")
    assert f"{FILE}:" in first
    assert "(f)" in first


def test_equations_of_a_backward_pass_know_who_asked_or_whose_rule_it_is() -> None:
    @wg.custom_vjp
    def double(x: Any) -> Any:
        return x + x

    def back(_: Any, ct: Any) -> tuple[Any]:
        return (np.sin(ct) * 2.0,)  # rule

    double.defvjp(lambda x: (double(x), None), back)
    program = wg.make_program(wg.grad(lambda x: np.exp(double(np.cos(x)))))  # not here
    ends = [line.rsplit("# ")[-1] for line in program(1.0).pretty(source=True).splitlines()]  # ask
    assert ends.count("rule") == 2
    assert ends.count("ask") > 1
    assert ends[-3] == "ask"


class Model:
    """Something callable."""

    def __call__(self, x: Any) -> Any:
        return x * 2.0

    def method(self, x: Any) -> Any:
        """Double."""
        return x * 2.0


def test_functions_are_described_by_name() -> None:
    assert describe_function(bad) == "bad"
    assert describe_function(np.sin) == "sin"
    assert describe_function(Model()) == "Model"
    assert describe_function(Model().method) == "method"
    assert describe_function(functools.partial(bad, 1.0)) == "partial(bad)"
    assert describe_function(functools.partial(functools.partial(bad), 1.0)) == "partial(bad)"
    assert describe_function(lambda x: x).startswith(f"<lambda> at {FILE}:")


@pytest.mark.parametrize(
    "fun",
    [Model(), Model().method, functools.partial(np.multiply, 2.0), np.positive, float.__neg__],
)
def test_any_callable_can_be_transformed(fun: Any) -> None:
    if fun is float.__neg__:
        with pytest.raises(TypeError):
            wg.grad(fun)(1.0)
        return
    assert wg.grad(fun)(1.0) in (1.0, 2.0)
    np.testing.assert_array_equal(wg.vmap(fun)(np.ones(2)), fun(np.ones(2)))
    assert wg.make_program(fun)(1.0)(3.0) == fun(3.0)
    assert wg.jvp(fun, (1.0,), (1.0,))[0] == fun(1.0)


def test_transformed_functions_keep_name_and_docstring() -> None:
    for transformed in (wg.grad(bad), wg.vmap(bad), wg.jacfwd(bad), wg.make_program(bad)):
        assert transformed.__name__ == "bad"
        assert transformed.__doc__ == bad.__doc__
