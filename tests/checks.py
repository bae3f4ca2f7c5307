"""The identities that hold for every function of the spec table, each a plain function of a case.

- `value`: what is traced equals NumPy's result, dtype, shape and type included.
- `jvp`: the derivative equals finite differences.
- `transpose`: <ct, J t> = <J^T ct, t>, where <a, b> = Re(sum(a * b)), without conjugation.
- `linearize`: f_lin(t) = jvp, and so does the linear program.
- `linear_transpose`: <ct, f(t)> = <f^T ct, t> where f itself is linear.
- `vmap`, `vmap_derivatives`: a batch equals a loop.
- `program`: a traced program equals the function.
- `staged`: so does a staged function, and its derivatives, staged or not.
- `order2`, `order3`: derivatives of derivatives, in all mixtures of forward and reverse mode.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
from specs import Case

import wengert as wg
import wengert.numpy as wnp
from wengert.core.aval import aval_of

Array = Any
Function = Callable[..., Any]
Rng = np.random.Generator
BATCH = 2
STEP = 1e-5


# Comparing.


def plain(x: Array) -> Array:
    """A result as wengert hands it out: 0-d arrays are scalars."""
    return x[()] if isinstance(x, np.ndarray) and x.ndim == 0 else x


def is_inexact(x: Array) -> bool:
    """True for floats and complex numbers, traced ones too."""
    return aval_of(x).dtype.kind in "fc"


def precision(*values: Array) -> float:
    """The machine precision of the coarsest of some values."""
    kinds = [aval_of(x).dtype for x in values]
    return max([float(np.finfo(k).eps) for k in kinds if k.kind in "fc"], default=2.0**-52)


def same_type(got: Array, want: Array, what: str, numbers: bool = False) -> None:
    """Same Python type, dtype and shape; a 0-d array counts as its scalar.

    With `numbers`, of a function of Python's numbers alone, a Python number counts as NumPy's.
    """
    want = plain(want)
    if numbers and type(got) in (bool, float, complex):
        got = np.asarray(got)[()]
    assert type(got) is type(want), f"{what}: {type(got)}, not {type(want)}"
    if isinstance(want, np.ndarray | np.generic):
        assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, not {want.dtype}"
        assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"


def close(got: Array, want: Array, what: str, tolerance: float, zeros: bool = False) -> None:
    """Equal up to `tolerance` times the largest element; the signs of zeros too with `zeros`."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"
    if want.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    finite = np.abs(want[np.isfinite(want)])
    scale = float(np.max(finite, initial=0.0))
    np.testing.assert_allclose(
        got, want, rtol=tolerance, atol=tolerance * min(scale, 1e300), err_msg=what
    )
    if zeros and want.dtype.kind == "f":
        both = (got == 0) & (want == 0)
        assert np.array_equal(np.signbit(got[both]), np.signbit(want[both])), f"{what}: -0.0"


def same(got: Any, want: Any, what: str, ulps: float, numbers: bool = False) -> None:
    """Same tree, and leaf by leaf the same types and, to a few units in the last place, values."""
    assert wg.tree.structure(got) == wg.tree.structure(want), f"{what}: {got} is not like {want}"
    for g, w in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        same_type(g, w, what, numbers)
        close(g, w, what, ulps * precision(w), zeros=True)


@contextmanager
def quiet(case: Case) -> Iterator[None]:
    """Ignore the warnings of a sample at which NumPy warns; at all others a warning is an error."""
    if not case.sample.warns:
        yield
        return
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


# Functions of the differentiable arguments alone.


class Point:
    """A case at drawn arguments, as a function of the differentiable ones with float results."""

    def __init__(self, case: Case, rng: Rng, module: Any = np) -> None:
        self.case = case
        self.args = case.draw(rng)
        self.spots = case.differentiable(self.args)
        self.function = case.function(module)
        self.xs = tuple([self.args[i] for i in self.spots])
        self.numbers = all(type(a) in (float, complex) for a in self.args)

    def whole(self, *xs: Array) -> Any:
        """The function with `xs` in the places of the differentiable arguments."""
        full = list(self.args)
        for i, x in zip(self.spots, xs, strict=True):
            full[i] = x
        return self.function(*full)

    def floats(self, *xs: Array) -> list[Array]:
        """The results that have a dtype with derivatives."""
        return [y for y in wg.tree.leaves(self.whole(*xs)) if is_inexact(y)]


