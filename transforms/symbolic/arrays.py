"""The operations on arrays of formulas, by the names of the primitives.

Moving, joining and contracting is NumPy's own, which does these for arrays of objects too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ...core.ir import Equation
from .elements import ELEMENTS, choose, truth
from .extra import sympy
from .values import Formula, NoFormError, broadcast, integers

__all__ = ["ARRAYS", "fold"]

Rule = Callable[[Equation, list[Formula]], Any]


def _numpys(e: Equation, args: list[Formula]) -> Any:
    """What the primitive does with arrays of objects."""
    return e.primitive.impl(*[_single(a) for a in args], **e.params)


def _single(x: Formula) -> Any:
    """One formula without an array around it: NumPy would put the array into others."""
    return x if x.shape else x[()]


def _indexed(e: Equation, args: list[Formula]) -> Any:
    """The operands after the first are indices."""
    return e.primitive.impl(args[0], *[integers(a) for a in args[1:]], **e.params)


def _written(e: Equation, args: list[Formula]) -> Any:
    indices = [integers(a) for a in args[2:]]
    return e.primitive.impl(args[0], _single(args[1]), *indices, **e.params)


def _added(e: Equation, args: list[Formula]) -> Any:
    """`scatter_sum`: sums of formulas at places."""
    n = len(e.params["places"])
    arrays = [integers(a) for a in args[n:]]
    # Objects in the place of the dtype, so that sums start from sympy's zero.
    params = {**e.params, "dtype": np.dtype(object)}
    return objects_of(e.primitive.impl(*[_single(a) for a in args[:n]], *arrays, **params))


def objects_of(x: Any) -> Formula:
    """An array of sympy's objects, where some are Python's numbers."""
    x = np.asarray(x, object)
    found = np.empty(x.shape, object)
    for i in np.ndindex(x.shape):
        found[i] = sympy().sympify(x[i])
    return found


def _reduced(combine: Callable[[list[Any]], Any]) -> Rule:
    """A reduction of the elements along axes."""

    def rule(e: Equation, args: list[Formula]) -> Formula:
        x, axes = args[0], tuple(e.params["axes"])
        kept = [i for i in range(x.ndim) if i not in axes]
        rows = np.transpose(x, [*kept, *axes]).reshape([x.shape[i] for i in kept] + [-1])
        found = np.empty(rows.shape[:-1], object)
        for i in np.ndindex(found.shape):
            found[i] = combine(list(rows[i]))
        return np.reshape(found, e.outputs[0].aval.shape)

    return rule


def _total(items: list[Any]) -> Any:
    return sympy().Add(*[ELEMENTS["positive"](v) for v in items])


def _product(items: list[Any]) -> Any:
    return sympy().Mul(*items)


def _mean(items: list[Any]) -> Any:
    return _total(items) / len(items)


def _squares(items: list[Any]) -> Any:
    s = sympy()
    return s.Add(*[v**2 if v.is_real else s.Abs(v) ** 2 for v in items])


def _variance(e: Equation, args: list[Formula]) -> Formula:
    ddof = e.params["ddof"]

    def combine(items: list[Any]) -> Any:
        mean = _mean(items)
        return _squares([v - mean for v in items]) / (len(items) - sympy().sympify(ddof))

    return _reduced(combine)(e, args)


def _deviation(e: Equation, args: list[Formula]) -> Formula:
    return broadcast(sympy().sqrt, [_variance(e, args)])


def _log_sum(items: list[Any]) -> Any:
    s = sympy()
    return s.log(s.Add(*[s.exp(v) for v in items]))


def _shares(log: bool) -> Rule:
    """softmax and log_softmax."""

    def rule(e: Equation, args: list[Formula]) -> Formula:
        s = sympy()
        x, axes = args[0], tuple(e.params["axes"])
        powers = broadcast(s.exp, [x])
        total = np.broadcast_to(np.sum(powers, axis=axes, keepdims=True), x.shape)
        if log:
            return broadcast(lambda v, t: v - s.log(t), [x, total])
        return broadcast(lambda v, t: v / t, [powers, total])

    return rule


def _exponential_shares(e: Equation, args: list[Formula]) -> Formula:
    """exp(a - y), with y of the reduced shape."""
    a, y = args
    axes = tuple(e.params["axes"])
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
    return broadcast(lambda v, t: sympy().exp(v - t), [a, np.reshape(y, kept)])


def _p_norm(e: Equation, args: list[Formula]) -> Formula:
    s = sympy()
    p = s.nsimplify(e.params["p"])
    combine = lambda items: s.Add(*[s.Abs(v) ** p for v in items]) ** (1 / p)
    return _reduced(combine)(e, args)


def _astype(e: Equation, args: list[Formula]) -> Formula:
    kind, given = e.params["dtype"].kind, e.inputs[0].aval.dtype.kind
    if kind == "b" and given != "b":
        return broadcast(lambda x: sympy().Ne(x, 0), args)
    if kind in "iu" and given in "fc":
        return broadcast(ELEMENTS["trunc"], args)
    if given == "c" and kind != "c":
        return broadcast(ELEMENTS["real"], args)
    return broadcast(ELEMENTS["positive"], args)


def _clip(e: Equation, args: list[Formula]) -> Formula:
    s = sympy()
    return broadcast(lambda x, lo, hi: s.Min(s.Max(x, lo), hi), args)


def _choose(e: Equation, args: list[Formula]) -> Formula:
    which = integers(args[0])
    return np.choose(which, args[1:])


def _round(e: Equation, args: list[Formula]) -> Formula:
    raise NoFormError("rounding to decimals")


def _sinc(e: Equation, args: list[Formula]) -> Formula:
    s = sympy()
    t = s.Symbol("t", real=True)
    form = s.diff(s.sin(s.pi * t) / (s.pi * t), t, e.params["order"])
    at_zero = s.limit(form, t, 0)
    return broadcast(lambda x: choose(s.Eq(x, 0), at_zero, form.subs(t, x)), args)


def _bessel_i(e: Equation, args: list[Formula]) -> Formula:
    return broadcast(lambda x: sympy().besseli(e.params["order"], x), args)


# Matrices.


def _matrices(function: Callable[..., Any]) -> Rule:
    """A function of matrices of sympy, for stacks of them."""

    def rule(e: Equation, args: list[Formula]) -> Formula:
        out = e.outputs[0].aval.shape
        stack = np.broadcast_shapes(*[a.shape[:-2] for a in args])
        found = np.empty(out, object)
        arrays = [np.broadcast_to(a, (*stack, *a.shape[-2:])) for a in args]
        for i in np.ndindex(stack):
            y = function(*[_matrix(a[i]) for a in arrays])
            found[i] = np.array(y.tolist(), object) if hasattr(y, "tolist") else y
        return found

    return rule


def _matrix(x: Formula) -> Any:
    return sympy().Matrix(x.shape[0], x.shape[1], list(x.ravel()))


def _solve(e: Equation, args: list[Formula]) -> Formula:
    a, b = args
    if b.ndim == 1:
        found = _matrix(a).LUsolve(_matrix(b[:, None])) if a.ndim == 2 else None
        if found is None:
            raise NoFormError("a stack of systems with one right-hand side")
        return np.array(found.tolist(), object)[:, 0]
    return _matrices(lambda m, right: m.LUsolve(right))(e, [a, b])


def _cholesky(m: Any) -> Any:
    """The factor that NumPy computes, from the lower triangle alone."""
    s = sympy()
    n = m.rows
    found = s.zeros(n, n)
    for j in range(n):
        found[j, j] = s.sqrt(m[j, j] - s.Add(*[found[j, k] ** 2 for k in range(j)]))
        for i in range(j + 1, n):
            rest = m[i, j] - s.Add(*[found[i, k] * found[j, k] for k in range(j)])
            found[i, j] = rest / found[j, j]
    return found


def _slogdet(e: Equation, args: list[Formula]) -> list[Formula]:
    s = sympy()
    det = _matrices(lambda m: m.det())(e, args)
    det = np.asarray(det, object)
    return [broadcast(s.sign, [det]), broadcast(lambda d: s.log(s.Abs(d)), [det])]


def _fft(e: Equation, args: list[Formula]) -> Formula:
    """The discrete Fourier transform, with exact roots of unity."""
    return _fourier(args[0], e.params, e.params["inverse"])


def _fourier(x: Formula, params: dict[str, Any], inverse: bool) -> Formula:
    s = sympy()
    axis, n = params["axis"], params["n"]
    x = np.moveaxis(x, axis, -1)
    sign = 1 if inverse else -1
    x = x[..., :n]
    m = x.shape[-1]
    roots = np.array([
        [s.exp(sign * 2 * s.I * s.pi * s.Rational(j * k % n, n)) for k in range(n)]
        for j in range(m)
    ], object)  # fmt: skip
    scale = {"backward": (1, n), "forward": (n, 1), "ortho": (s.sqrt(n), s.sqrt(n))}
    by = scale[params["norm"] or "backward"][inverse]
    return np.moveaxis(x @ roots / by, -1, axis)


def _same(e: Equation, args: list[Formula]) -> Formula:
    return broadcast(ELEMENTS["positive"], args[:1])


def _linspace(e: Equation, args: list[Formula]) -> Formula:
    n, endpoint = e.params["num"], e.params["endpoint"]
    parts = max(n - 1 if endpoint else n, 1)
    rows = [
        broadcast(lambda a, b, i=i: a + (b - a) * sympy().Rational(i, parts), args)
        for i in range(n)
    ]
    return np.stack(rows) if rows else np.empty(e.outputs[0].aval.shape, object)


def _rfft(e: Equation, args: list[Formula]) -> Formula:
    """The first half of the transform."""
    whole = _fourier(args[0], e.params, inverse=False)
    half = [slice(None)] * whole.ndim
    half[e.params["axis"]] = slice(0, e.params["n"] // 2 + 1)
    return whole[tuple(half)]


def fold(name: str) -> Rule | None:
    """`ufunc.reduce` and `ufunc.accumulate` of an elementwise operation, in NumPy's order."""
    stem, _, method = name.rpartition("_")
    step = ELEMENTS.get(_STEMS.get(stem, stem))
    if step is None or method not in ("reduce", "accumulate"):
        return None

    def rule(e: Equation, args: list[Formula]) -> Formula:
        axis = e.params["axis"] if method == "accumulate" else e.params["axes"][0]
        if method == "reduce" and len(e.params["axes"]) != 1:
            raise NoFormError("a reduction over several axes")
        rows = list(np.moveaxis(args[0], axis, 0))
        if not rows:
            raise NoFormError("a reduction of nothing")
        found = [np.asarray(rows[0], object)]
        for row in rows[1:]:
            found.append(broadcast(step, [found[-1], np.asarray(row, object)]))
        if method == "accumulate":
            return np.moveaxis(np.stack(found), 0, axis)
        return np.reshape(found[-1], e.outputs[0].aval.shape)

    return rule


