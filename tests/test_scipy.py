"""scipy.special on traced values, where the spec table says nothing: accuracy, corners, errors."""

from __future__ import annotations

import itertools
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.special as sc
import scipy.stats

import wengert as wg
import wengert.scipy.special as wsp
from wengert.core import dispatch
from wengert.core.scipy.incomplete import betainc_by_ab, gammainc_by_a
from wengert.errors import (
    ArrayConversionError,
    InPlaceWriteError,
    MissingRuleError,
    UnsupportedError,
)

Function = Callable[..., Any]
INF = np.inf

# Derivatives by parameters, from mpmath with 60 digits: a, x, the first and the second by a.

GAMMAINC = (
    (0.001, 1e-06, -13.065809708321315, 171.36960282780685),
    (0.001, 0.5, -0.56035940010800309, -0.58485123986970825),
    (0.001, 2.0, -0.049053345839364881, -0.15289776820824403),
    (0.01, 30.0, -3.2705030781662212e-15, -2.5568547680402161e-14),
    (0.5, 0.5, -0.64720035237775388, 0.15585302936750689),
    (0.5, 3.0, -0.047240326447973751, -0.085989868973685684),
    (1.5, 1.01, -0.37482047838397309, 0.17012413989126894),
    (2.0, 1e-06, -7.3691425893237722e-12, 1.0841113054453295e-10),
    (3.0, 2.0, -0.23184867204398959, 0.09884154888754006),
    (10.0, 30.0, -8.5002029891204352e-6, -9.4089392635295143e-6),
    (10.0, 9.5, -0.12882764167930821, 0.0067725259856961539),
    (100.0, 80.0, -0.004402643243468635, 0.00098327715433170249),
    (100.0, 150.0, -2.538946697261135e-6, -1.0302899891889255e-6),
    (10000.0, 10200.0, -0.00054881723498989003, -1.0868113268356415e-5),
    (10000.0, 9500.0, -9.8923190122146941e-9, 5.0741386779593238e-10),
)

# a, b, x, the derivatives by a, by b, and by both.
BETAINC = (
    (0.001, 0.001, 0.5, -250.00041018403214, 250.00041018403214, 0.0),
    (0.001, 2.0, 0.3, -0.50420816678413036, 0.00036894935554668767, 0.36876650267620612),
    (2.0, 0.001, 0.9, -0.00054661131475342588, 1.4014267971615348, -0.54573129514891411),
    (0.5, 0.5, 1e-06, -0.0091859257201946295, 0.00088254233549435453, -0.011687196522808094),
    (0.5, 1.5, 0.7, -0.16836770909454366, 0.11252955262252107, 0.19962739275186153),
    (2.0, 3.0, 0.4, -0.24086937608755657, 0.15634433641359878, 0.0089234076700342831),
    (1.5, 0.4, 0.61, -0.15919184196491275, 0.50372107473453969, -0.26464297672511603),
    (20.0, 3.0, 0.9, -0.02824695334991702, 0.22832210500847484, 0.0037883857164296608),
    (3.0, 200.0, 0.01, -0.23171475214864862, 0.0027200798271441009, -0.00059756002996883742),
    (200.0, 300.0, 0.42, -0.014129980814403685, 0.0098152697442191742, 0.00048385919545459339),
)


@pytest.mark.parametrize(("a", "x", "first", "second"), GAMMAINC)
def test_gammainc_by_its_parameter(a: float, x: float, first: float, second: float) -> None:
    for f, sign in ((sc.gammainc, 1), (sc.gammaincc, -1)):
        np.testing.assert_allclose(wg.grad(f)(a, x), sign * first, rtol=5e-13)
        np.testing.assert_allclose(wg.grad(wg.grad(f))(a, x), sign * second, rtol=2e-12)
    assert wg.grad(sc.gammainc)(np.float32(a), np.float32(x)).dtype == np.float32