def direction(rng: Rng, x: Array) -> Array:
    """A random tangent or cotangent of the type of `x`."""
    aval = aval_of(x)
    t = rng.uniform(-1, 1, aval.shape)
    if aval.dtype.kind == "c":
        t = t + 1j * rng.uniform(-1, 1, aval.shape)
    return np.asarray(t, aval.dtype)[()]


def directions(rng: Rng, xs: Any) -> Any:
    """Random tangents for a tree."""
    return wg.tree.map(lambda x: direction(rng, x), xs)


def doubled(x: Array) -> Array:
    """A value in double precision; Python numbers stay what they are."""
    if type(x) in (float, complex):
        return x
    return np.asarray(x, np.result_type(x, np.float64))[()]


def differences(f: Function, xs: Sequence[Array], ts: Sequence[Array]) -> list[Array]:
    """Central differences of `f` in double precision: a (complex) direction, a real step."""

    def at(h: float) -> list[Array]:
        moved = [doubled(x) + h * doubled(t) for x, t in zip(xs, ts, strict=True)]
        return [np.asarray(y) for y in wg.tree.leaves(f(*moved))]

    # What casts to single precision is linear in our table, so a long step will do.
    h = STEP if precision(*at(0.0)) < 1e-10 else 0.5
    return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h), strict=True)]


def dot(a: Any, b: Any) -> tuple[float, float]:
    """Re(sum(a * b)) over trees, and the sum of absolute values that bounds its rounding."""
    total, bound = 0.0, 0.0
    for x, y in zip(wg.tree.leaves(a), wg.tree.leaves(b), strict=True):
        p = np.asarray(doubled(x)) * np.asarray(doubled(y))
        total += float(np.sum(p.real))
        bound += float(np.sum(np.abs(p)))
    return total, bound


def dots_agree(ct: Any, forward: Any, pulled: Any, ts: Any, what: str, tolerance: float) -> None:
    """<ct, J t> = <J^T ct, t>."""
    left, bound = dot(ct, forward)
    right, other = dot(pulled, ts)
    assert abs(left - right) <= tolerance * (bound + other + 1e-3), f"{what}: {left} != {right}"


def fwd(f: Function, ts: Sequence[Array]) -> Function:
    """The directional derivative of `f`, as a function of its arguments."""
    return lambda *xs: wg.jvp(f, xs, tuple(ts))[1]


def rev(f: Function, ct: Any) -> Function:
    """The pullback of `ct` by `f`, as a function of its arguments."""
    return lambda *xs: wg.vjp(f, *xs)[1](ct)


# The identities.


def value(case: Case, rng: Rng, module: Any = np) -> None:
    """NumPy's value, dtype, shape and type: eager, and inside jvp, vjp and linearize."""
    point = Point(case, rng, module)
    ulps = case.spec.ulps
    with quiet(case):
        want = case.function(np)(*point.args)
        types = [(aval_of(y).shape, aval_of(y).dtype) for y in wg.tree.leaves(want)]

        def watched(*xs: Array) -> Any:
            y = point.whole(*xs)
            found = [(v.shape, v.dtype) for v in map(aval_of, wg.tree.leaves(y))]
            assert found == types, f"inside: {found}, not {types}"
            return y

        same(wg.tree.map(plain, point.whole(*point.xs)), want, "eager", ulps)
        if not point.xs:
            return
        ts = directions(rng, point.xs)
        y, y_dot = wg.jvp(watched, point.xs, ts)
        same(y, want, "jvp", ulps, point.numbers)
        for t, w in zip(wg.tree.leaves(y_dot), wg.tree.leaves(want), strict=True):
            if is_inexact(w):
                same_type(t, np.zeros_like(w)[()], "tangent")
        same(wg.vjp(watched, *point.xs)[0], want, "vjp", ulps, point.numbers)
        same(wg.linearize(watched, *point.xs)[0], want, "linearize", ulps, point.numbers)


