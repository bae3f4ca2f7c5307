"""Programs that run many times, by functions emitted for them."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import Program, ShapedArray
from wengert.transforms import evaluators
from wengert.transforms.control import scan_primitive
from wengert.transforms.evaluators import Often, runs_that_pay
from wengert.transforms.staging.programs import StagedProgram

N = 1500
RAMP = np.linspace(0.9, 1.0, N)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The programs for which a function was made."""
    found: list[Program] = []

    def make(program: Program) -> StagedProgram:
        found.append(program)
        return StagedProgram(program)

    monkeypatch.setattr(evaluators, "_MAKERS", [make])
    return found


def step_by_step(f: Callable[..., Any], *args: Any) -> Any:
    """What a program gives without functions emitted for it."""
    program = wg.make_program(f)(*args)
    makers = list(evaluators._MAKERS)
    evaluators._MAKERS.clear()
    try:
        return program(*args)
    finally:
        evaluators._MAKERS[:] = makers


def same(got: Any, want: Any, rtol: float = 1e-12) -> None:
    assert wg.tree.structure(got) == wg.tree.structure(want)
    for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        assert type(a) is type(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-300)


def summed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.sum(np.real(wg.tree.leaves(f(x))[0]))


LOOPS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "array": (lambda x: wg.scan(lambda c, s: (np.sin(c) * s, c), x, RAMP), np.ones(3)),
    "number": (lambda x: wg.scan(lambda c, s: (np.sin(c) + s, c), x, RAMP), 0.5),
    "float32": (
        lambda x: wg.fori_loop(0, N, lambda i, c: c * 0.999 + i * 1e-6, x),
        np.ones(3, np.float32),
    ),
    "complex": (
        lambda x: wg.scan(lambda c, s: (c * s, np.abs(c)), x, np.exp(1j * np.arange(N))),
        np.ones(2, complex),
    ),
    "reverse": (
        lambda x: wg.scan(
            lambda c, s: (c * 0.99 + s[0], (c, s[1])),
            x,
            (np.arange(float(N)), np.ones((N, 2))),
            reverse=True,
        ),
        0.0,
    ),
    "map": (
        lambda x: wg.map(lambda r: np.sum(np.sin(r) * r), x),
        np.linspace(0, 1, 2 * N).reshape(N, 2),
    ),
    "cond": (
        lambda x: wg.scan(
            lambda c, s: (wg.cond(c[0] > s, lambda c: -c * 0.9, lambda c: c * 1.01, c), None),
            x,
            RAMP,
        )[0],
        np.ones(2),
    ),
    "loop in a loop": (
        lambda x: wg.scan(
            lambda c, s: (wg.scan(lambda d, _: (d * s, None), c, length=3)[0], c),
            x,
            RAMP,
        ),
        np.ones(2),
    ),
    "while": (
        lambda x: wg.while_loop(
            lambda c: c[0] < N, lambda c: (c[0] + 1, np.cos(c[1])), (0, x)
        )[1],
        np.ones(3),
    ),
    "checkpoints": (
        lambda x: wg.scan(lambda c, s: (np.sin(c) * s, c), x, RAMP, checkpoint_every=50),
        np.ones(3),
    ),
    "empty": (lambda x: wg.scan(lambda c, s: (c * s, c), x, RAMP), np.ones(0)),
    "gradient": (
        wg.grad(lambda x: np.sum(wg.scan(lambda c, s: (np.sin(c) * s, None), x, RAMP)[0])),
        np.ones(3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_long_loops_run_on_emitted_functions(name: str, made: list[Program]) -> None:
    f, x = LOOPS[name]
    program = wg.make_program(f)(x)
    got = program(x)
    count = len(made)
    assert count >= 1
    same(got, step_by_step(f, x))
    np.testing.assert_equal(wg.tree.leaves(program(x)), wg.tree.leaves(got))
    assert len(made) == count, "the function is kept with the program"


def test_short_loops_do_not(made: list[Program]) -> None:
    f = lambda x: wg.scan(lambda c, s: (np.sin(c) * s, c), x, RAMP[:20])
    program = wg.make_program(f)(np.ones(3))
    program(np.ones(3))
    assert not made


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("transform", [wg.grad, wg.hessian])
def test_derivatives_of_programs_with_long_loops(
    name: str, transform: Callable[..., Any], made: list[Program]
) -> None:
    f, x = LOOPS[name]
    if name == "complex":
        pytest.skip("grad is for real arguments")
    g = summed(f)
    program = wg.make_program(g)(x)
    rtol = 1e-4 if name == "float32" else 1e-9
    got, want = transform(program)(x), transform(g)(x)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-12)
    if transform is wg.grad:
        assert made or name == "while", "reverse mode of while keeps what its steps did"


@pytest.mark.parametrize("name", ["array", "number", "complex", "reverse", "cond"])
def test_other_transformations(name: str) -> None:
    f, x = LOOPS[name]
    program = wg.make_program(f)(x)
    t = np.ones_like(x)
    for transform in (
        lambda f: wg.jvp(f, (x,), (t,)),
        lambda f: wg.linearize(f, x)[1](t),
        lambda f: wg.vmap(f)(np.stack([x, 2 * x, 0 * x])),
        lambda f: wg.vmap(lambda v: wg.jvp(f, (v,), (t,))[1])(np.stack([x, 2 * x])),
        lambda f: wg.make_program(f)(x)(x),
        lambda f: wg.staged(f)(x),
    ):
        got, want = transform(program), transform(f)
        for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_what_is_derived_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    f, x = LOOPS["array"]
    program = wg.make_program(summed(f))(x)
    first = wg.grad(program)(x), wg.jvp(program, (x,), (x,))

    def refuse(*args: Any) -> Any:
        raise AssertionError("the body is taken apart again")

    for name in ("jvp_program", "linearize_program", "transpose_program"):
        monkeypatch.setattr(scan_primitive, name, refuse)
    np.testing.assert_equal((wg.grad(program)(x), wg.jvp(program, (x,), (x,))), first)


def test_rules_that_ask_for_values_get_them() -> None:
    @wg.custom_jvp
    def f(x: Any) -> Any:
        return x * x

    @f.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return x * x, 2 * x * t if x > 0 else 0.0 * t

    g = lambda x: wg.scan(lambda c, s: (f(c) * s, None), x, np.linspace(1.0, 1.0, N))[0]
    program = wg.make_program(g)(0.9999)
    for _ in range(2):
        assert wg.jvp(program, (1.0,), (1e-300,))[1] == wg.jvp(g, (1.0,), (1e-300,))[1] > 0


def test_results_share_no_memory() -> None:
    program = wg.make_program(
        lambda x: wg.scan(lambda c, s: (c, (c, s, c * s)), x, np.ones((N, 2)))
    )(np.ones(2))
    x = np.ones(2)
    first, second = wg.tree.leaves(program(x)), wg.tree.leaves(program(x))
    for i, a in enumerate([*first, *second, x]):
        for b in [*first, *second][:i]:
            assert not np.shares_memory(a, b)


def test_other_types_than_the_programs_go_equation_by_equation(made: list[Program]) -> None:
    f, x = LOOPS["array"]
    program = wg.make_program(f)(x)
    got = program(x.astype(np.float32))
    assert not made
    np.testing.assert_allclose(got[0], f(x)[0], rtol=1e-4)


def test_functions_are_not_pickled_or_copied() -> None:
    f, x = LOOPS["array"]
    program = wg.make_program(f)(x)
    want = program(x)
    for other in (pickle.loads(pickle.dumps(program)), copy.deepcopy(program)):
        bodies = [e.params["body"] for e in other.equations if "body" in e.params]
        assert bodies
        assert not any([b.derived for b in bodies])
        np.testing.assert_equal(other(x), want)


def test_collectives_are_left_to_their_transformation() -> None:
    def f(x: Any) -> Any:
        step = lambda c, s: (c * 0.5 + wg.pmean(c, "lanes") * s, None)
        return wg.scan(step, x, np.full(N, 0.5))[0]

    xs = np.arange(4.0)
    got = wg.vmap(lambda x: wg.make_program(f)(x)(x), axis_name="lanes")(xs)
    np.testing.assert_allclose(got, wg.vmap(f, axis_name="lanes")(xs))


@pytest.mark.parametrize("more", [-1, 0, 1, 40])
def test_while_changes_over_at_the_same_step_each_time(more: int, made: list[Program]) -> None:
    f = lambda n, x: wg.while_loop(
        lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(c[1]) + 0.1), (0, x)
    )
    program = wg.make_program(f)(3, np.ones(2))
    (e,) = [e for e in program.equations if e.primitive.name == "while"]
    due = min(runs_that_pay(e.params["condition"]), runs_that_pay(e.params["body"]))
    n, x = due + more, np.linspace(0, 1, 2)
    first, second = program(n, x), program(n, x)
    np.testing.assert_equal(first, second)
    assert first[0] == n
    np.testing.assert_allclose(first[1], f(n, x)[1], rtol=1e-12)
    assert len(made) == (1 if more >= 0 else 0)


