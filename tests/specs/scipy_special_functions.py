"""The functions of scipy.special that are no ufuncs, through `wengert.scipy.special`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
from scipy.special import _ufuncs

import wengert.scipy.special as wsp
from specs.table import S, Sample, Spec, const, cplx, ints, python, real

INF = np.inf


def function_row(
    name: str, *samples: Sample, also: tuple[str, ...] = (), **options: Any
) -> tuple[Spec, ...]:
    """A row for a function; none where SciPy lacks it."""
    scipys = getattr(scipy.special, name, None)
    if scipys is None:
        return ()
    found = [getattr(_ufuncs, f, None) for f in also]
    return (
        Spec(
            f"special.{name}",
            lambda m, *xs, **static: getattr(wsp, name)(*xs, **static),
            samples,
            (scipys, *[f for f in found if f is not None]),
            of_numpy=False,
            **options,
        ),
    )


def _order_first(name: str, *orders: Any, lo: float, hi: float, **options: Any) -> tuple[Spec, ...]:
    """A function of an order, which is not differentiated, and of real and complex numbers."""
    complex_ = options.pop("complex_", True)
    samples = []
    for n in orders:
        samples.append(S(f"{n}-vector", (ints(3, lo=n, hi=n + 1), real(3, lo=lo, hi=hi))))
        samples.append(S(f"{n}-scalar", (const(n), real(lo=lo, hi=hi))))
        if complex_:
            samples.append(S(f"{n}-c16", (const(n), cplx(2, lo=lo, hi=hi))))
    samples += [
        S("f4", (const(orders[0]), real(2, lo=lo, hi=hi, dtype="f4"))),
        S("python", (const(orders[0]), python(lo, hi))),
        S("broadcast", (const([[n] for n in orders]), real(2, lo=lo, hi=hi))),
        S("empty", (const(orders[0]), real(0, lo=lo, hi=hi))),
    ]
    return function_row(name, *samples, **options)


AXES = (
    S("vector", (real(3),)),
    S("all", (real(2, 3),)),
    S("axis", (real(2, 3),), {"axis": 1}),
    S("negative", (real(2, 3, 2),), {"axis": -2}),
    S("tuple", (real(2, 3, 2),), {"axis": (0, 2)}),
    S("f4", (real(2, 3, dtype="f4"),), {"axis": 0}),
    S("far", (const([1e4, 1e4, 1e4 + 1.0, -1e4]),)),
    S("equal", (const([700.0, 700.0]),)),
    S("ints", (const([1, 2, 5]),)),
    S("infinite", (const([-INF, 0.0, 1.0]),), derivative=False),
    S("nan", (const([np.nan, 0.0, 1.0]),), derivative=False, warns=True),
)

LOGSUMEXP = function_row(
    "logsumexp",
    *AXES,
    S("scalar", (real(),)),
    S("keepdims", (real(2, 3),), {"axis": 1, "keepdims": True}),
    S("keepdims-all", (real(2, 3),), {"keepdims": True}),
    S("c16", (cplx(3),)),
    S("-inf", (const([-INF, -INF]),), derivative=False),
    S("+inf", (const([INF, 0.0, INF]),), derivative=False, warns=True),
    S("sign", (real(2, 3),), {"axis": 1, "return_sign": True}),
)


def _weighted(m: Any, a: Any, b: Any, **static: Any) -> Any:
    return wsp.logsumexp(a, b=b, **static)


WEIGHTED = (
    Spec(
        "special.logsumexp-b",
        _weighted,
        (
            S("positive", (real(3), real(3, lo=0.5, hi=2))),
            S("axis", (real(2, 3), real(2, 3, lo=0.5, hi=2)), {"axis": 1}),
            S("broadcast", (real(2, 3), real(3, lo=0.5, hi=2)), {"axis": 0, "keepdims": True}),
            S("stretched", (real(2, 1), real(3, lo=0.5, hi=2)), {"axis": 1}),
            S("f4", (real(3, dtype="f4"), real(3, lo=0.5, hi=2, dtype="f4"))),
            S("f4-f8", (real(3, dtype="f4"), real(3, lo=0.5, hi=2))),
            S("ints", (real(3), const([1, 2, 3]))),
            S("python", (real(3), python(0.5, 2))),
            S("zero", (real(3, lo=0.5, hi=1), const([1.0, 0.0, 2.0]))),
            S("zero-of-inf", (const([0.5, INF, 1.0]), const([1, 0, 2])), derivative=False),
            S("negative", (const([1.0, 0.5]), const([1.0, -0.5]))),
            S("nan", (const([0.5, 1.0]), const([1.0, -0.5])), derivative=False),
            S("c16", (cplx(3), real(3, lo=0.5, hi=2)), {"axis": 0}),
            S("signed", (real(3), real(3, lo=-2, hi=-0.5)), {"return_sign": True}),
            S("signed-axis", (real(2, 3), real(2, 3)), {"axis": 1, "return_sign": True}),
            S("signed-c16", (cplx(3), cplx(3)), {"return_sign": True, "keepdims": True}),
        ),
        tolerance=16,
        ulps=16,
        of_numpy=False,
    ),
)

SOFTMAX = (
    *function_row("softmax", *AXES, S("scalar", (real(),)), S("empty", (real(0, 2),), {"axis": 1})),
    *function_row("log_softmax", *AXES, S("c16", (cplx(3),))),
)

GAMMA_FAMILY = (
    *_order_first("polygamma", 0, 1, 3, lo=0.7, hi=3, complex_=False, tolerance=64),
    *function_row(
        "zeta",
        S("hurwitz", (const([2, 3, 4]), real(3, lo=0.5, hi=3))),
        S("scalar", (const(3), real(lo=0.5, hi=3))),
        S("f4", (const(np.int8(2)), real(3, lo=0.5, hi=3, dtype="f4"))),
        S("riemann", (const([2, 3]),)),
        S("ints", (const([2, 3]), const([1, 2]))),
        also=("_zeta", "_riemann_zeta"),
    ),
    *function_row(
        "multigammaln",
        S("vector", (real(3, lo=2, hi=4),), {"d": 3}),
        S("scalar", (real(lo=2, hi=4),), {"d": 1}),
        S("f4", (real(3, lo=2, hi=4, dtype="f4"),), {"d": 2}),
        S("ints", (const([2, 3]),), {"d": 2}),
    ),
    *function_row(
        "factorial",
        S("vector", (real(3, lo=0.2, hi=4),)),
        S("scalar", (real(lo=0.2, hi=4),)),
        S("python", (python(0.2, 4),)),
        S("f4", (real(2, lo=0.2, hi=4, dtype="f4"),)),
        S("negative", (const([-1.5, -1.0, 2.5]),)),
        S("ints", (const([0, 2, 5]),)),
    ),
    *function_row(
        "comb",
        S("both", (real(3, lo=3, hi=5), real(3, lo=0.5, hi=2))),
        S("broadcast", (real(2, 1, lo=3, hi=5), real(3, lo=0.5, hi=2))),
        S("counted", (real(3, lo=3, hi=5), const([1, 2, 7]))),
        S("scalar", (real(lo=3.5, hi=5), const(2))),
        S("repetition", (real(3, lo=3, hi=5), const([0, 1, 2])), {"repetition": True}),
        S("f4", (real(3, lo=3, hi=5, dtype="f4"), real(3, lo=0.5, hi=2, dtype="f4"))),
        S("ints", (const([5, 6]), const([2, 8]))),
        tolerance=64,
    ),
    *function_row(
        "perm",
        S("both", (real(3, lo=3, hi=5), real(3, lo=0.5, hi=2))),
        S("counted", (real(3, lo=3, hi=5), const([1, 2, 7]))),
        S("scalar", (real(lo=3, hi=5), const(2))),
        S("f4", (real(3, lo=3, hi=5, dtype="f4"), real(3, lo=0.5, hi=2, dtype="f4"))),
        S("ints", (const([5, 6]), const([2, 8]))),
        tolerance=64,
    ),
)

OTHERS = (
    *function_row(
        "lambertw",
        S("vector", (real(3, lo=0.5, hi=3),)),
        S("scalar", (real(lo=0.5, hi=3),)),
        S("f4", (real(3, lo=0.5, hi=3, dtype="f4"),), derivative=False),
        S("branch", (real(3, lo=0.5, hi=3),), {"k": 1}),
        S("branches", (real(2, lo=0.5, hi=3),), {"k": [0, -1]}),
        S("c16", (cplx(3),)),
        also=("_lambertw",),
    ),
    *[
        row
        for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn")
        for row in _order_first(
            name, 0, 1, 3, lo=0.7, hi=2.5, also=(f"_{name}", f"_{name}_d"), tolerance=2000, ulps=64
        )
    ],
    *[
        Spec(
            f"special.{name}-derivative",
            lambda m, n, z, name=name: getattr(wsp, name)(n, z, derivative=True),
            (
                S("vector", (const([0, 1, 3]), real(3, lo=0.7, hi=2.5))),
                S("c16", (const(2), cplx(2, lo=0.7, hi=2))),
            ),
            tolerance=200,
            of_numpy=False,
        )
        for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn")
    ],
    *function_row(
        "diric",
        S("odd", (real(3), const([3, 5, 7]))),
        S("even", (real(3), const([1, 2, 4]))),
        S("scalar", (real(), const(4))),
        S("f4", (real(3, dtype="f4"), const([3, 5, 7]))),
        S("at-0", (const([0.0, 2 * np.pi]), const([4, 4]))),
        S("invalid", (real(2), const([0, -1])), derivative=False),
    ),
    *function_row(
        "softplus",
        S("vector", (real(3),)),
        S("f4", (real(3, dtype="f4"),)),
        S("far", (const([-1000.0, 1000.0, INF]),), derivative=False),
    ),
    *function_row(
        "sph_harm_y",
        S("vector", (const([0, 2, 3]), const([0, 1, -3]), real(3, lo=0.3), real(3))),
        S("scalar", (const(2), const(-1), real(lo=0.3), real())),
        S("broadcast", (const([[2], [3]]), const(1), real(lo=0.3), real(3))),
        S("beyond", (const([2, 3]), const([1, 2]), const([-0.3, 4.0]), real(2))),
        S("f4", (const(2), const(1), real(2, lo=0.3, dtype="f4"), real(2, dtype="f4"))),
        tolerance=16,
    ),
    *function_row(
        "legendre_p",
        S("vector", (const([0, 1, 4]), real(3, lo=-0.8, hi=0.8))),
        S("diff", (const([0, 1, 4]), real(3, lo=-0.8, hi=0.8)), {"diff_n": 2}),
        S("scalar", (const(3), real(lo=-0.8, hi=0.8)), {"diff_n": 1}),
        tolerance=16,
        ulps=16,
    ),
    Spec(
        "special.bessel_jn",
        lambda m, z, *, v: wsp.bessel_jn(z, v=v),
        (
            S("vector", (real(3),), {"v": 2}),
            S("scalar", (real(),), {"v": 0}),
            S("f4", (real(2, dtype="f4"),), {"v": 1}),
            S("c16", (cplx(2),), {"v": 1}),
        ),
        of_numpy=False,
    ),
)

SCIPY_SPECIAL_FUNCTIONS = (*LOGSUMEXP, *WEIGHTED, *SOFTMAX, *GAMMA_FAMILY, *OTHERS)
