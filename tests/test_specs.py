"""Every row obeys every identity, every traced function has a row, every primitive its rules."""

from __future__ import annotations

from typing import Any

import checks
import numpy as np
import pytest
from specs import ALL_CASES, CASES, EXCLUDED, MODULES, SPECS, Case

import wengert as wg
from wengert.core import Primitive, dispatch
from wengert.core.tracing import Together

Rng = np.random.Generator


def _floats(case: Case) -> int:
    """The number of differentiable arguments."""
    return len(case.differentiable(case.draw(np.random.default_rng(0))))


TRACEABLE = [c for c in CASES if c.spec.traceable]


def test_no_case_is_lost() -> None:
    """With the NumPy that the table was written for, every call in it is tested."""
    lost = [str(c) for c in ALL_CASES if c not in CASES]
    if (2, 4) <= tuple(map(int, np.__version__.split(".")[:2])) < (2, 5):
        assert lost == []
    assert len(lost) < 0.02 * len(ALL_CASES)


SMOOTH = [c for c in CASES if c.sample.derivative and _floats(c)]
TWICE = [c for c in SMOOTH if c.spec.order >= 2]
THRICE = [c for c in SMOOTH if c.spec.order >= 3 and not c.is_single]


def through_modules(cases: list[Case]) -> list[tuple[Case, str]]:
    """Each case with the modules that it is to be called through."""
    return [(c, m) for c in cases for m in (MODULES if c.spec.of_numpy else ("np",))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value(case: Case, rng: Rng) -> None:
    checks.value(case, rng)
    if case.spec.of_numpy:
        checks.value(case, rng, MODULES["wnp"])


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_jvp(case: Case, rng: Rng) -> None:
    checks.jvp(case, rng)


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_transpose(case: Case, rng: Rng) -> None:
    checks.transpose(case, rng)


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_linearize(case: Case, rng: Rng) -> None:
    checks.linearize(case, rng)


# What is linear itself: in all arguments together, or in one while the others are fixed.

JOINTLY = (
    "add subtract negative positive conjugate real imag where sum mean add.reduce"
    " subtract.reduce add.accumulate cumsum diff reshape ravel transpose matrix_transpose"
    " swapaxes moveaxis rollaxis expand_dims squeeze broadcast_to broadcast_arrays atleast_1d"
    " atleast_2d atleast_3d flip rot90 roll tile repeat pad concatenate concatenate-array"
    " stack stack-array hstack vstack dstack column_stack append block block-row split"
    " array_split unstack basic-index advanced-index index-by-arrays take take_along_axis"
    " diagonal trace diag diagflat tril triu delete insert resize compress extract meshgrid ix_"
    " sliding_window_view linspace polyadd polysub polyder polyint"
    " fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft fft.fftn fft.ifftn fft.rfftn"
    " fft.irfftn fft.fftshift scipy.fft.dct scipy.fft.idct scipy.fft.dst scipy.fft.idstn"
    " signal.detrend signal.hilbert signal.savgol_filter"
    " ndimage.spline_filter1d ndimage.gaussian_filter ndimage.uniform_filter1d"
    " integrate.trapezoid integrate.simpson integrate.cumulative_simpson integrate.romb"
)
ONE_BY_ONE = (
    "multiply matmul dot inner outer tensordot kron einsum einsum-lists multiply.outer"
    " signal.convolve signal.fftconvolve"
)
IN_ONE = {"divide": 0, "linalg.solve": 1, "polyval": 0, "polydiv": 0}
_CONSTANTS = {"initial", "constant_values", "prepend", "append", "k", "cval"}
"""Options that add a constant to what is linear without them."""


def _linear_cases() -> list[tuple[Case, tuple[int, ...]]]:
    found: list[tuple[Case, tuple[int, ...]]] = []
    for case in SMOOTH:
        name, numbers = case.spec.name, range(_floats(case))
        if "python" in case.sample.name or "int" in case.sample.name:
            continue
        if name in JOINTLY.split() and not _CONSTANTS & set(case.sample.static):
            found.append((case, tuple(numbers)))
        elif name in ONE_BY_ONE.split():
            found += [(case, (k,)) for k in numbers]
        elif name in IN_ONE:
            found.append((case, (IN_ONE[name],)))
    return found


@pytest.mark.parametrize(("case", "spots"), _linear_cases(), ids=str)
def test_linear_transpose(case: Case, spots: tuple[int, ...], rng: Rng) -> None:
    checks.linear_transpose(case, rng, spots)


@pytest.mark.parametrize("case", TRACEABLE, ids=str)
def test_program(case: Case, rng: Rng) -> None:
    checks.program(case, rng)


@pytest.mark.parametrize("case", TRACEABLE, ids=str)
def test_staged(case: Case, rng: Rng) -> None:
    checks.staged(case, rng)


@pytest.mark.parametrize("case", TRACEABLE, ids=str)
def test_vmap(case: Case, rng: Rng) -> None:
    checks.vmap(case, rng)


@pytest.mark.parametrize("case", [c for c in SMOOTH if c.spec.traceable], ids=str)
def test_vmap_derivatives(case: Case, rng: Rng) -> None:
    checks.vmap_derivatives(case, rng)


@pytest.mark.parametrize(("case", "module"), through_modules(TWICE), ids=str)
def test_order2(case: Case, module: str, rng: Rng) -> None:
    checks.order2(case, rng, MODULES[module])


@pytest.mark.parametrize(("case", "module"), through_modules(THRICE), ids=str)
def test_order3(case: Case, module: str, rng: Rng) -> None:
    checks.order3(case, rng, MODULES[module])


# Coverage.


def _covered() -> set[Any]:
    return {f for spec in SPECS for f in spec.covers}


def _ufuncs() -> list[np.ufunc]:
    return sorted({u for u in vars(np).values() if isinstance(u, np.ufunc)}, key=str)


@pytest.mark.parametrize("ufunc", _ufuncs(), ids=lambda u: u.__name__)
def test_every_ufunc_of_numpy_has_a_row(ufunc: np.ufunc) -> None:
    assert (ufunc in _covered()) != (ufunc in EXCLUDED)


@pytest.mark.parametrize("function", [*dispatch.FUNCTIONS, *dispatch.UFUNCS], ids=dispatch.name_of)
def test_every_traced_function_has_a_row(function: Any) -> None:
    assert function in _covered()


@pytest.mark.parametrize("method", dispatch.UFUNC_METHODS, ids=".".join)
def test_every_ufunc_method_has_a_row(method: tuple[str, str]) -> None:
    assert method in _covered()


def test_linear_functions_have_rows() -> None:
    assert {*JOINTLY.split(), *ONE_BY_ONE.split(), *IN_ONE} <= {spec.name for spec in SPECS}


def test_ids_are_unique() -> None:
    names = [str(c) for c in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("primitive", Primitive.registry.values(), ids=lambda p: p.name)
def test_every_primitive_has_its_rules(primitive: Primitive) -> None:
    assert callable(primitive.impl)
    assert callable(primitive.shape)
    assert callable(primitive.batch)
    if primitive.linear is None:
        assert primitive.jvps is not None or callable(primitive.jvp)
        return
    assert primitive.transposes is not None
    if (
        isinstance(primitive.linear_args, tuple | list)
        and type(primitive.transposes) is not Together
    ):
        for i in primitive.linear_args:
            assert callable(primitive.transposes[i])
    if primitive.linear == "separately":
        assert primitive.jvps is not None


# Lists with traced values in them, which `wengert.numpy` takes and NumPy cannot.

LISTS: dict[str, Any] = {
    "sum": lambda m, x: m.sum([x, 2 * x]),
    "mean": lambda m, x: m.mean([[x, 2 * x], [x, x]], axis=0),
    "max": lambda m, x: m.max([x, 2 * x]),
    "prod": lambda m, x: m.prod([x, x]),
    "cumsum": lambda m, x: m.cumsum([x, 2 * x]),
    "std": lambda m, x: m.std([x, 2 * x]),
    "where": lambda m, x: m.where([True, False], [x, x], 0.0),
    "reshape": lambda m, x: m.reshape([x, 2 * x], (2, 1)),
    "transpose": lambda m, x: m.transpose([[x, 2 * x]]),
    "flip": lambda m, x: m.flip([x, 2 * x]),
    "sort": lambda m, x: m.sort([3 * x, 2 * x]),
    "concatenate": lambda m, x: m.concatenate([[x], [x, 2.0]]),
    "dot": lambda m, x: m.dot([x, 2 * x], [1.0, 2.0]),
    "einsum": lambda m, x: m.einsum("i,i", [x, 2 * x], [1.0, 2.0]),
    "outer": lambda m, x: m.outer([x, 2 * x], [1.0, 2.0]),
    "diag": lambda m, x: m.diag([x, 2 * x]),
    "pad": lambda m, x: m.pad([x, 2 * x], 1),
    "solve": lambda m, x: m.linalg.solve([[x, 0.0], [0.0, 1.0]], [1.0, x]),
    "det": lambda m, x: m.linalg.det([[x, 0.5], [0.5, 1.0]]),
    "norm": lambda m, x: m.linalg.norm([x, x]),
    "array": lambda m, x: m.array([[x, 1], [2.0, x]]),
    "array-ndmin": lambda m, x: m.array([x], ndmin=2),
    "asarray": lambda m, x: m.asarray([x, 1]),
}


@pytest.mark.parametrize(
    "x", [1.5, np.float64(1.5), np.float32(1.5)], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("name", LISTS)
def test_lists_of_traced_values(name: str, x: Any) -> None:
    f = LISTS[name]
    want = f(np, x)
    y, y_dot = wg.jvp(lambda x: f(MODULES["wnp"], x), (x,), (type(x)(1),))
    checks.same(y, want, name, 8)
    step = (f(np, np.float64(x) + 1e-6) - f(np, np.float64(x) - 1e-6)) / 2e-6
    np.testing.assert_allclose(y_dot, step, rtol=1e-6, atol=1e-6)
    assert np.asarray(y_dot).dtype == np.asarray(want).dtype


# Derivatives at corners and singular points, where differences say nothing.

CORNERS: dict[str, tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = {
    "maximum-tie": (np.maximum, (1.0, 1.0), (0.5, 0.5)),
    "minimum-tie": (np.minimum, (1.0, 1.0), (0.5, 0.5)),
    "fmax-tie": (np.fmax, (1.0, 1.0), (0.5, 0.5)),
    "fmin-tie": (np.fmin, (1.0, 1.0), (0.5, 0.5)),
    "max-ties": (np.max, (np.array([1.0, 3.0, 3.0]),), ([0, 0.5, 0.5],)),
    "min-ties": (np.min, (np.array([1.0, 1.0, 3.0]),), ([0.5, 0.5, 0],)),
    "abs": (np.abs, (0.0,), (0.0,)),
    "abs-complex": (np.abs, (0j,), (0j,)),
    "power-zero-exponent": (lambda x: x**0, (0.0,), (0.0,)),
    "power-zero-exponent-array": (np.power, (0.0, 0.0), (0.0, 0.0)),
    "power-one": (lambda x: x**1, (0.0,), (1.0,)),
    "power-two": (lambda x: x**2, (0.0,), (0.0,)),
    "power-traced": (np.power, (0.0, 2.0), (0.0, 0.0)),
    "power-traced-one": (np.power, (0.0, 1.0), (1.0, 0.0)),
    "power-negative-base": (lambda x: np.power(x, 3.0), (-2.0,), (12.0,)),
    "hypot": (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    "norm": (np.linalg.norm, (np.zeros(2),), ([0, 0],)),
    "std": (np.std, (np.ones(2),), ([0, 0],)),
    "var": (np.var, (np.ones(2),), ([0, 0],)),
    "prod-one-zero": (np.prod, (np.array([2.0, 0.0, 3.0]),), ([0, 6, 0],)),
    "prod-two-zeros": (np.prod, (np.array([0.0, 0.0, 3.0]),), ([0, 0, 0],)),
    "logaddexp-inf": (np.logaddexp, (-np.inf, 1.0), (0.0, 1.0)),
    "logaddexp-infs": (np.logaddexp, (np.inf, 1.0), (1.0, 0.0)),
    "clip-edge": (lambda x: np.clip(x, 0.0, 1.0), (1.0,), (1.0,)),
    "where-nan": (lambda x: np.where(x > 0, x, 0.0), (-1.0,), (0.0,)),
    "sort-ties": (lambda x: np.sort(x) @ np.array([1.0, 2.0]), (np.ones(2),), ([1, 2],)),
    "tanh-far": (np.tanh, (400.0,), (0.0,)),
    "logaddexp-reduce": (np.logaddexp.reduce, (np.array([-np.inf, 0.0]),), ([0, 1],)),
    "logaddexp-tie-inf": (np.logaddexp, (-np.inf, -np.inf), (0.5, 0.5)),
    "logaddexp-reduce-inf": (np.logaddexp.reduce, (np.full(2, -np.inf),), ([0.5, 0.5],)),
    "arctan2-origin": (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    "arctan2-small": (np.arctan2, (2.0**-600, 0.0), (0.0, -(2.0**600))),
    "std-rounded": (np.std, (np.full(3, 0.1),), ([0, 0, 0],)),
    "nanstd-rounded": (np.nanstd, (np.array([0.1, 0.1, np.nan, 0.1]),), ([0, 0, 0, 0],)),
    "nanmax-ties": (np.nanmax, (np.array([3.0, np.nan, 3.0]),), ([0.5, 0, 0.5],)),
    "nansum-of-none": (np.nansum, (np.array([np.nan, np.nan]),), ([0, 0],)),
    "nan_to_num": (np.nan_to_num, (np.nan,), (0.0,)),
    "median-ties": (np.median, (np.array([1.0, 2.0, 2.0, 3.0]),), ([0, 0.5, 0.5, 0],)),
    "quantile-ties": (lambda x: np.quantile(x, 0.5), (np.ones(3),), ([0, 1, 0],)),
    "quantile-top": (lambda q: np.quantile(np.array([1.0, 2.0, 4.0]), q), (1.0,), (4.0,)),
    "maximum-accumulate": (
        lambda x: np.maximum.accumulate(x)[-1],
        (np.array([1.0, 3.0, 3.0]),),
        ([0, 1, 0],),
    ),
    "sinc": (np.sinc, (0.0,), (0.0,)),
    "ufunc-where": (lambda x: np.sum(np.log(x, where=x > 0)), (np.array([0.0, 2.0]),), ([0, 0.5],)),
}


@pytest.mark.parametrize("name", CORNERS)
def test_gradient_at_corners(name: str) -> None:
    f, args, want = CORNERS[name]
    got = wg.grad(f, argnums=tuple(range(len(args))))(*args)
    for g, w, x in zip(got, want, args, strict=True):
        np.testing.assert_array_equal(g, w)
        assert g.dtype == np.asarray(x).dtype
    ones = tuple([np.ones_like(x)[()] for x in args])
    forward = wg.jvp(f, args, ones)[1]
    np.testing.assert_allclose(forward, sum([np.sum(w) for w in want]))
