"""The values at the hard points: every row of the tables in docs/values.md is run here.

A row holds for NumPy's value, forward and reverse mode, for a batch of two, and as a program, and
gives no warning where all is finite. To write the tables into the document, with what JAX and
autograd answer where they are installed:

    python tests/test_values.py --write
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "values.md"
TABLE = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- /table -->", re.DOTALL)


class Row(NamedTuple):
    """An expression in `x`, a point, and the value and derivative there.

    For what returns an array, the derivative is the Jacobian. `order` is that of the derivative.
    `forward` is what forward mode gives, where that differs. `lanes`: it works under vmap and as a
    program, since it does not look at values.
    """

    code: str
    point: str
    value: str
    derivative: str
    order: int = 1
    forward: str = ""
    lanes: bool = True


EYE = "[[1, 0], [0, 1]]"

TABLES = {
    "products": (
        Row("np.prod(x)", "[0, 2, 3]", "0", "[6, 0, 0]"),
        Row("np.prod(x)", "[0, 2, 0]", "0", "[0, 0, 0]"),
        Row("np.multiply.reduce(x)", "[0, 2, 3]", "0", "[6, 0, 0]"),
        Row("np.cumprod(x)", "[2, 0, 3]", "[2, 0, 0]", "[[1, 0, 0], [0, 2, 0], [0, 6, 0]]"),
        Row("np.nanprod(x)", "[0, nan, 3]", "0", "[3, 0, 0]"),
        Row("np.linalg.det(x)", "[[1, 2], [2, 4]]", "0", "[[4, -2], [-2, 1]]"),
        Row("np.linalg.det(x)", "[[0, 0], [0, 0]]", "0", "[[0, 0], [0, 0]]"),
    ),
    "powers": (
        Row("x ** 0", "0", "1", "0"),
        Row("x ** 0.0", "0", "1", "0"),
        Row("x ** 1.0", "0", "0", "1"),
        Row("x ** 2.0", "0", "0", "2", order=2),
        Row("x ** 2.0", "0", "0", "0", order=3),
        Row("x ** 3.0", "0", "0", "6", order=3),
        Row("np.square(x)", "0", "0", "0", order=3),
        Row("np.float_power(x, 2)", "0", "0", "0", order=3),
        Row("np.sum(x ** np.arange(3.0))", "[0, 0, 0]", "1", "[0, 1, 0]"),
        Row("x[0] ** x[1]", "[0, 2]", "0", "[0, 0]"),
        Row("x[0] ** x[1]", "[0, 1]", "0", "[1, 0]"),
        Row("x[0] ** x[1]", "[0, 0]", "1", "[0, 0]"),
        Row("0.0 ** x", "2", "0", "0"),
        Row("0.0 ** x", "0", "1", "0"),
        Row("x[0] ** x[1]", "[-2, 2]", "4", "[-4, nan]", forward="[nan, nan]"),
        Row("np.polyval(np.array([1.0, 2.0, 3.0]), x)", "0", "3", "2"),
    ),
    "removable": (
        Row("np.sinc(x)", "0", "1", "0"),
        Row("np.sinc(x)", "0", "1", "-np.pi**2 / 3", order=2),
        Row("np.sinc(x)", "0", "1", "np.pi**4 / 5", order=4),
        Row("special.xlogy(x, 2.0)", "0", "0", "np.log(2)"),
        Row("special.xlogy(0.0, x)", "0", "0", "0"),
        Row("special.xlog1py(0.0, x)", "-1", "0", "0"),
        Row("special.expit(x)", "-1000", "0", "0"),
        Row("special.log_ndtr(x)", "-40", "-804.6084420137538", "40.02496884720726"),
        Row("special.gammaln(x)", "1", "0", "-np.euler_gamma"),
        Row("special.i1(x)", "0", "0", "0.5"),
        Row("special.j1(x)", "0", "0", "0.5"),
    ),
    "logs": (
        Row("np.logaddexp(x[0], x[1])", "[-inf, 0]", "0", "[0, 1]"),
        Row("np.logaddexp(x[0], x[1])", "[-inf, -inf]", "-inf", "[0.5, 0.5]"),
        Row("np.logaddexp(x[0], x[1])", "[inf, 0]", "inf", "[1, 0]"),
        Row("np.logaddexp(x[0], x[1])", "[1000, -1000]", "1000", "[1, 0]"),
        Row("np.logaddexp(x, 0.0)", "0", "np.log(2)", "0.25", order=2),
        Row("np.logaddexp2(x[0], x[1])", "[-inf, -inf]", "-inf", "[0.5, 0.5]"),
        Row("np.logaddexp.reduce(x)", "[-inf, 0, 0]", "np.log(2)", "[0, 0.5, 0.5]"),
        Row("np.logaddexp.reduce(x)", "[-inf, -inf]", "-inf", "[0.5, 0.5]"),
        Row("special.logsumexp(x)", "[-inf, 0, 0]", "np.log(2)", "[0, 0.5, 0.5]"),
        Row("special.logsumexp(x)", "[-inf, -inf]", "-inf", "[0.5, 0.5]"),
        Row("special.softmax(x)", "[-inf, 0]", "[0, 1]", "[[0, 0], [0, 0]]"),
    ),
    "kinks": (
        Row("np.abs(x)", "0", "0", "0"),
        Row("np.fabs(x)", "0", "0", "0"),
        Row("np.copysign(x, 1.0)", "0", "0", "0"),
        Row("np.linalg.norm(x)", "[0, 0]", "0", "[0, 0]"),
        Row("np.linalg.norm(x, axis=1)[1]", "[[3, 4], [0, 0]]", "0", "[[0, 0], [0, 0]]"),
        Row("np.linalg.norm(x, 3)", "[0, 0]", "0", "[0, 0]"),
        Row("np.linalg.norm(x, 3)", "[1, 0]", "1", "[1, 0]"),
        Row("np.linalg.norm(x, 1)", "[0, 2]", "2", "[0, 1]"),
        Row("np.linalg.norm(x, np.inf)", "[2, -2]", "2", "[0.5, -0.5]"),
        Row("np.linalg.norm(x, np.inf)", "[0, 0]", "0", "[0, 0]"),
        Row("np.linalg.norm(x, 'nuc')", "[[1, 0], [0, 0]]", "1", "[[1, 0], [0, 0]]"),
        Row("np.linalg.norm(x, 2)", EYE, "1", "[[0.5, 0], [0, 0.5]]"),
        Row("np.hypot(x[0], x[1])", "[0, 0]", "0", "[0, 0]"),
        Row("np.hypot(x[0], x[1])", "[1e-200, 0]", "1e-200", "[1, 0]"),
        Row("np.arctan2(x[0], x[1])", "[0, 0]", "0", "[0, 0]"),
        Row("np.arctan2(x[0], x[1])", "[0, 1e-200]", "0", "[1e200, 0]"),
        Row("np.std(x)", "[2, 2]", "0", "[0, 0]"),
        Row("np.std(x)", "[2]", "0", "[0]"),
        Row("np.nanstd(x)", "[2, nan, 2]", "0", "[0, 0, 0]"),
        Row("np.var(x)", "[2, 2]", "0", "[0, 0]"),
    ),
    "ties": (
        Row("np.max(x)", "[1, 3, 3]", "3", "[0, 0.5, 0.5]"),
        Row("np.min(x)", "[1, 1, 1]", "1", "[1 / 3, 1 / 3, 1 / 3]"),
        Row("np.max(x, initial=3.0)", "[1, 3]", "3", "[0, 0.5]"),
        Row("np.nanmax(x)", "[3, nan, 3]", "3", "[0.5, 0, 0.5]"),
        Row("np.maximum(x, 0.0)", "0", "0", "0.5"),
        Row("np.fmin(x, 0.0)", "0", "0", "0.5"),
        Row("np.ptp(x)", "[2, 2]", "0", "[0, 0]"),
        Row("np.median(x)", "[2, 2, 1]", "2", "[0.5, 0.5, 0]"),
        Row("np.median(x)", "[2, 2, 1, 3]", "2", "[0.5, 0.5, 0, 0]"),
        Row("np.sort(x)[1]", "[2, 2, 1]", "2", "[1, 0, 0]"),
        Row("np.quantile(x, 0.5)", "[2, 2, 1]", "2", "[1, 0, 0]"),
        Row("max(x, 0.0)", "0", "0", "1", lanes=False),
    ),
    "edges": (
        Row("np.clip(x, 0.0, 1.0)", "0", "0", "1"),
        Row("np.clip(x, 0.0, 1.0)", "1", "1", "1"),
        Row("np.clip(x, 0.0, 1.0)", "2", "1", "0"),
        Row("np.clip(1.0, x, 2.0)", "1", "1", "0"),
        Row("np.where(x > 0, x, 0.0)", "0", "0", "0"),
        Row("np.interp(x, np.arange(3.0), np.array([0.0, 1.0, 0.0]))", "1", "1", "-1"),
        Row("np.floor(x)", "1", "1", "0"),
        Row("np.sign(x)", "0", "0", "0"),
        Row("np.heaviside(x, 0.5)", "0", "0.5", "0"),
        Row("np.round(x)", "0.5", "0", "0"),
        Row("x % 1.0", "1", "0", "1"),
        Row("np.fmod(x, 1.0)", "1", "0", "1"),
        Row("np.modf(x)[0]", "1", "0", "1"),
    ),
    "infinite": (
        Row("np.sqrt(x)", "0", "0", "inf"),
        Row("np.cbrt(x)", "0", "0", "inf"),
        Row("x ** 0.5", "0", "0", "inf"),
        Row("np.log(x)", "0", "-inf", "inf"),
        Row("np.arcsin(x)", "1", "np.pi / 2", "inf"),
        Row("np.arccosh(x)", "1", "0", "inf"),
        Row("np.reciprocal(x)", "0", "inf", "-inf"),
        Row("special.entr(x)", "0", "0", "inf"),
        Row("special.logit(x)", "0", "-inf", "inf"),
    ),
    "nan": (
        Row("np.max(x)", "[1, nan]", "nan", "[0, 1]"),
        Row("np.maximum(x, np.nan)", "1", "nan", "0"),
        Row("np.fmax(x, np.nan)", "1", "1", "1"),
        Row("np.nan_to_num(x)", "nan", "0", "0"),
        Row("np.nansum(x)", "[1, nan]", "1", "[1, 0]"),
        Row("np.nanmedian(x)", "[1, nan]", "1", "[1, 0]"),
        Row("x * np.inf", "0", "nan", "inf"),
    ),
    "traps": (
        Row("np.where(x > 0, np.sqrt(x), 0.0)", "0", "0", "nan", forward="0"),
        Row("np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0)", "0", "0", "0"),
        Row("np.sum(np.log(x), where=x > 0)", "[0, 1]", "0", "[nan, 1]", forward="[0, 1]"),
        Row("np.sum(np.log(x[x > 0]))", "[0, 1]", "0", "[0, 1]"),
        Row("np.where(x != 0, np.sin(x) / x, 1.0)", "0", "1", "nan", forward="0"),
        Row("np.sinc(x / np.pi)", "0", "1", "0"),
        Row("np.sqrt(np.sum(x ** 2))", "[0, 0]", "0", "[nan, nan]"),
        Row("np.linalg.norm(x)", "[0, 0]", "0", "[0, 0]"),
        Row("np.sqrt(np.var(x))", "[2, 2]", "0", "[nan, nan]"),
        Row("np.std(x)", "[2, 2]", "0", "[0, 0]"),
        Row("np.log(np.sum(np.exp(x)))", "[1000, 1000]", "inf", "[nan, nan]"),
        Row("np.logaddexp.reduce(x)", "[1000, 1000]", "1000 + np.log(2)", "[0.5, 0.5]"),
        Row("1 / (1 + np.exp(-x))", "-1000", "0", "nan"),
        Row("special.expit(x)", "-1000", "0", "0"),
        Row("x * np.log(x)", "0", "nan", "nan"),
        Row("special.xlogy(x, x)", "0", "0", "-inf"),
        Row("np.log(special.ndtr(x))", "-40", "-inf", "nan"),
        Row("special.log_ndtr(x)", "-40", "-804.6084420137538", "40.02496884720726"),
    ),
    "matrices": (
        Row("np.sum(np.linalg.eigvalsh(x))", EYE, "2", EYE),
        Row("np.sum(np.linalg.eigh(x)[0] ** 2)", EYE, "2", "[[2, 0], [0, 2]]"),
        Row("np.linalg.eigvalsh(x)[0]", EYE, "1", "[[1, 0], [0, 0]]"),
        Row("np.sum(np.linalg.svd(x, compute_uv=False))", EYE, "2", EYE),
        Row("np.sum(np.linalg.svd(x)[1] ** 2)", "[[1, 0], [0, 0]]", "1", "[[2, 0], [0, 0]]"),
        Row("np.sum(np.linalg.eigvals(x)).real", "[[1, 1], [0, 1]]", "2", EYE),
        Row("np.linalg.matrix_rank(x) * 1.0", "[[1, 0], [0, 0]]", "1", "[[0, 0], [0, 0]]"),
        Row("np.linalg.cond(x)", EYE, "1", "[[1, 0], [0, -1]]"),
    ),
    "empty": (
        Row("np.sum(x)", "[]", "0", "[]"),
        Row("np.prod(x)", "[]", "1", "[]"),
        Row("np.mean(x)", "[]", "nan", "[]"),
        Row("np.std(x)", "[]", "nan", "[]"),
        Row("np.max(x, initial=0.0)", "[]", "0", "[]"),
        Row("np.linalg.norm(x)", "[]", "0", "[]"),
        Row("np.logaddexp.reduce(x)", "[]", "-inf", "[]"),
        Row("np.median(x)", "[]", "nan", "[]"),
        Row("np.cumsum(x)", "[]", "[]", "np.zeros((0, 0))"),
        Row("np.sort(x)", "[]", "[]", "np.zeros((0, 0))"),
        Row("x @ x", "[]", "0", "[]"),
        Row("np.einsum('i,i', x, x)", "[]", "0", "[]"),
        Row("np.linalg.det(x)", "np.zeros((0, 0))", "1", "np.zeros((0, 0))"),
        Row("np.sum(x, axis=0)", "np.zeros((0, 2))", "[0, 0]", "np.zeros((2, 0, 2))"),
    ),
    "dtypes": (
        Row("np.prod(x)", "np.float32([0, 2, 3])", "0", "[6, 0, 0]"),
        Row("np.max(x)", "np.float32([3, 3])", "3", "[0.5, 0.5]"),
        Row("np.std(x)", "np.float32([2, 2])", "0", "[0, 0]"),
        Row("np.sinc(x)", "np.float32(0)", "1", "0"),
        Row("x ** 0.0", "np.float32(0)", "1", "0"),
        Row("np.hypot(x[0], x[1])", "np.float32([1e-30, 0])", "1e-30", "[1, 0]"),
        Row("np.abs(x)", "0j", "0", "0"),
        Row("np.abs(x) ** 2", "1 + 2j", "5", "2 - 4j"),
        Row("np.linalg.norm(x)", "[0j, 0j]", "0", "[0, 0]"),
        Row("np.std(x)", "[1j, 1j]", "0", "[0, 0]"),
        Row("np.angle(x)", "0j", "0", "0"),
        Row("np.real(np.sign(x))", "0j", "0", "0"),
        Row("np.real(np.prod(x))", "[0j, 2, 3]", "0", "[6, 0, 0]"),
        Row("np.real(x ** 0)", "0j", "1", "0"),
        Row("np.real(np.sqrt(x))", "0j", "0", "nan + nan * 1j"),
    ),
}
ROWS = [(name, row) for name, rows in TABLES.items() for row in rows]


def number(text: str) -> Any:
    """An array or a NumPy scalar from text; integers become floats."""
    x = eval(text, {"np": np, "nan": np.nan, "inf": np.inf})
    return (
        x
        if isinstance(x, np.ndarray | np.generic)
        else np.array(x, complex if "j" in text else float)[()]
    )


def function(row: Row, numpy: Any, special: Any) -> Callable[[Any], Any]:
    """The expression as a function, by some library's NumPy and special functions."""
    made: Callable[[Any], Any] = eval(f"lambda x: {row.code}", {"np": numpy, "special": special})
    return made