def jvp(case: Case, rng: Rng) -> None:
    """The directional derivative equals central differences; zero where the table says so."""
    point = Point(case, rng)
    ts = directions(rng, point.xs)
    with quiet(case):
        y, got = wg.jvp(point.floats, point.xs, ts)
        want = differences(point.floats, point.xs, ts)
    for v, g, w in zip(y, got, want, strict=True):
        if case.spec.order == 0:
            assert not np.any(g), f"{g} is not zero"
        close_derivative(g, w, "jvp", case, precision(*point.xs, v))


def close_derivative(got: Array, want: Array, what: str, case: Case, eps: float) -> None:
    """Equal up to the error of finite differences."""
    tolerance = case.spec.tolerance * (1e-6 if eps < 1e-10 else 1e-4)
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"
    scale = 1 + float(np.max(np.abs(want), initial=0))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale, err_msg=what)


def transpose(case: Case, rng: Rng) -> None:
    """The pullback is the transpose; gradients have the arguments' types, and own their memory."""
    point = Point(case, rng)
    ts = directions(rng, point.xs)
    with quiet(case):
        y, forward = wg.jvp(point.floats, point.xs, ts)
        ct = directions(rng, y)
        _, pullback = wg.vjp(point.floats, *point.xs)
        pulled = pullback(ct)
        again = pullback(ct)
    eps = precision(*point.xs, *y)
    dots_agree(ct, forward, pulled, ts, "transpose", 64 * eps * case.spec.tolerance)
    for g, h, x in zip(pulled, again, point.xs, strict=True):
        aval = aval_of(x)
        same_type(g, np.zeros(aval.shape, aval.dtype), "gradient")
        assert np.array_equal(g, h, equal_nan=True), "a second call of the pullback differs"
    arrays = [a for a in (*pulled, *again) if isinstance(a, np.ndarray)]
    others = [a for a in (*point.args, *wg.tree.leaves(ct)) if isinstance(a, np.ndarray)]
    for i, a in enumerate(arrays):
        assert a.flags.writeable, "a gradient is read-only"
        for b in (*arrays[:i], *others):
            assert not np.shares_memory(a, b), "a gradient shares memory"


def linearize(case: Case, rng: Rng) -> None:
    """f_lin(t) equals jvp; the linear program is well-typed and evaluates to the same."""
    point = Point(case, rng)
    ts = directions(rng, point.xs)
    with quiet(case):
        y, want = wg.jvp(point.floats, point.xs, ts)
        _, f_lin = wg.linearize(point.floats, *point.xs)
        tolerance = 64 * precision(*point.xs, *y)
        ran = f_lin(*ts)
        wg.core.check_program(f_lin.program)
        # A program takes what it was made for: a Python number where the argument is one.
        weak = [
            t.item() if type(x) in (float, complex) else t
            for x, t in zip(point.xs, ts, strict=True)
        ]
        for got in (ran, wg.tree.map(plain, f_lin.program(*weak))):
            for g, w in zip(got, want, strict=True):
                assert (g.dtype, g.shape) == (w.dtype, w.shape)
                close(g, w, "linearize", tolerance)
        for a, v in zip(f_lin.program.out_avals, y, strict=True):
            assert (a.shape, a.dtype) == (v.shape, v.dtype), f"linear program: {a}"


def linear_transpose(case: Case, rng: Rng, spots: Sequence[int]) -> None:
    """<ct, f(t)> = <f^T ct, t> for an f that is linear in its differentiable arguments `spots`."""
    point = Point(case, rng)
    ts = [point.xs[k] for k in spots]

    def f(*moved: Array) -> list[Array]:
        xs = list(point.xs)
        for k, x in zip(spots, moved, strict=True):
            xs[k] = x
        return point.floats(*xs)

    y = f(*ts)
    ct = directions(rng, y)
    pulled = wg.linear_transpose(f, *ts)(ct)
    tolerance = 64 * precision(*point.xs, *y) * case.spec.tolerance
    dots_agree(ct, y, pulled, ts, "linear_transpose", tolerance)
    for g, t in zip(pulled, ts, strict=True):
        same_type(g, np.zeros_like(t)[()], "linear_transpose")