def test_often_counts_where_the_number_of_runs_is_unknown(made: list[Program]) -> None:
    program = wg.make_program(lambda x, y: np.sin(x) * y)(np.ones(2), 1.0)
    due = runs_that_pay(program)
    often, x = Often(program), np.array([0.1, 0.2])
    for _ in range(due):
        (first,) = often(x, 2.0)
    assert not made
    for _ in range(2):
        (last,) = often(x, 2.0)
        np.testing.assert_array_equal(last, first)
    assert len(made) == 1
    assert wg.grad(lambda x: np.sum(often(x, 2.0)[0]))(x).shape == (2,)
    known = Often(program, due)
    np.testing.assert_array_equal(known(x, 2.0)[0], first)
    assert len(made) == 1
    assert Often(program, due - 1)(x, 2.0)[0].shape == (2,)


def test_larger_programs_pay_sooner() -> None:
    def chain(n: int) -> Program:
        def f(x: Any) -> Any:
            for _ in range(n):
                x = np.sin(x)
            return x

        return wg.make_program(f)(1.0)

    few, many = runs_that_pay(chain(1)), runs_that_pay(chain(50))
    assert 10 < many < few < 10_000
    assert runs_that_pay(wg.make_program(lambda x: x)(1.0)) > 1 << 60


