"""Rows for the distributions and statistics of `scipy.stats`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

import wengert.scipy.stats as stats
from specs.table import Draw, S, Sample, Spec, const, ints, real

LINE = real(3)
POSITIVE = real(3, lo=0.3, hi=4.0)
UNIT = real(3, lo=0.15, hi=0.85)
SHAPE = real(lo=0.7, hi=3.0)
FREEDOM = real(lo=4.5, hi=9.0)
CHANCE = real(lo=0.2, hi=0.8)
TRIALS = const(np.array(6))
SMALL = ints(4, lo=0, hi=6)

CONTINUOUS: dict[str, tuple[Draw, ...]] = {
    "norm": (LINE,),
    "halfnorm": (POSITIVE,),
    "expon": (POSITIVE,),
    "uniform": (UNIT,),
    "laplace": (LINE,),
    "logistic": (LINE,),
    "cauchy": (LINE,),
    "gumbel_l": (LINE,),
    "gumbel_r": (LINE,),
    "gamma": (POSITIVE, SHAPE),
    "chi2": (POSITIVE, SHAPE),
    "invgamma": (POSITIVE, real(lo=2.2, hi=4.0)),
    "gennorm": (LINE, real(lo=2.2, hi=4.0)),
    "beta": (UNIT, SHAPE, SHAPE),
    "f": (POSITIVE, FREEDOM, FREEDOM),
    "t": (LINE, FREEDOM),
    "pareto": (real(3, lo=1.2, hi=3.0), real(lo=2.2, hi=4.0)),
    "lognorm": (POSITIVE, SHAPE),
    "weibull_min": (POSITIVE, SHAPE),
    "truncnorm": (real(3, lo=-0.9, hi=0.9), real(lo=-3.0, hi=-1.0), real(lo=1.0, hi=3.0)),
    "vonmises": (LINE, SHAPE),
    "wrapcauchy": (POSITIVE, CHANCE),
}
DISCRETE: dict[str, tuple[Draw, ...]] = {
    "poisson": (SMALL, SHAPE),
    "binom": (SMALL, TRIALS, CHANCE),
    "bernoulli": (ints(4, lo=0, hi=2), CHANCE),
    "geom": (ints(4, lo=1, hi=6), CHANCE),
    "nbinom": (SMALL, SHAPE, CHANCE),
    "betabinom": (SMALL, TRIALS, SHAPE, SHAPE),
}
"""Where to draw the variable and the shapes of each distribution."""

CDFS = ("cdf", "sf", "logcdf", "logsf")
QUANTILES = ("ppf", "isf")
PARTS = real(3, lo=0.1, hi=0.9)

# The edges of supports and beyond, NaN, and invalid shapes.
EDGES = const([-np.inf, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0, np.inf, np.nan])
CHANCES = const([-0.5, 0.0, 0.3, 1.0, 1.5, np.nan])
NO_FORMULA = {
    *[("vonmises", m) for m in ("mean", "var", "std")],
    *[("wrapcauchy", m) for m in ("var", "std")],
    *[("betabinom", m) for m in (*CDFS, "entropy")],
    *[(name, "entropy") for name in ("binom", "nbinom")],
}
"""What has no known derivative by a shape."""
BY_VARIABLE = [("vonmises", m) for m in (*CDFS, *QUANTILES)]
"""What has one by the variable alone."""


def _method(name: str, method: str) -> Any:
    def call(module: Any, *args: Any, **static: Any) -> Any:
        return getattr(getattr(stats, name), method)(*args, **static)

    return call


def _row(name: str, method: str, *samples: Sample, **options: Any) -> Spec:
    call = _method(name, method)
    return Spec(f"stats.{name}.{method}", call, samples, of_numpy=False, **options)


def _of_variable(name: str, draws: tuple[Draw, ...], density: str, moved: Any) -> list[Spec]:
    x, *shapes = draws
    rows = []
    for method in (density, f"log{density}", *CDFS, *QUANTILES):
        if (name, method) in NO_FORMULA:
            continue
        quantile = method in QUANTILES
        point, edges = (PARTS, CHANCES) if quantile else (x, EDGES)
        if (name, method) == ("bernoulli", "logsf"):
            point = const([0, 0])  # at 1 it is -inf
        alone = (name, method) in BY_VARIABLE
        free, static = ([], {"kappa": 1.5}) if alone else (shapes, {})
        fixed = [const(float(s(np.random.default_rng(5)))) for s in free]
        samples = [
            S("1d", (point, *free), static),
            S("edges", (edges, *fixed), static, derivative=False, warns=True),
            S("invalid", (const(0.5), *[const(-1.0) for _ in free]), static, derivative=False),
        ]
        if name in ("norm", "gamma", "geom"):
            samples.append(S("moved", (point, *free), moved))
        if name in ("norm", "gamma"):
            some = [const(2.0) for _ in shapes]
            samples.append(S("loc-scale", (const(0.4), *some, real(3, hi=-0.5), SHAPE)))
        step = quantile and name in DISCRETE
        rows.append(_row(name, method, *samples, order=0 if step else 3))
    return rows


def _of_shapes(name: str, shapes: tuple[Draw, ...]) -> list[Spec]:
    return [
        _row(name, method, S("shapes", shapes))
        for method in ("mean", "var", "std", "entropy")
        if shapes and (name, method) not in NO_FORMULA
    ]


DISTRIBUTIONS: tuple[Spec, ...] = tuple(
    [
        spec
        for table, density, moved in (
            (CONTINUOUS, "pdf", {"loc": 0.1, "scale": 1.5}),
            (DISCRETE, "pmf", {"loc": -2}),
        )
        for name, draws in table.items()
        for spec in (*_of_variable(name, draws, density, moved), *_of_shapes(name, draws[1:]))
    ]
)


# Vectors. Covariances are products, since SciPy reads one triangle; probabilities add up to 1.


def _normal(method: str) -> Any:
    def call(module: Any, *args: Any, **static: Any) -> Any:
        *x, mean, a = args
        cov = a if a.ndim < 2 else a @ a.T + np.eye(len(a))
        return getattr(stats.multivariate_normal, method)(*x, mean, cov, **static)

    return call


def _multinomial(method: str) -> Any:
    def call(module: Any, x: Any, n: Any, logits: Any) -> Any:
        p = np.exp(logits) / np.sum(np.exp(logits), axis=-1, keepdims=True)
        return getattr(stats.multinomial, method)(x, n, p)

    return call


ALPHA = real(4, lo=1.2, hi=3.0)
HITS = const([[1, 2, 3], [0, 6, 0]])
VECTORS: tuple[Spec, ...] = (
    *[
        Spec(
            f"stats.multivariate_normal.{method}",
            _normal(method),
            (
                S("points", (real(4, 3), real(3), real(3, 3))),
                S("one", (real(3, lo=-0.5, hi=0.5), real(3, lo=-0.5, hi=0.5), real(3, 3))),
                S("diagonal", (real(2, 2, 3), real(3), real(3, lo=0.5))),
                S("number", (real(2), real(2), real(lo=0.5))),
                S("scalars", (real(), real(1), real(lo=0.5))),
                S("f4", (real(3, dtype="f4"), real(3, dtype="f4"), real(3, 3, dtype="f4"))),
            ),
            of_numpy=False,
            ulps=64,
            tolerance=10,
        )
        for method in ("logpdf", "pdf")
    ],
    Spec(
        "stats.multivariate_normal.entropy",
        _normal("entropy"),
        (S("matrix", (real(3), real(3, 3))), S("number", (real(2), real(lo=0.5)))),
        of_numpy=False,
        ulps=16,
    ),
    *[
        _row(
            "dirichlet",
            method,
            S("all-but-one", (real(3, lo=0.1, hi=0.3), ALPHA)),
            S("columns", (real(3, 5, lo=0.1, hi=0.3), ALPHA)),
            S("whole", (const([0.2, 0.3, 0.1, 0.4]), ALPHA), derivative=False),
            ulps=16,
        )
        for method in ("logpdf", "pdf")
    ],
    *[
        _row("dirichlet", method, S("alpha", (ALPHA,)), ulps=16)
        for method in ("mean", "var", "entropy")
    ],
    *[
        Spec(
            f"stats.multinomial.{method}",
            _multinomial(method),
            (
                S("one", (const([1, 2, 3]), const(6), real(3))),
                S("rows", (HITS, const(6), real(3))),
                S("each-its-own", (HITS, const([6, 6]), real(2, 3))),
                S("outside", (const([[1, 2, 4], [-1, 4, 3]]), const(6), real(3)), derivative=False),
            ),
            of_numpy=False,
            ulps=64,
        )
        for method in ("logpmf", "pmf")
    ],
)

# Samples.

SHAPED = real(3, 4, lo=0.5, hi=3.0)


def _statistic(name: str, *samples: Sample, **options: Any) -> Spec:
    def call(module: Any, *args: Any, **static: Any) -> Any:
        return getattr(stats, name)(*args, **static)

    scipys = getattr(scipy.stats, name)
    return Spec(f"stats.{name}", call, samples, covers=(scipys,), of_numpy=False, **options)


def _averaged(*more: Sample) -> tuple[Sample, ...]:
    return (
        S("1d", (real(5, lo=0.5, hi=3.0),)),
        S("2d", (SHAPED,)),
        S("axis", (SHAPED,), {"axis": -1}),
        S("axis-none", (SHAPED,), {"axis": None}),
        S("f4", (real(3, 4, lo=0.5, hi=3.0, dtype="f4"),)),
        *more,
    )


WEIGHTS = np.arange(1.0, 13.0).reshape(3, 4)
KEEPDIMS = S("keepdims", (SHAPED,), {"axis": 1, "keepdims": True})
STATISTICS: tuple[Spec, ...] = (
    _statistic("sem", *_averaged(KEEPDIMS, S("ddof", (SHAPED,), {"ddof": 0})), ulps=16),
    _statistic("zscore", *_averaged(S("ddof", (SHAPED,), {"ddof": 1})), ulps=32),
    _statistic(
        "zmap",
        S("two", (real(3, 4), SHAPED)),
        S("axis", (real(3, 4), SHAPED), {"axis": 1, "ddof": 1}),
        ulps=32,
    ),
    _statistic(
        "gmean",
        *_averaged(KEEPDIMS, S("weights", (SHAPED,), {"weights": WEIGHTS})),
        ulps=16,
    ),
    _statistic(
        "hmean",
        *_averaged(KEEPDIMS, S("weights", (SHAPED,), {"weights": WEIGHTS})),
        ulps=16,
    ),
    _statistic(
        "mode",
        *_averaged(KEEPDIMS),
        S("ties", (const([[1.0, 2.0, 2.0], [1.0, 3.0, 0.0]]),), {"axis": None}, derivative=False),
        S("ints", (ints(3, 5),)),
    ),
)

SCIPY_STATS: tuple[Spec, ...] = (*DISTRIBUTIONS, *VECTORS, *STATISTICS)