def program(case: Case, rng: Rng) -> None:
    """Traced to a program: well-typed, NumPy's types, the same values; also for the derivatives."""
    point = Point(case, rng)
    with quiet(case):
        want = point.function(*point.args)
        traced = wg.make_program(point.function)(*point.args)
        wg.core.check_program(traced)
        for aval, w in zip(traced.out_avals, wg.tree.leaves(want), strict=True):
            w = aval_of(w)
            assert (aval.shape, aval.dtype) == (w.shape, w.dtype), f"program: {aval}, not {w}"
        got = wg.tree.map(plain, traced(*point.args))
        same(got, wg.tree.map(plain, want), "program", 8, point.numbers)
        if not (point.xs and case.sample.derivative):
            return
        ts = directions(rng, point.xs)
        ct = directions(rng, point.floats(*point.xs))
        for g in (fwd(point.floats, ts), rev(point.floats, ct)):
            due = g(*point.xs)
            traced = wg.make_program(g)(*point.xs)
            wg.core.check_program(traced)
            for found, w in zip(traced(*point.xs), due, strict=True):
                assert (found.dtype, found.shape) == (w.dtype, w.shape)
                close(found, w, "program of a derivative", 64 * precision(w, *point.xs))


def staged(case: Case, rng: Rng) -> None:
    """Staged equals eager, when it is traced and after that; results own their memory; the pullback
    of the staged function, and the staged pullback, are the pullback.
    """
    point = Point(case, rng)
    with quiet(case):
        want = wg.tree.map(plain, point.function(*point.args))
        f = wg.staged(point.function)
        for _ in range(2):
            got = f(*point.args)
            same(got, want, "staged", 8 * case.spec.ulps, point.numbers)
        mine = [y for y in wg.tree.leaves(got) if isinstance(y, np.ndarray)]
        given = [a for a in point.args if isinstance(a, np.ndarray)]
        for i, y in enumerate(mine):
            assert y.flags.writeable, "a result is read-only"
            for z in (*mine[:i], *given):
                assert not np.shares_memory(y, z), "a result shares memory"
        if not (point.xs and case.sample.derivative):
            return
        ct = directions(rng, point.floats(*point.xs))
        due = rev(point.floats, ct)(*point.xs)
        for g in (wg.staged(rev(point.floats, ct)), rev(wg.staged(point.floats), ct)):
            for found, w in zip(g(*point.xs), due, strict=True):
                assert (found.dtype, found.shape) == (w.dtype, w.shape)
                close(found, w, "staged derivative", 64 * precision(w, *point.xs))


def batches(case: Case, rng: Rng) -> list[tuple[Array, ...]]:
    """Arguments for each member of a batch."""
    return [case.draw(rng) for _ in range(BATCH)]


def stacked(values: Sequence[Array], axis: int) -> Array:
    """The values along a new axis."""
    return np.stack([np.asarray(v) for v in values], axis=axis)


def batch_is_loop(
    f: Function, members: Sequence[tuple[Array, ...]], axes: Sequence[int | None], ulps: float
) -> None:
    """vmap(f) with these in_axes equals a loop over the members."""
    args = [
        members[0][i] if axis is None else stacked([m[i] for m in members], axis)
        for i, axis in enumerate(axes)
    ]
    lanes = [
        [
            a if axis is None else np.take(a, k, axis=axis)[()]
            for a, axis in zip(args, axes, strict=True)
        ]
        for k in range(BATCH)
    ]
    want = [wg.tree.leaves(f(*lane)) for lane in lanes]
    types = [(v.shape, v.dtype) for v in map(aval_of, want[0])]

    def watched(*xs: Array) -> Any:
        y = f(*xs)
        found = [(v.shape, v.dtype) for v in map(aval_of, wg.tree.leaves(y))]
        assert found == types, f"inside vmap, in_axes={axes}: {found}, not {types}"
        return y

    got = wg.tree.leaves(wg.vmap(watched, in_axes=tuple(axes))(*args))
    for g, *ws in zip(got, *want, strict=True):
        w = stacked(ws, 0)
        what = f"vmap, in_axes={axes}"
        same_type(g, w, what)
        assert g.flags.writeable
        close(g, w, what, ulps * precision(w))