def derivative(row: Row, numpy: Any, special: Any, library: Any) -> Callable[[Any], Any]:
    """Its derivative of the row's order, by reverse mode of some library."""
    f = function(row, numpy, special)
    if number(row.value).ndim:
        return library.jacobian(f)  # type: ignore[no-any-return]
    return reduce(lambda g, _: library.grad(g), range(row.order), f)


def by_forward_mode(row: Row, f: Callable[[Any], Any], x: Any) -> Any:
    """The same by forward mode; for complex arguments df/dx - i df/dy."""
    if np.iscomplexobj(x):
        units = np.eye(x.size).reshape(x.size, *x.shape)
        columns = [
            wg.jvp(f, (x,), (u + 0j,))[1] - 1j * wg.jvp(f, (x,), (1j * u,))[1] for u in units
        ]
        return np.reshape(columns, x.shape)
    return reduce(lambda g, _: wg.jacfwd(g), range(row.order), f)(x)


def all_finite(row: Row) -> bool:
    """Whether neither value nor derivative has a nan or an infinity."""
    parts = (row.point, row.value, row.derivative, row.forward or "0")
    return all(np.isfinite(number(text)).all() for text in parts)


@contextmanager
def no_warnings(row: Row) -> Iterator[None]:
    """Warnings are errors where everything is finite, else they are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("error" if all_finite(row) else "ignore")
        yield


def same(found: Any, expected: Any, x: Any) -> None:
    """Equal up to rounding in the precision of x, and of its dtype, if complex or a float32."""
    tolerance = 1e-6 if x.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, np.broadcast_to(expected, np.shape(found)), tolerance, 0)
    assert np.shape(found) == np.shape(expected)


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{r.code}-{r.point}" for _, r in ROWS])
def test_values(table: str, row: Row) -> None:
    if "special." in row.code:
        pytest.importorskip("scipy")
        from wengert.scipy import special
    else:
        special = None
    x, value, expected = number(row.point), number(row.value), number(row.derivative)
    f = function(row, np, special)
    g = derivative(row, np, special, wg)
    with no_warnings(row):
        same(f(x), value, x)
        y, _ = wg.vjp(f, x)
        assert y.dtype == np.asarray(f(x)).dtype
        same(y, f(x), x)
        found = g(x)
        assert found.dtype == x.dtype
        same(found, expected, x)
        same(by_forward_mode(row, f, x), number(row.forward or row.derivative), x)
        if row.lanes:
            same(wg.vmap(g)(np.stack([x, x])), np.stack([expected, expected]), x)
            same(wg.make_program(g)(x)(x), expected, x)


SMOOTH = (
    ("np.prod(x)", "[0, 2, 0]"),
    ("np.sum(np.cumprod(x))", "[2, 0, 3]"),
    ("np.linalg.det(x)", "[[1, 2], [2, 4]]"),
    ("np.linalg.det(x)", "[[1, 0, 0], [0, 0, 0], [0, 0, 0]]"),
    ("x[0] ** x[1]", "[2, 0]"),
    ("x[0] ** x[1]", "[2, 1]"),
    ("x[0] ** x[1]", "[1, 0]"),
    ("np.float_power(x[0], x[1])", "[2, 0]"),
    ("np.sum(x ** np.arange(3.0))", "[0, 0, 0]"),
    ("np.sinc(x)", "0"),
    ("special.xlogy(x[0], x[1])", "[0, 2]"),
    ("special.j1(x)", "0"),
    ("special.i0(x)", "0"),
    ("special.boxcox(x[0], x[1])", "[2, 0]"),
    ("special.logsumexp(x)", "[0, 0]"),
    ("special.softmax(x)[0]", "[0, 0]"),
    ("np.logaddexp(x[0], x[1])", "[3, 3]"),
    ("np.logaddexp2(x[0], x[1])", "[0, 0]"),
    ("np.logaddexp.reduce(x)", "[0, 0, 0]"),
    ("np.logaddexp.reduce(x)", "[50, 0]"),
    ("np.hypot(x[0], x[1])", "[3, 0]"),
    ("np.arctan2(x[0], x[1])", "[0, 1]"),
    ("np.linalg.norm(x)", "[3, 0]"),
    ("np.linalg.norm(x, 4)", "[1, 0]"),
    ("np.var(x)", "[2, 2]"),
    ("np.modf(x)[0] ** 2", "1.5"),
)


@pytest.mark.parametrize(("code", "point"), SMOOTH)
def test_masks_that_avoid_nan_leave_second_derivatives_right(code: str, point: str) -> None:
    if "special." in code:
        pytest.importorskip("scipy")
        from wengert.scipy import special
    else:
        special = None
    f = function(Row(code, point, "", ""), np, special)
    wg.test_util.check_grads(f, (number(point),), order=2, atol=1e-5, rtol=1e-5)


# The document.


def plain(text: str) -> str:
    """A text of a row as the document shows it, with six digits."""
    text = re.sub(r"\d+\.\d{7,}", lambda m: f"{float(m[0]):.6g}", text)
    return text.replace("np.", "").replace("**", "^")


def what(row: Row) -> str:
    """The first columns of a row: expression, point, value, derivative."""
    order = {1: "", 2: " (second)", 3: " (third)", 4: " (fourth)"}[row.order]
    return f"| `{row.code}` | {row.point} | {plain(row.value)} | {plain(row.derivative)}{order} |"


def test_the_document_has_these_tables() -> None:
    tables = dict(TABLE.findall(DOCUMENT.read_text(encoding="utf-8")))
    assert list(tables) == list(TABLES)
    for name, rows in TABLES.items():
        lines = tables[name].splitlines()[2:]
        assert len(lines) == len(rows)
        for line, row in zip(lines, rows, strict=True):
            assert line.startswith(what(row)), "run python tests/test_values.py --write"


def peers() -> dict[str, SimpleNamespace]:
    """The libraries to compare with, and how they are called."""
    import autograd
    import jax

    jax.config.update("jax_enable_x64", True)
    import autograd.numpy
    import autograd.scipy.special
    import jax.numpy
    import jax.scipy.special

    return {
        "JAX": SimpleNamespace(
            numpy=jax.numpy,
            special=jax.scipy.special,
            grad=jax.grad,
            jacobian=jax.jacrev,
            array=jax.numpy.asarray,
        ),
        "autograd": SimpleNamespace(
            numpy=autograd.numpy,
            special=autograd.scipy.special,
            grad=autograd.grad,
            jacobian=autograd.jacobian,
            array=lambda x: x,
        ),
    }


def answer(row: Row, peer: SimpleNamespace) -> str:
    """What another library says: `same`, its derivative, or `-` where it has no answer."""
    try:
        found = derivative(row, peer.numpy, peer.special, peer)(peer.array(number(row.point)))
        found = np.asarray(found)
    except Exception as error:
        missing = isinstance(error, NotImplementedError | AttributeError | TypeError | KeyError)
        return "-" if missing else type(error).__name__
    expected = number(row.derivative)
    if found.shape == expected.shape and np.allclose(found, expected, 1e-5, 0, equal_nan=True):
        return "same"
    texts = np.array([shown(v) for v in found.ravel().tolist()], object).reshape(found.shape)
    return str(texts.tolist()).replace("'", "")


def shown(v: complex) -> str:
    """A number in six digits, a complex nan as nan."""
    if isinstance(v, complex):
        return "nan" if np.isnan(v) else f"{v:.6g}"
    return f"{v + 0.0:.6g}"


def write() -> None:
    """Write the tables into the document."""
    columns = peers()

    def table(m: re.Match[str]) -> str:
        rows = TABLES[m[1]]
        head = ["function of x", "at", "value", "derivative", *columns]
        lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        for row in rows:
            lines.append(" ".join([what(row), *[f"{answer(row, p)} |" for p in columns.values()]]))
        return f"<!-- table: {m[1]} -->\n" + "\n".join(lines) + "\n<!-- /table -->"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(TABLE.sub(table, text), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()