_STEMS: Final = {"divide": "div", "power": "pow", "float_power": "pow"}


def _sorted(e: Equation, args: list[Formula]) -> Formula:
    """Two elements in order; more have too many cases."""
    s = sympy()
    x = np.moveaxis(args[0], e.params["axis"], -1)
    if x.shape[-1] != 2:
        raise NoFormError("sorting more than two variables has too many cases for a formula")
    low = broadcast(s.Min, [x[..., 0], x[..., 1]])
    high = broadcast(s.Max, [x[..., 0], x[..., 1]])
    return np.moveaxis(np.stack([low, high], axis=-1), -1, e.params["axis"])


_MOVED: Final = (
    "reshape", "transpose", "broadcast_to", "concatenate", "stack", "diagonal", "windows",
    "matmul", "cumsum", "cumprod", "convolve", "cross", "trapezoid", "copy", "frames",
)  # fmt: skip

ARRAYS: Final[dict[str, Rule]] = {
    **dict.fromkeys(_MOVED, _numpys),
    "getitem": _indexed,
    "setitem": _written,
    "scatter_sum": _added,
    "einsum": lambda e, args: np.einsum(e.params["subscripts"], *args),
    "reduce_sum": _reduced(_total),
    "reduce_prod": _reduced(_product),
    "reduce_max": _reduced(lambda items: sympy().Max(*items)),
    "reduce_min": _reduced(lambda items: sympy().Min(*items)),
    "reduce_any": _reduced(lambda items: sympy().Or(*[truth(v) for v in items])),
    "reduce_all": _reduced(lambda items: sympy().And(*[truth(v) for v in items])),
    "nanmax": _reduced(lambda items: sympy().Max(*items)),
    "nanmin": _reduced(lambda items: sympy().Min(*items)),
    "mean": _reduced(_mean),
    "nanmean": _reduced(_mean),
    "var": _variance,
    "std": _deviation,
    "nanvar": _variance,
    "nanstd": _deviation,
    "norm": _reduced(lambda items: sympy().sqrt(_squares(items))),
    "p_norm": _p_norm,
    "logsumexp": _reduced(_log_sum),
    "logsumexp_share": _exponential_shares,
    "softmax": _shares(log=False),
    "log_softmax": _shares(log=True),
    "astype": _astype,
    "clip": _clip,
    "choose": _choose,
    "round": _round,
    "sinc": _sinc,
    "bessel_i": _bessel_i,
    "nan_to_num": _same,
    "det": _matrices(lambda m: m.det()),
    "scipy_det": _matrices(lambda m: m.det()),
    "inv": _matrices(lambda m: m.inv()),
    "cofactor": _matrices(lambda m: m.cofactor_matrix()),
    "cholesky": _matrices(_cholesky),
    "solve": _solve,
    "slogdet": _slogdet,
    "fft": _fft,
    "rfft": _rfft,
    "linspace": _linspace,
    "sort": _sorted,
}
"""By the primitive's name."""