def vmap(case: Case, rng: Rng) -> None:
    """A batch is a loop, for every way of batching the arguments: at 0, at -1, or not."""
    members = batches(case, rng)
    f = case.function(np)
    with quiet(case):
        for axes in product((0, -1, None), repeat=len(members[0])):
            if all(a is None for a in axes):
                continue
            alone = case.spec.leads if axes[0] is None else ""
            if alone != "always":
                g = case.function(wnp) if alone == "numpy" else f
                batch_is_loop(g, members, axes, 4 * case.spec.ulps)


def vmap_derivatives(case: Case, rng: Rng) -> None:
    """A batch of derivatives is a loop of them, for jvp and vjp, tangents batched too."""
    point = Point(case, rng)
    if any(type(x) in (float, complex) for x in point.xs):
        return  # a batch of them is an array, which promotes otherwise
    members = [tuple([m[i] for i in point.spots]) for m in batches(case, rng)]
    n = len(point.xs)
    ts = [directions(rng, point.xs) for _ in range(BATCH)]
    with quiet(case):
        ct = directions(rng, point.floats(*point.xs))

        def forward(*args: Array) -> Any:
            return wg.jvp(point.floats, args[:n], args[n:])[1]

        cases = [[0] * n, [-1] * n]
        if n > 1:
            cases += [[0 if i == k else None for i in range(n)] for k in range(n)]
        for axes in cases:
            both = [m + t for m, t in zip(members, ts, strict=True)]
            batch_is_loop(forward, both, [*axes, *axes], 512)
            batch_is_loop(forward, both, [*axes, *[None] * n], 512)
            batch_is_loop(forward, both, [*[None] * n, *axes], 512)
            batch_is_loop(rev(point.floats, ct), members, axes, 512)


def derivative_is_right(
    case: Case, rng: Rng, g: Function, xs: tuple[Array, ...], what: str
) -> None:
    """jvp of `g` equals differences, and vjp of `g` is its transpose."""
    ts = directions(rng, xs)
    y, forward = wg.jvp(g, xs, ts)
    ct = directions(rng, y)
    pulled = wg.vjp(g, *xs)[1](ct)
    leaves = wg.tree.leaves(forward)
    eps = precision(*xs, *leaves)
    dots_agree(ct, forward, pulled, ts, what, 1e3 * eps * case.spec.tolerance)
    for v, t in zip(wg.tree.leaves(y), leaves, strict=True):
        assert (v.dtype, v.shape) == (t.dtype, t.shape), what
    for x, p in zip(xs, pulled, strict=True):
        aval = aval_of(x)
        same_type(p, np.zeros(aval.shape, aval.dtype), what)
    if eps < 1e-10:
        for t, w in zip(leaves, differences(g, xs, ts), strict=True):
            close_derivative(t, w, what, case, eps)


def order2(case: Case, rng: Rng, module: Any = np) -> None:
    """jvp and vjp of jvp and of vjp."""
    point = Point(case, rng, module)
    with quiet(case):
        ts = directions(rng, point.xs)
        ct = directions(rng, point.floats(*point.xs))
        derivative_is_right(case, rng, fwd(point.floats, ts), point.xs, "of jvp")
        derivative_is_right(case, rng, rev(point.floats, ct), point.xs, "of vjp")


def order3(case: Case, rng: Rng, module: Any = np) -> None:
    """jvp and vjp of the four second derivatives."""
    point = Point(case, rng, module)
    with quiet(case):
        ts, us = directions(rng, point.xs), directions(rng, point.xs)
        ct = directions(rng, point.floats(*point.xs))
        for first, name in ((fwd(point.floats, ts), "jvp"), (rev(point.floats, ct), "vjp")):
            cts = directions(rng, first(*point.xs))
            derivative_is_right(case, rng, fwd(first, us), point.xs, f"of jvp of {name}")
            derivative_is_right(case, rng, rev(first, cts), point.xs, f"of vjp of {name}")