@pytest.mark.parametrize("derivative", ["discrete", "adjoint"])
def test_right_sides_of_odeint(derivative: str, made: list[Program]) -> None:
    def orbit(k: Any) -> Any:
        def slope(y: Any, t: Any) -> Any:
            x, v = y
            return [v, -k * x + 0.01 * np.sin(t) * v - 0.001 * v * v * v]

        t = np.linspace(0.0, 30.0, 4)
        options: Any = {"derivative": derivative, "rtol": 1e-8, "atol": 1e-8}
        return wg.odeint(slope, np.array([1.0, 0.0]), t, **options)[-1, 0]

    program = wg.make_program(orbit)(1.3)
    np.testing.assert_allclose(program(1.3), orbit(1.3), rtol=1e-9)
    assert made
    before = len(made)
    np.testing.assert_allclose(wg.grad(program)(1.3), wg.grad(orbit)(1.3), rtol=1e-6)
    if derivative == "adjoint":
        assert len(made) > before


def test_matrices_of_iterative_solvers(made: list[Program]) -> None:
    n = 400
    shift = np.geomspace(1e-3, 1e3, n)

    def matrix(v: Any) -> Any:
        total = shift * v
        for k in range(1, 7):
            total = total + 0.5 * (2 * v - np.roll(v, k) - np.roll(v, -k))
        return total

    system = lambda b: wg.cg(matrix, b, tol=1e-11, maxiter=4000)
    b = np.ones(n)
    x = system(b)
    np.testing.assert_allclose(matrix(x), b, atol=1e-7)
    assert made


def test_threads_share_a_program() -> None:
    f, x = LOOPS["array"]
    program = wg.make_program(f)(x)
    wrong: list[Any] = []

    def work(k: int) -> None:
        start = x * (1 + 0.1 * k)
        want = f(start)[0]
        for _ in range(20):
            if not np.allclose(program(start)[0], want, rtol=1e-12):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_types_of_arguments() -> None:
    fits = evaluators._fits
    f64, i64 = np.dtype(float), np.dtype(np.int64)
    assert fits([ShapedArray((), f64)], [1.0])
    assert fits([ShapedArray((), f64, True)], [np.float64(1.0)])
    assert fits([ShapedArray((), f64)], [np.array(1.0)])
    assert not fits([ShapedArray((), f64)], [1])
    assert fits([ShapedArray((), i64)], [1])
    assert not fits([ShapedArray((2,), f64)], [1.0])
    assert not fits([ShapedArray((2,), f64)], [np.ones(2, np.float32)])
    assert not fits([ShapedArray((2,), f64)], [np.ma.masked_array([1.0, 2.0])])