@pytest.mark.parametrize(("a", "b", "x", "by_a", "by_b", "by_both"), BETAINC)
def test_betainc_by_its_parameters(
    a: float, b: float, x: float, by_a: float, by_b: float, by_both: float
) -> None:
    for f, sign in ((sc.betainc, 1), (sc.betaincc, -1)):
        got = wg.grad(f, argnums=(0, 1))(a, b, x)
        np.testing.assert_allclose(got, (sign * by_a, sign * by_b), rtol=1e-12)
        mixed = wg.grad(wg.grad(f), argnums=1)(a, b, x)
        np.testing.assert_allclose(mixed, sign * by_both, rtol=1e-11, atol=1e-8)


def test_incomplete_functions_at_their_ends() -> None:
    a = np.array([0.5, 2.0, 2.0, 0.0, INF, -1.0, 2.0, np.nan])
    x = np.array([0.0, 0.0, INF, 0.5, 1.0, 1.0, -1.0, 1.0])
    want = [0.0, 0.0, 0.0, -sc.exp1(0.5), 0.0, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(gammainc_by_a(a, x, 1), want, rtol=1e-13)
    got = betainc_by_ab(*np.array([[2.0, 3.0, 0.0], [2.0, 3.0, 1.0], [1.0, 1.0, 0.25]]).T, 1, 0)
    np.testing.assert_allclose(got, [0.0, 0.0, 0.25 * np.log(0.25)], rtol=1e-13)
    assert gammainc_by_a(np.zeros((0, 2)), np.ones(2), 1).shape == (0, 2)


def test_gradients_of_large_arrays_come_in_blocks(rng: np.random.Generator) -> None:
    a, x = rng.uniform(0.5, 20, (3, 1000)), rng.uniform(0.1, 20, 1000)
    got = wg.grad(lambda a: np.sum(sc.gammainc(a, x)))(a)
    step = (sc.gammainc(a + 1e-6, x) - sc.gammainc(a - 1e-6, x)) / 2e-6
    np.testing.assert_allclose(got, step, atol=1e-8)


def test_inverses_undo_their_functions(rng: np.random.Generator) -> None:
    """Implicit derivatives: what samplers of gamma and beta variables need."""
    a, b, p = rng.uniform(0.5, 5, 3), rng.uniform(0.5, 5, 3), rng.uniform(0.1, 0.9, 3)
    for f, g, args in (
        (sc.gammainc, sc.gammaincinv, (a,)),
        (sc.gammaincc, sc.gammainccinv, (a,)),
        (sc.betainc, sc.betaincinv, (a, b)),
        (sc.betaincc, sc.betainccinv, (a, b)),
    ):
        y, y_dot = wg.jvp(
            lambda *q, f=f, g=g: f(*q[:-1], g(*q)), (*args, p), (*[np.ones(3)] * len(args), 0 * p)
        )
        np.testing.assert_allclose(y, p, rtol=1e-12)
        np.testing.assert_allclose(y_dot, 0, atol=1e-12)


# Far out, where formulas cancel: the derivative, and the second, from mpmath.

TAILS: tuple[tuple[Function, float, float], ...] = (
    (sc.log_ndtr, -40.0, 40.024968847207264),
    (sc.log_ndtr, -1000.0, 1000.000999998),
    (sc.log_ndtr, -5.0, 5.1865039671258421),
    (sc.log_ndtr, 3.0, 0.0044378390421256638),
    (wg.grad(sc.log_ndtr), -40.0, -0.99937733162140861),
    (wg.grad(sc.log_ndtr), -1000.0, -0.99999900000599995),
    (wg.grad(sc.log_ndtr), -5.0, -0.96730356538288777),
    (wg.grad(sc.log_ndtr), 3.0, -0.013333211541740806),
    (wg.grad(sc.log_ndtr), 50.0, 0.0),
    (sc.erfcx, 30.0, -0.00062583541050748407),
    (sc.erfcx, 1000.0, -5.6418873726549667e-7),
    (sc.erfcx, 1e5, -5.6418958346312785e-11),
    (sc.erfcx, -2.0, -436.8919967270074),
    (sc.erfcx, 5.0, -0.02133278976482631),
    (sc.dawsn, 30.0, -0.00055648406355054791),
    (sc.dawsn, -1000.0, -5.0000075000187501e-7),
    (sc.dawsn, 5.0, -0.021340744242768354),
    (sc.expit, 1000.0, 0.0),
    (sc.expit, -1000.0, 0.0),
    (sc.expit, 40.0, float(np.exp(-40.0))),
    (sc.expit, -40.0, float(np.exp(-40.0))),
    (sc.log_expit, -1000.0, 1.0),
    (sc.log_expit, 1000.0, 0.0),
    (sc.ndtri_exp, -1000.0, 0.022402367686230811),
)


@pytest.mark.parametrize(("f", "x", "want"), TAILS)
def test_derivatives_in_the_tails(f: Function, x: float, want: float) -> None:
    np.testing.assert_allclose(wg.grad(f)(x), want, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(wg.jvp(f, (x,), (1.0,))[1], want, rtol=1e-12, atol=1e-300)


# Corners: functions of some arguments, and their gradients.

CORNERS: dict[str, tuple[Function, tuple[Any, ...], tuple[Any, ...]]] = {
    "xlogy": (lambda y: sc.xlogy(0.0, y), (0.0,), (0.0,)),
    "xlogy-one": (sc.xlogy, (0.0, 1.0), (0.0, 0.0)),
    "xlog1py": (lambda y: sc.xlog1py(0.0, y), (-1.0,), (0.0,)),
    "rel_entr": (lambda y: sc.rel_entr(0.0, y), (0.0,), (0.0,)),
    "exprel": (sc.exprel, (0.0,), (0.5,)),
    "exprel-far": (sc.exprel, (-INF,), (0.0,)),
    "boxcox-log": (sc.boxcox, (2.0, 0.0), (0.5, np.log(2.0) ** 2 / 2)),
    "boxcox-zero": (lambda p: sc.boxcox(0.0, p), (2.0,), (0.25,)),
    "inv_boxcox-exp": (sc.inv_boxcox, (0.5, 0.0), (np.exp(0.5), -np.exp(0.5) / 8)),
    "huber-kink": (sc.huber, (1.0, 1.0), (0.0, 1.0)),
    "pseudo_huber": (sc.pseudo_huber, (1.0, 0.0), (0.0, 0.0)),
    "pseudo_huber-flat": (sc.pseudo_huber, (0.0, 2.0), (2.0, 0.0)),
    "spence": (sc.spence, (1.0,), (-1.0,)),
    "spence-second": (wg.grad(sc.spence), (1.0,), (0.5,)),
    "rgamma-pole": (sc.rgamma, (-3.0,), (-6.0,)),
    "rgamma-zero": (sc.rgamma, (0.0,), (1.0,)),
    "poch-below": (lambda z: sc.poch(z, 2.0), (-3.0,), (-5.0,)),
    "poch-through": (lambda z: sc.poch(z, 3.0), (-1.0,), (-1.0,)),
    "binom-outside": (sc.binom, (3.0, 5.0), (-0.05, 0.05)),
    "j1": (sc.j1, (0.0,), (0.5,)),
    "j1-third": (wg.grad(wg.grad(sc.j1)), (0.0,), (-0.375,)),
    "jv": (lambda x: sc.jv(0, x), (0.0,), (0.0,)),
    "i0e": (sc.i0e, (0.0,), (0.0,)),
    "sici": (lambda x: sc.sici(x)[0], (0.0,), (1.0,)),
    "ellipk": (sc.ellipk, (0.0,), (np.pi / 8,)),
    "ellipe": (sc.ellipe, (0.0,), (-np.pi / 8,)),
    "agm": (sc.agm, (1.0, 1.0), (0.5, 0.5)),
    "gammainc-start": (lambda x: sc.gammainc(1.0, x), (0.0,), (1.0,)),
    "gammainc-flat": (sc.gammainc, (2.0, 0.0), (0.0, 0.0)),
    "gammainc-start-second": (wg.grad(lambda x: sc.gammainc(2.0, x)), (0.0,), (1.0,)),
    "betainc-start": (lambda x: sc.betainc(1.0, 3.0, x), (0.0,), (3.0,)),
    "betainc-end": (lambda x: sc.betainc(3.0, 1.0, x), (1.0,), (3.0,)),
    "betainc-flat": (sc.betainc, (2.0, 3.0, 0.0), (0.0, 0.0, 0.0)),
    "gammaln": (sc.gammaln, (-0.5,), (sc.psi(-0.5),)),
    "logit": (sc.logit, (0.5,), (4.0,)),
    "stdtr-middle": (sc.stdtr, (1.0, 0.0), (0.0, 1 / np.pi)),
    "chndtr-central": (lambda x: sc.chndtr(x, 2.0, 0.0), (1.0,), (0.5 * np.exp(-0.5),)),
    "legendre-end": (lambda x: sc.lpmv(0, 3, x), (1.0,), (6.0,)),
    "legendre-2-end": (lambda x: sc.lpmv(2, 3, x), (-1.0,), (-30.0,)),
    "diric": (lambda x: wsp.diric(x, 3), (0.0,), (0.0,)),
    "logsumexp-inf": (lambda x: wsp.logsumexp(x), (np.array([-INF, 0.0]),), ([0, 1],)),
    "logsumexp-infs": (lambda x: wsp.logsumexp(x), (np.array([INF, 0, INF]),), ([0.5, 0, 0.5],)),
    "logsumexp-none": (lambda x: wsp.logsumexp(x), (np.array([-INF, -INF]),), ([0.5, 0.5],)),
    "logsumexp-far": (lambda x: wsp.logsumexp(x), (np.array([1e4, 1e4]),), ([0.5, 0.5],)),
    "logsumexp-b": (
        lambda x: wsp.logsumexp(x, b=np.array([0.0, 1.0])), (np.array([INF, 3.0]),), ([0, 1],)
    ),
    "logsumexp-left-out": (
        lambda x: wsp.logsumexp(x, b=np.array([0.0, 1.0])), (np.array([9e4, 3.0]),), ([0, 1],)
    ),
    "softmax-equal": (lambda x: wsp.softmax(x)[0], (np.array([7e4, 7e4]),), ([0.25, -0.25],)),
    "log_softmax-inf": (
        lambda x: wsp.log_softmax(x)[1], (np.array([-INF, 1.0, 1.0]),), ([0, 0.5, -0.5],)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CORNERS)
def test_gradient_at_corners(name: str) -> None:
    f, args, want = CORNERS[name]
    quiet = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}
    with np.errstate(**quiet):  # type: ignore[call-overload]  # the keywords are its own
        got = wg.grad(f, argnums=tuple(range(len(args))))(*args)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_logsumexp_is_scipys(dtype: Any) -> None:
    """With infinities, NaN, ties, and results near to zero, which have all their digits."""
    values = [0.0, -0.0, 1.0, -INF, INF, np.nan, -1e-3, 1e30, -50.0, -1e-12, -20.0]
    for n in (1, 2, 3):
        rows = np.array([*itertools.product(values, repeat=n)], dtype)
        with np.errstate(all="ignore"):
            want = sc.logsumexp(rows, axis=1)
            value = wg.vmap(wsp.logsumexp)(rows)
            total = wg.value_and_grad(lambda x: np.sum(wsp.logsumexp(x, axis=1)))(rows)[1]
        np.testing.assert_allclose(value, want, rtol=4 * np.finfo(dtype).eps)
        assert value.dtype == dtype
        whole = ~np.isnan(rows).any(axis=1)
        np.testing.assert_allclose(total[whole].sum(axis=1), 1.0, rtol=1e-6)
        assert np.all(total[whole] >= 0)


def test_second_derivative_of_logsumexp() -> None:
    x = np.array([0.5, -1.0, 2.0])
    p = sc.softmax(x)
    due = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(wg.hessian(wsp.logsumexp)(x), due, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(wg.jacfwd(wg.jacfwd(wsp.logsumexp))(x), due, rtol=1e-12, atol=1e-16)
    batched = wg.vmap(wg.hessian(lambda x: wsp.logsumexp(x, keepdims=True)[0]))(np.stack([x, x]))
    np.testing.assert_allclose(batched[1], due, rtol=1e-12, atol=1e-16)
    third = wg.jacfwd(wg.hessian(wsp.logsumexp))(x)
    np.testing.assert_allclose(third.sum(axis=2), 0.0, atol=1e-15)


def test_logsumexp_of_nothing() -> None:
    pullback = wg.vjp(lambda x: wsp.logsumexp(x, axis=1), np.zeros((2, 3)))[1]
    assert pullback(np.ones(2))[0].shape == (2, 3)
    assert wg.vmap(lambda x: wsp.logsumexp(x, b=np.ones(3)))(np.zeros((2, 3))).shape == (2,)


# Partial derivatives that nobody knows.

UNKNOWN: tuple[tuple[Function, tuple[Any, ...], str, str], ...] = (
    (sc.jv, (1.5, 2.0), "jv", "v"),
    (sc.kve, (1.5, 2.0), "kve", "v"),
    (sc.ive, (1.5, 2.0), "ive", "v"),
    (sc.hyp2f1, (1.5, 2.0, 2.5, 0.3), "hyp2f1", "a"),
    (sc.hyp1f1, (1.5, 2.0, 0.3), "hyp1f1", "a"),
    (sc.zeta, (2.5, 2.0), "zeta", "x"),
    (wsp.zeta, (2.5,), "zeta", "x"),
    (wsp.polygamma, (1.0, 2.0), "polygamma", "n"),
    (sc.eval_legendre, (1.5, 0.5), "eval_legendre", "n"),
    (sc.ncfdtr, (2.0, 3.0, 0.5, 1.5), "ncfdtr", "dfn"),
    (sc.chndtr, (2.0, 3.0, 0.5), "", ""),
    (sc.mathieu_a, (2.0, 1.5), "mathieu_a", "m"),
    (lambda c: sc.pro_ang1(0.0, 1.0, c, 0.5)[0], (0.8,), "pro_ang1", "c"),
    (lambda v: wsp.spherical_jn(v, 0.5), (1.0,), "spherical_jn", "n"),
)


@pytest.mark.parametrize(("f", "args", "name", "argument"), UNKNOWN)
def test_unknown_derivatives_raise(
    f: Function, args: tuple[Any, ...], name: str, argument: str
) -> None:
    ones = tuple([1.0] * len(args))
    if not name:  # known by the first argument, not by all
        assert np.isfinite(wg.grad(f)(*args))
        with pytest.raises(MissingRuleError, match=r"chndtr has no derivative by its argument"):
            wg.jvp(f, args, ones)
        return
    text = rf"scipy\.special\.{name} has no derivative by its argument '{argument}'"
    for transformed in (wg.grad(f), lambda *xs: wg.jvp(f, xs, ones)):
        with pytest.raises(MissingRuleError, match=text):
            transformed(*args)
    assert np.shape(wg.vmap(f)(*[np.array([a, a]) for a in args])) == (2,)


def test_the_order_may_be_batched() -> None:
    x = np.array([0.5, 1.5])
    orders = np.array([0.0, 2.5])
    got = wg.vmap(wg.grad(sc.jv, argnums=1))(orders, x)
    np.testing.assert_allclose(got, sc.jvp(orders, x), rtol=1e-13)
    counts = np.array([0, 2])
    got = wg.vmap(wg.grad(sc.eval_legendre, argnums=1))(counts, x)
    np.testing.assert_allclose(got, [0, 4.5], rtol=1e-13)
    got = wg.vmap(wg.grad(sc.expn, argnums=1))(counts, x)
    np.testing.assert_allclose(got[1], -sc.expn(1, 1.5), rtol=1e-13)


def test_nested_transformations() -> None:
    def f(x: Any) -> Any:
        return np.sum(sc.gammainc(x, 2.0) * sc.erf(x))

    x = np.array([0.5, 1.5, 2.5])
    want = wg.jacfwd(wg.grad(f))(x)
    np.testing.assert_allclose(wg.hessian(f)(x), want, rtol=1e-12)
    program = wg.make_program(wg.grad(f))(x)
    np.testing.assert_allclose(program(x), wg.grad(f)(x), rtol=1e-14)
    rows = wg.vmap(wg.jvp, in_axes=(None, 0, 0))(wg.grad(f), (np.stack([x, x]),), (np.eye(3)[:2],))[
        1
    ]
    np.testing.assert_allclose(rows, want[:2], rtol=1e-12)


def test_functions_of_scipy_that_call_ufuncs() -> None:
    """What SciPy composes of ufuncs is differentiated as it is."""
    np.testing.assert_allclose(wg.grad(lambda x: sc.jvp(1, x, 2))(0.5), sc.jvp(1, 0.5, 3))
    np.testing.assert_allclose(wg.grad(lambda x: sc.kvp(1.5, x))(0.5), sc.kvp(1.5, 0.5, 2))
    got = wg.grad(lambda x: sc.assoc_laguerre(x, 3, 1))(0.5)
    np.testing.assert_allclose(got, -sc.assoc_laguerre(0.5, 2, 2))
    np.testing.assert_allclose(wg.grad(lambda q: sc.zeta(2.0, q))(3.0), -2 * sc.zeta(3.0, 3.0))


def test_half_precision_gradients() -> None:
    x = np.float16(0.5)
    assert sc.expit(x).dtype != np.float16
    assert wg.grad(sc.expit)(x).dtype == np.float16


def test_complex_trigamma_in_the_whole_plane() -> None:
    z = np.array([0.3 + 0.4j, -5.2 + 0.1j, -2.5 - 3j, 30 + 4j, 0.2 - 50j])
    got = wg.jvp(sc.psi, (z,), (np.ones_like(z),))[1]
    step = (sc.psi(z + 1e-5) - sc.psi(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(got, step, rtol=1e-7)
    raised = wg.jvp(sc.psi, (z + 1,), (np.ones_like(z),))[1]
    np.testing.assert_allclose(got - raised, 1 / z**2, rtol=1e-9)


# Names and errors.


def test_names_of_functions() -> None:
    assert dispatch.name_of(sc.expit) == "scipy.special.expit"
    assert dispatch.name_of(sc.digamma) == "scipy.special.psi"
    assert dispatch.name_of(sc.logsumexp) == "scipy.special.logsumexp"
    assert dispatch.name_of(sc._ufuncs._zeta) == "scipy.special.zeta"
    assert dispatch.name_of(np.linalg.solve) == "np.linalg.solve"


def test_all_functions_are_exported() -> None:
    for name, function in vars(sc).items():
        if callable(function) and function in dispatch.FUNCTIONS and name != "sinc":
            assert getattr(wsp, name).numpy_function is function, name
    assert wsp.expit is sc.expit
    with pytest.raises(AttributeError):
        wsp.no_such_function  # noqa: B018  # the attribute is the test


def test_scipy_is_imported_on_use_only() -> None:
    code = "import sys, wengert; assert not [m for m in sys.modules if m.startswith('scipy')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def fails(f: Function, x: Any, error: type[Exception], *texts: str) -> None:
    """The message has all the texts."""
    with pytest.raises(error, match=re.escape(texts[0])) as caught:
        wg.jvp(f, (x,), (x,))
    for text in (*texts, "test_scipy.py"):
        assert text in str(caught.value), str(caught.value)


MATRIX = np.eye(3) + 1.0
CONVERSIONS: dict[str, tuple[Function, str]] = {
    "special": (lambda x: sc.logsumexp(x), "special.logsumexp"),
    "indirect": (lambda x: list(map(sc.logsumexp, [x])), "special.logsumexp"),
    "decorated": (lambda x: sc.spherical_jn(1, x[0]), "special.spherical_jn"),
    "linalg": (lambda x: scipy.linalg.expm(x), "linalg.expm"),
    "stats": (lambda x: scipy.stats.norm.logpdf(x), "stats.norm.logpdf"),
    "frozen": (lambda x: scipy.stats.norm(0, 1).logpdf(x), "stats.norm.logpdf"),
    "multivariate": (
        lambda x: scipy.stats.multivariate_normal.logpdf(x, np.zeros(3)),
        "stats.multivariate_normal.logpdf",
    ),
    "signal": (lambda x: scipy.signal.convolve(x, np.ones((2, 2))), "signal.convolve"),
    "class": (
        lambda x: scipy.interpolate.CubicSpline(np.arange(3.0), x),
        "interpolate.CubicSpline",
    ),
    "object": (
        lambda x: scipy.interpolate.CubicSpline(np.arange(3.0), np.arange(3.0))(x),
        "interpolate.CubicSpline",
    ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_functions_that_do_not_dispatch(name: str) -> None:
    f, ours = CONVERSIONS[name]
    if name == "decorated" and tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15):
        pytest.skip("a plain function in this version")
    fails(
        f,
        MATRIX,
        ArrayConversionError,
        f"scipy.{ours} makes plain arrays of its arguments",
        f"fix:    use wengert.scipy.{ours}, which takes the same arguments",
    )


UNTRACEABLE: dict[str, tuple[Function, str]] = {
    "function": (lambda x: sc.factorial2(x), "scipy.special.factorial2 cannot be traced"),
    "distribution": (
        lambda x: scipy.stats.genextreme.logpdf(x, 1.0),
        "scipy.stats.genextreme.logpdf cannot be traced",
    ),
    "callback": (
        lambda x: scipy.optimize.brentq(lambda z: z - x[0, 0], -5, 5),
        "scipy.optimize.brentq cannot be traced",
    ),
    "integral": (
        lambda x: scipy.integrate.quad(lambda z: z * x[0, 0], 0, 1)[0],
        "scipy.integrate.quad cannot be traced",
    ),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_functions_without_a_rule(name: str) -> None:
    f, text = UNTRACEABLE[name]
    fails(f, MATRIX, ArrayConversionError, text, "outside the transformed function")


def test_similar_names_are_suggested() -> None:
    fails(
        lambda x: sc.factorial2(x + 0 * MATRIX),
        3.0,
        ArrayConversionError,
        "needed:",
        "such as scipy.special.factorial",
    )


def test_other_refusals() -> None:
    x = np.ones(3)
    out = np.empty(3)
    fails(lambda x: sc.expit(x, out=out), x, InPlaceWriteError, "scipy.special.expit")
    fails(lambda x: sc.xlogy.reduce(x), x, UnsupportedError, "scipy.special.xlogy.reduce")
    fails(
        lambda x: wsp.comb(x, 2, exact=True), x, UnsupportedError, "scipy.special.comb: ", "exact"
    )
    fails(lambda x: wsp.factorial(x, exact=True), x, UnsupportedError, "'exact'")
    fails(lambda x: wsp.zeta(2.0, x, out=out), x, InPlaceWriteError, "scipy.special.zeta")
    with pytest.raises(ValueError, match=r"scipy\.special\.multigammaln: d must be"):
        wg.grad(lambda x: wsp.multigammaln(x, 1.5))(3.0)


def test_results_for_complex_arguments_of_real_functions() -> None:
    """SciPy's own error, for types that its ufunc does not have."""
    with pytest.raises(TypeError):
        wg.vmap(sc.expit)(np.array([1j, 2j]))


def test_a_program_is_unpickled_where_scipy_is_not_imported_yet() -> None:
    program = wg.make_program(lambda x: sc.erf(x) * sc.gammainc(x, 2.0))(np.ones(2))
    code = (
        "import pickle, sys; program = pickle.loads(bytes.fromhex(sys.argv[1])); "
        "import numpy as np; print(float(program(np.ones(2))[0]))"
    )
    run = [sys.executable, "-c", code, pickle.dumps(program).hex()]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert float(found) == program(np.ones(2))[0]
