"""Loops and branches as Python's: values, types, memory, and what each step costs."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from emission import close, code_of, emitted, emitted_of, same_bits

import wengert as wg
from wengert.transforms.passes.pipeline import improve
from wengert.transforms.staging.emit import emit

X = np.array([0.3, -1.5, 2.25])
XS = np.linspace(-1.0, 2.0, 12).reshape(4, 3)


def both(fun: Any, *args: Any) -> str:
    """The text for a function, after checks of its program with and without passes."""
    program = wg.make_program(fun)(*args)
    text = emitted(program, *args).source
    emitted(improve(program), *args, same=close)
    return text


def body_of(text: str) -> str:
    """The lines inside of loops."""
    return "\n".join([line for line in code_of(text).splitlines() if line.startswith("     ")])


def halve(c: Any, e: Any) -> Any:
    """A step."""
    return 0.5 * c + e, c * e


def write(c: Any, e: Any) -> Any:
    """A step that writes into what it carries."""
    c = np.copy(c)
    c[1:] += e * c[:-1]
    return c, np.sum(c)


def swap(c: Any, e: Any) -> Any:
    """A step that carries values on in other places."""
    a, b, k = c
    return (b, a + e, k), (a, b, k)


STEPS: dict[str, tuple[Any, Any, Any]] = {
    "arrays": (lambda c, e: (np.sin(c) + e, c * e), X, XS),
    "numbers": (halve, 0.5, XS[:, 0]),
    "strong numbers": (halve, np.float64(0.5), XS[:, 0]),
    "single precision": (halve, np.float32(0.5), XS[:, 0].astype(np.float32)),
    "arrays in single precision": (halve, X.astype(np.float32), XS.astype(np.float32)),
    "complex": (halve, 0.5 + 1j, XS[:, 0] * 1j),
    "integers": (lambda c, e: (c + e, c * e), 3, np.arange(4)),
    "flags": (lambda c, e: (c ^ e, c & e), np.bool_(True), np.array([True, False, True])),
    "flags of numbers": (lambda c, e: (c + 1.0, c + e > 0.5), 0.0, XS[:, 0]),
    "in place": (write, X, XS[:, 0]),
    "in place, arrays": (lambda c, e: (write(c, 0.1)[0], c + e), X, XS),
    "swap": (swap, (X, 2 * X, 3), XS),
    "swap in place": (
        lambda c, e: ((write(c[1], e)[0], write(c[0], e)[0]), np.sum(c[0])), (X, 2 * X), XS[:, 0],
    ),
    "the same twice": (lambda c, e: ((s := c[0] + e, s), (s, s)), (X, X), XS),
    "the same array for all": (lambda c, e: ((c[0] + c[1], c[1]), e), (X, X), XS),
    "as it came": (lambda c, e: (c, (c, e)), X, XS),
    "a row of what was": (lambda c, e: (e, c), X, XS),
    "a view": (lambda c, e: (c[::-1], c[::-1]), X, XS),
    "a view of new": (lambda c, e: ((c * 2.0)[::-1], e[:1]), X, XS),
    "a constant": (lambda c, e: (np.ones(3), (1.0, np.arange(3.0), 2)), X, XS),
    "nothing": (lambda c, e: (c, None), X, XS),
    "nothing carried": (lambda c, e: (None, np.sin(e)), None, XS),
    "nothing stacked": (lambda c, e: (c * 1.5, None), 1.0, None),
    "many numbers": (
        lambda c, e: ((c[0] * 0.5 + e, c[1] + c[0]), (c[0], c[1], e, c[0] > 0.0)),
        (0.1, 0.2), XS[:, 0],
    ),
    "pairs": (lambda c, e: (np.stack([c[1], c[0] * 0.5 + e]), c[0]), X[:2], XS[:, 0]),
    "pairs that are kept": (lambda c, e: (np.stack([c[1], c[0] + e]), c), X[:2], XS[:, 0]),
    "matrices": (lambda c, e: (c @ c * 0.1 + e[0], c @ e), np.eye(3), XS),
    "empty arrays": (lambda c, e: (c + e, c * e), np.zeros(0), np.zeros((4, 0))),
}  # fmt: skip


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", STEPS)
def test_scans(name: str, backward: bool) -> None:
    step, start, xs = STEPS[name]
    n = 5 if xs is None else None

    def f(c: Any, xs: Any) -> Any:
        return wg.scan(step, c, xs, n, reverse=backward)

    both(lambda *leaves: wg.tree.leaves(f(start if not leaves else leaves[0], xs)), start) if (
        xs is None
    ) else check_scan(f, start, xs)


def check_scan(f: Any, start: Any, xs: Any) -> None:
    """Check a scan, of no step and of one too, and the scan that reads its results."""
    leaves, tree = wg.tree.flatten((start, xs))

    def flat(*leaves: Any) -> Any:
        c, ys = f(*wg.tree.unflatten(tree, leaves))
        return wg.tree.leaves((c, ys))

    both(flat, *leaves)
    for length in (0, 1):
        if length or start is not None:
            both(flat, *leaves[:-1], xs[:length])

    def again(*leaves: Any) -> Any:
        c, ys = f(*wg.tree.unflatten(tree, leaves))
        return wg.tree.leaves([c, ys, f(start, xs)[1]])

    both(again, *leaves)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("forward", [False, True])
def test_a_loop_over_the_numbers_of_a_loop(backward: bool, forward: bool) -> None:
    def f(x: Any, xs: Any) -> Any:
        c, (a, b, d) = wg.scan(
            lambda c, e: (c * 0.5 + e, (c * e, c + e, c - e)), x, xs, reverse=backward
        )
        step = lambda c, e: (c * e[0] + e[1] * e[2], c)
        second, ys = wg.scan(step, c, (a, b, xs), reverse=not forward)
        return second, ys, np.sum(d)

    text = both(f, 0.5, XS[:, 0])
    assert ".append((" in text
    assert "reversed(rows)" in text or (backward != forward)


def test_numbers_that_a_loop_reads_and_the_caller_gets() -> None:
    def f(x: Any, xs: Any) -> Any:
        c, a = wg.scan(lambda c, e: (c * 0.5 + e, c * e), x, xs)
        return a, wg.scan(lambda c, e: (c * e, c + e), c, a)[1]

    both(f, 0.5, XS[:, 0])


def test_what_a_step_costs() -> None:
    def f(speed: Any, u: Any) -> Any:
        def step(u: Any, _: Any) -> Any:
            u = np.copy(u)
            u[1:-1] += speed * (u[2:] - 2.0 * u[1:-1] + u[:-2])
            return u, None

        return wg.scan(step, u, None, 6)[0]

    program = improve(wg.make_program(f)(0.2, np.linspace(0, 1, 8) ** 2))
    text = emitted(program, 0.2, np.linspace(0, 1, 8) ** 2).source
    inside = body_of(text)
    assert "float(" not in inside
    assert "asarray(" not in inside
    assert "array(" not in inside
    assert "setitem" not in inside
    assert re.search(r"= add\(.*\[1:-1\]\)", inside)


def test_carried_arrays_are_written_where_they_were() -> None:
    x = np.linspace(0.0, 1.0, 400).reshape(20, 20)

    def f(a: Any, x: Any) -> Any:
        return wg.scan(lambda c, e: (np.tanh(c * e) @ a, None), x, np.linspace(0.5, 1.0, 5))[0]

    text = both(f, x, x)
    assert re.search(r"^ {8}matmul\(\w+, \w+, \w+\)$", text, re.M)

    def g(a: Any, x: Any) -> Any:  # the old value is needed when the new one is made
        return wg.scan(lambda c, e: (c @ a * e + c, c @ a), x, np.linspace(0.5, 1.0, 5))

    both(g, x, x)
    both(lambda a, x: (*g(a, x), x), x, x)
    both(lambda a, x: (*g(a, (y := np.sin(x))), y), x, x)
    both(lambda a, x: g(np.sin(x), np.sin(x)), x, x)


def test_constants_that_are_numbers() -> None:
    def f(a: Any, b: Any, xs: Any) -> Any:
        step = lambda c, e: (c * a + e, (c * b, e * a, xs * b))
        return wg.scan(step, b, xs)

    for a, b in ((0.5, 2.0), (np.float64(0.5), np.float64(2.0)), (0.5, np.float64(2.0))):
        text = both(f, a, b, X)
        assert "float(" not in body_of(text)
    both(f, np.float32(0.5), np.float32(2.0), X.astype(np.float32))


def test_scans_in_scans() -> None:
    def f(x: Any, a: Any, xs: Any) -> Any:
        def inner(c: Any, e: Any) -> Any:
            c = np.copy(c)
            c[0] += e * a
            return c * 0.9, c[0]

        def outer(c: Any, e: Any) -> Any:
            d, ys = wg.scan(inner, c, e)
            again, _ = wg.scan(inner, d, ys, reverse=True)
            return again, (d, ys, np.sum(ys))

        return wg.scan(outer, x, xs)

    both(f, X, 0.3, XS)
    both(lambda x, a, xs: [f(x, a, xs), f(2.0 * x, a, xs), x * a], X, 0.3, XS)


@pytest.mark.parametrize("start", [0.0, 1.0, 7.0])
def test_while_loops(start: float) -> None:
    def f(x: Any, limit: Any) -> Any:
        def body(c: Any) -> Any:
            s, k, y, _ = c
            y = np.copy(y)
            y[1:] = y[:-1] * 0.5
            y[0] += s
            return s + 1.0, k + 1, y, y[::-1]

        return wg.while_loop(lambda c: (c[0] < limit) & (c[1] < 9), body, (start * x[0], 0, x, x))

    both(f, np.array([1.0, 2.0, 3.0]), 4.0)
    both(lambda x, limit: [f(2.0 * x, limit), x], np.array([1.0, 2.0, 3.0]), np.float64(4.0))


def test_while_loops_of_numbers_and_arrays() -> None:
    halved = lambda x: wg.while_loop(lambda c: c > 1.0, lambda c: c * 0.5, x)
    for x in (37.0, np.float64(37.0), 0.5, np.float32(37.0)):
        both(halved, x)
    both(lambda x: wg.while_loop(lambda c: np.sum(c) > 1.0, lambda c: c * 0.5, x), np.abs(X))
    both(lambda x, n: wg.while_loop(lambda c: c[1] < n, lambda c: (c[0] @ x, c[1] + 1), (x, 0)),
         np.eye(20) * 0.5, 3)  # fmt: skip


@pytest.mark.parametrize("x", [X, -X, np.abs(X)])
def test_branches(x: Any) -> None:
    def f(x: Any, a: Any) -> Any:
        y = wg.cond(np.sum(x) > 0, lambda x: x, lambda x: -x, x)
        z = wg.cond(x[0] > 0, lambda: (a * 2.0, np.ones(3), y), lambda: (a, x, np.zeros(3)))
        k = wg.switch((x > 0).sum(), [lambda a: a, lambda a: a + 1.0, lambda a: a * a], a)
        return y, z, k, k * 2.0 + z[0]

    for a in (0.5, np.float64(0.5)):
        both(f, x, a)


def test_branches_that_write() -> None:
    def f(x: Any, y: Any) -> Any:
        def change(z: Any) -> Any:
            z = np.copy(z)
            z[0] = 7.0
            return z

        z = wg.cond(y > 0, change, lambda z: z, x)
        w = 2.0 * x
        return z, wg.cond(y > 0, lambda: w, lambda: w + 1.0), w

    for y in (1.0, -1.0):
        both(f, X, y)


def test_branches_in_loops() -> None:
    def f(x: Any, a: Any, xs: Any) -> Any:
        def step(c: Any, e: Any) -> Any:
            d = wg.cond(e > a, lambda c: c * e, lambda c: c + a, c)
            n = wg.cond(e > 0, lambda: e * a, lambda: a)
            return wg.switch((e > 0).astype(int), [lambda d: d, lambda d: d * 0.5], d), (d, n)

        return wg.scan(step, x, xs)

    both(f, X, 0.5, XS[:, 0])
    both(f, 0.25, np.float64(0.5), XS[:, 0])


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_division_by_zero_in_a_loop(zero: float) -> None:
    def f(x: Any, xs: Any) -> Any:
        return wg.scan(lambda c, e: (c + 1.0 / e, c * e), x, xs)

    xs = np.array([1.0, zero, 3.0])
    program = wg.make_program(f)(0.5, XS[:3, 0])
    found = []
    for run in (emit(program), lambda *a: wg.tree.leaves(f(np.float64(a[0]), a[1]))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            values = run(0.5, xs)
        found.append(({str(w.message) for w in caught}, values))
    assert found[0][0] == found[1][0] != set()
    for a, b in zip(found[0][1], found[1][1], strict=True):
        assert same_bits(a, b)


def test_stacks_of_the_same_array_are_constants() -> None:
    program = wg.make_program(
        lambda m, x: wg.scan(lambda c, e: (e @ c, e), x, np.broadcast_to(m, (5, 3, 3)))
    )(np.eye(3) * 0.5, X)
    text = emitted(program, np.eye(3) * 0.5, X).source
    assert "broadcast_to" not in code_of(text)


def test_results_that_no_equation_reads() -> None:
    emitted_of(lambda x, xs: wg.scan(halve, x, xs)[0], 0.5, XS[:, 0])
    emitted_of(lambda x, xs: wg.scan(halve, x, xs)[1][0], X, XS)


@pytest.mark.parametrize("backward", [False, True])
def test_loops_over_parts_of_the_numbers_of_a_loop(backward: bool) -> None:
    def f(x: Any, xs: Any) -> Any:
        step = lambda c, e: (c * 0.5 + e, (c * e, c + e, np.sin(c)))
        c, (a, b, d) = wg.scan(step, x, xs, reverse=backward)
        again = lambda c, e: (c * e[0] + e[1], c * 2.0)
        first, ys = wg.scan(again, c, (a[1:], b[1:]), reverse=not backward)
        second, zs = wg.scan(again, a[0], (a[1:-1], b[2:]), reverse=backward)
        third, _ = wg.scan(again, b[-1], (a[:2], a[1:][1:]))
        return first + second * d[-2] + third, ys, zs[1:]

    def g(x: Any, xs: Any) -> Any:
        _, a = wg.scan(lambda c, e: (c * 0.5 + e, c * e), x, xs, reverse=backward)
        return wg.scan(lambda c, e: (c + e, None), a[-1] * a[0], a[1:3][:-1])[0], a[1:][0]

    xs = XS[:, 0]
    text = both(lambda x, xs: (*f(x, xs), *g(x, xs)), 0.5, xs)
    assert re.search(r"rows\w*\[\d:\d\]", text)
    both(g, 0.5, xs)
    both(wg.grad(lambda x, xs: f(x, xs)[0] + g(x, xs)[0] ** 2, (0, 1)), 0.5, xs)
