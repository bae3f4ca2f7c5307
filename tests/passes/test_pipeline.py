"""All passes together, on programs as they come; their time; what `inspect` shows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names
from test_composition import PROGRAMS, M, X, direction, weight

import wengert as wg
from wengert.core import check_program, evaluate
from wengert.core.errors import ConcretizationError
from wengert.transforms.passes.costs import cost_of
from wengert.transforms.passes.pipeline import PASSES, improve, steps_of

TRANSFORMS: list[tuple[str, Any]] = [
    ("values", lambda f: f),
    ("jvp", lambda f: lambda x: wg.jvp(f, (x,), (direction(x),))[1]),
    ("grad", lambda f: wg.grad(lambda x: np.sum(f(x) * weight(x)))),
    ("vmap", lambda f: lambda x: wg.vmap(f)(np.stack([x, 1.1 * x]))),
    ("hessian", lambda f: wg.hessian(lambda x: np.sum(f(x)))),
    ("grads", lambda f: lambda x: wg.vmap(wg.grad(lambda z: np.sum(f(z))))(np.stack([x, 2.0 * x]))),
]  # fmt: skip


@pytest.mark.parametrize("transform", [t for _, t in TRANSFORMS], ids=[n for n, _ in TRANSFORMS])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_programs_of_the_composition_test(f: Any, transform: Any) -> None:
    try:
        program = wg.make_program(transform(f))(X)
    except ConcretizationError:
        pytest.skip("Python control flow on values")
    before = cost_of(program)
    for one in PASSES * 2:
        program = applied(one, program, X, same=close)
    assert cost_of(program).equations <= 1.1 * before.equations + 2


def test_programs_can_be_differentiated_after() -> None:
    f = lambda x: np.sum(np.tanh(M @ x + x[0]) ** 2 / x)
    program = improve(wg.make_program(f)(X))
    np.testing.assert_allclose(wg.grad(program)(X), wg.grad(f)(X))
    np.testing.assert_allclose(wg.hessian(program)(X), wg.hessian(f)(X))
    np.testing.assert_allclose(wg.vmap(program)(np.stack([X, 2 * X])), [f(X), f(2 * X)])


def test_structures_stay() -> None:
    program = wg.make_program(lambda p: {"y": p["a"] * 1.0, "z": (p["b"], 2.0)})({"a": X, "b": 1.0})
    found = improve(program)({"a": X, "b": 3.0})
    assert found["z"] == (3.0, 2.0)
    np.testing.assert_array_equal(found["y"], X)


def test_sources_stay() -> None:
    program = wg.make_program(wg.grad(lambda x: np.sum(np.sin(x) * 2.0 * x)))(X)
    assert all([e.source is not None for e in improve(program).equations])


def test_nothing_to_do_returns_the_same_program() -> None:
    program = improve(wg.make_program(wg.grad(lambda x: np.sum(np.sin(x) * x)))(X))
    assert improve(program) is program
    assert list(steps_of(program)) == []


def test_long_programs_take_linear_time() -> None:
    def fun(x: Any, n: int) -> Any:
        y = x
        for i in range(n):
            y = np.sin(y) * 1.01 + x[i % 50]
        return np.sum(y)

    x = np.linspace(0.1, 1.0, 50)
    times = []
    for n in (500, 2000):
        program = wg.make_program(wg.grad(lambda x, n=n: fun(x, n)))(x)
        start = time.perf_counter()
        improve(program)
        times.append(time.perf_counter() - start)
    assert times[1] < 4 * 3 * times[0] + 0.5


def test_calls_with_other_values() -> None:
    """Nothing of the values that a program was traced with is left in it."""
    f = wg.grad(lambda x: np.sum(np.where(x > 0, x**2, np.sin(x)) * x[0]))
    program = improve(wg.make_program(f)(X))
    for x in (X, -X, 2.0 * X, np.array([np.nan, 1.0, -np.inf])):
        with np.errstate(all="ignore"):
            assert close(evaluate(program, x)[0], f(x))


# inspect.


def test_inspect() -> None:
    f = wg.grad(lambda w, x: np.sum(np.tanh(x @ w) ** 2))
    w, x = np.ones((3, 2)), np.ones((5, 3))
    found = wg.inspect(f, w, x)
    assert names(found.before) == names(wg.make_program(f)(w, x))
    assert names(found.after) == names(improve(found.before))
    assert found.steps[0].program is found.before
    assert found.steps[-1].program is found.after
    assert found.steps[0].equations > found.steps[-1].equations
    assert found.steps[0].flops >= found.steps[-1].flops
    assert found.steps[0].bytes >= found.steps[-1].bytes
    lines = repr(found).splitlines()
    assert len(lines) == 1 + len(found.steps)
    assert lines[0].split() == ["pass", "equations", "flops", "bytes", "moved"]
    assert lines[1].startswith("(as traced)")
    assert len({len(line) for line in lines}) == 1


def test_inspect_takes_programs_and_fast_math() -> None:
    program = wg.make_program(lambda x: x * 1.1 * 1.3)(X)
    assert len(wg.inspect(program, X).after.equations) == 2
    fast = wg.inspect(program, X, fast_math=True)
    assert len(fast.after.equations) == 1
    assert fast.steps[1].name == "relax"


def test_inspect_names_control_flow() -> None:
    with pytest.raises(ConcretizationError, match="traced value has none"):
        wg.inspect(lambda x: x if x > 0 else -x, 1.0)


@pytest.mark.parametrize(
    ("fun", "args", "flops", "moved"),
    [
        (lambda x: x + x, (np.ones(10),), 10, 240),
        (lambda x: x * x, (np.ones(10, complex),), 60, 480),
        (np.exp, (np.ones(10),), 100, 160),
        (np.sum, (np.ones(10),), 10, 88),
        (np.matmul, (np.ones((2, 3)), np.ones((3, 4))), 48, 8 * (6 + 12 + 8)),
        (lambda a, b: np.einsum("ij,jk->ik", a, b), (np.ones((2, 3)), np.ones((3, 4))), 48, 208),
        (np.transpose, (np.ones((2, 3)),), 0, 0),
        (lambda x: x[1:], (np.ones(5),), 0, 0),
        (np.linalg.cholesky, (np.eye(3),), 9, 144),
        (np.linalg.solve, (np.eye(3), np.ones(3)), 36, 8 * 15),
        (lambda x: wg.scan(lambda c, v: (c + v, None), 0.0, x)[0], (np.ones(5),), 5, None),
        (lambda x: wg.cond(x > 0, lambda x: x + x, np.exp, x), (1.0,), 11, None),
    ],
)
def test_costs(fun: Any, args: Any, flops: int, moved: int | None) -> None:
    cost = cost_of(wg.make_program(fun)(*args))
    assert cost.flops == flops
    assert moved is None or cost.bytes == moved


def test_all_primitives_have_a_cost() -> None:
    found = cost_of(
        wg.make_program(
            wg.grad(
                lambda x: np.sum(np.linalg.qr(np.outer(x, x) + M)[1] * np.fft.rfft(x).real.sum())
            )
        )(X)
    )
    assert found.flops > 0


def test_every_pass_gives_well_typed_programs() -> None:
    program = wg.make_program(wg.hessian(lambda x: np.sum(np.sin(x[1:] * x[:-1]))))(X)
    for _, found in steps_of(program):
        check_program(found)
