"""Patterns against dense matrices: nothing is missed, on the specs, the programs of the composition
test, and what rules are sharp for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from specs import CASES, Case
from test_composition import PROGRAMS, X, control_flow

import wengert as wg
import wengert.scipy.ndimage as ndimage
import wengert.scipy.signal as signal
from wengert.core import tree
from wengert.transforms.sparse import control_rules, movement_rules

Array = Any
Function = Callable[..., Any]


def dense_jacobian(f: Function, xs: tuple[Array, ...]) -> Array:
    """The Jacobian by all arguments as one matrix."""
    numbers = tuple(range(len(xs)))
    leaves = tree.leaves(wg.jacfwd(f, argnums=numbers)(*xs))
    outs = tree.leaves(f(*xs))
    k = len(xs)
    sizes = [(np.size(outs[i // k]), np.size(xs[i % k])) for i in range(len(leaves))]
    blocks = [np.reshape(b, size) for b, size in zip(leaves, sizes, strict=True)]
    rows = [blocks[i : i + k] for i in range(0, len(blocks), k)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def covers(pattern: Any, dense: Array) -> bool:
    """True if all entries that are not zero are in the pattern; up to rounding, for FFTs."""
    size = 1e-6 if dense.dtype.char in "eFf" else 1e-12
    large = np.abs(dense) > size * np.nanmax(np.abs(dense), initial=0.0)
    return pattern.shape == dense.shape and not np.any(large & ~pattern.toarray())


def pattern_of(f: Function, *xs: Array) -> list[list[int]]:
    """The pattern as a list of lists, by all arguments."""
    found = wg.jacobian_sparsity(f, *xs, argnums=tuple(range(len(xs))))
    assert covers(found, dense_jacobian(f, xs))
    return found.toarray().astype(int).tolist()  # type: ignore[no-any-return]  # a list


# Everything.


def real_cases() -> list[Case]:
    """One case of each row with real arguments that has a derivative; all of those that move."""
    found: dict[str, Case] = {}
    for case in CASES:
        spec, args = case.spec, case.draw(np.random.default_rng(0))
        kinds = {np.asarray(a).dtype.kind for a in args}
        if spec.traceable and case.sample.derivative and "f" in kinds and "c" not in kinds:
            several = any(
                word in spec.name for word in ("index", "einsum", "matmul", "pad", "roll")
            )
            found.setdefault(str(case) if several else spec.name, case)
    plenty = [k for k in found if k.startswith(("special.", "stats."))]  # elementwise, most of them
    return [case for k, case in found.items() if k not in plenty or plenty.index(k) % 8 == 0]


def of_floats(case: Case, rng: np.random.Generator) -> tuple[Function, tuple[Array, ...]]:
    """The function of a case by its floating point arguments alone, and these."""
    args = case.draw(rng)
    numbers = case.differentiable(args)
    call = case.function(np)

    def f(*xs: Array) -> Any:
        full = list(args)
        for i, x in zip(numbers, xs, strict=True):
            full[i] = x
        return call(*full)

    return f, tuple([args[i] for i in numbers])


@pytest.mark.parametrize("case", real_cases(), ids=str)
def test_no_entry_of_a_jacobian_is_missed(case: Case, rng: np.random.Generator) -> None:
    f, xs = of_floats(case, rng)
    with np.errstate(all="ignore"):
        dense = dense_jacobian(f, xs)
    assert covers(wg.jacobian_sparsity(f, *xs, argnums=tuple(range(len(xs)))), dense)


TWICE = [c for c in real_cases() if c.spec.order >= 2 and not c.spec.name.startswith("operator")][
    ::3
]


@pytest.mark.parametrize("case", TWICE, ids=str)
def test_no_entry_of_a_hessian_is_missed(case: Case, rng: np.random.Generator) -> None:
    f, xs = of_floats(case, rng)

    def total(*xs: Array) -> Any:
        leaves = [np.real(y) for y in tree.leaves(f(*xs)) if np.result_type(y).kind in "fc"]
        return sum([np.sum(y * np.sin(1.0 + np.arange(y.size)).reshape(y.shape)) for y in leaves])

    numbers = tuple(range(len(xs)))
    with np.errstate(all="ignore"):
        dense = dense_jacobian(wg.grad(total, argnums=numbers), xs)
    found = wg.hessian_sparsity(total, *xs, argnums=numbers)
    assert covers(found, dense)
    assert not (found != found.T).nnz


@pytest.mark.parametrize("wrap", [lambda f: f, wg.staged, wg.checkpoint], ids=["f", "staged", "ck"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_the_composition_test(program: Function, wrap: Any) -> None:
    f = wrap(program)
    total = lambda x: np.sum(f(x) * np.array([1.0, -2.0, 0.5]))
    how: Any = "point" if program is control_flow else None
    if how and wrap is not None and f is not program:
        pytest.skip("decides by values in a program")
    found = wg.sparse_jacobian(f, sparsity=how)(X)
    np.testing.assert_allclose(found.toarray(), wg.jacfwd(f)(X), rtol=1e-10, atol=1e-12)
    second = wg.sparse_hessian(total, sparsity=how)(X)
    np.testing.assert_allclose(second.toarray(), wg.hessian(total)(X), rtol=1e-9, atol=1e-11)


# What rules are sharp for.

x4 = np.array([0.3, -0.4, 0.8, 1.7])
x23 = np.arange(6.0).reshape(2, 3) + 0.5


def nonzeros(f: Function, *xs: Array) -> int:
    """The number of entries of a pattern that is checked to be right."""
    return int(np.sum(pattern_of(f, *xs)))


def exact(f: Function, *xs: Array) -> bool:
    """True if the pattern has no entry that is zero here."""
    return nonzeros(f, *xs) == np.count_nonzero(dense_jacobian(f, xs))


SHARP: dict[str, tuple[Function, tuple[Array, ...]]] = {
    "slices": (lambda x: x[1:] * x[:-1], (x4,)),
    "strides": (lambda x: x[::-2] - x[::2], (x4,)),
    "roll": (lambda x: np.roll(x, 1) * x, (x4,)),
    "pad": (lambda x: np.pad(x, 2, mode="edge") ** 2, (x4,)),
    "fancy": (lambda x: x[np.array([[0, 0], [3, -1]])] ** 2, (x4,)),
    "mask": (lambda x: x[np.array([True, False, True, False])], (x4,)),
    "broadcast": (lambda a, b: a * b[:, None], (x4, x4[:3])),
    "reshape": (lambda x: np.sum(x.T.reshape(3, 2) ** 2, axis=1), (x23,)),
    "stack": (lambda x: np.stack([x[0], x[2] ** 2, 1.0 * x[0]]), (x4,)),
    "concatenate": (lambda a, b: np.concatenate([a, b**2, a]), (x4, x4[:1])),
    "zero factor": (lambda x: x * np.array([1.0, 0.0, 2.0, 0.0]), (x4,)),
    "where": (lambda x: np.where(np.array([1, 0, 1, 0]) > 0, x**2, x[::-1]), (x4,)),
    "choose": (lambda x: np.choose(np.array([0, 1, 1, 0]), [x, x[::-1]]), (x4,)),
    "sparse matrix": (lambda x: np.tri(3, 4) @ x**2, (x4,)),
    "matrix of matrices": (lambda x: np.tri(3, 2) @ x, (x23,)),
    "matrix on the right": (lambda x: x @ np.tri(3, 4), (x23,)),
    "stack of matrices": (lambda x: np.tri(2)[None] @ (x * np.ones((4, 2, 3))), (x23,)),
    "einsum": (lambda x: np.einsum("ij,jk->ki", np.tri(3, 2), x), (x23,)),
    "both factors": (lambda a, b: a @ b, (x23, x23.T)),
    "outer": (np.outer, (x4[:2], x4[:3])),
    "cross": (np.cross, (x23, x23[::-1] ** 2)),
    "cumsum": (np.cumsum, (x4,)),
    "cumsum along axis 0": (lambda x: np.cumsum(x, axis=0), (x23,)),
    "diagonal": (lambda x: np.diagonal(x) ** 2, (x23,)),
    "convolve": (lambda x: np.convolve(x, [1.0, 0.0, -1.0], "same"), (x4,)),
    "convolve kernel": (lambda k: np.convolve(x4, k, "valid"), (x4[:2],)),
    "convolve2d": (lambda x: signal.convolve2d(x, np.eye(2), "full"), (x23,)),
    "ndimage": (lambda x: ndimage.correlate1d(x, [1.0, 0.0, -1.0], mode="wrap"), (x23,)),
    "trapezoid": (lambda x: np.trapezoid(x, axis=0), (x23,)),
    "trapezoid widths": (lambda x, w: np.trapezoid(x, w, axis=1), (x23, x4[:3])),
    "bincount": (lambda x: np.bincount([0, 2, 2, 1], x), (x4,)),
    "solve": (lambda b: np.linalg.solve(np.full((2, 2), 0.5) + np.eye(2), b), (x23,)),
    "stack of inverses": (lambda x: np.linalg.inv(x[:, None, None] + np.eye(2)), (x4,)),
    "stack of dets": (lambda x: np.linalg.det(x), (np.stack([x23[:, :2], x23[:, 1:] ** 2]),)),
    "windows": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2) ** 2, (x4,)),
    "integers": (lambda x: x * np.floor(x), (x4 + 2.0,)),
    "stop_gradient": (lambda x: x * wg.stop_gradient(x[::-1]), (x4,)),
    "scan": (lambda x: wg.scan(lambda c, a: (a, a * c), 1.0, x)[1], (x4,)),
    "scan with counter": (
        lambda x: wg.scan(lambda c, i: (c, c[i] * c[(i + 1) % 4]), x, np.arange(4))[1],
        (x4,),
    ),
    "cond of known": (lambda x: wg.cond(True, np.sin, lambda y: y[::-1], x), (x4,)),
    "map": (lambda x: wg.map(np.sin, x), (x4,)),
    "batched cond": (
        lambda x: wg.vmap(lambda a: wg.cond(a > 0, np.sin, lambda b: b**2, a))(x),
        (x4,),
    ),
    "batched while": (
        lambda x: wg.vmap(lambda a: wg.while_loop(lambda c: c < 3, lambda c: 1.5 * c + 1, a))(x),
        (x4,),
    ),
    "in place": (lambda x: written(x), (x4,)),
}


def written(x: Array) -> Array:
    """Writes to slices, to index arrays with duplicates, and adds."""
    y = np.zeros(6, like=x)
    y[1:5] = x * x
    y[np.array([0, 0, 5])] = x[:3]
    y[2] += x[0]
    return y


@pytest.mark.parametrize("name", SHARP)
def test_sharp(name: str) -> None:
    f, xs = SHARP[name]
    assert exact(f, *xs)


def test_a_straight_through_rule_counts_with_its_derivative() -> None:
    @wg.custom_jvp
    def rounded(x: Array) -> Array:
        return np.round(x)

    rounded.defjvp(lambda primals, tangents: (np.round(primals[0]), tangents[0]))
    assert pattern_of(lambda x: rounded(x), x4[:2]) == [[1, 0], [0, 1]]
    assert pattern_of(lambda x: np.round(x), x4[:2]) == [[0, 0], [0, 0]]


def test_sort_mixes_its_axis_alone() -> None:
    assert nonzeros(lambda x: np.sort(x, axis=1), x23[:, ::-1]) == 2 * 9


def test_unknown_indices_may_be_anything() -> None:
    f = lambda x: x[np.argsort(x[:2])] * 2.0
    assert pattern_of(f, x4) == [[1, 1, 1, 1]] * 2
    g = lambda x: np.bincount(np.argsort(wg.stop_gradient(x)), x)
    with pytest.raises(wg.errors.ConcretizationError, match="the pattern is read off the program"):
        wg.jacobian_sparsity(g, x4)

    def write(x: Array) -> Array:
        y = x * 1.0
        y[np.argmax(x[:2])] = x[3] ** 2
        return y

    assert nonzeros(write, x4) == 4 + 4 - 1


def test_energies_of_neighbours_have_a_tridiagonal_hessian() -> None:
    f = lambda x: np.sum(np.sin(x[1:] * x[:-1]) ** 2)
    found = wg.hessian_sparsity(f, np.ones(6)).toarray()
    i = np.arange(6)
    np.testing.assert_array_equal(found, np.abs(i[:, None] - i) <= 1)
    by_loop = lambda x: sum([np.cos(x[i] - x[i + 1]) for i in range(5)])
    np.testing.assert_array_equal(wg.hessian_sparsity(by_loop, np.ones(6)).toarray(), found)


def test_what_is_linear_has_no_hessian() -> None:
    assert wg.hessian_sparsity(lambda x: np.sum(x[1:] - 3 * x[:-1]), x4).nnz == 0
    assert wg.hessian_sparsity(lambda x: x[0] * x[1] + np.sum(x), x4).nnz == 2


def test_steps_of_time_widen_the_band() -> None:
    """Five steps of a stencil reach five neighbours."""
    step = lambda u, _: (u + 0.1 * (np.roll(u, 1) - 2 * u + np.roll(u, -1)) - u**3, None)
    f = lambda u: wg.scan(step, u, None, length=5)[0]
    u = np.linspace(0.1, 0.3, 40)
    assert wg.jacobian_sparsity(f, u).nnz == 40 * 11
    np.testing.assert_allclose(wg.sparse_jacobian(f)(u).toarray(), wg.jacobian(f)(u), atol=1e-14)


def test_long_loops_end_in_a_fixed_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is carried and what comes out of each step, without following all steps."""
    monkeypatch.setattr(control_rules, "STEPS", 2)
    f = lambda x: wg.scan(lambda c, a: (np.roll(c, 1) * 0.5, c[0] * a), x[:4], x[4:])
    xs = np.linspace(0.5, 1.5, 10)
    numbers = wg.jacobian_sparsity(f, xs)
    assert covers(numbers, dense_jacobian(f, (xs,)))
    assert numbers.toarray()[:4, 4:].sum() == 0  # what is carried never sees the items
    monkeypatch.setattr(control_rules, "ROUNDS", 1)
    assert covers(wg.jacobian_sparsity(f, xs), dense_jacobian(f, (xs,)))


def test_long_cumulative_sums_are_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movement_rules, "PREFIX_LIMIT", 3)
    assert nonzeros(np.cumsum, x4) == 16


def test_large_products_with_zeros_are_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wengert.transforms.sparse.contraction_rules.TERMS_LIMIT", 1)
    assert nonzeros(lambda x: np.tri(4) @ x, x4) == 16
    assert nonzeros(lambda x: np.convolve(x, np.ones(2)), x4) == 20


def test_interpolation_between_known_points() -> None:
    f = lambda y: np.interp([0.5, 2.5], np.arange(4.0), y)
    assert pattern_of(f, x4) == [[1, 1, 0, 0], [0, 0, 1, 1]]
